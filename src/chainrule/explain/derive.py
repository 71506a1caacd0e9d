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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..execute import run
from ..ir import Atom, Const, Equation, Program, Var
from ..trace.recorder import Recorder, Traced
from ..transform.forward import forward
from ..transform.reverse import reached_from
from ..transform.simplify import simplify
from .formula import Formula, Typesetter, is_view, title
from .layout import Box, applied, beside, equation, fenced, fraction, letter, number
from .lines import Line, names_for, written_lines
from .names import prime, symbol
from .rules import ARITHMETIC, FORMS, called, kind
from .source import Source, source
from .textbook import with_book_rules
from .tidy import tidy


@dataclass(frozen=True)
class Step:
    """One application of a rule: the derivative of `subject` is `applied`, and that, with its `parts` done, `result`.

    `function` and `derivative` are the same as programs: they can be run, and compared.
    """

    rule: str
    statement: str
    subject: Box
    applied: Box
    result: Box
    parts: tuple[Step, ...] = ()
    derivative_name: Box = field(default_factory=lambda: letter("d"))
    function: Program | None = field(default=None, repr=False, compare=False)
    derivative: Program | None = field(default=None, repr=False, compare=False)

    @property
    def unicode(self) -> str:
        last = f" = {self.result}" if self.result.unicode != self.applied.unicode else ""
        return f"{self.derivative_name} = {self.applied}{last}"

    @property
    def latex(self) -> str:
        last = f" = {self.result.latex}" if self.result.latex != self.applied.latex else ""
        return f"{self.derivative_name.latex} = {self.applied.latex}{last}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "statement": self.statement,
            "unicode": self.unicode,
            "latex": self.latex,
            "result": str(self.result),
            "parts": [part.as_dict() for part in self.parts],
        }


@dataclass(frozen=True)
class Derivation:
    """A function, its derivative, and the steps between; calling it evaluates the derivative."""

    function: Formula
    variable: Box
    steps: tuple[Step, ...]
    result: Formula
    code: Source
    program: Program = field(repr=False, compare=False)
    hidden: tuple[Any, ...] = field(default=(), repr=False, compare=False)  # arrays that the function reads itself

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
            lines.append(f"{margin}  {step.rule}: {step.statement}")
            if step.result.unicode != step.applied.unicode:
                lines.append(f"{margin}= {step.result}")
        return "\n".join([*lines, "", str(self.result)])

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
    x = program.inputs[wanted]
    p = with_book_rules(simplify(program))
    lines = written_lines(p)
    names = dict(names_for(p, lines, "uvhgabcdek"))
    (output,) = p.outputs
    name = title(program)
    if isinstance(output, Var) and not output.name and output not in p.inputs:
        names[output] = name
    active = reached_from(p, [wanted])
    steps: list[Step] = []
    for line in lines:
        if any(v in active for v in line.values):
            steps.append(_Line(line, x, names, active, len(p.inputs) == 1, output in line.values).step())
    if not steps:
        steps.append(_no_step(output is x, names[x]))
    whole = _forward(p, x, active)
    left, name = _names(name, [names[v] for v in p.inputs], wanted)
    setter = Typesetter(whole)
    value = Typesetter(tidy(p))
    return Derivation(
        value.formula(name, value.program.outputs[0]), names[x], tuple(steps), setter.formula(left, whole.outputs[0]),
        source(whole, "derivative"), whole, tuple(hidden),
    )  # fmt: skip


def _names(function: Box, variables: Sequence[Box], wanted: int) -> tuple[Box, Box]:
    """f′(x) and f(x), or ∂f/∂x and f(x, y)."""
    whole = applied(function, variables)
    if len(variables) == 1:
        return applied(prime(function), variables), whole
    return fraction(beside(_PARTIAL, function), beside(_PARTIAL, variables[wanted])), whole


_PARTIAL, _D = letter("∂", r"\partial "), letter("d", r"\mathrm{d}")


def _forward(p: Program, x: Var, active: set[Var]) -> Program:
    """The derivative of the whole, by the same rules as the steps."""
    recorder = Recorder(quiet=True)
    recorder.equations = list(p.equations)
    dot: dict[Atom, Atom] = {x: _one(x)}
    for e in p.equations:
        if any(a in active for a in e.inputs):
            changes = apply_rule(recorder, e, [dot.get(a) for a in e.inputs])
            dot.update((v, d) for v, d in zip(e.outputs, changes, strict=True) if d is not None)
    output = p.outputs[0]
    zero = Const(np.zeros(output.type.shape, output.type.dtype))
    return tidy(Program(p.inputs, tuple(recorder.equations), (dot.get(output, zero),), p.name))


