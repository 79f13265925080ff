"""Metrics of two classes that scikit-learn lacks, with the signature of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_non_negative

from . import _calibration, _confusion
from ._checks import check_scores, check_share
from ._types import Floats, Labels

Label = int | float | bool | str


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
    return float(_confusion.sensitivity(*_predicted(y_true, y_pred, pos_label, sample_weight))[0])


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
    return float(_confusion.specificity(*_predicted(y_true, y_pred, pos_label, sample_weight))[0])


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
    return float(_confusion.ppv(*_predicted(y_true, y_pred, pos_label, sample_weight), at)[0])


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
    return float(_confusion.npv(*_predicted(y_true, y_pred, pos_label, sample_weight), at)[0])


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
    return float(_confusion.positive_likelihood_ratio(*_predicted(y_true, y_pred, pos_label, sample_weight))[0])


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
    return float(_confusion.negative_likelihood_ratio(*_predicted(y_true, y_pred, pos_label, sample_weight))[0])


def calibration_intercept(
    y_true: ArrayLike, y_prob: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    r"""Compute calibration in the large: the mean by which log-odds are too low; 0 is best.

    The intercept a of the logistic regression logit P(positive) = a + logit(p), its slope held at 1 [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_prob : array-like of shape (n_samples,)
        Probabilities of the positive class; below 1e-8 and above 1 - 1e-8 they count as these.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    intercept : float
        In log-odds. Positive: fractures are more frequent than predicted. NaN where there is one class only.

    Raises
    ------
    ValueError
        As `sensitivity_score` does, or if a probability lies outside 0 to 1.

    See Also
    --------
    calibration_slope : Whether probabilities are too extreme.
    fracture_features.RecalibratedClassifier : Adapt a fitted model's probabilities to another source.

    References
    ----------
    .. [1] B. Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17:230, 2019.

    Examples
    --------
    One half is predicted throughout, three of four are fractured, and log(3) are missing:

    >>> from fracture_features.metrics import calibration_intercept
    >>> round(calibration_intercept([1, 1, 1, 0], [0.5, 0.5, 0.5, 0.5]), 6)
    1.098612
    """
    return float(_calibration.calibration_intercept(*_probable(y_true, y_prob, pos_label, sample_weight))[0])


def calibration_slope(
    y_true: ArrayLike, y_prob: ArrayLike, *, pos_label: Label = 1, sample_weight: ArrayLike | None = None
) -> float:
    """Slope b of the logistic recalibration logit P(positive) = a + b logit(p); 1 is best, below 1 is overconfident.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of one class or two: numbers, booleans or strings.
    y_prob : array-like of shape (n_samples,)
        Probabilities of the positive class; below 1e-8 and above 1 - 1e-8 they count as these.
    pos_label : int, float, bool or str, default=1
        The positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        None gives every sample the weight 1.

    Returns
    -------
    slope : float
        NaN where the classes are separated by the probability, or all probabilities are the same: no finite slope is
        the most likely one then.

    Raises
    ------
    ValueError
        As `calibration_intercept` does.

    See Also
    --------
    calibration_intercept : Whether probabilities are too low on the whole.
    fracture_features.RecalibratedClassifier : Adapt a fitted model's probabilities to another source.

    Examples
    --------
    Of two groups 3 of 10 and 8 of 10 are fractured, and the log-odds of both are predicted twice too far from 0:

    >>> import numpy as np
    >>> from fracture_features.metrics import calibration_slope
    >>> share = np.repeat([0.3, 0.8], 10)
    >>> too_sure = share**2 / (share**2 + (1 - share) ** 2)
    >>> round(calibration_slope(np.r_[[1] * 3, [0] * 7, [1] * 8, [0] * 2], too_sure), 6)
    0.5
    """
    return float(_calibration.calibration_slope(*_probable(y_true, y_prob, pos_label, sample_weight))[0])


def _predicted(
    y_true: ArrayLike, y_pred: ArrayLike, pos_label: Label, sample_weight: ArrayLike | None
) -> tuple[Labels, Labels, Floats]:
    """Labels and predictions as 1 for `pos_label` and 0 otherwise, (n_samples,), and weights (1, n_samples)."""
    check_consistent_length(y_true, y_pred, sample_weight)
    true, predicted = _are_positive(pos_label, y_true=y_true, y_pred=y_pred)
    return true, predicted, _weights(sample_weight, len(true))


def _probable(
    y_true: ArrayLike, y_prob: ArrayLike, pos_label: Label, sample_weight: ArrayLike | None
) -> tuple[Labels, Floats, Floats]:
    """As `_predicted`, with probabilities."""
    check_consistent_length(y_true, y_prob, sample_weight)
    (true,) = _are_positive(pos_label, y_true=y_true)
    probability = check_scores(column_or_1d(y_prob), len(true), name="y_prob", probabilities=True)
    return true, probability, _weights(sample_weight, len(true))


def _are_positive(pos_label: Label, **labels: ArrayLike) -> list[Labels]:
    """1 for `pos_label` and 0 for any other label, for each array; ValueError, as documented, if they are no labels."""
    columns = {
        name: column_or_1d(check_array(values, ensure_2d=False, dtype=None, input_name=name))
        for name, values in labels.items()
    }
    for name, column in columns.items():
        if (kind := type_of_target(column, input_name=name)) not in ("binary", "multiclass"):
            raise ValueError(f"{name} must hold the labels of two classes, got values of type {kind!r}.")
    present: list[Any] = unique_labels(*columns.values()).tolist()
    if not 1 <= len(present) <= 2:
        raise ValueError(f"{' and '.join(columns)} must hold the labels of two classes, got {len(present)}: {present}.")
    # of one class alone the other's name is unknown, but not whether it is a string
    if pos_label not in present and (len(present) == 2 or isinstance(pos_label, str) != isinstance(present[0], str)):
        raise ValueError(f"pos_label must be one of the labels {present}, got {pos_label!r}.")
    return [(column == pos_label).astype(np.int64) for column in columns.values()]


def _weights(sample_weight: ArrayLike | None, n_samples: int) -> Floats:
    if sample_weight is None:
        return np.ones((1, n_samples))
    weights = column_or_1d(check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"))
    check_non_negative(weights, "sample_weight")
    return np.asarray(weights)[None]
