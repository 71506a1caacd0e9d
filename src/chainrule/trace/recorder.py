"""Stand-ins for arrays, and the recording they write.

A `Traced` is a mutable handle on an immutable Var: `x[i] = v` makes it point to another Var. Recordings nest; where
stand-ins of several meet, the innermost recording answers, and takes the others in as hidden inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ChainruleError, InPlaceError, LeakError, NoRuleError, ShapeError, ValueNeededError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var, Where
from ..ops import table  # the whole table, before anything is recorded
from ..ops.arithmetic import convert
from ..ops.contraction import broadcast
from ..ops.indexing import add_at, read, write
from ..ops.op import Interpreted, Op, by_function, shape_of
from .where import describe, here, operand_names, segment

__all__ = ["Recorder", "Traced", "invoke", "table"]

_depth = itertools.count(1)  # later recordings are inner ones: within a thread they nest, and threads never mix
_EMPTY: dict[str, Any] = {}


class Recorder:
    """One recording under way: what has been done so far, in order."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.level = next(_depth)
        self.open = True
        self.quiet = quiet  # a rule of ours is being recorded: no user line belongs to it
        self.equations: list[Equation] = []
        self.producer: dict[Var, Equation] = {}
        self.examples: dict[Var, Any] = {}  # inputs: an array like those to come, or an outer stand-in
        self.origin: dict[Var, str] = {}  # inputs: what the user calls them
        self.hidden: list[tuple[Var, Any, Any]] = []  # (Var, where to read it again, value now)
        self.lifted: dict[int, tuple[Any, Var]] = {}
        self.static: dict[Var, np.ndarray[Any, Any]] = {}  # inputs whose very value the function asked for
        self.refusals: list[ChainruleError] = []
        self.captures: Any = None  # what is read from outside, when a user's function is recorded

    # --- values that come in ---------------------------------------------------------------------------------------

    def input(self, type: ArrayType, name: str = "", example: Any = None, origin: str = "") -> Traced:
        """A new input, as a stand-in."""
        var = Var(type, name)
        self.examples[var] = example
        self.origin[var] = origin or name
        return Traced(self, var, owner=origin or f"its argument `{name}`")

    def hide(self, value: Any, source: Any, name: str) -> Traced:
        """A stand-in for an array (or outer stand-in) that the function reads from outside; `source` finds it again."""
        type_ = value.type if isinstance(value, Traced) else ArrayType(value.shape, value.dtype)
        stand_in = self.input(type_, name, value, origin=f"`{name}`, which it reads from outside")
        var = stand_in._atom
        assert isinstance(var, Var)
        self.hidden.append((var, source, value))
        self.lifted[id(value)] = (value, var)
        return stand_in

    def atom(self, value: Any) -> Any:
        """A value as an Atom of this recording; a Python number stays one, to be converted beside its neighbours."""
        if isinstance(value, Traced):
            if value.recorder is self:
                return value.atom
            if not value.recorder.open:
                raise _leak(value)
            outer = value.atom
            if isinstance(outer, Const):
                return outer
            if value.recorder.level > self.level:
                raise _leak(value)
            # what the outer handle means now: a later write to it must not reach this recording
            key = id(outer)
            if key not in self.lifted:
                self.hide(Traced(value.recorder, outer), None, outer.name)
                self.lifted[key] = (outer, self.hidden[-1][0])
            return self.lifted[key][1]
        if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
            return value
        if isinstance(value, (list, tuple)):
            value = invoke(np.array, (value,), _EMPTY, self)
            return value.atom if isinstance(value, Traced) else Const(value)
        if isinstance(value, (np.ndarray, np.generic)):
            known = self.lifted.get(id(value))
            if known is not None and known[0] is value:
                return known[1]
            if value.dtype.kind not in "fiub":
                raise NoRuleError(f"an array of dtype {value.dtype} can't be recorded", hint="use real numbers")
            return Const(value)
        raise NoRuleError(f"a value of type {type(value).__name__} can't be recorded: {str(value)[:60]}")

    # --- what is done ------------------------------------------------------------------------------------------------

    def apply(self, op: Op, args: Sequence[Any], params: dict[str, Any], where: Where | None = None) -> Any:
        """Record one op; broadcasting and conversions are written out. Of constants alone, the value is taken."""
        if not self.open:
            raise LeakError(
                "a stand-in is used after its recording ended",
                hint="don't keep what happens inside a recorded function",
            )
        if where is None and not self.quiet:
            where = here()
        atoms = [a._atom if type(a) is Traced and a.recorder is self and a.view is None else self.atom(a) for a in args]
        keys = tuple([
            (_WEAK[a.type.dtype.kind] if a.type.weak else a.type.dtype) if isinstance(a, Var)
            else a.type.dtype if isinstance(a, Const) else type(a) for a in atoms
        ])  # fmt: skip
        dtypes = op.operand_dtypes(keys)
        for i, (a, dtype) in enumerate(zip(atoms, dtypes, strict=True)):
            if isinstance(a, Var):
                if a.type.dtype != dtype:
                    (atoms[i],) = self.emit(convert, (a,), {"dtype": dtype}, where)
            elif isinstance(a, Const):
                if a.type.dtype != dtype:
                    atoms[i] = Const(a.value.astype(dtype))
            else:
                atoms[i] = Const(np.asarray(a, dtype))
        if all([isinstance(a, Const) for a in atoms]):
            with np.errstate(all="ignore"):
                value = op.evaluate(*(a.value for a in atoms), **params)
            return tuple(Traced(self, Const(v)) for v in value) if op.outputs > 1 else Traced(self, Const(value))
        if op.aligned:
            self._align(atoms, where)
        outputs = self.emit(op, tuple(atoms), params, where)
        return Traced(self, outputs[0]) if len(outputs) == 1 else tuple([Traced(self, v) for v in outputs])

    def _align(self, atoms: list[Any], where: Where | None) -> None:
        shapes = {a.type.shape for a in atoms if isinstance(a, Var) or a.type.shape}
        if len(shapes) <= 1:
            return
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(
                "{0} and {1} don't broadcast: their shapes differ", operands=[a.type for a in atoms][-2:]
            ) from None
        for i, a in enumerate(atoms):
            if a.type.shape != shape and (isinstance(a, Var) or a.type.shape):
                if isinstance(a, Const):
                    atoms[i] = self._spread_const(a, shape, where)
                else:
                    atoms[i] = broadcast(Traced(self, a), shape).atom

    def _spread_const(self, a: Const, shape: tuple[int, ...], where: Where | None) -> Atom:
        from ..ops.contraction import Spec, canonical, contract

        lead = len(shape) - a.type.ndim
        kept = [n for n, size in enumerate(a.type.shape) if size == shape[lead + n]]
        small = Const(a.value.reshape([a.type.shape[n] for n in kept]))
        labels = tuple(lead + n for n in kept)
        new = tuple((n, shape[n]) for n in range(len(shape)) if n not in labels)
        spec = canonical(Spec((labels,), tuple(range(len(shape))), new))
        return self.emit(contract, (small,), {"spec": spec}, where)[0]

    def emit(self, op: Op, atoms: tuple[Atom, ...], params: dict[str, Any], where: Where | None) -> tuple[Var, ...]:
        """Append one equation whose operands fit already."""
        outputs = tuple([Var(t) for t in op.types(*[a.type for a in atoms], **params)])
        equation = Equation(op, atoms, outputs, params, where)
        self.equations.append(equation)
        for v in outputs:
            self.producer[v] = equation
        return outputs

    def splice(self, program: Program, atoms: Sequence[Atom], where: Where | None = None) -> list[Atom]:
        """Write a finished Program into this recording, its inputs replaced by `atoms`."""
        new: dict[Var, Atom] = dict(zip(program.inputs, atoms, strict=True))
        for e in program.equations:
            outputs = tuple([Var(v.type, v.name) for v in e.outputs])
            copy = Equation(
                e.op,
                tuple([new[a] if isinstance(a, Var) else a for a in e.inputs]),
                outputs,
                e.params,
                where or e.where,
            )
            self.equations.append(copy)
            for old, v in zip(e.outputs, outputs, strict=True):
                new[old] = v
                self.producer[v] = copy
        return [new[a] if isinstance(a, Var) else a for a in program.outputs]

    # --- values that are asked for --------------------------------------------------------------------------------------

    def sources(self, var: Var) -> set[Var]:
        """The inputs from which a value is computed."""
        found, seen, stack = set(), set(), [var]
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v in self.producer:
                stack += [a for a in self.producer[v].inputs if isinstance(a, Var)]
            else:
                found.add(v)
        return found

    def known(self, atom: Atom) -> np.ndarray[Any, Any] | None:
        """The value of an atom that depends on nothing but whole numbers and truths; those become part of the recording's key.

        None when a float input is among its sources: its value changes from call to call.
        """
        if isinstance(atom, Const):
            return atom.value
        sources = self.sources(atom)
        if any(v.type.differentiable or self.examples.get(v) is None for v in sources):
            return None
        values: dict[Var, Any] = {}
        for v in sources:
            example = self.examples[v]
            value = example.recorder.known(example.atom) if isinstance(example, Traced) else np.array(example)
            if value is None:
                return None
            values[v] = value
        self.static.update(values)
        needed = {v for v in self._between(atom)}
        for e in self.equations:
            if e.outputs[0] in needed:
                args = [values[a] if isinstance(a, Var) else a.value for a in e.inputs]
                result = e.op.evaluate(*args, **e.params)
                values.update(zip(e.outputs, result if e.op.outputs > 1 else (result,), strict=True))
        return np.asarray(values[atom])

    def _between(self, var: Var) -> set[Var]:
        seen, stack = set(), [var]
        while stack:
            v = stack.pop()
            if v not in seen and v in self.producer:
                seen.update(self.producer[v].outputs)
                stack += [a for a in self.producer[v].inputs if isinstance(a, Var)]
        return seen

    def refuse(self, error: ChainruleError) -> ChainruleError:
        """Remember an error: whatever NumPy, or the user's `except`, makes of it, it is the one to report."""
        self.refusals.append(locate(error))
        return error


