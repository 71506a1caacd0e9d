"""The ends of a symmetric matrix's spectrum, from products with vectors.

Small matrices are formed, and all eigenvalues computed. Of large ones, Lanczos' method (in ARPACK's form, with implicit
restarts) finds the two ends without ever forming the matrix; the residual ‖Hv − λv‖ is reported, for an eigenvalue lies
within it of λ. That none lies further out is likely with a random start, and no proof.

Lanczos, 1950; Lehoucq & Sorensen, 1996; Kuczyński & Woźniakowski, 1992, for random starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError
from ..ir import Array

Product = Callable[[Array], Array]

DENSE = 256  # components up to which the matrix is formed
_TOLERANCES = (1e-4, 1e-2, 0.1)  # of the residual, relative to the largest eigenvalue
_LARGE = 50_000  # components from which on the first of them would take too long
_ROUNDS = 10  # restarts of Lanczos' method for each of them
_BASIS = 24  # its vectors kept at a time


@dataclass(frozen=True)
class Spectrum:
    """The smallest and the largest eigenvalue, each with its unit vector and how far off it may be.

    `rounding` is the part of that which is rounding: λ = vᵀHv is known to within it, so that a negative one proves that
    H bends down somewhere, converged or not. `residual` is the larger ‖Hv − λv‖ of the two. `values` and `vectors` hold
    all of them (ascending, vectors as columns) where the matrix was formed.
    """

    low: float
    high: float
    low_vector: Array
    high_vector: Array
    low_error: float
    high_error: float
    residual: float
    products: int
    values: Array | None = None
    vectors: Array | None = None
    rounding: float = 0.0

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))


def spectrum(product: Product, n: int, precision: float, *, dense: int = DENSE) -> Spectrum:
    """Both ends of the spectrum of the symmetric n x n matrix that `product` multiplies by.

    `precision` is the relative rounding of the products. Raises ArgumentError if they are not finite.

    >>> found = spectrum(lambda v: np.array([3.0, 1.0]) * v, 2, 2.0**-52)
    >>> found.low, found.high
    (1.0, 3.0)
    """
    count = 0

    def counted(v: Array) -> Array:
        nonlocal count
        count += 1
        found = product(np.ravel(v))
        if not np.isfinite(found).all():
            raise ArgumentError(
                "the Hessian is not finite at this point", hint="is the point inside the domain of the function?"
            )
        return found

    if n <= max(dense, 2):
        return _dense(counted, n, precision)
    found = _lanczos(counted, n, precision)
    largest = max(abs(found[0]), abs(found[1]))
    return Spectrum(*found, count, rounding=8 * float(np.sqrt(n)) * precision * largest)


def _dense(product: Product, n: int, precision: float) -> Spectrum:
    columns = np.array([product(unit) for unit in np.eye(n)])
    matrix = (columns + columns.T) / 2
    values, vectors = np.linalg.eigh(matrix)
    asymmetry = float(np.linalg.norm(columns - columns.T)) / 2
    error = 8 * n * precision * float(np.abs(values).max()) + asymmetry
    ends = vectors[:, [0, -1]]
    residual = float(np.linalg.norm(matrix @ ends - ends * values[[0, -1]], axis=0).max())
    return Spectrum(
        float(values[0]), float(values[-1]), ends[:, 0], ends[:, 1], error, error, residual, n, values, vectors, error
    )  # fmt: skip


def _lanczos(product: Product, n: int, precision: float) -> tuple[float, float, Array, Array, float, float, float]:
    start = np.random.default_rng(0).normal(size=n)
    start /= np.linalg.norm(start)
    first = product(start)
    mean = float(start @ first)
    if np.linalg.norm(first - mean * start) <= 8 * np.sqrt(n) * precision * abs(mean):
        rounding = 8 * float(np.sqrt(n)) * precision * abs(mean)
        return mean, mean, start, start, rounding, rounding, 0.0  # a multiple of the identity
    far = _ends(product, start, "LM", precision)[:, 0]
    size = float(np.linalg.norm(product(far)))
    # what lies near zero would take ages to converge to its own accuracy: shift it to where it is large
    bottom, top = _ends(lambda v: product(v) + 2 * size * v, start, "BE", precision).T
    (high, above), (low, below) = (_quotient(product, v) for v in (top, bottom))
    rounding = 8 * float(np.sqrt(n)) * precision * size
    return low, high, bottom, top, below + rounding, above + rounding, max(above, below)


def _quotient(product: Product, v: Array) -> tuple[float, float]:
    """Rayleigh's quotient, and how far v is from an eigenvector."""
    found = product(v)
    value = float(v @ found)
    return value, float(np.linalg.norm(found - value * v))


def _ends(product: Product, start: Array, which: str, precision: float) -> Array:
    """The vectors of the eigenvalues of largest magnitude (LM), or of both ends (BE), as columns, to the first accuracy
    that is reached in time: the residual will tell."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh  # takes a while to import

    n = start.size
    operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
    k = 1 if which == "LM" else 2
    accuracies = _TOLERANCES[-1:] if which == "LM" else _TOLERANCES[1:] if n > _LARGE else _TOLERANCES
    for tol in accuracies:
        try:
            values, vectors = eigsh(
                operator, k=k, which=which, v0=start, tol=max(tol, 10 * precision), maxiter=_ROUNDS, ncv=min(_BASIS, n)
            )
        except ArpackError:  # it did not converge
            continue
        return np.asarray(vectors[:, np.argsort(values)])
    raise ArgumentError(
        "Lanczos' method does not find the ends of the Hessian's spectrum: too many eigenvalues lie close to them"
    )
