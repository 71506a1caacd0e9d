"""Elementary functions on lanes, without branches: argument reduction, a polynomial, and care for the last digit.

Each formula takes lanes of doubles and gives the function within 1.5 units in the last place (arctan, arctan2, cbrt and
the inverse hyperbolic ones: 2.5), with every special value that NumPy gives. Single precision: single_math.py.
Where a digit would be lost, a value is carried as a sum of two (`high`, `low`), the second far below the last digit of
the first.

Tang, "Table-driven implementation of the exponential function", 1989; Sun's fdlibm (Ng, 1993) for the logarithms;
Cody & Waite, "Software Manual for the Elementary Functions", 1980, for reductions; Dekker, 1971, and Muller et al.,
"Handbook of Floating-Point Arithmetic", 2018, for sums of two.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, nan, pi
from typing import Any

from .coefficients import COEFFICIENTS as C
from .coefficients import HALF_PI, LN2, LOG2_E, LOG10_2, LOG10_E
from .lanes import Lanes, Value
from .sums_of_two import Two, any_two_sum, quotient, two_product, two_sum

_SHIFTER = 1.5 * 2.0**52  # added to a small number, it leaves the nearest whole number in the lowest bits
_SMALLEST = 2.0**-1022  # that is normal
_BIAS = 1023
_BIASED = _SHIFTER + _BIAS  # … in the lowest bits as an exponent has it
_MANTISSA = 52
_SQRT_HALF = 0x3FE6A09E667F3BCD  # the bits of √½


# --- exponentials -----------------------------------------------------------------------------------------------------


def _clamp(code: Lanes, x: Value, low: float, high: float) -> Value:
    """x between low and high; NaN stays."""
    x = code.where(x > high, high, x)
    return code.where(x < low, low, x)


def _nearest(code: Lanes, x: Value, factor: float, shifter: float) -> tuple[Value, Value]:
    """The whole number nearest to factor x: as bits (its lowest ones), and as a double."""
    shifted = code.fma(x, factor, shifter)
    return shifted.bits(), shifted - shifter


def _reduced(code: Lanes, x: Value) -> tuple[Value, Value, Two]:
    """x = n ln 2 + r: the bits of n with the bias, n, and r, at most (ln 2) / 2, as a sum of two."""
    bits, n = _nearest(code, x, 1 / log(2), _BIASED)
    first = code.fma(n, -LN2[0], x)  # exact
    r = code.fma(n, -LN2[1], first)
    return bits, n, (r, code.fma(n, -LN2[1], first - r))


def _power_of_two(bits: Value) -> Value:
    """2ⁿ for a whole number with the bias in the lowest bits, -1022 ≤ n ≤ 1023."""
    return (bits << _MANTISSA).as_float()


def _exp_of_rest(code: Lanes, r: Two) -> Two:
    """exp(r) as a sum of two, for small r."""
    high, low = two_sum(code.number(1.0), r[0])
    return high, low + code.fma(code.polynomial(r[0], C["exp"]), r[0] * r[0], r[1])


def _scaled(code: Lanes, bits: Value, n: Value, y: Value) -> Value:
    """y 2ⁿ, in two steps, for 2ⁿ alone may overflow, or be no normal number."""
    half = code.fma(n, 0.5, _BIASED).bits()
    return y * _power_of_two(half) * _power_of_two(bits - half + _BIAS)


def exp(code: Lanes, x: Value) -> Value:
    bits, n, r = _reduced(code, _clamp(code, x, -746.0, 710.0))
    high, low = _exp_of_rest(code, r)
    return _scaled(code, bits, n, high + low)


def exp2(code: Lanes, x: Value) -> Value:
    within = _clamp(code, x, -1080.0, 1025.0)
    bits, n = _nearest(code, within, 1.0, _BIASED)
    r = two_product(code, within - n, code.number(LN2[2]))
    high, low = _exp_of_rest(code, (r[0], code.fma(within - n, LN2[3], r[1])))
    return _scaled(code, bits, n, high + low)


def expm1(code: Lanes, x: Value) -> Value:
    """2ⁿ exp(r) - 1; half of it first, for exp(x) may overflow where half of it does not."""
    bits, _, r = _reduced(code, _clamp(code, x, -40.0, 709.9))
    scale = _power_of_two(bits - 1)
    less = scale - 0.5
    high = code.fma(scale, r[0], less)
    lost = code.fma(scale, r[0], less - high)
    tail = code.fma(code.polynomial(r[0], C["expm1"]), r[0] * r[0], r[1])
    half = high + code.fma(scale, tail, lost)
    return code.where(abs(x) < 2.0**-54, x, half + half)  # 0, -0.0 and subnormal numbers


def _sinh_and_cosh(code: Lanes, size: Value) -> tuple[Two, Two]:
    """Half of both as sums of two, from 0 to where they overflow: in both, sinh and cosh of r and of n ln 2."""
    bits, _, r = _reduced(code, code.where(size > 710.5, 710.5, size))
    up = _power_of_two(bits - 2)
    top = code.number(_BIASED + 60.0)  # beyond, exp(-x) is nothing beside exp(x)
    shifted = bits.as_float()
    down = _power_of_two(2 * _BIAS - 2 - code.where(shifted > top, top, shifted).bits())
    a, b = up - down, up + down
    z = r[0] * r[0]
    cosh = z * code.polynomial(z, C["cosh rest"])
    sinh = code.fma(z * r[0], code.polynomial(z, C["sinh rest"]), r[1])

    def combined(even: Value, odd: Value) -> Two:
        high = code.fma(odd, r[0], even)
        low = code.fma(odd, r[0], even - high)
        return high, code.fma(odd, sinh, code.fma(even, cosh, low))

    return combined(a, b), combined(b, a)


def tanh(code: Lanes, x: Value) -> Value:
    sinh, cosh = _sinh_and_cosh(code, abs(x))
    below = two_sum(*cosh)
    y = quotient(code, sinh, below)
    far = 1.0 / below[0]  # there 4 exp(-|x|), and tanh |x| is 1 - 2 exp(-2 |x|)
    y = code.where(abs(x) > 17.0, code.fma(far * -0.125, far, 1.0), y)
    return code.where(abs(x) < 2.0**-54, x, y.copysign(x))


def cosh(code: Lanes, x: Value) -> Value:
    high, low = _sinh_and_cosh(code, abs(x))[1]
    half = high + low
    return half + half


def sinh(code: Lanes, x: Value) -> Value:
    high, low = _sinh_and_cosh(code, abs(x))[0]
    half = high + low
    return code.where(abs(x) < 2.0**-54, x, (half + half).copysign(x))


def _exp_of_less(code: Lanes, size: Value) -> Two:
    """exp(-size) as a sum of two, for size ≥ 0."""
    bits, n, r = _reduced(code, -code.where(size > 746.0, 746.0, size))
    high, low = two_sum(*_exp_of_rest(code, r))
    return _scaled(code, bits, n, high), _scaled(code, bits, n, low)


def sigmoid(code: Lanes, x: Value) -> Value:
    """1 / (1 + e) or e / (1 + e) with e = exp(-|x|), which never overflows."""
    e, e_low = _exp_of_less(code, abs(x))
    falling = x < 0.0
    below, low = two_sum(code.number(1.0), e)
    above = code.where(falling, e, 1.0), code.where(falling, e_low, 0.0)
    return quotient(code, above, (below, low + e_low))


def softplus_rest(code: Lanes, size: Value) -> Value:
    """log(1 + exp(-size)), for size ≥ 0: log(1 + e) where e ≤ 1/2, else log 2 + log(1 + (e - 1) / 2)."""
    e, _ = _exp_of_less(code, size)
    small = e <= 0.5
    f = code.where(small, e, code.fma(e, 0.5, -0.5))
    h, rest = _log_rest(code, f)
    high, low = (code.where(small, 0.0, part) for part in LN2[:2])
    return high + (f - (h - (rest + low)))


# --- logarithms -------------------------------------------------------------------------------------------------------


def exponent(bits: Value) -> tuple[Value, Value]:
    """Of x = 2ᵏ m, with m between √½ and √2: k with the bias, and m; for positive, finite and normal x."""
    moved = bits + ((_BIAS << _MANTISSA) - _SQRT_HALF)
    return moved.down(_MANTISSA), ((moved & (2**_MANTISSA - 1)) + _SQRT_HALF).as_float()


def whole(code: Lanes, k: Value, bias: Any) -> Value:
    """A small whole number as a double, without the bias."""
    return (k | code.number(2.0**_MANTISSA).bits()).as_float() - bias


def _parts(code: Lanes, x: Value) -> tuple[Value, Value]:
    """x = 2ᵏ m with m between √½ and √2: k and m, for positive finite x."""
    subnormal = x < _SMALLEST
    k, m = exponent(code.where(subnormal, x * 2.0**54, x).bits())
    bias = 2.0**_MANTISSA + _BIAS
    return whole(code, k, code.where(subnormal, bias + 54.0, bias)), m


def _log_rest(code: Lanes, f: Value) -> Two:
    """log(1 + f) = f - (h - rest), where h = f² / 2 is exact enough: h, and the rest; -0.29 ≤ f ≤ 1/2."""
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    return h, s * code.fma(z, code.polynomial(z, C["log"]), h)


def log_edges(code: Lanes, x: Value, y: Value) -> Value:
    """The logarithm at 0, ∞, NaN, and of what is negative."""
    y = code.where(x > 0.0, y, code.where(x.equals(0.0), -inf, nan))
    return code.where(x.equals(inf), x, y)


def log_(code: Lanes, x: Value) -> Value:
    return log_edges(code, x, _log_of_normal(code, x))


def _log_of_normal(code: Lanes, x: Value) -> Value:
    k, m = _parts(code, x)
    f = m - 1.0
    h, rest = _log_rest(code, f)
    return code.fma(k, LN2[0], f - (h - code.fma(k, LN2[1], rest)))


def _log_in_base(code: Lanes, x: Value, scale: tuple[float, ...], of_two: tuple[float, ...]) -> Value:
    """k log 2 + (f - h + rest) scale, in sums of two."""
    k, m = _parts(code, x)
    f = m - 1.0
    h, rest = _log_rest(code, f)
    high = f - h
    low = (f - high) - h + rest
    high, low = two_sum(high, low)
    product, lost = two_product(code, high, code.number(scale[0]))
    lost = lost + code.fma(high, scale[1], low * scale[0])
    whole, tail = any_two_sum(k * of_two[0], product)
    return log_edges(code, x, whole + (tail + code.fma(k, of_two[1], lost)))


def log2(code: Lanes, x: Value) -> Value:
    return _log_in_base(code, x, LOG2_E, (1.0, 0.0))


def log10(code: Lanes, x: Value) -> Value:
    return _log_in_base(code, x, LOG10_E, LOG10_2)


def log1p(code: Lanes, x: Value) -> Value:
    """k log 2 + log(1 + f) with f = 2⁻ᵏ x + (2⁻ᵏ - 1), rounded once; k is that of 1 + x."""
    u = x + 1.0
    raised, _ = exponent(u.bits())
    scale = _power_of_two(2 * _BIAS + 2 - raised)  # 4 · 2⁻ᵏ, which is a normal number
    fourth, less = x * 0.25, code.fma(scale, 0.25, -1.0)
    f = code.fma(fourth, scale, less)
    lost = code.fma(fourth, scale, less - f)
    k = whole(code, raised, 2.0**_MANTISSA + _BIAS)
    h, rest = _log_rest(code, f)
    y = code.fma(k, LN2[0], f - (h - (code.fma(k, LN2[1], rest) + lost)))
    return code.where(abs(x) < 2.0**-54, x, log_edges(code, u, y))


# --- trigonometric ----------------------------------------------------------------------------------------------------

_FAR = 2.0**30  # beyond, reduction by three parts of π/2 loses digits, and the C library's is asked


def _quarter_turns(code: Lanes, x: Value) -> tuple[Value, Two]:
    """x = n π/2 + r: the bits of n, and r as a sum of two."""
    bits, n = _nearest(code, x, 2 / pi, _SHIFTER)
    first = code.fma(n, -HALF_PI[0], x)  # exact
    product, lost = two_product(code, n, code.number(HALF_PI[1]))
    r = first - product
    return bits, (r, code.fma(n, -HALF_PI[2], (first - r) - product - lost))


def _sin_and_cos(code: Lanes, r: Two) -> tuple[Two, Two]:
    """Of an angle of at most π/4, both as sums of two."""
    z = r[0] * r[0]
    sin = two_sum(r[0], code.fma(code.polynomial(z, C["sin"]), z * r[0], r[1]))
    half = z * 0.5
    high = 1.0 - half
    low = (1.0 - high) - half
    cos = two_sum(high, code.fma(z * z, code.polynomial(z, C["cos"]), low - r[0] * r[1]))
    return sin, cos


def _turned(code: Lanes, x: Value, quarter: int) -> Value:
    bits, r = _quarter_turns(code, x)
    (sin, sin_low), (cos, cos_low) = _sin_and_cos(code, r)
    bits = bits + quarter
    y = code.where((bits & 1).differs(0), cos + cos_low, sin + sin_low)
    return (y.bits() ^ ((bits & 2) << 62)).as_float()


def sin(code: Lanes, x: Value) -> Value:
    y = code.where(abs(x) < 2.0**-27, x, _turned(code, x, 0))
    return code.rarely(~(abs(x) < _FAR), y, "sin", x)


def cos(code: Lanes, x: Value) -> Value:
    return code.rarely(~(abs(x) < _FAR), _turned(code, x, 1), "cos", x)


def tan(code: Lanes, x: Value) -> Value:
    bits, r = _quarter_turns(code, x)
    (sin, sin_low), (cos, cos_low) = _sin_and_cos(code, r)
    odd = (bits & 1).differs(0)
    above = code.where(odd, -cos, sin), code.where(odd, -cos_low, sin_low)
    below = code.where(odd, sin, cos), code.where(odd, sin_low, cos_low)
    y = code.where(abs(x) < 2.0**-27, x, quotient(code, above, below))
    return code.rarely(~(abs(x) < _FAR), y, "tan", x)


# --- inverse functions ------------------------------------------------------------------------------------------------

_TAN_PI_8 = 2.0**0.5 - 1.0
_PI = (2 * HALF_PI[0], 2 * HALF_PI[1])


def _angle(code: Lanes, above: Value, below: Value) -> Two:
    """The angle from 0 to π/2 whose tangent is a quotient: the nearest of 0, π/4 and π/2, and a rest."""
    small, middle = above <= below * _TAN_PI_8, above * _TAN_PI_8 < below
    n = code.where(small, above, code.where(middle, above - below, -below))
    d = code.where(small, below, code.where(middle, above + below, above))
    u = n / d
    z = u * u
    rest = code.fma(code.polynomial(z, C["atan"]), z * u, u)
    high = code.where(small, 0.0, code.where(middle, HALF_PI[0] / 2, HALF_PI[0]))
    low = code.where(small, 0.0, code.where(middle, HALF_PI[1] / 2, HALF_PI[1]))
    return high, low + rest


def arctan(code: Lanes, x: Value) -> Value:
    high, low = _angle(code, abs(x), code.number(1.0))
    return (high + low).copysign(x)


def arctan2(code: Lanes, y: Value, x: Value) -> Value:
    a, b = abs(y), abs(x)
    both = (a.equals(inf) & b.equals(inf)) | (a.equals(0.0) & b.equals(0.0))
    a, b = code.where(both, code.where(a > 0.0, 1.0, 0.0), a), code.where(both, 1.0, b)
    scale = code.where((a > 2.0**1000) | (b > 2.0**1000), 2.0**-60, 1.0)
    high, low = _angle(code, a * scale, b * scale)
    left = x.bits() < 0
    high = code.where(left, _PI[0] - high, high)
    low = code.where(left, _PI[1] - low, low)
    found = (high + low).copysign(y)
    return code.where(x.is_nan() | y.is_nan(), x + y, found)


def _arcsin_rest(code: Lanes, z: Value, s: Value) -> Value:
    """arcsin(s) - s, for z = s² ≤ 1/4."""
    return code.polynomial(z, C["asin"]) * z * s


def _far_root(code: Lanes, size: Value) -> tuple[Value, Value, Value]:
    """z = (1 - |x|) / 2, its root, and what the root's rounding lost."""
    z = (1.0 - size) * 0.5
    s = z.sqrt()
    return z, s, code.where(z.equals(0.0), 0.0, code.fma(-s, s, z) / (s + s))


