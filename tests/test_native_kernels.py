"""Kernels: a Program as loops of machine code computes what the NumPy executor computes."""

import warnings

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.execute import Executable
from chainrule.ir import ArrayType, Equation, Program, Var
from chainrule.native import compiler, elementwise, llvm
from chainrule.native.indices import Counter, Index, index
from chainrule.native.listing import Listing
from chainrule.native.llvm import target
from chainrule.native.lower import lowered
from chainrule.native.run import Mixed, Stretch
from chainrule.native.schedule import scheduled, together
from chainrule.ops.table import OPS
from chainrule.transform.simplify import simplify

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, 1e-310, 1e300, 0.5, -2.0, 3.0, 2.5, 1e-5, 1e22]


def same(found, expected, digits):
    """Equal in type, in NaN and infinities, and to so many digits of the largest entry."""
    for y, z in zip(found, expected, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        if z.dtype.kind != "f":
            np.testing.assert_array_equal(y, z)
            continue
        np.testing.assert_array_equal(np.isnan(y), np.isnan(z))
        size = np.max(np.abs(z[np.isfinite(z)]), initial=1e-300)
        with np.errstate(invalid="ignore"):
            assert np.all((y == z) | np.isnan(z) | (np.abs(y - z) <= 10.0**-digits * size)), f"{y} is not {z}"


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("op", [op for op in OPS.values() if op.aligned and op.native], ids=str)
def test_an_elementwise_op_is_numpys(op, kind):
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore"):
        values = np.concatenate([SPECIAL, rng.normal(size=21) * 3]).astype(kind)
    for params in op.samples:
        xs = [g.ravel() for g in np.meshgrid(*[values] * op.arity)] if op.arity < 3 else None
        if xs is None:
            xs = [values > 0, *(rng.permutation(values) for _ in range(op.arity - 1))]
        with np.errstate(all="ignore"):
            expected = np.asarray(op.evaluate(*xs, **params))
        inputs = tuple(Var(ArrayType(x.shape, x.dtype)) for x in xs)
        out = Var(op.types(*[v.type for v in inputs], **params)[0])
        (found,) = Stretch(Program(inputs, (Equation(op, inputs, (out,), params),), (out,)))(xs)
        assert found.dtype == expected.dtype
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(found, expected)
            continue
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(found[~finite], expected[~finite])
        close = np.abs(found[finite] - expected[finite]) <= 4 * np.spacing(np.abs(expected[finite]))
        # log(eˣ + eʸ) near 0 is a difference: NumPy's and ours both lose digits there
        near = np.abs(expected[finite]) < 0.1 if op.name == "logaddexp" else np.zeros(close.shape, bool)
        assert np.all(close | near)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def chain(x, a, b):
    return np.sum(np.tanh(a * x + b) * np.exp(-x * x))


def logistic(w, X, y):
    return np.mean(np.logaddexp(0, -y * (X @ w))) + 0.01 * np.sum(w**2)


def network(W, b, v, X, y):
    return np.mean((np.tanh(X @ W + b) @ v - y) ** 2)


def recurrence(x):
    a = np.zeros(6)
    a[:2] = x
    for i in range(2, 6):
        a[i] = a[i - 1] * 0.5 + a[i - 2]
    return a[-1] ** 2


def cases(n, m, rng):
    return {
        "rosenbrock": (rosenbrock, (rng.normal(size=n + 1),), 0),
        "chain": (chain, (rng.normal(size=n), np.float64(1.3), np.float64(-0.2)), (0, 1, 2)),
        "logistic": (logistic, (rng.normal(size=m), rng.normal(size=(n, m)), np.sign(rng.normal(size=n))), 0),
        "network": (
            network,
            (
                rng.normal(size=(m, 4)), rng.normal(size=4), rng.normal(size=4), rng.normal(size=(n, m)),
                rng.normal(size=n),
            ),
            (0, 1, 2),
        ),
        "recurrence": (recurrence, (rng.normal(size=2),), 0),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 2), (8, 8), (9, 5), (64, 17), (101, 12)])
