"""A contraction as it is written with vectors and matrices: `ij,j->i` is X w, `ij,i->j` is Xᵀ r, `i,j->ij` is a bᵀ.

Vectors are columns; labels that walk along in front of all operands (a batch) are left out, as in NumPy's `@`. What has
no form in matrices is written with indices: Σⱼ Aᵢⱼₖ Bⱼₗ.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ops.contraction import Labels, Spec
from ..ops.notation import PRODUCT
from .layout import (
    Box,
    applied,
    fenced,
    hadamard,
    letter,
    listed,
    lowered,
    product,
    row,
    summed,
    text,
    transposed,
    word,
)

ONES = letter("1", r"\mathbf{1}")
INDICES = "ijklmnopqrsuvabcdefgh"


def contracted(spec: Spec, shapes: Sequence[tuple[int, ...]], parts: Sequence[Box], indices: str = INDICES) -> Box:
    """The box of a contraction of `parts`."""
    spec = _without_ones(spec, shapes)
    spec = _without_batch(spec)
    if len(parts) == 1:
        return _unary(spec.ins[0], spec.out, parts[0], indices)
    left, right = spec.ins
    found = _binary(left, right, spec.out, *parts)
    return found or _with_indices(spec, parts, indices)


def _without_ones(spec: Spec, shapes: Sequence[tuple[int, ...]]) -> Spec:
    """Labels of length 1 are not written, nor those that only the result has."""
    size = spec.sizes(shapes)
    known = {label for labels in spec.ins for label in labels}
    written = [tuple(n for n in labels if size[n] != 1 and n in known) for labels in (*spec.ins, spec.out)]
    return Spec(tuple(written[:-1]), written[-1])


def _without_batch(spec: Spec) -> Spec:
    """Drop labels that stand first in the result and in each operand that has them."""
    ins, out = list(spec.ins), spec.out
    while len(out) > 2 and not (len(ins) == 1 and len(ins[0]) <= 2):
        first = out[0]
        has = [first in labels for labels in ins]
        if out.count(first) > 1 or any(
            h and (x[0] != first or x.count(first) > 1) for h, x in zip(has, ins, strict=True)
        ):
            break
        ins, out = [x[1:] if h else x for h, x in zip(has, ins, strict=True)], out[1:]
    return Spec(tuple(ins), out)


def _unary(labels: Labels, out: Labels, part: Box, indices: str) -> Box:
    if labels == out:
        return part
    if len(set(labels)) == len(labels) and len(set(out)) == len(out) and sorted(labels) == sorted(out):
        if len(out) == 2:
            return transposed(part)
        return applied(word("transpose"), [part, text(str(tuple(labels.index(n) for n in out)))])
    if (len(labels), out) == (2, labels[:1]):
        return applied(word("diag"), [part]) if labels[0] == labels[1] else _matrix_product(part, ONES)
    if len(labels) == 1 and out == labels * 2:
        return applied(word("diag"), [part])
    if len(labels) == 2 and out == labels[1:]:
        return _matrix_product(transposed(part), ONES)
    if len(labels) == 2 and labels[0] == labels[1] and not out:
        return applied(word("tr", r"\operatorname{tr}"), [part])
    return _with_indices(Spec((labels,), out), [part], indices)


def _matrix_product(*factors: Box) -> Box:
    return row(factors, " ", r"\,", level=PRODUCT, need=PRODUCT)


def _turned(part: Box, turn: bool) -> Box:
    if not turn:
        return part
    return part.parts[0] if part.kind == "transposed" else transposed(part)


def _binary(left: Labels, right: Labels, out: Labels, a: Box, b: Box) -> Box | None:
    if any(len(set(labels)) < len(labels) or len(labels) > 2 for labels in (left, right, out)):
        return None
    if left == right:
        return _same_labels(left, out, a, b)
    if not left or not right:  # a number times an array
        return product([a, b]) if (left or right) == out else None
    shared = [n for n in left if n in right]
    summed_ = [n for n in dict.fromkeys((*left, *right)) if n not in out]
    if not shared and not summed_ and len(out) == 2 and len(left) == 1:
        first, second = (a, b) if out[0] == left[0] else (b, a)
        return _matrix_product(first, transposed(second))
    if len(shared) == 1 and not summed_:
        return _scaled(left, right, out, a, b)
    if summed_ != shared or len(shared) != 1:
        return None
    (j,) = shared
    if len(left) == len(right) == 1:
        return _matrix_product(_turned(a, True), b)
    if (out[0] in right) if out else len(left) == 1:
        left, right, a, b = right, left, b, a
    first = _turned(a, len(left) == 2 and left[1] != j)
    return _matrix_product(first, _turned(b, len(right) == 2 and right[0] != j))


def _same_labels(labels: Labels, out: Labels, a: Box, b: Box) -> Box | None:
    """Operands of one shape: elementwise, or summed over all or some axes."""
    if out == labels:
        return hadamard([a, b])
    if not out:
        return _matrix_product(_turned(a, True), b) if len(labels) == 1 else fenced("⟨", listed([a, b]), "⟩", _ANGLES)
    inside = hadamard([a, b])
    if out == labels[:1]:
        return _matrix_product(inside, ONES)
    return _matrix_product(transposed(inside), ONES) if out == labels[1:] else None


_ANGLES = (r"\langle", r"\rangle")


def _scaled(left: Labels, right: Labels, out: Labels, a: Box, b: Box) -> Box | None:
    """diag(a) B scales the rows of a matrix, B diag(a) its columns."""
    if len(left) == 2:
        left, right, a, b = right, left, b, a
    if len(left) != 1 or len(right) != 2 or sorted(right) != sorted(out):
        return None
    matrix, scale = _turned(b, right != out), applied(word("diag"), [a])
    return _matrix_product(scale, matrix) if out[0] == left[0] else _matrix_product(matrix, scale)


def _with_indices(spec: Spec, parts: Sequence[Box], indices: str) -> Box:
    name = dict(zip(dict.fromkeys(n for labels in (*spec.ins, spec.out) for n in labels), indices, strict=False))

    def index(labels: Sequence[int]) -> str:
        return ",".join(name.get(n, "?") for n in labels)

    factors = [lowered(p, letter(index(labels))) if labels else p for p, labels in zip(parts, spec.ins, strict=True)]
    gone = [n for n in dict.fromkeys(n for labels in spec.ins for n in labels) if n not in spec.out]
    body = product(factors)
    return summed(index(gone), body) if gone else body
