"""What an elementwise op is on lanes: the formula that its entry names, or a function of C.

Sums and products are instructions, the others formulas of vector_math.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import Any

from ..ir import Equation
from . import externs
from . import single_math as sm
from . import vector_math as vm
from .lanes import BITS, KINDS, WHOLE, Lanes, Value

Formula = Callable[..., Value]


def _in_doubles(formula: Formula, single: Formula | None = None) -> Formula:
    """A formula for doubles, on lanes of any real kind; in it nothing is contracted that it does not say.

    `single` is one with as many digits as single precision has.
    """

    def widened(code: Lanes, *xs: Value) -> Value:
        exact = Lanes(code.width, code.target)
        how = single if single is not None and xs[0].kind == "f32" else formula
        y = how(exact, *(Value(x.text, x.kind, exact).to("f64") for x in xs))
        return Value(y.text, y.kind, code).to(xs[0].kind)

    return widened


_REAL = ("f64", "f32")


def _power_of(code: Lanes, x: Value, *, n: Any) -> Value:
    """xⁿ: by squaring where that loses at most 4 units in the last place, as NumPy for others."""
    if n == 0.5:
        return x.sqrt()
    if n == int(n) and (x.kind not in _REAL or -4 <= n <= 8):
        k, total, square = int(abs(n)), None, x if n > 0 else 1.0 / x if n else x
        while k:
            if k & 1:
                total = square if total is None else total * square
            k >>= 1
            square = square * square if k else square
        return code.number(1, x.kind) if total is None else total
    return _in_doubles(vm.power)(code, x, code.number(float(n), x.kind))


def _power(code: Lanes, x: Value, y: Value) -> Value:
    if x.kind in _REAL:
        return _in_doubles(vm.power)(code, x, y)
    code.fail_where(y < 0)  # NumPy refuses
    return code.whole_power(x, y)


def _floor_and_rest(code: Lanes, x: Value, y: Value) -> tuple[Value, Value]:
    """⌊x/y⌋ and x - y ⌊x/y⌋ as NumPy has them: the rest has the sign of y."""
    if x.kind not in _REAL:
        least = code.number(-(2 ** (BITS[x.kind] - 1)), x.kind)
        by = code.where(y.equals(0) | (x.equals(least) & y.equals(-1)), 1, y)
        q = x / by
        rest = x - q * by
        down = rest.differs(0) & ((rest < 0) ^ (by < 0))
        q, rest = code.where(down, q - 1, q), code.where(down, rest + by, rest)
        return code.where(y.equals(0), 0, q), code.where(y.equals(0), 0, rest)
    exact = Lanes(code.width, code.target)
    x, y = (Value(v.text, v.kind, exact) for v in (x, y))
    rest = exact.line(f"frem {x.type} {x.text}, {y.text}", x.kind)
    q = (x - rest) / y
    down = rest.differs(0.0) & ((rest < 0.0) ^ (y < 0.0))
    q, found = exact.where(down, q - 1.0, q), exact.where(down, rest + y, rest)
    found = exact.where(rest.equals(0.0), exact.number(0, x.kind).copysign(y), found)
    floor = exact.intrinsic("floor", q)
    floor = exact.where(q - floor > 0.5, floor + 1.0, floor)
    floor = exact.where(q.equals(0.0), exact.number(0, x.kind).copysign(x / y), floor)
    zero = y.equals(0.0)
    whole, left = exact.where(zero, x / y, floor), exact.where(zero, rest, found)
    return Value(whole.text, whole.kind, code), Value(left.text, left.kind, code)


def _maximum(code: Lanes, x: Value, y: Value) -> Value:
    if x.kind in _REAL:
        return code.intrinsic("maximum", x, y)
    return code.where(x > y, x, y)


def _minimum(code: Lanes, x: Value, y: Value) -> Value:
    if x.kind in _REAL:
        return code.intrinsic("minimum", x, y)
    return code.where(x < y, x, y)


def _fmax(code: Lanes, x: Value, y: Value) -> Value:
    if x.kind not in _REAL:
        return _maximum(code, x, y)
    return code.where(x.is_nan(), y, code.where(y.is_nan(), x, code.where(x >= y, x, y)))


def _fmin(code: Lanes, x: Value, y: Value) -> Value:
    if x.kind not in _REAL:
        return _minimum(code, x, y)
    return code.where(x.is_nan(), y, code.where(y.is_nan(), x, code.where(x <= y, x, y)))


def _sign(code: Lanes, x: Value) -> Value:
    return code.where(x > 0, 1, code.where(x < 0, -1, code.where(x.differs(x), x, 0) if x.kind in _REAL else 0))


def _absolute(code: Lanes, x: Value) -> Value:
    return abs(x) if x.kind in _REAL else code.where(x < 0, -x, x)


def _logaddexp(code: Lanes, x: Value, y: Value) -> Value:
    """max + log(1 + exp(-|x - y|)); equal infinities are themselves."""
    larger = code.where(x >= y, x, y)
    if x.text == code.number(0.0).text:
        return larger + vm.softplus_rest(code, abs(y))
    return code.where(x.equals(y), x + log(2), larger + vm.softplus_rest(code, abs(x - y)))


def _hypot(code: Lanes, x: Value, y: Value) -> Value:
    x, y = abs(x), abs(y)
    high, low = code.where(x > y, x, y), code.where(x > y, y, x)
    ratio = low / code.where(high.equals(0.0), 1.0, high)
    found = high * code.fma(ratio, ratio, 1.0).sqrt()
    return code.where(x.equals(inf) | y.equals(inf), inf, found)


def _xlogy(code: Lanes, x: Value, y: Value) -> Value:
    return code.where(x.equals(0.0) & ~y.is_nan(), 0.0, x * vm.log_(code, y))


def _round(name: str) -> Formula:
    return lambda code, x: code.intrinsic(name, x) if x.kind in _REAL else x


def _convert(code: Lanes, x: Value, *, dtype: Any) -> Value:
    """Truncated towards zero; what a whole number can't hold is the least one, as processors have it."""
    kind = KINDS[dtype.name]
    if kind not in WHOLE.values() or x.kind not in WHOLE:
        return x.to(kind)
    limit = 2.0 ** (BITS[kind] - 1)
    inside = (x > -limit - 1) & (x < limit)
    return code.where(inside, x.to(kind), code.number(-int(limit), kind))


