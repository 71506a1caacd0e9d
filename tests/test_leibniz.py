"""Derivatives of integrals: in limits and parameters, of any order, and through jumps that move."""

from math import cos, exp, inf, pi, sin, sqrt

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, IntegralError, NoRuleError
from chainrule.transform import leibniz

pytestmark = pytest.mark.filterwarnings("error")


def area(f, a, b):
    """∫ f(x, t) dx as a function of t."""
    return lambda t: cr.integrate(lambda x: f(x, t), a, b)


def slope(f, t, h=1e-4):
    """Of a known function, by differences of fourth order."""
    return (8 * (f(t + h) - f(t - h)) - (f(t + 2 * h) - f(t - 2 * h))) / (12 * h)


def test_the_derivative_of_the_area_up_to_x_is_the_function():
    def upto(b):
        return cr.integrate(lambda x: np.exp(-x * x) + np.sin(x), 0, b)

    def f(x):
        return exp(-x * x) + sin(x)

    for b in (-0.7, 0.0, 0.3, 2.0):
        assert cr.grad(upto)(b) == pytest.approx(f(b), rel=1e-14)
        assert cr.grad(lambda a: cr.integrate(np.exp, a, 1.0))(b) == pytest.approx(-exp(b), rel=1e-14)
        assert cr.grad(cr.grad(upto))(b) == pytest.approx(slope(f, b), rel=1e-9)


def test_the_area_of_a_derivative_is_the_difference_of_values():
    def f(x):
        return np.tanh(x) * x**2

    assert cr.integrate(cr.grad(f), -1, 2) == pytest.approx(f(2.0) - f(-1.0), rel=1e-13)


def test_parameters_and_limits_at_once():
    def f(p):
        return cr.integrate(lambda x: p["c"] * x**2 + p["w"][1], p["a"], p["b"])

    got = cr.grad(f)({"a": 1.0, "b": 2.0, "c": 3.0, "w": np.array([5.0, 4.0])})
    assert [got["a"], got["b"], got["c"]] == pytest.approx([-7, 16, 7 / 3])
    assert np.allclose(got["w"], [0, 1])


