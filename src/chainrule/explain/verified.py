"""What is shown of a gradient has been run: on the user's values, it agrees with the gradient that we compute.

A rewrite for readers that goes wrong is caught here: then the gradient is shown as it was derived, and code that can't
be trusted is not shown at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..execute import run
from ..ir import Array, Program
from ..transform.simplify import simplify
from .formula import Typesetter
from .source import Source, gradient_source
from .textbook import Counted, gradient_program, plain_gradient, typesetter, with_book_rules, with_counts

TOLERANCE = {4: 1e-3, 8: 1e-6}  # relative to the largest entry, by the bytes of a number


class Shown(NamedTuple):
    """The gradient typeset, and as code."""

    setter: Typesetter
    code: Source


def verified(program: Program, wanted: Sequence[int], values: Sequence[Any] | None) -> Shown:
    """The most readable form of a gradient that agrees at these values; without values, the most readable."""
    accurate = Counted(simplify(plain_gradient(Counted(program, {}), wanted).program), {})
    judge = None if values is None else _judge(accurate.program, values)
    if judge is None:  # nothing to compare with
        setter = typesetter(gradient_program(program, wanted))
        return Shown(setter, gradient_source(program, wanted, setter=setter))
    setter = typesetter(next((form for form in _forms(program, wanted) if judge.formula(form)), accurate))
    for form in (setter, accurate):
        code = _attempt(_written, program, wanted, form)
        if code is not None and judge.code(code):
            return Shown(setter, code)
    return Shown(setter, NO_CODE)


def _written(program: Program, wanted: Sequence[int], form: Typesetter | Counted) -> Source:
    return gradient_source(program, wanted, setter=typesetter(form) if isinstance(form, Counted) else form)


_WHY = "no NumPy code was found that computes this gradient: use chainrule.grad"
NO_CODE = Source(f'def gradient(*arguments):\n    raise NotImplementedError("{_WHY}")\n', "gradient", ())


def _forms(program: Program, wanted: Sequence[int]) -> Iterator[Counted]:
    """Rewritten for a reader, then just as a book derives it."""
    yield gradient_program(program, wanted)
    book = plain_gradient(with_counts(with_book_rules(program)), wanted)
    yield Counted(simplify(book.program), book.counts)


# --- judging ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judge:
    """The gradient at a point, and how far from it a form for readers may be there."""

    values: Sequence[Any]
    truth: Sequence[Array]
    allowed: Sequence[Any]

    def formula(self, form: Counted) -> bool:
        """Whether the program behind a formula agrees; where a textbook form overflows, it says nothing wrong."""
        found = _attempt(run, form.program, [*self.values, *form.counts.values()])
        return found is not None and self._agrees([np.where(np.isfinite(x), x, y) for x, y in self._pairs(found)])

    def code(self, code: Source) -> bool:
        """Whether the code runs and agrees."""
        found = _attempt(code.function(), *self.values)
        if found is None:
            return False
        found = (found,) if len(self.truth) == 1 else found
        return all(np.shape(x) == np.shape(y) for x, y in self._pairs(found)) and self._agrees(found)

    def _pairs(self, found: Sequence[Any]) -> Iterator[tuple[Any, Array]]:
        return zip(found, self.truth, strict=True)

    def _agrees(self, found: Sequence[Any]) -> bool:
        each = zip(found, self.truth, self.allowed, strict=True)
        with np.errstate(all="ignore"):
            return all(bool(np.all((np.abs(x - y) <= near) | ~np.isfinite(y))) for x, y, near in each)


def _judge(accurate: Program, values: Sequence[Any]) -> _Judge | None:
    """The judge at a point; None where there is no gradient."""
    truth = _attempt(run, accurate, values)
    if truth is None:
        return None
    moved = _attempt(run, accurate, [_moved(np.asarray(x)) for x in values])
    return _Judge(values, truth, [_allowed(x, y) for x, y in zip(truth, moved or truth, strict=True)])


def _moved(x: Array) -> Array:
    """x, another number in the last two or three digits."""
    if x.dtype.kind != "f":
        return x
    wiggle = np.cos(np.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    return np.asarray(x * (1 + 500 * np.finfo(x.dtype).eps * wiggle))


def _allowed(x: Array, moved: Array) -> Any:
    """How far a gradient may be from x: some digits of its largest entry, and what roundings alone can do."""
    size, roundings = (np.max(np.abs(a), where=np.isfinite(a), initial=0.0) for a in (x, moved - x))
    return TOLERANCE[x.dtype.itemsize] * size + roundings


def _attempt(what: Callable[..., Any], *args: Any) -> Any:
    """The answer, or None where there is none: a reader gets another form then, not an error."""
    try:
        with np.errstate(all="ignore"):
            return what(*args)
    except Exception:
        return None
