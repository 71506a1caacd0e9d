"""Numbers as a picture takes them, and as a reader likes to see them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def array_of(values: Any, what: str, ndim: int = 1) -> Array:
    """Real numbers as float64, of that many axes; a masked value counts as missing, NaN."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(float), np.nan)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ShapeError(f"{what} is a ragged list") from None
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{what} must be real numbers, not {array.dtype}")
    if array.ndim == 0 and ndim == 1:
        array = array.reshape(1)
    if array.ndim != ndim:
        raise ShapeError(f"{what} has {array.ndim} axes, and a picture takes {ndim}", operands=())
    with np.errstate(over="ignore"):
        return array.astype(np.float64)


def numbers(values: Any, what: str) -> tuple[float, ...]:
    """A sequence of real numbers as floats."""
    return tuple(array_of(values, what).tolist())


def number(value: Any, what: str) -> float:
    """One real number as a float."""
    found = numbers(value, what)
    if len(found) != 1:
        raise ShapeError(f"{what} is one number, not {len(found)}")
    return found[0]


def same_length(**columns: Sequence[Any]) -> None:
    """Raise unless all columns are as long."""
    if len({len(c) for c in columns.values()}) > 1:
        told = ", ".join(f"{name} has {len(c)}" for name, c in columns.items())
        raise ShapeError(f"a mark needs as many numbers in each column: {told}")


def shown(value: float, digits: int = 4) -> str:
    """A number for reading.

    >>> shown(0.25), shown(-1234567.0), shown(1e-9), shown(float("nan"))
    ('0.25', '−1.235×10⁶', '10⁻⁹', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    return scientific(text) if "e" in text else _signed(text)


def scientific(text: str) -> str:
    """Python's 1.5e-07 as 1.5×10⁻⁷."""
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    if mantissa in ("1", "-1"):
        return _signed(mantissa.replace("1", power))
    return _signed(f"{mantissa}×{power}")


def _signed(text: str) -> str:
    return text.replace("-", "−")


def tick_names(ticks: Sequence[float], log: bool) -> list[str]:
    """What to write beside each tick of an axis: no more digits than tell neighbours apart.

    >>> tick_names([0.0, 0.5, 1.0], log=False)
    ['0', '0.5', '1']
    >>> tick_names([1e-6, 1e-3, 1.0, 1000.0], log=True)
    ['10⁻⁶', '0.001', '1', '1000']
    >>> tick_names([-2e9, 0.0, 2e9], log=False)
    ['−2×10⁹', '0', '2×10⁹']
    """
    if log or len(ticks) < 2:
        return [_plain(t) for t in ticks]
    step = min(b / 2 - a / 2 for a, b in itertools.pairwise(ticks)) * 2
    largest = max(abs(t) for t in ticks)
    if not 0 < step < math.inf:
        return [shown(t) for t in ticks]
    if largest >= 1e6 or largest < 1e-3:
        digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9))
        return ["0" if abs(t) < step / 2 else scientific(f"{t:.{min(digits, 16)}e}") for t in ticks]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [_signed(_trimmed(f"{0.0 if abs(t) < step / 2 else t:.{decimals}f}")) for t in ticks]


def _plain(value: float) -> str:
    return _signed(f"{value:.12g}") if value == 0 or 1e-3 <= abs(value) < 1e5 else scientific(f"{value:.12e}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
