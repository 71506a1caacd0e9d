"""Products, solves and factors inside kernels: gradients as one kernel, beside the same by hand in NumPy.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.products
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr

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


def likelihood(m, s, x):
    """Of rows of x under N(m, s), times -1, without the constant."""
    low = np.linalg.cholesky(s)
    z = np.linalg.solve(low, (x - m).T)
    return 0.5 * np.sum(z * z) + len(x) * np.sum(np.log(np.diag(low)))


def likelihood_by_hand(m, s, x):
    """Its gradient in m and s: S⁻¹ (n S - D Dᵀ) S⁻¹ / 2, by one inverse; of s what lies on and below the diagonal."""
    d = (x - m).T
    inverse = np.linalg.inv(s)
    y = inverse @ d
    g = 0.5 * (len(x) * inverse - y @ y.T)
    return -y.sum(axis=1), np.tril(g) + np.tril(g, -1)


def samples(n: int, rows: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(3)
    a = rng.normal(size=(n, n))
    return rng.normal(size=n), a @ a.T / n + np.eye(n), rng.normal(size=(rows, n))


def tables() -> Iterator[Table]:
    rows = []
    for kind in ("f8", "f4"):
        args = data(kind)
        times = _compared(cr.grad(network, wrt=(0, 1, 2, 3)), by_hand, args, 1e-10 if kind == "f8" else 1e-4)
        rows.append((f"network 784-128-10, 128 rows, {kind}", times))
    for n, count in ((10, 1000), (100, 1000), (500, 500)):
        times = _compared(cr.grad(likelihood, wrt=(0, 1)), likelihood_by_hand, samples(n, count), 1e-8)
        rows.append((f"likelihood of {count} rows of {n}", times))
    yield Table("A gradient", "ms; the ratio is the median of pairs", ["kernel", "by hand", "ratio"], rows)


def _compared(f: Callable[..., Any], g: Callable[..., Any], args: tuple[Any, ...], close: float) -> list[float]:
    for ours, theirs in zip(f(*args), g(*args), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=close * np.abs(theirs).max())
    return _beside(lambda: f(*args), lambda: g(*args))


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
