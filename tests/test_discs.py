"""How far a function may go on a disc of complex numbers: never less than it does."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.execute import run
from chainrule.ops.op import OPS
from chainrule.transform.discs import spread

ANGLES = np.exp(2j * np.pi * np.arange(96) / 96)

# for each rule: a function of x, the same on complex numbers, and a centre with a radius that reaches far
CASES = {
    "add": (lambda x: x + 2, lambda z: z + 2, 0.3, 2.0),
    "subtract": (lambda x: x - np.exp(-x), lambda z: z - np.exp(-z), 0.3, 1.5),
    "negative": (lambda x: -np.exp(x), lambda z: -np.exp(z), 0.3, 1.5),
    "multiply": (lambda x: x * np.exp(x), lambda z: z * np.exp(z), 0.7, 1.5),
    "contract": (lambda x: np.sum(np.exp(x * np.array([1.0, 2.0]))),
                 lambda z: np.exp(z) + np.exp(2 * z), 0.4, 1.0),
    "divide": (lambda x: np.exp(-x) / (1 + x), lambda z: np.exp(-z) / (1 + z), 0.5, 1.2),
    "absolute": (lambda x: np.abs(x) * x, lambda z: -z * z, -1.5, 1.2),
    "maximum": (lambda x: np.maximum(x, x * x + 2), lambda z: z * z + 2, 0.1, 0.7),
    "minimum": (lambda x: np.minimum(x, x * x + 2), lambda z: z, 0.1, 0.7),
    "where": (lambda x, c: np.where(c, x, np.exp(x)), lambda z: np.exp(z), 0.2, 1.0),
    "convert": (lambda x: x.astype(np.float64) * x, lambda z: z * z, 0.2, 1.0),
    "power_of": (lambda x: x**-2.5, lambda z: z**-2.5, 2.0, 1.5),
    "power": (lambda x: x ** (x * x), lambda z: z ** (z * z), 1.2, 0.6),
    "sqrt": (np.sqrt, np.sqrt, 2.0, 1.9),
    "cbrt": (np.cbrt, lambda z: -((-z) ** (1 / 3)), -2.0, 1.9),
    "exp": (np.exp, np.exp, 1.0, 2.0),
    "exp2": (np.exp2, lambda z: 2**z, 1.0, 2.0),
    "expm1": (np.expm1, np.expm1, -1.0, 2.0),
    "log": (np.log, np.log, 2.0, 1.8),
    "log1p": (np.log1p, lambda z: np.log(1 + z), -0.2, 0.7),
    "log2": (np.log2, np.log2, 2.0, 1.8),
    "log10": (np.log10, np.log10, 2.0, 1.8),
    "logaddexp": (lambda x: np.logaddexp(x, 0.5 + x * x), lambda z: z + np.log(1 + np.exp(0.5 + z * z - z)), 0.3, 0.4),
    "sigmoid": (scipy.special.expit, lambda z: 1 / (1 + np.exp(-z)), 0.6, 1.2),
    "sin": (np.sin, np.sin, 1.0, 2.0),
    "cos": (np.cos, np.cos, 1.0, 2.0),
    "sinh": (np.sinh, np.sinh, -1.0, 2.0),
    "cosh": (np.cosh, np.cosh, -1.0, 2.0),
    "tan": (np.tan, np.tan, 0.4, 0.9),
    "tanh": (np.tanh, np.tanh, 0.4, 1.0),
    "arctan": (np.arctan, np.arctan, 0.7, 0.6),
    "arcsin": (np.arcsin, np.arcsin, 0.3, 0.6),
    "arccos": (np.arccos, np.arccos, -0.3, 0.6),
    "arctanh": (np.arctanh, np.arctanh, 0.3, 0.6),
    "arcsinh": (np.arcsinh, np.arcsinh, 0.7, 0.9),
    "arccosh": (np.arccosh, np.arccosh, 3.0, 1.5),
    "erf": (scipy.special.erf, scipy.special.erf, 0.5, 1.5),
    "erfc": (scipy.special.erfc, scipy.special.erfc, -0.5, 1.5),
}  # fmt: skip


def radius_of(f, c, r, *args):
    program = spread(cr.trace(f, c, *args))
    _, found = run(program, [np.float64(c), np.float64(r), *map(np.asarray, args)])
    return float(found)


def farthest(f, c, r):
    """By the maximum principle the circle will do."""
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(f(c + r * ANGLES) - f(complex(c)))))


def test_every_rule_is_tested():
    assert {OPS[name] for name in CASES} == {op for op in OPS.values() if op.disc is not None}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("part", [1e-6, 0.1, 0.6, 1.0])
def test_no_value_lies_beyond_the_radius(name, part):
    f, on_complex, c, r = CASES[name]
    found = radius_of(f, c, part * r, *[np.array(False)] * (name == "where"))
    far = farthest(on_complex, c, part * r)
    assert far <= found * (1 + 1e-9)
    if part < 0.2:
        assert found <= 2 * far + 1e-14


@pytest.mark.parametrize(
    ("f", "c", "r"),
    [
        (np.log, 1.0, 1.01), (np.sqrt, 1.0, 1.01), (lambda x: 1 / x, -1.0, 1.01), (np.abs, -1.0, 1.01),
        (np.tan, 1.0, 0.58), (np.tanh, 0.0, 1.58), (lambda x: 1 / (1 + x * x), 0.0, 1.01), (np.arctan, 0.0, 1.01),
        (np.arcsin, 0.5, 0.51), (np.arctanh, -0.5, 0.51), (np.arcsinh, 0.0, 1.01), (np.arccosh, 2.0, 1.01),
        (lambda x: x**-1.0, 1.0, 1.01), (lambda x: x**1.5, 1.0, 1.01), (np.log1p, 0.0, 1.01), (np.cbrt, 1.0, 1.01),
        (scipy.special.expit, 0.0, 3.15), (lambda x: np.maximum(x, 0), 1.0, 1.01),
        (lambda x: np.logaddexp(x, 0), 0.0, 3.15),
        (lambda x: x**x, 1.0, 1.01), (lambda x: np.exp(1 / x), 0.5, 0.51), (lambda x: 1 / np.exp(x * 1e3), 1.0, 1.0),
    ],
)  # fmt: skip
def test_a_disc_with_a_singularity_has_no_radius(f, c, r):
    assert not radius_of(f, c, r) < np.inf


@pytest.mark.parametrize(
    "f", [np.floor, np.sign, lambda x: np.where(x > 0, x, 1.0), lambda x: x.astype(np.float32) * 2]
)
def test_what_jumps_or_is_rounded_has_no_program(f):
    assert spread(cr.trace(f, 0.5)) is None


def test_infinite_and_undefined_centres_have_no_radius():
    for f in (lambda x: np.tanh(np.exp(x)), lambda x: 1 / (1 + np.exp(x)), lambda x: np.arctan(x * 1e300 * 1e300)):
        assert not radius_of(f, 1000.0, 0.1) < np.inf
    assert not radius_of(lambda x: np.exp(x), np.nan, 0.1) < np.inf


STEPS = (
    lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - 0.3 * y, lambda x, y: x / (3 + y * y),
    lambda x, y: np.exp(0.3 * x), lambda x, y: np.sin(x), lambda x, y: np.cos(2 * y), lambda x, y: np.tanh(0.3 * x),
    lambda x, y: np.sqrt(4 + x), lambda x, y: np.log(5 + y), lambda x, y: x**3, lambda x, y: (4 + x) ** -1.5,
    lambda x, y: np.arctan(0.4 * y),
)  # fmt: skip


@pytest.mark.parametrize(
    ("f", "c", "lost"),
    [(lambda x: (x + 1e8) - 1e8, 0.3, 1e-8), (lambda x: (1 - np.cos(x)) / x**2, 1e-6, 1e-4), (np.exp, 1.0, 1e-16)],
)
def test_a_tiny_disc_tells_what_rounding_does(f, c, lost):
    found = radius_of(f, c, 0.0)
    assert lost < found < 100 * lost


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=6), st.floats(-1, 1), st.floats(1e-9, 0.8))
def test_no_value_lies_beyond_the_radius_of_compositions(steps, c, r):
    def f(x):
        y, before = x, x
        for n in steps:
            y, before = STEPS[n](y, before), y
        return y

    found = radius_of(f, c, r)
    if found < np.inf:
        assert farthest(f, c, r) <= found * (1 + 1e-9)
