"""The derivation of a gradient, line by line: how each value changes when the inputs do, and by which rules.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, x, y):
...     z = x @ w
...     return np.mean((z - y) ** 2)
>>> for step in differentials(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5)), [0]):
...     print(step)
z = x w: dz = x dw   (constant multiple rule)
loss = (1/n) ‖z − y‖²: dloss = (2/n) Σᵢ (zᵢ − yᵢ) dzᵢ   (constant multiple rule, power rule, sum rule, chain rule)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir import Program, Var
from ..transform.forward import forward
from ..transform.reverse import reached_from
from .formula import Typesetter, title
from .layout import Box, number
from .lines import Line, names_for, short, written_lines
from .names import differential
from .rules import named
from .textbook import with_book_rules, with_counts
from .tidy import tidy


@dataclass(frozen=True)
class Differential:
    """A value, how it is computed, how it changes, and the rules that say so."""

    name: Box
    value: Box
    differential_name: Box
    differential: Box
    rules: tuple[str, ...]
    line: str

    def __str__(self) -> str:
        return f"{self.unicode}   ({', '.join(self.rules)})"

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
    return tuple(_step(line, names, active) for line in lines if any(v in active for v in line.values))


def _step(line: Line, names: Mapping[Var, Box], active: set[Var]) -> Differential:
    v = next(v for v in line.values if v in active)
    moving = [i for i, x in enumerate(line.program.inputs) if x in active]
    found = forward(line.program, moving)
    tangents = found.program.inputs[len(line.program.inputs) :]
    dots = {t: differential(names[line.program.inputs[i]]) for t, i in zip(tangents, moving, strict=True)}
    at = found.present[line.values.index(v)]
    value = _box(Program(line.program.inputs, line.program.equations, (v,)), names)
    change = number("0") if at is None else _change(found.program, at, line, {**names, **dots}, tangents)
    place = short(line.where) if line.where else ""
    return Differential(names[v], value, differential(names[v]), change, named(line.program.equations, active), place)


def _change(program: Program, at: int, line: Line, names: Mapping[Var, Box], tangents: Sequence[Var]) -> Box:
    """The differential, in which the line's own value goes by its name."""
    equations = tuple(e for e in program.equations if e.outputs != line.values)
    return _box(Program((*program.inputs, *line.values), equations, (program.outputs[at],)), names, tangents)


def _box(program: Program, names: Mapping[Var, Box], last: Sequence[Var] = ()) -> Box:
    tidied = tidy(program, last)
    setter = Typesetter(tidied, named={v: names[v] for v in tidied.inputs})
    return setter.formula(number("0"), tidied.outputs[0]).right
