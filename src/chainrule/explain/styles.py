"""How an equation is laid out, by the style that its op's entry states: a row for each style, none for any op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isinf
from typing import Any

import numpy as np

from ..ir import Const, Equation
from ..ops.notation import ATOM, POWER, PRODUCT, SUM, Notation
from .layout import (
    BIG,
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
        return _over_its_length(*parts) or _numbers_product(parts)
    return _STYLES[notation.style](e, notation, parts)


def _numbers_product(parts: Parts) -> Box:
    """(−3) x is −3 x."""
    first, *rest = parts
    if rest and first.kind == "prefix" and is_number(first):
        return negated(product([first.parts[0], *rest]))
    return product(parts)


def _over_its_length(front: Box, back: Box) -> Box | None:
    """(1/‖x‖) x is x / ‖x‖."""
    if front.kind != "fraction" or front.parts[0].sign != "1":
        return None
    below = front.parts[1]
    last = below.parts[-1] if below.kind == "row" else below
    return fraction(back, below) if last.sign == "‖ ‖" else None


def is_number(box: Box) -> bool:
    return box.kind == "number" or (box.kind == "prefix" and box.parts[0].kind == "number")


# --- a row for each style ---------------------------------------------------------------------------------------------


def _infix(e: Equation, notation: Notation, parts: Parts) -> Box:
    left, right = parts
    if notation.level == SUM:
        minus = notation.text == "-"
        return _joined_cases(left, right, minus) or total(left, right, minus=minus)
    if notation.level == PRODUCT:
        if left.sign == "1" or right.sign == "1":  # a condition that always holds
            return right if left.sign == "1" else left
        return hadamard([left, right]) if e.output.type.shape else _numbers_product([left, right])
    return relation(left, notation.symbol, notation.tex, right)


def _joined_cases(left: Box, right: Box, minus: bool) -> Box | None:
    """{0 if C, v otherwise} + w [C] is {w if C, v otherwise}."""
    for here, there in ((left, right), (right, left)):
        if here.kind != "cases" or len(here.parts) != 4 or here.parts[0].sign != "0":
            continue
        rest = _without(there, fenced("[", here.parts[1], "]"))
        if rest is not None:
            other = here.parts[2]
            rest, other = (negated(b) if minus and side is right else b for b, side in ((rest, there), (other, here)))
            return cases([(rest, here.parts[1]), (other, None)])
    return None


def _without(box: Box, factor: Box) -> Box | None:
    """A product of numbers, or of elements, without one of its factors; None if that is not in it."""
    if box == factor:
        return number("1")
    if box.kind == "prefix":
        inside = _without(box.parts[0], factor)
        return None if inside is None else negated(inside)
    if box.kind != "row" or (box.sign != " ⊙ " and (box.sign != " " or box.needs[-1] != BIG)):
        return None
    for i, part in enumerate(box.parts):
        found = _without(part, factor)
        if found is not None:
            rest = [*box.parts[:i], *([] if found.sign == "1" else [found]), *box.parts[i + 1 :]]
            return rest[0] if len(rest) == 1 else hadamard(rest) if box.sign == " ⊙ " else product(rest)
    return None


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
    if e.op.rule == "logarithm" and len(parts) == 1 and parts[0].kind == "fenced" and parts[0].sign == "| |":
        return beside(function, parts[0])  # ln|x|
    return applied(function, [*parts, *_axes(e)])


def _axes(e: Equation) -> list[Box]:
    """Along which axes, where that is not all of them."""
    axes = e.params.get("axes", (e.params["axis"],) if "axis" in e.params else ())
    ndim = e.inputs[0].type.ndim
    backwards = [text("from the end")] if e.params.get("reverse") else []
    if not axes or len(axes) == ndim:
        return backwards
    return [text(f"axis {', '.join(str(a % ndim) for a in axes)}"), *backwards]


def _connective(e: Equation, notation: Notation, parts: Parts) -> Box:
    need = notation.level + 1
    return row(parts, f" {notation.symbol} ", f" {notation.tex} ", level=notation.level, need=need)


def _quotient(e: Equation, notation: Notation, parts: Parts) -> Box:
    top, bottom = parts
    if top.kind == "fraction" and top.parts[0].sign == "1" and not e.output.type.shape:  # (1/c)/x is 1/(c x)
        return fraction(top.parts[0], product([top.parts[1], bottom]))
    return fraction(top, bottom)


def _power(e: Equation, notation: Notation, parts: Parts) -> Box:
    base = parts[0]
    n = e.params.get("n")
    exponent = exponent_box(n) if n is not None else parts[1]
    if n == 0.5:
        return root(base)
    if n is not None and n < 0 and e.output.type.shape:  # A⁻¹ is the inverse
        above = raised(base, exponent_box(-n)) if n != -1 else base
        return fraction(number("1"), above)
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


def _condition(condition: Box, yes: Box, no: Box) -> Box:
    """A choice between truths, as a condition: {A if C, false otherwise} is C ∧ A."""
    yes, no = (_TRUE if yes == condition else yes), (_FALSE if no == condition else no)
    if yes == no or condition in (_TRUE, _FALSE):
        return no if condition == _FALSE else yes
    if _TRUE in (yes, no) and _FALSE in (yes, no):
        return condition if yes == _TRUE else _not(condition)
    if yes in (_TRUE, _FALSE):
        return _joined("∨", r"\lor", condition, no) if yes == _TRUE else _joined("∧", r"\land", _not(condition), no)
    if no in (_TRUE, _FALSE):
        return _joined("∨", r"\lor", _not(condition), yes) if no == _TRUE else _joined("∧", r"\land", condition, yes)
    return cases([(yes, condition), (no, None)])


_TRUE, _FALSE = text("true"), text("false")


def _not(condition: Box) -> Box:
    return Box("prefix", (condition,), "¬", r"\lnot ", SUM, (SUM,))


def _joined(sign: str, tex: str, left: Box, right: Box) -> Box:
    return row([left, right], f" {sign} ", f" {tex} ", level=0, need=0.5)


def _cases(e: Equation, notation: Notation, parts: Parts) -> Box:
    condition, yes, no = parts
    if e.output.type.dtype.kind == "b":
        return _condition(condition, yes, no)
    if condition in (_TRUE, _FALSE):
        return yes if condition == _TRUE else no
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


def one_of(e: Equation, k: int, body: Box, parts: Parts) -> Box:
    """One of several results."""
    each = notation_of(e).each
    if not each:
        return lowered(body, number(str(k + 1)))
    (before, _, after), (tex, _, tex_after) = (written_.partition("·") for written_ in each[k])
    around = [word(before, tex), parts[0], word(after, tex_after)]
    return Box("row", tuple(around if after else around[:2]), level=ATOM if after else PRODUCT, needs=(0, POWER, 0))


def _place_index(e: Equation, shape: tuple[int, ...]) -> Box:
    index = e.params["index"]
    whole = [(0, n, 1) for n in shape[: len(shape) - len(index)]]
    long = [(n, b) for n, b in zip(shape, (*whole, *index), strict=True) if n != 1]
    return letter(index_text([b for _, b in long], tuple(n for n, _ in long)))


def _slice(e: Equation, notation: Notation, parts: Parts) -> Box:
    return lowered(parts[0], _place_index(e, e.inputs[0].type.shape))


def placed(e: Equation, part: Box, unit: str, identity: str) -> Box | None:
    """Zeros, but for the part: 3 e₀, e₁ vᵀ, and where there are more, with columns of the identity: I[:,2:4] v."""
    shape, index = e.output.type.shape, e.params["index"]
    axes = [(n, b) for n, b in zip(shape, index, strict=False) if n != 1]
    if len(shape) > len(index) or len(axes) > 2:
        return None
    factors: list[Box] = []
    single = [len(range(n)[slice(*b)]) == 1 for n, b in axes]
    for (n, b), one in zip(axes, single, strict=True):
        place = index_text([b], (n,))
        if place == ":":
            factors.append(number("1"))
        elif one and unit:
            factors.append(lowered(letter(unit, rf"\mathbf{{{unit}}}"), letter(place)))
        elif identity:
            factors.append(lowered(letter(identity), letter(f":,{place}")))
        else:
            return None
    if len(axes) == 1:
        return _chain(part, *factors) if single[0] else _chain(*factors, part)
    rows, columns = factors
    if all(single):
        return _chain(part, rows, transposed(columns))
    if single[0]:
        return _chain(rows, transposed(_chain(columns, part)))
    return _chain(rows, part, columns if columns.sign == "1" else transposed(columns))


def _chain(*factors: Box) -> Box:
    """A matrix product."""
    kept = [f for f in factors if f.sign != "1"] or [number("1")]
    return kept[0] if len(kept) == 1 else row(kept, " ", r"\,", level=PRODUCT, need=PRODUCT)


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
        glue = ", " if all(t.size == 1 for t in types) else "; "
        return fenced("[", row(parts, glue, glue, level=0, need=0), "]")
    if ndim > 2:
        return applied(word("concatenate"), [*parts, text(f"axis {axis}")])
    if axis == 1:
        return fenced("[", listed(parts), "]")
    rows = [transposed(p) if 1 == t.shape[0] < t.shape[1] else p for p, t in zip(parts, types, strict=True)]
    return fenced("[", row(rows, "; ", "; ", level=0, need=0), "]")


def reshaped(e: Equation, part: Box) -> Box:
    """The same numbers, row by row, in another shape."""
    shape = [n for n in e.outputs[0].type.shape if n != 1]
    size = letter("×".join(map(str, shape)), r" \times ".join(map(str, shape)))
    return applied(lowered(word("reshape"), size), [part])


def _solve(e: Equation, notation: Notation, parts: Parts) -> Box:
    return _chain(_inverted(parts[0]), parts[1])


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
    "fraction": _quotient,
    "power": _power,
    "root": lambda e, notation, parts: root(parts[0], notation.tex, notation.symbol),
    "bars": _fence("|", "|", (r"\lvert", r"\rvert")),
    "norm": _fence("‖", "‖", (r"\lVert", r"\rVert")),
    "floor": _fence("⌊", "⌋", (r"\lfloor", r"\rfloor")),
    "floor of a quotient": lambda e, notation, parts: fenced("⌊", fraction(*parts), "⌋", (r"\lfloor", r"\rfloor")),
    "ceil": _fence("⌈", "⌉", (r"\lceil", r"\rceil")),
    "cases": _cases,
    "slice": _slice,
    "place": _place,
    "update": _update,
    "index": lambda e, notation, parts: Box("row", (parts[0], fenced("[", parts[1], "]")), needs=(ATOM, 0)),
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
    if array.ndim == 2 and array.shape[0] == array.shape[1] and np.array_equal(array, array[0, 0] * np.eye(len(array))):
        return letter("I") if array[0, 0] == 1 else product([written(array[0, 0]), letter("I")])
    if array.ndim == 1 and array.size <= 4:
        return fenced("(", listed([constant(Const(x)) or text("?") for x in array]), ")")
    return None
