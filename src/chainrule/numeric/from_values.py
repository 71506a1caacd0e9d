"""Derivatives from values alone, each with an error bar: gradients, Jacobians, Hessians.

The differences, their extrapolation and their bars are those of `differences`; here they are taken for every component
of every argument and every output, with each value computed once. What is found is doubted once more: smaller steps
must tell the same, or the estimate says that it can't be relied on.

>>> x = np.array([3.0, 4.0])
>>> d = derivatives(lambda arrays: np.array([np.sum(arrays[0] ** 2)]), [x], ["x"])
>>> bool(np.all(abs(d.value[0] - 2 * x) <= d.error[0])), bool(np.all(d.error[0] < 1e-8))
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, ChainruleError, DtypeError
from ..ir import Array
from .differences import FIRST_STEP, Line, Slope, curvature, mixed, noise_of, scales, slope

METHODS = ("richardson", "central")

Values = Callable[[list[Array]], Array]  # the arrays that vary -> every output, in one vector

_RATIO = 4.0
_FINEST = 8  # units of rounding in x: below that a step is not what it says
_CLOSEST = 1e-16  # at x = 0, where floats lie closer than anyone asks
_TOLD = ("smooth", "flat")
_CONVINCING = 1e-4  # a relative error bar that noise does not reach by chance
_HEARINGS = 4  # of an estimate, each at finer steps
_HALVINGS = 60  # of a step that leaves the domain

_OBSTACLES = {
    "edge": "no step stays where the function is finite on both sides",
    "jump": "the function jumps here",
    "steep": "the slope grows without bound as the step shrinks",
}


@dataclass(frozen=True)
class Estimate:
    """One number: the derivative within `error`, unless `note` says what stands in the way."""

    value: float
    error: float
    step: float
    note: str = ""


@dataclass(frozen=True)
class Estimates:
    """Matrices of outputs by components, laid end to end; notes by the place they speak of."""

    value: Array
    error: Array
    step: Array
    notes: tuple[tuple[str, str], ...]
    evaluations: int


class Around:
    """A function at a point, as seen by moving one or two components; each place is visited once."""

    def __init__(self, values: Values, at: Sequence[Array], names: Sequence[str]) -> None:
        self.function = values
        self.at = list(at)
        self.names = names
        self.ends = np.cumsum([0, *(a.size for a in at)])
        self.scales = [scales(a) for a in at]
        self.scale = np.concatenate([np.ravel(s) for s in self.scales]).astype(np.float64)
        self.precision = max([float(np.finfo(a.dtype).eps) for a in at] + [2.0**-52])
        self.evaluations = 0
        self.failure: Exception | None = None
        self.outputs = 0
        self.output_precision = 2.0**-52
        self.noise = np.zeros(0)
        self.repeats = True

    @property
    def size(self) -> int:
        return int(self.ends[-1])

    def place(self, i: int) -> tuple[int, tuple[int, ...]]:
        """Which array holds component i, and where."""
        k = int(np.searchsorted(self.ends, i, side="right")) - 1
        return k, tuple(int(n) for n in np.unravel_index(i - int(self.ends[k]), self.at[k].shape))

    def name(self, i: int) -> str:
        k, index = self.place(i)
        return self.names[k] + (f"[{', '.join(map(str, index))}]" if index else "")

    def moved(self, *moves: tuple[int, float]) -> list[Array]:
        """Fresh copies, with components i moved by t times their scale: the function may write in them."""
        arrays = [a.copy() for a in self.at]
        for i, t in moves:
            k, index = self.place(i)
            kind = arrays[k].dtype.type
            arrays[k][index] = self.at[k][index] + kind(t * self.scale[i])
        return arrays

    def values(self, arrays: list[Array]) -> Array:
        """Every output; NaN where the function has no value. A failure is kept, for whoever finds nothing else."""
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                found = self.function(arrays)
        except ChainruleError:
            raise
        except (ArithmeticError, ValueError) as failure:  # LinAlgError is a ValueError
            self.failure = failure
            return np.full(self.outputs, np.nan)
        if found.dtype.kind == "f":
            self.output_precision = max(self.output_precision, float(np.finfo(found.dtype).eps))
        found = found.astype(np.float64)
        if self.outputs and found.size != self.outputs:
            raise ArgumentError(
                f"the function returns {self.outputs} numbers at one point and {found.size} at another near it"
            )
        return found

    def start(self) -> Array:
        """The values at the point itself. What fails here is the user's to see."""
        first = self.values(self.moved())
        if self.failure is not None:
            raise self.failure
        self.outputs = first.size
        return first

    def line(self, *components: int) -> Callable[[float], Array]:
        """t -> the outputs, when these components move by t times their scales."""
        known: dict[float, Array] = {}

        def at(t: float) -> Array:
            if t not in known:
                known[t] = self.values(self.moved(*((i, t) for i in components)))
            return known[t]

        return at

    def measure_noise(self, first: Array) -> None:
        """For each output: three standard deviations of the values near the point, and what two calls differ by."""
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], self.size)
        known: dict[float, Array] = {0.0: first}

        def line(t: float) -> Array:
            if t not in known:
                known[t] = self.values(self.moved(*((i, t * signs[i]) for i in range(self.size))))
            return known[t]

        again = self.values(self.moved())
        self.repeats = np.array_equal(first, again, equal_nan=True)
        precision = max(self.precision, self.output_precision)
        measured = [noise_of(_output(line, m), precision) for m in range(self.outputs)]
        self.noise = 3 * np.array(measured) + 3 * _apart(first, again)


