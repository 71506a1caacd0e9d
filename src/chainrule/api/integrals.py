"""Definite integrals of functions of one real number."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, DtypeError, IntegralError, ShapeError
from ..execute import kept, memo
from ..explain.parse import numbers_taken, parse
from ..ir import Program
from ..native import function_object
from ..numeric import inside as _inside_programs
from ..numeric.integral import FARTHEST, TOL, Integral, integral, limits, of_function, of_program
from ..numeric.proved import EVALUATIONS, area, is_proved, is_wide
from ..ops.arithmetic import convert
from ..ops.control import Body
from ..ops.control import integral as op
from ..ops.op import apply
from ..trace.record import current
from ..trace.recorder import Recorder, Traced
from ..trace.tree import flatten
from ..transform import leibniz as _rules
from .call import Call, Function, public
from .planned import Plan, Reading, show


@public
def integrate(f: Function | str, a: Any, b: Any, args: Any = (), *, tol: float = TOL) -> Any:
    """The integral of `f(x, *args)` over x from `a` to `b`: signed area, with an error that holds.

    `f` takes one real number and returns one, or is an expression in one variable ("x * exp(-x)"). Limits may be
    infinite (`np.inf`); with `a > b` the sign turns. The result works as its number, and says how sure it is: `value`,
    `error`, `verdict` ("converged", "unreliable", "diverges") and `reason`. It has converged when `error` is at most
    `tol` times ∫|f|, or as small as numbers next to 0 can tell (10⁻³²⁰). As a number, an unreliable one is NaN: ask for
    its `value` if a guess will do.

    `f` is recorded, and evaluated at all nodes at once. Where it is analytic around a finite interval, bounds on discs
    of complex numbers prove the error, and from the ninth call on the integral is machine code. Elsewhere two rules are
    compared: where `f` bends or jumps (`np.where`, `abs`, `np.maximum`, a comparison) the interval is split; where
    anything on the way to its value is zero or turns, nodes crowd, so that a narrow peak is met. A function that can't
    be recorded is called at each node, and the result says so.

    Within a function that is differentiated, `a`, `b`, `args` and what `f` reads from outside may all move: derivatives
    of any order follow by Leibniz's rule, with the places where `f` jumps. There an integral that has not converged
    raises IntegralError.

    Raises ShapeError if `f` returns an array, DtypeError if it returns complex numbers.

    >>> area = integrate(lambda x: x * np.exp(-x), 0, np.inf)
    >>> round(area, 12), area.verdict
    (1.0, 'converged')
    >>> integrate(lambda x, c: c * x**2, 0, 3, (2,))
    18 ± 6e-14: the integral from 0 to 3

    Gauss–Kronrod rules: Piessens et al., QUADPACK, 1983. Proofs by analyticity: Petras, 2002.
    """
    if isinstance(f, str):
        f = _expression(f)
    if not callable(f):
        raise ArgumentError(f"integrate takes a function, not {type(f).__name__}")
    further = args if isinstance(args, tuple) else (args,)
    at_once = _at_once(f, a, b, further, tol)
    if at_once is not None:
        return at_once
    if current() is not None:
        return _inside(f, a, b, further, tol)
    low, high = limits(a, b, tol)
    try:
        call = _recorded(f, _start(low, high), further)
    except (ShapeError, DtypeError):
        raise
    except ChainruleError as error:
        reason = str(error).partition("\n")[0]
        found = of_function(lambda x: f(x, *further), low, high, tol)
        return integral(found, low, high, traced=False, note=f"kinks could not be looked for: {reason}")
    found = of_program(call.program, call.inputs[1:], low, high, tol)
    if found.evaluations == EVALUATIONS:
        _show_the_way(f, call, further)
    return integral(found, low, high)


_NUMBERS = (float, int, np.float64)


def _at_once(f: Function, a: Any, b: Any, further: tuple[Any, ...], tol: Any) -> Integral | None:
    """The integral from one kernel, where one was linked and proves it; all else goes the long way."""
    area = kept(f, "area")
    if area is None or type(a) not in _NUMBERS or type(b) not in _NUMBERS or type(tol) not in _NUMBERS:
        return None
    low, high = (float(a), float(b)) if a < b else (float(b), float(a))
    if not (is_wide(low, high) and low >= -FARTHEST and high <= FARTHEST and 0 < tol < 1):
        return None
    sums = area(low, *further, high)
    if sums is None:
        return None
    value, error, proof, size = map(float, sums)
    if not is_proved(error, proof, size, tol):
        return None
    if a > b:
        low, high, value = high, low, -value
    return Integral(value, error, low, high, EVALUATIONS, "converged")


def _not_linked(*args: Any) -> None:
    """There is no kernel for this call yet."""


def _show_the_way(f: Function, call: Call, further: tuple[Any, ...]) -> None:
    """Let calls like this one find their kernel without us."""
    found = area(call.program)
    runner = None if found is None else found.compiled
    if runner is None:
        return
    linked = memo(f, "area", lambda: function_object(_not_linked, _not_linked)[0])
    low, high = 0.0, 1.0  # like those to come
    if linked is _not_linked or linked is not kept(f, "area") or linked(low, *further, high) is not None:
        return
    given: Any = ((low, *further, high), {}) if call.untouched else None
    leaves = [low, *call.leaves[1:]]
    reading = Reading(call.recording, "area", lambda _: None, leaves, given, [(len(leaves), high)])
    show(linked, reading, Plan(runner, flatten((0.0,) * 4)[1]))


@lru_cache(maxsize=64)
def _expression(text: str) -> Function:
    """An expression as a function of its one variable; of none, a constant."""
    function = parse(text)
    if numbers_taken(function) > 1:
        raise ArgumentError(f"{text!r} has several variables: an integral needs values for all but one")
    return function if numbers_taken(function) else lambda x: function()


def _inside(f: Function, a: Any, b: Any, further: tuple[Any, ...], tol: float) -> Any:
    """In a function that is being recorded: an op of the table, differentiable in its limits and parameters."""
    moving = [type(x) is Traced for x in (a, b)]
    low, high = limits(0.0 if moving[0] else a, 1.0 if moving[1] else b, tol)
    call = _recorded(f, 0.5 if any(moving) else _start(low, high), further)
    values = call.inputs[1:]
    if not any(moving) and not any(type(v) is Traced for v in values):
        found = of_program(call.program, values, low, high, tol)
        if found.verdict != "converged":
            raise IntegralError(f"the integral from {low:.6g} to {high:.6g}: {found.reason}")
        return np.float64(found.value)
    ends = [_limit(x, name) if m else y for x, m, y, name in zip((a, b), moving, (low, high), "ab", strict=True)]
    return apply(op, *ends, *values, body=Body(_real(call.program)), tol=float(tol))


def _limit(x: Traced, name: str) -> Any:
    if x.shape:
        raise ArgumentError(f"the limit `{name}` is one real number, not {x.type}", hint="map over rows with cr.vmap")
    return x if x.dtype.kind == "f" else x * 1.0


def _real(program: Program) -> Program:
    """The Program with a real output: an indicator is 0 or 1."""
    (output,) = program.outputs
    if output.type.differentiable:
        return program
    recorder = Recorder(quiet=True)
    recorder.equations = list(program.equations)
    real = apply(convert, Traced(recorder, output), dtype=np.dtype(np.float64)).atom
    return Program(program.inputs, tuple(recorder.equations), (real,), program.name)


def _start(low: float, high: float) -> float:
    """A number between the limits, to record the integrand with."""
    middle = low / 2 + high / 2
    return middle if abs(middle) < float("inf") else (0.5 if low < 0.5 < high else low + 1 if high > low else high + 1)


def _recorded(f: Function, x: float, further: tuple[Any, ...]) -> Call:
    call = Call(f, (x, *further), {})
    name = getattr(f, "__name__", "the function")
    if call.recording.result.kind is not None:
        raise ShapeError(f"an integral needs a function that returns one number; {name} returns several")
    (output,) = call.program.outputs
    if output.type.shape != ():
        raise ShapeError(f"an integral needs a function that returns one number; {name} returns {output.type}")
    if output.type.dtype.kind == "c":
        raise DtypeError("the integrand returns complex numbers", hint="integrate its real and imaginary parts")
    call.wanted = (0,)
    call.one_course("an integral")
    return call


__all__ = ["Integral", "integrate"]
assert _inside_programs
assert _rules
