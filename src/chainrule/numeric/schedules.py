"""Learning rates that change with the step: each function here returns a function from a step (0, 1, …) to a rate.

Any such function will do as `learning_rate` of `minimize`; these are the usual ones.

>>> half_every_ten = step_decay(0.8, every=10, factor=0.5)
>>> [half_every_ten(step) for step in (0, 9, 10, 25)]
[0.8, 0.8, 0.4, 0.2]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError

__all__ = ["constant", "cosine", "exponential", "inverse_time", "step_decay"]

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every step.

    >>> constant(0.1)(1000)
    0.1
    """
    rate = _positive(rate, "rate")
    return lambda step: rate


def exponential(rate: float, *, decay: float) -> Schedule:
    """rate · decayᵏ at step k, with 0 < decay <= 1.

    The rates add up to rate / (1 − decay): a walk can't go further than that times its largest gradient.

    >>> halving = exponential(1.0, decay=0.5)
    >>> [halving(k) for k in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    rate, decay = _positive(rate, "rate"), _share(decay, "decay")
    return lambda step: rate * decay**step


def inverse_time(rate: float, *, decay: float) -> Schedule:
    """rate / (1 + decay · k) at step k.

    The rates sum to infinity and their squares do not, which is what noisy gradients ask for: Robbins & Monro, 1951.

    >>> slower = inverse_time(1.0, decay=1.0)
    >>> [slower(k) for k in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """
    rate, decay = _positive(rate, "rate"), _positive(decay, "decay")
    return lambda step: rate / (1 + decay * step)


def cosine(rate: float, *, steps: int, end: float = 0.0) -> Schedule:
    """From `rate` down to `end` along half a wave of the cosine, over so many steps; `end` from then on.

    >>> smooth = cosine(1.0, steps=10)
    >>> smooth(0), smooth(5), smooth(10), smooth(99)
    (1.0, 0.5, 0.0, 0.0)

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """
    rate, steps = _positive(rate, "rate"), _steps(steps, "steps")
    if not (_is_number(end) and 0 <= end <= rate):
        raise ArgumentError(f"end is {end!r}: it lies between 0 and the rate, {rate!r}")
    return lambda step: end + (rate - end) * (1 + math.sin(math.pi * (0.5 - min(step / steps, 1.0)))) / 2


def step_decay(rate: float, *, every: int, factor: float) -> Schedule:
    """The rate, multiplied by `factor` after every so many steps.

    >>> [step_decay(1.0, every=2, factor=0.5)(k) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    rate, every, factor = _positive(rate, "rate"), _steps(every, "every"), _share(factor, "factor")
    return lambda step: rate * factor ** (step // every)


# --- what a rate may be -----------------------------------------------------------------------------------------------


def rates(learning_rate: Any) -> Schedule:
    """A number or a schedule, as a schedule whose every answer is looked at.

    >>> rates(0.5)(7)
    0.5
    """
    if not callable(learning_rate):
        return constant(_positive(learning_rate, "learning_rate"))

    def rate(step: int) -> float:
        found = _unwrapped(learning_rate(step))
        if not (_is_number(found) and found >= 0 and _finite(found)):
            raise ArgumentError(f"the learning rate of step {step} is {found!r}: it must be a finite number, 0 or more")
        return float(found)

    return rate


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


def _unwrapped(x: Any) -> Any:
    return x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x


def _finite(x: Any) -> bool:
    try:
        return math.isfinite(x)
    except OverflowError:  # an int beyond all floats
        return False


def _positive(x: Any, name: str) -> float:
    x = _unwrapped(x)
    if not (_is_number(x) and x > 0 and _finite(x)):
        hint = "it is a number, or a function of the step: cr.schedules" if name == "learning_rate" else ""
        raise ArgumentError(f"{name} is {x!r}: it must be finite and greater than 0", hint=hint)
    return float(x)


def _share(x: Any, name: str) -> float:
    if not (_is_number(x) and 0 < x <= 1):
        raise ArgumentError(f"{name} is {x!r}: it must be greater than 0, and at most 1")
    return float(x)


def _steps(x: Any, name: str) -> int:
    if not isinstance(x, (int, np.integer)) or isinstance(x, bool) or x < 1:
        raise ArgumentError(f"{name} is {x!r}: it counts steps, from 1 up")
    return int(x)
