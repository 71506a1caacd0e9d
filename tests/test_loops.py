"""Loops that say that they are loops: values and all derivatives are those of the loop in Python."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from evidence import module
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_programs import cook, points, steps

import chainrule as cr
from chainrule import execute
from chainrule.errors import (
    ArgumentError,
    ChainruleError,
    DtypeError,
    NoRuleError,
    ShapeError,
    SideEffectError,
    ValueNeededError,
)
from chainrule.ir import check
from chainrule.numeric.loops import Marks
from chainrule.ops.control import Body
from chainrule.transform import loops as rules
from chainrule.transform.simplify import simplify


def in_python(f: Any, init: Any, xs: Any, reverse: bool = False) -> Any:
    """What cr.scan does, written out."""
    carry, ys = init, []
    for x in reversed(xs) if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


def close(a: Any, b: Any, tol: float = 1e-9) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1.0, float(np.max(np.abs(b), initial=0))))


# --- the same as the loop in Python -----------------------------------------------------------------------------------

seeds = st.integers(0, 2**16).map(np.random.default_rng)


@settings(max_examples=12)
@given(steps, points, seeds, st.booleans(), st.integers(1, 4))
def test_a_random_scan_has_the_values_and_derivatives_of_the_loop(recipe, values, rng, reverse, n):
    start, w = values
    xs = rng.uniform(-1, 1, (n, 2, 3))

    def step(carry, x, w):
        new = 0.5 * cook(recipe, carry + x, w)
        return new, np.sum(np.sin(new) * x)

    def both(loop):
        def f(w, start, xs):
            carry, ys = loop(lambda c, x: step(c, x, w), start, xs, reverse=reverse)
            return np.sum(carry**2) + np.sum(np.cos(ys))

        return f

    looped, plain = both(cr.scan), both(in_python)
    close(looped(w, start, xs), plain(w, start, xs))
    directions = tuple(rng.normal(size=v.shape) for v in (w, start, xs))
    for found, expected in zip(
        cr.jvp(looped, (w, start, xs), directions), cr.jvp(plain, (w, start, xs), directions), strict=True
    ):
        close(found, expected)
    for found, expected in zip(
        cr.grad(looped, wrt=(0, 1, 2))(w, start, xs), cr.grad(plain, wrt=(0, 1, 2))(w, start, xs), strict=True
    ):
        close(found, expected)
    close(cr.hvp(looped)(w, start, xs, directions[0]), cr.hvp(plain)(w, start, xs, directions[0]), 1e-8)


def rnn(loop: Any) -> Any:
    """A small recurrent network with everything that may move: fixed weights, a first state, inputs."""

    def f(W, h, xs):
        last, ys = loop(lambda h, x: (np.tanh(W @ h + x), np.sum(h * x)), h, xs)
        return np.sum(last**2) + np.sum(np.sin(ys))

    return f


WAYS = {
    "grad": lambda f: cr.grad(f),
    "pullback": lambda f: lambda x: cr.vjp(f, x)[1](1.0)[0],
    "jacobian": lambda f: cr.jacobian(f),
    "forward": lambda f: lambda x: cr.jvp(f, (x,), (np.ones_like(x),))[1],
    "rows": lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x, 2 * x]))[1],
}


@pytest.mark.parametrize(("outer", "inner"), [*itertools.product(WAYS, WAYS)])
def test_all_pairs_of_modes_agree_with_the_loop(outer, inner):
    rng = np.random.default_rng(1)
    W, h, xs = rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=(3, 2))
    scanned, unrolled = rnn(cr.scan), rnn(in_python)

    def twice(f):
        return WAYS[outer](lambda W: np.sum(WAYS[inner](lambda V: f(V, h, xs))(W) ** 2))

    close(twice(scanned)(W), twice(unrolled)(W), 1e-8)


def newton(a: Any) -> Any:
    """The cube root of a, by Newton's steps."""
    return cr.while_loop(lambda x: abs(x**3 - a) > 1e-13 * a, lambda x: x - (x**3 - a) / (3 * x**2), a * 0 + 1.0)


