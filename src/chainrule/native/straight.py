"""Long programs of scalars as straight-line code: no loops, and a small constant effort for each operation.

The code is cut into functions of some hundred instructions, since compilers take more than linear time for one
function, and into modules, since they take memory. A number that one function makes for another goes through a scratch
buffer, whose places are used again once nobody reads them any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Const, Program
from ..trace.collecting import rarely_collecting
from .scalars import Code, expanded
from .templates import Template, formulas
from .tiers import Module

_LINES = 500  # instructions of one function, about
_FUNCTIONS = 64  # of one module
_TYPES = {"f64": "double", "f32": "float", "i64": "i64", "i32": "i32", "i1": "i1"}
_Instruction = tuple[int, Template, tuple[int, ...]]


@dataclass(frozen=True)
class Straight:
    """Modules that make up `kernel`, and what the addresses that it is given are of.

    First the inputs, then the constants, then the outputs, then `scratch` bytes.
    """

    modules: tuple[Module, ...]
    constants: tuple[Any, ...]
    scratch: int
    instructions: int


def straight(program: Program) -> Straight:
    """The Program as straight-line code; raises Foreign where it can't be."""
    with rarely_collecting():
        return _Writer(program, expanded(program)).written()


class _Writer:
    """The text of straight-line code. It changes while it is written."""

    def __init__(self, program: Program, code: Code) -> None:
        self.program, self.code = program, code
        self.stores: dict[int, list[tuple[int, int]]] = {}  # name -> outputs of which it is an element, and which one
        for n, names in enumerate(code.outputs):
            for k, name in enumerate(names):
                self.stores.setdefault(name, []).append((n, k))
        self.chunks = _cut(_needed(code, self.stores))
        self.made_in = {i[0]: c for c, chunk in enumerate(self.chunks) for i in chunk}
        self.last = {a: c for c, chunk in enumerate(self.chunks) for _, _, operands in chunk for a in operands}
        self.slot: dict[int, int] = {}
        self.slots = 0
        inputs = len(program.inputs)
        self.constants = [b for b in code.blocks if isinstance(b.source, Const)]
        self.buffer = {b.first: n for n, b in enumerate(code.blocks)}  # which address each block has
        assert [b.source for b in code.blocks[:inputs]] == list(program.inputs)
        self.outputs_at = len(code.blocks)
        self.scratch_at = self.outputs_at + len(code.outputs)

    def written(self) -> Straight:
        modules = []
        free: list[int] = []
        parts: list[str] = []
        defined: list[str] = []
        group: list[int] = []
        for c in range(len(self.chunks)):
            parts.append(self._function(c, free))
            group.append(c)
            if len(group) == _FUNCTIONS or c == len(self.chunks) - 1:
                names = tuple(f"part{k}" for k in group)
                modules.append(self._module(parts, names, group))
                defined += names
                parts, group = [], []
        modules.append(self._kernel(defined))
        needs = sorted({name for m in modules for name in m.needs if name not in defined})
        if needs:
            modules.insert(0, formulas(needs))
        constants = tuple([np.ascontiguousarray(b.source.value) for b in self.constants])  # type: ignore[union-attr]
        return Straight(tuple(modules), constants, 8 * self.slots, sum(map(len, self.chunks)))

    def _module(self, parts: list[str], names: tuple[str, ...], group: list[int]) -> Module:
        templates = dict.fromkeys(i[1] for c in group for i in self.chunks[c])
        declared = dict.fromkeys(line for t in templates for line in t.declared)
        needs = dict.fromkeys(t.function for t in templates if t.function)
        return Module("\n".join([*declared, *parts]), names, tuple(needs))

    def _kernel(self, parts: Sequence[str]) -> Module:
        """The function that calls all others, and writes what they need not make."""
        lines = [f"declare void @{name}(ptr, ptr)" for name in parts]
        body = _Body(self)
        body.lines += [f"  call void @{name}(ptr %bufs, ptr %s)" for name in parts]
        for name in self.stores:
            if name not in self.made_in:
                body.store_outputs(name, body.operand(name))
        head = "define i32 @kernel(ptr noalias %bufs) nounwind {\nentry:"
        scratch = f"  %sat = getelementptr ptr, ptr %bufs, i64 {self.scratch_at}\n  %s = load ptr, ptr %sat"
        if not self.slots:
            scratch = "  %s = getelementptr i8, ptr null, i64 0"
        return Module(
            "\n".join([*lines, head, scratch, *body.lines, "  ret i32 0", "}", ""]), ("kernel",), tuple(parts)
        )

    def _function(self, c: int, free: list[int]) -> str:
        """One stretch of instructions; what later ones need is put into the scratch buffer."""
        body = _Body(self)
        lines, known, last = body.lines, body.known, self.last
        gone: list[int] = []
        for name, template, operands in self.chunks[c]:
            given = []
            for a in operands:
                text = known.get(a)
                if text is None:
                    text = body.operand(a)
                    if a in self.slot and last[a] == c:
                        gone.append(self.slot[a])
                given.append(text)
            lines.append(template.text.format(name, *given))
            known[name] = f"%v{name}"
            if last.get(name, c) > c:
                if free:
                    place = free.pop()
                else:
                    place = self.slots
                    self.slots += 1
                self.slot[name] = place
                lines.append(f"  %p{name} = getelementptr i64, ptr %s, i64 {place}")
                lines.append(f"  store {_TYPES[template.kind]} %v{name}, ptr %p{name}")
            if name in self.stores:
                body.store_outputs(name, known[name])
        free += gone
        return f"define void @part{c}(ptr %bufs, ptr %s) nounwind {{\nentry:\n" + "\n".join(lines) + "\n  ret void\n}\n"


