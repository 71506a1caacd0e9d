"""Derivatives against a truth computed in four hundred digits: to third order, and in the last digits near the ends.

A formula that reads well is not always the accurate one: `1 - tanh(20.)**2` is 0, and the truth is 1.7e-17.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import claims
import mpmath
import numpy as np
import pytest
from mpmath import mp

from chainrule.ops.op import Cases, Elementwise
from chainrule.ops.table import OPS
from chainrule.transform.forward import forward
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

# What a function of the table is called elsewhere, by people who never saw ours.
ELSEWHERE: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "power": lambda x, y: x**y,
    "power_of": lambda x, n: x**n,
    "remainder": lambda x, y: x - y * mp.floor(x / y),
    "hypot": mp.hypot,
    "absolute": abs,
    "maximum": max,
    "minimum": min,
    "sqrt": mp.sqrt,
    "cbrt": mp.cbrt,
    "exp": mp.exp,
    "exp2": lambda x: mp.power(2, x),
    "expm1": lambda x: mp.exp(x) - 1,
    "log": mp.log,
    "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10,
    "log1p": lambda x: mp.log(1 + x),
    "logaddexp": lambda x, y: max(x, y) + mp.log(1 + mp.exp(-abs(x - y))),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "erf": mp.erf,
    "erfc": lambda x: mp.erfc(x) if x < 1e100 else mp.mpf(0),
    "gammaln": mp.loggamma,
    "digamma": mp.digamma,
    "polygamma": lambda x, n: mp.polygamma(n, x),
    "xlogy": lambda x, y: x * mp.log(y),
}
KNOWN = [op for name, op in OPS.items() if name in ELSEWHERE and isinstance(op, Elementwise)]
every_known_op = pytest.mark.parametrize("op", KNOWN, ids=str)
ULP = float(np.finfo(float).eps)
TINY = 1e-290  # what is smaller may be lost on the way: 1 / cosh(400)²


def slope(f: Callable[..., Any], point: tuple[float, ...], direction: tuple[float, ...], order: int = 1) -> Any:
    """The derivative of f along a direction, from values alone, in many digits."""
    return mpmath.diff(lambda t: f(*(mp.mpf(x) + t * d for x, d in zip(point, direction, strict=True))), 0, order)


def test_every_name_elsewhere_is_that_of_an_entry() -> None:
    assert set(ELSEWHERE) == {op.name for op in KNOWN}


@every_known_op
def test_values_are_those_of_the_function_elsewhere(op: Elementwise) -> None:
    with mp.workdps(50):
        for case in claims.cases(op, points=8):
            found = claims.compute(claims.program_of(case), case.args)[0]
            truth = [float(ELSEWHERE[op.name](*map(mp.mpf, x), **case.params)) for x in zip(*case.args, strict=True)]
            np.testing.assert_allclose(found, truth, rtol=1e-13, atol=1e-15)


@every_known_op
def test_derivatives_are_those_of_the_function_elsewhere_to_third_order(op: Elementwise) -> None:
    with mp.workdps(50):
        for case in claims.cases(op, seed=1, points=8):
            direction = (0.75, -1.25)[: op.arity]
            program, values = claims.program_of(case), list(case.args)
            ways = [np.full_like(x, d) for x, d in zip(case.args, direction, strict=True)]
            for order in (1, 2, 3):
                found = forward(program, case.moving)
                values = [*values, *ways]
                (y,) = claims.derivatives(found, values, [a.type for a in program.outputs])
                f = lambda *x, case=case: ELSEWHERE[op.name](*x, **case.params)  # noqa: E731
                truth = np.array([float(slope(f, x, direction, order)) for x in zip(*case.args, strict=True)])
                assert np.all(np.abs(y - truth) <= 1e-11 * (1 + np.abs(truth))), f"order {order}: {y}, truly {truth}"
                program = claims.derivatives_only(found)
                if not program.outputs:
                    break


def extreme_points(op: Elementwise) -> list[tuple[float, ...]]:
    """Points of the domain: moderate ones, tiny and huge ones, and ones that are a hair from an end."""
    rng = np.random.default_rng(0)
    sizes = [1e-300, 1e-20, 1e-3, 3.0, 20.0, 300.0, 1e8, 1e16, 1e100]
    hairs = (2, 20, 52)
    if op.arity == 1:
        sizes += [1e-100, 1e-8, 0.1, 10.0, 40.0, 100.0, 700.0, 1e4, 1e200]  # two so unlike need a truth of more digits
        hairs = (2, 5, 10, 20, 30, 40, 50, 52, 53)
    axes = []
    for d in op.domain:
        points = [*sizes, *(-x for x in sizes), *d.sample(4, rng).tolist()]
        for end in (d.low, d.high):
            if np.isfinite(end):
                points += [end + side * 2.0**-k for k in hairs for side in (1, -1)]
        axes.append([x for x in dict.fromkeys(points) if x in d and not (d.open_low and x == d.low)])
    return list(itertools.product(*axes))


def scaled(factor: float, partial: Any) -> Any:
    if isinstance(partial, Cases):
        return Cases(partial.condition, scaled(factor, partial.yes), scaled(factor, partial.no))
    return None if partial is None else partial * factor


def derivatives_are_precise(op: Elementwise, points: list[tuple[float, ...]]) -> None:
    """Relative error of at most 400 ULP, in both modes."""
    args = tuple(np.array(x) for x in zip(*points, strict=True))
    ones = np.ones(len(points))
    for params in op.samples:
        f = lambda *x, params=params: ELSEWHERE[op.name](*x, **params)  # noqa: E731
        program = claims.program_of(claims.Case(op, args, params))
        with np.errstate(all="ignore"):
            defined = np.isfinite(op.evaluate(*args, **params))
        for i in range(op.arity):
            direction = tuple(float(i == j) for j in range(op.arity))
            (outward,) = claims.derivatives(forward(program, (i,)), [*args, ones], [program.outputs[0].type])
            found = reverse(program, (i,))
            (inward,) = claims.derivatives(found._replace(program=simplify(found.program)), [*args, ones], [args[i]])
            with mp.workdps(400):
                truth = [float(slope(f, x, direction)) if ok else 0.0 for x, ok in zip(points, defined, strict=True)]
            for y in (outward, inward):
                with np.errstate(all="ignore"):
                    good = (np.abs(y - truth) <= 400 * ULP * np.abs(truth) + TINY) | (y == truth) | ~defined
                at = np.flatnonzero(~good)[:5]
                assert not at.size, f"∂{i} {params} at {[points[k] for k in at]}: {y[at]}, truly {np.array(truth)[at]}"


@every_known_op
def test_first_derivatives_lose_no_digits_anywhere_in_the_domain(op: Elementwise) -> None:
    """At tiny, huge, and moderate points, and a hair from the ends."""
    derivatives_are_precise(op, extreme_points(op))


@every_known_op
def test_digits_that_are_lost_are_noticed(op: Elementwise) -> None:
    """The last three of sixteen."""

    def worse(*xs: Any, **params: Any) -> Any:
        return tuple(scaled(1.0 + 2e-13, d) for d in op.partials(xs[:-1], xs[-1], **params))

    with pytest.raises(AssertionError):
        derivatives_are_precise(replace(op, derivative=worse), extreme_points(op)[::7])


def test_a_formula_that_cancels_is_noticed() -> None:
    """The derivative of tanh as a calculus book has it."""
    book = {
        "tanh": lambda x, y: 1 - y**2,
        "arcsin": lambda x, y: 1 / np.sqrt(1 - x**2),
        "sigmoid": lambda x, y: y * (1 - y),
    }
    for name, derivative in book.items():
        op = next(op for op in KNOWN if op.name == name)
        with pytest.raises(AssertionError):
            derivatives_are_precise(replace(op, derivative=derivative), extreme_points(op))
