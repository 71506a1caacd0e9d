"""Loops written in Python become loops again: where a Program repeats itself, one `scan` stands for all the steps.

A hundred thousand steps are then compiled as one, and reverse mode keeps what a `scan` keeps: its memory grows as the
square root of their number. What each step reads decides what it becomes: one value for all steps is fixed; what an
earlier step made is carried, as many steps as it is read later; different values are the rows of an array, slices that
move by equal strides one slice of what they are taken from. An array in which each step writes a place of its own is
written once, after the loop.

Short Programs stay as they are: unrolled, steps are fused and simplified with each other. So do the first and the last
steps of a loop where they alone have slopes that may be infinite, and nothing, or something, to multiply them by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Const, Equation, Program, Var, without_dead_code
from ..ops.assembly import concatenate
from ..ops.contraction import broadcast
from ..ops.control import Body
from ..ops.op import apply, shape_of
from ..ops.structure import places_of, reshape, slice_, update
from ..trace.recorder import Recorder, Traced
from .loops import scanned
from .repeats import STEPS, Link, Reads, Repeat, moving, repeats, same
from .simplify import simplify

LONG = 80  # equations: fewer are compiled at once
SAVED = 50  # equations, at least: or a Program of steps costs more than it saves
_STACKED = 1 << 16  # numbers that may be laid side by side to be the rows of one array
_LARGER = 4  # times: slices that overlap are copied if they are together no larger than what they are taken from


class _Unlike(Exception):
    """Steps that look alike but aren't: their loop stays unrolled."""


class Loop(NamedTuple):
    """What is to become a scan."""

    step: Program  # (fixed values, carried ones, rows) -> (carried ones, results)
    fixed: int
    rows: list[Any]  # what the step reads a row of: stand-ins, or numbers
    steps: int
    last: list[bool]  # for each carried value, whether it is read after the last step
    results: list[Collection[int]]  # for each result, of which steps it is read


Ends = Callable[[Loop], tuple[int, int] | None]  # how many steps at both ends stay written out; None: all


def rerolled(program: Program, ends: Ends) -> Program:
    """A Program that computes the same, with a loop for each stretch that repeats itself."""
    if len(program.equations) < LONG:
        return program
    short = simplify(program)
    found = _rolled(short, ends)
    return program if found is short else found


def _rolled(program: Program, ends: Ends) -> Program:
    while len(program.equations) >= LONG:
        for repeat in repeats(program.equations, program.inputs, SAVED):
            found = _with_a_loop(program, repeat, ends)
            if found is not None and len(found.equations) < len(program.equations) - SAVED // 2:  # rows cost some
                program = found
                break
        else:
            break
    return program


def _with_a_loop(program: Program, repeat: Repeat, ends: Ends) -> Program | None:
    try:
        rolling = _Rolling(program, repeat)
        loop = rolling.loop()
        uneven = ends(loop)
        if uneven is None:
            return None
        if any(uneven):
            first, last = uneven
            steps = repeat.steps - first - last
            if steps < STEPS:
                return None
            rolling = _Rolling(program, repeat._replace(start=repeat.start + first * repeat.period, steps=steps))
            loop = rolling.loop()
        return rolling.program(_rolled(loop.step, ends))
    except _Unlike:
        return None


class _Carried(NamedTuple):
    """A value that later steps read: it is handed on from step to step."""

    before: list[Atom]  # what it is before the first step, one step before, two steps before, …
    inputs: list[Var]  # of the step, likewise


Made = tuple[int, int]  # which equation of a step, which of its outputs


