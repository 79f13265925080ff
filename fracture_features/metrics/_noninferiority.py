"""Whether a model is at most a margin worse than another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._bootstrap import Resampled
from ._comparison import compare

ROUNDING = 1e-12  # a difference this near to the margin lies on it


class NonInferiority(NamedTuple):
    """Difference of two models on the same images, held against a margin.

    Attributes
    ----------
    difference, low, high : float
        New model minus reference, and the interval of level 1 - 2 alpha.
    margin : float
    p_value : float
        One-sided, of the hypothesis that the new model is worse by the margin or more.
    shown : bool
        Whether that is rejected.
    """

    difference: float
    low: float
    high: float
    margin: float
    p_value: float
    shown: bool


def non_inferiority(
    resampled: Resampled, new: int, reference: int, *, margin: float, alpha: float = 0.025
) -> NonInferiority:
    """Test whether a model is not worse than a reference by a margin or more, from two rows of `resample`'s result.

    The margin is chosen before the data are seen, as the largest loss that would not matter to patients [1]_ [2]_. A
    difference that is not significant does not show that models are as good as each other; this does.

    Parameters
    ----------
    resampled : Resampled
        Of a measure of which higher is better, on resamples of whole groups.
    new, reference : int
        Rows. Of a measure of which lower is better, as the Brier score, give them the other way round: difference and
        limits then are reference minus new.
    margin : float
        Above 0, in the measure's unit.
    alpha : float, default=0.025
        One-sided level, above 0 and below 0.5.

    Returns
    -------
    test : NonInferiority
        Shown where the lower limit of `compare`'s interval of level 1 - 2 alpha lies above -margin, which is the same
        statement as a p-value of at most alpha. The p-value is that of `compare` at a difference of -margin, made
        one-sided: differences of resamples that lie on the margin or are undefined speak against the new model. It is
        1 where there are fewer than two groups of a class or the difference is undefined.

    Raises
    ------
    ValueError
        If `margin` or `alpha` lies outside.

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
    >>> from fracture_features.metrics import non_inferiority, resample
    >>> rng = np.random.default_rng(0)
    >>> y_true, patients = np.repeat([0, 1], 150), np.arange(300) // 2
    >>> slow = 2 * y_true + rng.normal(size=300)
    >>> fast = slow + 0.2 * rng.normal(size=300)
    >>> models = [("roc_auc", fast), ("roc_auc", slow)]
    >>> test = non_inferiority(resample(y_true, models, groups=patients, random_state=0), 0, 1, margin=0.05)
    >>> test.low > -0.05, test.p_value < 0.025, test.shown
    (True, True, True)
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be a number above 0, got {margin!r}.")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie above 0 and below 0.5, got {alpha!r}.")
    from_margin = _from_margin(resampled, new, reference, margin)
    found = compare(from_margin, 0, 1, confidence_level=1 - 2 * alpha)
    return NonInferiority(
        difference=found.difference - margin,
        low=found.low - margin,
        high=found.high - margin,
        margin=float(margin),
        p_value=_one_sided(from_margin, found.p_value),
        shown=found.low > 0,
    )


def _from_margin(resampled: Resampled, new: int, reference: int, margin: float) -> Resampled:
    """Differences plus the margin, against 0: what lies on the margin lies on 0 whatever the rounding."""
    with np.errstate(invalid="ignore"):  # two infinite likelihood ratios have no difference
        values, draws = (of[new] - of[reference] + margin for of in (resampled.values[:, None], resampled.draws))
    values, draws = (np.where(np.abs(of) < ROUNDING, 0.0, of) for of in (values, draws))
    against_0 = np.stack([draws, np.zeros(len(draws))])
    return resampled._replace(values=np.append(values, 0.0), draws=against_0, shares=(None, None))


def _one_sided(from_margin: Resampled, two_sided: float) -> float:
    draws = from_margin.draws[0]
    if from_margin.n_groups < 2 or np.isnan(from_margin.values[0]):
        return 1.0
    return two_sided / 2 if (draws > 0).sum() > (draws < 0).sum() else 1 - two_sided / 2
