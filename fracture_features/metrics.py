"""What scikit-learn lacks: measures of many weighted samples at once, and intervals that respect groups.

Arrays in, numbers out. The measures here take weights of shape (n_resamples, n_samples) and give one value for each
resample, so that a bootstrap of thousands of resamples costs a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Limits of a confidence interval."""

    low: float
    high: float


def roc_auc(y_true: NDArray[np.int64], y_score: Floats, weights: Floats) -> Floats:
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
    """
    positive, negative = _cumulated(y_true, y_score, weights)
    total = positive[:, -1] * negative[:, -1]
    area = (np.diff(negative, axis=1) * (positive[:, 1:] + positive[:, :-1])).sum(axis=1) / 2
    return _ratio(area, total)


def average_precision(y_true: NDArray[np.int64], y_score: Floats, weights: Floats) -> Floats:
    """Average precision, parameters and result as for `roc_auc`; NaN where a resample has no positive."""
    positive, negative = _cumulated(y_true, y_score, weights)
    predicted = positive + negative
    precision = np.divide(positive, predicted, out=np.zeros_like(predicted), where=predicted > 0)
    area = (np.diff(positive, axis=1) * precision[:, 1:]).sum(axis=1)
    return np.where(negative[:, -1] + positive[:, -1] > 0, _ratio(area, positive[:, -1]), np.nan)


def accuracy(y_true: NDArray[np.int64], y_pred: NDArray[np.int64], weights: Floats) -> Floats:
    """Share of samples predicted right, one for each row of `weights` (n_resamples, n_samples)."""
    return _ratio(weights @ (y_true == y_pred), weights.sum(axis=1))


def recall(y_true: NDArray[np.int64], y_pred: NDArray[np.int64], weights: Floats, label: int) -> Floats:
    """Share of the samples of class `label` predicted as such; NaN for resamples that have none."""
    of_class = y_true == label
    return _ratio(weights @ (of_class & (y_pred == label)), weights @ of_class)


def _cumulated(y_true: NDArray[np.int64], y_score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at or above each distinct score, from none to all."""
    order = np.argsort(-y_score, kind="stable")
    last_of_tie = np.append(np.diff(y_score[order]) != 0, True)
    ordered = weights[:, order]
    start = np.zeros((len(weights), 1))
    positives, negatives = (
        np.hstack([start, np.cumsum(ordered * side[order], axis=1)[:, last_of_tie]])
        for side in (y_true == 1, y_true != 1)
    )
    return positives, negatives


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)


def group_weights(groups: ArrayLike, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Weights of bootstrap resamples that draw whole groups with replacement.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    weights : ndarray of shape (n_resamples, n_samples)
        How often each sample is drawn.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    return draws[:, index].astype(np.float64)


def bootstrap_interval(
    metric: Callable[[NDArray[np.int64], Floats, Floats], Floats],
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Interval:
    """Percentile interval of a measure by a bootstrap that draws whole groups.

    Parameters
    ----------
    metric : callable
        One of this module's measures, or any `metric(y_true, y_score, weights) -> values` like them.
    y_true, y_score : array-like of shape (n_samples,)
        What `metric` takes.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    confidence_level : float, default=0.95
    n_resamples : int, default=2000
    random_state : int, default=None

    Returns
    -------
    interval : Interval
        Resamples in which the measure is undefined are left out; NaN if all are.

    References
    ----------
    .. [1] C. A. Field and A. H. Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69(3), 2007.

    Examples
    --------
    >>> from fracture_features.metrics import bootstrap_interval, roc_auc
    >>> interval = bootstrap_interval(roc_auc, [0, 0, 1, 1, 0, 1], [1, 3, 2, 5, 0, 6], random_state=0)
    >>> interval.low < 8 / 9 < interval.high
    True
    """
    y_true, y_score = np.asarray(y_true), np.asarray(y_score)
    groups = np.arange(len(y_true)) if groups is None else groups
    weights = group_weights(groups, n_resamples, np.random.default_rng(random_state))
    return percentile_interval(metric(y_true, y_score, weights), confidence_level)


def percentile_interval(values: Floats, confidence_level: float) -> Interval:
    """Interval between the outer quantiles of `values`, NaNs left out."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Interval(np.nan, np.nan)
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
