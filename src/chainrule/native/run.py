"""A Program as native code, where it can be, and NumPy for the rest: stretches of both, in turn.

A stretch of native equations becomes one kernel; what has no native form runs as it does in the NumPy executor. So
does a stretch whose kernel fails (a singular matrix): NumPy raises what is to be raised.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..execute import Executable, Runner
from ..ir import Atom, Equation, Program, Var
from ..later import importing
from ..ops.control import holds_a_program
from .cache import cached
from .externs import addresses
from .fences import Fences, standing
from .foreign import Foreign
from .key import key_of_program, named
from .llvm import Loaded, load
from .tiers import Tiered

Turns = list[tuple[str, list[int]]]  # how equations run ("straight", "loops", "numpy"), and which


class Stretch:
    """Native code of a Program: `kernel` is called with the addresses of what it reads and writes.

    `inputs`, `outputs` and `constants` say at which places of those addresses they are; the last is of `scratch` bytes.
    Outputs in `zeroed` must be zero before.
    Where there are loops in pieces, the number of `threads` stands among the addresses at `threads_at`.
    """

    def __init__(self, program: Program, key: bytes | None = None, straight: bool = False, threads: int = 1) -> None:
        """Its machine code, with loops or without, the same for any number of threads, is kept under this key."""
        if straight:
            made = cached(named(b"straight", key), lambda: _compiler().straight_code(program))
        else:
            made = cached(named(b"kernel", key), lambda: _compiler().kernel(program))
        self.program = program
        self.inputs: list[int] = made.facts["inputs"]
        self.outputs: list[int] = made.facts["outputs"]
        self.zeroed: list[int] = made.facts.get("zeroed", [])
        self.constants = dict(zip(made.facts["constants"], made.arrays, strict=True))
        self.scratch: int = made.facts["scratch"]
        self.places: int = made.facts["places"]
        self.threads, self.threads_at = threads, made.facts.get("threads")
        self.code: Loaded | Tiered
        if straight:
            self.code = Tiered(made, lambda: _compiler().modules(program))
            self.kernel = self.code.entry
        else:
            self.code = load(made.code, ["kernel"], addresses(frozenset(made.facts["symbols"])))
            self.kernel = self.code["kernel"]
        self._call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(self.kernel)
        self._addresses = np.zeros(self.places, np.uintp)
        for n, array in self.constants.items():
            self._addresses[n] = array.ctypes.data
        if self.threads_at is not None:
            self._addresses[self.threads_at] = threads

    @property
    def is_straight(self) -> bool:
        """Whether it is straight-line code, without loops."""
        return isinstance(self.code, Tiered)

    @cached_property
    def text(self) -> str:
        """The LLVM IR."""
        if isinstance(self.code, Tiered):
            return "\n".join(m.text for m in _compiler().modules(self.program))
        return str(_compiler().text(self.program))

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        types = [v.type.dtype for v in self.program.inputs]
        arrays = [np.require(v, t, ["C", "A"]) for v, t in zip(values, types, strict=True)]
        if standing():
            return self._among_fences(arrays)
        outputs = [
            (np.zeros if n in self.zeroed else np.empty)(a.type.shape, a.type.dtype)
            for a, n in zip(self.program.outputs, self.outputs, strict=True)
        ]
        addresses = self._addresses.copy()
        for places, given in ((self.inputs, arrays), (self.outputs, outputs)):
            for n, array in zip(places, given, strict=True):
                addresses[n] = array.ctypes.data
        if self.scratch:
            scratch = np.empty(self.scratch, np.uint8)
            addresses[-1] = scratch.ctypes.data
        if self._status(addresses):
            return self._instead(arrays)
        return tuple(y[()] if y.ndim == 0 else y for y in outputs)

    @cached_property
    def _instead(self) -> Runner:
        """What runs where the kernel fails: NumPy, which knows how to say what is wrong; of integrals, only those."""
        if any(holds_a_program(e) and e.op.native is not None and e.op.native.means for e in self.program.equations):
            return Mixed(self.program, _compiler().turns(self.program, sure=True))
        return Executable(self.program)

    def _status(self, addresses: Any) -> int:
        try:
            return int(self._call(addresses.ctypes.data))
        except SystemError as error:  # the kernel has left an exception: of the handler of a signal
            if error.__cause__ is None:
                raise
            left = error.__cause__
        raise left

    def _among_fences(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """The same, looking whether anything is written where it must not be."""
        types = [a.type for a in self.program.outputs]
        sizes = {n: t.size * t.dtype.itemsize for n, t in zip(self.outputs, types, strict=True)}
        own = {self.places - 1: self.scratch} if self.scratch else {}
        fences = Fences(dict(zip(self.inputs, arrays, strict=True)) | self.constants, sizes | own, self.zeroed)
        where = self._addresses.copy()
        for n in fences.fields:
            where[n] = fences.address(n)
        status = self._status(where)
        fences.check()
        if status:
            return self._instead(arrays)
        outputs = [fences.written(n, t.shape, t.dtype) for n, t in zip(self.outputs, types, strict=True)]
        return tuple(y[()] if y.ndim == 0 else y for y in outputs)


def compiled(program: Program, threads: int = 1) -> Runner:
    """The Program, simplified before, as native code as far as it goes; long loops on so many threads."""
    key = key_of_program(program)
    plan = cached(named(b"plan", key), lambda: _compiler().plan(program)).facts
    if all(how == "numpy" for how, _ in plan["turns"]):
        return Executable(program)
    if plan["whole"]:
        return _runner(program, key, plan["turns"][0][0], threads)
    return Mixed(program, plan["turns"], threads)


def _runner(program: Program, key: bytes | None, how: str, threads: int) -> Runner:
    """What runs a stretch, as the plan says; each equation has a native form, and some together have none yet."""
    for straight in (True, False) if how == "straight" else (False,) if how == "loops" else ():
        try:
            return Stretch(program, key, straight, threads)
        except Foreign:
            continue
    return Executable(program)


def _compiler() -> Any:
    """Imported when something is compiled: what was kept needs nothing of it."""
    with importing:
        from . import compiler

        return compiler


class Mixed:
    """A Program as stretches of native code and of NumPy."""

    def __init__(self, program: Program, turns: Turns | None = None, threads: int = 1) -> None:
        self.program = program
        self.parts: list[tuple[Any, tuple[Atom, ...], tuple[Var, ...]]] = []
        outputs = program.outputs
        self._shared = {a for a in outputs if not isinstance(a, Var) or outputs.count(a) > 1 or a in program.inputs}
        pieces = [
            (how, [program.equations[n] for n in numbers]) for how, numbers in turns or _compiler().turns(program)
        ]
        given = [_read(equations) for _, equations in pieces]
        wanted = {*outputs, *(v for inputs in given for v in inputs)}
        for (how, equations), inputs in zip(pieces, given, strict=True):
            made = tuple([v for e in equations for v in e.outputs if v in wanted])
            part = Program(inputs, tuple(equations), made)
            self.parts.append((_runner(part, key_of_program(part), how, threads), inputs, made))

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        known: dict[Atom, Any] = dict(zip(self.program.inputs, values, strict=True))
        for run, inputs, outputs in self.parts:
            known.update(zip(outputs, run([known[a] for a in inputs]), strict=True))
        given = {id(v) for v in values}
        found: list[Any] = []
        for a in self.program.outputs:
            array = np.asarray(known[a] if isinstance(a, Var) else a.value)
            if array.ndim and (a in self._shared or id(array) in given):
                array = array.copy()  # never hand out memory that is somebody else's
            found.append(array[()] if array.ndim == 0 else array)
        return tuple(found)


def _read(equations: list[Equation]) -> tuple[Var, ...]:
    """What equations read and don't make."""
    made = {v for e in equations for v in e.outputs}
    return tuple(dict.fromkeys([a for e in equations for a in e.inputs if isinstance(a, Var) and a not in made]))
