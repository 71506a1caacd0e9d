"""The integrals that a book lists and no rule makes: a page of calculus, each checkable by differentiating.

Functions with an entry in the op table state their own antiderivative there. Here stand the shapes that are not one
function: 1 / (1 + x²), and so on, in the variable itself; a linear substitution brings others to these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import pi, sqrt
from typing import Any

import numpy as np

from ..ir import ArrayType, Program, Var
from ..later import scipy
from ..trace.recorder import Recorder
from .expression import Expr, number, var
from .expression_program import read

Function = Callable[[Any], Any]

TABLE: tuple[tuple[Function, Function], ...] = (
    (lambda x: 1 / (1 + x**2), lambda x: np.arctan(x)),
    (lambda x: 1 / (1 - x**2), lambda x: np.log(np.abs((1 + x) / (1 - x))) / 2),
    (lambda x: 1 / (1 + x**2) ** 2, lambda x: x / (2 * (1 + x**2)) + np.arctan(x) / 2),
    (lambda x: 1 / np.sqrt(1 - x**2), lambda x: np.arcsin(x)),
    (lambda x: 1 / np.sqrt(1 + x**2), lambda x: np.arcsinh(x)),
    (lambda x: 1 / np.sqrt(x**2 - 1), lambda x: np.log(np.abs(x + np.sqrt(x**2 - 1)))),
    (lambda x: np.sqrt(1 - x**2), lambda x: x * np.sqrt(1 - x**2) / 2 + np.arcsin(x) / 2),
    (lambda x: np.sqrt(1 + x**2), lambda x: x * np.sqrt(1 + x**2) / 2 + np.arcsinh(x) / 2),
    (
        lambda x: np.sqrt(x**2 - 1),
        lambda x: x * np.sqrt(x**2 - 1) / 2 - np.log(np.abs(x + np.sqrt(x**2 - 1))) / 2,
    ),
    (lambda x: 1 / (1 + x**2) ** 1.5, lambda x: x / np.sqrt(1 + x**2)),
    (lambda x: 1 / (1 - x**2) ** 1.5, lambda x: x / np.sqrt(1 - x**2)),
    (lambda x: np.exp(-(x**2)), lambda x: sqrt(pi) / 2 * scipy.special.erf(x)),
    (lambda x: 1 / (1 + np.exp(x)), lambda x: -np.logaddexp(0, -x)),
    (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.logaddexp(0, x)),
    (lambda x: 1 / np.cos(x), lambda x: np.log(np.abs(1 / np.cos(x) + np.tan(x)))),
    (lambda x: 1 / np.sin(x), lambda x: np.log(np.abs(1 / np.sin(x) - np.cos(x) / np.sin(x)))),
    (lambda x: 1 / np.cos(x) ** 2, lambda x: np.tan(x)),
    (lambda x: 1 / np.sin(x) ** 2, lambda x: -np.cos(x) / np.sin(x)),
    (lambda x: 1 / np.tan(x), lambda x: np.log(np.abs(np.sin(x)))),
    (lambda x: np.tan(x) ** 2, lambda x: np.tan(x) - x),
    (lambda x: 1 / np.cosh(x) ** 2, lambda x: np.tanh(x)),
    (lambda x: np.tanh(x) ** 2, lambda x: x - np.tanh(x)),
    (lambda x: np.maximum(x, 0.0), lambda x: np.maximum(x, 0.0) ** 2 / 2),
    (lambda x: np.maximum(0.0, x), lambda x: np.maximum(0.0, x) ** 2 / 2),
    (lambda x: np.minimum(x, 0.0), lambda x: np.minimum(x, 0.0) ** 2 / 2),
    (lambda x: np.minimum(0.0, x), lambda x: np.minimum(0.0, x) ** 2 / 2),
    (lambda x: np.logaddexp(0, x) / (1 + np.exp(-x)), lambda x: np.logaddexp(0, x) ** 2 / 2),
    (lambda x: np.maximum(x, 0.0) ** 2, lambda x: np.maximum(x, 0.0) ** 3 / 3),
    (lambda x: x * np.maximum(x, 0.0), lambda x: np.maximum(x, 0.0) ** 3 / 3),
    (lambda x: x * np.sign(x), lambda x: x * np.abs(x) / 2),
    (lambda x: np.abs(x) / x, lambda x: np.abs(x)),
    (lambda x: x * np.abs(x), lambda x: np.abs(x) ** 3 / 3),
    (lambda x: x / np.abs(x), lambda x: np.abs(x)),
    (lambda x: 1 / np.abs(x), lambda x: np.sign(x) * np.log(np.abs(x))),
    (lambda x: np.abs(x) ** 3, lambda x: x * np.abs(x) ** 3 / 4),
)


def recorded(function: Function, v: Var) -> Program:
    """A function of one number, as a program of the variable."""
    recorder = Recorder(quiet=True)
    x = recorder.input(v.type)
    output = recorder.atom(function(x))
    (letter,) = (a for a in [x.atom] if isinstance(a, Var))
    return Program((letter,), tuple(recorder.equations), (output,))


@cache
def _read() -> tuple[Var, dict[Expr, Expr]]:
    x = Var(ArrayType(), "x")
    rows = {}
    for f, whole in TABLE:
        left, right = (recorded(g, x) for g in (f, whole))
        integrand, integral = read(left, [var(x)]), read(right, [var(x)])
        front = number(integrand.single.number if integrand.single else 1)
        rows[integrand / front] = integral / front
    return x, rows


def looked_up(f: Expr, v: Var) -> Expr | None:
    """The antiderivative that the table states for just this function of the variable, without a number in front."""
    x, rows = _read()
    found = rows.get(f.replaced({v: var(x)}))
    return None if found is None else found.replaced({x: var(v)})
