"""From a Python function of very many numbers to a gradient that can be called: what each step takes.

Targets: 10⁵ operations recorded in 2 s, a gradient of them ready in 6 s, 10⁵ instructions compiled in 2 s. Times are
of this process alone (`process_time`), and beside them stands that of a fixed piece of Python, so that tables of a
busy machine can be compared.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.ir import Const, Program
from chainrule.native import llvm
from chainrule.native.run import Stretch
from chainrule.native.straight import straight
from chainrule.native.tiers import Tiered, joined
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

from .timing import Table, seconds


class Case(NamedTuple):
    """A function of a few numbers that does about `ops` operations."""

    name: str
    make: Callable[[int], Callable[[Any], Any]]
    at: Any
    ops: int


def _mixed(ops: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(ops // 7):
            a, b = np.sin(a) * 0.9 + b * x[2], a - 0.1 * b
        return a + b

    return f


def _arithmetic(ops: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        a, b, c = x[0], x[1], x[2]
        for _ in range(ops // 6):
            a, b, c = a * b - 0.5 * c, b + 0.1 * a, a / (1.5 + c)
        return a + b + c

    return f


OPS = 100_000
AT = np.array([0.3, 0.2, 0.5])
CASES = (Case("a sine, arithmetic, reads", _mixed, AT, OPS), Case("arithmetic", _arithmetic, AT, OPS))


class Clock:
    """Adds up what steps take, of this process alone."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, step: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = step()
        self.times.append(time.process_time() - start)
        return found


def calibration() -> float:
    """A fixed piece of Python: 0.1 s on a machine that has nothing else to do."""
    start = time.process_time()
    kept = {}
    for n in range(1_000_000):
        kept[n & 1023] = (n, n + 1)
    return time.process_time() - start


def tables() -> Iterator[Table]:
    """What each step costs, for each operation of the function; then what a call costs."""
    columns = ["record", "reverse", "simplify", "write text", "parse", "compile", "all", "a fixed piece of Python"]
    rows, calls = [], []
    for case in CASES:
        cr.grad(case.make(4000))(case.at)  # rules are recorded, formulas compiled
        f, clock = case.make(case.ops), Clock()
        program = clock(lambda f=f, case=case: cr.trace(f, case.at))
        one = Const(np.ones(()))
        found = clock(lambda p=program, one=one: reverse(p, [0], [one]).program)
        short = clock(lambda p=found: simplify(p))
        code = clock(lambda p=short: straight(p))
        clock(lambda code=code: [llvm.parsed(m.text, 0) for m in code.modules])
        clock(lambda code=code: Tiered(joined(code.modules), lambda: code.modules))
        record, back, simple, text, parse, both = clock.times
        spent = [record, back, simple, text, parse, both - parse, record + back + simple + text + both]
        rows.append((case.name, [*(t * 1e6 / case.ops for t in spent), calibration()]))
        calls.append((case.name, _calls(short, case)))
    yield Table("A gradient of 100,000 operations", "µs for each operation of the function", columns, rows)
    columns = ["instructions", "scratch, kB", "gradient, µs", "ns for an instruction", "compiled with more effort, µs"]
    yield Table("A call of it", "one thread", columns, calls)


def _calls(program: Program, case: Case) -> list[float]:
    run = Stretch(program, straight=True)
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(run.kernel)
    arrays = [case.at, *run.constants.values(), *(np.empty(a.type.shape) for a in program.outputs)]
    arrays.append(np.empty(max(run.scratch, 1), np.uint8))
    given = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    first = seconds(lambda: call(given))
    run.code.improve()  # type: ignore[union-attr]
    second = seconds(lambda: call(given))
    n = straight(program).instructions
    return [n, run.scratch / 1e3, first * 1e6, first * 1e9 / n, second * 1e6]
