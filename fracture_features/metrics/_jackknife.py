"""Metrics with each group left out in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._threads import map_threads
from .._validation import check_groups
from ._bootstrap import apply_kernel, check_metric
from ._callables import Metric
from ._checks import check_share
from ._jackknifed import Jackknifed
from ._limits import Scale
from ._measures import Measure
from ._resampling import BLOCK, check_sample, rarest_groups
from ._types import Floats, Interval, Kernel, Labels

Statistic = Callable[[NDArray[np.intp], Floats], Floats]
# Of more groups in a fold, random blocks of groups are left out together.
MAX_LEFT_OUT = 500


def jackknife(
    y_true: ArrayLike,
    metrics: Sequence[tuple[Metric, ArrayLike]],
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    repetitions: ArrayLike | None = None,
    random_state: int | None = 0,
) -> Jackknifed:
    """Compute several metrics, or one metric of several models, with one group after the other left out.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Whole numbers; 0 and 1 for measures of two classes.
    metrics : sequence of (metric, y_score)
        As for `resample`.
    groups : array-like of shape (n_samples,), default=None
        Images of one patient share a group; None takes every image for a group of its own.
    folds : array-like of shape (n_samples,), default=None
        Which model's test part a sample stands in; None takes them all for one.
    repetitions : array-like of shape (n_samples,), default=None
        Which repetition of the folds a sample's row belongs to; None takes all folds for one.
    random_state : int, default=0
        Of the random blocks of groups that are left out together where a fold has more than 500 groups.

    Returns
    -------
    jackknifed : Jackknifed
        The values are NaN where the metric is undefined in a fold. A fold that is undefined without a group is left
        out with it; where there is no other, influences are NaN, and so are limits.

    Raises
    ------
    ValueError
        As `resample` does.

    See Also
    --------
    metric_interval : The interval of one metric.
    compare : The difference of two rows.
    resample : Draw groups instead.

    References
    ----------
    .. [1] B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9(3), 1981.

    Examples
    --------
    The jackknife's variance of a share of ten of twenty samples is the known one, p (1 - p) / (n - 1), but for
    (19 / 20) / (9 / 10), since all twenty count as groups:

    >>> from fracture_features.metrics import jackknife
    >>> jackknifed = jackknife([1] * 10 + [0] * 10, [("sensitivity", [1] * 8 + [0] * 12)])
    >>> round(float(sum(jackknifed.influences[0] ** 2)), 5), round(0.8 * 0.2 / 9, 5)
    (0.01877, 0.01778)
    """
    labels, index, rows = check_sample(y_true, groups, folds)
    checked = [check_metric(metric, labels, scores) for metric, scores in metrics]
    kernels, parts = _with_parts(checked, labels)

    def statistic(part: NDArray[np.intp], weights: Floats) -> Floats:
        return np.stack(
            [apply_kernel(kernel, labels[part], scores[part], weights) for kernel, scores in kernels], axis=1
        )

    left_out, n_left_out = _left_out(index, rows, random_state)
    n_jobs = -1 if all(isinstance(kernel, Measure) for kernel, _ in kernels) else 1
    of_folds = np.stack([statistic(part, np.ones((1, len(part))))[0] for part in rows], axis=1)
    values = of_folds.mean(axis=1)
    moved = np.zeros((len(kernels), n_left_out))
    n_others = len(rows) - 1 or np.nan
    with np.errstate(invalid="ignore"):  # infinite likelihood ratios, whose intervals are made from other rows
        for k, (part, found) in enumerate(_without_each(statistic, rows, left_out, n_jobs)):
            others = (of_folds.sum(axis=1) - of_folds[:, k]) / n_others - values
            m = _stratum_sizes(labels[rows[k]], left_out[rows[k]], part, n_left_out)
            own = np.sqrt(1 - 1 / m)[:, None] * (found - of_folds[:, k]) / len(rows)
            moved[:, part] += np.where(np.isnan(found), others, own).T
        influences = -(moved - moved.mean(axis=1, keepdims=True))
    repetition, _ = check_groups(
        np.zeros(len(labels)) if repetitions is None else repetitions, len(labels), name="repetitions"
    )
    return Jackknifed(
        values,
        influences,
        of_folds,
        np.array([repetition[part[0]] for part in rows]),
        _has_rarest(labels, left_out, n_left_out),
        rarest_groups(labels, index),
        tuple(_scale(kernel, labels, scores, index) for kernel, scores in kernels),
        parts,
        tuple(kernel for kernel, _ in kernels),
    )


def _with_parts(
    checked: list[tuple[Kernel, NDArray]], labels: Labels
) -> tuple[list[tuple[Kernel, NDArray]], tuple[tuple[int, ...], ...]]:
    """The metrics, after them the measures that their intervals are made from, and which these are for each."""
    kernels, parts = list(checked), []
    for kernel, scores in checked:
        of = kernel.parts(labels) if isinstance(kernel, Measure) and kernel.parts is not None else ()
        parts.append(tuple(range(len(kernels), len(kernels) + len(of))))
        kernels += [(part, scores) for part in of]
    return kernels, (*parts, *[()] * (len(kernels) - len(parts)))


def _stratum_sizes(labels: Labels, left_out: NDArray[np.intp], part: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Among how many like it each is left out: all n, or those of the rarest of its classes where a fold has fewer.

    Folds and, within them, classes are strata: of m patients of a class the jackknife's variance is m / (m - 1) times
    too large, which matters where a fold has few. Two at least.
    """
    if len(part) == n:
        return np.full(n, n)
    sizes = np.full(len(part), len(part))
    for label in np.unique(labels):
        has = np.isin(part, left_out[labels == label])
        sizes[has] = np.minimum(sizes[has], np.count_nonzero(has))
    return np.maximum(sizes, 2)


