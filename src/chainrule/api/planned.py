"""Functions of functions: one call is read, what it becomes is planned once for each recording, and then only run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..execute import Invocation, Runner, evaluate, executable, inputs_of, memo
from ..ir import Const, Program, Var
from ..native import function_object, inspected, link, low_level
from ..ops.contraction import Spec, canonical, contract
from ..ops.structure import place
from ..trace.collecting import rarely_collecting
from ..trace.outside import Capture
from ..trace.record import Recording, type_of
from ..trace.recorder import Recorder, Traced
from ..trace.tree import Tree, flatten
from .call import Call, Function, Wrt, is_inside, public

Values = list[Any]


@dataclass(frozen=True)
class Plan:
    """A Program that gives the leaves of a result, and how they are arranged."""

    runner: Runner
    result: Tree


@dataclass(frozen=True)
class Reading:
    """One call of a transformed function.

    `compute` says what it becomes: a function of the recording's inputs (and of `further` ones, leaves of the call that
    the function itself does not take), written on stand-ins once for each `key`.
    """

    recording: Recording
    key: Hashable
    compute: Callable[[Values], Any]
    leaves: Sequence[Any]  # of the arguments, as the recording takes them
    given: tuple[tuple[Any, ...], dict[str, Any]] | None  # the call, if its leaves are those that the caller gave
    further: Sequence[tuple[int, Any]] = ()  # which leaf of the call, and its value
    finish: Callable[[Any], Any] | None = None  # what is made of the result, where that is no Program's work

    @property
    def inputs(self) -> Values:
        return [*inputs_of(self.recording, self.leaves), *(value for _, value in self.further)]

    def plan(self, threads: int = 1) -> Plan:
        """What was planned for this recording and so many threads, or a new plan."""
        plans = self.recording.derived.setdefault(("plans", self.key), {})
        found: Plan | None = plans.get((threads, is_inside()))
        if found is None:
            with rarely_collecting():
                found = plans[threads, is_inside()] = self._planned(threads)
        return found

    def _planned(self, threads: int) -> Plan:
        recorder = Recorder(quiet=True)
        dynamic = self.recording.dynamic
        types = [type_of(self.leaves[i]) for i in dynamic]
        types += [v.type for v in self.recording.program.inputs[len(dynamic) :]]
        names = [v.name for v in self.recording.program.inputs]
        for _, value in self.further:
            types.append(type_of(value)._replace(weak=False))
            names.append("")
        inputs = [recorder.input(t, name) for t, name in zip(types, names, strict=True)]
        leaves, tree = flatten(self.compute(list(inputs)))
        outputs = tuple([_atom(recorder, leaf) for leaf in leaves])
        recorder.open = False
        variables: list[Any] = [x._atom for x in inputs]
        program = Program(tuple(variables), tuple(recorder.equations), outputs, self.recording.program.name)
        return Plan(executable(program, threads), tree)

    def invocation(self) -> Invocation | None:
        """How a further call like this one finds its inputs without us; None where it can't."""
        recording = self.recording
        hidden: list[Capture | None] = [capture for capture, _ in recording.hidden]
        if (
            self.given is None
            or self.finish is not None
            or recording.asked
            or recording.conditions
            or not recording.cacheable
        ):
            return None
        if any(isinstance(leaf, Traced) for leaf in self.leaves) or None in hidden:
            return None
        args, options = self.given
        places: tuple[int | Capture, ...] = (
            *recording.dynamic,
            *[c for c in hidden if c is not None],
            *(n for n, _ in self.further),
        )
        return Invocation(args, options, places, recording.guards)


def _atom(recorder: Recorder, leaf: Any) -> Var | Const:
    atom = recorder.atom(leaf if isinstance(leaf, (Traced, np.ndarray)) else np.asarray(leaf))
    assert isinstance(atom, (Var, Const))
    return atom


def spliced(program: Program, values: Values) -> Values:
    """A Program's outputs on stand-ins: its equations are written into their recording."""
    recorder = max((v.recorder for v in values if isinstance(v, Traced)), key=lambda r: r.level)
    return [Traced(recorder, a) for a in recorder.splice(program, [recorder.atom(v) for v in values])]


