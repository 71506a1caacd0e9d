"""Convexity: never a wrong verdict, and proofs or chords for what one meets in machine learning.

The zoo is written as users write it, in plain NumPy; what each function is comes from books, not from us.
"""

from __future__ import annotations

import runpy
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.analyze.convexity import Convexity
from chainrule.errors import ArgumentError, ChainruleError
from chainrule.ops.table import OPS

ROOT = Path(cr.__file__).parent.parent.parent
rng = np.random.default_rng(0)
N, D, K = 40, 5, 3
X = rng.normal(size=(N, D))
signs = np.where(rng.uniform(size=N) > 0.5, 1.0, -1.0)
y01, t, counts = (signs + 1) / 2, rng.normal(size=N), rng.poisson(2.0, N) * 1.0
labels = rng.integers(0, K, N)
Y = np.eye(K)[labels]
w, W, s = rng.normal(size=D), rng.normal(size=(D, K)), np.float64(0.7)
A, b = rng.normal(size=(6, D)), rng.normal(size=6)
Q = A.T @ A
V1, V2, V3 = rng.normal(size=(D, 4)), rng.normal(size=4), rng.normal(size=(4, K))
rows = np.arange(N)
expit, logsumexp, softmax = scipy.special.expit, scipy.special.logsumexp, scipy.special.softmax


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_probability(w):
    p = sigmoid(X @ w)
    return -np.mean(y01 * np.log(p) + (1 - y01) * np.log(1 - p))


def by_expit(w):
    p = expit(X @ w)
    return np.mean(-y01 * np.log(p) - (1 - y01) * np.log(1 - p))


def stable_logistic(w):
    z = X @ w
    return np.mean(np.maximum(z, 0) - y01 * z + np.log1p(np.exp(-np.abs(z))))


def shifted_entropy(W):
    z = X @ W
    z = z - z.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(N), labels])


def probability_entropy(W):
    z = X @ W
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(N), labels]))


def top_entropy(W):
    z = X @ W
    top = np.max(z, axis=1, keepdims=True)
    return np.mean(top[:, 0] + np.log(np.sum(np.exp(z - top), axis=1)) - np.sum(Y * z, axis=1))


def huber(w):
    r = X @ w - t
    return np.mean(np.where(np.abs(r) <= 1.0, r**2 / 2, np.abs(r) - 0.5))


