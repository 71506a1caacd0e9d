"""What a gradient check says: one number beside its slope, a verdict on it, and the whole of it in a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from .differences import Slope

_DIGITS = 15  # as many as a float64 can agree to
_ORDER = ("wrong", "unreliable", "kink", "agrees", "hidden", "flat")


@dataclass(frozen=True)
class Comparison:
    """One component, or one direction: the gradient beside the slope, which is right to within `bar`.

    `verdict` is "agrees", "wrong", "flat" (zero, and the values don't change at all), "hidden" (both are zero as far as
    noise lets us see), "kink" (the gradient lies between the slopes on the two sides) or "unreliable"; `note` says why.
    """

    name: str
    gradient: float
    slope: float
    bar: float
    verdict: str
    digits: int = 0
    note: str = ""

    def __str__(self) -> str:
        told = f"{self.name}: gradient {self.gradient:.10g}, differences {self.slope:.10g} ± {self.bar:.1g}"
        return f"{told}: {self.verdict}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class GradientCheck:
    """What differences say of a gradient: `verdict` is "agrees", "wrong" or "unreliable"; `reason` says it in words.

    `digits` is what the least certain component that can be seen agrees to, error bar included. `comparisons` holds
    the evidence, worst first; `one_by_one` of `size` components were looked at singly, and all of them along
    `directions` random directions. `noise` is the size of the rounding errors in the function's values.
    """

    verdict: str
    reason: str
    digits: int
    comparisons: tuple[Comparison, ...]
    size: int
    one_by_one: int
    directions: int
    noise: float
    evaluations: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the gradient agrees."""
        return self.verdict == "agrees"

    @property
    def worst(self) -> Comparison | None:
        """The comparison that says most against the gradient."""
        return self.comparisons[0] if self.comparisons else None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)

    def __str__(self) -> str:
        return self.reason

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(c.name)}</th><td>{c.gradient:.10g}</td><td>{c.slope:.10g}</td>"
            f"<td>{c.bar:.1g}</td><td>{escape(c.verdict)}</td></tr>"
            for c in self.comparisons[:10]
        )
        head = "".join(
            f"<th scope='col'>{name}</th>" for name in ("", "gradient", "differences", "error bar", "verdict")
        )
        return f"<p>{escape(self.reason)}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


# --- one comparison ---------------------------------------------------------------------------------------------------

JUMP = "the function jumps here"
_EXCUSES = {
    "edge": "no step stays where the function is finite on both sides",
    "jump": JUMP,
    "steep": "the slope grows without bound as the step shrinks",
}


def judge(name: str, gradient: float, found: Slope, entitled: float) -> Comparison:
    """A verdict on one number. `entitled` is the rounding error that an exact rule may still make.

    >>> found = Slope(2.0, 1e-9, "smooth", 2.0, 2.0, 0.0, 1e-3, 0.0, 1.0)
    >>> judge("x", 2.0 + 1e-10, found, 0.0).verdict
    'agrees'
    >>> print(judge("x", 2.001, found, 0.0))
    x: gradient 2.001, differences 2 ± 1e-09: wrong (off by 0.001, 1e+06 times the error bar)
    """
    this = Comparison(name, gradient, found.value, found.bar + entitled, "unreliable")
    if found.kind in _EXCUSES:
        return replace(this, note=_EXCUSES[found.kind])
    if found.kind == "kink":
        return _judge_kink(this, found)
    if not math.isfinite(gradient):
        return replace(this, verdict="wrong", note="differences are finite")
    if found.kind == "flat" and gradient == 0:
        return replace(this, verdict="flat", note="the values don't change at all")
    off, size = abs(gradient - this.slope), max(abs(gradient), abs(this.slope))
    if off > this.bar:
        times = f"{off / this.bar:.2g} times the error bar" if this.bar else "and the differences are exact"
        return replace(this, verdict="wrong", note=f"off by {off:.3g}, {times}")
    if off + this.bar > 0.1 * size:
        return replace(this, verdict="hidden", note=f"nothing below {this.bar:.1g} can be seen")
    digits = _DIGITS if off + this.bar == 0 else min(_DIGITS, math.floor(-math.log10((off + this.bar) / size)))
    return replace(this, verdict="agrees", digits=digits)