NUMBERS = {
    "grad": lambda f: cr.grad(f),
    "pullback": lambda f: lambda x: cr.vjp(f, x)[1](1.0)[0],
    "jacobian": lambda f: lambda x: cr.jacobian(lambda v: f(v[0]))(np.stack([x, x]))[0],
    "forward": lambda f: lambda x: cr.jvp(f, (x,), (1.0,))[1],
    "rows": lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x * 1.0, 2.0 * x]))[0],
    "rows of forward": lambda f: lambda x: cr.vmap(lambda y: cr.jvp(f, (y,), (1.0,))[1])(np.stack([2 * x, x + 0.0]))[1],
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [*itertools.product(NUMBERS, NUMBERS)])
def test_an_iteration_that_has_converged_has_the_derivatives_of_its_limit(first, second):
    for a in (0.7, 8.0):
        assert np.isclose(NUMBERS[first](newton)(a), a ** (-2 / 3) / 3, rtol=1e-9)
        twice = NUMBERS[first](NUMBERS[second](newton))
        assert np.isclose(twice(a), -2 / 9 * a ** (-5 / 3), rtol=1e-7)


def test_third_derivatives_of_a_loop_of_unknown_length():
    exact = 10 / 27 * 2 ** (-8 / 3)
    for ways in itertools.product(("grad", "forward", "rows"), repeat=3):
        f = newton
        for way in ways:
            f = NUMBERS[way](f)
        assert np.isclose(f(2.0), exact, rtol=1e-5), ways


def collatz_like(loop: Any) -> Any:
    """Vectors through a loop whose number of steps depends on them, with a matrix from outside."""

    def f(A, v):
        n, x = loop(lambda c: np.sum(c[1] ** 2) < 50.0, lambda c: (c[0] + 1, A @ c[1] + np.sin(v)), (0, v))
        return np.sum(x**2) * (1.0 + n)

    return f


def while_in_python(test: Any, body: Any, carry: Any, steps: int) -> Any:
    for _ in range(steps):
        carry = body(carry)
    return carry


def test_gradients_of_a_while_loop_flow_to_captured_arrays():
    A, v = np.array([[1.5, 0.3], [-0.2, 1.4]]), np.array([0.3, -0.5])
    looped = collatz_like(cr.while_loop)
    count, x = 0, v
    while np.sum(x**2) < 50.0:
        count, x = count + 1, A @ x + np.sin(v)
    assert count > 3
    plain = collatz_like(lambda t, b, c: while_in_python(t, b, c, count))
    close(looped(A, v), plain(A, v))
    for found, expected in zip(cr.grad(looped, wrt=(0, 1))(A, v), cr.grad(plain, wrt=(0, 1))(A, v), strict=True):
        close(found, expected)
    close(cr.hessian(looped, wrt=1)(A, v), cr.hessian(plain, wrt=1)(A, v), 1e-8)
    reverse_twice = [cr.jacobian(lambda A, f=f: cr.grad(f)(A, v)[0])(A) for f in (looped, plain)]
    close(*reverse_twice, 1e-8)
    once_more = [cr.grad(lambda A, f=f: np.sum(cr.grad(f)(A, v) ** 3))(A) for f in (looped, plain)]
    close(*once_more, 1e-8)


def test_rows_of_a_while_loop_stop_each_at_its_own_end():
    A = np.array([[1.5, 0.3], [-0.2, 1.4]])
    f = collatz_like(cr.while_loop)
    vs = np.array([[0.3, -0.5], [3.0, 4.0], [30.0, 1.0], [0.01, 0.01]])
    close(cr.vmap(f, in_axes=(None, 0))(A, vs), np.stack([f(A, v) for v in vs]))
    one_by_one = np.stack([cr.grad(f, wrt=1)(A, v) for v in vs])
    close(cr.vmap(cr.grad(f, wrt=1), in_axes=(None, 0))(A, vs), one_by_one)
    close(cr.grad(lambda vs: np.sum(cr.vmap(f, in_axes=(None, 0))(A, vs)))(vs), one_by_one)
    shared = cr.grad(lambda A: np.sum(cr.vmap(f, in_axes=(None, 0))(A, vs)))(A)
    close(shared, sum(cr.grad(f)(A, v) for v in vs))
    close(cr.vmap(cr.grad(f), in_axes=(None, 0))(A, vs), np.stack([cr.grad(f)(A, v) for v in vs]))


