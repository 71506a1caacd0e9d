"""What holds for every op, as functions of its entry: a claim returns when it holds, else raises AssertionError.

The tests apply them to the op table, to spoiled entries, and to an entry that the table lacks. Points are drawn from
the entry: from its domain, or from its own examples. A claim that says nothing about an entry returns at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from math import inf, nan
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from chainrule import trace
from chainrule.errors import DtypeError
from chainrule.execute import run
from chainrule.ir import Const, Equation, Program, Var, check
from chainrule.ops.contraction import Contraction, Spec
from chainrule.ops.control import Body
from chainrule.ops.op import Elementwise, Op, apply
from chainrule.transform import simplify as rewriting
from chainrule.transform.batch import batch
from chainrule.transform.forward import Derived, forward
from chainrule.transform.reverse import reverse
from chainrule.transform.simplify import simplify

Array = np.ndarray[Any, Any]
Values = list[Array]
Slopes = list[tuple[Array, Array]]
Claim = Callable[[Op], None]

POINTS = 24
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 40.0, -750.0, 1e308, -1e308, 5e-324, -5e-324, 1e-310, inf, -inf, nan)

# --- what a claim is tried on -----------------------------------------------------------------------------------------


class Case(NamedTuple):
    """An op with params, at one point."""

    op: Op
    args: tuple[Array, ...]
    params: dict[str, Any]

    @property
    def moving(self) -> tuple[int, ...]:
        """The operands in which a small step is possible."""
        whole = [self.op.domain[i].whole if isinstance(self.op, Elementwise) else False for i in range(len(self.args))]
        return tuple(i for i, a in enumerate(self.args) if a.dtype.kind == "f" and not whole[i])

    def converted(self, dtype: Any) -> Case:
        """The same point, its real operands in another dtype."""
        params = self.params
        if getattr(self.op, "rows", None) is not None:  # the Programs in it take just the types that they state
            own = {k: v.program for k, v in params.items() if isinstance(v, Body)}
            params = params | {k: Body(retyped(v, np.float64, dtype)) for k, v in own.items()}
        args = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in self.args)
        return self._replace(args=args, params=params)


def retyped(program: Program, old: Any, dtype: Any) -> Program:
    """The same Program with another dtype in the place of `old`, also in the steps of its loops."""
    new: dict[Any, Any] = {}
    old, dtype = np.dtype(old), np.dtype(dtype)

    def changed(a: Any) -> Any:
        if a not in new:
            own = a.type.dtype == old
            if isinstance(a, Const):
                new[a] = Const(a.value.astype(dtype)) if own else a
            else:
                new[a] = Var(a.type._replace(dtype=dtype) if own else a.type, a.name)
        return new[a]

    def param(op: Op, value: Any) -> Any:
        if isinstance(value, Body) and op.rows is not None:  # it takes just the types that it states
            return Body(retyped(value.program, old, dtype))
        return dtype if isinstance(value, np.dtype) and value == old else value

    equations = []
    for e in program.equations:
        params = {k: param(e.op, v) for k, v in e.params.items()}
        equations.append(Equation(e.op, tuple(map(changed, e.inputs)), tuple(map(changed, e.outputs)), params, e.where))
    outputs = tuple(map(changed, program.outputs))
    return Program(tuple(map(changed, program.inputs)), tuple(equations), outputs, program.name)


SPECS = (
    Spec(((0, 1), (1, 2)), (0, 2)),  # a matrix product
    Spec(((0, 1), (2, 1)), (2, 0)),  # … transposed
    Spec(((0, 1, 2), (0, 2, 3)), (0, 1, 3)),  # … of stacks
    Spec(((0,), (0,)), ()),  # a dot product
    Spec(((0,), (1,)), (0, 1)),  # an outer product
    Spec(((0, 1),), (1,)),  # a sum
    Spec(((0, 1),), (1, 0)),  # a transposition
    Spec(((0, 0),), ()),  # a trace
    Spec(((0, 0, 1),), (1, 0)),  # a diagonal
    Spec(((0,),), (0, 0)),  # a diagonal matrix
    Spec(((0,),), (1, 0, 2), ((1, 3), (2, 2))),  # repeating
    Spec(((0, 1), (1, 2)), (3, 0, 0), ((3, 2),)),  # all at once
)


def cases(op: Op, seed: int = 0, points: int = POINTS) -> list[Case]:
    """Where to try an op: with each of its params, at points from its domain, or at its own examples."""
    rng = np.random.default_rng(seed)
    if isinstance(op, Elementwise):
        return [Case(op, tuple(d.sample(points, rng) for d in op.domain), params) for params in op.samples]
    if isinstance(op, Contraction):
        return [Case(op, tuple(rng.normal(size=s) for s in shapes_of(spec)), {"spec": spec}) for spec in SPECS]
    examples = getattr(op, "examples", None)
    assert examples is not None, f"{op} has no examples: its entry must say what to try it on"
    return [Case(op, tuple(np.asarray(a) for a in args), params) for args, params in examples(rng)]


def shapes_of(spec: Spec) -> list[tuple[int, ...]]:
    """Operands for a spec, each label of another length."""
    return [tuple(2 + label for label in labels) for labels in spec.ins]


def program_of(case: Case) -> Program:
    """The op, recorded."""
    return check(trace(lambda *xs: apply(case.op, *xs, **case.params), *case.args))


def subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every choice of at least one."""
    return itertools.chain.from_iterable(itertools.combinations(items, n) for n in range(1, len(items) + 1))


