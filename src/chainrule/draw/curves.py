"""Marks of many numbers: lines, points and bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError
from .mark import Anchor, Frame, Look, Mark, Row, Tone, points_text, settle, shape_at
from .numbers import Array, numbers, same_length, shown
from .style import DASHES
from .thin import along, apart, runs


def _array(values: Sequence[float]) -> Array:
    return np.array(values, dtype=float)


def _unshown(xs: Sequence[float], ys: Sequence[float], log_x: bool, log_y: bool) -> int:
    x, y = _array(xs), _array(ys)
    good = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not log_x)) & ((y > 0) | (not log_y))
    return int((~good).sum())


def _from_to(xs: Sequence[float], ys: Sequence[float]) -> str:
    finite = [(x, y) for x, y in zip(xs, ys, strict=True) if np.isfinite(x) and np.isfinite(y)]
    if not finite:
        return "nothing to show"
    points = [f"({shown(x)}, {shown(y)})" for x, y in (finite[0], finite[-1])]
    if len(finite) == 1:
        return f"the point {points[0]}"
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    return f"{len(finite)} points from {points[0]} to {points[1]}, between {shown(low)} and {shown(high)}"


@dataclass(frozen=True)
class Line(Mark):
    """Points joined by a line; it has a gap where a number is missing (NaN), infinite, or has no logarithm.

    `tone` is a number from 1 to 6, or "ink", "soft", "good", "bad"; by default the next free one.
    """

    noun: ClassVar[str] = "line"
    xs: Any
    ys: Any
    label: str = ""
    tone: Tone = None
    style: str = "solid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "xs", numbers(self.xs, "xs"))
        object.__setattr__(self, "ys", numbers(self.ys, "ys"))
        same_length(xs=self.xs, ys=self.ys)
        settle(self)
        if self.style not in DASHES:
            raise ArgumentError(f"style={self.style!r}: a line is {', '.join(DASHES)}")

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_array(self.xs)], [_array(self.ys)]

    @property
    def _dash(self) -> str:
        dash = DASHES[self.style]
        return f' stroke-dasharray="{dash}"' if dash else ""

    def _marked(self, look: Look) -> bool:
        """Whether shapes stand along the line: among several solid ones colour would be all that tells."""
        return look.crowded and bool(self.label) and self.style == "solid"

    def _places(self, frame: Frame) -> tuple[Array, Array]:
        return frame.x.many(self.xs), frame.y.many(self.ys)

    def paint(self, frame: Frame, look: Look) -> str:
        x, y = self._places(frame)
        parts = []
        for run in runs(x, y):
            kept = along(x[run], y[run])
            u, v = x[run][kept], y[run][kept]
            if len(u) == 1:
                parts.append(shape_at(u[0], v[0], look, 3))
                continue
            parts.append(
                f'<polyline points="{points_text(u, v)}" stroke-width="2" stroke-linejoin="round"{self._dash}'
                f" {look.stroke}/>"
            )
            if self._marked(look):
                parts += [shape_at(a, b, look, 3.5) for a, b in _along_the_way(u, v, look)]
        return "".join(parts)

    def anchor(self, frame: Frame) -> Anchor | None:
        x, y = self._places(frame)
        good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if not len(good):
            return None
        last = good[-1] if x[good[-1]] >= x[good[0]] else good[0]  # the end on the right
        return Anchor("right", float(x[last]), float(y[last]))

    def sample(self, x: float, y: float, look: Look) -> str:
        line = f'<line x1="{x:.1f}" x2="{x + 18:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="2"{self._dash}'
        dot = shape_at(x + 9, y, look, 3.5) if self._marked(look) else ""
        return f"{line} {look.stroke}/>{dot}"

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("x", "y"), list(zip(self.xs, self.ys, strict=True))

    def says(self) -> str:
        return _from_to(self.xs, self.ys)

    def missing(self, log_x: bool, log_y: bool) -> int:
        return _unshown(self.xs, self.ys, log_x, log_y)


def _along_the_way(x: Array, y: Array, look: Look) -> list[tuple[float, float]]:
    """Four places on a line, evenly by its length; other shapes stand elsewhere on theirs."""
    from .style import SHAPES

    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if length[-1] < 60:
        return []
    shift = SHAPES.index(look.shape) / len(SHAPES)
    wanted = length[-1] * (np.arange(4) + 0.15 + 0.7 * shift) / 4
    return list(zip(np.interp(wanted, length, x).tolist(), np.interp(wanted, length, y).tolist(), strict=True))


@dataclass(frozen=True)
class Points(Mark):
    """Separate points; what is not finite is left out. Of thousands, one is drawn for each spot of the picture."""

    noun: ClassVar[str] = "set of points"
    xs: Any
    ys: Any
    label: str = ""
    tone: Tone = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "xs", numbers(self.xs, "xs"))
        object.__setattr__(self, "ys", numbers(self.ys, "ys"))
        same_length(xs=self.xs, ys=self.ys)
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_array(self.xs)], [_array(self.ys)]

    def _places(self, frame: Frame) -> tuple[Array, Array]:
        x, y = frame.x.many(self.xs), frame.y.many(self.ys)
        good = np.isfinite(x) & np.isfinite(y)
        return x[good], y[good]

    def paint(self, frame: Frame, look: Look) -> str:
        x, y = self._places(frame)
        kept = apart(x, y)
        size = 4.0 if len(kept) < 200 else 2.5
        return "".join(shape_at(a, b, look, size) for a, b in zip(x[kept].tolist(), y[kept].tolist(), strict=True))

    def anchor(self, frame: Frame) -> Anchor | None:
        x, y = self._places(frame)
        if not len(x):
            return None
        last = int(x.argmax())
        return Anchor("right", float(x[last]), float(y[last]))

    def sample(self, x: float, y: float, look: Look) -> str:
        return shape_at(x + 9, y, look)

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("x", "y"), list(zip(self.xs, self.ys, strict=True))

    def says(self) -> str:
        return _from_to(self.xs, self.ys)

    def missing(self, log_x: bool, log_y: bool) -> int:
        return _unshown(self.xs, self.ys, log_x, log_y)


@dataclass(frozen=True)
class Band(Mark):
    """The stretch between two curves, shaded."""

    noun: ClassVar[str] = "band"
    xs: Any
    low: Any
    high: Any
    label: str = ""
    tone: Tone = None

    def __post_init__(self) -> None:
        for name in ("xs", "low", "high"):
            object.__setattr__(self, name, numbers(getattr(self, name), name))
        same_length(xs=self.xs, low=self.low, high=self.high)
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_array(self.xs)], [_array(self.low), _array(self.high)]

    def paint(self, frame: Frame, look: Look) -> str:
        x, low, high = frame.x.many(self.xs), frame.y.many(self.low), frame.y.many(self.high)
        parts = []
        for run in runs(x, low, high):
            below, above = along(x[run], low[run]), along(x[run], high[run])
            around = (
                points_text(x[run][above], high[run][above]),
                points_text(x[run][below][::-1], low[run][below][::-1]),
            )
            parts.append(f'<polygon points="{" ".join(around)}" fill-opacity="0.16" {look.fill}/>')
            parts += [
                f'<polyline points="{points_text(x[run][k], edge[run][k])}" stroke-width="1" stroke-opacity="0.6"'
                f" {look.stroke}/>"
                for k, edge in ((below, low), (above, high))
            ]
        return "".join(parts)

    def anchor(self, frame: Frame) -> Anchor | None:
        x, low, high = frame.x.many(self.xs), frame.y.many(self.low), frame.y.many(self.high)
        good = np.flatnonzero(np.isfinite(x) & np.isfinite(low) & np.isfinite(high))
        if not len(good):
            return None
        return Anchor("right", float(x[good[-1]]), float(low[good[-1]] / 2 + high[good[-1]] / 2))

    def sample(self, x: float, y: float, look: Look) -> str:
        size = f'x="{x:.1f}" y="{y - 5:.1f}" width="18" height="10"'
        return f'<rect {size} fill-opacity="0.16" {look.fill}/><rect {size} stroke-opacity="0.6" {look.stroke}/>'

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("x", "from", "to"), list(zip(self.xs, self.low, self.high, strict=True))

    def says(self) -> str:
        both = (*self.low, *self.high)
        finite = [v for v in both if np.isfinite(v)]
        return f"{len(self.xs)} points, between {shown(min(finite))} and {shown(max(finite))}" if finite else "empty"

    def missing(self, log_x: bool, log_y: bool) -> int:
        return max(_unshown(self.xs, side, log_x, log_y) for side in (self.low, self.high))
