"""The derivation of a gradient, line by line: how each value changes when the inputs do, and by which rules.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, x, y):
...     z = x @ w
...     return np.sum((z - y) ** 2)
>>> for step in differentials(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5)), [0]):
...     print(step)
z = x w: dz = x dw   (constant multiple rule)
loss = ‖z − y‖²: dloss = 2 Σᵢ (zᵢ − yᵢ) dzᵢ   (power rule, sum rule, chain rule)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir import Program, Var
from ..transform.forward import forward
from ..transform.reverse import reached_from
from .formula import Formula, Typesetter, title
from .layout import Box, number
from .lines import Line, names_for, short, written_lines
from .names import differential
from .rules import named
from .textbook import with_book_rules, with_counts
from .tidy import tidy


@dataclass(frozen=True)
class Differential:
    """A value, how it is computed, how it changes, and the rules that say so; `where` defines other names in it."""

    name: Box
    value: Box
    differential_name: Box
    differential: Box
    rules: tuple[str, ...]
    line: str
    where: tuple[tuple[Box, Box], ...] = ()

    def __str__(self) -> str:
        where = "".join(f", where {a} = {b}" for a, b in self.where)
        return f"{self.unicode}{where}   ({', '.join(self.rules)})"

    @property
    def unicode(self) -> str:
        return f"{self.name} = {self.value}: {self.differential_name} = {self.differential}"

    @property
    def latex(self) -> str:
        return (
            rf"{self.name.latex} = {self.value.latex}, \quad {self.differential_name.latex} = {self.differential.latex}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "value": f"{self.name} = {self.value}",
            "differential": f"{self.differential_name} = {self.differential}",
            "latex": self.latex,
            "rules": list(self.rules),
            "line": self.line,
            "where": [{"name": str(a), "unicode": str(b)} for a, b in self.where],
        }


def differentials(program: Program, wanted: Sequence[int]) -> tuple[Differential, ...]:
    """One step for each line on the way from the wanted inputs to the results."""
    counted = with_counts(with_book_rules(program))
    p = counted.program
    lines = written_lines(p)
    names = dict(names_for(p, lines, "uvhgabcdek"))
    for a in p.outputs:
        if isinstance(a, Var) and not a.name and len(p.outputs) == 1 and a not in p.inputs:
            names[a] = title(program)
    active = reached_from(p, wanted)
    used = {a for line in lines for a in line.program.inputs} | set(p.outputs)
    steps = []
    told: set[Var] = set()
    for line in lines:
        new = [v for v in counted.counts if v in line.program.inputs and v not in told]
        for v in line.values:
            if v in active and v in used:
                told.update(new)
                steps.append(_step(line, v, names, active, [(names[n], number(str(counted.counts[n]))) for n in new]))
    return tuple(steps)


def _step(
    line: Line, v: Var, names: Mapping[Var, Box], active: set[Var], counts: Sequence[tuple[Box, Box]]
) -> Differential:
    """How one value of a line is computed, and how it changes."""
    moving = [i for i, x in enumerate(line.program.inputs) if x in active]
    found = forward(line.program, moving)
    tangents = found.program.inputs[len(line.program.inputs) :]
    dots = {t: differential(names[line.program.inputs[i]]) for t, i in zip(tangents, moving, strict=True)}
    at = found.present[line.values.index(v)]
    value = _formula(Program(line.program.inputs, line.program.equations, (v,)), names)
    change = _change(found.program, at, line, {**names, **dots}, tangents)
    place = short(line.where) if line.where else ""
    where = {str(a): (a, b) for a, b in (*counts, *value.where, *change.where)}
    return Differential(
        names[v], value.right, differential(names[v]), change.right, named(line.program.equations, active), place,
        tuple(where.values()),
    )  # fmt: skip


def _change(program: Program, at: int | None, line: Line, names: Mapping[Var, Box], tangents: Sequence[Var]) -> Formula:
    """The differential, in which the line's own value goes by its name."""
    if at is None:
        return Formula(((number("0"), number("0")),))
    equations = tuple(e for e in program.equations if e.outputs != line.values)
    return _formula(Program((*program.inputs, *line.values), equations, (program.outputs[at],)), names, tangents)


def _formula(program: Program, names: Mapping[Var, Box], last: Sequence[Var] = ()) -> Formula:
    """All that a line says in one formula: names are those of lines and inputs."""
    tidied = tidy(program, last)
    return Typesetter(tidied, named=names, inline=True).formula(number("0"), tidied.outputs[0])
