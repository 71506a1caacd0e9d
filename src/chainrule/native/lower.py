"""A Program as elements: for each array that is computed, which elements of which arrays one of its elements needs.

What only moves numbers (a slice, a transpose, a broadcast, a reshape) computes nothing: it becomes part of the address
at which its reader reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Spec
from .indices import Counter, Index, Read, Within, index

Place = tuple[tuple[Index, ...], tuple[Within, ...]]  # where an element of an operand is read, and when it is there


@dataclass(frozen=True, eq=False)
class Node:
    """One array, by elements: out[counters] = op(reads), summed over the counters beyond the array's own axes."""

    out: Var
    counters: tuple[Counter, ...]
    reads: tuple[Read, ...]
    equation: Equation | None  # None: a copy
    reduced: int = 0  # how many of the counters are summed over

    @property
    def own(self) -> tuple[Counter, ...]:
        return self.counters[: len(self.counters) - self.reduced]


@dataclass(frozen=True)
class Lowered:
    """Nodes in order, and for each output of the program where its elements are read."""

    inputs: tuple[Var, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Read, ...]
    names: dict[Var, str] = field(default_factory=dict)


class Foreign(Exception):
    """What has no native form, and runs on NumPy: nobody sees it."""


def lowered(program: Program) -> Lowered:
    """The Program by elements; raises Foreign at an op that can't be read so."""
    moved: dict[Var, Callable[[tuple[Index, ...]], Read]] = {}
    nodes: list[Node] = []

    def read(a: Atom, at: tuple[Index, ...]) -> Read:
        if isinstance(a, Const) and a.type.shape == ():
            return Read(a, ())
        if isinstance(a, Var) and a in moved:
            return moved[a](at)
        return Read(a, at)

    def mover(e: Equation, placed: Callable[..., Place]) -> Callable[[tuple[Index, ...]], Read]:
        def composed(at: tuple[Index, ...]) -> Read:
            inner, when = placed(at, e)
            below = read(e.inputs[0], inner)
            return Read(below.source, below.at, (*below.when, *when))

        return composed

    for e in program.equations:
        how = e.op.native
        if how is None:
            raise Foreign(e.op.name)
        if how.how == "address":
            moved[e.output] = mover(e, PLACES[how.name])
        elif how.how == "product":
            spec: Spec = e.params["spec"]
            if len(spec.ins) == 1 and e.op.only_moves(spec=spec):
                moved[e.output] = mover(e, _contracted)
            else:
                nodes.append(_product(e, spec, read))
        elif how.how in ("formula", "function"):
            counters = _counters(e.output)
            at = tuple(map(index, counters))
            nodes.append(Node(e.output, counters, tuple(read(a, at) for a in e.inputs), e))
        else:
            raise Foreign(e.op.name)
    outputs: list[Read] = []
    made = {node.out: node for node in nodes}
    for a in program.outputs:
        counters = _counters(a)
        at = tuple(map(index, counters))
        read_at = read(a, at)
        source = read_at.source
        whole = isinstance(source, Var) and source in made and read_at.at == at and not read_at.when
        whole = whole and isinstance(source, Var) and source.type.shape == a.type.shape
        if not whole or any(source is other.source for other in outputs):
            copy = Var(a.type)
            nodes.append(Node(copy, counters, (read_at,), None))
            read_at = Read(copy, at)
        outputs.append(read_at)
    return Lowered(program.inputs, tuple(nodes), tuple(outputs), program.names())


def _counters(a: Atom) -> tuple[Counter, ...]:
    return tuple(Counter(n, "ijklmnpq"[k] if k < 8 else f"i{k}") for k, n in enumerate(a.type.shape))


def _product(e: Equation, spec: Spec, read: Callable[[Atom, tuple[Index, ...]], Read]) -> Node:
    """A contraction: the counters of its result, then those that are summed."""
    size = spec.sizes([a.type.shape for a in e.inputs])
    if len(set(spec.out)) < len(spec.out):
        raise Foreign(e.op.name)
    known = list(dict.fromkeys(label for labels in spec.ins for label in labels))
    summed = [label for label in known if label not in spec.out and size[label] != 1]
    counter = {label: Counter(size[label], "ijklmnpq"[label % 8]) for label in (*spec.out, *known)}
    reads = tuple(
        read(a, tuple(index(counter[label]) for label in labels)) for a, labels in zip(e.inputs, spec.ins, strict=True)
    )
    return Node(e.output, tuple(counter[label] for label in (*spec.out, *summed)), reads, e, len(summed))


def _contracted(at: tuple[Index, ...], e: Equation) -> Place:
    """A transpose, a broadcast, a diagonal; a label repeated in the result: zero off the diagonal."""
    spec: Spec = e.params["spec"]
    where: dict[int, Index] = {}
    when = []
    for label, i in zip(spec.out, at, strict=True):
        if label in where:
            when.append(Within(i - where[label], 0, 1))
        else:
            where[label] = i
    return tuple(where[label] for label in spec.ins[0]), tuple(when)


def _sliced(at: tuple[Index, ...], e: Equation) -> Place:
    lead = len(at) - len(e.params["index"])
    shape = e.inputs[0].type.shape
    found = list(at[:lead])
    for i, bounds, n in zip(at[lead:], e.params["index"], shape[lead:], strict=True):
        taken = range(n)[slice(*bounds)]
        found.append(i * taken.step + taken.start)
    return tuple(found), ()


def _placed(at: tuple[Index, ...], e: Equation) -> Place:
    size = e.params["size"]
    lead = len(at) - len(size)
    found, when = list(at[:lead]), []
    for i, bounds, n in zip(at[lead:], e.params["index"], size, strict=True):
        taken = range(n)[slice(*bounds)]
        if taken == range(n):
            found.append(i)
            continue
        if taken.step < 0:  # counted from the far end
            away = (i - taken.start) * -1
            when.append(Within(away, 0, len(taken) * -taken.step, -taken.step))
            found.append(away // -taken.step)
        else:
            away = i - taken.start
            when.append(Within(away, 0, len(taken) * taken.step, taken.step))
            found.append(away // taken.step)
    return tuple(found), tuple(when)


def _reshaped(at: tuple[Index, ...], e: Equation) -> Place:
    old, new = e.params["old"], e.params["new"]
    lead = len(at) - len(new)
    flat = Index()
    for i, n in zip(at[lead:], new, strict=True):
        flat = flat * n + i
    found = []
    for n in reversed(old):
        found.append(flat % n if n != 1 else Index())
        flat = flat // n if n else Index()
    return (*at[:lead], *reversed(found)), ()


# how an element of the result is found in the one operand
PLACES: dict[str, Callable[[tuple[Index, ...], Equation], Place]] = {
    "slice": _sliced,
    "place": _placed,
    "reshape": _reshaped,
}
