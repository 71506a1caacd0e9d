"""Read a Program for curvature: which values are affine, convex or concave in its inputs, and why.

Each rule looks at facts of the op: that a sum of convex values is convex (linear ops), that a convex function which
never falls may be put around a convex value (the sign of its derivative, and of the derivative's derivative, read off
the entry by bounding it), that an elementwise stretch is one function of one number (chains.py), that ln Σ eᶻ is
convex however it is spelled (sums.py). What no rule covers is left open: neither convex nor concave.

Boyd & Vandenberghe, "Convex optimization", 2004, chapter 3; Grant, Boyd & Ye, "Disciplined convex programming", 2006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir import Array, ArrayType, Atom, Const, Equation, Program, Var
from ..ops.arithmetic import add, convert, divide, fmax, fmin, multiply, negative, power_of, subtract, where
from ..ops.contraction import Contraction, Spec
from ..ops.enclosures import Enclosure
from ..ops.op import Elementwise, Linear, Op
from .bounds import enclosed, of_constant, read, sign_of, slope
from .chains import chain, twice
from .chains import curvature as chain_curvature
from .sums import Bend, Sums


@dataclass(frozen=True)
class Reason:
    """Why a value has the curvature it has."""

    word: str
    rule: str


def constants_of(program: Program, moving: Sequence[Var], values: Mapping[Var, Any]) -> dict[Var, Array]:
    """Every value that does not move, computed."""
    known: dict[Var, Array] = {v: np.asarray(x) for v, x in values.items() if v not in moving}
    with np.errstate(all="ignore"):
        for e in program.equations:
            if all(isinstance(a, Const) or a in known for a in e.inputs):
                found = e.op.evaluate(*[a.value if isinstance(a, Const) else known[a] for a in e.inputs], **e.params)
                found = found if len(e.outputs) > 1 else (found,)
                known.update({v: np.asarray(x) for v, x in zip(e.outputs, found, strict=True)})
    return known


class Reader:
    """Changes while it reads: one entry for each value, in the order of the Program."""

    def __init__(self, program: Program, constants: Mapping[Var, Array], box: Mapping[Var, Enclosure]) -> None:
        self.program, self.constants = program, constants
        self.producer = {v: e for e in program.equations for v in e.outputs}
        self.ranges: dict[Atom, Enclosure] = dict(box.items())
        self.bends: dict[Var, Bend] = {}
        self.reasons: dict[Var, Reason] = {}
        self.base: dict[Var, Var | None] = {}
        self.near: dict[Var, Var | None] = {}
        self.squares: set[Var] = set()
        self.degrees: dict[Var, int] = {}
        self.conditions: dict[Var, str] = {}
        for v in box:
            ones = np.ones(v.type.shape, bool)
            self.bends[v], self.base[v], self.near[v], self.degrees[v] = Bend(ones, ones), v, v, 1
            self.reasons[v] = Reason("affine", "a variable")
        self.sums = Sums(self)
        for e in program.equations:
            if not all(v in constants for v in e.outputs):
                self.step(e)

    # --- looking up -------------------------------------------------------------------------------------------------

    def moves(self, a: Atom) -> bool:
        return isinstance(a, Var) and a not in self.constants

    def value(self, a: Atom) -> Array:
        return a.value if isinstance(a, Const) else self.constants[a]

    def range(self, a: Atom) -> Enclosure:
        if a not in self.ranges:
            self.ranges[a] = of_constant(Const(self.value(a)))
        return self.ranges[a]

    def bend(self, a: Atom) -> Bend:
        if isinstance(a, Var) and a in self.bends:
            return self.bends[a]
        ones = np.ones(a.type.shape, bool)
        return Bend(ones, ones)

    # --- one equation -----------------------------------------------------------------------------------------------

    def step(self, e: Equation) -> None:
        xs = [self.range(a) for a in e.inputs]
        with np.errstate(all="ignore"):
            found = enclosed(e, xs)
        for v, x in zip(e.outputs, found, strict=True):
            self.ranges[v] = x
            none = np.zeros(v.type.shape, bool)
            self.bends[v], self.base[v], self.near[v] = Bend(none, none), None, None
            self.degrees[v] = 99
        if len(e.outputs) > 1:
            return
        v = e.output
        self.degrees[v] = self._degree(e)
        self.sums.note(e)
        bend, reason = self._bend(e)
        appeared = self.ranges[v].undefined and not any(x.undefined for x in xs)
        if appeared and not self._defined_on_a_convex_set(e):
            bend, reason = Bend(np.zeros(v.type.shape, bool), np.zeros(v.type.shape, bool)), None
        self.bends[v] = Bend(*(np.broadcast_to(b, v.type.shape) for b in (bend.convex, bend.concave)))
        if not (bend.convex.all() or bend.concave.all()):
            bend, reason = self._otherwise(e, bend, reason)
            self.bends[v] = bend
        self.base[v] = self._base_of(e)
        self.near[v] = v if self.bends[v].affine else self._near_of(e)
        word = self.bends[v].word
        self.reasons[v] = Reason(word, reason.rule.replace("such", f"{word} values") if reason else "no rule applies")
        if self._is_square(e):
            self.squares.add(v)

    def _otherwise(self, e: Equation, bend: Bend, reason: Reason | None) -> tuple[Bend, Reason | None]:
        """Rules for values of a kind: one function of one number, or a sum of logarithms of sums."""
        v = e.output
        ones, none = np.ones(v.type.shape, bool), np.zeros(v.type.shape, bool)
        for base in dict.fromkeys((self._base_of(e), self._near_of(e))):
            if base is None or base is v or base.type.shape != v.type.shape or self.ranges[base].undefined:
                continue
            x = self.range(base)
            if x.low.size:
                low, high = self._within(v, base, float(np.min(x.low)), float(np.max(x.high)))
                side = chain_curvature(v, base, self.producer, self.constants, (low, high)) if low < high else 0
                if side:
                    rule = f"as a function of one number φ″ {'≥' if side > 0 else '≤'} 0"
                    return (Bend(ones, none) if side > 0 else Bend(none, ones)), Reason("", rule)
        found = self.sums.bend(v)
        if found is not None and (found.convex.all() or found.concave.all()):
            return found, Reason("", "sums of logarithms of sums of exponentials, added up")
        return bend, reason

    def _within(self, v: Var, base: Var, low: float, high: float) -> tuple[float, float]:
        """The part of an interval of base on which the functions applied to base itself are defined.

        All of it, where something may pass over their NaN: a choice between two values, or a question.
        """
        between = chain(v, base, self.producer, self.constants)
        if any(not e.output.type.differentiable or e.op in (where, fmax, fmin) for e in between):
            return low, high
        for e in between:
            if isinstance(e.op, Elementwise) and e.op.ends:
                for a, d in zip(e.inputs, e.op.domain, strict=True):
                    if a is base:
                        low, high = max(low, d.low), min(high, d.high)
        return low, high

    def _defined_on_a_convex_set(self, e: Equation) -> bool:
        """log(g) with a concave g is defined where g > 0: on a convex set."""
        op = e.op
        if not isinstance(op, Elementwise) or not op.ends:
            return False
        moving = [i for i, a in enumerate(e.inputs) if self.moves(a)]
        for i in moving:
            b, d = self.bend(e.inputs[i]), op.domain[i]
            if (np.isfinite(d.low) and not b.concave.all()) or (np.isfinite(d.high) and not b.convex.all()):
                return False
        d = op.domain[moving[0]]
        sides = [f"{'>' if d.open_low else '≥'} {d.low:g}"] * bool(np.isfinite(d.low))
        sides += [f"{'<' if d.open_high else '≤'} {d.high:g}"] * bool(np.isfinite(d.high))
        self.conditions[e.output] = " and ".join(sides)
        return True

    def _base_of(self, e: Equation) -> Var | None:
        """The value of which this is elementwise a function; itself, if it is affine in the inputs and mixes them."""
        v = e.output
        if e.op.aligned or (e.op is convert and v.type.differentiable):
            moving = [a for a in e.inputs if isinstance(a, Var) and self.moves(a)]
            bases = {self.base[a] for a in moving}
            if len(bases) == 1 and None not in bases:
                return bases.pop()
        return v if self.bends[v].affine else None

    def _near_of(self, e: Equation) -> Var | None:
        """Like the base, but as near as possible: with the data that were added on the way inside."""
        near = {self.near[a] for a in e.inputs if isinstance(a, Var) and self.moves(a)}
        return near.pop() if len(near) == 1 and e.op.aligned else None

    def _degree(self, e: Equation) -> int:
        """The degree as a polynomial in the inputs; 99 if it is none."""
        degrees = [self.degrees[a] for a in e.inputs if isinstance(a, Var) and self.moves(a)]
        op = e.op
        if isinstance(op, Contraction):
            return min(99, sum(degrees))
        if isinstance(op, Linear):
            along = range(len(e.inputs)) if op.along is None else op.along
            still = all(not self.moves(a) for i, a in enumerate(e.inputs) if i not in along)
            return max(degrees) if still and e.output.type.differentiable else 99
        if op is multiply:
            return min(99, sum(degrees))
        if op in (add, subtract, negative) or (op is divide and not self.moves(e.inputs[1])):
            return max(degrees)
        if op is power_of and e.params["n"] in range(1, 50):
            return min(99, degrees[0] * int(e.params["n"]))
        return 99

    def _is_square(self, e: Equation) -> bool:
        """Whether a value is a sum of squares of affine values, plus a constant that is not negative."""
        op = e.op
        if (op is power_of and e.params["n"] == 2) or (op is multiply and e.inputs[0] is e.inputs[1]):
            return self.bend(e.inputs[0]).affine
        if op is add or (isinstance(op, Linear) and op.increasing) or op is convert:
            return all(a in self.squares if self.moves(a) else bool(np.all(self.range(a).low >= 0)) for a in e.inputs)
        if isinstance(op, Contraction):
            if len(e.inputs) == 2 and e.inputs[0] is e.inputs[1]:
                spec: Spec = e.params["spec"]
                return spec.ins[0] == spec.ins[1] and self.bend(e.inputs[0]).affine
            return all(a in self.squares if self.moves(a) else bool(np.all(self.value(a) >= 0)) for a in e.inputs) and (
                sum(map(self.moves, e.inputs)) == 1
            )
        if op in (multiply, divide):
            x, y = e.inputs
            if self.moves(x) != self.moves(y) and (op is multiply or not self.moves(y)):
                moving, still = (x, y) if self.moves(x) else (y, x)
                sign = self.value(still)
                return moving in self.squares and bool(np.all(sign > 0 if op is divide else sign >= 0))
        return False

    # --- rules ------------------------------------------------------------------------------------------------------

    def _bend(self, e: Equation) -> tuple[Bend, Reason | None]:
        op = e.op
        none = np.zeros(e.output.type.shape, bool)
        if not e.output.type.differentiable or self._unbounded_data(e):
            return Bend(none, none), None
        if isinstance(op, Contraction):
            return self._contraction(e)
        if op in (add, subtract, negative, convert):
            return self._sum(e)
        if (
            op in (multiply, divide)
            and sum(map(self.moves, e.inputs)) == 1
            and not (op is divide and self.moves(e.inputs[1]))
        ):
            return self._scaled(e)
        if isinstance(op, Linear):
            return self._linear(e)
        if op is divide and self.moves(e.inputs[0]) and self._square_over_affine(e):
            return Bend(~none, none), Reason("", "a square over a positive affine value")
        if self._root_of_squares(e):
            return Bend(~none, none), Reason("", "the length of an affine value")
        if op is where and not self.moves(e.inputs[0]):
            c, x, y = (np.broadcast_to(np.asarray(v), none.shape) for v in (
                self.value(e.inputs[0]), self.bend(e.inputs[1]).convex, self.bend(e.inputs[2]).convex))  # fmt: skip
            low = [np.broadcast_to(self.bend(a).concave, none.shape) for a in e.inputs[1:]]
            return Bend(np.where(c, x, y), np.where(c, *low)), Reason("", "selected by data")
        if op.curved:
            return self._joint(e, op.curved)
        if isinstance(op, Elementwise):
            return self._composed(e)
        return Bend(none, none), None

    def _unbounded_data(self, e: Equation) -> bool:
        """Whether infinity, NaN or a division by zero stands beside what moves: ∞ · x is no affine function of x."""
        if e.op is divide and not self.moves(e.inputs[1]) and np.any(self.value(e.inputs[1]) == 0):
            return True
        if e.op not in (add, subtract, multiply, divide) and not isinstance(e.op, Contraction):
            return False
        return not all(np.all(np.isfinite(self.value(a))) for a in e.inputs if not self.moves(a))

    def _sum(self, e: Equation) -> tuple[Bend, Reason]:
        bends = [self.bend(a) for a in e.inputs]
        if e.op is negative or e.op is subtract:
            last = bends[-1]
            bends[-1] = Bend(last.concave, last.convex)
        rule = {True: "a sum of such", False: "a difference"}[e.op in (add, convert)]
        return self._and(bends, e), Reason("", rule)

    def _and(self, bends: Sequence[Bend], e: Equation) -> Bend:
        shape = e.output.type.shape
        convex = np.logical_and.reduce([np.broadcast_to(b.convex, shape) for b in bends])
        return Bend(convex, np.logical_and.reduce([np.broadcast_to(b.concave, shape) for b in bends]))

    def _scaled(self, e: Equation) -> tuple[Bend, Reason]:
        moving, still = e.inputs if self.moves(e.inputs[0]) else e.inputs[::-1]
        c, b = self.value(still), self.bend(moving)
        with np.errstate(invalid="ignore"):
            up, down = c >= 0, c <= 0
        if e.op is divide:
            up, down = c > 0, c < 0
        shape = e.output.type.shape
        convex = np.broadcast_to((b.convex & up) | (b.concave & down), shape)
        return Bend(convex, np.broadcast_to((b.concave & up) | (b.convex & down), shape)), Reason("", "times data")

    def _linear(self, e: Equation) -> tuple[Bend, Reason | None]:
        op = e.op
        assert isinstance(op, Linear)
        along = range(len(e.inputs)) if op.along is None else op.along
        none = np.zeros(e.output.type.shape, bool)
        if any(self.moves(a) for i, a in enumerate(e.inputs) if i not in along):
            return Bend(none, none), None
        if all(self.bend(a).affine for a in e.inputs):
            return Bend(~none, ~none), Reason("", "linear")
        if not op.increasing:
            return Bend(none, none), None

        def spread(side: str) -> Array:
            """What an element that is not of that kind reaches, is not either."""
            wrong = [
                ~getattr(self.bend(a), side) * 1.0 if i in along else self.value(a) for i, a in enumerate(e.inputs)
            ]
            return np.asarray(op.evaluate(*wrong, **e.params)) == 0

        return Bend(spread("convex"), spread("concave")), Reason("", "moved or added up")

    def _contraction(self, e: Equation) -> tuple[Bend, Reason | None]:
        spec: Spec = e.params["spec"]
        none = np.zeros(e.output.type.shape, bool)
        moving = [i for i, a in enumerate(e.inputs) if self.moves(a)]
        if len(moving) == 2:
            x, y = e.inputs
            if x is y and spec.ins[0] == spec.ins[1]:
                b, r = self.bend(x), self.range(x)
                fits = b.affine or (b.convex.all() and np.all(r.low >= 0)) or (b.concave.all() and np.all(r.high <= 0))
                if fits:
                    return Bend(~none, none), Reason("", "a sum of squares")
            if spec.ins[0] == spec.ins[1] and self.sums.same_but_for_a_factor(x, y):
                return Bend(~none, none), Reason("", "a sum of squares and affine terms")
            return Bend(none, none), None
        (i,) = moving
        b = self.bend(e.inputs[i])
        if b.affine:
            return Bend(~none, ~none), Reason("", "linear")

        def reached(up: Array, down: Array) -> Array:
            """Where a weight above zero meets `up`, or one below zero meets `down`."""
            if len(e.inputs) == 1:
                return np.asarray(e.op.evaluate(up * 1.0, spec=spec)) > 0
            weights = self.value(e.inputs[1 - i])
            found = np.zeros(e.output.type.shape)
            for w, x in (((weights > 0) * 1.0, up * 1.0), ((weights < 0) * 1.0, down * 1.0)):
                found = found + np.asarray(e.op.evaluate(*((w, x) if i else (x, w)), spec=spec))
            return np.asarray(found > 0)

        convex, concave = ~reached(~b.convex, ~b.concave), ~reached(~b.concave, ~b.convex)
        return Bend(convex, concave), Reason("", "a weighted sum" if len(e.inputs) == 2 else "a sum of such")

    def _square_over_affine(self, e: Equation) -> bool:
        x, y = e.inputs
        return (
            isinstance(x, Var)
            and x in self.squares
            and x.type.shape == y.type.shape
            and self.bend(y).affine
            and bool(np.all(self.range(y).low > 0))
            and self._single_square(x)
        )

    def _single_square(self, v: Var) -> bool:
        e = self.producer.get(v)
        return e is not None and (e.op is power_of or e.op is multiply or isinstance(e.op, Contraction))

    def _root_of_squares(self, e: Equation) -> bool:
        """√ of a sum of squares of affine values and a constant: a length."""
        (x, *others) = e.inputs
        root = (
            e.op.notation is not None and e.op.notation.style == "root" and isinstance(e.op, Elementwise) and e.op.ends
        )
        half = e.op is power_of and e.params["n"] == 0.5
        return (root or half) and not others and x in self.squares

    def _joint(self, e: Equation, side: int) -> tuple[Bend, Reason | None]:
        """A function convex in all operands together, of affine ones; where it never falls, of convex ones."""
        op = e.op
        bends = [self.bend(a) for a in e.inputs]
        none = np.zeros(e.output.type.shape, bool)
        rule = f"{_title(op)} is {'convex' if side > 0 else 'concave'}"
        if isinstance(op, Elementwise):
            up = self._and(bends, e)
            outer = up.convex if side > 0 else up.concave
            good = outer if op.increasing or self._rises(e) else none
            for b, a in zip(bends, e.inputs, strict=True) if not good.all() and len(e.inputs) == 1 else ():
                r = self.range(a)  # |x| rises where x is positive, and falls where it is negative
                good = (r.low >= 0) & b.convex | (r.high <= 0) & b.concave
            good = np.broadcast_to(good | (up.convex & up.concave), none.shape)
            return (Bend(good, none) if side > 0 else Bend(none, good)), Reason("", rule)
        (b, *_) = bends
        fine = (b.convex if side > 0 else b.concave).all() and (
            b.affine or op.increasing or bool(np.all(self.range(e.inputs[0]).low >= 0))
        )
        word = np.full(none.shape, bool(fine))
        return (Bend(word, none) if side > 0 else Bend(none, word)), Reason("", rule)

    def _rises(self, e: Equation) -> bool:
        assert isinstance(e.op, Elementwise)
        dtypes = tuple(a.type.dtype for a in e.inputs), e.output.type.dtype
        xs = [self.range(a) for a in e.inputs]
        signs = [sign_of(slope(e.op, i, dtypes, tuple(e.params.items()), xs)) for i in range(len(xs))]
        return all(np.all(np.asarray(s) > 0) for s in signs)

    def _composed(self, e: Equation) -> tuple[Bend, Reason | None]:
        """h(g): h″ and h′ have a sign on the range of g, and g the curvature that goes with it."""
        op = e.op
        assert isinstance(op, Elementwise)
        none = np.zeros(e.output.type.shape, bool)
        moving = [i for i, a in enumerate(e.inputs) if self.moves(a)]
        if len(moving) != 1 or op.kinks or op.switch is not None or op.derivative is None:
            return Bend(none, none), None
        (i,) = moving
        xs = [self.range(a) for a in e.inputs]
        if op.ends:
            xs = [
                Enclosure(np.clip(x.low, d.low, d.high), np.clip(x.high, d.low, d.high))
                for x, d in zip(xs, op.domain, strict=True)
            ]
        elif xs[i].undefined:
            return Bend(none, none), None
        dtypes = tuple(a.type.dtype for a in e.inputs), e.output.type.dtype
        params = tuple(e.params.items())
        first = np.asarray(sign_of(slope(op, i, dtypes, params, xs)))
        up, down = _second_sign(op, i, dtypes, params, xs)
        b = self.bend(e.inputs[i])
        affine = b.convex & b.concave
        convex = up & (affine | ((first > 0) & b.convex) | ((first < 0) & b.concave))
        concave = down & (affine | ((first > 0) & b.concave) | ((first < 0) & b.convex))
        shape = e.output.type.shape
        words = []
        if convex.all() or concave.all():
            words = [f"h″ {'≥' if convex.all() else '≤'} 0"]
            words += [f"h′ {'≥' if (first > 0).all() else '≤'} 0"] if not affine.all() else []
        way = "upward" if convex.all() else "downward"
        rule = f"the outer function bends {way} there ({', '.join(words)})" if words else ""
        return Bend(np.broadcast_to(convex, shape), np.broadcast_to(concave, shape)), Reason("", rule)


def _title(op: Op) -> str:
    return op.name


def _second_sign(op: Elementwise, i: int, dtypes: Any, params: Any, xs: Sequence[Enclosure]) -> tuple[Any, Any]:
    """Where the second derivative in operand i is ≥ 0, and ≤ 0: the derivative of the derivative entry, bounded."""
    program = _second(op, i, dtypes, params)
    if program is None:
        return np.asarray(True), np.asarray(True)
    (found,) = read(program, dict(zip(program.inputs, [xs[i], *xs[:i], *xs[i + 1 :]], strict=True))).outputs
    return found.low >= 0, found.high <= 0


@lru_cache(maxsize=1024)
def _second(op: Elementwise, i: int, dtypes: Any, params: Any) -> Program | None:
    ins, out = dtypes
    variables = [Var(ArrayType((), d)) for d in ins]
    result = Var(ArrayType((), out))
    inputs = (variables[i], *variables[:i], *variables[i + 1 :])
    uncut = replace(op, cut=())
    return twice(Program(inputs, (Equation(uncut, tuple(variables), (result,), dict(params)),), (result,)))
