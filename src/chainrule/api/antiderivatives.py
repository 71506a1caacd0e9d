"""The antiderivative of a function of numbers, at once."""

from __future__ import annotations

from ..errors import ArgumentError
from ..explain.antiderive import Antiderivative, antiderivation
from ..explain.parse import numbers_taken, parse, variable_of
from ..trace.record import name_variables
from .call import Call, Function, public


@public
def antiderive(f: Function | str, *, wrt: int | str | None = None) -> Antiderivative:
    """An antiderivative (indefinite integral) of a function of numbers, or of an expression, step by step.

    `wrt` is the variable of integration: by default the first argument; of an expression, its one name, or x. Other
    arguments are constants. Where no rule leads to a closed form, `found` is False and `reason` names the integral
    at which the rules end; that does not prove that there is none. Every result has been differentiated back by the
    engine, and compared with `f` at points (`checked` of them).

    >>> print(antiderive("x * exp(-x)").result)
    ∫ f(x) dx = −x exp(−x) − exp(−x) + C
    >>> float(antiderive(lambda t: 3 * t**2)(2.0))
    8.0
    >>> print(antiderive("exp(x) / x").reason)
    No rule here finds ∫ exp(x)/x dx, so the integral is left as it is.
    """
    if isinstance(wrt, tuple):
        raise ArgumentError("an antiderivative is in one variable", hint="give wrt one name or position")
    function: Function = parse(f) if isinstance(f, str) else f
    call = Call(function, (0.5,) * numbers_taken(function), {}, variable_of(function) if wrt is None else wrt)
    call.scalar("an antiderivative")
    call.one_course("an antiderivative")
    call.written_out("an antiderivative")
    return antiderivation(name_variables(call.program), call.wanted[0], call.inputs[len(call.recording.dynamic) :])
