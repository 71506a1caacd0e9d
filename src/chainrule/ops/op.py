"""The four kinds of op. An Op is one record of all that is known about a primitive; every reader is elsewhere.

    Elementwise   y_i = f(x_i): state the partial derivatives
    Contraction   products summed over shared labels: state nothing, the spec says it      (contraction.py)
    Linear        f(x + y) = f(x) + f(y): state the adjoint
    General       anything else: state jvp and vjp

Rules are written with NumPy calls and Python scalars only, so that the same rule works on arrays, on stand-ins that
record it, and in any floating dtype. Ops act on trailing core axes and map over leading ones, as NumPy's gufuncs do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

from ..errors import DtypeError, ShapeError
from ..ir import ArrayType
from ..later import LaterFunction
from .discs import Disc
from .meanings import by_function as by_function
from .native import Native
from .notation import Notation
from .sets import REALS, Interval

Value = Any  # an array, or a stand-in for one
Tangents = Sequence[Value | None]  # None is a zero that nobody stores


@dataclass(frozen=True, eq=False, repr=False)
class Op:
    """What every kind of op knows. `evaluate` is the meaning: plain NumPy on plain arrays."""

    name: str
    evaluate: Callable[..., Any]
    notation: Notation | None = field(default=None, kw_only=True)
    squared: Callable[..., Any] | None = field(default=None, kw_only=True)  # y² from the operands, where y has a kink
    rule: str | None = field(default=None, kw_only=True)  # the calculus book's name for its derivative rule
    # flops for each element, or a function of the operands' types and the params that gives them all
    cost: float | Callable[..., float] = field(default=1.0, kw_only=True)
    unbounded: bool = field(default=False, kw_only=True)  # of the cost: it holds for one step, of nobody knows how many
    # from the operands: what is zero where the op bends; where it jumps also its values below and above. None: nowhere
    switch: Callable[..., Any] | None = field(default=None, kw_only=True)
    # from an Enclosure of each operand, the least and the largest value: where the derivative does not say it
    bounds: Callable[..., Any] | None = field(default=None, kw_only=True)
    # for each operand, from their types and the params, the axes (from the end) along which a result depends on all of
    # its elements: along the others it depends on those of its own row. None: it may depend on every element
    joins: Callable[..., tuple[tuple[int, ...], ...]] | None = field(default=None, kw_only=True)
    increasing: bool = field(default=False, kw_only=True)  # never falls as real operands rise, jumps included
    ulps: float = field(default=4.0, kw_only=True)  # how far a computed value may be off, in units of the last place
    cancels: bool = field(default=False, kw_only=True)  # … of the operands or 1, not of the value itself
    # 1: convex in all real operands together, -1: concave; of one operand, the derivative says it unless it jumps
    curved: int = field(default=0, kw_only=True)
    disc: Disc | None = field(default=None, kw_only=True)  # how far it goes on a disc of complex numbers, if analytic
    native: Native | None = field(default=None, kw_only=True)  # how it becomes machine code; None: it runs on NumPy
    # Of ops that hold Programs, which rules by operand alone would run more often than it takes:
    # (tangents, inputs) -> (outputs, their tangents), computed together, in place of the equation
    together: Callable[..., tuple[Sequence[Any], Tangents]] | None = field(default=None, kw_only=True)
    # inputs -> outputs, computed so that the pullback finds what it needs
    prepared: Callable[..., Sequence[Any]] | None = field(default=None, kw_only=True)
    # (inputs, which of them have one more leading axis, its length) -> (outputs, which of them have it)
    rows: Callable[..., tuple[Sequence[Any], Sequence[bool]]] | None = field(default=None, kw_only=True)
    # (equation, the outputs that somebody reads) -> one that gives those, and perhaps no others
    trimmed: Callable[..., Any] | None = field(default=None, kw_only=True)

    aligned = False  # whether all operands have the shape of the result

    def __repr__(self) -> str:
        return self.name

    def count(self, **params: Any) -> int:
        """How many results; `evaluate` gives a tuple of them unless it is one."""
        return 1

    def types(self, *types: ArrayType, **params: Any) -> tuple[ArrayType, ...]:
        """Types of the results; raises ShapeError or DtypeError."""
        raise NotImplementedError  # abstract

    def flops(self, types: Sequence[ArrayType], results: Sequence[ArrayType], **params: Any) -> float:
        """About how many floating-point operations it takes; exp of one number counts as one."""
        if callable(self.cost):
            return self.cost(*types, **params)
        return self.cost * max((t.size for t in (*types, *results)), default=0)

    def only_moves(self, **params: Any) -> bool:
        """Whether every element of the result is an element of the one operand, or zero."""
        return False

    def operand_dtypes(self, dtypes: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
        """The dtypes to which the operands are converted first; a Python scalar type stands for a weak operand."""
        return tuple(_strong(d) for d in dtypes)

    def jvp(self, tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], **params: Any) -> Tangents:
        """Tangents of the outputs, given those of the inputs."""
        raise NotImplementedError  # abstract

    def vjp(
        self,
        cotangents: Tangents,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        wanted: Sequence[int],
        **params: Any,
    ) -> dict[int, Value | None]:
        """Cotangents of the inputs in `wanted`, given those of the outputs."""
        raise NotImplementedError  # abstract

    def batched(self, params: dict[str, Any], mapped: tuple[bool, ...]) -> dict[str, Any] | None:
        """Params of the same op on operands whose `mapped` ones have one more leading axis.

        None: all operands must be given that axis first; the params stay.
        """
        return None


class Interpreted:
    """A stand-in for an array: NumPy applied to it ends in `apply(op, args, params)`.

    One subclass is one way of reading a function: recording it, typesetting it, bounding it. Where several meet, the
    one of the highest `level` answers.
    """

    __slots__ = ()
    level: int = 0
    weak: bool = False  # whether it stands for a Python number, which takes on the dtype of what stands beside it

    def apply(self, op: Op, args: Sequence[Value], params: dict[str, Any]) -> Any:
        raise NotImplementedError  # abstract

    def number(self) -> float | int | bool | None:
        """The number that this stands for whatever the inputs, if it does: Python's if it is weak, else NumPy's."""
        return None

    def is_constant(self) -> bool:
        """Whether this is the same number or array whatever the inputs."""
        return False

    def value_for_index(self) -> Any:
        """The values of a mask, where they are the same whatever the inputs; else an error."""
        raise IndexError("a mask whose values are not known can't be an index")


def apply(op: Op, *args: Value, **params: Any) -> Any:
    """Apply an op to whatever its arguments are: arrays, or stand-ins."""
    reader = None
    for a in args:
        if isinstance(a, Interpreted) and (reader is None or a.level > reader.level):
            reader = a
    if reader is None:
        return op.evaluate(*args, **params)
    return reader.apply(op, args, params)


# --- what NumPy functions mean on stand-ins -------------------------------------------------------------------------

OPS: dict[str, Op] = {}


def register(op: Op, *functions: Any) -> Op:
    """Enter an op into the table, with the functions that mean just it."""
    assert op.name not in OPS, f"two entries are called {op.name}"
    OPS[op.name] = op
    for function in functions:
        by_function[function] = _meaning(op)
    return op


def _meaning(op: Op) -> Callable[..., Any]:
    def rule(*args: Value) -> Any:
        return apply(op, *args)

    rule.op = op  # type: ignore[attr-defined]  # for those who meet it often
    return rule


def spelled(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say how a function is spelled with ops of the table: not a new op, a way to write some."""

    def decorate(rule: Callable[..., Any]) -> Callable[..., Any]:
        for function in dict.fromkeys(functions):  # NumPy has two names for some
            assert function not in by_function, f"{function} is spelled twice"
            by_function[function] = rule
        return rule

    return decorate


