"""Integrals of analytic functions: the error is proved, and later calls are one kernel."""

import math

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.api.integrals import _at_once, _recorded
from chainrule.errors import ArgumentError
from chainrule.execute import kept
from chainrule.numeric.integral import of_program
from chainrule.numeric.proved import EVALUATIONS, USES, area, proved

FEW = EVALUATIONS * 13

# function, the same for mpmath, limits
SMOOTH = {
    "wave": (lambda x: np.exp(-x * x) * np.cos(30.0 * x), lambda x: mpmath.exp(-x * x) * mpmath.cos(30 * x), 0, 2),
    "x log": (lambda x: x * np.log(1 + x), lambda x: x * mpmath.log(1 + x), 0, 1),
    "root": (lambda x: np.sqrt(2 + x), lambda x: mpmath.sqrt(2 + x), -1, 3),
    "Runge": (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x), -5, 5),
    "tanh": (lambda x: np.tanh(3 * x), lambda x: mpmath.tanh(3 * x), -1, 2),
    "power": (lambda x: x**-1.5, lambda x: x**-1.5, 1, 30),
    "cubic": (lambda x: x**3 - x, lambda x: x**3 - x, -1, 3),
    "cancelling": (lambda x: (1 - np.cos(x)) / x**2, lambda x: (1 - mpmath.cos(x)) / x**2, 0.1, 1),
    "lost digits": (lambda x: (x + 1e8) - 1e8, lambda x: x, 0, 10),
    "sum": (lambda x: np.sum(np.exp(-x * np.arange(4.0))), lambda x: sum(mpmath.exp(-x * k) for k in range(4)), 0, 1),
    "peak 0.02": (lambda x: x + np.exp(-(((x - 0.3) / 0.02) ** 2)),
                  lambda x: x + mpmath.exp(-(((x - mpmath.mpf(0.3)) / mpmath.mpf(0.02)) ** 2)), 0, 1),
}  # fmt: skip


def truth_of(f, a, b):
    with mpmath.workdps(40):
        return mpmath.quad(f, mpmath.linspace(mpmath.mpf(a), mpmath.mpf(b), 33))


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_take_few_nodes_and_the_truth_is_within_the_error(name):
    f, exactly, a, b = SMOOTH[name]
    truth = truth_of(exactly, a, b)
    for call in range(USES + 3):  # on NumPy, then compiled, then linked
        found = cr.integrate(f, a, b)
        assert found.verdict == "converged", call
        assert found.evaluations <= FEW
        assert abs(found.value - truth) <= found.error
    assert cr.integrate(f, b, a).value == -found.value


