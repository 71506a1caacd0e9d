"""x[index], reading and writing, for every index NumPy knows whose result has a known shape.

An index is taken apart: slices and numbers become a `slice` op, integer arrays a `gather` on one flattened axis; a
write is the same, backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError
from ..ir import ArrayType
from .arithmetic import astype
from .contraction import broadcast
from .native import INDEX, SCATTER, address, meaning
from .notation import Notation
from .op import (
    General,
    Interpreted,
    Linear,
    Value,
    apply,
    dtype_of,
    ndim_of,
    register,
    shape_of,
    spelled,
    zeros_like,
)
from .structure import normal_axes, normal_axis, spell_reshape, take_slice, transpose, update

# --- the ops: rows of a table ---------------------------------------------------------------------------------------


def _gather(x: Any, index: Any) -> Any:
    if np.ndim(x) == 2:
        return x[index]
    return np.take_along_axis(x, np.asarray(index)[..., None], axis=-2)


def _rows(g: ArrayType, index: ArrayType, n: int) -> ArrayType:
    return ArrayType((*g.shape[:-2], n, g.shape[-1]), g.dtype)


def _scatter_add(g: Any, index: Any, *, n: int) -> Any:
    z = np.zeros((*np.shape(g)[:-2], n, np.shape(g)[-1]), g.dtype)
    for at in np.ndindex(z.shape[:-2]):
        np.add.at(z[at], index[at], g[at])
    return z


def _scatter_set(x: Any, index: Any, v: Any) -> Any:
    z = np.array(x)
    for at in np.ndindex(z.shape[:-2]):
        z[at][index[at]] = v[at]
    return z


def _index(rng: np.random.Generator) -> Any:
    """Three positions among four, two of them the same."""
    return rng.permutation(4)[[0, 0, 1]]


def _index_example(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=(4, 2)), _index(rng)), {})]


gather: Linear = Linear(
    "gather", _gather, lambda x, index: ArrayType((*x.shape[:-2], *index.shape[-1:], x.shape[-1]), x.dtype),
    lambda g, inputs, wanted: {0: apply(scatter_add, g, inputs[1], n=shape_of(inputs[0])[-2])},
    along=(0,), picks=True, joins=lambda x, index: ((-2,), ()),
    notation=Notation("index", "", "", ""), rule="selection", examples=_index_example,
    increasing=True, ulps=0,
    native=address("gather"),
)  # fmt: skip
scatter_add: Linear = Linear(
    "scatter_add", _scatter_add, lambda g, index, *, n: _rows(g, index, n),
    lambda g, inputs, wanted, n: {0: apply(gather, g, inputs[1])},
    along=(0,), notation=Notation("defined", "", r"\operatorname{scatter}", "scatter"), rule="selection",
    increasing=True, drops=True, joins=lambda g, index, n: ((-2,), ()),
    examples=lambda rng: [((rng.normal(size=(3, 2)), _index(rng)), {"n": 4})],
    native=SCATTER,
)  # fmt: skip


def _last_write(index: Any, *, n: int) -> Any:
    """Which writes survive: of several to one place, NumPy keeps the last."""
    found = np.empty(np.shape(index), bool)
    order = np.arange(np.shape(index)[-1])
    for at in np.ndindex(np.shape(index)[:-1]):
        winner = np.zeros(n, np.intp)
        winner[index[at]] = order
        found[at] = winner[index[at]] == order
    return found


def _surviving(index: Value, *, n: int) -> Any:
    """What stands in each place after all writes: who finds itself there survives."""
    shape = shape_of(index)
    order = np.broadcast_to(np.arange(shape[-1]), shape)[..., None]
    table = np.zeros((*shape[:-1], n, 1), order.dtype)
    winner = apply(scatter_set, table, index, order)
    return np.squeeze(apply(gather, winner, index) == order, axis=-1)


last_write = General(
    "last_write",
    _last_write,
    lambda index, *, n: ArrayType(index.shape, np.dtype(bool)),
    notation=Notation("defined", "", r"\operatorname{last}", "last"),
    rule="step",
    examples=lambda rng: [((_index(rng),), {"n": 4})],
    native=meaning(_surviving),
)


def _scatter_set_adjoint(g: Value, inputs: Sequence[Value], wanted: Sequence[int]) -> dict[int, Value]:
    _, index, v = inputs
    found = {}
    if 0 in wanted:
        found[0] = apply(scatter_set, g, index, zeros_like(v))
    if 2 in wanted:
        survives = apply(last_write, index, n=shape_of(g)[-2])
        read = apply(gather, g, index)
        found[2] = np.where(np.broadcast_to(np.expand_dims(survives, -1), shape_of(read)), read, 0)
    return found


scatter_set: Linear = Linear(
    "scatter_set", _scatter_set, lambda x, index, v: x, _scatter_set_adjoint,
    along=(0, 2), notation=Notation("defined", "", r"\operatorname{put}", "put"), rule="selection",
    increasing=True, ulps=0, picks=True, joins=lambda x, index, v: ((), (), (-2,)),
    examples=lambda rng: [((rng.normal(size=(4, 2)), _index(rng), rng.normal(size=(3, 2))), {})],
    native=SCATTER,
)  # fmt: skip


def _flat_index(*indices: Any, sizes: tuple[int, ...]) -> Any:
    """Positions in a flattened table; negative numbers count from the end, and what is outside raises."""
    flat: Any = 0
    for index, n in zip(indices, sizes, strict=True):
        index = np.asarray(index)
        if index.size and (index.min() < -n or index.max() >= n):
            worst = index.max() if index.max() >= n else index.min()
            raise IndexError(f"index {worst} is out of bounds for an axis of length {n}")
        flat = flat * n + np.where(index < 0, index + n, index)
    return flat


flat_index = General(
    "flat_index",
    _flat_index,
    lambda *xs, sizes: ArrayType(xs[0].shape, np.dtype(np.intp)),
    notation=Notation("defined", "", r"\operatorname{flat}", "flat"),
    rule="step",
    examples=lambda rng: [((rng.integers(-4, 4, 3), rng.integers(-2, 2, 3)), {"sizes": (4, 2)})],
    native=INDEX,
)
for entry in (gather, scatter_add, scatter_set, last_write, flat_index):
    register(entry)


# --- taking an index apart ------------------------------------------------------------------------------------------

Item = Any


def _is_array(item: Item) -> bool:
    return isinstance(item, (list, np.ndarray)) or (isinstance(item, Interpreted) and ndim_of(item) > 0)


def _plain(item: Item) -> Item:
    """An index item in one of four forms: None, slice, int, integer array (or stand-in)."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return slice(*(None if part is None else part.__index__() for part in (item.start, item.stop, item.step)))
    if isinstance(item, list):
        item = np.asarray(item)
        item = item.astype(np.intp) if item.size == 0 else item
    if isinstance(item, Interpreted) and dtype_of(item).kind in "iu" and not item.is_constant():
        return item  # also a single number that changes from call to call: an array index without axes
    if not _is_array(item) and not isinstance(item, (bool, np.bool_)) and hasattr(item, "__index__"):
        return item.__index__()
    if dtype_of(item).kind == "b":
        raise NoRuleError(
            "x[mask] has as many elements as the mask has true values, which a recording can't know",
            hint="write np.where(mask, x, 0), or index with np.flatnonzero(mask) computed outside",
        )
    if dtype_of(item).kind not in "iu":
        raise IndexError(
            f"an index must be a whole number, a slice, or an array of whole numbers, not {dtype_of(item)}"
        )
    return item


