"""A charged particle is to hit the origin: where must one of two charges stand?

Its path takes the gradient of the potential at every step; the search for the place takes the gradient of the path's
end. Each may be in forward or in reverse mode.
"""

import numpy as np

import chainrule as cr

from .descent import MODES, argmin
from .protocol import Timed, array

TIME_STEP = 0.1


def potential(x, w):
    return 1 / np.sqrt((x[0] - 10) ** 2 + (x[1] - 10 + w) ** 2) + 1 / np.sqrt((x[0] - 10) ** 2 + x[1] ** 2)


def miss(w, mode):
    """The square of where the path (Euler's method) crosses the axis."""
    force = MODES[mode](lambda x: -potential(x, w))

    def above(state):
        x, v = state
        return x[1] + TIME_STEP * v[1] > 0

    def step(state):
        x, v = state
        return x + TIME_STEP * v, v + TIME_STEP * force(x)

    x, v = cr.while_loop(above, step, (np.array([0.0, 8.0]), np.array([0.75, 0.0])))
    x = x + TIME_STEP * v
    return (x[0] - x[1] / v[1] * v[0]) ** 2


def search(outer, inner):
    return cr.compile(lambda w: argmin(lambda w: miss(w[0], inner), w, outer)[0])


FUNCTIONS = {
    outer + inner: Timed(lambda given: (array([given["w"]]),), search(outer, inner)) for outer in "fr" for inner in "fr"
}
