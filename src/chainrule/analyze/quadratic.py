"""The part of a convex function that is quadratic: its Hessian is a matrix of numbers, and its eigenvalues are known.

A sum of convex terms bends at least as much as its quadratic terms do: their smallest eigenvalue, if it is above zero
by more than rounding, is a modulus of strong convexity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, prod
from typing import Any

import numpy as np

from ..execute import Executable
from ..ir import Array, Atom, Const, Program, Var, without_dead_code
from ..ops.arithmetic import add, divide, multiply, negative, subtract
from ..ops.contraction import Contraction
from ..ops.enclosures import Enclosure
from ..ops.op import Linear
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
    terms = _terms(reader, output, Fraction(1))
    bending = [(a, c) for a, c in terms if reader.degrees.get(a, 99) == 2]  # type: ignore[arg-type]
    rest = [(a, c) for a, c in terms if reader.degrees.get(a, 99) > 2]  # type: ignore[arg-type]
    if not bending:
        return None
    for a, factor in rest:
        b = reader.bend(a)
        if not np.all(b.convex if factor > 0 else b.concave):
            return None
    total, radius = np.zeros((n, n)), np.zeros((n, n))
    exact: list[tuple[Fraction, Array | None]] = []
    for a, factor in bending:
        c = _nearest(factor)
        low, high, matrix = _hessian(reader, moving, a)
        exact.append((factor, matrix))
        middle = low / 2 + high / 2
        total = total + c * middle
        radius = radius + abs(c) * (high - low) + (4 + len(bending)) * 1.2e-16 * np.abs(c * middle)
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
    if float(values[0]) >= -slack and n <= _EXACT and whole and _semidefinite(exact):
        return Quadratic(0.0, whole, True, "it is positive semidefinite, by exact elimination")
    flat = (
        whole
        and bool(abs(float(values[0])) <= slack)
        and bool(np.all(reader.bend(output).convex))
        and _flat(np.abs(total) + radius)
    )
    return Quadratic(None, whole, flat, "")


def _flat(h: Array) -> bool:
    """Whether a direction has no curvature at all: a row of zeros."""
    return bool(np.any(~h.any(axis=0)))


def _nearest(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return inf


def _terms(reader: Reader, a: Atom, factor: Fraction) -> list[tuple[Atom, Fraction]]:
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
            number = Fraction(float(c))
            return _terms(reader, moving, factor * number if e.op is multiply else factor / number)
    return [(a, factor)]


def _hessian(reader: Reader, moving: Sequence[Var], a: Any) -> tuple[Array, Array, Array | None]:
    """Bounds of the second derivatives of one value of degree two; and themselves, if nothing is rounded."""
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
    found = Executable(rows)([*inputs, *seeds]) if n <= _EXACT and rounds_nothing(rows, [*inputs, *seeds]) else None
    low, high, exact = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for k, at in zip(kept, onward.present, strict=True):
        if at is not None:
            there = slice(starts[k], starts[k + 1])
            low[:, there], high[:, there] = out[at].low.reshape(n, -1), out[at].high.reshape(n, -1)
            exact[:, there] = np.asarray(found[at]).reshape(n, -1) if found is not None else 0.0
    return low, high, exact if found is not None else None


def rounds_nothing(program: Program, inputs: Sequence[Array]) -> bool:
    """Whether every sum and product is exact: all values are multiples of a power of two, and below 2⁵³ of it."""
    known: dict[Atom, tuple[int, int]] = {v: _grid(x) for v, x in zip(program.inputs, inputs, strict=True)}
    for e in program.equations:
        op, terms = e.op, max((a.type.size for a in e.inputs), default=1)
        grids = [known[a] if isinstance(a, Var) else _grid(a.value) for a in e.inputs]
        steps, sizes = [g[0] for g in grids], [g[1] for g in grids]
        if e.output.type.dtype != np.float64:
            return False
        if isinstance(op, Contraction):
            spec = e.params["spec"]
            lengths = spec.sizes([a.type.shape for a in e.inputs])
            made = sum(steps), prod(sizes) * prod(lengths.values())
        elif op is multiply:
            made = sum(steps), prod(sizes)
        elif op in (add, subtract, negative):
            made = min(steps), sum(sizes)
        elif isinstance(op, Linear):
            made = min(steps), sum(sizes) * terms
        else:
            return False
        if made[1] * Fraction(2) ** -made[0] > 2**53:
            return False
        known[e.output] = made
    return True


def _grid(x: Any) -> tuple[int, int]:
    """An exponent k such that all elements are multiples of 2ᵏ, and a whole number above all of their sizes."""
    x = np.abs(np.asarray(x, float))
    if not np.all(np.isfinite(x)):
        return -9999, 1
    fractions, exponents = np.frexp(x[x != 0])
    if not fractions.size:
        return 0, 0
    whole = (fractions * 2.0**53).astype(np.int64)
    return int(np.min(exponents - 54 + np.frexp((whole & -whole).astype(float))[1])), int(np.max(x)) + 1


def _semidefinite(parts: Sequence[tuple[Fraction, Array | None]]) -> bool:
    """Whether a sum of symmetric matrices, each times a number, is positive semidefinite: by rational elimination."""
    if any(h is None for _, h in parts):
        return False
    matrices = [[[c * Fraction(float(x)) for x in row] for row in h] for c, h in parts if h is not None]
    a = [[sum(xs, Fraction(0)) for xs in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
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
