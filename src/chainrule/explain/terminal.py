"""Tables and paragraphs for a terminal: aligned by what is seen, not by the number of code points."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def width(words: str) -> int:
    """How many columns the text takes: marks over a letter take none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in words)


def padded(words: str, size: int) -> str:
    return words + " " * max(size - width(words), 0)


def columns(rows: Sequence[Sequence[str]], gap: int = 3) -> list[str]:
    """Rows with their cells under each other.

    >>> columns([["x̄", "1"], ["loss", "2"]])
    ['x̄      1', 'loss   2']
    """
    sizes = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return ["".join(padded(cell, size + gap) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in rows]
