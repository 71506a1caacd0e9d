"""Straight-line code: long programs of numbers compute what the NumPy executor computes, whatever their length."""

import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import compiler, tiers
from chainrule.native import straight as lines
from chainrule.native.foreign import Foreign
from chainrule.native.lower import lowered
from chainrule.native.parts import LONG, cut, is_straight
from chainrule.native.run import Stretch, compiled
from chainrule.native.scalars import expanded
from chainrule.native.schedule import together
from chainrule.native.straight import straight
from chainrule.trace.collecting import rarely_collecting
from chainrule.transform import reroll
from chainrule.transform.simplify import simplify

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, 1e300, 0.5, -2.0, 2.5]


@pytest.fixture(autouse=True)
def _steps_are_written_out(monkeypatch):
    """Most long programs here are loops in Python, for that is short to write; they stand for such as are not."""
    monkeypatch.setattr(reroll, "LONG", 10**9)


def identical(found, expected):
    """Equal in type, value, NaN, infinity and the signs of zeros."""
    for y, z in zip(found, expected, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_array_equal(y, z)
        if z.dtype.kind == "f":
            there = ~np.isnan(z)
            np.testing.assert_array_equal(np.signbit(y[there]), np.signbit(z[there]))


def close(found, expected, digits):
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


def written_out(program):
    """The Program as straight-line code, whatever its length."""
    return Stretch(program, straight=True)


def traced(f, *args):
    return simplify(cr.trace(f, *args))


ARITHMETIC = {
    "plus": lambda a, b, x: a + b, "minus": lambda a, b, x: a - b, "times": lambda a, b, x: a * b,
    "divided": lambda a, b, x: a / b, "less": lambda a, b, x: np.where(a < b, a, x[1]), "square": lambda a, b, x: a**2,
    "root": lambda a, b, x: np.sqrt(a), "abs": lambda a, b, x: abs(a) - x[0], "max": lambda a, b, x: np.maximum(a, b),
    "read": lambda a, b, x: x[2] * b, "zero": lambda a, b, x: a + 0.0, "floor": lambda a, b, x: np.floor(a) + b,
}  # fmt: skip
SMOOTH = {
    "exp": lambda a, b, x: np.exp(-(a**2)), "sin": lambda a, b, x: np.sin(a + b),
    "log": lambda a, b, x: np.log(1 + a * a), "tanh": lambda a, b, x: np.tanh(a) * b,
    "power": lambda a, b, x: (1.5 + np.sin(a)) ** b, "mix": lambda a, b, x: 0.3 * a + x[0],
    "shift": lambda a, b, x: np.roll(x, 1)[0] + a, "dot": lambda a, b, x: x @ np.stack([a, b, a]),
    "write": lambda a, b, x: _written(x, a)[1] * b, "outer": lambda a, b, x: np.sum(np.outer(x, x) * a) / 9,
}  # fmt: skip


def _written(x, a):
    y = x.copy()
    y[1] = a
    return y * 0.5


def recipe(table, steps):
    def f(x):
        a, b = x[0], x[1]
        for step in steps:
            a, b = table[step](a, b, x), a
        return a, b

    return f


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(ARITHMETIC)), min_size=1, max_size=12), st.permutations(SPECIAL))
def test_arithmetic_is_numpys_to_the_last_bit(steps, values):
    x = np.array(values[:3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        program = traced(recipe(ARITHMETIC, steps), x)
        identical(written_out(program)([x]), Executable(program)([x]))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(sorted(SMOOTH)), min_size=1, max_size=8), st.integers(0, 99), st.sampled_from(["f8", "f4"])
)
def test_random_programs_and_their_gradients_are_numpys(steps, seed, kind):
    x = np.random.default_rng(seed).uniform(-1, 1, 3).astype(kind)
    f = recipe(SMOOTH, steps)
    program = traced(cr.value_and_grad(lambda x: f(x)[0] + 0.5 * f(x)[1]), x)
    close(written_out(program)([x]), Executable(program)([x]), 9 if kind == "f8" else 3)


def chain(n):
    def f(x):
        a, b = x[0], x[1]
        for _ in range(n):
            a, b = np.sin(a) * 0.9 + b * x[2], a - 0.1 * b
        return a + b

    return f


def fan(n):
    """One value that n others read, all of which are read at the end."""

    def f(x):
        a = x[0] * x[1]
        found = [a * (1 + 0.1 * k) - x[k % 3] for k in range(n)]
        total = found[0]
        for k in range(1, n):
            total = total + found[-k] * found[k - 1]
        return total / n**2

    return f


