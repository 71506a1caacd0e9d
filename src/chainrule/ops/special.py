"""Special functions: from statistics and machine learning, with SciPy's names."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from ..later import scipy
from . import discs, enclosures
from .native import c_function, formula
from .notation import call
from .op import Value, apply, elementwise, spelled
from .sets import POSITIVE, UNIT, Interval

sigmoid = elementwise(
    # y (1 - y) loses all digits of the small factor once y is almost 1; 1 - y is the sigmoid of -x
    scipy.special.expit, lambda x, y: y * scipy.special.expit(-x), name="sigmoid", image=Interval(0, 1),
    notation=call("special.expit", r"\sigma", symbol="σ"), rule="sigmoid", textbook=lambda x, y: y * (1 - y),
    antiderivative=lambda x, y: np.logaddexp(0, x),
    formal=lambda x: 1 / (1 + (-x).exp()),
    disc=discs.SIGMOID,
    native=formula("sigmoid"),
)  # fmt: skip
erf = elementwise(
    scipy.special.erf, lambda x, y: 2 / sqrt(pi) * np.exp(-(x**2)), image=UNIT,
    notation=call("special.erf", r"\operatorname{erf}"), rule="error function",
    antiderivative=lambda x, y: x * y + np.exp(-(x**2)) / sqrt(pi),
    disc=discs.ERROR_FUNCTION,
    native=formula("erf"),
)  # fmt: skip
erfc = elementwise(
    scipy.special.erfc, lambda x, y: -2 / sqrt(pi) * np.exp(-(x**2)), image=Interval(0, 2),
    notation=call("special.erfc", r"\operatorname{erfc}"), rule="error function",
    antiderivative=lambda x, y: x * y - np.exp(-(x**2)) / sqrt(pi),
    disc=discs.ERROR_FUNCTION,
    native=c_function("erfc"),
)  # fmt: skip
_LOWEST = 1.4616321449683623  # where ψ is zero, and Γ on x > 0 the smallest
_SLACK = 1e-13  # near a zero, what rounding may do


def _gammaln_ends(x: enclosures.Enclosure) -> enclosures.Enclosure:
    low, high = enclosures.at_corners(scipy.special.gammaln, x)
    low = np.where((x.low <= _LOWEST) & (x.high >= _LOWEST), scipy.special.gammaln(_LOWEST), low)
    return _right_of_zero(x, low - _SLACK, high + _SLACK)


def _digamma_ends(x: enclosures.Enclosure) -> enclosures.Enclosure:
    low, high = enclosures.at_corners(lambda e: np.where(e > 0, scipy.special.digamma(e), -np.inf), x)
    return _right_of_zero(x, low - _SLACK, high + _SLACK)


def _polygamma_ends(x: enclosures.Enclosure, *, n: int) -> enclosures.Enclosure:
    """On x > 0 it falls to zero from above where n is odd, and rises to it from below where n is even."""
    low, high = enclosures.at_corners(lambda e: scipy.special.polygamma(n, np.where(e > 0, e, 0.0)), x)
    low, high = (np.maximum(low, 0.0), high) if n % 2 else (low, np.minimum(high, 0.0))
    return _right_of_zero(x, low, high)


def _right_of_zero(x: enclosures.Enclosure, low: Any, high: Any) -> enclosures.Enclosure:
    """What holds on x > 0; to the left of it are poles."""
    low, high = np.where(x.low < 0, -np.inf, low), np.where(x.low < 0, np.inf, high)
    return enclosures.Enclosure(low, high, x.undefined or bool(np.any(x.low <= 0)))


gammaln = elementwise(
    scipy.special.gammaln, lambda x, y: scipy.special.digamma(x), domain=POSITIVE,
    notation=call("special.gammaln", r"\ln\Gamma", symbol="lnΓ"), rule="gamma function",
    bounds=_gammaln_ends, cancels=True,
    native=c_function("gammaln"),
)  # fmt: skip
digamma = elementwise(
    scipy.special.digamma, lambda x, y: _next(0, x), name="digamma", means=(scipy.special.digamma,), domain=POSITIVE,
    notation=call("special.digamma", r"\psi", symbol="ψ"), rule="gamma function",
    antiderivative=lambda x, y: scipy.special.gammaln(x),
    bounds=_digamma_ends, cancels=True,
    native=c_function("psi"),
)  # fmt: skip
xlogy = elementwise(
    scipy.special.xlogy, lambda x, y, z: (np.log(y), x / y), domain=(POSITIVE, POSITIVE), cut=(1,),
    notation=call("special.xlogy", r"\operatorname{xlogy}"), rule="product",
    antiderivative=lambda x, y, z: (x * z / 2, y * z - x * y),
    bounds=enclosures.times_log,
    formal=lambda x, y: x * y.log(),
    native=formula("xlogy"),
)  # fmt: skip


def _polygamma(x: Any, *, n: int) -> Any:
    return scipy.special.polygamma(n, x).astype(_polygamma_dtypes((np.asarray(x).dtype,))[-1])


def _polygamma_dtypes(dtypes: tuple[Any, ...]) -> Any:
    return scipy.special.digamma.resolve_dtypes((*dtypes, None))


_polygamma.resolve = _polygamma_dtypes  # type: ignore[attr-defined]
polygamma = elementwise(
    _polygamma, lambda x, y, n: _next(n, x), name="polygamma", domain=POSITIVE,
    notation=call("special.polygamma", r"\psi"), rule="gamma function", samples=({"n": 1}, {"n": 2}),
    antiderivative=lambda x, y, n: scipy.special.digamma(x) if n == 1 else _next(n - 2, x),
    bounds=_polygamma_ends, ulps=100,
)  # fmt: skip


def _next(n: int, x: Value) -> Any:
    return apply(polygamma, x, n=n + 1)


@spelled(scipy.special.polygamma)
def spell_polygamma(n: int, x: Value) -> Any:
    x = np.astype(x, np.dtype(np.float64))  # as SciPy has it, whatever comes in
    return apply(digamma if n == 0 else polygamma, x, **({"n": int(n)} if n else {}))
