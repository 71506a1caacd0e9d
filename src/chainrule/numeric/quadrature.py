"""The integral of a function of arrays of nodes, with an error that holds, or the reason why there is none.

Panels are graded towards the places of interest, from a millionth of a millionth of the distance to the next one up to
all of it, so that a narrow peak there is met. Each panel has two rules, and is halved until they agree; what they
agree on is compared with the same rule on the halves; what rounding of x and f may do is measured. At an end where the
function grows, or far out, the contributions of shells, each half (twice) as wide as the one before, tell whether the
integral exists, and what the rest comes to.

Gauss & Kronrod: Piessens et al., QUADPACK, 1983. On error estimates: Gonnet, "A review of error estimation in adaptive
quadrature", 2012.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Nodes = Callable[[Array], Array]  # N nodes -> the values there, (N, …)

_HALF = (
    0.995657163025808080735527280689003, 0.973906528517171720077964012084452, 0.930157491355708226001207180059508,
    0.865063366688984510732096688423493, 0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
    0.562757134668604683339000099272694, 0.433395394129247190799265943165784, 0.294392862701460198131126603103866,
    0.148874338981631210884826001129720,
)  # fmt: skip
_GAUSS = (
    0.066671344308688137593568809893332, 0.149451349150580593145776339657697, 0.219086362515982043995534934228163,
    0.269266719309996355091226921569469, 0.295524224714752870173892994651338,
)  # fmt: skip
_KRONROD = (
    0.011694638867371874278064396062192, 0.032558162307964727478818972459390, 0.054755896574351996031381300244580,
    0.075039674810919952767043140916190, 0.093125454583697605535065465083366, 0.109387158802297641899210590325805,
    0.123491976262065851077958109831074, 0.134709217311473325928054001771707, 0.142775938577060080797094273138717,
    0.147739104901338491374841515972068, 0.149445554002916905664936468389821,
)  # fmt: skip
NODES = np.array([*_HALF, 0.0, *(-x for x in reversed(_HALF))])
KRONROD = np.array([*_KRONROD, *reversed(_KRONROD[:-1])])
GAUSS = np.zeros(21)
GAUSS[1:10:2] = _GAUSS
GAUSS[11::2] = _GAUSS[::-1]
EPS = float(np.finfo(np.float64).eps)
GROWS = 1.25  # how much larger f is found at shell 34 than at shell 14, where it is said to grow towards an end
STAYS = (
    0.9997  # shells whose contributions shrink less than this add up to nothing finite, or to nothing that floats tell
)
LEVEL = 1e-9  # contributions that shrink by less than this part don't shrink
UNRESOLVED = 1e-3  # rules this far apart, relative to ∫|f|, may agree that well by chance: neither tells of its error
STUBBORN = 10  # so many halvings in a row that don't help mean noise


@dataclass(frozen=True)
class Quadrature:
    """An integral: the value, a bound on its error as far as nodes can tell, ∫|f|, and the verdict with its reason."""

    value: Any
    error: Any
    size: Any
    evaluations: int
    verdict: str  # converged, unreliable, diverges
    reason: str = ""
    breaks: tuple[float, ...] = ()


@dataclass
class _Panels:
    """The panels so far; this changes as they are halved."""

    f: Nodes
    unit: float  # of rounding, of what f computes in
    evaluations: int = 0
    tails: Any = 0.0
    tail_errors: Any = 0.0
    notes: list[str] = field(default_factory=list)
    diverges: bool = False
    sign: float = 0.0  # towards which infinity
    done: set[tuple[float, float]] = field(default_factory=set)  # panels that an extrapolation stands for

    def at(self, x: Array) -> Array:
        """f at nodes of any shape."""
        self.evaluations += x.size
        values = self.f(np.ravel(x))
        return values.reshape(*x.shape, *values.shape[1:])

    def rules(self, low: Array, high: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Of each panel: the integral, how far the rules differ, ∫|f|, how many values are not finite, rounding."""
        with np.errstate(all="ignore"):
            half = (high - low) / 2
            x = (low + half)[:, None] + half[:, None] * NODES
            y = self.at(x)
            bad = ~np.isfinite(y)
            core = tuple(range(2, y.ndim))
            if bad.any():
                y = np.where(bad, 0, y)
            width = half.reshape(-1, *(1,) * (y.ndim - 2))
            value = np.einsum("pn...,n->p...", y, KRONROD) * width
            other = np.einsum("pn...,n->p...", y, GAUSS) * width
            size = np.einsum("pn...,n->p...", np.abs(y), KRONROD) * width
            apart = np.abs(value - other)
            apart = np.where(apart > UNRESOLVED * size, np.maximum(apart, size / 4), apart)
            far = np.maximum(np.abs(low), np.abs(high)).reshape(width.shape)
            shaky = np.abs(np.diff(y, axis=1)).sum(1) * far * self.unit  # what rounding of x does to it
            return value, apart, size, bad.any(core).sum(1), shaky


