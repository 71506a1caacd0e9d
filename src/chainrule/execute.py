"""The one place that runs Programs, and keeps recordings.

The NumPy executor is the reference for ever: a Program becomes a Python function of one line per equation. Recordings
are kept with the function they were made of, keyed by structure, shapes, dtypes and static values; guards choose among
those of one key; the number kept is bounded; several threads may ask at once.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from .errors import ArgumentError
from .ir import Atom, Const, Program, Var
from .locks import Lock
from .trace.outside import Capture, Guard
from .trace.record import Recording, Static, current, kind_and_type, record
from .trace.recorder import Recorder, Traced
from .trace.tree import Tree
from .trace.where import describe
from .transform.simplify import simplify

KEPT = 64  # recordings of one function
_lock = Lock()
_strays: OrderedDict[int, tuple[Any, OrderedDict[Hashable, list[Recording]]]] = OrderedDict()


# --- the NumPy executor ---------------------------------------------------------------------------------------------


class Executable:
    """A Program ready to run on arrays."""

    __slots__ = ("_where", "program", "unguarded")

    def __init__(self, program: Program) -> None:
        self.program = program
        source, scope, self._where = _source(program)
        exec(compile(source, "<chainrule program>", "exec"), scope)
        self.unguarded = scope["program"]  # as it is: it may hand out its own inputs, and warn

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The outputs: arrays of their own, numbers as NumPy scalars."""
        try:
            with np.errstate(all="ignore"):
                found = self.unguarded(*values)
        except Exception as error:
            self.annotate(error)
            raise
        own: list[Any] = []
        for value, atom in zip(found, self.program.outputs, strict=True):
            array = np.asarray(value)
            if array.dtype != atom.type.dtype:
                array = array.astype(atom.type.dtype)
            if array.ndim == 0:
                own.append(array[()])
            elif array.base is not None or not array.flags.writeable or any(array is v for v in (*values, *own)):
                own.append(array.copy())  # never hand out memory that is somebody else's
            else:
                own.append(array)
        return tuple(own)

    def annotate(self, error: Exception) -> None:
        """Say on which line of the user's an error happened."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<chainrule program>":
                where = self._where.get(trace.tb_lineno)
                if where is not None:
                    error.add_note(f"  while computing   {describe(where)}")
                return
            trace = trace.tb_next


def _source(program: Program) -> tuple[str, dict[str, Any], dict[int, Any]]:
    """Python that runs the Program. A name is used again once its value is not needed: so memory is freed."""
    scope: dict[str, Any] = {}
    last: dict[Var, int] = {}
    for n, e in enumerate(program.equations):
        for a in e.inputs:
            if isinstance(a, Var):
                last[a] = n
    for a in program.outputs:
        if isinstance(a, Var):
            last[a] = len(program.equations)
    name: dict[Var, str] = {v: f"x{i}" for i, v in enumerate(program.inputs)}
    free: list[str] = []
    made = 0
    where = {}
    constants: dict[int, str] = {}

    def read(a: Atom) -> str:
        if isinstance(a, Var):
            return name[a]
        if id(a) not in constants:
            constants[id(a)] = f"c{len(constants)}"
            scope[constants[id(a)]] = a.value
        return constants[id(a)]

    lines = [f"def program({', '.join(name.values())}):"]
    functions: dict[Any, str] = {}
    for n, e in enumerate(program.equations):
        key = (e.op, tuple(e.params.items()))
        if key not in functions:
            functions[key] = f"f{len(functions)}"
            scope[functions[key]] = functools.partial(e.op.evaluate, **e.params) if e.params else e.op.evaluate
        call = f"{functions[key]}({', '.join(map(read, e.inputs))})"
        targets = []
        for a in set(e.inputs):
            if isinstance(a, Var) and last.get(a) == n and a not in program.inputs:
                free.append(name[a])
        for v in e.outputs:
            if free:
                name[v] = free.pop()
            else:
                name[v] = f"v{made}"
                made += 1
            targets.append(name[v])
        for v in e.outputs:
            if v not in last:
                free.append(name[v])
        lines.append(f"  {', '.join(targets)} = {call}")
        where[len(lines)] = e.where
    lines.append(f"  return ({''.join(read(a) + ', ' for a in program.outputs)})")
    return "\n".join(lines), scope, where


class Runner(Protocol):
    """A Program that can be run, on NumPy or as native code; its outputs are arrays of their own, and NumPy scalars."""

    @property
    def program(self) -> Program: ...

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]: ...


def run(program: Program, values: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs of a Program on arrays, or on stand-ins: then it is written into their recording."""
    return evaluate(Executable(program), values)


def evaluate(runner: Runner, values: Sequence[Any]) -> tuple[Any, ...]:
    """Run on arrays; on stand-ins, splice into the innermost recording among theirs and the one under way."""
    if not any(isinstance(v, Traced) for v in values):
        return runner(values)
    recorders = [v.recorder for v in values if isinstance(v, Traced)]
    if (innermost := current()) is not None:
        recorders.append(innermost)
    recorder = max(recorders, key=lambda r: r.level)
    program = runner.program
    atoms = [_fitting(recorder, v, x) for v, x in zip(values, program.inputs, strict=True)]
    return tuple(Traced(recorder, a) for a in recorder.splice(program, atoms))


def _fitting(recorder: Recorder, value: Any, x: Var) -> Atom:
    atom = recorder.atom(value)
    if not isinstance(atom, (Var, Const)):
        atom = Const(np.asarray(atom, x.type.dtype))
    return atom


