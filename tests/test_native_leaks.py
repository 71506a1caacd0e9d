"""Calls leave nothing behind: no reference, no object, no byte."""

import collections
import gc
import itertools
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

CALLS = 100_000
SCALE = np.array([1.0, 2.0, 3.0])
SETTINGS = {"power": 2.0, "weights": [np.ones(3), 0.5]}
X = np.array([0.5, -1.0, 2.0])
LONG = np.linspace(-1, 1, 40_000)  # other threads are let run meanwhile


class Model:
    def __init__(self):
        self.w = np.arange(3.0)

    def loss(self, x):
        return np.sum(self.w * x * x)


class Slots:  # what it holds is asked of Python in each call
    __slots__ = ("w",)

    def __init__(self, w):
        self.w = w


MODEL, SLOTS = Model(), Slots(2.0)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def nested(p):
    return np.sum(p["layer"][0] * p["layer"][1]) * p["bias"]


def gathered(x, k):
    return np.sum(x[k] * 2)


# a function of one argument, and the argument
FUNCTIONS = {
    "a gradient": (cr.grad(rosenbrock), X),
    "a number": (cr.value_and_grad(lambda x: x * x), 2.0),
    "a number of NumPy": (cr.grad(lambda x: x * x), np.float32(2.0)),
    "a dict of a list and a number": (cr.value_and_grad(nested), {"layer": [X, X], "bias": 2.0}),
    "a tuple of results": (cr.compile(lambda x: {"a": (x, x + 1), "b": [np.sum(x)], "c": 2 * x}), X),
    "arrays from outside": (cr.grad(lambda x: np.sum((SCALE * x) ** SETTINGS["power"] * SETTINGS["weights"][0])), X),
    "attributes": (cr.grad(MODEL.loss), X),
    "what Python is asked for": (cr.grad(lambda x: np.sum(x * x) * SLOTS.w), X),
    "scratch memory": (cr.compile(lambda x: np.cumsum(x) @ np.linalg.inv(np.outer(x, x) + 9 * np.eye(3))), X),
    "much scratch memory": (cr.compile(lambda x: np.cumsum(np.cumsum(x, axis=0), axis=1)), np.ones((2, 80_000))),
    "a long kernel": (cr.grad(lambda x: np.sum(np.sin(x) * x)), LONG),
    "rows": (cr.vmap(cr.grad(rosenbrock)), np.ones((4, 3))),
    "a loop": (cr.grad(lambda x: np.sum(cr.scan(lambda h, t: (np.sin(h) * t, None), x, X)[0])), X),
}  # fmt: skip
SLOW = {"a long kernel": 3_000, "much scratch memory": 300, "what Python is asked for": 20_000, "a loop": 20_000}


def fields(x):
    if isinstance(x, dict):
        return [x, *x.keys(), *(f for v in x.values() for f in fields(v))]
    return [x, *(f for v in x for f in fields(v))] if isinstance(x, (list, tuple)) else [x]


WATCHED = (
    None, True, (), 0, np.dtype("f8"), np.dtype("f4"), np.ndarray, np.float64, np.float32, float, dict, list, tuple,
    SCALE, SETTINGS, SETTINGS["weights"], MODEL, MODEL.w, SLOTS, "a", "b", "c", "layer", "bias", MODEL.__dict__,
)  # fmt: skip


def repeated(f, x, calls):
    collections.deque(map(f, itertools.repeat(x, calls)), maxlen=0)


def left_behind(f, x, calls):
    """References to what takes part, objects, and bytes that so many calls leave."""
    repeated(f, x, 200)
    watched = [*WATCHED, f, *fields(x)]
    counts = [0] * len(watched)
    for _ in range(10):  # what other tests have left goes in rounds
        if not gc.collect():
            break
    tracemalloc.start()
    try:
        repeated(f, x, 200)
        gc.collect()
        before = [sys.getrefcount(w) for w in watched]
        objects, bytes_before = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
        repeated(f, x, calls)
        gc.collect()
        bytes_after = tracemalloc.get_traced_memory()[0]
        for n, w in enumerate(watched):
            counts[n] = sys.getrefcount(w) - before[n]
        objects = len(gc.get_objects()) - objects
    finally:
        tracemalloc.stop()
    worst = max(range(len(watched)), key=lambda n: abs(counts[n]))
    return (counts[worst], watched[worst]), objects, bytes_after - bytes_before


