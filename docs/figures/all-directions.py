"""The directional derivative in every direction: the gradient's length times the cosine of the angle to it."""

import numpy as np

import chainrule as cr
from chainrule.draw import Figure, Line, Vertical


def f(v):
    return v[0] ** 2 + v[0] * v[1] + v[1] ** 2


v = np.array([1.0, 2.0])
gradient = cr.grad(f)(v)
own = np.arctan2(gradient[1], gradient[0])
angles = np.linspace(-180, 180, 181)
rates = [cr.jvp(f, (v,), (np.array([np.cos(a), np.sin(a)]),))[1] for a in own + np.radians(angles)]

figure = Figure(
    "How fast f rises, in every direction",
    [
        Line(angles, rates, "∇f · u"),
        Vertical(0, "along the gradient"),
        Vertical(90, "across: level"),
    ],
    x="angle to the gradient, in degrees",
    y="directional derivative",
    description="The directional derivative against the angle to the gradient is a cosine, largest at angle 0.",
)