def random_like(values: Sequence[Any], rng: np.random.Generator) -> Values:
    """Directions: of either sign, none of them small. `values` are arrays or types."""
    return [
        (rng.uniform(0.5, 1, v.shape) * rng.choice([-1.0, 1.0], v.shape)).astype(v.dtype) for v in values
    ]  # fmt: skip


# --- how it is tried --------------------------------------------------------------------------------------------------


def compute(program: Program, values: Sequence[Array]) -> Values:
    """The outputs, step by step; every step must give the shape and dtype that the Program says it gives."""
    check(program)
    known = every_value(program, values)
    for v, x in known.items():
        stated, found = (v.type.shape, v.type.dtype), (x.shape, x.dtype)
        assert stated == found, f"{v} of {program} is stated to be {stated}, and is {found}"
    return [known[a] if isinstance(a, Var) else a.value for a in program.outputs]


def every_value(program: Program, values: Sequence[Array]) -> dict[Var, Array]:
    """The value of every Var."""
    known: dict[Any, Any] = dict(zip(program.inputs, values, strict=True))
    with np.errstate(all="ignore"):
        for e in program.equations:
            found = e.op.evaluate(*[known[a] if isinstance(a, Var) else a.value for a in e.inputs], **e.params)
            for v, x in zip(e.outputs, found if len(e.outputs) > 1 else (found,), strict=True):
                known[v] = np.asarray(x)
    return known


def derivatives_only(found: Derived) -> Program:
    """A derivative as a Program of its own, to be differentiated again."""
    p = found.program
    return check(Program(p.inputs, p.equations, tuple(p.outputs[i] for i in found.present if i is not None)))


def derivatives(found: Derived, values: Sequence[Array], like: Sequence[Any]) -> Values:
    """The computed derivatives, absent ones as zeros."""
    outputs = compute(found.program, values)
    return [np.zeros(t.shape, t.dtype) if i is None else outputs[i] for i, t in zip(found.present, like, strict=True)]


def rounding(program: Program) -> float:
    """The unit of rounding of the shortest dtype in it."""
    return max((float(np.finfo(v.type.dtype).eps) for v in program.variables if v.type.differentiable), default=0.0)


def real_outputs(program: Program) -> list[Any]:
    return [a.type for a in program.outputs if a.type.differentiable]


def identical(x: Any, y: Any) -> bool:
    """Equal bit by bit, but that one NaN is like another."""
    x, y = np.asarray(x), np.asarray(y)
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    same = (x == y) & (np.signbit(x) == np.signbit(y)) if x.dtype.kind == "f" else x == y
    return bool(np.all(same | (x != x) & (y != y)))


def close(x: Array, y: Array, rtol: float) -> bool:
    """Equal up to rounding in sums: relative to the largest entry."""
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    if x.dtype.kind != "f":
        return bool(np.all(x == y))
    with np.errstate(all="ignore"):
        size = np.max(np.abs(y), initial=0.0, where=np.isfinite(y))
        return bool(np.all((np.abs(x - y) <= rtol * size) | (x == y) | (x != x) & (y != y)))


