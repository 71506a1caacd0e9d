"""The rules of integration, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ..ir import ArrayType, Equation, Program, Var
from ..ops.elementary import cos, exp, sin
from ..trace.recorder import Recorder, Traced
from .algebra import Term, without
from .expression import Applied, Expr, Factor, apply, depends, ln_abs, number, product, shared, total, var, var_of
from .expression_program import read
from .integral_table import looked_up
from .integration import Goal, Move, Rule, Search
from .integration_fractions import completed_square, divided, numerator_apart, split
from .integration_parts import derivative, linear, moving, rewritten
from .integration_substitution import linear_substitution, shift, substitution
from .rules import name_of
from .shown import shown

SHORT = 5  # terms
HIGHEST = 12  # powers of sin and cos
PARTS_OF = frozenset({"exponential", "trigonometric", "hyperbolic"})  # integrated, while a polynomial is differentiated
PARTS_BY = frozenset({"logarithm", "inverse trigonometric", "inverse hyperbolic", "error function"})  # differentiated


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
        rule = f"integral of {name_of(e)}"
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


# --- by parts --------------------------------------------------------------------------------------------------------


def by_parts(search: Search, goal: Goal) -> Iterator[Move]:
    """∫ u v′ dx = u v − ∫ u′ v dx: a polynomial is u beside exp, sin, …, and v′ beside ln, arctan, …"""
    f, x = goal
    t = f.single
    if t is None:
        return
    polynomial = [(p, n) for p, n in t.powers if _is_polynomial(p, n, x)]
    others = [(p, n) for p, n in t.powers if (p, n) not in polynomial]
    if len(others) != 1 or not isinstance(others[0][0], Applied):
        return
    factor, n = others[0]
    if (
        factor.op is exp and n == 1 and linear(factor.args[0], x) is None
    ):  # x² exp(−x²) is x times the slope of exp(−x²)
        p = product(var_of(q).to(m) for q, m in polynomial)
        if dict(polynomial).get(x, 0) > 1:
            yield from _parts(search, x, p / var(x), var(x) * var_of(factor))
        return
    p, rest = product(var_of(q).to(m) for q, m in polynomial), var_of(factor).to(n)
    if (
        factor.op.rule in PARTS_OF
        and n == 1
        and polynomial
        and all(m > 0 and m.denominator == 1 for _, m in polynomial)
    ):
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
    t = goal.integrand.single
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
    new = others
    for p, n in waves:
        doubled = apply(cos, p.args[0] * number(2))
        half = (number(1) + doubled if p.op is cos else number(1) - doubled) / number(2)
        new = new * half.to(n // 2)
    said = {cos: "cos²(u) = (1 + cos(2 u)) / 2", sin: "sin²(u) = (1 − cos(2 u)) / 2"}
    statement = ", ".join(dict.fromkeys(said[p.op] for p, _ in waves))
    yield from rewritten("double angle", statement, goal, new.expanded())


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
    exponents_together, by_parts, exponential_times_wave, pythagoras, divided, split,
    numerator_apart, completed_square, multiplied_out, shift, multiplied_out_at_length, factored,
)  # fmt: skip


def culprit(search: Search, goal: Goal) -> Goal:
    """Of a sum that could not be done, the term at which it failed."""
    for rule in (linearity, constant_multiple):
        for move in rule(search, goal):
            for part in move.goals:
                if search.solve(part) is None:
                    return culprit(search, part)
    return goal
