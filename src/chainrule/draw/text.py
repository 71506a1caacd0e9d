"""Text in a picture: escaped, measured by eye, broken into lines, moved apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape as _escape

# XML knows no control characters and no halves of a surrogate pair, however escaped
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U0001f300-\U0001faff]"
)


def escape(text: object) -> str:
    """Text as it may stand in SVG and HTML, in an attribute too.

    >>> escape("a < b & 'c'")
    'a &lt; b &amp; &#x27;c&#x27;'
    """
    return _escape(_UNWRITABLE.sub("\ufffd", str(text)), quote=True)


PLACE = "\x00"  # where ids will stand; no text contains it once it is escaped


def keyed(text: str, key: str, kind: str) -> str:
    """The picture with its ids: by default from a digest of all that is drawn, so that pictures share a page."""
    key = escape(key) or f"{kind}-{sha256(text.encode()).hexdigest()[:10]}"
    return text.replace(PLACE, key)


def width_of(text: str, size: float = 13) -> float:
    """About how many pixels a text takes: fonts differ, so a little more than most need."""
    return size * (0.57 * len(text) + 0.5 * len(_WIDE.findall(text)))


def wrapped(text: str, width: float, size: float = 13, most: int = 3) -> list[str]:
    """The text in lines of at most that many pixels; what is too long for `most` lines ends in an ellipsis.

    >>> wrapped("a loss that falls and falls", 100)
    ['a loss that', 'falls and', 'falls']
    """
    room = max(4, int(width / (0.57 * size)))
    lines: list[str] = []
    for word in text.split():
        while True:
            if lines and len(lines[-1]) + 1 + len(word) <= room:
                lines[-1] += f" {word}"
                break
            lines.append(word[:room])
            word = word[room:]
            if not word:
                break
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][: room - 1]}…"]
    return lines


def cut(text: str, width: float, size: float = 13) -> str:
    """The text, or as much of it as goes into so many pixels, with an ellipsis.

    >>> cut("a loss that falls and falls", 100)
    'a loss that …'
    """
    room = max(4, int(width / (0.57 * size)))
    return text if len(text) <= room else f"{text[: room - 1]}…"


def moved_apart(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Places near the wanted ones, so that boxes centred there don't overlap and stay between `low` and `high`.

    Where there is too little room for all, they are spread evenly.

    >>> moved_apart([50.0, 52.0], [16.0, 16.0], 0.0, 100.0)
    [43.0, 59.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    placed = stacked([wanted[i] for i in order], [heights[i] for i in order], low, high)
    found = dict(zip(order, placed, strict=True))
    return [found[i] for i in range(len(wanted))]


def stacked(
    wanted: Sequence[float],
    heights: Sequence[float],
    low: float = -math.inf,
    high: float = math.inf,
    weights: Sequence[float] | None = None,
) -> list[float]:
    """The same for boxes whose order stands: as near to the wanted places as it allows, in (weighted) least squares.

    >>> stacked([10.0, 0.0], [4.0, 4.0])
    [3.0, 7.0]
    """
    shrink = min(1.0, (high - low) / (sum(heights) or 1.0))
    sizes = [height * shrink for height in heights]
    # boxes that touch form a block, which stands where its members would on average like it to
    blocks: list[_Block] = []
    for place, size, weight in zip(wanted, sizes, weights or [1.0] * len(sizes), strict=True):
        start = min(max(place - size / 2, low), high - size)
        blocks.append(_Block(weight * start, weight, size, 1, low, high))
        while len(blocks) > 1 and blocks[-2].start + blocks[-2].height > blocks[-1].start:
            last = blocks.pop()
            blocks[-1] = blocks[-1].joined(last)
    placed, found = iter(sizes), []
    for block in blocks:
        at = block.start
        for _ in range(block.members):
            size = next(placed)
            found.append(at + size / 2)
            at += size
    return found


@dataclass(frozen=True)
class _Block:
    """Boxes that touch: the weighted sum of the starts that they wish for, and all their weight."""

    wishes: float
    weight: float
    height: float
    members: int
    low: float
    high: float

    @property
    def start(self) -> float:
        return min(max(self.wishes / self.weight, self.low), self.high - self.height)

    def joined(self, other: _Block) -> _Block:
        wishes = self.wishes + other.wishes - other.weight * self.height
        height, members = self.height + other.height, self.members + other.members
        return _Block(wishes, self.weight + other.weight, height, members, self.low, self.high)
