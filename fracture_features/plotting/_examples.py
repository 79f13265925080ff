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
    r"""Draw some images of each class, of as many groups as there are, with the boxes that mark fractures.

    Parameters
    ----------
    data : FractureDataset
        From a loader.
    n_per_class : int, default=4
        Images of each class, at most.
    random_state : int, default=None
        Which images.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

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

    See Also
    --------
    plot_class_balance : How many images each class has.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.plotting import plot_samples
    >>> data = load_folder(make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> ax = plot_samples(data, n_per_class=2, random_state=0, ax=Figure().subplots())
    >>> len(ax.child_axes)
    4
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
    r"""Draw images of the test parts at random, with what they are and what the model called them.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    model : str
        A name in the result.
    n : int, default=8
        Images, at most.
    random_state : int, default=None
        Which.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

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

    See Also
    --------
    plot_mistakes : Those that the model got wrong.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_predictions
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_predictions(result, "edges", n=3, random_state=0, ax=Figure().subplots())
    >>> len(ax.child_axes)
    3
    """
    return _draw(some_predictions(result, model, n, random_state), ax)


def plot_mistakes(result: EvaluationResult, model: str, *, n: int = 8, ax: Axes | None = None) -> Axes:
    r"""Draw the images a model got wrong and was surest of; otherwise as `plot_predictions`.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    model : str
        A name in the result.
    n : int, default=8
        How many images, at most.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

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

    See Also
    --------
    fracture_features.results.confident_mistakes : The table.
    plot_predictions : Images at random.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_mistakes
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> ax = plot_mistakes(result, "edges", n=3, ax=Figure().subplots())
    >>> len(ax.child_axes) <= 3
    True
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
    """Return how surely a row of `example_table` was called what it was."""
    return f"score {row.score:.2f}" if np.isnan(row.probability) else f"probability {row.probability:.2f}"
