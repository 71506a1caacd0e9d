"""A rough look at a spectrum: what it finds lies inside, and its error bars hold."""

import numpy as np
import pytest

from chainrule.numeric.krylov import rough_spectrum
from chainrule.numeric.spectrum import spectrum

EPS = 2.0**-52


@pytest.mark.parametrize("steps", [2, 5, 20, 60])
@pytest.mark.parametrize("seed", range(4))
def test_each_end_lies_within_its_error_of_an_eigenvalue_and_never_outside(steps, seed):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.normal(size=300) ** 3 * 10.0**seed)
    basis = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    matrix = (basis * values) @ basis.T
    found = rough_spectrum(lambda v: matrix @ v, 300, EPS, steps)
    assert found.products <= steps
    assert np.abs(values - found.high).min() <= found.high_error
    assert np.abs(values - found.low).min() <= found.low_error
    slack = 1e-12 * np.abs(values).max()
    assert values[0] - slack <= found.low <= found.high <= values[-1] + slack
    for value, vector in ((found.low, found.low_vector), (found.high, found.high_vector)):
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert vector @ matrix @ vector == pytest.approx(value, rel=1e-9, abs=1e-9 * np.abs(values).max())


def test_with_enough_products_it_is_the_spectrum():
    values = np.linspace(-3, 9, 400) ** 3
    rough = rough_spectrum(lambda v: values * v, 400, EPS, 300)
    sure = spectrum(lambda v: values * v, 400, EPS)
    assert rough.high == pytest.approx(sure.high, rel=1e-6)
    assert rough.low == pytest.approx(sure.low, rel=1e-4)


def test_a_space_that_ends_early_is_exact():
    found = rough_spectrum(lambda v: 2.5 * v, 1000, EPS, 30)
    assert found.products == 1
    assert (found.low, found.high) == pytest.approx((2.5, 2.5))
    nothing = rough_spectrum(np.zeros_like, 1000, EPS, 30)
    assert (nothing.low, nothing.high) == (0.0, 0.0)


def test_no_more_steps_than_the_space_has_room_for():
    found = rough_spectrum(lambda v: np.array([1.0, 2.0, 4.0]) * v, 3, EPS, 50)
    assert (found.low, found.high) == pytest.approx((1.0, 4.0))
