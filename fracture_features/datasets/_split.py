"""The split that a data set came with."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..exceptions import DatasetError
from ._dataset import FractureDataset
from ._layout import split_of

SPLIT_COLUMN = "split"
HELD_OUT = ("test", "val")  # the first that is there is tested


def published_split(data: FractureDataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The split that the data came with: its test part, or else its validation part, and all that is not.

    Raises
    ------
    DatasetError
        If `data.frame` has no column "split", or one without a name for each image and a part to test.
    """
    if SPLIT_COLUMN not in data.frame:
        raise DatasetError(f"cv='split': no column 'split'; there are {list(data.frame.columns)}")
    names = data.frame[SPLIT_COLUMN]
    parts = np.array([None if pd.isna(name) else split_of(str(name)) for name in names], dtype=object)
    held_out = next((parts == name for name in HELD_OUT if (parts == name).any()), None)
    if held_out is None or held_out.all() or pd.isna(names).any():
        found = sorted(map(str, set(names)))
        raise DatasetError(f"cv='split': expected 'test' or 'val', others, and a name for each image, got {found}")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
