"""jacobian and hessian with sparse=True: the same numbers, a pattern that stays, few sweeps."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_programs import cook, points, steps

import chainrule as cr
from chainrule import execute
from chainrule.analyze import colouring
from chainrule.api import matrices, sparse, sweeps
from chainrule.api.call import Call
from chainrule.errors import ArgumentError, DtypeError, ShapeError
from chainrule.trace.tree import flatten


def broyden(x):
    zero = np.zeros(1)
    return (3 - 2 * x) * x - np.concatenate([zero, x[:-1]]) - 2 * np.concatenate([x[1:], zero]) + 1


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def arrow(x):
    return np.sum(np.sin(x[0] * x[1:])) + np.sum(x**3)


def laplacian(u):
    """−Δu + u³ on a grid, 0 beyond its edges: each row has five entries."""
    p = np.pad(u, 1)
    return 4 * u - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2] + u**3


def same(found: Any, expected: Any, rows: int, columns: int) -> None:
    """A canonical matrix with the dense one's numbers."""
    assert type(found) is sp.csr_array
    assert found.shape == (rows, columns)
    assert found.has_canonical_format
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    size = np.abs(expected).max(initial=0) or 1
    np.testing.assert_allclose(
        found.toarray(), expected.reshape(rows, columns), atol=50 * np.finfo(found.dtype).eps * size, rtol=0
    )
    found.check_format(full_check=True)


def jacobian_agrees(f: Any, *args: Any) -> Any:
    found, expected = cr.jacobian(f, sparse=True)(*args), cr.jacobian(f)(*args)
    same(found, expected, np.size(f(*args)), np.size(args[0]))
    return found


def hessian_agrees(f: Any, *args: Any) -> Any:
    found = cr.hessian(f, sparse=True)(*args)
    same(found, cr.hessian(f)(*args), np.size(args[0]), np.size(args[0]))
    assert (found != found.T).nnz == 0, "not symmetric to the last bit"
    return found


def sweeps_of(transformed: Any, f: Any, *args: Any) -> int:
    """How many products one call takes."""
    counts = []
    made = sparse.compressed

    def counted(program: Any, sweeps: Any, matrices: Any) -> Any:
        counts.append(sum(s.width for s in sweeps))
        return made(program, sweeps, matrices)

    with patch.object(sparse, "compressed", counted):
        transformed(lambda *xs: f(*xs), sparse=True)(*args)
    return counts[0]


X = np.linspace(-1.0, 2.0, 12)


def on_numpy() -> Any:
    """Programs that are met once are not worth compiling."""
    return patch.object(execute, "_compilers", [])


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_bands_are_the_dense_ones(n):
    x = np.linspace(-1, 1, n)
    assert jacobian_agrees(broyden, x).nnz == 3 * n - 2
    assert hessian_agrees(rosenbrock, x).nnz == 3 * n - 2


def test_grids_and_arrows_are_the_dense_ones():
    u = np.random.default_rng(0).normal(size=(6, 7))
    assert jacobian_agrees(laplacian, u).nnz == 5 * 42 - 2 * 6 - 2 * 7
    assert hessian_agrees(lambda u: np.sum(laplacian(u) ** 2), u).nnz > 42
    assert hessian_agrees(arrow, X).nnz == 12 + 2 * 11


@on_numpy()
@settings(max_examples=20)
@given(steps, points)
def test_random_programs_have_the_dense_matrices(recipe, values):
    x, w = values
    jacobian_agrees(lambda x, w: cook(recipe, x, w)[:, :2], x, w)
    jacobian_agrees(lambda x, w: np.concatenate([cook(recipe, x, w).ravel()] * 2), x, w)
    hessian_agrees(lambda x, w: np.sum(cook(recipe, x, w) ** 2), x, w)
    both = cr.hessian(lambda x, w: np.sum(cook(recipe, x, w) * x), wrt=(0, 1), sparse=True)(x, w)
    expected = cr.hessian(lambda x, w: np.sum(cook(recipe, x, w) * x), wrt=(0, 1))(x, w)
    size = max(np.abs(h).max() for row in expected for h in row) + 1
    for found_row, row in zip(both, expected, strict=True):
        for found, h in zip(found_row, row, strict=True):
            np.testing.assert_allclose(found.toarray(), h.reshape(6, 6), atol=1e-13 * size, rtol=0)


