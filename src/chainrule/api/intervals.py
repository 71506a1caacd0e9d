"""What is proved of a function on a whole interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..analyze.critical_points import CriticalPoints
from ..analyze.critical_points import critical_points as _critical_points
from ..analyze.monotone import Readings
from ..errors import ArgumentError, ShapeError
from ..ir import Program
from .call import Call, Function, public
from .matrices import gradient_program


@public
def critical_points(f: Function, a: float, b: float) -> CriticalPoints:
    """Where a function of one number rises and falls on [a, b], and where it turns: each critical point, classified.

    Kinds: minimum, maximum, stationary inflection (as of x³ at 0), flat pieces, kinks that turn (as of |x|), and the
    ends. What is said is proved, by bounds on the derivative over whole pieces; where no proof is found, the piece is
    in `unknown`, and nothing is claimed on it. `f` must be one that can be recorded.

    >>> print(critical_points(lambda x: x**3 - 3 * x, -1.5, 3.0))
    f on [-1.5, 3]
      increases on [-1.5, -1], [1, 3]
      decreases on [-1, 1]
      end minimum at x = -1.5, f = 1.125
      maximum at x = -1, f = 2
      minimum at x = 1, f = -2
      end maximum at x = 3, f = 18
      least value: -2 at x = 1
      largest value: 18 at x = 3

    Moore, "Interval analysis", 1966; Hansen & Walster, 2004.
    """
    low, high = _ends(a, b)
    call = Call(f, (low + (high - low) / 2,), {}, 0)
    call.scalar("a list of critical points")
    call.one_course("a list of critical points")
    if any(t.shape for t in call.types()):
        raise ShapeError("critical points on an interval are those of a function of one number")

    def make(program: Program) -> tuple[Program | None, Program | None]:
        slope = gradient_program(program, call.wanted)
        return slope, gradient_program(slope, call.wanted) if slope is not None else None

    slope, bend = call.derived(("critical points",), make)
    given = [np.asarray(v) for v in call.inputs[1:]]
    name = getattr(f, "__name__", "f")
    return _critical_points(
        Readings(call.program, slope, bend, given, _values(f)), low, high, name="f" if name == "<lambda>" else name
    )


def _values(f: Function) -> Callable[[float], float]:
    def value(x: float) -> float:
        with np.errstate(all="ignore"):
            return float(f(np.float64(x)))  # NumPy's: powers of Python's overflow with an error

    return value


def _ends(a: Any, b: Any) -> tuple[float, float]:
    """Two finite numbers, the first below the second."""
    for end in (a, b):
        if isinstance(end, (bool, str)) or np.ndim(end) or not isinstance(end, (int, float, np.number, np.ndarray)):
            raise ArgumentError(f"an end of an interval is a number, not {end!r}")
    low, high = float(a), float(b)
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)):
        raise ArgumentError(f"[{low}, {high}]: both ends are finite numbers")
    if not low < high:
        raise ArgumentError(f"[{low:.6g}, {high:.6g}]: the first end lies below the second")
    return low, high
