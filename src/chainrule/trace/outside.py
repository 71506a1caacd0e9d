"""What lies outside a function: where a value was found, what must still hold, what is the user's."""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import contextvars
import ctypes
import datetime
import functools
import gc
import itertools
import operator
import os
import re
import sys
import threading
import types
import weakref
from abc import ABCMeta
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from ..later import imported
from ..ops.op import Interpreted
from .impure import reason
from .where import is_library, is_python

STATIC = (
    bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, range, np.generic, np.dtype,
)  # fmt: skip


_KEPT = ("__chainrule__",)  # a function's own attributes that are ours
CONTAINERS = (
    dict, list, tuple, set, frozenset, collections.OrderedDict, collections.defaultdict, collections.deque,
)  # fmt: skip
COPIED = (bytearray, collections.Counter)


class Way(Enum):
    """How a value is reached."""

    VALUE = "it is the key itself"
    SCOPE = "a name in a dict of globals"
    PRESENT = "whether there is such a name"
    CELL = "what a closure's cell holds"
    ITEM = "an item of a container"
    ATTRIBUTE = "an attribute"
    OWN = "an attribute as it is stored"
    NAMES = "which attributes of their own a function has"
    LOOK = "what a function says of it"


class Capture:
    """Where a value was found, so that it can be read again: in what (`base`), which way, and under which key."""

    __slots__ = ("base", "key", "name", "way")

    def __init__(self, name: str, way: Way, key: Any, base: Any = None) -> None:
        self.name = name
        self.way = way
        self.key = key
        self.base = base  # the Capture of a container; the dict of a scope

    @classmethod
    def value(cls, name: str, value: Any) -> Capture:
        """A value that is kept."""
        return cls(name, Way.VALUE, value)

    @classmethod
    def variable(cls, name: str, scope: dict[str, Any]) -> Capture:
        """A global variable."""
        return cls(name, Way.SCOPE, name, scope)

    @classmethod
    def cell(cls, name: str, cell: Any) -> Capture:
        """A variable of an enclosing function."""
        return cls(name, Way.CELL, cell)

    @classmethod
    def present(cls, name: str, scope: dict[str, Any]) -> Capture:
        """Whether there is a global variable of that name."""
        return cls(name, Way.PRESENT, name, scope)

    def item(self, key: Any) -> Capture:
        return Capture(f"{self.name}[{key!r}]", Way.ITEM, key, self)

    def attribute(self, key: str) -> Capture:
        return Capture(f"{self.name}.{key}", Way.ATTRIBUTE, key, self)

    def own(self, key: str) -> Capture:
        """An attribute as it is stored, whatever properties make of it."""
        return Capture(f"{self.name}.{key}", Way.OWN, key, self)

    def own_names(self) -> Capture:
        """Which attributes of their own a function has."""
        return Capture(f"the attributes of {self.name}", Way.NAMES, None, self)

    def seen(self, what: str, look: Callable[[Any], Any]) -> Capture:
        """Something about the value, rather than the value."""
        return Capture(f"{what} of {self.name}", Way.LOOK, look, self)

    def read(self) -> Any:
        """The value as it is now; raises where there is none."""
        return _READ[self.way](self)


_READ: dict[Way, Callable[[Capture], Any]] = {
    Way.VALUE: lambda c: c.key,
    Way.SCOPE: lambda c: c.base[c.key],
    Way.PRESENT: lambda c: c.key in c.base,
    Way.CELL: lambda c: c.key.cell_contents,
    Way.ITEM: lambda c: c.base.read()[c.key],
    Way.ATTRIBUTE: lambda c: getattr(c.base.read(), c.key),
    Way.OWN: lambda c: attributes_of(c.base.read())[c.key],
    Way.NAMES: lambda c: str(list(own_attributes(c.base.read()))),
    Way.LOOK: lambda c: c.key(c.base.read()),
}


class Guard:
    """A value outside that must still be the same for a recording to be the right one."""

    __slots__ = ("capture", "value")

    def __init__(self, capture: Capture, value: Any) -> None:
        self.capture = capture
        self.value = value

    def holds(self) -> bool:
        try:
            return same(self.capture.read(), self.value)
        except Exception:  # whatever went away, it is not what it was
            return False


class TypeGuard(Guard):
    """A hidden input: its values may change, its shape and dtype may not."""

    __slots__ = ()

    def holds(self) -> bool:
        try:
            now = self.capture.read()
        except Exception:
            return False
        if isinstance(now, Interpreted):
            return now.type == self.value  # type: ignore[attr-defined]
        return type(now) is np.ndarray and (now.shape, now.dtype) == self.value[:2]


