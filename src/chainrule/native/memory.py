"""Elements in memory: the address at which one is read or written, alone or by lanes, and when it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ..ir import Var
from .indices import Counter, Index, Quotient, Read, Within
from .lanes import BITS, Lanes, Text, Value
from .lower import Lowered, Node
from .schedule import Classes, Loop

HERE = -1  # the place of what is in a register in this round of a loop, and no longer


@dataclass(frozen=True)
class Buffer:
    """Memory of a kernel: of an input, an output, a constant, or its own; strides in elements."""

    number: int
    role: str
    kind: str
    shape: tuple[int, ...]

    @property
    def fixed(self) -> bool:
        """Whether nothing is written to it."""
        return self.role in ("input", "constant")

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(prod(self.shape[k + 1 :]) for k in range(len(self.shape)))

    @property
    def bytes(self) -> int:
        return max(1, BITS[self.kind] // 8) * max(prod(self.shape), 1)


@dataclass
class Count:
    """Where a loop stands: a number, a counter, or the first of as many counts as there are lanes. This changes.

    Of rows written side by side, `rows` says which of their group are meant; `value` is the first of the group.
    """

    value: Value | int
    lanes: bool = False
    rows: tuple[int, ...] = ()

    @property
    def row(self) -> int:
        """How many counts it is further than `value`."""
        return self.rows[0] if self.rows else 0


@dataclass
class Scope:
    """A loop being written. This changes."""

    loop: Loop | None
    kind: str
    known: dict[object, Value] = field(default_factory=dict)  # what was read before the loop, for it


class Memory:
    """What reads and writes elements. It changes while a kernel is written."""

    width: int
    text: Text
    one: Lanes
    many: Lanes
    classes: Classes
    home: dict[object, Buffer]
    dims: dict[Var, tuple[int, ...]]
    counts: dict[Counter, Count]
    scopes: list[Scope]
    lowered: Lowered
    _paths: dict[Node, tuple[Loop, ...]]

    def _scalar_index(self, i: Index) -> Value:
        """A position as one whole number; of lanes, that of the first."""
        total: Value | None = None
        constant = i.constant  # comes last, so that neighbours share the rest
        for term, factor in i.terms:
            if isinstance(term, Counter):
                if term.size == 1:
                    continue
                count = self.counts[self.classes.of(term)]
                constant += factor * count.row
                part = self.one.number(count.value, "i64") if isinstance(count.value, int) else count.value
            elif isinstance(term, Quotient):
                inner = self._scalar_index(term.of)
                part = self.one.line(f"udiv i64 {inner.text}, {term.by}", "i64")
            else:
                part = self._read(term.read, self.one).to("i64")
            part = part if factor == 1 else part * factor
            total = part if total is None else total + part
        if total is None:
            return self.one.number(constant, "i64")
        return total + constant if constant else total

    def _read(self, r: Read, code: Lanes) -> Value:
        raise NotImplementedError  # abstract

    def _lane_counter(self) -> Counter | None:
        return next((c for c, count in self.counts.items() if count.lanes), None)

    def _lane_index(self, i: Index) -> Value:
        """Positions in the lanes."""
        code = self.many
        total = code.number(i.constant, "i64")
        for term, factor in i.terms:
            if isinstance(term, Counter):
                if term.size == 1:
                    continue
                count = self.counts[self.classes.of(term)]
                value = self.one.number(count.value, "i64") if isinstance(count.value, int) else count.value
                part = code.splat(value + count.row if count.row else value)
                if count.lanes:
                    part = part + code.counting()
            elif isinstance(term, Quotient):
                inner = self._lane_index(term.of)
                part = code.line(f"udiv {code.type('i64')} {inner.text}, {code.number(term.by, 'i64').text}", "i64")
            else:
                part = self._read(term.read, code).to("i64")
            total = total + (part if factor == 1 else part * factor)
        return total

    def _factor(self, i: Index) -> int | None:
        """How far apart the lanes read, if evenly."""
        lane = self._lane_counter()
        total = 0
        for term, factor in i.terms:
            if isinstance(term, Counter):
                total += factor if self.classes.of(term) is lane else 0
            elif any(
                self.classes.of(c) is lane
                for c in (term.of.counters() if isinstance(term, Quotient) else term.read.counters())
            ):
                return None
        return total

    def _flat(self, b: Buffer, at: Sequence[Index]) -> Index:
        total = Index()
        for i, stride in zip(at, b.strides, strict=True):
            total = total + i * stride
        return total

    def _address(self, b: Buffer, at: Sequence[Index]) -> str:
        where = self._scalar_index(self._flat(b, at))
        return self._pointer(b, where)

    def _pointer(self, b: Buffer, where: Value) -> str:
        if where.text == "0":
            return f"%b{b.number}"
        element = {"i1": "i8"}.get(b.kind) or self.one.type(b.kind)
        return self.one.line(f"getelementptr inbounds {element}, ptr %b{b.number}, i64 {where.text}", "i64").text

    def _condition(self, when: Sequence[Within], code: Lanes) -> Value | None:
        """Whether an element is there."""
        found: Value | None = None
        for w in when:
            i = self._lane_index(w.what) if code is self.many else self._scalar_index(w.what)
            i = i - w.low if w.low else i
            here = code.line(f"icmp ult {i.type} {i.text}, {code.number(w.high - w.low, 'i64').text}", "i1")
            if w.step != 1:
                rest = code.line(f"urem {i.type} {i.text}, {code.number(w.step, 'i64').text}", "i64")
                here = here & rest.equals(0)
            found = here if found is None else found & here
        return found

    def _load(self, b: Buffer, r: Read, code: Lanes, fresh: bool = False) -> Value:
        flat = self._flat(b, r.at)
        lanes = code is self.many and (self._factor(flat) != 0 or any(self._factor(w.what) != 0 for w in r.when))
        if lanes:
            return self._load_lanes(b, flat, r.when)
        scope = self.scopes[-1]
        changes = scope.loop is not None and (
            any(self.classes.of(c) is scope.loop.counter for c in r.counters())
            or any(self._made_in(inner.source, scope.loop) for inner in r.all())
        )
        if scope.loop is None or changes or fresh or scope.kind != "counted" or len(self.text.parts) < 2:
            value = self._load_one(b, flat, r.when)
            return code.splat(value)
        key = (b.number, flat, r.when, tuple(self._counts_of(r)), code.width)
        if key not in scope.known:
            # a position that is read on the way is looked up from there, too: it may change in the loop around
            inner, block = self.text.parts.pop(), self.text.blocks.pop()
            self.scopes.pop()
            scope.known[key] = code.splat(self._load_one(b, flat, r.when))
            self.scopes.append(scope)
            self.text.parts.append(inner)
            self.text.blocks.append(block)
        return scope.known[key]

    def _counts_of(self, r: Read) -> list[str]:
        return sorted(
            f"{id(c)}:{count.value}:{count.rows}"
            for c in r.counters()
            if (count := self.counts.get(self.classes.of(c))) is not None
        )

    def _made_in(self, source: Any, loop: Loop) -> bool:
        return any(loop in self._paths[node] for node in self.lowered.made.get(source, ()))

    def _load_one(self, b: Buffer, flat: Index, when: Sequence[Within]) -> Value:
        there = self._condition(when, self.one)
        where = self._scalar_index(flat)
        if there is not None:
            where = self.one.where(there, where, 0)
        pointer = self._pointer(b, where)
        if b.kind == "i1":
            raw = self._loaded(b, f"load i8, ptr {pointer}", "i32", self.one)
            value = self.one.line(f"icmp ne i8 {raw.text}, 0", "i1")
        else:
            value = self._loaded(b, f"load {self.one.type(b.kind)}, ptr {pointer}", b.kind, self.one)
        return value if there is None else self.one.where(there, value, self.one.number(0, b.kind))

    def _load_lanes(self, b: Buffer, flat: Index, when: Sequence[Within]) -> Value:
        code, w = self.many, self.width
        element = "i8" if b.kind == "i1" else self.one.type(b.kind)
        there = self._condition(when, code)
        mask = there if self.text.mask is None else self.text.mask if there is None else there & self.text.mask
        if self._factor(flat) == 1:
            pointer = self._pointer(b, self._scalar_index(flat))
            if mask is None:
                raw = f"load <{w} x {element}>, ptr {pointer}, align {max(1, BITS[b.kind] // 8)}"
            else:
                raw = self._masked("load", element, f"ptr {pointer}", mask)
        else:
            pointers = self._lane_pointers(b, flat)
            everywhere = mask or Value(f"<{', '.join(['i1 true'] * w)}>", "i1", code)
            raw = self._masked("gather", element, f"<{w} x ptr> {pointers}", everywhere)
        if there is None or b.kind == "i1" or self._factor(flat) != 1:
            value = self._loaded(b, raw, b.kind, code)
        else:
            value = self._near(b, raw, there)
        if b.kind == "i1":
            return code.line(f"icmp ne <{w} x i8> {value.text}, zeroinitializer", "i1")
        return value

    def _loaded(self, b: Buffer, raw: str, kind: str, code: Lanes) -> Value:
        """What such a load gives; it is written once until something else may be there."""
        if b.fixed:
            return code.line(raw, kind, True)
        known = self.text.lines.loaded.setdefault(b.number, {})
        if raw not in known:
            known[raw] = code.line(raw, kind)
        return known[raw]

    def _lane_pointers(self, b: Buffer, flat: Index) -> str:
        """The addresses in the lanes: where these are evenly apart, that of the first and their distances from it."""
        apart = self._factor(flat)
        if apart is None:
            at, first = self._lane_index(flat), f"%b{b.number}"
        else:
            first = self._pointer(b, self._scalar_index(flat))
            at = self.many.counting("i64", apart)
        element = "i8" if b.kind == "i1" else self.one.type(b.kind)
        return self.many.line(f"getelementptr {element}, ptr {first}, {at.type} {at.text}", "i64").text

    def _near(self, b: Buffer, raw: str, there: Value) -> Value:
        """What is loaded where at least one lane is there: masked addresses far outside would be slow."""
        if found := self.text.known(raw):
            return Value(*found, self.many)
        zero = self.many.number(0, b.kind)
        value = self.many.seldom(there, zero, lambda: self.many.line(raw, b.kind, b.fixed), odds=1)
        if b.fixed:
            self.text.lines.known[raw] = value.text, value.kind
        return value

    def _masked(self, how: str, element: str, pointer: str, mask: Value) -> str:
        suffix = {"double": "f64", "float": "f32"}.get(element, element)
        name = f"llvm.masked.{how}.v{self.width}{suffix}." + ("p0" if how == "load" else f"v{self.width}p0")
        kind = f"<{self.width} x {element}>"
        place = pointer.rsplit(" ", 1)[0]
        size = {"double": 8, "float": 4, "i64": 8, "i32": 4, "i8": 1}[element]
        self.text.declared[name] = f"declare {kind} @{name}({place}, i32, {mask.type}, {kind})"
        return f"call {kind} @{name}({pointer}, i32 {size}, {mask.type} {mask.text}, {kind} zeroinitializer)"

    def _spot(self, node: Node, at: tuple[int, ...]) -> Read:
        """Where in memory an element is written; an axis that is written out stands at its number."""
        numbers = {c: Index((), n) for c, n in zip(node.own, at, strict=True) if self.classes.of(c) not in self.counts}
        return Read(node.out, tuple(node.place[k].renamed(numbers) for k in self.dims[node.out]))

    def _store(self, node: Node, value: Value, at: tuple[int, ...]) -> None:
        b = self.home[node.out]
        self._store_flat(b, value, self._flat(b, self._spot(node, at).at))

    def _store_flat(self, b: Buffer, value: Value, flat: Index) -> None:
        element = "i8" if b.kind == "i1" else self.one.type(b.kind)
        self.text.lines.loaded.pop(b.number, None)
        if value.code.width == 1:
            if b.kind == "i1":
                value = Value(self.one.line(f"zext i1 {value.text} to i8", "i32").text, "i1", self.one)
            pointer = self._pointer(b, self._scalar_index(flat))
            self.text.lines.append(f"  store {element} {value.text}, ptr {pointer}")
            return
        w, kind = self.width, f"<{self.width} x {element}>"
        text = value.text
        if b.kind == "i1":
            text = self.many.line(f"zext {value.type} {value.text} to {kind}", "i32").text
        suffix = {"double": "f64", "float": "f32"}.get(element, element)
        size = max(1, BITS[b.kind] // 8)
        if self._factor(flat) == 1:
            pointer = self._pointer(b, self._scalar_index(flat))
            if self.text.mask is None:
                self.text.lines.append(f"  store {kind} {text}, ptr {pointer}, align {size}")
                return
            name, place_text = f"llvm.masked.store.v{w}{suffix}.p0", f"ptr {pointer}"
        else:
            name, place_text = f"llvm.masked.scatter.v{w}{suffix}.v{w}p0", f"<{w} x ptr> {self._lane_pointers(b, flat)}"
        mask = self.text.mask or Value(f"<{', '.join(['i1 true'] * w)}>", "i1", self.many)
        place_kind = place_text.rsplit(" ", 1)[0]
        self.text.declared[name] = f"declare void @{name}({kind}, {place_kind}, i32, {mask.type})"
        self.text.lines.append(f"  call void @{name}({kind} {text}, {place_text}, i32 {size}, {mask.type} {mask.text})")
