"""Images of a data set, and what a model called them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._validation import check_count
from ..datasets import FractureDataset
from ..images import read_image, read_shape
from ..results import EvaluationResult, confident_mistakes, some_predictions
from ._style import FOR, draw_boxes, make_axes, make_panels, plain, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_SIZE = 384  # pixels along the longer side
N_COLUMNS = 4


def plot_samples(
    data: FractureDataset, *, n_per_class: int = 4, random_state: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw some images of each class, of as many groups as there are, with the boxes that mark fractures.

    Parameters
    ----------
    data : FractureDataset
    n_per_class : int, default=4
    random_state : int, default=None
        Which images.
    ax : matplotlib Axes, default=None

    Returns
    -------
    ax : matplotlib Axes
        An empty one with an image in each of its `child_axes`, a row for each class.

    Raises
    ------
    ValueError
        If `n_per_class` is no integer of at least 1.
    ImageReadError
        If an image cannot be read.
    """
    check_count(n_per_class, name="n_per_class")
    n_classes = len(data.target_names)
    ax = make_axes(ax, 1.8 * n_per_class, 2.0 * n_classes)
    panels = make_panels(ax, n_classes, n_per_class, gap=(0.12, 0.04))
    rng = np.random.default_rng(random_state)
    for k, name in enumerate(data.target_names):
        order = rng.permutation(np.flatnonzero(data.y == k))
        groups = order if data.groups is None else data.groups[order]
        # Images of patients not shown yet come first.
        repeats = pd.Series(groups).groupby(groups).cumcount().to_numpy()
        chosen = order[np.argsort(repeats, kind="stable")][:n_per_class]
        row = panels[k * n_per_class : (k + 1) * n_per_class]
        for j, panel in enumerate(row):
            if j < len(chosen):
                image = read_image(data.paths[chosen[j]], max_side=SHOWN_SIZE)
                show_image(panel, image, plain(name, 40) if j == 0 else "")
                if data.boxes is not None and (boxes := data.boxes[chosen[j]]) is not None and len(boxes):
                    scale = np.divide(image.shape, read_shape(data.paths[chosen[j]]))
                    draw_boxes(panel, boxes * [*scale, *scale])
            else:
                panel.set_axis_off()
    return ax


def plot_predictions(
    result: EvaluationResult, model: str, *, n: int = 8, random_state: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw images of the test parts at random, with what they are and what the model called them.

    Parameters
    ----------
    result : EvaluationResult
    model : str
    n : int, default=8
        Images, at most.
    random_state : int, default=None
        Which.
    ax : matplotlib Axes, default=None

    Returns
    -------
    ax : matplotlib Axes
        An empty one with an image in each of its `child_axes`; what follows the prediction is its probability or,
        where the model gives none, its score.

    Raises
    ------
    ValueError
        If there is no such model, or `n` is no integer of at least 1.
    ImageReadError
        If an image cannot be read.
    """
    return _draw(some_predictions(result, model, n, random_state), ax)


def plot_mistakes(result: EvaluationResult, model: str, *, n: int = 8, ax: Axes | None = None) -> Axes:
    """Draw the images a model got wrong and was surest of; otherwise as `plot_predictions`.

    Parameters
    ----------
    result : EvaluationResult
    model : str
    n : int, default=8
    ax : matplotlib Axes, default=None

    Returns
    -------
    ax : matplotlib Axes
        From `confident_mistakes`; without images where there is no mistake.

    Raises
    ------
    ValueError
        If there is no such model, or `n` is no integer of at least 1.
    ImageReadError
        If an image cannot be read.
    """
    return _draw(confident_mistakes(result, model, n), ax)


def _draw(table: pd.DataFrame, ax: Axes | None) -> Axes:
    n_columns = min(N_COLUMNS, max(1, len(table)))
    n_rows = max(1, -(-len(table) // n_columns))
    ax = make_axes(ax, 2.0 * n_columns, 2.7 * n_rows)
    if table.empty:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no mistake", ha="center", va="center", transform=ax.transAxes)
        return ax
    panels = make_panels(ax, n_rows, n_columns, gap=(0.3, 0.06))
    row: Any
    for panel, row in zip(panels, table.itertuples(), strict=False):
        wrong = row.label != row.predicted
        title = f"{'✗' if wrong else '✓'} is {plain(row.label, 20)}\ncalled {plain(row.predicted, 20)}\n{sureness(row)}"
        show_image(panel, read_image(row.path, max_side=SHOWN_SIZE), title, FOR if wrong else "black")
    for panel in panels[len(table) :]:
        panel.set_axis_off()
    return ax


def sureness(row: Any) -> str:
    """How surely a row of `example_table` was called what it was."""
    return f"score {row.score:.2f}" if np.isnan(row.probability) else f"probability {row.probability:.2f}"
