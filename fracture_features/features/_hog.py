"""Histograms of oriented gradients."""

from __future__ import annotations

import os
from functools import cache as memoise
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import as_pair
from ._base import BaseExtractor, kernel

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
EPS = 1e-5


class HOGExtractor(BaseExtractor):
    """Histograms of oriented gradients, as `skimage.feature.hog` computes them, some 60 times faster.

    The gradient is the central difference, 0 on the border in its own direction. Each pixel adds its
    gradient's magnitude to the one bin its unsigned orientation falls into (no interpolation between bins or
    cells, unlike Dalal and Triggs). Overlapping blocks of cells, one cell apart, are normalised each on its own.
    Pixels right of or below the last whole cell are not used.

    Parameters
    ----------
    orientations : int, default=9
        Number of orientation bins over 180 degrees.
    pixels_per_cell : int or (int, int), default=16
        Height and width of a cell in pixels.
    cells_per_block : int or (int, int), default=2
        Height and width of a block in cells.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        How a block is normalised; "L2-Hys" clips at 0.2 between two L2 normalisations.
    cache : str or path-like, default=None
        Folder in which the features of each image are kept and found again.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.

    Notes
    -----
    Features have the order (block row, block column, cell row, cell column, bin), all of one block together:
    `block2x3_cell0x1_bin4` is bin 4 of the cell in row 0, column 1 of the block in row 2, column 3.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features import HOGExtractor
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 64, 48), dtype=np.uint8)
    >>> HOGExtractor().fit_transform(images).shape
    (5, 216)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseExtractor._parameter_constraints,
        "orientations": [Interval(Integral, 1, 180, closed="both")],
        "pixels_per_cell": ["array-like", Integral],
        "cells_per_block": ["array-like", Integral],
        "block_norm": [StrOptions(set(BLOCK_NORMS))],
    }

    def __init__(
        self,
        *,
        orientations: int = 9,
        pixels_per_cell: int | tuple[int, int] = 16,
        cells_per_block: int | tuple[int, int] = 2,
        block_norm: str = "L2-Hys",
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.cache = cache
        self.n_jobs = n_jobs

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        cell = np.array(as_pair(self.pixels_per_cell, name="pixels_per_cell"))
        block = np.array(as_pair(self.cells_per_block, name="cells_per_block"))
        blocks = self.image_shape_ // cell - block + 1
        if blocks.min() < 1:
            raise ValueError(
                f"HOGExtractor with pixels_per_cell={self.pixels_per_cell} and cells_per_block={self.cells_per_block} "
                f"needs images of at least {tuple((cell * block).tolist())} pixels, got {self.image_shape_}."
            )
        index = np.indices((*blocks, *block, self.orientations)).reshape(5, -1).T
        names = [f"block{i}x{j}_cell{k}x{m}_bin{b}" for i, j, k, m, b in index.tolist()]
        top_left = (index[:, :2] + index[:, 2:4]) * cell
        return names, np.hstack([top_left, top_left + cell])

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        magnitudes, bins = _gradient_tables(self.orientations)
        cells = _cell_histograms(
            images, magnitudes, bins, self.orientations, *as_pair(self.pixels_per_cell, name="pixels_per_cell")
        )
        block = as_pair(self.cells_per_block, name="cells_per_block")
        return _normalised_blocks(cells, *block, BLOCK_NORMS.index(self.block_norm))


@memoise
def _gradient_tables(orientations: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Magnitude and bin of each of the 511 x 511 gradients (row, column) two uint8 differences can make.

    The bin is `orientations` where none fits: scikit-image's float32 edge of the last bin can lie below 180 degrees.
    """
    difference = np.arange(-255.0, 256.0)
    rows, columns = np.meshgrid(difference, difference, indexing="ij")
    angles = np.rad2deg(np.arctan2(rows, columns)) % 180
    edges = (np.float32(180.0 / orientations) * np.arange(orientations + 1, dtype=np.float32)).astype(np.float64)
    bins = np.searchsorted(edges, angles, side="right") - 1
    return np.hypot(rows, columns).astype(np.float32), bins.astype(np.int16)


@kernel
def _cell_histograms(images, magnitudes, bins, orientations, cell_height, cell_width):  # type: ignore[no-untyped-def]
    """Mean magnitude by bin, (n, cell rows, cell columns, orientations + 1), of each whole cell."""
    n, height, width = images.shape
    cell_rows, cell_columns = height // cell_height, width // cell_width
    cells = np.zeros((n, cell_rows, cell_columns, orientations + 1), dtype=np.float32)
    for i in range(n):
        image = images[i]
        for r in range(cell_rows * cell_height):
            row_cells = cells[i, r // cell_height]
            inner_row = 0 < r < height - 1
            above, below = image[max(r - 1, 0)], image[min(r + 1, height - 1)]
            row = image[r]
            for cell_column in range(cell_columns):
                histogram = row_cells[cell_column]
                for c in range(cell_column * cell_width, (cell_column + 1) * cell_width):
                    g_row = np.int64(below[c]) - np.int64(above[c]) if inner_row else 0
                    g_column = np.int64(row[c + 1]) - np.int64(row[c - 1]) if 0 < c < width - 1 else 0
                    histogram[bins[g_row + 255, g_column + 255]] += magnitudes[g_row + 255, g_column + 255]
    cells /= np.float32(cell_height * cell_width)
    return cells


@kernel
def _normalised_blocks(cells, block_rows, block_columns, norm):  # type: ignore[no-untyped-def]
    """Blocks of cells, normalised by BLOCK_NORMS[norm], as rows (n, n_features)."""
    n, cell_rows, cell_columns, orientations = cells.shape[0], cells.shape[1], cells.shape[2], cells.shape[3] - 1
    rows, columns = cell_rows - block_rows + 1, cell_columns - block_columns + 1
    size = block_rows * block_columns * orientations
    out = np.empty((n, rows * columns * size), dtype=np.float32)
    block = np.empty(size)
    for i in range(n):
        position = 0
        for r in range(rows):
            for c in range(columns):
                k = 0
                for br in range(block_rows):
                    for bc in range(block_columns):
                        for o in range(orientations):
                            block[k] = cells[i, r + br, c + bc, o]
                            k += 1
                if norm < 2:
                    block /= block.sum() + EPS
                    if norm == 1:
                        block[:] = np.sqrt(block)
                else:
                    block /= np.sqrt((block * block).sum() + EPS * EPS)
                    if norm == 3:
                        block[:] = np.minimum(block, 0.2)
                        block /= np.sqrt((block * block).sum() + EPS * EPS)
                out[i, position : position + size] = block
                position += size
    return out
