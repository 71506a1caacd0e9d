"""Compute again or store: what one loop makes and a later one needs.

Reading a number back from memory takes as long as several operations, and it must have been written. So an elementwise
value that is cheap, and whose operands are in memory anyway, is computed again in the loop that needs it. At most one
operation that rounds is repeated, and never as a part of a fused one: what is computed again is bit by bit what it was
(an element is still equal to the maximum that it was).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from ..ir import Const, Var
from .elementwise import is_cheap, is_fusible
from .indices import Counter, Read, index
from .lower import Lowered, Node
from .schedule import Classes, Item, Loop, plain, scheduled, together

_ELEMENTS = 1024  # of a shorter array, what is stored is still near
_OPERATIONS = 6  # that are repeated at most, in the place of one number written and read


def arranged(lowered: Lowered) -> tuple[Lowered, Classes, tuple[Item, ...]]:
    """Nodes in loops, and some of them again where that costs less than memory does."""
    classes = together(lowered)
    items = scheduled(lowered, classes)
    found = recomputed(lowered, classes, items)
    if found is not lowered:
        classes = together(found)
        items = scheduled(found, classes)
    return found, classes, items


def recomputed(lowered: Lowered, classes: Classes, items: Sequence[Item]) -> Lowered:
    """The same, with nodes repeated in the loops that read them; those that nobody reads are left out."""
    found = _Repeating(lowered, classes, dict(_paths(items, ())))
    steps = found.repeated()
    return lowered if steps is None else replace(lowered, steps=steps)


def _paths(items: Sequence[Item], path: tuple[Loop, ...]) -> Iterator[tuple[Node, tuple[Loop, ...]]]:
    for item in items:
        if isinstance(item, Node):
            yield item, path
        elif isinstance(item, Loop):
            yield from _paths(item.body, (*path, item))


@dataclass
class _Chain:
    """What computing an element again takes. It changes while operands are looked at."""

    nodes: list[Node] = field(default_factory=list)  # in their order
    leaves: set[Any] = field(default_factory=set)  # arrays that are read, as long as the element's own
    fusible: int = 0


class _Repeating:
    def __init__(self, lowered: Lowered, classes: Classes, paths: dict[Node, tuple[Loop, ...]]) -> None:
        self.lowered, self.classes, self.paths = lowered, classes, paths
        self.readers: dict[Any, list[Node]] = {}
        for node in lowered.nodes:
            for read in node.needs:
                self.readers.setdefault(read.source, []).append(node)
        self.outputs = {r.source for r in lowered.outputs}
        self.whole = {source for call in lowered.calls for source in call.sources}
        self.position = {step: n for n, step in enumerate(lowered.steps)}

    def repeated(self) -> tuple[Any, ...] | None:
        """All steps, or None if nothing is repeated."""
        before: dict[Node, list[Node]] = {}  # what is computed again just before a node
        changed: dict[Node, dict[Any, Var]] = {}  # what a node reads in the place of what
        for node in reversed(self.lowered.nodes):
            self._repeat(node, before, changed)
        if not changed:
            return None
        steps: list[Any] = []
        for step in self.lowered.steps:
            if isinstance(step, Node):
                steps += before.get(step, [])
                if step in changed:
                    step = _reading(step, changed[step])
            steps.append(step)
        return _alive(steps, self.outputs)

    def _repeat(self, node: Node, before: dict[Node, list[Node]], changed: dict[Node, dict[Any, Var]]) -> None:
        elsewhere: dict[Loop, list[Node]] = {}
        for reader in self.readers.get(node.out, ()):
            if self.paths[reader][-1:] != self.paths[node][-1:]:
                if not self.paths[reader]:
                    return
                elsewhere.setdefault(self.paths[reader][-1], []).append(reader)
        if not elsewhere or not self._cheap(node) or prod(c.size for c in node.own) < _ELEMENTS:
            return
        chain = self._chain(node)
        if chain is None or len(chain.nodes) > _OPERATIONS:
            return
        for loop, readers in elsewhere.items():
            here = {r.source for n, path in self.paths.items() if path[-1:] == (loop,) for r in n.needs}
            if len(chain.leaves - here) > 1 or not all(self._in_place(node, reader) for reader in readers):
                return
        for readers in elsewhere.values():
            first = min(readers, key=self.position.__getitem__)
            again = _copies(chain.nodes)
            before[first] = [*again, *before.get(first, [])]
            for reader in readers:
                changed.setdefault(reader, {})[node.out] = again[-1].out

    def _cheap(self, node: Node) -> bool:
        e = node.equation
        if e is None or node.reduced or node.onto or node.at is not None or node.serial or e.op.native is None:
            return False
        if len(self.lowered.made[node.out]) > 1 or node.out in self.outputs or node.out in self.whole:
            return False
        if any(r.when or any(True for i in r.at for _ in i.loaded()) for r in node.reads):
            return False
        return is_cheap(e) or (e.op.native.how == "product" and len(node.reads) == 1)

    def _chain(self, node: Node) -> _Chain | None:
        """How an element is computed from what is in memory; None: not cheaply."""
        chain = _Chain()
        return chain if self._add(node, node, chain) and chain.fusible <= 1 else None

    def _add(self, node: Node, whole: Node, chain: _Chain) -> bool:
        if node in chain.nodes:
            return True
        if len(chain.nodes) > _OPERATIONS:
            return False
        assert node.equation is not None
        fusible = is_fusible(node.equation)
        for read in node.reads:
            if isinstance(read.source, Const) and read.source.type.shape == ():
                continue
            makers = self.lowered.made.get(read.source, ())
            maker = makers[0] if len(makers) == 1 and isinstance(makers[0], Node) else None
            if not read.counters():
                continue  # one number
            if maker is not None and self._cheap(maker) and self._at_own(read, maker):
                if not self._add(maker, whole, chain):
                    return False
            elif maker is not None and (not self._stored(maker) or (fusible and self._together(node, maker))):
                return False
            elif prod(c.size for c in read.counters()) >= prod(c.size for c in whole.own):
                chain.leaves.add(read.source)
        chain.nodes.append(node)
        chain.fusible += fusible
        return True

    def _together(self, node: Node, maker: Node) -> bool:
        """Whether both stand in one loop, where the first time they may have been fused."""
        return self.paths[node][-1:] == self.paths[maker][-1:]

    def _at_own(self, read: Read, maker: Node) -> bool:
        """Whether it is read where it is made, count by count."""
        return all(
            c.size == 1 or ((one := plain(i)) is not None and self.classes.of(one) is self.classes.of(c))
            for i, c in zip(read.at, maker.own, strict=True)
        )

    def _stored(self, maker: Node) -> bool:
        """Whether an array is in memory anyway."""
        if maker.out in self.outputs or maker.out in self.whole or maker.at is not None:
            return True
        return any(self.paths[r][-1:] != self.paths[maker][-1:] for r in self.readers.get(maker.out, ()))

    def _in_place(self, node: Node, reader: Node) -> bool:
        """Whether a reader needs each element once, where its own loop stands."""
        reads = [r for r in reader.needs if r.source is node.out]
        if any(r.when or not self._at_own(r, node) for r in reads):
            return False
        return prod(loop.counter.size for loop in self.paths[reader]) == prod(c.size for c in node.own)


def _copies(nodes: Sequence[Node]) -> list[Node]:
    """The same computed again, apart from the first time."""
    instead: dict[Any, Var] = {}
    made = []
    for node in nodes:
        counters = {c: Counter(c.size, c.name) for c in node.counters}
        names = {c: index(new) for c, new in counters.items()}
        reads = tuple(r.renamed(names)._replace(source=instead.get(r.source, r.source)) for r in node.reads)
        instead[node.out] = Var(node.out.type, node.out.name)
        made.append(replace(node, out=instead[node.out], counters=tuple(counters.values()), reads=reads, again=True))
    return made


def _reading(node: Node, instead: dict[Any, Var]) -> Node:
    return replace(node, reads=tuple(r._replace(source=instead.get(r.source, r.source)) for r in node.reads))


def _alive(steps: Sequence[Any], outputs: set[Any]) -> tuple[Any, ...]:
    """Without nodes whose arrays nobody reads."""
    wanted, kept = set(outputs), []
    for step in reversed(steps):
        if not isinstance(step, Node) or step.out in wanted:
            kept.append(step)
            wanted |= {r.source for r in step.needs}
    return tuple(reversed(kept))
