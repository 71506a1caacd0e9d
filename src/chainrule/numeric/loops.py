"""How loops and branches are run on NumPy: their Programs are compiled once, and called step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DtypeError
from ..execute import Executable
from ..ir import Program, Var
from ..ops.control import ALGORITHMS, Body
from ..transform.steps import pulled

KEPT = 1 << 20  # bytes of carries that a loop of unknown length keeps before it drops every other
Values = Sequence[Any]


class Runner:
    """A Program for many calls in a row: the values go in as they came out, in the dtypes that are stated."""

    __slots__ = ("exact", "executable", "program", "run")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.executable = Executable(program)
        self.run: Callable[..., tuple[Any, ...]] = self.executable.unguarded
        self.exact = False  # whether the outputs were seen to have their dtypes

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        found = self.run(*values)
        if self.exact:
            return found
        types = [a.type for a in self.program.outputs]
        self.exact = all(y.dtype == t.dtype for y, t in zip(found, types, strict=True))
        return found if self.exact else tuple(np.asarray(y, t.dtype) for y, t in zip(found, types, strict=True))


def runner(body: Body) -> Runner:
    """The one that runs this Body, kept with it."""
    found = body.kept.get("runner")
    if found is None:
        found = body.kept["runner"] = Runner(body.program)
    made: Runner = found
    return made


def _typed(values: Values, inputs: Sequence[Var]) -> list[Any]:
    """The values as a Program takes them: Python numbers become arrays."""
    typed = [x if hasattr(x, "dtype") else np.asarray(x, v.type.dtype) for x, v in zip(values, inputs, strict=True)]
    for x, v in zip(typed, inputs, strict=True):
        if x.dtype != v.type.dtype:
            raise DtypeError(f"a loop's step takes {v.type}, and is given {x.dtype}")
    return typed


def _results(values: Values) -> Any:
    return tuple(values) if len(values) != 1 else values[0]


def _noted(body: Body, compute: Callable[[], Any]) -> Any:
    """What is computed; an error is told on which line of the step it happened."""
    try:
        with np.errstate(all="ignore"):
            return compute()
    except Exception as error:
        runner(body).executable.annotate(error)
        raise


def _scan(*operands: Any, body: Body, fixed: int, carried: int, length: int, backwards: bool, cut: bool) -> Any:
    start, step = fixed + carried, runner(body)
    values = _typed(operands, body.program.inputs)
    constants, carries, xs = values[:fixed], values[fixed:start], values[start:]
    types = [a.type for a in body.program.outputs[carried:]]
    ys = [np.empty((length, *t.shape), t.dtype) for t in types]
    order = range(length - 1, -1, -1) if backwards else range(length)

    def compute() -> Any:
        now: Values = carries
        if not ys:
            for i in order:
                now = step(*constants, *now, *[x[i] for x in xs])
            return _results(now)
        for i in order:
            found = step(*constants, *now, *[x[i] for x in xs])
            now = found[:carried]
            for rows, y in zip(ys, found[carried:], strict=True):
                rows[i] = y
        return _results([*now, *ys])

    return _noted(body, compute)


def _while(*operands: Any, test: Body, body: Body, fixed: int) -> Any:
    goes_on, step = runner(test), runner(body)
    values = _typed(operands, body.program.inputs)
    constants, carries = values[:fixed], values[fixed:]

    def compute() -> Any:
        now: Values = carries
        while goes_on(*constants, *now)[0]:
            now = step(*constants, *now)
        return _results(now)

    return _noted(body, compute)


def _cond(predicate: Any, *operands: Any, yes: Body, no: Body) -> Any:
    taken = yes if predicate else no
    values = _typed(operands, taken.program.inputs)
    return _noted(taken, lambda: _results(runner(taken)(*values)))


def _while_back(
    *operands: Any, test: Body, body: Body, fixed: int, seeded: tuple[int, ...], asked: tuple[int, ...]
) -> Any:
    """Run the loop, keep carries at some steps, and walk back, a segment at a time."""
    p, goes_on, step = body.program, runner(test), runner(body)
    n, carried = len(p.inputs), len(p.outputs)
    values = _typed(operands[:n], p.inputs)
    constants, carries = values[:fixed], values[fixed:]
    back = pulled(body, fixed, carried, tuple(j in seeded for j in range(carried)), tuple(i in asked for i in range(n)))
    pull = runner(back.body)
    gs = dict(zip(seeded, _typed(operands[n:], [p.inputs[fixed + j] for j in seeded]), strict=True))

    def zero(i: int) -> Any:
        return np.zeros(p.inputs[i].type.shape, p.inputs[i].type.dtype)

    def compute() -> Any:
        marks = Marks(carries)
        now: Values = carries
        while goes_on(*constants, *now)[0]:
            now = step(*constants, *now)
            marks.pass_by(now)
        state: Values = [*[gs[j] if j in gs else zero(fixed + j) for j in back.carries], *map(zero, back.sums)]
        for steps, now in marks.segments():
            before = [now]
            for _ in range(steps - 1):
                before.append(step(*constants, *before[-1]))
            while before:
                state = pull(*constants, *state, *before.pop())
        places = [*[fixed + j for j in back.carries], *back.sums]
        found = dict(zip(places, state, strict=True))
        return _results([found[i] if i in found else zero(i) for i in asked])

    return _noted(body, compute)


class Marks:
    """Carries at every so many steps: of a loop of n steps about √n, however long it turns out to be."""

    def __init__(self, carries: Values) -> None:
        self.kept, self.apart, self.steps = [carries], 1, 0
        self.size = sum(np.asarray(c).nbytes for c in carries)

    def pass_by(self, carries: Values) -> None:
        """One more step was done, and these are the carries after it."""
        self.steps += 1
        if self.steps % self.apart == 0:
            self.kept.append(carries)
            if len(self.kept) > 2 * self.apart and len(self.kept) * self.size > KEPT:
                del self.kept[1::2]
                self.apart *= 2

    def segments(self) -> Any:
        """(how many steps, the carries before the first), from the last to the first; each is forgotten once it is
        given."""
        done = self.steps
        while self.kept:
            start = (len(self.kept) - 1) * self.apart
            carries = self.kept.pop()
            if done > start:
                yield done - start, carries
            done = start


ALGORITHMS["scan"], ALGORITHMS["while"], ALGORITHMS["cond"] = _scan, _while, _cond
ALGORITHMS["while back"] = _while_back
