"""The sections of a study that look around: convexity, curvature, learning rates, the landscape, the examples."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from .. import api
from ..api import Call
from ..api.curvature import Vectors, around_of, critical_point_of, is_quadratic
from ..api.examples import Rows
from ..errors import ArgumentError
from ..numeric.example_gradients import ExampleGradients, example_gradients
from ..numeric.krylov import rough_spectrum
from ..numeric.landscape import landscape as values_around
from ..numeric.optimize import Progress, minimize
from ..numeric.spectrum import Spectrum, spectrum
from ..numeric.steps import learning_rate_of
from .record import Examples, Rates, Run, Section, Study
from .sections import path_of, time_of
from .work import OutOfTime, Work

_FACTORS = (0.05, 0.5, 0.95, 1.05)  # of the largest stable learning rate at the start
_DOUBLINGS = 6  # beyond it, as long as runs go down
_STEPS, _FEWEST = 100, 5  # of a run with a learning rate
_PRODUCTS = 600  # with the Hessian, about as many as the ends of its spectrum may take
_ROUGH = 60  # products of a rough look
_VECTORS = 2**24  # numbers in the vectors of a rough look
_ALONG = 61  # points on a chord
_TOL = 1e-6
_ENDED = {
    "converged": "the gradient vanished",
    "rounding": "the gradient vanished, to rounding",
    "max_iter": "its steps were used up",
    "not finite": "the value was no longer finite",
    "unbounded": "the value fell without end",
    "stopped": "its time was used up",
}
_NUMBERS = 2e8  # in the gradients of single examples that are looked at
_EXAMPLES = 32, 4096  # at least, at most


# --- convexity --------------------------------------------------------------------------------------------------------


def convexity(work: Work) -> Study:
    """A proof that the function is convex, or a chord that it rises above, and the function along that chord."""
    function, args = work.problem.plain
    found = api.convexity(function, *args, wrt=work.problem.slots, seconds=work.allowed)
    study = replace(work.study, convexity=found)
    if found.chord is None:
        return study
    x, y = (work.layout.flat(end) for end in (found.chord.x, found.chord.y))
    along = np.linspace(0.0, 1.0, _ALONG if work.value_seconds * _ALONG < work.left else 3)
    values = [float(work.problem(work.layout.build((1 - t) * x + t * y))) for t in along]
    return replace(study, chord=Section(tuple(along.tolist()), tuple(values)))


# --- curvature and learning rates -------------------------------------------------------------------------------------


def point(work: Work) -> Study:
    """What kind of point was reached, and the curvature there."""
    best = work.study.best
    if best is None or not math.isfinite(best.minimum.fun):
        raise ArgumentError("no point was reached")
    call, ends, rough = _curvature(work, best.minimum.x)
    work.steepest = ends.high_vector, "that of the largest curvature at the point reached"
    study = replace(work.study, curvature=learning_rate_of(ends, is_quadratic(call)))
    if rough:
        missing = "the kind of the point is left out: there was only time for a rough look at the curvature"
        return replace(study, left_out={**study.left_out, "point": missing})
    around = around_of(call)
    timed = replace(
        around,
        value_and_gradient=work.in_time(around.value_and_gradient),
        product_at=lambda x: work.in_time(around.product_at(x)),
    )
    return replace(study, point=critical_point_of(call, timed, ends))


def rates(work: Work) -> Study:
    """The curvature at the start, and runs of gradient descent with fixed learning rates, beside each other."""
    call, ends, _ = _curvature(work, work.problem.start)
    answer = learning_rate_of(ends, is_quadratic(call))
    base = answer.largest
    if base is None:
        return replace(work.study, rates=Rates(answer, (), "So there is no rate to begin with: none was tried."))
    steps = int(np.clip(work.left / len(_FACTORS) / max(work.gradient_seconds, 1e-9), 0, _STEPS))
    if steps < _FEWEST:
        return replace(work.study, rates=Rates(answer, (), f"No run was tried: {_FEWEST} steps would take too long."))
    runs = [_run(work, base, factor, steps) for factor in _FACTORS]
    for doubling in range(1, _DOUBLINGS + 1):
        if not runs[-1].settles or work.left < 0:
            break
        runs.append(_run(work, base, float(2**doubling), steps))
    return replace(work.study, rates=Rates(answer, tuple(runs)))


def _curvature(work: Work, varied: tuple[Any, ...]) -> tuple[Call, Spectrum, bool]:
    """Both ends of the Hessian's spectrum at a point, and whether there was only time for a few products."""
    function, _ = work.problem.plain
    call = Call(function, work.problem.at(varied), {}, work.problem.slots)
    vectors = Vectors(call)
    product = vectors.product(call)
    direction = np.random.default_rng(0).normal(size=vectors.size)
    product(direction)
    each = time_of(lambda: product(direction))
    allowed = work.left
    if each * min(vectors.size, _PRODUCTS) < allowed:
        with suppress(OutOfTime):
            return call, spectrum(work.in_time(product, 0.7), vectors.size, vectors.precision), False
    steps = int(min(allowed / 4 / each, _VECTORS / vectors.size, _ROUGH))
    if steps < _FEWEST:
        raise ArgumentError(f"there is no time for the curvature: a product with the Hessian takes {each:.2g} s")
    return call, rough_spectrum(product, vectors.size, vectors.precision, steps), True


