"""Ops that are said by others (softmax is an exponential over a sum) are written out before anything else is done."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import ChainruleError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var
from ..ops.op import Op
from ..trace.recorder import Recorder
from .foreign import Foreign


def expanded(program: Program) -> Program:
    """The Program with such ops written out; what two of them have in common is written once."""
    if not any(e.op.native is not None and e.op.native.means is not None for e in program.equations):
        return program
    equations: list[Equation] = []
    known: dict[Atom, Atom] = {}
    written: dict[Any, tuple[Var, ...]] = {}
    for e in program.equations:
        inputs = tuple([known.get(a, a) for a in e.inputs])
        if e.op.native is None or e.op.native.means is None:
            equations.append(e if inputs == e.inputs else Equation(e.op, inputs, e.outputs, e.params, e.where))
            continue
        body = expanded(meaning(e.op, tuple([a.type for a in inputs]), tuple(e.params.items())))
        inside: dict[Atom, Atom] = dict(zip(body.inputs, inputs, strict=True))
        for step in body.equations:
            operands = tuple([inside.get(a, a) for a in step.inputs])
            key = (step.op, tuple(map(_key, operands)), tuple(step.params.items()))
            found = written.get(key)
            if found is None:
                found = written[key] = tuple([Var(v.type) for v in step.outputs])
                equations.append(Equation(step.op, operands, found, step.params, e.where))
            inside.update(zip(step.outputs, found, strict=True))
        known.update(zip(e.outputs, (inside.get(a, a) for a in body.outputs), strict=True))
    outputs = tuple([known.get(a, a) for a in program.outputs])
    return Program(program.inputs, tuple(equations), outputs, program.name)


def _key(a: Atom) -> Any:
    return (a.value.tobytes(), a.type) if isinstance(a, Const) and not a.type.shape else a


@lru_cache(maxsize=1024)
def meaning(op: Op, types: tuple[ArrayType, ...], params: tuple[tuple[str, Any], ...]) -> Program:
    """An op by others, for operands of these types."""
    assert op.native is not None
    assert op.native.means is not None
    recorder = Recorder(quiet=True)
    inputs = [recorder.input(t) for t in types]
    try:
        found = op.native.means(*inputs, **dict(params))
    except ChainruleError:  # NumPy says what is wrong, and the executor where
        raise Foreign(op.name) from None
    outputs = tuple([recorder.atom(y) for y in (found if isinstance(found, tuple) else (found,))])
    recorder.open = False
    variables = tuple([t.atom for t in inputs])
    return Program(variables, tuple(recorder.equations), outputs, op.name)  # type: ignore[arg-type]
