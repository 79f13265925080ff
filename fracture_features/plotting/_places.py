"""Where models find fractures: the free-response curve, and images with their boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..results import EvaluationResult, froc_table
from ._pictures import _check_image, _rgb
from ._style import COLOURS, FOR, GREY, add_legend, legend_height, line_style, make_axes, tidy, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 4.2  # inches, without the legend
MARKED = COLOURS[2]
THICKNESS = 180  # of an image's longer side a line has a part of so many


def plot_froc(result: EvaluationResult, *, ax: Axes | None = None) -> Axes:
    r"""Draw the free-response curve of each model that finds boxes, with its band.

    Parameters
    ----------
    result : EvaluationResult
        Of data with boxes.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Its lines hold `results.froc_table(result)`; the grey one sees no pixel.

    Raises
    ------
    ValueError
        If no model of the result finds boxes, or the data have none.

    See Also
    --------
    fracture_features.results.froc_table : The numbers.
    overlay_boxes : Draw boxes over an image.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.plotting import plot_froc
    >>> folder = make_radiographs(45, folder=tempfile.mkdtemp(), difficulty=0.3, random_state=1)
    >>> data = load_folder(folder, groups=r"patient(\d+)", boxes=folder / "truth.csv")
    >>> model = make_pipeline("regions", image_size=96, random_state=0).set_params(classifier__n_estimators=5)
    >>> result = evaluate({"regions": model}, data, cv=2, audit=False, random_state=0)
    >>> ax = plot_froc(result)
    >>> ax.get_xlabel()
    'False boxes an image'
    """
    table = froc_table(result)
    if table.empty:
        raise ValueError("result has no boxes that were found: expected data with boxes and a model with detect")
    ax = make_axes(ax, 4.8, HEIGHT + legend_height(table["model"].unique()))
    for model, curve in table.groupby("model", sort=False):
        known = str(model) in result.models
        style = line_style(result, str(model)) if known else {"color": GREY, "linestyle": "--", "linewidth": 1.0}
        ax.plot(curve["false_boxes"], curve["sensitivity"], label=wrapped(str(model)), **style)
        if known and curve["low"].notna().all():
            ax.fill_between(curve["false_boxes"], curve["low"], curve["high"], color=style["color"], alpha=0.15, lw=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], ["1/16", "1/8", "1/4", "1/2", "1", "2", "4", "8"])
    add_legend(ax)
    return tidy(ax, xlabel="False boxes an image", ylabel="Share of marked boxes found", ylim=(0, 1))


def overlay_boxes(image: ArrayLike, *, found: ArrayLike = (), marked: ArrayLike = ()) -> NDArray[np.uint8]:
    """Draw boxes over an image: what a model found in orange, what is marked in green.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), dtype uint8
        Grey or RGB.
    found, marked : array-like of shape (n_boxes, 4)
        Top, left, bottom and right in pixels of the image.

    Returns
    -------
    painted : ndarray of shape (height, width, 3), dtype uint8
        RGB.

    Raises
    ------
    ValueError
        If `image` is no such image.

    See Also
    --------
    overlay_heat_map : Paint a map over an image.
    fracture_features.explain.found_boxes : The boxes of a model.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.plotting import overlay_boxes
    >>> painted = overlay_boxes(np.zeros((20, 20), dtype=np.uint8), found=[[5, 5, 15, 15]])
    >>> painted[5, 10].tolist(), painted[10, 10].tolist()
    ([213, 94, 0], [0, 0, 0])
    """
    given = np.asarray(image)
    if given.ndim == 3 and given.shape[2] == 3 and given.dtype == np.uint8:
        painted = given.copy()
    else:
        painted = np.dstack([_check_image(given)] * 3)
    width = max(1, round(max(painted.shape) / THICKNESS))
    for boxes, colour in ((marked, MARKED), (found, FOR)):
        for top, left, bottom, right in np.rint(np.asarray(boxes, dtype=float).reshape(-1, 4)).astype(int).tolist():
            corners = (left, top), (max(right - 1, left), max(bottom - 1, top))
            cv2.rectangle(painted, *corners, [int(level) for level in _rgb(colour)], width)
    return painted
