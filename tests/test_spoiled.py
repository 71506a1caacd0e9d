"""Testing the testers: a claim about an entry must fail once the entry is spoiled.

Each spoiler makes one fact of an entry wrong, or answers None where there is no such fact to spoil.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any
from unittest.mock import patch

import claims
import numpy as np
import pytest

from chainrule import trace
from chainrule.errors import ChainruleError
from chainrule.ir import ArrayType, Atom, Const, Equation
from chainrule.ops.arithmetic import add, divide, multiply
from chainrule.ops.op import Cases, Elementwise, General, Linear, Op
from chainrule.ops.sets import REALS, Interval
from chainrule.ops.table import OPS
from chainrule.trace.recorder import Recorder
from chainrule.transform import simplify as rewriting

Spoiler = Callable[[Op], Op | None]

# --- wrong slopes -----------------------------------------------------------------------------------------------------


def _has_slopes(op: Op) -> bool:
    """Whether anything moves at all: real operands, a real result, and a derivative that is not left to others."""
    case = claims.cases(op)[0]
    if not case.moving:
        return False
    found = op.evaluate(*case.args, **case.params)
    found = found if isinstance(found, tuple) else (found,)
    return any(np.asarray(y).dtype.kind == "f" for y in found)


def _changed(partial: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(partial, Cases):
        return Cases(partial.condition, _changed(partial.yes, change), _changed(partial.no, change))
    return change(0 if partial is None else partial)


def _is_zero(op: Elementwise) -> bool:
    case = claims.cases(op)[0]
    y = op.evaluate(*case.args, **case.params)
    return all(d is None or (isinstance(d, int) and d == 0) for d in op.partials(case.args, y, **case.params))


def _each_partial(op: Op, change: Callable[[Any], Any]) -> Op | None:
    if not isinstance(op, Elementwise) or not _has_slopes(op):
        return None
    return replace(
        op, derivative=lambda *xs, **p: tuple(_changed(d, change) for d in op.partials(xs[:-1], xs[-1], **p))
    )


def scaled_slope(op: Op) -> Op | None:
    return None if isinstance(op, Elementwise) and _is_zero(op) else _each_partial(op, lambda d: d * 1.00001)


def shifted_slope(op: Op) -> Op | None:
    return _each_partial(op, lambda d: d + 1e-5)


def lost_sign(op: Op) -> Op | None:
    return None if isinstance(op, Elementwise) and _is_zero(op) else _each_partial(op, lambda d: -1 * d)


def lost_slope(op: Op) -> Op | None:
    if isinstance(op, Elementwise):
        return None if not _has_slopes(op) or _is_zero(op) else replace(op, derivative=None)
    if isinstance(op, General) and op.together:
        both = op.together
        return replace(op, together=lambda *a, **p: (both(*a, **p)[0], [None] * len(both(*a, **p)[1])))
    if isinstance(op, General) and op.pushforward:
        return replace(op, pushforward=None)
    return None


def swapped_slopes(op: Op) -> Op | None:
    if not isinstance(op, Elementwise) or op.arity != 2 or not _has_slopes(op):
        return None
    case = claims.cases(op)[0]
    first, second = (_number(d) for d in op.partials(case.args, op.evaluate(*case.args, **case.params), **case.params))
    if np.allclose(first, second):
        return None  # a sum does not change
    return replace(op, derivative=lambda *xs, **p: tuple(op.partials(xs[:-1], xs[-1], **p))[::-1])


def _number(partial: Any) -> Any:
    if isinstance(partial, Cases):
        return np.where(partial.condition, _number(partial.yes), _number(partial.no))
    return 0 if partial is None else partial


def scaled_pushforward(op: Op) -> Op | None:
    if isinstance(op, General) and op.together:
        both = op.together
        return replace(op, together=lambda *a, **p: (both(*a, **p)[0], _scaled(both(*a, **p)[1])))
    if not isinstance(op, General) or op.pushforward is None:
        return None
    rule = op.pushforward
    return replace(op, pushforward=lambda *a, **p: _scaled(rule(*a, **p)))


def _scaled(tangents: Any) -> tuple[Any, ...]:
    return tuple(None if t is None else t * 1.00001 for t in tangents)


# --- wrong adjoints ---------------------------------------------------------------------------------------------------


def _each_cotangent(op: Op, change: Callable[[Any], Any]) -> Op | None:
    if isinstance(op, Linear):
        adjoint = op.adjoint
        return replace(op, adjoint=lambda *a, **p: {i: change(g) for i, g in adjoint(*a, **p).items()})
    if isinstance(op, General) and op.pullback is not None:
        pull = op.pullback
        return replace(
            op,
            prepared=None,
            pullback=lambda *a, **p: {i: None if g is None else change(g) for i, g in pull(*a, **p).items()},
        )
    return None


def scaled_adjoint(op: Op) -> Op | None:
    return _each_cotangent(op, lambda g: g * 1.0001)


def negative_adjoint(op: Op) -> Op | None:
    return _each_cotangent(op, lambda g: -g)


def lost_adjoint(op: Op) -> Op | None:
    return _each_cotangent(op, lambda g: None)


def flipped_adjoint(op: Op) -> Op | None:
    return _each_cotangent(op, lambda g: np.flip(g, 0) if g.shape else -g)


# --- wrong values -----------------------------------------------------------------------------------------------------


def _evaluating(op: Op, change: Callable[[Any], Any]) -> Op:
    """The op with another value, of the dtypes that it had."""
    own = op.evaluate

    def evaluate(*xs: Any, **params: Any) -> Any:
        found = own(*xs, **params)
        return tuple(map(change, found)) if isinstance(found, tuple) else change(found)

    if hasattr(own, "resolve_dtypes"):
        evaluate.resolve = lambda dtypes: own.resolve_dtypes((*dtypes, None))  # type: ignore[attr-defined]
    elif hasattr(own, "resolve"):
        evaluate.resolve = own.resolve  # type: ignore[attr-defined]
    return replace(op, evaluate=evaluate)


def _real(y: Any, change: Callable[[Any], Any]) -> Any:
    return np.asarray(change(y), np.asarray(y).dtype) if np.asarray(y).dtype.kind == "f" else y


def bent_value(op: Op) -> Op | None:
    """Its slopes are no longer the stated ones, be it linear or not."""
    if not _has_slopes(op) or (isinstance(op, Elementwise) and (op.derivative is None or _is_zero(op))):
        return None  # a bent step is a step
    return _evaluating(op, lambda y: _real(y, lambda y: y + 1e-4 * y**3 + 1e-4 * y))


def leading_axis_reversed(op: Op) -> Op | None:
    """Acts on a leading axis, of rows or not."""
    case = claims.cases(op)[0]
    found = op.evaluate(*case.args, **case.params)
    first = np.asarray(found[0] if isinstance(found, tuple) else found)
    if first.dtype.kind == "b" or not first.size or (isinstance(op, Elementwise) and _is_zero(op)):
        return None
    if op.rows is not None:
        rows = op.rows
        return replace(op, rows=lambda *a, **p: ([np.flip(y, 0) for y in rows(*a, **p)[0]], rows(*a, **p)[1]))
    return _evaluating(op, lambda y: np.flip(y, 0) if np.ndim(y) else y)


def float64_inside(op: Op) -> Op | None:
    """Answers in float64, whatever it is given."""
    return _evaluating(op, lambda y: np.asarray(y).astype(np.float64)) if _has_slopes(op) else None


def float64_slope(op: Op) -> Op | None:
    """Rules multiply by a NumPy number, not a Python one."""
    if isinstance(op, Elementwise) and _is_zero(op):
        return None
    one = np.ones(())
    return _each_partial(op, lambda d: d * one) or _each_cotangent(op, lambda g: g * one)


def mistyped(op: Op) -> Op | None:
    """States another dtype than it computes."""
    if not isinstance(op, (Linear, General)):
        return None
    shape = op.shape

    def wrong(*types: ArrayType, **params: Any) -> Any:
        found = shape(*types, **params)
        change = lambda t: t._replace(dtype=np.dtype(np.float16))  # noqa: E731
        return change(found) if isinstance(found, ArrayType) else tuple(map(change, found))

    return replace(op, shape=wrong)


def misshaped(op: Op) -> Op | None:
    """States another shape than it computes."""
    if not isinstance(op, (Linear, General)):
        return None
    shape = op.shape

    def wrong(*types: ArrayType, **params: Any) -> Any:
        found = shape(*types, **params)
        change = lambda t: t._replace(shape=(*t.shape, 1))  # noqa: E731
        return change(found) if isinstance(found, ArrayType) else tuple(map(change, found))

    return replace(op, shape=wrong)


def misresolved(op: Op) -> Op | None:
    """States that it answers in float32."""
    if not isinstance(op, Elementwise) or not _has_slopes(op):
        return None
    spoiled = _evaluating(op, lambda y: y)
    resolve = spoiled.evaluate.resolve  # type: ignore[attr-defined]
    spoiled.evaluate.resolve = lambda dtypes: (*resolve(dtypes)[:-1], np.dtype(np.float32))  # type: ignore[attr-defined]
    return spoiled


# --- wrong facts ------------------------------------------------------------------------------------------------------


def image_too_small(op: Op) -> Op | None:
    if not isinstance(op, Elementwise):
        return None
    case = claims.cases(op)[0]
    y = np.asarray(op.evaluate(*case.args, **case.params)).astype(float)
    return replace(op, image=Interval(-inf, float(np.median(y)) - 1e-6))


def domain_beyond(op: Op) -> Op | None:
    """Mirrored, where NumPy has no values on the other side."""
    if not isinstance(op, Elementwise):
        return None
    domain = tuple(d if d in (REALS,) or d.whole else Interval(-3.0 - abs(d.low), d.low - 0.1) for d in op.domain)
    spoiled = replace(op, domain=domain)
    case = claims.cases(spoiled)[0]
    with np.errstate(all="ignore"):
        found = op.evaluate(*case.args, **case.params)
    return spoiled if np.any(np.isnan(found)) else None


def kinks_elsewhere(op: Op) -> Op | None:
    if not isinstance(op, Elementwise) or op.arity > 1 or not _has_slopes(op):
        return None
    return replace(op, kinks=(*op.kinks, float(np.median(claims.cases(op)[0].args[0])) + 0.001))


def kinks_forgotten(op: Op) -> Op | None:
    return replace(op, kinks=()) if isinstance(op, Elementwise) and op.arity == 1 and op.kinks else None


def one_sided_slope(op: Op) -> Op | None:
    """At a kink, the slope of the right side."""
    if not isinstance(op, Elementwise) or op.arity > 1 or not op.kinks or _is_zero(op):
        return None
    return replace(op, derivative=lambda x, y, **p: op.partials((x + 1e-12,), y, **p))


def without_rule(op: Op) -> Op | None:
    return replace(op, rule=None)


def without_examples(op: Op) -> Op | None:
    return replace(op, examples=None) if isinstance(op, (Linear, General)) else None


def domain_of_more_operands(op: Op) -> Op | None:
    return replace(op, domain=(*op.domain, REALS)) if isinstance(op, Elementwise) and op.arity > 1 else None


def refusing_nan(op: Op) -> Op | None:
    """Raises where NumPy answers."""
    if not isinstance(op, Elementwise):
        return None

    def refuse(y: Any) -> Any:
        if np.any(np.isnan(np.asarray(y, float))):
            raise ArithmeticError("not a number")
        return y

    with np.errstate(all="ignore"):
        at_nan = op.evaluate(*[np.array(np.nan)] * op.arity, **op.samples[0])
    return _evaluating(op, refuse) if np.isnan(at_nan) else None


SPOILED: list[tuple[claims.Claim, Spoiler]] = [
    (claims.the_entry_is_complete, without_rule),
    (claims.the_entry_is_complete, without_examples),
    (claims.tracing_changes_no_value, mistyped),
    (claims.tracing_changes_no_value, misshaped),
    (claims.tracing_changes_no_value, misresolved),
    (claims.results_lie_in_the_image, image_too_small),
    (claims.results_lie_in_the_image, domain_beyond),
    (claims.outside_its_domain_numpy_answers, refusing_nan),
    (claims.stated_partials_are_slopes, scaled_slope),
    (claims.stated_partials_are_slopes, shifted_slope),
    (claims.stated_partials_are_slopes, lost_sign),
    (claims.stated_partials_are_slopes, lost_slope),
    (claims.stated_partials_are_slopes, swapped_slopes),
    (claims.stated_partials_are_slopes, scaled_pushforward),
    (claims.stated_partials_are_slopes, bent_value),
    (claims.kinks_are_where_the_slope_jumps, kinks_elsewhere),
    (claims.kinks_are_where_the_slope_jumps, kinks_forgotten),
    (claims.at_a_kink_the_slope_is_the_mean, one_sided_slope),
    (claims.forward_and_reverse_are_transposes, scaled_adjoint),
    (claims.forward_and_reverse_are_transposes, negative_adjoint),
    (claims.forward_and_reverse_are_transposes, lost_adjoint),
    (claims.forward_and_reverse_are_transposes, flipped_adjoint),
    (claims.forward_and_reverse_are_transposes, scaled_pushforward),
    (claims.vmap_is_the_loop_over_rows, leading_axis_reversed),
    (claims.small_dtypes_stay_small, float64_inside),
    (claims.small_dtypes_stay_small, float64_slope),
    (claims.programs_stay_well_formed, mistyped),
    (claims.programs_stay_well_formed, misshaped),
]
TRIED = [
    pytest.param(claim, spoil, op, id=f"{claim.__name__}-{spoil.__name__}-{op}")
    for claim, spoil in SPOILED
    for op in OPS.values()
    if spoil(op) is not None
]


@pytest.mark.parametrize(("claim", "spoil", "op"), TRIED)
def test_a_spoiled_entry_is_noticed(claim: claims.Claim, spoil: Spoiler, op: Op) -> None:
    spoiled = spoil(op)
    assert spoiled is not None
    with pytest.raises((AssertionError, ChainruleError, ArithmeticError)):
        claim(spoiled)


# --- wrong rewrites ---------------------------------------------------------------------------------------------------


def zero_times_anything(e: Equation, recorder: Recorder) -> Atom | None:
    """0 · x is not 0 where x is infinite."""
    zeros = [a for a in e.inputs if isinstance(a, Const) and a.is_scalar(0)]
    return Const(np.zeros(e.output.type.shape)) if e.op is multiply and zeros else None


def zero_is_neutral(e: Equation, recorder: Recorder) -> Atom | None:
    """x + 0 is not x where x is -0."""
    zeros = [a for a in e.inputs if isinstance(a, Const) and a.is_scalar(0)]
    return e.inputs[0] if e.op is add and zeros else None


def product_of_reciprocals(e: Equation, recorder: Recorder) -> Atom | None:
    """x / y is not x · (1 / y), to the last bit."""
    if e.op is not divide or isinstance(e.inputs[0], Const):
        return None
    (reciprocal,) = recorder.emit(divide, (Const(1.0), e.inputs[1]), {}, None)
    return recorder.emit(multiply, (e.inputs[0], reciprocal), {}, None)[0]


@pytest.mark.parametrize(
    "rewrite", [zero_times_anything, zero_is_neutral, product_of_reciprocals], ids=lambda r: r.__name__
)
def test_a_rewrite_that_changes_a_value_is_noticed(rewrite: rewriting.Rewrite) -> None:
    x = np.array(claims.SPECIAL)
    program = trace(lambda x: (x * 0, x + 0, x / (x + 3)), x)
    claims.simplified_is_identical(program, [x])
    with patch.object(rewriting, "REWRITES", (rewrite,)), pytest.raises(AssertionError):
        claims.simplified_is_identical(program, [x])