def shape_of(x: Value) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def ndim_of(x: Value) -> int:
    return len(shape_of(x))


def dtype_of(x: Value) -> np.dtype[Any]:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def number_of(x: Value) -> Any:
    """x as a number where it is one that never changes, else None. A number of NumPy's keeps its dtype."""
    if isinstance(x, Interpreted):
        return x.number()
    return x if isinstance(x, (bool, int, float, np.number, np.bool_)) else None


def is_weak(x: Value) -> bool:
    """Whether x is a Python number, which takes on the dtype of what stands beside it."""
    if isinstance(x, Interpreted):
        return x.weak
    return isinstance(x, (bool, int, float)) and not isinstance(x, np.generic)


def promotes_as(x: Value) -> Any:
    """What decides the dtype of a result: x's own dtype, or of a Python number its type."""
    return PYTHON_TYPES[dtype_of(x).kind] if is_weak(x) else dtype_of(x)


PYTHON_TYPES = {"f": float, "i": int, "b": np.dtype(bool)}  # a truth has the dtype of truths


_WEAK: dict[Any, np.dtype[Any]] = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(np.float64)}


def _strong(dtype: Any) -> np.dtype[Any]:
    return _WEAK[dtype] if dtype in _WEAK else np.dtype(dtype)


# --- elementwise ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Op):
    """y_i = f(x_i): the Jacobian is diagonal, so one formula per input gives both modes.

    `derivative(*inputs, output)` is the partial derivative, or a tuple with one for each input; None or 0 means that
    the function does not change with that input (a step, a condition).
    """

    derivative: Callable[..., Any] | None = None
    arity: int = field(default=1, kw_only=True)
    domain: tuple[Interval, ...] = field(default=(REALS,), kw_only=True)
    image: Interval = field(default=REALS, kw_only=True)
    kinks: tuple[float, ...] = field(default=(), kw_only=True)  # where the derivative jumps
    turns: tuple[float, ...] = field(default=(), kw_only=True)  # the only places where rising becomes falling, or back
    ends: bool = field(default=False, kw_only=True)  # whether there is no value, but NaN, outside the domain
    samples: tuple[dict[str, Any], ...] = field(default=({},), kw_only=True)  # params to test it with
    # whether, with these params, the function goes on beyond its domain as smoothly as within (a whole power)
    goes_on: Callable[..., bool] | None = field(default=None, kw_only=True)
    # the function by sums, products, quotients, x.exp(), x.log(), x.larger(y), if it can be said so; read exactly
    formal: Callable[..., Any] | None = field(default=None, kw_only=True)
    # operands whose formula goes on where the function has ended (1 / x, below 0, of log): there the slope is NaN, too
    cut: tuple[int, ...] = field(default=(), kw_only=True)
    # the derivative as books write it, where the accurate one above reads otherwise; for display only
    textbook: Callable[..., Any] | None = field(default=None, kw_only=True)
    # `antiderivative(*inputs, output)`: what has this function as its derivative in an input, where there is a closed
    # form; of several inputs a tuple with one for each, None where there is none
    antiderivative: Callable[..., Any] | None = field(default=None, kw_only=True)

    aligned = True

    def operand_dtypes(self, dtypes: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
        return _resolve(self.evaluate, dtypes)[:-1]

    def types(self, *types: ArrayType, **params: Any) -> tuple[ArrayType, ...]:
        shape: tuple[int, ...] = ()
        for t in types:
            if t.shape and t.shape != shape:
                if shape:
                    raise ShapeError(f"{self.name}: the shapes differ", operands=types)
                shape = t.shape
        return (ArrayType(shape, _resolve(self.evaluate, tuple(t.dtype for t in types))[-1]),)

    def partials(self, inputs: Sequence[Value], output: Value, **params: Any) -> tuple[Any, ...]:
        if self.derivative is None:
            return (None,) * len(inputs)
        if self.cut:
            inputs = [_within(x, self.domain[i]) if i in self.cut else x for i, x in enumerate(inputs)]
        d = self.derivative(*inputs, output, **params)
        return d if isinstance(d, tuple) else (d,)

    def antiderivatives(self, inputs: Sequence[Value], output: Value, **params: Any) -> tuple[Any, ...]:
        """For each input, a function whose derivative in it is this one; None where none is stated."""
        if self.antiderivative is None:
            return (None,) * len(inputs)
        found = self.antiderivative(*inputs, output, **params)
        return found if isinstance(found, tuple) else (found,)

    def jvp(self, tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], **params: Any) -> Tangents:
        total = None
        for d, t in zip(self.partials(inputs, outputs[0], **params), tangents, strict=True):
            term = scaled(t, d)
            if term is not None:
                total = term if total is None else total + term
        return (total,)

    def vjp(
        self,
        cotangents: Tangents,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        wanted: Sequence[int],
        **params: Any,
    ) -> dict[int, Value | None]:
        (g,) = cotangents
        partials = self.partials(inputs, outputs[0], **params)
        return {i: scaled(g, partials[i]) for i in wanted}