def _apart(a: Array, b: Array) -> Array:
    both = np.isfinite(a) & np.isfinite(b)
    return np.abs(np.where(both, a, 0) - np.where(both, b, 0))


def _output(line: Callable[[float], Array], m: int) -> Line:
    return lambda t: float(line(t)[m])


# --- first derivatives ------------------------------------------------------------------------------------------------


def derivatives(
    values: Values,
    at: Sequence[Array],
    names: Sequence[str],
    *,
    method: str = "richardson",
    step: float | None = None,
) -> Estimates:
    """Every output by every component. `step` is the step of "central", the first of "richardson", as x counts it."""
    around = Around(values, at, names)
    if method == "central":
        return _central(around, step)
    first = around.start()
    shape = (around.outputs, around.size)
    if not first.size * around.size:
        return Estimates(np.zeros(shape), np.zeros(shape), np.zeros(shape), (), around.evaluations)
    around.measure_noise(first)
    found: list[list[Estimate]] = []
    for i in range(around.size):
        line = around.line(i)
        start = FIRST_STEP if step is None else step / float(around.scale[i])
        found.append([_estimate(around, i, _output(line, m), m, first[m], start) for m in range(around.outputs)])
    return _matrices(around, found)


def _estimate(around: Around, i: int, line: Line, m: int, middle: float, first: float) -> Estimate:
    if not math.isfinite(middle):
        return Estimate(math.nan, math.inf, math.nan, f"the function's value is {middle}")
    k, index = around.place(i)
    rounded = around.at[k][index] != 0
    unit = max(around.precision, around.output_precision)  # a function that computes in float32 rounds x to that, too
    precision, floor = unit if rounded else 0.0, unit * abs(middle)
    noise = float(around.noise[m])
    if not around.repeats:
        floor = max(floor, noise)  # nothing finer is to be learned of a function that answers differently each time
    found, note = trusted(line, noise=noise, floor=floor, precision=precision, first=first)
    scale = float(around.scale[i])
    size = max(abs(found.value), abs(found.left), abs(found.right)) if found.kind == "kink" else abs(found.value)
    bar = 2 * found.bar + 2 * float(np.finfo(around.at[k].dtype).eps) * size
    if found.kind in _OBSTACLES:
        return Estimate(math.nan, math.inf, found.step * scale, _OBSTACLES[found.kind])
    if found.kind == "kink":
        bar = max(bar, abs(found.right - found.left))
        said = f"a kink: the slope is {found.left / scale:.6g} on the left, {found.right / scale:.6g} on the right"
        return Estimate(found.value / scale, bar / scale, found.step * scale, said)
    return Estimate(found.value / scale, math.inf if note else bar / scale, found.step * scale, note)