def _judge_kink(this: Comparison, found: Slope) -> Comparison:
    """At a kink every slope between those of the two sides is as good as another: Clarke, 1983."""
    low, high = sorted((found.left, found.right))
    note = f"a kink: the slope is {found.left:.6g} on the left, {found.right:.6g} on the right"
    between = low - (high - low) / 8 <= this.gradient <= high + (high - low) / 8
    bar = (high - low) / 2
    return replace(this, verdict="kink" if between else "wrong", slope=(low + high) / 2, bar=bar, note=note)


# --- the whole of it --------------------------------------------------------------------------------------------------


def excess(c: Comparison) -> float:
    """How many error bars the gradient is off by."""
    if not math.isfinite(c.gradient):
        return math.inf
    off = abs(c.gradient - c.slope)
    return off / c.bar if c.bar else (math.inf if off else 0.0)


def against(c: Comparison) -> tuple[int, bool, int, float]:
    """Sorts the worst first; single components before directions, which name nobody."""
    return _ORDER.index(c.verdict), "direction" in c.name, c.digits, -excess(c) if c.verdict == "wrong" else 0.0


def overall(comparisons: Sequence[Comparison]) -> tuple[str, int]:
    kinds = Counter(c.verdict for c in comparisons)
    if kinds["wrong"]:
        return "wrong", 0
    if kinds["unreliable"] or kinds["kink"] or (kinds["hidden"] and not kinds["agrees"]):
        return "unreliable", 0
    return "agrees", min((c.digits for c in comparisons if c.verdict == "agrees"), default=_DIGITS)


def sentence(result: GradientCheck) -> str:
    """The verdict, and how much was looked at, in a sentence or two."""
    if result.verdict == "wrong":
        return _accusation(result.comparisons)
    if result.verdict == "agrees":
        return _agreement(result)
    return _excuse(result.comparisons)


def _agreement(result: GradientCheck) -> str:
    hidden = [c.bar for c in result.comparisons if c.verdict == "hidden"]
    flat = sum(c.verdict == "flat" for c in result.comparisons)
    if flat == len(result.comparisons):
        return f"The gradient is zero, and the values don't change at all ({_scope(result)}): they agree."
    said = [f"The gradient agrees with differences in {_scope(result)}, to {_count(result.digits, 'digit')} or more."]
    if hidden:
        said.append(f"Too small to be told from zero: {len(hidden)} (nothing below {max(hidden):.1g} can be seen).")
    if flat:
        said.append(f"Zero, with values that don't change at all: {flat}.")
    return " ".join(said)


def _accusation(comparisons: Sequence[Comparison]) -> str:
    worst, *others = [c for c in comparisons if c.verdict == "wrong"]
    singles = sum("direction" not in c.name for c in others)
    note = f" ({worst.note})" if "kink" in worst.note else ""
    return (
        f"The gradient is wrong in {worst.name}: it says {worst.gradient:.10g}, "
        f"differences say {worst.slope:.10g} ± {worst.bar:.1g}{note}."
        + (f" It is wrong in {_count(singles, 'other component')} too." if singles else "")
    )


def _excuse(comparisons: Sequence[Comparison]) -> str:
    worst = comparisons[0]
    if worst.verdict == "hidden":
        bar = max(c.bar for c in comparisons)
        return f"Differences can't tell this gradient from zero: rounding hides what is below {bar:.1g}."
    where = f"at {worst.name}, " if worst.name else ""
    between = f", and the gradient {worst.gradient:.6g} lies between" if worst.verdict == "kink" else ""
    agreeing = sum(c.verdict == "agrees" for c in comparisons)
    rest = f" {agreeing} of {len(comparisons)} comparisons agree." if agreeing else ""
    return f"Differences can't judge this gradient: {where}{worst.note}{between}.{rest}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + "s" * (n != 1)


def _scope(result: GradientCheck) -> str:
    if not result.directions:
        counted = {1: "its one component", 2: "both components"}
        return counted.get(result.size, f"all {result.size} components")
    return (
        f"{result.one_by_one} of {result.size} components one by one, "
        f"and in all of them at once along {result.directions} random directions"
    )
