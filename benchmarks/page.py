"""Write the figures into docs/concepts/performance.md: `python -m benchmarks.page`, after `python -m benchmarks`.

The table stands between two markers there. It holds the last value of each figure that this processor remembers, so
that a measurement that was run again alone replaces its own lines only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .figures import HISTORY, remembered, shown

PAGE = Path(__file__).resolve().parent.parent / "docs/concepts/performance.md"
BEGIN, END = "<!-- figures: written by python -m benchmarks.page -->", "<!-- end of figures -->"


def latest(path: Path = HISTORY) -> list[dict[str, Any]]:
    """The last entry of each figure, in the order in which figures were first measured."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in remembered(path):
        found[entry["name"], entry["unit"]] = entry
    return list(found.values())


def table(entries: Iterable[dict[str, Any]]) -> str:
    """Markdown: what, how much, how much it is to be, and by how much it is missed."""
    rows, about = [], {}
    for e in entries:
        target, value = e["target"], e["value"]
        missed = "" if target is None or value <= target else f"{shown(value / target)} times as much"
        limit = "" if target is None else f"≤ {shown(target)}"
        rows.append(f"| {e['name']} | {shown(value)} {e['unit']} | {limit} | {missed} |")
        about = e
    if not rows:
        raise SystemExit("nothing was measured on this processor yet\n  hint: python -m benchmarks")
    measured = f"Measured {about['date'][:10]} on {about['cpu']}, one thread, version {about['version']}."
    return "\n".join([measured, "", "| what | measured | to be reached | missed |", "|---|---|---|---|", *rows])


def written(page: str, text: str) -> str:
    """The page with the text between the markers."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), table(latest())))
