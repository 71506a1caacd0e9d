"""Densities: closed forms of scipy.stats, and what must be refused."""

from math import e, exp, inf, log, pi, sqrt

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule.errors import ArgumentError, IntegralError

pytestmark = pytest.mark.filterwarnings("error")


def normal(m, s):
    return lambda x: np.exp(-(((x - m) / s) ** 2) / 2) / (s * sqrt(2 * pi))


NAMED = {
    "normal": (cr.Density(normal(3.0, 0.5)), scipy.stats.norm(3, 0.5)),
    "far normal": (cr.Density(normal(1000.0, 1.0)), scipy.stats.norm(1000, 1)),
    "exponential": (cr.Density(lambda x: 2 * np.exp(-2 * x), 0, inf), scipy.stats.expon(scale=0.5)),
    "uniform": (cr.Density(lambda x: 0.25, -1, 3), scipy.stats.uniform(-1, 4)),
    "beta": (cr.Density(lambda x: x**1.5 * (1 - x) ** 3, 0, 1, normalize=True), scipy.stats.beta(2.5, 4)),
    "laplace": (cr.Density(lambda x: np.exp(-np.abs(x - 1)) / 2), scipy.stats.laplace(1)),
    "gamma": (cr.Density(lambda x: x**2 * np.exp(-x), 0, inf, normalize=True), scipy.stats.gamma(3)),
    "triangle": (cr.Density(lambda x: np.maximum(0, 1 - np.abs(x))), scipy.stats.triang(0.5, -1, 2)),
}


@pytest.mark.parametrize("name", NAMED)
def test_moments_probabilities_and_entropy_are_the_closed_forms(name):
    ours, theirs = NAMED[name]
    a, b = theirs.ppf(0.2), theirs.ppf(0.7)
    assert ours.probability(a, b) == pytest.approx(0.5, abs=1e-9)
    assert ours.cdf(b) == pytest.approx(0.7, abs=1e-9)
    assert ours.mean == pytest.approx(theirs.mean(), rel=1e-9, abs=1e-12)
    assert ours.variance == pytest.approx(theirs.var(), rel=1e-7)
    assert ours.expect(np.cos) == pytest.approx(theirs.expect(np.cos), abs=1e-7)
    assert ours.entropy == pytest.approx(theirs.entropy(), rel=1e-8, abs=1e-10)
    assert ours(a) == pytest.approx(theirs.pdf(a))
    assert ours.probability(-inf, inf) == pytest.approx(1)


def test_divergence_between_normals():
    p, q = cr.Density(normal(0.0, 1.0)), cr.Density(normal(1.0, 0.5))
    assert p.kl(q) == pytest.approx(3.5 - log(2), rel=1e-10)
    assert p.cross_entropy(q) == pytest.approx(3.5 - log(2) + log(2 * pi * e) / 2, rel=1e-10)
    assert p.kl(normal(1.0, 0.5)) == pytest.approx(3.5 - log(2), rel=1e-10)
    assert p.kl(p) == pytest.approx(0, abs=1e-12)
    assert p.cross_entropy(q) == pytest.approx(p.entropy + p.kl(q))


