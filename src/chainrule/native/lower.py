"""A Program as elements: for each array that is computed, which elements of which arrays one of its elements needs.

What only moves numbers (a slice, a transpose, a broadcast, a reshape) computes nothing: it becomes part of the address
at which its reader reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..ir import ArrayType, Atom, Const, Equation, Program, Var
from ..ops.contraction import Spec, contract
from .blas import product
from .calls import Call, View, seen, whole
from .expand import expanded
from .foreign import Foreign as Foreign
from .indices import Counter, Index, Loaded, Read, Within, index
from .lapack import ROUTINES

_SHORT = 32  # elements along an axis: whether one is there is decided while it is computed

Place = tuple[tuple[Index, ...], tuple[Within, ...]]  # where an element of an operand is read, and when it is there
Reader = Callable[[Atom, tuple[Index, ...]], Read]


@dataclass(frozen=True, eq=False)
class Node:
    """One array, by elements: out[place] = op(reads), for all counts; what several counts say of one place is combined.

    Several nodes may write parts of one array, one after the other.
    """

    out: Var
    counters: tuple[Counter, ...]
    reads: tuple[Read, ...]
    equation: Equation | None  # None: a copy
    reduced: int = 0  # over how many of the counters, the last ones, it is reduced: they are no axes of the array
    combine: str = "add"  # how
    at: tuple[Index, ...] | None = None  # where it is written, if not at its own counters
    onto: bool = False  # whether it is combined with what stands there
    serial: tuple[Counter, ...] = ()  # what must be counted in order, one by one
    again: bool = False  # computed before: now as late as can be, and to the same bits

    @property
    def outs(self) -> tuple[Var, ...]:
        return (self.out,)

    @property
    def own(self) -> tuple[Counter, ...]:
        return self.counters[: len(self.counters) - self.reduced]

    @cached_property
    def place(self) -> tuple[Index, ...]:
        return tuple(map(index, self.own)) if self.at is None else self.at

    @cached_property
    def needs(self) -> tuple[Read, ...]:
        """All that is read, also the positions at which something is read or written."""
        inner = (Read(None, self.place),) if self.at is not None else ()
        return tuple(r for read in (*self.reads, *inner) for r in read.all() if r.source is not None)


@dataclass(frozen=True)
class Lowered:
    """Nodes and calls in order, and for each output of the program where its elements are read."""

    inputs: tuple[Var, ...]
    steps: tuple[Node | Call, ...]
    outputs: tuple[Read, ...]
    names: dict[Var, str] = field(default_factory=dict)
    zeroed: tuple[Var, ...] = ()  # outputs that are zero before anything is done

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(step for step in self.steps if isinstance(step, Node))

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        return tuple(step for step in self.steps if isinstance(step, Call))

    @cached_property
    def made(self) -> dict[Any, tuple[Node, ...]]:
        """Who writes an array."""
        found: dict[Any, tuple[Node, ...]] = {}
        for node in self.nodes:
            found[node.out] = (*found.get(node.out, ()), node)
        return found


class Lowering:
    """A Program that is being lowered. This grows: nodes and calls in order, and what only moved."""

    def __init__(self) -> None:
        self.moved: dict[Var, Callable[[tuple[Index, ...]], Read]] = {}
        self.steps: list[Node | Call] = []
        self.shared: dict[Hashable, Any] = {}  # what routines made for each other: copies, factors

    def read(self, a: Atom, at: tuple[Index, ...]) -> Read:
        """Where the element of `a` at these places lies."""
        if isinstance(a, Const) and a.type.shape == ():
            return Read(a, ())
        if isinstance(a, Var) and a in self.moved:
            return self.moved[a](at)
        return Read(a, at)

    def move(self, a: Atom, e: Equation, placed: Callable[..., Place]) -> None:
        """The result of an equation is `a`, moved."""

        def composed(at: tuple[Index, ...]) -> Read:
            inner, when = placed(at, e, self.read)
            below = self.read(a, inner)
            return Read(below.source, below.at, (*below.when, *when))

        self.moved[e.output] = composed

    def contract(self, e: Equation, spec: Spec) -> None:
        """The result of a contraction: moved, a routine, or a node."""
        once = tuple(dict.fromkeys(spec.out))
        if len(spec.ins) == 1 and e.op.only_moves(spec=spec):
            self.move(e.inputs[0], e, _contracted)
        elif product(e, self):
            return
        elif once == spec.out:
            self.steps.append(_product(e, e.output, spec, self.read))
        else:  # zero off the diagonal that the repeated labels walk
            size = dict(zip(spec.out, e.output.type.shape, strict=True))
            inner = Var(ArrayType(tuple(size[label] for label in once), e.output.type.dtype))
            self.steps.append(_product(e, inner, Spec(spec.ins, once, spec.new), self.read))
            self.move(inner, Equation(e.op, (inner,), e.outputs, {"spec": Spec((once,), spec.out)}), _contracted)

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
            self.steps.append(Node(copy, tuple(counters[k] for k in axes), (read,), None))
            self.shared["copy", a, axes] = copy
        found = whole(self.shared["copy", a, axes])
        return found._replace(shape=a.type.shape, strides=tuple(found.strides[axes.index(k)] for k in range(len(axes))))


def lowered(program: Program, zeroes: bool = False) -> Lowered:
    """The Program by elements; raises Foreign at an op that can't be read so.

    With `zeroes`, memory for outputs can be had that is zero already: the system has such pages, and few are touched
    where little is written.
    """
    program = expanded(program)
    low = Lowering()
    steps = low.steps
    for e in program.equations:
        how = e.op.native
        if how is None:
            raise Foreign(e.op.name)
        if how.how == "address":
            low.move(e.inputs[0], e, PLACES[how.name])
        elif how.how == "product":
            low.contract(e, e.params["spec"])
        elif how.how in ("formula", "function", "index"):
            counters = _counters(e.output)
            at = tuple(map(index, counters))
            steps.append(Node(e.output, counters, tuple(low.read(a, at) for a in e.inputs), e))
        elif how.how in NODES:
            steps += NODES[how.how](e, low.read)
        elif how.how == "routine" and how.name in ROUTINES and ROUTINES[how.name](e, low):
            continue
        else:
            raise Foreign(e.op.name)
    outputs: list[Read] = []
    made = {v for step in steps for v in step.outs}
    for a in program.outputs:
        counters = _counters(a)
        at = tuple(map(index, counters))
        read_at = low.read(a, at)
        source = read_at.source
        whole = isinstance(source, Var) and source in made and not read_at.when and _in_order(read_at, at, a)
        if not whole or any(source is other.source for other in outputs):
            copy = Var(a.type)
            steps.append(Node(copy, counters, (read_at,), None))
            read_at = Read(copy, at)
        outputs.append(read_at)
    arrays = [
        r.source for r, a in zip(outputs, program.outputs, strict=True) if a.type.shape
    ]  # numbers lie on the stack
    begun = [s for s in steps if isinstance(s, Node) and _begins_at_zero(s, arrays)] if zeroes else []
    left = tuple(s for s in steps if s not in begun)
    return Lowered(program.inputs, left, tuple(outputs), program.names(), tuple(node.out for node in begun))


def _in_order(read: Read, at: tuple[Index, ...], a: Atom) -> bool:
    """Whether an array is all of another one in another shape: its elements one after the other."""
    return _flat(read.at, read.source.type.shape) == _flat(at, a.type.shape) and read.source.type.size == a.type.size


def _flat(at: tuple[Index, ...], shape: tuple[int, ...]) -> Index:
    """The position in an array laid out as one row."""
    flat = Index()
    for i, n in zip(at, shape, strict=True):
        flat = flat * n + i
    return flat


def _begins_at_zero(node: Node, outputs: Sequence[Var]) -> bool:
    """Whether all that is done is to set an output to zero, before something is added to it."""
    (read, *more) = node.reads
    return (
        node.equation is None and node.at is None and not more and node.out in outputs
        and isinstance(read.source, Const) and read.source.type.shape == () and not read.when
        and not read.source.value.tobytes().strip(b"\0")
    )  # fmt: skip


def _counters(a: Atom) -> tuple[Counter, ...]:
    return tuple(Counter(n, "ijklmnpq"[k] if k < 8 else f"i{k}") for k, n in enumerate(a.type.shape))


def _product(e: Equation, out: Var, spec: Spec, read: Reader) -> Node:
    """A contraction: the counters of its result, then those that are summed."""
    size = spec.sizes([a.type.shape for a in e.inputs])
    known = list(dict.fromkeys(label for labels in spec.ins for label in labels))
    summed = [label for label in known if label not in spec.out and size[label] != 1]
    counter = {label: Counter(size[label], "ijklmnpq"[label % 8]) for label in (*spec.out, *known)}
    reads = tuple(
        read(a, tuple(index(counter[label]) for label in labels)) for a, labels in zip(e.inputs, spec.ins, strict=True)
    )
    combine = "logical_or" if out.type.dtype.kind == "b" else "add"
    return Node(out, tuple(counter[label] for label in (*spec.out, *summed)), reads, e, len(summed), combine)


def _reduction(e: Equation, read: Reader) -> Iterator[Node]:
    """The extreme over axes, or whether any or all are true."""
    assert e.op.native is not None
    counters = tuple(_counters(e.inputs[0]))
    gone = {axis % len(counters) for axis in e.params["axes"]}
    own = [c for n, c in enumerate(counters) if n not in gone]
    reduced = [c for n, c in enumerate(counters) if n in gone and c.size != 1]
    reads = (read(e.inputs[0], tuple(map(index, counters))),)
    yield Node(e.output, (*own, *reduced), reads, e, len(reduced), e.op.native.name)


def _running(e: Equation, read: Reader) -> Iterator[Node]:
    """A sum over all that stand before, itself included: what was there before, and one more."""
    counters = _counters(e.output)
    axis = e.params["axis"] % len(counters)
    c = counters[axis]
    at = list(map(index, counters))
    before = at[axis] - 1
    if e.params["reverse"]:
        at[axis], before = at[axis] * -1 + (c.size - 1), at[axis] * -1 + c.size
    earlier = Read(e.output, (*at[:axis], before, *at[axis + 1 :]), (Within(before, 0, c.size),))
    reads = (earlier, read(e.inputs[0], tuple(at)))
    combine = "logical_or" if e.output.type.dtype.kind == "b" else "add"
    yield Node(e.output, counters, reads, e, 0, combine, at=tuple(at), serial=(c,))


def _assembled(e: Equation, read: Reader) -> Iterator[Node]:
    """Each element is that of the last operand that is there; long operands side by side are copied one by one."""
    assert e.op.native is not None
    counters = _counters(e.output)
    if e.op.native.side_by_side and min(a.type.shape[e.params["axis"]] for a in e.inputs) > _SHORT:
        start, axis = 0, e.params["axis"] % len(counters)
        for a in e.inputs:
            own = _counters(a)
            inside = tuple(map(index, own))
            yield Node(e.output, own, (read(a, inside),), None, at=_moved(inside, axis, start))
            start += a.type.shape[axis]
        return
    at = tuple(map(index, counters))
    reads = []
    for a, (inner, when) in zip(e.inputs, PARTS[e.op.native.name](at, e), strict=True):
        below = read(a, inner)
        reads.append(Read(below.source, below.at, (*below.when, *when), len(when)))
    yield Node(e.output, counters, tuple(reads), e)


def _moved(at: tuple[Index, ...], axis: int, by: int) -> tuple[Index, ...]:
    return (*at[:axis], at[axis] + by, *at[axis + 1 :])


def _scattered(e: Equation, read: Reader) -> Iterator[Node]:
    """Rows written at positions that are read: onto zeros, where they add up, or over what was there."""
    adds = len(e.inputs) == 2
    rows, positions = e.inputs[0 if adds else 2], e.inputs[1]
    whole = _counters(e.output)
    start = Read(Const(e.output.type.dtype.type(0)), ()) if adds else read(e.inputs[0], tuple(map(index, whole)))
    yield Node(e.output, whole, (start,), None)
    *lead, r, c = _counters(rows)
    at = tuple(map(index, (*lead, r, c)))
    target = Index(((Loaded(read(positions, at[:-1])), 1),))
    yield Node(e.output, (*lead, r, c), (read(rows, at),), None, at=(*at[:-2], target, at[-1]), onto=adds, serial=(r,))


def _contracted(at: tuple[Index, ...], e: Equation, read: Reader) -> Place:
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


def _sliced(at: tuple[Index, ...], e: Equation, read: Reader) -> Place:
    lead = len(at) - len(e.params["index"])
    shape = e.inputs[0].type.shape
    found = list(at[:lead])
    for i, bounds, n in zip(at[lead:], e.params["index"], shape[lead:], strict=True):
        taken = range(n)[slice(*bounds)]
        found.append(i * taken.step + taken.start)
    return tuple(found), ()


def _placed(at: tuple[Index, ...], e: Equation, read: Reader) -> Place:
    return _placed_in(at, e.params["index"], e.params["size"])


def _placed_in(at: tuple[Index, ...], where: Any, size: tuple[int, ...]) -> Place:
    """Where an element of an array stands in what was written into a part of it, and when it does."""
    lead = len(at) - len(size)
    found, when = list(at[:lead]), []
    for i, bounds, n in zip(at[lead:], where, size, strict=True):
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


def _reshaped(at: tuple[Index, ...], e: Equation, read: Reader) -> Place:
    old, new = e.params["old"], e.params["new"]
    lead = len(at) - len(new)
    flat = _flat(at[lead:], new)
    found = []
    for n in reversed(old):
        found.append(flat % n if n > 1 else Index())
        flat = flat // n if n else Index()
    return (*at[:lead], *reversed(found)), ()


def _gathered(at: tuple[Index, ...], e: Equation, read: Reader) -> Place:
    return (*at[:-2], Index(((Loaded(read(e.inputs[1], at[:-1])), 1),)), at[-1]), ()


def _joined(at: tuple[Index, ...], e: Equation) -> Iterator[Place]:
    axis, start = e.params["axis"] % len(at), 0
    for a in e.inputs:
        n = a.type.shape[axis]
        i = at[axis] - start
        yield (*at[:axis], i, *at[axis + 1 :]), (Within(i, 0, n),)
        start += n


def _updated(at: tuple[Index, ...], e: Equation) -> Iterator[Place]:
    yield at, ()
    k = len(e.params["index"])
    yield _placed_in(at, e.params["index"], e.inputs[0].type.shape[len(at) - k :])


# how an element of the result is found in the one operand that it comes from
PLACES: dict[str, Callable[[tuple[Index, ...], Equation, Reader], Place]] = {
    "slice": _sliced, "place": _placed, "reshape": _reshaped, "gather": _gathered,
}  # fmt: skip
# … in each of the operands, where they are there
PARTS: dict[str, Callable[[tuple[Index, ...], Equation], Iterator[Place]]] = {
    "concatenate": _joined, "update": _updated,
}  # fmt: skip
NODES: dict[str, Callable[[Equation, Reader], Iterator[Node]]] = {
    "reduction": _reduction, "running": _running, "assembly": _assembled, "scatter": _scattered,
}  # fmt: skip
