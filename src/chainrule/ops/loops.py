"""Loops and branches: ops whose step, condition or branch is a Program.

    scan          (fixed, carries, xs) -> (carries, ys): a step for each row of xs, whose results are the rows of ys
    while_loop    (fixed, carries) -> carries: a step as long as the test of the carries holds
    while_loop_pullback   (fixed, carries, cotangents of some carries) -> cotangents of some operands
    cond          (predicate, operands) -> results: one of two Programs

`fixed` are operands that every step reads. Step, test and branch Programs take their values in the order above. How
they are run is said in `numeric`, how they are differentiated and mapped over rows in `transform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var, without_dead_code
from .arithmetic import add, multiply
from .control import Body, algorithm
from .elementary import sin
from .native import routine
from .notation import call
from .op import OPS, General, register

Flags = tuple[bool, ...]


# --- types ----------------------------------------------------------------------------------------------------------


def _fit(given: Sequence[ArrayType], inputs: Sequence[Var], lead: tuple[int, ...] = ()) -> None:
    """Raise unless operands are what a Program takes (each step, of rows)."""
    for t, v in zip(given, inputs, strict=True):
        if t.shape != lead + v.type.shape:
            raise ShapeError(f"a loop's step takes {v.type}, and is given $0", operands=(t,))
        if t.dtype != v.type.dtype:
            raise DtypeError(f"a loop's step takes {v.type}, and is given $0", operands=(t,))


def _strong(atoms: Sequence[Atom]) -> tuple[ArrayType, ...]:
    return tuple(ArrayType(a.type.shape, a.type.dtype) for a in atoms)


def _scan_types(
    *types: ArrayType, body: Body, fixed: int, carried: int, length: int, backwards: bool, cut: bool
) -> tuple[ArrayType, ...]:
    p, start = body.program, fixed + carried
    _fit(types[:start], p.inputs[:start])
    _fit(types[start:], p.inputs[start:], (length,))
    rows = _strong(p.outputs[carried:])
    return (*_strong(p.outputs[:carried]), *(ArrayType((length, *t.shape), t.dtype) for t in rows))


def _while_types(*types: ArrayType, test: Body, body: Body, fixed: int) -> tuple[ArrayType, ...]:
    _fit(types, body.program.inputs)
    return _strong(body.program.outputs)


def _while_pullback_types(
    *types: ArrayType, test: Body, body: Body, fixed: int, seeded: tuple[int, ...], asked: tuple[int, ...]
) -> tuple[ArrayType, ...]:
    p = body.program
    _fit(types[: len(p.inputs)], p.inputs)
    _fit(types[len(p.inputs) :], [p.inputs[fixed + j] for j in seeded])
    return _strong([p.inputs[i] for i in asked])


def _cond_types(predicate: ArrayType, *types: ArrayType, yes: Body, no: Body) -> tuple[ArrayType, ...]:
    if predicate.shape or predicate.dtype.kind != "b":
        raise DtypeError("a condition is one truth, not $0", operands=(predicate,))
    _fit(types, yes.program.inputs)
    return _strong(yes.program.outputs)


# --- only what is read ------------------------------------------------------------------------------------------------


def reads(program: Program) -> Flags:
    """Which inputs a Program reads, those that it hands out included."""
    used = {a for e in program.equations for a in e.inputs} | set(program.outputs)
    return tuple(v in used for v in program.inputs)


def _with(program: Program, inputs: Sequence[Var], outputs: Sequence[Atom]) -> Program:
    return without_dead_code(Program(tuple(inputs), program.equations, tuple(outputs), program.name))


def picked(values: Sequence[Any], flags: Sequence[bool]) -> tuple[Any, ...]:
    return tuple(v for v, keep in zip(values, flags, strict=True) if keep)


def _needed_carries(program: Program, fixed: int, wanted: Flags, others: Sequence[Atom] = ()) -> Flags:
    """The wanted carries, and those from which they, or `others`, are computed."""
    flags = list(wanted)
    while True:
        outputs = [*picked(program.outputs[: len(flags)], flags), *others]
        read = reads(_with(program, program.inputs, outputs))[fixed : fixed + len(flags)]
        more = [a or b for a, b in zip(flags, read, strict=True)]
        if more == flags:
            return tuple(flags)
        flags = more


@lru_cache(maxsize=1024)
def _trimmed_scan(body: Body, fixed: int, carried: int, wanted: Flags) -> tuple[Body, Flags, Flags]:
    """A step for the wanted results; the operands that it takes, and the results that it has."""
    p = body.program
    rows = picked(p.outputs[carried:], wanted[carried:])
    carries = _needed_carries(p, fixed, wanted[:carried], rows)
    small = _with(p, p.inputs, (*picked(p.outputs[:carried], carries), *rows))
    read = reads(small)
    operands = (*read[:fixed], *carries, *read[fixed + carried :])
    small = Program(picked(p.inputs, operands), small.equations, small.outputs, p.name)
    return Body(small, body.derived), operands, (*carries, *wanted[carried:])


def _trim_scan(e: Equation, wanted: Flags) -> Equation:
    fixed, carried = e.params["fixed"], e.params["carried"]
    body, operands, results = _trimmed_scan(e.params["body"], fixed, carried, wanted)
    if all(operands) and all(results):
        return e
    params = {
        **e.params, "body": body, "fixed": sum(operands[:fixed]), "carried": sum(results[:carried])
    }  # fmt: skip
    return Equation(e.op, picked(e.inputs, operands), picked(e.outputs, results), params, e.where)


@lru_cache(maxsize=1024)
def _trimmed_while(test: Body, body: Body, fixed: int, wanted: Flags) -> tuple[Body, Body, Flags, Flags]:
    p, t = body.program, test.program
    asked = tuple(a or b for a, b in zip(wanted, reads(t)[fixed:], strict=True))
    carries = _needed_carries(p, fixed, asked)
    small = _with(p, p.inputs, picked(p.outputs, carries))
    read = [a or b for a, b in zip(reads(small), reads(t), strict=True)]
    operands = (*read[:fixed], *carries)
    step = Program(picked(p.inputs, operands), small.equations, small.outputs, p.name)
    return Body(Program(picked(t.inputs, operands), t.equations, t.outputs, t.name)), Body(step), operands, carries


def _trim_while(e: Equation, wanted: Flags) -> Equation:
    fixed = e.params["fixed"]
    test, body, operands, results = _trimmed_while(e.params["test"], e.params["body"], fixed, wanted)
    if all(operands) and all(results):
        return e
    params = {"test": test, "body": body, "fixed": sum(operands[:fixed])}
    return Equation(e.op, picked(e.inputs, operands), picked(e.outputs, results), params, e.where)


def _trim_while_pullback(e: Equation, wanted: Flags) -> Equation:
    if all(wanted):
        return e
    params = {**e.params, "asked": picked(e.params["asked"], wanted)}
    return Equation(e.op, e.inputs, picked(e.outputs, wanted), params, e.where)


@lru_cache(maxsize=1024)
def _trimmed_cond(yes: Body, no: Body, wanted: Flags) -> tuple[Body, Body, Flags]:
    branches = [_with(b.program, b.program.inputs, picked(b.program.outputs, wanted)) for b in (yes, no)]
    read = tuple(a or b for a, b in zip(*map(reads, branches), strict=True))
    one, other = (Body(Program(picked(p.inputs, read), p.equations, p.outputs, p.name)) for p in branches)
    return one, other, read


def _trim_cond(e: Equation, wanted: Flags) -> Equation:
    yes, no, read = _trimmed_cond(e.params["yes"], e.params["no"], wanted)
    if all(wanted) and all(read):
        return e
    inputs = (e.inputs[0], *picked(e.inputs[1:], read))
    return Equation(e.op, inputs, picked(e.outputs, wanted), {"yes": yes, "no": no}, e.where)


# --- examples ---------------------------------------------------------------------------------------------------------

_TRUTH = np.dtype(bool)


def _step() -> tuple[Var, Var, list[Equation], Var]:
    """sin(w c), as equations."""
    w, c, product, y = (Var(ArrayType(), name) for name in ("w", "c", "", ""))
    return w, c, [Equation(multiply, (w, c), (product,), {}), Equation(sin, (product,), (y,), {})], y


def _scan_examples(rng: np.random.Generator) -> list[Any]:
    """c ← sin(w c) + x, with y = c x."""
    w, c, equations, turned = _step()
    x, total, y = (Var(ArrayType(), name) for name in ("x", "", ""))
    equations += [Equation(add, (turned, x), (total,), {}), Equation(multiply, (c, x), (y,), {})]
    body = Body(Program((w, c, x), tuple(equations), (total, y), "step"))
    args = (rng.uniform(0.5, 1.5), rng.uniform(0.2, 1), rng.uniform(0.2, 1, 4))
    params = {"body": body, "fixed": 1, "carried": 1, "length": 4, "cut": True}
    return [(args, {**params, "backwards": backwards}) for backwards in (False, True)]


def _loop() -> dict[str, Any]:
    """While c < 6: c ← c + sin(w c) + 3/2, which ends whatever w and c are."""
    w, c, equations, turned = _step()
    ahead, total, less_than = Var(ArrayType()), Var(ArrayType()), Var(ArrayType((), _TRUTH))
    equations.append(Equation(add, (turned, Const(np.asarray(1.5))), (ahead,), {}))
    equations.append(Equation(add, (c, ahead), (total,), {}))
    body = Program((w, c), tuple(equations), (total,), "step")
    w, c = Var(ArrayType(), "w"), Var(ArrayType(), "c")
    below = Equation(OPS["less"], (c, Const(np.asarray(6.0))), (less_than,), {})
    return {"test": Body(Program((w, c), (below,), (less_than,), "test")), "body": Body(body), "fixed": 1}


def _while_examples(rng: np.random.Generator) -> list[Any]:
    return [((rng.uniform(0.5, 0.6), rng.uniform(0.3, 0.4)), _loop())]


def _while_pullback_examples(rng: np.random.Generator) -> list[Any]:
    args = (rng.uniform(0.5, 0.6), rng.uniform(0.3, 0.4), rng.uniform(0.5, 1))
    return [(args, {**_loop(), "seeded": (0,), "asked": (0, 1)})]


def _cond_examples(rng: np.random.Generator) -> list[Any]:
    w, c, equations, y = _step()
    a, b, z = (Var(ArrayType(), name) for name in ("w", "c", ""))
    yes = Body(Program((w, c), tuple(equations), (y,), "yes"))
    no = Body(Program((a, b), (Equation(multiply, (a, b), (z,), {}),), (z,), "no"))
    args = (rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5))
    return [((np.asarray(p), *args), {"yes": yes, "no": no}) for p in (True, False)]


# --- entries ----------------------------------------------------------------------------------------------------------

scan = General(
    "scan", algorithm("scan"), _scan_types, pullback=algorithm("scan pullback"),
    results=lambda body, **rest: len(body.program.outputs), together=algorithm("scan together"),
    prepared=algorithm("scan prepared"), rows=algorithm("scan rows"), trimmed=_trim_scan,
    notation=call("scan"), native=routine("scan"), rule="chain rule, step by step",
    cost=lambda *types, body, length, **rest: length * body.flops(), examples=_scan_examples,
)  # fmt: skip
while_loop = General(
    "while_loop", algorithm("while"), _while_types, pullback=algorithm("while pullback"),
    results=lambda body, **rest: len(body.program.outputs), together=algorithm("while together"),
    rows=algorithm("while rows"), trimmed=_trim_while, notation=call("while_loop"), native=routine("while_loop"),
    rule="chain rule, step by step",
    cost=lambda *types, test, body, fixed: test.flops() + body.flops(), unbounded=True, examples=_while_examples,
)  # fmt: skip
while_loop_pullback = General(
    "while_loop_pullback", algorithm("while back"), _while_pullback_types, algorithm("while back pushforward"),
    algorithm("while back pullback"), results=lambda asked, **rest: len(asked), rows=algorithm("while back rows"),
    trimmed=_trim_while_pullback, notation=call("while_loop_pullback"),
    native=routine("while_loop_pullback"), rule="chain rule, step by step",
    cost=lambda *types, test, body, **rest: test.flops() + 4 * body.flops(), unbounded=True,
    examples=_while_pullback_examples,
)  # fmt: skip
cond = General(
    "cond", algorithm("cond"), _cond_types, pullback=algorithm("cond pullback"),
    results=lambda yes, no: len(yes.program.outputs), together=algorithm("cond together"), rows=algorithm("cond rows"),
    trimmed=_trim_cond, notation=call("cond"), native=routine("cond"), rule="cases",
    cost=lambda *types, yes, no: max(yes.flops(), no.flops()), examples=_cond_examples,
)  # fmt: skip
for _op in (scan, while_loop, while_loop_pullback, cond):
    register(_op)
