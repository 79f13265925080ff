"""Extractors that describe each cell of a grid laid over the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._validation import as_pair
from ._base import BaseExtractor


class GridExtractor(BaseExtractor):
    """An extractor whose features come cell by cell of a grid that covers every pixel.

    A subclass has the parameter `grid` and calls `_cell_bounds` and `_grid_layout`.
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
