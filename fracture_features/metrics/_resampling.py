"""Resamples that draw whole groups, and the mean over folds of whatever is computed on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._threads import map_threads
from .._validation import check_count, check_groups
from ._checks import check_both_classes, check_labels
from ._types import Floats, Labels

# Weights computed with at a time: 2 MB, large enough to forget Python's share, small enough for the cache.
BLOCK = 2**18


def group_weights(groups: ArrayLike, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Draw weights of bootstrap resamples of whole groups, with replacement.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Group of each sample.
    n_resamples : int
        How many resamples.
    rng : numpy.random.Generator
        Draws the groups.

    Returns
    -------
    weights : ndarray of shape (n_resamples, n_samples), dtype float64
        How often each sample is drawn.

    See Also
    --------
    resample : Metrics on such resamples.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import group_weights
    >>> group_weights(["a", "a", "b"], 3, np.random.default_rng(0)).tolist()
    [[0.0, 0.0, 2.0], [1.0, 1.0, 1.0], [2.0, 2.0, 0.0]]
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    return np.take(_counts(len(names), n_resamples, rng), index, axis=1)


def rarest_groups(labels: Labels, groups: NDArray) -> int:
    """Count the groups with the class that the fewest groups have.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_samples,)
        Class and group of each sample.

    Returns
    -------
    n_groups : int

    See Also
    --------
    jackknife : Where this number limits what is known.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.metrics import rarest_groups
    >>> rarest_groups(np.array([0, 0, 0, 1, 1]), np.array([1, 2, 3, 4, 4]))
    1
    """
    return min(len(np.unique(groups[labels == label])) for label in np.unique(labels))


def check_sample(
    y_true: ArrayLike, groups: ArrayLike | None, folds: ArrayLike | None
) -> tuple[Labels, NDArray[np.intp], list[NDArray[np.intp]]]:
    """Labels and group of each sample, (n_samples,), and the rows of each fold.

    Raises
    ------
    ValueError
        If lengths differ, labels are no whole numbers or of one class only in a fold, or a group or fold is missing.
    """
    labels = check_labels(y_true)
    index, _ = check_groups(groups, len(labels))
    fold, n_folds = check_groups(np.zeros(len(labels)) if folds is None else folds, len(labels), name="folds")
    parts = [np.flatnonzero(fold == k) for k in range(n_folds)]
    for part in parts:
        check_both_classes(labels[part], where="y_true" if folds is None else f"fold {np.asarray(folds)[part[0]]}")
    return labels, index, parts


def draw(
    statistic: Callable[[NDArray[np.intp], Floats], Floats],
    parts: list[NDArray[np.intp]],
    index: NDArray[np.intp],
    n_resamples: int,
    random_state: int | None,
    n_jobs: int = -1,
) -> tuple[Floats, Floats]:
    """Means over the folds of a statistic with several columns, of the samples as they are and of each resample.

    Parameters
    ----------
    statistic : callable
        `statistic(rows of a fold, weights of these) -> values`, of shapes (n_samples,), (n_rows, n_samples) and
        (n_rows, n_columns).
    parts : list of ndarray
        Rows of each fold.
    index : ndarray of shape (n_samples,)
        Group of each sample, from 0.

    Returns
    -------
    values : ndarray of shape (n_columns,)
    draws : ndarray of shape (n_resamples, n_columns)
    """

    def mean(block: tuple[int, Floats]) -> Floats:
        enough, counts = block
        of_folds = np.stack([statistic(part, np.take(counts, index[part], axis=1)) for part in parts])
        defined = ~np.isnan(of_folds)
        n_defined = defined.sum(axis=0)
        total = sum(np.where(defined, of_folds, 0))
        return np.where(n_defined < enough, np.nan, total / np.maximum(n_defined, 1))

    n_resamples = check_count(n_resamples, name="n_resamples")
    found = np.concatenate(map_threads(mean, _blocks(parts, index, n_resamples, random_state), n_jobs))
    found[:, np.isnan(found[0])] = np.nan
    return found[0], found[1:]


def _blocks(
    parts: list[NDArray[np.intp]], index: NDArray[np.intp], n_resamples: int, random_state: int | None
) -> Iterator[tuple[int, Floats]]:
    """In how many folds a value must be defined, and counts of groups: first each once, then those of resamples."""
    n_groups, rng = int(index.max()) + 1, np.random.default_rng(random_state)
    yield len(parts), np.ones((1, n_groups))
    rows_at_once = max(1, BLOCK // max(n_groups, *(len(part) for part in parts)))
    for start in range(0, n_resamples, rows_at_once):
        yield 1, _counts(n_groups, min(rows_at_once, n_resamples - start), rng)


def _counts(n_groups: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Return how often each group is drawn, (n_resamples, n_groups)."""
    drawn = rng.integers(0, n_groups, (n_resamples, n_groups)) + n_groups * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_groups)
    return counts.reshape(n_resamples, n_groups).astype(np.float64)
