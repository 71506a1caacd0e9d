"""The steps of a derivation: one rule of calculus at a time, the outermost first, as a program is cut into lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var, without_dead_code
from ..ops.op import Op
from ..trace.recorder import Recorder, Traced
from ..transform.forward import forward
from .formula import Typesetter, is_view
from .layout import Box, beside, equation, fenced, fraction, letter, number
from .lines import Line
from .names import prime, symbol
from .rules import ARITHMETIC, FORMS, called, kind, named
from .tidy import tidy

PARTIAL, D = letter("∂", r"\partial "), letter("d", r"\mathrm{d}")


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


def no_step(identity: bool, x: Box) -> Step:
    """The derivative of x itself, or of what does not change with it."""
    subject, result = (x, number("1")) if identity else (letter("c"), number("0"))
    name = prime(fenced("(", subject, ")"))
    rule = "identity rule" if identity else "constant rule"
    return Step(rule, f"{name} = {result}", subject, result, result, (), name)


def one(x: Var) -> Const:
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


class LineSteps:
    """The steps of one line: its value in terms of names, each with a derivative that is known or has its own steps."""

    def __init__(
        self, line: Line, x: Var, names: Mapping[Var, Box], active: set[Var], alone: bool, last: bool, in_parts: bool
    ) -> None:
        self.line, self.x, self.names, self.active, self.alone = line, x, names, active, alone
        self.last, self.in_parts = last, in_parts
        self.program = line.program
        self.producer = {v: e for e in self.program.equations for v in e.outputs}
        self.setter = Typesetter(self.program, named=names)
        self.primes = {
            v: Var(v.type, "") for v in self.program.inputs if v in active and v is not x
        }  # derivatives of other lines' values: symbols here
        self.prime_names = {p: prime(names[v]) for v, p in self.primes.items()}
        self.whole = self._worked_out()

    def step(self) -> Step:
        v = next(v for v in self.line.values if v in self.active)
        step = self._step(v) if self.in_parts else self._summary(v)
        if self.last:
            return step
        return replace(step, derivative_name=equation(prime(self.names[v]), step.derivative_name))

    def _step(self, v: Var) -> Step:
        e = self._equation(v)
        terms = self._terms(e)
        flags = [a in self.active for a in e.inputs]
        waiting = {a: Var(a.type) for a in terms if isinstance(a, Var) and a in self.active and self._is_inner(a)}
        subject = self._subject(v)
        result = self._result(v)
        done = self._typeset(result, {})
        applied = done
        if waiting:
            pending = {w: self._pending(self._subject(a)) for a, w in waiting.items()}
            applied = self._typeset(self._applied(e, waiting), pending)
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
            applied,
            done,
            tuple(self._step(a) for a in waiting),
            self._pending(subject),
            function,
            result,
        )

    def _summary(self, v: Var) -> Step:
        """The whole line as one step."""
        result = self._result(v)
        done = self._typeset(result, {})
        subject = self._subject(v)
        rules = named(self.program.equations, self.active)
        function = Program(self.program.inputs, self.program.equations, (v,))
        return Step(", ".join(rules), "", subject, done, done, (), self._pending(subject), function, result)

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
        d = D if self.alone else PARTIAL
        over = fraction(d, beside(d, self.names[self.x]))
        return beside(over, letter(" "), fenced("[", subject, "]"))

    def _worked_out(self) -> tuple[Recorder, dict[Atom, Atom | None]]:
        """The derivative of every value of the line."""
        recorder = Recorder(quiet=True)
        recorder.equations = list(self.program.equations)
        dot: dict[Atom, Atom | None] = {self.x: one(self.x)}
        dot.update(self.primes.items())
        for e in self.program.equations:
            if any(a in self.active for a in e.inputs):
                dot.update(zip(e.outputs, apply_rule(recorder, e, [dot.get(a) for a in e.inputs]), strict=True))
        return recorder, dot

    def _result(self, v: Var) -> Program:
        """The derivative of a value, worked out."""
        recorder, dot = self.whole
        return self._program(recorder, v, dot.get(v), ())

    def _applied(self, e: Equation, waiting: Mapping[Var, Var]) -> Program:
        """The derivative of an equation's value, in which those of the `waiting` operands are inputs."""
        recorder = Recorder(quiet=True)
        recorder.equations = list(self.program.equations)
        _, known = self.whole
        dot: dict[Atom, Atom | None] = {a: d for a, d in known.items() if a not in self.producer}
        dot.update(waiting.items())
        for inner in self._between(e, waiting):
            dot.update(zip(inner.outputs, apply_rule(recorder, inner, [dot.get(a) for a in inner.inputs]), strict=True))
        return self._program(recorder, e.outputs[0], dot.get(e.outputs[0]), tuple(waiting.values()))

    def _between(self, e: Equation, waiting: Mapping[Var, Var]) -> list[Equation]:
        """The equations from the waiting operands up to e: the parts of a sum, and views."""
        needed: set[Equation] = set()
        stack = [e]
        while stack:
            inner = stack.pop()
            if inner not in needed:
                needed.add(inner)
                stack += [self.producer[a] for a in inner.inputs if a in self.producer and a not in waiting]
        moving = (inner for inner in self.program.equations if any(a in self.active for a in inner.inputs))
        return [inner for inner in moving if inner in needed]

    def _program(self, recorder: Recorder, v: Var, derivative: Atom | None, more: tuple[Var, ...]) -> Program:
        zero = Const(np.zeros(v.type.shape, v.type.dtype))
        inputs = (*self.program.inputs, *self.primes.values(), *more)
        return without_dead_code(Program(inputs, tuple(recorder.equations), (derivative or zero,)))

    def _typeset(self, program: Program, names: Mapping[Var, Box]) -> Box:
        # a step that waits for others stands as the rule says it
        tidied = tidy(program, last=(*names, *self.primes.values()), expand=not names)
        known = {v: b for v, b in self.names.items() if v in tidied.inputs}
        setter = Typesetter(tidied, named={**known, **self.prime_names, **names}, inline=True)
        return setter.formula(number("0"), tidied.outputs[0]).right


