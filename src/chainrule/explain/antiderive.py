"""The antiderivative of a function of numbers, step by step, each with its rule; or that none was found.

>>> from chainrule import trace
>>> import numpy as np
>>> def f(x):
...     return x * np.exp(x)
>>> print(antiderivation(trace(f, 1.0)))
f(x) = x exp(x)
<BLANKLINE>
1  ∫ x exp(x) dx = x exp(x) − ∫ exp(x) dx
     integration by parts: ∫ u v′ dx = u v − ∫ u′ v dx with u = x, v′ = exp(x), v = exp(x)
   = x exp(x) − exp(x)
1.1  ∫ exp(x) dx = exp(x)
       integral of exp: ∫ exp(x) dx = exp(x)
1.2  ∫ exp(x) dx = exp(x)
       integral of exp: ∫ exp(x) dx = exp(x)
<BLANKLINE>
∫ f(x) dx = x exp(x) − exp(x) + C
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError
from ..ir import ArrayType, Const, Program, Var
from ..ops.op import Interpreted, apply
from ..transform.simplify import simplify
from .antiderive_check import agreement
from .continuity import Continuity, continuity, notes
from .derive import walk
from .expression import Expr, TooLarge, Unreadable, var
from .expression_program import read, write
from .formula import Formula, Typesetter, title
from .integration import Goal, Search, Solved
from .integration_parts import jump
from .integration_rules import RULES, culprit
from .layout import Box, applied, beside, equation, letter, total
from .names import symbol
from .shown import box, integral, shown
from .source import Source, source
from .steps import Step
from .tidy import tidy

LARGEST = 150  # names, numbers and functions in an integrand


@dataclass(frozen=True, eq=False)
class Antiderivative:
    """An indefinite integral, and the steps to it; calling it evaluates it with C = 0.

    `found` says whether there is a result: if not, `reason` names the integral for which no rule here has an answer.
    That does not mean that there is no closed form. `checked` is the number of points at which the derivative of the
    result, taken by the engine, was compared with the function; a result that fails there is not shown. `domain` says
    where the constant C may change, and what was assumed of other names.
    """

    function: Formula
    variable: Box
    found: bool
    result: Formula | None
    steps: tuple[Step, ...]
    reason: str
    checked: int
    domain: tuple[str, ...]
    program: Program | None = field(repr=False)
    integrand: Expr | None = field(repr=False)
    whole: Expr | None = field(repr=False)
    recorded: Program | None = field(repr=False)
    wanted: int = field(repr=False)
    hidden: tuple[Any, ...] = field(repr=False)

    def __bool__(self) -> bool:
        return self.found

    def __call__(self, *values: Any, **named: Any) -> Any:
        """The antiderivative at a point, with C = 0."""
        return self.antiderivative(*values, **named)

    @property
    def antiderivative(self) -> Callable[..., Any]:
        """The antiderivative with C = 0 as a function of the same arguments: of numbers or arrays, differentiable."""
        program, hidden = self.program, self.hidden
        if program is None:
            raise ArgumentError(f"there is no antiderivative to evaluate: {self.reason}", hint="see `found`, `reason`")
        own = program.inputs[: len(program.inputs) - len(hidden)]

        names = [v.name for v in own]

        def antiderivative(*values: Any, **named: Any) -> Any:
            if named:
                values = _in_order(names, values, named)
            if len(values) != len(own):
                taken = f"{len(own)} number{'s' * (len(own) != 1)}"
                raise ArgumentError(f"the antiderivative takes {taken}: {', '.join(names)}")
            return _evaluated(program, (*map(_real, values), *hidden))

        antiderivative.__name__ = "F"
        if all(name.isidentifier() for name in names):
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            parameters = [inspect.Parameter(name, kind) for name in names]
            antiderivative.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return antiderivative

    def between(self, a: float, b: float) -> Continuity:
        """Whether F(b) − F(a) is the integral of the function from a to b: if F has no break between them."""
        if self.whole is None or self.integrand is None or self.program is None:
            return Continuity("unknown", self.reason)
        found = continuity(self.integrand, self.whole, self.program.inputs[self.wanted], a, b)
        return found if found.verdict != "yes" or self._has_values(a, b) else Continuity(
            "unknown", "the function has no value somewhere in between"
        )  # fmt: skip

    def _has_values(self, a: float, b: float) -> bool:
        """Whether the function itself has values in between: simplified it may have more, as √x √x, which is x."""
        assert self.recorded is not None
        if len(self.recorded.inputs) > 1:
            return True  # at other names' values, which are not known here
        inside = np.linspace(float(a), float(b), 131)[1:-1]
        return not bool(np.isnan(_evaluated(self.recorded, [inside])).any())

    @cached_property
    def code(self) -> Source | None:
        """The antiderivative as NumPy source."""
        return None if self.program is None else source(self.program, "antiderivative")

    @property
    def unicode(self) -> str:
        """The antiderivative and its C, without the integral in front."""
        return "" if self.result is None else str(self.result.right)

    @property
    def latex(self) -> str:
        return "" if self.result is None else self.result.latex

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that is used, in the order of the steps."""
        return tuple(dict.fromkeys(step.rule for _, step in walk(self.steps)))

    def __str__(self) -> str:
        lines = [str(self.function), ""]
        if self.result is None:
            return "\n".join([*lines, self.reason])
        for place, step in walk(self.steps):
            margin = " " * (len(place) + 2)
            lines.append(f"{place}  {step.derivative_name} = {step.applied}")
            lines.append(f"{margin}  {step.rule}" + (f": {step.statement}" if step.statement else ""))
            if step.result.unicode != step.applied.unicode:
                lines.append(f"{margin}= {step.result}")
        return "\n".join([*lines, "", str(self.result), *(f"  {note}" for note in self.domain)])

    def _repr_latex_(self) -> str:
        if self.result is None:
            return rf"$$\text{{{self.reason}}}$$"
        lines = [f"&{step.latex} && \\text{{{step.rule}}}" for _, step in walk(self.steps)]
        last = f"&{self.result.left.latex} = {self.result.right.latex}"
        return r"$$\begin{aligned} " + r" \\ ".join([*lines, last]) + r" \end{aligned}$$"

    def _repr_html_(self) -> str:
        if self.result is None:
            return f"{self.function.mathml}<p>{escape(self.reason)}</p>"
        items = "".join(_item(step) for step in self.steps)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.domain)
        return f"{self.function.mathml}<ol>{items}</ol>{self.result.mathml}{notes}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "function": self.function.as_dict(),
            "variable": str(self.variable),
            "found": self.found,
            "reason": self.reason,
            "steps": [step.as_dict() for step in self.steps],
            "result": None if self.result is None else self.result.as_dict(),
            "domain": list(self.domain),
            "checked": self.checked,
            "code": None if self.code is None else self.code.as_dict(),
        }


