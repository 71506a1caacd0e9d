"""How far a function may go from its value at the centre, on a disc of complex numbers around a real one.

    |z - c| ≤ r   ⟹   |f(z) - y| ≤ R,   y what is computed for f(c)

A Program that is analytic on the disc becomes one that gives y and R from c and r. Centres stay real, for the functions
are real on the real line; each op adds a few operations on real numbers. Most rules are majorants: the op's series
around the centre with the absolute values of its coefficients. Where the op may not be analytic on the disc (log near
0, a quotient whose divisor may vanish), R is infinite; where no rule is written, there is no Program.

What rounding does is part of R, so that tiny discs tell how exact a value is. What does not move with the centre is
taken as it is computed.

This is ball arithmetic with real midpoints; for bounds of integrals it was used by Petras, "Self-validating integration
and approximation of piecewise analytic functions", 2002, and by Johansson in Arb, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi, prod, sqrt
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Program, Var
from ..ops.contraction import contract
from ..ops.op import OPS, Linear, Op, apply
from ..trace.recorder import Recorder, Traced

Rule = Callable[
    ..., Any
]  # (centres, radii: None where an operand stays, the result's centre, params) -> radius or None
INFINITE = float("inf")
EPS = float(np.finfo(np.float64).eps)


def spread(program: Program) -> Program | None:
    """(c, r, further inputs) -> (y, R) of the one output, as the first input moves; None where a rule is missing."""
    recorder = Recorder(quiet=True)
    centre, radius = (recorder.input(program.inputs[0].type._replace(weak=False)) for _ in range(2))
    given = [recorder.input(v.type._replace(weak=False), v.name) for v in program.inputs[1:]]
    centres: dict[Atom, Any] = dict(zip(program.inputs, [centre, *given], strict=True))
    radii: dict[Atom, Any] = {program.inputs[0]: radius}
    for e in program.equations:
        values = [centres[a] if isinstance(a, Var) else Traced(recorder, a) for a in e.inputs]
        atoms = tuple([recorder.atom(v) for v in values])
        made = [Traced(recorder, a) for a in recorder.emit(e.op, atoms, dict(e.params), None)]
        centres.update(zip(e.outputs, made, strict=True))
        moves = [radii.get(a) for a in e.inputs]
        if all(r is None for r in moves):
            continue
        found = _radius(e, values, moves, made[0])
        if found is None:
            return None
        radii[e.outputs[0]] = found
    (output,) = program.outputs
    if output not in radii:
        return None
    inputs = tuple(h.variable for h in (centre, radius, *given))
    outputs = (recorder.atom(centres[output]), recorder.atom(radii[output]))
    return Program(inputs, tuple(recorder.equations), outputs, f"{program.name}_spread")


def _radius(e: Equation, values: list[Any], moves: list[Any], made: Any) -> Any:
    """The radius of an equation's result, with what rounding may have done to its centre."""
    if len(e.outputs) > 1 or any(
        a.type.dtype != np.float64 for a, r in zip(e.inputs, moves, strict=True) if r is not None
    ):
        return None
    rule = RULES.get(e.op)
    if rule is None and isinstance(e.op, Linear) and (e.op.moves or e.op.picks):
        return apply(e.op, *[_or_zero(r, v) for r, v in zip(moves, values, strict=True)], **e.params)
    if rule is None or e.output.type.dtype != np.float64:
        return None
    found, blur = rule(values, moves, made, **e.params), _rounding(e, values, made)
    return found if found is None or blur is None else found + blur


def _rounding(e: Equation, values: list[Any], made: Any) -> Any:
    """How far a computed value may be from the true one of the same operands."""
    if e.op in _EXACT:
        return None
    if e.op is contract:
        spec = e.params["spec"]
        sizes = spec.sizes([a.type.shape for a in e.inputs])
        terms = prod(n for label, n in sizes.items() if label not in spec.out)
        if terms == 1 and len(values) == 1:
            return None
        return 0.5 * EPS * (terms + 1) * apply(contract, *[np.abs(v) for v in values], spec=spec)
    scale = np.abs(made)
    if e.op.cancels:
        for v in values:
            scale = scale + np.abs(v)
        scale = scale + 1.0
    return (e.op.ulps + 0.5) * EPS * scale


def _or_zero(radius: Any, value: Any) -> Any:
    """An operand's radius; of indices and conditions, themselves."""
    return radius if radius is not None else value * 0.0 if value.dtype.kind == "f" else value


# --- sums, products, quotients ----------------------------------------------------------------------------------------


def _add(x: Any, r: Any, y: Any) -> Any:
    return r[0] if r[1] is None else r[1] if r[0] is None else r[0] + r[1]