ranges = st.integers(0, 2**16).map(np.random.default_rng)


def _scattered(rng: np.random.Generator, n: int, terms: int) -> Any:
    """A function of n numbers, a vector of `terms`, each of few of them, put together in several ways."""
    k = int(rng.integers(1, 5))
    at = rng.integers(0, n, (k, terms))
    shift = int(rng.integers(0, n))
    kind = rng.integers(0, 4)

    def f(x):
        y = np.concatenate([x[shift:], x[:shift]])
        parts = [np.sin(x[i]) if (j + kind) % 2 else y[i] ** 2 for j, i in enumerate(at)]
        total = parts[0]
        for p in parts[1:]:
            total = total * p if kind > 1 else total + p * np.cos(total)
        return np.where(total > 0.3, total, np.exp(total)) if kind == 3 else total

    return f


@on_numpy()
@settings(max_examples=40)
@given(ranges, st.integers(1, 30), st.integers(1, 30))
def test_scattered_patterns_have_the_dense_matrices(rng, n, terms):
    f, x = _scattered(rng, n, terms), rng.uniform(-1, 1, n)
    jacobian_agrees(f, x)
    hessian_agrees(lambda x: np.sum(f(x)), x)
    with patch.object(colouring, "MANY", 0), patch.object(colouring, "TABLE", 0):
        hessian_agrees(lambda x: np.sum(f(x) ** 2), x)


def test_wide_and_tall_go_the_shorter_way():
    wide = lambda x: np.sum(x.reshape(3, 40) ** 2, axis=1)  # noqa: E731
    tall = lambda x: np.outer(x, np.arange(1.0, 41.0)).ravel() ** 2  # noqa: E731
    assert jacobian_agrees(wide, np.linspace(0, 1, 120)).nnz == 120
    assert jacobian_agrees(tall, np.linspace(0, 1, 3)).nnz == 120
    assert sweeps_of(cr.jacobian, wide, np.linspace(0, 1, 120)) == 1
    assert sweeps_of(cr.jacobian, tall, np.linspace(0, 1, 3)) == 1


@pytest.mark.parametrize("n", [3, 24, 25, 31, 150])
def test_what_is_moved_to_places_that_depend_on_values_is_found_there(n):
    x = np.cos(np.arange(n) * 2.0)
    jacobian_agrees(np.sort, x)
    jacobian_agrees(lambda x: np.sort(x)[::-1] * x, x)
    hessian_agrees(lambda x: np.sum(np.sort(x) ** 3 * np.arange(n)), x)

    def written(x):
        y = np.zeros(n)
        y[np.argmax(x)] = x[0]
        return y

    jacobian_agrees(written, x)


def test_a_large_matrix_is_right_where_a_part_is_sorted():
    x = np.cos(np.arange(200) * 2.0)
    sort = cr.jacobian(lambda x: np.concatenate([np.sort(x[:30]), x[30:] ** 2]))(x)[:30]
    np.testing.assert_array_equal(sort @ x, np.sort(x[:30]))


def test_single_precision_stays_single():
    x = X.astype(np.float32)
    jacobian_agrees(broyden, x)
    hessian_agrees(rosenbrock, x)
    jacobian_agrees(lambda x: np.zeros_like(x), x)  # also where nothing is stored
    hessian_agrees(np.sum, x)


