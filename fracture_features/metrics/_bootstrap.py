"""Resamples that draw whole groups, and intervals from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._threads import map_threads
from .._validation import check_count, check_groups
from ._checks import check_both_classes, check_labels, check_share
from ._limits import Share, percentile_interval, share_interval
from ._measures import Measure, get_measure
from ._types import Floats, Interval, Labels, Metric

# Weights computed with at a time: 2 MB, large enough to forget Python's share, small enough for the cache.
BLOCK = 2**18


class Resampled(NamedTuple):
    """Values of several measures or models on the same resamples.

    Attributes
    ----------
    values : ndarray of shape (n_jobs,)
        On the samples as they are.
    draws : ndarray of shape (n_jobs, n_resamples)
        On each resample; NaN where undefined.
    n_groups : int
        How many groups have the class that fewest have: with a few fractured patients among many, these count.
    shares : tuple of (Share or None)
        For each job.
    """

    values: Floats
    draws: Floats
    n_groups: int
    shares: tuple[Share | None, ...]

    def interval(self, job: int, confidence_level: float = 0.95) -> Interval:
        """Interval of one of the jobs: `share_interval` where it is a share, `percentile_interval` otherwise."""
        share = self.shares[job]
        if share is None:
            return percentile_interval(self.draws[job], confidence_level, self.n_groups)
        return share_interval(self.values[job], self.draws[job], share, confidence_level)


def group_weights(groups: ArrayLike, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Weights of bootstrap resamples that draw whole groups with replacement.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    weights : ndarray of shape (n_resamples, n_samples)
        How often each sample is drawn.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    return np.take(_counts(len(names), n_resamples, rng), index, axis=1)


def _counts(n_groups: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """How often each group is drawn, (n_resamples, n_groups)."""
    drawn = rng.integers(0, n_groups, (n_resamples, n_groups)) + n_groups * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_groups)
    return counts.reshape(n_resamples, n_groups).astype(np.float64)


def resample(
    y_true: ArrayLike,
    jobs: Sequence[tuple[str | Measure | Metric, ArrayLike]],
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Resampled:
    """Several measures, or one measure of several models, on the same resamples of whole groups.

    With folds the estimand is the mean over the folds' test parts, given the fitted models: groups are drawn once
    over all folds, the measure is computed in each fold and averaged. It tells how far the mean would move with other
    patients, not with other training data [1]_. The work is shared by all cores, each with a few megabytes, unless
    this runs in a worker itself.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    jobs : sequence of (metric, y_score)
        A name from `MEASURES`, a `Measure`, or any `metric(y_true, y_score, weights) -> values` like them, whose input
        is not checked; and its predicted labels, scores or probabilities, (n_samples,) or (n_samples, n_classes).
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in. With repeated folds every image stands there once for each
        repetition, with the same group and another fold. None takes them all for one.
    n_resamples : int, default=2000
    random_state : int, default=None

    Returns
    -------
    resampled : Resampled
        The values are NaN where the measure is undefined in a fold, and so are their draws. Otherwise a draw is the
        mean over the folds in which it is defined: a fold of few patients may lose a class in a resample.

    Raises
    ------
    ValueError
        If lengths differ, labels are unknown or of one class only in a fold, a score is not finite, a metric is
        unknown or gives another shape.

    References
    ----------
    .. [1] C. A. Field and A. H. Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69(3), 2007.

    Examples
    --------
    >>> from fracture_features.metrics import resample
    >>> y_true, patients = [0, 0, 1, 1, 0, 1], [1, 1, 2, 2, 3, 4]
    >>> models = [("roc_auc", [1, 3, 2, 5, 0, 6]), ("roc_auc", [3, 1, 2, 5, 0, 6])]
    >>> resampled = resample(y_true, models, groups=patients, n_resamples=10, random_state=0)
    >>> resampled.values.round(2).tolist(), resampled.draws.shape, resampled.n_groups
    ([0.89, 0.89], (2, 10), 2)
    """
    labels = check_labels(y_true)
    index, n_groups = check_groups(groups, len(labels))
    parts = _parts(folds, labels)
    checked = [_check_job(metric, labels, scores) for metric, scores in jobs]
    pieces = [(index[part], labels[part], [(metric, scores[part]) for metric, scores in checked]) for part in parts]
    values, defined = np.zeros((2, len(checked), 1 + check_count(n_resamples, name="n_resamples")))

    def fill(block: tuple[slice, Floats]) -> None:
        rows, counts = block
        for groups_of_part, y, measured in pieces:
            weights = np.take(counts, groups_of_part, axis=1)
            for k, (metric, scores) in enumerate(measured):
                of_fold = _apply(metric, y, scores, weights)
                defined[k, rows] += ~np.isnan(of_fold)
                values[k, rows] += np.where(np.isnan(of_fold), 0, of_fold)

    rows_at_once = max(1, BLOCK // max(n_groups, *(len(part) for part in parts)))
    map_threads(fill, _blocks(n_groups, n_resamples, rows_at_once, np.random.default_rng(random_state)), n_jobs=-1)
    values[(defined == 0) | (defined[:, :1] < len(parts))] = np.nan
    values /= np.maximum(defined, 1)
    shares = tuple(_share(metric, labels, scores, index) for metric, scores in checked)
    return Resampled(values[:, 0], values[:, 1:], rarest_groups(labels, index), shares)


def rarest_groups(labels: Labels, groups: NDArray) -> int:
    """How many groups have the class that fewest have."""
    return min(len(np.unique(groups[labels == label])) for label in np.unique(labels))


def _share(metric: Metric, labels: Labels, scores: NDArray, index: NDArray[np.intp]) -> Share | None:
    if not isinstance(metric, Measure) or metric.share_of is None:
        return None
    among = metric.share_of(labels, scores)
    return Share(int(among.sum()), len(np.unique(index[among])))


def _parts(folds: ArrayLike | None, labels: Labels) -> list[NDArray[np.intp]]:
    """Rows of each fold."""
    index, n_folds = check_groups(np.zeros(len(labels)) if folds is None else folds, len(labels), name="folds")
    parts = [np.flatnonzero(index == k) for k in range(n_folds)]
    for part in parts:
        check_both_classes(labels[part], where="y_true" if folds is None else f"fold {np.asarray(folds)[part[0]]}")
    return parts


def _check_job(metric: str | Measure | Metric, labels: Labels, scores: ArrayLike) -> tuple[Metric, NDArray]:
    if isinstance(metric, str | Measure):
        measure = get_measure(metric)
        return measure, measure.check(labels, scores)[1]
    array = np.asarray(scores)
    if not callable(metric) or len(array) != len(labels):
        raise ValueError(
            f"a job must be a metric and one row for each of {len(labels)} labels, got {metric!r}, {array.shape}."
        )
    return metric, array


def _apply(metric: Metric, y: Labels, scores: NDArray, weights: Floats) -> Floats:
    values = metric(y, scores, weights)
    if np.shape(values) != (len(weights),):
        raise ValueError(
            f"metric must give one value for each row of weights, of shape {(len(weights),)}, got {np.shape(values)}."
        )
    return values


def _blocks(
    n_groups: int, n_resamples: int, rows_at_once: int, rng: np.random.Generator
) -> Iterator[tuple[slice, Floats]]:
    """Where in the result a few rows go, and their counts of groups: first all once, then the resamples."""
    yield slice(0, 1), np.ones((1, n_groups))
    for start in range(0, n_resamples, rows_at_once):
        stop = min(start + rows_at_once, n_resamples)
        yield slice(1 + start, 1 + stop), _counts(n_groups, stop - start, rng)


def bootstrap_interval(
    metric: str | Measure | Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int | None = None,
) -> Interval:
    """Interval of a measure by a bootstrap that draws whole groups.

    Parameters
    ----------
    metric : str, Measure or callable
    y_true, y_score, groups, folds, n_resamples, random_state
        As for `resample`.
    confidence_level : float, default=0.95
        Between 0 and 1.

    Returns
    -------
    interval : Interval
        From `share_interval` for sensitivity, specificity, accuracy, PPV and NPV, from `percentile_interval` for all
        else.

    Raises
    ------
    ValueError
        As `resample` does, or if `confidence_level` lies outside.

    Examples
    --------
    >>> from fracture_features.metrics import bootstrap_interval
    >>> interval = bootstrap_interval("roc_auc", [0, 0, 1, 1, 0, 1] * 3, [1, 3, 2, 5, 0, 6] * 3, random_state=0)
    >>> interval.low < 8 / 9 < interval.high
    True
    """
    check_share(confidence_level, name="confidence_level")
    resampled = resample(
        y_true, [(metric, y_score)], groups=groups, folds=folds, n_resamples=n_resamples, random_state=random_state
    )
    return resampled.interval(0, confidence_level)
