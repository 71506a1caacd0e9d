"""Derivatives inside derivatives, to depth three: each sees its own variable move, and no other."""

import itertools
import threading
from math import cos, exp, sin

import numpy as np
import pytest
from evidence import module

import chainrule as cr

# Each way takes a function of one number to its derivative at a number.
WAYS = {
    "reverse": lambda f: cr.grad(f),
    "forward": lambda f: lambda x: cr.jvp(f, (x,), (1.0,))[1],
    "pullback": lambda f: lambda x: cr.vjp(f, x)[1](1.0)[0],
    "jacobian": lambda f: cr.jacobian(f),
    "rows": lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x * 2.0, x]))[1],
    "rows of forward": lambda f: lambda x: cr.vmap(lambda y: cr.jvp(f, (y,), (1.0,))[1])(np.stack([x, x + 1.0]))[0],
    "a column": lambda f: lambda x: cr.jacobian(lambda v: f(v[0]))(np.stack([x, x]))[0],
}  # fmt: skip
PAIRS = list(itertools.product(WAYS, WAYS))
TRIPLES = list(itertools.product(("reverse", "forward", "rows", "a column"), repeat=3))
TWICE = {
    "hessian": lambda f: cr.hessian(f),
    "hvp": lambda f: lambda x: cr.hvp(f)(x, 1.0),
    "jacobian of grad": lambda f: cr.jacobian(cr.grad(f)),
    "hessian of a row": lambda f: lambda x: cr.hessian(lambda v: f(v[0]))(np.stack([x, x]))[0, 0],
    "rows of hvp": lambda f: lambda x: cr.vmap(cr.hvp(f), in_axes=(0, None))(np.stack([x, x]), 1.0)[1],
}


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_inner_derivative_does_not_take_the_outer_variable_for_its_own(outer, inner):
    """d/dx [x · d/dy (x + y)] = 1: with the two movements confused, it is 2."""
    d, e = WAYS[outer], WAYS[inner]
    np.testing.assert_allclose(d(lambda x: x * e(lambda y: x + y)(1.0))(3.0), 1.0)
    np.testing.assert_allclose(d(lambda x: x * e(lambda y: x * y)(x))(3.0), 6.0)
    np.testing.assert_allclose(d(lambda x: e(lambda y: x * y**2)(x + 0.0))(3.0), 12.0)
    np.testing.assert_allclose(d(lambda x: e(lambda y: 2.0 * x)(x))(3.0), 0.0)


@pytest.mark.parametrize(("first", "second", "third"), TRIPLES)
def test_three_deep_each_derivative_moves_one_variable(first, second, third):
    d, e, h = WAYS[first], WAYS[second], WAYS[third]
    x = 0.7

    def deep(x):  # x · ∂y [y² · ∂z (x y z²)]: = x · ∂y (2 x y³ z) with z = x + y
        return x * e(lambda y: y**2 * h(lambda z: x * y * z**2)(x + y))(x)

    # ∂y [2 x y³ (x + y)] = 6 x² y² + 8 x y³, at y = x: 14 x⁴; times x: 14 x⁵
    np.testing.assert_allclose(deep(x), 14 * x**5)
    np.testing.assert_allclose(d(deep)(x), 70 * x**4)


