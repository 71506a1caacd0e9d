"""Forward mode: a tangent beside every value that moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..ir import Atom, Const, Equation, Program, Var
from ..trace.recorder import Recorder
from .rules import pushforward, splice, together


class Derived(NamedTuple):
    """A Program made by differentiation; its last outputs are derivatives, of which the absent (zero) ones are missing.

    `present[i]` is the index of the i-th derivative among the Program's outputs, or None for zero.
    """

    program: Program
    present: tuple[int | None, ...]


def forward(program: Program, moving: Sequence[int]) -> Derived:
    """(inputs, a tangent for each moving input) -> (outputs, their tangents).

    `present` tells which outputs have a tangent.
    """
    recorder = Recorder(quiet=True)
    tangents = [Var(program.inputs[i].type._replace(weak=False)) for i in moving]
    dot: dict[Atom, Atom] = dict(zip([program.inputs[i] for i in moving], tangents, strict=True))
    new: dict[Atom, Atom] = {}  # what an op that computes value and tangent together has in place of its outputs
    for e in program.equations:
        if new:
            e = Equation(e.op, tuple([new.get(a, a) for a in e.inputs]), e.outputs, e.params, e.where)
        active = tuple([a in dot for a in e.inputs])
        moves = any(active)
        if moves and e.op.together is not None:
            _both(recorder, e, active, dot, new)
            continue
        recorder.equations.append(e)
        if not moves:
            continue
        rule = pushforward(e.op, e.inputs, e.outputs, active, e.params)
        atoms = [*e.inputs, *e.outputs, *[dot[a] for a in e.inputs if a in dot]]
        found = splice(recorder, rule, e.op, atoms, e.outputs[0].type, e.where)
        for v, t in zip(e.outputs, found, strict=True):
            if t is not None and v.type.differentiable:
                dot[v] = spread(recorder, t, v)
    own = [new.get(a, a) for a in program.outputs]
    outputs: list[Atom] = list(own)
    present: list[int | None] = []
    for a in own:
        present.append(len(outputs) if a in dot else None)
        if a in dot:
            outputs.append(dot[a])
    return Derived(
        Program((*program.inputs, *tangents), tuple(recorder.equations), tuple(outputs), f"{program.name}_forward"),
        tuple(present),
    )


def _both(
    recorder: Recorder, e: Equation, active: tuple[bool, ...], dot: dict[Atom, Atom], new: dict[Atom, Atom]
) -> None:
    rule = together(e.op, e.inputs, active, e.params)
    found = splice(
        recorder, rule, e.op, [*e.inputs, *[dot[a] for a in e.inputs if a in dot]], e.outputs[0].type, e.where
    )
    n = len(e.outputs)
    for v, y, t in zip(e.outputs, found[:n], found[n:], strict=True):
        assert y is not None
        new[v] = y
        if isinstance(y, Var) and not y.name:
            y.name = v.name
        if t is not None and v.type.differentiable:
            dot[y] = spread(recorder, t, v)


def spread(recorder: Recorder, t: Atom, like: Atom) -> Atom:
    """A rule may answer with a number for the whole array: give it the array's shape."""
    if isinstance(t, Const) and t.type.shape != like.type.shape:
        return recorder.spread_const(Const(t.value.astype(like.type.dtype)), like.type.shape, None)
    return t
