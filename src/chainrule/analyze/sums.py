"""ln Σ eᶻ, however it is spelled: sums of values, and logarithms of positive values, taken apart into moved pieces.

Softmax regression is written with a maximum subtracted before exp and added back after log. Neither changes the value,
but one has to see that they cancel. So every value is read as a sum of pieces, each a coefficient times another value
with its elements moved (by an array of positions); and every positive value also by its logarithm. Then
ln Σ exp(a + t), where t does not change along the sum, is t + ln Σ exp(a), and pieces that are equal cancel.
Constants are left out: they change no curvature.

Pieces cancel only where no rounding is involved: factors whose product would be rounded are kept beside each other, and
coefficients whose sum would be, apart. What cancels in rounding only (x + 1e-17 x - x) does not cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Array, Atom, Equation, Var
from ..ops.arithmetic import add, convert, divide, multiply, negative, power_of, subtract
from ..ops.contraction import Contraction, Spec
from ..ops.elementary import exp, log_
from ..ops.op import Linear
from ..ops.reductions import logsumexp, softmax

if TYPE_CHECKING:
    from .curvature import Reader

LARGEST = 200_000  # elements: of more, positions are not kept
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Bend:
    """For each element, whether it is known to be convex, and to be concave; both is affine."""

    convex: Array
    concave: Array

    @property
    def affine(self) -> bool:
        return bool(self.convex.all() and self.concave.all())

    @property
    def word(self) -> str:
        if self.affine:
            return "affine"
        return "convex" if self.convex.all() else "concave" if self.concave.all() else "open"


Factor = tuple[bool, Array]  # whether it divides, and what


@dataclass(frozen=True)
class Piece:
    """coefficient · factors · root[positions], none of it rounded."""

    root: Any  # a Var, or a Sum
    positions: Array
    coefficient: Array
    factors: tuple[Factor, ...] = ()

    @property
    def key(self) -> Key:
        return *self.place, tuple(sorted((divides, f.tobytes()) for divides, f in self.factors))

    @property
    def place(self) -> Key:
        return id(self.root), self.positions.tobytes()

    @property
    def sign(self) -> Array:
        return np.sign(self.coefficient) * np.prod([np.sign(f) for _, f in self.factors], axis=0)

    def scaled(self, factor: Any, *, divides: bool = False) -> Piece:
        factor = np.broadcast_to(np.asarray(factor, float), self.positions.shape)
        short = (np.frexp(np.abs(factor))[0] == 0.5) | (factor == 0)  # a power of two: the exponent moves
        plain = not divides and bool(np.all(np.abs(self.coefficient) == 1))
        with np.errstate(all="ignore"):
            result = self.coefficient / factor if divides else self.coefficient * factor
        if plain or (short.all() and _ordinary(result)):
            return replace(self, coefficient=result)
        return replace(self, factors=(*self.factors, (divides, np.array(factor))))

    def over(self, shape: tuple[int, ...]) -> Piece:
        """Repeated to a larger shape."""
        return self if self.positions.shape == shape else self.moved(lambda x: x, shape)

    def moved(self, move: Callable[[Array], Any], shape: tuple[int, ...]) -> Piece:
        def over(x: Array) -> Array:
            return np.array(np.broadcast_to(move(np.array(x)), shape))

        positions = over(self.positions.astype(float)).astype(np.intp)
        return Piece(self.root, positions, over(self.coefficient), tuple((d, over(f)) for d, f in self.factors))


def _ordinary(x: Array) -> bool:
    """Whether nothing is lost at the ends of the range of floats."""
    return bool(np.all((x == 0) | ((np.abs(x) > 1e-290) & (np.abs(x) < 1e290))))


@dataclass(frozen=True, eq=False)
class LogSum:
    """ln Σ exp(Σ pieces) over axes: `pieces` are what is inside, `spec` says what is summed."""

    pieces: tuple[Piece, ...]
    spec: Spec
    inner: tuple[int, ...]
    shape: tuple[int, ...]


Pieces = tuple[Piece, ...]


class Sums:
    """Changes while a Program is read: the pieces of each value (`plain`), and of its logarithm (`logs`)."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.plain: dict[Var, Pieces] = {}
        self.logs: dict[Var, Pieces] = {}
        self.kept: list[Any] = []  # roots are told apart by id: they must stay alive

    def of(self, a: Atom) -> Pieces | None:
        """The pieces of a value; none of a constant."""
        if not self.reader.moves(a):
            return ()
        assert isinstance(a, Var)
        if a.type.size > LARGEST:
            return None
        if a not in self.plain:
            self.plain[a] = (self._whole(a, a.type.shape),)
        return self.plain[a]

    def log_of(self, a: Atom) -> Pieces | None:
        if not self.reader.moves(a):
            return () if np.all(self.reader.value(a) > 0) else None
        return self.logs.get(a)  # type: ignore[arg-type]

    def _whole(self, root: Any, shape: tuple[int, ...]) -> Piece:
        return Piece(root, np.arange(int(np.prod(shape))).reshape(shape), np.ones(shape))

    # --- one equation -----------------------------------------------------------------------------------------------

    def note(self, e: Equation) -> None:
        if e.output.type.size > LARGEST or any(a.type.size > LARGEST for a in e.inputs):
            return
        found = self._plain(e)
        if found is not None:
            self.plain[e.output] = found
        logs = self._log(e)
        if logs is not None:
            self.logs[e.output] = logs

    def _plain(self, e: Equation) -> Pieces | None:
        op, shape = e.op, e.output.type.shape
        parts = [self.of(a) for a in e.inputs]
        if op in (add, subtract, negative) and None not in parts:
            signs = (1.0, -1.0) if op is subtract else (-1.0,) if op is negative else (1.0, 1.0)
            return self._added(
                [p.over(shape).scaled(s) for part, s in zip(parts, signs, strict=True) for p in part or ()]
            )
        if op in (multiply, divide) and sum(map(self.reader.moves, e.inputs)) == 1:
            i = 0 if self.reader.moves(e.inputs[0]) else 1
            if op is divide and i == 1:
                return None
            c = np.asarray(self.reader.value(e.inputs[1 - i]), float)
            if parts[i] is None or not np.all(np.isfinite(c)) or (op is divide and np.any(c == 0)):
                return None
            return self._added([p.over(shape).scaled(c, divides=op is divide) for p in parts[i] or ()])
        if op is log_:
            return self.log_of(e.inputs[0])
        if op is logsumexp and parts[0] is not None:
            n = len(e.inputs[0].type.shape)
            gone = {a % n for a in e.params["axes"]}
            spec = Spec((tuple(range(n)),), tuple(a for a in range(n) if a not in gone))
            return self._log_sum(parts[0], spec, e.inputs[0].type.shape, shape)
        return self._moved(e, parts[0]) if len(e.inputs) >= 1 and parts[0] is not None else None

    def _log(self, e: Equation) -> Pieces | None:
        op, shape = e.op, e.output.type.shape
        if op is exp:
            return self.of(e.inputs[0])
        if op is softmax:
            inside = self.of(e.inputs[0])
            if inside is None:
                return None
            n = len(shape)
            gone = {a % n for a in e.params["axes"]}
            spec = Spec((tuple(range(n)),), tuple(a for a in range(n) if a not in gone))
            total = self._log_sum(inside, spec, shape, tuple(s for a, s in enumerate(shape) if a not in gone))
            wide = tuple(1 if a in gone else s for a, s in enumerate(shape))
            spread = [p.moved(lambda x: x.reshape(wide), shape) for p in total]
            return self._added([*inside, *(p.scaled(-1.0) for p in spread)])
        logs = [self.log_of(a) for a in e.inputs]
        if op in (multiply, divide) and None not in logs:
            signs = (1.0, -1.0 if op is divide else 1.0)
            return self._added(
                [p.over(shape).scaled(s) for part, s in zip(logs, signs, strict=True) for p in part or ()]
            )
        if op is power_of and logs[0] is not None:
            return self._added([p.scaled(float(e.params["n"])) for p in logs[0]])
        if isinstance(op, Contraction) and len(e.inputs) == 1 and logs[0] is not None:
            spec = e.params["spec"]
            if set(spec.ins[0]) - set(spec.out) and len(set(spec.ins[0])) == len(spec.ins[0]) and not spec.new:
                if any(np.prod([n]) == 0 for n in e.inputs[0].type.shape):
                    return None
                return self._log_sum(logs[0], spec, e.inputs[0].type.shape, shape)
        return self._moved(e, logs[0]) if logs and logs[0] is not None and self.reader.moves(e.inputs[0]) else None

    def _moved(self, e: Equation, pieces: Pieces) -> Pieces | None:
        """The same pieces, their elements moved as the op moves them; nothing that fills in zeros."""
        op, shape = e.op, e.output.type.shape
        if isinstance(op, Contraction):
            spec: Spec = e.params["spec"]
            if not op.only_moves(spec=spec) and not self._drops_only_ones(e, spec):
                return None
            if len(e.inputs) > 1 or len(set(spec.out)) < len(spec.out):
                return None
        elif op is convert:
            if not e.output.type.differentiable:
                return None
        elif (
            not (isinstance(op, Linear) and op.increasing and not op.ulps)
            or any(self.reader.moves(a) for a in e.inputs[1:])
            or self._fills(e)
        ):
            return None
        others = [self.reader.value(a) for a in e.inputs[1:]]
        params = e.params if op is not convert else {"dtype": np.dtype(float)}

        def move(x: Array) -> Array:
            return np.asarray(op.evaluate(x, *others, **params))

        return tuple(p.moved(move, shape) for p in pieces)

    def _fills(self, e: Equation) -> bool:
        """Whether some element of the result is none of the operand's: positions would not say where it is from."""
        ones = np.ones(e.inputs[0].type.shape)
        others = [self.reader.value(a) for a in e.inputs[1:]]
        if any(a.type.differentiable for a in e.inputs[1:]):
            return True
        return not bool(np.all(np.asarray(e.op.evaluate(ones, *others, **e.params)) == 1))

    def _drops_only_ones(self, e: Equation, spec: Spec) -> bool:
        """A sum over axes of length one is no sum."""
        sizes = dict(zip(spec.ins[0], e.inputs[0].type.shape, strict=True))
        return len(e.inputs) == 1 and all(sizes[label] == 1 for label in sizes if label not in spec.out)

    def _added(self, parts: Sequence[Piece]) -> Pieces:
        total: dict[Key, list[Piece]] = {}
        for p in parts:
            same = total.setdefault(p.key, [])
            for k, old in enumerate(same):
                c = old.coefficient + p.coefficient
                other = c - old.coefficient
                if np.all((old.coefficient - (c - other)) + (p.coefficient - other) == 0):
                    same[k] = replace(old, coefficient=c)
                    break
            else:
                same.append(p)
        return tuple(p for same in total.values() for p in same if np.any(p.coefficient != 0))

    def _log_sum(self, pieces: Pieces, spec: Spec, inner: tuple[int, ...], shape: tuple[int, ...]) -> Pieces:
        """ln Σ exp: what does not change along the sum stands in front of it."""
        first = tuple(slice(None) if label in spec.out else slice(0, 1) for label in spec.ins[0])
        kept = [label for label in spec.ins[0] if label in spec.out]
        order = tuple(kept.index(label) for label in spec.out)
        gone = tuple(n for n, label in enumerate(spec.ins[0]) if label not in spec.out)

        def reduced(x: Array) -> Array:
            return np.array(np.transpose(np.squeeze(x[first], axis=gone), order))

        outside: list[Piece] = []
        inside: list[Piece] = []
        for p in pieces:
            parts = p.positions, p.coefficient, *(f for _, f in p.factors)
            still = all(np.all(part == part[first]) for part in parts)
            (outside if still else inside).append(p)
        front = [p.moved(reduced, shape) for p in outside]
        if not inside:
            return self._added(front)
        root = LogSum(tuple(inside), spec, inner, shape)
        self.kept.append(root)
        return self._added([*front, self._whole(root, shape)])

    def same_but_for_a_factor(self, x: Atom, y: Atom) -> bool:
        """Whether x = c z + a and y = d z + b with an affine z and c d ≥ 0: then x y is d c z² and affine terms."""
        first, second = self.of(x), self.of(y)
        if not first or not second or len(first) != 1 or len(second) != 1 or first[0].place != second[0].place:
            return False
        root = first[0].root
        affine = not isinstance(root, LogSum) and self.reader.bend(root).affine
        return affine and bool(np.all(first[0].sign * second[0].sign >= 0))

    # --- what follows -----------------------------------------------------------------------------------------------

    def bend(self, v: Var) -> Bend | None:
        """Convex and concave elements, from the pieces; None if there is nothing but v itself."""
        pieces = self.plain.get(v)
        if pieces is None or any(p.root is v for p in pieces):
            return None
        return self._bend(pieces, v.type.shape)

    def _bend(self, pieces: Pieces, shape: tuple[int, ...]) -> Bend:
        convex, concave = np.ones(shape, bool), np.ones(shape, bool)
        for p in pieces:
            own = self._of_sum(p.root) if isinstance(p.root, LogSum) else self.reader.bend(p.root)
            up = np.broadcast_to(own.convex, own.convex.shape).ravel()[p.positions]
            down = np.broadcast_to(own.concave, own.concave.shape).ravel()[p.positions]
            c = p.sign
            convex = convex & (((c >= 0) & up) | ((c <= 0) & down))
            concave = concave & (((c >= 0) & down) | ((c <= 0) & up))
        return Bend(convex, concave)

    def _of_sum(self, root: LogSum) -> Bend:
        """ln Σ eᵃ is convex where every a is."""
        inside = self._bend(root.pieces, root.inner)
        gone = tuple(n for n, label in enumerate(root.spec.ins[0]) if label not in root.spec.out)
        kept = [label for label in root.spec.ins[0] if label in root.spec.out]
        convex = np.transpose(np.all(inside.convex, axis=gone), [kept.index(label) for label in root.spec.out])
        return Bend(convex, np.zeros(root.shape, bool))