def first_and_second(case: Case, rng: np.random.Generator) -> Iterator[tuple[Program, Values]]:
    """The op's Program, and those of its derivatives in both modes, each with values for its inputs."""
    program, values = program_of(case), list(case.args)
    yield program, values
    if case.moving:
        onward = derivatives_only(forward(program, case.moving))
        yield onward, values + random_like([case.args[i] for i in case.moving], rng)
        backward = derivatives_only(reverse(program, case.moving))
        yield backward, values + random_like(real_outputs(program), rng)


# --- values -----------------------------------------------------------------------------------------------------------


def tracing_changes_no_value(op: Op) -> None:
    """A recorded op computes, bit by bit and in the same dtype, what NumPy computes without us."""
    for case in cases(op):
        for args in _elementwise_variants(case) if isinstance(op, Elementwise) else _variants(case):
            with np.errstate(all="ignore"):
                try:
                    plain: Any = op.evaluate(*args, **case.params)
                except (TypeError, ValueError):  # NumPy has no loop for these dtypes, or not for these numbers
                    plain = None
            try:
                program = program_of(case._replace(args=args))
            except DtypeError:
                assert plain is None, f"refused {[a.dtype for a in args]}, which NumPy takes"
                continue
            if plain is None:
                continue
            plain = plain if isinstance(plain, tuple) else (plain,)
            for found in (compute(program, args), run(program, args)):
                for x, y in zip(found, plain, strict=True):
                    assert identical(x, y), f"{case.params} at {args}: {x!r}, and NumPy says {y!r}"


def _variants(case: Case) -> Iterator[tuple[Array, ...]]:
    yield case.args
    yield case.converted(np.float32).args
    yield tuple(_strided(a) for a in case.args)


def _strided(a: Array) -> Array:
    """The same values, neither contiguous nor in order in memory."""
    if not a.ndim:
        return a
    room = np.zeros([2 * n for n in a.shape[::-1]], a.dtype)
    view = room[tuple(slice(None, None, -2) for _ in a.shape)].T
    view[...] = a
    return view


def _elementwise_variants(case: Case) -> Iterator[tuple[Array, ...]]:
    n = len(case.args)
    square = [a[:12].reshape(3, 4) for a in case.args]
    yield case.args
    yield tuple(a[0] for a in square[0:0]) or tuple(np.asarray(a[0, 0]) for a in square)
    yield tuple(a[:0] for a in square)
    yield tuple(_strided(a) for a in square)
    whole = () if case.params else (np.int64, np.int8, bool)  # params are for real operands
    for dtypes in itertools.product((np.float64, np.float32, np.float16, *whole), repeat=min(n, 2)):
        yield tuple(a.astype(dtype) for a, dtype in zip(square, (*dtypes, *dtypes[-1:] * (n - 2)), strict=True))
    shapes = ((3, 4), (3, 1), (1, 4), (4,), (1, 1), ())
    for chosen in itertools.product(shapes, repeat=n) if n > 1 else ():
        yield tuple(a[tuple(slice(m) for m in (1, 1, *s)[-2:])].reshape(s) for a, s in zip(square, chosen, strict=True))
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            grid = np.meshgrid(*[np.array(SPECIAL).astype(dtype)] * n)
        yield tuple(g.ravel() for g in grid)


def results_lie_in_the_image(op: Op) -> None:
    """At finite points of the domain, moderate or not, there is a value, and it is in the image."""
    if not isinstance(op, Elementwise):
        return
    rng = np.random.default_rng(1)
    for params in op.samples:
        for width in (3.0, 40.0, 1e4):
            args = [d.sample(200, rng, width) for d in op.domain]
            for a, d in zip(args, op.domain, strict=True):
                assert a in d, f"samples of {d} are not in it"
            (y,) = compute(program_of(Case(op, tuple(args), params)), args)
            assert not np.any(np.isnan(y)), "there is no value in the domain"
            assert y in op.image, f"{params}: from {np.min(y)} to {np.max(y)}, and the image is {op.image}"


def outside_its_domain_numpy_answers(op: Op) -> None:
    """At infinities, NaN and beyond the domain, the value is NumPy's, and derivatives of any order raise nothing."""
    if not isinstance(op, Elementwise):
        return
    rng = np.random.default_rng(2)
    grid = np.meshgrid(*[np.array(SPECIAL)] * op.arity)
    for params in op.samples:
        case = Case(op, tuple(g.ravel() for g in grid), params)
        for program, values in first_and_second(case, rng):
            for p, x in _with_derivatives(program, values, rng):
                found = run(p, x)
                for y, t in zip(found, p.outputs, strict=True):
                    assert (y.shape, y.dtype) == (t.type.shape, t.type.dtype)


