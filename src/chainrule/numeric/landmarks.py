"""Where an integrand deserves a look: its kinks and jumps, the ends of domains, zeros and turning points on the way.

A recorded function shows its inside. Where an op switches (`switch` in its entry: x - y for a comparison) or a domain
ends, the integrand may jump, bend or grow without bound: there the interval is split. Where any intermediate value is
zero or turns, `(x - 3) / 1e-6` say, a narrow peak may stand: there nodes crowd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from typing import Any

import numpy as np

from ..execute import Executable
from ..ir import Atom, Program, Var, without_dead_code
from ..ops.control import integral, sum_over_zeros
from ..ops.op import Elementwise
from ..trace.recorder import Recorder, Traced
from ..transform.batch import batch
from ..transform.simplify import simplify

Array = np.ndarray[Any, Any]
SIZES = (32, 512, 4096)  # nodes at once: a Program is batched for each of these only
FIRM, SOFT, WAVY = 3000, 48, 40  # the most breaks, the most other places, the most zeros of one value


class OnNodes:
    """A Program of x and further inputs, as a function of many nodes x; one output (N, …)."""

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self.program, self.values = program, list(values)

    def __call__(self, x: Array) -> Array:
        return self.all(x)[0]

    def all(self, x: Array) -> list[Array]:
        parts: list[tuple[Any, ...]] = []
        start = 0
        while start < len(x):
            size = next((s for s in SIZES if s >= len(x) - start), SIZES[-1])
            chunk = x[start : start + size]
            padded = np.concatenate([chunk, np.full(size - len(chunk), chunk[-1])]) if len(chunk) < size else chunk
            found = _rows(self.program, size)([padded, *self.values])
            parts.append(tuple(np.asarray(y)[: len(chunk)] for y in found))
            start += len(chunk)
        outs = [np.concatenate(p) for p in zip(*parts, strict=True)]
        return [y.astype(np.float64) for y in outs]


@lru_cache(maxsize=128)
def _rows(program: Program, size: int) -> Executable:
    _x, *rest = program.inputs
    return Executable(simplify(batch(program, [True, *[False] * len(rest)], size)))


def moved_by(program: Program, inputs: Sequence[int]) -> set[Atom]:
    """Everything that changes with these inputs, truths and whole numbers too."""
    found: set[Atom] = {program.inputs[i] for i in inputs}
    for e in program.equations:
        if not found.isdisjoint(e.inputs):
            found.update(e.outputs)
    return found


def rounding_of(program: Program) -> float:
    """The rounding of the shortest floats that the output is computed in."""
    moved = moved_by(program, [0])
    kinds = {a.type.dtype for e in program.equations for a in (*e.inputs, *e.outputs) if a in moved}
    return max((float(np.finfo(d).eps) for d in kinds if d.kind == "f"), default=float(np.finfo(np.float64).eps))


@lru_cache(maxsize=128)
def _signals(program: Program) -> tuple[Program, int]:
    """The same inputs; first what is zero at breaks, then every real intermediate value; and how many breaks."""
    recorder = Recorder(quiet=True)
    recorder.equations = list(program.equations)
    moved = moved_by(program, [0])
    costly: set[Atom] = set()  # an integral within: its values are not worth a search
    firm: list[Atom] = []
    soft: list[Atom] = []
    for e in program.equations:
        if moved.isdisjoint(e.inputs):
            continue
        if e.op in (integral, sum_over_zeros) or not costly.isdisjoint(e.inputs):
            costly.update(e.outputs)
            continue
        handles = [Traced(recorder, a) for a in e.inputs]
        if e.op.switch is not None:
            found = e.op.switch(*handles, **e.params)
            firm += [] if found is None else [found[0].atom]
        if isinstance(e.op, Elementwise) and not (e.op.goes_on and e.op.goes_on(**e.params)):
            for h, domain in zip(handles, e.op.domain, strict=True):
                if h.atom in moved and h.dtype.kind == "f" and not domain.whole:
                    firm += [(h - end).atom for end in (domain.low, domain.high) if isfinite(end)]
        soft += [v for v in e.outputs if v.type.dtype.kind == "f" and v.type.size <= 64]
    firm = [a for a in dict.fromkeys(firm) if isinstance(a, Var)]
    soft = [a for a in dict.fromkeys(soft) if a not in firm][:64]
    signals = Program(program.inputs, tuple(recorder.equations), (*firm, *soft), "signals")
    return without_dead_code(signals), len(firm)


def is_costly(program: Program) -> bool:
    """Whether there is an integral within."""
    return any(e.op in (integral, sum_over_zeros) for e in program.equations)


@dataclass(frozen=True)
class Landmarks:
    """Breaks, where the interval is to be split; points, where nodes are to crowd; whether all breaks are listed."""

    breaks: tuple[float, ...]
    points: tuple[float, ...]
    complete: bool


def landmarks(program: Program, values: Sequence[Any], a: float, b: float) -> Landmarks:
    """Where a recorded integrand, x its first input, breaks or may have a narrow peak between a and b."""
    signals, firm = _signals(program)
    if not signals.outputs:
        return Landmarks((), (), True)
    run = OnNodes(signals, values)
    grid = _grid(a, b)
    columns, sizes = _columns(run, grid)
    limit = int(np.sum(sizes[:firm]))
    low, high, column = _changes(grid, columns)
    counts = np.bincount(column, minlength=columns.shape[1]) if len(column) else np.zeros(columns.shape[1], int)
    sharp = column < limit
    complete = int(sharp.sum()) <= FIRM
    wanted = np.where(sharp, np.cumsum(sharp) <= FIRM, counts[column] <= WAVY) if len(column) else sharp
    roots = _bisected(run, low[wanted], high[wanted], column[wanted])
    kinds = sharp[wanted]
    turns = _turning(run, grid, columns, WAVY)
    breaks = np.unique(roots[kinds])
    points = _thinned(np.concatenate([roots[~kinds], turns]), breaks)
    return Landmarks(_inside(breaks, a, b), _inside(points, a, b), complete)


def _inside(points: Array, a: float, b: float) -> tuple[float, ...]:
    return tuple(float(x) for x in points if a < x < b)


def _grid(a: float, b: float) -> Array:
    """Where to look for changes of sign: evenly, towards the ends, and over all magnitudes."""
    outer = np.arange(100, 330.0)
    magnitudes = 2.0 ** np.concatenate([-outer[::-1], np.arange(-99.875, 100, 0.125), outer])
    ends = [x for x in (a, b) if isfinite(x)]
    left, right = max(a, -(2.0**329)), min(b, 2.0**329)
    width = right - left
    parts: list[Array] = [np.array([left, right, 0.0]), magnitudes, -magnitudes]
    if isfinite(a) and isfinite(b):
        parts.append(np.linspace(left, right, 1025))
    steps = np.minimum(width, max([1.0, *map(abs, ends)])) * 2.0 ** -np.arange(0, 50.0)
    parts += [e + steps for e in ends] + [e - steps for e in ends]
    if not (isfinite(a) and isfinite(b)):
        parts += [e + magnitudes for e in ends] + [e - magnitudes for e in ends] + [np.linspace(-64, 64, 1025)]
    grid: Array = np.unique(np.concatenate(parts))
    return grid[(grid >= left) & (grid <= right)]


def _columns(run: OnNodes, x: Array) -> tuple[Array, list[int]]:
    found = [y.reshape(len(x), -1) for y in run.all(x)]
    return np.concatenate(found, axis=1), [y.shape[1] for y in found]


def _changes(grid: Array, columns: Array) -> tuple[Array, Array, Array]:
    """Brackets of changes of sign; a zero at a node is a bracket of no width, of a run of zeros only the ends."""
    with np.errstate(all="ignore"):
        sign = np.where(np.isfinite(columns) | np.isinf(columns), np.sign(columns), np.nan)
    across = sign[:-1] * sign[1:] < 0
    i, c = np.nonzero(across)
    zero = sign == 0
    lone = zero & ~(np.roll(zero, 1, 0) & np.roll(zero, -1, 0))
    j, d = np.nonzero(lone)
    return (
        np.concatenate([grid[i], grid[j]]), np.concatenate([grid[i + 1], grid[j]]), np.concatenate([c, d])
    )  # fmt: skip


PARTS = np.arange(1, 16) / 16


def _bisected(run: OnNodes, low: Array, high: Array, column: Array) -> Array:
    """The zeros in brackets, as far as floats tell them apart: the end where the value is smaller."""
    if not len(low):
        return low
    row = np.arange(len(low))
    with np.errstate(all="ignore"):
        start = np.sign(_columns(run, low)[0][row, column])
        for _ in range(24):
            inner = low[:, None] + (high - low)[:, None] * PARTS
            if not ((inner > low[:, None]) & (inner < high[:, None])).any():
                break
            sign = np.sign(_at(run, inner, column))
            changed = np.column_stack([sign != start[:, None], np.ones(len(low), bool)])
            first = changed.argmax(1)
            ends = np.column_stack([low, inner, high])
            low, high = ends[row, first], ends[row, first + 1]
        at_low, at_high = (np.abs(_columns(run, x)[0][row, column]) for x in (low, high))
    return np.where(at_high <= at_low, high, low)


def _at(run: OnNodes, x: Array, column: Array) -> Array:
    """One column each for rows of nodes."""
    found = _columns(run, np.ravel(x))[0].reshape(*x.shape, -1)
    return np.asarray(np.take_along_axis(found, column[:, None, None], 2)[..., 0])


def _turning(run: OnNodes, grid: Array, columns: Array, most: int) -> Array:
    """Turning points of the columns, as far as values tell them apart."""
    with np.errstate(all="ignore"):
        rise = np.sign(np.diff(columns, axis=0))
        i, c = np.nonzero(rise[:-1] * rise[1:] < 0)
    if not len(i):
        return grid[:0]
    counts = np.bincount(c)
    kept = counts[c] <= most
    i, c = i[kept][:200], c[kept][:200]
    low, high, up = grid[i], grid[i + 2], rise[i, c]
    row = np.arange(len(i))
    with np.errstate(all="ignore"):
        for _ in range(11 if len(i) else 0):
            inner = low[:, None] + (high - low)[:, None] * PARTS
            best = np.argmax(up[:, None] * _at(run, inner, c), 1)
            ends = np.column_stack([low, inner, high])
            low, high = ends[row, best], ends[row, best + 2]
    return low + (high - low) / 2


def _thinned(points: Array, breaks: Array) -> Array:
    """Without those that are almost the same, or almost a break."""
    kept: list[float] = []
    before = -inf
    taken = np.sort(breaks)
    for x in np.sort(points[np.isfinite(points)]).tolist():
        near = 1e-7 * abs(x)
        k = int(np.searchsorted(taken, x))
        close = any(abs(x - t) <= near for t in taken[max(k - 1, 0) : k + 1])
        if x - before > near and not close:
            kept.append(x)
            before = x
    return np.array(kept[:: max(1, -(-len(kept) // SOFT))])


def zeros_between(guard: OnNodes, a: float, b: float) -> list[tuple[float, int]] | None:
    """Where a component of the guard passes zero, limits included, and which; None if they can't all be told apart."""
    grid = _grid(a, b)
    before: list[tuple[float, int]] | None = None
    for _ in range(5):
        columns = guard(grid).reshape(len(grid), -1)
        low, high, column = _changes(grid, columns)
        if len(low) > FIRM:
            return None
        roots = _bisected(guard, low, high, column)
        found = _crossings(guard, roots, low, high, column)
        if before is not None and [c for _, c in found] == [c for _, c in before]:
            return found
        before = found
        grid = np.unique(np.concatenate([grid, grid[:-1] + 0.41 * np.diff(grid)]))
    return None


