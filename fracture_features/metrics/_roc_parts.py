"""Measures of the part of the ROC curve that a clinic would work at."""

from __future__ import annotations

from functools import partial

import numpy as np

from ._checks import check_share
from ._measures import Measure
from ._ranking import sides
from ._types import Floats, Labels, ratio

ROUNDING = 1e-9  # of a share of negatives: more than that of any sum of weights, less than one of them


def sensitivity_at(specificity: float = 0.9) -> Measure:
    """Compute the sensitivity at the threshold that has a given specificity.

    The threshold is one of the scores, chosen on the same images, or the same resample, and in each fold anew: images
    are called fractured from it on, those that tie with it too. Of the thresholds whose specificity is at least the
    wanted one it is the lowest. Nothing is interpolated: the value is a step of the empirical ROC curve, one that a
    model can be run at, and never above the curve that joins the steps.

    Parameters
    ----------
    specificity : float, default=0.9
        Above 0, at most 1. Of n images without a fracture it takes multiples of 1 / n only; what lies between two
        means the upper one.

    Returns
    -------
    measure : Measure
        Of scores, 0 where no threshold but "none is fractured" reaches the specificity; the highest `tpr` of
        `sklearn.metrics.roc_curve` (with `drop_intermediate=False`) at which 1 - `fpr` reaches it. NaN where a resample
        has one class only.

    Raises
    ------
    ValueError
        If `specificity` lies outside.

    See Also
    --------
    partial_auc : The area up to a share of false positives.
    sensitivity_threshold : The threshold itself.

    References
    ----------
    .. [1] M. S. Pepe, "The statistical evaluation of medical tests for classification and prediction", section 5.2,
       2003 (the empirical ROC curve at a given share of false positives).

    Examples
    --------
    Three of four fractures score more than every bone without one, but for one of ten:

    >>> from fracture_features.metrics import bootstrap_interval, resample, sensitivity_at
    >>> y_true, y_score = [0] * 10 + [1] * 4, [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 8.5, 11, 12, 25]
    >>> measures = [sensitivity_at(0.9), sensitivity_at(1.0)]
    >>> resample(y_true, [(measure, y_score) for measure in measures], random_state=0).values.tolist()
    [0.75, 0.25]
    >>> interval = bootstrap_interval(sensitivity_at(0.9), y_true, y_score, random_state=0)
    >>> interval.low < 0.75 < interval.high
    True
    """
    wanted = check_share(specificity, name="specificity", or_1=True)
    return Measure(partial(_sensitivity_at, specificity=wanted), "scores", share_of=lambda y, _: y == 1)


def partial_auc(max_fpr: float = 0.1) -> Measure:
    """Compute the area under the ROC curve up to a share of false positives, standardised by McClish.

    Parameters
    ----------
    max_fpr : float, default=0.1
        1 - specificity at the right end, above 0, at most 1; 1 gives the whole area. Within a step of the curve, as of
        images that tie, it is linear, so that ties count half.

    Returns
    -------
    measure : Measure
        Of scores: 0.5 for guessing and 1 for a model without a mistake, whatever `max_fpr` [1]_; below 0.5 for one
        that is worse than guessing there. As `sklearn.metrics.roc_auc_score` gives with `max_fpr`. NaN where a resample
        has one class only.

    Raises
    ------
    ValueError
        If `max_fpr` lies outside.

    See Also
    --------
    sensitivity_at : One point of the curve.

    References
    ----------
    .. [1] D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9(3), 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import paired_comparison, partial_auc
    >>> y_true, noise = np.repeat([0, 1], 50), np.random.default_rng(0).normal(size=(2, 100))
    >>> comparison = paired_comparison(partial_auc(0.2), y_true, 3 * y_true + noise[0], noise[1], random_state=0)
    >>> comparison.p_value < 0.01
    True
    """
    end = check_share(max_fpr, name="max_fpr", or_1=True)
    return Measure(partial(_partial_auc, max_fpr=end), "scores")


def _sensitivity_at(y_true: Labels, y_score: Floats, weights: Floats, specificity: float) -> Floats:
    positives, negatives, _, level = sides(y_true, y_score, weights)
    total = negatives[:, -1:]
    # whether the threshold that finds a positive leaves enough negatives below it
    found = total - np.take(negatives, level, axis=1) >= (specificity - ROUNDING) * total
    values = ratio(np.einsum("ij,ij->i", positives, found), positives.sum(axis=1))
    return np.where(total[:, 0] > 0, values, np.nan)


def _partial_auc(y_true: Labels, y_score: Floats, weights: Floats, max_fpr: float) -> Floats:
    positives, negatives, above, level = sides(y_true, y_score, weights)
    total = negatives[:, -1]
    end = max_fpr * total[:, None]
    # a positive lifts the curve from the negatives above it on, linearly over those that tie with it
    first, last = np.take(negatives, above, axis=1), np.take(negatives, level, axis=1)
    rise = np.clip(end, first, last) - first
    tied = np.divide(rise**2, 2 * (last - first), out=np.zeros_like(rise), where=last > first)
    lifted = np.einsum("ij,ij->i", positives, np.maximum(end - last, 0) + tied)
    area = ratio(lifted, positives.sum(axis=1) * total)
    by_chance = max_fpr**2 / 2
    return (1 + (area - by_chance) / (max_fpr - by_chance)) / 2
