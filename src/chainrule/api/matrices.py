"""Matrices of derivatives, and products with the Hessian."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..execute import Executable, evaluate, executable
from ..ir import Const, Program
from ..transform.batch import batch
from ..transform.forward import Derived, forward
from ..transform.reverse import reverse
from ..transform.simplify import simplify
from .call import Call, Function, Wrt, directions, filled, public, transformation


def _blocks(types: Sequence[Any]) -> tuple[list[Any], list[tuple[int, int]]]:
    """For arrays laid end to end: each unit vector's part in each array, and the stretch of rows that is each one's."""
    sizes = [t.size for t in types]
    total = sum(sizes)
    starts = np.cumsum([0, *sizes]).tolist()
    parts = []
    for t, start in zip(types, starts, strict=False):
        part = np.zeros((total, t.size), t.dtype)
        part[np.arange(start, start + t.size), np.arange(t.size)] = 1
        parts.append(part.reshape(total, *t.shape))
    return parts, list(itertools.pairwise(starts))


@transformation
def jacobian(f: Function, *, wrt: Wrt = 0, sparse: bool = False) -> Function:
    """All first partial derivatives: for a value of shape `s` and an argument of shape `t`, an array of shape `s + t`.

    Forward mode when there are fewer inputs than outputs, else reverse mode; all columns (rows) in one sweep.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])

    With `sparse=True`, a `scipy.sparse.csr_array` for each value and argument, of their sizes: arrays of more axes are
    taken row by row, a number is one row or column. What is stored is what may be different from zero, whatever it is
    at this point: `indices` and `indptr` are the same at every call, and read-only. Columns (or rows) that never meet
    are computed together. Raises ArgumentError inside of another recorded function, or where the matrix is too full.

    >>> jacobian(lambda x: x[1:] - x[:-1] ** 2, sparse=True)(np.array([1.0, 0.0, 3.0])).data
    array([-2.,  1., -0.,  1.])

    Curtis, Powell & Reid, "On the estimation of sparse Jacobian matrices", 1974.
    """
    refuse_unclear(sparse)

    @public
    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        call = Call(f, args, options, wrt)
        for t in (a.type for a in call.program.outputs):
            if not t.differentiable:
                raise DtypeError(f"a Jacobian needs real results; the function returns {t}")
        blocks = _sparse().jacobian_matrices(call) if sparse else jacobian_blocks(call)
        return call.recording.result.build([call.arranged(row) for row in blocks])

    return matrix


def _sparse() -> Any:
    """SciPy's sparse matrices are imported when they are wanted."""
    from . import sparse

    return sparse


def refuse_unclear(sparse: Any) -> None:
    if not isinstance(sparse, (bool, np.bool_)):
        raise ArgumentError(f"sparse is True or False, not {sparse!r}")


def jacobian_blocks(call: Call) -> list[list[Any]]:
    """For each array that the function returns, the derivative in each differentiated one."""
    outs, ins = [a.type for a in call.program.outputs], call.types()
    return _jacobian(call, outs, ins, sum(t.size for t in ins) <= sum(t.size for t in outs))


def _jacobian(call: Call, outs: Sequence[Any], ins: Sequence[Any], by_columns: bool) -> list[list[Any]]:
    seeds, stretches = _blocks(ins if by_columns else outs)
    n = sum(t.size for t in (ins if by_columns else outs))
    given = len(call.program.inputs)

    def make(program: Program) -> tuple[Derived, Executable]:
        found = simplified(forward(program, call.wanted) if by_columns else reverse(program, call.wanted))
        only = derivatives_only(found)
        return only, executable(batch(only.program, [False] * given + [True] * len(seeds), max(n, 1)))

    found, run = call.derived(("jacobian", call.wanted, by_columns), make)
    if n == 0:
        return [[np.zeros(o.shape + i.shape, o.dtype) for i in ins] for o in outs]
    outputs = evaluate(run, [*call.inputs, *seeds])
    rows: list[list[Any]] = []
    for a, o in enumerate(outs):
        row = []
        for b, i in enumerate(ins):
            index = found.present[a if by_columns else b]
            low, high = stretches[b if by_columns else a]
            if index is None:
                row.append(np.zeros(o.shape + i.shape, o.dtype))
                continue
            block = outputs[index][low:high]
            if by_columns:  # (in, *out) -> (*out, *in)
                block = np.moveaxis(block, 0, -1)
            row.append(_scalar(np.reshape(block, o.shape + i.shape)))
        rows.append(row)
    return rows


