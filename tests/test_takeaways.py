"""What the first and the last chapter say, at random points and for losses of several kinds."""

import numpy as np
import pytest

import chainrule as cr


def network(w, X, y):
    return np.mean((np.tanh(X @ w[:3]) * w[3] - y) ** 2)


def logistic(w, X, y):
    return np.mean(np.logaddexp(0, -np.sign(y) * (X @ w[:3] + w[3])))


def least_squares(w, X, y):
    return np.mean((X @ w[:3] + w[3] - y) ** 2)


def example(seed):
    random = np.random.default_rng(seed)
    return random.normal(size=4), random.normal(size=(12, 3)), random.normal(size=12)


everywhere = pytest.mark.parametrize("seed", range(5))
every_loss = pytest.mark.parametrize("loss", [network, logistic, least_squares], ids=lambda f: f.__name__)


@every_loss
@everywhere
def test_the_gradient_predicts_what_a_small_step_does(loss, seed):
    w, X, y = example(seed)
    step = np.random.default_rng(seed + 100).normal(size=4)
    slope = cr.grad(loss)(w, X, y) @ step
    off = [abs(loss(w + h * step, X, y) - loss(w, X, y) - h * slope) for h in (1e-2, 1e-3)]
    assert off[1] < off[0] / 50 + 1e-14, "what is missing shrinks like the square of the step"


@every_loss
@everywhere
def test_a_small_step_against_the_gradient_makes_a_loss_smaller(loss, seed):
    w, X, y = example(seed)
    g = cr.grad(loss)(w, X, y)
    assert loss(w - 1e-3 * g, X, y) < loss(w, X, y) < loss(w + 1e-3 * g, X, y)


@every_loss
@everywhere
def test_no_direction_rises_faster_than_the_gradient_and_none_falls_faster_than_against_it(loss, seed):
    w, X, y = example(seed)
    directions = np.random.default_rng(seed).normal(size=(500, 4))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    slopes = np.array([cr.jvp(lambda w: loss(w, X, y), (w,), (d,))[1] for d in directions])
    steepest = np.linalg.norm(cr.grad(loss)(w, X, y))
    assert np.all(np.abs(slopes) <= steepest * (1 + 1e-12))
    assert slopes.max() > 0.8 * steepest, "some come close"
    assert slopes.min() < -0.8 * steepest


@everywhere
def test_a_model_learns_from_data_through_its_gradient(seed):
    _, X, _ = example(seed)
    truth = np.array([1.0, -2.0, 0.5, 3.0])
    w, y = np.zeros(4), X @ truth[:3] + truth[3]
    curvature = np.linalg.eigvalsh(cr.hessian(least_squares)(w, X, y))
    for _ in range(int(30 * curvature[-1] / curvature[0])):
        w = w - cr.grad(least_squares)(w, X, y) / curvature[-1]
    np.testing.assert_allclose(w, truth, atol=1e-5)


@every_loss
def test_the_rules_are_applied_by_the_machine(loss):
    w, X, y = example(0)
    assert cr.check(loss, w, X, y).verdict == "agrees"
    shown = cr.explain(loss, w, X, y)
    assert str(shown.gradient)


@everywhere
def test_a_gradient_that_is_wrong_by_hand_is_found_by_differences(seed):
    w, X, y = example(seed)

    def by_hand(w, power):
        t = np.tanh(X @ w[:3])
        back = 2 / len(y) * (t * w[3] - y)
        return np.concatenate([X.T @ (back * w[3] * (1 - t**power)), [back @ t]])

    truth = cr.numerical_gradient(network, w, X, y).value
    relative = [np.linalg.norm(by_hand(w, power) - truth) / np.linalg.norm(truth) for power in (2, 1)]
    assert relative[0] < 1e-8
    assert relative[1] > 1e-3


@everywhere
def test_a_clipped_gradient_still_points_downhill_and_is_short(seed):
    w, X, y = example(seed)
    X = 1e3 * X
    g = cr.grad(least_squares)(w, X, y)
    clipped = np.asarray(cr.clip_by_norm(g, 1.0))
    assert np.linalg.norm(clipped) == pytest.approx(1.0)
    np.testing.assert_allclose(clipped, g / np.linalg.norm(g))
    assert least_squares(w - 1e-4 * clipped, X, y) < least_squares(w, X, y)
    assert least_squares(w - 1e-4 * g, X, y) > least_squares(w, X, y), "the whole gradient is too long a step"


def test_sigmoids_shrink_a_gradient_by_a_quarter_each_and_residual_layers_do_not():
    from scipy.special import expit

    def deep(layer, depth):
        def f(x):
            for _ in range(depth):
                x = layer(x)
            return x

        return cr.grad(f)

    for depth in (1, 5, 20):
        for x in (-2.0, 0.0, 0.5, 3.0):
            assert 0 < deep(expit, depth)(x) <= 0.25**depth
            assert deep(lambda x: x + np.tanh(x) / 20, depth)(x) >= 1
            assert deep(lambda x: np.maximum(x, 0.0), depth)(x) in (0.0, 0.5**depth, 1.0)


@pytest.mark.parametrize("n", [5, 50, 500])
def test_reverse_mode_costs_a_few_values_and_the_others_a_multiple_of_n(n):
    from chainrule.explain.cost import cost

    args = np.zeros(n), np.ones((7, n)), np.ones(7)

    def loss(w, X, y):
        return np.mean((np.tanh(X @ w) - y) ** 2)

    def forward(w, v, X, y):
        return cr.jvp(lambda w: loss(w, X, y), (w,), (v,))[1]

    value = cost(cr.trace(loss, *args)).flops
    assert cost(cr.trace(cr.grad(loss), *args)).flops < 5 * value
    assert cost(cr.trace(forward, args[0], *args)).flops > value
    if n < 500:
        assert cr.numerical_gradient(loss, *args).evaluations >= 2 * n


def test_the_learning_rate_decides_between_arriving_and_flying_away():
    def bowl(p):
        return p[0] ** 2 + p[0] * p[1] + p[1] ** 2

    start = np.array([1.0, 0.5])
    told = cr.learning_rate(bowl, start)
    assert told.largest == pytest.approx(2 / 3)

    def end(rate):
        p = start
        for _ in range(400):
            p = p - rate * cr.grad(bowl)(p)
        return np.linalg.norm(p)

    assert end(0.99 * told.largest) < 1e-2 * np.linalg.norm(start)
    assert end(1.01 * told.largest) > 1e2 * np.linalg.norm(start)
    assert end(told.best) < 1e-12 < end(told.best / 100)


@pytest.mark.parametrize("guess", [-1.0, 0.0, 2.5])
def test_the_slope_of_an_expected_loss_is_the_expected_slope(guess):
    def weighted_loss(x, guess):
        return (x - guess) ** 2 * np.exp(-((x - 3.0) ** 2) / 2) / np.sqrt(2 * np.pi)

    slope = cr.integrate(cr.grad(weighted_loss, wrt="guess"), -np.inf, np.inf, args=(guess,))
    assert float(slope) == pytest.approx(2 * (guess - 3.0), rel=1e-9)  # E (x - guess)² = 1 + (guess - 3)²
    assert float(cr.integrate(weighted_loss, -np.inf, np.inf, args=(guess,))) == pytest.approx(1 + (guess - 3.0) ** 2)
