"""Gradient descent, and its kin that remember: walk downhill, a step along the negative gradient at a time.

With g the gradient and η the learning rate of the step:

    gradient descent   x ← x − η g(x)                          Cauchy, 1847
    momentum           x ← x − η g(x) + β (x − x_before)        Polyak, 1964: the heavy ball
    nesterov           y = x + β (x − x_before);  x ← y − η g(y)    Nesterov, 1983
    adam               x ← x − η m̂ / (√v̂ + ε)                  Kingma & Ba, 2015

where m̂ and v̂ are running means of g and g², freed from their start at zero. Without a learning rate each step of
gradient descent is halved until it lowers the value by a fair share of what the slope promises: Armijo, "Minimization
of functions having Lipschitz continuous first partial derivatives", 1966.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir import Array
from .regimes import Trace
from .schedules import Schedule, rates

Ask = Callable[[Array], tuple[float, Array]]  # value and gradient at a point; the value may be NaN

_FAIR_SHARE = 1e-4
_HALVINGS = 60
_MOMENTUM = 0.9
_MEAN, _SQUARES, _TINY = 0.9, 0.999, 1e-8  # Adam's β₁, β₂ and ε, as published


@dataclass(frozen=True)
class Here:
    """A walk's present point, the one before, and the value and gradient at the present one."""

    step: int
    x: Array
    before: Array
    value: float
    gradient: Array


Update = Callable[[Ask, Here], "Array | None"]  # where the next step leads; None if no step lowers the value


def descend(
    ask: Ask,
    x: Array,
    after: Callable[[Array], None],
    max_iter: int,
    learning_rate: Any = None,
    *,
    rule: str = "gradient descent",
    momentum: float | None = None,
    trace: Trace | None = None,
) -> str:
    """Take up to `max_iter` steps, calling `after(x)` with each new point; return what ended the walk.

    The answer is "max_iter", "stuck" (no step lowers the value) or "not finite"; `after` may end it by an exception.
    `learning_rate` is a number, or a function from the step to one. `trace` is told of every point.

    >>> path = []
    >>> descend(lambda x: (x @ x, 2 * x), np.array([1.0]), lambda x: path.append(x[0]), 3, 0.25)
    'max_iter'
    >>> [float(x) for x in path]
    [0.5, 0.25, 0.125]
    """
    update = _search() if learning_rate is None else RULES[rule](rates(learning_rate), momentum)
    point = Here(0, x, x, *ask(x))
    if trace is not None:
        trace.add(point.value, point.gradient)
    for step in range(max_iter):
        new = update(ask, point)
        if new is None:
            return "stuck"
        point = Here(step + 1, new, point.x, *ask(new))
        if trace is not None:
            trace.add(point.value, point.gradient)
        if not (math.isfinite(point.value) and np.isfinite(point.gradient).all()):
            return "not finite"
        after(point.x)
    return "max_iter"


# --- the rules --------------------------------------------------------------------------------------------------------


def _plain(rate: Schedule, momentum: float | None) -> Update:
    return lambda ask, here: here.x - rate(here.step) * here.gradient


def _heavy_ball(rate: Schedule, momentum: float | None) -> Update:
    beta = _MOMENTUM if momentum is None else momentum
    return lambda ask, here: here.x - rate(here.step) * here.gradient + beta * (here.x - here.before)


def _nesterov(rate: Schedule, momentum: float | None) -> Update:
    """Without a momentum it grows along the walk, as published: β = (t − 1) / t′, t′ = (1 + √(1 + 4t²)) / 2."""
    t = 1.0

    def update(ask: Ask, here: Here) -> Array:
        nonlocal t
        further = (1 + math.sqrt(1 + 4 * t * t)) / 2
        beta, t = (t - 1) / further if momentum is None else momentum, further
        ahead = here.x + beta * (here.x - here.before)
        slope = here.gradient if np.array_equal(ahead, here.x) else ask(ahead)[1]
        moved: Array = ahead - rate(here.step) * slope
        return moved

    return update


def _adam(rate: Schedule, momentum: float | None) -> Update:
    first = _MEAN if momentum is None else momentum
    mean: Array | float = 0.0
    root: Array | float = 0.0  # of the running mean of squares, which themselves may be beyond all floats

    def update(ask: Ask, here: Here) -> Array:
        nonlocal mean, root
        n = here.step + 1
        mean = first * mean + (1 - first) * here.gradient
        root = np.hypot(math.sqrt(_SQUARES) * root, math.sqrt(1 - _SQUARES) * here.gradient)
        unbiased = root / math.sqrt(1 - _SQUARES**n) + _TINY
        moved: Array = here.x - rate(here.step) * (mean / (1 - first**n)) / unbiased
        return moved

    return update


RULES: dict[str, Callable[[Schedule, float | None], Update]] = {
    "gradient descent": _plain, "momentum": _heavy_ball, "nesterov": _nesterov, "adam": _adam,
}  # fmt: skip


def checked(rule: str, learning_rate: Any, momentum: Any) -> None:
    """Raise unless these options make sense for the rule."""
    if learning_rate is None and rule != "gradient descent":
        raise ArgumentError(
            f"{rule} needs a learning_rate",
            hint="cr.learning_rate(f, x0) says which are stable; adam often takes 0.001",
        )
    if learning_rate is not None:
        rates(learning_rate)
    if momentum is None:
        return
    if rule == "gradient descent":
        raise ArgumentError("gradient descent has no momentum", hint="use method='momentum', 'nesterov' or 'adam'")
    if isinstance(momentum, bool) or not isinstance(momentum, (int, float, np.number)) or not 0 <= momentum < 1:
        raise ArgumentError(f"momentum is {momentum!r}: it is at least 0, and less than 1")


def _search() -> Update:
    """Steps that Armijo would take: each tried at twice the length of the last, and halved until it pays."""
    step: float | None = None

    def update(ask: Ask, here: Here) -> Array | None:
        nonlocal step
        if step is None:
            step = 1 / max(1.0, float(np.abs(here.gradient).max()))
        step = _lower(ask, here.x, here.value, here.gradient, 2 * step)
        return None if step == 0 else here.x - step * here.gradient

    return update


def _lower(ask: Ask, x: Array, value: float, slope: Array, step: float) -> float:
    """The first of step, step/2, step/4, … that lowers the value enough; 0 if none does."""
    promised = float(slope @ slope)
    for _ in range(_HALVINGS):
        found, _slope = ask(x - step * slope)
        if found <= value - _FAIR_SHARE * step * promised:  # false for NaN
            return step
        step /= 2
    return 0.0
