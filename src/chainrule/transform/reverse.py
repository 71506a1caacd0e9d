"""Reverse mode: walk the equations backwards, adding up cotangents of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.arithmetic import add, where
from ..trace.recorder import Recorder
from .forward import Derived, spread
from .rules import pullback, splice

_NONE: dict[str, Any] = {}


def reached_from(program: Program, wanted: Sequence[int]) -> set[Var]:
    """The values that move when the wanted inputs do: nothing is computed for data nobody asked about."""
    active = {program.inputs[i] for i in wanted if program.inputs[i].type.differentiable}
    for e in program.equations:
        if not active.isdisjoint(e.inputs):
            active.update([v for v in e.outputs if v.type.differentiable])
    return active


def reverse(program: Program, wanted: Sequence[int], seeds: Sequence[Atom | None] | None = None) -> Derived:
    """(inputs, a cotangent for each output) -> (outputs, cotangents of the wanted inputs).

    With `seeds`, those are the cotangents, and the new Program has no inputs for them. An output that is not
    floating takes none.
    """
    recorder = Recorder(quiet=True)
    recorder.equations = list(program.equations)
    active = reached_from(program, wanted)
    extra: list[Var] = []
    if seeds is None:
        extra = [Var(a.type._replace(weak=False)) for a in program.outputs if a.type.differentiable]
        fresh = iter(extra)
        seeds = [next(fresh) if a.type.differentiable else None for a in program.outputs]
    bar: dict[Atom, Atom] = {}

    def gather(a: Atom, g: Atom | None) -> None:
        if g is None or a not in active:
            return
        g = spread(recorder, g, a)
        old = bar.get(a)
        if old is not None:  # both have the type of `a`: no need to ask
            total = Var(a.type._replace(weak=False) if a.type.weak else a.type)
            e = Equation(add, (old, g), (total,), _NONE)
            recorder.equations.append(e)
            recorder.producer[total] = e
            g = total
        bar[a] = g

    for output, seed in zip(program.outputs, seeds, strict=True):
        gather(output, seed)
    for e in reversed(program.equations):
        if not any(v in bar for v in e.outputs):
            continue
        # an output's cotangent is complete once its equation is reached; those of several outputs may be missing
        given = [bar.get(v) for v in e.outputs]
        inputs = tuple([i for i, a in enumerate(e.inputs) if a in active])
        if not inputs:
            continue
        for i, g in zip(inputs, _pull(recorder, e, given, inputs), strict=True):
            gather(e.inputs[i], g)
    outputs: list[Atom] = list(program.outputs)
    present: list[int | None] = []
    for i in wanted:
        g = bar.get(program.inputs[i])
        present.append(None if g is None else len(outputs))
        if g is not None:
            outputs.append(g)
    return Derived(
        Program((*program.inputs, *extra), tuple(recorder.equations), tuple(outputs), f"{program.name}_reverse"),
        tuple(present),
    )


def _pull(recorder: Recorder, e: Equation, given: Sequence[Atom | None], wanted: tuple[int, ...]) -> list[Atom | None]:
    """The cotangents of one equation's inputs.

    A cotangent that was selected, `where(c, g, 0)`, is exactly zero where the branch was not taken, whatever the slope
    there. So the selection is moved behind the rule: the infinite slope of log at 0 never meets that zero.
    """
    mask = _selection(recorder, given[0]) if e.op.aligned else None
    if mask is not None:
        given = [mask[2] if mask[3] else mask[1]]
    rule = pullback(e.op, e.inputs, e.outputs, tuple([g is not None for g in given]), wanted, e.params)
    atoms = [*e.inputs, *e.outputs, *[g for g in given if g is not None]]
    found = splice(recorder, rule, e.op, atoms, e.outputs[0].type, e.where)
    if mask is None:
        return found
    condition, yes, no, side = mask
    selected: list[Atom | None] = []
    for g in found:
        if g is not None:
            pair = (g, no) if side == 0 else (yes, g)
            (g,) = recorder.emit(where, (condition, *pair), {}, e.where)
        selected.append(g)
    return selected


def _selection(recorder: Recorder, g: Atom | None) -> tuple[Atom, Atom, Atom, int] | None:
    """(condition, yes, no, which of them is not zero) if g was selected against zero."""
    e = recorder.producer.get(g) if isinstance(g, Var) else None
    if e is None or e.op is not where:
        return None
    condition, yes, no = e.inputs
    if isinstance(no, Const) and no.is_scalar(0) and no.type.shape == () and isinstance(yes, Var):
        return condition, yes, no, 0
    if isinstance(yes, Const) and yes.is_scalar(0) and yes.type.shape == () and isinstance(no, Var):
        return condition, yes, no, 1
    return None
