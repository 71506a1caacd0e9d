"""What a formula says, computed: names are columns and matrices, and whatever could be read in two ways raises.

A vector is a column; x y of two columns means nothing, a column beside a matrix in a sum means nothing, 1 has the
length that its surroundings give it. Elements are looped over, with the range of what the letter indexes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

from chainrule.explain.layout import subscript


class Ambiguous(Exception):
    """It could be read in two ways, or in none."""


@dataclass(frozen=True)
class Matrix:
    """Rows and columns; `open` says along which of the two its length is given by the surroundings."""

    a: np.ndarray
    open: tuple[bool, bool] = (False, False)


@dataclass(frozen=True)
class Eye:
    """c I, as large as its surroundings ask."""

    c: float = 1.0


ONES = Matrix(np.ones((1, 1)), (True, False))
AFTER = {"i": 0, "j": 1}


def value_of(array: Any) -> Any:
    """What a name stands for: axes of length 1 are not seen."""
    a = np.squeeze(np.asarray(array))
    return a[()] if a.ndim == 0 else Matrix(a[:, None]) if a.ndim == 1 else Matrix(a) if a.ndim == 2 else a


def array_of(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A value as an array; one number stands for many, and ones take the length that is asked."""
    long = tuple(n for n in shape if n != 1)
    if isinstance(x, Eye):
        x = x.c * np.eye(long[0])
    elif isinstance(x, Matrix):
        target = long if len(long) == 2 else (*long, 1)
        for n, wanted, loose in zip(x.a.shape, target, x.open, strict=True):
            if n != wanted and not loose:
                raise Ambiguous(f"{x.a.shape} for {shape}")
        x = np.broadcast_to(x.a, target)
    elif np.ndim(x) == 0:
        return np.broadcast_to(x, shape)
    return np.reshape(x, shape)


def both(x: Any, y: Any) -> tuple[Any, Any, tuple[bool, bool] | None]:
    """Two values of one shape, for what is done to each element; None as the openness of a number."""
    if isinstance(x, Eye) and isinstance(y, Eye):
        raise Ambiguous("I and I")
    if isinstance(x, Eye) or isinstance(y, Eye):
        other = y if isinstance(x, Eye) else x
        if not isinstance(other, Matrix) or any(other.open) or len(set(other.a.shape)) > 1:
            raise Ambiguous("I of no size")
        eye = (x if isinstance(x, Eye) else y).c * np.eye(len(other.a))
        return (eye, other.a, other.open) if isinstance(x, Eye) else (other.a, eye, other.open)
    if isinstance(x, Matrix) and isinstance(y, Matrix):
        for m, n, p, q in zip(x.a.shape, y.a.shape, x.open, y.open, strict=True):
            if m != n and not p and not q:
                raise Ambiguous(f"shapes {x.a.shape} and {y.a.shape}")
        return x.a, y.a, (x.open[0] and y.open[0], x.open[1] and y.open[1])
    if isinstance(x, Matrix) or isinstance(y, Matrix):
        if np.ndim(x) > 0 or np.ndim(y) > 0:
            raise Ambiguous("a matrix and a tensor")
        return (x.a, y, x.open) if isinstance(x, Matrix) else (x, y.a, y.open)
    if np.ndim(x) and np.ndim(y) and np.shape(x) != np.shape(y):
        raise Ambiguous("tensors of different shape")
    return x, y, None


def each(f: Any, *xs: Any) -> Any:
    """f of each element."""
    if len(xs) == 1:
        (x,) = xs
        if isinstance(x, Eye):
            raise Ambiguous("f(I) of no size")
        return Matrix(f(x.a), x.open) if isinstance(x, Matrix) else f(x)
    x, y, loose = both(*xs)
    found = f(x, y)
    return found if loose is None else Matrix(found, loose)


