"""A Jacobian read as a linear map: what it stretches and by how much, how it turns, what it does to areas."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..draw import Arrow, Bars, Figure, Line
from ..errors import ArgumentError, ShapeError
from ..ir import Array
from .check import check_gradient
from .verdict import JUMP

_LINES, _DOTS = 7, 41  # of the grid that is drawn, and on each line of it


@dataclass(frozen=True, eq=False)
class LocalMap:
    """What a function does to small displacements around a point: `f(x + d) ≈ f(x) + jacobian @ d`.

    The unit directions in the rows of `axes` are sent to those in the rows of `images`, `stretches` times as long
    (the singular values, largest first); `rank` counts those that are more than rounding. For a square Jacobian,
    `determinant` is the factor of areas or volumes, negative where the map mirrors (±∞ or ±0 beyond all floats). If
    besides it is invertible, `jacobian = rotation @ stretch`: an orthogonal matrix and a symmetric positive one (the
    polar form), and in the plane `angle` is that of the rotation in degrees, or, for a map that mirrors, of the line it
    mirrors at. `shear` is how far the plane is slanted: `jacobian = Q @ diag(a, d) @ [[1, shear], [0, 1]]` with an
    orthogonal Q. What is not defined is None.
    """

    point: Array
    value: Array
    jacobian: Array
    stretches: Array
    axes: Array
    images: Array
    rank: int
    determinant: float | None
    rotation: Array | None
    stretch: Array | None
    angle: float | None
    shear: float | None
    _function: Callable[[Array], Array] = field(repr=False)

    @property
    def mirrors(self) -> bool:
        """Whether left and right are exchanged: a negative determinant."""
        if self.determinant is None or self.rank < len(self.point):
            return False
        return math.copysign(1.0, self.determinant) < 0  # too small for a float it is 0, and still has a sign

    @property
    def volume(self) -> float | None:
        """By what lengths, areas, volumes are multiplied: |determinant|, also into a space of more dimensions.

        None into one of fewer, where there is no such factor.
        """
        rows, columns = self.jacobian.shape
        if rows < columns:
            return None
        with np.errstate(over="ignore", under="ignore"):
            return 0.0 if self.rank < columns else float(np.prod(self.stretches))

    @property
    def condition(self) -> float:
        """The largest stretch divided by the smallest; infinite where a direction is lost."""
        return math.inf if self.rank < min(self.jacobian.shape) else float(self.stretches[0] / self.stretches[-1])

    def __call__(self, displacement: Any) -> Array:
        """Where a displacement goes: `jacobian @ displacement`."""
        d = np.ravel(np.asarray(displacement, dtype=float))
        if d.size != len(self.point):
            raise ShapeError(f"a displacement of {d.size} numbers, where the point has {len(self.point)}")
        return self.jacobian @ d

    def __str__(self) -> str:
        rows, columns = self.jacobian.shape
        told = [f"Near {_vector(self.point)} the function takes {_space(columns)} to {_space(rows)}, linearly."]
        for s, a, b in list(zip(self.stretches, self.axes, self.images, strict=True))[: self.rank][:6]:
            told.append(f"It stretches {_vector(a)} by {s:.4g}, onto {_vector(b)}.")
        if self.rank > 6:
            told.append(f"… and {self.rank - 6} further directions, the least by {self.stretches[self.rank - 1]:.4g}.")
        lost = columns - self.rank
        if lost:
            told.append(
                f"{lost} direction{'s are' if lost > 1 else ' is'} lost{self._hidden}: the rank is {self.rank}."
            )
        told += self._turning()
        return "\n".join(told)

    def _turning(self) -> list[str]:
        rows, columns = self.jacobian.shape
        if rows != columns:
            return ["Rotation and determinant are not defined: the dimensions differ."]
        told = []
        if self.rotation is None:
            told.append("The rotation is not defined: a direction that is lost may be turned anywhere.")
        elif self.angle is not None:
            told.append(
                f"It mirrors at the line at {_short(self.angle)}°."
                if self.mirrors
                else f"It turns by {_short(self.angle)}°."
            )
        if self.shear is not None:
            told.append(f"It slants by {_short(self.shear)}.")
        name = {1: "Lengths", 2: "Areas"}.get(columns, "Volumes")
        sign = ", and left and right are exchanged" if self.mirrors and columns > 1 else ""
        told.append(f"{name} are multiplied by {self._factor()}{sign}.")
        return told

    @property
    def _hidden(self) -> str:
        """A stretch that is counted as 0 need not be 0."""
        return ", as far as rounding tells" if np.any(self.stretches[self.rank :]) else ""

    def _factor(self) -> str:
        volume = self.volume
        if volume is not None and (0 < volume < math.inf or self.rank < len(self.point)):
            return f"{volume:.4g}{self._hidden}"
        return f"about 1e{np.sum(np.log10(self.stretches)):+.0f}, which is beyond all floats"

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in str(self).split("\n"))
        return f"{lines}{self.figure.svg()}"

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        names = ("point", "value", "jacobian", "stretches", "axes", "images", "rotation", "stretch")
        arrays = {n: None if getattr(self, n) is None else getattr(self, n).tolist() for n in names}
        return {
            **arrays, "rank": self.rank, "determinant": self.determinant, "volume": self.volume,
            "angle": self.angle, "shear": self.shear, "mirrors": self.mirrors,
        }  # fmt: skip

    @cached_property
    def figure(self) -> Figure:
        """In the plane, a small grid and its image; else the stretches as bars. `picture` takes the grid's size."""
        return self.picture()

    def picture(self, reach: float | None = None) -> Figure:
        """A grid that reaches so far from the point, and what `f` itself makes of it, both seen from their middle.

        The circle becomes an ellipse, whose axes are the directions that the Jacobian stretches.
        """
        if self.jacobian.shape != (2, 2):
            names = [f"σ{n}" for n in range(1, len(self.stretches) + 1)]
            return Figure("How much each direction is stretched", [Bars(names, self.stretches)], "", "stretch")
        if reach is None:
            reach = 0.5 * max(1.0, float(np.abs(self.point).max()))
        if not isinstance(reach, (int, float, np.number)) or not 0 < reach < 1e300:
            raise ArgumentError(f"reach={reach!r}: how far the grid reaches is a positive number, below 1e300")
        return _picture(self, float(reach))


