"""Where the rules of a derivation hold: where each function in it is defined and has a slope, as the table says.

>>> import numpy as np
>>> from chainrule import trace
>>> conditions(trace(lambda x: np.log(x) / (x - 1) + np.abs(x + 2), 1.0))
('x > 0', 'x − 1 ≠ 0', 'x + 2 ≠ 0')
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ..ir import Program
from ..ops.arithmetic import fmax, fmin, maximum, minimum
from ..ops.elementary import cos, tan
from ..ops.sets import REALS
from .continuity import Demand, ends_there, inside_bars
from .expression import Applied, Expr, TooLarge, Unreadable, apply, number, positive, var_of
from .expression_program import read

SHOWN = 6  # more conditions than these, and those of a step function, help nobody


def conditions(program: Program) -> tuple[str, ...]:
    """What the rules need of a function of numbers, in the order in which it is read; empty where that is all reals.

    Of a program with parts that are no functions of numbers, nothing is said.
    """
    try:
        found = dict.fromkeys(str(demand) for demand in _needed(read(program)))
    except (Unreadable, TooLarge):
        return ()
    return tuple(found) if len(found) <= SHOWN else ()


def _needed(u: Expr) -> Iterator[Demand]:
    for t in u.terms:
        for factor, n in t.powers:
            base = factor if isinstance(factor, Expr) else var_of(factor)
            if not base.variables or positive(base):
                pass
            elif n.denominator > 1:
                yield Demand(base, low=0.0, open=n < 1)
            elif n < 0:
                yield Demand(base, not_zero=True)
            if isinstance(factor, Expr):
                yield from _needed(factor)
            elif isinstance(factor, Applied):
                yield from _of_function(factor)


def _of_function(factor: Applied) -> Iterator[Demand]:
    op = factor.op
    for i, (a, domain) in enumerate(zip(factor.args, op.domain, strict=True)):
        known = domain == REALS or (domain.low == 0 and positive(a))
        if domain.low == 0 and domain.open_low and inside_bars(a) != a:  # |x| > 0
            yield Demand(inside_bars(a), not_zero=True)
        elif a.variables and not domain.whole and not known and ends_there(op, i):
            yield Demand(a, low=domain.low, high=domain.high, open=domain.open_low or domain.open_high)
        for kink in op.kinks if len(op.kinks) < 3 and a.variables else ():
            yield Demand(a - number(Fraction(kink)), not_zero=True)
        yield from _needed(a)
    if op is tan:
        yield Demand(apply(cos, *factor.args), not_zero=True)
    if op in (maximum, minimum, fmax, fmin):
        yield Demand(factor.args[0] - factor.args[1], not_zero=True)
