"""A picture: marks on two axes, as SVG that stands on its own.

>>> from chainrule.draw import Line
>>> figure = Figure("Two powers", [Line([0, 1, 2], [0, 1, 4], "x²"), Line([0, 1, 2], [0, 1, 8], "x³")])
>>> print(figure)
Two powers: 2 lines
>>> figure.svg()[:4]
'<svg'
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .axes import Axes, axes
from .bars import Bars
from .curves import Line
from .mark import Look, Mark, shape_name, tone_name
from .numbers import shown
from .style import NAME, css
from .text import PLACE, escape, keyed
from .thin import rows

_SMALLEST = 120
_NOTHING = "nothing to show"


@dataclass(frozen=True, repr=False)
class Figure:
    """Marks on two axes, with a title. `description` says in words what the picture shows; else the marks are told.

    The axes hold every mark, unless `x_range` or `y_range` say what to show. With `equal` a unit is as long across as
    up. What can't be shown (NaN, ∞, on a logarithmic axis what is not positive) leaves a gap, and is counted below the
    picture. The same figure gives the same text, character by character.
    """

    title: str
    marks: Any
    x: str = "x"
    y: str = "y"
    log_x: bool = field(default=False, kw_only=True)
    log_y: bool = field(default=False, kw_only=True)
    equal: bool = field(default=False, kw_only=True)
    description: str = field(default="", kw_only=True)
    width: int = field(default=680, kw_only=True)
    height: int = field(default=380, kw_only=True)
    x_range: tuple[float, float] | None = field(default=None, kw_only=True)
    y_range: tuple[float, float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        marks = (self.marks,) if isinstance(self.marks, Mark) else self.marks
        if not isinstance(marks, Iterable) or isinstance(marks, (str, bytes)):
            raise ArgumentError(f"a figure takes a list of marks, not {type(marks).__name__}")
        object.__setattr__(self, "marks", tuple(marks))
        for mark in self.marks:
            if not isinstance(mark, Mark):
                raise ArgumentError(
                    f"a figure is made of marks, not {type(mark).__name__}", hint="Line(xs, ys), Points(xs, ys), …"
                )
        for name in ("title", "x", "y", "description"):
            object.__setattr__(self, name, str(getattr(self, name)))
        for name in ("width", "height"):
            size = getattr(self, name)
            if isinstance(size, np.integer):
                object.__setattr__(self, name, int(size))
            elif not isinstance(size, int) or isinstance(size, bool):
                raise ArgumentError(f"{name}={size!r}: pixels are counted in whole numbers")
            if not _SMALLEST <= size <= 10_000:
                raise ArgumentError(f"{name}={size!r}: a picture is {_SMALLEST} to 10000 pixels wide and high")
        if self.equal and (self.log_x or self.log_y):
            raise ArgumentError("equal=True: on a logarithmic axis units have no one length")
        if self.log_x and self.bars:
            raise ArgumentError("log_x=True: bars stand beside each other by name, not at numbers")
        if len({bars.labels for bars in self.bars}) > 1:
            raise ArgumentError("several Bars in one picture share their names; these differ")
        for name, log in (("x_range", self.log_x), ("y_range", self.log_y)):
            _check_range(name, getattr(self, name), log)

    @property
    def bars(self) -> tuple[Bars, ...]:
        return tuple(mark for mark in self.marks if isinstance(mark, Bars))

    def looks(self) -> list[Look]:
        """Tone and shape of each mark: a number of its own for each one that has no tone."""
        crowded = sum(isinstance(mark, Line) and bool(mark.label) for mark in self.marks) > 1
        found, nth, set_of_bars = [], 0, 0
        for mark in self.marks:
            tone = getattr(mark, "tone", None)
            group = (0, 1)
            if isinstance(mark, Bars):
                group = (set_of_bars, len(self.bars))
                set_of_bars += 1
            shape = shape_name(tone - 1 if isinstance(tone, int) else nth)
            found.append(Look(tone_name(tone, nth), shape, crowded, group))
            nth += tone is None
        return found

    # --- the picture --------------------------------------------------------------------------------------------------

    def svg(self, key: str = "") -> str:
        """The picture as an SVG element. Its ids begin with `key`: by default a digest of what is drawn."""
        return keyed(self._text(PLACE), key, "figure")

    def _text(self, key: str) -> str:
        looks = self.looks()
        laid = axes(self, looks)
        frame = laid.frame
        drawn = "".join(mark.paint(frame, look) for mark, look in zip(self.marks, looks, strict=True))
        size = f'x="{frame.left:.1f}" y="{frame.top:.1f}" width="{frame.width:.1f}"'
        clip = f'<clipPath id="{key}-inside"><rect {size} height="{frame.bottom - frame.top:.1f}"/></clipPath>'
        if self.x_range or self.y_range:
            drawn = f'<g clip-path="url(#{key}-inside)">{drawn}</g>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{NAME}" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" style="max-width:100%;height:auto" role="img"'
            f' aria-labelledby="{key}-title {key}-words" font-family="system-ui, sans-serif" font-size="13">'
            f'<title id="{key}-title">{escape(self.title)}</title>'
            f'<desc id="{key}-words">{escape(self.words())}</desc>'
            f"<style>{css()}</style>"
            f"{f'<defs>{clip}</defs>' if self.x_range or self.y_range else ''}"
            f"{laid.behind}{drawn}{laid.before}{self._remark(laid)}</svg>"
        )

    def _remark(self, laid: Axes) -> str:
        told = self.remark()
        if not told:
            return ""
        place = f'x="{self.width - 8}" y="{self.height - 6}" text-anchor="end"'
        return f'<text class="remark" {place}>{escape(told)}</text>'

    def remark(self) -> str:
        """What the picture leaves out; empty if nothing."""
        missing = sum(mark.missing(self.log_x, self.log_y) for mark in self.marks)
        if missing:
            why = "not finite, or not positive" if self.log_x or self.log_y else "not finite"
            return f"{missing} value{'s' * (missing != 1)} not shown: {why}"
        return (
            "" if self.marks and any(a.size for mark in self.marks for axis in mark.seen() for a in axis) else _NOTHING
        )

    def words(self) -> str:
        """The picture in words: the description, or what each mark shows."""
        if self.description:
            return self.description
        told = [f"{mark.noun}{f' “{mark.label}”' if mark.label else ''} {mark.says()}" for mark in self.marks]
        across = f"{self.x}{' (logarithmic)' if self.log_x else ''}"
        up = f"{self.y}{' (logarithmic)' if self.log_y else ''}"
        return f"{up} over {across}: {'; '.join(told) or _NOTHING}."

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file that ends in .svg."""
        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise ArgumentError(f"{target.name}: pictures are saved as SVG", hint=f"{target.stem}.svg")
        target.write_text(self.svg() + "\n", encoding="utf-8")
        return target

    def table_html(self) -> str:
        """The data as an HTML table for each mark; of more than 200 rows, an even choice."""
        return "".join(_table(mark) for mark in self.marks)

    def _repr_html_(self) -> str:
        data = f"<details><summary>Data as a table</summary>{self.table_html()}</details>"
        return f'<figure style="margin:0">{self.svg()}{data}</figure>'

    def __str__(self) -> str:
        counted = Counter(mark.noun for mark in self.marks)
        told = [f"{n} {noun.replace('set', 'sets', 1) if 'set' in noun and n > 1 else noun + 's' * (n > 1)}"
                for noun, n in counted.items()]  # fmt: skip
        return f"{self.title}: {', '.join(told) or _NOTHING}"

    __repr__ = __str__


def _check_range(name: str, given: Any, log: bool) -> None:
    if given is None:
        return
    try:
        low, high = (float(v) for v in given)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={given!r}: a range is a pair of numbers") from None
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ArgumentError(f"{name}={given!r}: a range is finite, its lower end first")
    if log and low <= 0:
        raise ArgumentError(f"{name}={given!r}: a logarithmic axis holds positive numbers only")


def _table(mark: Mark) -> str:
    head, data = mark.table()
    kept = rows(len(data))
    some = f" ({len(kept)} of {len(data)} rows)" if len(kept) < len(data) else ""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(v if isinstance(v, str) else shown(v, 6))}</td>' for v in data[i])}</tr>"
        for i in kept
    )
    caption = escape(f"{mark.noun}{f' “{mark.label}”' if mark.label else ''}{some}")
    return f"<table><caption>{caption}</caption><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