def test_values_and_gradients_are_numpys(size, kind):
    for name, (f, args, wrt) in cases(*size, np.random.default_rng(1)).items():
        args = tuple(np.asarray(a, kind)[()] for a in args)
        program = simplify(cr.trace(cr.value_and_grad(f, wrt=wrt), *args))
        try:
            same(Mixed(program)(args), Executable(program)(args), 12 if kind == "f8" else 4)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def test_hessians_and_rows_are_numpys():
    x = np.linspace(-1, 1, 9)
    for f, args in (
        (cr.hessian(rosenbrock), (x,)),
        (cr.vmap(cr.grad(rosenbrock)), (np.outer(np.arange(1.0, 12.0), x[:4]),)),
        (cr.jacobian(lambda x: np.concatenate([np.sin(x[::2]), x[::-1] * x[0]])), (x,)),
    ):
        program = simplify(cr.trace(f, *args))
        same(Mixed(program)(args), Executable(program)(args), 12)


STEPS = {
    "sin": lambda x, y: np.sin(x), "tanh": lambda x, y: np.tanh(x) + y, "times": lambda x, y: x * y,
    "less": lambda x, y: x - 0.5 * y, "flip": lambda x, y: x[::-1] + y, "shift": lambda x, y: np.roll(x, 1) * y,
    "where": lambda x, y: np.where(x > y, x, -y), "sum": lambda x, y: x * np.sum(y),
    "outer": lambda x, y: (x[:, None] * y).sum(0),
    "slice": lambda x, y: np.concatenate([x[1:], y[:1]]), "turned": lambda x, y: np.outer(x, y).T @ x,
    "exp": lambda x, y: np.exp(-(x**2)) / (1 + y**2), "max": lambda x, y: np.maximum(x, y),
}  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.integers(1, 19))
def test_random_programs_are_numpys(steps, n):
    rng = np.random.default_rng(n)
    x = rng.uniform(-1, 1, n)
    y = rng.uniform(-1, 1, n)

    def f(x, y):
        for step in steps:
            x, y = STEPS[step](x, y), x
        return np.sum(x * y)

    program = simplify(cr.trace(cr.value_and_grad(f, wrt=(0, 1)), x, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        same(Mixed(program)((x, y)), Executable(program)((x, y)), 9)


def listed(found):
    classes = together(found)
    return Listing(found, classes).text(scheduled(found, classes))


def test_the_value_and_gradient_of_a_loss_share_one_loop_over_the_data():
    _, args, _ = cases(50, 4, np.random.default_rng(0))["logistic"]
    found = lowered(simplify(cr.trace(cr.value_and_grad(logistic), *args)))
    text = listed(found)
    assert text.count("for i in 50:") == 1
    assert "contract(X[i, j], w[j])" in text


def kernel_text(f, *args):
    return compiler.text(simplify(cr.trace(f, *args)))


def test_functions_of_one_number_share_what_they_have_in_common():
    x = np.linspace(-2, 2, 4096)
    for alone, other, most in (
        (np.tanh, np.cosh, 1.15),
        (np.sin, np.cos, 1.5),
        (lambda x: np.logaddexp(0, x), scipy.special.expit, 1.4),
    ):
        both = kernel_text(lambda x, f=alone, g=other: np.sum(f(x) + g(x)), x)
        one = kernel_text(lambda x, f=alone: np.sum(f(x)), x)
        assert both.count("fma") < most * one.count("fma")
        assert both.count(" %t") > one.count(" %t"), "the other is computed, too"


def test_arrays_that_only_share_an_input_share_a_loop():
    found = lowered(simplify(cr.trace(lambda x: (np.sin(x), np.sum(np.exp(x))), np.ones(50))))
    assert listed(found).count("for ") == 1


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("size", [1, 31, 33, 70])
def test_parts_are_put_together_along_any_axis(axis, size):
    rng = np.random.default_rng(size)
    shapes = [[size, 40] if axis == 0 else [40, size] for _ in range(3)]
    shapes[1][axis] += 5
    x, y, z = (rng.normal(size=shape) for shape in shapes)

    def joined(x, y, z):
        whole = np.concatenate([np.exp(x), y.T[::-1].T, 2 * z], axis=axis)
        return whole, np.sum(whole * whole), np.sin(whole).sum(0)

    def loss(x, y, z):
        return joined(x, y, z)[1]

    for f in (joined, cr.grad(loss, wrt=(0, 1, 2))):
        program = simplify(cr.trace(f, x, y, z))
        same(Mixed(program)((x, y, z)), Executable(program)((x, y, z)), 12)


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 41), (17, 18), (1000, 1096), (90, 4096)])
@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "?"])
def test_what_lies_around_a_part_is_zero(start, end, kind):
    x = (np.random.default_rng(start).normal(size=end - start) * 9).astype(kind)

    def padded(x):
        around = np.pad(x, (start, 4096 - end))
        return around, around + around[::-1]

    program = simplify(cr.trace(padded, x))
    same(Mixed(program)((x,)), Executable(program)((x,)), 15)


