"""The gradient of each example of a loss over rows."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError
from ..ir import Array
from ..numeric.example_gradients import ExampleGradients, chunks, example_gradients
from ..numeric.layout import Layout
from ..trace.record import argument_names
from ..trace.tree import flatten
from .call import Call, Function, Wrt, public
from .first import value_and_grad
from .rows import vmap


@public
def per_example_gradients(
    f: Function,
    *args: Any,
    wrt: Wrt = 0,
    rows: int | str | tuple[int | str, ...] | None = None,
    sample: int | None = None,
    keep: bool = True,
) -> ExampleGradients:
    """The gradient of a loss for each of its examples alone, and how they spread around the gradient of the whole.

    Examples are the rows of the arguments named in `rows`; without it, of all arrays outside of `wrt` that have the
    most common number of rows. A row's loss is the loss of a batch of one. The loss must be the mean of these, or their
    sum, or their sum and a penalty: this is checked by values, and anything else is refused with an ArgumentError.
    `sample` looks at that many rows, chosen at random. With `keep=False` the gradients themselves are not kept, only
    their norms, cosines with the mean gradient, and losses: memory stays bounded.

    >>> X, y = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), np.array([1.0, 2.0, 3.0])
    >>> found = per_example_gradients(lambda w, X, y: np.mean((X @ w - y) ** 2), np.array([1.0, 0.0]), X, y)
    >>> found.kind, found.norms.round(2)
    ('mean', array([ 0.  ,  4.47, 12.65]))
    >>> found.gradients
    array([[  0.,   0.],
           [ -2.,  -4.],
           [ -4., -12.]])

    Noise scale: McCandlish, Kaplan & Amodei, "An Empirical Model of Large-Batch Training", 2018.
    """
    call = Call(f, args, {}, wrt)
    call.scalar("a gradient for each example")
    if sample is not None and (isinstance(sample, bool) or not hasattr(sample, "__index__") or sample < 2):
        raise ArgumentError(f"sample is {sample!r}: it counts rows, two or more")
    loss = Rows.of(f, args, wrt, rows)
    kept = (lambda found: loss.build_all(found)) if keep else None
    return example_gradients(loss, loss.start, loss.names, sample=sample, keep=kept)


class Rows:
    """A loss whose rows can be chosen."""

    def __init__(self, f: Function, args: tuple[Any, ...], wrt: Wrt, chosen: Sequence[int]) -> None:
        self.f, self.wrt = f, wrt
        self.both = value_and_grad(f, wrt=wrt)
        call = Call(f, args, {}, wrt)
        self.single = call.single
        self.slots = [int(w) for w in call.wrt]
        self.leaves, self.tree = flatten(args)
        self.chosen = list(chosen)
        names = [call.names[i] for i in self.chosen]
        self.names = tuple(names)
        self.size = np.shape(self.leaves[self.chosen[0]])[0]
        for i in self.chosen:
            self.leaves[i] = np.asarray(self.leaves[i])
        self.args = args
        self.layout = Layout(tuple(args[s] for s in self.slots))
        self.start = self.layout.flat(tuple(args[s] for s in self.slots))
        types = [np.asarray(leaf).dtype for leaf in self.leaves]
        floats = [t for t in types if t.kind == "f"]
        self.precision = max(float(np.finfo(t).eps) for t in [*floats, np.dtype(np.float64)])
        self.together = True  # whether rows can be looked at in one go

    @classmethod
    def of(
        cls, f: Function, args: tuple[Any, ...], wrt: Wrt, rows: int | str | tuple[int | str, ...] | None = None
    ) -> Rows:
        """The examples are the rows of the arguments named, or of those that look like it."""
        return cls(f, args, wrt, _chosen(f, args, Call(f, args, {}, wrt), rows))

    def arguments(self, x: Array, rows: Array | None, alone: bool = False) -> tuple[Any, ...]:
        """The arguments with these rows only, and `x` for what is varied; `alone`: each a batch of one."""
        leaves = list(self.leaves)
        if rows is not None:
            for i in self.chosen:
                leaves[i] = self.leaves[i][rows][:, None] if alone else self.leaves[i][rows]
        args = list(self.tree.build(leaves))
        for slot, value in zip(self.slots, self.layout.build(x), strict=True):
            args[slot] = value
        return tuple(args)

    def value(self, x: Array, rows: Array | None) -> float:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a mean over no element, on the way to NaN
                return float(self.f(*self.arguments(x, rows)))
        except Exception as error:
            if rows is None or isinstance(error, ChainruleError):
                raise
            reason = (str(error).splitlines() or [""])[0]
            raise ArgumentError(
                f"the loss can't be computed for some rows alone: {type(error).__name__}: {reason}"
            ) from None

    def gradient(self, x: Array, rows: Array | None) -> Array:
        return self.flat(self.both(*self.arguments(x, rows))[1])

    def flat(self, gradient: Any) -> Array:
        return self.layout.flat((gradient,) if self.single else gradient)

    def values(self, x: Array, rows: Array) -> Array:
        found = (
            [np.asarray(self._mapped(self.f, x, part), np.float64) for part in chunks(rows, x.size)]
            if self.vmaps
            else []
        )
        if self.together:
            return np.concatenate(found)
        return np.array([self.value(x, rows[i : i + 1]) for i in range(rows.size)])

    def gradients(self, x: Array, rows: Array) -> Array:
        if self.vmaps:
            _, found = self._mapped(self.both, x, rows)
            leaves, _ = flatten((found,) if self.single else found)
            return np.concatenate([np.reshape(np.asarray(v, np.float64), (rows.size, -1)) for v in leaves], axis=1)
        return np.stack([self.gradient(x, rows[i : i + 1]) for i in range(rows.size)])

    @property
    def vmaps(self) -> bool:
        """Whether the rows can be mapped over at once: not where what is done depends on a row's values."""
        if self.together and not hasattr(self, "tried"):
            self.tried = True
            try:
                self._mapped(self.both, self.start, np.arange(min(2, self.size)))
            except ChainruleError:
                self.together = False
        return self.together

    def _mapped(self, function: Function, x: Array, rows: Array) -> Any:
        axes = self.tree.build([0 if i in self.chosen else None for i in range(len(self.leaves))])
        return vmap(function, in_axes=axes)(*self.arguments(x, rows, alone=True))

    def build_all(self, gradients: Array) -> Any:
        """Gradients, one in each row, in the structure of what is varied."""
        parts = np.split(gradients, self.layout.ends[:-1], axis=1)
        leaves = [
            part.reshape(-1, *leaf.shape).astype(leaf.dtype)
            for part, leaf in zip(parts, self.layout.leaves, strict=True)
        ]
        built = self.layout.tree.build(leaves)
        return built[0] if self.single else built


