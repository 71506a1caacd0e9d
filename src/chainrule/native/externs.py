"""Functions of C that kernels call: symbols, and their addresses in this process.

A symbol is `library.function`: special.psi is the function psi that SciPy offers to Cython, libm.atan the C library's.
Object code knows symbols only, so that it can be kept on disk; addresses are looked up when it is loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

_LIBRARIES = {
    "special": "scipy.special.cython_special",
    "blas": "scipy.linalg.cython_blas",
    "lapack": "scipy.linalg.cython_lapack",
}
_REAL = rb"double \((double(?:, double)*)(, int __pyx_skip_dispatch)?\)"


@cache
def addresses(symbols: frozenset[str]) -> dict[str, int]:
    """Where the functions are."""
    return {symbol: _found(symbol)[1] for symbol in symbols}


def takes_flag(symbol: str) -> bool:
    """Whether the function wants one more argument, a 0 that only Cython cares about."""
    return _found(symbol)[2]


def offers(symbol: str, arity: int) -> bool:
    """Whether there is such a function of so many real numbers."""
    try:
        return _found(symbol)[0] in (arity, None)
    except LookupError:
        return False


@cache
def _found(symbol: str) -> tuple[int | None, int, bool]:
    """How many real numbers it takes, where that is known; its address; and whether it wants the flag."""
    library, name = symbol.split(".")
    if library == "pool":
        return None, importlib.import_module("chainrule.native.pool").address(), False
    if library == "interrupt":
        return None, importlib.import_module("chainrule.native.interrupt").address(), False
    if library == "libm":
        from ctypes.util import find_library  # here, for it imports much

        function = getattr(ctypes.CDLL(find_library("m")), name, None)
        if function is None:
            raise LookupError(symbol)
        return None, ctypes.cast(function, ctypes.c_void_p).value or 0, False
    exported = _offered(_LIBRARIES[library])
    if library != "special":  # they take pointers only
        return None, _pointer(exported[name], _name(exported[name])), False
    for key in _variants(name, exported):
        signature = _name(exported[key])
        found = re.fullmatch(_REAL, signature)
        if found:
            return found[1].count(b"double"), _pointer(exported[key], signature), found[2] is not None
    raise LookupError(symbol)


@cache
def _offered(module: str) -> Any:
    """What a module of SciPy offers to Cython.

    Those of `scipy.linalg` need nothing of their package, which takes a quarter of a second to import, as long as a
    large kernel takes to compile: they are loaded without it, unless somebody has it.
    """
    package = module.rpartition(".")[0]
    if package == "scipy.linalg" and package not in sys.modules:
        import scipy

        spec = PathFinder.find_spec(module, [os.path.join(folder, "linalg") for folder in scipy.__path__])
        if spec is not None and spec.loader is not None:
            alone = module_from_spec(spec)
            spec.loader.exec_module(alone)
            sys.modules.pop(module, None)  # who imports it later gets it as usual, with its package
            return alone.__pyx_capi__
    return importlib.import_module(module).__pyx_capi__


def _variants(name: str, exported: Iterable[str]) -> list[str]:
    """The names under which Cython offers one function for several types."""
    return [key for key in exported if key == name or re.fullmatch(rf"__pyx_fuse_\d+{re.escape(name)}", key)]


def _name(capsule: Any) -> bytes:
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return name(capsule) or b""


def _pointer(capsule: Any, name: bytes) -> int:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name))
