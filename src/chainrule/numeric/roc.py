"""The receiver operating characteristic of scores, and the area under it: exact, with ties, and how sure it is.

The area is the chance that a positive scores higher than a negative, ties counting half. It is a ratio of whole
numbers, the sum over positives of 2 · negatives below + negatives equal, by 2 · positives · negatives: counted in whole
numbers, and rounded once.

DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
curves", 1988; in n log n by Sun & Xu, 2014.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np

from ..draw import Figure, Line
from ..errors import ArgumentError, DtypeError, ShapeError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class RocCurve:
    """How the rates of true and false positives trade, threshold by threshold, from (0, 0) to (1, 1).

    `fpr[k]`, `tpr[k]` are the shares of negatives and positives with a score of at least `thresholds[k]` (the first is
    infinite: nobody). `auc` is the area under the curve, `exact` the same as a ratio of whole numbers, and
    `standard_error` DeLong's (NaN where one class has a single member).
    """

    fpr: Array
    tpr: Array
    thresholds: Array
    auc: float
    exact: Fraction
    standard_error: float
    positives: int
    negatives: int

    def __str__(self) -> str:
        error = "" if np.isnan(self.standard_error) else f" ± {self.standard_error:.2g} (standard error)"
        return (
            f"area under the curve {self.auc:.6g}{error}: of {self.positives} positives and {self.negatives} negatives,"
            f" over {len(self.thresholds) - 1} thresholds"
        )

    @property
    def figure(self) -> Figure:
        """The curve, and the diagonal of a score that knows nothing."""
        return Figure(
            f"ROC curve, area {self.auc:.4g}",
            (
                Line(self.fpr.tolist(), self.tpr.tolist(), label="this score"),
                Line([0.0, 1.0], [0.0, 1.0], label="chance", style="dashed", tone="soft"),
            ),
            x="share of negatives above the threshold", y="share of positives above it", equal=True,
            description=f"From (0, 0) to (1, 1); the area under the curve is {self.auc:.4g}.",
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>{self.figure._repr_html_()}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "auc": self.auc, "exact": str(self.exact), "standard_error": self.standard_error,
            "positives": self.positives, "negatives": self.negatives, "fpr": self.fpr.tolist(),
            "tpr": self.tpr.tolist(), "thresholds": self.thresholds.tolist(),
        }  # fmt: skip


def roc_of(labels: Any, scores: Any) -> RocCurve:
    """The curve of scores (larger: more likely positive) against labels of two kinds."""
    positive, score = _labels(labels), _scores(scores)
    if positive.shape != score.shape:
        raise ShapeError(f"{positive.size} labels and {score.size} scores: one score for each label is needed")
    order = np.argsort(score, kind="stable")
    score, positive = score[order], positive[order]
    starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
    here = np.add.reduceat(positive.astype(np.int64), starts)  # positives at each score, from the lowest
    there = np.diff(np.append(starts, len(score))) - here
    p, n = int(here.sum()), int(there.sum())
    if not p or not n:
        raise ArgumentError(f"all {p + n} labels are {'positive' if p else 'negative'}: a curve needs both kinds")
    below = np.cumsum(there) - there
    above = p - np.cumsum(here)
    doubled = 2 * below + there  # for a positive: twice the negatives that it beats
    won = sum(int(v) for v in (here.astype(object) * doubled)) if p * n > 2**61 else int(here @ doubled)
    exact = Fraction(won, 2 * p * n)
    auc = float(exact)
    error = _delong(here, doubled / (2 * n), there, (2 * above + here) / (2 * p), auc, p, n)
    falling = slice(None, None, -1)
    return RocCurve(
        np.concatenate([[0], np.cumsum(there[falling])]) / n, np.concatenate([[0], np.cumsum(here[falling])]) / p,
        np.concatenate([[np.inf], score[starts][falling].astype(float)]), auc, exact, error, p, n,
    )  # fmt: skip


def _delong(here: Array, beats: Array, there: Array, beaten: Array, auc: float, p: int, n: int) -> float:
    """√(variance among positives / p + variance among negatives / n), of how often each one wins."""
    if p < 2 or n < 2:
        return float("nan")
    among_positives = float(here @ (beats - auc) ** 2) / (p - 1)
    among_negatives = float(there @ (beaten - auc) ** 2) / (n - 1)
    return sqrt(among_positives / p + among_negatives / n)


def _labels(labels: Any) -> Array:
    try:
        array = np.asarray(labels)
    except ValueError:
        raise ShapeError("the labels are a ragged list") from None
    if array.ndim != 1 or not array.size:
        raise ShapeError(f"the labels are one row of truths, not an array of shape {array.shape}")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        raise DtypeError(
            f"the labels are {array.dtype}: truths, 0 and 1, or -1 and 1 are needed", hint='labels == "yes"'
        )
    kinds = np.unique(array)
    if not (np.isin(kinds, (0, 1)).all() or np.isin(kinds, (-1, 1)).all()):
        shown = ", ".join(f"{v:.6g}" for v in kinds[:5])
        raise ArgumentError(f"the labels are {shown}{', …' if len(kinds) > 5 else ''}: 0 and 1, or -1 and 1 are needed")
    return np.asarray(array == 1)


def _scores(scores: Any) -> Array:
    try:
        array = np.asarray(scores)
    except ValueError:
        raise ShapeError("the scores are a ragged list") from None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"the scores are {array.dtype}: real numbers are needed")
    if array.ndim != 1:
        raise ShapeError(f"the scores are one row of numbers, not an array of shape {array.shape}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ArgumentError(f"{int(np.isnan(array).sum())} of the scores are NaN: they have no place in an order")
    return array
