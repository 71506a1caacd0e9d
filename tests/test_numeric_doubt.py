"""No right gradient is called wrong, however fast, faint or stepped the function; wrong ones are still caught."""

from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule.numeric.check import check_gradient

EPS = 2.0**-52


def checked(f, gradient, x):
    return check_gradient(lambda arrays: f(arrays[0]), [np.asarray(gradient)], [np.asarray(x)], ["x"])


def de_villiers_glasser_02(x):
    t = 0.1 * np.arange(24)
    y = 53.81 * 1.27**t * np.tanh(3.012 * t + np.sin(2.13 * t)) * np.cos(np.exp(0.507) * t)
    return np.sum((x[0] * x[1] ** t * np.tanh(x[2] * t + np.sin(x[3] * t)) * np.cos(t * np.exp(x[4])) - y) ** 2)


def katsuura(x):
    k = np.arange(1.0, 33.0)[:, None]
    return np.prod(1 + np.arange(1.0, len(x) + 1) * np.sum(np.floor(2**k * x) * 2**-k, axis=0))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.cos(np.exp(x)), 20.0),
        (lambda x: np.cos(1e10 * x), 0.3),
        (lambda x: 1e16 + np.sin(x), 1.0),
        (lambda x: np.floor(x * 1e9) / 1e9, 0.3),
        (lambda x: np.floor(x * 1e9) / 1e9, 0.123456789123),
    ],
)
def test_what_steps_outrun_or_rounding_swallows_is_not_called_wrong(f, x):
    found = cr.check(f, x)
    assert found.verdict != "wrong", found
    assert found.evaluations < 250


@pytest.mark.parametrize("seed", range(8))
def test_test_functions_for_global_optimization_are_not_called_wrong(seed):
    random = np.random.default_rng(seed)
    for f, low, high, size in ((de_villiers_glasser_02, 1, 60, 5), (katsuura, 0, 100, 2)):
        found = cr.check(f, random.uniform(low, high, size))
        assert found.verdict != "wrong", found


def test_a_verdict_withheld_says_why():
    assert "staircase" in cr.check(lambda x: np.floor(x * 1e9) / 1e9, 0.123456789123).reason
    assert "stands out of their noise" in checked(lambda x: np.cos(1e10 * x), 1e20, 1e10).reason
    assert "faster than differences" in checked(lambda x: 1e3 * x + np.cos(1e17 * x), 1e17, 0.3).reason


def test_waves_that_coarse_steps_outrun_are_judged_by_finer_ones():
    for factor, verdict in ((1, "agrees"), (1.01, "wrong"), (-1, "wrong")):
        found = checked(lambda x: np.cos(1e10 * x), factor * -1e10 * np.sin(3e9), 0.3)
        assert found.verdict == verdict, found


# --- a property of many functions -------------------------------------------------------------------------------------

SHAPES = [  # f, f'
    (np.sin, np.cos),
    (lambda u: np.exp(np.sin(u)), lambda u: np.exp(np.sin(u)) * np.cos(u)),
    (lambda u: np.tanh(np.sin(u)), lambda u: np.cos(u) / np.cosh(np.sin(u)) ** 2),
    (lambda u: 1 / (2 + np.cos(u)), lambda u: np.sin(u) / (2 + np.cos(u)) ** 2),
    (lambda u: np.log1p(u * u), lambda u: 2 * u / (1 + u * u)),
    (np.arctan, lambda u: 1 / (1 + u * u)),
]


def any_function(random):
    """A smooth f, f' and x of any scale, such that floats near x resolve f; and whether differences should, easily."""
    f, derivative = SHAPES[random.integers(len(SHAPES))]
    offset, frequency, amplitude = random.choice([-1, 1]) * 10 ** random.uniform([-3, -2, -3], [16, 10, 3])
    frequency, x = abs(frequency), random.choice([-1, 1]) * 10 ** random.uniform(-8, 8)
    if frequency * abs(x) * EPS > 1e-3:
        return any_function(random)
    phase = random.uniform(0, 6)
    gradient = amplitude * frequency * derivative(frequency * x + phase)
    reach = min(abs(x), 1 / frequency)
    easy = abs(gradient) * reach > 1e6 * EPS * (abs(offset) + abs(amplitude)) and reach > 1e6 * EPS * abs(x)
    return lambda x: offset + amplitude * f(frequency * x + phase), gradient, x, easy


def test_over_all_scales_no_right_gradient_is_called_wrong_and_few_wrong_ones_escape():
    random = np.random.default_rng(0)
    told = Counter()
    for _ in range(300):
        f, gradient, x, easy = any_function(random)
        right, spoiled = checked(f, gradient, x), checked(f, gradient * (1 + 1e-3), x)
        assert right.verdict != "wrong", right
        if spoiled.verdict == "agrees":  # the slope and the gradient both lie within the bar
            assert abs(1e-3 * gradient) <= 2 * spoiled.worst.bar
        if easy:
            told[right.verdict] += 1
            told["spoiled: " + spoiled.verdict] += 1
    assert told["agrees"] > 0.95 * (told["agrees"] + told["unreliable"]) > 95
    assert told["spoiled: wrong"] > 0.95 * (told["agrees"] + told["unreliable"])


def test_in_float32_too():
    random = np.random.default_rng(0)
    told = Counter()
    for _ in range(100):
        f, derivative = SHAPES[random.integers(len(SHAPES))]
        offset, frequency, x = (10.0 ** random.uniform([-3, -2, -3], [7, 3, 1])).astype(np.float32)
        single = lambda x, f=f, a=offset, b=frequency: a + f(b * x)  # noqa: E731
        gradient = frequency * derivative(frequency * x)
        told[checked(single, gradient, x).verdict] += 1
        told["spoiled: " + checked(single, -gradient, x).verdict] += 1
    assert told["wrong"] == 0
    assert told["agrees"] > 40
    assert told["spoiled: wrong"] > 40
    assert told["spoiled: agrees"] == 0
