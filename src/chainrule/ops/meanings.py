"""What a function of NumPy, math or SciPy means on stand-ins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..later import LaterFunction

Rule = Callable[..., Any]


class Meanings(dict[Any, Rule]):
    """np.tanh -> how to apply it. A function that is imported later is entered by name, and found once it is there."""

    def __init__(self) -> None:
        self._later: dict[str, dict[LaterFunction, Rule]] = {}

    def __setitem__(self, function: Any, rule: Rule) -> None:
        if isinstance(function, LaterFunction):
            self._later.setdefault(function.__module__, {})[function] = rule
        else:
            super().__setitem__(function, rule)

    def __missing__(self, function: Any) -> Rule:
        if function in self:
            return super().__getitem__(function)
        raise KeyError(function)

    def __contains__(self, function: object) -> bool:
        if super().__contains__(function):
            return True
        self._enter()
        return super().__contains__(function)

    def get(self, function: Any, default: Any = None) -> Any:
        try:
            return self[function]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[Any]:
        self._enter()
        return super().__iter__()

    def _enter(self) -> None:
        """Enter what has been imported by now, by whomever."""
        for module, rules in self._later.items():
            for function, rule in list(rules.items()) if module in sys.modules else ():
                found = getattr(sys.modules[module], function.__name__, None)
                if found is not None:  # it is None while the module is being imported
                    self[found] = rule
                    rules.pop(function, None)


by_function = Meanings()
