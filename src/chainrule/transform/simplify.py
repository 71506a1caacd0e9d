"""The same Program, shorter: nothing twice, nothing unused, and algebra that changes no result.

Each rewrite is a named function from an equation to a cheaper atom, or None. All are exact, NaN and infinities
included, but for `quotient_not_reciprocal`, which drops a rounding. What would change a NaN (0 · x = 0) is not here:
a derivative that is zero by its rule is never computed in the first place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..ir import Atom, Const, Equation, Program, Var, without_dead_code
from ..ops.arithmetic import add, convert, divide, multiply, negative, power_of, subtract, where
from ..ops.contraction import Spec, canonical, contract
from ..ops.op import Op
from ..ops.structure import reshape, slice_, update
from ..trace.collecting import rarely_collecting
from ..trace.recorder import Recorder

Producer = dict[Var, Equation]
Rewrite = Callable[[Equation, Recorder], "Atom | None"]


def simplify(program: Program) -> Program:
    """Common subexpressions, rewrites, dead code; once through is enough, for each equation sees simplified inputs."""
    with rarely_collecting():
        return _simplified(program)


def _simplified(program: Program) -> Program:
    recorder = Recorder(quiet=True)
    new: dict[Atom, Atom] = {}  # what stands for what; itself where it isn't listed
    seen: dict[Any, tuple[Atom, ...]] = {}
    equations, producer = recorder.equations, recorder.producer
    for e in program.equations:
        inputs = tuple([new.get(a, a) for a in e.inputs])
        e2 = e if inputs == e.inputs else Equation(e.op, inputs, e.outputs, e.params, e.where)
        start = len(equations)
        atom = _rewritten(e2, recorder)
        if atom is not None:
            new[e.outputs[0]] = atom
            for made in equations[start:]:
                seen.setdefault(_key(made), made.outputs)
            continue
        key = _key(e2)
        found = seen.get(key)
        if found is None:
            equations.append(e2)
            for v in e2.outputs:
                producer[v] = e2
            seen[key] = e2.outputs
            continue
        if isinstance(found[0], Var) and not found[0].name:
            found[0].name = e.outputs[0].name
        new.update(zip(e.outputs, found, strict=True))
    outputs = tuple([new.get(a, a) for a in program.outputs])
    return without_dead_code(Program(program.inputs, tuple(recorder.equations), outputs, program.name))


def _key(e: Equation) -> Any:
    inputs = tuple([a if isinstance(a, Var) else a.key() if a.value.size <= 64 else id(a) for a in e.inputs])
    return (e.op, inputs, tuple(e.params.items())) if e.params else (e.op, inputs)


# --- rewrites -------------------------------------------------------------------------------------------------------


def _of(*ops: Op) -> Callable[[Rewrite], Rewrite]:
    """To which ops a rewrite can apply: the others need not be asked."""

    def decorate(rewrite: Rewrite) -> Rewrite:
        _ops[rewrite] = ops
        return rewrite

    return decorate


_ops: dict[Rewrite, tuple[Op, ...]] = {}


@lru_cache(maxsize=1024)
def _applicable(op: Op, rewrites: tuple[Rewrite, ...]) -> tuple[Rewrite, ...]:
    return tuple([r for r in rewrites if op in _ops.get(r, (op,))])


def _number(a: Atom, value: float) -> bool:
    return isinstance(a, Const) and a.type.shape == () and a.is_scalar(value)


def _made_by(a: Atom, op: Any, recorder: Recorder) -> Equation | None:
    e = recorder.producer.get(a) if isinstance(a, Var) else None
    return e if e is not None and e.op is op else None


def _broadcast_number(a: Atom, recorder: Recorder) -> Const | None:
    e = _made_by(a, contract, recorder)
    if e is not None and len(e.inputs) == 1 and isinstance(e.inputs[0], Const) and e.inputs[0].type.shape == ():
        spec: Spec = e.params["spec"]
        if len(set(spec.out)) == len(spec.out):
            return e.inputs[0]
    return None


def number_beside_array(e: Equation, recorder: Recorder) -> Atom | None:
    """A number that was repeated to an array's shape may stand beside the array as a number."""
    if not e.outputs[0].type.shape or not e.op.aligned or len(e.inputs) < 2:
        return None
    numbers = [_broadcast_number(a, recorder) for a in e.inputs]
    if not any(numbers) or not any(
        isinstance(a, Var) and n is None and a.type.shape == e.outputs[0].type.shape
        for a, n in zip(e.inputs, numbers, strict=True)
    ):
        return None
    inputs = tuple([n or a for a, n in zip(e.inputs, numbers, strict=True)])
    return _emit(Equation(e.op, inputs, e.outputs, e.params, e.where), recorder)


def _emit(e: Equation, recorder: Recorder) -> Atom:
    """A rewritten equation, itself rewritten further."""
    atom = _rewritten(e, recorder)
    if atom is not None:
        return atom
    (output,) = recorder.emit(e.op, e.inputs, dict(e.params), e.where)
    output.name = e.outputs[0].name
    return output


@_of(multiply, divide, power_of)
def one_is_neutral(e: Equation, recorder: Recorder) -> Atom | None:
    """1 · x, x · 1, x / 1, x¹ are x."""
    x = e.inputs[0]
    if e.op is multiply:
        x = e.inputs[1] if _number(e.inputs[0], 1) else e.inputs[0] if _number(e.inputs[1], 1) else x
        if not (_number(e.inputs[0], 1) or _number(e.inputs[1], 1)):
            return None
    elif not ((e.op is divide and _number(e.inputs[1], 1)) or (e.op is power_of and e.params["n"] == 1)):
        return None
    return x if x.type.shape == e.output.type.shape and x.type.dtype == e.output.type.dtype else None