def trusted(
    line: Line, *, noise: float, floor: float, precision: float, first: float = FIRST_STEP
) -> tuple[Slope, str]:
    """The slope that coarse and fine steps agree on, and a note where they don't.

    `noise` is what was measured in the values, `floor` a unit of their last digit. A wave that steps outrun looks like
    noise: smaller steps, down to neighbouring floats, tell one from the other.

    >>> found, note = trusted(lambda t: math.sin(1 + 1e7 * t), noise=3.0, floor=2.0**-52, precision=2.0**-52)
    >>> abs(found.value - 1e7 * math.cos(1)) <= found.bar < 1e2, note
    (True, '')
    """
    found = slope(line, noise=noise, precision=precision, first=first)
    for _ in range(_HEARINGS):
        if found.kind not in ("smooth", "flat"):
            return found, ""
        step = contradiction(line, found, floor=floor, precision=precision)
        if not step:
            break
        finer = slope(line, noise=3 * floor, precision=precision, first=step)
        if finer.kind != "smooth" or finer.bar > _CONVINCING * abs(finer.value):
            break
        found = finer
    if found.kind == "smooth" and found.swing <= 8 * noise and noise > 16 * floor and found.bar > abs(found.value):
        return found, f"nothing in the values stands out of their noise, {noise:.1g}"
    if level(line, found, floor=floor, precision=precision):
        return found, "the values are a staircase, level close by: this is the slope from afar"
    if contradiction(line, found, floor=max(floor, noise), precision=precision):
        return found, "smaller steps tell other slopes: the function varies faster than they can follow"
    return found, ""


def level(line: Line, found: Slope, *, floor: float, precision: float) -> bool:
    """Whether the values don't change at all over steps that are long enough for `found` to show.

    >>> stairs = lambda t: math.floor((t + 0.12345678912) * 1e9) / 1e9
    >>> level(stairs, slope(stairs, noise=1e-9, first=0.1), floor=1e-17, precision=1e-16)
    True
    """
    step = 64 * max(precision, floor / abs(found.value)) if found.value else 0.0
    return bool(0 < step < found.step / 4 and line(step) == line(-step) == line(0.0))


def contradiction(line: Line, found: Slope, *, floor: float, precision: float) -> float:
    """The largest step, finer than those of `found`, whose difference it can't explain; 0 if there is none."""
    middle, step = line(0.0), found.step / _RATIO
    while step >= max(_FINEST * precision, _CLOSEST):
        after, before = line(step), line(-step)
        central = (after - before) / (2 * step)
        shrunk = step / found.step
        rounding = (precision + 2.0**-52 * step) * max(abs(central), abs(found.value))
        gap = step * (abs(central - found.value) - found.bar - 2 * found.bend * shrunk**2)
        bend, smallest = abs(after - middle + (before - middle)), 4 * floor + 2 * rounding
        uneven = bend - 2 * found.curvature * found.step**2 * shrunk
        if math.isfinite(central) and max(gap, uneven / 4) > smallest:
            return step
        if shrunk <= 1 / _RATIO**2 and bend > max(4 * smallest, found.curvature * found.step * step / 2):
            return step  # the sides have not come nearer
        step /= _RATIO
    return 0.0