CONVEX = {
    # losses of linear models
    "least squares": (lambda w: np.mean((X @ w - t) ** 2), w),
    "least squares, dot": (lambda w: (X @ w - t) @ (X @ w - t), w),
    "ridge": (lambda w: np.mean((X @ w - t) ** 2) + 0.1 * np.sum(w**2), w),
    "elastic net": (lambda w: np.mean((X @ w - t) ** 2) + 0.1 * np.sum(np.abs(w)) + 0.2 * w @ w, w),
    "parameters in a dict": (lambda p: np.mean((X @ p["w"] + p["b"] - t) ** 2), {"w": w, "b": s}),
    "logistic, log1p": (lambda w: np.mean(np.log1p(np.exp(-signs * (X @ w)))), w),
    "logistic, log(1 + exp)": (lambda w: np.sum(np.log(1 + np.exp(-signs * (X @ w)))), w),
    "logistic, logaddexp": (lambda w: np.mean(np.logaddexp(0, -signs * (X @ w))), w),
    "logistic, z and y": (lambda w: np.mean(np.logaddexp(0, X @ w) - y01 * (X @ w)), w),
    "logistic, minus log sigmoid": (lambda w: -np.mean(np.log(sigmoid(signs * (X @ w)))), w),
    "logistic, probabilities": (by_probability, w),
    "logistic, expit": (by_expit, w),
    "logistic, stable": (stable_logistic, w),
    "softmax, shifted": (shifted_entropy, W),
    "softmax, probabilities": (probability_entropy, W),
    "softmax, one-hot": (top_entropy, W),
    "softmax, not shifted": (lambda W: np.mean(np.log(np.sum(np.exp(X @ W), axis=1)) - np.sum(Y * (X @ W), axis=1)), W),
    "softmax, logsumexp": (lambda W: np.mean(logsumexp(X @ W, axis=1) - (X @ W)[rows, labels]), W),
    "softmax, SciPy": (lambda W: -np.sum(Y * np.log(softmax(X @ W, axis=1))) / N, W),
    "softmax, log_softmax": (lambda W: -np.mean(scipy.special.log_softmax(X @ W, axis=1)[rows, labels]), W),
    "hinge": (lambda w: np.mean(np.maximum(0, 1 - signs * (X @ w))) + 0.01 * w @ w, w),
    "squared hinge": (lambda w: np.mean(np.maximum(0, 1 - signs * (X @ w)) ** 2), w),
    "absolute error": (lambda w: np.mean(np.abs(X @ w - t)), w),
    "quantile": (lambda w: np.mean(np.maximum(0.9 * (t - X @ w), -0.1 * (t - X @ w))), w),
    "Huber": (huber, w),
    "Poisson": (lambda w: np.mean(np.exp(X @ w) - counts * (X @ w)), w),
    "exponential likelihood": (lambda w: np.mean(t**2 * np.exp(-X @ w) + X @ w), w),
    "log cosh": (lambda w: np.sum(np.log(np.cosh(X @ w - t))), w),
    "softplus squared": (lambda w: np.sum(np.logaddexp(0, X @ w) ** 2), w),
    # functions of numbers and vectors
    "max(0, |x| - 1)": (lambda x: np.maximum(0, np.abs(x) - 1), s),
    "exp": (lambda x: np.exp(x), s),
    "2 ** x": (lambda x: 2.0**x, s),
    "cosh": (lambda x: np.cosh(x), s),
    "x ** 4": (lambda x: x**4, s),
    "minus log": (lambda x: -np.log(x), s),
    "minus root": (lambda x: -np.sqrt(x[0]), np.abs(w)),
    "x log x": (lambda x: x * np.log(x), s, "positive"),
    "entropy": (lambda p: np.sum(p * np.log(p)), np.abs(w), "positive"),
    "relative entropy": (lambda p: np.sum(scipy.special.xlogy(p, p) - p * np.log([0.2, 0.8])), np.ones(2), "positive"),
    "1 / x": (lambda x: 1 / x, s, "positive"),
    "x ** 1.5": (lambda x: np.sum(x**1.5), np.abs(w), "positive"),
    "x² / (x + 1)": (lambda x: x**2 / (x + 1), s, (-0.9, 10.0)),
    "ln Γ": (lambda x: scipy.special.gammaln(x), s, "positive"),
    "square over linear": (lambda x: np.sum(x[:2] ** 2) / x[2], np.abs(w), "positive"),
    "sqrt(1 + x²)": (lambda x: np.sqrt(1 + x**2), s),
    "sqrt(1 + ‖x‖²)": (lambda x: np.sqrt(1 + np.sum(x**2)), w),
    "‖Ax - b‖": (lambda x: np.linalg.norm(A @ x - b), w),
    "hypot": (lambda x: np.hypot(x[0], x[1]), w),
    "largest": (lambda x: np.max(A @ x - b), w),
    "log sum exp": (lambda x: np.log(np.sum(np.exp(x))), w),
    "log(exp(x) + exp(-x))": (lambda x: np.log(np.exp(x) + np.exp(-x)), s),
    "quadratic form": (lambda x: x @ Q @ x, w),
    "exp of a square": (lambda x: np.exp(np.sum(x**2)), w),
    "cubes of |x|": (lambda x: np.sum(np.abs(x) ** 3), w),
    "variance": (lambda x: np.var(X @ x), w),
    "standard deviation": (lambda x: np.std(X @ x), w),
    "total variation": (lambda x: np.sum(np.abs(np.diff(x))), w),
}
NOT_CONVEX = {
    "network, tanh": (lambda p: np.mean((np.tanh(X @ p[0]) @ p[1] - t) ** 2), (V1, V2)),
    "network, relu": (lambda p: np.mean((np.maximum(X @ p[0], 0) @ p[1] - t) ** 2), (V1, V2)),
    "network, softmax": (lambda p: np.mean(logsumexp(np.tanh(X @ p[0]) @ p[1], axis=1)), (V1, V3)),
    "error of a sigmoid": (lambda w: np.mean((sigmoid(X @ w) - y01) ** 2), w),
    "Welsch": (lambda w: np.mean(1 - np.exp(-((X @ w - t) ** 2))), w),
    "Rosenbrock": (lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), w),
    "bilinear": (lambda p: p[0] @ p[1], (w, w + 1)),
    "x² - y²": (lambda x: x[0] ** 2 - x[1] ** 2, w),
    "indefinite form": (lambda x: x @ (Q - 2 * np.eye(D)) @ x, w),
    "sin": (lambda x: np.sin(x), s),
    "x³": (lambda x: x**3, s),
    "x⁴ - x²": (lambda x: x**4 - x**2, s),
    "x tanh x": (lambda x: x * np.tanh(x), s),
    "log": (lambda x: np.log(x), s),
    "sqrt": (lambda x: np.sqrt(x), s),
    "sqrt |x|": (lambda x: np.sqrt(np.abs(x)), s),
    "1 / x everywhere": (lambda x: 1 / x, s),
    "1 / x² everywhere": (lambda x: 1 / x**2, s),
    "minimum": (lambda x: np.minimum(x, 1 - x), s),
    "||x| - 1|": (lambda x: np.abs(np.abs(x) - 1), s),
    "a jump": (lambda x: np.where(x > 0, x + 1, x), s),
    "a bell": (lambda x: -np.exp(-(x**2)), s),
}


