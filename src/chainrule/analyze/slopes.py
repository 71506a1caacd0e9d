"""Where slopes may be infinite, and at which steps of a loop they are multiplied by anything.

√x has an infinite slope at 0. Where nothing moves it, or nothing asks for it, a Program of steps written out never
computes that slope. A loop has one step for all: there what does not move moves by 0, and 0 · ∞ is NaN. So a loop is
as good as its steps only if every steep slope of its step has something to pass on at each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Var
from ..ops.enclosures import Enclosure
from ..ops.op import Elementwise, General
from ..trace.recorder import Traced
from ..transform.reroll import Loop
from ..transform.rules import pushforward
from .bounds import enclosed, of_constant, read, slope

_PART, _MOST = 4, 32  # of the steps at most one in so many is written out, and so many in all
_FAR = 100.0  # what has poles has one nearer than that to the finite end of an interval without another, or to 0
_MANY = 1 << 12  # elements: of a larger array nothing is worked out
_ANYTHING = Enclosure(np.asarray(-inf), np.asarray(inf))


def uneven_ends(loop: Loop) -> tuple[int, int] | None:
    """How many steps at the beginning and at the end have other slopes to pass on; None if they are too many."""
    passes = _passes(loop)
    if not any(p.steep for row in passes for p in row):
        return 0, 0
    most = min(_MOST, loop.steps // _PART)
    backward = _Backward(loop, passes)
    always, first, last, cut = backward.always(most), 0, 0, 0
    for n, steps in enumerate(map(sorted, loop.results)):
        here, earlier = backward.asked_by(n, most)
        if len(steps) == loop.steps or always.issuperset(here.union(*earlier)):
            continue
        if here <= earlier[0] and all(e == earlier[0] for e in earlier):  # a read asks for it of all steps before, too
            last = max(last, loop.steps - 1 - steps[-1] + (here != earlier[0]))
        elif steps[-1] - steps[0] + 1 == len(steps):  # what only this result asks for, it has to ask for of every step
            first, cut = max(first, steps[0]), max(cut, loop.steps - 1 - steps[-1])
            backward.read_of_all(n)
        else:
            return None
    entering, leaving = _until_alike(_Forward(loop, passes), most), _until_alike(backward, most)
    if entering is None or leaving is None:
        return None
    first, last = max(first, entering), max(last, cut + leaving)
    return (first, last) if first + last <= most else None


# --- one step -------------------------------------------------------------------------------------------------------


class _Pass(NamedTuple):
    """What an equation does with the tangent of an operand."""

    moves: bool  # it passes it on
    steep: bool  # … times a slope that may be infinite, or has itself an infinite one


_STILL = _Pass(False, False)


def _passes(loop: Loop) -> list[list[_Pass]]:
    """For each equation of the step, for each of its operands."""
    equations = loop.step.equations
    free = [_passed(e, [_anything(a) for a in e.inputs]) for e in equations]
    if not any(p.steep for row in free for p in row):
        return free
    known: dict[Atom, Enclosure] = dict(zip(reversed(loop.step.inputs), map(_range, reversed(loop.rows)), strict=False))
    found = []
    for e, row in zip(equations, free, strict=True):
        xs = [known.get(a) or _anything(a) for a in e.inputs]
        known.update(zip(e.outputs, _made(e, xs), strict=True))
        found.append(_passed(e, xs) if any(p.steep for p in row) else row)
    return found


def _passed(e: Equation, xs: Sequence[Enclosure]) -> list[_Pass]:
    """Slopes are asked for on the operands' intervals, which stand for all of their elements."""
    op = e.op
    real = [isinstance(a, Var) and a.type.differentiable for a in e.inputs]
    constant = isinstance(op, General) and op.pushforward is None and op.together is None
    if constant or not any(v.type.differentiable for v in e.outputs):
        return [_STILL] * len(xs)
    if isinstance(op, Elementwise):
        dtypes = tuple(a.type.dtype for a in e.inputs), e.output.type.dtype
        ends = tuple((float(x.low), float(x.high)) for x in map(_cut_short, xs))
        params = tuple(e.params.items())
        return [_partial(op, i, dtypes, params, ends, 2) if moves else _STILL for i, moves in enumerate(real)]
    return [_Pass(moves, isinstance(op, General)) for moves in real]  # what is linear in each operand is steep in none


