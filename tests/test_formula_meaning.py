"""A formula means what the program computes: each is read back, by shapes and indices alone, and compared."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special
from meaning import Ambiguous, Reader, array_of

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.explain.formula import formula
from chainrule.explain.names import symbol
from chainrule.explain.textbook import gradient, value

rng = np.random.default_rng(4)


def n(*shape):
    return rng.normal(size=shape)


def spd(k):
    m = n(k, k)
    return m @ m.T + k * np.eye(k)


x, y, b, c = n(4), n(4), n(3), n(5)
A, B, S, X = n(4, 3), n(3, 5), n(4, 4), n(5, 3)
T, U, theta = n(3, 4, 5), n(3, 4, 3), n(8)
labels = (rng.random(5) > 0.5) * 1.0

CORPUS = {
    # axes that are inserted
    "pairwise": (lambda x: np.sum((x[:, None] - x[None, :]) ** 2), x),
    "pairwise matrix": (lambda x: x[:, None] - x[None, :], x),
    "kernel": (lambda x, k: np.exp(-k * (x[:, None] - x[None, :]) ** 2), x, 0.7),
    "gaussian process": (
        lambda k, x, y: y @ np.linalg.solve(np.exp(-k * (x[:, None] - x[None, :]) ** 2) + 0.1 * np.eye(4), y),
        0.7, x, y,
    ),
    "squared distances": (lambda C, X: np.sum((X[:, None] - C[None]) ** 2, axis=2), n(2, 3), X),
    "k-means": (lambda C, X: np.sum(np.min(np.sum((X[:, None] - C[None]) ** 2, axis=2), axis=1)), n(2, 3), X),
    "rows": (lambda A, b: np.sum((A + b) ** 2), A, b),
    "columns": (lambda A, y: np.sum((A + y[:, None]) ** 2), A, y),
    "square rows": (lambda S, x: np.exp(S + x), S, x),
    "square columns": (lambda S, x: np.exp(S + x[:, None]), S, x),
    "centred columns": (lambda A: A - A.mean(0), A),
    "centred rows": (lambda A: A - A.mean(1, keepdims=True), A),
    "normalized rows": (lambda A: A / A.sum(1, keepdims=True), A),
    "normalized columns": (lambda A: np.sum(np.exp(A / A.sum(0))), A),
    "times rows": (lambda A, b: np.sum(np.exp(A * b)), A, b),
    "times columns": (lambda A, y: np.sum(np.exp(A * y[:, None])), A, y),
    "outer": (lambda x, b: np.sum(np.tanh(x[:, None] * b)), x, b),
    "outer sum": (lambda x, b: np.sum(np.tanh(x[:, None] + b)), x, b),
    "over rows": (lambda A, b: np.sum(A / b), A, b),
    "under rows": (lambda A, b: np.sum(b / np.exp(A)), A, b),
    "columns of ones": (lambda x: np.sum(np.broadcast_to(x[:, None], (4, 3)) ** 2), x),
    "largest of rows": (lambda A, y: np.sum(np.maximum(A, y[:, None])), A, y),
    "layer norm": (lambda A: np.sum(np.tanh((A - A.mean(1, keepdims=True)) / A.var(1, keepdims=True))), A),
    "chosen": (lambda A, y: np.sum(np.where(y[:, None] < A, A, y[:, None] ** 2)), A, y),
    "tensor plus matrix": (lambda T, P: np.sum(np.sin(T + P)), T, n(4, 5)),
    "tensor plus vectors": (lambda T, b, y: np.sum(np.sin(T + b[:, None, None] * y[:, None])), T, b, y),
    "constant column": (lambda x: 3.0 * np.ones((4, 3)) * x[:, None], x),
    # reshapes, slices
    "flat parameters": (lambda theta, X: np.sum((X @ theta[:6].reshape(3, 2)) ** 2), theta, X),
    "flat network": (
        lambda theta, X, c: np.mean((np.tanh(X @ theta[:6].reshape(3, 2)) @ theta[6:] - c) ** 2), theta, X, c,
    ),
    "reshaped squared": (lambda x: np.sum(x.reshape(2, 2) @ x.reshape(2, 2)), x),
    "raveled": (lambda S: S.ravel() @ S.T.ravel(), S),
    "differences": (lambda x: np.sum((x[1:] - x[:-1]) ** 2), x),
    "an element": (lambda x: x[0] ** 2 * x[1], x),
    "a row and a column": (lambda S: S[0] @ S[:, 1], S),
    "a column as matrix": (lambda A, b: np.sum((A @ b[:, None]) ** 2), A, b),
    "joined": (lambda x, b: np.sum(np.exp(np.concatenate([x, b]))), x, b),
    "joined rows": (lambda A, P: np.sum(np.exp(np.concatenate([A, P]))), A, n(2, 3)),
    "joined columns": (lambda A, P: np.sum(np.exp(np.concatenate([A, P], axis=1))), A, n(4, 2)),
    "stacked": (lambda x, y: np.sum(np.exp(np.stack([x, y])) @ x), x, y),
    "running sums": (lambda x: np.sum(np.cumsum(x) ** 2), x),
    "an array inside an element": (
        lambda x, y, w: np.sum(np.exp(np.reshape(x[:, None] - y, 16)) * np.tanh(w)), x, y, n(16),
    ),
    # contractions
    "ijk,kj": (lambda T, P: np.sum(np.einsum("ijk,kj->i", T, P) ** 2), T, n(5, 4)),
    "iji->j": (lambda U: np.sum(np.einsum("iji->j", U)), U),
    "iji->j of squares": (lambda U: np.sum(np.einsum("iji->j", U**2)), U),
    "iij->j of exponentials": (lambda U: np.sum(np.einsum("iij->j", np.exp(U))), n(3, 3, 2)),
    "batched": (lambda c, T: np.sum(np.tanh(c[None] @ T.swapaxes(1, 2))), c, T),
    "batched product": (lambda T, P: np.sum(np.tanh(T @ P)), T, n(5, 2)),
    "iji->ij, traced": (lambda U: np.trace(np.einsum("iji->ij", U)), n(3, 3, 3)),
    "ii of squares": (lambda S: np.einsum("ii", S**2), S),
    "trace": (lambda S: np.trace(S @ S), S),
    "diagonal": (lambda S: np.sum(np.exp(np.diag(S))), S),
    "inverse": (lambda S: np.sum(np.linalg.inv(S + np.eye(4))), spd(4)),
    "bilinear": (lambda x, S, y: x @ S @ y, x, S, y),
    "turned products": (lambda A, S: np.sum(np.exp(A.T @ S)), A, S),
    "chain": (lambda A, B: np.sum(np.tanh(A @ B)), A, B),
    "inner product": (lambda A, S: np.sum(A * (S @ A)), A, S),
    "with its transpose": (lambda S: np.sum(S * S.T), S),
    "transposed inside": (lambda S: np.sum(np.exp(S * S.T)), S),
    "outer product": (lambda x, b: np.sum(np.outer(x, b) ** 2), x, b),
    "transposed tensor": (lambda T: np.sum(np.exp(T.transpose(2, 0, 1)) * T.transpose(2, 0, 1)), T),
    "sum of sums": (lambda x: np.sum(x * np.sum(np.exp(x) * np.sum(x**3))), x),
    "sums of a product": (lambda A, y: np.sum(np.sum(A * y[:, None], axis=0) ** 2), A, y),
    "attention": (
        lambda Q, K, V: np.sum(np.tanh(scipy.special.softmax(Q @ K.T, axis=1) @ V)), n(4, 3), n(5, 3), n(5, 2),
    ),
    "a matrix called I": (lambda I, w: np.trace(I) * w[0] + np.sum(np.exp(I)) * w[1], n(3, 3), b),  # noqa: E741
    # elements that are picked
    "labels": (lambda z, c: -np.mean(scipy.special.log_softmax(z, axis=1)[np.arange(5), c]), n(5, 3), np.arange(5) % 3),
    "labels of a linear model": (
        lambda W, X, c: np.mean(scipy.special.logsumexp(X @ W, axis=1) - (X @ W)[np.arange(5), c]),
        n(3, 4), X, np.array([0, 2, 1, 1, 3]),
    ),
    "pairs": (lambda S, i, j: np.sum(S[i, j] ** 2), S, np.array([0, 1, 1]), np.array([2, 1, 1])),
    "embedded": (lambda A, i: np.sum(np.tanh(A[i])), A, np.array([3, 0, 3])),
    "two embeddings": (
        lambda P, Q, i, j: np.sum((P[i] * Q[j]) ** 2), n(4, 3), n(5, 3), np.array([0, 1, 2]), np.array([1, 1, 2]),
    ),
    "repeated": (lambda x, c, b: np.sum(x[c] * b), x, np.array([1, 3, 3]), b),
    # the usual losses
    "least squares": (lambda w, X, c: np.mean((X @ w - c) ** 2), b, X, c),
    "logistic": (lambda w, X, c, k: -np.mean(c * np.log(s := scipy.special.expit(X @ w + k)) + (1 - c) * np.log(1 - s)),
                 b, X, labels, 0.2),
    "ridge": (lambda w, X, c, lam: np.sum((X @ w - c) ** 2) + lam * np.sum(w**2), b, X, c, 0.3),
    "network": (lambda W, d, V, X, Y: np.mean((np.tanh(X @ W + d) @ V - Y) ** 2), n(3, 4), n(4), n(4, 2), X, n(5, 2)),
    "cross entropy": (
        lambda W, X, Y: np.mean(scipy.special.logsumexp(X @ W, axis=1) - np.sum(Y * (X @ W), axis=1)),
        n(3, 4), X, np.eye(4)[[0, 1, 3, 2, 2]],
    ),
    "gaussian": (lambda mu, s, x: np.sum(0.5 * ((x - mu) / s) ** 2 + np.log(s)), 0.3, 0.8, x),
    "variance": (np.var, x),
    "weighted": (lambda w, X: w @ X.T @ X @ w / (w @ w), b, X),
    "norm": (lambda x, y: np.linalg.norm(x - y), x, y),
    "huber": (lambda x: np.sum(np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5)), x),
    "piecewise": (lambda x: np.sum(np.where(x > 0, x**2, -x)), x),
    "log determinant": (lambda S: np.linalg.slogdet(S)[1], spd(4)),
    "factorization": (lambda P, Q, S: np.sum((P @ Q.T - S) ** 2), n(4, 2), n(4, 2), S),
    "elementwise inverse": (lambda S: np.sum(S**-1.0), S),
    "elements of t": (lambda p, t: (p * t[0] + np.sin(p) * t[1]) ** 2 * np.exp(p * t[0] + np.sin(p) * t[1]), 0.3, b),
}  # fmt: skip


def readings(name):
    f, *args = CORPUS[name]
    program = cr.trace(f, *args)
    arrays = {symbol(v.name).unicode: a for v, a in zip(program.inputs, args, strict=True)}
    expected = np.asarray(f(*args))
    yield formula(program), [expected], arrays
    yield value(program), [expected], arrays
    if expected.shape == ():
        wrt = tuple(i for i, a in enumerate(args) if np.asarray(a).dtype.kind == "f")
        yield gradient(program, wrt), cr.grad(f, wrt=wrt)(*args) if len(wrt) > 1 else [cr.grad(f)(*args)], arrays


@pytest.mark.parametrize("name", CORPUS)
def test_a_formula_means_what_the_program_computes(name):
    for found, expected, arrays in readings(name):
        for (left, right), wanted in zip(found.heads, expected, strict=True):
            said = Reader(arrays, found.where).head(left, right, np.shape(wanted))
            np.testing.assert_allclose(
                array_of(said, np.shape(wanted)), wanted, rtol=1e-9, atol=1e-11, err_msg=f"{found}"
            )


# --- programs that nobody wrote ---------------------------------------------------------------------------------------

PAIRS = [
    np.add, np.subtract, np.multiply, lambda p, q: p / (2 + np.cos(q)), lambda p, q: np.where(p > q, p**2, -q),
]  # fmt: skip
SINGLES = [
    np.exp, np.tanh, np.abs, lambda a: a**2, lambda a: -a, lambda a: np.mean(a) * a, lambda a: np.swapaxes(a, 0, -1),
    lambda a: a[None], lambda a: a[:, None], np.ravel, lambda a: np.sum(a, 0), lambda a: np.sum(a, -1, keepdims=True),
    np.diag, lambda a: np.reshape(a, (2, -1)),
]  # fmt: skip
SPECS = ["ij,jk->i", "ij,kj->ki", "ij,ij->j", "ij,k->ijk", "ij,i->j", "i,j->ji", "ijk,kj->i", "ijk,ik->ij", "ii->i"]


def random_function(seed):
    """Arrays of one to three axes, put together wherever their shapes allow it."""
    draw = np.random.default_rng(seed)
    steps = draw.random((6, 4)).tolist()

    def f(x, y, A, B, T):
        made = [x, y, A, B, T]
        for kind, u, v, w in steps:
            a, b = (made[-7:][int(t * len(made[-7:]))] for t in (u, v))
            try:
                if kind < 0.4:
                    new = PAIRS[int(w * len(PAIRS))](a[..., None] if kind < 0.2 else a, b)
                elif kind < 0.6:
                    spec = SPECS[int(w * len(SPECS))]
                    new = np.einsum(spec, *(a, b)[: spec.count(",") + 1])
                else:
                    new = SINGLES[int(w * len(SINGLES))](a * 0.3)
            except (ValueError, IndexError, ChainruleError):
                continue
            if 0 < new.ndim <= 3 and new.size <= 100:
                made.append(new)
        return sum(np.sum(np.cos(m)) for m in made[-2:])

    return f


@pytest.mark.parametrize("seed", range(60))
def test_formulas_of_random_programs_mean_what_they_compute(seed):
    draw = np.random.default_rng(seed)
    args = [draw.normal(size=shape) for shape in [(4,), (3,), (4, 3), (3, 3), (2, 4, 3)]]
    f = random_function(seed)
    program = cr.trace(f, *args)
    arrays = {symbol(v.name).unicode: a for v, a in zip(program.inputs, args, strict=True)}
    gradients = cr.grad(f, wrt=(0, 1, 2, 3, 4))(*args)
    for found, expected in ((value(program), [f(*args)]), (gradient(program, range(5)), gradients)):
        for (left, right), wanted in zip(found.heads, expected, strict=True):
            said = array_of(Reader(arrays, found.where).head(left, right, np.shape(wanted)), np.shape(wanted))
            np.testing.assert_allclose(said, wanted, rtol=1e-7, atol=1e-9, err_msg=f"{found}")


# --- two programs, two formulas ---------------------------------------------------------------------------------------

DIFFERENT = [
    [lambda A, b: A + b, lambda A, b: A + b[:, None]],
    [lambda A, b: A * b, lambda A, b: A * b[:, None]],
    [lambda A, b: A / b, lambda A, b: A / b[:, None]],
    [lambda A, b: A - A.mean(0), lambda A, b: A - A.mean(1), lambda A, b: A - A.mean(1, keepdims=True)],
    [lambda A, b: A / A.sum(0), lambda A, b: A / A.sum(1), lambda A, b: A / A.sum(1, keepdims=True)],
    [lambda A, b: b[:, None] - b, lambda A, b: b - b[:, None], lambda A, b: b - b],
    [lambda A, b: A.ravel(), lambda A, b: A.T.ravel(), lambda A, b: A],
    [lambda A, b: A @ A, lambda A, b: A * A, lambda A, b: A.T @ A, lambda A, b: A * A.T],
    [lambda A, b: np.linalg.inv(A), lambda A, b: A**-1.0],
    [lambda A, b: np.concatenate([A, A]), lambda A, b: np.concatenate([A, A], axis=1)],
    [lambda A, b: np.stack([b, b]), lambda A, b: np.stack([b, b], axis=1), lambda A, b: np.concatenate([b, b])],
    [lambda A, b: A.sum(0), lambda A, b: A.sum(1)],
    [lambda A, b: np.max(A, 0), lambda A, b: np.max(A, 1), lambda A, b: np.max(A)],
    [lambda A, b: b[1:], lambda A, b: b[:-1]],
    [lambda A, b: A[0], lambda A, b: A[:, 0]],
    [lambda A, b: b[0], lambda A, b: b[1]],
    [lambda A, b: np.cumsum(A, 0), lambda A, b: np.cumsum(A, 1)],
]


@pytest.mark.parametrize("functions", DIFFERENT, ids=range(len(DIFFERENT)))
def test_what_differs_is_written_differently(functions):
    for reader in (formula, value):
        for style in ("unicode", "latex", "mathml"):
            texts = [getattr(reader(cr.trace(f, spd(3), np.ones(3))), style) for f in functions]
            for s, t in itertools.combinations(texts, 2):
                assert s != t


def test_a_reader_refuses_what_can_be_read_in_two_ways():
    """The evaluation that these tests rest on tells A + b from A + 1 bᵀ."""
    from chainrule.explain.layout import letter, product, summed, total, transposed
    from chainrule.explain.matrix import ONES

    a, v = letter("A"), letter("v")
    reader = Reader({"A": S, "v": x}, ())
    for wrong in (total(a, v, False), total(a, product([ONES, v]), False), product([v, v]), summed("i", v)):
        with pytest.raises(Ambiguous):
            reader.read(wrong, {})
    found = reader.read(total(a, product([ONES, transposed(v)]), False), {})
    np.testing.assert_allclose(array_of(found, (4, 4)), S + x)


def test_temporaries_are_not_elements_of_the_users_arrays():
    def kalman(p, t):
        m = 0.0
        for z in t:
            s = np.exp(-m) + p
            m = m + (z - m) * s + np.sin(s) / (1 + s * s) * z
        return m**2

    program = cr.trace(kalman, 0.5, np.array([1.0, 2.0, 4.0]))
    for found in (formula(program), value(program), gradient(program, [0])):
        names = [left.unicode for left, _ in found.where]
        assert len(set(names)) == len(names)
        assert not [name for name in names if name.startswith(("t", "p"))]


def test_a_new_value_of_an_array_is_not_an_element_of_the_old():
    def f(h):
        for _ in range(2):
            h = np.tanh(h + np.exp(h)) * h
        return h * h

    assert next(left.unicode for left, _ in formula(cr.trace(f, x)).where) in ("h⁽²⁾", "h⁽³⁾")
