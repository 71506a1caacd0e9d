"""How calls of NumPy, math and SciPy reach a recording.

Most arrive by NumPy's own protocols. Some do not: constructors (`np.zeros`), sequences of stand-ins
(`np.array([s, 1.0])`), everything in `math`, SciPy functions written in Python. While a function is recorded it is
handed *its own* `np`, `math` and `scipy`, whose functions know of stand-ins. Nothing global is patched: other threads,
and other code in this one, never notice.
"""

from __future__ import annotations

import functools
import math
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import NoRuleError, ShapeError, SideEffectError
from ..ir import Const
from ..later import imported, scipy
from ..ops.arithmetic import astype
from ..ops.op import by_function, dtype_of, shape_of, spelled
from .dispatch import call, involved, locate, located, name_of
from .impure import Partly, Refusing, is_partly_impure, reason
from .methods import as_weak
from .recorder import Recorder, Traced
from .stand_in import kind_of
from .where import OURS

# --- making arrays --------------------------------------------------------------------------------------------------


@spelled(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def array(
    value: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, subok: bool = False, order: str = "K"
) -> Any:
    """An array of numbers and stand-ins in nested lists."""
    if dtype is not None and np.dtype(dtype).kind not in "fiub":
        raise NoRuleError(f"an array of {np.dtype(dtype)} can't be recorded: only real numbers are")
    if isinstance(value, (list, tuple)) and involved(value) is not None:
        rows = [array(v) for v in value]
        if len({shape_of(row) for row in rows}) > 1:
            types = dict.fromkeys(f"{dtype_of(row)}[{','.join(map(str, shape_of(row)))}]" for row in rows)
            raise ShapeError(f"the rows of a nested list have different shapes: {', '.join(types)}")
        value = np.stack([by_function[np.reshape](row, shape_of(row)) for row in rows])
    elif not isinstance(value, Traced):
        return np.array(value, dtype)
    return value if dtype is None else astype(value, dtype)


@spelled(np.copy)
def copy(x: Any, **options: Any) -> Any:
    return x.copy()


def _like(make: Callable[..., Any]) -> Callable[..., Any]:
    def rule(x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **options: Any) -> Any:
        return make(shape_of(x) if shape is None else shape, dtype=dtype_of(x) if dtype is None else dtype)

    return rule


def _empty(shape: Any, dtype: Any = np.float64, **options: Any) -> Any:
    """What NumPy leaves undefined is NaN here, so that reading it shows."""
    kind = np.dtype(dtype).kind
    return np.full(shape, np.nan, dtype) if kind == "f" else np.zeros(shape, dtype)


by_function[np.zeros_like] = _like(np.zeros)
by_function[np.ones_like] = _like(np.ones)
by_function[np.empty_like] = _like(_empty)


@spelled(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, *, order: str = "C", like: Any = None) -> Any:
    fill = fill_value if dtype is None else astype(fill_value, dtype)
    return by_function[np.broadcast_to](fill, shape)


@spelled(np.full_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    dtype = dtype_of(x) if dtype is None else dtype
    if not isinstance(fill_value, Traced):
        return np.full(shape_of(x), fill_value, dtype)
    return full(shape_of(x), astype(fill_value, dtype))


@spelled(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, dtype: Any = None) -> Any:
    wide = np.result_type(_known(start), _known(stop), 0.0)
    steps = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    steps = steps.reshape(-1, *(1 for _ in np.broadcast_shapes(shape_of(start), shape_of(stop))))
    steps = steps.astype(wide)
    points = start * (1 - steps) + stop * steps
    return points if dtype is None else astype(points, dtype)


@spelled(np.meshgrid)
def meshgrid(*xs: Any, indexing: str = "xy") -> Any:
    sizes = [shape_of(x)[0] if shape_of(x) else 1 for x in xs]
    grid = [by_function[np.reshape](x, [-1 if n == i else 1 for n in range(len(xs))]) for i, x in enumerate(xs)]
    grid = [by_function[np.broadcast_to](g, sizes) for g in grid]
    return [by_function[np.swapaxes](g, 0, 1) for g in grid] if indexing == "xy" and len(xs) > 1 else grid


by_function[np.shape] = lambda x: np.shape(x) if isinstance(x, (list, tuple)) else x.shape
by_function[np.ndim] = lambda x: len(by_function[np.shape](x))
by_function[np.size] = lambda x, axis=None: x.size if axis is None else x.shape[axis]
by_function[np.isscalar] = lambda x: not issubclass(kind_of(x), np.ndarray)
by_function[np.conjugate] = by_function[np.real] = lambda x: x
by_function[np.iscomplexobj] = lambda x: False
by_function[np.isrealobj] = lambda x: True
by_function[np.result_type] = lambda *xs: np.result_type(*[_known(x) if isinstance(x, Traced) else x for x in xs])
by_function[np.array_equal] = lambda x, y: shape_of(x) == shape_of(y) and np.all(x == y)


@spelled(np.shares_memory, np.may_share_memory)
def share_memory(x: Any, y: Any, max_work: Any = None) -> bool:
    """Certain of an array and itself, and of arrays that have nothing to do with each other."""
    if x is y:
        return True
    if not (isinstance(x, Traced) and isinstance(y, Traced)) or not x.kin() & y.kin():
        return False
    raise NoRuleError(
        "whether two parts of one array share memory is not recorded", hint="ask outside, or take copies: x.copy()"
    )


# --- math: the same functions, of one number ------------------------------------------------------------------------

_MATH: dict[Any, Callable[..., Any]] = {
    getattr(math, name): function
    for name, function in {
        "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
        "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
        "acosh": np.arccosh, "atanh": np.arctanh, "exp": np.exp, "expm1": np.expm1, "log1p": np.log1p,
        "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "pow": np.power, "fabs": np.absolute,
        "hypot": lambda *xs: functools.reduce(np.hypot, xs),
        "floor": lambda x: astype(np.floor(x), int), "ceil": lambda x: astype(np.ceil(x), int),
        "trunc": lambda x: astype(np.trunc(x), int), "isnan": np.isnan, "isinf": np.isinf,
        "isfinite": np.isfinite, "degrees": np.degrees, "radians": np.radians, "erf": scipy.special.erf,
        "erfc": scipy.special.erfc, "lgamma": scipy.special.gammaln, "exp2": np.exp2, "cbrt": np.cbrt,
        "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
        "fsum": lambda xs: as_weak(np.sum(array([astype(x, np.float64) for x in array(xs)]))),
        "prod": lambda xs, *, start=1: functools.reduce(operator.mul, xs, start),
    }.items()
    if hasattr(math, name)
}  # fmt: skip


def _scalar(function: Any, rule: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math` takes numbers only, and answers with one; arrays of one element count as one."""

    def called(*args: Any) -> Any:
        for a in args:
            if isinstance(a, Traced) and a.size != 1:
                raise ShapeError(
                    f"math.{function.__name__} takes one number, and $0 is an array",
                    operands=(a.type,), hint=f"np.{function.__name__} works element by element",
                )  # fmt: skip
        numbers = [astype(by_function[np.reshape](a, ()), np.float64) if isinstance(a, Traced) else a for a in args]
        return as_weak(rule(*numbers))

    return called


for _function, _rule in _MATH.items():
    several = _function.__name__ in ("fsum", "prod")
    by_function[_function] = _rule if several else _scalar(_function, _rule)

# --- what a recorded function is handed in place of a function or module --------------------------------------------

# np.zeros and its kin return an array that may be written into: a stand-in from the start
_MAKERS: dict[Any, Callable[..., Any]] = {
    np.zeros: np.zeros, np.ones: np.ones, np.full: np.full, np.empty: _empty, np.eye: np.eye, np.identity: np.identity,
    np.arange: np.arange, np.linspace: np.linspace, np.array: np.array, np.copy: np.copy, np.asarray: np.array,
    np.zeros_like: np.zeros_like, np.ones_like: np.ones_like, np.full_like: np.full_like, np.empty_like: _like(_empty),
}  # fmt: skip


class Handed:
    """A NumPy, math or SciPy function as a recorded function sees it."""

    def __init__(self, function: Any, recorder: Recorder) -> None:
        self.__wrapped__ = function
        self._recorder = recorder
        self.__name__ = getattr(function, "__name__", "?")
        self.__doc__ = getattr(function, "__doc__", None)

    def __call__(self, *args: Any, **options: Any) -> Any:
        function, recorder = self.__wrapped__, self._recorder
        if not recorder.open:
            return function(*args, **options)
        found = involved((*args, *options.values()))
        if found is not None:
            given = located(lambda: [_together(function, a) for a in args])
            result = call(function, given, options, found.recorder)
            copies = function is np.copy or (function is np.array and options.get("copy", True))
            if copies and isinstance(result, Traced):
                return result.copy(order="C" if result.fresh else "K")
            return Traced(recorder, Const(result), fresh=True) if function in _MAKERS and _numeric(result) else result
        if function in (np.array, np.asarray) and args and _converts_itself(args[0]):
            return self(args[0].__array__(), *args[1:], **options)
        make = _MAKERS.get(function)
        if make is None:
            return function(*args, **options)
        made = make(*args, **options)
        if function is np.asarray and args and made is args[0]:
            return made
        return Traced(recorder, Const(made), fresh=True) if _numeric(made) else made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return self.__wrapped__ is (other.__wrapped__ if isinstance(other, Handed) else other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


def _together(function: Any, argument: Any) -> Any:
    """A list that holds stand-ins as one array, or as a list of arrays where the function takes a list."""
    if not issubclass(type(argument), (list, tuple)) or function not in by_function or involved(argument) is None:
        return argument
    if function in _SEQUENCES:
        return [array(v) if isinstance(v, (list, tuple)) else v for v in argument]
    return array(argument)


def _converts_itself(value: Any) -> bool:
    """A user's object with an `__array__` of its own, which may answer with a stand-in."""
    return hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic, Traced, type))


def _numeric(value: Any) -> bool:
    return issubclass(type(value), np.ndarray) and value.dtype.kind in "fiub"


_SEQUENCES = {
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.concatenate, np.concat, np.stack, np.vstack,
    np.hstack, np.column_stack, np.dstack, np.linalg.multi_dot, np.reshape, np.full, np.broadcast_to, np.tile,
    np.select, np.shape, np.roll, np.tensordot,
}  # fmt: skip
_SEQUENCES |= {f for f in _MATH if f.__name__ in ("fsum", "prod")}


class Rows:
    """np.r_ and np.c_ of stand-ins."""

    def __init__(self, original: Any, join: Callable[[list[Any]], Any]) -> None:
        self._original, self._join = original, join

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if involved(items) is None:
            return self._original[key]
        if any(isinstance(item, str) for item in items):
            raise NoRuleError("np.r_ and np.c_ with a directive string are not recorded", hint="use np.concatenate")
        return self._join([np.r_[item] if isinstance(item, slice) else item for item in items])


def _known(x: Any) -> Any:
    """What np.result_type asks about: a dtype, or a Python number, which takes on the dtype of others."""
    if isinstance(x, Traced):
        return 0.0 if x.type.weak else x.dtype
    return x if type(x) in (bool, int, float) else np.asarray(x).dtype


def _join_rows(items: list[Any]) -> Any:
    wide = np.result_type(
        *[_known(item) if not isinstance(item, (list, tuple)) else array(item).dtype for item in items]
    )
    return np.concatenate([astype(by_function[np.atleast_1d](array(item)), wide) for item in items])


def _join_columns(items: list[Any]) -> Any:
    return by_function[np.column_stack]([by_function[np.atleast_1d](array(item)) for item in items])


class ModuleView(types.ModuleType):
    """A module as a recorded function sees it: attributes pass through `hand`."""

    def __init__(
        self, module: types.ModuleType, hand: Callable[[Any, str], Any], miss: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__["_module"] = module
        self.__dict__["_hand"] = hand
        self.__dict__["_miss"] = miss
        self.__dict__["_seen"] = {}

    def __getattribute__(self, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        if own["_miss"] is not None and not hasattr(own["_module"], name):
            own["_miss"](name)
        if name not in own["_seen"]:
            own["_seen"][name] = own["_hand"](getattr(own["_module"], name), name)
        return own["_seen"][name]

    def __setattr__(self, name: str, value: Any) -> None:
        module = object.__getattribute__(self, "__dict__")["_module"].__name__
        raise locate(
            SideEffectError(
                f"the function assigns {module}.{name}: it is recorded once, so this would not happen at every call",
                hint="return the value, or keep it in a local variable",
            )
        )


def is_numeric_module(module: types.ModuleType) -> bool:
    return module.__name__.partition(".")[0] in ("numpy", "math", "scipy")


def hand_numeric(value: Any, recorder: Recorder, name: str = "") -> Any:
    """What numpy, math and scipy hold, as a recorded function sees it."""
    if value is np.r_:
        return Rows(value, _join_rows)
    if value is np.c_:
        return Rows(value, _join_columns)
    if is_partly_impure(value):
        return Partly(value, recorder)
    why = reason(value)
    if why is not None:
        if value in imported("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator"):
            from .seeded import seeded

            return seeded(value, name_of(value), recorder)
        return Refusing(name or getattr(value, "__name__", type(value).__name__), why, recorder, value)
    if isinstance(value, types.ModuleType):
        return ModuleView(value, lambda v, part: hand_numeric(v, recorder, f"{value.__name__}.{part}"))
    if is_numeric_function(value):
        return Handed(value, recorder)
    return value


def _is_ours(value: Any) -> bool:
    """cr.grad(np.exp) goes by the name of np.exp, and is not it."""
    ours = isinstance(value, types.FunctionType) and value.__code__.co_filename.startswith(OURS)
    return ours or type(value).__module__ == "chainrule"


def is_numeric_function(value: Any) -> bool:
    if isinstance(value, type) or not callable(value) or _is_ours(value):
        return False
    if isinstance(value, np.ufunc):
        return True
    try:
        if value in by_function or value in _MAKERS:
            return True
    except TypeError:  # not hashable
        return False
    module = getattr(value, "__module__", None) or ""
    return module.partition(".")[0] in ("numpy", "scipy", "math")
