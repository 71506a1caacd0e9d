"""The ten-second tour: one look at everything, in the order in which it is built. `make check` runs it."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import check

rng = np.random.default_rng(0)
X, y, w, b = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=3), 0.5


def loss(w, b, X, y):
    return np.mean((np.tanh(X @ w + b) - y) ** 2)


def by_hand(w, b, X, y):
    """The gradient of the loss, as one writes it on paper."""
    h = np.tanh(X @ w + b)
    g = 2 * (h - y) * (1 - h**2) / len(y)
    return X.T @ g, g.sum()


def test_a_function_is_recorded_as_a_program_that_prints_and_checks():
    p = cr.trace(loss, w, b, X, y)
    text = str(p)
    assert text.startswith("loss(w: float64[3], b: float64[], X: float64[5,3], y: float64[5]):")
    assert "tanh" in text
    assert text.splitlines()[-1].startswith("  return")
    check(p)
    assert p == cr.trace(loss, w, b, X, y)


def test_reverse_mode():
    value, gradient = cr.value_and_grad(loss, wrt=("w", "b"))(w, b, X, y)
    assert value == loss(w, b, X, y)
    for found, truth in zip(gradient, by_hand(w, b, X, y), strict=True):
        np.testing.assert_allclose(found, truth)
    np.testing.assert_allclose(cr.grad(loss)(w, b, X, y), by_hand(w, b, X, y)[0])


def test_forward_mode_and_pullbacks():
    v = rng.normal(size=3)
    value, slope = cr.jvp(lambda w: loss(w, b, X, y), (w,), (v,))
    assert value == loss(w, b, X, y)
    np.testing.assert_allclose(slope, by_hand(w, b, X, y)[0] @ v)
    value, pullback = cr.vjp(lambda w, b: np.tanh(X @ w + b), w, b)
    dw, db = pullback(np.ones(5))
    np.testing.assert_allclose(dw, X.T @ (1 - value**2))
    np.testing.assert_allclose(db, np.sum(1 - value**2))


def test_matrices_of_derivatives():
    f = lambda x: np.array([x[0] ** 2 * x[1], np.sin(x[1])])  # noqa: E731
    x = np.array([2.0, 3.0])
    np.testing.assert_allclose(cr.jacobian(f)(x), [[12, 4], [0, np.cos(3)]])
    H = cr.hessian(lambda x: x[0] ** 2 * x[1])(x)
    np.testing.assert_allclose(H, [[6, 4], [4, 0]])
    np.testing.assert_allclose(cr.hvp(lambda x: x[0] ** 2 * x[1])(x, np.array([1.0, -1.0])), H @ [1, -1])


def test_many_rows_at_once():
    one = lambda w, x, t: (np.tanh(x @ w) - t) ** 2  # noqa: E731
    rows = cr.vmap(cr.grad(one), in_axes=(None, 0, 0))(w, X, y)
    np.testing.assert_allclose(rows, np.stack([cr.grad(one)(w, x, t) for x, t in zip(X, y, strict=True)]))


def test_derivatives_nest():
    assert cr.grad(cr.grad(cr.grad(lambda x: x**4)))(2.0) == 48.0
    assert cr.grad(lambda x: x * cr.grad(lambda y: x * y)(1.0))(3.0) == 6.0


def test_parameters_may_be_nested():
    p = {"layers": [(rng.normal(size=(3, 4)), np.zeros(4)), (rng.normal(size=4), 0.0)]}

    def net(p):
        h = X
        for W, c in p["layers"]:
            h = np.tanh(h @ W + c)
        return np.mean((h - y) ** 2)

    g = cr.grad(net)(p)
    assert [W.shape for W, _ in g["layers"]] == [(3, 4), (4,)]
    step = 1e-6
    p["layers"][0][0][1, 2] += step
    up = net(p)
    p["layers"][0][0][1, 2] -= 2 * step
    np.testing.assert_allclose((up - net(p)) / (2 * step), g["layers"][0][0][1, 2], rtol=1e-6)


def test_what_a_function_reads_is_read_again_at_each_call():
    A = np.ones((2, 3))
    d = cr.grad(lambda w: np.sum((A * 2) @ w))
    np.testing.assert_array_equal(d(w), [4, 4, 4])
    A[:] = 5
    np.testing.assert_array_equal(d(w), [20, 20, 20])


def test_arrays_may_be_written_in_place():
    def fibonacci(x):
        a = np.zeros(8)
        a[:2] = x
        for i in range(2, 8):
            a[i] = a[i - 1] + a[i - 2]
        return a[-1]

    np.testing.assert_array_equal(cr.grad(fibonacci)(np.ones(2)), [8, 13])


def test_a_branch_that_is_not_taken_makes_no_nan():
    x = np.array([0.0, 4.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0)))(x), [0, 0.25])


def test_dtypes_stay():
    assert cr.grad(lambda x: np.sum(x**2) / 3)(np.ones(2, np.float32)).dtype == np.float32


def test_an_error_says_what_where_and_what_to_do():
    with pytest.raises(cr.ChainruleError) as letter:
        cr.grad(lambda x: x[0] if x[0] > 0 else x[1])(w)
    assert "test_tiny.py" in str(letter.value)
    assert "np.where" in str(letter.value)
    with pytest.raises(ValueError, match=r"float64\[5,3\]"):
        cr.grad(loss)(np.ones(4), b, X, y)


def test_a_gradient_is_checked_against_differences():
    assert cr.check(loss, w, b, X, y)


def test_a_minimum_is_found():
    found = cr.minimize(lambda x: np.sum((x - 3.0) ** 2), np.zeros(2))
    assert found.success
    np.testing.assert_allclose(found.x, [3, 3], atol=1e-5)