@pytest.mark.parametrize(("first", "second", "third"), TRIPLES)
def test_the_third_derivative_is_the_same_by_every_way(first, second, third):
    f = lambda x: np.sin(x) * np.exp(x / 2)  # noqa: E731
    third_derivative = WAYS[first](WAYS[second](WAYS[third](f)))
    x = 0.4
    s, c, h = sin(x), cos(x), exp(x / 2)
    np.testing.assert_allclose(third_derivative(x), h * ((0.125 - 1.5) * s + (0.75 - 1) * c), rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("twice", TWICE)
def test_second_derivatives_nest_with_first_ones(twice, way):
    d, h = WAYS[way], TWICE[twice]
    x = 0.7
    np.testing.assert_allclose(h(lambda x: x**4)(x), 12 * x**2)
    np.testing.assert_allclose(d(lambda x: x * h(lambda y: x * y**3)(x))(x), 6 * 3 * x**2)
    np.testing.assert_allclose(h(lambda x: x * d(lambda y: x * y**3)(x))(x), 3 * 12 * x**2)
    np.testing.assert_allclose(h(d(np.exp))(x), exp(x))
    np.testing.assert_allclose(d(h(np.exp))(x), exp(x))


@pytest.mark.parametrize("twice", TWICE)
@pytest.mark.parametrize("again", TWICE)
def test_fourth_derivatives_come_of_second_ones_twice(twice, again):
    np.testing.assert_allclose(TWICE[twice](TWICE[again](lambda x: x**6 / 360))(0.7), 0.49, rtol=1e-12)
    np.testing.assert_allclose(
        TWICE[twice](lambda x: TWICE[again](lambda y: x**2 * y**3)(x))(0.7), 6 * 6 * 0.7, rtol=1e-12
    )


@pytest.mark.parametrize("way", WAYS)
def test_two_inner_derivatives_side_by_side_do_not_meet(way):
    d = WAYS[way]
    f = lambda x: d(lambda y: x * y**2)(x) * d(lambda z: x**2 * z**3)(x)  # noqa: E731
    np.testing.assert_allclose(f(0.7), 2 * 0.7**2 * 3 * 0.7**4)
    np.testing.assert_allclose(d(f)(0.7), 36 * 0.7**5)


@pytest.mark.parametrize("way", WAYS)
def test_an_inner_derivative_in_a_loop_closes_over_what_moves(way):
    d = WAYS[way]

    def f(x):
        for _ in range(3):
            x = d(lambda y: x * y * y)(x) / 2  # noqa: B023
        return x  # x^8

    np.testing.assert_allclose(d(f)(1.1), 8 * 1.1**7)


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_inner_function_that_is_kept_between_outer_calls_sees_the_outer_variable_of_this_call(outer, inner):
    cell = []

    def g(y):
        return cell_of()[0] * y**2

    def cell_of():
        return cell

    e = WAYS[inner](lambda y: y**3)

    def f(x):
        return e(x) * WAYS[inner](lambda y: x * y)(1.0)

    d = WAYS[outer](f)
    for x in (0.5, 1.5, -2.0, 0.5):
        np.testing.assert_allclose(d(x), 9 * x**2)
    del g


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_array_read_by_the_inner_function_is_read_again_by_the_outer_derivative(outer, inner):
    user = module("X = np.array([2.0, 3.0])\ns = 1.0\ndef g(y): return np.sum(X * 2) * y ** 2 * s\n")
    e = WAYS[inner](user.g)
    d = WAYS[outer](lambda x: e(x) * x)  # 4 ΣX s x²
    np.testing.assert_allclose(d(0.5), 20.0)
    user.X[:] = 1.0
    np.testing.assert_allclose(d(0.5), 8.0)
    user.X = np.array([5.0, 5.0])
    np.testing.assert_allclose(d(0.5), 40.0)
    user.s = 3.0
    np.testing.assert_allclose(d(0.5), 120.0)
    user.g = lambda y: y
    np.testing.assert_allclose(d(0.5), 120.0)  # e is a derivative of the function that it was made of


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_inner_function_found_by_name_is_looked_up_at_each_call(outer, inner):
    user = module("def g(y): return y ** 2\ndef f(x): return e(g)(x) * x\n")
    user.e = WAYS[inner]
    d = WAYS[outer](user.f)
    np.testing.assert_allclose(d(0.5), 2.0)
    user.g = lambda y: y**3
    np.testing.assert_allclose(d(0.5), 9 * 0.25)


def test_an_inner_derivative_of_an_array_that_the_outer_one_moves():
    A = np.array([[2.0, 1.0], [1.0, 3.0]])

    def f(x):  # ∇y (x·y + yᵀAy) at y = x is x + 2Ax; its square's sum
        return np.sum(cr.grad(lambda y: x @ y + y @ A @ y)(x) ** 2)

    x = np.array([0.5, -1.0])
    M = np.eye(2) + 2 * A
    np.testing.assert_allclose(cr.grad(f)(x), 2 * M.T @ M @ x)
    np.testing.assert_allclose(cr.hessian(f)(x), 2 * M.T @ M)
    np.testing.assert_allclose(cr.jvp(f, (x,), (A[0],))[1], 2 * (M @ x) @ (M @ A[0]))
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(A), A @ (2 * M.T @ M))


