"""Whether a loop is worth lanes. Elements that lie side by side are read together; of others, lanes gather each one.

On lanes arithmetic costs next to nothing, and gathering more than reading one by one: a short loop that does little
with elements that lie apart runs faster, and is compiled in a fraction of the time, when its rounds go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod

from .calls import contiguous
from .elementwise import instructions
from .indices import Counter, Index, Loaded, Quotient, Read
from .lower import Node
from .schedule import Classes, Loop, nodes_in

SHORT = 64  # rounds of a loop that is looked at; in longer ones lanes are full, and heavy formulas more likely
_GATHERED, _SCATTERED = 2.0, 3.0  # cycles of one element on lanes
_READ, _WRITTEN = 0.5, 1.0  # … one by one, and of as many as a register holds
_INSTRUCTION = 0.5  # cycles


def worth_lanes(loop: Loop, width: int, classes: Classes, leaves: Callable[[Node], bool]) -> bool:
    """Whether an innermost loop, in which all others are written out, runs faster on lanes; `leaves` says of which of
    its nodes others read what they make.
    """
    n = loop.counter.size
    if n > SHORT:
        return True
    rounds = -(-n // width)
    one = many = 0.0
    nodes = list(nodes_in(loop))
    made = {node.out for node in nodes}
    seen: set[tuple[object, tuple[Index, ...]]] = set()

    def touched(read: Read, counters: Iterable[Counter], each: float, apart: float) -> None:
        nonlocal one, many
        distance = _apart(read, loop.counter, classes)
        if distance != 0:
            count = prod(c.size for c in counters if classes.of(c) is not loop.counter)
            one += n * count * each
            many += rounds * count * (each if distance == 1 else width * apart)

    for node in nodes:
        for read in node.needs:
            if read.source.type.shape and read.source not in made and (read.source, read.at) not in seen:
                seen.add((read.source, read.at))
                touched(read, read.counters(), _READ, _GATHERED)
        if leaves(node) and any(classes.of(c) is loop.counter for c in node.own):
            touched(Read(node.out, node.place), node.own, _WRITTEN, _SCATTERED)
    for node in nodes:  # each speaks for lanes
        if many <= one:
            return True
        work = _INSTRUCTION * _weight(node) * prod(c.size for c in node.counters if classes.of(c) is not loop.counter)
        one += n * work
        many += 2 * rounds * work  # two registers, or one of twice the length
    return many <= one


def _apart(read: Read, counter: Counter, classes: Classes) -> int | None:
    """How many elements apart what is read in one round is from that in the next, if always as many."""
    total = 0
    for i, stride in zip(read.at, contiguous(read.source.type.shape), strict=True):
        for term, factor in i.terms:
            if isinstance(term, Counter):
                total += factor * stride if classes.of(term) is counter else 0
            elif any(classes.of(c) is counter for c in _counters(term)):
                return None
    return total


def _counters(term: Quotient | Loaded) -> Iterator[Counter]:
    yield from term.of.counters() if isinstance(term, Quotient) else term.read.counters()


def _weight(node: Node) -> int:
    """How many instructions one element takes."""
    e = node.equation
    if e is None or e.op.native is None:
        return 0
    if e.op.native.how == "formula":
        return len(instructions(e))
    return 1 if e.op.native.how != "function" else 0  # it is called for each number in any case
