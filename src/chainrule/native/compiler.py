"""From a Program to machine code: which equations have a native form, and the kernel that they become."""

from __future__ import annotations

from math import prod

import numpy as np

from ..ir import Equation, Program, Var
from ..ops.arithmetic import convert
from ..ops.contraction import Spec, contract
from .cache import Compiled
from .elementwise import FORMULA_OF
from .emit import KINDS, Kernel
from .llvm import object_code, target
from .lower import Foreign, lowered
from .schedule import scheduled, together

_SMALL = 64  # entries at most of a matrix that is multiplied in our own loops


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
    facts = {
        "inputs": [places[v] for v in program.inputs],
        "outputs": [places[r.source] for r in made.lowered.outputs],
        "constants": list(constants),
        "scratch": made.scratch,
        "places": len(places) + (1 if made.scratch else 0),
    }
    return Compiled(object_code(made.module()), facts, tuple(map(np.ascontiguousarray, constants.values())))


def text(program: Program) -> str:
    """The LLVM IR of a Program's kernel."""
    return _kernel(program).module()


def _kernel(program: Program) -> Kernel:
    found = lowered(program)
    classes = together(found)
    return Kernel(found, classes, scheduled(found, classes), target().width, "kernel")


def native(e: Equation) -> bool:
    """Whether an equation has a native form."""
    types = [*(a.type for a in e.inputs), *(v.type for v in e.outputs)]
    if e.op.aligned and e.op not in FORMULA_OF and e.op is not convert:
        return False
    if any(t.dtype.name not in KINDS or prod(t.shape) == 0 for t in types):
        return False
    if e.op is contract and large_product(e):
        return False
    out = e.outputs[0]
    try:
        lowered(Program(tuple({a: None for a in e.inputs if isinstance(a, Var)}), (e,), (out,)))
    except Foreign:
        return False
    return True


def large_product(e: Equation) -> bool:
    """Whether a contraction is a matrix product that BLAS does better."""
    spec: Spec = e.params["spec"]
    if len(spec.ins) < 2:
        return False
    size = spec.sizes([a.type.shape for a in e.inputs])
    left, right = set(spec.ins[0]), set(spec.ins[1])
    summed = prod(size[k] for k in (left & right) - set(spec.out))
    rows = prod(size[k] for k in (left - right) & set(spec.out))
    columns = prod(size[k] for k in (right - left) & set(spec.out))
    return summed > 1 and min(rows, columns) > 1 and summed * min(rows, columns) > _SMALL


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
