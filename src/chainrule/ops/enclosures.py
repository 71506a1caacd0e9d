"""What a function makes of [low, high]: for the entries whose derivative alone does not say it.

Every function here takes an Enclosure for each operand and returns the least and the largest value, computed at the
ends in plain floating point; whoever reads them rounds outward by what the entry says of its errors. Where there may be
no value although all operands have one, it returns an Enclosure that says so. An infinite end is a bound that is not
known, never a value: so 0 · ∞ is 0. Two operands are the same object only if they are the same value.

Moore, "Interval analysis", 1966.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import inf, pi
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Ends = tuple[Any, Any]  # or an Enclosure, which is a tuple, too

TINY = float(np.finfo(np.float64).smallest_subnormal)


class Enclosure(NamedTuple):
    """Every number of an array lies between `low` and `high`; where `undefined`, there may be no number somewhere.

    >>> print(Enclosure(np.asarray(0.0), np.asarray(np.inf)), Enclosure(np.zeros(2), np.ones(2), True))
    [0, inf] [0, 1], may be undefined
    """

    low: Array
    high: Array
    undefined: bool = False

    @property
    def is_point(self) -> bool:
        """Whether one value only is possible."""
        return not self.undefined and bool(np.all(self.low == self.high))

    @property
    def is_finite(self) -> bool:
        return bool(np.all(np.isfinite(self.low)) and np.all(np.isfinite(self.high)))

    def __str__(self) -> str:
        if np.size(self.low) == 0:
            return "[]"
        text = f"[{np.min(self.low):.6g}, {np.max(self.high):.6g}]"
        return text + (", may be undefined" if self.undefined else "")


def hull(ends: Any) -> Ends:
    """The smallest interval around all of them."""
    lows, highs = zip(*ends, strict=True)
    return reduce(np.minimum, lows), reduce(np.maximum, highs)


def at_corners(function: Callable[..., Any], *xs: Enclosure) -> Ends:
    """Least and largest value at the corners of a box: enough, where the function is monotone in each operand."""
    corners = [()]
    for x in xs:
        corners = [(*c, end) for c in corners for end in (x.low, x.high)]  # type: ignore[misc]
    values = [np.asarray(function(*c)) for c in corners]
    return hull([(np.where(np.isnan(v), -inf, v), np.where(np.isnan(v), inf, v)) for v in values])


def total(x: Enclosure, y: Enclosure) -> Ends:
    """x + y, rounded outward only where the sum is rounded at all.

    Knuth, "The art of computer programming", vol. 2, 1969 (the error of a sum).
    """

    def parts(a: Any, b: Any) -> tuple[Any, Any]:
        s = np.add(a, b, dtype=float)
        with np.errstate(invalid="ignore"):
            other = s - a
            return s, (a - (s - other)) + (b - other)

    (low, under), (high, over) = parts(x.low, y.low), parts(x.high, y.high)
    low = np.where(under < 0, np.nextafter(low, -inf), low)
    return low, np.where(over > 0, np.nextafter(high, inf), high)


def difference(x: Enclosure, y: Enclosure) -> Ends:
    return total(x, opposite(y))


def opposite(x: Enclosure) -> Enclosure:
    return Enclosure(-x.high, -x.low, x.undefined)


def _outward(value: Any, exact: Any) -> Ends:
    """A rounded number's neighbours, but for zeros and infinities."""
    still = exact | (value == 0) | np.isinf(value)
    return np.where(still, value, np.nextafter(value, -inf)), np.where(still, value, np.nextafter(value, inf))


def _round(x: Any) -> Any:
    """Whether multiplying by x rounds nothing: 1, 2, 1/2, …"""
    return np.frexp(np.abs(x))[0] == 0.5


def _signed(value: Any, zero: Any, negative: Any) -> Ends:
    """A product or quotient; one that underflowed lies between zero and the smallest number."""
    lost = (value == 0) & ~zero
    return np.where(lost & negative, -TINY, value), np.where(lost & ~negative, TINY, value)


