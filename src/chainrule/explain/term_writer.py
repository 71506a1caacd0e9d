"""Write terms down as equations: every product and sum once, signs and numbers in front, what divides below a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Array, ArrayType, Atom, Const, Equation, Var
from ..ops.arithmetic import add, divide, multiply, negative, power_of, subtract
from ..ops.contraction import Spec, canonical, contract
from ..ops.op import Op
from .algebra import ONE, Exact, Term, common, magnitude, of, without, written

Value = tuple[Term, ...]  # a sum of terms


class TermWriter:
    """The equations written so far; the same one is never written twice."""

    def __init__(self, rank: dict[Var, float]) -> None:
        self.equations: list[Equation] = []
        self.made: dict[Any, tuple[Var, ...]] = {}
        self.producer: dict[Var, Equation] = {}
        self.parts: dict[Atom, Value] = {}  # the terms of which a written sum is made
        self.rank = rank  # of the factors of a product, the lower come first

    def term(self, value: Value, type_: ArrayType) -> Term:
        """A value as one term: of a sum, what its terms share stands in front."""
        if not value:
            return Term(0)
        if len(value) == 1:
            return value[0]
        front = common(value)
        inside = tuple(without(t, front) for t in value)
        return front * of(self.write_sum(inside, type_))

    def emit(self, op: Op, inputs: tuple[Atom, ...], params: Any, e: Equation | None = None) -> tuple[Var, ...]:
        key = (op, tuple(map(_key, inputs)), tuple(params.items()))
        if key not in self.made:
            types = e.outputs if e is not None and e.op is op else None
            outputs = tuple(
                Var(t) for t in ([v.type for v in types] if types else op.types(*[a.type for a in inputs], **params))
            )
            equation = Equation(op, inputs, outputs, params, e.where if e else None)
            self.equations.append(equation)
            self.made[key] = outputs
            for v in outputs:
                self.producer[v] = equation
                self.rank[v] = 1
        return self.made[key]

    def write(self, value: Value, type_: ArrayType) -> Atom:
        if len(value) > 1:
            front = common(value)
            if front != Term():
                return self.write_product(self.term(value, type_), type_)
            return self.write_sum(value, type_)
        return self.write_product(self.term(value, type_), type_)

    def write_sum(self, value: Value, type_: ArrayType) -> Atom:
        first = next((i for i, t in enumerate(value) if t.number > 0), 0)
        ordered = (value[first], *value[:first], *value[first + 1 :])
        total = self.write_product(ordered[0], type_)
        for t in ordered[1:]:
            part = self.write_product(t.scaled(-1) if t.number < 0 else t, type_)
            (total,) = self.emit(subtract if t.number < 0 else add, (total, part), {})
        if isinstance(total, Var):
            self.parts[total] = value
        return total

    def write_product(self, term: Term, type_: ArrayType) -> Atom:
        """sign · (numbers and scalars) · arrays, each a fraction where something is below."""
        if not term.powers:
            return self._fill(constant(term.number, type_), type_)
        if term.number < 0:
            (atom,) = self.emit(negative, (self.write_product(term.scaled(-1), type_),), {})
            return atom
        if type_.shape == ():
            front, core = self._front(term)
        else:
            front, core = term.scalars, term.arrays
        scalar = ArrayType((), type_.dtype)
        if not core.powers:
            return self._fill(self._fraction(front, scalar), type_)
        inside = self._fraction(core, type_)
        if front == Term():
            return inside
        outside = self._fill(self._fraction(front, scalar), type_)
        (atom,) = self.emit(multiply, (outside, inside), {})
        return atom

    def _front(self, term: Term) -> tuple[Term, Term]:
        """Of scalars, what stands in front of a sum over an array; all is one fraction where there is none."""
        sums = [a for a, n in term.powers if n > 0 and self._is_reduction(a)]
        if not sums:
            return Term(), term
        core = term.only(sums)
        return without(term, core), core

    def _is_reduction(self, a: Atom) -> bool:
        e = self.producer.get(a) if isinstance(a, Var) else None
        return e is not None and any(x.type.shape for x in e.inputs)

    def _fraction(self, term: Term, type_: ArrayType) -> Atom:
        above: list[Atom] = []
        below: list[Atom] = []
        simple_first = type_.shape == ()  # 2 x cos(x), but arrays as they come
        for atom, n in sorted(term.powers, key=lambda power: self._rank_of(power[0], simple_first)):
            (above if n > 0 else below).append(self._powered(atom, magnitude(n), type_))
        top, bottom = written(term.number)
        top_number = None if top is None and above else constant(top if top is not None else ONE, type_)
        if top == 1 and above:
            top_number = None
        numerator = self._product([*([top_number] if top_number else []), *above], type_)
        if bottom != 1:
            below.insert(0, constant(bottom, type_))
        if not below:
            return numerator
        (atom,) = self.emit(divide, (numerator, self._product(below, type_)), {})
        return atom

    def _rank_of(self, a: Atom, simple_first: bool) -> float:
        rank = self.rank.get(a, 0) if isinstance(a, Var) else 0
        return rank if simple_first or rank == 2 else 0

    def _product(self, factors: Sequence[Atom], type_: ArrayType) -> Atom:
        result = factors[0]
        for factor in factors[1:]:
            (result,) = self.emit(multiply, (result, factor), {})
        return result

    def _powered(self, atom: Atom, n: Exact, type_: ArrayType) -> Atom:
        if atom.type.shape != type_.shape:
            atom = self._fill(atom, type_)
        if n == 1:
            return atom
        (made,) = self.emit(power_of, (atom,), {"n": int(n) if n.denominator == 1 else float(n)})
        return made

    def _fill(self, atom: Atom, type_: ArrayType) -> Atom:
        """A number, repeated to a shape; a constant may stand as it is."""
        return atom if isinstance(atom, Const) else self.repeated(atom, type_)

    def repeated(self, atom: Atom, type_: ArrayType) -> Atom:
        if atom.type.shape == type_.shape:
            return atom
        spec = canonical(Spec(((),), tuple(range(len(type_.shape))), tuple(enumerate(type_.shape))))
        (made,) = self.emit(contract, (atom,), {"spec": spec})
        return made


def constant(number: Exact, type_: ArrayType) -> Const:
    return Const(np.asarray(float(number), type_.dtype))


def _key(a: Atom) -> Any:
    value: Array = a.value if isinstance(a, Const) else np.empty(0)
    if isinstance(a, Const) and value.size <= 64:
        return (value.dtype.str, value.shape, value.tobytes())
    return a
