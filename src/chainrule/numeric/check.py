"""Is this gradient right? Compare it with differences of values, and say how sure that makes us.

Every comparison carries an error bar (`differences`), so that a verdict means something: "wrong" when the gradient
lies outside the bar, "agrees" when it lies inside and the bar is small, "unreliable" when differences can't tell.

Up to a budget, components are looked at one by one. When there are more, a random choice of them is, and all of them
at once along random directions x ± 2ᵏ (k by the size of each component): a single wrong component among thousands
shows there, and is then found by halving. Random directions: Griewank & Walther, "Evaluating Derivatives", 2008.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..ir import Array
from .differences import Line, Slope, noise_of, slope

Value = Callable[[list[Array]], float]

COMPONENTS = 64  # looked at one by one
_DIRECTIONS = 4  # for all arrays together, and half as many for each
_NAMED = 8  # arrays with directions of their own
_DIGITS = 15  # as many as a float64 can agree to


@dataclass(frozen=True)
class Comparison:
    """One component, or one direction: the gradient beside the slope, which is right to within `bar`.

    `verdict` is "agrees", "wrong", "hidden" (both are zero as far as noise lets us see), "kink" (the gradient lies
    between the slopes on the two sides) or "unreliable"; `note` says why.
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

_EXCUSES = {
    "edge": "no step stays where the function is finite on both sides",
    "jump": "the function jumps here",
    "steep": "the slope grows without bound as the step shrinks",
}


def judge(name: str, gradient: float, found: Slope, entitled: float) -> Comparison:
    """A verdict on one number. `entitled` is the rounding error that an exact rule may still make.

    >>> found = Slope(2.0, 1e-9, "smooth", 2.0, 2.0, 0.0, 11)
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


# --- the function around a point --------------------------------------------------------------------------------------


class _Around:
    """A function and its supposed gradient at a point, looked at along lines through it."""

    def __init__(self, value: Value, gradient: Sequence[Array], at: Sequence[Array], names: Sequence[str]) -> None:
        self.function = value
        self.at = list(at)
        self.gradient = [np.asarray(g, dtype=np.float64) for g in gradient]
        self.names = names
        self.precision = max(float(np.finfo(a.dtype).eps) for a in at)
        self.scales = [_scales(a) for a in at]
        self.starts = np.cumsum([0, *(a.size for a in at)])
        self.evaluations = 0
        self.noise = 0.0

    @property
    def size(self) -> int:
        return int(self.starts[-1])

    def value(self, arrays: list[Array]) -> float:
        """The function's value; NaN where it is none."""
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                return float(self.function(arrays))
        except (ArithmeticError, ValueError):  # LinAlgError is a ValueError
            return math.nan

    def component(self, i: int) -> Comparison:
        """Compare one component."""
        k = int(np.searchsorted(self.starts, i, side="right")) - 1
        index = np.unravel_index(i - int(self.starts[k]), self.at[k].shape)
        x, scale = self.at[k][index], self.scales[k][index]

        def line(t: float) -> float:
            moved = self.at[k].copy()
            moved[index] = x + moved.dtype.type(t * scale)
            return self.value([*self.at[:k], moved, *self.at[k + 1 :]])

        g = float(self.gradient[k][index])
        place = f"[{', '.join(map(str, index))}]" if index else ""
        return self._compare(self.names[k] + place, line, g, abs(g), float(scale), x != 0)

    def direction(self, name: str, moves: Sequence[Array]) -> Comparison:
        """Compare the slope along `moves`, an array for each of ours."""
        with np.errstate(all="ignore"):
            terms = np.concatenate([(g * v).ravel() for g, v in zip(self.gradient, moves, strict=True)])
        return self._compare(name, self._along(moves), float(terms.sum()), float(np.abs(terms).sum()), 1.0, True)

    def _along(self, moves: Sequence[Array]) -> Line:
        return lambda t: self.value([a + v * v.dtype.type(t) for a, v in zip(self.at, moves, strict=True)])

    def _compare(self, name: str, line: Line, g: float, terms: float, scale: float, rounded: bool) -> Comparison:
        precision = self.precision if rounded else 0.0
        found = slope(line, noise=self.noise, precision=precision)
        rules = 16 * self.precision * terms if math.isfinite(terms) else 0.0
        entitled = rules + (4 * precision * found.curvature / scale if math.isfinite(found.curvature) else 0.0)
        return judge(name, g, _per_unit(found, scale), entitled)

    def measure_noise(self, rng: np.random.Generator) -> None:
        """Three standard deviations of the values near the point, and what two calls differ by."""
        line = self._along(self.signs(rng, range(len(self.at))))
        self.noise = 3 * noise_of(line, self.precision) + 3 * abs(line(0.0) - line(0.0))

    def signs(self, rng: np.random.Generator, arrays: Sequence[int]) -> list[Array]:
        """A random direction: ± each component's scale in these arrays, nothing in the others."""
        moves = [np.zeros_like(a) for a in self.at]
        for k in arrays:
            moves[k] = self.scales[k] * rng.choice([-1, 1], self.at[k].shape).astype(self.at[k].dtype)
        return moves