def _no_step(identity: bool, x: Box) -> Step:
    """The derivative of x itself, or of what does not change with it."""
    subject, result = (x, number("1")) if identity else (letter("c"), number("0"))
    name = prime(fenced("(", subject, ")"))
    rule = "identity rule" if identity else "constant rule"
    return Step(rule, f"{name} = {result}", subject, result, result, (), name)


def _one(x: Var) -> Const:
    return Const(np.ones((), x.type.dtype))


def apply_rule(recorder: Recorder, e: Equation, dots: Sequence[Atom | None]) -> list[Atom | None]:
    """How the results of an equation change, given how its operands do (None: not at all)."""
    form = FORMS.get(e.op.rule or "")
    if form is not None and e.op.aligned and any(d is not None for d in dots):
        change = form(*(None if a is None else Traced(recorder, a) for a in (*e.inputs, *dots)))
        if change is not None:
            return [recorder.atom(change)]
    dot = {a: d for a, d in zip(e.inputs, dots, strict=True) if isinstance(a, Var)}
    inputs = tuple(dot)
    moving = [i for i, a in enumerate(inputs) if dot[a] is not None]
    found = forward(Program(inputs, (e,), e.outputs), moving)
    tangents = found.program.inputs[len(inputs) :]
    changes = [None if i is None else found.program.outputs[i] for i in found.present]
    rule = Program(
        (*inputs, *e.outputs, *tangents), found.program.equations[1:], tuple(c for c in changes if c is not None)
    )
    atoms = [*inputs, *e.outputs, *(d for d in dot.values() if d is not None)]
    spliced = iter(recorder.splice(rule, atoms))
    return [None if c is None else next(spliced) for c in changes]


