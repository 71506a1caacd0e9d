"""Elements that integer arrays pick: z[i, y[i]] is written z with the index i,yᵢ, and its adjoint with [yᵢ = j].

In a Program, arrays that index together are one array of positions in a flattened table; a reader wants them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..ir import Atom, Const, Equation, Var
from ..ops.indexing import flat_index, gather, scatter_add
from .styles import notation_of

Producers = Mapping[Var, Equation]


class Picked(NamedTuple):
    """A table with an axis for each index array, and those arrays."""

    table: Atom
    indices: tuple[Atom, ...]


def picked(e: Equation, producer: Producers) -> Picked | None:
    """What a reading picks, if it is one number for each position."""
    if e.op is not gather or e.output.type.ndim != 2 or e.output.type.shape[1] != 1:
        return None
    flat = _flat(e.inputs[1], producer)
    table: Atom = e.inputs[0]
    if flat is None:
        return None
    while table.type.shape != flat.params["sizes"]:
        above = producer.get(table) if isinstance(table, Var) else None
        if above is None or notation_of(above).style != "silent":
            return None
        table = above.inputs[0]
    return Picked(table, flat.inputs)


def scattered(a: Atom, shape: tuple[int, ...], producer: Producers) -> Picked | None:
    """The values that were added into a table of that shape, and where to."""
    e = producer.get(a) if isinstance(a, Var) else None
    if e is None or e.op is not scatter_add or e.output.type.ndim != 2:
        return None
    flat = _flat(e.inputs[1], producer)
    if flat is not None and flat.params["sizes"] == shape and e.output.type.shape[1] == 1:
        return Picked(e.inputs[0], flat.inputs)
    return None


def rows(e: Equation, producer: Producers) -> Picked | None:
    """The table, and which of its rows a reading takes."""
    if e.op is not gather or e.output.type.ndim != 2:
        return None
    flat = _flat(e.inputs[1], producer)
    if flat is not None and len(flat.inputs) > 1:
        return None
    return Picked(e.inputs[0], flat.inputs if flat is not None else (e.inputs[1],))


def added(e: Equation, producer: Producers) -> Picked | None:
    """The rows that an equation adds into a table, and where to."""
    if e.op is not scatter_add or e.output.type.ndim != 2:
        return None
    flat = _flat(e.inputs[1], producer)
    if flat is not None and len(flat.inputs) > 1:
        return None
    return Picked(e.inputs[0], flat.inputs if flat is not None else (e.inputs[1],))


def is_position(e: Equation) -> bool:
    """Whether it is the position in a table with one axis: the index itself."""
    return e.op is flat_index and len(e.inputs) == 1


def counts_up(a: Atom) -> bool:
    """Whether it is 0, 1, 2, …: its elements are their own index."""
    return isinstance(a, Const) and a.type.ndim == 1 and np.array_equal(a.value, np.arange(a.type.size))


def _flat(index: Atom, producer: Producers) -> Equation | None:
    e = producer.get(index) if isinstance(index, Var) else None
    return e if e is not None and e.op is flat_index and all(a.type.ndim == 1 for a in e.inputs) else None
