"""Figures of one image: where a model looked, what HOG sees of it, its variations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import as_pair, check_count
from ..cnn import augment_images
from ..features import HOGExtractor
from ._style import AGAINST, FOR, load, make_axes, make_panels, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRONGEST = 0.75  # opacity of a map's largest value
HOG_SHADE = 0.35  # of the image that HOG is drawn over


def overlay_heat_map(image: ArrayLike, heat_map: ArrayLike) -> NDArray[np.uint8]:
    """Paint a signed map over its image: orange where it is positive, blue where negative.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
        A grey image.
    heat_map : array-like of shape (height, width)
        Positive where the image speaks for the class asked for.

    Returns
    -------
    painted : ndarray of shape (height, width, 3), dtype uint8
        RGB. The map is divided by its largest absolute value: colours of two images are not to be compared.

    Raises
    ------
    ValueError
        If `image` is no grey image, or the map has another shape or a value that is not finite.

    See Also
    --------
    fracture_features.explain.explain_images : Where maps come from.
    plot_heat_map : Draw it.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.plotting import overlay_heat_map
    >>> overlay_heat_map(np.zeros((1, 3), dtype=np.uint8), [[-2, 0, 2]])[0].tolist()
    [[0, 86, 134], [0, 0, 0], [160, 70, 0]]
    """
    grey = _check_image(image)
    values = np.asarray(heat_map, dtype=np.float64)
    if values.shape != grey.shape:
        raise ValueError(f"heat_map must have the image's shape {grey.shape}, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"heat_map must be finite, got {int((~np.isfinite(values)).sum())} values that are not")
    opacity = STRONGEST * np.abs(values) / (np.abs(values).max() or 1.0)
    colour = np.where(values[..., None] > 0, _rgb(FOR), _rgb(AGAINST))
    painted = grey[..., None] * (1 - opacity[..., None]) + colour * opacity[..., None]
    return np.rint(painted).astype(np.uint8)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=np.float64)


def _check_image(image: ArrayLike) -> NDArray[np.uint8]:
    grey: NDArray[Any] = np.asarray(image)
    if grey.ndim != 2 or grey.dtype != np.uint8 or 0 in grey.shape:
        raise ValueError(
            f"image must be a uint8 array of shape (height, width), got shape {grey.shape} and dtype {grey.dtype}"
        )
    return grey


def plot_heat_map(image: ArrayLike, heat_map: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw a signed map over its image, from `overlay_heat_map`.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
        A grey image.
    heat_map : array-like of shape (height, width)
        Positive where the image speaks for the class asked for.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        As `overlay_heat_map` does.

    See Also
    --------
    fracture_features.explain.explain_images : Where maps come from.
    overlay_heat_map : The picture as an array.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from fracture_features.plotting import plot_heat_map
    >>> ax = plot_heat_map(np.zeros((8, 8), dtype=np.uint8), np.eye(8), ax=Figure().subplots())
    >>> len(ax.images)
    1
    """
    painted = overlay_heat_map(image, heat_map)
    ax = make_axes(ax, 4.0, 4.6)
    show_image(ax, painted)
    patch = load("patches").Patch
    keys = [patch(color=FOR, label="for the class"), patch(color=AGAINST, label="against it")]
    ax.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, frameon=False, borderaxespad=0)
    return ax


def plot_augmentation(
    image: ArrayLike, *, n_variations: int = 7, random_state: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw an image and augmented versions of it, as `CNNClassifier(augment=True)` makes them.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
        A grey image.
    n_variations : int, default=7
        How many.
    random_state : int, default=None
        Seed of the variations.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        An empty one with the image in the first of its `child_axes` and a variation in each other.

    Raises
    ------
    ValueError
        If `image` is no grey image, or `n_variations` no integer of at least 1.

    See Also
    --------
    fracture_features.cnn.augment_images : The variations as an array.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from fracture_features.plotting import plot_augmentation
    >>> image = np.full((40, 32), 90, dtype=np.uint8)
    >>> len(plot_augmentation(image, n_variations=3, random_state=0, ax=Figure().subplots()).child_axes)
    4
    """
    grey = _check_image(image)
    check_count(n_variations, name="n_variations")
    images = [grey, *augment_images(grey[None], n_variations, random_state=random_state)[0]]
    n_columns = min(4, len(images))
    n_rows = -(-len(images) // n_columns)
    ax = make_axes(ax, 1.8 * n_columns, 2.0 * n_rows)
    panels = make_panels(ax, n_rows, n_columns, gap=(0.1, 0.04))
    for k, panel in enumerate(panels):
        if k < len(images):
            show_image(panel, images[k], "as it is" if k == 0 else "")
        else:
            panel.set_axis_off()
    return ax


def plot_hog(image: ArrayLike, extractor: HOGExtractor | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw HOG over its image: in each cell a stroke along the edges of each orientation.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
        A grey image.
    extractor : HOGExtractor, default=None
        None takes one with its defaults. It is not changed.
    ax : matplotlib Axes, default=None
        None draws on a new figure.

    Returns
    -------
    ax : matplotlib Axes
        A stroke is as long as its bin is high, the mean over the blocks that its cell belongs to: what the classifier
        is given, and so normalised, unlike scikit-image's picture.

    Raises
    ------
    ValueError
        If `image` is no grey image, or too small for the extractor.

    See Also
    --------
    fracture_features.HOGExtractor : The features.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from fracture_features.plotting import plot_hog
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)
    >>> ax = plot_hog(image, ax=Figure().subplots())
    >>> len(ax.collections)
    1
    """
    grey = _check_image(image)
    segments, heights = _strokes(grey, extractor or HOGExtractor())
    ax = make_axes(ax, 4.6, 4.6)
    show_image(ax, cv2.convertScaleAbs(grey, alpha=HOG_SHADE))
    collection = load("collections").LineCollection
    lines = collection(segments, colors="#F0E442", linewidths=1.0)
    lines.set_alpha(heights / (heights.max() or 1.0))
    ax.add_collection(lines, autolim=False)
    return ax


def _strokes(image: NDArray[np.uint8], extractor: HOGExtractor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends (n, 2, 2) of each cell's and bin's stroke, as x and y, and its height (n,)."""
    fitted = HOGExtractor(**extractor.get_params()).fit(image[None])
    features = fitted.transform(image[None])[0].reshape(-1, extractor.orientations)
    regions = fitted.feature_regions()[:: extractor.orientations]
    corners, cell = np.unique(regions[:, :2], axis=0, return_inverse=True)
    sums = np.stack([np.bincount(cell, weights=bin_) for bin_ in features.T], axis=1)
    heights: NDArray[np.float64] = sums / np.bincount(cell)[:, None]
    size = as_pair(extractor.pixels_per_cell, name="pixels_per_cell")
    centres = corners[:, ::-1] + (np.array(size[::-1]) - 1) / 2
    angles = np.pi * (np.arange(extractor.orientations) + 0.5) / extractor.orientations
    # An edge runs across its gradient.
    along = np.stack([-np.sin(angles), np.cos(angles)], axis=1) * (min(size) / 2)
    half = heights[..., None] / (heights.max() or 1.0) * along
    ends = np.stack([centres[:, None] - half, centres[:, None] + half], axis=2)
    return ends.reshape(-1, 2, 2), heights.ravel()