def quadrature(
    f: Nodes,
    a: float,
    b: float,
    *,
    breaks: Sequence[float] = (),
    points: Sequence[float] = (),
    tol: float = 1e-8,
    unit: float = EPS,
    budget: int = 600_000,
    uniform: int = 1,
    grades: int = 20,
) -> Quadrature:
    """∫ f from a to b, a < b, either of them infinite, split at `breaks`, with nodes that crowd at them and `points`.

    `f` takes nodes (N,) and gives values (N, …); `unit` is the rounding of its values; `uniform` panels at least stand
    between any two places of interest, and `grades` towards each.
    """
    with np.errstate(all="ignore"):
        return _quadrature(_Panels(f, unit), a, b, breaks, points, tol, budget, uniform, grades)


def _quadrature(
    work: _Panels, a: float, b: float, breaks: Sequence[float], points: Sequence[float], tol: float, budget: int,
    uniform: int, grades: int,
) -> Quadrature:  # fmt: skip
    inner = np.unique([p for p in (*breaks, *points) if a < p < b and isfinite(p)])
    firm = np.unique([p for p in breaks if a < p < b and isfinite(p)])
    left, right, inner = _frame(a, b, inner)
    edges = _graded(np.array([left, *inner, right]), uniform, grades)
    ends = [*((p, s) for p in firm for s in (-1, 1))]
    if isfinite(a):
        ends.append((a, 1))
    if isfinite(b):
        ends.append((b, -1))
    marks = np.array([left, *inner, right])
    for c, side in ends if grades > 10 else ():
        edges = _singular_end(work, edges, c, side, marks)
    outer: list[Array] = []
    if not isfinite(b):
        outer.append(_far(work, right, 1))
    if not isfinite(a):
        outer.append(_far(work, left, -1))
    low = np.concatenate([edges[:-1], *(o[:-1] for o in outer)])
    high = np.concatenate([edges[1:], *(o[1:] for o in outer)])
    if work.diverges:
        value = work.sign * inf if work.sign else nan
        return Quadrature(value, inf, inf, work.evaluations, "diverges", work.notes[0], tuple(firm.tolist()))
    kept = (high > low) & np.array([pair not in work.done for pair in zip(low.tolist(), high.tolist(), strict=True)])
    found = _adaptive(work, low[kept], high[kept], min(tol / 10, 1e-11), budget)
    return _judged(work, found, tol, tuple(firm.tolist()))


def _frame(a: float, b: float, inner: Array) -> tuple[float, float, Array]:
    """Finite limits in place of infinite ones, beyond all places of interest."""
    known = [abs(float(p)) for p in (a, b, *inner) if isfinite(p)]
    far = 2.0 ** np.ceil(np.log2(max([1.0, *(2 * k for k in known)])))
    left, right = (a if isfinite(a) else -far), (b if isfinite(b) else far)
    if not isfinite(a) and not isfinite(b) and 0.0 not in inner:
        inner = np.unique([*inner, 0.0])
    return float(left), float(right), inner


