"""A study as data: what each section of the report says, however it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..numeric.check import GradientCheck
from ..numeric.optimize import Minimum


@dataclass(frozen=True)
class Argument:
    """An argument of the function, as a reader meets it."""

    name: str
    type: str
    varied: bool


@dataclass(frozen=True)
class Line:
    """One line of the recorded program: a name and type, the operation, and what the user wrote for it, and where."""

    name: str
    type: str
    computed: str
    written: str
    where: str


@dataclass(frozen=True)
class Math:
    """A piece of mathematics in each notation."""

    unicode: str
    latex: str
    mathml: str


@dataclass(frozen=True)
class Formula:
    """Equations under each other, and what the names in them stand for; `unicode` and `latex` hold all of it."""

    unicode: str
    latex: str
    equations: tuple[Math, ...]
    where: tuple[Math, ...]


@dataclass(frozen=True)
class Step:
    """One step of the derivation: a value, how it changes, by which rules, where it was written, and names in it."""

    value: Math
    change: Math
    rules: str
    where: str
    names: tuple[Math, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row of the backpropagation table: a value, and how the result changes with it; sizes are Euclidean norms."""

    value: Math
    shape: str
    adjoint: Math | None
    size: float | None
    adjoint_size: float | None
    where: str


@dataclass(frozen=True)
class Explained:
    """What the explanation of a function comes to, for a report. `where` says what numbers in `table` stand for."""

    value: Formula
    gradient: Formula
    code: str
    steps: tuple[Step, ...]
    table: tuple[Row, ...]
    where: tuple[Math, ...]
    cost: str


@dataclass(frozen=True)
class Fit:
    """One minimization: what it found, and what the file's `report` tells of it."""

    minimum: Minimum
    told: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class Study:
    """All that was found out about a function. A section that was not reached is None, or empty."""

    name: str
    file: str
    source: str
    arguments: tuple[Argument, ...]
    wrt: tuple[str, ...]
    chosen: str
    value: float
    program: tuple[Line, ...] = ()
    explained: Explained | None = None
    check: GradientCheck | None = None
    fits: tuple[Fit, ...] = ()
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    complete: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def best(self) -> Fit | None:
        """The fit with the lowest value, of those that succeeded if any did; the last of those that are as low."""
        fits = [fit for fit in self.fits if fit.minimum.success] or list(self.fits)
        lowest = min((fit.minimum.fun for fit in fits), default=0.0)
        good = [fit for fit in fits if not fit.minimum.fun > lowest + 1e-8 * abs(lowest)]
        return good[-1] if good else None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("check", "fits")}
        plain["arguments"] = [asdict(a) for a in self.arguments]
        plain["program"] = [asdict(line) for line in self.program]
        plain["explained"] = None if self.explained is None else asdict(self.explained)
        plain["check"] = None if self.check is None else self.check.as_dict()
        plain["fits"] = [
            {"minimum": fit.minimum.as_dict(), "told": dict(fit.told), "note": fit.note} for fit in self.fits
        ]
        return plain

    def __str__(self) -> str:
        parts = [f"{self.name} is {self.value:.6g} at the start"]
        if self.check is not None:
            parts.append(f"its gradient {'is wrong' if self.check.verdict == 'wrong' else self.check.verdict}")
        if self.best is not None:
            found = self.best.minimum
            parts.append(f"{found.method} leads to {found.fun:.6g} in {found.nit} iterations")
            parts += [f"{what} {number:.4g}" for what, number in self.best.told.items()]
        return "; ".join(parts) + ("; interrupted" if self.interrupted else "") + "."

    def _repr_html_(self) -> str:
        from .page import body  # the page is read only when it is shown

        return body(self)