@pytest.mark.parametrize(("shape", "registers"), [((4096,), 2), ((4095,), 1), ((64, 64), 2), ((63, 64), 1)])
def test_two_registers_are_used_where_there_is_much_to_do(shape, registers):
    lanes = registers * target().width
    text = kernel_text(lambda x, y: np.sum(np.sqrt(x), axis=-1) * y, np.ones(shape), 2.0)
    assert f"load <{lanes} x double>" in text


@pytest.mark.parametrize("more", [1, 2, 3, "twice and one", "many and one", "very many and one"])
def test_a_last_round_that_does_again_what_was_done_counts_it_once(more):
    """Of 4 lanes and 11 elements, the third round takes those from 7 on: 7 is written again, and not summed again."""
    width = target().width
    n = {"twice and one": 2 * width + 1, "many and one": 7 * width + 1, "very many and one": 40 * width + 1}.get(
        more, width + more if isinstance(more, int) else 0
    )

    def several(x, at):
        y = np.exp(x)
        return y, np.sum(x), np.max(y), np.min(x), np.sum(x > 0), np.any(x > 3.5), x[at] * y

    rng = np.random.default_rng(n)
    args = rng.normal(size=n), rng.integers(-n, n, size=n)
    program = simplify(cr.trace(several, *args))
    same(Mixed(program)(args), Executable(program)(args), 13)
    outside = args[0], np.append(args[1][:-1], n)
    with pytest.raises(IndexError):
        Mixed(program)(outside)


@pytest.mark.parametrize("f", [lambda x: np.exp(x) * x, lambda x: np.sum(np.exp(x))])
def test_a_short_loop_leaves_no_rest_under_a_mask(f):
    """Its text is half as long, and so is the time that it takes to compile."""
    assert "masked" not in kernel_text(f, np.ones(2 * target().width + 1))


def test_rows_of_small_products_are_added_up_in_memory_once():
    """A loop that adds to what is in memory must not do a round again."""
    rng = np.random.default_rng(3)
    n = 3 * target().width + 1
    args = rng.normal(size=(70, n)), rng.normal(size=70)

    def f(X, v):
        return np.sum(np.sin(X) * v[:, None], axis=0), np.sum(np.sin(X))

    program = simplify(cr.trace(f, *args))
    same(Mixed(program)(args), Executable(program)(args), 13)


def products(X, Y):
    return X @ Y


def test_a_short_loop_over_what_lies_apart_goes_one_by_one():
    rng = np.random.default_rng(2)
    for n in (5, 22, 63):
        args = rng.normal(size=(n, 4, 4)), rng.normal(size=(n, 4, 4))
        program = simplify(cr.trace(products, *args))
        assert "gather" not in compiler.text(program)
        same(Mixed(program)(args), Executable(program)(args), 14)
    heavy = kernel_text(lambda X: np.sum(np.sin(X), axis=1), np.ones((60, 3)))
    assert "gather" in heavy, "formulas are worth lanes"


