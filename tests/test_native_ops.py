"""Every op of the table, as machine code: values, gradients and second derivatives are NumPy's.

Points and params are drawn from the entries, as in claims.py; sizes are such that they fill registers, and do not.
"""

from __future__ import annotations

import itertools
import warnings

import claims
import numpy as np
import pytest
import scipy.special
from claims import Case, cases
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import DtypeError
from chainrule.execute import Executable
from chainrule.native import elementwise
from chainrule.native.lanes import KINDS
from chainrule.native.run import Mixed, Stretch
from chainrule.ops.contraction import Contraction
from chainrule.ops.op import Elementwise
from chainrule.ops.table import OPS
from chainrule.transform.forward import forward
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

SIZES = (1, 3, 4, 5, 8, 9, 17)
DTYPES = (np.float64, np.float32, np.int64, np.int32, bool)
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 40.0, -750.0, 1e308, -1e308, 5e-324, -5e-324, 1e-310, 1e22, 1 - 2**-53,
           np.inf, -np.inf, np.nan)  # fmt: skip
WHOLE = (0, 1, -1, 2, -2, 3, 7, -7, 40, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
# ops that run on NumPy; they may become fewer
ON_NUMPY = {"polygamma", "argsort", "sum_over_zeros"}
LOOPS = {"scan", "while_loop", "while_loop_pullback", "cond"}  # have tests of their own
EITHER_ZERO = {"maximum", "minimum", "fmax", "fmin", "max", "min"}  # of 0 and -0, NumPy takes one or the other
every_op = pytest.mark.parametrize("op", [op for op in OPS.values() if op.name not in ON_NUMPY | LOOPS], ids=str)


def agrees(found, expected, ulps, either_zero=False):
    """Equal in shape, dtype, NaN, infinities and the signs of zeros, and to so many units in the last place."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    known = ~np.isnan(expected)
    found, expected = found[known], expected[known]
    zeros = (found == 0) & (expected == 0) & ~np.asarray(either_zero)
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))
    with np.errstate(all="ignore"):
        limit = np.broadcast_to(ulps, known.shape)[known] * np.spacing(np.abs(expected))
        off = np.abs(found - expected)
    assert np.all((found == expected) | (off <= limit)), f"{found} is not {expected}"


def run(program, args, whole=True):
    """Through machine code; `whole`: all of it."""
    mixed = Mixed(program)
    types = [v.type.dtype.name for v in program.variables]
    if whole and all(t in KINDS for t in types):
        assert all(isinstance(part, Stretch) for part, *_ in mixed.parts), f"{program} runs on NumPy in parts"
    return mixed(args)


def recorded(op, args, params):
    """The op's Program and what NumPy says; None where it takes no such dtypes, or no such numbers."""
    with np.errstate(all="ignore"):
        try:
            plain = op.evaluate(*args, **params)
            program = claims.program_of(Case(op, args, params))
        except (TypeError, ValueError, DtypeError):
            return None
    plain = plain if op.count(**params) > 1 else (plain,)
    stated = [a.type.dtype for a in program.outputs]
    return (program, plain) if stated == [y.dtype for y in plain] else None  # whole numbers to a broken power


def units(op, args, expected):
    """How far a value may be off: near a zero, functions with a cancellation lose digits on both sides."""
    if op.name == "logaddexp":  # log(eˣ + eʸ)
        largest = np.maximum(*(np.abs(a) for a in args))
        return 4 * np.maximum(1, np.spacing(np.minimum(largest, 1) + 0 * expected) / np.spacing(np.abs(expected)))
    return 4


# --- values -----------------------------------------------------------------------------------------------------------


def elementwise_values(op):
    rng = np.random.default_rng(0)
    whole = () if any(op.samples) else DTYPES
    for params in op.samples:
        for n in SIZES:
            compared(op, tuple(d.sample(n, rng) for d in op.domain), params)
        for dtype in (*DTYPES[:4], *whole[4:]):
            with np.errstate(all="ignore"):
                points = np.array(WHOLE if np.dtype(dtype).kind == "i" else SPECIAL).astype(dtype)
                grid = np.meshgrid(*[points] * op.arity) if op.arity < 3 else [points > 0, points, points[::-1]]
            compared(op, tuple(g.ravel() for g in grid), params)
        for dtypes in itertools.product(DTYPES[:3], repeat=op.arity) if op.arity == 2 else ():
            compared(op, tuple(rng.integers(1, 5, 9).astype(d) for d in dtypes), params)
        compared(op, tuple(np.float64(1.5) for _ in op.domain), params)
        compared(op, tuple(np.zeros((3, 0)) for _ in op.domain), params)


def compared(op, args, params):
    found = recorded(op, args, params)
    if found is None:
        return
    program, expected = found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for y, z in zip(run(program, args), expected, strict=True):
            with np.errstate(all="ignore"):
                agrees(y, z, units(op, args, z), op.name in EITHER_ZERO)


def other_values(op):
    """Contractions, and all that take whole arrays: at their examples, at stacks of them, in all dtypes."""
    rng = np.random.default_rng(1)
    for case in grown(op, rng):
        for dtype in DTYPES[: 4 if isinstance(op, Contraction) else 2]:
            args = case.converted(dtype).args
            found = recorded(op, args, case.params)
            if found is None:
                continue
            program, expected = found
            with np.errstate(all="ignore"):
                terms = max((a.size for a in args), default=1)
                size = [np.sum(np.abs(a), where=np.isfinite(a)) for a in args if a.dtype.kind == "f"]
            for y, z in zip(run(program, args), expected, strict=True):
                z = np.asarray(z)
                exact = op.name in EITHER_ZERO or z.dtype.kind != "f" or op.ulps == 0
                # within n eps Σ|terms|, the products of the operands bounded by their sums
                slack = 0 if exact else terms * np.prod([1.0, *size]) * np.finfo(z.dtype).eps
                with np.errstate(all="ignore"):
                    agrees(y, z, 4 + slack / np.spacing(np.abs(z)) if not exact else 0, op.name in EITHER_ZERO)


def grown(op, rng):
    """The op's examples; in stacks; and, of what is reduced over axes, arrays of many sizes with special numbers."""
    for case in cases(op):
        yield case
        if not isinstance(op, Contraction):
            for k in (0, 1, 5, 9):
                yield case._replace(args=tuple(np.stack([a] * k) if k else np.zeros((0, *a.shape), a.dtype)
                                               for a in case.args))  # fmt: skip
        axes = case.params.get("axes") or (case.params.get("axis"),)
        if axes != (None,) and len(case.args) == 1:
            for n, m in ((1, 1), (1, 9), (3, 4), (17, 5), (8, 70), (70, 8)):
                x = rng.normal(size=(2, n, m))
                yield case._replace(args=(x,))
                x = np.where(rng.random((2, n, m)) < 0.1, rng.choice(SPECIAL, (2, n, m)), x)
                yield case._replace(args=(np.clip(x, -1e3, 1e3),))
                yield case._replace(args=(rng.choice([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf], (2, n, m)),))


def the_op_is_numpys(op):
    (elementwise_values if isinstance(op, Elementwise) else other_values)(op)


@every_op
def test_native_values_are_numpys(op):
    the_op_is_numpys(op)


# --- derivatives ------------------------------------------------------------------------------------------------------


def derivatives_of(case, rng):
    """Programs of first and second derivatives, in both modes, with values for their inputs."""
    for program, values in claims.first_and_second(case, rng):
        yield program, values
        moving = tuple(i for i, v in enumerate(program.inputs) if v.type.differentiable)
        if moving and claims.real_outputs(program):
            yield forward(program, moving).program, values + claims.random_like([values[i] for i in moving], rng)
            backward = reverse(program, moving).program
            yield backward, values + claims.random_like(claims.real_outputs(program), rng)


@every_op
def test_native_derivatives_are_numpys(op):
    rng = np.random.default_rng(2)
    for case in [c for one in cases(op, points=13) for c in (one, one.converted(np.float32))]:
        for program, values in derivatives_of(case, rng):
            program = simplify(program)
            with np.errstate(all="ignore"):
                expected = Executable(program)(values)
                found = run(program, values, whole=False)
            for y, z in zip(found, expected, strict=True):
                assert claims.close(np.asarray(y), np.asarray(z), 3000 * claims.rounding(program)), f"{y} is not {z}"


# --- sums -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((40, 9, 5), k) for k in (0, 1, 2, (0, 2), (1, 2), (0, 1), None)] + [((100_000,), None), ((5, 3000), 1),
     ((3000, 5), 0), ((300, 2, 300), (0, 2)), ((2, 3000, 3), 1)],
)  # fmt: skip
def test_sums_are_as_accurate_as_pairwise_ones(shape, axis, dtype):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(dtype)
    (found,) = run(cr.trace(lambda x: np.sum(x, axis=axis), x), (x,))
    exact = np.sum(x.astype(np.longdouble), axis=axis)
    assert np.max(np.abs(found - exact) / exact) <= 6 * np.finfo(dtype).eps
    (again,) = run(cr.trace(lambda x: np.sum(x, axis=axis), x), (x,))
    np.testing.assert_array_equal(found, again)