def _has_rarest(labels: Labels, left_out: NDArray[np.intp], n: int) -> NDArray[np.bool_]:
    found = [np.bincount(left_out[labels == label], minlength=n) > 0 for label in np.unique(labels)]
    return min(found, key=np.count_nonzero)


def _left_out(index: NDArray[np.intp], rows: list[NDArray[np.intp]], seed: int | None) -> tuple[NDArray[np.intp], int]:
    """Return what is left out together with each sample, numbered, and how many such parts there are."""
    n = int(index.max()) + 1
    if max(len(np.unique(index[part])) for part in rows) <= MAX_LEFT_OUT:
        return index, n
    blocks = np.random.default_rng(seed).permutation(n) % MAX_LEFT_OUT
    return blocks[index], MAX_LEFT_OUT


def _without_each(
    statistic: Statistic, rows: list[NDArray[np.intp]], left_out: NDArray[np.intp], n_jobs: int
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """For each fold what may be left out of it, and the statistic without each, (n_left_out, n_columns)."""

    def without(part: NDArray[np.intp], place: NDArray[np.intp], numbers: NDArray[np.intp]) -> Floats:
        return statistic(part, (place != numbers[:, None]).astype(np.float64))

    for part in rows:
        here, place = np.unique(left_out[part], return_inverse=True)
        blocks = np.array_split(np.arange(len(here)), -(-len(here) * len(part) // BLOCK))
        yield here, np.concatenate(map_threads(partial(without, part, place), blocks, n_jobs))


def _scale(kernel: Kernel, labels: Labels, scores: NDArray, index: NDArray[np.intp]) -> Scale:
    if not isinstance(kernel, Measure):
        return Scale(None, len(labels), rarest_groups(labels, index))
    if kernel.share_of is None or kernel.takes == "scores":  # a threshold that the sample sets adds to the variance
        return Scale(kernel.bounds, None, rarest_groups(labels, index), kernel.logarithmic)
    among = kernel.share_of(labels, scores)
    return Scale((0.0, 1.0), int(among.sum()), len(np.unique(index[among])))


def metric_interval(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    test_fraction: float | None = None,
    confidence_level: float = 0.95,
) -> Interval:
    r"""Compute the interval of a metric, with the variance from leaving out one group after the other.

    A metric between two limits has Wilson's interval for as many independent samples as the variance speaks for, a
    quantile of Student's t in the place of the normal one, which a share of one sample a group keeps. The degrees of
    freedom are those with which the variance is known: Welch's, of the groups with the rarer class and the others, and
    at most :math:`1.5 n / (\kappa - 1)` for n groups whose influences have the kurtosis :math:`\kappa`. Few fractured
    patients, few large groups, or few misplaced images at an AUC near 1 leave few. At the end of a scale, where the
    sample shows no variance, the groups of a share's samples, or twice those of the rarer class, stand for them.
    Likelihood ratios, PPV and NPV at another prevalence, and balanced accuracy are made from the intervals of
    sensitivity and specificity, or the recalls [3]_; a Brier score's standard error is that of its logarithm; what has
    no limits, such as a calibration slope, or any callable, has value ± t standard errors.

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
    test_fraction : float, default=None
        Share of the images that a fold's test part holds. Given, the interval is of the method, trained anew: the
        variance is multiplied by 2 - `test_fraction`, for models whose training parts overlap, and have learned from
        each other's test parts [2]_; of little overfitted models `effective_test_fraction` is to be given. None: of
        these fitted models on other patients.
    confidence_level : float, default=0.95
        Between 0 and 1.

    Returns
    -------
    interval : Interval
        NaN where the metric is undefined, or a class has fewer than two groups.

    Raises
    ------
    ValueError
        As `resample` does, or if `confidence_level` or `test_fraction` lies outside 0 to 1.

    See Also
    --------
    paired_comparison : The difference of two models.
    bootstrap_interval : By resamples of whole groups.

    References
    ----------
    .. [1] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
       counts estimated from survey data", Survey Methodology 24, 1998.
    .. [2] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
    .. [3] A. Donner and G. Y. Zou, "Closed-form confidence intervals for functions of the normal mean and standard
       deviation", Statistical Methods in Medical Research 21(4), 2012 (square-and-add limits).

    Examples
    --------
    >>> from fracture_features.metrics import metric_interval
    >>> y_true, y_score = [0] * 20 + [1] * 20, range(40)
    >>> [round(limit, 3) for limit in metric_interval("roc_auc", y_true, y_score)]
    [0.907, 1.0]
    """
    if test_fraction is not None:
        check_share(test_fraction, name="test_fraction", or_1=True)
    jackknifed = jackknife(y_true, [(metric, y_score)], groups=groups, folds=folds)
    return jackknifed.interval(0, confidence_level, test_fraction=test_fraction)
