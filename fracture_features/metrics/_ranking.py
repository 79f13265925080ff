"""Measures of scores, whatever their scale, for many weighted resamples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._types import Floats, Labels, ratio

Indices = NDArray[np.intp]


def roc_auc(y_true: Labels, y_score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve; NaN where a resample has one class only.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
        0 or 1.
    y_score : ndarray of shape (n_samples,)
        Higher speaks for 1; ties count half.
    weights : ndarray of shape (n_resamples, n_samples)

    Returns
    -------
    values : ndarray of shape (n_resamples,)
        As `sklearn.metrics.roc_auc_score` gives with each row of `weights` as sample_weight.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics._ranking import roc_auc
    >>> roc_auc(np.array([0, 1, 1]), np.array([0.2, 0.1, 0.3]), np.array([[1.0, 1, 1], [1, 0, 2]])).tolist()
    [0.5, 1.0]
    """
    positives, negatives, above, level = sides(y_true, y_score, weights)
    beaten = negatives[:, -1:] - np.take(negatives, above, axis=1)
    if not np.array_equal(above, level):
        beaten += negatives[:, -1:] - np.take(negatives, level, axis=1)
        beaten /= 2
    total = positives.sum(axis=1) * negatives[:, -1]
    return ratio(np.einsum("ij,ij->i", positives, beaten), total)


def average_precision(y_true: Labels, y_score: Floats, weights: Floats) -> Floats:
    """Average precision, parameters and result as for `roc_auc`; NaN where a resample has no positive."""
    positives, negatives, _, level = sides(y_true, y_score, weights)
    score = -np.sort(-y_score[y_true == 1])
    last_of_tie = np.searchsorted(-score, -score, side="right") - 1
    found = np.take(np.cumsum(positives, axis=1), last_of_tie, axis=1)
    predicted = found + np.take(negatives, level, axis=1)
    # nothing is predicted only before the first sample that was drawn, whose like have no weight
    precision = found / np.maximum(predicted, np.finfo(float).tiny)
    return ratio(np.einsum("ij,ij->i", positives, precision), positives.sum(axis=1))


def sides(y_true: Labels, y_score: Floats, weights: Floats) -> tuple[Floats, Floats, Indices, Indices]:
    """Weights of the positives, from the highest score down, and what they are up against.

    Returns
    -------
    positives : ndarray of shape (n_resamples, n_positives)
    negatives : ndarray of shape (n_resamples, n_negatives + 1)
        Weight of no negative, of the one with the highest score, of the first two and so on.
    above, level : ndarray of shape (n_positives,)
        How many negatives score more, and how many at least as much, as each positive.
    """
    order = np.argsort(-y_score, kind="stable")
    of_positives, of_negatives = order[y_true[order] == 1], order[y_true[order] != 1]
    negatives = np.zeros((len(weights), 1 + len(of_negatives)))
    np.cumsum(np.take(weights, of_negatives, axis=1), axis=1, out=negatives[:, 1:])
    rivals, own = -y_score[of_negatives], -y_score[of_positives]
    above, level = (np.searchsorted(rivals, own, side=side) for side in ("left", "right"))
    return np.take(weights, of_positives, axis=1), negatives, above, level
