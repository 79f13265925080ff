"""How many patients a study needs, and what a study can find."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from scipy import stats

from ._checks import check_share

ROUNDING = 1e-9
MEASURES_PLANNED = ("roc_auc", "sensitivity", "specificity")
# enough(images with a fracture, images without one), as many independent ones as the patients' images are worth
Enough = Callable[[float, float], bool]


class SampleSize(NamedTuple):
    """The number of patients that a study needs.

    Parameters
    ----------
    n_patients : int
        All of them.
    n_fractured : int
        Of the patients, those with a fracture, rounded down.
    n_images : int
        Of all patients.
    design_effect : float
        By how much the images of one patient, being alike, make a variance larger than independent ones would.

    See Also
    --------
    plan_sample_size : Make one.

    Examples
    --------
    >>> from fracture_features.metrics import plan_sample_size
    >>> plan_sample_size(measure="sensitivity", value=0.9, half_width=0.05, prevalence=0.2).n_patients
    705
    """

    n_patients: int
    n_fractured: int
    n_images: int
    design_effect: float


def plan_sample_size(
    *,
    value: float,
    prevalence: float,
    half_width: float | None = None,
    difference: float | None = None,
    measure: Literal["roc_auc", "sensitivity", "specificity"] = "roc_auc",
    correlation: float | None = None,
    power: float = 0.8,
    images_per_patient: float = 1,
    intraclass_correlation: float = 0.0,
    confidence_level: float = 0.95,
) -> SampleSize:
    r"""Compute the fewest patients for an interval of a given width, or to find a difference of two models in ROC AUC.

    Either `half_width` or `difference` is given. The variance of an ROC AUC is Hanley and McNeil's [1]_. Of two models
    on the same images with areas :math:`A_1` and :math:`A_2`, whose estimates correlate with r, the difference has the
    variance :math:`V_1 + V_2 - 2 r \sqrt{V_1 V_2}` [2]_; it is to be as large as the two-sided quantile times its
    standard error if both areas were `value` and the power's quantile times its standard error together [3]_. The
    half-width of a sensitivity or specificity is that of Wilson's interval, and patients follow from those with, or
    without, a fracture by the prevalence [4]_. m images of a patient are worth m / (1 + (m - 1) icc) independent ones.

    Parameters
    ----------
    value : float
        Expected measure; with `difference` the ROC AUC of the lower model. Between 0 and 1; a sensitivity or
        specificity may be 1.
    prevalence : float
        Share of patients with a fracture, between 0 and 1. All images of a patient are taken for of one class.
    half_width : float, default=None
        Half the length of the interval of `measure`, between 0 and 0.5.
    difference : float, default=None
        How much higher the other model's ROC AUC is.
    measure : {"roc_auc", "sensitivity", "specificity"}, default="roc_auc"
    correlation : float, default=None
        With `difference`: of the two estimated areas, from 0 on and below 1. A pilot study tells it, see below; it is
        somewhat lower than that of the two models' scores within a class.
    power : float, default=0.8
        With `difference`: share of studies that are to find it.
    images_per_patient : float, default=1
        Mean, at least 1. Where it varies much, more patients are needed.
    intraclass_correlation : float, default=0
        From 0, the images of a patient tell as much as those of others, to 1, they tell the same.
    confidence_level : float, default=0.95
        Of the interval, or 1 minus the two-sided level of the test.

    Returns
    -------
    size : SampleSize
        The width of an interval depends on what is found: about half the studies of this size have a wider one than
        wanted. Hanley and McNeil's variance is exact for scores that scatter more in fractured bones, as exponential
        ones do. Of scores that scatter alike the area's interval is narrower than wanted where fractures are rare, by
        a sixth for a fifth of patients, and wider where most patients have one. `delong_test` and `paired_comparison`
        find a difference a little more often than `power`: their standard error is that of the two areas, not of two
        areas of `value`.

    Raises
    ------
    ValueError
        If an argument lies outside, both or neither of `half_width` and `difference` are given, or `difference` comes
        with another measure than "roc_auc", without `correlation` or leads to an area of 1 or more.

    See Also
    --------
    power_of_difference : What a study of a given size can find.

    References
    ----------
    .. [1] J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
       (ROC) curve", Radiology 143(1), 1982.
    .. [2] J. A. Hanley and B. J. McNeil, "A method of comparing the areas under receiver operating characteristic
       curves derived from the same cases", Radiology 148(3), 1983.
    .. [3] N. A. Obuchowski and D. K. McClish, "Sample size determination for diagnostic accuracy studies involving
       binormal ROC curve indices", Statistics in Medicine 16(13), 1997.
    .. [4] N. M. F. Buderer, "Statistical methodology: I. Incorporating the prevalence of disease into the sample size
       calculation for sensitivity and specificity", Academic Emergency Medicine 3(9), 1996.

    Examples
    --------
    >>> from fracture_features.metrics import plan_sample_size
    >>> plan_sample_size(measure="sensitivity", value=0.9, half_width=0.05, prevalence=0.2)
    SampleSize(n_patients=705, n_fractured=141, n_images=705, design_effect=1.0)
    >>> plan_sample_size(value=0.85, half_width=0.05, prevalence=0.2, images_per_patient=2, intraclass_correlation=0.6)
    SampleSize(n_patients=390, n_fractured=78, n_images=780, design_effect=1.6)

    With the correlation of a pilot study's areas:

    >>> import numpy as np
    >>> from fracture_features.metrics import resample
    >>> rng = np.random.default_rng(0)
    >>> y_true, shared = np.repeat([0, 1], 50), rng.normal(size=100)
    >>> models = [("roc_auc", y_true + shared + rng.normal(size=100)) for _ in range(2)]
    >>> correlation = np.corrcoef(resample(y_true, models, random_state=0).draws)[0, 1]
    >>> size = plan_sample_size(value=0.8, difference=0.05, correlation=correlation, prevalence=0.3)
    >>> size.n_patients < plan_sample_size(value=0.8, difference=0.05, correlation=0, prevalence=0.3).n_patients
    True
    """
    if (half_width is None) == (difference is None):
        raise ValueError(f"one of half_width and difference must be given, got {half_width!r} and {difference!r}.")
    if measure not in MEASURES_PLANNED:
        raise ValueError(f"measure must be one of {list(MEASURES_PLANNED)}, got {measure!r}.")
    prevalence = check_share(prevalence, name="prevalence")
    design_effect = _design_effect(images_per_patient, intraclass_correlation)
    level = check_share(confidence_level, name="confidence_level")
    value = check_share(value, name="value", or_1=measure != "roc_auc")
    if half_width is not None:
        enough = _narrow_enough(measure, value, half_width, level)
    else:
        if measure != "roc_auc":
            raise ValueError(f"difference is for measure='roc_auc', got {measure!r}.")
        enough = _found_often_enough(value, difference, correlation, level, check_share(power, name="power"))
    worth = images_per_patient / design_effect

    def is_enough(n_patients: int) -> bool:
        n_fractured = _fractured(n_patients, prevalence)
        return 0 < n_fractured < n_patients and enough(worth * n_fractured, worth * (n_patients - n_fractured))

    n = _fewest(is_enough)
    return SampleSize(n, _fractured(n, prevalence), math.ceil(n * images_per_patient - ROUNDING), design_effect)


def power_of_difference(
    difference: float, standard_error: float, df: float | None = None, alpha: float = 0.05
) -> float:
    """Compute the share of studies in which a two-sided t test finds a difference.

    Parameters
    ----------
    difference : float
        The true one.
    standard_error : float
        Of its estimate in one study, above 0; a pilot study's shrinks with the root of the number of patients.
    df : float, default=None
        Degrees of freedom of the standard error: of the differences of n patients n - 1. None takes a normal quantile.
    alpha : float, default=0.05
        Two-sided level of the test.

    Returns
    -------
    power : float
        By the noncentral t distribution [1]_; `alpha` where there is no difference. A difference found with the
        wrong sign counts too.

    Raises
    ------
    ValueError
        If a number lies outside.

    See Also
    --------
    plan_sample_size : How many patients are needed.

    References
    ----------
    .. [1] J. Cohen, "Statistical power analysis for the behavioral sciences", second edition, chapter 2, 1988.

    Examples
    --------
    Differences of 34 patients that are half as large as they scatter [1]_:

    >>> from fracture_features.metrics import power_of_difference
    >>> round(power_of_difference(0.5, 1 / 34**0.5, df=33), 3)
    0.808
    """
    if not math.isfinite(difference):
        raise ValueError(f"difference must be finite, got {difference!r}.")
    if not 0 < standard_error < math.inf:
        raise ValueError(f"standard_error must be a number above 0, got {standard_error!r}.")
    if df is not None and not df > 0:
        raise ValueError(f"df must be above 0 or None, got {df!r}.")
    tail = check_share(alpha, name="alpha") / 2
    shift = abs(difference) / standard_error
    if df is None or math.isinf(df):
        reach = stats.norm.isf(tail)
        return float(stats.norm.sf(reach - shift) + stats.norm.cdf(-reach - shift))
    reach = stats.t.isf(tail, df)
    wrong_sign = stats.nct.cdf(-reach, df, shift)  # NaN where it is less than the rounding of 1
    return float(stats.nct.sf(reach, df, shift) + (0 if math.isnan(wrong_sign) else wrong_sign))


def _design_effect(images_per_patient: float, intraclass_correlation: float) -> float:
    if not 1 <= images_per_patient < math.inf:
        raise ValueError(f"images_per_patient must be at least 1, got {images_per_patient!r}.")
    if not 0 <= intraclass_correlation <= 1:
        raise ValueError(f"intraclass_correlation must lie in [0, 1], got {intraclass_correlation!r}.")
    return float(1 + (images_per_patient - 1) * intraclass_correlation)


def _fractured(n_patients: int, prevalence: float) -> int:
    return math.floor(n_patients * prevalence + ROUNDING)


def _narrow_enough(measure: str, value: float, half_width: float, level: float) -> Enough:
    if not 0 < half_width < 0.5:
        raise ValueError(f"half_width must lie above 0 and below 0.5, got {half_width!r}.")
    z = stats.norm.isf((1 - level) / 2)
    if measure == "roc_auc":
        return lambda ones, zeros: z * math.sqrt(_variance(value, ones, zeros)) <= half_width
    return lambda ones, zeros: _wilson(value, ones if measure == "sensitivity" else zeros, z) <= half_width


def _found_often_enough(
    value: float, difference: float | None, correlation: float | None, level: float, power: float
) -> Enough:
    if difference is None or not 0 < difference < 1 - value:
        raise ValueError(f"difference must lie above 0 and below 1 - value = {1 - value:.6g}, got {difference!r}.")
    if correlation is None or not 0 <= correlation < 1:
        raise ValueError(f"correlation must lie in [0, 1), got {correlation!r}.")
    z, z_power = stats.norm.isf((1 - level) / 2), stats.norm.ppf(power)

    def enough(ones: float, zeros: float) -> bool:
        lower, higher = (_variance(area, ones, zeros) for area in (value, value + difference))
        if_equal = 2 * lower * (1 - correlation)
        if_different = lower + higher - 2 * correlation * math.sqrt(lower * higher)
        return bool(z * math.sqrt(if_equal) + z_power * math.sqrt(if_different) <= difference)

    return enough


def _variance(area: float, ones: float, zeros: float) -> float:
    """Hanley and McNeil's of an ROC AUC."""
    two_ones, two_zeros = area / (2 - area), 2 * area**2 / (1 + area)
    square = area**2
    return (area * (1 - area) + (ones - 1) * (two_ones - square) + (zeros - 1) * (two_zeros - square)) / (ones * zeros)


def _wilson(share: float, n: float, z: float) -> float:
    """Half the length of Wilson's interval."""
    return z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)


def _fewest(is_enough: Callable[[int], bool]) -> int:
    """The smallest number from which on all are enough."""
    high = 2
    while not is_enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