_WEAK = {"f": float, "i": int, "b": bool}


def locate(error: ChainruleError) -> ChainruleError:
    """Put the user's line, and the operands as they wrote them, into an error that does not know them yet."""
    if not error.located:
        place = here()
        if place is not None:
            error.where = describe(place)
            names = operand_names(place)
            if error.operands and len(names) >= len(error.operands):
                error.names = names
    return error


def _leak(value: Traced) -> LeakError:
    return LeakError(
        "a stand-in for an array is used after its recording ended",
        hint="a recorded function must not store its values outside (in a global, an attribute, a list); return them instead",
    )


# --- stand-ins ------------------------------------------------------------------------------------------------------------


class View:
    """How a handle is part of another: `take` reads it out of the base, `put` writes it back in."""

    __slots__ = ("base", "put", "seen", "take")

    def __init__(self, base: Traced, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> None:
        self.base, self.take, self.put, self.seen = base, take, put, base.clock()


class Traced(Interpreted):
    """Stands for one array while a function is being recorded. Behaves like a NumPy array whose values are unknown."""

    __slots__ = ("__weakref__", "_atom", "fresh", "owner", "recorder", "version", "view")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # as for arrays

    def __init__(
        self, recorder: Recorder, atom: Atom, *, owner: str = "", view: View | None = None, fresh: bool = False
    ) -> None:
        self.recorder = recorder
        self._atom = atom
        self.owner = owner  # whose array it is, when a write would reach outside
        self.view = view
        self.fresh = fresh  # made by np.zeros and the like: contiguous, so that a reshape of it is a view
        self.version = 0

    # --- reading ---

    @property
    def level(self) -> int:  # type: ignore[override]
        return self.recorder.level

    def clock(self) -> int:
        """Grows with every write to this array or to one that it is a view of."""
        return self.version + (self.view.base.clock() if self.view else 0)

    @property
    def atom(self) -> Atom:
        """What this handle means now."""
        view = self.view
        if view is not None and view.seen != view.base.clock():
            self._atom = view.take(Traced(self.recorder, view.base.atom)).atom
            view.seen = view.base.clock()
        return self._atom

    def apply(self, op: Op, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return self.recorder.apply(op, args, params)

    def number(self) -> float | int | bool | None:
        if self.type.shape or self.type.dtype.kind not in "iub":
            return None
        value = self.recorder.known(self.atom)
        return None if value is None else value.item()

    @property
    def type(self) -> ArrayType:
        return self._atom.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self._atom.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._atom.type.dtype

    @property
    def ndim(self) -> int:
        return len(self._atom.type.shape)

    @property
    def size(self) -> int:
        return self._atom.type.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.type}, being recorded>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    # --- NumPy ---

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        selected = options.pop("where", True)
        if selected is not True:
            raise self.recorder.refuse(
                NoRuleError(f"np.{ufunc.__name__} with where= is not recorded", hint="use np.where(condition, a, b)")
            )
        if method == "__call__":
            rule: Any = ufunc
        else:
            rule = (ufunc, method)
        result = invoke(rule, inputs, options, self.recorder)
        return result if out is None else _store(out[0] if isinstance(out, tuple) else out, result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, kwargs, self.recorder)

    # --- questions that need a value ---

    def ask(self, what: str, message: str, hint: str) -> np.ndarray[Any, Any]:
        """The value, where it is known while recording; else an error that teaches. Guards will be recorded here."""
        if not self.recorder.open:
            raise _leak(self)
        value = self.recorder.known(self.atom)
        if value is None:
            place = here()
            text = segment(place) if place else ""
            error = ValueNeededError(message.replace("{what}", text or what), hint=hint)
            raise self.recorder.refuse(error)
        return value

    def __bool__(self) -> bool:
        return bool(
            self.ask(
                "the condition",
                "`{what}` asks for a truth that is not known yet: the function is being recorded, and `if` or `while` would"
                " take the same branch for every later call",
                "np.where(condition, a, b) keeps both branches; np.maximum, np.minimum, np.clip cover many cases",
            )
        )

    def __float__(self) -> float:
        return float(
            self.ask(
                "float(…)", "`{what}` asks for a number that is not known yet: the function is being recorded", _STAY
            )
        )

    def __int__(self) -> int:
        return int(
            self.ask(
                "int(…)",
                "`{what}` asks for a whole number that is not known yet: the function is being recorded",
                _STAY,
            )
        )

    def __index__(self) -> int:
        value = self.ask(
            "the index",
            "`{what}` asks for a whole number that is not known yet: the function is being recorded",
            "sizes and loop counts must not depend on values; an array of whole numbers may be used as an index",
        )
        return value.__index__()

    def __complex__(self) -> complex:
        return complex(self.ask("complex(…)", "`{what}` asks for a number that is not known yet", _STAY))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        value = self.ask(
            "np.asarray(…)",
            "`{what}` asks for a plain array, but its values are not known yet: the function is being recorded",
            "this function has no entry in the op table, or a stand-in is written into an array made outside",
        )
        return np.array(value, dtype)

    def value_for_index(self) -> np.ndarray[Any, Any]:
        """A mask's values, if they never change."""
        return self.ask(
            "the mask",
            "`{what}` has as many elements as the mask has true values, which are not known yet",
            "write np.where(mask, x, 0), or np.sum(np.where(mask, x, 0)) / np.sum(mask) for a mean",
        )

    def item(self, *args: Any) -> Any:
        """The number itself: refused, like float(x), unless it never changes."""
        picked = self[args if len(args) > 1 else args[0]] if args else self
        return np.asarray(picked.ask("x.item()", "`{what}` asks for a number that is not known yet", _STAY)).item()

    def tolist(self) -> Any:
        return self.ask("x.tolist()", "`{what}` asks for numbers that are not known yet", _STAY).tolist()

    def __iter__(self) -> Any:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def __round__(self, digits: int | None = None) -> Any:
        return np.rint(self) if not digits else self.round(digits)  # type: ignore[attr-defined]

    # --- parts, and writing ---

    def __getitem__(self, index: Any) -> Any:
        part = _located(lambda: read(self, index))
        if not _is_basic(index) or not isinstance(part, Traced):
            return part
        return self.part(part, lambda base: read(base, index), lambda base, v: write(base, index, v))

    def part(self, value: Traced, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> Traced:
        """`value` as a view of this array: a write to either reaches the other, as in NumPy."""
        if not value.shape and not isinstance(value._atom, Const):
            return value  # a number, not a view
        return Traced(value.recorder, value._atom, view=View(self, take, put))

    def __setitem__(self, index: Any, v: Any) -> None:
        if not self.recorder.open:
            raise _leak(self)
        self.write(_located(lambda: write(Traced(self.recorder, self.atom), index, v)))

    def write(self, new: Any) -> None:
        """Make this array mean `new`, and every array that shares its memory see it."""
        if self.owner:
            raise self.recorder.refuse(
                InPlaceError(
                    f"the function writes into {self.owner}: the caller's array would change",
                    hint="start from a copy: x = x.copy()",
                )
            )
        if self.view is not None:
            base = self.view.base
            base.write(self.view.put(Traced(base.recorder, base.atom), new))
            self.view.seen = base.clock()
        self._atom = new.atom if isinstance(new, Traced) else Const(np.asarray(new))
        self.version += 1

    def copy(self, order: str = "C") -> Traced:
        """The same values in memory of their own."""
        return Traced(self.recorder, self.atom, fresh=True)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Traced:
        return self.copy()

    def setflags(self, **flags: Any) -> None:
        raise self.recorder.refuse(NoRuleError("setflags is not recorded"))


_STAY = "stand-ins work in arithmetic as they are: leave the conversion out"


def _is_basic(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice, np.integer)) for i in items)