def _within(x: Value, domain: Interval) -> Any:
    """x in the domain and at its ends, NaN beyond.

    By a factor, so that every derivative is NaN there: that of a selection is 0 where the other side is taken.
    """
    low, high = domain.low, domain.high
    beyond = x < low if high == inf else (x < low) | (x > high)
    return x * np.where(beyond, nan, np.ones((), dtype_of(x)))


class Cases(NamedTuple):
    """A partial derivative by cases: `yes` where the condition holds, `no` elsewhere.

    What is multiplied by it is selected, not multiplied by 0 and 1: an infinite value on the side that is not taken
    must not become NaN.
    """

    condition: Value
    yes: Any
    no: Any


def scaled(g: Value | None, partial: Any) -> Any:
    """g times a partial derivative, where 1, -1, 0 and cases cost no product; None is zero."""
    if g is None or partial is None:
        return None
    if isinstance(partial, Cases):
        yes, no = scaled(g, partial.yes), scaled(g, partial.no)
        if yes is None and no is None:
            return None
        return np.where(partial.condition, 0 if yes is None else yes, 0 if no is None else no)
    if isinstance(partial, (int, float)) and not isinstance(partial, np.generic) and partial in (0, 1, -1):
        return None if partial == 0 else g if partial == 1 else -g
    return g * partial


