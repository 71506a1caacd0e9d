"""The way from a Python call to a kernel, without Python in between: one function for all kernels, compiled once.

A `Function` is an object that Python calls through it. It walks descriptors, one for each kernel that was compiled for
the function: fetches the leaves of the arguments, compares their types and shapes and what the recording was not to
find changed, makes the outputs, calls the kernel, and builds the result. Where nothing fits, and while a function is
being recorded, it calls the slow path, a Python function, with the same arguments; that one casts, compiles, or raises.

A descriptor is an array of 64-bit numbers (addresses are numbers, too); its fields are listed in descriptor.py.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any

import numpy as np

from ..trace.record import recordings_under_way
from .cache import Compiled, cached
from .descriptor import DICTIONARY, FIRST, KEPT, READ_FLAGS, SIZE, SLOW, VECTORCALL, WEAK
from .entry_text import entry_text
from .llvm import load, object_code

_PYTHON = (
    "PyObject_Vectorcall", "PyDict_GetItemWithError", "PyDict_Size", "PyDict_Next",
    "PyObject_RichCompareBool", "PyTuple_New", "PyList_New", "PyDict_New",
    "PyDict_SetItem", "PyTuple_SetItem", "PyList_SetItem", "Py_IncRef", "Py_DecRef", "PyErr_Clear", "PyErr_NoMemory",
    "PyErr_Occurred", "PyObject_GenericGetDict", "PyObject_CallNoArgs", "PyEval_SaveThread", "PyEval_RestoreThread",
    "PyMem_RawMalloc", "PyMem_RawFree",
)  # fmt: skip
_NUMPY = {  # places in NumPy's table of functions, fixed for ever
    "PyArray_NewFromDescr": 94, "PyArray_Scalar": 60, "PyArray_Zeros": 183,
}  # fmt: skip
_MOST = 32  # descriptors of one function: they are never taken away, for a call may be running through them

_word, _half = ctypes.c_uint64.from_address, ctypes.c_int32.from_address


def _numpy_table() -> Any:
    core: Any = importlib.import_module("numpy._core._multiarray_umath")
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 300).from_address(pointer(core._ARRAY_API, None))


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _imports() -> dict[str, int]:
    found = {name: _address(getattr(ctypes.pythonapi, name)) for name in _PYTHON}
    table = _numpy_table()
    found |= {name: table[place] for name, place in _NUMPY.items()}
    return found | {
        "PyUnicode_Type": id(str), "PyDict_Type": id(dict),
        "PyTuple_Type": id(tuple), "PyList_Type": id(list), "PyArray_Type": id(np.ndarray),
        "Py_True": id(True), "busy": ctypes.addressof(recordings_under_way),
    }  # fmt: skip


@cache
def layout_holds() -> bool:
    """Whether objects lie in memory as the entry reads them: tried on an array, numbers, a tuple, a list, a closure."""
    x = np.arange(6.0).reshape(2, 3)
    at = id(x)
    made = [1, x]

    def closure() -> Any:
        return at

    return (
        object.__basicsize__ == 16
        and _numpy_table()[2] == id(np.ndarray)
        and _word(at + 8).value == id(np.ndarray)
        and _word(at + 16).value == x.ctypes.data
        and _half(at + 24).value == 2
        and (ctypes.c_int64 * 2).from_address(_word(at + 32).value)[:] == [2, 3]
        and _word(at + 56).value == id(np.dtype(np.float64)) == id(x.dtype)
        and _half(at + 64).value & READ_FLAGS == READ_FLAGS
        and not _half(id(x.T) + 64).value & 1
        and all(ctypes.c_double.from_address(id(y) + 16).value == 2.5 for y in (2.5, np.float64(2.5)))
        and ctypes.c_float.from_address(id(y := np.float32(2.5)) + 16).value == 2.5
        and _word(id((1, x)) + 32).value == at
        and _word(_word(id(made) + 24).value + 8).value == at
        and _word(id(made) + 16).value == 2
        and _word(id((closure.__closure__ or ())[0]) + CELL).value == id(at)
        and len(function_fields()) == 4
        and y == 2.5
    )


TYPE, CELL = 8, 16  # bytes from an object to its type, from a cell to what it holds


@cache
def function_fields() -> dict[str, int]:
    """How many bytes a function's code, defaults and attributes are away from its beginning: looked for."""

    def sample(x: int = 1, *, y: int = 2) -> None: ...

    sample.__dict__["kept"] = 1
    wanted = {
        id(getattr(sample, name)): name for name in ("__code__", "__defaults__", "__kwdefaults__", "__dict__")
    }  # fmt: skip
    size = type(sample).__basicsize__
    found = {wanted.get(_word(id(sample) + at).value): at for at in range(16, size, 8)}
    return {name: at for name, at in found.items() if name is not None}


