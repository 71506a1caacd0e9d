"""The area under the ROC curve: exact, blind to all but the order of scores, with DeLong's standard error."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

import chainrule as cr
from chainrule.errors import ArgumentError, DtypeError, ShapeError
from chainrule.numeric import roc

RATED = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def by_pairs(labels, scores):
    """P(positive > negative) + ½ P(tie), pair by pair."""
    up = [s for y, s in zip(labels, scores, strict=True) if y]
    down = [s for y, s in zip(labels, scores, strict=True) if not y]
    won = sum(Fraction(2 * (u > d) + (u == d), 2) for u in up for d in down)
    return won / (len(up) * len(down))


def test_known_areas():
    assert cr.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).exact == Fraction(3, 4)
    assert cr.roc_curve([0, 0, 1, 1], np.array([0.1, 0.4, 0.35, 0.8]) * 1e-7).exact == Fraction(3, 4)
    counts = np.array([[33, 6, 6, 11, 2], [3, 2, 2, 11, 33]])  # Hanley & McNeil, 1982
    labels, ratings = np.repeat([0, 1], counts.sum(1)), np.concatenate([np.repeat(np.arange(5), c) for c in counts])
    found = cr.roc_curve(labels, ratings)
    assert found.exact == Fraction(1321, 1479)
    assert found.auc == 1321 / 1479
    assert found.standard_error == pytest.approx(0.030724, abs=5e-7)


@given(RATED)
def test_the_area_is_the_chance_that_a_positive_scores_higher(rows):
    labels, scores = zip(*rows, strict=True)
    found = cr.roc_curve(labels, scores)
    assert found.exact == by_pairs(labels, scores)
    assert found.auc == float(found.exact)
    assert np.trapezoid(found.tpr, found.fpr) == pytest.approx(found.auc, abs=1e-14)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-14)
    assert (found.fpr[0], found.tpr[0], found.fpr[-1], found.tpr[-1]) == (0, 0, 1, 1)


@given(RATED)
def test_only_the_order_of_scores_matters(rows):
    labels, scores = zip(*rows, strict=True)
    scores = np.array(scores, float)
    found = cr.roc_curve(labels, scores)
    for change in (np.exp, lambda s: s * 1e-12 - 5, lambda s: s**3):
        again = cr.roc_curve(labels, change(scores))
        assert again.exact == found.exact
        assert np.array_equal(again.standard_error, found.standard_error, equal_nan=True)
    assert cr.roc_curve(labels, -scores).exact == 1 - found.exact
    assert cr.roc_curve(~np.array(labels), -scores).exact == found.exact


def test_the_curve_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 300), np.round(rng.normal(size=300), 1)
    fpr, tpr, thresholds = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    found = cr.roc_curve(labels, scores)
    assert np.allclose(found.fpr, fpr)
    assert np.allclose(found.tpr, tpr)
    assert np.allclose(found.thresholds[1:], thresholds[1:])


def test_the_standard_error_is_the_scatter_over_repetitions():
    rng = np.random.default_rng(1)
    found = [
        cr.roc_curve(np.arange(120) < 50, np.round(rng.normal(size=120) + (np.arange(120) < 50), 1))
        for _ in range(400)
    ]  # fmt: skip
    scatter = np.std([f.auc for f in found])
    assert np.mean([f.standard_error for f in found]) == pytest.approx(scatter, rel=0.1)


def test_infinite_scores_have_their_place_and_labels_their_spellings():
    assert cr.roc_curve([False, True, True], [-np.inf, 0, np.inf]).auc == 1
    for labels in ([0, 1, 1], [-1, 1, 1], [0.0, 1.0, 1.0], np.array([0, 1, 1], np.uint8), [False, True, True]):
        assert cr.roc_curve(labels, [3, 2, 4]).exact == Fraction(1, 2)
    assert np.isnan(cr.roc_curve([0, 1], [1, 2]).standard_error)


def test_counts_of_any_size_are_exact(monkeypatch):
    labels, scores = np.tile([0, 1, 1], 1000), np.tile([1, 1, 2], 1000)
    assert cr.roc_curve(labels, scores).exact == Fraction(3, 4)
    large = np.array([2**40], dtype=object)
    assert int((large * large)[0]) == 2**80  # what the sum does where int64 would overflow


@pytest.mark.parametrize(
    ("labels", "scores", "error"),
    [
        ([1, 1], [0.1, 0.2], ArgumentError), ([0, 0], [0.1, 0.2], ArgumentError),
        ([0, 1], [0.1, np.nan], ArgumentError),
        ([0, 1, 2], [1, 2, 3], ArgumentError), (["a", "b"], [1, 2], DtypeError), ([0, 1], [1, 2, 3], ShapeError),
        ([], [], ShapeError), ([[0, 1]], [[1, 2]], ShapeError), ([0, 1], [1j, 2], DtypeError),
        ([0, 1], ["x", "y"], DtypeError), (1, 2, ShapeError), ([0, np.nan], [1, 2], ArgumentError),
    ],
)  # fmt: skip
def test_bad_input_is_refused(labels, scores, error):
    with pytest.raises(error):
        cr.roc_curve(labels, scores)


def test_the_record_prints_draws_and_becomes_json():
    found = cr.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert str(found).startswith("area under the curve 0.75 ± 0.3")
    assert "<svg" in found._repr_html_()
    assert json.loads(json.dumps(found.as_dict()))["exact"] == "3/4"


def test_the_test_of_pairs_sees_ties_dropped(monkeypatch):
    whole = roc.Fraction
    monkeypatch.setattr(roc, "Fraction", lambda won, pairs: whole(won - won % 2, pairs))
    assert cr.roc_curve([0, 1], [1, 1]).exact != by_pairs([0, 1], [1, 1])
