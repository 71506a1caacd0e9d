"""The way from a Python call to a kernel, without Python in between: one function for all kernels, compiled once.

It is a METH_FASTCALL function whose `self` is an array of addresses. It walks descriptors, one for each kernel that was
compiled for the function: fetches the leaves of the arguments, compares their types and shapes, makes the outputs,
calls the kernel, and builds the result. Where nothing fits it calls the slow path, a Python function, with the same
arguments; that one casts, compiles, or raises.

A descriptor is an array of 64-bit numbers (addresses are numbers, too); its fields are listed in entry_text.py.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .cache import Compiled, cached
from .entry_text import READ_FLAGS, entry_text
from .llvm import load, object_code

_PYTHON = (
    "PyObject_Vectorcall", "PyDict_GetItemWithError", "PyDict_Size", "PyTuple_New", "PyList_New", "PyDict_New",
    "PyDict_SetItem", "PyTuple_SetItem", "PyList_SetItem", "Py_IncRef", "Py_DecRef", "PyErr_Clear", "PyErr_NoMemory",
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyMem_RawMalloc", "PyMem_RawFree",
)  # fmt: skip
_NUMPY = {"PyArray_NewFromDescr": 94, "PyArray_Scalar": 60}  # places in NumPy's table of functions, fixed for ever


def _numpy_table() -> Any:
    import importlib

    core: Any = importlib.import_module("numpy._core._multiarray_umath")

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 300).from_address(pointer(core._ARRAY_API, None))


def _imports() -> dict[str, int]:
    found = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _PYTHON}
    table = _numpy_table()
    found |= {name: table[place] for name, place in _NUMPY.items()}
    return found | {
        "PyFloat_Type": id(float), "PyDict_Type": id(dict), "PyTuple_Type": id(tuple), "PyList_Type": id(list),
        "PyArray_Type": id(np.ndarray),
    }  # fmt: skip


def layout_holds() -> bool:
    """Whether objects lie in memory as the entry reads them: tried on an array, a float, a tuple and a list."""
    x = np.arange(6.0).reshape(2, 3)
    word, half = ctypes.c_uint64.from_address, ctypes.c_int32.from_address
    at = id(x)
    return (
        _numpy_table()[2] == id(np.ndarray)
        and word(at + 8).value == id(np.ndarray)
        and word(at + 16).value == x.ctypes.data
        and half(at + 24).value == 2
        and (ctypes.c_int64 * 2).from_address(word(at + 32).value)[:] == [2, 3]
        and word(at + 56).value == id(np.dtype(np.float64)) == id(x.dtype)
        and half(at + 64).value & READ_FLAGS == READ_FLAGS
        and not half(id(x.T) + 64).value & 1
        and ctypes.c_double.from_address(id(2.5) + 16).value == 2.5
        and word(id((1, x)) + 32).value == at
        and word(word(id(made := [1, x]) + 24).value + 8).value == at
        and word(id(made) + 16).value == 2
    )


@cache
def _entry() -> int:
    imports = _imports()
    made = cached(b"entry", lambda: Compiled(object_code(entry_text())))
    _entry.kept = load(made.code, ["entry"], imports)  # type: ignore[attr-defined]
    return _entry.kept["entry"]  # type: ignore[attr-defined]


class _Method(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    ]  # fmt: skip


_METHOD = _Method(b"call", None, 0x80 | 0x02, None)  # METH_FASTCALL | METH_KEYWORDS


def fast_call(slow: Callable[..., Any]) -> tuple[Callable[..., Any], Any]:
    """A function that tries descriptors and else calls `slow`, and its table: word 0 holds the first descriptor.

    The table and `slow` must be kept as long as the function is called.
    """
    _METHOD.call = _entry()
    table = np.array([0, id(slow)], np.uint64)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    return make(ctypes.addressof(_METHOD), table, "chainrule"), table
