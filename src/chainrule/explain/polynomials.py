"""Polynomials in one variable with exact numbers, the lowest coefficient first.

>>> from fractions import Fraction as F
>>> divide([F(-1), F(0), F(0), F(1)], [F(-1), F(1)])  # (x³ − 1) / (x − 1) is x² + x + 1
((Fraction(1, 1), Fraction(1, 1), Fraction(1, 1)), ())
>>> [tuple(map(int, q)) for q in factored([F(-1), F(0), F(0), F(1)])[1]]
[(-1, 1), (1, 1, 1)]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isqrt, lcm

from ..ir import Var
from .algebra import Term
from .expression import Expr, total

Coefficients = Sequence[Fraction]
ROOTS = 2000  # numbers up to here are tried as roots


def coefficients(u: Expr, x: Var) -> tuple[Fraction, ...] | None:
    """The coefficients of a polynomial in x, or None if it is not one, or has other names in it."""
    found: dict[int, Fraction] = {}
    for t in u.expanded().terms:
        if any(factor != x or n.denominator > 1 or n < 0 for factor, n in t.powers):
            return None
        degree = int(t.powers[0][1]) if t.powers else 0
        found[degree] = found.get(degree, Fraction(0)) + Fraction(t.number)
    if not found or max(found) > 60:
        return None
    return trimmed([found.get(i, Fraction(0)) for i in range(max(found) + 1)])


def polynomial(c: Coefficients, x: Var) -> Expr:
    """As an expression, the highest power first."""
    terms = [Expr((Term(_plain(a), ((x, n),) if n else ()),)) for n, a in enumerate(c) if a]
    return total(reversed(terms))


def _plain(a: Fraction) -> Fraction | int:
    return int(a) if a.denominator == 1 else a


def trimmed(c: Coefficients) -> tuple[Fraction, ...]:
    n = len(c)
    while n and c[n - 1] == 0:
        n -= 1
    return tuple(c[:n])


def times(a: Coefficients, b: Coefficients) -> tuple[Fraction, ...]:
    found = [Fraction(0)] * (len(a) + len(b) - 1 if a and b else 0)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            found[i + j] += p * q
    return trimmed(found)


def divide(a: Coefficients, b: Coefficients) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Quotient and rest."""
    rest = list(a)
    quotient = [Fraction(0)] * max(len(a) - len(b) + 1, 0)
    for i in reversed(range(len(quotient))):
        quotient[i] = rest[i + len(b) - 1] / b[-1]
        for j, q in enumerate(b):
            rest[i + j] -= quotient[i] * q
    return trimmed(quotient), trimmed(rest)


def value(c: Coefficients, x: Fraction) -> Fraction:
    found = Fraction(0)
    for a in reversed(c):
        found = found * x + a
    return found


def factored(c: Coefficients) -> tuple[Fraction, list[tuple[Fraction, ...]]]:
    """The leading number, and factors with leading number 1: x − root for each rational root, and what is left."""
    lead = c[-1]
    rest = tuple(a / lead for a in c)
    found: list[tuple[Fraction, ...]] = []
    while len(rest) > 2:
        root = next((r for r in _candidates(rest) if value(rest, r) == 0), None)
        if root is None:
            break
        linear = (-root, Fraction(1))
        found.append(linear)
        rest, _ = divide(rest, linear)
    return lead, ([*found, rest] if len(rest) > 1 else found)


def _candidates(c: Coefficients) -> Iterator[Fraction]:
    """What the theorem on rational roots allows, as far as that is small; of a quadratic, its roots."""
    if len(c) == 3:
        square = c[1] ** 2 - 4 * c[2] * c[0]
        top, bottom = square.numerator, square.denominator
        if top >= 0 and isqrt(top) ** 2 == top and isqrt(bottom) ** 2 == bottom:
            root = Fraction(isqrt(top), isqrt(bottom))
            yield from ((-c[1] - root) / (2 * c[2]), (-c[1] + root) / (2 * c[2]))
        return
    whole = [int(a * lcm(*(b.denominator for b in c))) for a in c]
    if whole[0] == 0:
        yield Fraction(0)
        return
    for p in _divisors(abs(whole[0])):
        for q in _divisors(abs(whole[-1])):
            yield Fraction(p, q)
            yield Fraction(-p, q)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, min(n, ROOTS) + 1) if n % d == 0]


def solve(columns: Sequence[Coefficients], right: Coefficients, rows: int) -> list[Fraction] | None:
    """The numbers with which the columns add up to the right side; exact, None if there are none."""
    n = len(columns)
    height = max(rows, len(right), *map(len, columns))
    padded = [[*c, *[Fraction(0)] * (height - len(c))] for c in (*columns, right)]
    m = [list(row) for row in zip(*padded, strict=True)]
    for j in range(n):
        pivot = next((i for i in range(j, len(m)) if m[i][j]), None)
        if pivot is None:
            return None
        m[j], m[pivot] = m[pivot], m[j]
        m[j] = [a / m[j][j] for a in m[j]]
        for i, row in enumerate(m):
            if i != j and row[j]:
                m[i] = [a - row[j] * b for a, b in zip(row, m[j], strict=True)]
    return [row[-1] for row in m[:n]] if all(row[-1] == 0 for row in m[n:]) else None
