"""The derivative as a limit: quotients at shrinking steps from the right, from the left and through the middle.

>>> told = quotients(abs, 0.0)
>>> told.verdict, told.left.limit, told.right.limit
('the sides differ', -1.0, 1.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..draw import Figure, Horizontal, Line
from .differences import FIRST_STEP, noise_of, one_sided
from .from_values import level, trusted

EXISTS = "a derivative"
DIFFER = "the sides differ"
INFINITE = "no finite slope"
JUMP = "a jump"
UNSETTLED = "does not settle"
ONE_SIDE = "defined on one side"
UNDEFINED = "no value"
HIDDEN = "hidden in noise"

_ROWS = 8
_RATIO = 3.7  # between the steps of a second look
_BESIDE = 1e-3  # where noise is measured
_CLOSEST = 1e-15  # at x = 0, where floats lie closer than anyone asks
_FINER = (1e-4, 1e-8, 1e-12)  # first steps of a third one
_CONVINCING = 1e-4  # a relative error bar that noise does not reach by chance
_FACTOR = 2.0  # for sums of two error bars


@dataclass(frozen=True)
class Row:
    """The quotients at one step: (f(x+h) − f(x))/h, (f(x) − f(x−h))/h, (f(x+h) − f(x−h))/2h."""

    h: float
    forward: float
    backward: float
    central: float


@dataclass(frozen=True)
class OneSided:
    """The limit of the quotients from one side, within `error`; NaN or ±∞ with `kind` saying what they do instead.

    `kind` is "settles", "grows" (without bound), "jumps" (they grow because the values jump), "does not settle",
    "noise" or "outside" (there are no values on this side).
    """

    limit: float
    error: float
    kind: str

    @property
    def shown(self) -> float:
        """The limit, 0 where it can't be told from 0."""
        return _shown(self.limit, self.error)


def _shown(limit: float, error: float) -> float:
    return 0.0 if abs(limit) <= error else limit


