"""Jacobians and Hessians as sparse matrices: the pattern once, then only the entries, at every call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from ..analyze import colouring
from ..analyze.sparsity import Pattern, pattern
from ..errors import ArgumentError
from ..ir import Equation, Program
from ..ops.indexing import scatter_add
from ..ops.op import Linear, apply
from ..trace.record import current
from ..trace.recorder import Traced
from ..trace.tree import Tree, flatten
from ..transform.forward import Derived, forward
from ..transform.reverse import reached_from, reverse
from ..transform.smooth import smooth
from ..transform.sparse import Entries, Sweep, compressed
from .call import Call, Function, Wrt
from .matrices import derivatives_only, gradient, refuse_integers
from .planned import Reading, spliced, transformed
from .sweeps import Layout, Sweeps, forward_sweeps, one_sweep

Array = np.ndarray[Any, Any]
LARGEST = 1 << 26  # entries of a dense matrix of which that is asked
FEW = 16  # … and of so many, at most one may be another number, for only those to be computed
KEPT = 8  # patterns of one recording: one for each of several arrays of indices
BACKWARD = 1.5  # what a product in reverse mode costs, in forward mode ones


class Block(NamedTuple):
    """The matrix of one result and one argument: which of the Program's outputs has its entries; None: it is empty."""

    output: int | None
    matrix: Any

    def filled(self, outputs: Sequence[Array]) -> Any:
        """A matrix of its own with these entries. SciPy's constructor would check the pattern again at every call."""
        made: Any = object.__new__(csr_array)
        data = self.matrix.data.copy() if self.output is None else outputs[self.output]
        made.__dict__ = {**self.matrix.__dict__, "data": data}
        return made


@dataclass(frozen=True, eq=False)
class Matrices:
    """The matrices of one recording, as long as the inputs in `asked` have these values."""

    program: Program  # its outputs are their entries
    blocks: list[list[Block]]
    asked: dict[int, Array]

    def fits(self, inputs: Sequence[Any]) -> bool:
        return all([np.array_equal(inputs[i], x) for i, x in self.asked.items()])


@dataclass(frozen=True, eq=False)
class Arranged:
    """The same in the structure that the caller gets: it comes with its entries, as the one key of a dict."""

    matrices: Matrices
    blocks: list[Block]
    tree: Tree

    def filled(self, outputs: Sequence[Array]) -> Any:
        if self.tree.kind is None:
            return self.blocks[0].filled(outputs)
        return self.tree.build([block.filled(outputs) for block in self.blocks])


Make = Callable[[Program, tuple[int, ...], Sequence[Any]], Matrices]
Rows = list[list[int]]
Given = tuple[tuple[Any, ...], dict[str, Any]] | None  # the call, as `Call.given_as` says


def jacobian(f: Function, wrt: Wrt, threads: int) -> Function:
    """The transformation with `sparse=True`."""
    return _function(
        f, wrt, "jacobian", refuse_integers, _jacobian_matrices,
        _of_jacobian, threads,
    )  # fmt: skip


def hessian(f: Function, wrt: Wrt, threads: int) -> Function:
    """The transformation with `sparse=True`."""
    return _function(
        f, wrt, "hessian", lambda call: call.scalar("a Hessian"), _hessian_matrices,
        _of_hessian, threads,
    )  # fmt: skip


def _function(
    f: Function,
    wrt: Wrt,
    what: str,
    check: Callable[[Call], None],
    make: Make,
    arrange: Callable[[Call, Rows], Any],
    threads: int,
) -> Function:
    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        call = Call(f, args, options, wrt)
        check(call)
        found = _arranged(call, what, make, arrange)
        return Reading(
            call.recording, (what, found), lambda inputs: {found: spliced(found.matrices.program, inputs)},
            call.leaves, None if found.matrices.asked else call.given_as(args, options),
        )  # fmt: skip

    entries = transformed(f, (f"sparse {what}", repr(wrt)), read, threads)

    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        ((found, outputs),) = entries(*args, **options).items()
        return found.filled(outputs)

    return matrix