def test_a_jacobian_through_a_while_loop_is_the_same_by_columns_and_by_rows():
    def f(v):  # two numbers to three
        x = cr.while_loop(lambda x: np.sum(x**2) < 9.0, lambda x: 1.3 * x + 0.1 * np.cos(x), v)
        return np.array([x[0] * x[1], np.sin(x[0]), x[1] ** 2])

    v = np.array([0.4, 0.2])
    columns = cr.jacobian(f)(v)
    close(np.stack([cr.vjp(f, v)[1](row)[0] for row in np.eye(3)]), columns)
    close(cr.jacobian(lambda v: np.sum(f(v) * np.arange(3.0)))(v), np.arange(3.0) @ columns)


def test_rows_of_a_scan_with_any_choice_of_what_is_mapped():
    rng = np.random.default_rng(2)
    W, h, xs = rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 2)), rng.normal(size=(4, 3, 2))
    f = rnn(cr.scan)
    for mapped in itertools.product((True, False), repeat=3):
        if not any(mapped):
            continue
        args = [v if m else v[0] for v, m in zip((W, h, xs), mapped, strict=True)]
        axes = tuple(0 if m else None for m in mapped)
        rows = [[v[i] if m else v for v, m in zip(args, mapped, strict=True)] for i in range(4)]
        close(cr.vmap(f, in_axes=axes)(*args), np.stack([f(*r) for r in rows]))
        gradient = cr.grad(f, wrt=(0, 1, 2))
        found = cr.vmap(gradient, in_axes=axes)(*args)
        for n in range(3):
            close(found[n], np.stack([gradient(*r)[n] for r in rows]))


# --- loops in loops ---------------------------------------------------------------------------------------------------


def test_scans_nest():
    def nested(loop):
        def f(a, xs):
            def outer(c, row):
                last, ys = loop(lambda d, x: (np.sin(a * d + x * c), d * x), c, row)
                return last, np.sum(ys)

            c, ys = loop(outer, a * 0.5, xs)
            return c * np.sum(ys**2)

        return f

    xs = np.random.default_rng(0).normal(size=(3, 4))
    f, g = nested(cr.scan), nested(in_python)
    close(f(0.7, xs), g(0.7, xs))
    for wrt in (0, 1):
        close(cr.grad(f, wrt=wrt)(0.7, xs), cr.grad(g, wrt=wrt)(0.7, xs))
    close(cr.hessian(f)(0.7, xs), cr.hessian(g)(0.7, xs), 1e-8)
    close(cr.hessian(f, wrt=1)(0.7, xs), cr.hessian(g, wrt=1)(0.7, xs), 1e-8)


def test_a_scan_in_a_branch_in_a_while_loop():
    xs = np.array([0.3, -0.2, 0.5])

    def loops(scan, branch, loop):
        def f(a):
            def body(c):
                x, n = c
                up = lambda x: scan(lambda s, t: (s + a * t**2 * s, None), x, xs)[0]  # noqa: E731
                return branch(n % 2 == 0, up, lambda x: x * (1.0 + a), x), n + 1

            return loop(lambda c: c[0] < 10.0, body, (a + 1.0, 0))[0]

        return f

    f = loops(cr.scan, cr.cond, cr.while_loop)
    steps = 0
    x, a = 1.4, 0.4
    while x < 10.0:
        x = x * np.prod(1 + a * xs**2) if steps % 2 == 0 else x * (1 + a)
        steps += 1

    def plain_scan(step, c, xs):
        for t in xs:
            c, _ = step(c, t)
        return c, None

    def plain_loop(test, body, c):
        for n in range(steps):
            c = body((c[0], n))
        return c

    g = loops(plain_scan, lambda p, yes, no, *args: (yes if p else no)(*args), plain_loop)
    close(f(0.4), g(0.4))
    close(cr.grad(f)(0.4), cr.grad(g)(0.4))
    close(cr.grad(cr.grad(f))(0.4), cr.grad(cr.grad(g))(0.4), 1e-8)
    close(cr.hessian(f)(0.4), cr.hessian(g)(0.4), 1e-8)
    close(cr.vmap(f)(np.array([0.4, 0.9, 0.05]))[0], g(0.4))
    close(cr.vmap(cr.grad(f))(np.array([0.4, 0.9, 0.05])), np.array([cr.grad(f)(v) for v in (0.4, 0.9, 0.05)]))


