"""Routines on whole arrays inside kernels: products, solves and factors are NumPy's, in one kernel."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import blas, lapack
from chainrule.native.run import Mixed, Stretch
from chainrule.transform.simplify import simplify

SIZES = [1, 2, 7, 8, 9, 33, 100]
DIGITS = {"f8": 12, "f4": 4}


def one_kernel(f, *args):
    """The program and its one kernel."""
    program = simplify(cr.trace(f, *args))
    mixed = Mixed(program)
    assert [type(run) for run, _, _ in mixed.parts] == [Stretch], program
    return program, mixed


def same(found, expected, digits):
    """Equal in type and shape, in NaN and infinities, and to so many digits of the largest entry."""
    for y, z in zip(found, expected, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(z))
        finite = np.isfinite(z)
        np.testing.assert_array_equal(y[~finite], z[~finite])
        size = np.max(np.abs(z[finite]), initial=1e-300)
        assert np.all(np.abs(y[finite] - z[finite]) <= 10.0**-digits * size), f"{y} is not {z}"


def agrees(f, *args, digits=12):
    program, mixed = one_kernel(f, *args)
    same(mixed(args), Executable(program)(args), digits)


def drawn(rng, kind, *shapes):
    return tuple(rng.normal(size=s).astype(kind) for s in shapes)


PRODUCTS = {
    "matrices": (lambda x, y: x @ y, lambda n, m, k: ((n, m), (m, k))),
    "vectors": (lambda x, y: x @ y, lambda n, m, k: ((m,), (m,))),
    "matrix and vector": (lambda x, y: x @ y, lambda n, m, k: ((n, m), (m,))),
    "vector and matrix": (lambda x, y: x @ y, lambda n, m, k: ((m,), (m, k))),
    "left turned": (lambda x, y: x.T @ y, lambda n, m, k: ((m, n), (m, k))),
    "right turned": (lambda x, y: x @ y.T, lambda n, m, k: ((n, m), (k, m))),
    "both turned": (lambda x, y: x.T @ y.T, lambda n, m, k: ((m, n), (k, m))),
    "result turned": (lambda x, y: (x @ y).T + 1, lambda n, m, k: ((n, m), (m, k))),
    "batches": (lambda x, y: x @ y, lambda n, m, k: ((3, n, m), (3, m, k))),
    "broadcast batches": (lambda x, y: x @ y, lambda n, m, k: ((2, 1, n, m), (3, m, k))),
    "a batch and a matrix": (lambda x, y: x @ y, lambda n, m, k: ((3, n, m), (m, k))),
    "outer": (lambda x, y: np.outer(x, y), lambda n, m, k: ((n,), (k,))),
    "cut": (lambda x, y: x[1:, 2:] @ y[1:-1], lambda n, m, k: ((n + 1, m + 2), (m + 2, k))),
    "steps": (lambda x, y: x[::2] @ y[:, ::-1], lambda n, m, k: ((n, m), (m, k))),
    "computed": (lambda x, y: np.tanh(x) @ (y * y) - 1, lambda n, m, k: ((n, m), (m, k))),
    "a row that is repeated": (lambda x, y: np.broadcast_to(x, (9, *x.shape)) @ y, lambda n, m, k: ((m,), (m, k))),
    "two labels summed": (lambda x, y: np.einsum("iab,abk->ik", x, y), lambda n, m, k: ((n, 3, m), (3, m, k))),
    "labels in turn": (lambda x, y: np.einsum("aib,bka->ki", x, y), lambda n, m, k: ((3, n, m), (m, k, 3))),
    "batch inside": (lambda x, y: np.einsum("ibj,jbk->ibk", x, y), lambda n, m, k: ((n, 3, m), (m, 3, k))),
    "batch last": (lambda x, y: np.einsum("ijb,jkb->ikb", x, y), lambda n, m, k: ((n, m, 3), (m, k, 3))),
    "two rows": (lambda x, y: np.einsum("abj,jk->bka", x, y), lambda n, m, k: ((n, 2, m), (m, k))),
    "a label of one alone": (lambda x, y: np.einsum("ijl,jk->ik", x, y), lambda n, m, k: ((n, m, 3), (m, k))),
    "a diagonal": (lambda x, y: np.einsum("iij,jk->ik", x, y), lambda n, m, k: ((n, n, m), (m, k))),
    "tensordot": (lambda x, y: np.tensordot(x, y, ((0, 2), (1, 0))), lambda n, m, k: ((3, n, m), (m, 3, k))),
    "with itself": (lambda x, y: (x @ x.T, y.T @ y), lambda n, m, k: ((n, m), (m, k))),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_numpys(name, kind):
    f, shapes = PRODUCTS[name]
    rng = np.random.default_rng(0)
    for n in SIZES:
        for size in {(n, n, n), (n, 33, 9), (12, n, 10), (9, 17, n)}:
            try:
                agrees(f, *drawn(rng, kind, *shapes(*size)), digits=DIGITS[kind])
            except AssertionError as error:
                raise AssertionError(f"{size}: {error}") from None


def definite(rng, n, *lead):
    a = rng.normal(size=(*lead, n, n))
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


def regular(rng, n, *lead):
    return rng.normal(size=(*lead, n, n)) + 2 * np.eye(n)


SOLVES = {
    "a vector": (lambda a, b: np.linalg.solve(a, b[:, 0]), ()),
    "a matrix": (np.linalg.solve, ()),
    "a turned matrix": (lambda a, b: np.linalg.solve(a.T, b) + np.linalg.solve(a, b), ()),
    "turned right sides": (lambda a, b: np.linalg.solve(a, b.T[:, : len(a)].T), ()),
    "a batch": (np.linalg.solve, (3,)),
    "one matrix for a batch": (lambda a, b: np.linalg.solve(a[0], b), (3,)),
    "inverse": (lambda a, b: np.linalg.inv(a), ()),
    "inverse turned": (lambda a, b: (np.linalg.solve(a.T, b), np.linalg.inv(a)), ()),
    "inverses": (lambda a, b: np.linalg.inv(a), (2, 2)),
    "determinant": (lambda a, b: np.linalg.det(a), ()),
    "determinants": (lambda a, b: np.linalg.det(a / 3), (4,)),
    "sign and log": (lambda a, b: np.linalg.slogdet(a), ()),
    "signs and logs": (lambda a, b: np.linalg.slogdet(np.swapaxes(a, -1, -2)), (2, 3)),
    "of what is computed": (lambda a, b: np.linalg.solve(np.exp(a / 9), np.sin(b)) ** 2, ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("name", SOLVES)
def test_solves_are_numpys(name, kind):
    f, lead = SOLVES[name]
    rng = np.random.default_rng(0)
    for n in SIZES:
        for k in (1, 2, 9):
            a, b = regular(rng, n, *lead).astype(kind), rng.normal(size=(*lead, n, k)).astype(kind)
            agrees(f, a, b, digits=10 if kind == "f8" else 2)


FACTORS = {
    "factor": lambda a, b: np.linalg.cholesky(a),
    "of a turned matrix": lambda a, b: np.linalg.cholesky(np.swapaxes(a, -1, -2)),
    "upper": lambda a, b: np.linalg.cholesky(a, upper=True),
    "solve with it": lambda a, b: np.linalg.solve(np.linalg.cholesky(a), b),
    "solve with its transpose": lambda a, b: np.linalg.solve(np.swapaxes(np.linalg.cholesky(a), -1, -2), b),
    "solve with both": lambda a, b: np.linalg.solve(
        np.swapaxes(low := np.linalg.cholesky(a), -1, -2), np.linalg.solve(low, b)
    ),
    "solve with a part of it": lambda a, b: np.linalg.solve(np.linalg.cholesky(a)[..., 1:, 1:], b[..., 1:, :]),
}


@pytest.mark.parametrize("lead", [(), (3,)])
@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("name", FACTORS)
def test_cholesky_factors_are_numpys(name, kind, lead):
    rng = np.random.default_rng(0)
    for n in SIZES:
        for k in (1, 3):
            a, b = definite(rng, n, *lead).astype(kind), rng.normal(size=(*lead, n, k)).astype(kind)
            if n > 1 or name != "solve with a part of it":
                agrees(FACTORS[name], a, b, digits=10 if kind == "f8" else 3)
