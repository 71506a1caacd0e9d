"""From a Program to machine code: which equations have a native form, and the kernel that they become."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Equation, Program, Var
from .cache import Compiled
from .elementwise import has_formula
from .emit import Kernel
from .lanes import KINDS
from .llvm import object_code, target
from .loops import steps_have_a_form
from .lower import lowered
from .schedule import Item, loops_in, scheduled, together

_LONG = 16  # rounds of a loop


def plan(program: Program) -> Compiled:
    """Which equations become native code in which turn, and whether one kernel is the whole Program."""
    found = turns(program)
    atoms = (*program.inputs, *program.outputs)
    empty = any(a.type.size == 0 or a.type.dtype.name not in KINDS for a in atoms)
    return Compiled(b"", {"turns": found, "whole": not empty and [kind for kind, _ in found] == [True]})


def kernel(program: Program) -> Compiled:
    """Machine code, and where in the addresses that it takes the inputs, outputs and constants are."""
    made = _kernel(program)
    places = {what: n for n, (what, _) in enumerate(made.given)}
    constants = {n: what.value for n, (what, b) in enumerate(made.given) if b.role == "constant"}  # type: ignore[attr-defined]
    code = object_code(made.module())
    facts = {
        "inputs": [places[v] for v in program.inputs],
        "outputs": [places[r.source] for r in made.lowered.outputs],
        "constants": list(constants),
        "symbols": sorted(made.text.imported),
        "scratch": made.scratch,
        "places": len(places) + (1 if made.scratch else 0),
    }
    return Compiled(code, facts, tuple(map(np.ascontiguousarray, constants.values())))


def text(program: Program) -> str:
    """The LLVM IR of a Program's kernel."""
    return _kernel(program).module()


def _kernel(program: Program) -> Kernel:
    found = lowered(program)
    classes = together(found)
    items = scheduled(found, classes)
    return Kernel(found, classes, items, _lanes(items), "kernel")


def _lanes(items: Sequence[Item]) -> int:
    """As many as two registers have, where a loop is long: what one waits for, the other has meanwhile."""
    one = target().width
    innermost = [loop.counter.size for loop in loops_in(items) if not any(loops_in(loop.body))]
    return 2 * one if max(innermost, default=0) >= _LONG * one else one


def native(e: Equation) -> bool:
    """Whether an equation has a native form."""
    how = e.op.native
    if how is None or (how.how in ("formula", "function") and not has_formula(e)):
        return False
    if how.how == "routine" and not steps_have_a_form(e):
        return False
    return all(t.dtype.name in KINDS for t in (*(a.type for a in e.inputs), *(v.type for v in e.outputs)))


def turns(program: Program) -> list[tuple[bool, list[int]]]:
    """Numbers of equations in turns of native and other ones, as few turns as there can be."""
    turn: dict[Var, int] = {}
    parts: dict[int, list[int]] = {}
    for n, e in enumerate(program.equations):
        kind = native(e)
        least = 0 if kind else 1
        for a in e.inputs:
            if isinstance(a, Var) and a in turn:
                least = max(least, turn[a] + ((turn[a] % 2 == 0) != kind))
        for v in e.outputs:
            turn[v] = least
        parts.setdefault(least, []).append(n)
    return [(n % 2 == 0, parts[n]) for n in sorted(parts)]
