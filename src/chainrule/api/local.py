"""A function close to one point: its derivative as a limit, its tangent, and how wrong differences are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, ShapeError
from ..ir import Array
from ..numeric.check import check_gradient
from ..numeric.differences import scales
from ..numeric.quotients import DifferenceQuotients, quotients, values_of
from ..numeric.step_errors import StepErrors
from ..numeric.step_errors import step_errors as _step_errors
from ..numeric.tangent import Tangent, component_names
from ..trace.record import argument_names
from ..trace.tree import flatten
from .call import Function, public
from .first import value_and_grad
from .numerical import Plain, numerical_gradient

_DIRECTIONS = 4  # besides those of the axes
_EXACT = 1e-9  # relative: values this good may stand for the truth


@public
def difference_quotients(f: Function, x: Any) -> DifferenceQuotients:
    """The derivative of a function of one number, as a limit: quotients at shrinking steps, and what they settle on.

    `table` holds the forward, backward and central quotients for h = 10⁻¹ … 10⁻⁸ (times the size of x); `left` and
    `right` are the limits from both sides. `verdict` says whether they are one derivative, differ (a kink), grow
    without bound, or do not settle. `f` may be any Python function; where it can be recorded, `exact` is the engine's
    derivative, for comparison.

    >>> told = difference_quotients(lambda x: x**2, 2.0)
    >>> round(told.table[0].forward, 6), round(told.table[2].forward, 6), told.exact
    (4.1, 4.001, 4.0)
    >>> print(difference_quotients(np.abs, 0.0).sentence)
    no derivative at x = 0: the slope is -1 on the left and 1 on the right: a kink

    The limit: Cauchy, "Résumé des leçons … sur le calcul infinitésimal", 1823.
    """
    call = _one_number(f, x, "a difference quotient")
    at = float(call.at[0])
    precision = float(np.finfo(call.at[0].dtype).eps)
    return quotients(_values(call), at, name=_name(f), exact=_exact(f, at), precision=precision)


@public
def tangent(f: Function, x: Any) -> Tangent:
    """The tangent line of `f` at `x`, or the tangent plane where `x` is an array or a structure: callable, printable.

    `f` returns one number. The gradient is exact where `f` can be recorded, else from values with an error bar. Where
    there is no tangent (a kink, a jump, an end of the domain), that is an ArgumentError: the slopes to the sides are
    compared.

    >>> line = tangent(lambda x: x**2, 2.0)
    >>> print(line)
    y = 4 + 4 (x − 2)
    >>> float(line(2.5))
    6.0
    >>> print(tangent(lambda v: v[0] ** 2 + v[0] * v[1], np.array([1.0, 2.0])))
    y = 3 + 4 (v[0] − 1) + (v[1] − 2)
    """
    call = Plain(f, (x,), 0, "a tangent")
    point = call.arranged([_read(call.leaves[i]) for i in call.wrt])
    if not all(np.all(np.isfinite(a)) for a in call.at):
        raise ArgumentError("a tangent needs a point of finite numbers")
    with np.errstate(all="ignore"):
        height = float(call.number([a.copy() for a in call.at])[0])
    if not math.isfinite(height):
        raise ArgumentError(f"there is no tangent: the function's value is {height}")
    names = component_names(argument_names(f, (x,), {})[0], point)
    error, gradient = 0.0, None
    try:
        with np.errstate(all="ignore"):
            _, gradient = value_and_grad(f)(point)
    except ChainruleError:
        found = numerical_gradient(f, point)
        if not found.reliable:
            where, note = found.notes[0]
            raise ArgumentError(f"there is no tangent that differences can see at {where}: {note}") from None
        gradient = found.value
        error = max((float(np.max(e, initial=0.0)) for e in flatten(found.error)[0]), default=0.0)
    else:
        _refuse_kinks(call, gradient)
    alone = len(call.at) == 1 and call.at[0].shape == ()
    return Tangent(point, height, gradient, names, error, _values(call) if alone else None)


@public
def step_errors(f: Function, x: Any) -> StepErrors:
    """The errors of forward and central differences of a function of one number, against the step: `figure` shows a V.

    The truth is the engine's derivative where `f` can be recorded, else an extrapolated one if it is good enough.

    >>> found = step_errors(np.sin, 1.0)
    >>> 1e-6 < found.best_central < 1e-4, 1e-9 < found.best_forward < 1e-6
    (True, True)
    """
    call = _one_number(f, x, "an error of differences")
    at = call.at[0][()]
    told = quotients(_values(call), float(at), name=_name(f), precision=float(np.finfo(call.at[0].dtype).eps))
    truth = _exact(f, float(at))
    if truth is None:
        found = numerical_gradient(f, float(at))
        if not found.reliable or float(found.error) > _EXACT * abs(float(found)):
            raise ArgumentError("the function can't be recorded, and its values don't tell the derivative well enough")
        truth = float(found)
    if not math.isfinite(truth) or told.verdict == "the sides differ":
        raise ArgumentError(told.sentence)
    return _step_errors(_values(call), at, truth, name=_name(f))


def _one_number(f: Function, x: Any, what: str) -> Plain:
    call = Plain(f, (x,), 0, what)
    if len(call.at) != 1 or call.at[0].shape != () or call.tree.children[0].children[0].kind is not None:
        raise ShapeError(
            f"{what} is of a function of one number; `{call.wrt_names[0]}` is an array or a structure",
            hint="fix all numbers but one, or use numerical_gradient",
        )
    if not np.isfinite(call.at[0]):
        raise ArgumentError(f"`{call.wrt_names[0]}` is {call.at[0]}: there is no place near it")
    try:
        found = call.call([call.at[0].copy()])
    except (ArithmeticError, ValueError) as failure:
        if isinstance(failure, ChainruleError):
            raise
        return call  # no value here, which is for the verdict to say
    if not isinstance(found, complex):
        call.number([call.at[0].copy()])  # one real number, or an error that says what else
    return call


def _values(call: Plain) -> Callable[[Any], float]:
    """The function on numbers of the argument's dtype."""
    kind = call.at[0].dtype

    def value(x: Any) -> Any:
        return call.call([np.array(x, dtype=kind)])

    return values_of(value)


