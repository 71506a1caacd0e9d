"""A neural network: two inputs, three hidden units, one output, and the exclusive or, which no straight line can do."""

import numpy as np


def predict(p, X):
    """tanh of three weighted sums, and a weighted sum of those: 13 numbers."""
    W, b, v, c = p[:6].reshape(2, 3), p[6:9], p[9:12], p[12]
    return np.tanh(X @ W + b) @ v + c


def loss(p, X, y):
    """The mean squared error, plus a price for large weights."""
    return np.mean((predict(p, X) - y) ** 2) + 1e-3 * np.mean(p**2)


def with_units_exchanged(p):
    """The same network with its first and second hidden unit in the other order."""
    order = [1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9, 11, 12]
    return p[order]


X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0.0, 1.0, 1.0, 0.0])
start, data = np.random.default_rng(0).normal(size=13), (X, y)

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(loss, start, data)
    print(found.message)
    print("answers", y, "network", predict(found.x, X).round(3))
    print(f"loss {found.fun:.9f}, with two units exchanged {loss(with_units_exchanged(found.x), *data):.9f}")
