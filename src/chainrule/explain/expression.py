"""Functions of numbers as sums of products with exact numbers, which compare as mathematics: 2 x + 2 is 2 (1 + x).

Rules can ask an Expr what its terms and factors are, whether it moves with a variable, and whether it equals another.

>>> x = Var(ArrayType(), "x")
>>> f = (var(x) + var(x) + number(2)) / number(4)
>>> f == (number(1) + var(x)).to(2) / (var(x) + number(1)) / number(2), f == var(x)
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, isqrt, lcm
from typing import Any

from ..ir import ArrayType as ArrayType
from ..ir import Var
from ..ops.arithmetic import absolute
from ..ops.elementary import exp, log_
from ..ops.op import Elementwise, Op
from .algebra import ONE, Exact, Term, collected, magnitude

LARGEST = 400  # terms in a sum, and factors in a product
HALF = Fraction(1, 2)
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)


class TooLarge(Exception):
    """The expression has grown beyond what a person would look at."""


class Unreadable(Exception):
    """The program does something that is not a function of numbers built by functions of numbers."""


@dataclass(frozen=True)
class Applied:
    """A function of the table applied to expressions."""

    op: Elementwise
    args: tuple[Expr, ...]
    params: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def _hash(self) -> int:
        return hash((self.op, self.args, self.params))

    def __hash__(self) -> int:
        return self._hash


Factor = Any  # a Var, an Applied, or an Expr: a sum, or a number under a root


@dataclass(frozen=True, eq=False)
class Expr:
    """A sum of terms, each a number times powers of factors."""

    terms: tuple[Term, ...] = ()

    @cached_property
    def key(self) -> frozenset[Any]:
        return frozenset((t.key, t.number) for t in self.terms)

    @cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self._hash == other._hash and self.key == other.key

    @cached_property
    def variables(self) -> frozenset[Var]:
        """What it depends on."""
        return frozenset[Var]().union(*(depends(factor) for t in self.terms for factor, _ in t.powers))

    @property
    def number(self) -> Exact | None:
        """The number it is, if it is one."""
        if not self.terms:
            return 0
        return self.terms[0].number if len(self.terms) == 1 and not self.terms[0].powers else None

    @property
    def single(self) -> Term | None:
        """Its one term."""
        return self.terms[0] if len(self.terms) == 1 else None

    @cached_property
    def size(self) -> int:
        """How many terms and factors it has, all the way down."""
        return sum(1 + sum(_size(factor) for factor, _ in t.powers) for t in self.terms)

    def __add__(self, other: Expr) -> Expr:
        return Expr(_few(collected((*self.terms, *other.terms))))

    def __sub__(self, other: Expr) -> Expr:
        return self + other * number(-1)

    def __mul__(self, other: Expr) -> Expr:
        if not self.terms or not other.terms:
            return Expr()
        for a, b in ((self, other), (other, self)):
            c = a.number
            if c is not None:
                return Expr(tuple(t.scaled(c) for t in b.terms))
        return _from_term(_as_term(self) * _as_term(other))

    def __truediv__(self, other: Expr) -> Expr:
        return self * other.to(-1)

    def to(self, n: Exact) -> Expr:
        """The n-th power."""
        if n == 1 or self.number == 1:
            return self
        if n == 0:
            return number(1)
        if self.number == 0:
            raise Unreadable("a power of zero")
        if n.denominator > 1:
            return _root(self, n)
        own = _as_term(self)
        found = Term(ONE, tuple((a, m * n) for a, m in own.powers)) if own.number == 1 else own.power(n)
        return _from_term(found) if found is not None else Expr((Term(ONE, ((self, n),)),))

    def replaced(self, what: Mapping[Var, Expr]) -> Expr:
        """Variables replaced by expressions."""
        return self.rebuilt(lambda factor: what.get(factor) if isinstance(factor, Var) else None)

    def rebuilt(self, change: Callable[[Factor], Expr | None]) -> Expr:
        """Every factor for which `change` has an answer replaced by it, all the way down."""
        return total(
            product([number(t.number), *(_changed(factor, change).to(n) for factor, n in t.powers)])
            for t in self.terms
        )  # fmt: skip

    def expanded(self) -> Expr:
        """Products and whole powers of sums multiplied out."""
        found: list[Term] = []
        for t in self.terms:
            products = [Term(t.number)]
            for factor, n in t.powers:
                if isinstance(factor, Expr) and len(factor.terms) > 1 and n > 0 and n.denominator == 1 and n < 20:
                    for _ in range(int(n)):
                        inside = factor.expanded().terms
                        products = list(_few(collected([a * b for a in products for b in inside])))
                else:
                    products = [a * Term(ONE, ((factor, n),)) for a in products]
            found += products
        return Expr(_few(collected(found)))


def number(value: Exact) -> Expr:
    return Expr((Term(value),)) if value else Expr()


def var(v: Var) -> Expr:
    return Expr((Term(ONE, ((v, ONE),)),))


def var_of(factor: Factor) -> Expr:
    """A factor as an expression."""
    return Expr((Term(ONE, ((factor, ONE),)),))


def total(parts: Iterable[Expr]) -> Expr:
    return Expr(_few(collected([t for part in parts for t in part.terms])))


def product(parts: Iterable[Expr]) -> Expr:
    found = number(1)
    for part in parts:
        found = found * part
    return found


def apply(op: Elementwise, *args: Expr, **params: Any) -> Expr:
    """An op of the table, applied; what is an identity for all real numbers is done."""
    if op is log_ and args[0].single is not None:
        inner = _only(args[0], absolute)
        inside = _only(inner.args[0] if inner is not None else args[0], exp)
        if inside is not None:  # ln |exp(u)| is u
            return inside.args[0]
    if op is absolute and nonnegative(args[0]):
        return args[0]
    if op is absolute and args[0].single is not None:  # |−2 u| is 2 |u|
        size, bare = magnitude(args[0].single.number), Expr((Term(ONE, args[0].single.powers),))
        if size != args[0].single.number or size != 1:
            return number(size) * apply(absolute, bare)
    return Expr((Term(ONE, ((Applied(op, args, tuple(params.items())), ONE),)),))


def ln_abs(u: Expr) -> Expr:
    """ln |u|, without the bars where u can't be negative."""
    return apply(log_, apply(absolute, u))


