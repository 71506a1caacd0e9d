"""Marks of a single thing: an arrow, a text, a line across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .mark import Anchor, Frame, Look, Mark, Row, Tone, settle
from .numbers import Array, number, shown
from .text import cut, escape, width_of


def arrow_head(x: float, y: float, angle: float, look: Look, size: float = 9.0) -> str:
    """A small triangle whose tip is (x, y), pointing along the angle (in the picture, where y grows downwards)."""
    sides = [(x - size * math.cos(angle + turn), y - size * math.sin(angle + turn)) for turn in (0.42, -0.42)]
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), *sides))
    return f'<polygon points="{corners}" {look.fill}/>'


def written(text: str, x: float, y: float, frame: Frame, look: Look) -> str:
    """Text beside a point, on the side where there is room."""
    room = max(x - frame.left, frame.right - x) - 8
    text = text if width_of(text) <= room else cut(text, room)
    left = x + 8 + width_of(text) > frame.right
    place = f'x="{x - 8 if left else x + 8:.1f}" y="{min(max(y, frame.top + 13), frame.bottom - 4):.1f}"'
    side = ' text-anchor="end"' if left else ""
    return f'<text class="halo label {look.tone}" {place}{side}>{escape(text)}</text>'


def _one(*values: float) -> Array:
    return np.array(values, dtype=float)


@dataclass(frozen=True)
class Arrow(Mark):
    """An arrow from (x0, y0) to (x1, y1), its label at the tip."""

    noun: ClassVar[str] = "arrow"
    x0: Any
    y0: Any
    x1: Any
    y1: Any
    label: str = ""
    tone: Tone = None

    def __post_init__(self) -> None:
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, number(getattr(self, name), name))
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_one(self.x0, self.x1)], [_one(self.y0, self.y1)]

    def paint(self, frame: Frame, look: Look) -> str:
        (a, c), (b, d) = frame.x.many([self.x0, self.x1]).tolist(), frame.y.many([self.y0, self.y1]).tolist()
        if not all(map(math.isfinite, (a, b, c, d))):
            return ""
        length, angle = math.hypot(c - a, d - b), math.atan2(d - b, c - a)
        head = min(10.0, length)
        u, v = c - 0.8 * head * math.cos(angle), d - 0.8 * head * math.sin(angle)  # the line ends inside of the head
        parts = [f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{u:.1f}" y2="{v:.1f}" stroke-width="2" {look.stroke}/>']
        if length < 0.5:  # no direction to show
            parts = [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" {look.fill}/>']
        else:
            parts.append(arrow_head(c, d, angle, look, head))
        if self.label:
            parts.append(written(self.label, c, d + (14 if d > b else -6), frame, look))
        return "".join(parts)

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("", "x", "y"), [("from", self.x0, self.y0), ("to", self.x1, self.y1)]

    def says(self) -> str:
        return f"from ({shown(self.x0)}, {shown(self.y0)}) to ({shown(self.x1)}, {shown(self.y1)})"

    def missing(self, log_x: bool, log_y: bool) -> int:
        ends = ((self.x0, log_x), (self.x1, log_x), (self.y0, log_y), (self.y1, log_y))
        return int(any(not math.isfinite(v) or (log and v <= 0) for v, log in ends))


@dataclass(frozen=True)
class Text(Mark):
    """Words at a point."""

    noun: ClassVar[str] = "text"
    x: Any
    y: Any
    text: str
    tone: Tone = "ink"

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", number(self.x, "x"))
        object.__setattr__(self, "y", number(self.y, "y"))
        object.__setattr__(self, "text", str(self.text))
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_one(self.x)], [_one(self.y)]

    def paint(self, frame: Frame, look: Look) -> str:
        x, y = frame.x(self.x), frame.y(self.y)
        return written(self.text, x, y + 4, frame, look) if math.isfinite(x) and math.isfinite(y) else ""

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("x", "y", "text"), [(self.x, self.y, self.text)]

    def says(self) -> str:
        return f"“{self.text}” at ({shown(self.x)}, {shown(self.y)})"

    def missing(self, log_x: bool, log_y: bool) -> int:
        return int(any(not math.isfinite(v) or (log and v <= 0) for v, log in ((self.x, log_x), (self.y, log_y))))


@dataclass(frozen=True)
class Vertical(Mark):
    """A line across at one x, its label above the axes."""

    noun: ClassVar[str] = "vertical line"
    x: Any
    label: str = ""
    tone: Tone = "soft"

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", number(self.x, "x"))
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [_one(self.x)], []

    def paint(self, frame: Frame, look: Look) -> str:
        x = frame.x(self.x)
        if not math.isfinite(x):
            return ""
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top:.1f}" y2="{frame.bottom:.1f}"'
        return f'<line {ends} stroke-width="1.5" stroke-dasharray="2 3" {look.stroke}/>'

    def anchor(self, frame: Frame) -> Anchor | None:
        x = frame.x(self.x)
        return Anchor("top", x, frame.top) if math.isfinite(x) else None

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("x",), [(self.x,)]

    def says(self) -> str:
        return f"at {shown(self.x)}"

    def missing(self, log_x: bool, log_y: bool) -> int:
        return int(not math.isfinite(self.x) or (log_x and self.x <= 0))


@dataclass(frozen=True)
class Horizontal(Mark):
    """A line across at one y, its label to the right of the axes."""

    noun: ClassVar[str] = "horizontal line"
    y: Any
    label: str = ""
    tone: Tone = "soft"

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", number(self.y, "y"))
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [], [_one(self.y)]

    def _line(self, a: float, b: float, y: float, look: Look) -> str:
        ends = f'x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        return f'<line {ends} stroke-width="1.5" stroke-dasharray="2 3" {look.stroke}/>'

    def paint(self, frame: Frame, look: Look) -> str:
        y = frame.y(self.y)
        return self._line(frame.left, frame.right, y, look) if math.isfinite(y) else ""

    def sample(self, x: float, y: float, look: Look) -> str:
        return self._line(x, x + 18, y, look)

    def anchor(self, frame: Frame) -> Anchor | None:
        y = frame.y(self.y)
        return Anchor("right", frame.right, y) if math.isfinite(y) else None

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("y",), [(self.y,)]

    def says(self) -> str:
        return f"at {shown(self.y)}"

    def missing(self, log_x: bool, log_y: bool) -> int:
        return int(not math.isfinite(self.y) or (log_y and self.y <= 0))
