"""The rules of substitution: u = a x + b, and u = g(x) beside g′(x)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ..ir import Var
from ..ops.elementary import exp
from .expression import Applied, Expr, Factor, apply, depends, number, product, total, var, var_of
from .integration import Combine, Goal, Move, Search
from .integration_parts import derivative, fresh, linear
from .shown import shown


def inner_functions(f: Expr, x: Var) -> Iterator[Expr]:
    """What stands inside the factors: arguments of functions, bases of powers."""
    seen: dict[Expr, None] = {}
    for t in f.terms:
        for factor, _ in t.powers:
            inside = factor.args if isinstance(factor, Applied) else (factor,) if isinstance(factor, Expr) else ()
            seen.update(dict.fromkeys(u for u in inside if x in u.variables))
    yield from seen


def linear_substitution(search: Search, goal: Goal) -> Iterator[Move]:
    """u = a x + b, where the variable stands nowhere else."""
    for move, alone in _linear_substitutions(goal):
        if alone:
            yield move


def shift(search: Search, goal: Goal) -> Iterator[Move]:
    """u = a x + b, where the variable stands elsewhere, too: there it is (u − b) / a."""
    for move, alone in _linear_substitutions(goal):
        if not alone:
            yield move


def _linear_substitutions(goal: Goal) -> Iterator[tuple[Move, bool]]:
    f, x = goal
    if f.single is None:
        return
    for inner in inner_functions(f, x):
        found = linear(inner, x)
        if found is None or inner == var(x):
            continue
        a, b = found
        u = fresh(f)
        back = (var(u) - b) / a if b.terms else var(u) / a
        changed = f.replaced({x: back}) / a
        statement = f"{u.name} = {shown(inner)}, d{u.name} = {_front(a)}d{x.name}"
        move = Move("linear substitution", statement, (Goal(changed, u),), _undone(u, inner), substituted=(u, inner))
        yield move, x not in in_terms_of(f, inner, u).variables


def _front(a: Expr) -> str:
    text = shown(a)
    return "" if text == "1" else "−" if text == "−1" else f"({text}) " if "+" in text else f"{text} "


def _undone(u: Var, inner: Expr) -> Combine:
    return lambda results: results[0].replaced({u: inner})


def substitution(search: Search, goal: Goal) -> Iterator[Move]:
    """∫ h(g(x)) g′(x) dx = ∫ h(u) du: with each g that stands in the integrand, if nothing of x remains."""
    f, x = goal
    if f.single is None:
        return
    for inner in _candidates(f, x):
        slope = derivative(inner, x)
        if not slope.terms or inner.size > 40:
            continue
        u = fresh(f)
        rest = in_terms_of(f / slope, inner, u)
        if x in rest.variables:
            rest = in_terms_of(_cancelled(f, slope), inner, u)
        if x in rest.variables:
            continue
        letter = u.name
        statement = f"∫ h({letter}) {letter}′ d{x.name} = ∫ h({letter}) d{letter}"
        statement += f" with {letter} = {shown(inner)}, {letter}′ = {shown(slope)}"
        yield Move("substitution", statement, (Goal(rest, u),), _undone(u, inner), substituted=(u, inner))


def _candidates(f: Expr, x: Var) -> Iterator[Expr]:
    plain = {factor for t in f.terms for factor, n in t.powers if n == 1 and isinstance(factor, Expr)}
    found = [inner for inner in inner_functions(f, x) if linear(inner, x) is None and inner not in plain]
    for t in f.terms:
        for factor, n in t.powers:
            if isinstance(factor, Applied) and x in depends(factor):
                found.append(var_of(factor))
            if factor == x and n.denominator > 1:
                found.append(var(x).to(Fraction(1, n.denominator)))
    found += [inner for inner in plain if linear(inner, x) is None]
    for inner in list(found):  # of 1 + x⁴, also x²
        for t in inner.terms:
            for factor, n in t.powers:
                if factor == x and n.denominator == 1 and n % 2 == 0 and n > 2:
                    found.append(var(x).to(2))
                if factor == x and n.denominator > 1:
                    found.append(var(x).to(Fraction(1, n.denominator)))
                if isinstance(factor, Applied) and x in depends(factor):
                    found.append(var_of(factor))
    yield from dict.fromkeys(found)


def _cancelled(f: Expr, slope: Expr) -> Expr:
    """f / slope where both are sums of the same terms but for a number."""
    numerator, denominator = f.expanded(), slope.expanded()
    if len(numerator.terms) != len(denominator.terms) or not denominator.terms:
        return f / slope
    by_key = {t.key: t.number for t in denominator.terms}
    ratios = {Fraction(t.number) / by_key[t.key] if t.key in by_key else None for t in numerator.terms}
    ratio = ratios.pop()
    return number(ratio) if not ratios and ratio is not None else f / slope


def in_terms_of(f: Expr, inner: Expr, u: Var) -> Expr:
    """f with u wherever the inner function stands, also in powers: of u = x², x⁴ is u²."""
    t = inner.single
    if t is not None and t.number == 1 and len(t.powers) == 1:
        return _powers_replaced(f, t.powers[0], u)
    return _sums_replaced(f, inner, u)


def _sums_replaced(f: Expr, inner: Expr, u: Var) -> Expr:
    """A sum, as the base of a power or the argument of a function."""

    def change(factor: Factor) -> Expr | None:
        if isinstance(factor, Applied) and inner in factor.args:
            args = [var(u) if a == inner else a.rebuilt(change) for a in factor.args]
            return apply(factor.op, *args, **dict(factor.params))
        found = _number_ratio(factor, inner) if isinstance(factor, Expr) else None
        return None if found is None else number(found) * var(u)

    return f.rebuilt(change)


def _powers_replaced(f: Expr, base: tuple[Factor, Fraction | int], u: Var) -> Expr:
    """Powers of u = gᵐ in the place of powers of g that are multiples of m."""
    own, m = base
    parts = []
    for t in f.terms:
        factors = [number(t.number)]
        for factor, n in t.powers:
            if factor == own:
                k = Fraction(n) / m
                factors.append(var(u).to(int(k)) if k.denominator == 1 else var_of(factor).to(n))
            elif isinstance(factor, Expr):
                factors.append(_powers_replaced(factor, base, u).to(n))
            elif isinstance(factor, Applied) and (times := _exponential_ratio(factor, own)) is not None:
                factors.append(var(u).to(int(times)).to(n))
            elif isinstance(factor, Applied):
                args = [_powers_replaced(a, base, u) for a in factor.args]
                factors.append(apply(factor.op, *args, **dict(factor.params)).to(n))
            else:
                factors.append(var_of(factor).to(n))
        parts.append(product(factors))
    return total(parts)


def _exponential_ratio(factor: Applied, own: Factor) -> Fraction | None:
    """n of exp(n u), beside exp(u)."""
    if not isinstance(own, Applied) or own.op is not exp or factor.op is not exp:
        return None
    ratio = _number_ratio(factor.args[0], own.args[0])
    return ratio if ratio is not None and ratio.denominator == 1 else None


def _number_ratio(a: Expr, b: Expr) -> Fraction | None:
    """a / b where that is a number."""
    if len(a.terms) != len(b.terms) or not b.terms:
        return None
    by_key = {t.key: t.number for t in b.terms}
    ratios = {Fraction(t.number) / by_key[t.key] if t.key in by_key else None for t in a.terms}
    return ratios.pop() if len(ratios) == 1 else None
