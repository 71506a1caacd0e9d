"""Programs that nobody wrote: random entries of the table, put together at random.

A recipe is a list of steps; each step takes earlier values and makes another. It runs on arrays and on stand-ins alike,
and all values stay of moderate size, so that differences can see every slope.
"""

from __future__ import annotations

from typing import Any

import claims
import numpy as np
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.execute import run
from chainrule.ops.op import Cases, Elementwise, apply
from chainrule.ops.sets import Interval
from chainrule.ops.table import OPS
from chainrule.transform.forward import forward
from chainrule.transform.reverse import reverse


def is_smooth(op: Elementwise) -> bool:
    """No kinks, no steps, no cases."""
    (case, *_) = claims.cases(op)
    partials = op.partials(case.args, op.evaluate(*case.args, **case.params), **case.params)
    return not op.kinks and not any(d is None or isinstance(d, Cases) for d in partials)


SMOOTH = [(op, params) for op in OPS.values() if isinstance(op, Elementwise) and is_smooth(op) for params in op.samples]
SHAPE = (2, 3)
Step = tuple[Any, ...]

index = st.integers(0, 99)
smooth = st.integers(0, len(SMOOTH) - 1)
specs = st.sampled_from(["ij,kj->ik", "ij,ij->i", "ij,ik->jk", "ij,ij->ji", "ij->ji"])
shapes = st.sampled_from([(3, 2), (6,), (1, 6), (2, 1, 3)])
cuts = st.sampled_from([(0, 2, 1), (2, None, -1), (1, 3, 1), (0, 3, 2)])
rows = st.lists(st.integers(-2, 1), min_size=1, max_size=4)
axes = st.sampled_from([None, 0, 1, -1])
reductions = st.sampled_from([np.sum, np.mean, np.var, np.prod, np.cumsum, np.linalg.norm])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("elementwise"), smooth, index, index),
        st.tuples(st.just("elementwise"), smooth, index, index),
        st.tuples(st.just("contract"), specs, index, index),
        st.tuples(st.just("reshape"), shapes, index),
        st.tuples(st.just("slice"), cuts, index),
        st.tuples(st.just("gather"), rows, index),
        st.tuples(st.just("scatter"), rows, index, index),
        st.tuples(st.just("concatenate"), axes, index, index),
        st.tuples(st.just("reduce"), reductions, axes, index),
        st.tuples(st.just("where"), index, index, index),
        st.tuples(st.just("softmax"), axes, index),
        st.tuples(st.just("solve"), index, index),
    ),
    min_size=1,
    max_size=8,
)


def into(domain: Interval, x: Any) -> Any:
    """Any value brought smoothly into the inner part of an interval."""
    low = max(domain.low, -1.5 if domain.high == np.inf else domain.high - 3.0)
    high = min(domain.high, 1.5 if domain.low == -np.inf else domain.low + 3.0)
    return low + (high - low) * (0.5 + 0.25 * np.sin(x))


