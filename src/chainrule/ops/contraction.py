"""Products summed over shared labels: matmul, dot, outer, sum, transpose, trace, diagonal, broadcast are one op.

A spec says it all: the shape, both derivatives, batching, the matrix product that computes it. Labels are integers. A
label repeated in an operand walks its diagonal; one repeated in the result is a Kronecker delta, so that the adjoint
of every Contraction is a Contraction again, and transposing a spec twice gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..ir import ArrayType
from . import discs
from .native import PRODUCT
from .op import Op, Tangents, Value, apply, register, shape_of

Labels = tuple[int, ...]


class Spec(NamedTuple):
    """z[out] = Σ Π operand[ins]; `new` gives the sizes of labels that only the result has (broadcasting)."""

    ins: tuple[Labels, ...]
    out: Labels
    new: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        return f"{','.join(map(_word, self.ins))}->{_word(self.out)}"

    def sizes(self, shapes: Sequence[tuple[int, ...]]) -> dict[int, int]:
        """The length of every label; raises ShapeError where operands disagree."""
        size = dict(self.new)
        for labels, shape in zip(self.ins, shapes, strict=True):
            if len(labels) != len(shape):
                raise ShapeError(f"{self}: an operand has {len(shape)} axes, the spec {len(labels)}")
            for label, n in zip(labels, shape, strict=True):
                if size.setdefault(label, n) != n:
                    raise ShapeError(
                        f"{self}: axis {_word((label,))!r} has length {size[label]} in one place, {n} in another"
                    )
        return size

    def transposed(self, i: int, shape: tuple[int, ...]) -> tuple[Spec, tuple[int, ...]]:
        """The spec of the adjoint in operand `i` of that `shape`, and its operands: -1 is the cotangent, else an index.

        The operands stand in the order in which a matrix product reads: Z Wᵀ, then Xᵀ Z.
        """
        others = [j for j in range(len(self.ins)) if j != i]
        order = (*others, -1) if i else (-1, *others)
        ins = tuple(self.out if j < 0 else self.ins[j] for j in order)
        known = {label for labels in ins for label in labels}
        new = tuple(
            sorted({label: n for label, n in zip(self.ins[i], shape, strict=True) if label not in known}.items())
        )
        return canonical(Spec(ins, self.ins[i], new)), order

    @property
    def is_identity(self) -> bool:
        return len(self.ins) == 1 and self.ins[0] == self.out and len(set(self.out)) == len(self.out)


def _word(labels: Labels) -> str:
    return "".join("ijklmnopqrstuvwxyzabcdefgh"[n] if n < 26 else f"[{n}]" for n in labels)


@lru_cache(maxsize=4096)
def canonical(spec: Spec) -> Spec:
    """The same spec with labels numbered in order of appearance, so that equal contractions are equal."""
    number: dict[int, int] = {}
    for labels in (*spec.ins, spec.out):
        for label in labels:
            number.setdefault(label, len(number))

    def rename(labels: Labels) -> Labels:
        return tuple([number[label] for label in labels])

    new = tuple(sorted((number[label], n) for label, n in spec.new if label in number))
    return Spec(tuple(map(rename, spec.ins)), rename(spec.out), new)


@dataclass(frozen=True, eq=False, repr=False)
class Contraction(Op):
    """Linear in each operand; binary at most, so that a cotangent costs what the value costs."""

    def types(self, *types: ArrayType, spec: Spec) -> tuple[ArrayType, ...]:  # type: ignore[override]
        size = spec.sizes([t.shape for t in types])
        return (ArrayType(tuple([size[label] for label in spec.out]), types[0].dtype),)

    def flops(self, types: Sequence[ArrayType], results: Sequence[ArrayType], *, spec: Spec) -> float:  # type: ignore[override]
        """A product, an addition, or both, for every combination of labels; nothing where numbers are only moved."""
        known = {label for labels in spec.ins for label in labels}
        size = spec.sizes([t.shape for t in types])
        summed = any(size[label] > 1 for label in known - set(spec.out))
        return float((len(spec.ins) - 1 + summed) * prod(size[label] for label in known))

    def operand_dtypes(self, dtypes: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
        common = np.result_type(*[0.0 if d is float else 0 if d is int else False if d is bool else d for d in dtypes])
        return (common,) * len(dtypes)

    def jvp(self, tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], *, spec: Spec) -> Tangents:  # type: ignore[override]
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                term = apply(self, *inputs[:i], t, *inputs[i + 1 :], spec=spec)
                total = term if total is None else total + term
        return (total,)

    def vjp(  # type: ignore[override]
        self,
        cotangents: Tangents,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        wanted: Sequence[int],
        *,
        spec: Spec,
    ) -> dict[int, Value | None]:
        found: dict[int, Value | None] = {}
        for i in wanted:
            swapped, order = spec.transposed(i, shape_of(inputs[i]))
            found[i] = apply(self, *(cotangents[0] if j < 0 else inputs[j] for j in order), spec=swapped)
        return found

    def only_moves(self, *, spec: Spec) -> bool:  # type: ignore[override]
        (labels, *others) = spec.ins
        return not others and set(labels) <= set(spec.out)

    def batched(self, params: dict[str, Any], mapped: tuple[bool, ...]) -> dict[str, Any] | None:
        """One more label, on the mapped operands and the result."""
        spec: Spec = params["spec"]
        label = 1 + max((n for labels in (*spec.ins, spec.out) for n in labels), default=-1)
        ins = tuple((label, *labels) if m else labels for labels, m in zip(spec.ins, mapped, strict=True))
        return {"spec": canonical(Spec(ins, (label, *spec.out), spec.new))}


# --- evaluation: a matrix product, or a plain NumPy call ------------------------------------------------------------


def _evaluate(*operands: Any, spec: Spec) -> Any:
    # plan by the spec alone: sizes enter only where a label is new
    return _plan(spec)(*operands)


@lru_cache(maxsize=4096)
def _plan(spec: Spec) -> Callable[..., Any]:
    unique = tuple(dict.fromkeys(spec.out))
    if len(unique) < len(spec.out):  # Kronecker deltas: compute without, then place on the diagonal
        inner = _plan(Spec(spec.ins, unique, spec.new))
        return lambda *xs: _spread(inner(*xs), unique, spec.out)
    for k, labels in enumerate(spec.ins):
        if len(set(labels)) < len(labels):  # a diagonal: take it first
            once = tuple(dict.fromkeys(labels))
            inner = _plan(Spec((*spec.ins[:k], once, *spec.ins[k + 1 :]), spec.out, spec.new))
            return lambda *xs: inner(*xs[:k], np.einsum(xs[k], list(labels), list(once)), *xs[k + 1 :])
    known = {label for labels in spec.ins for label in labels}
    fresh = [label for label in spec.out if label not in known]
    if fresh:  # broadcasting: compute without, then repeat
        kept = tuple(label for label in spec.out if label in known)
        inner = _plan(Spec(spec.ins, kept))
        size = dict(spec.new)
        place = tuple(None if label in fresh else slice(None) for label in spec.out)

        def repeated(*xs: Any) -> Any:
            x = np.asarray(inner(*xs))[place]
            return np.broadcast_to(x, [size.get(label, n) for label, n in zip(spec.out, x.shape, strict=True)])

        return repeated
    if len(spec.ins) == 1:
        return _unary(spec.ins[0], spec.out)
    for k in (0, 1):  # a label in one operand only, and not kept: sum it first
        alone = [label for label in spec.ins[k] if label not in spec.out and label not in spec.ins[1 - k]]
        if alone:
            rest = tuple(label for label in spec.ins[k] if label not in alone)
            return _reduced_first(k, rest, spec)
    left, right = spec.ins
    return _binary(left, right, spec.out)


def _reduced_first(k: int, rest: Labels, spec: Spec) -> Callable[..., Any]:
    reduce = _unary(spec.ins[k], rest)
    inner = _plan(Spec((rest, spec.ins[1]) if k == 0 else (spec.ins[0], rest), spec.out))
    return (lambda x, y: inner(reduce(x), y)) if k == 0 else (lambda x, y: inner(x, reduce(y)))


def _unary(labels: Labels, out: Labels) -> Callable[[Any], Any]:
    gone = tuple(n for n, label in enumerate(labels) if label not in out)
    left = [label for label in labels if label in out]
    order = tuple(left.index(label) for label in out)
    plain = order == tuple(range(len(order)))
    if not gone:
        return (lambda x: x) if plain else lambda x: np.transpose(x, order)
    if plain:
        return lambda x: _summed(x, gone)
    return lambda x: np.transpose(_summed(x, gone), order)


def _summed(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over axes; of one term it is the term, also where that is -0, and NumPy adds it to 0."""
    if all(np.shape(x)[n] == 1 for n in axes):
        return np.squeeze(x, axes)
    return np.sum(x, axis=axes, dtype=x.dtype)


