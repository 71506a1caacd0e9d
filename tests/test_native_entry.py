"""The entry: a Python call that ends in a kernel, or in the slow path, and leaks nothing."""

import gc
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.native import entry
from chainrule.native.descriptor import (
    ARGUMENT,
    ARGUMENTS,
    ARRAY,
    BUFFER_TABLE,
    BUFFERS,
    CHECK,
    CONTAINER,
    DICT,
    DTYPE,
    HOW,
    ITEM_OF_DICT,
    KERNEL,
    KIND,
    LEAF,
    NODE_TABLE,
    NODE_WORDS,
    NODES,
    NTH,
    NUMBER,
    OUTPUT_TABLE,
    OUTPUTS,
    PARENT,
    RANK,
    SHAPE,
    SLOT,
    STEP_TABLE,
    STEPS,
    TUPLE,
    WHICH,
    WORDS,
)  # fmt: skip
from chainrule.native.llvm import load, object_code

KERNEL_TEXT = """
define i32 @kernel(ptr %bufs) {
  %x = load ptr, ptr %bufs
  %s.p = getelementptr ptr, ptr %bufs, i64 1
  %s = load ptr, ptr %s.p
  %y.p = getelementptr ptr, ptr %bufs, i64 2
  %y = load ptr, ptr %y.p
  %t.p = getelementptr ptr, ptr %bufs, i64 3
  %t = load ptr, ptr %t.p
  %v = load <2 x double>, ptr %x, align 8
  %f = load double, ptr %s
  %v0 = insertelement <2 x double> poison, double %f, i32 0
  %vf = shufflevector <2 x double> %v0, <2 x double> poison, <2 x i32> zeroinitializer
  %r = fmul <2 x double> %v, %vf
  store <2 x double> %r, ptr %y, align 8
  %r0 = extractelement <2 x double> %r, i32 0
  store double %r0, ptr %t
  ret i32 0
}
"""
FLOAT64 = id(np.dtype(np.float64))


def words(*rows):
    return np.array(rows, np.int64)


def node(**facts):
    places = {"how": HOW, "parent": PARENT, "which": WHICH, "kind": KIND, "rank": RANK, "dtype": DTYPE, "shape": SHAPE,
              "slot": SLOT, "nth": NTH}  # fmt: skip
    row = [0] * NODE_WORDS
    for name, value in facts.items():
        row[places[name]] = value
    return row


def scaled_pair():
    """f(p, s) = (p["x"] * s, its first entry), p a dict of one array of two numbers, as native code."""
    answers = []

    def slow(*args, **options):
        answers.append((args, options))
        return "slow"

    loaded = load(object_code(KERNEL_TEXT, verify=True), ["kernel"])
    two, none, key = words(2), words(0), "x"
    nodes = words(
        node(how=ARGUMENT, which=0, kind=CONTAINER, rank=1, dtype=id(dict)),
        node(how=ITEM_OF_DICT, parent=0, which=id(key), kind=ARRAY, rank=1, dtype=FLOAT64, shape=two.ctypes.data),
        node(how=ARGUMENT, which=1, kind=NUMBER, dtype=id(float), slot=1),
    )
    outputs = words([1, FLOAT64, two.ctypes.data, 2, 0], [0, FLOAT64, none.ctypes.data, 3, 0])
    keys = words(id("y"))
    steps = words([LEAF, 0, 0], [DICT, 1, keys.ctypes.data], [LEAF, 1, 0], [TUPLE, 2, 0])
    buffers = words(0, 0, 0, 0)
    descriptor = np.zeros(WORDS, np.int64)
    for place, value in {
        ARGUMENTS: 2, NODES: 3, NODE_TABLE: nodes.ctypes.data, OUTPUTS: 2, OUTPUT_TABLE: outputs.ctypes.data,
        BUFFERS: 4, BUFFER_TABLE: buffers.ctypes.data, KERNEL: loaded["kernel"], STEPS: 4,
        STEP_TABLE: steps.ctypes.data,
    }.items():  # fmt: skip
        descriptor[place] = value
    call = entry.function(slow, lambda p, s: None)
    kept = (loaded, two, none, key, nodes, outputs, keys, steps, buffers)
    entry.enter(call, descriptor, kept)
    return call, answers, kept


def test_objects_lie_in_memory_as_the_entry_reads_them():
    assert entry.layout_holds()


def test_a_call_that_fits_ends_in_the_kernel():
    call, answers, kept = scaled_pair()
    found, first = call({"x": np.array([3.0, 4.0])}, 2.0)
    np.testing.assert_array_equal(found["y"], [6.0, 8.0])
    assert first == 6.0
    assert type(first) is np.float64
    assert found["y"].flags.owndata
    assert found["y"].flags.writeable
    assert not answers
    assert kept


def test_every_other_call_ends_in_the_slow_path():
    call, answers, kept = scaled_pair()
    x = np.array([3.0, 4.0])
    calls = [
        (x, 2.0), ({"x": x},), ({"x": x, "z": x}, 2.0), ({"w": x}, 2.0), ({"x": x}, 2), ({"x": x}, np.float64(2.0)),
        ({"x": np.ones(3)}, 2.0), ({"x": np.ones((1, 2))}, 2.0), ({"x": x.astype(np.float32)}, 2.0),
        ({"x": [3.0, 4.0]}, 2.0),
        ({"x": np.ones(4)[::2]}, 2.0), ({"x": x.astype(">f8")}, 2.0), ([x], 2.0), (None, None), (), ({}, 2.0),
    ]  # fmt: skip
    for args in calls:
        assert call(*args) == "slow"
    assert call({"x": x}, s=2.0) == "slow"
    assert len(answers) == len(calls) + 1
    assert answers[-1][1] == {"s": 2.0}
    assert kept
    assert call({"x": x}, 2.0) != "slow"


def test_no_reference_is_lost_or_kept():
    call, answers, kept = scaled_pair()
    x, p = np.array([3.0, 4.0]), {}
    p["x"] = x
    watched = (x, p, np.dtype(np.float64), kept[3])
    call(p, 2.0)
    gc.collect()
    before = [sys.getrefcount(o) for o in watched]
    for _ in range(20_000):
        call(p, 2.0)
    gc.collect()
    assert [sys.getrefcount(o) for o in watched] == before
    assert not answers


class Held:  # an object without a dict: whether it changed is asked of Python, in each call
    __slots__ = ("scale",)


def test_an_interrupt_while_python_is_asked_is_raised():
    held = Held()
    held.scale = 2.0
    f, x = cr.grad(lambda x: np.sum(x * x) * held.scale), np.ones(3)
    for _ in range(2):
        np.testing.assert_array_equal(f(x), 4 * x)
    (descriptor, kept), *_ = f._kept
    assert descriptor[CHECK]

    def interrupted(frame, event, arg):
        if event == "call" and frame.f_code.co_filename.endswith("outside.py"):
            raise KeyboardInterrupt

    for _ in range(3):
        sys.setprofile(interrupted)
        try:
            with pytest.raises(KeyboardInterrupt):
                f(x)
        finally:
            sys.setprofile(None)
    np.testing.assert_array_equal(f(x), 4 * x)
    held.scale = 3.0
    np.testing.assert_array_equal(f(x), 6 * x)
    assert kept
