"""How a number is read: 3.141592653589793 as π, 1e-08 as 10⁻⁸, 0.5 as it stands.

>>> print(written(2 * 3.141592653589793), written(0.25), written(1 / 6), written(1e-8), written(float("inf")))
2 π 0.25 1/6 10⁻⁸ ∞
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import e, isinf, isnan, log, pi, sqrt
from typing import Any

import numpy as np

from .layout import Box, applied, fraction, letter, negated, number, product, root, text, word

_PI, _LN = letter("π", r"\pi"), word("ln", r"\ln")
FAMOUS: tuple[tuple[float, Box], ...] = (
    (pi, _PI),
    (e, letter("e")),
    (sqrt(2 * pi), root(product([number("2"), _PI]))),
    (sqrt(pi), root(_PI)),
    (sqrt(2), root(number("2"))),
    (log(2), applied(_LN, [number("2")])),
    (log(10), applied(_LN, [number("10")])),
    (log(2 * pi), applied(_LN, [product([number("2"), _PI])])),
)


def digits(value: Any) -> str:
    """Whole numbers without a point, six digits of others."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    x = float(value)
    if isnan(x) or isinf(x):
        return "nan" if isnan(x) else "-∞" if x < 0 else "∞"
    if x == int(x) and abs(x) < 1e16:
        return str(int(x))
    return f"{x:.6g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def written(value: Any) -> Box:
    """The box of a number."""
    plain = digits(value)
    if plain in ("true", "false", "nan"):
        return text(plain)
    if "∞" in plain or float(plain) == float(value):  # it is what it looks like
        return number(plain)
    known = _recognized(abs(float(value)))
    if known is None:
        return number(plain)
    return negated(known) if float(value) < 0 else known


@lru_cache(maxsize=1024)
def _recognized(x: float) -> Box | None:
    """A fraction, or a small multiple or fraction of a famous number."""
    simple = Fraction(x).limit_denominator(100)
    if simple and simple.denominator > 1 and abs(float(simple) / x - 1) < 3e-16:
        return fraction(number(str(simple.numerator)), number(str(simple.denominator)))
    for constant, box in FAMOUS:
        for ratio, below in ((x / constant, False), (x * constant, True)):
            nice = Fraction(ratio).limit_denominator(12)
            if nice and nice.numerator <= 64 and abs(float(nice) / ratio - 1) < 4e-16:
                return _multiple(nice, box, below)
    return None


def _multiple(ratio: Fraction, box: Box, below: bool) -> Box:
    above = [] if ratio.numerator == 1 else [number(str(ratio.numerator))]
    under = [] if ratio.denominator == 1 else [number(str(ratio.denominator))]
    (under if below else above).append(box)
    top = product(above) if above else number("1")
    return fraction(top, product(under)) if under else top
