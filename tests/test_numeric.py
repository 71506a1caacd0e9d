"""The gradient check tells right from wrong and says how sure it is; minimizers claim success only where it is one."""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.optimize import Bounds, rosen, rosen_der, rosen_hess_prod
from scipy.special import expit

import chainrule as cr
from chainrule.errors import ArgumentError, DtypeError, ShapeError
from chainrule.numeric.check import check_gradient
from chainrule.numeric.differences import noise_of, slope
from chainrule.numeric.optimize import minimize

EPS = 2.0**-52


def checked(f, gradient, x, **options):
    x = np.asarray(x)
    return check_gradient(lambda arrays: f(arrays[0]), [np.asarray(gradient)], [x], ["x"], **options)


# --- the gradient check: what must not alarm, what must not pass ------------------------------------------------------

RIGHT = {  # f, f', x
    "an offset that costs eight digits": (lambda x: 1e8 + np.sin(x), np.cos, 1.0),
    "an offset, at a small x": (lambda x: 1e8 + np.sin(x), np.cos, 1e-3),
    "log where a step of 1e-8 leaves the domain": (np.log, lambda x: 1 / x, 1e-8),
    "sqrt where a step of 1e-7 leaves the domain": (np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-7),
    "a kink close by": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), 3e-7),
    "a kink close by a large x": (lambda x: np.maximum(x - 1, 0) + x, lambda x: 1.0 + (x > 1), 1 + 1e-9),
    "fast waves": (lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), 0.7),
    "waves with periods of a power of two": (lambda x: np.sin(2**20 * np.pi * x), lambda x: 2**20 * np.pi, 0.0),
    "a tiny scale": (lambda x: 1e-10 * np.sin(x), lambda x: 1e-10 * np.cos(x), 0.3),
    "a huge scale": (lambda x: 1e200 * np.sin(x), lambda x: 1e200 * np.cos(x), 0.3),
    "rounding inside": (lambda x: (1e6 + np.sin(x)) - 1e6, np.cos, 0.3),
    "a root of high order": (lambda x: x**6, lambda x: 6 * x**5, 1e-3),
    "saturation": (expit, lambda x: expit(x) * expit(-x), 12.0),
    "overflow at the first step": (np.exp, np.exp, 700.0),
    "no dependence": (lambda x: 0 * x + 3.0, lambda x: 0 * x, 2.0),
    "zero at zero": (lambda x: x**3 + x, lambda x: 3 * x**2 + 1, 0.0),
}

WRONG = {  # f, a wrong f', x
    "off by 5e-4": (np.sin, lambda x: np.cos(x) * (1 + 5e-4), 0.4),
    "off by 1e-8": (np.sin, lambda x: np.cos(x) * (1 + 1e-8), 0.4),
    "zero, where it is 1e-10": (lambda x: 1e-10 * np.sin(x), lambda x: 0 * x, 0.3),
    "a lost sign": (np.cos, np.sin, 0.4),
    "a lost factor": (lambda x: x**2, lambda x: x, 3.0),
    "an offset does not excuse 1e-3": (lambda x: 1e8 + np.sin(x), lambda x: np.cos(x) + 1e-3, 1.0),
    "the other side of a kink close by": (lambda x: np.maximum(x, 0), lambda x: 0 * x, 3e-7),
    "beyond both slopes of a kink": (lambda x: np.maximum(x, 0), lambda x: 0 * x - 0.5, 0.0),
    "NaN": (np.sin, lambda x: x * np.nan, 0.4),
    "infinity": (np.sin, lambda x: x * np.inf, 0.4),
    "a slope, where the values don't change": (lambda x: 0 * x + 3.0, lambda x: 0 * x + 1e-3, 2.0),
    "fast waves, off by 1e-6": (lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x) * (1 + 1e-6), 0.7),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_agrees(name):
    f, derivative, x = RIGHT[name]
    with np.errstate(all="ignore"):
        found = checked(f, derivative(np.asarray(x)), x)
    assert found.verdict == "agrees", found
    assert found.digits >= 2


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_called_wrong(name):
    f, derivative, x = WRONG[name]
    found = checked(f, derivative(np.asarray(x)), x)
    assert found.verdict == "wrong", found
    assert found.worst.name == "x"
    assert "wrong in x" in str(found)


