"""Long loops in pieces, which several threads can share.

Where a loop is cut depends on sizes alone. Each piece is a function; what it combines starts anew in it, in memory of
its own, and the kernel combines that in the order of the pieces. So the bits of a result do not depend on who ran which
piece when, nor on how many threads there were; one thread runs the same pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from ..ir import Var
from .groups import Groups
from .indices import Counter, Index
from .lanes import BITS, Lanes, Part, Value
from .lower import Node
from .memory import Buffer, Scope
from .reductions import BLOCK, Key, Sums, added, rounded, start_of
from .schedule import Item, Loop, nodes_in, plain

_CUT = 500_000  # ns of work from which on a loop is cut
_PIECE = 50_000  # … that a piece has at least
_MOST = 64  # pieces of a loop
_ROOM = 4 << 20  # bytes that the pieces of a loop may have for themselves
_FLOP, _CALL = 0.25, 15  # ns of an operation on lanes; how many times more a function of C takes
_SPEED = 10  # bytes of memory in a ns
_LINE = 64  # bytes: of a cache line, and of the widest register


@dataclass(frozen=True)
class Cut:
    """How a loop is cut: `size` counts in each of so many pieces, and what each of them has for itself."""

    loop: Loop
    size: int
    pieces: int
    own: dict[int, int]  # numbers of buffers of which each piece has its own, and where in its memory
    sums: dict[Key, int]  # … and what it sums up in registers
    combined: tuple[Node, ...]  # what is combined in such buffers
    stride: int  # bytes of one piece

    @property
    def bytes(self) -> int:
        return self.pieces * self.stride


class Pieces(Groups):
    """Loops that are cut. It changes while a kernel is written."""

    items: tuple[Item, ...]
    name: str
    cuts: dict[Loop, Cut]
    areas: dict[Loop, int]  # where in scratch memory what the pieces have for themselves lies
    pieces: list[str]  # their text
    scratch: int  # bytes
    borrowed: dict[Var, Var]  # arrays that lie in an output, and in which
    starts: dict[int, int]  # numbers of temporary buffers, and where in scratch memory they lie

    # --- what a kernel is given --------------------------------------------------------------------------------------

    @property
    def given(self) -> list[tuple[object, Buffer]]:
        """What the kernel is given addresses of, in their order; after them, that of its scratch memory."""
        return [(what, b) for what, b in self.home.items() if b.role != "temporary" and what not in self.borrowed]

    def _addresses(self, own: dict[int, int], lines: Sequence[str]) -> list[str]:
        """The addresses of all memory of which these lines speak, but for what a piece has of its own."""
        used = set(re.findall(r"%(?:b\d+|threads|scratch)\b", "\n".join(lines)))
        made = {f"%b{n}": start for n, start in self.starts.items() if n not in own and f"%b{n}" in used}
        if made:
            used.add("%scratch")
        given = {n: f"%b{b.number}" for n, (_, b) in enumerate(self.given) if b.number not in own} | self._further
        found = []
        for n, name in given.items():
            if name in used:
                found.append(f"  %at{n} = getelementptr ptr, ptr %bufs, i64 {n}")
                found.append(f"  {name} = load ptr, ptr %at{n}")
        return found + [f"  {name} = getelementptr i8, ptr %scratch, i64 {start}" for name, start in made.items()]

    @property
    def _further(self) -> dict[int, str]:
        """What stands in the table after all arrays."""
        names = [*["%threads"] * bool(self.cuts), *["%scratch"] * bool(self.scratch)]
        return dict(enumerate(names, len(self.given)))

    # --- which loops, and where --------------------------------------------------------------------------------------

    def _plan_cuts(self) -> None:
        found = [self._cut(item) for item in self.items if isinstance(item, Loop)]
        self.cuts = {cut.loop: cut for cut in found if cut is not None}

    def _cut(self, loop: Loop) -> Cut | None:
        """How a loop is cut, if there is enough to do in it and its rounds don't need each other."""
        nodes = list(nodes_in(loop))
        time = max(sum(map(_time, nodes)), self._bytes(nodes) / _SPEED)
        if time < _CUT or self.kinds[loop] == "written out" or not all(self._apart(n, loop) for n in nodes):
            return None
        own: dict[int, int] = {}
        sums: dict[Key, int] = {}
        stride = 0
        for key in self._register_sums(loop):
            sums[key] = stride
            stride += _LINE
        combined = tuple(n for n in nodes if n.reduced and self._stages(n).memory is loop)
        for b in dict.fromkeys(b for node in nodes for b in self._own(node, loop)):
            own[b.number] = stride
            stride += -(-b.bytes // _LINE) * _LINE
        step = 1 if self.kinds[loop] == "counted" else self.width
        rounds = loop.counter.size // step
        most = min(_MOST, int(time // _PIECE), _ROOM // max(stride, 1))
        if most < 2 or not rounds:
            return None
        size = -(-rounds // (most * BLOCK)) * BLOCK * step
        count = -(-rounds * step // size)
        return Cut(loop, size, count, own, sums, combined, stride) if count > 1 else None

    def _bytes(self, nodes: Sequence[Node]) -> int:
        """About how much memory they read and write."""
        found: dict[Buffer, int] = {}
        for node in nodes:
            for what in (node.out, *(r.source for r in node.needs)):
                if what in self.home:
                    b = self.home[what]
                    once = prod(c.size for c in node.counters) * max(1, BITS[b.kind] // 8)
                    found[b] = max(found.get(b, 0), min(once, b.bytes))
        return sum(found.values())

    def _apart(self, node: Node, loop: Loop) -> bool:
        """Whether rounds write different elements, or what is combined; in any order."""
        if any(self.classes.of(c) is loop.counter for c in node.serial):
            return False
        return node.at is None or self._walks(node, loop, range(len(node.place)))

    def _walks(self, node: Node, loop: Loop, axes: Sequence[int]) -> bool:
        """Whether one of these axes is walked by the loop: each round has its own elements."""
        counters = [plain(node.place[k]) for k in axes]
        return any(c is not None and self.classes.of(c) is loop.counter for c in counters)

    def _own(self, node: Node, loop: Loop) -> Iterator[Buffer]:
        """Buffers that every round writes at the same places."""
        if node.out not in self.home:
            return
        if loop.counter in self._reduced(node):
            shared = self._stages(node).memory is not loop
        else:
            shared = self._walks(node, loop, self.dims[node.out])
        if not shared:
            yield self.home[node.out]
            yield from (b for what, b in self.home.items() if isinstance(what, tuple) and what[0] is node)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _rounds(self, loop: Loop, end: int, step: int, start: Sums, write: Callable[[], None]) -> Sums:
        cut = self.cuts.get(loop)
        if cut is None:
            return super()._rounds(loop, end, step, start, write)
        name, given = self._piece(cut, end, step, start, write)
        self._run(cut, name, given)
        return self._together(cut, start)

    def _piece(
        self, cut: Cut, end: int, step: int, start: Sums, write: Callable[[], None]
    ) -> tuple[str, list[tuple[Value, Value]]]:
        """Write the function; its name, and what it is given: under which names, and what that is in the kernel."""
        text, before = self.text, (self.text.parts, self.text.blocks, self.text.first, self.values, self.scopes)
        text.parts, text.blocks, text.first, self.scopes = [Part()], ["entry"], [], [Scope(None, "counted")]
        names = {key: Value(f"%given{n}", v.kind, v.code) for n, (key, v) in enumerate(self.values.items())}
        known = self.values
        self.values = {key: names[key] if v.text.startswith("%") else v for key, v in known.items()}
        for node in cut.combined:
            self._fill(node, start_of(node.combine, self.home[node.out].kind))
        sums = self._between(cut.loop, "%from", "%to", True, step, start, write)
        for key, offset in cut.sums.items():
            at = f"%{text.fresh('p')}"
            text.lines.append(f"  {at} = getelementptr i8, ptr %own, i64 {offset}")
            text.lines.append(f"  store {sums[key].type} {sums[key].text}, ptr {at}, align 8")
        lines = [*text.first, *text.lines]
        text.parts, text.blocks, text.first, self.values, self.scopes = before
        used = set(re.findall(r"%given\d+\b", "\n".join(lines)))
        given = [(names[key], known[key]) for key in names if names[key].text in used]
        name = f'@"{self.name} piece {len(self.pieces)}"'
        own = self._own_memory(cut)
        self.pieces.append("\n".join([
            f"define internal void {name}(ptr %context, i64 %piece) nounwind {{", "entry:",
            "  %status = alloca i32", "  store i32 0, ptr %status", "  %bufs = load ptr, ptr %context",
            *self._addresses(cut.own, [*own, *lines]), *own, *_taken(given),
            f"  %from = mul i64 %piece, {cut.size}", f"  %most = add i64 %from, {cut.size}",
            f"  %short = icmp ult i64 %most, {end}", f"  %to = select i1 %short, i64 %most, i64 {end}",
            *lines, "  %ends = load i32, ptr %status", f"  %all.p = getelementptr i8, ptr %context, i64 {_LINE}",
            "  %all = load ptr, ptr %all.p", "  %was = atomicrmw or ptr %all, i32 %ends monotonic",
            "  ret void", "}", "",
        ]))  # fmt: skip
        return name, given

    def _own_memory(self, cut: Cut) -> list[str]:
        """Addresses of what a piece has for itself."""
        if not cut.stride:
            return []
        return [
            f"  %away = mul i64 %piece, {cut.stride}", f"  %further = add i64 %away, {self.areas[cut.loop]}",
            "  %own = getelementptr i8, ptr %scratch, i64 %further",
            *(f"  %b{n} = getelementptr i8, ptr %own, i64 {offset}" for n, offset in cut.own.items()),
        ]  # fmt: skip

    def _run(self, cut: Cut, name: str, given: Sequence[tuple[Value, Value]]) -> None:
        """Let the pool run all pieces: with the kernel's table, its status, and numbers that it has in registers."""
        text, mark = self.text, self.text.fresh("")
        text.first.append(f"  %context{mark} = alloca [{(2 + len(given)) * _LINE} x i8], align {_LINE}")
        handed = [("ptr", "%bufs"), ("ptr", "%status"), *((v.type, v.text) for _, v in given)]
        for n, (kind, what) in enumerate(handed):
            text.lines.append(f"  %to{mark}.{n} = getelementptr i8, ptr %context{mark}, i64 {n * _LINE}")
            text.lines.append(f"  store {kind} {what}, ptr %to{mark}.{n}, align 8")
        text.imported.add("pool.run")
        text.declared["pool.run"] = 'declare void @"pool.run"(ptr, ptr, i64, i64)'
        text.lines.append(f'  call void @"pool.run"(ptr {name}, ptr %context{mark}, i64 {cut.pieces}, i64 %threads.n)')
        text.lines.loaded.clear()

    # --- what the pieces made, together -------------------------------------------------------------------------------

    def _together(self, cut: Cut, start: Sums) -> Sums:
        """Combine in the order of the pieces."""
        if not cut.stride:
            return start
        area = f"%{self.text.fresh('area')}"
        self.text.lines.append(f"  {area} = getelementptr i8, ptr %scratch, i64 {self.areas[cut.loop]}")
        for node in cut.combined:
            self._each_place(node, partial(self._combine_place, cut, node, area))
        if not cut.sums:
            return start

        def piece(key: Key, at: Value) -> Value:
            return start[key].code.line(
                f"load {start[key].type}, ptr {self._inside(area, at, cut.sums[key])}, align 8", start[key].kind
            )

        return self._in_order(cut, start, piece)

    def _combine_place(self, cut: Cut, node: Node, area: str, code: Lanes, at: Index) -> None:
        home = self.home[node.out]

        def piece(key: Any, away: Value) -> Value:
            theirs = Buffer(-int(self.text.fresh("")), "temporary", home.kind, home.shape)
            pointer = self._inside(area, away, cut.own[home.number])
            self.text.lines.append(f"  %b{theirs.number} = getelementptr i8, ptr {pointer}, i64 0")
            return self._at(theirs, code, at)

        key = (node.out, ())
        begin = {key: code.number(start_of(node.combine, home.kind), home.kind)}
        self._store_flat(home, self._in_order(cut, begin, piece)[key], at)

    def _in_order(self, cut: Cut, start: Sums, piece: Callable[[Any, Value], Value]) -> Sums:
        """What the pieces have, combined one after the other."""
        node = {key: self.lowered.made[key[0]][0] for key in start}
        folded = [key for key in start if self._rounds_off(node[key])]
        low = {("low", key): start[key].code.number(0, start[key].kind) for key in folded}
        loop = Loop(Counter(cut.pieces), ())
        with self._loop(loop, "0", str(cut.pieces), 1, {**start, **low}) as sums:
            count = self.counts[loop.counter].value
            assert isinstance(count, Value)
            away = count * cut.stride
            for key in start:
                one = piece(key, away)
                if key in folded:
                    sums[key], sums["low", key] = added(sums[key], sums["low", key], one)
                else:
                    sums[key] = self._combined(node[key], sums[key], one)
        return {key: rounded(sums[key], sums["low", key]) if key in folded else sums[key] for key in start}

    def _inside(self, area: str, away: Value, offset: int) -> str:
        """An address in a piece's own memory."""
        where = away + offset if offset else away
        name = f"%{self.text.fresh('p')}"
        self.text.lines.append(f"  {name} = getelementptr i8, ptr {area}, i64 {where.text}")
        return name


def _taken(given: Sequence[tuple[Value, Value]]) -> list[str]:
    """Numbers that the kernel has in registers."""
    lines = []
    for n, (inside, _) in enumerate(given, 2):
        lines.append(f"  {inside.text}.p = getelementptr i8, ptr %context, i64 {n * _LINE}")
        lines.append(f"  {inside.text} = load {inside.type}, ptr {inside.text}.p, align 8")
    return lines


def _time(node: Node) -> float:
    """About how many ns an array takes."""
    e = node.equation
    work: float = prod(c.size for c in node.counters)
    if e is not None:
        work = max(work, e.op.flops([a.type for a in e.inputs], [v.type for v in e.outputs], **e.params))
        if e.op.native is not None and e.op.native.how == "function":
            work *= _CALL
    return work * _FLOP