class _Rolling:
    """One repeat of a Program, as a scan."""

    def __init__(self, program: Program, repeat: Repeat) -> None:
        self.old, self.repeat = program, repeat
        if any(e.op.native is None for e in program.equations[repeat.start : repeat.start + repeat.period]):
            raise _Unlike  # a loop with such a step would run on NumPy as a whole
        starts = range(repeat.start, repeat.end, repeat.period)
        self.steps = [program.equations[at : at + repeat.period] for at in starts]
        self.made: dict[Atom, tuple[int, int, int]] = {}  # step, equation, output
        for k, step in enumerate(self.steps):
            for j, e in enumerate(step):
                self.made.update((v, (k, j, o)) for o, v in enumerate(e.outputs))
        self.recorder = Recorder(quiet=True)
        self.recorder.equations = list(program.equations[: repeat.start])
        self.new: dict[Atom, Atom] = {}  # what stands for what the loop made
        self.rows: dict[Atom, tuple[Any, int]] = {}  # rows of what the loop made: of what, which
        self.producer = {v: e for e in program.equations[: repeat.start] for v in e.outputs}
        self.body = Recorder(quiet=True)
        self.inside: dict[Made, Atom] = {}
        self.fixed: dict[Var, Var] = {}
        self.xs: list[tuple[Any, Var]] = []
        self.carried: dict[Made, list[_Carried]] = {}
        self.written: dict[int, tuple[Atom, Atom]] = {}  # updates: what is written, the array before the loop
        self.carries: list[tuple[Any, Var | None, Atom]] = []  # before the loop, in the step, what the step hands on
        self.places: dict[tuple[Made, int], int] = {}  # made, how many steps before the last one: which carry
        self.results: list[Atom] = []
        self.ys: dict[Made, int] = {}  # made, or (an update, -1): which result

    def loop(self) -> Loop:
        """Its step, and what is known of the steps."""
        for j in range(self.repeat.period):
            self._equation(j)
        return self._loop()

    def program(self, step: Program) -> Program:
        """The whole Program, a loop of such steps in its place."""
        self._emit(step)
        for e in self.old.equations[self.repeat.end :]:
            self._after(e)
        outputs = tuple([self.new.get(a, a) for a in self.old.outputs])
        equations = tuple(self.recorder.equations)
        return without_dead_code(Program(self.old.inputs, equations, outputs, self.old.name))

    # --- the step ---------------------------------------------------------------------------------------------------

    def _equation(self, j: int) -> None:
        es, links = [step[j] for step in self.steps], self.repeat.links[j]
        e = es[-1]
        if moving(e) and any(other.params != e.params for other in es):
            if e.op is slice_:
                if links[0].reads is not Reads.SAME:
                    raise _Unlike
                rows = _slices(self._outside(e.inputs[0]), [other.params["index"] for other in es])
                self.inside[j, 0] = self._row(rows, e.outputs[0])
            else:
                self._written(j, es, links)
            return
        inputs = []
        for slot, link in enumerate(links):
            atom = self._operand(j, slot, link)
            shape = e.outputs[0].type.shape
            if e.op.aligned and isinstance(atom, Var) and atom.type.shape != shape and not atom.type.shape:
                atom = broadcast(Traced(self.body, atom), shape).atom
            inputs.append(atom)
        outputs = tuple([Var(v.type, v.name) for v in e.outputs])
        self.body.equations.append(Equation(e.op, tuple(inputs), outputs, e.params, e.where))
        self.inside.update(((j, o), v) for o, v in enumerate(outputs))

    def _operand(self, j: int, slot: int, link: Link) -> Atom:
        """What an equation of the step reads."""
        atoms = [step[j].inputs[slot] for step in self.steps]
        last = atoms[-1]
        if link.reads is Reads.SAME:
            if isinstance(last, Const):
                return last
            self._outside(last)
            return self.fixed.setdefault(last, Var(last.type, last.name))
        if link.reads is Reads.OTHER or last not in self.made:
            return self._row(self._rows_of(atoms), last)
        step, at = divmod(j - link.distance, self.repeat.period)
        made = at, self.made[last][2]
        return self.inside[made] if step == 0 else self._carry(made, atoms[:-step], last)

    def _carry(self, key: Made, first: Sequence[Atom], like: Atom) -> Var:
        """What was made some steps before; the first steps read `first`."""
        if len(first) >= self.repeat.steps or (self._narrow() and like.type.weak):
            raise _Unlike
        before = list(reversed(first))
        for a in before:
            self._outside(a)
        chains = self.carried.setdefault(key, [])
        for chain in chains:
            if all(same(a, b) for a, b in zip(chain.before, before, strict=False)):
                break
        else:
            chain = _Carried([], [])
            chains.append(chain)
        for a in before[len(chain.before) :]:
            chain.before.append(a)
            chain.inputs.append(Var(like.type, like.name if isinstance(like, Var) else ""))
        return chain.inputs[len(before) - 1]

    def _narrow(self) -> bool:
        """Whether a number of Python and one of NumPy may differ in what they do to a dtype."""
        return any(v.type.dtype.kind == "f" and v.type.dtype.itemsize != 8 for e in self.steps[-1] for v in e.outputs)

    def _written(self, j: int, es: Sequence[Equation], links: Sequence[Link]) -> None:
        """An array in which each step writes a place of its own, and which no step reads."""
        array, value = links
        period = self.repeat.period
        others = [(i, link) for i, row in enumerate(self.repeat.links) for link in row if i != j]
        read = {(i - link.distance) % period for i, link in others if link.reads is Reads.MADE}
        if array != Link(Reads.MADE, period) or value == array or j in read:
            raise _Unlike
        _strides([e.params["index"] for e in es])
        before = es[0].inputs[0]
        self._outside(before)
        self.written[j] = self._operand(j, 1, value), before

    # --- what is outside --------------------------------------------------------------------------------------------

    def _outside(self, a: Atom) -> Any:
        """A value from before the loop."""
        if a in self.made:
            raise _Unlike
        return Traced(self.recorder, a) if isinstance(a, Var) else a.value

    def _row(self, rows: Any, like: Atom) -> Var:
        if self._narrow() and like.type.weak:
            raise _Unlike
        v = Var(like.type, like.name if isinstance(like, Var) else "")
        self.xs.append((rows, v))
        return v

    def _rows_of(self, atoms: Sequence[Atom]) -> Any:
        """Values side by side, as the rows of one array."""
        if all(isinstance(a, Const) for a in atoms):
            return np.stack([a.value for a in atoms if isinstance(a, Const)])
        producers = [self.producer.get(a) if isinstance(a, Var) else None for a in atoms]
        es = [e for e in producers if e is not None]
        if len(es) == len(atoms) and len({e.op for e in es}) == 1:
            if es[0].op is reshape and all(e.params == es[0].params for e in es):
                rows = self._rows_of([e.inputs[0] for e in es])
                return np.reshape(rows, (len(atoms), *atoms[0].type.shape))
            if es[0].op is slice_ and all(same(e.inputs[0], es[0].inputs[0]) for e in es):
                return _slices(self._outside(es[0].inputs[0]), [e.params["index"] for e in es])
        if sum(a.type.size for a in atoms) > _STACKED:
            raise _Unlike
        return np.stack([self._outside(a) for a in atoms])

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> Loop:
        n = self.repeat.steps
        after = self._read_after()
        for made, chains in self.carried.items():
            for before, inputs in chains:
                for depth, (a, v) in enumerate(zip(before, inputs, strict=True)):
                    self.places[made, depth] = len(self.carries)
                    handed = inputs[depth - 1] if depth else self.inside[made]
                    self.carries.append((self._outside(a), v, handed))
        read: list[set[int]] = []  # for each result, of which steps
        for k, j, output in after.values():
            if j in self.written:
                if k != n - 1:
                    raise _Unlike
            elif k != n - 1 and ((j, output), n - 1 - k) not in self.places and (j, output) not in self.ys:
                self.ys[j, output] = len(self.results)
                self.results.append(self.inside[j, output])
                read.append(set())
        last = [False] * len(self.carries)
        for k, j, output in after.values():
            made, depth = (j, output), n - 1 - k
            if made in self.ys:
                read[self.ys[made]].add(k)
            elif j not in self.written:
                if (made, depth) not in self.places:
                    self.places[made, depth] = len(self.carries)
                    atom = self.inside[made]
                    self.carries.append((np.zeros(atom.type.shape, atom.type.dtype), None, atom))
                    last.append(False)
                last[self.places[made, depth]] = True
        for j, (value, _) in self.written.items():
            self.ys[j, -1] = len(self.results)
            self.results.append(value)
            read.append(set(range(n)))
        if self._narrow() and any(a.type.weak for a in (*self.results, *(handed for _, _, handed in self.carries))):
            raise _Unlike
        inputs = [
            *self.fixed.values(),
            *(Var(handed.type) if v is None else v for _, v, handed in self.carries),
            *(v for _, v in self.xs),
        ]
        outputs = [*(handed for _, _, handed in self.carries), *self.results]
        step = Program(tuple(inputs), tuple(self.body.equations), tuple(outputs), "step")
        return Loop(step, len(self.fixed), [rows for rows, _ in self.xs], n, last, list(read))

    def _emit(self, step: Program) -> None:
        """Write the scan; say what stands for what the steps made."""
        n = self.repeat.steps
        found = scanned(
            Body(step), [Traced(self.recorder, v) for v in self.fixed], [c[0] for c in self.carries],
            [rows for rows, _ in self.xs], length=n, backwards=False, cut=True,
        )  # fmt: skip
        for a, (k, j, output) in self._read_after().items():
            made = j, output
            if j in self.written:
                rows, before = found[len(self.carries) + self.ys[j, -1]], self._outside(self.written[j][1])
                at = [equations[j].params["index"] for equations in self.steps]
                self._stands(a, _put(before, rows, at))
            elif made in self.ys:
                rows = found[len(self.carries) + self.ys[made]]
                self._stands(a, rows[k])
                self.rows[self.new[a]] = rows, k
            else:
                self._stands(a, found[self.places[made, n - 1 - k]])

    def _stands(self, a: Atom, value: Any) -> None:
        self.new[a] = self.recorder.atom(value if isinstance(value, (Traced, np.ndarray)) else np.asarray(value))

    def _read_after(self) -> Mapping[Atom, tuple[int, int, int]]:
        """What the steps made and later equations read."""
        later: Iterable[Atom] = (a for e in self.old.equations[self.repeat.end :] for a in e.inputs)
        return {a: self.made[a] for a in dict.fromkeys([*later, *self.old.outputs]) if a in self.made}

    def _after(self, e: Equation) -> None:
        inputs = tuple([self.new.get(a, a) for a in e.inputs])
        if e.op is concatenate:
            inputs = self._joined(inputs, e.params["axis"])
            if len(inputs) == 1:
                self.new[e.outputs[0]] = inputs[0]
                return
        if inputs != e.inputs:
            e = Equation(e.op, inputs, e.outputs, e.params, e.where)
        if e.op is reshape and e.inputs[0] in self.rows:
            self.rows[e.outputs[0]] = self.rows[e.inputs[0]]
        self.recorder.equations.append(e)

    def _joined(self, inputs: Sequence[Atom], axis: int) -> tuple[Atom, ...]:
        """The operands of a concatenation, those that are rows of one array in order as one."""
        found: list[Atom] = []
        start = 0
        while start < len(inputs):
            stop = start + 1
            whole = self.rows.get(inputs[start])
            shape = inputs[start].type.shape
            if whole is not None and all(n == 1 for n in shape[:axis]):
                rows, k = whole
                while stop < len(inputs) and inputs[stop].type.shape == shape:
                    other = self.rows.get(inputs[stop])
                    if other is None or other[0] is not rows or other[1] != k + stop - start:
                        break
                    stop += 1
                count = stop - start
                size = list(shape)
                size[axis] *= count
                joined = np.reshape(rows[k : k + count], size)
                found.append(self.recorder.atom(joined))
            else:
                found.append(inputs[start])
            start = stop
        return tuple(found)


