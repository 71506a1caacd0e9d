"""Arithmetic, comparisons, rounding, and functions with a kink."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..errors import DtypeError, InPlaceError, NoRuleError
from ..ir import ArrayType
from . import discs, enclosures
from .native import formula
from .notation import (
    BARS,
    CASES,
    CEIL,
    FLOOR,
    FLOOR_OF_QUOTIENT,
    FRACTION,
    POWER_OF,
    PRODUCT,
    SUM,
    Notation,
    call,
    infix,
    prefix,
)
from .op import Cases, Linear, Value, apply, dtype_of, elementwise, is_weak, number_of, promotes_as, register, spelled
from .sets import NONNEGATIVE, POSITIVE, REALS, TRUTHS, WHOLE, Interval

BOTH = (REALS, REALS)


def _difference(x: Value, y: Value) -> tuple[Value, ...] | None:
    """Functions of two numbers that bend where these are equal."""
    if "f" not in (dtype_of(x).kind, dtype_of(y).kind):
        return None
    return (x - y,)


# --- sums, products, quotients, powers ------------------------------------------------------------------------------

add = elementwise(
    np.add,
    lambda x, y, z: (1, 1),
    domain=BOTH,
    notation=infix("+", SUM),
    rule="sum",
    bounds=enclosures.total,
    ulps=0,
    formal=lambda x, y: x + y,
    disc=discs.SUM,
    native=formula("add"),
)
subtract = elementwise(
    np.subtract,
    lambda x, y, z: (1, -1),
    domain=BOTH,
    notation=infix("-", SUM, symbol="−"),
    rule="sum",
    bounds=enclosures.difference,
    ulps=0,
    formal=lambda x, y: x - y,
    disc=discs.SUM,
    native=formula("subtract"),
)
multiply = elementwise(
    np.multiply,
    lambda x, y, z: (y, x),
    domain=BOTH,
    notation=infix("*", PRODUCT, r"\,", "·"),
    rule="product",
    bounds=enclosures.product,
    ulps=0,
    formal=lambda x, y: x * y,
    disc=discs.PRODUCT,
    native=formula("multiply"),
)
divide = elementwise(
    # where y is infinite the quotient has come to rest, however fast y may run
    np.divide, lambda x, y, z: (1 / y, Cases(np.isinf(y), 0, -z / y)), domain=(REALS, POSITIVE), notation=FRACTION,
    rule="quotient", textbook=lambda x, y, z: (1 / y, -x / y**2),
    bounds=enclosures.quotient, ulps=0,
    formal=lambda x, y: x / y,
    disc=discs.QUOTIENT,
    native=formula("divide"),
)  # fmt: skip
negative = elementwise(
    np.negative, lambda x, y: -1, notation=prefix("-", symbol="−"), rule="constant multiple",
    antiderivative=lambda x, y: x * y / 2,
    bounds=enclosures.opposite, ulps=0,
    formal=lambda x: -x,
    disc=discs.OPPOSITE,
    native=formula("negative"),
)  # fmt: skip


def _power(x: Any, *, n: Any) -> Any:
    return np.power(x, n)


_power.resolve = lambda dtypes: np.power.resolve_dtypes((*dtypes, int, None))[1:]  # type: ignore[attr-defined]


def _power_rule(x: Value, y: Value, n: Any) -> Value:
    """n xⁿ⁻¹, without the power where it is 0 or 1."""
    return 0 if n == 0 else 1 if n == 1 else 2 * x if n == 2 else n * x ** (n - 1)


power_of = elementwise(
    _power, _power_rule, name="power_of", domain=POSITIVE, notation=POWER_OF, rule="power",
    samples=({"n": 2}, {"n": 3}, {"n": -1}, {"n": 0.5}, {"n": 2.5}), goes_on=lambda n: n >= 0 and n == int(n),
    antiderivative=lambda x, y, n: np.log(np.abs(x)) if n == -1 else x ** (n + 1) / (n + 1),
    bounds=enclosures.power_of,
    formal=lambda x, n: x**n,
    disc=discs.POWER_OF,
    native=formula("power_of"),
)  # fmt: skip
# xʸ with both moving. Where y = 0 the slope in x is 0, also at x = 0. At x = 0 the slope in y is 0 for y > 0; at y = 0,
# where 0ʸ falls from 1 to 0 at once, it is -inf.
power = elementwise(
    np.power,
    lambda x, y, z: (
        np.where(y == 0, 0, y * x ** np.where(y == 0, 1, y - 1)), z * np.log(np.where((x == 0) & (y > 0), 1, x))
    ),
    domain=(POSITIVE, REALS), image=NONNEGATIVE, notation=POWER_OF, rule="general power", means=(),
    textbook=lambda x, y, z: (y * x ** (y - 1), z * np.log(x)),
    antiderivative=lambda x, y, z: (x ** (y + 1) / (y + 1), z / np.log(x)),
    bounds=enclosures.power,
    disc=discs.POWER,
    native=formula("power"),
)  # fmt: skip


@spelled(np.power)
def spell_power(x: Value, y: Value) -> Any:
    """A number as exponent is the power rule's; an exponent that moves is the general power's."""
    n = number_of(y)
    if n is None or dtype_of(n).kind == "b" or number_of(x) is not None:
        return apply(power, x, y)
    x = astype(x, np.power.resolve_dtypes((promotes_as(x), promotes_as(n), None))[0])
    if dtype_of(x).kind != "f" and n < 0:
        raise DtypeError(f"$0 ** {n}: integers have no negative integer powers", hint="make the base a float array")
    return apply(power_of, x, n=n.item() if isinstance(n, np.generic) else n)


spelled(np.square)(lambda x: spell_power(x, 2))


@spelled(np.reciprocal)
def reciprocal(x: Value) -> Any:
    if dtype_of(x).kind != "f":
        raise DtypeError("np.reciprocal of whole numbers rounds to zero", operands=(x,), hint="write 1 / x")
    return apply(divide, 1.0, x)


def converted(ufunc: Any, x: Value) -> Any:
    """x in the dtype in which NumPy computes the ufunc: `np.fabs` of whole numbers is real."""
    return astype(x, ufunc.resolve_dtypes((dtype_of(x), None))[0])


spelled(np.positive)(lambda x: x)


@spelled(np.polyval)
def polyval(p: Any, x: Value) -> Any:
    """By Horner's rule."""
    y = np.zeros_like(x)
    for coefficient in p if hasattr(p, "dtype") else np.asarray(p):
        y = y * x + coefficient
    return y