@dataclass(frozen=True)
class DifferenceQuotients:
    """What the quotients do as h shrinks: `table`, one-sided limits `left` and `right`, `verdict` and `derivative`.

    `verdict` is "a derivative", "the sides differ", "no finite slope", "a jump", "does not settle", "defined on one
    side", "no value" or "hidden in noise"; `derivative` is the common limit within `error`, NaN where there is none.
    `exact` is the engine's derivative where the function can be recorded, else None; at a kink it follows a convention.
    """

    name: str
    x: float
    value: float
    table: tuple[Row, ...]
    left: OneSided
    right: OneSided
    verdict: str
    derivative: float
    error: float
    exact: float | None

    @property
    def exists(self) -> bool:
        """Whether the quotients speak for a derivative."""
        return self.verdict == EXISTS

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        at = f"at x = {self.x:.6g}"
        if self.verdict == EXISTS:
            shown = _shown(self.derivative, self.error)
            told = f"both sides settle {at}: the derivative is {shown:.10g}, within {self.error:.1g}"
            return told + ("" if self.exact is None else f" (exactly {self.exact:.10g})")
        left, right = self.left, self.right
        reasons = {
            DIFFER: f"the slope is {left.shown:.6g} on the left and {right.shown:.6g} on the right: a kink",
            INFINITE: "the quotients grow without bound as h shrinks",
            JUMP: "the function jumps",
            UNSETTLED: "the quotients do not settle on a number as h shrinks",
            ONE_SIDE: f"there are values only on the {'left' if right.kind == 'outside' else 'right'}",
            UNDEFINED: f"the function's value is {self.value}",
            HIDDEN: "the quotients have not settled where rounding begins to hide them",
        }
        certain = "it can't be seen whether there is a derivative" if self.verdict == HIDDEN else "no derivative"
        extra = ""
        if self.verdict == ONE_SIDE:
            side = left if right.kind == "outside" else right
            does = {"grows": "the quotients grow without bound", "settles": f"the slope is {side.shown:.6g}"}
            extra = f", where {does.get(side.kind, 'the quotients do not settle')}"
        return f"{certain} {at}: {reasons[self.verdict]}{extra}"

    @property
    def figure(self) -> Figure:
        """The quotients over the step."""
        hs = [row.h for row in self.table]
        marks: list[Any] = [
            Line(hs, [row.forward for row in self.table], "forward"),
            Line(hs, [row.backward for row in self.table], "backward", style="dashed"),
            Line(hs, [row.central for row in self.table], "central", style="dotted"),
        ]
        if self.exists:
            marks.append(Horizontal(self.derivative, "the limit"))
        told = "Forward, backward and central quotients against the step; " + self.sentence
        title = f"Difference quotients of {self.name} at x = {self.x:.6g}"
        return Figure(title, marks, x="step h", y="quotient", log_x=True, description=told)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "name": self.name, "x": self.x, "value": self.value, "table": [vars(row) for row in self.table],
            "left": vars(self.left), "right": vars(self.right), "verdict": self.verdict,
            "derivative": self.derivative, "error": self.error, "exact": self.exact,
        }  # fmt: skip

    def __str__(self) -> str:
        head = f"{'h':>8}  {'forward':>15}  {'backward':>15}  {'central':>15}"
        rows = [f"{r.h:8.0e}  {r.forward:15.9g}  {r.backward:15.9g}  {r.central:15.9g}" for r in self.table]
        return "\n".join([head, *rows, self.sentence])

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("h", "forward", "backward", "central"))
        rows = "".join(
            f"<tr><th scope='row'>{r.h:.0e}</th>"
            + "".join(f"<td>{q:.9g}</td>" for q in (r.forward, r.backward, r.central))
            + "</tr>"
            for r in self.table
        )
        return f"<p>{escape(self.sentence)}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def quotients(
    f: Callable[[float], float],
    x: float,
    *,
    name: str = "f",
    exact: float | None = None,
    precision: float = 2.0**-52,
    scale: float | None = None,
) -> DifferenceQuotients:
    """Quotients of `f` at `x` for h = 10⁻¹, 10⁻², … times `scale` (the size of x), and their limits from both sides."""
    unit = scale if scale is not None else _decade(x)
    value = f(x)
    at = {h: (f(x + h), f(x - h)) for h in (float(f"{unit:.0e}") * 10.0**-k for k in range(1, _ROWS + 1))}
    table = tuple(_row(x, h, value, *ends) for h, ends in at.items())
    if not math.isfinite(value):
        nothing = OneSided(math.nan, math.inf, "outside")
        return DifferenceQuotients(name, x, value, table, nothing, nothing, UNDEFINED, math.nan, math.inf, exact)
    known: dict[float, float] = {0.0: value}

    def line(t: float) -> float:
        if t not in known:
            known[t] = f(x + unit * t)
        return known[t]

    floor = precision * abs(value)
    again = abs(f(x) - value)
    noises = {side: 3 * _noise(line, side, precision) + 3 * again for side in (-1, 1)}
    rounded = precision if x else 0.0
    here = 3 * noise_of(line, precision) + 3 * again
    left, right = (_limit(line, side, noises[side], here, floor, rounded, unit) for side in (-1, 1))
    verdict = _verdict(left, right)
    derivative, error = math.nan, math.inf
    if verdict == EXISTS:
        best = min(left, right, key=lambda s: s.error)
        derivative, error = best.limit, best.error
    elif verdict in (JUMP, INFINITE, UNSETTLED, HIDDEN):
        both, note = trusted(line, noise=max(noises.values()), floor=floor, precision=rounded)
        if both.kind == "smooth" and not note and 2 * both.bar <= _CONVINCING * abs(both.value) and not again:
            verdict, derivative, error = EXISTS, both.value / unit, 2 * both.bar / unit
        elif x and max(noises.values()) > 64 * floor:
            verdict = HIDDEN  # neighbouring floats lie too far apart to tell
    return DifferenceQuotients(name, x, value, table, left, right, verdict, derivative, error, exact)


def _decade(x: float) -> float:
    """The power of ten that x's size begins with; 1 at 0."""
    return max(10.0 ** math.floor(math.log10(abs(x))), 1e-290) if x else 1.0


def _row(x: float, h: float, value: float, after: float, before: float) -> Row:
    ahead, behind = (x + h) - x, x - (x - h)  # what the step became in floats
    forward, backward = (
        (after - value) / ahead if ahead else math.nan,
        (value - before) / behind if behind else math.nan,
    )
    return Row(h, forward, backward, (after - before) / (ahead + behind) if ahead + behind else math.nan)


def _noise(line: Callable[[float], float], side: int, precision: float) -> float:
    """The noise in the values beside the point: at the point, a kink may look like noise."""
    try:
        return noise_of(lambda t: line(side * _BESIDE + t), precision)
    except (OverflowError, ValueError):
        return 0.0


