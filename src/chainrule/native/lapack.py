"""Solving, inverses, determinants and factors by LAPACK and BLAS.

A matrix is factored once in a kernel, whoever needs it: A x = b, Aᵀ y = g, the determinant and the inverse of A all
read the same P A = L U; what a Cholesky factor is the matrix of is solved as the triangle that it is. A row-major array
is to LAPACK the transpose, so that right-hand sides are solved for from the right, where they lie.

Failure (a singular matrix, one that is not positive definite) makes the kernel return a status.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir import ArrayType, Equation, Var
from .blas import PREFIX
from .calls import LARGEST, Call, Code, View, whole
from .lanes import KINDS, Value

if TYPE_CHECKING:
    from .lower import Lowering

Routine = Callable[[Equation, "Lowering"], bool]  # whether it could be lowered


class Factors(NamedTuple):
    """P A = L U of a batch of matrices, by columns: L and U in one array, who changed places, and what failed."""

    lu: View
    pivots: View
    info: View
    turned: bool  # whether Aᵀ was factored


def _fits(e: Equation) -> bool:
    types = [*(a.type for a in e.inputs), *(v.type for v in e.outputs)]
    return all(KINDS.get(t.dtype.name) in PREFIX and max(t.shape, default=0) <= LARGEST for t in types)


def _kind(e: Equation) -> str:
    return KINDS[e.outputs[0].type.dtype.name]


# --- factors --------------------------------------------------------------------------------------------------------


def _factored(e: Equation, low: Lowering) -> Factors:
    """The factors of the first operand; those of its transpose do as well."""
    view = low.view(e.inputs[0])
    for found, turned in ((view, False), (view.T, True)):
        if ("factors", found) in low.shared:
            made: Factors = low.shared["factors", found]
            return made._replace(turned=turned)
    kind, n = _kind(e), view.shape[-1]
    # a matrix that is only repeated is factored once
    lead = tuple(1 if step == 0 else size for size, step in zip(view.shape[:-2], view.strides[:-2], strict=True))
    once = view._replace(shape=(*lead, n, n))
    dtype = e.outputs[0].type.dtype
    outs = (
        Var(ArrayType((*lead, n, n), dtype)),
        Var(ArrayType((*lead, n), np.dtype(np.int32))),
        Var(ArrayType(lead, np.dtype(np.int32))),
    )

    def write(code: Code) -> None:
        with code.each(lead) as at:
            a = code.at(code.operands[0], kind, *zip(at, once.strides, strict=False))
            lu, pivots, info = (
                code.at(p, k, *zip(at, whole(v).strides, strict=False))
                for p, k, v in zip(code.results, (kind, "i32", "i32"), outs, strict=True)
            )
            code.copy(a, lu, (n, n), once.T.strides[-2:], kind)
            code.call(f"lapack.{PREFIX[kind]}getrf", *[code.whole(n)] * 2, lu, code.whole(n), pivots, info)

    low.steps.append(Call(e, (once,), outs, write))
    lu, pivots, info = (_repeated(whole(v), view.shape[:-2]) for v in outs)
    made = low.shared["factors", view] = Factors(lu, pivots, info, turned=False)
    return made


def _repeated(view: View, lead: tuple[int, ...]) -> View:
    """The same array for all of a batch where it stands once."""
    steps = tuple(
        0 if size == 1 else step for size, step in zip(view.shape[: len(lead)], view.strides[: len(lead)], strict=True)
    )
    return view._replace(shape=(*lead, *view.shape[len(lead) :]), strides=(*steps, *view.strides[len(lead) :]))


def cholesky(e: Equation, low: Lowering) -> bool:
    """A = L Lᵀ, from the lower triangle of A; zeros above L."""
    if not _fits(e):
        return False
    view, out, kind = low.view(e.inputs[0]), e.output, _kind(e)
    n, lead = view.shape[-1], view.shape[:-2]

    def write(code: Code) -> None:
        info = code.cell("i32")
        with code.each(lead) as at:
            a = code.at(code.operands[0], kind, *zip(at, view.strides, strict=False))
            factor = code.at(code.results[0], kind, *zip(at, whole(out).strides, strict=False))
            code.copy(a, factor, (n, n), view.strides[-2:], kind)
            # what is lower by rows is upper by columns
            code.call(f"lapack.{PREFIX[kind]}potrf", code.letter("U"), code.whole(n), factor, code.whole(n), info)
            code.fail_if(code.load(info, "i32").differs(0))
            if n > 1:
                with code.loop(n - 1) as i:
                    count = code.named(f"sub i64 {n - 1}, {i}")
                    code.clear(code.at(factor, kind, (i, n + 1), ("1", 1)), count, kind)

    low.steps.append(Call(e, (view,), (out,), write if out.type.size else _nothing))
    low.shared["triangle", out] = True
    return True


# --- solving --------------------------------------------------------------------------------------------------------


def solve(e: Equation, low: Lowering) -> bool:
    """A X = B."""
    if not _fits(e):
        return False
    if e.output.type.size == 0:
        low.steps.append(Call(e, (), (e.output,), _nothing))
        return True
    matrix, b = low.view(e.inputs[0]), low.view(e.inputs[1])
    n = b.shape[-2]
    if ("triangle", matrix.source) in low.shared and set(matrix.strides[-2:]) == {1, n} and matrix.offset == 0:
        _triangular(e, low, matrix, b)
        return True
    factors = _factored(e, low)
    kind, out = _kind(e), e.output
    *lead, n, k = out.type.shape

    def write(code: Code) -> None:
        with code.each(lead) as at:
            lu, pivots, info, right = _operands(code, call.views, at)
            x = code.at(code.results[0], kind, *zip(at, whole(out).strides, strict=False))
            code.fail_if(code.load(info, "i32").differs(0))
            code.copy(right, x, (n, k), b.strides[-2:], kind)
            if k == 1:
                code.call(
                    f"lapack.{PREFIX[kind]}getrs", code.letter("NT"[factors.turned]), code.whole(n), code.whole(1), lu,
                    code.whole(n), pivots, x, code.whole(n), code.cell("i32"),
                )  # fmt: skip
            else:
                _from_the_right(code, lu, pivots, x, (n, k), kind, factors.turned)
            code.fail_unless_finite(x, n * k, kind)

    call = Call(e, (factors.lu, factors.pivots, factors.info, b), (out,), write)
    low.steps.append(call)
    return True


def _operands(code: Code, views: tuple[View, ...], at: tuple[str, ...]) -> list[str]:
    """Where the operands of one of a batch begin."""
    return [
        code.at(p, KINDS[v.source.type.dtype.name], *zip(at, v.strides, strict=False))
        for p, v in zip(code.operands, views, strict=True)
    ]


def _from_the_right(code: Code, lu: str, pivots: str, x: str, size: tuple[int, int], kind: str, turned: bool) -> None:
    """Xᵀ Aᵀ = Bᵀ, or Xᵀ A = Bᵀ: triangles from the right, and rows of X that change places."""
    n, k = size

    def triangle(which: str, ones: str) -> None:
        code.call(
            f"blas.{PREFIX[kind]}trsm", code.letter("R"), code.letter(which), code.letter("TN"[turned]),
            code.letter(ones), code.whole(k), code.whole(n), code.real(1.0, kind), lu, code.whole(n), x, code.whole(k),
        )  # fmt: skip

    if turned:
        triangle("U", "N")
        triangle("L", "U")
        _exchange(code, pivots, x, size, kind, backwards=True)
    else:
        _exchange(code, pivots, x, size, kind, backwards=False)
        triangle("L", "U")
        triangle("U", "N")


def _exchange(code: Code, pivots: str, x: str, size: tuple[int, int], kind: str, backwards: bool) -> None:
    """Row i and row pivots[i] change places, one after the other."""
    n, k = size
    with code.loop(n) as step:
        i = code.named(f"sub i64 {n - 1}, {step}") if backwards else step
        other = code.load(code.at(pivots, "i32", (i, 1)), "i32").to("i64") - 1
        one, two = code.at(x, kind, (i, k)), code.at(x, kind, (other.text, k))
        code.call(f"blas.{PREFIX[kind]}swap", code.whole(k), one, code.whole(1), two, code.whole(1))


def _triangular(e: Equation, low: Lowering, matrix: View, b: View) -> None:
    """L X = B or Lᵀ X = B, where L is a Cholesky factor."""
    kind, out = _kind(e), e.output
    *lead, n, k = out.type.shape
    turned = matrix.strides[-1] != 1 and n > 1

    def write(code: Code) -> None:
        with code.each(lead) as at:
            factor, right = _operands(code, (matrix, b), at)
            x = code.at(code.results[0], kind, *zip(at, whole(out).strides, strict=False))
            code.copy(right, x, (n, k), b.strides[-2:], kind)
            # by columns the memory holds U = Lᵀ
            if k == 1:
                code.call(
                    f"blas.{PREFIX[kind]}trsv", code.letter("U"), code.letter("TN"[turned]), code.letter("N"),
                    code.whole(n), factor, code.whole(n), x, code.whole(1),
                )  # fmt: skip
            else:
                code.call(
                    f"blas.{PREFIX[kind]}trsm", code.letter("R"), code.letter("U"), code.letter("NT"[turned]),
                    code.letter("N"), code.whole(k), code.whole(n), code.real(1.0, kind), factor, code.whole(n), x,
                    code.whole(k),
                )  # fmt: skip
            code.fail_unless_finite(x, n * k, kind)

    low.steps.append(Call(e, (matrix, b), (out,), write))


def inverse(e: Equation, low: Lowering) -> bool:
    """A⁻¹ is the solution X of A X = 1."""
    if not _fits(e):
        return False
    kind, out = _kind(e), e.output
    *lead, n, _ = out.type.shape
    if out.type.size == 0:
        low.steps.append(Call(e, (), (out,), _nothing))
        return True
    factors = _factored(e, low)
    views = factors[:3]

    def write(code: Code) -> None:
        with code.each(lead) as at:
            lu, pivots, info = _operands(code, views, at)
            x = code.at(code.results[0], kind, *zip(at, whole(out).strides, strict=False))
            code.fail_if(code.load(info, "i32").differs(0))
            code.clear(x, n * n, kind)
            with code.loop(n) as i:
                code.store(code.one.number(1.0, kind), code.at(x, kind, (i, n + 1)))
            # getrs would ask several threads for help, however small the matrix is
            _from_the_right(code, lu, pivots, x, (n, n), kind, factors.turned)
            code.fail_unless_finite(x, n * n, kind)

    low.steps.append(Call(e, views, (out,), write))
    return True


# --- determinants ---------------------------------------------------------------------------------------------------


def sign_and_log(e: Equation, low: Lowering) -> bool:
    """The sign of the determinant, and the logarithm of its size; 0 and -inf of a singular matrix."""

    def results(code: Code, sign: Value, log: Value) -> tuple[Value, ...]:
        return sign, log

    return _determinant(e, low, results)


def determinant(e: Equation, low: Lowering) -> bool:
    """sign · exp(log), as NumPy has it."""

    def results(code: Code, sign: Value, log: Value) -> tuple[Value, ...]:
        return (sign * _scalar(code, "exp", log),)

    return _determinant(e, low, results)


def _determinant(e: Equation, low: Lowering, results: Callable[[Code, Value, Value], tuple[Value, ...]]) -> bool:
    if not _fits(e):
        return False
    kind, outs, lead = _kind(e), e.outputs, e.outputs[0].type.shape
    n = e.inputs[0].type.shape[-1]
    views = _factored(e, low)[:3] if prod(lead) and n else ()

    def write(code: Code) -> None:
        one = code.one
        with code.each(lead) as at:
            sign, log = one.number(1.0, "f64"), one.number(0.0, "f64")
            if n:
                lu, pivots, info = _operands(code, views, at)
                sign, log = _diagonal(code, lu, pivots, info, n, kind)
            for v, value, p in zip(outs, results(code, sign, log), code.results, strict=True):
                code.store(value.to(kind), code.at(p, kind, *zip(at, whole(v).strides, strict=True)))

    low.steps.append(Call(e, views, outs, write if prod(lead) else _nothing))
    return True


def _diagonal(code: Code, lu: str, pivots: str, info: str, n: int, kind: str) -> tuple[Value, Value]:
    """The sign and the logarithm of |U's diagonal|, in doubles."""
    one, sum_, flips = code.one, code.cell("f64"), code.cell("i1")
    code.store(one.number(0.0, "f64"), sum_)
    code.store(one.number(False, "i1"), flips)
    with code.loop(n) as i:
        u = code.load(code.at(lu, kind, (i, n + 1)), kind).to("f64")
        place = one.line(f"add i64 {i}, 1", "i64")
        moved = code.load(code.at(pivots, "i32", (i, 1)), "i32").to("i64").differs(place)
        code.store(code.load(flips, "i1") ^ moved ^ (u < 0.0), flips)
        code.store(code.load(sum_, "f64") + _scalar(code, "log", abs(u)), sum_)
    singular = code.load(info, "i32").differs(0)
    sign = one.where(code.load(flips, "i1"), one.number(-1.0, "f64"), one.number(1.0, "f64"))
    return (
        one.where(singular, one.number(0.0, "f64"), sign),
        one.where(singular, one.number(-inf, "f64"), code.load(sum_, "f64")),
    )


def _scalar(code: Code, function: str, x: Value) -> Value:
    """A function of the C library."""
    code.text.imported.add(f"libm.{function}")
    return code.one.call(f"libm.{function}", "f64", x)


def _nothing(code: Code) -> None:
    """No element is wanted."""


ROUTINES: dict[str, Routine] = {
    "solve": solve,
    "inv": inverse,
    "cholesky": cholesky,
    "slogdet": sign_and_log,
    "det": determinant,
}
