"""Clipping a gradient: no entry, or no norm, above a limit.

By value each entry is cut on its own, which turns the direction; by norm the whole is scaled, which keeps it.

Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..ir import Array
from ..trace.recorder import Traced
from ..trace.size import scaled_norm
from ..trace.tree import Tree, flatten

Change = Callable[[Sequence[Array], float], list[Array]]


def clipped(gradient: Any, limit: Any, change: Change, groups: Callable[[Tree, Sequence[Any]], list[int]]) -> Any:
    """The structure of the gradient with `change` applied to each group of its leaves; None stays None."""
    bound = _limit(limit)
    leaves, tree = flatten(gradient)
    paths = tree.paths()
    arrays = [_array(leaf, path) for leaf, path in zip(leaves, paths, strict=True)]
    found: list[Any] = [None] * len(leaves)
    group_of = groups(tree, leaves)
    for group in dict.fromkeys(group_of):
        members = [i for i, g in enumerate(group_of) if g == group and arrays[i] is not None]
        present = [a for i in members if (a := arrays[i]) is not None]
        for i, new in zip(members, change(present, bound), strict=True):
            found[i] = _like(leaves[i], new)
    return tree.build(found)


def each(tree: Tree, leaves: Sequence[Any]) -> list[int]:
    """Every leaf is a group of its own; numbers beside each other in a list or tuple are one vector."""
    found: list[int] = []

    def walk(t: Tree) -> None:
        if t.kind is None:
            found.append(len(found))
            return
        start = len(found)
        part = leaves[start : start + t.size]
        if t.kind in (list, tuple) and all(c.kind is None for c in t.children) and all(map(_is_number, part)):
            found.extend([start] * t.size)
            return
        for child in t.children:
            walk(child)

    walk(tree)
    return found


def together(tree: Tree, leaves: Sequence[Any]) -> list[int]:
    """All leaves are one group."""
    return [0] * len(leaves)


def by_value(arrays: Sequence[Array], limit: float) -> list[Array]:
    """Each entry moved to the nearest number between −limit and limit."""
    found = []
    for a in arrays:
        with np.errstate(over="ignore"):
            bound = a.dtype.type(limit)
        if float(bound) > limit:  # rounded up: the next smaller number of this dtype is within
            bound = np.nextafter(bound, a.dtype.type(0))
        found.append(np.clip(a, -bound, bound))
    return found


def by_norm(arrays: Sequence[Array], limit: float) -> list[Array]:
    """All scaled by one factor, such that their common norm is at most the limit."""
    largest, multiple = scaled_norm(arrays)
    if largest == 0 or largest <= limit / multiple:
        return [a.copy() for a in arrays]
    # first to entries of at most 1: the norm itself may be too large for a float
    return [((a.astype(np.float64) / largest) * (limit / multiple)).astype(a.dtype) for a in arrays]


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number)) and not isinstance(x, bool)


def _limit(limit: Any) -> float:
    number = isinstance(limit, (int, float, np.integer, np.floating)) and not isinstance(limit, bool)
    if not number and not (isinstance(limit, np.ndarray) and limit.shape == () and limit.dtype.kind in "fiu"):
        raise ArgumentError(f"limit={limit!r}: the limit is a positive number")
    try:
        value = float(limit)
    except OverflowError:
        value = math.inf
    if not 0 < value < math.inf:
        raise ArgumentError(f"limit={limit!r}: the limit is a positive number")
    return value


def _array(leaf: Any, path: str) -> Array | None:
    name = f"`gradient{path}`"
    if leaf is None:
        return None
    if isinstance(leaf, Traced):
        raise ArgumentError(
            f"{name} is a stand-in: clipping looks at the numbers of a gradient, and a recorded function has none yet",
            hint="clip the gradient after it was computed; inside, write np.where",
        )
    if isinstance(leaf, np.ma.MaskedArray):
        raise ArgumentError(f"{name} is a masked array: its masked entries would be clipped as numbers")
    try:
        array = np.asarray(float(leaf) if type(leaf) is int else leaf)
    except OverflowError:
        raise ArgumentError(f"{name} is too large for a float") from None
    except ValueError:
        raise ArgumentError(f"{name} is a ragged list") from None
    if array.dtype.kind not in "fiu":
        kind = array.dtype if isinstance(leaf, (np.ndarray, np.generic)) else type(leaf).__name__
        raise DtypeError(f"{name} is {kind}: a gradient is made of real numbers")
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        where = f"{path}[{', '.join(map(str, wrong[0].tolist()))}]" if array.ndim else path
        told = "NaN" if np.isnan(array[tuple(wrong[0])]) else "infinite"
        more = f", and so are {len(wrong) - 1} more" if len(wrong) > 1 and told == "NaN" else ""
        raise ArgumentError(
            f"`gradient{where}` is {told}{more}: clipping can't make a direction of it",
            hint="gradient_norms(f, …) says at which line the first such value appears",
        )
    return array


def _like(leaf: Any, array: Array) -> Any:
    if isinstance(leaf, (np.ndarray, np.generic)):
        return np.asarray(array) if isinstance(leaf, np.ndarray) else array[()]
    return float(array)
