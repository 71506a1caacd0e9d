"""The ends of a symmetric matrix's spectrum from a few products with vectors, where there is no time for many.

Lanczos' method with all its vectors kept at right angles, and no restarts: after k products the largest eigenvalue is
at least, and the smallest at most, what is found, and each lies within its residual of an eigenvalue.

Lanczos, 1950; Paige, 1971, for what rounding does to it; Kaniel, 1966, for how soon the ends are found.
"""

from __future__ import annotations

import numpy as np

from .spectrum import Product, Spectrum


def rough_spectrum(product: Product, n: int, precision: float, steps: int) -> Spectrum:
    """Both ends, as near as `steps` products (two or more) come to them; their errors say how near that is.

    >>> found = rough_spectrum(lambda v: np.linspace(1, 5, 400) * v, 400, 2.0**-52, 30)
    >>> abs(found.high - 5) < found.high_error < 0.5, found.products
    (True, 30)
    """
    steps = min(max(steps, 2), n)
    basis = np.zeros((steps, n))
    v = np.random.default_rng(0).normal(size=n)
    basis[0] = v / np.linalg.norm(v)
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    done = steps
    for k in range(steps):
        w = product(basis[k])
        diagonal[k] = basis[k] @ w
        for _ in range(2):  # twice is enough: Kahan and Parlett
            w = w - (basis[: k + 1] @ w) @ basis[: k + 1]
        beside[k] = np.linalg.norm(w)
        if k + 1 < steps:
            if beside[k] <= precision * np.abs(diagonal[: k + 1]).max() * np.sqrt(n):
                done = k + 1  # nothing of the space is left: all that is found is exact
                break
            basis[k + 1] = w / beside[k]
    inner = np.diag(diagonal[:done]) + np.diag(beside[: done - 1], 1) + np.diag(beside[: done - 1], -1)
    values, mixes = np.linalg.eigh(inner)
    residuals = np.abs(beside[done - 1] * mixes[-1, [0, -1]])
    rounding = 8 * np.sqrt(n) * precision * float(np.abs(values).max())
    vectors = mixes[:, [0, -1]].T @ basis[:done]
    low_error, high_error = (float(r + rounding) for r in residuals)
    return Spectrum(
        float(values[0]), float(values[-1]), vectors[0], vectors[1], low_error, high_error, float(residuals.max()), done
    )
