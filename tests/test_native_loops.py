"""Loops and branches as machine code: what the NumPy executor computes, to a few units in the last place."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_random_programs import cook, points, steps

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import available
from chainrule.native.run import Stretch, compiled
from chainrule.transform.simplify import simplify

pytestmark = pytest.mark.skipif(not available(), reason="there is no compiler here")


def agrees(f: Any, *args: Any, whole: bool = True, tol: float = 1e-12) -> Stretch:
    """Compile what is recorded of f, and compare with NumPy."""
    program = simplify(cr.trace(f, *args))
    values = list(args)[: len(program.inputs)]
    run = compiled(program)
    if whole:
        assert isinstance(run, Stretch), "not one kernel"
    for x, y in zip(run(values), Executable(program)(values), strict=True):
        assert (x.dtype, np.shape(x)) == (y.dtype, np.shape(y))
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol)
    return run  # type: ignore[return-value]


def filtered(w: Any, h: Any, xs: Any, **how: Any) -> Any:
    return cr.scan(lambda h, x: (np.tanh(w @ h + x), np.sum(h * x)), h, xs, **how)


def loss(w: Any, h: Any, xs: Any) -> Any:
    last, ys = filtered(w, h, xs)
    return np.sum(last**2) + np.sum(np.sin(ys))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_scans_and_their_derivatives(n, dtype):
    rng = np.random.default_rng(n)
    w, h, xs = (rng.normal(size=s).astype(dtype) for s in ((3, 3), 3, (n, 3)))
    tol = 1e-12 if dtype == np.float64 else 1e-4
    for reverse in (False, True):
        agrees(lambda w, h, xs, reverse=reverse: filtered(w, h, xs, reverse=reverse), w, h, xs, tol=tol)
    agrees(lambda w, h, xs: cr.grad(loss, wrt=(0, 1, 2))(w, h, xs), w, h, xs, tol=tol)
    agrees(lambda w, h, xs: cr.hvp(loss)(w, h, xs, w), w, h, xs, tol=tol)
    agrees(lambda w, h, xs: cr.vmap(lambda h: loss(w, h, xs))(np.stack([h, 2 * h])), w, h, xs, tol=tol)


@settings(max_examples=10)
@given(steps, points)
def test_random_steps(recipe, values):
    xs = np.stack([0.3 * values[0], values[1]])

    def f(w, xs):
        def step(c, x):
            new = 0.5 * cook(recipe, c + x, w)
            return new, np.sum(new)

        return cr.scan(step, 0.1 * w, xs)

    agrees(f, values[0], xs, whole=False, tol=1e-9)
    agrees(lambda w, xs: cr.grad(lambda w: np.sum(f(w, xs)[1]))(w), values[0], xs, whole=False, tol=1e-7)


def test_rows_that_lie_apart_or_the_other_way_round():
    rng = np.random.default_rng(0)
    w, xs = rng.normal(size=(3, 3)), rng.normal(size=(3, 8))
    agrees(lambda w, xs: filtered(w, w[:, 1], xs.T), w, xs)
    agrees(lambda w, xs: filtered(w.T, w[0], xs.T[::-2]), w, xs)
    agrees(lambda w, xs: filtered(w, np.ones(3), np.broadcast_to(xs[:, 0], (4, 3))), w, xs)


def test_whole_numbers_truths_and_constants():
    def f(x):
        def step(c, k):
            n, even, x = c
            table = np.array([0.5, -1.0, 0.25])
            return (n + k, ~even, np.where(even, x * 1.5, x + n + np.sum(table * x))), (even, n)

        return cr.scan(step, (np.int32(0), True, x), np.arange(6, dtype=np.int32))

    agrees(f, 2.0)
    agrees(lambda x: cr.grad(lambda x: f(x)[0][2])(x), 2.0)
    agrees(lambda x: cr.while_loop(lambda c: ~c[1], lambda c: (c[0] + 1.5, c[0] > x), (0.0, False)), 4.0)


def test_loops_in_loops():
    def f(a, xs):
        def outer(c, row):
            last, ys = cr.scan(lambda d, x: (np.sin(a * d + x * c), d * x), c, row)
            last = cr.while_loop(lambda v: abs(v) < 1.0, lambda v: v * 1.5 + a, last)
            return cr.cond(last > 0, lambda v: v / 2, lambda v: v + 1, last), np.sum(ys)

        c, ys = cr.scan(outer, a, xs)
        return c * np.sum(ys)

    xs = np.random.default_rng(0).normal(size=(3, 4))
    agrees(f, 0.7, xs)
    agrees(lambda a, xs: cr.grad(f)(a, xs), 0.7, xs)
    agrees(lambda a, xs: cr.hessian(f)(a, xs), 0.7, xs, tol=1e-10)


def test_long_loops_in_segments():
    w = np.full(300, 0.9)
    f = lambda w: np.sum(cr.scan(lambda c, _: (np.sin(w * c) + 0.1, None), w, length=1000)[0])  # noqa: E731
    agrees(lambda w: cr.grad(f)(w), w)


def root(a: Any) -> Any:
    return cr.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def test_while_loops_and_their_derivatives():
    agrees(root, 2.0)
    agrees(lambda a: cr.jvp(root, (a,), (1.0,)), 2.0)
    agrees(lambda a: cr.grad(root)(a), 2.0)
    agrees(lambda a: cr.grad(cr.grad(root))(a), 2.0)
    agrees(lambda a: cr.vmap(root)(a), np.array([2.0, 1.0, 100.0]))
    agrees(lambda a: cr.vmap(cr.grad(root))(a), np.array([2.0, 1.0, 100.0]))


def test_a_loop_that_carries_no_element_has_a_derivative():
    f = lambda x: np.sum(cr.while_loop(lambda s: np.sum(s * s) > 0.01, lambda s: s * 0.5, x) ** 2)  # noqa: E731
    for x in (np.zeros(0), np.ones(3)):
        agrees(lambda x: cr.grad(f)(x), x, whole=x.size > 0)


def counting(a: Any, n: Any) -> Any:
    return cr.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(a * c[1]) + 1), (0, 0.5))[1]


@pytest.mark.parametrize("n", [0, 1, 2, 4095, 4096, 4097, 8192, 20001])
def test_walking_back_from_any_number_of_steps(n):
    agrees(lambda a, n: cr.grad(counting)(a, n), 0.3, float(n))


def test_more_steps_than_a_kernel_can_keep_are_left_to_numpy():
    """Carries of 4 kB leave 64 slots: 2048 steps at most."""
    w = np.linspace(0.5, 0.9, 2500)

    def f(w, n):
        return np.sum(cr.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, np.sin(w * s[1]) + 0.1), (0, w))[1])

    for n in (30.0, 4000.0, 4100.0, 9000.0):
        agrees(lambda w, n: cr.grad(f)(w, n), w, n)


def test_only_the_branch_that_is_taken_is_run():
    def f(a, which):
        return cr.cond(which > 0, lambda a: np.linalg.inv(a), lambda a: a * 2.0, a)

    agrees(f, np.zeros((2, 2)), -1.0)
    agrees(f, np.eye(2) * 3, 1.0)
    with pytest.raises(np.linalg.LinAlgError):
        cr.compile(f)(np.zeros((2, 2)), 1.0)


def test_a_step_that_fails_is_told_by_numpy():
    def f(a):
        return cr.scan(lambda c, _: (np.linalg.solve(c, a) - a, None), a, length=3)[0]

    agrees(f, np.array([[2.0, 1.0], [0.0, 1.5]]))
    with pytest.raises(np.linalg.LinAlgError):
        cr.compile(f)(np.eye(2))  # the second step solves with zeros


def test_the_same_step_is_written_once():
    def f(x, ys):
        step = lambda c, y: (np.sin(c) * y, None)  # noqa: E731
        return cr.scan(step, x, ys)[0] + cr.scan(step, 2 * x, ys)[0]

    run = agrees(f, 0.5, np.ones(3))
    assert run.text.count("define i32 @step_") == 1


def test_a_step_without_a_native_form_runs_on_numpy():
    def f(x):
        return cr.scan(lambda c, _: (c + np.sum(np.sort(c * x)), None), x, length=3)[0] * 2

    agrees(f, np.array([0.3, -0.2]), whole=False)


class Enough(Exception):
    """What the handler of a signal raises."""


ENDLESS = {
    "while": lambda x: cr.while_loop(lambda s: s > 0, lambda s: s * 1.0, x),
    "matrices": lambda x: cr.while_loop(lambda A: np.sum(A) > 0, lambda A: A @ np.eye(60), x * np.eye(60))[0, 0],
    "scan": lambda x: cr.scan(lambda s, _: (s * 0.5 + 1.0, None), x, length=10**11)[0],
    "loop in a loop": lambda x: cr.scan(lambda s, _: (ENDLESS["while"](s), None), x, length=3)[0],
}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer that sends signals")
@pytest.mark.parametrize(
    ("name", "make"), [(name, cr.compile) for name in sorted(ENDLESS)] + [("while", cr.grad), ("matrices", cr.grad)]
)
def test_a_loop_without_end_can_be_interrupted(name, make):
    f = make(ENDLESS[name])

    def enough(number, frame):
        raise Enough

    before = signal.signal(signal.SIGALRM, enough)
    try:
        if name != "scan":
            ended = f(-1.0)  # compiled, and linked to the entry
            assert f(-1.0) == ended
        for _ in range(2):
            signal.setitimer(signal.ITIMER_REAL, 0.2, 5.0)  # again, if one is raised where nobody can catch it
            with pytest.raises(Enough):
                f(1.0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        if name != "scan":
            assert f(-1.0) == ended
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer that sends signals")
def test_an_interrupt_keeps_its_cause_and_ends_what_c_calls():
    quad = pytest.importorskip("scipy.integrate").quad

    def endless(x):
        return cr.while_loop(lambda s: s > 0, lambda s: s * 1.0, x)

    def enough(number, frame):
        raise Enough from ValueError("the cause")

    gradient, kernel = cr.grad(endless), cr.compile(endless)
    gradient(-1.0)
    called = kernel.low_level_callable(-1.0)
    before = signal.signal(signal.SIGALRM, enough)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2, 5.0)
        with pytest.raises(Enough) as found:
            gradient(1.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert isinstance(found.value.__cause__, ValueError)
        signal.setitimer(signal.ITIMER_REAL, 0.2, 10.0)
        start = time.perf_counter()
        with pytest.raises((Enough, SystemError)):
            quad(called, 1.0, 2.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert time.perf_counter() - start < 5
        assert quad(called, -2.0, -1.0)[0] == pytest.approx(-1.5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("inside", [False, True])
def test_other_threads_run_while_a_loop_of_unknown_length_does(inside):
    def f(x):
        if inside:
            return cr.scan(lambda s, _: (cr.while_loop(lambda t: t < 1, lambda t: t + x, s), None), x * 0, length=3)[0]
        return cr.while_loop(lambda s: s < 1, lambda s: s + x, x * 0)

    run = cr.compile(f)
    for _ in range(2):  # compiled, and linked to the entry
        run(0.5)
    slow = threading.Thread(target=run, args=(2e-8,))
    slow.start()
    turns = 0
    while slow.is_alive():
        turns += 1
        time.sleep(0.002)
    assert turns > 10
