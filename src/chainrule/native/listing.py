"""The loops of a kernel as a person reads them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from ..ir import Atom, Const
from .calls import Call
from .indices import Counter
from .lower import Lowered, Node
from .schedule import Classes, Item, Loop

_COUNTERS = "ijklmn"


class Listing:
    """Names for arrays and counters, the same throughout a kernel; no letter is both."""

    def __init__(self, lowered: Lowered, classes: Classes) -> None:
        own = {name for v, name in lowered.names.items() if v.name}
        self._fresh = (letter for letter in _letters("abcdefghopqrstuvwxyz") if letter not in own)
        self._names = {v: name if v.name else next(self._fresh) for v, name in lowered.names.items()}
        self._counters = [letter for letter in itertools.islice(_letters(_COUNTERS), 64) if letter not in own]
        self._classes = classes

    def text(
        self, items: Sequence[Item], indent: str = "", counts: Mapping[Counter, str] | None = None
    ) -> str:  # fmt: skip
        """What is done, a line each."""
        lines, counts = [], counts or {}
        for item in items:
            if isinstance(item, Loop):
                letter = self._counters[len(counts)]
                lines.append(f"{indent}for {letter} in {item.counter.size}:")
                inner = {**counts, self._classes.of(item.counter): letter}
                lines.append(self.text(item.body, indent + "  ", inner))
            elif isinstance(item, Call):
                outs, read = (", ".join(map(self._name, atoms)) for atoms in (item.outs, item.sources))
                lines.append(f"{indent}{outs} = {item.equation.op}({read})")
            else:
                lines.append(indent + self._node(item, counts))
        return "\n".join(lines)

    def _node(self, node: Node, counts: Mapping[Counter, str]) -> str:
        for c in node.counters:  # each node has counters of its own, which print their names
            c.name = counts.get(self._classes.of(c), c.name)
        sign, op = "+=" if node.reduced or node.onto else "=", node.equation.op if node.equation else "copy"
        told = [_at(self._name(r.source), r.at) for r in node.reads]
        if node.equation is not None and node.equation.op.aligned:
            told += [f"{key}={value}" for key, value in node.equation.params.items()]
        return f"{_at(self._name(node.out), node.place)} {sign} {op}({', '.join(told)})"

    def _name(self, a: Atom) -> str:
        if isinstance(a, Const):
            return "const" if a.type.shape else f"{a.value}"
        if a not in self._names:  # something that came up on the way to loops
            self._names[a] = next(self._fresh)
        return self._names[a]


def _at(name: str, places: Sequence[object]) -> str:
    return f"{name}[{', '.join(map(str, places))}]" if places else name


def _letters(letters: str) -> Iterator[str]:
    """a, b, …, a1, b1, …"""
    return (f"{letter}{n or ''}" for n in itertools.count() for letter in letters)
