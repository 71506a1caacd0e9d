"""Bars: a height for each of some names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError
from .mark import Anchor, Frame, Look, Mark, Row, Tone, settle
from .numbers import Array, numbers, same_length, shown
from .text import width_of

_SLOT = 0.76  # the part of a name's stretch that its bars take


@dataclass(frozen=True)
class Bars(Mark):
    """A bar for each name. The names stand at x = 0, 1, 2, …; several Bars of one picture share them.

    On a logarithmic axis a bar starts at the lower edge: there its length means nothing, its end all.
    """

    noun: ClassVar[str] = "set of bars"
    labels: Any
    heights: Any
    label: str = ""
    tone: Tone = None

    def __post_init__(self) -> None:
        if isinstance(self.labels, str) or not isinstance(self.labels, Iterable):
            raise ArgumentError(f"labels={self.labels!r}: bars take a list of names, one for each height")
        object.__setattr__(self, "labels", tuple(str(name) for name in self.labels))
        object.__setattr__(self, "heights", numbers(self.heights, "heights"))
        same_length(labels=list(self.labels), heights=self.heights)
        settle(self)

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        ends = [-0.5, len(self.labels) - 0.5] if self.labels else []
        return [np.array(ends)], [np.array([0.0, *self.heights])]

    def paint(self, frame: Frame, look: Look) -> str:
        nth, of = look.group
        step = abs(frame.x(1.0) - frame.x(0.0)) if not frame.x.log else 10.0
        width = step * _SLOT / of
        base = frame.y(0.0) if not frame.y.log else frame.bottom
        base = min(max(base if math.isfinite(base) else frame.bottom, frame.top), frame.bottom)
        parts = []
        # where there is room each bar says its number
        named = width >= max((width_of(shown(h, 3), 12) for h in self.heights), default=0.0)
        for i, height in enumerate(self.heights):
            y = frame.y(height)
            if not math.isfinite(y):
                continue
            left = frame.x(float(i)) - step * _SLOT / 2 + nth * width
            across = f'x="{left + 0.5:.1f}" width="{max(width - 1, 0.5):.1f}"'
            box = f'{across} y="{min(y, base):.1f}" height="{abs(base - y):.1f}"'
            # the first set is full, the second empty, further ones in between
            opacity = 1.0 if of == 1 or nth == 0 else (0.0 if nth == 1 else 0.45 / nth)
            parts.append(
                f'<rect {box} fill-opacity="{opacity:.2g}" {look.fill}/><rect {box} stroke-width="1.5" {look.stroke}/>'
            )
            if named:
                above = y <= base
                place = f'x="{left + width / 2:.1f}" y="{y - 5 if above else y + 14:.1f}"'
                parts.append(f'<text class="tick halo" text-anchor="middle" {place}>{shown(height, 3)}</text>')
        return "".join(parts)

    def anchor(self, frame: Frame) -> Anchor | None:
        places = [(i, frame.y(h)) for i, h in enumerate(self.heights)]
        good = [(i, y) for i, y in places if math.isfinite(y)]
        return Anchor("right", frame.x(float(good[-1][0])), good[-1][1]) if good else None

    def sample(self, x: float, y: float, look: Look) -> str:
        nth, of = look.group
        opacity = 1.0 if of == 1 or nth == 0 else (0.0 if nth == 1 else 0.45 / nth)
        box = f'x="{x + 4:.1f}" y="{y - 5:.1f}" width="10" height="10"'
        return f'<rect {box} fill-opacity="{opacity:.2g}" {look.fill}/><rect {box} stroke-width="1.5" {look.stroke}/>'

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        return ("name", "height"), list(zip(self.labels, self.heights, strict=True))

    def says(self) -> str:
        told = [f"{name} {shown(h)}" for name, h in zip(self.labels, self.heights, strict=True)]
        return ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")

    def missing(self, log_x: bool, log_y: bool) -> int:
        return sum(not math.isfinite(h) or (log_y and h <= 0) for h in self.heights)