@pytest.mark.parametrize("name", [n for n in RIGHT if n != "no dependence"])
@pytest.mark.parametrize("factor", [-1, 0.99, 2])
def test_every_right_gradient_spoiled_is_caught(name, factor):
    f, derivative, x = RIGHT[name]
    with np.errstate(all="ignore"):
        assert checked(f, factor * derivative(np.asarray(x)), x).verdict == "wrong"


@pytest.mark.parametrize(
    ("f", "gradient", "x", "why"),
    [
        (lambda x: np.maximum(x, 0), 0.0, 0.0, "kink"),
        (lambda x: 1e3 + np.abs(x), 0.0, 0.0, "kink"),
        (np.sqrt, np.inf, 0.0, "finite on both sides"),
        (np.log, np.nan, -1.0, "value is nan"),
        (lambda x: x + (x > 0), 1.0, 0.0, "jumps"),
        (np.cbrt, np.inf, 0.0, "without bound"),
        (np.cos, 0.0, 0.0, "can't tell this gradient from zero"),
        (lambda x: 1e12 + 1e-9 * np.sin(x), 1e-9, 0.3, "can't tell this gradient from zero"),
    ],
)
def test_what_differences_cannot_judge_is_left_undecided_and_says_why(f, gradient, x, why):
    found = checked(f, gradient, x)
    assert found.verdict == "unreliable"
    assert why in str(found)


def test_at_a_kink_both_slopes_are_told():
    found = checked(lambda x: np.maximum(x, 0), 0.0, 0.0)
    assert found.worst.verdict == "kink"
    assert "0 on the left, 1 on the right" in found.reason


def test_noise_between_calls_widens_the_error_bar():
    random = np.random.default_rng(0)
    found = checked(lambda x: np.sin(x) + 1e-6 * random.normal(), np.cos(1.0), 1.0)
    assert found.verdict == "agrees"
    assert 1e-6 < found.worst.bar < 0.1


@pytest.mark.parametrize("spoil", [lambda g: g * (1 + 1e-3), lambda g: g * 0, lambda g: -g])
def test_one_wrong_component_among_2000_is_found(spoil):
    x = np.random.default_rng(1).normal(size=2000)
    gradient = 2 * x * np.cos(x**2)
    f = lambda x: np.sum(np.sin(x**2))  # noqa: E731
    right = checked(f, gradient, x)
    assert right.verdict == "agrees"
    assert (right.size, right.one_by_one) == (2000, 64)
    assert right.directions == 4
    gradient[1234] = spoil(gradient[1234])
    wrong = checked(f, gradient, x)
    assert wrong.verdict == "wrong"
    assert wrong.worst.name == "x[1234]"


def test_wrong_components_that_cancel_in_the_sum_are_found():
    x = np.linspace(1, 2, 500)
    gradient = np.cos(x)
    gradient[100] += 0.1
    gradient[300] -= 0.1
    found = checked(lambda x: np.sum(np.sin(x)), gradient, x)
    assert found.verdict == "wrong"
    assert found.worst.name in ("x[100]", "x[300]")


def test_a_network_with_kinks_everywhere_agrees():
    random = np.random.default_rng(0)
    X, w2 = random.normal(size=(300, 20)), random.normal(size=16)
    W = random.normal(size=(20, 16))
    gradient = X.T @ ((X @ W > 0) * w2) / 300
    f = lambda W: np.mean(np.maximum(X @ W, 0) @ w2)  # noqa: E731
    assert checked(f, gradient, W).verdict == "agrees"
    gradient[3, 5] *= 1.01
    assert checked(f, gradient, W).worst.name == "x[3, 5]"