def depends(factor: Factor) -> frozenset[Var]:
    if isinstance(factor, Var):
        return frozenset([factor])
    if isinstance(factor, Applied):
        return frozenset[Var]().union(*(a.variables for a in factor.args))
    found: frozenset[Var] = factor.variables
    return found


def nonnegative(u: Expr) -> bool:
    """Whether it is known to be at least 0 wherever it is a number."""
    by_parts = all(t.number > 0 and all(_factor_nonnegative(factor, n) for factor, n in t.powers) for t in u.terms)
    return by_parts or _no_real_roots(u)


def positive(u: Expr) -> bool:
    """Whether it is known to be above 0 wherever it is a number."""
    return _no_real_roots(u) or (nonnegative(u) and any(all(_above(factor) for factor, _ in t.powers) for t in u.terms))


def _above(factor: Factor) -> bool:
    if isinstance(factor, Expr):
        return positive(factor)
    return isinstance(factor, Applied) and (factor.op is exp or factor.op.image.low > 0)


def _no_real_roots(u: Expr) -> bool:
    """A quadratic above zero, such as x² + x + 1."""
    if len(u.variables) != 1:
        return False
    (x,) = u.variables
    found: dict[Exact, Exact] = {}
    for t in u.terms:
        if any(factor != x for factor, _ in t.powers):
            return False
        found[t.powers[0][1] if t.powers else 0] = t.number
    a, b, c = (found.get(n, 0) for n in (2, 1, 0))
    return set(found) <= {0, 1, 2} and a > 0 and b**2 < 4 * a * c


def _factor_nonnegative(factor: Factor, n: Exact) -> bool:
    if n.denominator > 1 or n % 2 == 0:
        return True
    if isinstance(factor, Expr):
        return nonnegative(factor)
    return isinstance(factor, Applied) and factor.op.image.low >= 0


def _only(u: Expr, op: Op) -> Applied | None:
    """The application that an expression is, if it is one of this op."""
    t = u.single
    if t is None or t.number != 1 or len(t.powers) != 1 or t.powers[0][1] != 1:
        return None
    factor = t.powers[0][0]
    return factor if isinstance(factor, Applied) and factor.op is op else None


def _changed(factor: Factor, change: Callable[[Factor], Expr | None]) -> Expr:
    found = change(factor)
    if found is not None:
        return found
    if isinstance(factor, Expr):
        return factor.rebuilt(change)
    if isinstance(factor, Applied):
        return apply(factor.op, *(a.rebuilt(change) for a in factor.args), **dict(factor.params))
    return var(factor)


def _size(factor: Factor) -> int:
    if isinstance(factor, Applied):
        return 1 + sum(a.size for a in factor.args)
    return factor.size if isinstance(factor, Expr) else 1