_ANY_SUM = "(u + v + …)′ = u′ + v′ + …"


def _statement(e: Equation, moving: Sequence[bool], variable: Box | None) -> str:
    """The rule of an equation with letters; of the variable itself, with its name."""
    types = tuple(a.type._replace(weak=False) for a in e.inputs)
    return _stated(e.op, tuple(e.params.items()), types, tuple(moving), variable)


@lru_cache(maxsize=1024)
def _stated(op: Op, params: Any, types: tuple[ArrayType, ...], moving: tuple[bool, ...], variable: Box | None) -> str:
    """(u v)′ = v u′ + u v′; with a variable, (x²)′ = 2 x."""
    letters, constants = iter("uvw"), iter("cab")
    inputs = tuple(Var(t) for t in types)
    boxes = {
        v: variable or symbol(next(letters)) if m else symbol(next(constants))
        for v, m in zip(inputs, moving, strict=True)
    }
    recorder = Recorder(quiet=True)
    output, *_ = recorder.emit(op, inputs, dict(params), None)
    dots: dict[Var, Atom] = {v: one(v) if variable else Var(v.type) for v, m in zip(inputs, moving, strict=True) if m}
    change, *_ = apply_rule(recorder, recorder.equations[0], [dots.get(v) for v in inputs])
    symbols = {d: prime(boxes[v]) for v, d in dots.items() if isinstance(d, Var)}
    zero = Const(np.zeros((), output.type.dtype))
    whole = tidy(Program((*inputs, *symbols), tuple(recorder.equations), (change or zero,)), last=tuple(symbols))
    left = Typesetter(Program(whole.inputs, (recorder.equations[0],), (output,)), named=boxes | symbols)
    right = Typesetter(whole, named=boxes | symbols, inline=True)
    return f"{prime(fenced('(', left.box(output), ')'))} = {right.formula(number('0'), whole.outputs[0]).right}"
