"""Is a function quadratic in its arguments? Read off its Programs, so that a yes holds at every point.

The Hessian is derived as a Program. If that reads none of the arguments in question, it is the same everywhere. This
alone would take |x| and floor(x) + x² for quadratic, whose Hessians are constant where they exist: so nothing that
depends on the arguments may get lost on the way, by a comparison, a sign or a rounding that has no derivative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Const, Program, Var, without_dead_code
from ..ops.op import Elementwise
from .forward import forward
from .reverse import reverse
from .simplify import simplify


def quadratic(program: Program, wanted: Sequence[int]) -> bool:
    """True only if the Program's one output is a polynomial of degree at most 2 in the wanted inputs.

    False means: not quadratic, or not seen to be.
    """
    program = simplify(program)
    if not _keeps_all(program, wanted):
        return False
    one = Const(np.ones((), program.outputs[0].type.dtype))
    first = reverse(program, wanted, [one])
    gradient = _only(first.program, first.present)
    if not _keeps_all(gradient, wanted):
        return False
    second = forward(gradient, wanted)
    hessian = _only(second.program, second.present)
    read = {a for e in hessian.equations for a in e.inputs} | set(hessian.outputs)
    return not any(hessian.inputs[i] in read for i in wanted)


def _only(program: Program, present: Sequence[int | None]) -> Program:
    """Only the derivatives among the outputs, simplified."""
    outputs = tuple(program.outputs[i] for i in present if i is not None)
    return simplify(Program(program.inputs, program.equations, outputs, program.name))


def _keeps_all(program: Program, wanted: Sequence[int]) -> bool:
    """Whether every value that depends on the wanted inputs does so smoothly: no kink, and nothing without a slope."""
    program = without_dead_code(program)
    depends = {program.inputs[i] for i in wanted}
    for e in program.equations:
        if not depends.isdisjoint(a for a in e.inputs if isinstance(a, Var)):
            if isinstance(e.op, Elementwise) and e.op.kinks:  # the remainder has a slope of 1, and jumps
                return False
            depends.update(e.outputs)
    values = tuple(v for e in program.equations for v in e.outputs if v in depends)
    moved = forward(Program(program.inputs, program.equations, values), wanted)
    return all(index is not None for index in moved.present)