def _run(work: Work, base: float, factor: float, steps: int) -> Run:
    """Gradient descent with one learning rate."""
    rate = factor * base
    values = [work.study.value]

    def after(progress: Progress) -> bool:
        values.append(progress.fun)
        return work.left < -work.allowed

    found = minimize(
        work.value_and_grad(), work.problem.start, method="gradient descent", learning_rate=rate,
        max_iter=steps, tol=_TOL, callback=after,
    )  # fmt: skip
    if found.status == "interrupted":
        raise KeyboardInterrupt
    return Run(factor, rate, found.regime or "none of the five", tuple(values), _ENDED.get(found.status, found.status))


# --- examples and landscape -------------------------------------------------------------------------------------------


def examples(work: Work) -> Study:
    """The gradients of single examples at the start, and at the best point."""
    start = _examples_at(work, work.problem.start)
    study = replace(work.study, examples=Examples(start))
    best = work.study.best
    if best is None or best.minimum.nit == 0:
        return study
    return replace(study, examples=Examples(start, _examples_at(work, best.minimum.x, start.kind)))


def _examples_at(work: Work, varied: tuple[Any, ...], kind: str | None = None) -> ExampleGradients:
    function, _ = work.problem.plain
    loss = Rows.of(function, work.problem.at(varied), work.problem.slots)
    for name in ("value", "gradient", "_mapped"):  # whatever asks the function stops when time is over
        setattr(loss, name, work.in_time(getattr(loss, name)))
    sample = int(np.clip(_NUMBERS / work.layout.size, *_EXAMPLES))
    return example_gradients(loss, loss.start, loss.names, sample=sample, kind=kind)


def landscape(work: Work) -> Study:
    """The values around the path, on the plane in which it mostly lies."""
    best = work.study.best
    if best is None:
        raise ArgumentError("there is no path to look around")
    order = sorted(work.paths, key=lambda method: method != best.minimum.method)
    paths = {method: work.paths[method].points for method in order}
    recorded = work.value_and_grad()
    quicker = work.gradient_seconds < work.value_seconds
    found = values_around(
        lambda x: (recorded(work.layout.build(x))[0] if quicker else work.problem(work.layout.build(x))), paths,
        names=_component_names(work), second=lambda: work.steepest, seconds=work.allowed,
    )  # fmt: skip
    return replace(work.study, landscape=found)


def _component_names(work: Work) -> tuple[str, ...]:
    names = []
    for leaf, path in zip(work.layout.leaves, work.layout.tree.paths(), strict=True):
        name = path_of(work.problem.wrt, path)
        names += [name + (f"[{', '.join(map(str, i))}]" if i else "") for i in np.ndindex(leaf.shape)][:2]
    return tuple(names)
