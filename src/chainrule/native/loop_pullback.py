"""Backwards through a loop of unknown length, as machine code.

The loop is run, and carries are kept at marks, of which every other goes when there are too many. Then a segment after
the other, from the last to the first, is run again and walked back. There are as many places within a segment as there
are marks: with m of them a kernel takes m² / 2 steps, and leaves more to NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..ir import Equation
from ..transform.steps import Pulled, pulled
from .calls import Call, Code, contiguous
from .lanes import Value
from .lapack import ROUTINES
from .loops import Frame, bytes_of, constants_of, kind_of, pick, step_of, view_of
from .lower import Lowering


def back_of(e: Equation) -> Pulled:
    body, fixed = e.params["body"], e.params["fixed"]
    n, carried = len(body.program.inputs), len(body.program.outputs)
    seeded, asked = e.params["seeded"], e.params["asked"]
    return pulled(body, fixed, carried, tuple(j in seeded for j in range(carried)), tuple(i in asked for i in range(n)))


def slots_of(e: Equation) -> int:
    """How many carries may be kept at marks, and as many again within a segment; 0 if they are too large for that."""
    each = sum(map(bytes_of, e.params["body"].program.outputs))
    return 0 if each > _LARGEST else max(64, min(4096, 1 << (_KEPT // max(each, 1)).bit_length() >> 1))


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
    """Whether it could be lowered: run the loop, keep carries at marks, walk back."""
    test, step, back, slots = step_of(e.params["test"]), step_of(e.params["body"]), back_of(e), slots_of(e)
    pull = step_of(back.body)
    if test is None or step is None or pull is None or not slots:
        return False
    program, fixed = e.params["body"].program, e.params["fixed"]
    carries, sums = program.inputs[fixed:], [program.inputs[i] for i in back.sums]
    state = [*[carries[j] for j in back.carries], *sums]
    places = [*[fixed + j for j in back.carries], *back.sums]
    views = [view_of(low, a) for a in e.inputs]
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
            return code.at(base[j], kind_of(carries[j]), (number.text, carries[j].type.size))

        def move(j: int, source: str, to: str) -> None:
            shape = carries[j].type.shape
            code.copy(source, to, shape, contiguous(shape), kind_of(carries[j]))

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
            code.stop_if_asked(cells["done"].text, e.params["body"].flops())
            cells["done"] = cells["done"] + 1
        for (one_side, _), v, place in zip(states, state, places, strict=True):
            seed = seeds.get(place - fixed) if place >= fixed else None
            if seed is None:
                code.clear(one_side, v.type.size, kind_of(v))
            else:
                code.copy(code.operands[seed], one_side, v.type.shape, contiguous(v.type.shape), kind_of(v))
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
                    pulling.read(fixed + k, pick(code, even, a, b))
                    pulling.write(k, pick(code, even, b, a))
                for j in range(c):
                    pulling.read(fixed + len(state) + j, slot(segment, j, cells["count"]))
                pulling.call()
                cells["turn"] = code.one.number(1, "i64") - cells["turn"]
        even = _equal(code, cells["turn"], 0).text
        for result, v, i in zip(code.results, e.outputs, e.params["asked"], strict=True):
            if i in places:
                a, b = states[places.index(i)]
                shape = v.type.shape
                code.copy(pick(code, even, a, b), result, shape, contiguous(shape), kind_of(v))
            else:
                code.clear(result, v.type.size, kind_of(v))

    memory = [
        *map(bytes_of, carries), *[bytes_of(v) * slots for v in carries], *[bytes_of(v) * slots for v in carries],
        *[bytes_of(v) for v in state for _ in range(2)], shared,
    ]  # fmt: skip
    low.steps.append(Call(e, (*views, *constants_of(test, step, pull)), e.outputs, write, tuple(memory)))
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


ROUTINES["while_loop_pullback"] = while_loop_pullback
