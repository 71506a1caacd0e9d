"""A second look before a gradient is called wrong: do finer steps speak for it?

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
_SHORTEST = 1e-12  # waves that are shorter, and lower than the rounding of the values, are not reckoned with

FAST = "the function varies faster than differences can follow"
STAIRS = "the function is a staircase: level close by, and not from afar"


@dataclass(frozen=True)
class Doubt:
    """Why an estimate does not convict; smaller steps than its own, from `step` down, tell another story."""

    reason: str
    step: float


def doubt(line: Line, found: Slope, gradient: float, *, noise: float, floor: float, precision: float) -> Doubt | None:
    """What speaks for `gradient` and against `found`, both along `line`; None if nothing does.

    `noise` is what was measured in the values, `floor` half a unit or so of their last digit: less than that they
    can't be wrong by. A finer difference that is off by more than the noise makes `found` a chance hit. One that is off
    by more than the floor is noise or a shape: it counts if it is what `gradient` says.
    """
    off = abs(gradient - found.value)
    if found.swing <= 4 * noise:  # nothing rises out of the noise: a wave may hide in it
        unresolved = _FINEST * precision * abs(gradient) > found.swing + noise
        if off * _SHORTEST <= noise or unresolved:
            return Doubt(f"nothing below {noise / _SHORTEST:.1g} can be seen in values this noisy", 0.0)
    step, others, lost = found.step / _RATIO, [], False
    middle = line(0.0)
    while step >= _FINEST * precision and step * off > floor:
        after, before = line(step), line(-step)
        central = (after - before) / (2 * step)
        if math.isfinite(central):
            gap = abs(central - found.value) - found.bar - 2 * found.bend * (step / found.step) ** 2
            if gap > (4 * floor + 2 * precision * max(abs(central), abs(found.value))) / step:
                others.append((step, (central, (after - middle) / step, (middle - before) / step)))
                lost = lost or gap > 4 * (noise + precision * abs(central)) / step
        step /= _RATIO
    # what is said last counts: further up, steps outrun the function
    for at, slopes in reversed(others[-3:]):
        if any(abs(s - gradient) < abs(s - found.value) / 3 for s in slopes):
            return Doubt(STAIRS if 0 in slopes else FAST, _RATIO * at)
    return Doubt(FAST, others[-1][0]) if lost else None