def _store(out: Any, result: Any) -> Any:
    """out= : write the result there."""
    if not isinstance(out, Traced):
        raise InPlaceError(
            "out= names an array made outside the recording", hint="make it inside the function, or leave out= away"
        )
    out[...] = result
    return out


def _located(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except ChainruleError as error:
        raise locate(error) from None


def _involved(args: Any, depth: int = 0) -> Traced | None:
    """The stand-in of the innermost recording among arguments, also inside lists."""
    found: Traced | None = None
    for a in args.values() if isinstance(args, dict) else args:
        inner = a if isinstance(a, Traced) else None
        if inner is None and type(a) in (list, tuple) and depth < 4:
            inner = _involved(a, depth + 1)
        if inner is not None and (found is None or inner.level > found.level):
            found = inner
    return found


def invoke(function: Any, args: Sequence[Any], options: dict[str, Any], recorder: Recorder | None = None) -> Any:
    """Call a NumPy function on stand-ins: look up what it means in the op table."""
    rule = by_function.get(function)
    if rule is None:
        known = _plain_arguments(args, options)
        if known is not None:  # nothing in it changes from call to call: NumPy itself may answer
            return (
                getattr(*function)(*known[0], **known[1])
                if isinstance(function, tuple)
                else function(*known[0], **known[1])
            )
        error = NoRuleError(
            f"{name_of(function)} has no entry in the op table",
            hint="write it with entries that exist, or add one: docs/guide/add-an-op.md",
        )
        raise recorder.refuse(error) if recorder else locate(error)
    try:
        return rule(*args, **options)
    except ChainruleError as error:
        raise locate(error) from None
    except TypeError as error:
        if options and "unexpected keyword" in str(error):
            text = ", ".join(f"{k}=" for k in options)
            refusal = NoRuleError(
                f"{name_of(function)} is not recorded with {text}",
                hint="leave the option out, or write it with other entries",
            )
            raise (recorder.refuse(refusal) if recorder else locate(refusal)) from None
        raise


def _plain_arguments(args: Sequence[Any], options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments with known values in place of stand-ins; None if one is not known."""

    def plain(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)([plain(v) for v in a])
        if not isinstance(a, Traced):
            return a
        value = a.recorder.known(a.atom)
        if value is None:
            raise LookupError
        return value.item() if a.type.weak or not value.shape else value

    try:
        return [plain(a) for a in args], {k: plain(a) for k, a in options.items()}
    except LookupError:
        return None


def call(function: Any, args: Sequence[Any], options: dict[str, Any], recorder: Recorder) -> Any:
    """A NumPy function called by the user: as `invoke`, but minding memory: out=, and results that share it with an argument."""
    options = dict(options)
    out = options.pop("out", None)
    result = invoke(function, args, options, recorder)
    if out is not None:
        return _store(out, result)
    x = args[0] if args else None
    if isinstance(x, Traced) and x.recorder is recorder:
        if function in RESHAPING:
            return view_of_reshape(x, result)
        if function in SHARING:
            return _guarded_views(function, x, args[1:], options, result)
    return result


RESHAPING = {np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d}
SHARING = {
    np.transpose, np.swapaxes, np.moveaxis, np.matrix_transpose, np.flip, np.flipud, np.fliplr, np.diagonal, np.diag,
    np.broadcast_to, np.split, np.array_split, np.hsplit, np.vsplit,
}  # fmt: skip


def _guarded_views(function: Any, x: Traced, rest: Sequence[Any], options: dict[str, Any], result: Any) -> Any:
    """Results that share memory with x: a write to x reaches them; a write to one of them is refused."""

    def refuse(base: Any, v: Any) -> Any:
        raise x.recorder.refuse(
            InPlaceError(
                f"the function writes into a result of {name_of(function)}, which shares memory with its argument",
                hint="write into the array itself, or into a copy: .copy()",
            )
        )

    def part(value: Any, pick: Callable[[Any], Any]) -> Any:
        if not isinstance(value, Traced) or value is x:
            return value
        return x.part(value, lambda base: pick(by_function[function](base, *rest, **options)), refuse)

    if isinstance(result, list):
        return [part(value, lambda found, i=i: found[i]) for i, value in enumerate(result)]
    return part(result, lambda found: found)


def name_of(function: Any) -> str:
    """np.linalg.solve, as a user writes it."""
    if isinstance(function, tuple):
        return f"{name_of(function[0])}.{function[1]}"
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):
        module = "numpy" if getattr(np, name, None) is function else "scipy.special"
    module = ".".join(part for part in module.split(".") if not part.startswith("_"))
    return f"{module.replace('numpy', 'np')}.{name}"


# --- operators and methods: what they mean stands in the table ------------------------------------------------------------


def _operator(function: Any, swapped: bool = False) -> Any:
    def method(self: Traced, other: Any) -> Any:
        if isinstance(other, (str, bytes, dict, set)) or other is None:
            return NotImplemented
        pair = (other, self) if swapped else (self, other)
        result = invoke(function, pair, _EMPTY, self.recorder)
        if isinstance(result, Traced) and self.type.weak and isinstance(result._atom, Var):
            if isinstance(other, (int, float)) or (isinstance(other, Traced) and other.type.weak):
                result._atom.type = result._atom.type._replace(weak=True)  # a Python number stays one
        return result

    return method


def _in_place(function: Any) -> Any:
    def method(self: Traced, other: Any) -> Any:
        result = invoke(function, (self, other), _EMPTY, self.recorder)
        if not self.shape and self.view is None:  # a number: the name is bound anew, as in Python
            return result
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise locate(ShapeError("the result is %s and can't be stored in {0}" % result.type, operands=(self.type,)))
        result = by_function[np.astype](result, self.dtype)
        self.write(result)
        return self

    return method


for _name, _function in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_function))
    setattr(Traced, f"__r{_name}__", _operator(_function, swapped=True))
    setattr(Traced, f"__i{_name}__", _in_place(_function))
for _name, _function in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_function))
for _name, _function in {"neg": np.negative, "abs": np.absolute, "pos": np.positive, "invert": np.invert}.items():
    setattr(Traced, f"__{_name}__", lambda self, _function=_function: invoke(_function, (self,), _EMPTY, self.recorder))


def _method(function: Any) -> Any:
    return lambda self, *args, **options: call(function, (self, *args), options, self.recorder)


for _name, _function in {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var, "std": np.std, "prod": np.prod,
    "cumsum": np.cumsum, "dot": np.dot, "clip": np.clip, "trace": np.trace, "argmax": np.argmax, "argmin": np.argmin,
    "argsort": np.argsort, "take": np.take, "repeat": np.repeat, "any": np.any, "all": np.all, "round": np.round,
    "ptp": np.ptp, "conj": np.positive, "conjugate": np.positive,
}.items():  # fmt: skip
    setattr(Traced, _name, _method(_function))


def _view_of(self: Traced, value: Any, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> Any:
    """A rearrangement as a view of its base; of a reshape it is certain only when the base is contiguous."""
    return self.part(value, take, put) if isinstance(value, Traced) and value is not self else self


def view_of_transpose(self: Traced, order: tuple[int, ...]) -> Any:
    back = tuple(np.argsort(order).tolist())
    take = lambda base: by_function[np.transpose](base, order)  # noqa: E731
    return _view_of(self, take(self), take, lambda base, v: by_function[np.transpose](v, back))


def view_of_reshape(self: Traced, value: Any) -> Any:
    if not isinstance(value, Traced) or value is self:
        return value
    if value.shape == self.shape:
        return self.part(value, lambda base: base, lambda base, v: v)

    def put(base: Traced, v: Any) -> Any:
        if not self.fresh:
            raise self.recorder.refuse(
                InPlaceError(
                    "the function writes into a reshaped array: whether NumPy shares memory there depends on its layout",
                    hint="write before reshaping, or into a copy: x.reshape(…).copy()",
                )
            )
        return by_function[np.reshape](v, self.shape)

    return self.part(value, lambda base: by_function[np.reshape](base, value.shape), put)


def _reshape(self: Traced, *shape: Any, order: str = "C") -> Any:
    shape = shape[0] if len(shape) == 1 else shape
    return view_of_reshape(self, invoke(np.reshape, (self, shape), {"order": order}, self.recorder))


def _transpose(self: Traced, *axes: Any) -> Any:
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes or None
    n = self.ndim
    order = tuple(range(n))[::-1] if axes is None else tuple(int(a) % n for a in axes)
    return _located(lambda: view_of_transpose(self, order))


def _swapaxes(self: Traced, i: int, j: int) -> Any:
    order = list(range(self.ndim))
    order[i], order[j] = order[j], order[i]
    return _located(lambda: view_of_transpose(self, tuple(order)))


def _astype(self: Traced, dtype: Any, **options: Any) -> Any:
    new = invoke(np.astype, (self, dtype), _EMPTY, self.recorder)
    return new.copy() if new is self else new


Traced.reshape = _reshape  # type: ignore[attr-defined]
Traced.transpose = _transpose  # type: ignore[attr-defined]
Traced.swapaxes = _swapaxes  # type: ignore[attr-defined]
Traced.T = property(_transpose)  # type: ignore[attr-defined]
Traced.mT = property(lambda self: _swapaxes(self, -1, -2))  # type: ignore[attr-defined]
Traced.ravel = lambda self, order="C": view_of_reshape(self, invoke(np.ravel, (self, order), _EMPTY, self.recorder))  # type: ignore[attr-defined]
Traced.flatten = lambda self, order="C": invoke(np.ravel, (self, order), _EMPTY, self.recorder).copy()  # type: ignore[attr-defined]
Traced.squeeze = lambda self, axis=None: view_of_reshape(self, invoke(np.squeeze, (self, axis), _EMPTY, self.recorder))  # type: ignore[attr-defined]
Traced.diagonal = _method(np.diagonal)  # type: ignore[attr-defined]
Traced.astype = _astype  # type: ignore[attr-defined]
Traced.real = property(lambda self: self)  # type: ignore[attr-defined]
Traced.flat = property(lambda self: _reshape(self, -1))  # type: ignore[attr-defined]


def _fill(self: Traced, value: Any) -> None:
    self[...] = value


def _sort(self: Traced, axis: int = -1, **options: Any) -> None:
    self[...] = invoke(np.sort, (self, axis), options, self.recorder)


Traced.fill = _fill  # type: ignore[attr-defined]
Traced.sort = _sort  # type: ignore[attr-defined]


def _at(x: Any, index: Any, v: Any = None) -> None:
    if not isinstance(x, Traced):
        raise InPlaceError(
            "np.add.at writes into an array made outside the recording", hint="make it inside the function: np.zeros(…)"
        )
    x.write(add_at(Traced(x.recorder, x.atom), index, v))


def _outer(function: Any) -> Any:
    def rule(x: Any, y: Any) -> Any:
        spread = by_function[np.reshape](x, shape_of(x) + (1,) * len(shape_of(y)))
        return invoke(function, (spread, y), _EMPTY)

    return rule


def _reduce(function: Any) -> Any:
    return lambda x, axis=0, dtype=None, keepdims=False: function(x, axis=axis, keepdims=keepdims)


by_function[(np.add, "at")] = _at
by_function[(np.add, "reduce")] = _reduce(np.sum)
by_function[(np.multiply, "reduce")] = _reduce(np.prod)
by_function[(np.maximum, "reduce")] = _reduce(np.max)
by_function[(np.minimum, "reduce")] = _reduce(np.min)
by_function[(np.logical_and, "reduce")] = _reduce(np.all)
by_function[(np.logical_or, "reduce")] = _reduce(np.any)
by_function[(np.add, "accumulate")] = lambda x, axis=0, dtype=None: np.cumsum(x, axis=axis)
for _function in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power):
    by_function[(_function, "outer")] = _outer(_function)
