"""Metrics of predicted labels that scikit-learn lacks, with the signature of its own."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _confusion
from ._checks import check_share
from ._two_classes import Label, check_predicted


def sensitivity_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the sensitivity: the share of the positives that are predicted as positive.

    It is `sklearn.metrics.recall_score`, but NaN instead of 0 where there is no positive.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    score : float
        From 0 to 1; NaN where it is 0/0, as there is no positive of any weight.

    Raises
    ------
    ValueError
        If lengths differ or are 0, there are more than two classes, `pos_label` is none of them, values are continuous
        where labels are expected, or a weight is negative or not finite.

    See Also
    --------
    specificity_score : The share of the negatives that are predicted as negative.
    metric_interval : An interval, by leaving out groups.

    References
    ----------
    .. [1] D. G. Altman and J. M. Bland, "Diagnostic tests 1: sensitivity and specificity", BMJ 308:1552, 1994.

    Examples
    --------
    >>> from fracture_features.metrics import sensitivity_score
    >>> sensitivity_score([1, 1, 1, 1, 0], [1, 1, 1, 0, 0])
    0.75

    In a grid search or cross-validation:

    >>> from sklearn.metrics import make_scorer
    >>> scorer = make_scorer(sensitivity_score, pos_label="fractured")
    """
    return float(_confusion.sensitivity(*check_predicted(y_true, y_pred, pos_label, sample_weight))[0])


def specificity_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the specificity: the share of the negatives that are predicted as negative.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    score : float
        From 0 to 1; NaN where it is 0/0, as there is no negative of any weight.

    Raises
    ------
    ValueError
        As `sensitivity_score` does.

    See Also
    --------
    sensitivity_score : The share of the positives that are predicted as positive.
    metric_interval : An interval, by leaving out groups.

    Examples
    --------
    >>> from fracture_features.metrics import specificity_score
    >>> specificity_score(["no", "no", "yes", "no", "no"], ["no", "no", "yes", "yes", "no"], pos_label="yes")
    0.75
    """
    return float(_confusion.specificity(*check_predicted(y_true, y_pred, pos_label, sample_weight))[0])


def ppv_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    pos_label: Label = 1,
    sample_weight: ArrayLike | None = None,
    prevalence: float | None = None,
) -> float:
    """Compute the positive predictive value: the share of the predicted positives that are positive.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.
    prevalence : float, default=None
        Share of positives where the model will be used, between 0 and 1; the value then follows from sensitivity and
        specificity by Bayes' rule [1]_. None takes that of `y_true`, which gives `sklearn.metrics.precision_score`.

    Returns
    -------
    score : float
        From 0 to 1; NaN where it is 0/0, as nothing is predicted as positive, or, at a given prevalence, where
        sensitivity or specificity is.

    Raises
    ------
    ValueError
        As `sensitivity_score` does, or if `prevalence` lies outside.

    See Also
    --------
    npv_score : The share of the predicted negatives that are negative.
    at_prevalence : The measure at another prevalence, for intervals.

    References
    ----------
    .. [1] D. G. Altman and J. M. Bland, "Diagnostic tests 2: predictive values", BMJ 309:102, 1994.

    Examples
    --------
    Of 10 fractures 9 are found, of 10 bones without one 1 is taken for fractured:

    >>> import numpy as np
    >>> from fracture_features.metrics import ppv_score
    >>> y_true, y_pred = np.repeat([1, 1, 0, 0], [9, 1, 1, 9]), np.repeat([1, 0, 1, 0], [9, 1, 1, 9])
    >>> ppv_score(y_true, y_pred), round(ppv_score(y_true, y_pred, prevalence=0.1), 3)
    (0.9, 0.5)
    """
    at = None if prevalence is None else check_share(prevalence, name="prevalence")
    return float(_confusion.ppv(*check_predicted(y_true, y_pred, pos_label, sample_weight), at)[0])


def npv_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    pos_label: Label = 1,
    sample_weight: ArrayLike | None = None,
    prevalence: float | None = None,
) -> float:
    """Compute the negative predictive value: the share of the predicted negatives that are negative.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.
    prevalence : float, default=None
        Share of positives where the model will be used, between 0 and 1. None takes that of `y_true`.

    Returns
    -------
    score : float
        From 0 to 1; NaN where it is 0/0, as nothing is predicted as negative, or, at a given prevalence, where
        sensitivity or specificity is.

    Raises
    ------
    ValueError
        As `ppv_score` does.

    See Also
    --------
    ppv_score : The share of the predicted positives that are positive.
    at_prevalence : The measure at another prevalence, for intervals.

    Examples
    --------
    >>> from fracture_features.metrics import npv_score
    >>> y_true, y_pred = [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]
    >>> npv_score(y_true, y_pred), round(npv_score(y_true, y_pred, prevalence=0.1), 3)
    (0.75, 0.947)
    """
    at = None if prevalence is None else check_share(prevalence, name="prevalence")
    return float(_confusion.npv(*check_predicted(y_true, y_pred, pos_label, sample_weight), at)[0])


def positive_likelihood_ratio(
    y_true: ArrayLike, y_pred: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the positive likelihood ratio: sensitivity / (1 - specificity) [1]_.

    By so much a predicted positive multiplies the odds of the positive class. `sklearn.metrics.class_likelihood_ratios`
    gives both ratios as a pair, which no grid search can use, and takes the greater label for the positive one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    ratio : float
        From 0 on, above 1 for a useful model; infinite where there are true but no false positives; NaN where it is
        0/0 or a class is missing.

    Raises
    ------
    ValueError
        As `sensitivity_score` does.

    See Also
    --------
    negative_likelihood_ratio : The ratio of a negative answer.

    References
    ----------
    .. [1] J. J. Deeks and D. G. Altman, "Diagnostic tests 4: likelihood ratios", BMJ 329:168, 2004.

    Examples
    --------
    >>> from fracture_features.metrics import positive_likelihood_ratio
    >>> positive_likelihood_ratio([1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 1])
    3.0
    """
    return float(_confusion.positive_likelihood_ratio(*check_predicted(y_true, y_pred, pos_label, sample_weight))[0])


def negative_likelihood_ratio(
    y_true: ArrayLike, y_pred: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the negative likelihood ratio: (1 - sensitivity) / specificity.

    By so much a predicted negative multiplies the odds of the positive class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    ratio : float
        From 0 on, below 1 for a useful model; infinite where there are false but no true negatives; NaN where it is
        0/0 or a class is missing.

    Raises
    ------
    ValueError
        As `sensitivity_score` does.

    See Also
    --------
    positive_likelihood_ratio : The ratio of a positive answer.

    Examples
    --------
    >>> from fracture_features.metrics import negative_likelihood_ratio
    >>> negative_likelihood_ratio([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1])
    0.5
    """
    return float(_confusion.negative_likelihood_ratio(*check_predicted(y_true, y_pred, pos_label, sample_weight))[0])
