"""The landscape around a path: its plane, its values, and what is left out."""

import math
import time

import numpy as np
import pytest

from chainrule.numeric.landscape import Thinned, landscape

RNG = np.random.default_rng(3)


def bowl(x):
    return float(np.sum(np.arange(1, x.size + 1) * x**2))


def path_in(plane, points):
    """Points given in the coordinates of a plane, in its space."""
    return points @ plane


def test_the_plane_of_a_path_that_lies_in_one_is_found():
    plane = np.linalg.qr(RNG.normal(size=(6, 2)))[0].T
    flat = RNG.normal(size=(20, 2)) * [3.0, 1.0]
    path = path_in(plane, flat) + 5.0
    found = landscape(bowl, {"run": path})
    assert sum(found.shares) == pytest.approx(1.0)
    assert found.shares[0] > found.shares[1] > 0
    seen = found.paths["run"]
    np.testing.assert_allclose(seen[-1], 0, atol=1e-9)
    distances = np.linalg.norm(path - path[-1], axis=1)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), distances, rtol=1e-9)


def test_principal_directions_are_those_of_the_singular_value_decomposition():
    path = np.cumsum(RNG.normal(size=(15, 8)) * np.arange(8, 0, -1), axis=0)
    found = landscape(bowl, {"run": path})
    away = path - path[-1]
    values = np.linalg.svd(away, compute_uv=False)
    np.testing.assert_allclose(found.shares, (values**2 / np.sum(values**2))[:2], rtol=1e-9)


def test_values_are_those_of_the_function_in_the_plane():
    path = np.cumsum(RNG.normal(size=(10, 5)), axis=0)
    found = landscape(bowl, {"run": path})
    away = path - path[-1]
    directions = np.linalg.svd(away, full_matrices=False)[2][:2]
    signs = [np.sign(found.paths["run"][0][k] * (away[0] @ directions[k])) for k in range(2)]
    for j, i in ((0, 0), (3, 17), (40, 2)):
        place = path[-1] + found.xs[i] * signs[0] * directions[0] + found.ys[j] * signs[1] * directions[1]
        assert found.values[j, i] == pytest.approx(bowl(place), rel=1e-9)


def test_two_numbers_are_their_own_axes_and_one_makes_a_curve():
    path = np.array([[3.0, 1.0], [1.0, 0.5], [0.0, 0.0]])
    found = landscape(bowl, {"run": path}, names=("a", "b"))
    assert found.axes == ("a", "b")
    np.testing.assert_array_equal(found.paths["run"], path)
    assert found.values[0, 0] == pytest.approx(bowl(np.array([found.xs[0], found.ys[0]])))
    curve = landscape(bowl, {"run": path[:, :1]}, names=("a",))
    assert curve.ys.size == 0
    np.testing.assert_allclose(curve.values, curve.xs**2)


def test_a_straight_path_takes_the_second_direction_it_is_given():
    steep = np.array([0.0, 0.0, 0.0, 1.0])
    path = np.linspace(1, 0, 8)[:, None] * np.array([1.0, 2.0, 0.0, 0.0])
    found = landscape(bowl, {"run": path}, second=lambda: (steep, "that of the steepest curvature"))
    assert "steepest curvature" in found.directions
    assert found.shares[0] == pytest.approx(1.0)
    middle = np.argmin(np.abs(found.xs))
    top = path[-1] + found.xs[middle] * np.array([1, 2, 0, 0]) / math.sqrt(5) * np.sign(found.paths["run"][0][0])
    assert found.values[-1, middle] == pytest.approx(bowl(top + found.ys[-1] * steep), rel=1e-9)
    parallel = landscape(bowl, {"run": path}, second=lambda: (path[0], "the same again"))
    assert np.isfinite(parallel.values).all()


def test_a_path_of_one_point_has_something_to_see_around_it():
    found = landscape(bowl, {"run": np.ones((1, 4))})
    assert "single point" in found.directions
    assert found.values.shape == (41, 41)
    assert np.ptp(found.xs) > 0


def test_several_paths_are_seen_from_the_first():
    first, second = np.cumsum(RNG.normal(size=(6, 4)), axis=0), np.cumsum(RNG.normal(size=(9, 4)), axis=0)
    found = landscape(bowl, {"a": first, "b": second})
    assert list(found.paths) == ["a", "b"]
    for path in found.paths.values():
        assert found.xs[0] <= path[:, 0].min() <= path[:, 0].max() <= found.xs[-1]
        assert found.ys[0] <= path[:, 1].min() <= path[:, 1].max() <= found.ys[-1]


def test_where_the_function_fails_there_is_a_hole():
    def holed(x):
        if x[0] > 0:
            raise np.linalg.LinAlgError("singular")
        return bowl(x)

    found = landscape(holed, {"run": np.array([[-1.0, 0.0], [0.0, 0.0]])})
    assert np.isnan(found.values).any()
    assert np.isfinite(found.values).any()
    str(found)


def test_time_bounds_the_grid():
    def slow(x):
        time.sleep(0.005)
        return bowl(x)

    path = np.cumsum(RNG.normal(size=(4, 3)), axis=0)
    start = time.perf_counter()
    found = landscape(slow, {"run": path}, seconds=0.5)
    assert time.perf_counter() - start < 3
    assert 7 <= len(found.xs) < 41
    assert "left out" in landscape(slow, {"run": path}, seconds=0.01).left_out


def test_memory_is_bounded_by_keeping_fewer_points():
    path = Thinned(size=2**22)
    for n in range(1000):
        path.add(n, np.zeros(1))
    assert len(path.iterations) <= 4
    assert path.iterations[0] == 0
    assert path.iterations[-1] == 999
