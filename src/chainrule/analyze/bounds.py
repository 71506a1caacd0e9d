"""Read a Program with intervals: what every value can be at most and at least, when the inputs lie in a box.

What each op makes of an interval is read off its entry: its own `bounds`, or that it is `increasing`, or where it
`turns`; else its derivative entry is itself bounded, and where that has one sign, the ends suffice. Everything is
rounded outward by more than the entry says its computed values may be off. So both the exact value, at every point of
the box where there is one, and the computed one lie inside; a wide answer is possible, a wrong one is not.

Moore, "Interval analysis", 1966; Rump, "Verification methods", 2010 (products of matrices).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction
from ..ops.enclosures import TINY, Enclosure
from ..ops.op import Elementwise, Op
from ..ops.sets import Interval
from ..transform.rules import pushforward
from .products import products

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bounds:
    """An Enclosure for each output of a Program (`outputs`), and for each of its values (`of[var]`)."""

    outputs: tuple[Enclosure, ...]
    of: dict[Var, Enclosure]

    def __str__(self) -> str:
        return ", ".join(map(str, self.outputs))


def bounds(program: Program, box: Sequence[Any]) -> Bounds:
    """What the values of a Program can be when each input lies between two ends: numbers, or arrays of its shape.

    >>> import chainrule as cr
    >>> print(bounds(cr.trace(lambda x: np.exp(-(x**2)), 0.0), [(-1.0, 2.0)]))
    [0.0183156, 1]
    """
    if len(box) != len(program.inputs):
        raise ArgumentError(f"the program has {len(program.inputs)} inputs; {len(box)} intervals were given")
    known: dict[Atom, Enclosure] = {}
    for v, ends in zip(program.inputs, box, strict=True):
        known[v] = interval(ends, v.type)
    return read(program, known)


def interval(ends: Any, type: ArrayType) -> Enclosure:
    """A pair of ends as an Enclosure of that shape."""
    try:
        low, high = ends[:2] if isinstance(ends, Enclosure) else ends
        low, high = np.asarray(low, float), np.asarray(high, float)
        low, high = np.broadcast_to(low, type.shape), np.broadcast_to(high, type.shape)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"an interval is a pair (low, high) of numbers, or of arrays of shape {type.shape}"
        ) from None
    if np.any(np.isnan(low) | np.isnan(high)) or np.any(low > high):
        raise ArgumentError("an interval needs ends that are numbers, the low one not above the high one")
    return Enclosure(low, high)


def read(program: Program, known: dict[Atom, Enclosure]) -> Bounds:
    """Bounds of every value, given those of the inputs. Elementwise Programs may be read at many boxes at once."""

    def at(a: Atom) -> Enclosure:
        return known[a] if isinstance(a, Var) else of_constant(a)

    with np.errstate(all="ignore"):
        for e in program.equations:
            found = enclosed(e, [at(a) for a in e.inputs])
            known.update(zip(e.outputs, found, strict=True))
        outputs = tuple(at(a) for a in program.outputs)
    return Bounds(outputs, {a: x for a, x in known.items() if isinstance(a, Var)})


def of_constant(a: Const) -> Enclosure:
    value = np.asarray(a.value, float)
    nan = np.isnan(value)
    if not nan.any():
        return Enclosure(value, value)
    return Enclosure(np.where(nan, -inf, value), np.where(nan, inf, value), True)


# --- one equation ---------------------------------------------------------------------------------------------------


def enclosed(e: Equation, xs: Sequence[Enclosure]) -> tuple[Enclosure, ...]:
    """The results of one equation."""
    op, undefined = e.op, any(x.undefined for x in xs)
    types = [v.type for v in e.outputs]
    same = len(xs) == 2 and e.inputs[0] is e.inputs[1]
    if len(xs) == 2 and xs[0] is xs[1] and not same:
        xs = [xs[0], Enclosure(*xs[1])]
    if isinstance(op, Contraction):
        return (finished(*products(xs, e.params["spec"], _eps(types[0])), types[0], undefined),)
    if isinstance(op, Elementwise):
        return (_elementwise(op, e, xs, types[0]),)
    if all(not t.differentiable for t in types) and all(x.is_point for x in xs):
        return _exactly(e, xs)
    if op.bounds is not None:
        return (
            _rounded(op, op.bounds(*xs, **e.params), types[0], undefined, getattr(op, "image", None), xs, _terms(e)),
        )
    if op.increasing and _moving_only(op, xs):
        return (_rounded(op, _at_ends(op, e, xs), types[0], undefined, getattr(op, "image", None), xs, _terms(e)),)
    return tuple(finished(np.full(t.shape, -inf), np.full(t.shape, inf), t, True) for t in types)


def _eps(t: ArrayType) -> float:
    return float(np.finfo(t.dtype).eps) if t.differentiable else 0.0


def _exactly(e: Equation, xs: Sequence[Enclosure]) -> tuple[Enclosure, ...]:
    """Whole numbers and truths of operands that are known: computed."""
    found = e.op.evaluate(*_typed(e, [x.low for x in xs]), **e.params)
    found = found if len(e.outputs) > 1 else (found,)
    return tuple(Enclosure(np.asarray(y, float), np.asarray(y, float)) for y in found)


def _typed(e: Equation, values: Sequence[Any]) -> list[Any]:
    """Values in the operands' dtypes where those are whole numbers or truths: indices must be."""
    return [
        v if a.type.differentiable else np.asarray(v).astype(a.type.dtype)
        for v, a in zip(values, e.inputs, strict=True)
    ]


