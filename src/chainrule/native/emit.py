"""Loops to LLVM IR: a kernel is one function of an array of pointers; 0 where it is done, 1 where it can't be right.

A loop without loops inside runs on lanes, its rest under a mask; a short one is written out, and what it makes stays in
registers; others count. What does not change in a loop is read before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product

from ..ir import Const, Equation, Var
from .arena import Life, arranged
from .borrowed import borrowed
from .calls import Call, Code
from .elementwise import formula_of, is_cheap
from .indices import Counter, Index, Quotient, Read, Within
from .lanes import KINDS, Lanes, Text, Value
from .llvm import target
from .lower import Lowered, Node
from .memory import HERE, Buffer, Count, Scope
from .pieces import Pieces
from .reductions import OVERLAPPING, Stages
from .schedule import Classes, Item, Loop, loops_in, nodes_in
from .worth import worth_lanes

_WRITTEN_OUT = 4  # rounds at most of a loop that is written out
_STATEMENTS = 256  # … and statements
_ROUNDS = 16  # of a loop that is not short
_MANY = 4096  # elements in all: of fewer, LLVM's additional time is not won back soon


def lanes(items: Sequence[Item]) -> int:
    """As many as two registers have, where there is much to do: while one waits for a result, the other goes on."""
    one = target().width

    def much(items: Sequence[Item], around: int) -> bool:
        for loop in items:
            if isinstance(loop, Loop):
                n = loop.counter.size
                if much(loop.body, around * n):
                    return True
                if not any(loops_in(loop.body)) and n >= _ROUNDS * one and around * n >= _MANY:
                    return True
        return False

    return 2 * one if much(items, 1) else one


class Kernel(Pieces):
    """The text of one kernel, and the memory that it needs. It changes while it is written."""

    def __init__(
        self, lowered: Lowered, classes: Classes, items: Sequence[Item], width: int, name: str, cut: bool = False
    ) -> None:
        """With `cut`, long loops are written in pieces that threads can share."""
        self.lowered, self.classes, self.items = lowered, classes, tuple(items)
        self.width, self.name = width, name
        self.text = Text()
        self.one = Lanes(1, self.text, "contract")
        self.many = Lanes(width, self.text, "contract")
        self.buffers: list[Buffer] = []
        self.home: dict[object, Buffer] = {}
        self.dims: dict[Var, tuple[int, ...]] = {}  # which of an array's axes its buffer has
        self.counts: dict[Counter, Count] = {}
        self.values: dict[tuple[Var, tuple[int, ...]], Value] = {}
        self.scopes: list[Scope] = [Scope(None, "counted")]
        self.kinds: dict[Loop, str] = {}
        self._paths: dict[Node, tuple[Loop, ...]] = {}
        self._known_stages: dict[Node, Stages] = {}
        self._place()
        self._place_pairs()
        self.cuts, self.areas, self.pieces = {}, {}, []
        if cut:
            self._plan_cuts()
        self._arrange()
        self._emit_all()

    # --- what lives where --------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Which values need memory, and of which shape."""
        self._walk(self.items, ())
        for v in self.lowered.inputs:
            self._buffer(v, "input", v.type.dtype.name, v.type.shape)
        rounds = OVERLAPPING * self.width
        self.borrowed = borrowed(self.lowered, self.items, self._paths, self.classes, rounds)
        users: dict[Var, list[Node]] = {}
        whole = {source for call in self.lowered.calls for source in call.sources}
        for step in self.lowered.steps:
            for r in step.needs:
                if isinstance(r.source, Const) and (r.source.type.shape or r.source in whole):
                    if r.source not in self.home:
                        self._buffer(r.source, "constant", r.source.type.dtype.name, r.source.type.shape)
                elif r.source in self.lowered.made and isinstance(step, Node):
                    users.setdefault(r.source, []).append(step)
        lanes = {loop.counter for loop, kind in self.kinds.items() if kind in ("lanes", "in groups")}
        outputs = [r.source for r in self.lowered.outputs]
        for v in outputs:
            self._buffer(v, "output", v.type.dtype.name, v.type.shape)
            self.dims[v] = tuple(range(len(v.type.shape)))
        for call in self.lowered.calls:
            for v in call.outs:
                if v not in self.home:
                    self._buffer(v, "temporary", v.type.dtype.name, v.type.shape)
            for k, size in enumerate(call.scratch):
                self._buffer((call, k), "temporary", "bool", (size,))
        for node in self.lowered.nodes:
            if node.out in self.home:
                continue
            if node.out in whole or self._only_in_memory(node.out):
                self.dims[node.out] = tuple(range(len(node.out.type.shape)))
                self._temporary(node.out, node.out.type.shape)
                continue
            made_in = self._paths[node]
            if node.reduced:
                summed = self._reduced(node)
                outer = next((k for k, loop in enumerate(made_in) if loop.counter in summed), len(made_in))
                made_in = made_in[:outer]
            shared = len(made_in)
            for user in users.get(node.out, ()):
                path = self._paths[user]
                same = next((k for k, (a, b) in enumerate(zip(made_in, path, strict=False)) if a is not b), None)
                shared = min(shared, same if same is not None else min(len(made_in), len(path)))
            fixed = {loop.counter for loop in made_in[:shared]}
            dims = tuple(k for k, c in enumerate(node.own) if self.classes.of(c) not in fixed and c.size != 1)
            counted = [
                loop.counter
                for n in (node, *users.get(node.out, ()))
                for loop in self._paths[n]
                if self.kinds[loop] != "written out"
            ]
            read_at = [i for k in dims for i in self._positions(node, users.get(node.out, ()), k)]
            always = not any(
                any(self.classes.of(c) in counted for c in i.counters()) or any(i.loaded()) for i in read_at
            )
            if dims and not always:
                fixed = {c for c in fixed if c not in lanes}  # one place for each lane
                dims = tuple(k for k, c in enumerate(node.own) if self.classes.of(c) not in fixed and c.size != 1)
                self.dims[node.out] = dims
                self._temporary(node.out, tuple(node.own[k].size for k in dims))

    def _positions(self, node: Node, users: Sequence[Node], k: int) -> Iterator[Index]:
        """Where an array is written and read along an axis."""
        yield node.place[k]
        yield from (r.at[k] for user in users for r in user.needs if r.source is node.out)

    def _arrange(self) -> None:
        """Where temporaries lie: those that are not needed in the same step may share a place."""
        needed: dict[int, list[int]] = {b.number: [] for b in self.buffers}
        when: dict[object, int] = {}
        for n, item in enumerate(self.items):
            for step in nodes_in(item) if isinstance(item, Loop) else [item]:
                when[step] = n
                for what in (*step.outs, *(r.source for r in step.needs)):
                    if what in self.home:
                        needed[self.home[what].number].append(n)
        for what, b in self.home.items():
            if isinstance(what, tuple):  # what a step needs for itself
                needed[b.number].append(when[what[0]])
        own = [b for b in self.buffers if b.role == "temporary"]
        lives = [Life(b.bytes, min(needed[b.number]), max(needed[b.number])) for b in own]
        lives += [Life(cut.bytes, n, n) for cut in self.cuts.values() for n in [self.items.index(cut.loop)]]
        starts, self.scratch = arranged(lives)
        self.starts = {b.number: start for b, start in zip(own, starts, strict=False)}
        self.areas = dict(zip(self.cuts, starts[len(own) :], strict=True))

    def _temporary(self, v: Var, shape: tuple[int, ...]) -> None:
        """Memory of the kernel's own, unless there is some in an output."""
        if v in self.borrowed and shape == v.type.shape:
            self.home[v] = self.home[self.borrowed[v]]
        else:
            self.borrowed.pop(v, None)
            self._buffer(v, "temporary", v.type.dtype.name, shape)

    def _buffer(self, what: object, role: str, dtype: str, shape: tuple[int, ...]) -> None:
        self.home[what] = Buffer(len(self.buffers), role, KINDS[dtype], tuple(shape))
        self.buffers.append(self.home[what])

    def _walk(self, items: Sequence[Item], path: tuple[Loop, ...]) -> int:
        """How many statements there are, loops that are written out counted as often as they are; kinds on the way."""
        total = 0
        for item in items:
            if isinstance(item, Call):
                continue
            if isinstance(item, Node):
                self._paths[item] = path
                total += 1
                continue
            inside = self._walk(item.body, (*path, item))
            loops = [self.kinds[k] for k in loops_in(item.body)]
            if (
                item.counter.size <= _WRITTEN_OUT
                and item.counter.size * inside <= _STATEMENTS
                and all(k == "written out" for k in loops)
            ):
                self.kinds[item] = "written out"
                total += item.counter.size * inside
            else:
                nested = any(k != "written out" for k in loops)
                serial = {self.classes.of(c) for node in nodes_in(item) for c in node.serial}
                one_by_one = nested or item.counter in serial or not self._worth_lanes(item)
                self.kinds[item] = "counted" if one_by_one else "lanes"
                if nested and self._in_groups(item):
                    self.kinds[item] = "in groups"
                total += 2 * inside
        return total

    def _worth_lanes(self, loop: Loop) -> bool:
        inside = set(nodes_in(loop))
        return worth_lanes(loop, self.width, self.classes, lambda node: not self._readers_of(node.out) <= inside)

    def _readers_of(self, v: Var) -> set[object]:
        return self._readers[v]

    @cached_property
    def _readers(self) -> dict[Var, set[object]]:
        """Who reads an array that is made: steps, and None where it is an output."""
        found: dict[Var, set[object]] = {v: set() for step in self.lowered.steps for v in step.outs}
        for step in self.lowered.steps:
            for r in step.needs:
                if r.source in found:
                    found[r.source].add(step)
        for r in self.lowered.outputs:
            if r.source in found:
                found[r.source].add(None)
        return found

    # --- loops -------------------------------------------------------------------------------------------------------

    def _emit_all(self) -> None:
        self._emit(self.items)

    def _emit(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Call):
                self._call(item)
            elif isinstance(item, Node):
                self._node(item)
            else:
                self._begin(item)
                write = {"written out": self._written_out_loop, "counted": self._counted, "lanes": self._lanes,
                         "in groups": self._grouped}  # fmt: skip
                known = set(self.values)
                if item.counter.size:  # a sum of nothing is begun and ended
                    write[self.kinds[item]](item)
                self._end(item)
                if self.kinds[item] != "written out":  # what was made in a round is gone with it
                    self.values = {key: v for key, v in self.values.items() if key in known}

    def _call(self, call: Call) -> None:
        """A routine on whole arrays."""
        results, own = (
            [f"%b{self.home[what].number}" for what in whats]
            for whats in (call.outs, [(call, k) for k in range(len(call.scratch))])
        )
        code = Code(self.text, (), results, own)
        code.operands = tuple(
            code.at(f"%b{self.home[v.source].number}", self.home[v.source].kind, (str(v.offset), 1)) for v in call.views
        )
        call.write(code)
        self.text.lines.loaded.clear()

    def _written_out(self, node: Node) -> Iterator[tuple[int, ...]]:
        """Every place of a value that is kept in registers."""
        sizes = []
        for c in node.own:
            count = self.counts.get(self.classes.of(c))
            if count is not None and isinstance(count.value, int) and not count.lanes:
                sizes.append([count.value])
            elif count is not None or c.size == 1:
                sizes.append([0] if c.size == 1 else _rows_of(count))
            else:
                sizes.append(list(range(c.size)))
        yield from product(*sizes)

    def _written_out_loop(self, loop: Loop) -> None:
        for n in range(loop.counter.size):
            self.counts[loop.counter] = Count(n)
            self._emit(loop.body)
        self.counts.pop(loop.counter, None)

    # --- elements ----------------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        code = self.many if self._on_lanes(node) else self.one
        value = self._computed(node, code)
        at = self._place_of(node)
        if node.reduced or node.onto:
            self._accumulate(node, value, at)
            return
        if not self._only_in_memory(node.out):
            self.values[node.out, at] = value
        if node.out in self.home:
            self._store(node, value, at)

    def _on_lanes(self, node: Node) -> bool:
        return any(self.counts[c].lanes for c in map(self.classes.of, node.counters) if c in self.counts)

    def _place_of(self, node: Node) -> tuple[int, ...]:
        found = []
        for c in node.own:
            count = self.counts.get(self.classes.of(c))
            here = 0 if c.size == 1 else _row_of(count)
            found.append(count.value if count is not None and isinstance(count.value, int) else here)
        return tuple(found)

    def _computed(self, node: Node, code: Lanes) -> Value:
        e = node.equation
        if e is None:
            return self._read(node.reads[0], code)
        assert e.op.native is not None
        kind, how = KINDS[node.out.type.dtype.name], e.op.native.how
        if how == "assembly":
            return self._last_there(node.reads, code)
        if how == "running":
            return self._one_more(node, code)
        reads = [self._read(r, code) for r in node.reads]
        if how == "index":
            return self._position(code, reads, e.params["sizes"])
        if how == "product":
            return reads[0] if len(reads) == 1 else reads[0] * reads[1] if kind != "i1" else reads[0] & reads[1]
        exact = Lanes(code.width, self.text) if node.again else code  # nothing is fused
        values = [Value(v.text, v.kind, exact) for v in reads]
        y = reads[0] if how == "reduction" else formula_of(e)(exact, *values, **e.params)
        y = Value(y.text, y.kind, code)
        return y if y.kind == kind else y.to(kind)

    def _last_there(self, reads: Sequence[Read], code: Lanes) -> Value:
        """Of several elements, the last that is there; 0 where none is."""
        value: Value | None = None
        for r in reads:
            if any(self._always(w) is False for w in r.presence):
                continue
            there = self._there(tuple(w for w in r.presence if self._always(w) is not True), code)
            new = self._read(r, code)
            value = new if value is None or there is None else code.where(there, new, value)
        return code.number(0, KINDS[reads[0].source.type.dtype.name]) if value is None else value

    def _one_more(self, node: Node, code: Lanes) -> Value:
        """What stands before, if anything does, combined with one more."""
        before, one = node.reads
        x = self._read(one, code)
        if any(self._always(w) is False for w in before.when):
            return x
        more = self._combined(node, self._read(before, code), x)
        there = self._there(tuple(w for w in before.when if self._always(w) is not True), code)
        return more if there is None else code.where(there, more, x)

    def _position(self, code: Lanes, reads: Sequence[Value], sizes: Sequence[int]) -> Value:
        """Positions in several axes as one; negative ones count from the end, and what is outside sets the status."""
        flat = code.number(0, "i64")
        for i, n in zip(reads, sizes, strict=True):
            i = i.to("i64")
            i = code.where(i < 0, i + n, i)
            outside = (i < 0) | (i >= n)
            code.fail_where(outside)
            flat = flat * n + code.where(outside, 0, i)
        return flat

    def _read(self, r: Read, code: Lanes) -> Value:
        """An element, or the elements in the lanes."""
        if isinstance(r.source, Const) and r.source.type.shape == ():
            return self._where_there(r, code.number(r.source.value.item(), KINDS[r.source.type.dtype.name]), code)
        node = next(iter(self.lowered.made.get(r.source, ())), None)
        if node is not None and not self._only_in_memory(node.out):
            at = self._known_place(r, node)
            if at is not None and (node.out, at) in self.values and self._whole_in_registers(node):
                return self._where_there(r, code.splat(self.values[node.out, at]), code)
        dims = self.dims.get(r.source)
        at_memory = r.at if dims is None or node is None else tuple(r.at[k] for k in dims)
        if any(self._always(w) is False for w in r.when):
            return code.number(0, KINDS[r.source.type.dtype.name])
        when = tuple(w for w in r.when if self._always(w) is not True)
        return self._load(self.home[r.source], Read(r.source, at_memory, when), code)

    def _where_there(self, r: Read, value: Value, code: Lanes) -> Value:
        """The value, or zero where a condition fails."""
        if any(self._always(w) is False for w in r.when):
            return code.number(0, value.kind)
        when = tuple(w for w in r.when if self._always(w) is not True)
        if not when:
            return value
        there = self._there(when, code)
        assert there is not None
        return code.where(there, value, code.number(0, value.kind))

    def _there(self, when: Sequence[Within], code: Lanes) -> Value | None:
        """Whether conditions hold that are not known while writing."""
        lanes = code is self.many and any(self._factor(w.what) != 0 for w in when)
        there = self._condition(when, code if lanes else self.one)
        return code.splat(there) if there is not None and code is self.many and not lanes else there

    def _always(self, w: Within) -> bool | None:
        """Whether a condition holds, if that is known while writing."""
        if w.low >= w.high:  # a part without elements
            return False
        number = self._number(w.what)
        if number is None:
            return None
        return w.low <= number < w.high and (number - w.low) % w.step == 0

    def _number(self, i: Index) -> int | None:
        total = i.constant
        for term, factor in i.terms:
            if isinstance(term, Counter):
                count = self.counts.get(self.classes.of(term))
                if term.size == 1:
                    continue
                if count is None or not isinstance(count.value, int):
                    return None
                total += factor * count.value
            elif isinstance(term, Quotient):
                inner = self._number(term.of)
                if inner is None:
                    return None
                total += factor * (inner // term.by)
            else:
                return None
        return total

    def _known_place(self, r: Read, node: Node) -> tuple[int, ...] | None:
        """Which register holds what is read, if it is read in place or at numbers."""
        found = []
        for i, c in zip(r.at, node.own, strict=True):
            if c.size == 1:  # conditions say whether it is there
                found.append(0)
                continue
            number = self._number(i)
            count = self.counts.get(self.classes.of(c))
            if number is not None:
                if count is not None and not isinstance(count.value, int):
                    return None
                found.append(number)
                continue
            term = i.terms[0][0] if len(i.terms) == 1 and i.terms[0][1] == 1 and not i.constant else None
            if not isinstance(term, Counter) or self.classes.of(term) is not self.classes.of(c) or count is None:
                return None
            found.append(_row_of(count))
        return tuple(found)

    def _is_light(self, node: Node) -> bool:
        return node.equation is None or node.reduced > 0 or _is_a_product(node.equation) or is_cheap(node.equation)

    # --- the whole ---------------------------------------------------------------------------------------------------

    def module(self) -> str:
        """The module's text."""
        return "\n".join([*self.text.declared.values(), *self.text.helpers.values(), *self.pieces, self.function()])

    def function(self) -> str:
        """The text of the kernel alone, without what it calls."""
        lines = [
            f"define i32 @{self.name}(ptr noalias %bufs) nounwind {{", "entry:", "  %status = alloca i32",
            "  store i32 0, ptr %status",
        ]  # fmt: skip
        body = ["  %threads.n = ptrtoint ptr %threads to i64"] if self.cuts else []
        body += [*self.text.first, *self.text.lines, "  %ends = load i32, ptr %status", "  ret i32 %ends", "}", ""]
        lines += [*self._addresses({}, body), *body]
        return "\n".join(lines)


def _rows_of(count: Count | None) -> list[int]:
    """At which places a value stands that is made in each round of a loop."""
    return list(count.rows) if count is not None and count.rows else [HERE]


def _row_of(count: Count | None) -> int:
    (row,) = _rows_of(count)
    return row


def _is_a_product(e: Equation) -> bool:
    return e.op.native is not None and e.op.native.how == "product"
