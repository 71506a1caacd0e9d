"""What a function reads from outside: globals, closures, defaults, imports, attributes of its own object.

The function is run as a copy whose globals and cells hand out stand-ins. An array met so is a hidden input, read
again at every call; a number, a name, an object is a guard, compared at every call; a function of the user's is copied
in the same way, and so are the methods of a class. What none of this can see (arrays inside objects that NumPy alone
looks into) is compared by value when it is small, and refused otherwise. Writing to what is outside is refused: it
would happen once, not at every call.
"""

from __future__ import annotations

import builtins
import collections
import copy
import functools
import types
from abc import update_abstractmethods
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from ..errors import CaptureError, LeakError, SideEffectError
from ..ir import ArrayType
from .dispatch import locate
from .doorway import Handed, ModuleView, hand_numeric, is_numeric_function, is_numeric_module
from .impure import Partly, Refusing, is_partly_impure, reason, refuse_builtin
from .outside import (
    CONTAINERS,
    COPIED,
    Capture,
    Guard,
    TooMuch,
    TypeGuard,
    attribute_names,
    attributes_of,
    can_be_viewed,
    fingerprint,
    goes_by_identity,
    has_changed,
    is_iterator,
    is_static,
    is_users_class,
    is_users_function,
    keys_of,
    makes_plainly,
    members_of,
    members_without_caches,
    names_in,
    nth_of,
    own_attributes,
    was_changed,
)
from .questions import ask_getattr, ask_hasattr, ask_type
from .recorder import Recorder, Traced

_REMEMBERING = type(functools.lru_cache(lambda: None))
_MOST_ITEMS = 10_000
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)  # of slots, of __dict__: each class has its own
_MADE_BY_PYTHON = (
    "__module__",
    "__qualname__",
    "__doc__",
    "__slots__",
    "__dict__",
    "__weakref__",
    "__init_subclass__",
    "_abc_impl",
)


class GlobalsView(dict[str, Any]):
    """A function's globals as its copy sees them; a dict subclass, so that every global read asks `__missing__`."""

    def __init__(self, real: dict[str, Any], captures: Captures) -> None:
        super().__init__(__builtins__=captures.builtins, __name__=real.get("__name__", "?"))
        self.real = real
        self.captures = captures
        self.handed = dict(self)

    def __missing__(self, name: str) -> Any:
        real = self.real
        if name not in real:  # the interpreter goes on to builtins; a global of that name would come first
            self.captures.guards.append(Guard(Capture.present(name, real), False))
            raise KeyError(name)
        value = real[name]
        self[name] = self.handed[name] = self.captures.hand(value, Capture.variable(name, real))
        return self[name]