def arcsin(code: Lanes, x: Value) -> Value:
    """Beyond 1/2: π/2 - 2 arcsin √((1 - |x|) / 2)."""
    size = abs(x)
    near = size + _arcsin_rest(code, size * size, size)
    z, s, lost = _far_root(code, size)
    far = (HALF_PI[0] - (s + s)) - (2.0 * (lost + _arcsin_rest(code, z, s)) - HALF_PI[1])
    return code.where(size <= 0.5, near, far).copysign(x)


def arccos(code: Lanes, x: Value) -> Value:
    size = abs(x)
    near = HALF_PI[0] - (x - (HALF_PI[1] - _arcsin_rest(code, x * x, x)))
    z, s, lost = _far_root(code, size)
    rest = lost + _arcsin_rest(code, z, s)
    right = 2.0 * (s + rest)
    left = (_PI[0] - (s + s)) - (rest + rest - _PI[1])
    return code.where(size <= 0.5, near, code.where(x < 0.0, left, right))


def arcsinh(code: Lanes, x: Value) -> Value:
    """log(t + √(t² + 1)) with t = |x|, as log1p of what keeps its digits near 0."""
    size = abs(x)
    t = code.where(size > 2.0**28, 1.0, size)
    square = t * t
    near = log1p(code, t + square / (1.0 + (1.0 + square).sqrt()))
    far = log_(code, size) + log(2)
    return code.where(size > 2.0**28, far, code.where(size < 2.0**-28, size, near)).copysign(x)