def _scalar(x: Any) -> Any:
    """Arrays of their own; numbers as NumPy scalars."""
    if type(x) is np.ndarray:
        return x[()] if x.ndim == 0 else np.ascontiguousarray(x).copy() if x.base is not None else x
    return x


def simplified(found: Derived) -> Derived:
    return Derived(simplify(found.program), found.present)


def derivatives_only(found: Derived) -> Derived:
    """The same without the values: only what is present is kept."""
    p = found.program
    kept = [i for i in found.present if i is not None]
    program = Program(p.inputs, p.equations, tuple(p.outputs[i] for i in kept), p.name)
    return Derived(simplify(program), tuple(None if i is None else kept.index(i) for i in found.present))


@transformation
def hessian(f: Function, *, wrt: Wrt = 0, sparse: bool = False) -> Function:
    """All second partial derivatives of a function that returns one number: for `x` of shape `t`, shape `t + t`.

    For structured arguments, the structure of the first derivative with that of the second inside. Forward over
    reverse, all columns in one sweep.

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
    refuse_unclear(sparse)

    @public
    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        call = Call(f, args, options, wrt)
        call.scalar("a Hessian")
        if sparse:
            return call.arranged([call.arranged(row) for row in _sparse().hessian_matrices(call)])
        types = call.types()
        seeds, stretches = _blocks(types)
        n = sum(t.size for t in types)
        first, second, run = call.derived(
            ("hessian", call.wanted), lambda p: _second(p, call.wanted, len(seeds), max(n, 1))
        )
        outputs = evaluate(run, [*call.inputs, *seeds]) if run is not None and n else ()
        rows: list[list[Any]] = []
        for a, t in enumerate(types):
            row = []
            for b, u in enumerate(types):
                index = None if first.present[a] is None else second.present[first.present[a]]
                if index is None or not n:
                    row.append(_scalar(np.zeros(t.shape + u.shape, t.dtype)))
                else:
                    low, high = stretches[b]
                    row.append(_scalar(np.reshape(np.moveaxis(outputs[index][low:high], 0, -1), t.shape + u.shape)))
            rows.append(row)
        return call.arranged([call.arranged(row) for row in rows])

    return matrix


def gradient(program: Program, wanted: tuple[int, ...]) -> Derived:
    one = Const(np.ones((), program.outputs[0].type.dtype))
    return derivatives_only(reverse(program, wanted, [one]))


def gradient_program(program: Program, wanted: tuple[int, ...]) -> Program | None:
    """The Program of the derivative in the one input `wanted`; None if it is zero everywhere."""
    found = gradient(program, wanted)
    return found.program if found.present[0] is not None else None


def _second(
    program: Program, wanted: tuple[int, ...], seeds: int, n: int
) -> tuple[Derived, Derived, Executable | None]:
    first = gradient(program, wanted)
    second = derivatives_only(forward(first.program, wanted))
    if not second.program.outputs:
        return first, second, None
    return first, second, executable(batch(second.program, [False] * len(program.inputs) + [True] * seeds, n))


@transformation
def hvp(f: Function, *, wrt: Wrt = 0) -> Function:
    """Hessian times a vector, without the Hessian.

    `hvp(f)(x, …, v)` takes the arguments of `f`, then the vector, which has the structure and shapes of the argument in
    `wrt`; so has the result. It costs a few evaluations of `f`, whatever the size of `x`.

    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])

    Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
    """

    @public
    @functools.wraps(f)
    def product(*args: Any, **options: Any) -> Any:
        if len(args) < 1:
            raise ArgumentError("hvp(f)(x, …, v) takes the arguments of f, then the vector")
        *first_args, v = args
        call = Call(f, tuple(first_args), options, wrt)
        call.scalar("a Hessian")
        if not call.single and not isinstance(v, (tuple, list)):
            raise ArgumentError("with several arguments in wrt, the vector is a tuple of vectors, one for each")
        moves = directions(call, (v,) if call.single else tuple(v), "vector")
        return call.arranged(hessian_product(call)(moves))

    return product


def hessian_product(call: Call) -> Callable[[Sequence[Any]], list[Any]]:
    """The Hessian at a call's arguments, times vectors: leaves to leaves."""

    def make(program: Program) -> tuple[Derived, Derived, Executable]:
        first = gradient(program, call.wanted)
        second = derivatives_only(forward(first.program, call.wanted))
        return first, second, executable(second.program)

    first, second, run = call.derived(("hvp", call.wanted), make)
    present = tuple(None if i is None else second.present[i] for i in first.present)
    inputs, types = call.inputs, call.types()
    return lambda moves: filled(Derived(first.program, present), evaluate(run, [*inputs, *moves]), types)
