"""Formulas that take images for independent: offered only where every group is one image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._checks import check_labels, check_share, check_single_images
from ._measures import MEASURES
from ._types import Floats, Interval


class ZTest(NamedTuple):
    """Result of a z test: difference, its standard errors from 0 and two-sided p-value.

    Parameters
    ----------
    difference : float
        First model minus second.
    statistic : float
        The difference over its standard error.
    p_value : float
        Two-sided.

    See Also
    --------
    delong_test : Make one.

    Examples
    --------
    >>> from fracture_features.metrics import delong_test
    >>> delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [1, 2, 4, 3, 5, 6]).p_value
    1.0
    """

    difference: float
    statistic: float
    p_value: float


def delong_interval(
    y_true: ArrayLike, y_score: ArrayLike, *, groups: ArrayLike | None = None, confidence_level: float = 0.95
) -> Interval:
    """Compute DeLong's interval of the area under the ROC curve, for independent images.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0 or 1.
    y_score : array-like of shape (n_samples,)
        Higher speaks for 1.
    groups : array-like of shape (n_samples,), default=None
        None says that images are independent.
    confidence_level : float, default=0.95
        Between 0 and 1.

    Returns
    -------
    interval : Interval
        Area plus and minus a normal quantile of standard errors, cut at 0 and 1.

    Raises
    ------
    ValueError
        If a group holds several images, there are fewer than two of a class, or the input is otherwise bad.

    See Also
    --------
    metric_interval : Where patients have several images.
    delong_test : Two models.

    References
    ----------
    .. [1] E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more correlated receiver
       operating characteristic curves: a nonparametric approach", Biometrics 44(3), 1988.

    Examples
    --------
    >>> from fracture_features.metrics import delong_interval
    >>> [round(limit, 4) for limit in delong_interval([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])]
    [0.5809, 1.0]
    """
    level = check_share(confidence_level, name="confidence_level")
    (above,), (below,) = _placements(y_true, [y_score], groups)
    error = math.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    area, reach = above.mean(), stats.norm.ppf((1 + level) / 2) * error
    return Interval(float(max(area - reach, 0)), float(min(area + reach, 1)))


def delong_test(
    y_true: ArrayLike, y_score: ArrayLike, y_reference: ArrayLike, *, groups: ArrayLike | None = None
) -> ZTest:
    """Test two areas under the ROC curve on the same independent images, by DeLong.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0 or 1.
    y_score, y_reference : array-like of shape (n_samples,)
        Scores of two models; the reference is subtracted.
    groups : array-like of shape (n_samples,), default=None
        None says that images are independent.

    Returns
    -------
    test : ZTest
        A statistic of 0 and a p-value of 1 where the two rank all pairs alike.

    Raises
    ------
    ValueError
        As `delong_interval` does.

    See Also
    --------
    paired_comparison : Where patients have several images.
    delong_interval : One model.

    Examples
    --------
    >>> from fracture_features.metrics import delong_test
    >>> round(delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [1, 2, 5, 4, 3, 6]).difference, 3)
    0.111
    """
    above, below = _placements(y_true, [y_score, y_reference], groups)
    # Of the placements' differences: those of two models that rank alike are 0, and no rounding error is left.
    by_positive, by_negative = above[0] - above[1], below[0] - below[1]
    difference = float(by_positive.mean())
    error = math.sqrt(by_positive.var(ddof=1) / len(by_positive) + by_negative.var(ddof=1) / len(by_negative))
    statistic = difference / error if error else math.copysign(math.inf, difference) if difference else 0.0
    return ZTest(difference, statistic, float(2 * stats.norm.sf(abs(statistic))))


def _placements(y_true: ArrayLike, scores: list[ArrayLike], groups: ArrayLike | None) -> tuple[Floats, Floats]:
    """Of each model (n_models, n) the share of 0s below each 1, and of 1s above each 0, by mid-ranks."""
    checked = [MEASURES["roc_auc"].check(y_true, y_score) for y_score in scores]
    y = checked[0][0]
    check_single_images(groups, len(y), method="DeLong's method", instead="bootstrap_interval or paired_comparison")
    n_positive, n_negative = int(y.sum()), int((1 - y).sum())
    if min(n_positive, n_negative) < 2:
        raise ValueError(f"y_true must hold at least two of each class, got {n_negative} 0s and {n_positive} 1s.")
    above, below = [], []
    for _, score in checked:
        rank = stats.rankdata(score)
        above.append((rank[y == 1] - stats.rankdata(score[y == 1])) / n_negative)
        below.append(1 - (rank[y == 0] - stats.rankdata(score[y == 0])) / n_positive)
    return np.array(above), np.array(below)


def wilson_interval(
    successes: ArrayLike, *, groups: ArrayLike | None = None, confidence_level: float = 0.95
) -> Interval:
    """Wilson's interval of a share, for independent images: `scipy.stats.binomtest` behind a check of the groups.

    Parameters
    ----------
    successes : array-like of shape (n_samples,)
        True or 1 for the images that count: of a sensitivity, whether each fractured image is found.
    groups : array-like of shape (n_samples,), default=None
        None says that images are independent.
    confidence_level : float, default=0.95
        Between 0 and 1.

    Returns
    -------
    interval : Interval

    Raises
    ------
    ValueError
        If a group holds several images, or the input is otherwise bad.

    See Also
    --------
    share_interval : Where patients have several images.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22(158), 1927.

    Examples
    --------
    >>> from fracture_features.metrics import wilson_interval
    >>> [round(limit, 4) for limit in wilson_interval([1] * 8 + [0] * 2)]
    [0.4902, 0.9433]
    """
    level = check_share(confidence_level, name="confidence_level")
    hits = check_labels(successes, name="successes", binary=True)
    check_single_images(groups, len(hits), method="Wilson's interval", instead="bootstrap_interval")
    limits = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(level, method="wilson")
    return Interval(float(limits.low), float(limits.high))
