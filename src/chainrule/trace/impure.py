"""What a recording must not freeze: random numbers, clocks, files, the interpreter's own state.

A function that asks one of these is answered once, while it is recorded, and would get that answer for ever. So the
answer is an error, which says what to do: ask outside, and pass what was answered.
"""

from __future__ import annotations

import io
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CaptureError, SideEffectError
from ..later import imported
from .dispatch import locate
from .recorder import Recorder

DRAWS = ("draws random numbers", "draw outside, and pass the numbers as an argument")
_CLOCK = ("reads a clock", "measure outside")
_FILE = ("reads or writes a file", "read it outside, and pass the array as an argument")
_STATE = ("reaches state that a recording can't watch", "name the variables in the function, or pass them as arguments")

# What every function of a module does that makes it impure, and what to do instead.
_MODULES = {
    "random": DRAWS, "secrets": DRAWS, "uuid": DRAWS, "numpy.random": DRAWS, "numpy.random.mtrand": DRAWS,
    "numpy.random._generator": DRAWS, "time": _CLOCK, "io": _FILE, "_io": _FILE, "posix": _STATE, "nt": _STATE,
    "os": _STATE, "genericpath": _FILE,
    "sys": _STATE, "importlib": _STATE, "inspect": _STATE, "gc": _STATE, "ctypes": _STATE, "weakref": _STATE,
    "contextvars": _STATE, "_contextvars": _STATE, "threading": _STATE, "subprocess": _STATE, "socket": _STATE,
}  # fmt: skip
_READERS = {np.load, np.loadtxt, np.genfromtxt, np.fromfile, np.memmap, np.save, np.savetxt, np.savez}
_SEEDED = ("default_rng", "RandomState", "Generator", "PCG64", "MT19937", "SeedSequence")
_GENERATORS = ("numpy.random.Generator", "numpy.random.RandomState", "numpy.random.BitGenerator", "random.Random")
_HARMLESS = {"print", "exit", "sleep"}  # their answer is not used


def reason(value: Any) -> tuple[str, str] | None:
    """Why a function or an object must not be asked while recording, and the cure; None if it may."""
    generators = imported(*_GENERATORS)
    if isinstance(value, generators):
        return DRAWS
    if isinstance(value, io.IOBase) and value not in (sys.stdout, sys.stderr):
        return _FILE
    if isinstance(value, (types.BuiltinFunctionType, types.MethodType)):
        if isinstance(value.__self__, generators):
            return DRAWS
        if value.__name__ == "urandom":
            return DRAWS
        if isinstance(value.__self__, types.ModuleType) and value.__name__ not in _HARMLESS:
            return _MODULES.get(value.__self__.__name__)
        return None
    if isinstance(value, types.ModuleType):
        return _MODULES.get(value.__name__)
    if not callable(value) or getattr(value, "__name__", "") in _HARMLESS:
        return None
    if any(value is reader for reader in _READERS):
        return _FILE
    if isinstance(value, type) or type(value).__name__ in ("function", "cython_function_or_method"):
        return _MODULES.get(getattr(value, "__module__", None) or "")
    return None


class Refusing:
    """Something impure as a recorded function sees it: it may be passed around, and not be asked."""

    def __init__(self, name: str, why: tuple[str, str], recorder: Recorder, original: Any) -> None:
        object.__setattr__(self, "_facts", (name, why, recorder, original))

    def __getattr__(self, name: str) -> Any:
        own, why, recorder, original = object.__getattribute__(self, "_facts")
        value = getattr(original, name)
        if not recorder.open or type(value) in (bool, int, float, str):  # sys.maxsize, os.sep, random.__name__
            return value
        full = f"{own}.{name}"
        if name in _SEEDED:
            from .seeded import seeded

            return seeded(value, full, recorder)
        if callable(value) and getattr(value, "__name__", "") in _HARMLESS:
            return value
        why = DRAWS if name == "urandom" else why
        return Refusing(full, why, recorder, value)

    def _refuse(self, *args: Any, **options: Any) -> Any:
        own, (does, cure), recorder, original = object.__getattribute__(self, "_facts")
        if not recorder.open:
            return original(*args, **options)
        kind = CaptureError if (does, cure) == _STATE else SideEffectError
        error = kind(f"{own} {does}: a recording would keep this one answer for ever", hint=cure)
        raise recorder.refuse(error)

    __setattr__ = __setitem__ = __delitem__ = _refuse
    __call__ = __getitem__ = __iter__ = __len__ = __contains__ = __enter__ = __array__ = __float__ = _refuse


class Partly:
    """A distribution, a path, the class datetime: all but the few names that are impure."""

    def __init__(self, original: Any, recorder: Recorder) -> None:
        self._original, self._recorder = original, recorder

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._original, name)
        why = _IMPURE_NAMES.get(name)
        return value if why is None else Refusing(name, why, self._recorder, value)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._again(self._original(*args, **options))

    def __truediv__(self, part: Any) -> Any:
        return self._again(self._original / part)

    def __fspath__(self) -> str:
        return os.fspath(self._original)

    def _again(self, made: Any) -> Any:
        return Partly(made, self._recorder) if is_partly_impure(made) else made


_IMPURE_NAMES = {
    "rvs": DRAWS, "random_state": DRAWS, "samples": DRAWS, "now": _CLOCK, "today": _CLOCK, "utcnow": _CLOCK,
    **dict.fromkeys(("read_bytes", "read_text", "write_bytes", "write_text", "open", "stat"), _FILE),
    **dict.fromkeys(("exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "unlink", "touch", "mkdir"), _FILE),
}  # fmt: skip


_PARTLY = ("pathlib.Path", "statistics.NormalDist")


def is_partly_impure(value: Any) -> bool:
    if isinstance(value, type):
        return value in imported("datetime.datetime", "datetime.date", *_PARTLY)
    if isinstance(value, imported(*_PARTLY)):
        return True
    return type(value).__module__.startswith("scipy.stats") and hasattr(value, "rvs")


# --- builtins -------------------------------------------------------------------------------------------------------


def refuse_builtin(name: str, recorder: Recorder) -> Callable[..., Any]:
    """open, eval, exec, globals: what they reach can't be watched."""
    does, cure = _FILE if name in ("open", "input") else _STATE

    def refuse(*args: Any, **options: Any) -> Any:
        raise recorder.refuse(locate(CaptureError(f"{name}() {does}", hint=cure)))

    return refuse
