"""Functions of one number inside a Program: φ(z) for each element of z, and whether φ″ ≥ 0.

log(1 + exp(z)) bends upward although log bends downward: what is elementwise between two values is read as one
function of one number. Two provers: exact algebra (forms.py), and bounds of φ″ on pieces that are halved until each is
decided or too short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from ..ir import Array, ArrayType, Atom, Const, Equation, Program, Var
from ..ops.enclosures import Enclosure
from ..ops.op import Elementwise
from ..transform.forward import forward
from ..transform.simplify import simplify
from .bounds import read
from .forms import Form, Quotient, bend
from .terms import Unknown

_ROWS = 64  # different data beside one function
_PIECES = 3000
_LONGEST = 30  # steps of a chain: what is longer has never been decided by pieces, and each of its steps is tried
_EDGES = (-inf, -100.0, -30.0, -10.0, -3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, inf)


def chain(output: Var, base: Atom, producer: Mapping[Var, Equation], constant: Mapping[Var, Array]) -> list[Equation]:
    """The elementwise equations from base to output, in order."""
    found: dict[Var, None] = {}
    order: list[Equation] = []

    def visit(v: Atom) -> None:
        if not isinstance(v, Var) or v is base or v in constant or v in found:
            return
        found[v] = None
        e = producer[v]
        for a in e.inputs:
            visit(a)
        order.append(e)

    visit(output)
    return order


def curvature(
    output: Var,
    base: Var,
    producer: Mapping[Var, Equation],
    constant: Mapping[Var, Array],
    span: tuple[float, float],
) -> int:
    """1 if every element of output is a convex function of its element of base, -1 if concave, 0 if not known."""
    equations = chain(output, base, producer, constant)
    if not equations or len(equations) > _LONGEST:
        return 0
    rows = _rows(equations, constant, base.type.shape)
    if rows is None:
        return 0
    names, table = rows
    found = {_exactly(equations, base, output, dict(zip(names, row, strict=True)), span) for row in table}
    if found and 0 not in found:
        return found.pop() if len(found) == 1 else 0
    return _by_pieces(equations, base, output, names, table, span)


def _rows(
    equations: Sequence[Equation], constant: Mapping[Var, Array], shape: tuple[int, ...]
) -> tuple[list[Atom], Array] | None:
    """The data beside z, each combination once."""
    atoms: dict[Atom, Array] = {}
    for e in equations:
        for a in e.inputs:
            if isinstance(a, Const):
                atoms[a] = a.value
            elif a in constant:
                atoms[a] = constant[a]
    if not atoms:
        return [], np.zeros((1, 0))
    columns = [np.broadcast_to(np.asarray(value, float), shape).ravel() for value in atoms.values()]
    if all(np.size(v) == 1 or (c == c[:1]).all() for v, c in zip(atoms.values(), columns, strict=True)):
        return list(atoms), np.array([[c[0] if c.size else 0.0 for c in columns]])
    if any(c.size > 200_000 for c in columns):
        return None
    table = np.unique(np.stack(columns, axis=1), axis=0)
    return (list(atoms), table) if len(table) <= _ROWS and np.isfinite(table).all() else None


def _exactly(
    equations: Sequence[Equation], base: Var, output: Var, data: dict[Any, float], span: tuple[float, float]
) -> int:
    if any(not isinstance(e.op, Elementwise) or e.op.formal is None for e in equations):
        return 0
    if not all(np.isfinite(v) for v in data.values()):
        return 0

    def form_on(low: Any, high: Any) -> Form:
        one, none = Fraction(1), Fraction(0)
        z = Form(Quotient({(1, none): one}, {(0, none): one}), (), low, high)
        values: dict[Any, Any] = {base: z._like(z.plain)}
        for a, value in data.items():
            values[a] = z._read(value)
        for e in equations:
            try:
                made = e.op.formal(*[values[a] for a in e.inputs], **e.params)  # type: ignore[attr-defined]
            except (ZeroDivisionError, OverflowError, ValueError) as error:
                raise Unknown from error
            values[e.output] = z._read(made)
        result: Form = values[output]
        return result

    return bend(form_on, *span, choices=any(not e.output.type.differentiable for e in equations))


def _by_pieces(
    equations: Sequence[Equation], base: Var, output: Var, names: Sequence[Any], table: Array, span: tuple[float, float]
) -> int:
    """Bounds of φ″ on pieces, all at once; only where no function on the way has a kink or a step."""
    for e in equations:
        if not isinstance(e.op, Elementwise) or e.op.kinks or e.op.switch is not None or e.op.derivative is None:
            return 0
    number = Var(ArrayType((), np.dtype(float)))
    inputs = [number, *(Var(ArrayType((), np.dtype(float))) for _ in names)]
    new: dict[Any, Atom] = dict(zip([base, *names], inputs, strict=True))
    copies = []
    for e in equations:
        v = Var(ArrayType((), np.dtype(float)))
        copies.append(Equation(e.op, tuple([new[a] for a in e.inputs]), (v,), e.params))
        new[e.output] = v
    program = Program(tuple(inputs), tuple(copies), (new[output],), "chain")
    second = twice(program)
    if not np.isfinite(table).all():
        return 0
    if second is None:
        whole: dict[Atom, Enclosure] = {v: Enclosure(c, c) for v, c in zip(program.inputs[1:], table.T, strict=True)}
        whole[program.inputs[0]] = Enclosure(np.asarray(span[0]), np.asarray(span[1]))
        (value,) = read(program, whole).outputs
        return 0 if value.undefined else 1  # linear
    low, high = np.array(_EDGES[:-1]), np.array(_EDGES[1:])
    low, high = np.maximum(low, span[0]), np.minimum(high, span[1])
    low, high = low[low < high], high[low < high]
    sides = {1, -1}
    for _ in range(14):
        known: dict[Atom, Enclosure] = {second.inputs[0]: Enclosure(low[:, None], high[:, None])}
        for v, column in zip(second.inputs[1:], table.T, strict=True):
            known[v] = Enclosure(column[None, :], column[None, :])
        (found,) = read(second, known).outputs
        if found.undefined:
            return 0
        least, most = (np.broadcast_to(end, (len(low), len(table))) for end in found[:2])
        up, down = (least >= 0).all(axis=1), (most <= 0).all(axis=1)
        if np.any(most < 0):
            sides.discard(1)
        if np.any(least > 0):
            sides.discard(-1)
        for side, done in ((1, up), (-1, down)):
            if side in sides and done.all():
                return side
        if not sides:
            return 0
        open_ = ~up & ~down if len(sides) == 2 else ~up if 1 in sides else ~down
        if not open_.any() or np.isinf(low[open_]).any() or np.isinf(high[open_]).any() or 2 * open_.sum() > _PIECES:
            return 0
        middle = low[open_] / 2 + high[open_] / 2
        low, high = (
            np.concatenate([low[~open_], low[open_], middle]),
            np.concatenate([high[~open_], middle, high[open_]]),
        )
    return 0


def twice(program: Program) -> Program | None:
    """The second derivative of a function of one number; None where it is zero."""
    for _ in range(2):
        found = forward(program, [0])
        (present,) = found.present
        if present is None:
            return None
        one = Const(np.asarray(1.0))
        new: dict[Atom, Atom] = {found.program.inputs[-1]: one}
        equations = tuple(
            Equation(e.op, tuple([new.get(a, a) for a in e.inputs]), e.outputs, e.params)
            for e in found.program.equations
        )
        last = found.program.outputs[present]
        program = simplify(Program(found.program.inputs[:-1], equations, (new.get(last, last),), "slope"))
    return program
