"""Figures of one table each: models, subgroups, confusions, classes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from ..datasets import FractureDataset
from ..results import EvaluationResult, measure_label, model_names, with_interval
from ._style import (
    COLOURS,
    GREY,
    MARKERS,
    SMALL,
    add_legend,
    legend_height,
    line_style,
    make_axes,
    marker,
    plain,
    tidy,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANCE = {"roc_auc": 0.5, "kappa": 0.0, "mcc": 0.0}  # whatever the number and share of the classes
NAME_WIDTH = 28  # characters


def plot_forest(result: EvaluationResult, *, measure: str = "roc_auc", ax: Axes | None = None) -> Axes:
    r"""Draw a measure of every model with its interval, the baselines apart.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    measure : str, default="roc_auc"
        As in `result.frame()`.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        From the highest value down, models above and baselines below a line. A model that is not shown to be better
        than the best baseline (`above_baselines`) has a hollow point and an asterisk.

    Raises
    ------
    ValueError
        If there is no such measure.

    See Also
    --------
    plot_subgroups : One model, by subgroup.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_forest
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_forest(result, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()][-1]
    'majority class'
    """
    model_names(result)
    frame = result.frame()
    rows = frame[(frame["measure"] == measure) & frame["value"].notna()]
    if rows.empty:
        known = sorted(frame.loc[frame["value"].notna(), "measure"].unique())
        raise ValueError(f"measure={measure!r} is none of those with a value: {known}")
    is_baseline = rows["model"].isin(result.baselines)
    rows = rows.assign(baseline=is_baseline).sort_values(["baseline", "value"], ascending=[True, False])
    ax = make_axes(ax, 6.0, 1.1 + 0.34 * len(rows))
    labels = []
    row: Any
    for y, row in enumerate(rows.itertuples()):
        not_above = row.above_baselines is False
        colour = GREY if row.baseline else COLOURS[0]
        low, high, value = (float(v) for v in (row.low, row.high, row.value))
        ax.plot([low, high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        ax.plot([value], [y], "o", color=colour, markerfacecolor="white" if not_above else colour, markersize=6)
        labels.append(plain(str(row.model), NAME_WIDTH) + (" *" if not_above else ""))
        _write_values(ax, y, row)
    _finish_forest(ax, labels, measure, int((~is_baseline).sum()))
    if any(label.endswith(" *") for label in labels):
        note = "* not shown to be better\nthan the best baseline"
        ax.set_xlabel(f"{measure_label(measure)}\n{note}")
    return ax


def _write_values(ax: Axes, y: int, row: Any) -> None:
    """Value and interval at the right edge, in a column."""
    text = with_interval(row.value, row.low, row.high)
    ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=SMALL + 1)


def _finish_forest(ax: Axes, labels: list[str], measure: str, n_models: int) -> None:
    if measure in CHANCE:
        ax.axvline(CHANCE[measure], color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    if 0 < n_models < len(labels):
        ax.axhline(n_models - 0.5, color="#CCCCCC", linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    tidy(ax, xlabel=measure_label(measure)).spines["left"].set_visible(False)


def plot_subgroups(
    result: EvaluationResult,
    column: str,
    *,
    measure: str = "roc_auc",
    models: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw a measure within each subgroup of the images, with its interval.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    column : str
        Of `result.data.frame`.
    measure : str, default="roc_auc"
        As in `result.frame()`.
    models : sequence of str, default=None
        None takes those that are no baseline.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        A row for each subgroup, with the images in it; those of fewer than 10 images of a class are named below.

    Raises
    ------
    ValueError
        If there is no such column, measure or model, or the column is empty.

    See Also
    --------
    plot_forest : All models, all images.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_subgroups
    >>> data = load_folder(make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> data.frame["side"] = ["left", "right"] * 30
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_subgroups(result, "side", ax=Figure().subplots())
    >>> len(ax.get_yticklabels())
    2
    """
    names = model_names(result, models)
    table = result.subgroups(column, measures=[measure])
    counts = table.drop_duplicates(column).set_index(column)["n"]
    if counts.empty:
        raise ValueError(f"column={column!r} must name a subgroup of some image, got missing values alone")
    table = table[table["value"].notna()]
    values = list(dict.fromkeys(table[column]))
    ax = make_axes(ax, 5.2, 1.4 + 0.28 * len(values) * max(2, len(names)) + legend_height(names))
    for k, model in enumerate(names):
        rows = table[table["model"] == model]
        y = np.array([values.index(value) for value in rows[column]]) + (k - (len(names) - 1) / 2) * 0.7 / len(names)
        colour = line_style(result, model)["color"]
        ax.hlines(y, rows["low"], rows["high"], color=colour, linewidth=1.6)
        ax.plot(rows["value"], y, marker(result, model), color=colour, markersize=5, label=wrapped(model))
    ax.set_yticks(range(len(values)), [f"{plain(str(value), NAME_WIDTH)}\n{counts[value]} images" for value in values])
    ax.set_ylim(max(len(values), 1) - 0.5, -0.5)
    if not values:
        ax.set_xlim(0, 1)
    if measure in CHANCE:
        ax.axvline(CHANCE[measure], color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    few = [f"{plain(str(value), NAME_WIDTH)} {n}" for value, n in counts.items() if value not in values]
    note = textwrap.wrap(f"Too few images: {', '.join(few)}", 60) if few else []
    tidy(ax, xlabel="\n".join([measure_label(measure), *note])).tick_params(axis="y", length=0)
    add_legend(ax)
    return ax


def plot_confusion_matrix(result: EvaluationResult, model: str, *, ax: Axes | None = None) -> Axes:
    r"""Draw the confusion matrix: counts, and their share of the true class.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    model : str
        A name in the result.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Of `result.confusion(model)`; the shade is the share of the true class.

    Raises
    ------
    ValueError
        If there is no such model.

    See Also
    --------
    plot_predictions : The images themselves.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_confusion_matrix
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_confusion_matrix(result, "edges", ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['non-fractured', 'fractured']
    """
    counts = result.confusion(model).to_numpy()
    names = [plain(name, 20) for name in result.data.target_names]
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = make_axes(ax, 2.4 + 0.8 * len(names), 1.8 + 0.8 * len(names) + legend_height([model]))
    display = ConfusionMatrixDisplay(rates, display_labels=names)
    display.plot(ax=ax, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    for text, count, rate in zip(display.text_.ravel(), counts.ravel(), rates.ravel(), strict=True):
        text.set(text=f"{count}\n{rate:.0%}", color="white" if rate > 0.55 else "black")
    ax.set(xlabel="Predicted", ylabel="True", aspect="auto")  # square cells push the labels off the figure
    ax.tick_params(length=0)
    if max(map(len, names)) > 14:
        ax.set_xticks(range(len(names)), names, rotation=20, ha="right")
    ax.set_title(wrapped(model, 26), fontsize=SMALL + 1, loc="left")
    return ax


def plot_image_sizes(data: FractureDataset, *, ax: Axes | None = None) -> Axes:
    r"""Draw the width and height of every image, by class: sizes that only one class has are a shortcut.

    Parameters
    ----------
    data : FractureDataset
        Readable images.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        A point for each image; where several have a size, the point is darker.

    See Also
    --------
    plot_class_balance : How many images each class has.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.plotting import plot_image_sizes
    >>> data = load_folder(make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> ax = plot_image_sizes(data, ax=Figure().subplots())
    >>> len(ax.collections)
    2
    """
    counts = data.class_counts()
    ax = make_axes(ax, 4.8, 3.8 + legend_height(counts))
    sizes = data.files[["width", "height"]].to_numpy(dtype=np.float64)
    for k, name in enumerate(counts):
        width, height = sizes[data.y == k].T
        mark = MARKERS[k % len(MARKERS)]
        ax.scatter(width, height, s=22, alpha=0.35, color=COLOURS[k % len(COLOURS)], marker=mark, label=wrapped(name))
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    add_legend(ax)
    return tidy(ax, xlabel="Width, pixels", ylabel="Height, pixels")


def plot_class_balance(data: FractureDataset, *, ax: Axes | None = None) -> Axes:
    r"""Draw how many images, and groups, each class has.

    Parameters
    ----------
    data : FractureDataset
        From a loader.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        A bar for each class.

    See Also
    --------
    plot_samples : Some of the images.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.plotting import plot_class_balance
    >>> data = load_folder(make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> ax = plot_class_balance(data, ax=Figure().subplots())
    >>> len(ax.patches)
    2
    """
    counts = data.class_counts()
    ax = make_axes(ax, 5.2, 1.0 + 0.5 * len(counts))
    texts = [f"{plain(name, NAME_WIDTH)}\n{n} images, {n / len(data):.0%}" for name, n in counts.items()]
    if data.groups is not None:
        groups = [len(np.unique(data.groups[data.y == k])) for k in range(len(counts))]
        texts = [f"{text}, {n} groups" for text, n in zip(texts, groups, strict=True)]
    ax.barh(range(len(counts)), list(counts.values()), height=0.55, color=COLOURS[0])
    ax.set_yticks(range(len(counts)), texts, fontsize=SMALL + 1)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    return tidy(ax, xlabel="Images")
