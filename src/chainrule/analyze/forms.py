"""Functions of one number made of +, −, ×, ÷, exp and log, in exact arithmetic: enough to prove that φ″ ≥ 0.

A form is A(z) + Σ Bᵢ(z) ln Cᵢ(z), with A, B, C quotients of sums of terms c zⁱ eʳᶻ with rational c and r. Its second
derivative loses the logarithms when every B is linear, and is then a quotient P / Q of such sums. That P and Q are
nowhere negative is seen from their coefficients, or, where only z or only eʳᶻ occurs, by counting roots exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd, inf, isqrt
from typing import Any, NoReturn

from .terms import ONE, Sum, Unknown, plus, sign, slope, times


class Split(Exception):
    """What holds on the piece at hand changes at a point inside it."""

    def __init__(self, at: Fraction) -> None:
        self.at = at


@dataclass(frozen=True)
class Quotient:
    """top / bottom."""

    top: Sum
    bottom: Sum

    def __add__(self, other: Quotient) -> Quotient:
        if self.bottom == other.bottom:
            return Quotient(plus(self.top, other.top), self.bottom)
        return Quotient(
            plus(times(self.top, other.bottom), times(other.top, self.bottom)), times(self.bottom, other.bottom)
        )

    def __mul__(self, other: Quotient) -> Quotient:
        if self.top == other.bottom and self.top:
            return Quotient(other.top, self.bottom)
        if other.top == self.bottom and other.top:
            return Quotient(self.top, other.bottom)
        return Quotient(times(self.top, other.top), times(self.bottom, other.bottom))

    def slope(self) -> Quotient:
        if len(self.bottom) == 1 and ONE in self.bottom:
            return Quotient(slope(self.top), self.bottom)
        top = plus(times(slope(self.top), self.bottom), times(self.top, slope(self.bottom)), -1)
        return Quotient(top, times(self.bottom, self.bottom))

    @property
    def constant(self) -> Fraction | None:
        if not self.top:
            return Fraction(0)
        if set(self.top) == {ONE} and set(self.bottom) == {ONE}:
            return self.top[ONE] / self.bottom[ONE]
        return None


def number(c: Any) -> Quotient:
    value = Fraction(c)
    return Quotient({ONE: value} if value else {}, {ONE: Fraction(1)})


# --- forms ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A + Σ B ln C on a piece [low, high] of the line: what an op's `formal` fact is read with."""

    plain: Quotient
    logs: tuple[tuple[Any, Quotient], ...] = ()  # (the items of C, B)
    low: Any = -inf
    high: Any = inf

    def _like(self, plain: Quotient, logs: Any = ()) -> Form:
        return Form(plain, tuple((c, b) for c, b in logs if b.top), self.low, self.high)

    def _read(self, other: Any) -> Form:
        return other if isinstance(other, Form) else self._like(number(other))

    def __add__(self, other: Any) -> Form:
        other = self._read(other)
        logs = dict(self.logs)
        for c, b in other.logs:
            logs[c] = logs[c] + b if c in logs else b
        return self._like(self.plain + other.plain, logs.items())

    def _scaled(self, factor: Quotient) -> Form:
        return self._like(self.plain * factor, [(c, b * factor) for c, b in self.logs])

    def __mul__(self, other: Any) -> Form:
        other = self._read(other)
        if other.logs and self.logs:
            raise Unknown
        return other._scaled(self.plain) if other.logs else self._scaled(other.plain)

    def __neg__(self) -> Form:
        return self * -1

    def __sub__(self, other: Any) -> Form:
        return self + (-self._read(other))

    def __rsub__(self, other: Any) -> Form:
        return self._read(other) - self

    def __truediv__(self, other: Any) -> Form:
        other = self._read(other)
        if other.logs or not other.plain.top:
            raise Unknown
        return self._scaled(Quotient(other.plain.bottom, other.plain.top))

    def __rtruediv__(self, other: Any) -> Form:
        return self._read(other) / self

    def __pow__(self, n: Any) -> Form:
        if n != int(n) or abs(n) > 12:
            raise Unknown
        result = self._like(number(1))
        for _ in range(abs(int(n))):
            result = result * self
        return 1 / result if n < 0 else result

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Form:
        """exp(r z + n ln C + …): a rational r, whole n, and nothing added to them."""
        result = self._like(number(1))
        if set(self.plain.bottom) != {ONE}:
            raise Unknown
        for (i, r), c in self.plain.top.items():
            if (i, r) != (1, Fraction(0)):
                raise Unknown
            result = result * self._like(Quotient({(0, c / self.plain.bottom[ONE]): Fraction(1)}, {ONE: Fraction(1)}))
        for c, b in self.logs:
            n = b.constant
            if n is None:
                raise Unknown
            result = result * self._like(Quotient(dict(c), {ONE: Fraction(1)})) ** n
        return result

    def log(self) -> Form:
        if self.logs:
            raise Unknown
        result = self._like(number(0))
        for part, way in ((self.plain.top, 1), (self.plain.bottom, -1)):
            if self._sign(part, strict=True) != 1:
                raise Unknown  # the logarithm of what may be negative
            if len(part) == 1:
                ((i, r), c) = next(iter(part.items()))
                power = self._like(Quotient({(1, Fraction(0)): way * r} if r else {}, {ONE: Fraction(1)}))
                rest = {(i, Fraction(0)): c}
                result = result + power
                if rest == {ONE: Fraction(1)}:
                    continue
                part = rest
            result = result + self._like(number(0), [(tuple(sorted(part.items())), number(way))])
        return result

    def larger(self, other: Any) -> Form:
        return self if self._exceeds(other) else self._read(other)

    def compared(self, other: Any, compare: Callable[[Any, Any], Any]) -> Form:
        """1 or 0. Inside a piece both must be equal everywhere or nowhere; its ends are read by themselves."""
        difference = self - self._read(other)
        if difference.logs:
            raise Unknown
        if not difference.plain.top:
            return self._like(number(int(bool(compare(0, 0)))))
        parts = difference.plain.top, difference.plain.bottom
        top, bottom = (self._sign(part, strict=True) for part in parts)
        if top is None or not bottom:
            self._split(parts)
        return self._like(number(int(bool(compare(top * bottom, 0)))))

    def chosen(self, yes: Any, no: Any) -> Form:
        truth = self.plain.constant
        if truth is None:
            raise Unknown
        return self._read(yes if truth else no)

    def _exceeds(self, other: Any) -> bool:
        """Whether this is at least the other on the whole piece; a piece on which that changes is to be split."""
        difference = self - self._read(other)
        if difference.logs:
            raise Unknown
        parts = difference.plain.top, difference.plain.bottom
        top, bottom = (self._sign(part) for part in parts)
        if top is None or not bottom:
            self._split(parts)
        return top * bottom >= 0

    def _sign(self, part: Sum, *, strict: bool = False) -> int | None:
        if self.low < self.high:
            return sign(part, self.low, self.high, strict=strict)
        value = _at(Quotient(part, {ONE: Fraction(1)}), Fraction(self.low))
        return (value > 0) - (value < 0)

    def _split(self, parts: Sequence[Sum]) -> NoReturn:
        """On smaller pieces the signs of these sums may be known."""
        for at in (at for part in parts for at in _candidates(part)):
            if self.low < at < self.high:
                raise Split(at)
        raise Unknown

    def second(self) -> Quotient:
        """φ″, where it has no logarithm."""
        total = self.plain.slope().slope()
        one = {ONE: Fraction(1)}
        for c, b in self.logs:
            inside = dict(c)
            first, twice = slope(inside), slope(slope(inside))
            if b.slope().slope().top:
                raise Unknown
            bend = Quotient(plus(times(twice, inside), times(first, first), -1), times(inside, inside))
            total = total + b.slope() * Quotient(first, inside) * Quotient({ONE: Fraction(2)}, one) + b * bend
        return total

    def first_at(self, z: Fraction) -> Fraction:
        """φ′ at a point, exactly: where no logarithm and no exponential is left, or z is 0."""
        total = Fraction(0)
        for c, b in self.logs:
            if b.slope().top:
                raise Unknown
            total += _at(b, z) * _at(Quotient(slope(dict(c)), dict(c)), z)
        return total + _at(self.plain.slope(), z)

    def step_to(self, other: Form, z: Fraction) -> Fraction:
        """other − this at a point, exactly."""
        difference = other - self
        logs: dict[Fraction, Fraction] = {}
        for c, b in difference.logs:
            inside = _at(Quotient(dict(c), {ONE: Fraction(1)}), z)
            logs[inside] = logs.get(inside, Fraction(0)) + _at(b, z)
        if any(b for inside, b in logs.items() if inside != 1):
            raise Unknown
        return _at(difference.plain, z)


