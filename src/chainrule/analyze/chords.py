"""A chord that lies below the graph: the proof that a function is not convex.

Along a direction of negative curvature (the smallest eigenvalue of the Hessian, at random points), and between random
points at several scales, two points x and y are sought whose middle has a larger value than the mean of theirs. Found
ones are rounded so that the middle is exact, and the three values are enclosed: only a gap that no rounding can explain
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NoRuleError
from ..execute import Executable
from ..ir import Array, Const, Program, Var
from ..ops.enclosures import Enclosure
from ..transform.forward import forward
from ..transform.reverse import reverse
from ..transform.simplify import simplify
from .bounds import read

_POINTS = 60  # at which the search looks
_SMALL = 60  # parameters: of so many, the whole Hessian is formed
_SCALES = (1.0, 0.1, 10.0, 1e-2, 100.0)
_LENGTHS = (1.0, 0.1, 3.0, 1e-2, 10.0, 1e-3)
_SMALL_SCALES = tuple(10.0**-k for k in range(3, 13))


@dataclass(frozen=True)
class Found:
    """Two points, and by how much at least the middle of the graph lies above the middle of the chord."""

    x: Array
    y: Array
    gap: float
    values: tuple[float, float, float]  # at x, at the middle, at y


class Search:
    """A function of one vector: values, Hessian times vector, and enclosures of values."""

    def __init__(
        self, program: Program, moving: Sequence[Var], data: dict[Var, Array], box: dict[Var, Enclosure], seed: int = 0
    ) -> None:
        self.program, self.moving, self.data, self.box = program, tuple(moving), data, box
        self.run = Executable(program)
        self.sizes = [v.type.size for v in self.moving]
        self.n = sum(self.sizes)
        self.rng = np.random.default_rng(seed)
        self.low = np.concatenate([box[v].low.ravel() for v in self.moving])
        self.high = np.concatenate([box[v].high.ravel() for v in self.moving])
        self.product = self._product()

    def leaves(self, x: Array) -> list[Array]:
        parts = np.split(x, np.cumsum(self.sizes)[:-1])
        return [p.reshape(v.type.shape).astype(v.type.dtype) for p, v in zip(parts, self.moving, strict=True)]

    def _inputs(self, x: Array) -> list[Any]:
        known = dict(zip(self.moving, self.leaves(x), strict=True))
        return [known[v] if v in known else self.data[v] for v in self.program.inputs]

    def value(self, x: Array) -> float:
        try:
            return float(self.run(self._inputs(x))[0])
        except (ArithmeticError, ValueError):  # no value there: a singular matrix (a ValueError), an integral without
            return float("nan")

    def _product(self) -> Callable[[Array, Array], Array] | None:
        """Hessian times vector."""
        wanted = [self.program.inputs.index(v) for v in self.moving]
        (output,) = self.program.outputs
        try:
            backward = reverse(self.program, wanted, [Const(np.ones((), output.type.dtype))])
        except NoRuleError:
            return None
        present = [i for i in backward.present if i is not None]
        if not present:
            return None
        p = backward.program
        gradient = simplify(Program(p.inputs, p.equations, tuple(p.outputs[i] for i in present)))
        try:
            onward = forward(gradient, wanted)
        except NoRuleError:
            return None
        run = Executable(simplify(onward.program))
        owners = [k for k, i in enumerate(backward.present) if i is not None]

        def product(x: Array, d: Array) -> Array:
            try:
                out = run([*self._inputs(x), *self.leaves(d)])
            except (ArithmeticError, ValueError):
                return np.full(self.n, np.nan)
            parts = [np.zeros(size) for size in self.sizes]
            for k, at in zip(owners, onward.present, strict=True):
                if at is not None:
                    parts[k] = np.asarray(out[at], float).ravel()
            return np.concatenate(parts)

        return product

    def clipped(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)

    def point(self, start: Array, k: int) -> Array:
        """The point given, then random ones at several scales around it and around zero, inside the box."""
        if k == 0:
            return self.clipped(start)
        centre = start if k % 2 else np.zeros(self.n)
        step = self.rng.normal(size=self.n) * (1 + np.abs(start) * (k % 2))
        return self._inside(centre + _SCALES[k % len(_SCALES)] * step)

    def _inside(self, x: Array) -> Array:
        """What lies outside is reflected, or drawn anew between the ends."""
        low, high = self.low, self.high
        both = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            drawn = np.where(both, low + (high - low) * self.rng.uniform(size=self.n), 0.0)
            x = np.where((x < low) & ~both, low + np.abs(x - low), x)
            x = np.where((x > high) & ~both, high - np.abs(x - high), x)
        return np.where(both & ((x < low) | (x > high)), drawn, x)

    # --- directions -------------------------------------------------------------------------------------------------

    def bent(self, x: Array) -> Array | None:
        """A direction in which the Hessian is negative, if one is found."""
        if self.product is None:
            return None
        if self.n <= _SMALL:
            h = np.stack([self.product(x, row) for row in np.eye(self.n)])
            if not np.all(np.isfinite(h)):
                return None
            values, vectors = np.linalg.eigh((h + h.T) / 2)
            return vectors[:, 0] if values[0] < -1e-9 * max(1e-300, float(np.abs(values).max())) else None
        basis: list[Array] = []  # Lanczos, with full orthogonalization: a few steps find what is clearly negative
        q = self.rng.normal(size=self.n)
        alpha, beta = [], []
        for _ in range(20):
            norm = float(np.linalg.norm(q))
            if not norm > 1e-10:
                break
            q = q / norm
            basis.append(q)
            if len(basis) > 1:
                beta.append(norm)
            w = self.product(x, q)
            if not np.all(np.isfinite(w)):
                return None
            alpha.append(float(w @ q))
            for b in basis:
                w = w - (w @ b) * b
            q = w
        t = np.diag(alpha) + np.diag(beta, 1) + np.diag(beta, -1)
        values, vectors = np.linalg.eigh(t)
        if values[0] < -1e-7 * max(1e-300, float(np.abs(values).max())):
            return np.asarray(vectors[:, 0] @ np.stack(basis))
        return None

    def along(self, x: Array, d: Array, scale: float = 1.0) -> Found | None:
        """A chord around x in direction d, of lengths around this part of the size of x, or of 1."""
        best: Found | None = None
        middle = self.value(x)
        if not np.isfinite(middle):
            return None
        size = scale * max(1.0, float(np.abs(x).max())) / float(np.abs(d).max())
        for length in _LENGTHS:
            step = d * length * size
            a, b = x - step, x + step
            if np.any(a < self.low) or np.any(b > self.high) or np.any(b < self.low) or np.any(a > self.high):
                continue
            u, v = self.value(a), self.value(b)
            gap = middle - (u / 2 + v / 2)
            if np.isfinite(gap) and gap > 1e-9 * (abs(u) + abs(v) + abs(middle)) and (best is None or gap > best.gap):
                best = Found(a, b, gap, (u, middle, v))
        return None if best is None else self.verified(best.x, best.y)

    def between(self, x: Array, y: Array) -> Found | None:
        middle = x / 2 + y / 2
        u, v, m = self.value(x), self.value(y), self.value(middle)
        gap = m - (u / 2 + v / 2)
        if np.isfinite(gap) and gap > 1e-9 * (abs(u) + abs(v) + abs(m)):
            return self.verified(x, y)
        return None

    # --- proof ------------------------------------------------------------------------------------------------------

    def enclosed(self, x: Array) -> Enclosure:
        """The exact value of the function at x lies inside."""
        known: dict[Any, Enclosure] = {}
        for v, value in zip(self.program.inputs, self._inputs(x), strict=True):
            value = np.asarray(value, float)
            known[v] = Enclosure(value, value)
        return read(self.program, known).outputs[0]

    def verified(self, x: Array, y: Array) -> Found | None:
        """The chord with its ends rounded to short numbers, if its gap is larger than every rounding error."""
        bits = 10 if any(v.type.dtype.itemsize < 8 for v in self.moving) else 24
        scale = 2.0 ** (np.ceil(np.log2(max(float(np.abs(x).max()), float(np.abs(y).max()), 1e-300))) - bits)
        x, y = np.rint(x / scale) * scale, np.rint(y / scale) * scale
        x, y = self.clipped(x), self.clipped(y)
        middle = x / 2 + y / 2
        exact = np.all(middle - x == y - middle) and all(
            np.all(np.concatenate([leaf.astype(float).ravel() for leaf in self.leaves(p)]) == p) for p in (x, y, middle)
        )
        if not exact:
            return None
        a, m, b = (self.enclosed(p) for p in (x, middle, y))
        if a.undefined or m.undefined or b.undefined:
            return None
        gap = float(m.low) - (float(a.high) / 2 + float(b.high) / 2)
        size = abs(float(m.low)) + abs(float(a.high)) + abs(float(b.high))
        if not gap > 1e-15 * size or not np.isfinite(gap):
            return None
        return Found(x, y, gap * (1 - 1e-12), (self.value(x), self.value(middle), self.value(y)))


def find(search: Search, start: Array, seconds: float, clock: Callable[[], float]) -> Found | None:
    """A verified chord below the graph, or None when none was found in time."""
    begin = clock()
    for found in _attempts(search, start):
        if found is not None or clock() - begin > seconds:
            return found
    return None


def _attempts(search: Search, start: Array) -> Iterator[Found | None]:
    seen: list[Array] = []
    for k in range(_POINTS):
        x = search.point(start, k)
        seen = [*seen[-7:], x]
        if k < 24:
            d = search.bent(x)
            yield search.along(x, d) if d is not None else None
        for y in seen[:-1][-3:]:
            yield search.between(x, y)
        d = search.rng.normal(size=search.n) * (search.rng.uniform(size=search.n) < max(0.2, 2 / search.n))
        if np.any(d):
            yield search.along(x, d)
    for centre in (np.zeros(search.n), start):  # what bends downward near one point only
        for scale in (0.0, *_SMALL_SCALES):
            x = search.clipped(centre + scale * search.rng.normal(size=search.n))
            d = search.bent(x)
            for length in (scale,) if scale else _SMALL_SCALES if d is not None else ():
                yield search.along(x, d, length) if d is not None else None