def test_softmax_by_rows_and_products_over_several_axes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 6, 5)), rng.normal(size=(6, 5, 3))
    for f in (
        lambda x, y: np.exp(x - np.max(x, axis=1, keepdims=True)) / np.sum(np.exp(x), axis=1, keepdims=True),
        lambda x, y: np.einsum("ijk,jkl->il", x, y) + np.sum(x, axis=(1, 2))[:, None],
        lambda x, y: np.cumsum(x, axis=1)[:, ::-1] * np.argmax(x, axis=-1)[..., None],
        lambda x, y: np.sort(y, axis=0)[::-1] + np.concatenate([y[1:], y[:1] * 2]),
    ):
        program = simplify(cr.trace(f, x, y))
        (found,), (expected,) = Mixed(program)((x, y)), Executable(program)((x, y))
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_positions_out_of_bounds_are_refused():
    x, i = np.arange(6.0), np.array([0, -6, 5])
    program = cr.trace(lambda x, i: x[i] * 2, x, i)
    np.testing.assert_array_equal(run(program, (x, i))[0], [0.0, 0.0, 10.0])
    for bad in (6, -7, 2**40):
        with pytest.raises(IndexError, match="out of bounds"):
            run(program, (x, np.array([0, bad, 1])))


# --- random programs --------------------------------------------------------------------------------------------------


