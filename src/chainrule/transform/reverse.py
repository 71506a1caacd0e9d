"""Reverse mode: walk the equations backwards, adding up cotangents of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var, Where
from ..ops.arithmetic import add, where
from ..trace.collecting import rarely_collecting
from ..trace.recorder import Recorder, Traced
from .forward import Derived, spread
from .rules import Rule, pullback, splice

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
    with rarely_collecting():
        return _reversed(_prepared(program, wanted), wanted, seeds)


def _reversed(program: Program, wanted: Sequence[int], seeds: Sequence[Atom | None] | None) -> Derived:
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
        if isinstance(g, Const):
            g = spread(recorder, g, a)
        old = bar.get(a)
        if old is not None:
            g = _sum(recorder, old, g, a.type._replace(weak=False) if a.type.weak else a.type)
        bar[a] = g

    for output, seed in zip(program.outputs, seeds, strict=True):
        gather(output, seed)
    for e in reversed(program.equations):
        # an output's cotangent is complete once its equation is reached; those of several outputs may be missing
        given = [bar.get(v) for v in e.outputs]
        if given == [None] or all([g is None for g in given]):
            continue
        inputs = tuple([i for i, a in enumerate(e.inputs) if a in active])
        if inputs:
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


def _prepared(program: Program, wanted: Sequence[int]) -> Program:
    """The same Program, where loops keep what the sweep backwards will ask for."""
    if all([e.op.prepared is None for e in program.equations]):
        return program
    active = reached_from(program, wanted)
    recorder = Recorder(quiet=True)
    new: dict[Atom, Atom] = {}
    for e in program.equations:
        inputs = tuple([new.get(a, a) for a in e.inputs])
        if e.op.prepared is None or active.isdisjoint(e.outputs):
            recorder.equations.append(Equation(e.op, inputs, e.outputs, e.params, e.where))
            continue
        start = len(recorder.equations)
        found = e.op.prepared([Traced(recorder, a) for a in inputs], **e.params)
        for made in recorder.equations[start:]:
            made.where = e.where
        for v, y in zip(e.outputs, found, strict=True):
            new[v] = recorder.atom(y)
    outputs = tuple([new.get(a, a) for a in program.outputs])
    return Program(program.inputs, tuple(recorder.equations), outputs, program.name)


def _pull(recorder: Recorder, e: Equation, given: Sequence[Atom | None], wanted: tuple[int, ...]) -> list[Atom | None]:
    """The cotangents of one equation's inputs.

    A cotangent that was selected, `where(c, g, 0)`, is exactly zero where the branch was not taken, whatever the slope
    there. So the selection is moved behind the rule: the infinite slope of log at 0 never meets that zero.
    """
    rule = pullback(e.op, e.inputs, e.outputs, tuple([g is not None for g in given]), wanted, e.params)
    known = [*e.inputs, *e.outputs]
    mask = _mask(recorder, given[0]) if len(given) == 1 and _may_be_selected(recorder, given[0]) else None
    if mask is None or not (e.op.aligned or rule.moves(len(known))):
        atoms = [*known, *[g for g in given if g is not None]]
        return splice(recorder, rule, e.op, atoms, e.outputs[0].type, e.where)
    inner = mask.inner if e.op.aligned else spread(recorder, mask.inner, e.outputs[0])
    found = splice(recorder, rule, e.op, [*known, inner], e.outputs[0].type, e.where)
    masks = [mask] * len(found) if e.op.aligned else _moved(recorder, rule, len(known), mask)
    return [None if g is None else m.select(recorder, g, e.where) for g, m in zip(found, masks, strict=True)]


def _moved(recorder: Recorder, rule: Rule, start: int, mask: _Mask) -> list[_Mask]:
    """The mask where a rule that only moves elements puts each of them."""
    values: list[Atom] = [mask.condition] * (start + 1)
    for op, operands, _, params in rule.steps:
        values += recorder.emit(op, tuple([values[a] for a in operands if isinstance(a, int)]), dict(params), None)
    return [mask._replace(condition=values[a]) if isinstance(a, int) else mask for a in rule.outputs]


class _Mask(NamedTuple):
    """A cotangent that is `inner` where the condition is what it is `when` taken, and `zero` elsewhere."""

    condition: Atom
    when: bool
    inner: Atom
    zero: Atom

    def select(self, recorder: Recorder, g: Atom, place: Where | None = None, zero: Atom | None = None) -> Atom:
        pair = (g, zero or self.zero) if self.when else (zero or self.zero, g)
        return recorder.emit(where, (self.condition, *pair), {}, place)[0]


def _mask(recorder: Recorder, g: Atom | None) -> _Mask | None:
    """Where g was selected against zero, if it was: where all selections agree, if there are several."""
    outer = _selection(recorder, g)
    inner = _mask(recorder, outer.inner) if outer else None
    if outer is None or inner is None:
        return outer
    no = Const(np.asarray(False))
    also = inner.condition if inner.when else inner.select(recorder, Const(np.asarray(True)), zero=no)
    return _Mask(outer.select(recorder, also, zero=no), True, inner.inner, outer.zero)


def _selection(recorder: Recorder, g: Atom | None) -> _Mask | None:
    e = recorder.producer.get(g) if isinstance(g, Var) else None
    if e is None or e.op is not where:
        return None
    condition, yes, no = e.inputs
    if _is_zero(no) and not _is_zero(yes):
        return _Mask(condition, True, yes, no)
    if _is_zero(yes) and not _is_zero(no):
        return _Mask(condition, False, no, yes)
    return None


def _may_be_selected(recorder: Recorder, g: Any) -> bool:
    """A quick look, for most cotangents are not."""
    e = recorder.producer.get(g)
    return e is not None and e.op is where


def _is_zero(a: Atom) -> bool:
    return isinstance(a, Const) and a.type.shape == () and a.is_scalar(0)


def _sum(recorder: Recorder, x: Atom, y: Atom, type: ArrayType) -> Atom:
    """x + y; of two selections, a selection again, so that it can be moved behind the next rule."""
    if not (_may_be_selected(recorder, x) and _may_be_selected(recorder, y)):
        return _add(recorder, x, y, type)
    one, other = _mask(recorder, x), _mask(recorder, y)
    if one is None or other is None:
        return _add(recorder, x, y, type)
    if one.condition is other.condition and one.when is other.when:
        return one.select(recorder, _add(recorder, one.inner, other.inner, type))
    true, false = Const(np.asarray(True)), Const(np.asarray(False))
    either = one.select(recorder, true, zero=other.select(recorder, true, zero=false))
    return recorder.emit(where, (either, _add(recorder, x, y, type), one.zero), {}, None)[0]


def _add(recorder: Recorder, x: Atom, y: Atom, type: ArrayType) -> Atom:
    if isinstance(x, Const) and isinstance(y, Const):
        return Const(x.value + y.value)
    total = Var(type)  # both have the type of the value: no need to ask
    e = Equation(add, (x, y), (total,), _NONE)
    recorder.equations.append(e)
    recorder.producer[total] = e
    return total
