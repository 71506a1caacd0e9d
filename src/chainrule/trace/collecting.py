"""Work that makes very many objects and few cycles: there the collector of cycles finds nothing, again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ..locks import Lock

_MANY = 100_000  # new objects between two looks at the young ones
_lock = Lock()
_under_way = 0
_before = (0, 0, 0)


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """While this lasts cycles are looked for among new objects only, and more rarely: a third to a half of the time.

    Memory stays bounded: of what a user's function throws away, a hundred thousand objects wait at most.
    """
    global _under_way, _before
    with _lock:
        _under_way += 1
        if _under_way == 1:
            _before = gc.get_threshold()
            if _before[0]:  # zero: the user has turned it off
                gc.set_threshold(max(_before[0], _MANY), max(_before[1], 50), max(_before[2], 1000))
    try:
        yield
    finally:
        with _lock:
            _under_way -= 1
            if _under_way == 0:
                gc.set_threshold(*_before)
