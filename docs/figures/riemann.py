"""A Riemann sum: ten slices under a falling speed."""

from itertools import pairwise

import numpy as np

from chainrule.draw import Band, Figure, Line


def speed(t):
    return 20 * np.exp(-t / 2)


ends = np.linspace(0, 5, 11)
t = np.linspace(0, 5, 201)
slices = []
for left, right in pairwise(ends):
    height = float(speed((left + right) / 2))
    slices.append(Band([left, left + 1e-9, right - 1e-9, right], [0.0] * 4, [0.0, height, height, 0.0], tone=2))

figure = Figure(
    "Ten slices under the speed of a car",
    (*slices, Line(t.tolist(), speed(t).tolist(), label="speed", tone=1)),
    x="seconds",
    y="metres a second",
    description="Ten bars of equal width, each as high as the falling curve in its middle.",
)