def test_what_is_read_again_before_anything_is_written_is_read_once():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(40, 4, 4))
    program = simplify(cr.trace(lambda X: np.exp(X)[::-1] @ np.exp(X), X))
    same(Mixed(program)((X,)), Executable(program)((X,)), 13)
    seen, loads = set(), 0
    for line in compiler.text(program).splitlines():
        if "store" in line or line.endswith(":"):
            seen.clear()
        elif " = load " in line:
            loads += 1
            what = line.split(" = ")[1]
            assert what not in seen
            seen.add(what)
    assert loads > 16


def test_what_has_no_native_form_runs_on_numpy():
    rng = np.random.default_rng(0)
    k, x = rng.integers(-5, 5, 9), rng.normal(size=(5, 9, 11))
    for f, args in (
        (lambda k: k**3 + 2 * k, (k,)),
        (lambda x: np.sum(np.sin(x), axis=1) * 2, (x,)),
        (lambda x: np.sum(np.cos(x), axis=(0, 2)) + np.sum(x, axis=0).T @ np.ones(9) @ np.ones(11), (x,)),
        (lambda x: np.einsum("ijk->ki", x**2) + np.einsum("ijk,lj->ki", x, np.ones((2, 9))), (x,)),
        (lambda x: np.linalg.solve(x[0, :5, :5], np.exp(x[1, :5, 0])), (x,)),
    ):
        program = simplify(cr.trace(f, *args))
        same(Mixed(program)(args), Executable(program)(args), 12)


def test_a_spoiled_formula_is_seen(monkeypatch):
    monkeypatch.setitem(elementwise.FORMULAS, "tanh", lambda code, x: x * (1 + 1e-9))
    with pytest.raises(AssertionError, match=r"assert"):
        test_an_elementwise_op_is_numpys(OPS["tanh"], "f8")


def padded(x):
    return np.sum(np.pad(x.reshape(1, 3, -1), [(0, 0), (0, 2), (2, 2)], mode="wrap") ** 2)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.outer(np.sort(x), np.sort(x)), np.cos(np.arange(15.0))),
        (cr.grad(padded), np.array([[1.0], [2.0], [3.0]])),
    ],
    ids=["sorted", "padded"],
)
def test_positions_that_are_read_before_a_loop_are_read_in_the_loops_around_it(f, x, monkeypatch):
    def verified(text, effort=0):  # else LLVM ends the process
        return llvm.object_code(text, effort, verify=True)

    monkeypatch.setattr(compiler, "object_code", verified)
    program = simplify(cr.trace(f, x))
    same(Mixed(program)([x]), Executable(program)([x]), 12)


