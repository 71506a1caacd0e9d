"""What a Program has become: its kernels, their loops, what they cost, their text, and where the time goes."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..execute import Executable, Runner
from ..ir import Program
from . import compiler as compiler  # with it come all routines, though the kernel may have been made long ago
from .emit import Kernel, lanes
from .externs import addresses
from .listing import Listing
from .llvm import assembly, load, object_code
from .lower import lowered
from .recompute import arranged
from .run import Mixed, Stretch

_ROUNDS, _SECONDS = 20, 0.05  # a part is timed so often, or so long


@dataclass(frozen=True)
class Part:
    """One part of a Program: a kernel, or what NumPy does.

    `loops` shows it, one entry for each step of it, with the share of the time that it took; `flops` counts
    floating-point operations; `bytes` those of inputs, constants and outputs; `scratch` those of memory of its own;
    `seconds` is the least time of some runs.
    """

    kind: str
    loops: tuple[tuple[str, float], ...]
    flops: float
    bytes: int
    scratch: int
    seconds: float
    ir: str = field(default="", repr=False)  # LLVM's intermediate representation

    @property
    def assembly(self) -> str:
        """Machine code as a person may read it."""
        return assembly(self.ir) if self.ir else ""

    def __str__(self) -> str:
        gigaflops = self.flops / self.seconds / 1e9 if self.seconds else 0.0
        head = (
            f"{self.kind}: {_time(self.seconds)}, {self.flops:.3g} flops ({gigaflops:.3g} GFLOP/s), {_size(self.bytes)}"
            f" in and out, {_size(self.scratch)} of its own"
        )
        lines = []
        for text, share in self.loops:
            first, *rest = text.rstrip().split("\n")
            lines += [f"  {100 * share:3.0f} %  {first}", *(f"         {line}" for line in rest)]
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Inspection:
    """What a call runs: `parts`, in their order."""

    parts: tuple[Part, ...]
    program: Program = field(repr=False)

    def __str__(self) -> str:
        return "\n".join(map(str, self.parts))


def inspected(runner: Runner, values: Sequence[Any]) -> Inspection:
    """Run on these values, and look."""
    if isinstance(runner, Mixed):
        known: dict[Any, Any] = dict(zip(runner.program.inputs, values, strict=True))
        parts = []
        for run, inputs, outputs in runner.parts:
            given = [known[a] for a in inputs]
            parts.append(_part(run, given))
            known.update(zip(outputs, run(given), strict=True))
        return Inspection(tuple(parts), runner.program)
    return Inspection((_part(runner, values),), runner.program)


def _part(runner: Runner, values: Sequence[Any]) -> Part:
    p = runner.program
    flops = sum(e.op.flops([a.type for a in e.inputs], [v.type for v in e.outputs], **e.params) for e in p.equations)
    moved = sum(a.type.size * a.type.dtype.itemsize for a in (*p.inputs, *p.outputs))
    seconds = _least(lambda: runner(values))
    if isinstance(runner, Stretch) and not runner.is_straight:
        moved += sum(array.nbytes for array in runner.constants.values())
        return Part("kernel", _clocked(runner, values), flops, moved, runner.scratch, seconds, runner.text)
    lines = p.text().split("\n")[1:-1]
    kind = "NumPy" if isinstance(runner, Executable) else "straight-line code"
    told = "\n".join(lines if len(lines) <= 40 else [*lines[:20], f"  … {len(lines) - 40} more …", *lines[-20:]])
    return Part(kind, ((told.strip(), 1.0),), flops, moved, getattr(runner, "scratch", 0), seconds)


def _least(run: Callable[[], Any]) -> float:
    times: list[float] = []
    while len(times) < _ROUNDS and sum(times) < _SECONDS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


class _Clocked(Kernel):
    """A kernel that looks at the processor's clock between its steps."""

    def _place(self) -> None:
        super()._place()
        self._buffer("clock", "clock", "int64", (len(self.items) + 1,))

    def _emit_all(self) -> None:
        self._tick(0)
        for n, item in enumerate(self.items):
            self._emit([item])
            self._tick(n + 1)

    def _tick(self, n: int) -> None:
        self.text.declared["llvm.readcyclecounter"] = "declare i64 @llvm.readcyclecounter()"
        now = self.one.line("call i64 @llvm.readcyclecounter()", "i64")
        place = f"%{self.text.fresh('tick')}"
        self.text.lines.append(f"  {place} = getelementptr i64, ptr %b{self.home['clock'].number}, i64 {n}")
        self.text.lines.append(f"  store i64 {now.text}, ptr {place}")


def _clocked(stretch: Stretch, values: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    """The steps of a kernel, and the share of the time that each takes."""
    program = stretch.program
    found, classes, items = arranged(lowered(program, zeroes=True))
    made = _Clocked(found, classes, items, lanes(items), "kernel")
    symbols = addresses(frozenset(made.text.imported))
    loaded = load(object_code(made.module()), ["kernel"], symbols)
    outputs = {
        r.source: np.zeros(a.type.shape, a.type.dtype) for r, a in zip(found.outputs, program.outputs, strict=True)
    }
    inputs = {v: np.require(x, v.type.dtype, ["C", "A"]) for v, x in zip(program.inputs, values, strict=True)}
    clock = np.zeros(len(made.items) + 1, np.int64)
    kept: list[Any] = []
    what: Any
    for what, b in made.given:
        if b.role == "constant":
            kept.append(np.ascontiguousarray(what.value))
        else:
            kept.append(clock if b.role == "clock" else inputs[what] if b.role == "input" else outputs[what])
    if made.scratch:
        kept.append(np.empty(made.scratch, np.uint8))
    given = np.array([array.ctypes.data for array in kept], np.uintp)
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(loaded["kernel"])
    spent = np.full(len(made.items), np.iinfo(np.int64).max)
    for _ in range(5):
        call(given.ctypes.data)
        spent = np.minimum(spent, np.diff(clock))
    total = max(int(spent.sum()), 1)
    listing = Listing(found, classes)
    return tuple((listing.text([item]), int(n) / total) for item, n in zip(made.items, spent, strict=True))


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
