"""Where a Program repeats itself: the same ops on values of the same types, again and again at one distance.

A loop written in Python leaves its step in the recording as often as it ran. Equations are told apart by their signs
(op, parameters, types; of a slice its size, not its place). A period is a distance at which many equations find their
sign again. What an equation reads is then compared with what the equation one period earlier reads: it is the same
value, or one made equally long before, or else one of a row of values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Const, Equation, Var
from ..ops.structure import slice_, update

STEPS = 8  # a loop has so many, at least
_TRIED = 24  # periods
_SIDE_BY_SIDE = 8  # an op may stand so often in a step that has no rarer one


class Reads(Enum):
    """What the same operand of all steps is."""

    SAME = auto()  # one value
    MADE = auto()  # what was made so and so many equations before
    OTHER = auto()  # a row of values


class Link(NamedTuple):
    reads: Reads
    distance: int = 0  # in equations


class Repeat(NamedTuple):
    """Steps of `period` equations each, from `start` on, and how they hang together."""

    start: int
    period: int
    steps: int
    links: list[list[Link]]  # for each equation of a step, for each of its operands

    @property
    def end(self) -> int:
        return self.start + self.period * self.steps


def moving(e: Equation) -> bool:
    """Whether an equation reads or writes a place that may be another in each step."""
    return e.op is slice_ or e.op is update


def _size(bounds: tuple[int, int | None, int]) -> tuple[int, int] | None:
    start, stop, step = bounds
    return None if stop is None else (stop - start, step)


def _sign(e: Equation) -> Any:
    params: Any = tuple(e.params.items())
    if moving(e):
        params = tuple([_size(b) for b in e.params["index"]])
        if None in params:
            params = e.params["index"]
    inputs = tuple([(a.type.shape, a.type.dtype) for a in e.inputs])
    return e.op, params, inputs, tuple([(v.type.shape, v.type.dtype) for v in e.outputs])


def repeats(equations: Sequence[Equation], inputs: Sequence[Var], least: int) -> Iterator[Repeat]:
    """Repeats that would save at least so many equations, those that save most first."""
    numbers: dict[Any, int] = {}
    signs = np.array([numbers.setdefault(_sign(e), len(numbers)) for e in equations])
    made: dict[Atom, tuple[int, int]] = {v: (i, k) for i, e in enumerate(equations) for k, v in enumerate(e.outputs)}
    made.update((v, (-1, 0)) for v in inputs)
    for start, period, length in _stretches(signs, least):
        repeat = _linked(equations, made, start, period, start + length)
        if repeat is not None and repeat.period * (repeat.steps - 1) >= least:
            yield repeat


def _stretches(signs: np.ndarray[Any, Any], least: int) -> list[tuple[int, int, int]]:
    """(start, period, length) of stretches in which the signs have a period."""
    order = np.argsort(signs, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(signs[order])) + 1)
    votes: Counter[int] = Counter()
    for places in groups:
        for apart in range(1, _SIDE_BY_SIDE + 1):
            if len(places) < STEPS * apart:
                break
            gaps, counts = np.unique(places[apart:] - places[:-apart], return_counts=True)
            best = int(np.argmax(counts))
            if counts[best] >= STEPS - 1:
                gap = int(gaps[best])
                votes[gap] = max(votes[gap], int(counts[best]) * gap)
    found = []
    for period, _ in votes.most_common(_TRIED):
        again = np.concatenate([[False], signs[period:] == signs[:-period], [False]])
        ends = np.flatnonzero(np.diff(again.astype(np.int8)))
        starts, stops = ends[::2], ends[1::2]
        if len(starts):
            best = int(np.argmax(stops - starts))
            length = int(stops[best] - starts[best])
            if length >= least and length >= (STEPS - 1) * period:
                found.append((int(starts[best]), period, length + period))
    return sorted(found, key=lambda f: (f[1] - f[2], f[1]))


def _linked(
    equations: Sequence[Equation], made: Mapping[Atom, tuple[int, int]], start: int, period: int, end: int
) -> Repeat | None:
    """How the steps hang together, and from where on all of them do so alike."""
    first = start
    links: list[list[Link]] = []
    for i in range(end - period, end):
        row = []
        for slot in range(len(equations[i].inputs)):
            link = _link(equations, made, i, slot, period, start)
            first = _from(equations, made, i, slot, period, link, first)
            row.append(link)
        links.append(row)
        if end - first < STEPS * period:
            return None
    turn = _best_turn(equations, links, first, period, end)
    first += turn
    steps = (end - first) // period
    last = first + period * (steps - 1)
    return Repeat(first, period, steps, [links[(last + j - end) % period] for j in range(period)])


def same(a: Atom, b: Atom) -> bool:
    """Whether two atoms are one value."""
    return a is b or (isinstance(a, Const) and isinstance(b, Const) and a.value.size <= 64 and a.key() == b.key())


def _link(
    equations: Sequence[Equation], made: Mapping[Atom, tuple[int, int]], i: int, slot: int, period: int, start: int
) -> Link:
    a, b = equations[i].inputs[slot], equations[i - period].inputs[slot]
    if same(a, b):
        return Link(Reads.SAME)
    if isinstance(a, Var) and isinstance(b, Var):
        (at, output), (before, other) = made[a], made[b]
        if at - before == period and output == other and at >= start:
            return Link(Reads.MADE, i - at)
    return Link(Reads.OTHER)


def _from(
    equations: Sequence[Equation], made: Mapping[Atom, tuple[int, int]], i: int, slot: int, period: int, link: Link,
    first: int,
) -> int:  # fmt: skip
    """From where on this operand is of its kind in all steps, if that is later than `first`."""
    last = equations[i].inputs[slot]
    if link.reads is Reads.SAME:
        first = max(first, made[last][0] + 1) if isinstance(last, Var) else first
    while i >= first:
        a = equations[i].inputs[slot]
        if link.reads is Reads.SAME:
            if not same(a, last):
                return i + 1
        elif link.reads is Reads.OTHER:
            if isinstance(a, Var):
                first = max(first, made[a][0] + 1)
        elif i - link.distance >= first and (
            not isinstance(a, Var) or made[a] != (i - link.distance, made[last][1])
        ):  # before the loop, then
            first = i - link.distance + 1
        i -= period
    return first


def _best_turn(
    equations: Sequence[Equation], links: list[list[Link]], first: int, period: int, end: int
) -> int:  # fmt: skip
    """Where in a step to begin: where the values that later steps read are fewest and smallest."""
    edges = [
        ((i - link.distance) % period, i - first, link.distance, equations[i].inputs[slot].type.size)
        for i, row in zip(range(end - period, end), links, strict=True)
        for slot, link in enumerate(row)
        if link.reads is Reads.MADE and not (equations[i].op is update and slot == 0)
    ]
    room = end - first - STEPS * period
    if not edges or room <= 0:
        return 0
    source, at, distance, size = map(np.array, zip(*edges, strict=True))
    turns = np.unique(np.linspace(0, min(period - 1, room), 65).astype(int))
    weights = []
    for turn in turns:
        ahead = distance - (at - turn) % period
        crossed = np.maximum(-(-ahead // period), 0)
        most = np.zeros(period)
        np.maximum.at(most, source, crossed * (size + 1.0))
        weights.append(most.sum())
    return int(turns[int(np.argmin(weights))])