@pytest.mark.parametrize("distance", [0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("waves", [10.0, 100.0, 200.0])
def test_the_bound_of_the_rules_error_holds_where_it_is_large(distance, waves):
    program = _recorded(lambda x, d, w: np.cos(w * x) / (d * d + x * x), 0.1, (distance, waves)).program
    value, error, proof, _ = area(program)([-1.0, np.float64(distance), np.float64(waves), 1.3])
    with mpmath.workdps(30):
        d, w = mpmath.mpf(distance), mpmath.mpf(waves)
        truth = truth_of(lambda x: mpmath.cos(w * x) / (d * d + x * x), -1, mpmath.mpf(1.3))
        off = abs(mpmath.mpf(float(value)) - truth)
    assert off <= error
    assert error >= proof


def test_where_the_rule_is_far_off_the_bound_says_so():
    program = _recorded(lambda x, w: np.cos(w * x), 0.1, (1.0,)).program
    value, error, proof, _ = area(program)([0.0, np.float64(300.0), 1.0])
    off = abs(value - math.sin(300.0) / 300.0)
    assert off > 1e-9
    assert off <= proof <= error


def test_a_peak_that_later_parameters_make_narrow_is_met():
    def f(x, s):
        return x + np.exp(-(((x - 0.3) / s) ** 2))

    for s in (1.0,) * (USES + 2) + (0.1, 1e-2, 1e-4, 1e-6, 1.0):
        found = cr.integrate(f, 0, 1, (s,))
        truth = truth_of(lambda x, s=s: x, 0, 1) + s * mpmath.sqrt(mpmath.pi) / 2 * (
            mpmath.erf(mpmath.mpf(0.7) / s) + mpmath.erf(mpmath.mpf(0.3) / s)
        )
        assert found.verdict == "converged"
        assert abs(found.value - truth) <= found.error


def test_later_limits_may_meet_what_has_no_proof():
    def f(x):
        return 1 / x

    for _ in range(USES + 2):
        assert cr.integrate(f, 1, 2) == pytest.approx(math.log(2))
    assert _at_once(f, 1, 2, (), 1e-8) is not None
    assert cr.integrate(f, 0, 1).verdict == "diverges"
    assert cr.integrate(f, -1, 1).verdict != "converged"
    assert cr.integrate(f, 1, np.inf).verdict == "diverges"
    assert cr.integrate(f, 2, 2) == 0
    assert cr.integrate(f, 1e-3, 1) == pytest.approx(math.log(1e3))
    with pytest.raises(ArgumentError):
        cr.integrate(f, 1, np.nan)
    with pytest.raises(ArgumentError):
        cr.integrate(f, 1, 1e308)
    with pytest.raises(ArgumentError):
        cr.integrate(f, 1, 2, tol=2.0)


SCALE = 2.0


def test_what_the_function_reads_from_outside_is_read_at_every_call():
    global SCALE
    w = np.ones(2)

    def f(x, c):
        return SCALE * x * np.sum(w) * c

    for _ in range(USES + 2):
        assert cr.integrate(f, 0, 1, (1.0,)) == pytest.approx(2)
    assert _at_once(f, 0, 1, (1.0,), 1e-8) is not None
    w[0] = 2
    assert cr.integrate(f, 0, 1, (1.0,)) == pytest.approx(3)
    assert cr.integrate(f, 0, 1, (2.0,)) == pytest.approx(6)
    assert cr.integrate(f, 0, 1, 3) == pytest.approx(9)
    SCALE = 4.0
    assert cr.integrate(f, 0, 1, (1.0,)) == pytest.approx(6)
    SCALE = 2.0
    w = np.ones(3)
    assert cr.integrate(f, 0, 1, (1.0,)) == pytest.approx(3)


def test_within_a_function_that_is_recorded_calls_are_recorded():
    def f(x, c):
        return np.exp(c * x)

    for _ in range(USES + 2):
        cr.integrate(f, 0, 1, (0.5,))
    slope = cr.grad(lambda c: cr.integrate(f, 0.0, 1.0, (c,)))(0.5)
    assert slope == pytest.approx(2 * math.exp(0.5) - 4 * (math.exp(0.5) - 1))


def test_the_tolerance_counts_at_every_call():
    def f(x):
        return (x + 1e8) - 1e8

    for _ in range(USES + 2):
        assert cr.integrate(f, 0, 10).verdict == "converged"
    assert _at_once(f, 0, 10, (), 1e-8) is not None
    assert _at_once(f, 0, 10, (), 1e-13) is None


@pytest.mark.parametrize(
    "f", [lambda x: np.where(x < 0.5, x, 1.0), np.abs, np.floor, lambda x: x.astype(np.float32) * 1.0, np.sqrt]
)
def test_kinks_and_ends_have_no_proof(f):
    program = _recorded(f, 0.5, ()).program
    assert proved(program, [], -0.0, 1.0, 1e-8) is None or f is np.abs
    assert proved(program, [], -1.0, 1.0, 1e-8) is None


def test_several_components_at_once():
    program = _recorded(lambda x: np.sum(np.exp(x * np.array([1.0, 2.0]))), 0.5, ()).program
    inner = program.equations[[e.op.name for e in program.equations].index("exp")].output
    several = type(program)(program.inputs, program.equations, (inner,), "several")
    found = of_program(several, [], 0.0, 1.0)
    truth = np.array([math.e - 1, (math.e**2 - 1) / 2])
    assert found.verdict == "converged"
    assert found.evaluations <= FEW
    assert (np.abs(found.value - truth) <= found.error).all()


def test_methods_and_objects_are_integrated_too():
    class Line:
        slope = 2.0

        def __call__(self, x):
            return self.slope * x

        def at(self, x):
            return self.slope * x + 1

    line = Line()
    for _ in range(USES + 2):
        assert cr.integrate(line, 0, 1) == pytest.approx(1)
        assert cr.integrate(line.at, 0, 1) == pytest.approx(2)
        assert cr.integrate(np.exp, 0, 1) == pytest.approx(math.e - 1)
    assert kept(line, "area") is None
    line.slope = 4.0
    assert cr.integrate(line, 0, 1) == pytest.approx(2)
    assert cr.integrate(line.at, 0, 1) == pytest.approx(3)
