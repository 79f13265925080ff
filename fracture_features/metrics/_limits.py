"""Limits of an interval from resampled values."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from ._checks import check_share
from ._types import Floats, Interval

ROUNDING = 1e-12


class Share(NamedTuple):
    """What a measure that is a share is a share of: so many samples, of so many groups."""

    n_samples: int
    n_groups: int


def share_interval(value: float, draws: Floats, share: Share, confidence_level: float) -> Interval:
    r"""Wilson's interval of a share, for as many independent samples as the bootstrap's variance speaks for.

    The percentile interval of a share near 0 or 1 is too short and lies too far out: of 20 patients who are all found
    it is 1 to 1. Here the effective number of samples is :math:`p (1 - p)` over the bootstrap's variance, at most the
    number of samples, and that of groups for a share of 0 or 1; a quantile of Student's t takes the place of the normal
    one, as is done for surveys [1]_. Where every resample gives the same other share, as of folds that each call all
    images alike, it is that share alone.

    Parameters
    ----------
    value : float
        p.
    draws : ndarray of shape (n_resamples,)
        Of it.
    share : Share
    confidence_level : float

    Returns
    -------
    interval : Interval
        NaN where `value` is, or there are fewer than two groups.

    References
    ----------
    .. [1] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
       counts estimated from survey data", Survey Methodology 24, 1998 (they put it into Clopper and Pearson's).

    Examples
    --------
    >>> from fracture_features.metrics import bootstrap_interval
    >>> y_true, y_pred = [0] * 20 + [1] * 20, [0] * 20 + [1] * 20
    >>> [round(limit, 3) for limit in bootstrap_interval("sensitivity", y_true, y_pred, random_state=0)]
    [0.82, 1.0]
    """
    tail = (1 - check_share(confidence_level, name="confidence_level")) / 2
    if np.isnan(value) or share.n_groups < 2:
        return Interval(np.nan, np.nan)
    variance = float(np.nanvar(draws)) * share.n_groups / (share.n_groups - 1)
    if variance < ROUNDING and ROUNDING < value < 1 - ROUNDING:
        return Interval(float(value), float(value))
    n = min(share.n_samples, value * (1 - value) / variance) if variance > ROUNDING else share.n_groups
    square = stats.t.ppf(tail, share.n_groups - 1) ** 2
    middle = (value + square / (2 * n)) / (1 + square / n)
    reach = math.sqrt(square * (value * (1 - value) / n + square / (4 * n**2))) / (1 + square / n)
    return Interval(float(max(middle - reach, 0)), float(min(middle + reach, 1)))


def percentile_interval(values: Floats, confidence_level: float, n_groups: int | None = None) -> Interval:
    r"""Percentile interval, widened for few groups.

    The limits are the k-th lowest and k-th highest of R values, k = floor((R + 1) q) [1]_. q is (1 - level) / 2 for a
    great many groups; for n of them it is :math:`\Phi(\sqrt{n / (n - 1)}\, t_{(1 - level) / 2,\, n - 1})`, which makes
    up for the bootstrap's variance being that of n and not of n - 1, and for the variance being estimated [2]_.

    Parameters
    ----------
    values : ndarray of shape (n_resamples,)
    confidence_level : float
    n_groups : int, default=None
        None takes them for a great many.

    Returns
    -------
    interval : Interval
        An undefined value (NaN) counts as lower than all others for the low limit and as higher for the high one:
        the interval only grows by it. NaN where k such values or fewer than 1 / q values leave no limit.

    Raises
    ------
    ValueError
        If `confidence_level` lies outside 0 to 1.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", section 5.2, 1997.
    .. [2] T. C. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import percentile_interval
    >>> draws = np.arange(1.0, 1000)
    >>> percentile_interval(draws, 0.95), percentile_interval(draws, 0.95, n_groups=20)
    (Interval(low=25.0, high=975.0), Interval(low=15.0, high=985.0))
    """
    tail = _expanded((1 - check_share(confidence_level, name="confidence_level")) / 2, n_groups)
    k = math.floor((len(values) + 1) * tail + 1e-9)
    undefined = int(np.isnan(values).sum())
    if k <= undefined:
        return Interval(np.nan, np.nan)
    ordered = np.sort(values)
    return Interval(float(ordered[k - 1 - undefined]), float(ordered[len(values) - k]))


@functools.cache
def _expanded(tail: float, n_groups: int | None) -> float:
    """Share of resamples beyond a limit so that it holds `tail` of the t distribution."""
    if n_groups is None:
        return tail
    if n_groups < 2:
        return 0.0
    return float(stats.norm.cdf(math.sqrt(n_groups / (n_groups - 1)) * stats.t.ppf(tail, n_groups - 1)))