@pytest.mark.parametrize(
    ("f", "derivative", "low", "high"),
    [
        (np.sin, np.cos, -3, 3),
        (np.exp, np.exp, -5, 5),
        (np.log, lambda x: 1 / x, 1e-3, 5),
        (lambda x: np.logaddexp(0, x), expit, -10, 10),
        (lambda x: 1 / (1 + 25 * x**2), lambda x: -50 * x / (1 + 25 * x**2) ** 2, -2, 2),
        (lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), -2, 2),
        (lambda x: 1e8 + np.sin(x), np.cos, -3, 3),
        (lambda x: np.exp(-50 * x**2), lambda x: -100 * x * np.exp(-50 * x**2), -1, 1),
        (lambda x: np.sin(np.exp(x)), lambda x: np.cos(np.exp(x)) * np.exp(x), 0, 6),
        (lambda x: np.maximum(x - 1, 0) + x, lambda x: 1.0 + (x > 1), 0.999, 1.001),
    ],
)
def test_the_true_slope_lies_within_the_error_bar(f, derivative, low, high):
    for x in np.random.default_rng(0).uniform(low, high, 100):
        line = lambda t, x=x: float(f(x + t * abs(x)))  # noqa: E731
        with np.errstate(all="ignore"):
            found = slope(line, noise=3 * noise_of(line, EPS), precision=EPS)
        assert found.kind == "smooth"
        assert abs(found.value - derivative(x) * abs(x)) <= found.bar


def test_float32_gets_an_error_bar_of_its_own():
    x = np.random.default_rng(0).normal(size=8).astype(np.float32)
    f = lambda x: np.sum(np.sin(x))  # noqa: E731
    found = checked(f, np.cos(x), x)
    assert found.verdict == "agrees"
    assert 1e-8 < found.worst.bar < 1e-2
    assert checked(f, np.cos(x) * np.float32(1.02), x).verdict == "wrong"


# --- cr.check ---------------------------------------------------------------------------------------------------------


def test_check_takes_nested_arguments_and_names_the_wrong_part():
    params = {"layers": [np.ones((3, 2)), np.full(2, 0.5)], "scale": 2.0}

    def f(p, x):
        return p["scale"] * np.sum(np.tanh(x @ p["layers"][0] + p["layers"][1]))

    found = cr.check(f, params, np.eye(3))
    assert found.ok
    assert {c.name for c in found.comparisons} >= {"p['scale']", "p['layers'][1][0]", "p['layers'][0][2, 1]"}
    assert cr.check(f, params, np.eye(3), wrt=("p", "x")).size == 18


def test_check_of_an_integer_number_works_and_of_an_integer_array_says_what_to_do():
    assert cr.check(lambda x: x**2, 3).ok
    with pytest.raises(DtypeError, match="astype"):
        cr.check(lambda x: np.sum(x), np.arange(3))
    with pytest.raises(DtypeError, match="small step"):
        check_gradient(lambda a: 0.0, [np.zeros(3)], [np.arange(3)])


def test_check_of_an_array_valued_function_says_what_to_do():
    with pytest.raises(ShapeError, match="one number"):
        cr.check(lambda x: x * 2, np.ones(2))


def test_check_refuses_what_does_not_fit_together():
    with pytest.raises(ShapeError, match="shape"):
        checked(np.sum, np.zeros(2), np.zeros(3))
    with pytest.raises(ArgumentError, match="empty"):
        checked(np.sum, np.zeros(0), np.zeros(0))


def test_check_looks_at_values_of_the_function_itself_not_of_its_recording():
    seen = []

    def f(x):
        seen.append(type(x))
        return np.sum(np.sin(x))

    with pytest.raises(cr.ChainruleError):  # appending to a list is a side effect that a recording refuses
        cr.check(f, np.ones(2))
    assert cr.check(lambda x: np.sum(np.sin(x)), np.ones(2)).evaluations > 20


