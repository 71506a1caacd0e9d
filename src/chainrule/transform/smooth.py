"""Squares that remove a kink, written without it: |x|² is x², ‖x‖² is Σ xᵢ².

Differentiated step by step, |x|² has the slope 2 |x| sign(x), whose own slope at 0 comes out as 0 by the convention for
sign; the truth is 2. So what is differentiated is the square that an op says it has (`squared` in its entry).
"""

from __future__ import annotations

from ..ir import Atom, Const, Equation, Program, Var, without_dead_code
from ..ops.arithmetic import divide, multiply, negative, power_of
from ..trace.recorder import Recorder, Traced
from .simplify import simplify


def smooth(program: Program) -> Program:
    """The same function with every square of a value that has a kink written out."""
    if not any(e.op.squared is not None for e in program.equations):
        return program
    short = simplify(program)  # a norm computed twice is one norm
    recorder = Recorder(quiet=True)
    new: dict[Atom, Atom] = {}
    for e in short.equations:
        inputs = tuple([new.get(a, a) for a in e.inputs])
        square = _square_of(inputs[0], recorder) if _is_square(e) else None
        if square is not None:
            power = (e.params["n"] if e.op is power_of else 2) / 2
            new[e.output] = (square if power == 1 else square**power).atom
            continue
        kept = e if inputs == e.inputs else Equation(e.op, inputs, e.outputs, e.params, e.where)
        recorder.equations.append(kept)
        for v in kept.outputs:
            recorder.producer[v] = kept
    if not new:
        return program
    outputs = tuple([new.get(a, a) for a in short.outputs])
    return Program(short.inputs, tuple(recorder.equations), outputs, short.name)


def has_kinks(program: Program) -> bool:
    """Whether what is made of its results may square a kink away."""
    return any(e.op.squared is not None for e in without_dead_code(smooth(program)).equations)


def _is_square(e: Equation) -> bool:
    """xⁿ with an even n > 0, or x · x."""
    if e.op is power_of:
        return bool(e.params["n"] > 0 and e.params["n"] % 2 == 0)
    return e.op is multiply and e.inputs[0] is e.inputs[1]


def _square_of(a: Atom, recorder: Recorder) -> Traced | None:
    """The square of a value from what it is made of, if that has a kink, whatever sign or number stands in front."""
    e = recorder.producer.get(a) if isinstance(a, Var) else None
    if e is None:
        return None
    if e.op.squared is not None:
        made: Traced = e.op.squared(*[Traced(recorder, x) for x in e.inputs], **e.params)
        return made
    if e.op is negative:
        return _square_of(e.inputs[0], recorder)
    if e.op in (divide, multiply) and isinstance(e.inputs[1], Const):
        square, c = _square_of(e.inputs[0], recorder), e.inputs[1]
        factor = Const(c.value * c.value)
        return None if square is None else (square / factor.value if e.op is divide else square * factor.value)
    return None
