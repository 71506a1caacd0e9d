"""A Program as elements: for each array that is computed, which elements of which arrays one of its elements needs.

What only moves numbers (a slice, a transpose, a broadcast, a reshape) computes nothing: it becomes part of the address
at which its reader reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Spec, contract
from .blas import product
from .calls import Call, View, seen, whole
from .indices import Counter, Index, Read, Within, index
from .lapack import ROUTINES

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
    def outs(self) -> tuple[Var, ...]:
        return (self.out,)

    @property
    def sources(self) -> tuple[Any, ...]:
        return tuple(r.source for r in self.reads)

    @property
    def own(self) -> tuple[Counter, ...]:
        return self.counters[: len(self.counters) - self.reduced]


@dataclass(frozen=True)
class Lowered:
    """Nodes and calls in order, and for each output of the program where its elements are read."""

    inputs: tuple[Var, ...]
    nodes: tuple[Node | Call, ...]
    outputs: tuple[Read, ...]
    names: dict[Var, str] = field(default_factory=dict)


class Foreign(Exception):
    """What has no native form, and runs on NumPy: nobody sees it."""


class Lowering:
    """A Program that is being lowered. This grows: nodes and calls in order, and what only moved."""

    def __init__(self) -> None:
        self.moved: dict[Var, Callable[[tuple[Index, ...]], Read]] = {}
        self.nodes: list[Node | Call] = []
        self.shared: dict[Hashable, Any] = {}  # what routines made for each other: copies, factors

    def read(self, a: Atom, at: tuple[Index, ...]) -> Read:
        """Where the element of `a` at these places lies."""
        if isinstance(a, Const) and a.type.shape == ():
            return Read(a, ())
        if isinstance(a, Var) and a in self.moved:
            return self.moved[a](at)
        return Read(a, at)

    def move(self, e: Equation, placed: Callable[..., Place]) -> None:
        """The result of an equation that only moves."""

        def composed(at: tuple[Index, ...]) -> Read:
            inner, when = placed(at, e)
            below = self.read(e.inputs[0], inner)
            return Read(below.source, below.at, (*below.when, *when))

        self.moved[e.output] = composed

    def contract(self, e: Equation, spec: Spec) -> None:
        """The result of a contraction: moved, one node, or a routine."""
        if len(spec.ins) == 1 and e.op.only_moves(spec=spec):
            self.move(e, _contracted)
        elif not product(e, self):
            self.nodes.append(_product(e, spec, self.read))

    def contracted(self, a: Atom, spec: Spec) -> Var:
        """One array, contracted alone."""
        out = Var(contract.types(a.type, spec=spec)[0])
        self.contract(Equation(contract, (a,), (out,), {"spec": spec}), spec)
        return out

    def view(self, a: Atom) -> View:
        """An array as it lies in memory; of one that lies nowhere evenly, a copy."""
        counters = _counters(a)
        found = seen(self.read(a, tuple(map(index, counters))), counters)
        return found if found is not None else self.stored(a, range(len(counters)))

    def stored(self, a: Atom, axes: Sequence[int]) -> View:
        """A copy without gaps, the axes in this order."""
        axes = tuple(axes)
        if ("copy", a, axes) not in self.shared:
            counters = _counters(a)
            read = self.read(a, tuple(map(index, counters)))
            copy = Var(a.type._replace(shape=tuple(a.type.shape[k] for k in axes)))
            self.nodes.append(Node(copy, tuple(counters[k] for k in axes), (read,), None))
            self.shared["copy", a, axes] = copy
        found = whole(self.shared["copy", a, axes])
        return found._replace(shape=a.type.shape, strides=tuple(found.strides[axes.index(k)] for k in range(len(axes))))


def lowered(program: Program) -> Lowered:
    """The Program by elements; raises Foreign at an op that can't be read so."""
    low = Lowering()
    nodes = low.nodes
    for e in program.equations:
        how = e.op.native
        if how is None:
            raise Foreign(e.op.name)
        if how.how == "address":
            low.move(e, PLACES[how.name])
        elif how.how == "product":
            low.contract(e, e.params["spec"])
        elif how.how in ("formula", "function"):
            counters = _counters(e.output)
            at = tuple(map(index, counters))
            nodes.append(Node(e.output, counters, tuple(low.read(a, at) for a in e.inputs), e))
        elif how.how == "routine" and how.name in ROUTINES and ROUTINES[how.name](e, low):
            continue
        else:
            raise Foreign(e.op.name)
    outputs: list[Read] = []
    made = {v for node in nodes for v in node.outs}
    for a in program.outputs:
        counters = _counters(a)
        at = tuple(map(index, counters))
        read_at = low.read(a, at)
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
