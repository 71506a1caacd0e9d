"""How `while_loop` is differentiated and mapped over rows.

Forward mode is a loop of values and tangents with the same test. In reverse mode nobody knows beforehand how many
carries there will be to keep, so the pullback is an op of its own: (x, ȳ) ↦ F′(x)ᵀ ȳ for the loop F. Its derivatives
are pullbacks again, of the loop P(x, ẋ) = (F(x), F′(x) ẋ) of values and tangents, because second derivatives are
symmetric:

    d/dε F′(x + ε ẋ)ᵀ (ȳ + ε ẏ)   is the pullback of P at (x, ẋ), of the cotangents (ẏ, ȳ), in x
    ⟨w, F′(x)ᵀ ȳ⟩                  has the gradient F′(x) w in ȳ, and in x the pullback of P at (x, w), of (0, ȳ)

So any order follows from one op. The number of steps is taken to be locally constant, as a branch that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Program, Var, without_dead_code
from ..ops.control import ALGORITHMS, Body
from ..ops.loops import Flags, picked, reads, while_loop, while_loop_pullback
from ..ops.op import Tangents, Value, apply
from ..trace.recorder import Recorder, Traced
from .batch import batch
from .loops import present
from .steps import body_of, inlined, lifted, moved, none_as_zero, pulled, pushed, rows_of


class Loop(NamedTuple):
    """A test and a step, and how many of their inputs are fixed."""

    test: Body
    body: Body
    fixed: int

    @property
    def carried(self) -> int:
        return len(self.body.program.outputs)


class Tidy(NamedTuple):
    loop: Loop
    fixed: Flags  # which fixed operands are read
    still: Flags  # which carries never change
    used: Flags  # … which of those are read


@lru_cache(maxsize=1024)
def _tidy(loop: Loop) -> Tidy:
    """The loop without what is fixed and not read; carries that are handed on as they are become fixed."""
    p, t, fixed = loop.body.program, loop.test.program, loop.fixed
    still = tuple(v is a for v, a in zip(p.inputs[fixed:], p.outputs, strict=True))
    if all(still):
        still = (False,) * len(still)
    moving = tuple(not s for s in still)
    outputs = picked(p.outputs, moving)
    small = without_dead_code(Program(p.inputs, p.equations, outputs, p.name))
    read = [a or b for a, b in zip(reads(small), reads(t), strict=True)]
    used = tuple(s and r for s, r in zip(still, read[fixed:], strict=True))

    def inputs(q: Program) -> tuple[Var, ...]:
        carries = q.inputs[fixed:]
        return (*picked(q.inputs[:fixed], read[:fixed]), *picked(carries, used), *picked(carries, moving))

    test, body = body_of(inputs(t), t, t.outputs, t.name), body_of(inputs(p), p, outputs, p.name)
    return Tidy(Loop(test, body, sum(read[:fixed]) + sum(used)), tuple(read[:fixed]), still, used)


def looped(loop: Loop, fixed: Sequence[Value], carries: Sequence[Value]) -> list[Any]:
    """The carries at the end."""
    tidy = _tidy(loop)
    moving = tuple(not s for s in tidy.still)
    constants = (*picked(fixed, tidy.fixed), *picked(carries, tidy.used))
    found = apply(while_loop, *constants, *picked(carries, moving), **tidy.loop._asdict())
    results = iter(found if isinstance(found, tuple) else (found,))
    return [c if s else next(results) for c, s in zip(carries, tidy.still, strict=True)]


def pulled_back(
    loop: Loop, operands: Sequence[Value], cotangents: dict[int, Value], wanted: Sequence[int]
) -> dict[int, Any]:
    """The cotangents of the wanted operands, given those of some carries at the end; what is missing is zero."""
    fixed, given = loop.fixed, tuple(sorted(cotangents))
    flags = [i in wanted for i in range(len(operands))]
    step = pulled(loop.body, fixed, loop.carried, tuple(j in cotangents for j in range(loop.carried)), tuple(flags))
    there = {*step.sums, *[fixed + j for j in step.carries]}
    asked = tuple(i for i in wanted if i in there)
    if not asked or not given:
        return {}
    found = apply(
        while_loop_pullback, *operands, *[cotangents[j] for j in given], **loop._asdict(), seeded=given, asked=asked
    )
    return dict(zip(asked, found if isinstance(found, tuple) else (found,), strict=True))


# --- forwards ---------------------------------------------------------------------------------------------------------


class PushedLoop(NamedTuple):
    """The loop of (fixed, their tangents, carries, tangents)."""

    loop: Loop
    carries: tuple[int, ...]  # those that move


@lru_cache(maxsize=512)
def _pushed(loop: Loop, moving: Flags) -> PushedLoop:
    step, fixed = pushed(loop.body, loop.fixed, loop.carried, moving), loop.fixed
    t, types = loop.test.program, [v.type for v in step.body.program.inputs]
    n = sum(moving[:fixed])
    added = [Var(types[fixed + i]) for i in range(n)], [Var(types[fixed + n + loop.carried + i])
                                                        for i in range(len(step.carries))]  # fmt: skip
    inputs = (*t.inputs[:fixed], *added[0], *t.inputs[fixed:], *added[1])
    return PushedLoop(
        Loop(Body(Program(inputs, t.equations, t.outputs, t.name)), step.body, fixed + n), step.carries
    )  # fmt: skip


def _with_tangents(
    loop: Loop, inputs: Sequence[Value], tangents: Sequence[Value | None]
) -> tuple[PushedLoop, list[Any], list[Any]]:
    """The loop of values and tangents, what is fixed in it, and its carries at the start."""
    both = _pushed(loop, tuple(t is not None for t in tangents))
    fixed, carries = inputs[: loop.fixed], inputs[loop.fixed :]
    dots = [none_as_zero(tangents[loop.fixed + j], carries[j]) for j in both.carries]
    return both, [*fixed, *present(tangents[: loop.fixed])], [*carries, *dots]


def _together(
    tangents: Tangents, inputs: Sequence[Value], *, test: Body, body: Body, fixed: int
) -> tuple[Sequence[Any], Tangents]:
    loop = Loop(test, body, fixed)
    both, constants, start = _with_tangents(loop, inputs, tangents)
    found = looped(both.loop, constants, start)
    dots = dict(zip(both.carries, found[loop.carried :], strict=True))
    return found[: loop.carried], [dots.get(j) for j in range(loop.carried)]


def _pullback(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *, test: Body,
    body: Body, fixed: int,
) -> dict[int, Value | None]:  # fmt: skip
    gs = {j: g for j, g in enumerate(cotangents) if g is not None}
    found = pulled_back(Loop(test, body, fixed), inputs, gs, wanted)
    return {i: found.get(i) for i in wanted}


# --- the pullback, differentiated -------------------------------------------------------------------------------------


def _pulled_in_values(
    loop: Loop, operands: Sequence[Value], moving: Sequence[Value | None], gs: dict[int, Value | None],
    dots: dict[int, Value], wanted: Sequence[int],
) -> dict[int, Any]:  # fmt: skip
    """The pullback of the loop of values and tangents (those in `moving`), in the values: of the cotangents `gs` of the
    tangents at the end, and `dots` of the values."""
    both, constants, start = _with_tangents(loop, operands, moving)
    cotangents: dict[int, Any] = dict(dots)
    cotangents |= {loop.carried + i: gs[j] for i, j in enumerate(both.carries) if gs.get(j) is not None}
    shift = len(constants) - loop.fixed
    place = {i: i if i < loop.fixed else i + shift for i in wanted}
    found = pulled_back(both.loop, [*constants, *start], cotangents, tuple(place.values()))
    return {i: found[at] for i, at in place.items() if at in found}


def _back_pushforward(
    tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], *, seeded: tuple[int, ...],
    asked: tuple[int, ...], **params: Any,
) -> Tangents:  # fmt: skip
    loop = Loop(**params)
    n = loop.fixed + loop.carried
    dots = {j: t for j, t in zip(seeded, tangents[n:], strict=True) if t is not None}
    gs = dict(zip(seeded, inputs[n:], strict=True))
    found = _pulled_in_values(loop, inputs[:n], tangents[:n], gs, dots, asked)
    return [found.get(i) for i in asked]


def _back_pullback(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *,
    seeded: tuple[int, ...], asked: tuple[int, ...], **params: Any,
) -> dict[int, Value | None]:  # fmt: skip
    loop = Loop(**params)
    n = loop.fixed + loop.carried
    ws = dict(zip(asked, cotangents, strict=True))
    moving = [ws.get(i) for i in range(n)]
    gs = dict(zip(seeded, inputs[n:], strict=True))
    back = _pulled_in_values(loop, inputs[:n], moving, gs, {}, [i for i in wanted if i < n])
    if any(i >= n for i in wanted):
        _, dots = _together(moving, inputs[:n], **params)
        back |= {n + at: dots[j] for at, j in enumerate(seeded) if dots[j] is not None}
    return {i: back.get(i) for i in wanted}


# --- rows -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _rows_until_all_are_done(loop: Loop, mapped: Flags, size: int) -> Loop:
    """The loop on rows of carries, with one carry more: which rows go on. What is done stays as it is."""
    p, t, fixed = loop.body.program, loop.test.program, loop.fixed
    flags = (*mapped[:fixed], *(True,) * loop.carried)
    step, test = batch(p, flags, size), batch(t, flags, size)
    recorder = Recorder(quiet=True)
    going = recorder.input(ArrayType((size,), np.dtype(bool)), "going")
    values = [Traced(recorder, v) for v in step.inputs]
    new = inlined(step, values)
    carries = [chosen(going, a, b) for a, b in zip(new, values[fixed:], strict=True)]
    (still,) = inlined(test, [*values[:fixed], *carries])
    both = [c.atom for c in carries]
    inputs = (*step.inputs, going.variable)
    body = body_of(inputs, Program((), tuple(recorder.equations), (), ""), [*both, still.atom], step.name)
    recorder = Recorder(quiet=True)
    given = [recorder.input(v.type, v.name) for v in inputs]
    any_row: Any = np.any(given[-1])
    asked = body_of([g.variable for g in given], Program((), tuple(recorder.equations), (), ""), [any_row.atom], t.name)
    return Loop(asked, body, fixed)


def chosen(rows: Value, a: Value, b: Value) -> Any:
    """a in those rows, b in the others."""
    axes = len(a.shape) - 1
    return np.where(np.reshape(rows, (*rows.shape, *(1,) * axes)) if axes else rows, a, b)


def _first_rows(loop: Loop, mapped: Flags, size: int, values: Sequence[Value]) -> Any:
    """For each row, whether the loop begins."""
    test = batch(loop.test.program, mapped, size)
    return inlined(test, values)[0]


def _rows(
    inputs: Sequence[Value], mapped: Flags, size: int, *, test: Body, body: Body, fixed: int
) -> tuple[Sequence[Any], Flags]:
    loop = Loop(test, body, fixed)
    step = rows_of(body, fixed, loop.carried, mapped, size)
    if not any(moved(test.program, step.inputs)):
        values = [v if h or not need else lifted(v, size) for v, h, need in zip(inputs, mapped, step.inputs,
                                                                                strict=True)]  # fmt: skip
        asked = batch(test.program, step.inputs, size, (False,))
        found = looped(Loop(Body(asked), step.body, fixed), values[:fixed], values[fixed:])
        return found, step.outputs
    flags = (*mapped[:fixed], *(True,) * loop.carried)
    values = [v if h or not need else lifted(v, size) for v, h, need in zip(inputs, mapped, flags, strict=True)]
    going = _first_rows(loop, flags, size, values)
    found = looped(_rows_until_all_are_done(loop, mapped, size), values[:fixed], [*values[fixed:], going])
    return found[: loop.carried], (True,) * loop.carried


def _back_rows(
    inputs: Sequence[Value], mapped: Flags, size: int, *, seeded: tuple[int, ...], asked: tuple[int, ...], **params: Any
) -> tuple[Sequence[Any], Flags]:
    loop = Loop(**params)
    n = loop.fixed + loop.carried
    flags = (*[m or i in asked for i, m in enumerate(mapped[: loop.fixed])], *(True,) * (len(inputs) - loop.fixed))
    values = [v if h or not need else lifted(v, size) for v, h, need in zip(inputs, mapped, flags, strict=True)]
    going = _first_rows(loop, flags[:n], size, values[:n])
    rows = _rows_until_all_are_done(loop, flags[:n], size)
    found = pulled_back(rows, [*values[:n], going], dict(zip(seeded, values[n:], strict=True)), asked)
    outputs = [found[i] if i in found else np.zeros(values[i].shape, values[i].dtype) for i in asked]
    return outputs, (True,) * len(asked)


ALGORITHMS["while together"], ALGORITHMS["while pullback"], ALGORITHMS["while rows"] = _together, _pullback, _rows
ALGORITHMS["while back pushforward"], ALGORITHMS["while back pullback"] = _back_pushforward, _back_pullback
ALGORITHMS["while back rows"] = _back_rows
