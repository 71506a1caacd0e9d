"""Ops that hold a Program: the integral, and the sum over zeros that its derivative needs where the integrand jumps.

Their algorithms and rules read Programs, so they live above, and are entered into `ALGORITHMS` from there: evaluation
by `numeric`, derivatives by `transform`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ProgramError, ShapeError
from ..ir import ArrayType, Equation, Program, Var
from .arithmetic import multiply
from .elementary import sin
from .native import meaning
from .notation import call
from .op import General, register


def holds_a_program(e: Equation) -> bool:
    """Whether an equation's meaning is in a Program that it holds."""
    return any(isinstance(v, Body) for v in e.params.values())


ALGORITHMS: dict[str, Callable[..., Any]] = {}
ENTERED_BY: list[str] = []  # modules above that enter some when they are imported, which is when one is called for


@dataclass(frozen=True)
class Body:
    """A Program held in a parameter; it prints in one line.

    What was derived from another body may well be 0 everywhere: of that one it is known where it is not.
    """

    program: Program
    derived: bool = False
    kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what was made of it to run it

    def __str__(self) -> str:
        names = self.program.names()
        return f"{self.program.name}({', '.join(names[v] for v in self.program.inputs)})"

    def flops(self) -> float:
        """Of running it once."""
        types = [([a.type for a in e.inputs], [v.type for v in e.outputs], e) for e in self.program.equations]
        return sum(e.op.flops(ins, outs, **e.params) for ins, outs, e in types)


def algorithm(name: str) -> Callable[..., Any]:
    """What is entered under this name, by the time it is called."""

    def run(*args: Any, **params: Any) -> Any:
        for module in ENTERED_BY if name not in ALGORITHMS else ():
            importlib.import_module(module)
        if name not in ALGORITHMS:
            raise ProgramError(f"no algorithm is entered for: {name}")
        return ALGORITHMS[name](*args, **params)

    return run


def _type(*types: ArrayType, core: tuple[int, ...], inputs: tuple[ArrayType, ...]) -> ArrayType:
    lead = types[0].shape
    if types[1].shape != lead:
        raise ShapeError("the limits of an integral differ in shape", operands=types[:2])
    for t, inner in zip(types[2:], inputs, strict=True):
        if t.shape != lead + inner.shape:
            raise ShapeError(f"an integrand's input is {inner}, and is given $0", operands=(t,))
    reals = [t.dtype for t in types if t.differentiable]
    return ArrayType(lead + core, np.result_type(*reals) if reals else np.dtype(np.float64))


def _integral_type(*types: ArrayType, body: Body, tol: float) -> ArrayType:
    p = body.program
    return _type(*types, core=p.outputs[0].type.shape, inputs=tuple(v.type for v in p.inputs[1:]))


def _zeros_type(*types: ArrayType, guard: Body, weight: Body) -> ArrayType:
    p = weight.program
    return _type(*types, core=p.outputs[0].type.shape, inputs=tuple(v.type for v in p.inputs[2:]))


def _within_one(*types: ArrayType, **params: Any) -> tuple[tuple[int, ...], ...]:
    """Each of the integrals on the leading axes reads its own operands, and these whole."""
    return tuple(tuple(range(types[0].ndim - t.ndim, 0)) for t in types)


NODES = 5000  # about so many an integral takes


def _examples(rng: np.random.Generator) -> list[Any]:
    """∫ sin(w x) dx."""
    x, w, product, y = (Var(ArrayType(), name) for name in ("x", "w", "", ""))
    equations = (Equation(multiply, (w, x), (product,), {}), Equation(sin, (product,), (y,), {}))
    body = Body(Program((x, w), equations, (y,), "sin(w x)"))
    return [((rng.uniform(0, 1, 2), rng.uniform(1, 2, 2), rng.uniform(0.5, 1.5, 2)), {"body": body, "tol": 1e-8})]


def _zero_examples(rng: np.random.Generator) -> list[Any]:
    """The sum of x² over the zeros of sin(w x)."""
    x, w, product, y = (Var(ArrayType(), name) for name in ("x", "w", "", ""))
    guard = Program(
        (x, w), (Equation(multiply, (w, x), (product,), {}), Equation(sin, (product,), (y,), {})), (y,), "sin(w x)"
    )
    x, w, z = (Var(ArrayType(), name) for name in ("x", "w", ""))
    mask = Var(ArrayType((), np.dtype(bool)), "which")
    weight = Program((x, mask, w), (Equation(multiply, (x, x), (z,), {}),), (z,), "x²")
    limits = rng.uniform(0.3, 0.6, 2), rng.uniform(8, 8.5, 2)
    return [((*limits, rng.uniform(1.3, 1.5, 2)), {"guard": Body(guard), "weight": Body(weight)})]


integral = General(
    "integral", algorithm("integral"), _integral_type, algorithm("integral pushforward"),
    algorithm("integral pullback"), notation=call("integrate", r"\int", symbol="∫"), rule="Leibniz",
    cost=lambda *types, body, tol: NODES * body.flops() * max(types[0].size, 1), examples=_examples,
    joins=_within_one, native=meaning(algorithm("integral native")),
)  # fmt: skip
# Σ weight(x, …) over all x between the limits where a component of guard(x, …) is zero; `weight` is told which one
sum_over_zeros = General(
    "sum_over_zeros", algorithm("zeros"), _zeros_type, algorithm("zeros pushforward"), algorithm("zeros pullback"),
    notation=call("sum_over_zeros", r"\sum", symbol="Σ"), rule="Leibniz",
    cost=lambda *types, guard, weight: NODES * guard.flops() * max(types[0].size, 1), examples=_zero_examples,
    joins=_within_one,
)  # fmt: skip
register(integral)
register(sum_over_zeros)
