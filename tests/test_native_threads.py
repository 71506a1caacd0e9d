"""Threads: long loops in pieces give the same bits on any number of threads, in any process, whoever else computes."""

import contextlib
import ctypes
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_native_kernels import STEPS, chain, logistic, network, same

import chainrule as cr
from chainrule import native
from chainrule.errors import ArgumentError
from chainrule.execute import Executable
from chainrule.native import pieces, pool
from chainrule.native.run import Stretch
from chainrule.transform.simplify import simplify

NUMBERS = [1, 2, 3, 8]
posix = pytest.mark.skipif(not pool.has_threads(), reason="there are no POSIX threads to be had")


@contextlib.contextmanager
def short():
    """Loops count as long when they are not: so many kinds of them can be tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_CUT", 500)
        patch.setattr(pieces, "_PIECE", 50)
        yield


def kernel(f, *args):
    """A kernel whose loops are cut, made anew."""
    with short():
        return Stretch(simplify(cr.trace(f, *args)))


def on(stretch, threads, args):
    """What a kernel gives on so many threads."""
    if stretch.threads_at is not None:
        stretch._addresses[stretch.threads_at] = threads
    return stretch(args)


def assert_same_bits(found, expected):
    for y, z in zip(found, expected, strict=True):
        y, z = np.asarray(y), np.asarray(z)
        assert (y.shape, y.dtype, y.tobytes()) == (z.shape, z.dtype, z.tobytes())


def holds(f, args, digits=9, cut=True):
    """The bits are the same for any number of threads, and the numbers are NumPy's."""
    stretch = kernel(f, *args)
    assert (stretch.threads_at is not None) == cut
    first = on(stretch, 1, args)
    same(first, Executable(stretch.program)(args), digits)
    for threads in NUMBERS * 2:
        assert_same_bits(on(stretch, threads, args), first)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5), st.integers(500, 1500))
def test_random_programs_give_the_same_bits_on_any_number_of_threads(steps, n):
    rng = np.random.default_rng(n)
    x, y = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)

    def f(x, y):
        for step in steps:
            x, y = STEPS[step](x, y), x
        return np.sum(x * y)

    stretch = kernel(cr.value_and_grad(f, wrt=(0, 1)), x, y)
    first = on(stretch, 1, (x, y))
    with np.errstate(all="ignore"):
        same(first, Executable(stretch.program)((x, y)), 8)
    for threads in NUMBERS:
        assert_same_bits(on(stretch, threads, (x, y)), first)


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("hidden", [3, 20])
def test_sums_over_rows_in_memory_and_what_a_row_needs_for_itself(kind, hidden):
    rng = np.random.default_rng(0)
    n, m = 1003, 17
    args = (
        rng.normal(size=(m, hidden)), rng.normal(size=hidden), rng.normal(size=hidden), rng.normal(size=(n, m)),
        rng.normal(size=n),
    )  # fmt: skip
    digits = 11 if kind == "f8" else 3
    holds(cr.value_and_grad(network, wrt=(0, 1, 2)), [a.astype(kind) for a in args], digits)
    args = (rng.normal(size=m), rng.normal(size=(n, m)), np.sign(rng.normal(size=n)))
    holds(cr.value_and_grad(logistic), [a.astype(kind) for a in args], digits)


REDUCTIONS = {
    "extremes": lambda x, k: (np.max(x), np.min(x), np.argmax(x), np.argmin(x)),
    "of columns": lambda x, k: (np.max(x, axis=0), np.min(x, axis=0), np.sum(x, axis=0), np.any(x > 3, axis=0)),
    "of rows": lambda x, k: (np.max(x, axis=1), np.sum(x * x, axis=1), np.argmax(x, axis=1)),
    "truths": lambda x, k: (np.any(x > 9), np.all(x < 9), np.any(x > 1), np.all(x < 1)),
    "whole numbers": lambda x, k: (np.sum(k), np.max(k), np.min(k, axis=0), np.sum(k, axis=0)),
    "no reduction": lambda x, k: (np.exp(x), k + 1),
    "all at once": lambda x, k: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))),
}


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
def test_every_kind_of_reduction(name):
    rng = np.random.default_rng(3)
    x, k = rng.normal(size=(2051, 5)), rng.integers(-9, 9, (2051, 5))
    x[1700, 2] = np.nan
    holds(REDUCTIONS[name], (x, k))
    holds(REDUCTIONS[name], (np.nan_to_num(x).astype("f4"), k), 5)