def test_a_pullback_kept_from_outside_is_a_constant_and_one_made_inside_moves():
    _, outside = cr.vjp(np.sin, 0.3)
    np.testing.assert_allclose(cr.grad(lambda x: outside(x)[0])(2.0), cos(0.3))
    np.testing.assert_allclose(cr.grad(lambda x: cr.vjp(np.sin, x)[1](x)[0])(0.3), cos(0.3) - 0.3 * sin(0.3))


def test_a_pullback_of_an_outer_recording_works_in_an_inner_one():
    def f(x):
        _, pull = cr.vjp(lambda y: y**3, x)
        return cr.grad(lambda z: pull(z * x)[0] * z)(2.0)  # z² x · 3x² -> 2 z · 3 x³ = 12 x³

    np.testing.assert_allclose(f(0.5), 12 * 0.125)
    np.testing.assert_allclose(cr.grad(f)(0.5), 36 * 0.25)


def test_the_outer_array_is_written_in_place_while_an_inner_function_reads_it():
    def f(x):
        a = x * 1.0
        first = cr.grad(lambda y: np.sum(a * y**2))(x)
        a[0] = 5.0
        second = cr.grad(lambda y: np.sum(a * y**2))(x)
        return np.sum(first) + np.sum(second)

    x = np.array([2.0, 3.0])
    np.testing.assert_allclose(f(x), 2 * (4 + 9) + 2 * (10 + 9))
    np.testing.assert_allclose(cr.grad(f)(x), [4 * 2 + 10, 4 * 3 + 4 * 3])


def test_one_function_kept_sees_each_of_two_outer_arrays():
    def f(x):
        total = 0.0
        a = x * 2.0

        def g(y):
            return np.sum(a * y)

        total = total + np.sum(cr.grad(g)(x))
        a = x**2
        return total + np.sum(cr.grad(g)(x))

    np.testing.assert_allclose(cr.grad(f)(np.array([1.0, 3.0])), [4.0, 8.0])


def test_an_inner_function_must_not_write_an_outer_array():
    def f(x):
        a = x * 1.0

        def g(y):
            a[0] = y[0]
            return np.sum(a * y)

        return np.sum(cr.grad(g)(x))

    with pytest.raises(cr.ChainruleError) as letter:
        cr.grad(f)(np.ones(2))
    assert "test_nesting" in str(letter.value)


def test_a_stand_in_of_an_inner_recording_does_not_come_out_through_an_enclosing_variable():
    def f(x):
        kept = None

        def g(y):
            nonlocal kept
            kept = y
            return np.sum(y**2)

        cr.grad(g)(x)
        return np.sum(kept)

    with pytest.raises(cr.ChainruleError):
        cr.grad(f)(np.ones(2))


def test_hidden_inputs_of_an_inner_recording_are_the_outer_ones():
    B = np.array([1.0, 2.0])

    def f(x):
        return np.sum(cr.grad(lambda y: np.sum((B * 2) * y * x))(np.ones(2)) * x)

    d = cr.grad(f)
    np.testing.assert_allclose(d(np.array([1.0, 1.0])), 4 * B)
    B[:] = 7.0
    np.testing.assert_allclose(d(np.array([1.0, 1.0])), 4 * B)


@pytest.mark.parametrize("way", WAYS)
def test_float32_stays_through_two_derivatives(way):
    if way in ("forward", "rows of forward"):
        return
    second = WAYS[way](WAYS[way](lambda x: x**3))(np.float32(0.5))
    assert np.asarray(second).dtype == np.float32


