"""∫ f from a to b as a record that works as its number."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..ir import Program, Var
from .landmarks import OnNodes, is_costly, landmarks, rounding_of
from .proved import proved
from .quadrature import EPS, Quadrature, quadrature

TOL = 1e-8
UNDERFLOW = 64 * float(np.finfo(np.float64).smallest_subnormal)  # by which values next to 0 may be off
SMALL = 1e-300  # larger values have all their digits
FARTHEST = 1e290  # limits beyond it are infinite, or mistaken


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Integral(float):
    """A definite integral. It works as its number: `float(r)`, arithmetic, comparisons, NumPy, `format`.

    `verdict` is "converged" (the value is within `error` of the truth, as far as nodes can tell), "unreliable" or
    "diverges", with the `reason`. As a number, one that is unreliable is NaN, and one that diverges is infinite, or
    NaN where it has no sign; the best guess is still in `value`. `breaks` are the places where the integrand bends or
    jumps, and the interval was split. `traced` tells whether they could be looked for.
    """

    value: float
    error: float
    low: float
    high: float
    evaluations: int
    verdict: str
    reason: str = ""
    breaks: tuple[float, ...] = ()
    traced: bool = True
    note: str = ""

    def __new__(cls, value: float, error: float, low: float, high: float, evaluations: int, verdict: str,
                *rest: Any, **named: Any) -> Integral:  # fmt: skip
        return float.__new__(cls, value if verdict == "converged" or value in (inf, -inf) else nan)

    def __init__(
        self, value: float, error: float, low: float, high: float, evaluations: int, verdict: str, reason: str = "",
        breaks: tuple[float, ...] = (), traced: bool = True, note: str = "",
    ) -> None:  # fmt: skip
        self.__dict__.update(  # all at once: field by field, a frozen record takes longer than the integral
            value=value, error=error, low=low, high=high, evaluations=evaluations, verdict=verdict, reason=reason,
            breaks=breaks, traced=traced, note=note,
        )  # fmt: skip

    def __getnewargs__(self) -> Any:
        return (self.value, self.error, self.low, self.high, self.evaluations, self.verdict)

    def __str__(self) -> str:
        over = f"the integral from {self.low:.6g} to {self.high:.6g}"
        if self.verdict == "converged":
            text = f"{self.value:.{_digits(self.value, self.error)}g} ± {self.error:.1g}: {over}"
        elif self.verdict == "diverges":
            text = f"diverges: {over}: {self.reason}"
        else:
            guess = "no value" if isnan(self.value) else f"perhaps {self.value:.6g} ± {self.error:.1g}"
            text = f"unreliable, {guess}: {over}: {self.reason}"
        if self.breaks and self.verdict == "converged":
            n = len(self.breaks)
            shown = ", ".join(f"{x:.6g}" for x in self.breaks[:4]) + (", …" if n > 4 else "")
            text += f", split at {shown}"
        return text + (f" ({self.note})" if self.note else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"

    def as_dict(self) -> dict[str, Any]:
        return {
            "value": self.value, "error": self.error, "verdict": self.verdict, "reason": self.reason,
            "from": self.low, "to": self.high, "evaluations": self.evaluations, "breaks": list(self.breaks),
            "traced": self.traced,
        }  # fmt: skip


def _digits(value: float, error: float) -> int:
    """How many digits of the value the error leaves."""
    if value == 0 or error == 0:
        return 15 if error == 0 and value == int(value) else 12
    return int(np.clip(np.floor(np.log10(abs(value) / error)) + 1, 1, 15)) if error < abs(value) else 1


def limits(a: Any, b: Any, tol: Any) -> tuple[float, float]:
    """Both limits as numbers; what is none is refused."""
    found = []
    for name, x in (("a", a), ("b", b)):
        if isinstance(x, (str, bytes)) or np.ndim(x) or np.asarray(x).dtype.kind not in "fiu":
            raise ArgumentError(
                f"the limit `{name}` is one real number, not {x!r}"[:200], hint="use np.inf for infinity"
            )
        number = float(x)
        if isnan(number):
            raise ArgumentError(f"the limit `{name}` is not a number (NaN)")
        if isfinite(number) and abs(number) > FARTHEST:
            raise ArgumentError(f"the limit `{name}` is {number:.3g}, beyond what can be told apart", hint="use np.inf")
        found.append(number)
    if not isinstance(tol, (int, float, np.floating)) or not 0 < tol < 1:
        raise ArgumentError(f"tol is between 0 and 1, not {tol!r}: the error relative to ∫|f| that is acceptable")
    if found[0] == found[1] and not isfinite(found[0]):
        raise ArgumentError("both limits are the same infinity")
    return found[0], found[1]


def of_program(program: Program, values: Sequence[Any], a: float, b: float, tol: float = TOL) -> Quadrature:
    """∫ of a recorded integrand (x its first input) with these values of its other inputs; a may be above b."""
    if a > b:
        found = of_program(program, values, b, a, tol)
        return replace(found, value=-found.value)
    run = OnNodes(program, values)
    if a == b:
        zero = np.zeros(program.outputs[0].type.shape)[()]
        return Quadrature(zero, zero, zero, 0, "converged")
    sure = proved(program, values, a, b, tol)
    if sure is not None:
        return sure
    places = landmarks(program, values, a, b)
    costly = is_costly(program)
    found = quadrature(
        run, a, b, breaks=places.breaks, points=() if costly else places.points, tol=tol, unit=rounding_of(program),
        uniform=1 if costly else 4, grades=2 if costly else 20,
        budget=2500 if costly else 600_000,
    )  # fmt: skip
    nothing = found.verdict == "converged" and not np.any(found.size)
    if nothing and isinstance(program.outputs[0], Var) and not (isfinite(a) and isfinite(b)):
        return _all_zero(found)
    if found.verdict == "converged" and isfinite(b - a):
        return replace(found, error=found.error + _lost(found, run, a, b))
    return found


def _lost(found: Quadrature, run: OnNodes, a: float, b: float) -> float:
    """What is not known where values are next to 0: there they are rounded to multiples of the smallest number."""
    if np.max(found.size, initial=0.0) >= SMALL * (b - a):
        return 0.0
    return UNDERFLOW * (b - a) if np.any(found.size) or np.any(run(np.linspace(a, b, 65))) else 0.0


def _all_zero(found: Quadrature) -> Quadrature:
    reason = f"the function is 0 at all {found.evaluations} nodes, but a narrow peak may stand between them"
    return replace(found, verdict="unreliable", reason=reason)


def of_function(f: Callable[[float], Any], a: float, b: float, tol: float = TOL) -> Quadrature:
    """∫ of a Python function that can't be recorded: called at each node, and nothing is known of its inside."""
    if a > b:
        found = of_function(f, b, a, tol)
        return replace(found, value=-found.value)
    if a == b:
        return Quadrature(0.0, 0.0, 0.0, 0, "converged")

    def run(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with np.errstate(all="ignore"):
            return np.array([_number(f, float(v)) for v in x], float)

    found = quadrature(run, a, b, tol=tol, budget=150_000, uniform=32)
    return _all_zero(found) if found.verdict == "converged" and not np.any(found.size) else found


def _number(f: Callable[[float], Any], x: float) -> float:
    try:
        y = f(x)
    except (ZeroDivisionError, OverflowError):
        return nan
    except ValueError as error:
        if "math domain error" in str(error) or "expected a" in str(error):
            return nan
        raise
    return checked_number(y)


def checked_number(y: Any) -> float:
    """An integrand's value: one real number."""
    if isinstance(y, float):
        return float(y)
    try:
        array = np.asarray(y)
    except ValueError:
        raise ShapeError("the integrand returns a ragged list, not one number") from None
    if array.dtype.kind == "c":
        raise DtypeError("the integrand returns complex numbers", hint="integrate f(x).real and f(x).imag")
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"the integrand returns {type(y).__name__}, not a number")
    if array.ndim:
        raise ShapeError(
            f"the integrand returns an array of shape {array.shape}, not one number",
            hint="integrate one component at a time: lambda x: f(x)[0]",
        )
    return float(array)


def integral(found: Quadrature, a: float, b: float, *, traced: bool = True, note: str = "") -> Integral:
    """The record of a quadrature of one number."""
    return Integral(
        float(found.value), float(found.error), a, b, found.evaluations, found.verdict, found.reason, found.breaks,
        traced, note,
    )  # fmt: skip


__all__ = ["EPS", "TOL", "Integral", "integral", "limits", "of_function", "of_program"]
