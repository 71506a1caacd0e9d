"""Where an element is read: whole-number expressions in loop counters, and the conditions under which it is there.

An Index is a sum of multiples of counters, of rounded-down quotients of Indices, and a constant. Sums cancel, so that
a reshape of a reshape is again a plain address.

>>> i, j = Counter(4, "i"), Counter(6, "j")
>>> flat = index(i) * 6 + index(j)
>>> str(flat // 6 * 6 + flat % 6)
'6 i + j'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


class Counter:
    """The counter of a loop, from 0 to size. Two are the same only if they are the same object."""

    __slots__ = ("name", "size")

    def __init__(self, size: int, name: str = "") -> None:
        self.size = size
        self.name = name

    def __repr__(self) -> str:
        return self.name or "?"


class Quotient(NamedTuple):
    """An Index divided by a positive whole number, rounded down."""

    of: Index
    by: int

    def __repr__(self) -> str:
        return f"⌊({self.of})/{self.by}⌋"


class Loaded(NamedTuple):
    """A position that is itself read from an array of whole numbers."""

    read: Read

    def __repr__(self) -> str:
        return f"{getattr(self.read.source, 'name', '') or 'positions'}[{', '.join(map(str, self.read.at))}]"


Term = Counter | Quotient | Loaded


@dataclass(frozen=True)
class Index:
    """Σ factor · term + constant."""

    terms: tuple[tuple[Term, int], ...] = ()
    constant: int = 0

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.constant + other)
        total = dict(self.terms)
        for term, factor in other.terms:
            total[term] = total.get(term, 0) + factor
        return Index(tuple((t, f) for t, f in total.items() if f), self.constant + other.constant)

    def __mul__(self, factor: int) -> Index:
        if factor == 0:
            return Index()
        return Index(tuple((t, f * factor) for t, f in self.terms), self.constant * factor)

    def __sub__(self, other: Index | int) -> Index:
        return self + (other * -1 if isinstance(other, Index) else -other)

    def __floordiv__(self, by: int) -> Index:
        """Rounded down, for what is not negative."""
        if by == 1:
            return self
        whole = Index(tuple((t, f // by) for t, f in self.terms if f // by), self.constant // by)
        rest = Index(
            tuple((t, f % by) for t, f in self.terms if f % by), self.constant % by
        )  # nothing negative is left
        if not rest.terms or rest.largest() < by:  # it never reaches the next multiple
            return whole
        return whole + Index(((Quotient(rest, by), 1),))

    def __mod__(self, by: int) -> Index:
        return self - (self // by) * by

    def largest(self) -> float:
        """An upper bound, where all factors are positive."""
        total: float = self.constant
        for term, factor in self.terms:
            if factor < 0 or isinstance(term, Loaded):
                return float("inf")
            top = term.size - 1 if isinstance(term, Counter) else term.of.largest() // term.by
            total += factor * top
        return total

    def counters(self) -> set[Counter]:
        """All counters it reads."""
        found: set[Counter] = set()
        for term, _ in self.terms:
            if isinstance(term, Counter):
                found.add(term)
            else:
                found |= term.of.counters() if isinstance(term, Quotient) else term.read.counters()
        return found

    def loaded(self) -> Iterator[Read]:
        """What is read from arrays to know it."""
        for term, _ in self.terms:
            if isinstance(term, Loaded):
                yield from term.read.all()
            elif isinstance(term, Quotient):
                yield from term.of.loaded()

    def factor(self, counter: Counter) -> int | None:
        """By how much it grows from one count to the next, if that is always the same."""
        found = 0
        for term, f in self.terms:
            if term is counter:
                found = f
            elif not isinstance(term, Counter):
                inner = term.of.counters() if isinstance(term, Quotient) else term.read.counters()
                if counter in inner:
                    return None
        return found

    def renamed(self, names: dict[Counter, Index]) -> Index:
        """With expressions in place of counters."""
        total = Index((), self.constant)
        for term, f in self.terms:
            if isinstance(term, Counter):
                total = total + names.get(term, index(term)) * f
            elif isinstance(term, Quotient):
                total = total + (term.of.renamed(names) // term.by) * f
            else:
                total = total + Index(((Loaded(term.read.renamed(names)), f),))
        return total

    def __str__(self) -> str:
        parts = [f"{f} {t!r}" if f != 1 else f"{t!r}" for t, f in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return " + ".join(parts)


def index(counter: Counter) -> Index:
    return Index(((counter, 1),)) if counter.size != 1 else Index()


class Within(NamedTuple):
    """low ≤ index < high, and a multiple of `step` away from low."""

    what: Index
    low: int
    high: int
    step: int = 1

    def renamed(self, names: dict[Counter, Index]) -> Within:
        return self._replace(what=self.what.renamed(names))


class Read(NamedTuple):
    """An element of an array: at these positions; zero where a condition fails.

    Where one of the last `own` conditions fails it is not there at all: an assembly then takes another.
    """

    source: Any  # a Var or a Const
    at: tuple[Index, ...]
    when: tuple[Within, ...] = ()
    own: int = 0

    @property
    def presence(self) -> tuple[Within, ...]:
        """The conditions under which it is there, be it zero."""
        return self.when[len(self.when) - self.own :]

    def counters(self) -> set[Counter]:
        found: set[Counter] = set()
        for i in (*self.at, *(w.what for w in self.when)):
            found |= i.counters()
        return found

    def all(self) -> Iterator[Read]:
        """Itself, and what is read to know where."""
        yield self
        for i in (*self.at, *(w.what for w in self.when)):
            yield from i.loaded()

    def renamed(self, names: dict[Counter, Index]) -> Read:
        return Read(
            self.source, tuple(i.renamed(names) for i in self.at), tuple(w.renamed(names) for w in self.when), self.own
        )
