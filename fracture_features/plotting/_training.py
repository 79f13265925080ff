"""Figures of what happened while a model was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import COLOURS, GREY, SMALL, add_legend, make_axes, make_panels, tidy, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SETTINGS = 20
LINES = {
    "loss": ("training", 0, "-"),
    "val_loss": ("validation", 1, "--"),
    "accuracy": ("training", 0, "-"),
    "val_accuracy": ("validation", 1, "--"),
    "val_roc_auc": ("validation, ROC AUC", 2, ":"),
}


def plot_history(history: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Draw a network's loss and accuracy after each epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
        `CNNClassifier.history_`.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        An empty one whose `child_axes` are the losses' and the accuracies'. A vertical line marks the epoch with the
        smallest validation loss, whose weights are kept.

    Raises
    ------
    ValueError
        If there is no loss or accuracy.

    See Also
    --------
    fracture_features.CNNClassifier : What is trained.

    Examples
    --------
    >>> from fracture_features.plotting import plot_history
    >>> ax = plot_history({"loss": [0.7, 0.5], "accuracy": [0.5, 0.8]})
    >>> [panel.get_ylabel() for panel in ax.child_axes]
    ['Loss', 'Accuracy']
    """
    if missing := [name for name in ("loss", "accuracy") if name not in history]:
        raise ValueError(f"history must be a CNNClassifier's history_, got one without {missing}: {list(history)}")
    ax = make_axes(ax, 7.6, 3.2)
    panels = make_panels(ax, 1, 2, gap=(0.0, 0.25))
    shares = "Accuracy, ROC AUC" if "val_roc_auc" in history else "Accuracy"
    for panel, kinds, label in (
        (panels[0], ("loss", "val_loss"), "Loss"),
        (panels[1], ("accuracy", "val_accuracy", "val_roc_auc"), shares),
    ):
        for name in (name for name in kinds if name in history):
            values = np.asarray(history[name], dtype=np.float64)
            text, k, dashes = LINES[name]
            panel.plot(np.arange(1, len(values) + 1), values, dashes, color=COLOURS[k], label=text, linewidth=1.8)
        if "val_loss" in history:
            panel.axvline(1 + int(np.argmin(history["val_loss"])), color=GREY, linewidth=0.8, zorder=0)
        add_legend(panel)
        panel.locator_params(axis="x", integer=True)
        tidy(panel, xlabel="Epoch", ylabel=label)
    return ax


def plot_grid_search(cv_results: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Draw the scores of a search's settings, from the best down.

    Parameters
    ----------
    cv_results : mapping
        `cv_results_` of a search with one scorer.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        A row for each of the 20 best settings: a small point for each fold, a large one for their mean. Parameters
        that are the same in all settings are left away.

    Raises
    ------
    ValueError
        If there is no `mean_test_score`.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : What is searched.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from fracture_features.plotting import plot_grid_search
    >>> scores = {"split0_test_score": [0.7, 0.8], "split1_test_score": [0.6, 0.9], "mean_test_score": [0.65, 0.85]}
    >>> ax = plot_grid_search({"params": [{"C": 1}, {"C": 10}], **scores}, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['C = 10', 'C = 1']
    """
    if "mean_test_score" not in cv_results:
        raise ValueError(
            f"cv_results must be a search's cv_results_ with 'mean_test_score', got the keys {list(cv_results)}"
        )
    mean = np.asarray(cv_results["mean_test_score"], dtype=np.float64)
    order = np.argsort(-np.where(np.isnan(mean), -np.inf, mean), kind="stable")[:MAX_SETTINGS]
    settings = _settings(cv_results["params"])
    labels = [settings[k] for k in order]
    n_lines = max((label.count("\n") + 1 for label in labels), default=1)
    ax = make_axes(ax, 6.4, 1.1 + (0.17 + 0.15 * n_lines) * len(order))
    folds = sorted(key for key in cv_results if key.startswith("split") and key.endswith("_test_score"))
    rows = np.arange(len(order))
    for key in folds:
        ax.plot(np.asarray(cv_results[key])[order], rows, "o", color=GREY, markersize=3, alpha=0.7)
    ax.plot(mean[order], rows, "o", color=COLOURS[0], markersize=7)
    ax.set_yticks(rows, labels, fontsize=SMALL + 1)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    hidden = len(mean) - len(order)
    more = f"\n{hidden} lower settings are not shown" if hidden else ""
    return tidy(ax, xlabel=f"Score on each fold and its mean{more}")


def _settings(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each setting as `C = 10, orientations = 9`: what tells it from the others, names as short as that allows."""
    names = list(dict.fromkeys(name for setting in params for name in setting))
    values = {name: {name in setting and repr(setting[name]) for setting in params} for name in names}
    telling = [name for name in names if len(values[name]) > 1] or names
    shown = {name: _short(name, names) for name in telling}
    texts = (", ".join(f"{shown[n]} = {setting[n]}" for n in shown if n in setting) for setting in params)
    return [wrapped(text or "as it is", 48) for text in texts]


def _short(name: str, names: Sequence[str]) -> str:
    """The end of a parameter's name that no other has."""
    parts = name.split("__")
    ends = ["__".join(parts[k:]) for k in range(len(parts) - 1, -1, -1)]
    return next((end for end in ends if sum(f"__{other}".endswith(f"__{end}") for other in names) == 1), name)
