"""How `cond` is differentiated and mapped over rows: branch by branch.

In reverse mode the branch that was taken is run again on its way back. Where rows take different branches, both are
computed and the results are selected.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..ir import Atom, Program, Var
from ..ops.control import ALGORITHMS, Body
from ..ops.loops import Flags, cond, picked, reads
from ..ops.op import Tangents, Value, apply
from .batch import batch
from .forward import forward
from .loops import present
from .reverse import reverse
from .smooth import smooth
from .steps import body_of, inlined, moved, positions, zeros
from .while_loops import chosen


class Branches(NamedTuple):
    """Two branches on the same operands, and which of the derivatives either of them has."""

    yes: Body
    no: Body
    there: tuple[int, ...] = ()


@lru_cache(maxsize=512)
def _tidy(yes: Body, no: Body) -> tuple[Body, Body, Flags]:
    read = tuple(a or b for a, b in zip(reads(yes.program), reads(no.program), strict=True))
    one, other = (body_of(picked(b.program.inputs, read), b.program, b.program.outputs, b.program.name)
                  for b in (yes, no))  # fmt: skip
    return one, other, read


def branched(predicate: Value, yes: Body, no: Body, operands: Sequence[Value]) -> list[Any]:
    """The results of the branch that the predicate picks."""
    if not yes.program.outputs:
        return []
    one, other, read = _tidy(yes, no)
    found = apply(cond, predicate, *picked(operands, read), yes=one, no=other)
    return list(found) if isinstance(found, tuple) else [found]


@lru_cache(maxsize=512)
def _pushed(yes: Body, no: Body, moving: Flags) -> Branches:
    """(operands, tangents) -> (results, tangents of those in `there`)."""
    found = [forward(smooth(b.program), positions(moving)) for b in (yes, no)]
    n = len(yes.program.outputs)
    there = tuple(i for i in range(n) if any(f.present[i] is not None for f in found))

    def branch(derived: Any, body: Body) -> Body:
        p, places = derived.program, [derived.present[i] for i in there]
        dots = [zeros(body.program.outputs[i]) if at is None else p.outputs[at]
                for i, at in zip(there, places, strict=True)]  # fmt: skip
        return body_of(p.inputs, p, [*p.outputs[:n], *dots], p.name)

    return Branches(branch(found[0], yes), branch(found[1], no), there)


def _together(tangents: Tangents, inputs: Sequence[Value], *, yes: Body, no: Body) -> tuple[Sequence[Any], Tangents]:
    both = _pushed(yes, no, tuple(t is not None for t in tangents[1:]))
    found = branched(inputs[0], both.yes, both.no, [*inputs[1:], *present(tangents[1:])])
    n = len(yes.program.outputs)
    dots = dict(zip(both.there, found[n:], strict=True))
    return found[:n], [dots.get(i) for i in range(n)]


@lru_cache(maxsize=512)
def _pulled(yes: Body, no: Body, given: Flags, wanted: tuple[int, ...]) -> Branches:
    """(operands, cotangents of the given results) -> cotangents of the operands in `there`."""
    found = []
    for body in (yes, no):
        p = smooth(body.program)
        seeds = [Var(a.type._replace(weak=False)) if g else None for a, g in zip(p.outputs, given, strict=True)]
        found.append((reverse(p, wanted, seeds), present(seeds)))
    there = tuple(i for n, i in enumerate(wanted) if any(f.present[n] is not None for f, _ in found))

    def branch(n: int, body: Body) -> Body:
        derived, seeds = found[n]
        p, at = derived.program, dict(zip(wanted, derived.present, strict=True))
        gs: list[Atom] = []
        for i in there:
            place = at[i]
            gs.append(zeros(body.program.inputs[i]) if place is None else p.outputs[place])
        return body_of([*p.inputs, *seeds], p, gs, f"{body.program.name}_reverse")

    return Branches(branch(0, yes), branch(1, no), there)


def _pullback(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *, yes: Body,
    no: Body,
) -> dict[int, Value | None]:  # fmt: skip
    asked = tuple(i - 1 for i in wanted if i > 0)
    both = _pulled(yes, no, tuple(g is not None for g in cotangents), asked)
    found = dict(zip(both.there, branched(inputs[0], both.yes, both.no, [*inputs[1:], *present(cotangents)]),
                     strict=True))  # fmt: skip
    return {i: found.get(i - 1) for i in wanted}


@lru_cache(maxsize=512)
def _rows_of(yes: Body, no: Body, mapped: Flags, size: int, outputs: Flags) -> tuple[Program, Program]:
    one, other = (batch(b.program, mapped, size, outputs) for b in (yes, no))
    return one, other


def _rows(inputs: Sequence[Value], mapped: Flags, size: int, *, yes: Body, no: Body) -> tuple[Sequence[Any], Flags]:
    predicate, *operands = inputs
    flags = mapped[1:]
    if mapped[0]:
        outputs: Flags = (True,) * len(yes.program.outputs)
        one, other = (inlined(p, operands) for p in _rows_of(yes, no, flags, size, outputs))
        return [chosen(predicate, a, b) for a, b in zip(one, other, strict=True)], outputs
    outputs = tuple(a or b for a, b in zip(moved(yes.program, flags), moved(no.program, flags), strict=True))
    both = _rows_of(yes, no, flags, size, outputs)
    return branched(predicate, Body(both[0]), Body(both[1]), operands), outputs


ALGORITHMS["cond together"], ALGORITHMS["cond rows"] = _together, _rows
ALGORITHMS["cond pullback"] = _pullback
