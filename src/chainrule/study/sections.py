"""The sections of a study that record the function, derive, check, and minimize it."""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from ..api import gradient_norms, trace
from ..errors import ArgumentError, ChainruleError
from ..explain.operations import operations
from ..ir import Array, Program
from ..numeric.check import COMPONENTS, GradientCheck, check_gradient
from ..numeric.landscape import Thinned
from ..numeric.layout import Layout
from ..numeric.optimize import Minimum, Progress, minimize
from ..trace.record import Static, leaf_of, type_of
from ..trace.tree import flatten
from ..trace.where import describe, segment
from .explained import explained_by
from .problem import Problem, blame_for
from .record import Argument, Fit, Line, Study
from .work import OutOfTime, Work

_MAX_ITER = 1000
_TOL = 1e-6
_FEW = 8  # comparisons
_VALUES = 50  # asked for in a comparison, at most
_NAMED = 12  # arrays whose gradients are followed one by one


def begin(work: Work) -> Study:
    """Record the function, and see that there is something to study."""
    problem = work.problem
    both = problem.value_and_grad()
    value, _ = both(problem.start)
    if not math.isfinite(value):
        raise ArgumentError(f"{problem.name} is {value} at these arguments", hint=blame_for(problem))
    work.layout = Layout(problem.start)
    work.value_seconds = time_of(lambda: problem(problem.start))
    work.gradient_seconds = time_of(lambda: both(problem.start))
    return Study(
        problem.name,
        problem.file,
        _source(problem.function),
        tuple(Argument(name, _type(value), name in problem.wrt) for name, value in problem.arguments.items()),
        problem.wrt,
        work.layout.size,
        problem.chosen,
        float(value),
        program_lines(trace(problem.function, *problem.args, **problem.options)),
    )


def time_of(call: Callable[[], Any]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


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


def explain(work: Work) -> Study:
    """The gradient as a formula, and how it comes about."""
    return replace(work.study, explained=explained_by(work.problem))


def sizes(work: Work) -> Study:
    """How large gradients are on their way back through the program."""
    function, args = work.problem.plain
    return replace(work.study, sizes=gradient_norms(function, *args, wrt=work.problem.slots))


# --- the check --------------------------------------------------------------------------------------------------------


def check(work: Work) -> Study:
    """Compare the gradient with differences."""
    try:
        found = check_problem(work.problem, work.allowed, work.in_time)
    except OutOfTime:
        found = check_problem(work.problem, 0.0)
    return replace(work.study, check=found)


def check_problem(
    problem: Problem, seconds: float = 20.0, in_time: Callable[[Any], Any] = lambda function: function
) -> GradientCheck:
    """Compare the gradient with differences, as many components as there is time for."""
    _, gradient = problem.value_and_grad()(problem.start)
    _, tree = flatten(problem.start)
    names = [path_of(problem.wrt, path) for path in tree.paths()]
    layout = Layout(problem.start)

    def value(arrays: list[Any]) -> float:
        flat = np.concatenate([np.ravel(a) for a in arrays])
        return float(problem(layout.build(flat)))

    each = _VALUES * time_of(lambda: value(layout.leaves))
    gradients = [np.asarray(g) for g in flatten(gradient)[0]]
    singles = seconds / max(each, 1e-9)
    if layout.size > min(singles, COMPONENTS):
        singles -= 2 * _FEW  # some time goes to directions, then
    if singles < min(layout.size, _FEW):
        return _along_one_line(in_time(value), gradients, layout)
    components = int(np.clip(singles, 1, COMPONENTS))
    return check_gradient(in_time(value), gradients, layout.leaves, names, components=components)


def _along_one_line(value: Callable[[list[Any]], float], gradients: list[Array], layout: Layout) -> GradientCheck:
    """All that a slow function allows: the slope along one random direction, in which every component has a part."""
    rng = np.random.default_rng(0)
    moves = [np.asarray(rng.choice([-1, 1], a.shape) * np.maximum(np.abs(a), 0.1), a.dtype) for a in layout.leaves]
    slope = np.asarray(sum(float(np.sum(g * v)) for g, v in zip(gradients, moves, strict=True)))

    def line(t: list[Array]) -> float:
        return value([a + v * v.dtype.type(t[0]) for a, v in zip(layout.leaves, moves, strict=True)])

    found = check_gradient(line, [slope], [np.zeros((), layout.leaves[0].dtype)], ["one random direction"])
    reason = found.reason.replace("in its one component", "along one random direction, the only one there was time for")
    return replace(found, reason=reason, size=layout.size, one_by_one=0, directions=1)


def path_of(wrt: tuple[str, ...], path: str) -> str:
    """`[1]['w']` of the varied arguments, under the argument's own name."""
    index, _, rest = path[1:].partition("]")
    return wrt[int(index)] + rest


# --- the minimum ------------------------------------------------------------------------------------------------------


def fit(method: str) -> Callable[[Work], Study]:
    """The section that minimizes by one method, no longer than its time lasts."""

    def section(work: Work) -> Study:
        watched = _Watched(work, method)
        found = minimize(
            watched.both, work.problem.start, method=method, tol=_TOL, max_iter=_MAX_ITER, callback=watched.after
        )
        if found.status == "stopped":
            found = replace(
                found, message=found.message.replace("by the callback", f"after {work.allowed:.2g} seconds")
            )
        work.paths[method] = watched.path
        told = _told(work.problem, found)
        made = replace(told, names=watched.names, iterations=tuple(watched.followed), norms=watched.norms)
        return replace(work.study, fits=(*work.study.fits, made), interrupted=found.status == "interrupted")

    return section


class _Watched:
    """A minimization that is looked at: the points it goes through, and the gradient of each array there."""

    def __init__(self, work: Work, method: str) -> None:
        self.work, self.method = work, method
        self.function = work.value_and_grad()
        paths = [path_of(work.problem.wrt, path) for path in work.layout.tree.paths()]
        self.names = tuple(paths) if len(paths) <= _NAMED else ()
        self.path = Thinned(work.layout.size)
        self.recent: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=100)  # a line search asks for many values
        self.followed: dict[int, tuple[float, ...]] = {}

    def both(self, varied: Any) -> tuple[Any, Any]:
        """Value and gradient; the sizes of the gradient's parts are remembered."""
        value, gradient = self.function(varied)
        if self.names:
            sizes = tuple(float(np.linalg.norm(np.ravel(g))) for g in flatten(gradient)[0])
            self.recent.append((float(value), sizes))
            if not self.followed:
                self.followed[0] = sizes
        if not self.path.iterations:
            self.path.add(0, self.work.layout.flat(varied))
        return value, gradient

    def after(self, progress: Progress) -> bool:
        """Called after each iteration; says whether the time is over."""
        self.work.watch(self.method, progress)
        self.path.add(progress.nit, self.work.layout.flat(progress.x))
        known = next((sizes for value, sizes in reversed(self.recent) if value == progress.fun), None)
        if known is not None:
            self.followed[progress.nit] = known
        return self.work.left < 0

    @property
    def norms(self) -> tuple[tuple[float, ...], ...]:
        """For each array, the size of its gradient at each iteration that was followed."""
        return tuple(zip(*self.followed.values(), strict=True)) if self.followed else ()


def _told(problem: Problem, found: Minimum) -> Fit:
    """The fit, with what the file's own report makes of it."""
    if problem.report is None:
        return Fit(found, {})
    try:
        return Fit(found, problem.report(problem.with_(found.x)))
    except ChainruleError as error:
        return Fit(found, {}, note=f"report: {error.message}")
