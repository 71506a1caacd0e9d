"""Which elements of a derivative can be different from zero: the Program read with sets of indices.

What is read is a Program that is linear in some of its inputs: the tangents of forward mode. So an op's derivative rule
says already what depends on what, and what is zero by its rule is absent. Of the ops that tangents meet, each kind says
how sets travel:

    Elementwise   each element on its own; nothing where the coefficient is a constant 0
    Contraction   the spec says it; nothing where the other operand is a constant 0
    Linear        what picks elements is evaluated on their numbers; what drops them, by its adjoint
    any other     along the axes that it `joins` everything; without that, everything

A set may be too large, where numbers cancel or a factor happens to be 0; it is never too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction, Spec
from ..ops.op import Cases, Elementwise, Linear
from ..trace.recorder import Recorder, Traced
from .index_sets import Sets, collected, joined, masked, matrix, moved, repeated, singletons, union

Array = np.ndarray[Any, Any]
TABLE = 50_000_000  # products of a contraction with a constant that are looked at one by one


class Pattern(NamedTuple):
    """For each output, the matrix of truths: a row for each element, a column for each element of the moving inputs.

    It holds as long as the inputs in `asked` (their numbers, and values) are what they were: arrays of indices.
    `moved` are the values that are nothing but elements of the moving inputs, or zeros, in another order, where
    anything else reads them: for each element the number of the column, from 1; 0 is a zero.
    """

    matrices: list[Any]
    asked: dict[int, Array]
    moved: dict[Var, Array]


def pattern(program: Program, moving: Sequence[int], values: Sequence[Any]) -> Pattern:
    """Which elements of the outputs depend on which of the inputs `moving`, in which the Program is linear.

    `values` are those of the inputs; of them only whole numbers are read, where they are indices.
    """
    widths = [program.inputs[i].type.size for i in moving]
    width = sum(widths)
    dtype = np.int32 if width < 2**31 - 1 else np.int64
    starts = np.cumsum([0, *widths]).tolist()
    sets: dict[Atom, Sets] = {}
    for i, start in zip(moving, starts, strict=False):
        sets[program.inputs[i]] = singletons(start, program.inputs[i].type.shape, dtype)
    known = _Known(program, values)
    last = {a: n for n, e in enumerate(program.equations) for a in e.inputs}
    kept = set(program.outputs)
    pure: dict[Atom, Array] = {a: s[0].rows for a, s in sets.items()}
    read = set(program.outputs)  # what something reads that does not only move it
    for n, e in enumerate(program.equations):
        given = [sets.get(a, ()) for a in e.inputs]
        if any(given):
            found = _through(e, given, known, width)
            sets.update(zip(e.outputs, found, strict=True))
            if _only_moves(e, known) and all([a in pure or not s for a, s in zip(e.inputs, given, strict=True)]):
                pure.update({v: s[0].rows for v, s in zip(e.outputs, found, strict=True) if len(s) == 1})
            if not all([v in pure for v in e.outputs]):
                read.update(e.inputs)
            for a in set(e.inputs):
                if last[a] == n and a not in kept:
                    sets.pop(a, None)
    matrices = []
    for a in program.outputs:
        s = sets.get(a, ())
        matrices.append(matrix(s, width) if s else csr_array((a.type.size, width), dtype=bool))
    moved = {v: rows for v, rows in pure.items() if v in read and isinstance(v, Var)}
    return Pattern(matrices, known.asked, moved)


def _only_moves(e: Equation, known: _Known) -> bool:
    """Whether every element of the result is one of an operand, or zero, and it is known which."""
    if not isinstance(e.op, Linear):
        return e.op.only_moves(**e.params)
    along = range(len(e.inputs)) if e.op.along is None else e.op.along
    others = [a for i, a in enumerate(e.inputs) if i not in along]
    return (e.op.picks or e.op.only_moves(**e.params)) and all([known.value(a) is not None for a in others])


def _through(e: Equation, given: list[Sets], known: _Known, width: int) -> list[Sets]:
    """The sets of an equation's results."""
    op = e.op
    if isinstance(op, Elementwise):
        return [_elementwise(e, given, known, width)]
    if isinstance(op, Contraction):
        return [union([_contracted(e, i, s, known, width) for i, s in enumerate(given) if s], width)]
    if isinstance(op, Linear):
        found = _rearranged(op, e, given, known, width)
        if found is not None:
            return [found]
    types = [a.type for a in e.inputs]
    axes = op.joins(*types, **e.params) if op.joins else [tuple(range(t.ndim)) for t in types]
    whole = [joined(s, a, width) for s, a in zip(given, axes, strict=True)]
    return [union([repeated(s, v.type.shape) for s in whole], width) for v in e.outputs]


