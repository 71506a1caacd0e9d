"""A Program as native code, where it can be, and NumPy for the rest: stretches of both, in turn.

A stretch of native equations becomes one kernel; what has no native form runs as it does in the NumPy executor. So
does a stretch whose kernel fails (a singular matrix): NumPy raises what is to be raised.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..execute import Executable, Runner
from ..ir import Atom, Equation, Program, Var
from .elementwise import has_formula
from .emit import Kernel
from .externs import addresses
from .lanes import KINDS
from .llvm import load, object_code, target
from .loops import steps_have_a_form
from .lower import Foreign, lowered
from .schedule import scheduled, together


class Stretch:
    """Native code of a Program: `kernel` is called with the addresses of what it reads and writes.

    `inputs`, `outputs` and `constants` say at which places of those addresses they are; the last is of `scratch` bytes.
    """

    def __init__(self, program: Program) -> None:
        found = lowered(program)
        classes = together(found)
        kernel = Kernel(found, classes, scheduled(found, classes), target().width, "kernel")
        self.program = program
        self.text = kernel.module()
        self.scratch = kernel.scratch
        self._loaded = load(object_code(self.text), ["kernel"], addresses(frozenset(kernel.text.imported)))
        self.kernel = self._loaded["kernel"]
        self._call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(self.kernel)
        places = {what: n for n, (what, _) in enumerate(kernel.given)}
        self.inputs = [places[v] for v in program.inputs]
        self.outputs = [places[r.source] for r in found.outputs]
        self.constants = {
            n: np.ascontiguousarray(what.value)  # type: ignore[attr-defined]
            for n, (what, b) in enumerate(kernel.given)
            if b.role == "constant"
        }
        self.places = len(places) + (1 if self.scratch else 0)
        self._addresses = np.zeros(self.places, np.uintp)
        for n, array in self.constants.items():
            self._addresses[n] = array.ctypes.data

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        types = [v.type.dtype for v in self.program.inputs]
        arrays = [np.require(v, t, ["C", "A"]) for v, t in zip(values, types, strict=True)]
        outputs = [np.empty(a.type.shape, a.type.dtype) for a in self.program.outputs]
        addresses = self._addresses.copy()
        for places, given in ((self.inputs, arrays), (self.outputs, outputs)):
            for n, array in zip(places, given, strict=True):
                addresses[n] = array.ctypes.data
        if self.scratch:
            scratch = np.empty(self.scratch, np.uint8)
            addresses[-1] = scratch.ctypes.data
        if self._call(addresses.ctypes.data):
            return Executable(self.program)(values)  # NumPy knows how to say what is wrong
        return tuple(y[()] if y.ndim == 0 else y for y in outputs)


def compiled(program: Program) -> Runner:
    """The Program, simplified before, as native code as far as it goes."""
    if not any(native(e) for e in program.equations):
        return Executable(program)
    if all(native(e) for e in program.equations) and not _empty(program):
        try:
            return Stretch(program)
        except Foreign:  # each equation has a native form, and these together have none yet
            pass
    return Mixed(program)


def _empty(program: Program) -> bool:
    """Whether an array without elements comes in or goes out."""
    return any(a.type.size == 0 or a.type.dtype.name not in KINDS for a in (*program.inputs, *program.outputs))


def native(e: Equation) -> bool:
    """Whether an equation has a native form."""
    how = e.op.native
    if how is None or (how.how in ("formula", "function") and not has_formula(e)):
        return False
    if how.how == "routine" and not steps_have_a_form(e):
        return False
    return all(t.dtype.name in KINDS for t in (*(a.type for a in e.inputs), *(v.type for v in e.outputs)))


class Mixed:
    """A Program as stretches of native code and of NumPy."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.parts: list[tuple[Any, tuple[Atom, ...], tuple[Var, ...]]] = []
        outputs = program.outputs
        self._shared = {a for a in outputs if not isinstance(a, Var) or outputs.count(a) > 1 or a in program.inputs}
        for kind, equations in _stretches(program):
            self._add(kind, equations)

    def _add(self, kind: bool, equations: list[Equation]) -> None:
        made = {v for e in equations for v in e.outputs}
        inputs = tuple(dict.fromkeys(a for e in equations for a in e.inputs if isinstance(a, Var) and a not in made))
        mine = set(map(id, equations))
        wanted = {a for e in self.program.equations if id(e) not in mine for a in e.inputs} | set(self.program.outputs)
        outputs = tuple(v for e in equations for v in e.outputs if v in wanted)
        part = Program(inputs, tuple(equations), outputs)
        run: Stretch | Executable
        try:
            run = Stretch(part) if kind else Executable(part)
        except Foreign:  # each equation has a native form, and these together have none yet
            run = Executable(part)
        self.parts.append((run, inputs, outputs))

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


def _stretches(program: Program) -> list[tuple[bool, list[Equation]]]:
    """Equations in turns of native and other ones, as few turns as there can be."""
    turn: dict[Var, int] = {}
    parts: dict[int, list[Equation]] = {}
    for e in program.equations:
        kind = native(e)
        least = 0 if kind else 1
        for a in e.inputs:
            if isinstance(a, Var) and a in turn:
                least = max(least, turn[a] + ((turn[a] % 2 == 0) != kind))
        for v in e.outputs:
            turn[v] = least
        parts.setdefault(least, []).append(e)
    return [(n % 2 == 0, parts[n]) for n in sorted(parts)]