def _expanded(index: Any, ndim: int) -> list[Item]:
    items = list(index) if isinstance(index, tuple) else [index]
    items = [part for item in items for part in _unmasked(item)]
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if used > ndim:
        raise IndexError(f"too many indices: $0 has {ndim} axes, {used} are indexed")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    at = next(n for n, item in enumerate(items) if item is Ellipsis)
    items[at : at + 1] = [slice(None)] * (ndim - used)
    return [_plain(item) for item in items]


def _unmasked(item: Item) -> tuple[Item, ...]:
    """A mask that never changes is the positions where it is true."""
    if isinstance(item, list):
        item = np.asarray(item) if item else np.zeros(0, np.intp)
    if isinstance(item, (Interpreted, np.ndarray)) and dtype_of(item).kind == "b" and ndim_of(item) == 0:
        raise NoRuleError(
            "x[b] with one truth for all of x has an axis more, with one element or none",
            hint="write np.where(b, x, 0), or x[...] = np.where(b, new, x) to change it",
        )
    if isinstance(item, Interpreted) and dtype_of(item).kind == "b":
        known = item.value_for_index()
        return tuple(np.nonzero(known))
    if isinstance(item, np.ndarray) and item.dtype.kind == "b":
        return tuple(np.nonzero(item))
    return (item,)


