"""A second look before a gradient is called wrong: whether finer steps speak for it.

Differences over a step know nothing of what happens within it. `cos(1e10 x)` has differences near zero at every step
that it outruns, and a fine staircase looks like a ramp from afar. So an estimate convicts a gradient only if no
smaller step, down to where rounding hides what tells the two apart, contradicts it.

>>> wave = lambda t: math.cos(1 + 1e7 * t)
>>> blind = slope(wave, noise=3.0, precision=2.0**-52)
>>> found = doubt(wave, blind, -1e7 * math.sin(1), noise=3.0, floor=2.0**-52, precision=2.0**-52)
>>> found is not None and found.step < 1e-7
True
>>> found = slope(math.sin, noise=1e-16)
>>> doubt(math.sin, found, 1.001, noise=1e-16, floor=0.0, precision=2.0**-52) is None
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .differences import Line, Slope, slope  # noqa: F401  slope: for the examples

_RATIO = 4.0
_FINEST = 8  # units of rounding in x: below that a step is not what it says
_SHORTEST = 450  # such units: waves that are shorter, and as low as the noise, are not reckoned with

FAST = "the function varies faster than differences can follow"
STAIRS = "the function is a staircase: level close by, and not from afar"


@dataclass(frozen=True)
class Doubt:
    """Why an estimate does not convict; smaller steps than its own, from `step` down, tell another story."""

    reason: str
    step: float


def doubt(line: Line, found: Slope, gradient: float, *, noise: float, floor: float, precision: float) -> Doubt | None:
    """What speaks for `gradient` and against `found`, both along `line`; None if nothing does.

    `noise` is what was measured in the values, `floor` a unit of their last digit: less than that they can't be wrong
    by. A finer difference that is off by more than the noise makes `found` a chance hit. One that is off by more than
    the floor is noise or a shape: it counts if it is what `gradient` says.
    """
    off = abs(gradient - found.value)
    bars = 2 if found.bar <= 0.01 * abs(found.value) else 4  # a vague estimate has a vague bar
    if found.kind == "smooth" and off <= bars * found.bar:
        return Doubt(f"the gradient is less than {bars} error bars off", 0.0)
    shortest = (1 if found.swing else 12) * _SHORTEST * precision  # values that never change are less suspect
    if found.swing <= 8 * noise and (off * shortest <= noise or found.swing > 1.5 * noise or noise > 16 * floor):
        return Doubt(f"nothing in the values stands out of their noise, {noise:.1g}", 0.0)
    others, lost, middle, step = [], False, line(0.0), found.step / _RATIO
    while step >= _FINEST * precision and step * off > floor:
        after, before, shrunk = line(step), line(-step), step / found.step
        central, bend = (after - before) / (2 * step), abs(after - middle + (before - middle))
        rounding = precision * max(abs(central), abs(found.value))  # of x + h
        gap = step * (abs(central - found.value) - found.bar - 2 * found.bend * shrunk**2)
        uneven = bend - 2 * found.curvature * found.step**2 * shrunk  # a wave seen from its crest has level differences
        if math.isfinite(central):
            if gap > 2.5 * floor + 2 * rounding:
                others.append((step, (central, (after - middle) / step, (middle - before) / step)))
            lost = lost or max(gap, uneven) > 4 * (noise + rounding)
            if step < 4 * _RATIO * _FINEST * precision:  # nearly neighbouring floats: what `gradient` alone explains
                jump = abs(after - middle)
                lost = lost or 4 * abs(gradient) * step > jump > max(16 * floor, 2 * abs(found.value) * step)
        step /= _RATIO
    for at, slopes in reversed(others[-3:]):  # what is said last counts: further up, steps outrun the function
        if any(abs(s - gradient) < abs(s - found.value) / 3 for s in slopes):
            return Doubt(STAIRS if 0 in slopes else FAST, _RATIO * at)
    return Doubt(FAST, others[-1][0] if others else 0.0) if lost else None