remainder = elementwise(
    np.remainder, lambda x, y, z: (1, -np.floor(x / y)), domain=(REALS, Interval(1.5, 4)), kinks=(0.0,),
    notation=Notation("connective", "remainder", r"\bmod", "mod", PRODUCT), rule="remainder",
    switch=lambda x, y: (_to_whole(x / y), x - y * (np.rint(x / y) - 1), x - y * np.rint(x / y)),
    bounds=enclosures.remainder,
    native=formula("remainder"),
)  # fmt: skip
floor_divide = elementwise(
    np.floor_divide,
    domain=(REALS, POSITIVE),
    image=WHOLE,
    notation=FLOOR_OF_QUOTIENT,
    rule="step",
    switch=lambda x, y: (_to_whole(x / y), np.rint(x / y) - 1, np.rint(x / y)),
    bounds=enclosures.whole_quotient,
    native=formula("floor_divide"),
)
hypot = elementwise(
    np.hypot, lambda x, y, z: (x / np.where(z == 0, 1, z), y / np.where(z == 0, 1, z)),
    domain=BOTH, image=NONNEGATIVE, notation=call("hypot"), rule="hypot",
    squared=lambda x, y: x**2 + y**2,
    textbook=lambda x, y, z: (x / z, y / z), switch=lambda x, y: (x * x + y * y,),
    bounds=enclosures.length,
    curved=1,
    native=formula("hypot"),
)  # fmt: skip


