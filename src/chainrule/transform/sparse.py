"""Many products with a matrix of derivatives in one Program, whose outputs are the matrix' entries.

A Program that is linear in its last inputs (tangents, or cotangents) is a matrix that is never formed. Batched over
colours, with inputs that are 1 where the colour is right and 0 elsewhere, it computes sums of columns; each entry of
the matrix is one element of such a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import ArrayType, Atom, Const, Program, Var, without_dead_code
from ..ops import table
from ..ops.arithmetic import where
from ..ops.contraction import Spec, contract
from ..ops.indexing import gather
from ..ops.op import apply
from ..trace.recorder import Recorder, Traced
from .batch import batch
from .forward import Derived, forward
from .reverse import reached_from
from .simplify import simplify

Array = np.ndarray[Any, Any]
_EQUAL = table.OPS["equal"]
EXACT = 2048  # whole numbers up to here are exact in every real dtype


class Sweep(NamedTuple):
    """A Program that is linear in its last inputs; of each of them, the colour of every element (-1: none)."""

    program: Program
    colours: Sequence[Array]
    width: int  # how many colours there are

    def work(self, given: int) -> int:
        """About how many operations depend on colours."""
        moving = reached_from(self.program, range(given, len(self.program.inputs)))
        sizes = [v.type.size for e in self.program.equations for v in e.outputs if v in moving]
        return self.width * sum(sizes)


class Entries(NamedTuple):
    """Where the entries of one matrix are found: outputs of sweeps, laid end to end, and positions in them.

    An output is (which sweep, which of its outputs), and stands in rows, one for each colour.
    """

    outputs: tuple[tuple[int, int], ...]
    positions: Array


def compressed(program: Program, sweeps: Sequence[Sweep], matrices: Sequence[Entries]) -> Program:
    """(inputs) -> the entries of each matrix, a vector each; all sweeps have the inputs of `program` first."""
    recorder = Recorder(quiet=True)
    inputs = tuple([Var(v.type, v.name) for v in program.inputs])
    swept = [_swept(recorder, s, inputs) for s in sweeps]
    outputs = tuple([_entries(recorder, swept, m) for m in matrices])
    return simplify(Program(inputs, tuple(recorder.equations), outputs, f"{program.name}_sparse"))


def reseeded(program: Program, given: int, seeds: Sequence[Var]) -> Program:
    """The Program from where it has `seeds` on: they are inputs now, behind the first `given` ones."""
    known = set(seeds)
    equations = tuple([e for e in program.equations if known.isdisjoint(e.outputs)])
    return without_dead_code(Program((*program.inputs[:given], *seeds), equations, program.outputs, program.name))


def along(program: Program, given: int, way: Sequence[int]) -> Derived:
    """Of a Program that is linear in the inputs behind the `given` ones: the same of some of them, the others zero.

    It is its own derivative in these inputs; nothing is computed for a zero.
    """
    found = forward(program, [given + n for n in way])
    p, count = found.program, len(program.inputs)
    kept = [k for k in found.present if k is not None]
    outputs = tuple([p.outputs[k] for k in kept])
    alone = without_dead_code(Program((*p.inputs[:given], *p.inputs[count:]), p.equations, outputs, p.name))
    return Derived(simplify(alone), tuple([None if k is None else kept.index(k) for k in found.present]))


def _swept(recorder: Recorder, sweep: Sweep, inputs: tuple[Var, ...]) -> list[Atom]:
    """The sums of columns: each output with an axis of colours in front."""
    if not sweep.width:
        return []
    given = len(inputs)
    types = [v.type for v in sweep.program.inputs[given:]]
    seeds = [_seed(recorder, c, t, sweep.width) for c, t in zip(sweep.colours, types, strict=True)]
    rows = batch(sweep.program, [False] * given + [True] * len(seeds), sweep.width)
    return recorder.splice(rows, [*inputs, *seeds])


def _seed(recorder: Recorder, colours: Array, type: ArrayType, count: int) -> Atom:
    """Row c is 1 where the colour is c: a comparison, for the rows themselves would be read from memory each time."""
    if count == 1 and not colours.any():
        return recorder.spread_const(Const(np.ones((), type.dtype)), (1, *type.shape), None)
    colours = colours.reshape(type.shape)
    axes = tuple(range(1, type.ndim + 1))
    alike = [n for n in axes if type.shape[n - 1] > 1 and (colours == colours.take([0], axis=n - 1)).all()]
    for n in alike:
        colours = colours.take([0], axis=n - 1)
    own_axes = tuple([n for n in axes if n not in alike])
    new = ((0, count), *[(n, type.shape[n - 1]) for n in alike])
    everywhere = Spec((own_axes,), (0, *axes), new)
    numbers = Spec(((0,),), (0, *axes), tuple(zip(axes, type.shape, strict=True)))
    dtype = type.dtype if count <= EXACT else np.dtype(np.int64)
    colours, counted = np.squeeze(colours, tuple([n - 1 for n in alike])).astype(dtype), np.arange(count, dtype=dtype)
    (own,) = recorder.emit(contract, (Const(colours),), {"spec": everywhere}, None)
    (row,) = recorder.emit(contract, (Const(counted),), {"spec": numbers}, None)
    (same,) = recorder.emit(_EQUAL, (own, row), {}, None)
    one, zero = Const(np.ones((), type.dtype)), Const(np.zeros((), type.dtype))
    return recorder.emit(where, (same, one, zero), {}, None)[0]


def _entries(recorder: Recorder, swept: Sequence[Sequence[Atom]], entries: Entries) -> Atom:
    sums = [Traced(recorder, swept[s][o]) for s, o in entries.outputs]
    flat = [np.astype(np.ravel(x), sums[0].dtype) for x in sums]
    whole: Any = flat[0] if len(flat) == 1 else np.concatenate(flat)
    found = apply(gather, np.reshape(whole, (-1, 1)), entries.positions.astype(np.intp))
    atom: Atom = recorder.atom(np.ravel(found))
    return atom
