"""A study in five sentences, as a person would write them; every number is the study's own."""

from __future__ import annotations

import math
from pathlib import Path

from ..analyze.convexity import Convexity
from .problem import UNNAMED
from .record import Fit, Study

_NAMED = 4  # arguments, numbers of a report
_ALIKE = 1.05
_MANY = 10  # examples, among which some are worth a look


def summary(study: Study) -> list[str]:
    """What it is, whether its gradient is right, its shape, how the search for a minimum went, what was reached.

    Sections that were not reached have no sentence.
    """
    sentences = [_what(study), _gradient(study), _shape(study), _search(study), _reached(study)]
    return [sentence for sentence in sentences if sentence]


def _what(study: Study) -> str:
    name = "The function" if study.name.startswith("<") or study.name == UNNAMED else study.name
    where = f" in {Path(study.file).name}" if study.file else ""
    numbers = f"{study.size:,} number{'s' * (study.size != 1)} ({listed(study.wrt[:_NAMED], len(study.wrt))})"
    data = ""
    if study.examples is not None:
        data = f" and averages over {study.examples.start.examples:,} examples"
        if study.examples.start.kind != "mean":
            data = f" and sums over {study.examples.start.examples:,} examples"
    values = f"it is {study.value:.4g} at the start"
    if study.best is not None:
        values += f" and {study.best.minimum.fun:.4g} at the best point found"
    return f"{name}{where} depends on {numbers}{data}; {values}."


def listed(names: tuple[str, ...] | list[str], count: int = 0) -> str:
    """Names as a sentence has them.

    >>> listed(["a", "b", "c"]), listed(["a", "b"], 5)
    ('a, b and c', 'a, b and 3 more')
    """
    if count > len(names):
        return f"{', '.join(names)} and {count - len(names)} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _gradient(study: Study) -> str:
    found = study.check
    if found is None:
        return ""
    if found.verdict == "agrees":
        if found.directions and not found.one_by_one:
            return f"Its gradient agrees with differences along a random direction, to {found.digits} digits or more."
        many = "each of them" if found.one_by_one == found.size > 1 else "all directions tried"
        which = "" if found.size == 1 else f" in {many}"
        return f"Its gradient agrees with differences of its values{which}, to {found.digits} digits or more."
    if found.verdict == "wrong":
        return f"Do not trust the rest before this is settled: {found.reason[:1].lower()}{found.reason[1:]}"
    return f"Its gradient could not be confirmed: {found.reason[:1].lower()}{found.reason[1:]}"


def _shape(study: Study) -> str:
    found = study.convexity
    if found is None:
        return ""
    if found.verdict == "convex":
        return _convex(found)
    if found.verdict == "not convex":
        return (
            "It is not convex: between two points that were found it rises above its chord, so that another start may"
            " lead to another minimum."
        )
    return "Whether it is convex is undecided, so that another start may lead to another minimum."


def _convex(found: Convexity) -> str:
    kind = "strongly convex" if found.modulus is not None else "strictly convex" if found.strict else "convex"
    where = f" where {' and '.join(found.conditions)}" if found.conditions else ""
    if found.modulus is not None and not found.conditions:
        return f"It is {kind}, which is proved: there is exactly one minimum, whatever the start."
    return f"It is {kind}{where}, which is proved: no other start can lead to a lower minimum."


def _search(study: Study) -> str:
    if not study.fits:
        return ""
    if all(fit.minimum.success and fit.minimum.nit == 0 for fit in study.fits):
        return f"At the start its gradient vanishes already{_steps(study)}."
    told = []
    arrived = [fit for fit in study.fits if fit.minimum.success]
    failed = [fit for fit in study.fits if not fit.minimum.success]
    if arrived:
        first, *others = arrived
        ways = [f"{_name(first)} arrives where the gradient vanishes after {_count(first.minimum.nit, 'iteration')}"]
        told.append(listed(ways + [f"{_name(fit)} after {fit.minimum.nit:,}" for fit in others]))
    if len(failed) > 1 and len({_why(fit) for fit in failed}) == 1:
        told.append(f"neither {' nor '.join(map(_name, failed))} arrives: {_why(failed[0])}")
    else:
        told += [f"{_name(fit)} does not arrive: {_why(fit)}" for fit in failed]
    sentence = f"{'; '.join(told)}{_steps(study)}"
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _name(fit: Fit) -> str:
    """A method as a sentence has it."""
    return {"l-bfgs": "L-BFGS", "gradient descent": "gradient descent with a line search"}.get(
        fit.minimum.method, fit.minimum.method
    )


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _why(fit: Fit) -> str:
    found = fit.minimum
    left = f"with a gradient of {found.grad_norm:.2g}"
    return {
        "max_iter": f"{found.nit:,} iterations end {left}",
        "stopped": f"{_count(found.nit, 'iteration')}, all that there was time for, end {left}",
        "stuck": f"no step lowers the value any more, {left}",
        "unbounded": "the value seems to fall without end",
    }.get(found.status, found.message)


def _steps(study: Study) -> str:
    """What the runs with fixed learning rates say."""
    if study.rates is None or not study.rates.runs:
        return ""
    settled, failed = study.rates.settled, study.rates.failed
    plain = "with fixed steps, gradient descent settles"
    if settled is None:
        return f"; {plain} at none of the learning rates tried, not even {min(r.rate for r in study.rates.runs):.3g}"
    if failed is None:
        return f"; {plain} at every learning rate tried, up to {settled.rate:.3g}"
    return f"; {plain} at a learning rate of {settled.rate:.3g}, and no longer at {failed.rate:.3g}"


def _reached(study: Study) -> str:
    best = study.best
    if best is None:
        return ""
    told = [f"{what} is {_short(number)}" for what, number in list(best.told.items())[:_NAMED]]
    kind = _kind(study)
    there = f"; there {listed(told)}" if told else ""
    return f"{kind}{there}{_next(study)}."


def _kind(study: Study) -> str:
    """What the second derivatives say of the point."""
    best, point, curvature = study.best, study.point, study.curvature
    lowest = "The best point found" if best is not None and best.minimum.success else "The lowest point found"
    if point is None:
        return lowest if best is not None and best.told else f"{lowest} was not classified"
    if point.kind == "minimum":
        narrow = ""
        if curvature is not None and curvature.condition is not None and study.size > 1:
            narrow = f", which bends {curvature.condition:.3g} times as much one way as another"
            if curvature.condition < _ALIKE:
                narrow = ", which bends alike in all directions"
        return f"{lowest} is a minimum{narrow}"
    if point.kind == "not critical" and best is not None and best.minimum.success:
        return f"{lowest} has a small gradient, and is not critical yet: Newton's step leads further"
    return f"{lowest} is {_KINDS[point.kind]}"


_KINDS = {
    "maximum": "a maximum",
    "saddle": "a saddle, from which a way leads further down",
    "inconclusive": "one whose second derivatives do not tell what it is",
    "plateau": "on a plateau, where gradient and curvature are next to nothing",
    "not critical": "not critical: the gradient does not vanish there",
}


def _short(number: float) -> str:
    return f"{number:.4g}" if math.isfinite(number) else str(number)


def _next(study: Study) -> str:
    """Where to look next."""
    if study.examples is None or study.examples.end is None or study.examples.end.examples < _MANY:
        return ""
    rows = [str(row) for row, *_ in study.examples.end.largest(3)]
    return f"; the examples to look at next are those that pull hardest: rows {listed(rows)}"