def _central(around: Around, step: float | None) -> Estimates:
    """Two values for each component, and nothing else: no estimate of the error can be had from them."""
    columns: list[list[Estimate]] = []
    for i in range(around.size):
        k, index = around.place(i)
        x, dtype = around.at[k][index], around.at[k].dtype
        size = float(np.finfo(dtype).eps) ** (1 / 3) * float(around.scale[i]) if step is None else step
        around.failure, seen = None, False
        for _ in range(_HALVINGS):
            h = dtype.type(size)
            up, down = x + h, x - h
            if up == x or down == x:
                break
            after, before = (around.values(around.moved((i, float(s * h) / around.scale[i]))) for s in (1, -1))
            seen = True
            if after.size and before.size:
                around.outputs = after.size
                if np.all(np.isfinite(after) & np.isfinite(before)) or step is not None:
                    break
            size /= 4  # never a step out of the domain
        if not seen:
            raise ArgumentError(
                f"a step of {size:.3g} vanishes in {dtype} beside {around.name(i)} = {float(x):.6g}",
                hint="leave step out, or use float64",
            )
        if around.failure is not None and not (after.size and before.size):
            raise around.failure
        column = (after - before) / float(up - down)
        note = "the function is not finite on both sides"
        columns.append([
            Estimate(float(c), math.nan, float(up - down) / 2, "" if math.isfinite(c) else note) for c in column
        ])  # fmt: skip
    if not columns:
        around.start()
    return _matrices(around, columns)


def _matrices(around: Around, columns: list[list[Estimate]]) -> Estimates:
    def matrix(part: str) -> Array:
        rows = [[getattr(e, part) for e in column] for column in columns]
        return np.array(rows, dtype=np.float64).reshape(around.size, around.outputs).T

    notes = [
        (around.name(i) + (f", output {m}" if around.outputs > 1 else ""), e.note)
        for i, column in enumerate(columns)
        for m, e in enumerate(column)
        if e.note
    ]
    return Estimates(matrix("value"), matrix("error"), matrix("step"), tuple(notes), around.evaluations)


# --- second derivatives -----------------------------------------------------------------------------------------------


def second_derivatives(
    values: Values,
    at: Sequence[Array],
    names: Sequence[str],
    *,
    method: str = "richardson",
    step: float | None = None,
) -> Estimates:
    """The Hessian of a function with one output: as many rows as columns, symmetric as it is computed."""
    around = Around(values, at, names)
    n = around.size
    first = around.start()
    value, error, steps = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    notes: list[tuple[str, str]] = []
    if n and method == "richardson":
        around.measure_noise(first)
    for i in range(n):
        for j in range(i + 1):
            if method == "central":
                e = _central_second(around, i, j, float(first[0]), step)
            else:
                e = _second(around, i, j, float(first[0]), step)
            value[i, j], error[i, j], steps[i, j] = e.value, e.error, e.step
            value[j, i], error[j, i], steps[j, i] = e.value, e.error, e.step
            if e.note:
                notes.append((f"{around.name(i)}, {around.name(j)}" if i != j else around.name(i), e.note))
    return Estimates(value, error, steps, tuple(notes), around.evaluations)


def _plane(around: Around, i: int, j: int) -> Callable[[float, float], float]:
    known: dict[tuple[float, float], float] = {}

    def at(s: float, t: float) -> float:
        if (s, t) not in known:
            known[s, t] = float(around.values(around.moved((i, s), (j, t)))[0])
        return known[s, t]

    return at


def _second(around: Around, i: int, j: int, middle: float, step: float | None) -> Estimate:
    if not math.isfinite(middle):
        return Estimate(math.nan, math.inf, math.nan, f"the function's value is {middle}")
    unit = float(around.scale[i]) * float(around.scale[j])
    first = FIRST_STEP if step is None else step / math.sqrt(unit)
    noise, precision = float(around.noise[0]), around.precision
    note = ""
    if i == j:
        floor = max(precision, around.output_precision) * abs(middle)
        floor = floor if around.repeats else max(floor, noise)
        line = _output(around.line(i), 0)
        found, note = trusted_curvature(line, noise=noise, floor=floor, precision=precision, first=first)
    else:
        found = mixed(_plane(around, i, j), noise=noise, precision=precision, first=first)
    at = found.step * math.sqrt(unit)
    if found.kind in _OBSTACLES:
        said = {"jump": "a kink, or a jump", "steep": "the curvature grows without bound as the step shrinks"}
        return Estimate(math.nan, math.inf, at, said.get(found.kind, _OBSTACLES[found.kind]))
    if found.kind == "kink":
        left, right = found.left / unit, found.right / unit
        said_kink = f"the slope has a kink: its slope is {left:.6g} on one side, {right:.6g} on the other"
        return Estimate(found.value / unit, max(abs(left - right), found.bar / unit), at, said_kink)
    rounded = 2 * max(float(np.finfo(a.dtype).eps) for a in around.at) * abs(found.value)
    return Estimate(found.value / unit, math.inf if note else (2 * found.bar + rounded) / unit, at, note)