def _negative(x: Any, r: Any, y: Any) -> Any:
    return r[0]


def _multiply(x: Any, r: Any, y: Any) -> Any:
    return _product(lambda a, b: a * b, x, r)


def _contract(x: Any, r: Any, y: Any, *, spec: Any) -> Any:
    if len(x) == 1:
        return apply(contract, r[0], spec=spec)
    return _product(lambda a, b: apply(contract, a, b, spec=spec), x, r)


def _product(times: Callable[[Any, Any], Any], x: Any, r: Any) -> Any:
    """Of what is linear in both operands: |a| s + r |b| + r s."""
    total = None
    if r[0] is not None:
        total = times(r[0], np.abs(x[1]) if r[1] is None else np.abs(x[1]) + r[1])
    if r[1] is not None:
        term = times(np.abs(x[0]), r[1])
        total = term if total is None else total + term
    return total


def _divide(x: Any, r: Any, y: Any) -> Any:
    if r[1] is None:
        return r[0] / np.abs(x[1])
    size = np.abs(x[1])
    moved = np.abs(y) * r[1] if r[0] is None else r[0] + np.abs(y) * r[1]
    return _where(size > r[1], moved / (size - r[1]))


def _where(analytic: Any, radius: Any) -> Any:
    return np.where(analytic, radius, INFINITE)


def _abs(x: Any, r: Any, y: Any) -> Any:
    return _where(y > r[0], r[0])


def _extreme(sign: float) -> Rule:
    """Of the larger (+1) or the smaller (-1) of two."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        first, second = (_or_zero(s, v) for s, v in zip(r, x, strict=True))
        ahead = sign * (x[0] - x[1])
        return _where(np.abs(ahead) > first + second, np.where(ahead > 0, first, second))

    return rule


def _choose(x: Any, r: Any, y: Any) -> Any:
    if r[0] is not None:
        return None
    return np.where(x[0], _or_zero(r[1], x[1]), _or_zero(r[2], x[2]))


def _convert(x: Any, r: Any, y: Any, *, dtype: Any) -> Any:
    return r[0] if dtype == np.float64 else None


# --- powers, roots, exponentials, logarithms --------------------------------------------------------------------------


def _power_of(x: Any, r: Any, y: Any, *, n: Any) -> Any:
    (c,), (s,) = x, r
    if n == int(n) and 0 <= n <= 64:
        return _whole(np.abs(c), s, int(n))
    size = np.abs(c) if n == int(n) else c
    return _where(size > s, np.abs(y) * _rest_of_power(s / size, float(n)))


def _whole(size: Any, s: Any, n: int) -> Any:
    """(|c| + r)ⁿ - |c|ⁿ, without a difference."""
    total, power, moved = 0.0 * s, 1.0 + 0.0 * s, size + s
    for _ in range(n):  # xᵏ⁺¹ - cᵏ⁺¹ = x (xᵏ - cᵏ) + (x - c) cᵏ
        total, power = moved * total + s * power, power * size
    return total


def _rest_of_power(u: Any, n: float) -> Any:
    """The most that (1 + v)ⁿ - 1 can be for |v| ≤ u < 1: the sum of |binomial coefficients| uᵏ, or more."""
    if 0 < n < 1:
        return -np.expm1(n * np.log1p(-u))
    return np.expm1(-abs(n) * np.log1p(-u))


def _sqrt(x: Any, r: Any, y: Any) -> Any:
    return _where(x[0] > r[0], y * _rest_of_power(r[0] / x[0], 0.5))


def _cbrt(x: Any, r: Any, y: Any) -> Any:
    size = np.abs(x[0])
    return _where(size > r[0], np.abs(y) * _rest_of_power(r[0] / size, 1 / 3))


def _power(x: Any, r: Any, y: Any) -> Any:
    c, s, e, t = x[0], _or_zero(r[0], x[0]), x[1], _or_zero(r[1], x[1])
    logarithm = -np.log1p(-s / c)
    moved = np.abs(e) * logarithm + t * (np.abs(np.log(c)) + logarithm)
    return _where(c > s, y * np.expm1(moved))


def _exponential(unit: float = 1.0, start: float = 0.0) -> Rule:
    """Of exp(unit · x) - start."""
    return lambda x, r, y: (y + start if start else y) * np.expm1(unit * r[0] if unit != 1 else r[0])


def _logarithm(start: float = 0.0, unit: float = 1.0) -> Rule:
    """Of log(start + x) / unit."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        c = start + x[0] if start else x[0]
        return _where(c > r[0], np.log1p(-r[0] / c) * (-1 / unit))

    return rule