class ValueGuard(Guard):
    """A hidden input for whose very values the function asked."""

    __slots__ = ()

    def holds(self) -> bool:
        try:
            now = self.capture.read()
            now = now.recorder.known(now.atom) if isinstance(now, Interpreted) else now  # type: ignore[attr-defined]
        except Exception:
            return False
        return now is not None and np.array_equal(now, self.value)


def same(now: Any, then: Any) -> bool:
    """Identity; equality too for plain values, where the type must agree and 0.0 differs from -0.0."""
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if isinstance(then, imported("pathlib.PurePath")):
        return bool(now == then)
    if isinstance(then, (list, tuple)):  # fingerprints, and the like
        return len(now) == len(then) and all(map(same, now, then))
    return now == then if isinstance(then, Same) else is_static(then) and repr(now) == repr(then)


def is_static(value: Any) -> bool:
    """A plain value of Python or NumPy, which can't be changed; what inherits from one may have more to it."""
    kind = type(value)  # not isinstance: a stand-in says that it is a number
    return kind in STATIC or (issubclass(kind, (np.generic, np.dtype)) and not issubclass(kind, np.void))


# --- whose is it? ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def is_users_file(filename: str) -> bool:
    """Whether a file is not of Python, NumPy, SciPy, or ours."""
    return not is_library(filename) and not is_python(filename)


def is_installed(filename: str) -> bool:
    return bool({"site-packages", "dist-packages"} & set(filename.split(os.sep)))


def is_users_function(value: Any) -> bool:
    """Also a function of the standard library that closes over something: it may be the user's function, decorated."""
    if not isinstance(value, types.FunctionType) or is_library(value.__code__.co_filename):
        return False
    return is_users_file(value.__code__.co_filename) or bool(value.__closure__)


def is_users_class(cls: type) -> bool:
    """A class made by a class statement in a file of the user's that is not an installed package."""
    if cls.__module__ == "builtins" or not cls.__flags__ & (1 << 9):  # 1 << 9: not made in C
        return False
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        return cls.__module__ in ("__main__", "__mp_main__") or cls.__module__ not in sys.modules
    return is_users_file(file) and not is_installed(file)


def can_be_viewed(cls: type) -> bool:
    """Whether a class with the same bases and copied methods behaves like it: nobody has a say in the making of it."""
    return all(type(base) in (type, ABCMeta) for base in cls.__mro__ if is_users_class(base))


def makes_plainly(cls: type) -> bool:
    """Whether instances are made as `object` makes them: no state in C, no say in their making."""
    return getattr(cls, "__new__", None) is object.__new__


def attributes_of(value: Any) -> dict[str, Any]:
    """An object's own attributes: of its dict, and of the slots of its classes."""
    own = object.__getattribute__(value, "__dict__") if type(value).__dictoffset__ else {}
    found: dict[str, Any] = dict(own)
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__") and name not in found:
                with contextlib.suppress(AttributeError):
                    found[name] = object.__getattribute__(value, name)
    return found


def is_iterator(value: Any) -> bool:
    return isinstance(value, collections.abc.Iterator)


# --- objects that can't be looked through ---------------------------------------------------------------------------

_MOST_BYTES = 1 << 16  # what we are willing to compare at every call
_MOST_PARTS = 2000
# what has nothing in it that could change, or nothing that a function computes with
_BY_IDENTITY = (
    types.CodeType, types.BuiltinFunctionType, types.ModuleType, Interpreted, re.Pattern,
    type(threading.Lock()), type(threading.RLock()), type(NotImplemented), re.Match,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, operator.attrgetter,
)  # fmt: skip


def goes_by_identity(value: Any) -> bool:
    return isinstance(value, (*_BY_IDENTITY, *imported("pathlib.PurePath", "decimal.Decimal")))


# what hides its contents even from the garbage collector, or holds them for others
_HIDING = (
    weakref.ref,
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.WeakSet,
    contextvars.ContextVar,
    threading.local,
    types.FrameType,
    types.GeneratorType,
    ctypes._SimpleCData,
    ctypes._Pointer,
)


class TooMuch(Exception):
    """An object holds more than can be compared at every call."""


def fingerprint(value: Any) -> list[Any]:
    """All that an object holds, as a list that is equal as long as nothing of it changes.

    Arrays and buffers go in by content, plain values by their text, everything else by identity and by what it refers
    to, also inside objects made in C. Raises TooMuch.
    """
    found: list[Any] = []
    _walk(value, found, set(), [0])
    return found


