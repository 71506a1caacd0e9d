"""The recording a function writes as it runs on stand-ins.

Recordings nest; where stand-ins of several meet, the innermost recording answers, and takes the others in as hidden
inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ChainruleError, LeakError, NoRuleError, ShapeError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var, Where
from ..ops.arithmetic import convert
from ..ops.contraction import Spec, broadcast, canonical, contract
from ..ops.op import PYTHON_TYPES, Op
from .dispatch import invoke, locate
from .stand_in import Traced, leaked
from .where import here

__all__ = ["Recorder", "Traced"]

_depth = itertools.count(1)  # later recordings are inner ones: within a thread they nest, and threads never mix
_EMPTY: dict[str, Any] = {}


_NUMBER = ArrayType()


@lru_cache(maxsize=4096)
def _of_numbers(op: Op, keys: tuple[Any, ...]) -> tuple[tuple[Any, ...], ArrayType]:
    """Of an elementwise op of numbers: the operands' dtypes, and the type of the result."""
    dtypes = op.operand_dtypes(keys)
    return dtypes, op.types(*[ArrayType((), t) for t in dtypes])[0]


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
        self.lifted: dict[int, tuple[Any, Var]] = {}  # by id: outer values, and what was read where
        self.static: dict[Var, np.ndarray[Any, Any]] = {}  # inputs whose very value the function asked for
        self.conditions: dict[Var, np.ndarray[Any, Any]] = {}  # values on which the function's course depended
        self._numbers: dict[Any, Const] = {}
        self.refusals: list[ChainruleError] = []
        self.captures: Any = None  # what is read from outside, when a user's function is recorded

    # --- values that come in ---------------------------------------------------------------------------------------

    def input(self, type: ArrayType, name: str = "", example: Any = None, origin: str = "") -> Traced:
        """A new input, as a stand-in."""
        var = Var(type, name)
        self.examples[var] = example
        self.origin[var] = origin or name
        stand_in = Traced(self, var, owner=origin or f"its argument `{name}`")
        stand_in.array = isinstance(example, np.ndarray)
        return stand_in

    def hide(self, value: Any, source: Any, name: str) -> Traced:
        """A stand-in for an array (or outer stand-in) that the function reads from outside; `source` finds it again."""
        type_ = value.type if isinstance(value, Traced) else ArrayType(value.shape, value.dtype)
        stand_in = self.input(type_, name, value, origin=f"`{name}`, which it reads from outside")
        var = stand_in._atom
        assert isinstance(var, Var)
        self.hidden.append((var, source, value))
        return stand_in

    def atom(self, value: Any) -> Any:
        """A value as an Atom of this recording; a Python number stays one, to be converted beside its neighbours."""
        if isinstance(value, Traced):
            if value.recorder is self:
                return value.atom
            if not value.recorder.open:
                raise leaked()
            outer = value.atom
            if isinstance(outer, Const):
                return outer
            if value.recorder.level > self.level:
                raise leaked()
            # what the outer handle means now: a later write to it must not reach this recording
            key = id(outer)
            if key not in self.lifted:
                self.hide(Traced(value.recorder, outer), None, outer.name)
                self.lifted[key] = (outer, self.hidden[-1][0])
            return self.lifted[key][1]
        if isinstance(value, bool):
            return Const(np.asarray(value))
        if isinstance(value, (int, float)) and not isinstance(value, np.generic):
            return value if type(value) in (int, float) else float(value) if isinstance(value, float) else int(value)
        if isinstance(value, (list, tuple)):
            value = invoke(np.array, (value,), _EMPTY, self)
            return value.atom if isinstance(value, Traced) else Const(value)
        if isinstance(value, (np.ndarray, np.generic)):
            if value.dtype.kind not in "fiub":
                raise NoRuleError(f"an array of dtype {value.dtype} can't be recorded", hint="use real numbers")
            return Const(value)
        raise NoRuleError(f"a value of type {type(value).__name__} can't be recorded: {str(value)[:60]}")

    # --- what is done -----------------------------------------------------------------------------------------------

    def apply(self, op: Op, args: Sequence[Any], params: dict[str, Any], where: Where | None = None) -> Any:
        """Record one op; broadcasting and conversions are written out. Of constants alone, the value is taken."""
        if not self.open:
            raise LeakError(
                "a stand-in is used after its recording ended",
                hint="don't keep what happens inside a recorded function",
            )
        if where is None and not self.quiet:
            where = here()
        atoms: list[Any] = []
        keys: list[Any] = []
        numbers = op.aligned  # whether all operands of an elementwise op are numbers: most are, in a long program
        known = True
        for a in args:
            atom = a._atom if type(a) is Traced and a.recorder is self and a._view is None else self.atom(a)
            atoms.append(atom)
            if type(atom) is Var:
                type_, known = atom.type, False
                keys.append(PYTHON_TYPES[type_.dtype.kind] if type_.weak else type_.dtype)
                numbers = numbers and not type_.shape
            elif type(atom) is Const:
                keys.append(atom.type.dtype)
                numbers = numbers and not atom.type.shape
            else:
                keys.append(type(atom))
        dtypes, result = _of_numbers(op, tuple(keys)) if numbers else (op.operand_dtypes(tuple(keys)), _NUMBER)
        for i, (a, dtype) in enumerate(zip(atoms, dtypes, strict=True)):
            if type(a) is Var:
                if a.type.dtype is not dtype and a.type.dtype != dtype:
                    (atoms[i],) = self.emit(convert, (a,), {"dtype": dtype}, where)
            elif type(a) is Const:
                if a.type.dtype != dtype:
                    atoms[i] = Const(a.value.astype(dtype))
            else:
                atoms[i] = self._number(a, dtype)
        if numbers and not known:
            output = Var(result)
            equation = Equation(op, tuple(atoms), (output,), params, where)
            self.equations.append(equation)
            self.producer[output] = equation
            return Traced(self, output)
        if known:
            with np.errstate(all="ignore"):
                value = op.evaluate(*[a.value for a in atoms if isinstance(a, Const)], **params)
            return (
                tuple(Traced(self, Const(v)) for v in value) if op.count(**params) > 1 else Traced(self, Const(value))
            )
        if op.aligned:
            self._align(atoms, where)
        outputs = self.emit(op, tuple(atoms), params, where)
        return Traced(self, outputs[0]) if len(outputs) == 1 else tuple([Traced(self, v) for v in outputs])

    def _number(self, x: Any, dtype: Any) -> Const:
        """A Python number as a constant; the same one for the same number, but for zeros, which have signs, and NaN."""
        if not x or x != x:
            return Const(np.asarray(x, dtype))
        found = self._numbers.get((x, dtype))
        if found is None:
            found = self._numbers[x, dtype] = Const(np.asarray(x, dtype))
        return found

    def _align(self, atoms: list[Any], where: Where | None) -> None:
        shapes = {a.type.shape for a in atoms if isinstance(a, Var) or a.type.shape}
        if len(shapes) <= 1:
            return
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(
                "$0 and $1 don't broadcast: their shapes differ", operands=[a.type for a in atoms][-2:]
            ) from None
        for i, a in enumerate(atoms):
            if a.type.shape != shape and (isinstance(a, Var) or a.type.shape):
                if isinstance(a, Const):
                    atoms[i] = self.spread_const(a, shape, where)
                else:
                    atoms[i] = broadcast(Traced(self, a), shape).atom

    def spread_const(self, a: Const, shape: tuple[int, ...], where: Where | None) -> Atom:
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
        new: dict[Atom, Atom] = dict(zip(program.inputs, atoms, strict=True))
        equations, producer = self.equations, self.producer
        for e in program.equations:
            outputs = tuple([Var(v.type, v.name) for v in e.outputs])
            copy = Equation(e.op, tuple([new.get(a, a) for a in e.inputs]), outputs, e.params, where or e.where)
            equations.append(copy)
            for old, v in zip(e.outputs, outputs, strict=True):
                new[old] = v
                producer[v] = copy
        return [new.get(a, a) for a in program.outputs]

    # --- values that are asked for ----------------------------------------------------------------------------------

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
        """The value of an atom that depends on nothing but whole numbers and truths.

        Those become part of the recording's key. None when a float input is among its sources: its value changes from
        call to call.
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
        return self._computed(atom, values)

    def condition(self, atom: Atom) -> np.ndarray[Any, Any] | None:
        """The value of an atom for the arguments at hand; the recording is right only for those that give the same.

        None when an input has no example.
        """
        known = self.known(atom)
        if known is not None or isinstance(atom, Const):
            return known
        values: dict[Var, Any] = {}
        for v in self.sources(atom):
            example = self.examples.get(v)
            value = example.recorder.condition(example.atom) if isinstance(example, Traced) else example
            if value is None:
                return None
            values[v] = value
        self.conditions[atom] = self._computed(atom, values)
        return self.conditions[atom]

    def _computed(self, atom: Var, values: dict[Var, Any]) -> np.ndarray[Any, Any]:
        """The value of an atom, given those of its sources."""
        needed = self._between(atom)
        for e in self.equations:
            if e.outputs[0] in needed:
                args = [values[a] if isinstance(a, Var) else a.value for a in e.inputs]
                with np.errstate(all="ignore"):
                    result = e.op.evaluate(*args, **e.params)
                values.update(zip(e.outputs, result if len(e.outputs) > 1 else (result,), strict=True))
        return np.array(values[atom])

    def _between(self, var: Var) -> set[Var]:
        seen: set[Var] = set()
        stack = [var]
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
