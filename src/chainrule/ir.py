"""What a recorded function becomes: a straight-line Program over arrays of known shape and dtype.

Nothing here knows calculus. A Program is data: it prints, compares, hashes, and can be checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import ProgramError

if TYPE_CHECKING:
    from .ops.op import Op

Array = np.ndarray[Any, Any]
Where = tuple[Any, int]  # a code object and the index of the instruction in it: text is looked up only when asked


class ArrayType(NamedTuple):
    """All that is known of an array before it has values.

    `weak` marks what came from a Python number: beside an array it takes on the array's dtype, as in NumPy 2.
    """

    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = np.dtype(np.float64)
    weak: bool = False

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def differentiable(self) -> bool:
        return self.dtype.kind == "f"

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


class Var:
    """One value, assigned once. Two Vars are equal only if they are the same object."""

    __slots__ = ("name", "type")

    def __init__(self, type: ArrayType, name: str = "") -> None:
        self.type = type
        self.name = name

    def __repr__(self) -> str:
        return f"Var({self.name or '?'}: {self.type})"


class Const:
    """A value known while recording. A 0-d Const may stand beside operands of any shape."""

    __slots__ = ("_key", "type", "value")

    def __init__(self, value: Any) -> None:
        array = np.asarray(value)
        self._key: tuple[Any, ...] | None = None
        if array.flags.writeable:
            if array.base is not None or array is value:
                array = array.copy()  # a later write by its owner must not reach us
            array.flags.writeable = False
        self.value: Array = array
        self.type = ArrayType(array.shape, array.dtype)

    def is_scalar(self, number: float) -> bool:
        """Whether this is that number, in any dtype and shape."""
        value = self.value
        if not value.ndim:
            return value.dtype.kind in "fiub" and bool(value.item() == number)
        return bool(value.size) and value.dtype.kind in "fiub" and bool((value == number).all())

    def key(self) -> tuple[Any, ...]:
        """The value as one hashable thing."""
        if self._key is None:
            self._key = (self.type.dtype.str, self.type.shape, self.value.tobytes())
        return self._key

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


Atom = Var | Const
Params = Mapping[str, Any]


class Equation:
    """outputs = op(*inputs, **params), written by the user at `where`. Treat it as frozen."""

    __slots__ = ("inputs", "op", "outputs", "params", "where")

    def __init__(
        self, op: Op, inputs: tuple[Atom, ...], outputs: tuple[Var, ...], params: Params, where: Where | None = None
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.params = params
        self.where = where

    @property
    def output(self) -> Var:
        (output,) = self.outputs
        return output

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.op.name}{self.inputs} {dict(self.params)}"


class Program:
    """Inputs, equations in order, outputs. `print(program)` is how we debug.

    Two Programs are equal when they compute the same thing step by step, whatever their variables are called.
    """

    __slots__ = ("_hash", "_key", "equations", "inputs", "name", "outputs")

    def __init__(
        self, inputs: tuple[Var, ...], equations: tuple[Equation, ...], outputs: tuple[Atom, ...], name: str = "program"
    ) -> None:
        self.inputs = inputs
        self.equations = equations
        self.outputs = outputs
        self.name = name
        self._key: tuple[Any, ...] | None = None
        self._hash: int | None = None

    @property
    def variables(self) -> Iterator[Var]:
        """Every Var, in the order in which it is assigned."""
        yield from self.inputs
        for equation in self.equations:
            yield from equation.outputs

    def names(self) -> dict[Var, str]:
        """A name for every Var: the user's own where there is one, else a, b, c, …; never the same twice."""
        variables = list(self.variables)
        taken = {v.name for v in variables if v.name}
        fresh = (letter for letter in _letters() if letter not in taken)
        names: dict[Var, str] = {}
        used: set[str] = set()
        for v in variables:
            name, n = v.name, 1
            while name and name in used:
                n += 1
                name = f"{v.name}_{n}"
            names[v] = name or next(fresh)
            used.add(names[v])
        return names

    def key(self) -> tuple[Any, ...]:
        """The Program's structure as one hashable value."""
        if self._key is None:
            number = {v: i for i, v in enumerate(self.variables)}

            def atom(a: Atom) -> Any:
                if isinstance(a, Var):
                    return number[a]
                return a.key()

            self._key = (
                tuple(v.type for v in self.inputs),
                tuple(
                    (
                        e.op,
                        tuple(map(atom, e.inputs)),
                        tuple(v.type for v in e.outputs),
                        tuple(sorted(e.params.items())),
                    )
                    for e in self.equations
                ),
                tuple(map(atom, self.outputs)),
            )
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.key() == other.key()

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.key())
        return self._hash

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, place: Callable[[Where], str] | None = None) -> str:
        """The Program, one equation a line; `place` turns a `where` into the user's line."""
        names = self.names()

        def show(a: Atom) -> str:
            if isinstance(a, Var):
                return names[a]
            if a.value.ndim == 0:
                return f"{a.value:.6g}" if a.value.dtype.kind == "f" else str(a.value)
            return f"const {a.type}"

        def line(e: Equation) -> tuple[str, str]:
            left = ", ".join(f"{names[v]}: {v.type}" for v in e.outputs)
            right = f"{e.op.name}({', '.join(map(show, e.inputs))})"
            params = " ".join(f"{k}={v}" for k, v in e.params.items())
            return f"  {left} = {right}" + (f"  {{{params}}}" if params else ""), (
                place(e.where) if place and e.where else ""
            )

        lines = [line(e) for e in self.equations]
        width = min(max((len(left) for left, _ in lines), default=0), 76)
        head = f"{self.name}({', '.join(f'{names[v]}: {v.type}' for v in self.inputs)}):"
        tail = f"  return {', '.join(map(show, self.outputs))}"
        body = [f"{left.ljust(width)}  # {right}" if right else left for left, right in lines]
        inner = [f"  where {p.text(place)}".replace("\n", "\n  ") for p in self.held()]
        return "\n".join([head, *body, tail, *inner])

    def held(self) -> list[Program]:
        """The Programs that stand in parameters: steps of loops, branches, integrands."""
        found = [getattr(v, "program", None) for e in self.equations for v in e.params.values()]
        return list({id(p): p for p in found if isinstance(p, Program)}.values())


