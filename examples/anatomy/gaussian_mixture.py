"""Gaussian mixture: two bell curves under which the data are likeliest. By the book: expectation and maximization.

Five numbers: two centres, the logarithms of two widths, and the log odds of the second curve. Any values are allowed.
"""

from pathlib import Path

import numpy as np
from scipy.special import expit


def log_densities(p, x):
    """For each example, the logarithm of share times density under the first and under the second curve."""
    m0, m1, log_s0, log_s1, odds = p
    first = -np.logaddexp(0, odds) - log_s0 - ((x - m0) / np.exp(log_s0)) ** 2 / 2
    second = -np.logaddexp(0, -odds) - log_s1 - ((x - m1) / np.exp(log_s1)) ** 2 / 2
    return first - np.log(2 * np.pi) / 2, second - np.log(2 * np.pi) / 2


def loss(p, x):
    """Minus the average log likelihood."""
    return -np.mean(np.logaddexp(*log_densities(p, x)))


def by_the_book():
    """Guess whose example each is, fit each curve to its share, repeat (Dempster, Laird & Rubin, 1977)."""
    p = start
    for _ in range(2000):
        first, second = log_densities(p, x)
        mine = expit(second - first)
        shares = (1 - mine, mine)
        centres = [np.average(x, weights=s) for s in shares]
        widths = [np.sqrt(np.average((x - m) ** 2, weights=s)) for m, s in zip(centres, shares, strict=True)]
        p = np.array([*centres, *np.log(widths), np.log(mine.sum() / (len(x) - mine.sum()))])
    return p


# Flavanoids in wines of three cultivars: one has few, two have more.
x = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)[:, 6]
start, data = np.array([1.0, 3.0, 0.0, 0.0, 0.0]), (x,)

if __name__ == "__main__":
    import chainrule as cr

    print(cr.minimize(loss, start, data))
    print("by the book:", by_the_book())