def arccosh(code: Lanes, x: Value) -> Value:
    w = code.where(x > 2.0**28, 1.0, x) - 1.0
    near = log1p(code, w + code.fma(w, w, w + w).sqrt())
    return code.where(x < 1.0, nan, code.where(x > 2.0**28, log_(code, x) + log(2), near))


def arctanh(code: Lanes, x: Value) -> Value:
    size = abs(x)
    y = 0.5 * log1p(code, (size + size) / (1.0 - size))
    return code.where(size < 2.0**-28, x, y.copysign(x))


def cbrt(code: Lanes, x: Value) -> Value:
    """exp(log|x| / 3), and a step of Newton's."""
    size = abs(x)
    small = size < 2.0**-900
    m = code.where(small, size * 2.0**300, size)
    y = exp(code, _log_of_normal(code, m) * (1.0 / 3.0))
    square, lost = two_product(code, y, y)
    cube, rest = two_product(code, y, square)
    off = (cube - m) + code.fma(y, lost, rest)
    y = y - off / (3.0 * square)
    y = code.where(small, y * 2.0**-100, y).copysign(x)
    return code.where((size > 0.0) & (size < inf), y, x)


# --- powers, the error function ---------------------------------------------------------------------------------------


def _long_log(code: Lanes, x: Value) -> Two:
    """log x as a sum of two with some 70 bits, for positive finite x."""
    k, m = _parts(code, x)
    f = m - 1.0
    below = m + 1.0
    below_low = m - (below - 1.0)
    inverse = 1.0 / below
    s = f * inverse
    s_low = code.fma(-s, below_low, code.fma(-s, below, f)) * inverse
    z = s * s
    z_low = code.fma(s + s, s_low, code.fma(s, s, -z))
    third = C["two thirds"]
    first = z * third[0]
    first_low = code.fma(z, third[1], code.fma(z_low, third[0], code.fma(z, third[0], -first)))
    bracket, low = two_sum(first, z * z * code.polynomial(z, C["log tail"]))
    low = low + first_low
    cubic, cubic_low = two_product(code, s, bracket)
    cubic_low = code.fma(s_low, bracket, code.fma(s, low, cubic_low))
    high, rest = two_sum(s + s, cubic)
    rest = rest + (s_low + s_low + cubic_low)
    whole, tail = any_two_sum(k * LN2[0], high)
    return two_sum(whole, tail + code.fma(k, LN2[1], rest))


