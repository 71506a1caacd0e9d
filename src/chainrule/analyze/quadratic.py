"""The part of a convex function that is quadratic: its Hessian is a matrix of numbers, and its eigenvalues are known.

A sum of convex terms bends at least as much as its quadratic terms do: their smallest eigenvalue, if it is above zero
by more than rounding, is a modulus of strong convexity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..ir import Array, Atom, Const, Program, Var, without_dead_code
from ..ops.arithmetic import add, divide, multiply, negative, subtract
from ..ops.enclosures import Enclosure
from ..transform.batch import batch
from ..transform.forward import forward
from ..transform.reverse import reverse
from ..transform.simplify import simplify
from .bounds import read
from .curvature import Reader

_LARGEST = 600  # parameters
_EXACT = 12  # parameters: of so many, definiteness is decided in rational arithmetic


@dataclass(frozen=True)
class Quadratic:
    """The smallest eigenvalue of the quadratic terms' Hessian: `low` is a lower bound of it, where it is known.

    `whole` says that there are no other terms; `flat` that the Hessian has a direction without curvature.
    """

    low: float | None
    whole: bool
    flat: bool
    reason: str

    @property
    def modulus(self) -> float | None:
        return self.low if self.low is not None and self.low > 0 else None


def quadratic_part(reader: Reader, moving: Sequence[Var]) -> Quadratic | None:
    """None if there is no quadratic term, or too many parameters."""
    (output,) = reader.program.outputs
    n = sum(v.type.size for v in moving)
    if n == 0 or n > _LARGEST or not isinstance(output, Var):
        return None
    terms = _terms(reader, output, 1.0)
    bending = [(a, c) for a, c in terms if reader.degrees.get(a, 99) == 2]  # type: ignore[arg-type]
    rest = [(a, c) for a, c in terms if reader.degrees.get(a, 99) > 2]  # type: ignore[arg-type]
    if not bending:
        return None
    for a, c in rest:
        b = reader.bend(a)
        if not np.all(b.convex if c > 0 else b.concave):
            return None
    total, radius = np.zeros((n, n)), np.zeros((n, n))
    for a, c in bending:
        low, high = _hessian(reader, moving, a)
        middle = low / 2 + high / 2
        total = total + c * middle
        radius = radius + abs(c) * (high - low) + 4e-16 * np.abs(c * middle)
    total = (total + total.T) / 2
    if not (np.all(np.isfinite(total)) and np.all(np.isfinite(radius))):
        return None
    values = np.linalg.eigvalsh(total)
    # Weyl: no eigenvalue moves by more than the norm of the error; LAPACK's own error is below n ulp of the largest
    slack = float(radius.sum(axis=1).max()) + 4 * n * 2.3e-16 * float(np.abs(values).max())
    least = float(values[0]) - slack
    whole = not rest
    if least > 0:
        return Quadratic(least, whole, False, f"its smallest eigenvalue is {values[0]:.6g}")
    if float(values[0]) >= -slack and n <= _EXACT and whole and _few_roundings(reader) and _definite(total):
        return Quadratic(0.0, whole, True, "it is positive semidefinite, by exact elimination")
    flat = whole and bool(abs(float(values[0])) <= slack) and bool(np.all(reader.bend(output).convex)) and _flat(total)
    return Quadratic(None, whole, flat, "")


def _few_roundings(reader: Reader) -> bool:
    """Whether all data are small whole numbers or halves of them, so that the Hessian was computed without rounding."""
    for e in reader.program.equations:
        for a in e.inputs:
            x = reader.constants.get(a) if isinstance(a, Var) else a.value
            if x is not None and (np.any(np.abs(x) > 2.0**12) or np.any(np.asarray(x, float) * 64 % 1)):
                return False
    return True


def _flat(h: Array) -> bool:
    """Whether a direction has no curvature at all: a row of zeros."""
    return bool(np.any(~h.any(axis=0)))


def _terms(reader: Reader, a: Atom, factor: float) -> list[tuple[Atom, float]]:
    """Summands of a number, each with a constant factor."""
    e = reader.producer.get(a) if isinstance(a, Var) else None
    if e is None or not reader.moves(a):
        return [(a, factor)] if reader.moves(a) else []
    if e.op is add or e.op is subtract:
        x, y = e.inputs
        return _terms(reader, x, factor) + _terms(reader, y, -factor if e.op is subtract else factor)
    if e.op is negative:
        return _terms(reader, e.inputs[0], -factor)
    if e.op in (multiply, divide) and sum(map(reader.moves, e.inputs)) == 1:
        moving, still = e.inputs if reader.moves(e.inputs[0]) else e.inputs[::-1]
        c = reader.value(still)
        if c.shape == () and np.isfinite(c) and c != 0 and (e.op is multiply or moving is e.inputs[0]):
            return _terms(reader, moving, factor * float(c) if e.op is multiply else factor / float(c))
    return [(a, factor)]


def _hessian(reader: Reader, moving: Sequence[Var], a: Any) -> tuple[Array, Array]:
    """Bounds of the second derivatives of one value, at zero: it is of degree two."""
    p = reader.program
    program = without_dead_code(Program(p.inputs, p.equations, (a,)))
    wanted = [p.inputs.index(v) for v in moving]
    backward = reverse(program, wanted, [Const(np.ones((), a.type.dtype))])
    kept = [k for k, i in enumerate(backward.present) if i is not None]
    q = backward.program
    gradient = simplify(Program(q.inputs, q.equations, tuple(q.outputs[i] for i in backward.present if i is not None)))
    onward = forward(gradient, wanted)
    sizes = [v.type.size for v in moving]
    n, starts = sum(sizes), np.cumsum([0, *sizes])
    rows = batch(simplify(onward.program), [False] * len(p.inputs) + [True] * len(moving), n)
    eye = np.eye(n)
    seeds = [eye[:, s : s + m].reshape(n, *v.type.shape).astype(v.type.dtype)
             for s, m, v in zip(starts, sizes, moving, strict=False)]  # fmt: skip
    inputs = [np.zeros(v.type.shape) if v in moving else np.asarray(reader.constants[v], float) for v in p.inputs]
    known: dict[Atom, Enclosure] = {v: Enclosure(x, x) for v, x in zip(rows.inputs, [*inputs, *seeds], strict=True)}
    out = read(rows, known).outputs
    low, high = np.zeros((n, n)), np.zeros((n, n))
    for k, at in zip(kept, onward.present, strict=True):
        if at is not None:
            low[:, starts[k] : starts[k + 1]] = out[at].low.reshape(n, -1)
            high[:, starts[k] : starts[k + 1]] = out[at].high.reshape(n, -1)
    return low, high


def _definite(h: Array) -> bool:
    """Whether a symmetric matrix of floats is positive semidefinite: elimination in rational numbers."""
    a = [[Fraction(float(x)) for x in row] for row in h]
    n = len(a)
    for k in range(n):
        pivot = a[k][k]
        if pivot < 0 or (pivot == 0 and any(a[k][j] for j in range(k + 1, n))):
            return False
        for i in range(k + 1, n):
            if pivot:
                factor = a[i][k] / pivot
                for j in range(k, n):
                    a[i][j] -= factor * a[k][j]
    return True