class _Body:
    """The lines of one function, and what it has read. It changes while it is written."""

    def __init__(self, writer: _Writer) -> None:
        self.writer = writer
        self.lines: list[str] = []
        self.known: dict[int, str] = {}  # the text of each name that was made or read here
        self.bases: dict[int, str] = {}

    def base(self, number: int) -> str:
        """The address of a buffer."""
        if number not in self.bases:
            self.bases[number] = f"%b{number}"
            self.lines.append(f"  %at{number} = getelementptr ptr, ptr %bufs, i64 {number}")
            self.lines.append(f"  %b{number} = load ptr, ptr %at{number}")
        return self.bases[number]

    def operand(self, name: int) -> str:
        """A literal, or what is read from memory."""
        w = self.writer
        text = w.code.literals.get(name)
        if text is None:
            slot = w.slot.get(name)
            if slot is not None:
                kind = w.code.kinds[name]
                self.lines.append(f"  %r{name} = getelementptr i64, ptr %s, i64 {slot}")
                self.lines.append(f"  %v{name} = load {_TYPES[kind]}, ptr %r{name}")
            else:
                block = w.code.block_of(name)
                base = self.base(w.buffer[block.first])
                memory = "i8" if block.kind == "i1" else _TYPES[block.kind]
                self.lines.append(f"  %r{name} = getelementptr {memory}, ptr {base}, i64 {name - block.first}")
                if block.kind == "i1":
                    self.lines.append(f"  %w{name} = load i8, ptr %r{name}")
                    self.lines.append(f"  %v{name} = icmp ne i8 %w{name}, 0")
                else:
                    self.lines.append(f"  %v{name} = load {memory}, ptr %r{name}")
            text = f"%v{name}"
        self.known[name] = text
        return text

    def store_outputs(self, name: int, text: str) -> None:
        """Write a value wherever an output has it."""
        w = self.writer
        kind = w.code.kind_of(name)
        memory = "i8" if kind == "i1" else _TYPES[kind]
        for k, (n, at) in enumerate(w.stores[name]):
            base = self.base(w.outputs_at + n)
            if kind == "i1":
                self.lines.append(f"  %z{name}_{k} = zext i1 {text} to i8")
            given = f"%z{name}_{k}" if kind == "i1" else text
            self.lines.append(f"  %o{name}_{k} = getelementptr {memory}, ptr {base}, i64 {at}")
            self.lines.append(f"  store {memory} {given}, ptr %o{name}_{k}")


def _needed(code: Code, stores: dict[int, Any]) -> list[_Instruction]:
    """The instructions that an output needs."""
    needed = set(stores)
    kept = []
    for instruction in reversed(code.made):
        if instruction[0] in needed:
            kept.append(instruction)
            needed.update(instruction[2])
    kept.reverse()
    return kept


def _cut(instructions: list[_Instruction]) -> list[list[_Instruction]]:
    chunks: list[list[_Instruction]] = []
    room = 0
    for instruction in instructions:
        if room <= 0:
            chunks.append([])
            room = _LINES
        chunks[-1].append(instruction)
        room -= instruction[1].lines
    return chunks