def power(code: Lanes, x: Value, y: Value) -> Value:
    """exp(y log |x|), the product in sums of two; the sign is that of x where y is odd."""
    size = abs(x)
    regular = (size > 0.0) & (size < inf)
    high, low = _long_log(code, code.where(regular, size, 1.0))
    product, lost = two_product(code, y, high)
    lost = code.fma(y, low, lost)
    clamped = _clamp(code, product, -746.0, 710.0)
    lost = code.where(clamped.equals(product), lost, 0.0)
    bits, n, r = _reduced(code, clamped)
    p, rest = _exp_of_rest(code, two_sum(r[0], r[1] + lost))
    found = _scaled(code, bits, n, p + rest)
    usual = (x > 0.0) & (x < inf) & (abs(y) < inf)
    return code.seldom(~usual, found, lambda: _power_edges(code, x, y, found))


def _power_edges(code: Lanes, x: Value, y: Value, found: Value) -> Value:
    """The power where x is not positive, or something is infinite or NaN; `found` is |x|ʸ where both are finite."""
    size = abs(x)
    upward = (size > 1.0).differs(y < 0.0)  # |x|ʸ grows without bound, else it vanishes
    regular = (size > 0.0) & (size < inf) & (abs(y) < inf)
    found = code.where(regular, found, code.where(upward, inf, 0.0))
    found = code.where(size.equals(1.0), 1.0, found)
    whole = code.intrinsic("floor", y).equals(y)
    half = y * 0.5
    odd = whole & code.intrinsic("floor", half).differs(half) & (abs(y) < inf)
    found = code.where((x.bits() < 0) & odd, -found, found)
    found = code.where((x < 0.0) & (size < inf) & ~whole, nan, found)
    found = code.where(x.is_nan() | y.is_nan(), nan, found)
    return code.where(y.equals(0.0) | x.equals(1.0), 1.0, found)


