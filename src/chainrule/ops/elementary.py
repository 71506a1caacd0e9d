"""Exponentials, logarithms, trigonometric and hyperbolic functions with their inverses: a page of calculus.

In each derivative, `x` is the argument and `y` the result. Where a shorter formula loses digits (1 - tanh², when tanh
is almost 1), the one that keeps them stands here.
"""

from __future__ import annotations

from math import inf, log, pi

import numpy as np

from ..later import scipy
from . import discs, enclosures
from .arithmetic import converted
from .native import formula
from .notation import ROOT, Notation, call
from .op import Value, apply, dtype_of, elementwise, spelled
from .sets import NONNEGATIVE, POSITIVE, REALS, UNIT, Interval
from .special import sigmoid

OPEN_UNIT = Interval(-1, 1, True, True)
ANGLE = Interval(-pi / 2, pi / 2)

# --- roots, exponentials, logarithms --------------------------------------------------------------------------------

sqrt = elementwise(
    np.sqrt, lambda x, y: 0.5 / y, domain=POSITIVE, image=NONNEGATIVE, notation=ROOT, rule="power",
    antiderivative=lambda x, y: 2 * x * y / 3,
    ends=True,
    disc=discs.SQUARE_ROOT,
    native=formula("sqrt"),
)  # fmt: skip
cbrt = elementwise(
    np.cbrt, lambda x, y: 1 / (3 * y**2), domain=POSITIVE, image=REALS,
    notation=Notation("root", "cbrt", r"\sqrt[3]", "∛"), rule="power",
    antiderivative=lambda x, y: 3 * x * y / 4,
    increasing=True,
    disc=discs.CUBE_ROOT,
    native=formula("cbrt"),
)  # fmt: skip
exp = elementwise(
    np.exp, lambda x, y: y, image=NONNEGATIVE, notation=call("exp", r"\exp"), rule="exponential",
    antiderivative=lambda x, y: y,
    formal=lambda x: x.exp(),
    disc=discs.exponential(),
    native=formula("exp"),
)  # fmt: skip
exp2 = elementwise(
    np.exp2, lambda x, y: log(2) * y, image=NONNEGATIVE, notation=call("exp2"), rule="exponential",
    antiderivative=lambda x, y: y / log(2),
    disc=discs.exponential(log(2)),
    native=formula("exp2"),
)  # fmt: skip
expm1 = elementwise(
    np.expm1, lambda x, y: np.exp(x), image=Interval(-1, inf), notation=call("expm1"), rule="exponential",
    antiderivative=lambda x, y: np.exp(x) - x,
    formal=lambda x: x.exp() - 1,
    disc=discs.exponential(start=1.0),
    native=formula("expm1"),
)  # fmt: skip
log_ = elementwise(
    np.log, lambda x, y: 1 / x, domain=POSITIVE, cut=(0,), notation=call("log", r"\ln", symbol="ln"), rule="logarithm",
    antiderivative=lambda x, y: x * y - x,
    ends=True,
    formal=lambda x: x.log(),
    disc=discs.logarithm(),
    native=formula("log"),
)  # fmt: skip
log2 = elementwise(
    np.log2, lambda x, y: 1 / (log(2) * x), domain=POSITIVE, cut=(0,),
    notation=call("log2", r"\log_2"), rule="logarithm", antiderivative=lambda x, y: x * y - x / log(2),
    ends=True,
    disc=discs.logarithm(unit=log(2)),
    native=formula("log2"),
)  # fmt: skip
log10 = elementwise(
    np.log10, lambda x, y: 1 / (log(10) * x), domain=POSITIVE, cut=(0,),
    notation=call("log10", r"\log_{10}"), rule="logarithm", antiderivative=lambda x, y: x * y - x / log(10),
    ends=True,
    disc=discs.logarithm(unit=log(10)),
    native=formula("log10"),
)  # fmt: skip
log1p = elementwise(
    np.log1p,
    lambda x, y: 1 / (1 + x),
    domain=Interval(-1, inf, open_low=True),
    cut=(0,),
    notation=call("log1p"),
    rule="logarithm",
    antiderivative=lambda x, y: (1 + x) * y - x,
    ends=True,
    formal=lambda x: (1 + x).log(),
    disc=discs.logarithm(1.0),
    native=formula("log1p"),
)