@pytest.mark.parametrize("name", CONVEX)
def test_convex_functions_are_proved(name):
    f, x, *domain = CONVEX[name]
    found = cr.convexity(f, x, domain=domain[0] if domain else None)
    assert found.verdict == "convex", found
    assert found.proof
    assert found.chord is None
    assert bool(found)
    assert all(step.expression and step.curvature for step in found.proof)


@pytest.mark.parametrize("name", NOT_CONVEX)
def test_other_functions_are_refuted_by_a_chord(name):
    f, x = NOT_CONVEX[name]
    found = cr.convexity(f, x)
    assert found.verdict == "not convex", found
    assert chord_verifies(f, found.chord)
    assert not found


def between(x, y, t):
    """t x + (1 - t) y, in whatever structure."""
    if isinstance(x, tuple):
        return tuple(between(a, b, t) for a, b in zip(x, y, strict=True))
    if isinstance(x, dict):
        return {k: between(x[k], y[k], t) for k in x}
    return t * x + (1 - t) * y


def chord_verifies(f, chord):
    """The chord lies below the graph, computed by the function itself in plain NumPy."""
    u, v, m = f(chord.x), f(chord.y), f(between(chord.x, chord.y, chord.t))
    gap = m - (chord.t * u + (1 - chord.t) * v)
    return gap > 0 and gap >= 0.99 * chord.gap - 1e-12 * (abs(u) + abs(v) + abs(m))


def test_a_refuting_chord_is_exact_in_higher_precision():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        for f, exact in [(np.sin, mpmath.sin), (lambda x: x**3, lambda x: x**3), (np.tanh, mpmath.tanh)]:
            c = cr.convexity(f, 0.3).chord
            x, y = mpmath.mpf(float(c.x)), mpmath.mpf(float(c.y))
            gap = exact((x + y) / 2) - (exact(x) + exact(y)) / 2
            assert gap >= c.gap > 0


# --- never wrong ----------------------------------------------------------------------------------------------------

