"""What a function reads from outside: globals, closures, defaults, attributes of its own object.

The function is run as a copy whose globals and cells hand out stand-ins. An array met so is a hidden input, read
again at every call; a number, a name, an object is a guard, compared at every call; a function of the user's is copied
in the same way. What none of this can see (arrays inside objects that NumPy alone looks into) is compared by value
when it is small, and refused otherwise. Writing to what is outside is refused: it would happen once, not at every call.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CaptureError, LeakError, SideEffectError
from .dispatch import locate
from .doorway import Handed, ModuleView, hand_numeric, is_numeric_function, is_numeric_module
from .recorder import Recorder, Traced
from .tree import parts_of
from .where import _is_library

_SMALL = 1 << 16  # bytes that we are willing to compare at every call
_STDLIB = tuple({sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"]})
_STATIC = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, range, np.generic, np.dtype, type)


class Capture:
    """Where a value was found, so that it can be read again: a root, then items and attributes."""

    __slots__ = ("name", "read")

    def __init__(self, name: str, read: Callable[[], Any]) -> None:
        self.name = name
        self.read = read

    def item(self, key: Any) -> Capture:
        return Capture(f"{self.name}[{key!r}]", lambda: self.read()[key])

    def attribute(self, key: str) -> Capture:
        return Capture(f"{self.name}.{key}", lambda: getattr(self.read(), key))


class Guard:
    """Something that must still hold for a recording to be the right one."""

    __slots__ = ("capture", "content", "value")

    def __init__(self, capture: Capture, value: Any, content: bool = False) -> None:
        self.capture = capture
        self.value = [(a, a.copy()) for a in value] if content else value
        self.content = content

    def holds(self) -> bool:
        try:
            if self.content:
                return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in self.value)
            now = self.capture.read()
        except Exception:
            return False
        return same(now, self.value)


def same(now: Any, then: Any) -> bool:
    """Identity; equality too for plain values, where the type must agree and 0.0 differs from -0.0."""
    if now is then:
        return True
    if type(now) is not type(then) or not isinstance(then, _STATIC) or isinstance(then, type):
        return False
    return bool(now == then) and repr(now) == repr(then)


class GlobalsView(dict[str, Any]):
    """A function's globals as its copy sees them; a dict subclass, so that every global read asks `__missing__`."""

    def __init__(self, real: dict[str, Any], captures: Captures) -> None:
        super().__init__(__builtins__=real.get("__builtins__", __builtins__), __name__=real.get("__name__", "?"))
        self.real = real
        self.captures = captures
        self.handed = dict(self)

    def __missing__(self, name: str) -> Any:
        value = self.real[name]  # KeyError: the interpreter goes on to builtins
        real = self.real
        self[name] = self.handed[name] = self.captures.hand(value, Capture(name, lambda: real[name]))
        return self[name]


