"""A nested structure of arrays and numbers as one vector of float64, and back.

>>> layout = Layout({"w": np.ones((2, 2)), "b": 3.0})
>>> layout.flat({"w": np.ones((2, 2)), "b": 3.0})
array([1., 1., 1., 1., 3.])
>>> layout.build(np.arange(5.0))
{'w': array([[0., 1.],
       [2., 3.]]), 'b': 4.0}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..ir import Array
from ..trace.tree import flatten


class Layout:
    """Where each part of a structure lies in the vector. A list of plain numbers is taken for an array, as in SciPy."""

    def __init__(self, x: Any) -> None:
        self.list = isinstance(x, list) and all(isinstance(v, (int, float)) for v in x)
        leaves, self.tree = flatten(self._array(x))
        self.paths = [path or "x" for path in self.tree.paths()]
        self.leaves = [_real(leaf, path) for leaf, path in zip(leaves, self.paths, strict=True)]
        self.numbers = [isinstance(leaf, (int, float)) and not isinstance(leaf, np.generic) for leaf in leaves]
        self.ends = np.cumsum([leaf.size for leaf in self.leaves]).tolist()
        self.size = self.ends[-1] if self.ends else 0
        if not self.size:
            raise ArgumentError("there is nothing to vary: x0 holds no numbers")

    @property
    def precision(self) -> float:
        """The relative rounding of the least precise part."""
        return max(float(np.finfo(leaf.dtype).eps) for leaf in self.leaves)

    def _array(self, x: Any) -> Any:
        return np.asarray(x, dtype=np.float64) if self.list else x

    def flat(self, x: Any) -> Array:
        """One vector, of a structure like the one this was made of."""
        leaves, tree = flatten(self._array(x))
        if tree != self.tree:
            raise ArgumentError("the gradient has not the structure of x0")
        return np.concatenate([np.ravel(np.asarray(leaf, dtype=np.float64)) for leaf in leaves])

    def build(self, vector: Array) -> Any:
        """The structure, with arrays in their own shape and dtype."""
        parts = np.split(np.asarray(vector), self.ends[:-1])
        leaves = [
            float(part[0]) if number else part.reshape(leaf.shape).astype(leaf.dtype)
            for part, leaf, number in zip(parts, self.leaves, self.numbers, strict=True)
        ]
        return self.tree.build(leaves)

    def plain(self) -> Any:
        """The structure it was made of, with lists in place of arrays and dicts in place of records."""
        return _plain(self.tree.build([leaf.tolist() for leaf in self.leaves]))


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    fields = getattr(x, "__dataclass_fields__", None)
    return x if fields is None else {name: _plain(getattr(x, name)) for name in fields}


def _real(leaf: Any, path: str) -> Array:
    """The leaf as an array of real numbers."""
    array = np.asarray(leaf)
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
        return np.asarray(leaf, dtype=np.float64)
    if array.dtype.kind != "f":
        kind = type(leaf).__name__ if array.dtype.kind in "OUS" else array.dtype
        raise DtypeError(
            f"x0 ({path}) is {kind}: only real numbers can be varied",
            hint="pass x0.astype(float)" if array.dtype.kind in "iub" else "",
        )
    return array
