"""Stacks that know the files they were read from, and the rows of the table that named these."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Origin(NamedTuple):
    """Where a stack's images come from.

    Parameters
    ----------
    paths : list of str
    resize : str
        As in ImageReader.
    """

    paths: list[str]
    resize: str


class ReadStack(np.ndarray):
    """A stack of images that knows its files: what is marked in their pixels can be found in its own.

    A part of the stack does not.
    """

    origin: Origin | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an array, which joblib maps where it is large, and the origin."""
        return _with_origin, (np.asarray(self), self.origin)


class IndexedStack(ReadStack):
    """A stack of images with the `index` of the Series or DataFrame of their paths.

    pandas joins rows by their index, scikit-learn's ColumnTransformer with it: an extractor's table has to have that
    of the table which the paths stood in. A part of the stack has none.
    """

    index: pd.Index | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an array, which joblib maps where it is large, and the index."""
        return _with_index, (np.asarray(self), self.origin, self.index)


def _with_origin(stack: NDArray[np.uint8], origin: Origin | None) -> ReadStack:
    known = stack.view(ReadStack)
    known.origin = origin
    return known


def _with_index(stack: NDArray[np.uint8], origin: Origin | None, index: pd.Index | None) -> IndexedStack:
    indexed = stack.view(IndexedStack)
    indexed.origin, indexed.index = origin, index
    return indexed


def keep_origin(stack: NDArray[np.uint8], origin: Origin, paths: Any) -> NDArray[np.uint8]:
    """`stack` with its origin, and with the index of `paths` where that is a Series or DataFrame."""
    if isinstance(paths, pd.Series | pd.DataFrame):
        return _with_index(stack, origin, paths.index)
    return _with_origin(stack, origin)