def _binary(left: Labels, right: Labels, out: Labels) -> Callable[[Any, Any], Any]:
    """Every other two-operand contraction: batch labels in front, then one matrix product."""
    batch = [label for label in out if label in left and label in right]
    summed = [label for label in left if label not in out]
    rows = [label for label in out if label in left and label not in right]
    columns = [label for label in out if label in right and label not in left]
    if not summed:  # nothing to sum: an outer or elementwise product
        order = {label: n for n, label in enumerate(out)}

        def spread(labels: Labels) -> tuple[tuple[int, ...], tuple[Any, ...]]:
            axes = tuple(sorted(range(len(labels)), key=lambda n: order[labels[n]]))
            return axes, tuple(slice(None) if label in labels else None for label in out)

        (first, place), (second, other) = spread(left), spread(right)
        return lambda x, y: np.multiply(np.transpose(x, first)[place], np.transpose(y, second)[other])
    if not batch and len(summed) == 1 and len(left) <= 2 and len(right) <= 2:  # vectors and matrices, as they are
        (j,) = summed
        flip = out == (*columns, *rows) and rows and columns
        if not flip:
            turn_x, turn_y = left[-1] != j, right[0] != j
            return lambda x, y: np.matmul(x.T if turn_x else x, y.T if turn_y else y)
        turn_x, turn_y = left[0] != j, right[-1] != j
        return lambda x, y: np.matmul(y.T if turn_y else y, x.T if turn_x else x)
    axes_x = tuple(left.index(label) for label in (*batch, *rows, *summed))
    axes_y = tuple(right.index(label) for label in (*batch, *summed, *columns))
    natural = (*batch, *rows, *columns)
    back = tuple(natural.index(label) for label in out)
    nb, ns = len(batch), len(summed)

    def product(x: Any, y: Any) -> Any:
        x, y = np.transpose(x, axes_x), np.transpose(y, axes_y)
        b, r, s, c = x.shape[:nb], x.shape[nb : x.ndim - ns], y.shape[nb : nb + ns], y.shape[nb + ns :]
        n = int(np.prod(s))
        z = np.matmul(x.reshape(*b, int(np.prod(r)), n), y.reshape(*b, n, int(np.prod(c))))
        return np.transpose(z.reshape((*b, *r, *c)), back)

    return product


