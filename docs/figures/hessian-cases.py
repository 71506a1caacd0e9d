"""The four cases of the second derivative test, cut along one line each: up, down, both, and undecided."""

import numpy as np

import chainrule as cr
from chainrule.draw import Figure, Line, Points

along = np.linspace(-1, 1, 81)
cases = {
    "x²: a minimum": lambda t: t**2,
    "−x²: a maximum": lambda t: -(t**2),
    "x³: neither": lambda t: t**3,
    "x⁴: a minimum": lambda t: t**4,
}
styles = ("solid", "solid", "dashed", "dotted")
lines = [
    Line(along, cr.vmap(f)(along), name, tone=tone, style=style)
    for (tone, (name, f)), style in zip(enumerate(cases.items(), start=1), styles, strict=True)
]

figure = Figure(
    "Flat at 0, and then?",
    [*lines, Points(np.array([0.0]), np.array([0.0]))],
    x="x",
    y="value",
    description="Four curves through 0, all level there. x² and x⁴ rise on both sides, −x² falls on both, x³ rises on "
    "the right and falls on the left. The second derivative of x³ and of x⁴ at 0 is the same: zero.",
)
