# ruff: noqa: E501  (a row of a table is a line)
"""Where formulas break and derivatives need not: branches not taken, kinks, ties, overflow, infinity, NaN."""

import numpy as np
import pytest
from evidence import module

import chainrule as cr
from chainrule.errors import ValueNeededError

INF, NAN = np.inf, np.nan

# (an expression in the number x, where, the truth there: first derivative, second derivative or None when it has none)
TRUTH = {
    # --- the branch that is not taken has no say
    "where(x > 0, log(x), 0)": ("np.where(x > 0, np.log(x), 0)", {0.0: (0, 0), -1.0: (0, 0), 2.0: (0.5, -0.25)}),
    "where(x > 0, sqrt(x), 0)": ("np.where(x > 0, np.sqrt(x), 0.0)", {0.0: (0, 0), -1.0: (0, 0), 4.0: (0.25, -1 / 32)}),
    "where(x <= 0, 0, log(x))": ("np.where(x <= 0, 0.0, np.log(x))", {0.0: (0, 0), -1.0: (0, 0), 2.0: (0.5, -0.25)}),
    "the double where": ("np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)", {0.0: (0, 0), -1.0: (0, 0), 4.0: (0.25, -1 / 32)}),
    "where(x != 0, sin(x) / x, 1)": ("np.where(x != 0, np.sin(x) / x, 1.0)", {0.0: (0, 0)}),
    "where(x != 0, 1 / x, 0)": ("np.where(x != 0, 1 / x, 0.0)", {0.0: (0, 0), 2.0: (-0.25, 0.25)}),
    "where(x < 700, exp(x), 0)": ("np.where(x < 700, np.exp(x), 0.0)", {1000.0: (0, 0), 0.0: (1, 1)}),
    "where(x > 0, x * log(x), 0)": ("np.where(x > 0, x * np.log(x), 0.0)", {0.0: (0, 0), 1.0: (1, 1)}),
    "where over a deep branch": ("np.where(x > 0, np.exp(np.log(np.sqrt(x) * 2) / 3), x)", {0.0: (1, 0), -1.0: (1, 0)}),
    "where(x > 0, x ** 0.5, 0)": ("np.where(x > 0, x ** 0.5, 0.0)", {0.0: (0, 0), -1.0: (0, 0)}),
    "where(|x| < 1, arcsin(x), x)": ("np.where(np.abs(x) < 1, np.arcsin(x), x)", {1.0: (1, 0), 2.0: (1, 0)}),
    "where(x > 0, log(x), x) + where(x > 0, 0, sqrt(-x))": ("np.where(x > 0, np.log(x), x) + np.where(x > 0, 0.0, np.sqrt(-x))", {2.0: (0.5, -0.25), -4.0: (1 - 0.25, -1 / 32)}),
    "nested where": ("np.where(x > 0, np.where(x > 1, np.log(x), np.log1p(-x)), 0.0)", {0.0: (0, 0), -3.0: (0, 0), 2.0: (0.5, -0.25), 0.5: (-2, -4)}),
    "a sum of where": ("np.sum(np.where(np.stack([x, -x]) > 0, np.log(np.stack([x, -x])), 0.0))", {2.0: (0.5, -0.25), -2.0: (-0.5, -0.25), 0.0: (0, 0)}),
    "select": ("np.select([x > 0, x > -1], [np.log(x), np.sqrt(x + 1)], 0.0)", {-2.0: (0, 0), -1.0: (0, 0), 2.0: (0.5, -0.25)}),
    "where twice over the same": ("np.where(x > 0, np.log(x), 0.0) * np.where(x > 0, np.sqrt(x), 0.0)", {0.0: (0, 0), -1.0: (0, 0)}),
    "maximum before log": ("np.log(np.maximum(x, 1.0))", {0.0: (0, 0), -5.0: (0, 0), 2.0: (0.5, -0.25)}),
    "clip before log": ("np.log(np.clip(x, 1e-3, 1.0))", {0.0: (0, 0), -5.0: (0, 0), 0.5: (2, -4)}),
    "x where it is finite": ("np.where(np.isfinite(np.exp(x)), np.exp(x), 0.0)", {1000.0: (0, 0), 0.0: (1, 1)}),
    "where of a branch with a NaN": ("np.where(x > 5, x * np.nan, x ** 2)", {1.0: (2, 2)}),
    "where times infinity": ("np.where(x > 5, x * np.inf, x ** 2)", {1.0: (2, 2)}),
    # --- powers
    "x ** 0": ("x ** 0", {0.0: (0, 0), 2.0: (0, 0), -1.0: (0, 0)}),
    "x ** 0.0": ("x ** 0.0", {0.0: (0, 0), 2.0: (0, 0)}),
    "x ** 1": ("x ** 1", {0.0: (1, 0), -2.0: (1, 0)}),
    "x ** 2": ("x ** 2", {0.0: (0, 2), -3.0: (-6, 2)}),
    "x ** 2.0": ("x ** 2.0", {0.0: (0, 2), -3.0: (-6, 2)}),
    "x ** 3": ("x ** 3", {0.0: (0, 0), -1.0: (3, -6)}),
    "x ** 3.0": ("x ** 3.0", {0.0: (0, 0), -1.0: (3, -6)}),
    "x ** -1": ("x ** -1", {2.0: (-0.25, 0.25), -2.0: (-0.25, -0.25)}),
    "x ** 1.5": ("x ** 1.5", {0.0: (0, INF), 4.0: (3, 0.375)}),
    "np.power(x, 2)": ("np.power(x, 2)", {0.0: (0, 2), -3.0: (-6, 2)}),
    "np.power(x, np.array(2.0))": ("np.power(x, np.array(2.0))", {0.0: (0, 2), -3.0: (-6, 2)}),
    "x ** (an array of powers)": ("np.sum(x ** np.array([0.0, 1.0, 2.0]))", {0.0: (1, 2), -3.0: (-5, 2)}),
    "0 ** x": ("0.0 ** x", {2.0: (0, 0), 1.0: (0, 0)}),
    "2 ** x": ("2.0 ** x", {0.0: (np.log(2), np.log(2) ** 2), -1.0: (np.log(2) / 2, np.log(2) ** 2 / 2)}),
    "1 ** x": ("1.0 ** x", {0.0: (0, 0), 5.0: (0, 0)}),
    "x ** x": ("x ** x", {1.0: (1, 2), 2.0: (4 * (np.log(2) + 1), 4 * (np.log(2) + 1) ** 2 + 2)}),
    "x * x": ("x * x", {0.0: (0, 2)}),
    "sqrt(x ** 2)": ("np.sqrt(x ** 2)", {2.0: (1, 0), -2.0: (-1, 0)}),
    "sqrt(x) squared": ("np.sqrt(x) ** 2", {4.0: (1, 0)}),
    "cbrt": ("np.cbrt(x)", {8.0: (1 / 12, -1 / 144), -8.0: (1 / 12, 1 / 144)}),
    # --- kinks: the derivative of least size, or the mean of both sides; never NaN
    "abs": ("np.abs(x)", {0.0: (0, 0), 2.0: (1, 0), -2.0: (-1, 0)}),
    "norm of one": ("np.linalg.norm(np.stack([x, x * 0]))", {0.0: (0, None), 3.0: (1, 0)}),
    "norm of two": ("np.linalg.norm(np.stack([3 * x, 4 * x]))", {0.0: (0, None), 2.0: (5, 0), -2.0: (-5, 0)}),
    "relu": ("np.maximum(x, 0.0)", {-1.0: (0, 0), 2.0: (1, 0)}),
    "hypot": ("np.hypot(x, 0.0)", {2.0: (1, 0), -2.0: (-1, 0)}),
    "hypot at 0": ("np.hypot(x, x)", {3.0: (np.sqrt(2), 0)}),
    "sign": ("np.sign(x)", {0.0: (0, 0), 2.0: (0, 0)}),
    "floor": ("np.floor(x)", {0.0: (0, 0), 2.5: (0, 0)}),
    "x * |x|": ("x * np.abs(x)", {0.0: (0, 0), 2.0: (4, 2), -2.0: (4, -2)}),
    "a step": ("np.heaviside(x, 0.5) * x if False else (x > 0) * x", {2.0: (1, 0), -2.0: (0, 0)}),
    # --- overflow
    "sigmoid": ("1 / (1 + np.exp(-x))", {1000.0: (0, 0), -1000.0: (0, 0), 0.0: (0.25, 0)}),
    "sigmoid, the other way": ("np.exp(x) / (1 + np.exp(x))", {-1000.0: (0, 0), 0.0: (0.25, 0)}),
    "expit": ("scipy.special.expit(x)", {1000.0: (0, 0), -1000.0: (0, 0), INF: (0, 0), -INF: (0, 0), 0.0: (0.25, 0)}),
    "tanh": ("np.tanh(x)", {1000.0: (0, 0), -1000.0: (0, 0), INF: (0, 0), -INF: (0, 0), 0.0: (1, 0)}),
    "softplus": ("np.logaddexp(0.0, x)", {1000.0: (1, 0), -1000.0: (0, 0), INF: (1, 0), -INF: (0, 0), 0.0: (0.5, 0.25)}),
    "logaddexp, swapped": ("np.logaddexp(x, 0.0)", {1000.0: (1, 0), -1000.0: (0, 0), INF: (1, 0), -INF: (0, 0)}),
    "logaddexp of -inf": ("np.logaddexp(x, -np.inf)", {2.0: (1, 0), 0.0: (1, 0)}),
    "logaddexp of both": ("np.logaddexp(x, 2 * x)", {1000.0: (2, 0), -1000.0: (1, 0), 0.0: (1.5, 0.25)}),
    "log1p(exp(x))": ("np.log1p(np.exp(x))", {-1000.0: (0, 0), 0.0: (0.5, 0.25)}),
    "log(1 + exp(-x))": ("np.log(1 + np.exp(-x))", {1000.0: (0, 0), 0.0: (-0.5, 0.25)}),
    "logsumexp": ("scipy.special.logsumexp(np.stack([x, 2 * x, x * 0]))", {1000.0: (2, 0), -1000.0: (0, 0)}),
    "logsumexp with -inf": ("scipy.special.logsumexp(np.stack([x, x * 0 - np.inf]))", {2.0: (1, 0), 0.0: (1, 0)}),
    "logsumexp by hand": ("(lambda v: np.max(v) + np.log(np.sum(np.exp(v - np.max(v)))))(np.stack([x, 2 * x]))", {1000.0: (2, 0), -1000.0: (1, 0)}),
    "softmax": ("scipy.special.softmax(np.stack([x, x * 0]))[0]", {1000.0: (0, 0), -1000.0: (0, 0), 0.0: (0.25, 0)}),
    "softmax by hand": ("(lambda e: (e / np.sum(e))[0])(np.exp(np.stack([x, x * 0]) - np.max(np.stack([x, x * 0]))))", {1000.0: (0, 0), -1000.0: (0, 0)}),
    "log of softmax": ("scipy.special.log_softmax(np.stack([x, x * 0]))[0]", {1000.0: (0, 0), -1000.0: (1, 0), 0.0: (0.5, -0.25)}),
    "exp": ("np.exp(x)", {-1000.0: (0, 0), -INF: (0, 0)}),
    "exp(-x ** 2)": ("np.exp(-x ** 2)", {100.0: (0, 0), -100.0: (0, 0), 0.0: (0, -2)}),
    "arctan": ("np.arctan(x)", {1e200: (0, 0), INF: (0, 0), 0.0: (1, 0)}),
    "arctan2": ("np.arctan2(x, 1.0)", {0.0: (1, 0), 1.0: (0.5, -0.5)}),
    "arcsinh": ("np.arcsinh(x)", {1e200: (1e-200, 0), 0.0: (1, 0)}),
    "cosh": ("np.cosh(x)", {0.0: (0, 1)}),
    "erf": ("scipy.special.erf(x)", {100.0: (0, 0), -100.0: (0, 0), 0.0: (2 / np.sqrt(np.pi), 0)}),
    "1 / x": ("1 / x", {INF: (0, 0), -INF: (0, 0)}),
    "x / (1 + |x|)": ("x / (1 + np.abs(x))", {0.0: (1, 0), 1e200: (0, 0)}),
    "xlogy": ("scipy.special.xlogy(x, 2.0)", {0.0: (np.log(2), 0)}),
    "xlogy of 0": ("scipy.special.xlogy(0.0, x)", {2.0: (0, 0)}),
    "entropy": ("-scipy.special.xlogy(x, x)", {1.0: (-1, -1), 0.5: (np.log(2) - 1, -2)}),
    "log1p": ("np.log1p(x)", {0.0: (1, -1), INF: (0, 0)}),
    "expm1": ("np.expm1(x)", {0.0: (1, 1), -1000.0: (0, 0)}),
    "sinc by hand": ("np.sin(np.where(x == 0, 1.0, x)) / np.where(x == 0, 1.0, x)", {0.0: (0, 0)}),
    # --- sorting, products, statistics
    "prod with one 0": ("np.prod(np.stack([x, x + 2, x + 3]))", {0.0: (6, 10)}),
    "prod with two 0s": ("np.prod(np.stack([x, x, x + 3]))", {0.0: (0, 6)}),
    "prod with three 0s": ("np.prod(np.stack([x, x, x]))", {0.0: (0, 0)}),
    "cumprod with a 0": ("np.sum(np.cumprod(np.stack([x, x + 2, x + 3])))", {0.0: (1 + 2 + 6, 2 + 10)}),
    "std of equals": ("np.std(np.stack([x, x]))", {1.0: (0, None)}),
    "var of equals": ("np.var(np.stack([x, -x]))", {0.0: (0, 2), 1.0: (2, 2)}),
    "a division by what is far away": ("x / 1e300 * 1e300", {1.0: (1, 0)}),
    "0 * x": ("0 * x", {1.0: (0, 0), 0.0: (0, 0)}),
    "x - x": ("x - x", {1.0: (0, 0)}),
    "mean of nothing special": ("np.mean(np.stack([x, x ** 2]))", {0.0: (0.5, 1)}),
}  # fmt: skip

