"""Functions in, functions out: what calculus has to say of a NumPy function.

Transformations (`grad(f)`) return a function with the arguments of `f`. `wrt` is a position, a name, or a tuple of
them; arguments may be nested dicts, lists, tuples and dataclasses, and derivatives come back in the same structure.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, ChainruleError, DtypeError, ShapeError
from .execute import Executable, derived, evaluate, executable, inputs_of, recording_of
from .ir import Const, Program
from .numeric.check import COMPONENTS, GradientCheck, check_gradient
from .numeric.optimize import Minimum, Progress
from .numeric.optimize import minimize as _minimize
from .trace.record import Static, argument_names, leaf_of, name_variables, type_of
from .trace.recorder import Traced
from .trace.tree import Tree, flatten
from .transform.batch import batch
from .transform.forward import Derived, forward
from .transform.reverse import reverse
from .transform.simplify import simplify

Wrt = int | str | tuple[int | str, ...]
Function = Callable[..., Any]


def public(function: Function) -> Function:
    """Our own frames stay out of a user's traceback, unless CHAINRULE_TRACEBACK is set."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except ChainruleError as error:
            if os.environ.get("CHAINRULE_TRACEBACK"):
                raise
            raise error.with_traceback(None) from None

    return call


class Call:
    """One call of a function: its arguments as leaves, which of them are differentiated, its recording."""

    def __init__(
        self, function: Function, args: tuple[Any, ...], options: dict[str, Any], wrt: Wrt | None = None
    ) -> None:
        self.function = function
        self.wrt: list[int | str] = []
        if wrt is not None:
            self.wrt, args, options = _positions(function, args, options, wrt)
        self.single = not isinstance(wrt, tuple)
        values, self.tree = flatten((args, options))
        names = argument_names(function, args, options)
        trees = (*self.tree.children[0].children, *self.tree.children[1].children)
        self.names = [name + path for name, tree in zip(names, trees, strict=True) for path in tree.paths()]
        self.leaves = [leaf_of(v, name) for v, name in zip(values, self.names, strict=True)]
        starts = np.cumsum([0, *(tree.size for tree in trees)]).tolist()
        slots = [w if isinstance(w, int) else len(args) + list(options).index(w) for w in self.wrt]
        self.wrt_trees = [trees[s] for s in slots]
        self.wrt_leaves = [i for s in slots for i in range(starts[s], starts[s + 1])]
        self.wrt_names = [names[s] for s in slots]
        for i in self.wrt_leaves:
            self.leaves[i] = _differentiable(self.leaves[i], self.names[i])
        if wrt is not None and not self.wrt_leaves:
            raise ArgumentError(f"`{self.wrt_names[0]}` holds no numbers to differentiate with respect to")
        self.recording = recording_of(function, self.leaves, self.tree, self.names)
        self.program: Program = self.recording.program
        self.wanted = tuple(self.recording.dynamic.index(i) for i in self.wrt_leaves)

    @property
    def inputs(self) -> list[Any]:
        return inputs_of(self.recording, self.leaves)

    def derived(self, key: Any, make: Callable[[Program], Any]) -> Any:
        return derived(self.recording, key, make)

    def arranged(self, leaves: Sequence[Any]) -> Any:
        """Leaves, one for each differentiated one, in the structure of the arguments."""
        parts, start = [], 0
        for tree in self.wrt_trees:
            parts.append(tree.build(leaves[start : start + tree.size]))
            start += tree.size
        return parts[0] if self.single else tuple(parts)

    def types(self) -> list[Any]:
        """Types of the differentiated leaves."""
        return [type_of(self.leaves[i]) for i in self.wrt_leaves]

    def scalar(self, what: str) -> None:
        """Raise unless the function returns one real number."""
        name = getattr(self.function, "__name__", "the function")
        if self.recording.result.kind is not None:
            raise ShapeError(
                f"{what} needs a function that returns one number; {name} returns a"
                f" {self.recording.result.kind.__name__}",
                hint="return the loss alone",
            )
        (output,) = self.program.outputs
        if output.type.shape != ():
            raise ShapeError(
                f"{what} needs a function that returns one number; {name} returns {output.type}",
                hint="sum or average it (np.sum, np.mean), or use jacobian",
            )
        if not output.type.differentiable and not isinstance(output, Const):
            raise DtypeError(f"{what}: {name} returns {output.type}, which has no derivative")


