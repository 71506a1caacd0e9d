"""The step of a loop, differentiated: what moves is found by going round until nothing more begins to move."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Const, Program, Var
from ..ops.control import Body
from ..ops.loops import Flags, reads
from ..ops.op import Value, apply, dtype_of, shape_of
from ..trace.recorder import Recorder, Traced
from .batch import batch
from .forward import forward
from .reverse import reached_from, reverse
from .simplify import simplify
from .smooth import smooth


def body_of(inputs: Sequence[Var], program: Program, outputs: Sequence[Atom], name: str) -> Body:
    """The Body of what is in a Program, with these inputs and outputs."""
    return Body(simplify(Program(tuple(inputs), program.equations, tuple(outputs), name)))


def inlined(program: Program, values: Sequence[Value]) -> list[Any]:
    """The outputs of a Program on values, written where they are."""
    recorder = max([v.recorder for v in values if isinstance(v, Traced)], key=lambda r: r.level, default=None)
    if recorder is not None:
        atoms = [recorder.atom(v) for v in values]
        return [Traced(recorder, a) for a in recorder.splice(program, atoms)]
    known: dict[Atom, Any] = dict(zip(program.inputs, values, strict=True))
    for e in program.equations:
        found = apply(e.op, *[known[a] if isinstance(a, Var) else a.value for a in e.inputs], **e.params)
        known.update(zip(e.outputs, found if len(e.outputs) > 1 else (found,), strict=True))
    return [known[a] if isinstance(a, Var) else a.value for a in program.outputs]


def zeros(v: Atom) -> Const:
    return Const(np.zeros(v.type.shape, v.type.dtype))


def lifted(x: Value, size: int) -> Any:
    """x as rows that are all the same."""
    return np.broadcast_to(x, (size, *shape_of(x)))


def none_as_zero(x: Value | None, like: Value) -> Any:
    return np.zeros(shape_of(like), dtype_of(like)) if x is None else x


def positions(flags: Sequence[bool]) -> tuple[int, ...]:
    return tuple(i for i, flag in enumerate(flags) if flag)


# --- forwards ---------------------------------------------------------------------------------------------------------


class Pushed(NamedTuple):
    """A step of values and tangents: inputs and outputs are those of the step, with tangents after each kind.

    That is: (fixed, their tangents, carries, tangents, xs, tangents) -> (carries, tangents, ys, tangents).
    """

    body: Body
    carries: tuple[int, ...]  # those that move
    rows: tuple[int, ...]  # the ys that move


@lru_cache(maxsize=1024)
def pushed(body: Body, fixed: int, carried: int, moving: Flags) -> Pushed:
    program = smooth(body.program)
    flags, start = list(moving), fixed + carried
    while True:
        wanted = positions(flags)
        found = forward(program, wanted)
        moved = [f or p is not None for f, p in zip(flags[fixed:start], found.present, strict=False)]
        if moved == flags[fixed:start]:
            break
        flags[fixed:start] = moved
    p, n = found.program, len(program.inputs)
    tangent = dict(zip(wanted, p.inputs[n:], strict=True))

    def kind(low: int, high: int) -> list[Var]:
        return [*p.inputs[low:high], *[tangent[i] for i in range(low, high) if flags[i]]]

    carries = tuple(j for j in range(carried) if flags[fixed + j])
    dots: list[Atom] = []
    for j in carries:
        at = found.present[j]
        dots.append(zeros(program.inputs[fixed + j]) if at is None else p.outputs[at])
    places = list(found.present[carried:])
    ys = [*p.outputs[carried : len(program.outputs)], *[p.outputs[at] for at in places if at is not None]]
    inputs = [*kind(0, fixed), *kind(fixed, start), *kind(start, n)]
    step = body_of(inputs, p, [*p.outputs[:carried], *dots, *ys], f"{body.program.name}_forward")
    return Pushed(step, carries, tuple(i for i, at in enumerate(places) if at is not None))


# --- backwards --------------------------------------------------------------------------------------------------------


class Pulled(NamedTuple):
    """A step backwards: (fixed, cotangents of carries, sums, carries, xs, cotangents of ys) -> (cotangents of carries
    before the step, sums, cotangents of xs).

    The sums are the cotangents of what is fixed, added up over the steps.
    """

    body: Body
    carries: tuple[int, ...]  # those that have a cotangent
    sums: tuple[int, ...]
    rows: tuple[int, ...]  # the xs that have a cotangent
    given: tuple[int, ...]  # the ys whose cotangents are read
    stored: tuple[int, ...]  # the carries whose values are read


@lru_cache(maxsize=1024)
def pulled(body: Body, fixed: int, carried: int, given: Flags, wanted: Flags) -> Pulled:
    program = smooth(body.program)
    start = fixed + carried
    moving = [w and v.type.differentiable for w, v in zip(wanted, program.inputs, strict=True)]
    while True:
        active = reached_from(program, positions(moving))
        moved = [
            m or (a in active and v.type.differentiable)
            for m, a, v in zip(moving[fixed:start], program.outputs, program.inputs[fixed:], strict=False)
        ]
        if moved == moving[fixed:start]:
            break
        moving[fixed:start] = moved
    ys = tuple(i for i, a in enumerate(program.outputs[carried:]) if given[carried + i] and a in active)
    seed_of = {i: Var(a.type._replace(weak=False)) for i, a in enumerate(program.outputs) if a.type.differentiable}
    carries = {j for j in range(carried) if given[j] and moving[fixed + j]}
    places = positions(moving)
    while True:
        seeded = carries | {carried + i for i in ys}
        seeds = [seed_of[i] if i in seeded else None for i in range(len(program.outputs))]
        found = reverse(program, places, seeds)
        at = dict(zip(places, found.present, strict=True))
        more = carries | {j for j in range(carried) if at.get(fixed + j) is not None}
        if more == carries:
            break
        carries = more
    p = found.program
    recorder = Recorder(quiet=True)
    recorder.equations = list(p.equations)
    own = tuple(sorted(carries))
    back: list[Atom] = []
    for j in own:
        place = at.get(fixed + j)
        back.append(zeros(seed_of[j]) if place is None else p.outputs[place])
    sums = tuple(i for i in range(fixed) if at.get(i) is not None)
    before = [Var(program.inputs[i].type._replace(weak=False)) for i in sums]
    for i, v in zip(sums, before, strict=True):
        place = at[i]
        assert place is not None
        back.append((Traced(recorder, v) + Traced(recorder, p.outputs[place])).atom)
    rows = tuple(i for i in range(len(program.inputs) - start) if at.get(start + i) is not None)
    for i in rows:
        place = at[start + i]
        assert place is not None
        back.append(p.outputs[place])
    inputs = (
        *program.inputs[:fixed], *[seed_of[j] for j in own], *before, *program.inputs[fixed:],
        *[seed_of[carried + i] for i in ys],
    )  # fmt: skip
    whole = Program(inputs, tuple(recorder.equations), (), "")
    step = body_of(inputs, whole, back, f"{program.name}_reverse")
    first = fixed + len(own) + len(sums)
    stored = positions(reads(step.program)[first : first + carried])
    return Pulled(step, own, sums, rows, ys, stored)


# --- rows -------------------------------------------------------------------------------------------------------------


class Rows(NamedTuple):
    """A step on rows, and which of its inputs and outputs have them."""

    body: Body
    inputs: Flags
    outputs: Flags


def moved(program: Program, inputs: Sequence[bool]) -> Flags:
    """Which outputs change with these inputs, truths and whole numbers too."""
    found: set[Atom] = {v for v, flag in zip(program.inputs, inputs, strict=True) if flag}
    for e in program.equations:
        if not found.isdisjoint(e.inputs):
            found.update(e.outputs)
    return tuple(a in found for a in program.outputs)


@lru_cache(maxsize=1024)
def rows_of(body: Body, fixed: int, carried: int, mapped: Flags, size: int) -> Rows:
    program, flags = body.program, list(mapped)
    while True:
        outputs = moved(program, flags)
        more = [a or b for a, b in zip(flags[fixed : fixed + carried], outputs, strict=False)]
        if more == flags[fixed : fixed + carried]:
            break
        flags[fixed : fixed + carried] = more
    outputs = (*flags[fixed : fixed + carried], *outputs[carried:])
    step = batch(program, flags, size, outputs)
    return Rows(body_of(step.inputs, step, step.outputs, step.name), tuple(flags), outputs)
