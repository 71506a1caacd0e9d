"""Bounds are sound: whatever lies in the box, every value lies in its interval. And the test is seen to fail."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from unittest.mock import patch

import claims
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from test_random_programs import SHAPE, cook, points, steps

import chainrule as cr
from chainrule.analyze import bounds as module
from chainrule.analyze.bounds import bounds
from chainrule.errors import ArgumentError, IntegralError
from chainrule.ir import Program
from chainrule.ops.enclosures import Enclosure
from chainrule.ops.op import Elementwise, Op
from chainrule.ops.table import OPS

every_op = pytest.mark.parametrize("op", OPS.values(), ids=str)
WIDTHS = (0.0, 1e-9, 0.1, 2.0, 30.0, 1e5)
SPECIAL = (0.0, 1.0, -1.0, 0.5, 2.0, -3.0, np.pi / 2, 100.0, -800.0, 1e-320, 1e300, -1e300)


def inside(x: Enclosure, value, what=""):
    """Every number of value lies in x; what is no number must be announced. So may a pole be."""
    value = np.asarray(value, float)
    nan = np.isnan(value)
    assert x.undefined or not nan.any(), f"{what}: NaN was not announced"
    nan |= np.isinf(value) & x.undefined
    assert np.all(nan | ((x.low <= value) & (value <= x.high))), f"{what}: {value} is not in {x.low}, {x.high}"


def sound(program: Program, lows, highs, rng, tries=6):
    """Values at corners and at points between, in the dtypes of the program, lie in the bounds of every Var."""
    found = bounds(program, list(zip(lows, highs, strict=True)))
    for n in range(tries):
        args = []
        for low, high, v in zip(lows, highs, program.inputs, strict=True):
            t = rng.uniform(size=low.shape) if n > 2 else rng.integers(0, 2, low.shape)
            with np.errstate(all="ignore"):
                x = np.where(t == 1, high, np.where(t == 0, low, low * (1 - t) + high * t))
            x = np.clip(x, low, high)
            args.append(x.astype(v.type.dtype))
        try:
            values = claims.every_value(program, args)
        except np.linalg.LinAlgError:
            continue  # no Cholesky factor, no inverse: nothing to enclose
        for v, value in values.items():
            inside(found.of[v], value, f"{program} at {args}")
            if not np.all(np.isfinite(value)):
                break  # what comes of an overflow is not promised


def boxes(case, rng, dtype):
    """Boxes around the case's operands, of several widths, whole numbers and indices left as they are."""
    for width in WIDTHS:
        lows, highs = [], []
        for i, a in enumerate(case.args):
            moving = i in case.moving
            w = width * rng.uniform(0, 1, a.shape) if moving else 0.0
            a = a.astype(dtype) if a.dtype.kind == "f" else a
            low = (a - w).astype(a.dtype) if moving else a
            high = (a + w * rng.integers(0, 2, a.shape)).astype(a.dtype) if moving else a
            lows.append(low)
            highs.append(high)
        yield lows, highs


def sound_for(op: Op, seed=0):
    rng = np.random.default_rng(seed)
    for case in claims.cases(op):
        for dtype in (np.float64, np.float32):
            program = claims.program_of(case.converted(dtype))
            for lows, highs in boxes(case, rng, dtype):
                with contextlib.suppress(IntegralError):  # an integral that is not known there has no value
                    sound(program, lows, highs, rng)


@every_op
def test_values_lie_in_the_bounds_of_every_op(op):
    sound_for(op)


def extremes_of(op: Elementwise, seed=1):
    """Boxes whose ends are large, tiny, zero, and on either side of every domain."""
    rng = np.random.default_rng(seed)
    ends = np.array(SPECIAL)
    for params in op.samples:
        program = claims.program_of(claims.Case(op, tuple(np.ones(1) for _ in op.domain), params))
        for _ in range(60):  # one box at a time: one NaN would hide the rest
            a, b = (
                [
                    (x > 0) * 1.0 if d.whole else x
                    for x, d in zip(rng.choice(ends, (op.arity, 1)), op.domain, strict=True)
                ]
                for _ in range(2)
            )
            lows, highs = zip(*((np.minimum(x, y), np.maximum(x, y)) for x, y in zip(a, b, strict=True)), strict=True)
            sound(program, lows, highs, rng, 4)


