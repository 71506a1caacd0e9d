"""The derivative of a function of numbers, step by step, each with its rule.

>>> from chainrule import trace
>>> import numpy as np
>>> print(derivation(trace(lambda x: np.log(1 + np.exp(x)), 1.0)))
f(x) = ln(1 + exp(x))
<BLANKLINE>
1  d/dx [ln(1 + exp(x))] = d/dx [1 + exp(x)] / (1 + exp(x))
     chain rule, derivative of ln: (ln(u))′ = u′/u with u = 1 + exp(x)
   = exp(x) / (1 + exp(x))
1.1  d/dx [1 + exp(x)] = d/dx [exp(x)]
       sum rule: (c + u)′ = u′
     = exp(x)
1.1.1  d/dx [exp(x)] = exp(x)
         derivative of exp: (exp(x))′ = exp(x)
<BLANKLINE>
f′(x) = exp(x) / (1 + exp(x))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..execute import run
from ..ir import Atom, Const, Program, Var
from ..trace.recorder import Recorder
from ..transform.reverse import reached_from
from ..transform.simplify import simplify
from .conditions import conditions
from .formula import Formula, Typesetter, title
from .layout import Box, applied, beside, fraction
from .lines import names_for, written_lines
from .names import prime
from .source import Source, source
from .steps import PARTIAL, LineSteps, Step, apply_rule, no_step, one
from .textbook import with_book_rules
from .tidy import tidy

MANY = 48  # of more equations than this, each line is one step


@dataclass(frozen=True, eq=False)
class Derivation:
    """A function, its derivative, and the steps between; calling it evaluates the derivative.

    The steps are worked out when they are first read.
    """

    function: Formula
    variable: Box
    result: Formula
    program: Program = field(repr=False)
    hidden: tuple[Any, ...] = field(repr=False)  # arrays that the function reads itself
    recorded: Program = field(repr=False)
    wanted: int

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return steps(self.recorded, self.wanted)

    def __call__(self, *values: Any) -> Any:
        """The derivative at a point."""
        return self.derivative(*values)

    @property
    def derivative(self) -> Callable[..., Any]:
        """The derivative as a function of the same arguments."""
        program, hidden = self.program, self.hidden
        own = program.inputs[: len(program.inputs) - len(hidden)]

        def derivative(*values: Any) -> Any:
            if len(values) != len(own):
                names = ", ".join(v.name for v in own)
                raise ArgumentError(f"the derivative takes {len(own)} number{'s' * (len(own) != 1)}: {names}")
            values = tuple(np.asarray(x, np.float64) for x in values)
            if all(x.shape == () for x in values):
                return run(program, (*values, *hidden))[0]
            columns = np.broadcast_arrays(*values)
            flat = [run(program, (*point, *hidden))[0] for point in zip(*(c.ravel() for c in columns), strict=True)]
            return np.asarray(flat).reshape(columns[0].shape)

        return derivative

    @cached_property
    def domain(self) -> tuple[str, ...]:
        """What the rules need: where each function in it is defined and has a slope, as the table says."""
        return conditions(self.recorded)

    @cached_property
    def code(self) -> Source:
        """The derivative as NumPy source."""
        return source(self.program, "derivative")

    @property
    def unicode(self) -> str:
        """The derivative alone."""
        return str(self.result.right) if not self.result.where else self.result.unicode

    @property
    def latex(self) -> str:
        return self.result.latex

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that is used, in the order of the steps."""
        return tuple(dict.fromkeys(step.rule for _, step in walk(self.steps)))

    def __str__(self) -> str:
        lines = [str(self.function), ""]
        for place, step in walk(self.steps):
            margin = " " * (len(place) + 2)
            lines.append(f"{place}  {step.derivative_name} = {step.applied}")
            lines.append(f"{margin}  {step.rule}" + (f": {step.statement}" if step.statement else ""))
            if step.result.unicode != step.applied.unicode:
                lines.append(f"{margin}= {step.result}")
        where = ["  for " + " and ".join(self.domain)] if self.domain else []
        return "\n".join([*lines, "", str(self.result), *where])

    def _repr_latex_(self) -> str:
        lines = [f"&{step.latex} && \\text{{{step.rule}}}" for _, step in walk(self.steps)]
        return (
            r"$$\begin{aligned} "
            + r" \\ ".join([*lines, f"&{self.result.left.latex} = {self.result.right.latex}"])
            + r" \end{aligned}$$"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "function": self.function.as_dict(),
            "variable": str(self.variable),
            "steps": [step.as_dict() for step in self.steps],
            "result": self.result.as_dict(),
            "domain": list(self.domain),
            "code": self.code.as_dict(),
        }


def walk(steps: Sequence[Step], place: str = "") -> Iterator[tuple[str, Step]]:
    """Steps with their numbers (1, 1.1, …): each before its parts."""
    for i, step in enumerate(steps, 1):
        own = f"{place}.{i}" if place else str(i)
        yield own, step
        yield from walk(step.parts, own)


# --- making it --------------------------------------------------------------------------------------------------------


def derivation(program: Program, wanted: int = 0, hidden: Sequence[Any] = ()) -> Derivation:
    """The derivation of a program with one real result, in one input that is a number; `hidden` are its last inputs."""
    p = with_book_rules(simplify(program))
    x = p.inputs[wanted]
    whole = forward_by_the_book(p, x, reached_from(p, [wanted]))
    names = names_for(p, ())
    left, name = _names(title(program), [names[v] for v in p.inputs], wanted)
    setter, value = Typesetter(whole), Typesetter(tidy(p))
    return Derivation(
        value.formula(name, value.program.outputs[0]), names[x], setter.formula(left, whole.outputs[0]), whole,
        tuple(hidden), p, wanted,
    )  # fmt: skip


def steps(p: Program, wanted: int) -> tuple[Step, ...]:
    """The steps of a program whose ops are differentiated by the book, a line at a time."""
    x = p.inputs[wanted]
    lines = written_lines(p)
    names = dict(names_for(p, lines, "uvhgabcdek"))
    (output,) = p.outputs
    if isinstance(output, Var) and not output.name and output not in p.inputs:
        names[output] = title(p)
    active = reached_from(p, [wanted])
    short = len(p.equations) <= MANY
    moving = [line for line in lines if any(v in active for v in line.values)]
    found = [LineSteps(line, x, names, active, len(p.inputs) == 1, output in line.values, short) for line in moving]
    return tuple(line.step() for line in found) or (no_step(output is x, names[x]),)


def _names(function: Box, variables: Sequence[Box], wanted: int) -> tuple[Box, Box]:
    """f′(x) and f(x), or ∂f/∂x and f(x, y)."""
    whole = applied(function, variables)
    if len(variables) == 1:
        return applied(prime(function), variables), whole
    return fraction(beside(PARTIAL, function), beside(PARTIAL, variables[wanted])), whole


def forward_by_the_book(p: Program, x: Var, active: set[Var]) -> Program:
    """The derivative of the whole, by the same rules as the steps."""
    recorder = Recorder(quiet=True)
    recorder.equations = list(p.equations)
    dot: dict[Atom, Atom] = {x: one(x)}
    for e in p.equations:
        if any(a in active for a in e.inputs):
            changes = apply_rule(recorder, e, [dot.get(a) for a in e.inputs])
            dot.update((v, d) for v, d in zip(e.outputs, changes, strict=True) if d is not None)
    output = p.outputs[0]
    zero = Const(np.zeros(output.type.shape, output.type.dtype))
    return tidy(Program(p.inputs, tuple(recorder.equations), (dot.get(output, zero),), p.name))
