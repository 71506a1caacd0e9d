"""How far a function may go from its value at the centre of a disc of complex numbers, for entries that are analytic.

    |z - c| ≤ r   ⟹   |f(z) - f(c)| ≤ R

A rule takes the operands' centres, their radii (None for an operand that stays), the result's centre and the params,
and gives R: a few operations on real numbers. Most rules are majorants: the function's series around the centre with
the absolute values of its coefficients. Where the function may not be analytic on the disc (log near 0, a quotient
whose divisor may vanish), R is infinite; a rule that can't say gives None.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from ..later import scipy

Rule = Callable[..., Any]
INFINITE = float("inf")


class Disc(NamedTuple):
    """A rule; `exact` where a computed value is one of the operands, but for its sign, and not rounded."""

    radius: Rule
    exact: bool = False


def or_zero(radius: Any, value: Any) -> Any:
    """An operand's radius; of indices and conditions, themselves."""
    return radius if radius is not None else value * 0.0 if value.dtype.kind == "f" else value


# --- sums, products, quotients ----------------------------------------------------------------------------------------


def _add(x: Any, r: Any, y: Any) -> Any:
    return r[0] if r[1] is None else r[1] if r[0] is None else r[0] + r[1]


def _negative(x: Any, r: Any, y: Any) -> Any:
    return r[0]


def _multiply(x: Any, r: Any, y: Any) -> Any:
    return _product(lambda a, b: a * b, x, r)


def contraction(contracted: Callable[..., Any]) -> Disc:
    """Of sums of products; `contracted` computes them."""

    def rule(x: Any, r: Any, y: Any, *, spec: Any) -> Any:
        if len(x) == 1:
            return contracted(r[0], spec=spec)
        return _product(lambda a, b: contracted(a, b, spec=spec), x, r)

    return Disc(rule)


def _product(times: Callable[[Any, Any], Any], x: Any, r: Any) -> Any:
    """Of what is linear in both operands: |a| s + r |b| + r s."""
    total = None
    if r[0] is not None:
        total = times(r[0], np.abs(x[1]) if r[1] is None else np.abs(x[1]) + r[1])
    if r[1] is not None:
        term = times(np.abs(x[0]), r[1])
        total = term if total is None else total + term
    return total


def _divide(x: Any, r: Any, y: Any) -> Any:
    if r[1] is None:
        return r[0] / np.abs(x[1])
    size = np.abs(x[1])
    moved = np.abs(y) * r[1] if r[0] is None else r[0] + np.abs(y) * r[1]
    return _where(size > r[1], moved / (size - r[1]))


def _where(analytic: Any, radius: Any) -> Any:
    return np.where(analytic, radius, INFINITE)


def _abs(x: Any, r: Any, y: Any) -> Any:
    return _where(y > r[0], r[0])


def _extreme(sign: float) -> Rule:
    """Of the larger (+1) or the smaller (-1) of two."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        first, second = (or_zero(s, v) for s, v in zip(r, x, strict=True))
        ahead = sign * (x[0] - x[1])
        return _where(np.abs(ahead) > first + second, np.where(ahead > 0, first, second))

    return rule


def _choose(x: Any, r: Any, y: Any) -> Any:
    if r[0] is not None:
        return None
    return np.where(x[0], or_zero(r[1], x[1]), or_zero(r[2], x[2]))


def _convert(x: Any, r: Any, y: Any, *, dtype: Any) -> Any:
    return r[0] if dtype == np.float64 else None


# --- powers, roots, exponentials, logarithms --------------------------------------------------------------------------


def _power_of(x: Any, r: Any, y: Any, *, n: Any) -> Any:
    (c,), (s,) = x, r
    if n == int(n) and 0 <= n <= 64:
        return _whole(np.abs(c), s, int(n))
    size = np.abs(c) if n == int(n) else c
    return _where(size > s, np.abs(y) * _rest_of_power(s / size, float(n)))


def _whole(size: Any, s: Any, n: int) -> Any:
    """(|c| + r)ⁿ - |c|ⁿ, without a difference."""
    total, power, moved = 0.0 * s, 1.0 + 0.0 * s, size + s
    for _ in range(n):  # xᵏ⁺¹ - cᵏ⁺¹ = x (xᵏ - cᵏ) + (x - c) cᵏ
        total, power = moved * total + s * power, power * size
    return total


def _rest_of_power(u: Any, n: float) -> Any:
    """The most that (1 + v)ⁿ - 1 can be for |v| ≤ u < 1: the sum of |binomial coefficients| uᵏ, or more."""
    if 0 < n < 1:
        return -np.expm1(n * np.log1p(-u))
    return np.expm1(-abs(n) * np.log1p(-u))


def _sqrt(x: Any, r: Any, y: Any) -> Any:
    return _where(x[0] > r[0], y * _rest_of_power(r[0] / x[0], 0.5))


def _cbrt(x: Any, r: Any, y: Any) -> Any:
    size = np.abs(x[0])
    return _where(size > r[0], np.abs(y) * _rest_of_power(r[0] / size, 1 / 3))


def _power(x: Any, r: Any, y: Any) -> Any:
    c, s, e, t = x[0], or_zero(r[0], x[0]), x[1], or_zero(r[1], x[1])
    logarithm = -np.log1p(-s / c)
    moved = np.abs(e) * logarithm + t * (np.abs(np.log(c)) + logarithm)
    return _where(c > s, y * np.expm1(moved))


def exponential(unit: float = 1.0, start: float = 0.0) -> Disc:
    """Of exp(unit · x) - start."""
    return Disc(lambda x, r, y: (y + start if start else y) * np.expm1(unit * r[0] if unit != 1 else r[0]))


def logarithm(start: float = 0.0, unit: float = 1.0) -> Disc:
    """Of log(start + x) / unit."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        c = start + x[0] if start else x[0]
        return _where(c > r[0], np.log1p(-r[0] / c) * (-1 / unit))

    return Disc(rule)


