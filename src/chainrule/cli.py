"""The command line: `chainrule study`, `check`, `derive`, `antiderive`, `integrate`, `cache`.

Exit codes: 0 all is well, 1 the gradient is wrong (`check`: or can't be judged; `antiderive`: no rule leads to an
antiderivative, which does not prove that there is none; `integrate`: the integral does not exist, or is not known well
enough), 2 the input can't be used, 70 the
mistake is ours, 130 interrupted.

With `--json`, standard output is one JSON document, and everything else goes to standard error.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import ChainruleError

WRONG, BAD_INPUT, OURS, INTERRUPTED = 1, 2, 70, 130

app = typer.Typer(
    help="Calculus for machine learning that runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[str, typer.Argument(metavar="FILE.py[:FUNCTION]", help="A plain Python file, and the function in it.")]
Wrt = Annotated[str | None, typer.Option(help="What to differentiate with respect to: names, with commas between.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Html = Annotated[Path | None, typer.Option(help="Write the report as one HTML page to this file.")]
Seconds = Annotated[float, typer.Option(min=0.0, help="About how long it may take.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error was raised.")]


def main() -> None:
    """The entry point of `chainrule`."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack our letters
    app(prog_name="chainrule")


# --- errors and JSON --------------------------------------------------------------------------------------------------


def command(function: Callable[..., int]) -> Callable[..., None]:
    """A command that returns its exit code, and whose errors are printed as letters."""

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> None:
        if options.get("traceback"):
            os.environ["CHAINRULE_TRACEBACK"] = "1"
        try:
            code = function(*args, **options)
        except ChainruleError as error:
            code = _refuse(error, options.get("json_", False))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = INTERRUPTED
        except Exception as error:
            traceback.print_exception(error)
            print("This is a mistake of ours: please report it, with what is printed above.", file=sys.stderr)
            code = OURS
        raise typer.Exit(code)

    return run