def product(x: Enclosure, y: Enclosure) -> Ends:
    if x is y:
        return power_of(x, 2)[:2]
    ends = []
    for a in (x.low, x.high):
        for b in (y.low, y.high):
            zero = (a == 0) | (b == 0)
            value = np.where(zero, 0.0, np.multiply(a, b, dtype=float))
            low, high = _outward(value, (_round(a) | _round(b)) & (np.abs(value) > 1e-300))
            ends.append((_signed(low, zero, (a < 0) != (b < 0))[0], _signed(high, zero, (a < 0) != (b < 0))[1]))
    return hull(ends)


def quotient(x: Enclosure, y: Enclosure) -> Enclosure:
    ends = []
    for a in (x.low, x.high):
        for b, below in ((y.low, False), (y.high, True)):
            b = np.where(b == 0, -0.0 if below else 0.0, b)  # an end at zero is approached from inside
            zero = (a == 0) | np.isinf(b)
            value = np.where(zero, 0.0, np.divide(a, b, dtype=float))
            low, high = _outward(value, _round(b) & (np.abs(value) > 1e-300))
            ends.append(
                (_signed(low, zero, (a < 0) != np.signbit(b))[0], _signed(high, zero, (a < 0) != np.signbit(b))[1])
            )
    low, high = hull(ends)
    through = ((y.low < 0) & (y.high > 0)) | ((y.low == 0) & (y.high == 0))
    undefined = x.undefined or y.undefined or bool(np.any((y.low <= 0) & (y.high >= 0)))
    return Enclosure(np.where(through, -inf, low), np.where(through, inf, high), undefined)


def magnitude(x: Enclosure) -> Ends:
    least = np.where((x.low <= 0) & (x.high >= 0), 0.0, np.minimum(np.abs(x.low), np.abs(x.high)))
    return least, np.maximum(np.abs(x.low), np.abs(x.high))


def power_of(x: Enclosure, n: float) -> Enclosure:
    """xⁿ for a number n: a whole one is read on both sides of zero, any other where x is not negative."""
    if n == 0:
        return Enclosure(np.ones_like(x.low), np.ones_like(x.high), x.undefined)
    if n < 0:
        return quotient(Enclosure(np.asarray(1.0), np.asarray(1.0)), power_of(x, -n))
    undefined = x.undefined or bool(n % 1 and np.any(x.low < 0))
    if n % 2 == 0:
        x = Enclosure(*magnitude(x))
    elif n % 1:
        x = Enclosure(np.maximum(x.low, 0.0), np.maximum(x.high, 0.0))
    ends = [_signed(np.power(end, n), end == 0, end < 0) for end in x[:2]]
    return Enclosure(ends[0][0], ends[1][1], undefined)


def power(x: Enclosure, y: Enclosure) -> Enclosure:
    """xʸ: monotone in each where x is not negative; elsewhere its size is that of |x|ʸ, if y is a whole number."""
    size = Enclosure(*magnitude(x))
    low, high = at_corners(np.power, size, y)
    low, high = np.maximum(low, 0.0), np.where(high == 0, TINY, high)
    whole = (y.low == y.high) & (y.low == np.rint(y.low))
    negative = x.low < 0
    reaches = (x.low <= 0) & (x.high >= 0) & (y.low < 0)
    undefined = x.undefined or y.undefined or bool(np.any((negative & ~whole) | reaches))
    low, high = np.where(negative, np.where(whole, -high, -inf), low), np.where(negative & ~whole, inf, high)
    return Enclosure(low, high, undefined)


def remainder(x: Enclosure, y: Enclosure) -> Enclosure:
    """Of the sign of y, and smaller."""
    shape = np.broadcast_shapes(np.shape(x.low), np.shape(y.low))
    low, high = np.minimum(y.low, 0.0), np.maximum(y.high, 0.0)
    return Enclosure(np.broadcast_to(low, shape), np.broadcast_to(high, shape), quotient(x, y).undefined)