def test_check_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cr.check(lambda x: np.log(x), 1e-8).ok


def test_a_check_shows_itself_in_every_form():
    found = cr.check(lambda w, b: np.sum(np.tanh(w)) + b, np.ones(2), 0.5, wrt=("w", "b"))
    assert str(found).startswith("The gradient agrees with differences in all 3 components")
    assert found.as_dict()["comparisons"][0]["verdict"] == "agrees"
    assert "<table>" in found._repr_html_()
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.digits = 99


# --- minimize ---------------------------------------------------------------------------------------------------------

METHODS = ["gradient descent", "l-bfgs", "bfgs", "newton-cg", "trust-ncg"]


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("method", METHODS[1:])
def test_rosenbrock_is_minimized_as_far_as_scipys_own(method):
    x0 = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
    ours = cr.minimize(rosenbrock, x0, method=method)
    assert ours.success
    assert ours.grad_norm <= 1e-6
    np.testing.assert_allclose(ours.x, 1, atol=1e-6)
    theirs = minimize(lambda x: (rosen(x), rosen_der(x)), x0, hvp=rosen_hess_prod, method=method)
    assert theirs.success
    assert abs(theirs.nit - ours.nit) <= 3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_minimum_of_a_convex_function(method):
    found = cr.minimize(lambda x, a: np.sum(np.cosh(x - a)), np.zeros(3), (np.array([1.0, -2.0, 0.5]),), method=method)
    assert found.success
    np.testing.assert_allclose(found.x, [1, -2, 0.5], atol=2e-6)
    assert found.path.values == sorted(found.path.values, reverse=True)
    assert found.nfev >= found.nit
    assert "below tol" in str(found)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_out_of_the_domain_leads_back(method):
    found = cr.minimize(lambda x: np.sum(x - np.log(x)), np.array([1e-3, 50.0]), method=method)
    assert found.success
    np.testing.assert_allclose(found.x, 1, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_no_success_without_a_finite_value(method):
    found = cr.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0, 2.0]), method=method)
    assert not found.success
    assert "not finite at x0" in found.message
    assert not cr.minimize(lambda x: np.sqrt(x - 1), 1.0, method=method).success


@pytest.mark.parametrize("method", METHODS)
def test_no_success_when_iterations_run_out(method):
    found = cr.minimize(rosenbrock, np.array([-1.2, 1.0]), method=method, max_iter=3)
    assert not found.success
    assert found.status == "max_iter"
    assert found.nit == 3
    assert str(found).startswith("Not a minimum yet")


def test_gradient_descent_says_when_it_has_not_converged():
    found = cr.minimize(rosenbrock, np.array([-1.2, 1.0]), method="gradient descent", max_iter=500)
    assert found.status == "max_iter"
    assert "above tol" in found.message
    diverging = cr.minimize(lambda x: x**2, 1.0, method="gradient descent", learning_rate=1.5)
    assert not diverging.success
    assert diverging.status == "not finite"


def test_gradient_descent_with_a_learning_rate_takes_the_steps_of_the_textbook():
    found = cr.minimize(lambda x: x**2, 1.0, method="gradient descent", learning_rate=0.25, max_iter=3)
    assert found.path.values == [1.0, 0.25, 0.0625, 0.015625]
    assert found.x == 0.125


def test_no_success_where_the_value_falls_without_bound():
    found = cr.minimize(lambda x: -(x**2), 1.0)
    assert not found.success
    assert found.status in ("unbounded", "max_iter")


def test_a_stationary_start_is_told_as_what_it_may_be():
    found = cr.minimize(lambda x: -(x**2), 0.0)
    assert found.nit == 0
    assert "maximum or a saddle" in found.message


