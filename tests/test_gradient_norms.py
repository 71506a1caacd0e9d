"""How large gradients are on their way back: against closed forms, and against the gradient itself."""

import re

import numpy as np
import pytest
import scipy.special

import chainrule as cr

RNG = np.random.default_rng(7)


def orthogonal(n):
    return np.linalg.qr(RNG.normal(size=(n, n)))[0]


@pytest.mark.parametrize("rho", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("steps", [3, 20])
def test_a_linear_chain_of_scaled_orthogonal_matrices_has_the_gain_rho_to_the_depth(rho, steps):
    """h ← ρ Q h: every step back multiplies by exactly ρ, in any direction."""
    matrices = [rho * orthogonal(5) for _ in range(steps)]

    def net(x, matrices):
        for m in matrices:
            x = m @ x
        return np.sum(x)

    found = cr.gradient_norms(net, RNG.normal(size=5), matrices)
    assert [v.gain for v in found.values[: steps - 1]] == pytest.approx([rho] * (steps - 1), rel=1e-13)
    assert found.parameters[0].gradient == pytest.approx(rho**steps * np.sqrt(5), rel=1e-12)
    assert found.values[0].adjoint / found.values[steps - 1].adjoint == pytest.approx(rho ** (steps - 1), rel=1e-12)


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_sigmoids_at_zero_shrink_a_gradient_by_a_quarter_each_times_the_weights(depth):
    weights = RNG.uniform(0.5, 2, depth)

    def net(x, weights):
        for w in weights:
            x = scipy.special.expit(w * x) - 0.5
        return x

    found = cr.gradient_norms(net, 0.0, weights.tolist())
    assert found.parameters[0].gradient == pytest.approx(4.0**-depth * np.prod(weights), rel=1e-13)
    quarters = [v.gain for v in found.values if v.gain == pytest.approx(0.25, rel=1e-13)]
    assert len(quarters) == depth


def deep(activation, scale):
    def net(layers, x):
        for w in layers:
            x = activation(x @ (scale * w))
        return np.mean(x**2)

    return net


@pytest.mark.parametrize(
    ("activation", "scale", "verdict"),
    [
        (scipy.special.expit, 1.0, "vanishing"),
        (lambda z: z, 1.0, "steady"),
        (lambda z: z, 3.0, "exploding"),
        (lambda z: z, 0.3, "vanishing"),
        (np.tanh, 1.0, "steady"),
    ],
    ids=["sigmoid", "linear", "linear × 3", "linear × 0.3", "tanh"],
)
def test_the_verdict_follows_its_criterion(activation, scale, verdict):
    layers = [orthogonal(6) for _ in range(12)]
    found = cr.gradient_norms(deep(activation, scale), layers, RNG.normal(size=(4, 6)))
    assert found.verdict == verdict, str(found)
    entries = [v.adjoint for v in found.values if v.enters]
    assert len(entries) == 12
    least, most = min(entries) / entries[-1], max(entries) / entries[-1]
    assert (least < 1e-3) == (verdict == "vanishing")
    assert (most > 1e3) == (verdict == "exploding")
    assert str(found).startswith(f"{verdict}: ")


def test_norms_of_parameters_are_those_of_the_gradient():
    p = {"W": RNG.normal(size=(3, 2)), "b": np.zeros(2), "layers": [RNG.normal(size=2), 2.0]}

    def loss(p, x):
        h = np.tanh(x @ p["W"] + p["b"])
        return np.mean((h @ p["layers"][0] * p["layers"][1]) ** 2)

    x = RNG.normal(size=(5, 3))
    found, g = cr.gradient_norms(loss, p, x), cr.grad(loss)(p, x)
    assert [q.name for q in found.parameters] == ["p['W']", "p['b']", "p['layers'][0]", "p['layers'][1]"]
    norms = [np.linalg.norm(a) for a in (g["W"], g["b"], *g["layers"])]
    assert [q.gradient for q in found.parameters] == pytest.approx(norms, rel=1e-12)
    assert found.total == pytest.approx(np.linalg.norm(norms))


def test_adjoints_are_what_differences_say():
    """The adjoint of an intermediate value is the derivative in a number added to it."""
    x, w = RNG.normal(size=3), RNG.normal(size=3)

    def loss(w, x, nudge):
        h = np.tanh(w * x) + nudge
        return np.sum(h**3)

    found = cr.gradient_norms(loss, w, x, np.zeros(3))
    adjoint = np.linalg.norm(cr.grad(loss, wrt="nudge")(w, x, np.zeros(3)))
    assert any(v.adjoint == pytest.approx(adjoint) for v in found.values)


def test_gains_along_a_chain_multiply_to_the_whole():
    layers = [1.3 * orthogonal(4) for _ in range(5)]

    def net(x, layers):
        for w in layers:
            x = np.tanh(w @ x)
        return np.sum(x)

    found = cr.gradient_norms(net, RNG.normal(size=4), layers)
    gains = [v.gain for v in found.values[:-1]]
    assert np.prod(gains) == pytest.approx(found.values[0].adjoint / found.values[-1].adjoint)
    assert found.values[-1].gain is None


def test_numbers_whose_squares_overflow_have_norms():
    found = cr.gradient_norms(lambda w: np.sum(w * 1e200), np.ones(4))
    assert found.parameters[0].gradient == pytest.approx(2e200)


def test_the_first_value_that_is_not_finite_is_named():
    def loss(w, x):
        with np.errstate(all="ignore"):
            scaled = np.log(x)
        return np.sum(w * scaled)

    with np.errstate(all="ignore"):
        found = cr.gradient_norms(loss, np.ones(2), np.array([1.0, 0.0]))
    assert found.verdict == "not finite"
    assert "test_gradient_norms.py" in found.reason
    with np.errstate(all="ignore"):
        backward = cr.gradient_norms(lambda w: np.sum(np.sqrt(w)), np.array([1.0, 0.0]))
    assert backward.verdict == "not finite"


def test_without_depth_there_is_no_verdict():
    found = cr.gradient_norms(lambda w, X, y: np.mean((X @ w - y) ** 2), np.ones(3), np.ones((9, 3)), np.zeros(9))
    assert found.verdict in ("steady", "undecided")
    assert cr.gradient_norms(lambda w: np.sum(0 * w), np.ones(3)).parameters[0].gradient == 0
    assert cr.gradient_norms(lambda w, x: np.sum(x), np.ones(3), np.ones(2)).verdict == "undecided"
    assert cr.gradient_norms(lambda w: 3.0, 1.0).verdict == "undecided"


def test_a_million_rows_are_no_vanishing_gradient():
    """A mean divides every adjoint by n: that is the loss's scale, not the network's depth."""
    X, y = RNG.normal(size=(100_000, 2)), RNG.normal(size=100_000)
    assert cr.gradient_norms(lambda w, X, y: np.mean((X @ w - y) ** 2), np.ones(2), X, y).verdict == "steady"


def test_the_record_prints_draws_and_becomes_json():
    import json

    found = cr.gradient_norms(deep(np.tanh, 1.0), [np.eye(3, dtype=np.float32)] * 2, np.ones((2, 3), np.float32))
    assert "‖adjoint‖" in str(found)
    assert found.figure.svg().startswith("<svg")
    assert "<table>" in found._repr_html_()
    json.dumps(found.as_dict())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cr.gradient_norms(lambda x: x, np.ones(2)), "one number"),
        (lambda: cr.gradient_norms(lambda x: np.sum(x), np.ones(2, int)), "real numbers"),
        (lambda: cr.gradient_norms(lambda x: np.sum(x), "a"), "str"),
        (lambda: cr.grad(lambda x: cr.gradient_norms(np.sum, x).total)(np.ones(2)), "recorded function"),
    ],
)
def test_what_has_no_gradient_is_refused(call, says):
    with pytest.raises(cr.ChainruleError, match=says):
        call()


def test_the_first_value_that_is_not_finite_is_shown_with_its_formula():
    with np.errstate(all="ignore"):
        found = cr.gradient_norms(lambda w, x: np.sum(w * np.log(x)), np.ones(2), np.array([1.0, 0.0]))
    assert re.search(r"the value \S+ = ln\(x\) \(test_gradient_norms\.py:\d+\) is the first", found.reason)