class Selection:
    """One index applied to one shape: what to slice, what to gather, and in which shape the result stands."""

    def __init__(self, shape: tuple[int, ...], index: Any) -> None:
        items = _expanded(index, len(shape))
        self.bounds: list[tuple[int, int | None, int]] = []  # per axis of x
        self.arrays: list[tuple[int, Item]] = []  # (axis of x, integer array)
        self.result: list[int | None] = []  # sizes; None where the integer arrays stand
        first, apart, last = None, False, None
        axis = 0
        for place, item in enumerate(items):
            if item is None:
                self.result.append(1)
                continue
            n = shape[axis]
            if isinstance(item, slice):
                start, stop, step = item.indices(n)
                if len(range(start, stop, step)) == 0:
                    start, stop, step = 0, 0, 1
                self.bounds.append((start, None if stop < 0 else stop, step))
                self.result.append(len(range(n)[slice(*self.bounds[-1])]))
            elif isinstance(item, int):
                if not -n <= item < n:
                    raise IndexError(f"index {item} is out of bounds for axis {axis} with size {n}")
                self.bounds.append((item % n, item % n + 1, 1))
                if any(_is_array(i) or isinstance(i, Interpreted) for i in items):
                    # beside an integer array a number is one too, as in NumPy, and decides where the arrays' axes go
                    self.bounds[-1] = (0, n, 1)
                    item = np.asarray(item % n)
            if not isinstance(item, (slice, int)):
                if len(self.bounds) <= axis:
                    self.bounds.append((0, n, 1))
                self.arrays.append((axis, item))
                apart = apart or (last is not None and place != last + 1)
                last = place
                if first is None:
                    first = len(self.result)
            axis += 1
        self.sliced = tuple(len(range(n)[slice(*b)]) for n, b in zip(shape, self.bounds, strict=True))
        self.whole = all(range(n)[slice(*b)] == range(n) for n, b in zip(shape, self.bounds, strict=True))
        self.front = 0 if apart else (first or 0)  # where the axes of the integer arrays stand in the result

    @property
    def basic(self) -> bool:
        return not self.arrays

    def positions(self) -> tuple[Any, tuple[int, ...]]:
        """Flat positions in the indexed axes, and their shape."""
        try:
            found = np.broadcast_shapes(*(shape_of(a) for _, a in self.arrays))
        except ValueError:
            shapes = ", ".join(str(list(shape_of(a))) for _, a in self.arrays)
            raise ShapeError(f"index arrays of shapes {shapes} don't go together") from None
        sizes = tuple(self.sliced[axis] for axis, _ in self.arrays)
        flat = apply(
            flat_index, *(spell_reshape(broadcast(a, found), (prod(found),)) for _, a in self.arrays), sizes=sizes
        )
        return flat, found

    def order(self) -> tuple[tuple[int, ...], int, int]:
        """The axes of the sliced x with the indexed ones first; how many positions they have; the size of the rest."""
        axes = [axis for axis, _ in self.arrays]
        rest = [axis for axis in range(len(self.sliced)) if axis not in axes]
        return (*axes, *rest), prod(self.sliced[a] for a in axes), prod(self.sliced[a] for a in rest)

    def rest_shape(self) -> tuple[int, ...]:
        return tuple(n for n in self.result if n is not None)

    def shape(self, found: tuple[int, ...] = ()) -> tuple[int, ...]:
        rest = self.rest_shape()
        return rest[: self.front] + found + rest[self.front :]


def read(x: Value, index: Any) -> Any:
    """x[index]"""
    if (
        type(index) is int and (shape := shape_of(x)) and -shape[0] <= index < shape[0]
    ):  # most frequent in long programs
        index %= shape[0]
        rest = shape[1:]
        return spell_reshape(take_slice(x, ((index, index + 1, 1), *[(0, n, 1) for n in rest])), rest)
    s = Selection(shape_of(x), index)
    sliced = take_slice(x, tuple(s.bounds)) if s.bounds else x
    if s.basic:
        return spell_reshape(sliced, s.shape())
    order, n, width = s.order()
    flat, found = s.positions()
    table = spell_reshape(transpose(sliced, order), (n, width))
    rows = spell_reshape(apply(gather, table, flat), (*found, *s.rest_shape()))
    k = len(found)  # the axes of the arrays stand first; NumPy wants them where the arrays stood
    back = (*range(k, k + s.front), *range(k), *range(k + s.front, ndim_of(rows)))
    return transpose(rows, back)


def write(x: Value, index: Any, v: Value) -> Any:
    """x after x[index] = v, as a new value."""
    v = astype(v, dtype_of(x))
    if isinstance(index, Interpreted) and dtype_of(index).kind == "b":
        chosen = _chosen(x, index, v)
        if chosen is not None:
            return chosen
    s = Selection(shape_of(x), index)
    if s.basic:
        v = spell_reshape(_fit(v, s.shape()), s.sliced)
        if s.whole:
            return v
        return apply(update, x, v, index=tuple(s.bounds))
    order, n, width = s.order()
    flat, found = s.positions()
    k = len(found)
    v = _fit(v, s.shape(found))
    v = transpose(v, (*range(s.front, s.front + k), *range(s.front), *range(s.front + k, ndim_of(v))))
    v = spell_reshape(v, (prod(found), width))
    sliced = take_slice(x, tuple(s.bounds))
    table = spell_reshape(transpose(sliced, order), (n, width))
    table = apply(scatter_set, table, flat, v)
    new = transpose(spell_reshape(table, tuple(s.sliced[a] for a in order)), tuple(np.argsort(order).tolist()))
    return new if s.whole else apply(update, x, new, index=tuple(s.bounds))