UNARY = [
    np.exp, np.tanh, np.abs, np.sin, np.arctan, np.cosh, np.expm1, np.cbrt, expit, scipy.special.erf, np.square,
    lambda v: np.log(1 + np.exp(v)), lambda v: -np.log1p(v**2), lambda v: v**3, lambda v: np.maximum(v, 0),
    lambda v: np.sqrt(1 + v**2), lambda v: 2 - v, lambda v: -0.5 * v, lambda v: np.where(v > 0, v**2, v),
    lambda v: np.where(np.abs(v) < 1, v**2 / 2, np.abs(v) - 0.5), lambda v: np.logaddexp(0, v),
    lambda v: np.log(2 + np.tanh(v)), lambda v: np.log(np.cosh(v)), lambda v: np.minimum(v, 1),
    lambda v: 1 / (1 + v**2), lambda v: np.log(1 + np.abs(v)), lambda v: np.where(v > 0.25, 2 * v - 0.25, v),
    lambda v: np.where(v < -1, -2 * v - 1, v**2), lambda v: np.where(v > 0.25, 2 * v, v), lambda v: v * np.exp(v),
    lambda v: np.maximum(v, 0) ** 1.5, lambda v: np.log(sigmoid(v)), lambda v: v / (1 + np.exp(v)),
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.logaddexp, np.hypot,
    lambda a, b: a / (1 + b**2), lambda a, b: np.where(a > b, a, b), lambda a, b: np.where(a > 0, a, b),
]  # fmt: skip
REDUCE = [
    np.sum, np.max, np.min, np.var, np.prod, np.linalg.norm, lambda v: np.log(np.sum(np.exp(v))), lambda v: v @ v,
    lambda v: np.sqrt(np.sum(v**2) + 1), lambda v: -np.sum(np.log(softmax(v))), lambda v: np.sum(np.sort(v)[-2:]),
    lambda v: v[0] - np.log(np.sum(np.exp(v - np.max(v)))) - np.max(v),
]  # fmt: skip
number = st.integers(0, 999)


def of(table, n):
    return table[n % len(table)]


def made(recipe):
    """A function of three numbers, put together by chance."""
    first, second, third, joined, reduced, last, seed, form = recipe
    data = np.random.default_rng(seed)
    M, c = data.normal(size=(4, 3)).round(2), data.normal(size=4).round(2)

    def f(x):
        z = M @ x + c * (form % 2)
        v = of(UNARY, first)(z)
        if form & 2:
            v = of(UNARY, second)(v)
        if form & 4:
            v = of(BINARY, joined)(v, of(UNARY, third)(z if form & 8 else x[np.array([0, 1, 2, 0])]))
        r = of(REDUCE, reduced)(v)
        return of(UNARY, last)(r) if form & 16 else r

    return f


recipes = st.tuples(number, number, number, number, number, number, number, st.integers(0, 31))


def no_chord_refutes(f, points, found):
    """On random chords at many scales, the middle of the graph is never above the chord by more than rounding."""
    with np.errstate(all="ignore"):
        for _ in range(200):
            x, y = points.normal(size=(2, 3)) * 10.0 ** points.uniform(-2, 1.5) + points.normal(size=3)
            share = points.uniform()
            u, v, m = f(x), f(y), f(share * x + (1 - share) * y)
            if np.isfinite([u, v, m]).all():
                slack = 1e-9 * (1 + abs(u) + abs(v) + abs(m))
                assert m <= share * u + (1 - share) * v + slack, f"{found}\nrefuted by {x}, {y}, {share}"


@settings(max_examples=60)
@given(recipes)
def test_no_verdict_on_a_random_function_is_wrong(recipe):
    f, points = made(recipe), np.random.default_rng(recipe[6])
    with np.errstate(all="ignore"):
        found = cr.convexity(f, points.normal(size=3), seconds=0.1)
        if found.verdict == "convex":
            no_chord_refutes(f, points, found)
        elif found.verdict == "not convex":
            assert chord_verifies(f, found.chord), found


