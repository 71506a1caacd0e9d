"""Tangents: the line or plane that a function can't be told from close by; none is claimed where there is none."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError


@pytest.mark.parametrize(
    ("f", "x", "equation"),
    [
        (lambda x: x**2, 2.0, "y = 4 + 4 (x − 2)"),
        (lambda x: x**2, -2, "y = 4 − 4 (x + 2)"),
        (lambda t: np.exp(t), 0.0, "y = 1 + t"),
        (lambda x: np.sin(x), 0.0, "y = x"),
        (lambda x: -np.sin(x), 0.0, "y = −x"),
        (lambda x: 3.0, 1.0, "y = 3"),
        (lambda x: np.maximum(x, 0) ** 2, 0.0, "y = 0"),
        (lambda v: np.sum(v**2), np.arange(3), "y = 5 + 2 (v[1] − 1) + 4 (v[2] − 2)"),
        (lambda p: p["a"] * np.sum(p["b"]), {"a": 2, "b": np.ones(1)}, "y = 2 + (p['a'] − 2) + 2 (p['b'][0] − 1)"),
    ],
)
def test_the_equation(f, x, equation):
    assert str(cr.tangent(f, x)) == equation


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_the_function_leaves_its_tangent_as_the_square_of_the_step(shape):
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=shape), rng.normal(size=shape)

    def f(x):
        return np.sum(np.exp(np.sin(x)))

    plane = cr.tangent(f, x)
    assert float(plane(x)) == f(x)
    off = [abs(f(x + h * v) - plane(x + h * v)) for h in (1e-2, 1e-3, 1e-4)]
    assert off[1] <= off[0] / 50 or not x.size
    assert off[2] <= off[1] / 50 or not x.size


def test_many_points_at_once():
    line, plane = cr.tangent(lambda x: x**2, 1.0), cr.tangent(lambda v: np.sum(v**2), np.array([1.0, 2.0]))
    np.testing.assert_allclose(line(np.array([0.0, 1.0, 2.0])), [-1, 1, 3])
    np.testing.assert_allclose(plane(np.array([[1.0, 2.0], [0.0, 0.0]])), [5, -5])


def test_functions_that_no_recording_can_follow_have_one_with_an_error():
    line = cr.tangent(lambda x: float(f"{x:.17g}") ** 2, 3.0)
    assert abs(float(line.gradient) - 6) <= line.error < 1e-9
    assert cr.tangent(lambda x: x**2, 3.0).error == 0


def jagged(v):
    return v[0] * v[1] ** 2 / (v[0] ** 2 + v[1] ** 2 + 1e-300)


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (np.abs, 0.0, "kink: the slope is -1 on the left, 1 on the right"),
        (abs, 0, "kink"),
        (lambda x: np.maximum(x, 0), 0.0, "kink"),
        (lambda v: np.max(v), np.ones(2), "kink"),
        (lambda v: np.abs(v[0] - v[1]), np.ones(2), "kink"),
        (np.linalg.norm, np.zeros(2), "kink"),
        (np.sqrt, 0.0, "not finite"),
        (np.cbrt, 0.0, "not finite"),
        (np.log, -1.0, "value is nan"),
        (np.round, 0.5, "jumps"),
        (lambda x: x * math.sin(1 / x) if x else 0.0, 0.0, "no tangent that differences can see"),
        (jagged, np.zeros(2), "not what the partial derivatives say"),  # every partial derivative exists
    ],
)
def test_no_tangent_is_claimed_where_there_is_none(f, x, said):
    with np.errstate(all="ignore"), pytest.raises(ArgumentError, match=said):
        cr.tangent(f, x)


def test_large_offsets_and_many_components_are_no_hindrance():
    assert float(cr.tangent(lambda x: 1e8 + np.sin(x), 1.0).gradient) == math.cos(1)
    x = np.random.default_rng(0).normal(size=(10, 20))
    plane = cr.tangent(lambda v: np.sum(v**2), x)
    assert "194 more components" in str(plane)
    with pytest.raises(ArgumentError, match=r"kink"):
        cr.tangent(lambda v: np.sum(np.abs(v - x[3, 3])), x)


def test_refusals():
    with pytest.raises(ArgumentError, match="takes a function"):
        cr.tangent("x", 1.0)
    with pytest.raises(ShapeError, match="one number"):
        cr.tangent(lambda x: x, np.ones(2))
    with pytest.raises(ArgumentError, match="finite"):
        cr.tangent(np.sin, np.nan)
    with pytest.raises(ArgumentError, match="structure"):
        cr.tangent(lambda p: p[0] * p[1], (1.0, 2.0))(1.0)
    with pytest.raises(ArgumentError, match="one number"):
        cr.tangent(lambda v: np.sum(v), np.ones(2)).figure  # noqa: B018
    with pytest.raises(ArgumentError, match="recording"):
        cr.grad(lambda x: cr.tangent(np.sin, x)(1.0))(1.0)


def test_a_tangent_shows_itself():
    line = cr.tangent(np.exp, 0.0)
    assert "tangent" in line.figure.svg()
    assert line._repr_html_() == "<p>y = 1 + x</p>"
    assert line.as_dict()["gradient"] == [1.0]