def _share(t: Value) -> Value:
    """σ(t), in t's own dtype: SciPy has none for half precision, and answers in a larger one."""
    found = apply(sigmoid, t)
    return found if dtype_of(found) == dtype_of(t) else found.astype(dtype_of(t))


logaddexp = elementwise(
    np.logaddexp,
    # exp(x - z) = σ(x - y), which keeps the digits of x - y where x and y are large
    lambda x, y, z: (_share(x - y), _share(y - x)),
    domain=(REALS, REALS),
    notation=call("logaddexp"),
    rule="logarithm",
    textbook=lambda x, y, z: (scipy.special.expit(x - y), scipy.special.expit(y - x)),
    bounds=enclosures.log_of_sum,
    cancels=True,
    curved=1,
    formal=lambda x, y: (x.exp() + y.exp()).log(),
    disc=discs.LOG_OF_SUM,
    native=formula("logaddexp"),
)

# --- trigonometric --------------------------------------------------------------------------------------------------

sin = elementwise(
    np.sin, lambda x, y: np.cos(x), image=UNIT, notation=call("sin", r"\sin"), rule="trigonometric",
    antiderivative=lambda x, y: -np.cos(x),
    bounds=enclosures.sine,
    disc=discs.wave(np.cos),
    native=formula("sin"),
)  # fmt: skip
cos = elementwise(
    np.cos, lambda x, y: -np.sin(x), image=UNIT, notation=call("cos", r"\cos"), rule="trigonometric",
    antiderivative=lambda x, y: np.sin(x),
    bounds=enclosures.cosine,
    disc=discs.wave(np.sin),
    native=formula("cos"),
)  # fmt: skip
tan = elementwise(
    np.tan,
    lambda x, y: 1 + y**2,
    domain=Interval(-pi / 2, pi / 2, True, True),
    notation=call("tan", r"\tan"),
    rule="trigonometric",
    antiderivative=lambda x, y: -np.log(np.abs(np.cos(x))),
    disc=discs.TANGENT,
    native=formula("tan"),
)
arcsin = elementwise(
    np.arcsin, lambda x, y: 1 / np.sqrt((1 - x) * (1 + x)), domain=OPEN_UNIT, image=ANGLE,
    notation=call("arcsin", r"\arcsin"), rule="inverse trigonometric", textbook=lambda x, y: 1 / np.sqrt(1 - x**2),
    antiderivative=lambda x, y: x * y + np.sqrt(1 - x**2),
    ends=True,
    disc=discs.ARCSIN,
    native=formula("arcsin"),
)  # fmt: skip
arccos = elementwise(
    np.arccos, lambda x, y: -1 / np.sqrt((1 - x) * (1 + x)), domain=OPEN_UNIT, image=Interval(0, pi),
    notation=call("arccos", r"\arccos"), rule="inverse trigonometric", textbook=lambda x, y: -1 / np.sqrt(1 - x**2),
    antiderivative=lambda x, y: x * y - np.sqrt(1 - x**2),
    ends=True,
    disc=discs.ARCSIN,
    native=formula("arccos"),
)  # fmt: skip
arctan = elementwise(
    np.arctan,
    lambda x, y: 1 / (1 + x**2),
    image=ANGLE,
    notation=call("arctan", r"\arctan"),
    rule="inverse trigonometric",
    antiderivative=lambda x, y: x * y - np.log(1 + x**2) / 2,
    disc=discs.ARCTAN,
    native=formula("arctan"),
)


