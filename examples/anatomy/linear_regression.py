"""Linear regression: the weights for which the mean squared error is least. By the book: the normal equations."""

from pathlib import Path

import numpy as np


def loss(w, X, y):
    """The mean squared distance between predictions and answers."""
    return np.mean((X @ w - y) ** 2)


def by_the_book():
    """XᵀX w = Xᵀy: the gradient is zero there (Gauss, 1809)."""
    return np.linalg.solve(X.T @ X, X.T @ y)


table = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)
table = (table - table.mean(axis=0)) / table.std(axis=0)

# How strong is a wine? Its colour and its proline tell a good deal.
X, y = np.column_stack([np.ones(len(table)), table[:, 9], table[:, 12]]), table[:, 0]
start, data = np.zeros(3), (X, y)

if __name__ == "__main__":
    import chainrule as cr

    print(cr.minimize(loss, start, data))
    print("by the book:", by_the_book())
