"""Operators and methods of an array, as stand-ins have them. What each means stands in the op table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ChainruleError, InPlaceError, ShapeError
from ..ir import Var
from ..ops.indexing import add_at
from ..ops.op import Interpreted, by_function, is_weak, shape_of
from .dispatch import call, invoke, locate, located

_NONE: dict[str, Any] = {}
_OPERANDS = (Interpreted, int, float, complex, list, tuple, np.ndarray, np.generic)


def _operator(function: Any, swapped: bool = False) -> Any:
    op = by_function[function].__dict__.get("op")

    def method(self: Any, other: Any) -> Any:
        if op is not None and (type(other) is float or (type(other) is type(self) and other.recorder is self.recorder)):
            try:  # what is most frequent needs no dispatch
                result = self.recorder.apply(op, (other, self) if swapped else (self, other), _NONE)
            except ChainruleError as error:
                raise locate(error) from None
            return as_weak(result) if self.weak and is_weak(other) else result
        if not isinstance(other, _OPERANDS):
            return NotImplemented  # a class of the user's may know what to do
        result = invoke(function, (other, self) if swapped else (self, other), _NONE, self.recorder)
        return as_weak(result) if self.weak and is_weak(other) else result

    return method


def _unary(function: Any) -> Any:
    def method(self: Any) -> Any:
        if self.weak:
            return as_weak(invoke(function, (self,), _NONE, self.recorder))
        return call(function, (self,), _NONE, self.recorder)

    return method


def as_weak(number: Any) -> Any:
    """A Python number: beside an array it takes on the array's dtype."""
    if isinstance(number, Interpreted) and isinstance(number.atom, Var):  # type: ignore[attr-defined]
        number.atom.type = number.atom.type._replace(weak=True)  # type: ignore[attr-defined]
    return number


def _in_place(function: Any) -> Any:
    operate = _operator(function)

    def method(self: Any, other: Any) -> Any:
        if not self.is_array:  # a number: the name is bound anew, as in Python
            return operate(self, other)
        result = invoke(function, (self, other), _NONE, self.recorder)
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise locate(ShapeError(f"the result is {result.type} and can't be stored in $0", operands=(self.type,)))
        self.write(by_function[np.astype](result, self.dtype))
        return self

    return method


def _method(function: Any) -> Any:
    return lambda self, *args, **options: call(function, (self, *args), options, self.recorder)


