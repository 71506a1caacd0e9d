"""The names of the rules of calculus, and how each is stated.

A rule is a fact of the op's entry (`rule`); here stands what a book calls it when only some operands move, and the
rules whose usual form is not a sum of partial derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import Equation
from .formula import is_view
from .styles import notation_of

Flags = Sequence[bool]

# rules of arithmetic: of what is built from parts. Every other entry states the derivative of one function.
ARITHMETIC = frozenset({"sum", "product", "quotient", "power", "general power", "constant multiple", "cases"})
CONSTANT_FACTOR = "constant multiple"


def _quotient(u: Any, v: Any, du: Any, dv: Any) -> Any:
    return None if du is None or dv is None else (du * v - u * dv) / v**2


def _cases(condition: Any, u: Any, v: Any, dc: Any, du: Any, dv: Any) -> Any:
    return np.where(condition, 0.0 if du is None else du, 0.0 if dv is None else dv)


# operands and their changes (None: does not change) -> the change, where its usual form is not a sum over the operands
FORMS: dict[str, Callable[..., Any]] = {"quotient": _quotient, "cases": _cases}


def kind(e: Equation, moving: Flags) -> str:
    """What a book calls the rule of an equation in which these operands move."""
    rule = e.op.rule or "linearity"
    if len(e.inputs) == 1 and rule == "product":  # a contraction of one operand adds up
        return "sum"
    if rule == "product" and len(e.inputs) == 2 and not all(moving):
        return CONSTANT_FACTOR
    if rule == "quotient" and not moving[1]:
        return CONSTANT_FACTOR
    if rule == "general power" and not moving[1]:
        return "power"
    if rule == "general power" and not moving[0]:
        return "exponential"
    return rule


def called(e: Equation, moving: Flags) -> str:
    """The rule as it stands in a step: `product rule`, `derivative of tanh`."""
    rule = kind(e, moving)
    if rule in ARITHMETIC or (rule == "exponential" and e.op.rule != rule):
        return f"{rule} rule"
    return f"derivative of {name_of(e)}"


def name_of(e: Equation) -> str:
    """ln, σ; where the sign in mathematics is no word, as in |x|, what the function is called in NumPy."""
    notation = notation_of(e)
    names = (notation.symbol, notation.text.rpartition(".")[2])
    return next((name for name in names if name.isidentifier()), e.op.name)


def named(equations: Sequence[Equation], moving: set[Any]) -> tuple[str, ...]:
    """The rules that some equations need, the outermost first; where they are nested, the chain rule too."""
    found: dict[str, None] = {}
    moving = set(moving)
    for e in equations:
        flags = [a in moving for a in e.inputs]
        if any(flags):
            moving.update(e.outputs)
            if not is_view(e):
                found[called(e, flags)] = None
    rules = [*reversed(found)]
    inner = any(not rule.endswith("rule") or rule.startswith("power") for rule in rules)
    return tuple([*rules, "chain rule"] if len(rules) > 1 and inner else rules)
