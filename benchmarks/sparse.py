"""Sparse Jacobians and Hessians: from a function to its pattern and colours, and a call after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr

from .timing import Table, seconds


class Case(NamedTuple):
    """A function, its transformation, and where to take it."""

    name: str
    transform: Callable[..., Any]
    make: Callable[[], Callable[..., Any]]
    at: tuple[Any, ...]


def _broyden() -> Callable[..., Any]:
    def f(x):
        zero = np.zeros(1)
        before, after = np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])
        return (3.0 - 2.0 * x) * x - before - 2.0 * after + 1.0

    return f


def _rosenbrock() -> Callable[..., Any]:
    return lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def _grid() -> Callable[..., Any]:
    def f(u):
        p = np.pad(u, 1)
        return 4 * u - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2] + u**3

    return f


def _blocks() -> Callable[..., Any]:
    """Each row depends on a camera of eight numbers, a point of three, and a weight."""

    def f(cameras, points, weights, seen):
        c, p = cameras[seen[:, 0]], points[seen[:, 1]]
        q = p - c[:, :3] + np.cross(c[:, 3:6], p)
        image = q[:, :2] / (4.0 + q[:, 2:])
        return (image * c[:, 6:7] + c[:, 7:8]) * weights[:, None]

    return f


def _observed(cameras: int, points: int, seen: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    pairs = np.stack([rng.integers(0, cameras, seen), rng.integers(0, points, seen)], axis=1)
    return rng.normal(size=(cameras, 8)), rng.normal(size=(points, 3)), rng.normal(size=seen), pairs


def _three(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    found: Callable[..., Any] = cr.jacobian(f, wrt=(0, 1, 2), **options)
    return found


CASES = (
    Case("Broyden's Jacobian, n = 1000", cr.jacobian, _broyden, (np.linspace(-1, 1, 1000),)),
    Case("Broyden's Jacobian, n = 1e5", cr.jacobian, _broyden, (np.linspace(-1, 1, 100_000),)),
    Case("Rosenbrock's Hessian, n = 1000", cr.hessian, _rosenbrock, (np.linspace(-1, 1, 1000),)),
    Case("Rosenbrock's Hessian, n = 1e5", cr.hessian, _rosenbrock, (np.linspace(-1, 1, 100_000),)),
    Case("grid of 100 x 100, Jacobian", cr.jacobian, _grid, (np.ones((100, 100)),)),
    Case("cameras and points, 1e4 rows", _three, _blocks, _observed(20, 1000, 5000)),
)


def tables() -> Iterator[Table]:
    """Milliseconds; the dense matrix only where it is small."""
    rows = []
    for case in CASES:
        f = case.transform(case.make(), sparse=True)
        dense = case.transform(case.make())
        small = case.at[0].size <= 1000 and len(case.at) == 1
        plain = case.make()
        times = [
            seconds(lambda case=case: case.transform(case.make(), sparse=True)(*case.at), tries=3),
            seconds(lambda f=f, case=case: f(*case.at)),
            seconds(lambda dense=dense, case=case: dense(*case.at), tries=3) if small else None,
            seconds(lambda plain=plain, case=case: plain(*case.at)),
        ]
        rows.append((case.name, [None if t is None else t * 1e3 for t in times]))
    yield Table("Sparse matrices", "ms", ["first call", "a call", "dense", "NumPy value"], rows)