# --- slices that move -------------------------------------------------------------------------------------------------

Index = tuple[tuple[int, Any, int], ...]


class _Strides(NamedTuple):
    axis: int  # from the end
    start: int
    stride: int
    width: int  # of each slice


def _strides(places: Sequence[Index]) -> _Strides:
    """How slices move along one axis, each to where the one before ends or by numbers one wide; or raise."""
    first = places[0]
    axes = [i for i in range(len(first)) if any(p[i] != first[i] for p in places)]
    if len(axes) != 1:
        raise _Unlike
    (axis,) = axes
    starts = np.array([p[axis][0] for p in places])
    start, stop, step = first[axis]
    strides = set(np.diff(starts).tolist())
    if len(strides) != 1 or step != 1 or starts.min() < 0:
        raise _Unlike
    (stride,) = strides
    width = stop - start
    if width != 1 and stride != width:
        raise _Unlike
    return _Strides(axis - len(first), start, stride, width)


def _whole(first: Index, moves: _Strides, n: int) -> Index:
    """All of the slices as one."""
    step = 1 if moves.width > 1 else moves.stride
    stop = moves.start + n * (moves.stride if moves.width == 1 else moves.width)
    return (*first[: len(first) + moves.axis], (moves.start, stop if stop >= 0 else None, step),
            *first[len(first) + moves.axis + 1 :])  # fmt: skip