SMOOTH = {
    "sin": (lambda x, t: np.sin(t * x), 0, 1, lambda t: (1 - cos(t)) / t),
    "exp": (lambda x, t: np.exp(-t * x), 0, inf, lambda t: 1 / t),
    "normal": (lambda x, t: np.exp(-((x / t) ** 2) / 2), -inf, inf, lambda t: t * sqrt(2 * pi)),
    "power": (lambda x, t: x**t, 0, 1, lambda t: 1 / (1 + t)),
    "captured": (lambda x, t: np.cos(x) * np.sum(t * np.arange(3.0)), 0, 1, lambda t: 3 * t * sin(1)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_every_order_and_mode_of_a_smooth_integrand(name):
    f, a, b, truth = SMOOTH[name]
    F = area(f, a, b)
    t = 0.8
    first, second = slope(truth, t), slope(lambda u: slope(truth, u, 1e-3), t, 1e-3)
    assert cr.value_and_grad(F)(t) == pytest.approx((truth(t), first), rel=1e-8)
    assert cr.jvp(F, (t,), (2.0,))[1] == pytest.approx(2 * first, rel=1e-8)
    assert cr.hvp(F)(t, 1.0) == pytest.approx(second, rel=1e-6, abs=1e-9)
    assert cr.grad(cr.grad(F))(t) == pytest.approx(second, rel=1e-6, abs=1e-9)
    assert np.allclose(cr.vmap(cr.grad(F))(np.array([t, 1.1])), [first, slope(truth, 1.1)], rtol=1e-8)


JUMPS = {
    "step": (lambda x, t: np.where(x < t, 1.0, 0.0), lambda t: t),
    "indicator": (lambda x, t: x < t, lambda t: t),
    "outside": (lambda x, t: x < t + 2, lambda t: 1.0),
    "step of a curve": (lambda x, t: x**2 < t, sqrt),
    "step times exp": (lambda x, t: (x < t) * np.exp(t * x), lambda t: (exp(t * t) - 1) / t),
    "sign": (lambda x, t: np.sign(x - t) * x, lambda t: (1 - 2 * t * t) / 2),
    "abs": (lambda x, t: np.abs(x - t), lambda t: (t * t + (1 - t) ** 2) / 2),
    "max": (lambda x, t: np.maximum(x, t) ** 2, lambda t: t**3 + (1 - t**3) / 3),
    "clip": (lambda x, t: np.clip(x, t / 2, t), lambda t: t * t / 4 + (t * t - t * t / 4) / 2 + t * (1 - t)),
    "floor": (lambda x, t: np.floor(2.9 * x / t), lambda t: sum(1 - k * t / 2.9 for k in range(1, int(2.9 / t) + 1))),
    "ceil": (lambda x, t: np.ceil(x / t), lambda t: 1 + sum(1 - k * t for k in range(1, int(1 / t) + 1))),
    "rint": (lambda x, t: np.rint(x / t), lambda t: sum(1 - (k + 0.5) * t for k in range(int(1 / t + 0.5)))),
    "remainder": (lambda x, t: x % t, lambda t: int(1 / t) * t * t / 2 + (1 - int(1 / t) * t) ** 2 / 2),
    "astype": (lambda x, t: (x / t).astype(int) * 1.0, lambda t: sum(1 - k * t for k in range(1, int(1 / t) + 1))),
    "two at one place": (lambda x, t: np.where(x < t, 2.0, 5.0) * np.where(t > x, 3.0, 7.0),
                         lambda t: 6 * t + 35 * (1 - t)),
    "both sides closed": (lambda x, t: np.where(x <= t, 2.0, 5.0) * np.where(x - t >= 0, 3.0, 7.0),
                          lambda t: 14 * t + 15 * (1 - t)),
    "an interval": (lambda x, t: (x > t / 2) & (x < t), lambda t: t / 2),
    "a step within": (lambda x, t: np.where(np.where(x < t, x, 2 * x) > 0.9, 1.0, 0.0), lambda t: 1 - max(t, 0.45)),
    "not": (lambda x, t: np.where(~(x < t), np.cos(x * t), 0.0), lambda t: (sin(t) - sin(t * t)) / t),
}  # fmt: skip


@pytest.mark.parametrize("name", JUMPS)
@pytest.mark.parametrize("t", [0.3, 0.62])
def test_a_jump_that_moves_is_part_of_the_derivative(name, t):
    f, truth = JUMPS[name]
    F = area(f, 0, 1)
    first = slope(truth, t)
    second = slope(lambda u: slope(truth, u), t)
    assert F(t) == pytest.approx(truth(t), rel=1e-8)
    assert cr.grad(F)(t) == pytest.approx(first, rel=1e-8, abs=1e-8)
    assert cr.jvp(F, (t,), (1.0,))[1] == pytest.approx(first, rel=1e-8, abs=1e-8)
    assert cr.grad(cr.grad(F))(t) == pytest.approx(second, rel=1e-5, abs=1e-5)
    reversed_ = cr.grad(area(f, 1, 0))(t)
    assert reversed_ == pytest.approx(-first, rel=1e-8, abs=1e-8)


def test_the_test_of_jumps_sees_them_left_out(monkeypatch):
    leibniz._tangent_parts.cache_clear()
    monkeypatch.setattr(leibniz, "_groups", lambda body, wanted: [])
    assert cr.grad(area(lambda x, t: x < t * 1.0123, 0, 1))(0.31) == 0
    leibniz._tangent_parts.cache_clear()


def test_many_jumps_at_once_each_with_its_own_parameter():
    w = np.array([0.2, 0.5, 2.0])
    F = lambda w: cr.integrate(lambda x: np.sum(np.maximum(0, x - w) ** 2), 0, 1)  # noqa: E731
    assert np.allclose(cr.grad(F)(w), [-0.64, -0.25, 0])
    assert np.allclose(cr.hessian(F)(w), np.diag([1.6, 1.0, 0]))
    G = lambda w: cr.integrate(lambda x: np.sum(np.sign(x - w)), 0, 1)  # noqa: E731
    assert np.allclose(cr.grad(G)(w), [-2, -2, 0])
    assert np.allclose(cr.vmap(cr.grad(G))(np.stack([w, w * 0.9])), [[-2, -2, 0], [-2, -2, 0]])


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x, t: np.where(x < t, 2.0, 5.0) * np.where(x * x < t * t, 3.0, 7.0), IntegralError),
        (lambda x, t: 1.0 * np.argmax(np.array([x, t * 1.0])), NoRuleError),
        (lambda x, t: np.sign(t * np.sin(1 / x)), IntegralError),
    ],
)
def test_what_it_cannot_tell_is_refused_never_zero(f, error):
    with pytest.raises(error):
        cr.grad(area(f, 0, 1))(0.3)


def test_a_maximum_of_several_is_refused_at_second_order():
    F = area(lambda x, t: np.max(np.array([x, t * 1.0])), 0, 1)
    assert cr.grad(F)(0.3) == pytest.approx(0.3)
    with pytest.raises(NoRuleError):
        cr.grad(cr.grad(F))(0.3)


def test_at_a_jump_that_is_a_limit_the_slope_is_the_mean():
    assert cr.grad(area(lambda x, t: x < t, 0, 1))(1.0) == pytest.approx(0.5)


