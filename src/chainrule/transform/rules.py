"""Each op's derivative rule as a small Program, recorded once and spliced ever after.

Running a rule through NumPy's dispatch costs tens of microseconds; writing a finished Program into another, two for
each equation. The entry in the op table stays the only source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var, Where
from ..ops.op import Op
from ..trace.recorder import Recorder, Traced


class Rule(NamedTuple):
    """A rule's Program, and which results it has: an index into its outputs, or None for zero."""

    program: Program
    results: tuple[int | None, ...]


Flags = tuple[bool, ...]


def _scalar(types: tuple[ArrayType, ...]) -> tuple[ArrayType, ...]:
    return tuple([ArrayType((), t.dtype) for t in types])


def pushforward(op: Op, inputs: Sequence[Atom], outputs: Sequence[Var], active: Flags, params: Any) -> Rule:
    """(inputs, outputs, tangents of the active inputs) -> tangents of the outputs."""
    types = tuple([a.type for a in inputs]), tuple([v.type for v in outputs])
    if op.aligned:  # the rule is the same for every shape
        types = _scalar(types[0]), _scalar(types[1])
    return _pushforward(op, *types, active, tuple(params.items()))


def pullback(
    op: Op, inputs: Sequence[Atom], outputs: Sequence[Var], given: Flags, wanted: tuple[int, ...], params: Any
) -> Rule:
    """(inputs, outputs, cotangents of the given outputs) -> cotangents of the wanted inputs."""
    types = tuple([a.type for a in inputs]), tuple([v.type for v in outputs])
    if op.aligned:
        types = _scalar(types[0]), _scalar(types[1])
    return _pullback(op, *types, given, wanted, tuple(params.items()))


@lru_cache(maxsize=8192)
def _pushforward(op: Op, ins: tuple[ArrayType, ...], outs: tuple[ArrayType, ...], active: Flags, params: Any) -> Rule:
    recorder = Recorder(quiet=True)
    xs, ys = [recorder.input(t) for t in ins], [recorder.input(t) for t in outs]
    ts = [recorder.input(t) if a else None for t, a in zip(ins, active, strict=True)]
    found = op.jvp(ts, xs, ys, **dict(params))
    return _rule(recorder, [*xs, *ys, *(t for t in ts if t is not None)], found, outs)


@lru_cache(maxsize=8192)
def _pullback(
    op: Op, ins: tuple[ArrayType, ...], outs: tuple[ArrayType, ...], given: Flags, wanted: tuple[int, ...], params: Any
) -> Rule:
    recorder = Recorder(quiet=True)
    xs, ys = [recorder.input(t) for t in ins], [recorder.input(t) for t in outs]
    gs = [recorder.input(t) if g else None for t, g in zip(outs, given, strict=True)]
    found = op.vjp(gs, xs, ys, wanted, **dict(params))
    return _rule(
        recorder,
        [*xs, *ys, *(g for g in gs if g is not None)],
        [found.get(i) for i in wanted],
        [ins[i] for i in wanted],
    )


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
    wanted = {a for a in outputs if isinstance(a, Var)}
    kept: list[Equation] = []
    for e in reversed(recorder.equations):
        if any(v in wanted for v in e.outputs):
            kept.append(e)
            wanted.update(a for a in e.inputs if isinstance(a, Var))
    variables = tuple(t.atom for t in inputs)
    return Rule(Program(variables, tuple(reversed(kept)), tuple(outputs), "rule"), tuple(results))  # type: ignore[arg-type]


def splice(
    recorder: Recorder, rule: Rule, op: Op, atoms: Sequence[Atom], shape: tuple[int, ...], where: Where | None
) -> list[Atom | None]:
    """Write a rule into a recording; an elementwise rule is recorded for numbers, and takes on `shape` here."""
    program = rule.program
    new: dict[Var, Atom] = dict(zip(program.inputs, atoms, strict=True))
    for e in program.equations:
        inputs = tuple([new[a] if isinstance(a, Var) else a for a in e.inputs])
        if op.aligned:
            if all([isinstance(a, Const) for a in inputs]):
                with np.errstate(all="ignore"):
                    new[e.output] = Const(e.op.evaluate(*[a.value for a in inputs], **e.params))  # type: ignore[union-attr]
                continue
            outputs = tuple([Var(ArrayType(shape, v.type.dtype)) for v in e.outputs])
        else:
            outputs = tuple([Var(v.type) for v in e.outputs])
        copy = Equation(e.op, inputs, outputs, e.params, where)
        recorder.equations.append(copy)
        for old, v in zip(e.outputs, outputs, strict=True):
            new[old] = v
            recorder.producer[v] = copy
    found = [new[a] if isinstance(a, Var) else a for a in program.outputs]
    return [None if i is None else found[i] for i in rule.results]
