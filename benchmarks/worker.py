"""One peer in a process of its own: `python -m benchmarks.worker PEER` measures what it is asked for, line by line.

In comes {"problem": …, "seconds": …}, out goes {"first", "median", "least", "sum"}, or {"no": reason}. `first` is
making the function and its first call, `sum` a weighted sum of all results, by which peers are compared.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def flat(result: Any) -> np.ndarray:
    """All numbers of a result, in the order of sorted keys."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    if isinstance(result, (tuple, list)):
        return np.concatenate([flat(part) for part in result])
    dense = result.toarray() if hasattr(result, "toarray") else result
    return np.asarray(dense, np.float64).ravel()


def weighted_sum(result: Any) -> float:
    values = flat(result)
    return float(values @ (1.0 + np.arange(values.size) % 7))


def times(work: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds for a run, again and again. Short runs are timed by the hundred."""
    runs, took = 1, 0.0
    while took < 2e-4 and runs < 1000:  # the first calls after a pause are slow
        runs *= 2
        start = time.perf_counter()
        for _ in range(runs):
            work()
        took = time.perf_counter() - start
    runs = runs if took < 1e-3 else 1
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(runs):
            work()
        found.append((time.perf_counter() - start) / runs)
    return found


class Peer:
    """What a module of `peers` offers, made when it is asked for first."""

    def __init__(self, name: str) -> None:
        self.offered = importlib.import_module(f"benchmarks.peers.{name}").OFFERED
        self.made: dict[str, tuple[Callable[[], Any], float, float]] = {}

    def measured(self, problem: str, seconds: float) -> dict[str, Any]:
        if problem not in self.offered:
            return {"no": "not offered"}
        if problem not in self.made:
            start = time.perf_counter()
            work = self.offered[problem]()
            result = work()
            self.made[problem] = work, time.perf_counter() - start, weighted_sum(result)
        work, first, total = self.made[problem]
        took = times(work, seconds)
        return {"first": first, "median": statistics.median(took), "least": min(took), "sum": total}


def main(name: str) -> None:
    peer = Peer(name)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = peer.measured(asked["problem"], asked["seconds"])
        except Exception as error:
            found = {"no": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
