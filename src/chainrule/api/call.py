"""One call of a user's function: its arguments as leaves, which of them are differentiated, its recording."""

from __future__ import annotations

import functools
import inspect
import operator
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, DtypeError, NoRuleError, ShapeError, ValueNeededError
from ..execute import Runner, derived, executable, inputs_of, recording_of
from ..ir import Const, Program
from ..later import importing
from ..ops.control import holds_a_program
from ..trace.record import Recording, Static, argument_names, current, leaf_of, parameters_of, type_of
from ..trace.recorder import Traced
from ..trace.tree import flatten
from ..transform.forward import Derived
from ..transform.smooth import has_kinks, smooth

if TYPE_CHECKING:
    from ..transform.reroll import Loop

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
            self.wrt, args, options = positions(function, args, options, wrt)
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
            self.leaves[i] = differentiable(self.leaves[i], self.names[i])
        if wrt is not None and not self.wrt_leaves:
            raise ArgumentError(f"`{self.wrt_names[0]}` holds no numbers to differentiate with respect to")
        self._given = args, options
        self.untouched = all([a is b for a, b in zip(values, self.leaves, strict=True) if not isinstance(b, Static)])
        self.recording = recording_of(function, self.leaves, self.tree, self.names)
        self.program: Program = self.recording.program
        self.wanted = tuple(self.recording.dynamic.index(i) for i in self.wrt_leaves)

    @property
    def inputs(self) -> list[Any]:
        return inputs_of(self.recording, self.leaves)

    @property
    def to_run(self) -> Program:
        """The Program that values are computed by."""
        return to_run(self.recording)

    @property
    def to_differentiate(self) -> Program:
        """The Program that derivatives are made of: without kinks that squares remove, and what repeats itself a loop.

        In this order: what one loop makes may be squared in another.
        """
        if _stays_written_out(self.recording):
            return smooth(self.recording.program)

        def make(program: Program) -> Program:
            without = smooth(program)
            return _rolled(self.recording) if without is program else _with_loops(without)

        found: Program = derived(self.recording, "to differentiate", make)
        return found

    def given_as(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments, if they and their leaves came just so: nothing was filled in or converted."""
        untouched = self.untouched and self._given[0] is args and self._given[1] is options
        return (args, options) if untouched else None

    def derived(self, key: Any, make: Callable[[Program], Any]) -> Any:
        """What `make` makes of the Program to be differentiated, kept with the recording."""
        return derived(self.recording, key, lambda program: make(smooth(program)))

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

    def one_course(self, what: str) -> None:
        """Raise if what the function does depends on the values differentiated: no one formula says it."""
        for program, _ in self.recording.conditions:
            read = {a for e in program.equations for a in e.inputs} | set(program.outputs)
            if any(program.inputs[i] in read for i in self.wanted):
                raise ValueNeededError(
                    f"{what} needs one formula for all values, and the function picks elements by a mask that depends"
                    " on them",
                    hint="write np.where(mask, x, 0) instead of x[mask]",
                )

    def written_out(self, what: str) -> None:
        """Raise where an equation's meaning is in a Program of its own, which formulas don't show."""
        for e in self.program.equations:
            if holds_a_program(e):
                raise NoRuleError(
                    f"{what} of a function with {e.op.name.replace('_', ' ')} inside is not written",
                    hint="its derivatives are computed all the same: cr.grad; cr.trace shows the Program",
                )

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


def positions(
    function: Function, args: tuple[Any, ...], options: dict[str, Any], wrt: Wrt
) -> tuple[list[int | str], tuple[Any, ...], dict[str, Any]]:
    """Each entry of wrt as a position among args or a name among options; a default that is asked for is filled in."""
    name = getattr(function, "__name__", "the function")
    parameters = parameters_of(function)
    order = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    found: list[int | str] = []
    if isinstance(wrt, list):
        raise ArgumentError(f"wrt={wrt!r}: several arguments are named by a tuple", hint=f"wrt={tuple(wrt)!r}")
    if isinstance(wrt, tuple) and not wrt:
        raise ArgumentError("wrt is empty: name at least one argument")
    for entry in wrt if isinstance(wrt, tuple) else (wrt,):
        w: int | str = entry if isinstance(entry, str) else _position(entry, args)
        if isinstance(w, int) and not 0 <= w < len(args):
            given = w < len(order) and w >= 0 and (order[w] in options or has_default(parameters[order[w]]))
            if not given:
                raise ArgumentError(
                    f"wrt={entry}: {name} was called with {len(args)} positional argument{'s' * (len(args) != 1)}"
                    + ("" if args else "; there is nothing to differentiate with respect to")
                )
            w = order[w]
        if isinstance(w, str):
            if w in order and order.index(w) < len(args):
                w = order.index(w)
            elif w not in options:
                if w not in parameters or not has_default(parameters[w]):
                    known = ", ".join(parameters) or "none"
                    raise ArgumentError(
                        f"wrt={w!r}: {name} has no such argument in this call", hint=f"its arguments: {known}"
                    )
                options = {**options, w: parameters[w].default}
        found.append(w)
    if len(set(found)) < len(found):
        raise ArgumentError(f"wrt={wrt!r} names an argument twice")
    return found, args, options


def _position(entry: Any, args: tuple[Any, ...]) -> int:
    if isinstance(entry, (bool, np.bool_)) or not hasattr(entry, "__index__"):
        raise ArgumentError(f"wrt is a position or a name, not {entry!r}")
    w = operator.index(entry)
    return w if w >= 0 else len(args) + w


def has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def transformation(make: Function) -> Function:
    """A function of functions: what is not callable, and a `wrt` or `threads` that is none, are refused at once."""

    @public
    @functools.wraps(make)
    def checked(f: Any, *args: Any, **options: Any) -> Any:
        if not callable(f):
            raise ArgumentError(f"{make.__name__} takes a function, not {type(f).__name__}")
        if options.get("wrt", 0) is None:
            raise ArgumentError("wrt is a position or a name, not None")
        if "threads" in options:
            options["threads"] = _number_of_threads(options["threads"])
        return make(f, *args, **options)

    return checked


def _number_of_threads(given: Any) -> int:
    if isinstance(given, (bool, np.bool_)) or not hasattr(given, "__index__") or operator.index(given) < 1:
        raise ArgumentError(f"threads is a whole number, 1 or more, not {given!r}")
    return operator.index(given)


def differentiable(leaf: Any, name: str) -> Any:
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


def filled(found: Derived, outputs: Sequence[Any], types: Sequence[Any]) -> list[Any]:
    """The derivatives, zeros made real."""
    filled = []
    for index, t in zip(found.present, types, strict=True):
        if index is not None:
            filled.append(outputs[index])
        else:
            filled.append(np.zeros(t.shape, t.dtype) if t.shape else t.dtype.type(0))
    return filled


def to_run(recording: Recording) -> Program:
    """The Program that values are computed by: what repeats itself is a loop."""
    return recording.program if _stays_written_out(recording) else _rolled(recording)


def _stays_written_out(recording: Recording) -> bool:
    """Whether loops are no loops yet: inside of another recorded function, which may square the kinks they make."""
    return is_inside() and bool(derived(recording, "kinks", has_kinks))


def is_inside() -> bool:
    """Whether another function is being recorded: what is made of a recording for it is kept apart."""
    return current() is not None


def _rolled(recording: Recording) -> Program:
    found: Program = derived(recording, "rolled", _with_loops)
    return found


def _with_loops(program: Program) -> Program:
    with importing:
        from ..transform.reroll import rerolled

    return rerolled(program, _uneven_ends)


def _uneven_ends(loop: Loop) -> tuple[int, int] | None:
    with importing:  # only where there is a loop
        from ..analyze.slopes import uneven_ends

    return uneven_ends(loop)


def prepare(found: Derived) -> tuple[Derived, Runner]:
    return found, executable(found.program)


def has_reals(argument: Any) -> bool:
    leaves = [leaf_of(v, "argument") for v in flatten(argument)[0]]
    return bool(leaves) and all(
        type(v.value) is int if isinstance(v, Static) else type_of(v).dtype.kind == "f" for v in leaves
    )


def fit(x: Any, t: Any, what: str) -> Any:
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


def directions(call: Call, directions: tuple[Any, ...], what: str) -> list[Any]:
    moves: list[Any] = []
    if len(directions) != len(call.wrt_trees):
        raise ArgumentError(
            f"{len(call.wrt_trees)} {what}s are needed, one for each argument in wrt, not {len(directions)}"
        )
    for d, tree in zip(directions, call.wrt_trees, strict=True):
        leaves, own = flatten(d)
        if own != tree:
            raise ArgumentError(f"a {what} has not the structure of its argument")
        moves += leaves
    return [fit(x, t, what) for x, t in zip(moves, call.types(), strict=True)]
