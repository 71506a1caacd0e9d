"""Functions of numbers as sums of products with exact numbers, which compare as mathematics: 2 x + 2 is 2 (1 + x).

An Expr is read from a Program, and written back as one; between the two, rules can ask whether it is linear, what its
factors are, and whether it equals another.

>>> from chainrule import trace
>>> f, g = (read(trace(f, 1.0)) for f in (lambda x: (2 * x + 2) * np.sqrt(x), lambda x: x**0.5 * (1 + x) / 0.5))
>>> x = trace(lambda x: x, 1.0).inputs[0]
>>> f.terms[0].number, len(f.terms[0].powers)
(2, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import e, gcd, isqrt, lcm
from typing import Any

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var
from ..ops.arithmetic import absolute, add, convert, divide, multiply, negative, power, power_of, subtract
from ..ops.elementary import exp, log_, sqrt
from ..ops.op import OPS, Elementwise, Op
from ..trace.recorder import Recorder
from .algebra import ONE, Exact, Term, collected, exact

SCALAR = ArrayType()
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
        return frozenset().union(*(depends(factor) for t in self.terms for factor, _ in t.powers))

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
        return Expr((_cleared(_as_term(self) * _as_term(other)),))

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
        found = _as_term(self).power(n)
        return Expr((_cleared(found),)) if found is not None else Expr((Term(ONE, ((self, n),)),))

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
        size, bare = abs(args[0].single.number), Expr((Term(ONE, args[0].single.powers),))
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
        return frozenset().union(*(a.variables for a in factor.args))
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
    each = [dict(t.powers) for t in terms]
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


def _cleared(term: Term) -> Term:
    """Whole powers of numbers under roots are numbers."""
    if len(term.powers) > LARGEST:
        raise TooLarge
    for factor, n in term.powers:
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


# --- from programs and back -------------------------------------------------------------------------------------------


def read(program: Program, inputs: Sequence[Expr] | None = None) -> Expr:
    """What a program of numbers computes; raises Unreadable, or TooLarge."""
    given = [var(v) for v in program.inputs] if inputs is None else inputs
    known: dict[Var, Expr] = dict(zip(program.inputs, given, strict=True))

    def of(a: Atom) -> Expr:
        if isinstance(a, Var):
            return known[a]
        value = exact(a.value.item()) if a.type.shape == () and a.type.dtype.kind in "fiu" else None
        if value is None:
            raise Unreadable("a constant that is not a finite real number")
        return number(value)

    for equation in program.equations:
        if any(a.type.shape for a in (*equation.inputs, *equation.outputs)):
            raise Unreadable("a part that is an array")
        known[equation.output] = _read(equation, [of(a) for a in equation.inputs])
        if known[equation.output].size > LARGEST:
            raise TooLarge
    return of(program.outputs[0])


def _read(equation: Equation, args: list[Expr]) -> Expr:
    op = OPS.get(equation.op.name, equation.op)
    how = _READ.get(op)
    if how is not None:
        return how(equation, args)
    if not isinstance(op, Elementwise):
        raise Unreadable(f"{op.name}, which is no function of numbers")
    return apply(op, *args, **equation.params)


def _read_power(equation: Equation, args: list[Expr]) -> Expr:
    base, exponent = args
    if exponent.number is not None:
        return base.to(exponent.number)
    if base.number is not None and float(base.number) == e:
        return apply(exp, exponent)
    return apply(power, base, exponent)


def _read_power_of(equation: Equation, args: list[Expr]) -> Expr:
    n = exact(equation.params["n"])
    if n is None or abs(n) > 1000:
        raise Unreadable("a power that is too large")
    return args[0].to(n)


_READ: dict[Op, Callable[[Equation, list[Expr]], Expr]] = {
    add: lambda equation, args: args[0] + args[1],
    subtract: lambda equation, args: args[0] - args[1],
    multiply: lambda equation, args: args[0] * args[1],
    divide: lambda equation, args: args[0] / args[1],
    negative: lambda equation, args: args[0] * number(-1),
    sqrt: lambda equation, args: args[0].to(HALF),
    convert: lambda equation, args: args[0],
    power: _read_power,
    power_of: _read_power_of,
}


class Writer:
    """Expressions written as equations, each once."""

    def __init__(self) -> None:
        self.recorder = Recorder(quiet=True)
        self.known: dict[Any, Atom] = {}

    def write(self, u: Expr) -> Atom:
        if u not in self.known:
            found: Atom | None = None
            first = next((i for i, t in enumerate(u.terms) if t.number > 0), 0)
            for t in (*u.terms[first : first + 1], *u.terms[:first], *u.terms[first + 1 :]):
                part = self._term(Term(abs(t.number), t.powers) if found is not None and t.number < 0 else t)
                if found is None:
                    found = part
                else:
                    found = self._emit(subtract if t.number < 0 else add, found, part)
            self.known[u] = found if found is not None else _const(0)
        return self.known[u]

    def _term(self, t: Term) -> Atom:
        t = _folded(t)
        above: list[Atom] = [] if t.number.numerator in (1, -1) and t.powers else [_const(abs(t.number.numerator))]
        below: list[Atom] = [] if t.number.denominator == 1 else [_const(t.number.denominator)]
        if t.number.denominator > 1000:
            above, below = [_const(abs(t.number))], []
        for factor, n in sorted(t.powers, key=_place):
            (above if n > 0 else below).append(self._power(factor, abs(n)))
        found = self._product(above or [_const(1)])
        if below:
            found = self._emit(divide, found, self._product(below))
        return self._emit(negative, found) if t.number < 0 else found

    def _product(self, atoms: Sequence[Atom]) -> Atom:
        first, *rest = atoms
        for a in rest:
            first = self._emit(multiply, first, a)
        return first

    def _power(self, factor: Factor, n: Exact) -> Atom:
        base = self._factor(factor)
        if n == 1:
            return base
        if n == HALF:
            return self._emit(sqrt, base)
        return self._emit(power_of, base, n=int(n) if n.denominator == 1 else float(n))

    def _factor(self, factor: Factor) -> Atom:
        if isinstance(factor, Var):
            return factor
        if isinstance(factor, Expr):
            return self.write(factor)
        if factor not in self.known:
            types = [np.dtype(d) for d in factor.op.operand_dtypes(tuple(self._dtypes(factor)))]
            args = [self.write(a) for a in factor.args]
            args = [
                Const(np.asarray(a.value, d)) if isinstance(a, Const) else a for a, d in zip(args, types, strict=True)
            ]
            self.known[factor] = self._emit(factor.op, *args, **dict(factor.params))
        return self.known[factor]

    def _dtypes(self, factor: Applied) -> list[Any]:
        return [self.write(a).type.dtype for a in factor.args]

    def _emit(self, op: Op, *atoms: Atom, **params: Any) -> Atom:
        return self.recorder.emit(op, atoms, params, None)[0]


def _folded(t: Term) -> Term:
    """A decimal takes the roots of numbers into itself."""
    if t.number.denominator <= 1000:
        return t
    roots = [(factor, n) for factor, n in t.powers if isinstance(factor, Expr) and factor.number is not None]
    value = float(t.number)
    for factor, n in roots:
        value *= float(factor.number) ** float(n)
    found = exact(value) if roots else None
    return t if found is None else Term(found, tuple(p for p in t.powers if p not in roots))


def _place(power: tuple[Factor, Exact]) -> int:
    """Of the factors of a product, numbers come first, then letters, sums, functions."""
    factor = power[0]
    if not depends(factor):
        return 0
    return 1 if isinstance(factor, Var) else 2 if isinstance(factor, Expr) else 3


def write(u: Expr, inputs: Sequence[Var], name: str = "f") -> Program:
    """The expression as a program of the inputs."""
    writer = Writer()
    output = writer.write(u)
    return Program(tuple(inputs), tuple(writer.recorder.equations), (output,), name)


def _const(value: Exact) -> Const:
    return Const(np.asarray(float(value)))
