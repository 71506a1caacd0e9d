"""Checks and minimizers: what takes a function and its arguments, and answers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..numeric.check import COMPONENTS, GradientCheck, check_gradient
from ..numeric.optimize import Minimum, Progress
from ..numeric.optimize import minimize as _minimize
from ..trace.record import Static
from ..trace.tree import flatten
from .call import Call, Function, Wrt, public
from .first import grad, value_and_grad
from .matrices import hvp


@public
def check(f: Function, *args: Any, wrt: Wrt = 0, components: int = COMPONENTS) -> GradientCheck:
    """Does our gradient of `f` agree with differences of its values, and how sure is that?

    The verdict is "agrees", "wrong" or "unreliable" (differences can't tell: rounding, a kink, no finite value), and
    comes with the numbers. Values are those of `f` itself, not of its recording. Up to `components` components are
    looked at one by one; of more, a random choice of them, and all at once along random directions.

    >>> print(check(lambda w, x: np.sum(np.tanh(x @ w)), np.array([0.5, -1.0]), np.eye(2)))
    The gradient agrees with differences in both components, to 1... digits or more.

    Error bars: Ridders, 1982; Moré & Wild, 2011.
    """
    call = Call(f, args, {}, wrt)
    call.scalar("a check")
    gradient, _ = flatten(grad(f, wrt=wrt)(*args))
    plain = [leaf.value if isinstance(leaf, Static) else leaf for leaf in call.leaves]

    def value(arrays: list[Any]) -> float:
        leaves = list(plain)
        for i, array in zip(call.wrt_leaves, arrays, strict=True):
            leaves[i] = array if isinstance(plain[i], np.ndarray) else array[()]
        positional, named = call.tree.build(leaves)
        return float(f(*positional, **named))

    at = [np.asarray(plain[i]) for i in call.wrt_leaves]
    names = [call.names[i] for i in call.wrt_leaves]
    return check_gradient(value, [np.asarray(g) for g in gradient], at, names, components=components)


@public
def minimize(
    f: Function,
    x0: Any,
    args: Any = (),
    *,
    method: str = "l-bfgs",
    tol: float | None = None,
    max_iter: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    bounds: Any = None,
    learning_rate: float | Callable[[int], float] | None = None,
    momentum: float | None = None,
) -> Minimum:
    """Minimize `f(x, *args)` over `x`, starting at `x0`: SciPy's methods and names, with exact derivatives.

    `x0` may be an array, a number, or a nested structure of them; the result's `x` has the same structure. Methods:
    "gradient descent" (with `learning_rate`, or a line search), "momentum", "nesterov" and "adam" (with
    `learning_rate`), "l-bfgs" (the one that takes `bounds`), "bfgs", "newton-cg", "trust-ncg". The `learning_rate` is
    a number, or a function from the step to one: `chainrule.schedules` has some. `momentum` is 0.9 unless given (that
    of "nesterov" grows along the walk). Success means that the largest component of the gradient is at most `tol`
    (1e-6, or 1e-3 in float32), or as small as rounding lets it be. Ctrl-C gives the best point so far. `args` that are
    no tuple are taken for a single argument.

    >>> found = minimize(lambda p: (p["a"] - 1) ** 2 + np.sum(p["b"] ** 4), {"a": 0.0, "b": np.ones(2)})
    >>> found.success, round(found.x["a"], 4)
    (True, 1.0)
    """
    differentiated, product = value_and_grad(f), hvp(f)
    further = args if isinstance(args, tuple) else (args,)
    return _minimize(
        lambda x: differentiated(x, *further), x0, hvp=lambda x, v: product(x, *further, v),
        method=method, tol=tol, max_iter=max_iter, callback=callback, bounds=bounds, learning_rate=learning_rate,
        momentum=momentum,
    )  # fmt: skip
