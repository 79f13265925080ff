"""Measures of predicted labels, for many weighted resamples at once.

Each takes y_true and y_pred of shape (n_samples,), weights of shape (n_resamples, n_samples), and gives one value for
each resample, NaN where it is 0/0.
"""

from __future__ import annotations

import numpy as np

from ._types import Floats, Labels, ratio


def accuracy(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Share of samples predicted right, one for each row of `weights` (n_resamples, n_samples)."""
    return ratio(weights @ (y_true == y_pred), weights.sum(axis=1))


def recall(y_true: Labels, y_pred: Labels, weights: Floats, label: int) -> Floats:
    """Share of the samples of class `label` predicted as such; NaN for resamples that have none."""
    of_class = y_true == label
    return ratio(weights @ (of_class & (y_pred == label)), weights @ of_class)


def sensitivity(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Share of the 1s predicted as 1."""
    return recall(y_true, y_pred, weights, 1)


def specificity(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Share of the 0s predicted as 0."""
    return recall(y_true, y_pred, weights, 0)


def ppv(y_true: Labels, y_pred: Labels, weights: Floats, prevalence: float | None = None) -> Floats:
    """How many of the predicted 1s are 1, at the resample's own prevalence or a given one: see `metrics.ppv_score`."""
    if prevalence is None:
        return recall(y_pred, y_true, weights, 1)
    true = prevalence * sensitivity(y_true, y_pred, weights)
    false = (1 - prevalence) * (1 - specificity(y_true, y_pred, weights))
    return ratio(true, true + false)


def npv(y_true: Labels, y_pred: Labels, weights: Floats, prevalence: float | None = None) -> Floats:
    """Negative predictive value: how many of the predicted 0s are 0; otherwise as `ppv`."""
    if prevalence is None:
        return recall(y_pred, y_true, weights, 0)
    true = (1 - prevalence) * specificity(y_true, y_pred, weights)
    false = prevalence * (1 - sensitivity(y_true, y_pred, weights))
    return ratio(true, true + false)


def positive_likelihood_ratio(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Sensitivity / (1 - specificity): infinite where there is no false but a true positive, NaN for 0/0."""
    return _odds(sensitivity(y_true, y_pred, weights), 1 - specificity(y_true, y_pred, weights))


def negative_likelihood_ratio(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """(1 - sensitivity) / specificity: infinite where there is no true but a false negative, NaN for 0/0."""
    return _odds(1 - sensitivity(y_true, y_pred, weights), specificity(y_true, y_pred, weights))


def _odds(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return numerator / denominator


def balanced_accuracy(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Mean of the recalls of the classes in `y_true`, however many; NaN where a resample lacks one of them."""
    return np.mean([recall(y_true, y_pred, weights, label) for label in np.unique(y_true)], axis=0)


def mcc(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Matthews' correlation coefficient of any number of classes [1]_.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
        Whole numbers.
    weights : ndarray of shape (n_resamples, n_samples)

    Returns
    -------
    values : ndarray of shape (n_resamples,)
        0 where all predictions are the same, as in scikit-learn; NaN where `y_true` has one class only.

    References
    ----------
    .. [1] J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", Computational
       Biology and Chemistry 28(5-6), 2004.
    """
    table = _confusion(y_true, y_pred, weights)
    total, true, predicted = table.sum(axis=(1, 2)), table.sum(axis=2), table.sum(axis=1)
    covariance = np.trace(table, axis1=1, axis2=2) * total - (true * predicted).sum(axis=1)
    of_true, of_predicted = total**2 - (true**2).sum(axis=1), total**2 - (predicted**2).sum(axis=1)
    values = ratio(covariance, np.sqrt(of_true * of_predicted))
    return np.where((of_predicted <= 0) & (of_true > 0), 0.0, values)


def kappa(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Cohen's kappa of any number of classes [1]_, parameters as for `mcc`.

    Returns
    -------
    values : ndarray of shape (n_resamples,)
        NaN where labels and predictions are one and the same class throughout.

    References
    ----------
    .. [1] J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20(1),
       1960.
    """
    table = _confusion(y_true, y_pred, weights)
    total = table.sum(axis=(1, 2))
    observed = np.trace(table, axis1=1, axis2=2) * total
    expected = (table.sum(axis=2) * table.sum(axis=1)).sum(axis=1)
    return ratio(observed - expected, total**2 - expected)


def _confusion(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Weight of each pair of label and prediction, (n_resamples, n_classes, n_classes)."""
    classes, codes = np.unique(np.concatenate([y_true, y_pred]), return_inverse=True)
    k = len(classes)
    cell = codes[: len(y_true)] * k + codes[len(y_true) :]
    return (weights @ np.eye(k * k)[cell]).reshape(len(weights), k, k)