def _positions(
    function: Function, args: tuple[Any, ...], options: dict[str, Any], wrt: Wrt
) -> tuple[list[int | str], tuple[Any, ...], dict[str, Any]]:
    """Each entry of wrt as a position among args or a name among options; a default that is asked for is filled in."""
    name = getattr(function, "__name__", "the function")
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    order = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    found: list[int | str] = []
    if wrt == ():
        raise ArgumentError("wrt is empty: name at least one argument")
    for w in wrt if isinstance(wrt, tuple) else (wrt,):
        if isinstance(w, bool) or not isinstance(w, (int, str)):
            raise ArgumentError(f"wrt is a position or a name, not {w!r}")
        if isinstance(w, int):
            w = w if w >= 0 else len(args) + w
            if not 0 <= w < len(args):
                if 0 <= w < len(order) and (
                    order[w] in options or parameters[order[w]].default is not inspect.Parameter.empty
                ):
                    w = order[w]
                else:
                    raise ArgumentError(
                        f"wrt={w}: {name} was called with {len(args)} positional argument{'s' * (len(args) != 1)}"
                        + ("" if args else "; there is nothing to differentiate with respect to")
                    )
        if isinstance(w, str):
            if w in order and order.index(w) < len(args):
                w = order.index(w)
            elif w not in options:
                parameter = parameters.get(w)
                if parameter is None or parameter.default is inspect.Parameter.empty:
                    known = ", ".join(parameters) or "none"
                    raise ArgumentError(
                        f"wrt={w!r}: {name} has no such argument in this call", hint=f"its arguments: {known}"
                    )
                options = {**options, w: parameter.default}
        found.append(w)
    if len(set(found)) < len(found):
        raise ArgumentError(f"wrt={wrt!r} names an argument twice")
    return found, args, options


def _differentiable(leaf: Any, name: str) -> Any:
    if isinstance(leaf, Static) and type(leaf.value) is int:
        return float(leaf.value)
    if isinstance(leaf, Static):
        raise ArgumentError(f"`{name}` is {type(leaf.value).__name__}: there is no derivative with respect to it")
    if type_of(leaf).dtype.kind != "f":
        if isinstance(leaf, Traced) and leaf.type.weak:
            return leaf * 1.0
        raise DtypeError(
            f"`{name}` is {type_of(leaf)}: a derivative needs real numbers, and a small step must be possible",
            hint=f"pass {name}.astype(float)",
        )
    return leaf


def _filled(found: Derived, outputs: Sequence[Any], types: Sequence[Any]) -> list[Any]:
    """The derivatives, zeros made real."""
    filled = []
    for index, t in zip(found.present, types, strict=True):
        if index is not None:
            filled.append(outputs[index])
        else:
            filled.append(np.zeros(t.shape, t.dtype) if t.shape else t.dtype.type(0))
    return filled


def _prepare(found: Derived) -> tuple[Derived, Executable]:
    return found, executable(found.program)


# --- first derivatives ----------------------------------------------------------------------------------------------


def value_and_grad(f: Function, *, wrt: Wrt = 0) -> Function:
    """The function that returns `f`'s value and its gradient, at little more than the cost of the value.

    `f` returns one number; the gradient has the structure and shapes of the arguments in `wrt` (a tuple of them when
    `wrt` is a tuple). Raises ShapeError when `f` returns an array, DtypeError when an argument in `wrt` is an integer
    array.

    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))

    Reverse mode: Linnainmaa, 1970; Griewank & Walther, "Evaluating Derivatives", 2008.
    """

    @public
    @functools.wraps(f)
    def with_gradient(*args: Any, **options: Any) -> Any:
        call = Call(f, args, options, wrt)
        call.scalar("a gradient")

        def make(program: Program) -> tuple[Derived, Executable]:
            one = Const(np.ones((), program.outputs[0].type.dtype))
            return _prepare(reverse(program, call.wanted, [one]))

        found, run = call.derived(("gradient", call.wanted), make)
        outputs = evaluate(run, call.inputs)
        return outputs[0], call.arranged(_filled(found, outputs, call.types()))

    return with_gradient


