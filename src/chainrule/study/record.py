"""A study as data: what each section of the report says, however it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..analyze.convexity import Convexity
from ..explain.gains import GradientNorms
from ..numeric.check import GradientCheck
from ..numeric.example_gradients import ExampleGradients
from ..numeric.landscape import Landscape
from ..numeric.optimize import Minimum
from ..numeric.steps import CriticalPoint, LearningRate


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
    """One minimization: what it found, and what the file's `report` tells of it.

    `norms` holds, for each of the varied arrays in `names`, the Euclidean norm of its gradient at `iterations`.
    """

    minimum: Minimum
    told: Mapping[str, float]
    note: str = ""
    names: tuple[str, ...] = ()
    iterations: tuple[int, ...] = ()
    norms: tuple[tuple[float, ...], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "minimum": self.minimum.as_dict(), "told": dict(self.told)}


@dataclass(frozen=True)
class Section:
    """Values of the function on the way from one point to another; `along` runs from 0 to 1."""

    along: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """Gradient descent from the start with one learning rate: `factor` times the largest stable one there."""

    factor: float
    rate: float
    regime: str
    values: tuple[float, ...]
    ended: str

    @property
    def settles(self) -> bool:
        """Whether it ended lower than it began, at about the lowest value that it met."""
        lowest = min((v for v in self.values if math.isfinite(v)), default=math.nan)
        fell = self.values[0] - lowest
        return fell > 0 and self.values[-1] - lowest <= 0.01 * fell


@dataclass(frozen=True)
class Rates:
    """What the curvature at the start says of learning rates, and how runs with some of them went."""

    answer: LearningRate
    runs: tuple[Run, ...]
    note: str = ""

    @property
    def settled(self) -> Run | None:
        """The run with the largest rate that settles, below all that do not."""
        good = None
        for run in sorted(self.runs, key=lambda run: run.rate):
            if not run.settles:
                break
            good = run
        return good

    @property
    def failed(self) -> Run | None:
        """The run with the smallest rate that does not settle."""
        return min((run for run in self.runs if not run.settles), key=lambda run: run.rate, default=None)


@dataclass(frozen=True)
class Examples:
    """The gradients of single examples at the start, and at the best point found."""

    start: ExampleGradients
    end: ExampleGradients | None = None


@dataclass(frozen=True)
class Study:
    """All that was found out about a function. A section that was not reached is None, or empty.

    `left_out` says, by section, what there was no time for, or what could not be done, and why.
    """

    name: str
    file: str
    source: str
    arguments: tuple[Argument, ...]
    wrt: tuple[str, ...]
    size: int
    chosen: str
    value: float
    program: tuple[Line, ...] = ()
    explained: Explained | None = None
    check: GradientCheck | None = None
    sizes: GradientNorms | None = None
    convexity: Convexity | None = None
    chord: Section | None = None
    fits: tuple[Fit, ...] = ()
    curvature: LearningRate | None = None
    point: CriticalPoint | None = None
    rates: Rates | None = None
    landscape: Landscape | None = None
    examples: Examples | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
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
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        from .summary import summary  # which reads this record

        return "\n".join([*summary(self), *(["The study was interrupted."] if self.interrupted else [])])

    def _repr_html_(self) -> str:
        from .page import inside  # the page is made only when it is shown

        return inside(self)


def _plain(value: Any) -> Any:
    """A record by its own `as_dict`, or field by field."""
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
