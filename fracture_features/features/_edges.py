"""How many edges there are, and which way they run."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from .._kernels import kernel
from ._grid import GridExtractor

# What Sobel's operator makes of a slope of one grey level per pixel.
SOBEL_GAIN = 8


class EdgeExtractor(GridExtractor):
    """Density and orientation of Canny's edges in each cell of a grid.

    The image is smoothed by a Gaussian (cut off at two `sigma`), Sobel's operator gives the gradient (dx
    along a row, dy along a column), and Canny's detector keeps the ridges of its magnitude: local maxima
    along the gradient that exceed `low_threshold` and are connected to one above `high_threshold`. Each
    cell has these features:

    - `edge_density`: the share of the cell's pixels that are edges, 0 to 1.
    - `orientation0`, `orientation1`, …: the share of each orientation bin among the cell's edge pixels, all
      0 in a cell without edges. The orientation is the gradient's, atan2(dy, dx) modulo 180 degrees, across
      the edge rather than along it; bin k is centred on k * 180 / `orientations` degrees and holds its
      lower limit. Bin 0 is that of edges which run down the image, as a long bone's mostly do.

    Parameters
    ----------
    sigma : float, default=1
        Standard deviation of the Gaussian, in pixels.
    low_threshold, high_threshold : float, default=2 and 6
        Magnitude of the smoothed image's gradient, in grey levels per pixel.
    orientations : int, default=8
        Number of orientation bins over 180 degrees; of an even number one is centred on each axis.
    grid : int or (int, int), default=4
        Rows and columns of cells; together the cells cover every pixel, their sizes differ by one pixel at
        most.
    cache : str or path-like, default=None
        Folder in which the features of each image are kept and found again.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.

    See Also
    --------
    HOGExtractor : Directions of gradients.
    fracture_features.make_pipeline : A pipeline from paths to labels.

    Notes
    -----
    The filters and the detector are OpenCV's, with the image mirrored at its border and its smoothed grey
    values rounded. The names are `cell1x2_edge_density` and `cell1x2_orientation3` for the cell in row 1,
    column 2. The region of a feature is its cell, though smoothing and connection let pixels beyond it have
    a say.

    References
    ----------
    .. [1] J. Canny, "A computational approach to edge detection", IEEE PAMI 8(6), 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.features import EdgeExtractor
    >>> images = np.zeros((1, 32, 32), dtype=np.uint8)
    >>> images[:, :, 16:] = 200
    >>> extractor = EdgeExtractor(grid=1).fit(images)
    >>> dict(zip(extractor.get_feature_names_out()[:3].tolist(), extractor.transform(images)[0, :3].tolist()))
    {'cell0x0_edge_density': 0.03125, 'cell0x0_orientation0': 1.0, 'cell0x0_orientation1': 0.0}
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GridExtractor._parameter_constraints,
        "sigma": [Interval(Real, 0, np.inf, closed="neither")],
        "low_threshold": [Interval(Real, 0, None, closed="left")],
        "high_threshold": [Interval(Real, 0, None, closed="left")],
        "orientations": [Interval(Integral, 1, 180, closed="both")],
        "grid": ["array-like", Integral],
    }

    def __init__(
        self,
        *,
        sigma: float = 1,
        low_threshold: float = 2,
        high_threshold: float = 6,
        orientations: int = 8,
        grid: int | tuple[int, int] = 4,
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.sigma = sigma
        self.low_threshold = low_threshold
        self.high_threshold = high_threshold
        self.orientations = orientations
        self.grid = grid
        self.cache = cache
        self.n_jobs = n_jobs

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        if self.low_threshold > self.high_threshold:
            raise ValueError(
                f"low_threshold must be at most high_threshold, got low_threshold={self.low_threshold} "
                f"and high_threshold={self.high_threshold}."
            )
        if min(self.image_shape_) < 3:
            raise ValueError(f"EdgeExtractor needs images of at least (3, 3) pixels, got {self.image_shape_}.")
        return self._grid_layout(["edge_density", *(f"orientation{k}" for k in range(self.orientations))])

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        bounds = self._cell_bounds()
        # Where one bin ends and the next begins; rounded, so that a gradient at 45 degrees lies on its limit.
        limits = (np.arange(self.orientations) + 0.5) * np.pi / self.orientations
        cosines, sines = np.cos(limits).round(12), np.sin(limits).round(12)
        shape = len(images), len(bounds[0]) - 1, len(bounds[1]) - 1, 1 + self.orientations
        features = np.zeros(shape, dtype=np.float32)
        for image, row in zip(images, features, strict=True):
            _describe_cells(*self._edges(image), *bounds, cosines, sines, row)
        return features.reshape(len(images), -1)

    def _edges(self, image: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        """Edges (uint8, 0 where there is none) and dx and dy (int16, SOBEL_GAIN times the gradient)."""
        size = 2 * max(1, round(2 * self.sigma)) + 1
        dx, dy = cv2.spatialGradient(cv2.GaussianBlur(image, (size, size), self.sigma))
        low, high = SOBEL_GAIN * self.low_threshold, SOBEL_GAIN * self.high_threshold
        return cv2.Canny(dx, dy, low, high, L2gradient=True), dx, dy


@kernel
def _describe_cells(edges, dx, dy, row_bounds, column_bounds, cosines, sines, out):  # type: ignore[no-untyped-def]
    """Fill in `out` (cell rows, cell columns, 1 + orientations), which comes as zeros."""
    width = edges.shape[1]
    column_cells = np.empty(width, dtype=np.int64)
    for j in range(out.shape[1]):
        column_cells[column_bounds[j] : column_bounds[j + 1]] = j
    for i in range(out.shape[0]):
        rows = slice(row_bounds[i], row_bounds[i + 1])
        places = _edge_places(edges[rows].reshape(-1))
        bins = _orientation_bins(places, dx[rows].reshape(-1), dy[rows].reshape(-1), cosines, sines)
        counts = np.zeros(out.shape[1:], dtype=np.int64)
        start = 0
        for e in range(len(places)):
            while places[e] >= start + width:
                start += width
            cell = column_cells[places[e] - start]
            counts[cell, 0] += 1
            counts[cell, 1 + bins[e]] += 1
        for j in range(out.shape[1]):
            area = (row_bounds[i + 1] - row_bounds[i]) * (column_bounds[j + 1] - column_bounds[j])
            out[i, j, 0] = counts[j, 0] / area
            out[i, j, 1:] = counts[j, 1:] / max(counts[j, 0], 1)


@kernel
def _edge_places(edges):  # type: ignore[no-untyped-def]
    """Places in the flat `edges` of those that are not 0, in rising order."""
    places, count = np.empty(len(edges), dtype=np.int64), 0
    # Eight pixels at a time: most are no edges.
    words = edges[: len(edges) // 8 * 8].view(np.uint64)
    for w in range(len(words)):
        if words[w] != 0:
            for place in range(8 * w, 8 * w + 8):
                # Written always, kept if it is an edge (255): a branch here would be mispredicted.
                places[count] = place
                count += np.int64(edges[place] & 1)
    for place in range(8 * len(words), len(edges)):
        places[count] = place
        count += np.int64(edges[place] & 1)
    return places[:count]


@kernel
def _orientation_bins(places, dx, dy, cosines, sines):  # type: ignore[no-untyped-def]
    """Orientation bin of the gradient at each of `places`, by the side of each limit that it is on."""
    x, y, bins = np.empty(len(places)), np.empty(len(places)), np.zeros(len(places), dtype=np.int64)
    for e in range(len(places)):
        x[e], y[e] = dx[places[e]], dy[places[e]]
        if y[e] < 0 or (y[e] == 0 and x[e] < 0):
            x[e], y[e] = -x[e], -y[e]
    for cosine, sine in zip(cosines, sines):  # noqa: B905 - numba knows no strict
        for e in range(len(places)):
            bins[e] += y[e] * cosine >= x[e] * sine
    for e in range(len(places)):
        bins[e] %= len(cosines)
    return bins
