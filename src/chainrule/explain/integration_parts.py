"""What the rules of integration are made of: derivatives, linear expressions, new letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..ir import ArrayType, Var
from ..ops.arithmetic import sign
from ..ops.elementary import arctan2
from ..transform.reverse import reached_from
from ..transform.simplify import simplify
from .algebra import ONE, Term, without
from .derive import forward_by_the_book
from .expression import Applied, Expr, depends, number, positive, total, var, var_of
from .expression_program import read, write
from .integration import Goal, Move
from .textbook import with_book_rules

JUMPING = frozenset({"step", "remainder", "cases"})
LETTERS = ("u", "v", "w", "s", "t", "p", "q", "r")


def derivative(u: Expr, v: Var) -> Expr:
    """By the rules of the engine."""
    others = sorted(u.variables | {v}, key=lambda w: (w.name, id(w)))
    program = with_book_rules(simplify(write(u, others)))
    at = others.index(v)
    if not program.equations:
        return number(1) if u == var(v) else number(0)
    return read(forward_by_the_book(program, program.inputs[at], reached_from(program, [at])))


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


def jump(u: Expr, v: Var) -> Expr | None:
    """A part that moves with the variable and may jump: between jumps any rule would hold, across them none does.

    The sign of an expression is let through: its antiderivative, the absolute value, has no break.
    """
    for t in u.terms:
        for factor, _ in t.powers:
            inner = factor.args if isinstance(factor, Applied) else (factor,) if isinstance(factor, Expr) else ()
            found = next((part for part in (jump(a, v) for a in inner) if part is not None), None)
            if found is None and isinstance(factor, Applied) and v in depends(factor) and _may_jump(factor):
                found = var_of(factor)
            if found is not None:
                return found
    return None


def _may_jump(factor: Applied) -> bool:
    if factor.op is arctan2:
        return not positive(factor.args[1])
    return factor.op.rule in JUMPING and factor.op is not sign
