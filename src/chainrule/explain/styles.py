"""How an equation is laid out, by the style that its op's entry states: a row for each style, none for any op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isinf
from typing import Any

import numpy as np

from ..ir import Const, Equation
from ..ops.notation import PRODUCT, SUM, Notation
from .layout import (
    Box,
    applied,
    beside,
    cases,
    fenced,
    fraction,
    hadamard,
    letter,
    listed,
    lowered,
    negated,
    number,
    product,
    raised,
    relation,
    root,
    row,
    text,
    total,
    transposed,
    word,
)  # fmt: skip
from .numbers import digits, written

Parts = Sequence[Box]
PLAIN = Notation("call", "", "", "")


def notation_of(e: Equation) -> Notation:
    return e.op.notation or PLAIN


def laid_out(e: Equation, parts: Parts, *, elements: bool = False) -> Box:
    """The box of `e.op` applied to parts that are laid out already; `elements` if a product is one of numbers."""
    notation = notation_of(e)
    if elements and notation.style == "infix" and notation.level == PRODUCT:
        return product(parts)
    return _STYLES[notation.style](e, notation, parts)


def is_number(box: Box) -> bool:
    return box.kind == "number" or (box.kind == "prefix" and box.parts[0].kind == "number")


# --- a row for each style ---------------------------------------------------------------------------------------------


def _infix(e: Equation, notation: Notation, parts: Parts) -> Box:
    left, right = parts
    if notation.level == SUM:
        return total(left, right, minus=notation.text == "-")
    if notation.level == PRODUCT:
        return hadamard([left, right]) if e.output.type.shape else product([left, right])
    return relation(left, notation.symbol, notation.tex, right)


def uniform(a: Const) -> Any:
    """The one number that fills a constant, or None."""
    flat = a.value.reshape(-1)
    if not flat.size or not (flat[0] == flat).all():
        return flat[0] if flat.size and flat.dtype.kind == "f" and np.isnan(flat).all() else None
    return flat[0]


_POWER_AFTER_NAME = frozenset({"trigonometric", "hyperbolic"})  # cos² x, but σ(x)²


def _call(e: Equation, notation: Notation, parts: Parts) -> Box:
    function = word(notation.symbol or e.op.name, notation.tex or None)
    if notation.style == "call" and "n" in e.params:
        function = raised(function, fenced("(", number(digits(e.params["n"])), ")"))
    if e.op.rule in _POWER_AFTER_NAME:
        function = replace(function, kind="function")
    return applied(function, [*parts, *_axes(e)])


def _axes(e: Equation) -> list[Box]:
    """Along which axes, where that is not all of them."""
    axes = e.params.get("axes", (e.params["axis"],) if "axis" in e.params else ())
    ndim = e.inputs[0].type.ndim
    if not axes or len(axes) == ndim:
        return []
    return [text(f"axis {', '.join(str(a % ndim) for a in axes)}")]


def _connective(e: Equation, notation: Notation, parts: Parts) -> Box:
    need = notation.level + 1
    return row(parts, f" {notation.symbol} ", f" {notation.tex} ", level=notation.level, need=need)


def _power(e: Equation, notation: Notation, parts: Parts) -> Box:
    base = parts[0]
    n = e.params.get("n")
    exponent = exponent_box(n) if n is not None else parts[1]
    if n == 0.5:
        return root(base)
    if _is_call(base) and isinstance(n, int) and n > 1:  # cos² x
        return beside(raised(base.parts[0], exponent), base.parts[1])
    return raised(base, exponent)


def exponent_box(n: Any) -> Box:
    nice = Fraction(str(n)).limit_denominator(12) if float(n) == float(n) and not isinf(n) else None
    if nice is not None and abs(float(nice) - float(n)) < 1e-15 and nice.denominator in (2, 3, 4):
        ratio = fraction(number(str(abs(nice.numerator))), number(str(nice.denominator)))
        return negated(ratio) if nice < 0 else ratio
    return number(digits(n))


def _is_call(box: Box) -> bool:
    return box.kind == "row" and len(box.parts) == 2 and box.parts[0].kind == "function"


def _cases(e: Equation, notation: Notation, parts: Parts) -> Box:
    condition, yes, no = parts
    if (yes.sign, no.sign) == ("1", "0"):  # Iverson's bracket
        return fenced("[", condition, "]")
    return cases([(yes, condition), (no, None)])


def index_text(index: Sequence[tuple[int, int | None, int]], shape: tuple[int, ...]) -> str:
    """Slices as the user would write them: `1:4`, `::2`, a single number where just one is taken."""

    def one(bounds: tuple[int, int | None, int], n: int) -> str:
        start, stop, step = bounds
        taken = range(n)[slice(*bounds)]
        if taken == range(n):
            return ":"
        if len(taken) == 1:
            return str(taken[0])
        low, high = (
            ("" if start == (0 if step > 0 else n - 1) else str(start)),
            ("" if stop in (None, n) else str(stop)),
        )
        return f"{low}:{high}" + (f":{step}" if step != 1 else "")

    core = shape[len(shape) - len(index) :]
    return ",".join(one(b, n) for b, n in zip(index, core, strict=True))


def _place_index(e: Equation, shape: tuple[int, ...]) -> Box:
    index = e.params["index"]
    return letter(":," * (len(shape) - len(index)) + index_text(index, shape))


def _slice(e: Equation, notation: Notation, parts: Parts) -> Box:
    return lowered(parts[0], _place_index(e, e.inputs[0].type.shape))


def _place(e: Equation, notation: Notation, parts: Parts) -> Box:
    """Zeros, but for the part."""
    return applied(lowered(word("pad"), _place_index(e, e.outputs[0].type.shape)), parts)


def _update(e: Equation, notation: Notation, parts: Parts) -> Box:
    return applied(lowered(word("put"), _place_index(e, e.outputs[0].type.shape)), parts)


def _sequence(e: Equation, notation: Notation, parts: Parts) -> Box:
    """Arrays joined: [x, y] side by side, [A; B] under each other, where a vector is a row xᵀ."""
    types = [a.type for a in e.inputs]
    ndim, axis = types[0].ndim, e.params["axis"] % types[0].ndim
    if len([n for n in e.output.type.shape if n != 1]) < 2:
        return fenced("[", listed(parts), "]")
    if ndim > 2:
        return applied(word("concatenate"), [*parts, text(f"axis {axis}")])
    if axis == 1:
        return fenced("[", listed(parts), "]")
    rows = [transposed(p) if 1 == t.shape[0] < t.shape[1] else p for p, t in zip(parts, types, strict=True)]
    return fenced("[", row(rows, "; ", "; ", level=0, need=0), "]")


def reshaped(e: Equation, part: Box) -> Box:
    """The same numbers, row by row, in another shape."""
    shape = e.outputs[0].type.shape
    size = letter("×".join(map(str, shape)), r" \times ".join(map(str, shape)))
    return applied(lowered(word("reshape"), size), [part])


def _solve(e: Equation, notation: Notation, parts: Parts) -> Box:
    return product([_inverted(parts[0]), parts[1]])


def _inverted(box: Box) -> Box:
    if box.kind == "transposed":
        return raised(box.parts[0], letter("-T", r"-\mathsf{T}"))
    return raised(box, number("-1"))


def _fence(left: str, right: str, tex: tuple[str, str]) -> Callable[[Equation, Notation, Parts], Box]:
    return lambda e, notation, parts: fenced(left, listed([*parts, *_axes(e)]), right, tex)


_STYLES: dict[str, Callable[[Equation, Notation, Parts], Box]] = {
    "infix": _infix,
    "prefix": lambda e, notation, parts: negated(parts[0]),
    "call": _call,
    "connective": _connective,
    "defined": _call,
    "silent": lambda e, notation, parts: parts[0],
    "fraction": lambda e, notation, parts: fraction(*parts),
    "power": _power,
    "root": lambda e, notation, parts: root(parts[0], notation.tex, notation.symbol),
    "bars": _fence("|", "|", (r"\lvert", r"\rvert")),
    "norm": _fence("‖", "‖", (r"\lVert", r"\rVert")),
    "floor": _fence("⌊", "⌋", (r"\lfloor", r"\rfloor")),
    "ceil": _fence("⌈", "⌉", (r"\lceil", r"\rceil")),
    "cases": _cases,
    "slice": _slice,
    "place": _place,
    "update": _update,
    "index": lambda e, notation, parts: lowered(parts[0], parts[1]),
    "sequence": _sequence,
    "solve": _solve,
    "inverse": lambda e, notation, parts: _inverted(parts[0]),
}  # fmt: skip


def constant(a: Const) -> Box | None:
    """A constant that is short enough to stand where it is used."""
    value = uniform(a)
    if value is not None:
        return written(value)
    array = a.value
    if array.ndim == 2 and array.shape[0] == array.shape[1] and np.array_equal(array, np.eye(len(array))):
        return letter("I")
    if array.ndim == 1 and array.size <= 4:
        return fenced("(", listed([constant(Const(x)) or text("?") for x in array]), ")")
    return None