def _graded(marks: Array, uniform: int, grades: int) -> Array:
    """Edges between marks: at quarters of quarters of the distance towards each mark, and so on.

    `grades` of them are within the scale of a mark: its size, 1 if that is less, or the distance to the nearest other.
    """
    gaps = np.diff(marks)
    scales = np.minimum(np.minimum(np.append(gaps, inf), np.insert(gaps, 0, inf)), np.maximum(np.abs(marks), 1.0))
    parts = []
    for k, (p, q) in enumerate(itertools.pairwise(marks)):
        width = q - p
        towards_p, towards_q = (0.5 * 0.25 ** np.arange(grades + _quarters(width / s)) for s in scales[k : k + 2])
        parts += [p + width * towards_p[::-1], q - width * towards_q, np.linspace(p, q, uniform + 1)]
    return np.unique(np.concatenate([marks, *parts]))


def _quarters(ratio: float) -> int:
    """How many quarters of quarters it takes to come down by this ratio."""
    return max(0, int(np.ceil(np.log2(ratio) / 2)))


# --- ends -------------------------------------------------------------------------------------------------------------


def _shells(work: _Panels, c: float, side: int, reach: float) -> tuple[Array, Array, Array]:
    """Distances reach·2^-k from c that x can still tell, and the contribution of each shell between them."""
    finest = max(abs(c) * work.unit * 2.0**16, 1e-290)
    count = int(min(600, max(4, np.log2(reach / finest))))
    d = reach * 2.0 ** -np.arange(count + 1)
    inner, outer = c + side * d[1:], c + side * d[:-1]
    value, _, size, bad, _ = work.rules(np.minimum(inner, outer), np.maximum(inner, outer))
    good = _every(np.isfinite(value)) & (bad == 0)
    count = count if good.all() else int(np.argmin(good))  # floats may end before the distances do
    return d[: count + 1], value[:count], size[:count]


def _singular_end(work: _Panels, edges: Array, c: float, side: int, marks: Array) -> Array:
    """If f grows towards c from this side: shells as edges, and what lies within the last one, by extrapolation."""
    near = marks[(marks - c) * side > 0]
    reach = float(np.min(np.abs(near - c))) / 16
    room = np.log2(reach / max(abs(c) * work.unit * 2.0**16, 1e-290))
    deep = int(min(34, room))
    if deep < 8:
        return edges
    with np.errstate(all="ignore"):
        x = c + side * reach * 2.0 ** -np.array([deep * 0.4, deep * 0.7, deep - 0.5, deep])
        y = np.abs(work.at(x).astype(float))
    y = y.reshape(4, -1)
    if not np.isfinite(y).all():
        return edges
    grows = (y[3] > GROWS * y[0]) & (y[3] > 1.05 * y[1]) & (y[1] > y[0]) & (y[3] > 0)
    if not grows.any():
        return edges
    d, shell, size = _shells(work, c, side, reach)
    if len(shell) < 12 or (np.abs(shell[-6:]) < 0.999 * size[-6:]).any():  # it swings: halving will have to do
        return edges
    if _levels_off(work, c, side, float(d[-1])):
        return edges
    rest, doubt, ratio = _rest(shell)
    if (ratio > STAYS).any():
        early = len(shell) - 1 if c == 0 else max(len(shell) - 9, 2)  # there distances from c are sharper
        room = max(LEVEL, 8 * abs(c) * work.unit / float(d[early + 1]))
        if not (np.abs(shell[early]) >= (1 - room) * np.abs(shell[early - 1]))[ratio > STAYS].any():
            work.notes.append(f"towards x = {c:.6g} {_OPEN}")
            work.tail_errors = inf
            return edges
        work.diverges = True
        flat = np.ravel(shell)
        if flat.size == len(shell) and (np.sign(flat) == np.sign(flat[0])).all() and work.sign in (0, np.sign(flat[0])):
            work.sign = float(np.sign(flat[0]))
        elif flat.size == len(shell):
            work.sign = nan
        work.notes.append(
            f"towards x = {c:.6g} the function grows so fast that the pieces, each half as wide as the one before,"
            f" don't get smaller ({_row(shell)}): the integral does not exist, not even as a limit"
        )
        return edges
    work.tails, work.tail_errors = work.tails + rest, work.tail_errors + doubt
    between = ((edges - c) * side > 0) & (np.abs(edges - c) < reach)
    edges = edges[~between]
    last = c + side * float(d[-1])
    work.done.add((min(c, last), max(c, last)))
    return np.unique(np.concatenate([edges, c + side * d]))


