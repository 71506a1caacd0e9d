"""Twenty steps of gradient descent on x² + xy + y², seen from above: what the pictures of four learning rates share."""

import numpy as np

import chainrule as cr
from chainrule.draw import Contours, Figure, Line, Points

START = np.array([1.0, 0.6])


def bowl(p):
    return p[0] ** 2 + p[0] * p[1] + p[1] ** 2


def walk_on_the_bowl(rate, title, description):
    walk = [START]
    cr.minimize(
        bowl, START, method="gradient descent", learning_rate=rate, max_iter=20, callback=lambda now: walk.append(now.x)
    )
    xs, ys = np.array(walk).T
    grid = np.linspace(-1.6, 1.6, 81)
    heights = np.array([[bowl((x, y)) for x in grid] for y in grid])
    return Figure(
        title,
        [
            Contours(grid, grid, heights, levels=[0.05, 0.3, 0.8, 1.6, 2.8, 4.4]),
            Line(xs, ys),
            Points(xs, ys),
        ],
        equal=True,
        width=340,
        height=340,
        x_range=(-1.6, 1.6),
        y_range=(-1.6, 1.6),
        description=description,
    )
