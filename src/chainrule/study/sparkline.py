"""How the value falls during minimization, as a line of blocks for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_MANY_TIMES = 5  # what spans more is shown by its logarithms
_LONG = 20


def sparkline(iterations: Sequence[int], values: Sequence[float], width: int = 40) -> str:
    """The values as a line of blocks; on a logarithmic scale if they span much, iterations of a long run likewise.

    >>> sparkline([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0], 4)
    '█▆▃▁'
    """
    points = [(n, v) for n, v in zip(iterations, values, strict=True) if math.isfinite(v)]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    log = low > 0 and high > _MANY_TIMES * low
    low, high = (math.log(low), math.log(high)) if log else (low, high)
    width = min(width, len(points))
    last = points[-1][0]
    marks, i = [], 0
    for k in range(width):
        share = k / max(width - 1, 1)
        wanted = (last + 1) ** share - 1 if last > _LONG else last * share
        while i + 1 < len(points) and points[i][0] < wanted - 1e-9:
            i += 1
        value = math.log(points[i][1]) if log else points[i][1]
        height = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
        marks.append(_BLOCKS[round(height * (len(_BLOCKS) - 1))])
    return "".join(marks)
