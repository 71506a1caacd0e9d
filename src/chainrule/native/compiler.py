"""From a Program to machine code: which equations have a native form, and the kernel that they become."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Const, Equation, Program, Var
from ..ops.control import Body, holds_a_program
from .cache import Compiled
from .elementwise import has_formula
from .emit import Kernel, lanes
from .expand import meaning
from .foreign import Foreign
from .lanes import KINDS
from .llvm import object_code
from .loop_pullback import back_of, slots_of
from .loops import step_of
from .lower import lowered
from .parts import LOOPS, NUMPY, STRAIGHT, Turns, cut, is_straight
from .recompute import arranged
from .straight import straight
from .tiers import Module, joined

LONG_TEXT, HUGE_TEXT = 4_000, 25_000  # lines of a kernel: beyond the first LLVM optimizes little, beyond the second not


def plan(program: Program) -> Compiled:
    """Which equations become native code in which turn, and whether one kernel is the whole Program."""
    found = turns(program)
    whole = len(found) == 1 and found[0][0] != NUMPY
    if whole:
        atoms = (*program.inputs, *program.outputs)
        whole = not any(a.type.size == 0 or a.type.dtype.name not in KINDS for a in atoms)
    return Compiled(b"", {"turns": found, "whole": whole})


def kernel(program: Program) -> Compiled:
    """Machine code, and where in the addresses that it takes the inputs, outputs and constants are."""
    made = _kernel(program)
    places = {what: n for n, (what, _) in enumerate(made.given)}
    constants = {n: what.value for n, (what, b) in enumerate(made.given) if b.role == "constant"}  # type: ignore[attr-defined]
    text = made.module()
    code = object_code(text, _effort(text))
    facts = {
        "inputs": [places[v] for v in program.inputs],
        "outputs": [places[r.source] for r in made.lowered.outputs],
        "zeroed": [places[v] for v in made.lowered.zeroed],
        "constants": list(constants),
        "symbols": sorted(made.text.imported),
        "scratch": made.scratch,
        "threads": len(places) if made.cuts else None,
        "places": len(places) + bool(made.cuts) + bool(made.scratch),
    }
    return Compiled(code, facts, tuple(map(np.ascontiguousarray, constants.values())))


def _effort(text: str) -> int:
    """How hard LLVM may try: what it takes grows faster than the text."""
    lines = text.count("\n")
    return 2 if lines < LONG_TEXT else 1 if lines < HUGE_TEXT else 0


def straight_code(program: Program) -> Compiled:
    """The same, as straight-line code without loops."""
    made = straight(program)
    ins, kept, outs = len(program.inputs), len(made.constants), len(program.outputs)
    facts = {
        "inputs": list(range(ins)),
        "constants": list(range(ins, ins + kept)),
        "outputs": list(range(ins + kept, ins + kept + outs)),
        "scratch": made.scratch,
        "places": ins + kept + outs + (1 if made.scratch else 0),
        "instructions": made.instructions,
    }
    code = joined(made.modules)
    return Compiled(code.code, {**code.facts, **facts}, made.constants)


def modules(program: Program) -> Sequence[Module]:
    """The text of straight-line code."""
    return straight(program).modules


def text(program: Program) -> str:
    """The LLVM IR of a Program's kernel."""
    return _kernel(program).module()


def _kernel(program: Program) -> Kernel:
    found, classes, items = arranged(lowered(program, zeroes=True))
    return Kernel(found, classes, items, lanes(items), "kernel", cut=True)


def native(e: Equation, sure: bool = False) -> bool:
    """Whether an equation has a native form; with `sure`, one that does not ask for NumPy where a proof fails."""
    how = e.op.native
    if how is None or (how.how in ("formula", "function") and not has_formula(e)):
        return False
    if how.how == "routine" and not _steps_have_a_form(e):
        return False
    if how.how == "meaning" and holds_a_program(e) and (sure or not _has_a_meaning(e)):
        return False
    return all(t.dtype.name in KINDS for t in (*(a.type for a in e.inputs), *(v.type for v in e.outputs)))


def _has_a_meaning(e: Equation) -> bool:
    """Whether the Program that it holds can be said by other ops; what is infinite whatever comes never can."""
    if any(isinstance(a, Const) and not np.isfinite(a.value).all() for a in e.inputs):
        return False
    try:
        meaning(e.op, tuple([a.type for a in e.inputs]), tuple(e.params.items()))
    except Foreign:
        return False
    return True


def _steps_have_a_form(e: Equation) -> bool:
    """Whether whatever Programs an equation holds have a native form."""
    bodies = [v for v in e.params.values() if isinstance(v, Body)]
    if "seeded" in e.params:
        bodies.append(back_of(e).body)
        if not slots_of(e):
            return False
    return all(step_of(body) is not None for body in bodies)


def turns(program: Program, sure: bool = False) -> Turns:
    """Numbers of equations in turns of native and other ones, as few turns as there can be; long ones are cut."""
    if is_straight(program.equations):  # looked at first, for this is quick
        return [(STRAIGHT, list(range(len(program.equations))))]
    number = {id(e): n for n, e in enumerate(program.equations)}
    found: Turns = []
    for kind, numbers in _turns(program, sure):
        equations = [program.equations[n] for n in numbers]
        for part in cut(equations) if kind else [equations]:
            how = STRAIGHT if kind and is_straight(part) else LOOPS if kind else NUMPY
            found.append((how, [number[id(e)] for e in part]))
    return found


def _turns(program: Program, sure: bool) -> list[tuple[bool, list[int]]]:
    turn: dict[Var, int] = {}
    parts: dict[int, list[int]] = {}
    for n, e in enumerate(program.equations):
        kind = native(e, sure)
        least = 0 if kind else 1
        for a in e.inputs:
            if isinstance(a, Var) and a in turn:
                least = max(least, turn[a] + ((turn[a] % 2 == 0) != kind))
        for v in e.outputs:
            turn[v] = least
        parts.setdefault(least, []).append(n)
    return [(n % 2 == 0, parts[n]) for n in sorted(parts)]
