"""The sections of a study that look around: convexity, curvature, learning rates, the landscape, the examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..api import Call
from ..api.curvature import Vectors, is_quadratic
from ..api.examples import Rows
from ..errors import ArgumentError
from ..numeric.example_gradients import example_gradients
from ..numeric.landscape import landscape as values_around
from ..numeric.optimize import Progress, minimize
from ..numeric.spectrum import spectrum
from ..numeric.steps import LearningRate, learning_rate_of
from .record import Examples, Rates, Run, Study
from .sections import path_of
from .work import Work

_FACTORS = (0.05, 0.5, 0.95, 1.05)  # of the largest stable learning rate at the start
_DOUBLINGS = 6  # beyond it, as long as runs go down
_STEPS, _FEWEST = 100, 5  # of a run with a learning rate
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


# --- curvature and learning rates -------------------------------------------------------------------------------------


def rates(work: Work) -> Study:
    """The curvature at the start, and runs of gradient descent with fixed learning rates, beside each other."""
    answer = _curvature(work)
    base = answer.largest
    if base is None:
        return replace(work.study, rates=Rates(answer, (), "So there is no rate to begin with: none was tried."))
    steps = int(np.clip(work.left / (len(_FACTORS) + _DOUBLINGS) / max(work.gradient_seconds, 1e-9), 0, _STEPS))
    if steps < _FEWEST:
        return replace(work.study, rates=Rates(answer, (), f"No run was tried: {_FEWEST} steps would take too long."))
    runs = [_run(work, base, factor, steps) for factor in _FACTORS]
    for doubling in range(1, _DOUBLINGS + 1):
        if not runs[-1].settles or work.left < 0:
            break
        runs.append(_run(work, base, float(2**doubling), steps))
    return replace(work.study, rates=Rates(answer, tuple(runs)))


def _curvature(work: Work) -> LearningRate:
    """Both ends of the Hessian's spectrum at the start, as long as time allows."""
    function, args = work.problem.plain
    call = Call(function, args, {}, work.problem.slots)
    vectors = Vectors(call)
    ends = spectrum(work.in_time(vectors.product(call)), vectors.size, vectors.precision)
    return learning_rate_of(ends, is_quadratic(call))


def _run(work: Work, base: float, factor: float, steps: int) -> Run:
    """Gradient descent with one learning rate."""
    rate = factor * base
    values = [work.study.value]

    def after(progress: Progress) -> bool:
        values.append(progress.fun)
        return work.left < -work.allowed

    found = minimize(
        work.problem.value_and_grad(), work.problem.start, method="gradient descent", learning_rate=rate,
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
    return replace(study, examples=Examples(start, _examples_at(work, best.minimum.x)))


def _examples_at(work: Work, varied: tuple[Any, ...]) -> Any:
    function, _ = work.problem.plain
    loss = Rows.of(function, work.problem.at(varied), work.problem.slots)
    for name in ("value", "gradient", "_mapped"):  # whatever asks the function stops when time is over
        setattr(loss, name, work.in_time(getattr(loss, name)))
    sample = int(np.clip(_NUMBERS / work.layout.size, *_EXAMPLES))
    return example_gradients(loss, loss.start, loss.names, sample=sample)


def landscape(work: Work) -> Study:
    """The values around the path, on the plane in which it mostly lies."""
    best = work.study.best
    if best is None:
        raise ArgumentError("there is no path to look around")
    order = sorted(work.paths, key=lambda method: method != best.minimum.method)
    paths = {method: work.paths[method].points for method in order}
    found = values_around(
        lambda x: work.problem(work.layout.build(x)), paths,
        names=_component_names(work), second=lambda: work.steepest, seconds=work.allowed,
    )  # fmt: skip
    return replace(work.study, landscape=found)


def _component_names(work: Work) -> tuple[str, ...]:
    names = []
    for leaf, path in zip(work.layout.leaves, work.layout.tree.paths(), strict=True):
        name = path_of(work.problem.wrt, path)
        names += [name + (f"[{', '.join(map(str, i))}]" if i else "") for i in np.ndindex(leaf.shape)][:2]
    return tuple(names)