@pytest.mark.parametrize(
    ("name", "spoil", "f"),
    [
        ("sqrt", {"derivative": lambda x, y: 1 + x}, lambda x: np.sum(np.sqrt(np.abs(x)))),
        ("tanh", {"formal": None, "derivative": lambda x, y: np.exp(x)}, lambda x: np.sum(np.tanh(x))),
        ("min", {"curved": 1}, lambda x: np.min(x)),
        ("log", {"formal": lambda x: x * x}, lambda x: np.sum(np.log(1 + x**2))),
        ("erf", {"derivative": lambda x, y: x}, lambda x: np.sum(scipy.special.erf(x))),
    ],
)
def test_a_spoiled_fact_makes_a_verdict_that_the_test_sees(name, spoil, f):
    op = OPS[name]
    old = {k: getattr(op, k) for k in spoil}
    from chainrule.analyze import bounds, curvature

    try:
        for k, v in spoil.items():
            object.__setattr__(op, k, v)
        bounds._signs.cache_clear()
        bounds._uncut.cache_clear()
        curvature._second.cache_clear()
        from chainrule.transform import rules

        rules._pushforward.cache_clear()
        found = cr.convexity(lambda x: f(x), np.ones(3), seconds=0.0)
        assert found.verdict == "convex"
        with pytest.raises(AssertionError):
            no_chord_refutes(f, np.random.default_rng(0), found)
    finally:
        for k, v in old.items():
            object.__setattr__(op, k, v)
        bounds._signs.cache_clear()
        bounds._uncut.cache_clear()
        curvature._second.cache_clear()
        rules._pushforward.cache_clear()


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.curved], ids=str)
def test_ops_said_to_be_curved_are(op):
    import claims

    points = np.random.default_rng(0)
    for case in claims.cases(op):
        for _ in range(200):
            a, b = ([points.normal(size=x.shape) * 3 for x in case.args] for _ in range(2))
            share = points.uniform()
            at = lambda z: op.evaluate(*z, **case.params)  # noqa: B023, E731
            chord = share * at(a) + (1 - share) * at(b)
            middle = at([share * p + (1 - share) * q for p, q in zip(a, b, strict=True)])
            assert np.all(op.curved * (chord - middle) >= -1e-12)


# --- what it says ---------------------------------------------------------------------------------------------------


def test_the_chord_of_a_convex_function_is_on_or_above_the_graph():
    """On or above: along a straight piece it coincides with the graph, and the function is not strictly convex."""
    f = lambda x: np.abs(x)  # noqa: E731
    found = cr.convexity(f, 1.0)
    assert found.verdict == "convex"
    assert found.strict is None
    assert f(0.5 * 1 + 0.5 * 3) == 0.5 * f(1) + 0.5 * f(3)
    assert f(0.5 * -1 + 0.5 * 3) < 0.5 * f(-1) + 0.5 * f(3)


def test_convex_does_not_mean_a_single_minimum():
    many = cr.convexity(lambda x: np.maximum(0, np.abs(x) - 1), 0.0)
    none = cr.convexity(lambda x: np.exp(x), 0.0)
    one = cr.convexity(lambda x: np.exp(x) + x**2, 0.0)
    assert many.minima == none.minima == "Every local minimum is global; there may be several, or none."
    assert one.minima == "There is exactly one minimum: the function is strongly convex."
    assert one.modulus == pytest.approx(2)


def test_squared_error_of_a_linear_model_is_convex_and_strongly_so_with_full_column_rank():
    found = cr.convexity(lambda w: np.mean((X @ w - t) ** 2), w)
    assert found.modulus == pytest.approx(np.linalg.eigvalsh(2 / N * X.T @ X)[0])
    assert found.modulus <= np.linalg.eigvalsh(2 / N * X.T @ X)[0]
    twice = np.hstack([X, X])  # every column twice: many minimizers
    found = cr.convexity(lambda w: np.mean((twice @ w - t) ** 2), np.zeros(2 * D))
    assert found.verdict == "convex"
    assert found.modulus is None


