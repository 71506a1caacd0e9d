"""A loss over one weight: its height says how wrong, its tangent which way is better and how much a step gains."""

import numpy as np

import chainrule as cr
from chainrule.draw import Arrow, Figure, Line, Points, Text

x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 0.9, 2.2, 2.8])


def loss(w):
    return np.mean((w * x - y) ** 2)


at = 0.3
value, slope = cr.value_and_grad(loss)(at)
best = cr.minimize(loss, at).x
weights = np.linspace(-0.1, 2.0, 85)
near = np.array([at - 0.25, at + 0.35])

figure = Figure(
    "How wrong, and which way",
    [
        Line(weights, cr.vmap(loss)(weights), "loss"),
        Line(near, value + slope * (near - at), "tangent", style="dashed"),
        Points(np.array([at, best]), np.array([value, loss(best)])),
        Text(at + 0.05, value + 0.15, f"w = {at}: slope {slope:.2f}"),
        Text(0.7, 1.0, f"best: w = {best:.2f}, slope 0"),
        Arrow(at, 0.25, at + 0.4, 0.25, "against the slope"),
    ],
    x="weight w",
    y="mean squared error",
    description="A bowl-shaped curve of the loss over a weight. At w = 0.3 its tangent falls steeply to the right, so "
    "the weight should grow; at the bottom, near w = 0.97, the tangent is level.",
)
