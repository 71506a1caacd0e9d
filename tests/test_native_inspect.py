"""What a function shows of its machine code, and the plain function of C that it can be."""

import numpy as np
import pytest
from scipy.integrate import quad

import chainrule as cr


def loss(w, X, y):
    return np.mean((np.tanh(X @ w) - y) ** 2)


def test_an_inspection_shows_kernels_loops_costs_and_text():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(50, 9)), rng.normal(size=50), rng.normal(size=9)
    found = cr.grad(loss).inspect(w, X, y)
    (kernel,) = found.parts
    assert kernel.kind == "kernel"
    assert kernel.flops >= 4 * X.size
    assert kernel.bytes >= 8 * (X.size + y.size + 2 * w.size)
    assert kernel.seconds > 0
    assert "for i in 50:" in str(found)
    assert "tanh" in str(found)
    assert sum(share for _, share in kernel.loops) == pytest.approx(1)
    assert "define i32 @kernel" in kernel.ir
    assert "kernel" in kernel.assembly


def test_parts_that_run_on_numpy_are_shown_as_such():
    found = cr.compile(lambda x: np.sum(np.exp(x[np.argsort(x)]) * 2)).inspect(np.arange(5.0))
    assert "NumPy" in [part.kind for part in found.parts]
    assert "argsort" in str(found)


def test_inside_a_recorded_function_there_is_nothing_to_inspect():
    g = cr.grad(lambda x: x * x)
    with pytest.raises(cr.ChainruleError, match="nothing to inspect"):
        cr.grad(lambda x: g.inspect(x) or x)(1.0)


def test_a_low_level_callable_is_the_function():
    scale = np.array([2.0, 3.0])

    def f(x):
        return np.exp(-x * x) * np.cos(3 * x) * np.sum(scale)

    for g in (cr.compile(f), cr.grad(f)):
        assert quad(g.low_level_callable(), 0, 2)[0] == pytest.approx(quad(g, 0, 2)[0], rel=1e-14)
    of_two = cr.compile(lambda x, a: np.exp(-a * x)).low_level_callable(1.0, 1.0)
    assert quad(of_two, 0, 2, args=(3.0,))[0] == pytest.approx((1 - np.exp(-6)) / 3, rel=1e-14)


@pytest.mark.parametrize("f", [lambda x: (x, x), lambda x: np.ones(2) * x])
def test_what_returns_no_number_is_no_low_level_callable(f):
    with pytest.raises(cr.ChainruleError, match=r"numbers in double precision|no machine code"):
        cr.compile(f).low_level_callable()