def _to_whole(x: Value) -> Any:
    """What is zero at whole numbers, and grows through them."""
    return x - np.rint(x)


def _crossing(compare: Any) -> Any:
    """A comparison is one truth while x < y, the other while x > y; equality is false on either side."""
    below, above = bool(compare(0, 1)), bool(compare(1, 0))

    def switch(x: Value, y: Value) -> Any:
        bends = _difference(x, y)
        return None if bends is None else (*bends, below, above)

    return switch


# --- comparisons and logic: true or false, no slope -----------------------------------------------------------------

for compare, text, tex, symbol, ends in [
    (np.greater, ">", ">", ">", enclosures.greater),
    (np.greater_equal, ">=", r"\ge", "≥", enclosures.greater_equal),
    (np.less, "<", "<", "<", enclosures.turned(enclosures.greater)),
    (np.less_equal, "<=", r"\le", "≤", enclosures.turned(enclosures.greater_equal)),
    (np.equal, "==", "=", "=", enclosures.equal), (np.not_equal, "!=", r"\ne", "≠", enclosures.not_equal),
]:  # fmt: skip
    elementwise(
        compare, domain=BOTH, image=TRUTHS, notation=infix(text, 0, tex, symbol), rule="step",
        switch=_crossing(compare), bounds=ends,
        formal=lambda x, y, compare=compare: x.compared(y, compare), native=formula(compare.__name__),
    )  # fmt: skip
for connect, tex, symbol, ends in [
    (np.logical_and, r"\land", "∧", enclosures.logical(np.logical_and)),
    (np.logical_or, r"\lor", "∨", enclosures.logical(np.logical_or)),
    (np.logical_xor, r"\oplus", "⊕", enclosures.either),
]:  # fmt: skip
    notation = Notation("connective", connect.__name__, tex, symbol, 0)
    elementwise(
        connect, domain=(TRUTHS, TRUTHS), image=TRUTHS, notation=notation, rule="step", bounds=ends,
        native=formula(connect.__name__),
    )  # fmt: skip
elementwise(
    np.logical_not, image=TRUTHS, notation=call("logical_not"), rule="step", bounds=enclosures.not_,
    native=formula("logical_not"),
)  # fmt: skip
tests: tuple[Any, ...] = (np.isnan, np.isinf, np.isfinite)
for test in tests:
    elementwise(
        test, image=TRUTHS, notation=call(test.__name__), rule="step", bounds=enclosures.of_finite(test),
        native=formula(test.__name__),
    )  # fmt: skip
elementwise(
    np.signbit, image=TRUTHS, notation=call("signbit"), rule="step",
    switch=lambda x: (x, True, False) if dtype_of(x).kind == "f" else None,
    native=formula("signbit"),
)  # fmt: skip


def _truths(function: Any, logical: Any) -> None:
    @spelled(function)
    def rule(*xs: Value) -> Any:
        if any(dtype_of(x).kind != "b" for x in xs):
            raise DtypeError(
                f"np.{function.__name__} of whole numbers is not in the op table", hint="on truths (x > 0) it works"
            )
        return logical(*xs)


_truths(np.bitwise_and, np.logical_and)
_truths(np.bitwise_or, np.logical_or)
_truths(np.bitwise_xor, np.logical_xor)
_truths(np.invert, np.logical_not)

# --- rounding: constant between the steps ---------------------------------------------------------------------------

STEPS = tuple(range(-9, 10))


def _to_half(x: Value) -> tuple[Any, ...]:
    """np.rint steps in the middle between whole numbers."""
    step = np.floor(x) + 0.5
    return (x - step, step - 0.5, step + 0.5)


