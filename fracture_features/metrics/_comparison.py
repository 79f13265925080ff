"""Whether one model is better than another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._bootstrap import Resampled, resample
from ._callables import Metric
from ._limits import percentile_interval
from ._types import Floats


class Comparison(NamedTuple):
    """Difference of two models on the same images, with its interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


class TTest(NamedTuple):
    """Result of a t test: statistic, degrees of freedom and two-sided p-value."""

    statistic: float
    df: int
    p_value: float


def compare(resampled: Resampled, first: int, second: int, *, confidence_level: float = 0.95) -> Comparison:
    """Difference of two rows of `resample`'s result: `first` minus `second`.

    Parameters
    ----------
    resampled : Resampled
    first, second : int
        Rows.
    confidence_level : float, default=0.95

    Returns
    -------
    comparison : Comparison
        The interval is `percentile_interval` of the paired differences. The p-value inverts it [1]_: 1 minus the
        highest confidence level whose interval leaves out 0, so that p <= 0.05 and a 95 % interval without 0 are the
        same statement. Differences that are undefined speak for 0.

    Raises
    ------
    ValueError
        If `confidence_level` lies outside 0 to 1.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", sections 4.4 and 5.2, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import compare, resample
    >>> y_true = np.repeat([0, 1], 30)
    >>> noise = np.random.default_rng(0).normal(size=(2, 60))
    >>> models = [("roc_auc", 2 * y_true + noise[0]), ("roc_auc", noise[1])]
    >>> comparison = compare(resample(y_true, models, random_state=0), 0, 1)
    >>> 0 < comparison.low < comparison.difference < comparison.high, comparison.p_value < 0.01
    (True, True)
    """
    with np.errstate(invalid="ignore"):  # two infinite likelihood ratios have no difference
        draws = resampled.draws[first] - resampled.draws[second]
        difference = resampled.values[first] - resampled.values[second]
    interval = percentile_interval(draws, confidence_level, resampled.n_groups)
    return Comparison(float(difference), *interval, _p_value(draws, resampled.n_groups))


def _p_value(draws: Floats, n_groups: int) -> float:
    beyond = min((~(draws > 0)).sum(), (~(draws < 0)).sum())
    tail = min(0.5, (1 + beyond) / (1 + len(draws)))
    if n_groups < 2:
        return 1.0
    return float(2 * stats.t.cdf(math.sqrt((n_groups - 1) / n_groups) * stats.norm.ppf(tail), n_groups - 1))


def paired_comparison(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    y_reference: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Comparison:
    """Difference of two models in one metric, by a bootstrap that draws whole groups, the same for both.

    Parameters
    ----------
    metric : str, Measure or callable
        A name from `MEASURES`, a `Measure` or, slower, any `metric(y_true, y_score)`, scikit-learn's among them: see
        `resample`.
    y_true, y_score, groups, folds, n_resamples, random_state
        As for `resample`.
    y_reference : array-like
        As `y_score`, of the model that is subtracted.
    confidence_level : float, default=0.95

    Returns
    -------
    comparison : Comparison
        See `compare`.

    Raises
    ------
    ValueError
        As `resample` does, or if `confidence_level` lies outside 0 to 1.

    Examples
    --------
    >>> from fracture_features.metrics import paired_comparison
    >>> paired_comparison("roc_auc", [0, 1] * 10, range(20), range(20), random_state=0)
    Comparison(difference=0.0, low=0.0, high=0.0, p_value=1.0)
    """
    both = [(metric, y_score), (metric, y_reference)]
    resampled = resample(y_true, both, groups=groups, folds=folds, n_resamples=n_resamples, random_state=random_state)
    return compare(resampled, 0, 1, confidence_level=confidence_level)


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted for being several, by Holm's step-down procedure.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)

    Returns
    -------
    adjusted : ndarray of shape (n_tests,), dtype float64
        Rejecting those at most 0.05 makes one false rejection or more with a probability of at most 0.05, however
        the tests depend on each other.

    Raises
    ------
    ValueError
        If a value is no number from 0 to 1.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6(2), 1979.

    Examples
    --------
    >>> from fracture_features.metrics import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values must be a row of numbers from 0 to 1, got {p_values!r}.")
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def corrected_resampled_ttest(differences: ArrayLike, n_train: float, n_test: float) -> TTest:
    r"""T test on the differences of two models over (repeated) folds, corrected for their overlap.

    The variance of the mean of J differences is taken for :math:`(1 / J + n_{test} / n_{train}) s^2`: training parts
    that share images make the folds' results depend on each other, which a plain t test takes for independent [1]_.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Of a measure, one model minus the other, in each fold of each repetition.
    n_train, n_test : float
        Images, or patients, in the training and the test part of a fold; their mean if folds differ.

    Returns
    -------
    test : TTest
        With J - 1 degrees of freedom. A statistic of 0 and a p-value of 1 where all differences are 0.

    Raises
    ------
    ValueError
        If there are fewer than two differences, one is not finite, or a size is not positive.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
    .. [2] R. R. Bouckaert and E. Frank, "Evaluating the replicability of significance tests for comparing learning
       algorithms", PAKDD 2004 (repeated folds).

    Examples
    --------
    >>> from fracture_features.metrics import corrected_resampled_ttest
    >>> test = corrected_resampled_ttest([0.02, 0.05, -0.01, 0.03, 0.04], n_train=80, n_test=20)
    >>> round(test.statistic, 4), test.df, round(test.p_value, 4)
    (1.6836, 4, 0.1676)
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"differences must be at least two finite numbers in a row, got {differences!r}.")
    for name, size in (("n_train", n_train), ("n_test", n_test)):
        if not size > 0:
            raise ValueError(f"{name} must be positive, got {size!r}.")
    error = math.sqrt((1 / len(values) + n_test / n_train) * values.var(ddof=1))
    mean = float(values.mean())
    statistic = mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
    return TTest(statistic, len(values) - 1, float(2 * stats.t.sf(abs(statistic), len(values) - 1)))