def _at(q: Quotient, z: Fraction) -> Fraction:
    def value(p: Sum) -> Fraction:
        if z and any(r for _, r in p):
            raise Unknown
        if z == 0 and any(i < 0 for i, _ in p):
            raise Unknown
        return sum((c * z**i for (i, _), c in p.items()), Fraction(0))

    bottom = value(q.bottom)
    if not bottom:
        raise Unknown
    return value(q.top) / bottom


def _candidates(p: Sum) -> list[Fraction]:
    """Rational points where a sum may change its sign: 0, and roots of a linear or quadratic polynomial."""
    found = [Fraction(0)]
    if all(r == 0 for _, r in p) and p and max(i for i, _ in p) <= 2 and min(i for i, _ in p) >= 0:
        a, b, c = (p.get((i, Fraction(0)), Fraction(0)) for i in (2, 1, 0))
        if a:
            square = b * b - 4 * a * c
            root = _root(square)
            if root is not None:
                found += [(-b - root) / (2 * a), (-b + root) / (2 * a)]
        elif b:
            found.append(-c / b)
    return found


def _root(square: Fraction) -> Fraction | None:
    if square < 0:
        return None
    shared = gcd(square.numerator, square.denominator)
    top, bottom = isqrt(square.numerator // shared), isqrt(square.denominator // shared)
    return Fraction(top, bottom) if Fraction(top * top, bottom * bottom) == square else None


# --- a whole function -----------------------------------------------------------------------------------------------


def bend(form_on: Callable[[Any, Any], Form], low: Any, high: Any, *, choices: bool = False) -> int:
    """1 if φ is convex between low and high, -1 if concave, 0 if that is not known.

    `form_on(low, high)` reads φ on a piece, or raises Split: then the pieces must fit together, without a jump and
    with a slope that does not turn back. Where there are `choices`, φ may have a value of its own at a single point:
    the ends of the pieces are then read one by one.
    """
    pieces: list[tuple[Any, Any, Form]] = []
    waiting = [(low, high)]
    while waiting:
        a, b = waiting.pop()
        if len(pieces) + len(waiting) > 12:
            return 0
        try:
            pieces.append((a, b, form_on(a, b)))
        except Split as split:
            waiting += [(a, split.at), (split.at, b)]
        except Unknown:
            return 0
    pieces.sort(key=lambda piece: piece[0])
    try:
        found = set()
        for a, b, form in pieces:
            second = form.second()
            top, bottom = sign(second.top, a, b), sign(second.bottom, a, b)
            if top is None or not bottom:
                return 0
            if any(
                not sign(part, a, b, strict=True) for part in (form.plain.bottom, *(q.bottom for _, q in form.logs))
            ):
                return 0  # a pole may lie inside
            found.add(top * bottom)
        for (_, at, left), (_, _, right) in pairwise(pieces):
            if left.step_to(right, at):
                return 0
            turn = right.first_at(at) - left.first_at(at)
            found.add(0 if not turn else 1 if turn > 0 else -1)
        for a, b, form in pieces if choices else ():
            for end in (a, b):
                if abs(end) != inf and form.step_to(form_on(end, end), Fraction(end)):
                    return 0
    except (Unknown, Split):
        return 0
    if found <= {0, 1}:
        return 1
    return -1 if found <= {0, -1} else 0
