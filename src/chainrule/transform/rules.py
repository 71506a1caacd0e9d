"""Each op's derivative rule as a small Program, recorded once and spliced ever after.

Running a rule through NumPy's dispatch costs tens of microseconds; writing a finished Program into another, two for
each equation. The entry in the op table stays the only source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var, Where, without_dead_code
from ..ops.op import Op
from ..trace.recorder import Recorder, Traced


class Rule:
    """A rule's Program, which results it has (None: zero), and the Program again in the form that splices fast.

    `steps` numbers the values: inputs first, then results in order; an operand is a number, or a Const.
    """

    __slots__ = ("outputs", "program", "results", "steps")

    def __init__(self, program: Program, results: tuple[int | None, ...]) -> None:
        self.program = program
        self.results = results
        number: dict[Var, int] = {v: i for i, v in enumerate(program.variables)}

        def name(a: Atom) -> int | Const:
            return number[a] if isinstance(a, Var) else a

        self.steps = [
            (e.op, [name(a) for a in e.inputs], [v.type for v in e.outputs], e.params) for e in program.equations
        ]
        self.outputs = [None if i is None else name(program.outputs[i]) for i in results]

    def moves(self, start: int) -> bool:
        """Whether all it does is to move elements of its inputs from number `start` on."""
        return all(
            op.only_moves(**params) and all([isinstance(a, int) and a >= start for a in operands])
            for op, operands, _, params in self.steps
        )


Flags = tuple[bool, ...]
Types = tuple[ArrayType, ...]


def _types(op: Op, inputs: Sequence[Atom], outputs: Sequence[Var]) -> Any:
    """What a rule depends on: of an elementwise op, only the dtypes."""
    if op.aligned:
        return tuple([a.type.dtype for a in inputs]), tuple([v.type.dtype for v in outputs])
    return tuple([a.type for a in inputs]), tuple([v.type for v in outputs])


def _full(op: Op, types: Sequence[Any]) -> Types:
    return tuple([ArrayType((), t) for t in types]) if op.aligned else tuple(types)


def pushforward(op: Op, inputs: Sequence[Atom], outputs: Sequence[Var], active: Flags, params: Any) -> Rule:
    """(inputs, outputs, tangents of the active inputs) -> tangents of the outputs."""
    return _pushforward(op, *_types(op, inputs, outputs), active, tuple(params.items()))


def pullback(
    op: Op, inputs: Sequence[Atom], outputs: Sequence[Var], given: Flags, wanted: tuple[int, ...], params: Any
) -> Rule:
    """(inputs, outputs, cotangents of the given outputs) -> cotangents of the wanted inputs."""
    return _pullback(op, *_types(op, inputs, outputs), given, wanted, tuple(params.items()))


def together(op: Op, inputs: Sequence[Atom], active: Flags, params: Any) -> Rule:
    """(inputs, tangents of the active inputs) -> outputs, then their tangents: of an op that computes both at once."""
    return _together(op, tuple([a.type for a in inputs]), active, tuple(params.items()))


@lru_cache(maxsize=1024)
def _together(op: Op, ins: Types, active: Flags, params: Any) -> Rule:
    assert op.together is not None
    recorder = Recorder(quiet=True)
    xs = [recorder.input(t) for t in ins]
    ts = [recorder.input(t._replace(weak=False)) if a else None for t, a in zip(ins, active, strict=True)]
    outputs, tangents = op.together(ts, xs, **dict(params))
    types = op.types(*ins, **dict(params))
    return _rule(recorder, [*xs, *(t for t in ts if t is not None)], [*outputs, *tangents], [*types, *types])


@lru_cache(maxsize=8192)
def _pushforward(op: Op, ins: Any, outs: Any, active: Flags, params: Any) -> Rule:
    recorder = Recorder(quiet=True)
    ins, outs = _full(op, ins), _full(op, outs)
    xs, ys = [recorder.input(t) for t in ins], [recorder.input(t) for t in outs]
    ts = [recorder.input(t) if a else None for t, a in zip(ins, active, strict=True)]
    found = op.jvp(ts, xs, ys, **dict(params))
    return _rule(recorder, [*xs, *ys, *(t for t in ts if t is not None)], found, outs)


@lru_cache(maxsize=8192)
def _pullback(op: Op, ins: Any, outs: Any, given: Flags, wanted: tuple[int, ...], params: Any) -> Rule:
    recorder = Recorder(quiet=True)
    ins, outs = _full(op, ins), _full(op, outs)
    xs, ys = [recorder.input(t) for t in ins], [recorder.input(t) for t in outs]
    gs = [recorder.input(t) if g else None for t, g in zip(outs, given, strict=True)]
    found = op.vjp(gs, xs, ys, wanted, **dict(params))
    inputs = [*xs, *ys, *(g for g in gs if g is not None)]
    return _rule(recorder, inputs, [found.get(i) for i in wanted], [ins[i] for i in wanted])


def _rule(recorder: Recorder, inputs: Sequence[Traced], found: Sequence[Any], types: Sequence[ArrayType]) -> Rule:
    outputs: list[Atom] = []
    results: list[int | None] = []
    for value, type_ in zip(found, types, strict=True):
        atom = None if value is None else recorder.atom(value)
        if atom is not None and not isinstance(atom, (Var, Const)):
            atom = Const(np.asarray(atom, type_.dtype))
        results.append(None if atom is None else len(outputs))
        if atom is not None:
            outputs.append(atom)
    recorder.open = False
    variables = tuple([t.atom for t in inputs])
    program = Program(variables, tuple(recorder.equations), tuple(outputs), "rule")  # type: ignore[arg-type]
    return Rule(without_dead_code(program), tuple(results))


def splice(
    recorder: Recorder, rule: Rule, op: Op, atoms: Sequence[Atom], like: ArrayType, where: Where | None
) -> list[Atom | None]:
    """Write a rule into a recording; an elementwise rule is recorded for numbers, and takes on the shape of `like`."""
    values: list[Atom] = list(atoms)
    aligned, shape, dtype = op.aligned, like.shape, like.dtype
    plain = like._replace(weak=False) if like.weak else like
    constants = aligned and any([isinstance(a, Const) for a in atoms])
    equations, producer = recorder.equations, recorder.producer
    for step_op, operands, types, params in rule.steps:
        inputs = tuple([values[a] if isinstance(a, int) else a for a in operands])
        if constants:
            known = [a.value for a in inputs if isinstance(a, Const)]
            if len(known) == len(inputs):
                with np.errstate(all="ignore"):
                    values.append(Const(step_op.evaluate(*known, **params)))
                continue
        if aligned:
            t = types[0]
            v = Var(plain if t.dtype is dtype else ArrayType(shape, t.dtype))
            producer[v] = equation = Equation(step_op, inputs, (v,), params, where)
            values.append(v)
        else:
            outputs = tuple([Var(t) for t in types])
            equation = Equation(step_op, inputs, outputs, params, where)
            values += outputs
            producer.update(dict.fromkeys(outputs, equation))
        equations.append(equation)
    return [None if a is None else values[a] if isinstance(a, int) else a for a in rule.outputs]