def _chosen(x: Value, mask: Value, v: Value) -> Any:
    """x after x[mask] = v, wherever the mask is true: if one v goes to every place. None if there is a v for each."""
    k, shape = ndim_of(mask), shape_of(x)
    if shape_of(mask) != shape[:k]:
        raise IndexError(f"a mask of shape {shape_of(mask)} does not fit an array of shape {shape}")
    if ndim_of(v) > len(shape) - k:
        return None
    mask = broadcast(spell_reshape(mask, (*shape[:k], *(1 for _ in shape[k:]))), shape)
    return np.where(mask, _fit(v, shape), x)


def add_at(x: Value, index: Any, v: Value) -> Any:
    """x after np.add.at(x, index, v): what falls on one place adds up."""
    s = Selection(shape_of(x), index)
    if s.basic:
        return write(x, index, read(x, index) + v)
    order, n, width = s.order()
    flat, found = s.positions()
    k = len(found)
    v = _fit(astype(v, dtype_of(x)), s.shape(found))
    v = transpose(v, (*range(s.front, s.front + k), *range(s.front), *range(s.front + k, ndim_of(v))))
    added = apply(scatter_add, spell_reshape(v, (prod(found), width)), flat, n=n)
    added = transpose(spell_reshape(added, tuple(s.sliced[a] for a in order)), tuple(np.argsort(order).tolist()))
    if not s.whole:
        return write(x, tuple(slice(*b) for b in s.bounds), take_slice(x, tuple(s.bounds)) + added)
    return x + added


def _fit(v: Value, shape: tuple[int, ...]) -> Any:
    own = shape_of(v)
    while len(own) > len(shape) and own[0] == 1:  # NumPy drops leading axes of one
        v, own = spell_reshape(v, own[1:]), own[1:]
    try:
        return broadcast(v, shape)
    except ShapeError as error:
        raise ShapeError(f"a value of shape {own} can't be written where the shape is {shape}") from error


# --- functions that are indices in disguise -------------------------------------------------------------------------


@spelled(np.take)
def take(x: Value, indices: Any, axis: int | None = None, **options: Any) -> Any:
    if options.get("mode", "raise") != "raise":
        raise NoRuleError(f"np.take with mode={options['mode']!r} is not in the op table")
    indices = np.asarray(indices) if isinstance(indices, (list, tuple, int)) else indices
    if axis is None:
        return read(spell_reshape(x, (-1,)), indices)
    return read(x, (*[slice(None)] * normal_axis(axis, ndim_of(x)), indices))


@spelled(np.take_along_axis)
def take_along_axis(x: Value, indices: Value, axis: int | None = -1) -> Any:
    if axis is None:
        x, axis = spell_reshape(x, (-1,)), 0
    n, shape = normal_axis(axis, ndim_of(x)), shape_of(x)
    if ndim_of(indices) != len(shape):
        raise ShapeError(f"take_along_axis: the indices have {ndim_of(indices)} axes, and the array has {len(shape)}")
    grid = [np.arange(m).reshape([-1 if a == b else 1 for b in range(len(shape))]) for a, m in enumerate(shape)]
    return read(x, tuple(indices if a == n else grid[a] for a in range(len(shape))))


def _positions(x: Value) -> tuple[Any, ...]:
    known = x.value_for_index() if isinstance(x, Interpreted) else np.asarray(x)
    return np.nonzero(known)


spelled(np.nonzero)(_positions)
spelled(np.flatnonzero)(lambda a: _positions(spell_reshape(a, (-1,)))[0])
spelled(np.argwhere)(lambda a: np.transpose(_positions(a)))


@spelled(np.sort)
def sort(x: Value, axis: int | None = -1, **options: Any) -> Any:
    """x in the order of argsort: the slope goes where the value came from."""
    if axis is None:
        x, axis = spell_reshape(x, (-1,)), -1
    return take_along_axis(x, np.argsort(x, axis=axis, stable=True), axis)


@spelled(np.median)
def median(x: Value, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The mean of the one or two in the middle."""
    axes = normal_axes(axis, ndim_of(x))
    rest = tuple(a for a in range(ndim_of(x)) if a not in axes)
    kept = tuple(shape_of(x)[a] for a in rest)
    x_sorted = sort(spell_reshape(transpose(x, (*rest, *axes)), (*kept, prod(shape_of(x)[a] for a in axes))))
    n = shape_of(x_sorted)[-1]
    middle = np.mean(x_sorted[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    kept = tuple(1 if a in axes else m for a, m in enumerate(shape_of(x)))
    return spell_reshape(middle, kept) if keepdims else middle


@spelled(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    y = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        y = np.where(condition, choice, y)
    return y
