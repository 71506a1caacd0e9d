"""Sums, means, extremes over axes; softmax and log-sum-exp. A reduction over axes keeps the others in place."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError
from ..ir import ArrayType
from ..later import scipy
from . import enclosures
from .arithmetic import convert, sign
from .contraction import broadcast, contraction
from .native import meaning, reduction
from .notation import Notation, call
from .op import General, Tangents, Value, apply, dtype_of, ndim_of, register, shape_of, spelled
from .sets import NONNEGATIVE, Interval
from .structure import normal_axes, normal_axis, ravel, spell_reshape, take_slice

Axes = tuple[int, ...]


def keep(y: Value, like: Value, axes: Axes) -> Any:
    """The reduced `y` repeated to the shape of `like` along the negative `axes`."""
    shape = shape_of(like)
    gone = {a % len(shape) for a in axes}
    return broadcast(spell_reshape(y, tuple(1 if n in gone else size for n, size in enumerate(shape))), shape)


def _reduced(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    gone = {a % len(shape) for a in axes}
    return tuple(size for n, size in enumerate(shape) if n not in gone)


def _finish(y: Value, x: Value, axes: Axes, keepdims: Any, dtype: Any = None) -> Any:
    if dtype is not None:
        y = np.astype(y, np.dtype(dtype))
    if keepdims is True or (isinstance(keepdims, (int, np.bool_)) and keepdims):
        return spell_reshape(y, tuple(1 if n in axes else size for n, size in enumerate(shape_of(x))))
    return y


def _like(initial: Any, y: Value) -> Any:
    """A reduction starts in the dtype in which it goes on."""
    return np.astype(initial if hasattr(initial, "dtype") else np.asarray(initial), dtype_of(y))


def _accumulator(x: Value) -> Any:
    """x in the dtype in which NumPy adds it up: whole numbers widen."""
    wide = np.sum(np.zeros(0, dtype_of(x))).dtype
    return x if dtype_of(x) == wide else apply(convert, x, dtype=wide)


# --- sums and means -------------------------------------------------------------------------------------------------


@spelled(np.sum)
def sum_(
    x: Value, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    if where is not True:
        x = np.where(where, x, 0)
    axes = normal_axes(axis, ndim_of(x))
    x = _accumulator(x) if dtype is None else np.astype(x, np.dtype(dtype))
    y = contraction(x, ins=[range(ndim_of(x))], out=[n for n in range(ndim_of(x)) if n not in axes])
    return _finish(y if initial is None else y + _like(initial, y), x, axes, keepdims)


def _float(x: Value) -> Any:
    return x if dtype_of(x).kind == "f" else apply(convert, x, dtype=np.dtype(np.float64))


def _count(x: Value, axes: Axes) -> int:
    return prod(shape_of(x)[a] for a in axes)


def _nonempty(x: Value, axes: Axes, what: str) -> None:
    if _count(x, axes) == 0:
        raise ShapeError(f"the {what} of no numbers is not defined: $0 is empty along that axis", operands=(x,))


@spelled(np.mean)
def mean(x: Value, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, where: Any = True) -> Any:
    axes = normal_axes(axis, ndim_of(x))
    _nonempty(x, axes, "mean")
    x = _float(x)
    if where is not True:
        taken = np.where(where, np.ones(shape_of(x), dtype_of(x)), 0)
        return _finish(sum_(x, axes, where=where) / sum_(taken, axes), x, axes, keepdims, dtype)
    return _finish(sum_(x, axes) / _count(x, axes), x, axes, keepdims, dtype)


@spelled(np.average)
def average(x: Value, axis: Any = None, weights: Value | None = None, *, keepdims: Any = False) -> Any:
    if weights is None:
        return mean(x, axis, keepdims=keepdims)
    axes = normal_axes(axis, ndim_of(x))
    weights = np.asarray(weights) if isinstance(weights, (list, tuple)) else weights
    if shape_of(weights) != shape_of(x):
        if ndim_of(weights) != 1 or len(axes) != 1:
            raise ShapeError("weights need the shape of $0, or one axis", operands=(x, weights))
        weights = broadcast(
            spell_reshape(weights, tuple(n if a in axes else 1 for a, n in enumerate(shape_of(x)))), shape_of(x)
        )
    return _finish(sum_(x * weights, axes) / sum_(weights, axes), x, axes, keepdims)


@spelled(np.var)
def var(
    x: Value, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: Any = False, correction: Any = None
) -> Any:
    axes = normal_axes(axis, ndim_of(x))
    _nonempty(x, axes, "variance")
    x = _float(x)
    centred = x - mean(x, axes, keepdims=True)
    count = _count(x, axes) - (ddof if correction is None else correction)
    return _finish(sum_(centred**2, axes) / max(count, 0), x, axes, keepdims, dtype)


@spelled(np.std)
def std(x: Value, axis: Any = None, dtype: Any = None, **options: Any) -> Any:
    """The length of the deviations, so that the slope at equal numbers is 0 as at every norm's origin."""
    ddof, keepdims = options.pop("ddof", 0), options.pop("keepdims", False)
    ddof = options.pop("correction", None) or ddof
    if options:
        raise TypeError(f"got an unexpected keyword argument {next(iter(options))!r}")
    axes = normal_axes(axis, ndim_of(x))
    _nonempty(x, axes, "standard deviation")
    x = _float(x)
    centred = x - mean(x, axes, keepdims=True)
    length = apply(norm, centred, axes=tuple(n - ndim_of(x) for n in axes)) if axes else np.absolute(centred)
    return _finish(length / max(_count(x, axes) - ddof, 0) ** 0.5, x, axes, keepdims, dtype)


