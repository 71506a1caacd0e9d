"""Minimize a function by its gradient: SciPy's methods and names, exact derivatives, and no success that isn't one.

A result counts as a success only if the gradient there is small: below `tol`, or reduced as far as rounding lets it.
SciPy's own verdict is not enough. What is not finite never reaches SciPy; an interrupted run returns its best point.

L-BFGS-B: Byrd, Lu, Nocedal & Zhu, 1995. BFGS and Newton-CG: Nocedal & Wright, "Numerical Optimization", 2006.
Trust region with conjugate gradients: Steihaug, 1983. Gradient descent and its kin: see descent.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir import Array
from .descent import RULES, Ask, checked, descend
from .layout import Layout
from .objective import Objective, Path, Point, Stop
from .regimes import Trace

ValueAndGrad = Callable[[Any], tuple[Any, Any]]
HessianProduct = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Progress:
    """Where a minimization stands: what a callback is handed after each iteration."""

    nit: int
    max_iter: int
    x: Any
    fun: float
    grad_norm: float


@dataclass(frozen=True)
class Minimum:
    """What a minimization found, under SciPy's names. `x` has the structure of `x0`.

    `grad_norm` is the largest component of the gradient at `x` (of those that bounds leave free). `path` holds value
    and gradient norm after each iteration. `status` is "converged", "rounding" (the gradient is as small as rounding
    allows), "max_iter", "stuck", "unbounded", "not finite", "stopped" (by the callback) or "interrupted"; the first two
    are success. `regime` says how gradient descent with a learning rate went: "slow", "steady", "oscillating",
    "overshooting" or "diverging"; it is None for other methods, and where none of the five fits.
    """

    x: Any
    fun: float
    success: bool
    status: str
    message: str
    method: str
    nit: int
    nfev: int
    njev: int
    nhev: int
    grad_norm: float
    path: Path
    seconds: float
    regime: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("x", "path")}
        return {"x": Layout(self.x).plain(), **fields, "path": self.path.as_dict()}

    def __str__(self) -> str:
        found = "Minimum" if self.success else "Not a minimum yet:"
        went = f" The walk was {self.regime}." if self.regime else ""
        return (
            f"{found} {self.fun:.10g} after {self.nit} iteration{'s' * (self.nit != 1)} of {self.method} "
            f"({self.nfev} evaluations, {self.seconds:.2g} s): {self.message}.{went}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


# --- the methods ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Method:
    """A row of the table of methods: SciPy's name, and its options given `tol` and `max_iter`."""

    scipy: str
    options: Callable[[float, int], dict[str, Any]]
    products: bool = False  # uses Hessian times a vector


_FLOOR = 2.0**-52  # SciPy may stop for lack of progress only when there is none left in float64

_METHODS = {
    **{name: _Method("", lambda tol, n: {}) for name in RULES},
    "l-bfgs": _Method("L-BFGS-B", lambda tol, n: {"gtol": tol, "ftol": _FLOOR, "maxiter": n, "maxfun": 50 * n + 100}),
    "bfgs": _Method("BFGS", lambda tol, n: {"gtol": tol, "maxiter": n}),
    "newton-cg": _Method("Newton-CG", lambda tol, n: {"xtol": _FLOOR, "maxiter": n}, products=True),
    "trust-ncg": _Method("trust-ncg", lambda tol, n: {"gtol": 0.0, "maxiter": n}, products=True),
}
_SPELLINGS = {"l-bfgs-b": "l-bfgs", "lbfgs": "l-bfgs", "gd": "gradient descent", "gradient-descent": "gradient descent"}

MAX_ITER = 10_000


def _method(name: str) -> str:
    """Our name of a method, from any usual spelling of it."""
    lower = str(name).lower().replace("_", "-")
    found = _SPELLINGS.get(lower, lower)
    if found not in _METHODS:
        close = get_close_matches(lower, _METHODS, n=1)
        raise ArgumentError(
            f"there is no method {name!r}",
            hint=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(_METHODS)}",
        )
    return found


