"""Whether parts that were measured apart differ by more than chance allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ._comparison import SMALLEST_SHARE
from ._jackknifed import TINY, Jackknifed
from ._types import Floats


def heterogeneity_p_value(parts: Sequence[Jackknifed]) -> float:
    r"""P-value of the hypothesis that several parts, such as the folds of a model, have one value in common.

    Cochran's Q weighs the squared distances of the values from their mean by the inverse of their variances, and takes
    these for known. They are estimated, from few groups each, and so it is referred as Welch did to an F distribution:

    .. math:: F = \frac{Q / (k - 1)}{1 + \frac{2 (k - 2)}{k^2 - 1} \Lambda}, \quad
              \Lambda = \sum_j \frac{(1 - w_j / \sum w)^2}{f_j},

    for k parts with the weights :math:`w_j` and :math:`f_j` degrees of freedom, with :math:`k - 1` and
    :math:`(k^2 - 1) / 3 \Lambda` degrees of freedom [1]_ [2]_.

    Parameters
    ----------
    parts : sequence of Jackknifed
        Of one measure each, on other groups: their first row counts. Between two limits a variance is that which the
        part would have at the mean of all values, as in `compare`; a part at the end of the scale, which shows none,
        has that of as many independent samples as `Scale.at_the_end` says.

    Returns
    -------
    p_value : float
        1 where fewer than two parts have a value and a variance, or all have the same value.

    References
    ----------
    .. [1] B. L. Welch, "On the comparison of several mean values: an alternative approach", Biometrika 38, 1951.
    .. [2] E. Kulinskaya, M. B. Dollinger and K. Bjørkestøl, "Testing for homogeneity in meta-analysis I. The
       one-parameter case: standardized mean difference", Biometrics 67(1), 2011 (why Q is not to be taken for a
       chi-squared one where variances are estimated).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import jackknife
    >>> from fracture_features.metrics._heterogeneity import heterogeneity_p_value
    >>> y, noise = np.repeat([0, 1], 50), np.random.default_rng(0).normal(size=(3, 100))
    >>> alike, apart = (
    ...     [jackknife(y, [("roc_auc", shift * y + e)]) for shift, e in zip(shifts, noise)]
    ...     for shifts in ([1, 1, 1], [0, 1, 2])
    ... )
    >>> heterogeneity_p_value(alike) > 0.05, heterogeneity_p_value(apart) < 0.001
    (True, True)
    """
    measured = [part for part in parts if np.isfinite(part.values[0]) and part.n_groups > 1]
    values = np.array([part.values[0] for part in measured])
    if len(measured) < 2 or np.ptp(values) < TINY:
        return 1.0
    variances, df = np.array([_spread(part, float(values.mean())) for part in measured]).T
    return welch(values, variances, df)


def welch(values: Floats, variances: Floats, df: Floats) -> float:
    """P-value of Welch's test of equal means, from the variance of each mean and its degrees of freedom, (k,)."""
    k, w = len(values), 1 / variances
    mean = w @ values / w.sum()
    q = float(w @ (values - mean) ** 2)
    loss = float(((1 - w / w.sum()) ** 2 / df).sum())
    statistic = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * loss)
    return float(stats.f.sf(statistic, k - 1, (k**2 - 1) / (3 * loss)))


def _spread(part: Jackknifed, mean: float) -> tuple[float, float]:
    """Variance of a part's value, were it the mean of all, and its degrees of freedom."""
    variance, df = part.spread(np.eye(len(part.values))[0])
    scale, value = part.scales[0], float(part.values[0])
    if scale.bounds is None or scale.logarithmic:
        return variance, df
    low, high = scale.bounds
    share, middle = ((x - low) / (high - low) for x in (value, mean))
    at_mean = (high - low) ** 2 * max(middle * (1 - middle), SMALLEST_SHARE)
    if variance < TINY:
        n, df = scale.at_the_end
        return at_mean / n, max(df, 1.0)
    return variance * at_mean / ((high - low) ** 2 * max(share * (1 - share), SMALLEST_SHARE)), df
