"""Everything a program says of itself, as one record: what it computes, what it costs, its gradient, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..draw import Graph
from ..ir import Const, Program
from ..trace.where import describe
from ..transform.reverse import reverse
from ..transform.simplify import simplify
from .backprop import Backprop, backprop
from .cost import Cost, cost
from .differentials import Differential, differentials
from .formula import Formula
from .layout import equation
from .source import Source
from .textbook import gradient, value
from .verified import Shown, verified


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `cr.explain` answers. Print it, or take what you need; each part is worked out when it is first read.

    `value` and `gradient` are formulas (`.unicode`, `.latex`, `.mathml`), `gradients` one formula for each input that
    was asked for, `code` NumPy source that computes the gradient, `steps` its derivation line by line, `backprop` the
    table of adjoints, `graph` the same as a drawing; `cost` and `gradient_cost` count flops and bytes.
    """

    program: Program
    wanted: tuple[int, ...]
    values: tuple[Any, ...] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.program.name if self.program.name.isidentifier() else "f"

    @cached_property
    def cost(self) -> Cost:
        return cost(self.program)

    @cached_property
    def gradient_cost(self) -> Cost:
        one = Const(np.ones((), self.program.outputs[0].type.dtype))
        return cost(simplify(reverse(self.program, self.wanted, [one]).program))

    @cached_property
    def _shown(self) -> Shown:
        return verified(self.program, self.wanted, self.values)

    @cached_property
    def value(self) -> Formula:
        return value(self.program)

    @cached_property
    def gradient(self) -> Formula:
        return gradient(self.program, self.wanted, self._shown.setter)

    @property
    def code(self) -> Source:
        return self._shown.code

    @cached_property
    def steps(self) -> tuple[Differential, ...]:
        return differentials(self.program, self.wanted)

    @cached_property
    def backprop(self) -> Backprop:
        return backprop(self.program, self.wanted, self.values)

    @cached_property
    def graph(self) -> Graph:
        """Backpropagation drawn: each value with its shape, and the adjoint that flows back to it."""
        return self.backprop.graph

    @property
    def gradients(self) -> tuple[Formula, ...]:
        """One formula for each input, each with all that is needed to read it."""
        return tuple(Formula((head,), self.gradient.where) for head in self.gradient.heads)

    @property
    def listing(self) -> str:
        """The recorded program, each line with the source line it came from."""
        return self.program.text(describe)

    def __str__(self) -> str:
        steps = [
            "\n    ".join(
                [
                    f"{step.name} = {step.value}",
                    f"{step.differential_name} = {step.differential}",
                    *(f"where {a} = {b}" for a, b in step.where),
                    ", ".join(step.rules),
                ]
            )
            for step in self.steps
        ]
        sections = [
            ("Value", str(self.value)),
            ("Gradient", str(self.gradient)),
            ("How it is derived", "\n".join(steps)),
            ("Backpropagation", str(self.backprop)),
            ("Code", self.code.text.rstrip()),
            ("Recorded program", self.listing),
            ("Cost", f"value:    {self.cost}\ngradient: {self.gradient_cost}"),
        ]
        return "\n\n".join(f"{title}\n\n{_indented(body)}" for title, body in sections if body)

    def _repr_latex_(self) -> str:
        return f"$$\\begin{{aligned}} {_aligned(self.value)} \\\\ {_aligned(self.gradient)} \\end{{aligned}}$$"

    def _repr_html_(self) -> str:
        steps = "".join(map(_item, self.steps))
        return (
            f"<h3>Value</h3>{self.value.mathml}<h3>Gradient</h3>{self.gradient.mathml}"
            f"<h3>How it is derived</h3><ol>{steps}</ol>"
            f"<h3>Backpropagation</h3>{self.backprop._repr_html_()}"
            f"<h3>Code</h3><pre>{escape(self.code.text)}</pre>"
            f"<h3>Recorded program</h3><pre>{escape(self.listing)}</pre>"
            f"<h3>Cost</h3><p>value: {escape(str(self.cost))}<br>gradient: {escape(str(self.gradient_cost))}</p>"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for JSON."""
        return {
            "name": self.name,
            "program": self.listing,
            "cost": self.cost.as_dict(),
            "gradient_cost": self.gradient_cost.as_dict(),
            "value": self.value.as_dict(),
            "gradient": self.gradient.as_dict(),
            "code": self.code.as_dict(),
            "steps": [step.as_dict() for step in self.steps],
            "backprop": self.backprop.as_dict(),
        }


def _item(step: Differential) -> str:
    lines = [(step.name, step.value), (step.differential_name, step.differential), *step.where]
    return f"<li>{'<br>'.join(equation(a, b).mathml for a, b in lines)}<br>{escape(', '.join(step.rules))}</li>"


def _indented(body: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in body.split("\n"))


def _aligned(formula: Formula) -> str:
    lines = [f"{a.latex} &= {b.latex}" for a, b in (*formula.heads, *formula.where)]
    return r" \\ ".join(lines)


def explanation(program: Program, wanted: Sequence[int], values: Sequence[Any] | None = None) -> Explanation:
    """Explain a program with one real result, and its gradient in the wanted inputs.

    With `values` for its inputs, formula and code are compared with the gradient there before they are shown, and the
    backpropagation table also says how large everything is.
    """
    held = None if values is None else tuple(np.array(v) for v in values)  # the caller's own may change
    return Explanation(program, tuple(wanted), held)
