"""Sets of input elements, one for each element of an array, and what may be done with them.

Most arrays read few elements each: a shift, a selection, a sum of some. So an array's sets are a union of Parts, each
an array of numbers of the same shape. What only moves elements moves these numbers, by the very same NumPy call; a
union joins lists; only a sum along a long axis needs a sparse matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product, zip_longest
from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from ..errors import ArgumentError

Array = np.ndarray[Any, Any]
FEW = 4  # Parts of one array: among more, equal ones are looked for
MOST = 24  # Parts of one array: more are collected into a matrix
LARGEST = 200_000_000  # stored entries of a pattern: more are no sparse matrix
NETWORK = 8  # so many columns are sorted by comparisons of whole columns


class Part(NamedTuple):
    """For each element a row of `base`, numbered from 1; 0 is the empty set, which is row 0 of each base.

    Without a base, row n is the set {n - 1} of one input element.
    """

    rows: Array
    base: Any = None


Sets = tuple[Part, ...]


def singletons(start: int, shape: tuple[int, ...], dtype: Any) -> Sets:
    """The sets of an input: each element is its own, numbered from `start` on."""
    return (Part(np.arange(start + 1, start + 1 + prod(shape), dtype=dtype).reshape(shape)),)


def union(several: Sequence[Sets], width: int) -> Sets:
    """Element by element; what is the same array is the same set."""
    found = {(id(p.rows), id(p.base)): p for sets in several for p in sets}
    parts = tuple(found.values())
    if len(parts) > FEW:
        parts = _distinct(parts)
    if len(parts) <= MOST:
        return parts
    shape = parts[0].rows.shape
    return _as_part(matrix(parts, width), shape)


def _distinct(parts: Sets) -> Sets:
    """Each once. Arrays that are equal at some places are compared at all."""
    groups: dict[Any, list[Part]] = {}
    for p in parts:
        some = tuple([p.rows.item(i) for i in range(0, p.rows.size, p.rows.size // 8 + 1)])
        same = groups.setdefault((id(p.base), some), [])
        if not any([np.array_equal(p.rows, q.rows) for q in same]):
            same.append(p)
    return tuple([p for group in groups.values() for p in group])


def moved(several: Sequence[Sets], move: Callable[..., Array], shapes: Sequence[tuple[int, ...]]) -> Sets:
    """What `move` makes of the operands, which picks elements of theirs, or nothing (0)."""
    bases = {id(p.base): p.base for sets in several for p in sets}
    found = []
    for base in bases.values():
        columns = zip_longest(*[[p.rows for p in sets if p.base is base] for sets in several])
        for rows in columns:
            dtype = next(r.dtype for r in rows if r is not None)
            filled = [np.zeros(s, dtype) if r is None else r for r, s in zip(rows, shapes, strict=True)]
            found.append(Part(np.asarray(move(*filled)), base))
    return tuple(found)


def masked(sets: Sets, kept: Array) -> Sets:
    """Empty where nothing is kept."""
    return tuple([Part(np.where(kept, p.rows, 0), p.base) for p in sets])


def collected(sets: Sets, to: Array, of: Array | None, shape: tuple[int, ...], width: int) -> Sets:
    """The union, at the flat position `to`, of the elements at the flat positions `of` (None: of all)."""
    size = prod(shape)
    total = None
    for p in sets:
        rows = p.rows.ravel() if of is None else p.rows.ravel()[of]
        some = rows != 0
        where, rows = to[some], rows[some]
        if p.base is None:
            chosen = _ones(where, rows - 1, (size, width))
        else:
            chosen = _ones(where, rows, (size, p.base.shape[0])) @ p.base
        total = chosen if total is None else total + chosen
    return () if total is None or total.nnz == 0 else _as_part(total, shape)


def joined(sets: Sets, axes: Sequence[int], width: int) -> Sets:
    """The union along `axes`, which stay with length 1."""
    if not sets or not axes:
        return sets
    shape = sets[0].rows.shape
    gone = {a % len(shape) for a in axes}
    kept = tuple([1 if a in gone else n for a, n in enumerate(shape)])
    if kept == shape:
        return sets
    count = prod(shape) // max(prod(kept), 1)
    if 0 < count * len(sets) <= 4 * MOST:
        each = [[slice(i, i + 1) for i in range(n)] if a in gone else [slice(None)] for a, n in enumerate(shape)]
        parts = _distinct(tuple([Part(p.rows[at], p.base) for p in sets for at in product(*each)]))
        if len(parts) <= MOST:
            return parts
    to = np.broadcast_to(np.arange(prod(kept)).reshape(kept), shape).ravel()
    return collected(sets, to, None, kept, width)


def repeated(sets: Sets, shape: tuple[int, ...]) -> Sets:
    """Broadcast to a shape; axes are aligned at the front."""
    found = []
    for p in sets:
        own = p.rows.shape
        while len(own) > len(shape) and own[-1] == 1:
            own = own[:-1]
        found.append(Part(np.broadcast_to(p.rows.reshape((*own, *(1,) * (len(shape) - len(own)))), shape), p.base))
    return tuple(found)


def matrix(sets: Sets, width: int) -> Any:
    """The sets as the rows of a matrix of truths, columns in order."""
    alone = [p.rows.ravel() for p in sets if p.base is None]
    size = sets[0].rows.size
    total: Any = _sorted(alone, width) if alone else None
    for p in sets:
        if p.base is None:
            continue
        rows = p.rows.ravel()
        if np.diff(p.base.indptr)[rows].sum(dtype=np.int64) > LARGEST:
            raise ArgumentError(
                f"the matrix is not sparse: {size} x {width}, with more than {LARGEST} entries that may not be zero",
                hint="products with it need no matrix: jvp, vjp, hvp",
            )
        chosen = p.base[rows]
        total = chosen if total is None else total + chosen
    if not total.has_sorted_indices:
        total.sort_indices()
    return total


def _as_part(sets: Any, shape: tuple[int, ...]) -> Sets:
    """Rows of a matrix as the base of a Part; the empty set goes first."""
    indptr = np.concatenate([sets.indptr[:1], sets.indptr])
    base = csr_array((sets.data, sets.indices, indptr), shape=(sets.shape[0] + 1, sets.shape[1]))
    return (Part(np.arange(1, sets.shape[0] + 1).reshape(shape), base),)


def _ones(rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    return coo_array((np.ones(len(rows), bool), (rows, columns)), shape=shape).tocsr()


def _sorted(columns: list[Array], width: int) -> Any:
    """The matrix whose row i has its entries at columns[0][i] - 1, columns[1][i] - 1, …; 0 is none."""
    k = len(columns)
    if k <= NETWORK:
        for last in range(k - 1, 0, -1):
            for j in range(last):
                low, high = columns[j], columns[j + 1]
                columns[j], columns[j + 1] = np.minimum(low, high), np.maximum(low, high)
        table = np.stack(columns, axis=1)
    else:
        table = np.sort(np.stack(columns, axis=1), axis=1)
    new = table != 0
    new[:, 1:] &= table[:, 1:] != table[:, :-1]
    counts = np.count_nonzero(new, axis=1)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(table.dtype)
    indices = table[new] - 1
    return csr_array((np.ones(len(indices), bool), indices, indptr), shape=(len(table), width))
