"""Matrices of derivatives, and products with the Hessian."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..execute import evaluate
from ..ir import Const, Program
from ..trace.tree import flatten
from ..transform.batch import batch
from ..transform.forward import Derived, forward
from ..transform.reverse import reverse
from ..transform.simplify import simplify
from .call import Call, Function, Wrt, directions, filled, transformation
from .planned import Reading, answer, call_reading, spliced, transformed, unit_rows

LARGE = 1 << 14  # entries of a matrix of which it is asked whether most are zero by rule


@transformation
def jacobian(f: Function, *, wrt: Wrt = 0, sparse: bool = False, threads: int = 1) -> Function:
    """All first partial derivatives: for a value of shape `s` and an argument of shape `t`, an array of shape `s + t`.

    Forward mode when there are fewer inputs than outputs, else reverse mode; all columns (rows) in one sweep.
    Long loops run on up to `threads` threads, with the same bits as on one (see `value_and_grad`).

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])

    With `sparse=True`, a `scipy.sparse.csr_array` for each value and argument, of their sizes: arrays of more axes are
    taken row by row, a number is one row or column. What is stored is what may be different from zero, whatever it is
    at this point: `indices` and `indptr` are the same at every call, and read-only. Columns (or rows) that never meet
    are computed together. Raises ArgumentError inside of another recorded function, or where the matrix is too full.

    >>> jacobian(lambda x: x[1:] - x[:-1] ** 2, sparse=True)(np.array([1.0, 0.5, 3.0])).data
    array([-2.,  1., -1.,  1.])

    Curtis, Powell & Reid, "On the estimation of sparse Jacobian matrices", 1974.
    """
    if wants_sparse(sparse):
        return _sparse().jacobian(f, wrt, threads)

    def compute(call: Call, inputs: list[Any]) -> Any:
        return call.recording.result.build([call.arranged(row) for row in _jacobian(call, inputs)])

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        return call_reading(
            f, args, options, wrt, lambda c: ("jacobian", c.wanted, c.single), compute, refuse_integers,
            lambda c: (
                _sparse().dense_jacobian(c, c.given_as(args, options))
                if is_large(c, [a.type for a in c.program.outputs]) else None
            ),
        )  # fmt: skip

    return transformed(f, ("jacobian", repr(wrt)), read, threads)


def is_large(call: Call, outs: Sequence[Any]) -> bool:
    """Whether it is worth asking if most of a matrix is zero by rule."""
    return sum(t.size for t in outs) * sum(t.size for t in call.types()) >= LARGE


def refuse_integers(call: Call) -> None:
    for t in (a.type for a in call.program.outputs):
        if not t.differentiable:
            raise DtypeError(f"a Jacobian needs real results; the function returns {t}")


def wants_sparse(sparse: Any) -> bool:
    if not isinstance(sparse, (bool, np.bool_)):
        raise ArgumentError(f"sparse is True or False, not {sparse!r}")
    return bool(sparse)


def _sparse() -> Any:
    """SciPy's sparse matrices are imported when they are wanted."""
    from . import sparse

    return sparse


def jacobian_blocks(call: Call) -> list[list[Any]]:
    """For each array that the function returns, the derivative in each differentiated one."""
    found: list[list[Any]] = answer(call, ("blocks", call.wanted), lambda inputs: _jacobian(call, inputs))
    return found


def _jacobian(call: Call, inputs: list[Any]) -> list[list[Any]]:
    outs, ins = [a.type for a in call.program.outputs], call.types()
    columns, rows = sum(t.size for t in ins), sum(t.size for t in outs)
    by_columns = columns <= rows
    n = columns if by_columns else rows
    if n == 0:
        return [[np.zeros(o.shape + i.shape, o.dtype) for i in ins] for o in outs]
    program = call.to_differentiate
    found = derivatives_only(simplified(forward(program, call.wanted) if by_columns else reverse(program, call.wanted)))
    seeds = unit_rows(inputs[0], ins if by_columns else outs)
    outputs = spliced(batch(found.program, [False] * len(inputs) + [True] * len(seeds), n), [*inputs, *seeds])
    stretches = _stretches(ins if by_columns else outs)
    blocks: list[list[Any]] = []
    for a, o in enumerate(outs):
        row = []
        for b, i in enumerate(ins):
            index = found.present[a if by_columns else b]
            row.append(_block(outputs, index, stretches[b if by_columns else a], by_columns, o, i))
        blocks.append(row)
    return blocks


def _stretches(types: Sequence[Any]) -> list[tuple[int, int]]:
    """Of arrays laid end to end, where each begins and ends."""
    return list(itertools.pairwise(np.cumsum([0, *(t.size for t in types)]).tolist()))


def _block(outputs: list[Any], index: int | None, rows: tuple[int, int], last: bool, outer: Any, inner: Any) -> Any:
    """Some rows of an output as a block of a matrix, the axis of rows put last if it counts what is differentiated."""
    if index is None:
        return np.zeros(outer.shape + inner.shape, outer.dtype)
    block = outputs[index][rows[0] : rows[1]]
    return np.reshape(np.moveaxis(block, 0, -1) if last else block, outer.shape + inner.shape)


def simplified(found: Derived) -> Derived:
    return Derived(simplify(found.program), found.present)


def derivatives_only(found: Derived) -> Derived:
    """The same without the values: only what is present is kept."""
    p = found.program
    kept = [i for i in found.present if i is not None]
    program = Program(p.inputs, p.equations, tuple(p.outputs[i] for i in kept), p.name)
    return Derived(simplify(program), tuple(None if i is None else kept.index(i) for i in found.present))