def test_pieces_write_nothing_beyond_their_memory(monkeypatch):
    monkeypatch.setenv("CHAINRULE_FENCES", "1")
    x, k = np.random.default_rng(3).normal(size=(2051, 5)), np.ones((2051, 5), int)
    for f in (REDUCTIONS["of columns"], REDUCTIONS["all at once"]):
        holds(f, (x, k))


def test_what_must_be_done_in_order_is_not_cut():
    x = np.random.default_rng(0).normal(size=5000)
    holds(lambda x: np.cumsum(x), (x,), cut=False)
    holds(cr.grad(lambda x: np.sum(x[np.arange(5000) % 7] ** 2 * np.sin(x))), (x,))  # its gradient adds at positions
    holds(lambda X: np.cumsum(X, axis=1), (x.reshape(100, 50),))


def test_only_long_loops_are_cut():
    for n, cut in ((2_000, False), (400_000, True)):
        x = np.random.default_rng(0).normal(size=n)
        stretch = Stretch(simplify(cr.trace(cr.value_and_grad(chain), x, 1.3, -0.2)))
        assert (stretch.threads_at is not None) == cut
        assert ("pool.run" in stretch.text) == cut


TRANSFORMATIONS = {
    "grad": (cr.grad, lambda x: np.sum(np.exp(-x * x)), ()),
    "value_and_grad": (cr.value_and_grad, lambda x: np.sum(np.exp(-x * x)), ()),
    "compile": (cr.compile, lambda x: np.sum(np.exp(-x * x)), ()),
    "hvp": (cr.hvp, lambda x: np.sum(np.exp(-x * x)), (1,)),
    "vmap": (cr.vmap, lambda x: np.tanh(np.exp(-x * x)), ()),
    "jacobian": (cr.jacobian, lambda x: np.sum(np.exp(-x * x)), ()),
}


def leaves(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS))
def test_transformations_take_a_number_of_threads(name):
    make, f, more = TRANSFORMATIONS[name]
    x = np.random.default_rng(0).normal(size=600_011)
    args = (x, *(x for _ in more))
    expected = leaves(make(f)(*args))
    for threads in NUMBERS:
        run = make(f, threads=threads)
        assert run is make(f, threads=np.int64(threads))
        for _ in range(2):  # the second time without Python in between
            assert_same_bits(leaves(run(*args)), expected)
    for wrong in (0, -1, 1.5, None, True, "2"):
        with pytest.raises(ArgumentError, match="threads"):
            make(f, threads=wrong)


def test_matrices_take_a_number_of_threads():
    f = cr.hessian(lambda x: np.sum((x[1:] - x[:-1]) ** 3), threads=2)
    np.testing.assert_array_equal(f(np.array([0.0, 1.0, 3.0])), [[6, -6, 0], [-6, 18, -12], [0, -12, 12]])
    for make in (cr.hessian, cr.jacobian):
        with pytest.raises(ArgumentError, match="threads"):
            make(np.sum, threads=0, sparse=True)
    sparse = cr.jacobian(lambda x: x[1:] - x[:-1] ** 2, sparse=True, threads=2)
    np.testing.assert_array_equal(sparse(np.array([1.0, 0.0, 3.0])).data, [-2, 1, 0, 1])


@posix
def test_several_callers_at_once():
    x = np.random.default_rng(0).normal(size=700_001)
    f = cr.value_and_grad(chain, wrt=(0, 1, 2), threads=2)
    expected = f(x, 1.3, -0.2)
    found, failed = [], []

    def call():
        try:
            found.extend(f(x, 1.3, -0.2) for _ in range(6))
        except Exception as error:
            failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(5)]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    assert not failed
    assert len(found) == 30
    for value, gradient in found:
        assert_same_bits((value, *gradient), (expected[0], *expected[1]))


PIECE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


def run_of(address):
    return ctypes.CFUNCTYPE(None, PIECE, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)


@posix
def test_the_pool_runs_each_piece_once_also_when_it_is_taken():
    run = run_of(pool.address())
    inner, seen, lock = [], [], threading.Lock()

    @PIECE
    def note(context, k):
        with lock:
            inner.append(k)

    @PIECE
    def piece(context, k):
        with lock:
            seen.append((k, threading.get_native_id()))
        run(note, None, 3, 4)  # the pool is taken: the caller does them alone

    for threads in (1, 2, 5):
        seen.clear(), inner.clear()
        run(piece, None, 40, threads)
        assert sorted(k for k, _ in seen) == list(range(40))
        assert sorted(inner) == sorted([0, 1, 2] * 40)
        assert len({who for _, who in seen}) <= threads


