"""Where a function of one number rises and falls, proved by bounding its derivative on pieces of an interval.

A piece on which the function is continuous and every slope is positive is one on which it rises. Where the slopes have
both signs a piece is halved, down to a few units of rounding: what is left around a root or a kink is a short stretch,
and the pieces on its sides say what it is. Where the second derivative keeps its sign, one root of the first is
enclosed without halving. Whatever can't be proved stays open.

Moore, "Interval analysis", 1966; Hansen & Walster, "Global optimization using interval analysis", 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from ..ir import Array, Equation, Program, Var
from ..later import scipy
from .bounds import Bounds, bounds

RISES, FALLS, LEVEL, OPEN = "increasing", "decreasing", "flat", "unknown"

_PIECES = 1200  # looked at, before what is left stays open
_SHORTEST = 2.0**-44  # of the interval: stretches that are not halved any more
_WIDE = 1e-4  # of the interval: for one-sided slopes at a kink
_SPLIT = 0.4871  # not the middle, where people put their roots


@dataclass(frozen=True)
class Piece:
    """A stretch and what the function does on it. `weakly`: it never falls (1), never rises (−1); 0: not known."""

    low: float
    high: float
    kind: str
    weakly: int = 0
    continuous: bool = True


@dataclass(frozen=True)
class Reading:
    """Least and largest value on a piece; whether there are values everywhere on it, and whether nothing jumps."""

    low: float
    high: float
    defined: bool
    continuous: bool


@dataclass(frozen=True)
class Readings:
    """The Programs of a function of one number and of its first two derivatives, to be read with intervals.

    A derivative that is None is zero everywhere. `given` are the values of their further inputs; `function` is the
    function itself, to be called.
    """

    value: Program
    slope: Program | None
    bend: Program | None
    given: Sequence[Array]
    function: Callable[[float], float]
    known: dict[tuple[str, float, float], Reading] = field(default_factory=dict)

    def values(self, low: float, high: float) -> Reading:
        return self._read("value", low, high)

    def slopes(self, low: float, high: float) -> Reading:
        return self._read("slope", low, high)

    def bends(self, low: float, high: float) -> Reading:
        return self._read("bend", low, high)

    def _read(self, what: str, low: float, high: float) -> Reading:
        key = what, low, high
        if key not in self.known:
            self.known[key] = self._bounded(getattr(self, what), low, high)
        return self.known[key]

    def _bounded(self, program: Program | None, low: float, high: float) -> Reading:
        if program is None:
            return Reading(0.0, 0.0, True, True)
        found = bounds(program, [(low, high), *((g, g) for g in self.given)])
        (output,) = found.outputs
        defined = not output.undefined
        finite = bool(np.isfinite(output.low) and np.isfinite(output.high))
        return Reading(float(output.low), float(output.high), defined, defined and finite and _unbroken(program, found))


def _unbroken(program: Program, read: Bounds) -> bool:
    """Whether nothing jumps: every truth, every whole number and every step stays the same on the piece."""
    for e in program.equations:
        for v in e.outputs:
            if read.of[v].undefined or not (v.type.differentiable or read.of[v].is_point):
                return False
        if e.op.switch is not None and _jumps(e, read) and not all(read.of[v].is_point for v in e.outputs):
            return False
    return True


def _jumps(e: Equation, read: Bounds) -> bool:
    """Whether the op has a place where it jumps: its entry then tells the values on both sides."""
    assert e.op.switch is not None
    samples = [read.of[a].low if isinstance(a, Var) else np.asarray(a.value) for a in e.inputs]
    with np.errstate(all="ignore"):
        found = e.op.switch(*samples, **e.params)
    return found is not None and len(found) > 1


# --- pieces -----------------------------------------------------------------------------------------------------------


def pieces(f: Readings, low: float, high: float) -> tuple[list[Piece], bool]:
    """The interval cut into pieces, from left to right; and whether everything was looked at. The widest come first."""
    shortest = max(_SHORTEST * (high - low), 4 * float(np.spacing(max(abs(low), abs(high)))))
    waiting: list[tuple[float, float, float]] = [(low - high, low, high)]
    done: list[Piece] = []
    looked = 0
    while waiting and looked < _PIECES:
        _, left, right = heappop(waiting)
        looked += 1
        piece = _judge(f, left, right, last=right - left <= shortest)
        if piece.kind != OPEN or right - left <= shortest or _nowhere(f, left, right):
            done.append(piece)
        elif (root := _single_root(f, left, right, shortest)) is not None:
            done += root
        else:
            middle = left + _SPLIT * (right - left)
            heappush(waiting, (left - middle, left, middle))
            heappush(waiting, (middle - right, middle, right))
    done += [Piece(left, right, OPEN, 0, False) for _, left, right in waiting]
    return joined(sorted(done, key=lambda p: p.low)), not waiting


def _judge(f: Readings, low: float, high: float, *, last: bool) -> Piece:
    slopes = f.slopes(low, high)
    if slopes.defined and slopes.low < 0 < slopes.high and not last:
        return Piece(low, high, OPEN, 0, False)  # to be halved, whatever the values
    if not f.values(low, high).continuous:
        return Piece(low, high, OPEN, 0, False)
    if not slopes.defined:  # at a kink slopes are bounded; where there are none, the values may do anything
        return Piece(low, high, OPEN)
    if slopes.low > 0:
        return Piece(low, high, RISES, 1)
    if slopes.high < 0:
        return Piece(low, high, FALLS, -1)
    if slopes.low == slopes.high == 0:
        return Piece(low, high, LEVEL)
    return Piece(low, high, OPEN, (slopes.low >= 0) - (slopes.high <= 0))


def _nowhere(f: Readings, low: float, high: float) -> bool:
    """Whether the function seems to have no values here at all: halving would not help."""
    if f.slopes(low, high).defined or f.values(low, high).defined:
        return False
    places = low + (high - low) * np.array([0.0, 0.217, 0.5, 0.831, 1.0])
    return not any(f.values(float(x), float(x)).defined for x in places)


def _single_root(f: Readings, low: float, high: float, shortest: float) -> list[Piece] | None:
    """Where the slope itself rises or falls throughout, the pieces around its one root, or the one piece without."""
    if not f.slopes(low, high).continuous:
        return None
    bends = f.bends(low, high)
    if not bends.continuous or bends.low <= 0 <= bends.high or not f.values(low, high).continuous:
        return None
    first, last = _sign(f, low), _sign(f, high)
    if first is None or last is None:
        return None
    rising = bends.low > 0
    if first == last and first != 0:
        return [Piece(low, high, RISES if first > 0 else FALLS, first)]
    if first == 0 or last == 0:
        kind = RISES if (first == 0) == rising else FALLS
        return [Piece(low, high, kind, 1 if kind == RISES else -1)]
    a, b = _enclosed_root(f, low, high, first, shortest)
    kinds = (FALLS, RISES) if rising else (RISES, FALLS)
    found = [Piece(low, a, kinds[0], first), Piece(a, b, OPEN), Piece(b, high, kinds[1], last)]
    return [p for p in found if p.high > p.low or p.kind == OPEN]


def _enclosed_root(f: Readings, low: float, high: float, first: int, shortest: float) -> tuple[float, float]:
    """Two places as close as bounds allow, between which the slope changes its sign."""

    def slope(x: float) -> float:
        reading = f.slopes(x, x)
        return (reading.low + reading.high) / 2

    root = float(scipy.optimize.brentq(slope, low, high, xtol=shortest / 4, rtol=2.0**-50))
    if _sign(f, root) == 0:
        return root, root
    a, b, reach = low, high, shortest / 2
    while reach < high - low:
        if (left := max(low, root - reach)) > a and _sign(f, left) == first:
            a = left
        if (right := min(high, root + reach)) < b and _sign(f, right) == -first:
            b = right
        if a > low and b < high:
            break
        reach *= 4
    return a, b


def _sign(f: Readings, x: float) -> int | None:
    """The sign of the slope at one point; None if rounding hides it."""
    slope = f.slopes(x, x)
    if not slope.continuous:
        return None
    if slope.low > 0 or slope.high < 0:
        return 1 if slope.low > 0 else -1
    return 0 if slope.low == slope.high == 0 else None


def joined(found: Sequence[Piece]) -> list[Piece]:
    """Neighbours that do the same, as one."""
    out: list[Piece] = []
    for piece in found:
        if out and out[-1].kind == piece.kind and out[-1].high == piece.low:
            last = out.pop()
            weakly = last.weakly if last.weakly == piece.weakly else 0
            piece = Piece(last.low, piece.high, piece.kind, weakly, last.continuous and piece.continuous)
        out.append(piece)
    return out


def through_level_points(f: Readings, found: Sequence[Piece]) -> tuple[list[Piece], list[float]]:
    """Where the function rises on both sides of a short open stretch and does not fall on it: one rising piece.

    With the places where the slope is exactly zero: stationary inflections.
    """
    out, places = list(found), []
    for before, piece, after in zip(found, found[1:], found[2:], strict=False):
        same = before.kind == after.kind and before.kind in (RISES, FALLS)
        if piece.kind == OPEN and same and piece.weakly == (1 if before.kind == RISES else -1):
            place = _exact_zero(f, piece)
            if place is None:
                continue
            places.append(place)
            out[out.index(piece)] = replace(piece, kind=before.kind)
    return joined(out), places


def _exact_zero(f: Readings, piece: Piece) -> float | None:
    """A float in the stretch where the slope is zero, rounding or not."""
    for x in (simple(piece.low, piece.high), (piece.low + piece.high) / 2, piece.low, piece.high):
        if _sign(f, x) == 0:
            return x
    a, b = piece.low, piece.high
    while np.nextafter(a, b) < b:  # the bend changes its sign where the slope touches zero
        x = a + (b - a) / 2
        if _sign(f, x) == 0:
            return x
        bend = f.bends(x, x)
        if bend.low > 0 or bend.high < 0:
            a, b = (a, x) if (bend.low > 0) == (piece.weakly > 0) else (x, b)
        else:
            return None
    return None


def kinked(f: Readings, piece: Piece, reach: float) -> bool:
    """Whether the slope jumps on a short stretch: it does not go towards zero, coming nearer from either side."""
    if f.slopes(piece.low, piece.high).continuous:
        return False
    for end, away in ((piece.low, -1), (piece.high, 1)):
        slopes = [f.slopes(x, x) for x in end + away * reach * _WIDE * np.array([1.0, 0.1, 0.01, 0.001])]
        sizes = [(s.low + s.high) / 2 for s in slopes]
        if min(sizes) * max(sizes) <= 0 or min(map(abs, sizes)) < 0.5 * abs(sizes[0]):
            return False
    return True


def simple(low: float, high: float) -> float:
    """The number with the fewest digits in [low, high]."""
    if low <= 0 <= high:
        return 0.0
    middle = low + (high - low) / 2
    rounds = (float(f"{middle:.{n}g}") for n in range(1, 17))
    return next((x for x in rounds if low <= x <= high), middle)


def neighbours(found: Sequence[Piece]) -> list[tuple[Piece | None, Piece, Piece | None]]:
    """Each piece between those beside it."""
    padded = [None, *found, None]
    return [(a, b, c) for (a, b), (_, c) in pairwise(list(pairwise(padded))) if b is not None]
