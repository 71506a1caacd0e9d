"""What takes long to import is imported when it is used, so that `import chainrule` costs little more than NumPy.

`from ..later import scipy` stands where `import scipy.special` would: `scipy.special.erf` is a function that imports
SciPy when it is called. `imported` names classes that may not be there. A package whose names come from many modules
gets them by `names_from`.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

importing = threading.RLock()  # held while something is imported in the midst of a call
if hasattr(os, "register_at_fork"):  # a module that another thread has half imported stays so in a child, for ever
    os.register_at_fork(before=importing.acquire, after_in_parent=importing.release, after_in_child=importing.release)


class LaterFunction:
    """A function by its module and name; it is imported when it is called."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__, self.__name__ = module, name
        self._function: Any = None

    @property
    def function(self) -> Any:
        """The function itself."""
        if self._function is None:
            with importing:
                module = importlib.import_module(self.__module__)
            if not hasattr(module, self.__name__):
                raise ImportError(f"{self.__module__} has no {self.__name__}")
            self._function = getattr(module, self.__name__)
        return self._function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.function(*args, **options)

    def __getattr__(self, name: str) -> Any:  # what else is asked about it: `resolve_dtypes` of a ufunc
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.function, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LaterFunction) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{self.__module__}.{self.__name__}"


class Later:
    """A module of functions, by its name.

    >>> float(Later("scipy.special").expit(0.0))
    0.5
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> LaterFunction:
        if name.startswith("__"):
            raise AttributeError(name)
        function = self.__dict__[name] = LaterFunction(self._module, name)
        return function


# written as if it were imported: scipy.special.erf
scipy = SimpleNamespace(special=Later("scipy.special"), linalg=Later("scipy.linalg"), optimize=Later("scipy.optimize"))


def imported(*names: str) -> tuple[Any, ...]:
    """The classes or functions of these names whose modules somebody has imported: of others there is no instance.

    >>> imported("builtins.int", "no_such_module.Class")
    (<class 'int'>,)
    """
    parts = [name.rpartition(".") for name in names]
    found = [getattr(sys.modules.get(module), name, None) for module, _, name in parts]
    return tuple(f for f in found if f is not None)


def names_from(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package: a module in `homes` is imported when one of its names is used."""
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        with importing:
            value = getattr(importlib.import_module(home_of[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted({*vars(sys.modules[package]), *home_of})