class ArrayMethods(Interpreted):
    """`x + y`, `x.sum()`, `x.T`: all that an array does under its own name."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _operator(np.add), _operator(np.add, True), _in_place(np.add)
    __sub__, __rsub__, __isub__ = _operator(np.subtract), _operator(np.subtract, True), _in_place(np.subtract)
    __mul__, __rmul__, __imul__ = _operator(np.multiply), _operator(np.multiply, True), _in_place(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _operator(np.divide), _operator(np.divide, True), _in_place(np.divide)
    __floordiv__, __rfloordiv__ = _operator(np.floor_divide), _operator(np.floor_divide, True)
    __ifloordiv__ = _in_place(np.floor_divide)
    __mod__, __rmod__, __imod__ = _operator(np.remainder), _operator(np.remainder, True), _in_place(np.remainder)
    __pow__, __rpow__, __ipow__ = _operator(np.power), _operator(np.power, True), _in_place(np.power)
    __matmul__, __rmatmul__, __imatmul__ = _operator(np.matmul), _operator(np.matmul, True), _in_place(np.matmul)
    __and__, __rand__, __iand__ = _operator(np.bitwise_and), _operator(np.bitwise_and, True), _in_place(np.bitwise_and)
    __or__, __ror__, __ior__ = _operator(np.bitwise_or), _operator(np.bitwise_or, True), _in_place(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _operator(np.bitwise_xor), _operator(np.bitwise_xor, True), _in_place(np.bitwise_xor)
    __lt__, __le__, __gt__, __ge__ = (_operator(f) for f in (np.less, np.less_equal, np.greater, np.greater_equal))
    __eq__, __ne__ = _operator(np.equal), _operator(np.not_equal)
    __neg__, __pos__, __abs__, __invert__ = (_unary(f) for f in (np.negative, np.positive, np.absolute, np.invert))

    sum, mean, prod = _method(np.sum), _method(np.mean), _method(np.prod)
    var, std, ptp = _method(np.var), _method(np.std), _method(np.ptp)
    max, min, argmax, argmin = _method(np.max), _method(np.min), _method(np.argmax), _method(np.argmin)
    any, all, argsort = _method(np.any), _method(np.all), _method(np.argsort)
    cumsum, cumprod = _method(np.cumsum), _method(np.cumprod)
    dot, trace, diagonal = _method(np.dot), _method(np.trace), _method(np.diagonal)
    clip, round, take, repeat = _method(np.clip), _method(np.round), _method(np.take), _method(np.repeat)
    ravel, squeeze = _method(np.ravel), _method(np.squeeze)
    conj = conjugate = _unary(np.positive)

    def reshape(self: Any, *shape: Any, order: str = "C") -> Any:
        return call(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {"order": order}, self.recorder)

    def flatten(self: Any, order: str = "C") -> Any:
        return invoke(np.ravel, (self, order), _NONE, self.recorder).copy()

    def transpose(self: Any, *axes: Any) -> Any:
        listed: Any = axes
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            listed = axes[0] or ()
        n = self.ndim
        order = tuple(int(a) % n for a in listed) if listed else tuple(range(n))[::-1]
        return located(lambda: self.view_of_transpose(order))

    def swapaxes(self: Any, axis1: int, axis2: int) -> Any:
        order = list(range(self.ndim))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return located(lambda: self.view_of_transpose(tuple(order)))

    T = property(transpose)
    mT = property(lambda self: self.swapaxes(-1, -2))
    real = property(lambda self: self)
    flat = property(lambda self: Flat(self))

    def astype(self: Any, dtype: Any, **options: Any) -> Any:
        new = invoke(np.astype, (self, dtype), _NONE, self.recorder)
        return new.copy() if new is self and options.get("copy", True) else new

    def __divmod__(self: Any, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self: Any, other: Any) -> Any:
        return other // self, other % self

    def fill(self: Any, value: Any) -> None:
        self[...] = value

    def sort(self: Any, axis: int = -1, **options: Any) -> None:
        self[...] = invoke(np.sort, (self, axis), options, self.recorder)


class Flat:
    """`x.flat`: the elements in order; reading a part of it copies, writing goes to the array."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Any:
        found = self._array.flatten()[index]
        return found.copy() if isinstance(found, Interpreted) and found.shape else found  # type: ignore[attr-defined]

    def __setitem__(self, index: Any, v: Any) -> None:
        flat = self._array.flatten()
        flat[index] = v
        self._array[...] = flat.reshape(self._array.shape)

    def __iter__(self) -> Any:
        return iter(self._array.flatten())

    def __len__(self) -> int:
        return int(self._array.size)


# --- methods of ufuncs ----------------------------------------------------------------------------------------------


def _at(x: Any, index: Any, v: Any = None) -> None:
    if not isinstance(x, Interpreted):
        raise InPlaceError(
            "np.add.at writes into an array made outside the recording", hint="make it inside the function: np.zeros(…)"
        )
    x.write(add_at(x.now(), index, v))  # type: ignore[attr-defined]


def _outer(function: Any) -> Any:
    def rule(x: Any, y: Any) -> Any:
        spread = by_function[np.reshape](x, shape_of(x) + (1,) * len(shape_of(y)))
        return invoke(function, (spread, y), _NONE)

    return rule


def _reduce(function: Any) -> Any:
    return lambda x, axis=0, dtype=None, keepdims=False: function(x, axis=axis, keepdims=keepdims)


by_function[(np.add, "at")] = _at
for _ufunc, _function in [
    (np.add, np.sum), (np.multiply, np.prod), (np.maximum, np.max), (np.minimum, np.min),
    (np.logical_and, np.all), (np.logical_or, np.any),
]:  # fmt: skip
    by_function[(_ufunc, "reduce")] = _reduce(_function)
by_function[(np.add, "accumulate")] = lambda x, axis=0, dtype=None: np.cumsum(x, axis=axis)
for _ufunc in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power):
    by_function[(_ufunc, "outer")] = _outer(_ufunc)