def unit_rows(like: Traced, types: Sequence[Any]) -> Values:
    """For arrays laid end to end, of N numbers in all: N rows for each array, its parts of the N unit vectors.

    Nothing is stored for them: they are known by their places.
    """
    recorder = like.recorder
    total, start, parts = sum(t.size for t in types), 0, []
    for t in types:
        one = Const(np.ones((), t.dtype))
        spec = canonical(Spec(((),), (0, 0), ((0, t.size),)))
        (atom,) = recorder.emit(contract, (one,), {"spec": spec}, None)
        if t.size != total:
            where = ((start, start + t.size, 1), (0, t.size, 1))
            (atom,) = recorder.emit(place, (atom,), {"index": where, "size": (total, t.size)}, None)
        parts.append(np.reshape(Traced(recorder, atom), (total, *t.shape)))
        start += t.size
    return parts


def answer(call: Call, key: Hashable, compute: Callable[[Values], Any]) -> Any:
    """What a function of a call's inputs gives now; planned once for the call's recording."""
    reading = Reading(call.recording, key, compute, call.leaves, None)
    plan = reading.plan()
    return plan.result.build(evaluate(plan.runner, reading.inputs))


Read = Callable[[tuple[Any, ...], dict[str, Any]], Reading]


def transformed(f: Function, name: Hashable, read: Read, threads: int = 1) -> Function:
    """The function that `read` says the calls of; the same one whenever it is asked for under the same name."""
    return memo(f, (name, threads), lambda: _made(f, read, threads))


def _made(f: Function, read: Read, threads: int) -> Function:
    made: Any = None

    @public
    @functools.wraps(f)
    def slowly(*args: Any, **options: Any) -> Any:
        reading = read(args, options)
        plan = reading.plan(threads)
        result = plan.result.build(evaluate(plan.runner, reading.inputs))
        if reading.finish is not None:
            return reading.finish(result)
        target = made()
        if target is not None:
            show(target, reading, plan)
        return result

    function, made = function_object(slowly, f)
    function.inspect = functools.partial(_inspect, read)
    function.low_level_callable = functools.partial(_low_level_callable, read)
    return function


def show(made: Any, reading: Reading, plan: Plan) -> None:
    """Let a function of `function_object` find the kernel of further calls like this one by itself, if that can be."""
    call = reading.invocation()
    if call is not None:
        link(made, call, plan.runner, plan.result)


@public
def _inspect(read: Read, *args: Any, **options: Any) -> Any:
    """What a call with these arguments runs: kernels, their loops, what they cost, and where the time goes."""
    reading = read(args, options)
    values = reading.inputs
    if any(isinstance(v, Traced) for v in values):
        raise ArgumentError("inside a recorded function there is nothing to inspect yet")
    return inspected(reading.plan().runner, values)


@public
def _low_level_callable(read: Read, *args: Any) -> Any:
    """The function of real numbers as `scipy.LowLevelCallable`, for SciPy's quad and the like.

    `args` are numbers like those to come; without any, one is taken. Arrays and numbers read from outside are those of
    now.
    """
    numbers = [float(x) for x in args or (1.0,)]
    reading = read(tuple(numbers), {})
    return low_level(reading.plan().runner, range(len(reading.recording.dynamic)), reading.inputs)


def call_reading(
    f: Function,
    args: tuple[Any, ...],
    options: dict[str, Any],
    wrt: Wrt | None,
    key: Callable[[Call], Hashable],
    compute: Callable[[Call, Values], Any],
    check: Callable[[Call], None] = lambda call: None,
    instead: Callable[[Call], Reading | None] = lambda call: None,
) -> Reading:
    """A call that passes its arguments on to the function as they are; `instead` may have a better way."""
    call = Call(f, args, options, wrt)
    check(call)
    return instead(call) or Reading(
        call.recording, key(call), lambda inputs: compute(call, inputs), call.leaves, call.given_as(args, options)
    )