def test_a_gradient_that_rounding_keeps_from_zero_counts_when_nothing_lowers_the_value():
    x = np.linspace(0, 1000, 36)
    y = 2 * x + 1 + np.sin(x)
    found = cr.minimize(lambda p: np.sum((p["a"] + p["b"] * x - y) ** 2), {"a": 0.0, "b": 0.0}, tol=1e-14)
    assert found.status == "rounding"
    slope_, intercept = np.polyfit(x, y, 1)
    assert found.x["a"] == pytest.approx(intercept, rel=1e-8)
    assert found.x["b"] == pytest.approx(slope_, rel=1e-10)


def test_a_kink_is_no_success():
    found = cr.minimize(lambda x: np.sum(np.abs(x - 0.3)), np.ones(2))
    assert not found.success or found.grad_norm == 0
    assert not cr.minimize(lambda x: np.abs(x - 0.3) + 0.1 * x, 1.0).success


def test_x_keeps_the_structure_and_dtypes_of_x0():
    x0 = {"w": np.ones((2, 2)), "b": [1.0, np.ones(1)], "n": 2}
    found = cr.minimize(lambda p: np.sum(p["w"] ** 2) + p["b"][0] ** 2 + np.sum(p["b"][1] ** 2) + p["n"] ** 2, x0)
    assert found.success
    assert found.x["w"].shape == (2, 2)
    assert isinstance(found.x["b"][0], float)
    assert isinstance(found.x["n"], float)
    assert isinstance(cr.minimize(lambda x: (x - 1) ** 2, 0.0).x, float)
    single = cr.minimize(lambda x: np.sum((x - 1) ** 2), np.zeros(2, np.float32))
    assert single.x.dtype == np.float32
    assert single.success
    np.testing.assert_allclose(cr.minimize(rosenbrock, [1.3, 0.7]).x, 1, atol=1e-5)


def test_bounds_hold_and_a_held_component_may_keep_its_gradient():
    f = lambda x: np.sum((x - np.array([0.0, 3.0])) ** 2)  # noqa: E731
    for bounds in ([(1, None), (None, 2)], Bounds([1, -np.inf], [np.inf, 2])):
        found = cr.minimize(f, np.array([5.0, 0.0]), bounds=bounds)
        assert found.success
        np.testing.assert_allclose(found.x, [1, 2])
    with pytest.raises(ArgumentError, match="knows no bounds"):
        cr.minimize(f, np.zeros(2), method="bfgs", bounds=[(0, 1), (0, 1)])
    with pytest.raises(ArgumentError, match="for each of the 2"):
        cr.minimize(f, np.zeros(2), bounds=[(0, 1)])
    with pytest.raises(ArgumentError, match="above"):
        cr.minimize(f, np.zeros(2), bounds=[(1, 0), (0, 1)])


def test_a_callback_sees_progress_and_may_stop():
    seen = []
    found = cr.minimize(rosenbrock, np.zeros(2), callback=seen.append)
    assert [p.nit for p in seen] == list(range(1, found.nit + 1))
    assert seen[-1].fun == found.fun
    for method in METHODS:
        stopped = cr.minimize(rosenbrock, np.zeros(2), method=method, callback=lambda p: p.nit == 2)
        assert (stopped.status, stopped.nit) == ("stopped", 2)


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_run_returns_the_best_point_so_far(method):
    calls = []

    def interrupted(x):
        calls.append(x)
        if len(calls) > 15:
            raise KeyboardInterrupt
        return rosen(x), rosen_der(x)

    found = minimize(interrupted, np.zeros(4), hvp=rosen_hess_prod, method=method)
    assert found.message == "interrupted"
    assert not found.success
    assert found.fun <= min(found.path.values) < rosen(np.zeros(4))


def test_spellings_of_methods_are_understood_and_others_corrected():
    for spelling in ("L-BFGS-B", "l-bfgs", "BFGS", "Newton-CG", "trust-ncg", "gd", "Gradient Descent"):
        assert cr.minimize(lambda x: x**2, 1.0, method=spelling).success
    with pytest.raises(ArgumentError, match="did you mean 'newton-cg'"):
        cr.minimize(lambda x: x**2, 1.0, method="newton")
    with pytest.raises(ArgumentError, match="learning_rate"):
        cr.minimize(lambda x: x**2, 1.0, learning_rate=0.1)


