"""Integrals of analytic functions, with an error that is proved: no peak stands between nodes.

The interval is cut into eight panels of sixteen nodes. On discs around each panel the function is bounded (`discs`);
where |f - f(c)| ≤ M on the ellipse with foci at the ends of a panel of half-width h, whose half-axes add up to ρ h,
Gauss's rule with n nodes is at most 4.01 M h ρ⁻²ⁿ / (1 - ρ⁻²) off. For f has coefficients of at most 2 M ρ⁻ᵏ in
Chebyshev's polynomials, and the rule is exact below k = 2n and for odd k, and at most 2 + 2/(k² - 1) off at even k.

What rounding does to the values is bounded by tiny discs around nodes. Bernstein's ellipses: Trefethen, "Approximation
theory and approximation practice", 2013.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..execute import Executable, Runner, executable
from ..ir import Program
from ..trace.recorder import Recorder, Traced
from ..transform.batch import batch
from ..transform.discs import spread
from ..transform.simplify import simplify
from .quadrature import EPS, Quadrature

PANELS, ORDER = 8, 16
RADII = (1.7, 3.0, 8.0)  # of discs, in half-widths of a panel: for poles near by, and for functions without any
_NODES = (
    0.989400934991649932596154173450333, 0.944575023073232576077988415534608, 0.865631202387831743880467897712393,
    0.755404408355003033895101194847442, 0.617876244402643748446671764048791, 0.458016777657227386342419442983578,
    0.281603550779258913230460501460496, 0.0950125098376374401853193354249581,
)  # fmt: skip
_WEIGHTS = (
    0.0271524594117540948517805724560181, 0.0622535239386478928628438369943777, 0.0951585116824927848099251076022462,
    0.124628971255533872052476282192016, 0.149595988816576732081501730547479, 0.169156519395002538189312079030360,
    0.182603415044923588866763667969220, 0.189450610455068496285396723208283,
)  # fmt: skip
NODES = np.array([*(-x for x in _NODES), *reversed(_NODES)])  # Gauss's, from the left
WEIGHTS = np.array([*_WEIGHTS, *reversed(_WEIGHTS)])
TRIES = 13  # how many pieces are looked at before it is said that no proof comes of it
EVALUATIONS = PANELS * (ORDER + len(RADII))
USES = 8  # so often it is run on NumPy before it is compiled
NARROW = 1e-9  # how long an interval must be beside its limits, for nodes to be told apart
LEAST = 1e-290  # a smaller error can't be told from none


class Area:
    """The Program of (a, the integrand's further inputs, b) for the value, its error, the rule's part of that, ∫|f|.

    It runs on NumPy at first, for most integrals are asked for once; then it is compiled. It changes.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.proofs = self.failures = 0
        self.compiled: Runner | None = None
        self._run: Runner = Executable(program)

    def __call__(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return self._run(values)

    def count(self, *, proved: bool) -> None:
        """After an integral."""
        self.proofs, self.failures = self.proofs + proved, self.failures + (not proved)
        if self.compiled is None and self.proofs >= USES:
            self._run = self.compiled = executable(self.program)

    @property
    def tries(self) -> int:
        """How many pieces are worth a look."""
        return 1 if self.failures >= 3 and not self.proofs else TRIES


@lru_cache(maxsize=256)
def area(program: Program) -> Area | None:
    """The sum over panels, of an integrand whose first input is x; None where there is no bound of it."""
    bound = spread(program)
    if bound is None:
        return None
    recorder = Recorder(quiet=True)
    types = [v.type._replace(weak=False) for v in (*program.inputs, program.inputs[0])]
    names = ["a", *(v.name for v in program.inputs[1:]), "b"]
    low, *values, high = (recorder.input(t, name) for t, name in zip(types, names, strict=True))
    found = _sums(recorder, bound, low, high, values)
    inputs: Any = tuple([h._atom for h in (low, *values, high)])
    recorder.open = False
    return Area(simplify(Program(inputs, tuple(recorder.equations), tuple([recorder.atom(y) for y in found]), "area")))


def _sums(recorder: Recorder, program: Program, low: Any, high: Any, values: list[Any]) -> list[Any]:
    """The value, its error, what of that is the rule's, and ∫|f|: of `spread` on nodes, and on discs around panels."""
    width = high - low  # negative where b is below a: then the sum is, too
    half = width / (2 * PANELS)
    wide = np.abs(half)
    middles = (np.arange(PANELS) + 0.5) / PANELS
    nodes = (middles[:, None] + NODES / (2 * PANELS)).ravel()
    count = len(nodes)
    steps = width * np.concatenate([nodes, np.tile(middles, len(RADII))])
    x = low + steps
    blur = EPS * (1.5 * np.abs(steps[:count]) + np.abs(x[:count]))  # by which a node may be off
    radii = np.concatenate([blur, wide * np.repeat(RADII, PANELS)])
    rows = batch(program, [True, True] + [False] * len(values), count + PANELS * len(RADII))
    found = recorder.splice(rows, [recorder.atom(v) for v in (x, radii, *values)])
    y, far = (Traced(recorder, a) for a in found)

    weights = np.tile(WEIGHTS, PANELS)
    value = _weighted(y[:count], weights) * half
    size = _weighted(np.abs(y[:count]), weights) * wide
    rounding = _weighted(far[:count], weights) * wide + 4 * EPS * size  # of values, and of adding them up
    rho = np.array([r + np.sqrt(r * r - 1) for r in RADII])
    off = _times(far[count:], np.repeat(4.01 * rho ** (-2.0 * ORDER) / (1 - rho**-2.0), PANELS))
    off = np.where(off < np.inf, off, np.inf)  # NaN proves nothing
    least = off[:PANELS]
    for k in range(1, len(RADII)):
        least = np.minimum(least, off[k * PANELS : (k + 1) * PANELS])
    proof = np.sum(least, axis=0) * wide
    return [value, proof + rounding, proof, size]


def _times(y: Any, factors: Any) -> Any:
    """Each row of y times its factor."""
    return y * factors.reshape(-1, *(1,) * (len(y.shape) - 1))


def _weighted(y: Any, weights: Any) -> Any:
    return np.sum(_times(y, weights), axis=0)


def is_wide(a: float, b: float) -> bool:
    """Whether floats between a and b are fine enough for nodes to move by their rounding, and both are finite."""
    return NARROW * max(abs(a), abs(b)) < b - a < np.inf


def is_proved(error: float, proof: float, size: float, tol: float) -> bool:
    """Whether the proof is as sharp as that which halving of panels goes for, and rounding leaves enough."""
    return size < np.inf and proof + LEAST <= min(tol / 10, 1e-11) * size and error <= max(tol, 2000 * EPS) * size


def _all_proved(error: Any, proof: Any, size: Any, tol: float) -> bool:
    """The same of several components: one that is small beside the others need not be as sharp."""
    most = np.max(size, initial=0.0)
    sharp = proof + LEAST <= min(tol / 10, 1e-11) * np.maximum(size, EPS * most)
    return bool(most < np.inf and np.all(sharp & (error <= max(tol, 2000 * EPS) * np.maximum(size, 1e-6 * most))))


@dataclass(frozen=True)
class _Piece:
    low: float
    high: float
    sums: tuple[Any, ...]

    @property
    def doubt(self) -> float:
        """How little is proved."""
        worst = float(np.max(self.sums[2]))
        return worst if worst < np.inf else np.inf


def proved(program: Program, values: Sequence[Any], a: float, b: float, tol: float) -> Quadrature | None:
    """∫ from a to b, a < b, where a proof comes of it; the piece of which least is known is cut into four."""
    sums = area(program) if is_wide(a, b) else None
    if sums is None:
        return None
    found = _pieced(sums, values, a, b, tol)
    sums.count(proved=found is not None)
    return found


def _pieced(sums: Area, values: Sequence[Any], a: float, b: float, tol: float) -> Quadrature | None:
    pieces = [_Piece(a, b, sums([a, *values, b]))]
    tries = 1
    while True:
        value, error, proof, size = (sum(p.sums[k] for p in pieces) for k in range(4))
        if _all_proved(error, proof, size, tol):
            return Quadrature(value, error, size, tries * EVALUATIONS, "converged")
        if tries + 4 > sums.tries:
            return None
        worst = pieces.pop(int(np.argmax([p.doubt for p in pieces])))
        cuts = (worst.low + (worst.high - worst.low) * np.arange(5) / 4).tolist()
        cuts[-1] = worst.high
        if not all(is_wide(p, q) for p, q in itertools.pairwise(cuts)):
            return None
        pieces += [_Piece(p, q, sums([p, *values, q])) for p, q in itertools.pairwise(cuts)]
        tries += 4