def local_map(function: Callable[[Array], Array], point: Array, value: Array, jacobian: Array) -> LocalMap:
    """Take a Jacobian apart. `function` takes a flat point to a flat value: the picture is drawn from it."""
    if not np.isfinite(point).all():
        raise ArgumentError(f"the point is not finite, ({', '.join(f'{v:g}' for v in point[:9])}): nothing is near it")
    bad = np.argwhere(~np.isfinite(jacobian))
    if len(bad):
        i, j = bad[0].tolist()
        told = "NaN" if np.isnan(jacobian[i, j]) else "infinite"
        raise ArgumentError(f"the Jacobian is not finite here: entry [{i}, {j}] is {told}, so there is no linear map")
    exact = jacobian.astype(np.float64)
    to, stretches, axes = np.linalg.svd(exact, full_matrices=False)
    for a, b in zip(axes, to.T, strict=True):  # the sign of a pair is free: the largest part of the axis is positive
        if a[np.argmax(np.abs(a) > 0.999 * np.abs(a).max())] < 0:
            a *= -1
            b *= -1
    _refuse_kinks(function, point, jacobian)
    rounding = max(exact.shape) * float(np.finfo(jacobian.dtype).eps)
    rank = int((stretches > rounding * stretches[0]).sum()) if stretches[0] > 0 else 0
    square = exact.shape[0] == exact.shape[1]
    rotation = stretch = angle = None
    if square and rank == len(exact):
        from scipy.linalg import polar

        rotation, stretch = polar(exact)
    if rotation is not None and len(exact) == 2:
        angle = math.degrees(math.atan2(rotation[1, 0], rotation[0, 0]))
        if np.linalg.det(rotation) < 0:
            angle = angle / 2 % 180.0
    return LocalMap(
        point, value, jacobian, stretches, axes, to.T.copy(), rank,
        _determinant(exact) if square else None,
        rotation, stretch, angle, _shear(exact), function,
    )  # fmt: skip


