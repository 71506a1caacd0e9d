"""What lessons say of gradient descent, Jacobians and Hessians, statement by statement, on many random examples."""

import numpy as np
import pytest

import chainrule as cr


def bowl(p):
    return p[0] ** 2 + p[0] * p[1] + p[1] ** 2


def wavy(p):
    return np.sum(np.sin(p) * np.exp(0.3 * p[::-1])) + 0.1 * p @ p


POINTS = np.random.default_rng(0).normal(size=(10, 3))


@pytest.mark.parametrize("x", POINTS)
def test_the_gradient_says_how_fast_the_loss_decreases(x):
    """A step of η against the gradient lowers the value by η |g|², up to terms in η²."""
    g = cr.grad(wavy)(x)
    shortfalls = [abs(wavy(x) - wavy(x - rate * g) - rate * g @ g) for rate in (1e-3, 1e-4)]
    assert shortfalls[1] < 0.012 * shortfalls[0] + 1e-14
    assert shortfalls[0] < 0.1 * 1e-3 * g @ g + 1e-14


@pytest.mark.parametrize("x", POINTS)
def test_against_the_gradient_is_downhill_and_along_it_uphill(x):
    g = cr.grad(wavy)(x)
    assert wavy(x - 1e-3 * g) < wavy(x) < wavy(x + 1e-3 * g)


@pytest.mark.parametrize("start", POINTS)
def test_the_walk_steps_downhill_every_time_and_stops_where_it_is_flat(start):
    rate = 0.9 / abs(np.linalg.eigvalsh(cr.hessian(wavy)(start))).max() / 4
    values = [wavy(start)]
    found = cr.minimize(
        wavy, start, method="gradient descent", learning_rate=min(rate, 0.1), max_iter=5000, tol=1e-5,
        callback=lambda now: values.append(now.fun),
    )  # fmt: skip
    assert np.all(np.diff(values) < 1e-15)
    assert found.success
    assert np.abs(cr.grad(wavy)(found.x)).max() <= 1e-5


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_the_update_is_the_line_of_the_lesson_and_the_rate_its_step_size(rate):
    x = np.array([1.0, 0.6])
    after = cr.minimize(bowl, x, method="gradient descent", learning_rate=rate, max_iter=1, tol=0.0).x
    gradient = np.array([2 * x[0] + x[1], x[0] + 2 * x[1]])
    assert np.array_equal(after, x - rate * gradient)
    assert np.linalg.norm(after - x) == pytest.approx(rate * np.linalg.norm(gradient))


@pytest.mark.parametrize(
    ("rate", "label"),
    [(0.02, "slow"), (0.3, "steady"), (0.6, "oscillating"), (0.66, "overshooting"), (0.7, "diverging")],
)
def test_too_small_just_right_too_large(rate, label):
    found = cr.minimize(bowl, np.array([1.0, 0.6]), method="gradient descent", learning_rate=rate, max_iter=60)
    assert found.regime == label
    assert found.success == (label == "steady" or (label == "oscillating" and found.grad_norm <= 1e-6))


def test_from_many_starts_descent_finds_a_minimum_not_the_minimum():
    tilted = lambda x: (x**2 - 1) ** 2 + 0.3 * x  # noqa: E731
    ends = [cr.minimize(tilted, x, method="gradient descent", learning_rate=0.05).x for x in np.linspace(-1.8, 1.8, 20)]
    places = {round(float(x), 3) for x in ends}
    assert len(places) == 2
    assert all(cr.critical_point(tilted, x).kind == "minimum" for x in ends)
    assert len({round(float(tilted(x)), 3) for x in places}) == 2  # one is lower than the other


def test_starts_of_a_small_network_end_in_different_weights_and_equally_good():
    points = np.linspace(-2, 2, 40)

    def misfit(p, x):
        return np.mean((np.tanh(np.outer(x, p["w"]) + p["b"]) @ p["v"] - np.sin(2 * x)) ** 2)

    weights, losses = [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        start = {"w": random.normal(size=8), "b": random.normal(size=8), "v": 0.3 * random.normal(size=8)}
        found = cr.minimize(misfit, start, (points,), method="adam", learning_rate=0.03, max_iter=600)
        weights.append(np.sort(np.abs(found.x["w"])))
        losses.append(found.fun)
    assert max(losses) < 1e-3
    assert min(np.abs(a - b).max() for i, a in enumerate(weights) for b in weights[:i]) > 0.1


# --- Jacobians and Hessians -------------------------------------------------------------------------------------------


def swirl(p):
    return np.array([p[0] * np.cos(p[1]), p[0] * np.sin(p[1]), p[0] ** 2 * p[1]])


@pytest.mark.parametrize("x", POINTS[:, :2])
def test_the_jacobian_holds_every_first_partial(x):
    J = cr.jacobian(swirl)(x)
    assert J.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            partial = cr.grad(lambda t, i=i, j=j: swirl(x + (t - x[j]) * np.eye(2)[j])[i])(x[j])
            assert J[i, j] == pytest.approx(partial)


@pytest.mark.parametrize("x", POINTS[:, :2])
def test_close_by_a_map_is_its_jacobian_stretched_and_rotated(x):
    f = lambda p: swirl(p)[:2]  # noqa: E731
    found = cr.local_map(f, x)
    d = np.array([1e-5, -2e-5])
    assert np.allclose(f(x + d) - f(x), found.jacobian @ d, atol=1e-8)
    assert np.allclose(found.rotation @ found.stretch, found.jacobian)
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(2))
    assert np.allclose(found.stretches, np.linalg.svd(found.jacobian)[1])


@pytest.mark.parametrize("x", POINTS)
def test_the_hessian_holds_every_second_partial_and_measures_the_bend_along_any_line(x):
    H = cr.hessian(wavy)(x)
    assert np.allclose(H, H.T)
    assert np.allclose(H, cr.jacobian(cr.grad(wavy))(x))
    d = np.random.default_rng(1).normal(size=3)
    assert cr.grad(cr.grad(lambda t: wavy(x + t * d)))(0.0) == pytest.approx(d @ H @ d)
    h = 1e-4
    assert (wavy(x + h * d) - 2 * wavy(x) + wavy(x - h * d)) / h**2 == pytest.approx(d @ H @ d, rel=1e-3, abs=1e-5)
