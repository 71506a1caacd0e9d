"""Two threads beside one: large loops, in turn, in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

import chainrule as cr

from . import problems as p
from .figures import Figure
from .timing import Table, seconds


def lse(x: np.ndarray) -> np.floating:
    """log Σ exp(x), safely."""
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def tables() -> Iterator[Table]:
    """Milliseconds on one thread and on two, and their quotient."""
    if (os.cpu_count() or 1) < 2:
        return
    cases = {
        "log Σ exp(x), 1,280,000 numbers": (lse, (np.random.default_rng(0).normal(size=1_280_000),), 0),
        "chain, a million elements": (p.chain, p.chain_data(), (0, 1, 2)),
        "logistic loss, 100 000 × 100": (p.logistic, p.logistic_data(), 0),
    }
    rows, figures = [], []
    for name, (f, args, wrt) in cases.items():
        one, two = (cr.grad(f, wrt=wrt, threads=n) for n in (1, 2))
        best = [min(seconds(lambda g=g, args=args: g(*args)) for _ in range(3)) for g in (one, two, one, two)]
        alone, both = min(best[::2]), min(best[1::2])
        rows.append((name, [alone * 1e3, both * 1e3, alone / both]))
        figures.append(Figure(f"gradient on two threads: {name}", both / alone, "× one thread", 1 / 1.6))
    yield Table("Two threads", "ms, and how many times as fast", ["one", "two", "gain"], rows, figures)