# all of them alike, SciPy's functions give that
_KEPT = {np.dtype(np.float64), np.dtype(np.float32)}


@lru_cache(maxsize=4096)
def _resolve(evaluate: Any, dtypes: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    """Dtypes of the operands and of the result, as NumPy decides them."""
    if isinstance(evaluate, LaterFunction) and dtypes[0] in _KEPT and len(set(dtypes)) == 1:
        return (dtypes[0],) * (len(dtypes) + 1)  # SciPy is not imported to be asked
    resolve = getattr(evaluate, "resolve_dtypes", None)
    if resolve is None:
        resolve = evaluate.resolve  # an entry that is not a ufunc says it itself
        return tuple(resolve(dtypes))
    try:
        found = resolve((*dtypes, None))
    except TypeError as error:
        names = ", ".join(getattr(d, "name", None) or d.__name__ for d in dtypes)
        raise DtypeError(f"{evaluate.__name__} is not defined for {names}") from error
    return tuple(found)


def elementwise(
    function: Any,
    derivative: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    domain: Interval | tuple[Interval, ...] = (REALS,),
    means: tuple[Any, ...] | None = None,
    **facts: Any,
) -> Elementwise:
    """Enter y_i = f(x_i) into the table: value, both modes, batching, text, tests follow.

    `means` are the functions that mean just this op; by default `function` itself, when it is a ufunc, or imported
    later.
    """
    domain = domain if isinstance(domain, tuple) else (domain,)
    op = Elementwise(name or function.__name__, function, derivative, domain=domain, arity=len(domain), **facts)
    register(
        op, *(means if means is not None else (function,) if isinstance(function, (np.ufunc, LaterFunction)) else ())
    )
    return op


# --- linear ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Op):
    """f(x + y) = f(x) + f(y) in the operands `along`, taken together: its tangent is itself, and the adjoint is stated.

    `adjoint(g, inputs, wanted, **params)` gives the cotangents of the operands in `wanted`; of `inputs` it reads only
    shapes, dtypes, and operands in which the op is not linear (indices).
    """

    shape: Callable[..., ArrayType]
    adjoint: Callable[..., dict[int, Value]]
    along: tuple[int, ...] | None = field(default=None, kw_only=True)  # None: all operands
    moves: bool = field(default=False, kw_only=True)  # every element of the result is one of the operand, or zero
    picks: bool = field(default=False, kw_only=True)  # … is one of the operands `along`, or zero
    drops: bool = field(default=False, kw_only=True)  # every element goes to one place at most, and is added there
    cost: float | Callable[..., float] = field(default=0.0, kw_only=True)  # most only move numbers
    examples: Callable[..., Any] | None = field(default=None, kw_only=True)

    def types(self, *types: ArrayType, **params: Any) -> tuple[ArrayType, ...]:
        return (self.shape(*types, **params),)

    def only_moves(self, **params: Any) -> bool:
        return self.moves

    def jvp(self, tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], **params: Any) -> Tangents:
        along = range(len(inputs)) if self.along is None else self.along
        moved = list(inputs)
        for i in along:
            t = tangents[i]
            moved[i] = zeros_like(inputs[i]) if t is None else t
        return (apply(self, *moved, **params),)

    def vjp(
        self,
        cotangents: Tangents,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        wanted: Sequence[int],
        **params: Any,
    ) -> dict[int, Value | None]:
        return dict(self.adjoint(cotangents[0], inputs, wanted, **params))


