"""How `scan` is differentiated and mapped over rows: each is a scan again, of another step.

Reverse mode walks the steps backwards and needs the carries before each of them. Those of a short loop are kept; a
long one is cut into segments, about as many as each has steps: only the carries between segments are kept, and the
others are computed again, a segment at a time. So memory grows as the square root of the number of steps, for about
one more run of the loop. A loop of segments is a scan whose step is a scan, so nothing else has to be said.

Griewank & Walther, "Algorithm 799: revolve", 2000; Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log, sqrt
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Program, Var
from ..ops.control import ALGORITHMS, Body
from ..ops.loops import Flags, picked, reads, scan
from ..ops.op import Tangents, Value, apply
from ..trace.recorder import Recorder
from .steps import body_of, lifted, none_as_zero, pulled, pushed, rows_of

KEPT = 1 << 20  # bytes of carries that are kept rather than computed again


class Tidy(NamedTuple):
    """A step without what it does not need: carries that it hands on as they are become fixed; what is unread goes."""

    body: Body
    fixed: Flags  # which fixed operands are read
    still: Flags  # which carries never change
    used: Flags  # … which of those are read
    rows: Flags  # which xs are read


@lru_cache(maxsize=1024)
def _tidy(body: Body, fixed: int, carried: int) -> Tidy:
    p = body.program
    carries = p.inputs[fixed : fixed + carried]
    still = tuple(v is a for v, a in zip(carries, p.outputs, strict=False))
    moving = tuple(not s for s in still)
    outputs = (*picked(p.outputs[:carried], moving), *p.outputs[carried:])
    read = reads(Program(p.inputs, p.equations, outputs, p.name))
    used = tuple(s and r for s, r in zip(still, read[fixed : fixed + carried], strict=True))
    rows = read[fixed + carried :]
    inputs = (
        *picked(p.inputs[:fixed], read[:fixed]), *picked(carries, used), *picked(carries, moving),
        *picked(p.inputs[fixed + carried :], rows),
    )  # fmt: skip
    return Tidy(body_of(inputs, p, outputs, p.name), read[:fixed], still, used, rows)


def scanned(
    body: Body, fixed: Sequence[Value], carries: Sequence[Value], xs: Sequence[Value], *, length: int, backwards: bool,
    cut: bool,
) -> list[Any]:  # fmt: skip
    """The final carries, then the rows of results."""
    p = body.program
    if length == 0:
        return [*carries, *[np.zeros((0, *a.type.shape), a.type.dtype) for a in p.outputs[len(carries) :]]]
    tidy = _tidy(body, len(fixed), len(carries))
    moving = tuple(not s for s in tidy.still)
    constants = (*picked(fixed, tidy.fixed), *picked(carries, tidy.used))
    start = picked(carries, moving)
    found: Any = ()
    if tidy.body.program.outputs:
        found = apply(
            scan, *constants, *start, *picked(xs, tidy.rows), body=tidy.body, fixed=len(constants), carried=len(start),
            length=length, backwards=backwards, cut=cut,
        )  # fmt: skip
        found = found if isinstance(found, tuple) else (found,)
    results = iter(found)
    return [*[c if s else next(results) for c, s in zip(carries, tidy.still, strict=True)], *results]


class Parts(NamedTuple):
    fixed: Sequence[Any]
    carries: Sequence[Any]
    xs: Sequence[Any]


def _parts(values: Sequence[Any], fixed: int, carried: int) -> Parts:
    return Parts(values[:fixed], values[fixed : fixed + carried], values[fixed + carried :])


def present(values: Sequence[Any]) -> list[Any]:
    return [v for v in values if v is not None]


# --- forwards ---------------------------------------------------------------------------------------------------------


def _together(
    tangents: Tangents, inputs: Sequence[Value], *, body: Body, fixed: int, carried: int, **rest: Any
) -> tuple[Sequence[Any], Tangents]:
    step = pushed(body, fixed, carried, tuple(t is not None for t in tangents))
    x, t = _parts(inputs, fixed, carried), _parts(tangents, fixed, carried)
    dots = [none_as_zero(t.carries[j], x.carries[j]) for j in step.carries]
    found = scanned(step.body, [*x.fixed, *present(t.fixed)], [*x.carries, *dots], [*x.xs, *present(t.xs)], **rest)
    n, ys = carried + len(step.carries), len(body.program.outputs) - carried
    outputs = [*found[:carried], *found[n : n + ys]]
    moved = dict(zip(step.carries, found[carried:n], strict=True))
    moved |= {carried + i: y for i, y in zip(step.rows, found[n + ys :], strict=True)}
    return outputs, [moved.get(i) for i in range(len(outputs))]


# --- backwards --------------------------------------------------------------------------------------------------------


def _kept(body: Body, fixed: int, carried: int) -> dict[int, int]:
    """Which results are the carries before each step."""
    p = body.program
    place = {v: j for j, v in enumerate(p.inputs[fixed : fixed + carried])}
    return {place[a]: i for i, a in enumerate(p.outputs) if i >= carried and isinstance(a, Var) and a in place}


def _keeping(body: Body, fixed: int, carries: Sequence[int]) -> Body:
    """A step that also gives these carries as they were before it."""
    p = body.program
    return Body(Program(p.inputs, p.equations, (*p.outputs, *[p.inputs[fixed + j] for j in carries]), p.name))


def _prepared(
    inputs: Sequence[Value], *, body: Body, fixed: int, carried: int, length: int, backwards: bool, cut: bool
) -> Sequence[Any]:
    p, x = body.program, _parts(inputs, fixed, carried)
    real = tuple(v.type.differentiable for v in p.inputs)
    stored = pulled(body, fixed, carried, tuple(a.type.differentiable for a in p.outputs), real).stored
    size = length * sum(p.inputs[fixed + j].type.size * p.inputs[fixed + j].type.dtype.itemsize for j in stored)
    missing = [j for j in stored if j not in _kept(body, fixed, carried)]
    if cut and size > KEPT and length >= 16:
        return _segments(body, x, length, backwards, stored)
    found = scanned(
        _keeping(body, fixed, missing), *x, length=length, backwards=backwards, cut=cut
    )  # fmt: skip
    return found[: len(p.outputs)]


def segment_length(n: int) -> int:
    """About the square root of n; a divisor of n if there is one within a factor of two."""
    root = sqrt(n)
    near = [m for m in range(max(1, int(root / 2)), int(2 * root) + 1) if n % m == 0]
    return min(near, key=lambda m: abs(log(m / root))) if near else int(root)


def _segments(body: Body, x: Parts, length: int, backwards: bool, stored: Sequence[int]) -> list[Any]:
    """The same loop as a loop of loops, and a rest."""
    each = segment_length(length)
    many, carried = length // each, len(x.carries)
    rest = length - many * each
    low, high = (rest, length) if backwards else (0, length - rest)
    outer = _keeping(_segment(body, len(x.fixed), carried, each, backwards), len(x.fixed), stored)
    pieces = [np.reshape(v[low:high], (many, each, *v.shape[1:])) for v in x.xs]
    found = scanned(outer, x.fixed, x.carries, pieces, length=many, backwards=backwards, cut=False)
    ys = [np.reshape(y, (many * each, *y.shape[2:])) for y in found[carried : len(body.program.outputs)]]
    carries = found[:carried]
    if rest:
        low, high = (0, rest) if backwards else (length - rest, length)
        tail = scanned(
            _keeping(body, len(x.fixed), stored), x.fixed, carries, [v[low:high] for v in x.xs], length=rest,
            backwards=backwards, cut=False,
        )  # fmt: skip
        carries = tail[:carried]
        last = tail[carried : len(body.program.outputs)]
        ys = [np.concatenate([b, a] if backwards else [a, b]) for a, b in zip(ys, last, strict=True)]
    return [*carries, *ys]


@lru_cache(maxsize=256)
def _segment(body: Body, fixed: int, carried: int, length: int, backwards: bool) -> Body:
    """So many steps as one."""
    p, start = body.program, fixed + carried
    recorder = Recorder(quiet=True)
    inputs = [
        Var(ArrayType(v.type.shape if i < start else (length, *v.type.shape), v.type.dtype), v.name)
        for i, v in enumerate(p.inputs)
    ]
    params = {
        "body": body, "fixed": fixed, "carried": carried, "length": length, "backwards": backwards, "cut": False
    }  # fmt: skip
    outputs = recorder.emit(scan, tuple(inputs), params, None)
    return Body(Program(tuple(inputs), tuple(recorder.equations), outputs, f"{p.name}_segment"))


def _pullback(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *, body: Body,
    fixed: int, carried: int, length: int, backwards: bool, cut: bool,
) -> dict[int, Value | None]:  # fmt: skip
    p, x = body.program, _parts(inputs, fixed, carried)
    step = pulled(
        body, fixed, carried, tuple(g is not None for g in cotangents),
        tuple(i in wanted for i in range(len(inputs))),
    )  # fmt: skip
    kept = {j: outputs[i] for j, i in _kept(body, fixed, carried).items()}
    missing = [j for j in step.stored if j not in kept]
    if missing:
        again = scanned(_keeping(body, fixed, missing), *x, length=length, backwards=backwards, cut=cut)
        kept |= dict(zip(missing, again[len(p.outputs) :], strict=True))
    # a carry that is not read has no values here, and `scanned` leaves it out
    stored = [kept.get(j) for j in range(carried)]
    gs = [none_as_zero(cotangents[j], outputs[j]) for j in step.carries]
    sums = [none_as_zero(None, x.fixed[i]) for i in step.sums]
    rows = [*stored, *x.xs, *[cotangents[carried + i] for i in step.given]]
    found = scanned(step.body, x.fixed, [*gs, *sums], rows, length=length, backwards=not backwards, cut=cut)
    places = [*[fixed + j for j in step.carries], *step.sums, *[fixed + carried + i for i in step.rows]]
    back = dict(zip(places, found, strict=True))
    return {i: back.get(i) for i in wanted}


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(
    inputs: Sequence[Value], mapped: Flags, size: int, *, body: Body, fixed: int, carried: int, **rest: Any
) -> tuple[Sequence[Any], Flags]:
    step = rows_of(body, fixed, carried, mapped, size)
    x = _parts(
        [v if h or not need else lifted(v, size) for v, h, need in zip(inputs, mapped, step.inputs, strict=True)],
        fixed, carried,
    )  # fmt: skip
    along = [np.swapaxes(v, 0, 1) if m else v for v, m in zip(x.xs, mapped[fixed + carried :], strict=True)]
    found = scanned(step.body, x.fixed, x.carries, along, **rest)
    ys = [np.swapaxes(y, 0, 1) if m else y for y, m in zip(found[carried:], step.outputs[carried:], strict=True)]
    return [*found[:carried], *ys], step.outputs


ALGORITHMS["scan together"], ALGORITHMS["scan prepared"] = _together, _prepared
ALGORITHMS["scan pullback"] = _pullback
ALGORITHMS["scan rows"] = _rows