class Captures:
    """All that one recording has read from outside."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.guards: list[Guard] = []
        self.builtins = {
            **vars(builtins),
            **{name: refuse_builtin(name, recorder) for name in ("open", "input", "eval", "exec", "globals")},
            "__import__": self._import, "type": ask_type, "hasattr": ask_hasattr, "getattr": ask_getattr,
        }  # fmt: skip
        self._made: dict[int, tuple[Any, Any]] = {}  # id of an original -> (original, what is handed out for it)
        self._views: dict[int, GlobalsView] = {}
        self._watched: list[tuple[str, Callable[[], bool]]] = []  # (what, whether it was changed)

    # --- handing out ------------------------------------------------------------------------------------------------

    def hand(self, value: Any, capture: Capture) -> Any:
        """What a recorded function is given in place of `value`."""
        if type(value) is Traced:
            if not value.recorder.open:
                raise LeakError(
                    f"`{capture.name}` holds a stand-in whose recording has ended",
                    hint="return values instead of storing them",
                )
            if value.recorder is self.recorder:
                return value
            self.guards.append(TypeGuard(capture, value.type))
            return self.recorder.hide(value, capture, capture.name)
        if is_static(value):
            self.guards.append(Guard(capture, value))
            return value
        if type(value) is np.ndarray and value.dtype.kind in "fiub" and value.dtype.isnative:
            # under a second name an array is a hidden input of its own: later the names may part
            self.guards.append(TypeGuard(capture, ArrayType(value.shape, value.dtype)))
            return self.recorder.hide(value, capture, capture.name)
        self.guards.append(Guard(capture, value))
        made = self._made.get(id(value))
        if made is None:
            made = (value, self._substitute(value, capture))
            self._made[id(value)] = made
        return made[1]

    def _substitute(self, value: Any, capture: Capture) -> Any:
        if isinstance(value, (ModuleView, Refusing)):
            return value
        if isinstance(value, Handed):
            return hand_numeric(value.__wrapped__, self.recorder)
        if is_numeric_function(value) or (isinstance(value, types.ModuleType) and is_numeric_module(value)):
            return hand_numeric(value, self.recorder, capture.name)
        if is_partly_impure(value):
            return Partly(value, self.recorder)
        why = reason(value)
        if why is not None:
            return Refusing(capture.name, why, self.recorder, value)
        if isinstance(value, types.ModuleType):
            return self._module(value, capture)
        if isinstance(value, types.BuiltinFunctionType):
            return self._builtin(value, capture)
        if isinstance(value, types.FunctionType):
            return self.function(value) if is_users_function(value) else value
        if isinstance(value, _REMEMBERING):
            raise locate(
                CaptureError(
                    f"`{capture.name}` remembers results (functools.lru_cache); when they change, nobody can tell",
                    hint="call it outside, and pass the result as an argument",
                )
            )
        if isinstance(value, types.MethodType):
            return self._bound(value, capture)
        if isinstance(value, functools.partial):
            return self._partial(value, capture)
        if isinstance(value, type):
            return self._class(value)
        if type(value) in CONTAINERS or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._container(value, capture)
        if type(value) is np.ndarray and value.dtype.kind == "O":
            return self._objects(value, capture)
        if type(value) is types.SimpleNamespace:
            return self._object(value, capture)
        if type(value) in COPIED:
            return self._copied(value, capture)
        if type(value).__module__.partition(".")[0] == "chainrule" or goes_by_identity(value):
            return value
        if is_iterator(value):
            raise locate(
                CaptureError(
                    f"`{capture.name}` is an iterator: a recording would take one item from it and use that for ever",
                    hint="take the item outside, and pass it as an argument",
                )
            )
        if is_users_class(type(value)) and can_be_viewed(type(value)) and makes_plainly(type(value)):
            return self._object(value, capture)
        return self._opaque(value, capture)

    def _module(self, module: types.ModuleType, capture: Capture) -> Any:
        if module.__name__.partition(".")[0] == "chainrule":
            return module

        def miss(name: str) -> None:
            self.guards.append(Guard(capture.seen(f"whether there is {name}", lambda m: hasattr(m, name)), False))

        return ModuleView(module, lambda value, name: self.hand(value, capture.attribute(name)), miss)

    def _builtin(self, function: Any, capture: Capture) -> Any:
        """A method of an array, a list, … taken from it: the same of what is handed out for its owner."""
        owner = function.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return function
        return getattr(self.hand(owner, capture.attribute("__self__")), function.__name__)

    def _import(self, name: str, *details: Any) -> Any:
        """`import` inside a recorded function hands out like a global."""
        module = builtins.__import__(name, *details)
        return self.hand(module, Capture.value(name, module))

    def _bound(self, method: types.MethodType, capture: Capture) -> Any:
        owner = self.hand(method.__self__, capture.attribute("__self__"))
        made = self.function(method.__func__) if is_users_function(method.__func__) else method.__func__  # type: ignore[arg-type]
        own = getattr(type(owner), method.__name__, None)  # the copy that its class view has: it knows super()
        return (
            getattr(owner, method.__name__)
            if own is not None and owner is not method.__self__ and _is_still_the_method(method)
            else types.MethodType(made, owner)
        )

    def _partial(self, value: Any, capture: Capture) -> Any:
        function = self.hand(value.func, capture.attribute("func"))
        given = [self.hand(a, capture.attribute("args").item(n)) for n, a in enumerate(value.args)]
        named = {k: self.hand(v, capture.attribute("keywords").item(k)) for k, v in value.keywords.items()}
        return functools.partial(function, *given, **named)

    # --- functions and classes --------------------------------------------------------------------------------------

    def function(self, function: types.FunctionType, owner: type | None = None) -> types.FunctionType:
        """A copy that reads its globals, cells and defaults through us; `owner` is what its `super()` starts from."""
        real = function.__globals__
        if isinstance(real, GlobalsView):
            if real.captures is self:
                return function  # defined inside the function being recorded
            real = real.real
        view = self._views.get(id(real))
        if view is None:
            view = self._views[id(real)] = GlobalsView(real, self)
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        own = Capture.value(function.__name__, function)
        self.guards.append(Guard(own.attribute("__code__"), function.__code__))
        if "__subclasses__" in function.__code__.co_names:
            raise locate(
                CaptureError(
                    f"{function.__name__} asks a class for its subclasses, which a recording can't watch",
                    hint="list the classes in the function",
                )
            )
        for name in names_in(function.__code__, bodies_only=True) & real.keys():
            view[name]  # a class body does not ask __missing__
        made = types.FunctionType(function.__code__, view, function.__name__, None, cells or None)
        made.__qualname__ = function.__qualname__
        made.__module__ = function.__module__
        self._made.setdefault(id(function), (function, made))  # before the cells: a function may close over itself
        for name, cell, new in zip(function.__code__.co_freevars, function.__closure__ or (), cells, strict=True):
            self._cell(name, cell, new, owner)
        defaults = function.__defaults__
        if defaults:
            default = own.attribute("__defaults__")
            made.__defaults__ = tuple([self.hand(v, default.item(n)) for n, v in enumerate(defaults)])
        if function.__kwdefaults__:
            default = own.attribute("__kwdefaults__")
            made.__kwdefaults__ = {k: self.hand(v, default.item(k)) for k, v in function.__kwdefaults__.items()}
        attributes = own.own_names()
        self.guards.append(Guard(attributes, attributes.read()))
        for name, value in own_attributes(function).items():
            made.__dict__[name] = self.hand(value, own.attribute(name))
        self._watch(f"an attribute of the function {function.__name__}", lambda: own_attributes(made))
        return made

    def _cell(self, name: str, cell: Any, new: Any, owner: type | None) -> None:
        try:
            value = cell.cell_contents
        except ValueError:
            return  # not assigned yet
        if name == "__class__":
            new.cell_contents = owner or value
            return
        handed = self.hand(value, Capture.cell(name, cell))
        new.cell_contents = handed
        self._watched.append(
            (f"the variable `{name}` of an enclosing function", lambda: new.cell_contents is not handed)
        )

    def _class(self, cls: type) -> type:
        """A class like it whose methods are copies that read through us; a class of a library stays.

        Its bases are the views of the bases, so the order of resolution has the same shape and `super()` goes on to
        copies; the user's class itself is not touched, and gains no subclass.
        """
        known = self._made.get(id(cls))
        if known is not None:
            view: type = known[1]
            return view
        if not is_users_class(cls) or issubclass(cls, BaseException):
            return cls  # what is raised and what is caught must be the same class
        capture = Capture.value(cls.__name__, cls)
        if not can_be_viewed(cls):
            return self._opaque_class(cls, capture)
        try:
            view = self._empty_view(cls)
        except TypeError:  # a class that Python makes in its own way (a protocol, an enumeration)
            return self._opaque_class(cls, capture)
        self._made[id(cls)] = (cls, view)
        members = capture.seen("the members", members_of)
        self.guards.append(Guard(members, members.read()))
        for name, member in list(vars(cls).items()):
            if name not in _MADE_BY_PYTHON and not isinstance(member, _DESCRIPTORS):
                setattr(view, name, self._member(member, capture.attribute(name), view))
        update_abstractmethods(view)
        self._watch(f"the class {cls.__name__}", lambda: members_without_caches(view))
        return view

    def _empty_view(self, cls: type) -> type:
        given = {k: v for k, v in vars(cls).items() if k in ("__module__", "__qualname__", "__doc__", "__slots__")}
        given |= {k: v for k, v in vars(cls).items() if k in ("__orig_bases__", "__parameters__")}
        metaclass: Any = type(cls)
        made: type = metaclass(cls.__name__, tuple([self._class(base) for base in cls.__bases__]), given)
        return made

    def _opaque_class(self, cls: type, capture: Capture) -> type:
        if issubclass(cls, Enum):
            for member in cls:
                self._watched.append((f"`{member}`", partial(was_changed, member, dict(vars(member)))))
        self._opaque(cls, capture)
        return cls

    def view_of(self, cls: type) -> type:
        """The class whose instances a recorded function sees in place of those of `cls`."""
        return self._class(cls) if is_users_class(cls) else cls

    def original_of(self, cls: type) -> type:
        """The class that the user wrote."""
        return next((original for original, made in self._made.values() if made is cls), cls)

    def _member(self, member: Any, capture: Capture, owner: type) -> Any:
        if isinstance(member, functools.cached_property) and is_users_function(member.func):
            remembered = functools.cached_property(self.function(member.func, owner))  # type: ignore[arg-type]
            remembered.__set_name__(owner, member.attrname or "")
            return remembered
        if isinstance(member, staticmethod) and not is_users_function(member.__func__):
            return staticmethod(self.hand(member.__func__, capture))
        if isinstance(member, (staticmethod, classmethod)) and is_users_function(member.__func__):
            return type(member)(self.function(member.__func__, owner))  # type: ignore[arg-type]
        if isinstance(member, property):
            parts: list[Any] = [member.fget, member.fset, member.fdel]
            made: Any = [self.function(f, owner) if is_users_function(f) else f for f in parts]
            return property(*made)
        if is_users_function(member):
            return self.function(member, owner)
        if capture.name.rsplit(".", 1)[-1].startswith("__"):
            return member
        return self.hand(member, capture)

    # --- containers and objects -------------------------------------------------------------------------------------

    def _container(self, value: Any, capture: Capture) -> Any:
        """A container of the same class with what is handed out for its items."""
        if len(value) > _MOST_ITEMS:
            return self._opaque(value, capture)
        self.guards.append(Guard(capture.seen("the length", len), len(value)))
        if isinstance(value, tuple):
            return self._tuple(value, capture)
        if isinstance(value, (set, frozenset)):
            return self._set(value, capture)
        made = copy.copy(value)
        self._made[id(value)] = (value, made)  # before the items: a container may hold itself
        if isinstance(value, dict):
            self.guards.append(Guard(capture.seen("the keys", keys_of), keys_of(value)))
            made.clear()
            for n, (key, item) in enumerate(value.items()):
                made[self.hand(key, capture.seen(f"key {n}", partial(nth_of, n)))] = self.hand(item, capture.item(key))
            if isinstance(value, collections.defaultdict):
                made.default_factory = self.hand(value.default_factory, capture.attribute("default_factory"))
            self._watch(f"`{capture.name}`", lambda: dict(made))
        else:
            for n, item in enumerate(value):
                made[n] = self.hand(item, capture.item(n))
            self._watch(f"`{capture.name}`", lambda: dict(enumerate(made)))
        return made

    def _tuple(self, value: Any, capture: Capture) -> Any:
        if hasattr(value, "_fields"):
            if is_users_class(type(value)):
                self._guard_content(type(value), capture.seen("the class", type))
            return type(value)(*[self.hand(v, capture.attribute(k)) for k, v in zip(value._fields, value, strict=True)])
        return tuple([self.hand(v, capture.item(n)) for n, v in enumerate(value)])

    def _set(self, value: Any, capture: Capture) -> Any:
        self.guards.append(Guard(capture.seen("the members", keys_of), keys_of(value)))
        made = type(value)([self.hand(v, capture.seen(f"member {n}", partial(nth_of, n))) for n, v in enumerate(value)])
        before = set(made)
        self._watched.append((f"`{capture.name}`", lambda: set(made) != before))
        return made

    def _objects(self, value: Any, capture: Capture) -> Any:
        """An array of Python objects: a copy, with what is handed out for its elements."""
        if value.size > _MOST_ITEMS:
            return self._opaque(value, capture)
        self.guards.append(Guard(capture.seen("the shape", lambda a: str(a.shape)), str(value.shape)))
        made = np.empty(value.shape, object)
        for at in np.ndindex(value.shape):
            made[at] = self.hand(value[at], capture.item(at))
        self._watch(f"`{capture.name}`", lambda: dict(enumerate(made.flat)))
        return made

    def _copied(self, value: Any, capture: Capture) -> Any:
        """A set, a byte array: a copy, so that a write is seen and does not reach the original."""
        self._guard_content(value, capture)
        made = copy.copy(value)
        before = copy.copy(value)
        self._watched.append((f"`{capture.name}`", lambda: made != before))
        return made

    def _object(self, value: Any, capture: Capture) -> Any:
        """A copy of a user's object whose attributes are handed out, and whose methods are copies too."""
        kind: Any = type(value)
        made = object.__new__(self._class(kind)) if is_users_class(kind) else kind()
        self._made[id(value)] = (value, made)
        attributes = attributes_of(value)
        self.guards.append(Guard(capture.seen("the attributes", attribute_names), attribute_names(value)))
        self.guards.append(Guard(capture.seen("the class", type), type(value)))
        for name, part in attributes.items():
            handed = self.hand(part, capture.own(name))
            if name in getattr(value, "__dict__", ()):
                made.__dict__[name] = handed  # not setattr: a property may stand in front of it
            else:
                object.__setattr__(made, name, handed)
        remembered = {
            n for c in type(value).__mro__ for n, m in vars(c).items() if isinstance(m, functools.cached_property)
        }

        def own() -> dict[str, Any]:
            return {k: v for k, v in attributes_of(made).items() if k not in remembered}

        self._watch(f"an attribute of `{capture.name}`", own)
        return made

    def _opaque(self, value: Any, capture: Capture) -> Any:
        """An object we can't look through: all it holds is compared at each call, or it is refused."""
        before = self._guard_content(value, capture)
        self._watched.append((f"`{capture.name}`", lambda: has_changed(value, before)))
        return value

    def _guard_content(self, value: Any, capture: Capture) -> list[Any]:
        try:
            found = fingerprint(value)
        except TooMuch:
            raise locate(
                CaptureError(
                    f"`{capture.name}` ({type(value).__name__}) holds more than a recording can watch:"
                    " a later change in it would go unnoticed",
                    hint="pass the arrays and numbers that the function needs as arguments",
                )
            ) from None
        self.guards.append(Guard(capture.seen("all that is", fingerprint), found))
        return found

    # --- afterwards -------------------------------------------------------------------------------------------------

    def _watch(self, what: str, look: Callable[[], dict[Any, Any]]) -> None:
        before = dict(look())

        def changed() -> bool:
            after = look()
            return after.keys() != before.keys() or any(after[k] is not before[k] for k in before)

        self._watched.append((what, changed))

    def refuse_side_effects(self) -> None:
        """Raise if the function wrote to anything outside."""
        for view in self._views.values():
            for name in view.keys() | view.handed.keys():
                if view.handed.get(name, view) is not view.get(name, view):
                    raise _side_effect(f"the global `{name}`")
        for what, changed in self._watched:
            if changed():
                raise _side_effect(what)


def _is_still_the_method(method: types.MethodType) -> bool:
    """Whether a method is what its object's class calls by that name now."""
    return getattr(getattr(method.__self__, method.__name__, None), "__func__", None) is method.__func__


def _side_effect(what: str) -> SideEffectError:
    return SideEffectError(
        f"the function changes {what}: it is recorded once, so this would not happen at every call",
        hint="return the value, or keep it in a local variable",
    )