# --- elementwise ------------------------------------------------------------------------------------------------------


def _elementwise(e: Equation, given: list[Sets], known: _Known, width: int) -> Sets:
    shape = e.output.type.shape
    masks = _coefficients(e, known)
    found = []
    for s, mask in zip(given, masks, strict=True):
        s = s if all([p.rows.shape == shape for p in s]) else repeated(s, shape)
        found.append(s if mask is None else masked(s, mask))
    return union(found, width)


def _coefficients(e: Equation, known: _Known) -> Sequence[Array | None]:
    """For each operand, where the derivative in it is not a constant 0; None where that is not known."""
    fixed = [known.fixed(a) for a in e.inputs]
    if not any([x is not None and (x.ndim or not x.all()) for x in fixed]):
        return [None] * len(fixed)
    recorder = Recorder(quiet=True)
    handles = [
        recorder.input(a.type) if x is None else Traced(recorder, Const(x))
        for a, x in zip(e.inputs, fixed, strict=True)
    ]
    assert isinstance(e.op, Elementwise)
    partials = e.op.partials(handles, recorder.input(e.output.type), **e.params)
    return [_nonzero(p) for p in partials]


def _nonzero(partial: Any) -> Any:
    """Where a partial derivative is not 0; None where that is not known."""
    if isinstance(partial, Cases):
        condition, yes, no = _constant(partial.condition), _nonzero(partial.yes), _nonzero(partial.no)
        if condition is None or yes is None or no is None:
            return None
        return np.where(condition, yes, no)
    value = _constant(partial)
    return None if value is None else value != 0


def _constant(x: Any) -> Any:
    if x is None:
        return np.zeros((), bool)
    if isinstance(x, Traced):
        return x.atom.value if isinstance(x.atom, Const) else None
    return np.asarray(x)


# --- contractions -----------------------------------------------------------------------------------------------------


def _contracted(e: Equation, i: int, sets: Sets, known: _Known, width: int) -> Sets:
    """The sets that come through operand i."""
    spec: Spec = e.params["spec"]
    size = spec.sizes([a.type.shape for a in e.inputs])
    own, shape = spec.ins[i], e.output.type.shape
    for j, a in enumerate(e.inputs):
        weight = known.fixed(a) if j != i else None
        if weight is not None and not weight.all():
            found = _weighted(sets, own, spec.out, spec.ins[j], weight, size, width)
            if found is not None:
                return found
    once = tuple(dict.fromkeys(own))
    kept = tuple([n for n in once if n in spec.out])
    gone = tuple([n for n in once if n not in spec.out])
    turned = _turn(sets, own, (*kept, *gone), {}, e)
    turned = joined(turned, range(len(kept), len(once)), width)
    turned = repeated(turned, tuple([size[n] for n in kept]))  # drops the axes of length 1
    found = _turn(turned, kept, spec.out, size, e)
    assert all([p.rows.shape == shape for p in found])
    return found


def _turn(sets: Sets, labels: Sequence[int], out: Sequence[int], size: dict[int, int], e: Equation) -> Sets:
    new = tuple(sorted({(n, size[n]) for n in out if n not in labels}))
    spec = Spec((tuple(labels),), tuple(out), new)
    shapes = [p.rows.shape for p in sets[:1]]
    return moved([sets], lambda rows: e.op.evaluate(rows, spec=spec), shapes) if sets else ()