def _away_from_zero(x: Value) -> tuple[Any, ...]:
    """np.trunc steps at whole numbers other than 0."""
    n = np.rint(x)
    return (_to_whole(x), np.where(n > 0, n - 1, n), np.where(n < 0, n + 1, n))


for rounding, steps, notation, switch in [
    (np.floor, STEPS, FLOOR, lambda x: (_to_whole(x), np.rint(x) - 1, np.rint(x))),
    (np.ceil, STEPS, CEIL, lambda x: (_to_whole(x), np.rint(x), np.rint(x) + 1)),
    (np.rint, tuple(n + 0.5 for n in STEPS), call("rint"), _to_half),
    (np.trunc, tuple(n for n in STEPS if n), call("trunc"), _away_from_zero),
]:  # fmt: skip
    elementwise(
        rounding, lambda x, y: 0, image=WHOLE, kinks=steps, notation=notation, rule="step", switch=switch,
        increasing=True, native=formula(rounding.__name__),
    )  # fmt: skip
spelled(np.fix)(lambda x: np.trunc(x))


@spelled(np.round, np.around)
def round_(x: Value, decimals: int = 0) -> Any:
    if dtype_of(x).kind in "iu" and decimals >= 0:
        return x
    scale = 10.0 ** abs(decimals)
    if decimals < 0:
        rounded = np.rint(x / scale) * scale
        return astype(rounded, dtype_of(x)) if dtype_of(x).kind in "iu" else rounded
    return np.rint(x * scale) / scale if decimals else np.rint(x)


# --- with a kink: at it, the mean of the slopes on either side ------------------------------------------------------

sign = elementwise(
    np.sign, lambda x, y: 0, image=Interval(-1, 1, whole=True), kinks=(0.0,),
    notation=call("sign", r"\operatorname{sign}"), rule="step", antiderivative=lambda x, y: np.abs(x),
    switch=lambda x: (x, -1.0, 1.0),
    increasing=True,
    native=formula("sign"),
)  # fmt: skip
absolute = elementwise(
    np.absolute, lambda x, y: np.sign(x), image=NONNEGATIVE, kinks=(0.0,), notation=BARS, rule="absolute value",
    squared=lambda x: x**2, antiderivative=lambda x, y: x * y / 2, switch=lambda x: (x,),
    turns=(0.0,), ulps=0,
    curved=1, formal=lambda x: x.larger(-x),
    disc=discs.ABSOLUTE,
    native=formula("absolute"),
)  # fmt: skip
spelled(np.fabs)(lambda x: np.absolute(converted(np.fabs, x)))


def _winner(first: Value, tie: Value) -> Cases:
    return Cases(first, 1, Cases(tie, 0.5, 0))


maximum = elementwise(
    np.maximum, lambda x, y, z: (_winner(x > y, x == y), _winner(y > x, x == y)),
    domain=BOTH, notation=call("maximum", r"\max", symbol="max"), rule="maximum", switch=_difference,
    textbook=lambda x, y, z: (Cases(x > y, 1, 0), Cases(y > x, 1, 0)),
    increasing=True, ulps=0,
    curved=1, formal=lambda x, y: x.larger(y),
    disc=discs.LARGER,
    native=formula("maximum"),
)  # fmt: skip
minimum = elementwise(
    np.minimum, lambda x, y, z: (_winner(x < y, x == y), _winner(y < x, x == y)),
    domain=BOTH, notation=call("minimum", r"\min", symbol="min"), rule="minimum", switch=_difference,
    textbook=lambda x, y, z: (Cases(x < y, 1, 0), Cases(y < x, 1, 0)),
    increasing=True, ulps=0,
    curved=-1, formal=lambda x, y: -(-x).larger(-y),
    disc=discs.SMALLER,
    native=formula("minimum"),
)  # fmt: skip