def _levels_off(work: _Panels, c: float, side: int, last: float) -> bool:
    """Whether f grows no more between the last shell and c: then it is a narrow peak."""
    if c == 0:
        return False
    step = side * abs(c) * EPS
    with np.errstate(all="ignore"):
        y = np.abs(work.at(np.array([c + side * last, c + step, c + 2 * step, c + 4 * step])).astype(float)).reshape(
            4, -1
        )
    return bool(np.isfinite(y).all() and (y[1:].max(0) < 64 * y[0]).all())


_OPEN = "pieces, each half or twice as wide as the one before, shrink so slowly that floats can't tell if they add up"


def _row(shell: Array) -> str:
    flat = shell.reshape(len(shell), -1)
    column = int(np.argmax(np.abs(flat[-1])))
    return ", ".join(f"{v:.3g}" for v in flat[-3:, column]) + ", …"


def _rest(shell: Array) -> tuple[Array, Array, Array]:
    """What shells beyond the last add up to if they go on shrinking at its rate; a bound on the error; the rate."""
    with np.errstate(all="ignore"):

        def ratio_at(k: int) -> Array:
            r = np.abs(shell[k] / shell[k - 1])
            return np.where(np.isfinite(r), r, 0.0)

        ratio = np.maximum(ratio_at(-1), ratio_at(-2))
        r = ratio_at(-1)
        rest = np.where(r < 1, shell[-1] * r / (1 - np.minimum(r, 0.9999)), 0)
        back = min(8, len(shell) - 3)
        s = ratio_at(-1 - back)
        before = shell[-1 - back] * s / (1 - np.minimum(s, 0.9999))
        doubt = np.abs(before - (shell[-back:].sum(0) + rest))
    return rest, np.minimum(doubt, np.abs(before)) + np.abs(rest) * 1e-6, ratio


def _far(work: _Panels, start: float, side: int) -> Array:
    """Edges of shells from `start` to infinity, each twice as wide, as far as anything is there; and what is beyond."""
    edges = start * 2.0 ** np.arange(0, 1000)
    edges = edges[np.abs(edges) < 1e300]
    inner, outer = edges[:-1], edges[1:]
    with np.errstate(all="ignore"):
        value, _, size, bad, _ = work.rules(np.minimum(inner, outer), np.maximum(inner, outer))
    broken = np.flatnonzero((bad > 0) | ~_every(np.isfinite(size)))
    end = int(broken[0]) if len(broken) else len(inner)
    name = "-inf" if side < 0 else "inf"
    if not end:
        work.notes.append(f"towards x = {name} the function is not a finite number")
        return np.sort(edges[:1])
    value, size = value[:end], size[:end]
    most = size.reshape(end, -1).max(0)
    rows = np.flatnonzero((size.reshape(end, -1) > 1e-18 * most).any(1))
    last = int(rows[-1]) if len(rows) else 0
    if len(rows) and last >= end - 3:  # it does not die out before the floats do
        _judge_far(work, value[: last + 1], size[: last + 1], name)
    elif _cut_off(size[: last + 1]):  # x² overflowed, say, and what is divided by it is 0 from there on
        _judge_far(work, value[:last], size[:last], name)
    return np.sort(edges[: min(last + 2, end + 1)])


def _cut_off(size: Array) -> bool:
    """Whether shells that shrink slowly and evenly end all at once: floats did, and not the function."""
    if len(size) < 10:
        return False
    flat = size[-9:-1].reshape(8, -1)
    flat = flat[:, flat.max(0) > 1e-14 * size.reshape(len(size), -1).max(0)]
    rates = flat[1:] / np.where(flat[:-1] == 0, 1, flat[:-1])
    return bool(rates.size and ((rates.min(0) > 0.01) & (rates.max(0) < 2 * rates.min(0))).any())