@spelled(np.prod)
def product(
    x: Value, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Multiplied by halves, so that every derivative is exact where factors are zero."""
    if where is not True:
        x = np.where(where, x, 1)
    axes = normal_axes(axis, ndim_of(x))
    x = _accumulator(x) if dtype is None else np.astype(x, np.dtype(dtype))
    shape = shape_of(x)
    rest = [a for a in range(ndim_of(x)) if a not in axes]
    y = spell_reshape(np.transpose(x, (*rest, *axes)), (*(shape[a] for a in rest), _count(x, axes)))
    while (n := shape_of(y)[-1]) > 1:
        whole = tuple((0, m, 1) for m in shape_of(y)[:-1])
        half = n // 2
        folded = take_slice(y, (*whole, (0, half, 1))) * take_slice(y, (*whole, (half, 2 * half, 1)))
        y = np.concatenate([folded, take_slice(y, (*whole, (2 * half, n, 1)))], axis=-1) if n % 2 else folded
    y = spell_reshape(y, shape_of(y)[:-1]) if shape_of(y)[-1] else np.ones(shape_of(y)[:-1], dtype_of(y))
    return _finish(y if initial is None else y * _like(initial, y), x, axes, keepdims)


@spelled(np.cumprod)
def cumprod(x: Value, axis: int | None = None, dtype: Any = None) -> Any:
    """Each pass multiplies by what stands 1, 2, 4, … places before: every derivative is exact where factors are zero.

    Hillis & Steele, "Data parallel algorithms", 1986.
    """
    if axis is None:
        x, axis = ravel(x), 0
    axis = normal_axis(axis, ndim_of(x))
    y = _accumulator(x) if dtype is None else np.astype(x, np.dtype(dtype))
    whole = [(0, m, 1) for m in shape_of(y)]
    n, k = shape_of(y)[axis], 1
    while k < n:
        before = take_slice(y, (*whole[:axis], (0, n - k, 1), *whole[axis + 1 :]))
        here = take_slice(y, (*whole[:axis], (k, n, 1), *whole[axis + 1 :]))
        head = take_slice(y, (*whole[:axis], (0, k, 1), *whole[axis + 1 :]))
        y = np.concatenate([head, before * here], axis=axis)
        k *= 2
    return y


@spelled(np.trapezoid)
def trapezoid(y: Value, x: Value | None = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Σ (x_{i+1} - x_i) (y_i + y_{i+1}) / 2"""
    y = np.moveaxis(y, axis, -1)
    width = dx if x is None else np.diff(x if ndim_of(x) == 1 else np.moveaxis(x, axis, -1))
    return np.sum(width * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


# --- extremes: ties share the slope ---------------------------------------------------------------------------------


def _share(x: Value, y: Value, axes: Axes) -> Any:
    """Where the extreme is attained, 1 over the number of places; 0 elsewhere."""
    attained = np.where(x == keep(y, x, axes), 1, 0)
    attained = apply(convert, attained, dtype=dtype_of(x))
    return attained / keep(np.sum(attained, axis=axes), x, axes)


def _extreme_jvp(tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], *, axes: Axes) -> Tangents:
    return (np.sum(tangents[0] * _share(inputs[0], outputs[0], axes), axis=axes),)


def _extreme_vjp(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *, axes: Axes
) -> dict[int, Value | None]:
    return {0: keep(cotangents[0], inputs[0], axes) * _share(inputs[0], outputs[0], axes)}


def _reduced_type(x: ArrayType, *, axes: Axes) -> ArrayType:
    return ArrayType(_reduced(x.shape, axes), x.dtype)


def _spread_points(rng: np.random.Generator) -> Any:
    x = rng.permutation(12).reshape(3, 4) / 3.0  # no two closer than a difference step
    return [((x,), {"axes": (-1,)}), ((x,), {"axes": (-2, -1)})]


reduce_max = General(
    "max", lambda x, *, axes: np.max(x, axis=axes), _reduced_type, _extreme_jvp, _extreme_vjp,
    notation=call("max", r"\max"), rule="maximum", examples=_spread_points, increasing=True, ulps=0,
    curved=1,
    native=reduction("maximum"),
)  # fmt: skip
reduce_min = General(
    "min", lambda x, *, axes: np.min(x, axis=axes), _reduced_type, _extreme_jvp, _extreme_vjp,
    notation=call("min", r"\min"), rule="minimum", examples=_spread_points, increasing=True, ulps=0,
    curved=-1,
    native=reduction("minimum"),
)  # fmt: skip
register(reduce_max)
register(reduce_min)


def _extreme(op: General, of_two: Any) -> Any:
    def rule(x: Value, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Any:
        axes = normal_axes(axis, ndim_of(x))
        _nonempty(x, axes, op.name)
        if where is not True:
            if initial is None:
                raise ShapeError(f"np.{op.name} with where= needs initial=, for when nothing is taken")
            x = np.where(where, x, initial)
        y = apply(op, x, axes=tuple(a - ndim_of(x) for a in axes)) if axes else x
        return _finish(y if initial is None else of_two(y, _like(initial, y)), x, axes, keepdims)

    return rule


spelled(np.max, np.amax)(_extreme(reduce_max, np.maximum))
spelled(np.min, np.amin)(_extreme(reduce_min, np.minimum))


@spelled(np.ptp)
def peak_to_peak(x: Value, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


# --- where the extreme is, and what holds: no slope -----------------------------------------------------------------


def _position_type(x: ArrayType, *, axis: int) -> ArrayType:
    return ArrayType(_reduced(x.shape, (axis,)), np.dtype(np.intp))


def _rows_and_columns(rng: np.random.Generator) -> Any:
    x = rng.permutation(12).reshape(3, 4) / 3.0
    return [((x,), {"axis": -1}), ((x,), {"axis": -2})]


def _any_position(x: enclosures.Enclosure, *, axis: int) -> enclosures.Ends:
    shape = _reduced(x.low.shape, (axis,))
    return np.zeros(shape), np.full(shape, x.low.shape[axis] - 1.0)


def _first(x: Value, y: Value, axis: int) -> Any:
    """The first place where x is its extreme y, or NaN."""
    n = shape_of(x)[axis]
    places = np.arange(n).reshape(n, *(1,) * (-1 - axis))
    return np.min(np.where((x == np.expand_dims(y, axis)) | (x != x), places, n), axis=axis)


argmax = General(
    "argmax", lambda x, *, axis: np.argmax(x, axis=axis), _position_type,
    notation=call("argmax"), rule="step", examples=_rows_and_columns, bounds=_any_position,
    native=meaning(lambda x, *, axis: _first(x, np.max(x, axis=axis), axis)),
)  # fmt: skip
argmin = General(
    "argmin", lambda x, *, axis: np.argmin(x, axis=axis), _position_type,
    notation=call("argmin"), rule="step", examples=_rows_and_columns, bounds=_any_position,
    native=meaning(lambda x, *, axis: _first(x, np.min(x, axis=axis), axis)),
)  # fmt: skip
argsort = General(
    "argsort", lambda x, *, axis, stable: np.argsort(x, axis=axis, kind="stable" if stable else None),
    lambda x, *, axis, stable: ArrayType(x.shape, np.dtype(np.intp)), notation=call("argsort"), rule="step",
    bounds=lambda x, *, axis, stable: (np.zeros(x.low.shape), np.full(x.low.shape, x.low.shape[axis] - 1.0)),
    examples=lambda rng: [(x, {**axis, "stable": n == 0}) for n, (x, axis) in enumerate(_rows_and_columns(rng))],
)  # fmt: skip


def _truth_type(x: ArrayType, *, axes: Axes) -> ArrayType:
    return ArrayType(_reduced(x.shape, axes), np.dtype(bool))


def _truths(rng: np.random.Generator) -> Any:
    x = rng.integers(0, 2, (3, 2))
    return [((x == 1,), {"axes": (-1,)}), ((x * 0.5,), {"axes": (-2, -1)})]


any_ = General(
    "any", lambda x, *, axes: np.any(x, axis=axes), _truth_type,
    notation=call("any"), rule="step", examples=_truths, bounds=enclosures.some(np.any),
    native=reduction("logical_or"),
)  # fmt: skip
all_ = General(
    "all", lambda x, *, axes: np.all(x, axis=axes), _truth_type,
    notation=call("all"), rule="step", examples=_truths, bounds=enclosures.some(np.all),
    native=reduction("logical_and"),
)  # fmt: skip
for entry in (argmax, argmin, argsort, any_, all_):
    register(entry)


def _position(op: General, x: Value, axis: int | None, keepdims: Any) -> Any:
    shape = shape_of(x)
    if axis is None:
        y = apply(op, ravel(x), axis=-1)
        return spell_reshape(y, (1,) * len(shape)) if keepdims is True else y
    n = normal_axis(axis, len(shape))
    y = apply(op, x, axis=n - len(shape))
    return np.expand_dims(y, n) if keepdims is True else y


spelled(np.argmax)(lambda x, axis=None, *, keepdims=False: _position(argmax, x, axis, keepdims))
spelled(np.argmin)(lambda x, axis=None, *, keepdims=False: _position(argmin, x, axis, keepdims))


@spelled(np.argsort)
def spell_argsort(x: Value, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), -1
    stable = stable or kind in ("stable", "mergesort")
    return apply(argsort, x, axis=normal_axis(axis, ndim_of(x)) - ndim_of(x), stable=bool(stable))


def _truth(op: General, x: Value, axis: Any, keepdims: Any) -> Any:
    axes = normal_axes(axis, ndim_of(x))
    y = apply(op, x, axes=tuple(a - ndim_of(x) for a in axes)) if axes else x != 0
    return _finish(y, x, axes, keepdims)


spelled(np.any)(lambda x, axis=None, *, keepdims=False: _truth(any_, x, axis, keepdims))
spelled(np.all)(lambda x, axis=None, *, keepdims=False: _truth(all_, x, axis, keepdims))
spelled(np.count_nonzero)(lambda x, axis=None, *, keepdims=False: sum_(x != 0, axis, keepdims=keepdims))


# --- softmax and log-sum-exp ----------------------------------------------------------------------------------------


def _logsumexp(x: Any, *, axes: Axes) -> Any:
    top = np.max(x, axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    return np.log(np.sum(np.exp(x - top), axis=axes)) + np.squeeze(top, axis=axes)


def _softmax(x: Any, *, axes: Axes) -> Any:
    e = np.exp(x - np.max(x, axis=axes, keepdims=True))
    return e / np.sum(e, axis=axes, keepdims=True)


logsumexp: General = General(
    "logsumexp", _logsumexp, _reduced_type,
    lambda t, inputs, outputs, axes: (np.sum(t[0] * apply(softmax, inputs[0], axes=axes), axis=axes),),
    lambda g, inputs, outputs, wanted, axes: {0: keep(g[0], inputs[0], axes) * apply(softmax, inputs[0], axes=axes)},
    notation=call("special.logsumexp", r"\operatorname{logsumexp}"), rule="log-sum-exp", increasing=True, ulps=20,
    examples=lambda rng: [((rng.normal(size=(3, 4)),), {"axes": axes}) for axes in [(-1,), (-2, -1)]],
    curved=1,
    native=meaning(_logsumexp),
)  # fmt: skip


def _softmax_product(v: Value, y: Value, axes: Axes) -> Any:
    """(diag(y) - y yᵀ) v: the Jacobian of softmax is its own transpose."""
    return y * (v - keep(np.sum(y * v, axis=axes), y, axes))


softmax: General = General(
    "softmax", _softmax, lambda x, *, axes: x,
    lambda t, inputs, outputs, axes: (_softmax_product(t[0], outputs[0], axes),),
    lambda g, inputs, outputs, wanted, axes: {0: _softmax_product(g[0], outputs[0], axes)},
    notation=call("special.softmax", r"\operatorname{softmax}"), rule="softmax",
    bounds=enclosures.softmax, image=Interval(0, 1),
    examples=lambda rng: [((rng.normal(size=(3, 4)),), {"axes": axes}) for axes in [(-1,), (-2, -1)]],
    native=meaning(_softmax),
)  # fmt: skip
register(logsumexp)
register(softmax)


@spelled(scipy.special.logsumexp)
def spell_logsumexp(a: Value, axis: Any = None, b: Any = None, keepdims: Any = False, return_sign: bool = False) -> Any:
    if return_sign:
        raise NoRuleError("logsumexp with return_sign=True is not in the op table")
    if b is not None:  # Σ b exp(a): shifted by hand, so that b may be zero or negative
        a = np.where(b == 0 if hasattr(b, "dtype") else np.asarray(b) == 0, -inf, _float(a))  # takes no part
        top = np.max(a, axis=axis, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        total = np.log(np.sum(b * np.exp(a - top), axis=axis, keepdims=keepdims))
        return total + (top if keepdims else np.squeeze(top, axis=normal_axes(axis, ndim_of(a))))
    a = _float(a)
    axes = normal_axes(axis, ndim_of(a))
    _nonempty(a, axes, "logsumexp")
    return _finish(apply(logsumexp, a, axes=tuple(n - ndim_of(a) for n in axes)) if axes else a, a, axes, keepdims)


@spelled(scipy.special.softmax)
def spell_softmax(x: Value, axis: Any = None) -> Any:
    x = _float(x)
    return apply(softmax, x, axes=tuple(n - ndim_of(x) for n in normal_axes(axis, ndim_of(x))))


@spelled(scipy.special.log_softmax)
def log_softmax(x: Value, axis: Any = None) -> Any:
    return x - spell_logsumexp(x, axis=axis, keepdims=True)


# --- length ---------------------------------------------------------------------------------------------------------


def _unit(x: Value, y: Value, axes: Axes) -> Any:
    """x / ‖x‖, and 0 at the origin: the shortest of the subgradients there."""
    length = keep(y, x, axes)
    return np.where(length == 0, 0, x / np.where(length == 0, 1, length))


norm = General(
    "norm", lambda x, *, axes: np.sqrt(np.sum(x * x, axis=axes)), _reduced_type,
    lambda t, inputs, outputs, axes: (np.sum(t[0] * _unit(inputs[0], outputs[0], axes), axis=axes),),
    lambda g, inputs, outputs, wanted, axes: {0: keep(g[0], inputs[0], axes) * _unit(inputs[0], outputs[0], axes)},
    notation=Notation("norm", "linalg.norm", r"\lVert", "‖"), rule="norm",
    textbook=(
        lambda t, inputs, outputs, axes: (np.sum(inputs[0] * t[0], axis=axes) / outputs[0],),
        lambda g, inputs, outputs, wanted, axes: {0: inputs[0] * keep(g[0] / outputs[0], inputs[0], axes)},
    ),
    squared=lambda x, axes: np.sum(x**2, axis=axes), bounds=enclosures.norm, image=NONNEGATIVE,
    examples=lambda rng: [((rng.normal(size=(3, 4)),), {"axes": axes}) for axes in [(-1,), (-2, -1)]],
    curved=1,
    native=meaning(lambda x, *, axes: np.sqrt(np.sum(x * x, axis=axes))),
)  # fmt: skip
register(norm)


def _vector_norm(x: Value, ord: Any, axes: Axes) -> Any:
    """(Σ |x|ᵖ)^(1/p), and its limits."""
    if ord is None or ord == 2:
        return apply(norm, x, axes=tuple(n - ndim_of(x) for n in axes))
    if ord == 0:
        return np.sum(np.absolute(apply(sign, x)), axis=axes)
    if ord in (inf, -inf):
        return (np.max if ord > 0 else np.min)(np.absolute(x), axis=axes)
    return np.sum(np.absolute(x), axis=axes) if ord == 1 else np.sum(np.absolute(x) ** ord, axis=axes) ** (1 / ord)


def _matrix_norm(x: Value, ord: Any, axes: Axes) -> Any:
    if ord in (None, "fro"):
        return _vector_norm(x, 2, axes)
    if ord not in (1, -1, inf, -inf):
        raise NoRuleError(f"np.linalg.norm of a matrix with ord={ord!r} is not in the op table")
    rows, columns = axes
    sums = np.sum(np.absolute(x), axis=rows if abs(ord) == 1 else columns, keepdims=True)
    return (np.max if ord > 0 else np.min)(sums, axis=axes)


@spelled(np.linalg.norm)
def spell_norm(x: Value, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    x = _float(x)
    axes = normal_axes(axis, ndim_of(x))
    if axis is None and ord is None:
        y = _vector_norm(x, 2, axes)
    elif len(axes) > 2 or not axes:
        raise ShapeError("np.linalg.norm needs a vector or a matrix: name one axis, or two", operands=(x,))
    else:
        y = (_vector_norm if len(axes) == 1 else _matrix_norm)(x, ord, axes)
    return _finish(y, x, axes, keepdims)


@spelled(np.linalg.vector_norm)
def spell_vector_norm(x: Value, *, axis: Any = None, ord: Any = 2, keepdims: Any = False) -> Any:
    x = _float(x)
    axes = normal_axes(axis, ndim_of(x))
    return _finish(_vector_norm(x, ord, axes), x, axes, keepdims)
