"""Rows in groups: what stands once in a row is computed on lanes, with the same values as row by row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.call import Call
from chainrule.execute import Executable
from chainrule.ir import Const
from chainrule.native import compiler, groups
from chainrule.native.run import Stretch
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch):
    monkeypatch.setattr(groups, "_MANY", 1)


def logistic(w, X, y):
    z = X @ w
    return np.mean(np.logaddexp(0, z) - y * z)


def least_squares(w, X, y):
    return np.sum((X @ w - y) ** 2) / 2


def poisson(w, X, y):
    z = X @ w
    return np.sum(np.exp(z) - y * z) + 0.5 * np.sum(w**2)


def two_products(w, X, y):
    return np.sum(np.tanh(X @ w) * np.exp(-((X @ (w * w)) ** 2)) * y)


def with_rows_out(w, X, y):
    z = X @ w
    return np.exp(-z), X * np.sqrt(np.abs(z))[:, None], np.sum(X, axis=1) > y, X.T @ z


def gathered(w, X, y):
    at = (y * len(y)).astype(int)
    return np.sum(np.tanh(X[at] @ w) * y[at[::-1]])


def by_rows(w, X, y):
    return np.sum(np.exp(-np.sum(X * y[:, None], axis=1)) * np.log1p(y)) + np.sum(w)


def normalized(w, X, y):
    m = np.mean(X, axis=1)
    s = np.mean(X * X, axis=1) - m * m
    return np.sum(((X - m[:, None]) / np.sqrt(s + 1e-3)[:, None]) @ w * y)


CASES = [logistic, least_squares, poisson, two_products, with_rows_out, gathered, by_rows, normalized]


def kernel_of(program):
    return compiler._kernel(program)


def gradient(program):
    one = Const(np.ones((), program.outputs[0].type.dtype))
    return simplify(reverse(program, [0], [one]).program)


def drawn(n, m, kind, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=m).astype(kind) / 2, rng.normal(size=(n, m)).astype(kind), rng.random(n).astype(kind)]


def programs(f, args):
    program = simplify(Call(f, tuple(args), {}, 0).program)
    yield program
    if len(program.outputs) == 1:
        yield gradient(program)


def agree(found, expected, args):
    digits = 5e-5 if args[0].dtype == np.float32 else 1e-12
    for y, z in zip(found, expected, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        if z.dtype.kind == "f":
            size = np.max(np.abs(z[np.isfinite(z)]), initial=1e-300)
            np.testing.assert_allclose(y, z, rtol=digits, atol=digits * size)
        else:
            np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("large", [0, 1 << 40], ids=["far", "near"])
@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_rows_in_groups_are_rows(monkeypatch, f, kind, large):
    monkeypatch.setattr(groups, "_LARGE", large)
    for n, m in ((64, 32), (67, 33), (131, 100), (81, 17), (300, 70), (72, 16), (70, 8)):
        m += large > 0  # kernels are kept
        args = drawn(n, m, kind)
        for program in programs(f, args):
            with np.errstate(all="ignore"):
                agree(Stretch(program)(args), Executable(program)(args), args)


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_these_rows_are_in_groups(f):
    kinds = [set(kernel_of(p).kinds.values()) for p in programs(f, drawn(128, 100, "f8"))]
    assert any("in groups" in k for k in kinds)


LINES = [
    "r = X @ v", "r = X @ w", "r = np.sum(X * X, axis=1)", "r = np.exp(-r * r)", "r = np.tanh(r) + y", "r = r * y",
    "r = np.max(X, axis=1) + r", "r = np.min(X * w, axis=1)", "s = s + np.sum(r)", "s = s + np.sum(X.T @ r)",
    "v = X.T @ r / len(X)", "r = np.where(r > 0, r, y)", "X = X * r[:, None]", "X = X + v", "s = s + np.max(r)",
    "r = np.sqrt(np.abs(r) + 1)", "X = X - np.mean(X, axis=1)[:, None]", "s = s + np.sum(X[:, 1] * r)",
    "r = r + X[:, 3]", "r = np.exp(-np.sum(X * y[:, None], axis=1))", "r = X[(y * len(y)).astype(int)] @ v",
    "X = X[(y * len(y) / 2).astype(int)]", "r = np.cumsum(r) / 10", "r = r[::-1] * y",
]  # fmt: skip


def random_rows(lines):
    body = "\n    ".join(lines)
    scope = {"np": np}
    exec(f"def f(w, X, y):\n    r, s, v = y, 0.0, w\n    {body}\n    return s + np.sum(r) + np.sum(v), r, v", scope)
    return scope["f"]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=7), st.integers(32, 150), st.integers(3, 45),
    st.sampled_from(["f8", "f4"]), st.sampled_from([0, 1 << 40]),
)  # fmt: skip
def test_random_rows(lines, n, m, kind, large):
    f, args = random_rows(lines), drawn(n, 2 * m + (large > 0), kind, n)  # kernels are kept
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(groups, "_LARGE", large)
        program = simplify(Call(f, tuple(args), {}, 0).program)
        agree(Stretch(program)(args), Executable(program)(args), args)


def test_sums_over_many_rows_are_as_exact_as_others():
    n, m = 1 << 15, 32
    rng = np.random.default_rng(0)
    X, r = rng.normal(size=(n, m)) * 10.0 ** rng.integers(-8, 9, size=(n, m)), np.ones(n)
    found = cr.compile(lambda w, X, y: X.T @ (np.exp(X @ w) * y))(np.zeros(m), X, r)
    for k in range(m):
        scale = math.fsum(np.abs(X[:, k]))
        assert abs(found[k] - math.fsum(X[:, k])) <= 30 * np.finfo(float).eps * scale


def test_threads_give_the_same_bits():
    args = drawn(20_003, 101, "f8")
    one, two = (cr.value_and_grad(lambda w, X, y: logistic(w, X, y), threads=t)(*args) for t in (1, 2))
    assert one[0] == two[0]
    np.testing.assert_array_equal(one[1], two[1])


def test_rows_that_are_mixed_up_are_seen(monkeypatch):
    """Were what stands in lanes given to the wrong rows, the values would differ."""
    args = drawn(64, 32, "f8")
    right = groups.Groups._by_row

    def wrong(self, loop, along):
        known = set(self.values)
        right(self, loop, along)
        new = [key for key in self.values if key not in known]
        values = [self.values[key] for key in new]
        self.values.update(zip(new, values[1:] + values[:1], strict=True))

    monkeypatch.setattr(groups.Groups, "_by_row", wrong)
    program = list(programs(logistic, args))[1]
    with pytest.raises(AssertionError):
        agree(Stretch(program)(args), Executable(program)(args), args)