def trusted_curvature(
    line: Line, *, noise: float, floor: float, precision: float, first: float = FIRST_STEP
) -> tuple[Slope, str]:
    """The second derivative that coarse and fine steps agree on, and a note where they don't: as `trusted`.

    >>> found, note = trusted_curvature(lambda t: math.sin(1 + 1e7 * t), noise=3.0, floor=2.0**-52, precision=2.0**-52)
    >>> abs(found.value + 1e14 * math.sin(1)) <= found.bar or bool(note)
    True
    """
    found = curvature(line, noise=noise, precision=precision, first=first)
    for _ in range(_HEARINGS):
        step = _other_curvature(line, found, floor=floor, precision=precision) if found.kind in _TOLD else 0.0
        if not step:
            return found, ""
        finer = curvature(line, noise=3 * floor, precision=precision, first=step)
        if finer.kind != "smooth" or finer.bar > _CONVINCING * abs(finer.value):
            break
        found = finer
    if found.kind in _TOLD and _other_curvature(line, found, floor=max(floor, noise), precision=precision):
        return found, "smaller steps tell another curvature: the function varies faster than they can follow"
    return found, ""


def _other_curvature(line: Line, found: Slope, *, floor: float, precision: float) -> float:
    """The largest step, finer than those of `found`, whose second difference it can't explain; 0 if there is none."""
    middle, step = line(0.0), found.step / _RATIO
    while step >= max(_FINEST * precision, _CLOSEST):
        after, before = line(step) - middle, line(-step) - middle
        rounding = 4 * floor + 4 * precision * max(abs(after), abs(before)) / step
        allowed = found.bar + 2 * found.bend * (step / found.step) ** 2
        if abs(after + before - step * step * found.value) > step * step * allowed + 4 * rounding:
            return step
        step /= _RATIO
    return 0.0


def _central_second(around: Around, i: int, j: int, middle: float, step: float | None) -> Estimate:
    """One second difference: 3 values on the diagonal, 4 beside it."""
    eps = max(float(np.finfo(a.dtype).eps) for a in around.at)
    h, k = (eps**0.25 if step is None else step / float(around.scale[c]) for c in (i, j))
    plane = _plane(around, i, j)
    size = math.sqrt(h * around.scale[i] * k * around.scale[j])
    for _ in range(_HALVINGS):
        if i == j:
            line = _output(around.line(i), 0)
            found = (line(h) - middle + (line(-h) - middle)) / h**2
        else:
            found = (plane(h, k) - plane(h, -k) - (plane(-h, k) - plane(-h, -k))) / (4 * h * k)
        if math.isfinite(found) or step is not None:
            break
        h, k, size = h / 4, k / 4, size / 4
    value = found / float(around.scale[i] * around.scale[j])
    return Estimate(value, math.nan, size, "" if math.isfinite(value) else _OBSTACLES["edge"])


def validated(at: Sequence[Array], names: Sequence[str], method: str, step: float | None) -> None:
    """Refuse what no difference can be taken of."""
    if method not in METHODS:
        raise ArgumentError(f"method={method!r} is none of {', '.join(map(repr, METHODS))}")
    number = isinstance(step, (int, float, np.floating)) and not isinstance(step, bool)
    if step is not None and not (number and 0 < step < math.inf):
        raise ArgumentError(f"step={step!r}: a step is a positive number")
    for a, name in zip(at, names, strict=True):
        if a.dtype.kind != "f":
            raise DtypeError(f"`{name}` is {a.dtype}: a small step in it is not possible", hint="pass real numbers")
        if not np.all(np.isfinite(a)):
            raise ArgumentError(f"`{name}` holds {a[~np.isfinite(a)].ravel()[0]}: there is no place near it")
