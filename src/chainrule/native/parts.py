"""Where long programs are cut: stretches of numbers go straight, stretches of arrays into loops of bounded size.

A compiler's time must stay linear in the length of a program. One kernel's does not: so none has more than some hundred
equations of arrays, and what is long and works on numbers has no loops at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..ir import Equation, Var
from ..ops.contraction import Spec, contract
from .scalars import has_scalar_form, only_moves

NUMPY, LOOPS, STRAIGHT = "numpy", "loops", "straight"  # how a stretch of equations runs
Turns = list[tuple[str, list[int]]]  # how, and which equations
LONG = 300  # equations that compute: shorter programs are left to loops, which keep what they make in registers, too
_NUMBERS = 8  # elements of an array, on average, that are worth no loop
_MANY = 64  # … at most
_TURNS = 32  # stretches at most, of one kind and the other in turn: each costs microseconds in a call


def is_straight(equations: Sequence[Equation]) -> bool:
    """Whether long code is best written out: arrays of a few numbers, none that is worth a loop."""
    if len(equations) <= LONG:
        return False
    sizes = [work(e) for e in equations if _computes(e)]
    if len(sizes) <= LONG or max(sizes) > _MANY or sum(sizes) > _NUMBERS * len(sizes):
        return False
    return all([has_scalar_form(e) for e in equations])


def _computes(e: Equation) -> bool:
    """Whether an equation is more than an address."""
    return e.op.aligned or not only_moves(e)


def work(e: Equation) -> int:
    """How many scalar operations an equation is, about."""
    if e.op.aligned:
        return e.outputs[0].type.size
    if e.op is contract:
        spec: Spec = e.params["spec"]
        size = spec.sizes([a.type.shape for a in e.inputs])
        return prod(size[label] for label in {*spec.out, *(label for labels in spec.ins for label in labels)})
    return max([v.type.size for v in e.outputs])


def cut(equations: list[Equation]) -> list[list[Equation]]:
    """Native equations in stretches, each for one kernel."""
    if sum(map(_computes, equations)) <= LONG or is_straight(equations):
        return [equations]
    turns = _turns(equations)
    if len(turns) > _TURNS:  # numbers and arrays wait for each other all the time
        turns = [equations]
    return [part for turn in turns for part in ([turn] if is_straight(turn) else _pieces(turn))]


def _pieces(equations: list[Equation]) -> list[list[Equation]]:
    found: list[list[Equation]] = []
    count = LONG
    for e in equations:
        if count == LONG and (not found or _computes(e)):
            found.append([])
            count = 0
        found[-1].append(e)
        count += _computes(e)
    return found


def _turns(equations: list[Equation]) -> list[list[Equation]]:
    """Numbers and arrays in turn, in as few turns as there can be; what only moves goes with what it moves."""
    turn: dict[Var, int] = {}
    parts: dict[int, list[Equation]] = {}
    for e in equations:
        before = max([turn.get(a, 0) for a in e.inputs if isinstance(a, Var)], default=0)
        if not _computes(e) and any(a in turn for a in e.inputs):
            least = before
        else:
            kind = work(e) > _MANY
            least = before + ((before % 2 == 1) != kind)
        turn.update(dict.fromkeys(e.outputs, least))
        parts.setdefault(least, []).append(e)
    return [parts[n] for n in sorted(parts)]
