"""Contour lines of a function of two variables: where it has the same value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, ShapeError
from .mark import Frame, Look, Mark, Row, Tone, settle
from .numbers import Array, array_of, numbers, shown
from .scale import rounds
from .text import escape, width_of
from .thin import along


@dataclass(frozen=True)
class Contours(Mark):
    """Lines of equal value: `values[j, i]` belongs to `(xs[i], ys[j])`. Without `levels`, round ones are chosen.

    Where a value is not finite, the lines end. The lines are found by the library contourpy.
    """

    noun: ClassVar[str] = "set of contour lines"
    xs: Any
    ys: Any
    values: Any
    levels: Any = None
    tone: Tone = "soft"

    def __post_init__(self) -> None:
        object.__setattr__(self, "xs", numbers(self.xs, "xs"))
        object.__setattr__(self, "ys", numbers(self.ys, "ys"))
        values = array_of(self.values, "values", 2)
        if values.shape != (len(self.ys), len(self.xs)):
            raise ShapeError(
                f"values have the shape {list(values.shape)}; for {len(self.xs)} xs and {len(self.ys)} ys it is"
                f" [{len(self.ys)}, {len(self.xs)}]",
                hint="a row for each y, as np.meshgrid(xs, ys) lays them out",
            )
        for name in ("xs", "ys"):
            steps = np.diff(getattr(self, name))
            if not (np.all(np.isfinite(getattr(self, name))) and (np.all(steps > 0) or np.all(steps < 0))):
                raise ArgumentError(f"{name} of contours must be finite and in order")
        object.__setattr__(self, "values", tuple(map(tuple, values.tolist())))
        found = self._chosen(values) if self.levels is None else sorted(set(numbers(self.levels, "levels")))
        if not np.all(np.isfinite(found)):
            raise ArgumentError("levels of contours must be finite")
        object.__setattr__(self, "levels", tuple(found))
        settle(self)

    @staticmethod
    def _chosen(values: Array) -> list[float]:
        finite = values[np.isfinite(values)]
        if not finite.size or finite.min() == finite.max():
            return []
        low, high = float(finite.min()), float(finite.max())
        middle = float(np.median(finite))
        # a narrow valley beside steep walls: evenly spaced levels would leave the valley empty
        if low >= 0 and middle < 0.15 * high:
            smallest = float(np.quantile(finite[finite > 0], 0.01))
            first, last = math.floor(math.log10(max(smallest, high * 1e-6))), math.ceil(math.log10(high))
            steps = (1, 3) if last - first <= 5 else (1,)
            levels = [float(f"{m}e{k}") for k in range(first, last) for m in steps]
        else:
            levels = rounds(low, high, 9)
        return [v for v in levels if low < v < high]

    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        return [np.array(self.xs)], [np.array(self.ys)]

    def lines(self) -> list[tuple[float, list[Array]]]:
        """For each level its lines, each an array of points (n, 2)."""
        if min(len(self.xs), len(self.ys)) < 2 or not self.levels:
            return []
        try:
            from contourpy import contour_generator
        except ImportError:
            raise ArgumentError(
                "contour lines are found by the library contourpy, which is not installed",
                hint="pip install contourpy",
            ) from None
        values = np.ma.masked_invalid(np.array(self.values))
        generator = contour_generator(np.array(self.xs), np.array(self.ys), values)
        return [(level, [np.asarray(line) for line in generator.lines(level)]) for level in self.levels]

    def paint(self, frame: Frame, look: Look) -> str:
        parts, labels = [], []
        taken: list[tuple[float, float]] = []
        for level, lines in self.lines():
            places = [(frame.x.many(line[:, 0]), frame.y.many(line[:, 1])) for line in lines]
            for u, v in places:
                kept = along(u, v)
                path = "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(u[kept].tolist(), v[kept].tolist(), strict=True))
                parts.append(f'<path d="M{path}" stroke-width="1" {look.stroke}><title>{shown(level)}</title></path>')
            found = _label_place(places, taken, shown(level))
            if found:
                taken.append(found)
                x, y = found
                text = f'x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle"'
                labels.append(f'<text class="tick halo" {text}>{escape(shown(level))}</text>')
        return "".join(parts + labels)

    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        rows = [(x, y, self.values[j][i]) for j, y in enumerate(self.ys) for i, x in enumerate(self.xs)]
        return ("x", "y", "value"), rows

    def says(self) -> str:
        return f"at {', '.join(shown(v) for v in self.levels)}" if self.levels else "with no level in its range"

    def missing(self, log_x: bool, log_y: bool) -> int:
        return int((~np.isfinite(np.array(self.values))).sum())


def _label_place(
    lines: Sequence[tuple[Array, Array]], taken: Sequence[tuple[float, float]], text: str
) -> tuple[float, float] | None:
    """A point on the longest line that is far from labels that stand already; none on lines that are too short."""
    if not lines:
        return None
    lengths = [float(np.hypot(np.diff(x), np.diff(y)).sum()) for x, y in lines]
    longest = int(np.argmax(lengths))
    if lengths[longest] < 2.5 * width_of(text, 12):
        return None
    x, y = lines[longest]
    away = [min((abs(a - u) / 3 + abs(b - v) for u, v in taken), default=1e9) for a, b in zip(x, y, strict=True)]
    best = int(np.argmax(away)) if taken else len(x) // 3
    return (float(x[best]), float(y[best])) if away[best] > 14 else None