def _moving_only(op: Op, xs: Sequence[Enclosure]) -> bool:
    """Whether what the op does not rise with (an index) is known."""
    along = getattr(op, "along", None)
    return along is None or all(x.is_point for i, x in enumerate(xs) if i not in along)


def _at_ends(op: Op, e: Equation, xs: Sequence[Enclosure]) -> tuple[Any, Any]:
    """Of a function that never falls: the values at the ends."""
    along = getattr(op, "along", None)
    fixed = () if along is None else [i for i in range(len(xs)) if i not in along]

    def at(ends: list[Any]) -> Any:
        typed = _typed(e, ends)
        return op.evaluate(*[typed[i] if i in fixed else v for i, v in enumerate(ends)], **e.params)

    return at([x.low for x in xs]), at([x.high for x in xs])


def _terms(e: Equation) -> float:
    """How many numbers may have been added up to one."""
    return float(max((a.type.size for a in e.inputs), default=1)) if e.op.ulps else 0.0


def _rounded(
    op: Op, found: Any, t: ArrayType, undefined: bool, image: Any, xs: Sequence[Enclosure], terms: float = 0.0
) -> Enclosure:
    """Ends moved outward by twice what a computed value may be off; sums of `terms` numbers by more."""
    low, high = np.asarray(found[0], float), np.asarray(found[1], float)
    undefined = found.undefined if isinstance(found, Enclosure) else undefined
    # an op that is exact in float64, or rounded already, may round in a shorter dtype
    ulps = op.ulps if t.dtype.itemsize >= 8 else max(op.ulps, 1.0)
    margin = 2 * ulps * _eps(t) * (1 + terms)
    size = np.zeros(())
    if terms or (op.cancels and t.dtype.itemsize < 8):  # in float64, what cancels is seen to by the entry's bounds
        size = np.max([_largest(x) for x in xs], initial=1.0)
    low, high = low - margin * np.maximum(np.abs(low), size), high + margin * np.maximum(np.abs(high), size)
    if image is not None:
        over = margin if t.dtype.itemsize < 8 else 0.0  # in single precision, arctan reaches beyond π/2
        low = np.maximum(low, image.low - over * abs(image.low) if over else image.low)
        high = np.minimum(high, image.high + over * abs(image.high) if over else image.high)
    return finished(low, high, t, undefined)


