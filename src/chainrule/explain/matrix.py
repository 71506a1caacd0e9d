"""A contraction as it is written with vectors and matrices: `ij,j->i` is X w, `ij,i->j` is Xᵀ r, `i,j->ij` is a bᵀ.

Vectors are columns, and an axis along which a vector is repeated is written with the vector of ones: 1 bᵀ has b in
every row. What has no form in matrices is None here, and written with indices in `formula.py`: Σⱼ Aᵢⱼₖ Bⱼₗ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ..ops.contraction import Labels
from ..ops.notation import PRODUCT
from .layout import (
    Box,
    applied,
    fenced,
    hadamard,
    letter,
    listed,
    product,
    row,
    transposed,
    word,
)

ONES = letter("1", r"\mathbf{1}")
IDENTITY = letter("I")
INDICES = "ijklmnoxyzwb"

Axes = tuple[int, ...]


def index_letters(taken: Collection[str]) -> Iterator[str]:
    """Letters to count with, then the same with a prime."""
    mark = ""
    while True:
        yield from (c + mark for c in INDICES if c + mark not in taken)
        mark += "'"


def lifted(part: Box, own: Axes, whole: Axes) -> Box | None:
    """An array with the axes `own` repeated along the others of `whole`; None if vectors of ones can't say it."""
    if own == whole:
        return part
    if len(whole) > 2:
        return None
    if not own:
        ones = ONES if len(whole) == 1 else _matrix_product(ONES, transposed(ONES))
        return ones if part.sign == "1" else _matrix_product(part, *([ONES] if len(whole) == 1 else ones.parts))
    if len(own) == len(whole):
        return _turned(part, True)
    return _matrix_product(part, transposed(ONES)) if own[0] == whole[0] else _matrix_product(ONES, _turned(part, True))


def contracted(ins: Sequence[Labels], out: Labels, parts: Sequence[Box]) -> Box | None:
    """The box of a contraction of `parts`, or None if matrices can't say it."""
    if len(parts) == 1:
        return _unary(ins[0], out, parts[0])
    bare = [i for i, labels in enumerate(ins) if not labels]
    if bare:  # a number times an array
        i = bare[0]
        rest = _unary(ins[1 - i], out, parts[1 - i])
        if rest is None or parts[i].sign == "1":
            return rest
        return product([parts[i], rest])
    ins, parts = list(ins), list(parts)
    for i, labels in enumerate(ins):  # a matrix that is summed on its own, before it meets the other
        own = tuple(n for n in labels if n in out or n in ins[1 - i])
        if out and len(own) < len(labels) == 2 and (found := _unary(labels, own, parts[i])):
            ins[i], parts[i] = own, found
    return _binary(ins[0], ins[1], out, parts[0], parts[1])


# --- letters: a sum inside a sum counts with another letter ---


def sums(box: Box) -> set[str]:
    """The letters that are counted with inside a box: those of Σᵢ, and of an array [xᵢ − yⱼ]ᵢⱼ."""
    found = set(box.parts[0].sign.split(",")) if box.kind == "summed" else set()
    if box.kind == "lowered" and box.parts[0].sign == "[ ]":
        found = set(box.parts[1].sign.split(","))
    return found.union(*map(sums, box.parts))


def relettered(box: Box, bound: Collection[str], letters: Iterator[str]) -> Box:
    """The same box, whose own sums don't count with letters that are bound outside."""
    clash = sorted(sums(box) & set(bound))
    if not clash:
        return box
    taken = {*sums(box), *bound}
    free = (c for c in letters if c not in taken)
    return _renamed(box, {old: next(free) for old in clash})


def _renamed(box: Box, new: dict[str, str]) -> Box:
    parts = tuple(_renamed(part, new) for part in box.parts)
    at = {"summed": 0, "lowered": 1}.get(box.kind)
    if at is not None and box.parts[at].kind == "letter":
        names = box.parts[at].sign.split(",")
        if any(name in new for name in names):
            changed = letter(",".join(new.get(name, name) for name in names))
            parts = (*parts[:at], changed, *parts[at + 1 :])
    return box if all(a is b for a, b in zip(parts, box.parts, strict=True)) else replace(box, parts=parts)


# --- one operand, two operands ---


def _unary(labels: Labels, out: Labels, part: Box) -> Box | None:
    if labels == out:
        return part
    if not labels and len(out) == 2 and out[0] == out[1]:
        return IDENTITY if part.sign == "1" else product([part, IDENTITY])
    if len(labels) == 2 and out == labels[::-1] and labels[0] != labels[1]:
        return _turned(part, True)
    if (len(labels), out) == (2, labels[:1]):
        return applied(word("diag"), [part]) if labels[0] == labels[1] else _matrix_product(part, ONES)
    if len(labels) == 1 and out == labels * 2:
        return applied(word("diag"), [part])
    if len(labels) == 2 and out == labels[1:]:
        return _matrix_product(_turned(part, True), ONES)
    if len(labels) == 2 and labels[0] == labels[1] and not out:
        return applied(word("tr", r"\operatorname{tr}"), [part])
    return None


def _matrix_product(*factors: Box) -> Box:
    return row(factors, " ", r"\,", level=PRODUCT, need=PRODUCT)


def _turned(part: Box, turn: bool) -> Box:
    if not turn:
        return part
    return part.parts[0] if part.kind == "transposed" else transposed(part)


def _binary(left: Labels, right: Labels, out: Labels, a: Box, b: Box) -> Box | None:
    if any(len(set(labels)) < len(labels) or len(labels) > 2 for labels in (left, right, out)):
        return None
    if len(left) == 2 and right == left[::-1]:
        right, b = left, _turned(b, True)
    if left == right:
        if len(out) == 2 and out == left[::-1]:
            left, a, b = out, _turned(a, True), _turned(b, True)
        return _same_labels(left, out, a, b)
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