def test_where_q_is_zero_and_p_is_not_the_divergence_is_infinite():
    wide, narrow = cr.Density(lambda x: 0.5, 0, 2), cr.Density(lambda x: 1.0, 0, 1)
    assert wide.kl(narrow) == inf == wide.cross_entropy(narrow)
    assert narrow.kl(wide) == pytest.approx(log(2))  # 0 log 0 = 0
    holed = cr.Density(lambda x: np.where(x < 1, 1.0, 0.0), 0, 2)
    assert wide.kl(holed) == inf
    assert holed.kl(wide) == pytest.approx(log(2))
    assert cr.Density(normal(0.0, 1.0)).kl(cr.Density(lambda x: 1 / 40, -20, 20)) == inf
    assert narrow.kl(cr.Density(lambda x: 1.0, 5, 6)) == inf
    assert "q is 0" in str(wide.kl(narrow))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.Density(lambda x: np.exp(-x * x)), "1.77245385"),
        (lambda: cr.Density(lambda x: 1.0, 0, 2), "to 2"),
        (lambda: cr.Density(lambda x: 1 / x, 0, 1), "not known"),
        (lambda: cr.Density(lambda x: 1.0), "not known"),
        (lambda: cr.Density(lambda x: 3 * x - 0.5, 0, 1), "negative"),
        (lambda: cr.Density(lambda x: -np.exp(-x), 0, inf, normalize=True), "negative"),
        (lambda: cr.Density(lambda x: 1.0, 1, 0), "not below"),
        (lambda: cr.Density(3), "a function"),
        (lambda: cr.Density(lambda x: 1.0, 0, 1).kl(3), "compared"),
    ],
)
def test_what_is_no_density_is_refused_with_the_number(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_mean_that_does_not_exist_is_not_a_number():
    cauchy = cr.Density(lambda x: 1 / (pi * (1 + x**2)))
    assert not np.isfinite(float(cauchy.mean))
    assert cauchy.cdf(1.0) == pytest.approx(0.75)


def test_derivatives_through_densities():
    def mean(rate):
        return cr.Density(lambda x: np.exp(-rate * x), 0, inf, normalize=True).mean

    assert cr.value_and_grad(mean)(2.0) == pytest.approx((0.5, -0.25))

    def divergence(m):
        return cr.Density(normal(0.0, 1.0)).kl(normal(m, 0.5))

    assert cr.value_and_grad(divergence)(1.0) == pytest.approx((3.5 - log(2), 4.0))
    exponential = cr.Density(lambda x: np.exp(-x), 0, inf)
    assert cr.grad(exponential.cdf)(0.7) == pytest.approx(exp(-0.7))


def uniform(low, high):
    return cr.Density(lambda x: 1 / (high - low), low, high)


def test_outside_of_the_interval_there_is_nothing_recorded_or_not():
    values, slopes = cr.vmap(cr.value_and_grad(uniform(0.0, 1.0).cdf))(np.array([-1.0, 0.5, 3.0]))
    assert np.allclose(values, [0, 0.5, 1])
    assert np.allclose(slopes, [0, 1, 0])
    assert uniform(0.0, 1.0).cdf(-inf) == 0


def test_an_interval_that_moves():
    assert cr.value_and_grad(lambda t: uniform(0.0, t).cdf(0.5))(2.0) == pytest.approx((0.25, -0.125))
    assert cr.value_and_grad(lambda t: uniform(0.0, t).cdf(9.0))(2.0) == pytest.approx((1, 0))
    assert cr.value_and_grad(lambda t: uniform(0.0, t).entropy)(2.0) == pytest.approx((log(2), 0.5))
    assert cr.value_and_grad(lambda t: uniform(0.0, t).kl(uniform(0.0, 3.0)))(2.0) == pytest.approx((log(1.5), -0.5))
    assert cr.value_and_grad(lambda t: uniform(0.0, t).kl(uniform(0.0, t)))(2.0) == pytest.approx((0, 0))


@pytest.mark.parametrize("other", [uniform(0.0, 1.0), lambda x: np.where(x < 1, 1.0, 0.0)])
def test_no_finite_divergence_where_q_is_zero_within_a_function(other):
    with pytest.raises(IntegralError):
        cr.grad(lambda t: uniform(0.0, t).kl(other))(2.0)
    assert cr.grad(lambda t: uniform(0.0, t).kl(other))(0.5) == pytest.approx(-2)


def test_a_density_that_underflows_is_not_said_to_be_zero():
    found = cr.Density(normal(0.0, 1.0)).kl(normal(0.0, 0.1))
    assert found.verdict == "unreliable"
    assert "too small for a float" in found.reason


def test_no_variance_without_a_mean():
    found = cr.Density(lambda x: 1 / (pi * (1 + x**2))).variance
    assert found.verdict == "diverges"
    assert np.isnan(found)
    assert "mean" in found.reason


@pytest.mark.parametrize("end", ["a", [0.1, 0.2], np.ones(2), np.nan, None])
def test_an_end_is_one_number(end):
    with pytest.raises(ArgumentError, match="limit"):
        uniform(0.0, 1.0).cdf(end)
