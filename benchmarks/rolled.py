"""Loops written in Python: found again and run as loops, beside the same steps written out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.transform import reroll

from .figures import Figure
from .large import CASES
from .timing import Table, seconds


def recurrent(W: Any, U: Any, X: Any, h: Any) -> Any:
    """A recurrent network over the rows of X."""
    total = 0.0
    for x in X:
        h = np.tanh(W @ h + U @ x)
        total = total + np.sum(h**2)
    return total


def heat(u: Any, steps: int) -> Any:
    """Heat in a rod, in small steps of time."""
    for _ in range(steps):
        u = np.concatenate([u[:1], u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]), u[-1:]])
    return np.sum(u**2)


def descent(w: Any, X: Any, y: Any, steps: int) -> Any:
    """Steps of gradient descent, to be differentiated themselves."""
    for _ in range(steps):
        w = w - 0.01 * X.T @ (X @ w - y)
    return np.sum(w**2)


def cases() -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """Names, functions, arguments."""
    rng = np.random.default_rng(0)
    for steps in (10, 40, 90):
        W, U, h = rng.normal(size=(30, 30)) / 30, rng.normal(size=(30, 20)) / 20, rng.normal(size=30)
        yield f"recurrent, 30 units, {steps} steps", recurrent, (W, U, rng.normal(size=(steps, 20)), h)
        yield f"heat, 900 places, {steps} steps", heat, (rng.normal(size=900), steps)
        X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
        yield f"descent, 40 × 5, {steps} steps", descent, (rng.normal(size=5), X, y, steps)


def measured(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[float, float]:
    """First call of a gradient, of this process alone, and a later call, in seconds."""
    gradient = cr.grad(lambda *xs: f(*xs))
    start = time.process_time()
    gradient(*args)
    first = time.process_time() - start
    return first, seconds(lambda: gradient(*args))


def tables() -> Iterator[Table]:
    """Rolled and written out; then 10⁵ operations, from the Python function to the gradient."""
    os.environ["CHAINRULE_CACHE_DIR"] = ""  # first calls compile
    rows = []
    cr.grad(np.sin)(1.0)
    for name, f, args in cases():
        first, call = measured(f, args)
        long, reroll.LONG = reroll.LONG, 10**9
        try:
            first_out, call_out = measured(f, args)
        finally:
            reroll.LONG = long
        rows.append((name, [first * 1e3, first_out * 1e3, call * 1e6, call_out * 1e6]))
    columns = ["first, ms", "… written out", "call, µs", "… written out"]
    yield Table("Gradients of loops in Python", "as loops, and with their steps written out", columns, rows)
    rows, figures = [], []
    for case in CASES:
        start = time.process_time()
        cr.trace(case.make(case.ops), case.at)
        record = time.process_time() - start
        first, call = measured(case.make(case.ops), (case.at,))
        rows.append((case.name, [record, first, call * 1e6]))
        figures.append(Figure(f"10⁵ operations in a loop, recorded: {case.name}", record, "s", 2.0))
        figures.append(Figure(f"10⁵ operations in a loop, to the gradient: {case.name}", first, "s", 6.0))
    yield Table("10⁵ operations in a Python loop", "s; the call in µs", ["record", "gradient", "call"], rows, figures)