def test_the_loss_of_a_network_is_not_convex():
    f, p = NOT_CONVEX["network, tanh"]
    found = cr.convexity(f, p)
    assert found.verdict == "not convex"
    # hidden units may be exchanged: a minimum has copies
    order = [1, 0, 2, 3]
    assert f((V1[:, order], V2[order])) == pytest.approx(f(p))


def test_ridge_adds_to_the_modulus():
    for penalty in (0.01, 1.0):
        found = cr.convexity(lambda w, c: np.mean(np.abs(X @ w - t)) + c * np.sum(w**2), w, penalty)
        assert found.modulus == pytest.approx(2 * penalty)
    free = cr.convexity(lambda w, b: np.mean((w - 1) ** 2) + 0 * b, w, 0.0, wrt=(0, 1))
    assert free.modulus is None


def test_a_proof_names_what_the_user_wrote():
    found = cr.convexity(lambda w: np.mean(np.log1p(np.exp(-signs * (X @ w)))), w)
    text = str(found)
    assert "X @ w is affine" in text
    assert "np.log1p(np.exp(-signs * (X @ w))) is convex: as a function of one number φ″ ≥ 0" in text
    assert found.proof[0].where.startswith("test_convexity.py:")
    assert "np.log1p" in found._repr_html_()
    assert found.as_dict()["proof"][0]["curvature"] == "affine"


def test_undecided_says_where_the_proof_stopped():
    found = cr.convexity(lambda x: np.sum(np.linalg.inv(np.eye(2) + x * x)), np.zeros((2, 2)), seconds=0.0)
    assert found.verdict == "undecided"
    assert "inv" in found.blocked.expression
    assert "test_convexity.py" in found.blocked.where
    assert "inv" in found.reason


def test_domains():
    cube = lambda x: np.sum(x**3)  # noqa: E731
    assert cr.convexity(cube, np.ones(2), domain="positive").verdict == "convex"
    assert cr.convexity(cube, np.ones(2), domain=(0.0, 5.0)).verdict == "convex"
    assert cr.convexity(cube, np.ones(2), domain=(np.array([0.0, 1.0]), np.array([5.0, 2.0]))).verdict == "convex"
    assert cr.convexity(cube, np.ones(2), domain=(-1.0, 5.0)).verdict == "not convex"
    chord = cr.convexity(cube, np.ones(2), domain=(-1.0, 5.0)).chord
    assert np.all((chord.x >= -1) & (chord.y >= -1) & (chord.x <= 5) & (chord.y <= 5))
    assert cr.convexity(lambda x: np.sin(x), 4.0, domain=(3.2, 6.0)).verdict == "convex"
    assert cr.convexity(lambda x: -np.log(1 - x), 0.0).conditions == ("1 - x > 0",)
    for wrong in ("negative", (1.0, 0.0), (0.0, np.nan), 3, (np.zeros(3), np.ones(3))):
        with pytest.raises(ArgumentError):
            cr.convexity(cube, np.ones(2), domain=wrong)


def test_other_arguments_are_fixed_at_their_values():
    f = lambda x, c: c * x**2  # noqa: E731
    assert cr.convexity(f, 1.0, 2.0).verdict == "convex"
    assert cr.convexity(f, 1.0, -2.0).verdict == "not convex"
    assert cr.convexity(f, 1.0, -2.0, wrt=1).verdict == "convex"  # affine in c
    assert cr.convexity(f, 1.0, 2.0, wrt=(0, 1)).verdict == "not convex"
    assert (
        cr.convexity(lambda x, c: np.sum(np.where(c > 0, x**2, -x)), np.ones(3), np.array([1, -1, 1])).verdict
        == "convex"
    )