def without_dead_code(program: Program) -> Program:
    """Only what an output needs."""
    wanted: set[Atom] = set(program.outputs)
    kept = []
    for e in reversed(program.equations):
        if not wanted.isdisjoint(e.outputs):
            if e.op.trimmed is not None:
                e = e.op.trimmed(e, tuple([v in wanted for v in e.outputs]))
            kept.append(e)
            wanted.update(e.inputs)
    return Program(program.inputs, tuple(reversed(kept)), program.outputs, program.name)


def _letters() -> Iterator[str]:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    yield from alphabet
    n = 1
    while True:
        yield from (f"{letter}{n}" for letter in alphabet)
        n += 1


def check(program: Program) -> Program:
    """Raise ProgramError if a value is used before it is defined, assigned twice, or typed wrongly."""
    known: set[Var] = set()
    for v in program.inputs:
        if v in known:
            raise ProgramError(f"input {v!r} is listed twice")
        known.add(v)
    for e in program.equations:
        for a in e.inputs:
            if isinstance(a, Var) and a not in known:
                raise ProgramError(f"{e.op.name}: {a!r} is used before it is defined")
        try:
            expected = e.op.types(*(a.type for a in e.inputs), **e.params)
        except ProgramError:
            raise
        except Exception as error:
            raise ProgramError(f"{e!r}: {error}") from error
        if len(expected) != len(e.outputs):
            raise ProgramError(f"{e.op.name}: {len(e.outputs)} outputs, the rule says {len(expected)}")
        for v, t in zip(e.outputs, expected, strict=True):
            if (v.type.shape, v.type.dtype) != (t.shape, t.dtype):
                raise ProgramError(f"{e!r}: output is {v.type}, the rule says {t}")
            if v in known:
                raise ProgramError(f"{e.op.name}: {v!r} is assigned twice")
            known.add(v)
    for a in program.outputs:
        if isinstance(a, Var) and a not in known:
            raise ProgramError(f"output {a!r} is never defined")
    return program
