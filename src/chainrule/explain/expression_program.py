"""Expressions read from programs, and written as programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import e as EULER
from typing import Any

import numpy as np

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.arithmetic import add, convert, divide, multiply, negative, power, power_of, subtract, where
from ..ops.elementary import exp, sqrt
from ..ops.op import OPS, Elementwise, Op
from ..trace.recorder import Recorder
from .algebra import Exact, Term, exact, magnitude
from .expression import HALF, LARGEST, Applied, Expr, Factor, TooLarge, Unreadable, apply, depends, number, var


def read(program: Program, inputs: Sequence[Expr] | None = None) -> Expr:
    """What a program of numbers computes; raises Unreadable, or TooLarge."""
    given = [var(v) for v in program.inputs] if inputs is None else inputs
    known: dict[Var, Expr] = dict(zip(program.inputs, given, strict=True))

    def of(a: Atom) -> Expr:
        if isinstance(a, Var):
            return known[a]
        value = exact(a.value.item()) if a.type.shape == () and a.type.dtype.kind in "fiu" else None
        if value is None:
            raise Unreadable("a number that is not finite, or too large or small to be kept exactly")
        return number(value)

    for equation in program.equations:
        if any(a.type.shape for a in (*equation.inputs, *equation.outputs)):
            raise Unreadable("a part that is an array")
        only = _only_branch(equation)
        known[equation.output] = _read(equation, [of(a) for a in equation.inputs]) if only is None else of(only)
        if known[equation.output].size > LARGEST:
            raise TooLarge
    return of(program.outputs[0])


def _only_branch(equation: Equation) -> Atom | None:
    """Of a choice between a value and none (NaN: outside the domain), the value."""
    if equation.op is where:
        _, yes, no = equation.inputs
        for a, other in ((yes, no), (no, yes)):
            if isinstance(a, Const) and np.isnan(a.value).all():
                return other
    return None


def _read(equation: Equation, args: list[Expr]) -> Expr:
    op = OPS.get(equation.op.name, equation.op)
    how = _READ.get(op)
    if how is not None:
        return how(equation, args)
    if not isinstance(op, Elementwise):
        raise Unreadable(f"{op.name}, which is no function of numbers")
    return apply(op, *args, **equation.params)


def _read_power(equation: Equation, args: list[Expr]) -> Expr:
    base, exponent = args
    if exponent.number is not None:
        return base.to(exponent.number)
    if base.number is not None and float(base.number) == EULER:
        return apply(exp, exponent)
    return apply(power, base, exponent)


def _read_power_of(equation: Equation, args: list[Expr]) -> Expr:
    n = exact(equation.params["n"])
    if n is None or magnitude(n) > 1000:
        raise Unreadable("a power that is too large")
    return args[0].to(n)


_READ: dict[Op, Callable[[Equation, list[Expr]], Expr]] = {
    add: lambda equation, args: args[0] + args[1],
    subtract: lambda equation, args: args[0] - args[1],
    multiply: lambda equation, args: args[0] * args[1],
    divide: lambda equation, args: args[0] / args[1],
    negative: lambda equation, args: args[0] * number(-1),
    sqrt: lambda equation, args: args[0].to(HALF),
    convert: lambda equation, args: args[0],
    power: _read_power,
    power_of: _read_power_of,
}


class Writer:
    """Expressions written as equations, each once."""

    def __init__(self) -> None:
        self.recorder = Recorder(quiet=True)
        self.known: dict[Any, Atom] = {}

    def write(self, u: Expr) -> Atom:
        if u not in self.known:
            found: Atom | None = None
            first = next((i for i, t in enumerate(u.terms) if t.number > 0), 0)
            for t in (*u.terms[first : first + 1], *u.terms[:first], *u.terms[first + 1 :]):
                part = self._term(Term(magnitude(t.number), t.powers) if found is not None and t.number < 0 else t)
                found = part if found is None else self._emit(subtract if t.number < 0 else add, found, part)
            self.known[u] = found if found is not None else _const(0)
        return self.known[u]

    def _term(self, t: Term) -> Atom:
        t = _folded(t)
        above: list[Atom] = [] if t.number.numerator in (1, -1) and t.powers else [_const(abs(t.number.numerator))]
        below: list[Atom] = [] if t.number.denominator == 1 else [_const(t.number.denominator)]
        if t.number.denominator > 1000:
            above, below = [_const(magnitude(t.number))], []
        for factor, n in sorted(t.powers, key=_place):
            (above if n > 0 else below).append(self._power(factor, magnitude(n)))
        found = self._product(above or [_const(1)])
        if below:
            found = self._emit(divide, found, self._product(below))
        return self._emit(negative, found) if t.number < 0 else found

    def _product(self, atoms: Sequence[Atom]) -> Atom:
        first, *rest = atoms
        for a in rest:
            first = self._emit(multiply, first, a)
        return first

    def _power(self, factor: Factor, n: Exact) -> Atom:
        base = self._factor(factor)
        if n == 1:
            return base
        if n == HALF:
            return self._emit(sqrt, base)
        return self._emit(power_of, base, n=int(n) if n.denominator == 1 else float(n))

    def _factor(self, factor: Factor) -> Atom:
        if isinstance(factor, Var):
            return factor
        if isinstance(factor, Expr):
            return self.write(factor)
        if factor not in self.known:
            types = [np.dtype(d) for d in factor.op.operand_dtypes(tuple(self._dtypes(factor)))]
            args = [self.write(a) for a in factor.args]
            args = [
                Const(np.asarray(a.value, d)) if isinstance(a, Const) else a for a, d in zip(args, types, strict=True)
            ]
            self.known[factor] = self._emit(factor.op, *args, **dict(factor.params))
        return self.known[factor]

    def _dtypes(self, factor: Applied) -> list[Any]:
        return [self.write(a).type.dtype for a in factor.args]

    def _emit(self, op: Op, *atoms: Atom, **params: Any) -> Atom:
        return self.recorder.emit(op, atoms, params, None)[0]


def _folded(t: Term) -> Term:
    """A decimal takes the roots of numbers into itself."""
    if t.number.denominator <= 1000:
        return t
    roots = [(factor, n) for factor, n in t.powers if isinstance(factor, Expr) and factor.number is not None]
    value = float(t.number)
    for factor, n in roots:
        value *= float(factor.number or 0) ** float(n)
    found = exact(value) if roots else None
    return t if found is None else Term(found, tuple(p for p in t.powers if p not in roots))


def _place(power: tuple[Factor, Exact]) -> int:
    """Of the factors of a product, numbers come first, then letters, sums, functions."""
    factor = power[0]
    if not depends(factor):
        return 0
    return 1 if isinstance(factor, Var) else 2 if isinstance(factor, Expr) else 3


def write(u: Expr, inputs: Sequence[Var], name: str = "f") -> Program:
    """The expression as a program of the inputs."""
    writer = Writer()
    output = writer.write(u)
    return Program(tuple(inputs), tuple(writer.recorder.equations), (output,), name)


def _const(value: Exact) -> Const:
    return Const(np.asarray(float(value)))