def _weighted(
    sets: Sets, own: Sequence[int], out: Sequence[int], other: Sequence[int], weight: Array, size: dict[int, int],
    width: int,
) -> Sets | None:  # fmt: skip
    """With a constant beside it: one product for each of its elements that is not 0. None: too many."""
    places = np.nonzero(weight)
    rest = [n for n in dict.fromkeys((*own, *out)) if n not in other]
    if len(places[0]) * prod(size[n] for n in rest) > TABLE:
        return None
    at: dict[int, Array] = {}
    same = np.ones(len(places[0]), bool)
    for label, where in zip(other, places, strict=True):
        same &= at.setdefault(label, where) == where
    table = [where[same] for where in at.values()]
    count = int(np.count_nonzero(same))
    full = (count, *[size[n] for n in rest])
    index = {n: w.reshape(-1, *(1,) * len(rest)) for n, w in zip(at, table, strict=True)}
    for k, n in enumerate(rest):
        index[n] = np.arange(size[n]).reshape((-1, *(1,) * (len(rest) - k - 1)))

    def flat(labels: Sequence[int]) -> Array:
        position: Any = np.zeros((), np.intp)
        for n in labels:
            position = position * size[n] + index[n]
        return np.broadcast_to(position, full).ravel()

    return collected(sets, flat(out), flat(own), tuple([size[n] for n in out]), width)


# --- what moves numbers -----------------------------------------------------------------------------------------------


def _rearranged(op: Linear, e: Equation, given: list[Sets], known: _Known, width: int) -> Sets | None:
    """Through an op that picks elements or drops them; None if it does neither, or an index is not known."""
    picks = op.picks or op.only_moves(**e.params)
    if not picks and not op.drops:
        return None
    along = range(len(e.inputs)) if op.along is None else op.along
    others = {i: known.value(a) for i, a in enumerate(e.inputs) if i not in along}
    if any([x is None for x in others.values()]):
        return None
    if picks:

        def move(*rows: Array) -> Any:
            operands = dict(zip(along, rows, strict=True)) | others
            return op.evaluate(*[operands[i] for i in range(len(e.inputs))], **e.params)

        return moved([given[i] for i in along], move, [e.inputs[i].type.shape for i in along])
    pieces = []
    inputs = [others[i] if i in others else np.zeros(a.type.shape, bool) for i, a in enumerate(e.inputs)]
    shape = e.output.type.shape
    places = np.arange(1, 1 + prod(shape)).reshape(shape)
    for i in along:
        to = np.asarray(op.adjoint(places, inputs, (i,), **e.params)[i]).ravel() - 1
        some = np.flatnonzero(to >= 0)
        pieces.append(collected(given[i], to[some], some, shape, width))
    return union(pieces, width)


# --- values that are known --------------------------------------------------------------------------------------------


class _Known:
    """Values that are the same at every call (`fixed`), or as long as some whole numbers are (`value`)."""

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self.values: dict[Atom, Array] = {}
        self.asked: dict[int, Array] = {}
        self._given = {v: i for i, v in enumerate(program.inputs)}
        self._inputs = values
        self._made_by = {v: e for e in program.equations for v in e.outputs}
        # 0: of constants alone, 1: of whole numbers and truths, too, 2: of real numbers
        self._level: dict[Atom, int] = {v: 2 if v.type.differentiable else 1 for v in program.inputs}
        for e in program.equations:
            level = max([self._level.get(a, 0) for a in e.inputs], default=0)
            self._level.update(dict.fromkeys(e.outputs, level))

    def fixed(self, a: Atom) -> Array | None:
        return self._computed(a) if self._level.get(a, 0) == 0 else None

    def value(self, a: Atom) -> Array | None:
        return self._computed(a) if self._level.get(a, 0) <= 1 else None

    def _computed(self, a: Atom) -> Array:
        stack = [a]
        while stack:
            top = stack[-1]
            if isinstance(top, Const) or top in self.values:
                stack.pop()
                continue
            if top in self._given:
                i = self._given[top]
                self.values[top] = self.asked[i] = np.array(self._inputs[i])
                continue
            e = self._made_by[top]
            missing = [b for b in e.inputs if isinstance(b, Var) and b not in self.values]
            if missing:
                stack += missing
                continue
            operands = [self.values[b] if isinstance(b, Var) else b.value for b in e.inputs]
            with np.errstate(all="ignore"):
                found = e.op.evaluate(*operands, **e.params)
            for v, x in zip(e.outputs, found if len(e.outputs) > 1 else (found,), strict=True):
                self.values[v] = np.asarray(x)
        return a.value if isinstance(a, Const) else self.values[a]
