"""Record a function: run it once on stand-ins; keep what it did, what it read, what must not have changed."""

from __future__ import annotations

import ctypes
import inspect
import os
import threading
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, NoRuleError, SideEffectError
from ..ir import ArrayType, Atom, Const, Program, Var, without_dead_code
from ..locks import Lock
from .captures import Captures
from .collecting import rarely_collecting
from .dispatch import locate
from .outside import Capture, Guard, ValueGuard, is_static
from .recorder import Recorder, Traced
from .stand_in import leaked
from .tree import Tree, flatten
from .where import assigned_name, describe, entrances, is_library, is_python

_under_way = threading.local()
recordings_under_way = ctypes.c_int64(0)  # in all threads: native code calls into Python while there are any
_counting = Lock()


def _alone_after_fork() -> None:
    """In a forked child only this thread goes on."""
    recordings_under_way.value = len(getattr(_under_way, "stack", ()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone_after_fork)


def current() -> Recorder | None:
    """The innermost recording under way in this thread."""
    stack = getattr(_under_way, "stack", None)
    return stack[-1] if stack else None


@dataclass(frozen=True)
class Static:
    """An argument that is part of a recording's key: a whole number, a string, None, an object."""

    value: Any

    def key(self) -> Any:
        return (type(self.value), repr(self.value) if is_static(self.value) else id(self.value))


@dataclass(frozen=True, eq=False)
class Recording:
    """A Program, and when it is the right one.

    The Program's inputs are the arguments that are arrays or numbers (`dynamic` says which of the leaves), then the
    arrays read from outside (`hidden` says where).
    """

    program: Program
    result: Tree
    dynamic: tuple[int, ...]
    hidden: list[
        tuple[Capture | None, Any]
    ]  # where an array was read, and its value then (of use where there is no way back)
    guards: list[Guard]
    asked: list[tuple[int, np.ndarray[Any, Any]]]  # leaves whose very value the function asked for
    conditions: list[tuple[Program, np.ndarray[Any, Any]]]  # what must come out of the same inputs, for the same course
    cacheable: bool
    held: tuple[Any, ...] = ()  # kept alive, since the key names them by id
    derived: dict[Any, Any] = field(default_factory=dict)  # what was made of the Program, by whoever made it

    def fits(self, leaves: Sequence[Any]) -> bool:
        """Whether this recording is right for these arguments (of the right key) now."""
        return all(_equals(leaves[i], value) for i, value in self.asked) and all(g.holds() for g in self.guards)


def _equals(leaf: Any, value: np.ndarray[Any, Any]) -> bool:
    if isinstance(leaf, Traced):
        known = leaf.recorder.known(leaf.atom)
        return known is not None and np.array_equal(known, value)
    return np.array_equal(leaf, value)


def leaf_of(value: Any, name: str) -> Any:
    """An argument's leaf as something that can be recorded: an array, a number, a stand-in, or Static."""
    if isinstance(value, Traced):
        if not value.recorder.open:
            raise leaked()
        return value
    if type(value) is float:
        return value
    if isinstance(value, float) and not isinstance(value, np.generic):
        return float(value)  # a record that works as its number
    if isinstance(value, (np.ndarray, np.generic)):
        if isinstance(value, np.memmap):
            value = np.asarray(value)
        if type(value) is not np.ndarray and not isinstance(value, np.generic):
            raise ArgumentError(
                f"`{name}` is a {type(value).__name__}, which may compute otherwise than an array",
                hint="convert it with np.asarray first",
            )
        if value.dtype.kind in "fiub":
            return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
        if value.dtype.kind == "c":
            raise ArgumentError(
                f"`{name}` holds complex numbers; only real ones are differentiated", hint="pass x.real and x.imag"
            )
        if value.dtype.kind == "O":
            raise ArgumentError(f"`{name}` is an array of Python objects", hint="are its rows of different lengths?")
        return Static(value)
    if hasattr(value, "__array__") and not isinstance(value, type):
        raise ArgumentError(
            f"`{name}` is a {type(value).__name__}, which is not an array", hint=f"pass np.asarray({name})"
        )
    return Static(value)


def kind_and_type(leaf: Any) -> tuple[Any, ArrayType]:
    """What a recording depends on: the type, and whether it is an array or a number, since a function may ask."""
    return leaf.__class__, type_of(leaf)


def type_of(leaf: Any) -> ArrayType:
    """The type of a dynamic leaf."""
    if isinstance(leaf, Traced):
        return leaf.type
    if isinstance(leaf, (np.ndarray, np.generic)):
        return ArrayType(leaf.shape, leaf.dtype)
    return ArrayType((), np.dtype(np.float64), weak=True)


_signatures: weakref.WeakKeyDictionary[Any, Mapping[str, inspect.Parameter]] = weakref.WeakKeyDictionary()


def parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    """A function's parameters by name; none where Python can't tell. Kept, since asking takes tens of microseconds."""
    if isinstance(function, types.FunctionType) and function in _signatures:
        return _signatures[function]
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    if isinstance(function, types.FunctionType):
        _signatures[function] = found
    return found


def argument_names(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> list[str]:
    """What the function calls its positional, then its keyword arguments."""
    parameters = list(parameters_of(function).values())
    names = []
    for n in range(len(args)):
        p = parameters[n] if n < len(parameters) else (parameters[-1] if parameters else None)
        if p is None or p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD):
            names.append(f"argument {n}")
        elif p.kind is p.VAR_POSITIONAL or n >= len(parameters):
            first = (
                next(i for i, q in enumerate(parameters) if q.kind is q.VAR_POSITIONAL)
                if p.kind is p.VAR_POSITIONAL
                else 0
            )
            names.append(f"{p.name}[{n - first}]")
        else:
            names.append(p.name)
    return names + list(options)


def record(
    function: Callable[..., Any], leaves: Sequence[Any], tree: Tree, names: Sequence[str],
    arrange: Callable[[Any], Any] | None = None,
) -> Recording:  # fmt: skip
    """Run `function` on stand-ins for `leaves`, arranged as `tree` (of its args and kwargs).

    `arrange` checks what it returns, and puts it in the form that is recorded.
    """
    with rarely_collecting():
        return _recorded(function, leaves, tree, names, arrange)


def _recorded(
    function: Callable[..., Any], leaves: Sequence[Any], tree: Tree, names: Sequence[str],
    arrange: Callable[[Any], Any] | None,
) -> Recording:  # fmt: skip
    recorder = Recorder()
    captures = Captures(recorder)
    recorder.captures = captures
    stack = _under_way.__dict__.setdefault("stack", [])
    stack.append(recorder)
    with _counting:
        recordings_under_way.value += 1
    try:
        stand_ins, dynamic = [], []
        for i, (leaf, name) in enumerate(zip(leaves, names, strict=True)):
            if isinstance(leaf, Static):
                stand_ins.append(captures.hand(leaf.value, Capture.value(name, leaf.value)))
            else:
                dynamic.append(i)
                example = leaf if isinstance(leaf, (Traced, np.ndarray)) else np.asarray(leaf)[()]
                stand_ins.append(recorder.input(type_of(leaf), name, example, f"its argument `{name}`"))
        inputs = [stand_ins[i]._atom for i in dynamic]
        args, options = tree.of_kinds(captures.view_of).build(stand_ins)
        target = captures.hand(function, Capture.value("the function", function))
        result = _run(recorder, target, args, options)
        _refuse_side_effects(captures, function)
        if [*map(id, flatten((args, options))[0])] != [*map(id, stand_ins)]:
            raise SideEffectError(
                "the function changes a container that is its argument: it is recorded once, so this would not happen"
                " at every call",
                hint="change a copy: params = dict(params)",
            )
        values, result_tree = flatten(result if arrange is None else arrange(result))
        result_tree = result_tree.of_kinds(captures.original_of)
        outputs = tuple(_output(recorder, v, path) for v, path in zip(values, result_tree.paths(), strict=True))
    finally:
        recorder.open = False
        stack.pop()
        with _counting:
            recordings_under_way.value -= 1
    name = getattr(function, "__name__", "program")
    everything = tuple(recorder.equations)
    needed = without_dead_code(Program((), everything, (*outputs, *recorder.conditions)))
    used = {a for e in needed.equations for a in e.inputs} | set(needed.outputs)
    hidden = [(v, source, value) for v, source, value in recorder.hidden if v in used]
    asked = [(dynamic[inputs.index(v)], value) for v, value in recorder.static.items() if v in inputs]
    sources = {v: source for v, source, _ in recorder.hidden}
    guards = list(captures.guards)
    for v, value in recorder.static.items():
        if v in sources and sources[v] is not None:
            guards.append(ValueGuard(sources[v], value))
    all_inputs = (*inputs, *(v for v, _, _ in hidden))
    program = Program(all_inputs, everything, outputs, getattr(function, "__name__", "program"))
    conditions = [(without_dead_code(Program(all_inputs, everything, (v,))), x) for v, x in recorder.conditions.items()]
    return Recording(
        without_dead_code(program), result_tree, tuple(dynamic),
        [(source, value) for _, source, value in hidden],
        guards, asked, conditions,
        cacheable=all(source is not None for _, source, _ in hidden),
        held=tuple(leaf.value for leaf in leaves if isinstance(leaf, Static)),
    )  # fmt: skip


def _run(recorder: Recorder, target: Any, args: Any, options: Any) -> Any:
    try:
        result = target(*args, **options)
    except ChainruleError as error:
        if recorder.refusals:
            raise recorder.refusals[0] from None
        raise locate(error) from None
    except Exception as error:
        if recorder.refusals:  # NumPy, or the user, made something else of it
            raise recorder.refusals[0] from None
        plain = type(error) in (TypeError, AttributeError, ValueError)
        spoken = Traced.__name__ in str(error) or "being recorded>" in str(error)
        if plain and (spoken or _met_a_stand_in(error)):  # Python speaks of a class that the user never wrote
            text = (
                str(error)
                .replace(f"'{Traced.__name__}' object", "an array that is being recorded")
                .replace("Traced", "array")
            )
            raise NoRuleError(
                text, where=_where(error), hint="stand-ins work in NumPy functions of the op table"
            ) from None
        raise
    if recorder.refusals:
        raise recorder.refusals[0]
    return result


entrances[id(_run.__code__)] = _run.__code__


def _refuse_side_effects(captures: Captures, function: Any) -> None:
    try:
        captures.refuse_side_effects()
    except SideEffectError as error:
        code = getattr(function, "__code__", None)
        if code is not None and not error.located:
            error.where = describe((code, 0))
        raise


def _met_a_stand_in(error: BaseException) -> bool:
    """Whether Python's own library failed on a stand-in (json, fractions)."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame if trace is not None else None
    return (
        frame is not None
        and is_python(frame.f_code.co_filename)
        and any(type(value) is Traced for value in frame.f_locals.values())
    )


def _where(error: BaseException) -> str:
    """The user's line that an exception came from."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_library(code.co_filename) and not is_python(code.co_filename):
            found = describe((code, trace.tb_lasti))
        trace = trace.tb_next
    return found


def _output(recorder: Recorder, value: Any, path: str) -> Atom:
    what = f"result{path}" if path else "the result"
    if isinstance(value, Traced):
        if value.recorder is not recorder and not value.recorder.open:
            raise ArgumentError(f"{what} is a stand-in whose recording has ended")
        atom = recorder.atom(value)
        assert isinstance(atom, (Var, Const))
        return atom
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)) and np.asarray(value).dtype.kind in "fiub":
        atom = recorder.atom(np.asarray(value) if not isinstance(value, np.ndarray) else value)
        assert isinstance(atom, (Var, Const))
        return atom
    if inspect.iscoroutine(value):
        value.close()
    missing = " (is a `return` missing?)" if value is None else ""
    raise ArgumentError(f"{what} is {type(value).__name__}, not a number or an array{missing}")


def name_variables(program: Program) -> Program:
    """Give every value that the user assigns to a variable the name of that variable."""
    for n, e in enumerate(program.equations):
        if e.where is None or len(e.outputs) != 1 or e.output.name:
            continue
        after = program.equations[n + 1] if n + 1 < len(program.equations) else None
        # np.mean is a sum, then a quotient, at one place: the last is what is assigned. The same op again is a loop.
        goes_on = after is not None and after.where == e.where and e.output in after.inputs and after.op is not e.op
        if not goes_on:
            e.output.name = assigned_name(e.where)
    for held in program.held():
        name_variables(held)
    return program