def test_what_cannot_be_varied_is_refused():
    with pytest.raises(DtypeError, match="astype"):
        cr.minimize(lambda x: np.sum(x**2), np.arange(3))
    with pytest.raises(DtypeError, match="real numbers"):
        cr.minimize(lambda x: x, "text")
    with pytest.raises(ArgumentError, match="nothing to vary"):
        cr.minimize(lambda x: np.sum(x), np.zeros(0))


def test_no_iterations_means_that_x0_is_judged():
    for method in METHODS:
        found = cr.minimize(lambda x: x**2, 1.0, method=method, max_iter=0)
        assert (found.x, found.nit, found.status, found.success) == (1.0, 0, "max_iter", False)
        assert "max_iter=0" in found.message
        assert cr.minimize(lambda x: x**2, 0.0, method=method, max_iter=0).success
    for wrong in (-1, 2.5):
        with pytest.raises(ArgumentError, match="counts iterations"):
            cr.minimize(lambda x: x**2, 1.0, max_iter=wrong)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("f", [np.sum, lambda x: -np.sum(x**2), lambda x: -np.sum(np.exp(x)), lambda x: -np.sum(x**4)])
def test_what_is_unbounded_below_is_noticed_early(method, f):
    found = cr.minimize(f, np.ones(3), method=method)
    assert (found.status, found.success) == ("unbounded", False)
    assert "unbounded below" in found.message
    assert found.nfev < 300
    assert np.isfinite(found.x).all()


def test_a_minimum_far_away_is_not_taken_for_a_bottomless_pit():
    for far in (1e6, 1e9):
        found = cr.minimize(lambda x, far=far: np.sum(np.sqrt(1 + (x - far) ** 2)), np.zeros(2), max_iter=200)
        assert found.status != "unbounded"
    assert cr.minimize(lambda x: -np.log(x), 1.0).status != "unbounded"
    boxed = cr.minimize(np.sum, np.zeros(2), bounds=[(-1e9, None)] * 2)
    assert boxed.success
    np.testing.assert_allclose(boxed.x, -1e9)


def test_a_single_argument_needs_no_tuple():
    assert cr.minimize(lambda x, a: (x - a) ** 2, 1.0, args=3.0).x == pytest.approx(3)
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(cr.minimize(lambda x, a: np.sum((x - a) ** 2), np.zeros(2), args=a).x, a)


def test_odd_starts_get_clear_messages():
    assert "does not depend on x" in cr.minimize(lambda x: 0 * x + 3.0, 1.0).message
    assert cr.minimize(lambda x: x**2, np.nan).message == "x0 is not finite: it is nan"
    two = cr.minimize(lambda x: np.sum(x**2), np.array([1.0, np.inf]))
    assert (two.message, two.success) == ("x0 is not finite: number 2 of 2 is inf", False)
    assert cr.minimize(lambda x: (x - 1) ** 2, 3).x == 1.0
    np.testing.assert_allclose(cr.minimize(lambda x: np.sum(x**2), [1, 2]).x, 0, atol=1e-6)


def test_the_path_of_a_long_run_stays_small():
    found = cr.minimize(rosenbrock, np.array([-1.2, 1.0]), method="gd", learning_rate=1e-4, max_iter=5000)
    assert len(found.path.iterations) <= 2001
    assert found.path.iterations[-1] == found.nit == 5000


def test_a_minimum_shows_itself_as_data():
    found = cr.minimize(lambda p: np.sum(p["w"] ** 2), {"w": np.ones(2)})
    assert found.as_dict()["x"] == {"w": [0.0, 0.0]}
    assert "Minimum" in found._repr_html_()
