"""A figure is a number that was measured and what it is to be; the history remembers all of them.

One JSON line for each figure, with date, version, commit and processor, in `history.jsonl` beside this file. Times of
different machines are not compared: `before` looks at lines of this processor only.
"""

from __future__ import annotations

import datetime
import json
import platform
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HISTORY = HERE / "history.jsonl"


@dataclass(frozen=True)
class Figure:
    """`unit` says what `value` is measured in: a time, or another tool's time (× JAX)."""

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.unit

    @property
    def reached(self) -> bool:
        return self.target is None or self.value <= self.target


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the working tree, marked where something is not committed; empty outside a checkout."""
    asked = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def remember(figures: Iterable[Figure], path: Path = HISTORY) -> None:
    """Append them."""
    import chainrule

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = {"date": now, "version": chainrule.__version__, "commit": commit(), "cpu": processor()}
    with path.open("a") as file:
        for f in figures:
            file.write(
                json.dumps(about | {"name": f.name, "value": f.value, "unit": f.unit, "target": f.target}) + "\n"
            )


def remembered(path: Path = HISTORY) -> Iterator[dict[str, Any]]:
    """All lines of this processor, oldest first."""
    here = processor()
    if path.exists():
        yield from (entry for line in path.open() if (entry := json.loads(line))["cpu"] == here)


def before(path: Path = HISTORY) -> dict[tuple[str, str], float]:
    """The median of each figure in the five runs before."""
    values: dict[tuple[str, str], list[float]] = {}
    for entry in remembered(path):
        values.setdefault((entry["name"], entry["unit"]), []).append(entry["value"])
    return {key: statistics.median(found[-5:]) for key, found in values.items()}


def shown(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def listing(figures: Iterable[Figure], path: Path = HISTORY) -> str:
    """One line for each figure: value, target, what it was before."""
    known = before(path)
    rows = [("", "measured", "", "target", "before", "")]
    for f in figures:
        target = "" if f.target is None else f"≤ {shown(f.target)}"
        past = shown(known[f.key]) if f.key in known else ""
        rows.append((f.name, shown(f.value), f.unit, target, past, "" if f.reached else "missed"))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = []
    for name, value, unit, target, past, verdict in rows:
        cells = name.ljust(widths[0]), value.rjust(widths[1]), unit.ljust(widths[2]), target.rjust(widths[3])
        lines.append("  ".join([*cells, past.rjust(widths[4]), verdict]).rstrip())
    return "\n".join(lines)
