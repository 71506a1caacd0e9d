"""Numbers and constant arrays as NumPy code: the expression that a person would write for them, where there is one.

>>> literal(np.array([2, 4, 6, 8])), literal(np.tri(3) == 1)
('np.arange(2, 10, 2)', 'np.tri(3, dtype=bool)')
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isqrt

import numpy as np

from ..ir import Array

LONGEST = 100  # of more elements than this, an array that is none of the well-known ones is not written out

Guess = tuple[str, Callable[[], Array]]  # code, and what it computes


def literal(value: Array) -> str | None:
    """Code that makes an array, its dtype included; None for a large one that is not recognized."""
    for code, made in _guesses(value):
        found = np.asarray(made())
        if found.shape == value.shape and np.array_equal(found, value):
            return code if found.dtype == value.dtype else f"{code}.astype({_dtype(value)})"
    if value.size > LONGEST:
        return None
    written = repr(value.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    natural = np.array(value.tolist()).dtype == value.dtype
    return f"np.array({written})" if natural else f"np.array({written}, {_dtype(value)})"


def _dtype(value: Array) -> str:
    return "bool" if value.dtype == bool else f"np.{value.dtype}"


def _guesses(value: Array) -> Iterator[Guess]:
    """The arrays that it may be."""
    n = value.size
    if value.ndim == 1 and n > 2:
        yield from _progressions(value)
        yield from _corners(n)
    elif value.ndim == 2 and n > 2:
        yield from _matrices(value)
    elif n > 4:
        yield f"np.arange({n}).reshape({value.shape})", lambda: np.arange(n).reshape(value.shape)


def _progressions(value: Array) -> Iterator[Guess]:
    """Numbers at equal distances."""
    first, second, last, n = value[0].item(), value[1].item(), value[-1].item(), value.size
    if not np.isfinite([first, second, last]).all() or value.dtype == bool:
        return
    step = second - first
    if step and all(x == int(x) for x in (first, step)):
        start, step = int(first), int(step)
        stop = start + n * step
        bounds = [stop] if (start, step) == (0, 1) else [start, stop] if step == 1 else [start, stop, step]
        yield f"np.arange({', '.join(map(str, bounds))})", lambda: np.arange(start, stop, step)
    if value.dtype.kind == "f":
        yield f"np.linspace({first!r}, {last!r}, {n})", lambda: np.linspace(first, last, n)


def _corners(size: int) -> Iterator[Guess]:
    """Places of a triangle in a flattened square matrix."""
    root = isqrt(8 * size + 1)
    if root * root != 8 * size + 1 or size < 6:
        return
    for n, k in (((root - 1) // 2, 0), ((root + 1) // 2, 1)):
        for half, sign in (("triu", k), ("tril", -k)):
            yield (
                f"np.flatnonzero(np.{half}(np.ones(({n}, {n})){f', {sign}' if sign else ''}))",
                lambda half=half, n=n, sign=sign: np.flatnonzero(getattr(np, half)(np.ones((n, n)), sign)),  # type: ignore[misc]
            )


def _matrices(value: Array) -> Iterator[Guess]:
    n, m = value.shape
    size = [str(n)] if n == m else [str(n), str(m)]
    kind = [] if value.dtype == np.float64 else [f"dtype={_dtype(value)}"]
    if np.isin(value, (0, 1)).all():
        yield f"np.eye({', '.join([*size, *kind])})", lambda: np.eye(n, m, dtype=value.dtype)
        across, down = (int(np.count_nonzero(x)) for x in (value[0], value[:, 0]))
        for k in (across - 1, down - n):
            shift = [f"k={k}"] if k else []
            yield f"np.tri({', '.join([*size, *shift, *kind])})", lambda k=k: np.tri(n, m, k, value.dtype)  # type: ignore[misc]
        ones = f"np.ones({', '.join([str(value.shape), *kind])})"
        for k in (m - across, 1 - down):
            yield f"np.triu({ones}, {k})", lambda k=k: np.triu(np.ones((n, m), value.dtype), k)  # type: ignore[misc]
    if value.dtype.kind == "i" and m > 1:  # sums of two progressions: windows, and whole tables
        down, across = int(value[-1, 0] - value[0, 0]), int(value[0, 1] - value[0, 0])
        step, first = down // (n - 1) if n > 1 else 0, int(value[0, 0])
        rows, columns = _range(first, n, step), _range(0, m, across)
        if step and across and rows and columns:
            yield (
                f"np.add.outer({rows}, {columns})",
                lambda: first + np.add.outer(step * np.arange(n), across * np.arange(m)),
            )


def _range(start: int, n: int, step: int) -> str:
    return literal(np.arange(start, start + n * step, step)) or ""