def minimize(
    value_and_grad: ValueAndGrad,
    x0: Any,
    *,
    hvp: HessianProduct | None = None,
    method: str = "l-bfgs",
    tol: float | None = None,
    max_iter: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    bounds: Any = None,
    learning_rate: Any = None,
    momentum: float | None = None,
) -> Minimum:
    """Walk from `x0` (an array, a number, or a nested structure of them) to where the gradient vanishes.

    `value_and_grad(x)` gives both in one call, `hvp(x, v)` the Hessian times `v` (for newton-cg and trust-ncg).
    `tol` bounds the largest component of the gradient: 1e-6 unless given (1e-3 in float32). `bounds` (l-bfgs only) is
    a (low, high) for each component, or SciPy's Bounds. `callback(progress)` is called after each iteration; it ends
    the run by returning True or raising StopIteration. `learning_rate`, a number or a function from the step to one,
    is for gradient descent and its kin, which need it but for gradient descent itself; `momentum` for those that have
    one (0.9 unless given; nesterov's own grows).

    >>> found = minimize(lambda x: (np.sum((x - 3) ** 2), 2 * (x - 3)), np.zeros(2))
    >>> found.success, found.x.round(6)
    (True, array([3., 3.]))
    """
    import scipy.optimize  # noqa: F401  it takes a while, which is not to be counted as the method's

    start = perf_counter()
    name = _method(method)
    layout = Layout(x0)
    box = _box(bounds, layout.size, name)
    if name in RULES:
        checked(name, learning_rate, momentum)
    elif learning_rate is not None or momentum is not None:
        what = "learning_rate" if learning_rate is not None else "momentum"
        raise ArgumentError(f"{what} is for {', '.join(RULES)}; {name} chooses its own steps")
    tol = tol if tol is not None else (1e-6 if layout.precision < 1e-10 else 1e-3)
    objective = Objective(value_and_grad, layout, box)
    begin = layout.flat(x0)
    if box is not None:
        begin = np.clip(begin, *box)
    trace = Trace()

    def walk(ask: Ask, after: Callable[[Array], None], n: int) -> str:
        return descend(ask, begin, after, n, learning_rate, rule=name, momentum=momentum, trace=trace)

    status, own_words = _walk(objective, begin, name, hvp, tol, _count(max_iter), callback, walk)
    # a walk with momentum may pass lower values on its way to rest: where its gradient vanishes is what it found
    point = objective.current if status == "converged" and objective.current is not None else objective.final()
    status = _verdict(status, point.grad_norm, objective.largest_gradient, tol)
    if status == "stuck" and objective.bottomless(-point.gradient):
        status = "unbounded"
    return Minimum(
        layout.build(point.x), point.value, status in ("converged", "rounding"), status,
        _message(status, objective, point, own_words, tol),
        name, objective.nit, objective.nfev, objective.nfev, objective.nhev, point.grad_norm,
        objective.path, perf_counter() - start,
        trace.regime() if name == "gradient descent" and learning_rate is not None and status != "unbounded" else None,
    )  # fmt: skip


def _walk(
    objective: Objective,
    begin: Array,
    name: str,
    hvp: HessianProduct | None,
    tol: float,
    max_iter: int,
    callback: Callable[[Progress], Any] | None,
    walk: Callable[[Ask, Callable[[Array], None], int], str],
) -> tuple[str, str]:
    """Run a method from `begin`; what ended it, and what SciPy said."""
    try:
        point = objective.begin(begin)
        if not point.finite:
            return "not finite", ""
        if point.grad_norm <= tol:
            return "converged", ""
        if max_iter == 0:
            return "max_iter", ""

        def after(x: Array) -> None:
            point = objective.accept(x)
            if callback is not None:
                told = Progress(objective.nit, max_iter, objective.layout.build(x), point.value, point.grad_norm)
                if callback(told) is True:
                    raise Stop("stopped")
            if point.grad_norm <= tol:
                raise Stop("converged")

        if name in RULES:
            return walk(objective.ask, after, max_iter), ""
        return _scipy(objective, begin, _METHODS[name], hvp, tol, max_iter, after)
    except StopIteration as stop:
        return (str(stop) if isinstance(stop, Stop) else "stopped"), ""
    except KeyboardInterrupt:
        if objective.current is None:
            raise
        return "interrupted", ""


def _scipy(
    objective: Objective,
    begin: Array,
    method: _Method,
    hvp: HessianProduct | None,
    tol: float,
    max_iter: int,
    after: Callable[[Array], None],
) -> tuple[str, str]:
    from scipy.optimize import Bounds  # takes a while to import
    from scipy.optimize import minimize as scipy_minimize

    stopped: list[StopIteration] = []

    def callback(xk: Array) -> None:
        try:
            after(xk)
        except StopIteration as stop:
            stopped.append(stop)
            raise

    if method.products and hvp is None:
        raise ArgumentError(f"{method.scipy} needs Hessian times vector products: pass hvp")
    with np.errstate(over="ignore", invalid="ignore"):  # on the way to minus infinity SciPy squares gradients
        found = scipy_minimize(
            objective, begin, jac=True, method=method.scipy, callback=callback,
            bounds=None if objective.box is None else Bounds(*objective.box),
            hessp=objective.products(hvp) if method.products and hvp is not None else None,
            options=method.options(tol, max_iter),
        )  # fmt: skip
    if stopped:
        raise stopped[0]
    return ("max_iter" if found.nit >= max_iter else "stuck"), str(found.message)


