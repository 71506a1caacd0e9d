"""Which loops: nodes that can share a loop do, and a value that is used where it was made never touches memory.

Counters that run together are one class. The class with most work becomes a loop; what must be finished before
something else begins (a sum, an array that is read at other places) splits it in several, one after the other; inside
each, the same again with the counters that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from .calls import Call
from .indices import Counter, Index, Read
from .lower import Lowered, Node


@dataclass(frozen=True, eq=False)
class Loop:
    """What is done for each count."""

    counter: Counter
    body: tuple[Item, ...]


Step = Node | Call
Item = Node | Call | Loop


def nodes_in(loop: Loop) -> Iterator[Node]:
    for item in loop.body:
        if isinstance(item, Node):
            yield item
        elif isinstance(item, Loop):
            yield from nodes_in(item)


def loops_in(items: Sequence[Item]) -> Iterator[Loop]:
    for item in items:
        if isinstance(item, Loop):
            yield item
            yield from loops_in(item.body)


class Classes:
    """Counters that run together. Grows while reads are looked at."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._parent: dict[Counter, Counter] = {}
        self._nodes: dict[Counter, set[Node]] = {}  # of each class, whose counters are in it
        for node in nodes:
            for c in node.counters:
                self._nodes.setdefault(c, set()).add(node)

    def of(self, c: Counter) -> Counter:
        found = c
        while found in self._parent:
            found = self._parent[found]
        while c is not found:  # the next one who asks has a short way
            self._parent[c], c = found, self._parent[c]
        return found

    def join(self, one: Counter, other: Counter) -> bool:
        """Let both run together, unless some node needs them apart."""
        one, other = self.of(one), self.of(other)
        if one is other:
            return True
        if one.size != other.size:
            return False
        mine, others = self._nodes.get(one, set()), self._nodes.pop(other, set())
        if not mine.isdisjoint(others):
            self._nodes[other] = others
            return False
        few, many = sorted((mine, others), key=len)
        many |= few
        self._parent[other], self._nodes[one] = one, many
        return True


def together(lowered: Lowered) -> Classes:
    """Join the counters of each array with those with which it is read, and those with which an input is read."""
    classes = Classes(lowered.nodes)
    for node in lowered.nodes:
        for read in node.needs:
            for maker in lowered.made.get(read.source, ()):
                for i, j in zip(read.at, maker.place, strict=True):
                    one, other = plain(i), plain(j)
                    if one is not None and other is not None:
                        classes.join(one, other)
    first: dict[Any, Sequence[Counter | None]] = {}
    for node in lowered.nodes:
        for read in node.reads:
            if read.source not in lowered.made and not read.when and len(read.at) > 0:
                at = [plain(i) for i in read.at]
                for one, other in zip(first.setdefault(read.source, at), at, strict=True):
                    if one is not None and other is not None:
                        classes.join(one, other)
    return classes


def plain(i: Index) -> Counter | None:
    """The counter that this is, if it is nothing else."""
    if i.constant or len(i.terms) != 1:
        return None
    term, factor = i.terms[0]
    return term if factor == 1 and isinstance(term, Counter) else None


def scheduled(lowered: Lowered, classes: Classes) -> tuple[Item, ...]:
    """The nodes in loops."""
    return _arranged(list(lowered.steps), frozenset(), classes)


def _left(node: Step, fixed: frozenset[Counter], classes: Classes) -> list[Counter]:
    if isinstance(node, Call):
        return []
    return [c for c in dict.fromkeys(map(classes.of, node.counters)) if c not in fixed and c.size != 1]


def _arranged(nodes: list[Step], fixed: frozenset[Counter], classes: Classes) -> tuple[Item, ...]:
    chosen = _chosen(nodes, fixed, classes)
    if chosen is None:
        return tuple(nodes)
    made: dict[Any, list[Step]] = {}
    level: dict[Step, int] = {}
    for node in nodes:
        looped = chosen in _left(node, fixed, classes)
        least = 1 if looped else 0
        over = (Read(node.out, node.place),) if isinstance(node, Node) else ()  # what it writes over
        for read in (*node.needs, *over):
            for maker in made.get(read.source, ()):
                before = level[maker]
                if before % 2 and not (looped and _same_round(read, maker, chosen, classes)):
                    before += 2 if looped else 1
                elif before % 2 == 0 and looped:
                    before += 1
                least = max(least, before)
        level[node] = least
        for v in node.outs:
            made.setdefault(v, []).append(node)
    _delay([node for node in nodes if isinstance(node, Node) and node.again], nodes, level)
    items: list[Item] = []
    for n in range(max(level.values()) + 1):
        part = [node for node in nodes if level[node] == n]
        if not part:
            continue
        if n % 2:
            items.append(Loop(chosen, _arranged(part, fixed | {chosen}, classes)))
        else:
            items += _arranged(part, fixed, classes)
    return tuple(items)


def _delay(again: Sequence[Node], nodes: Sequence[Step], level: dict[Step, int]) -> None:
    """What is computed again goes where it is read, if that is in a like loop."""
    for node in reversed(again):
        read = [level[n] for n in nodes if any(r.source is node.out for r in n.needs)]
        if read and level[node] % 2 and min(read) % 2:
            level[node] = min(read)


def _same_round(read: Read, maker: Step, chosen: Counter, classes: Classes) -> bool:
    """Whether what is read is made in the same round of the chosen loop."""
    if isinstance(maker, Call) or any(classes.of(c) is chosen for c in maker.counters[len(maker.own) :]):
        return False
    for i, j in zip(read.at, maker.place, strict=True):
        one, other = plain(i), plain(j)
        if other is not None and classes.of(other) is chosen:
            return one is not None and classes.of(one) is chosen
    return False


def _chosen(nodes: Iterable[Step], fixed: frozenset[Counter], classes: Classes) -> Counter | None:
    """The class with most work; of equals, the one that stands first in an array."""
    work: dict[Counter, float] = {}
    for node in nodes:
        if isinstance(node, Call):
            continue
        left = _left(node, fixed, classes)
        for rank, c in enumerate(_by_memory(node, left, classes)):
            work[c] = work.get(c, 0) + prod(k.size for k in left) * (1 - 1e-3 * rank)
    return max(work, key=lambda c: work[c], default=None)


def _by_memory(node: Node, left: list[Counter], classes: Classes) -> list[Counter]:
    """Counters in the order in which the largest array that is read has them."""
    widest = max((r.at for r in node.reads), key=len, default=())
    order = {classes.of(t): n for n, i in enumerate(widest) for t, _ in i.terms if isinstance(t, Counter)}
    return sorted(left, key=lambda c: order.get(c, len(order)))
