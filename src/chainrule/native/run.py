"""A Program as native code, where it can be, and NumPy for the rest: stretches of both, in turn.

A stretch of native equations becomes one kernel; what has no native form runs as it does in the NumPy executor. So
does a stretch whose kernel fails (a singular matrix): NumPy raises what is to be raised.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..execute import Executable
from ..ir import Atom, Equation, Program, Var
from .elementwise import has_formula
from .emit import Kernel
from .externs import addresses
from .lanes import KINDS
from .llvm import load, object_code, target
from .lower import Foreign, lowered
from .schedule import scheduled, together


class Stretch:
    """Native code of some equations of a Program."""

    def __init__(self, program: Program) -> None:
        found = lowered(program)
        classes = together(found)
        kernel = Kernel(found, classes, scheduled(found, classes), target().width, "kernel")
        self.text = kernel.module()
        self._loaded = load(object_code(self.text), ["kernel"], addresses(frozenset(kernel.text.imported)))
        self._slow = Executable(program)
        self._run = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(self._loaded["kernel"])
        self._inputs = [v.type.dtype for v in program.inputs]
        self._outputs = [(r.source.type.shape, r.source.type.dtype) for r in found.outputs]
        order = [r.source for r in found.outputs]
        self._slots: list[tuple[str, Any]] = []
        inputs = list(program.inputs)
        what: Any
        for what, b in kernel.home.items():
            if b.role == "input":
                self._slots.append(("input", inputs.index(what)))
            elif b.role == "output":
                self._slots.append(("output", order.index(what)))
            elif b.role == "constant":
                self._slots.append(("constant", np.ascontiguousarray(what.value)))
            else:
                self._slots.append(("temporary", b.bytes))

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        arrays = [np.require(v, t, ["C", "A"]) for v, t in zip(values, self._inputs, strict=True)]
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        kept = []
        for role, what in self._slots:
            if role == "input":
                kept.append(arrays[what])
            elif role == "output":
                kept.append(outputs[what])
            elif role == "constant":
                kept.append(what)
            else:
                kept.append(np.empty(what, np.uint8))
        if self._run((ctypes.c_void_p * len(kept))(*(a.ctypes.data for a in kept))):
            return list(self._slow(values))  # NumPy knows how to say what is wrong
        return outputs


def native(e: Equation) -> bool:
    """Whether an equation has a native form."""
    how = e.op.native
    if how is None or (how.how in ("formula", "function") and not has_formula(e)):
        return False
    return all(t.dtype.name in KINDS for t in (*(a.type for a in e.inputs), *(v.type for v in e.outputs)))


class Mixed:
    """A Program as stretches of native code and of NumPy."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.parts: list[tuple[Any, tuple[Atom, ...], tuple[Var, ...]]] = []
        for kind, equations in _stretches(program):
            self._add(kind, equations)

    def _add(self, kind: bool, equations: list[Equation]) -> None:
        made = {v for e in equations for v in e.outputs}
        inputs = tuple(dict.fromkeys(a for e in equations for a in e.inputs if isinstance(a, Var) and a not in made))
        wanted = {a for e in self.program.equations if e not in equations for a in e.inputs} | set(self.program.outputs)
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
        found = []
        for a in self.program.outputs:
            value = known[a] if isinstance(a, Var) else a.value
            array = np.asarray(value)
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
