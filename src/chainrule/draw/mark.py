"""What stands in a picture: the abstract mark, and what it is told when it is painted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import ArgumentError
from .numbers import Array
from .scale import Scale
from .style import SHAPES, TONES, colour
from .text import escape

Tone = int | str | None
Row = Sequence[float | str]


@dataclass(frozen=True)
class Frame:
    """The inside of the axes, in pixels, with both scales."""

    x: Scale
    y: Scale
    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left


@dataclass(frozen=True)
class Look:
    """What tells a mark from the others: a tone, and a shape, since colour alone tells nothing to some."""

    tone: str
    shape: str
    crowded: bool = False  # several lines: each gets its shape along the way
    group: tuple[int, int] = (0, 1)  # which of how many sets of bars

    @property
    def stroke(self) -> str:
        return f'class="curve {self.tone}" stroke="{colour(self.tone)}" fill="none"'

    @property
    def fill(self) -> str:
        return f'class="fill {self.tone}" fill="{colour(self.tone)}"'


@dataclass(frozen=True)
class Anchor:
    """Where a mark would like its label: at the height `y` to the right of the axes, or above them at `x`."""

    side: str  # "right" or "top"
    x: float
    y: float


class Mark(ABC):
    """Something to draw: it knows its numbers, and how they look on a frame."""

    noun: ClassVar[str]

    @property
    def label(self) -> str:
        """What stands beside the mark; empty if it needs no name."""
        return ""

    @abstractmethod
    def seen(self) -> tuple[Sequence[Array], Sequence[Array]]:
        """Numbers that the axes must hold: across, and up."""

    @abstractmethod
    def paint(self, frame: Frame, look: Look) -> str:
        """SVG elements."""

    @abstractmethod
    def table(self) -> tuple[Sequence[str], Sequence[Row]]:
        """The data: names of the columns, and rows."""

    @abstractmethod
    def says(self) -> str:
        """The mark in words, without its label."""

    def anchor(self, frame: Frame) -> Anchor | None:
        return None

    def sample(self, x: float, y: float, look: Look) -> str:
        """A bit of the mark to stand before its label, 18 pixels wide."""
        return f'<line x1="{x:.1f}" x2="{x + 18:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="2" {look.stroke}/>'

    def missing(self, log_x: bool, log_y: bool) -> int:
        """How many of its points can't be shown."""
        return 0


def tone_name(tone: Tone, nth: int) -> str:
    """The tone asked for, or the nth."""
    if tone is None:
        return f"t{nth % TONES + 1}"
    if isinstance(tone, int):
        return f"t{(tone - 1) % TONES + 1}"
    return tone


def check_tone(tone: Tone) -> None:
    """Raise if there is no such tone."""
    known = ("ink", "soft", "good", "bad")
    number = isinstance(tone, int) and not isinstance(tone, bool) and 1 <= tone <= TONES
    if tone is not None and not number and not (isinstance(tone, str) and tone in known):
        raise ArgumentError(f"tone={tone!r}: a tone is a number from 1 to {TONES}, or one of {', '.join(known)}")


def settle(mark: Mark) -> None:
    """Take any label as text, and raise if there is no such tone."""
    check_tone(getattr(mark, "tone", None))
    if "label" in getattr(mark, "__dataclass_fields__", ()):
        object.__setattr__(mark, "label", "" if mark.label is None else str(mark.label))


def shape_at(x: float, y: float, look: Look, size: float = 4.0, title: str = "") -> str:
    """A dot, square, triangle, … around a point."""
    s, t = size, 1.4 * size
    outline = {
        "square": f"M{x - s:.1f},{y - s:.1f}h{2 * s:g}v{2 * s:g}h{-2 * s:g}z",
        "triangle": f"M{x:.1f},{y - 1.3 * s:.1f}l{1.25 * s:g},{2.2 * s:g}h{-2.5 * s:g}z",
        "diamond": f"M{x:.1f},{y - t:.1f}l{t:g},{t:g}l{-t:g},{t:g}l{-t:g},{-t:g}z",
        "cross": f"M{x - s:.1f},{y - s:.1f}l{2 * s:g},{2 * s:g}m0,{-2 * s:g}l{-2 * s:g},{2 * s:g}",
        "plus": f"M{x - 1.3 * s:.1f},{y:.1f}h{2.6 * s:g}m{-1.3 * s:g},{-1.3 * s:g}v{2.6 * s:g}",
    }
    told = f"<title>{escape(title)}</title>" if title else ""
    if look.shape in ("cross", "plus"):
        return f'<path d="{outline[look.shape]}" stroke-width="2" {look.stroke}>{told}</path>'
    ring = look.fill.replace('class="', 'class="ring ')
    if look.shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s * 1.1:g}" {ring}>{told}</circle>'
    return f'<path d="{outline[look.shape]}" {ring}>{told}</path>'


def shape_name(nth: int) -> str:
    return SHAPES[(nth + nth // TONES) % len(SHAPES)]  # the seventh has the first tone, and another shape


def points_text(x: Array, y: Array) -> str:
    """Coordinates for a polyline or polygon."""
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
