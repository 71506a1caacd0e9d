"""A curved valley that is easy to find and hard to follow: Rosenbrock, 1960. The minimum is 0, where all x are 1."""

import numpy as np


def loss(x):
    """Zero only where each x is the square of the one before, and 1."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def report(x):
    """What to tell of the point found: how far it is from the minimum."""
    return {"distance from the minimum": np.sqrt(np.sum((x - 1) ** 2))}


x = np.array([-1.2, 1.0, -1.2, 1.0])

if __name__ == "__main__":
    import chainrule as cr

    for method in ("gradient descent", "l-bfgs", "bfgs", "newton-cg", "trust-ncg"):
        print(cr.minimize(loss, x, method=method, max_iter=2000))
