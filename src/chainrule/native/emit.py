"""Loops to LLVM IR: a kernel is one function of an array of pointers.

A loop without loops inside runs on lanes, its rest under a mask; a short one is written out, and what it makes stays in
registers; others count. What does not change in a loop is read before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod

from ..ir import Const, Var
from ..ops.arithmetic import convert
from .arena import Life, arranged
from .elementwise import FORMULA_OF
from .indices import Counter, Index, Quotient, Read, Within, index
from .lanes import BITS, Lanes, Text, Value
from .lower import Foreign, Lowered, Node
from .memory import Buffer, Count, Memory, Scope
from .schedule import Classes, Item, Loop

KINDS = {"float64": "f64", "float32": "f32", "int64": "i64", "int32": "i32", "bool": "i1"}
_WRITTEN_OUT = 4  # rounds at most of a loop that is written out
_STATEMENTS = 256  # … and statements


class Kernel(Memory):
    """The text of one kernel, and the memory that it needs. It changes while it is written."""

    def __init__(self, lowered: Lowered, classes: Classes, items: Sequence[Item], width: int, name: str) -> None:
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
        self.mask: Value | None = None
        self.kinds: dict[Loop, str] = {}
        self.made = {node.out: node for node in lowered.nodes}
        self._paths: dict[Node, tuple[Loop, ...]] = {}
        self._place()
        self._arrange()
        self._emit_all()

    # --- what lives where --------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Which values need memory, and of which shape."""
        self._walk(self.items, ())
        for v in self.lowered.inputs:
            self._buffer(v, "input", v.type.dtype.name, v.type.shape)
        users: dict[Var, list[Node]] = {}
        for node in self.lowered.nodes:
            for r in node.reads:
                if isinstance(r.source, Const) and r.source.type.shape:
                    if r.source not in self.home:
                        self._buffer(r.source, "constant", r.source.type.dtype.name, r.source.type.shape)
                elif r.source in self.made:
                    users.setdefault(r.source, []).append(node)
        outputs = [r.source for r in self.lowered.outputs]
        for v in outputs:
            self._buffer(v, "output", v.type.dtype.name, v.type.shape)
            self.dims[v] = tuple(range(len(v.type.shape)))
        for node in self.lowered.nodes:
            if node.out in self.home:
                continue
            made_in = self._paths[node]
            if node.reduced:
                summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
                outer = next((k for k, loop in enumerate(made_in) if loop.counter in summed), len(made_in))
                made_in = made_in[:outer]
            shared = len(made_in)
            for user in users.get(node.out, ()):
                path = self._paths[user]
                same = next((k for k, (a, b) in enumerate(zip(made_in, path, strict=False)) if a is not b), None)
                shared = min(shared, same if same is not None else min(len(made_in), len(path)))
            fixed = {loop.counter for loop in made_in[:shared]}
            dims = tuple(k for k, c in enumerate(node.own) if self.classes.of(c) not in fixed and c.size != 1)
            written_out = {loop.counter for loop in self.kinds if self.kinds[loop] == "written out"}
            loops = {self.classes.of(node.own[k]) for k in dims}
            always = all(
                self.kinds[loop] == "written out"
                for n in (node, *users.get(node.out, ()))
                for loop in self._paths[n]
                if loop.counter in loops
            )
            if dims and not (always and loops <= written_out):
                self.dims[node.out] = dims
                self._buffer(node.out, "temporary", node.out.type.dtype.name, tuple(node.own[k].size for k in dims))

    def _arrange(self) -> None:
        """Where temporaries lie: those that are not needed in the same step may share a place."""
        step: dict[Node, int] = {}
        for n, item in enumerate(self.items):
            step.update(dict.fromkeys([item] if isinstance(item, Node) else _nodes(item), n))
        last = {node.out: n for node, n in step.items()}
        for node, n in step.items():
            for r in node.reads:
                if r.source in last:
                    last[r.source] = max(last[r.source], n)
        own = [b for b in self.buffers if b.role == "temporary"]
        made = {self.home[v].number: step[node] for v, node in self.made.items() if v in self.home}
        until = {self.home[v].number: n for v, n in last.items() if v in self.home}
        starts, self.scratch = arranged([Life(b.bytes, made[b.number], until[b.number]) for b in own])
        self.starts = {b.number: start for b, start in zip(own, starts, strict=True)}

    @property
    def given(self) -> list[tuple[object, Buffer]]:
        """What the kernel is given addresses of, in their order; after them, that of its scratch memory."""
        return [(what, b) for what, b in self.home.items() if b.role != "temporary"]

    def _buffer(self, what: object, role: str, dtype: str, shape: tuple[int, ...]) -> None:
        self.home[what] = Buffer(len(self.buffers), role, KINDS[dtype], tuple(shape))
        self.buffers.append(self.home[what])

    def _walk(self, items: Sequence[Item], path: tuple[Loop, ...]) -> int:
        """How many statements there are, loops that are written out counted as often as they are; kinds on the way."""
        total = 0
        for item in items:
            if isinstance(item, Node):
                self._paths[item] = path
                total += 1
                continue
            inside = self._walk(item.body, (*path, item))
            loops = [self.kinds[k] for k in _loops(item.body)]
            if (
                item.counter.size <= _WRITTEN_OUT
                and item.counter.size * inside <= _STATEMENTS
                and all(k == "written out" for k in loops)
            ):
                self.kinds[item] = "written out"
                total += item.counter.size * inside
            else:
                self.kinds[item] = "counted" if any(k != "written out" for k in loops) else "lanes"
                total += 2 * inside
        return total

    # --- loops -------------------------------------------------------------------------------------------------------

    def _emit_all(self) -> None:
        given = [b.number for _, b in self.given]
        for place, name in enumerate([*(f"%b{n}" for n in given), *["%scratch"] * bool(self.scratch)]):
            self.text.lines.append(f"  %at{place} = getelementptr ptr, ptr %bufs, i64 {place}")
            self.text.lines.append(f"  {name} = load ptr, ptr %at{place}")
        for number, start in self.starts.items():
            self.text.lines.append(f"  %b{number} = getelementptr i8, ptr %scratch, i64 {start}")
        self._emit(self.items)

    def _emit(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Node):
                self._node(item)
            else:
                self._begin_sums(item)
                write = {"written out": self._written_out_loop, "counted": self._counted, "lanes": self._lanes}
                known = set(self.values)
                write[self.kinds[item]](item)
                self._end_sums(item)
                if self.kinds[item] != "written out":  # what was made in a round is gone with it
                    self.values = {key: v for key, v in self.values.items() if key in known}

    def _begin_sums(self, loop: Loop) -> None:
        """Zero what is summed over this loop and its like: before the outermost of them."""
        for node in _nodes(loop):
            if not node.reduced:
                continue
            summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
            path = self._paths[node]
            first = next(k for k in path if k.counter in summed)
            if first is not loop:
                continue
            if self._in_registers(node):
                kind = KINDS[node.out.type.dtype.name]
                for at in self._written_out(node):
                    self.values[node.out, at] = self.one.number(0, kind)
            else:
                self._zero(node, self.home[node.out])

    def _end_sums(self, loop: Loop) -> None:
        """Write what is now summed up."""
        for node in _nodes(loop):
            if node.reduced and node.out in self.home and self._in_registers(node) and self._last(node, loop):
                for at in self._written_out(node):
                    self._store(node, self.values[node.out, at], at)

    def _zero(self, node: Node, b: Buffer) -> None:
        """The part of a buffer that belongs to the counts that stand."""
        own = [k for k in self.dims[node.out] if self.classes.of(node.own[k]) not in self.counts]
        fixed = [k for k in self.dims[node.out] if self.classes.of(node.own[k]) in self.counts]
        if fixed != list(self.dims[node.out][: len(fixed)]):
            raise Foreign("a sum whose fixed axes do not stand first")
        size = prod(node.own[k].size for k in own) * max(1, BITS[b.kind] // 8)
        start = self._address(b, tuple(index(node.own[k]) if k in fixed else Index() for k in self.dims[node.out]))
        self.text.declared["llvm.memset.p0.i64"] = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
        self.text.lines.append(f"  call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {size}, i1 false)")

    def _written_out(self, node: Node) -> Iterator[tuple[int, ...]]:
        """Every place of a value that is kept in registers."""
        sizes = []
        for c in node.own:
            count = self.counts.get(self.classes.of(c))
            if count is not None and isinstance(count.value, int) and not count.lanes:
                sizes.append([count.value])
            elif count is not None or c.size == 1:
                sizes.append([0])
            else:
                sizes.append(list(range(c.size)))
        yield from product(*sizes)

    def _written_out_loop(self, loop: Loop) -> None:
        for n in range(loop.counter.size):
            self.counts[loop.counter] = Count(n)
            self._emit(loop.body)
        del self.counts[loop.counter]

    def _counted(self, loop: Loop) -> None:
        sums = self._register_sums(loop)
        start = {key: self.values[key] for key in sums}
        with self._loop(loop, loop.counter.size, 1, start) as phis:
            self.values.update(phis)
            self._emit(loop.body)
            phis.update({key: self.values[key] for key in sums})
        self.values.update(phis)

    def _lanes(self, loop: Loop) -> None:
        full, tail = divmod(loop.counter.size, self.width)
        sums = self._register_sums(loop)
        before = {key: self.values[key] for key in sums}
        zero = {key: self.many.number(0, v.kind) for key, v in before.items()}
        totals: dict[tuple[Var, tuple[int, ...]], Value] = dict(zero)
        if full == 1:
            totals = self._round(loop, self.one.number(0, "i64"), totals)
        elif full:
            with self._loop(loop, full * self.width, self.width, zero) as phis:
                counter = self.counts[loop.counter].value
                assert isinstance(counter, Value)
                phis.update(self._round(loop, counter, dict(phis)))
            totals = dict(phis)
        if tail:
            self.scopes.append(Scope(loop, "tail"))
            self.mask = Value(
                f"<{', '.join('i1 ' + ('true' if k < tail else 'false') for k in range(self.width))}>", "i1", self.many
            )
            totals = self._round(loop, self.one.number(full * self.width, "i64"), totals)
            self.mask = None
            self.scopes.pop()
        for key, vector in totals.items():
            total = self.many.total(vector)
            start = before[key]
            self.values[key] = total if start.text in ("0", "0x0000000000000000") else start + total

    def _round(
        self, loop: Loop, counter: Value, sums: dict[tuple[Var, tuple[int, ...]], Value]
    ) -> dict[tuple[Var, tuple[int, ...]], Value]:
        self.counts[loop.counter] = Count(counter, lanes=True)
        self.values.update(sums)
        self._emit(loop.body)
        del self.counts[loop.counter]
        return {key: self.values[key] for key in sums}

    @contextmanager
    def _loop(
        self, loop: Loop, end: int, step: int, start: dict[tuple[Var, tuple[int, ...]], Value]
    ) -> Iterator[dict[tuple[Var, tuple[int, ...]], Value]]:
        """A loop around what is written inside; sums go round with it."""
        mark = self.text.fresh("")
        head = f"loop{mark}"
        phis = {key: Value(f"%sum{mark}_{n}", v.kind, v.code) for n, (key, v) in enumerate(start.items())}
        entered = dict(phis)
        self.text.parts.append([])
        self.text.blocks.append(head)
        self.scopes.append(Scope(loop, "counted"))
        self.counts[loop.counter] = Count(Value(f"%i{mark}", "i64", self.one))
        yield phis
        self.counts.pop(loop.counter, None)
        self.scopes.pop()
        body, last = self.text.parts.pop(), self.text.blocks.pop()
        before = self.text.block
        lines = [f"  br label %{head}", f"{head}:", f"  %i{mark} = phi i64 [ 0, %{before} ], [ %next{mark}, %{last} ]"]
        for key, phi in entered.items():
            lines.append(
                f"  {phi.text} = phi {phi.type} [ {start[key].text}, %{before} ], [ {phis[key].text}, %{last} ]"
            )
        lines += body
        lines += [
            f"  %next{mark} = add nuw nsw i64 %i{mark}, {step}",
            f"  %more{mark} = icmp ult i64 %next{mark}, {end}",
            f"  br i1 %more{mark}, label %{head}, label %done{mark}",
        ]
        self.text.lines.extend(lines)
        self.text.label(f"done{mark}")

    def _last(self, node: Node, loop: Loop) -> bool:
        """Whether the node's sum is complete after this loop."""
        summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
        return next(k for k in self._paths[node] if k.counter in summed) is loop

    def _in_registers(self, node: Node) -> bool:
        """Whether a sum is kept in registers: its own axes are fixed, or written out, where its loops begin."""
        if node.out not in self.home:
            return True
        summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
        path = self._paths[node]
        first = next(k for k, loop in enumerate(path) if loop.counter in summed)
        inner = [loop for loop in path[first:] if loop.counter not in summed]
        return all(self.kinds[loop] == "written out" for loop in inner)

    def _register_sums(self, loop: Loop) -> list[tuple[Var, tuple[int, ...]]]:
        """What goes round with this loop in registers."""
        found = []
        for node in _nodes(loop):
            if node.reduced and self._in_registers(node):
                summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
                path = self._paths[node]
                if loop.counter in summed or any(k.counter in summed for k in path[: path.index(loop)]):
                    found += [(node.out, at) for at in self._written_out(node)]
        return found

    # --- elements ----------------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        lanes = self._on_lanes(node)
        code = self.many if lanes else self.one
        reads = [self._read(r, code) for r in node.reads]
        value = self._computed(node, code, reads)
        at = self._place_of(node)
        if node.reduced:
            if self._in_registers(node):
                value = code.where(self.mask, value, 0) if lanes and self.mask is not None else value
                old = self.values[node.out, at]
                self.values[node.out, at] = (code.splat(old) if lanes else old) + value
            else:
                b = self.home[node.out]
                spot = Read(node.out, tuple(index(node.own[k]) for k in self.dims[node.out]))
                old = self._load(b, spot, code, fresh=True)
                self._store(node, old + self._total_if_summed(node, value, code), at)
            return
        self.values[node.out, at] = value
        if node.out in self.home:
            self._store(node, value, at)

    def _total_if_summed(self, node: Node, value: Value, code: Lanes) -> Value:
        summed = {self.classes.of(c) for c in node.counters[len(node.own) :]}
        if any(count.lanes and c in summed for c, count in self.counts.items()):
            raise Foreign("a sum over lanes into memory")
        return value

    def _on_lanes(self, node: Node) -> bool:
        return any(self.counts[c].lanes for c in map(self.classes.of, node.counters) if c in self.counts)

    def _place_of(self, node: Node) -> tuple[int, ...]:
        found = []
        for c in node.own:
            count = self.counts.get(self.classes.of(c))
            found.append(count.value if count is not None and isinstance(count.value, int) else 0)
        return tuple(found)

    def _computed(self, node: Node, code: Lanes, reads: list[Value]) -> Value:
        e = node.equation
        if e is None:
            return reads[0]
        kind = KINDS[node.out.type.dtype.name]
        if "spec" in e.params:
            x = reads[0] if len(reads) == 1 else reads[0] * reads[1] if kind != "i1" else reads[0] & reads[1]
            return x
        if e.op is convert:
            return reads[0].to(kind)
        formula = FORMULA_OF[e.op]
        y = formula(code, *reads, **e.params)
        return y if y.kind == kind else y.to(kind)

    def _read(self, r: Read, code: Lanes) -> Value:
        """An element, or the elements in the lanes."""
        if isinstance(r.source, Const) and r.source.type.shape == ():
            return self._where_there(r, code.number(r.source.value.item(), KINDS[r.source.type.dtype.name]), code)
        node = self.made.get(r.source)
        if node is not None:
            at = self._known_place(r, node)
            if at is not None and (node.out, at) in self.values and not (node.reduced and not self._in_registers(node)):
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
        lanes = code is self.many and any(self._factor(w.what) != 0 for w in when)
        there = self._condition(when, code if lanes else self.one)
        assert there is not None
        if code is self.many and not lanes:
            there = code.splat(there)
        return code.where(there, value, code.number(0, value.kind))

    def _always(self, w: Within) -> bool | None:
        """Whether a condition holds, if that is known while writing."""
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
            found.append(0)
        return tuple(found)

    # --- the whole ---------------------------------------------------------------------------------------------------

    def module(self) -> str:
        """The module's text."""
        head = "\n".join(self.text.declared.values())
        helpers = "\n".join(self.text.helpers.values())
        body = "\n".join(self.text.lines)
        start = f"define i32 @{self.name}(ptr noalias %bufs) nounwind {{\nentry:"
        return f"{head}\n{helpers}\n{start}\n{body}\n  ret i32 0\n}}\n"


def _nodes(loop: Loop) -> Iterator[Node]:
    for item in loop.body:
        if isinstance(item, Node):
            yield item
        else:
            yield from _nodes(item)


def _loops(items: Sequence[Item]) -> Iterator[Loop]:
    for item in items:
        if isinstance(item, Loop):
            yield item
            yield from _loops(item.body)
