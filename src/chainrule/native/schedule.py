"""Which loops: nodes that can share a loop do, and a value that is used where it was made never touches memory.

Counters that run together are one class. The class with most work becomes a loop; what must be finished before
something else begins (a sum, an array that is read at other places) splits it in several, one after the other; inside
each, the same again with the counters that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from ..ir import Var
from .indices import Counter, Read, index
from .lower import Lowered, Node


@dataclass(frozen=True, eq=False)
class Loop:
    """What is done for each count."""

    counter: Counter
    body: tuple[Item, ...]


Item = Node | Loop


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
    """Join the counters of each array with those with which it is read."""
    made = {node.out: node for node in lowered.nodes}
    classes = Classes(lowered.nodes)
    for node in lowered.nodes:
        for read in node.reads:
            maker = made.get(read.source)
            if maker is not None:
                for i, c in zip(read.at, maker.own, strict=True):
                    term = i.terms[0][0] if len(i.terms) == 1 else None
                    if isinstance(term, Counter) and i == index(term):
                        classes.join(term, c)
    return classes


def in_place(read: Read, maker: Node, classes: Classes) -> bool:
    """Whether an element is read in the same round in which it is made."""
    if maker.reduced or read.when:
        return False
    for i, c in zip(read.at, maker.own, strict=True):
        if c.size == 1 and not i.terms:
            continue
        if i.constant or len(i.terms) != 1 or i.terms[0][1] != 1:
            return False
        term = i.terms[0][0]
        if not isinstance(term, Counter) or classes.of(term) is not classes.of(c):
            return False
    return True


def scheduled(lowered: Lowered, classes: Classes) -> tuple[Item, ...]:
    """The nodes in loops."""
    return _arranged(list(lowered.nodes), frozenset(), classes)


def _left(node: Node, fixed: frozenset[Counter], classes: Classes) -> list[Counter]:
    return [c for c in dict.fromkeys(map(classes.of, node.counters)) if c not in fixed and c.size != 1]


def _arranged(nodes: list[Node], fixed: frozenset[Counter], classes: Classes) -> tuple[Item, ...]:
    chosen = _chosen(nodes, fixed, classes)
    if chosen is None:
        return tuple(nodes)
    made = {node.out: node for node in nodes}
    level: dict[Node, int] = {}
    for node in nodes:
        looped = chosen in _left(node, fixed, classes)
        least = 1 if looped else 0
        for read in node.reads:
            maker = made.get(read.source)
            if maker is None:
                continue
            before = level[maker]
            if before % 2 and not (looped and _same_round(read, maker, chosen, classes)):
                before += 2 if looped else 1
            elif before % 2 == 0 and looped:
                before += 1
            least = max(least, before)
        level[node] = least
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


def _same_round(read: Read, maker: Node, chosen: Counter, classes: Classes) -> bool:
    """Whether what is read is made in the same round of the chosen loop."""
    if any(classes.of(c) is chosen for c in maker.counters[len(maker.own) :]):
        return False
    for i, c in zip(read.at, maker.own, strict=True):
        if classes.of(c) is chosen:
            term = i.terms[0][0] if len(i.terms) == 1 and i.terms[0][1] == 1 and not i.constant else None
            return isinstance(term, Counter) and classes.of(term) is chosen
    return False


def _chosen(nodes: Iterable[Node], fixed: frozenset[Counter], classes: Classes) -> Counter | None:
    """The class with most work; of equals, the one that stands first in an array."""
    work: dict[Counter, float] = {}
    for node in nodes:
        left = _left(node, fixed, classes)
        for rank, c in enumerate(_by_memory(node, left, classes)):
            work[c] = work.get(c, 0) + prod(k.size for k in left) * (1 - 1e-3 * rank)
    return max(work, key=lambda c: work[c], default=None)


def _by_memory(node: Node, left: list[Counter], classes: Classes) -> list[Counter]:
    """Counters in the order in which the largest array that is read has them."""
    widest = max((r.at for r in node.reads), key=len, default=())
    order = {classes.of(t): n for n, i in enumerate(widest) for t, _ in i.terms if isinstance(t, Counter)}
    return sorted(left, key=lambda c: order.get(c, len(order)))


def shown(items: Sequence[Item], lowered: Lowered, indent: str = "") -> str:
    """The loops as a person reads them."""
    lines = []
    for item in items:
        if isinstance(item, Loop):
            lines.append(f"{indent}for {item.counter!r} in {item.counter.size}:")
            lines.append(shown(item.body, lowered, indent + "  "))
        else:
            sign, op = "+=" if item.reduced else "=", item.equation.op if item.equation else "copy"
            lines.append(f"{indent}{_element(item.out, lowered, item)} {sign} {op}({_reads(item, lowered)})")
    return "\n".join(lines)


def _element(v: Var, lowered: Lowered, node: Node) -> str:
    at = ", ".join(map(repr, node.own))
    return f"{lowered.names[v]}[{at}]" if at else lowered.names[v]


def _reads(node: Node, lowered: Lowered) -> str:
    told = []
    for r in node.reads:
        name = lowered.names.get(r.source, "·") if isinstance(r.source, Var) else f"{getattr(r.source, 'value', '')}"
        at = ", ".join(map(str, r.at))
        told.append(f"{name}[{at}]" if at else name)
    return ", ".join(told)
