"""Derivatives from values alone, of functions that need not be recordable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..ir import Array
from ..numeric.derivative import NumericalDerivative
from ..numeric.from_values import Estimates, derivatives, second_derivatives, validated
from ..trace.record import argument_names, leaf_of
from ..trace.recorder import Traced
from ..trace.tree import LEAF, Tree, flatten
from .call import Function, Wrt, differentiable, positions, public


class Plain:
    """One call of a function that is only ever called: nothing is recorded. Whole numbers in wrt count as real ones."""

    def __init__(self, function: Function, args: tuple[Any, ...], wrt: Wrt, what: str) -> None:
        if not callable(function):
            raise ArgumentError(f"{what} takes a function, not {type(function).__name__}")
        self.function, self.what = function, what
        chosen, args, options = positions(function, args, {}, wrt)
        self.single = not isinstance(wrt, tuple)
        values, self.tree = flatten((args, options))
        names = argument_names(function, args, options)
        trees = (*self.tree.children[0].children, *self.tree.children[1].children)
        self.names = [name + path for name, tree in zip(names, trees, strict=True) for path in tree.paths()]
        self.leaves = list(values)
        starts = np.cumsum([0, *(tree.size for tree in trees)]).tolist()
        slots = [w if isinstance(w, int) else len(args) + list(options).index(w) for w in chosen]
        self.wrt_trees = [trees[s] for s in slots]
        self.wrt = [i for s in slots for i in range(starts[s], starts[s + 1])]
        if not self.wrt:
            raise ArgumentError(f"`{names[slots[0]]}` holds no numbers to differentiate with respect to")
        for i in self.wrt:
            self.leaves[i] = self._real(self.leaves[i], self.names[i])
        if any(isinstance(leaf, Traced) for leaf in self.leaves):
            raise ArgumentError(
                f"{what} calls the function with numbers, and its arguments are stand-ins of a recording",
                hint="inside of a function that is differentiated, use grad, jacobian or hessian",
            )
        self.at = [np.array(self.leaves[i]) for i in self.wrt]
        self.wrt_names = [self.names[i] for i in self.wrt]
        self.result: Tree = LEAF
        self.shapes: list[tuple[int, ...]] = [()]

    @staticmethod
    def _real(value: Any, name: str) -> Any:
        leaf = leaf_of(value, name)
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "iu":
            leaf = leaf.astype(np.float64)  # not the function's own dtype: a step of 1e-5 would be cut off
        return differentiable(leaf, name)

    def call(self, arrays: Sequence[Array]) -> Any:
        """The function's value with `arrays` in place of what is differentiated; it may write in all it gets."""
        leaves = [leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in self.leaves]
        for i, array in zip(self.wrt, arrays, strict=True):
            old = self.leaves[i]
            if type(old) is np.ndarray:
                leaves[i] = array
            else:
                leaves[i] = float(array) if type(old) is float else array[()]
        positional, named = self.tree.build(leaves)
        return self.function(*positional, **named)

    def number(self, arrays: list[Array]) -> Array:
        """The value of a function that returns one number."""
        found = self.call(arrays)
        name = getattr(self.function, "__name__", "the function")
        if flatten(found)[1] != LEAF:
            raise ShapeError(
                f"{self.what} needs a function that returns one number; {name} returns a {type(found).__name__}",
                hint="use numerical_jacobian",
            )
        value = _numbers(found, name)
        if value.shape:
            raise ShapeError(
                f"{self.what} needs a function that returns one number; {name} returns an array of shape {value.shape}",
                hint="sum or average it (np.sum, np.mean), or use numerical_jacobian",
            )
        return value.reshape(1)

    def numbers(self, arrays: list[Array]) -> Array:
        """The value of any function, as one vector."""
        leaves, self.result = flatten(self.call(arrays))
        name = getattr(self.function, "__name__", "the function")
        values = [_numbers(leaf, name) for leaf in leaves]
        self.shapes = [v.shape for v in values]
        return np.concatenate([v.ravel() for v in values]) if values else np.zeros(0)

    def arranged(self, leaves: Sequence[Any]) -> Any:
        """One leaf for each differentiated one, in their structure."""
        ends = np.cumsum([0, *(tree.size for tree in self.wrt_trees)]).tolist()
        cuts = itertools.pairwise(ends)
        parts = [tree.build(leaves[a:b]) for tree, (a, b) in zip(self.wrt_trees, cuts, strict=True)]
        return parts[0] if self.single else tuple(parts)

    def blocks(self, matrix: Array, outputs: Sequence[tuple[int, ...]]) -> list[list[Any]]:
        """Outputs by components, cut into an array for each output and each argument."""
        downs = np.cumsum([0, *(int(np.prod(s)) for s in outputs)]).tolist()
        acrosses = np.cumsum([0, *(a.size for a in self.at)]).tolist()
        return [
            [
                _leaf(matrix[top:bottom, left:right].reshape(shape + a.shape).astype(a.dtype))
                for a, (left, right) in zip(self.at, itertools.pairwise(acrosses), strict=True)
            ]
            for shape, (top, bottom) in zip(outputs, itertools.pairwise(downs), strict=True)
        ]

    def record(self, found: Estimates, method: str, arrange: Callable[[Array], Any]) -> NumericalDerivative:
        return NumericalDerivative(
            arrange(found.value), arrange(found.error), arrange(found.step), found.evaluations, method, found.notes
        )


