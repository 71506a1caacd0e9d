"""The antiderivatives that entries state: differentiated back, each is its entry. A spoiled one is not."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.reference import antiderivatives_of, op_page
from chainrule.ops.op import Elementwise, apply
from chainrule.ops.table import OPS

STATED = [op for op in OPS.values() if isinstance(op, Elementwise) and op.antiderivative is not None]


def differentiated_back(op, points=200):
    """Each stated antiderivative's slope beside the value it should be, at points of the entry's domain."""
    rng = np.random.default_rng(4)
    for params in op.samples:
        at = [d.sample(points, rng) for d in op.domain]
        value = op.evaluate(*at, **params)
        for i in range(op.arity):
            whole = lambda *xs, i=i, params=params: op.antiderivatives(xs, apply(op, *xs, **params), **params)[i]  # noqa: E731
            if whole(*at) is None:
                continue
            tangents = [np.ones(points) if j == i else np.zeros(points) for j in range(op.arity)]
            yield whole(*at), cr.jvp(whole, tuple(at), tuple(tangents))[1], value


def holds(op):
    found = list(differentiated_back(op))
    size = [np.max(np.abs(value)) for _, _, value in found]
    return bool(found) and all(
        np.all(np.isfinite(whole)) and np.all(np.abs(slope - value) <= 1e-10 * most)
        for (whole, slope, value), most in zip(found, size, strict=True)
    )


@pytest.mark.parametrize("op", STATED, ids=str)
def test_the_derivative_of_a_stated_antiderivative_is_the_entry(op):
    assert holds(op)


@pytest.mark.parametrize("op", STATED, ids=str)
def test_a_spoiled_antiderivative_is_caught(op):
    def spoiled(*xs, **params):
        stated = op.antiderivative(*xs, **params)
        return tuple(F if F is None else F * 1.00001 for F in (stated if isinstance(stated, tuple) else (stated,)))

    def shifted(*xs, **params):
        return tuple(
            F if F is None else F + 1e-5 * xs[i] for i, F in enumerate(op.antiderivatives(xs[:-1], xs[-1], **params))
        )

    assert not holds(replace(op, antiderivative=spoiled))
    assert not holds(replace(op, antiderivative=shifted))


def test_the_functions_of_a_first_course_have_one():
    course = ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arctan", "sigmoid", "erf"]
    course += ["power_of", "absolute", "sign"]
    assert {OPS[name] for name in course} <= set(STATED)


@pytest.mark.parametrize(("name", "truth"), [
    ("tanh", lambda x: mpmath.log(mpmath.cosh(x))),
    ("sigmoid", lambda x: mpmath.log1p(mpmath.exp(x))),
])  # fmt: skip
def test_where_the_book_s_formula_overflows_the_stated_one_does_not(name, truth):
    op = OPS[name]
    for x in (-800.0, -1.0, 0.0, 3.0, 800.0):
        (found,) = op.antiderivatives((x,), op.evaluate(x))
        assert found == pytest.approx(float(truth(x)), rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("op", [op for op in STATED if op.arity == 1], ids=str)
def test_differences_of_a_stated_antiderivative_are_integrals(op):
    """A second source of truth: quadrature in high precision, of values that SciPy and NumPy compute."""
    rng = np.random.default_rng(9)
    (domain,) = op.domain
    for params in op.samples:
        a, b = np.sort(domain.sample(2, rng))

        def value(x, params=params):
            return mpmath.mpf(float(op.evaluate(float(x), **params)))

        whole = [op.antiderivatives((x,), op.evaluate(x, **params), **params)[0] for x in (a, b)]
        truth = mpmath.quad(value, [a, b] if a * b > 0 else [a, 0, b])
        assert float(whole[1] - whole[0]) == pytest.approx(float(truth), rel=1e-9, abs=1e-9)


def test_the_reference_shows_it():
    assert [str(F) for _, F in antiderivatives_of(OPS["log"])] == ["u (ln(u) − 1)"]
    assert r"Antiderivative: $\int \cos\left(u\right)\,\mathrm{d}u = \sin\left(u\right) + C$" in op_page(OPS["cos"])
    assert "Antiderivative" not in op_page(OPS["floor"])
