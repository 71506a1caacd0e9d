"""How the gradients of single examples spread around the gradient of the whole loss.

A loss over rows has such gradients only if it is put together from losses of single rows: as their mean, as their sum,
or as their sum and a rest (a penalty) that no row changes. Which of these holds, if any, is found out by comparing
values: of all rows, of random parts of them, and of single rows, at the point and beside it. A loss that fits none is
refused: the gradient of a row alone would say nothing of it.

The gradient noise scale: McCandlish, Kaplan & Amodei, "An Empirical Model of Large-Batch Training", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol

import numpy as np

from ..errors import ArgumentError
from ..ir import Array

MEAN, SUM, SUM_AND_REST = "mean", "sum", "sum and a rest"
_AT_ONCE = 2**22  # numbers in the gradients that are in memory at one time
_ROWS_AT_ONCE = 2**12
_SEED = 0
_ROUNDING = 0.75  # the power of the precision up to which differences are rounding
_NOTHING = 0.01  # standard errors
_TOO_MANY = 2**27  # numbers in gradients that are kept
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


class RowLoss(Protocol):
    """A loss whose rows can be chosen, as a function of a vector of what is varied. `rows` None means all of them."""

    size: int
    precision: float

    def value(self, x: Array, rows: Array | None) -> float: ...
    def gradient(self, x: Array, rows: Array | None) -> Array: ...
    def values(self, x: Array, rows: Array) -> Array:
        """The loss of each row alone."""

    def gradients(self, x: Array, rows: Array) -> Array:
        """The gradient of each row alone, one below the other."""


@dataclass(frozen=True)
class ExampleGradients:
    """The gradients of single examples, in numbers; `norms`, `cosines` and `losses` go with the row numbers in `rows`.

    `kind` says how the loss is put together: the "mean" of the losses of single rows, their "sum", or their "sum and
    a rest" that depends on no row (and is left out of the gradients). A cosine is that of the angle between a row's
    gradient and their mean over all rows; it is NaN where one of them is zero. `spread` is the trace of the covariance
    of the gradients, `mean_norm` the norm of their mean. `gradients`, where kept, has the structure of `wrt` with the
    rows in front.
    """

    kind: str
    arguments: tuple[str, ...]
    examples: int
    rows: Array
    losses: Array
    norms: Array
    cosines: Array
    mean_norm: float
    spread: float
    gradients: Any = field(default=None, repr=False)

    @property
    def noise_scale(self) -> float:
        """`spread / mean_norm²`: averaged over so many rows, a gradient is as much noise as signal."""
        if self.mean_norm == 0:
            return math.inf if self.spread > 0 else math.nan
        return self.spread / self.mean_norm**2

    @property
    def signal(self) -> float:
        """The norm of the mean gradient in units of its standard error, over all examples."""
        if self.mean_norm == 0:
            return 0.0
        return math.sqrt(self.examples / self.noise_scale) if self.noise_scale > 0 else math.inf

    @property
    def vanishes(self) -> bool:
        """Whether the mean gradient is next to nothing beside the single ones, as at a minimum."""
        return not self.signal > _NOTHING

    @property
    def opposed(self) -> float:
        """The share of the rows whose gradient points against the mean: a step that helps the loss hurts them."""
        known = self.cosines[np.isfinite(self.cosines)]
        return float(np.mean(known < 0)) if known.size else math.nan

    @property
    def quantiles(self) -> Mapping[float, float]:
        """The norms' least, largest, median and what lies between."""
        return {q: float(v) for q, v in zip(QUANTILES, np.quantile(self.norms, QUANTILES), strict=True)}

    def largest(self, count: int = 10) -> list[tuple[int, float, float, float]]:
        """Row number, norm, cosine and loss of the rows with the largest gradients, the largest first."""
        order = np.argsort(-self.norms, kind="stable")[:count]
        found = zip(self.rows[order], self.norms[order], self.cosines[order], self.losses[order], strict=True)
        return [(int(row), float(norm), float(cosine), float(loss)) for row, norm, cosine, loss in found]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts; the gradients themselves are left out."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "gradients"}
        arrays = {name: value.tolist() for name, value in plain.items() if isinstance(value, np.ndarray)}
        derived = {"noise_scale": self.noise_scale, "signal": self.signal, "opposed": self.opposed}
        return {**plain, **arrays, "arguments": list(self.arguments), **derived}

    def __str__(self) -> str:
        low, middle, high = (self.quantiles[q] for q in (0.0, 0.5, 1.0))
        seen = f"{self.examples} examples" + (
            f" ({len(self.rows)} looked at)" if len(self.rows) < self.examples else ""
        )
        first = ", ".join(str(row) for row, *_ in self.largest(3))
        together = "Their mean vanishes" if self.vanishes else f"Noise scale {self.noise_scale:.3g}"
        return (
            f"{seen}, the rows of {' and '.join(self.arguments)}; the loss is the {self.kind} of theirs. Gradient "
            f"norms run from {low:.3g} to {high:.3g}, the median is {middle:.3g}; the largest: rows {first}. "
            f"{together}."
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def example_gradients(
    loss: RowLoss,
    x: Array,
    names: tuple[str, ...],
    *,
    sample: int | None = None,
    keep: Callable[[Array], Any] | None = None,
    kind: str | None = None,
) -> ExampleGradients:
    """The gradients of the rows of a loss at `x`, or of a random `sample` of them, once their meaning is made sure of.

    `keep` makes a structure of all gradients (a row each); without it none is kept, and memory stays bounded. `kind`
    says how the loss is put together, if that is known from another point.
    """
    if loss.size < 2:
        raise ArgumentError(f"{' and '.join(names)} hold {loss.size} rows: gradients of single rows need two or more")
    kind = kind or composition(loss, x, names)
    rng = np.random.default_rng(_SEED)
    rows = np.arange(loss.size)
    if sample is not None and sample < loss.size:
        rows = np.sort(rng.choice(loss.size, max(2, int(sample)), replace=False))
    if keep is not None and rows.size * x.size > _TOO_MANY:
        raise ArgumentError(
            f"the gradients of {rows.size} rows are {rows.size * x.size:.2g} numbers", hint="pass keep=False"
        )
    whole = loss.gradient(x, None)
    rest = _rest(loss, x, rows) if kind == SUM_AND_REST else np.zeros_like(whole)
    mean = whole if kind == MEAN else (whole - rest) / loss.size
    mean_norm = float(np.linalg.norm(mean))
    kept, norms, cosines, spread, total = [], [], [], 0.0, np.zeros_like(mean)
    for part in chunks(rows, x.size):
        found = loss.gradients(x, part) - rest
        sizes = np.linalg.norm(found, axis=1)
        with np.errstate(all="ignore"):
            cosines.append(np.clip(found @ mean / (sizes * mean_norm), -1.0, 1.0))
        norms.append(sizes)
        spread += float(np.sum((found - mean) ** 2))
        total += found.sum(axis=0)
        if keep is not None:
            kept.append(found)
    _agree(loss, x, rows, kind, total, rest, np.concatenate(norms), names)
    return ExampleGradients(
        kind, names, loss.size, rows, loss.values(x, rows), np.concatenate(norms), np.concatenate(cosines),
        mean_norm, spread / max(rows.size - (rows.size == loss.size), 1),
        keep(np.concatenate(kept)) if keep is not None else None,
    )  # fmt: skip


def chunks(rows: Array, numbers: int) -> Iterator[Array]:
    """The rows in parts, so many that their gradients, of so many numbers each, fit into memory."""
    size = int(np.clip(_AT_ONCE // max(numbers, 1), 1, _ROWS_AT_ONCE))
    for start in range(0, rows.size, size):
        yield rows[start : start + size]


# --- what the loss is made of -----------------------------------------------------------------------------------------


def composition(loss: RowLoss, x: Array, names: tuple[str, ...]) -> str:
    """How the loss is put together from losses of single rows; refused if it isn't."""
    rng = np.random.default_rng(_SEED)
    few = np.sort(rng.choice(loss.size, min(3, loss.size), replace=False))
    half = np.sort(rng.choice(loss.size, max(2, loss.size // 2), replace=False))
    points = _points(loss, x, few)
    kinds: Sequence[str] = (MEAN, SUM, SUM_AND_REST)
    for parts in ([few, few[:2]], [np.arange(loss.size), half]):  # a few rows may tell already
        seen = [_seen(loss, point, parts) for point in points]
        seen = [seen[0], *(known for known in seen[1:] if np.isfinite(known[0].singles).all())]
        singles = seen[0][0].singles
        if not np.isfinite(singles).all():
            raise ArgumentError(f"the loss of row {int(parts[0][np.argmin(np.isfinite(singles))])} alone is not finite")
        size = max(float(np.abs(known[0].singles).mean()) for known in seen)  # rounding is that of values like these
        kinds = [kind for kind in kinds if all(_fits(kind, known, size, loss.precision) for known in seen)]
    if not kinds:
        raise ArgumentError(
            f"the loss is neither the mean nor the sum of its values on single rows of {' and '.join(names)}",
            hint="a single example has no gradient then, unless other arguments hold the examples: rows=…",
        )
    if all(np.ptp(known[0].singles) == 0 for known in seen):
        raise ArgumentError(f"the loss is the same for every row of {' and '.join(names)}: nothing tells them apart")
    return kinds[0]


@dataclass(frozen=True)
class _Part:
    """The loss of some rows together, and of each of them alone."""

    whole: float
    singles: Array


def _seen(loss: RowLoss, x: Array, parts: Sequence[Array]) -> list[_Part]:
    """Values of parts of the rows; the first part holds all rows of the others."""
    singles = loss.values(x, parts[0])
    places = [np.searchsorted(parts[0], part) for part in parts]
    return [_Part(loss.value(x, part), singles[place]) for part, place in zip(parts, places, strict=True)]


def _points(loss: RowLoss, x: Array, few: Array) -> list[Array]:
    """The point itself, and one beside it: at a special point (all weights zero) many losses look alike."""
    move = np.random.default_rng(_SEED).normal(size=x.shape)
    for scale in (0.3, 0.03, 0.003):
        beside = x + scale * move * np.maximum(np.abs(x), 0.1)
        if math.isfinite(loss.value(beside, None)) and np.isfinite(loss.values(beside, few)).all():
            return [x, beside]
    return [x]


def _fits(kind: str, parts: Sequence[_Part], size: float, precision: float) -> bool:
    """Whether the loss of each part of the rows is what the losses of its rows alone make of it, to rounding.

    `size` is that of a row's loss, at least: where it vanishes at the point, rounding does not vanish with it.
    """
    first = parts[0]
    rest = (first.singles.sum() - first.whole) / (first.singles.size - 1) if kind == SUM_AND_REST else 0.0
    for part in parts:
        n = part.singles.size
        expected = part.singles.mean() if kind == MEAN else part.singles.sum() - (n - 1) * rest
        terms = size + float(np.abs(part.singles).mean()) + abs(rest)
        bound = precision**_ROUNDING * (terms * (1 if kind == MEAN else n) + abs(part.whole))
        if not abs(part.whole - expected) <= bound:
            return False
    return True


def _rest(loss: RowLoss, x: Array, rows: Array) -> Array:
    """The gradient of what no row changes."""
    few = rows[: min(rows.size, 8)]
    return (loss.gradients(x, few).sum(axis=0) - loss.gradient(x, few)) / (few.size - 1)


def _agree(
    loss: RowLoss, x: Array, rows: Array, kind: str, total: Array, rest: Array, norms: Array, names: tuple[str, ...]
) -> None:
    """The gradients of the rows must make up that of all of them together."""
    together = loss.gradient(x, None if rows.size == loss.size else rows)
    expected = total / rows.size if kind == MEAN else total + rest
    beside = _points(loss, x, rows[:3])[-1]
    size = float(norms.mean() if kind == MEAN else norms.sum()) + float(np.linalg.norm(together))
    size += float(np.linalg.norm(loss.gradient(beside, None)))  # where gradients vanish, rounding does not
    if not np.linalg.norm(together - expected) <= 8 * loss.precision**_ROUNDING * size:
        raise ArgumentError(
            f"the gradients of single rows of {' and '.join(names)} don't add up to that of the loss, which is not a"
            f" {MEAN} or a {SUM} over rows there"
        )
