"""How far a function may go from its value at the centre, on a disc of complex numbers around a real one.

    |z - c| ≤ r   ⟹   |f(z) - y| ≤ R,   y what is computed for f(c)

A Program that is analytic on the disc becomes one that gives y and R from c and r. Centres stay real, for the functions
are real on the real line; each op adds a few operations on real numbers, by its entry's `disc`. Where the op may not be
analytic on the disc, R is infinite; where an entry has no rule, there is no Program.

What rounding does is part of R, so that tiny discs tell how exact a value is. What does not move with the centre is
taken as it is computed.

This is ball arithmetic with real midpoints; for bounds of integrals it was used by Petras, "Self-validating integration
and approximation of piecewise analytic functions", 2002, and by Johansson in Arb, 2018.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Program, Var
from ..ops.contraction import contract
from ..ops.discs import or_zero
from ..ops.op import Linear, apply
from ..trace.recorder import Recorder, Traced

EPS = float(np.finfo(np.float64).eps)


def spread(program: Program) -> Program | None:
    """(c, r, further inputs) -> (y, R) of the one output, as the first input moves; None where a rule is missing."""
    recorder = Recorder(quiet=True)
    centre, radius = (recorder.input(program.inputs[0].type._replace(weak=False)) for _ in range(2))
    given = [recorder.input(v.type._replace(weak=False), v.name) for v in program.inputs[1:]]
    centres: dict[Atom, Any] = dict(zip(program.inputs, [centre, *given], strict=True))
    radii: dict[Atom, Any] = {program.inputs[0]: radius}
    for e in program.equations:
        values = [centres[a] if isinstance(a, Var) else Traced(recorder, a) for a in e.inputs]
        atoms = tuple([recorder.atom(v) for v in values])
        made = [Traced(recorder, a) for a in recorder.emit(e.op, atoms, dict(e.params), None)]
        centres.update(zip(e.outputs, made, strict=True))
        moves = [radii.get(a) for a in e.inputs]
        if all(r is None for r in moves):
            continue
        found = _radius(e, values, moves, made[0])
        if found is None:
            return None
        radii[e.outputs[0]] = found
    (output,) = program.outputs
    if output not in radii:
        return None
    inputs = tuple(h.variable for h in (centre, radius, *given))
    outputs = (recorder.atom(centres[output]), recorder.atom(radii[output]))
    return Program(inputs, tuple(recorder.equations), outputs, f"{program.name}_spread")


def _radius(e: Equation, values: list[Any], moves: list[Any], made: Any) -> Any:
    """The radius of an equation's result, with what rounding may have done to its centre."""
    if len(e.outputs) > 1 or any(
        a.type.dtype != np.float64 for a, r in zip(e.inputs, moves, strict=True) if r is not None
    ):
        return None
    disc = e.op.disc
    if disc is None and isinstance(e.op, Linear) and (e.op.moves or e.op.picks):
        return apply(e.op, *[or_zero(r, v) for r, v in zip(moves, values, strict=True)], **e.params)
    if disc is None or e.output.type.dtype != np.float64:
        return None
    found, blur = disc.radius(values, moves, made, **e.params), _rounding(e, values, made)
    return found if found is None or blur is None else found + blur


def _rounding(e: Equation, values: list[Any], made: Any) -> Any:
    """How far a computed value may be from the true one of the same operands."""
    if e.op.disc is not None and e.op.disc.exact:
        return None
    if e.op is contract:
        spec = e.params["spec"]
        sizes = spec.sizes([a.type.shape for a in e.inputs])
        terms = prod(n for label, n in sizes.items() if label not in spec.out)
        if terms == 1 and len(values) == 1:
            return None
        return 0.5 * EPS * (terms + 1) * apply(contract, *[np.abs(v) for v in values], spec=spec)
    scale = np.abs(made)
    if e.op.cancels:
        for v in values:
            scale = scale + np.abs(v)
        scale = scale + 1.0
    return (e.op.ulps + 0.5) * EPS * scale
