"""Which learning rates are stable, and which is best: read off the ends of the Hessian's spectrum.

On a quadratic with the Hessian H, gradient descent multiplies the error along an eigenvector by 1 − ηλ at each step.
It shrinks in all directions if 0 < ηλ < 2; the slowest of them shrinks most with η = 2 / (λmin + λmax), then by
(κ − 1) / (κ + 1) a step, where κ = λmax / λmin. Polyak, "Introduction to Optimization", 1987, section 1.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from html import escape
from typing import Any

from .layout import Layout
from .spectrum import Spectrum


@dataclass(frozen=True)
class LearningRate:
    """The learning rates of gradient descent that suit the curvature of a function at a point.

    `largest` is 2 / λmax: below it, no upward curve throws the walk out. `best` is 2 / (λmin + λmax), with which the
    error shrinks by the factor `contraction` at each step, or faster. Each is None where there is no such thing.
    `quadratic` is True if the Hessian is known to be the same everywhere, so that both are exact; otherwise they are
    `local`: they hold for the quadratic that fits the function at the point, and the curvature elsewhere may allow
    more, or less. `error_max` and `error_min` say how far off the two eigenvalues may be; `residual` is the larger
    ‖Hv − λv‖ of the two.
    """

    largest: float | None
    best: float | None
    contraction: float | None
    lambda_max: float
    lambda_min: float
    quadratic: bool
    local: bool
    residual: float
    error_max: float
    error_min: float
    method: str
    products: int
    size: int

    @property
    def condition(self) -> float | None:
        """κ = λmax / λmin, where both are positive."""
        return self.lambda_max / self.lambda_min if self.best is not None else None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"condition": self.condition}

    def __str__(self) -> str:
        where = "" if self.quadratic else "Here (the function is not quadratic, or not seen to be): "
        ends = f"curvature from {self.lambda_min:.4g} to {self.lambda_max:.4g}"
        if self.size == 1:
            ends = f"curvature {self.lambda_max:.4g}"
        return f"{where}{ends}; {self._advice()}"

    def _advice(self) -> str:
        if self.largest is None:
            if self.lambda_min < -self.error_min:
                return "it bends down and nowhere up, so no learning rate leads to rest."
            return "as far as can be told, it is flat, and sets no limit to the learning rate."
        rough = "about " if self.error_max > 1e-5 * self.lambda_max else ""  # λmax may be larger by that much
        stable = f"learning rates below {rough}{self.largest:.4g} are stable"
        if self.best is not None:
            return f"{stable}; {self.best:.4g} {self._pace()}, the best of all."
        if self.lambda_min < -self.error_min:
            return (
                f"{stable} in the directions that bend up; along those that bend down any rate runs away, and so there "
                "is no best one."
            )
        return f"{stable}; some direction is flat as far as can be told, so there is no best one."

    def _pace(self) -> str:
        """How fast the error shrinks with the best rate."""
        left = self.contraction
        if not left:
            return "comes to rest in one step"
        if left > 0.999:  # which would be printed as 1
            return f"takes only {1 - left:.2g} of the error away a step"
        return f"leaves {left:.4g} of the error a step"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


@dataclass(frozen=True)
class CriticalPoint:
    """What kind of point it is, and why.

    `kind` is "minimum", "maximum", "saddle", "inconclusive", "plateau" or "not critical"; `reason` says why.
    `grad_norm` is the largest component of the gradient, `newton_distance` that of Newton's step (None if all curvature
    is rounding). `lambda_min` and `lambda_max` are the ends of the Hessian's spectrum, known to within `error`;
    `eigenvalues` are all of them, and `signs` counts those above, below and within the error, where the matrix was
    formed. At a saddle, going `step` along `direction` (which has the structure of what was differentiated) lowers the
    function by `drop`.
    """

    kind: str
    reason: str
    value: float
    grad_norm: float
    tol: float
    newton_distance: float | None
    lambda_min: float
    lambda_max: float
    error: float
    signs: tuple[int, int, int] | None
    direction: Any
    step: float | None
    drop: float | None
    eigenvalues: tuple[float, ...] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        direction = None if self.direction is None else Layout(self.direction).plain()
        return {
            **plain,
            "direction": direction,
            "signs": None if self.signs is None else list(self.signs),
            "eigenvalues": None if self.eigenvalues is None else list(self.eigenvalues),
        }

    def __str__(self) -> str:
        return f"{_NAMES[self.kind]}: {self.reason}."

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


_NAMES = {
    "minimum": "A minimum", "maximum": "A maximum", "saddle": "A saddle", "inconclusive": "Inconclusive",
    "plateau": "A plateau", "not critical": "Not critical",
}  # fmt: skip


def learning_rate_of(found: Spectrum, quadratic: bool) -> LearningRate:
    """What the ends of a spectrum say of the learning rate.

    >>> import numpy as np
    >>> ends = Spectrum(1.0, 3.0, np.array([1.0, -1.0]), np.array([1.0, 1.0]), 0.0, 0.0, 0.0, 2)
    >>> rate = learning_rate_of(ends, True)
    >>> rate.largest, rate.best, rate.contraction
    (0.6666666666666666, 0.5, 0.5)
    """
    low, high = found.low, found.high
    total = low + high
    upward = high > found.high_error and math.isfinite(2 / high)
    convex = low > found.low_error and math.isfinite(2 / total)
    return LearningRate(
        largest=2 / high if upward else None,
        best=2 / total if convex else None,
        contraction=(high - low) / total if convex else None,
        lambda_max=high, lambda_min=low, quadratic=quadratic, local=not quadratic,
        residual=found.residual, error_max=found.high_error, error_min=found.low_error,
        method="all eigenvalues" if found.values is not None else "Lanczos",
        products=found.products, size=found.low_vector.size,
    )  # fmt: skip
