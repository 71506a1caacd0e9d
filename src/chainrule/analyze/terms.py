"""Sums of terms c zⁱ eʳᶻ with rational c and r, and their sign on an interval: exact arithmetic.

Sturm, 1829; Yun, "On square-free decomposition algorithms", 1976.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import inf, lcm
from typing import Any

Term = tuple[int, Fraction]  # the powers of z and of e^z
Sum = dict[Term, Fraction]
LONGEST = 80  # terms of a sum: what is longer is left to others
ONE: Term = (0, Fraction(0))


class Unknown(Exception):
    """Not a form, or too long for one."""


# --- sums of terms c zⁱ eʳᶻ -----------------------------------------------------------------------------------------


def plus(p: Sum, q: Sum, factor: Fraction | int = 1) -> Sum:
    total = dict(p)
    for term, c in q.items():
        total[term] = total.get(term, Fraction(0)) + factor * c
    return {term: c for term, c in total.items() if c}


def times(p: Sum, q: Sum) -> Sum:
    if len(p) * len(q) > LONGEST**2:
        raise Unknown
    total: Sum = {}
    for (i, r), c in p.items():
        for (j, s), d in q.items():
            term = (i + j, r + s)
            total[term] = total.get(term, Fraction(0)) + c * d
    total = {term: c for term, c in total.items() if c}
    if len(total) > LONGEST:
        raise Unknown
    return total


def slope(p: Sum) -> Sum:
    total: Sum = {}
    for (i, r), c in p.items():
        if i:
            total = plus(total, {(i - 1, r): c * i})
        if r:
            total = plus(total, {(i, r): c * r})
    return total


# --- the sign of a sum on an interval -------------------------------------------------------------------------------


def sign(p: Sum, low: Any, high: Any, *, strict: bool = False) -> int | None:
    """1 if p is nowhere negative between low and high, -1 if nowhere positive, 0 if zero, None if that is not known.

    With `strict`, 1 and -1 say that p is nowhere zero there either.

    >>> two = Fraction(2)
    >>> sign({(2, Fraction(0)): Fraction(1), (1, Fraction(0)): -two, (0, Fraction(0)): Fraction(1)}, -inf, inf)
    1
    """
    if not p:
        return 0
    signs = {_sign_of_term(i, c, low, high) for (i, _), c in p.items()}
    if strict and low < 0 < high and all(i for i, _ in p):
        return None  # it may vanish at 0
    if signs in ({1}, {-1}):
        return signs.pop()
    least = min(i for i, _ in p)
    if all(r == p_r for (_, r), p_r in zip(p, [next(iter(p))[1]] * len(p), strict=True)):  # a polynomial in z
        return _polynomial({i: c for (i, _), c in p.items()}, low, high, strict)
    if all(i == least for i, _ in p):  # zⁱ times a polynomial in u = e^(z/q)
        front = _sign_of_term(least, Fraction(1), low, high)
        q = reduce(lcm, [r.denominator for _, r in p])
        start = min(r for _, r in p)
        below = Fraction(1) if low >= 0 else Fraction(0)
        above = Fraction(1) if high <= 0 else inf
        inner = _polynomial({int((r - start) * q): c for (_, r), c in p.items()}, below, above, strict)
        return None if inner is None or front is None else front * inner
    return None


def _sign_of_term(i: int, c: Fraction, low: Any, high: Any) -> int | None:
    positive = 1 if c > 0 else -1
    if i % 2 == 0 or low >= 0:
        return positive
    return -positive if high <= 0 else None


Coefficients = list[Fraction]  # of a polynomial, the constant first


def _polynomial(p: dict[int, Fraction], low: Any, high: Any, strict: bool) -> int | None:
    """The sign of Σ cₖ xᵏ between low and high, by counting the roots at which it changes."""
    least = min(p)
    if least < 0:  # x^(-k) is positive where x is, or even
        if low < 0 and least % 2:
            return None
        p = {k - least: c for k, c in p.items()}
    if max(p) > 40:
        return None
    coefficients = [p.get(k, Fraction(0)) for k in range(max(p) + 1)]
    if len(coefficients) < 2 or not strict:
        roots = _changing_part(coefficients)
    else:
        roots = _divided(coefficients, _common(coefficients, _derivative(coefficients)))[0]
    if _roots(roots, low, high):
        return None
    return 1 if _value(coefficients, _inside(coefficients, low, high)) > 0 else -1


def _inside(p: Coefficients, low: Any, high: Any) -> Fraction:
    """A point between low and high that is no root."""
    if low == -inf and high == inf:
        points = [Fraction(k) for k in range(len(p) + 1)]
    elif high == inf:
        points = [Fraction(low) + k + 1 for k in range(len(p) + 1)]
    elif low == -inf:
        points = [Fraction(high) - k - 1 for k in range(len(p) + 1)]
    else:
        a, b = Fraction(low), Fraction(high)
        points = [a + (b - a) * Fraction(k + 1, len(p) + 2) for k in range(len(p) + 1)]
    return next(x for x in points if _value(p, x))


def _value(p: Coefficients, x: Fraction) -> Fraction:
    total = Fraction(0)
    for c in reversed(p):
        total = total * x + c
    return total


def _trimmed(p: Coefficients) -> Coefficients:
    while p and not p[-1]:
        p = p[:-1]
    return p


def _derivative(p: Coefficients) -> Coefficients:
    return [k * c for k, c in enumerate(p)][1:]


def _divided(p: Coefficients, q: Coefficients) -> tuple[Coefficients, Coefficients]:
    quotient = [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    rest = list(p)
    while len(rest) >= len(q) and rest:
        factor, shift = rest[-1] / q[-1], len(rest) - len(q)
        quotient[shift] = factor
        for k, c in enumerate(q):
            rest[k + shift] -= factor * c
        rest = _trimmed(rest[:-1])
    return quotient, rest


def _common(p: Coefficients, q: Coefficients) -> Coefficients:
    while q:
        p, q = q, _divided(p, q)[1]
    return [c / p[-1] for c in p]


def _changing_part(p: Coefficients) -> Coefficients:
    """The product of the factors that occur an odd number of times: at its roots, and only there, p changes sign."""
    if len(p) < 2:
        return [Fraction(1)]
    shared = _common(p, _derivative(p))
    factor, odd, n = _divided(p, shared)[0], [Fraction(1)], 1
    while len(factor) > 1:
        next_factor = _common(factor, shared)
        once = _divided(factor, next_factor)[0]
        if n % 2:
            odd = _trimmed(_product(odd, once))
        shared, factor, n = _divided(shared, next_factor)[0], next_factor, n + 1
    return odd


def _product(p: Coefficients, q: Coefficients) -> Coefficients:
    total = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, c in enumerate(p):
        for j, d in enumerate(q):
            total[i + j] += c * d
    return total


def _roots(p: Coefficients, low: Any, high: Any) -> int:
    """How many roots a square-free polynomial has strictly between low and high: Sturm's theorem."""
    if len(p) < 2:
        return 0
    for end in (low, high):
        if abs(end) != inf and _value(p, Fraction(end)) == 0:
            p = _divided(p, [-Fraction(end), Fraction(1)])[0]
    chain = [p, _derivative(p)]
    while len(chain[-1]) > 1:
        rest = _divided(chain[-2], chain[-1])[1]
        if not rest:
            break
        chain.append([-c for c in rest])

    def changes(x: Any) -> int:
        if abs(x) == inf:
            values = [q[-1] if x > 0 or len(q) % 2 else -q[-1] for q in chain if q]
        else:
            values = [_value(q, Fraction(x)) for q in chain if q]
        signs = [v > 0 for v in values if v]
        return sum(a != b for a, b in pairwise(signs))

    return changes(low) - changes(high)
