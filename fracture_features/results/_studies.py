"""Several views of one study → one prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..exceptions import DatasetError
from ._fold import FoldResult

POOLS = {"mean": np.add, "max": np.maximum}


def study_codes(data: FractureDataset, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First image of each study, and each image's study.

    Raises
    ------
    ValueError
        If there is no such column.
    DatasetError
        If an image's study is unknown, or the images of a study have different labels or groups.
    """
    if column not in data.frame:
        raise ValueError(f"column={column!r} is none of the columns {list(data.frame.columns)}")
    if missing := int(data.frame[column].isna().sum()):
        raise DatasetError(f"column {column!r} must name the study of every image, got {missing} missing")
    names, first, codes = np.unique(data.frame[column].astype(str), return_index=True, return_inverse=True)
    mixed = np.unique(codes[data.y != data.y[first][codes]])
    if len(mixed):
        raise DatasetError(f"{len(mixed)} studies have images of different classes, {names[mixed[0]]!r} among them")
    if data.groups is not None and len(split := np.unique(codes[data.groups != data.groups[first][codes]])):
        raise DatasetError(
            f"column {column!r}: {len(split)} studies have images of several groups, {names[split[0]]!r} among them; "
            "expected a name for each study of each patient"
        )
    return first, codes


def pool_fold(fold: FoldResult, codes: NDArray[np.int64], how: str) -> FoldResult:
    """One prediction for each study of the fold, its scores the mean or the largest of its images'.

    Raises
    ------
    DatasetError
        If a study has images in both the training and the test part.
    """
    if n_shared := len(np.intersect1d(codes[fold.train], codes[fold.test])):
        raise DatasetError(
            f"fold {fold.fold}: {n_shared} studies have images in both training and test part; "
            "expected 0, as groups of whole studies would give"
        )
    studies, index = np.unique(codes[fold.test], return_inverse=True)
    scores = _pool(fold.scores, index, how)
    probabilities = None if fold.probabilities is None else _pool(fold.probabilities, index, how)
    if not np.isnan(fold.threshold):
        y_pred = (scores[:, 1] >= fold.threshold).astype(np.int64)
    else:
        y_pred = scores.argmax(axis=1)
    return replace(fold, test=studies, y_pred=y_pred, scores=scores, probabilities=probabilities)


def _pool(values: NDArray[np.float64], index: NDArray[np.int64], how: str) -> NDArray[np.float64]:
    if values.shape[1] == 2:  # the first class's is the second's negative or complement, and stays so
        second = _pool(values[:, 1:], index, how)
        total = values[0].sum().round()
        return np.hstack([total - second, second])
    pooled = np.full((index.max() + 1, values.shape[1]), -np.inf if how == "max" else 0.0)
    POOLS[how].at(pooled, index, values)
    return pooled if how == "max" else pooled / np.bincount(index)[:, None]
