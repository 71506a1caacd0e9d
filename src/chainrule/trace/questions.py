"""isinstance, type and hasattr, as a recorded function sees them: a stand-in answers for what it stands for."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .stand_in import Traced

_isinstance, _type, _hasattr = builtins.isinstance, builtins.type, builtins.hasattr


def kind_of(x: Traced) -> type:
    """The class of what a stand-in stands for: a Python number, a NumPy scalar, an array."""
    if x.type.weak:
        return {"f": float, "i": int, "b": bool}[x.dtype.kind]
    return np.ndarray if x.shape or x.array else x.dtype.type


def ask_isinstance(x: Any, kinds: Any, /) -> bool:
    return issubclass(kind_of(x), kinds) if _isinstance(x, Traced) else _isinstance(x, kinds)


def ask_hasattr(x: Any, name: str, /) -> bool:
    return _hasattr(kind_of(x), name) if _isinstance(x, Traced) else _hasattr(x, name)


class _Question(type):
    def __call__(cls, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and _isinstance(args[0], Traced):
            return kind_of(args[0])
        return _type(*args, **options)

    def __instancecheck__(cls, x: Any) -> bool:
        return _isinstance(x, _type)

    def __subclasscheck__(cls, kind: Any) -> bool:
        return issubclass(kind, _type)


class ask_type(metaclass=_Question):
    """`type(x)`"""
