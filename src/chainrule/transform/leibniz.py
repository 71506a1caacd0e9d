"""The derivative of an integral: in its limits, in its parameters, and through jumps that move.

    d/dθ ∫ₐᵇ f(x, θ) dx = f(b) b′ - f(a) a′ + ∫ ∂f/∂θ dx + Σ (f(x*⁺) - f(x*⁻)) ∂g/∂θ / |∂g/∂x|

The sum is over the places x* where f jumps because g(x, θ) passes zero: f(x*⁺) is f with the outcome it has for g > 0
written in its place, f(x*⁻) that for g < 0. The sum is an op of its own, whose derivative is another of the same kind
(x* moves by -∂g/∂θ / ∂g/∂x), so that any order follows.

Leibniz's rule with moving jumps: Bangaru et al., "Systematically differentiating parametric discontinuities", 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..errors import NoRuleError
from ..ir import ArrayType, Atom, Const, Equation, Program, Var, without_dead_code
from ..ops import table
from ..ops.control import ALGORITHMS, Body, integral, sum_over_zeros
from ..ops.op import General, Op, Tangents, Value, apply, dtype_of, shape_of
from ..trace.recorder import Recorder, Traced
from .batch import batch
from .forward import forward
from .reverse import reverse
from .simplify import simplify
from .smooth import smooth

_EQUALITY = (table.OPS["equal"], table.OPS["not_equal"])
_SUBTRACT, _NEGATIVE = table.OPS["subtract"], table.OPS["negative"]


class Part(NamedTuple):
    """One term of a derivative: an op on (a, b, the operands in `reads`), with these params."""

    op: Op
    params: dict[str, Any]
    reads: tuple[int, ...]


# --- Programs out of Programs -----------------------------------------------------------------------------------------


def built(types: Sequence[ArrayType], make: Callable[[Recorder, list[Traced]], Any], name: str) -> Program:
    """The Program that `make` writes, of inputs of these types, with one output."""
    recorder = Recorder(quiet=True)
    handles = [recorder.input(t._replace(weak=False)) for t in types]
    atom = recorder.atom(make(recorder, handles))
    recorder.open = False
    inputs = tuple(h.variable for h in handles)
    return simplify(Program(inputs, tuple(recorder.equations), (atom,), name))


def _spliced(recorder: Recorder, program: Program, values: Sequence[Traced]) -> list[Traced]:
    return [Traced(recorder, a) for a in recorder.splice(program, [v.atom for v in values])]


def _part(op: Op, program: Program, make: Callable[[Program], dict[str, Any]], fixed: int) -> Part:
    """The term of a Program; inputs after the first `fixed` that it does not read are left out."""
    used = {a for e in program.equations for a in e.inputs} | set(program.outputs)
    reads = tuple(i for i, v in enumerate(program.inputs[fixed:]) if v in used)
    inputs = (*program.inputs[:fixed], *(program.inputs[fixed + i] for i in reads))
    return Part(op, make(Program(inputs, program.equations, program.outputs, program.name)), reads)


# --- the rule for the integral ----------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _tangent_parts(body: Program, moving: tuple[int, ...], tol: float) -> tuple[Part, ...]:
    """The terms of the tangent in parameters `moving`; operands are the parameters, then the tangents."""
    body = smooth(body)
    wanted = tuple(i + 1 for i in moving)
    parts = []
    found = forward(body, wanted)
    if found.present[0] is not None:
        tangent = without_dead_code(
            Program(
                found.program.inputs, found.program.equations, (found.program.outputs[found.present[0]],), body.name
            )
        )
        parts.append(_part(integral, simplify(tangent), lambda p: {"body": Body(p, derived=True), "tol": tol}, 1))
    for group in _groups(body, wanted):
        weight = _jump_weight(body, group, wanted)
        if weight is not None:
            parts.append(_zeros_part(*weight))
    return tuple(parts)


def _zeros_part(guard: Program, weight: Program) -> Part:
    """A sum over zeros; of the operands that are not the guard's, those that the weight reads."""
    used = {a for e in weight.equations for a in e.inputs} | set(weight.outputs)
    own = len(guard.inputs) - 1
    reads = tuple(i for i, v in enumerate(weight.inputs[2:]) if i < own or v in used)
    inputs = (*weight.inputs[:2], *(weight.inputs[2 + i] for i in reads))
    weight = Program(inputs, weight.equations, weight.outputs, weight.name)
    return Part(sum_over_zeros, {"guard": Body(guard), "weight": Body(weight)}, reads)


