"""Limits of an interval, from a variance or from resampled values."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ._checks import check_share
from ._types import Floats, Interval

ROUNDING = 1e-12
# 2 for the kurtosis of all patients there are, which that of a sample falls short of: chosen by bench_coverage.
KNOWN = 1.5
LARGEST = 700.0  # whose exponential is a number


class Scale(NamedTuple):
    """Between what limits a metric lies, None where it has none, and of how many samples and groups it is.

    `n_samples` is None unless it is a share of samples. For all but shares the groups of the rarer class count.
    """

    bounds: tuple[float, float] | None
    n_samples: int | None
    n_groups: int
    logarithmic: bool = False

    @property
    def at_the_end(self) -> tuple[float, float]:
        """Samples and degrees of freedom that stand for a value at an end of the scale, which shows no variance.

        A share has its groups; what both classes make, such as the ROC AUC, those of the rarer class twice: that is
        what Hanley and McNeil's variance comes to near 1 [1]_.

        References
        ----------
        .. [1] J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
           (ROC) curve", Radiology 143(1), 1982.
        """
        n = self.n_groups if self.n_samples is not None else 2 * self.n_groups
        return float(n), float(n - 1 if self.n_samples is not None else n - 2)


def degrees_of_freedom(influences: Floats, is_rare: NDArray[np.bool_]) -> float:
    """Those of a variance that is the sum of squared influences (n,): see `metric_interval`; from 1 to n - 1."""
    n, total = len(influences), float(influences @ influences)
    if n < 2 or not total > 0:
        return float(max(n - 1, 1))
    shares = influences**2 / total  # before they are squared again: the square of a tiny total is 0
    kurtosis = n * float(shares @ shares)
    parts = [(float(shares[side].sum()), int(np.count_nonzero(side))) for side in (is_rare, ~is_rare)]
    welch = 1 / sum(part**2 / max(m - 1, 1) for part, m in parts)
    return float(np.clip(min(KNOWN * n / max(kurtosis - 1, 1e-9), welch), 1, n - 1))


def centred_interval(value: float, variance: float, df: float, scale: Scale, confidence_level: float) -> Interval:
    """Wilson's interval between the limits of a scale, or value ± t standard errors where there are none.

    Of a logarithmic scale, standard errors are those of the logarithm.

    Parameters
    ----------
    value, variance, df : float
        Estimate, its variance and the degrees of freedom with which that is known.
    scale : Scale
    confidence_level : float

    Returns
    -------
    interval : Interval
        NaN where `value` is, there are fewer than two groups, or a scale without limits shows no variance.
    """
    tail = (1 - confidence_level) / 2
    if not np.isfinite(value) or scale.n_groups < 2 or not np.isfinite(variance):
        return Interval(np.nan, np.nan)
    if scale.bounds is None:
        reach = -stats.t.ppf(tail, df) * math.sqrt(variance) if variance > ROUNDING else np.nan
        return Interval(float(value - reach), float(value + reach))
    low, high = scale.bounds
    if scale.logarithmic:
        if value <= 0:
            n, df = scale.at_the_end
            return Interval(0.0, wilson(0.0, n, float(stats.t.ppf(tail, df)) ** 2).high)
        factor = math.exp(min(-stats.t.ppf(tail, df) * math.sqrt(variance) / value, LARGEST))
        return Interval(float(value / factor), float(min(value * factor, high)))
    p, variance = (value - low) / (high - low), variance / (high - low) ** 2
    is_binomial = scale.n_samples == scale.n_groups  # one sample a group: the variance follows from the share
    if is_binomial:  # of m samples the jackknife gives p (1 - p) m / (m - 1)²
        variance *= (1 - 1 / scale.n_groups) ** 2
    if variance < ROUNDING:
        if ROUNDING < p < 1 - ROUNDING:
            return Interval(float(value), float(value))
        n, df = scale.at_the_end
    elif not 0 < p < 1:
        reach = -stats.t.ppf(tail, df) * math.sqrt(variance)
        return Interval(*(low + (high - low) * limit for limit in (max(p - reach, 0), min(p + reach, 1))))
    else:
        n = min(np.inf if scale.n_samples is None else scale.n_samples, p * (1 - p) / variance)
    limits = wilson(p, n, float(stats.norm.ppf(tail) if is_binomial else stats.t.ppf(tail, df)) ** 2)
    return Interval(*(low + (high - low) * limit for limit in limits))


def wilson(p: float, n: float, square: float) -> Interval:
    """Wilson's limits of a share of n samples, for a squared quantile."""
    middle = (p + square / (2 * n)) / (1 + square / n)
    reach = math.sqrt(square * (p * (1 - p) / n + square / (4 * n**2))) / (1 + square / n)
    return Interval(float(max(middle - reach, 0)), float(min(middle + reach, 1)))


def ratio_limits(numerator: float, of_numerator: Interval, denominator: float, of_denominator: Interval) -> Interval:
    """Square-and-add limits of the ratio of two independent shares: see `metric_interval`."""
    p, (low, high), q, (q_low, q_high) = numerator, of_numerator, denominator, of_denominator

    def root(c: float, a: float, *, lower: bool) -> float:
        """A root r of a r² - 2 p q r + c."""
        inner = math.sqrt(max((p * q) ** 2 - a * c, 0))
        if lower:
            return c / (p * q + inner) if p * q + inner > 0 else 0.0
        return (p * q + inner) / a if a > 0 else math.inf

    if np.isnan([low, high, q_low, q_high]).any():
        return Interval(np.nan, np.nan)
    lower = root(low * (2 * p - low), q_high * (2 * q - q_high), lower=True)
    return Interval(max(lower, 0.0), root(high * (2 * p - high), q_low * (2 * q - q_low), lower=False))


class Share(NamedTuple):
    """The samples and groups that a share is of.

    Parameters
    ----------
    n_samples : int
        Samples among which is counted.
    n_groups : int
        Groups that these are of.

    See Also
    --------
    share_interval : The interval of a share.

    Examples
    --------
    >>> from fracture_features.metrics import Share
    >>> Share(n_samples=40, n_groups=20).n_groups
    20
    """

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
        What it is a share of.
    confidence_level : float
        Between 0 and 1.

    Returns
    -------
    interval : Interval
        NaN where `value` is, or there are fewer than two groups.

    See Also
    --------
    percentile_interval : Where the value is no share.

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
    varies = variance > ROUNDING and 0 < value < 1
    n = min(share.n_samples, value * (1 - value) / variance) if varies else share.n_groups
    square = stats.t.ppf(tail, share.n_groups - 1) ** 2
    return wilson(value, n, square)


def percentile_interval(values: Floats, confidence_level: float, n_groups: int | None = None) -> Interval:
    r"""Compute a percentile interval, widened for few groups.

    The limits are the k-th lowest and k-th highest of R values, k = floor((R + 1) q) [1]_. q is (1 - level) / 2 for a
    great many groups; for n of them it is :math:`\Phi(\sqrt{n / (n - 1)}\, t_{(1 - level) / 2,\, n - 1})`, which makes
    up for the bootstrap's variance being that of n and not of n - 1, and for the variance being estimated [2]_.

    Parameters
    ----------
    values : ndarray of shape (n_resamples,)
        Resampled values.
    confidence_level : float
        Between 0 and 1.
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

    See Also
    --------
    share_interval : Where the value is a share.

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
