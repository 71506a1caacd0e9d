"""What recording and differentiating cost beyond the arithmetic, on small arrays: there overhead is all there is.

Side by side with autograd, where it is installed: it walks the same road without a recording that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.execute import Executable
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

from .timing import Table, seconds

try:
    import autograd
    import autograd.numpy as anp
except ImportError:
    autograd = anp = None

Make = Callable[[Any], Callable[..., Any]]


class Case(NamedTuple):
    """A function written for any NumPy look-alike, where to take it, and how many ops it does."""

    name: str
    make: Make
    at: tuple[Any, ...]
    ops: int


def _chain(xp: Any) -> Callable[..., Any]:
    def f(x):
        for _ in range(200):
            x = xp.sin(x) * 1.01 + 0.1
        return xp.sum(x)

    return f


def _rosenbrock(xp: Any) -> Callable[..., Any]:
    def f(x):
        return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return f


def _network(xp: Any) -> Callable[..., Any]:
    def f(A, a, B, b, C, c, x, y):
        h = xp.tanh(xp.dot(x, A) + a)
        h = xp.tanh(xp.dot(h, B) + b)
        return xp.mean((xp.dot(h, C) + c - y) ** 2)

    return f


def _layers() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    sizes = [(32, 64), (64,), (64, 64), (64,), (64, 10), (10,), (16, 32), (16, 10)]
    return tuple(rng.normal(size=s) / 8 for s in sizes)


CASES = (
    Case("chain of 600 ops on 1 number", _chain, (0.5,), 601),
    Case("chain of 600 ops on 8 numbers", _chain, (np.linspace(0, 1, 8),), 601),
    Case("Rosenbrock, n = 2", _rosenbrock, (np.array([-1.2, 1.0]),), 11),
    Case("Rosenbrock, n = 1000", _rosenbrock, (np.linspace(-1, 1, 1000),), 11),
    Case("network 32-64-64-10, 16 rows", _network, _layers(), 12),
)


def tables() -> Iterator[Table]:
    """The cost of each step, for each op and for each call."""
    columns = ["record", "gradient built", "NumPy alone", "gradient run", "autograd"]
    rows = []
    for case in CASES:
        f = case.make(np)
        program = cr.trace(f, *case.at)
        run = Executable(simplify(reverse(program, [0], [_one(program)]).program))
        values = [np.asarray(a) for a in case.at]
        times = [
            seconds(lambda case=case: cr.trace(case.make(np), *case.at)),
            seconds(lambda program=program: simplify(reverse(program, [0], [_one(program)]).program)),
            seconds(lambda f=f, case=case: f(*case.at)),
            seconds(lambda run=run, values=values: run(values)),
            _autograd(case),
        ]
        rows.append((case.name, [None if t is None else t * 1e6 / case.ops for t in times]))
    yield Table("Overhead of each op", "µs for each op of the function", columns, rows)

    columns = ["NumPy value", "value and gradient", "hvp", "first call", "autograd gradient"]
    rows = []
    for case in CASES:
        f = case.make(np)
        both, product = cr.value_and_grad(f), cr.hvp(f)
        times = [
            seconds(lambda f=f, case=case: f(*case.at)),
            seconds(lambda both=both, case=case: both(*case.at)),
            seconds(lambda product=product, case=case: product(*case.at, case.at[0])),
            seconds(lambda case=case: cr.value_and_grad(case.make(np))(*case.at)),
            _autograd(case),
        ]
        rows.append((case.name, [None if t is None else t * 1e6 for t in times]))
    yield Table("A call", "µs", columns, rows)


def _one(program: Any) -> Any:
    from chainrule.ir import Const

    return Const(np.ones((), program.outputs[0].type.dtype))


def _autograd(case: Case) -> float | None:
    if autograd is None:
        return None
    gradient = autograd.grad(case.make(anp))
    return seconds(lambda: gradient(*case.at))