def test_a_derivative_in_a_step_moves_its_own_variable():
    """∂y (x y + c) = x in every step, with c the carry and x the outer variable."""

    def f(x):
        return cr.scan(lambda c, _: (c + x * cr.grad(lambda y: x * y + c)(2.0), None), 0.0, length=3)[0]

    assert f(1.5) == 3 * 1.5**2
    assert cr.grad(f)(1.5) == 9.0
    assert cr.hessian(f)(1.5) == 6.0
    assert cr.jvp(cr.grad(f), (1.5,), (1.0,))[1] == 6.0

    def g(x):  # and the other way round
        return x * cr.grad(lambda y: cr.while_loop(lambda c: c < 5.0, lambda c: c * y + 0 * x, x))(2.0)

    assert g(1.0) == 12.0  # y³ → 3 y²
    assert cr.grad(g)(1.0) == 24.0  # of x² · 12


# --- the edges --------------------------------------------------------------------------------------------------------


def test_no_steps_and_one_step():
    def f(c, xs):
        carry, ys = cr.scan(lambda c, x: (c * x, c + x), c, xs)
        return carry, ys

    carry, ys = f(2.0, np.zeros(0))
    assert carry == 2.0
    assert ys.shape == (0,)
    assert ys.dtype == float
    loss = lambda c, xs: f(c, xs)[0] + np.sum(f(c, xs)[1])  # noqa: E731
    assert cr.grad(loss)(2.0, np.zeros(0)) == 1.0
    assert cr.grad(loss, wrt=1)(2.0, np.zeros(0)).shape == (0,)
    assert cr.grad(loss)(2.0, np.array([3.0])) == 4.0
    assert cr.grad(loss, wrt=1)(2.0, np.array([3.0])).tolist() == [3.0]
    assert cr.while_loop(lambda x: x < 0, lambda x: x + 1, 2.0) == 2.0
    assert cr.grad(lambda a: cr.while_loop(lambda x: x < 0, lambda x: x + a, 2.0 * a))(1.0) == 2.0


def test_structures_keep_their_structure():
    @dataclass
    class State:
        x: Any
        more: Any

    def step(s, row):
        return State(s.x + row["a"], {"n": s.more["n"] + 1, "none": None}), (row["b"] * s.x, None)

    init = State(1.0, {"n": 0, "none": None})
    xs = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    last, (ys, nothing) = cr.scan(step, init, xs)
    assert isinstance(last, State)
    assert last.x == 4.0
    assert last.more == {"n": 2, "none": None}
    assert nothing is None
    assert ys.tolist() == [3.0, 8.0]
    g = cr.grad(lambda xs: cr.scan(step, init, xs)[0].x * np.sum(cr.scan(step, init, xs)[1][0]))(xs)
    assert list(g) == ["a", "b"]
    assert g["a"].tolist() == [11.0 + 4.0 * 4.0, 11.0]
    assert cr.scan(lambda c, x: (None, x * 2), None, np.arange(3))[1].tolist() == [0, 2, 4]
    assert cr.scan(lambda c, x: (c + 1, None), 0, length=4) == (4, None)


def test_whole_numbers_and_truths_ride_along():
    def f(x):
        def step(c, _):
            n, even, x = c
            return (n + 1, ~even, np.where(even, x * 1.5, x + n)), n

        (n, even, x), ns = cr.scan(step, (np.int32(0), True, x), length=5)
        return x, n, even, ns

    x, n, even, ns = f(2.0)
    assert (n, even, ns.tolist()) == (5, False, [0, 1, 2, 3, 4])
    assert n.dtype == ns.dtype == np.int32
    assert x == (((2 * 1.5 + 1) * 1.5) + 3) * 1.5
    assert cr.grad(lambda x: f(x)[0])(2.0) == 1.5**3
    assert cr.jvp(lambda x: f(x)[0], (2.0,), (1.0,))[1] == 1.5**3
    assert cr.vmap(lambda x: f(x)[0])(np.array([2.0, 3.0])).tolist() == [x, x + 1.5**3]


def test_single_precision_stays_single():
    w, xs = np.float32(0.5), np.linspace(0, 1, 5, dtype=np.float32)
    f = lambda w, xs: cr.scan(lambda c, x: (np.sin(w * c) + x, c * x), 0.0, xs)  # noqa: E731
    carry, ys = f(w, xs)
    assert carry.dtype == ys.dtype == np.float32
    assert cr.grad(lambda w: f(w, xs)[0])(w).dtype == np.float32
    assert cr.hessian(lambda w: np.sum(f(w, xs)[1]))(w).dtype == np.float32
    root = lambda a: cr.while_loop(lambda x: abs(x * x - a) > 1e-5, lambda x: (x + a / x) / 2, a)  # noqa: E731
    assert cr.grad(root)(np.float32(2.0)).dtype == np.float32