def _largest(x: Enclosure) -> float:
    """The largest finite end."""
    ends = np.abs(np.stack([x.low, x.high]))
    return float(np.max(np.where(np.isfinite(ends), ends, 0.0), initial=0.0))


def finished(low: Any, high: Any, t: ArrayType, undefined: bool) -> Enclosure:
    """No NaN among the ends, and nothing that the dtype can't hold: a whole number that leaves its range wraps."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    low, high = np.where(np.isnan(low), -inf, low), np.where(np.isnan(high), inf, high)
    if t.dtype.kind == "b":
        low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
    elif t.dtype.kind in "iu":
        limits = np.iinfo(t.dtype)
        held = (low >= limits.min) & (high <= limits.max)
        far = np.where(np.maximum(np.abs(low), np.abs(high)) > 2.0**52, 1e-15, 0.0)  # not all whole numbers are floats
        low = np.where(held, low - far * np.abs(low), float(limits.min))
        high = np.where(held, high + far * np.abs(high), float(limits.max))
    elif t.dtype.itemsize < 8:
        low, high = -_held(-low, t.dtype), _held(high, t.dtype)
    return Enclosure(low, high, bool(undefined))


def _held(high: Any, dtype: np.dtype[Any]) -> Any:
    """A high end in a short dtype: beyond its largest number is infinity, and what is below its smallest may be 0."""
    limits = np.finfo(dtype)
    least, most = float(limits.smallest_subnormal), float(limits.max)
    high = np.where(np.abs(high) < float(limits.tiny), high + 2 * least * (high != 0), high)
    high = np.where((high < 0) & (high > -2 * least), 0.0, high)
    return np.where(high > most, inf, np.maximum(high, -most))


# --- elementwise ----------------------------------------------------------------------------------------------------


def _elementwise(op: Elementwise, e: Equation, xs: Sequence[Enclosure], t: ArrayType) -> Enclosure:
    undefined = any(x.undefined for x in xs)
    if undefined and not t.differentiable:  # a question about NaN has an answer, of either kind
        shape = np.broadcast_shapes(*(x.low.shape for x in xs))
        return finished(np.full(shape, -inf), np.full(shape, inf), t, False)
    leaves = any(np.any(x.low < d.low) or np.any(x.high > d.high) for x, d in zip(xs, op.domain, strict=True))
    if op.ends:  # beyond the domain there is nothing to enclose
        undefined = undefined or leaves or _reaches_a_pole(op, xs)
        if leaves:
            xs = [
                Enclosure(np.clip(x.low, d.low, d.high), np.clip(x.high, d.low, d.high))
                for x, d in zip(xs, op.domain, strict=True)
            ]
    inside = op.ends or not leaves
    if op.bounds is not None:
        found = op.bounds(*xs, **e.params)
    elif op.increasing:
        found = op.evaluate(*[x.low for x in xs], **e.params), op.evaluate(*[x.high for x in xs], **e.params)
    elif inside:
        found = _by_slopes(op, e, xs)
    else:
        found = np.full(t.shape, -inf), np.full(t.shape, inf)
    return _rounded(op, found, t, undefined, op.image if inside else None, xs)


def _reaches_a_pole(op: Elementwise, xs: Sequence[Enclosure]) -> bool:
    """Whether an operand may be at an end of the domain where there is no number: log is -∞ at 0, sqrt is 0."""
    for x, d in zip(xs, op.domain, strict=True):
        for end, reached in ((d.low, np.any(x.low <= d.low)), (d.high, np.any(x.high >= d.high))):
            if np.isfinite(end) and reached and not np.isfinite(op.evaluate(end)):
                return True
    return False


def _by_slopes(op: Elementwise, e: Equation, xs: Sequence[Enclosure]) -> tuple[Any, Any]:
    """Where every slope has one sign, or every turn is known, the ends suffice; else what the image says."""
    params = tuple(e.params.items())
    if op.turns:
        (x,) = xs
        points = [x.low, x.high, *(np.clip(turn, x.low, x.high) for turn in op.turns)]
        values = [op.evaluate(p, **e.params) for p in points]
        return np.minimum.reduce(values), np.maximum.reduce(values)
    dtypes = tuple(a.type.dtype for a in e.inputs), e.output.type.dtype
    signs = _signs(op, dtypes, params, tuple(op.domain))
    shape = np.broadcast_shapes(*(x.low.shape for x in xs))
    if 0 in signs:
        signs = [s or sign_of(slope(op, i, dtypes, params, xs)) for i, s in enumerate(signs)]  # type: ignore[assignment]
    falls = [np.asarray(sign) < 0 for sign in signs]
    at_low = [np.where(f, x.high, x.low) for f, x in zip(falls, xs, strict=True)]
    at_high = [np.where(f, x.low, x.high) for f, x in zip(falls, xs, strict=True)]
    low, high = op.evaluate(*at_low, **e.params), op.evaluate(*at_high, **e.params)
    one_sign = np.logical_and.reduce([np.broadcast_to(np.asarray(sign) != 0, shape) for sign in signs])
    low, high = low - _lost(low, at_low), high + _lost(high, at_high)
    return np.where(one_sign, low, op.image.low), np.where(one_sign, high, op.image.high)


def _lost(y: Any, xs: Sequence[Any]) -> Any:
    """A computed zero may stand for a number too small to hold, unless it is the value at 0, 1 or -1."""
    return np.where((np.asarray(y) == 0) & ~np.isin(xs[0], (-1.0, 0.0, 1.0)) & (len(xs) == 1), TINY, 0.0)


@lru_cache(maxsize=1024)
def _signs(op: Elementwise, dtypes: Any, params: Any, domain: tuple[Interval, ...]) -> tuple[int, ...]:
    """The sign of each partial derivative if it is the same on the whole domain, else 0."""
    xs = [Enclosure(np.asarray(d.low), np.asarray(d.high)) for d in domain]
    return tuple(int(sign_of(slope(op, i, dtypes, params, xs))) for i in range(len(xs)))


def sign_of(x: Enclosure | None) -> Any:
    """1 where it is nowhere negative, -1 where nowhere positive, 0 where that is not known.

    Points where there is no slope don't count: on its domain a function of the table is continuous.
    """
    if x is None:
        return 0
    return np.where(x.low >= 0, 1, np.where(x.high <= 0, -1, 0))


_bounding: set[Any] = set()


@lru_cache(maxsize=1024)
def _uncut(op: Elementwise) -> Elementwise:
    """The entry without the NaN beyond its domain, where nothing is asked here."""
    return replace(op, cut=())


def slope(
    op: Elementwise, i: int, dtypes: Any, params: Any, xs: Sequence[Enclosure], y: Enclosure | None = None
) -> Enclosure | None:
    """Bounds of a partial derivative, read off its entry with the result in `y`, or anywhere in the image.

    None where the entry says that the function does not change: it may be a step.
    """
    if (op, i, params) in _bounding:  # sinh' = cosh, cosh' = sinh: answer with what is always true
        return None
    ins, out = dtypes
    active = tuple(j == i for j in range(len(xs)))
    types = [Var(ArrayType((), d)) for d in ins]
    rule = pushforward(_uncut(op), types, [Var(ArrayType((), out))], active, dict(params))
    if rule.results[0] is None:
        return None
    image = y or Enclosure(np.asarray(op.image.low), np.asarray(op.image.high))
    one = Enclosure(np.asarray(1.0), np.asarray(1.0))
    _bounding.add((op, i, params))
    try:
        return read(rule.program, dict(zip(rule.program.inputs, [*xs, image, one], strict=True))).outputs[0]
    finally:
        _bounding.discard((op, i, params))
