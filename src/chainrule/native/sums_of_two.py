"""Numbers carried as a sum of two on lanes: the second is far below the last digit of the first.

Dekker, 1971; Knuth, "The Art of Computer Programming", volume 2.
"""

from __future__ import annotations

from .lanes import Lanes, Value

Two = tuple[Value, Value]


def two_sum(x: Value, y: Value) -> Two:
    """x + y exactly, where |x| ≥ |y|."""
    high = x + y
    return high, y - (high - x)


def any_two_sum(x: Value, y: Value) -> Two:
    """x + y exactly (Knuth)."""
    high = x + y
    of_y = high - x
    return high, (x - (high - of_y)) + (y - of_y)


def two_product(code: Lanes, x: Value, y: Value) -> Two:
    """x y exactly."""
    high = x * y
    return high, code.fma(x, y, -high)


def quotient(code: Lanes, above: Two, below: Two) -> Value:
    """A quotient of sums of two, rounded about once."""
    inverse = 1.0 / below[0]
    q = above[0] * inverse
    rest = code.fma(-q, below[1], code.fma(-q, below[0], above[0]) + above[1])
    return code.fma(rest, inverse, q)
