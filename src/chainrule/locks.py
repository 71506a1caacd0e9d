"""Locks that a forked child finds free: of its parent's threads only the one that forked goes on, and none gives back.

Under such a lock nothing may be left half done that a child would stumble over: each change is one step of the
interpreter, or of no consequence.
"""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType

_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """A lock that its holder may take again (`with lock:`)."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def _alone() -> None:
    for lock in list(_locks):
        if lock._lock.acquire(blocking=False):  # free, or held by the thread that forked, which will give it back
            lock._lock.release()
        else:
            lock._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)
