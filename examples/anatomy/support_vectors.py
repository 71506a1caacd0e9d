"""Support vector machine: the widest margin, with a price for those inside it. By the book: its dual problem.

The loss has kinks, and its minimum lies on some of them, where no gradient is zero. The proof that it is the minimum
is another one: no weights can have a loss below the value of the dual (Wolfe, 1961), and these reach it.
"""

from pathlib import Path

import numpy as np

import chainrule as cr

PRICE = 0.1


def loss(w, X, y):
    """Half the squared length of w, plus PRICE for each unit by which an example misses its margin; y is -1 or 1."""
    return np.sum(w**2) / 2 + PRICE * np.sum(np.maximum(0.0, 1 - y * (X @ w)))


def dual(a, X, y):
    """Minus the dual value: smooth, and minimized with each a between 0 and PRICE."""
    return np.sum((X.T @ (a * y)) ** 2) / 2 - np.sum(a)


def multipliers():
    """The answer of the dual problem: a weight for each example, 0 for all that are outside the margin."""
    box = [(0.0, PRICE)] * len(y)
    return cr.minimize(dual, np.zeros(len(y)), data, bounds=box, tol=1e-9, max_iter=20_000).x


def by_the_book():
    """The examples with a > 0 are the support vectors: they alone make up w (Cortes & Vapnik, 1995)."""
    return X.T @ (multipliers() * y)


def gap(w, a):
    """How far the loss of w is above what every loss must be above: 0 proves a minimum."""
    return loss(w, X, y) + dual(a, X, y)


table = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)[:130]
features = (table[:, [0, 6]] - table[:, [0, 6]].mean(axis=0)) / table[:, [0, 6]].std(axis=0)

# Which of two cultivars? Alcohol and flavanoids, and a constant.
X, y = np.column_stack([np.ones(len(table)), features]), np.where(table[:, -1] == 0, 1.0, -1.0)
start, data = np.zeros(3), (X, y)

if __name__ == "__main__":
    w = by_the_book()
    print(f"loss {loss(w, X, y):.6f} at {w.round(4)}; {np.mean(np.sign(X @ w) == y):.1%} are told apart")
