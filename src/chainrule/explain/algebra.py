"""Products as numbers times powers, kept exactly: what a reader collects in their head.

A Term is c · a^p · b^q …; multiplying adds exponents, and like terms add up. Decimals stay the decimals that were
written: 0.1 is 1/10, not the nearest binary fraction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

from ..ir import Atom, Const
from .styles import uniform

Exact = int | Fraction  # whole numbers stay ints: they are much faster
Powers = tuple[tuple[Any, Exact], ...]  # of what is multiplied: atoms, or any values that compare
ONE = 1
_BITS = 200  # longer numbers are left as they are


@dataclass(frozen=True)
class Term:
    """number · Π atom^exponent, the atoms in order of appearance."""

    number: Exact = ONE
    powers: Powers = ()

    @property
    def key(self) -> frozenset[tuple[Any, Exact]]:
        """Like terms have the same."""
        return frozenset(self.powers)

    def __mul__(self, other: Term) -> Term:
        powers: dict[Any, Exact] = dict(self.powers)
        for atom, n in other.powers:
            powers[atom] = powers.get(atom, 0) + n
        return Term(self.number * other.number, tuple((a, n) for a, n in powers.items() if n))

    def scaled(self, number: Exact) -> Term:
        return Term(self.number * number, self.powers)

    def power(self, n: Exact) -> Term | None:
        """The whole to the n-th, where that is the parts to the n-th."""
        if n.denominator == 1 and self.number and magnitude(n) * _bits(self.number) < _BITS:
            number = self.number if self.number == 1 else Fraction(self.number) ** int(n)
            return Term(number, tuple((a, m * n) for a, m in self.powers))
        if n.denominator > 1 and self.number == 1 and len(self.powers) == 1 and self.powers[0][1] == 1:
            return Term(ONE, ((self.powers[0][0], n),))
        return None

    def only(self, keep: Iterable[Any]) -> Term:
        """The part made of these atoms, without the number."""
        kept = set(keep)
        return Term(ONE, tuple((a, n) for a, n in self.powers if a in kept))

    @property
    def scalars(self) -> Term:
        """The number, and the factors that are numbers too."""
        return Term(self.number, tuple((a, n) for a, n in self.powers if a.type.shape == ()))

    @property
    def arrays(self) -> Term:
        return Term(ONE, tuple((a, n) for a, n in self.powers if a.type.shape != ()))

    @property
    def is_atom(self) -> bool:
        """Whether it is one atom, times a number."""
        return not self.powers or (len(self.powers) == 1 and self.powers[0][1] == 1)


def magnitude(number: Exact) -> Exact:
    """The absolute value."""
    return -number if number < 0 else number


def of(atom: Atom) -> Term:
    """An atom as a term; a constant as the number it is."""
    if isinstance(atom, Const):
        number = exact(uniform(atom))
        if number is not None:
            return Term(number)
    return Term(ONE, ((atom, ONE),))


def exact(value: Any) -> Exact | None:
    """The number as it was written, or the small fraction that it is but for its last digit.

    None for what is not a finite real number.

    >>> exact(0.1), exact(1 / 3), exact(1 / 3 - 1)
    (Fraction(1, 10), Fraction(1, 3), Fraction(-2, 3))
    """
    if value is None or isinstance(value, (bool, np.bool_)) or not isfinite(value):
        return None
    if value == int(value) and abs(value) < 2**53:
        return int(value)
    written = Fraction(str(value))
    if written.denominator > 10**12:
        simple = Fraction(float(value)).limit_denominator(1000)
        if simple and abs(float(simple) / float(value) - 1) < 3e-16:
            return simple
    return written if _bits(written) < _BITS else None


def _bits(number: Exact) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def collected(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Like terms added up; those that cancel are gone."""
    found: dict[frozenset[tuple[Any, Exact]], Term] = {}
    for term in terms:
        key = term.key
        known = found.get(key)
        found[key] = Term(known.number + term.number, known.powers) if known else term
    return tuple(t for t in found.values() if t.number)


def common(terms: Sequence[Term]) -> Term:
    """The scalar factor that all terms share, with a shared fraction as number."""
    first, *rest = terms
    powers = [(a, n) for a, n in first.scalars.powers if all((a, n) in t.powers for t in rest)]
    sizes: set[Exact] = {magnitude(t.number) for t in terms}
    number: Exact = sizes.pop() if len(sizes) == 1 else ONE
    if all(t.number < 0 for t in terms) and len(terms) > 1 and number.denominator > 1:
        number = -number
    return Term(number if number.denominator > 1 else ONE, tuple(powers))


def without(term: Term, factor: Term) -> Term:
    """term / factor, for a factor that is in it."""
    gone = set(factor.powers)
    number = term.number if factor.number == 1 else Fraction(term.number) / factor.number
    return Term(number, tuple(p for p in term.powers if p not in gone))


def written(number: Exact) -> tuple[Exact | None, int]:
    """A positive number as (numerator or decimal, denominator) to be written; None for a numerator of 1.

    >>> written(Fraction(1, 569)), written(Fraction(1, 10)), written(Fraction(3, 2))
    ((None, 569), (Fraction(1, 10), 1), (3, 2))
    """
    q = number.denominator
    rest = q
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if q > 4 and (rest == 1 or q > 10**6):  # a decimal
        return number, 1
    return (None if number.numerator == 1 else number.numerator), q
