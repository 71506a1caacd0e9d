"""The page's sections on what lies around: convexity, the point reached, learning rates, landscape, examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

from ..numeric.example_gradients import ExampleGradients
from ..numeric.steps import LearningRate
from . import figures
from .html import code, number, paragraph, picture, table, verdict
from .record import Run, Study

_SHOWN = 10  # examples in a table
_LONGEST = 60  # steps of a proof


# --- convexity --------------------------------------------------------------------------------------------------------


def _convexity(study: Study) -> str:
    found = study.convexity
    if found is None:
        return ""
    kind = "agrees" if found.verdict == "convex" else "unreliable"
    parts = [verdict(kind, found.reason), paragraph(found.minima)]
    if study.chord is not None:
        parts.append(picture(figures.chord(study, study.chord), _CHORD))
    if found.proof:
        steps = [
            (code(s.expression), escape(s.curvature), escape(s.rule), code(s.where)) for s in found.proof[-_LONGEST:]
        ]
        some = f"The last {_LONGEST} of {len(found.proof)} steps" if len(found.proof) > _LONGEST else "The steps"
        parts.append(table(f"{some} of the proof", ("expression", "is", "by", "written at"), steps))
    return "".join(parts)


_CHORD = "A convex function nowhere rises above the straight line between two of its points."


# --- the point reached ------------------------------------------------------------------------------------------------


def _point(study: Study) -> str:
    parts = []
    found, curvature = study.point, study.curvature
    if found is not None:
        parts.append(verdict("agrees" if found.kind == "minimum" else "unreliable", str(found)))
        parts.append(picture(figures.eigenvalues(found), _EIGENVALUES))
    if curvature is not None:
        parts.append(table("The curvature at the point reached", ("", "value"), _curvature(curvature), (1,)))
        parts.append(_how(curvature))
        if curvature.condition is not None and curvature.contraction is not None and study.size > 1:
            parts.append(paragraph(_slowness(curvature.condition, curvature.contraction)))
    return "".join(parts)


def _slowness(condition: float, contraction: float) -> str:
    """What the condition number means for gradient descent."""
    if contraction >= 1 - 1e-15:
        steps = "more steps than can be counted"
    elif contraction <= 0.1:
        steps = "a step"
    else:
        steps = f"about {math.ceil(math.log(0.1) / math.log(contraction)):,} steps"
    return (
        f"Around this point the steepest direction bends {number(condition)} times as much as the flattest. With the "
        f"best fixed step, gradient descent needs {steps} for each further digit."
    )


_EIGENVALUES = "Each is the curvature along one direction. A wide range makes gradient descent slow."


# --- learning rates ---------------------------------------------------------------------------------------------------


def _rates(study: Study) -> str:
    found = study.rates
    if found is None:
        return ""
    parts = [paragraph(_EXACT if found.answer.quadratic else _LOCAL), paragraph(found.note)]
    if not found.answer.quadratic and study.curvature is not None and study.curvature.largest is not None:
        here, there = number(found.answer.largest or math.inf), number(study.curvature.largest)
        parts.append(paragraph(f"At the start it is {here}; at the point reached it is {there}."))
    if found.runs:
        parts.append(
            picture(figures.rates(study, found), "A curve that leaves the picture at the top is on its way out.")
        )
        parts.append(
            table(
                "Gradient descent from the start, with one learning rate each",
                ("learning rate", "times 2/λmax", "how it went", f"{study.name} at its end", "steps", "what ended it"),
                [_run(run) for run in sorted(found.runs, key=lambda run: run.rate)],
                (1, 3, 4),
            )
        )
    parts.append(table("The curvature at the start", ("", "value"), _curvature(found.answer), (1,)))
    parts.append(_how(found.answer))
    return "".join(parts)


_EXACT = (
    "The function is quadratic in what is varied: its curvature is the same everywhere, and 2/λmax is exactly where "
    "steps of a fixed size no longer come to rest."
)
_LOCAL = (
    "The function is not quadratic, or not seen to be, so 2/λmax belongs to the start: it is a rule for the first "
    "steps. Further on the curvature differs, and the runs below say what really happens."
)


def _run(run: Run) -> tuple[str, ...]:
    return (
        number(run.rate), f"{run.factor:g}", escape(run.regime), number(run.values[-1]), str(len(run.values) - 1),
        escape(run.ended),
    )  # fmt: skip


def _curvature(answer: LearningRate) -> list[tuple[str, str]]:
    return [
        ("largest curvature λmax", number(answer.lambda_max)),
        ("smallest curvature λmin", number(answer.lambda_min)),
        ("condition number λmax/λmin", _or(answer.condition, "none: λmin ≤ 0")),
        ("largest stable learning rate 2/λmax", _or(answer.largest, "none")),
        ("best fixed learning rate 2/(λmin + λmax)", _or(answer.best, "none")),
    ]


def _how(answer: LearningRate) -> str:
    way = "from all eigenvalues of the Hessian" if answer.method == "all eigenvalues" else "by Lanczos’ method"
    return paragraph(f"Found {way}: {answer.products} products with it, residual {answer.residual:.1g}.", "soft")


def _or(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else number(value)


# --- the landscape ----------------------------------------------------------------------------------------------------


def _landscape(study: Study) -> str:
    found = study.landscape
    if found is None:
        return ""
    words = found.directions
    if len(found.axes) == 2 and study.size > 2:
        words += " The lines join points of equal value in this plane; paths are seen from above it."
    elif len(found.axes) == 2:
        words += " The lines join points of equal value."
    return paragraph(words) + picture(figures.landscape(study, found)) + paragraph(found.left_out)


# --- the examples -----------------------------------------------------------------------------------------------------


def _examples(study: Study) -> str:
    found = study.examples
    if found is None:
        return ""
    start = found.start
    some = f", of which {len(start.rows)} were looked at, chosen at random" if len(start.rows) < start.examples else ""
    intro = (
        f"The examples are the rows of {' and '.join(start.arguments)}: {start.examples:,}{some}. The loss is "
        f"{_MADE[start.kind]}: values of random parts of the rows agree with that to rounding. So each example has a "
        "gradient of its own, that of the loss on it alone."
    )
    end = _spread(found.end, "at the best point") if found.end is not None else ""
    return paragraph(intro) + _spread(start, "at the start") + end + f"<p class='soft'>{_DEFINITIONS}</p>"


_MADE = {
    "mean": "the mean of its values on single rows",
    "sum": "the sum of its values on single rows",
    "sum and a rest": "the sum of its values on single rows and a rest that no row changes, which is left out here",
}


def _spread(found: ExampleGradients, when: str) -> str:
    norms = found.quantiles
    rows = [
        ("norm: smallest, median, largest", ", ".join(number(norms[q]) for q in (0.0, 0.5, 1.0))),
        ("norm: the middle half", " to ".join(number(norms[q]) for q in (0.25, 0.75))),
        ("norm of the mean gradient", number(found.mean_norm)),
        ("against the mean gradient", f"{found.opposed:.0%} of them" if math.isfinite(found.opposed) else "–"),
        ("signal to noise of the mean", _unless(found.vanishes, found.signal)),
        ("gradient noise scale", _unless(found.vanishes, found.noise_scale)),
    ]
    largest = [
        (code(str(row)), number(norm), number(cosine) if math.isfinite(cosine) else "–", number(loss))
        for row, norm, cosine, loss in found.largest(_SHOWN)
    ]
    hardest = f"The {len(largest)} examples that pull hardest, {when}; rows are counted from 0"
    return (
        f"<h3>{escape(when.capitalize())}</h3>"
        + picture(figures.examples(found, when), _POINTS)
        + table(f"How the gradients spread, {when}", ("", "value"), rows, (1,))
        + table(hardest, ("row", "norm", "cosine", "loss"), largest, (1, 2, 3))
    )


def _unless(vanishes: bool, value: float) -> str:
    return "– (the mean vanishes)" if vanishes else number(value)


_POINTS = "Each point is an example. Those to the right pull hardest; those below zero pull against the others."
_DEFINITIONS = (
    "Norms are Euclidean, over everything that is varied. The cosine is that of the angle between an example’s "
    "gradient and the mean of all. Signal to noise is the norm of the mean gradient in units of its standard error, "
    "√n ‖mean‖ / √tr Σ, with Σ the covariance of the examples’ gradients: below 1, the mean’s direction is mostly "
    "chance. The gradient noise scale, tr Σ / ‖mean‖², is the number of examples at which a batch’s gradient is as "
    "much noise as signal: much smaller batches step nearly at random, much larger ones gain little (McCandlish, "
    "Kaplan &amp; Amodei, 2018)."
)

AROUND: dict[str, Callable[[Study], str]] = {
    "convexity": _convexity,
    "point": _point,
    "rates": _rates,
    "landscape": _landscape,
    "examples": _examples,
}
