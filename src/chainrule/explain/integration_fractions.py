"""Fractions of polynomials, and squares completed: the rules of integration that need roots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ..ir import Var
from ..ops.elementary import exp
from .algebra import ONE, Exact, Term, magnitude
from .expression import HALF, Applied, Expr, Factor, apply, nonnegative, number, product, total, var
from .integration import Goal, Move, Search
from .integration_parts import fresh
from .polynomials import coefficients, divide, factored, polynomial, solve, times
from .shown import shown

Coefficients = Sequence[Fraction]
Denominator = list[tuple[Coefficients, int]]  # factors with their exponents
HIGHEST = 8


def _ratio(goal: Goal) -> tuple[Coefficients, Denominator] | None:
    """P and the factors of Q, where the integrand is P / Q with numbers as coefficients."""
    f, x = goal
    t = f.single
    if t is None:
        return None
    top: Coefficients = (Fraction(t.number),)
    below: Denominator = []
    for factor, n in t.powers:
        inside = coefficients(factor if isinstance(factor, Expr) else Expr((Term(ONE, ((factor, ONE),)),)), x)
        if inside is None or n.denominator > 1 or magnitude(n) > HIGHEST:
            return None
        if n < 0:
            below.append((inside, -int(n)))
        for _ in range(int(n) if n > 0 else 0):
            top = times(top, inside)
    degree = sum((len(q) - 1) * n for q, n in below)
    return (top, below) if below and degree <= HIGHEST and len(top) <= 2 * HIGHEST else None


def _over(top: Expr, below: Denominator, x: Var) -> Expr:
    return top * product(polynomial(q, x).to(-n) for q, n in below)


def _whole(below: Denominator) -> Coefficients:
    found: Coefficients = (Fraction(1),)
    for q, n in below:
        for _ in range(n):
            found = times(found, q)
    return found


def divided(search: Search, goal: Goal) -> Iterator[Move]:
    """P / Q = S + R / Q, with the degree of R below that of Q."""
    found = _ratio(goal)
    if found is None:
        return
    top, below = found
    bottom = _whole(below)
    if len(top) < len(bottom):
        return
    quotient, rest = divide(top, bottom)
    x = goal.variable
    new = polynomial(quotient, x) + _over(polynomial(rest, x), below, x)
    yield Move("polynomial division", f"the integrand is {shown(new)}", (Goal(new, x),), lambda r: r[0])


def split(search: Search, goal: Goal) -> Iterator[Move]:
    """Partial fractions: a denominator of several factors is a sum of fractions with one each."""
    found = _ratio(goal)
    if found is None:
        return
    top, below = found
    factors: dict[tuple[Fraction, ...], int] = {}
    front = Fraction(1)
    for q, n in below:
        lead, each = factored(q)
        front *= lead**n
        for part in each:
            factors[tuple(part)] = factors.get(tuple(part), 0) + n
    if len(factors) < 2 or len(top) > sum((len(q) - 1) * n for q, n in factors.items()):
        return
    pieces = [(q, j) for q, n in factors.items() for j in range(1, n + 1)]
    columns: list[tuple[tuple[Fraction, ...], int, int]] = []  # the factor, its power, the power of x above
    columns += [(q, j, k) for q, j in pieces for k in range(len(q) - 1)]
    bottom = _whole(list(factors.items()))
    products = []
    for q, j, k in columns:
        rest, _ = divide(bottom, _whole([(q, j)]))
        products.append(times(rest, (*[Fraction(0)] * k, Fraction(1))))
    found_coefficients = solve(products, [c / front for c in top], len(bottom) - 1)
    if found_coefficients is None:
        return
    x = goal.variable
    new = total(
        polynomial([c if i == k else Fraction(0) for i in range(k + 1)], x) * polynomial(q, x).to(-j)
        for (q, j, k), c in zip(columns, found_coefficients, strict=True)
    )
    yield Move("partial fractions", f"the integrand is {shown(new)}", (Goal(new, x),), lambda r: r[0])


def numerator_apart(search: Search, goal: Goal) -> Iterator[Move]:
    """(a x + b) / q: a multiple of q′ / q, and a number over q."""
    found = _ratio(goal)
    if found is None:
        return
    top, below = found
    if len(top) != 2 or len(below) != 1 or len(below[0][0]) != 3:
        return
    (q, n), x = below[0], goal.variable
    slope = (q[1], 2 * q[2])
    front = top[1] / slope[1]
    rest = top[0] - front * slope[0]
    if rest == 0:
        return
    whole = polynomial(q, x).to(-n)
    new = number(front) * (polynomial(slope, x) * whole) + number(rest) * whole
    statement = f"{shown(polynomial(top, x))} = {shown(number(front))} ({shown(polynomial(slope, x))})"
    sign, size = ("−", -rest) if rest < 0 else ("+", rest)
    statement += f" {sign} {shown(number(size))}, where {shown(polynomial(slope, x))} is the slope of the denominator"
    yield Move("the denominator's slope apart", statement, (Goal(new, x),), lambda r: r[0])


def completed_square(search: Search, goal: Goal) -> Iterator[Move]:
    """p x² + r x + c = p ((x + h)² + k): with u = (x + h) / √|k| only u² ± 1 is left."""
    f, x = goal
    t = f.single
    if t is None or len(t.powers) != 1:
        return
    factor, n = t.powers[0]
    if isinstance(factor, Applied) and factor.op is exp and n == 1:
        yield from _gaussian(goal, factor.args[0])
        return
    found = _quadratic(factor, x) if isinstance(factor, Expr) else None
    if found is None or (2 * n).denominator > 1:
        return
    p, r, c = found
    h = r / (p * number(2))
    k = c / p - h * h
    upwards, above = _sign(p), _sign(k)
    if upwards == 0 or (above == 0 and k.terms):
        return
    if not k.terms:
        if n.denominator == 1 and r.terms:
            new = p.to(n) * (var(x) + h).to(2 * n)
            yield Move("complete the square", f"{shown(factor)} is a square", (Goal(new, x),), lambda s: s[0])
        return
    size = k * number(above)
    scale = size.to(HALF)
    if not h.terms and size.number == 1:
        return
    u = fresh(f)
    rest = (var(u).to(2) + number(above)) * number(upwards)
    front = (p * number(upwards) * size).to(n) * scale
    new = front * rest.to(n)
    yield _substituted(goal, factor, u, (var(x) + h) / scale, new)


def _gaussian(goal: Goal, exponent: Expr) -> Iterator[Move]:
    """exp(−p (x + h)² + k) = exp(k) exp(−u²)"""
    f, x = goal
    found = _quadratic(exponent, x)
    if found is None or _sign(found[0]) != -1:
        return
    p, r, c = found
    h = r / (p * number(2))
    scale = (p * number(-1)).to(HALF)
    if not h.terms and scale.number == 1 and not c.terms:
        return
    u = fresh(f)
    k = c - p * h * h
    new = apply(exp, var(u).to(2) * number(-1)) / scale
    if k.terms:
        new = new * apply(exp, k)
    yield _substituted(goal, exponent, u, (var(x) + h) * scale, new)


def _substituted(goal: Goal, quadratic: Expr, u: Var, inner: Expr, new: Expr) -> Move:
    statement = f"in {shown(quadratic)} put {u.name} = {shown(inner)}"
    return Move(
        "complete the square", statement, (Goal(new, u),), lambda r: r[0].replaced({u: inner}), substituted=(u, inner)
    )


def _quadratic(u: Expr, x: Var) -> tuple[Expr, Expr, Expr] | None:
    """p, r, c of p x² + r x + c, with p ≠ 0; they may hold other names."""
    parts: dict[Exact, list[Expr]] = {0: [], 1: [], 2: []}
    for t in u.expanded().terms:
        powers: dict[Factor, Exact] = dict(t.powers)
        n = powers.get(x, 0)
        rest = Expr((Term(t.number, tuple(q for q in t.powers if q[0] != x)),))
        if n not in parts or x in rest.variables:
            return None
        parts[n].append(rest)
    p, r, c = (total(parts[n]) for n in (2, 1, 0))
    return (p, r, c) if p.terms else None


def _sign(u: Expr) -> int:
    """1 or −1 where the sign is known, else 0."""
    return 0 if not u.terms else 1 if nonnegative(u) else -1 if nonnegative(u * number(-1)) else 0