def _item(step: Step) -> str:
    lines = [equation(step.derivative_name, step.applied).mathml]
    if step.result.unicode != step.applied.unicode:
        lines.append(equation(letter(""), step.result).mathml)
    said = f"{step.rule}: {step.statement}" if step.statement else step.rule
    inner = f"<ol>{''.join(map(_item, step.parts))}</ol>" if step.parts else ""
    return f"<li>{escape(said)}<br>{''.join(lines)}{inner}</li>"


# --- evaluating -------------------------------------------------------------------------------------------------------


def _in_order(names: Sequence[str], values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Values given by name, in their places."""
    rest = names[len(values) :]
    if set(named) != set(rest):
        raise ArgumentError(f"the antiderivative takes {', '.join(names)}, each once")
    return (*values, *(named[name] for name in rest))


def _real(value: Any) -> Any:
    """Whole numbers are real ones here; float32 stays."""
    if isinstance(value, Interpreted):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"the antiderivative is a function of real numbers, not of {array.dtype}")
    if array.dtype.kind == "f":
        return array if isinstance(value, np.ndarray) else array[()]
    return array.astype(np.float64)[()]


def _evaluated(program: Program, values: Sequence[Any]) -> Any:
    """The program, op by op, on whatever its inputs are: numbers, arrays, stand-ins."""
    known: dict[Any, Any] = dict(zip(program.inputs, values, strict=True))
    recorded = any(isinstance(v, Interpreted) for v in values)

    def of(a: Any) -> Any:
        return a.value.item() if isinstance(a, Const) else known[a]

    def steps() -> Any:
        for e in program.equations:
            args = [of(a) for a in e.inputs]
            found = apply(e.op, *args, **e.params)
            # of numbers alone a number comes, which takes on the dtype of what stands beside it
            known[e.output] = found.item() if all(type(a) in (int, float) for a in args) else found
        return of(program.outputs[0])

    if recorded:
        return steps()
    with np.errstate(all="ignore"):
        found = steps()
    shape = np.broadcast_shapes(*(np.shape(v) for v in values)) if values else ()
    return found if np.shape(found) == shape else np.broadcast_to(found, shape).copy()


# --- making it --------------------------------------------------------------------------------------------------------


def antiderivation(program: Program, wanted: int = 0, hidden: Sequence[Any] = ()) -> Antiderivative:
    """The antiderivative of a program with one real result, in one input that is a number.

    Other inputs are constants; `hidden` are the values of the last inputs. The steps make the result; it is
    differentiated back by the engine, and compared with the program.
    """
    p = simplify(program)
    x = p.inputs[wanted]
    try:
        f = read(p)
        if f.size > LARGEST:
            raise TooLarge
    except Unreadable as error:
        return _unknown(p, None, wanted, f"The function has {error}: no rule here integrates that.", hidden)
    except TooLarge:
        return _unknown(p, None, wanted, "The function is too large for a search by rules.", hidden)
    step = jump(f, x)
    if step is not None:
        return _unknown(p, f, wanted, f"{shown(step)} jumps, and no rule here integrates across jumps.", hidden)
    search, goal = Search(RULES), Goal(f, x)
    try:
        solved = search.solve(goal)
    except (ChainruleError, ArithmeticError, RecursionError):
        solved = None
    if solved is None:
        stuck = culprit(search, goal)
        name = integral(stuck.integrand, stuck.variable)
        return _unknown(p, f, wanted, f"No rule here finds {name}, so the integral is left as it is.", hidden)
    whole = write(solved.result, p.inputs, "antiderivative")
    points = agreement(p, whole, wanted, hidden)
    if not points:
        reason = "A result was found, but its derivative could not be confirmed to be the function; it is not shown."
        return _unknown(p, f, wanted, reason, hidden)
    left = beside(letter("∫", r"\int "), letter(" "), applied(title(p), [symbol(v.name) for v in _own(p, hidden)]),
                  letter(" ", r"\,"), letter("d", r"\mathrm{d}"), symbol(x.name))  # fmt: skip
    return Antiderivative(
        _function(p, hidden), symbol(x.name), True,
        Formula(((left, total(box(solved.result), _constant(p), minus=False)),)), (_step(solved, set()),), "", points,
        notes(solved.result, x), whole, f, solved.result, p, wanted, tuple(hidden),
    )  # fmt: skip


def _unknown(p: Program, f: Expr | None, wanted: int, reason: str, hidden: Sequence[Any]) -> Antiderivative:
    variable = symbol(p.inputs[wanted].name)
    function = _function(p, hidden)
    return Antiderivative(function, variable, False, None, (), reason, 0, (), None, f, None, p, wanted, tuple(hidden))


def _constant(p: Program) -> Box:
    """C, or K, … where something else is called that."""
    taken = {v.name for v in p.inputs}
    return letter(next(name for name in ("C", "K", "c", "k", "C₀") if name not in taken))


def _own(p: Program, hidden: Sequence[Any]) -> tuple[Var, ...]:
    return p.inputs[: len(p.inputs) - len(hidden)]


def _function(p: Program, hidden: Sequence[Any]) -> Formula:
    """f(x) = …"""
    setter = Typesetter(tidy(p))
    return setter.formula(applied(title(p), [symbol(v.name) for v in _own(p, hidden)]), setter.program.outputs[0])


def _step(solved: Solved, shown_before: set[Goal]) -> Step:
    """A step as it is shown: the integral, what the rule makes of it, and that with its integrals done."""
    goal, move = solved.goal, solved.move
    done = box(solved.result)
    name = integral(*goal)
    if goal in shown_before and solved.parts:
        return Step("as above", "", box(goal.integrand), done, done, (), name)
    shown_before.add(goal)
    pending = {Var(ArrayType()): integral(*g) for g in move.goals}
    applied_ = box(move.combine([var(v) for v in pending]), pending) if pending else done
    parts = tuple(_step(part, shown_before) for part in (*move.before, *solved.parts))
    return Step(move.rule, move.statement, box(goal.integrand), applied_, done, parts, name)