def _leaf(x: Array) -> Any:
    return x[()] if x.ndim == 0 else x


def _numbers(value: Any, name: str) -> Array:
    """The leaf of a result as real numbers."""
    if isinstance(value, Traced):
        value = float(value)  # says what went wrong
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{name} returns a ragged list") from None
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise DtypeError(f"{name} returns {type(value).__name__ if array.dtype.kind in 'OUS' else array.dtype},"
                         " not real numbers")  # fmt: skip
    return array


@public
def numerical_gradient(
    f: Function, *args: Any, wrt: Wrt = 0, method: str = "richardson", step: float | None = None
) -> NumericalDerivative:
    """The gradient of `f` from differences of its values, each component with an error bar.

    `f` returns one number and is only called: it may be anything, also what can't be recorded. Arguments may have any
    shape and structure; whole numbers count as real ones. The result has the structure and shapes of the arguments in
    `wrt`, and works as an array.

    "richardson" takes central differences at shrinking steps (the first is `step`), and extrapolates them to step zero;
    the truth lies within `error`. Kinks, jumps and ends of domains are named in `notes`. "central" takes two values for
    each component, x ± `step` (by default ∛ε times the size of the component), and can't know its error.

    >>> found = numerical_gradient(lambda x: np.sum(x**2), np.array([3, 4]))
    >>> np.round(found, 6), bool(np.all(found.error < 1e-8))
    (array([6., 8.]), True)
    >>> print(numerical_gradient(abs, 0.0).notes[0][1])
    a kink: the slope is -1 on the left, 1 on the right

    Richardson, 1911; Ridders, 1982; the noise in the values: Moré & Wild, 2011.
    """
    call = Plain(f, args, wrt, "a gradient")
    validated(call.at, call.wrt_names, method, step)
    found = derivatives(call.number, call.at, call.wrt_names, method=method, step=step)
    return call.record(found, method, lambda matrix: call.arranged(call.blocks(matrix, [()])[0]))


@public
def numerical_jacobian(
    f: Function, *args: Any, wrt: Wrt = 0, method: str = "richardson", step: float | None = None
) -> NumericalDerivative:
    """All first partial derivatives of `f` from differences of its values: shape of the result + shape of the argument.

    Methods, steps and error bars are those of `numerical_gradient`; results may be nested.

    >>> found = numerical_jacobian(lambda x: np.array([x[0] * x[1], x[0]]), np.array([2.0, 3.0]))
    >>> np.round(found, 6)
    array([[3., 2.],
           [1., 0.]])
    """
    call = Plain(f, args, wrt, "a Jacobian")
    validated(call.at, call.wrt_names, method, step)
    found = derivatives(call.numbers, call.at, call.wrt_names, method=method, step=step)
    return call.record(
        found, method, lambda m: call.result.build([call.arranged(row) for row in call.blocks(m, call.shapes)])
    )


@public
def numerical_hessian(
    f: Function, *args: Any, wrt: Wrt = 0, method: str = "richardson", step: float | None = None
) -> NumericalDerivative:
    """All second partial derivatives of a function that returns one number, from second differences of its values.

    For `x` of shape `t`, shape `t + t`, and symmetric; for structures, that of the first derivative with that of the
    second inside. Second differences divide rounding by the square of the step: expect half as many digits.

    >>> found = numerical_hessian(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]))
    >>> bool(np.all(abs(found - np.array([[4.0, 2.0], [2.0, 0.0]])) <= found.error))
    True
    """
    call = Plain(f, args, wrt, "a Hessian")
    validated(call.at, call.wrt_names, method, step)
    found = second_derivatives(call.number, call.at, call.wrt_names, method=method, step=step)
    shapes = [a.shape for a in call.at]
    return call.record(
        found, method, lambda matrix: call.arranged([call.arranged(row) for row in call.blocks(matrix, shapes)])
    )