MODES = {
    "reverse": cr.grad,
    "forward": lambda f: lambda x: cr.jvp(f, (x,), (np.ones_like(x),))[1],
    "jacobian": cr.jacobian,
    "pullback": lambda f: lambda x: cr.vjp(f, x)[1](np.ones_like(x))[0],
    "rows": lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x, x]))[0],
}
SECOND = {
    "hessian": cr.hessian,
    "hvp": lambda f: lambda x: cr.hvp(f)(x, np.ones_like(x)),
    "reverse of reverse": lambda f: cr.grad(cr.grad(f)),
    "forward of forward": lambda f: MODES["forward"](MODES["forward"](f)),
    "forward of reverse": lambda f: MODES["forward"](cr.grad(f)),
    "reverse of forward": lambda f: cr.grad(MODES["forward"](f)),
}


@pytest.mark.parametrize("name", TRUTH)
def test_a_derivative_is_what_it_is_in_every_mode(name):
    expression, points = TRUTH[name]
    f = module(f"import scipy.special\ndef f(x): return {expression}\n").f
    failed = []
    for x, (first, second) in points.items():
        for mode, derivative in MODES.items():
            found = derivative(f)(np.float64(x))
            if not np.allclose(found, first, rtol=1e-12, atol=1e-300, equal_nan=True):
                failed.append(f"{mode} at {x}: {found}, the truth is {first}")
        for mode, derivative in SECOND.items():
            found = derivative(f)(np.float64(x))
            if second is not None and not np.allclose(found, second, rtol=1e-10, atol=1e-13):
                failed.append(f"{mode} at {x}: {found}, the truth is {second}")
    assert not failed, "\n".join(failed)


