"""How a walk with a given learning rate went: slow, steady, oscillating, overshooting or diverging.

One number tells them apart. With the gradients g and g′ before and after a step,

    c = 1 − ⟨g, g′⟩ / ⟨g, g⟩

On a quadratic, g′ = (I − ηH) g, so that c = η · gᵀHg / gᵀg: the learning rate times the curvature along the gradient,
which in one dimension is ηλ. Elsewhere it is that of the mean curvature along the step. What it means:

    c << 1       the gradient hardly changes from step to step
    c ≈ 1        a step takes most of the gradient away
    1 < c < 2    the next gradient points back: the step went past the bottom, and comes out lower
    c ≈ 2        it comes out on the other side as high as it was
    c > 2        higher, and higher again
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from ..ir import Array

REGIMES = ("slow", "steady", "oscillating", "overshooting", "diverging")
SLOW, PAST, OVER, BEYOND = 0.1, 1.1, 1.9, 2.1  # where on the scale of c one regime ends and the next begins
_KEPT = 100_000  # steps looked at, at most
_GROWN = 10.0
_FLOOR = 1e-12  # of the largest gradient: below, its direction is rounding


def regime(values: Sequence[float], norms: Sequence[float], overlaps: Sequence[float]) -> str | None:
    """The label of a walk, from its values and gradient norms (one more than steps) and ⟨g, g′⟩ / ⟨g, g⟩ of each step.

    Looked at is the latter half of the steps, up to where the gradient has shrunk to rounding. With the median of c
    there, and the share of steps on which the value rose:

    - "diverging": the walk ended in what is not finite; or more than half of the steps rose, and c > 2.1 or the
      gradient is ten times what it was at first
    - "overshooting": else, c >= 1.9, or a quarter of the steps rose
    - "oscillating": else, c > 1.1
    - "steady": else, c >= 0.1
    - "slow": else; but None if c < -0.1: the walk gathers speed downhill, which is none of the five

    None also for a walk without a step.

    >>> regime([1.0, 0.25, 0.0625], [2.0, 1.0, 0.5], [-0.5, -0.5])
    'oscillating'
    """
    if not overlaps:
        return None
    if not (math.isfinite(values[-1]) and math.isfinite(norms[-1])):
        return "diverging"
    sizes = np.asarray(norms, dtype=np.float64)
    usable = np.flatnonzero(sizes[:-1] > _FLOOR * sizes.max())
    last = int(usable[-1]) + 1 if usable.size else 1
    seen = slice(last // 2, last)
    c = 1 - float(np.median(np.asarray(overlaps)[seen]))
    v = np.asarray(values, dtype=np.float64)
    rose = float(np.mean(np.diff(v)[seen] > 4e-16 * np.abs(v[:-1][seen])))
    if rose > 0.5 and (c > BEYOND or sizes[-1] > _GROWN * sizes[0]):
        return "diverging"
    if c >= OVER or rose >= 0.25:
        return "overshooting"
    if c > PAST:
        return "oscillating"
    if c >= SLOW:
        return "steady"
    return "slow" if c >= -SLOW else None


class Trace:
    """What a walk leaves behind for its label; it changes with every step."""

    def __init__(self) -> None:
        self.values: deque[float] = deque(maxlen=_KEPT + 1)
        self.norms: deque[float] = deque(maxlen=_KEPT + 1)
        self.overlaps: deque[float] = deque(maxlen=_KEPT)
        self._gradient: Array | None = None

    def add(self, value: float, gradient: Array) -> None:
        """The next point."""
        size = float(np.abs(gradient).max(initial=0.0))
        # the squares of very large and very small gradients are no floats: both are measured in units of the former
        with np.errstate(all="ignore"):
            if self._gradient is not None:
                unit = float(np.abs(self._gradient).max(initial=0.0))
                before = self._gradient / unit
                overlap = float(before @ (gradient / unit)) / float(before @ before) if unit > 0 else 1.0
                self.overlaps.append(overlap)
            self.norms.append(size * float(np.linalg.norm(gradient / size)) if 0 < size < math.inf else size)
        self.values.append(value)
        self._gradient = gradient

    def regime(self) -> str | None:
        """The label."""
        return regime(list(self.values), list(self.norms), list(self.overlaps))