def _chosen(
    f: Function, args: tuple[Any, ...], call: Call, rows: int | str | tuple[int | str, ...] | None
) -> list[int]:
    """Which leaves of the arguments hold the examples."""
    varied = set(call.wrt_leaves)
    leaves = flatten(args)[0]
    heights = {
        i: np.shape(leaf)[0]
        for i, leaf in enumerate(leaves)
        if i not in varied and _is_array(leaf) and np.ndim(leaf) > 0
    }
    if rows is None:
        if not heights:
            raise ArgumentError("no argument outside of wrt holds rows: there are no examples")
        most = Counter(heights.values()).most_common()
        height = max(h for h, n in most if n == most[0][1])
        return [i for i, h in heights.items() if h == height]
    names = argument_names(f, args, {})
    counts = [flatten(a)[1].size for a in args]
    starts = np.cumsum([0, *counts]).tolist()
    chosen: list[int] = []
    for entry in rows if isinstance(rows, tuple) else (rows,):
        if isinstance(entry, str) and entry not in names:
            raise ArgumentError(f"rows names `{entry}`, which is not an argument", hint=f"there are {', '.join(names)}")
        slot = names.index(entry) if isinstance(entry, str) else entry
        if isinstance(slot, bool) or not isinstance(slot, int) or not -len(args) <= slot < len(args):
            raise ArgumentError(f"rows={entry!r} is not the position or the name of an argument")
        slot %= len(args)
        found = [i for i in range(starts[slot], starts[slot + 1])]
        if any(i in varied for i in found):
            raise ArgumentError(f"`{names[slot]}` is varied: its rows are not examples")
        if not found or any(i not in heights for i in found):
            raise ArgumentError(f"`{names[slot]}` has no rows")
        chosen += found
    if not chosen:
        raise ArgumentError("rows is empty: name the arguments whose rows are the examples")
    if len({heights[i] for i in chosen}) > 1:
        told = ", ".join(f"`{call.names[i]}` has {heights[i]}" for i in chosen)
        raise ArgumentError(f"the arguments in rows have different numbers of rows: {told}")
    return sorted(set(chosen))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray)
