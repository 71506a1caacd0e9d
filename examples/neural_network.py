"""Which cultivar is a wine from? A network with one hidden layer on 13 chemical measurements (data/README.md)."""

from pathlib import Path

import numpy as np


def scores(params, X):
    """A number for each wine and cultivar: the largest is the answer."""
    hidden = np.tanh(X @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["output"]["w"] + params["output"]["b"]


def loss(params, X, Y, penalty):
    """Cross entropy of the softmax of the scores, plus a price for large weights; a row of Y is 1 at the cultivar."""
    z = scores(params, X)
    top = np.max(z, axis=1, keepdims=True)
    log_total = top[:, 0] + np.log(np.sum(np.exp(z - top), axis=1))
    weights = np.sum(params["hidden"]["w"] ** 2) + np.sum(params["output"]["w"] ** 2)
    return np.mean(log_total - np.sum(Y * z, axis=1)) + penalty * weights


def report(params, X, Y, X_test, Y_test):
    """What to tell of the fit: the share of right answers."""

    def accuracy(X, Y):
        return np.mean(np.argmax(scores(params, X), axis=1) == np.argmax(Y, axis=1))

    return {"accuracy on the training data": accuracy(X, Y), "accuracy on the test data": accuracy(X_test, Y_test)}


random = np.random.default_rng(0)
table = random.permutation(np.loadtxt(Path(__file__).parent / "data" / "wine.csv", delimiter=",", skiprows=1))
features, answers = table[:, :-1], np.eye(3)[table[:, -1].astype(int)]
mean, spread = features[:120].mean(axis=0), features[:120].std(axis=0)

X, Y = (features[:120] - mean) / spread, answers[:120]
X_test, Y_test = (features[120:] - mean) / spread, answers[120:]
penalty = 1e-3
params = {
    "hidden": {"w": random.normal(size=(13, 8)) / np.sqrt(13), "b": np.zeros(8)},
    "output": {"w": random.normal(size=(8, 3)) / np.sqrt(8), "b": np.zeros(3)},
}

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(loss, params, (X, Y, penalty))
    print(found)
    for what, number in report(found.x, X, Y, X_test, Y_test).items():
        print(f"{what}: {number:.1%}")