def test_a_number_of_python_takes_the_dtype_of_the_step():
    xs = np.arange(3, dtype=np.float32)
    assert cr.scan(lambda c, x: (c + x, None), 0, xs)[0].dtype == np.float32
    assert cr.scan(lambda c, x: (c + 1.5, None), 0, length=2)[0] == 3.0
    assert cr.scan(lambda c, x: (c + 1, None), 0, length=2)[0].dtype == np.int64
    assert cr.grad(lambda a: cr.scan(lambda c, x: (c * a, None), 1, length=3)[0])(2.0) == 12.0
    assert cr.grad(lambda a: cr.scan(lambda c, _: (c * 2, None), a, length=3)[0])(2.0) == 8.0


def test_steps_backwards_stand_where_they_belong():
    carry, ys = cr.scan(lambda c, x: (c + x, c), 0.0, np.array([1.0, 2.0, 4.0]), reverse=True)
    assert carry == 7.0
    assert ys.tolist() == [6.0, 4.0, 0.0]


def test_a_limit_of_steps_ends_the_loop():
    def f(x, most):
        return cr.while_loop(lambda x: x > 0, lambda x: x * 2.0, x, max_steps=most)

    assert f(1.0, 3) == 8.0
    assert f(1.0, 0) == 1.0
    assert f(-1.0, 3) == -1.0
    assert cr.grad(f)(1.0, 5) == 32.0
    assert cr.vmap(lambda x: f(x, 2))(np.array([1.0, -1.0, 2.0])).tolist() == [4.0, -1.0, 8.0]


def test_results_have_memory_of_their_own():
    xs, init = np.ones((2, 3)), np.ones(3)
    carry, ys = cr.scan(lambda c, x: (x, c), init, xs)
    carry[:] = ys[:] = 7
    assert (xs == 1).all()
    assert (init == 1).all()
    same = cr.while_loop(lambda x: np.sum(x) < 0, lambda x: x + 1, init)
    same[:] = 9
    assert (init == 1).all()


def test_arrays_from_outside_are_read_anew_at_every_call():
    m = module(
        """
        import numpy as np, chainrule as cr
        W = np.array([1.0, 2.0])
        def f(x):
            return cr.scan(lambda c, _: (c * W, None), x, length=2)[0]
        """
    )
    x = np.ones(2)
    assert m.f(x).tolist() == [1, 4]
    assert cr.grad(lambda x: np.sum(m.f(x)))(x).tolist() == [1, 4]
    m.W[:] = 3
    assert m.f(x).tolist() == [9, 9]
    assert cr.grad(lambda x: np.sum(m.f(x)))(x).tolist() == [9, 9]
    m.W = np.array([5.0, 5.0])
    assert m.f(x).tolist() == [25, 25]


def test_branches():
    def f(x, w):
        return cr.cond(np.sum(x) > 0, lambda x: (np.sin(x) * w, 1.0), lambda x: (x * 2, np.sum(w)), x)

    x, w = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for sign in (1, -1):
        y, n = f(sign * x, w)
        close(y, np.sin(x) * w if sign == 1 else -2 * x)
        assert n == (1.0 if sign == 1 else 7.0)
        loss = lambda x, w: np.sum(f(x, w)[0] ** 2) * f(x, w)[1]  # noqa: E731
        plain = (
            (lambda x, w: np.sum((np.sin(x) * w) ** 2)) if sign == 1 else (lambda x, w: np.sum(4 * x**2) * np.sum(w))
        )
        for wrt in (0, 1):
            close(cr.grad(loss, wrt=wrt)(sign * x, w), cr.grad(plain, wrt=wrt)(sign * x, w))
            close(cr.hessian(loss, wrt=wrt)(sign * x, w), cr.hessian(plain, wrt=wrt)(sign * x, w))
            close(cr.jacobian(cr.grad(loss, wrt=wrt))(sign * x, w), cr.jacobian(cr.grad(plain, wrt=wrt))(sign * x, w))
    rows = np.stack([x, -x, 2 * x])
    close(cr.vmap(cr.grad(loss), in_axes=(0, None))(rows, w), np.stack([cr.grad(loss)(r, w) for r in rows]))


