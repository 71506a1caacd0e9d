"""Stable and best learning rates are those of the Hessian's spectrum, and are called exact only where they are."""

import numpy as np
import pytest

import chainrule as cr


def bowl(p):
    return p[0] ** 2 + p[0] * p[1] + p[1] ** 2


def test_the_bowl_of_the_lessons():
    found = cr.learning_rate(bowl, np.array([1.0, -2.0]))
    assert (found.lambda_min, found.lambda_max) == pytest.approx((1, 3))
    assert (found.largest, found.best, found.contraction) == pytest.approx((2 / 3, 1 / 2, 1 / 2))
    assert found.quadratic
    assert not found.local
    assert found.condition == pytest.approx(3)
