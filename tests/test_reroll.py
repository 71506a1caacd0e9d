"""Loops written in Python are found in what they leave behind, and run as loops: with the same bits, and as fast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.analyze.slopes import uneven_ends
from chainrule.execute import Executable
from chainrule.transform import repeats, reroll
from chainrule.transform.simplify import simplify

RNG = np.random.default_rng(0)


def recurrent(W, U, X, h):
    out, states = np.zeros((len(X), 3)), []
    for t in range(len(X)):
        h = np.tanh(W @ h + U @ X[t])
        out[t] = h * 2
        states.append(h)
    return np.sum(np.stack(states) ** 2) + np.sum(out**3) + np.sum(states[4])


def heat(u):
    for _ in range(60):
        du = u[2:] - 2 * u[1:-1] + u[:-2]
        u = np.concatenate([u[:1], u[1:-1] + 0.1 * du, u[-1:]])
    return np.sum(u**2)


def numbers_that_differ(x):
    y = x
    for k in range(100):
        y = np.sin(y) * (k + 1) / 100 + x
    return y


def neighbours(x):
    s = 0
    for k in range(1, len(x)):
        s = s + x[k - 1] * x[k] ** 2
    return s


def descent(w, X, y):
    for _ in range(50):
        w = w - 0.01 * X.T @ (X @ w - y)
    return np.sum(w**2)


def autoregression(x):
    x = x.copy()
    for i in range(2, len(x)):
        x[i] = x[i - 1] * 0.9 - 0.5 * x[i - 2] + 0.1 * np.sin(x[i])
    return np.sum(x**2)


def verlet(x):
    before, now = x[:2], x[2:]
    for _ in range(60):
        before, now = now, 2 * now - before - 0.01 * now / np.sum(now * now) ** 1.5
    return np.sum(now * before)


def backwards(x):
    y = np.zeros(len(x) + 1)
    for i in reversed(range(len(x))):
        y[i] = 0.5 * y[i + 1] + np.exp(-x[i])
    return y @ y


def layers(x, weights):
    for W, b in weights:
        x = np.tanh(W @ x + b)
    return np.sum(x)


def epochs(w, X, y):
    losses = []
    for _ in range(12):
        for row, target in zip(X, y, strict=True):
            w = w - 0.05 * (row @ w - target) * row
        losses.append(np.sum((X @ w - y) ** 2))
    return sum(losses)


def blocks(x):
    y = np.zeros(len(x))
    for i in range(0, len(x), 3):
        y[i : i + 3] = x[i : i + 3] * x[0] - np.sum(x[i : i + 3])
    return np.sum(np.cos(y))


def columns(X):
    s = X[:, 0]
    for j in range(X.shape[1] - 1, 0, -1):
        s = np.sqrt(1 + s * s) * X[:, j]
    return np.sum(s)


LOOPS = {
    "recurrent": (recurrent, (3, 3), (3, 2), (40, 2), 3),
    "heat": (heat, 9),
    "numbers that differ": (numbers_that_differ, ()),
    "neighbours": (neighbours, 60),
    "descent": (descent, 5, (4, 5), 4),
    "autoregression": (autoregression, 60),
    "verlet": (verlet, 4),
    "backwards": (backwards, 50),
    "epochs": (epochs, 3, (10, 3), 10),
    "blocks": (blocks, 60),
    "columns": (columns, (3, 50)),
}


def case(name):
    f, *shapes = LOOPS[name]
    rng = np.random.default_rng(0)
    return f, [rng.normal(size=shape) * 0.7 + 0.1 for shape in shapes]


def rolled(program):
    return reroll.rerolled(program, uneven_ends)


def loops_in(program):
    """How many scans there are, those in steps of scans too."""
    return sum(e.op.name == "scan" for e in program.equations) + sum(map(loops_in, program.held()))


def assert_same(program, found, args):
    """The same bits."""
    run, again = Executable(simplify(program)), Executable(found)
    for y, z in zip(run(args), again(args), strict=True):
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("name", sorted(LOOPS))
def test_a_loop_is_found_and_gives_the_same_bits(name):
    f, args = case(name)
    program = cr.trace(f, *args)
    found = rolled(program)
    assert loops_in(found) >= 1 + (name == "epochs")
    assert len(found.equations) < len(program.equations) / 5
    assert_same(program, found, args)


@pytest.mark.parametrize("name", sorted(LOOPS))
def test_derivatives_are_those_of_the_steps_written_out(monkeypatch, name):
    f, args = case(name)
    n = len(args)

    def derivatives():
        g = lambda *xs: f(*xs)  # noqa: E731  (a function of its own: recordings are kept with a function)
        value, gradient = cr.value_and_grad(g, wrt=tuple(range(n)))(*args)
        moves = tuple(np.cos(np.arange(a.size)).reshape(a.shape) for a in args)
        _, slope = cr.jvp(g, tuple(args), moves)
        _, back = cr.vjp(g, *args)
        return [value, *gradient, slope, *back(2.0), cr.hvp(g)(*args, moves[0]), cr.compile(g)(*args)]

    found = derivatives()
    monkeypatch.setattr(reroll, "LONG", 10**9)
    from chainrule import execute

    monkeypatch.setattr(execute, "_compilers", [])
    for y, z in zip(found, derivatives(), strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-11)


def test_a_hundred_thousand_operations_are_a_few():
    def f(x):
        a, b = x[0], x[1]
        for _ in range(15_000):
            a, b = np.sin(a) * 0.9 + b * x[2], a - 0.1 * b
        return a + b

    program = cr.trace(f, np.array([0.3, 0.2, 0.5]))
    assert len(program.equations) > 75_000
    assert len(rolled(program).equations) < 20


def test_layers_in_a_list_are_laid_side_by_side_if_they_are_small():
    rng = np.random.default_rng(0)
    for size, loops in ((4, 1), (90, 0)):
        weights = [(rng.normal(size=(size, size)) / size, rng.normal(size=size)) for _ in range(30)]
        program = cr.trace(layers, np.ones(size), weights)
        found = rolled(program)
        assert loops_in(found) == loops
        assert_same(program, found, [np.ones(size), *(a for pair in weights for a in pair)])


def test_a_short_program_stays_as_it_is():
    program = cr.trace(lambda x: np.sin(np.sin(np.sin(np.sin(np.sin(np.sin(np.sin(np.sin(np.sin(x))))))))), 1.0)
    assert rolled(program) is program


def test_where_numbers_are_narrow_a_python_number_is_not_carried():
    def f(x, s):
        for k in range(40):
            s = s * 0.5 + k
            x = np.sin(x) * s
        return np.sum(x)

    x = np.ones(3, np.float32)
    program = cr.trace(f, x, 2.0)
    assert_same(program, rolled(program), [x, 2.0])
    g = cr.grad(f)(x, 2.0)
    assert g.dtype == np.float32


# --- random loops -----------------------------------------------------------------------------------------------------

SETTING = """
def f(a, b, s, v, X, Y, Ws):
    n, out, far, kept, numbers, first, k = len(v), np.zeros((len(v), 3)), np.zeros(3 * len(v)), [a], [s], a, 0
    for t in range(n):
        {body}
        kept.append(a); numbers.append(s)
    {after}