@pytest.mark.parametrize("op", [op for op in OPS.values() if isinstance(op, Elementwise)], ids=str)
def test_values_lie_in_the_bounds_at_extreme_ends(op):
    extremes_of(op)


@settings(max_examples=12)
@given(steps, points)
def test_values_lie_in_the_bounds_of_random_programs(recipe, values):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        values = [v.astype(dtype) for v in values]
        program = cr.trace(lambda *x: cook(recipe, *x), *values)
        for width in (0.0, 1e-3, 0.5):
            w = (np.abs(rng.uniform(0, width, SHAPE))).astype(dtype)
            sound(program, [v - w for v in values], [v + w for v in values], rng)


def spoiled(op: Op) -> list[Op]:
    """Entries whose facts say too little is possible."""
    found = []
    if isinstance(op, Elementwise) and op.turns:
        found.append(replace(op, turns=(1.0,)))
    elif isinstance(op, Elementwise) and op.derivative and not op.bounds and not op.increasing:
        found.append(replace(op, derivative=lambda *a, **p: tuple(-1 * d for d in op.partials(a[:-1], a[-1], **p))))
    if op.bounds:
        found.append(replace(op, bounds=lambda *x, **p: shrunk(op.bounds(*x, **p))))
    return found


def shrunk(ends):
    """The lower half."""
    with np.errstate(all="ignore"):
        return ends[0], np.where(np.isfinite(ends[0]), np.minimum(ends[1], ends[0]), -1e305)


SPOILED = [
    "exp", "arccos", "sinh", "tanh", "log", "add", "multiply", "divide", "sin", "where", "softmax", "norm", "power_of",
    "greater", "cosh",
]  # fmt: skip


@pytest.mark.parametrize("op", [OPS[name] for name in SPOILED], ids=str)
def test_a_spoiled_fact_is_caught(op):
    for other in spoiled(op):
        with pytest.raises(AssertionError):
            everywhere(other)


def everywhere(op):
    sound_for(op)
    if isinstance(op, Elementwise):
        extremes_of(op)


def rounding_inward(op, found, t, undefined, *_):
    return Enclosure(np.asarray(found[0]), np.asarray(found[1]), undefined)


@pytest.mark.parametrize("op", [OPS[n] for n in ("cumsum", "logsumexp", "sqrt")], ids=str)
def test_what_is_not_rounded_outward_is_caught(op):
    with patch.object(module, "_rounded", rounding_inward), pytest.raises(AssertionError):
        sound_for(op)


# --- what they say --------------------------------------------------------------------------------------------------


def ends(f, *box):
    program = cr.trace(f, *[np.float64(low) for low, _ in box])
    return bounds(program, box).outputs[0]


def test_bounds_are_close_where_a_function_is_monotone():
    for f, box, low, high in [
        (np.exp, (-1, 2), np.exp(-1), np.exp(2)),
        (np.arccos, (-0.5, 0.25), np.arccos(0.25), np.arccos(-0.5)),
        (lambda x: np.exp(-(x**2)), (-1, 2), np.exp(-4), 1),
        (np.cosh, (-1, 2), 1, np.cosh(2)),
        (np.sin, (0, 3), 0, 1),
        (np.abs, (-3, 2), 0, 3),
        (lambda x: 1 / x, (2, 4), 0.25, 0.5),
        (lambda x: x**-2.0, (0.5, 1), 1, 4),
        (lambda x: np.where(x > 0, x, -x), (1, 2), 1, 2),
        (lambda x: np.where(np.isinf(x), 0, -1 / x**2), (1, 2), -1, -0.25),
        (lambda x: np.isfinite(x) * 1.0, (1, 2), 1, 1),
    ]:
        found = ends(f, box)
        np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-14, atol=1e-300)
        assert not found.undefined