class Group(NamedTuple):
    """Equations that switch together, since what passes zero is the same; whether each looks at it from behind."""

    members: dict[Equation, bool]
    guard: Atom  # what passes zero, in `program`
    others: tuple[Atom, ...]  # what passes zero in other groups
    program: Program


def _groups(body: Program, wanted: tuple[int, ...]) -> list[Group]:
    """Where the body jumps at places that move with the inputs `wanted`; unknown jumps are refused."""
    with_x, with_theta = _moved(body, [0]), _moved(body, wanted)
    made_by = {v: e for e in body.equations for v in e.outputs}
    recorder = Recorder(quiet=True)
    recorder.equations = list(body.equations)
    found: list[tuple[Equation, Atom, bool, bool]] = []  # whether it jumps, whether the jump moves
    for e in body.equations:
        real = [a for a in e.inputs if a.type.differentiable]
        if with_x.isdisjoint(real):
            continue
        moves = not with_theta.isdisjoint(real)
        if moves:
            _refuse_unknown(e, made_by)
        switch = None if e.op.switch is None else e.op.switch(*[Traced(recorder, a) for a in e.inputs], **e.params)
        if switch is not None and len(switch) == 3:
            jumps = not (isinstance(switch[1], bool) and switch[1] == switch[2])
            found.append((e, switch[0].atom, jumps, moves))
    if not any(jumps and moves for _, _, jumps, moves in found):
        return []
    program = simplify(Program(body.inputs, tuple(recorder.equations), tuple(g for _, g, _, _ in found), "guards"))
    producer = {v: e for e in program.equations for v in e.outputs}
    groups: dict[Any, list[tuple[Equation, Atom, bool, bool, bool]]] = {}
    for (e, _, jumps, moves), g in zip(found, program.outputs, strict=True):
        key, behind = _direction(g, producer)
        groups.setdefault(key, []).append((e, g, behind, jumps, moves))
    result = []
    for key, entries in groups.items():
        if not any(jumps for *_, jumps, _ in entries) or not any(moves for *_, moves in entries):
            continue
        others = tuple(rest[0][1] for k, rest in groups.items() if k != key and any(j for *_, j, _ in rest))
        first = entries[0][2]
        members = {e: behind != first for e, _, behind, _, _ in entries}
        result.append(Group(members, entries[0][1], others, program))
    return result


def _direction(g: Atom, producer: dict[Var, Equation]) -> tuple[Any, bool]:
    """The same key for x - y and y - x, and which of the two it is."""
    e = producer.get(g) if isinstance(g, Var) else None
    if e is not None and e.op is _SUBTRACT:
        x, y = e.inputs
        if isinstance(y, Const) and y.is_scalar(0):
            return _direction(x, producer)
        keys = [a if isinstance(a, Var) else (a.type, a.value.tobytes()) for a in e.inputs]
        return frozenset(keys), hash(keys[0]) > hash(keys[1])
    if e is not None and e.op is _NEGATIVE:
        key, behind = _direction(e.inputs[0], producer)
        return key, not behind
    return g, False


def _refuse_unknown(e: Equation, made_by: dict[Var, Equation]) -> None:
    if e.op is sum_over_zeros:
        raise NoRuleError(
            "a second derivative through jumps that move, of an integral within an integral, is not known",
            hint="integrate over the jump by hand, or smooth it",
        )
    if e.op.rows is not None and any(_may_jump(held) for held in Program((), (e,), ()).held()):
        raise _refusal(e)
    unknown = e.op.switch is None and not any(v.type.differentiable for v in e.outputs)
    if unknown or (e.op in _EQUALITY and any(_selected(a, made_by) for a in e.inputs)):
        raise _refusal(e)


def _may_jump(program: Program) -> bool:
    """Whether anything in the step of a loop, or in a branch, jumps: at which step it does, nobody can tell."""
    recorder = Recorder(quiet=True)
    for e in program.equations:
        if e.op.switch is None:
            if not any(v.type.differentiable for v in e.outputs):
                return True
        elif len(e.op.switch(*[Traced(recorder, a) for a in e.inputs], **e.params)) == 3:
            return True
    return any(_may_jump(held) for held in program.held())


def _refusal(e: Equation) -> NoRuleError:
    return NoRuleError(
        f"{e.op.name} jumps at places that depend on x and on a parameter: the derivative of the integral would need"
        " them",
        hint="np.where, comparisons, np.sign, np.floor and their like may jump; or smooth the jump",
    )


