"""Code that runs at once, compiled in haste, and is compiled again in the background when it is called very often.

Both give the same digits, for nothing in the text leaves the compiler a choice. Callers know one address for ever: the
code there counts its calls, and goes on to the best code there is.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..locks import Lock
from .cache import Compiled
from .externs import addresses
from .llvm import Loaded, load, object_code

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
    """Text, the names that it defines for others and needs from them, and the functions of C that it calls."""

    text: str
    defines: tuple[str, ...]
    needs: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    effort: int | None = None  # with which it is always compiled

    def compiled(self, effort: int) -> Compiled:
        """Machine code, and the names."""
        names = {"defines": self.defines, "needs": self.needs, "symbols": self.symbols}
        return Compiled(object_code(self.text, effort if self.effort is None else self.effort), names)


def joined(modules: Sequence[Module], effort: int = 0) -> Compiled:
    """Machine code of several modules, one after the other."""
    made = [m.compiled(effort) for m in modules]
    return Compiled(b"".join(m.code for m in made), {"modules": [{"size": len(m.code), **m.facts} for m in made]})


def _parts(made: Compiled) -> Iterator[Compiled]:
    start = 0
    for facts in made.facts["modules"]:
        yield Compiled(made.code[start : start + facts["size"]], facts)
        start += facts["size"]


class Tiered:
    """The function `kernel` of some modules, at the address `entry`. It changes when better code is there.

    `modules` writes their text again, which is not kept.
    """

    def __init__(self, made: Compiled, modules: Callable[[], Sequence[Module]]) -> None:
        self._modules = modules
        self.effort = 0
        self._cell = np.zeros(2, np.uint64)  # the address of the best code; how often it was called
        self._kept: list[Loaded] = []  # all of them: some thread may be running the first one still
        self._load(_parts(made))
        entry = load(object_code(_ENTRY, 2), ["entry"], {"cell": self._cell.ctypes.data})
        self._kept.append(entry)
        self.entry = entry["entry"]
        _watch(self)

    @property
    def calls(self) -> int:
        return int(self._cell[1])

    def improve(self, effort: int = 1) -> None:
        """Compile anew, and let later calls run that."""
        if self._load(m.compiled(effort) for m in self._modules()):
            self.effort = effort

    def _load(self, parts: Iterable[Compiled]) -> bool:
        """Whether it came to an end before the process does."""
        known: dict[str, int] = {}
        for part in parts:
            if _leaving.is_set():
                return False
            needed = {name: known[name] for name in part.facts["needs"]}
            needed |= addresses(frozenset(part.facts["symbols"]))
            loaded = load(part.code, part.facts["defines"], needed)
            known |= {name: loaded[name] for name in part.facts["defines"]}
            self._kept.append(loaded)
        self._cell[0] = known["kernel"]
        return True


_watched: weakref.WeakSet[Tiered] = weakref.WeakSet()
_lock = Lock()
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
