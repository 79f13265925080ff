"""Operating points, and what acting on a probability is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ._checks import check_share
from ._measures import MEASURES
from ._types import Floats, Labels


def sensitivity_threshold(y_true: ArrayLike, y_score: ArrayLike, sensitivity: float = 0.95) -> float:
    """Find the highest threshold that still finds this share of the fractures.

    An image is called fractured where its score is at least the threshold. Choose it on scores that neither trained
    the model nor measure it.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0 or 1.
    y_score : array-like of shape (n_samples,)
        Higher speaks for 1.
    sensitivity : float, default=0.95
        Above 0, at most 1.

    Returns
    -------
    threshold : float
        The score of one of the 1s: images that tie with it are called fractured too. No other threshold of at least
        this sensitivity has a higher specificity.

    Raises
    ------
    ValueError
        If `sensitivity` lies outside, lengths differ, labels are other than 0 and 1 or of one class only, or a score
        is not finite.

    See Also
    --------
    youden_threshold : The highest sum of sensitivity and specificity.

    Examples
    --------
    >>> from fracture_features.metrics import sensitivity_threshold
    >>> sensitivity_threshold([0, 0, 1, 1, 1, 1], [0.1, 0.4, 0.3, 0.6, 0.8, 0.9], 0.75)
    0.6
    """
    wanted = check_share(sensitivity, name="sensitivity", or_1=True)
    thresholds, found, _ = _counts_above(y_true, y_score)
    # a share counted, not a count computed: 0.1 * 30 is a little more than 3
    return float(thresholds[np.argmax(found / found[-1] >= wanted)])


def youden_threshold(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Find the threshold with the highest sensitivity + specificity - 1 (Youden's J).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0 or 1.
    y_score : array-like of shape (n_samples,)
        Higher speaks for 1.

    Returns
    -------
    threshold : float
        One of the scores, from which on images are called fractured; of several with the same J the lowest, which
        has the highest sensitivity.

    Raises
    ------
    ValueError
        As `sensitivity_threshold` does.

    See Also
    --------
    sensitivity_threshold : A sensitivity that is wanted.

    References
    ----------
    .. [1] W. J. Youden, "Index for rating diagnostic tests", Cancer 3(1), 1950.

    Examples
    --------
    >>> from fracture_features.metrics import youden_threshold
    >>> youden_threshold([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    0.3
    """
    thresholds, found, false = _counts_above(y_true, y_score)
    # in whole numbers, in which ties are ties
    youden = found * false[-1] - false * found[-1]
    return float(thresholds[len(youden) - 1 - np.argmax(youden[::-1])])


def _counts_above(y_true: ArrayLike, y_score: ArrayLike) -> tuple[Floats, Labels, Labels]:
    """Distinct scores from the highest down, and how many 1s and 0s score at least as much."""
    y, score = MEASURES["roc_auc"].check(y_true, y_score)
    thresholds, index = np.unique(-score, return_inverse=True)
    ones, zeros = (np.cumsum(np.bincount(index[y == label], minlength=len(thresholds))) for label in (1, 0))
    return np.negative(thresholds), ones, zeros


def decision_curve(y_true: ArrayLike, y_prob: ArrayLike, thresholds: ArrayLike | None = None) -> pd.DataFrame:
    """Compute the net benefit of acting on a probability, beside treating all and none.

    At the threshold t one is willing to treat 1 / t patients to treat one who needs it, so that a false positive costs
    t / (1 - t) of what a true positive brings: the net benefit is TP / n - FP / n * t / (1 - t) [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0 or 1.
    y_prob : array-like of shape (n_samples,)
        Probabilities of 1, calibrated; treated is who has at least the threshold.
    thresholds : array-like of shape (n_thresholds,), default=None
        From 0 on and below 1; None stands for 0.01, 0.02 to 0.99.

    Returns
    -------
    curve : DataFrame
        Columns threshold, net_benefit, treat_all and treat_none, in true positives per image.

    Raises
    ------
    ValueError
        If a threshold or probability lies outside, lengths differ, or labels are other than 0 and 1 or of one class.

    See Also
    --------
    fracture_features.plotting.plot_decision_curve : Draw it, with a band.

    References
    ----------
    .. [1] A. J. Vickers and E. B. Elkin, "Decision curve analysis: a novel method for evaluating prediction models",
       Medical Decision Making 26(6), 2006.

    Examples
    --------
    >>> from fracture_features.metrics import decision_curve
    >>> decision_curve([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], [0.2, 0.5]).round(4).to_numpy().tolist()
    [[0.2, 0.4375, 0.375, 0.0], [0.5, 0.0, 0.0, 0.0]]
    """
    y, probability = MEASURES["brier_score"].check(y_true, y_prob)
    at = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    if at.ndim != 1 or not ((at >= 0) & (at < 1)).all():
        raise ValueError(f"thresholds must be a row of numbers from 0 on and below 1, got {thresholds!r}.")
    odds = at / (1 - at)
    ones, zeros = (np.sort(probability[y == label]) for label in (1, 0))
    true, false = (len(side) - np.searchsorted(side, at, side="left") for side in (ones, zeros))
    return pd.DataFrame(
        {
            "threshold": at,
            "net_benefit": (true - odds * false) / len(y),
            "treat_all": (len(ones) - odds * len(zeros)) / len(y),
            "treat_none": np.zeros(len(at)),
        }
    )
