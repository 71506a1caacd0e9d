"""A plain Python file as a problem to study.

The file defines a function (`loss`, or its only public one) and variables called like the function's arguments:

    def loss(w, b, X, y): ...

    X, y = ...                     # the data
    w, b = np.zeros(30), 0.0       # where to start
    WRT = ("w", "b")               # what to vary; the first argument, if there is no WRT

    def report(w, b, X_test, y_test):      # optional: numbers to tell of a fit, by name
        return {"accuracy on the test data": np.mean(predict(w, b, X_test) == y_test)}

Arguments of `report` are looked up like those of the function, with the fitted values in place.
"""

from __future__ import annotations

import inspect
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError
from .problem import Problem, Report, known


def load(target: str, wrt: str | None = None) -> Problem:
    """The problem in `FILE.py` or `FILE.py:function`; `wrt` is a list of names with commas between."""
    path, name = _split(target)
    module = run_file(path)
    function = _function(module, name, path)
    names, args, options = _arguments(function, module, path)
    chosen, who = _chosen(module, (*names, *options), wrt)
    return Problem(function, names, args, options, chosen, who, str(path), _report(module, path))


def _split(target: str) -> tuple[Path, str]:
    """`path/file.py:function` as its two parts; the function may be missing."""
    before, colon, after = target.rpartition(":")
    if colon and (after.isidentifier() or not after):
        return Path(before), after
    return Path(target), ""


# --- the file ---------------------------------------------------------------------------------------------------------


def run_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own, not as `__main__`; what goes wrong in it is told with its own line."""
    _require_python(path)
    try:
        with tokenize.open(path) as file:
            source = file.read()
        code = compile(source, str(path.resolve()), "exec")
    except SyntaxError as error:
        place = f"{path.name}:{error.lineno}   {(error.text or '').strip()}" if error.lineno else path.name
        raise ArgumentError(f"{path} is not Python: {error.msg}", where=place) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ArgumentError(f"{path} can't be read: {_first_line(error)}") from None
    module = ModuleType(f"_studied_{path.stem}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # dataclasses look there for the module they are defined in
    with _importing_from(path.resolve().parent), users_errors(path):
        exec(code, module.__dict__)
    return module


def _require_python(path: Path) -> None:
    if path.is_dir():
        files = ", ".join(sorted(p.name for p in path.glob("*.py"))[:8])
        raise ArgumentError(
            f"{path} is a folder", hint=f"name one of its files: {files}" if files else "name a .py file"
        )
    if not path.exists():
        siblings = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        close = get_close_matches(path.name, siblings, n=1)
        hint = f"did you mean {path.parent / close[0]}?" if close else ""
        raise ArgumentError(f"there is no file {path}", hint=hint)
    if path.suffix != ".py":
        raise ArgumentError(f"{path} is not a Python file", hint="its name should end in .py")


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """While the file runs, it may import its neighbours."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def users_errors(path: str | Path) -> Iterator[None]:
    """Turn what the user's code raises into a short letter with the line of theirs that raised it."""
    try:
        yield
    except ChainruleError:
        raise
    except (Exception, SystemExit) as error:
        line = _own_line(error, Path(path)) or _noted_line(error)
        if not line:
            raise  # none of their lines is in it: the mistake is ours
        kind = type(error).__name__
        what = "stops by itself" if isinstance(error, SystemExit) else f"raises {kind}: {_first_line(error)}"
        hint = "put what is only for running it as a script below `if __name__ == '__main__':`"
        raise ArgumentError(
            f"{Path(path).name} {what}", where=line, hint=hint if isinstance(error, SystemExit) else ""
        ) from error


def _own_line(error: BaseException, path: Path) -> str:
    """The last line of the user's file that was running, and its text."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path.resolve())]
    return f"{path.name}:{own[-1].lineno}   {own[-1].line or ''}".rstrip() if own else ""


def _noted_line(error: BaseException) -> str:
    """The line that a program was computing when it failed: no frame of the user's is on the stack then."""
    notes = [note.strip() for note in getattr(error, "__notes__", ())]
    found = [note.removeprefix("while computing").strip() for note in notes if note.startswith("while computing")]
    return found[0] if found else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# --- the function and its arguments -----------------------------------------------------------------------------------


