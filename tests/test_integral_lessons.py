"""What the chapters on integrals say, as claims."""

import numpy as np
import pytest

import chainrule as cr


def test_accumulation_is_the_limit_of_slices():
    def slices(n):
        x = 5 * (np.arange(n) + 0.5) / n
        return np.sum(np.exp(-x / 2)) * 5 / n

    truth = cr.integrate(lambda x: np.exp(-x / 2), 0, 5)
    errors = [abs(slices(n) - truth) for n in (10, 20, 40, 80)]
    assert np.allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.01)


def test_a_training_step_needs_no_integral():
    step = cr.trace(lambda w, x, y: w - 0.1 * cr.grad(lambda w: np.mean((np.tanh(x @ w) - y) ** 2))(w),
                    np.ones(2), np.eye(2), np.zeros(2))  # fmt: skip
    risk = cr.trace(lambda w: cr.integrate(lambda x: np.tanh(w * x) ** 2, 0, 1), 0.5)
    assert "integral" not in str(step)
    assert "integral" in str(risk)


def test_integrating_a_derivative_forgets_the_constant():
    for constant in (-3.0, 0.0, 7.0):
        f = lambda x, c=constant: np.tanh(x) + c  # noqa: E731
        back = [cr.integrate(cr.grad(f), 0, x) for x in (0.5, 2.0)]
        assert np.allclose(back, [f(0.5) - f(0.0), f(2.0) - f(0.0)])


def test_the_sample_loss_comes_close_to_the_risk_as_one_over_root_n():
    bell = cr.Density(lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi))
    loss = lambda w, x: (np.tanh(w * x) - x) ** 2  # noqa: E731
    risk = bell.expect(lambda x: loss(0.5, x))
    slope = cr.grad(lambda w: bell.expect(lambda x: loss(w, x)))(0.5)
    rng = np.random.default_rng(0)
    spread = []
    for n in (100, 10_000):
        samples = [rng.normal(size=n) for _ in range(60)]
        spread.append(np.sqrt(np.mean([(np.mean(loss(0.5, x)) - risk) ** 2 for x in samples])))
        slopes = [cr.grad(lambda w, x: np.mean(loss(w, x)))(0.5, x) for x in samples]
        assert np.mean(slopes) == pytest.approx(slope, abs=5 * np.std(slopes) / np.sqrt(60))
    assert spread[0] / spread[1] == pytest.approx(10, rel=0.4)


def test_roughness_damps_the_fast_wave_and_ridge_every_weight_alike():
    x = np.linspace(0, 1, 9)
    waves = np.stack([np.sin(np.pi * x), np.sin(3 * np.pi * x)], 1)
    y = waves @ np.ones(2)

    def roughness(w):
        bend = cr.grad(cr.grad(lambda u: w[0] * np.sin(np.pi * u) + w[1] * np.sin(3 * np.pi * u)))
        return cr.integrate(lambda u: bend(u) ** 2, 0, 1)

    w = np.array([0.3, -0.7])
    assert roughness(w) == pytest.approx(np.pi**4 * (w[0] ** 2 + 81 * w[1] ** 2) / 2)
    smooth = cr.minimize(lambda w: np.sum((waves @ w - y) ** 2) + 1e-3 * roughness(w), np.zeros(2)).x
    ridge = cr.minimize(lambda w: np.sum((waves @ w - y) ** 2) + 1.0 * np.sum(w**2), np.zeros(2)).x
    assert smooth[0] > 0.95
    assert smooth[1] < 0.6
    assert np.allclose(ridge, ridge[0])