def zeros_like(x: Value) -> Any:
    return np.zeros(shape_of(x), dtype_of(x))


# --- general --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class General(Op):
    """Both rules stated: `pushforward(tangents, inputs, outputs)` and `pullback(cotangents, inputs, outputs, wanted)`.

    An op without them (argmax, an index computation) is constant almost everywhere, or has no derivative at all.
    """

    shape: Callable[..., ArrayType | tuple[ArrayType, ...]]
    pushforward: Callable[..., Tangents] | None = None
    pullback: Callable[..., dict[int, Value | None]] | None = None
    results: int | Callable[..., int] = field(default=1, kw_only=True)  # how many, if need be from the params
    image: Interval = field(default=REALS, kw_only=True)
    examples: Callable[..., Any] | None = field(default=None, kw_only=True)
    # both rules as books write them, where the accurate ones read otherwise; for display only
    textbook: tuple[Callable[..., Tangents], Callable[..., dict[int, Value | None]]] | None = field(
        default=None, kw_only=True
    )

    def count(self, **params: Any) -> int:
        return self.results(**params) if callable(self.results) else self.results

    def types(self, *types: ArrayType, **params: Any) -> tuple[ArrayType, ...]:
        found = self.shape(*types, **params)
        return (found,) if isinstance(found, ArrayType) else found

    def jvp(self, tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], **params: Any) -> Tangents:
        if self.together is not None:
            return self.together(tangents, inputs, **params)[1]
        if self.pushforward is None:
            return (None,) * len(outputs)
        return self.pushforward(tangents, inputs, outputs, **params)

    def vjp(
        self,
        cotangents: Tangents,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        wanted: Sequence[int],
        **params: Any,
    ) -> dict[int, Value | None]:
        if self.pullback is None:
            return dict.fromkeys(wanted)
        return self.pullback(cotangents, inputs, outputs, wanted, **params)