TOGETHER = {
    "up to the jump": (lambda t: cr.integrate(lambda x: np.where(x < t, x, 7.0), 0, t), lambda t: t * t / 2),
    "up to the jump, closed": (lambda t: cr.integrate(lambda x: np.where(x <= t, x, 7 * t), 0, t), lambda t: t * t / 2),
    "from the jump": (lambda t: cr.integrate(lambda x: np.where(x <= t, x, 5.0 * t), t, 2), lambda t: 5 * t * (2 - t)),
    "down to the jump": (lambda t: cr.integrate(lambda x: np.where(x < t, x, 5.0), 2, t), lambda t: -5 * (2 - t)),
    "uniform": (lambda t: cr.integrate(lambda x: np.where((x >= t) & (x <= 2 * t), x / t, 0), t, 2 * t),
                lambda t: 1.5 * t),
    "floor": (lambda t: cr.integrate(lambda x: np.floor(x / t) * t * x, t, 3 * t), lambda t: 13 / 2 * t**3),
    "a jump for each of several": (
        lambda t: cr.integrate(lambda x: np.sum(np.where(x < np.array([0.3, 0.6, 0.8]) * t, x, 7.0)), 0, 0.6 * t),
        lambda t: (0.045 + 2 * 0.18) * t * t + 7 * 0.3 * t,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_a_limit_that_moves_with_a_jump(name):
    F, truth = TOGETHER[name]
    t = 0.75
    first = slope(truth, t)
    assert F(t) == pytest.approx(truth(t), rel=1e-8)
    assert cr.grad(F)(t) == pytest.approx(first, rel=1e-8)
    assert cr.jvp(F, (t,), (1.0,))[1] == pytest.approx(first, rel=1e-8)
    assert cr.hessian(F)(t) == pytest.approx(slope(lambda u: slope(truth, u), t), rel=1e-5, abs=1e-5)
    assert np.allclose(cr.vmap(cr.grad(F))(np.array([t, 0.5])), [first, slope(truth, 0.5)])


def test_an_integral_that_does_not_exist_raises_inside_a_function():
    with pytest.raises(IntegralError, match="does not exist"):
        cr.grad(lambda t: cr.integrate(lambda x: t / x, 0, 1))(2.0)
    with pytest.raises(IntegralError):
        cr.trace(lambda t: t * cr.integrate(lambda x: 1 / x, 0, 1), 2.0)
    with pytest.raises(ArgumentError):
        cr.grad(lambda t: np.sum(cr.integrate(lambda x: x, 0, t)))(np.ones(3))


def test_derivatives_inside_the_integrand():
    def roughness(w):
        def f(u):
            return w[0] * u**3 + w[1] * np.sin(u)

        return cr.integrate(lambda x: cr.grad(cr.grad(f))(x) ** 2, 0, 1)

    w = np.array([2.0, 0.0])
    assert roughness(w) == pytest.approx(48)
    cross = -2 * 2 * 6 * (sin(1) - cos(1))
    assert np.allclose(cr.grad(roughness)(w), [48, cross])


def test_an_integral_of_an_integral():
    F = lambda t: cr.integrate(lambda x: cr.integrate(lambda y: t * x * y, 0, x), 0, 1)  # noqa: E731
    assert cr.value_and_grad(F)(2.0) == pytest.approx((0.25, 0.125))


def test_an_integral_as_a_part_of_a_loss():
    def loss(w, c):
        return (w * cr.integrate(lambda x: np.exp(-c * x), 0, w) - 1) ** 2

    truth = lambda w, c: (w * (1 - exp(-c * w)) / c - 1) ** 2  # noqa: E731
    got = cr.grad(loss, wrt=(0, 1))(0.7, 1.3)
    assert got == pytest.approx((slope(lambda w: truth(w, 1.3), 0.7), slope(lambda c: truth(0.7, c), 1.3)), rel=1e-8)
    assert cr.check(loss, 0.7, 1.3, wrt=(0, 1)).ok
    assert "integral(" in str(cr.trace(loss, 0.7, 1.3))


def test_a_factor_of_zero_makes_the_derivative_zero_and_no_error():
    found = cr.minimize(lambda t: (cr.integrate(lambda x: np.exp(-t * x), 0, np.inf) - 0.5) ** 2, 1.0)
    assert found.x == pytest.approx(2, rel=1e-4)
    assert cr.grad(lambda t: 0.0 * cr.integrate(lambda x: np.exp(-t * x), 0, np.inf))(1.0) == 0


@pytest.mark.parametrize("read", [cr.explain, lambda f, *_: cr.derive(f), lambda f, *_: cr.antiderive(f)])
def test_formulas_refuse_an_integral_inside_and_say_so(read):
    with pytest.raises(NoRuleError, match="integral inside"):
        read(lambda t: t * cr.integrate(lambda x: np.exp(-t * x), 0, 1), 2.0)


def test_float32_stays_float32():
    g = cr.grad(lambda w: np.sum(w) * cr.integrate(lambda x: np.exp(x), 0, 1))(np.ones(2, np.float32))
    assert g.dtype == np.float32
    h = cr.grad(lambda w: cr.integrate(lambda x: np.sum(w * x), 0, 1))(np.ones(2, np.float32))
    assert h.dtype == np.float32
    assert np.allclose(h, 0.5)


def test_a_study_of_a_loss_with_an_integral_tells_all_but_the_formula():
    def loss(w):
        return cr.integrate(lambda x: (w[0] * x + w[1] - x * x) ** 2, 0, 1)

    found = cr.study(loss, np.array([1.0, 2.0]), seconds=5)
    assert "integral(0, 1, w" in found.program[0].computed
    assert found.check.verdict == "agrees"
    assert cr.convexity(loss, np.array([1.0, 2.0])).verdict == "undecided"
