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
    r"""Average precision, corrected for the chance that few images leave it.

    Of n images, p of them positive, random scores without ties have an average precision of
    :math:`\frac{p - 1}{n - 1} + \frac{n - p}{n (n - 1)} \sum_{k=1}^n \frac{1}{k}` on average [1]_, 0.22 and not 0.1
    for 2 of 20. The value is moved so that such scores, tied as these are, have the prevalence p / n on average, and a
    perfect ranking 1; on many images it is `sklearn.metrics.average_precision_score`.

    Parameters
    ----------
    y_true, y_score, weights
        As for `roc_auc`.

    Returns
    -------
    values : ndarray of shape (n_resamples,)
        Can be below 0; NaN where a resample has no positive.

    References
    ----------
    .. [1] Y. Bestgen, "Exact expected average precision of the random baseline for system evaluation", Prague Bulletin
       of Mathematical Linguistics 103, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics._ranking import average_precision
    >>> y_true, constant = np.array([0, 0, 0, 1]), np.zeros(4)
    >>> average_precision(y_true, constant, np.ones((1, 4))).tolist()
    [0.25]
    """
    n, p = weights.sum(axis=1), weights @ (y_true == 1).astype(np.float64)
    order = np.argsort(-y_score, kind="stable")
    ties = np.append(np.flatnonzero(np.diff(y_score[order])), len(order) - 1)
    called = np.cumsum(weights[:, order], axis=1)[:, ties]
    found = np.cumsum(weights[:, order] * (y_true[order] == 1), axis=1)[:, ties]
    tied = np.diff(called, axis=1, prepend=0)
    called = np.maximum(called, np.finfo(float).tiny)  # nothing is called before the first that was drawn
    value = ratio((np.diff(found, axis=1, prepend=0) * found / called).sum(axis=1), p)
    # A positive is among the c called first, itself among them, with 1 + (c - 1)(p - 1) / (n - 1) of them on average.
    alone = ratio((tied / called).sum(axis=1), n)
    chance = alone + (1 - alone) * np.where(n > 1, (p - 1) / np.maximum(n - 1, 1), 1)
    prevalence = ratio(p, n)
    return prevalence + (value - chance) * np.where(
        chance < 1, (1 - prevalence) / np.where(chance < 1, 1 - chance, 1), 0
    )


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
