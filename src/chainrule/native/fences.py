"""A kernel among fences: for finding out whether one writes where it must not. Set CHAINRULE_FENCES=1 to run all so.

Everything that the kernel is given lies in memory of its own, with bytes of a known pattern before and behind, and what
it only reads is compared afterwards. It is slow, and every call goes through Python.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import numpy as np

from ..errors import ProgramError

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
_WIDTH = 256  # bytes on either side: more than one vector register has
_PATTERN = 0xA5


def standing() -> bool:
    """Whether kernels are to run among fences."""
    return bool(os.environ.get("CHAINRULE_FENCES"))


class Fences:
    """Copies of a kernel's memory between fences, by the place that each has among the kernel's addresses."""

    def __init__(self, reads: Mapping[int, Array], writes: Mapping[int, int], zeroed: Collection[int] = ()) -> None:
        """`reads` are arrays without gaps; `writes`: how many bytes are written, over zeros where in `zeroed`."""
        self.reads = dict(reads)
        sizes = {n: array.nbytes for n, array in reads.items()} | dict(writes)
        self.fields = {n: np.full(size + 2 * _WIDTH, _PATTERN, np.uint8) for n, size in sizes.items()}
        for n, array in reads.items():
            self._inside(n)[:] = _bytes(array)
        for n in zeroed:
            self._inside(n)[:] = 0

    def _inside(self, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return self.fields[n][_WIDTH:-_WIDTH]

    def address(self, n: int) -> int:
        return int(self.fields[n].ctypes.data) + _WIDTH

    def check(self) -> None:
        """Raise where a fence, or what is only read, was written to."""
        for n, field in self.fields.items():
            if (field[:_WIDTH] != _PATTERN).any() or (field[-_WIDTH:] != _PATTERN).any():
                raise ProgramError(f"a kernel wrote beyond its buffer number {n}")
        for n, array in self.reads.items():
            if not np.array_equal(self._inside(n), _bytes(array)):
                raise ProgramError(f"a kernel wrote to its buffer number {n}, which it may only read")

    def written(self, n: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """What was written at a place, as an array of its own."""
        return self._inside(n).copy().view(dtype).reshape(shape)


def _bytes(array: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(array.tobytes(), np.uint8)
