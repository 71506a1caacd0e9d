"""Memory of a kernel's own: one stretch of it, in which arrays that are never needed together lie at the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_LINE = 64  # bytes of a cache line: each array begins with one


class Life(NamedTuple):
    """An array of so many bytes, needed from one step to another, both included."""

    bytes: int
    first: int
    last: int


def arranged(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Where each array begins, and how many bytes all take: the largest first, each at the lowest place that is free.

    >>> arranged([Life(64, 0, 1), Life(128, 1, 2), Life(64, 2, 3)])
    ([128, 0, 128], 192)
    """
    starts = [0] * len(lives)
    done: list[int] = []
    for n in sorted(range(len(lives)), key=lambda n: -lives[n].bytes):
        life = lives[n]
        taken = sorted(
            (starts[k], starts[k] + _whole(lives[k].bytes))
            for k in done
            if lives[k].first <= life.last and life.first <= lives[k].last
        )
        start = 0
        for low, high in taken:
            if start + _whole(life.bytes) <= low:
                break
            start = max(start, high)
        starts[n] = start
        done.append(n)
    return starts, max((s + _whole(life.bytes) for s, life in zip(starts, lives, strict=True)), default=0)


def _whole(size: int) -> int:
    return -(-size // _LINE) * _LINE
