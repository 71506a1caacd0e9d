"""Products of matrices inside kernels: a network's gradient as one kernel, beside the same by hand in NumPy.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.products
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.native.run import Mixed
from chainrule.transform.simplify import simplify

from .timing import Table, machine

Run = Callable[[], Any]


def network(A, a, B, b, x, t):
    """Softmax regression on a hidden layer."""
    h = np.tanh(x @ A + a)
    z = h @ B + b
    m = np.max(z, axis=1, keepdims=True)
    lse = m + np.log(np.sum(np.exp(z - m), axis=1, keepdims=True))
    return np.mean(np.sum(t * (lse - z), axis=1))


def by_hand(A, a, B, b, x, t):
    """The gradient of `network` in A, a, B, b, with as few temporaries as somebody who cares would have."""
    h = x @ A
    h += a
    np.tanh(h, out=h)
    z = h @ B
    z += b
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    z *= t.sum(axis=1, keepdims=True)
    z -= t
    z /= len(x)
    g = z @ B.T
    np.multiply(h, h, out=(slope := np.empty_like(h)))
    np.subtract(1, slope, out=slope)
    g *= slope
    return x.T @ g, g.sum(axis=0), h.T @ z, z.sum(axis=0)


def data(kind: str, rows: int = 128) -> tuple[Any, ...]:
    rng = np.random.default_rng(2)
    x, t = rng.random((rows, 784)), np.eye(10)[rng.integers(0, 10, rows)]
    p = rng.normal(size=(784, 128)) * 0.05, np.zeros(128), rng.normal(size=(128, 10)) * 0.1, np.zeros(10)
    return tuple(v.astype(kind) for v in (*p, x, t))


def kernel(f: Callable[..., Any], *args: Any) -> Run:
    """The whole of a function as native code, results in new arrays."""
    mixed = Mixed(simplify(cr.trace(f, *args)))
    assert len(mixed.parts) == 1, "it is more than one kernel"
    return lambda: mixed(args)


def tables() -> Iterator[Table]:
    rows = []
    for kind in ("f8", "f4"):
        args = data(kind)
        run = kernel(cr.grad(network, wrt=(0, 1, 2, 3)), *args)
        for ours, theirs in zip(run(), by_hand(*args), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-10 if kind == "f8" else 1e-4)
        rows.append((f"784-128-10, 128 rows, {kind}", _beside(run, lambda args=args: by_hand(*args))))
    yield Table("Gradient of a network", "ms; the ratio is the median of pairs", ["kernel", "by hand", "ratio"], rows)


def _beside(one: Run, other: Run, tries: int = 60) -> list[float]:
    """Least times, and the median of their ratios, each pair taken at once: so that what else runs disturbs both."""
    one(), other()
    pairs = []
    for _ in range(tries):
        times = []
        for work in (one, other):
            start = time.perf_counter()
            for _ in range(5):
                work()
            times.append((time.perf_counter() - start) / 5 * 1e3)
        pairs.append(times)
    return [min(a for a, _ in pairs), min(b for _, b in pairs), statistics.median(a / b for a, b in pairs)]


if __name__ == "__main__":
    print(machine())
    for table in tables():
        print(table)
