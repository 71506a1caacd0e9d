"""Loops and branches: a step is a function of its own in the same module, called with a table of pointers.

What is fixed is written into the table once. Carries go to and fro between two places, so that a step never writes
what it reads; the last one writes the result. Rows are passed where they lie. A step's own memory is one for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..ir import Atom, Const, Equation, Program
from ..ops.control import Body
from . import interrupt
from .calls import Call, Code, View, contiguous, whole
from .digest import blake2b
from .emit import Kernel, lanes
from .foreign import Foreign
from .lanes import BITS, KINDS, Value
from .lapack import ROUTINES
from .lower import Lowering, lowered
from .recompute import arranged


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
    found, classes, items = arranged(lowered(program))
    kernel = Kernel(found, classes, items, lanes(items), "a_step")
    text = kernel.function()
    name = f"step_{blake2b(text.encode(), digest_size=8).hexdigest()}"  # the same text is the same function
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


def kind_of(a: Any) -> str:
    return KINDS[a.type.dtype.name]


def bytes_of(a: Any) -> int:
    return max(1, BITS[kind_of(a)] // 8) * int(a.type.size)


def _without_gaps(view: View, first: int) -> bool:
    """Whether, from that axis on, the elements lie one after the other."""
    shape, strides = view.shape[first:], view.strides[first:]
    return all(n == 1 or s == t for n, s, t in zip(shape, strides, contiguous(shape), strict=True))


def view_of(low: Lowering, a: Atom, first: int = 0) -> View:
    found = low.view(a)
    return found if _without_gaps(found, first) else low.stored(a, range(a.type.ndim))


def constants_of(*steps: Step) -> list[View]:
    return [whole(c) for step in steps for _, c in step.constants]


def pick(code: Code, condition: str, yes: str, no: str) -> str:
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
    start, flops = fixed + carried, e.params["body"].flops()
    views = [view_of(low, a, 0 if i < start else 1) for i, a in enumerate(e.inputs)]
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
                before = pick(code, first, code.operands[fixed + j], pick(code, even, other, one))
                frame.read(fixed + j, before)
                frame.write(j, pick(code, even, one, other))
            row = left if e.params["backwards"] else i
            for k in range(start, n):
                view = views[k]
                frame.read(k, code.at(code.operands[k], kind_of(e.inputs[k]), (row, view.strides[0])))
            for k, v in enumerate(e.outputs[carried:], carried):
                frame.write(k, code.at(code.results[k], kind_of(v), (row, prod(v.type.shape[1:]))))
            frame.call()
            if length > interrupt.steps(flops):
                code.stop_if_asked(i, flops)

    scratch = (*map(bytes_of, carries), step.kernel.scratch)
    low.steps.append(Call(e, (*views, *constants_of(step)), e.outputs, write, scratch))
    return True


# --- while ------------------------------------------------------------------------------------------------------------


def while_loop(e: Equation, low: Lowering) -> bool:
    test, step = step_of(e.params["test"]), step_of(e.params["body"])
    if test is None or step is None:
        return False
    fixed, carried, flops = e.params["fixed"], len(e.outputs), e.params["body"].flops()
    views = [view_of(low, a) for a in e.inputs]
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
            now.append(pick(code, first, code.operands[fixed + j], pick(code, even, other, one)))
            asking.read(fixed + j, now[j])
            going.read(fixed + j, now[j])
            going.write(j, pick(code, even, one, other))
        asking.call()
        code.line(f"br i1 {_truth(code, answer).text}, label %round{mark}, label %done{mark}")
        code.text.label(f"round{mark}")
        going.call()
        code.stop_if_asked(done.text, flops)
        code.store(done + 1, count)
        code.line(f"br label %head{mark}")
        code.text.label(f"done{mark}")
        for j, v in enumerate(e.outputs):
            shape = v.type.shape
            code.copy(now[j], code.results[j], shape, contiguous(shape), kind_of(v))

    scratch = (*[bytes_of(v) for v in e.outputs for _ in range(2)], shared)
    low.steps.append(Call(e, (*views, *constants_of(test, step)), e.outputs, write, scratch))
    return True


# --- cond -------------------------------------------------------------------------------------------------------------


def cond(e: Equation, low: Lowering) -> bool:
    branches = [step_of(e.params[k]) for k in ("yes", "no")]
    steps = [step for step in branches if step is not None]
    if len(steps) < 2:
        return False
    views = [view_of(low, a) for a in e.inputs]
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
    low.steps.append(Call(e, (*views, *constants_of(*steps)), e.outputs, write, (shared,)))
    return True


ROUTINES.update({"scan": scan, "while_loop": while_loop, "cond": cond})