BEYOND = {
    "np.sqrt": [-1.0], "np.log": [-1.0, -INF], "np.log2": [-1.0], "np.log10": [-1.0], "np.log1p": [-1.5, -3.0],
    "np.arcsin": [1.5, -2.0], "np.arccos": [1.5, -2.0], "np.arccosh": [0.5, -2.0, 0.0], "np.arctanh": [1.5, -2.0],
    "(lambda x: x ** 0.5)": [-1.0], "(lambda x: x ** 1.5)": [-1.0], "(lambda x: x ** 2.5)": [-1.0],
    "(lambda x: scipy.special.xlogy(2.0, x))": [-1.0], "(lambda x: scipy.special.xlogy(x, x))": [-1.0],
    "(lambda x: np.log(x) / np.log(3.0))": [-1.0], "(lambda x: 2.0 ** np.log(x))": [-1.0],
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_where_a_function_has_no_value_it_has_no_slope_at_any_order(name):
    f = module(f"import scipy.special\ndef f(x): return {name}(x)\n").f
    for x in map(np.float64, BEYOND[name]):
        with np.errstate(all="ignore"):
            assert np.isnan(f(x))
        assert np.isnan([derivative(f)(x) for derivative in (*MODES.values(), *SECOND.values())]).all()
        assert np.isnan(cr.grad(cr.hessian(f))(x))
    inside = np.array([BEYOND[name][0], 1.25 if "cosh" in name else 0.25])
    assert np.isfinite(cr.grad(lambda x: np.sum(f(x)))(inside)[1])  # the neighbour is not touched


def test_a_power_of_zero_falls_at_once():
    both = cr.grad(lambda x, y: x**y, wrt=(0, 1))
    assert [both(0.0, y) for y in (2.0, 1.0, 0.0)] == [(0.0, 0.0), (1.0, 0.0), (0.0, -INF)]
    assert not np.isfinite(both(0.0, -1.0)).any()
    assert cr.grad(lambda x: x**x)(0.0) == -INF
    np.testing.assert_array_equal(cr.grad(lambda y: np.sum(np.zeros(3) ** y))(np.array([2.0, 0.0, 1.0])), [0, -INF, 0])


@pytest.mark.parametrize("name", TRUTH)
def test_a_derivative_does_not_depend_on_its_neighbours(name):
    """All points as one array: where one is NaN or infinite, the others are not touched."""
    expression, points = TRUTH[name]
    f = module(
        f"import scipy.special\ndef f(x): return {expression}\ndef g(xs): return np.sum(np.stack([f(x) for x in xs]))\n"
    ).g
    xs = np.array([*points, 1.5, NAN])
    gradient = cr.grad(f)(xs)
    np.testing.assert_allclose(
        gradient[: len(points)], [first for first, _ in points.values()], rtol=1e-12, atol=1e-300
    )


def test_ties_share_the_slope_or_give_it_to_one_and_it_adds_up_to_one():
    ties = np.array([2.0, 5.0, 5.0, 1.0, 5.0])
    for f in (np.max, lambda x: -np.min(-x), lambda x: np.maximum(x, x)[1], lambda x: np.max(x, axis=0), lambda x: np.sort(x)[-1],
              lambda x: np.maximum.reduce(x), lambda x: x[np.argmax(x)], lambda x: np.max(x, initial=-9.0) if False else np.max(x)):  # fmt: skip
        for gradient in (cr.grad(f)(ties), cr.jacobian(f)(ties)):
            assert gradient.sum() == 1.0
            assert (gradient >= 0).all()
            assert (gradient[[0, 3]] == 0).all()
        np.testing.assert_allclose(cr.jvp(f, (ties,), (np.ones(5),))[1], 1.0)
        forward = [cr.jvp(f, (ties,), (e,))[1] for e in np.eye(5)]
        np.testing.assert_array_equal(forward, cr.grad(f)(ties))


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin], ids=lambda f: f.__name__)
def test_a_tie_of_two_is_the_same_in_both_modes_and_lies_between_the_sides(f):
    gx, gy = cr.grad(lambda x, y: f(x, y), wrt=(0, 1))(1.0, 1.0)
    assert gx + gy == 1.0
    assert 0 <= gx <= 1
    assert cr.jvp(lambda x, y: f(x, y), (1.0, 1.0), (1.0, 0.0))[1] == gx
    assert cr.jvp(lambda x, y: f(x, y), (1.0, 1.0), (0.0, 1.0))[1] == gy


