"""Metrics and curves on resamples that draw whole groups, and intervals from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._callables import Metric, one_by_one
from ._checks import check_scores, check_share
from ._limits import Share, percentile_interval, share_interval
from ._measures import Measure, get_measure
from ._resampling import check_sample, draw, rarest_groups
from ._types import Floats, Interval, Kernel, Labels


class Resampled(NamedTuple):
    """Values of several metrics or models on the same resamples, a row for each.

    Parameters
    ----------
    values : ndarray of shape (n_metrics,), dtype float64
        On the samples as they are.
    draws : ndarray of shape (n_metrics, n_resamples), dtype float64
        On each resample; NaN where undefined.
    n_groups : int
        How many groups have the class that fewest have: with a few fractured patients among many, these count.
    shares : tuple of (Share or None)
        For each metric what it is a share of, if it is a measure that is one.

    See Also
    --------
    resample : Make them.

    Examples
    --------
    >>> from fracture_features.metrics import resample
    >>> resampled = resample([0, 1] * 10, [("roc_auc", [0, 1] * 10)], n_resamples=20, random_state=0)
    >>> resampled.values.tolist(), resampled.draws.shape
    ([1.0], (1, 20))
    """

    values: Floats
    draws: Floats
    n_groups: int
    shares: tuple[Share | None, ...]

    def interval(self, row: int, confidence_level: float = 0.95) -> Interval:
        """Return the interval of one row: `share_interval` where it is a share, `percentile_interval` otherwise."""
        share = self.shares[row]
        if share is None:
            return percentile_interval(self.draws[row], confidence_level, self.n_groups)
        return share_interval(self.values[row], self.draws[row], share, confidence_level)


class ResampledCurve(NamedTuple):
    """A curve and its resamples.

    Parameters
    ----------
    values : ndarray of shape (n_points,), dtype float64
        On the samples as they are.
    draws : ndarray of shape (n_resamples, n_points), dtype float64
        On each resample; NaN where undefined.
    n_groups : int
        How many groups have the class that fewest have, as in `Resampled`.

    See Also
    --------
    resample_curve : Make one.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import ResampledCurve
    >>> ResampledCurve(np.zeros(3), np.zeros((10, 3)), 5).draws.shape
    (10, 3)
    """

    values: Floats
    draws: Floats
    n_groups: int


def resample(
    y_true: ArrayLike,
    metrics: Sequence[tuple[Metric, ArrayLike]],
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Resampled:
    """Compute several metrics, or one metric of several models, on the same resamples of whole groups.

    With folds the estimand is the mean over the folds' test parts, given the fitted models: groups are drawn once
    over all folds, the metric is computed in each fold and averaged. It tells how far the mean would move with other
    patients, not with other training data [1]_. The work is shared by all cores, each with a few megabytes, unless
    this runs in a worker itself; with a callable among the metrics it runs on one core.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    metrics : sequence of (metric, y_score)
        Each metric is a name from `MEASURES`, a `Measure`, or any callable `metric(y_true, y_score) -> float` such as
        scikit-learn's; `y_score` are its predicted labels, scores or probabilities, (n_samples,) or
        (n_samples, n_classes). A measure computes many resamples at once; a callable is called for each resample in
        each fold, with `y_true` as int64, which is about 50 times slower. Its parameter `sample_weight` gets how often
        each sample was drawn; without one, samples are repeated.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in. With repeated folds every image stands there once for each
        repetition, with the same group and another fold. None takes them all for one.
    n_resamples : int, default=2000
        Resamples of whole groups.
    random_state : int, default=None
        Seed of the resamples.

    Returns
    -------
    resampled : Resampled
        The values are NaN where the metric is undefined in a fold, and so are their draws. Otherwise a draw is the
        mean over the folds in which it is defined: a fold of few patients may lose a class in a resample. There a
        callable is undefined, and is not called; a measure is where it needs that class.

    Raises
    ------
    ValueError
        If lengths differ, labels are unknown or of one class only in a fold, a measure's score is not finite, a metric
        is unknown, or a callable gives anything but a real number. What a callable raises is passed on.

    See Also
    --------
    jackknife : Leave out one group after the other instead.
    bootstrap_interval : The interval of one metric.

    References
    ----------
    .. [1] C. A. Field and A. H. Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69(3), 2007.

    Examples
    --------
    >>> from fracture_features.metrics import resample
    >>> from sklearn.metrics import roc_auc_score
    >>> y_true, patients = [0, 0, 1, 1, 0, 1], [1, 1, 2, 2, 3, 4]
    >>> models = [("roc_auc", [1, 3, 2, 5, 0, 6]), (roc_auc_score, [3, 1, 2, 5, 0, 6])]
    >>> resampled = resample(y_true, models, groups=patients, n_resamples=10, random_state=0)
    >>> resampled.values.round(2).tolist(), resampled.draws.shape, resampled.n_groups
    ([0.89, 0.89], (2, 10), 2)
    """
    labels, index, parts = check_sample(y_true, groups, folds)
    checked = [check_metric(metric, labels, scores) for metric, scores in metrics]

    def statistic(part: NDArray[np.intp], weights: Floats) -> Floats:
        values = np.empty((len(weights), len(checked)))
        for k, (kernel, scores) in enumerate(checked):
            values[:, k] = apply_kernel(kernel, labels[part], scores[part], weights)
        return values

    # a callable need not be safe in threads, and gains nothing where it holds the GIL
    n_jobs = -1 if all(isinstance(kernel, Measure) for kernel, _ in checked) else 1
    values, draws = draw(statistic, parts, index, n_resamples, random_state, n_jobs)
    shares = tuple(_share(kernel, labels, scores, index) for kernel, scores in checked)
    return Resampled(values, draws.T.copy(), rarest_groups(labels, index), shares)


def resample_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    curve: Callable[[Labels, Floats, Floats], Floats],
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> ResampledCurve:
    """Compute a curve at fixed places on the resamples of whole groups of `resample` with the same `random_state`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
        Finite numbers.
    curve : callable
        `curve(y_true, y_score, weights) -> points` of the samples of a fold, of shapes (n_samples,) int64,
        (n_samples,) or (n_samples, n_classes) float64, (n_rows, n_samples) float64 and (n_rows, n_points): a curve for
        each row of weights, which tell how often each sample was drawn; a row of NaN where it is undefined, as where
        a class has no weight. It is called from several threads.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in; None takes them all for one.
    n_resamples : int, default=2000
        Resamples of whole groups.
    random_state : int, default=None
        Seed of the resamples.

    Returns
    -------
    resampled : ResampledCurve
        Means over the folds, point by point, NaN by the rules of `resample`.

    Raises
    ------
    ValueError
        If lengths differ, labels are of one class only in a fold, a score is not finite, or `curve` gives another
        shape or another number of points in another fold.

    See Also
    --------
    resample : Metrics on the same resamples.
    fracture_features.plotting.plot_roc : Draw curves with bands.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006 (vertical averaging).

    Examples
    --------
    The share of the samples that score at least 1, 2, 3 and 4:

    >>> import numpy as np
    >>> from fracture_features.metrics import resample_curve
    >>> def above(y_true, y_score, weights):
    ...     return weights @ (y_score[:, None] >= [1, 2, 3, 4]) / weights.sum(axis=1, keepdims=True)
    >>> resampled = resample_curve([0, 1, 0, 1], [1, 2, 3, 4], above, n_resamples=10, random_state=0)
    >>> resampled.values.tolist(), resampled.draws.shape, resampled.n_groups
    ([1.0, 0.75, 0.5, 0.25], (10, 4), 2)
    """
    labels, index, parts = check_sample(y_true, groups, folds)
    scores = check_scores(y_score, len(labels))

    def statistic(part: NDArray[np.intp], weights: Floats) -> Floats:
        points = np.asarray(curve(labels[part], scores[part], weights), dtype=np.float64)
        if points.ndim != 2 or len(points) != len(weights):
            raise ValueError(
                f"curve must give one row of points for each row of weights, of shape ({len(weights)}, n_points), "
                f"got {points.shape}."
            )
        return points

    values, draws = draw(statistic, parts, index, n_resamples, random_state)
    return ResampledCurve(values, draws, rarest_groups(labels, index))


def _share(kernel: Kernel, labels: Labels, scores: NDArray, index: NDArray[np.intp]) -> Share | None:
    if not isinstance(kernel, Measure) or kernel.share_of is None:
        return None
    among = kernel.share_of(labels, scores)
    return Share(int(among.sum()), len(np.unique(index[among])))


def check_metric(metric: Metric, labels: Labels, scores: ArrayLike) -> tuple[Kernel, NDArray]:
    """Return what computes a metric of many resamples, and its checked scores; raises ValueError."""
    if isinstance(metric, str | Measure) or not callable(metric):
        measure = get_measure(metric)
        return measure, measure.check(labels, scores)[1]
    array = np.asarray(scores)
    if array.ndim == 0 or len(array) != len(labels):
        raise ValueError(f"y_score must have one row for each of {len(labels)} labels, got shape {array.shape}.")
    return one_by_one(metric), array


def apply_kernel(kernel: Kernel, y: Labels, scores: NDArray, weights: Floats) -> Floats:
    """Values of a metric, one for each row of weights; raises ValueError where there are others."""
    values = kernel(y, scores, weights)
    if np.shape(values) != (len(weights),):
        raise ValueError(
            f"a Measure must give one value for each row of weights, of shape {(len(weights),)}, "
            f"got {np.shape(values)}."
        )
    return values


def bootstrap_interval(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Interval:
    """Compute the interval of a metric by a bootstrap that draws whole groups.

    Parameters
    ----------
    metric : str, Measure or callable
        A name from `MEASURES`, a `Measure` or, slower, any `metric(y_true, y_score)`, scikit-learn's among them: see
        `resample`.
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes)
        Predicted labels, scores or probabilities, as the metric takes them.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in; None takes them all for one.
    confidence_level : float, default=0.95
        Between 0 and 1.
    n_resamples : int, default=2000
        Resamples of whole groups.
    random_state : int, default=None
        Seed of the resamples.

    Returns
    -------
    interval : Interval
        From `share_interval` for the measures sensitivity, specificity, accuracy, PPV and NPV, from
        `percentile_interval` for all else and for any callable: that it is a share cannot be seen.

    Raises
    ------
    ValueError
        As `resample` does, or if `confidence_level` lies outside.

    See Also
    --------
    metric_interval : By leaving out groups, of the method too.

    Examples
    --------
    >>> from fracture_features.metrics import bootstrap_interval
    >>> interval = bootstrap_interval("roc_auc", [0, 0, 1, 1, 0, 1] * 3, [1, 3, 2, 5, 0, 6] * 3, random_state=0)
    >>> interval.low < 8 / 9 < interval.high
    True

    With a metric of scikit-learn's:

    >>> from functools import partial
    >>> from sklearn.metrics import fbeta_score
    >>> f2 = partial(fbeta_score, beta=2)
    >>> interval = bootstrap_interval(f2, [0, 1] * 10, [0, 1, 1, 1] * 5, n_resamples=200, random_state=0)
    >>> interval.low < f2([0, 1] * 10, [0, 1, 1, 1] * 5) <= interval.high
    True
    """
    check_share(confidence_level, name="confidence_level")
    resampled = resample(
        y_true, [(metric, y_score)], groups=groups, folds=folds, n_resamples=n_resamples, random_state=random_state
    )
    return resampled.interval(0, confidence_level)
