"""Do a study, a section at a time, so that stopping it keeps what is done."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from ..api import trace
from ..errors import ArgumentError, ChainruleError
from ..explain.operations import operations
from ..ir import Program
from ..numeric.check import COMPONENTS, GradientCheck, check_gradient
from ..numeric.layout import Layout
from ..numeric.optimize import Minimum, Progress, minimize
from ..trace.record import Static, leaf_of, type_of
from ..trace.tree import flatten
from ..trace.where import describe, segment
from .explained import explained_by
from .loader import users_errors
from .problem import Problem, blame_for
from .record import Argument, Fit, Line, Study

See = Callable[[Study], None]
Watch = Callable[[str, Progress | None], None]  # what is under way, and how far a minimization is

_METHODS = {"gradient descent": 1000, "l-bfgs": 1000}  # with the iterations that each is given
_PATIENCE = 20.0  # seconds for a method, or for the check
_TOL = 1e-6


def run(problem: Problem, see: See = lambda study: None, watch: Watch = lambda what, progress: None) -> Study:
    """The whole study. `see` is called with the study after each section; Ctrl-C gives what there is by then."""
    study: Study | None = None
    try:
        for study in _stages(problem, watch):
            see(study)
            if study.interrupted:
                break
    except KeyboardInterrupt:
        if study is None:
            raise
        study = replace(study, interrupted=True)
    assert study is not None
    return study


def _stages(problem: Problem, watch: Watch) -> Iterator[Study]:
    """The study after each section."""
    clock = _Clock()
    with users_errors(problem.file):
        watch("recording", None)
        study = clock("recording", _begin(problem))
        yield study
        watch("deriving", None)
        study = clock("deriving", _explain(problem, study))
        yield study
        watch("checking", None)
        study = clock("checking", _check(problem, study))
        yield study
        for method in _METHODS:
            study = clock(method, _fit(problem, study, method, watch))
            yield study
            if study.interrupted:
                return
        yield replace(study, complete=True)


class _Clock:
    """Writes into a study how long each section took."""

    def __init__(self) -> None:
        self.last = perf_counter()

    def __call__(self, section: str, study: Study) -> Study:
        now = perf_counter()
        self.last, spent = now, now - self.last
        return replace(study, seconds={**study.seconds, section: spent})


# --- the sections -----------------------------------------------------------------------------------------------------


def _begin(problem: Problem) -> Study:
    """Record the function, and see that there is something to study."""
    both = problem.value_and_grad()
    value, _ = both(problem.start)
    if not math.isfinite(value):
        raise ArgumentError(f"{problem.name} is {value} at these arguments", hint=blame_for(problem))
    return Study(
        problem.name,
        problem.file,
        _source(problem.function),
        tuple(Argument(name, _type(value), name in problem.wrt) for name, value in problem.arguments.items()),
        problem.wrt,
        problem.chosen,
        float(value),
        program_lines(trace(problem.function, *problem.args, **problem.options)),
    )


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.cleandoc("\n" + inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def _type(value: Any) -> str:
    """An argument's type in a few words: `float64[30]`, `float64`, or what a structure holds."""
    leaves, tree = flatten(value)
    if tree.kind is not None:
        numbers = sum(np.size(leaf) for leaf in leaves)
        return f"{tree.kind.__name__} of {len(leaves)} arrays, {numbers} numbers"
    leaf = leaf_of(value, "")
    return type(value).__name__ if isinstance(leaf, Static) else str(type_of(leaf)).removesuffix("[]")


def program_lines(program: Program) -> tuple[Line, ...]:
    """A recorded program, a line for each value that it computes.

    >>> program_lines(trace(lambda x: np.tanh(x) * 2, 0.5))[0].computed
    'np.tanh(x)'
    """
    names = program.names()
    lines = []
    for e, computed in operations(program):
        name = ", ".join(names[v] for v in e.outputs)
        types = ", ".join(str(v.type) for v in e.outputs)
        written, where = (segment(e.where), describe(e.where)) if e.where else ("", "")
        lines.append(Line(name, types, computed, written, where))
    return tuple(lines)


def _explain(problem: Problem, study: Study) -> Study:
    """The gradient as a formula, and how it comes about. A formula that can't be had is no reason to stop."""
    try:
        return replace(study, explained=explained_by(problem))
    except ChainruleError as error:
        note = f"There is no formula for this function: {error.message}."
    except Exception as error:
        note = f"Explaining this function failed, which is a mistake of ours: {type(error).__name__}: {error}"
    return replace(study, notes=(*study.notes, note))


def _check(problem: Problem, study: Study) -> Study:
    return replace(study, check=check_problem(problem))


def check_problem(problem: Problem) -> GradientCheck:
    """Compare the gradient with differences, as many components as patience allows."""
    _, gradient = problem.value_and_grad()(problem.start)
    _, tree = flatten(problem.start)
    names = [_path(problem.wrt, path) for path in tree.paths()]
    layout = Layout(problem.start)

    def value(arrays: list[Any]) -> float:
        flat = np.concatenate([np.ravel(a) for a in arrays])
        return float(problem(layout.build(flat)))

    start = perf_counter()
    value(layout.leaves)
    each = 20 * (perf_counter() - start)  # about as many values are asked for in a comparison
    components = int(np.clip(_PATIENCE / max(each, 1e-9), 4, COMPONENTS))
    gradients = [np.asarray(g) for g in flatten(gradient)[0]]
    return check_gradient(value, gradients, layout.leaves, names, components=components)


def _path(wrt: tuple[str, ...], path: str) -> str:
    """`[1]['w']` of the varied arguments, under the argument's own name."""
    index, _, rest = path[1:].partition("]")
    return wrt[int(index)] + rest


def _fit(problem: Problem, study: Study, method: str, watch: Watch) -> Study:
    """Minimize by one method, no longer than patience lasts."""
    start = perf_counter()
    watch(method, None)

    def callback(progress: Progress) -> bool:
        watch(method, progress)
        return perf_counter() - start > _PATIENCE

    found = minimize(
        problem.value_and_grad(), problem.start, method=method, tol=_TOL, max_iter=_METHODS[method], callback=callback
    )
    if found.status == "stopped":
        found = replace(found, message=found.message.replace("by the callback", f"after {_PATIENCE:g} seconds"))
    fit = _told(problem, found)
    return replace(study, fits=(*study.fits, fit), interrupted=found.status == "interrupted")


def _told(problem: Problem, found: Minimum) -> Fit:
    """The fit, with what the file's own report makes of it."""
    if problem.report is None:
        return Fit(found, {})
    try:
        return Fit(found, problem.report(problem.with_(found.x)))
    except ChainruleError as error:
        return Fit(found, {}, note=f"report: {error.message}")