def test_nan_in_nan_out_where_it_matters_and_nowhere_else():
    x = np.array([1.0, NAN, 3.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x**2))(x), [2.0, NAN, 6.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(3 * x))(x), [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.sin(x)) ** 2)(x), [NAN, NAN, NAN])
    assert np.isnan(cr.value_and_grad(lambda x: np.sum(x))(x)[0])
    np.testing.assert_array_equal(cr.vmap(lambda x: x * 2)(x), [2.0, NAN, 6.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.where(np.isnan(x), 0.0, x**2)))(x), [2.0, 0.0, 6.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.nan_to_num(x) ** 2))(x), [2.0, 0.0, 6.0])
    np.testing.assert_array_equal(
        np.isnan(cr.grad(lambda x: np.max(x))(x)).all() or np.isfinite(cr.grad(lambda x: np.max(x))(x)).all(), True
    )


def test_rewrites_change_no_nan_and_no_infinity():
    """0 · x is NaN at infinity in plain NumPy: so it is in a recording, before and after differentiation."""
    for expression in (
        "0 * x",
        "x - x",
        "x / x",
        "x * 0 + 1",
        "(x + 1) - x",
        "np.exp(x) / np.exp(x)",
        "x ** 0 * x",
        "1 * x / 1",
        "-(-x)",
        "x * -1",
        "x + (-x)",
        "0 / x",
        "x ** 1",
        "1 / (1 / x)",
    ):
        f = module(f"def f(x): return {expression}\n").f
        for x in (0.0, -0.0, INF, -INF, NAN, 1e308, 5e-324, 2.0):
            x = np.float64(x)
            with np.errstate(all="ignore"):
                plain = f(x)
            for found in (
                cr.vmap(f)(np.array([x]))[0],
                cr.jvp(f, (x,), (np.float64(1.0),))[0],
                cr.value_and_grad(f)(x)[0],
            ):
                np.testing.assert_array_equal(found, plain, err_msg=f"{expression} at {x}")
                assert np.signbit(found) == np.signbit(plain) or np.isnan(plain), (
                    f"{expression} at {x}: {found} for {plain}"
                )


