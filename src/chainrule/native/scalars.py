"""A Program as scalar instructions: every element of every small array is a number with a name of its own.

Elements are named by whole numbers. What only moves elements moves their names: the op's own evaluation is run on
arrays of names. So reading x[i] costs no instruction, and a gradient that is gathered from a thousand reads of one
array adds up what is there, not the zeros beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.arithmetic import add, multiply
from ..ops.contraction import Spec, contract
from ..ops.control import holds_a_program
from ..ops.indexing import gather, scatter_set
from ..ops.structure import place, reshape, update
from . import expand
from .foreign import Foreign
from .lanes import KINDS, literal
from .templates import Template, combination, formula

_KIND_OF = {np.dtype(name): kind for name, kind in KINDS.items()}  # a dtype's name is slow to ask for
_LITERALS = 64  # an array of at most so many constants is written into the text
ZERO = 0  # the name of 0.0: where an array of names is filled up with zeros, they mean it
_MINUS_ZERO = literal(-0.0, "f64")

Names = Any  # a whole number, or an array of them


@dataclass(frozen=True)
class Block:
    """Elements that lie in memory from the start: an input, or a large array of constants."""

    source: Atom
    kind: str
    first: int
    size: int


@dataclass(eq=False)
class Code:
    """Instructions in order, what they read and what they give. It changes while it is made."""

    blocks: list[Block] = field(default_factory=list)
    made: list[tuple[int, Template, tuple[int, ...]]] = field(default_factory=list)
    literals: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)  # of what is made, and of literals
    outputs: list[list[int]] = field(default_factory=list)  # the names of each output's elements

    def kind_of(self, name: int) -> str:
        return self.kinds[name] if name in self.kinds else self.block_of(name).kind

    def block_of(self, name: int) -> Block:
        return next(b for b in self.blocks if b.first <= name < b.first + b.size)


def only_moves(e: Equation) -> bool:
    """Whether an equation costs no instruction."""
    how = e.op.native.how if e.op.native is not None else ""
    if how == "product":
        return e.op.only_moves(**e.params)
    return how in ("address", "assembly") or e.op is scatter_set


def has_scalar_form(e: Equation) -> bool:
    """Whether an equation can be written out, as far as its op tells."""
    how = e.op.native.how if e.op.native is not None else ""
    if e.op in (gather, scatter_set):
        return isinstance(e.inputs[1], Const)
    if how == "meaning" and holds_a_program(e):
        return False  # it has loops
    return how in ("formula", "function", "product", "reduction", "running", "meaning") or only_moves(e)


def expanded(program: Program) -> Code:
    """The Program by scalars; raises Foreign at an op that has no such form."""
    return _Expansion(expand.expanded(program)).code


class _Expansion:
    """The Program read once, in order. It changes while it reads."""

    def __init__(self, program: Program) -> None:
        zero = literal(0.0, "f64")
        self.code = Code(literals={ZERO: zero}, kinds={ZERO: "f64"})
        self.next = ZERO + 1
        self.names: dict[Atom, Names] = {}
        self.known = {(zero, "f64"): ZERO}
        self.templates: dict[Any, Template] = {}
        self.plus: dict[Any, tuple[Template, int]] = {}  # by dtype, the sum, and the name of 0.0
        self.positive_zero = {ZERO}  # what is never -0.0, so that adding 0.0 to it is nothing
        self.placed: dict[Atom, Equation] = {}  # arrays that are zero but for a part, not written down yet
        self.own: set[Atom] = set()  # arrays of names that were made here, and are shared with no other
        self.doubtful: dict[Atom, set[int]] = {}  # where an array may hold -0.0, if that is kept account of
        self.last: dict[Atom, Equation] = {a: e for e in program.equations for a in e.inputs}
        for a in program.outputs:
            self.last.pop(a, None)
        for v in program.inputs:
            self.names[v] = self._block(v)
        for e in program.equations:
            self._equation(e)
        for a in program.outputs:
            self.code.outputs.append(np.ravel(self._of(a)).tolist())

    def _equation(self, e: Equation) -> None:
        op = e.op
        how = op.native.how if op.native is not None else ""
        if op is add and e.outputs[0].type.dtype.kind == "f":
            self._sum(e)
        elif how in ("formula", "function"):
            out = e.outputs[0]
            key = (op, out.type.dtype, *[a.type.dtype for a in e.inputs], *e.params.items())
            template = self.templates.get(key)
            if template is None:
                kinds = tuple([_kind(a) for a in e.inputs])
                template = self.templates[key] = formula(op, tuple(e.params.items()), kinds, _kind(out))
            self.names[out] = self._each(template, [self._of(a) for a in e.inputs], out.type.shape)
        elif op is place:
            self.placed[e.output] = e
        elif op is update:
            found = self._writable(e.inputs[0], e)
            found[_slices(e)] = self._of(e.inputs[1])
            self.names[e.output] = found
            self.own.add(e.output)
        elif only_moves(e):
            self.names[e.output] = self._moved(e)
        elif op is contract:
            self.names[e.output] = self._contracted(e, e.params["spec"])
        elif how == "reduction":
            self.names[e.output] = self._reduced(e)
        elif how == "running":
            self.names[e.output] = self._running(e)
        else:
            raise Foreign(op.name)

    # --- names of values ---------------------------------------------------------------------------------------------

    def _block(self, a: Atom) -> Names:
        block = Block(a, _kind(a), self.next, prod(a.type.shape))
        self.code.blocks.append(block)
        self.next += block.size
        return np.arange(block.first, self.next).reshape(a.type.shape) if a.type.shape else block.first

    def _of(self, a: Atom) -> Names:
        """The names of an operand's elements."""
        found = self.names.get(a)
        if found is None:
            found = self.names[a] = self._constant(a) if isinstance(a, Const) else self._moved(self.placed[a])
            self.own.add(a)
        return found

    def _constant(self, a: Const) -> Names:
        kind, shape = _kind(a), a.type.shape
        if not shape:
            return self._literal(a.value.item(), kind)
        if a.value.size > _LITERALS:
            bits = np.ascontiguousarray(a.value).view(np.uint8).reshape(a.value.size, -1)
            if (bits != bits[0]).any():
                return self._block(a)
            return np.full(shape, self._literal(a.value.flat[0].item(), kind))
        return np.array([self._literal(x, kind) for x in a.value.ravel().tolist()], np.int64).reshape(shape)

    def _literal(self, x: Any, kind: str) -> int:
        return self._named(literal(x, kind), kind)

    def _named(self, text: str, kind: str) -> int:
        name = self.known.get((text, kind))
        if name is None:
            name = self.known[text, kind] = self.next
            self.next += 1
            self.code.literals[name], self.code.kinds[name] = text, kind
            if text != _MINUS_ZERO:
                self.positive_zero.add(name)
        return name

    def _moved(self, e: Equation) -> Names:
        """Names where the op moves elements; it adds zeros in places."""
        op, along = e.op, getattr(e.op, "along", None)
        xs = []
        for i, a in enumerate(e.inputs):
            if along is None or i in along:
                xs.append(self._of(a))
            elif isinstance(a, Const):
                xs.append(a.value)
            else:
                raise Foreign(f"{op.name} at places that change")
        if op is reshape:
            found = np.reshape(xs[0], e.output.type.shape)
        else:
            found = op.evaluate(*[np.asarray(x) for x in xs], **e.params)
        if not e.output.type.shape:
            return int(found)
        if found.base is not None and not self.own.isdisjoint(e.inputs):
            found = found.copy()  # an array of names of our own may be changed later
        kind = _kind(e.output)
        if kind != "f64" and not found.all():
            found = np.where(found == ZERO, self._literal(0, kind), found)
        return found

    def _writable(self, a: Atom, e: Equation) -> Names:
        """The names of an operand, as an array that may be changed."""
        found = self._of(a)
        if a in self.own and isinstance(a, Var) and self.last.get(a) is e:
            return found
        return np.array(found)

    # --- operations --------------------------------------------------------------------------------------------------

    def _make(self, template: Template, operands: tuple[int, ...]) -> int:
        if not template.text:
            return self._named(template.literal, template.kind) if template.same is None else operands[template.same]
        name = self.next
        self.next = name + 1
        self.code.made.append((name, template, operands))
        self.code.kinds[name] = template.kind
        return name

    def _each(self, template: Template, operands: Sequence[Names], shape: tuple[int, ...]) -> Names:
        """An operation on every element; a number stands beside all."""
        if not shape:
            return self._make(template, tuple(operands))
        columns = [np.broadcast_to(x, shape).ravel().tolist() for x in operands]
        return np.array([self._make(template, names) for names in zip(*columns, strict=True)]).reshape(shape)

    def _plus(self, x: int, y: int, template: Template, zero: int) -> int:
        """x + y; where adding 0.0 changes nothing, not even a sign, it costs nothing."""
        sure = self.positive_zero
        if y == zero and x in sure:
            return x
        if x == zero and y in sure:
            return y
        name = self._make(template, (x, y))
        if x in sure or y in sure:
            sure.add(name)
        return name

    def _sum(self, e: Equation) -> None:
        x, y = e.inputs
        shape, out = e.outputs[0].type.shape, e.outputs[0]
        found = self.plus.get(out.type.dtype)
        if found is None:
            kind = _kind(out)
            found = self.plus[out.type.dtype] = formula(add, (), (kind, kind), kind), self._literal(0.0, kind)
        template, zero = found
        if not shape:
            self.names[out] = self._plus(self._of(x), self._of(y), template, zero)
            return
        if x in self.placed and x not in self.names and y not in self.placed:
            x, y = y, x
        if y not in self.placed or y in self.names or x.type.shape != shape:
            columns = [np.broadcast_to(self._of(a), shape).ravel().tolist() for a in (x, y)]
            total = [self._plus(a, b, template, zero) for a, b in zip(*columns, strict=True)]
            self.names[out] = np.array(total).reshape(shape)
        else:
            self._add_part(e, x, self.placed[y], template, zero)
        self.own.add(out)

    def _add_part(self, e: Equation, x: Atom, part: Equation, template: Template, zero: int) -> None:
        """x + an array that is zero but for a part: only the part costs, and what of x may be -0.0 elsewhere."""
        sure = self.positive_zero
        found = self._writable(x, e)
        flat = found.reshape(-1)  # a view: what is writable is contiguous
        doubtful = self.doubtful.pop(x, None)
        if doubtful is None:
            doubtful = {n for n, name in enumerate(flat.tolist()) if name not in sure}
        new = np.ravel(self._of(part.inputs[0])).tolist()
        at = _positions(part)
        left = set()
        for n, name in zip(at, new, strict=True):
            total = self._plus(int(flat[n]), name, template, zero)
            flat[n] = total
            if total not in sure:
                left.add(n)
        for n in doubtful.difference(at):
            flat[n] = self._plus(int(flat[n]), zero, template, zero)
        self.names[e.output] = found
        self.doubtful[e.output] = left

    def _contracted(self, e: Equation, spec: Spec) -> Names:
        """Sums of products, written out; a sum is taken by pairs, pairs of pairs, …"""
        out = e.output
        kind = _kind(out)
        terms, shape = _terms(spec, tuple([a.type.shape for a in e.inputs]))
        if kind == "i1" and any(len(row) > 1 for row in terms):
            raise Foreign("a sum of truths")
        flat = [np.ravel(self._of(a)).tolist() for a in e.inputs]
        plus, times = formula(add, (), (kind, kind), kind), formula(multiply, (), (kind, kind), kind)
        zero = self._literal(0, kind)
        found = []
        for row in terms:
            names = [
                self._make(times, (flat[0][at[0]], flat[1][at[1]])) if len(at) == 2 else flat[0][at[0]] for at in row
            ]
            while len(names) > 1:
                pairs = [self._plus(a, b, plus, zero) for a, b in zip(names[::2], names[1::2], strict=False)]
                names = pairs + names[len(pairs) * 2 :]
            found.append(names[0] if names else zero)
        return np.array(found).reshape(shape) if shape else found[0]

    def _reduced(self, e: Equation) -> Names:
        """Elements combined by pairs, pairs of pairs, …"""
        assert e.op.native is not None
        template = combination(e.op.native.name, _kind(e.output))
        x = np.asarray(self._of(e.inputs[0]))
        axes = sorted(a % x.ndim for a in e.params["axes"])
        rest = [a for a in range(x.ndim) if a not in axes]
        rows = np.transpose(x, (*rest, *axes)).reshape(prod(x.shape[a] for a in rest), -1)
        if not rows.shape[1]:
            raise Foreign("a reduction of nothing")
        while rows.shape[1] > 1:
            pairs = rows.shape[1] // 2
            left, right = rows[:, : 2 * pairs : 2], rows[:, 1 : 2 * pairs : 2]
            rows = np.concatenate([self._each(template, (left, right), left.shape), rows[:, 2 * pairs :]], axis=1)
        shape = e.output.type.shape
        return rows.reshape(shape) if shape else int(rows[0, 0])

    def _running(self, e: Equation) -> Names:
        """Each element added to the sum of all that stand before."""
        kind, axis = _kind(e.output), e.params["axis"]
        template = combination("add", kind)
        x = np.moveaxis(np.array(self._of(e.inputs[0])), axis, 0)
        x = x[::-1] if e.params["reverse"] else x
        for k in range(1, len(x)):
            x[k] = self._each(template, (x[k - 1], x[k]), x.shape[1:])
        x = x[::-1] if e.params["reverse"] else x
        return np.ascontiguousarray(np.moveaxis(x, 0, axis))