def _crossings(guard: OnNodes, roots: Array, low: Array, high: Array, column: Array) -> list[tuple[float, int]]:
    """Those of the changes of sign that are zeros, not jumps or poles, in order."""
    if not len(roots):
        return []
    row = np.arange(len(roots))
    near = 8 * np.finfo(float).eps * np.maximum(np.abs(roots), 1e-300)
    with np.errstate(all="ignore"):
        size = np.zeros(len(roots))
        for x in (low, high):
            size = np.maximum(size, np.abs(guard(x).reshape(len(x), -1)[row, column]))
        here = np.zeros(len(roots))
        for x in (roots - near, roots + near):
            here = np.maximum(here, np.abs(guard(x).reshape(len(x), -1)[row, column]))
        wide = 1e-9 * np.maximum(np.abs(roots), 1e-3)
        left, right = (guard(x).reshape(len(x), -1)[row, column] for x in (roots - wide, roots + wide))
    zero = np.where(low == high, left * right < 0, here <= 1e-3 * size)
    pairs = sorted({(float(x), int(c)) for x, c, z in zip(roots, column, zero, strict=True) if z})
    kept: list[tuple[float, int]] = []
    for place, c in pairs:  # a zero at a node, and the change of sign beside it, are one
        near_one = [y for y, d in kept[-8:] if d == c and abs(place - y) <= 64 * 2.3e-16 * max(abs(place), abs(y))]
        if not near_one:
            kept.append((place, c))
    return kept
