"""Rows in groups: what stands once in a row is computed on lanes, and what all rows read is read once for several.

A loop over rows, in which others run along each row (a product with a vector, a sum onto the columns), takes as many
rows at once as there are lanes. The loops along a row are written for a batch of rows side by side; what they sum up
becomes one vector, on which formulas of the row, an exponential, say, cost as much as on one number. What the rows add
to the same place is added up before it goes to memory. The rows that are left go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..ir import Var
from .indices import Counter
from .lanes import KINDS, Value
from .lower import Node
from .memory import HERE, Count, Scope
from .reductions import BLOCK, Key, Reductions
from .schedule import Item, Loop, loops_in, nodes_in

BATCH = 4  # rows whose sums find room in registers
_GROUPS = 4  # at least
_MANY = 1 << 13  # elements, at least: of fewer, the second text is not worth the time to compile it
_LARGE = 1 << 18  # bytes of an array that is not near, nor will be when it is read again
_REGISTERS = 2  # in a row, at least: of shorter ones the rest, and adding up the lanes, would be most of the work
_STATEMENTS = 6  # at most, in a loop along a row: they are written for each row


class Groups(Reductions):
    """Loops over rows. It changes while a kernel is written."""

    _batch: tuple[Counter, tuple[int, ...]] | None = None  # what counts the rows, and those being written together
    _waiting: dict[Key, list[Value]]  # what rows of the batch combine in memory
    _readers_of: Callable[[Var], set[object]]

    # --- which loops -------------------------------------------------------------------------------------------------

    def _in_groups(self, loop: Loop) -> bool:
        """Whether rows don't need each other, and loops along them are short texts that gain by it."""
        along = self._along(loop)
        n = loop.counter.size
        if not along or n < _GROUPS * self.width or self.width % BATCH:
            return False
        sizes = [one.counter.size for one in along]
        if n * max(sizes) < _MANY or min(sizes) < _REGISTERS * self.width:
            return False
        rows = loop.counter
        if any(node.at is not None or node.onto or node.again for node in nodes_in(loop)):
            return False
        if any(rows in map(self.classes.of, node.serial) for node in nodes_in(loop)):
            return False
        along_rows = {node for one in along for node in nodes_in(one)}
        gains = any(not self._is_light(node) for node in nodes_in(loop) if node not in along_rows)
        for one in along:
            nodes = list(nodes_in(one))
            for node in nodes:
                summed = self._reduced(node)
                if one.counter in summed and len(summed) > 1:
                    return False
                elsewhere = set(nodes_in(loop)) - set(nodes)
                if not node.reduced and elsewhere & self._readers_of(node.out):
                    return False  # it would need memory for all rows
                if node.reduced and node.combine != "add":
                    return False
                gains = gains or rows in summed
            if len(nodes) > _STATEMENTS or not all(map(self._is_light, nodes)):
                return False
        return gains

    def _along(self, loop: Loop) -> list[Loop]:
        """The loops along a row, if all that are not written out are on lanes; else none."""
        inner = [one for one in loops_in(loop.body) if self.kinds[one] != "written out"]
        direct = [item for item in loop.body if isinstance(item, Loop) and self.kinds[item] != "written out"]
        fits = len(inner) == len(direct) and all(
            self.kinds[one] == "lanes" and not any(loops_in(one.body)) for one in inner
        )
        return direct if fits and self._only_nodes(loop.body) else []

    def _only_nodes(self, items: Sequence[Item]) -> bool:
        return all(isinstance(x, Node) or (isinstance(x, Loop) and self._only_nodes(x.body)) for x in items)

    def _is_light(self, node: Node) -> bool:
        raise NotImplementedError  # abstract

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _grouped(self, loop: Loop) -> None:
        before = {key: self.values[key] for key in self._register_sums(loop)}
        n, end = loop.counter.size, loop.counter.size - loop.counter.size % self.width
        known = set(self.values)
        totals = self._rounds(loop, end, self.width, self._on_all_lanes(before), partial(self._group, loop))
        self.values = {key: value for key, value in self.values.items() if key in known}
        self._add_lanes(before, totals)
        if end < n:
            sums = {key: self.values[key] for key in before}
            self.values.update(self._between(loop, str(end), str(n), False, 1, sums, partial(self._emit, loop.body)))

    def _block(self, loop: Loop) -> int:
        return BLOCK * BATCH // self.width if self.kinds.get(loop) == "in groups" else super()._block(loop)

    def _texts(self, loop: Loop) -> int:
        return super()._texts(loop) * (BATCH if self._batch else 1)

    def _group(self, loop: Loop) -> None:
        """As many rows as there are lanes."""
        for item in loop.body:
            if isinstance(item, Loop) and self.kinds[item] == "lanes":
                self._along_rows(loop, item)
            else:
                self._emit([item])

    def _along_rows(self, loop: Loop, along: Loop) -> None:
        """A loop along each row of the group, batch by batch."""
        rows = self.counts[loop.counter]
        assert isinstance(rows.value, Value)
        if self._streams(loop, along):
            self._one_after_the_other(loop, along)
            return
        self._by_row(loop, along)
        for start in range(0, self.width, BATCH):
            batch = tuple(range(start, start + BATCH))

            def write(batch: tuple[int, ...] = batch) -> None:
                for r in batch:
                    self.counts[loop.counter] = Count(rows.value, rows=(r,))
                    self._emit(along.body)
                self.counts[loop.counter] = Count(rows.value, rows=batch)

            self._batch, self._waiting = (loop.counter, batch), {}
            self.counts[loop.counter] = Count(rows.value, rows=batch)
            self._begin(along)
            self._lanes(along, write)
            self._batch = None
        self.counts[loop.counter] = rows
        self._side_by_side(loop, along)

    # --- rows and lanes ----------------------------------------------------------------------------------------------

    def _with_other_rows(self, node: Node, value: Value, at: tuple[int, ...]) -> Value | None:
        if self._batch is None or self._batch[0] not in self._reduced(node):
            return value
        counter, batch = self._batch
        values = self._waiting.setdefault((node.out, at), [])
        values.append(value)
        if self.counts[counter].rows != batch[-1:]:
            return None
        del self._waiting[node.out, at]
        while len(values) > 1:  # by halves
            values = [self._combined(node, x, y) for x, y in zip(values[::2], values[1::2], strict=True)]
        return values[0]

    def _streams(self, loop: Loop, along: Loop) -> bool:
        """Whether the loop is the first to read rows of a large array: memory sends fastest what is read in order."""
        nodes = set(nodes_in(along))
        if any(loop.counter in self._reduced(node) or node.out.type.dtype.kind == "b" for node in nodes):
            return False  # truths lie in memory otherwise than in lanes
        before: set[object] = set()
        for item in loop.body:
            if item is along:
                break
            reads = [r for node in (nodes_in(item) if isinstance(item, Loop) else (item,)) for r in node.needs]
            before.update(r.source for r in reads)
        made = {node.out for node in nodes_in(loop)} - {node.out for node in nodes}
        sources = [r.source for node in nodes for r in node.needs]
        fresh = [s for s in sources if s in self.home and s not in before]
        return made.isdisjoint(sources) and any(self.home[s].bytes >= _LARGE for s in fresh)

    def _one_after_the_other(self, loop: Loop, along: Loop) -> None:
        """A loop along each row of the group in turn; what it sums up goes through memory on the stack."""
        first, known = self.counts[loop.counter], dict(self.values)
        assert isinstance(first.value, Value)
        summed = [node for node in nodes_in(along) if node.reduced and self._stages(node).registers is along]
        places = {(node, at): f"%{self.text.fresh('rows')}" for node in summed for at in self._written_out(node)}
        kinds = {node: self.one.type(KINDS[node.out.type.dtype.name]) for node in summed}
        for (node, _), name in places.items():
            self.text.first.append(f"  {name} = alloca [{self.width} x {kinds[node]}], align 64")
        row = Loop(Counter(self.width), ())
        with self._loop(row, "0", str(self.width), 1, {}):
            r = self.counts[row.counter].value
            assert isinstance(r, Value)
            self.scopes[-1] = Scope(loop, "counted")  # what changes with the rows changes in it
            self.counts[loop.counter] = Count(first.value + r)
            self._begin(along)
            self._lanes(along)
            for (node, at), name in places.items():
                value = self.values[node.out, at]
                to = self.one.line(f"getelementptr {kinds[node]}, ptr {name}, i64 {r.text}", "i64")
                self.text.lines.append(f"  store {value.type} {value.text}, ptr {to.text}")
        self.counts[loop.counter] = first
        self.values = known
        for (node, at), name in places.items():
            kind = KINDS[node.out.type.dtype.name]
            self._in_lanes(node, at, self.many.line(f"load {self.many.type(kind)}, ptr {name}, align 64", kind))

    def _by_row(self, loop: Loop, along: Loop) -> None:
        """What the row has in lanes, and the loop along it reads, as one number for each row."""
        read = {r.source for node in nodes_in(along) for r in node.needs}
        for (v, at), value in list(self.values.items()):
            if v in read and value.code.width == self.width and (axis := self._axis(v, at, loop)) is not None:
                for r in range(self.width):
                    one = self.one.line(f"extractelement {value.type} {value.text}, i32 {r}", value.kind)
                    self.values[v, (*at[:axis], r, *at[axis + 1 :])] = one

    def _axis(self, v: object, at: tuple[int, ...], loop: Loop) -> int | None:
        """Which axis of an array runs with the rows, if it stands where they stand."""
        own = self.lowered.made[v][0].own
        found = (k for k, c in enumerate(own) if self.classes.of(c) is loop.counter and at[k] == HERE)
        return next(found, None)

    def _side_by_side(self, loop: Loop, along: Loop) -> None:
        """What was summed up along each row, as one vector."""
        for node in nodes_in(along):
            if node.reduced and self._stages(node).registers is along:
                for at in self._written_out(node):
                    axis = self._axis(node.out, at, loop)
                    assert axis is not None
                    value = self.many.number(0, KINDS[node.out.type.dtype.name])
                    for r in range(self.width):
                        one = self.values[node.out, (*at[:axis], r, *at[axis + 1 :])]
                        value = self.many.line(
                            f"insertelement {value.type} {value.text}, {one.type} {one.text}, i32 {r}", one.kind
                        )
                    self._in_lanes(node, at, value)

    def _in_lanes(self, node: Node, at: tuple[int, ...], value: Value) -> None:
        self.values[node.out, at] = value
        if node.out in self.home:
            self._store(node, value, at)