def test_whole_numbers_and_short_floats():
    assert cr.convexity(lambda x: x**2, 3).verdict == "convex"
    small = np.ones(3, np.float32)
    assert cr.convexity(lambda x: np.sum(np.log(1 + np.exp(x))), small).verdict == "convex"
    found = cr.convexity(lambda x: np.sum(np.sin(x)), small)
    assert found.verdict == "not convex"
    assert found.chord.x.dtype == np.float32


def test_what_can_not_be_asked_is_refused():
    for call in (
        lambda: cr.convexity(lambda x: x, np.ones(2)),
        lambda: cr.convexity(lambda x: np.sum(x), np.array([1, 2])),
        lambda: cr.convexity(lambda x, c: np.sum(x * c), np.ones(2), np.array([1.0, np.nan])),
        lambda: cr.convexity("x**2", 1.0),
        lambda: cr.convexity(lambda x: x**2, "one"),
        lambda: cr.grad(lambda x: x * cr.convexity(lambda z: z * x, 1.0).verdict.count("c"))(1.0),
    ):
        with pytest.raises(ChainruleError):
            call()


def test_a_single_point_of_its_own_value_is_no_part_of_a_proof():
    for f in (
        lambda x: np.where(x == 0, 1.0, x**2),
        lambda x: np.where(x != 1, x**2, 0.0),
        lambda x: np.where(x**2 > 0, x**2, 5.0),
    ):
        assert cr.convexity(f, 0.5, seconds=0.0).verdict != "convex"
    jump = lambda x: np.where(x > 0, x + 1, 0.0)  # noqa: E731
    assert cr.convexity(jump, 0.5, domain=(0.0, 1.0), seconds=0.0).verdict != "convex"
    assert cr.convexity(lambda x: np.where(x**2 > 0, x**2, 0.0), 0.5, seconds=0.0).verdict != "not convex"
    assert cr.convexity(lambda x: np.where(x >= 0, x, -x), 0.5).verdict == "convex"


def test_constants_and_affine_functions_are_convex_and_not_strictly():
    for f in (lambda x: 3.0 * np.sum(x), lambda x: np.sum(x) * 0 + 1, lambda x: np.float64(2.0)):
        found = cr.convexity(f, np.ones(2))
        assert found.verdict == "convex"
        assert found.strict is False


def test_the_examples_that_ship_are_judged_in_a_second():
    def of_example(name, *names, wrt):
        m = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
        return cr.convexity(m["loss"], *[m[n] for n in names], wrt=wrt)

    begin = time.perf_counter()
    cancer = of_example("breast_cancer", "w", "b", "X", "y", "penalty", wrt=0)
    assert cancer.modulus == pytest.approx(0.01)
    assert of_example("breast_cancer", "w", "b", "X", "y", "penalty", wrt=(0, 1)).verdict == "convex"
    assert of_example("linear_regression", "intercept", "slope", "x", "y", wrt=(0, 1)).modulus > 0
    assert of_example("neural_network", "params", "X", "Y", "penalty", wrt=0).verdict == "not convex"
    assert of_example("rosenbrock", "x", wrt=0).verdict == "not convex"
    assert of_example("maximum_likelihood", "log_shape", "log_rate", "times", wrt=(0, 1)).verdict == "not convex"
    assert time.perf_counter() - begin < 20


def test_a_million_parameters_need_no_hessian():
    x = np.zeros(1_000_000)
    assert cr.convexity(lambda x: np.sum(np.logaddexp(0, x)) + 0.5 * np.sum(x**2), x).verdict == "convex"
    assert cr.convexity(lambda x: np.sum(np.sin(x)), x, seconds=20).verdict == "not convex"


def test_the_verdict_is_a_record():
    found = cr.convexity(lambda x: x**2, 1.0)
    assert isinstance(found, Convexity)
    assert replace(found, modulus=None, strict=None).reason == "The function is convex."
    assert found.reason == "The function is strongly convex, with modulus 2."
    with pytest.raises(AttributeError):
        found.verdict = "not convex"