def test_a_branch_that_is_not_taken_is_not_run():
    def f(a, which):
        return cr.cond(which > 0, lambda a: np.linalg.inv(a), lambda a: a * 1.0, a)

    singular = np.zeros((2, 2))
    assert cr.trace(f, singular, 1.0).inputs
    assert (cr.grad(lambda a: np.sum(f(a, -1.0)))(singular) == 1).all()
    with pytest.raises(np.linalg.LinAlgError):
        cr.grad(lambda a, w: np.sum(f(a, w)))(singular, 1.0)


def test_a_predicate_that_is_known_picks_its_branch():
    assert cr.cond(True, lambda x: x + 1, lambda x: "no", 1.0) == 2.0
    assert cr.grad(lambda x: cr.cond(False, np.sin, np.cos, x))(0.0) == 0.0
    assert cr.grad(lambda x: cr.cond(x, lambda: x * 2, lambda: x * 3))(0.0) == 3.0


# --- what it costs ----------------------------------------------------------------------------------------------------


def peak(f: Any, *args: Any) -> int:
    f(*args)
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_memory_of_reverse_mode_grows_as_the_square_root_of_the_length():
    w, c = np.full(2000, 0.9), np.linspace(0, 1, 2000)

    def loss(w, n):
        return np.sum(cr.scan(lambda c, _: (np.sin(w * c) + 0.1, None), c, length=n)[0])

    gradient = cr.grad(loss)
    few, many = peak(gradient, w, 256), peak(gradient, w, 16 * 256)
    assert few < 256 * c.nbytes / 4
    assert many < 5 * few
    second = cr.hvp(loss)
    few, many = peak(second, w, 256, w), peak(second, w, 16 * 256, w)
    assert many < 5 * few


def test_the_memory_of_a_while_loop_backwards_grows_as_the_square_root_of_its_steps(monkeypatch):
    monkeypatch.setattr(execute, "_compilers", [])  # a kernel has places for so many marks, and keeps its memory
    w, c = np.full(2000, 0.9), np.linspace(0, 1, 2000)

    def loss(w, n):
        return np.sum(cr.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1.0, np.sin(w * s[1]) + 0.1), (0.0, c))[1])

    gradient = cr.grad(loss)
    few, many = peak(gradient, w, 400.0), peak(gradient, w, 6400.0)
    assert few < 400 * c.nbytes / 2
    assert many < 5 * few
    close(gradient(w, 400.0), cr.grad(lambda w: np.sum(cr.scan(
        lambda c, _: (np.sin(w * c) + 0.1, None), c, length=400)[0]))(w))  # fmt: skip


def test_marks_come_back_from_the_last_to_the_first():
    for n in (0, 1, 5, 1000, 4097):
        marks = Marks([np.zeros(4000)])
        for i in range(1, n + 1):
            marks.pass_by([np.full(4000, float(i))])
        assert len(marks.kept) <= max(2 * n**0.5 + 3, 40)
        found = []
        for many, (carry,) in marks.segments():
            assert many <= max(2 * n**0.5, 1)
            found += range(int(carry[0]) + many - 1, int(carry[0]) - 1, -1)
        assert found == list(range(n - 1, -1, -1))


@pytest.mark.parametrize("n", [16, 17, 31, 60, 61, 97])
@pytest.mark.parametrize("reverse", [False, True])
def test_segments_change_nothing(n, reverse, monkeypatch):
    rng = np.random.default_rng(n)
    W, h, xs = rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=(n, 2))

    def f(W, h, xs):
        last, ys = cr.scan(lambda h, x: (np.tanh(W @ h + x), np.sum(h * x)), h, xs, reverse=reverse)
        return np.sum(last**2) + np.sum(np.sin(ys))

    def answers():
        fresh = lambda *args: f(*args)  # noqa: E731
        return [
            *cr.grad(fresh, wrt=(0, 1, 2))(W, h, xs),
            cr.hessian(fresh)(W, h, xs),
            cr.hvp(fresh, wrt=2)(W, h, xs, xs),
        ]

    kept = answers()
    monkeypatch.setattr(rules, "KEPT", 0)
    program = cr.trace(cr.grad(lambda *args: f(*args)), W, h, xs)
    lengths = {e.params["length"] for e in program.equations if e.op.name == "scan"}
    assert max(lengths) < n
    for found, expected in zip(answers(), kept, strict=True):
        close(found, expected)


