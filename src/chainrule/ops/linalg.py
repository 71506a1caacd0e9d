"""Products of vectors and matrices, spelled as contractions; solving, inverses, determinants, factors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError
from ..ir import ArrayType
from ..later import scipy
from .arithmetic import strong
from .contraction import contraction
from .native import routine
from .notation import Notation, call
from .op import General, Tangents, Value, apply, dtype_of, ndim_of, register, shape_of, spelled
from .structure import normal_axes, ravel, spell_reshape

# --- products -------------------------------------------------------------------------------------------------------


def _fits(fits: bool, message: str, *operands: Value) -> None:
    if not fits:
        raise ShapeError(message, operands=operands)


@spelled(np.matmul)
def matmul(a: Value, b: Value) -> Any:
    """z_ik = Σ_j a_ij b_jk, over leading axes as NumPy broadcasts them."""
    m, n = ndim_of(a), ndim_of(b)
    _fits(m > 0 and n > 0, "$0 @ $1: a number has no matrix product, multiply with *", a, b)
    inner, outer = shape_of(a)[-1], shape_of(b)[-2 if n > 1 else 0]
    rows = "rows" if n > 1 else "elements"
    columns = "columns" if m > 1 else "elements"
    _fits(inner == outer, f"$0 @ $1 needs as many {rows} in $1 as $0 has {columns}", a, b)
    lead = max(m, n) - 2
    i, j, k = lead, lead + 1, lead + 2
    batch_a, batch_b = list(range(lead))[lead - max(m - 2, 0) :], list(range(lead))[lead - max(n - 2, 0) :]
    size: dict[int, int] = {}
    operands, labels = [], []
    for x, batch, core in ((a, batch_a, [i, j] if m > 1 else [j]), (b, batch_b, [j, k] if n > 1 else [j])):
        lengths = dict(zip(batch, shape_of(x), strict=False))
        stretched = [
            q for q in batch if lengths[q] == 1
        ]  # an axis of one is dropped: the other operand has it, or none
        kept = [q for q in batch if q not in stretched]
        for q in kept:
            _fits(size.setdefault(q, lengths[q]) == lengths[q], "$0 @ $1: leading axes don't match", a, b)
        operands.append(spell_reshape(x, (*(lengths[q] for q in kept), *shape_of(x)[len(batch) :])))
        labels.append([*kept, *core])
    out = [*range(lead), *([i] if m > 1 else []), *([k] if n > 1 else [])]
    ones = [(q, 1) for q in range(lead) if q not in size]
    return contraction(*operands, ins=labels, out=out, new=ones)


@spelled(np.dot)
def dot(a: Value, b: Value) -> Any:
    m, n = ndim_of(a), ndim_of(b)
    if m == 0 or n == 0:
        return strong(a) * strong(b)  # to NumPy's products a Python number is an array
    if n <= 2 and m <= 2:
        return matmul(a, b)
    _fits(shape_of(a)[-1] == shape_of(b)[-2 if n > 1 else 0], "np.dot($0, $1): the summed axes differ in length", a, b)
    left, right = list(range(m)), list(range(m, m + n))
    right[-2 if n > 1 else 0] = left[-1]
    return contraction(a, b, ins=[left, right], out=left[:-1] + [q for q in right if q != left[-1]])


@spelled(np.inner)
def inner(a: Value, b: Value) -> Any:
    m, n = ndim_of(a), ndim_of(b)
    if m == 0 or n == 0:
        return strong(a) * strong(b)  # to NumPy's products a Python number is an array
    _fits(shape_of(a)[-1] == shape_of(b)[-1], "np.inner($0, $1): the last axes differ in length", a, b)
    left, right = list(range(m)), [*range(m, m + n - 1), m - 1]
    return contraction(a, b, ins=[left, right], out=left[:-1] + right[:-1])


spelled(np.vdot)(lambda a, b: inner(ravel(a), ravel(b)))


@spelled(np.linalg.vecdot, np.vecdot)
def vecdot(a: Value, b: Value, axis: int = -1) -> Any:
    product = a * b
    return np.sum(product, axis=axis, dtype=dtype_of(product))


@spelled(np.outer, np.linalg.outer)
def outer(a: Value, b: Value) -> Any:
    return contraction(ravel(a), ravel(b), ins=[(0,), (1,)], out=(0, 1))


@spelled(np.kron)
def kron(a: Value, b: Value) -> Any:
    """Every product of an element of a with one of b, in blocks."""
    n = max(ndim_of(a), ndim_of(b))
    a, b = (spell_reshape(x, (*(1,) * (n - ndim_of(x)), *shape_of(x))) for x in (a, b))
    blocks = contraction(a, b, ins=[range(0, 2 * n, 2), range(1, 2 * n, 2)], out=range(2 * n))
    return spell_reshape(blocks, tuple(p * q for p, q in zip(shape_of(a), shape_of(b), strict=True)))


@spelled(np.cross, np.linalg.cross)
def cross(a: Value, b: Value, *, axis: int = -1) -> Any:
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    _fits(shape_of(a)[-1] == shape_of(b)[-1] == 3, "np.cross($0, $1) needs vectors of three elements", a, b)
    return np.moveaxis(_turned(a * _turned(b) - _turned(a) * b), -1, axis)


def _turned(x: Value) -> Any:
    return x[..., [1, 2, 0]]


@spelled(np.tensordot, np.linalg.tensordot)
def tensordot(a: Value, b: Value, axes: Any = 2) -> Any:
    m, n = ndim_of(a), ndim_of(b)
    if isinstance(axes, (tuple, list)):
        first, second = axes
    else:
        first, second = tuple(range(m - int(axes), m)), tuple(range(int(axes)))
    first, second = normal_axes(first, m), normal_axes(second, n)
    left, right = list(range(m)), list(range(m, m + n))
    _fits(len(first) == len(second), "np.tensordot($0, $1): as many axes of one as of the other", a, b)
    for p, q in zip(first, second, strict=True):
        _fits(shape_of(a)[p] == shape_of(b)[q], "np.tensordot($0, $1): the summed axes differ in length", a, b)
        right[q] = left[p]
    out = [q for p, q in enumerate(left) if p not in first] + [q for p, q in enumerate(right) if p not in second]
    return contraction(a, b, ins=[left, right], out=out)


@spelled(np.einsum)
def einsum(subscripts: str, *operands: Value, **options: Any) -> Any:
    if not isinstance(subscripts, str):
        raise NoRuleError(
            "np.einsum with lists of labels is not in the op table", hint='write the subscripts: "ij,jk->ik"'
        )
    words, out, values = _parse_einsum(subscripts.replace(" ", ""), operands)
    current, labels = _unstretched(values, words)
    while len(current) > 2:  # left to right, keeping what is still needed
        needed = {q for word in [*labels[2:], out] for q in word}
        kept = [q for q in dict.fromkeys([*labels[0], *labels[1]]) if q in needed]
        current[:2] = [contraction(*current[:2], ins=labels[:2], out=kept)]
        labels[:2] = [kept]
    for word, x in zip(labels, current, strict=True):
        for q, r in zip(word, shape_of(x), strict=True):
            for other, y in zip(labels, current, strict=True):
                for s, t in zip(other, shape_of(y), strict=True):
                    _fits(q != s or r == t, f"np.einsum({subscripts!r}): an axis has two lengths", *operands)
    return contraction(*current, ins=labels, out=out)


def _unstretched(operands: Sequence[Value], ins: Sequence[list[int]]) -> tuple[list[Value], list[list[int]]]:
    """Operands without axes of one whose label is longer elsewhere: they broadcast."""
    pairs = [pair for word, x in zip(ins, operands, strict=True) for pair in zip(word, shape_of(x), strict=True)]
    long = {q for q, n in pairs if n != 1}
    current, labels = [], []
    for word, x in zip(ins, operands, strict=True):
        kept = [(q, n) for q, n in zip(word, shape_of(x), strict=True) if n != 1 or q not in long or word.count(q) > 1]
        current.append(spell_reshape(x, tuple(n for _, n in kept)) if len(kept) < len(word) else x)
        labels.append([q for q, _ in kept])
    return current, labels


def _parse_einsum(text: str, operands: Sequence[Value]) -> tuple[list[list[int]], list[int], list[Value]]:
    left, arrow, right = text.partition("->")
    words = left.split(",")
    _fits(len(words) == len(operands), f"np.einsum({text!r}) names {len(words)} operands, {len(operands)} are given")
    extra = max(
        (ndim_of(x) - len(w.replace("...", "")) for w, x in zip(words, operands, strict=True) if "..." in w), default=0
    )
    letters = sorted({c for c in left + right if c.isalpha()})
    number = {c: extra + n for n, c in enumerate(letters)}

    def labels(word: str, own: int) -> list[int]:
        head, dots, tail = word.partition("...")
        middle = list(range(extra - own, extra)) if dots else []
        return [number[c] for c in head] + middle + [number[c] for c in tail]

    ins = []
    values = []
    for word, x in zip(words, operands, strict=True):
        own = ndim_of(x) - len(word.replace("...", "")) if "..." in word else 0
        row = labels(word, own)
        _fits(len(row) == ndim_of(x), f"np.einsum({text!r}): an operand has another number of axes", x)
        ins.append(row)
        values.append(x)
    if arrow:
        out = labels(right, extra)
    else:
        once = [c for c in letters if left.replace("...", "").count(c) == 1]
        out = [*range(extra), *(number[c] for c in once)]
    return ins, out, values


# --- solving --------------------------------------------------------------------------------------------------------


def T(a: Value) -> Any:
    return np.swapaxes(a, -1, -2)


def _square(a: ArrayType, what: str) -> ArrayType:
    _fits(a.ndim >= 2 and a.shape[-1] == a.shape[-2], what + " needs a square matrix, not $0", a)
    return a


def _well_conditioned(rng: np.random.Generator, n: int = 3) -> Any:
    return np.eye(n) * 3 + rng.normal(size=(n, n)) / 2


def _solve_type(a: ArrayType, b: ArrayType) -> ArrayType:
    _square(a, "np.linalg.solve")
    _fits(b.ndim >= 2 and a.shape[-1] == b.shape[-2], "np.linalg.solve($0, $1): as many rows in both", a, b)
    return ArrayType(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], b.dtype)


def _solve_jvp(t: Tangents, inputs: Sequence[Value], outputs: Sequence[Value]) -> Tangents:
    (a, _), (x,) = inputs, outputs
    change = t[1]  # A dx = db - dA x
    if t[0] is not None:
        moved = np.matmul(t[0], x)
        change = -moved if change is None else change - moved
    return (apply(solve, a, change),)


def _solve_vjp(
    g: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int]
) -> dict[int, Value | None]:
    adjoint = apply(solve, T(inputs[0]), g[0])
    found: dict[int, Value | None] = {1: adjoint}
    if 0 in wanted:
        found[0] = -np.matmul(adjoint, T(outputs[0]))
    return {i: found[i] for i in wanted}


solve = General(
    "solve", np.linalg.solve, _solve_type, _solve_jvp, _solve_vjp,
    native=routine("solve"), notation=Notation("solve", "linalg.solve", "", ""), rule="linear system",
    cost=lambda a, b: a.size * (2 / 3 * a.shape[-1] + 2 * b.shape[-1]), joins=lambda a, b: ((-2, -1), (-2,)),
    examples=lambda rng: [((_well_conditioned(rng), rng.normal(size=(3, 2))), {})],
)  # fmt: skip
inv = General(
    "inv", np.linalg.inv, lambda a: _square(a, "np.linalg.inv"),
    lambda t, inputs, outputs: (-np.matmul(outputs[0], np.matmul(t[0], outputs[0])),),
    lambda g, inputs, outputs, wanted: {0: -np.matmul(T(outputs[0]), np.matmul(g[0], T(outputs[0])))},
    native=routine("inv"),
    notation=Notation("inverse", "linalg.inv", "", ""), rule="inverse", cost=lambda a: 2 * a.size * a.shape[-1],
    examples=lambda rng: [((_well_conditioned(rng),), {})],
)  # fmt: skip
register(solve)
register(inv)


def _matched(a: Value, b: Value) -> tuple[Value, Value]:
    wide = np.result_type(np.float32 if dtype_of(a) == dtype_of(b) == np.float32 else np.float64)
    return np.astype(a, wide), np.astype(b, wide)


@spelled(np.linalg.solve)
def spell_solve(a: Value, b: Value) -> Any:
    a, b = _matched(a, b)
    _square(ArrayType(shape_of(a), dtype_of(a)), "np.linalg.solve")
    if ndim_of(b) == 1:
        _fits(shape_of(a)[-1] == shape_of(b)[0], "np.linalg.solve($0, $1): as many rows in both", a, b)
        column = spell_reshape(b, (*shape_of(b), 1))
        x = _solve_matched(a, column)
        return spell_reshape(x, shape_of(x)[:-1])
    return _solve_matched(a, b)


def _solve_matched(a: Value, b: Value) -> Any:
    lead = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    a, b = (np.broadcast_to(x, (*lead, *shape_of(x)[-2:])) for x in (a, b))
    return apply(solve, a, b)


def _as_float(a: Value) -> Any:
    return a if dtype_of(a).kind == "f" else np.astype(a, np.dtype(np.float64))


spelled(np.linalg.inv)(lambda a: apply(inv, _as_float(a)))


@spelled(np.linalg.matrix_power)
def matrix_power(a: Value, n: int) -> Any:
    """By squaring."""
    if n < 0:
        a, n = np.linalg.inv(a), -n
    power = None
    while n:
        if n % 2:
            power = a if power is None else np.matmul(power, a)
        n //= 2
        a = np.matmul(a, a) if n else a
    return np.broadcast_to(np.eye(shape_of(a)[-1], dtype=dtype_of(a)), shape_of(a)) if power is None else power


spelled(np.linalg.multi_dot)(lambda arrays: functools.reduce(dot, arrays))


# --- determinants ---------------------------------------------------------------------------------------------------


def _slogdet_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    _square(a, "np.linalg.slogdet")
    return ArrayType(a.shape[:-2], a.dtype), ArrayType(a.shape[:-2], a.dtype)


def _grown(g: Value, like: Value) -> Any:
    """A number for each matrix, repeated over the matrix."""
    return np.broadcast_to(spell_reshape(g, (*shape_of(g), 1, 1)), shape_of(like))


def _trace_of_product(a: Value, b: Value) -> Any:
    return np.sum(T(a) * b, axis=(-2, -1))


slogdet = General(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), _slogdet_type,
    lambda t, inputs, outputs: (None, _trace_of_product(apply(inv, inputs[0]), t[0])),
    lambda g, inputs, outputs, wanted: {
        0: None if g[1] is None else _grown(g[1], inputs[0]) * T(apply(inv, inputs[0]))
    },
    results=2, native=routine("slogdet"), notation=Notation(
        "call", "linalg.slogdet", r"\operatorname{slogdet}", "slogdet",
        each=(("sign det ·", r"\operatorname{sign}\det ·"), ("ln|det ·|", r"\ln\lvert\det ·\rvert")),
    ), rule="determinant", cost=lambda a: 2 / 3 * a.size * a.shape[-1],
    examples=lambda rng: [((_well_conditioned(rng),), {})],
)  # fmt: skip
det = General(
    "det", np.linalg.det, lambda a: _slogdet_type(a)[0],
    lambda t, inputs, outputs: (outputs[0] * _trace_of_product(apply(inv, inputs[0]), t[0]),),
    lambda g, inputs, outputs, wanted: {0: _grown(g[0] * outputs[0], inputs[0]) * T(apply(inv, inputs[0]))},
    native=routine("det"),
    notation=call("linalg.det", r"\det"), rule="determinant", cost=lambda a: 2 / 3 * a.size * a.shape[-1],
    examples=lambda rng: [((_well_conditioned(rng),), {})],
)  # fmt: skip
register(slogdet)
register(det)
SlogdetResult = type(np.linalg.slogdet(np.eye(1)))
spelled(np.linalg.slogdet)(lambda a: SlogdetResult(*apply(slogdet, _as_float(a))))
spelled(np.linalg.det)(lambda a: apply(det, _as_float(a)))


# --- Cholesky: A = L Lᵀ ---------------------------------------------------------------------------------------------


def _lower_half(a: Value) -> Any:
    """Φ(A): the lower triangle with half the diagonal, so that Φ(A) + Φ(A)ᵀ = A for symmetric A."""
    return np.tril(a) * (1 - 0.5 * np.eye(shape_of(a)[-1], dtype=dtype_of(a)))


def _cholesky_jvp(t: Tangents, inputs: Sequence[Value], outputs: Sequence[Value]) -> Tangents:
    (factor,) = outputs  # dL = L Φ(L⁻¹ dA L⁻ᵀ)
    change: Any = t[0]
    da = np.tril(change) + T(np.tril(change, -1))  # NumPy reads the lower triangle only
    inner_ = apply(solve, factor, T(apply(solve, factor, da)))
    return (np.matmul(factor, _lower_half(inner_)),)


def _cholesky_vjp(
    g: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int]
) -> dict[int, Value | None]:
    """Murray, "Differentiation of the Cholesky decomposition", 2016."""
    (factor,) = outputs
    bar: Any = g[0]
    middle = _lower_half(np.matmul(T(factor), np.tril(bar)))
    s = apply(solve, T(factor), T(apply(solve, T(factor), T(middle))))  # L⁻ᵀ Φ(Lᵀ G) L⁻¹
    return {0: np.tril(s) + np.tril(T(s), -1)}


cholesky = General(
    "cholesky", np.linalg.cholesky, lambda a: _square(a, "np.linalg.cholesky"), _cholesky_jvp, _cholesky_vjp,
    native=routine("cholesky"),
    notation=call("linalg.cholesky"), rule="factorization", cost=lambda a: a.size * a.shape[-1] / 3,
    examples=lambda rng: [((np.matmul(b := _well_conditioned(rng), b.T),), {})],
)  # fmt: skip
register(cholesky)


@spelled(np.linalg.cholesky)
def spell_cholesky(a: Value, *, upper: bool = False) -> Any:
    factor = apply(cholesky, _as_float(a))
    return T(factor) if upper else factor


@spelled(scipy.linalg.cholesky)
def spell_scipy_cholesky(a: Value, lower: bool = False, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    a = _as_float(a)
    return apply(cholesky, a) if lower else T(apply(cholesky, T(a)))  # SciPy reads the upper triangle


@spelled(scipy.linalg.solve)
def spell_scipy_solve(
    a: Value, b: Value, *, overwrite_a: Any = False, overwrite_b: Any = False, check_finite: Any = True,
    transposed: Any = False, assume_a: Any = None,
) -> Any:  # fmt: skip
    if assume_a not in (None, "gen", "general"):
        raise NoRuleError(
            f"scipy.linalg.solve with assume_a={assume_a!r} is not in the op table",
            hint="leave it out: a triangle that is not read has no derivative",
        )
    return spell_solve(T(a) if transposed else a, b)


spelled(scipy.linalg.inv)(lambda a, overwrite_a=False, check_finite=True: apply(inv, _as_float(a)))
spelled(scipy.linalg.det)(  # in float64, whatever comes in
    lambda a, overwrite_a=False, check_finite=True: apply(det, np.astype(a, np.dtype(np.float64)))
)
