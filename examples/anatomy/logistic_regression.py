"""Logistic regression: the weights under which the answers surprise least. By the book: Newton's method by hand."""

from pathlib import Path

import numpy as np
from scipy.special import expit

PENALTY = 0.01


def loss(w, X, y):
    """The mean of -log(probability of the answer), plus a price for large weights; y is -1 or 1."""
    return np.mean(np.logaddexp(0, -y * (X @ w))) + PENALTY / 2 * np.sum(w**2)


def by_the_book():
    """Iteratively reweighted least squares: gradient and Hessian as textbooks write them."""
    w = np.zeros(X.shape[1])
    for _ in range(20):
        p = expit(X @ w)
        slope = X.T @ (p - (y + 1) / 2) / len(y) + PENALTY * w
        curvature = X.T @ (X * (p * (1 - p))[:, None]) / len(y) + PENALTY * np.eye(len(w))
        w = w - np.linalg.solve(curvature, slope)
    return w


table = np.loadtxt(Path(__file__).parents[1] / "data" / "breast_cancer.csv", delimiter=",", skiprows=1)
features = (table[:, :5] - table[:, :5].mean(axis=0)) / table[:, :5].std(axis=0)

# Is a tumour benign? Five measurements, and a constant.
X, y = np.column_stack([np.ones(len(table)), features]), 2 * table[:, -1] - 1
start, data = np.zeros(6), (X, y)

if __name__ == "__main__":
    import chainrule as cr

    print(cr.minimize(loss, start, data))
    print("by the book:", by_the_book())
