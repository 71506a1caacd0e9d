"""Secants through a point of a parabola turn towards its tangent as the step shrinks."""

import numpy as np

import chainrule as cr
from chainrule.draw import Figure, Line, Points


def square(x):
    return x**2


at, xs = 2.0, np.linspace(0.5, 3.6, 120)
tangent = cr.tangent(square, at)


def secant(h):
    return square(at) + (square(at + h) - square(at)) / h * (xs - at)


figure = Figure(
    "From secants to the tangent",
    [
        Line(xs, square(xs), "x²"),
        Line(xs, secant(1.2), "h = 1.2", style="dotted"),
        Line(xs, secant(0.5), "h = 0.5", style="dashed"),
        Line(xs, tangent(xs), "tangent"),
        Points([at, at + 0.5, at + 1.2], [square(at), square(at + 0.5), square(at + 1.2)]),
    ],
    description=f"The parabola x², two secants through x = 2, and its tangent {tangent}.",
)
