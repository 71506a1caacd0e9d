"""Expressions as they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Var
from .expression import Expr
from .expression_program import write
from .formula import Typesetter
from .layout import Box, letter, number, row
from .names import symbol

INTEGRAL = letter("∫", r"\int ")


def box(u: Expr, names: Mapping[Var, Box] | None = None) -> Box:
    """An expression, typeset."""
    inputs = sorted(u.variables, key=lambda v: (v.name, id(v)))
    program = write(u, inputs)
    given = {v: symbol(v.name) for v in inputs if v.name} | {v: b for v, b in (names or {}).items() if v in inputs}
    return Typesetter(program, named=given, inline=True).formula(number("0"), program.outputs[0]).right


def shown(u: Expr) -> str:
    return box(u).unicode


def integral(f: Expr, variable: Var) -> Box:
    """∫ f dx"""
    differential = letter(f"d{symbol(variable.name).unicode}", rf"\mathrm{{d}}{symbol(variable.name).latex}")
    return row([INTEGRAL, box(f), differential], " ", r"\,", level=1.7, need=[4, 1.3, 4])