@posix
def test_several_threads_really_take_part():
    run, meet = run_of(pool.address()), threading.Barrier(3, timeout=60)
    piece = PIECE(lambda context, k: meet.wait() and None)
    run(piece, None, 3, 3)  # each piece waits for the two others
    assert not meet.broken


def test_without_threads_the_caller_does_everything(monkeypatch, caplog):
    monkeypatch.setattr(pool, "has_threads", lambda: False)
    pool.address.cache_clear()
    native._looked_for_threads.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, "chainrule"):
            found = [cr.compile(f, threads=2)(np.ones(3)) for f in (lambda x: np.sum(x), lambda x: np.sum(x * 2))]
        assert found == [3.0, 6.0]
        assert [r.message for r in caplog.records if "POSIX" in r.message] == [
            "this system has no POSIX threads: `threads` changes nothing, every loop runs on the caller's thread"
        ]
        seen = []
        monkeypatch.setenv("CHAINRULE_CACHE_DIR", "")
        run_of(pool.address())(PIECE(lambda context, k: seen.append(k)), None, 5, 4)
        assert seen == [0, 1, 2, 3, 4]
    finally:
        pool.address.cache_clear()
        native._looked_for_threads.cache_clear()


def test_errors_are_numpys():
    x = np.random.default_rng(0).normal(size=400_000)
    f = cr.compile(lambda x: (np.sum(np.exp(x)), np.linalg.solve(np.ones((2, 2)) * x[0], x[:2])), threads=2)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        f(x)
    at = np.arange(400_000)
    pick = cr.compile(lambda x, at: np.sum(np.exp(x[at])), threads=2)
    expected = pick(x, at)
    for wrong in (399_999, 200_000, 3):
        outside = at.copy()
        outside[wrong] = 400_000
        with pytest.raises(IndexError):
            pick(x, outside)
    assert pick(x, at) == expected


