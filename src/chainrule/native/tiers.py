"""Code that runs at once, compiled in haste, and is compiled again in the background when it is called very often.

Both give the same digits, for nothing in the text leaves the compiler a choice. Callers know one address for ever: the
code there counts its calls, and goes on to the best code there is.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .llvm import Loaded, load, object_code
from .templates import addresses

HOT = 20_000  # calls; a second compilation costs some thousands, and saves a tenth of each
_SECONDS = 1.0  # between two looks at what is hot

_ENTRY = """@cell = external global [2 x i64]
define i32 @entry(ptr %bufs) nounwind {
  %at = getelementptr i64, ptr @cell, i64 1
  %n = load i64, ptr %at
  %more = add i64 %n, 1
  store i64 %more, ptr %at
  %f = load atomic ptr, ptr @cell monotonic, align 8
  %r = tail call i32 %f(ptr %bufs)
  ret i32 %r
}
"""


@dataclass(frozen=True)
class Module:
    """Text, and the names that it defines for others and needs from them."""

    text: str
    defines: tuple[str, ...]
    needs: tuple[str, ...]


class Tiered:
    """The function `kernel` of some modules, at the address `entry`. It changes when better code is there."""

    def __init__(self, modules: Sequence[Module], effort: int = 0) -> None:
        self.modules = modules
        self.effort = effort
        self._cell = np.zeros(2, np.uint64)  # the address of the best code; how often it was called
        self._kept: list[list[Loaded]] = []  # all of them: some thread may be running the first one still
        self.improve(effort)
        own = load(object_code(_ENTRY, 2), ["entry"], {"cell": self._cell.ctypes.data})
        self._kept.append([own])
        self.entry = own["entry"]
        if effort == 0:
            _watch(self)

    @property
    def calls(self) -> int:
        return int(self._cell[1])

    def improve(self, effort: int = 1) -> None:
        """Compile anew, and let later calls run that."""
        known: dict[str, int] = {}
        found = []
        for m in self.modules:
            if _leaving.is_set():
                return
            missing = [name for name in m.needs if name not in known]
            known |= addresses(missing) if missing else {}
            loaded = load(object_code(m.text, effort), m.defines, {name: known[name] for name in m.needs})
            known |= {name: loaded[name] for name in m.defines}
            found.append(loaded)
        self._kept.append(found)
        self.effort = effort
        self._cell[0] = found[-1]["kernel"]


_watched: weakref.WeakSet[Tiered] = weakref.WeakSet()
_lock = threading.Lock()
_leaving = threading.Event()
_watcher: threading.Thread | None = None


def _watch(code: Tiered) -> None:
    global _watcher
    with _lock:
        _watched.add(code)
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_look, name="chainrule compiler", daemon=True)
            _watcher.start()


def _look() -> None:
    """Compile what is hot; ends when there is nothing to watch."""
    global _watcher
    while not _leaving.wait(_SECONDS):
        with _lock:
            if not _watched:
                _watcher = None
                return
            hot = [code for code in _watched if code.calls >= HOT]
            for code in hot:
                _watched.discard(code)
        for code in hot:
            code.improve()
        hot = []


@atexit.register
def _leave() -> None:
    """A compiler at work while the process is taken apart would crash it."""
    _leaving.set()
    watcher = _watcher
    if watcher is not None and watcher.is_alive():
        watcher.join()
