"""Assembly: arrays joined, cut apart, repeated, padded, rolled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError
from ..ir import ArrayType
from .arithmetic import astype
from .contraction import broadcast
from .native import assembly
from .notation import Notation
from .op import Linear, Value, apply, dtype_of, ndim_of, register, shape_of, spelled
from .structure import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    core,
    expand_dims,
    normal_axis,
    ravel,
    slice_,
    spell_reshape,
    take_slice,
    update,
)

# --- concatenate, stack -----------------------------------------------------------------------------------------------


def _concatenate_shape(*xs: ArrayType, axis: int) -> ArrayType:
    shapes = [x.shape for x in xs]
    rest = {s[:axis] + s[len(s) + axis + 1 :] for s in shapes}
    if len(rest) > 1 or len({len(s) for s in shapes}) > 1:
        raise ShapeError("arrays to concatenate must agree on all other axes", operands=xs)
    joined = list(shapes[0])
    joined[axis] = sum(s[axis] for s in shapes)
    return ArrayType(tuple(joined), np.result_type(*[x.dtype for x in xs]))


def _concatenate_adjoint(g: Value, inputs: Sequence[Value], wanted: Sequence[int], axis: int) -> dict[int, Value]:
    found, start = {}, 0
    for i, x in enumerate(inputs):
        n = shape_of(x)[axis]
        if i in wanted:
            trailing = core(shape_of(g), -axis)
            found[i] = apply(slice_, g, index=((start, start + n, 1), *((0, m, 1) for m in trailing[1:])))
        start += n
    return found


concatenate: Linear = Linear(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis=axis), _concatenate_shape, _concatenate_adjoint,
    notation=Notation("sequence", "concatenate", "", ""), rule="assembly", increasing=True, ulps=0, picks=True,
    examples=lambda rng: [((rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), rng.normal(size=(2, 3))), {"axis": -2})],
    native=assembly("concatenate", side_by_side=True),
)  # fmt: skip
register(concatenate)


@spelled(np.concatenate, np.concat)
def spell_concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    xs = [x if hasattr(x, "dtype") else np.asarray(x) for x in arrays]
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if not xs or any(ndim_of(x) == 0 for x in xs):
        raise ShapeError(
            "np.concatenate needs at least one array, and none of them 0-dimensional", hint="np.stack joins numbers"
        )
    common = np.result_type(*map(dtype_of, xs)) if dtype is None else dtype
    xs = [astype(x, common) for x in xs]
    return apply(concatenate, *xs, axis=normal_axis(axis, ndim_of(xs[0])) - ndim_of(xs[0])) if len(xs) > 1 else xs[0]


@spelled(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    xs = list(arrays)
    if not xs or len({shape_of(x) for x in xs}) > 1:
        raise ShapeError("np.stack needs arrays of one shape", operands=xs[:4])
    return spell_concatenate([expand_dims(x, axis) for x in xs], normal_axis(axis, ndim_of(xs[0]) + 1))


spelled(np.vstack)(lambda tup: spell_concatenate([atleast_2d(x) for x in tup], 0))
spelled(np.hstack)(lambda tup: spell_concatenate(xs := [atleast_1d(x) for x in tup], 0 if ndim_of(xs[0]) == 1 else 1))
spelled(np.dstack)(lambda tup: spell_concatenate([atleast_3d(x) for x in tup], 2))
spelled(np.column_stack)(
    lambda tup: spell_concatenate([spell_reshape(x, (-1, 1)) if ndim_of(x) < 2 else x for x in tup], 1)
)


@spelled(np.append)
def append(arr: Value, values: Value, axis: int | None = None) -> Any:
    return spell_concatenate([ravel(arr), ravel(values)] if axis is None else [arr, values], axis or 0)


# --- split ------------------------------------------------------------------------------------------------------------


@spelled(np.array_split)
def array_split(x: Value, sections: Any, axis: int = 0) -> list[Any]:
    axis = normal_axis(axis, ndim_of(x))
    n = shape_of(x)[axis]
    if isinstance(sections, (tuple, list, np.ndarray)):
        cuts = [int(c) for c in sections]
    else:
        k = int(sections)
        sizes = [n // k + 1] * (n % k) + [n // k] * (k - n % k)
        cuts = [sum(sizes[: i + 1]) for i in range(k - 1)]
    whole = tuple((0, m, 1) for m in shape_of(x))
    edges = [0, *cuts, n]
    bounds = [slice(a, b).indices(n) for a, b in pairwise(edges)]
    return [take_slice(x, (*whole[:axis], b, *whole[axis + 1 :])) for b in bounds]


@spelled(np.split)
def split(x: Value, sections: Any, axis: int = 0) -> list[Any]:
    if not isinstance(sections, (tuple, list, np.ndarray)) and shape_of(x)[axis] % int(sections):
        raise ShapeError(f"$0 does not split into {int(sections)} equal parts", operands=(x,))
    return array_split(x, sections, axis)


spelled(np.hsplit)(lambda x, sections: split(x, sections, 0 if ndim_of(x) == 1 else 1))
spelled(np.vsplit)(lambda x, sections: split(x, sections, 0))


# --- repeat, pad, roll ------------------------------------------------------------------------------------------------


@spelled(np.tile)
def tile(x: Value, reps: Any) -> Any:
    reps = tuple(int(n) for n in reps) if isinstance(reps, (tuple, list)) else (int(reps),)
    shape = (1,) * (len(reps) - ndim_of(x)) + shape_of(x)
    reps = (1,) * (len(shape) - len(reps)) + reps
    between = tuple(n for pair in zip((1,) * len(shape), shape, strict=True) for n in pair)
    grown = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    return spell_reshape(
        broadcast(spell_reshape(x, between), grown), tuple(r * n for r, n in zip(reps, shape, strict=True))
    )


@spelled(np.repeat)
def repeat(x: Value, repeats: Any, axis: int | None = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    if np.ndim(repeats):  # so often each: their sum is a size, so they must be known
        return np.take(x, np.repeat(np.arange(shape_of(x)[axis]), np.asarray(repeats)), axis=axis)
    axis, shape, k = normal_axis(axis, ndim_of(x)), shape_of(x), int(repeats)
    grown = broadcast(expand_dims(x, axis + 1), (*shape[: axis + 1], k, *shape[axis + 1 :]))
    return spell_reshape(grown, (*shape[:axis], shape[axis] * k, *shape[axis + 1 :]))


@spelled(np.pad)
def pad(x: Value, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    width = np.broadcast_to(pad_width, (ndim_of(x), 2)).tolist()
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        for axis, around in enumerate(width):
            x = np.take(x, np.pad(np.arange(shape_of(x)[axis]), around, mode=mode), axis=axis)  # type: ignore[call-overload]
        return x
    if mode != "constant":
        raise NoRuleError(f"np.pad with mode={mode!r} is not in the op table", hint="pad with np.concatenate")
    frame = np.pad(np.zeros(shape_of(x), dtype_of(x)), width, constant_values=constant_values)
    inside = tuple((low, low + n, 1) for (low, _), n in zip(width, shape_of(x), strict=True))
    return apply(update, frame, x, index=inside)


@spelled(np.roll)
def roll(x: Value, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return spell_reshape(roll(ravel(x), shift, 0), shape_of(x))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    for s, a in zip(shifts, axes, strict=True):
        n = shape_of(x)[a]
        k = int(s) % n if n else 0
        if k:
            head, tail = np.split(x, [n - k], axis=a)
            x = np.concatenate([tail, head], axis=a)
    return x