def _with_derivatives(program: Program, values: Values, rng: np.random.Generator) -> Iterator[tuple[Program, Values]]:
    yield program, values
    moving = _moving(program)
    if moving and real_outputs(program):
        yield forward(program, moving).program, values + random_like([values[i] for i in moving], rng)
        yield reverse(program, moving).program, values + random_like(real_outputs(program), rng)


def _moving(program: Program) -> tuple[int, ...]:
    return tuple(i for i, v in enumerate(program.inputs) if v.type.differentiable)


def what_is_not_taken_leaves_no_trace(op: Op) -> None:
    """Of `where(inside, op(x), 0)` at points outside the domain, derivatives are zero: not NaN, to second order."""
    if not isinstance(op, Elementwise):
        return
    rng = np.random.default_rng(10)
    grid = [g.ravel() for g in np.meshgrid(*[np.array(SPECIAL)] * op.arity)]
    inside = np.zeros(grid[0].shape, bool)
    for params in op.samples:
        for nested in (False, True):

            def f(*xs: Any, params: Any = params, nested: bool = nested) -> Any:
                y = apply(op, *[x * 1.0 for x in xs], **params) * 3.0
                y = np.where(inside, y, 0.0)
                return np.where(inside, y * 2.0, 0.0) if nested else np.where(~inside, 0.0, y)

            program, values = check(trace(f, *grid)), list(grid)
            # what the function reads from outside, in the order of the Program's inputs
            values += [inside] * (len(program.inputs) - len(grid))
            moving = tuple(range(op.arity))
            backward = reverse(program, moving)
            for found in (forward(program, moving), backward, *_again(backward, moving)):
                p = found.program
                full = values + random_like([v.type for v in p.inputs[len(values) :]], rng)
                outputs = compute(p, full)
                for i in found.present:
                    assert i is None or np.all(outputs[i] == 0), f"{params}: {outputs[i]} of what is not taken"


def _again(found: Derived, moving: Sequence[int]) -> Iterator[Derived]:
    """Both modes of a derivative."""
    gradient = derivatives_only(found)
    if gradient.outputs:
        yield forward(gradient, moving)
        yield reverse(gradient, moving)


# --- slopes -----------------------------------------------------------------------------------------------------------

STEP = 2.0**-9


def differences(
    program: Program, values: Values, moving: Sequence[int], direction: Values
) -> list[tuple[Array, Array]]:
    """The slope of each real output along a direction, from values alone; and where the steps agree on one.

    Central differences with steps h, h/2, h/4, extrapolated to zero.
    """

    def at(t: float) -> Values:
        moved = list(values)
        for i, d in zip(moving, direction, strict=True):
            moved[i] = values[i] + t * d
        known = every_value(program, moved)
        outputs = [known[a] if isinstance(a, Var) else a.value for a in program.outputs]
        return [y for y, a in zip(outputs, program.outputs, strict=True) if a.type.differentiable]

    steps = [[(y - x) / (2 * h) for x, y in zip(at(-h), at(h), strict=True)] for h in (STEP, STEP / 2, STEP / 4)]
    found = []
    for y, coarse, middle, fine in zip(at(0), *steps, strict=True):
        once, twice = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        slope = (16 * twice - once) / 15
        size = 1 + np.abs(slope) + np.abs(y)
        found.append((slope, np.abs(slope - twice) <= 1e-5 * size))
    return found


def slopes_agree(program: Program, values: Values, moving: Sequence[int], rng: np.random.Generator) -> None:
    """Forward mode is the slope that differences see, wherever these converge; and that is at most points."""
    direction = random_like([values[i] for i in moving], rng)
    tangents = derivatives(forward(program, moving), [*values, *direction], [a.type for a in program.outputs])
    real = [t for t, a in zip(tangents, program.outputs, strict=True) if a.type.differentiable]
    for (slope, converges), t in zip(differences(program, values, moving, direction), real, strict=True):
        assert np.all(np.isfinite(t)), f"the derivative in the domain is not finite: {t}"
        assert np.sum(~converges) <= 0.2 * converges.size, "differences do not converge: is the domain right?"
        worst = np.max(np.abs(t - slope) / (1 + np.abs(slope)), where=converges, initial=0.0)
        assert worst <= max(2e-7, 1e4 * rounding(program)), f"{t} is stated, {slope} is seen (off by {worst:.1e})"


