"""How things are timed, and how a table of times is printed."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .figures import Figure


def seconds(work: Callable[[], object], *, tries: int = 7, at_least: float = 0.02) -> float:
    """The least time of one run among several tries, each long enough to be measured.

    The least is the one that other programs disturbed least; a mean would measure them, too.
    """
    work()
    start = time.perf_counter()
    work()
    once = max(time.perf_counter() - start, 1e-7)
    runs = max(1, int(at_least / once))
    best = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(tries):
            start = time.perf_counter()
            for _ in range(runs):
                work()
            best = min(best, (time.perf_counter() - start) / runs)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return best


def machine() -> str:
    """What ran: times mean nothing without it."""
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS {threads}\nleast of several tries; times of one machine: compare columns, not tables"
    )


@dataclass(frozen=True)
class Table:
    """A title, a unit, columns, and rows of numbers; None is printed as a dash. Its figures are remembered."""

    title: str
    unit: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    figures: Sequence[Figure] = ()

    def __str__(self) -> str:
        cells = [["" if x is None else f"{x:,.2f}" if x < 10 else f"{x:,.0f}" for x in row] for _, row in self.rows]
        cells = [[cell or "-" for cell in row] for row in cells]
        first = max(len(name) for name, _ in self.rows)
        widths = [max(len(c), *(len(row[i]) for row in cells)) for i, c in enumerate(self.columns)]
        head = "  ".join([" " * first, *(c.rjust(w) for c, w in zip(self.columns, widths, strict=True))])
        lines = [
            "  ".join([name.ljust(first), *(c.rjust(w) for c, w in zip(row, widths, strict=True))])
            for (name, _), row in zip(self.rows, cells, strict=True)
        ]
        return "\n".join([f"{self.title} ({self.unit})", head.rstrip(), "-" * len(head), *lines])