def times(x: Any, y: Any) -> Any:
    """A product as it is written: a number times anything, or of matrices that fit."""
    if isinstance(x, Eye) or isinstance(y, Eye):
        eye, other = (x, y) if isinstance(x, Eye) else (y, x)
        if isinstance(other, Matrix):
            return each(lambda a: eye.c * a, other)
        return Eye(eye.c * (other.c if isinstance(other, Eye) else other))
    if isinstance(x, Matrix) and isinstance(y, Matrix):
        if x.open[1] and y.open[0]:
            raise Ambiguous("1ᵀ 1 of no length")
        left, right = x.a, y.a
        if x.open[1]:
            left = np.broadcast_to(left, (left.shape[0], right.shape[0]))
        elif y.open[0]:
            right = np.broadcast_to(right, (left.shape[1], right.shape[1]))
        elif left.shape[1] != right.shape[0]:
            raise Ambiguous(f"{left.shape} times {right.shape}")
        found, loose = left @ right, (x.open[0], y.open[1])
        return found[0, 0] if found.shape == (1, 1) and not any(loose) else Matrix(found, loose)
    if isinstance(x, Matrix) or isinstance(y, Matrix):
        number, matrix = (y, x) if isinstance(x, Matrix) else (x, y)
        if np.ndim(number):
            raise Ambiguous("a matrix and a tensor")
        return Matrix(number * matrix.a, matrix.open)
    if np.ndim(x) and np.ndim(y):
        raise Ambiguous("a product of tensors")
    return x * y


def closed(x: Any) -> np.ndarray:
    """An array whose shape is known."""
    if isinstance(x, Eye) or (isinstance(x, Matrix) and any(x.open)):
        raise Ambiguous("of no size")
    if isinstance(x, Matrix):
        return x.a[:, 0] if x.a.shape[1] == 1 else x.a
    return np.asarray(x)


def turned(x: Any) -> Any:
    return x if isinstance(x, Eye) or np.ndim(getattr(x, "a", x)) == 0 else Matrix(x.a.T, x.open[::-1])


def diag(x: Any) -> Any:
    a = closed(x)
    return value_of(np.diag(a))


def _reduced(f: Any) -> Any:
    def apply(x: Any, *more: Any) -> Any:
        if not more:
            return f(closed(x), axis=None)
        if isinstance(more[0], str):
            return value_of(f(closed(x), axis=tuple(int(n) for n in more[0].removeprefix("axis ").split(", "))))
        pair = {np.max: np.maximum, np.min: np.minimum}[f]
        return each(pair, x, more[0])

    return apply


def _softmax(x: Any, axis: str | None = None) -> Any:
    return value_of(scipy.special.softmax(closed(x), axis=None if axis is None else int(axis.removeprefix("axis "))))


FUNCTIONS: dict[str, Any] = {
    name: functools.partial(each, f)
    for name, f in {
        "exp": np.exp, "ln": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "σ": scipy.special.expit,
        "sign": np.sign, "cosh": np.cosh, "logaddexp": np.logaddexp, "log1p": np.log1p, "tan": np.tan,
    }.items()
} | {
    "tr": lambda x: np.trace(closed(x)), "diag": diag, "max": _reduced(np.max), "min": _reduced(np.min),
    "logsumexp": _reduced(scipy.special.logsumexp), "softmax": _softmax,
    "cumsum": lambda x, *way: value_of(np.cumsum(closed(x)[:: -1 if way else 1])[:: -1 if way else 1]),
    "det": lambda x: np.linalg.det(closed(x)),
}  # fmt: skip
SIGNS: dict[str, Any] = {
    " ⊙ ": np.multiply, " + ": np.add, " − ": np.subtract, " = ": np.equal, " < ": np.less, " > ": np.greater,
    " ≤ ": np.less_equal, " ≥ ": np.greater_equal, " ≠ ": np.not_equal, " ∧ ": np.logical_and, " ∨ ": np.logical_or,
}  # fmt: skip


