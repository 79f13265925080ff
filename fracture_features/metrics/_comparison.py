"""Whether one model is better than another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._callables import Metric
from ._checks import check_share
from ._jackknife import jackknife
from ._jackknifed import Jackknifed
from ._limits import ROUNDING
from ._types import Floats

SMALLEST_SHARE = 1e-3  # of a share times its complement


class Comparison(NamedTuple):
    """Difference of two models on the same images, with its interval and two-sided p-value.

    Parameters
    ----------
    difference : float
        First model minus second.
    low, high : float
        Limits of its interval.
    p_value : float
        Two-sided.

    See Also
    --------
    compare : Make one from two rows of a jackknife.
    paired_comparison : Make one from two scores.

    Examples
    --------
    >>> from fracture_features.metrics import paired_comparison
    >>> paired_comparison("roc_auc", [0, 1] * 10, range(20), range(20)).p_value
    1.0
    """

    difference: float
    low: float
    high: float
    p_value: float


def compare(
    jackknifed: Jackknifed,
    first: int,
    second: int,
    *,
    confidence_level: float = 0.95,
    test_fraction: float | None = None,
) -> Comparison:
    """Compute the difference of two rows of `jackknife`'s result: `first` minus `second`.

    Parameters
    ----------
    jackknifed : Jackknifed
        From `jackknife`.
    first, second : int
        Rows.
    confidence_level : float, default=0.95
        Between 0 and 1.
    test_fraction : float, default=None
        As in `metric_interval`: given, the difference is of the two methods, trained anew.

    Returns
    -------
    comparison : Comparison
        The interval is the difference ± t standard errors, the p-value that of the same t test, so that p <= 0.05 and a
        95 % interval without 0 are the same statement. Of a metric between two limits the influences are those that
        both models would have at the middle of their values, as a score test has them: near an end of the scale a value
        is low, or high, and its variance small for the same reason. Where a value stands at the end itself and shows no
        variance, the interval that it has all the same stands for one. NaN where either is undefined, or a class has
        fewer than two groups.

    Raises
    ------
    ValueError
        If `confidence_level` lies outside 0 to 1.

    See Also
    --------
    paired_comparison : From scores.
    holm : Correct p-values for being several.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import compare, jackknife
    >>> y_true = np.repeat([0, 1], 30)
    >>> noise = np.random.default_rng(0).normal(size=(2, 60))
    >>> models = [("roc_auc", 2 * y_true + noise[0]), ("roc_auc", noise[1])]
    >>> comparison = compare(jackknife(y_true, models), 0, 1)
    >>> 0 < comparison.low < comparison.difference < comparison.high, comparison.p_value < 0.01
    (True, True)
    """
    check_share(confidence_level, name="confidence_level")
    difference, error, df = difference_error(jackknifed, first, second, test_fraction)
    if np.isnan(error):
        return Comparison(difference, np.nan, np.nan, 1.0)
    if error == 0:
        return Comparison(difference, difference, difference, float(difference == 0))
    reach = float(stats.t.ppf((1 + confidence_level) / 2, df)) * error
    p_value = float(2 * stats.t.sf(abs(difference) / error, df))
    return Comparison(difference, difference - reach, difference + reach, p_value)


def difference_error(
    jackknifed: Jackknifed, first: int, second: int, test_fraction: float | None = None
) -> tuple[float, float, float]:
    """Return the difference of two rows, its standard error and degrees of freedom.

    Parameters
    ----------
    jackknifed : Jackknifed
        From `jackknife`.
    first, second : int
        Rows.
    test_fraction : float, default=None
        As for `compare`.

    Returns
    -------
    difference, error, df : float
        An error of NaN stands for none: the difference is undefined or a class has fewer than two groups.

    See Also
    --------
    compare : The interval and the p-value.
    power_of_difference : How often such a difference would be found.

    Examples
    --------
    >>> from fracture_features.metrics import difference_error, jackknife
    >>> difference_error(jackknife([0, 1] * 10, [("roc_auc", range(20)), ("roc_auc", range(20))]), 0, 1)[:2]
    (0.0, 0.0)
    """
    with np.errstate(invalid="ignore"):  # two infinite likelihood ratios have no difference
        difference = float(jackknifed.values[first] - jackknifed.values[second])
    if first == second:
        return 0.0, 0.0, 1.0
    if not np.isfinite(difference) or jackknifed.n_groups < 2:
        return difference, np.nan, 1.0
    pair = np.zeros(len(jackknifed.values))
    pair[[first, second]] = np.array([1, -1]) * _at_the_middle(jackknifed, first, second)
    variance, df = jackknifed.spread(pair, test_fraction)
    for row in (first, second):
        hidden = _hidden_variance(jackknifed, row, test_fraction)
        if hidden > 0:
            variance, df = variance + hidden, min(df, jackknifed.scales[row].at_the_end[1])
    return difference, math.sqrt(variance), df


def _at_the_middle(jackknifed: Jackknifed, first: int, second: int) -> Floats:
    """Factors of both rows' influences: the binomial's deviation at the mean of both over that at their own values."""
    scale, values = jackknifed.scales[first], jackknifed.values[[first, second]]
    if scale.bounds is None or scale.logarithmic:
        return np.ones(2)
    low, high = scale.bounds
    shares = (np.append(values, values.mean()) - low) / (high - low)
    deviations = np.sqrt(np.maximum(shares * (1 - shares), SMALLEST_SHARE))
    return deviations[2] / deviations[:2]


def _hidden_variance(jackknifed: Jackknifed, row: int, test_fraction: float | None) -> float:
    """What the interval of a value at the end of its scale speaks for, where the sample shows none; 0 elsewhere."""
    scale, value, u = jackknifed.scales[row], jackknifed.values[row], jackknifed.influences[row]
    if scale.bounds is None or float(u @ u) >= ROUNDING or not np.isclose(value, scale.bounds, 0, ROUNDING).any():
        return 0.0
    interval = jackknifed.interval(row, test_fraction=test_fraction)
    return ((interval.high - interval.low) / float(stats.t.ppf(0.975, scale.at_the_end[1]))) ** 2


def paired_comparison(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    y_reference: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    test_fraction: float | None = None,
    confidence_level: float = 0.95,
    random_state: int | None = 0,
) -> Comparison:
    """Compare two models in one metric on the same images, with whole groups as units.

    Parameters
    ----------
    metric : str, Measure or callable
        A name from `MEASURES`, a `Measure` or, slower, any `metric(y_true, y_score)`, scikit-learn's among them: see
        `resample`.
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
        Predicted labels, scores or probabilities, as the metric takes them.
    y_reference : array-like
        As `y_score`, of the model that is subtracted.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in; None takes them all for one.
    test_fraction : float, default=None
        As for `compare`.
    confidence_level : float, default=0.95
        Between 0 and 1.
    random_state : int, default=0
        As for `jackknife`.

    Returns
    -------
    comparison : Comparison
        See `compare`.

    Raises
    ------
    ValueError
        As `resample` does, or if `confidence_level` or `test_fraction` lies outside 0 to 1.

    See Also
    --------
    compare : From two rows of a jackknife.
    non_inferiority : Whether a model is not worse by a margin.

    Examples
    --------
    >>> from fracture_features.metrics import paired_comparison
    >>> paired_comparison("roc_auc", [0, 1] * 10, range(20), range(20))
    Comparison(difference=0.0, low=0.0, high=0.0, p_value=1.0)
    """
    if test_fraction is not None:
        check_share(test_fraction, name="test_fraction", or_1=True)
    both = [(metric, y_score), (metric, y_reference)]
    jackknifed = jackknife(y_true, both, groups=groups, folds=folds, random_state=random_state)
    return compare(jackknifed, 0, 1, confidence_level=confidence_level, test_fraction=test_fraction)
