"""Metrics of calibration that scikit-learn lacks, with the signature of its own."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _calibration
from ._two_classes import Label, check_probable


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
    return float(_calibration.calibration_intercept(*check_probable(y_true, y_prob, pos_label, sample_weight))[0])


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
    return float(_calibration.calibration_slope(*check_probable(y_true, y_prob, pos_label, sample_weight))[0])