def shaped(x: Any) -> Any:
    """Any value in the one shape that steps start from: its elements, over and over."""
    x = np.reshape(x, (-1,))
    n = int(np.prod(SHAPE))
    times = -(-n // x.shape[0])
    return np.reshape(np.concatenate([x] * times)[:n] if times > 1 else x[:n], SHAPE)


def cook(recipe: list[Step], *inputs: Any) -> Any:
    """Run a recipe: every value is (2, 3) when it is used; the result is all that was made, mixed."""
    made = list(inputs)

    def value(n: int) -> Any:
        return shaped(made[n % len(made)])

    for kind, *how in recipe:
        if kind == "elementwise":
            op, params = SMOOTH[how[0]]
            args = [into(d, value(n)) for d, n in zip(op.domain, [how[1], how[2], how[1]], strict=False)]
            made.append(apply(op, *args, **params))
        elif kind == "contract":
            operands = [value(n) for n in how[1:]][: how[0].count(",") + 1]
            made.append(np.einsum(how[0], *operands))
        elif kind == "reshape":
            made.append(np.reshape(value(how[1]), how[0]))
        elif kind == "slice":
            made.append(value(how[1])[:, slice(*how[0])])
        elif kind == "gather":
            made.append(value(how[1])[np.array(how[0])])
        elif kind == "scatter":
            x = value(how[1]) + 0.0
            y = np.concatenate([value(how[2])] * 2)
            x[np.array(how[0])] = y[: len(how[0])] * 0.5
            made.append(x)
        elif kind == "concatenate":
            made.append(np.concatenate([value(how[1]), value(how[2])], axis=how[0]))
        elif kind == "reduce":
            made.append(how[0](1.5 + into(Interval(-1, 1), value(how[2])), axis=how[1]))
        elif kind == "where":
            made.append(
                np.where(value(how[0]) > 0.1, np.sin(value(how[1])), np.exp(into(Interval(-1, 1), value(how[2]))))
            )
        elif kind == "softmax":
            made.append(scipy.special.softmax(value(how[1]), axis=how[0]))
        elif kind == "solve":
            a = value(how[0])
            made.append(np.linalg.solve(np.eye(2) * 3 + np.sin(a @ a.T), np.cos(value(how[1]))))
    return sum(np.cos(shaped(x) * (1 + 0.3 * n)) for n, x in enumerate(made[-4:]))


points = st.integers(0, 2**16).map(
    lambda seed: [np.random.default_rng(seed).uniform(-1.5, 1.5, SHAPE) for _ in range(2)]
)


@settings(max_examples=60)
@given(steps, points)
def test_recording_changes_no_value(recipe, values):
    program = cr.trace(lambda *x: cook(recipe, *x), *values)
    (found,) = run(program, values)
    assert claims.close(found, cook(recipe, *values), 1e-13)  # einsum adds up in another order than a matrix product
    assert claims.identical(claims.compute(program, values)[0], found)


@settings(max_examples=30)
@given(steps, points)
def test_both_modes_and_differences_agree_to_third_order(recipe, values):
    rng = np.random.default_rng(0)
    program, moving = cr.trace(lambda *x: cook(recipe, *x), *values), (0, 1)
    backward = claims.derivatives_only(reverse(program, moving))
    seeds = claims.random_like(claims.real_outputs(program), rng)
    for p, x, orders in ((program, list(values), 3), (backward, [*values, *seeds], 2)):
        for order in range(orders):
            claims.slopes_agree(p, x, moving, rng)
            claims.modes_agree(p, x, moving, rng)
            if order + 1 < orders:
                x = x + claims.random_like(values, rng)
                p = claims.derivatives_only(forward(p, moving))


@settings(max_examples=40)
@given(steps, points)
def test_rows_are_mapped_as_in_a_loop(recipe, values):
    rng = np.random.default_rng(1)
    program = cr.trace(lambda *x: cook(recipe, *x), *values)
    gradient = claims.derivatives_only(reverse(program, (0, 1)))
    rows = [[*claims.random_like(values, rng), rng.normal(size=SHAPE)] for _ in range(3)]
    for mapped in ([True, True], [True, False], [False, True]):
        claims.rows_agree(program, [r[:2] for r in rows], mapped)
        claims.rows_agree(gradient, rows, [*mapped, True])


@settings(max_examples=40)
@given(steps, points)
def test_simplifying_keeps_values(recipe, values):
    rng = np.random.default_rng(2)
    program = cr.trace(lambda *x: cook(recipe, *x), *values)
    found = reverse(program, (0, 1)).program
    values = [*values, rng.normal(size=SHAPE)]
    claims.simplified_is_identical(found, values)
    again = forward(found, (0, 1)).program
    claims.simplified_is_identical(again, values + claims.random_like(values[:2], rng))


@settings(max_examples=30)
@given(steps, points)
def test_users_functions_agree_with_each_other(recipe, values):
    """jacobian by columns and by rows, jvp, vjp, grad, hessian, hvp: one derivative."""
    x, w = values
    f = lambda x, w: cook(recipe, x, w)[:, :2]  # noqa: E731
    tall = lambda x, w: np.concatenate([cook(recipe, x, w).ravel()] * 2)  # noqa: E731
    loss = lambda x, w: np.sum(cook(recipe, x, w) ** 2)  # noqa: E731
    by_rows = cr.jacobian(f)(x, w)  # fewer outputs than inputs: reverse
    by_columns = cr.jacobian(tall)(x, w)  # more: forward
    size = 1 + np.abs(by_rows).max()
    np.testing.assert_allclose(by_columns[:6].reshape(2, 3, 2, 3)[:, :2], by_rows, atol=1e-11 * size)
    v = np.cos(np.arange(6.0)).reshape(SHAPE)
    _, moved = cr.jvp(f, (x, w), (v, np.zeros(SHAPE)))
    np.testing.assert_allclose(moved, np.tensordot(by_rows, v), atol=1e-11 * size)
    _, pull = cr.vjp(f, x, w)
    g = np.ones((2, 2))
    np.testing.assert_allclose(pull(g)[0], np.tensordot(g, by_rows), atol=1e-11 * size)
    h = cr.hessian(loss)(x, w)
    size = 1 + np.abs(h).max()
    np.testing.assert_allclose(h, np.transpose(h, (2, 3, 0, 1)), atol=1e-11 * size)
    np.testing.assert_allclose(cr.hvp(loss)(x, w, v), np.tensordot(h, v), atol=1e-11 * size)
    np.testing.assert_allclose(cr.jacobian(cr.grad(loss))(x, w), h, atol=1e-11 * size)
    rows = cr.vmap(cr.grad(loss), in_axes=(0, None))(np.stack([x, v]), w)
    np.testing.assert_allclose(rows, [cr.grad(loss)(x, w), cr.grad(loss)(v, w)], atol=1e-11 * size)
