"""Integrals of analytic functions: the error is proved, and later calls are one kernel."""

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.api.integrals import _at_once, _recorded
from chainrule.errors import ArgumentError, IntegralError
from chainrule.execute import executable, kept
from chainrule.native.fences import standing
from chainrule.native.run import Mixed, Stretch
from chainrule.numeric import proved as module
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


def test_the_rule_is_gausss():
    nodes, weights = np.polynomial.legendre.leggauss(module.ORDER)
    assert np.allclose(module.NODES, nodes, rtol=0, atol=4e-16)
    assert np.allclose(module.WEIGHTS, weights, rtol=0, atol=1e-14)
    for degree in range(2 * module.ORDER):
        assert module.WEIGHTS @ module.NODES**degree == pytest.approx(
            (1 - (-1) ** (degree + 1)) / (degree + 1), abs=1e-15
        )


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
    assert standing() or _at_once(f, 1, 2, (), 1e-8) is not None
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
    assert standing() or _at_once(f, 0, 1, (1.0,), 1e-8) is not None
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
    assert standing() or _at_once(f, 0, 10, (), 1e-8) is not None
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


def test_a_call_is_linked_once():
    def f(x, w):
        return np.sum(w) * x

    for n in range(40):
        for w in (np.ones(2), np.ones(3), np.ones(4)[::2], np.float64(2.0), 2):
            total = float(np.sum(w))
            assert cr.integrate(f, 0, np.float64(1.0), (w,), tol=np.float64(1e-8)) == pytest.approx(total / 2), n
            assert cr.integrate(f, 1, 0, w, tol=1e-9) == pytest.approx(-total / 2), n
    assert len(kept(f, "area")._kept) <= 6


def test_it_matters_not_what_was_compiled_before():
    """Modules are imported late, in whatever order they are needed."""
    code = """if True:
        import chainrule as cr

        f = lambda x: 3 * x * x
        assert cr.grad(f)(1.0) == cr.grad(f)(1.0) == 6
        assert all(abs(cr.integrate(f, 0, 1) - 1) < 1e-14 for _ in range(12))
    """
    subprocess.run([sys.executable, "-c", code], check=True)


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


# --- within functions -------------------------------------------------------------------------------------------------


def loss(c):
    return cr.integrate(lambda x: np.exp(c * x), 0.0, 1.0) ** 2


def test_an_integral_within_a_function_is_part_of_its_kernel():
    f = cr.value_and_grad(loss)
    for c in (0.5, -1.0, 3.0):
        area = (math.exp(c) - 1) / c
        value, slope = f(c)
        assert value == pytest.approx(area**2, rel=1e-13)
        assert slope == pytest.approx(2 * area * (math.exp(c) - area) / c, rel=1e-12)
    (stretch,) = kernels_of(loss, 0.5)
    assert isinstance(stretch, Stretch)


def kernels_of(f, *args):
    run = executable(cr.trace(f, *args))
    return [part for part, *_ in run.parts] if isinstance(run, Mixed) else [run]


def test_what_the_kernel_cannot_prove_is_integrated_as_ever():
    def f(s, w):
        return cr.integrate(lambda x: x + np.exp(-(((x - 0.3) / s) ** 2)), 0.0, 1.0) + np.sum(np.tanh(w))

    both, w = cr.value_and_grad(f), np.linspace(0, 1, 5)
    for s in (1.0, 1e-1, 1e-4, 1e-6, 1.0):
        up, down = 0.7 / s, 0.3 / s
        bell = math.sqrt(math.pi) / 2 * (math.erf(up) + math.erf(down))
        slope = bell - up * math.exp(-up * up) - down * math.exp(-down * down)
        value, found = both(s, w)
        assert value == pytest.approx(0.5 + s * bell + np.sum(np.tanh(w)), rel=1e-13)
        assert found == pytest.approx(slope, rel=1e-10)


def test_limits_that_move_into_a_pole_raise_and_back_again_do_not():
    f = cr.value_and_grad(lambda a, b: cr.integrate(lambda x: 1 / x, a, b))
    for _ in range(3):
        assert f(0.5, 2.0) == pytest.approx((math.log(4), -2))
        assert f(2.0, 0.5) == pytest.approx((-math.log(4), -0.5))
        assert f(0.5, 0.5) == pytest.approx((0, -2))
        for a, b in ((-1.0, 1.0), (0.0, 1.0), (1.0, np.inf), (np.nan, 1.0)):
            with pytest.raises(IntegralError):
                f(a, b)


def test_rows_of_which_some_have_no_proof():
    f = cr.vmap(lambda b: cr.integrate(lambda x: np.exp(-x) * x, 0.0, b))
    b = np.array([0.1, 1.0, 0.0, -2.0, np.inf, 30.0])
    exact = [1 - math.exp(-v) * (1 + v) if v < np.inf else 1.0 for v in b]
    for _ in range(2):
        assert f(b) == pytest.approx(exact, rel=1e-12, abs=1e-13)
        assert f(b[[0, 1, 1]]) == pytest.approx([exact[0], exact[1], exact[1]], rel=1e-12)


def test_a_slope_that_is_zero_everywhere_is_zero():
    f = cr.value_and_grad(lambda c: cr.integrate(lambda x: np.cos(c * c * x), 0.0, 1.0))
    assert f(0.0) == (1.0, 0.0)


def test_second_derivatives_and_vectors_of_parameters():
    def f(p):
        return cr.integrate(lambda x: np.sum(p * np.exp(-p * x)), 0.0, 1.0)

    p = np.array([0.5, 1.0, 2.0])
    assert f(p) == pytest.approx(np.sum(1 - np.exp(-p)), rel=1e-13)
    assert cr.grad(f)(p) == pytest.approx(np.exp(-p), rel=1e-12)
    assert cr.hessian(f)(p) == pytest.approx(np.diag(-np.exp(-p)), rel=1e-11, abs=1e-12)


def test_kinks_are_left_to_the_other_way():
    f = cr.value_and_grad(lambda c: cr.integrate(lambda x: np.maximum(x - c, 0.0), 0.0, 1.0))
    assert f(0.25) == pytest.approx((0.28125, -0.75), rel=1e-12)
    assert f(-1.0) == pytest.approx((1.5, -1.0), rel=1e-12)