def _spread(x: Any, labels: Labels, out: Labels) -> Any:
    """Place x on the diagonal that the repeated labels of `out` walk; zeros elsewhere."""
    size = dict(zip(labels, np.shape(x), strict=True))
    z = np.zeros([size[label] for label in out], np.asarray(x).dtype)
    np.einsum(z, list(out), list(labels))[...] = x  # einsum of one operand is a view of its diagonal
    return z


contract: Contraction = Contraction(
    "contract", _evaluate, rule="product", native=PRODUCT,
    disc=discs.contraction(lambda *xs, spec: apply(contract, *xs, spec=spec)),
)  # fmt: skip
register(contract)


def contraction(
    *operands: Value, ins: Sequence[Sequence[int]], out: Sequence[int], new: Sequence[tuple[int, int]] = ()
) -> Any:
    """Contract operands by labels; what changes nothing is not recorded."""
    spec = canonical(Spec(tuple(map(tuple, ins)), tuple(out), tuple(new)))
    if spec.is_identity:
        return operands[0]
    return apply(contract, *operands, spec=spec)


def broadcast(x: Value, shape: tuple[int, ...]) -> Any:
    """x repeated to `shape`, as NumPy would; the labels say which axes are new."""
    own = shape_of(x)
    if own == shape:
        return x
    lead = len(shape) - len(own)
    stretched = [n for n, size in enumerate(own) if size == 1 and shape[lead + n] != 1]
    if lead < 0 or any(size != shape[lead + n] for n, size in enumerate(own) if n not in stretched):
        raise ShapeError(f"$0 does not stretch to {list(shape)}", operands=(x,))
    labels = range(lead, len(shape))
    if stretched:  # an axis of length 1 that grows is summed away (there is one term), then repeated
        ghost = {n: len(shape) + n for n in stretched}
        ins = [ghost.get(n, label) for n, label in enumerate(labels)]
    else:
        ins = list(labels)
    new = [(n, shape[n]) for n in range(len(shape)) if n < lead or n - lead in stretched]
    return contraction(x, ins=[ins], out=range(len(shape)), new=new)
