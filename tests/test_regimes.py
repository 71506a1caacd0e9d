"""The label of a walk is the one that theory gives it: on quadratics each step multiplies an error by 1 − ηλ."""

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule.numeric.regimes import REGIMES, regime


def walk(H, x, rate, steps):
    """Gradient descent on ½ xᵀHx by its closed form: values, gradient norms, overlaps."""
    values, gradients = [], []
    for _ in range(steps + 1):
        g = H @ x
        values.append(0.5 * x @ g)
        gradients.append(g)
        x = x - rate * g
    norms = [float(np.linalg.norm(g)) for g in gradients]
    overlaps = [float(a @ b / (a @ a)) for a, b in itertools.pairwise(gradients)]
    return values, norms, overlaps


def by_theory(product):
    """The label of a rate times curvature, in one dimension."""
    edges = [(0.1, "slow"), (1.1, "steady"), (1.9, "oscillating"), (2.1, "overshooting")]
    return next((name for edge, name in edges if product < edge), "diverging")


PRODUCTS = [1e-4, 0.02, 0.09, 0.11, 0.5, 0.99, 1.01, 1.09, 1.11, 1.5, 1.89, 1.91, 1.99, 2.01, 2.11, 2.5, 10.0]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("curvature", [1e-6, 1.0, 3e5])
def test_in_one_dimension_the_label_is_that_of_rate_times_curvature(product, curvature):
    found = cr.minimize(
        lambda x: 0.5 * curvature * x**2, 1.0, method="gradient descent", learning_rate=product / curvature,
        max_iter=12, tol=0.0,
    )  # fmt: skip
    assert found.regime == by_theory(product)


def test_the_check_of_labels_sees_a_wrong_threshold(monkeypatch):
    monkeypatch.setattr("chainrule.numeric.regimes.OVER", 1.4)
    assert regime(*walk(np.eye(1), np.ones(1), 1.5, 12)) != by_theory(1.5)


@pytest.mark.parametrize("rate", [0.01, 1 / 3, 0.5, 0.6, 0.66, 0.7, 1.0])
def test_minimize_puts_the_label_on_its_result(rate):
    H, x = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.6])
    found = cr.minimize(
        lambda p: p[0] ** 2 + p[0] * p[1] + p[1] ** 2, x, method="gradient descent", learning_rate=rate,
        max_iter=60, tol=0.0,
    )  # fmt: skip
    assert found.regime == regime(*walk(H, x, rate, 60))
    assert found.regime in REGIMES
    assert f"The walk was {found.regime}." in str(found)
    assert found.as_dict()["regime"] == found.regime
