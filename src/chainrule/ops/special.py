"""Special functions: from statistics and machine learning, with SciPy's names."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
import scipy.special

from .notation import call
from .op import Value, apply, elementwise, spelled
from .sets import POSITIVE, UNIT, Interval

sigmoid = elementwise(
    # y (1 - y) loses all digits of the small factor once y is almost 1; 1 - y is the sigmoid of -x
    scipy.special.expit, lambda x, y: y * scipy.special.expit(-x), name="sigmoid", image=Interval(0, 1),
    notation=call("special.expit", r"\sigma", symbol="σ"), rule="sigmoid", textbook=lambda x, y: y * (1 - y),
    antiderivative=lambda x, y: np.logaddexp(0, x),
)  # fmt: skip
erf = elementwise(
    scipy.special.erf, lambda x, y: 2 / sqrt(pi) * np.exp(-(x**2)), image=UNIT,
    notation=call("special.erf", r"\operatorname{erf}"), rule="error function",
    antiderivative=lambda x, y: x * y + np.exp(-(x**2)) / sqrt(pi),
)  # fmt: skip
erfc = elementwise(
    scipy.special.erfc, lambda x, y: -2 / sqrt(pi) * np.exp(-(x**2)), image=Interval(0, 2),
    notation=call("special.erfc", r"\operatorname{erfc}"), rule="error function",
    antiderivative=lambda x, y: x * y - np.exp(-(x**2)) / sqrt(pi),
)  # fmt: skip
gammaln = elementwise(
    scipy.special.gammaln, lambda x, y: scipy.special.digamma(x), domain=POSITIVE,
    notation=call("special.gammaln", r"\ln\Gamma", symbol="lnΓ"), rule="gamma function",
)  # fmt: skip
digamma = elementwise(
    scipy.special.digamma, lambda x, y: _next(0, x), name="digamma", means=(scipy.special.digamma,), domain=POSITIVE,
    notation=call("special.digamma", r"\psi", symbol="ψ"), rule="gamma function",
    antiderivative=lambda x, y: scipy.special.gammaln(x),
)  # fmt: skip
xlogy = elementwise(
    scipy.special.xlogy, lambda x, y, z: (np.log(y), x / y), domain=(POSITIVE, POSITIVE), cut=(1,),
    notation=call("special.xlogy", r"\operatorname{xlogy}"), rule="product",
    antiderivative=lambda x, y, z: (x * z / 2, y * z - x * y),
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
)  # fmt: skip


def _next(n: int, x: Value) -> Any:
    return apply(polygamma, x, n=n + 1)


@spelled(scipy.special.polygamma)
def spell_polygamma(n: int, x: Value) -> Any:
    x = np.astype(x, np.dtype(np.float64))  # as SciPy has it, whatever comes in
    return apply(digamma if n == 0 else polygamma, x, **({"n": int(n)} if n else {}))