def _read(leaf: Any) -> Any:
    return leaf.copy() if type(leaf) is np.ndarray else leaf


def _exact(f: Function, x: float) -> float | None:
    """The engine's derivative, if the function can be recorded."""
    try:
        with np.errstate(all="ignore"):
            return float(value_and_grad(f)(x)[1])
    except (ChainruleError, ArithmeticError, ValueError, TypeError):
        return None


def _refuse_kinks(call: Plain, gradient: Any) -> None:
    """Differences to both sides must not contradict a tangent: a gradient at a kink follows a convention."""
    leaves = [np.asarray(g) for g in flatten(gradient)[0]]
    if not all(np.all(np.isfinite(g)) for g in leaves):
        raise ArgumentError("there is no tangent: the slope is not finite")
    if not sum(a.size for a in call.at):
        return

    def value(arrays: list[Array]) -> float:
        return float(call.number([a.copy() for a in arrays])[0])

    found = list(check_gradient(value, leaves, call.at, call.wrt_names).comparisons)
    rng = np.random.default_rng(0)
    for _ in range(_DIRECTIONS if len(found) > 1 else 0):
        moves = [np.asarray(scales(a) * rng.normal(size=a.shape), a.dtype) for a in call.at]
        along = sum(float(np.sum(g * v)) for g, v in zip(leaves, moves, strict=True))

        def on(t: list[Array], moves: list[Array] = moves) -> float:
            return value([a + v * t[0].astype(a.dtype) for a, v in zip(call.at, moves, strict=True)])

        name = ["another direction"]
        found += check_gradient(on, [np.array(along)], [np.zeros((), call.at[0].dtype)], name).comparisons
    for comparison in found:
        if comparison.verdict in ("kink", "wrong") or comparison.note in _NONE:
            note = "the slope is not what the partial derivatives say" if "direction" in comparison.name else ""
            raise ArgumentError(f"there is no tangent: in {comparison.name}, {note or comparison.note}")


_NONE = (
    "no step stays where the function is finite on both sides",
    "the function jumps here",
    "the slope grows without bound as the step shrinks",
)


def _name(f: Function) -> str:
    name = getattr(f, "__name__", "f")
    return "f" if name == "<lambda>" else name
