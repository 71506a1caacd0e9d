"""Probability densities of one real number: what integrals say of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, nan
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, IntegralError
from ..numeric.integral import Integral
from ..trace.recorder import Traced
from .call import Function, public
from .integrals import integrate

TOTAL = 1e-6  # how far from 1 the integral of a density may be, beyond its own error
TINY = 1e-290  # a density as small as this is about to underflow
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
        return np.where((x >= self.low) & (x <= self.high), value, 0.0)[()]

    def _inside(self, x: Any) -> Any:
        return self.p(x) / self.total

    @public
    def probability(self, a: Any, b: Any) -> Any:
        """P(a ≤ X ≤ b)."""
        a, b = (_smaller(_larger(_point(x, name), self.low), self.high) for x, name in ((a, "a"), (b, "b")))
        if not isinstance(a, Traced) and not isinstance(b, Traced) and a == b:
            return Integral(0.0, 0.0, float(a), float(b), 0, "converged")
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
        if isinstance(mean, Integral) and mean.verdict != "converged":
            return replace(mean, value=nan, reason=f"the mean is not known: {mean.reason}")
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
        limits = (self.low, self.high, *ends)
        moves = any(isinstance(x, Traced) for x in (*limits, self.total)) or _moves(self._inside, q)
        if not moves:
            missed = self._missed(q, *ends)
            if missed is not None:
                return missed

        def integrand(x: Any) -> Any:
            p_x, q_x = self._inside(x), q(x)
            if moves:
                q_x = np.where(_within(x, self, ends), q_x, 0.0)
            both = (p_x > 0) & (q_x > 0)
            value = np.where(both, f(np.where(both, p_x, 1.0), np.where(both, q_x, 1.0)), 0.0)
            return np.where((p_x > NOTHING) & (q_x <= 0), inf, value) if moves else value

        if moves:
            return integrate(integrand, self.low, self.high)
        found = integrate(integrand, max(self.low, ends[0]), min(self.high, ends[1]))
        if isinstance(found, Integral) and found.value == found.error == 0:  # where p is has been seen already
            return replace(found, verdict="converged", reason="")
        return found

    def _missed(self, q: Function, low: float, high: float) -> Integral | None:
        """The verdict where q is 0 and p is not; None if there is no such place."""
        pieces = ((self.low, min(low, self.high)), (max(high, self.low), self.high))
        outside = sum(self.probability(*piece).value for piece in pieces if piece[0] < piece[1])
        a, b = max(self.low, low), min(self.high, high)
        over = float(self.low), float(self.high)
        within = None if outside > 0 or a >= b else integrate(lambda x: np.where(q(x) > 0, 0.0, self._inside(x)), a, b)
        missed = outside if within is None else within.value
        if outside <= 0 and not missed > NOTHING:
            return None
        reason = f"where p has the probability {missed:.3g}, q is 0"
        if within is not None and _underflows(q, within.breaks):
            reason += ", or too small for a float: then the integral may be finite"
            return Integral(nan, inf, *over, within.evaluations, "unreliable", reason)
        return Integral(inf, 0.0, *over, 0, "diverges", reason)


def _point(x: Any, name: str) -> Any:
    """An end of an interval: one real number, or one that is being recorded."""
    if isinstance(x, Traced):
        return x
    if isinstance(x, (str, bytes)) or np.ndim(x) or np.asarray(x).dtype.kind not in "fiu":
        raise ArgumentError(
            f"the limit `{name}` is one real number, not {x!r}"[:200], hint="map over many with cr.vmap"
        )
    if np.isnan(x):
        raise ArgumentError(f"the limit `{name}` is not a number (NaN)")
    return float(x)


def _smaller(x: Any, y: Any) -> Any:
    """The smaller one of two, of which either may be recorded; what is infinite adds nothing to a recording."""
    if isinstance(x, Traced) or isinstance(y, Traced):
        return x if _is(y, inf) else y if _is(x, inf) else np.minimum(x, y)
    return min(x, y)


def _larger(x: Any, y: Any) -> Any:
    if isinstance(x, Traced) or isinstance(y, Traced):
        return x if _is(y, -inf) else y if _is(x, -inf) else np.maximum(x, y)
    return max(x, y)


def _is(x: Any, number: float) -> bool:
    return not isinstance(x, Traced) and bool(x == number)


def _within(x: Any, p: Density, ends: tuple[Any, Any]) -> Any:
    """Whether x is between the ends of q; those that p has too are not asked about, for x is within them."""
    inside = np.asarray(True)
    for end, own, side in ((ends[0], p.low, -1), (ends[1], p.high, 1)):
        if end is not own and not _is(end, side * inf):
            inside = inside & (x >= end if side < 0 else x <= end)
    return inside


def _underflows(q: Function, breaks: tuple[float, ...]) -> bool:
    """Whether q is hardly a float any more at its last value above 0, beside a place where it is 0."""
    with np.errstate(all="ignore"):
        for zero in breaks:
            steps = max(abs(zero), 1.0) * 2.0 ** -np.arange(0, 60.0)
            for x in [zero + d for d in steps] + [zero - d for d in steps]:
                if float(q(x)) > 0 and float(q(_border(q, zero, float(x)))) < TINY:
                    return True
    return False


def _border(q: Function, zero: float, above: float) -> float:
    """The last place above 0 on the way to a zero."""
    while (middle := zero + (above - zero) / 2) not in (zero, above):
        zero, above = (zero, middle) if float(q(middle)) > 0 else (middle, above)
    return above


def _moves(*functions: Function) -> bool:
    """Whether a density reads values of a recording under way."""
    try:
        return any(isinstance(integrate(f, 0.0, 0.0), Traced) for f in functions)
    except (ChainruleError, IntegralError):
        return False