def grad(f: Function, *, wrt: Wrt = 0) -> Function:
    """The gradient of a function that returns one number.

    `grad(f)` takes the arguments of `f`, and returns derivatives with the shapes of those in `wrt`. It composes:
    `grad(grad(f))` is the second derivative.

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(f, wrt=wrt)

    @public
    @functools.wraps(f)
    def gradient(*args: Any, **options: Any) -> Any:
        return both(*args, **options)[1]

    return gradient


@public
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value and directional derivative: how `f(*primals)` changes along `tangents`.

    `primals` and `tangents` are tuples, one entry for each argument, of the same structure and shapes; the tangent of
    the value has the structure of the value.

    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    Forward mode: Wengert, "A simple automatic derivative evaluation program", 1964.
    """
    if (
        not isinstance(primals, (tuple, list))
        or not isinstance(tangents, (tuple, list))
        or len(primals) != len(tangents)
    ):
        raise ArgumentError(
            "jvp(f, primals, tangents) takes two tuples of the same length, one entry for each argument"
        )
    call = Call(f, tuple(primals), {}, tuple(range(len(primals))))
    moves = _directions(call, tuple(tangents), "tangent")
    found, run = call.derived(("forward", call.wanted), lambda p: _prepare(forward(p, call.wanted)))
    outputs = evaluate(run, [*call.inputs, *moves])
    n = len(call.program.outputs)
    dots = _filled(found, outputs, [a.type for a in call.program.outputs])
    build = call.recording.result.build
    return build(outputs[:n]), build(dots)


@public
def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """Value and pullback: `pullback(g)` gives, for each argument, how `g · f` changes with it (a tuple).

    `g` has the structure and shapes of the value. Arguments that are not real numbers get None.

    >>> value, pullback = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> value, pullback(1.0)
    (np.float64(6.0), (np.float64(3.0), np.float64(2.0)))
    """
    if not args:
        raise ArgumentError("vjp(f, *args) needs at least one argument")
    moving = tuple(i for i, a in enumerate(args) if _has_reals(a))
    call = Call(f, args, {}, moving or None)
    value = call.recording.result.build(evaluate(call.derived("value", executable), call.inputs))
    if not moving:
        return value, lambda g: (None,) * len(args)
    inputs = call.inputs
    found, run = call.derived(("reverse", call.wanted), lambda p: _prepare(reverse(p, call.wanted)))

    @public
    def pullback(g: Any) -> tuple[Any, ...]:
        gs, tree = flatten(g)
        if tree != call.recording.result:
            raise ArgumentError("the cotangent has not the structure of the function's value")
        seeds = []
        for x, a in zip(gs, call.program.outputs, strict=True):
            seed = _fit(x, a.type, "cotangent")
            if a.type.differentiable:
                seeds.append(seed)
        outputs = evaluate(run, [*inputs, *seeds])
        pulled = iter(call.arranged(_filled(found, outputs, call.types())))
        return tuple(next(pulled) if i in moving else None for i in range(len(args)))

    return value, pullback


def _has_reals(argument: Any) -> bool:
    leaves = [leaf_of(v, "argument") for v in flatten(argument)[0]]
    return bool(leaves) and all(
        type(v.value) is int if isinstance(v, Static) else type_of(v).dtype.kind == "f" for v in leaves
    )


def _fit(x: Any, t: Any, what: str) -> Any:
    """A tangent or cotangent in the shape and dtype of its value."""
    if isinstance(x, Traced):
        if x.shape != t.shape:
            raise ShapeError(f"the {what} is {x.type}, the value {t}")
        return x if x.dtype == t.dtype else x.astype(t.dtype)
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(f"the {what} is a ragged list") from None
    if array.dtype.kind not in "fiub" or array.shape != t.shape:
        raise ShapeError(
            f"the {what} is {array.dtype}{list(array.shape)}, the value {t}", hint="give it the value's shape"
        )
    return array.astype(t.dtype)


