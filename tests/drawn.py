# ruff: noqa: E501  (a row of a table is a line)
"""Programs drawn at random from all that a user may write: values of any shape and dtype, loops, writes, products.

A recipe is drawn by running it on arrays: a step that NumPy refuses there is not kept. It is a list of steps, each a
function of earlier values with everything decided, so that it gives the same on stand-ins as on arrays.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

import chainrule as cr

DTYPES = ("f8", "f8", "f8", "f4", "i8", "i4", "?")
REAL = "f"
Step = tuple[Callable[..., Any], tuple[int, ...]]


@dataclass(frozen=True)
class Drawn:
    """A recipe, the arguments it was drawn with, and the names of its steps."""

    steps: tuple[Step, ...]
    args: tuple[Any, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]

    def values(self, *args: Any) -> list[Any]:
        """All values that are made."""
        made = list(args)
        for step, places in self.steps:
            made.append(step(*(made[n] for n in places)))
        return made

    def outputs(self, *args: Any) -> tuple[Any, ...]:
        """All that is made, as a function of the arguments."""
        return tuple(self.values(*args)[len(args) :])

    def loss(self, *args: Any) -> Any:
        """One number in which every real value that was made takes part."""
        total = 0.0
        for v, weight in zip(self.values(*args), self.weights, strict=True):
            if kind(v) == REAL:
                total = total + np.sum(np.sin(v * weight)) * weight
        return total + np.sum(args[0]) * 0.1


def kind(x: Any) -> str:
    return np.dtype(x.dtype).kind


def tame(x: Any) -> Any:
    """Any real value brought between -2 and 2."""
    return 2 * np.tanh(0.5 * x)


def put(x: Any, y: Any, at: Any) -> Any:
    z = x * 1
    z[at] = y
    return z


def put_added(x: Any, y: Any, at: Any) -> Any:
    z = x * 1
    z[at] += y
    return z


def put_twice(x: Any, y: Any, at: Any) -> Any:
    z = x * 1
    z[at] = y
    z[at] = z[at] * 2 - x[at]
    return z + x


def added_at(x: Any, y: Any, at: Any) -> Any:
    z = x * 1.0
    np.add.at(z, at, y)
    return z


UNARY = {
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "exp": lambda x: np.exp(-x * x), "sqrt": lambda x: np.sqrt(1 + x * x),
    "log1p": lambda x: np.log1p(x * x), "arctan": np.arctan, "floor": lambda x: np.floor(3 * x), "sign": np.sign,
    "abs": np.abs, "expm1": lambda x: np.expm1(0.1 * x), "sigmoid": scipy.special.expit, "erf": scipy.special.erf,
    "gammaln": lambda x: scipy.special.gammaln(1 + x * x), "cube": lambda x: x**3, "square": lambda x: x**2,
    "reciprocal": lambda x: 1 / (2 + np.sin(x)), "relu": lambda x: np.maximum(x, 0), "clip": lambda x: np.clip(x, -1, 0.5),
    "cbrt": lambda x: np.cbrt(2 + tame(x)), "negative": lambda x: -x, "logaddexp": lambda x: np.logaddexp(0, x),
    "rint": lambda x: np.rint(3 * x), "half": lambda x: x / 2, "broken power": lambda x: (1 + x * x) ** 0.3,
    "tan": lambda x: np.tan(0.3 * tame(x)), "arcsin": lambda x: np.arcsin(0.4 * tame(x)), "sinh": lambda x: np.sinh(tame(x)),
    "digamma": lambda x: scipy.special.digamma(1 + x * x), "exp2": lambda x: np.exp2(tame(x)), "double": lambda x: x + x,
    "softplus of |x|": lambda x: np.log(1 + np.exp(-np.abs(x))), "where": lambda x: np.where(x > 0, x, np.exp(x) - 1),
}  # fmt: skip
BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "fmax": np.fmax, "hypot": np.hypot, "quotient": lambda x, y: x / (2 + np.sin(y)), "arctan2": np.arctan2,
    "power": lambda x, y: (1.5 + np.sin(x)) ** tame(y), "xlogy": lambda x, y: scipy.special.xlogy(x, 2 + np.sin(y)),
    "where": lambda x, y: np.where(x > y, x, -y), "remainder": lambda x, y: x % (2 + np.sin(y)),
    "logaddexp": np.logaddexp, "floors": lambda x, y: x // (2 + np.sin(y)), "difference": lambda x, y: (x - y) ** 2,
}  # fmt: skip
WHOLE = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum,
    "floors": lambda x, y: x // (y * y + 1), "remainder": lambda x, y: x % (y * y + 3), "less": np.less,
    "of a negative": lambda x, y: x // -(y * y + 2), "left over": lambda x, y: x % -(y * y + 2), "equal": np.equal,
    "divided": lambda x, y: x / (y * y + 1), "square": lambda x, y: x**2 - y, "where": lambda x, y: np.where(x > y, x, y),
}  # fmt: skip
REDUCTIONS = {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var,
    "prod": lambda x, **how: np.prod(1 + 0.1 * np.tanh(x), **how), "std": lambda x, **how: np.sqrt(1 + np.var(x, **how)),
    "norm": lambda x, axis=None, keepdims=False: np.sqrt(1 + np.sum(x * x, axis=axis, keepdims=keepdims)),
    "logsumexp": scipy.special.logsumexp, "any": lambda x, **how: np.any(x > 0.5, **how), "ptp": np.ptp,
    "all": lambda x, **how: np.all(x < 0.9, **how), "count": lambda x, **how: np.sum(x > 0, **how),
}  # fmt: skip
ALONG = {
    "cumsum": np.cumsum, "sort": np.sort, "argsort": np.argsort, "argmax": np.argmax, "argmin": np.argmin, "flip": np.flip,
    "diff": np.diff, "softmax": scipy.special.softmax, "roll": lambda x, axis: np.roll(x, 2, axis=axis),
    "back": lambda x, axis: np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis), "twice": lambda x, axis: np.repeat(x, 2, axis),
    "descending": lambda x, axis: -np.sort(-x, axis=axis), "beside itself": lambda x, axis: np.concatenate([x, 2 * x], axis),
    "middle": lambda x, axis: np.sort(x, axis=axis).take([x.shape[axis] // 2], axis=axis),
    "shares": lambda x, axis: x / (1 + np.sum(np.abs(x), axis=axis, keepdims=True)), "stacked": lambda x, axis: np.stack([x, x * x], axis),
}  # fmt: skip
MOVES = {
    "transpose": np.transpose, "ravel": lambda x: x.reshape(-1), "reversed": lambda x: x[::-1], "first": lambda x: x[0],
    "last": lambda x: x[-1:], "every other": lambda x: x[1::2], "from behind": lambda x: x[..., ::-2], "wrap": None,
    "column": lambda x: x[..., 0], "axis": lambda x: x[None], "last axis": lambda x: x[..., None],
    "tiled": lambda x: np.tile(x, 2), "edges": lambda x: np.pad(x, 1, mode="edge"), "mirrored": lambda x: np.pad(x, 1, mode="reflect"),
    "padded": lambda x: np.pad(x, [(1, 2)] * x.ndim), "lower": np.tril, "upper": np.triu, "diagonal": np.diagonal,
    "swapped": lambda x: np.swapaxes(x, 0, -1), "swapped and flat": lambda x: np.swapaxes(x, 0, -1).reshape(-1),
    "folded": lambda x: x.reshape(-1, 2), "three": lambda x: np.broadcast_to(x, (3, *x.shape)), "trace": np.trace,
    "moved": lambda x: np.moveaxis(x, 0, -1), "diagonal matrix": lambda x: np.diag(x.reshape(-1)[:4]),
}  # fmt: skip
MOVES["wrap"] = lambda x: np.pad(x, [(2, 1)] * x.ndim, mode="wrap")
PRODUCTS = {
    "outer": lambda x, y: np.outer(x.reshape(-1)[:9], y.reshape(-1)[:9]), "product": lambda x, y: x @ y,
    "turned product": lambda x, y: x.T @ y, "product turned": lambda x, y: x @ y.T, "inner": lambda x, y: np.sum(x * y),
    "dots": lambda x, y: np.einsum("...i,...i->...", x, y), "gram": lambda x, y: np.einsum("ki,kj->ij", x, y),
    "three": lambda x, y: np.einsum("ij,kj,ik->i", x, y, x @ y.T), "tensordot": lambda x, y: np.tensordot(x, y, axes=1),
    "weighted rows": lambda x, y: np.einsum("ij,i->j", x, y), "batches": lambda x, y: np.einsum("bij,bjk->bik", x, y),
}  # fmt: skip


def definite(x: Any) -> Any:
    """A positive definite matrix of any real value."""
    flat = np.concatenate([x.reshape(-1), x.reshape(-1) * 0.5, np.ones(16, x.dtype)])[:16].reshape(4, 4)
    a = np.sin(flat)
    return a @ a.T + 3 * np.eye(4, dtype=x.dtype)


SOLVES = {
    "solve": lambda x: np.linalg.solve(definite(x), np.cos(definite(x)[0])), "inv": lambda x: np.linalg.inv(definite(x)),
    "det": lambda x: np.linalg.det(definite(x) / 4), "slogdet": lambda x: np.linalg.slogdet(definite(x))[1],
    "cholesky": lambda x: np.linalg.cholesky(definite(x)), "solves": lambda x: np.linalg.solve(definite(x), definite(x * 2).T),
    "stack of solves": lambda x: np.linalg.solve(np.stack([definite(x), definite(2 * x)]), np.ones((2, 4, 1), x.dtype)),
}  # fmt: skip


def looped(name: str, inner: Callable[[Any], Any], c: float) -> Callable[[Any], Any]:
    """A loop whose step keeps the shape and dtype of what it carries."""

    def same(new: Any, old: Any) -> Any:
        return (new + 0 * old).astype(old.dtype)

    if name == "scan":
        return lambda x: cr.scan(lambda h, t: (same(inner(h) * c + t, h), np.sum(h)), x, x_of(x))[0]
    if name == "scan, outputs":
        return lambda x: cr.scan(lambda h, t: (same(tame(h + t), h), inner(h)), x, x_of(x))[1]
    if name == "scan, backwards":
        return lambda x: cr.scan(lambda h, t: (same(inner(h) - t, h), h * t), x, x_of(x), reverse=True)[1]
    if name == "while":
        return lambda x: cr.while_loop(
            lambda s: s[0] < 5, lambda s: (s[0] + 1, same(inner(s[1]) + c, s[1])), (0, x)
        )[1]  # fmt: skip
    if name == "while, as it comes":
        return lambda x: cr.while_loop(lambda s: np.sum(s * s) > 0.01, lambda s: s * 0.5, x)
    return lambda x: cr.cond(np.sum(x) > c, lambda x: same(inner(x), x), lambda x: x * 0.5, x)


def x_of(x: Any) -> Any:
    return np.sin(np.arange(1.0, 5.0)).astype(x.dtype)


LOOPS = ("scan", "scan, outputs", "scan, backwards", "while", "while, as it comes", "cond")


def options(rng: random.Random, loops: bool) -> list[tuple[int, Callable[[list[Any]], tuple[str, Step]]]]:
    """Ways to draw a step, and how often each."""

    def pick(made: list[Any], kinds: str = "fiub") -> int:
        near = [n for n, v in enumerate(made) if kind(v) in kinds]
        return rng.choice(near[-6:] if rng.random() < 0.7 else near)

    def named(table: dict[str, Any]) -> tuple[str, Any]:
        name = rng.choice(sorted(table))
        return name, table[name]

    def unary(made: list[Any]) -> tuple[str, Step]:
        name, f = named(UNARY)
        return name, (f, (pick(made, "f"),))

    def binary(made: list[Any]) -> tuple[str, Step]:
        name, f = named(BINARY)
        return name, (f, (pick(made, "f"), pick(made, "f" if rng.random() < 0.8 else "fiub")))

    def whole(made: list[Any]) -> tuple[str, Step]:
        name, f = named(WHOLE)
        return f"whole {name}", (f, (pick(made, "iu"), pick(made, "iub")))

    def truths(made: list[Any]) -> tuple[str, Step]:
        name, f = named({
            "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "&": lambda x, y: x & y,
            "not": lambda x, y: ~x, "sum": lambda x, y: np.sum(x) + y, "times": lambda x, y: x * y,
        })  # fmt: skip
        return f"truths {name}", (f, (pick(made, "b"), pick(made, "b")))

    def compared(made: list[Any]) -> tuple[str, Step]:
        name, f = named({"<": np.less, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal})
        return name, (f, (pick(made), pick(made)))

    def selected(made: list[Any]) -> tuple[str, Step]:
        return "where of three", (np.where, (pick(made, "b"), pick(made), pick(made)))

    def reduced(made: list[Any]) -> tuple[str, Step]:
        name, f = named(REDUCTIONS)
        axis = rng.choice([None, None, 0, -1, 1, (0, 1), (0, -1)])
        keep = rng.random() < 0.4
        return name, (lambda x: f(x, axis=axis, keepdims=keep), (pick(made, "f"),))

    def whole_reduced(made: list[Any]) -> tuple[str, Step]:
        name, f = named({"sum": np.sum, "max": np.max, "min": np.min, "any": np.any, "all": np.all, "mean": np.mean})
        axis = rng.choice([None, 0, -1])
        return f"{name} of whole", (lambda x: f(x, axis=axis), (pick(made, "iub"),))

    def along(made: list[Any]) -> tuple[str, Step]:
        name, f = named(ALONG)
        axis = rng.choice([0, -1, 1])
        return name, (lambda x: f(x, axis=axis), (pick(made, "f" if rng.random() < 0.8 else "fi"),))

    def moved(made: list[Any]) -> tuple[str, Step]:
        name, f = named(MOVES)
        return name, (f, (pick(made),))

    def converted(made: list[Any]) -> tuple[str, Step]:
        dtype = rng.choice(DTYPES)
        if dtype in ("i8", "i4"):
            return f"to {dtype}", (lambda x: (3 * tame(x)).astype(dtype), (pick(made),))
        return f"to {dtype}", (lambda x: x.astype(dtype), (pick(made),))

    def product(made: list[Any]) -> tuple[str, Step]:
        name, f = named(PRODUCTS)
        return name, (f, (pick(made, "f"), pick(made, "f" if rng.random() < 0.9 else "fi")))

    def solved(made: list[Any]) -> tuple[str, Step]:
        name, f = named(SOLVES)
        return name, (f, (pick(made, "f"),))

    def positions(size: int, count: int) -> Any:
        return np.array([rng.randrange(-size, size) for _ in range(count)])

    def gathered(made: list[Any]) -> tuple[str, Step]:
        n = pick(made)
        x = made[n]
        axis = rng.choice([0, -1])
        if rng.random() < 0.5:
            k = positions(x.shape[axis], rng.choice([1, 2, 5, 9]))
            return "taken", (lambda x: np.take(x, k, axis=axis), (n,))
        if rng.random() < 0.5:
            k = positions(x.shape[0], 3)
            return "rows with a new axis", (lambda x: x[k[:, None]], (n,))
        whole = pick(made, "iu")
        return "taken as computed", (lambda x, k: x[np.abs(k) % x.shape[0]], (n, whole))

    def taken_along(made: list[Any]) -> tuple[str, Step]:
        axis = rng.choice([0, -1])
        return "along its order", (
            lambda x, y: np.take_along_axis(x, np.argsort(y, axis=axis), axis=axis), (pick(made), pick(made, "f"))
        )  # fmt: skip

    def written(made: list[Any]) -> tuple[str, Step]:
        n = pick(made, "f")
        x = made[n]
        size = x.shape[0]
        at = rng.choice([
            positions(size, 1)[0], slice(None, size // 2 + 1), slice(None, None, -1), slice(1, None, 2), ..., (..., -1),
            np.array(sorted({int(k) for k in np.abs(positions(size, 4)) % size})), np.array([0, 0, 0]), (..., slice(0, 1)),
            np.abs(positions(size, 6)) % size,
        ])  # fmt: skip
        name, f = named({"put": put, "put and added": put_added, "put twice": put_twice, "added at": added_at})
        return name, (lambda x, y: f(x, y, at), (n, pick(made, "f" if rng.random() < 0.9 else "fi")))

    def joined(made: list[Any]) -> tuple[str, Step]:
        axis = rng.choice([0, -1, 1])
        return "joined", (lambda *x: np.concatenate(x, axis=axis), (pick(made, "f"), pick(made), pick(made, "f")))

    def flat_joined(made: list[Any]) -> tuple[str, Step]:
        def f(*x: Any) -> Any:
            return np.concatenate([v.reshape(-1) for v in x])

        return "joined flat", (f, (pick(made, "f"), pick(made)))

    def loop(made: list[Any]) -> tuple[str, Step]:
        name = rng.choice(LOOPS)
        inner_name, inner = named(UNARY)
        return f"{name} of {inner_name}", (looped(name, inner, rng.uniform(-1, 1)), (pick(made, "f"),))

    found = [
        (6, unary), (6, binary), (2, whole), (1, truths), (1, compared), (2, selected), (4, reduced), (1, whole_reduced),
        (5, along), (6, moved), (2, converted), (3, product), (1, solved), (3, gathered), (1, taken_along), (4, written),
        (2, joined), (1, flat_joined),
    ]  # fmt: skip
    return [*found, (3, loop)] if loops else found


LARGEST = 3000  # elements of a value


def drawn(rng: random.Random, length: int, loops: bool = True) -> Drawn:
    """A recipe of so many steps, with its arguments: two or three real ones, whole numbers, truths."""
    sizes = rng.sample([1, 2, 3, 4, 5, 8, 9, 17, 33], 3)
    if rng.random() < 0.1:
        sizes[rng.randrange(3)] = 0
    make = np.random.default_rng(rng.randrange(2**32))
    n, m, k = sizes
    shapes = rng.sample([(n,), (n, m), (m,), (), (m, n), (n, n), (k, n, m), (1, m), (n, 1)], 3)
    reals = [make.uniform(-1.5, 1.5, s).astype(rng.choice(["f8", "f8", "f8", "f4"])) for s in shapes]
    args = [
        *reals,
        make.integers(-9, 9, n).astype(rng.choice(["i8", "i4"])),
        make.random((n, m)[: rng.choice([1, 2])]) < 0.5,
    ]
    ways = options(rng, loops)
    made: list[Any] = list(args)
    steps: list[Step] = []
    names: list[str] = []
    for _ in range(length * 12):
        if len(steps) == length:
            break
        (way,) = rng.choices([w for _, w in ways], [weight for weight, _ in ways])
        try:
            with np.errstate(all="ignore"):
                name, (step, places) = way(made)
                value = np.asarray(step(*(made[p] for p in places)))
        except (ValueError, IndexError, TypeError, np.linalg.LinAlgError, cr.ChainruleError):
            continue
        if value.size > LARGEST or value.ndim > 4 or value.dtype.str[1:] not in {"f8", "f4", "i8", "i4", "b1"}:
            continue
        if value.dtype.kind == "f" and not np.all(np.abs(value) < 50):
            continue
        if value.dtype.kind == "i" and not np.all(np.abs(value) < 2**20):
            continue
        steps.append((step, places))
        names.append(f"{name}{places}")
        made.append(value)
    return Drawn(tuple(steps), tuple(args), tuple(names), tuple(rng.uniform(0.3, 1) for _ in made))