@pytest.mark.parametrize("mode", MODES)
def test_the_slope_of_det_at_a_singular_matrix_is_the_adjugate_or_an_error_with_the_line(mode):
    f = module("def f(x): return np.linalg.det(np.diag(np.stack([x, x + 1])))\n").f
    try:
        assert abs(MODES[mode](f)(np.float64(0.0)) - 1.0) < 1e-12
    except np.linalg.LinAlgError as error:
        letter = str(error) + "".join(error.__notes__)
    else:
        return
    assert "return np.linalg.det" in letter


def test_a_row_that_fails_does_not_spoil_the_others():
    X = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
    rows = cr.vmap(cr.grad(lambda x: np.linalg.norm(x)))(X)
    np.testing.assert_allclose(rows, [[5**-0.5, 2 * 5**-0.5], [0, 0], [0.6, 0.8]])
    np.testing.assert_allclose(cr.grad(lambda X: np.sum(np.linalg.norm(X, axis=1)))(X), rows)
    np.testing.assert_allclose(cr.grad(lambda X: np.sum(np.sqrt(np.sum(X**2, axis=1) + 0.0)))(X)[[0, 2]], rows[[0, 2]])


def test_masked_mean_ignores_what_is_masked():
    x = np.array([1.0, -1.0, 0.0, 4.0])

    def f(x):
        mask = x > 0
        return np.sum(np.where(mask, np.log(x), 0.0)) / np.sum(mask)

    np.testing.assert_allclose(cr.grad(f)(x), [0.5, 0.0, 0.0, 0.125])
    np.testing.assert_allclose(cr.hessian(f)(x), np.diag([-0.5, 0.0, 0.0, -1 / 32]))


