"""Slopes in loops: a loop found again has the derivatives of its steps written out, also where slopes are infinite."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import execute
from chainrule.analyze import slopes
from chainrule.analyze.slopes import uneven_ends
from chainrule.api import call
from chainrule.transform import reroll


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    """Loops of a few steps count; infinities are the subject."""
    monkeypatch.setattr(execute, "_compilers", [])
    monkeypatch.setattr(reroll, "LONG", 10)
    monkeypatch.setattr(reroll, "SAVED", 4)
    with np.errstate(all="ignore"):
        yield


def scans(f, *args):
    program = call.Call(f, args, {}, 0).to_differentiate
    return sum(e.op.name == "scan" for e in program.equations)


def derivatives(f, args, wrt):
    """First and second derivatives in the arguments `wrt`."""

    def moved(*some):
        whole = list(fixed)
        for i, x in zip(wrt, some, strict=True):
            whole[i] = x
        return f(*whole)

    fixed = [np.asarray(a) for a in args]  # arrays read from outside are inputs, numbers are constants
    some = tuple([args[i] for i in wrt])
    moves = tuple([np.cos(np.arange(np.size(x), dtype=float)).reshape(np.shape(x)) for x in some])
    g = lambda *xs: f(*xs)  # noqa: E731  (a function of its own: recordings are kept with a function)
    first = [*cr.grad(g, wrt=wrt)(*args), cr.jvp(moved, some, moves)[1]]
    return first, [*cr.hvp(g, wrt=wrt)(*args, moves)]


def assert_no_worse(f, args, wrt):
    """Where the steps written out have a number, the loop has it; where they have NaN, no more is asked.

    Nor is more of second derivatives where they are infinite: so is a first one then.
    """
    found = derivatives(f, args, wrt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reroll, "LONG", 10**9)
        true = derivatives(f, args, wrt)
    for unknown, ys, zs in zip((np.isnan, lambda z: ~np.isfinite(z)), found, true, strict=True):
        for y, z in zip(ys, zs, strict=True):
            where = ~unknown(z)
            np.testing.assert_allclose(np.asarray(y)[where], np.asarray(z)[where], rtol=1e-9, atol=1e-12)


def starts_from_what_is_fixed(x, y):
    s = 0.0
    for k in range(len(x)):
        y = np.sqrt(y) + x[k]
        s = s + y
    return s


def is_read_once(x, y):
    s, kept = 0.0, []
    for k in range(len(x)):
        q = np.sqrt(x[k])
        s = s + np.floor(q) * x[k]
        kept.append(q)
    return s + kept[5] * y


def is_read_but_for_the_ends(x, y):
    s, kept = 0.0, []
    for k in range(len(x)):
        q = np.sqrt(x[k])
        s = s + np.floor(q) * x[k]
        kept.append(q)
    return sum(kept[2:-3]) * y + s


def bends_without_end(x, y):
    a = y
    for k in range(len(x)):
        a = np.floor(a) + x[k] ** 1.5
    return a


def is_late(x, y):
    """Three steps until what moves is everything."""
    a, b, c = y, y, y
    s = 0.0
    for k in range(len(x)):
        a, b, c = x[k] + 0.5 * a, np.sqrt(a) + 0 * b, np.sqrt(b) * c
        s = s + c + b
    return s


CASES = [starts_from_what_is_fixed, is_read_once, is_read_but_for_the_ends, bends_without_end, is_late]
POINTS = [np.ones(20), np.r_[np.ones(17), np.zeros(3)], np.r_[np.zeros(4), np.ones(16)], np.zeros(20)]


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_infinite_slopes_that_nothing_asks_for(f):
    for x, y in itertools.product(POINTS, (0.0, 1.0)):
        for wrt in ((0,), (1,), (0, 1)):
            assert_no_worse(f, (x, y), wrt)


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_without_the_analysis_these_cases_fail(monkeypatch, f):
    monkeypatch.setattr(slopes, "uneven_ends", lambda loop: (0, 0))
    with pytest.raises(AssertionError):
        test_infinite_slopes_that_nothing_asks_for(f)


def test_a_kink_that_another_loop_squares():
    def f(x):
        kept = [np.abs(x[k] * 2) for k in range(len(x))]
        s = 0.0
        for o in kept:
            s = s + o * o
        return s

    x = np.zeros(40)
    assert scans(f, x) == 1
    np.testing.assert_array_equal(cr.hvp(f)(x, np.ones(40)), np.full(40, 8.0))


INNER = {
    "compile": lambda g, x: cr.compile(g)(x),
    "vmap": lambda g, x: cr.vmap(g)(np.reshape(x, (1, 40))),
    "jvp": lambda g, x: cr.jvp(g, (x,), (x,))[0],
    "vjp": lambda g, x: cr.vjp(g, x)[0],
    "value and gradient": lambda g, x: cr.value_and_grad(g)(x)[0],
}


@pytest.mark.parametrize("inner", sorted(INNER))
def test_a_function_inside_is_seen_whole(inner):
    """What a loop in a function makes may be squared by who calls it, and has no kink then."""

    def values(x):
        last = 0.0
        for k in range(40):
            last = np.linalg.norm(np.stack([last, x[k]]))
        return last

    x = np.zeros(40)
    for g in (values, values):  # what is kept of calls from outside is not for those from inside
        second = cr.hvp(lambda x, g=g: np.sum(INNER[inner](g, x) ** 2))(x, np.ones(40))
        assert second[-1] == 2.0
        INNER[inner](values, x)


def test_a_function_without_kinks_is_a_loop_inside_of_others():
    def steps(p):
        x, v = p[0], p[1]
        for _ in range(50):
            v = v - 0.1 * np.sin(x)
            x = x + 0.1 * v
        return x * v

    compiled = cr.compile(steps)
    program = cr.trace(lambda P: sum(compiled(P[i]) for i in range(6)), np.ones((6, 2)))
    assert sum(e.op.name == "scan" for e in program.equations) == 6
    assert len(program.equations) < 60


# --- what is worth a loop still is one --------------------------------------------------------------------------------


def damped(x, v):
    kept = []
    for k in range(200):
        v = v - 0.1 * x / np.sqrt(1 + x * x) - 0.01 * v
        x = x + 0.1 * v
        if k % 20 == 0:
            kept.append(x)
    return np.sum(np.stack(kept) ** 2)


def orbit(x, v):
    kept = []
    for k in range(200):
        v = v - 0.1 * x / np.sum(x * x) ** 1.5
        x = x + 0.1 * v
        if k % 20 == 0:
            kept.append(x)
    return np.sum(np.stack(kept) ** 2)


def logistic_steps(x, v):
    for _ in range(50):
        x = 1 / (1 + np.exp(-x)) - 0.3 * v
        v = np.log1p(np.exp(x)) + np.sqrt(x * x + 1e-3)
    return np.sum(x)


def burnt_in(x, v):
    kept = []
    for _ in range(400):
        x = x + 0.01 * np.sqrt(x) * v
        kept.append(x)
    return np.sum(np.stack(kept[20:]) ** 2)


def delayed(x, v):
    h = [x]
    for _ in range(400):
        h.append(h[-1] + 0.1 * (0.2 * h[max(-8, -len(h))] / (1 + h[max(-8, -len(h))]) - v * h[-1]))
    return np.sum(h[-1])


@pytest.mark.parametrize(
    ("f", "most"), [(damped, 60), (logistic_steps, 30), (orbit, 100), (burnt_in, 60), (delayed, 300)]
)
def test_loops_of_simulations_stay_loops(f, most):
    args = np.array([0.5, 0.2]), np.array([0.1, 1.0])
    program = call.Call(f, args, {}, 0).to_differentiate
    assert sum(e.op.name == "scan" for e in program.equations) >= 1
    assert len(program.equations) < most


# --- random loops -----------------------------------------------------------------------------------------------------

SETTING = """
def f(x, y, Z):
    n, a, b, s, kept, far = len(x), y, x[0] * 0 + 1, 0.0, [], np.zeros(len(x))
    for t in range(n):
        {body}
        kept.append(a)
    return {after}
