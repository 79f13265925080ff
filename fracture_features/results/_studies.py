"""Several views of one study → one prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..exceptions import DatasetError
from ._fold import FoldResult

POOLS = {"mean": np.add, "max": np.maximum}
LABELS = ("same", "any")


def pool_studies(
    data: FractureDataset, folds: list[FoldResult], column: str, how: str, label: str
) -> tuple[FractureDataset, list[FoldResult]]:
    """`EvaluationResult.by_study`: one row for each study, and the predictions of these."""
    if how not in POOLS:
        raise ValueError(f"how must be one of {sorted(POOLS)}, got {how!r}")
    if label not in LABELS:
        raise ValueError(f"label must be one of {sorted(LABELS)}, got {label!r}")
    first, codes = _study_codes(data, column, label)
    studies = data.subset(first)
    pooled = [
        replace(_pool_fold(fold, codes, how), train=np.unique(codes[fold.train]), train_scores=None, found=None)
        for fold in folds
    ]
    if label == "any":
        _check_classes_tested(studies, pooled)
    return studies, pooled


def check_studies(data: FractureDataset, column: str, label: str) -> None:
    """Raise, as `EvaluationResult.by_study` will, where a column does not name the studies of these data."""
    _study_codes(data, column, label)


def _study_codes(data: FractureDataset, column: str, label: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First image of each study that has the study's label, and each image's study.

    Raises
    ------
    ValueError
        If there is no such column.
    DatasetError
        If an image's study is unknown, or the images of a study have different labels, unless `label` is "any" and
        there are two classes, or different groups.
    """
    if column not in data.frame:
        raise ValueError(f"column={column!r} is none of the columns {list(data.frame.columns)}")
    if missing := int(data.frame[column].isna().sum()):
        raise DatasetError(f"column {column!r} must name the study of every image, got {missing} missing")
    names, codes = np.unique(data.frame[column].astype(str), return_inverse=True)
    y = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(y, codes, data.y)
    labelled = np.flatnonzero(data.y == y[codes])
    first = labelled[np.unique(codes[labelled], return_index=True)[1]]
    mixed = np.unique(codes[data.y != y[codes]])
    if len(mixed) and (label == "same" or len(data.target_names) > 2):
        advice = f"; label='any' takes those for {data.target_names[1]!r}" if len(data.target_names) == 2 else ""
        raise DatasetError(
            f"{len(mixed)} studies have images of different classes, {names[mixed[0]]!r} among them{advice}"
        )
    if data.groups is not None and len(split := np.unique(codes[data.groups != data.groups[first][codes]])):
        raise DatasetError(
            f"column {column!r}: {len(split)} studies have images of several groups, {names[split[0]]!r} among them; "
            "expected a name for each study of each patient"
        )
    return first, codes


def _check_classes_tested(studies: FractureDataset, folds: list[FoldResult]) -> None:
    """Raise DatasetError where no study of a class is left in a test part, as a fracture in every study would do."""
    for fold in folds:
        if len(missing := np.setdiff1d(np.arange(len(studies.target_names)), studies.y[fold.test])):
            raise DatasetError(
                f"fold {fold.fold}: of {len(fold.test)} studies in its test part none is "
                f"{studies.target_names[missing[0]]!r}"
            )


def _pool_fold(fold: FoldResult, codes: NDArray[np.int64], how: str) -> FoldResult:
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