class Captures:
    """All that one recording has read from outside."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.guards: list[Guard] = []
        self.cacheable = True
        self._made: dict[int, tuple[Any, Any]] = {}  # id of an original -> (original, what is handed out for it)
        self._views: dict[int, GlobalsView] = {}
        self._watched: list[tuple[str, Callable[[], bool]]] = []  # (what, whether it was changed)

    # --- handing out -------------------------------------------------------------------------------------------------

    def hand(self, value: Any, capture: Capture) -> Any:
        """What a recorded function is given in place of `value`."""
        if isinstance(value, _STATIC) and not isinstance(value, type):
            self.guards.append(Guard(capture, value))
            return value
        made = self._made.get(id(value))
        if made is not None:
            if not isinstance(value, (np.ndarray, Traced)):
                self.guards.append(Guard(capture, value))
                return made[1]
            if made[0] is value and isinstance(made[1], Traced):
                # the same array under a second name: a hidden input of its own, for the names may part later
                return self.recorder.hide(value, capture, capture.name)
        new = self._substitute(value, capture)
        self._made[id(value)] = (value, new)
        return new

    def _substitute(self, value: Any, capture: Capture) -> Any:
        if isinstance(value, Traced):
            if not value.recorder.open:
                raise LeakError(
                    f"`{capture.name}` holds a stand-in whose recording has ended",
                    hint="return values instead of storing them",
                )
            return value if value.recorder is self.recorder else self.recorder.hide(value, capture, capture.name)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            return self.recorder.hide(value, capture, capture.name)
        self.guards.append(Guard(capture, value))
        if isinstance(value, np.ndarray):
            return value
        if isinstance(value, types.ModuleType):
            return self._module(value, capture)
        if isinstance(value, (Handed, ModuleView)):
            return hand_numeric(value.__wrapped__, self.recorder) if isinstance(value, Handed) else value
        if isinstance(value, (np.random.Generator, np.random.RandomState)) or is_numeric_function(value):
            return hand_numeric(value, self.recorder)
        if isinstance(value, types.FunctionType):
            return self.function(value, capture) if _is_users(value.__code__.co_filename) else value
        if isinstance(value, types.MethodType):
            owner = self.hand(value.__self__, capture.attribute("__self__"))
            made = self.function(value.__func__, capture) if _users_function(value.__func__) else value.__func__
            return types.MethodType(made, owner)
        if isinstance(value, functools.partial):
            parts = [self.hand(value.func, capture.attribute("func"))]
            parts += [self.hand(a, capture.attribute("args").item(n)) for n, a in enumerate(value.args)]
            named = {k: self.hand(v, capture.attribute("keywords").item(k)) for k, v in value.keywords.items()}
            return functools.partial(*parts, **named)
        if isinstance(value, type):
            return self._class(value)
        if type(value) in (dict, list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._container(value, capture)
        if _is_users_object(value):
            return self._object(value, capture)
        self._opaque(value, capture)
        return value

    def _module(self, module: types.ModuleType, capture: Capture) -> Any:
        if is_numeric_module(module):
            return hand_numeric(module, self.recorder)
        if module.__name__ == "random":
            from .doorway import Refusing

            return Refusing("random", self.recorder, module)
        file = getattr(module, "__file__", None)
        if file is None or not _is_users(file) or module.__name__.partition(".")[0] == "chainrule":
            return module
        return ModuleView(module, lambda value, name: self.hand(value, capture.attribute(name)))

    def function(self, function: types.FunctionType, capture: Capture) -> types.FunctionType:
        """A copy that reads its globals, cells and defaults through us."""
        real = function.__globals__
        if isinstance(real, GlobalsView):
            if real.captures is self:
                return function  # defined inside the function being recorded
            real = real.real
        view = self._views.get(id(real))
        if view is None:
            view = self._views[id(real)] = GlobalsView(real, self)
        old = function.__closure__ or ()
        cells = tuple(types.CellType() for _ in old)
        made = types.FunctionType(function.__code__, view, function.__name__, None, cells or None)
        made.__qualname__ = function.__qualname__
        made.__module__ = function.__module__
        self._made[id(function)] = (function, made)  # before the cells: a function may close over itself
        for name, cell, new in zip(function.__code__.co_freevars, old, cells, strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
            new.cell_contents = handed = self.hand(value, Capture(name, lambda cell=cell: cell.cell_contents))
            self._watched.append(
                (
                    f"the variable `{name}` of an enclosing function",
                    lambda new=new, handed=handed: new.cell_contents is not handed,
                )
            )
        if function.__defaults__:
            made.__defaults__ = tuple(
                self.hand(
                    v, Capture(f"{function.__name__}'s default {n}", lambda n=n: (function.__defaults__ or ())[n])
                )
                for n, v in enumerate(function.__defaults__)
            )
        if function.__kwdefaults__:
            made.__kwdefaults__ = {
                k: self.hand(v, Capture(k, lambda k=k: (function.__kwdefaults__ or {})[k]))
                for k, v in function.__kwdefaults__.items()
            }
        made.__dict__.update(function.__dict__)
        return made

    def _container(self, value: Any, capture: Capture) -> Any:
        found = parts_of(value)
        assert found is not None
        keys, children = found
        if len(children) > 10_000:
            self._opaque(value, capture)
            return value
        by_name = hasattr(value, "_fields")
        self.guards.append(Guard(Capture(f"len({capture.name})", lambda: len(capture.read())), len(value)))
        if isinstance(value, dict):
            self.guards.append(
                Guard(Capture(f"the keys of {capture.name}", lambda: str(list(capture.read()))), str(list(value)))
            )
        handed = [
            self.hand(v, capture.attribute(k) if by_name else capture.item(k))
            for k, v in zip(keys, children, strict=True)
        ]
        if isinstance(value, tuple):
            return type(value)(*handed) if by_name else tuple(handed)
        made: Any = dict(zip(keys, handed, strict=True)) if isinstance(value, dict) else list(handed)
        self._watch(f"`{capture.name}`", lambda: list(made.items()) if isinstance(made, dict) else list(made))
        return made

    def _object(self, value: Any, capture: Capture) -> Any:
        """A copy of a user's object whose attributes are handed out, and whose methods are recorded too."""
        made = object.__new__(self._class(type(value)))
        self._made[id(value)] = (value, made)
        names = tuple(vars(value))
        self.guards.append(
            Guard(
                Capture(f"the attributes of {capture.name}", lambda: str(list(vars(capture.read())))), str(list(names))
            )
        )
        for name in names:
            made.__dict__[name] = self.hand(vars(value)[name], capture.attribute(name))
        self._watch(f"an attribute of `{capture.name}`", lambda: list(made.__dict__.items()))
        return made

    def _class(self, cls: type) -> type:
        """A subclass whose methods are copies that read through us; a class of a library stays."""
        made = self._made.get(id(cls))
        if made is not None:
            return made[1]
        if not _is_users_class(cls):
            return cls
        methods: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            if not _is_users_class(base):
                continue
            for name, member in vars(base).items():
                methods[name] = self._member(member, f"{base.__name__}.{name}")
                if methods[name] is None:
                    del methods[name]
        try:
            view = type(cls)(
                cls.__name__,
                (cls,),
                {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__slots__": (), **methods},
            )
        except TypeError:  # a class that can't be subclassed (an enumeration)
            view = cls
        self._made[id(cls)] = (cls, view)
        return view

    def _member(self, member: Any, name: str) -> Any:
        if _users_function(member):
            return self.function(member, Capture(name, lambda: member))
        if isinstance(member, (staticmethod, classmethod)) and _users_function(member.__func__):
            return type(member)(self.function(member.__func__, Capture(name, lambda: member.__func__)))
        if isinstance(member, property):
            return property(
                *(
                    self.function(f, Capture(name, lambda f=f: f)) if _users_function(f) else f
                    for f in (member.fget, member.fset, member.fdel)
                )
            )
        if isinstance(member, np.ndarray) and member.dtype.kind in "fiub":
            return self.recorder.hide(member, Capture(name, lambda: member), name)
        return None

    def _opaque(self, value: Any, capture: Capture) -> None:
        """An object we can't look through: what arrays it holds is compared by value at each call, or refused."""
        arrays: list[np.ndarray[Any, Any]] = []
        _find_arrays(value, arrays, set(), 0)
        if sum(a.nbytes for a in arrays) > _SMALL:
            raise locate(
                CaptureError(
                    f"`{capture.name}` ({type(value).__name__}) holds arrays that a recording can't watch:"
                    " a later change of them would go unnoticed",
                    hint="pass the arrays to the function as arguments",
                )
            )
        if arrays:
            self.guards.append(Guard(capture, arrays, content=True))

    # --- afterwards ------------------------------------------------------------------------------------------------------

    def _watch(self, what: str, look: Callable[[], list[Any]]) -> None:
        before = look()

        def changed() -> bool:
            after = look()
            return len(after) != len(before) or any(
                a is not b
                and not (
                    isinstance(a, tuple) and isinstance(b, tuple) and len(a) == 2 and a[0] == b[0] and a[1] is b[1]
                )
                for a, b in zip(after, before, strict=True)
            )

        self._watched.append((what, changed))

    def refuse_side_effects(self) -> None:
        """Raise if the function wrote to anything outside."""
        for view in self._views.values():
            for name, value in view.items():
                if view.handed.get(name, view) is not value:
                    raise _side_effect(f"the global `{name}`")
        for what, changed in self._watched:
            if changed():
                raise _side_effect(what)


def _side_effect(what: str) -> SideEffectError:
    return SideEffectError(
        f"the function changes {what}: it is recorded once, so this would not happen at every call",
        hint="return the value, or keep it in a local variable",
    )


@functools.lru_cache(maxsize=4096)
def _is_users(filename: str) -> bool:
    """Whether a file is the user's, and not of Python, NumPy, SciPy, or ours."""
    if _is_library(filename) or filename.startswith("<frozen"):
        return False
    inside = Path(filename).parts
    return not filename.startswith(_STDLIB) or "site-packages" in inside or "dist-packages" in inside


def _users_function(value: Any) -> bool:
    return isinstance(value, types.FunctionType) and _is_users(value.__code__.co_filename)


@functools.lru_cache(maxsize=4096)
def _is_users_class(cls: type) -> bool:
    if cls.__module__ == "builtins" or not cls.__flags__ & (1 << 9):  # 1 << 9: made by a class statement
        return False
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    return (file is None and cls.__module__ in ("__main__", "__mp_main__")) or (file is not None and _is_users(file))


def _is_users_object(value: Any) -> bool:
    """An instance of a plain class of the user's: attributes in a dict, no state in C."""
    cls = type(value)
    return (
        _is_users_class(cls)
        and hasattr(value, "__dict__")
        and cls.__new__ is object.__new__
        and not hasattr(cls, "__array__")
    )


def _find_arrays(value: Any, found: list[Any], seen: set[int], depth: int) -> None:
    if id(value) in seen or depth > 6 or len(seen) > 20_000:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        found.append(value)
    elif isinstance(
        value, (str, bytes, int, float, type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    ):
        return
    elif isinstance(value, dict):
        for v in value.values():
            _find_arrays(v, found, seen, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for v in value:
            _find_arrays(v, found, seen, depth + 1)
    elif hasattr(value, "__array__") and not isinstance(value, Traced):
        try:
            found.append(np.asarray(value))
        except Exception:
            return
    else:
        for v in getattr(value, "__dict__", {}).values():
            _find_arrays(v, found, seen, depth + 1)
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    _find_arrays(getattr(value, name), found, seen, depth + 1)
