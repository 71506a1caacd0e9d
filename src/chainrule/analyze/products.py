"""Contractions of intervals: products summed over shared labels, rounded outward."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ..ops.contraction import Spec, contract
from ..ops.enclosures import Enclosure, Ends, power_of, product

_SPREAD = 1 << 22  # numbers: as many products are written out one by one


def products(xs: Sequence[Enclosure], spec: Spec, eps: float) -> Ends:
    """Ends of a contraction of one operand or two."""
    size = spec.sizes([x.low.shape for x in xs])
    terms = prod(size[label] for label in size if label not in spec.out)
    margin = 2 * eps * (terms + 3)
    if len(xs) == 1:
        return _sum(xs[0], spec, margin if terms > 1 else 0.0)
    x, y = xs
    if x is y and spec.ins[0] == spec.ins[1]:  # Σ x²: nowhere negative
        square = power_of(x, 2)
        return _sum(square, Spec((spec.ins[0],), spec.out, spec.new), margin)
    if np.array_equal(x.low, x.high) and x.is_finite:
        return _weighted(x.low, y, spec, margin)
    if np.array_equal(y.low, y.high) and y.is_finite:
        return _weighted(y.low, x, Spec((spec.ins[1], spec.ins[0]), spec.out, spec.new), margin)
    labels = tuple(dict.fromkeys(label for ins in spec.ins for label in ins))
    if prod(size[label] for label in labels) <= _SPREAD:

        def spread(a: Any, ins: tuple[int, ...]) -> Any:
            once = tuple(dict.fromkeys(ins))
            a = np.einsum(a, list(ins), list(once))
            a = np.transpose(a, [once.index(label) for label in labels if label in once])
            return a[tuple(slice(None) if label in once else None for label in labels)]

        wide = [Enclosure(*(spread(end, ins) for end in x[:2])) for x, ins in zip(xs, spec.ins, strict=True)]
        low, high = product(wide[0], wide[1])
        shape = tuple(size[label] for label in labels)
        low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
        return _sum(Enclosure(low, high), Spec((labels,), spec.out, spec.new), margin)
    if x.is_finite and y.is_finite:
        return _by_middle(x, y, spec, margin)
    shape = tuple(size[label] for label in spec.out)
    return np.full(shape, -inf), np.full(shape, inf)


def _sum(x: Enclosure, spec: Spec, margin: float) -> Ends:
    low, high = contract.evaluate(x.low, spec=spec), contract.evaluate(x.high, spec=spec)
    if margin:
        low = low - margin * contract.evaluate(np.abs(x.low), spec=spec)
        high = high + margin * contract.evaluate(np.abs(x.high), spec=spec)
    return low, high


def _weighted(a: Any, x: Enclosure, spec: Spec, margin: float) -> Ends:
    """Σ a x with known a: each end of x where the sign of a asks for it."""

    def times(weights: Any, ends: Any) -> Any:
        finite = np.where(np.isfinite(ends), ends, 0.0)
        total = contract.evaluate(weights, finite, spec=spec)
        if finite is not ends and not np.isfinite(ends).all():
            for infinite, sign in ((np.inf, 1), (-np.inf, -1)):
                hit = contract.evaluate((weights != 0) * 1.0, (ends == infinite) * 1.0, spec=spec)
                total = np.where(hit > 0, total + sign * np.sign(np.max(weights, initial=0.0) or -1) * inf, total)
        return total

    up, down = np.maximum(a, 0.0), np.minimum(a, 0.0)
    rough = margin * contract.evaluate(np.abs(a), np.where(np.isfinite(x.low), np.abs(x.low), 0.0), spec=spec)
    rough_high = margin * contract.evaluate(np.abs(a), np.where(np.isfinite(x.high), np.abs(x.high), 0.0), spec=spec)
    if np.all(a >= 0):
        return times(up, x.low) - rough, times(up, x.high) + rough_high
    if np.all(a <= 0):
        return times(down, x.high) - rough_high, times(down, x.low) + rough
    rough = rough + rough_high
    return times(up, x.low) + times(down, x.high) - rough, times(up, x.high) + times(down, x.low) + rough


def _by_middle(x: Enclosure, y: Enclosure, spec: Spec, margin: float) -> Ends:
    """Middle and radius: |xy - mid mid| is at most |mid| rad + rad (|mid| + rad), summed."""
    (a, r), (b, s) = ((z.low / 2 + z.high / 2, (z.high / 2 - z.low / 2) * (1 + 1e-15)) for z in (x, y))
    middle = contract.evaluate(a, b, spec=spec)
    size_a, size_b = np.abs(a), np.abs(b)
    radius = contract.evaluate(size_a, s, spec=spec) + contract.evaluate(r, size_b + s, spec=spec)
    rounding = margin * contract.evaluate(size_a + r, size_b + s, spec=spec)
    return middle - radius - rounding, middle + radius + rounding
