"""Integrals inside of Programs: how the ops `integral` and `sum_over_zeros` are evaluated.

Where an integral on its own would say that it is unreliable, one inside a Program raises: nobody would see the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np

from ..errors import IntegralError, NoRuleError
from ..execute import Executable
from ..ir import Program
from ..ops.control import ALGORITHMS, Body
from ..trace.recorder import Traced
from ..transform.batch import batch
from .integral import of_program
from .landmarks import OnNodes, zeros_between
from .proved import LEAST, NARROW, area
from .quadrature import EPS

Array = np.ndarray[Any, Any]


def _integral(*operands: Any, body: Body, tol: float) -> Any:
    """For each row of the operands (a, b, …): ∫ body."""
    program = body.program
    dtypes = [v.type.dtype for v in program.inputs[1:]]

    def one(a: float, b: float, values: Sequence[Any]) -> Any:
        if np.isnan(a) or np.isnan(b) or (a == b and not isfinite(a)):
            raise IntegralError(f"an integral from {a} to {b}")
        found = of_program(program, values, a, b, tol)
        if body.derived and not np.any(found.size):
            return found.value
        if found.verdict != "converged":
            raise IntegralError(f"the integral from {a:.6g} to {b:.6g}: {found.reason}", hint=_HINTS[found.verdict])
        return found.value

    return _rows(operands, dtypes, program.outputs[0].type.shape, one)


_HINTS = {
    "diverges": "keep the limits away from where the integrand grows without bound",
    "unreliable": "integrate it on its own, outside of other functions, to see the error; or pass tol=",
}


def _zeros(*operands: Any, guard: Body, weight: Body) -> Any:
    """For each row: the sum of `weight` over the zeros of `guard`; half of it at a zero that is a limit."""
    given = len(guard.program.inputs) - 1
    core = weight.program.outputs[0].type.shape
    dtypes = [v.type.dtype for v in weight.program.inputs[2:]]
    shape = guard.program.outputs[0].type.shape
    run = _executable(weight.program)

    def one(a: float, b: float, values: Sequence[Any]) -> Any:
        if a > b:
            return -one(b, a, values)
        total = np.zeros(core)
        if a == b:
            return total
        found = zeros_between(OnNodes(guard.program, values[:given]), a, b)
        if found is None:
            raise IntegralError(
                "the integrand jumps at more places than can be told apart: the derivative needs each of them",
                hint="a shorter interval",
            )
        if _meet(OnNodes(guard.program, values[:given]), found, a, b):
            raise IntegralError(
                "two conditions on which the integrand jumps pass zero at the same place: how the integral changes is"
                " not defined by either"
            )
        for x, column in found:
            which = np.zeros(shape, bool)
            which.flat[column] = True
            (value,) = run([np.asarray(x, weight.program.inputs[0].type.dtype), which, *values])
            if not np.isfinite(value).all():
                raise IntegralError(
                    f"at x = {x:.6g} the integrand jumps where its condition touches zero without crossing it: how the"
                    " place moves is not defined"
                )
            total = total + np.asarray(value, float) * (0.5 if x in (a, b) else 1.0)
        return total

    return _rows(operands, dtypes, core, one)


def _meet(guard: OnNodes, zeros: list[tuple[float, int]], a: float, b: float) -> bool:
    """Whether another condition passes zero where one does."""
    if not zeros:
        return False
    x = np.array([z for z, _ in zeros])
    scale = np.maximum(np.abs(x), min(1.0, abs(b - a)))

    def around(step: float) -> tuple[Array, Array]:
        sides = (guard.all(x - step * scale), guard.all(x + step * scale))
        low, high = (np.concatenate([y.reshape(len(x), -1) for y in side], 1) for side in sides)
        return low, high

    with np.errstate(all="ignore"):
        low, high = around(1e-11)
        wide = np.sum(np.abs(around(1e-5)), axis=0)
        passes = (low * high <= 0) & (np.abs(low) + np.abs(high) <= 1e-3 * wide)  # it passes, and does not jump
    passes[np.arange(len(x)), [c for _, c in zeros]] = False
    return bool(passes.any())


@lru_cache(maxsize=128)
def _executable(program: Program) -> Executable:
    return Executable(program)


def _rows(operands: Sequence[Any], dtypes: Sequence[Any], core: tuple[int, ...], one: Any) -> Any:
    """`one(a, b, values)` for each row of the operands, whose leading axes are those of the limits."""
    a, b, *rest = (np.asarray(x) for x in operands)
    lead = a.shape
    reals = [x.dtype for x in (a, b, *rest) if x.dtype.kind == "f"]
    dtype = np.result_type(*reals) if reals else np.dtype(np.float64)
    values = [x.astype(d) for x, d in zip(rest, dtypes, strict=True)]
    out = np.empty((*lead, *core), dtype)
    for place in np.ndindex(*lead):
        out[place] = one(float(a[place]), float(b[place]), [x[place] for x in values])
    return out if out.ndim else out[()]


def _by_proof(a: Any, b: Any, *values: Any, body: Body, tol: float) -> Any:
    """The integrals by other ops, of stand-ins: where the error of one is not proved, its kernel must fail."""
    found = area(body.program)
    if found is None:
        raise NoRuleError("the integrand has no bounds on discs")
    dtype = np.result_type(*[v.dtype for v in (a, b, *values) if v.dtype.kind == "f"])
    program = found.program
    operands = [v.astype(x.type.dtype) for v, x in zip((a, *values, b), program.inputs, strict=True)]
    a, *_, b = operands
    if a.shape:
        program = batch(program, [True] * len(operands), a.size)
        operands = [np.reshape(v, (a.size, *v.shape[a.ndim :])) for v in operands]
    sums = a.recorder.splice(program, [v.atom for v in operands])
    value, error, proof, size = (Traced(a.recorder, y) for y in sums)
    core = tuple(range(-len(body.program.outputs[0].type.shape), 0))
    most = np.max(size, axis=core, keepdims=True) if core else size
    fine = (proof + LEAST <= min(tol / 10, 1e-11) * np.maximum(size, EPS * most)) & (size < np.inf)
    fine = fine & (error <= max(tol, 2000 * EPS) * np.maximum(size, 1e-6 * most))
    if body.derived:
        fine = fine | ((size == 0) & (proof + error <= LEAST))
    wide = np.abs(b - a) > NARROW * np.maximum(np.abs(a), np.abs(b))
    at = np.where(np.all(fine) & np.all(wide), 0, 1)
    checked = np.reshape(value, (1, -1))[at]  # beyond the end if anything is not proved
    return np.reshape(checked, (*a.shape, *value.shape[1 if a.shape else 0 :])).astype(dtype)


ALGORITHMS["integral"], ALGORITHMS["zeros"] = _integral, _zeros
ALGORITHMS["integral native"] = _by_proof
