"""What kind of point this is: a minimum, a maximum, a saddle, or none of them as far as can be told.

First, is it critical? Newton's step, −H⁻¹g, leads to the critical point of the quadratic that fits the function here.
It is believed if the gradient at its end is at most a tenth of what it was, or is rounding: near the minimum of x² it
vanishes; near x³ a quarter is left, near x⁴ and beyond from 0.30 to 0.37 (1/e), and as much on the tail of eˣ. Then the
signs of the Hessian's eigenvalues decide, each with an error bar: rounding of the matrix, and its change when x moves
by its own rounding. An eigenvalue smaller than its bar has no sign. And what is decided is looked at: the gradient
beside the point must change as the eigenvalues say (at a kink it does not), the value must not jump, and a way down
from a saddle must lead down.

Kantorovich, 1948, for when Newton's step may be believed; Nocedal & Wright, "Numerical Optimization", 2006, theorems
2.2 to 2.4, for the conditions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from ..ir import Array
from .spectrum import Product, Spectrum

BELIEVED = 0.1  # of the gradient may be left after a Newton step that is believed
REACH = 1e-2  # of the size of x, or of 1: a critical point within is the one that descent was after
_LOOK = (1e-3, 1e-2, 1e-1)  # steps of a look around, times the size of x
_DOWN = (1e-3, 1e-2, 1e-1, 1e-4, 1e-5, 1e-6)  # steps of a way down, in the order tried
_CLOSER = (1, 10, 100)  # by what the step is divided when the gradient beside the point is looked at
_ALL = 32  # components up to which every eigenvector is looked along
_RANDOM = 24  # random directions besides


@dataclass(frozen=True)
class Around:
    """A function around a point, on vectors: its value and gradient anywhere, and the Hessian times vectors anywhere.

    `precision` is its relative rounding; `tol` the largest component of a gradient that counts as small.
    """

    x: Array
    value_and_gradient: Callable[[Array], tuple[float, Array]]
    product_at: Callable[[Array], Product]
    precision: float
    tol: float

    @property
    def size(self) -> float:
        """The largest component of x, or 1."""
        return max(1.0, float(np.abs(self.x).max()))

    def value(self, x: Array) -> float:
        """The value; NaN where there is none."""
        try:
            return self.value_and_gradient(x)[0]
        except (ArithmeticError, ValueError):
            return math.nan

    def gradient(self, x: Array) -> Array:
        """The gradient; NaN where there is none."""
        try:
            return self.value_and_gradient(x)[1]
        except (ArithmeticError, ValueError):
            return np.full_like(self.x, math.nan)


@dataclass(frozen=True)
class Found:
    """What was found of a point, on vectors; `error` is that of the eigenvalue that is known worst."""

    kind: str
    reason: str
    value: float
    grad_norm: float
    newton_distance: float | None
    error: float
    signs: tuple[int, int, int] | None  # eigenvalues above, below and within their error bars; None if not all known
    direction: Array | None = None
    step: float | None = None
    drop: float | None = None


def classify(around: Around, ends: Spectrum) -> Found:
    """The kind of a point, from its gradient and the spectrum of its Hessian."""
    value, g = around.value_and_gradient(around.x)
    if not (math.isfinite(value) and np.isfinite(g).all()):
        raise ArgumentError(
            "the function or its gradient is not finite at this point", hint="is it inside of the function's domain?"
        )
    return _Judge(around, ends, value, g).verdict()


class _Judge:
    """The facts about a point, and what follows from them."""

    def __init__(self, around: Around, ends: Spectrum, value: float, g: Array) -> None:
        self.around, self.ends, self.value, self.g = around, ends, value, g
        self.grad_norm = float(np.abs(g).max())
        low_shift, high_shift = self._shifts()
        self.low_error, self.high_error = ends.low_error + low_shift, ends.high_error + high_shift
        self.down = ends.low < -(ends.rounding + low_shift)
        self.up = ends.high > ends.rounding + high_shift
        bend = ends.largest + max(self.low_error, self.high_error)
        self.rounding = 16 * around.precision * bend * around.size  # of the gradient, as x is rounded
        self.step = self._newton()
        self.distance = float(np.abs(self.step).max()) if self.step is not None else None

    def _shifts(self) -> tuple[float, float]:
        """How much the Hessian changes when x moves by its rounding: in norm, or at the ends of its spectrum."""
        a, ends = self.around, self.ends
        signs = np.where(np.random.default_rng(1).random(a.x.size) < 0.5, -1.0, 1.0)
        near = a.x + 2 * a.precision * a.size * signs
        try:
            here, there = a.product_at(a.x), a.product_at(near)
            if ends.values is not None:
                change = np.array([there(unit) - here(unit) for unit in np.eye(a.x.size)])
                norm = float(np.linalg.norm(change, 2)) if np.isfinite(change).all() else math.inf
                return norm, norm
            low, high = (
                float(np.linalg.norm(there(v) - here(v))) for v in (ends.low_vector, ends.high_vector)
            )  # fmt: skip
        except (ArithmeticError, ValueError):
            return math.inf, math.inf
        return (low, high) if math.isfinite(low + high) else (math.inf, math.inf)

    # --- is it critical? ------------------------------------------------------------------------------------------

    def _newton(self) -> Array | None:
        """Newton's step, along the eigenvectors whose eigenvalues have a sign; None if there are none."""
        ends = self.ends
        if ends.values is not None and ends.vectors is not None:
            known = np.abs(ends.values) > self.low_error
            if not known.any():
                return None
            vectors = ends.vectors[:, known]
            step: Array = -vectors @ ((vectors.T @ self.g) / ends.values[known])
            return step
        if not self.g.any():
            return np.zeros_like(self.g)
        if ends.largest <= max(self.low_error, self.high_error):
            return None
        from scipy.sparse.linalg import LinearOperator, minres  # takes a while to import

        n = self.g.size
        operator = LinearOperator((n, n), matvec=self.around.product_at(self.around.x), dtype=np.float64)
        return np.asarray(minres(operator, -self.g, rtol=1e-3, maxiter=200)[0])

    def _believed(self) -> bool:
        """Whether the gradient vanishes where Newton's step leads, as far as can be seen."""
        if self.grad_norm <= self.rounding:
            return True
        if self.step is None:
            return False
        left = float(np.abs(self.around.gradient(self.around.x + self.step)).max())
        return left <= max(BELIEVED * self.grad_norm, self.rounding)  # false for NaN

    def verdict(self) -> Found:
        size, tol, d = self.around.size, self.around.tol, self.distance
        norm = f"the largest component of the gradient is {self.grad_norm:.2g}"
        small = self.grad_norm <= tol
        if self._believed():
            within = d or 0.0
            if (small and within <= REACH * size) or within <= math.sqrt(self.around.precision) * size:
                return self._by_signs(norm)
            of_what = f"at most tol={tol:.2g}, but" if small else f"above tol={tol:.2g}, and"
            return self._found(
                "not critical", f"{norm}, {of_what} Newton's step leads {within:.2g} away, to where it vanishes"
            )
        if not small:
            away = "" if d is None else f"; Newton's step would lead {d:.2g} away, and is not to be believed"
            return self._found("not critical", f"{norm}, above tol={tol:.2g}{away}")
        if d is not None and d <= REACH * size:
            return self._found(
                "inconclusive",
                f"{norm}, and the curvature fades along with it, as near a degenerate critical point (like that of x³ "
                f"or x⁴); Newton's step leads {d:.2g} further, and not to the end",
            )
        there = "" if d is None else f", and Newton's step would lead {d:.2g} away"
        return self._found(
            "plateau",
            f"{norm}, at most tol={tol:.2g}, but nothing tells of a critical point close by: the curvature is as small "
            f"as that{there}. Descent stalls here, and need not be at its end",
        )

    # --- which kind? ----------------------------------------------------------------------------------------------

    def _by_signs(self, norm: str) -> Found:
        ends = self.ends
        near = f", and a critical point lies about {self.distance:.1g} away" if self.distance else ""
        norm += near
        up, down = self.up, self.down
        odd = self._contradiction()
        if odd:
            return self._found("inconclusive", f"{norm}, but {odd}")
        curvature = f"from {ends.low:.4g} to {ends.high:.4g}" if ends.low_vector.size > 1 else f"{ends.low:.4g}"
        how = "" if ends.values is not None else " (by Lanczos' method, which may miss one, though hardly)"
        if up and down:
            return self._saddle(norm, curvature)
        if ends.low > self.low_error:
            return self._found("minimum", f"{norm}; the Hessian's eigenvalues are all positive, {curvature}{how}")
        if ends.high < -self.high_error:
            return self._found("maximum", f"{norm}; the Hessian's eigenvalues are all negative, {curvature}{how}")
        return self._semidefinite(norm, up, down)

    def _contradiction(self) -> str:
        """What is wrong if beside the point the gradient does not change, or the value jumps, as no Hessian says."""
        a = self.around
        t = max(a.precision**0.4 * a.size, 4 * (self.distance or 0.0))
        for value, vector in self._ways():
            if not math.isfinite(self._rate(vector, t)):
                return "beside the point the gradient is not finite: it lies at the end of the function's domain"
            offs = []
            for closer in _CLOSER:
                seen = self._rate(vector, t / closer)
                bar = max(self.low_error, self.high_error) + 2 * self.rounding * math.sqrt(a.x.size) * closer / t
                offs.append(abs(seen - value))
                if offs[-1] <= max(bar, 2e-4 * self.ends.largest) or 1 / 3 < seen / (value or 1.0) < 3:
                    break
            else:
                if not offs[-1] < 0.5 * offs[-2]:  # where f is smooth, it is less off closer by
                    return (
                        f"beside the point the gradient changes at a rate of {seen:.2g}, not {value:.2g} as the "
                        "Hessian says: a kink, perhaps, where second derivatives tell nothing"
                    )
            jump = self._jump(vector, t)
            if jump:
                return f"the function jumps by {jump:.2g} within {t:.1g} of it, where derivatives tell nothing"
        return ""

    def _jump(self, v: Array, t: float) -> float:
        """By how much the value changes within a step t, to either side, if no slope seen on the way explains it."""
        a = self.around
        here = abs(float(self.g @ v))
        for way in (t, -t):
            change = a.value(a.x + way * v) - self.value
            slope = max(here, abs(float(a.gradient(a.x + way * v) @ v)), t * self.ends.largest)
            if abs(change) > 4 * t * slope + self._visible(t):
                return change
        return 0.0

    def _rate(self, v: Array, t: float) -> float:
        """How fast the gradient changes along v, between t before and t after the point."""
        a = self.around
        return float((a.gradient(a.x + t * v) - a.gradient(a.x - t * v)) @ v) / (2 * t)

    def _ways(self) -> list[tuple[float, Array]]:
        """Directions to look along, each with the curvature that the Hessian says: eigenvectors, and random ones."""
        ends, n = self.ends, self.ends.low_vector.size
        if ends.values is None or ends.vectors is None or n > _ALL:
            found = [(ends.low, ends.low_vector), (ends.high, ends.high_vector)]
        else:
            found = [(float(value), vector) for value, vector in zip(ends.values, ends.vectors.T, strict=True)]
        if n > 1:  # what breaks in a sector may be seen along no eigenvector
            product = self.around.product_at(self.around.x)
            for v in np.random.default_rng(3).normal(size=(_RANDOM if n <= _ALL else 2, n)):
                v = v / np.linalg.norm(v)
                found.append((float(v @ product(v)), v))
        return found

    def _saddle(self, norm: str, curvature: str) -> Found:
        down = self._way(self.ends.low_vector, -1)
        up = self._way(self.ends.high_vector, +1)
        both = f"{norm}; the Hessian has eigenvalues of both signs, {curvature}"
        if down is None or up is None:
            what = "down" if down is None else "up"
            return self._found("inconclusive", f"{both}, but no step {what} could be seen to lead there, for rounding")
        direction, step, drop = down
        return self._found(
            "saddle",
            f"{both}; a step of {step:.1g} along the direction of the lowest lowers the function by {drop:.2g}",
            direction, step, drop,
        )  # fmt: skip

    def _way(self, v: Array, sign: int) -> tuple[Array, float, float] | None:
        """A direction, a step along it, and by how much it lowers (sign −1) or raises (+1) the function."""
        a = self.around
        for t in _DOWN:
            t *= a.size
            changes = [(sign * (a.value(a.x + s * t * v) - self.value), s) for s in (1.0, -1.0)]
            seen = [c for c in changes if c[0] > self._visible(t)]
            if seen:
                change, s = max(seen)
                return s * v, t, change
        return None

    def _visible(self, t: float) -> float:
        """Changes of the value after a step t that are above this are no rounding, of f or of the direction."""
        return 16 * self.around.precision * max(abs(self.value), self.ends.largest * t * t)

    def _semidefinite(self, norm: str, up: bool, down: bool) -> Found:
        looks = [(text, moved) for text, moved in map(self._look, self._flat_ways())]
        if not (up or down):
            if not any(moved for _, moved in looks):
                return self._found(
                    "plateau",
                    f"{norm}, and so is all curvature: the function does not change within {_LOOK[-1]:g} of the size "
                    "of x, in the directions looked at",
                )
            what = "all eigenvalues of the Hessian are zero as far as can be told"
            if self.ends.largest > max(self.ends.low_error, self.ends.high_error):
                what = "the Hessian changes by its own size when x moves by its last digit"
        else:
            sign = "negative" if up else "positive"
            what = f"the Hessian has no {sign} eigenvalue, but one that is zero as far as can be told"
        text = looks[0][0] if looks else ""
        strong = next((text for text, moved in looks if moved == "falls"), text)
        return self._found(
            "inconclusive", f"{norm}; {what}, and so second derivatives do not decide. A look along it: {strong}"
        )

    def _flat_ways(self) -> list[Array]:
        """Up to three directions without curvature, and a random one among them if all are."""
        ends = self.ends
        if ends.values is not None and ends.vectors is not None:
            flat = ends.vectors[:, np.abs(ends.values) <= self.low_error].T
            ways = list(flat[:3])
            if len(flat) == ends.values.size and len(flat) > 1:
                way = np.random.default_rng(2).normal(size=ends.values.size)
                ways.append(way / np.linalg.norm(way))
            return ways
        ways = []
        if abs(ends.low) <= self.low_error:
            ways.append(ends.low_vector)
        if abs(ends.high) <= self.high_error:
            ways.append(ends.high_vector)
        return ways

    def _look(self, v: Array) -> tuple[str, str]:
        """What the function does along a direction, in words, and in a word."""
        a = self.around
        for t in _LOOK:
            t *= a.size
            low, high = sorted(a.value(a.x + sign * t * v) - self.value for sign in (1.0, -1.0))
            least = self._visible(t)
            if not math.isfinite(low + high):
                return f"at {t:.1g} there is no value on one side", "none"
            if max(-low, high) <= least:
                continue
            if low > least:
                return f"at {t:.1g} the function is higher on both sides, by {low:.1g} and more", "rises"
            if high < -least:
                return f"at {t:.1g} it is lower on both sides, by {-high:.1g} and more", "falls"
            if low < -least:
                other = "higher" if high > least else "the same"
                return f"at {t:.1g} it is lower by {-low:.1g} on one side, and {other} on the other", "falls"
            return f"at {t:.1g} it is higher on one side, and the same on the other", "rises"
        return f"within {_LOOK[-1]:g} of the size of x the function does not change", ""

    def _found(
        self,
        kind: str,
        reason: str,
        direction: Array | None = None,
        step: float | None = None,
        drop: float | None = None,
    ) -> Found:
        signs = None
        error = max(self.low_error, self.high_error)
        if self.ends.values is not None:
            positive = int((self.ends.values > error).sum())
            negative = int((self.ends.values < -error).sum())
            signs = (positive, negative, self.ends.values.size - positive - negative)
        return Found(
            kind, reason, self.value, self.grad_norm, self.distance, error, signs, direction, step, drop
        )  # fmt: skip
