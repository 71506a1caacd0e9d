"""Functions read as mathematics: what was recorded, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import explain as _package  # noqa: F401  imported now, it can't take the place of the function later
from ..ir import Program
from ..trace.record import name_variables
from ..trace.recorder import Traced
from .call import Call, Function, Wrt, public

if TYPE_CHECKING:  # the readers are imported when they are used
    from ..explain.derive import Derivation
    from ..explain.explanation import Explanation


@public
def trace(f: Function, *args: Any, **options: Any) -> Program:
    """The Program that `f` runs on arguments like these (with masks, on these arguments): print it, transform it.

    >>> print(trace(lambda x: np.tanh(x) * 2, 0.5))  # doctest: +ELLIPSIS
    <lambda>(x: float64[]):
      a: float64[] = tanh(x)...
    """
    return name_variables(Call(f, args, options).program)


@public
def explain(f: Function, *args: Any, wrt: Wrt = 0) -> Explanation:
    """The gradient of `f` in matrix notation, its derivation, the backpropagation table, NumPy code, and what it costs.

    `f` returns one number. The result prints well; its fields are listed with the record.

    >>> answer = explain(lambda w, X, y: np.mean((X @ w - y) ** 2), np.ones(2), np.eye(2), np.zeros(2))
    >>> print(answer.gradient)
    ∇w f = (2/n) Xᵀ (X w − y)
      where n = 2
    """
    from ..explain.explanation import explanation

    call = Call(f, args, {}, wrt)
    call.scalar("an explanation")
    call.one_course("an explanation")
    call.written_out("an explanation")
    values = call.inputs
    known = None if any(isinstance(v, Traced) for v in values) else values
    return explanation(name_variables(call.program), call.wanted, known)


@public
def derive(f: Function | str, *, wrt: int | str | None = None) -> Derivation:
    """The derivative of a function of numbers, or of an expression, with every step and its rule.

    `wrt` is the argument in which to differentiate: by default the first; of an expression, its one name, or x.

    >>> print(derive("x**2 * sin(x)").result)
    f′(x) = 2 x sin(x) + x² cos(x)
    >>> derive(lambda t: np.exp(-2 * t)).derivative(0.0)
    np.float64(-2.0)
    """
    from ..explain.derive import derivation
    from ..explain.parse import numbers_taken, parse, variable_of

    function: Function = parse(f) if isinstance(f, str) else f
    call = Call(function, (0.5,) * numbers_taken(function), {}, variable_of(function) if wrt is None else wrt)
    call.scalar("a derivation")
    call.one_course("a derivation")
    call.written_out("a derivation")
    return derivation(name_variables(call.program), call.wanted[0], call.inputs[len(call.recording.dynamic) :])