def test_a_constant_inner_derivative_is_zero_to_every_order():
    np.testing.assert_array_equal(cr.grad(lambda x: cr.grad(lambda y: 3.0 * y)(x))(2.0), 0.0)
    np.testing.assert_array_equal(cr.grad(lambda x: cr.grad(lambda y: 3.0)(x) + x)(2.0), 1.0)
    np.testing.assert_array_equal(
        cr.hessian(lambda x: cr.grad(lambda y: 3.0)(x[0]) + x[1])(np.ones(2)), np.zeros((2, 2))
    )
    np.testing.assert_array_equal(cr.jvp(lambda x: cr.jvp(lambda y: 3.0, (x,), (1.0,))[1], (2.0,), (1.0,)), (0.0, 0.0))


def test_rows_inside_derivatives_and_derivatives_inside_rows():
    X = np.arange(6.0).reshape(3, 2) / 3

    def loss(w):
        return np.sum(cr.vmap(lambda x: np.tanh(x @ w), in_axes=0)(X))

    def by_hand(w):
        return np.sum(np.tanh(X @ w))

    w = np.array([0.3, -0.2])
    np.testing.assert_allclose(cr.grad(loss)(w), cr.grad(by_hand)(w), rtol=1e-12)
    np.testing.assert_allclose(cr.hessian(loss)(w), cr.hessian(by_hand)(w), rtol=1e-12)
    per_row = cr.vmap(cr.hessian(lambda w, x: np.tanh(x @ w)), in_axes=(None, 0))(w, X)
    np.testing.assert_allclose(per_row.sum(0), cr.hessian(by_hand)(w), rtol=1e-12)


def test_rows_of_rows_of_derivatives():
    f = lambda x, y: np.sin(x) * y**2  # noqa: E731
    x, y = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0])
    table = cr.vmap(lambda a: cr.vmap(lambda b: cr.grad(f)(a, b))(y))(x)
    np.testing.assert_allclose(table, np.cos(x)[:, None] * y**2)
    mixed = cr.vmap(lambda a: cr.vmap(lambda b: cr.grad(lambda s: cr.grad(lambda t: f(s, t))(b))(a))(y))(x)
    np.testing.assert_allclose(mixed, np.cos(x)[:, None] * 2 * y)


def test_a_row_function_closes_over_what_the_outer_derivative_moves():
    def f(x):
        return np.sum(cr.vmap(lambda r: r * x)(np.array([1.0, 2.0, 3.0])) ** 2)

    np.testing.assert_allclose(cr.grad(f)(0.5), 2 * 14 * 0.5)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(np.array([0.5, 1.0])), [14.0, 28.0])


def test_newton_steps_through_inner_derivatives_are_differentiated():
    def root(a):
        g = lambda y: y**2 - a  # noqa: E731
        y = a * 0.0 + 1.0
        for _ in range(6):
            y = y - g(y) / cr.grad(g)(y)
        return y

    np.testing.assert_allclose(root(2.0), 2**0.5)
    np.testing.assert_allclose(cr.grad(root)(2.0), 0.5 * 2**-0.5)
    np.testing.assert_allclose(cr.grad(cr.grad(root))(2.0), -0.25 * 2**-1.5)


def test_gradient_descent_inside_is_differentiated_by_its_learning_rate():
    def final(rate):
        w = np.array([1.0, -2.0])
        for _ in range(3):
            w = w - rate * cr.grad(lambda w: np.sum(w**2) / 2)(w)
        return np.sum(w**2)  # 5 (1 - rate)^6

    np.testing.assert_allclose(cr.grad(final)(0.25), -30 * 0.75**5)


def test_nesting_in_one_thread_is_not_seen_by_another():
    results, start = {}, threading.Barrier(2)

    def work(a):
        start.wait()
        for _ in range(5):
            results[a] = cr.grad(lambda x: x * cr.grad(lambda y: a * x * y**2)(x))(3.0)

    threads = [threading.Thread(target=work, args=(a,)) for a in (1.0, 10.0)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose([results[1.0], results[10.0]], [6 * 9.0, 60 * 9.0])
