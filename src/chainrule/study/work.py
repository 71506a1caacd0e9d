"""A study under way: what is known by now, and how much time is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from ..ir import Array
from ..numeric.landscape import Thinned
from ..numeric.layout import Layout
from ..numeric.optimize import Progress
from .problem import Problem
from .record import Study

Watch = Callable[[str, Progress | None], None]  # what is under way, and how far a minimization is
Function = TypeVar("Function", bound=Callable[..., Any])


class OutOfTime(Exception):
    """A section has used up its share of the time."""


class Work:
    """What the sections of a study hand on, and their clock. `paths` holds points of the runs, some of them."""

    study: Study
    layout: Layout

    def __init__(self, problem: Problem, watch: Watch, seconds: float) -> None:
        self.problem, self.watch = problem, watch
        self.seconds = seconds
        self.started = self.last = perf_counter()
        self.allowed = seconds
        self.value_seconds = self.gradient_seconds = 0.0  # for one evaluation
        self.paths: dict[str, Thinned] = {}
        self.steepest: tuple[Array, str] | None = None  # a direction worth looking along, and what it is

    def value_and_grad(self) -> Callable[[Any], tuple[Any, Any]]:
        """Value and gradient of what is varied; NaN where the function fails (a matrix is singular, say)."""
        both = self.problem.value_and_grad()

        def safe(varied: Any) -> tuple[Any, Any]:
            try:
                return both(varied)
            except (ArithmeticError, np.linalg.LinAlgError):
                return math.nan, self.layout.build(np.full(self.layout.size, math.nan))

        return safe

    def begin(self, share: float) -> None:
        """A section begins, and may take this share of the time; where that is used up, a third of it all the same."""
        left = self.seconds - (perf_counter() - self.started)
        self.allowed = share * self.seconds if left > share * self.seconds else max(left, share * self.seconds / 3)
        self.last = perf_counter()

    def done(self, section: str, study: Study) -> None:
        """A section is done: the study says how long it took."""
        now = perf_counter()
        spent, self.last = now - self.last, now
        self.study = replace(study, seconds={**study.seconds, section: spent})

    @property
    def left(self) -> float:
        """Seconds that the section may still take."""
        return self.allowed - (perf_counter() - self.last)

    def in_time(self, function: Function, share: float = 1.0) -> Function:
        """The same function, which raises OutOfTime when the section's time, or this share of what is left, is over."""
        reserve = (1 - share) * self.left

        def timed(*args: Any, **options: Any) -> Any:
            if self.left < reserve:
                raise OutOfTime
            return function(*args, **options)

        return timed  # type: ignore[return-value]

    def without(self, section: str, why: str) -> Study:
        """The study, with a word on why a section is missing, or not whole."""
        return replace(self.study, left_out={**self.study.left_out, section: why})
