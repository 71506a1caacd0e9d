"""Ranking: how well scores tell two kinds apart."""

from __future__ import annotations

from typing import Any

from ..numeric.roc import RocCurve, roc_of
from .call import public


@public
def roc_curve(labels: Any, scores: Any) -> RocCurve:
    """The ROC curve of `scores` (larger: more likely positive) against `labels`, and the area under it.

    `labels` are truths, 0 and 1, or -1 and 1; `scores` any real numbers, infinite ones too. The area is the chance that
    a positive scores higher than a negative, ties counting half: only the order of scores matters. It is exact
    (`exact` is the fraction), and comes with DeLong's standard error.

    Raises ArgumentError if one kind of label is missing or a score is NaN.

    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.auc, curve.exact
    (0.75, Fraction(3, 4))

    DeLong, DeLong & Clarke-Pearson, 1988; Sun & Xu, 2014.
    """
    return roc_of(labels, scores)
