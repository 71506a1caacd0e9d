"""Is this gradient right? Compare it with differences of values, and say how sure that makes us.

Every comparison carries an error bar (`differences`), so that a verdict means something: "wrong" when the gradient
lies outside the bar, "agrees" when it lies inside and the bar is small, "unreliable" when differences can't tell.

Up to a budget, components are looked at one by one. When there are more, a random choice of them is, and all of them
at once along random directions x ± 2ᵏ (k by the size of each component): a single wrong component among thousands
shows there, and is then found by halving. Random directions: Griewank & Walther, "Evaluating Derivatives", 2008.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..ir import Array
from .differences import FIRST_STEP, Line, Slope, noise_of, scales, slope
from .doubt import STAIRS, doubt
from .verdict import Comparison, GradientCheck, against, excess, judge, overall, sentence

__all__ = ["COMPONENTS", "Comparison", "GradientCheck", "check_gradient"]

Value = Callable[[list[Array]], float]

COMPONENTS = 64  # looked at one by one
_DIRECTIONS = 4  # for all arrays together, and half as many for each
_NAMED = 8  # arrays with directions of their own
_HEARINGS = 4  # of a gradient that seems wrong, each at finer steps


# --- the function around a point --------------------------------------------------------------------------------------


class _Around:
    """A function and its supposed gradient at a point, looked at along lines through it."""

    def __init__(self, value: Value, gradient: Sequence[Array], at: Sequence[Array], names: Sequence[str]) -> None:
        self.function = value
        self.at = list(at)
        self.gradient = [np.asarray(g, dtype=np.float64) for g in gradient]
        self.names = names
        self.precision = max(float(np.finfo(a.dtype).eps) for a in at)
        self.scales = [scales(a) for a in at]
        self.starts = np.cumsum([0, *(a.size for a in at)])
        self.evaluations = 0
        self.noise = 0.0
        self.middle = self.value(self.at)

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
        """A verdict on the slope `g`; before it is "wrong", finer steps are heard."""
        precision = self.precision if rounded else 0.0
        rules = 16 * self.precision * terms if math.isfinite(terms) else 0.0
        noise, first, reason = self.noise, FIRST_STEP, ""
        for _ in range(_HEARINGS):
            found = slope(line, noise=noise, precision=precision, first=first)
            entitled = rules + (4 * precision * found.curvature / scale if math.isfinite(found.curvature) else 0.0)
            comparison = judge(name, g, _per_unit(found, scale), entitled)
            if reason and (found.kind != "smooth" or comparison.verdict == "hidden"):
                break  # the finer steps tell no slope either
            if comparison.verdict != "wrong" or not math.isfinite(g):
                return comparison
            floor = self.precision * abs(self.middle)
            heard = doubt(line, found, g * scale, noise=noise, floor=floor, precision=self.precision)
            if heard is None:
                return comparison
            reason, first, noise = heard.reason, heard.step, 3 * floor
            if not first or reason == STAIRS:
                break
        return replace(comparison, verdict="unreliable", note=reason)

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
    The gradient agrees with differences in both components, to 1... digits or more.
    >>> print(check_gradient(lambda a: np.sum(np.sin(a[0])), [np.cos(x) * [1, 1.0005]], [x], ["x"]))
    The gradient is wrong in x[1]: it says -0.41635491, differences say -0.4161468365 ± ...
    """
    start = perf_counter()
    at = [np.asarray(a) for a in at]
    names = list(names) if names is not None else [f"argument {i}" for i in range(len(at))]
    _validate(gradient, at, names)
    around = _Around(value, gradient, at, names)
    if not math.isfinite(around.middle):
        note = f"the function's value is {around.middle}"
        found = [Comparison("", math.nan, math.nan, math.inf, "unreliable", note=note)]
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
    comparisons = tuple(sorted(found, key=against))
    verdict, digits = overall(comparisons)
    result = GradientCheck(
        verdict, "", digits, comparisons, around.size, singles, directions,
        around.noise, around.evaluations, perf_counter() - start,
    )  # fmt: skip
    return replace(result, reason=sentence(result))


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
        off = [excess(only(half)) for half in halves]
        if max(off) <= 1:
            return None  # together they are wrong, each half may be right: nobody to blame
        suspects = halves[int(np.argmax(off))]
    found = around.component(int(suspects[0]))
    return found if found.verdict == "wrong" else None