@pytest.mark.parametrize("shape", [chain, fan])
@pytest.mark.parametrize("lines_of_a_function", [1, 2, 7, 499])
def test_where_the_code_is_cut_changes_nothing(shape, lines_of_a_function, monkeypatch):
    x = np.array([0.3, 0.2, 0.5])
    program = traced(cr.value_and_grad(shape(30)), x)
    whole = written_out(program)([x])
    close(whole, Executable(program)([x]), 12)
    monkeypatch.setattr(lines, "_LINES", lines_of_a_function)
    monkeypatch.setattr(lines, "_FUNCTIONS", 3)
    identical(written_out(program)([x]), whole)


@pytest.mark.parametrize("shape", [chain, fan])
def test_ten_thousand_operations_run_in_functions_of_bounded_length(shape):
    x = np.array([0.3, 0.2, 0.5])
    program = traced(cr.value_and_grad(shape(2000)), x)
    run = written_out(program)
    assert straight(program).instructions > 8000
    assert max(len(part.splitlines()) for part in run.text.split("define ")) < 4000
    close(run([x]), Executable(program)([x]), 9)


def test_places_in_the_scratch_buffer_are_used_again():
    x = np.array([0.3, 0.2, 0.5])
    one, other = (straight(traced(chain(n), x)) for n in (1000, 4000))
    assert other.instructions > 3.9 * one.instructions
    assert other.scratch == one.scratch


def test_every_effort_gives_the_same_bits():
    x = np.array([0.3, -0.2, 0.5])
    f = recipe(SMOOTH, ["sin", "power", "dot", "exp", "tanh", "log", "mix"] * 8)
    run = written_out(traced(cr.value_and_grad(lambda x: f(x)[0]), x))
    assert " contract " not in run.text
    first = run([x])
    for effort in (0, 1, 2, 3):
        run.code.improve(effort)
        identical(run([x]), first)


