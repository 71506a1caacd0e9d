"""Momentum, Nesterov's method and Adam take the steps of their papers; learning rates may change with the step."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.numeric.optimize import minimize


def bowl(p):
    return p[0] ** 2 + p[0] * p[1] + p[1] ** 2


H = np.array([[2.0, 1.0], [1.0, 2.0]])
START = np.array([1.0, 0.6])


def walked(method, steps, f=bowl, x0=START, **options):
    """The points of a run."""
    points = [np.asarray(x0)]
    cr.minimize(
        f, x0, method=method, max_iter=steps, tol=0.0, callback=lambda p: points.append(np.asarray(p.x)), **options
    )  # fmt: skip
    return np.array(points)


# --- second sources: each method written out ------------------------------------------------------------------------


def test_gradient_descent_on_a_quadratic_has_a_closed_form():
    points = walked("gradient descent", 30, learning_rate=0.3)
    values, Q = np.linalg.eigh(H)
    for k, x in enumerate(points):
        assert np.allclose(x, Q @ ((1 - 0.3 * values) ** k * (Q.T @ START)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_momentum_is_the_power_of_a_matrix(beta):
    """(x, x_before) ↦ ((1 + β) x − β x_before − η H x, x) is linear: its k-th power gives the k-th point."""
    points = walked("momentum", 40, learning_rate=0.2, momentum=beta)
    eye, zero = np.eye(2), np.zeros((2, 2))
    M = np.block([[(1 + beta) * eye - 0.2 * H, -beta * eye], [eye, zero]])
    state = np.concatenate([START, START])
    for k, x in enumerate(points):
        assert np.allclose(x, (np.linalg.matrix_power(M, k) @ state)[:2], atol=1e-12)


def test_momentum_at_its_best_shrinks_as_theory_says():
    """With η = (2 / (√L + √m))², β = ((√κ − 1) / (√κ + 1))² the error falls like β^(k/2), up to a factor of k."""
    m, L = 1.0, 100.0
    eta, beta = (2 / (math.sqrt(L) + math.sqrt(m))) ** 2, ((10 - 1) / (10 + 1)) ** 2
    f = lambda x: 0.5 * (m * x[0] ** 2 + L * x[1] ** 2)  # noqa: E731
    points = walked("momentum", 100, f, np.ones(2), learning_rate=eta, momentum=beta)
    plain = walked("gradient descent", 100, f, np.ones(2), learning_rate=2 / (m + L))
    assert np.linalg.norm(points[-1]) < 200 * beta**50
    assert np.linalg.norm(plain[-1]) > 100 * np.linalg.norm(points[-1])


@pytest.mark.parametrize("beta", [None, 0.5])
def test_nesterov_looks_ahead(beta):
    points = walked("nesterov", 40, learning_rate=0.2, momentum=beta)
    x, before, t = START, START, 1.0
    for k, point in enumerate(points):
        assert np.allclose(point, x, atol=1e-13), k
        after = (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = x + ((t - 1) / after if beta is None else beta) * (x - before)
        x, before, t = y - 0.2 * H @ y, x, after


def test_nesterov_keeps_its_promise():
    """f(x_k) − f* <= 2 L |x_0 − x*|² / (k + 1)² for steps of 1/L, on a convex function that is hard for descent."""
    n = 60
    A = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    f = lambda x: 0.5 * x @ A @ x - x[0]  # noqa: E731
    best = np.linalg.solve(A, np.eye(n)[0])
    values = []
    cr.minimize(
        f, np.zeros(n), method="nesterov", learning_rate=0.25, max_iter=60, callback=lambda p: values.append(p.fun)
    )
    lowest, radius = -0.5 * best[0], best @ best
    for k, value in enumerate(values, start=1):
        assert -1e-12 <= value - lowest <= 2 * 4 * radius / (k + 1) ** 2


def adam_by_the_paper(gradient, x, rate, steps):
    """Algorithm 1 of Kingma & Ba, 2015, line by line, with its default constants."""
    m, v, points = np.zeros_like(x), np.zeros_like(x), [x]
    for t in range(1, steps + 1):
        g = gradient(x)
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        x = x - rate(t - 1) * m_hat / (np.sqrt(v_hat) + 1e-8)
        points.append(x)
    return np.array(points)


@pytest.mark.parametrize("rate", [0.01, 0.3, lambda k: 0.5 / (1 + k)])
def test_adam_takes_the_steps_of_its_paper(rate):
    points = walked("adam", 50, learning_rate=rate)
    told = rate if callable(rate) else lambda k: rate
    assert np.allclose(points, adam_by_the_paper(lambda x: H @ x, START, told, 50), rtol=1e-12, atol=1e-14)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size():
    for scale in (1e-3, 1.0, 1e6):
        (start, first) = walked(
            "adam", 1, lambda x, s=scale: s * np.sum(x**2), np.array([1.0, -2.0]), learning_rate=0.1
        )
        assert np.allclose(start - first, [0.1, -0.1], rtol=1e-4)


@pytest.mark.parametrize("method", ["momentum", "nesterov", "adam"])
def test_the_comparison_with_the_paper_sees_a_wrong_constant(method, monkeypatch):
    right = walked(method, 20, learning_rate=0.1)
    name = {"momentum": "_MOMENTUM", "adam": "_SQUARES"}.get(method)
    if name is None:
        assert not np.allclose(right, walked(method, 20, learning_rate=0.1, momentum=0.3))
        return
    monkeypatch.setattr(f"chainrule.numeric.descent.{name}", 0.8)
    assert not np.allclose(right, walked(method, 20, learning_rate=0.1), rtol=1e-6)


# --- schedules --------------------------------------------------------------------------------------------------------

SCHEDULES = {
    "constant": (cr.schedules.constant(0.2), lambda k: 0.2),
    "exponential": (cr.schedules.exponential(0.4, decay=0.9), lambda k: 0.4 * 0.9**k),
    "inverse time": (cr.schedules.inverse_time(0.4, decay=0.5), lambda k: 0.4 / (1 + 0.5 * k)),
    "cosine": (
        cr.schedules.cosine(0.4, steps=20, end=0.1),
        lambda k: 0.1 + 0.3 * math.cos(math.pi * min(k, 20) / 40) ** 2,
    ),
    "step decay": (cr.schedules.step_decay(0.4, every=5, factor=0.5), lambda k: 0.4 * 0.5 ** (k // 5)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_their_formulas_and_gradient_descent_follows_them(name):
    schedule, formula = SCHEDULES[name]
    assert [schedule(k) for k in range(30)] == pytest.approx([formula(k) for k in range(30)])
    x = START
    for k, point in enumerate(walked("gradient descent", 25, learning_rate=schedule)):
        assert np.allclose(point, x, atol=1e-13)
        x = x - formula(k) * H @ x


def test_a_schedule_that_shrinks_too_fast_never_arrives():
    """Exponential decay: all steps together are finite, so a start far enough away is never left behind."""
    stuck = cr.minimize(
        bowl, START, method="gradient descent", learning_rate=cr.schedules.exponential(0.1, decay=0.5), max_iter=5000
    )
    slow = cr.minimize(
        bowl, START, method="gradient descent", learning_rate=cr.schedules.inverse_time(0.3, decay=0.01), max_iter=5000
    )
    assert not stuck.success
    assert np.linalg.norm(stuck.x) > 0.5
    assert slow.success


@pytest.mark.parametrize(
    "make",
    [
        lambda: cr.schedules.constant(0),
        lambda: cr.schedules.constant(float("nan")),
        lambda: cr.schedules.constant("fast"),
        lambda: cr.schedules.exponential(1.0, decay=1.5),
        lambda: cr.schedules.inverse_time(1.0, decay=-1),
        lambda: cr.schedules.cosine(1.0, steps=0),
        lambda: cr.schedules.cosine(1.0, steps=10, end=2.0),
        lambda: cr.schedules.cosine(1.0, steps=10, end="0"),
        lambda: cr.schedules.step_decay(1.0, every=2.5, factor=0.5),
    ],
)
def test_a_schedule_of_nonsense_is_refused(make):
    with pytest.raises(ArgumentError):
        make()


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "momentum"}, "momentum needs a learning_rate"),
        ({"method": "adam"}, "adam needs a learning_rate"),
        ({"method": "l-bfgs", "learning_rate": 0.1}, "chooses its own steps"),
        ({"method": "l-bfgs", "momentum": 0.1}, "chooses its own steps"),
        ({"method": "gradient descent", "momentum": 0.1}, "has no momentum"),
        ({"method": "momentum", "learning_rate": 0.1, "momentum": 1.0}, "less than 1"),
        ({"method": "momentum", "learning_rate": -0.1}, "greater than 0"),
        ({"method": "momentum", "learning_rate": np.nan}, "greater than 0"),
        ({"method": "gradient descent", "learning_rate": 0}, "greater than 0"),
        ({"method": "gradient descent", "learning_rate": True}, "greater than 0"),
        ({"method": "gradient descent", "learning_rate": "0.1"}, "greater than 0"),
        ({"method": "gradient descent", "learning_rate": np.array([0.1, 0.2])}, "greater than 0"),
        ({"method": "gradient descent", "learning_rate": lambda k: 0.1 - k}, "the learning rate of step 1"),
        ({"method": "gradient descent", "learning_rate": lambda k: "fast"}, "the learning rate of step 0"),
        ({"method": "adm", "learning_rate": 0.1}, "did you mean 'adam'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, says):
    with pytest.raises(ArgumentError, match=says):
        cr.minimize(bowl, START, **options)


@pytest.mark.parametrize("method", ["momentum", "nesterov", "adam", "gradient descent"])
def test_structures_numbers_and_single_precision(method):
    f = lambda p: (p["a"] - 1) ** 2 + np.sum((p["b"] + 2) ** 2)  # noqa: E731
    found = cr.minimize(f, {"a": 0.0, "b": np.zeros(2, np.float32)}, method=method, learning_rate=0.1, max_iter=3000)
    assert found.success, found
    assert found.x["b"].dtype == np.float32
    assert found.x["a"] == pytest.approx(1, abs=1e-2)
    assert cr.minimize(lambda x: (x - 1) ** 2, 3, method=method, learning_rate=0.1, max_iter=3000).success


@pytest.mark.parametrize("method", ["momentum", "nesterov", "adam", "gradient descent"])
def test_what_is_not_finite_is_no_success(method):
    found = cr.minimize(lambda x: x - np.log(x), 0.5, method=method, learning_rate=50.0, max_iter=50)
    assert not found.success


@pytest.mark.parametrize("seed", range(10))
def test_a_walk_that_passes_lower_values_on_its_way_to_rest_is_a_success(seed):
    random = np.random.default_rng(seed)
    d, start = 10 ** random.uniform(0, 2, 4), random.normal(size=4)
    found = cr.minimize(
        lambda x, d: 0.5 * np.sum(d * x**2), start, (d,), method="momentum", learning_rate=1.9 / d.max(), max_iter=5000
    )
    assert found.success, found
    assert found.grad_norm <= 1e-6


def test_a_run_that_is_not_gradient_descent_with_a_rate_has_no_label():
    rate = {"learning_rate": 0.1}
    for method, options in (("l-bfgs", {}), ("gradient descent", {}), ("adam", rate), ("momentum", rate)):
        found = cr.minimize(bowl, START, method=method, **options)
        assert found.regime is None
        assert "walk" not in str(found)


def test_the_core_takes_a_rate_without_the_public_name():
    found = minimize(lambda x: (x @ x, 2 * x), START, method="momentum", learning_rate=0.1)
    assert found.success


def test_adam_takes_the_same_steps_whatever_the_unit():
    one, huge = (walked("adam", 20, f=lambda p, s=s: s * bowl(p), learning_rate=0.1) for s in (1.0, 1e200))
    assert np.allclose(one, huge, rtol=1e-6)


def test_a_first_step_that_leaves_all_floats_is_not_blamed_on_the_start():
    found = cr.minimize(lambda x: x**2, 3.0, method="gradient descent", learning_rate=1e300)
    assert "where the first step leads" in found.message
    assert "at x0" in cr.minimize(lambda x: x**2 * np.inf, 3.0).message


@pytest.mark.parametrize("rate", [10**400, lambda step: 10**400])
def test_a_rate_beyond_all_floats_is_refused(rate):
    with pytest.raises(ArgumentError, match="finite"):
        cr.minimize(bowl, START, method="gradient descent", learning_rate=rate)


def test_a_schedule_may_answer_with_an_array_of_no_dimensions():
    plain, array = (walked("gradient descent", 3, learning_rate=r) for r in (0.1, lambda step: np.array(0.1)))
    assert np.array_equal(plain, array)
