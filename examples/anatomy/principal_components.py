"""Principal components: the plane that lies closest to the data. By the book: eigenvectors of the covariance."""

from pathlib import Path

import numpy as np


def loss(W, X):
    """The mean squared distance between the examples and their shadows on the plane that W's columns span."""
    basis_to_data = np.linalg.solve(W.T @ W, W.T)
    return np.mean(np.sum((X - X @ W @ basis_to_data) ** 2, axis=1))


def by_the_book():
    """The eigenvectors of the largest eigenvalues (Pearson, 1901); the others add up to the least loss."""
    _, vectors = np.linalg.eigh(X.T @ X / len(X))
    return vectors[:, -2:]


table = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)[:, :-1]
X = (table - table.mean(axis=0)) / table.std(axis=0)
start, data = np.random.default_rng(0).normal(size=(X.shape[1], 2)), (X,)

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(loss, start, data)
    print(found.message)
    print(f"least loss {found.fun:.9f}")
    print(f"by the book {np.linalg.eigvalsh(X.T @ X / len(X))[:-2].sum():.9f}")
