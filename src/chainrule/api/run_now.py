"""What takes a function and its arguments, and answers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..explain.derive import Derivation, derivation
from ..explain.explanation import Explanation, explanation
from ..explain.parse import numbers_taken, parse, variable_of
from ..ir import Program
from ..numeric.check import COMPONENTS, GradientCheck, check_gradient
from ..numeric.optimize import Minimum, Progress
from ..numeric.optimize import minimize as _minimize
from ..trace.record import Static, name_variables
from ..trace.recorder import Traced
from ..trace.tree import flatten
from .call import Call, Function, Wrt, public
from .first import grad, value_and_grad
from .matrices import hvp


@public
def trace(f: Function, *args: Any, **options: Any) -> Program:
    """The Program that `f` runs on arguments like these (with masks, on these arguments): print it, transform it.

    >>> print(trace(lambda x: np.tanh(x) * 2, 0.5))  # doctest: +ELLIPSIS
    <lambda>(x: float64[]):
      a: float64[] = tanh(x)...
    """
    return name_variables(Call(f, args, options).program)


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


@public
def explain(f: Function, *args: Any, wrt: Wrt = 0) -> Explanation:
    """The gradient of `f` in matrix notation, its derivation, the backpropagation table, NumPy code, and what it costs.

    `f` returns one number. The result prints well; its fields are listed with the record.

    >>> answer = explain(lambda w, X, y: np.mean((X @ w - y) ** 2), np.ones(2), np.eye(2), np.zeros(2))
    >>> print(answer.gradient)
    ∇w f = (2/n) Xᵀ (X w − y)
      where n = 2
    """
    call = Call(f, args, {}, wrt)
    call.scalar("an explanation")
    call.one_course("an explanation")
    values = call.inputs
    known = None if any(isinstance(v, Traced) for v in values) else values
    return explanation(name_variables(call.program), call.wanted, known)


@public
def derive(f: Function | str, *, wrt: int | str | None = None) -> Derivation:
    """The derivative of a function of numbers, or of an expression, with every step and its rule.

    `wrt` is the argument in which to differentiate: by default the first; of an expression, its one name, or x.

    >>> print(derive("x**2 * sin(x)").result)
    f′(x) = 2 x sin(x) + x² cos(x)
    >>> derive(lambda t: np.exp(-2 * t)).derivative(0.0)
    np.float64(-2.0)
    """
    function: Function = parse(f) if isinstance(f, str) else f
    call = Call(function, (0.5,) * numbers_taken(function), {}, variable_of(function) if wrt is None else wrt)
    call.scalar("a derivation")
    call.one_course("a derivation")
    return derivation(name_variables(call.program), call.wanted[0], call.inputs[len(call.recording.dynamic) :])