def stated_partials_are_slopes(op: Op) -> None:
    """To third order for elementwise ops, to second for others; in each operand alone, and in all together."""
    rng = np.random.default_rng(3)
    for case in cases(op):
        if not case.moving:
            continue
        program, values = program_of(case), list(case.args)
        for moving in subsets(case.moving):
            slopes_agree(program, values, moving, rng)
        backward = derivatives_only(reverse(program, case.moving))
        slopes_agree(backward, values + random_like(real_outputs(program), rng), case.moving, rng)
        for _ in range(2 if isinstance(op, Elementwise) else 1):
            values += random_like([values[i] for i in case.moving], rng)
            program = derivatives_only(forward(program, case.moving))
            slopes_agree(program, values, case.moving, rng)


def kinks_are_where_the_slope_jumps(op: Op) -> None:
    """On a fine grid, values or slopes of a function of one variable jump at its kinks and nowhere else."""
    if not isinstance(op, Elementwise) or op.arity > 1:
        return
    (domain,) = op.domain
    ends = domain.sample(4000, np.random.default_rng(4))
    grid = np.linspace(ends.min(), ends.max(), 3001)  # ends are random: no kink falls on a point
    for params in op.samples:
        program = program_of(Case(op, (grid,), params))
        (value,) = compute(program, [grid])
        if value.dtype.kind != "f":
            continue
        (slope,) = derivatives(forward(program, (0,)), [grid, np.ones_like(grid)], [value])
        jumps = _jumps(value) | _jumps(slope)
        kinks = [k for k in op.kinks if grid[2] < k < grid[-3]]
        cells = set(np.searchsorted(grid, kinks) - 1)
        assert set(np.flatnonzero(jumps)) == cells, f"jumps at {grid[:-1][jumps]}, kinks at {kinks}"


def _jumps(y: Array) -> Array:
    """Cells of a grid over which y changes by far more than over their neighbours."""
    change = np.abs(np.diff(y))
    around = np.roll(change, 1) + np.roll(change, -1)
    found = change > 10 * around + 1e-6
    found[[0, 1, -2, -1]] = False
    return found


def at_a_kink_the_slope_is_the_mean(op: Op) -> None:
    """Of those on either side, where the value is continuous: at the kinks of one variable, at ties of two."""
    if not isinstance(op, Elementwise) or not (op.kinks if op.arity == 1 else op.arity == 2):
        return
    rng = np.random.default_rng(9)
    at = np.array(op.kinks, float) if op.arity == 1 else op.domain[1].sample(8, rng)
    for params in op.samples:
        program = program_of(Case(op, (at,) * op.arity, params))
        if not real_outputs(program):
            continue
        for i in range(op.arity):
            left, right = (compute(program, [at + d * (i == j) for j in range(op.arity)])[0] for d in (-1e-7, 1e-7))
            continuous = np.abs(left - right) < 1e-5
            (slope,) = derivatives(forward(program, (i,)), [*[at] * op.arity, np.ones_like(at)], [left])
            seen = (right - left) / 2e-7
            assert np.all(~continuous | (np.abs(slope - seen) < 1e-6)), f"{slope} is stated, {seen} is seen"


# --- both modes -------------------------------------------------------------------------------------------------------


def modes_agree(program: Program, values: Values, moving: Sequence[int], rng: np.random.Generator) -> None:
    """⟨ȳ, J ẋ⟩ = ⟨Jᵀ ȳ, ẋ⟩"""
    tangents = random_like([values[i] for i in moving], rng)
    cotangents = random_like(real_outputs(program), rng)
    outward = derivatives(forward(program, moving), [*values, *tangents], [a.type for a in program.outputs])
    outward = [t for t, a in zip(outward, program.outputs, strict=True) if a.type.differentiable]
    inward = derivatives(reverse(program, moving), [*values, *cotangents], tangents)
    left = [float(np.sum(g * t)) for g, t in zip(cotangents, outward, strict=True)]
    right = [float(np.sum(g * t)) for g, t in zip(inward, tangents, strict=True)]
    terms = [g * t for g, t in zip((*cotangents, *inward), (*outward, *tangents), strict=True)]
    size = sum(float(np.sum(np.abs(t))) for t in terms)
    assert np.isfinite(size)
    gap = abs(sum(left) - sum(right))
    assert gap <= 1e5 * rounding(program) * max(size, 1), f"forward says {sum(left)}, reverse says {sum(right)}"


