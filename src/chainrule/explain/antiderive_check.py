"""Is the derivative of a proposed antiderivative the function? Compared at points, in float64, by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Array, Const, Program
from ..ops.op import apply
from ..transform.forward import forward

POINTS, ENOUGH = 400, 12
CLOSE, ROUNDING, BLUNT = 1e-7, 1e-12, 1e-4


def agreement(function: Program, whole: Program, wanted: int, hidden: Sequence[Any]) -> int:
    """At how many points the derivative of `whole` was compared with the function, and agrees; 0 if it fails at one.

    Points are those at which the function is finite and rounding leaves the comparison sharp. Fewer than a dozen are
    no confirmation: then, too, the answer is 0.
    """
    rng = np.random.default_rng(20)
    columns = [_sample(rng, varies=i == wanted) for i in range(len(function.inputs) - len(hidden))]
    columns += [np.full(POINTS, float(np.asarray(h))) for h in hidden]
    derived = forward(whole, [wanted])
    with np.errstate(all="ignore"):
        f, _ = _values(function, columns)
        if derived.present[0] is None:
            slope, size = np.zeros(POINTS), np.zeros(POINTS)
        else:
            p = derived.program
            p = Program(p.inputs, p.equations, (p.outputs[derived.present[0]],))
            slope, size = _values(p, [*columns, np.ones(POINTS)])
        room = CLOSE * np.abs(f) + ROUNDING * size
        sharp = np.isfinite(f) & np.isfinite(size) & (room <= BLUNT * np.abs(f) + 1e-9)
        agrees = np.abs(slope - f) <= room
    return int(sharp.sum()) if agrees[sharp].all() and sharp.sum() >= ENOUGH else 0


def _sample(rng: np.random.Generator, *, varies: bool) -> Array:
    """Numbers of either sign: of the variable from small to large; of other names of moderate size, mostly positive."""
    if varies:
        return np.exp(rng.uniform(np.log(1e-2), np.log(50), POINTS)) * rng.choice([-1.0, 1.0], POINTS)
    return rng.uniform(0.3, 2.5, POINTS) * rng.choice([-1.0, 1.0, 1.0, 1.0], POINTS)


def _values(program: Program, columns: Sequence[Array]) -> tuple[Array, Array]:
    """The output at each point, and how large the largest value is on the way: what rounding errors are a part of.

    A value that is not a number counts as 0 there, so that it can't excuse what follows from it.
    """
    known: dict[Any, Any] = dict(zip(program.inputs, columns, strict=True))
    size = np.ones(POINTS)
    for e in program.equations:
        found = apply(e.op, *[a.value if isinstance(a, Const) else known[a] for a in e.inputs], **e.params)
        known[e.output] = found
        if np.asarray(found).dtype.kind == "f":
            size = np.maximum(size, np.nan_to_num(np.abs(found), nan=0.0, posinf=np.inf))
    output = program.outputs[0]
    value = output.value if isinstance(output, Const) else known[output]
    return np.broadcast_to(np.asarray(value, np.float64), (POINTS,)), size
