"""What the chapters on derivatives and gradients state, each as a claim that could fail."""

import math

import numpy as np
import pytest

import chainrule as cr


def f(x, y):
    return x**2 + x * y + y**2


def g(v):
    return f(v[0], v[1])


rng = np.random.default_rng(0)
POINTS = rng.normal(size=(20, 2))


def test_a_derivative_is_the_change_of_the_output_for_a_small_change_of_the_input():
    for x in POINTS[:, 0]:
        slope = cr.grad(np.sin)(x)
        for h in (1e-3, -1e-4, 1e-5):
            assert abs(np.sin(x + h) - np.sin(x) - slope * h) <= h**2 / 2 + 1e-15


def test_both_notations_are_one_function():
    told = cr.derive("x**2")
    assert str(told.result) == "f′(x) = 2 x"
    for x in POINTS[:, 0]:
        assert told.derivative(x) == pytest.approx(cr.grad(lambda x: x**2)(x))


def test_the_derivative_is_the_slope_of_the_tangent():
    for x in POINTS[:, 0]:
        line = cr.tangent(np.exp, x)
        assert float(line(x + 1.0) - line(x)) == pytest.approx(float(cr.grad(np.exp)(x)))


def test_a_partial_derivative_holds_the_other_variables_still():
    for x, y in POINTS:
        assert cr.grad(f, wrt="x")(x, y) == pytest.approx(float(cr.grad(lambda t, y=y: f(t, y))(x)))
        assert cr.grad(f, wrt="y")(x, y) == pytest.approx(float(cr.grad(lambda t, x=x: f(x, t))(y)))


def test_the_partial_derivatives_of_the_example():
    assert str(cr.derive(f, wrt="x").result) == "∂f/∂x = 2 x + y"
    assert str(cr.derive(f, wrt="y").result) == "∂f/∂y = x + 2 y"
    for x, y in POINTS:
        assert cr.grad(f, wrt=(0, 1))(x, y) == pytest.approx((2 * x + y, x + 2 * y))


def test_the_gradient_is_the_vector_of_all_partial_derivatives():
    for v in POINTS:
        np.testing.assert_allclose(cr.grad(g)(v), [cr.grad(f, wrt=k)(*v) for k in (0, 1)])


def test_of_all_directions_the_gradient_is_the_steepest_and_its_length_the_rate():
    angles = np.linspace(0, 2 * np.pi, 361)
    for v in POINTS[:5]:
        gradient = cr.grad(g)(v)
        rates = np.array([cr.jvp(g, (v,), (np.array([math.cos(a), math.sin(a)]),))[1] for a in angles])
        assert rates.max() <= np.linalg.norm(gradient) * (1 + 1e-12)
        assert rates.max() >= np.linalg.norm(gradient) * math.cos(math.radians(0.51))
        best = angles[rates.argmax()]
        off = (best - math.atan2(gradient[1], gradient[0]) + np.pi) % (2 * np.pi) - np.pi
        assert abs(off) <= math.radians(0.51)


def test_steepest_depends_on_how_lengths_are_measured():
    v, scale = np.array([1.0, 2.0]), np.array([1e-3, 1.0])
    there = cr.grad(lambda w: g(w * scale))(v / scale) * scale
    own = cr.grad(g)(v)
    cosine = there @ own / np.linalg.norm(there) / np.linalg.norm(own)
    assert cosine < 0.9
    assert there @ own > 0  # uphill all the same


def test_along_the_gradient_is_uphill_and_against_it_downhill():
    for v in POINTS:
        step = 1e-3 * cr.grad(g)(v)
        assert g(v - step) < g(v) < g(v + step)


def test_a_positive_slope_at_a_point_is_not_a_rise_around_it():
    def trembling(x):
        return x + 2 * x**2 * math.sin(1 / x) if x else 0.0

    told = cr.difference_quotients(trembling, 0.0)
    assert told.exists
    assert told.derivative == pytest.approx(1, abs=1e-6)
    falls = 0
    for k in range(100, 10_000, 400):
        x = 1 / (k * math.pi)
        falls += trembling(x + 1e-3 * x**2) < trembling(x - 1e-3 * x**2)
    assert falls > 20
    for h in np.logspace(-8, -2, 50):
        assert trembling(-h) < 0 < trembling(h)


# --- the short program of the lessons ---------------------------------------------------------------------------------


def numerical_gradient(f, x, h=1e-5):
    slopes = []
    for i in range(len(x)):
        right, left = x.copy(), x.copy()
        right[i] += h
        left[i] -= h
        slopes.append((f(right) - f(left)) / (2 * h))
    return slopes


def squares(x):
    return np.sum(x**2)


@pytest.mark.parametrize("x", [np.array([3, 4]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([300.0], np.float32)])
def test_where_the_short_program_is_wrong_the_library_is_right(x):
    short = np.array(numerical_gradient(squares, x), float)
    assert short.shape != x.shape or not np.allclose(short, 2 * x, rtol=1e-3)
    np.testing.assert_allclose(cr.numerical_gradient(squares, x), 2 * x.astype(float), rtol=1e-5)


def test_on_its_own_example_the_short_program_is_right():
    x = np.array([3.0, 4.0])
    np.testing.assert_allclose(numerical_gradient(squares, x), 2 * x, rtol=1e-8)
    with pytest.raises(AttributeError):
        numerical_gradient(squares, (3.0, 4.0))
    assert numerical_gradient(lambda x: np.maximum(x[0], 0), np.zeros(1)) == [0.5]
    assert not cr.numerical_gradient(lambda x: np.maximum(x[0], 0), np.zeros(1)).reliable


def test_a_program_without_a_formula_has_an_exact_derivative_all_the_same():
    def steps(start):
        x = start
        for _ in range(3):
            x = x - (np.cos(x) - x) / (-np.sin(x) - 1)
        return x

    found = cr.numerical_gradient(steps, 0.1)
    assert abs(float(found) - float(cr.grad(steps)(0.1))) <= found.error