def _function(module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    """The function asked for; else `loss`, else the only public one that the file defines."""
    candidates = {
        key: value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    listed = ", ".join(candidates) or "none"
    if name:
        found = getattr(module, name, None)
        if callable(found):
            return found
        close = get_close_matches(name, candidates, n=1)
        what = f"has no function `{name}`" if found is None else f"calls a {type(found).__name__} `{name}`, no function"
        hint = f"did you mean `{close[0]}`?" if close else f"its functions: {listed}"
        raise ArgumentError(f"{path.name} {what}", hint=hint)
    if "loss" in candidates:
        return candidates["loss"]
    plain = {key: value for key, value in candidates.items() if key != "report"}
    if len(plain) == 1:
        return next(iter(plain.values()))
    if not plain:
        raise ArgumentError(f"{path.name} defines no function", hint="define `loss`, which returns one number")
    raise ArgumentError(
        f"{path.name} defines several functions, and none is called `loss`",
        hint=f"say which: {path}:{next(iter(plain))} (there are {', '.join(plain)})",
    )


def _arguments(
    function: Callable[..., Any], module: ModuleType, path: Path
) -> tuple[tuple[str, ...], tuple[Any, ...], dict[str, Any]]:
    """Names and values of the positional arguments, then the keyword-only ones."""
    values = _lookup(function, vars(module), path, "an argument")
    if not values:
        raise ArgumentError(f"{function.__name__} takes no arguments: there is nothing to vary")
    parameters = inspect.signature(function).parameters
    options = {name: value for name, value in values.items() if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY}
    names = tuple(name for name in values if name not in options)
    return names, tuple(values[name] for name in names), options


def _lookup(function: Callable[..., Any], variables: Mapping[str, Any], path: Path, what: str) -> dict[str, Any]:
    """A value for each of a function's parameters: the variable of that name, else the default."""
    found, missing = {}, []
    for p in inspect.signature(function).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.name in variables:
            found[p.name] = variables[p.name]
        elif p.default is not p.empty:
            found[p.name] = p.default
        else:
            missing.append(p.name)
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise ArgumentError(
            f"{path.name} has no variable {names}, {what} of {function.__name__}",
            hint="give the file a variable of that name, or the argument a default",
        )
    return found


def _chosen(module: ModuleType, names: tuple[str, ...], option: str | None) -> tuple[tuple[str, ...], str]:
    """What to vary, and who says so."""
    if option is not None:
        wanted, who = _listed(option), "--wrt"
    elif hasattr(module, "WRT"):
        wanted, who = _wrt_variable(module.WRT), "WRT in the file"
    else:
        wanted, who = [names[0]], "its first argument"
    if not wanted:
        raise ArgumentError(f"{who} names no argument", hint=f"there are {', '.join(names)}")
    if len(set(wanted)) < len(wanted):
        raise ArgumentError(f"{who} names an argument twice")
    return tuple(known(name, names, who) for name in wanted), who


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _wrt_variable(value: Any) -> list[str]:
    names = _listed(value) if isinstance(value, str) else value
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"WRT is {value!r}; it should be a name or a tuple of names", hint='WRT = ("w", "b")')
    return list(names)


def _report(module: ModuleType, path: Path) -> Report | None:
    """The file's `report`, as a function of the arguments by name."""
    function = getattr(module, "report", None)
    if not inspect.isfunction(function):
        return None
    given = _lookup(function, vars(module), path, "an argument")

    def report(arguments: Mapping[str, Any]) -> dict[str, float]:
        values = {name: arguments.get(name, value) for name, value in given.items()}
        with users_errors(path), np.errstate(all="ignore"):
            told = function(**values)
            told = told if isinstance(told, Mapping) else {"report": told}
            return {str(name): float(number) for name, number in told.items()}

    return report
