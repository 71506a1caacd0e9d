"""What the explain layer says of a function, as the data of a report."""

from __future__ import annotations

from collections.abc import Iterable

from ..api import Call
from ..explain.backprop import Row as Backpropagated
from ..explain.differentials import Differential
from ..explain.explanation import explanation
from ..explain.formula import Formula as Typeset
from ..explain.layout import Box, equation
from ..trace.record import name_variables
from .problem import Problem
from .record import Explained, Formula, Math, Row, Step


def explained_by(problem: Problem) -> Explained:
    """The value and gradient as formulas, as code, and step by step."""
    call = Call(problem.function, problem.args, dict(problem.options), problem.positions)
    found = explanation(name_variables(call.program), call.wanted, call.inputs)
    return Explained(
        value=_formula(found.value),
        gradient=_formula(found.gradient),
        code=found.code.text.strip(),
        steps=tuple(map(_step, found.steps)),
        table=tuple(map(_row, found.backprop.rows)),
        where=_equations(found.backprop.where),
        cost=f"The value costs {found.cost}. The gradient costs {found.gradient_cost}.",
    )


def _formula(formula: Typeset) -> Formula:
    return Formula(formula.unicode, formula.latex, _equations(formula.heads), _equations(formula.where))


def _equations(pairs: Iterable[tuple[Box, Box]]) -> tuple[Math, ...]:
    return tuple(_math(equation(left, right)) for left, right in pairs)


def _math(box: Box) -> Math:
    return Math(box.unicode, box.latex, box.mathml)


def _step(step: Differential) -> Step:
    value, change = equation(step.name, step.value), equation(step.differential_name, step.differential)
    return Step(_math(value), _math(change), ", ".join(step.rules), step.line, _equations(step.where))


def _row(row: Backpropagated) -> Row:
    value = equation(row.name, row.formula) if row.formula is not None else row.name
    adjoint = _math(equation(row.adjoint_name, row.adjoint)) if row.adjoint is not None else None
    return Row(_math(value), row.shape, adjoint, row.size, row.adjoint_size, row.line)