class _Line:
    """The steps of one line: its value in terms of names, each with a derivative that is known or has its own steps."""

    def __init__(self, line: Line, x: Var, names: Mapping[Var, Box], active: set[Var], alone: bool, last: bool) -> None:
        self.line, self.x, self.names, self.active, self.alone = line, x, names, active, alone
        self.last = last
        self.program = line.program
        self.producer = {v: e for e in self.program.equations for v in e.outputs}
        self.setter = Typesetter(self.program, named=names)
        self.primes = {
            v: Var(v.type, "") for v in self.program.inputs if v in active and v is not x
        }  # derivatives of other lines' values: symbols here
        self.prime_names = {p: prime(names[v]) for v, p in self.primes.items()}
        self.known: dict[Var, Step] = {}

    def step(self) -> Step:
        v = next(v for v in self.line.values if v in self.active)
        step = self._step(v)
        if self.last:
            return step
        return replace(step, derivative_name=equation(prime(self.names[v]), step.derivative_name))

    def _step(self, v: Var) -> Step:
        e = self._equation(v)
        terms = self._terms(e)
        flags = [a in self.active for a in e.inputs]
        waiting = {a: Var(a.type) for a in terms if isinstance(a, Var) and a in self.active and self._is_inner(a)}
        subject = self._subject(v)
        applied = self._derivative(e, terms, waiting)
        result = self._derivative(e, terms, {})
        inner = next((a for a in waiting if e.op.aligned and len(e.inputs) - flags.count(False) == 1), None)
        chain = inner is not None and kind(e, flags) not in ARITHMETIC - {"power"}
        rule = called(e, flags)
        alone = flags.count(True) == 1 and e.inputs[flags.index(True)] is self.x
        statement = _statement(e, flags, self.names[self.x] if alone else None) if len(terms) <= 2 else _ANY_SUM
        with_ = f" with u = {self._subject(inner)}" if chain and inner is not None else ""
        function = Program(self.program.inputs, self.program.equations, (v,))
        return Step(
            f"chain rule, {rule}" if chain else rule,
            statement + with_,
            subject,
            self._typeset(applied, {w: self._pending(self._subject(a)) for a, w in waiting.items()}),
            self._typeset(result, {}),
            tuple(self._step(a) for a in waiting),
            self._pending(subject),
            function,
            result,
        )

    def _equation(self, v: Var) -> Equation:
        """What computes a value, looking through views."""
        e = self.producer[v]
        while is_view(e) and isinstance(e.inputs[0], Var) and e.inputs[0] in self.producer:
            e = self.producer[e.inputs[0]]
        return e

    def _is_inner(self, a: Var) -> bool:
        return a in self.producer

    def _terms(self, e: Equation) -> list[Atom]:
        """The operands; of a sum of sums, all the terms."""
        if e.op.rule != "sum":
            return list(dict.fromkeys(e.inputs))
        terms: list[Atom] = []
        stack = list(reversed(e.inputs))
        while stack:
            a = stack.pop()
            inner = self.producer.get(a) if isinstance(a, Var) else None
            if inner is not None and inner.op.rule == "sum" and inner.op.aligned:
                stack.extend(reversed(inner.inputs))
            else:
                terms.append(a)
        return list(dict.fromkeys(terms))

    def _subject(self, v: Atom) -> Box:
        if isinstance(v, Var) and v in self.setter.definitions:
            return self.setter.definitions[v][1]
        return self.setter.box(v)

    def _pending(self, subject: Box) -> Box:
        d = _D if self.alone else _PARTIAL
        over = fraction(d, beside(d, self.names[self.x]))
        return beside(over, letter(" "), fenced("[", subject, "]"))

    def _derivative(self, e: Equation, terms: Sequence[Atom], waiting: Mapping[Var, Var]) -> Program:
        """The derivative of an equation's value; those of `waiting` operands are inputs, all others are worked out."""
        recorder = Recorder(quiet=True)
        recorder.equations = list(self.program.equations)
        dot: dict[Atom, Atom | None] = {self.x: _one(self.x)}
        dot.update((*self.primes.items(), *waiting.items()))
        for before in self.program.equations:
            if any(a in self.active for a in before.inputs) and before.outputs[0] not in waiting:
                changes = apply_rule(recorder, before, [dot.get(a) for a in before.inputs])
                dot.update(zip(before.outputs, changes, strict=True))
            if before is e:
                break
        found = dot.get(e.outputs[0])
        output = e.outputs[0]
        zero = Const(np.zeros(output.type.shape, output.type.dtype))
        inputs = (*self.program.inputs, *self.primes.values(), *waiting.values())
        return Program(inputs, tuple(recorder.equations), (found if found is not None else zero,))

    def _typeset(self, program: Program, names: Mapping[Var, Box]) -> Box:
        tidied = tidy(program, last=(*names, *self.primes.values()))
        known = {v: b for v, b in self.names.items() if v in tidied.inputs}
        setter = Typesetter(tidied, named={**known, **self.prime_names, **names}, long=1000)
        return setter.formula(number("0"), tidied.outputs[0]).right


_ANY_SUM = "(u + v + …)′ = u′ + v′ + …"


def _statement(e: Equation, moving: Sequence[bool], plain: Box | None) -> str:
    """The rule with letters: (u v)′ = v u′ + u v′; of the variable itself, `plain`, without the inner derivative."""
    letters, constants = iter("uvw"), iter("cab")
    inputs = [Var(a.type) for a in e.inputs]
    boxes = {
        v: plain or symbol(next(letters)) if m else symbol(next(constants)) for v, m in zip(inputs, moving, strict=True)
    }
    recorder = Recorder(quiet=True)
    outputs = recorder.emit(e.op, tuple(inputs), dict(e.params), None)
    dots: dict[Var, Atom] = {v: _one(v) if plain else Var(v.type) for v, m in zip(inputs, moving, strict=True) if m}
    changes = apply_rule(recorder, recorder.equations[0], [dots.get(v) for v in inputs])
    change = changes[0] or Const(np.zeros((), outputs[0].type.dtype))
    symbols = {d: prime(boxes[v]) for v, d in dots.items() if isinstance(d, Var)}
    whole = tidy(Program((*inputs, *symbols), tuple(recorder.equations), (change,)), last=tuple(symbols))
    left = Typesetter(Program(whole.inputs, (recorder.equations[0],), (outputs[0],)), named=boxes | symbols)
    right = Typesetter(whole, named=boxes | symbols, long=1000)
    value = fenced("(", left.box(outputs[0]), ")")
    return f"{prime(value)} = {right.formula(number('0'), whole.outputs[0]).right}"
