"""Gradient descent until it stops, as GradBench defines it, and gradients in either mode."""

import numpy as np

import chainrule as cr


def forward(f):
    """The gradient, one direction at a time."""
    return lambda x: np.stack([cr.jvp(f, (x,), (e,))[1] for e in np.eye(len(x))])


MODES = {"f": forward, "r": cr.grad}


def norm(v):
    return np.sqrt(np.sum(v**2))


def argmin(f, x, mode):
    """The point where descent from x stops. The rate doubles after ten steps downhill, and halves after one uphill."""
    gradient = MODES[mode](f)

    def going(walk):
        _, _, slope, rate, good = walk
        return (norm(slope) > 1e-5) & ((good == 10) | (rate * norm(slope) > 1e-5))

    def step(walk):
        x, value, slope, rate, good = walk
        new = x - rate * slope
        new_value = f(new)

        def faster():
            return x, value, slope, 2 * rate, 0

        def downhill():
            return new, new_value, gradient(new), rate, good + 1

        def uphill():
            return x, value, slope, rate / 2, 0

        return cr.cond(good == 10, faster, lambda: cr.cond(new_value < value, downhill, uphill))

    return cr.while_loop(going, step, (x, f(x), gradient(x), 1e-5, 0))[0]


def argmax(f, x, mode):
    return argmin(lambda x: -f(x), x, mode)
