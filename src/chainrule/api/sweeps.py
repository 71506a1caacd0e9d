"""Which sums of columns are computed for a matrix of derivatives: colours that go one way, together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..analyze.sparsity import Pattern
from ..transform.forward import Derived
from ..transform.sparse import Sweep, along, reseeded

Array = np.ndarray[Any, Any]
WAYS = 16  # ways at most that are computed apart
LESS = 0.7  # … if that is so much of the work


class Layout:
    """Arrays laid end to end, as the rows or the columns of a matrix."""

    def __init__(self, types: Sequence[Any]) -> None:
        self.sizes, self.dtypes = [t.size for t in types], [t.dtype for t in types]
        self.stretches = list(pairwise(np.cumsum([0, *self.sizes]).tolist()))
        self.total = sum(self.sizes)
        self.array = np.repeat(np.arange(len(types)), self.sizes)  # of each row, which array it belongs to
        self.within = np.concatenate([np.arange(n) for n in self.sizes]) if types else np.zeros(0, np.intp)

    def split(self, colours: Array) -> list[Array]:
        return [colours[low:high] for low, high in self.stretches]


@dataclass(frozen=True, eq=False)
class Sweeps:
    """Sweeps that have a share of the colours each."""

    sweeps: list[Sweep]
    present: list[tuple[int | None, ...]]  # of each sweep: which of its outputs is which array's
    sweep: Array  # of each colour, which sweep has it,
    number: Array  # … and as which of its own colours

    def places(self, colours: Array, layout: Layout, rows: Array) -> tuple[Array, Array]:
        """Of elements in these rows, and sums of these colours: which output has them, and where, taken flat."""
        array = layout.array[rows]
        place = self.number[colours] * np.take(layout.sizes, array) + layout.within[rows]
        return self.sweep[colours] * len(layout.sizes) + array, place

    @property
    def outputs(self) -> list[tuple[int, int | None]]:
        return [(n, k) for n, present in enumerate(self.present) for k in present]


def one_sweep(sweep: Sweep, present: tuple[int | None, ...]) -> Sweeps:
    return Sweeps([sweep], [present], np.zeros(sweep.width, np.intp), np.arange(sweep.width))


def forward_sweeps(found: Derived, given: int, read: Pattern, colours: Array) -> Sweeps:
    """Where tangents are only moved, colours can be: the moving is done now, and not at every call.

    Colours that stand in different seeds go different ways: each way is computed for its own colours only, where that
    is much less work.
    """
    coloured = np.append(colours, -1)
    seeds = [coloured[rows.ravel() - 1] for rows in read.moved.values()]
    whole = Sweep(reseeded(found.program, given, tuple(read.moved)), seeds, int(colours.max(initial=-1)) + 1)
    one = one_sweep(whole, found.present)
    ways: dict[tuple[int, ...], list[int]] = {}
    standing = [np.isin(np.arange(whole.width), seed) for seed in seeds]
    for colour in range(whole.width):
        ways.setdefault(tuple([n for n, inside in enumerate(standing) if inside[colour]]), []).append(colour)
    if len(ways) < 2 or len(ways) > WAYS:
        return one
    sweeps, present = [], []
    sweep, number = np.zeros(whole.width, np.intp), np.zeros(whole.width, np.intp)
    for n, (way, own) in enumerate(ways.items()):
        part = along(whole.program, given, way)
        numbers = np.full(whole.width + 1, -1)  # the last one is that of no colour
        numbers[own] = number[own] = np.arange(len(own))
        sweep[own] = n
        sweeps.append(Sweep(part.program, [numbers[seeds[k]] for k in way], len(own)))
        present.append(tuple([None if k is None else part.present[k] for k in found.present]))
    total = sum(s.work(given) for s in sweeps)
    return Sweeps(sweeps, present, sweep, number) if total < LESS * whole.work(given) else one