def _truth(x: Value) -> Value:
    return x.to("i1")


FORMULAS: dict[str, Formula] = {
    "add": lambda code, x, y: x + y if x.kind != "i1" else x | y,
    "subtract": lambda code, x, y: x - y,
    "multiply": lambda code, x, y: x * y if x.kind != "i1" else x & y,
    "divide": lambda code, x, y: x / y,
    "negative": lambda code, x: -x,
    "power_of": _power_of,
    "power": _power,
    "floor_divide": lambda code, x, y: _floor_and_rest(code, x, y)[0],
    "remainder": lambda code, x, y: _floor_and_rest(code, x, y)[1],
    "hypot": _in_doubles(_hypot),
    "greater": lambda code, x, y: x > y,
    "greater_equal": lambda code, x, y: x >= y,
    "less": lambda code, x, y: x < y,
    "less_equal": lambda code, x, y: x <= y,
    "equal": lambda code, x, y: x.equals(y),
    "not_equal": lambda code, x, y: x.differs(y),
    "logical_and": lambda code, x, y: _truth(x) & _truth(y),
    "logical_or": lambda code, x, y: _truth(x) | _truth(y),
    "logical_xor": lambda code, x, y: _truth(x) ^ _truth(y),
    "logical_not": lambda code, x: ~_truth(x),
    "isnan": lambda code, x: x.is_nan() if x.kind in _REAL else code.number(False, "i1"),
    "isinf": lambda code, x: abs(x).equals(inf) if x.kind in _REAL else code.number(False, "i1"),
    "isfinite": lambda code, x: abs(x) < inf if x.kind in _REAL else code.number(True, "i1"),
    "signbit": lambda code, x: x.bits() < 0,
    "floor": _round("floor"), "ceil": _round("ceil"), "rint": _round("roundeven"), "trunc": _round("trunc"),
    "sign": _sign, "absolute": _absolute, "maximum": _maximum, "minimum": _minimum, "fmax": _fmax, "fmin": _fmin,
    "where": lambda code, c, x, y: code.where(_truth(c), x, y),
    "sqrt": lambda code, x: x.sqrt(),
    "logaddexp": _in_doubles(_logaddexp, sm.FORMULAS["logaddexp"]),
    "xlogy": _in_doubles(_xlogy),
    "convert": _convert,
    **{
        name: _in_doubles(f, sm.FORMULAS.get(name))
        for name, f in vm.FORMULAS.items()
        if name not in ("power", "sqrt")
    },
}  # fmt: skip


_FEW = 3  # instructions that an element may take, and still be cheap
_known: dict[tuple[object, ...], tuple[str, ...]] = {}


def instructions(e: Equation) -> tuple[str, ...]:
    """What an element takes of LLVM's instructions."""
    key = (e.op, repr(e.params), *(a.type.dtype for a in e.inputs))
    if key not in _known:
        code = Lanes(1)
        values = [code.input(f"x{n}", KINDS[a.type.dtype.name]) for n, a in enumerate(e.inputs)]
        formula_of(e)(code, *values, **e.params)
        _known[key] = tuple(code.target.lines)
    return _known[key]


def is_cheap(e: Equation) -> bool:
    """Whether an element takes a few instructions, and calls nothing."""
    how = e.op.native
    return how is not None and how.how == "formula" and len(instructions(e)) <= _FEW


def is_fusible(e: Equation) -> bool:
    """Whether a cheap element may be computed together with the next, and is then not rounded in between."""
    return is_cheap(e) and any(f in line for line in instructions(e) for f in ("fadd", "fsub", "fmul"))


def has_formula(e: Equation) -> bool:
    """Whether each element of the result is computed alone, and it is known how."""
    how = e.op.native
    if how is None:
        return False
    if how.how == "function":
        return externs.offers(how.name, len(e.inputs))
    return how.how == "formula" and how.name in FORMULAS


def formula_of(e: Equation) -> Formula:
    """The equation's op on lanes."""
    how = e.op.native
    assert how is not None
    if how.how == "formula":
        return FORMULAS[how.name]
    symbol = how.name
    flag = externs.takes_flag(symbol)
    return _in_doubles(lambda code, *xs: code.each(symbol, *xs, flag=flag))
