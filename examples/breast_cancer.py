"""Is a breast tumour benign? Logistic regression with an L2 penalty on measurements of 569 tumours (data/README.md)."""

from pathlib import Path

import numpy as np

WRT = ("w", "b")


def loss(w, b, X, y, penalty):
    """How surprised the model is by the answers, on average, plus a price for large weights; y is -1 or 1."""
    margin = y * (X @ w + b)
    return np.mean(np.logaddexp(0, -margin)) + penalty / 2 * np.sum(w**2)


def predict(w, b, X):
    """1 for benign, -1 for malignant."""
    return np.where(X @ w + b > 0, 1.0, -1.0)


def report(w, b, X, y, X_test, y_test):
    """What to tell of the fit: the share of right answers."""
    return {
        "accuracy on the training data": np.mean(predict(w, b, X) == y),
        "accuracy on the test data": np.mean(predict(w, b, X_test) == y_test),
    }


table = np.loadtxt(Path(__file__).parent / "data" / "breast_cancer.csv", delimiter=",", skiprows=1)
rows = np.random.default_rng(0).permutation(len(table))
train, test = table[rows[:400]], table[rows[400:]]
mean, spread = train[:, :-1].mean(axis=0), train[:, :-1].std(axis=0)

X, y = (train[:, :-1] - mean) / spread, 2 * train[:, -1] - 1
X_test, y_test = (test[:, :-1] - mean) / spread, 2 * test[:, -1] - 1
w, b, penalty = np.zeros(X.shape[1]), 0.0, 0.01

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(lambda p: loss(*p, X, y, penalty), (w, b))
    print(found)
    for what, number in report(*found.x, X, y, X_test, y_test).items():
        print(f"{what}: {number:.1%}")
