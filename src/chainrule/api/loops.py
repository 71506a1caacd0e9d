"""Loops and branches that are recorded as such, instead of being written out step by step."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ChainruleError, DtypeError, ShapeError
from ..execute import Runner, derived, executable, inputs_of, recording_of
from ..ir import ArrayType, Const, Program, Var
from ..numeric import loops as _run
from ..ops.arithmetic import convert, strong
from ..ops.control import Body
from ..ops.op import apply
from ..trace.dispatch import locate
from ..trace.record import Recording, Static, argument_names, leaf_of, type_of
from ..trace.recorder import Recorder, Traced
from ..trace.tree import Tree, flatten, parts_of
from ..transform.branches import branched
from ..transform.loops import scanned
from ..transform.simplify import simplify
from ..transform.steps import inlined
from ..transform.while_loops import Loop, looped
from .call import Function, public


@public
def scan(f: Function, init: Any, xs: Any = None, length: int | None = None, *, reverse: bool = False) -> Any:
    """The loop `for x in xs: carry, y = f(carry, x)`, recorded as a loop: (final carry, all ys).

    `init` is the first carry; `xs` are arrays whose leading axis counts the steps, or None with a `length`; each may be
    a nested structure. The ys are stacked along a leading axis; `f` may return None for y. With `reverse` the last row
    of xs comes first, and the ys stand at the rows that they belong to. Arrays that `f` reads from outside are the
    same at every step, and derivatives in them are added up.

    A Program holds the step once, however many steps there are, and derivatives of any order are loops again. In
    reverse mode the memory grows as the square root of the length, for at most about two more runs of the loop.

    The carry keeps its structure, shapes and dtypes: if a step changes them, ShapeError, DtypeError or ArgumentError
    says so. A Python number becomes an array of the dtype that the step gives it. Raises ShapeError if xs differ in
    length.

    >>> def step(height, speed):
    ...     height = height + 0.1 * speed
    ...     return height, height**2
    >>> cr.scan(step, 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(0.6...), array([0.01, 0.09, 0.36]))
    >>> cr.grad(lambda a: cr.scan(lambda x, _: (a * x, None), 1.0, length=5)[0])(2.0)
    np.float64(80.0)

    Named and arranged as in JAX. Griewank & Walther, "Algorithm 799: revolve", 2000.
    """
    return _located(lambda: _scan(f, init, xs, length, reverse))


@public
def while_loop(cond: Function, body: Function, init: Any, max_steps: int | None = None) -> Any:
    """The loop `while cond(carry): carry = body(carry)`, recorded as a loop: the final carry.

    `cond` returns one truth; the carry may be a nested structure, and keeps its structure, shapes and dtypes (else
    ShapeError, DtypeError or ArgumentError). With `max_steps` the loop ends after so many steps, whatever `cond` says.

    Derivatives of any order, in both modes, take the number of steps to be locally constant: of an iteration that
    stops when it has converged, they are the derivatives of the steps that were done. In reverse mode the memory grows
    as the square root of their number. Under `vmap` the loop runs until all rows are done; a row that is done stays
    as it is.

    >>> def newton(a):  # √a
    ...     return cr.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> newton(2.0), cr.grad(newton)(2.0)
    (np.float64(1.41421356237309...), np.float64(0.353553390593...))
    >>> cr.vmap(newton)(np.array([4.0, 9.0]))
    array([2., 3.])

    Named and arranged as in JAX. Griewank & Walther, "Algorithm 799: revolve", 2000.
    """
    return _located(lambda: _while_loop(cond, body, init, max_steps))


@public
def cond(predicate: Any, true_branch: Function, false_branch: Function, *operands: Any) -> Any:
    """`true_branch(*operands)` if the predicate holds, else `false_branch(*operands)`: both recorded, one run.

    The predicate is one truth, or a number that is true unless it is 0. Both branches return the same structure of the
    same shapes and dtypes, else ShapeError, DtypeError or ArgumentError; a number written in one takes on the dtype of
    the other. A predicate that is known already picks its branch, and the other is not looked at. Under `vmap`, where
    rows take different branches, both are computed and the results are selected, as `np.where` would.

    >>> def f(x):
    ...     return cr.cond(x > 0, lambda x: x**2, lambda x: -x, x)
    >>> f(3.0), cr.grad(f)(3.0), cr.grad(f)(-3.0)
    (9.0, np.float64(6.0), np.float64(-1.0))

    Named and arranged as in JAX.
    """
    return _located(lambda: _cond(predicate, true_branch, false_branch, operands))


def _located(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except ChainruleError as error:
        raise locate(error) from None


# --- structures: None is an empty one ---------------------------------------------------------------------------------


class Nothing(NamedTuple):
    """Stands for None while structures are compared and built."""


def _mapped(value: Any, old: Callable[[Any], bool], new: Any) -> Any:
    """The same structure with `new` for what is `old`."""
    if old(value):
        return new
    parts = parts_of(value)
    if parts is None:
        return value
    _, tree = flatten(value)
    children = [_mapped(part, old, new) for part in parts[1]]
    return Tree(tree.kind, tree.keys, tuple(Tree(None) for _ in children)).build(children)


def _without_none(value: Any) -> Any:
    return _mapped(value, lambda v: v is None, Nothing())


def _with_none(value: Any) -> Any:
    return _mapped(value, lambda v: type(v) is Nothing, None)


def _build(tree: Tree, leaves: Sequence[Any]) -> Any:
    return _with_none(tree.build(leaves))


def _pair(result: Any) -> Any:
    if type(result) is not tuple or len(result) != 2:
        raise ArgumentError(
            f"a step of scan returns (carry, y), not {_called(result)}", hint="return carry, None if there is no y"
        )
    return _without_none(result)


def _called(value: Any) -> str:
    if type(value) is tuple:
        return f"a tuple of {len(value)}"
    return "an array" if isinstance(value, (Traced, np.ndarray, np.generic, float, int)) else type(value).__name__


# --- recording a step -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """A step, test or branch: its Program takes (arrays read from outside, arguments)."""

    recording: Recording
    program: Program
    outside: list[Any]

    @property
    def result(self) -> Tree:
        return self.recording.result


def _name(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _recorded(
    f: Any, args: tuple[Any, ...], leaves: Sequence[Any], arrange: Callable[[Any], Any], what: str
) -> Recorded:
    """`f` on arguments like these, with `leaves` for theirs."""
    if not callable(f):
        raise ArgumentError(f"{what} is a function, not {type(f).__name__}")
    _, tree = flatten((args, {}))
    names = argument_names(f, args, {})
    labels = [name + path for name, t in zip(names, tree.children[0].children, strict=True) for path in t.paths()]
    recording = recording_of(f, leaves, tree, labels, arrange)
    for i, _ in recording.asked:
        raise ArgumentError(
            f"{_name(f)} asks for the very value of `{labels[i]}`, which changes from step to step",
            hint="a loop in Python has it: for …",
        )
    n = len(recording.dynamic)
    for program, _ in recording.conditions:
        read = {a for e in program.equations for a in e.inputs} | set(program.outputs)
        for v, i in zip(program.inputs, recording.dynamic, strict=False):
            if v in read:
                raise ArgumentError(
                    f"the course of {_name(f)} depends on `{labels[i]}` (by a mask), which changes from step to step",
                    hint="write np.where(mask, x, 0) instead of x[mask]",
                )
    program = derived(recording, "loop", lambda p: simplify(Program(
        (*p.inputs[n:], *p.inputs[:n]), p.equations, p.outputs, p.name)))  # fmt: skip
    return Recorded(recording, program, inputs_of(recording, leaves)[n:])


def _leaf(value: Any, name: str) -> Any:
    """A leaf of a carry: an array, a stand-in, a Python number, or Static(None)."""
    leaf = leaf_of(value, name)
    if not isinstance(leaf, Static) or leaf.value is None:
        return leaf
    if type(leaf.value) is bool:
        return np.bool_(leaf.value)
    if type(leaf.value) is int:
        return np.int64(leaf.value)
    raise ArgumentError(
        f"`{name}` is {type(leaf.value).__name__}: a loop carries arrays and numbers",
        hint="the step may read it from outside",
    )


class Carry:
    """What a loop carries: leaves, which take on the dtype of the step's where they are Python numbers."""

    def __init__(self, init: Any, name: str) -> None:
        self.name = name
        values, tree = flatten(init)
        self.paths = [name + path for path in tree.paths()]
        self.all = [_leaf(v, path) for v, path in zip(values, self.paths, strict=True)]
        self.places = [i for i, leaf in enumerate(self.all) if not isinstance(leaf, Static)]
        self.loose = [type(values[i]) in (int, float) or (type(values[i]) is Traced and values[i].type.weak)
                      for i in self.places]  # fmt: skip
        self.tree = flatten(_without_none(init))[1]

    @property
    def leaves(self) -> list[Any]:
        return [self.all[i] for i in self.places]

    def step(self, f: Any, args: tuple[Any, ...], more: Sequence[Any], arrange: Any, what: str) -> Recorded:
        """The step, recorded for carries of the types that it gives."""
        for _ in range(4):
            found = _recorded(f, args, [*self.all, *more], arrange, what)
            tree = found.result.children[0] if arrange is _pair else found.result
            if tree != self.tree:
                raise ArgumentError(
                    f"{_name(f)} gives a carry of another structure: {_shown(tree)}, and before the step it is"
                    f" {_shown(self.tree)}",
                    hint="a carry keeps its structure from step to step",
                )
            outputs = [a.type for a in found.program.outputs[: len(self.places)]]
            if not self._adapted(outputs):
                break
        self._checked(f, outputs)
        return found

    def _adapted(self, outputs: Sequence[ArrayType]) -> bool:
        """Give Python numbers the dtype that comes out of the step; whether anything was changed."""
        changed = False
        for n, (i, t) in enumerate(zip(self.places, outputs, strict=True)):
            leaf = self.all[i]
            own = type_of(leaf)
            if not self.loose[n] or t.shape != own.shape:
                continue
            if own.dtype.kind == "f":
                self.all[i] = _as(leaf, t.dtype if t.dtype.kind == "f" else own.dtype)
                self.loose[n], changed = False, True
            elif t.dtype.kind == "f":
                self.all[i] = leaf * 1.0 if isinstance(leaf, Traced) else float(leaf)
                changed = True
            elif own.weak:
                self.all[i] = strong(leaf)
                changed = True
        return changed

    def _checked(self, f: Any, outputs: Sequence[ArrayType]) -> None:
        for i, t in zip(self.places, outputs, strict=True):
            own = type_of(self.all[i])
            text = f"the carry `{self.paths[i]}` is {own} before a step of {_name(f)}, and {t} after it"
            if own.shape != t.shape:
                raise ShapeError(text, hint="a carry keeps its shape; what grows is for the ys of cr.scan")
            if own.dtype != t.dtype:
                raise DtypeError(text, hint=f"a carry keeps its dtype: convert it, .astype(np.{own.dtype}), or start"
                                 f" with {t.dtype}")  # fmt: skip


