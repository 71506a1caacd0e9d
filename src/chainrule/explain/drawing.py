"""Backpropagation as a drawing: boxes for values, arrows forward for what is computed, backward for the adjoints.

>>> import numpy as np
>>> from chainrule import explain
>>> def loss(w, x, y):
...     p = np.tanh(x @ w)
...     return np.mean((p - y) ** 2)
>>> print(explain(loss, np.ones(3), np.ones((5, 3)), np.ones(5)).graph)
Backpropagation: 9 nodes, 8 edges
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..draw import Edge, Graph, Node
from ..errors import ArgumentError

if TYPE_CHECKING:
    from .backprop import Row

MOST = 60  # boxes that somebody may want to read
_LONGEST = 44  # characters in a line of a box


def drawn(rows: Sequence[Row]) -> Graph:
    """The rows that an adjoint flows through, and the data they read directly.

    Of more than 60, only those with a name of the user's own, and those that are read more than once.
    """
    shown = _asked_for(rows)
    merged: dict[int, tuple[int, ...]] = {}
    if len(shown) > MOST:
        merged = _merged(rows, shown)
        shown = [i for i in shown if i not in merged]
    if len(shown) > MOST:
        raise ArgumentError(
            f"a drawing of backpropagation would have {len(shown)} boxes; more than {MOST} can't be read",
            hint="print the table `backprop`, or draw a smaller network of the same kind",
        )
    place = {i: n for n, i in enumerate(shown)}
    edges = [
        Edge(place[r], place[i], back=rows[r].adjoint is not None)
        for i in shown
        for r in _reads(i, rows, merged)
        if r in place
    ]
    nodes = [_node(rows[i], bool(merged)) for i in shown]
    left_out = " Values without a name are left out." if merged else ""
    words = "; ".join(
        f"{rows[i].written} of shape {rows[i].shape}" + (f", {rows[i].adjoint_written}" if rows[i].adjoint else "")
        for i in shown
    )
    return Graph("Backpropagation", nodes, edges, description=f"Values forward, adjoints backward: {words}.{left_out}")


def _asked_for(rows: Sequence[Row]) -> list[int]:
    """What has an adjoint, and what such a value reads."""
    active = {i for i, row in enumerate(rows) if row.adjoint is not None}
    data = {r for i in active for r in rows[i].reads}
    return sorted(active | data)


def _merged(rows: Sequence[Row], shown: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Values that disappear into the one value that reads them, and what they read."""
    users: dict[int, int] = {}
    for i in shown:
        for r in rows[i].reads:
            users[r] = users.get(r, 0) + 1
    gone = [i for i in shown if not rows[i].own and users.get(i) == 1]
    return {i: rows[i].reads for i in gone}


def _reads(i: int, rows: Sequence[Row], merged: Mapping[int, tuple[int, ...]]) -> list[int]:
    """What a row is computed from, looking through what disappeared."""
    found: dict[int, None] = {}
    waiting = list(reversed(rows[i].reads))
    while waiting:
        r = waiting.pop()
        if r in merged:
            waiting += reversed(merged[r])
        else:
            found[r] = None
    return list(found)


def _node(row: Row, short: bool) -> Node:
    size = "" if row.size is None else f"size {row.size:.3g}"
    below = [" · ".join(filter(None, [row.shape, size]))]
    back = ""
    if row.adjoint is not None:
        back = _cut(str(row.adjoint_name) if short else row.adjoint_written)
        back += "" if row.adjoint_size is None else f"  (size {row.adjoint_size:.3g})"
    return Node(_cut(str(row.name) if short else row.written), below, back, round=row.formula is None)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
