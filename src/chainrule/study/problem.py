"""What is studied: a function, its arguments, and which of them to vary."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..api import Wrt, hvp, value_and_grad
from ..errors import ArgumentError
from ..trace.record import argument_names
from ..trace.tree import flatten

UNNAMED = "the function"
Report = Callable[[Mapping[str, Any]], Mapping[str, float]]  # the arguments by name -> numbers worth telling


@dataclass(frozen=True)
class Problem:
    """A function with `args` (called `names`) and keyword-only `options`; `wrt` names what is varied.

    `chosen` says who chose `wrt`; `report`, if there is one, turns the arguments after a fit into numbers to tell.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    wrt: tuple[str, ...]
    chosen: str
    file: str = ""
    report: Report | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the function is called."""
        return getattr(self.function, "__name__", UNNAMED)

    @property
    def arguments(self) -> dict[str, Any]:
        """Every argument by name."""
        return {**dict(zip(self.names, self.args, strict=True)), **self.options}

    @property
    def start(self) -> tuple[Any, ...]:
        """The values of the varied arguments."""
        return tuple(self.arguments[name] for name in self.wrt)

    def with_(self, varied: tuple[Any, ...]) -> dict[str, Any]:
        """Every argument by name, the varied ones replaced."""
        return {**self.arguments, **dict(zip(self.wrt, varied, strict=True))}

    def _call(self, varied: tuple[Any, ...]) -> tuple[list[Any], dict[str, Any]]:
        arguments = self.with_(varied)
        return [arguments[name] for name in self.names], {name: arguments[name] for name in self.options}

    @property
    def positions(self) -> tuple[int | str, ...]:
        """`wrt` as chainrule's functions take it."""
        return tuple(self.names.index(name) if name in self.names else name for name in self.wrt)

    @property
    def plain(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function of positional arguments alone, and these: as functions take it that know no options."""
        return self.function_of_all, tuple(self.arguments.values())

    @property
    def function_of_all(self) -> Callable[..., Any]:
        if not self.options:
            return self.function
        function, count, names = self.function, len(self.args), tuple(self.options)

        @functools.wraps(function)
        def positional(*args: Any) -> Any:
            return function(*args[:count], **dict(zip(names, args[count:], strict=True)))

        kind = inspect.Parameter.POSITIONAL_ONLY
        parameters = [inspect.Parameter(name, kind) for name in (*self.names, *names)]
        positional.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return positional

    @property
    def slots(self) -> tuple[int, ...]:
        """`wrt` as positions among all arguments."""
        names = list(self.arguments)
        return tuple(names.index(name) for name in self.wrt)

    def at(self, varied: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments by position, the varied ones replaced."""
        return tuple(self.with_(varied).values())

    def value_and_grad(self) -> Callable[[tuple[Any, ...]], tuple[Any, Any]]:
        """The value and its gradient as a function of the varied arguments."""
        differentiated = value_and_grad(self.function, wrt=self.positions)

        def both(varied: tuple[Any, ...]) -> tuple[Any, Any]:
            args, options = self._call(varied)
            return differentiated(*args, **options)

        return both

    def hvp(self) -> Callable[[tuple[Any, ...], tuple[Any, ...]], Any]:
        """Hessian times vector, as a function of the varied arguments and the vector."""
        product = hvp(self.function, wrt=self.positions)

        def along(varied: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
            args, options = self._call(varied)
            return product(*args, v, **options)

        return along

    def __call__(self, varied: tuple[Any, ...]) -> Any:
        """The function's own value."""
        args, options = self._call(varied)
        return self.function(*args, **options)


def problem_of(function: Callable[..., Any], args: tuple[Any, ...], wrt: Wrt = 0) -> Problem:
    """A problem from a call; `wrt` is a position, a name, or a tuple of them."""
    if not callable(function):
        raise ArgumentError(f"a function is needed, not {type(function).__name__}")
    if not args:
        raise ArgumentError("there is nothing to study: pass the function's arguments after it")
    names = tuple(argument_names(function, args, {}))
    if isinstance(wrt, list):
        raise ArgumentError(f"wrt={wrt!r}: several arguments are named by a tuple", hint=f"wrt={tuple(wrt)!r}")
    wanted = wrt if isinstance(wrt, tuple) else (wrt,)
    chosen = tuple(_name(w, names) for w in wanted)
    if not chosen:
        raise ArgumentError("wrt is empty: name at least one argument")
    if len(set(chosen)) < len(chosen):
        raise ArgumentError(f"wrt={wrt!r} names an argument twice")
    return Problem(function, names, args, {}, chosen, "wrt=", _file_of(function))


def _name(w: int | str, names: tuple[str, ...]) -> str:
    if isinstance(w, str):
        return known(w, names, "wrt")
    if isinstance(w, bool) or not hasattr(w, "__index__"):
        raise ArgumentError(f"wrt is a position or a name, not {w!r}")
    if not -len(names) <= w < len(names):
        raise ArgumentError(f"wrt={w}: the call has {len(names)} arguments")
    return names[w]


def known(name: str, names: tuple[str, ...], what: str) -> str:
    """The name itself, if it is one of these; else an error that says which there are."""
    if name in names:
        return name
    close = get_close_matches(name, names, n=1)
    raise ArgumentError(
        f"{what} names `{name}`, which is not an argument of the function",
        hint=f"did you mean `{close[0]}`?" if close else f"its arguments: {', '.join(names)}",
    )


def _file_of(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsourcefile(function) or ""
    except TypeError:
        return ""


def blame_for(problem: Problem) -> str:
    """Which arguments hold NaN or infinity, in words; empty if none does."""
    found = []
    for name, value in problem.arguments.items():
        leaves, tree = flatten(value)
        for leaf, path in zip(leaves, tree.paths(), strict=True):
            array = np.asarray(leaf)
            if array.dtype.kind != "f" or np.isfinite(array).all():
                continue
            bad = np.argwhere(~np.isfinite(array))
            place = f", first at [{', '.join(map(str, bad[0]))}]" if array.ndim else ""
            found.append(f"`{name}{path}` holds {len(bad)} number{'s' * (len(bad) != 1)} not finite{place}")
    return "; ".join(found)