def _as(leaf: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(leaf, Traced):
        leaf = strong(leaf)
        return leaf if leaf.dtype == dtype else apply(convert, leaf, dtype=dtype)
    return dtype.type(leaf)


def _shown(tree: Tree) -> str:
    if tree.kind is None:
        return "an array"
    return "None" if tree.kind is Nothing else f"a {tree.kind.__name__} of {len(tree.children)}"


def _computed(recording: Recording, key: Hashable, values: Sequence[Any], write: Callable[..., Any]) -> list[Any]:
    """What `write` writes of these values: into the recording under way, or, of arrays, as a Program that is run.

    The Program is kept with the recording of the step.
    """
    if any(isinstance(v, Traced) for v in values):
        return _owned(write(values), values)
    runner = recording.derived.get(key)
    if runner is None:
        recorder = Recorder(quiet=True)
        inputs = [recorder.input(ArrayType(np.shape(v), np.asarray(v).dtype)) for v in values]
        outputs = tuple(recorder.atom(y) for y in write(inputs))
        program = Program(tuple(x.variable for x in inputs), tuple(recorder.equations), outputs, recording.program.name)
        runner = recording.derived[key] = _runner(program)
    return list(runner(values))


@lru_cache(maxsize=64)
def _runner(program: Program) -> Runner:
    """What runs a Program: of steps that are written anew at every call, and are the same, one is compiled."""
    return executable(program)


def _owned(found: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """Results with memory of their own; numbers as NumPy scalars."""
    own: list[Any] = []
    for x in found:
        if isinstance(x, Traced):
            own.append(x)
            continue
        array = np.asarray(x)
        shared = array.base is not None or not array.flags.writeable or any(array is v for v in (*given, *own))
        own.append(array[()] if array.ndim == 0 else array.copy() if shared else array)
    return own


# --- the loops --------------------------------------------------------------------------------------------------------


def _scan(f: Any, init: Any, xs: Any, length: Any, reverse: Any) -> Any:
    columns, tree = flatten(xs)
    paths = [f"xs{path}" for path in tree.paths()]
    rows = [leaf_of(v, path) for v, path in zip(columns, paths, strict=True)]
    n = _length(rows, paths, length)
    first = [x if isinstance(x, Static) else x[0] if n else np.zeros(x.shape[1:], x.dtype)[()] for x in rows]
    carry = Carry(init, "init")
    step = carry.step(f, (init, tree.build(first)), first, _pair, "the step of scan")
    arrays = [x for x in rows if not isinstance(x, Static)]
    fixed, at, backwards = len(step.outside), len(carry.places), bool(reverse)

    def write(values: Sequence[Any]) -> list[Any]:
        parts = values[:fixed], values[fixed : fixed + at], values[fixed + at :]
        return scanned(Body(step.program), *parts, length=n, backwards=backwards, cut=True)

    values = [*step.outside, *carry.leaves, *arrays]
    found = _computed(step.recording, ("scan", n, backwards), values, write)
    return _build(carry.tree, found[:at]), _build(step.result.children[1], found[at:])


def _length(rows: Sequence[Any], paths: Sequence[str], length: Any) -> int:
    sizes = {}
    for x, path in zip(rows, paths, strict=True):
        if isinstance(x, Static) and x.value is None:
            continue
        if isinstance(x, (Static, float)) or not x.shape:
            raise ArgumentError(
                f"`{path}` has no leading axis to step along",
                hint="xs holds arrays: np.array([…]) of a list of numbers",
            )
        sizes[path] = x.shape[0]
    if length is not None:
        if isinstance(length, (bool, np.bool_)) or not hasattr(length, "__index__"):
            raise ArgumentError(f"length is a whole number, not {length!r}")
        sizes["length"] = operator.index(length)
    if not sizes:
        raise ArgumentError("scan needs xs, or a length")
    if len(set(sizes.values())) > 1:
        raise ShapeError("the lengths of a scan differ: " + ", ".join(f"`{k}` has {n}" for k, n in sizes.items()))
    n: int = next(iter(sizes.values()))
    if n < 0:
        raise ArgumentError(f"a loop can't have {n} steps")
    return n


def _while_loop(test: Any, f: Any, init: Any, max_steps: Any) -> Any:
    carry = Carry(init, "init")
    step = carry.step(f, (init,), (), _without_none, "the body of while_loop")
    asked = _recorded(test, (init,), carry.all, _without_none, "the condition of while_loop")
    outputs = [a.type for a in asked.program.outputs]
    if len(outputs) != 1 or outputs[0].shape or outputs[0].dtype.kind != "b":
        given = ", ".join(map(str, outputs)) or "nothing"
        raise ArgumentError(
            f"{_name(test)} gives {given}, and a loop goes on while one truth holds", hint="x > 0; np.any(…); np.all(…)"
        )
    a, b = len(step.outside), len(asked.outside)
    extra = [Var(v.type, v.name) for v in asked.program.inputs[:b]]
    p, t = step.program, asked.program
    body = Program((*p.inputs[:a], *extra, *p.inputs[a:]), p.equations, p.outputs, p.name)
    goes_on = Program((*[Var(v.type, v.name) for v in p.inputs[:a]], *t.inputs), t.equations, t.outputs, t.name)
    loop, leaves = Loop(Body(goes_on), Body(body), a + b), carry.leaves
    if max_steps is not None:
        if isinstance(max_steps, (bool, np.bool_)) or not hasattr(max_steps, "__index__"):
            raise ArgumentError(f"max_steps is a whole number, not {max_steps!r}")
        loop, leaves = _counted(loop, operator.index(max_steps)), [*leaves, np.int64(0)]
    fixed = loop.fixed

    def write(values: Sequence[Any]) -> list[Any]:
        return looped(loop, values[:fixed], values[fixed:])

    values = [*step.outside, *asked.outside, *leaves]
    found = _computed(step.recording, ("while", max_steps, t), values, write)
    return _build(carry.tree, found[: len(carry.places)])


def _counted(loop: Loop, most: int) -> Loop:
    """The loop with one carry more, the number of steps done, which stays below `most` while it goes on."""

    def extended(program: Program, finish: Callable[[list[Any], Any], list[Any]]) -> Body:
        recorder = Recorder(quiet=True)
        inputs = [recorder.input(v.type, v.name) for v in program.inputs]
        steps = recorder.input(ArrayType((), np.dtype(np.int64)), "steps")
        found = finish(inlined(program, inputs), steps)
        outputs = tuple(recorder.atom(y) for y in found)
        all_inputs = (*[x.variable for x in inputs], steps.variable)
        return Body(simplify(Program(all_inputs, tuple(recorder.equations), outputs, program.name)))

    body = extended(loop.body.program, lambda found, steps: [*found, steps + 1])
    test = extended(loop.test.program, lambda found, steps: [np.logical_and(found[0], steps < most)])
    return Loop(test, body, loop.fixed)


# --- branches ---------------------------------------------------------------------------------------------------------


def _cond(predicate: Any, true_branch: Any, false_branch: Any, operands: tuple[Any, ...]) -> Any:
    for f in (true_branch, false_branch):
        if not callable(f):
            raise ArgumentError(f"a branch of cond is a function, not {type(f).__name__}")
    if np.shape(predicate):
        raise ArgumentError(
            f"a condition is one truth, not an array of shape {np.shape(predicate)}",
            hint="np.where selects by elements; cr.vmap maps over rows",
        )
    if type(predicate) is not Traced:
        return (true_branch if predicate else false_branch)(*operands)
    if predicate.is_constant():
        return (true_branch if predicate.atom.value else false_branch)(*operands)  # type: ignore[union-attr]
    leaves = [leaf_of(v, "an operand") for v in flatten(operands)[0]]
    yes, no = (_recorded(f, operands, leaves, _without_none, "a branch of cond") for f in (true_branch, false_branch))
    if yes.result != no.result:
        raise ArgumentError(
            f"the branches of cond return different structures: {_name(true_branch)} {_shown(yes.result)},"
            f" {_name(false_branch)} {_shown(no.result)}"
        )
    a, b = len(yes.outside), len(no.outside)
    p, q = yes.program, no.program
    one, other = _agreeing(p, q, true_branch, false_branch)
    one = Program(
        (*p.inputs[:a], *[Var(v.type, v.name) for v in q.inputs[:b]], *p.inputs[a:]), one.equations, one.outputs, p.name
    )
    other = Program((*[Var(v.type, v.name) for v in p.inputs[:a]], *q.inputs), other.equations, other.outputs, q.name)
    values = inputs_of(yes.recording, leaves)[: len(yes.recording.dynamic)]
    holds = predicate if predicate.dtype.kind == "b" else predicate != 0
    found = branched(holds, Body(one), Body(other), [*yes.outside, *no.outside, *values])
    return _build(yes.result, found)


def _agreeing(p: Program, q: Program, true_branch: Any, false_branch: Any) -> tuple[Program, Program]:
    """Both branches with results of the same types: numbers that were written down take on the other's dtype."""
    changed = []
    for program, model in ((p, q), (q, p)):
        recorder = Recorder(quiet=True)
        recorder.equations = list(program.equations)
        outputs = []
        for a, b in zip(program.outputs, model.outputs, strict=True):
            number = a.type.weak or (isinstance(a, Const) and not a.type.shape)
            fits = np.result_type(a.type.dtype, b.type.dtype).kind == b.type.dtype.kind
            if a.type.dtype != b.type.dtype and a.type.shape == b.type.shape and number and fits:
                if isinstance(a, Const):
                    a = Const(a.value.astype(b.type.dtype))
                elif not b.type.weak:
                    a = apply(convert, Traced(recorder, a), dtype=b.type.dtype).atom
            outputs.append(a)
        changed.append(Program(program.inputs, tuple(recorder.equations), tuple(outputs), program.name))
    one, other = _name(true_branch), _name(false_branch)
    for a, b in zip(changed[0].outputs, changed[1].outputs, strict=True):
        text = f"the branches of cond return different types: {one} {a.type}, {other} {b.type}"
        if a.type.shape != b.type.shape:
            raise ShapeError(text, hint="both branches return the same shapes")
        if a.type.dtype != b.type.dtype:
            raise DtypeError(text, hint="both branches return the same dtypes: .astype(…)")
    return changed[0], changed[1]


assert _run
