"""A program one operation at a time, each as the NumPy that computes it.

>>> import numpy as np
>>> from chainrule import trace
>>> def f(x, b):
...     return np.sum(x[0] * x[1:] + b)
>>> for equation, written in operations(trace(f, np.ones(4), 2.0)):
...     print(equation.op, "as", written)
reshape as x[0]
slice as x[1:]
contract as np.full((3,), c)
multiply as e * d
contract as np.full((3,), b)
add as f + g
contract as np.sum(h)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..ir import Atom, Const, Equation, Program, Var
from ..ops.contraction import Contraction
from ..ops.control import holds_a_program
from .literals import literal
from .python_text import Text, call, contraction, element, number, statements, written
from .styles import notation_of


def operations(program: Program) -> Iterator[tuple[Equation, str]]:
    """Every equation that is worth a line, and its text; a slice from which an axis is dropped, `x[0]`, is one."""
    names = program.names()
    producer = {v: e for e in program.equations for v in e.outputs}
    uses = Counter(a for e in program.equations for a in e.inputs)
    uses.update(program.outputs)

    def part(a: Atom) -> Text:
        return Text(names[a]) if isinstance(a, Var) else _constant(a)

    found: dict[Equation, str] = {}
    for e in program.equations:
        first = e.inputs[0]
        inner = producer.get(first) if isinstance(first, Var) else None
        if inner is not None and notation_of(e).style == "silent" and notation_of(inner).style == "slice":
            picked = element(inner, part(inner.inputs[0]), e.output.type.shape)
            if picked is not None:
                found[e] = picked.code
                if uses[inner.output] == 1:
                    found.pop(inner)
                continue
        found[e] = _text(e, [part(a) for a in e.inputs], names[e.outputs[0]])
    yield from found.items()


def _constant(a: Const) -> Text:
    if a.type.shape == ():
        return number(a.value)
    short = literal(a.value)
    return Text(short if short is not None and len(short) <= 30 else f"constant {a.type}")


def _text(e: Equation, parts: list[Text], name: str) -> str:
    if isinstance(e.op, Contraction):
        return contraction(e.params["spec"], [a.type.shape for a in e.inputs], parts).code
    if holds_a_program(e) or statements(e, name, parts) is not None:  # NumPy writes the latter into an array
        return call(e.op.name, [*parts, *(f"{k}={v}" for k, v in e.params.items())]).code
    return written(e, parts).code