def _arctan2_rule(y: Value, x: Value, z: Value) -> tuple[Value, Value]:
    """x / r², -y / r²: divided twice, for r² overflows long before r does."""
    r = np.hypot(x, y)
    return x / r / r, -y / r / r


arctan2 = elementwise(
    np.arctan2, _arctan2_rule, domain=(REALS, POSITIVE), image=Interval(-pi, pi),
    notation=call("arctan2"), rule="inverse trigonometric",
    switch=lambda x, y: (
        x, np.arctan(x / y) - np.where(y < 0, pi, 0.0), np.arctan(x / y) + np.where(y < 0, pi, 0.0)
    ),
    native=formula("arctan2"),
)  # fmt: skip

# --- hyperbolic -----------------------------------------------------------------------------------------------------

sinh = elementwise(
    np.sinh, lambda x, y: np.cosh(x), notation=call("sinh", r"\sinh"), rule="hyperbolic",
    antiderivative=lambda x, y: np.cosh(x),
    formal=lambda x: (x.exp() - (-x).exp()) / 2,
    disc=discs.wave(np.cosh),
    native=formula("sinh"),
)  # fmt: skip
cosh = elementwise(
    np.cosh, lambda x, y: np.sinh(x), image=Interval(1, inf), notation=call("cosh", r"\cosh"), rule="hyperbolic",
    antiderivative=lambda x, y: np.sinh(x),
    turns=(0.0,),
    formal=lambda x: (x.exp() + (-x).exp()) / 2,
    disc=discs.wave(np.sinh),
    native=formula("cosh"),
)  # fmt: skip
tanh = elementwise(
    np.tanh, lambda x, y: 1 / np.cosh(x) ** 2, image=UNIT, notation=call("tanh", r"\tanh"), rule="hyperbolic",
    textbook=lambda x, y: 1 - y**2,
    antiderivative=lambda x, y: np.logaddexp(x, -x) - log(2),  # ln cosh x, where cosh x itself overflows,
    formal=lambda x: 1 - 2 / (1 + (2 * x).exp()),
    disc=discs.HYPERBOLIC_TANGENT,
    native=formula("tanh"),
)  # fmt: skip
arcsinh = elementwise(
    np.arcsinh, lambda x, y: 1 / np.hypot(1, x), notation=call("arcsinh"), rule="inverse hyperbolic",
    textbook=lambda x, y: 1 / np.sqrt(x**2 + 1),
    antiderivative=lambda x, y: x * y - np.sqrt(x**2 + 1),
    disc=discs.ARCSINH,
    native=formula("arcsinh"),
)  # fmt: skip
arccosh = elementwise(
    np.arccosh, lambda x, y: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    domain=Interval(1, inf, open_low=True), image=NONNEGATIVE, notation=call("arccosh"), rule="inverse hyperbolic",
    textbook=lambda x, y: 1 / np.sqrt(x**2 - 1),
    antiderivative=lambda x, y: x * y - np.sqrt(x**2 - 1),
    ends=True,
    disc=discs.ARCCOSH,
    native=formula("arccosh"),
)  # fmt: skip
arctanh = elementwise(
    np.arctanh,
    lambda x, y: 1 / ((1 - x) * (1 + x)),
    domain=OPEN_UNIT,
    cut=(0,),
    notation=call("arctanh"),
    rule="inverse hyperbolic",
    textbook=lambda x, y: 1 / (1 - x**2),
    antiderivative=lambda x, y: x * y + np.log(1 - x**2) / 2,
    ends=True,
    disc=discs.ARCTANH,
    native=formula("arctanh"),
)

# --- angles ---------------------------------------------------------------------------------------------------------

spelled(np.deg2rad, np.radians)(lambda x: converted(np.radians, x) * (pi / 180))
spelled(np.rad2deg, np.degrees)(lambda x: converted(np.degrees, x) * (180 / pi))