@lru_cache(maxsize=8192)
def _partial(op: Elementwise, i: int, dtypes: Any, params: Any, ends: Any, order: int) -> _Pass:
    """An operand of an elementwise op; derivatives up to the `order`-th are looked at."""
    types, out = [Var(ArrayType((), d)) for d in dtypes[0]], Var(ArrayType((), dtypes[1]))
    rule = pushforward(op, types, [out], tuple(j == i for j in range(len(types))), dict(params))
    if rule.results[0] is None:
        return _STILL
    xs = [Enclosure(np.asarray(low), np.asarray(high)) for low, high in ends]
    (y,) = _made(Equation(op, tuple(types), (out,), dict(params)), xs)
    with np.errstate(all="ignore"):
        found = slope(op, i, dtypes, params, xs, y)
        if found is None or not found.is_finite:
            return _Pass(True, True)
        if order == 1:
            return _Pass(True, False)
        one = Enclosure(np.asarray(1.0), np.asarray(1.0))
        known = read(rule.program, dict(zip(rule.program.inputs, [*xs, y, one], strict=True))).of
    return _Pass(True, any(_is_steep(e, known) for e in rule.program.equations))


def _is_steep(e: Equation, known: dict[Var, Enclosure]) -> bool:
    """Whether an equation of a derivative has itself a slope that may be infinite."""
    if not isinstance(e.op, Elementwise) or not e.output.type.differentiable:
        return isinstance(e.op, General)
    dtypes = tuple(a.type.dtype for a in e.inputs), e.output.type.dtype
    xs = [known[a] if isinstance(a, Var) else _anything(a) for a in e.inputs]
    ends = tuple((float(x.low), float(x.high)) for x in map(_cut_short, xs))
    real = [i for i, a in enumerate(e.inputs) if isinstance(a, Var) and a.type.differentiable]
    return any(_partial(e.op, i, dtypes, tuple(e.params.items()), ends, 1).steep for i in real)


# --- intervals, one for all elements of an array --------------------------------------------------------------------


def _made(e: Equation, xs: Sequence[Enclosure]) -> list[Enclosure]:
    if not isinstance(e.op, Elementwise):
        if max((a.type.size for a in (*e.inputs, *e.outputs)), default=0) > _MANY:
            return [_anything(v) for v in e.outputs]
        shapes = [a.type.shape for a in e.inputs]
        xs = [
            Enclosure(np.broadcast_to(x.low, s), np.broadcast_to(x.high, s), x.undefined)
            for x, s in zip(xs, shapes, strict=True)
        ]
    with np.errstate(all="ignore"):
        return [_hull(y) for y in enclosed(e, xs)]


def _hull(x: Enclosure) -> Enclosure:
    """All elements, NaN left out: where there is no value there is no slope."""
    if not x.low.size:
        return _ANYTHING
    return Enclosure(np.asarray(np.min(x.low)), np.asarray(np.max(x.high)))


def _anything(a: Atom) -> Enclosure:
    return _hull(of_constant(a)) if isinstance(a, Const) else _ANYTHING


def _range(rows: Any) -> Enclosure:
    """What a step reads of an array that may be known."""
    if isinstance(rows, Traced) or rows.dtype.kind not in "fiu" or not np.all(np.isfinite(rows)):
        return _ANYTHING
    return _hull(Enclosure(rows.astype(float), rows.astype(float)))


def _cut_short(x: Enclosure) -> Enclosure:
    """Numbers only, and not so large that what is finite overflows: no op has a pole beyond."""
    low = x.low if x.low > -inf else np.asarray(min(float(x.high), 0.0) - _FAR)
    high = x.high if x.high < inf else np.asarray(max(float(low), 0.0) + _FAR)
    return Enclosure(low, high)


# --- all steps ------------------------------------------------------------------------------------------------------
#
# Which sources (a carried value before the loop, a row, a result that is read) reach a value, as the bits of a whole
# number: whichever of them move or are asked for in the end, the steps agree if they do so bit by bit.