def _limit(
    line: Callable[[float], float], side: int, noise: float, here: float, floor: float, rounded: float, unit: float
) -> OneSided:
    """Where the quotients go from one side: what a coarse look leaves open, finer steps may tell."""
    found = _look(line, side, max(noise, floor), floor, rounded, FIRST_STEP)
    if found.kind == "noise" and here < 1e-3 * noise:  # a shape that was taken for noise
        found = _look(line, side, max(here, floor), floor, rounded, FIRST_STEP)
    if found.kind in ("settles", "outside", "grows"):
        return _per_unit(found, unit)
    for first in _FINER:
        finer = _look(line, side, 3 * floor, floor, rounded, first)
        if finer.kind == "settles" and finer.limit and finer.error <= max(_CONVINCING * abs(finer.limit), 1e-12):
            return _per_unit(finer, unit)
    return _per_unit(found, unit)


def _per_unit(found: OneSided, unit: float) -> OneSided:
    return OneSided(found.limit / unit + 0.0, found.error / unit, found.kind)


def _look(
    line: Callable[[float], float], side: int, noise: float, floor: float, rounded: float, first: float
) -> OneSided:
    found = one_sided(line, side, noise=noise, precision=rounded, first=first)
    if found.kind == "edge":
        return OneSided(math.nan, math.inf, "outside")
    middle, closest = line(0.0), max(64 * rounded, _CLOSEST)

    def quotient(h: float) -> float:
        return (line(side * h) - middle) / (side * h)

    def blur(h: float) -> float:
        return (4 * max(floor, 2.0**-52 * abs(line(side * _BESIDE) - middle)) + rounded * abs(quotient(h))) / h

    unsettled = OneSided(math.nan, math.inf, "does not settle" if _swings(quotient, blur, closest) else "noise")
    if found.kind in ("jump", "steep"):
        near, nearer = abs(line(side * 1e-5) - middle), abs(line(side * closest) - middle)
        if nearer > 0.9 * near and nearer > 16 * noise:
            return OneSided(math.nan, math.inf, "jumps")
        if abs(quotient(closest)) > 3 * abs(quotient(1e-4 * math.sqrt(closest))):
            return OneSided(math.copysign(math.inf, quotient(closest)), math.inf, "grows")
        return unsettled
    bar, h = 2 * found.bar, found.step**2
    bend = abs(quotient(h) - found.value)
    if level(line, found, floor=floor, precision=rounded):
        return unsettled
    step = h / _RATIO
    while step >= closest:
        finer = quotient(step)
        doubt = (4 * noise + rounded * abs(finer)) / step
        if abs(finer - found.value) > bar + 3 * bend * step / h + doubt + 2.0**-50 * abs(finer):
            return unsettled
        if doubt > 10 * (abs(found.value) + bar + bend):
            break
        step /= _RATIO
    if found.kind == "flat" or bar <= 0.02 * max(abs(found.value), bend) or bar <= 1e-6 * found.swing:
        return OneSided(found.value, bar, "settles")
    return unsettled


def _swings(quotient: Callable[[float], float], blur: Callable[[float], float], closest: float) -> bool:
    """Whether the quotients go up and down, by no less as h shrinks, at steps where rounding could not do that."""
    hs = [0.05 / _RATIO**k for k in range(60)]
    seen = [quotient(h) for h in hs if h >= closest and blur(h) < 0.01 * abs(quotient(h))]
    moves = np.diff(seen)
    third = len(moves) // 3
    if third < 4:
        return False
    turns = int(np.sum(np.sign(moves[:-1]) * np.sign(moves[1:]) < 0))
    return turns >= len(moves) // 3 and bool(np.max(np.abs(moves[-third:])) > 0.3 * np.max(np.abs(moves[:third])))


def _verdict(left: OneSided, right: OneSided) -> str:
    kinds = {left.kind, right.kind}
    if "outside" in kinds:
        return ONE_SIDE if len(kinds) > 1 else UNDEFINED
    for kind, verdict in (("jumps", JUMP), ("grows", INFINITE), ("does not settle", UNSETTLED)):
        if kind in kinds:
            return verdict
    apart = abs(left.limit - right.limit) > _FACTOR * (left.error + right.error)
    if "noise" in kinds:
        return HIDDEN
    return DIFFER if apart else EXISTS


def values_of(function: Callable[[float], Any]) -> Callable[[float], float]:
    """The function on numbers, NaN where it has no value."""

    def value(x: float) -> float:
        try:
            with np.errstate(all="ignore"):
                found = function(x)
                return math.nan if isinstance(found, complex) else float(found)  # (-1)**0.5 has no real value
        except (ArithmeticError, ValueError):
            return math.nan

    return value
