"""Critical points on an interval: what is said is true, and what can't be proved is not said."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, ShapeError

pi = math.pi


def kinds(f, a, b):
    found = cr.critical_points(f, a, b)
    return [(p.kind, p.x) for p in found.points if not p.kind.startswith("end")]


def near(found, expected):
    assert [k for k, _ in found] == [k for k, _ in expected], found
    np.testing.assert_allclose([x for _, x in found], [x for _, x in expected], atol=1e-9)


@pytest.mark.parametrize(
    ("f", "a", "b", "expected"),
    [
        (lambda x: x**2, -1, 1, [("minimum", 0)]),
        (lambda x: x**3 - 3 * x, -2, 3, [("maximum", -1), ("minimum", 1)]),
        (lambda x: x**3, -1, 1, [("stationary inflection", 0)]),
        (lambda x: -((x - 0.5) ** 3), -1, 1, [("stationary inflection", 0.5)]),
        (lambda x: x**4, -1, 2, [("minimum", 0)]),
        (np.abs, -1, 2, [("kink minimum", 0)]),
        (lambda x: -np.abs(x - 0.3), -1, 2, [("kink maximum", 0.3)]),
        (lambda x: np.maximum(0, np.abs(x) - 1), -3, 3, [("flat minimum", 0)]),
        (lambda x: np.minimum(0, 1 - np.abs(x)), -3, 3, [("flat maximum", 0)]),
        (lambda x: np.clip(x, -1, 1), -2, 2, [("flat piece", -2), ("flat piece", 2)]),
        (lambda x: 3.0, 0, 1, [("flat piece", 0)]),
        (np.sin, 0, 10, [("maximum", pi / 2), ("minimum", 3 * pi / 2), ("maximum", 5 * pi / 2)]),
        (lambda x: np.exp(-(x**2)), -3, 3, [("maximum", 0)]),
        (lambda x: x * np.log(x), 0.01, 2, [("minimum", 1 / math.e)]),
        (
            lambda x: np.maximum(np.sin(x), np.cos(x)), 0, 4,
            [("kink minimum", pi / 4), ("maximum", pi / 2), ("kink minimum", 5 * pi / 4)],
        ),
        (np.exp, 0, 1, []),
        (lambda x: (x - 1e8) ** 2, 1e8 - 1, 1e8 + 1, [("minimum", 1e8)]),
        (lambda x: 1e-200 * x**2, -1, 1, [("minimum", 0)]),
        (lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5), -2, 3, [("minimum", 0)]),
    ],
)  # fmt: skip
def test_each_critical_point_is_found_and_classified(f, a, b, expected):
    found = kinds(f, a, b)
    if "flat" in str(expected):
        assert [k for k, _ in found] == [k for k, _ in expected]
    else:
        near(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_polynomials_with_known_turns(seed):
    random = np.random.default_rng(seed)
    roots = np.sort(random.uniform(-1, 1, 3))
    if np.min(np.diff(roots)) < 1e-2:
        roots = np.array([-0.7, -0.2, 0.6]) + seed / 100
    integral = np.polynomial.Polynomial(np.polynomial.polynomial.polyfromroots(roots)).integ()

    def f(x):
        return sum(float(c) * x**k for k, c in enumerate(integral.coef))

    near(kinds(f, -1.5, 1.5), [("minimum" if k % 2 == 0 else "maximum", r) for k, r in enumerate(roots)])
    found = cr.critical_points(f, -1.5, 1.5)
    xs = np.linspace(-1.5, 1.5, 3001)
    assert found.minimum.value <= integral(xs).min() + 1e-12
    assert found.maximum.value >= integral(xs).max() - 1e-12


WILD = [
    (lambda x: np.sin(x) + 0.3 * np.sin(5 * x), -4, 4),
    (lambda x: x + 0.1 * np.sin(20 * x), 0, 2),
    (lambda x: np.tanh(3 * x) - x, -2, 2),
    (lambda x: np.abs(x**2 - 1) + 0.2 * x, -2, 2),
    (lambda x: np.maximum(x, 0) * np.exp(-x), -1, 3),
    (np.floor, 0, 3),
    (lambda x: x % 1, 0, 3),
    (lambda x: np.where(x > 0.5, x, -x), 0, 1),
    (lambda x: 1 / x, -1, 1),
    (lambda x: np.sin(1e6 * x), 0, 10),
    (np.sqrt, -1, 1),
    (lambda x: np.sign(x) * x**2, -1, 1),
]


@pytest.mark.parametrize("case", range(len(WILD)))
def test_what_is_said_holds_at_many_places(case):
    f, a, b = WILD[case]
    found = cr.critical_points(f, a, b)
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for spans, sign in ((found.increasing, 1), (found.decreasing, -1), (found.flat, 0)):
            for low, high in spans[:50]:
                width = 1e-8 * (b - a)
                xs = np.sort(rng.uniform(low + width, max(high - width, low + width), 200))
                steps = np.diff([float(f(x)) for x in xs])
                rounding = 1e-15 * (1 + max(abs(low), abs(high)))
                assert np.all(steps * sign >= -rounding) if sign else np.all(steps == 0)
        everywhere = np.array([float(f(x)) for x in np.linspace(a, b, 2001)])
        if found.minimum:
            assert found.minimum.value <= np.min(everywhere) + 1e-12
        if found.maximum:
            assert found.maximum.value >= np.max(everywhere) - 1e-12
    covered = sum(q - p for spans in (found.increasing, found.decreasing, found.flat, found.unknown) for p, q in spans)
    assert covered == pytest.approx(b - a, rel=1e-6)


def test_jumps_poles_and_wild_functions_stay_open():
    for f, a, b in (*WILD[5:7], (lambda x: x**2, -1e200, 1e200)):
        found = cr.critical_points(f, a, b)
        assert not found.complete
        assert found.unknown
    wild = cr.critical_points(lambda x: np.sin(1e6 * x), 0, 10)
    assert wild.minimum is None
    assert "too many turns" in str(wild)
    assert not wild.points
    jump = cr.critical_points(lambda x: np.where(x > 0.5, x, -x), 0, 1)
    assert any(low <= 0.5 <= high for low, high in jump.unknown)
    assert jump.minimum is None


def test_a_zero_of_the_slope_that_rounding_hides_is_not_called_a_point():
    found = cr.critical_points(lambda x: x - np.sin(x), -3, 3)  # the slope touches zero at 0
    assert all(p.kind.startswith("end") for p in found.points)
    assert any(low <= 0 <= high and high - low < 1e-5 for low, high in found.unknown)


def test_a_positive_slope_at_one_point_says_nothing_of_a_neighbourhood():
    found = cr.critical_points(lambda x: x + 0.1 * np.sin(20 * x), 0, 2)  # slope 3 at 0
    assert any(low <= 0.15 <= high for low, high in found.decreasing)


def test_the_ends_of_the_interval():
    found = cr.critical_points(lambda x: x**2, 0, 2)
    assert [str(p) for p in found.points] == ["end minimum at x = 0, f = 0", "end maximum at x = 2, f = 4"]
    assert found.increasing == ((0, 2),)
    root = cr.critical_points(np.sqrt, 0, 4)  # no slope at its end, where its least value is
    assert (root.minimum.x, root.minimum.value) == (0, 0)


def test_a_derivative_that_is_spoiled_is_seen(monkeypatch):
    from chainrule.analyze import monotone

    honest = monotone.Readings.slopes

    def spoiled(self, low, high):
        found = honest(self, low, high)
        return type(found)(found.low + 0.5, found.high + 0.5, found.defined, found.continuous)

    monkeypatch.setattr(monotone.Readings, "slopes", spoiled)
    with pytest.raises(AssertionError):
        test_what_is_said_holds_at_many_places(2)


def test_the_sigmoid_rises_everywhere_and_its_slope_is_at_most_a_quarter():
    rise = cr.critical_points(lambda x: 1 / (1 + np.exp(-x)), -50, 50)
    assert rise.increasing == ((-50, 50),)
    assert rise.complete
    slope = cr.critical_points(lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, -5, 5)
    assert (slope.maximum.x, slope.maximum.value) == (0, 0.25)
    pole = cr.critical_points(lambda x: 1 / x, -1, 1)
    assert pole.increasing == ()
    assert all(high - low < 1e-12 for low, high in pole.unknown)


def test_captured_arrays_are_read():
    data = np.array([1.0, 2.0, 6.0])
    near(kinds(lambda m: np.sum((data - m) ** 2), -10, 10), [("minimum", 3.0)])


@pytest.mark.parametrize(
    ("f", "a", "b", "error", "said"),
    [
        (np.sin, 1, 0, ArgumentError, "below"),
        (np.sin, 1, 1, ArgumentError, "below"),
        (np.sin, 0, np.inf, ArgumentError, "finite"),
        (np.sin, np.nan, 1, ArgumentError, "finite"),
        (np.sin, "0", 1, ArgumentError, "number"),
        (np.sin, np.zeros(2), 1, ArgumentError, "number"),
        (np.sin, -1e308, 1.7e308, ArgumentError, "finite"),
        (lambda x: np.ones(2) * x, 0, 1, ShapeError, "one number"),
        (lambda x: x**2 if x > 0 else x, -1, 1, ChainruleError, ""),
        (3, 0, 1, ChainruleError, ""),
    ],
)
def test_refusals(f, a, b, error, said):
    with pytest.raises(error, match=said or None):
        cr.critical_points(f, a, b)


def test_the_record_shows_itself():
    found = cr.critical_points(lambda x: np.abs(x**3 - 3 * x), -2, 2)
    assert "kink minimum" in found.figure.svg()
    assert "increases on" in found._repr_html_()
    assert found.as_dict()["points"][0]["kind"].startswith("end")