class _Sweep(Protocol):
    """Steps in the order in which they pass something on."""

    def start(self) -> list[int]: ...

    def step(self, carried: list[int]) -> tuple[list[int], list[int]]:
        """Bits of the carried values -> those after one step, and those at each steep slope."""


def _until_alike(sweep: _Sweep, most: int) -> int | None:
    """How many steps there are before all further ones have the same bits at steep slopes; None if more than `most`."""
    carried, seen = sweep.start(), []
    for _ in range(most + 1):
        after, found = sweep.step(carried)
        seen.append(found)
        if after == carried:
            break
        carried = after
    else:
        return None
    while len(seen) > 1 and seen[-2] == seen[-1]:
        seen.pop()
    return len(seen) - 1


class _Forward:
    """Tangents."""

    def __init__(self, loop: Loop, passes: Sequence[Sequence[_Pass]]) -> None:
        self.loop, self.passes = loop, passes

    def start(self) -> list[int]:
        return [1 << i for i in range(len(self.loop.last))]

    def step(self, carried: list[int]) -> tuple[list[int], list[int]]:
        inputs, fixed = self.loop.step.inputs, self.loop.fixed
        bits: dict[Atom, int] = {v: 1 << (len(carried) + i) for i, v in enumerate(inputs)}
        bits.update(zip(inputs[fixed:], carried, strict=False))
        seen = []
        for e, row in zip(self.loop.step.equations, self.passes, strict=True):
            through = 0
            for a, p in zip(e.inputs, row, strict=True):
                through |= bits.get(a, 0) if p.moves else 0
                if p.steep:
                    seen.append(bits.get(a, 0))
            bits.update(dict.fromkeys(e.outputs, through))
        return [bits.get(a, 0) for a in self.loop.step.outputs[: len(carried)]], seen


class _Backward:
    """Cotangents."""

    def __init__(self, loop: Loop, passes: Sequence[Sequence[_Pass]]) -> None:
        self.loop, self.passes = loop, passes
        self.whole = [0] * len(loop.results)
        for n, steps in enumerate(loop.results):
            if len(steps) == loop.steps:
                self.read_of_all(n)

    def start(self) -> list[int]:
        return [1 << i if wanted else 0 for i, wanted in enumerate(self.loop.last)]

    def step(self, carried: list[int]) -> tuple[list[int], list[int]]:
        return self._step(carried, self.whole)

    def _step(self, carried: Sequence[int], results: Sequence[int]) -> tuple[list[int], list[int]]:
        step, fixed = self.loop.step, self.loop.fixed
        bits: dict[Atom, int] = {}
        for a, b in zip(step.outputs, (*carried, *results), strict=True):
            bits[a] = bits.get(a, 0) | b
        seen = []
        for e, row in zip(reversed(step.equations), reversed(self.passes), strict=True):
            through = 0
            for v in e.outputs:
                through |= bits.get(v, 0)
            for a, p in zip(e.inputs, row, strict=True):
                if p.moves:
                    bits[a] = bits.get(a, 0) | through
                if p.steep:
                    seen.append(through)
        return [bits.get(v, 0) for v in step.inputs[fixed : fixed + len(carried)]], seen

    def always(self, most: int) -> set[int]:
        """Numbers of the steep slopes that what is read after the loop, and of every step, asks for."""
        carried, seen = self.step(self.start())
        for _ in range(most):
            carried, seen = self.step(carried)
        return {n for n, bits in enumerate(seen) if bits}

    def asked_by(self, result: int, most: int) -> tuple[set[int], list[set[int]]]:
        """Numbers of the steep slopes that a read of one result asks for: of its own step, and of those before."""
        carried, seen = self._step([0] * len(self.loop.last), [int(n == result) for n in range(len(self.whole))])
        found = [{n for n, bits in enumerate(seen) if bits}]
        for _ in range(max(most, 1)):
            carried, seen = self._step(carried, [0] * len(self.whole))
            found.append({n for n, bits in enumerate(seen) if bits})
        return found[0], found[1:]

    def read_of_all(self, result: int) -> None:
        """From now on, a result counts as read of every step."""
        self.whole[result] = 1 << (len(self.loop.last) + result)
