"""The polynomials of native/vector_math.py, fitted at 200 bits: `python tests/fitted.py` writes coefficients.py."""

import warnings
from pathlib import Path

import mpmath as mp

HEAD = '"""Polynomials and constants of vector_math.py, fitted with 200 bits: tests/fitted.py writes this file."""'
NEAR = mp.mpf(10) ** -25  # closer to 0, the first terms of a series say it better


def exp_rest(r):
    return mp.mpf(1) / 2 + r / 6 + r * r / 24 if abs(r) < NEAR else (mp.expm1(r) - r) / (r * r)


def expm1_quotient(r):
    return 1 + r / 2 + r * r / 6 if abs(r) < NEAR else mp.expm1(r) / r


def cos_quotient(z):
    return -mp.mpf(1) / 2 + z / 24 if z <= NEAR else (mp.cos(mp.sqrt(z)) - 1) / z


def log_quotient(z):
    s = mp.sqrt(z)
    return 2 + 2 * z / 3 if z <= NEAR else mp.log((1 + s) / (1 - s)) / s


def sin_rest(z):
    r = mp.sqrt(z)
    return -mp.mpf(1) / 6 + z / 120 if z <= NEAR else (mp.sin(r) / r - 1) / z


def cos_rest(z):
    r = mp.sqrt(z)
    return mp.mpf(1) / 24 - z / 720 if z <= mp.mpf(10) ** -15 else (mp.cos(r) - 1 + z / 2) / (z * z)


def cosh_rest(z):
    r = mp.sqrt(z)
    return mp.mpf(1) / 2 + z / 24 if z <= NEAR else (mp.cosh(r) - 1) / z


def sinh_rest(z):
    r = mp.sqrt(z)
    return mp.mpf(1) / 6 + z / 120 if z <= NEAR else (mp.sinh(r) / r - 1) / z


def log_rest(z):
    s = mp.sqrt(z)
    return mp.mpf(2) / 3 + 2 * z / 5 if z <= NEAR else (mp.log((1 + s) / (1 - s)) / s - 2) / z


def log_tail(z):
    return mp.mpf(2) / 5 + 2 * z / 7 if z <= mp.mpf(10) ** -20 else (log_rest(z) - mp.mpf(2) / 3) / z


def atan_rest(z):
    u = mp.sqrt(z)
    return -mp.mpf(1) / 3 + z / 5 if z <= NEAR else (mp.atan(u) / u - 1) / z


def asin_rest(z):
    u = mp.sqrt(z)
    return mp.mpf(1) / 6 + 3 * z / 40 if z <= NEAR else (mp.asin(u) / u - 1) / z


def erf_near(z):
    x = mp.sqrt(z)
    return 2 / mp.sqrt(mp.pi) * (1 - z / 3) - 1 if z <= NEAR else mp.erf(x) / x - 1


def erf_far(t):
    x = 2 * (1 + t) / (1 - t)
    return mp.exp(x * x) * mp.erfc(x)


def fits():
    """Each polynomial: what it fits, from where to where, and its degree."""
    half = mp.log(2) / 2 + mp.mpf("0.0001")
    angle = (mp.pi / 4) ** 2 * mp.mpf("1.001")
    ratio = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")
    return {
        "exp": (exp_rest, -half, half, 9), "expm1": (exp_rest, -half, half, 10), "sin": (sin_rest, 0, angle, 6),
        "cos": (cos_rest, 0, angle, 6), "cosh rest": (cosh_rest, 0, half**2, 5),
        "sinh rest": (sinh_rest, 0, half**2, 4), "log": (log_rest, 0, mp.mpf("0.0401"), 7),
        "log tail": (log_tail, 0, ratio, 8), "erf near": (erf_near, 0, 1, 11),
        "atan": (atan_rest, 0, (mp.sqrt(2) - 1) ** 2 * mp.mpf("1.001"), 10),
        "asin": (asin_rest, 0, mp.mpf("0.25"), 12),
        "single expm1": (expm1_quotient, -half, half, 6), "single sin": (sin_rest, 0, angle, 3),
        "single cos": (cos_quotient, 0, angle, 4), "single log": (log_quotient, 0, mp.mpf("0.0401"), 4),
        "erf far": (erf_far, -mp.mpf(1) / 3, mp.mpf(1) / 2, 19),
    }  # fmt: skip


def two(x):
    """x as a sum of two doubles."""
    return float(x), float(x - mp.mpf(float(x)))


def cut(x, bits):
    """x as a sum of two, the first with so few bits that multiples of it are exact."""
    high = float(mp.mpf(int(x * mp.mpf(2) ** bits)) / mp.mpf(2) ** bits)
    return high, float(x - mp.mpf(high))


def constants():
    half = mp.pi / 2
    first = float(half)
    second = float(half - mp.mpf(first))
    return {
        "LN2": cut(mp.log(2), 42) + two(mp.log(2)), "LOG2_E": two(1 / mp.log(2)), "LOG10_E": two(1 / mp.log(10)),
        "LOG10_2": cut(mp.log10(2), 42),
        "HALF_PI": (first, second, float(half - mp.mpf(first) - mp.mpf(second))),
    }  # fmt: skip


def coefficients():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the order in which mpmath gives them
        found = {name: mp.chebyfit(f, [a, b], degree + 1)[::-1] for name, (f, a, b, degree) in fits().items()}
    return {name: tuple(map(float, row)) for name, row in found.items()} | {"two thirds": two(mp.mpf(2) / 3)}


def text():
    with mp.workprec(200):
        table = {name: [x.hex() for x in row] for name, row in constants().items()}
        lines = [f"{name} = tuple(map(float.fromhex, {row}))" for name, row in table.items()]
        rows = [f"    {name!r}: tuple(map(float.fromhex, {[x.hex() for x in row]}))," for name, row in
                coefficients().items()]  # fmt: skip
    return "\n".join([HEAD, *lines, "COEFFICIENTS = {", *rows, "}"]) + "\n"


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    (root / "src/chainrule/native/coefficients.py").write_text(text())
