"""How four methods come down a narrow valley: the value after each step, on a logarithmic axis."""

import numpy as np

import chainrule as cr
from chainrule.draw import Figure, Line


def valley(p):
    return 0.5 * (p[0] ** 2 + 50 * p[1] ** 2)


START = np.array([10.0, 1.0])
best = cr.learning_rate(valley, START).best
walks = {
    "gradient descent": {"learning_rate": best},
    "momentum": {"learning_rate": 0.061, "momentum": 0.57},
    "nesterov": {"learning_rate": 0.02, "momentum": 0.75},
    "adam": {"learning_rate": 0.3},
}
lines = []
for tone, (method, options) in enumerate(walks.items(), start=1):
    path = cr.minimize(valley, START, method=method, max_iter=120, tol=0.0, **options).path
    lines.append(Line(path.iterations, np.maximum(path.values, 1e-14), method, tone=tone))

figure = Figure(
    "Four ways down the same valley",
    lines,
    x="step",
    y="value",
    log_y=True,
    y_range=(1e-10, 1e3),
    description="All four start at 75. Gradient descent falls evenly, and most slowly. Momentum rises for a few "
    "steps, then falls fastest; Nesterov's method is second, Adam third.",
)