def test_a_reshape_of_axes_that_were_moved_finds_its_elements():
    def below(entries):
        matrices = np.zeros((2, 3, 3))
        matrices[:, [1, 2, 2], [0, 0, 1]] = entries
        return matrices.reshape(6, 3)

    entries = np.arange(1.0, 7.0).reshape(2, 3)
    np.testing.assert_array_equal(cr.compile(below)(entries), below(entries))


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(-40, 40)), min_size=1, max_size=3), st.integers(1, 12))
def test_a_quotient_of_an_index_rounds_down_also_where_parts_of_it_are_negative(parts, by):
    counters = [Counter(n) for n, _ in parts]
    at = sum((index(c) * f for c, (_, f) in zip(counters, parts, strict=True)), Index((), 500))

    def value(i, counts):
        known = {c: n for c, n in zip(counters, counts, strict=True)}
        terms = (f * (known[t] if isinstance(t, Counter) else value(t.of, counts) // t.by) for t, f in i.terms)
        return i.constant + sum(terms)

    for counts in np.ndindex(*(n for n, _ in parts)):
        assert value(at // by, counts) == value(at, counts) // by
        assert value(at % by, counts) == value(at, counts) % by
    assert all(f >= 0 for term, _ in (at // by).terms if not isinstance(term, Counter) for _, f in term.of.terms)


def test_what_begins_at_zero_and_is_filled_in_part_is_not_cleared_by_the_kernel():
    positions = np.array([7, 3, 3, 0])
    program = simplify(cr.trace(cr.grad(lambda x: np.sum(x[positions] ** 2)), np.arange(9.0)))
    found = lowered(program, zeroes=True)
    assert len(found.zeroed) == 1
    assert len(found.steps) == len(lowered(program).steps) - 1
    run = Stretch(program)
    assert len(run.zeroed) == 1
    x = np.linspace(1, 2, 9)
    for _ in range(3):
        (y,) = run([x, positions])
        same([y], Executable(program)([x, positions]), 15)
        y[:] = np.nan
    gradient = cr.grad(lambda x: np.sum(x[positions] ** 2))
    for _ in range(3):
        y = gradient(x)
        same([y], Executable(program)([x, positions]), 15)
        y[:] = np.nan


def test_an_array_in_another_shape_is_no_copy():
    program = simplify(cr.trace(lambda x: np.reshape(np.sin(x), (3, 4)), np.arange(12.0)))
    found = lowered(program)
    assert len(found.steps) == 1
    x = np.linspace(0, 1, 12)
    same(Stretch(program)([x]), Executable(program)([x]), 15)
    turned = simplify(cr.trace(lambda x: np.reshape(np.sin(x).T, (3, 4)), np.arange(12.0).reshape(2, 6)))
    assert len(lowered(turned).steps) == 2
    same(Stretch(turned)([x.reshape(2, 6)]), Executable(turned)([x.reshape(2, 6)]), 15)


def test_the_text_of_a_kernel_does_not_grow_with_what_it_clears():
    def f(x):
        return np.sum(x[:, None] * x, axis=0) + np.max(x)  # sums in memory begin at zero

    few, many = (compiler.text(simplify(cr.trace(f, np.ones(n)))).count("\n") for n in (100, 1000))
    assert many < 1.2 * few


def test_a_number_that_is_zero_is_written_all_the_same():
    @cr.compile
    def f(x):
        return 0.0, np.zeros(3), np.zeros((1, 1))[0, 0], np.sum(x)

    for _ in range(3):
        a, b, c, total = f(np.ones(4))
        assert (a, c, total) == (0.0, 0.0, 4.0)
        np.testing.assert_array_equal(b, np.zeros(3))
        b[:] = np.nan
    program = simplify(cr.trace(f, np.ones(4)))
    assert all(v.type.shape for v in lowered(program, zeroes=True).zeroed)


def test_a_part_without_elements_is_never_read():
    def joined(x):
        empty = np.concatenate([x, x, x], axis=-2).reshape(-1)
        v = np.sin(np.concatenate([empty, empty * 0.5, np.ones(16, x.dtype)]).reshape(4, 4))
        return v @ v.T + 3

    x = np.zeros((0, 0), np.float32)
    for f in (joined, lambda x: cr.hvp(lambda x: np.sum(joined(x)))(x, x)):
        program = simplify(cr.trace(f, x))
        same(Mixed(program)((x,)), Executable(program)((x,)), 6)


@pytest.mark.parametrize("x", [np.array([-0.0]), np.array([[-0.0], [0.0], [-1.0]])], ids=["an element", "a column"])
def test_a_zero_keeps_its_sign_when_it_is_stretched(x):
    def f(x):
        return np.arctan2(np.broadcast_to(x, (3, 4)), -1.0), np.broadcast_to(x, (3, 4)) * 1.0

    program = simplify(cr.trace(f, x))
    for run in (Mixed(program), Executable(program)):
        for y, z in zip(run((x,)), f(x), strict=True):
            np.testing.assert_array_equal(np.signbit(y), np.signbit(z))
            np.testing.assert_allclose(y, z, rtol=1e-15)
