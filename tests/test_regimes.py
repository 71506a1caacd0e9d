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


def by_theory_in_many_dimensions(values, rate, steps):
    """What is left after many steps is the component whose |1 − ηλ| is largest: it gives the label."""
    factors = np.abs(1 - rate * values)
    grown = factors.max() ** steps > 1e3
    return "diverging" if grown else by_theory(rate * values[np.argmax(factors)])


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("seed", range(40))
def test_in_many_dimensions_the_label_is_that_of_the_slowest_component(n, seed):
    random = np.random.default_rng([n, seed])
    values = np.sort(10 ** random.uniform(-0.8, 0.8, n))
    rate = 10 ** random.uniform(-1.7, 0.1) * 2 / values[-1]
    factors = np.sort(np.abs(1 - rate * values))
    product = rate * values[np.argmax(np.abs(1 - rate * values))]
    near_an_edge = min(abs(product - edge) for edge in (0.1, 1.1, 1.9, 2.0)) < 0.02
    if factors[-2] > 0.97 * factors[-1] or near_an_edge:
        return  # two components share the end, or the label is a matter of digits
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    A = (Q * values) @ Q.T
    start = Q @ (random.choice([-1, 1], n) * random.uniform(0.5, 2, n))
    found = cr.minimize(
        lambda x, A: 0.5 * x @ A @ x, start, (A,), method="gradient descent", learning_rate=rate, max_iter=600, tol=0.0
    )
    assert found.regime == by_theory_in_many_dimensions(values, rate, 600), (values, rate, found)


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


# --- not quadratic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x0", "rate", "label"),
    [
        (lambda x: x**4, 1.0, 0.01, "slow"),
        (np.abs, 0.35, 0.1, "overshooting"),  # back and forth across the kink, for ever
        (lambda x: np.cosh(x), 1.0, 0.5, "steady"),
        (lambda x: np.cosh(x), 1.0, 1.5, "oscillating"),
        (lambda x: x**4, 1.0, 3.0, "diverging"),
        (lambda x: np.exp(x**2), 1.0, 3.0, "diverging"),  # not finite after a step or two
        (lambda x: np.log(np.cosh(3 * x)), 1.0, 0.5, "overshooting"),  # a cycle around the bottom
        (lambda x: np.sqrt(1 + x**2), 30.0, 1e-3, "slow"),
    ],
)
def test_labels_of_walks_on_other_functions(f, x0, rate, label):
    found = cr.minimize(f, x0, method="gradient descent", learning_rate=rate, max_iter=200)
    assert found.regime == label, found


def test_running_away_downhill_is_none_of_the_five():
    found = cr.minimize(lambda x: -(x**2), 1e-3, method="gradient descent", learning_rate=0.3, max_iter=10)
    assert found.regime is None
    assert cr.minimize(lambda x: x, 1.0, method="gradient descent", learning_rate=1e6).regime is None  # unbounded


def test_no_step_no_label():
    assert cr.minimize(lambda x: x**2, 0.0, method="gradient descent", learning_rate=0.1).regime is None
    assert cr.minimize(lambda x: x**2, 1.0, method="gradient descent", learning_rate=0.1, max_iter=0).regime is None
    assert regime([1.0], [1.0], []) is None


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e12, 1e140])
def test_the_label_does_not_depend_on_units(scale):
    values, norms, overlaps = walk(np.diag([1.0, 3.0]), np.array([1.0, 1.0]), 0.6, 40)
    scaled = [scale * v for v in values], [scale * g for g in norms], overlaps
    assert regime(*scaled) == regime(values, norms, overlaps) == "oscillating"


def test_rounding_at_the_end_of_a_walk_does_not_change_its_label():
    """After 60 steps the gradient is rounding; 4000 more of them say nothing."""
    short, long = (
        cr.minimize(
            lambda x: (x - 1 / 3) ** 2 + 1, 2.0, method="gradient descent", learning_rate=0.2, max_iter=n, tol=0.0
        ).regime
        for n in (60, 4000)
    )  # fmt: skip
    assert short == long == "steady"


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1.0, 1e160, 1e200])
@pytest.mark.parametrize("product", [0.02, 0.5, 1.5, 1.95, 2.5])
def test_gradients_whose_squares_are_no_floats_have_their_label(scale, product):
    found = cr.minimize(
        lambda x: 0.5 * scale * x**2, 1.0, method="gradient descent", learning_rate=product / scale, max_iter=12, tol=0
    )
    assert found.regime == by_theory(product)
