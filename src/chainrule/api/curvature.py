"""What the second derivatives say of a point: which learning rates are stable there, and what kind of point it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir import Array
from ..numeric.critical import Around, classify
from ..numeric.spectrum import Spectrum, spectrum
from ..numeric.steps import CriticalPoint, LearningRate, learning_rate_of
from ..trace.record import Static
from ..trace.recorder import Traced
from ..trace.tree import flatten
from ..transform.quadratic import quadratic
from .call import Call, Function, Wrt, public
from .first import value_and_grad
from .matrices import hessian_product


@public
def learning_rate(f: Function, *args: Any, wrt: Wrt = 0) -> LearningRate:
    """Which learning rates of gradient descent are stable, and which is best, by the curvature of `f` at a point.

    `f` returns one number. With λmin and λmax the ends of the Hessian's spectrum, steps are stable up to 2 / λmax, and
    best at 2 / (λmin + λmax), if λmin > 0. On a quadratic this is exact; elsewhere it holds near the point, and a walk
    may often take longer steps. The Hessian is only multiplied by vectors: a million arguments take seconds.

    >>> print(learning_rate(lambda p: p[0] ** 2 + p[0] * p[1] + p[1] ** 2, np.array([1.0, 1.0])))
    curvature from 1 to 3; learning rates below 0.6667 are stable; 0.5 leaves 0.5 of the error a step, the best of all.

    Polyak, "Introduction to Optimization", 1987; Lanczos' method for the eigenvalues: Lehoucq & Sorensen, 1996.
    """
    call = _call(f, args, wrt, "a learning rate")
    vectors = Vectors(call)
    ends = spectrum(vectors.product(call), vectors.size, vectors.precision)
    return learning_rate_of(ends, is_quadratic(call))


def _call(f: Function, args: tuple[Any, ...], wrt: Wrt, what: str) -> Call:
    call = Call(f, args, {}, wrt)
    call.scalar(what)
    if any(isinstance(value, Traced) for value in call.inputs):
        raise ArgumentError(f"{what} is found by iteration, and can't be recorded", hint="ask for it outside")
    for i in call.wrt_leaves:
        if not np.isfinite(call.leaves[i]).all():
            raise ArgumentError(f"`{call.names[i]}` is not finite")
    return call


def is_quadratic(call: Call) -> bool:
    """Whether the function, and not only its course at this point, is quadratic."""
    recording = call.recording
    if any(leaf in call.wrt_leaves for leaf, _ in recording.asked):
        return False
    for program, _ in recording.conditions:
        read = {a for e in program.equations for a in e.inputs} | set(program.outputs)
        if any(program.inputs[i] in read for i in call.wanted):
            return False
    found: bool = call.derived(("quadratic", call.wanted), lambda program: quadratic(program, call.wanted))
    return found


class Vectors:
    """What is differentiated in a call, as one vector of float64, and back."""

    def __init__(self, call: Call) -> None:
        self.types = call.types()
        self.ends = np.cumsum([t.size for t in self.types]).tolist()
        self.size: int = self.ends[-1]
        self.precision = max(float(np.finfo(t.dtype).eps) for t in (*self.types, call.program.outputs[0].type))
        if not self.size:
            raise ArgumentError("there is nothing to differentiate: the arguments in wrt hold no numbers")

    def flat(self, leaves: Sequence[Any]) -> Array:
        return np.concatenate([np.ravel(np.asarray(leaf, dtype=np.float64)) for leaf in leaves])

    def parts(self, vector: Array) -> list[Any]:
        parts = np.split(vector, self.ends[:-1])
        return [p.reshape(t.shape).astype(t.dtype) for p, t in zip(parts, self.types, strict=True)]

    def product(self, call: Call) -> Callable[[Array], Array]:
        """The Hessian at the call's arguments, times a vector."""
        leaves = hessian_product(call)
        return lambda v: self.flat(leaves(self.parts(v)))

    def at(self, call: Call, vector: Array) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with the vector in place of what is differentiated."""
        leaves = [leaf.value if isinstance(leaf, Static) else leaf for leaf in call.leaves]
        for i, part in zip(call.wrt_leaves, self.parts(vector), strict=True):
            leaves[i] = part if isinstance(leaves[i], np.ndarray) else part[()]
        args, options = call.tree.build(leaves)
        return args, options


@public
def critical_point(f: Function, *args: Any, wrt: Wrt = 0, tol: float | None = None) -> CriticalPoint:
    """What kind of point this is for `f`, which returns one number: and why.

    `kind` is "minimum", "maximum" or "saddle" (with a `direction` that leads down, and by how much); "inconclusive"
    where second derivatives don't decide (a semidefinite Hessian, a kink); "plateau" where the gradient is small but
    so is the curvature, and nothing tells of a critical point: descent stalls, and need not be at its end; and "not
    critical". A gradient counts as small if its largest component is at most `tol`: 1e-6 unless given, 1e-3 in
    float32, as for `minimize`.

    >>> saddle = critical_point(lambda p: p[0] ** 2 - p[1] ** 2, np.zeros(2))
    >>> saddle.kind, saddle.signs, abs(saddle.direction)
    ('saddle', (1, 1, 0), array([0., 1.]))

    Nocedal & Wright, "Numerical Optimization", 2006, theorems 2.2 to 2.4.
    """
    call = _call(f, args, wrt, "the kind of a point")
    around = around_of(call, tol)
    ends = spectrum(around.product_at(around.x), around.x.size, around.precision)
    return critical_point_of(call, around, ends)


def around_of(call: Call, tol: float | None = None) -> Around:
    """The function around the point of a call, on vectors."""
    vectors = Vectors(call)
    wrt = tuple(call.wrt)
    slope = value_and_grad(call.function, wrt=wrt)
    x = vectors.flat([call.leaves[i] for i in call.wrt_leaves])
    if tol is None:
        tol = 1e-6 if vectors.precision < 1e-10 else 1e-3
    elif isinstance(tol, bool) or not isinstance(tol, (int, float, np.number)) or not 0 <= tol < np.inf:
        raise ArgumentError(f"tol is {tol!r}: it is a finite number, 0 or more")

    def value_and_gradient(at: Array) -> tuple[float, Array]:
        args, options = vectors.at(call, at)
        value, gradient = slope(*args, **options)
        return float(value), vectors.flat(flatten(gradient)[0])

    def product_at(at: Array) -> Callable[[Array], Array]:
        if at is x:
            return vectors.product(call)
        args, options = vectors.at(call, at)
        return vectors.product(Call(call.function, args, options, wrt))

    return Around(x, value_and_gradient, product_at, vectors.precision, float(tol))


def critical_point_of(call: Call, around: Around, ends: Spectrum) -> CriticalPoint:
    """The record, from the spectrum of the Hessian at the point."""
    found = classify(around, ends)
    direction = None
    if found.direction is not None:
        parts = Vectors(call).parts(found.direction)
        direction = call.arranged([part[()] if part.ndim == 0 else part for part in parts])
    return CriticalPoint(
        found.kind, found.reason, found.value, found.grad_norm, around.tol, found.newton_distance,
        ends.low, ends.high, found.error, found.signs, direction, found.step, found.drop,
        None if ends.values is None else tuple(ends.values.tolist()),
    )  # fmt: skip