def assert_nothing_is_left(f, x, calls):
    references, objects, size = left_behind(f, x, calls)
    if abs(references[0]) >= 100:  # what calls leave they leave again; what others gave back meanwhile is gone
        references, objects, size = left_behind(f, x, calls)
    assert abs(references[0]) < 100, f"references to {references[1]!r}"  # this test's own, a cache's of small numbers
    assert objects < 100, "objects"
    assert size < 60_000, "bytes"  # names that are interned, lists of what is free


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_calls_leave_nothing_behind(name):
    f, x = FUNCTIONS[name]
    assert_nothing_is_left(f, x, SLOW.get(name, CALLS))


def refused(f, *args):
    def call(_):
        with pytest.raises((IndexError, np.linalg.LinAlgError, cr.ChainruleError, TypeError)):
            f(*args)

    return call


REFUSED = {
    "a place that is not there": refused(cr.compile(gathered), X, np.array([0, 7])),
    "a singular matrix": refused(cr.compile(lambda a: np.linalg.inv(a) * 2), np.zeros((3, 3))),
    "an object": refused(cr.grad(rosenbrock), object()),
    "too many arguments": refused(cr.grad(rosenbrock), X, X),
    "another shape, that does not fit": refused(cr.compile(lambda x: x * SCALE), np.ones(4)),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_calls_that_fail_leave_nothing_behind(name):
    assert_nothing_is_left(REFUSED[name], None, 300)


def test_objects_that_are_kept_are_seen():
    kept = []
    with pytest.raises(AssertionError, match=r"objects|references|bytes"):
        assert_nothing_is_left(lambda x: kept.append([x]), X, 1000)


SPOILED = """
import os, sys
os.environ["CHAINRULE_CACHE_DIR"] = ""
sys.path.insert(0, {here!r})
from chainrule.native import entry

text = entry.entry_text()
entry.entry_text = lambda: text.replace({right!r}, {wrong!r})
assert entry.entry_text() != text
import test_native_leaks as tests

tests.assert_nothing_is_left(*tests.FUNCTIONS[{name!r}], tests.SLOW.get({name!r}, 2_000))
"""


@pytest.mark.parametrize(
    ("right", "wrong", "name", "what"),
    [
        ("@hold(ptr @Py_DecRef", "@hold(ptr @Py_IncRef", "a long kernel", "AssertionError: references"),
        ("call void @Py_IncRef(ptr %odtype)", "", "a gradient", "Reference count error"),
        ("%large, label %free, label %keep", "%large, label %free, label %done", "much scratch memory", "bytes"),
    ],
    ids=["kept", "lost", "memory"],
)
def test_an_entry_that_counts_wrong_is_seen(right, wrong, name, what):
    text = SPOILED.format(here=str(Path(__file__).parent), right=right, wrong=wrong, name=name)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=300)
    assert done.returncode
    assert what in done.stderr


GROWTH = """
import collections, itertools, re, sys
sys.path.insert(0, {here!r})
import test_native_leaks as tests

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

for name, calls in (("a gradient", 10**6), ("a dict of a list and a number", 10**5), ("arrays from outside", 10**5)):
    f, x = tests.FUNCTIONS[name]
    tests.repeated(f, x, 20_000)
    before = resident()
    tests.repeated(f, x, calls)
    print(resident() - before, name)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")


@needs_proc
def test_a_million_calls_take_no_memory():
    text = GROWTH.format(here=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=300, check=True)
    for line in done.stdout.splitlines():
        kilobytes, name = line.split(" ", 1)
        assert int(kilobytes) < 500, name
    assert len(done.stdout.splitlines()) == 3
