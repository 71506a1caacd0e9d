"""Shape: reshape, transpose, slices, flip, conversions, running sums. No arithmetic, so no surprises.

Every op here is linear, acts on trailing core axes, and maps over leading ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError
from ..ir import ArrayType
from .arithmetic import astype, where
from .contraction import broadcast, contraction
from .native import RUNNING, address, assembly
from .notation import Notation, call
from .op import Linear, Value, apply, dtype_of, ndim_of, register, shape_of, spelled, zeros_like

Shape = tuple[int, ...]
SILENT = Notation("silent", "", "", "")


def normal_axis(axis: int, ndim: int) -> int:
    """A non-negative axis; raises as NumPy does."""
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} is out of bounds: the array has {ndim} axes")
    return axis % ndim


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Non-negative axes, all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(normal_axis(a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(axes)) < len(axes):
        raise ShapeError(f"an axis is listed twice: {axis}")
    return axes


# --- reshape --------------------------------------------------------------------------------------------------------


def _lead(x: ArrayType, core: Shape) -> Shape:
    lead = x.shape[: x.ndim - len(core)]
    if x.shape[len(lead) :] != core:
        raise ShapeError(f"shape {x.shape} does not end in {core}", operands=(x,))
    return lead


reshape: Linear = Linear(
    "reshape",
    lambda x, *, old, new: np.reshape(x, np.shape(x)[: np.ndim(x) - len(old)] + new),
    lambda x, *, old, new: ArrayType(_lead(x, old) + new, x.dtype),
    lambda g, inputs, wanted, old, new: {0: apply(reshape, g, old=new, new=old)},
    moves=True, increasing=True, ulps=0, notation=Notation("silent", "reshape", "", ""),
    rule="rearrangement",
    examples=lambda rng: [
        ((rng.normal(size=old),), {"old": old, "new": new}) for old, new in [((2, 3), (3, 2)), ((1, 3), (3,))]
    ],
    native=address("reshape"),
)  # fmt: skip
register(reshape)


@spelled(np.reshape)
def spell_reshape(x: Value, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    if order != "C":
        raise NoRuleError(f"reshape with order={order!r} is not in the op table", hint="transpose first, then reshape")
    shape = newshape if shape is None else shape
    shape = tuple(int(n) for n in shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    old = shape_of(x)
    if -1 in shape:
        known = prod(n for n in shape if n != -1)
        if shape.count(-1) > 1 or (known and prod(old) % known) or not known:
            raise ShapeError(f"$0 can't be reshaped to {shape}", operands=(x,))
        shape = tuple(prod(old) // known if n == -1 else n for n in shape)
    if prod(shape) != prod(old):
        raise ShapeError(f"$0 has {prod(old)} elements and can't be reshaped to {shape}", operands=(x,))
    return x if shape == old else apply(reshape, x, old=old, new=shape)


@spelled(np.ravel)
def ravel(x: Value, order: str = "C") -> Any:
    return spell_reshape(x, (-1,) if prod(shape_of(x)) else (0,), order)


@spelled(np.squeeze)
def squeeze(x: Value, axis: Any = None) -> Any:
    shape = shape_of(x)
    gone = [n for n, size in enumerate(shape) if size == 1] if axis is None else normal_axes(axis, len(shape))
    if any(shape[n] != 1 for n in gone):
        raise ShapeError("$0 can't be squeezed along an axis that is longer than 1", operands=(x,))
    return spell_reshape(x, tuple(size for n, size in enumerate(shape) if n not in gone))


@spelled(np.expand_dims)
def expand_dims(x: Value, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    total = ndim_of(x) + len(axes)
    places = normal_axes(tuple(axes), total)
    sizes = iter(shape_of(x))
    return spell_reshape(x, tuple(1 if n in places else next(sizes) for n in range(total)))


@spelled(np.atleast_1d)
def atleast_1d(*xs: Value) -> Any:
    found = tuple(spell_reshape(x, (1,)) if ndim_of(x) == 0 else x for x in xs)
    return found[0] if len(found) == 1 else found


@spelled(np.atleast_2d)
def atleast_2d(*xs: Value) -> Any:
    found = tuple(spell_reshape(x, (1, *shape_of(x)) if ndim_of(x) else (1, 1)) if ndim_of(x) < 2 else x for x in xs)
    return found[0] if len(found) == 1 else found


@spelled(np.atleast_3d)
def atleast_3d(*xs: Value) -> Any:
    found = tuple(
        spell_reshape(x, ((1, 1, 1), (1, -1, 1), (*shape_of(x), 1))[ndim_of(x)]) if ndim_of(x) < 3 else x for x in xs
    )
    return found[0] if len(found) == 1 else found


# --- transpose, broadcast, diagonal: contractions of one operand ----------------------------------------------------


@spelled(np.transpose, np.permute_dims)
def transpose(x: Value, axes: Any = None) -> Any:
    n = ndim_of(x)
    order = tuple(range(n))[::-1] if axes is None else normal_axes(tuple(axes), n)
    if len(order) != n:
        raise ShapeError(f"$0 has {n} axes, the transposition names {len(order)}", operands=(x,))
    return contraction(x, ins=[range(n)], out=order)


@spelled(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Value) -> Any:
    return swapaxes(x, -1, -2)


@spelled(np.swapaxes)
def swapaxes(x: Value, axis1: int, axis2: int) -> Any:
    order = list(range(ndim_of(x)))
    i, j = normal_axis(axis1, len(order)), normal_axis(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return transpose(x, order)


@spelled(np.moveaxis)
def moveaxis(x: Value, source: Any, destination: Any) -> Any:
    n = ndim_of(x)
    source, destination = normal_axes(source, n), normal_axes(destination, n)
    order = [a for a in range(n) if a not in source]
    for place, a in sorted(zip(destination, source, strict=True)):
        order.insert(place, a)
    return transpose(x, order)


@spelled(np.rollaxis)
def rollaxis(x: Value, axis: int, start: int = 0) -> Any:
    axis = normal_axis(axis, ndim_of(x))
    start = start + ndim_of(x) if start < 0 else start
    return moveaxis(x, axis, start - 1 if axis < start else start)


@spelled(np.broadcast_to)
def broadcast_to(x: Value, shape: Any) -> Any:
    return broadcast(x, tuple(int(n) for n in shape) if isinstance(shape, (tuple, list)) else (int(shape),))


@spelled(np.broadcast_arrays)
def broadcast_arrays(*xs: Value) -> Any:
    shape = np.broadcast_shapes(*map(shape_of, xs))
    return tuple(broadcast(x, shape) for x in xs)


@spelled(np.diagonal)
def diagonal(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    n = ndim_of(x)
    i, j = normal_axis(axis1, n), normal_axis(axis2, n)
    size = shape_of(x)
    length = max(0, min(size[i] + min(offset, 0), size[j] - max(offset, 0)))
    bounds = [(0, m, 1) for m in size]
    bounds[i], bounds[j] = (max(-offset, 0), max(-offset, 0) + length, 1), (max(offset, 0), max(offset, 0) + length, 1)
    x = take_slice(x, tuple(bounds))
    labels = list(range(n))
    labels[j] = i
    return contraction(x, ins=[labels], out=[a for a in range(n) if a not in (i, j)] + [i])


@spelled(np.trace)
def trace(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return np.sum(diagonal(x, offset, axis1, axis2), axis=-1, dtype=dtype)


# of a stack of matrices, np.linalg takes the last two axes
spelled(np.linalg.diagonal)(lambda x, *, offset=0: diagonal(x, offset, -2, -1))
spelled(np.linalg.trace)(lambda x, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype))


@spelled(np.diag)
def diag(v: Value, k: int = 0) -> Any:
    if ndim_of(v) == 2:
        return diagonal(v, k)
    if ndim_of(v) != 1:
        raise ShapeError("np.diag needs a vector or a matrix", operands=(v,))
    (n,) = shape_of(v)
    square = contraction(v, ins=[(0,)], out=(0, 0))
    if not k:
        return square
    size = n + abs(k)
    return apply(
        place, square, index=((max(-k, 0), max(-k, 0) + n, 1), (max(k, 0), max(k, 0) + n, 1)), size=(size, size)
    )


# --- slices: read, place, overwrite ---------------------------------------------------------------------------------

Bounds = tuple[tuple[int, int | None, int], ...]  # (start, stop, step) of each core axis


def places_of(index: Bounds) -> tuple[Any, ...]:
    """A `slice` of the last axes, as NumPy takes it."""
    return (..., *(slice(*b) for b in index))


def _sliced(size: Shape, index: Bounds) -> Shape:
    return tuple(len(range(n)[slice(*b)]) for n, b in zip(size, index, strict=True))


def core(shape: Shape, k: int) -> Shape:
    return shape[len(shape) - k :]


def _place(x: Any, *, index: Bounds, size: Shape) -> Any:
    z = np.zeros(np.shape(x)[: np.ndim(x) - len(size)] + size, np.asarray(x).dtype)
    z[places_of(index)] = x
    return z


def _update(x: Any, v: Any, *, index: Bounds) -> Any:
    z = np.array(x)
    z[places_of(index)] = v
    return z


def _update_shape(x: ArrayType, v: ArrayType, *, index: Bounds) -> ArrayType:
    if v.shape[v.ndim - len(index) :] != _sliced(core(x.shape, len(index)), index):
        raise ShapeError("$1 does not fit where it is written in $0", operands=(x, v))
    return x


def _update_adjoint(g: Value, inputs: Sequence[Value], wanted: Sequence[int], index: Bounds) -> dict[int, Value]:
    found = {}
    if 0 in wanted:
        found[0] = apply(update, g, zeros_like(inputs[1]), index=index)
    if 1 in wanted:
        found[1] = apply(slice_, g, index=index)
    return found


slice_: Linear = Linear(
    "slice",
    lambda x, *, index: x[places_of(index)],
    lambda x, *, index: ArrayType(x.shape[: x.ndim - len(index)] + _sliced(core(x.shape, len(index)), index), x.dtype),
    lambda g, inputs, wanted, index: {0: apply(place, g, index=index, size=core(shape_of(inputs[0]), len(index)))},
    moves=True, increasing=True, ulps=0, notation=Notation("slice", "", "", ""), rule="selection",
    examples=lambda rng: [((rng.normal(size=(4, 5)),), {"index": ((1, 4, 2), (4, None, -2))})],
    native=address("slice"),
)  # fmt: skip
place: Linear = Linear(
    "place", _place,
    lambda x, *, index, size: ArrayType(x.shape[: x.ndim - len(size)] + size, x.dtype),
    lambda g, inputs, wanted, index, size: {0: apply(slice_, g, index=index)},
    moves=True, increasing=True, ulps=0, notation=Notation("place", "", "", ""), rule="selection",
    examples=lambda rng: [((rng.normal(size=(2, 3)),), {"index": ((1, 4, 2), (4, None, -2)), "size": (4, 5)})],
    native=address("place"),
)  # fmt: skip
update: Linear = Linear(
    "update", _update, _update_shape, _update_adjoint,
    notation=Notation("update", "", "", ""), rule="selection", increasing=True, ulps=0, picks=True,
    examples=lambda rng: [((rng.normal(size=(4, 5)), rng.normal(size=(2, 3))), {"index": ((1, 4, 2), (4, None, -2))})],
    native=assembly("update"),
)  # fmt: skip
for entry in (slice_, place, update):
    register(entry)


def take_slice(x: Value, index: Bounds) -> Any:
    """x[index]; what takes everything is not recorded."""
    whole = all(range(n)[slice(*b)] == range(n) for n, b in zip(shape_of(x), index, strict=True))
    return x if whole else apply(slice_, x, index=index)


@spelled(np.flip)
def flip(x: Value, axis: Any = None) -> Any:
    axes = normal_axes(axis, ndim_of(x))
    return take_slice(x, tuple((n - 1, None, -1) if a in axes and n else (0, n, 1) for a, n in enumerate(shape_of(x))))


spelled(np.flipud)(lambda x: flip(x, 0))
spelled(np.fliplr)(lambda x: flip(x, 1))


@spelled(np.rot90)
def rot90(x: Value, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = axes
    if k % 4 == 2:
        return flip(x, (first, second))
    return (x, swapaxes(flip(x, second), first, second), x, flip(swapaxes(x, first, second), second))[k % 4]


@spelled(np.tril)
def tril(m: Value, k: int = 0) -> Any:
    return apply(where, np.tril(np.ones(shape_of(m), bool), k), m, False)


@spelled(np.triu)
def triu(m: Value, k: int = 0) -> Any:
    return apply(where, np.triu(np.ones(shape_of(m), bool), k), m, False)


@spelled(np.diff)
def diff(x: Value, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        parts = [(0, m, 1) for m in shape_of(x)]
        a, m = normal_axis(axis, ndim_of(x)), shape_of(x)[axis]
        high = take_slice(x, (*parts[:a], (1, m, 1), *parts[a + 1 :]))
        low = take_slice(x, (*parts[:a], (0, max(m - 1, 0), 1), *parts[a + 1 :]))
        x = high != low if dtype_of(x).kind == "b" else high - low
    return x


# --- running sums ---------------------------------------------------------------------------------------------------


def _cumsum(x: Any, *, axis: int, reverse: bool) -> Any:
    x = np.flip(x, axis) if reverse else x
    z = np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.flip(z, axis) if reverse else z


cumsum: Linear = Linear(
    "cumsum", _cumsum, lambda x, *, axis, reverse: x,
    lambda g, inputs, wanted, axis, reverse: {0: apply(cumsum, g, axis=axis, reverse=not reverse)},
    notation=call("cumsum"), rule="sum", cost=1.0, increasing=True, joins=lambda x, axis, reverse: ((axis,),),
    examples=lambda rng: [
        ((rng.normal(size=(2, 3)),), {"axis": axis, "reverse": reverse}) for axis, reverse in [(-1, False), (-2, True)]
    ],
    native=RUNNING,
)  # fmt: skip
register(cumsum)


@spelled(np.cumsum)
def spell_cumsum(x: Value, axis: int | None = None, dtype: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    wide = np.dtype(dtype) if dtype is not None else np.sum(np.zeros(0, dtype_of(x))).dtype
    return apply(cumsum, astype(x, wide), axis=normal_axis(axis, ndim_of(x)) - ndim_of(x), reverse=False)