# --- bounds, verdict, words -------------------------------------------------------------------------------------------


def _count(max_iter: int | None) -> int:
    """How many iterations are allowed; 0 looks at x0 alone."""
    if max_iter is None:
        return MAX_ITER
    if not isinstance(max_iter, (int, np.integer)) or max_iter < 0:
        raise ArgumentError(f"max_iter is {max_iter!r}: it counts iterations", hint="pass 0, 1, 2, …")
    return int(max_iter)


def _box(bounds: Any, size: int, method: str) -> tuple[Array, Array] | None:
    """Lower and upper bounds as two vectors."""
    if bounds is None:
        return None
    if method != "l-bfgs":
        raise ArgumentError(f"{method} knows no bounds", hint="use method='l-bfgs'")
    if hasattr(bounds, "lb"):  # SciPy's Bounds
        low, high = np.broadcast_to(bounds.lb, size), np.broadcast_to(bounds.ub, size)
        return np.array(low, float), np.array(high, float)
    pairs: Sequence[Any] = list(bounds)
    if len(pairs) != size or any(np.ndim(p) != 1 or len(p) != 2 for p in pairs):
        raise ArgumentError(
            f"bounds needs a (low, high) for each of the {size} components, with None where there is none"
        )
    low = np.array([-math.inf if p[0] is None else p[0] for p in pairs], float)
    high = np.array([math.inf if p[1] is None else p[1] for p in pairs], float)
    if np.any(low > high):
        raise ArgumentError("a lower bound lies above its upper bound")
    return low, high


_REDUCED = 1e-7  # of the largest gradient met: what is left of it then is rounding, if the value can't be lowered


def _verdict(status: str, grad_norm: float, largest: float, tol: float) -> str:
    """What ended the run, corrected by what the gradient says of the point that it ended at."""
    if not math.isfinite(grad_norm):
        return "not finite" if status != "interrupted" else status
    if grad_norm <= tol:
        return "converged"
    if status == "stuck" and grad_norm <= _REDUCED * largest:
        return "rounding"
    return "stuck" if status == "converged" else status


def _first_not_finite(x: Array) -> str:
    i = int(np.argmin(np.isfinite(x)))
    return f"number {i + 1} of {x.size} is {x[i]}" if x.size > 1 else f"it is {x[i]}"


def _message(status: str, objective: Objective, point: Point, scipy_says: str, tol: float) -> str:
    norm = f"the largest gradient component is {point.grad_norm:.2g}"
    if status == "converged":
        flat = ", or f does not depend on x here" if point.grad_norm == 0 else ""
        start = f" already at x0, be it a minimum, a maximum or a saddle{flat}" if objective.nit == 0 else ""
        return f"{norm}, below tol={tol:.2g}{start}"
    if status == "rounding":
        return f"{norm}, of at first {objective.largest_gradient:.2g}, and rounding hides any further descent"
    if status == "not finite":
        if not np.isfinite(point.x).all():
            return f"{'x' if objective.nit else 'x0'} is not finite: {_first_not_finite(point.x)}"
        what = "value" if not math.isfinite(objective.last_value) else "gradient"
        started = math.isfinite(point.value) and math.isfinite(point.grad_norm)
        first = "where the first step leads" if started else "at x0"
        where = first if objective.nit == 0 else f"after iteration {objective.nit}"
        return f"the {what} is not finite {where}" + (f" ({objective.last_value})" if what == "value" else "")
    return {
        "max_iter": f"max_iter={objective.nit} iterations are used up, and {norm}, above tol={tol:.2g}",
        "stuck": f"no step lowers the value any more, though {norm}, above tol={tol:.2g}"
        + (f" (SciPy: {scipy_says.strip().rstrip('.')})" if scipy_says else ""),
        "unbounded": "the function seems to be unbounded below: its value falls and falls",
        "stopped": f"stopped by the callback; {norm}",
        "interrupted": "interrupted",
    }[status]
