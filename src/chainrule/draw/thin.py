"""Fewer points, and the same picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .numbers import Array

MOST = 2000


def runs(*columns: Array) -> Iterator[slice]:
    """Stretches in which every column is finite: a line has a gap elsewhere."""
    finite = np.all([np.isfinite(c) for c in columns], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], finite.astype(np.int8), [0]])))
    for first, last in edges.reshape(-1, 2).tolist():
        yield slice(first, last)


def along(x: Array, y: Array) -> Array:
    """Which points of a line to keep; x and y are pixels.

    For x in order: of each column of pixels the first, the last, the lowest and the highest, which gives the same
    picture (Jugel, Jerzak, Hackenbroich & Markl, "M4", 2014). Else only what has moved on by some part of a pixel.
    """
    if len(x) <= MOST // 4:
        return np.arange(len(x))
    if np.all(np.diff(x) >= 0):
        return _by_column(x, y)
    step, kept = 0.25, np.arange(len(x))
    while len(kept) > MOST or step == 0.25:
        kept = kept[_moved(x[kept], y[kept], step)]
        step *= 2
    return kept


def _by_column(x: Array, y: Array) -> Array:
    column = np.floor(x * 2)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(column) > 0]))
    ends = np.concatenate([starts[1:], [len(x)]])
    kept = []
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        part = y[first:last]
        kept += [first, first + int(part.argmin()), first + int(part.argmax()), last - 1]
    return np.unique(kept)


def _moved(x: Array, y: Array, step: float) -> list[int]:
    """The first, the last, and each point that is further than `step` from the one kept before it."""
    kept, (a, b) = [0], (x[0], y[0])
    for i, (u, v) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if (u - a) ** 2 + (v - b) ** 2 > step * step:
            kept.append(i)
            a, b = u, v
    if kept[-1] != len(x) - 1:
        kept.append(len(x) - 1)
    return kept


def apart(x: Array, y: Array) -> Array:
    """Which of many separate points to keep: one for each small square of the picture."""
    kept, size = np.arange(len(x)), 1.0
    while len(kept) > MOST:
        cells = np.stack([np.floor(x[kept] / size), np.floor(y[kept] / size)])
        _, first = np.unique(cells, axis=1, return_index=True)
        kept = kept[np.sort(first)]
        size *= 1.5
    return kept


def rows(count: int, most: int = 200) -> list[int]:
    """Evenly chosen row numbers of a long table, its first and last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})