def forward_and_reverse_are_transposes(op: Op) -> None:
    """For the op in each choice of operands, and for the Programs of its derivatives."""
    rng = np.random.default_rng(5)
    for case in cases(op):
        for program, values in first_and_second(case, rng):
            if not real_outputs(program):
                continue
            everything = _moving(program)
            for moving in subsets(case.moving) if len(program.inputs) == len(case.args) else ():
                modes_agree(program, values, moving, rng)
            if everything:
                modes_agree(program, values, everything, rng)


# --- rows -------------------------------------------------------------------------------------------------------------


def rows_agree(program: Program, rows: Sequence[Values], mapped: Sequence[bool]) -> None:
    """`batch` on stacked rows is the Program on each row; what is not mapped is the first row's."""
    together = [np.stack([r[i] for r in rows]) if m else rows[0][i] for i, m in enumerate(mapped)]
    found = compute(batch(program, mapped, len(rows)), together)
    apart = [compute(program, [r[i] if m else rows[0][i] for i, m in enumerate(mapped)]) for r in rows]
    for y, one_by_one in zip(found, zip(*apart, strict=True), strict=True):
        assert close(y, np.stack(one_by_one), 1e-12), f"{mapped}: {y}, row by row {np.stack(one_by_one)}"


def vmap_is_the_loop_over_rows(op: Op) -> None:
    """In each choice of operands: the op, its derivatives in both modes, and all of these mapped twice."""
    draws = [cases(op, seed, points=4) for seed in range(4)]
    for same in zip(*draws, strict=True):
        assert all(c.params == same[0].params for c in same), "examples draw their params"
        tried = [list(first_and_second(c, np.random.default_rng(n))) for n, c in enumerate(same)]
        n = len(same[0].args)
        for versions in zip(*tried, strict=True):
            program, rows = versions[0][0], [values for _, values in versions]
            extra = len(program.inputs) - n
            for chosen in subsets(range(n)):
                flags = [i in chosen for i in range(n)]
                for more in {(), (True,) * extra, (False,) * extra}:
                    if len(more) == extra:
                        rows_agree(program, rows[:3], [*flags, *more])
                once = [*flags, *(True,) * extra]
                pairs = [
                    [np.stack([a, b]) if m else a for a, b, m in zip(r, s, once, strict=True)]
                    for r, s in (rows[:2], rows[2:])
                ]
                nested = batch(program, once, 2)
                rows_agree(nested, pairs, [True] * len(once))
                rows_agree(nested, pairs, [not m for m in once] if not all(once) else [*flags, *(False,) * extra])


# --- dtypes -----------------------------------------------------------------------------------------------------------


def small_dtypes_stay_small(op: Op) -> None:
    """float32 (float16) in, the same out: the value, both modes, second order; for float32, also every step between."""
    rng = np.random.default_rng(6)
    for case, dtype in itertools.product(cases(op), (np.float32, np.float16)):
        small = case.converted(dtype)
        try:
            with np.errstate(all="ignore"):
                plain = op.evaluate(*small.args, **small.params)
        except TypeError:  # NumPy itself does not know it
            continue
        plain = plain if isinstance(plain, tuple) else (plain,)
        for n, (program, values) in enumerate(first_and_second(small, rng)):
            for p, x in _with_derivatives(program, values, rng):
                found = compute(p, x)
                if n == 0:
                    assert [y.dtype for y in found[: len(plain)]] == [y.dtype for y in plain]
                widest = max((v.type.dtype.itemsize for v in p.variables if v.type.dtype.kind == "f"), default=0)
                allowed = max((a.dtype.itemsize for a in (*values, *plain) if a.dtype.kind == "f"), default=0)
                stated = max((a.type.dtype.itemsize for a in p.outputs if a.type.differentiable), default=0)
                assert stated <= allowed, f"{p} answers in a wider dtype"
                if dtype == np.float32:  # some functions of SciPy have no loop for float16
                    assert widest <= allowed, f"a step of {p} is wider than its inputs"
                    _about_the_same(p, x, found)


def _about_the_same(program: Program, values: Values, found: Values) -> None:
    """In float32 a Program computes what it computes in float64, but for rounding."""
    wide = _widened(program)
    exact = compute(wide, [x.astype(v.type.dtype) for x, v in zip(values, wide.inputs, strict=True)])
    for y, z in zip(found, exact, strict=True):
        if y.dtype.kind == "f":
            assert close(y.astype(np.float64), z.astype(np.float64), 1e-3), f"{y} in float32, {z} in float64"