def _selected(a: Atom, made_by: dict[Var, Equation]) -> bool:
    """Whether a value was picked out by max, min or their like, so that equality with it holds on whole stretches."""
    while isinstance(a, Var) and a in made_by:
        e = made_by[a]
        if isinstance(e.op, General):
            return True
        if e.op.aligned:
            return False
        a = e.inputs[0]
    return False


def _moved(program: Program, inputs: Sequence[int]) -> set[Atom]:
    """Everything that changes with these inputs, truths and whole numbers too."""
    found: set[Atom] = {program.inputs[i] for i in inputs}
    for e in program.equations:
        if not found.isdisjoint(e.inputs):
            found.update(e.outputs)
    return found


def _jump_weight(body: Program, group: Group, wanted: tuple[int, ...]) -> tuple[Program, Program] | None:
    """The guard g(x, θ), and (x, which, θ, θ̇) -> (f⁺ - f⁻) · (∂g/∂θ θ̇) / |∂g/∂x|; None where g does not move."""
    types = [v.type for v in body.inputs]
    tangents = [body.inputs[i].type for i in wanted]
    outputs = (group.guard, *group.others)
    guard = without_dead_code(Program(body.inputs, group.program.equations, outputs, "guard"))
    mask = ArrayType(group.guard.type.shape, np.dtype(bool))

    def scalar_guard(recorder: Recorder, values: list[Traced]) -> Any:
        x, which, *rest = values
        return np.sum(np.where(which, _spliced(recorder, guard, [x, *rest])[0], 0.0))

    scalar = built([types[0], mask, *types[1:]], scalar_guard, "guard")
    along = tuple(i + 1 for i in wanted)
    slope, moved = forward(scalar, (0,)), forward(scalar, along)
    if slope.present[0] is None or moved.present[0] is None:
        return None
    slope_at, moved_at = slope.present[0], moved.present[0]

    def make(recorder: Recorder, values: list[Traced]) -> Any:
        x, which, *rest = values
        theta, dots = rest[: len(types) - 1], rest[len(types) - 1 :]
        above, below = (_one_sided(recorder, body, group, [x, *theta], which, upper) for upper in (True, False))
        one = Traced(recorder, Const(np.ones((), types[0].dtype)))
        rise = _spliced(recorder, slope.program, [x, which, *theta, one])[slope_at]
        drift = _spliced(recorder, moved.program, [x, which, *theta, *dots])[moved_at]
        return (above - below) * (drift / np.abs(rise))

    return guard, built([types[0], mask, *types[1:], *tangents], make, "jump")


def _one_sided(
    recorder: Recorder, body: Program, group: Group, values: list[Traced], which: Traced, upper: bool
) -> Traced:
    """The body, with what its switching equations give on one side of the zero written in their place."""
    known: dict[Atom, Atom] = dict(zip(body.inputs, [v.atom for v in values], strict=True))
    for e in body.equations:
        atoms = tuple([known[a] if isinstance(a, Var) else a for a in e.inputs])
        found = recorder.emit(e.op, atoms, dict(e.params), None)
        if e in group.members and e.op.switch is not None:
            _, low, high = e.op.switch(*[Traced(recorder, a) for a in atoms], **e.params)
            side = high if upper != group.members[e] else low
            chosen: Any = np.where(which, side, Traced(recorder, found[0]))
            dtype = e.output.type.dtype
            known[e.output] = (chosen if chosen.dtype == dtype else chosen.astype(dtype)).atom
        else:
            known.update(zip(e.outputs, found, strict=True))
    (output,) = body.outputs
    return Traced(recorder, known[output] if isinstance(output, Var) else output)