@transformation
def hessian(f: Function, *, wrt: Wrt = 0, sparse: bool = False, threads: int = 1) -> Function:
    """All second partial derivatives of a function that returns one number: for `x` of shape `t`, shape `t + t`.

    For structured arguments, the structure of the first derivative with that of the second inside. Forward over
    reverse, all columns in one sweep. Long loops run on up to `threads` threads, with the same bits as on one (see
    `value_and_grad`).

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])

    With `sparse=True`, a `scipy.sparse.csr_array` for each pair of arguments, of their sizes, with a fixed pattern, as
    for `jacobian`; each entry is equal to its mirror image. Few products with the Hessian give all of it.

    >>> hessian(lambda x: np.sum((x[1:] - x[:-1]) ** 3), sparse=True)(np.array([0.0, 1.0, 3.0])).toarray()
    array([[  6.,  -6.,   0.],
           [ -6.,  18., -12.],
           [  0., -12.,  12.]])

    Coleman & Moré, "Estimation of sparse Hessian matrices and graph coloring problems", 1984; Gebremedhin, Manne &
    Pothen, "What color is your Jacobian?", 2005.
    """
    if wants_sparse(sparse):
        return _sparse().hessian(f, wrt, threads)

    def compute(call: Call, inputs: list[Any]) -> Any:
        types = call.types()
        n = sum(t.size for t in types)
        first = gradient(call.to_differentiate, call.wanted)
        second = derivatives_only(forward(first.program, call.wanted))
        outputs = []
        if n and second.program.outputs:
            seeds = unit_rows(inputs[0], types)
            outputs = spliced(batch(second.program, [False] * len(inputs) + [True] * len(seeds), n), [*inputs, *seeds])
        rows: list[list[Any]] = []
        for a, t in enumerate(types):
            slope = first.present[a] if outputs else None
            index = None if slope is None else second.present[slope]
            rows.append(
                [_block(outputs, index, where, True, t, u) for u, where in zip(types, _stretches(types), strict=True)]
            )
        return call.arranged([call.arranged(row) for row in rows])

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        return call_reading(
            f, args, options, wrt, lambda c: ("hessian", c.wanted, c.single), compute, lambda c: c.scalar("a Hessian"),
            lambda c: _sparse().dense_hessian(c, c.given_as(args, options)) if is_large(c, c.types()) else None,
        )  # fmt: skip

    return transformed(f, ("hessian", repr(wrt)), read, threads)


def gradient(program: Program, wanted: tuple[int, ...]) -> Derived:
    one = Const(np.ones((), program.outputs[0].type.dtype))
    return derivatives_only(reverse(program, wanted, [one]))


def gradient_program(program: Program, wanted: tuple[int, ...]) -> Program | None:
    """The Program of the derivative in the one input `wanted`; None if it is zero everywhere."""
    found = gradient(program, wanted)
    return found.program if found.present[0] is not None else None


@transformation
def hvp(f: Function, *, wrt: Wrt = 0, threads: int = 1) -> Function:
    """Hessian times a vector, without the Hessian.

    `hvp(f)(x, …, v)` takes the arguments of `f`, then the vector, which has the structure and shapes of the argument in
    `wrt`; so has the result. It costs a few evaluations of `f`, whatever the size of `x`.
    Long loops run on up to `threads` threads, with the same bits as on one (see `value_and_grad`).

    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])

    Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
    """

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        if len(args) < 1:
            raise ArgumentError("hvp(f)(x, …, v) takes the arguments of f, then the vector")
        *rest, v = args
        first_args = tuple(rest)
        call = Call(f, first_args, options, wrt)
        call.scalar("a Hessian")
        if not call.single and not isinstance(v, (tuple, list)):
            raise ArgumentError("with several arguments in wrt, the vector is a tuple of vectors, one for each")
        moves = directions(call, (v,) if call.single else tuple(v), "vector")
        given = flatten(v)[0]
        start = len(call.leaves) - sum(len(flatten(x)[0]) for x in options.values())
        as_given = call.given_as(first_args, options) is not None and not options
        as_given = as_given and all(a is b for a, b in zip(moves, given, strict=True))
        return Reading(
            call.recording, ("hvp", call.wanted, call.single),
            lambda inputs: call.arranged(_product(call, inputs)), call.leaves,
            (args, options) if as_given else None, [(start + n, move) for n, move in enumerate(moves)],
        )  # fmt: skip

    return transformed(f, ("hvp", repr(wrt)), read, threads)


def _product(call: Call, inputs: list[Any]) -> list[Any]:
    """The Hessian times vectors, which are the last of the inputs."""
    first = gradient(call.to_differentiate, call.wanted)
    second = derivatives_only(forward(first.program, call.wanted))
    present = tuple(None if i is None else second.present[i] for i in first.present)
    return filled(Derived(first.program, present), spliced(second.program, inputs), call.types())


def hessian_product(call: Call) -> Callable[[Sequence[Any]], list[Any]]:
    """The Hessian at a call's arguments, times vectors: leaves to leaves."""

    inputs = call.inputs
    types = [t._replace(weak=False) for t in call.types()]
    further = [(0, np.zeros(t.shape, t.dtype)) for t in types]
    plan = Reading(
        call.recording, ("product", call.wanted), lambda found: _product(call, found), call.leaves, None, further
    ).plan()
    return lambda moves: list(evaluate(plan.runner, [*inputs, *moves]))
