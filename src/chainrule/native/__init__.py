"""Programs as machine code: loops that are fused and vectorized, and a way to call them that costs a tenth of µs.

Everything here is loaded when it is first used, and does without where llvmlite or this interpreter can't: then the
NumPy executor runs the same Programs, and one line in the log says why.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
import functools
from typing import Any

from ..errors import ArgumentError
from ..execute import Executable, Invocation, Runner
from ..ir import Program
from ..later import imported, importing
from ..trace.tree import Tree


def _warn(text: str) -> None:
    import logging

    logging.getLogger("chainrule").warning(text)


@functools.cache
def available() -> bool:
    """Whether there is a compiler; where there is none, it is said once."""
    from importlib.util import find_spec

    if find_spec("llvmlite") is None:
        _warn("llvmlite is not installed: chainrule runs on NumPy, many times slower")
        return False
    with importing:
        from .llvm import target

    if not target().fused:
        _warn("this processor has no fused multiply-add: chainrule runs on NumPy, many times slower")
        return False
    return True


def compiled(program: Program, threads: int = 1) -> Runner:
    """What runs a simplified Program."""
    if not available():
        return Executable(program)
    if threads > 1:
        _looked_for_threads()
    with importing:
        from .run import compiled as make

    return make(program, threads)


@functools.cache
def _looked_for_threads() -> None:
    """Where there are none, that is said once."""
    with importing:
        from .pool import has_threads

    if not has_threads():
        _warn("this system has no POSIX threads: `threads` changes nothing, every loop runs on the caller's thread")


@functools.cache
def _objects() -> bool:
    """Whether functions can be objects that are called without Python."""
    if not available():
        return False
    with importing:
        from .entry import layout_holds

    if not layout_holds():
        _warn("this Python's objects have another layout: calls take some 20 µs more")
        return False
    return True


def function_object(slow: Callable[..., Any], like: Any) -> tuple[Any, Callable[[], Any]]:
    """A function that calls `slow`, unless `link` has shown it a faster way; and a weak reference to it."""
    if not _objects():
        return slow, lambda: None
    with importing:
        from .entry import function

    made = function(slow, like)
    return made, weakref.ref(made)


def link(made: Any, call: Invocation, runner: Runner, result: Tree) -> None:
    """Let a function of `function_object` take further calls like this one to the kernel itself, if that can be."""
    with importing:
        from .link import link as enter

    if isinstance(runner, imported("chainrule.native.run.Stretch")):
        enter(made, call, runner, result)


def inspected(runner: Runner, values: Sequence[Any]) -> Any:
    """What runs a Program, run on these values and looked at."""
    if not available():
        raise ArgumentError("there is nothing to inspect: Programs run on NumPy here", hint="pip install llvmlite")
    with importing:
        from .inspection import inspected as look

    return look(runner, values)


def low_level(runner: Runner, moving: Sequence[int], values: Sequence[Any]) -> Any:
    """A Program of numbers as a function of C."""
    if not isinstance(runner, imported("chainrule.native.run.Stretch")):
        raise ArgumentError("the function has no machine code of its own", hint="f.inspect(…) says what runs on NumPy")
    with importing:
        from .low_level import low_level as make

    return make(runner, moving, values)
