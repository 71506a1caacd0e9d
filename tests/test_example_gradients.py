"""Gradients of single examples: what they are, what they add up to, and for which losses there are none."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli import plain
from chainrule.errors import ArgumentError, ChainruleError, ShapeError
from chainrule.numeric import example_gradients as checked

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=40)
W = RNG.normal(size=3)


def logistic(w, X, y, penalty):
    return np.mean(np.logaddexp(0, -np.sign(y) * (X @ w))) + penalty / 2 * np.sum(w**2)


def ridge(w, X, y):
    return np.sum((X @ w - y) ** 2) + 0.3 * np.sum(w**2)


def one_by_one(f, *args):
    """The gradients row by row, each by a batch of one."""
    w, X, y, *rest = args
    return np.stack([cr.grad(f)(w, X[i : i + 1], y[i : i + 1], *rest) for i in range(len(X))])


def test_gradients_are_those_of_batches_of_one():
    found = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    assert found.kind == "mean"
    assert found.arguments == ("X", "y")
    np.testing.assert_allclose(found.gradients, one_by_one(logistic, W, X, Y, 0.1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.gradients.mean(axis=0), cr.grad(logistic)(W, X, Y, 0.1), rtol=1e-12)


def test_the_statistics_are_those_of_the_gradients():
    found = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    g = found.gradients
    mean = g.mean(axis=0)
    np.testing.assert_allclose(found.norms, np.linalg.norm(g, axis=1))
    np.testing.assert_allclose(found.cosines, g @ mean / np.linalg.norm(g, axis=1) / np.linalg.norm(mean))
    assert found.spread == pytest.approx(np.trace(np.cov(g.T)))
    assert found.noise_scale == pytest.approx(np.trace(np.cov(g.T)) / (mean @ mean))
    assert found.signal == pytest.approx(np.linalg.norm(mean) / np.sqrt(np.trace(np.cov(g.T)) / 40))
    assert found.largest(1)[0][0] == int(np.argmax(np.linalg.norm(g, axis=1)))
    assert found.quantiles[0.5] == pytest.approx(np.median(found.norms))


def test_the_noise_scale_of_a_linear_model_is_the_closed_form():
    """At w = 0, with y = ±1 noise beside a signal, gradients are -2 x y: their mean and covariance are known."""
    n = 200_000
    x = np.random.default_rng(0).normal(size=(n, 2))
    y = x[:, 0] + np.random.default_rng(1).normal(size=n)
    found = cr.per_example_gradients(lambda w, x, y: np.mean((x @ w - y) ** 2), np.zeros(2), x, y, keep=False)
    # E g = (-2, 0); E|g|² = 4 E[y² |x|²] = 4 (E[x₁⁴] + E[x₁²x₂²] + 2) = 24, so tr Σ = 24 - 4
    assert found.noise_scale == pytest.approx(20 / 4, rel=0.05)


def test_a_sum_with_a_penalty_is_taken_apart():
    found = cr.per_example_gradients(ridge, W, X, Y)
    assert found.kind == "sum and a rest"
    expected = 2 * (X @ W - Y)[:, None] * X
    np.testing.assert_allclose(found.gradients, expected, rtol=1e-9, atol=1e-9)
    pure = cr.per_example_gradients(lambda w, X, y: np.sum((X @ w - y) ** 2), W, X, Y)
    assert pure.kind == "sum"
    np.testing.assert_allclose(pure.gradients, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda w, X, y: np.sqrt(np.mean((X @ w - y) ** 2)),  # at w = 0 a mean of equal rows would look alike
        lambda w, X, y: np.mean((X @ w - y) ** 2) + np.max(np.abs(X @ w)),
        lambda w, X, y: np.mean((X @ w - np.mean(X @ w) - y) ** 2),  # centred over the batch
        lambda w, X, y: np.log(np.sum(np.exp(X @ w - y))),
        lambda w, X, y: np.sum((X @ w - y) ** 2) / (len(y) + 1),
        lambda w, X, y: np.mean((X @ w - y) ** 2) + 1e-6 * np.std(X @ w),
        lambda w, X, y: np.sum(w**2),
        lambda w, X, y: (X @ w)[0] - y[0] + np.sum(w**2),
    ],
)
@pytest.mark.parametrize("w", [W, np.zeros(3)], ids=["somewhere", "at zero"])
def test_what_is_no_sum_over_rows_is_refused(f, w):
    with pytest.raises(ArgumentError):
        cr.per_example_gradients(f, w, X, np.ones(40))


def test_the_refusal_is_not_for_want_of_trying(monkeypatch):
    """The checker sees the difference: with a bound as wide as the values themselves it would not."""
    f = lambda w, X, y: np.sqrt(np.mean((X @ w - y) ** 2))  # noqa: E731
    monkeypatch.setattr(checked, "_fits", lambda *args: True)
    with pytest.raises(ArgumentError, match="don't add up"):  # the gradients tell, when values don't
        cr.per_example_gradients(f, W, X, Y)


def test_rows_that_take_different_courses_are_looked_at_one_by_one():
    def masked(w, X, y):
        r = X @ w - y
        return np.sum((r**2)[r > 0])

    found = cr.per_example_gradients(masked, W, X, Y)
    r = X @ W - Y
    np.testing.assert_allclose(found.gradients, np.where(r > 0, 2 * r, 0)[:, None] * X, atol=1e-12)


def test_structures_several_arguments_and_float32_keep_their_form():
    def loss(p, b, data):
        return np.mean((data["X"] @ p["w"] + b - data["y"]) ** 2)

    p = {"w": W.astype(np.float32)}
    data = {"X": X.astype(np.float32), "y": Y.astype(np.float32)}
    found = cr.per_example_gradients(loss, p, np.float32(0.5), data, wrt=("p", "b"))
    w, b = found.gradients
    assert w["w"].shape == (40, 3)
    assert w["w"].dtype == np.float32
    assert b.shape == (40,)
    assert found.arguments == ("data['X']", "data['y']")
    np.testing.assert_allclose(b, 2 * (X @ W + 0.5 - Y), rtol=1e-3, atol=1e-3)


def test_a_sample_has_the_rows_it_says():
    found = cr.per_example_gradients(logistic, W, X, Y, 0.1, sample=10)
    assert len(found.rows) == 10 == len(found.norms) == len(found.losses)
    every = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    np.testing.assert_allclose(found.gradients, every.gradients[found.rows], rtol=1e-12)
    np.testing.assert_allclose(found.cosines, every.cosines[found.rows], rtol=1e-9)
    assert len(cr.per_example_gradients(logistic, W, X, Y, 0.1, sample=1000).rows) == 40


def test_chunks_change_nothing(monkeypatch):
    whole = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    monkeypatch.setattr(checked, "_AT_ONCE", 21)
    parts = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    np.testing.assert_allclose(parts.gradients, whole.gradients, rtol=1e-12, atol=1e-15)
    assert parts.spread == pytest.approx(whole.spread)


def test_rows_can_be_named():
    def loss(w, X, y, scale):
        return np.mean((X @ w / scale[0] - y) ** 2)

    scale = np.full(40, 2.0)
    with pytest.raises(ChainruleError):
        cr.per_example_gradients(lambda w, X, y, s: np.mean((X @ w - y) ** 2) + np.sum(s), W, X, Y, scale)
    found = cr.per_example_gradients(loss, W, X, Y, scale, rows=("X", 2))
    assert found.arguments == ("X", "y")
    for rows, words in (
        ("Z", "not an argument"),
        (0, "is varied"),
        ((), "empty"),
        (7, "not the position"),
        (1.5, "not the"),
    ):
        with pytest.raises(ArgumentError, match=words):
            cr.per_example_gradients(loss, W, X, Y, scale, rows=rows)
    with pytest.raises(ArgumentError, match="different numbers of rows"):
        cr.per_example_gradients(loss, W, X, Y, np.ones(2), rows=("X", "scale"))


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        ((W, X[:1], Y[:1], 0.1), {}, "two or more"),
        ((W, X, Y, 0.1), {"sample": 1}, "two or more"),
        ((W, X, Y, 0.1), {"sample": True}, "two or more"),
        ((W, X * np.nan, Y, 0.1), {}, "not finite"),
        ((W, X, Y, 0.1), {"wrt": ("w", "X", "y")}, "holds rows"),
    ],
)
def test_what_can_not_be_is_said(args, options, words):
    with pytest.raises(ArgumentError, match=words):
        cr.per_example_gradients(logistic, *args, **options)


def test_a_loss_without_data_has_no_examples():
    with pytest.raises(ArgumentError, match="no argument outside of wrt holds rows"):
        cr.per_example_gradients(lambda w: np.sum(w**2), W)
    with pytest.raises(ShapeError):
        cr.per_example_gradients(lambda w, X: X @ w, W, X)


def test_gradients_too_many_to_keep_are_refused_and_not_kept_on_request():
    n = 4_000_000
    f = lambda w, x: np.mean(x * np.sum(w))  # noqa: E731
    with pytest.raises(ArgumentError, match="numbers"):
        cr.per_example_gradients(f, np.zeros(n), np.arange(50.0))
    found = cr.per_example_gradients(f, np.zeros(10_000), np.arange(50.0), keep=False)
    assert found.gradients is None
    assert found.norms[3] == pytest.approx(300.0)


def test_the_record_prints_and_survives_json():
    found = cr.per_example_gradients(logistic, W, X, Y, 0.1)
    assert str(found).startswith("40 examples, the rows of X and y; the loss is the mean of theirs.")
    document = json.loads(json.dumps(plain(found.as_dict()), allow_nan=False))
    assert len(document["norms"]) == 40
    assert "<p>40 examples" in found._repr_html_()


def test_where_all_gradients_vanish_nothing_breaks():
    found = cr.per_example_gradients(lambda w, x: np.mean(np.sum(w**2) * x), np.zeros(2), np.arange(1.0, 4.0))
    assert found.vanishes
    assert np.isnan(found.cosines).all()
    assert np.isnan(found.opposed)
    str(found)


def test_where_the_loss_vanishes_rounding_is_no_reason_to_refuse():
    y = X @ W
    found = cr.per_example_gradients(lambda w, X, y: np.mean((X @ w - y) ** 2), W * (1 + 1e-12), X, y)
    assert found.kind == "mean"
    exact = cr.per_example_gradients(lambda w, X, y: np.mean((X @ w - y) ** 2), W, X, y)
    assert exact.kind == "mean"
    with pytest.raises(ArgumentError):  # and no licence
        cr.per_example_gradients(lambda w, X, y: np.sqrt(np.mean((X @ w - y) ** 2)), W, X, y)