class Invocation(NamedTuple):
    """One call as the caller made it, and what of it a Program's inputs are."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    inputs: tuple[int | Capture, ...]  # for each input: which leaf of the arguments, or where else it is read
    guards: Sequence[Guard]  # what must not have changed


# --- recordings -----------------------------------------------------------------------------------------------------


class _Store:
    """What is kept with a function: so it goes when the function goes. It changes."""

    __slots__ = ("made", "owner", "recordings")

    def __init__(self, owner: Any) -> None:
        self.owner = weakref.ref(owner)
        self.recordings: OrderedDict[Hashable, list[Recording]] = OrderedDict()
        self.made: dict[Hashable, Any] = {}


def _store(owner: Any) -> _Store | None:
    """A function's own store; None where nothing can be attached to it."""
    if not isinstance(owner, types.FunctionType) and type(owner).__module__ != "chainrule":
        return None
    kept = owner.__dict__.get("__chainrule__")
    if kept is None or kept.owner() is not owner:  # functools.wraps copies another function's attributes, ours too
        kept = owner.__dict__["__chainrule__"] = _Store(owner)
    return kept


def memo(function: Any, name: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` makes of a function, made once for each name, where it can be kept."""
    store = _store(function)
    if store is None:
        return make()
    found = store.made.get(name)
    if found is None:
        found = store.made[name] = make()
    return found


def kept(function: Any, name: Hashable) -> Any:
    """What `memo` has made of a function under this name, or None."""
    store = _store(function)
    return None if store is None else store.made.get(name)


def _table(function: Any) -> OrderedDict[Hashable, list[Recording]]:
    """Where a function's recordings are kept: with the function, so that they go when it goes."""
    owner = function.__func__ if isinstance(function, types.MethodType) else function
    store = _store(owner)
    if store is not None:
        return store.recordings
    entry = _strays.get(id(owner))
    if entry is None:
        entry = _strays[id(owner)] = (owner, OrderedDict())
        if len(_strays) > KEPT:
            _strays.popitem(last=False)
    return entry[1]


def recording_of(
    function: Callable[..., Any], leaves: Sequence[Any], tree: Tree, names: Sequence[str],
    arrange: Callable[[Any], Any] | None = None,
) -> Recording:  # fmt: skip
    """The recording of `function` that is right for these arguments: found, or made."""
    if not callable(function):
        raise ArgumentError(f"a function is needed, not {type(function).__name__}")
    this = id(function.__self__) if isinstance(function, types.MethodType) else 0
    key = (
        this,
        tree,
        arrange,
        tuple([leaf.key() if isinstance(leaf, Static) else kind_and_type(leaf) for leaf in leaves]),
    )
    with _lock:
        table = _table(function)
        found = list(table.get(key, ()))
        if key in table:
            table.move_to_end(key)
    for recording in found:
        if recording.fits(leaves) and _takes_the_same_course(recording, leaves):
            return _adopted(recording)
    recording = record(function, leaves, tree, names, arrange)
    if recording.cacheable:
        with _lock:
            kept = table.setdefault(key, [])
            kept.insert(0, recording)
            del kept[KEPT // 4 :]
            while len(table) > KEPT:
                table.popitem(last=False)
    return _adopted(recording)


def _takes_the_same_course(recording: Recording, leaves: Sequence[Any]) -> bool:
    """Whether what the function's course depended on (a mask) comes out the same for these arguments."""
    if not recording.conditions:
        return True
    inputs = inputs_of(recording, leaves)
    runs = derived(recording, "conditions", lambda _: [Executable(program) for program, _ in recording.conditions])
    for run, (_, expected) in zip(runs, recording.conditions, strict=True):
        (value,) = evaluate(run, inputs)
        if isinstance(value, Traced):
            value = value.recorder.condition(value.atom)
        if value is None or not np.array_equal(value, expected):
            return False
    return True


def _adopted(recording: Recording) -> Recording:
    """Inside another recording, what this one must not find changed must hold for that one too."""
    outer = current()
    if outer is not None and outer.captures is not None:
        outer.captures.guards.extend(recording.guards)
    return recording


def inputs_of(recording: Recording, leaves: Sequence[Any]) -> list[Any]:
    """The values of a recording's inputs now; inside another recording, arrays read from outside are its inputs too."""
    outer = current()
    values = [leaves[i] for i in recording.dynamic]
    for capture, value in recording.hidden:
        value = capture.read() if capture is not None else value
        if outer is not None and not isinstance(value, Traced):
            known = outer.lifted.get(id(capture))
            if known is None:
                hidden = outer.hide(value, capture, capture.name if capture else "")
                known = outer.lifted[id(capture)] = (capture, hidden.variable)
            value = Traced(outer, known[1])
        values.append(value)
    return values


def derived(recording: Recording, key: Hashable, make: Callable[[Program], Any]) -> Any:
    """What `make` makes of the recording's Program, kept with it."""
    found = recording.derived.get(key)
    if found is None:
        found = recording.derived[key] = make(recording.program)
    return found


_compilers: list[Callable[[Program, int], Runner]] = []


def register(compiler: Callable[[Program, int], Runner]) -> None:
    """From now on, let `compiler` make what runs a Program on so many threads, instead of the NumPy executor."""
    _compilers[:] = [compiler]


def executable(program: Program, threads: int = 1) -> Runner:
    """A Program, simplified and ready to run, the fastest way there is; long loops on so many threads."""
    program = simplify(program)
    return _compilers[0](program, threads) if _compilers else Executable(program)