def _kind(a: Atom) -> str:
    kind = _KIND_OF.get(a.type.dtype)
    if kind is None:
        raise Foreign(a.type.dtype.name)
    return kind


def _slices(e: Equation) -> tuple[Any, ...]:
    return (..., *(slice(*b) for b in e.params["index"]))


def _positions(e: Equation) -> list[int]:
    """Where, in memory, the elements of a placed array are."""
    shape, index = e.output.type.shape, e.params["index"]
    lead = len(shape) - len(index)
    taken = [range(n) for n in shape[:lead]] + [range(n)[slice(*b)] for n, b in zip(shape[lead:], index, strict=True)]
    found = [0]
    for n, places in zip(shape, taken, strict=True):
        found = [at * n + k for at in found for k in places]
    return found


@lru_cache(maxsize=1024)
def _terms(spec: Spec, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[list[tuple[int, ...]]], tuple[int, ...]]:
    """For each element of the result, in order, the places in the operands whose product it sums; and its shape."""
    size = spec.sizes(shapes)
    shape = tuple([size[label] for label in spec.out])
    free = list(dict.fromkeys(spec.out))
    summed = [label for labels in spec.ins for label in labels if label not in spec.out]
    summed = list(dict.fromkeys(summed))
    rows: list[list[tuple[int, ...]]] = [[] for _ in range(prod(shape))]

    def flat(labels: Sequence[int], where: dict[int, int]) -> int:
        at = 0
        for label in labels:
            at = at * size[label] + where[label]
        return at

    for values in product(*(range(size[label]) for label in free)):
        where = dict(zip(free, values, strict=True))
        row = rows[flat(spec.out, where)]
        for others in product(*(range(size[label]) for label in summed)):
            where.update(zip(summed, others, strict=True))
            row.append(tuple([flat(labels, where) for labels in spec.ins]))
    return rows, shape