def _log_of_sum(x: Any, r: Any, y: Any) -> Any:
    """The slopes are σ(a - b) and σ(b - a)."""
    first, second = (or_zero(s, v) for s, v in zip(r, x, strict=True))
    slope = scipy.special.expit(x[0] - x[1])
    more = _share(slope, first + second)
    return first * (slope + more) + second * (1 - slope + more)


def _sigmoid(x: Any, r: Any, y: Any) -> Any:
    return _share(y, r[0])


def _share(y: Any, s: Any) -> Any:
    """Of σ, which is y at the centre: (1 + tanh(x / 2)) / 2."""
    return 0.5 * _tangent(2 * y - 1, 4 * y * (1 - y), 0.5 * s)


# --- angles -----------------------------------------------------------------------------------------------------------


def wave(slope: Callable[[Any], Any]) -> Disc:
    """Of sin, cos, sinh, cosh: f(c) cosh d + f′(c) sinh d, or the same with angles."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        half = np.sinh(0.5 * r[0])
        return np.abs(y) * (2 * half * half) + np.abs(slope(x[0])) * np.sinh(r[0])

    return Disc(rule)


def _tangent(t: Any, slope: Any, s: Any) -> Any:
    """Of tan or tanh, which is t at the centre: |tan d| and |tanh d| are at most tan |d|."""
    moved = np.tan(np.minimum(s, 1.5))
    return _where((s < 1.5) & (np.abs(t) * moved < 1), slope * moved / (1 - np.abs(t) * moved))


def _arctan(x: Any, r: Any, y: Any) -> Any:
    """arctan x - arctan c is the arctan of d / (1 + c² + c d)."""
    room = 1 + x[0] * x[0] - np.abs(x[0]) * r[0]
    return _where(room > r[0], np.arctanh(r[0] / room))


def _steepest(limit: Callable[[Any, Any], tuple[Any, Any]]) -> Rule:
    """The radius times the steepest slope on the disc; `limit` gives where that holds, and the slope."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        analytic, slope = limit(x[0], r[0])
        return _where(analytic, r[0] * slope)

    return rule


def _of_arcsin(c: Any, s: Any) -> tuple[Any, Any]:
    end = np.abs(c) + s
    return end < 1, 1 / np.sqrt((1 - end) * (1 + end))


def _of_arctanh(c: Any, s: Any) -> tuple[Any, Any]:
    end = np.abs(c) + s
    return end < 1, 1 / ((1 - end) * (1 + end))


def _of_arcsinh(c: Any, s: Any) -> tuple[Any, Any]:
    room = np.sqrt(1 + c * c) - s
    return room > 0, 1 / room


def _of_arccosh(c: Any, s: Any) -> tuple[Any, Any]:
    start = c - s
    return start > 1, 1 / np.sqrt((start - 1) * (start + 1))


def _of_erf(c: Any, s: Any) -> tuple[Any, Any]:
    near = np.maximum(np.abs(c) - s, 0.0)
    return s < INFINITE, 2 / sqrt(pi) * np.exp(s * s - near * near)


SUM = Disc(_add)
OPPOSITE = Disc(_negative, exact=True)
PRODUCT, QUOTIENT = Disc(_multiply), Disc(_divide)
ABSOLUTE = Disc(_abs, exact=True)
LARGER, SMALLER = Disc(_extreme(1.0), exact=True), Disc(_extreme(-1.0), exact=True)
CHOSEN, CONVERTED = Disc(_choose, exact=True), Disc(_convert, exact=True)
POWER_OF, POWER, SQUARE_ROOT, CUBE_ROOT = Disc(_power_of), Disc(_power), Disc(_sqrt), Disc(_cbrt)
LOG_OF_SUM, SIGMOID = Disc(_log_of_sum), Disc(_sigmoid)
TANGENT = Disc(lambda x, r, y: _tangent(y, 1 + y * y, r[0]))
HYPERBOLIC_TANGENT = Disc(lambda x, r, y: _tangent(y, (1 - y) * (1 + y), r[0]))
ARCTAN, ARCSIN = Disc(_arctan), Disc(_steepest(_of_arcsin))
ARCTANH, ARCSINH, ARCCOSH = (Disc(_steepest(limit)) for limit in (_of_arctanh, _of_arcsinh, _of_arccosh))
ERROR_FUNCTION = Disc(_steepest(_of_erf))
