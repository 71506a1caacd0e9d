"""Gradient descent: walk downhill, a step along the negative gradient at a time.

Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847. Without a learning rate each
step is halved until it lowers the value by a fair share of what the slope promises: Armijo, "Minimization of functions
having Lipschitz continuous first partial derivatives", 1966.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..ir import Array

Ask = Callable[[Array], tuple[float, Array]]  # value and gradient at a point; the value may be NaN

_FAIR_SHARE = 1e-4
_HALVINGS = 60


def descend(ask: Ask, x: Array, after: Callable[[Array], None], max_iter: int, learning_rate: float | None) -> str:
    """Take up to `max_iter` steps, calling `after(x)` with each new point; return what ended the walk.

    The answer is "max_iter", "stuck" (no step lowers the value) or "not finite"; `after` may end it by an exception.

    >>> path = []
    >>> descend(lambda x: (x @ x, 2 * x), np.array([1.0]), lambda x: path.append(x[0]), 3, 0.25)
    'max_iter'
    >>> [float(x) for x in path]
    [0.5, 0.25, 0.125]
    """
    value, slope = ask(x)
    step = learning_rate if learning_rate is not None else 1 / max(1.0, float(np.abs(slope).max()))
    for _ in range(max_iter):
        if learning_rate is None:
            accepted = _lower(ask, x, value, slope, 2 * step)
            if accepted == 0:
                return "stuck"
            step = accepted
        x = x - step * slope
        value, slope = ask(x)
        if not (math.isfinite(value) and np.isfinite(slope).all()):
            return "not finite"
        after(x)
    return "max_iter"


def _lower(ask: Ask, x: Array, value: float, slope: Array, step: float) -> float:
    """The first of step, step/2, step/4, … that lowers the value enough; 0 if none does."""
    promised = float(slope @ slope)
    for _ in range(_HALVINGS):
        found, _slope = ask(x - step * slope)
        if found <= value - _FAIR_SHARE * step * promised:  # false for NaN
            return step
        step /= 2
    return 0.0