# --- the rule for the sum over zeros ----------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _zeros_tangent(guard: Program, weight: Program, moving: tuple[int, ...]) -> tuple[Part, ...]:
    """The weight moves with the parameters, and with the zero, which moves by -∂g/∂θ / ∂g/∂x."""
    types = [v.type for v in weight.inputs]
    given = len(guard.inputs) - 1  # the guard reads so many of the parameters, the first ones
    tangents = [types[i + 2] for i in moving]

    def one(recorder: Recorder, values: list[Traced]) -> Any:
        x, which, *rest = values
        return np.sum(np.where(which, _spliced(recorder, guard, [x, *rest[:given]])[0], 0.0))

    scalar = built(types, one, "guard")
    along = tuple(i + 2 for i in moving)
    slope, drift = forward(scalar, (0,)), forward(scalar, along)
    weight_x, weight_theta = forward(weight, (0,)), forward(weight, along)

    def make(recorder: Recorder, values: list[Traced]) -> Any:
        fixed, dots = values[: len(types)], values[len(types) :]
        one = Traced(recorder, Const(np.ones((), types[0].dtype)))

        def derivative(found: Any, along: list[Traced]) -> Traced | None:
            at = found.present[0]
            return None if at is None else _spliced(recorder, found.program, [*fixed, *along])[at]

        rise, move = derivative(slope, [one]), derivative(drift, dots)
        by_x, total = derivative(weight_x, [one]), derivative(weight_theta, dots)
        if by_x is not None and rise is not None and move is not None:
            shift = by_x * (-move / rise)
            total = shift if total is None else total + shift
        return np.zeros(weight.outputs[0].type.shape, weight.outputs[0].type.dtype) if total is None else total

    return (_zeros_part(guard, built([*types, *tangents], make, "jump")),)


# --- both, forward and reverse ----------------------------------------------------------------------------------------


def _transposed(part: Part, given: int) -> list[tuple[int, Part]]:
    """A term that is linear in its operands after the `given` ones, as (which of them, the term of its cotangent).

    Operands are the given ones, then the cotangent.
    """
    key = "body" if part.op is integral else "weight"
    fixed = 1 if part.op is integral else 2
    program: Program = part.params[key].program
    found: list[tuple[int, Part]] = []
    for n, i in enumerate(part.reads):
        if i < given:
            continue
        derived = reverse(program, (fixed + n,))
        at = derived.present[0]
        if at is None:
            continue
        out = Program(derived.program.inputs, derived.program.equations, (derived.program.outputs[at],), program.name)
        out = simplify(out)
        # the tangents are gone from it, for it was linear in them
        kept = [m for m, j in enumerate(part.reads) if j < given]
        inputs = (*out.inputs[:fixed], *(out.inputs[fixed + m] for m in kept), *out.inputs[len(program.inputs) :])
        reads = (*(part.reads[m] for m in kept), given)
        pulled = Program(inputs, out.equations, out.outputs, program.name)
        if part.op is integral:
            again = _part(integral, pulled, lambda p: {**part.params, "body": Body(p, derived=True)}, 1)
        else:
            again = _zeros_part(part.params["guard"].program, pulled)
        found.append((i - given, Part(part.op, again.params, tuple(reads[r] for r in again.reads))))
    return found


@lru_cache(maxsize=256)
def _at_limits(body: Program, moving: tuple[int, ...]) -> Program:
    """The body, with the mean of both sides where it jumps: there a limit may move along with a jump.

    The sum over zeros counts a zero that is a limit half; with the mean, both make what one side gives.
    """
    if not moving:
        return body
    body = smooth(body)
    groups = _groups(body, tuple(i + 1 for i in moving))
    if not groups:
        return body

    def make(recorder: Recorder, values: list[Traced]) -> Any:
        y: Any = _spliced(recorder, body, values)[0]
        for group in groups:
            guard = without_dead_code(Program(body.inputs, group.program.equations, (group.guard,), "guard"))
            which = _spliced(recorder, guard, values)[0] == 0
            above, below = (_one_sided(recorder, body, group, values, which, upper) for upper in (True, False))
            y = np.where(np.any(which), (above + below) / 2, y)
        return y

    return built([v.type for v in body.inputs], make, body.name)


def _value_at(body: Program, limit: Value, thetas: Sequence[Value]) -> Any:
    """f at a limit; 0 at an infinite one, where f has died out if the integral exists."""
    lead = shape_of(limit)
    far = np.isinf(limit)
    values = [np.where(far, 0.0, limit), *thetas]
    flat = int(np.prod(lead)) if lead else 0
    program = body
    if lead:
        values = [np.reshape(v, (flat, *shape_of(v)[len(lead) :])) for v in values]
        program = batch(body, [True] * len(values), flat)
    known: dict[Atom, Any] = {}
    for v, x in zip(program.inputs, values, strict=True):
        known[v] = x if dtype_of(x).kind == v.type.dtype.kind else x.astype(v.type.dtype)
    for e in program.equations:
        args = [known[a] if isinstance(a, Var) else a.value for a in e.inputs]
        result = apply(e.op, *args, **e.params)
        known.update(zip(e.outputs, result if len(e.outputs) > 1 else (result,), strict=True))
    (output,) = program.outputs
    y = known[output] if isinstance(output, Var) else output.value
    core = body.outputs[0].type.shape
    if lead:
        y = np.reshape(y, (*lead, *core))
    return np.where(_widened(far, len(core)), 0.0, y)