def _refuse(error: ChainruleError, as_json: bool) -> int:
    """Print the error as the letter it is."""
    if os.environ.get("CHAINRULE_TRACEBACK"):
        traceback.print_exception(error)
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    for note in getattr(error, "__notes__", ()):
        print(note, file=sys.stderr)
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error)}})
    return BAD_INPUT


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    print(json.dumps(plain(document), ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """What JSON can hold: numbers that are not finite become "nan", "inf" and "-inf".

    >>> plain({"x": (1.0, float("nan"))})
    {'x': [1.0, 'nan']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy arrays and numbers
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


@contextlib.contextmanager
def _users_output(as_json: bool) -> Iterator[None]:
    """What the user's own code prints must not get between the lines of a JSON document."""
    if not as_json:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


# --- the commands -----------------------------------------------------------------------------------------------------


@app.command()
@command
def study(
    file: File,
    wrt: Wrt = None,
    html: Html = None,
    seconds: Seconds = 60.0,
    json_: Json = False,
    traceback: Traceback = False,
) -> int:
    """Everything there is to say of a function: its gradient, a check of it, its minimum.

    The function's arguments are the file's variables of the same names. What is varied: --wrt, else WRT in the file,
    else the first argument.
    """
    from .study import page, run, terminal
    from .study.loader import load

    if html is not None:
        page.require_writable(html)
    with _users_output(json_):
        problem = load(file, wrt)
        out = terminal.console(stderr=json_)
        show = (lambda study: None) if json_ else terminal.Printer(out)
        with terminal.Bar(terminal.console(stderr=True)) as bar:
            found = run.run(problem, show, bar, seconds)
        if not json_:
            show(found)
        if html is not None:
            page.write(found, html)
            out.print(f"\nThe report is in {html}.")
    if json_:
        print_json(found.as_dict())
    if found.interrupted:
        return INTERRUPTED
    return WRONG if found.check is not None and found.check.verdict == "wrong" else 0


@app.command()
@command
def check(file: File, wrt: Wrt = None, json_: Json = False, traceback: Traceback = False) -> int:
    """Does the gradient agree with differences of values, and how sure is that?"""
    from .study.loader import load
    from .study.sections import check_problem

    with _users_output(json_):
        found = check_problem(load(file, wrt))
    if json_:
        print_json(found.as_dict())
    else:
        print(found)
    return 0 if found.ok else WRONG


@app.command()
@command
def derive(
    expression: Annotated[str, typer.Argument(help='A formula of NumPy functions, like "log(1 + exp(x))".')],
    wrt: Annotated[str | None, typer.Option(help="The variable: its only name, or x.")] = None,
    json_: Json = False,
    traceback: Traceback = False,
) -> int:
    """The derivative of an expression, step by step."""
    from .api import derive as derived

    found = derived(expression, wrt=wrt)
    if json_:
        print_json(found.as_dict())
    else:
        print(found)
    return 0


@app.command()
@command
def antiderive(
    expression: Annotated[str, typer.Argument(help='A formula of NumPy functions, like "x * exp(-x)".')],
    wrt: Annotated[str | None, typer.Option(help="The variable: its only name, or x.")] = None,
    json_: Json = False,
    traceback: Traceback = False,
) -> int:
    """An antiderivative of an expression, step by step; exit code 1 if no rule leads to one."""
    from .api import antiderive as antiderived

    found = antiderived(expression, wrt=wrt)
    if json_:
        print_json(found.as_dict())
    else:
        print(found)
    return 0 if found.found else WRONG


Limit = Annotated[str, typer.Argument(metavar="LIMIT", help="A number, or an expression without x: pi/2, -inf.")]


@app.command(context_settings={"ignore_unknown_options": True})  # -1 is a limit
@command
def integrate(
    expression: Annotated[str, typer.Argument(help='A formula of NumPy functions, like "x * exp(-x)".')],
    a: Limit,
    b: Limit,
    json_: Json = False,
    traceback: Traceback = False,
) -> int:
    """The integral of an expression from A to B, with its error, and an antiderivative where there is one."""
    from .api import antiderive as antiderived
    from .api import integrate as integrated

    found = integrated(expression, limit(a), limit(b))
    try:
        back = antiderived(expression)
    except ChainruleError:  # no rule reads it: the number stands
        back = None
    known = back is not None and back.found
    if json_:
        print_json({**found.as_dict(), "antiderivative": str(back.result) if known and back is not None else None})
    else:
        print(found)
        if known and back is not None:
            print(back.result)
    return 0 if found.verdict == "converged" else WRONG


def limit(text: str) -> float:
    """A limit of an integral: a number, or an expression without variables.

    >>> limit("-inf"), limit("2*pi") / 2
    (-inf, 3.141592653589793)
    """
    from .errors import ArgumentError
    from .explain.parse import numbers_taken, parse

    try:
        return float(text)
    except ValueError:
        pass
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    if rest in ("inf", "infinity", "oo", "∞"):
        return sign * math.inf
    function = parse(text)
    if numbers_taken(function):
        raise ArgumentError(f"the limit {text!r} is a number, or an expression without variables")
    return float(function())


@app.command()
@command
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what is kept.")] = False,
    json_: Json = False,
    traceback: Traceback = False,
) -> int:
    """The compiled code that is kept for later processes: where, and how much.

    CHAINRULE_CACHE_DIR names another folder; if it is empty or 0, nothing is kept.
    """
    from .native import cache as kept

    folder, (objects, size) = kept.folder(), kept.clear() if clear else kept.contents()
    if json_:
        print_json({"folder": folder, "objects": objects, "bytes": size, "limit": kept.LIMIT, "cleared": clear})
    elif folder is None:
        print("nothing is kept: CHAINRULE_CACHE_DIR is empty or 0, or there is no home")
    else:
        found = f"{objects} object{'' if objects == 1 else 's'}, {_bytes(size)}"
        print(folder, f"removed: {found}" if clear else f"{found} of at most {_bytes(kept.LIMIT)}", sep="\n")
    return 0


def _bytes(size: int) -> str:
    """
    >>> _bytes(999), _bytes(256 << 20)
    ('999 bytes', '256.0 MiB')
    """
    amount, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if amount >= 1000:
            amount, unit = amount / 1024, larger
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from . import __version__

        print(f"chainrule {__version__}")
        raise typer.Exit(0)
