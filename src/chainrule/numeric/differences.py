"""The slope of a function from its values alone, with an error bar that owns up to rounding and to kinks.

Central differences over shrinking steps, extrapolated to step zero (Richardson 1911; the table and its error estimate:
Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", 1982). To the spread of the table are added the rounding
noise of the values (measured: Moré & Wild, "Estimating computational noise", 2011) and, where the slopes to the left
and to the right don't come together as the step shrinks, half of what keeps them apart.

>>> found = slope(math.sin, noise=1e-16)
>>> abs(found.value - 1) <= found.bar < 1e-9
True
>>> slope(abs, noise=1e-16).kind
'kink'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..ir import Array

Line = Callable[[float], float]  # the function along a straight line: t -> f(x + t v)

FIRST_STEP = 0.0617
_RATIO = (
    1.8  # not 2: steps that are multiples of each other can all be near multiples of a period, and agree on nonsense
)
_STEPS_DOWN = 54
_STEPS_UP = 20
_COLUMNS = 7  # extrapolations of one difference
_SHARP = 1e6  # how far the sides of a kink stand out of the noise, for their slopes to be told to six digits
_TARGET = 1e-10  # a relative error bar that is good enough to stop


@dataclass(frozen=True)
class Slope:
    """The derivative at 0 along a line: `value` within `bar`, if `kind` is "smooth".

    `kind` is "kink" (the slopes `left` and `right` differ), "jump", "steep" (no finite slope), "edge" (defined on one
    side at most), "flat" (the values don't change at all) or "smooth". A smooth slope may still have a bar larger than
    itself: then noise hides it. It comes from differences down to `step`, where the central one was off by `bend`;
    `swing` is the largest change of the values met on the way.
    """

    value: float
    bar: float
    kind: str
    left: float
    right: float
    curvature: float
    step: float
    bend: float
    swing: float


@dataclass(frozen=True)
class _Row:
    """Differences at one step: central, forward, backward, and what rounding may do to the central one."""

    step: float
    central: float
    forward: float
    backward: float
    noise: float
    uneven: float = 0.0  # half the gap between the sides, where it does not close

    @property
    def gap(self) -> float:
        return abs(self.forward - self.backward)

    @property
    def resolved(self) -> bool:
        """Whether the gap between the sides stands out of the noise."""
        return self.gap > 16 * self.noise


@dataclass(frozen=True)
class _Estimate:
    """One entry of the extrapolation table, with its three kinds of error."""

    value: float
    truncation: float
    noise: float
    uneven: float
    row: int

    @property
    def bar(self) -> float:
        return 2 * self.truncation + self.noise + self.uneven


def _short(step: float) -> float:
    """A number near `step` with few binary digits, so that x + step is nearly exact."""
    fraction, exponent = math.frexp(step)
    return math.ldexp(round(fraction * 2**24), exponent - 24)


def _differences(line: Line, middle: float, step: float, noise: float, precision: float) -> _Row | None:
    """The row for one step; None where the function is not finite on both sides."""
    after, before = line(step), line(-step)
    if not (math.isfinite(after) and math.isfinite(before)):
        return None
    central, forward, backward = (after - before) / (2 * step), (after - middle) / step, (middle - before) / step
    rounding = noise + precision * abs(central)  # of the values, and of x + h
    return _Row(step, central, forward, backward, rounding / step)


def _with_unevenness(rows: Sequence[_Row]) -> list[_Row]:
    """Mark the rows at which the two sides don't come together: for a smooth function the gap goes with the step."""
    marked: list[_Row] = []
    for k, row in enumerate(rows):
        closing = k == 0 or row.gap <= 0.8 * rows[k - 1].gap + 8 * row.noise
        marked.append(replace(row, uneven=0.0 if closing else row.gap / 2))
    return marked


def _table(rows: Sequence[_Row]) -> Iterator[_Estimate]:
    """Every extrapolation of the differences to step zero, by Neville's scheme in the square of the step."""
    previous: list[tuple[float, float]] = []
    for k, row in enumerate(rows):
        current = [(row.central, row.noise)]
        if k:
            yield _Estimate(row.central, abs(row.central - rows[k - 1].central), row.noise, row.uneven, k)
        for j, (coarser, coarser_noise) in enumerate(previous[: _COLUMNS - 1], start=1):
            finer, finer_noise = current[-1]
            weight = (rows[k - j].step / row.step) ** 2 - 1
            value = finer + (finer - coarser) / weight
            noise = ((weight + 1) * finer_noise + coarser_noise) / weight
            uneven = max(r.uneven for r in rows[k - j : k + 1])
            yield _Estimate(value, max(abs(value - finer), abs(value - coarser)), noise, uneven, k)
            current.append((value, noise))
        previous = current


def _best(rows: Sequence[_Row]) -> _Estimate:
    """The entry with the smallest bar, unless a finer step contradicts it: coarse steps can agree by chance."""
    finest: dict[int, _Estimate] = {}
    for estimate in _table(_with_unevenness(rows)):
        if estimate.row not in finest or estimate.bar < finest[estimate.row].bar:
            finest[estimate.row] = estimate
    first, *finer = finest.values()
    best = first
    for other in finer:
        contradicted = abs(other.value - best.value) > best.bar + 4 * other.bar
        if other.bar < best.bar or contradicted:
            best = other
    return best


Differences = Callable[[float], _Row | None]  # the row for one step


def slope(line: Line, *, noise: float, precision: float = 0.0, first: float = FIRST_STEP) -> Slope:
    """The derivative of `line` at 0, with an error bar.

    `noise` is the size of the rounding errors of its values, `precision` the relative rounding of a step of size 1.
    Steps start at `first`, shrink until rounding leaves no hope of a better answer, and grow again if rounding was
    what limited it all along. Steps at which the line is not finite on both sides are passed over.

    >>> found = slope(lambda t: math.sqrt(1e-7 + t) if t > -1e-7 else math.nan, noise=1e-19)
    >>> abs(found.value - 0.5 / math.sqrt(1e-7)) < found.bar < 1e-4
    True
    """
    middle = line(0.0)
    return _settled(lambda step: _differences(line, middle, step, noise, precision), first, precision)


def curvature(line: Line, *, noise: float, precision: float = 0.0, first: float = FIRST_STEP) -> Slope:
    """The second derivative of `line` at 0, with an error bar, in the same way. "kink": it differs on the two sides.

    >>> found = curvature(math.exp, noise=1e-16)
    >>> abs(found.value - 1) <= found.bar < 1e-6
    True
    >>> curvature(lambda t: t * abs(t), noise=1e-16).kind
    'kink'
    """
    middle = line(0.0)

    def row(step: float) -> _Row | None:
        after, before = line(step), line(-step)
        further, earlier = line(2 * step), line(-2 * step)
        if not all(map(math.isfinite, (after, before, further, earlier))):
            return None
        rounding = 4 * noise + 2 * precision * abs(after - before) / (2 * step)
        ahead, behind = further - after - (after - middle), earlier - before - (before - middle)
        central = (after - middle + (before - middle)) / step**2
        return _Row(step, central, ahead / step**2, behind / step**2, rounding / step**2)

    return _settled(row, first, precision)


def one_sided(line: Line, side: int, *, noise: float, precision: float = 0.0, first: float = FIRST_STEP) -> Slope:
    """The limit of (line(h) − line(0)) / h from one side: from above for `side` 1, from below for −1.

    With h = s² the quotients are a series in s², and so the same table extrapolates them.

    >>> found = one_sided(lambda t: abs(t) + t * t, -1, noise=1e-16)
    >>> abs(found.value + 1) <= found.bar < 1e-6
    True
    """
    middle = line(0.0)

    def row(root: float) -> _Row | None:
        h = side * root**2
        end = line(h)
        if not math.isfinite(end):
            return None
        quotient = (end - middle) / h
        return _Row(root, quotient, quotient, quotient, (2 * noise + precision * abs(quotient)) / root**2)

    return _settled(row, math.sqrt(first), math.sqrt(precision))


Plane = Callable[[float, float], float]  # the function on a plane: s, t -> f(x + s u + t v)


def mixed(plane: Plane, *, noise: float, precision: float = 0.0, first: float = FIRST_STEP) -> Slope:
    """The mixed second derivative of `plane` at 0, with an error bar.

    >>> found = mixed(lambda s, t: math.exp(2 * s + t), noise=1e-16)
    >>> abs(found.value - 2) <= found.bar < 1e-6
    True
    """
    middle = plane(0.0, 0.0)

    def row(step: float) -> _Row | None:
        both, neither = plane(step, step), plane(-step, -step)
        one, other = plane(step, -step), plane(-step, step)
        sides = plane(step, 0.0), plane(0.0, step), plane(-step, 0.0), plane(0.0, -step)
        if not all(map(math.isfinite, (both, neither, one, other, *sides))):
            return None
        slopes = max(abs(sides[0] - sides[2]), abs(sides[1] - sides[3])) / (2 * step)
        rounding = 4 * noise + 2 * precision * slopes
        ahead, behind = both - sides[0] - (sides[1] - middle), neither - sides[2] - (sides[3] - middle)
        central = (both - one - (other - neither)) / (4 * step**2)
        return _Row(step, central, ahead / step**2, behind / step**2, rounding / step**2)

    return _settled(row, first, precision)


def _settled(differences: Differences, first: float, precision: float) -> Slope:
    """What the differences come to as the step goes to zero."""
    rows = _downwards(differences, first, precision)
    if len(rows) < 2:
        return Slope(math.nan, math.inf, "edge", math.nan, math.nan, math.nan, first, math.nan, math.nan)
    rows = _upwards(differences, rows)
    best = _best(rows)
    marked = _with_unevenness(rows)
    row = marked[best.row]
    curvature = row.gap / row.step
    kind = _kind(marked, best)
    if kind == "kink":
        told = [r for r in marked if r.resolved]
        row = ([r for r in told if r.gap > _SHARP * r.noise and r.step > _SHARP * precision] or told)[-1]
    finest = marked[best.row]
    bend, swing = abs(finest.central - best.value), max(r.step * max(abs(r.forward), abs(r.backward)) for r in rows)
    return Slope(best.value, best.bar, kind, row.backward, row.forward, curvature, finest.step, bend, swing)


def _downwards(differences: Differences, first: float, precision: float) -> list[_Row]:
    """Shrink the step until the target is met, or rounding drowns what a finer step could tell."""
    rows: list[_Row] = []
    for k in range(_STEPS_DOWN):
        step = _short(first / _RATIO**k)
        row = differences(step)
        if row is None:
            rows = []  # an isolated value that is not finite: start again below it
            continue
        rows.append(row)
        if len(rows) < 5 or rows[-1].uneven:
            continue
        best = _best(rows)
        if best.bar <= _TARGET * abs(best.value) or row.noise > 8 * best.bar or step < 16 * precision:
            break
    return rows


def _upwards(differences: Differences, rows: list[_Row]) -> list[_Row]:
    """Where rounding limits the answer even at the first step, larger ones may be better."""
    best, without_gain = _best(rows), 0
    if best.row >= _COLUMNS:
        return rows  # the first step was too large already
    if abs(rows[0].central) <= 2 * rows[0].noise and rows[0].gap <= 2 * rows[0].noise:
        return rows  # nothing is seen yet: what appears further out is some other place's slope
    for _ in range(_STEPS_UP):
        if best.bar <= _TARGET * abs(best.value) or best.noise <= best.truncation or without_gain > 2:
            break
        row = differences(_short(_RATIO * rows[0].step))
        if row is None or abs(row.central - best.value) > 0.3 * abs(best.value) + best.bar:
            break
        found = _best([row, *rows])
        rows = [row, *rows]
        best, without_gain = (found, 0) if found.bar < best.bar else (best, without_gain + 1)
    return rows


def _ratios(values: Sequence[float]) -> list[float]:
    return [abs(b / a) for a, b in pairwise(values)]


def _kind(rows: Sequence[_Row], best: _Estimate) -> str:
    """What stands in the way of a slope, judged at the finest steps that still tell something."""
    slopes = [row.central for row in rows if abs(row.central) > max(16 * row.noise, row.gap / 100)][-4:]
    gaps = [row.gap for row in rows if row.resolved][-4:]
    growth = max((min(_ratios(values)) for values in (slopes, gaps) if len(values) == 4), default=0.0)
    if growth > 1.7:
        return "jump"
    if growth > 1.15:
        return "steep"
    if all(row.forward == row.backward == 0 for row in rows[max(0, best.row - 3) :]):
        return "flat"
    last = max((k for k, row in enumerate(rows) if row.resolved), default=-1)
    if best.row <= last + 3 and len(gaps) == 4 and min(_ratios(gaps)) > 0.85:
        return "kink"
    return "smooth"


# --- how noisy the values are -----------------------------------------------------------------------------------------

_POINTS = 8
_SPACINGS = [1e-13 * 6.3**k for k in range(12)]


def noise_of(line: Line, precision: float) -> float:
    """The standard deviation of the rounding errors in `line`'s values near 0, at least that of its last digit.

    Differences of high order of values at neighbouring points remove what is smooth and leave the noise: ECnoise,
    Moré & Wild, "Estimating computational noise", 2011.

    >>> rough = noise_of(lambda t: (1e8 + math.sin(1 + t)) - 1e8, 2.0**-52)
    >>> 1e-9 < rough < 1e-7
    True
    >>> noise_of(lambda t: math.sin(1 + t), 2.0**-52) < 1e-15
    True
    """
    floor = precision * abs(line(0.0))
    for spacing in _SPACINGS:
        if spacing < precision:
            continue
        values = [line(spacing * (i - _POINTS // 2)) for i in range(_POINTS)]
        if not all(map(math.isfinite, values)):
            break
        if len(set(values)) <= _POINTS // 2:
            continue  # too close together: most values are the same
        found = _noise_in(values)
        if found is not None:
            return max(found, floor)
    return floor


def _noise_in(values: Sequence[float]) -> float | None:
    """The noise, if differences of several orders agree on it; None if the function's own shape shows through."""
    bends = np.abs(np.diff(values, 2))
    unit = float(bends.max())
    if unit == 0 or np.median(bends) < 0.1 * unit:
        return None  # a straight line, or one bend or jump: no noise
    differences = np.asarray(values) / unit  # squares of large or small values must not overflow
    levels, mixed = [], []
    for k in range(1, _POINTS - 1):
        differences = np.diff(differences)
        weight = math.factorial(k) ** 2 / math.factorial(2 * k)
        levels.append(math.sqrt(weight * float(np.mean(differences**2))))
        mixed.append(bool(differences.min() < 0 < differences.max()))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if max(three) <= 4 * min(three) and mixed[k]:
            return levels[k] * unit
    return None


# --- what a small step is ---------------------------------------------------------------------------------------------


def scales(a: Array) -> Array:
    """The power of two below each component; for zeros, that of a typical other one. Never so small as to underflow."""
    sizes = np.abs(a)
    others = sizes[sizes > 0]
    typical = min(1.0, float(np.median(others))) if others.size else 1.0
    least = float(np.finfo(a.dtype).tiny) / float(np.finfo(a.dtype).eps)
    return np.exp2(np.floor(np.log2(np.maximum(np.where(sizes > 0, sizes, typical), least)))).astype(a.dtype)