@_of(negative, add, subtract, multiply)
def signs_combine(e: Equation, recorder: Recorder) -> Atom | None:
    """-(-x) is x; x + (-y) is x - y; x - (-y) is x + y; x · (-1) is -x."""
    if e.op is negative:
        inner = _made_by(e.inputs[0], negative, recorder)
        return inner.inputs[0] if inner else None
    if e.op in (add, subtract):
        inner = _made_by(e.inputs[1], negative, recorder)
        if inner:
            return _emit(
                Equation(subtract if e.op is add else add, (e.inputs[0], inner.inputs[0]), e.outputs, {}, e.where),
                recorder,
            )
    if e.op is multiply:
        for i in (0, 1):
            if _number(e.inputs[i], -1) and e.inputs[1 - i].type.shape == e.output.type.shape:
                return _emit(Equation(negative, (e.inputs[1 - i],), e.outputs, {}, e.where), recorder)
    return None


@_of(multiply)
def quotient_not_reciprocal(e: Equation, recorder: Recorder) -> Atom | None:
    """x · (1 / y) is x / y, with one rounding less."""
    if e.op is not multiply:
        return None
    for i in (0, 1):
        inner = _made_by(e.inputs[i], divide, recorder)
        if inner and _number(inner.inputs[0], 1):
            return _emit(Equation(divide, (e.inputs[1 - i], inner.inputs[1]), e.outputs, {}, e.where), recorder)
    return None


@_of(reshape)
def reshape_once(e: Equation, recorder: Recorder) -> Atom | None:
    """A reshape of a reshape is one reshape, or none."""
    if e.op is not reshape:
        return None
    old, new = e.params["old"], e.params["new"]
    if old == new:
        return e.inputs[0]
    inner = _made_by(e.inputs[0], reshape, recorder)
    if inner and inner.params["new"] == old:
        changed = Equation(reshape, inner.inputs, e.outputs, {"old": inner.params["old"], "new": new}, e.where)
        return _emit(changed, recorder)
    return None


_WRITES = 64  # that are looked through for the one that is read


@_of(slice_)
def read_what_was_written(e: Equation, recorder: Recorder) -> Atom | None:
    """A slice of an array is what was written there last, or a slice of the array as it was before writes elsewhere."""
    array, index = e.inputs[0], e.params["index"]
    for _ in range(_WRITES):
        write = _made_by(array, update, recorder)
        if write is None or len(write.params["index"]) != len(index):
            break
        if write.params["index"] == index:
            written = write.inputs[1]
            return written if written.type.shape == e.output.type.shape else None
        if not any(map(_apart, index, write.params["index"])):
            break
        array = write.inputs[0]
    return None if array is e.inputs[0] else _emit(Equation(slice_, (array,), e.outputs, e.params, e.where), recorder)


def _apart(a: tuple[int, int | None, int], b: tuple[int, int | None, int]) -> bool:
    """Whether two stretches upwards have nothing in common."""
    (start, stop, step), (other, end, stride) = a, b
    return step > 0 and stride > 0 and stop is not None and end is not None and (stop <= other or end <= start)


@_of(convert)
def conversion_to_itself(e: Equation, recorder: Recorder) -> Atom | None:
    """A conversion to the dtype that is there already: it told a Python number from one of NumPy's, while recording."""
    return e.inputs[0] if e.op is convert and e.inputs[0].type.dtype == e.params["dtype"] else None


@_of(convert)
def choice_of_converted_numbers(e: Equation, recorder: Recorder) -> Atom | None:
    """Of two numbers that one is chosen from, each may be converted before: truths need not become whole numbers."""
    inner = _made_by(e.inputs[0], where, recorder)
    if inner is None or not all(isinstance(a, Const) and a.type.shape == () for a in inner.inputs[1:]):
        return None
    dtype = e.output.type.dtype
    numbers = [Const(a.value.astype(dtype)) for a in inner.inputs[1:] if isinstance(a, Const)]
    return _emit(Equation(where, (inner.inputs[0], *numbers), e.outputs, {}, e.where), recorder)


@_of(contract)
def contraction_of_rearranged(e: Equation, recorder: Recorder) -> Atom | None:
    """A transposed operand is the operand with its labels reordered; a contraction that changes nothing is none."""
    if e.op is not contract:
        return None
    spec: Spec = e.params["spec"]
    if spec.is_identity:
        return e.inputs[0]
    for i, a in enumerate(e.inputs):
        inner = _made_by(a, contract, recorder)
        if inner is None or len(inner.inputs) != 1:
            continue
        turned: Spec = inner.params["spec"]
        if turned.new or len(set(turned.ins[0])) < len(turned.ins[0]) or sorted(turned.ins[0]) != sorted(turned.out):
            continue
        label = dict(zip(turned.out, spec.ins[i], strict=True))
        ins = (*spec.ins[:i], tuple(label[n] for n in turned.ins[0]), *spec.ins[i + 1 :])
        merged = canonical(Spec(ins, spec.out, spec.new))
        inputs = (*e.inputs[:i], inner.inputs[0], *e.inputs[i + 1 :])
        return _emit(Equation(contract, inputs, e.outputs, {"spec": merged}, e.where), recorder)
    return None


REWRITES: tuple[Rewrite, ...] = (
    number_beside_array, one_is_neutral, signs_combine, quotient_not_reciprocal, reshape_once,
    read_what_was_written, conversion_to_itself, choice_of_converted_numbers, contraction_of_rearranged,
)  # fmt: skip


def _rewritten(e: Equation, recorder: Recorder) -> Atom | None:
    if len(e.outputs) > 1:
        return None
    for rewrite in _applicable(e.op, REWRITES):
        atom = rewrite(e, recorder)
        if atom is not None:
            return atom
    return None
