"""Numerical derivatives: the truth lies within the error bar, or a note says why there is none."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DtypeError, ShapeError
from chainrule.numeric import from_values

rng = np.random.default_rng(0)

# name, f, x, f'(x)
SMOOTH = [
    ("offset", lambda x: 1e8 + np.sin(x), 1.0, math.cos(1)),
    ("an offset that swallows all", lambda x: 1e16 + np.sin(x), 1.0, math.cos(1)),
    ("tiny values", lambda x: 1e-200 * np.exp(x), 1.0, 1e-200 * math.e),
    ("tiny x", lambda x: np.exp(x * 1e150), 1e-150, 1e150 * math.e),
    ("fast", lambda x: np.sin(1e4 * x), 1.0, 1e4 * math.cos(1e4)),
    ("faster", lambda x: np.sin(1e7 * x), 0.3, 1e7 * math.cos(1e7 * 0.3)),
    ("fastest", lambda x: np.cos(1e10 * x), 0.3, -1e10 * math.sin(1e10 * 0.3)),
    ("a ripple on a slope", lambda x: 1e3 * x + np.cos(1e7 * x), 0.3, 1e3 - 1e7 * math.sin(1e7 * 0.3)),
    ("float32", np.sin, np.float32(1.0), math.cos(1)),
    ("float32 at 300", lambda x: x**2, np.float32(300.0), 600.0),
    ("float32 inside", lambda x: np.float32(x) ** 2, 3.3, 6.6),
    ("log at 1e-8", np.log, 1e-8, 1e8),
    ("math.log at 1e-8", math.log, 1e-8, 1e8),
    ("sqrt at 1e-7", np.sqrt, 1e-7, 0.5 / math.sqrt(1e-7)),
    ("relu beside its kink", lambda x: np.maximum(x, 0), 3e-7, 1.0),
    ("relu beside a kink at 1", lambda x: np.maximum(x - 1, 0), 1 + 3e-7, 1.0),
    ("constant", lambda x: 3.0, 1.0, 0.0),
    ("constant at 0", lambda x: 0.0, 0.0, 0.0),
    ("a slope below the last digit", lambda x: 1 + 1e-20 * x, 1.0, 1e-20),
    ("cube at 0", lambda x: x**3, 0.0, 0.0),
    ("one derivative only", lambda x: x * abs(x), 0.0, 0.0),
    ("a derivative that is not continuous", lambda x: x * x * math.sin(1 / x) if x else 0.0, 0.0, 0.0),
    ("pole", lambda x: 1 / x, 1e-8, -1e16),
    ("beside a pole", math.tan, math.pi / 2 - 1e-6, 1 / math.cos(math.pi / 2 - 1e-6) ** 2),
    ("narrow", lambda x: math.exp(-x * x * 1e8), 1e-4, -2e4 * math.exp(-1)),
    ("power", lambda x: x**20, 1.0, 20.0),
    ("subnormal x", lambda x: x * 3, 5e-324, 3.0),
    ("at the largest x", lambda x: x / 3, 1.7e308, 1 / 3),
    ("huge", math.exp, 700.0, math.exp(700)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "truth"), [pytest.param(*case, id=name) for name, *case in SMOOTH])
def test_the_truth_lies_within_the_error(f, x, truth):
    found = cr.numerical_gradient(f, x)
    assert found.reliable, found
    assert abs(float(found) - truth) <= found.error


@pytest.mark.parametrize("seed", range(100))
def test_the_truth_lies_within_the_error_of_noisy_values(seed):
    noise = np.random.default_rng(seed)
    found = cr.numerical_gradient(lambda x: math.sin(x) + 1e-6 * noise.normal(), 1.0)
    assert not math.isfinite(found.error) or abs(float(found) - math.cos(1)) <= found.error


@pytest.mark.parametrize("seed", range(40))
def test_the_truth_lies_within_the_error_of_functions_drawn_at_random(seed):
    random = np.random.default_rng(seed)
    frequency, amplitude = 10 ** random.uniform([-2, -6], [5, 6])
    offset, x = amplitude * 10 ** random.uniform(-2, 4), random.normal() * 10 ** random.uniform(-3, 2)
    for f in (np.sin, np.tanh, lambda u: np.exp(np.sin(u)), lambda u: 1 / (2 + np.cos(u)), lambda u: np.log1p(u * u)):
        truth = amplitude * frequency * float(cr.grad(f)(frequency * x))
        found = cr.numerical_gradient(lambda t, f=f: offset + amplitude * f(frequency * t), x)
        assert not math.isfinite(found.error) or abs(float(found) - truth) <= found.error
        assert found.error < 1e-3 * abs(truth) + 1e-7 * (offset + amplitude) * frequency or not found.reliable


def test_error_bars_that_are_spoiled_are_seen_to_fail(monkeypatch):
    honest = from_values.slope

    def boastful(*args, **options):
        found = honest(*args, **options)
        return type(found)(**{**vars(found), "bar": found.bar / 1e4, "value": found.value * (1 + 1e-12)})

    monkeypatch.setattr(from_values, "slope", boastful)
    wrong = 0
    for _, f, x, truth in SMOOTH:
        found = cr.numerical_gradient(f, x)
        wrong += not abs(float(found) - truth) <= found.error
    assert wrong > 5


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (lambda x: np.maximum(x, 0), 0.0, "kink: the slope is 0 on the left, 1 on the right"),
        (lambda x: abs(x - 0.1), 0.1, "kink: the slope is -1 on the left, 1 on the right"),
        (np.sqrt, 0.0, "finite on both sides"),
        (np.cbrt, 0.0, "without bound"),
        (lambda x: float(x > 0.3), 0.3, "jumps"),
        (np.sign, 0.0, "jumps"),
        (lambda x: np.floor(x * 1e9) / 1e9, 0.123456789123, "staircase"),
        (lambda x: x * math.sin(1 / x) if x else 0.0, 0.0, "smaller steps tell other slopes"),
        (lambda x: np.cos(1e17 * x), 0.3, "noise"),
        (lambda x: math.nan, 1.0, "value is nan"),
    ],
)
def test_what_has_no_derivative_says_so(f, x, said):
    found = cr.numerical_gradient(f, x)
    assert not found.reliable
    assert said in found.notes[0][1]
    assert said in str(found)
    if "kink" in said:
        assert abs(float(cr.grad(f)(x)) - float(found)) <= found.error  # any slope between the sides
    else:
        assert found.error == math.inf


# --- shapes and structures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["richardson", "central"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 2), (0,), (2, 0)])
def test_any_shape(shape, method):
    x = rng.normal(size=shape)
    found = cr.numerical_gradient(lambda x: np.sum(np.sin(x)), x, method=method)
    assert np.shape(found.value) == np.shape(found.error) == np.shape(found.step) == shape
    np.testing.assert_allclose(found, np.cos(x), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", ["richardson", "central"])
@pytest.mark.parametrize(
    "x", [3, 3.0, np.array([3, 4]), np.array([3, 4], np.int8), np.array([[3, 4], [1, 2]], np.uint64), (3, 4.0), [3, 4]]
)
def test_whole_numbers_are_real_ones(x, method):
    def f(x):
        return sum(v**2 for v in x) if isinstance(x, (tuple, list)) else np.sum(x**2)

    found = cr.numerical_gradient(f, x, method=method)
    assert type(found.value) is type(x) or not isinstance(x, (tuple, list, np.ndarray))
    np.testing.assert_allclose(np.asarray(found), 2 * np.asarray(x, float), rtol=1e-8)


@dataclass
class Layer:
    w: np.ndarray
    b: float


def test_structures_and_several_arguments():
    def f(layers, scale, *, power=2):
        return scale * np.sum(np.tanh(layers["one"].w + layers["one"].b) ** power) + layers["rest"][0] * scale

    args = {"one": Layer(np.array([[0.1, 0.2]]), 0.3), "rest": [2]}, 1.5
    args[0]["rest"] = [2.0]
    found, exact = cr.numerical_gradient(f, *args, wrt=(0, "scale")), cr.grad(f, wrt=(0, 1))(*args)
    np.testing.assert_allclose(found.value[0]["one"].w, exact[0]["one"].w, rtol=1e-9)
    np.testing.assert_allclose(found.value[0]["one"].b, exact[0]["one"].b, rtol=1e-9)
    np.testing.assert_allclose(found.value[0]["rest"], exact[0]["rest"], rtol=1e-9)
    np.testing.assert_allclose(found.value[1], exact[1], rtol=1e-9)
    assert "layers['one'].w[0, 1]" not in str(found)  # nothing to remark
    assert found.as_dict()["reliable"]


def test_float32_stays_float32():
    for x in (np.array([1.0, 300.0], np.float32), np.array([300.0], np.float32)):
        found = cr.numerical_gradient(lambda x: np.sum(x**2), x)
        assert found.value.dtype == np.float32
        assert np.all(np.abs(found - 2 * x) <= found.error)
    found = cr.numerical_gradient(lambda x: np.sum(x**2), x, method="central")
    assert found.value.dtype == np.float32
    np.testing.assert_allclose(found, 600, rtol=1e-3)


def test_a_function_that_writes_in_its_arguments_gets_copies():
    x, scratch = np.ones(3), np.zeros(3)

    def f(x, scratch):
        scratch += x
        x *= 2
        return np.sum(scratch * x)

    for method in ("richardson", "central"):
        np.testing.assert_allclose(cr.numerical_gradient(f, x, scratch, method=method), 4, rtol=1e-8)
    assert np.all(x == 1)
    assert np.all(scratch == 0)


def test_functions_that_no_recording_can_follow():
    seen = {}

    def f(x):
        seen[float(x)] = True  # a side effect
        while x > 2:  # a branch on a value
            x = x / 2
        return float(f"{x:.17g}") ** 2  # through text

    with pytest.raises(cr.ChainruleError):
        cr.grad(f)(5.0)
    assert abs(float(cr.numerical_gradient(f, 5.0)) - 2 * 5 / 16) < 1e-9
    assert seen


# --- the method "central" ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 40])
def test_central_differences_take_two_values_for_each_component(n):
    calls = []
    found = cr.numerical_gradient(lambda x: calls.append(1) or np.sum(x**3), rng.normal(size=n), method="central")
    assert len(calls) == found.evaluations == 2 * n
    assert np.all(np.isnan(found.error))
    assert not found.reliable


def test_evaluations_are_counted():
    calls = []
    for compute in (cr.numerical_gradient, cr.numerical_hessian):
        for method in ("richardson", "central"):
            calls.clear()
            found = compute(lambda x: calls.append(1) or np.prod(np.sin(x)), rng.normal(size=3), method=method)
            assert found.evaluations == len(calls)


def test_central_differences_stay_in_the_domain():
    def f(x):
        return np.log(x - 1)

    found = cr.numerical_gradient(f, 1 + 1e-9, method="central")
    assert np.isfinite(found.value)
    assert found.step < 1e-9


def test_a_step_may_be_given():
    found = cr.numerical_gradient(np.exp, 0.0, method="central", step=1e-3)
    assert float(found) == pytest.approx((math.exp(1e-3) - math.exp(-1e-3)) / 2e-3, rel=1e-12)
    assert found.step == pytest.approx(1e-3)
    assert abs(float(cr.numerical_gradient(np.exp, 0.0, step=0.5)) - 1) < 1e-10


def test_a_step_that_vanishes_is_refused():
    with pytest.raises(ArgumentError, match="vanishes in float32"):
        cr.numerical_gradient(lambda x: np.sum(x**2), np.array([300.0], np.float32), method="central", step=1e-5)


# --- Jacobians and Hessians -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["richardson", "central"])
def test_a_jacobian_has_the_shape_of_the_result_and_that_of_the_argument(method):
    x = rng.normal(size=(2, 3))

    def f(x):
        return np.sin(x).T @ x

    found, exact = cr.numerical_jacobian(f, x, method=method), cr.jacobian(f)(x)
    assert found.value.shape == exact.shape == (3, 3, 2, 3)
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-8)
    if method == "richardson":
        assert np.all(np.abs(found - exact) <= found.error)


def test_a_jacobian_of_structures():
    def f(x, p):
        return {"a": x * p["s"], "b": [np.sum(x)]}

    args = np.array([1.0, 2.0]), {"s": 3.0}
    found, exact = cr.numerical_jacobian(f, *args, wrt=(0, 1)), cr.jacobian(f, wrt=(0, 1))(*args)
    for part in (found.value, exact):
        assert part["a"][0].shape == (2, 2)
        assert part["b"][0][0].shape == (2,)
    np.testing.assert_allclose(found.value["a"][1]["s"], exact["a"][1]["s"], rtol=1e-9)


@pytest.mark.parametrize("method", ["richardson", "central"])
@pytest.mark.parametrize("seed", range(5))
def test_hessians(seed, method):
    random = np.random.default_rng(seed)
    A, x = random.normal(size=(4, 3)), random.normal(size=3)

    def f(x):
        return np.sum(np.logaddexp(0, A @ x)) + np.prod(x) + np.exp(x[0])

    found, exact = cr.numerical_hessian(f, x, method=method), cr.hessian(f)(x)
    assert np.array_equal(found.value, found.value.T)
    np.testing.assert_allclose(found, exact, atol=1e-5)
    if method == "richardson":
        assert found.reliable
        assert np.all(np.abs(found - exact) <= found.error)


def test_hessians_of_structures_and_of_offsets():
    def f(p, b):
        return 1e6 + p["w"][0] ** 2 * p["w"][1] * b**3

    args = {"w": np.array([1.0, 2.0])}, 3
    found, exact = cr.numerical_hessian(f, *args, wrt=(0, 1)), cr.hessian(f, wrt=(0, 1))(*args)
    for a, b in [(found.value[0]["w"][0]["w"], exact[0]["w"][0]["w"]), (found.value[0]["w"][1], exact[0]["w"][1])]:
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert np.all(np.abs(found.value[0]["w"][1] - exact[0]["w"][1]) <= found.error[0]["w"][1])


@pytest.mark.parametrize(
    "f", [lambda x: abs(x), lambda x: x * abs(x), lambda x: max(x, 0) ** 2, lambda x: abs(x) ** 1.5]
)
def test_a_second_derivative_that_does_not_exist_is_not_claimed(f):
    found = cr.numerical_hessian(f, 0.0)
    assert not found.reliable
    assert found.notes


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: cr.numerical_gradient(3, 1.0), ArgumentError, "takes a function"),
        (lambda: cr.numerical_gradient(np.sum), ArgumentError, "0 positional"),
        (lambda: cr.numerical_gradient(np.sum, np.array([1, np.nan])), ArgumentError, "holds nan"),
        (lambda: cr.numerical_gradient(np.sum, np.inf), ArgumentError, "holds inf"),
        (lambda: cr.numerical_gradient(np.sum, "a"), ArgumentError, "str"),
        (lambda: cr.numerical_gradient(np.sum, True), ArgumentError, "bool"),
        (lambda: cr.numerical_gradient(np.sum, np.array([True])), DtypeError, "bool"),
        (lambda: cr.numerical_gradient(np.sum, np.array([1j])), ArgumentError, "complex"),
        (lambda: cr.numerical_gradient(np.sin, np.ones(2)), ShapeError, "numerical_jacobian"),
        (lambda: cr.numerical_gradient(lambda x: (x, x), 1.0), ShapeError, "tuple"),
        (lambda: cr.numerical_gradient(lambda x: None, 1.0), DtypeError, "NoneType"),
        (lambda: cr.numerical_gradient(lambda x: x + 1j, 1.0), DtypeError, "complex"),
        (lambda: cr.numerical_gradient(np.sum, 1.0, method="forward"), ArgumentError, "'central'"),
        (lambda: cr.numerical_gradient(np.sum, 1.0, step=0.0), ArgumentError, "positive"),
        (lambda: cr.numerical_gradient(np.sum, 1.0, step=True), ArgumentError, "positive"),
        (lambda: cr.numerical_gradient(np.sum, []), ArgumentError, "no numbers"),
        (lambda: cr.numerical_hessian(np.sin, np.ones(2)), ShapeError, "one number"),
        (lambda: cr.numerical_gradient(lambda x: [][3], 1.0), IndexError, "range"),
        (lambda: cr.numerical_gradient(lambda x: math.log(-1 - x), 1.0), ValueError, "math domain|positive"),
        (
            lambda: cr.numerical_gradient(lambda x: math.log(-1 - x), 1.0, method="central"),
            ValueError,
            "math domain|positive",
        ),
        (lambda: cr.numerical_jacobian(lambda x: np.ones(2 + (x > 1)), 1.0), ArgumentError, "returns 2 numbers"),
        (lambda: cr.grad(lambda x: float(cr.numerical_gradient(np.sin, x)))(1.0), ArgumentError, "recording"),
        (lambda: cr.grad(lambda x: x * cr.numerical_gradient(lambda y: x * y, 1.0)[()])(1.0), TypeError, "recorded"),
    ],
)
def test_refusals(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_the_record_shows_itself():
    found = cr.numerical_gradient(lambda p: np.sum(p["x<"] ** 2), {"x<": np.array([1.0, 2.0])})
    assert "<table>" in found._repr_html_()
    assert "&lt;" in found._repr_html_()
    assert "evaluations" in str(found)
    assert len(cr.numerical_gradient(np.sum, np.ones(4))) == 4
    assert [float(v) for v in cr.numerical_gradient(np.sum, np.ones(2), method="central")] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("f", "second", "x"),
    [
        (lambda x: np.sin(100 * x), lambda x: -1e4 * np.sin(100 * x), 1e5),
        (lambda x: np.sin(1e4 * x), lambda x: -1e8 * np.sin(1e4 * x), 1e5),
        (lambda x: x + 1e-9 * np.sin(1e7 * x), lambda x: -1e5 * np.sin(1e7 * x), 0.3),
        (np.exp, np.exp, 1.0),
        (lambda x: 1e8 + np.sin(x), lambda x: -np.sin(x), 1.0),
    ],
)
def test_a_second_derivative_is_that_of_the_wave_and_not_of_what_steps_outrun(f, second, x):
    found = cr.numerical_hessian(f, x)
    assert abs(float(np.asarray(found.value)) - second(x)) <= float(np.asarray(found.error))
