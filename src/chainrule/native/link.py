"""From one call that went the slow way to a descriptor, so that the next one like it goes the fast way.

The arguments are walked as they lie in the call; then everything outside that the recording read or must not find
changed: globals, cells, items, attributes. What can't be reached through memory is asked of Python, once in each call.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..execute import Invocation
from ..ir import Program, Var
from ..trace.outside import (
    Capture,
    Guard,
    TypeGuard,
    ValueGuard,
    Way,
    attribute_names,
    attributes_of,
    keys_of,
    members_of,
)  # fmt: skip
from ..trace.tree import Tree, parts_of
from . import descriptor as t
from .entry import CELL, TYPE, enter, function_fields, is_full
from .fences import standing
from .run import Stretch

_LONG = 20_000  # flops: about 10 µs, after which other threads are let run


class Where(NamedTuple):
    """How an object is found, in what, under which key, and as which entry of a dict."""

    how: int
    parent: int
    which: int
    nth: int = 0


class Unreachable(Exception):
    """Something that the entry can't find its way to: the call stays with Python."""


def link(made: Any, call: Invocation, stretch: Stretch, result: Tree) -> None:
    """Let `made` take further calls like this one to the kernel itself, if it can."""
    if is_full(made) or standing():
        return
    try:
        _Linker(call, stretch, result).enter(made)
    except Unreachable:
        return


