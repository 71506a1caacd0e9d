"""Between which points an antiderivative may be used: F(b) − F(a) is the integral only if F has no break between.

F = −1/x has the derivative 1/x² on both sides of 0, and F(1) − F(−1) = −2; but the integral from −1 to 1 is infinite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import cos as cos_
from math import exp as exp_
from math import floor, inf, isfinite, isnan, log, pi
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir import Var
from ..ops.arithmetic import absolute
from ..ops.elementary import cos, exp, log_, sin, tan
from ..ops.op import Elementwise
from ..ops.sets import REALS
from .algebra import Term
from .expression import Applied, Expr, Factor, apply, number, positive
from .polynomials import coefficients, value
from .shown import shown

DEEPEST = 10  # halvings of the interval
SLACK = 1e-12


@dataclass(frozen=True)
class Continuity:
    """Whether F(b) − F(a) is the integral: the verdict is "yes", "no" or "unknown", and the reason says why."""

    verdict: str
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verdict == "yes"

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


@dataclass(frozen=True)
class Demand:
    """What must hold of an expression for the whole to have a value there: not 0, or in [low, high]."""

    of: Expr
    not_zero: bool = False
    low: float = -inf
    high: float = inf
    open: bool = False
    soft: bool = False  # more than is needed: that it fails proves nothing

    def __str__(self) -> str:
        name = shown(self.of)
        if self.not_zero:
            return f"{name} ≠ 0"
        parts = []
        if self.low > -inf:
            parts.append(f"{name} {'>' if self.open else '≥'} {self.low:g}")
        if self.high < inf:
            parts.append(f"{name} {'<' if self.open else '≤'} {self.high:g}")
        return " and ".join(parts)


def demands(u: Expr) -> Iterator[Demand]:
    """All that must hold for an expression to be continuous."""
    for t in u.terms:
        for factor, n in t.powers:
            base = factor if isinstance(factor, Expr) else Expr((Term(1, ((factor, 1),)),))
            if n.denominator > 1:
                yield Demand(base, low=0.0, open=n < 0)
            elif n < 0:
                yield Demand(base, not_zero=True)
            if isinstance(factor, Expr):
                yield from demands(factor)
            elif isinstance(factor, Applied):
                yield from _of_function(factor)


def _of_function(factor: Applied) -> Iterator[Demand]:
    inner = factor.args[0].single
    if factor.op is log_ and inner is not None and len(inner.powers) == 1:
        bars = inner.powers[0][0]
        if isinstance(bars, Applied) and bars.op is absolute:
            yield Demand(bars.args[0], not_zero=True)
            yield from demands(bars.args[0])
            return
    if factor.op is tan:
        yield Demand(apply(cos, *factor.args), not_zero=True)
        yield from demands(factor.args[0])
        return
    for i, (a, domain) in enumerate(zip(factor.args, factor.op.domain, strict=True)):
        if domain != REALS:
            ends = [end for end in (domain.low, domain.high) if isfinite(end)]
            yield Demand(
                a,
                low=domain.low,
                high=domain.high,
                open=not all(_has_value(factor, end) for end in ends),
                soft=not ends_there(factor.op, i),
            )
        if factor.op.image.whole or factor.op.derivative is None:
            for kink in factor.op.kinks or (None,):
                shifted = a - number(Fraction(kink)) if kink else a
                yield Demand(shifted, not_zero=True)
        yield from demands(a)


def _has_value(factor: Applied, at: float) -> bool:
    """Whether a function of one number goes on to the end of its domain, as √x does to 0, and ln x does not."""
    if len(factor.args) > 1:
        return False
    with np.errstate(all="ignore"):
        value_there = factor.op.evaluate(np.float64(at), **dict(factor.params))
    return bool(abs(value_there) < 1e8)


@cache
def ends_there(op: Elementwise, place: int) -> bool:
    """Whether there is no value beyond the stated domain; where there is one, the domain is one branch of several."""
    rng = np.random.default_rng(0)
    args = [domain.sample(8, rng) for domain in op.domain]
    domain = op.domain[place]
    beyond = domain.low - 0.3 if np.isfinite(domain.low) else domain.high + 0.3
    args[place] = np.full(8, beyond)
    with np.errstate(all="ignore"):
        return not np.isfinite(op.evaluate(*args, **op.samples[0])).any()


# --- the verdict ------------------------------------------------------------------------------------------------------


def continuity(f: Expr, whole: Expr, x: Var, a: float, b: float) -> Continuity:
    """Whether the antiderivative goes on without a break from a to b."""
    try:
        low, high = sorted((float(a), float(b)))
    except (TypeError, ValueError):
        raise ArgumentError("the ends of an interval are two numbers") from None
    if isnan(low) or isnan(high):
        raise ArgumentError("an end of the interval is not a number")
    if not (isfinite(low) and isfinite(high)):
        return Continuity("unknown", "an end is infinite: F has no value there, only a limit")
    open_questions = []
    for demand in dict.fromkeys(demands(whole)):
        verdict = _holds(demand, x, low, high) if demand.of.variables <= {x} else "unknown"
        if verdict == "no":
            return Continuity("no", f"the antiderivative needs {demand}, which fails from {low:g} to {high:g}")
        if verdict == "unknown":
            open_questions.append(demand)
    if open_questions:
        return Continuity("unknown", f"the antiderivative needs {open_questions[0]}; not decided")
    for demand in dict.fromkeys(demands(f)):
        if not demand.not_zero and demand.of.variables <= {x}:
            closed = Demand(demand.of, low=demand.low, high=demand.high)
            if _holds(closed, x, low, high) != "yes":
                return Continuity("unknown", f"the function needs {demand}; not decided")
    return Continuity("yes")


def _holds(demand: Demand, x: Var, low: float, high: float) -> str:
    if not demand.soft and _refuted(demand, x, low, high):
        return "no"
    stack = [(low, high, 0)]
    while stack:
        a, b, depth = stack.pop()
        found = _enclosure(demand.of, x, a, b)
        if _satisfied(demand, found):
            continue
        if depth == DEEPEST or a == b:
            return "unknown"
        middle = a + (b - a) / 2
        stack += [(a, middle, depth + 1), (middle, b, depth + 1)]
    return "yes"


def _satisfied(demand: Demand, found: tuple[float, float]) -> bool:
    low, high = found
    if demand.not_zero:
        return low > 0 or high < 0
    slack = 0.0 if demand.open else SLACK * max(1.0, abs(demand.low if isfinite(demand.low) else 0.0))
    above = low > demand.low or (not demand.open and low >= demand.low - slack)
    below = high < demand.high or (not demand.open and high <= demand.high + slack)
    return (above or demand.low == -inf) and (below or demand.high == inf)


def _refuted(demand: Demand, x: Var, low: float, high: float) -> bool:
    """Of a polynomial, exactly: it has a zero, or a value outside."""
    c = coefficients(demand.of, x) if x in demand.of.variables else None
    if c is None:
        return demand.not_zero and x in demand.of.variables and _changes_sign(demand.of, x, low, high)
    at = [Fraction(low) + (Fraction(high) - Fraction(low)) * i / 64 for i in range(65)]
    values = [value(c, point) for point in at]
    if demand.not_zero:
        return min(values) <= 0 <= max(values)
    return any(v < demand.low - SLACK or v > demand.high + SLACK for v in values)


def _changes_sign(u: Expr, x: Var, low: float, high: float) -> bool:
    """Of what has no breaks, a change of sign proves a zero."""
    if any(True for _ in demands(u)):
        return False
    points = [_enclosure(u, x, p, p) for p in np.linspace(low, high, 65)]
    return any(b < 0 for _, b in points) and any(a > 0 for a, _ in points)


# --- enclosing values -------------------------------------------------------------------------------------------------

Range = tuple[float, float]


def _enclosure(u: Expr, x: Var, a: float, b: float) -> Range:
    """An interval that holds all values of the expression for x from a to b; wide, but never too small."""
    low = high = 0.0
    for t in u.terms:
        part = _wider((float(t.number), float(t.number)))
        for factor, n in t.powers:
            part = _product(part, _power(_of_factor(factor, x, a, b), n))
        low, high = low + part[0], high + part[1]
        low, high = _wider((low, high)) if len(u.terms) > 1 else (low, high)
    return (-inf, inf) if isnan(low) or isnan(high) else (low, high)


def _of_factor(factor: Factor, x: Var, a: float, b: float) -> Range:
    if factor == x:
        return a, b
    if isinstance(factor, Expr):
        return _enclosure(factor, x, a, b)
    if not isinstance(factor, Applied):
        return -inf, inf
    if len(factor.args) == 1:
        low, high = _enclosure(factor.args[0], x, a, b)
        if factor.op is absolute:
            return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        if factor.op is exp:
            return _wider((exp_(min(low, 700.0)), exp_(high) if high < 700 else inf))
        if factor.op in (sin, cos):
            shift = pi / 2 if factor.op is sin else 0.0
            return _cosine(low - shift, high - shift)
        if factor.op is log_ and low > 0:
            return _wider((log(low), log(high) if high < inf else inf))
    return _image(factor.op)


def _cosine(low: float, high: float) -> Range:
    """The values of the cosine from low to high."""
    if not high - low < 2 * pi or max(abs(low), abs(high)) > 1e6:
        return -1.0, 1.0
    room = 1e-9  # more than rounding of the ends moves the values
    ends = cos_(low), cos_(high)
    top = 1.0 if floor((high + room) / (2 * pi)) >= (low - room) / (2 * pi) else min(max(ends) + room, 1.0)
    bottom = (
        -1.0 if floor((high + room - pi) / (2 * pi)) >= (low - room - pi) / (2 * pi) else max(min(ends) - room, -1.0)
    )
    return bottom, top


def _image(op: Elementwise) -> Range:
    return op.image.low, op.image.high


def _power(base: Range, n: Any) -> Range:
    low, high = base
    if n < 0:
        if low <= 0 <= high:
            return -inf, inf
        return _power((1 / high, 1 / low), -n) if isfinite(low) and isfinite(high) else (-inf, inf)
    try:
        if n.denominator > 1:
            return _wider((max(low, 0.0) ** float(n), max(high, 0.0) ** float(n)))
        ends = (low ** int(n), high ** int(n))
    except OverflowError:
        return -inf, inf
    if n % 2 == 0:
        return (0.0 if low <= 0 <= high else _wider((min(ends), 0))[0]), _wider((0, max(ends)))[1]
    return ends if n == 1 else _wider(ends)


def _product(p: Range, q: Range) -> Range:
    each = [0.0 if 0 in (s, t) else s * t for s in p for t in q]
    return _wider((min(each), max(each))) if p not in ((1.0, 1.0),) else q


def _wider(p: Range) -> Range:
    """Room for rounding; whole numbers are exact."""
    low, high = p
    if low == high and low == int(low if isfinite(low) else 0):
        return p
    return low - abs(low) * 1e-15 - 5e-324, high + abs(high) * 1e-15 + 5e-324


# --- what to say ------------------------------------------------------------------------------------------------------


def notes(whole: Expr, x: Var) -> tuple[str, ...]:
    """Where C may change, and what is assumed of other names."""
    said: dict[str, None] = {}
    for demand in demands(whole):
        if x in demand.of.variables:
            if demand.not_zero and not positive(demand.of):
                said[f"on each side of {_zero(demand.of)}, C may be another constant"] = None
        elif demand.of.variables:
            said[f"assumed: {_bare(demand)}"] = None
    return tuple(said)


def _zero(u: Expr) -> str:
    return f"{shown(inside_bars(u))} = 0"


def _bare(demand: Demand) -> str:
    return str(Demand(inside_bars(demand.of), True)) if demand.not_zero else str(demand)


def inside_bars(u: Expr) -> Expr:
    """|a| ≠ 0 is a ≠ 0."""
    t = u.single
    if t is not None and len(t.powers) == 1 and isinstance(t.powers[0][0], Applied) and t.powers[0][0].op is absolute:
        return t.powers[0][0].args[0]
    return u
