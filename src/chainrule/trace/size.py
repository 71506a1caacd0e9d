"""How large arrays are, all together: the Euclidean norm, which neither overflows nor underflows on the way."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

import numpy as np

from ..ir import Array


def scaled_norm(arrays: Sequence[Array]) -> tuple[float, float]:
    """The largest magnitude `m`, and the norm as a multiple of it: the norm is their product.

    >>> scaled_norm([np.array([3e200, 4e200])])
    (4e+200, 1.25)
    """
    # one by one: arrays of different precision lose nothing
    largest = max((float(np.max(np.abs(a))) for a in arrays if a.size), default=0.0)
    if not 0 < largest < np.inf:  # zero, infinite or NaN
        return largest, 0.0 if largest == 0 else 1.0
    parts = [float(np.linalg.norm(np.ravel(a).astype(np.float64) / largest)) for a in arrays if a.size]
    return largest, hypot(*parts)


def norm(arrays: Sequence[Array]) -> float:
    """The Euclidean norm of all elements of all arrays; NaN if one is NaN, inf if one is infinite.

    >>> norm([np.array([3.0]), np.array([[4.0]])])
    5.0
    """
    if any(np.isnan(a).any() for a in arrays):
        return float("nan")
    largest, multiple = scaled_norm(arrays)
    return largest * multiple
