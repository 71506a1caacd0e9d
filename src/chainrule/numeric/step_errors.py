"""How wrong a difference quotient is, against its step: the V that every choice of a step meets.

Above the best step the curve bends away (the error of a central difference falls as h², of a forward one as h); below
it rounding grows as ε/h.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..draw import Figure, Line, Vertical
from ..ir import Array


@dataclass(frozen=True)
class StepErrors:
    """The errors of forward and central differences at `x`, a step each; `truth` is the exact derivative.

    `best_forward` and `best_central` are the steps with the smallest errors, smoothed over neighbouring steps: single
    lucky hits don't count. Errors are absolute.
    """

    name: str
    x: float
    truth: float
    steps: Array
    forward: Array
    central: Array
    best_forward: float
    best_central: float

    def error(self, scheme: str) -> float:
        """The smoothed error at the best step of "forward" or "central"."""
        errors, best = {
            "forward": (self.forward, self.best_forward),
            "central": (self.central, self.best_central),
        }[scheme]
        return float(_smoothed(errors)[int(np.argmin(np.abs(self.steps - best)))])

    @property
    def figure(self) -> Figure:
        """Both errors over the step, on logarithmic axes."""
        return Figure(
            f"Error of difference quotients of {self.name} at x = {self.x:.6g}",
            [
                Line(self.steps, self.forward, "forward"),
                Line(self.steps, self.central, "central", style="dashed"),
                Vertical(self.best_central, "best central step"),
            ],
            x="step h", y="error", log_x=True, log_y=True,
            description=str(self),
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}

    def __str__(self) -> str:
        return (
            f"central differences are best with h near {self.best_central:.0e} (error about"
            f" {self.error('central'):.0e}), forward ones near {self.best_forward:.0e}"
            f" ({self.error('forward'):.0e}); smaller steps lose to rounding, larger ones to the bend of the curve"
        )

    def _repr_html_(self) -> str:
        return self.figure._repr_html_()


def step_errors(f: Callable[[Any], float], x: Any, truth: float, *, name: str = "f", per_decade: int = 8) -> StepErrors:
    """The errors at steps from 1e-16 to 1 times the size of `x` (float64 or float32, as `x` is).

    >>> found = step_errors(math.exp, 1.0, math.e)
    >>> 1e-6 < found.best_central < 1e-4, 1e-9 < found.best_forward < 1e-7
    (True, True)
    """
    kind: Any = x.dtype.type if isinstance(x, np.generic) else np.float64
    eps = float(np.finfo(kind).eps)
    size = 2.0 ** math.floor(math.log2(abs(float(x)))) if x else 1.0
    finest = math.floor(math.log10(eps))
    steps = size * np.logspace(finest, 0, per_decade * -finest + 1)
    middle = f(kind(x))
    forward, central = [], []
    for h in steps:
        up, down = kind(x) + kind(h), kind(x) - kind(h)
        after, before = f(up), f(down)
        ahead, both = float(up) - float(x), float(up) - float(down)
        forward.append(abs((after - middle) / ahead - truth) if ahead else math.nan)
        central.append(abs((after - before) / both - truth) if both else math.nan)
    found: tuple[Array, Array] = np.array(forward), np.array(central)
    best, other = (float(steps[np.nanargmin(_smoothed(errors))]) for errors in found)
    return StepErrors(name, float(x), truth, steps, *found, best, other)


def _smoothed(errors: Array) -> Array:
    """The largest of five neighbours: an upper edge, which single hits don't pull down."""
    wide = np.pad(errors, 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(wide, 5)
    known = np.isfinite(windows)
    worst = np.max(np.where(known, windows, -np.inf), axis=1)
    return np.where((known.sum(axis=1) > 2) & np.isfinite(errors), worst, np.nan)