fmax = elementwise(
    np.fmax, lambda x, y, z: (_winner((x > y) | np.isnan(y), x == y), _winner((y > x) | np.isnan(x), x == y)),
    domain=BOTH, notation=call("fmax", r"\max", symbol="max"), rule="maximum", switch=_difference,
    bounds=enclosures.number_beside_nan(np.maximum), ulps=0,
    native=formula("fmax"),
)  # fmt: skip
fmin = elementwise(
    np.fmin, lambda x, y, z: (_winner((x < y) | np.isnan(y), x == y), _winner((y < x) | np.isnan(x), x == y)),
    domain=BOTH, notation=call("fmin", r"\min", symbol="min"), rule="minimum", switch=_difference,
    bounds=enclosures.number_beside_nan(np.minimum), ulps=0,
    native=formula("fmin"),
)  # fmt: skip


@spelled(np.clip)
def clip(x: Value, a_min: Value = None, a_max: Value = None, *, min: Value = None, max: Value = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@spelled(np.nan_to_num)
def nan_to_num(
    x: Value, copy: Any = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    if not copy:
        raise InPlaceError("np.nan_to_num with copy=False writes into its argument", hint="leave copy=False out")
    if dtype_of(x).kind != "f":
        return x
    limits = np.finfo(dtype_of(x))
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == inf, float(limits.max) if posinf is None else posinf, x)
    return np.where(x == -inf, float(limits.min) if neginf is None else neginf, x)


# --- selection and conversion ---------------------------------------------------------------------------------------


def _where(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)


def _resolve_where(dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    strong = [0.0 if d is float else 0 if d is int else False if d is bool else d for d in dtypes[1:]]
    common = np.result_type(*strong)
    return (np.dtype(bool), common, common, common)


_where.resolve = _resolve_where  # type: ignore[attr-defined]
where = elementwise(
    _where, lambda c, x, y, z: (None, Cases(c, 1, 0), Cases(c, 0, 1)),
    name="where", domain=(TRUTHS, REALS, REALS), notation=CASES, rule="cases",
    bounds=enclosures.selected, ulps=0,
    formal=lambda c, x, y: c.chosen(x, y),
    disc=discs.CHOSEN,
    native=formula("where"),
)  # fmt: skip


@spelled(np.where)
def spell_where(condition: Value, *branches: Value) -> Any:
    if not branches:
        return np.nonzero(condition)
    return apply(where, condition, *branches)


def _convert(x: Any, *, dtype: np.dtype[Any]) -> Any:
    return np.asarray(x).astype(dtype)


def _convert_type(x: ArrayType, *, dtype: np.dtype[Any]) -> ArrayType:
    return ArrayType(x.shape, dtype)


@spelled(np.astype)
def astype(x: Value, dtype: Any, **extra: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise NoRuleError(f"a conversion to {dtype} is not in the op table: only real numbers are recorded")
    return x if dtype_of(x) == dtype and hasattr(x, "dtype") else apply(convert, x, dtype=dtype)


def strong(x: Value) -> Any:
    """A Python number as NumPy's, whose dtype others must heed; anything else as it is."""
    return apply(convert, x, dtype=dtype_of(x)) if is_weak(x) else x


# linear only from one floating dtype to another: elsewhere nothing that moves comes in, or goes out
convert: Linear = Linear(
    "convert", _convert, _convert_type,
    lambda g, inputs, wanted, dtype: {0: apply(convert, g, dtype=dtype_of(inputs[0]))},
    notation=Notation("silent", "astype", "", ""), rule="constant multiple",
    joins=lambda x, dtype: ((),),
    switch=lambda x, dtype: (
        _away_from_zero(x) if dtype_of(x).kind == "f" and np.dtype(dtype).kind in "iu" else None
    ),
    examples=lambda rng: [((rng.normal(size=(2, 3)),), {"dtype": np.dtype(d)}) for d in (np.float32, np.float64)],
    bounds=enclosures.converted, ulps=1,
    disc=discs.CONVERTED,
    native=formula("convert"),
)  # fmt: skip
register(convert)
