"""Machine code on disk, so that a second process starts fast.

`cached(key, make)` answers with what `make` made, in this process or in another one. A file is named by everything that
decides which machine code is right: the key, our sources, LLVM, the processor, Python, NumPy. It is written beside its
place and moved there, so that whoever reads meets a whole file; what is not whole, or not this user's, is made again.

Nothing here fails: where there is no folder, or none that can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import marshal
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

import numpy as np

from ..ir import Array
from .llvm import target, version

try:  # as in Python's own modules: hashlib takes as long to import as all the rest takes to run
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

LIMIT = 256 << 20  # bytes on disk; what was not used for the longest time goes first
_LARGEST = LIMIT // 8  # of one file
_SWEPT = 16  # one write in so many looks whether the limit is reached
_HOUR = 3600.0
_MAGIC = b"chainrule object 1\n"
_OURS = re.compile(r"[0-9a-f]{40}\.(object|[0-9a-f.]+tmp)")
_WRITERS = (
    "numeric/proved.py",
    "numeric/inside.py",
    "transform/discs.py",
    "transform/batch.py",
    "transform/simplify.py",
)  # what an integral is written out with
_count = itertools.count()


@dataclass(frozen=True)
class Compiled:
    """Machine code, and what must be known to call it: numbers, texts, tuples, lists and dicts of them; and arrays."""

    code: bytes
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: tuple[Array, ...] = ()


def cached(key: bytes | None, make: Callable[[], Compiled]) -> Compiled:
    """What `make` makes: read where it was kept under this key, else made and kept. Without a key it is just made."""
    where = None if key is None else _file(key)
    if where is None:
        return make()
    found = _read(where)
    if found is None:
        found = make()
        _write(where, found)
    return found


# --- where it is kept -------------------------------------------------------------------------------------------------


def folder() -> str | None:
    """The folder, which need not exist; None where nothing is to be kept."""
    chosen = os.environ.get("CHAINRULE_CACHE_DIR")
    if chosen is not None:
        return os.path.abspath(os.path.expanduser(chosen)) if chosen not in ("", "0") else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join("~", "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join("~", "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.join("~", ".cache")
    base = os.path.expanduser(base)
    return os.path.join(base, "chainrule") if os.path.isabs(base) else None


def _file(key: bytes) -> str | None:
    where, around = folder(), surroundings()
    if where is None or around is None:
        return None
    return os.path.join(where, blake2b(key, digest_size=20, key=around).hexdigest() + ".object")


@functools.cache
def surroundings() -> bytes | None:
    """What besides the key decides which machine code is right; None where our sources can't be read."""
    sources = _sources()
    if sources is None:
        return None
    host = target()
    facts = (
        sources, version(), host.triple, host.cpu, host.features, str(host.width), sys.version, sys.byteorder,
        str(sys.maxsize), np.__version__,
    )  # fmt: skip
    return blake2b("\n".join(facts).encode(), digest_size=32).digest()


def _sources() -> str | None:
    """A fingerprint of all of ours that has a say in the code, our version included."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    digest = blake2b(digest_size=20)
    try:
        names = [
            os.path.join(part, name) for part in ("native", "ops") for name in os.listdir(os.path.join(package, part))
        ]
        for name in ("__init__.py", "ir.py", *_WRITERS, *sorted(names)):
            if name.endswith(".py"):
                with open(os.path.join(package, name), "rb") as file:
                    digest.update(file.read())
    except OSError:
        return None
    return digest.hexdigest()


# --- files ------------------------------------------------------------------------------------------------------------


def _read(where: str) -> Compiled | None:
    """What a file holds, if it is whole and this user's."""
    try:
        with open(where, "rb", opener=_no_link) as file:
            status = os.fstat(file.fileno())
            if not _trusted(status):
                return None
            content = file.read()
    except OSError:
        return None
    head = len(_MAGIC) + 32
    if content[:head] != _MAGIC + _seal(where, content[head:]):
        return None
    if status.st_mtime < time.time() - _HOUR:
        with contextlib.suppress(OSError):  # it was used: so it is kept longer than others
            os.utime(where)
    code, facts, arrays = marshal.loads(content[head:])
    return Compiled(code, facts, tuple(np.frombuffer(b, dtype).reshape(shape).copy() for dtype, shape, b in arrays))


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _trusted(status: os.stat_result) -> bool:
    """Whether a file may be run: it is a plain one of this user's, and nobody else may write it."""
    if not stat.S_ISREG(status.st_mode):
        return False
    if sys.platform == "win32":  # the folder is the user's own there
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _seal(where: str, content: bytes) -> bytes:
    """A digest of the content and of the name: a file that was moved to another name is not whole."""
    return blake2b(content, digest_size=32, key=os.path.basename(where)[:40].encode()).digest()


def _write(where: str, made: Compiled) -> None:
    """Keep it, if that can be done."""
    arrays = [(a.dtype.str, a.shape, a.tobytes()) for a in made.arrays]
    content = marshal.dumps((made.code, made.facts, arrays))
    if len(content) > _LARGEST:
        return
    beside = f"{where.removesuffix('object')}{os.getpid():x}.{get_ident():x}.{next(_count):x}.tmp"
    try:
        os.makedirs(os.path.dirname(where), mode=0o700, exist_ok=True)
        try:
            with open(
                os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600), "wb"
            ) as file:
                file.write(_MAGIC + _seal(where, content) + content)
            os.replace(beside, where)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError:  # no such folder, not ours, full
        return
    if int(os.path.basename(where)[:4], 16) % _SWEPT == 0:
        _sweep(os.path.dirname(where))


def _files(where: str | None) -> Iterator[tuple[float, int, str]]:
    """Every file of ours in the folder: when it was used, its size, its path."""
    with contextlib.suppress(OSError), os.scandir(where or os.devnull) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # somebody else removed it
                    status = entry.stat(follow_symlinks=False)
                    yield status.st_mtime, status.st_size, entry.path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sweep(where: str) -> None:
    """Where the limit is reached, remove what was not used for the longest time, until there is room again."""
    files = sorted(_files(where))
    for used, _, path in files:
        if path.endswith(".tmp") and used < time.time() - _HOUR:  # its writer was killed
            _remove(path)
    total = sum(size for _, size, _ in files)
    enough = LIMIT if total <= LIMIT else LIMIT * 3 // 4
    for _, size, path in files:
        if total <= enough:
            return
        _remove(path)
        total -= size


def contents() -> tuple[int, int]:
    """How many objects are kept, and how many bytes all files take."""
    files = list(_files(folder()))
    return sum(path.endswith(".object") for *_, path in files), sum(size for _, size, _ in files)


def clear() -> tuple[int, int]:
    """Remove all, and say what there was. Other files in the folder stay."""
    before = contents()
    for *_, path in _files(folder()):
        _remove(path)
    return before