def _directions(call: Call, directions: tuple[Any, ...], what: str) -> list[Any]:
    moves: list[Any] = []
    for d, tree in zip(directions, call.wrt_trees, strict=True):
        leaves, own = flatten(d)
        if own != tree:
            raise ArgumentError(f"a {what} has not the structure of its argument")
        moves += leaves
    return [_fit(x, t, what) for x, t in zip(moves, call.types(), strict=True)]


# --- matrices of derivatives ----------------------------------------------------------------------------------------


def _blocks(types: Sequence[Any]) -> tuple[list[Any], list[tuple[int, int]]]:
    """For arrays laid end to end: each unit vector's part in each array, and the stretch of rows that is each one's."""
    sizes = [t.size for t in types]
    total = sum(sizes)
    starts = np.cumsum([0, *sizes]).tolist()
    parts = []
    for t, start in zip(types, starts, strict=False):
        part = np.zeros((total, t.size), t.dtype)
        part[np.arange(start, start + t.size), np.arange(t.size)] = 1
        parts.append(part.reshape(total, *t.shape))
    return parts, list(itertools.pairwise(starts))


def jacobian(f: Function, *, wrt: Wrt = 0) -> Function:
    """All first partial derivatives: for a value of shape `s` and an argument of shape `t`, an array of shape `s + t`.

    Forward mode when there are fewer inputs than outputs, else reverse mode; all columns (rows) in one sweep.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @public
    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        call = Call(f, args, options, wrt)
        outs, ins = [a.type for a in call.program.outputs], call.types()
        for t in outs:
            if not t.differentiable:
                raise DtypeError(f"a Jacobian needs real results; the function returns {t}")
        by_columns = sum(t.size for t in ins) <= sum(t.size for t in outs)
        return call.recording.result.build([call.arranged(row) for row in _jacobian(call, outs, ins, by_columns)])

    return matrix


def _jacobian(call: Call, outs: Sequence[Any], ins: Sequence[Any], by_columns: bool) -> list[list[Any]]:
    seeds, stretches = _blocks(ins if by_columns else outs)
    n = sum(t.size for t in (ins if by_columns else outs))
    given = len(call.program.inputs)

    def make(program: Program) -> tuple[Derived, Executable]:
        found = simplified(forward(program, call.wanted) if by_columns else reverse(program, call.wanted))
        only = _derivatives_only(found)
        return only, executable(batch(only.program, [False] * given + [True] * len(seeds), max(n, 1)))

    found, run = call.derived(("jacobian", call.wanted, by_columns), make)
    if n == 0:
        return [[np.zeros(o.shape + i.shape, o.dtype) for i in ins] for o in outs]
    outputs = evaluate(run, [*call.inputs, *seeds])
    rows: list[list[Any]] = []
    for a, o in enumerate(outs):
        row = []
        for b, i in enumerate(ins):
            index = found.present[a if by_columns else b]
            low, high = stretches[b if by_columns else a]
            if index is None:
                row.append(np.zeros(o.shape + i.shape, o.dtype))
                continue
            block = outputs[index][low:high]
            if by_columns:  # (in, *out) -> (*out, *in)
                block = np.moveaxis(block, 0, -1)
            row.append(_scalar(np.reshape(block, o.shape + i.shape)))
        rows.append(row)
    return rows


def _scalar(x: Any) -> Any:
    """Arrays of their own; numbers as NumPy scalars."""
    if isinstance(x, np.ndarray):
        return x[()] if x.ndim == 0 else np.ascontiguousarray(x).copy() if x.base is not None else x
    return x


def simplified(found: Derived) -> Derived:
    return Derived(simplify(found.program), found.present)


def _derivatives_only(found: Derived) -> Derived:
    """The same without the values: only what is present is kept."""
    p = found.program
    kept = [i for i in found.present if i is not None]
    program = Program(p.inputs, p.equations, tuple(p.outputs[i] for i in kept), p.name)
    return Derived(simplify(program), tuple(None if i is None else kept.index(i) for i in found.present))


def hessian(f: Function, *, wrt: Wrt = 0) -> Function:
    """All second partial derivatives of a function that returns one number: for `x` of shape `t`, shape `t + t`.

    For structured arguments, the structure of the first derivative with that of the second inside. Forward over
    reverse, all columns in one sweep.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """

    @public
    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        call = Call(f, args, options, wrt)
        call.scalar("a Hessian")
        types = call.types()
        seeds, stretches = _blocks(types)
        n = sum(t.size for t in types)
        first, second, run = call.derived(
            ("hessian", call.wanted), lambda p: _second(p, call.wanted, len(seeds), max(n, 1))
        )
        outputs = evaluate(run, [*call.inputs, *seeds]) if run is not None and n else ()
        rows: list[list[Any]] = []
        for a, t in enumerate(types):
            row = []
            for b, u in enumerate(types):
                index = None if first.present[a] is None else second.present[first.present[a]]
                if index is None or not n:
                    row.append(_scalar(np.zeros(t.shape + u.shape, t.dtype)))
                else:
                    low, high = stretches[b]
                    row.append(_scalar(np.reshape(np.moveaxis(outputs[index][low:high], 0, -1), t.shape + u.shape)))
            rows.append(row)
        return call.arranged([call.arranged(row) for row in rows])

    return matrix


def _gradient(program: Program, wanted: tuple[int, ...]) -> Derived:
    one = Const(np.ones((), program.outputs[0].type.dtype))
    return _derivatives_only(reverse(program, wanted, [one]))


def _second(
    program: Program, wanted: tuple[int, ...], seeds: int, n: int
) -> tuple[Derived, Derived, Executable | None]:
    first = _gradient(program, wanted)
    second = _derivatives_only(forward(first.program, wanted))
    if not second.program.outputs:
        return first, second, None
    return first, second, executable(batch(second.program, [False] * len(program.inputs) + [True] * seeds, n))


def hvp(f: Function, *, wrt: Wrt = 0) -> Function:
    """Hessian times a vector, without the Hessian.

    `hvp(f)(x, …, v)` takes the arguments of `f`, then the vector, which has the structure and shapes of the argument in
    `wrt`; so has the result. It costs a few evaluations of `f`, whatever the size of `x`.

    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])

    Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
    """

    @public
    @functools.wraps(f)
    def product(*args: Any, **options: Any) -> Any:
        if len(args) < 1:
            raise ArgumentError("hvp(f)(x, …, v) takes the arguments of f, then the vector")
        *first_args, v = args
        call = Call(f, tuple(first_args), options, wrt)
        call.scalar("a Hessian")
        moves = _directions(call, (v,) if call.single else tuple(v), "vector")

        def make(program: Program) -> tuple[Derived, Derived, Executable]:
            first = _gradient(program, call.wanted)
            second = _derivatives_only(forward(first.program, call.wanted))
            return first, second, executable(second.program)

        first, second, run = call.derived(("hvp", call.wanted), make)
        outputs = evaluate(run, [*call.inputs, *moves])
        present = tuple(None if i is None else second.present[i] for i in first.present)
        return call.arranged(_filled(Derived(first.program, present), outputs, call.types()))

    return product


# --- many at once ---------------------------------------------------------------------------------------------------


def vmap(f: Function, *, in_axes: Any = 0) -> Function:
    """`f` on each row at once: one example -> many.

    `in_axes` is the axis of each argument that counts the rows, None for an argument shared by all; a tuple gives one
    entry for each argument, each an axis or a structure of them. Results have the rows in front.

    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([3.0, 4.0]))
    array([3., 8.])
    """

    @public
    @functools.wraps(f)
    def rows(*args: Any, **options: Any) -> Any:
        if not args and not options:
            raise ArgumentError("vmap needs at least one argument with rows")
        axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ArgumentError(f"in_axes has {len(axes)} entries, the call {len(args)} positional arguments")
        values, tree = flatten((args, options))
        names = argument_names(f, args, options)
        trees = (*tree.children[0].children, *tree.children[1].children)
        per_leaf = [a for axis, t in zip((*axes, *(0 for _ in options)), trees, strict=True) for a in _axes_of(axis, t)]
        labels = [name + path for name, t in zip(names, trees, strict=True) for path in t.paths()]
        leaves = [leaf_of(v, name) for v, name in zip(values, labels, strict=True)]
        fronted: list[Any] = []
        sizes: dict[str, int] = {}
        for leaf, axis, label in zip(leaves, per_leaf, labels, strict=True):
            if axis is None:
                fronted.append(leaf)
                continue
            t = None if isinstance(leaf, Static) else type_of(leaf)
            if t is None or not -t.ndim <= axis < t.ndim:
                raise ArgumentError(f"`{label}` has no axis {axis} to map over", hint="give it None in in_axes")
            fronted.append(np.moveaxis(leaf, axis, 0))
            sizes[label] = t.shape[axis]
        if not sizes:
            raise ArgumentError("vmap needs at least one argument with rows: all of in_axes are None")
        if len(set(sizes.values())) > 1:
            raise ShapeError(
                "arguments have different numbers of rows: " + ", ".join(f"{k} has {n}" for k, n in sizes.items())
            )
        size = next(iter(sizes.values()))
        mapped = [axis is not None for axis in per_leaf]
        examples = [_row(x) if m else x for x, m in zip(fronted, mapped, strict=True)]
        recording = recording_of(f, examples, tree, labels)
        for i, _ in recording.asked:
            if mapped[i]:
                raise ArgumentError(
                    f"the function asks for the very value of `{labels[i]}`, which differs from row to row"
                )
        flags = (*(mapped[i] for i in recording.dynamic), *(False for _ in recording.hidden))
        run = derived(recording, ("rows", flags, size), lambda p: executable(batch(p, flags, size)))
        found = evaluate(run, inputs_of(recording, fronted))
        return recording.result.build(found)

    return rows


def _axes_of(axes: Any, tree: Tree) -> list[Any]:
    """An axis for each leaf: one entry may stand for a whole structure."""
    if axes is None or isinstance(axes, int):
        return [axes] * tree.size
    flat: list[Any] = []
    found = list(axes.values()) if isinstance(axes, dict) else list(axes)
    if tree.kind is None or len(found) != len(tree.children):
        raise ArgumentError("in_axes has not the structure of the arguments")
    for a, child in zip(found, tree.children, strict=True):
        flat += _axes_of(a, child)
    return flat


def _row(x: Any) -> Any:
    if isinstance(x, Traced):
        return x[0] if x.shape[0] else np.zeros(x.shape[1:], x.dtype)
    return np.asarray(x[0]) if x.shape[0] else np.zeros(x.shape[1:], x.dtype)


@public
def trace(f: Function, *args: Any, **options: Any) -> Program:
    """The Program that `f` runs on arguments like these: print it, transform it.

    >>> print(trace(lambda x: np.tanh(x) * 2, 0.5))  # doctest: +ELLIPSIS
    <lambda>(x: float64[]):
      a: float64[] = tanh(x)...
    """
    return name_variables(Call(f, args, options).program)


# --- run now ----------------------------------------------------------------------------------------------------------


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
    args: tuple[Any, ...] = (),
    *,
    method: str = "l-bfgs",
    tol: float | None = None,
    max_iter: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    bounds: Any = None,
    learning_rate: float | None = None,
) -> Minimum:
    """Minimize `f(x, *args)` over `x`, starting at `x0`: SciPy's methods and names, with exact derivatives.

    `x0` may be an array, a number, or a nested structure of them; the result's `x` has the same structure. Methods:
    "gradient descent" (with `learning_rate`, or a line search), "l-bfgs" (the one that takes `bounds`), "bfgs",
    "newton-cg", "trust-ncg". Success means that the largest component of the gradient is at most `tol` (1e-6, or 1e-3
    in float32), or as small as rounding lets it be. Ctrl-C gives the best point so far.

    >>> found = minimize(lambda p: (p["a"] - 1) ** 2 + np.sum(p["b"] ** 4), {"a": 0.0, "b": np.ones(2)})
    >>> found.success, round(found.x["a"], 4)
    (True, 1.0)
    """
    differentiated, product = value_and_grad(f), hvp(f)
    return _minimize(
        lambda x: differentiated(x, *args), x0, hvp=lambda x, v: product(x, *args, v),
        method=method, tol=tol, max_iter=max_iter, callback=callback, bounds=bounds, learning_rate=learning_rate,
    )  # fmt: skip
