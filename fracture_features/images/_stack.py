"""Stacks that know the rows of the table their paths came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class IndexedStack(np.ndarray):
    """A stack of images with the `index` of the Series or DataFrame of their paths.

    pandas joins rows by their index, scikit-learn's ColumnTransformer with it: an extractor's table has to have that
    of the table which the paths stood in. A part of the stack has none.
    """

    index: pd.Index | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an array, which joblib maps where it is large, and the index."""
        return _with_index, (np.asarray(self), self.index)


def _with_index(stack: NDArray[np.uint8], index: pd.Index | None) -> IndexedStack:
    indexed = stack.view(IndexedStack)
    indexed.index = index
    return indexed


def keep_index(stack: NDArray[np.uint8], paths: Any) -> NDArray[np.uint8]:
    """`stack` as it is, or with the index of `paths` where that is a Series or DataFrame."""
    return _with_index(stack, paths.index) if isinstance(paths, pd.Series | pd.DataFrame) else stack