class _Linker:
    """Tables of one descriptor as they grow. It changes."""

    def __init__(self, call: Invocation, stretch: Stretch, result: Tree) -> None:
        self.rows: list[list[int]] = []
        self.known: dict[tuple[int, ...], int] = {}
        self.kept: list[Any] = [stretch]  # whatever addresses are held of
        self.call, self.stretch, self.result = call, stretch, result
        inputs = zip(call.inputs, stretch.program.inputs, stretch.inputs, strict=True)
        self.slots = {where if isinstance(where, int) else id(where): (v, slot) for where, v, slot in inputs}
        self.leaf = 0
        for n, value in enumerate((*call.args, *call.options.values())):
            self.argument(value, Where(t.ARGUMENT, 0, n))
        self.outside()

    # --- the parts --------------------------------------------------------------------------------------------------

    def row(self, where: Where, kind: int, *rest: int) -> int:
        """A node that finds an object and compares it; the same one is not asked for twice.

        `rest` are the rank, the dtype (or what it must be), the shape, and the slot.
        """
        row = (*where[:3], kind, *rest, *[0] * (4 - len(rest)), where.nth)
        if row not in self.known:
            self.known[row] = len(self.rows)
            self.rows.append(list(row))
        return self.known[row]

    def keep(self, value: Any) -> int:
        self.kept.append(value)
        return id(value)

    def table(self, *rows: Sequence[int]) -> int:
        """The address of a table of words."""
        made = np.array(rows or [[0]], np.int64)
        self.kept.append(made)
        return int(made.ctypes.data)

    def container(self, value: Any, where: Where) -> int:
        return self.row(where, t.CONTAINER, len(value), self.keep(type(value)))

    def item(self, holder: Any, inside: int, key: Any, nth: int) -> Where:
        """Where an item of a container is found."""
        if isinstance(holder, dict):
            return Where(t.ITEM_OF_DICT, inside, self.keep(key), nth)
        return Where(t.ITEM_OF_LIST if type(holder) is list else t.ITEM_OF_TUPLE, inside, nth)

    def argument(self, value: Any, where: Where) -> None:
        parts = parts_of(value)
        if parts is None:
            if self.leaf in self.slots:
                self.data(value, self.slots[self.leaf], where)
            else:
                self.row(where, t.SAME, 0, self.keep(value))
            self.leaf += 1
            return
        if not isinstance(value, (dict, list, tuple)):
            raise Unreachable
        inside = self.container(value, where)
        for n, (key, part) in enumerate(zip(*parts, strict=True)):
            self.argument(part, self.item(value, inside, key, n))

    def data(self, value: Any, place: tuple[Var, int], where: Where) -> None:
        """An array or a number that the kernel reads."""
        v, slot = place
        if type(value) is np.ndarray:
            dtype = np.dtype(v.type.dtype.str)
            if value.dtype is not dtype or value.shape != v.type.shape:
                raise Unreachable
            if not (value.flags.c_contiguous and value.flags.aligned):
                raise Unreachable  # the entry takes no such array, and would be shown it again at every call
            shape = self.table(value.shape)
            self.row(where, t.ARRAY, value.ndim, id(dtype), shape, slot)
        elif v.type.shape == () and (
            (type(value) is float and v.type.dtype == np.float64)
            or (isinstance(value, np.generic) and value.dtype == v.type.dtype and type(value) is v.type.dtype.type)
        ):
            self.row(where, t.NUMBER, 0, self.keep(type(value)), 0, slot)
        else:
            raise Unreachable

    # --- what lies outside ------------------------------------------------------------------------------------------

    def outside(self) -> None:
        asked = []
        read = {id(c): c for c in self.call.inputs if isinstance(c, Capture)}
        for capture in read.values():
            self.data(_now(capture), self.slots[id(capture)], self.way(capture))
        for guard in self.call.guards:
            if id(guard.capture) in read and isinstance(guard, TypeGuard):
                continue
            try:
                self.guard(guard)
            except Unreachable:
                asked.append(guard)
        self.check = self.keep(_asking(asked)) if asked else 0

    def guard(self, guard: Guard) -> None:
        capture = guard.capture
        if isinstance(guard, (TypeGuard, ValueGuard)):
            raise Unreachable
        if capture.way is Way.VALUE:
            return
        if capture.way is Way.PRESENT:
            if guard.value is not False:
                raise Unreachable
            self.row(Where(t.ITEM_OF_SCOPE, self.keep(capture.base), self.keep(capture.key)), t.ABSENT)
        elif capture.way is Way.NAMES:
            self.names(_now(capture.base))
        elif capture.way is Way.LOOK:
            self.looked(capture.key, capture.base)
        elif capture.way is Way.ATTRIBUTE and type(_now(capture.base)) is MethodType:
            if capture.key not in ("__self__", "__func__") or capture.base.way is not Way.VALUE:
                raise Unreachable  # else it is a part of what is kept
        else:
            self.row(self.way(capture), t.SAME, 0, self.keep(_now(capture)))

    def names(self, function: Any) -> None:
        """A function has no attributes of its own, but for what we keep there."""
        if type(function) is not FunctionType or not function.__dict__.keys() <= {"__chainrule__"}:
            raise Unreachable
        own = function.__dict__
        self.container(own, Where(t.FIELD, 0, self.keep(function) + function_fields()["__dict__"]))
        for key, value in own.items():
            self.row(Where(t.ITEM_OF_SCOPE, self.keep(own), self.keep(sys.intern(key))), t.SAME, 0, self.keep(value))

    def looked(self, look: Any, base: Capture) -> None:
        """Something about an object. That its parts are the same, guards of their own say."""
        holder = _now(base)
        if look is type:
            self.row(Where(t.FIELD, 0, self.keep(holder) + TYPE), t.SAME, 0, self.keep(type(holder)))
        elif look is len or (look is keys_of and type(holder) is dict):
            self.container(holder, self.way(base))
        elif (
            look is attribute_names and type(holder).__dictoffset__ and len(attributes_of(holder)) == len(_dict(holder))
        ):
            own = self.attributes(holder)
            self.container(own, Where(t.FIELD, 0, self.table([self.keep(own)])))
        elif look is members_of and type(holder) is type:
            (own,) = [d for d in gc.get_referents(vars(holder)) if type(d) is dict]
            self.container(own, Where(t.FIELD, 0, self.table([self.keep(own)])))
            for name, member in own.items():
                self.row(Where(t.ITEM_OF_SCOPE, id(own), self.keep(name)), t.SAME, 0, self.keep(member))
        else:
            raise Unreachable

    def attributes(self, holder: Any) -> dict[str, Any]:
        """The dict of an object's attributes, which must stay that dict."""
        own = _dict(holder)
        self.row(Where(t.DICT_OF, 0, self.keep(holder)), t.SAME, 0, self.keep(own))
        return own

    def way(self, capture: Capture) -> Where:
        """How, in what and under which key an object is found."""
        key, base = capture.key, capture.base
        if capture.way is Way.SCOPE:
            return Where(t.ITEM_OF_SCOPE, self.keep(base), self.keep(key))
        if capture.way is Way.CELL:
            return Where(t.FIELD, 0, self.keep(key) + CELL)
        if capture.way is Way.VALUE:
            return Where(t.FIELD, 0, self.table([self.keep(key)]))
        if capture.way is Way.ITEM:
            holder = _now(base)
            if type(holder) not in (dict, list, tuple):
                raise Unreachable
            inside = self.container(holder, self.way(base))
            nth = list(holder).index(key) if type(holder) is dict else range(len(holder))[key]
            return self.item(holder, inside, key, nth)
        if capture.way in (Way.ATTRIBUTE, Way.OWN):
            holder = _now(base)  # it is guarded by identity: what it is now it will be
            if type(holder) is ModuleType and key in vars(holder):
                return Where(t.ITEM_OF_SCOPE, self.keep(vars(holder)), self.keep(key))
            if type(holder) is FunctionType and key in function_fields():
                return Where(t.FIELD, 0, self.keep(holder) + function_fields()[key])
            if capture.way is Way.OWN and type(holder).__dictoffset__ and key in _dict(holder):
                return Where(t.ITEM_OF_SCOPE, id(self.attributes(holder)), self.keep(key))
        raise Unreachable

    # --- the whole --------------------------------------------------------------------------------------------------

    def enter(self, made: Any) -> None:
        stretch, program = self.stretch, self.stretch.program
        outputs = [
            [a.type.ndim, id(np.dtype(a.type.dtype.str)), self.table(a.type.shape), slot, slot in stretch.zeroed]
            for a, slot in zip(program.outputs, stretch.outputs, strict=True)
        ]
        buffers = [0] * stretch.places
        for n, array in stretch.constants.items():
            buffers[n] = array.ctypes.data
        pieces = stretch.threads_at is not None
        if stretch.threads_at is not None:
            buffers[stretch.threads_at] = stretch.threads
        steps = self.steps(self.result)
        names = [self.keep(sys.intern(name)) for name in self.call.options]
        descriptor = np.zeros(t.WORDS, np.int64)
        for place, value in {
            t.ARGUMENTS: len(self.call.args), t.NAMED: len(names), t.NAME_TABLE: self.table(names),
            t.CHECK: self.check, t.NODES: len(self.rows), t.NODE_TABLE: self.table(*self.rows),
            t.OUTPUTS: len(outputs), t.OUTPUT_TABLE: self.table(*outputs), t.BUFFERS: len(buffers),
            t.BUFFER_TABLE: self.table(buffers), t.KERNEL: stretch.kernel, t.STEPS: len(steps),
            t.STEP_TABLE: self.table(*steps), t.LONG: int(pieces or _is_long(program)), t.SCRATCH: stretch.scratch,
        }.items():  # fmt: skip
            descriptor[place] = value
        enter(made, descriptor, self.kept)

    def steps(self, tree: Tree) -> list[list[int]]:
        """How the result is built: leaves onto a pile, containers out of what lies on top of it."""
        count = iter(range(tree.size))

        def walk(tree: Tree) -> list[list[int]]:
            if tree.kind is None:
                return [[t.LEAF, next(count), 0]]
            if tree.kind not in (tuple, list, dict):
                raise Unreachable
            inside = [step for child in tree.children for step in walk(child)]
            keys = self.table([self.keep(key) for key in tree.keys]) if tree.kind is dict else 0
            what = t.TUPLE if tree.kind is tuple else t.LIST if tree.kind is list else t.DICT
            return [*inside, [what, len(tree.children), keys]]

        return walk(tree)


def _is_long(program: Program) -> bool:
    """Whether other threads are to be let run meanwhile."""
    if _may_last(program):
        return True
    flops = 0.0
    for e in program.equations:
        flops += e.op.flops([a.type for a in e.inputs], [v.type for v in e.outputs], **e.params)
        if flops > _LONG:
            return True
    return False


def _may_last(program: Program) -> bool:
    """Whether there is something in it of which nobody knows how long it takes."""
    return any(e.op.unbounded for e in program.equations) or any(map(_may_last, program.held()))


def _now(capture: Capture) -> Any:
    """What is there; it was there a moment ago, but a descriptor may refuse to say so."""
    try:
        return capture.read()
    except Exception:
        raise Unreachable from None


def _dict(holder: Any) -> dict[str, Any]:
    """An object's attributes as they are stored, whatever its class makes of a question for them."""
    found: dict[str, Any] = object.__getattribute__(holder, "__dict__")
    return found


def _asking(guards: list[Guard]) -> Any:
    return lambda: all([g.holds() for g in guards])
