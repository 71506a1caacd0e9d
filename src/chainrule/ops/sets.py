"""Subsets of the real line: where an op is defined, and what it can return."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Interval:
    """[low, high], an endpoint left out when `open_low` / `open_high`.

    >>> 0.0 in POSITIVE, 2.0 in POSITIVE
    (False, True)
    """

    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False
    whole: bool = False  # whole numbers only

    def __contains__(self, x: Any) -> bool:
        x = np.asarray(x)
        above = x > self.low if self.open_low else x >= self.low
        below = x < self.high if self.open_high else x <= self.high
        return bool(np.all(above & below & (x == np.rint(x) if self.whole else True)))

    def __str__(self) -> str:
        if self.low == -inf and self.high == inf:
            return "ℤ" if self.whole else "ℝ"
        if self.whole:
            return f"{{{self.low:.6g}, …, {self.high:.6g}}}"
        left = "(" if self.open_low or self.low == -inf else "["
        right = ")" if self.open_high or self.high == inf else "]"
        return f"{left}{self.low:.6g}, {self.high:.6g}{right}"

    def sample(self, shape: Any, rng: np.random.Generator, width: float = 3.0) -> np.ndarray[Any, Any]:
        """Points inside, at moderate size and away from endpoints that are left out."""
        low = max(self.low, -width if self.high == inf else self.high - 2 * width)
        high = min(self.high, width if self.low == -inf else self.low + 2 * width)
        if self.whole:
            return rng.integers(ceil(low), floor(high), shape, endpoint=True).astype(float)
        margin = 0.05 * (high - low)
        return rng.uniform(low + margin, high - margin, shape)


REALS = Interval()
POSITIVE = Interval(0, inf, open_low=True)
NONNEGATIVE = Interval(0, inf)
UNIT = Interval(-1, 1)
WHOLE = Interval(whole=True)
TRUTHS = Interval(0, 1, whole=True)  # false and true
