"""Which images train and which test."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from .._validation import check_count, is_whole
from ..datasets import SPLIT_COLUMN, FractureDataset, published_split
from ..exceptions import DatasetError

EXPECTED_CV = "cv must be a number, a splitter, folds or 'split'"
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def read_cv(data: FractureDataset, cv: Any, n_repeats: int) -> int | list[Split]:
    """A number of folds as it is; any other `cv` as the rows of `data` that train and test.

    Raises
    ------
    ValueError
        If `cv` is no number of folds, splitter, folds or "split", has rows that are not in the data, or is to be
        repeated but no number.
    DatasetError
        If the data cannot be split so.
    """
    check_count(n_repeats, name="n_repeats")
    if is_whole(cv):
        if cv < 2:
            raise ValueError(f"cv must be at least 2 folds, got {cv!r}")
        return int(cv)
    if n_repeats > 1:
        raise ValueError(f"n_repeats must be 1 where cv is no number of folds, got {n_repeats} and cv={cv!r:.80}")
    if isinstance(cv, str):
        if cv != SPLIT_COLUMN:
            raise ValueError(f"{EXPECTED_CV}, got {cv!r}")
        return [published_split(data)]
    if not hasattr(cv, "split") and not isinstance(cv, Iterable):
        raise ValueError(f"{EXPECTED_CV}, got {cv!r}")
    folds = _split(data, cv) if hasattr(cv, "split") else list(cv)
    if not folds:
        raise ValueError(f"{EXPECTED_CV}, got {cv!r:.80}, which has no fold")
    return [read_fold(fold, f"fold {k} of {len(folds)}", len(data)) for k, fold in enumerate(folds, start=1)]


def make_splits(
    data: FractureDataset,
    cv: int | list[Split],
    n_repeats: int,
    random_state: int | None,
    readable: NDArray[np.bool_] | None = None,
) -> list[Split]:
    """Rows of the training and test part of each fold; groups stay on one side.

    Parameters
    ----------
    data : FractureDataset
    cv, n_repeats, random_state
        From `read_cv`, and as in `evaluate`.
    readable : ndarray of bool, default=None
        Which of the images that the rows in `cv` count are in `data`; None means all.

    Raises
    ------
    DatasetError
        If there are too few images or groups, a part lacks a class, or an image or a group stands on both sides.
    """
    if isinstance(cv, int):
        rng = np.random.RandomState(random_state)
        seeds = [random_state] if n_repeats == 1 else [int(rng.randint(2**31 - 1)) for _ in range(n_repeats)]
        splits = [split for seed in seeds for split in _split(data, make_splitter(data, cv, seed))]
    elif readable is None:
        splits = cv
    else:
        new = np.cumsum(readable) - 1
        splits = [(new[train[readable[train]]], new[test[readable[test]]]) for train, test in cv]
    for k, (train, test) in enumerate(splits, start=1):
        fold = f"fold {k} of {len(splits)}"
        check_classes(data, train, f"the training part of {fold}")
        check_classes(data, test, f"the test part of {fold}")
        if n_shared := len(np.intersect1d(train, test)):
            raise DatasetError(f"{fold}: {n_shared} images stand in both training and test part; expected 0")
        if data.groups is not None and (shared := np.intersect1d(data.groups[train], data.groups[test])).size:
            raise DatasetError(f"{fold}: {len(shared)} groups stand in both training and test part; expected 0")
    return splits


def make_splitter(data: FractureDataset, n_splits: int, random_state: int | None) -> Any:
    """Stratified folds, of whole groups where they are known."""
    kind = StratifiedKFold if data.groups is None else StratifiedGroupKFold
    return kind(n_splits, shuffle=True, random_state=random_state)


def inner_splits(data: FractureDataset, n_splits: int, random_state: int | None, where: str) -> list[Split]:
    """Folds within the training part that `where` names; their test parts, being pooled, may lack a class.

    Raises
    ------
    DatasetError
        If there are too few images or groups, or a training part lacks a class.
    """
    try:
        splits = _split(data, make_splitter(data, n_splits, random_state))
    except DatasetError as error:
        raise DatasetError(f"{where}, its training part: {error}") from error
    for k, (train, _) in enumerate(splits, start=1):
        check_classes(data, train, f"{where}: the training part of inner fold {k} of {n_splits}")
    return splits


def _split(data: FractureDataset, cv: Any) -> list[Split]:
    if data.groups is not None and (n := len(np.unique(data.groups))) < (wanted := getattr(cv, "n_splits", 0)):
        raise DatasetError(f"cannot split {data!r} into {wanted} folds: there are {n} groups")
    groups = {} if data.groups is None else {"groups": data.groups}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")  # what comes of that is checked
            return [(np.asarray(train), np.asarray(test)) for train, test in cv.split(data.paths, data.y, **groups)]
    except ValueError as error:
        raise DatasetError(f"cannot split {data!r} into folds: {error}") from error


def is_unused_split(data: FractureDataset, folds: Iterable[Split]) -> bool:
    """Tell whether the data came with a split, and a fold tests other images or trains on some of its test part."""
    if SPLIT_COLUMN not in data.frame:
        return False
    try:
        _, test = published_split(data)
    except DatasetError:  # such as a folder of training images alone
        return False
    return any(np.isin(train, test).any() or not np.isin(tested, test).all() for train, tested in folds)


def read_fold(fold: Any, name: str, n_images: int) -> Split:
    try:
        train, test = fold
    except (TypeError, ValueError):
        raise ValueError(f"cv must give the rows that train and those that test, got {fold!r:.80} as {name}") from None
    return (
        _read_rows(train, f"the training part of {name}", n_images),
        _read_rows(test, f"the test part of {name}", n_images),
    )


def _read_rows(rows: Any, part: str, n_images: int) -> NDArray[np.int64]:
    """Positions, from positions or a mask."""
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n_images,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            f"cv: {part} must be row numbers or a mask of {n_images} images, got {rows.dtype} of shape {rows.shape}"
        )
    outside = rows[(rows < 0) | (rows >= n_images)]
    if outside.size:
        raise ValueError(f"cv: {part} must have rows from 0 to {n_images - 1}, got {outside[0]}")
    return rows.astype(np.int64)


def check_classes(
    data: FractureDataset, rows: NDArray[np.int64], part: str, advice: str = "use fewer folds or more groups"
) -> None:
    """DatasetError, unless every class is among the rows."""
    missing = set(range(len(data.target_names))) - set(data.y[rows].tolist())
    if missing:
        names = [data.target_names[c] for c in sorted(missing)]
        raise DatasetError(f"{part} has no image of {names}: {advice}")
