"""Routines on whole arrays inside kernels: products, solves and factors are NumPy's, in one kernel."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import blas, lapack
from chainrule.native.run import Mixed, Stretch
from chainrule.transform.simplify import simplify

SIZES = [0, 1, 2, 7, 8, 9, 33, 100]
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
    for n in SIZES if kind == "f8" else (0, 2, 9, 33):
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
    for n in SIZES if kind == "f8" else (1, 9):
        for k in (1, 2, 9) if n < 33 else (1, 9):
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
    for n in SIZES if kind == "f8" else (2, 9):
        for k in (1, 3):
            a, b = definite(rng, n, *lead).astype(kind), rng.normal(size=(*lead, n, k)).astype(kind)
            if n > 1 or name != "solve with a part of it":
                agrees(FACTORS[name], a, b, digits=10 if kind == "f8" else 3)


def network(A, a, B, b, C, c, x, y):
    return np.mean((np.tanh(np.tanh(x @ A + a) @ B + b) @ C + c - y) ** 2)


def gaussian(m, a, x):
    """The negative log-likelihood of rows of x under N(m, A Aᵀ + 1)."""
    s = a @ a.T + np.eye(len(m))
    low = np.linalg.cholesky(s)
    z = np.linalg.solve(low, (x - m).T)
    return 0.5 * np.sum(z**2) + len(x) * (np.linalg.slogdet(s)[1] / 2 + np.sum(np.log(np.diag(low))))


def test_gradients_of_networks_are_numpys():
    rng = np.random.default_rng(0)
    for kind in ("f8", "f4"):
        for n, m, k in ((20, 12, 10), (33, 40, 9), (5, 100, 30)):
            p = drawn(rng, kind, (m, k), k, (k, k), k, (k, 11), 11)
            x, y = drawn(rng, kind, (n, m), (n, 11))
            agrees(cr.value_and_grad(network, wrt=tuple(range(6))), *p, x, y, digits=DIGITS[kind])


def test_derivatives_of_a_likelihood_are_numpys():
    rng = np.random.default_rng(0)
    for n in (2, 5, 9, 20):
        m, a, x = drawn(rng, "f8", n, (n, n), (30, n))
        agrees(cr.value_and_grad(gaussian, wrt=(0, 1)), m, a, x, digits=10)
        agrees(cr.hvp(gaussian), m, a, x, m, digits=10)
    agrees(cr.hessian(gaussian), *drawn(rng, "f8", 9, (9, 9), (30, 9)), digits=9)
    agrees(cr.hessian(lambda a, x: np.sum(np.linalg.solve(a @ a.T + np.eye(3), x) ** 2)), *drawn(rng, "f8", (3, 3), 3))


def test_a_matrix_is_factored_once():
    def f(a, b):
        return b @ np.linalg.solve(a, b) + np.linalg.slogdet(a)[1]

    rng = np.random.default_rng(0)
    _, mixed = one_kernel(cr.value_and_grad(f, wrt=(0, 1)), regular(rng, 9), *drawn(rng, "f8", 9))
    text = mixed.parts[0][0].text
    assert text.count('call void @"lapack.dgetrf"') == 1
    assert text.count('call void @"lapack.dgetrs"') == 2


def test_what_only_moved_is_not_copied():
    rng = np.random.default_rng(0)
    x, y = drawn(rng, "f8", (40, 30), (30, 20))
    for f in (
        lambda x, y: x @ y,
        lambda x, y: y.T @ x.T,
        lambda x, y: x[:, 5:] @ y[5:, :12],
        lambda x, y: x[2:22] @ y,
        lambda x, y: np.reshape(x, (2, 20, 30)) @ y,
        lambda x, y: np.einsum("aij,jk->aik", np.reshape(x, (4, 10, 30)), y),
    ):
        _, mixed = one_kernel(f, x, y)
        text = mixed.parts[0][0].text
        assert text.count('call void @"blas.dgemm"') == 1
        assert "loop" not in text
        assert mixed.parts[0][0].scratch == 0


def test_nan_and_infinity_go_through_products_as_numpys():
    rng = np.random.default_rng(0)
    for n, m, k in ((12, 20, 10), (9, 33, 100)):
        x, y = drawn(rng, "f8", (n, m), (m, k))
        for value in (np.nan, np.inf, -np.inf):
            for spoiled, other in ((x, y), (y, x)):
                bad = spoiled.copy()
                bad[1, 2], bad[-1, -1] = value, 0.0
                pair = (bad, other) if spoiled is x else (other, bad)
                with np.errstate(invalid="ignore"):
                    agrees(lambda x, y: x @ y, *pair)
                    agrees(lambda x, y: (x @ x.T, y.T @ y), *pair)


def test_nan_and_infinity_go_through_solves_as_numpys():
    rng = np.random.default_rng(0)
    a, b, s = regular(rng, 9), rng.normal(size=(9, 3)), definite(rng, 9)
    functions = (
        (np.linalg.solve, a, b),
        (lambda a, b: np.linalg.solve(a.T, b[:, 0]) + np.linalg.solve(a, b[:, 0]), a, b),
        (lambda a, b: np.linalg.inv(a), a, b),
        (lambda a, b: (np.linalg.det(a), np.linalg.slogdet(a)), a, b),
        (lambda a, b: np.linalg.solve(np.linalg.cholesky(a), b), s, b),
        (lambda a, b: np.linalg.solve(np.linalg.cholesky(a).T, b[:, 0]), s, b),
    )
    for f, a, b in functions:
        program, mixed = one_kernel(f, a, b)
        for value in (np.nan, np.inf):
            for place in ((0, 0), (4, 4), (8, 8), (8, 0), (1, 0)):
                for args in ((_with(a, place, value), b), (a, _with(b, (place[0], place[1] % 3), value))):
                    same_or_fails(mixed, Executable(program), args)


def _with(x, place, value):
    x = x.copy()
    x[place] = value
    return x


def same_or_fails(run, reference, args):
    try:
        expected = reference(args)
    except np.linalg.LinAlgError as error:
        with pytest.raises(np.linalg.LinAlgError, match=str(error)):
            run(args)
    else:
        same(run(args), expected, 10)


def test_results_do_not_depend_on_what_lay_there():
    rng = np.random.default_rng(0)
    x, y = drawn(rng, "f8", (20, 30), (30, 10))

    def f(x, y):
        s = x @ x.T + np.eye(20)
        return np.linalg.solve(s, x @ y), np.linalg.cholesky(s), np.linalg.inv(s), np.linalg.slogdet(s)

    _, mixed = one_kernel(f, x, y)
    stretch = mixed.parts[0][0]
    first = mixed((x, y))
    empty, np.empty = np.empty, lambda *a, **k: np.full(*a[:1], *_garbage(*a[1:]))
    try:
        second = mixed((x, y))
    finally:
        np.empty = empty
    assert stretch is mixed.parts[0][0]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def _garbage(dtype):
    return (255, dtype) if dtype == np.uint8 else (np.nan, dtype)


def test_what_can_t_be_solved_raises_as_numpy_with_the_line():
    rng = np.random.default_rng(0)
    fine, singular = regular(rng, 9), np.ones((9, 9))
    negative = -np.eye(9)
    for f, good, bad in (
        (lambda a: np.linalg.solve(a, np.ones(9)) * 2, fine, singular),
        (lambda a: np.linalg.inv(a) + 1, fine, singular),
        (lambda a: np.linalg.inv(a), np.stack([fine, fine]), np.stack([fine, np.zeros((9, 9))])),
        (lambda a: np.linalg.cholesky(a).T, definite(rng, 9), negative),
        (lambda a: np.linalg.cholesky(a), definite(rng, 9, 2), np.stack([np.eye(9), negative])),
    ):
        program, mixed = one_kernel(f, good)
        same(mixed((good,)), Executable(program)((good,)), 12)
        with pytest.raises(np.linalg.LinAlgError) as expected:
            Executable(program)((bad,))
        with pytest.raises(np.linalg.LinAlgError) as found:
            mixed((bad,))
        assert str(found.value) == str(expected.value)
        assert found.value.__notes__ == expected.value.__notes__
        assert "test_native_calls.py" in found.value.__notes__[0]


def test_a_singular_matrix_has_a_determinant():
    a = np.outer(np.arange(1.0, 6), np.arange(2.0, 7))
    for f in (np.linalg.det, np.linalg.slogdet):
        agrees(f, np.zeros((3, 3)))
        agrees(f, np.stack([np.eye(5), np.zeros((5, 5)), np.diag([1.0, -1, 1, 1, 1])]))
    program, mixed = one_kernel(np.linalg.det, a)
    np.testing.assert_allclose(mixed((a,)), Executable(program)((a,)), atol=1e-12)


def test_a_small_matrix_is_inverted_by_the_thread_that_asks():
    """OpenBLAS solves with several threads in getrs, however small the matrix is: they wait for each other."""
    _, mixed = one_kernel(np.linalg.inv, np.eye(3))
    assert "getrs" not in mixed.parts[0][0].text


def test_kernels_run_in_several_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(0)
    matrices = [definite(rng, 20) for _ in range(40)]
    b = rng.normal(size=(20, 3))

    def f(a, b):
        return np.linalg.solve(np.linalg.cholesky(a), b) + np.linalg.inv(a) @ b

    program, mixed = one_kernel(f, matrices[0], b)
    with ThreadPoolExecutor(4) as pool:
        for a, found in zip(matrices, pool.map(lambda a: mixed((a, b)), matrices), strict=True):
            same(found, Executable(program)((a, b)), 10)


def test_a_spoiled_routine_is_seen(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = regular(rng, 12), rng.normal(size=(12, 10))
    monkeypatch.setattr(blas.Product, "_full", _forgets)
    with pytest.raises(AssertionError):
        agrees(lambda a, b: a @ b, a, b)
    monkeypatch.setattr(lapack, "_exchange", lambda *args, **options: None)
    with pytest.raises(AssertionError):
        agrees(np.linalg.solve, a, b)


def _forgets(product, code, px, py, pz):
    """A product that forgets its last row of X."""
    m, k, n = product.size
    code.call(
        "blas.dgemm", code.letter("N"), code.letter("N"), code.whole(n), code.whole(m - 1), code.whole(k),
        code.real(1.0, "f64"), py, code.whole(n), px, code.whole(k), code.real(0.0, "f64"), pz, code.whole(n),
    )  # fmt: skip