class Reader:
    """Computes boxes, given the arrays that the user's names stand for and the definitions that are shown."""

    def __init__(self, names: dict[str, Any], where: Any) -> None:
        self.names = {name: value_of(v) for name, v in names.items()}
        self.where: dict[str, Any] = {}
        self.summing = False
        for left, right in where:
            indexed = left.kind == "lowered" and left.unicode not in self.names and not left.parts[1].sign.isdigit()
            name = (left.parts[0] if indexed else left).unicode
            if name in self.names or name in self.where:
                raise Ambiguous(f"{name} is two things")
            self.where[name] = (left.parts[1].sign if indexed else "", right)

    def head(self, left: Any, right: Any, shape: tuple[int, ...]) -> Any:
        """What `left = right` says, of an array of that shape."""
        self.length = shape[0] if shape else 0
        index = left.parts[1].sign if left.kind == "lowered" and not left.parts[1].sign.isdigit() else ""
        long = [n for n in shape if n != 1]
        return self.by_elements(index, right, {}, long) if index else self.read(right, {})

    def name(self, sign: str) -> Any:
        if sign not in self.names:
            if sign not in self.where:
                raise Ambiguous(f"{sign} is not defined")
            index, body = self.where[sign]
            self.names[sign] = self.by_elements(index, body, {}) if index else self.read(body, {})
        return self.names[sign]

    # --- indices ---

    def by_elements(self, index: str, body: Any, at: dict[str, int], asked: Sequence[int] = ()) -> Any:
        letters = index.split(",")
        if set(letters) & set(at) or len(set(letters)) < len(letters):
            raise Ambiguous(f"{index} again")
        sizes = [self.range(letter, body, at, set()) for letter in letters]
        sizes = [m or n for m, n in zip(sizes, asked or sizes, strict=True)]
        found = np.empty([1 if n is None else n for n in sizes])
        condition = False
        for place in itertools.product(*map(range, found.shape)):
            entry = self.read(body, at | dict(zip(letters, place, strict=True)))
            found[place], condition = entry, np.asarray(entry).dtype == bool
        if condition:
            found = found.astype(bool)
        if None in sizes:
            if len(sizes) > 2:
                raise Ambiguous(f"no range for {index}")
            return Matrix(found.reshape(found.shape[0], -1), tuple(n is None for n in (*sizes, 1)[:2]))
        return value_of(found)

    def range(self, letter: str, box: Any, at: dict[str, int], seen: set[int]) -> int | None:
        """How far an index runs: as far as what it indexes goes."""
        self.any_value = False
        sizes = self.ranges(letter, box, at)
        if not sizes and self.any_value:  # only asked whether it equals something
            return 99 if self.summing else None
        if len(sizes) > 1:
            raise Ambiguous(f"{letter} runs to {sizes}")
        return next(iter(sizes), None)

    def ranges(self, letter: str, box: Any, at: dict[str, int]) -> set[int]:
        if box.kind == "summed" and letter in box.parts[0].sign.split(","):
            raise Ambiguous(f"{letter} is counted with twice")
        found: set[int] = set()
        if box.kind == "lowered" and letter in box.parts[1].sign.split(","):
            if box.parts[0].sign == "[ ]" and box.parts[0].parts[0].sign not in ("; ", ", "):
                raise Ambiguous("an element of a bracket")
            x = self.read(box.parts[0], {})
            if isinstance(x, Eye):
                return found
            axes = [i for i, name in enumerate(box.parts[1].sign.split(",")) if name == letter]
            array = closed(x)
            if array.ndim != len(box.parts[1].sign.split(",")):
                raise Ambiguous(f"{box} has {array.ndim} axes")
            found = {array.shape[i] for i in axes}
        if box.kind == "lowered":  # elements of index arrays
            places = [p for p in box.parts[1].sign.split(",") if p != letter and p.endswith(subscript(letter) or "?")]
            found.update(len(closed(self.name(p.removesuffix(subscript(letter))))) for p in places)
        if box.kind == "row" and box.sign == " = " and letter in (box.parts[0].sign, box.parts[1].sign):
            self.any_value = True
        return found.union(*(self.ranges(letter, part, at) for part in box.parts))

    # --- boxes ---

    def read(self, box: Any, at: dict[str, int]) -> Any:
        return getattr(self, f"_{box.kind}")(box, at)

    def _letter(self, box: Any, at: dict[str, int]) -> Any:
        if box.sign in at:
            return at[box.sign]
        if box.sign == "1":
            return ONES
        if box.sign == "I" and "I" not in self.names:
            return Eye()
        return self.name(box.sign)

    def _accent(self, box: Any, at: dict[str, int]) -> Any:
        return self.name(box.unicode)

    def _number(self, box: Any, at: dict[str, int]) -> Any:
        return {"π": np.pi, "∞": np.inf}.get(box.sign) or float(box.sign)

    def _text(self, box: Any, at: dict[str, int]) -> Any:
        return {"true": np.True_, "false": np.False_}.get(box.sign, box.sign)

    def _prefix(self, box: Any, at: dict[str, int]) -> Any:
        if box.sign == "¬":
            return each(np.logical_not, self.read(box.parts[0], at))
        return times(-1.0, self.read(box.parts[0], at))

    def _transposed(self, box: Any, at: dict[str, int]) -> Any:
        return turned(self.read(box.parts[0], at))

    def _fraction(self, box: Any, at: dict[str, int]) -> Any:
        return each(np.divide, self.read(box.parts[0], at), self.read(box.parts[1], at))

    def _root(self, box: Any, at: dict[str, int]) -> Any:
        return each({"√": np.sqrt, "∛": np.cbrt}[box.sign], self.read(box.parts[0], at))

    def _raised(self, box: Any, at: dict[str, int]) -> Any:
        if box.unicode in self.names or box.unicode in self.where:
            return self.name(box.unicode)
        base, exponent = self.read(box.parts[0], at), box.parts[1].unicode
        square = isinstance(base, Matrix) and base.a.shape[0] == base.a.shape[1]
        if exponent in ("-T", "−1", "-1") and square:
            return Matrix(np.linalg.inv(base.a.T if exponent == "-T" else base.a))
        return each(np.power, base, self.read(box.parts[1], at))

    def _summed(self, box: Any, at: dict[str, int]) -> Any:
        letters = box.parts[0].sign.split(",")
        if set(letters) & set(at):
            raise Ambiguous(f"{letters} are bound outside")
        self.summing = True
        sizes = [self.range(letter, box.parts[1], at, set()) for letter in letters]
        self.summing = False
        if None in sizes:
            raise Ambiguous(f"{box}: a letter is not used")
        places = itertools.product(*map(range, sizes))
        return sum(self.read(box.parts[1], at | dict(zip(letters, place, strict=True))) for place in places)

    def _cases(self, box: Any, at: dict[str, int]) -> Any:
        *pairs, (last, _) = zip(box.parts[::2], box.parts[1::2], strict=True)
        found = self.read(last, at)
        for value, condition in reversed(pairs):
            c, yes = self.read(condition, at), self.read(value, at)
            x, y, loose = both(yes, found)
            flag, _, _ = both(c, Matrix(x + y, loose) if loose else x + y)
            found = np.where(flag, x, y)
            found = Matrix(found, loose or c.open) if isinstance(c, Matrix) or loose else found[()]
        return found

    def _fenced(self, box: Any, at: dict[str, int]) -> Any:
        if box.sign == "⟨ ⟩":
            x, y = (self.read(part, at) for part in box.parts[0].parts)
            return np.sum(both(x, y)[0] * both(x, y)[1])
        if box.sign == "[ ]" and box.parts[0].kind == "row" and box.parts[0].sign in (", ", "; "):
            parts = [np.atleast_2d(getattr(self.read(p, at), "a", self.read(p, at))) for p in box.parts[0].parts]
            return value_of(np.concatenate(parts, axis=0 if box.parts[0].sign == "; " else 1))
        x = self.read(box.parts[0], at)
        if box.sign == "[ ]":
            assert np.asarray(getattr(x, "a", x)).dtype == bool, f"{box} is no condition"
            return each(lambda a: a * 1.0, x)
        if box.sign == "( )":
            return x
        if box.sign == "‖ ‖":
            if np.ndim(closed(x)) > 1:
                raise Ambiguous("the norm of a matrix: which?")
            return np.linalg.norm(closed(x))
        return each({"| |": np.abs, "⌊ ⌋": np.floor, "⌈ ⌉": np.ceil}[box.sign], x)

    def _lowered(self, box: Any, at: dict[str, int]) -> Any:
        if box.unicode in self.names or box.unicode in self.where:
            return self.name(box.unicode)
        base, index = box.parts[0], box.parts[1].sign
        if base.tex == r"\mathbf{e}":
            return value_of(np.eye(self.length)[int(index)])
        if base.sign == "I" and index.startswith(":,"):
            start, _, stop = index[2:].partition(":")
            return Matrix(np.eye(self.length)[:, int(start or 0) : int(stop) if stop else None])
        if base.sign == "‖ ‖" and index == "F":
            return np.linalg.norm(closed(self.read(base.parts[0], at)))
        letters = index.split(",")
        if any(p in at or (":" not in p and p.endswith(tuple(map(subscript, at)))) for p in letters):
            x = self.read(base, {})
            if isinstance(x, Eye):
                return x.c * (at[letters[0]] == at[letters[1]])
            array = closed(x)
            if array.ndim != len(letters):
                raise Ambiguous(f"{box} has {array.ndim} axes")
            return array[tuple(self.place(letter, at) for letter in letters)]
        if base.sign == "[ ]":
            return self.by_elements(index, base.parts[0], at)
        place = tuple(slice(*[int(n) if n else None for n in p.split(":")]) if ":" in p else int(p) for p in letters)
        array = closed(self.read(base, at))
        return value_of(array[place])

    def place(self, written: str, at: dict[str, int]) -> int:
        """A letter, a number, or the element yᵢ of an index array."""
        if written in at or written.isdigit():
            return at[written] if written in at else int(written)
        (letter,) = [c for c in at if written.endswith(subscript(c))]
        return int(closed(self.name(written.removesuffix(subscript(letter))))[at[letter]])

    def _row(self, box: Any, at: dict[str, int]) -> Any:
        if box.sign == "":
            return self.applied(box, at)
        parts = [self.read(part, at) for part in box.parts]
        found = parts[0]
        for part in parts[1:]:
            found = times(found, part) if box.sign in (" ", "·") else each(SIGNS[box.sign], found, part)
        return found

    def applied(self, box: Any, at: dict[str, int]) -> Any:
        if box.parts[0].sign == "ln|det ":
            return np.log(np.abs(np.linalg.det(closed(self.read(box.parts[1], at)))))
        function, fence = box.parts
        if fence.sign == "[ ]":
            return value_of(closed(self.read(function, at))[closed(self.read(fence.parts[0], at)).astype(int)])
        inside = fence.parts[0]
        split = inside.kind == "row" and inside.sign == ", "
        arguments = [self.read(part, at) for part in (inside.parts if split else (inside,))]
        if function.kind == "raised":  # tanh² x
            return each(np.power, self.call(function.parts[0], arguments), self.read(function.parts[1], at))
        return self.call(function, arguments)

    def call(self, function: Any, arguments: list[Any]) -> Any:
        if function.kind == "lowered" and function.parts[0].sign == "reshape":
            shape = [int(n) for n in function.parts[1].sign.split("×")]
            x = arguments[0]
            if isinstance(x, Matrix) and sum(x.open) == 1:  # as many ones as it takes
                known = x.a.size
                x = Matrix(np.repeat(x.a, np.prod(shape) // known, axis=x.open.index(True)))
            return value_of(np.reshape(closed(x), shape))
        if function.sign not in FUNCTIONS:
            raise Ambiguous(f"what is {function}?")
        return FUNCTIONS[function.sign](*arguments)