def _log_of_sum(x: Any, r: Any, y: Any) -> Any:
    """The slopes are σ(a - b) and σ(b - a)."""
    first, second = (_or_zero(s, v) for s, v in zip(r, x, strict=True))
    slope = apply(OPS["sigmoid"], x[0] - x[1])
    more = _share(slope, first + second)
    return first * (slope + more) + second * (1 - slope + more)


def _sigmoid(x: Any, r: Any, y: Any) -> Any:
    return _share(y, r[0])


def _share(y: Any, s: Any) -> Any:
    """Of σ, which is y at the centre: (1 + tanh(x / 2)) / 2."""
    return 0.5 * _tangent(2 * y - 1, 4 * y * (1 - y), 0.5 * s)


# --- angles -----------------------------------------------------------------------------------------------------------


def _wave(slope: Callable[[Any], Any]) -> Rule:
    """Of sin, cos, sinh, cosh: f(c) cosh d + f′(c) sinh d, or the same with angles."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        half = np.sinh(0.5 * r[0])
        return np.abs(y) * (2 * half * half) + np.abs(slope(x[0])) * np.sinh(r[0])

    return rule


def _tangent(t: Any, slope: Any, s: Any) -> Any:
    """Of tan or tanh, which is t at the centre: |tan d| and |tanh d| are at most tan |d|."""
    moved = np.tan(np.minimum(s, 1.5))
    return _where((s < 1.5) & (np.abs(t) * moved < 1), slope * moved / (1 - np.abs(t) * moved))


def _arctan(x: Any, r: Any, y: Any) -> Any:
    """arctan x - arctan c is the arctan of d / (1 + c² + c d)."""
    room = 1 + x[0] * x[0] - np.abs(x[0]) * r[0]
    return _where(room > r[0], np.arctanh(r[0] / room))


def _steepest(limit: Callable[[Any, Any], tuple[Any, Any]]) -> Rule:
    """The radius times the steepest slope on the disc; `limit` gives where that holds, and the slope."""

    def rule(x: Any, r: Any, y: Any) -> Any:
        analytic, slope = limit(x[0], r[0])
        return _where(analytic, r[0] * slope)

    return rule


def _of_arcsin(c: Any, s: Any) -> tuple[Any, Any]:
    end = np.abs(c) + s
    return end < 1, 1 / np.sqrt((1 - end) * (1 + end))


def _of_arctanh(c: Any, s: Any) -> tuple[Any, Any]:
    end = np.abs(c) + s
    return end < 1, 1 / ((1 - end) * (1 + end))


def _of_arcsinh(c: Any, s: Any) -> tuple[Any, Any]:
    room = np.sqrt(1 + c * c) - s
    return room > 0, 1 / room


def _of_arccosh(c: Any, s: Any) -> tuple[Any, Any]:
    start = c - s
    return start > 1, 1 / np.sqrt((start - 1) * (start + 1))


def _of_erf(c: Any, s: Any) -> tuple[Any, Any]:
    near = np.maximum(np.abs(c) - s, 0.0)
    return s < INFINITE, 2 / sqrt(pi) * np.exp(s * s - near * near)


_EXACT = {OPS[name] for name in ("negative", "absolute", "maximum", "minimum", "where", "convert")}
_BY_NAME: dict[str, Rule] = {
    "add": _add, "subtract": _add, "negative": _negative,
    "multiply": _multiply, "contract": _contract, "divide": _divide,
    "absolute": _abs, "maximum": _extreme(1.0), "minimum": _extreme(-1.0), "where": _choose, "convert": _convert,
    "power_of": _power_of, "power": _power, "sqrt": _sqrt, "cbrt": _cbrt,
    "exp": _exponential(), "expm1": _exponential(start=1.0), "exp2": _exponential(log(2)),
    "log": _logarithm(), "log1p": _logarithm(1.0), "log2": _logarithm(unit=log(2)),
    "log10": _logarithm(unit=log(10)), "logaddexp": _log_of_sum, "sigmoid": _sigmoid,
    "sin": _wave(np.cos), "cos": _wave(np.sin),
    "sinh": _wave(np.cosh), "cosh": _wave(np.sinh),
    "tan": lambda x, r, y: _tangent(y, 1 + y * y, r[0]),
    "tanh": lambda x, r, y: _tangent(y, (1 - y) * (1 + y), r[0]),
    "arctan": _arctan, "arcsin": _steepest(_of_arcsin), "arccos": _steepest(_of_arcsin),
    "arctanh": _steepest(_of_arctanh), "arcsinh": _steepest(_of_arcsinh), "arccosh": _steepest(_of_arccosh),
    "erf": _steepest(_of_erf), "erfc": _steepest(_of_erf),
}  # fmt: skip
RULES: dict[Op, Rule] = {OPS[name]: rule for name, rule in _BY_NAME.items()}
