"""The table of named measures, and what makes new ones of them: a prevalence, one class against the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import check_count
from . import _calibration, _confusion, _ranking
from ._checks import check_both_classes, check_labels, check_scores, check_share
from ._limits import ratio_limits
from ._types import Floats, Interval, Kernel, Labels

TWO_CLASSES = np.array([0, 1])
Part = tuple[float, Interval]  # a value and its interval


@dataclass(frozen=True)
class Measure:
    """A measure, and what it takes.

    Parameters
    ----------
    function : callable
        `function(y_true, y_score, weights) -> values` of many resamples at once, of shapes (n_samples,) int64,
        (n_samples,) or (n_samples, n_classes), (n_resamples, n_samples) and (n_resamples,) float64.
    takes : {"labels", "scores", "probabilities"}
        What stands in the place of y_score.
    n_classes : int or None
        Classes it can tell apart: 2, whose labels are 0 and 1, or None for any number.
    columns : int
        Columns that scores and probabilities must have; 1 stands for an array of shape (n_samples,).
    share_of : callable or None
        Where the measure is a share: `share_of(y_true, y_score)` tells of which samples, (n_samples,) of bool.
    pooled : bool
        Whether it is of all folds' test parts together and not the mean over them: of what the model calls fractured
        a fold may hold next to nothing, and a slope fitted to few samples is too steep.
    bounds : (float, float) or None
        Its smallest and largest value, None where there are none: its interval keeps within them.
    logarithmic : bool
        Whether its standard errors are those of its logarithm: of a loss, which is near 0 and skewed.
    parts : callable or None
        `parts(y_true)` gives the measures that its interval is made from, where it has none of its own.
    limits : callable or None
        `limits(*parts)` of (value, interval) of each of these gives the interval.

    See Also
    --------
    sensitivity_at : A measure of scores at a specificity.
    one_vs_rest : One class of many.
    macro : The mean over the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import MEASURES
    >>> MEASURES["roc_auc"](np.array([0, 0, 1, 1]), np.array([1.0, 3, 2, 4]), np.ones((1, 4))).tolist()
    [0.75]
    """

    function: Kernel
    takes: Literal["labels", "scores", "probabilities"]
    n_classes: int | None = 2
    columns: int = 1
    share_of: Callable[[Labels, NDArray], NDArray[np.bool_]] | None = None
    pooled: bool = False
    bounds: tuple[float, float] | None = (0.0, 1.0)
    logarithmic: bool = False
    parts: Callable[[Labels], tuple[Measure, ...]] | None = None
    limits: Callable[..., Interval] | None = None

    def __call__(self, y_true: Labels, y_score: Floats | Labels, weights: Floats) -> Floats:
        """Values of the resamples, nothing checked."""
        return self.function(y_true, y_score, weights)

    def check(self, y_true: ArrayLike, y_score: ArrayLike) -> tuple[Labels, Floats | Labels]:
        """Return both as arrays.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Whole numbers.
        y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
            What the measure takes.

        Raises
        ------
        ValueError
            If lengths differ, labels are unknown or of one class only, or a score is no finite number.
        """
        labels = check_labels(y_true, binary=self.n_classes == 2)
        check_both_classes(labels)
        if self.takes == "labels":
            predicted = check_labels(y_score, name="y_score", binary=self.n_classes == 2)
            return labels, check_scores(predicted, len(labels)).astype(np.int64)
        scores = check_scores(y_score, len(labels), probabilities=self.takes == "probabilities")
        columns = 1 if scores.ndim == 1 else scores.shape[1]
        if columns < self.columns or (self.columns == 1 and scores.ndim != 1):
            wanted = "(n_samples,)" if self.columns == 1 else f"(n_samples, {self.columns} or more)"
            raise ValueError(f"y_score must have the shape {wanted}, got {scores.shape}.")
        return labels, scores


def _lr_plus_limits(sensitivity: Part, specificity: Part) -> Interval:
    (value, interval), (other, (low, high)) = sensitivity, specificity
    return ratio_limits(value, interval, 1 - other, Interval(1 - high, 1 - low))


def _lr_minus_limits(sensitivity: Part, specificity: Part) -> Interval:
    (value, (low, high)), (other, interval) = sensitivity, specificity
    return ratio_limits(1 - value, Interval(1 - high, 1 - low), other, interval)


def _ppv_limits(prevalence: float, *parts: Part) -> Interval:
    return Interval(*(_share(limit * prevalence, 1 - prevalence) for limit in _lr_plus_limits(*parts)))


def _npv_limits(prevalence: float, *parts: Part) -> Interval:
    low, high = (_share(1 - prevalence, limit * prevalence) for limit in _lr_minus_limits(*parts))
    return Interval(high, low)


def _mean_limits(*recalls: Part) -> Interval:
    """Square-and-add limits of a mean of independent shares."""
    values, limits = np.array([value for value, _ in recalls]), np.array([limit for _, limit in recalls])
    below, above = np.sqrt(((limits - values[:, None]) ** 2).sum(axis=0)) / len(recalls)
    return Interval(float(values.mean() - below), float(values.mean() + above))


def _recalls(y_true: Labels) -> tuple[Measure, ...]:
    return tuple(
        Measure(partial(_confusion.recall, label=k), "labels", None, share_of=partial(_is, k))
        for k in np.unique(y_true)
    )


def _is(label: int, y_true: Labels, _: NDArray) -> NDArray[np.bool_]:
    return np.equal(y_true, label)


def _both_shares(_: Labels) -> tuple[Measure, ...]:
    return MEASURES["sensitivity"], MEASURES["specificity"]


def _share(part: float, other: float) -> float:
    return 1.0 if np.isinf(part) else 0.0 if np.isinf(other) else part / (part + other)


MEASURES: dict[str, Measure] = {
    "roc_auc": Measure(_ranking.roc_auc, "scores"),
    "average_precision": Measure(_ranking.average_precision, "scores"),
    "sensitivity": Measure(_confusion.sensitivity, "labels", share_of=lambda y, _: y == 1),
    "specificity": Measure(_confusion.specificity, "labels", share_of=lambda y, _: y == 0),
    "ppv": Measure(_confusion.ppv, "labels", share_of=lambda _, called: called == 1, pooled=True),
    "npv": Measure(_confusion.npv, "labels", share_of=lambda _, called: called == 0, pooled=True),
    "positive_likelihood_ratio": Measure(
        _confusion.positive_likelihood_ratio,
        "labels",
        pooled=True,
        bounds=None,
        parts=_both_shares,
        limits=_lr_plus_limits,
    ),
    "negative_likelihood_ratio": Measure(
        _confusion.negative_likelihood_ratio,
        "labels",
        pooled=True,
        bounds=None,
        parts=_both_shares,
        limits=_lr_minus_limits,
    ),
    "accuracy": Measure(_confusion.accuracy, "labels", n_classes=None, share_of=lambda y, _: np.isfinite(y)),
    "balanced_accuracy": Measure(
        _confusion.balanced_accuracy, "labels", n_classes=None, parts=_recalls, limits=_mean_limits
    ),
    "mcc": Measure(_confusion.mcc, "labels", n_classes=None, bounds=(-1.0, 1.0)),
    "kappa": Measure(_confusion.kappa, "labels", n_classes=None, bounds=(-1.0, 1.0)),
    "brier_score": Measure(_calibration.brier_score, "probabilities", logarithmic=True),
    "calibration_intercept": Measure(_calibration.calibration_intercept, "probabilities", pooled=True, bounds=None),
    "calibration_slope": Measure(_calibration.calibration_slope, "probabilities", pooled=True, bounds=None),
}


def get_measure(metric: str | Measure) -> Measure:
    """`metric`, looked up in `MEASURES` if it is a name; ValueError if it is not there."""
    if isinstance(metric, Measure):
        return metric
    if not isinstance(metric, str) or metric not in MEASURES:
        raise ValueError(f"metric must be one of {sorted(MEASURES)}, a Measure or a callable, got {metric!r}.")
    return MEASURES[metric]


def at_prevalence(name: Literal["ppv", "npv"], prevalence: float) -> Measure:
    """Compute PPV or NPV at another prevalence.

    Parameters
    ----------
    name : {"ppv", "npv"}
        Which predictive value.
    prevalence : float
        Share of fractures, between 0 and 1.

    Returns
    -------
    measure : Measure

    Raises
    ------
    ValueError
        If `name` is another measure or `prevalence` lies outside.

    See Also
    --------
    ppv_score : The value alone.

    Examples
    --------
    >>> from fracture_features.metrics import at_prevalence, bootstrap_interval
    >>> y_true, y_pred = [0, 1] * 20, [0, 1, 0, 1, 0, 1, 1, 0] * 5
    >>> interval = bootstrap_interval(at_prevalence("ppv", 0.02), y_true, y_pred, random_state=0)
    >>> interval.high < 0.5
    True
    """
    if name not in ("ppv", "npv"):
        raise ValueError(f"name must be 'ppv' or 'npv', got {name!r}.")
    prevalence = check_share(prevalence, name="prevalence")
    function = partial(MEASURES[name].function, prevalence=prevalence)
    limits = partial(_ppv_limits if name == "ppv" else _npv_limits, prevalence)
    return replace(MEASURES[name], function=function, share_of=None, parts=_both_shares, limits=limits)


def one_vs_rest(metric: str | Measure, label: int) -> Measure:
    """Make a measure of class `label` against all others from a measure of two classes.

    Parameters
    ----------
    metric : str or Measure
        A name from `MEASURES`, or a measure.
    label : int
        From 0; the measure takes column `label` of the scores or probabilities (n_samples, n_classes), or asks of
        each predicted label whether it is this one.

    Returns
    -------
    measure : Measure
        NaN, as the measure itself would be, where a resample lacks the class.

    Raises
    ------
    ValueError
        If the measure is unknown or `label` is negative.

    See Also
    --------
    macro : The mean over the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import one_vs_rest
    >>> y_true, y_pred = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1])
    >>> one_vs_rest("sensitivity", 2)(y_true, y_pred, np.ones((1, 4))).tolist()
    [0.5]
    """
    measure = get_measure(metric)
    label = check_count(label, name="label", minimum=0)

    def one_of(y_true: Labels, y_score: NDArray) -> tuple[Labels, NDArray]:
        mine = np.equal(y_score, label).astype(np.int64) if measure.takes == "labels" else y_score[:, label]
        return np.equal(y_true, label).astype(np.int64), mine

    def of_class(y_true: Labels, y_score: NDArray, weights: Floats) -> Floats:
        return measure(*one_of(y_true, y_score), weights)

    share_of, parts = measure.share_of, measure.parts
    return replace(
        measure,
        function=of_class,
        n_classes=None,
        columns=max(label + 1, 2),
        share_of=None if share_of is None else lambda y_true, y_score: share_of(*one_of(y_true, y_score)),
        parts=None if parts is None else lambda _: tuple(one_vs_rest(part, label) for part in parts(TWO_CLASSES)),
    )


def macro(metric: str | Measure, n_classes: int) -> Measure:
    """Average a measure of two classes over the classes 0 to `n_classes` - 1, each against the rest.

    Parameters
    ----------
    metric : str or Measure
        A name from `MEASURES`, or a measure.
    n_classes : int
        At least 2.

    Returns
    -------
    measure : Measure
        NaN where the measure is undefined for one of the classes.

    Raises
    ------
    ValueError
        If the measure is unknown or there are fewer than two classes.

    See Also
    --------
    one_vs_rest : One class.

    Examples
    --------
    >>> from fracture_features.metrics import bootstrap_interval, macro
    >>> y_true, y_pred = [0, 1, 2] * 10, [0, 1, 2, 0, 1, 1] * 5
    >>> interval = bootstrap_interval(macro("sensitivity", 3), y_true, y_pred, random_state=0)
    >>> interval.low < (1 + 1 + 0.5) / 3 < interval.high
    True
    """
    n_classes = check_count(n_classes, name="n_classes", minimum=2)
    by_class = [one_vs_rest(metric, label) for label in range(n_classes)]

    def mean(y_true: Labels, y_score: Floats, weights: Floats) -> Floats:
        return np.mean([measure(y_true, y_score, weights) for measure in by_class], axis=0)

    return replace(by_class[0], function=mean, columns=n_classes, share_of=None, parts=None, limits=None)
