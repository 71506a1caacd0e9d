"""Loops and branches: a step is a function of its own in the same module, called with a table of pointers.

What is fixed is written into the table once. Carries go to and fro between two places, so that a step never writes
what it reads; the last one writes the result. Rows are passed where they lie. A step's own memory is one for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2s
from math import prod
from typing import Any

from ..ir import Atom, Const, Equation, Program
from ..ops.control import Body
from ..transform.steps import Pulled, pulled
from .calls import Call, Code, View, contiguous, whole
from .emit import Kernel
from .foreign import Foreign
from .lanes import BITS, KINDS, Value
from .lapack import ROUTINES
from .llvm import target
from .lower import Lowering, lowered
from .schedule import scheduled, together


@dataclass(frozen=True, eq=False)
class Step:
    """A Program as a function, and at which places of its table its values stand."""

    name: str
    text: str
    kernel: Kernel
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[tuple[int, Const], ...]

    @property
    def places(self) -> int:
        return len(self.kernel.given) + 1


def step_of(body: Body) -> Step | None:
    """The function of a Body, kept with it; None where it has no native form."""
    if "native" not in body.kept:
        try:
            body.kept["native"] = _written(body.program)
        except Foreign:
            body.kept["native"] = None
    found: Step | None = body.kept["native"]
    return found


def _written(program: Program) -> Step:
    atoms: list[Atom] = [*program.inputs, *program.outputs]
    if any(a.type.size == 0 or a.type.dtype.name not in KINDS for a in atoms):
        raise Foreign(program.name)
    found = lowered(program)
    classes = together(found)
    kernel = Kernel(found, classes, scheduled(found, classes), target().width, "a_step")
    text = kernel.function()
    name = f"step_{blake2s(text.encode(), digest_size=8).hexdigest()}"  # the same text is the same function
    places = {what: n for n, (what, _) in enumerate(kernel.given)}
    constants = [(n, what) for n, (what, b) in enumerate(kernel.given) if b.role == "constant"]
    return Step(
        name, text.replace("@a_step(", f"@{name}("), kernel, tuple(places[v] for v in program.inputs),
        tuple(places[r.source] for r in found.outputs), tuple((n, c) for n, c in constants if isinstance(c, Const)),
    )  # fmt: skip


class Frame:
    """The table that a step is called with, while the call is written."""

    def __init__(self, code: Code, step: Step, constants: Sequence[str], scratch: str) -> None:
        self.code, self.step = code, step
        own, text = step.kernel.text, code.text
        text.declared.update(own.declared)
        text.helpers.update(own.helpers)
        text.helpers[step.name] = step.text
        text.imported.update(own.imported)
        self.table = f"%{text.fresh('table')}"
        text.first.append(f"  {self.table} = alloca [{step.places} x ptr]")
        for (place, _), pointer in zip(step.constants, constants, strict=True):
            self._put(place, pointer)
        if step.kernel.scratch:
            self._put(step.places - 1, scratch)

    def _put(self, place: int, pointer: str) -> None:
        slot = self.code.named(f"getelementptr ptr, ptr {self.table}, i64 {place}")
        self.code.line(f"store ptr {pointer}, ptr {slot}")

    def read(self, n: int, pointer: str) -> None:
        """The n-th input lies there."""
        self._put(self.step.inputs[n], pointer)

    def write(self, n: int, pointer: str) -> None:
        """The n-th output goes there."""
        self._put(self.step.outputs[n], pointer)

    def call(self) -> None:
        status = self.code.one.line(f"call i32 @{self.step.name}(ptr {self.table})", "i32")
        self.code.fail_if(status.differs(0))


# --- operands ---------------------------------------------------------------------------------------------------------


def _kind(a: Any) -> str:
    return KINDS[a.type.dtype.name]


def _bytes(a: Any) -> int:
    return max(1, BITS[_kind(a)] // 8) * int(a.type.size)


def _without_gaps(view: View, first: int) -> bool:
    """Whether, from that axis on, the elements lie one after the other."""
    shape, strides = view.shape[first:], view.strides[first:]
    return all(n == 1 or s == t for n, s, t in zip(shape, strides, contiguous(shape), strict=True))


def _view(low: Lowering, a: Atom, first: int = 0) -> View:
    found = low.view(a)
    return found if _without_gaps(found, first) else low.stored(a, range(a.type.ndim))


def _constants(*steps: Step) -> list[View]:
    return [whole(c) for step in steps for _, c in step.constants]


def _pick(code: Code, condition: str, yes: str, no: str) -> str:
    return code.named(f"select i1 {condition}, ptr {yes}, ptr {no}")


def _truth(code: Code, pointer: str) -> Value:
    raw = code.named(f"load i8, ptr {pointer}")
    return code.one.line(f"icmp ne i8 {raw}, 0", "i1")


# --- scan -------------------------------------------------------------------------------------------------------------


def scan(e: Equation, low: Lowering) -> bool:
    step = step_of(e.params["body"])
    if step is None:
        return False
    fixed, carried, length = e.params["fixed"], e.params["carried"], e.params["length"]
    start = fixed + carried
    views = [_view(low, a, 0 if i < start else 1) for i, a in enumerate(e.inputs)]
    carries = e.outputs[:carried]

    def write(code: Code) -> None:
        n = len(views)
        frame = Frame(code, step, code.operands[n:], code.scratch[carried])
        for k in range(fixed):
            frame.read(k, code.operands[k])
        with code.loop(length) as i:
            left = code.named(f"sub i64 {length - 1}, {i}")
            parity = code.named(f"and i64 {left}, 1")
            even, first = code.named(f"icmp eq i64 {parity}, 0"), code.named(f"icmp eq i64 {i}, 0")
            for j in range(carried):
                one, other = code.results[j], code.scratch[j]
                before = _pick(code, first, code.operands[fixed + j], _pick(code, even, other, one))
                frame.read(fixed + j, before)
                frame.write(j, _pick(code, even, one, other))
            row = left if e.params["backwards"] else i
            for k in range(start, n):
                view = views[k]
                frame.read(k, code.at(code.operands[k], _kind(e.inputs[k]), (row, view.strides[0])))
            for k, v in enumerate(e.outputs[carried:], carried):
                frame.write(k, code.at(code.results[k], _kind(v), (row, prod(v.type.shape[1:]))))
            frame.call()

    scratch = (*map(_bytes, carries), step.kernel.scratch)
    low.steps.append(Call(e, (*views, *_constants(step)), e.outputs, write, scratch))
    return True


# --- while ------------------------------------------------------------------------------------------------------------


def while_loop(e: Equation, low: Lowering) -> bool:
    test, step = step_of(e.params["test"]), step_of(e.params["body"])
    if test is None or step is None:
        return False
    fixed, carried = e.params["fixed"], len(e.outputs)
    views = [_view(low, a) for a in e.inputs]
    n, shared = len(views), max(test.kernel.scratch, step.kernel.scratch)

    def write(code: Code) -> None:
        own, between = code.scratch[-1], n + len(test.constants)
        asking = Frame(code, test, code.operands[n:between], own)
        going = Frame(code, step, code.operands[between:], own)
        for i in range(fixed):
            asking.read(i, code.operands[i])
            going.read(i, code.operands[i])
        answer, count = code.cell("i32"), code.cell("i64")
        asking.write(0, answer)
        code.store(code.one.number(0, "i64"), count)
        mark = code.text.fresh("")
        code.line(f"br label %head{mark}")
        code.text.label(f"head{mark}")
        done = code.load(count, "i64")
        parity = code.named(f"and i64 {done.text}, 1")
        first, even = code.named(f"icmp eq i64 {done.text}, 0"), code.named(f"icmp eq i64 {parity}, 0")
        now = []
        for j in range(carried):
            one, other = code.scratch[2 * j : 2 * j + 2]
            now.append(_pick(code, first, code.operands[fixed + j], _pick(code, even, other, one)))
            asking.read(fixed + j, now[j])
            going.read(fixed + j, now[j])
            going.write(j, _pick(code, even, one, other))
        asking.call()
        code.line(f"br i1 {_truth(code, answer).text}, label %round{mark}, label %done{mark}")
        code.text.label(f"round{mark}")
        going.call()
        code.store(done + 1, count)
        code.line(f"br label %head{mark}")
        code.text.label(f"done{mark}")
        for j, v in enumerate(e.outputs):
            shape = v.type.shape
            code.copy(now[j], code.results[j], shape, contiguous(shape), _kind(v))

    scratch = (*[_bytes(v) for v in e.outputs for _ in range(2)], shared)
    low.steps.append(Call(e, (*views, *_constants(test, step)), e.outputs, write, scratch))
    return True


# --- cond -------------------------------------------------------------------------------------------------------------


def cond(e: Equation, low: Lowering) -> bool:
    branches = [step_of(e.params[k]) for k in ("yes", "no")]
    steps = [step for step in branches if step is not None]
    if len(steps) < 2:
        return False
    views = [_view(low, a) for a in e.inputs]
    n = len(views)

    def write(code: Code) -> None:
        mark, start = code.text.fresh(""), n
        code.line(f"br i1 {_truth(code, code.operands[0]).text}, label %branch0{mark}, label %branch1{mark}")
        for k, step in enumerate(steps):
            code.text.label(f"branch{k}{mark}")
            end = start + len(step.constants)
            frame = Frame(code, step, code.operands[start:end], code.scratch[0])
            for i in range(n - 1):
                frame.read(i, code.operands[i + 1])
            for j in range(len(e.outputs)):
                frame.write(j, code.results[j])
            frame.call()
            code.line(f"br label %both{mark}")
            start = end
        code.text.label(f"both{mark}")

    shared = max(step.kernel.scratch for step in steps)
    low.steps.append(Call(e, (*views, *_constants(*steps)), e.outputs, write, (shared,)))
    return True


# --- backwards through a loop of unknown length -----------------------------------------------------------------------


def _back(e: Equation) -> Pulled:
    body, fixed = e.params["body"], e.params["fixed"]
    n, carried = len(body.program.inputs), len(body.program.outputs)
    seeded, asked = e.params["seeded"], e.params["asked"]
    return pulled(body, fixed, carried, tuple(j in seeded for j in range(carried)), tuple(i in asked for i in range(n)))


def _slots(e: Equation) -> int:
    """How many carries may be kept at marks, and as many again within a segment; 0 if they are too large for that."""
    each = sum(map(_bytes, e.params["body"].program.outputs))
    return 0 if each > _LARGEST else max(64, min(4096, 1 << (_KEPT // each).bit_length() >> 1))


_KEPT, _LARGEST = 1 << 17, 1 << 18  # bytes


class Cells:
    """Whole numbers that change while the code runs."""

    def __init__(self, code: Code, **values: int) -> None:
        self.code = code
        self.place = {name: code.cell("i64") for name in values}
        for name, value in values.items():
            self[name] = code.one.number(value, "i64")

    def __getitem__(self, name: str) -> Value:
        return self.code.load(self.place[name], "i64")

    def __setitem__(self, name: str, value: Value) -> None:
        self.code.store(value, self.place[name])


def while_loop_pullback(e: Equation, low: Lowering) -> bool:
    """Run the loop, keep carries at marks, of which every other goes when there are too many; then walk back.

    There are twice the steps that a segment can hold: beyond slots² / 2 the kernel gives up, and NumPy does it.
    """
    test, step, back, slots = step_of(e.params["test"]), step_of(e.params["body"]), _back(e), _slots(e)
    pull = step_of(back.body)
    if test is None or step is None or pull is None or not slots:
        return False
    program, fixed = e.params["body"].program, e.params["fixed"]
    carries, sums = program.inputs[fixed:], [program.inputs[i] for i in back.sums]
    state = [*[carries[j] for j in back.carries], *sums]
    places = [*[fixed + j for j in back.carries], *back.sums]
    views = [_view(low, a) for a in e.inputs]
    n, c = len(program.inputs), len(carries)
    seeds = dict(zip(e.params["seeded"], range(n, len(views)), strict=True))
    shared = max(s.kernel.scratch for s in (test, step, pull))

    def write(code: Code) -> None:
        scratch = iter(code.scratch)
        now, marks, segment = ([next(scratch) for _ in carries] for _ in range(3))
        states = [(next(scratch), next(scratch)) for _ in state]
        own = next(scratch)
        rest = iter(code.operands[len(views) :])
        asking, going, pulling = (Frame(code, s, [next(rest) for _ in s.constants], own) for s in (test, step, pull))
        for i in range(fixed):
            for frame in (asking, going, pulling):
                frame.read(i, code.operands[i])
        answer, cells = code.cell("i32"), Cells(code, done=0, apart=1, kept=0, at=0, count=0, turn=0)
        asking.write(0, answer)
        one = code.one.number(1, "i64")

        def slot(base: Sequence[str], j: int, number: Value) -> str:
            return code.at(base[j], _kind(carries[j]), (number.text, carries[j].type.size))

        def move(j: int, source: str, to: str) -> None:
            shape = carries[j].type.shape
            code.copy(source, to, shape, contiguous(shape), _kind(carries[j]))

        def advance(source: Sequence[str], to: Sequence[str]) -> None:
            for j in range(c):
                going.read(fixed + j, source[j])
                going.write(j, to[j])
            going.call()

        for j in range(c):
            move(j, code.operands[fixed + j], now[j])
        with _repeat(code) as leave:
            with _when(code, _equal(code, _rest(code, cells["done"], cells["apart"]), 0)):
                with _when(code, _equal(code, cells["kept"], slots)):  # every other mark goes
                    cells["at"] = one
                    with _repeat(code) as stop:
                        stop(_equal(code, cells["at"], slots // 2))
                        for j in range(c):
                            move(j, slot(marks, j, cells["at"] * 2), slot(marks, j, cells["at"]))
                        cells["at"] = cells["at"] + 1
                    cells["kept"] = code.one.number(slots // 2, "i64")
                    cells["apart"] = cells["apart"] * 2
                    code.fail_if(cells["apart"] > slots)
                with _when(code, _equal(code, _rest(code, cells["done"], cells["apart"]), 0)):
                    for j in range(c):
                        move(j, now[j], slot(marks, j, cells["kept"]))
                    cells["kept"] = cells["kept"] + 1
            for j in range(c):
                asking.read(fixed + j, now[j])
            asking.call()
            leave(_equal(code, code.one.line(f"zext i8 {code.named(f'load i8, ptr {answer}')} to i64", "i64"), 0))
            first = [slot(segment, j, code.one.number(0, "i64")) for j in range(c)]
            advance(now, first)
            for j in range(c):
                move(j, first[j], now[j])
            cells["done"] = cells["done"] + 1
        for (one_side, _), v, place in zip(states, state, places, strict=True):
            seed = seeds.get(place - fixed) if place >= fixed else None
            if seed is None:
                code.clear(one_side, v.type.size, _kind(v))
            else:
                code.copy(code.operands[seed], one_side, v.type.shape, contiguous(v.type.shape), _kind(v))
        with _repeat(code) as leave:
            leave(_equal(code, cells["kept"], 0))
            cells["kept"] = cells["kept"] - 1
            start = cells["kept"] * cells["apart"]
            cells["count"] = cells["done"] - start
            cells["done"] = start
            for j in range(c):
                move(j, slot(marks, j, cells["kept"]), slot(segment, j, code.one.number(0, "i64")))
            cells["at"] = one
            with _repeat(code) as stop:
                stop(cells["at"] >= cells["count"])
                advance(
                    [slot(segment, j, cells["at"] - 1) for j in range(c)],
                    [slot(segment, j, cells["at"]) for j in range(c)],
                )
                cells["at"] = cells["at"] + 1
            with _repeat(code) as stop:
                stop(_equal(code, cells["count"], 0))
                cells["count"] = cells["count"] - 1
                even = _equal(code, cells["turn"], 0).text
                for k, (a, b) in enumerate(states):
                    pulling.read(fixed + k, _pick(code, even, a, b))
                    pulling.write(k, _pick(code, even, b, a))
                for j in range(c):
                    pulling.read(fixed + len(state) + j, slot(segment, j, cells["count"]))
                pulling.call()
                cells["turn"] = code.one.number(1, "i64") - cells["turn"]
        even = _equal(code, cells["turn"], 0).text
        for result, v, i in zip(code.results, e.outputs, e.params["asked"], strict=True):
            if i in places:
                a, b = states[places.index(i)]
                shape = v.type.shape
                code.copy(_pick(code, even, a, b), result, shape, contiguous(shape), _kind(v))
            else:
                code.clear(result, v.type.size, _kind(v))

    memory = [
        *map(_bytes, carries), *[_bytes(v) * slots for v in carries], *[_bytes(v) * slots for v in carries],
        *[_bytes(v) for v in state for _ in range(2)], shared,
    ]  # fmt: skip
    low.steps.append(Call(e, (*views, *_constants(test, step, pull)), e.outputs, write, tuple(memory)))
    return True


def _equal(code: Code, x: Value, n: int) -> Value:
    return code.one.line(f"icmp eq i64 {x.text}, {n}", "i1")


def _rest(code: Code, x: Value, apart: Value) -> Value:
    """x modulo a power of two."""
    return code.one.line(f"and i64 {x.text}, {(apart - 1).text}", "i64")


@contextmanager
def _when(code: Code, condition: Value) -> Iterator[None]:
    mark = code.text.fresh("")
    code.line(f"br i1 {condition.text}, label %then{mark}, label %past{mark}")
    code.text.label(f"then{mark}")
    yield
    code.line(f"br label %past{mark}")
    code.text.label(f"past{mark}")


@contextmanager
def _repeat(code: Code) -> Iterator[Callable[[Value], None]]:
    """Again and again what is written inside, until the condition holds that is handed to what is yielded."""
    mark = code.text.fresh("")
    code.line(f"br label %again{mark}")
    code.text.label(f"again{mark}")
    exits = iter(range(8))

    def leave(condition: Value) -> None:
        n = next(exits)
        code.line(f"br i1 {condition.text}, label %out{mark}, label %go{n}.{mark}")
        code.text.label(f"go{n}.{mark}")

    yield leave
    code.line(f"br label %again{mark}")
    code.text.label(f"out{mark}")


def steps_have_a_form(e: Equation) -> bool:
    """Whether whatever Programs an equation holds have a native form."""
    bodies = [v for v in e.params.values() if isinstance(v, Body)]
    if "seeded" in e.params:
        bodies.append(_back(e).body)
        if not _slots(e):
            return False
    return all(step_of(body) is not None for body in bodies)


ROUTINES.update({"scan": scan, "while_loop": while_loop, "cond": cond, "while_loop_pullback": while_loop_pullback})
