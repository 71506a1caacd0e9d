"""Where the nodes of a directed graph without cycles stand: in layers, with few crossings of their edges.

Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ArgumentError
from .text import stacked

Pairs = Sequence[tuple[int, int]]
_SWEEPS = 8


@dataclass(frozen=True)
class Layered:
    """Layers of nodes in their order. An edge that skips layers has a bend in each: nodes after the real ones."""

    layers: tuple[tuple[int, ...], ...]
    paths: Mapping[tuple[int, int], tuple[int, ...]]


def layered(count: int, edges: Pairs) -> Layered:
    """Nodes 0, 1, …, count − 1 in layers, such that every edge goes from an earlier layer to a later one.

    >>> layered(3, [(0, 1), (1, 2), (0, 2)]).layers
    ((0,), (1, 3), (2,))
    """
    depth = _depths(count, edges)
    levels: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for node in range(count):
        levels[depth[node]].append(node)
    paths: dict[tuple[int, int], tuple[int, ...]] = {}
    links: list[tuple[int, int]] = []
    bends = count
    for a, b in dict.fromkeys(edges):
        path = [a]
        for level in range(depth[a] + 1, depth[b]):
            levels[level].append(bends)
            path.append(bends)
            bends += 1
        paths[a, b] = (*path, b)
        links += zip(path, [*path[1:], b], strict=True)
    return Layered(tuple(map(tuple, _ordered(levels, links))), paths)


def _depths(count: int, edges: Pairs) -> list[int]:
    """The longest way from a start to each node; a start itself stands just before its first use."""
    after: list[list[int]] = [[] for _ in range(count)]
    before = [0] * count
    for a, b in edges:
        after[a].append(b)
        before[b] += 1
    ready, depth, seen = [n for n in range(count) if not before[n]], [0] * count, 0
    starts = list(ready)
    while ready:
        node = ready.pop()
        seen += 1
        for b in after[node]:
            depth[b] = max(depth[b], depth[node] + 1)
            before[b] -= 1
            if not before[b]:
                ready.append(b)
    if seen < count:
        raise ArgumentError("a graph in layers has no cycle, and this one has")
    for node in starts:
        if after[node]:
            depth[node] = min(depth[b] for b in after[node]) - 1
    return depth


def _ordered(levels: list[list[int]], links: Pairs) -> list[list[int]]:
    """Each layer sorted by the mean place of its neighbours, back and forth; the order with fewest crossings."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    best, fewest = [list(level) for level in levels], _crossings(levels, after)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for level in levels if forward else reversed(levels):
            place = {n: i for other in levels for i, n in enumerate(other)}
            now = {n: i for i, n in enumerate(level)}

            means = {n: [place[m] for m in neighbours.get(n, [])] or [now[n]] for n in level}
            level.sort(key=lambda n, means=means, now=now: (sum(means[n]) / len(means[n]), now[n]))  # type: ignore[misc]
        crossings = _crossings(levels, after)
        if crossings < fewest:
            best, fewest = [list(level) for level in levels], crossings
    return best


def _crossings(levels: Sequence[Sequence[int]], after: Mapping[int, Sequence[int]]) -> int:
    found = 0
    for level, following in itertools.pairwise(levels):
        place = {n: i for i, n in enumerate(following)}
        ends = [sorted(place[b] for b in after.get(a, ()) if b in place) for a in level]
        flat = [(i, j) for i, row in enumerate(ends) for j in row]
        found += sum(a < c and b > d for a, b in flat for c, d in flat)
    return found


def placed(found: Layered, sizes: Mapping[int, float], gap: float) -> dict[int, float]:
    """The middle of each node across its layer: near its neighbours, and apart from those beside it."""
    near: dict[int, list[int]] = {}
    for path in found.paths.values():
        for a, b in itertools.pairwise(path):
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
    place: dict[int, float] = {}
    for level in found.layers:  # at first one beside the other, around zero
        widths = [sizes.get(n, 0.0) + gap for n in level]
        place.update(zip(level, stacked([0.0] * len(level), widths), strict=True))
    # what hangs on one node only goes where there is room; what passes through stays straight
    weight = {n: 0.02 if len(near.get(n, ())) < 2 else 1.0 for level in found.layers for n in level}
    for sweep in range(2 * _SWEEPS):
        for level in found.layers if sweep % 2 == 0 else tuple(reversed(found.layers)):
            wanted = [_mean([(place[m], weight[m]) for m in near[n]]) if near.get(n) else place[n] for n in level]
            widths = [sizes.get(n, 0.0) + gap for n in level]
            place.update(zip(level, stacked(wanted, widths, weights=[weight[n] for n in level]), strict=True))
    return place


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    return sum(x * w for x, w in weighted) / sum(w for _, w in weighted)
