"""Do a study, a section at a time, so that stopping it keeps what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ChainruleError
from . import around, sections
from .loader import users_errors
from .problem import Problem
from .record import Study
from .work import OutOfTime, Watch, Work

See = Callable[[Study], None]

SECONDS = 60.0  # for all of it, unless said otherwise


@dataclass(frozen=True)
class Section:
    """A part of the study: what it is called while it is done, and the share of the time that it may take."""

    key: str
    doing: str
    work: Callable[[Work], Study]
    share: float
    part_of: str = ""  # the section of the report that it belongs to, if that has another name


SECTIONS = (
    Section("derivation", "deriving", sections.explain, 0.05),
    Section("check", "checking", sections.check, 0.15),
    Section("sizes", "measuring gradients", sections.sizes, 0.05),
    Section("convexity", "looking for a proof of convexity", around.convexity, 0.05),
    Section("gradient descent", "gradient descent", sections.fit("gradient descent"), 0.1, "minimum"),
    Section("l-bfgs", "l-bfgs", sections.fit("l-bfgs"), 0.2, "minimum"),
    Section("point", "classifying the point", around.point, 0.1),
    Section("rates", "trying learning rates", around.rates, 0.15),
    Section("landscape", "looking around the path", around.landscape, 0.1),
    Section("examples", "going through the examples", around.examples, 0.1),
)


def run(
    problem: Problem,
    see: See = lambda study: None,
    watch: Watch = lambda what, progress: None,
    seconds: float = SECONDS,
) -> Study:
    """The whole study. `see` is called with the study after each section; Ctrl-C gives what there is by then."""
    study: Study | None = None
    try:
        for study in _stages(problem, watch, seconds):
            see(study)
            if study.interrupted:
                break
    except KeyboardInterrupt:
        if study is None:
            raise
        study = replace(study, interrupted=True)
    assert study is not None
    return study


def _stages(problem: Problem, watch: Watch, seconds: float) -> Iterator[Study]:
    """The study after each section."""
    work = Work(problem, watch, seconds)
    watch("recording", None)
    with users_errors(problem.file):
        work.done("recording", sections.begin(work))
    yield work.study
    for section in SECTIONS:
        watch(section.doing, None)
        work.begin(section.share)
        work.done(section.key, _attempt(section, work))
        yield work.study
        if work.study.interrupted:
            return
    yield replace(work.study, complete=True)


def _attempt(section: Section, work: Work) -> Study:
    """A section that can't be done is no reason to stop: the study says why it is missing."""
    key = section.part_of or section.key
    try:
        with users_errors(work.problem.file), np.errstate(all="ignore"):
            return section.work(work)
    except OutOfTime:
        return work.without(key, f"left out after {work.allowed:.2g} seconds, which is its share of the time")
    except ChainruleError as error:
        return work.without(key, error.message + (f" ({error.where})" if error.where else ""))
    except Exception as error:
        told = f"this failed, which is a mistake of ours: {type(error).__name__}: {error}"
        return work.without(key, told)
