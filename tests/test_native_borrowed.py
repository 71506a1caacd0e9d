"""Arrays that lie in an output until it is written: never are they written over before they are read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.execute import Executable
from chainrule.native import borrowed as module
from chainrule.native.run import Stretch
from chainrule.transform.simplify import simplify


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def kernel(f, *args):
    """A kernel, compared with NumPy."""
    stretch = Stretch(simplify(cr.trace(f, *args)))
    expected = Executable(stretch.program)(args)
    for y, z in zip(stretch(args), expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-14)
    return stretch


@pytest.mark.parametrize("shape", [(1024,), (5003,), (1100, 130), (1100, 3), (37, 1001)])
def test_what_lies_in_an_output_is_read_before_it_is_written_over(shape):
    x = np.random.default_rng(0).normal(size=shape)
    kernel(softmax, x)
    kernel(cr.value_and_grad(lambda x: np.log(np.sum(np.exp(x))) + np.sum(np.sin(x))), x)
    kernel(lambda x: (softmax(x), np.exp(x - np.max(x))), x)


def test_memory_that_is_not_needed_is_not_asked_for():
    x = np.random.default_rng(0).normal(size=100_000)
    assert kernel(softmax, x).scratch < 0.1 * x.nbytes
    assert kernel(cr.grad(lambda x: np.log(np.sum(np.exp(x)))), x).scratch < 0.1 * x.nbytes


STEPS = {
    "divide": lambda t, s: t / (1 + s * s),
    "shift": lambda t, s: t[::-1] * s,
    "roll": lambda t, s: np.roll(t, 1) + s,
    "square": lambda t, s: t * t - s,
    "sine": lambda t, s: np.sin(t) * s,
    "running": lambda t, s: np.cumsum(t) * s,
    "columns": lambda t, s: (t.reshape(-1, 4) + s).ravel(),
    "turned": lambda t, s: (t.reshape(-1, 4).T * s).ravel(),
}


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4), st.sampled_from([1024, 1500, 4096]))
def test_several_outputs_of_one_array(steps, n):
    def f(x):
        t = np.exp(x - np.mean(x))
        s = np.sum(t) / n
        outs = [STEPS[step](t, s) for step in steps]
        return (*outs, *(np.tanh(y) * np.sum(y) for y in outs))

    kernel(f, np.random.default_rng(n).normal(size=n))


def test_a_spoiled_order_is_seen(monkeypatch):
    x = np.random.default_rng(0).normal(size=2000)

    def f(x):
        t = np.exp(x - np.mean(x))
        s = np.sum(t)
        return t[::-1] / s + t / s

    kernel(f, x)
    monkeypatch.setattr(module, "_before", lambda *args: True)
    with pytest.raises(AssertionError):
        kernel(f, x)