def _widened(x: Value, axes: int) -> Any:
    """x with so many more axes of length one."""
    return np.reshape(x, (*shape_of(x), *(1,) * axes)) if axes else x


def _applied(part: Part, a: Value, b: Value, operands: Sequence[Value]) -> Any:
    return apply(part.op, a, b, *[operands[i] for i in part.reads], **part.params)


def _sum(terms: Sequence[Any], like: Value) -> Any:
    total = None
    for t in terms:
        t = t if dtype_of(t) == dtype_of(like) else t.astype(dtype_of(like))
        total = t if total is None else total + t
    return total


def _pushforward(
    tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], *, body: Body, tol: float
) -> Any:
    a, b, *thetas = inputs
    core = len(body.program.outputs[0].type.shape)
    terms = []
    moving = tuple(i for i, t in enumerate(tangents[2:]) if t is not None)
    for i, limit, sign in ((1, b, 1), (0, a, -1)):
        tangent = tangents[i]
        if tangent is not None:
            terms.append(sign * _value_at(_at_limits(body.program, moving), limit, thetas) * _widened(tangent, core))
    if moving:
        dots = [t for t in tangents[2:] if t is not None]
        terms += [_applied(p, a, b, [*thetas, *dots]) for p in _tangent_parts(body.program, moving, tol)]
    return (_sum(terms, outputs[0]),)


def _pullback(
    cotangents: Tangents,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    wanted: Sequence[int],
    *,
    body: Body,
    tol: float,
) -> dict[int, Any]:
    a, b, *thetas = inputs
    (g,) = cotangents
    axes = tuple(range(len(shape_of(a)), len(shape_of(outputs[0]))))
    found: dict[int, Any] = {}
    moving = tuple(i - 2 for i in wanted if i >= 2)
    for i, limit, sign in ((0, a, -1), (1, b, 1)):
        if i in wanted:
            slope = g * _value_at(_at_limits(body.program, moving), limit, thetas)
            found[i] = sign * (np.sum(slope, axis=axes) if axes else slope)
    parts = _tangent_parts(body.program, moving, tol) if moving else ()
    found.update(_pulled(parts, a, b, thetas, g, moving))
    return {i: None if v is None else _sum([v], inputs[i]) for i, v in found.items()}


def _pulled(
    parts: Sequence[Part], a: Value, b: Value, thetas: Sequence[Value], g: Value, moving: tuple[int, ...]
) -> dict[int, Any]:
    totals: dict[int, Any] = dict.fromkeys([i + 2 for i in moving])
    for part in parts:
        for n, pulled in _transposed(part, len(thetas)):
            i = moving[n] + 2
            term = _applied(pulled, a, b, [*thetas, g])
            totals[i] = term if totals[i] is None else totals[i] + term
    return totals


def _zeros_pushforward(
    tangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], *, guard: Body, weight: Body
) -> Any:
    a, b, *thetas = inputs
    moving = tuple(i for i, t in enumerate(tangents[2:]) if t is not None)
    if not moving:
        return (None,)
    dots = [t for t in tangents[2:] if t is not None]
    parts = _zeros_tangent(guard.program, weight.program, moving)
    return (_sum([_applied(p, a, b, [*thetas, *dots]) for p in parts], outputs[0]),)


def _zeros_pullback(
    cotangents: Tangents, inputs: Sequence[Value], outputs: Sequence[Value], wanted: Sequence[int], *, guard: Body,
    weight: Body,
) -> dict[int, Any]:  # fmt: skip
    a, b, *thetas = inputs
    moving = tuple(i - 2 for i in wanted if i >= 2)
    found: dict[int, Any] = {i: None for i in wanted if i < 2}  # whether a zero is within is all that limits decide
    parts = _zeros_tangent(guard.program, weight.program, moving) if moving else ()
    found.update(_pulled(parts, a, b, thetas, cotangents[0], moving))
    return {i: None if v is None else _sum([v], inputs[i]) for i, v in found.items()}


ALGORITHMS["integral pushforward"], ALGORITHMS["integral pullback"] = _pushforward, _pullback
ALGORITHMS["zeros pushforward"], ALGORITHMS["zeros pullback"] = _zeros_pushforward, _zeros_pullback
