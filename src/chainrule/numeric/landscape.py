"""The values of a function on a plane through the point that was reached, along the path that led there.

The plane is spanned by the two principal directions of the path: those along which its points differ most. Li, Xu,
Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets", 2018. With two numbers to vary the plane is
all there is, and the axes are the numbers themselves; with one, there is a curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from time import perf_counter
from typing import Any

import numpy as np

from ..ir import Array

_FLAT = 1e-8  # a second direction with a smaller share of the path is rounding
_ROOM = 0.25  # around the path, of its extent
_FINEST, _COARSEST = 41, 7  # points on a side of the grid
_MEMORY = 2**24  # numbers in the points of a path
_MOST = 200  # of its points


@dataclass(frozen=True)
class Landscape:
    """Values on a grid around a path: `values[j, i]` is at `xs[i]`, `ys[j]`; with one number to vary, `ys` is empty.

    `paths` holds, by name, the coordinates of the points that a run went through; the last point of the first path is
    the origin, or, where `axes` are the numbers themselves, keeps its own coordinates. `shares` says how much of the
    path's variance lies along each axis. `directions` says what the axes are; `left_out` what time did not allow.
    """

    axes: tuple[str, ...]
    directions: str
    xs: Array
    ys: Array
    values: Array
    paths: dict[str, Array]
    shares: tuple[float, ...]
    left_out: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        arrays = {name: value.tolist() for name, value in plain.items() if isinstance(value, np.ndarray)}
        paths = {name: points.tolist() for name, points in self.paths.items()}
        return {**plain, **arrays, "axes": list(self.axes), "shares": list(self.shares), "paths": paths}

    def __str__(self) -> str:
        if not self.values.size:
            return self.directions
        known = self.values[np.isfinite(self.values)]
        seen = f"from {known.min():.6g} to {known.max():.6g}" if known.size else "that are nowhere finite"
        return f"Values {seen} around the path. {self.directions}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


class Thinned:
    """Some of the points of a run: every one at first, then every second, fourth, … so that they fit into memory.

    >>> path = Thinned(size=1, most=4)
    >>> for i in range(10):
    ...     path.add(i, np.array([float(i)]))
    >>> path.iterations, path.points.ravel()
    ([0, 4, 8, 9], array([0., 4., 8., 9.]))
    """

    def __init__(self, size: int, most: int = _MOST) -> None:
        self.most = int(np.clip(_MEMORY // max(size, 1), 4, most))
        self.every = 1
        self.kept: list[tuple[int, Array]] = []
        self.last: tuple[int, Array] | None = None

    def add(self, iteration: int, x: Array) -> None:
        self.last = (iteration, x)
        if iteration % self.every == 0:
            self.kept.append(self.last)
        while len(self.kept) > self.most - 1:
            self.every *= 2
            self.kept = [entry for entry in self.kept if entry[0] % self.every == 0]

    def _entries(self) -> list[tuple[int, Array]]:
        done = self.last is None or (self.kept and self.kept[-1][0] == self.last[0])
        return self.kept if done or self.last is None else [*self.kept, self.last]

    @property
    def iterations(self) -> list[int]:
        return [n for n, _ in self._entries()]

    @property
    def points(self) -> Array:
        return np.stack([x for _, x in self._entries()])


def landscape(
    value: Callable[[Array], float],
    paths: dict[str, Array],
    *,
    names: Sequence[str] = (),
    second: Callable[[], tuple[Array, str] | None] = lambda: None,
    seconds: float = math.inf,
) -> Landscape:
    """The values of `value` (a function of a vector) around `paths`, whose points are the rows of their arrays.

    Paths of one or two numbers are drawn over these numbers, under their `names`. Otherwise the first path's principal
    directions span the plane; where that path is a straight line, `second` may say another direction worth looking
    along, and what it is. The grid is as fine as `seconds` allow.
    """
    paths = {name: points[np.isfinite(points).all(axis=1)] for name, points in paths.items()}
    paths = {name: points for name, points in paths.items() if len(points)}
    origin = next(iter(paths.values()))[-1]
    size = origin.size
    if size <= 2:
        basis, shares = np.eye(size), _shares(paths, np.eye(size))
        directions = "The axes are the numbers that are varied." if size == 2 else "There is one number to vary."
        axes = tuple(names) if len(names) == size else tuple(f"x[{i}]" for i in range(size))
        base = np.zeros(size)
    else:
        basis, directions = _principal(paths, second)
        shares, base = _shares(paths, basis), origin
        axes = ("first direction", "second direction")
        directions = directions.format(*(f"{share:.1%}" for share in shares))
    seen = {name: (points - base) @ basis.T for name, points in paths.items()}
    return _measured(value, base, basis, axes, directions, seen, shares, seconds)


def _measured(
    value: Callable[[Array], float], base: Array, basis: Array, axes: tuple[str, ...], directions: str,
    paths: dict[str, Array], shares: tuple[float, ...], seconds: float,
) -> Landscape:  # fmt: skip
    """The values on a grid as fine as time allows."""

    def at(*place: float) -> float:
        try:
            with np.errstate(all="ignore"):
                return float(value(base + np.asarray(place) @ basis))
        except (ArithmeticError, ValueError):  # LinAlgError is a ValueError
            return math.nan

    start = perf_counter()
    each = min(_time_of(lambda: at(*next(iter(paths.values()))[-1])) for _ in range(3))
    points = np.concatenate(list(paths.values()))
    if len(basis) == 1:
        xs = _stretch(points[:, 0], int(np.clip(seconds / each, 9, 201)))
        ys, values = np.zeros(0), np.array([at(x) for x in xs])
        return Landscape(axes, directions, xs, ys, values, paths, shares)
    side = int(np.clip(math.isqrt(int(min(seconds / each, 1e6))), 0, _FINEST))
    if side < _COARSEST:
        told = f"The values around the path are left out: a value takes {each:.2g} s."
        return Landscape(axes, directions, np.zeros(0), np.zeros(0), np.zeros((0, 0)), paths, shares, told)
    xs, ys = _stretch(points[:, 0], side), _stretch(points[:, 1], side, _extent(points[:, 0]))
    values = np.full((side, side), np.nan)
    for j, y in enumerate(ys):
        for i, x in enumerate(xs):
            values[j, i] = at(x, y)
        if perf_counter() - start > 2 * seconds:
            told = f"The upper {len(ys) - 1 - j} of {len(ys)} rows of the grid are left out for lack of time."
            return Landscape(axes, directions, xs, ys, values, paths, shares, told if j + 1 < len(ys) else "")
    return Landscape(axes, directions, xs, ys, values, paths, shares)


def _time_of(call: Callable[[], float]) -> float:
    """How long a call takes."""
    start = perf_counter()
    call()
    return max(perf_counter() - start, 1e-7)


def _extent(points: Array) -> float:
    return float(np.ptp(points)) if points.size else 0.0


def _stretch(points: Array, count: int, other: float = 0.0) -> Array:
    """Evenly spaced numbers around these; around a single one, as far as the other axis reaches."""
    low, high = float(points.min()), float(points.max())
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        half = other / 2 or max(abs(low), 1.0)
        return np.linspace(low - half, high + half, count)
    room = _ROOM * (high - low)
    return np.linspace(low - room, high + room, count)


def _principal(paths: dict[str, Array], second: Callable[[], tuple[Array, str] | None]) -> tuple[Array, str]:
    """Two orthonormal directions, and what they are: from products of points, so that no large matrix arises."""
    points = next(iter(paths.values()))
    away = points - points[-1]
    squares, mixes = np.linalg.eigh(away @ away.T)
    total = float(squares.sum())
    if total <= 0:
        axis, found = np.zeros(points.shape[1]), second()
        first = axis if found is None else found[0]
        if not np.any(first):
            first = _some(points.shape[1], 1)
        first = first / np.linalg.norm(first)
        return np.stack([first, _beside(_some(points.shape[1], 2), first)]), (
            "The path is a single point: the first axis is "
            + (found[1] if found is not None else "a random direction")
            + ", the second a random direction."
        )
    first = mixes[:, -1] @ away
    first /= np.linalg.norm(first)
    if squares[-2] > _FLAT * total:
        across = _beside(mixes[:, -2] @ away, first)
        return np.stack([first, across]), (
            "The axes are the two principal directions of the path (Li et al., 2018): "
            "{0} of what its points vary lies along the first, {1} along the second."
        )
    found = second()
    across, told = found if found is not None else (_some(points.shape[1], 1), "a random direction")
    return np.stack([first, _beside(across, first)]), (
        f"The path is a straight line, along the first axis ({{0}} of its variance); the second axis is {told}, "
        "at right angles to it."
    )


def _some(size: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=size)


def _beside(direction: Array, first: Array) -> Array:
    """The part of a direction at right angles to another, of length one; another direction if nothing is left."""
    across = direction - (direction @ first) * first
    if not np.linalg.norm(across) > 1e-6 * np.linalg.norm(direction):
        across = _some(first.size, 3)
        across -= (across @ first) * first
    across = across / np.linalg.norm(across)
    across = across - (across @ first) * first  # once more: rounding
    return across / np.linalg.norm(across)


def _shares(paths: dict[str, Array], basis: Array) -> tuple[float, ...]:
    """How much of the first path's variance, as seen from its last point, lies along each direction."""
    points = next(iter(paths.values()))
    away = points - points[-1]
    total = float(np.sum(away**2))
    if total <= 0:
        return tuple(0.0 for _ in basis)
    return tuple(float(np.sum((away @ direction) ** 2) / total) for direction in basis)
