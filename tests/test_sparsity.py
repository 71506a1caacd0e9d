"""A pattern never misses an entry; and where an op says how it mixes, the pattern is no larger than it must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import claims
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_programs import cook, points, steps

import chainrule as cr
from chainrule.analyze import index_sets
from chainrule.analyze.sparsity import pattern
from chainrule.errors import ArgumentError
from chainrule.ir import Equation, Program
from chainrule.ops.op import Op, apply
from chainrule.ops.table import OPS
from chainrule.transform.forward import forward
from chainrule.transform.simplify import simplify

every_op = pytest.mark.parametrize("op", OPS.values(), ids=str)


def dense(program: Program, values: list[Any], moving: list[int]) -> list[Any]:
    """The matrix of each output in the inputs `moving`, in which the Program is linear: a column after another."""
    types = [program.inputs[i].type for i in moving]
    columns: list[list[Any]] = [[] for _ in program.outputs]
    for i, t in enumerate(types):
        for k in range(t.size):
            unit = [np.zeros(u.shape, u.dtype) for u in types]
            unit[i].flat[k] = 1
            for rows, y in zip(columns, claims.compute(program, [*values, *unit]), strict=True):
                rows.append(np.ravel(y))
    return [np.stack(rows, axis=1) for rows in columns]


def linear(program: Program, count: int | None = None) -> tuple[Program, list[int]]:
    """The tangents alone, of the first inputs or of all that are real; which inputs of the new Program they move in."""
    moving = [i for i, v in enumerate(program.inputs[:count]) if v.type.differentiable]
    onward = simplify(claims.derivatives_only(forward(program, moving)))
    return onward, list(range(len(program.inputs), len(onward.inputs)))


def nothing_is_missed(program: Program, values: list[Any], spoiled: Op | None = None) -> None:
    """At this point, every entry that is not zero is in the pattern."""
    onward, tangents = linear(program)
    read = onward if spoiled is None else _with(onward, spoiled)
    found = pattern(read, tangents, values)
    for a, m, j in zip(onward.outputs, found.matrices, dense(onward, values, tangents), strict=True):
        assert m.shape == j.shape == (a.type.size, sum(onward.inputs[i].type.size for i in tangents))
        assert m.has_canonical_format
        missed = np.argwhere((j != 0) & ~m.toarray())
        assert not len(missed), f"{missed[0]} is {j[tuple(missed[0])]}, and not in the pattern of\n{onward}"


def _with(program: Program, op: Op) -> Program:
    """The same Program, with another entry of that name."""
    equations = [Equation(op, e.inputs, e.outputs, e.params) if e.op.name == op.name else e for e in program.equations]
    return Program(program.inputs, tuple(equations), program.outputs)


@every_op
def test_no_entry_is_missed_in_both_modes_and_order_two(op):
    rng = np.random.default_rng(0)
    for case in claims.cases(op, points=4):
        for program, values in claims.first_and_second(case, rng):
            if any(v.type.differentiable for v in program.inputs):
                nothing_is_missed(program, values)


@settings(max_examples=60)
@given(steps, points)
def test_no_entry_of_a_random_program_is_missed(recipe, values):
    program = cr.trace(lambda *x: cook(recipe, *x), *values)
    nothing_is_missed(program, list(values))


@settings(max_examples=60)
@given(steps, points)
def test_many_parts_and_few_are_the_same_pattern(recipe, values):
    onward, tangents = linear(cr.trace(lambda *x: cook(recipe, *x), *values))
    few = pattern(onward, tangents, values).matrices
    with patch.object(index_sets, "MOST", 1), patch.object(index_sets, "NETWORK", 0):
        many = pattern(onward, tangents, values).matrices
    for a, b in zip(few, many, strict=True):
        assert np.array_equal(a.indices, b.indices)
        assert np.array_equal(a.indptr, b.indptr)


def _pattern(f: Any, *args: Any, asked: list[int] | None = None) -> Any:
    """The pattern of f in its real arguments, as a table of 0 and 1."""
    program = simplify(cr.trace(f, *args))
    onward, tangents = linear(program, 1)
    found = pattern(onward, tangents, args)
    if asked is not None:
        asked += sorted(found.asked)
    return found.matrices[0].toarray().astype(int)


X = np.linspace(0.5, 2.0, 4)
SQUARE = np.array([[2.0, 0.5], [0.5, 3.0]])
EXACT = {
    "elementwise": (lambda x: np.sin(x) * x, (X,), np.eye(4)),
    "shift": (lambda x: x[1:] - x[:-1] ** 2, (X,), np.eye(3, 4) + np.eye(3, 4, 1)),
    "reverse": (lambda x: x[::-1], (X,), np.eye(4)[::-1]),
    "sum": (lambda x: np.sum(x**2), (X,), np.ones((1, 4))),
    "rows": (lambda x: np.sum(x**2, axis=1), (X.reshape(2, 2),), np.kron(np.eye(2), np.ones((1, 2)))),
    "columns": (lambda x: np.sum(x**2, axis=0), (X.reshape(2, 2),), np.kron(np.ones((1, 2)), np.eye(2))),
    "max": (lambda x: np.max(x, axis=1), (X.reshape(2, 2),), np.kron(np.eye(2), np.ones((1, 2)))),
    "cumsum": (np.cumsum, (X,), np.ones((4, 4))),  # the half above the diagonal is not seen to be zero
    "transpose": (lambda x: x.T * 2, (X.reshape(2, 2),), np.eye(4)[[0, 2, 1, 3]]),
    "a constant matrix": (lambda x: np.array([[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 3.0, 0.0]]) @ x, (X,),
                          np.array([[1, 0, 0, 1], [0, 0, 1, 0]])),
    "a constant matrix, left": (lambda x: x @ np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 5.0]]), (X,),
                                np.array([[1, 0, 0, 0], [0, 1, 0, 1]])),
    "a constant mask": (lambda x: np.where(np.array([True, False, True, False]), x, 1.0), (X,), np.diag([1, 0, 1, 0])),
    "a constant factor": (lambda x: np.array([0.0, 1.0, 0.0, 2.0]) * x, (X,), np.diag([0, 1, 0, 1])),
    "a number": (lambda x: 0.0 * x + 1.0, (X,), np.zeros((4, 4))),
    "both branches": (lambda x: np.where(x > 1, x, x[::-1]), (X,), np.eye(4) + np.eye(4)[::-1]),
    "a step": (lambda x: np.floor(x) + x[0], (X,), np.eye(4)[[0] * 4]),
    "outer": (lambda x: np.outer(x, x), (X[:2],), np.array([[1, 0], [1, 1], [1, 1], [0, 1]])),
    "diagonal": (lambda x: np.diag(x), (X[:2],), np.array([[1, 0], [0, 0], [0, 0], [0, 1]])),
    "trace": (lambda x: np.trace(x), (SQUARE,), np.array([[1, 0, 0, 1]])),
    "solve, right side": (lambda b: np.linalg.solve(SQUARE, b), (X.reshape(2, 2),),
                          np.kron(np.ones((2, 2)), np.eye(2))),
    "stacked solve": (lambda b: np.linalg.solve(np.stack([SQUARE] * 2), b[..., None])[..., 0], (X.reshape(2, 2),),
                      np.kron(np.eye(2), np.ones((2, 2)))),
    "written": (lambda x: _written(x), (X,), np.array([[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
    "sorted": (np.sort, (X,), np.ones((4, 4))),  # where elements go depends on them
}  # fmt: skip


def _written(x: Any) -> Any:
    y = x + 0.0
    y[0] = x[3] ** 2
    return y


@pytest.mark.parametrize("name", EXACT)
def test_a_pattern_is_no_larger_than_it_must_be(name):
    f, args, expected = EXACT[name]
    assert np.array_equal(_pattern(f, *args), expected)


def test_an_index_that_is_an_argument_is_read_and_named():
    asked: list[int] = []
    found = _pattern(lambda x, i: x[i] ** 2, X, np.array([3, 0, -1]), asked=asked)
    assert asked == [1]
    assert np.array_equal(found, np.eye(4)[[3, 0, 3]])


def test_sums_at_known_places_are_those_places():
    def f(x, i):
        y = np.zeros(3)
        np.add.at(y, i, x**2)
        return y

    assert np.array_equal(_pattern(f, X, np.array([0, 2, 0, 2])), [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]])


def test_an_index_that_depends_on_reals_may_be_any():
    assert _pattern(lambda x: x[np.argsort(x)[:2]], X).tolist() == [[1] * 4] * 2


def test_a_loop_of_shifts_stays_small():
    def f(x):
        for _ in range(30):
            x = np.concatenate([x[1:], x[:1]]) * 0.5 + np.sin(x)
        return x

    assert _pattern(f, np.linspace(0, 1, 40)).sum() == 40 * 31


def test_a_matrix_that_is_full_and_large_is_refused():
    with patch.object(index_sets, "LARGEST", 99), pytest.raises(ArgumentError, match="not sparse: 200 x 200"):
        _pattern(lambda x: x / np.sum(x), np.linspace(1, 2, 200))


# --- the tests are tested ---------------------------------------------------------------------------------------------

WRONG = [
    replace(OPS["cumsum"], joins=lambda x, axis, reverse: ((),)),
    replace(OPS["solve"], joins=lambda a, b: ((), ())),
    replace(OPS["scatter_add"], drops=False, joins=lambda g, index, n: ((), ())),
    replace(OPS["gather"], evaluate=lambda x, index: x[index] * (np.arange(3) < 2)[:, None]),
    replace(OPS["update"], evaluate=lambda x, v, index: x),
    replace(OPS["concatenate"], evaluate=lambda *xs, axis: np.concatenate(xs[::-1], axis=axis)),
    replace(OPS["contract"], evaluate=lambda x, spec: 0 * OPS["contract"].evaluate(x, spec=spec)),
    replace(OPS["multiply"], derivative=lambda x, y, z: (None, None)),
]


@pytest.mark.parametrize("op", WRONG, ids=str)
def test_a_spoiled_entry_is_seen(op):
    def doubled(*xs: Any) -> Any:
        y = apply(OPS[op.name], *xs, **case.params)
        return y * np.full(y.shape, 2.0)

    case, *_ = claims.cases(OPS[op.name], points=4)
    program, values = cr.trace(doubled, *case.args), list(case.args)
    nothing_is_missed(program, values)
    with pytest.raises((AssertionError, ValueError), match=r"not in the pattern|reshape|broadcast"):
        nothing_is_missed(program, values, op)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_columns_sorted_by_comparisons_are_sorted(k, m, seed):
    columns = list(np.random.default_rng(seed).integers(0, 5, (k, m)))
    found = index_sets._sorted(list(columns), 4).toarray()
    for i in range(m):
        assert set(np.flatnonzero(found[i]) + 1) == {int(c[i]) for c in columns} - {0}
