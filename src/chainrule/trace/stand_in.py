"""Stand-ins: what a function being recorded is given in place of arrays.

A `Traced` is a mutable handle on an immutable Var: `x[i] = v` makes it mean another Var. A view remembers its base and
how it was taken, so that a write to one reaches the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InPlaceError, LeakError, NoAttributeError, NoRuleError, ValueNeededError
from ..ir import ArrayType, Atom, Const, Var
from ..ops.arithmetic import strong
from ..ops.indexing import read, write
from ..ops.op import Op, by_function
from .dispatch import call, invoke, locate, located
from .methods import ArrayMethods
from .where import here, segment

if TYPE_CHECKING:
    from .recorder import Recorder


class View:
    """How a handle is part of another: `take` reads it out of the base, `put` writes it back in."""

    __slots__ = ("base", "put", "seen", "take")

    def __init__(self, base: Traced, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> None:
        self.base, self.take, self.put, self.seen = base, take, put, base.clock()


class Traced(ArrayMethods):
    """Stands for one array while a function is being recorded. Behaves like a NumPy array whose values are unknown."""

    __slots__ = ("__weakref__", "_atom", "_view", "array", "doubt", "fresh", "owner", "recorder", "version")

    def __init__(
        self, recorder: Recorder, atom: Atom, *, owner: str = "", view: View | None = None, fresh: bool = False
    ) -> None:
        self.recorder = recorder
        self._atom = atom
        self.owner = owner  # whose array it is, when a write would reach outside
        self._view = view
        self.doubt: tuple[weakref.ref[Traced], ...] = ()  # arrays that may share memory with this one, or may not
        self.array = fresh  # even without axes it is an array, not a number
        self.fresh = fresh  # made by np.zeros and the like: contiguous, so that a reshape of it is a view
        self.version = 0

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What it stands for, for `isinstance`, `match` and whoever asks; `type(x)` tells the truth."""
        return kind_of(self)

    # --- reading ---

    @property
    def level(self) -> int:  # type: ignore[override]
        return self.recorder.level

    def clock(self) -> int:
        """Grows with every write to this array or to one that it is a view of."""
        return self.version + (self._view.base.clock() if self._view else 0)

    @property
    def atom(self) -> Atom:
        """What this handle means now."""
        view = self._view
        if view is not None and view.seen != view.base.clock():
            self._atom = view.take(view.base.now()).atom
            view.seen = view.base.clock()
        return self._atom

    @property
    def variable(self) -> Var:
        """The Var of a stand-in that is not a constant."""
        atom = self.atom
        assert isinstance(atom, Var)
        return atom

    def now(self) -> Traced:
        """A handle of its own on what this one means now: later writes to this one don't reach it."""
        return Traced(self.recorder, self.atom)

    def apply(self, op: Op, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return self.recorder.apply(op, args, params)

    def is_constant(self) -> bool:
        return isinstance(self.atom, Const)

    def number(self) -> Any:
        if self.type.shape or self.type.dtype.kind not in "iub":
            return None
        value = self.recorder.known(self.atom)
        return None if value is None else value.item() if self.weak else value[()]

    @property
    def weak(self) -> bool:  # type: ignore[override]
        return self._atom.type.weak

    @property
    def is_array(self) -> bool:
        """Whether it may be written in place; a number may not."""
        return self.array or bool(self.shape)

    def as_array(self) -> Traced:
        """Itself; instead of a number, an array without axes."""
        return self if self.is_array else Traced(self.recorder, strong(self).atom, fresh=True)

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

    def __str__(self) -> str:
        return repr(self) if self.type.differentiable else str(self.ask("str(…)", _UNKNOWN, _STAY)[()])

    def __format__(self, spec: str) -> str:
        if self.type.differentiable and not spec:
            return repr(self)  # printing what is being recorded is no harm
        return format(self.ask("the format", _UNKNOWN, "print the result of the function instead")[()], spec)

    def __hash__(self) -> int:
        return hash(self.ask("hash(…)", _UNKNOWN, _STAY)[()].item() if not self.shape else None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}")
        raise locate(NoAttributeError(f"x.{name} of an array that is being recorded is not in the op table"))

    # --- NumPy ---

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        selected = options.pop("where", True)
        if selected is not True:
            raise self.recorder.refuse(
                NoRuleError(f"np.{ufunc.__name__} with where= is not recorded", hint="use np.where(condition, a, b)")
            )
        rule: Any = ufunc if method == "__call__" else (ufunc, method)
        return call(rule, inputs, options if out is None else {**options, "out": out}, self.recorder)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, kwargs, self.recorder)

    # --- questions that need a value ---

    def ask(self, what: str, message: str, hint: str) -> np.ndarray[Any, Any]:
        """The value, where it is known while recording; else an error that teaches. Guards will be recorded here."""
        if not self.recorder.open:
            raise leaked()
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
                "`{what}` asks for a truth that is not known yet: the function is being recorded, and `if` or `while`"
                " would take the same branch for every later call",
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
        """A mask's values for the arguments at hand; for another mask the function is recorded anew."""
        if self.recorder.open:
            value = self.recorder.condition(self.atom)
            if value is not None:
                return value
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
        return self.round(digits or 0)

    # --- parts, and writing ---

    def __getitem__(self, index: Any) -> Any:
        part = located(lambda: read(self, index))
        if not _is_basic(index) or not isinstance(part, Traced):
            return part
        if not part.shape and not _keeps_array(index):
            return part.now()  # a number, not a view
        return self.part(part, lambda base: read(base, index), lambda base, v: write(base, index, v))

    def part(self, value: Traced, take: Callable[[Any], Any], put: Callable[[Any, Any], Any]) -> Traced:
        """`value` as a view of this array: a write to either reaches the other, as in NumPy."""
        if not self.is_array:
            return value.as_array()
        view = Traced(value.recorder, value.atom, view=View(self, take, put))
        view.array = True
        return view

    def __setitem__(self, index: Any, v: Any) -> None:
        if not self.recorder.open:
            raise leaked()
        if isinstance(v, (list, tuple)):
            v = invoke(np.array, (v,), {}, self.recorder)
        self.write(located(lambda: write(self.now(), index, v)))

    def write(self, new: Any) -> None:
        """Make this array mean `new`, and every array that shares its memory see it."""
        if not self.is_array:
            raise TypeError(f"a {kind_of(self).__name__} is a number, not an array: it can't be written into")
        if self.owner:
            raise self.recorder.refuse(
                InPlaceError(
                    f"the function writes into {self.owner}: the caller's array would change",
                    hint="start from a copy: x = x.copy()",
                )
            )
        if any(other() is not None for other in self.doubt):
            raise self.recorder.refuse(
                InPlaceError(
                    "the function writes into an array that was reshaped, or into the result: whether they share memory"
                    " depends on the layout of the array",
                    hint="write before reshaping, or take a copy: x.reshape(…).copy()",
                )
            )
        new = new.now() if isinstance(new, Traced) else new  # it may be a view of what is written
        if self._view is not None:
            base = self._view.base
            base.write(self._view.put(base.now(), new))
            self._view.seen = base.clock()
        self._atom = new.atom if isinstance(new, Traced) else Const(np.asarray(new))
        self.version += 1

    def copy(self, order: str = "C") -> Traced:
        """The same values in memory of their own, laid out row by row unless `order` says otherwise."""
        new = Traced(self.recorder, self.atom, fresh=order == "C")
        new.array = self.array
        return new

    __copy__ = copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise self.recorder.refuse(NoRuleError("an array that is being recorded can't be pickled"))

    def __deepcopy__(self, memo: Any) -> Traced:
        return self.copy()

    def view(self, *kind: Any) -> Traced:
        """The same memory under another name."""
        if kind:
            raise locate(NoRuleError("x.view(…) with another dtype or class is not recorded"))
        return self.part(self, lambda base: base, lambda base, v: v) if self.is_array else self

    def kin(self) -> set[int]:
        """This array, those that it is a view of, and those that may share memory with it; by id."""
        family = {id(self), *(id(other()) for other in self.doubt if other() is not None)}
        return family | self._view.base.kin() if self._view else family

    def view_of_transpose(self, order: tuple[int, ...]) -> Any:
        back = tuple(np.argsort(order).tolist())
        value = by_function[np.transpose](self, order)
        if value is self:
            return self
        take = lambda base: by_function[np.transpose](base, order)  # noqa: E731
        return self.part(value, take, lambda base, v: by_function[np.transpose](v, back))

    def view_of_reshape(self, value: Any, contiguous: bool = False) -> Any:
        """A reshaped self: a view if self is contiguous for certain; else neither of the two may be written."""
        if not isinstance(value, Traced) or not self.is_array:
            return value
        same_axes = [n for n in value.shape if n != 1] == [n for n in self.shape if n != 1]
        if self.fresh or (same_axes and not contiguous):
            view = self.part(
                value,
                lambda base: by_function[np.reshape](base, value.shape),
                lambda base, v: by_function[np.reshape](v, self.shape),
            )
            view.fresh = self.fresh
            return view
        value = Traced(value.recorder, value.atom)
        owner: Traced | None = self
        while owner is not None:  # whoever shares memory with self may share it with the result
            value.doubt += (weakref.ref(owner),)
            owner.doubt += (weakref.ref(value),)
            owner = owner._view.base if owner._view else None
        return value


def kind_of(x: Traced) -> type:
    """The class of what a stand-in stands for: a Python number, a NumPy scalar, an array."""
    if x.type.weak:
        return {"f": float, "i": int, "b": bool}[x.dtype.kind]
    return np.ndarray if x.is_array else x.dtype.type


def leaked() -> LeakError:
    return LeakError(
        "a stand-in for an array is used after its recording ended",
        hint="a recorded function must not store its values outside (a global, an attribute, a list): return them",
    )


_UNKNOWN = "`{what}` asks for a value that is not known yet: the function is being recorded"
_STAY = "stand-ins work in arithmetic as they are: leave the conversion out"


def _is_basic(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice, np.integer)) for i in items)


def _keeps_array(index: Any) -> bool:
    """x[0, ...] of a vector is an array without axes; x[0] is a number."""
    return any(i is Ellipsis for i in (index if isinstance(index, tuple) else (index,)))