def _judge_far(work: _Panels, value: Array, size: Array, name: str) -> None:
    """Of a function that is still there where the floats end: whether its integral exists, and the rest of it."""
    n = min(6, len(size))
    rate = _largest(size[-n:] / np.where(size[-n - 1 : -1] == 0, 1, size[-n - 1 : -1])) if len(size) > n else np.ones(1)
    wavy = bool((np.abs(value[-n:]) < 0.9 * size[-n:]).any())
    if wavy:
        work.notes.append(f"towards x = {name} it oscillates without dying out fast enough")
    elif STAYS < rate.max() < 1 - LEVEL:
        work.notes.append(f"towards x = {name} {_OPEN}")
        work.tail_errors = inf
    elif rate.max() > STAYS:
        work.diverges = True
        sign = float(np.sign(value[-1])) if value[-1].ndim == 0 else nan
        work.sign = sign if work.sign in (0, sign) else nan
        work.notes.append(
            f"towards x = {name} the function falls so slowly, if at all, that the pieces, each twice as wide as"
            f" the one before, don't get smaller ({_row(value)}): the integral does not exist"
        )
    else:
        rest, doubt, _ = _rest(value)
        work.tails, work.tail_errors = work.tails + rest, work.tail_errors + doubt


# --- halving ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    value: Any
    error: Any
    size: Any
    rounding: Any
    met: bool
    undefined: tuple[float, float] | None
    low: Array
    high: Array


def _adaptive(work: _Panels, low: Array, high: Array, goal: float, budget: int) -> _Found:
    """Halve panels until their rules agree, and agree with the halves of the last ones."""
    if not len(low):
        return _Found(0.0, 0.0, 0.0, 0.0, True, None, low, high)
    value, error, size, bad, shaky = work.rules(low, high)
    poor = np.zeros(len(low), int)  # how many halvings in a row did not help
    noise = 50 * work.unit
    for _ in range(400):
        if (bad == 21).any():
            break
        total = size.sum(0)
        if not np.isfinite(total).all():
            work.notes.insert(0, "∫|f| is beyond the largest float")
            break
        allowed = goal * np.maximum(total, EPS * np.max(total, initial=0.0)) + 5e-324
        flat = np.where(bad > 0, inf, _largest(error / allowed))
        resolved = _every(error <= noise * size + 2 * shaky) & (bad == 0)
        middle = low + (high - low) / 2
        stuck = (high - low <= 4 * EPS * np.maximum(abs(low), abs(high))) | (poor >= STUBBORN) & (bad == 0)
        flat = np.where(resolved | stuck, 0.0, flat)
        if work.evaluations > budget:
            break
        if flat.sum() <= 1:
            halves = work.rules(np.concatenate([low, middle]), np.concatenate([middle, high]))
            apart = np.abs(halves[0][: len(low)] + halves[0][len(low) :] - value)
            surprise = ~_every(apart <= error + noise * size + 2 * shaky + 0.1 * allowed) & ~stuck
            noisy = np.where((poor >= STUBBORN).reshape(-1, *(1,) * (error.ndim - 1)), 10 * error, 0).sum(0)
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
            value, error, size, bad, shaky = halves
            poor = np.concatenate([poor, poor])
            if not surprise.any() and not (bad > 0)[np.concatenate([~stuck, ~stuck])].any():
                shaken = _rounding(work, low, high) + shaky.sum(0) + noise * size.sum(0) / 10
                doubt = error.sum(0) + apart.sum(0) + noisy
                return _Found(_sum(value), doubt, size.sum(0), shaken, True, None, low, high)
            continue
        order = np.argsort(-flat)
        share = np.cumsum(np.minimum(flat[order], 1e300))
        worst = order[: int(np.searchsorted(share, 0.95 * share[-1])) + 1]
        worst = np.union1d(worst, np.flatnonzero(flat > 0.5))
        worst = worst[flat[worst] > 0]
        new_low, new_high = np.concatenate([low[worst], middle[worst]]), np.concatenate([middle[worst], high[worst]])
        fresh = work.rules(new_low, new_high)
        half = len(worst)
        no_help = _largest((fresh[1][:half] + fresh[1][half:]) / allowed) > 0.6 * _largest(error[worst] / allowed)
        count = np.where(no_help & (bad[worst] == 0), poor[worst] + 1, 0)
        keep = np.setdiff1d(np.arange(len(low)), worst)
        low, high = np.concatenate([low[keep], new_low]), np.concatenate([high[keep], new_high])
        poor = np.concatenate([poor[keep], count, count])
        old = (value, error, size, bad, shaky)
        value, error, size, bad, shaky = (np.concatenate([o[keep], n]) for o, n in zip(old, fresh, strict=True))
    gone = np.flatnonzero(bad == 21)
    undefined = (float(low[gone].min()), float(high[gone].max())) if len(gone) else None
    return _Found(
        _sum(value), error.sum(0), size.sum(0), noise * size.sum(0) + shaky.sum(0), False, undefined, low, high
    )


