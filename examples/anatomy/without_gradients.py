"""Three that learn without a gradient: k nearest neighbours, a decision tree, naive Bayes."""

from pathlib import Path

import numpy as np


def neighbours(X, y, x, k=5):
    """The answer that most of the k nearest examples have. Learning is keeping them."""
    nearest = np.argsort(np.sum((X - x) ** 2, axis=1))[:k]
    return np.argmax(np.bincount(y[nearest]))


def grow(X, y, depth=2):
    """A tree: the split that leaves the fewest mistakes now, and then the same on each side. Nothing is taken back."""
    majority = int(np.argmax(np.bincount(y)))
    if depth == 0 or np.all(y == y[0]):
        return majority
    tried = [(mistakes(X[:, j] > t, y), j, t) for j in range(X.shape[1]) for t in halfway(X[:, j])]
    _, j, t = min(tried, default=(0, 0, np.inf))
    right = X[:, j] > t
    if right.all() or not right.any():
        return majority
    return j, t, grow(X[~right], y[~right], depth - 1), grow(X[right], y[right], depth - 1)


def mistakes(right, y):
    """How many are not of the most frequent answer on their side."""
    return sum(len(side) - np.bincount(side).max() for side in (y[right], y[~right]) if len(side))


def halfway(column):
    values = np.unique(column)
    return (values[1:] + values[:-1]) / 2


def ask(tree, x):
    """The answer of a tree."""
    while not isinstance(tree, int):
        j, t, left, right = tree
        tree = right if x[j] > t else left
    return tree


def shares(X, y):
    """Naive Bayes on yes-or-no features: how often each is yes, for each answer. Learning is counting."""
    return np.stack([X[y == answer].mean(axis=0) for answer in np.unique(y)])


table = np.loadtxt(Path(__file__).parents[1] / "data" / "wine.csv", delimiter=",", skiprows=1)
X, y = (table[:, :-1] - table[:, :-1].mean(axis=0)) / table[:, :-1].std(axis=0), table[:, -1].astype(int)

if __name__ == "__main__":
    print("neighbours", np.mean([neighbours(X, y, x) == answer for x, answer in zip(X, y, strict=True)]).round(3))
    print("tree", grow(X, y), np.mean([ask(grow(X, y), x) == answer for x, answer in zip(X, y, strict=True)]).round(3))
    print("naive Bayes", shares(X > 0, y)[:, 0].round(3))
