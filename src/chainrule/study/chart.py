"""How the value falls during minimization: as an SVG picture, and as a line of blocks for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT = 680, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 130, 16, 48  # margins; labels of the curves stand on the right
_POINTS = 300


@dataclass(frozen=True)
class Curve:
    """A named sequence of values, and the iteration at which each was taken."""

    name: str
    iterations: Sequence[int]
    values: Sequence[float]

    def finite(self) -> list[tuple[int, float]]:
        """The points that can be drawn."""
        return [(n, v) for n, v in zip(self.iterations, self.values, strict=True) if math.isfinite(v)]


@dataclass(frozen=True)
class Axis:
    """Numbers to a stretch of the picture, evenly or by their logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, value = (_log(x) if self.log else x for x in (self.low, self.high, value))
        return self.start + (self.end - self.start) * ((value - low) / (high - low) if high > low else 0.5)

    def ticks(self) -> list[float]:
        """A handful of round numbers on the axis."""
        return _decades(self.low, self.high) if self.log else _rounds(self.low, self.high)


def _log(x: float) -> float:
    return math.log10(max(x, 1e-300))


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(_log(low) - 1e-9), math.floor(_log(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 6))
    found = [10.0**k for k in range(first, last + 1, every)]
    if len(found) > 2:
        return found
    return [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5) if low <= m * 10.0**k <= high]


def _rounds(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    >>> _rounds(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _spans_much(low: float, high: float) -> bool:
    return low > 0 and high > 5 * low


def _axes(curves: Sequence[Curve]) -> tuple[Axis, Axis]:
    values = [v for curve in curves for _, v in curve.finite()]
    low, high = min(values), max(values)
    log = _spans_much(low, high)
    if not log:  # a little room, so that a flat end does not lie on the frame
        room = 0.05 * (high - low) or 1.0
        low, high = low - room, high + room
    longest = max(curve.iterations[-1] for curve in curves)
    across = Axis(1, longest + 1, _LEFT, _WIDTH - _RIGHT, log=longest > 50)  # most happens in the first iterations
    return across, Axis(low, high, _HEIGHT - _BOTTOM, _TOP, log)


def svg(curves: Sequence[Curve], what: str) -> str:
    """The curves as an inline SVG with a title and a description; colours come from the page's --curve-1, --curve-2, …

    >>> svg([Curve("gradient descent", [0, 1, 2], [4.0, 2.0, 1.0])], "loss")[:4]
    '<svg'
    """
    drawable = [curve for curve in curves if curve.finite()]
    if not drawable:
        return ""
    across, up = _axes(drawable)
    lines = [_line(n, curve, across, up) for n, curve in enumerate(drawable, start=1)]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="curve-title curve-description">'
        f'<title id="curve-title">{escape(what)} during minimization</title>'
        f'<desc id="curve-description">{escape(describe(drawable))}</desc>'
        f"{_frame(across, up, what)}{''.join(lines)}{_labels(drawable, across, up)}</svg>"
    )


def describe(curves: Sequence[Curve]) -> str:
    """The picture in words."""
    told = []
    for curve in curves:
        points = curve.finite()
        told.append(f"{curve.name}: from {points[0][1]:.4g} to {points[-1][1]:.4g} in {points[-1][0]} iterations")
    return "; ".join(told) + "."


def _line(n: int, curve: Curve, across: Axis, up: Axis) -> str:
    points = curve.finite()
    if len(points) > _POINTS:  # evenly along the picture, not along the list
        wanted = {round((len(points) - 1) * (k / _POINTS) ** (3 if across.log else 1)) for k in range(_POINTS + 1)}
        points = [points[i] for i in sorted(wanted)]
    path = " ".join(f"{across(i + 1):.1f},{up(v):.1f}" for i, v in points)
    x, y = path.rsplit(" ", 1)[-1].split(",")
    return (
        f'<polyline class="curve c{n}" points="{path}"/>'
        f'<circle class="dot c{n}" cx="{x}" cy="{y}" r="4"><title>{escape(curve.name)}: {points[-1][1]:.6g} after '
        f"{points[-1][0]} iterations</title></circle>"
    )


def _labels(curves: Sequence[Curve], across: Axis, up: Axis) -> str:
    """A name at the end of each curve, moved apart where they would overlap."""
    ends = sorted((up(curve.finite()[-1][1]), n, curve) for n, curve in enumerate(curves, start=1))
    texts, floor = [], -math.inf
    for y, n, curve in ends:
        floor = max(y, floor + 17)
        x = across(curve.finite()[-1][0] + 1) + 9
        texts.append((x, floor, n, curve.name))
    drop = max(0.0, texts[-1][1] - (_HEIGHT - _BOTTOM + 4))
    return "".join(
        f'<text class="label c{n}" x="{min(x, _WIDTH - _RIGHT + 9):.1f}" y="{y - drop + 4:.1f}">{escape(name)}</text>'
        for x, y, n, name in texts
    )


def _iterations(across: Axis) -> list[int]:
    """The iterations to name on the axis, which counts from 1, so that logarithms exist."""
    last = round(across.high) - 1
    if across.log:
        wanted = [0, *(m * 10**k for k in range(7) for m in ((1, 2, 5) if last < 1000 else (1,)))]
    else:
        wanted = [int(n) for n in _rounds(0, last) if n == int(n)]
    return [n for n in wanted if n <= last]


def _frame(across: Axis, up: Axis, what: str) -> str:
    """Grid lines with their numbers, and what the axes mean."""
    parts = []
    for value in up.ticks():
        y = up(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for n in _iterations(across):
        x = across(n + 1)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{n}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    scale = " (logarithmic)" if across.log else ""
    parts.append(
        f'<text class="axis" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">iteration{scale}</text>'
        f'<text class="axis" transform="translate(14 {_HEIGHT / 2 - 16}) rotate(-90)" text-anchor="middle">'
        f"{escape(what)}{' (logarithmic)' if up.log else ''}</text>"
    )
    return "".join(parts)


def sparkline(curve: Curve, width: int = 40) -> str:
    """The curve as a line of blocks: values on a logarithmic scale if they span much, iterations likewise.

    >>> sparkline(Curve("", [0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0]), 4)
    '█▆▃▁'
    """
    points = curve.finite()
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    height = Axis(low, high, 0, len(_BLOCKS) - 1, _spans_much(low, high))
    width = min(width, len(points))
    last = points[-1][0]
    marks, i = [], 0
    for k in range(width):
        share = k / max(width - 1, 1)
        wanted = (last + 1) ** share - 1 if last > 20 else last * share
        while i + 1 < len(points) and points[i][0] < wanted - 1e-9:
            i += 1
        marks.append(_BLOCKS[round(height(points[i][1])) if high > low else 0])
    return "".join(marks)