def _per_unit(found: Slope, scale: float) -> Slope:
    """From a line in t, with x + t·scale, to the derivative in x."""
    return replace(
        found, value=found.value / scale, bar=found.bar / scale, left=found.left / scale, right=found.right / scale
    )


def _scales(a: Array) -> Array:
    """The power of two below each component; for zeros, that of a typical other one."""
    sizes = np.abs(a)
    others = sizes[sizes > 0]
    typical = min(1.0, float(np.median(others))) if others.size else 1.0
    return np.exp2(np.floor(np.log2(np.where(sizes > 0, sizes, typical)))).astype(a.dtype)


# --- the whole gradient -----------------------------------------------------------------------------------------------


def check_gradient(
    value: Value,
    gradient: Sequence[Array],
    at: Sequence[Array],
    names: Sequence[str] | None = None,
    *,
    components: int = COMPONENTS,
    seed: int = 0,
) -> GradientCheck:
    """Compare `gradient`, an array for each array of `at`, with differences of `value` around `at`.

    >>> x = np.array([0.5, 2.0])
    >>> print(check_gradient(lambda a: np.sum(np.sin(a[0])), [np.cos(x)], [x], ["x"]))
    The gradient agrees with differences in both components, to 12 digits or more.
    >>> print(check_gradient(lambda a: np.sum(np.sin(a[0])), [np.cos(x) * [1, 1.0005]], [x], ["x"]))
    The gradient is wrong in x[1]: it says -0.41635491, differences say -0.4161468365 ± 1e-13.
    """
    start = perf_counter()
    at = [np.asarray(a) for a in at]
    names = list(names) if names is not None else [f"argument {i}" for i in range(len(at))]
    _validate(gradient, at, names)
    around = _Around(value, gradient, at, names)
    middle = around.value(list(at))
    if not math.isfinite(middle):
        found = [Comparison("", math.nan, math.nan, math.inf, "unreliable", note=f"the function's value is {middle}")]
        singles = directions = 0
    else:
        rng = np.random.default_rng(seed)
        around.measure_noise(rng)
        chosen = _chosen(rng, around.size, components)
        found = [around.component(int(i)) for i in chosen]
        known = {c.name for c in found}
        several = list(_directions(around, rng, known)) if len(chosen) < around.size else []
        singles, directions = len(chosen), sum("direction" in c.name for c in several)
        found += several
    comparisons = tuple(sorted(found, key=_against))
    verdict, digits = _verdict(comparisons)
    result = GradientCheck(
        verdict, "", digits, comparisons, around.size, singles, directions,
        around.noise, around.evaluations, perf_counter() - start,
    )  # fmt: skip
    return replace(result, reason=_sentence(result))


def _validate(gradient: Sequence[Array], at: Sequence[Array], names: Sequence[str]) -> None:
    if not len(gradient) == len(at) == len(names):
        raise ArgumentError(f"{len(gradient)} gradients and {len(names)} names for {len(at)} arrays")
    for g, a, name in zip(gradient, at, names, strict=True):
        if a.dtype.kind != "f":
            raise DtypeError(
                f"`{name}` is {a.dtype}[{','.join(map(str, a.shape))}]: a small step in it is not possible",
                hint="pass real numbers",
            )
        if np.shape(g) != a.shape:
            raise ShapeError(f"the gradient of `{name}` has shape {np.shape(g)}, `{name}` has {a.shape}")
    if not sum(a.size for a in at):
        raise ArgumentError("there is no component to check: the arrays are empty")