def _slices(x: Any, places: Sequence[Index]) -> Any:
    """Slices as the rows of one array."""
    n, shape = len(places), shape_of(x)
    try:
        moves = _strides(places)
    except _Unlike:
        return _gathered(x, places)
    index = _whole(places[0], moves, n)
    taken = apply(slice_, x, index=index)
    at = len(shape) + moves.axis
    found = shape_of(taken)
    split = np.reshape(taken, (*found[:at], n, moves.width, *found[at + 1 :]))
    return np.moveaxis(split, at, 0)


def _gathered(x: Any, places: Sequence[Index]) -> Any:
    shape = shape_of(x)
    number = np.arange(int(np.prod(shape))).reshape(shape)
    rows = [number[places_of(place)] for place in places]
    if len({r.shape for r in rows}) > 1 or sum(r.size for r in rows) > _LARGER * max(number.size, 1):
        raise _Unlike
    return np.reshape(x, (-1,))[np.stack(rows)]


def _put(x: Any, rows: Any, places: Sequence[Index]) -> Any:
    """x with the rows written in their places."""
    n, moves = len(places), _strides(places)
    shape = shape_of(rows)
    at = len(shape) - 1 + moves.axis
    turned = np.moveaxis(rows, 0, at)
    found = shape_of(turned)
    joined = np.reshape(turned, (*found[:at], n * moves.width, *found[at + 2 :]))
    return apply(update, x, joined, index=_whole(places[0], moves, n))