def test_distances_with_a_zero_diagonal():
    X = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])

    def f(X):
        D2 = np.sum((X[:, None] - X[None]) ** 2, axis=-1)
        return np.sum(np.where(D2 > 0, np.sqrt(D2), 0.0))

    gradient = cr.grad(f)(X)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(0), [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(gradient[0], 2 * (np.array([-0.6, -0.8]) + np.array([0.0, -1.0])))
    assert np.isfinite(cr.hessian(f)(X)).all()


def test_attention_with_a_mask_of_minus_infinity():
    scores = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = np.array([[0.0, -INF, 0.0], [0.0, 0.0, -INF]])

    def f(s):
        z = s + mask
        z = z - np.max(z, axis=1, keepdims=True)
        p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        return np.sum(p[:, 0] ** 2)

    gradient = cr.grad(f)(scores)
    assert np.isfinite(gradient).all()
    assert gradient[0, 1] == gradient[1, 2] == 0.0
    p = 1 / (1 + np.exp(2.0))
    np.testing.assert_allclose(gradient[0, 0], 2 * p * p * (1 - p))


def test_cross_entropy_of_a_sure_prediction():
    def loss(z, y):
        return -np.mean(y * np.log(1 / (1 + np.exp(-z))) + (1 - y) * np.log(1 - 1 / (1 + np.exp(-z))))

    def stable(z, y):
        return np.mean(np.logaddexp(0, z) - y * z)

    z, y = np.array([2.0, -3.0]), np.array([1.0, 0.0])
    np.testing.assert_allclose(cr.grad(loss)(z, y), cr.grad(stable)(z, y), rtol=1e-12)
    z = np.array([800.0, -800.0])
    np.testing.assert_allclose(cr.grad(stable)(z, y), [0.0, 0.0], atol=1e-300)
    np.testing.assert_allclose(cr.grad(stable)(z, 1 - y), [0.5, -0.5])
    np.testing.assert_allclose(cr.hessian(stable)(z, y), np.zeros((2, 2)), atol=1e-300)


def test_float32_edges_are_edges_of_float32():
    x = np.array([100.0, -100.0, 0.0], np.float32)
    for f in (
        lambda x: np.sum(np.tanh(x)),
        lambda x: np.sum(1 / (1 + np.exp(-x))),
        lambda x: np.sum(np.logaddexp(0, x)),
    ):
        for found in (cr.grad(f)(x), cr.jvp(f, (x,), (x,))[1], cr.hessian(f)(x)):
            assert found.dtype == np.float32
            assert np.isfinite(found).all()


def test_a_function_that_picks_by_its_variables_values_has_no_one_formula():
    """Its gradient follows the mask of each call; a formula or a derivation would hold for one mask only."""
    gradient = cr.grad(lambda x: np.sum(x[x > 0] ** 2))
    np.testing.assert_array_equal(gradient(np.array([1.0, -2.0])), [2.0, 0.0])
    np.testing.assert_array_equal(gradient(np.array([-1.0, 2.0])), [0.0, 4.0])
    with pytest.raises(ValueNeededError, match="one formula"):
        cr.explain(lambda x: np.sum(x[x > 0] ** 2), np.ones(2))
    with pytest.raises(ValueNeededError, match="one formula"):
        cr.derive(lambda x: np.sum(np.stack([x, 2 * x])[np.stack([x, 2 * x]) > 1]))


ROOTS = {
    "the square of a norm": lambda x: np.linalg.norm(x) ** 2,
    "a norm times itself": lambda x: np.linalg.norm(x) * np.linalg.norm(x),
    "the square of an absolute value": lambda x: np.sum(np.abs(x) ** 2),
    "the square of hypot": lambda x: np.hypot(x[0], x[1]) ** 2,
    "the square of half a norm, four times": lambda x: 4 * (np.linalg.norm(x) / 2) ** 2,
}


@pytest.mark.parametrize("f", ROOTS.values(), ids=ROOTS)
def test_a_square_that_removes_a_kink_is_smooth_at_it(f):
    for x in (np.zeros(2), np.array([3.0, -4.0])):
        np.testing.assert_allclose(cr.hessian(f)(x), 2 * np.eye(2), atol=1e-12)
        np.testing.assert_allclose(cr.grad(f)(x), 2 * x, atol=1e-12)
        np.testing.assert_allclose(cr.hvp(f)(x, np.array([1.0, 2.0])), [2.0, 4.0], atol=1e-12)


def test_the_variance_of_equal_numbers_from_their_deviation_is_smooth():
    truth = cr.hessian(np.var)(np.ones(3))
    np.testing.assert_allclose(cr.hessian(lambda x: np.std(x) ** 2)(np.ones(3)), truth, atol=1e-12)