def dense_jacobian(call: Call, given: Given) -> Reading | None:
    """A large Jacobian of which little can be other than zero: only that is computed."""
    return _dense(call, given, "jacobian", _jacobian_matrices, lambda rows: _of_jacobian(call, rows))


def dense_hessian(call: Call, given: Given) -> Reading | None:
    """A large Hessian of which little can be other than zero."""
    return _dense(call, given, "hessian", _hessian_matrices, lambda rows: _of_hessian(call, rows))


def _of_jacobian(call: Call, rows: Any) -> Any:
    return call.recording.result.build([call.arranged(row) for row in rows])


def _of_hessian(call: Call, rows: Any) -> Any:
    return call.arranged([call.arranged(row) for row in rows])


def _dense(call: Call, given: Given, what: str, make: Make, arrange: Callable[[Any], Any]) -> Reading | None:
    ins = [t.shape for t in call.types()]
    outs = [a.type.shape for a in call.program.outputs] if what == "jacobian" else ins
    size = sum(map(prod, ins)) * sum(map(prod, outs))
    known = call.recording.derived
    if size > LARGEST or current() is not None or any(isinstance(x, Traced) for x in call.leaves):
        return None
    if ("local", call.wanted) not in known:
        known["local", call.wanted] = _is_local(call)
    if not known["local", call.wanted]:
        return None
    found = _arranged(call, what, make, lambda _, rows: arrange(rows))
    if sum(b.matrix.nnz for b in found.blocks) * FEW > size:
        return None

    def compute(inputs: Sequence[Any]) -> Any:
        numbers = np.arange(len(outs) * len(ins)).reshape(len(outs), len(ins)).tolist()
        shapes = [outs[k // len(ins)] + ins[k % len(ins)] for k in flatten(arrange(numbers))[0]]
        entries = spliced(found.matrices.program, list(inputs))
        return found.tree.build([_filled(b, shape, entries) for b, shape in zip(found.blocks, shapes, strict=True)])

    return Reading(
        call.recording, ("dense", found), compute, call.leaves, None if found.matrices.asked else given
    )  # fmt: skip


def _filled(block: Block, shape: tuple[int, ...], entries: Sequence[Any]) -> Any:
    """A matrix of zeros, but for the entries of a block."""
    if block.output is None:
        return np.zeros(shape, block.matrix.dtype)
    i, j = _coordinates(block.matrix)
    column, places = np.reshape(entries[block.output], (-1, 1)), i * block.matrix.shape[1] + j
    return np.reshape(apply(scatter_add, column, places, n=prod(shape)), shape)


def _is_local(call: Call) -> bool:
    """Whether tangents are only scaled, added and moved: then few of them meet, and patterns are found quickly."""
    program = smooth(call.program)
    moving = reached_from(program, call.wanted)
    return all(_moves_or_scales(e) for e in program.equations if not moving.isdisjoint(e.outputs))


def _moves_or_scales(e: Equation) -> bool:
    if e.op.aligned or e.op.only_moves(**e.params):
        return True
    return (isinstance(e.op, Linear) and e.op.cost == 0) or (len(e.inputs) == 1 and e.outputs[0].type.shape == ())


def _arranged(call: Call, what: str, make: Make, arrange: Callable[[Call, Rows], Any]) -> Arranged:
    """The matrices for the call's values: known, or made."""
    inputs = call.inputs
    if any(isinstance(x, Traced) for x in inputs):
        raise ArgumentError(
            f"a sparse {what} is a SciPy matrix, which can't be recorded: it is computed inside of another recorded"
            " function",
            hint="leave sparse=True out, or multiply by jvp, vjp or hvp: no matrix is formed then",
        )
    derived = call.recording.derived
    known: list[Arranged] = derived.setdefault((f"sparse {what}", call.wanted, call.single), [])
    found = next((a for a in known if a.matrices.fits(inputs)), None)
    if found is None:
        matrices = make(smooth(call.program), call.wanted, inputs)
        blocks = [block for row in matrices.blocks for block in row]
        numbers = np.arange(len(blocks)).reshape(len(matrices.blocks), -1).tolist()
        order, tree = flatten(arrange(call, numbers))
        found = Arranged(matrices, [blocks[k] for k in order], tree)
        known.insert(0, found)
        for old in known[KEPT:]:
            derived.pop(("plans", (what, old)), None)
            derived.pop(("plans", ("dense", old)), None)
        del known[KEPT:]
    return found


# --- what is computed ------------------------------------------------------------------------------------------------


def _jacobian_matrices(program: Program, wanted: tuple[int, ...], inputs: Sequence[Any]) -> Matrices:
    outs, ins = Layout([a.type for a in program.outputs]), Layout([program.inputs[i].type for i in wanted])
    onward = derivatives_only(forward(program, wanted))
    whole, read = _whole(onward, inputs, ins, outs)
    by_columns = colouring.columns(whole, ins.sizes)
    assert by_columns is not None
    count = int(by_columns.max(initial=-1)) + 1
    fewest = int(np.bincount(whole.indices, minlength=1).max()) if whole.nnz else 0
    by_rows = None
    if fewest * BACKWARD < count:
        by_rows = colouring.columns(whole.T.tocsr(), outs.sizes, (count - 1) / BACKWARD)
    i, j = _coordinates(whole)
    if by_rows is None:
        sweeps = forward_sweeps(onward, len(inputs), read, by_columns)
        found = sweeps.places(by_columns[j], outs, i)
    else:
        back = derivatives_only(reverse(program, wanted))
        sweeps = one_sweep(Sweep(back.program, outs.split(by_rows), int(by_rows.max(initial=-1)) + 1), back.present)
        found = sweeps.places(by_rows[i], ins, j)
    return _matrices(program, whole, sweeps, found, outs, ins, read.asked)


def _hessian_matrices(program: Program, wanted: tuple[int, ...], inputs: Sequence[Any]) -> Matrices:
    first = gradient(program, wanted)
    second = derivatives_only(forward(first.program, wanted))
    present = tuple([None if k is None else second.present[k] for k in first.present])
    layout = Layout([program.inputs[i].type for i in wanted])
    whole, read = _whole(Derived(second.program, present), inputs, layout, layout)
    whole = _symmetric(whole, np.array([k is not None for k in present], bool)[layout.array])
    colours = colouring.star(whole, layout.sizes)
    i, j = _coordinates(whole)
    # of an entry and its mirror image one is read, for both: that below the diagonal if it stands alone in its row
    numbers = csr_array((np.arange(whole.nnz), whole.indices, whole.indptr), shape=whole.shape)
    below = np.where(i >= j, numbers.data, numbers.T.tocsr().data)
    clear = colouring.alone(whole, colours)[below]
    row, column = np.maximum(i, j), np.minimum(i, j)
    if not clear.all():
        row, column = np.where(clear, row, column), np.where(clear, column, row)
    sweeps = forward_sweeps(Derived(second.program, present), len(inputs), read, colours)
    found = sweeps.places(colours[column], layout, row)
    return _matrices(program, whole, sweeps, found, layout, layout, read.asked)


def _whole(found: Derived, inputs: Sequence[Any], columns: Layout, rows: Layout) -> tuple[Any, Pattern]:
    """The pattern of all matrices together: those side by side that belong to one result."""
    given = len(inputs)
    read = pattern(found.program, range(given, given + len(columns.sizes)), inputs)
    parts = [
        csr_array((n, columns.total), dtype=bool) if k is None else read.matrices[k]
        for k, n in zip(found.present, rows.sizes, strict=True)
    ]
    indptr, at = [np.zeros(1, np.int64)], 0
    for p in parts:
        indptr.append(p.indptr[1:].astype(np.int64) + at)
        at += p.nnz
    indices = np.concatenate([p.indices for p in parts]) if parts else np.zeros(0, np.intp)
    data = np.ones(len(indices), bool)
    return csr_array((data, indices, np.concatenate(indptr)), shape=(rows.total, columns.total)), read


def _symmetric(whole: Any, kept: Array) -> Any:
    """The pattern with its mirror image; without the rows (and columns) of arrays whose derivative is zero by rule."""
    mirrored = whole.T.tocsr()
    same = np.array_equal(whole.indptr, mirrored.indptr) and np.array_equal(whole.indices, mirrored.indices)
    both = whole if same else whole + mirrored
    if not kept.all():
        i, j = _coordinates(both)
        some = kept[i] & kept[j]
        both = csr_array((np.ones(int(some.sum()), bool), (i[some], j[some])), shape=both.shape)
    both.sort_indices()
    return both


def _coordinates(whole: Any) -> tuple[Array, Array]:
    return np.repeat(np.arange(whole.shape[0]), np.diff(whole.indptr)), whole.indices.astype(np.intp)


def _matrices(
    program: Program, whole: Any, swept: Sweeps, found: tuple[Array, Array], rows: Layout, columns: Layout,
    asked: dict[int, Array],
) -> Matrices:  # fmt: skip
    """Entry k of the whole is element `place[k]` of the sweeps' output number `source[k]`, taken flat."""
    (source, place), sweeps, outputs = found, swept.sweeps, swept.outputs
    blocks: list[list[Block]] = []
    matrices: list[Entries] = []
    j = whole.indices
    for (low, high), dtype in zip(rows.stretches, rows.dtypes, strict=True):
        row = []
        first, last = whole.indptr[low], whole.indptr[high]
        indptr = whole.indptr[low : high + 1] - first
        for left, right in columns.stretches:
            chosen: Any = slice(first, last)
            if len(columns.stretches) > 1:
                inside = (j[first:last] >= left) & (j[first:last] < right)
                chosen = first + np.flatnonzero(inside)
                indptr = np.concatenate([[0], np.cumsum(inside)])[whole.indptr[low : high + 1] - first]
            template = _template(j[chosen] - left, indptr, (high - low, right - left), dtype)
            entries = _entries(source[chosen], place[chosen], outputs, sweeps)
            row.append(Block(len(matrices) if entries else None, template))
            if entries:
                matrices.append(entries)
        blocks.append(row)
    return Matrices(compressed(program, sweeps, matrices), blocks, asked)


def _entries(
    source: Array, place: Array, outputs: Sequence[tuple[int, int | None]], sweeps: Sequence[Sweep]
) -> Entries | None:
    """Where to find entries; the outputs that are needed are laid end to end."""
    if not len(source):
        return None
    if len(outputs) == 1 and outputs[0][1] is not None:
        return Entries(((outputs[0][0], outputs[0][1]),), place)
    used = np.unique(source).tolist()
    starts, at, found = np.zeros(len(outputs), np.intp), 0, []
    for k in used:
        sweep, output = outputs[k]
        assert output is not None
        starts[k] = at
        at += sweeps[sweep].width * sweeps[sweep].program.outputs[output].type.size
        found.append((sweep, output))
    return Entries(tuple(found), starts[source] + place)


def _template(columns: Array, indptr: Array, shape: tuple[int, int], dtype: Any) -> Any:
    """The pattern, to be shared by all results: nobody may write into it."""
    made = csr_array((np.zeros(len(columns), dtype), columns, indptr), shape=shape)
    made.sum_duplicates()  # there are none: it finds out that columns are in order
    made.indices.flags.writeable = made.indptr.flags.writeable = False
    return made