def test_a_number_is_one_row_or_column():
    assert jacobian_agrees(lambda x: np.sum(x**2), X).shape == (1, 12)
    assert jacobian_agrees(lambda x: x * np.arange(3.0), 2.0).shape == (3, 1)
    assert jacobian_agrees(np.sin, 2.0).shape == (1, 1)
    assert hessian_agrees(lambda x: x**3, 2.0)[0, 0] == 12


# --- the pattern stays ------------------------------------------------------------------------------------------------


def test_the_pattern_is_the_same_at_every_call_and_zeros_are_stored():
    jacobian, hessian = cr.jacobian(lambda x: x[1:] * x[:-1], sparse=True), cr.hessian(arrow, sparse=True)
    for f in (jacobian, hessian):
        at, origin = f(X), f(np.zeros(12))
        assert np.array_equal(at.indices, origin.indices)
        assert np.array_equal(at.indptr, origin.indptr)
        assert origin.nnz == at.nnz > np.count_nonzero(origin.data)
        assert at.data is not origin.data


def test_a_result_is_of_its_own_and_its_pattern_is_not_written():
    f = cr.jacobian(broyden, sparse=True)
    first, second = f(X), f(X)
    first.data[:] = 77
    assert not np.any(second.data == 77)
    assert np.array_equal(f(X).data, second.data)
    first.data[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        first.eliminate_zeros()
    mine = first.copy()
    mine.eliminate_zeros()
    assert mine.nnz == first.nnz - 1 == f(X).nnz - 1
    assert np.allclose(
        (second @ second.T - sp.eye_array(12)).toarray(), second.toarray() @ second.toarray().T - np.eye(12)
    )


def test_indices_that_change_give_another_pattern():
    def f(x, i):
        return x[i] ** 2

    g = cr.jacobian(f, sparse=True)
    for i in ([0, 1, 1], [3, 0, 2], [0, 1, 1], [-1, 5, 5]):
        i = np.array(i)
        same(g(X, i), cr.jacobian(f)(X, i), 3, 12)
        i[0] = 7  # a later write
        same(g(X, i), cr.jacobian(f)(X, i), 3, 12)


captured = np.array([2, 3, 2])


def test_captured_indices_that_change_give_another_pattern():
    g = cr.hessian(lambda x: np.sum(x[captured] * x[1:4]), sparse=True)
    h = cr.hessian(lambda x: np.sum(x[captured] * x[1:4]))
    same(g(X), h(X), 12, 12)
    try:
        captured[:] = [9, 1, 0]
        same(g(X), h(X), 12, 12)
    finally:
        captured[:] = [2, 3, 2]
    same(g(X), h(X), 12, 12)


def test_branches_by_a_mask_have_patterns_of_their_own():
    def f(x, mask):
        return x[mask] ** 2

    g = cr.jacobian(f, sparse=True)
    for mask in (X > 0, X > 1, X > 5):
        same(g(X, mask), cr.jacobian(f)(X, mask), int(mask.sum()), 12)


def test_many_plans_are_not_kept():
    def f(x, i):
        return x[i] ** 2

    g = cr.jacobian(f, sparse=True)
    for k in range(2 * sparse.KEPT):
        g(X, np.array([k % 12, 0]))
    call = Call(f, (X, np.array([0, 0])), {}, 0)
    derived = call.recording.derived
    assert len(derived["sparse jacobian", call.wanted, True]) == sparse.KEPT
    assert len(derived) == sparse.KEPT + 1


def test_threads_get_the_right_numbers():
    g, wrong = cr.jacobian(lambda x, i: x[i] * x[0], sparse=True), []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            x, i = rng.normal(size=6), rng.integers(1, 6, 3)
            expected = np.zeros((3, 6))
            expected[:, 0] = x[i]
            expected[np.arange(3), i] = x[0]
            wrong.append(not np.allclose(g(x, i).toarray(), expected))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(wrong) == 120
    assert not any(wrong)


# --- how many sweeps --------------------------------------------------------------------------------------------------


def test_few_colours_for_bands_grids_and_arrows():
    x = np.linspace(-1, 1, 200)
    assert sweeps_of(cr.jacobian, broyden, x) == 3
    assert sweeps_of(cr.hessian, rosenbrock, x) == 3
    assert sweeps_of(cr.hessian, arrow, x) == 2
    assert sweeps_of(cr.hessian, lambda x: arrow(x[::-1]), x) == 2
    assert sweeps_of(cr.jacobian, laplacian, np.ones((20, 20))) <= 7
    assert sweeps_of(cr.hessian, lambda x: np.sum(x**4), x) == 1
    wide_band = lambda x: np.sum(x[:-3] * x[1:-2] * x[2:-1] * x[3:])  # noqa: E731
    assert sweeps_of(cr.hessian, wide_band, x) <= 7


def test_blocks_of_parameters_take_as_many_colours_as_a_row_has_entries():
    rng = np.random.default_rng(0)
    cameras, points, weights = rng.normal(size=(5, 11)), rng.normal(size=(40, 3)), rng.normal(size=90)
    seen = np.stack([rng.integers(0, 5, 90), rng.integers(0, 40, 90)], axis=1)

    def residuals(cameras, points, weights, seen):
        c, p = cameras[seen[:, 0]], points[seen[:, 1]]
        centred = p - c[:, 3:6]
        turned = centred + np.cross(c[:, :3], centred)
        image = turned[:, :2] / turned[:, 2:]
        radius = np.sum(image**2, axis=1, keepdims=True)
        image = image * (1 + radius * c[:, 9:10] + radius**2 * c[:, 10:])
        return (image * c[:, 6:7] + c[:, 7:9]) * weights[:, None]

    wrt = (0, 1, 2)
    args = cameras, points, weights, seen
    assert sweeps_of(lambda f, sparse: cr.jacobian(f, wrt=wrt, sparse=sparse), residuals, *args) == 14
    with patch.object(colouring, "LONG", 0):
        assert sweeps_of(lambda f, sparse: cr.jacobian(f, wrt=wrt, sparse=sparse), residuals, *args) == 15
    for found, dense in zip(
        cr.jacobian(residuals, wrt=wrt, sparse=True)(*args), cr.jacobian(residuals, wrt=wrt)(*args), strict=True
    ):
        same(found, dense, 180, dense.size // 180)


@given(ranges, st.integers(1, 40), st.integers(1, 40), st.floats(0, 0.4))
def test_no_two_columns_of_a_colour_share_a_row(rng, m, n, share):
    pattern = sp.csr_array(rng.random((m, n)) < share)
    cut = int(rng.integers(0, n + 1))
    for colours in (colouring.columns(pattern, [cut, n - cut]), colouring._first_free(pattern, n)):
        for row in pattern.toarray():
            mine = colours[row]
            assert len(set(mine)) == len(mine)
    least = int(np.diff(pattern.indptr).max(initial=0))
    assert least <= colouring.columns(pattern, [n]).max() + 1 or not least
    assert colouring.columns(pattern, [n], least - 1) is None


@given(ranges, st.integers(1, 30), st.floats(0, 0.4))
def test_of_two_colours_there_are_only_stars(rng, n, share):
    half = rng.random((n, n)) < share
    pattern = sp.csr_array(half | half.T)
    table = pattern.toarray() & ~np.eye(n, dtype=bool)
    with patch.object(colouring, "_remainders", lambda *_: None):
        colours = colouring.star(pattern, [n])
    i, j = np.nonzero(table)
    assert np.all(colours[i] != colours[j])
    for a, b in zip(i, j, strict=True):  # no path w - a - b - x with two colours
        w, x = np.flatnonzero(table[a]), np.flatnonzero(table[b])
        w, x = w[(w != b) & (colours[w] == colours[b])], x[(x != a) & (colours[x] == colours[a])]
        assert not len(w) or not len(x)
    for mine in (colours, colouring.star(pattern, [n])):
        clear = colouring.alone(pattern, mine)
        found = {(int(r), int(c)) for r, c in np.argwhere(pattern.toarray())[clear]}
        assert all((r, c) in found or (c, r) in found for r, c in np.argwhere(pattern.toarray()).tolist())


# --- structure, and what is refused -----------------------------------------------------------------------------------


@dataclasses.dataclass
class Parameters:
    slope: Any
    offsets: Any


def test_structures_keep_their_nesting():
    def f(p, z):
        return {"a": p.slope * np.sin(z), "b": (p.offsets**2, 3.0 * z[:1])}

    p, z = Parameters(2.0, np.array([1.0, 2.0])), np.array([0.5, 1.5, 2.5])
    found, dense = cr.jacobian(f, wrt=(0, "z"), sparse=True)(p, z), cr.jacobian(f, wrt=(0, "z"))(p, z)
    assert found["a"][0].slope.shape == (3, 1)
    assert found["a"][0].offsets.nnz == 0
    assert np.array_equal(found["a"][1].toarray(), dense["a"][1])
    assert np.array_equal(found["b"][0][0].offsets.toarray(), dense["b"][0][0].offsets)
    assert np.array_equal(found["b"][1][1].toarray(), dense["b"][1][1])
    loss = lambda p, z: p.slope**2 * np.sum(z**3) + np.sum(p.offsets)  # noqa: E731
    h, dense_h = cr.hessian(loss, wrt=(0, 1), sparse=True)(p, z), cr.hessian(loss, wrt=(0, 1))(p, z)
    assert np.array_equal(h[0].slope[0].slope.toarray()[0, 0], dense_h[0].slope[0].slope)
    assert np.array_equal(h[0].slope[1].toarray()[0], dense_h[0].slope[1])
    assert np.array_equal(h[1][0].slope.toarray()[:, 0], dense_h[1][0].slope)
    assert np.array_equal(h[1][1].toarray(), dense_h[1][1])
    assert h[0].offsets[0].offsets.nnz == 0
    assert h[0].offsets[0].offsets.shape == (2, 2)


def test_nothing_and_what_does_not_change_are_empty_matrices():
    assert cr.jacobian(lambda x: x**2, sparse=True)(np.zeros(0)).shape == (0, 0)
    assert cr.jacobian(lambda x: x[:0], sparse=True)(X).shape == (0, 12)
    assert cr.jacobian(lambda x: np.floor(x), sparse=True)(X).nnz == 0
    assert cr.jacobian(lambda x: np.ones(3), sparse=True)(X).shape == (3, 12)
    assert cr.hessian(lambda x: np.sum(x), sparse=True)(X).nnz == 0
    assert cr.hessian(lambda x: 1.0, sparse=True)(X).shape == (12, 12)
    assert cr.hessian(lambda x: np.sum(x**2), sparse=True)(np.zeros(0)).shape == (0, 0)


def test_integrals_inside_have_a_pattern():
    def f(t):
        return np.array([cr.integrate(lambda x: np.exp(-a * x * x), 0.0, 1.0) for a in (t[0], t[1])])  # noqa: B023

    t = np.array([0.5, 1.5])
    found = cr.jacobian(f, sparse=True)(t)
    assert found.nnz == 2
    np.testing.assert_allclose(found.toarray(), cr.jacobian(f)(t), rtol=1e-12)


def test_what_has_no_sparse_matrix_is_refused_in_words():
    with pytest.raises(ArgumentError, match="can't be recorded"):
        cr.grad(lambda x: np.sum(cr.jacobian(broyden, sparse=True)(x).data))(X)
    with pytest.raises(DtypeError, match="real results"):
        cr.jacobian(lambda x: x > 0, sparse=True)(X)
    with pytest.raises(ShapeError, match="one number"):
        cr.hessian(broyden, sparse=True)(X)
    with pytest.raises(ArgumentError, match="True or False"):
        cr.jacobian(broyden, sparse="csr")
    with pytest.raises(DtypeError, match="real numbers"):
        cr.jacobian(broyden, sparse=True)(np.arange(4))


def local(p):
    return {"u": np.sin(p["a"]).ravel() * p["b"], "v": p["b"][1:] - p["b"][:-1] ** 2, "w": np.ones(3)}


def energy(p):
    return np.sum(np.sin(p["a"]).ravel() * p["b"] ** 2) + np.mean(p["b"] ** 3)


@pytest.mark.parametrize(("f", "matrix"), [(local, cr.jacobian), (energy, cr.hessian)], ids=["jacobian", "hessian"])
def test_a_large_dense_matrix_of_few_entries_is_that_of_all_columns(f, matrix, monkeypatch):
    rng = np.random.default_rng(0)
    p = {"a": rng.normal(size=(10, 15)), "b": rng.normal(size=150)}
    swept = []
    monkeypatch.setattr(sparse, "_filled", spied(sparse._filled, swept))
    found, tree = flatten(matrix(f)(p))
    assert len(swept) == len(found)
    monkeypatch.setattr(matrices, "LARGE", 1 << 60)
    expected, same = flatten(matrix(lambda p: f(p))(p))
    assert len(swept) == len(found)
    assert tree == same
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-15)


def spied(call, calls):
    def noted(*args):
        calls.append(args)
        return call(*args)

    return noted


def test_a_large_matrix_inside_of_a_recorded_function_is_a_part_of_it():
    x = np.linspace(0, 1, 150)
    total = cr.grad(lambda x: np.sum(cr.jacobian(lambda y: y**3)(x)))(x)
    np.testing.assert_allclose(total, 6 * x)


def test_a_dense_matrix_of_few_entries_is_new_at_every_call_and_one_kernel_fills_it():
    matrix = cr.jacobian(local)
    rng = np.random.default_rng(1)
    p = {"a": rng.normal(size=(10, 15)), "b": rng.normal(size=150)}
    first = matrix(p)["u"]["b"]
    first[:] = np.nan
    for _ in range(3):
        again = matrix(p)["u"]["b"]
        np.testing.assert_allclose(again, np.diag(np.sin(p["a"]).ravel()), rtol=1e-15)
        again[:] = np.nan
    (part,) = matrix.inspect(p).parts
    assert part.kind == "kernel"


def apart(parameters):
    """Each residual depends on one of five rows of three, a row of two, and a number, which does not go far."""
    a, b, c = np.tile(parameters[:15].reshape(5, 3), (4, 1)), parameters[15:55].reshape(20, 2), parameters[55:]
    moved = np.sin(np.sum(a**2, axis=1)) * np.exp(b[:, 0]) + b[:, 1] ** 3
    return np.concatenate([moved * c, c**2 - moved])


def test_colours_that_go_different_ways_are_swept_apart_and_together_give_the_matrix():
    x = np.random.default_rng(2).normal(size=75)
    found = cr.jacobian(apart, sparse=True)(x)
    expected = cr.jacobian(lambda x: 1 * apart(x))(x)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-13, atol=1e-14)
    assert found.nnz == np.count_nonzero(expected)


def test_what_is_computed_for_one_way_has_nothing_of_the_others(monkeypatch):
    call = Call(apart, (np.zeros(75),), {}, 0)
    made = sparse._jacobian_matrices(call.program, (0,), call.inputs)
    monkeypatch.setattr(sweeps, "WAYS", 0)
    together = sparse._jacobian_matrices(call.program, (0,), call.inputs)
    assert flops(made.program) < 0.7 * flops(together.program)
    assert [b.matrix.nnz for row in made.blocks for b in row] == [b.matrix.nnz for row in together.blocks for b in row]


def flops(program):
    return sum(
        e.op.flops([a.type for a in e.inputs], [v.type for v in e.outputs], **e.params) for e in program.equations
    )
