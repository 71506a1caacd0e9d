"""Elementary functions for single precision: computed in double, where so few digits need no care for the last one.

Each takes lanes of doubles that hold single numbers, and gives the function to some 2⁻³² of its size, so that the
result is rounded once. What is subnormal, or overflows, in single precision does neither in double.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

from . import vector_math as vm
from .coefficients import COEFFICIENTS as C
from .coefficients import HALF_PI
from .lanes import Lanes, Value

_SHIFTER = 1.5 * 2.0**52
_BIASED = _SHIFTER + 1023.0
_FAR = 2.0**30


def _reduced(code: Lanes, x: Value) -> tuple[Value, Value]:
    """2ⁿ, and the rest r of x = n ln 2 + r."""
    shifted = code.fma(x, 1 / log(2), _BIASED)
    return (shifted.bits() << 52).as_float(), code.fma(shifted - _BIASED, -log(2), x)


def _clamped(code: Lanes, x: Value) -> Value:
    x = code.where(x > 105.0, 105.0, x)
    return code.where(x < -105.0, -105.0, x)


def exp(code: Lanes, x: Value) -> Value:
    scale, r = _reduced(code, _clamped(code, x))
    return scale * code.fma(code.polynomial(r, C["single expm1"]), r, 1.0)


def _expm1(code: Lanes, x: Value) -> Value:
    scale, r = _reduced(code, x)
    return code.fma(scale, code.polynomial(r, C["single expm1"]) * r, scale - 1.0)


def expm1(code: Lanes, x: Value) -> Value:
    return code.where(x.equals(0.0), x, _expm1(code, _clamped(code, x)))


def tanh(code: Lanes, x: Value) -> Value:
    """e / (e + 2) with e = exp(2 |x|) - 1."""
    size = abs(x)
    size = code.where(size > 12.0, 12.0, size)
    e = _expm1(code, size + size)
    return (e / (e + 2.0)).copysign(x)


def sigmoid(code: Lanes, x: Value) -> Value:
    return 1.0 / (1.0 + exp(code, -x))


def cosh(code: Lanes, x: Value) -> Value:
    e = exp(code, abs(x))
    return code.fma(e, 0.5, 0.5 / e)


def _log_of_more(code: Lanes, f: Value) -> Value:
    """log(1 + f), for -0.29 ≤ f ≤ 1/2."""
    s = f / (f + 2.0)
    z = s * s
    return s * code.polynomial(z, C["single log"])


def _log(code: Lanes, x: Value) -> Value:
    k, m = vm.exponent(x.bits())
    return code.fma(vm.whole(code, k, 2.0**52 + 1023.0), log(2), _log_of_more(code, m - 1.0))


def log_(code: Lanes, x: Value) -> Value:
    return vm.log_edges(code, x, _log(code, x))


def log1p(code: Lanes, x: Value) -> Value:
    u = x + 1.0
    near = (x > -0.25) & (x < 0.5)
    k, m = vm.exponent(u.bits())
    k = code.where(near, 0.0, vm.whole(code, k, 2.0**52 + 1023.0))
    y = code.fma(k, log(2), _log_of_more(code, code.where(near, x, m - 1.0)))
    return code.where(x.equals(0.0), x, vm.log_edges(code, u, y))


def logaddexp(code: Lanes, x: Value, y: Value) -> Value:
    """max + log(1 + e) with e = exp(-|x - y|); equal infinities are themselves."""
    e = exp(code, -abs(x - y))
    small = e <= 0.5
    rest = _log_of_more(code, code.where(small, e, code.fma(e, 0.5, -0.5))) + code.where(small, 0.0, log(2))
    return code.where(x.equals(y), x + log(2), code.where(x >= y, x, y) + rest)


def _turned(code: Lanes, x: Value, quarter: int) -> Value:
    shifted = code.fma(x, 2 / pi, _SHIFTER)
    n = shifted - _SHIFTER
    r = code.fma(n, -HALF_PI[1], code.fma(n, -HALF_PI[0], x))
    z = r * r
    sin = code.fma(z * r, code.polynomial(z, C["single sin"]), r)
    cos = code.fma(z, code.polynomial(z, C["single cos"]), 1.0)
    bits = shifted.bits() + quarter
    y = code.where((bits & 1).differs(0), cos, sin)
    return (y.bits() ^ ((bits & 2) << 62)).as_float()


def sin(code: Lanes, x: Value) -> Value:
    y = code.where(x.equals(0.0), x, _turned(code, x, 0))
    return code.rarely(~(abs(x) < _FAR), y, "sin", x)


def cos(code: Lanes, x: Value) -> Value:
    return code.rarely(~(abs(x) < _FAR), _turned(code, x, 1), "cos", x)


FORMULAS: dict[str, Callable[..., Value]] = {
    "exp": exp, "expm1": expm1, "tanh": tanh, "sigmoid": sigmoid, "cosh": cosh, "log": log_, "log1p": log1p,
    "logaddexp": logaddexp, "sin": sin, "cos": cos,
}  # fmt: skip
