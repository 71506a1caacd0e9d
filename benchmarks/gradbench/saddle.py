"""min over x of max over y of |x|² - |y|²: descent on a function that is itself found by ascent."""

import numpy as np

import chainrule as cr

from .descent import argmax, argmin
from .protocol import Timed, array


def objective(x, y):
    return np.sum(x**2) - np.sum(y**2)


def search(outer, inner):
    def found(start):
        def highest(x):
            return objective(x, argmax(lambda y: objective(x, y), start, inner))

        x = argmin(highest, start, outer)
        return np.concatenate([x, argmax(lambda y: objective(x, y), start, outer)])

    return cr.compile(found)


FUNCTIONS = {
    outer + inner: Timed(lambda given: (array(given["start"]),), search(outer, inner))
    for outer in "fr"
    for inner in "fr"
}
