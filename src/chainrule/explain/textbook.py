"""Gradients as a textbook writes them: with the derivatives that books state, and n for what a mean divides by.

>>> import numpy as np
>>> from chainrule import trace
>>> def loss(w, X, y):
...     return np.mean((X @ w - y) ** 2)
>>> print(gradient(trace(loss, np.ones(3), np.ones((5, 3)), np.ones(5)), [0]))
∇w loss = (2/n) Xᵀ (X w − y)
  where n = 5
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction, Spec, canonical, contract
from ..ops.op import Elementwise, General, Op
from ..transform.reverse import reverse
from .formula import Formula, Typesetter, is_view, title
from .layout import Box, beside, fraction, letter, nabla, number
from .styles import notation_of
from .tidy import tidy


class Counted(NamedTuple):
    """A Program in which counts are inputs of their own, behind the others; and what they are."""

    program: Program
    counts: Mapping[Var, int]


# --- preparing a program ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _twin(op: Op) -> Op:
    """The op with the derivative that books state, on its domain."""
    if isinstance(op, General) and op.textbook is not None:
        pushforward, pullback = op.textbook
        return dataclasses.replace(op, pushforward=pushforward, pullback=pullback)
    if not isinstance(op, Elementwise) or (op.textbook is None and not op.cut):
        return op
    return dataclasses.replace(op, derivative=op.textbook or op.derivative, cut=())


def with_book_rules(program: Program) -> Program:
    """The same Program, whose derivatives read as in a book: tanh' = 1 − tanh², σ' = σ (1 − σ)."""
    equations = tuple(Equation(_twin(e.op), e.inputs, e.outputs, e.params, e.where) for e in program.equations)
    return Program(program.inputs, equations, program.outputs, program.name)


def with_counts(program: Program) -> Counted:
    """Where a sum is divided by how many were added up, that number becomes n."""
    producer = {v: e for e in program.equations for v in e.outputs}
    taken = {v.name for v in program.variables}
    names = iter([name for name in ("n", "m", "N", "M", "k", "K") if name not in taken])
    counts: dict[int, Var] = {}
    equations: list[Equation] = []
    for e in program.equations:
        count = _count(e, producer)
        if count is not None and count not in counts:
            name = next(names, "")
            if name:
                counts[count] = Var(ArrayType((), e.output.type.dtype), name)
        if count in counts:
            below = _repeated(counts[count], e.output.type, equations)
            e = Equation(e.op, (e.inputs[0], below), e.outputs, e.params, e.where)
        equations.append(e)
    counted = Program((*program.inputs, *counts.values()), tuple(equations), program.outputs, program.name)
    return Counted(counted, {v: n for n, v in counts.items()})


def _count(e: Equation, producer: Mapping[Var, Equation]) -> int | None:
    """How many a mean divides by, if the equation is that division."""
    if notation_of(e).style != "fraction" or not e.output.type.differentiable:
        return None
    above, below = e.inputs
    if not isinstance(below, Const):
        return None
    while isinstance(above, Var) and above in producer and is_view(producer[above]):
        above = producer[above].inputs[0]
    total = producer.get(above) if isinstance(above, Var) else None
    if total is None or not isinstance(total.op, Contraction) or len(total.inputs) != 1 or below.type.shape:
        return None
    spec: Spec = total.params["spec"]
    size = spec.sizes([total.inputs[0].type.shape])
    count = prod(size[label] for label in set(spec.ins[0]) - set(spec.out))
    return count if count > 1 and below.is_scalar(count) else None


def _repeated(v: Var, type_: ArrayType, equations: list[Equation]) -> Var:
    if not type_.shape:
        return v
    spec = canonical(Spec(((),), tuple(range(type_.ndim)), tuple(enumerate(type_.shape))))
    repeated = Var(type_)
    equations.append(Equation(contract, (v,), (repeated,), {"spec": spec}))
    return repeated


# --- gradients --------------------------------------------------------------------------------------------------------


def value_program(program: Program) -> Counted:
    """The Program for a reader."""
    counted = with_counts(with_book_rules(program))
    return Counted(tidy(counted.program), counted.counts)


def gradient_program(program: Program, wanted: Sequence[int]) -> Counted:
    """The gradient in each wanted input, for a reader; where an input plays no part, zeros."""
    found = plain_gradient(with_counts(with_book_rules(program)), wanted)
    return Counted(tidy(found.program), found.counts)


def plain_gradient(counted: Counted, wanted: Sequence[int]) -> Counted:
    """The gradient in each wanted input just as it is derived."""
    p = counted.program
    one = Const(np.ones((), p.outputs[0].type.dtype))
    found = reverse(p, wanted, [one])
    outputs: list[Atom] = []
    for i, at in zip(wanted, found.present, strict=True):
        t = p.inputs[i].type
        outputs.append(Const(np.zeros(t.shape, t.dtype)) if at is None else found.program.outputs[at])
    q = found.program
    return Counted(Program(q.inputs, q.equations, tuple(outputs), q.name), counted.counts)


def gradient_name(v: Var, name: Box, of: Box) -> Box:
    """∇w L, or ∂L/∂b where b is a number."""
    if v.type.shape:
        return beside(nabla(name), letter(" ", r"\,"), of)
    partial = letter("∂", r"\partial ")
    return fraction(beside(partial, of), beside(partial, name))


def typesetter(counted: Counted, **options: Any) -> Typesetter:
    return Typesetter(counted.program, counts=counted.counts, **options)


def gradient(program: Program, wanted: Sequence[int], setter: Typesetter | None = None) -> Formula:
    """The gradients in the wanted inputs, as one system of formulas; `setter` has typeset the program of them."""
    setter = setter or typesetter(gradient_program(program, wanted))
    of = title(program)
    lefts = [gradient_name(program.inputs[i], setter.box(program.inputs[i]), of) for i in wanted]
    return setter.system(lefts, setter.program.outputs)


def value(program: Program) -> Formula:
    """The function itself: its name, its arguments left out, and its value."""
    counted = value_program(program)
    setter = typesetter(counted)
    outputs = counted.program.outputs
    left = title(program)
    lefts = [left] if len(outputs) == 1 else [_part(left, i) for i in range(len(outputs))]
    return setter.system(lefts, outputs)


def _part(name: Box, i: int) -> Box:
    return Box("lowered", (name, number(str(i + 1))), level=name.level, needs=(0, 0))
