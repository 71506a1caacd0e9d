"""The pictures of a study."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..draw import Contours, Figure, Horizontal, Line, Mark, Points, Text
from ..numeric.example_gradients import ExampleGradients
from ..numeric.landscape import Landscape
from ..numeric.steps import CriticalPoint
from .record import Fit, Rates, Section, Study

_MANY_TIMES = 5  # what spans more is drawn on a logarithmic scale
_LONG = 50  # iterations
_CURVES = 6  # as many as there are colours
_A_FEW = 4
_SEPARATE = 60  # points that are shown one by one


def spans_much(values: Sequence[float]) -> bool:
    """Whether a logarithmic scale shows more of these."""
    known = [v for v in values if math.isfinite(v)]
    return bool(known) and min(known) > 0 and max(known) > _MANY_TIMES * min(known)


def descent(study: Study) -> Figure:
    """How the value falls, by each method."""
    paths = [(fit.minimum.method, fit.minimum.path) for fit in study.fits]
    values = [v for _, path in paths for v in path.values]
    marks = [
        Line([n + 1 for n in path.iterations], path.values, method, *_look(study, method)) for method, path in paths
    ]
    told = "; ".join(
        f"{method}: from {path.values[0]:.4g} to {path.values[-1]:.4g} in {path.iterations[-1]} iterations"
        for method, path in paths
    )
    longest = max(path.iterations[-1] for _, path in paths)
    return Figure(
        f"{study.name} during minimization", marks, x="point (the start is 1)", y=study.name,
        log_x=longest > _LONG, log_y=spans_much(values), description=f"{told}.",
    )  # fmt: skip


def _look(study: Study, method: str) -> tuple[int, str]:
    """Colour and style of a method, the same in every picture."""
    nth = [fit.minimum.method for fit in study.fits].index(method)
    return 2 - nth % 2, ("dashed", "solid", "dotted")[nth % 3]


def parts(fit: Fit) -> Figure | None:
    """The size of the gradient of each argument, along a run."""
    if not fit.names or len(fit.iterations) < 2:
        return None
    marks = [
        Line([n + 1 for n in fit.iterations], sizes, name) for name, sizes in zip(fit.names, fit.norms, strict=True)
    ]
    return Figure(
        f"The gradient of each argument, during {fit.minimum.method}", marks, x="point (the start is 1)",
        y="Euclidean norm", log_x=fit.iterations[-1] > _LONG, log_y=any(v > 0 for s in fit.norms for v in s),
    )  # fmt: skip


def chord(study: Study, found: Section) -> Figure:
    """The function along a line on which it rises above its chord."""
    first, last = found.values[0], found.values[-1]
    marks: list[Mark] = [
        Line(found.along, found.values, study.name),
        Line([0, 1], [first, last], "the chord", style="dashed"),
        Points([0, 1], [first, last], tone="ink"),
    ]
    return Figure(
        f"Between these points {study.name} rises above its chord", marks,
        x="the way from one point to the other", y=study.name, height=320,
    )  # fmt: skip


def eigenvalues(found: CriticalPoint) -> Figure | None:
    """The eigenvalues of the Hessian, the largest first."""
    if found.eigenvalues is None or len(found.eigenvalues) < _A_FEW:
        return None
    values = sorted(found.eigenvalues, reverse=True)
    return Figure(
        "The eigenvalues of the Hessian at the point reached", Points(range(1, len(values) + 1), values),
        x="in order", y="eigenvalue", log_y=spans_much(values), height=300,
    )  # fmt: skip


def rates(study: Study, found: Rates) -> Figure:
    """Runs with different learning rates, beside each other."""
    first = study.value
    ordered = sorted(found.runs, key=lambda run: run.rate)
    shown = ordered if len(ordered) <= _CURVES else [*ordered[: _CURVES - 2], *ordered[-2:]]
    known = [v for run in found.runs for v in run.values if math.isfinite(v)]
    low = min(known)
    high = max(first + 2 * (first - low), first)
    log = spans_much([low, first])
    high = first * (first / low) if log else high
    marks = [
        Line(range(len(run.values)), [v if math.isfinite(v) else math.nan for v in run.values],
             f"{run.factor:g}×: {run.regime}", style=("solid", "dashed", "dotted")[i % 3])
        for i, run in enumerate(shown)
    ]  # fmt: skip
    clipped = max(known) > high
    return Figure(
        "Gradient descent with different learning rates", marks, x="step", y=study.name, log_y=log,
        y_range=_room(low, high, log) if clipped else None, height=420,
    )  # fmt: skip


def _room(low: float, high: float, log: bool) -> tuple[float, float] | None:
    if log:
        return low / (high / low) ** 0.05, high
    return (low - 0.05 * (high - low), high) if high > low else None


def landscape(study: Study, found: Landscape) -> Figure | None:
    """Contour lines around the path; a curve where there is one number to vary."""
    if not found.values.size or not np.isfinite(found.values).any():
        return None
    if len(found.axes) == 1:
        return _curve(study, found)
    marks: list[Mark] = [Contours(found.xs, found.ys, found.values, levels=levels(found.values))]
    for method, path in found.paths.items():
        tone, style = _look(study, method)
        marks.append(Line(path[:, 0], path[:, 1], method, tone, style))
        if len(path) <= _SEPARATE:
            marks.append(Points(path[:, 0], path[:, 1], tone=tone))
    first = next(iter(found.paths.values()))
    for point, name in ((first[0], "start"), (first[-1], "end")):
        marks.append(Text(point[0], point[1], name))
    ranges = [(float(v.min()), float(v.max())) for v in (found.xs, found.ys)]
    return Figure(
        f"{study.name} around the path", marks, x=found.axes[0], y=found.axes[1], height=480,
        x_range=ranges[0], y_range=ranges[1],
        description=f"Contour lines of {study.name}. {found.directions} The path leads from "
        f"({first[0][0]:.4g}, {first[0][1]:.4g}) to ({first[-1][0]:.4g}, {first[-1][1]:.4g}).",
    )  # fmt: skip


def _curve(study: Study, found: Landscape) -> Figure:
    marks: list[Mark] = [Line(found.xs, found.values, study.name)]
    for method, path in found.paths.items():
        heights = np.interp(path[:, 0], found.xs, found.values)
        marks.append(Points(path[:, 0], heights, method, _look(study, method)[0]))
    return Figure(
        f"{study.name} around the path", marks, x=found.axes[0], y=study.name, log_y=spans_much(found.values.tolist())
    )


def levels(values: np.ndarray, count: int = 12) -> list[float]:
    """Levels that show the valley as well as its walls: by quantiles of the values above the lowest."""
    known = np.sort(values[np.isfinite(values)])
    if known[0] == known[-1]:
        return []
    shares = np.quantile(known, np.linspace(0, 1, count + 2)[1:-1] ** 2)
    return sorted({float(f"{v:.3g}") for v in shares} - {float(f"{known[0]:.3g}")}) or [float(np.median(known))]


def examples(found: ExampleGradients, when: str) -> Figure | None:
    """Each example's gradient: how large, and along or against the mean."""
    if not np.isfinite(found.cosines).any() or found.norms.max() == 0:
        return None
    marks: list[Mark] = [Points(found.norms, found.cosines, "one example"), Horizontal(0.0)]
    return Figure(
        f"Gradients of single examples, {when}", marks, x="norm", y="cosine with the mean gradient",
        log_x=spans_much(found.norms.tolist()), y_range=(-1.05, 1.05),
        description=f"One point for each of {len(found.norms)} examples: norms from {found.norms.min():.3g} to "
        f"{found.norms.max():.3g}; {found.opposed:.0%} point against the mean gradient.",
    )  # fmt: skip
