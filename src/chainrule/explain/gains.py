"""How large gradients are on their way back: the norm of every adjoint, and by which factor each step changes it.

Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", 1991; Bengio, Simard & Frasconi, "Learning long-term
dependencies with gradient descent is difficult", 1994.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from ..draw import Figure, Line, Points
from ..ir import Program, Var
from ..trace.size import norm
from . import lines
from .backprop import Sweep, sweep
from .formula import Typesetter
from .layout import Box, number
from .terminal import columns

FACTOR = 1000.0  # how much smaller or larger is called vanishing or exploding


@dataclass(frozen=True)
class ParameterNorm:
    """The Euclidean norm of the gradient in one parameter, beside that of the parameter itself."""

    name: str
    shape: tuple[int, ...]
    gradient: float
    value: float


@dataclass(frozen=True)
class ValueNorm:
    """A value on the way to the result: the norms of it and of its adjoint.

    `gain` is the norm of the adjoint divided by that of the adjoints of all values that are computed from it: what this
    step back multiplies the gradient by. It is None for the result, and where there is nothing to divide by. `enters`
    says that this is where a parameter meets other values.
    """

    name: str
    formula: str
    shape: tuple[int, ...]
    line: str
    value: float
    adjoint: float
    gain: float | None
    enters: bool


@dataclass(frozen=True)
class GradientNorms:
    """What `cr.gradient_norms` answers: `parameters` in the order of `wrt`, `values` in the order of the program.

    `verdict` compares adjoints of the values where parameters enter with that of the last of them: "vanishing" if one
    is less than 1/1000 of it, "exploding" if one is more than 1000 times as large, "both", else "steady". It is "not
    finite" if a NaN or an infinite number was met, and "undecided" if there is nothing to compare. `ratio` is the
    quotient that decided, and `reason` says it in words.
    """

    parameters: tuple[ParameterNorm, ...]
    values: tuple[ValueNorm, ...]
    verdict: str
    ratio: float | None
    reason: str

    @property
    def total(self) -> float:
        """The norm of the whole gradient."""
        return math.hypot(*(p.gradient for p in self.parameters))

    def __str__(self) -> str:
        parameters = [["parameter", "shape", "‖gradient‖", "‖parameter‖"]]
        parameters += [[p.name, _shape(p.shape), _short(p.gradient), _short(p.value)] for p in self.parameters]
        values = [["value", "shape", "‖value‖", "‖adjoint‖", "gain", "line"]]
        values += [
            [f"{v.name} = {v.formula}", _shape(v.shape), _short(v.value), _short(v.adjoint), _short(v.gain), v.line]
            for v in self.values
        ]
        return "\n".join([f"{self.verdict}: {self.reason}", "", *columns(parameters), "", *columns(values)])

    def _repr_html_(self) -> str:
        parameters = [(p.name, _shape(p.shape), _short(p.gradient), _short(p.value)) for p in self.parameters]
        values = [
            (f"{v.name} = {v.formula}", _shape(v.shape), _short(v.value), _short(v.adjoint), _short(v.gain), v.line)
            for v in self.values
        ]
        return (
            f"<p>{escape(f'{self.verdict}: {self.reason}')}</p>"
            f"{_table(('parameter', 'shape', '‖gradient‖', '‖parameter‖'), parameters)}"
            f"{_table(('value', 'shape', '‖value‖', '‖adjoint‖', 'gain', 'line'), values)}{self.figure.svg()}"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def figure(self) -> Figure:
        """The norm of the adjoint of each value, from the first to the result; marks where parameters enter."""
        steps = range(1, len(self.values) + 1)
        enters = [(n, v.adjoint) for n, v in zip(steps, self.values, strict=True) if v.enters]
        marks = [
            Line(list(steps), [v.adjoint for v in self.values], "adjoint of the value"),
            Points([n for n, _ in enters], [a for _, a in enters], "a parameter enters here"),
        ]
        return Figure(
            f"How large the gradient is at each step: {self.verdict}", marks, "step of the program", "‖adjoint‖",
            log_y=any(v.adjoint > 0 for v in self.values), description=f"{self.verdict}: {self.reason}",
        )  # fmt: skip


def gradient_norms(
    program: Program, wanted: Sequence[int], values: Sequence[Any], names: Sequence[str]
) -> GradientNorms:
    """The norms of a program with one real result, at values for its inputs; `names` are those of the wanted inputs."""
    swept = sweep(program, wanted, values)
    parameters = [program.inputs[i] for i in wanted]
    told = []
    for v, name, given in zip(parameters, names, (values[i] for i in wanted), strict=True):
        size, gradient = swept.sizes(v)
        told.append(ParameterNorm(name, v.type.shape, gradient or 0.0, norm([given]) if size is None else size))
    found = _values(swept, set(parameters))
    return GradientNorms(tuple(told), tuple(found), *_judged(found, _not_finite(swept, told, found)))


def _not_finite(swept: Sweep, parameters: Sequence[ParameterNorm], values: Sequence[ValueNorm]) -> str:
    """Where the first number that is not finite was met: forward, then backward; empty if nowhere."""
    for v, line in swept.order:
        size = swept.sizes(v)[0]
        if size is not None and not math.isfinite(size):
            place = f" ({swept.place(line)})" if swept.place(line) else ""
            name = f"the value {swept.names[v]} = {_formula(swept, line, v)}" if line else f"the input {swept.names[v]}"
            return f"{name}{place}"
    for u in reversed(values):
        if not math.isfinite(u.adjoint):
            return f"the adjoint of {u.name}{_at(u)}"
    for p in parameters:
        if not math.isfinite(p.gradient):
            return f"the gradient in {p.name}"
    return ""


def _values(swept: Sweep, parameters: set[Var]) -> list[ValueNorm]:
    users: dict[Var, list[Var]] = {}
    for v, line in swept.order:
        if line and v in swept.adjoints:
            for u in line.program.inputs:
                users.setdefault(u, []).append(v)
    adjoint = {v: size for v, _ in swept.order if (size := swept.sizes(v)[1]) is not None}
    entries = _entries(swept, parameters)
    found = []
    for v, line in swept.order:
        if line is None or v not in adjoint:
            continue
        above = math.hypot(*(adjoint[u] for u in users.get(v, ()) if u in adjoint))
        gain = adjoint[v] / above if above > 0 and math.isfinite(above) else None
        enters = v in entries
        formula = _formula(swept, line, v)
        size = swept.sizes(v)[0]
        assert size is not None
        found.append(
            ValueNorm(str(swept.names[v]), formula, v.type.shape, swept.place(line), size, adjoint[v], gain, enters)
        )
    return found


def _entries(swept: Sweep, parameters: set[Var]) -> set[Var]:
    """Where a parameter meets something else: x w is such a place, 2 w is still the parameter alone.

    If none meets anything (a chain of functions of one argument), the values that read a parameter.
    """
    alone: dict[Var, Var] = {p: p for p in parameters}
    found: set[Var] = set()
    for v, line in swept.order:
        if line is None:
            continue
        inputs = line.program.inputs
        # a number that scales an array is nothing to meet
        met = [u for u in inputs if u in swept.adjoints or u.type.size > 1 or v.type.size == 1]
        sources = {alone.get(u) for u in met}
        if len(sources) == 1 and (source := sources.pop()) is not None:
            alone[v] = source
        elif any(u in alone for u in inputs):
            found.add(v)
    found &= set(swept.adjoints)
    return found or {v for v, line in swept.order if line and parameters & set(line.program.inputs)}


def _formula(swept: Sweep, line: lines.Line, v: Var) -> str:
    """What a value is computed from."""
    return str(Typesetter(line.program, named=_named(line.program, swept.names)).formula(number("0"), v).right)


def _named(program: Program, names: Mapping[Var, Box]) -> dict[Var, Box]:
    return {v: names[v] for v in program.inputs if v in names}


def _judged(values: Sequence[ValueNorm], broken: str) -> tuple[str, float | None, str]:
    """Verdict, the ratio that decided, and the reason."""
    if broken:
        return "not finite", None, f"{broken} is the first that is not a finite number."
    entries = [v for v in values if v.enters]
    if len(entries) == 1:  # how far its adjoint is from that of the last value of its kind
        last = [v for v in values if v.shape == entries[0].shape][-1]
        entries = [entries[0], last] if last is not entries[0] else entries
    if len(entries) < 2:
        return "undecided", None, "there is no depth to compare: parameters enter at no more than one place."
    last = entries[-1]
    if last.adjoint == 0:
        return "undecided", None, f"the adjoint of {last.name}{_at(last)} is zero: nothing flows back from there."
    least, most = min(entries, key=lambda v: v.adjoint), max(entries, key=lambda v: v.adjoint)
    small, large = least.adjoint / last.adjoint, most.adjoint / last.adjoint

    def told(v: ValueNorm, ratio: float) -> str:
        return f"the adjoint of {v.name}{_at(v)} is {ratio:.3g} times that of {last.name}{_at(last)}"

    vanishing, exploding = small < 1 / FACTOR, large > FACTOR
    if vanishing and exploding:
        return "both", small, f"{told(least, small)}, and {told(most, large)}."
    if vanishing:
        return "vanishing", small, f"{told(least, small)}; less than 1/{FACTOR:g} is called vanishing."
    if exploding:
        return "exploding", large, f"{told(most, large)}; more than {FACTOR:g} is called exploding."
    first = entries[0]
    ratio = first.adjoint / last.adjoint
    return "steady", ratio, f"{told(first, ratio)}; between 1/{FACTOR:g} and {FACTOR:g} is called steady."


def _at(v: ValueNorm) -> str:
    return f" ({v.line})" if v.line else ""


def _short(size: float | None) -> str:
    return "" if size is None else f"{size:.4g}"


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{body}</table>"
