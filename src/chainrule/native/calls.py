"""Routines on whole arrays: what a library computes, inside a kernel.

A Call stands among nodes and loops. Its operands are arrays in memory, read where they lie: of what was only moved
(transposed, cut out) a View says how. Its results are contiguous arrays of their own. How the call is written is a
function of a Code, in which loops, functions of C, scratch memory and failure are at hand; a routine is a function of
an equation and the Lowering under way that returns such Calls (blas.py, lapack.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from ..ir import Equation, Var
from . import interrupt
from .indices import Counter, Index, Read
from .lanes import BITS, Lanes, Text, Value, literal

LARGEST = 2**31 - 1  # BLAS and LAPACK count with 32 bits


class View(NamedTuple):
    """An array inside another one: element i lies at offset + Σ strides · i of the source's elements in order."""

    source: Any  # a Var or a Const
    offset: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def T(self) -> View:
        """With the last two axes exchanged."""
        (*lead, m, n), (*far, p, q) = self.shape, self.strides
        return self._replace(shape=(*lead, n, m), strides=(*far, q, p))


def whole(v: Any) -> View:
    """All of an array."""
    shape = v.type.shape
    return View(v, 0, contiguous(shape), shape)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array without gaps, the last axis fastest."""
    return tuple(prod(shape[k + 1 :]) for k in range(len(shape)))


def seen(read: Read, counters: Sequence[Counter]) -> View | None:
    """What is read at these counters as a view, if it lies evenly."""
    if read.when or len(read.at) != len(read.source.type.shape) or (counters and not read.at):
        return None
    flat = sum((i * s for i, s in zip(read.at, contiguous(read.source.type.shape), strict=True)), start=Index())
    strides = dict.fromkeys(counters, 0)
    for term, factor in flat.terms:
        if not isinstance(term, Counter) or term not in strides:
            return None
        strides[term] = factor
    return View(read.source, flat.constant, tuple(strides.values()), tuple(c.size for c in counters))


@dataclass(frozen=True, eq=False)
class Call:
    """Results computed from whole arrays; `write` appends the code."""

    equation: Equation
    views: tuple[View, ...]
    outs: tuple[Var, ...]
    write: Callable[[Code], None]
    scratch: tuple[int, ...] = ()  # bytes of memory that it needs for itself

    @property
    def sources(self) -> tuple[Any, ...]:
        return tuple(v.source for v in self.views)

    @property
    def needs(self) -> tuple[Read, ...]:
        """The arrays that are read, as a node says it."""
        return tuple(Read(v.source, ()) for v in self.views)


class Code:
    """Where a Call is written: pointers to its operands and results, and what a routine may need. Text grows here."""

    def __init__(
        self, text: Text, operands: Sequence[str], results: Sequence[str], scratch: Sequence[str] = ()
    ) -> None:
        self.text = text
        self.one = Lanes(1, text)
        self.operands, self.results, self.scratch = tuple(operands), tuple(results), tuple(scratch)

    def line(self, instruction: str) -> None:
        self.text.lines.append(f"  {instruction}")

    def named(self, instruction: str) -> str:
        """The name of what an instruction gives."""
        name = f"%{self.text.fresh('c')}"
        self.line(f"{name} = {instruction}")
        return name

    # --- what libraries take: pointers to everything ------------------------------------------------------------------

    def call(self, symbol: str, *pointers: str) -> None:
        """Call a function of C that takes pointers only: `blas.dgemm`, `lapack.dgetrf`."""
        self.text.imported.add(symbol)
        self.text.declared[symbol] = f'declare void @"{symbol}"({", ".join(["ptr"] * len(pointers))})'
        self.line(f'call void @"{symbol}"({", ".join(f"ptr {p}" for p in pointers)})')

    def whole(self, n: int) -> str:
        """A pointer to a whole number that stays."""
        return self._constant("i32", str(n))

    def letter(self, c: str) -> str:
        return self._constant("i8", str(ord(c)))

    def real(self, x: float, kind: str) -> str:
        return self._constant(self.one.type(kind), literal(x, kind))

    def _constant(self, type: str, value: str) -> str:
        name = f'@"{type} {value}"'
        self.text.declared[name] = f"{name} = private unnamed_addr constant {type} {value}"
        return name

    # --- memory -------------------------------------------------------------------------------------------------------

    def cell(self, kind: str) -> str:
        """A pointer to one number that may change."""
        name = f"%{self.text.fresh('cell')}"
        self.text.first.append(f"  {name} = alloca {self.one.type(kind)}")
        return name

    def load(self, pointer: str, kind: str) -> Value:
        return self.one.line(f"load {self.one.type(kind)}, ptr {pointer}", kind)

    def store(self, value: Value, pointer: str) -> None:
        self.line(f"store {value.type} {value.text}, ptr {pointer}")

    def at(self, pointer: str, kind: str, *steps: tuple[str, int]) -> str:
        """The address of an element: Σ counter · stride elements further."""
        for counter, stride in steps:
            if counter == "0" or stride == 0:
                continue
            where = counter if stride == 1 else self.named(f"mul nsw i64 {counter}, {stride}")
            pointer = self.named(f"getelementptr {self.one.type(kind)}, ptr {pointer}, i64 {where}")
        return pointer

    def clear(self, pointer: str, count: int | str, kind: str) -> None:
        """Zeros."""
        self.text.declared["llvm.memset.p0.i64"] = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
        self.line(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {self._bytes(count, kind)}, i1 false)")

    def copy(self, source: str, target: str, shape: Sequence[int], strides: Sequence[int], kind: str) -> None:
        """What lies with these strides, to memory without gaps."""
        axes = [(n, s, t) for n, s, t in zip(shape, strides, contiguous(shape), strict=True) if n != 1]
        count = prod(shape)
        if all(s == t for _, s, t in axes):
            self.text.declared["llvm.memcpy.p0.p0.i64"] = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
            size = self._bytes(count, kind)
            self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")
            return
        if len(axes) > 2 or (len(axes) == 2 and axes[-1][1] == 1):
            n, s, t = axes[0]
            with self.loop(n) as i:
                rest = [(m, q) for m, q, _ in axes[1:]]
                self.copy(
                    self.at(source, kind, (i, s)), self.at(target, kind, (i, t)),
                    [m for m, _ in rest], [q for _, q in rest], kind,
                )  # fmt: skip
            return
        self._transpose(source, target, axes if len(axes) == 2 else [(1, 0, 0), *axes], kind)

    def _transpose(self, source: str, target: str, axes: list[tuple[int, int, int]], kind: str) -> None:
        """By strips of eight rows of the target: so both sides read and write whole lines of the cache."""
        (m, far, row), (n, near, _) = axes
        for first, strips, height in ((0, m // 8, 8), (m // 8 * 8, 1, m % 8)):
            if strips == 0 or height == 0:
                continue
            with self.loop(strips) as k, self.loop(n) as j:
                here = self.at(source, kind, (str(first), far), (k, 8 * far), (j, near))
                there = self.at(target, kind, (str(first), row), (k, 8 * row), (j, 1))
                values = [self.load(self.at(here, kind, (str(p), far)), kind) for p in range(height)]
                for p, value in enumerate(values):
                    self.store(value, self.at(there, kind, (str(p), row)))

    def mirror(self, pointer: str, n: int, apart: int, kind: str) -> None:
        """The lower triangle of a square matrix, by rows, on the upper one."""

        def strip(row: str, column: str, height: int, width: int | str) -> None:
            with self.loop(width) as j:
                values = [self.load(self.at(row, kind, (str(p), apart), (j, 1)), kind) for p in range(height)]
                for p, value in enumerate(values):
                    self.store(value, self.at(column, kind, (j, apart), (str(p), 1)))

        def corner(block: str, height: int) -> None:
            for p in range(height):
                for q in range(p):
                    value = self.load(self.at(block, kind, (str(p), apart), (str(q), 1)), kind)
                    self.store(value, self.at(block, kind, (str(q), apart), (str(p), 1)))

        full, rest = divmod(n, 8)
        if full > 1:
            with self.loop(full - 1) as k:
                width = self.named(f"mul i64 {self.named(f'add i64 {k}, 1')}, 8")
                strip(self.at(pointer, kind, (width, apart)), self.at(pointer, kind, (width, 1)), 8, width)
        if full:
            with self.loop(full) as k:
                corner(self.at(pointer, kind, (k, 8 * (apart + 1))), 8)
        if rest:
            if full:
                at = str(8 * full)
                strip(self.at(pointer, kind, (at, apart)), self.at(pointer, kind, (at, 1)), rest, 8 * full)
            corner(self.at(pointer, kind, (str(8 * full), apart + 1)), rest)

    def fail_unless_finite(self, pointer: str, count: int, kind: str) -> None:
        """NumPy takes over where something is infinite or NaN: which of several are then depends on the way there."""
        wide, found = Lanes(8, self.text), self.cell("i1")
        self.store(self.one.number(False, "i1"), found)
        for first, rounds, code in ((0, count // 8, wide), (count // 8 * 8, count % 8, self.one)):
            if rounds:
                with self.loop(rounds) as i:
                    at = self.at(pointer, kind, (str(first), 1), (i, code.width))
                    size = BITS[kind] // 8
                    x = code.line(f"load {code.type(kind)}, ptr {at}, align {size}", kind)
                    odd = (x - x).is_nan()
                    self.store(self.load(found, "i1") | (odd if code is self.one else code.any(odd)), found)
        self.fail_if(self.load(found, "i1"))

    def _bytes(self, count: int | str, kind: str) -> str:
        size = max(1, BITS[kind] // 8)
        return str(count * size) if isinstance(count, int) else self.named(f"mul i64 {count}, {size}")

    # --- control ------------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, size: int | str) -> Iterator[str]:
        """A loop around what is written inside; gives its counter. What is never done is not to be written at all."""
        assert size != 0
        if size == 1:
            yield "0"
            return
        mark = self.text.fresh("")
        counter, head, before = f"%n{mark}", f"call{mark}", self.text.block
        self.line(f"br label %{head}")
        self.text.label(head)
        start = len(self.text.lines)
        yield counter
        self.text.lines.insert(start, f"  {counter} = phi i64 [ 0, %{before} ], [ %after{mark}, %{self.text.block} ]")
        self.line(f"%after{mark} = add nuw nsw i64 {counter}, 1")
        self.line(f"%more{mark} = icmp ult i64 %after{mark}, {size}")
        self.line(f"br i1 %more{mark}, label %{head}, label %end{mark}")
        self.text.label(f"end{mark}")

    @contextmanager
    def each(self, sizes: Sequence[int]) -> Iterator[tuple[str, ...]]:
        """Loops over leading axes, one inside the other."""
        if not sizes:
            yield ()
            return
        with self.loop(sizes[0]) as i, self.each(sizes[1:]) as rest:
            yield (i, *rest)

    def stop_if_asked(self, count: str, flops: float) -> None:
        """After `count` steps of a loop that may be long: leave the kernel if a signal wants that."""
        every = interrupt.steps(flops)
        mark = self.text.fresh("")
        self.text.imported.add(interrupt.SYMBOL)
        self.text.declared[interrupt.SYMBOL] = f'declare i32 @"{interrupt.SYMBOL}"()'
        low = self.named(f"and i64 {count}, {every - 1}")
        due = self.named(f"icmp eq i64 {low}, {every - 1}")
        self.line(f"br i1 {due}, label %ask{mark}, label %asked{mark}")
        self.text.label(f"ask{mark}")
        self.fail_if(self.one.line(f'call i32 @"{interrupt.SYMBOL}"()', "i32").differs(0))
        self.line(f"br label %asked{mark}")
        self.text.label(f"asked{mark}")

    def fail_if(self, condition: Value) -> None:
        """Leave the kernel with a status: its caller finds out on NumPy what is wrong, and says so."""
        mark = self.text.fresh("")
        self.line(f"br i1 {condition.text}, label %fail{mark}, label %on{mark}")
        self.text.lines.extend([f"fail{mark}:", "  ret i32 1"])
        self.text.label(f"on{mark}")
