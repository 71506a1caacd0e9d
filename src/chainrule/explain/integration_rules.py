"""The rules of integration, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ..ir import ArrayType, Equation, Program, Var
from ..ops.elementary import cos, exp, sin
from ..trace.recorder import Recorder, Traced
from ..transform.simplify import simplify
from . import integration_fractions as fractions_
from .algebra import ONE, Term, without
from .derive import _forward
from .expression import Applied, Expr, Factor, apply, depends, ln_abs, number, product, read, shared, total, var, write
from .integral_table import looked_up
from .integration import Combine, Goal, Move, Rule, Search
from .shown import shown
from .textbook import with_book_rules
from .rules import _name
from ..transform.reverse import reached_from

LETTERS = ("u", "v", "w", "s", "t", "p", "q", "r")
SHORT = 5  # terms
HIGHEST = 12  # powers of sin and cos
PARTS_OF = frozenset({"exponential", "trigonometric", "hyperbolic"})  # integrated, while a polynomial is differentiated
PARTS_BY = frozenset({"logarithm", "inverse trigonometric", "inverse hyperbolic", "error function"})  # differentiated


def derivative(u: Expr, v: Var) -> Expr:
    """By the rules of the engine."""
    others = sorted(u.variables | {v}, key=lambda w: (w.name, id(w)))
    program = with_book_rules(simplify(write(u, others)))
    at = others.index(v)
    if not program.equations:
        return number(1) if u == var(v) else number(0)
    return read(_forward(program, program.inputs[at], reached_from(program, [at])))


def moving(t: Term, v: Var) -> Term:
    """The factors that change with the variable."""
    return Term(ONE, tuple((factor, n) for factor, n in t.powers if v in depends(factor)))


def linear(u: Expr, v: Var) -> tuple[Expr, Expr] | None:
    """a and b of u = a v + b, if that is what it is, with a ≠ 0."""
    a: list[Expr] = []
    b: list[Expr] = []
    for t in u.expanded().terms:
        if v not in Expr((t,)).variables:
            b.append(Expr((t,)))
        elif (v, 1) in t.powers and v not in Expr((without(t, Term(ONE, ((v, 1),))),)).variables:
            a.append(Expr((without(t, Term(ONE, ((v, 1),))),)))
        else:
            return None
    return (total(a), total(b)) if a else None


def fresh(*expressions: Expr) -> Var:
    """A variable whose name is not taken."""
    taken = {w.name for u in expressions for w in u.variables}
    return Var(ArrayType(), next(letter for letter in (*LETTERS, "u_new") if letter not in taken))


def same(results: Sequence[Expr]) -> Expr:
    (found,) = results
    return found


def rewritten(rule: str, statement: str, goal: Goal, new: Expr) -> Iterator[Move]:
    """The same integrand in another form."""
    if new != goal.integrand:
        yield Move(rule, statement, (Goal(new, goal.variable),), same)


# --- the rules that take a sum or a product apart --------------------------------------------------------------------


def constant(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    if x not in f.variables:
        yield Move("constant rule", f"∫ c d{x.name} = c {x.name}", (), lambda results: f * var(x))


def linearity(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    if len(f.terms) > 1:
        still = tuple(t for t in f.terms if x not in Expr((t,)).variables)
        parts = [Expr((t,)) for t in f.terms if t not in still] + ([Expr(still)] if still else [])
        if len(parts) > 1:
            statement = f"∫ (u + v) d{x.name} = ∫ u d{x.name} + ∫ v d{x.name}"
            yield Move("sum rule", statement, tuple(Goal(part, x) for part in parts), total)


def constant_multiple(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    if f.single is not None:
        inner = moving(f.single, x)
        front = Expr((Term(f.single.number, without(f.single, inner).powers),))
        if inner.powers and front.number != 1:
            statement = f"∫ c u d{x.name} = c ∫ u d{x.name}"
            yield Move("constant multiple rule", statement, (Goal(Expr((inner,)), x),), lambda r: front * r[0])


# --- integrals that are known ----------------------------------------------------------------------------------------


def power_rule(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    t = f.single
    if t is None or len(t.powers) != 1 or t.powers[0][0] != x or t.number != 1:
        return
    n, name = t.powers[0][1], x.name
    if n == -1:
        whole = ln_abs(var(x))
        yield Move("power rule with n = −1", f"∫ 1/{name} d{name} = ln|{name}|", (), lambda results: whole)
    else:
        whole = var(x).to(n + 1) / number(n + 1)
        statement = f"∫ {name}ⁿ d{name} = {name}ⁿ⁺¹/(n + 1) for n ≠ −1"
        yield Move("power rule", statement, (), lambda results: whole)


def stated(search: Search, goal: Goal) -> Iterator[Move]:
    """A function of the variable itself, whose entry in the op table states its antiderivative."""
    f, x = goal
    t = f.single
    if t is None or t.number != 1 or len(t.powers) != 1 or t.powers[0][1] != 1:
        return
    factor = t.powers[0][0]
    if not isinstance(factor, Applied) or factor.op.antiderivative is None:
        return
    places = [i for i, a in enumerate(factor.args) if x in a.variables]
    if len(places) != 1 or factor.args[places[0]] != var(x):
        return
    whole = entry_antiderivative(factor, places[0])
    if whole is None:
        return
    e = Equation(factor.op, (), (), dict(factor.params))
    if factor.op.rule == "general power":
        rule = "power rule" if places[0] == 0 else "exponential rule"
    else:
        rule = f"integral of {_name(e)}"
    yield Move(rule, f"∫ {shown(f)} d{x.name} = {shown(whole)}", (), lambda results: whole)


def entry_antiderivative(factor: Applied, place: int) -> Expr | None:
    """What an entry states, as an expression."""
    recorder = Recorder(quiet=True)
    inputs = [recorder.input(ArrayType()) for _ in factor.args]
    params = dict(factor.params)
    atoms = tuple(v.atom for v in inputs)
    (output,) = recorder.emit(factor.op, atoms, params, None)
    found = factor.op.antiderivatives(inputs, Traced(recorder, output), **params)[place]
    if found is None:
        return None
    letters = tuple(a for a in atoms if isinstance(a, Var))
    return read(Program(letters, tuple(recorder.equations), (recorder.atom(found),)), factor.args)


def table(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    whole = looked_up(f, x)
    if whole is not None:
        found = whole
        yield Move("table of integrals", f"∫ {shown(f)} d{x.name} = {shown(found)}", (), lambda results: found)


# --- substitution ----------------------------------------------------------------------------------------------------


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
        statement = f"∫ h({u.name}) {u.name}′ d{x.name} = ∫ h({u.name}) d{u.name} with {u.name} = {shown(inner)}, {u.name}′ = {shown(slope)}"
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
                if isinstance(factor, Applied) and x in depends(factor):
                    found.append(var_of(factor))
    yield from dict.fromkeys(found)


def var_of(factor: Factor) -> Expr:
    return Expr((Term(ONE, ((factor, ONE),)),))


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
    """f with u wherever the inner function stands, also in powers: x⁴ is u² for u = x², exp(2 x) is u² for u = exp(x)."""
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
        ratio = _number_ratio(factor, inner) if isinstance(factor, Expr) else None
        return None if ratio is None else number(ratio) * var(u)

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
            elif isinstance(factor, Applied) and (k := _exponential_ratio(factor, own)) is not None:
                factors.append(var(u).to(int(k)).to(n))
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


# --- by parts --------------------------------------------------------------------------------------------------------


def by_parts(search: Search, goal: Goal) -> Iterator[Move]:
    """∫ u v′ dx = u v − ∫ u′ v dx: of a polynomial times exp, sin, …, the polynomial is u; times ln, arctan, … it is v′."""
    f, x = goal
    t = f.single
    if t is None:
        return
    polynomial = [(p, n) for p, n in t.powers if _is_polynomial(p, n, x)]
    others = [(p, n) for p, n in t.powers if (p, n) not in polynomial]
    if len(others) != 1 or not isinstance(others[0][0], Applied):
        return
    factor, n = others[0]
    p, rest = product(var_of(q).to(m) for q, m in polynomial), var_of(factor).to(n)
    if factor.op.rule in PARTS_OF and n == 1 and polynomial and all(m > 0 and m.denominator == 1 for _, m in polynomial):
        yield from _parts(search, x, p, rest)
    elif factor.op.rule in PARTS_BY and n.denominator == 1 and n > 0:
        yield from _parts(search, x, rest, p)


def _is_polynomial(factor: Factor, n: Fraction | int, x: Var) -> bool:
    if factor == x:
        return True
    return isinstance(factor, Expr) and n.denominator == 1 and linear(factor, x) is not None


def _parts(search: Search, x: Var, u: Expr, dv: Expr) -> Iterator[Move]:
    inner = search.solve(Goal(dv, x))
    if inner is None:
        return
    v = inner.result
    rest = derivative(u, x) * v
    rest = rest.expanded() if rest.single is not None and len(rest.single.powers) > 1 else rest
    statement = f"∫ u v′ d{x.name} = u v − ∫ u′ v d{x.name} with u = {shown(u)}, v′ = {shown(dv)}, v = {shown(v)}"
    yield Move("integration by parts", statement, (Goal(rest, x),), lambda r: u * v - r[0], before=(inner,))


def exponential_times_wave(search: Search, goal: Goal) -> Iterator[Move]:
    """exp(a x) sin(b x) and exp(a x) cos(b x): by parts twice, the integral comes back, and can be solved for."""
    f, x = goal
    t = f.single
    if t is None or t.number != 1 or len(t.powers) != 2 or any(n != 1 for _, n in t.powers):
        return
    waves = {p.op: p for p, _ in t.powers if isinstance(p, Applied)}
    wave = waves.get(sin) or waves.get(cos)
    if exp not in waves or wave is None:
        return
    outer, inner = linear(waves[exp].args[0], x), linear(wave.args[0], x)
    if outer is None or inner is None:
        return
    a, b, at = outer[0], inner[0], wave.args[0]
    s, c = apply(sin, at), apply(cos, at)
    turned = a * s - b * c if wave.op is sin else a * c + b * s
    whole = var_of(waves[exp]) * turned / (a * a + b * b)
    statement = f"by parts twice the same integral comes back: solved for it, ∫ = {shown(whole)}"
    yield Move("integration by parts, twice", statement, (), lambda results: whole)


# --- other forms of the same -----------------------------------------------------------------------------------------


def exponents_together(search: Search, goal: Goal) -> Iterator[Move]:
    f, x = goal
    t = f.single
    if t is None:
        return
    powers = [(p, n) for p, n in t.powers if isinstance(p, Applied) and p.op is exp]
    if len(powers) > 1 or (powers and powers[0][1] != 1):
        exponent = total(p.args[0] * number(n) for p, n in powers)
        rest = Term(t.number, tuple(q for q in t.powers if q not in powers))
        new = Expr((rest,)) * (apply(exp, exponent) if exponent.terms else number(1))
        yield from rewritten("laws of exponents", "exp(u) exp(v) = exp(u + v), exp(u)ⁿ = exp(n u)", goal, new)


def double_angle(search: Search, goal: Goal) -> Iterator[Move]:
    """sin² and cos² by the cosine of the double angle: powers fall by half."""
    waves, others = _waves(goal)
    if not waves or any(n % 2 for _, n in waves):
        return
    p, n = waves[0]
    doubled = apply(cos, p.args[0] * number(2))
    half = (number(1) + doubled if p.op is cos else number(1) - doubled) / number(2)
    rest = product(var_of(q).to(m) for q, m in waves[1:])
    name, sign = ("cos", "+") if p.op is cos else ("sin", "−")
    statement = f"{name}²(u) = (1 {sign} cos(2 u)) / 2"
    yield from rewritten("double angle", statement, goal, (others * rest * half.to(n // 2)).expanded())


def pythagoras(search: Search, goal: Goal) -> Iterator[Move]:
    """Of an odd power of sin or cos, all but one become powers of the other."""
    waves, others = _waves(goal)
    odd = [(p, n) for p, n in waves if n % 2 and n > 1]
    if not odd:
        return
    p, n = odd[0]
    other = apply(cos if p.op is sin else sin, *p.args)
    rest = product(var_of(q).to(m) for q, m in waves if q is not p)
    new = others * rest * var_of(p) * (number(1) - other * other).to((n - 1) // 2)
    statement = "sin²(u) = 1 − cos²(u)" if p.op is sin else "cos²(u) = 1 − sin²(u)"
    yield from rewritten("theorem of Pythagoras", statement, goal, new)


def _waves(goal: Goal) -> tuple[list[tuple[Applied, int]], Expr]:
    """The powers of sin and cos in a product, all of one argument that moves; and the rest."""
    t = goal.integrand.single
    powers = t.powers if t is not None else ()
    waves = [
        (p, int(n))
        for p, n in powers
        if isinstance(p, Applied) and p.op in (sin, cos) and n > 0 and n.denominator == 1 and n <= HIGHEST
        and goal.variable in depends(p)
    ]  # fmt: skip
    if t is None or len({p.args for p, _ in waves}) != 1:
        return [], number(1)
    own = {p for p, _ in waves}
    return waves, product([number(t.number), *(var_of(q).to(m) for q, m in powers if q not in own)])


def multiplied_out(search: Search, goal: Goal) -> Iterator[Move]:
    new = goal.integrand.expanded()
    if len(new.terms) <= SHORT:
        yield from rewritten("multiply out", "", goal, new)


def multiplied_out_at_length(search: Search, goal: Goal) -> Iterator[Move]:
    yield from rewritten("multiply out", "", goal, goal.integrand.expanded())


def factored(search: Search, goal: Goal) -> Iterator[Move]:
    """The opposite: what all terms share, in front."""
    f, x = goal
    if len(f.terms) > 1:
        front = moving(shared(f.terms), x)
        if front.powers:
            new = Expr((front,)) * Expr(tuple(without(t, front) for t in f.terms))
            yield from rewritten("factor out", "", goal, new)


RULES: tuple[Rule, ...] = (
    constant, linearity, constant_multiple, power_rule, stated, table, double_angle, linear_substitution, substitution,
    exponents_together, by_parts, exponential_times_wave, pythagoras, fractions_.divided, fractions_.split,
    fractions_.numerator_apart, fractions_.completed_square, multiplied_out, shift, multiplied_out_at_length, factored,
)  # fmt: skip


def culprit(search: Search, goal: Goal) -> Goal:
    """Of a sum that could not be done, the term at which it failed."""
    for rule in (linearity, constant_multiple):
        for move in rule(search, goal):
            for part in move.goals:
                if search.solve(part) is None:
                    return culprit(search, part)
    return goal
