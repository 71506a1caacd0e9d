"""A Jacobian as a linear map: maps that are known, put together from their parts, and taken apart again."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr

angles = st.floats(-3.0, 3.0)
sizes = st.floats(0.1, 10.0)


def turn(t):
    return np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])


def of(matrix):
    matrix = np.asarray(matrix, dtype=float)
    return cr.local_map(lambda x: matrix @ x, np.zeros(matrix.shape[1]))


@given(angles, angles, sizes, sizes)
def test_a_rotation_after_stretches_is_found_again(t, u, a, b):
    stretch = turn(u) @ np.diag([a, b]) @ turn(u).T
    found = of(turn(t) @ stretch)
    assert found.angle == pytest.approx(np.degrees(t), abs=1e-9)
    assert np.allclose(found.stretch, stretch)
    assert sorted(found.stretches) == pytest.approx(sorted([a, b]))
    assert found.determinant == pytest.approx(a * b)
    assert not found.mirrors


@given(angles, sizes)
def test_a_mirror_is_found_with_its_line(t, a):
    found = of(a * turn(t) @ np.diag([1.0, -1.0]) @ turn(-t))
    assert found.mirrors
    assert found.determinant == pytest.approx(-(a**2))
    assert (found.angle - np.degrees(t) + 90) % 180 == pytest.approx(90, abs=1e-6)


@given(angles, sizes, sizes, st.floats(-5, 5))
def test_a_shear_after_a_scaling_is_found(t, a, d, k):
    found = of(turn(t) @ np.diag([a, d]) @ np.array([[1, k], [0, 1]]))
    assert found.shear == pytest.approx(k, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (2, 3), (5, 2), (1, 4)])
def test_the_parts_make_the_jacobian_again(shape):
    matrix = np.random.default_rng(5).normal(size=shape)
    found = of(matrix)
    assert np.allclose(found.images.T @ np.diag(found.stretches) @ found.axes, matrix)
    assert np.allclose(found.axes @ found.axes.T, np.eye(len(found.axes)))
    assert found.rank == min(shape)
    if shape[0] == shape[1]:
        assert np.allclose(found.rotation @ found.stretch, matrix)
        assert np.allclose(found.rotation @ found.rotation.T, np.eye(shape[0]))
        assert np.linalg.eigvalsh(found.stretch).min() > 0
        assert found.determinant == pytest.approx(np.linalg.det(matrix))
    else:
        assert found.rotation is None
        assert found.determinant is None


def test_polar_coordinates_stretch_by_1_and_r_and_turn_by_the_angle():
    found = cr.local_map(lambda r, t: (r * np.cos(t), r * np.sin(t)), 2.0, 0.5, wrt=(0, 1))
    assert found.stretches.tolist() == pytest.approx([2.0, 1.0])
    assert found.angle == pytest.approx(np.degrees(0.5))
    assert found.volume == pytest.approx(2.0)  # the r of r dr dθ


def test_volume_is_what_small_figures_have():
    """The area of the image of a small square, by the shoelace formula, divided by that of the square."""
    f = lambda x: np.array([x[0] ** 2 - x[1], np.sin(x[0]) + x[1] ** 3])  # noqa: E731
    at, h = np.array([0.7, 0.4]), 1e-5
    corners = np.array([f(at + h * np.array(c)) for c in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    x, y = corners.T
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2
    assert cr.local_map(f, at).determinant == pytest.approx(area / (2 * h) ** 2, rel=1e-6)


def test_a_surface_has_an_area_factor_and_a_projection_has_none():
    sphere = lambda a: np.array([np.sin(a[0]) * np.cos(a[1]), np.sin(a[0]) * np.sin(a[1]), np.cos(a[0])])  # noqa: E731
    found = cr.local_map(sphere, np.array([0.7, 0.3]))
    assert found.volume == pytest.approx(np.sin(0.7))
    assert of([[1, 0, 0]]).volume is None


def test_what_is_lost_is_said_and_what_is_undefined_is_none():
    found = of([[1, 2], [2, 4]])
    assert found.rank == 1
    assert found.rotation is None
    assert found.angle is None
    assert found.condition == np.inf
    assert found.volume == 0
    assert not found.mirrors
    assert "lost" in str(found)
    assert "not defined" in str(of(np.ones((2, 3))))
    assert of(np.zeros((2, 2))).rank == 0


@pytest.mark.parametrize(("scale", "power"), [(1e200, 400), (1e-200, -400)])
def test_areas_beyond_all_floats_are_not_called_infinite_or_zero(scale, power):
    found = of(np.diag([-scale, scale]))
    assert f"1e{power:+d}" in str(found)
    assert found.mirrors
    assert found.stretches.tolist() == pytest.approx([scale, scale])


def test_a_grid_that_leaves_the_domain_has_gaps():
    with np.errstate(all="ignore"):
        figure = cr.local_map(lambda x: np.sqrt(x), np.array([0.1, 0.1])).figure
    assert "not shown" in figure.remark()
    inverse = cr.local_map(lambda x: np.linalg.inv(np.diag(x)) @ np.ones(2), np.array([0.5, 0.5]))  # singular at 0
    assert "not shown" in inverse.figure.remark()


def test_a_number_to_a_number_is_a_slope():
    found = cr.local_map(np.sin, 2.0)
    assert found.stretches[0] == pytest.approx(abs(np.cos(2.0)))
    assert found.determinant == pytest.approx(np.cos(2.0))
    assert found.mirrors


def test_a_gradient_is_the_one_direction_that_a_loss_sees():
    g = np.array([1.0, 2.0, 2.0])
    found = cr.local_map(lambda x: g @ x, np.zeros(3))
    assert found.stretches.tolist() == pytest.approx([3.0])
    assert found.axes[0] == pytest.approx(g / 3)


def test_float32_structures_and_vectors_are_taken():
    found = cr.local_map(
        lambda p: {"y": p["w"] @ p["x"]}, {"w": np.ones((2, 2), np.float32), "x": np.ones(2, np.float32)}
    )
    assert found.jacobian.shape == (2, 6)
    assert found.jacobian.dtype == np.float32
    assert found(np.ones(6)) == pytest.approx(found.jacobian.sum(1))


def test_the_picture_is_drawn_from_the_function_itself():
    f = lambda x: np.array([x[0] ** 2, x[1]])  # noqa: E731
    figure = cr.local_map(f, np.array([1.0, 0.0])).picture(reach=0.5)
    image = next(m for m in figure.marks if m.label == "its image by f")
    assert image.xs[0] == pytest.approx(0.5**2 - 1)  # not the 2 · (−0.5) of the Jacobian
    assert of(np.ones((3, 2))).figure.svg().startswith("<svg")
    json.dumps(of(np.eye(2)).as_dict())
    assert "<svg" in of(np.eye(2))._repr_html_()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cr.local_map(lambda x: x, np.ones(2, int)), "real numbers"),
        (lambda: cr.local_map(lambda x: np.sqrt(x), np.zeros(2)), "not finite"),
        (lambda: cr.local_map(lambda x: x > 0, np.ones(2)), "real results"),
        (lambda: cr.local_map(lambda x: x, np.ones(0)), "empty"),
        (lambda: cr.local_map(lambda x: np.outer(x, x), np.ones(200)), "too many"),
        (lambda: cr.grad(lambda x: cr.local_map(lambda y: y, x).stretches[0])(np.ones(2)), "recorded function"),
        (lambda: of(np.eye(2)).picture(-1), "reach"),
    ],
)
def test_what_is_no_map_is_refused(call, says):
    with np.errstate(all="ignore"), pytest.raises(cr.ChainruleError, match=says):
        call()


@pytest.mark.parametrize(
    ("f", "at", "what"),
    [
        (np.abs, np.zeros(2), "kink"),
        (lambda x: np.maximum(x, 0.1 * x), np.array([1.0, 0.0, 1.0]), "kink"),
        (lambda x: np.sort(x), np.ones(2), "kink"),
        (np.abs, np.zeros(2, np.float32), "kink"),
        (lambda x: x + np.floor(x), np.ones(2), "jumps"),
    ],
)
def test_at_a_kink_or_a_jump_there_is_no_linear_map(f, at, what):
    with pytest.raises(cr.ChainruleError, match=what):
        cr.local_map(f, at)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(6))
def test_steep_and_curved_maps_are_not_taken_for_kinks(dtype, seed):
    random = np.random.default_rng(seed)
    A = (random.normal(size=(3, 2)) * 10 ** random.uniform(-2, 2)).astype(dtype)
    x = random.normal(size=2).astype(dtype)
    for f in (np.tanh, np.exp, np.sin, lambda u: u**3, lambda u: np.sqrt(u**2 + dtype(1e-3)), lambda u: u + dtype(1e5)):
        assert np.isfinite(cr.local_map(lambda x, A, f=f: f(A @ x), x, A).jacobian).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_point_that_is_not_finite_is_refused(bad):
    """NaN was once written as 0."""
    with pytest.raises(cr.ChainruleError, match="point is not finite"):
        cr.local_map(lambda x: 2 * x, np.array([1.0, bad]))


def test_what_rounding_hides_is_said_to_be_hidden():
    assert "lost, as far as rounding tells" in str(of([[1, 1 / 3], [1 / 3, 1 / 9]]))
    assert "lost: " in str(of([[1, 0], [0, 0]]))


def test_displacements_and_grids_are_looked_at():
    found = of([[1, 2], [3, 4]])
    with pytest.raises(cr.ChainruleError, match="displacement of 3 numbers"):
        found(np.ones(3))
    for reach in ("far", 1e308, [1.0]):
        with pytest.raises(cr.ChainruleError, match="reach"):
            found.picture(reach)
