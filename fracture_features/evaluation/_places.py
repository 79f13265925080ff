"""Where a fitted model finds fractures in images whose boxes are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..regions import find_detector


def find_boxes(model: Any, data: FractureDataset, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64] | None:
    """Every box that the model finds in some images, as `FoldResult.found`.

    Parameters
    ----------
    model : fitted classifier of paths
    data : FractureDataset
    rows : ndarray of int, default=None
        None means all images.

    Returns
    -------
    found : ndarray of shape (n_found, 8) or None
        None where the data have no boxes, more than two classes, or the model finds none.
    """
    detect = find_detector(model) if data.boxes is not None and len(data.target_names) == 2 else None
    if detect is None:
        return None
    images = detect(data.paths if rows is None else data.paths[rows], -np.inf)
    counts = [len(each.scores) for each in images]
    places = np.repeat(np.arange(len(images)), counts).astype(np.float64)
    parts = [np.column_stack([each.boxes, each.scores, each.points]) for each in images]
    return np.column_stack([places, np.concatenate([np.empty((0, 7)), *parts])])