def test_sums_are_not_stored():
    """What is only added to is no reason to cut the loop, nor to keep it step by step."""
    program = cr.trace(
        cr.hessian(lambda w: cr.scan(lambda c, _: (c + np.sum(w**2), None), 0.0, length=9)[0]), np.ones(3)
    )
    assert all(v.type.shape[:1] != (9,) for e in program.equations for v in e.outputs)


def test_what_nobody_reads_is_not_computed():
    def f(x):
        (a, _), (_, ys) = cr.scan(lambda c, x: ((c[0] + x, np.exp(c[1])), (np.sin(x), np.cos(x))), (x, x), np.ones(3))
        return a + np.sum(ys)

    (e,) = [e for e in cr.trace(f, 1.0).equations if e.op.name == "scan"]
    assert len(e.outputs) == 2
    assert {q.op.name for q in e.params["body"].program.equations} == {"add", "cos"}

    def g(x):
        return cr.scan(lambda c, _: ((c[0], c[1] * c[0]), None), (x, x), length=3)[0][1]

    (e,) = [e for e in cr.trace(g, 1.0).equations if e.op.name == "scan"]
    assert (e.params["fixed"], e.params["carried"]) == (1, 1)  # what is handed on unchanged is no carry


def test_value_and_tangent_come_out_of_one_loop():
    f = lambda x: cr.scan(lambda c, _: (np.sin(c) * x, None), x, length=9)[0]  # noqa: E731
    both = cr.trace(lambda x: cr.jvp(f, (x,), (1.0,)), 0.5)
    assert [e.op.name for e in both.equations].count("scan") == 1


def test_a_scan_is_one_equation_and_every_reader_copes():
    def f(x):
        return np.sum(cr.scan(lambda c, t: (np.tanh(c + t), c), x, np.arange(3.0))[1])

    program = cr.trace(f, 0.5)
    assert [e.op.name for e in program.equations].count("scan") == 1
    body = next(v for e in program.equations for v in e.params.values() if isinstance(v, Body))
    assert str(body).startswith("<lambda>(")
    assert "scan(" in str(program)
    assert check(simplify(program))
    assert cr.check(f, 0.5).verdict == "agrees"
    for reader in (lambda: cr.explain(f, 0.5), lambda: cr.derive(f)):
        with pytest.raises(NoRuleError, match="with scan inside is not written"):
            reader()
    assert cr.convexity(f, np.array(0.5)).verdict != "convex"
    scan = next(e for e in program.equations if e.op.name == "scan")
    flops = scan.op.flops([a.type for a in scan.inputs], [v.type for v in scan.outputs], **scan.params)
    assert flops == 3 * body.flops() > 0


def test_an_integral_of_a_loop_and_a_loop_of_integrals():
    f = lambda a: cr.integrate(lambda x: cr.scan(lambda c, _: (c * x * a, None), 1.0, length=3)[0], 0, 1)  # noqa: E731
    assert np.isclose(cr.grad(f)(2.0), 3 * 4 / 4)

    def g(a):
        return cr.scan(lambda c, t: (c + cr.integrate(lambda x: a * x * t, 0, 1), None), 0.0, np.array([1.0, 2.0]))[0]

    assert np.isclose(g(3.0), 4.5)
    assert np.isclose(cr.grad(g)(3.0), 1.5)