def put(x, y, k):
    z = np.zeros(x.shape)
    z[k] = x
    z[1:] = z[1:] + y[1:]
    return z * 1.0


def added(x, y, k):
    z = x * 1.0
    np.add.at(z, k, y)
    return z


STEPS = {
    "sin": lambda x, y, k: np.sin(x), "times": lambda x, y, k: x * y, "less": lambda x, y, k: x - 0.5 * y,
    "flip": lambda x, y, k: x[::-1] + y, "mirror": lambda x, y, k: x[:, ::-1] * y,
    "roll": lambda x, y, k: np.roll(x, 1, axis=0) * y, "shift": lambda x, y, k: np.roll(x, 2, axis=1) + y,
    "where": lambda x, y, k: np.where(x > y, x, -y), "columns": lambda x, y, k: x * np.sum(y, axis=0),
    "rows": lambda x, y, k: x * np.sum(y, axis=1, keepdims=True), "all": lambda x, y, k: x * np.sum(y),
    "centred": lambda x, y, k: x - np.mean(x, axis=0), "top": lambda x, y, k: x - np.max(x, axis=1, keepdims=True),
    "running": lambda x, y, k: np.cumsum(x, axis=0) * 0.3, "along": lambda x, y, k: np.cumsum(y, axis=1) * 0.3 + x,
    "softmax": lambda x, y, k: scipy.special.softmax(x, axis=1),
    "logsumexp": lambda x, y, k: x - scipy.special.logsumexp(y, axis=0),
    "below": lambda x, y, k: np.concatenate([x[1:], y[:1]]), "put": put, "added": added,
    "beside": lambda x, y, k: np.concatenate([y[:, 1:] * 2, x[:, :1]], axis=1), "taken": lambda x, y, k: x[k] + y,
    "unit": lambda x, y, k: x / (1 + np.linalg.norm(y)), "outer": lambda x, y, k: x + np.outer(x[:, 0], y[0]),
    "gram": lambda x, y, k: (x.T @ y)[:1, :] * 0.1 + x, "turned": lambda x, y, k: x + y.ravel()[::-1].reshape(x.shape),
    "spread": lambda x, y, k: x / (1 + np.std(y, axis=0)), "first": lambda x, y, k: x + np.argmax(y, axis=1)[:, None],
    "dots": lambda x, y, k: x + 0.1 * np.einsum("ij,ij->i", x, y)[:, None],
    "product": lambda x, y, k: x + np.prod(np.cos(y), axis=1, keepdims=True),
}  # fmt: skip


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.sampled_from([1, 2, 3, 4, 5, 8, 9, 40]),
    st.sampled_from([1, 2, 3, 4, 5, 8, 9, 40]), st.integers(0, 5),
)  # fmt: skip
def test_random_programs_over_matrices_are_numpys(steps, n, m, seed):
    rng = np.random.default_rng(seed)
    args = rng.uniform(-1, 1, (n, m)), rng.uniform(-1, 1, (n, m)), rng.integers(0, n, n)

    def f(x, y, k):
        for step in steps:
            x, y = STEPS[step](x, y, k), x
        return np.sum(x * np.cos(y))

    program = simplify(cr.trace(cr.value_and_grad(f, wrt=(0, 1)), *args))
    with np.errstate(all="ignore"):
        for y, z in zip(Mixed(program)(args), Executable(program)(args), strict=True):
            assert claims.close(np.asarray(y), np.asarray(z), 1e-9) or np.max(np.abs(y - z)) < 1e-13, f"{y} is not {z}"


# --- the table --------------------------------------------------------------------------------------------------------


def test_all_other_ops_have_a_native_form():
    assert {op.name for op in OPS.values() if op.native is None} == ON_NUMPY


@pytest.mark.parametrize("name", ["tanh", "maximum", "remainder"])
def test_a_spoiled_formula_is_seen(monkeypatch, name):
    formula = elementwise.FORMULAS[name]
    monkeypatch.setitem(elementwise.FORMULAS, name, lambda code, *xs: formula(code, *xs) * 1.000000001)
    with pytest.raises(AssertionError):
        the_op_is_numpys(OPS[name])
