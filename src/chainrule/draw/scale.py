"""From numbers to places in the picture, and round numbers for an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .numbers import Array, tick_names

_FAR = 1e5  # pixels: beyond this nothing is seen, and some viewers lose their way


@dataclass(frozen=True)
class Scale:
    """The stretch from `low` to `high` laid on the pixels from `start` to `end`, evenly or by logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        return float(self.many([value])[0])

    def many(self, values: Any) -> Array:
        """The place of each number; NaN for one that has none: NaN, ±∞, on a logarithmic axis what is not positive."""
        low, high, given = (self._even(x) for x in (self.low, self.high, values))
        with np.errstate(all="ignore"):  # halves: the whole of the range may overflow
            share = (given / 2 - low / 2) / (high / 2 - low / 2)
            place = np.clip(self.start + (self.end - self.start) * share, -_FAR, _FAR)
        return np.where(np.isfinite(given), place, np.nan)

    def _even(self, values: Any) -> Array:
        array = np.asarray(values, dtype=float)
        if not self.log:
            return array
        with np.errstate(all="ignore"):
            return np.where(array > 0, np.log10(array), np.nan)

    def ticks(self, about: int = 6) -> list[float]:
        """Round numbers on the axis, about that many."""
        return _decades(self.low, self.high, about) if self.log else rounds(self.low, self.high, about)

    def named_ticks(self, about: int = 6) -> list[tuple[float, str]]:
        """The ticks and what to write beside them."""
        ticks = self.ticks(about)
        return list(zip(ticks, tick_names(ticks, self.log), strict=True))


def rounds(low: float, high: float, about: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    >>> rounds(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high / 2 - low / 2) / (about / 2)
    if not 1e-300 < raw < 1e300:  # too small or too large for a power of ten: the ends alone
        return [low, high]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    found = dict.fromkeys(float(f"{k * step:.15g}") for k in range(first, last + 1))
    return list(found) or [low, high]


def _decades(low: float, high: float, about: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / about))
    found = [float(f"1e{k}") for k in range(math.ceil(first / every) * every, last + 1, every)]
    if len(found) > 2:
        return found
    between = [float(f"{m}e{k}") for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    between = [t for t in between if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
    return between if len(between) > 2 else [t for t in rounds(low, high, about) if t > 0]


def span(values: Iterable[Array], log: bool, room: float = 0.05) -> tuple[float, float] | None:
    """The smallest and largest number that can be shown, with a little room about them; None if there is none.

    >>> span([np.array([0.0, 10.0, np.nan])], log=False)
    (-0.5, 10.5)
    """
    found = [a[np.isfinite(a) & ((a > 0) | (not log))] for a in values]
    seen = np.concatenate(found) if found else np.zeros(0)
    if not seen.size:
        return None
    low, high = float(seen.min()), float(seen.max())
    return _wider_log(low, high, room) if log else _wider(low, high, room)


def _wider(low: float, high: float, room: float) -> tuple[float, float]:
    width = high / 2 - low / 2
    more = 2 * room * width
    if width <= 4 * np.finfo(float).eps * max(abs(low), abs(high)):  # constant, up to rounding
        more = 0.1 * max(abs(low), abs(high)) or 1.0
    largest = float(np.finfo(float).max)
    return max(low - more, -largest), min(high + more, largest)


def _wider_log(low: float, high: float, room: float) -> tuple[float, float]:
    a, b = math.log10(low), math.log10(high)
    more = room * (b - a) if b - a > 1e-9 else 0.5
    return 10.0 ** max(a - more, -323), 10.0 ** min(b + more, 308.25)
