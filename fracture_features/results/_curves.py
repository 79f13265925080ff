"""Mean ROC and precision-recall curves with bands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..metrics import ResampledCurve, decision_curve, percentile_interval
from ._models import model_names
from ._result import EvaluationResult

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
GRID = np.linspace(0, 1, 101)
SMALLEST = 1e-9  # less than any step of a curve, more than the rounding of any place


def mean_curves(result: EvaluationResult, kind: str = "roc", *, models: Sequence[str] | None = None) -> pd.DataFrame:
    r"""Return the mean curve of each model over its folds, with a band.

    The curves of the folds' test parts are averaged vertically [1]_: the mean sensitivity at each share of false
    positives, or the mean precision at each recall. The band is pointwise: a percentile interval (95 %) at each place,
    of 2000 resamples of whole groups. Where folds share training data it is of the method, trained anew, as intervals
    in `EvaluationResult.frame` are: resamples lie further from the curve by Nadeau and Bengio's factor
    (`metrics.metric_interval`). With more than two classes it is the mean over the classes too, each against the rest.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    kind : {"roc", "precision_recall"}, default="roc"
    models : sequence of str, default=None
        None takes all but those that give every image the same score, as the majority class does.

    Returns
    -------
    curves : DataFrame
        Columns model, x, y, low and high; 101 rows for each model, x from 0 to 1. Of "roc" x is 1 - specificity and y
        sensitivity, linear between thresholds; of "precision_recall" x is recall and y the precision at the highest
        threshold that reaches it, so that its integral is scikit-learn's average precision: `EvaluationResult.frame`
        has it corrected for chance.

    Raises
    ------
    ValueError
        If there is no such kind or model.

    See Also
    --------
    fracture_features.plotting.plot_roc : Draw them.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.results import mean_curves
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> mean_curves(result, models=["edges"])[["x", "y"]].iloc[-1].tolist()
    [1.0, 1.0]
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}")
    parts = []
    for model in model_names(result, models, baselines=True):
        curve = result.estimates.curve(model, partial(_curve, kind))
        parts.append(pd.DataFrame({"model": model, "x": GRID, "y": curve.values, **_band(curve, 0, 1)}))
    return pd.concat(parts, ignore_index=True)


def mean_decision_curve(result: EvaluationResult, model: str) -> pd.DataFrame:
    r"""Return the net benefit of acting on a model's probabilities, the mean over its folds, with a band.

    The band is that of `mean_curves`: pointwise, 95 %, of the same resamples of whole groups. It is wide for a reason
    that all models share, as a resample of more fractures brings each of them, and treating all, more benefit.

    Parameters
    ----------
    result : EvaluationResult
        Of two classes.
    model : str
        One that gives probabilities.

    Returns
    -------
    curve : DataFrame
        Columns as those of `metrics.decision_curve`, and low and high of the net benefit: NaN where there are too few
        groups for an interval.

    See Also
    --------
    fracture_features.plotting.plot_decision_curve : Draw it.

    References
    ----------
    .. [1] A. J. Vickers et al., "Extensions to decision curve analysis, a novel method for evaluating diagnostic tests,
       prediction models and molecular markers", BMC Medical Informatics and Decision Making 8:53, 2008.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.results import mean_decision_curve
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> model = make_pipeline("edges", "logistic", image_size=48)
    >>> curve = mean_decision_curve(evaluate({"edges": model}, data, cv=2, random_state=0), "edges")
    >>> curve.columns.tolist()
    ['threshold', 'net_benefit', 'treat_all', 'treat_none', 'low', 'high']
    >>> bool((curve["low"] <= curve["net_benefit"]).all())
    True
    """
    folds = result.folds_of(model)
    curves = [decision_curve(result.data.y[fold.test], fold.of("probabilities")) for fold in folds]
    mean = pd.concat(curves).groupby(level=0).mean().assign(threshold=curves[0]["threshold"])
    benefit = partial(_net_benefit, mean["threshold"].to_numpy())
    return mean.assign(**_band(result.estimates.curve(model, benefit, "probabilities")))


def _band(curve: ResampledCurve, lowest: float = -np.inf, highest: float = np.inf) -> dict[str, Floats]:
    """Limits at each place, within those of the curve's scale."""
    limits = np.array([percentile_interval(column, 0.95, curve.n_groups) for column in curve.draws.T])
    low, high = np.clip(limits, lowest, highest).T
    return {"low": low, "high": high}


def _net_benefit(thresholds: Floats, y: Labels, probability: Floats, weights: Floats) -> Floats:
    """That of `metrics.decision_curve` for each row of weights, (n_resamples, n_thresholds)."""
    order = np.argsort(-probability, kind="stable")
    treated = np.searchsorted(-probability[order], -thresholds, side="right")
    benefits = np.zeros((len(weights), len(thresholds)))
    for worth, label in ((np.ones(len(thresholds)), 1), (-thresholds / (1 - thresholds), 0)):
        counts = np.cumsum(weights[:, order] * (y[order] == label), axis=1)
        benefits += worth * np.hstack([np.zeros((len(weights), 1)), counts])[:, treated]
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(benefits, total, out=np.full_like(benefits, np.nan), where=total > 0)


def _curve(kind: str, y: Labels, scores: Floats, weights: Floats) -> Floats:
    """Curves (n_resamples, 101) of scores (n_samples,), or of (n_samples, n_classes) their mean over the classes."""
    columns = scores[:, None] if scores.ndim == 1 else scores
    classes = [1] if scores.ndim == 1 else range(scores.shape[1])
    curves = []
    for k, column in zip(classes, columns.T, strict=True):
        order = np.argsort(-column, kind="stable")
        score, is_class = column[order], y[order] == k
        last_of_tie = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
        ordered = weights[:, order]
        true, false = (np.cumsum(ordered * side, axis=1)[:, last_of_tie] for side in (is_class, ~is_class))
        curves.append(KINDS[kind](true, false))
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