def test_jumps_inside_of_a_step_are_refused_where_an_integral_would_need_them():
    def f(a):
        def total(x):
            return cr.scan(lambda c, _: (c + np.where(x < a, 1.0, 0.0), None), 0.0, length=2)[0]

        return cr.integrate(total, 0, 1)

    assert np.isclose(f(0.25), 0.5)
    with pytest.raises(NoRuleError, match="scan jumps at places that depend on x and on a parameter"):
        cr.grad(f)(0.25)


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "another dtype": ("cr.scan(lambda c, x: (c + 0.5, None), np.arange(3), length=2)", DtypeError, "int64"),
    "another shape": ("cr.scan(lambda c, x: (np.concatenate([c, c]), None), np.ones(2), length=2)", ShapeError,
                      "float64[4]"),
    "another structure": ("cr.scan(lambda c, x: ([c, c], None), (1.0, 2.0), length=2)", ArgumentError, "structure"),
    "no pair": ("cr.scan(lambda c, x: c + x, 0.0, np.ones(3))", ArgumentError, "(carry, y)"),
    "no length": ("cr.scan(lambda c, x: (c, c), 0.0)", ArgumentError, "length"),
    "two lengths": ("cr.scan(lambda c, x: (c, x[0]), 0.0, (np.ones(3), np.ones(2)))", ShapeError, "`xs[1]` has 2"),
    "a length of its own": ("cr.scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4)", ShapeError, "`length` has 4"),
    "a negative length": ("cr.scan(lambda c, x: (c, x), 0.0, length=-1)", ArgumentError, "-1"),
    "a list of numbers": ("cr.scan(lambda c, x: (c, x), 0.0, [1.0, 2.0])", ArgumentError, "np.array"),
    "text in the carry": ("cr.scan(lambda c, x: (c, None), 'a', length=2)", ArgumentError, "str"),
    "no function": ("cr.scan(1.0, 0.0, length=2)", ArgumentError, "function"),
    "no truth": ("cr.while_loop(lambda x: x, lambda x: x - 1, 3.0)", ArgumentError, "one truth"),
    "many truths": ("cr.while_loop(lambda x: x > 0, lambda x: x - 1, np.ones(2))", ArgumentError, "np.any"),
    "while, another dtype": ("cr.while_loop(lambda x: x < 9, lambda x: x * 1.5, np.int64(1))", DtypeError, "float64"),
    "an if": ("cr.scan(lambda c, x: (1.0 if c > 0 else c, None), 0.0, length=2)", ValueNeededError, "c > 0"),
    "branches of two shapes": ("cr.grad(lambda x: cr.cond(x > 0, lambda: np.ones(2), lambda: np.ones(3))[0])(1.0)",
                               ShapeError, "float64[2]"),
    "branches of two structures": ("cr.grad(lambda x: cr.cond(x > 0, lambda: (x, x), lambda: x)[0])(1.0)",
                                   ArgumentError, "structures"),
    "branches of two dtypes": ("cr.grad(lambda x: cr.cond(x > 0, lambda: np.arange(1), lambda: np.ones(1))[0])(1.0)",
                               DtypeError, "int64"),
    "a condition with rows": ("cr.cond(np.array([True, False]), lambda: 1, lambda: 2)", ArgumentError, "np.where"),
    "a value that is asked for": ("cr.scan(lambda c, n: (c + np.zeros(n), None), np.zeros(2), np.array([2, 2]))",
                                  ArgumentError, "very value"),
    "a mask": ("cr.scan(lambda c, x: (c + np.sum(x[x > 0]), None), 0.0, np.ones((2, 3)))", ArgumentError, "mask"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_loop_is_refused_with_the_line(name):
    text, kind, part = REFUSED[name]
    m = module(f"import numpy as np, chainrule as cr\ndef f():\n    return {text}\n")
    with pytest.raises(kind) as caught:
        m.f()
    assert part in str(caught.value), str(caught.value)
    assert text[:20] in str(caught.value), f"no line in: {caught.value}"


def test_a_step_has_no_effects():
    seen: list[Any] = []
    m = module(
        """
        import chainrule as cr
        def f(seen):
            def step(c, x):
                seen.append(1)
                return c, None
            return cr.scan(step, 0.0, length=2)
        """
    )
    with pytest.raises(SideEffectError):
        m.f(seen)


def test_an_error_in_a_step_names_its_line():
    m = module(
        """
        import numpy as np, chainrule as cr
        def f(a):
            return cr.scan(lambda c, x: (np.linalg.inv(c), None), a, length=2)[0]
        """
    )
    with pytest.raises(np.linalg.LinAlgError) as caught:
        cr.grad(lambda a: np.sum(m.f(a)))(np.zeros((2, 2)))
    assert any("np.linalg.inv(c)" in note for note in caught.value.__notes__)


def test_errors_of_a_step_stay_what_they_are():
    with pytest.raises(ChainruleError, match="broadcast"):
        cr.scan(lambda c, x: (c + x, None), np.ones(3), np.ones((2, 4)))
