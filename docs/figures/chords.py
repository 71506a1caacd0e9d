"""Two chords: of a convex function, which lies above the graph, and of another, which lies below it."""

import numpy as np

import chainrule as cr
from chainrule.draw import Figure, Line, Points


def bowl(x):
    return np.log(1 + np.exp(2 * x)) + 0.5


def waves(x):
    return np.sin(2 * x) - 1


chord = cr.convexity(waves, 1.0, domain=(-2.0, 2.0)).chord
x = np.linspace(-2, 2, 201)
low, high = float(chord.x), float(chord.y)
middle = (low + high) / 2

figure = Figure(
    "A chord above the graph, and one below it",
    [
        Line(x, bowl(x), "convex"),
        Line([-1.5, 1.5], [bowl(-1.5), bowl(1.5)], "its chord is above", style="dashed"),
        Line(x, waves(x), "not convex"),
        Line([low, high], [waves(low), waves(high)], "this chord is below", style="dashed"),
        Points([middle, middle], [waves(middle), (waves(low) + waves(high)) / 2], "the gap"),
    ],
    description="A convex curve with a chord above it; below, a wave with a chord whose middle lies under the curve.",
)