@cache
def _code() -> Any:
    made = cached(b"entry", lambda: Compiled(object_code(entry_text())))
    return load(made.code, ["entry", "traverse"], _imports())


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("type", ctypes.c_int), ("offset", ctypes.c_ssize_t), ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]  # fmt: skip


class _GetSet(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("get", ctypes.c_void_p), ("set", ctypes.c_void_p), ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    ]  # fmt: skip


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("size", ctypes.c_int), ("itemsize", ctypes.c_int), ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]  # fmt: skip


_OBJECT, _SSIZE, _READONLY = 16, 19, 1  # kinds and flags of members
_TP_CALL, _TP_TRAVERSE, _TP_MEMBERS, _TP_GETSET = 50, 71, 72, 73
_HAS_VECTORCALL, _HAS_GC = 1 << 11, 1 << 14


@cache
def _function_type() -> Any:
    """The type of functions that are called through the entry: made as an extension written in C would make it."""
    members = (_Member * 6)(
        _Member(b"__vectorcalloffset__", _SSIZE, VECTORCALL, _READONLY),
        _Member(b"__dictoffset__", _SSIZE, DICTIONARY, _READONLY),
        _Member(b"__weaklistoffset__", _SSIZE, WEAK, _READONLY),
        _Member(b"_slow", _OBJECT, SLOW, 0),
        _Member(b"_kept", _OBJECT, KEPT, 0),
        _Member(),
    )
    api = ctypes.pythonapi
    getsets = (_GetSet * 2)(
        _GetSet(b"__dict__", _address(api.PyObject_GenericGetDict), _address(api.PyObject_GenericSetDict)), _GetSet()
    )
    slots = (_Slot * 5)(
        _Slot(_TP_CALL, _address(api.PyVectorcall_Call)),
        _Slot(_TP_MEMBERS, ctypes.addressof(members)),
        _Slot(_TP_GETSET, ctypes.addressof(getsets)),
        _Slot(_TP_TRAVERSE, _code()["traverse"]),
        _Slot(),
    )
    spec = _Spec(b"chainrule.Function", SIZE, 0, _HAS_VECTORCALL | _HAS_GC, slots)
    make = api.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(_Spec)]
    kind: Any = make(ctypes.byref(spec))
    kind.kept_alive = (members, getsets, slots, spec)
    kind.__repr__ = lambda self: f"<{self.__dict__.get('__qualname__', 'function')} of chainrule>"
    kind.__get__ = lambda self, owner, cls=None: self if owner is None else MethodType(self, owner)
    return kind


def function(slow: Callable[..., Any], like: Any) -> Any:
    """A function that tries its descriptors, and else calls `slow`; it has the name and signature of `like`."""
    made = _function_type()()
    made._slow = slow
    made._kept = []
    _word(id(made) + VECTORCALL).value = _code()["entry"]
    return functools.update_wrapper(made, like)


def enter(made: Any, descriptor: np.ndarray[Any, Any], kept: Any) -> None:
    """Let a function try a descriptor first; `kept` is all that it holds addresses of."""
    if len(made._kept) < _MOST:
        descriptor[0] = _word(id(made) + FIRST).value
        made._kept.append((descriptor, kept))
        _word(id(made) + FIRST).value = descriptor.ctypes.data


def is_full(made: Any) -> bool:
    """Whether a function takes no more descriptors."""
    return len(made._kept) >= _MOST
