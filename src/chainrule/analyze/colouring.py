"""Which columns of a sparse matrix one product can find together: colourings of graphs.

Columns that share no row may be added up before they are computed: each entry still stands alone in the sum (Curtis,
Powell & Reid, "On the estimation of sparse Jacobian matrices", 1974). To need few sums is to colour a graph with few
colours (Coleman & Moré, "Estimation of sparse Jacobian matrices and graph coloring problems", 1984). A symmetric
matrix may be read from either side of its diagonal, which takes fewer: a star colouring, in which every path of four
vertices has three colours (Gebremedhin, Manne & Pothen, "What color is your Jacobian?", 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SPARE = 3  # remainders by so much more than the least number of colours are tried
MANY = 100_000  # columns: a search among more is long
LONG = 200_000  # entries: a search among more takes a while
TABLE = 50_000_000  # cells that may be counted one by one


def columns(pattern: Any, widths: Sequence[int], most: float = float("inf")) -> Array | None:
    """A colour for each column, from 0 on, such that no two columns of a colour share a row; None: more than `most`.

    `widths` are the numbers of columns that belong together (those of one argument).
    """
    least = int(np.diff(pattern.indptr).max(initial=0))
    if least > most:
        return None
    found = _remainders(pattern, widths, least)
    if found is not None and found.max(initial=-1) >= most:
        found = None
    if found is not None and (found.max(initial=-1) < least or pattern.nnz > LONG):
        return found
    searched = _first_free(pattern, most)
    if found is None or (searched is not None and searched.max(initial=-1) < found.max(initial=-1)):
        return searched
    return found


def _remainders(pattern: Any, widths: Sequence[int], least: int) -> Array | None:
    """Column j of each argument has the colour j mod k: right, and best, for bands and for rows of parameters."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    colours = np.zeros(pattern.shape[1], np.intp)
    used = 0
    for start, end in pairwise(np.cumsum([0, *widths]).tolist()):
        inside = slice(None) if len(widths) == 1 else (pattern.indices >= start) & (pattern.indices < end)
        mine, at = rows[inside], pattern.indices[inside] - start
        if not len(at):
            continue
        need = int(np.bincount(mine).max())
        for k in range(need, need + SPARE + 1):
            if _distinct(mine[:1000], at[:1000] % k, k) and _distinct(mine, at % k, k):
                break
        else:
            return None
        colours[start:end] = used + np.arange(end - start) % k
        used += k
    return colours if used <= least + SPARE else None


def _distinct(rows: Array, colours: Array, k: int) -> bool:
    """Whether no row has a colour twice; rows are in order."""
    if not len(rows):
        return True
    seen = np.zeros((int(rows[-1]) + 1) * k, bool)
    seen[rows * k + colours] = True
    return int(np.count_nonzero(seen)) == len(rows)


def _first_free(pattern: Any, most: float) -> Array | None:
    """Greedily, columns with most entries first. Each row remembers its colours as the bits of a number."""
    by_column = pattern.tocsc()
    starts, rows = by_column.indptr.tolist(), by_column.indices.tolist()
    taken = [0] * pattern.shape[0]
    colours = [0] * pattern.shape[1]
    used = 0
    for j in np.argsort(-np.diff(by_column.indptr), kind="stable").tolist():
        mine = rows[starts[j] : starts[j + 1]]
        forbidden = 0
        for i in mine:
            forbidden |= taken[i]
        bit = ~forbidden & (forbidden + 1)
        for i in mine:
            taken[i] |= bit
        colours[j] = bit.bit_length() - 1
        if bit >> used:
            used = bit.bit_length()
            if used > most:
                return None
    return np.array(colours, np.intp)


def star(pattern: Any, widths: Sequence[int]) -> Array:
    """A star colouring of a symmetric pattern: a colour for each row and column; `widths` as above.

    Of two colours, the vertices form stars. A vertex v may not take the colour of a neighbour; nor that of a
    neighbour's neighbour, where two neighbours of v have the same colour; nor that of the hub of a star of which a
    neighbour is a ray. Each vertex keeps these as the bits of numbers: Gebremedhin, Tarafdar, Manne & Pothen, "New
    acyclic and star coloring algorithms with application to computing Hessians", 2007.
    """
    least = int(np.diff(pattern.indptr).max(initial=0))
    if least <= 3 or pattern.shape[0] > MANY:  # columns that share no row are a star colouring, too, if not the best
        wide = _remainders(pattern, widths, least)
        if wide is not None:
            return wide
    starts, neighbours = pattern.indptr.tolist(), pattern.indices.tolist()
    n = pattern.shape[0]
    bit_of = [0] * n  # of the vertex' own colour; 0: none yet
    around = [0] * n  # colours of its neighbours
    hubs = [0] * n  # colours of the hubs of stars of which it is a ray
    first: dict[tuple[int, int], int] = {}  # (vertex, colour): its first neighbour of that colour
    for v in np.argsort(-np.diff(pattern.indptr), kind="stable").tolist():
        mine = [w for w in neighbours[starts[v] : starts[v + 1]] if w != v]
        coloured = [w for w in mine if bit_of[w]]
        once = twice = 0
        for w in coloured:
            twice |= once & bit_of[w]
            once |= bit_of[w]
        forbidden = once
        for w in coloured:
            forbidden |= around[w] if bit_of[w] & twice else hubs[w]
        bit = ~forbidden & (forbidden + 1)
        bit_of[v] = bit
        for w in mine:
            other = bit_of[w]
            if other and other & twice:
                hubs[w] |= bit  # v is the hub, w one of several rays
            if around[w] & bit:  # w is the hub of v and of the neighbours that have v's colour already
                if other:
                    hubs[v] |= other
                    hubs[first[w, bit]] |= other
            else:
                first[w, bit] = v
            around[w] |= bit
    return np.array([b.bit_length() - 1 for b in bit_of], np.intp)


def alone(pattern: Any, colours: Array) -> Array:
    """For each entry, whether its column is the only one of its colour in that row; a colour of -1 is none at all."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    mine = colours[pattern.indices]
    count = int(colours.max(initial=0)) + 2
    if _distinct(rows, mine + 1, count):
        return np.asarray(mine >= 0)
    key = rows * count + mine + 1
    if pattern.shape[0] * count <= TABLE:
        times = np.bincount(key)[key]
    else:
        _, where, counts = np.unique(key, return_inverse=True, return_counts=True)
        times = counts[where]
    found: Array = (times == 1) & (mine >= 0)
    return found
