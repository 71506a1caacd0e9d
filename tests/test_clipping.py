"""Clipped gradients: within the limit, turned or not, and never with a NaN inside."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.trace.size import norm

CLIPS = [cr.clip_by_value, cr.clip_by_norm, cr.clip_by_global_norm]
every_clip = pytest.mark.parametrize("clip", CLIPS, ids=lambda f: f.__name__)
numbers = st.lists(st.floats(-1e300, 1e300, allow_nan=False), min_size=1, max_size=6).map(np.array)
limits = st.floats(1e-6, 1e6)


def angle(a, b):
    """Between two directions, in degrees; by the tangent, since the arc cosine of nearly 1 loses half of the digits."""
    a, b = a / norm([a]), b / norm([b])
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def test_by_value_turns_the_direction_and_by_norm_keeps_it():
    g = np.array([30.0, 40.0])
    assert cr.clip_by_value(g, 5).tolist() == [5, 5]
    assert cr.clip_by_norm(g, 5).tolist() == [3, 4]
    assert angle(g, cr.clip_by_value(g, 5)) == pytest.approx(8.130102354155978)
    assert angle(g, cr.clip_by_norm(g, 5)) == pytest.approx(0, abs=1e-12)


@given(numbers, limits)
def test_by_value_is_the_nearest_point_within_the_limits(g, limit):
    found = cr.clip_by_value(g, limit)
    assert (found == np.minimum(np.maximum(g, -limit), limit)).all()


@given(numbers, limits)
def test_by_norm_has_the_norm_and_the_direction(g, limit):
    found = cr.clip_by_norm(g, limit)
    assert norm([found]) == pytest.approx(min(limit, norm([g])), rel=1e-13)
    if norm([g]) > 1e-300:
        assert np.allclose(found / norm([found]), g / norm([g]), rtol=1e-12, atol=1e-15)


@every_clip
def test_what_is_within_the_limit_stays_as_it_is_and_is_a_copy(clip):
    g = np.array([0.1, -0.2])
    found = clip(g, 1.0)
    assert found.tolist() == g.tolist()
    found[0] = 9
    assert g[0] == 0.1


def test_entries_whose_squares_overflow_are_scaled():
    assert cr.clip_by_norm(np.array([3e200, 4e200]), 5.0) == pytest.approx([3.0, 4.0])
    assert cr.clip_by_norm(np.full(9, 1.7e308), 3.0) == pytest.approx(np.ones(9))
    assert cr.clip_by_norm(np.array([3e-200, 4e-200]), 1e-200) == pytest.approx([0.6e-200, 0.8e-200], rel=1e-13, abs=0)
    assert cr.clip_by_norm(np.float32([3e30, 4e30]), 5.0) == pytest.approx([3.0, 4.0])


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    b: float


@every_clip
def test_the_structure_and_the_dtypes_stay(clip):
    g = {"layers": [Layer(np.full((2, 2), 9, np.float32), 3.0), (np.float32(7), None)], "n": np.array(4.0)}
    found = clip(g, 1.5)
    assert found["layers"][0].w.dtype == np.float32
    assert type(found["layers"][0].b) is float
    assert type(found["layers"][1][0]) is np.float32
    assert found["layers"][1][1] is None
    assert found["n"].shape == ()


def test_each_array_has_its_norm_or_all_have_one():
    g = {"a": np.array([30.0, 0.0]), "b": np.array([0.0, 40.0])}
    own, all_ = cr.clip_by_norm(g, 5.0), cr.clip_by_global_norm(g, 5.0)
    assert (own["a"].tolist(), own["b"].tolist()) == ([5, 0], [0, 5])
    assert (all_["a"].tolist(), all_["b"].tolist()) == ([3, 0], [0, 4])


def test_numbers_beside_each_other_are_one_vector():
    assert cr.clip_by_norm((30, 40), 5) == (3.0, 4.0)
    assert cr.clip_by_norm([30.0, 40.0], 5) == [3.0, 4.0]
    assert cr.clip_by_norm({"a": 30.0, "b": 40.0}, 5) == {"a": 5.0, "b": 5.0}


@every_clip
def test_a_value_that_is_not_finite_is_refused_with_its_name_and_place(clip):
    """np.clip lets NaN through, and a scaled gradient with one is NaN everywhere."""
    assert np.isnan(np.clip(np.array([np.nan]), -1, 1)).all()
    for bad, told in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")):
        w = np.ones((2, 3))
        w[1, 2] = bad
        with pytest.raises(cr.ChainruleError, match=rf"gradient\['w'\]\[1, 2\]` is {told}"):
            clip({"b": 1.0, "w": w}, 1.0)


@every_clip
@pytest.mark.parametrize("limit", [0, -1, 10**400, np.nan, np.inf, "1", None, True, np.ones(2)])
def test_a_limit_is_positive_and_finite(clip, limit):
    with pytest.raises(cr.ChainruleError, match="limit"):
        clip(np.ones(2), limit)


@every_clip
@pytest.mark.parametrize(
    "g", ["gradient", np.array([1, None]), np.array([1j]), True, np.array([True]), np.array(["a"]), object()]
)
def test_what_is_no_gradient_is_refused(clip, g):
    with pytest.raises(cr.ChainruleError, match="real numbers"):
        clip(g, 1.0)


@every_clip
def test_a_masked_array_is_refused(clip):
    with pytest.raises(cr.ChainruleError, match="masked"):
        clip(np.ma.array([3.0, 4.0], mask=[False, True]), 1.0)


@every_clip
def test_a_recorded_function_is_told_to_clip_afterwards(clip):
    with pytest.raises(cr.ChainruleError, match="stand-in"):
        cr.grad(lambda x: np.sum(clip(x, 1.0)))(np.ones(2))


@every_clip
def test_empty_and_zero_gradients_pass(clip):
    assert clip(np.zeros((0, 3)), 1.0).shape == (0, 3)
    assert clip(np.zeros(3), 1.0).tolist() == [0, 0, 0]
    assert clip({}, 1.0) == {}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_entry_exceeds_a_limit_that_the_dtype_does_not_have(dtype):
    for limit in (0.1, 1 / 3, 1e5):
        assert np.abs(cr.clip_by_value(np.array([7.0, -7.0], dtype), limit)).astype(float).max() <= limit


@every_clip
@pytest.mark.parametrize("limit", [1.0, 10.0])
def test_an_array_of_no_dimensions_stays_an_array(clip, limit):
    assert type(clip(np.array(4.0), limit)) is np.ndarray


@every_clip
def test_a_number_beyond_all_floats_is_refused_by_name(clip):
    with pytest.raises(cr.ChainruleError, match=r"`gradient\['a'\]` is too large"):
        clip({"a": 10**400}, 1.0)
    assert clip(10**30, 1.0) == 1.0