def whole_quotient(x: Enclosure, y: Enclosure) -> Enclosure:
    low, high, undefined = quotient(x, y)
    margin = 2.0**-9  # NumPy's answer may be the neighbour of ours; in half precision, by this much
    low, high = low - margin * np.abs(low), high + margin * np.abs(high)
    return Enclosure(np.floor(low), np.floor(high), undefined)


def length(x: Enclosure, y: Enclosure) -> Ends:
    """√(x² + y²), which grows with |x| and |y|."""
    (a, b), (c, d) = magnitude(x), magnitude(y)
    return np.hypot(a, c), np.hypot(b, d)


def times_log(x: Enclosure, y: Enclosure) -> Enclosure:
    """x ln y, where y is not negative: at y = 0 without a bound, unless x is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(np.maximum(end, 0.0)) for end in y[:2]]
    margins = [8 * np.finfo(float).eps * np.where(np.isfinite(v), np.abs(v), 0.0) for v in logs]
    undefined = x.undefined or y.undefined or bool(np.any(y.low <= 0))
    return Enclosure(*product(x, Enclosure(logs[0] - margins[0], logs[1] + margins[1])), undefined)


def log_of_sum(x: Enclosure, y: Enclosure) -> Ends:
    """ln(eˣ + eʸ): grows with both, and is never below the larger."""
    least, most = np.maximum(x.low, y.low), np.maximum(x.high, y.high)
    low, high = np.logaddexp(x.low, y.low), np.logaddexp(x.high, y.high)
    slack = 8 * np.finfo(float).eps
    with np.errstate(invalid="ignore"):
        return np.fmax(low - slack * (1 + np.abs(least)), least), high + slack * (1 + np.abs(most))


def sine(x: Enclosure) -> Ends:
    return _wave(np.sin, x, pi / 2)


def cosine(x: Enclosure) -> Ends:
    return _wave(np.cos, x, 0.0)


def _wave(function: Any, x: Enclosure, top: float) -> Ends:
    """Values at the ends, and ±1 where a crest or a trough lies between, or so near that rounding can't tell."""
    low, high = (np.where(np.isinf(end), 0.0, end) for end in x[:2])
    ends = at_corners(function, Enclosure(low, high))
    slack = 1e-12 * (1 + np.maximum(np.abs(x.low), np.abs(x.high)))
    far = ~(x.high - x.low + 2 * slack < 2 * pi)

    def within(place: float) -> Any:
        with np.errstate(invalid="ignore"):
            return far | (np.ceil((x.low - slack - place) / (2 * pi)) <= np.floor((x.high + slack - place) / (2 * pi)))

    return np.where(within(top + pi), -1.0, ends[0]), np.where(within(top), 1.0, ends[1])


# --- comparisons, logic, selection ----------------------------------------------------------------------------------


def greater(x: Enclosure, y: Enclosure) -> Ends:
    return x.low > y.high, x.high > y.low


def greater_equal(x: Enclosure, y: Enclosure) -> Ends:
    return x.low >= y.high, x.high >= y.low


def equal(x: Enclosure, y: Enclosure) -> Ends:
    return (x.low == y.high) & (x.high == y.low), (x.low <= y.high) & (y.low <= x.high)


def not_equal(x: Enclosure, y: Enclosure) -> Ends:
    always, maybe = equal(x, y)
    return ~maybe, ~always


def turned(ends: Callable[[Enclosure, Enclosure], Ends]) -> Callable[[Enclosure, Enclosure], Ends]:
    """The same of the operands exchanged."""
    return lambda x, y: ends(y, x)


def truth(x: Enclosure) -> Ends:
    """Whether x is certainly, or possibly, not zero."""
    return (x.low > 0) | (x.high < 0), (x.low != 0) | (x.high != 0)


def not_(x: Enclosure) -> Ends:
    always, maybe = truth(x)
    return ~maybe, ~always


def of_finite(test: Any) -> Callable[[Enclosure], Ends]:
    """A question about infinity and NaN: it has one answer for all finite numbers."""

    def ends(x: Enclosure) -> Ends:
        finite, answer = np.isfinite(x.low) & np.isfinite(x.high), bool(test(0.0))
        return finite & answer, ~finite | answer

    return ends