def _refuse_kinks(function: Callable[[Array], Array], point: Array, jacobian: Array) -> None:
    """Differences to both sides must not show a kink or a jump, where the Jacobian follows a convention."""
    weights = np.random.default_rng(0).normal(size=len(jacobian))  # no kinks of two results cancel in their sum

    def weighted(at: list[Array]) -> float:
        return float(weights @ function(at[0].astype(np.float64)))

    with np.errstate(all="ignore"):
        slopes = weights @ jacobian.astype(np.float64)
        looked = check_gradient(weighted, [slopes], [point.astype(jacobian.dtype)], [""])
    for found in looked.comparisons:
        jumps = found.note == JUMP
        if jumps or found.verdict == "kink":
            what = "jumps" if jumps else "has a kink"
            raise ArgumentError(
                f"the function {what} here, along number {found.name}: no linear map fits to both sides"
            )


def _determinant(matrix: Array) -> float:
    """±∞ or ±0 where it is beyond all floats."""
    sign, logarithm = np.linalg.slogdet(matrix)
    with np.errstate(over="ignore", under="ignore"):
        if not abs(logarithm) < 700:
            return float(sign * np.exp(logarithm))
        return float(np.linalg.det(matrix))


def _shear(jacobian: Array) -> float | None:
    if jacobian.shape != (2, 2):
        return None
    upper = np.linalg.qr(jacobian)[1]
    return float(upper[0, 1] / upper[0, 0]) if upper[0, 0] != 0 else None


# --- in words and in a picture ----------------------------------------------------------------------------------------


def _vector(x: Array) -> str:
    shown = [_short(v) for v in x[:4].tolist()]
    return f"({', '.join(shown)}{', …' if len(x) > 4 else ''})" if len(x) != 1 else shown[0]


def _short(v: float) -> str:
    """Four digits; what is only rounding beside 1 is 0, without a minus."""
    return f"{v:.4g}" if abs(v) > 1e-14 else "0"


def _space(n: int) -> str:
    return {1: "the line", 2: "the plane", 3: "space"}.get(n, f"{n} dimensions")


def _picture(found: LocalMap, reach: float) -> Figure:
    along = np.linspace(-reach, reach, _DOTS)
    across = [np.stack([along, np.full(_DOTS, c)]) for c in np.linspace(-reach, reach, _LINES)]
    grid = [*across, *(line[::-1] for line in across)]
    with np.errstate(all="ignore"):
        moved = [np.array([_moved(found, d) for d in line.T]).T for line in grid]
    turn = np.linspace(0, 2 * np.pi, 121)
    circle = reach * np.stack([np.cos(turn), np.sin(turn)])
    ellipse = found.jacobian @ circle
    marks: list[Any] = []
    for lines, label, tone, style in ((grid, "grid", "soft", "dotted"), (moved, "its image by f", 1, "solid")):
        marks += [Line(x, y, label if n == 0 else "", tone, style) for n, (x, y) in enumerate(lines)]
    marks += [
        Line(circle[0], circle[1], "circle", "soft", "dashed"),
        Line(ellipse[0], ellipse[1], "its image by the Jacobian", 2),
    ]
    for n, (s, b) in enumerate(zip(found.stretches[: found.rank], found.images, strict=False)):
        x, y = reach * s * b
        marks.append(Arrow(0, 0, x, y, f"× {s:.3g}", 3 if n == 0 else 4))
    return Figure(
        f"What f does near {_vector(found.point)}", marks, "change of the first number", "change of the second",
        equal=True, height=520, description=str(found).replace("\n", " "),
    )  # fmt: skip


def _moved(found: LocalMap, displacement: Array) -> Array:
    try:
        return found._function(found.point + displacement) - found.value
    except (ValueError, ArithmeticError):  # the grid may reach out of f's domain: a gap
        return np.full(2, np.nan)
