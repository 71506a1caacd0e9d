"""k-means: centres whose mean squared distance to the examples nearest them is least. By the book: Lloyd's steps."""

from pathlib import Path

import numpy as np


def loss(centres, X):
    """The mean squared distance of an example to its nearest centre."""
    return np.mean(np.min(squared_distances(centres, X), axis=1))


def squared_distances(centres, X):
    """A row for each example, a column for each centre."""
    return np.sum((X[:, None, :] - centres[None, :, :]) ** 2, axis=2)


def by_the_book():
    """Assign each example to its nearest centre, move each centre to the mean of its examples (Lloyd, 1957)."""
    centres = start
    for _ in range(100):
        nearest = np.argmin(squared_distances(centres, X), axis=1)
        centres = np.stack([X[nearest == k].mean(axis=0) for k in range(len(centres))])
    return centres


table = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)
X = (table[:, [0, 6, 9]] - table[:, [0, 6, 9]].mean(axis=0)) / table[:, [0, 6, 9]].std(axis=0)
start, data = X[[0, 80, 160]], (X,)

if __name__ == "__main__":
    import chainrule as cr

    print(cr.minimize(loss, start, data))
    print("by the book:", by_the_book().round(4).tolist())