def logical(function: Any) -> Callable[[Enclosure, Enclosure], Ends]:
    """`and`, `or` of truths: each grows with both."""

    def ends(x: Enclosure, y: Enclosure) -> Ends:
        (a, b), (c, d) = truth(x), truth(y)
        return function(a, c), function(b, d)

    return ends


def either(x: Enclosure, y: Enclosure) -> Ends:
    """`xor` of truths."""
    (a, b), (c, d) = truth(x), truth(y)
    return np.where((a == b) & (c == d), a ^ c, False), np.where((a == b) & (c == d), a ^ c, True)


def selected(condition: Enclosure, x: Enclosure, y: Enclosure) -> Enclosure:
    always, maybe = truth(condition)
    low, high = np.minimum(x.low, y.low), np.maximum(x.high, y.high)
    return Enclosure(
        np.where(always, x.low, np.where(maybe, low, y.low)),
        np.where(always, x.high, np.where(maybe, high, y.high)),
        bool((x.undefined and np.any(maybe)) or (y.undefined and not np.all(always))),
    )


def converted(x: Enclosure, *, dtype: np.dtype[Any]) -> Ends:
    """In another dtype: a truth, a whole number towards zero, or the nearest number that it has."""
    if dtype.kind == "b":
        return truth(x)
    return (np.trunc(x.low), np.trunc(x.high)) if dtype.kind in "iu" else x[:2]


def number_beside_nan(function: Any) -> Callable[[Enclosure, Enclosure], Ends]:
    """`fmax` and `fmin`: monotone, and where one operand is NaN, the other."""

    def ends(x: Enclosure, y: Enclosure) -> Ends:
        low, high = function(x.low, y.low), function(x.high, y.high)
        if y.undefined:
            low, high = hull([(low, high), x[:2]])
        return hull([(low, high), y[:2]]) if x.undefined else (low, high)

    return ends


# --- reductions ------------------------------------------------------------------------------------------------------


def softmax(x: Enclosure, *, axes: tuple[int, ...]) -> Ends:
    """Largest where its own score is the highest and all others the lowest."""
    if not x.is_finite:
        return np.zeros_like(x.low), np.ones_like(x.high)
    slack = 1e-15 * x.low.size * (1 + np.max(np.abs(np.stack([x.low, x.high])), initial=0.0))
    low = _share(x.low - _log_of_others(x.high, axes))
    return low * (1 - slack), _share(x.high - _log_of_others(x.low, axes)) * (1 + slack) + TINY


def _share(d: Array) -> Array:
    """1 / (1 + e⁻ᵈ)"""
    return np.where(d < 0, np.exp(np.minimum(d, 0.0)), 1.0) / (1 + np.exp(-np.abs(d)))


def _log_of_others(x: Array, axes: tuple[int, ...]) -> Array:
    """ln Σ eˣ without the element itself: what stands before it, and behind. No difference, which would lose much."""
    last = tuple(range(-len(axes), 0))
    moved = np.moveaxis(x, axes, last)
    flat = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    nothing = np.full_like(flat[..., :1], -inf)
    before = np.concatenate([nothing, np.logaddexp.accumulate(flat[..., :-1], axis=-1)], axis=-1)
    behind = np.concatenate([nothing, np.logaddexp.accumulate(flat[..., :0:-1], axis=-1)], axis=-1)[..., ::-1]
    return np.moveaxis(np.logaddexp(before, behind).reshape(moved.shape), last, axes)


def norm(x: Enclosure, *, axes: tuple[int, ...]) -> Ends:
    low, high = magnitude(x)
    return np.sqrt(np.sum(low * low, axis=axes)), np.sqrt(np.sum(high * high, axis=axes))


def some(function: Any) -> Callable[..., Ends]:
    """`any`, `all` over axes."""

    def ends(x: Enclosure, *, axes: tuple[int, ...]) -> Ends:
        always, maybe = truth(x)
        return function(always, axis=axes), function(maybe, axis=axes)

    return ends
