"""The tangent: the line (or plane) that a function can't be told from, close to a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..draw import Figure, Line, Points
from ..errors import ArgumentError
from ..ir import Array
from ..trace.tree import flatten

_SHOWN = 6  # components in the equation


@dataclass(frozen=True)
class Tangent:
    """`value + gradient · (x − at)`: call it with points like `at`. It prints its equation.

    `at` and `gradient` have the structure of the argument. `error` bounds what is not known of the gradient: 0 where it
    is exact, the largest error bar where it comes from values alone.
    """

    at: Any
    value: float
    gradient: Any
    names: tuple[str, ...]
    error: float
    values: Any = None  # the function itself, for the figure

    def __call__(self, x: Any) -> Any:
        there, tree = flatten(x)
        here, own = flatten(self.at)
        if tree != own:
            raise ArgumentError("a tangent is evaluated at a point with the structure of `at`")
        total: Any = self.value
        for a, b, g in zip(there, here, flatten(self.gradient)[0], strict=True):
            move = np.asarray(a) - b
            total = total + (move * g if np.ndim(g) == 0 else _dot(move, np.asarray(g)))
        return total

    @property
    def equation(self) -> str:
        """y = value + slope (x − at), a term for each component."""
        said = [f"y = {_number(self.value)}"]
        terms = list(zip(self.names, _components(self.gradient), _components(self.at), strict=True))
        for name, slope, at in terms[:_SHOWN]:
            if not slope:
                continue
            move = f"({name} {'−' if at >= 0 else '+'} {_number(abs(at))})" if at else name
            size = "" if abs(slope) == 1 else _number(abs(slope)) + " "
            said.append(f"{'−' if slope < 0 else '+'} {size}{move}")
        if len(terms) > _SHOWN:
            said.append(f"+ … ({len(terms) - _SHOWN} more components)")
        if len(said) > 1 and not self.value:
            said = ["y =" + (" −" if said[1][0] == "−" else "") + said[1][1 + (said[1][0] == "−") :], *said[2:]]
        return " ".join(said)

    @property
    def figure(self) -> Figure:
        """The function and its tangent line, for a function of one number."""
        at = _components(self.at)
        if len(at) != 1 or self.values is None:
            raise ArgumentError("a picture of a tangent needs a function of one number")
        (x,) = at
        reach = max(1.0, abs(x))
        xs = np.linspace(x - reach, x + reach, 201)
        slope = float(_components(self.gradient)[0])
        marks = [
            Line(xs, [self.values(t) for t in xs], "the function"),
            Line(xs, self.value + slope * (xs - x), "tangent", style="dashed"),
            Points([x], [self.value]),
        ]
        return Figure(f"The tangent at {self.names[0]} = {x:.6g}", marks, x=self.names[0], description=self.equation)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, by component."""
        return {
            "names": list(self.names), "at": _components(self.at).tolist(), "value": self.value,
            "gradient": _components(self.gradient).tolist(), "error": self.error, "equation": self.equation,
        }  # fmt: skip

    def __str__(self) -> str:
        return self.equation

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.equation)}</p>"


def _dot(move: Array, slope: Array) -> Any:
    """The sum over the axes of a point; further axes in front count points."""
    return np.sum(move * slope, axis=tuple(range(move.ndim - slope.ndim, move.ndim)))


def _components(x: Any) -> Array:
    leaves = flatten(x)[0]
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=np.float64)) for leaf in leaves] or [np.zeros(0)])


def _number(x: float) -> str:
    text = f"{x:.6g}"
    return text.replace("-", "−") if math.isfinite(x) else text


def component_names(name: str, x: Any) -> tuple[str, ...]:
    """x for a number, x[0, 1] for a component of an array, p['w'][2] inside of a structure.

    >>> component_names("x", np.zeros((1, 2)))
    ('x[0, 0]', 'x[0, 1]')
    """
    leaves, tree = flatten(x)
    return tuple(
        name + path + (f"[{', '.join(map(str, index))}]" if index else "")
        for path, leaf in zip(tree.paths(), leaves, strict=True)
        for index in np.ndindex(np.shape(leaf))
    )