def _few(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if len(terms) > LARGEST:
        raise TooLarge
    return terms


def _as_term(u: Expr) -> Term:
    """One term: of a sum, what its terms share stands in front; whole numbers are left, the leading one positive."""
    if u.single is not None:
        return u.single
    front = shared(u.terms)
    back = Term(ONE, tuple((a, -n) for a, n in front.powers))
    inside = tuple(t * back for t in u.terms)
    content = Fraction(
        gcd(*(t.number.numerator for t in inside)), lcm(*(t.number.denominator for t in inside))
    )  # fmt: skip
    content = content if min(inside, key=_order).number > 0 else -content
    base = Expr(tuple(Term(_whole(Fraction(t.number) / content), t.powers) for t in inside))
    return Term(_whole(content), front.powers) * Term(ONE, ((base, ONE),))


def shared(terms: Sequence[Term]) -> Term:
    """The powers that all terms have; of 1 + 1/x, it is 1/x."""
    each: list[dict[Any, Exact]] = [dict(t.powers) for t in terms]
    least = {a: min(powers.get(a, 0) for powers in each) for powers in each for a in powers}
    return Term(ONE, tuple((a, n) for a, n in least.items() if n))


def _whole(n: Exact) -> Exact:
    return n.numerator if n.denominator == 1 else n


def _order(t: Term) -> tuple[Any, ...]:
    """An order of terms that does not depend on how they were written: by degree, then by what they are."""
    return (-sum(n for _, n in t.powers if n > 0), len(t.powers), _late_first(t))


def _late_first(t: Term) -> list[list[int]]:
    """The letters at the end of the alphabet are those that vary."""
    return sorted([-ord(c) for c in _text(factor)] for factor, _ in t.powers)


def _text(factor: Factor) -> str:
    if isinstance(factor, Var):
        return factor.name
    if isinstance(factor, Applied):
        return f"{factor.op.name}({', '.join(map(_text, factor.args))})"
    return " + ".join(sorted(f"{t.number}*{sorted((_text(f), str(n)) for f, n in t.powers)}" for t in factor.terms))


def _from_term(term: Term) -> Expr:
    """A number times a sum is the sum with that number in each term."""
    term = _cleared(term)
    if len(term.powers) == 1 and isinstance(term.powers[0][0], Expr) and term.powers[0][1] == 1:
        return Expr(tuple(t.scaled(term.number) for t in term.powers[0][0].terms))
    return Expr((term,))


def _cleared(term: Term) -> Term:
    """Whole powers of numbers under roots are numbers, and even powers lose their bars."""
    if len(term.powers) > LARGEST:
        raise TooLarge
    for factor, n in term.powers:
        if isinstance(factor, Applied) and factor.op is absolute and n.denominator == 1 and n % 2 == 0:  # |u|² is u²
            rest = Term(term.number, tuple(p for p in term.powers if p[0] is not factor))
            return _cleared(rest * _as_term(factor.args[0].to(n)))
        if isinstance(factor, Expr) and factor.number is not None and n.denominator == 1:
            rest = Term(term.number, tuple(p for p in term.powers if p[0] is not factor))
            return _cleared(rest * Term(Fraction(factor.number) ** int(n)))
    return term


def _root(u: Expr, n: Exact) -> Expr:
    """A power that is not whole: √(x²) is |x|, √(9/4) is 3/2; else it stays what it is."""
    c, t = u.number, u.single
    if c is not None:
        return _root_of_number(c, n)
    if t is None:
        return Expr((Term(ONE, ((u, n),)),))
    outside, inside = number(1), Term(t.number)
    if t.number > 0:
        outside, inside = number(t.number).to(n), Term()
    for factor, m in t.powers:
        if m % 2 == 0 and n.denominator == 2:
            outside = outside * apply(absolute, Expr((Term(ONE, ((factor, ONE),)),))).to(_whole(m * n))
        else:
            inside = inside * Term(ONE, ((factor, m),))
    if not inside.powers and inside.number == 1:
        return outside
    if inside.number == 1 and len(inside.powers) == 1 and inside.powers[0][1] == 1:
        return outside * Expr((Term(ONE, ((inside.powers[0][0], n),)),))
    return outside * Expr((Term(ONE, ((Expr((inside,)), n),)),))


def _root_of_number(c: Exact, n: Exact) -> Expr:
    """√(8/9) is 2 √2 / 3."""
    if c <= 0 or n.denominator != 2:
        return Expr((Term(ONE, ((number(c), n),)),))
    whole, rest = Fraction(1), c.numerator * c.denominator
    for p in _PRIMES:
        while rest % p**2 == 0:
            whole, rest = whole * p, rest // p**2
    if isqrt(rest) ** 2 == rest:
        whole, rest = whole * isqrt(rest), 1
    k = n.numerator
    front = (whole / c.denominator) ** k  # of √c, beside √rest
    if rest == 1:
        return number(_whole(front))
    return number(_whole(front * Fraction(rest) ** ((k - 1) // 2))) * Expr((Term(ONE, ((number(rest), HALF),)),))