def _walk(value: Any, found: list[Any], seen: set[int], size: list[int]) -> None:
    if is_static(value):
        found.append((type(value), repr(value)))
        return
    found.append(Same(value))
    if id(value) in seen or goes_by_identity(value):
        return
    seen.add(id(value))
    if len(seen) > _MOST_PARTS:
        raise TooMuch
    content = _content(value)
    if content is not None:
        size[0] += len(content[-1])
        found.append(content)
        return
    for part in _parts(value):
        _walk(part, found, seen, size)
    if size[0] > _MOST_BYTES:
        raise TooMuch


class Same:
    """Equal to itself only; keeps the object alive, so that its id is not given away."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _content(value: Any) -> tuple[Any, ...] | None:
    """What an array or a buffer holds; None for anything else."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return None
    if isinstance(value, np.ndarray):
        if value.nbytes > _MOST_BYTES:
            raise TooMuch
        return (value.dtype.str, value.shape, value.tobytes())
    try:
        buffer = memoryview(value)
    except TypeError:
        return None
    if buffer.nbytes > _MOST_BYTES:
        raise TooMuch
    return (type(value), buffer.tobytes())


def _parts(value: Any) -> list[Any]:
    if isinstance(value, _HIDING):
        raise TooMuch
    if isinstance(value, types.FunctionType):
        return [value.__code__, *_pure(_read_by(value))] if is_users_function(value) else []
    if isinstance(value, type):
        return [*vars(value).values(), *value.__bases__, type(value)] if is_users_class(value) else []
    if isinstance(value, dict):
        return [*value, *value.values(), *attributes_of(value).values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [*value, *attributes_of(value).values()]
    if isinstance(value, np.ndarray):
        return list(value.flat)
    if hasattr(value, "__array__"):
        try:
            return [np.asarray(value)]
        except Exception:
            raise TooMuch from None
    if not gc.is_tracked(value) and type(value) is not object:
        raise TooMuch  # made in C, and silent about what it holds
    if type(value).__dictoffset__:
        object.__getattribute__(value, "__dict__")  # Python makes it when asked; it must always be there, or never
    return gc.get_referents(value)


def _pure(found: list[Any]) -> list[Any]:
    """What a function that runs as it is may read; it must not reach random numbers, clocks or files."""
    if any(reason(value) is not None for value in found):
        raise TooMuch
    return found


def _read_by(function: types.FunctionType) -> list[Any]:
    """What a function may read from outside: the globals its code names, its cells, its defaults."""
    names = names_in(function.__code__)
    found = [function.__globals__[n] for n in sorted(names) if n in function.__globals__]
    modules = [m for m in found if isinstance(m, types.ModuleType) and is_users_module(m)]
    found += [getattr(m, n) for m in modules for n in sorted(names) if hasattr(m, n)]
    if any(m is np for m in found) and "random" in names:
        found.append(np.random)
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return [*found, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def names_in(code: types.CodeType, *, bodies_only: bool = False) -> set[str]:
    """The global names that a code object and those inside it use; of class bodies only, if asked so."""
    names: set[str] = set()
    nested = [code]
    while nested:
        inner = nested.pop()
        if not bodies_only or not inner.co_flags & 1:  # 1: the code of a function, not of a class body
            names.update(inner.co_names)
        nested += [c for c in inner.co_consts if isinstance(c, types.CodeType)]
    return names


def is_users_module(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and is_users_file(file)


# --- looks at a value that can be compared by `same` -----------------------------------------------------------------


def keys_of(value: Any) -> list[Any]:
    """The keys or members of a container in order, comparable by `same`."""
    return [key if is_static(key) else Same(key) for key in value]


def nth_of(n: int, value: Any) -> Any:
    return next(itertools.islice(value, n, None))


def members_without_caches(cls: type) -> dict[str, Any]:
    """The members of a class but for what Python itself notes there."""
    return {k: v for k, v in vars(cls).items() if not k.startswith(("__", "_abc_"))}


def attribute_names(value: Any) -> str:
    return str(sorted(attributes_of(value)))


def has_changed(value: Any, before: list[Any]) -> bool:
    try:
        return not same(fingerprint(value), before)
    except TooMuch:
        return True


def was_changed(value: Any, before: dict[str, Any]) -> bool:
    """Whether an object's attributes are not what they were; if so, they are put back."""
    now = vars(value)
    if now.keys() == before.keys() and all(now[k] is before[k] for k in before):
        return False
    now.clear()
    now.update(before)
    return True


def own_attributes(function: types.FunctionType) -> dict[str, Any]:
    return {k: v for k, v in function.__dict__.items() if k not in _KEPT}


def members_of(cls: type) -> list[Any]:
    """The members of a class, comparable by `same`; arrays are hidden inputs, and may change."""
    return [
        part
        for name, member in vars(cls).items()
        for part in (name, type(member) if type(member) is np.ndarray else Same(member))
    ]