def _chosen(rng: np.random.Generator, size: int, components: int) -> Sequence[int]:
    return range(size) if size <= components else np.sort(rng.permutation(size)[:components]).tolist()


def _directions(around: _Around, rng: np.random.Generator, known: set[str]) -> Iterator[Comparison]:
    """All components at once, and those of each array; where that is wrong, also the component that makes it so."""
    everything = range(len(around.at))
    plans = [("all of " + ", ".join(around.names) if len(around.at) <= _NAMED else "all", list(everything))]
    if 1 < len(around.at) <= _NAMED:
        plans += [(f"all of {around.names[k]}", [k]) for k in everything if around.at[k].size > 1]
    blamed = set(known)
    for n, (name, arrays) in enumerate(plans):
        for d in range(_DIRECTIONS // (1 + (n > 0))):
            moves = around.signs(rng, arrays)
            found = around.direction(f"{name}, direction {d + 1}", moves)
            yield found
            if found.verdict == "wrong":
                culprit = _blame(around, moves)
                if culprit is not None and culprit.name not in blamed:
                    blamed.add(culprit.name)
                    yield culprit


def _blame(around: _Around, moves: list[Array]) -> Comparison | None:
    """The component behind a wrong direction, found by halving: of two halves, follow the one that is further off."""
    flat = np.concatenate([v.ravel() for v in moves])
    suspects = np.flatnonzero(flat)

    def only(indices: Array) -> Comparison:
        kept = np.zeros_like(flat)
        kept[indices] = flat[indices]
        parts = np.split(kept, around.starts[1:-1])
        return around.direction("", [p.reshape(v.shape).astype(v.dtype) for p, v in zip(parts, moves, strict=True)])

    while len(suspects) > 1:
        halves = np.array_split(suspects, 2)
        off = [_excess(only(half)) for half in halves]
        if max(off) <= 1:
            return None  # together they are wrong, each half may be right: nobody to blame
        suspects = halves[int(np.argmax(off))]
    found = around.component(int(suspects[0]))
    return found if found.verdict == "wrong" else None


def _excess(c: Comparison) -> float:
    """How many error bars the gradient is off by."""
    if not math.isfinite(c.gradient):
        return math.inf
    off = abs(c.gradient - c.slope)
    return off / c.bar if c.bar else (math.inf if off else 0.0)


_ORDER = ("wrong", "unreliable", "kink", "agrees", "hidden")


def _against(c: Comparison) -> tuple[int, bool, int, float]:
    """Sorts the worst first; single components before directions, which name nobody."""
    return _ORDER.index(c.verdict), "direction" in c.name, c.digits, -_excess(c) if c.verdict == "wrong" else 0.0


def _verdict(comparisons: Sequence[Comparison]) -> tuple[str, int]:
    kinds = Counter(c.verdict for c in comparisons)
    if kinds["wrong"]:
        return "wrong", 0
    if kinds["unreliable"] or kinds["kink"] or not kinds["agrees"]:
        return "unreliable", 0
    return "agrees", min(c.digits for c in comparisons if c.verdict == "agrees")


def _sentence(result: GradientCheck) -> str:
    """The verdict, and how much was looked at, in a sentence or two."""
    if result.verdict == "wrong":
        return _accusation(result.comparisons)
    if result.verdict == "agrees":
        hidden = [c.bar for c in result.comparisons if c.verdict == "hidden"]
        agreed = (
            f"The gradient agrees with differences in {_scope(result)}, to {_count(result.digits, 'digit')} or more."
        )
        if not hidden:
            return agreed
        return f"{agreed} Too small to be told from zero: {len(hidden)} (nothing below {max(hidden):.1g} can be seen)."
    return _excuse(result.comparisons)


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
