"""Adding an op is adding one entry: everything else is there at once.

The entry below is one that the table lacks. The tests of the table find nothing missing, and notice when it is spoiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt
from unittest.mock import patch

import claims
import numpy as np
import pytest
import scipy.special
import test_precision
from mpmath import mp
from test_spoiled import SPOILED, Spoiler

import chainrule as cr
from chainrule.native.run import Mixed, Stretch
from chainrule.ops.native import c_function
from chainrule.ops.notation import call
from chainrule.ops.op import OPS, Elementwise, by_function, elementwise
from chainrule.ops.sets import Interval


def entry() -> Elementwise:
    return elementwise(
        scipy.special.ndtr, lambda x, y: np.exp(-(x**2) / 2) / sqrt(2 * pi),
        image=Interval(0, 1), notation=call("special.ndtr", r"\Phi", symbol="Φ"), rule="normal distribution",
        native=c_function("ndtr"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def op() -> Iterator[Elementwise]:
    assert scipy.special.ndtr not in by_function, "the table has it now: choose one that it lacks"
    new = entry()
    yield new
    del OPS[new.name], by_function[scipy.special.ndtr]


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_every_claim_holds_of_a_new_entry(claim: claims.Claim, op: Elementwise) -> None:
    claim(op)


@pytest.mark.parametrize(("claim", "spoil"), SPOILED, ids=lambda f: f.__name__)
def test_every_claim_notices_that_a_new_entry_is_spoiled(claim: claims.Claim, spoil: Spoiler, op: Elementwise) -> None:
    spoiled = spoil(op)
    if spoiled is not None:
        with pytest.raises((AssertionError, ArithmeticError)):
            claim(spoiled)


def test_its_derivatives_are_precise(op: Elementwise) -> None:
    with patch.dict(test_precision.ELSEWHERE, {op.name: lambda x: mp.ncdf(x) if abs(x) < 1e50 else mp.mpf(x > 0)}):
        test_precision.test_derivatives_are_those_of_the_function_elsewhere_to_third_order(op)
        test_precision.derivatives_are_precise(op, test_precision.extreme_points(op))


def test_users_call_it_by_its_own_name(op: Elementwise) -> None:
    def loss(x, w):
        return np.sum(scipy.special.ndtr(x @ w))

    x, w = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.3, 0.1])
    expected = x.T @ np.exp(-((x @ w) ** 2) / 2) / sqrt(2 * pi)
    np.testing.assert_allclose(cr.grad(loss, wrt="w")(x, w), expected, rtol=1e-13)
    h = cr.hessian(loss, wrt="w")(x, w)
    np.testing.assert_allclose(h, cr.jacobian(cr.grad(loss, wrt="w"), wrt="w")(x, w), rtol=1e-12)
    np.testing.assert_allclose(h, h.T, rtol=1e-12)
    rows = cr.vmap(cr.grad(loss, wrt="w"), in_axes=(0, None))(np.stack([x, -x, 2 * x]), w)
    np.testing.assert_allclose(rows[0], expected, rtol=1e-13)


def test_it_is_machine_code(op: Elementwise) -> None:
    x = np.linspace(-9, 9, 21)
    program = cr.trace(lambda x: np.cumsum(scipy.special.ndtr(x) * 2), x)
    run = Mixed(program)
    (y,) = run((x,))
    np.testing.assert_allclose(y, np.cumsum(scipy.special.ndtr(x) * 2), rtol=1e-15)
    assert any(isinstance(part, Stretch) and "special.ndtr" in part.text for part, *_ in run.parts)
