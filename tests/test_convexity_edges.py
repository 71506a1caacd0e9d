"""Convexity where a proof is tempted: values of single points, choices that hide NaN, rounding, infinite data."""

import numpy as np
import pytest
from scipy.special import logsumexp

import chainrule as cr
from chainrule.errors import ArgumentError

TEMPTING = {
    "a point between two pieces": (lambda x: np.where(x > 0, x, np.where(x < 0, -x, 3.0)), 0.3),
    "a point among others": (lambda x: np.where(x == 1 / 3, 0.5, x**2), 0.0),
    "a choice that hides NaN": (lambda x: np.where(x > 0, -np.log(x), 3.0), 0.3),
    "infinity times x": (lambda x: x * np.inf, 0.3),
    "x divided by zero": (lambda x: x / 0.0, 0.3),
    "a sum lost in rounding": (
        lambda x: 1e16 * logsumexp(x) - logsumexp(x) - 1e16 * logsumexp(x), np.ones(3)),
    "squares lost in rounding": (lambda x: 1e16 * (x @ x) - x @ x - 1e16 * (x @ x), np.ones(3)),
    "fourth powers lost in rounding": (
        lambda x: 1e16 * np.sum(x**4) - np.sum(x**4) - 1e16 * np.sum(x**4), np.ones(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPTING)
def test_what_looks_convex_and_is_not_is_never_called_convex(name):
    f, x = TEMPTING[name]
    with np.errstate(all="ignore"):
        assert cr.convexity(f, x, seconds=0.2).verdict != "convex"


@pytest.mark.parametrize("n", [1999.0, 3001.0, 3333.0, 4001.0])
def test_a_hessian_that_is_indefinite_below_rounding_is_not_proved_semidefinite(n):
    """Its determinant is −1, beside numbers of 22 digits."""

    def f(x):
        return x[0] ** 2 * n * n * n * n * n * n + 2 * x[0] * x[1] * n * n * n + x[1] ** 2 - x[0] ** 2

    assert cr.convexity(f, np.ones(2), seconds=0.1).verdict != "convex"


def test_a_singular_hessian_of_small_whole_numbers_is_proved_whatever_it_is_divided_by():
    a = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    for f in (
        lambda x: x[0] ** 2 / 3 + x[0] * x[1] * 2 / 3 + x[1] ** 2 / 3,
        lambda x: x @ (a.T @ a) @ x / 7,
        lambda x: x[0] ** 2 + x[1] ** 2 - 2 * x[0] * x[1],
    ):
        assert cr.convexity(f, np.ones(3)).verdict == "convex"


def test_what_cancels_exactly_cancels_in_a_proof_also_after_a_division():
    t = 0.7
    assert cr.convexity(lambda x: logsumexp((x - np.max(x)) / t) + np.max(x) / t, np.ones(3)).verdict == "convex"
    assert cr.convexity(lambda x: 2 * logsumexp(x) - logsumexp(x), np.ones(3)).verdict == "convex"


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_chord_is_found_where_only_a_short_stretch_bends_downward(shift):
    found = cr.convexity(lambda x: (x - shift) ** 4 - 1e-9 * (x - shift) ** 2, shift)
    assert found.verdict == "not convex"
    assert abs(found.chord.x - shift) < 1e-4


def test_points_without_a_value_do_not_stop_the_search():
    """At a singular matrix NumPy raises; an integral may not exist."""
    assert cr.convexity(lambda w: np.linalg.det(w.reshape(2, 2)), np.ones(4), seconds=0.2).verdict != "convex"
    assert cr.convexity(
        lambda w: 0.0 + cr.integrate(lambda t: np.exp(w * t), 0.0, np.inf), -1.0, seconds=0.2
    ).verdict in {"undecided", "convex"}  # fmt: skip


def test_ends_of_a_domain_may_be_lists_and_belong_to_their_keys():
    assert cr.convexity(lambda x: np.sum(x**3), np.ones(2), domain=([0.0, 0.0], [1, 1])).verdict == "convex"
    assert cr.convexity(lambda x: np.sum(x**3), np.ones(2), domain=([0.0, -1.0], 1)).verdict == "not convex"

    def f(p):
        return np.sum(p["a"] ** 3) + p["b"] ** 2

    p = {"a": np.ones(2), "b": 1.0}
    assert cr.convexity(f, p, domain=({"b": -1, "a": [0, 0]}, {"a": 1, "b": 2})).verdict == "convex"
    assert cr.convexity(f, p, domain=({"a": [0, -1], "b": 0}, 2)).verdict == "not convex"
    for wrong in (({"a": 0.0}, 1.0), ([0, 0, 0], 1.0), (({"a": 0, "c": 0}), 1.0)):
        with pytest.raises(ArgumentError):
            cr.convexity(f, p, domain=wrong)
