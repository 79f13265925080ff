"""Extractors that describe each cell of a grid laid over the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._kernels import ANY_ORDER, kernel
from .._validation import as_pair
from ._base import BaseExtractor

POOLINGS = ("mean", "max", "std")


class GridExtractor(BaseExtractor):
    """An extractor whose features come cell by cell of a grid that covers every pixel.

    A subclass has the parameter `grid` and calls `_cell_bounds` and `_grid_layout`. Maps of numbers
    it pools with `pool_cells`, maps of codes it counts with `share_codes`.
    """

    grid: int | tuple[int, int]

    def _cell_bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First pixel row of each row of cells and, last, the image's height; the same for the columns."""
        rows, columns = as_pair(self.grid, name="grid")
        height, width = self.image_shape_
        if rows > height or columns > width:
            raise ValueError(
                f"{type(self).__name__} with grid={self.grid} needs images of at least {(rows, columns)} "
                f"pixels, one for each cell, got {self.image_shape_}."
            )
        return np.arange(rows + 1) * height // rows, np.arange(columns + 1) * width // columns

    def _grid_layout(self, labels: list[str]) -> tuple[list[str], NDArray[np.int64]]:
        """Names and boxes of the features `labels` of each cell, cell after cell."""
        row_bounds, column_bounds = self._cell_bounds()
        names, regions = [], []
        for i in range(len(row_bounds) - 1):
            for j in range(len(column_bounds) - 1):
                names += [f"cell{i}x{j}_{label}" for label in labels]
                regions += [[row_bounds[i], column_bounds[j], row_bounds[i + 1], column_bounds[j + 1]]] * len(labels)
        return names, np.array(regions)


def check_pooling(pooling: str | Sequence[str]) -> list[str]:
    """`pooling` as a list of names among POOLINGS.

    Raises
    ------
    ValueError
        If it is empty, or has another name or one name twice.
    """
    names = [pooling] if isinstance(pooling, str) else list(pooling)
    if not names or len(set(names)) < len(names) or not set(names) <= set(POOLINGS):
        raise ValueError(f"pooling must be one or several of {POOLINGS}, each once, got {pooling!r}.")
    return names


@kernel(fastmath=ANY_ORDER)
def pool_cells(maps, row_bounds, column_bounds, out):  # type: ignore[no-untyped-def]
    """Fill in `out` (cell rows, cell columns, n_maps, 3): the POOLINGS of float32 maps (n_maps, height, width)."""
    width = maps.shape[2]
    # Three arrays, not rows of one, which would keep the loops off the processor's vectors.
    sums, largest, means = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for k in range(out.shape[2]):
        for i in range(out.shape[0]):
            strip = maps[k][row_bounds[i] : row_bounds[i + 1]]
            _sum_columns(strip, sums, largest)
            for j in range(out.shape[1]):
                left, right = column_bounds[j], column_bounds[j + 1]
                out[i, j, k, 0] = mean = _mean(sums[left:right], len(strip))
                out[i, j, k, 1] = largest[left:right].max()
                means[left:right] = mean
            # In a second pass: the difference of two sums would lose the digits of a small deviation.
            _sum_squares(strip, means, sums)
            for j in range(out.shape[1]):
                left, right = column_bounds[j], column_bounds[j + 1]
                out[i, j, k, 2] = np.sqrt(_mean(sums[left:right], len(strip)))


@kernel(fastmath=ANY_ORDER)
def _sum_columns(strip, sums, largest):  # type: ignore[no-untyped-def]
    """Sum and maximum of each column: whole rows run on the processor's vectors, the short ones of a cell do not."""
    sums[:] = 0
    largest[:] = strip[0]
    for r in range(len(strip)):
        for x in range(len(sums)):
            sums[x] += strip[r, x]
            largest[x] = max(largest[x], strip[r, x])


@kernel(fastmath=ANY_ORDER)
def _sum_squares(strip, means, sums):  # type: ignore[no-untyped-def]
    sums[:] = 0
    for r in range(len(strip)):
        for x in range(len(sums)):
            sums[x] += (strip[r, x] - means[x]) * (strip[r, x] - means[x])


@kernel
def _mean(sums, n_rows):  # type: ignore[no-untyped-def]
    total = 0.0
    for x in range(len(sums)):
        total += sums[x]
    return np.float32(total / (n_rows * len(sums)))


@kernel
def share_codes(codes, row_bounds, column_bounds, n_codes):  # type: ignore[no-untyped-def]
    """Share of each code (cell rows, cell columns, n_codes) among the pixels of each cell."""
    cell_rows, cell_columns = len(row_bounds) - 1, len(column_bounds) - 1
    shares = np.zeros((cell_rows, cell_columns, n_codes), dtype=np.float32)
    for i in range(cell_rows):
        for j in range(cell_columns):
            counts = np.zeros((2, n_codes), dtype=np.int64)
            cell = codes[row_bounds[i] : row_bounds[i + 1], column_bounds[j] : column_bounds[j + 1]]
            for r in range(cell.shape[0]):
                for c in range(cell.shape[1]):
                    # Two histograms in turn: equal neighbours do not wait for each other.
                    counts[c % 2, cell[r, c]] += 1
            shares[i, j] = (counts[0] + counts[1]) / cell.size
    return shares