def _widened(program: Program) -> Program:
    """The same Program with float64 in the place of every float32."""
    return check(retyped(program, np.float32, np.float64))


# --- Programs ---------------------------------------------------------------------------------------------------------


def transformed(
    program: Program, values: Values, depth: int, rng: np.random.Generator
) -> Iterator[tuple[Program, Values]]:
    """The Program after every sequence of transformations up to a depth, with values for its inputs."""
    yield program, values
    if depth == 0:
        return
    moving = _moving(program)
    onward: list[tuple[Program, Values]] = [(simplify(program), values)]
    if moving and real_outputs(program):
        tangents = random_like([values[i] for i in moving], rng)
        onward.append((forward(program, moving).program, values + tangents))
        onward.append((reverse(program, moving).program, values + random_like(real_outputs(program), rng)))
    mapped = [i == 0 or i % 2 == 1 for i in range(len(values))]
    onward.append(
        (batch(program, mapped, 2), [np.stack([x, x]) if m else x for x, m in zip(values, mapped, strict=True)])
    )
    for p, x in onward:
        yield from transformed(p, x, depth - 1, rng)


def programs_stay_well_formed(op: Op) -> None:
    """After forward, reverse, batch and simplify in any order, three deep: checked, run, every step as typed."""
    for case in cases(op, points=3):
        for program, values in transformed(program_of(case), list(case.args), 3, np.random.default_rng(7)):
            compute(program, values)


def simplifying_changes_no_value(op: Op) -> None:
    """Bit by bit, also at special values; but for the one rewrite that saves a rounding.

    That one costs 2 ULP at most in the domain. (Beyond, it may spare an overflow: x / 1e-320 is finite for small x.)
    """
    rng = np.random.default_rng(8)
    for case in cases(op):
        for program, values in first_and_second(case, rng):
            for p, x in _with_derivatives(program, values, rng):
                simplified_agrees(p, x)
        if isinstance(op, Elementwise):
            grid = np.meshgrid(*[np.array(SPECIAL)] * op.arity)
            for program, values in first_and_second(case._replace(args=tuple(g.ravel() for g in grid)), rng):
                for p, x in _with_derivatives(program, values, rng):
                    simplified_is_identical(p, x)


def simplified_agrees(program: Program, values: Values) -> None:
    simplified_is_identical(program, values)
    for x, y in zip(compute(simplify(program), values), compute(program, values), strict=True):
        assert close(x, y, 2 * float(np.finfo(x.dtype).eps) if x.dtype.kind == "f" else 0), f"{x} after, {y} before"


def simplified_is_identical(program: Program, values: Values) -> None:
    """Without the one rewrite that is not exact."""
    exact = tuple(r for r in rewriting.REWRITES if r is not rewriting.quotient_not_reciprocal)
    with patch.object(rewriting, "REWRITES", exact):
        shorter = rewriting.simplify(program)
    for x, y in zip(compute(shorter, values), compute(program, values), strict=True):
        assert identical(x, y), f"{x} after simplify, {y} before"


# --- facts ------------------------------------------------------------------------------------------------------------


def the_entry_is_complete(op: Op) -> None:
    """It has points to try it on, the book's name for its rule, and as many domains, slopes, results as it should."""
    assert op.rule, "which rule does a calculus book call this?"
    for case in cases(op):
        with np.errstate(all="ignore"):
            found = op.evaluate(*case.args, **case.params)
        assert (len(found) if isinstance(found, tuple) else 1) == op.count(**case.params)
        if isinstance(op, Elementwise):
            assert len(op.domain) == op.arity == len(case.args)
            assert len(op.partials(case.args, found, **case.params)) == op.arity


CLAIMS: tuple[Claim, ...] = (
    the_entry_is_complete,
    tracing_changes_no_value,
    results_lie_in_the_image,
    outside_its_domain_numpy_answers,
    what_is_not_taken_leaves_no_trace,
    stated_partials_are_slopes,
    kinks_are_where_the_slope_jumps,
    at_a_kink_the_slope_is_the_mean,
    forward_and_reverse_are_transposes,
    vmap_is_the_loop_over_rows,
    small_dtypes_stay_small,
    programs_stay_well_formed,
    simplifying_changes_no_value,
)
