"""A gradient that is too long, clipped by value and by norm: one is turned, the other only shortened."""

import numpy as np

import chainrule as cr
from chainrule.draw import Arrow, Figure, Line

limit = 25.0
g = np.array([30.0, 40.0])
by_value, by_norm = cr.clip_by_value(g, limit), cr.clip_by_norm(g, limit)
t = np.linspace(-0.15, np.pi / 2 + 0.15, 60)

figure = Figure(
    "Clipped to 25: by value and by norm",
    [
        Arrow(0, 0, *g, "gradient (30, 40)", tone="soft"),
        Line([-4, limit, limit], [limit, limit, -4], "limit by value", 2, "dashed"),
        Line(limit * np.cos(t), limit * np.sin(t), "limit by norm", 1, "dotted"),
        Arrow(0, 0, *by_value, f"by value ({by_value[0]:g}, {by_value[1]:g})", tone=2),
        Arrow(0, 0, *by_norm, f"by norm ({by_norm[0]:g}, {by_norm[1]:g})", tone=1),
    ],
    "first entry",
    "second entry",
    equal=True,
    height=460,
    description="The gradient (30, 40) ends outside of a square and of a circle around zero. By value it is moved to "
    "the corner of the square, (25, 25), which points another way. By norm it is shortened to (15, 20) on the circle, "
    "along the same line.",
)