def test_all_reals_may_be_asked_about():
    for f, low, high in [
        (lambda x: np.log(1 + np.exp(x)), 0, np.inf),
        (lambda x: np.logaddexp(0, x), 0, np.inf),
        (lambda x: 1 / (1 + np.exp(-x)), 0, 1),
        (lambda x: np.sqrt(1 + x**2), 1, np.inf),
        (lambda x: np.tanh(x) ** 2, 0, 1),
        (lambda x: 1 / np.cosh(x) ** 2, 0, 1),
    ]:
        found = ends(f, (-np.inf, np.inf))
        np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-14)


def test_what_may_have_no_value_is_announced():
    assert ends(np.log, (-1, 2)).undefined
    assert ends(np.log, (0, 2)).undefined  # -∞ at 0
    assert not ends(np.sqrt, (0, 2)).undefined
    assert not ends(np.log, (0.1, 2)).undefined
    assert ends(lambda x: 1 / x, (-1, 1)).undefined
    assert ends(lambda x: x**0.5, (-1, 1)).undefined
    assert not ends(lambda x: np.where(x > 0, np.log(np.maximum(x, 0.1)), x), (-1, 1)).undefined
    assert not ends(lambda x: np.where(x > 2, np.log(x), x), (-1, 1)).undefined  # the branch is never taken


def test_products_with_data_are_exact_but_for_rounding():
    A = np.array([[1.0, -2.0], [0.5, 3.0]])
    low, high = np.array([-1.0, 0.0]), np.array([2.0, 1.0])
    found = bounds(cr.trace(lambda x: A @ x, low), [(low, high), (A, A)]).outputs[0]
    np.testing.assert_allclose(found.low, [-3, -0.5], rtol=1e-13)
    np.testing.assert_allclose(found.high, [2, 4], rtol=1e-13)


def test_bounds_print_and_refuse_what_is_no_interval():
    program = cr.trace(lambda x: x * 2, 0.5)
    assert str(bounds(program, [(1.0, 2.0)])) == "[2, 4]"
    for wrong in ([(2.0, 1.0)], [(0.0, np.nan)], [3.0], [("a", "b")], [(np.zeros(2), np.ones(2))], []):
        with pytest.raises(ArgumentError):
            bounds(program, wrong)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1,), (2, 3, 2)])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_softmax_of_wide_intervals(shape, scale):
    """The largest score of a box may be that of any element: the others must not be found as a difference."""
    rng = np.random.default_rng(0)
    program = cr.trace(lambda x: scipy.special.softmax(x, axis=-1), np.zeros(shape))
    for width in (0.0, 1e-6, 1.0, scale):
        middle = rng.normal(size=shape) * scale
        low, high = middle - width, middle + width
        found = bounds(program, [(low, high)]).outputs[0]
        for _ in range(20):
            x = np.where(rng.integers(0, 2, shape) > 0, low, high)
            inside(found, scipy.special.softmax(x, axis=-1))
    wide = cr.trace(lambda x: scipy.special.softmax(x), np.zeros(2))
    inside(bounds(wide, [([-153.0, -55.0], [94.0, 29.0])]).outputs[0], scipy.special.softmax([-98.0, -28.0]))


def test_remainders_have_the_shape_of_both_operands():
    program = cr.trace(lambda x: np.sum((x % 0.7) ** 2), np.zeros(3))
    inside(bounds(program, [(np.zeros(3), np.ones(3))]).outputs[0], np.sum(np.full(3, 0.6) ** 2))


def test_images_are_rounded_in_single_precision():
    program = cr.trace(np.arctan, np.float32(0.0))
    inside(bounds(program, [(0.0, 1e30)]).outputs[0], np.arctan(np.float32(1e30)))