def _largest(x: Array) -> Array:
    """The largest component of each row."""
    return x.reshape(len(x), -1).max(1)


def _sum(x: Array) -> Array:
    """The sum of rows, the smallest first: what is small by itself may be large together."""
    return np.asarray(np.take_along_axis(x, np.argsort(np.abs(x), axis=0), 0).sum(0))[()]


def _every(x: Array) -> Array:
    """Whether all of a row is true."""
    return np.asarray(x.reshape(len(x), -1).all(1))


def _rounding(work: _Panels, low: Array, high: Array) -> Any:
    """How much the integral changes if every node moves by its rounding."""
    with np.errstate(all="ignore"):
        half = (high - low) / 2
        x = (low + half)[:, None] + half[:, None] * NODES
        shift = 2 * work.unit * np.abs(x)
        inside = np.where(x + shift < high[:, None], x + shift, x - shift)
        change = np.abs(work.at(inside) - work.at(x))
        change = np.where(np.isfinite(change), change, 0.0)
        width = half.reshape(-1, *(1,) * (change.ndim - 2))
        return (np.einsum("pn...,n->p...", change, KRONROD) * width).sum(0)


def _judged(work: _Panels, found: _Found, tol: float, breaks: tuple[float, ...]) -> Quadrature:
    if found.undefined is not None:
        low, high = found.undefined
        reason = f"the function is not a finite number between x = {low:.6g} and x = {high:.6g}"
        return Quadrature(nan, inf, inf, work.evaluations, "unreliable", reason, breaks)
    if not np.all(np.isfinite(found.size)):
        return Quadrature(nan, inf, inf, work.evaluations, "unreliable", work.notes[0], breaks)
    value, size = found.value + work.tails, found.size + np.abs(work.tails)
    error = found.error + found.rounding + work.tail_errors
    error = np.maximum(error, 2 * EPS * np.abs(value))
    if np.any(np.isinf(error)) or (found.met is False and np.any(error > np.abs(value))):
        value = np.full_like(np.asarray(value), nan)[()]
    floor = np.maximum(size, 1e-6 * np.max(size, initial=0.0))
    enough = found.met and bool(np.all(error <= max(tol, 2000 * work.unit) * floor))
    reason = work.notes[0] if work.notes else ""
    if enough and not reason:
        return Quadrature(value, error, size, work.evaluations, "converged", "", breaks)
    if not reason:
        worst = int(np.argmax((found.high - found.low) == (found.high - found.low).min())) if len(found.low) else 0
        place = f", most of all near x = {found.low[worst]:.6g}" if len(found.low) and not found.met else ""
        reason = (
            f"the rules don't agree to the tolerance{place}" if not found.met else
            f"the tolerance asks for an error of {tol:.0e} times ∫|f|, and rounding, or an end where the function"
            " grows, allows no more"
        )  # fmt: skip
    return Quadrature(value, error, size, work.evaluations, "unreliable", reason, breaks)
