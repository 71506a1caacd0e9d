"""Products of matrices by BLAS: a contraction whose labels fall into batch, rows, summed and columns.

Operands are read where they lie: BLAS takes a matrix whose rows or whose columns have no gaps, so that a transpose is
a flag and a cut a distance between rows. What lies otherwise is copied first, each copy once in a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ..ir import ArrayType, Atom, Equation, Var
from ..ops.contraction import Labels, Spec
from .calls import LARGEST, Call, Code, View, contiguous
from .indices import Index, Read, Within
from .lanes import KINDS

if TYPE_CHECKING:
    from .lower import Lowering

PREFIX = {"f64": "d", "f32": "s"}  # of the names of BLAS and LAPACK


class Groups(NamedTuple):
    """The labels of a contraction by what becomes of them; those of length 1 are in none."""

    batch: Labels
    rows: Labels
    summed: Labels
    columns: Labels


class Matrix(NamedTuple):
    """How a matrix lies: whether columns instead of rows have no gaps, and how far apart those are that have none."""

    turned: bool
    apart: int


@dataclass(frozen=True)
class Product:
    """Z = X Y for each of a batch; everything in numbers."""

    kind: str
    batch: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]  # from one of the batch to the next in X, Y, Z
    size: tuple[int, int, int]  # rows, summed, columns
    x: Matrix
    y: Matrix
    z: Matrix
    square: bool  # whether Y = Xᵀ, so that half of Z says it all

    def write(self, code: Code) -> None:
        """Row-major Z = X Y is column-major Zᵀ = Yᵀ Xᵀ."""
        with code.each(self.batch) as at:
            pointers = [
                code.at(p, self.kind, *zip(at, steps, strict=True))
                for p, steps in zip((*code.operands, code.results[0]), self.steps, strict=True)
            ]
            if self.square:
                self._half(code, *pointers)
            else:
                self._full(code, *pointers)

    def _full(self, code: Code, px: str, py: str, pz: str) -> None:
        m, k, n = self.size
        code.call(
            f"blas.{PREFIX[self.kind]}gemm", code.letter("NT"[self.y.turned]), code.letter("NT"[self.x.turned]),
            code.whole(n), code.whole(m), code.whole(k), code.real(1.0, self.kind),
            py, code.whole(self.y.apart), px, code.whole(self.x.apart), code.real(0.0, self.kind),
            pz, code.whole(self.z.apart),
        )  # fmt: skip

    def _half(self, code: Code, px: str, py: str, pz: str) -> None:
        """X Xᵀ: the lower triangle by rows, and its mirror image."""
        m, k, _ = self.size
        code.call(
            f"blas.{PREFIX[self.kind]}syrk", code.letter("U"), code.letter("TN"[self.x.turned]),
            code.whole(m), code.whole(k), code.real(1.0, self.kind), px, code.whole(self.x.apart),
            code.real(0.0, self.kind), pz, code.whole(self.z.apart),
        )  # fmt: skip
        code.mirror(pz, m, self.z.apart, self.kind)


def product(e: Equation, low: Lowering) -> bool:
    """Lower a contraction to a Call where BLAS is faster than loops of our own; whether it did."""
    spec: Spec = e.params["spec"]
    kind = KINDS.get(e.output.type.dtype.name)
    if len(spec.ins) != 2 or kind not in PREFIX:
        return False
    size = spec.sizes([a.type.shape for a in e.inputs])
    groups = _groups(spec, size)
    m, k, n = (prod(size[label] for label in group) for group in groups[1:])
    if _fuses(m, k, n) or max(m, k, n) > LARGEST:
        return False
    x, y = ((a, labels) for a, labels in zip(e.inputs, spec.ins, strict=True))
    kept = tuple(dict.fromkeys(label for label in spec.out if label in {*spec.ins[0], *spec.ins[1]}))
    alone = [{label for label in labels if label not in kept and label not in other}
             for labels, other in (spec.ins, spec.ins[::-1])]  # fmt: skip
    x, y = (_summed(low, a, labels, gone, size) for (a, labels), gone in zip((x, y), alone, strict=True))
    if next(label for label in kept if label in (*groups.rows, *groups.columns)) in groups.columns:
        x, y = y, x
        groups = groups._replace(rows=groups.columns, columns=groups.rows)
        m, n = n, m
    _Lowered(e, low, size, groups, kept, kind).add(x, y, (m, k, n))
    return True


def _fuses(m: int, k: int, n: int) -> bool:
    """Whether loops of our own, which fuse with what stands around them, are as good as BLAS or better.

    Measured: with two short sides everything stays in registers or near; few summed terms are written out, and the
    large result need never be in memory; with a vector, or two, reading the matrix is all that costs.
    """
    _, middle, _ = sorted((m, k, n))
    return middle <= 8 or k <= 4 or min(m, n) <= 2


def _groups(spec: Spec, size: Mapping[int, int]) -> Groups:
    left, right = (set(labels) for labels in spec.ins)
    known = dict.fromkeys(label for label in (*spec.out, *spec.ins[0]) if size[label] != 1)
    return Groups(
        tuple(q for q in known if q in left and q in right and q in spec.out),
        tuple(q for q in known if q in left and q not in right and q in spec.out),
        tuple(q for q in known if q in left and q in right and q not in spec.out),
        tuple(q for q in known if q in right and q not in left and q in spec.out),
    )


def _summed(low: Lowering, a: Atom, labels: Labels, gone: set[int], size: Mapping[int, int]) -> tuple[Atom, Labels]:
    """An operand, summed over labels that nothing else has."""
    if not gone:
        return a, labels
    kept = tuple(dict.fromkeys(label for label in labels if label not in gone))
    return low.contracted(a, Spec((labels,), kept)), kept


class _Lowered:
    """One contraction on its way to a Call."""

    def __init__(
        self, e: Equation, low: Lowering, size: Mapping[int, int], groups: Groups, kept: Labels, kind: str
    ) -> None:
        self.e, self.low, self.size, self.groups, self.kept, self.kind = e, low, size, groups, kept, kind

    def add(self, x: tuple[Atom, Labels], y: tuple[Atom, Labels], size: tuple[int, int, int]) -> None:
        batch, rows, summed, columns = self.groups
        (vx, sx), (vy, sy) = self._seen(*x), self._seen(*y)
        rows = self._order(rows, sx)
        columns = self._order(columns, sy)
        summed = self._order(summed, sx, sy)
        mx, my = self._matrix(rows, summed, sx), self._matrix(summed, columns, sy)
        if mx is None:
            vx, sx = self._copied(*x, (*batch, *rows, *summed))
            mx = self._matrix(rows, summed, sx)
        if my is None:
            vy, sy = self._copied(*y, (*batch, *summed, *columns))
            my = self._matrix(summed, columns, sy)
        for order in (self.kept, (*batch, *rows, *columns, *(q for q in self.kept if self.size[q] == 1))):
            shape = tuple(self.size[q] for q in order)
            sz = dict(zip(order, contiguous(shape), strict=True))
            mz = self._matrix(rows, columns, sz)
            if mz is not None and not mz.turned:
                break
        assert mx is not None
        assert my is not None
        assert mz is not None
        out = self._result(order, shape)
        square = (
            vx == vy
            and [(sx[q], self.size[q]) for q in rows] == [(sy[q], self.size[q]) for q in columns]
            and all(sx[q] == sy[q] for q in (*batch, *summed))
        )
        steps = tuple(tuple(s[q] for q in batch) for s in (sx, sy, sz))
        made = Product(self.kind, tuple(self.size[q] for q in batch), steps, size, mx, my, mz, square)
        self.low.steps.append(Call(self.e, (vx, vy), (out,), made.write))

    def _seen(self, a: Atom, labels: Labels) -> tuple[View, dict[int, int]]:
        """Where an operand lies, and the step of each label; one that stands twice walks the diagonal."""
        view = self.low.view(a)
        return view, _steps(labels, view.strides)

    def _copied(self, a: Atom, labels: Labels, order: Labels) -> tuple[View, dict[int, int]]:
        """An operand in this order, without gaps."""
        if len(set(labels)) < len(labels):
            once = tuple(dict.fromkeys(labels))
            a, labels = self.low.contracted(a, Spec((labels,), once)), once
        axes = [labels.index(q) for q in order]
        view = self.low.stored(a, [*axes, *(k for k in range(len(labels)) if k not in axes)])
        return view, _steps(labels, view.strides)

    def _order(self, labels: Labels, *steps: Mapping[int, int]) -> Labels:
        """The labels of a group in an order in which they are one axis of all operands, or at least of the first."""
        orders = [labels, *(tuple(sorted(labels, key=lambda q: -s[q])) for s in steps)]
        for wanted in (steps, steps[:1], steps[1:]):
            for order in orders:
                if all(self._step(order, s) is not None for s in wanted):
                    return order
        return labels

    def _step(self, labels: Labels, steps: Mapping[int, int]) -> int | None:
        """How far apart neighbours lie, if these labels in this order are one axis."""
        for outer, inner in pairwise(labels):
            if steps[outer] != steps[inner] * self.size[inner]:
                return None
        return steps[labels[-1]]

    def _matrix(self, rows: Labels, columns: Labels, steps: Mapping[int, int]) -> Matrix | None:
        """How BLAS would read it, if it can."""
        down, along = self._step(rows, steps), self._step(columns, steps)
        if down is None or along is None:
            return None
        if along == 1 and prod(self.size[q] for q in columns) <= down <= LARGEST:
            return Matrix(False, down)
        if down == 1 and prod(self.size[q] for q in rows) <= along <= LARGEST:
            return Matrix(True, along)
        return None

    def _result(self, order: Labels, shape: tuple[int, ...]) -> Var:
        """The array that the call makes; the equation's result is read from it."""
        out = self.e.params["spec"].out
        if order == out:
            return self.e.output
        made = Var(ArrayType(shape, self.e.output.type.dtype))

        def placed(at: tuple[Index, ...]) -> Read:
            where: dict[int, Index] = {}
            when = []
            for label, i in zip(out, at, strict=True):
                if label in where:
                    when.append(Within(i - where[label], 0, 1))
                else:
                    where[label] = i
            return Read(made, tuple(where[q] for q in order), tuple(when))

        self.low.moved[self.e.output] = placed
        return made


def _steps(labels: Labels, strides: Sequence[int]) -> dict[int, int]:
    steps = dict.fromkeys(labels, 0)
    for label, stride in zip(labels, strides, strict=True):
        steps[label] += stride
    return steps