"""

LINES = [
    "a = np.sin(b) + X[t]",
    "a, b = b, a * 0.5 + v[t]",
    "s = s + np.sum(a * b)",
    "b = b * (t + 1) / 10",
    "out[t] = a",
    "out[n - 1 - t] = b + s",
    "far[3 * t : 3 * t + 3] = a",
    "far[3 * t + 1] = s; s = s + far[3 * t + 1]",
    "s = s + far[3 * t - 2]",
    "a = a + (kept[-2] if len(kept) > 1 else b)",
    "s = np.cos(s) + (numbers[-3] if t > 2 else 0.5)",
    "a = np.where(a > 0, a, b)",
    "b = b + X[t - 1]",
    "b = b + X[n - 1 - t]",
    "a = a * Y[:, t]",
    "s = np.tanh(s * Ws[t][0, 1])",
    "a = np.tanh(Ws[t] @ a)",
    "b = b - 1 if t % 2 else b",
    "s = s * 2 if t == 5 else s",
    "s = s + first[1]",
    "first = a if t == 0 else first",
    "a = np.concatenate([a[1:], b[:1]])",
    "s = s + a[t % 3]",
    "s = s + v[(t * t) % n]",
    "s = np.sin(s) + np.sum(v[max(t - 1, 0) : t + 1])",
    "for q in range(9): s = np.sin(s) * 0.5 + v[t] * q",
    "k = k + (s > 0)",
    "a = a / (1 + k)",
    "b = np.asarray([0.5, 0.25, t]) * b",
    "a = np.minimum(a, np.sort(b))",
]  # fmt: skip

AFTER = [
    "return np.stack(kept), s", "return kept[-1], kept[3], numbers[-2]", "return sum(numbers), out, far",
    "return np.concatenate(kept[2:]), out", "return a, b, s, k", "return np.stack(numbers[:7]), np.stack(kept, axis=1)",
    "return far.reshape(-1, 3) + out, np.stack([x[0] for x in kept])",
]  # fmt: skip


def random_loop(lines, after, n, kind):
    scope = {"np": np}
    exec(SETTING.format(body="\n        ".join(lines), after=after), scope)
    rng = np.random.default_rng(n)
    shapes = [(3,), (3,), (), (n,), (n, 3), (3, n)]
    args = [rng.normal(size=shape).astype(kind) for shape in shapes]
    return scope["f"], [*args, [rng.normal(size=(3, 3)).astype(kind) for _ in range(n)]]


def holds(lines, after, n, kind="f8"):
    f, args = random_loop(lines, after, n, kind)
    with np.errstate(all="ignore"):
        program = cr.trace(f, *args)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reroll, "LONG", 10)
            patch.setattr(reroll, "SAVED", 1)
            found = rolled(program)
        assert_same(program, found, [*args[:-1], *args[-1]])
    return found


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=6), st.sampled_from(AFTER), st.integers(8, 21),
    st.sampled_from(["f8", "f4"]),
)  # fmt: skip
def test_random_loops_give_the_same_bits(lines, after, n, kind):
    holds(lines, after, n, kind)


@pytest.mark.parametrize("line", LINES)
def test_every_line_in_a_loop(line):
    for after in AFTER:
        holds([line, "a = np.sin(a + b)"], after, 17)


def test_most_lines_are_kept_in_a_loop():
    found = [loops_in(holds([line, "a = np.sin(a + b)"], AFTER[4], 30)) > 0 for line in LINES]
    assert sum(found) >= len(LINES) - 2


def test_a_spoiled_comparison_is_seen(monkeypatch):
    """Were steps taken for alike that are not, the bits would differ."""
    program = cr.trace(numbers_that_differ, 0.3)
    monkeypatch.setattr(repeats, "same", lambda a, b: a.type == b.type and not hasattr(a, "name"))
    monkeypatch.setattr(reroll, "same", repeats.same)
    with pytest.raises(AssertionError):
        assert_same(program, rolled(program), [0.3])


def test_spoiled_rows_are_seen(monkeypatch):
    _, args = case("columns")
    program = cr.trace(columns, *args)
    slices = reroll._slices
    monkeypatch.setattr(reroll, "_slices", lambda x, places: slices(x, places[::-1]))
    with pytest.raises(AssertionError):
        assert_same(program, rolled(program), args)
