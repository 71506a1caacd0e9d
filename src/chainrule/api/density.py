"""Probability densities of one real number: what integrals say of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, IntegralError
from ..numeric.integral import Integral
from ..trace.recorder import Traced
from .call import Function, public
from .integrals import integrate

TOTAL = 1e-6  # how far from 1 the integral of a density may be, beyond its own error
NOTHING = 1e-30  # less probability than this, where q vanishes, is taken for q's having underflowed


@dataclass(frozen=True, init=False, eq=False)
class Density:
    """A probability density `p(x)` on an interval, whose integrals are asked for.

    `p` takes one real number and returns one, and is 0 outside `low` to `high`. That it integrates to 1, and is nowhere
    negative, is verified at once; with `normalize=True` it is divided by its integral, `total`. Within a function that
    is being recorded everything is differentiable, and nothing can be verified.

    Raises ArgumentError if `p` does not integrate to 1 (the message says to what) or is negative somewhere.

    >>> half = Density(lambda x: np.exp(-2 * x), 0, np.inf, normalize=True)
    >>> round(half.total, 12), round(half.mean, 12), round(half.probability(0, 1), 6)
    (0.5, 0.5, 0.864665)
    """

    p: Function
    low: float
    high: float
    total: Any = field(default=1.0)

    @public
    def __init__(self, p: Function, low: Any = -inf, high: Any = inf, *, normalize: bool = False) -> None:
        if not callable(p):
            raise ArgumentError(f"a density is a function, not {type(p).__name__}")
        total = integrate(p, low, high)
        for name, value in (("p", p), ("low", low), ("high", high), ("total", total)):
            object.__setattr__(self, name, value)
        if isinstance(total, Integral):
            self._verify(total, normalize)
        object.__setattr__(self, "total", total if normalize else 1.0)

    def _verify(self, total: Integral, normalize: bool) -> None:
        if not self.low < self.high:
            raise ArgumentError(f"a density lives on an interval: low = {self.low} is not below high = {self.high}")
        if total.verdict != "converged":
            raise ArgumentError(f"the integral of the density is not known: {total}")
        negative = integrate(lambda x: np.minimum(self.p(x), 0.0), self.low, self.high).value
        if not abs(negative) <= total.error + 1e-12 * abs(total):
            raise ArgumentError(f"a density is nowhere negative; the integral of its negative part is {negative:.6g}")
        if not normalize and abs(total - 1) > TOTAL + total.error:
            raise ArgumentError(
                f"a density integrates to 1; this one to {total.value:.9g}", hint="normalize=True divides by it"
            )
        if normalize and not total > 0:
            raise ArgumentError("the density is 0 everywhere: it can't be normalized")

    def __str__(self) -> str:
        scaled = f", divided by {float(self.total):.6g}" if isinstance(self.total, Integral) else ""
        return f"a density on [{self.low:.6g}, {self.high:.6g}]{scaled}"

    def __call__(self, x: Any) -> Any:
        """The density at x, 0 outside of the interval."""
        value = self.p(x) / self.total
        if self.low == -inf and self.high == inf:
            return value
        return np.where((x >= self.low) & (x <= self.high), value, 0.0)

    def _inside(self, x: Any) -> Any:
        return self.p(x) / self.total

    @public
    def probability(self, a: Any, b: Any) -> Any:
        """P(a ≤ X ≤ b)."""
        a, b = (x if isinstance(x, Traced) else min(max(x, self.low), self.high) for x in (a, b))
        return integrate(self._inside, a, b)

    def cdf(self, x: Any) -> Any:
        """P(X ≤ x)."""
        return self.probability(self.low, x)

    @public
    def expect(self, g: Function) -> Any:
        """E[g(X)] = ∫ g(x) p(x) dx."""
        return integrate(lambda x: g(x) * self._inside(x), self.low, self.high)

    @property
    def mean(self) -> Any:
        """E[X]."""
        return self.expect(lambda x: x)

    @property
    def variance(self) -> Any:
        """E[(X - E[X])²]."""
        mean = self.mean
        center = mean if isinstance(mean, Traced) else float(mean)
        return self.expect(lambda x: (x - center) ** 2)

    @property
    def entropy(self) -> Any:
        """-∫ p log p, with 0 log 0 = 0."""
        return self.cross_entropy(self)

    @public
    def cross_entropy(self, q: Any) -> Any:
        """-∫ p log q; infinite where q is 0 and p is not. `q` is a Density, or a function."""
        return self._against(q, lambda p, q: -p * np.log(q))

    @public
    def kl(self, q: Any) -> Any:
        """The Kullback–Leibler divergence ∫ p log(p / q); infinite where q is 0 and p is not."""
        return self._against(q, lambda p, q: p * (np.log(p) - np.log(q)))

    def _against(self, other: Any, f: Function) -> Any:
        """∫ f(p, q) where p > 0; infinite where q vanishes there."""
        if not callable(other):
            raise ArgumentError(f"a density is compared with another, not with {type(other).__name__}")
        q = other._inside if isinstance(other, Density) else other
        ends = (other.low, other.high) if isinstance(other, Density) else (-inf, inf)
        if not isinstance(self.total, Traced) and not _moves(self._inside, q):
            missed = self._missed(q, *ends)
            if missed > 0:
                reason = f"where p has the probability {missed:.3g}, q is 0"
                return Integral(inf, 0.0, float(self.low), float(self.high), 0, "diverges", reason)

        def integrand(x: Any) -> Any:
            p_x, q_x = self._inside(x), q(x)
            both = (p_x > 0) & (q_x > 0)
            return np.where(both, f(np.where(both, p_x, 1.0), np.where(both, q_x, 1.0)), 0.0)

        found = integrate(integrand, max(self.low, ends[0]), min(self.high, ends[1]))
        if isinstance(found, Integral) and found.value == found.error == 0:  # where p is has been seen already
            return replace(found, verdict="converged", reason="")
        return found

    def _missed(self, q: Function, low: float, high: float) -> float:
        """The probability under p of where q is 0."""
        outside = sum(
            self.probability(*piece).value for piece in ((self.low, low), (high, self.high)) if piece[0] < piece[1]
        )
        a, b = max(self.low, low), min(self.high, high)
        if a >= b:
            return max(outside, 1.0)
        within = integrate(lambda x: np.where(q(x) > 0, 0.0, self._inside(x)), a, b).value
        return float(outside) if outside > 0 else float(within) if within > NOTHING else 0.0


def _moves(*functions: Function) -> bool:
    """Whether a density reads values of a recording under way."""
    try:
        return any(isinstance(integrate(f, 0.0, 0.0), Traced) for f in functions)
    except (ChainruleError, IntegralError):
        return False
