"""Whether a model is at most a margin worse than another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from ._comparison import compare, difference_error
from ._jackknifed import Jackknifed


class NonInferiority(NamedTuple):
    """Difference of two models on the same images, compared with a margin.

    Parameters
    ----------
    difference, low, high : float
        New model minus reference, and the interval of level 1 - 2 alpha.
    margin : float
        Largest loss that would not matter.
    p_value : float
        One-sided, of the hypothesis that the new model is worse by the margin or more.
    shown : bool
        Whether that is rejected.

    See Also
    --------
    non_inferiority : Make one.

    Examples
    --------
    >>> from fracture_features.metrics import NonInferiority
    >>> NonInferiority(-0.01, -0.03, 0.01, margin=0.05, p_value=0.001, shown=True).shown
    True
    """

    difference: float
    low: float
    high: float
    margin: float
    p_value: float
    shown: bool


def non_inferiority(
    jackknifed: Jackknifed,
    new: int,
    reference: int,
    *,
    margin: float,
    alpha: float = 0.025,
    test_fraction: float | None = None,
) -> NonInferiority:
    """Test whether a model is not worse than a reference by a margin or more, from two rows of `jackknife`'s result.

    The margin is chosen before the data are seen, as the largest loss that would not matter to patients [1]_ [2]_. A
    difference that is not significant does not show that models are as good as each other; this does.

    Parameters
    ----------
    jackknifed : Jackknifed
        Of a measure of which higher is better.
    new, reference : int
        Rows. Of a measure of which lower is better, as the Brier score, give them the other way round: difference and
        limits then are reference minus new.
    margin : float
        Above 0, in the measure's unit.
    alpha : float, default=0.025
        One-sided level, above 0 and below 0.5.
    test_fraction : float, default=None
        As for `compare`.

    Returns
    -------
    test : NonInferiority
        Shown where the lower limit of `compare`'s interval of level 1 - 2 alpha lies above -margin, which is the same
        statement as a p-value below alpha, of the one-sided t test of a difference of -margin. The p-value is 1 where
        there are fewer than two groups of a class or the difference is undefined.

    Raises
    ------
    ValueError
        If `margin` or `alpha` lies outside.

    See Also
    --------
    compare : The difference and its interval.

    References
    ----------
    .. [1] G. Piaggio et al., "Reporting of noninferiority and equivalence randomized trials: extension of the CONSORT
       2010 statement", JAMA 308(24), 2012.
    .. [2] U.S. Food and Drug Administration, "Non-inferiority clinical trials to establish effectiveness: guidance for
       industry", 2016.

    Examples
    --------
    A faster model is held against a slower one, and may lose 0.05 of the area under the ROC curve:

    >>> import numpy as np
    >>> from fracture_features.metrics import jackknife, non_inferiority
    >>> rng = np.random.default_rng(0)
    >>> y_true, patients = np.repeat([0, 1], 150), np.arange(300) // 2
    >>> slow = 2 * y_true + rng.normal(size=300)
    >>> fast = slow + 0.2 * rng.normal(size=300)
    >>> models = [("roc_auc", fast), ("roc_auc", slow)]
    >>> test = non_inferiority(jackknife(y_true, models, groups=patients), 0, 1, margin=0.05)
    >>> test.low > -0.05, test.p_value < 0.025, test.shown
    (True, True, True)
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be a number above 0, got {margin!r}.")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie above 0 and below 0.5, got {alpha!r}.")
    found = compare(jackknifed, new, reference, confidence_level=1 - 2 * alpha, test_fraction=test_fraction)
    difference, error, df = difference_error(jackknifed, new, reference, test_fraction)
    if np.isnan(error):
        p_value = 1.0
    elif error == 0:
        p_value = float(difference <= -margin)
    else:
        p_value = float(stats.t.sf((difference + margin) / error, df))
    return NonInferiority(difference, found.low, found.high, float(margin), p_value, bool(found.low > -margin))