def test_what_is_called_often_is_compiled_again_in_the_background(monkeypatch):
    monkeypatch.setattr(tiers, "HOT", 40)
    monkeypatch.setattr(tiers, "_SECONDS", 0.01)
    x = np.array([0.3, 0.2, 0.5])
    run = written_out(traced(cr.value_and_grad(chain(200)), x))
    entry, first = run.kernel, run([x])
    assert (run.code.effort, run.code.calls) == (0, 1)
    found = []
    workers = [threading.Thread(target=lambda: found.extend(run([x]) for _ in range(50))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    until = time.monotonic() + 60
    while run.code.effort == 0 and time.monotonic() < until:
        time.sleep(0.02)
    assert run.code.effort == 1
    assert run.kernel == entry
    for y in [*found, run([x])]:
        identical(y, first)


def test_leaving_while_code_is_compiled_again_is_no_crash():
    code = """
import numpy as np, chainrule as cr
from chainrule.native import tiers
from chainrule.native.run import Stretch
from chainrule.transform import reroll
from chainrule.transform.simplify import simplify
tiers.HOT, tiers._SECONDS = 0, 0.001
def f(x):
    for _ in range(1500):
        x = x * 1.01 + 0.1 / x
    return x
run = Stretch(simplify(cr.trace(f, 0.5)), straight=True)
print(run([np.asarray(0.5)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_reading_an_element_costs_no_instruction():
    x = np.linspace(0, 1, 50)

    def f(x):
        total = x[0]
        for k in range(1, 50):
            total = total + x[k] * x[-k]
        return total

    value, both = (straight(traced(g, x)) for g in (f, cr.value_and_grad(f)))
    assert value.instructions == 2 * 49
    assert both.instructions <= 6 * 49 + 50  # not 50 for each of 98 reads
    close(written_out(traced(cr.grad(f), x))([x]), [cr.grad(f)(x)], 14)


def test_zeros_that_are_left_out_keep_their_signs():
    x = np.array([-0.0, 0.0, -0.0])

    def f(x):
        y = np.zeros(3)
        y[1:] = x[:2] * -1.0
        z = np.concatenate([x, y]) * 1.0
        return z, z[:3] + y, -(y + 0.0), np.sum(z)

    program = traced(f, x)
    identical(written_out(program)([x]), Executable(program)([x]))
    gradient = traced(cr.grad(lambda x: x[0] * -0.0 + x[1] * 0.0 * x[0] - 0.0 * x[2]), x)
    identical(written_out(gradient)([x]), Executable(gradient)([x]))


def test_large_constants_and_inputs_stay_in_memory():
    x = np.linspace(-1, 1, 3)

    def f(x):
        table = np.arange(100.0)
        return np.sum(table * x[0]) + np.sum(table[::3] * x[1]) + np.sum(np.full(100, 2.0) * x[2])

    program = traced(cr.value_and_grad(f), x)
    assert len(straight(program).constants) == 1
    close(written_out(program)([x]), Executable(program)([x]), 13)
    y = np.random.default_rng(1).normal(size=100_000)
    program = traced(lambda y: y[5] * y[99_999] + y[77_000], y)
    close(written_out(program)([y]), Executable(program)([y]), 15)


def test_truths_and_whole_numbers_pass_between_functions(monkeypatch):
    monkeypatch.setattr(lines, "_LINES", 1)
    x, k, c = np.array([0.3, -0.2, 0.5]), np.array([3, -4]), np.array([True, False])

    def f(x, k, c):
        less = x[0] < x[1]
        either = less | c[0]
        return (
            np.where(either, x[2], x[0]),
            k[0] * k[1] + 2,
            either,
            c,
            np.where(c[1], k[0], k[1]),
            np.float32(2) * k[0],
        )

    program = traced(f, x, k, c)
    identical(written_out(program)([x, k, c]), Executable(program)([x, k, c]))


def test_outputs_that_nobody_computes():
    x = np.array([0.3, -0.2, 0.5])
    program = traced(lambda x: (x, x[1], np.ones(3) * 2.0, x[::-1], x[0] * 0.5, x[0] * 0.5), x)
    identical(written_out(program)([x]), Executable(program)([x]))


def test_reductions_running_sums_and_functions_of_c_are_written_out():
    x = np.linspace(-1, 1, 6).reshape(2, 3)

    def f(x):
        a = np.max(x, axis=1) + np.min(x * x, axis=(0,))[:2] + np.cumsum(x, axis=0)[1, :2]
        b = np.arctan(a) + scipy.special.gammaln(a + 3.0) + scipy.special.softmax(x, axis=1)[0, :2]
        return np.sum(b), np.any(x > 0.9, axis=0), np.cumsum(x[::-1, ::-1]), x[0, 0].astype(np.float32), x.astype(int)

    for g in (f, cr.grad(lambda x: f(x)[0])):
        program = traced(g, x)
        close(written_out(program)([x]), Executable(program)([x]), 13)


def test_long_programs_go_straight_by_themselves():
    x = np.array([0.3, 0.2, 0.5])
    program = traced(cr.value_and_grad(chain(300)), x)
    assert is_straight(program.equations)
    assert compiled(program).is_straight
    close(compiled(program)([x]), Executable(program)([x]), 12)
    assert not is_straight(traced(cr.value_and_grad(chain(3)), x).equations)
    assert "straight-line code" in str(cr.grad(chain(300)).inspect(x))


def test_straight_code_is_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    x = np.array([0.3, 0.2, 0.5])
    program = traced(cr.value_and_grad(chain(300)), x)
    first = compiled(program)([x])
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "straight_code", lambda program: pytest.fail("it is compiled again"))
        run = compiled(program)
        identical(run([x]), first)
    run.code.improve()  # its text is written again
    identical(run([x]), first)


def test_numbers_and_arrays_are_cut_apart():
    def f(x):
        a, b = x[0], x
        for k in range(400):
            a = np.sin(a) * 0.9 + x[k % 100]
        for _ in range(400):
            b = np.sin(b) * 0.9 + a
        return np.sum(b)

    x = np.linspace(0, 1, 100)
    program = traced(cr.value_and_grad(f), x)
    found = cut(list(program.equations))
    assert sum(map(len, found)) == len(program.equations)
    assert any(is_straight(part) for part in found)
    assert all(is_straight(part) or sum(e.op.aligned for e in part) <= LONG for part in found)
    close(compiled(program)([x]), Executable(program)([x]), 11)


def test_joining_counters_takes_time_in_proportion_to_the_program():
    """Of a thousand arrays that are read in place, each is looked at a few times."""
    x = np.linspace(0, 1, 100)

    def f(x):
        y = x
        for _ in range(300):
            x, y = np.sin(x) * 0.9 + y, x - 0.1 * y
        return np.sum(x + y)

    found = lowered(traced(f, x))
    steps = []
    sys.setprofile(lambda frame, event, _: steps.append(event) if event == "call" else None)
    try:
        together(found)
    finally:
        sys.setprofile(None)
    assert len(steps) < 60 * len(found.nodes)


def test_what_has_no_scalar_form_says_so():
    x = np.ones((2, 2))
    with pytest.raises(Foreign, match="solve"):
        expanded(traced(lambda x: np.linalg.solve(x, x), x))


def test_collecting_goes_on_as_before():
    import gc

    before = gc.get_threshold()
    with rarely_collecting():
        inside = gc.get_threshold()
        with rarely_collecting():
            assert gc.get_threshold() == inside
    assert inside[0] > before[0]
    assert gc.get_threshold() == before
    with pytest.raises(ZeroDivisionError), rarely_collecting():
        _ = 1 / 0
    assert gc.get_threshold() == before