"""

LINES = [
    "a = np.sqrt(b)", "b = np.sqrt(x[t])", "b = np.abs(a) + x[t]", "s = s + a", "s = s + b * x[t]", "b = a",
    "a = np.floor(a) + b", "a = b / x[t]", "a = np.sqrt(a) * 0.5", "s = s + np.linalg.norm(Z[t])", "a = np.log(x[t])",
    "b = np.hypot(a, x[t])", "s = s + np.where(x[t] > 0, np.sqrt(x[t]), 0.0)", "far[t] = a",
    "s = s + far[t - 1]", "s = s + (kept[-2] if t > 1 else y)", "b = np.arcsin(x[t] / 2) * b", "a, b = b, a",
    "a = np.minimum(a, b)", "b = x[t] ** 1.5", "s = s + np.max(np.sqrt(Z[t]))", "a = 1 / (2 + x[t])",
    "s = s + a**2 if t % 2 else s", "a = y + x[t]",
]  # fmt: skip

AFTER = ["s", "s + a", "s + kept[3]", "kept[-1] + kept[-4]", "sum(kept)", "sum(kept[2:-1]) + s", "np.sum(far) + b",
         "np.sum(far[3:]) + s", "np.sum(np.stack(kept) ** 2)"]  # fmt: skip


def random_loop(lines, after):
    scope = {"np": np}
    exec(SETTING.format(body="\n        ".join(lines), after=after), scope)
    return scope["f"]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=5), st.sampled_from(AFTER),
    st.lists(st.sampled_from([0.0, 1.0, 0.5, 1.5]), min_size=14, max_size=14), st.sampled_from([0.0, 1.0]),
    st.sampled_from([(0,), (1,), (0, 1), (2,), (0, 2)]),
)  # fmt: skip
def test_random_loops_are_no_worse_than_their_steps(lines, after, x, y, wrt):
    Z = np.outer(x, [1.0, 0.5])
    assert_no_worse(random_loop(lines, after), (np.array(x), y, Z), wrt)


def test_what_is_known_of_a_loop_without_steep_slopes():
    program = cr.trace(lambda x: [x := np.sin(x) * 0.5 + x for _ in range(40)][-1], 0.3)
    seen = []
    reroll.rerolled(program, lambda loop: seen.append(loop) or uneven_ends(loop))
    (loop,) = seen
    assert (loop.steps, loop.last, loop.results) == (40, [True], [])
    assert uneven_ends(loop) == (0, 0)
