"""Building blocks of the page: tables, code, numbers, pictures with their data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ..draw import Figure
from .record import Math

MARK = {"agrees": "✓", "wrong": "✗", "unreliable": "?"}


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of ready HTML cells; each row begins with its heading, columns in `numbers` are set to the right."""
    return table_of(caption, columns, "".join(row(cells, numbers) for cells in rows), numbers)


def table_of(caption: str, columns: Sequence[str], rows: str, numbers: Sequence[int] = ()) -> str:
    """A table of ready rows."""
    head = "".join(f'<th scope="col"{_side(i, numbers)}>{escape(name)}</th>' for i, name in enumerate(columns))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def row(cells: Sequence[str], numbers: Sequence[int] = ()) -> str:
    """A row that begins with its heading."""
    first, *rest = cells
    others = "".join(f"<td{_side(i, numbers)}>{cell}</td>" for i, cell in enumerate(rest, start=1))
    return f'<tr><th scope="row">{first}</th>{others}</tr>'


def _side(i: int, numbers: Sequence[int]) -> str:
    return ' class="number"' if i in numbers else ""


def code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def number(value: float) -> str:
    """A number as a reader likes it.

    >>> number(-0.00123456789), number(float("inf"))
    ('−0.00123457', '∞')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return "not a number" if math.isnan(value) else f"{value:.6g}".replace("-", "−")


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>" if text else ""


def verdict(kind: str, text: str) -> str:
    """A sentence with its mark: `kind` is agrees, wrong or unreliable."""
    return f'<p><span class="verdict {kind}">{MARK[kind]}</span> {escape(text)}</p>'


def picture(figure: Figure | None, caption: str = "") -> str:
    """A figure with its words under it, and its data for those who want numbers."""
    if figure is None:
        return ""
    data = f"<details><summary>the numbers in this picture</summary>{_scrolling(figure.table_html())}</details>"
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    drawn = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(figure.title)}">{figure.svg()}</div>'
    return f"<figure>{drawn}{words}{data}</figure>"


def _scrolling(tables: str) -> str:
    return f'<div class="scroll data" tabindex="0" role="region" aria-label="Data">{tables}</div>'


def equations(lines: Sequence[Math], where: Sequence[Math]) -> str:
    """Typeset equations under each other, and what the names in them stand for."""
    told = "".join(f"<p>{math.mathml}</p>" for math in lines)
    if where:
        told += "<p class='soft'>where</p>" + "".join(f"<p>{math.mathml}</p>" for math in where)
    return f'<div class="formula" tabindex="0">{told}</div>'
