"""Mean ROC and precision-recall curves with bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation import EvaluationResult, FoldResult
from ..metrics import group_weights, percentile_interval, rarest_groups
from ._style import model_names

Floats = NDArray[np.float64]
GRID = np.linspace(0, 1, 101)
N_RESAMPLES = 2000
BLOCK = 2**20  # weights at once
SMALLEST = 1e-9  # less than any step of a curve, more than the rounding of any place


def mean_curves(result: EvaluationResult, kind: str = "roc", *, models: Sequence[str] | None = None) -> pd.DataFrame:
    r"""Return the mean curve of each model over its folds, with a band.

    The curves of the folds' test parts are averaged vertically [1]_: the mean sensitivity at each share of false
    positives, or the mean precision at each recall. The band is pointwise: a percentile interval (95 %) at each place,
    of 2000 resamples that draw whole groups over all folds, as the intervals in `EvaluationResult.frame` are. With
    more than two classes it is the mean over the classes too, each against the rest.

    Parameters
    ----------
    result : EvaluationResult
    kind : {"roc", "precision_recall"}, default="roc"
    models : sequence of str, default=None
        None takes all but the majority class.

    Returns
    -------
    curves : DataFrame
        Columns model, x, y, low and high; 101 rows for each model, x from 0 to 1. Of "roc" x is 1 - specificity and y
        sensitivity, linear between thresholds; of "precision_recall" x is recall and y the precision at the highest
        threshold that reaches it, so that its integral is the average precision.

    Raises
    ------
    ValueError
        If there is no such kind or model.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import mean_curves
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> mean_curves(result, models=["edges"])[["x", "y"]].iloc[-1].tolist()
    [1.0, 1.0]
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}")
    parts = []
    for model in model_names(result, models, baselines=True):
        folds = [fold for fold in result.fold_results if fold.model == model]
        values, draws, n_groups = _resample(result, folds, KINDS[kind])
        bands = np.array([percentile_interval(column, 0.95, n_groups) for column in draws.T])
        columns = {"x": GRID, "y": values, "low": bands[:, 0], "high": bands[:, 1]}
        parts.append(pd.DataFrame({"model": model, **columns}))
    return pd.concat(parts, ignore_index=True)


def _resample(
    result: EvaluationResult, folds: list[FoldResult], at_grid: Callable[[Floats, Floats], Floats]
) -> tuple[Floats, Floats, int]:
    """Mean curve (101,), the same of each resample (n_resamples, 101), and how many groups the rarest class has."""
    rows = np.unique(np.concatenate([fold.test for fold in folds]))
    groups = rows if result.data.groups is None else result.data.groups[rows]
    places = [np.searchsorted(rows, fold.test) for fold in folds]
    draws = []
    for weights in _blocks(groups, np.random.default_rng(result.random_state)):
        curves = [
            _fold_curve(result, fold, weights[:, place], at_grid) for fold, place in zip(folds, places, strict=True)
        ]
        defined = ~np.isnan(curves)
        total = np.where(defined, curves, 0).sum(axis=0)
        # A fold of few patients may lose a class in a resample: the mean is over the others, as in `metrics.resample`.
        draws.append(np.where(defined.any(axis=0), total / np.maximum(defined.sum(axis=0), 1), np.nan))
    return draws[0][0], np.concatenate(draws[1:]), rarest_groups(result.data.y[rows], groups)


def _blocks(groups: NDArray[Any], rng: np.random.Generator) -> Iterator[Floats]:
    """Weights of the images as they are, then those of the resamples, some at a time."""
    yield np.ones((1, len(groups)))
    size = max(1, BLOCK // len(groups))
    for start in range(0, N_RESAMPLES, size):
        yield group_weights(groups, min(size, N_RESAMPLES - start), rng)


def _fold_curve(
    result: EvaluationResult, fold: FoldResult, weights: Floats, at_grid: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Curves (n_resamples, 101) of one fold, the mean over the classes where there are more than two."""
    n_classes = fold.scores.shape[1]
    y = result.data.y[fold.test]
    curves = []
    for k in [1] if n_classes == 2 else range(n_classes):
        order = np.argsort(-fold.scores[:, k], kind="stable")
        score, is_class = fold.scores[order, k], y[order] == k
        last_of_tie = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
        ordered = weights[:, order]
        true, false = (np.cumsum(ordered * side, axis=1)[:, last_of_tie] for side in (is_class, ~is_class))
        curves.append(at_grid(true, false))
    mean: Floats = np.mean(curves, axis=0)
    return mean


def _roc(true: Floats, false: Floats) -> Floats:
    """Sensitivity at each share of false positives, from counts (n_resamples, n_thresholds) above each threshold."""
    defined = (true[:, -1] > 0) & (false[:, -1] > 0)
    start = np.zeros((defined.sum(), 1))
    x, y = (np.hstack([start, side[defined] / side[defined, -1:]]) for side in (false, true))
    # All rows in one call, each further right than the one before; at a vertical step the upper end.
    places = GRID + SMALLEST + _shift(x)
    curves = np.full((len(true), len(GRID)), np.nan)
    curves[defined] = np.interp(places.ravel(), (x + _shift(x)).ravel(), y.ravel()).reshape(places.shape)
    return curves


def _precision_recall(true: Floats, false: Floats) -> Floats:
    """Precision at each recall, from the same counts."""
    defined = true[:, -1] > 0
    found, wrong = true[defined], false[defined]
    recall = found / found[:, -1:]
    places = np.maximum(GRID - SMALLEST, SMALLEST) + _shift(recall)
    reached = np.searchsorted((recall + _shift(recall)).ravel(), places.ravel()).reshape(places.shape)
    curves = np.full((len(true), len(GRID)), np.nan)
    curves[defined] = found.ravel()[reached] / (found + wrong).ravel()[reached]
    return curves


def _shift(rows: Floats) -> Floats:
    """2 for each row, (n_rows, 1): rows of numbers from 0 to 1, one after the other, stay in order."""
    return np.arange(0.0, 2.0 * len(rows), 2.0)[:, None]


KINDS = {"roc": _roc, "precision_recall": _precision_recall}
