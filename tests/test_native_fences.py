"""Kernels write where they must, and nowhere else: run among bytes of a known pattern."""

import ctypes

import numpy as np
import pytest
from test_native_kernels import STEPS, cases, same

import chainrule as cr
from chainrule.errors import ProgramError
from chainrule.execute import Executable
from chainrule.native.run import Mixed, Stretch, compiled
from chainrule.transform.simplify import simplify


@pytest.fixture(autouse=True)
def _fences(monkeypatch):
    monkeypatch.setenv("CHAINRULE_FENCES", "1")


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 9), (13, 4), (65, 17)])
def test_kernels_of_losses_stay_inside(size):
    for f, args, wrt in cases(*size, np.random.default_rng(0)).values():
        program = simplify(cr.trace(cr.value_and_grad(f, wrt=wrt), *args))
        same(compiled(program)(args), Executable(program)(args), 12)


@pytest.mark.parametrize("seed", range(12))
def test_kernels_of_random_programs_stay_inside(seed):
    rng = np.random.default_rng(seed)
    steps = [STEPS[name] for name in rng.choice(sorted(STEPS), 5)]
    x, y = rng.uniform(-1, 1, (2, int(rng.integers(1, 23))))

    def f(x, y):
        for step in steps:
            x, y = step(x, y), x
        return np.sum(x * y)

    for g in (cr.value_and_grad(f, wrt=(0, 1)), cr.hessian(f)):
        program = simplify(cr.trace(g, x, y))
        same(Mixed(program)((x, y)), Executable(program)((x, y)), 9)


def _writing(*what):
    """A kernel that writes a byte at some distance from the start of one of its buffers."""

    def kernel(addresses):
        for place, distance in what:
            start = ctypes.c_uint64.from_address(addresses + 8 * place).value
            ctypes.c_uint8.from_address(start + distance).value = 7
        return 0

    return kernel


@pytest.mark.parametrize(("place", "distance", "message"), [
    ("outputs", 24, "beyond"), ("outputs", -1, "beyond"), ("inputs", 24, "beyond"), ("inputs", 3, "only read"),
])  # fmt: skip
def test_a_kernel_that_does_not_is_found_out(place, distance, message):
    x = np.arange(3.0)
    stretch = Stretch(simplify(cr.trace(lambda x: np.exp(x), x)))
    stretch._call = _writing((getattr(stretch, place)[0], distance))
    with pytest.raises(ProgramError, match=message):
        stretch([x])


def test_functions_of_the_user_run_among_fences_too():
    g = cr.grad(lambda x: np.sum(np.sin(x) ** 2))
    x = np.arange(5.0)
    for _ in range(3):
        np.testing.assert_allclose(g(x), np.sin(2 * x), atol=1e-15)
