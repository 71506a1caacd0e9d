"""The room that everything takes: axes, round numbers along them, labels beside and above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .mark import Anchor, Frame, Look, Mark
from .scale import Scale, span
from .text import cut, escape, moved_apart, width_of, wrapped

if TYPE_CHECKING:
    from .figure import Figure

_LINE = 16.0  # pixels from one line of text to the next
_EDGE = 10.0


@dataclass(frozen=True)
class Axes:
    """The frame for the marks; what is drawn behind them, and what before them."""

    frame: Frame
    behind: str
    before: str


@dataclass(frozen=True)
class _Ticks:
    places: list[tuple[float, str]]
    slanted: bool = False

    @property
    def widest(self) -> float:
        return max((width_of(name, 12) for _, name in self.places), default=0.0)


def axes(figure: Figure, looks: Sequence[Look]) -> Axes:
    """Lay out a figure's axes, titles and labels."""
    x_range, y_range = _ranges(figure)
    title = wrapped(figure.title, figure.width - 2 * _EDGE, 14)
    labels = {i: _lines(mark, figure) for i, mark in enumerate(figure.marks) if mark.label}
    # where a label goes is known only once there is a frame: a first one tells, a second one is right
    frame = Frame(
        Scale(*x_range, 60, figure.width - _EDGE, figure.log_x),
        Scale(*y_range, figure.height - 50, 40, figure.log_y),
        60, figure.width - _EDGE, 40, figure.height - 50,
    )  # fmt: skip
    anchors = {i: anchor for i in labels if (anchor := figure.marks[i].anchor(frame))}
    beside = [i for i, anchor in anchors.items() if anchor.side == "right"]
    above = [i for i, anchor in anchors.items() if anchor.side == "top"]
    up = _Ticks(frame.y.named_ticks(max(3, figure.height // 60)))
    left = _EDGE + (20 if figure.y else 0) + up.widest + 8
    room = max((34 + max(width_of(line) for line in labels[i]) for i in beside), default=0.0)
    right = figure.width - _EDGE - max(room, 8.0)
    frame = replace(
        frame, left=left, right=max(right, left + 60), x=replace(frame.x, start=left, end=max(right, left + 60))
    )
    across = _across(figure, frame)
    if across.slanted:  # the first name reaches to the left of its bar
        left = max(left, _EDGE + 0.82 * across.widest - 0.5 * (frame.x(1.0) - frame.x(0.0)))
        frame = replace(frame, left=left, x=replace(frame.x, start=left))
    bottom = figure.height - 8 - (20 if figure.x else 0) - _depth(across) - (14 if figure.remark() else 0)
    floors = _floors(figure, above, labels, frame)
    top = 8 + 18 * len(title) + 6 + _LINE * (max(floors.values(), default=-1) + 1)
    top = min(top, bottom - 40)
    frame = replace(frame, top=top, bottom=bottom, y=replace(frame.y, start=bottom, end=top))
    if figure.equal:
        frame = _equal(frame)
        up, across = _Ticks(frame.y.named_ticks(max(3, figure.height // 60))), _across(figure, frame)
    behind = _grid(figure, frame, across, up) + _names(figure, frame, title)
    before = _beside(figure, frame, looks, labels, beside) + _above(figure, frame, looks, labels, floors)
    return Axes(frame, behind, before)


def _ranges(figure: Figure) -> tuple[tuple[float, float], tuple[float, float]]:
    seen = [mark.seen() for mark in figure.marks]
    nothing = (1.0, 10.0), (0.0, 1.0)
    across = span([a for x, _ in seen for a in x], figure.log_x, 0.0 if figure.bars else 0.03)
    up = span([a for _, y in seen for a in y], figure.log_y, 0.06)
    if figure.bars and up and not figure.log_y:  # bars stand on zero
        heights = [h for bars in figure.bars for h in bars.heights if math.isfinite(h)]
        up = (0.0 if min(heights, default=0.0) >= 0 and up[0] <= 0 and _none_below(figure) else up[0]), up[1]
    x = across or nothing[not figure.log_x]
    y = up or nothing[not figure.log_y]
    return figure.x_range or x, figure.y_range or y


def _none_below(figure: Figure) -> bool:
    return all(not (a < 0).any() for mark in figure.marks for a in mark.seen()[1])


def _lines(mark: Mark, figure: Figure) -> list[str]:
    return wrapped(mark.label, 0.3 * figure.width, most=3) or [""]


def _equal(frame: Frame) -> Frame:
    """The same frame with one unit as long across as up: the shorter range is widened about its middle."""
    across, up = frame.right - frame.left, frame.bottom - frame.top
    x, y = frame.x, frame.y
    unit = max((x.high / 2 - x.low / 2) / across, (y.high / 2 - y.low / 2) / up)
    middle_x, middle_y = x.low / 2 + x.high / 2, y.low / 2 + y.high / 2
    return replace(
        frame,
        x=replace(x, low=middle_x - unit * across, high=middle_x + unit * across),
        y=replace(y, low=middle_y - unit * up, high=middle_y + unit * up),
    )


def _across(figure: Figure, frame: Frame) -> _Ticks:
    if not figure.bars:
        about = max(2, int(frame.width // 80))
        ticks = _Ticks(frame.x.named_ticks(about))
        while about > 2 and len(ticks.places) * (ticks.widest + 8) > frame.width:
            about -= 1
            ticks = _Ticks(frame.x.named_ticks(about))
        return ticks
    names = figure.bars[0].labels
    every = max(1, math.ceil(len(names) * 16 / frame.width))  # slanted names need 16 pixels each
    places = [
        (float(i), name if len(name) <= 24 else f"{name[:23]}…") for i, name in enumerate(names) if i % every == 0
    ]
    ticks = _Ticks(places)
    return replace(ticks, slanted=len(places) * (ticks.widest + 6) > frame.width)


def _depth(ticks: _Ticks) -> float:
    return 22 + (0.6 * ticks.widest if ticks.slanted else 0.0)


def _floors(figure: Figure, above: Sequence[int], labels: dict[int, list[str]], frame: Frame) -> dict[int, int]:
    """For each label above the axes the row it stands in, the lowest that has room."""
    ends: list[float] = []
    found = {}
    for x, i in sorted((frame.x(figure.marks[i].x), i) for i in above):
        width = max(width_of(line) for line in labels[i])
        start = min(x - 4, frame.right - width)
        row = next((r for r, end in enumerate(ends) if start > end), len(ends))
        ends[row : row + 1] = [start + width + 10]
        found[i] = row
    return found


def _grid(figure: Figure, frame: Frame, across: _Ticks, up: _Ticks) -> str:
    parts = [f'<rect class="paper" fill="#fdfdfb" rx="6" width="{figure.width}" height="{figure.height}"/>']
    for value, name in up.places:
        y = frame.y(value)
        if not frame.top - 1 <= y <= frame.bottom + 1:
            continue
        kind = "zero" if value == 0 else "grid"
        ends = f'x1="{frame.left:.1f}" x2="{frame.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        parts.append(f'<line class="{kind}" stroke="#dcdfe4" {ends}/>')
        parts.append(f'<text class="tick" x="{frame.left - 7:.1f}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
    for value, name in across.places:
        x = frame.x(value)
        if not frame.left - 1 <= x <= frame.right + 1:
            continue
        if not figure.bars:
            kind = "zero" if value == 0 else "grid"
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top:.1f}" y2="{frame.bottom:.1f}"'
            parts.append(f'<line class="{kind}" stroke="#dcdfe4" {ends}/>')
        place = f'x="{x:.1f}" y="{frame.bottom + 17:.1f}" text-anchor="middle"'
        if across.slanted:
            place = f'transform="translate({x + 4:.1f} {frame.bottom + 14:.1f}) rotate(-35)" text-anchor="end"'
        parts.append(f'<text class="tick" {place}>{escape(name)}</text>')
    return "".join(parts)


def _names(figure: Figure, frame: Frame, title: Sequence[str]) -> str:
    parts = [
        f'<text class="name" x="{_EDGE:g}" y="{22 + 18 * i}">{escape(line)}</text>' for i, line in enumerate(title)
    ]
    low = figure.height - 10 - (14 if figure.remark() else 0)
    middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
    for text, log, room, place in (
        (figure.x, figure.log_x, 2 * middle[0], f'x="{middle[0]:.1f}" y="{low}"'),
        (figure.y, figure.log_y, figure.height, f'transform="translate(20 {middle[1]:.1f}) rotate(-90)"'),
    ):
        if text:
            scale = " (logarithmic)" if log else ""
            short = cut(str(text), room - width_of(scale, 12) - 2 * _EDGE, 12)
            parts.append(f'<text class="axis" {place} text-anchor="middle">{escape(short)}{scale}</text>')
    return "".join(parts)


def _beside(
    figure: Figure, frame: Frame, looks: Sequence[Look], labels: dict[int, list[str]], beside: Sequence[int]
) -> str:
    """Labels to the right of the axes, each at the end of its mark where there is room, joined to it where not."""
    placed: list[tuple[int, Anchor]] = [(i, a) for i in beside if (a := figure.marks[i].anchor(frame))]
    heights = [15.0 * len(labels[i]) + 2 for i, _ in placed]
    ends = [min(max(a.y, frame.top), frame.bottom) for _, a in placed]
    middles = moved_apart(ends, heights, frame.top - 8, frame.bottom + 8)
    parts = []
    for (i, anchor), y, end in zip(placed, middles, ends, strict=True):
        x, look = frame.right + 8, looks[i]
        if abs(y - end) > 5 and anchor.x > frame.right - 0.12 * frame.width:
            start = min(max(anchor.x, frame.left), frame.right) + 3
            parts.append(
                f'<path d="M{start:.1f},{end:.1f}L{x:.1f},{y:.1f}" stroke-width="1" stroke-opacity="0.5"'
                f" {look.stroke}/>"
            )
        parts.append(figure.marks[i].sample(x, y, look))
        parts.append(_text(labels[i], x + 23, y - 7.5 * (len(labels[i]) - 1) + 4.5, look))
    return "".join(parts)


def _above(
    figure: Figure, frame: Frame, looks: Sequence[Look], labels: dict[int, list[str]], floors: dict[int, int]
) -> str:
    parts = []
    for i, row in floors.items():
        x = frame.x(figure.marks[i].x)
        y = frame.top - 5 - _LINE * row
        start = min(x - 4, frame.right - max(width_of(line) for line in labels[i]))
        text = f'<text class="label {looks[i].tone}" x="{start:.1f}" y="{y:.1f}">{escape(" ".join(labels[i]))}</text>'
        if row:
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y + 3:.1f}" y2="{frame.top:.1f}"'
            parts.append(f'<line {ends} stroke-width="1" stroke-opacity="0.5" {looks[i].stroke}/>')
        parts.append(text)
    return "".join(parts)


def _text(lines: Sequence[str], x: float, y: float, look: Look) -> str:
    rows = "".join(f'<tspan x="{x:.1f}" y="{y + 15 * i:.1f}">{escape(line)}</tspan>' for i, line in enumerate(lines))
    return f'<text class="label {look.tone}">{rows}</text>'
