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
    """Return the split that the data came with: the rows that train and the rows that test.

    Parameters
    ----------
    data : FractureDataset
        With a column "split" of its frame.

    Returns
    -------
    train, test : ndarray of int64
        Rows. Tested is the test part or, where there is none, the validation part; all else trains.

    Raises
    ------
    DatasetError
        If `data.frame` has no column "split", or one without a name for each image and a part to test.

    See Also
    --------
    fracture_features.evaluate : Takes `cv="split"`.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.datasets import published_split
    >>> data = load_folder(make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0))
    >>> data = replace(data, frame=data.frame.assign(split=["train", "test"] * 3))
    >>> [rows.tolist() for rows in published_split(data)]
    [[0, 2, 4], [1, 3, 5]]
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
