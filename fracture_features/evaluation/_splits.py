"""Which images train and which test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ..datasets import FractureDataset
from ..exceptions import DatasetError

SPLIT_COLUMN = "split"
TEST_NAMES = ("test", "testing")
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def make_splits(data: FractureDataset, cv: Any, n_repeats: int, random_state: int | None) -> list[Split]:
    """Rows of the training and test part of each fold; groups stay on one side.

    Raises
    ------
    DatasetError
        If there are too few images or groups, a part lacks a class, or a group stands on both sides.
    """
    if not isinstance(n_repeats, int) or n_repeats < 1:
        raise ValueError(f"n_repeats must be an integer of at least 1, got {n_repeats!r}")
    if isinstance(cv, str):
        splits = _split_column(data, cv)
    elif isinstance(cv, int):
        rng = np.random.RandomState(random_state)
        seeds = [random_state] if n_repeats == 1 else [int(rng.randint(2**31 - 1)) for _ in range(n_repeats)]
        splits = [split for seed in seeds for split in _split(data, make_splitter(data, cv, seed))]
    else:
        splits = _split(data, cv)
    for k, (train, test) in enumerate(splits, start=1):
        _check_classes(data, train, f"the training part of fold {k} of {len(splits)}")
        _check_classes(data, test, f"the test part of fold {k} of {len(splits)}")
        if data.groups is not None and (shared := np.intersect1d(data.groups[train], data.groups[test])).size:
            raise DatasetError(
                f"fold {k} of {len(splits)}: {len(shared)} groups stand in both training and test part; expected 0"
            )
    return splits


def make_splitter(data: FractureDataset, n_splits: int, random_state: int | None) -> Any:
    """Stratified folds, of whole groups where they are known."""
    kind = StratifiedKFold if data.groups is None else StratifiedGroupKFold
    return kind(n_splits, shuffle=True, random_state=random_state)


def inner_splits(data: FractureDataset, n_splits: int, random_state: int | None) -> list[Split]:
    """Folds within a training part; their test parts, being pooled, may lack a class."""
    return _split(data, make_splitter(data, n_splits, random_state))


def _split(data: FractureDataset, cv: Any) -> list[Split]:
    if data.groups is not None and (n := len(np.unique(data.groups))) < (wanted := getattr(cv, "n_splits", 0)):
        raise DatasetError(f"cannot split {data!r} into {wanted} folds: there are {n} groups")
    try:
        folds = cv
        if hasattr(cv, "split"):
            folds = cv.split(data.paths, data.y, **({} if data.groups is None else {"groups": data.groups}))
        return [(np.asarray(train), np.asarray(test)) for train, test in folds]
    except ValueError as error:
        raise DatasetError(f"cannot split {data!r} into folds: {error}") from error


def _split_column(data: FractureDataset, cv: str) -> list[Split]:
    """The published split: its test part, and all that is not."""
    if cv != SPLIT_COLUMN:
        raise ValueError(f"cv must be a number, a splitter, folds or 'split', got {cv!r}")
    if SPLIT_COLUMN not in data.frame:
        raise DatasetError(f"cv='split': no column 'split'; there are {list(data.frame.columns)}")
    names = data.frame[SPLIT_COLUMN]
    test = names.astype("string").str.casefold().isin(TEST_NAMES).to_numpy()
    if not test.any() or pd.isna(names).any():
        raise DatasetError(f"cv='split': expected 'test' and a name for each image, got {sorted(map(str, set(names)))}")
    return [(np.flatnonzero(~test), np.flatnonzero(test))]


def _check_classes(data: FractureDataset, rows: NDArray[np.int64], part: str) -> None:
    missing = set(range(len(data.target_names))) - set(data.y[rows].tolist())
    if missing:
        names = [data.target_names[c] for c in sorted(missing)]
        raise DatasetError(f"{part} has no image of {names}: use fewer folds or more groups")
