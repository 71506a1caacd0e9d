"""The function that a minimizer sees: vectors in, counted, remembered, and finite whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array
from .layout import Layout

_KEPT = 2000  # entries of a path
_BOTTOM = -1e300  # what falls below has no minimum
_FAR = 1e4  # times the size of x0: from there on, look whether it goes down for ever
_PROBES, _STRIDE, _DEEP = 30, 1e10, -1e100


class Stop(StopIteration):
    """Ends a run, and says why: SciPy takes any StopIteration from a callback for that."""


@dataclass(frozen=True)
class Point:
    """A point, the value and gradient there, and the largest component of the gradient that bounds leave free."""

    x: Array
    value: float
    gradient: Array
    grad_norm: float

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.grad_norm)


class Path:
    """Value and gradient norm after each iteration. Of a long run, evenly spaced ones are kept, and the last.

    >>> path = Path()
    >>> for n in range(10_000):
    ...     path.add(n, 1 / (n + 1), 1.0)
    >>> len(path.iterations) <= 2001, path.iterations[-1], path.iterations[:2]
    (True, 9999, [0, 8])
    """

    def __init__(self) -> None:
        self._kept: list[tuple[int, float, float]] = []
        self._every = 1
        self._last: tuple[int, float, float] | None = None

    def add(self, iteration: int, value: float, grad_norm: float) -> None:
        self._last = (iteration, value, grad_norm)
        if iteration % self._every == 0:
            self._kept.append(self._last)
        if len(self._kept) > _KEPT:
            self._every *= 2
            self._kept = [entry for entry in self._kept if entry[0] % self._every == 0]

    def _entries(self) -> list[tuple[int, float, float]]:
        if self._last is None or (self._kept and self._kept[-1] == self._last):
            return self._kept
        return [*self._kept, self._last]

    @property
    def iterations(self) -> list[int]:
        return [n for n, _, _ in self._entries()]

    @property
    def values(self) -> list[float]:
        return [value for _, value, _ in self._entries()]

    @property
    def grad_norms(self) -> list[float]:
        return [norm for _, _, norm in self._entries()]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists."""
        return {"iterations": self.iterations, "values": self.values, "grad_norms": self.grad_norms}


class Objective:
    """A function with its gradient, on vectors. Where it is not finite, minimizers see a wall that leads them back."""

    def __init__(
        self,
        value_and_grad: Callable[[Any], tuple[Any, Any]],
        layout: Layout,
        box: tuple[Array, Array] | None,
    ) -> None:
        self.function = value_and_grad
        self.layout = layout
        self.box = box
        self.path = Path()
        self.nit = self.nfev = self.nhev = 0
        self.current: Point | None = None  # the last accepted iterate
        self.best: Point | None = None
        self.recent: list[Point] = []
        self.largest_gradient = 0.0
        self.last_value = math.nan
        self.start: Array | None = None
        self.horizon = math.inf

    def point(self, x: Array) -> Point:
        """Value and gradient at x, asked of the function unless just asked."""
        for known in self.recent:
            if np.array_equal(known.x, x):
                return known
        x = np.array(x, dtype=np.float64)
        self.nfev += 1
        with np.errstate(all="ignore"):
            value, gradient = self.function(self.layout.build(x))
        flat = self.layout.flat(gradient)
        point = Point(x, float(value), flat, self._norm(x, flat))
        self.recent = [point, *self.recent[:1]]
        self.last_value = point.value
        if point.finite:
            self.largest_gradient = max(self.largest_gradient, point.grad_norm)
            if self.best is None or point.value < self.best.value:
                self.best = point
        return point

    def _norm(self, x: Array, gradient: Array) -> float:
        if self.box is not None:
            low, high = self.box
            held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
            gradient = np.where(held, 0.0, gradient)
        return float(np.abs(gradient).max())

    def ask(self, x: Array) -> tuple[float, Array]:
        """Value and gradient as they are."""
        point = self.point(x)
        if point.value < _BOTTOM:
            raise Stop("unbounded")
        return point.value, point.gradient

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Value and gradient, always finite.

        Where the function is not, the answer is a parabola along the step from the last iterate, whose minimum lies a
        quarter of the way: a line search turns back by that much.
        """
        point = self.point(x)
        if point.value < _BOTTOM:
            raise Stop("unbounded")
        if point.finite or self.current is None:
            return point.value, point.gradient
        step = point.x - self.current.x
        slope = abs(float(self.current.gradient @ step)) or 1.0
        return self.current.value + slope, 3 * slope * step / float(step @ step)

    def products(self, hvp: Callable[[Any, Any], Any]) -> Callable[[Array, Array], Array]:
        """Hessian times vector, on vectors."""

        def product(x: Array, v: Array) -> Array:
            self.nhev += 1
            return self.layout.flat(hvp(self.layout.build(x), self.layout.build(v)))

        return product

    def begin(self, x: Array) -> Point:
        """The starting point."""
        self.current = self.point(x)
        self.path.add(0, self.current.value, self.current.grad_norm)
        self.start, self.horizon = self.current.x, _FAR * (1 + float(np.abs(x).max()))
        return self.current

    def accept(self, x: Array) -> Point:
        """The next iterate. Far from the start, it is asked whether the way goes down for ever."""
        self.nit += 1
        self.current = self.point(x)
        self.path.add(self.nit, self.current.value, self.current.grad_norm)
        assert self.start is not None
        away = self.current.x - self.start
        far = float(np.abs(away).max())
        if far > self.horizon:
            self.horizon = 100 * far
            if self.bottomless(away):
                raise Stop("unbounded")
        return self.current

    def bottomless(self, direction: Array) -> bool:
        """Whether the value falls, stride by stride, as deep as numbers go along `direction` from the last iterate.

        Points on the way are none of the run's: they are not remembered.
        """
        assert self.current is not None
        value, stride, size = self.current.value, 1.0, float(np.abs(direction).max())
        if not (0 < size < math.inf and math.isfinite(value)):
            return False
        for _ in range(_PROBES):
            x = self.current.x + stride * direction
            x = x if self.box is None else np.clip(x, *self.box)
            self.nfev += 1
            try:
                with np.errstate(all="ignore"):
                    further = float(self.function(self.layout.build(x))[0])
            except (ArithmeticError, ValueError):
                return False
            if not further < value:  # nor if it is NaN
                return False
            if further < _DEEP:
                return True
            value, stride = further, _STRIDE * stride
        return False

    def final(self) -> Point:
        """The last iterate, unless a better point was met on the way."""
        assert self.current is not None
        best = self.best
        if best is None or (
            self.current.finite and self.current.value <= best.value + 8 * self.layout.precision * abs(best.value)
        ):
            return self.current
        return best
