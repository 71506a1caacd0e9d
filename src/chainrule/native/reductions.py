"""Sums and extremes: in registers where they can, else in memory; long sums in blocks, so that few roundings add up.

After every `BLOCK` rounds of a loop, what was added up in them goes to a sum of two, of which the second catches what
the first loses: a sum of n numbers is off by at most some 20 roundings, whatever n (Neumaier, 1974; NumPy's pairwise
sum by 19 and the binary logarithm of n / 128). The order is fixed, so that every run gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any, NamedTuple

from ..ir import Var
from .elementwise import FORMULAS
from .indices import Counter, Index, index
from .lanes import BITS, KINDS, Lanes, Part, Value
from .lower import Node
from .memory import Buffer, Count, Memory, Scope
from .schedule import Loop, nodes_in

BLOCK = 16
OVERLAPPING = 8  # rounds of a loop, at most, of which the last begins where it must to end with the loop
FEW = 12  # statements of a loop on lanes that are written once for each round

Key = tuple[Var, tuple[int, ...]]  # an array, and the numbers at which its written-out axes stand
Sums = dict[Any, Value]


class Stages(NamedTuple):
    """From which loops on a reduction goes on in memory, and in registers; None: not at all."""

    memory: Loop | None
    registers: Loop | None


def start_of(combine: str, kind: str) -> Any:
    """What changes nothing when it is combined."""
    if combine in ("add", "logical_or"):
        return 0
    if combine == "logical_and" or kind == "i1":
        return combine in ("logical_and", "minimum")
    sign = -1 if combine == "maximum" else 1
    if kind in ("f64", "f32"):
        return sign * inf
    return -(2 ** (BITS[kind] - 1)) if sign < 0 else 2 ** (BITS[kind] - 1) - 1


class Reductions(Memory):
    """Loops, and what is combined in them. It changes while a kernel is written."""

    values: dict[Key, Value]
    kinds: dict[Loop, str]
    _known_stages: dict[Node, Stages]
    cuts: Mapping[Loop, Any]
    _emit: Callable[[Any], None]
    _on_lanes: Callable[[Node], bool]
    _written_out: Callable[[Node], Iterator[tuple[int, ...]]]
    _buffer: Callable[[object, str, str, tuple[int, ...]], None]

    # --- where a reduction happens -----------------------------------------------------------------------------------

    def _reduced(self, node: Node) -> set[Counter]:
        return {self.classes.of(c) for c in node.counters[len(node.own) :]}

    def _only_in_memory(self, v: Var) -> bool:
        """Whether an array is written in parts, or not at its own counters."""
        makers = self.lowered.made[v]
        return len(makers) > 1 or makers[0].at is not None

    def _stages(self, node: Node) -> Stages:
        """In registers once all loops that are left are summed over, or written out."""
        if node in self._known_stages:
            return self._known_stages[node]
        summed, path = self._reduced(node), self._paths[node]
        k = len(path)
        while k and (path[k - 1].counter in summed or self.kinds[path[k - 1]] == "written out"):
            k -= 1
        registers = next((loop for loop in path[k:] if loop.counter in summed), None)
        first = next(loop for loop in path if loop.counter in summed)
        self._known_stages[node] = Stages(None if first is registers else first, registers)
        return self._known_stages[node]

    def _whole_in_registers(self, node: Node) -> bool:
        return not node.reduced or self._stages(node).memory is None

    def _combined(self, node: Node, x: Value, y: Value) -> Value:
        return FORMULAS[node.combine](y.code, x, y)

    # --- begin, go on, end -------------------------------------------------------------------------------------------

    def _begin(self, loop: Loop) -> None:
        """Nothing is combined yet, of what is reduced over this loop and its like: before the outermost of them."""
        for node in nodes_in(loop):
            if not node.reduced:
                continue
            stages, kind = self._stages(node), KINDS[node.out.type.dtype.name]
            start = start_of(node.combine, kind)
            if stages.memory is loop:
                self._fill(node, start)
            if stages.registers is loop:
                for at in self._written_out(node):
                    self.values[node.out, at] = self.one.number(start, kind)

    def _end(self, loop: Loop) -> None:
        """Write what is now complete."""
        for node in nodes_in(loop):
            if node.reduced and node.out in self.home and self._stages(node).registers is loop:
                code = self.many if self._on_lanes(node) else self.one
                for at in self._written_out(node):
                    value = code.splat(self.values[node.out, at])  # of nothing, it is still one number
                    if self._stages(node).memory is not None:
                        old = self._load(self.home[node.out], self._spot(node, at), value.code, fresh=True)
                        value = self._combined(node, old, value)
                    self._store(node, value, at)

    def _accumulate(self, node: Node, value: Value, at: tuple[int, ...]) -> None:
        code = value.code
        if node.onto or self._stages(node).registers is None:
            more = self._with_other_rows(node, value, at)
            if more is None:
                return
            value = more
            old = self._load(self.home[node.out], self._spot(node, at), code, fresh=True)
            self._store(node, self._combined(node, old, value), at)
            return
        counted = self.text.mask or self.text.new
        if code is self.many and counted is not None and self._lane_counter() in self._reduced(node):
            value = code.where(counted, value, start_of(node.combine, value.kind))
        old = self.values[node.out, at]
        self.values[node.out, at] = self._combined(node, code.splat(old), value)

    def _with_other_rows(self, node: Node, value: Value, at: tuple[int, ...]) -> Value | None:
        """Combined with what other rows, written beside this one, combine at the same place; None: with a later one."""
        return value

    def _fill(self, node: Node, start: Any) -> None:
        """Set the part of an array that belongs to the counts that stand."""
        b = self.home[node.out]
        at, loops = self._free(node)
        if start == 0 and len(loops) == 1 and loops[0][1] == 1 and loops[0][0] > 0:
            pointer, size = self._pointer(b, self._scalar_index(at)), loops[0][0] * max(1, BITS[b.kind] // 8)
            self.text.declared["llvm.memset.p0.i64"] = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
            self.text.lines.append(f"  call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {size}, i1 false)")
            self.text.lines.loaded.pop(b.number, None)
            return
        self._each_place(node, lambda code, at: self._store_flat(b, code.number(start, b.kind), at))

    def _each_place(self, node: Node, act: Callable[[Lanes, Index], None]) -> None:
        """Do something at each place of an array in memory that belongs to the counts that stand."""
        at, loops = self._free(node)
        if all(size for size, _ in loops):
            self._nest(loops, at, act)

    def _free(self, node: Node) -> tuple[Index, list[tuple[int, int]]]:
        """Where the part of an array begins that belongs to the counts that stand; sizes and strides of its axes."""
        b, dims = self.home[node.out], self.dims[node.out]
        at, free = Index(), []
        for k, stride in zip(dims, b.strides, strict=True):
            c = node.own[k]
            if self.classes.of(c) in self.counts:
                at = at + index(c) * stride
            elif c.size != 1:
                free.append((c.size, stride))
        loops: list[tuple[int, int]] = []
        for size, stride in free:  # axes that lie in one piece are one
            if loops and loops[-1][1] == size * stride:
                loops[-1] = (loops[-1][0] * size, stride)
            else:
                loops.append((size, stride))
        return at, loops

    def _nest(self, loops: list[tuple[int, int]], at: Index, act: Callable[[Lanes, Index], None]) -> None:
        if not loops:
            act(self.one, at)
            return
        (size, stride), *rest = loops
        loop = Loop(Counter(size), ())
        inner = at + index(loop.counter) * stride
        if rest:
            with self._loop(loop, "0", str(size), 1, {}):
                self._nest(rest, inner, act)
        else:
            self._on_lanes_of(loop, {}, lambda: act(self.many, inner))

    # --- loops -------------------------------------------------------------------------------------------------------

    def _counted(self, loop: Loop) -> None:
        start: Sums = {key: self.values[key] for key in self._register_sums(loop)}
        sums = self._rounds(loop, loop.counter.size, 1, start, partial(self._emit, loop.body))
        self.values.update(sums)

    def _lanes(self, loop: Loop, write: Callable[[], None] | None = None) -> None:
        before = {key: self.values[key] for key in self._register_sums(loop)}
        go = self._overlapping if self._again_the_same(loop) else self._on_lanes_of
        totals = go(loop, self._on_all_lanes(before), write or partial(self._emit, loop.body))
        self._add_lanes(before, totals)

    def _on_all_lanes(self, before: Sums) -> Sums:
        """In each lane, nothing is combined yet."""
        return {
            key: self.many.number(start_of(self.lowered.made[key[0]][0].combine, value.kind), value.kind)
            for key, value in before.items()
        }

    def _add_lanes(self, before: Sums, totals: Sums) -> None:
        """What the lanes have, combined with what was there before."""
        for key, vector in totals.items():
            node, first = self.lowered.made[key[0]][0], before[key]
            adds = node.combine == "add" and vector.kind != "i1"
            total = self.many.total(vector) if adds else self.many.combined(vector, FORMULAS[node.combine])
            fresh = first.text == self.one.number(start_of(node.combine, first.kind), first.kind).text
            self.values[key] = total if fresh else self._combined(node, first, total)

    def _again_the_same(self, loop: Loop) -> bool:
        """Whether the last round may do again what others have done, so that no rest is left for a text of its own."""
        n = loop.counter.size
        if not self.width < n <= OVERLAPPING * self.width or n % self.width == 0 or loop in self.cuts:
            return False
        for node in nodes_in(loop):
            stages = self._stages(node) if node.reduced else None
            if node.onto or (stages and stages.memory is not None and stages.registers is not loop):
                return False
        return True

    def _overlapping(self, loop: Loop, start: Sums, write: Callable[[], None]) -> Sums:
        """All rounds of a loop on lanes; the last ends where the loop ends, and sums up only what was not there yet."""
        last = loop.counter.size - self.width

        def again() -> None:
            count = self.counts[loop.counter]
            at = count.value
            assert isinstance(at, Value)
            count.value = self.one.where(at < last, at, last)
            if start:
                self.text.new = self.many.counting() >= self.many.splat(at - count.value)
            write()
            self.text.new = None

        return self._rounds(loop, loop.counter.size, self.width, start, again)

    def _on_lanes_of(self, loop: Loop, start: Sums, write: Callable[[], None]) -> Sums:
        """All rounds of a loop, as many at once as there are lanes; the rest under a mask."""
        full, tail = divmod(loop.counter.size, self.width)
        sums = start
        if full <= 1 or full * self._texts(loop) <= FEW:
            for n in range(full):
                sums = self._round(loop, self.one.number(n * self.width, "i64"), sums, write)
        else:
            sums = self._rounds(loop, full * self.width, self.width, sums, write)
        if tail:
            self.scopes.append(Scope(loop, "tail"))
            bits = ", ".join("i1 " + ("true" if k < tail else "false") for k in range(self.width))
            self.text.mask = Value(f"<{bits}>", "i1", self.many)
            sums = self._round(loop, self.one.number(full * self.width, "i64"), sums, write)
            self.text.mask = None
            self.scopes.pop()
        return sums

    def _round(self, loop: Loop, counter: Value, sums: Sums, write: Callable[[], None]) -> Sums:
        self.counts[loop.counter] = Count(counter, lanes=True)
        self.values.update(sums)
        write()
        del self.counts[loop.counter]
        return {key: self.values[key] for key in sums}

    def _rounds(self, loop: Loop, end: int, step: int, start: Sums, write: Callable[[], None]) -> Sums:
        """A loop up to `end`."""
        return self._between(loop, "0", str(end), end > self._block(loop) * step, step, start, write)

    def _texts(self, loop: Loop) -> int:
        """How many statements a round is."""
        return max(1, len(list(nodes_in(loop))))

    def _block(self, loop: Loop) -> int:
        """After how many rounds what was added up in them is kept apart."""
        return BLOCK

    def _between(
        self, loop: Loop, begin: str, end: str, long: bool, step: int, start: Sums, write: Callable[[], None]
    ) -> Sums:
        """Rounds of a loop from one count to another: in one go, or in blocks where there are long sums."""
        folded = [key for key, value in start.items() if self._rounds_off(self.lowered.made[key[0]][0])]
        partial_sums = [node for node in nodes_in(loop) if self._sums_in_memory(node, loop)]
        if not long or not (folded or partial_sums):
            return self._one_go(loop, begin, end, step, start, write)
        for node in partial_sums:
            self._open(node, loop)
        plain = {key: value for key, value in start.items() if key not in folded}
        high = {("high", key): start[key] for key in folded}
        low = {("low", key): start[key].code.number(0, start[key].kind) for key in folded}
        blocks = Loop(Counter(loop.counter.size), ())
        block = self._block(loop) * step
        with self._loop(blocks, begin, end, block, {**plain, **high, **low}) as sums:
            first = self.counts.pop(blocks.counter).value
            assert isinstance(first, Value)
            last = first + block
            most = Value(end, "i64", self.one)
            last = self.one.where(last < most, last, most)
            zero = {key: start[key].code.number(0, start[key].kind) for key in folded}
            done = self._one_go(loop, first.text, last.text, step, {**{k: sums[k] for k in plain}, **zero}, write)
            for key in folded:
                sums["high", key], sums["low", key] = added(sums["high", key], sums["low", key], done[key])
            sums.update({key: done[key] for key in plain})
            for node in partial_sums:
                self._fold(node, loop)
        for node in partial_sums:
            self._close(node, loop)
        return {key: sums[key] if key in plain else rounded(sums["high", key], sums["low", key]) for key in start}

    def _one_go(self, loop: Loop, first: str, end: str, step: int, start: Sums, write: Callable[[], None]) -> Sums:
        with self._loop(loop, first, end, step, start) as sums:
            self.counts[loop.counter].lanes = step > 1
            self.values.update(sums)
            write()
            sums.update({key: self.values[key] for key in start})
        return dict(sums)

    @contextmanager
    def _loop(self, loop: Loop, first: str, end: str, step: int, start: Mapping[Any, Value]) -> Iterator[Sums]:
        """A loop around what is written inside; sums go round with it."""
        mark = self.text.fresh("")
        head = f"loop{mark}"
        sums = {key: Value(f"%sum{mark}_{n}", v.kind, v.code) for n, (key, v) in enumerate(start.items())}
        entered = dict(sums)
        self.text.parts.append(Part())
        self.text.blocks.append(head)
        self.scopes.append(Scope(loop, "counted"))
        self.counts[loop.counter] = Count(Value(self.text.counted(f"%i{mark}"), "i64", self.one))
        yield sums
        self.counts.pop(loop.counter, None)
        self.scopes.pop()
        body, last = self.text.parts.pop(), self.text.blocks.pop()
        before = self.text.block
        lines = [
            f"  br label %{head}", f"{head}:", f"  %i{mark} = phi i64 [ {first}, %{before} ], [ %next{mark}, %{last} ]"
        ]  # fmt: skip
        for key, phi in entered.items():
            lines.append(
                f"  {phi.text} = phi {phi.type} [ {start[key].text}, %{before} ], [ {sums[key].text}, %{last} ]"
            )
        lines += body
        lines += [
            f"  %next{mark} = add nuw nsw i64 %i{mark}, {step}",
            f"  %more{mark} = icmp ult i64 %next{mark}, {end}",
            f"  br i1 %more{mark}, label %{head}, label %done{mark}",
        ]
        self.text.lines.extend(lines)
        self.text.label(f"done{mark}", always=True)

    def _register_sums(self, loop: Loop) -> list[Key]:
        """What goes round with this loop in registers."""
        found: list[Key] = []
        for node in nodes_in(loop):
            if node.reduced:
                path, registers = self._paths[node], self._stages(node).registers
                if registers is not None and path.index(registers) <= path.index(loop):
                    found += [(node.out, at) for at in self._written_out(node)]
        return found

    # --- long sums ---------------------------------------------------------------------------------------------------

    def _rounds_off(self, node: Node) -> bool:
        return node.combine == "add" and node.out.type.dtype.kind == "f"

    def _sums_in_memory(self, node: Node, loop: Loop) -> bool:
        """Whether what is added up in memory grows with every round of this loop."""
        if not node.reduced or not self._rounds_off(node) or loop.counter not in self._reduced(node):
            return False
        path, registers = self._paths[node], self._stages(node).registers
        return registers is None or path.index(loop) < path.index(registers)

    def _place_pairs(self) -> None:
        """Memory for sums of two."""
        for loop, kind in self.kinds.items():
            if kind in ("counted", "in groups") and loop.counter.size > BLOCK:
                for node in nodes_in(loop):
                    if self._sums_in_memory(node, loop):
                        shape = self.home[node.out].shape
                        for part in ("high", "low"):
                            self._buffer((node, loop, part), "temporary", node.out.type.dtype.name, shape)

    def _pair(self, node: Node, loop: Loop) -> tuple[Buffer, Buffer]:
        return self.home[node, loop, "high"], self.home[node, loop, "low"]

    def _at(self, b: Buffer, code: Lanes, at: Index) -> Value:
        return self._load_lanes(b, at, ()) if code is self.many else self._load_one(b, at, ())

    def _open(self, node: Node, loop: Loop) -> None:
        """What was there goes to the sum of two, and a block begins at zero."""
        home, (high, low) = self.home[node.out], self._pair(node, loop)

        def act(code: Lanes, at: Index) -> None:
            zero = code.number(0, home.kind)
            self._store_flat(high, self._at(home, code, at), at)
            self._store_flat(low, zero, at)
            self._store_flat(home, zero, at)

        self._each_place(node, act)

    def _fold(self, node: Node, loop: Loop) -> None:
        home, (high, low) = self.home[node.out], self._pair(node, loop)

        def act(code: Lanes, at: Index) -> None:
            new = added(*(self._at(b, code, at) for b in (high, low, home)))
            self._store_flat(high, new[0], at)
            self._store_flat(low, new[1], at)
            self._store_flat(home, code.number(0, home.kind), at)

        self._each_place(node, act)

    def _close(self, node: Node, loop: Loop) -> None:
        home, (high, low) = self.home[node.out], self._pair(node, loop)
        self._each_place(
            node, lambda code, at: self._store_flat(home, rounded(*(self._at(b, code, at) for b in (high, low))), at)
        )


def added(high: Value, low: Value, x: Value) -> tuple[Value, Value]:
    """A sum of two, and one more (Knuth)."""
    code = Lanes(x.code.width, x.code.target)
    a, b = (Value(v.text, v.kind, code) for v in (high, x))
    total = a + b
    of_x = total - a
    lost = (a - (total - of_x)) + (b - of_x)
    rest = Value(low.text, low.kind, code) + lost
    return Value(total.text, total.kind, x.code), Value(rest.text, rest.kind, x.code)


def rounded(high: Value, low: Value) -> Value:
    """A sum of two as one number; where it is infinite, the second is NaN, and means nothing."""
    return high.code.where(low.is_nan(), high, high + low)