def erf(code: Lanes, x: Value) -> Value:
    """x + x Q(x²) up to 1; beyond, 1 - exp(-x²) times a polynomial in (x - 2) / (x + 2) (Cody, 1969)."""
    size = abs(x)
    size = code.where(size > 6.0, 6.0, size)
    z, z_low = two_product(code, size, size)
    near = code.fma(size, code.polynomial(z, C["erf near"]), size)
    e = exp(code, -z)
    e = code.fma(e, -z_low, e)
    far = code.fma(-code.polynomial((size - 2.0) / (size + 2.0), C["erf far"]), e, 1.0)
    y = code.where(size < 1.0, near, far)
    return code.where(x.is_nan(), x, y.copysign(x))


def sqrt(code: Lanes, x: Value) -> Value:
    return x.sqrt()


FORMULAS: dict[str, Callable[..., Value]] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log_, "log2": log2, "log10": log10, "log1p": log1p, "sin": sin,
    "cos": cos, "tan": tan, "sinh": sinh, "cosh": cosh, "tanh": tanh, "sigmoid": sigmoid, "power": power, "erf": erf,
    "sqrt": sqrt, "arctan": arctan, "arctan2": arctan2, "arcsin": arcsin, "arccos": arccos, "arcsinh": arcsinh,
    "arccosh": arccosh, "arctanh": arctanh, "cbrt": cbrt,
}  # fmt: skip
