"""type, hasattr and getattr, as a recorded function sees them: a stand-in answers for what it stands for."""

from __future__ import annotations

import builtins
from typing import Any

from .stand_in import Traced, kind_of

_isinstance, _type, _hasattr = builtins.isinstance, builtins.type, builtins.hasattr


def ask_hasattr(x: Any, name: str, /) -> bool:
    return _hasattr(kind_of(x), name) if _type(x) is Traced else _hasattr(x, name)


def ask_getattr(x: Any, name: str, /, *default: Any) -> Any:
    if _type(x) is Traced and not _hasattr(kind_of(x), name):
        return getattr(0.0, name, *default)  # as of a number: the default, or an AttributeError
    return getattr(x, name, *default)


class _Question(type):
    def __call__(cls, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and _type(args[0]) is Traced:
            return kind_of(args[0])
        return _type(*args, **options)

    def __instancecheck__(cls, x: Any) -> bool:
        return _isinstance(x, _type)

    def __subclasscheck__(cls, kind: Any) -> bool:
        return issubclass(kind, _type)


class ask_type(metaclass=_Question):
    """`type(x)`"""
