"""P-values of several tests, and of differences over folds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._types import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Adjust several p-values by Holm's step-down procedure.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        From 0 to 1.

    Returns
    -------
    adjusted : ndarray of shape (n_tests,), dtype float64
        Rejecting those at most 0.05 makes one false rejection or more with a probability of at most 0.05, however
        the tests depend on each other.

    Raises
    ------
    ValueError
        If a value is no number from 0 to 1.

    See Also
    --------
    compare : Where p-values come from.

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


class TTest(NamedTuple):
    """Result of a t test: statistic, degrees of freedom and two-sided p-value.

    Parameters
    ----------
    statistic : float
        The mean difference over its standard error.
    df : int
        Degrees of freedom.
    p_value : float
        Two-sided.

    See Also
    --------
    corrected_resampled_ttest : Make one.

    Examples
    --------
    >>> from fracture_features.metrics import corrected_resampled_ttest
    >>> corrected_resampled_ttest([0.01, 0.01, -0.02], n_train=80, n_test=40).df
    2
    """

    statistic: float
    df: int
    p_value: float


def corrected_resampled_ttest(differences: ArrayLike, n_train: float, n_test: float) -> TTest:
    r"""Test the differences of two models over (repeated) folds by a t test that is corrected for their overlap.

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

    See Also
    --------
    compare : A test that respects groups.

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