def in_a_process(text):
    """What a fresh Python prints."""
    source = str(Path(cr.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


SETTING = """
import os, signal, sys, threading
import numpy as np
import chainrule as cr
f = cr.value_and_grad(lambda x: np.sum(np.tanh(x) * np.exp(-x * x)), threads=3)
x = np.random.default_rng(0).normal(size=500_003)
def bits():
    value, gradient = f(x)
    return f"{hash((float(value), gradient.tobytes()))}"
"""


@posix
def test_a_forked_child_has_threads_of_its_own():
    parent, child, second, later, *codes = in_a_process(
        SETTING
        + """
on, threads = True, [threading.Thread(target=lambda: [f(x) for _ in iter(lambda: on, False)]) for _ in range(2)]
print(bits(), flush=True)
for t in threads: t.start()
for depth in range(2):  # in the midst of the others' work, and a child of a child
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        print(bits(), flush=True)
        continue
    break
if pid:
    _, status = os.waitpid(pid, 0)
else:
    os._exit(0)
if depth:
    os._exit(os.waitstatus_to_exitcode(status))
on = False
for t in threads: t.join()
print(bits(), os.waitstatus_to_exitcode(status))
"""
    )
    assert parent == child == second == later
    assert codes == ["0"]


@posix
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there are no threads to count")
def test_threads_are_made_once_and_the_process_ends():
    before, first, last, twice = in_a_process(
        SETTING
        + """
count = lambda: len(os.listdir("/proc/self/task"))
before = count()
bits(); first = count()
for _ in range(50): f(x)
last = count()
cr.compile(lambda x: np.sum(np.exp(x)), threads=3)(x)
print(before, first, last, count())
"""
    )
    assert int(first) == int(last) == int(twice) == int(before) + 2


def wild():
    """Numbers of which only little is left when they are added: in another order other bits of it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=15) * 10.0 ** rng.uniform(-20, 20, 15)
    found = np.zeros((40, 5000))  # one at most in each piece
    found[:, 0] = rng.permutation(np.concatenate([x, -x, rng.normal(size=10)]))
    return found.ravel()


WILD = {"a number": (np.sum, wild()), "a row": (lambda X: np.sum(X, axis=0), wild().reshape(-1, 5))}


@pytest.mark.parametrize("what", sorted(WILD))
def test_sums_that_lose_all_their_digits_have_the_same_bits(what):
    f, x = WILD[what]
    stretch = kernel(f, x)
    first = on(stretch, 1, (x,))
    for threads in NUMBERS * 3:
        assert_same_bits(on(stretch, threads, (x,)), first)


@pytest.mark.parametrize("what", sorted(WILD))
def test_a_spoiled_order_is_seen(monkeypatch, what):
    f, x = WILD[what]
    inside = pieces.Pieces._inside

    def from_the_end(self, area, away, offset):
        (cut,) = self.cuts.values()
        return inside(self, area, away * -1 + (cut.pieces - 1) * cut.stride, offset)

    right = on(kernel(f, x), 1, (x,))
    with monkeypatch.context() as patch:
        patch.setattr(pieces.Pieces, "_inside", from_the_end)
        spoiled = kernel(f, x)
    with pytest.raises(AssertionError):
        assert_same_bits(on(spoiled, 1, (x,)), right)
    with monkeypatch.context() as patch:
        patch.setattr(pieces, "_MOST", 3)  # were the cuts to depend on anything else than sizes
        spoiled = kernel(f, x)
    with pytest.raises(AssertionError):
        assert_same_bits(on(spoiled, 1, (x,)), right)


SHORT = np.arange(5.0)
WEIGHTS = {"w": np.arange(1.0, 6.0)}
JOBS = {
    "a short kernel": (lambda: cr.value_and_grad(lambda x: np.sum(np.sin(x) * WEIGHTS["w"])), (SHORT,)),
    "a dict": (lambda: cr.grad(lambda p: np.sum(p["a"] * p["b"] ** 2)), ({"a": SHORT, "b": 2.0},)),
    "scratch memory": (lambda: cr.compile(lambda x: np.outer(x, x) @ np.outer(x, x + 1)), (np.arange(60.0),)),
    "a routine": (lambda: cr.grad(lambda x: np.linalg.slogdet(np.outer(x, x) + 9 * np.eye(5))[1]), (SHORT,)),
    "a loop": (lambda: cr.grad(lambda x: np.sum(cr.scan(lambda h, t: (np.sin(h * t), None), x, SHORT)[0])), (SHORT,)),
    "a long kernel": (lambda: cr.value_and_grad(chain, wrt=(0, 1, 2)), (np.linspace(-1, 1, 60_000), 1.3, -0.2)),
    "other shapes": (lambda: cr.grad(lambda x: np.sum(np.exp(-x * x))), (np.linspace(-1, 1, 33),)),
    "a part on NumPy": (lambda: cr.compile(lambda x: np.sort(np.cos(x))[::-1] * 2), (np.arange(40.0),)),
}  # fmt: skip


def parts(result):
    if isinstance(result, dict):
        return [y for v in result.values() for y in parts(v)]
    return [y for v in result for y in parts(v)] if isinstance(result, (tuple, list)) else [result]


def wrong_answers(functions, expected, turns):
    """Calls of eight threads at once, all functions in each of them, that gave anything else than one thread alone."""
    wrong, gate = [], threading.Barrier(8, timeout=60)

    def call(which):
        names = sorted(functions)[which:] + sorted(functions)[:which]
        gate.wait()
        for _ in range(turns):
            for name in names:
                try:
                    found = parts(functions[name](*JOBS[name][1]))
                    assert_same_bits(found, expected[name])
                except BaseException as error:
                    wrong.append((name, repr(error)))

    threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return wrong


def test_eight_threads_at_once_get_what_one_gets():
    expected = {name: parts(make()(*args)) for name, (make, args) in JOBS.items()}
    fresh = {name: make() for name, (make, _) in JOBS.items()}  # recorded and compiled by whoever comes first
    assert not wrong_answers(fresh, expected, 60)


def test_threads_that_get_in_each_others_way_are_seen():
    expected = {name: parts(make()(*args)) for name, (make, args) in JOBS.items()}
    right, under_way = JOBS["a short kernel"][0](), []

    def shared(x):  # as if a buffer belonged to all calls
        under_way.append(x)
        try:
            threading.Event().wait(0.001)
            return right(x + len(under_way) - 1)
        finally:
            under_way.pop()

    functions = {name: make() for name, (make, _) in JOBS.items()} | {"a short kernel": shared}
    assert wrong_answers(functions, expected, 5)
