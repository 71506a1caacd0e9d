"""Critical points of a function of one number on an interval: located, classified, and proved or left open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..draw import Band, Figure, Line, Points
from .monotone import (
    FALLS,
    LEVEL,
    OPEN,
    RISES,
    Piece,
    Readings,
    joined,
    kinked,
    neighbours,
    pieces,
    simple,
    through_level_points,
)

MINIMUM, MAXIMUM, INFLECTION = "minimum", "maximum", "stationary inflection"
_SHORT = 1e-9  # of the interval: an open stretch that counts as a point
_SHOWN = 12
_FEW = 64  # open pieces, beyond which the function is called too wild


@dataclass(frozen=True)
class Point:
    """A place where the function turns or stands still, somewhere in [low, high].

    `kind` is "minimum", "maximum", "kink minimum", "kink maximum" (the slope jumps over zero), "stationary inflection"
    (the slope is zero, and has the same sign on both sides), "flat minimum", "flat maximum" or "flat piece" (the
    function is constant from `low` to `high`), "end minimum" or "end maximum" (of the interval).
    """

    x: float
    value: float
    kind: str
    low: float
    high: float

    def __str__(self) -> str:
        if self.kind.startswith("flat"):
            return f"{self.kind} from x = {self.low:.6g} to {self.high:.6g}, f = {_number(self.value)}"
        return f"{self.kind} at x = {_number(self.x)}, f = {_number(self.value)}"


@dataclass(frozen=True)
class CriticalPoints:
    """Where a function on [low, high] rises (`increasing`), falls, is `flat`, and turns (`points`), left to right.

    Each statement is proved by bounds; what could not be proved is in `unknown`: stretches on which nothing is claimed.
    `minimum` and `maximum` are the least and the largest value on the whole interval, None where that is not proved.
    Stretches end at the points, which are known to within their `low` and `high`, a few units of rounding apart.
    """

    name: str
    low: float
    high: float
    points: tuple[Point, ...]
    increasing: tuple[tuple[float, float], ...]
    decreasing: tuple[tuple[float, float], ...]
    flat: tuple[tuple[float, float], ...]
    unknown: tuple[tuple[float, float], ...]
    minimum: Point | None
    maximum: Point | None
    note: str
    curve: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def complete(self) -> bool:
        """Whether nothing is left open."""
        return not self.unknown

    @property
    def figure(self) -> Figure:
        """The curve with its critical points; stretches on which nothing is known, shaded."""
        marks: list[Any] = [Line(*self.curve, self.name)]
        for kind in dict.fromkeys(p.kind for p in self.points):
            there = [p for p in self.points if p.kind == kind]
            marks.append(Points([p.x for p in there], [p.value for p in there], kind))
        values = [y for y in self.curve[1] if math.isfinite(y)]
        for low, high in [u for u in self.unknown if u[1] - u[0] > 1e-3 * (self.high - self.low)][:_SHOWN]:
            marks.append(Band([low, high], [min(values)] * 2, [max(values)] * 2, "unknown"))
        title = f"{self.name} on [{self.low:.6g}, {self.high:.6g}]"
        return Figure(title, marks, y=f"{self.name}(x)", description=str(self))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "name": self.name, "low": self.low, "high": self.high, "points": [vars(p) for p in self.points],
            "increasing": self.increasing, "decreasing": self.decreasing, "flat": self.flat, "unknown": self.unknown,
            "minimum": self.minimum and vars(self.minimum), "maximum": self.maximum and vars(self.maximum),
            "note": self.note,
        }  # fmt: skip

    def __str__(self) -> str:
        said = [f"{self.name} on [{self.low:.6g}, {self.high:.6g}]"]
        for word, where in (
            ("increases", self.increasing), ("decreases", self.decreasing), ("is constant", self.flat),
        ):  # fmt: skip
            if where:
                said.append(f"{word} on {_intervals(where)}")
        said += [str(p) for p in self.points[:_SHOWN]]
        if len(self.points) > _SHOWN:
            said.append(f"and {len(self.points) - _SHOWN} more")
        if self.unknown:
            said.append(f"unknown on {_intervals(self.unknown)}" + (f": {self.note}" if self.note else ""))
        for word, point in (("least", self.minimum), ("largest", self.maximum)):
            told = f"{_number(point.value)} at x = {_number(point.x)}" if point else "not proved"
            said.append(f"{word} value: {told}")
        return "\n  ".join(said)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>{self.figure._repr_html_()}"


def _number(x: float) -> str:
    return f"{x + 0.0:.6g}"


def _intervals(found: tuple[tuple[float, float], ...]) -> str:
    told = ", ".join(f"[{_number(a)}, {_number(b)}]" for a, b in found[:_SHOWN])
    return told + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def critical_points(f: Readings, low: float, high: float, *, name: str = "f") -> CriticalPoints:
    """Everything that bounds can prove about the rise and fall of `f` on [low, high]."""
    reach = high - low
    found, finished = pieces(f, low, high)
    found, levels = through_level_points(f, _without_edges(found, reach))
    points = [_point(f, x, INFLECTION, x, x) for x in levels]
    points += _ends(f, found, low, high)
    unknown: list[tuple[float, float]] = []
    settled: list[Piece] = []
    for before, piece, after in neighbours(found):
        turning = {(-1, 1): MINIMUM, (1, -1): MAXIMUM}.get((_direction(before), _direction(after)))
        if piece.kind == LEVEL:
            kind = f"flat {turning or 'piece'}"
            ends = _rounded(piece.low, reach), _rounded(piece.high, reach)
            points.append(_point(f, simple(piece.low, piece.high), kind, *ends))
        if piece.kind != OPEN:
            settled.append(piece)
        elif turning and piece.continuous and piece.high - piece.low <= _SHORT * reach:
            kind = f"kink {turning}" if kinked(f, piece, reach) else turning
            points.append(_point(f, _best(f, piece, turning), kind, piece.low, piece.high))
        else:
            unknown.append((piece.low, piece.high))
    points.sort(key=lambda p: p.x)
    note = ""
    if not finished or len(unknown) > _FEW:
        note = "too many turns, jumps, or bounds that are too wide"
        unknown = _merged(unknown, 0.02 * reach) if len(unknown) > _FEW else unknown
    xs = np.linspace(low, high, 401)
    curve = tuple(float(x) for x in xs), tuple(_value(f, float(x)) for x in xs)
    least, largest = (_extreme(f, points, unknown, sign) for sign in (1, -1))
    spans = {kind: _spans(settled, points, unknown, kind, reach) for kind in (RISES, FALLS, LEVEL)}
    return CriticalPoints(
        name, low, high, tuple(points), spans[RISES], spans[FALLS], spans[LEVEL], tuple(unknown), least, largest,
        note, curve,
    )  # fmt: skip


def _spans(
    settled: list[Piece], points: list[Point], unknown: list[tuple[float, float]], kind: str, reach: float
) -> tuple[tuple[float, float], ...]:
    """The pieces of one kind, drawn to the points at their ends."""
    open_ends = {x for ends in unknown for x in ends}

    def drawn(x: float) -> float:
        near = [p.x for p in points if abs(p.x - x) <= _SHORT * reach]
        return near[0] if near else x if x in open_ends else _rounded(x, reach)

    return tuple((drawn(p.low), drawn(p.high)) for p in settled if p.kind == kind)


def _rounded(x: float, reach: float) -> float:
    return simple(x - _SHORT * reach / 100, x + _SHORT * reach / 100)


def _direction(piece: Piece | None) -> int:
    return 0 if piece is None else {RISES: 1, FALLS: -1}.get(piece.kind, 0)


def _without_edges(found: list[Piece], reach: float) -> list[Piece]:
    """Level stretches end within a few units of rounding: what lies between them and a rise is not told apart."""
    edges = [
        piece
        for before, piece, after in neighbours(found)
        if piece.kind == OPEN and piece.weakly and piece.high - piece.low <= _SHORT * reach
        and before and after and LEVEL in (before.kind, after.kind)
    ]  # fmt: skip
    return joined([piece for piece in found if piece not in edges])


def _point(f: Readings, x: float, kind: str, low: float, high: float) -> Point:
    return Point(x, _value(f, x), kind, low, high)


def _value(f: Readings, x: float) -> float:
    if not f.values(x, x).defined:
        return math.nan
    return f.function(x)


def _best(f: Readings, piece: Piece, turning: str) -> float:
    """A round number in the stretch, if its value is no worse than that of the middle."""
    sign = 1 if turning == MINIMUM else -1
    return min(simple(piece.low, piece.high), (piece.low + piece.high) / 2, key=lambda x: sign * _value(f, x))


def _ends(f: Readings, found: list[Piece], low: float, high: float) -> list[Point]:
    """The ends of the interval, where the piece beside them says which kind they are."""
    out = []
    for x, direction in ((low, _onward(f, found, low)), (high, _onward(f, found[::-1], high))):
        if direction:
            out.append(_point(f, x, "end minimum" if direction > 0 else "end maximum", x, x))
    return out


def _onward(f: Readings, found: list[Piece], end: float) -> int:
    """Whether values are larger (1) or smaller (−1) as one leaves an end; 0 if it is not known."""
    first, *others = found
    inward = 1 if first.low == end else -1
    if first.kind != OPEN:
        return inward * _direction(first)
    if not others or not first.continuous:
        return 0
    here, beside = f.values(end, end), f.values(first.low, first.high)
    further = inward * _direction(others[0])
    if here.defined and ((further > 0 and here.high <= beside.low) or (further < 0 and here.low >= beside.high)):
        return further  # no slope here (√x at 0), but the values say it
    return 0


def _merged(found: list[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for low, high in found:
        if out and low - out[-1][1] <= gap:
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out


def _extreme(f: Readings, points: list[Point], unknown: list[tuple[float, float]], sign: int) -> Point | None:
    """The least (sign 1) or largest value, if no stretch on which nothing is known could hold a better one."""
    word = MINIMUM if sign > 0 else MAXIMUM
    candidates = [p for p in points if p.kind.endswith(word) or p.kind == "flat piece"]
    if not candidates:
        return None
    best = min(candidates, key=lambda p: sign * p.value)
    for low, high in unknown:
        there = f.values(low, high)
        if not there.defined or sign * (there.low if sign > 0 else there.high) < sign * best.value:
            return None
    return best
