"""Curves over thresholds and probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from ..results import (
    EvaluationResult,
    mean_curves,
    mean_decision_curve,
    model_names,
    smooth_reliability,
    sorted_models,
    with_interval,
)
from ._style import (
    DASHES,
    GREY,
    LIGHT,
    MARKERS,
    add_legend,
    curve_style,
    legend_height,
    make_axes,
    marker,
    tidy,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 4.8, 4.2  # inches, without the legend
HISTOGRAM = 0.18  # height of the strip below 0, where the observed share is 1 high
N_BARS = 25


def plot_roc(result: EvaluationResult, *, models: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    r"""Draw the mean ROC curve of each model, with a band from resampling whole groups.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    models : sequence of str, default=None
        None takes all but the majority class, whose curve is the diagonal. The best three by ROC AUC are coloured and
        have a band, the others are grey.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Its lines hold `results.mean_curves(result)`, which says how curves are averaged and bands made; the legend,
        the best first, gives the mean of the folds' areas and its interval, from `result.frame()`.

    Raises
    ------
    ValueError
        If there is no such model.
    MissingDependencyError
        If matplotlib is not installed; as in all functions here.

    See Also
    --------
    fracture_features.results.mean_curves : What is drawn.
    plot_precision_recall : Where few images are fractured.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_roc
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_roc(result, ax=Figure().subplots())
    >>> ax.get_xlabel()
    '1 − specificity'
    """
    curves = mean_curves(result, "roc", models=models)
    ax = _axes_with_legend(ax, curves["model"].unique())
    _draw_reference(ax, 0, 1)
    _draw_bands(result, curves, "roc_auc", ax)
    return tidy(ax, xlabel="1 − specificity", ylabel="Sensitivity", aspect="auto")


def plot_precision_recall(
    result: EvaluationResult, *, models: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    r"""Draw the mean precision-recall curve of each model, with a band; otherwise as `plot_roc`.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    models : sequence of str, default=None
        None takes all but the majority class.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The dotted line is what guessing has: the share of fractures, or of more than two classes its mean.

    Raises
    ------
    ValueError
        If there is no such model.

    See Also
    --------
    plot_roc : The curve that does not depend on the prevalence.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_precision_recall
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_precision_recall(result, ax=Figure().subplots())
    >>> ax.get_ylabel()
    'Precision (PPV)'
    """
    curves = mean_curves(result, "precision_recall", models=models)
    ax = _axes_with_legend(ax, curves["model"].unique())
    tested = result.tested
    shares = np.array(list(tested.class_counts().values())) / len(tested)
    chance = shares[1] if len(shares) == 2 else shares.mean()
    _draw_reference(ax, chance, chance)
    _draw_bands(result, curves, "average_precision", ax)
    return tidy(ax, xlabel="Recall (sensitivity)", ylabel="Precision (PPV)", aspect="auto")


def _axes_with_legend(ax: Axes | None, labels: Iterable[str]) -> Axes:
    return make_axes(ax, WIDTH, HEIGHT + legend_height(labels))


def _draw_reference(ax: Axes, first: float, last: float) -> None:
    """A dotted line from 0 to 1, of what guessing has or perfect probabilities would."""
    ax.plot([0, 1], [first, last], color=GREY, linewidth=0.8, linestyle=":")


def _draw_bands(result: EvaluationResult, curves: pd.DataFrame, measure: str, ax: Axes) -> None:
    rows = result.frame().query("measure == @measure").set_index("model")
    by_model = dict(iter(curves.groupby("model", sort=False)))
    row: Any
    for model in [name for name in sorted_models(result) if name in by_model]:
        curve, style, row = by_model[model], curve_style(result, model), rows.loc[model]
        if measure == "roc_auc":
            line = RocCurveDisplay(fpr=curve["x"].to_numpy(), tpr=curve["y"].to_numpy()).plot(ax=ax).line_
        else:
            line = PrecisionRecallDisplay(curve["y"].to_numpy(), curve["x"].to_numpy()).plot(ax=ax).line_
        line.set(**style, label=f"{wrapped(model)}  {with_interval(row['value'], row['low'], row['high'])}")
        _draw_band(ax, style, curve["x"], curve["low"], curve["high"])
    add_legend(ax)


def _draw_band(ax: Axes, style: dict[str, Any], x: pd.Series, low: pd.Series, high: pd.Series) -> None:
    """Between two limits, of a model that has a colour."""
    if style["color"] not in (GREY, LIGHT):
        ax.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def plot_calibration(result: EvaluationResult, *, models: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    r"""Draw a calibration curve: the observed share of a class by predicted probability.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    models : sequence of str, default=None
        None takes those that give probabilities and are no baseline.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Its lines hold `results.smooth_reliability`, its points `result.reliability()`, for each model and, of more than
        two, each class; the points' area grows with the images in a bin. Below them a histogram of the probabilities.
        Of many models the best three by ROC AUC are coloured and have points and a histogram.

    Raises
    ------
    ValueError
        If there is no such model, or none of them gives probabilities.

    See Also
    --------
    fracture_features.metrics.calibration_slope : One number for it.
    plot_decision_curve : What acting on probabilities is worth.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_calibration
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "logistic", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_calibration(result, ax=Figure().subplots())
    >>> len(ax.lines) > 0
    True
    """
    names, targets = _with_probabilities(result, models), result.data.target_names
    shown = targets[1:] if len(targets) == 2 else targets
    labels = {(name, target): name if len(shown) == 1 else f"{name}: {target}" for name in names for target in shown}
    ax = _axes_with_legend(ax, labels.values())
    table = result.reliability().set_index(["model", "class"])
    curves = {name: smooth_reliability(result, name).set_index("class") for name in names}
    for (model, target), label in labels.items():
        style, k = curve_style(result, model), targets.index(target)
        mark = marker(result, model)
        if len(shown) > 1:
            style, mark = style | {"linestyle": DASHES[k % len(DASHES)]}, MARKERS[k % len(MARKERS)]
        curve = curves[model].loc[[target]]
        ax.plot(curve["predicted"], curve["observed"], label=wrapped(label), **style)
        if style["color"] != LIGHT:
            _draw_bins(ax, table.loc[[(model, target)]], style, mark)
            _draw_histogram(ax, result, model, k, style)
    _draw_reference(ax, 0, 1)
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.set_yticks(np.linspace(0, 1, 6))
    add_legend(ax)
    limits = {"xlim": (-0.02, 1.02), "ylim": (-HISTOGRAM - 0.04, 1.02)}
    return tidy(ax, xlabel="Predicted probability", ylabel="Observed share", **limits)


def _draw_bins(ax: Axes, bins: pd.DataFrame, style: dict[str, Any], mark: str) -> None:
    size = 12 + 150 * bins["n"] / bins["n"].sum()
    ax.scatter(bins["predicted"], bins["observed"], s=size, color=style["color"], marker=mark)


def _draw_histogram(ax: Axes, result: EvaluationResult, model: str, k: int, style: dict[str, Any]) -> None:
    """How many images have which probability of class `k`, in the strip below 0; the highest bar fills it."""
    folds = [fold for fold in result.folds_of(model) if fold.probabilities is not None]
    probability = np.concatenate([fold.probabilities[:, k] for fold in folds if fold.probabilities is not None])
    counts, edges = np.histogram(probability, N_BARS, (0, 1))
    heights = HISTOGRAM * counts / counts.max() - HISTOGRAM - 0.02
    ax.stairs(heights, edges, baseline=-HISTOGRAM - 0.02, color=style["color"], linestyle=style["linestyle"])


def plot_decision_curve(
    result: EvaluationResult, *, models: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    r"""Draw the net benefit of acting on each model's probabilities, with a band, against treating all and none.

    Parameters
    ----------
    result : EvaluationResult
        Of two classes.
    models : sequence of str, default=None
        None takes those that give probabilities and are no baseline. The best three by ROC AUC are coloured and have
        a band, the others are grey.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Its lines and bands hold `results.mean_decision_curve`.

    Raises
    ------
    ValueError
        If there are more than two classes, there is no such model, or none of them gives probabilities.

    See Also
    --------
    fracture_features.results.mean_decision_curve : What is drawn.
    plot_calibration : Whether the probabilities are right.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_decision_curve
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "logistic", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_decision_curve(result, ax=Figure().subplots())
    >>> len(ax.lines) > 0
    True
    """
    if len(result.data.target_names) != 2:
        raise ValueError(f"a decision curve is for two classes, the data have {len(result.data.target_names)}")
    names = _with_probabilities(result, models)
    ax = _axes_with_legend(ax, names)
    highs = []
    for model in names:
        mean = mean_decision_curve(result, model)
        highs.append(float(mean["high"].fillna(0).max()))
        style = curve_style(result, model)
        ax.plot(mean["threshold"], mean["net_benefit"], label=wrapped(model), **style)
        _draw_band(ax, style, mean["threshold"], mean["low"], mean["high"])
    ax.plot(mean["threshold"], mean["treat_all"], color="black", linewidth=0.8, linestyle="--", label="treat all")
    ax.plot(mean["threshold"], mean["treat_none"], color="black", linewidth=0.8, label="treat none")
    add_legend(ax)
    top = max(0.05, *(float(np.max(line.get_ydata())) for line in ax.lines), *highs) * 1.08
    labels = {"xlabel": "Threshold probability", "ylabel": "Net benefit (true positives per image)"}
    return tidy(ax, **labels, xlim=(0, 1), ylim=(-0.25 * top, top))


def _with_probabilities(result: EvaluationResult, models: Sequence[str] | None) -> list[str]:
    shown = model_names(result, models)
    names = [name for name in sorted_models(result) if name in shown]
    having = {fold.model for fold in result.fold_results if fold.probabilities is not None}
    missing = [name for name in names if name not in having]
    if missing == names or (models is not None and missing):
        raise ValueError(f"{missing} give no probabilities; those that do: {sorted(having)}")
    return [name for name in names if name in having]
