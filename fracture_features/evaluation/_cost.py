"""What leaks are worth: a cheap model with copies of test images in its training part, and without."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from ..audit import copy_groups
from ..datasets import FractureDataset, published_split
from ..exceptions import DatasetError
from ..pipeline import make_pipeline
from ..results import FoldResult
from ..results._estimates import PRIMARY, Estimates
from ._files import exclude_unreadable, read_files, temporary_cache
from ._fit import checked, class_scores
from ._splits import Split, check_classes, make_splits, read_cv

EXACT = ("bytes", "pixels")
KINDS = (*EXACT, "near")
AS_IT_IS, NO_COPIES, NO_RELATIVES = "as it is", "without exact copies", "without all relatives"
MODEL = ("hog", "svm")  # knows its training images by heart, as larger models do, and is fitted in seconds
IMAGE_SIZE = 128  # pixels along each side
LEVEL = 0.95
Rows = NDArray[np.int64]


def leak_cost(
    data: FractureDataset,
    copies: pd.DataFrame,
    *,
    cv: Any = 5,
    random_state: int | None = None,
    n_jobs: int | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Score a cheap model on the same test images, with and without copies of them in its training part.

    The model is HOG features of images of 128 x 128 pixels with an SVM. It is fitted on the training part as it is,
    on what is left without exact copies of test images, and on what is left without all their relatives: near copies,
    images of the same group, and whatever is joined to them through others. The differences are what the leaks are
    worth to this model; another may gain more or less by them.

    Parameters
    ----------
    data : FractureDataset
        Where it came with a split of its own (a column "split" of `data.frame`), that split's test part is scored.
    copies : DataFrame
        Pairs of the same picture: columns first and second (rows of `data`) and kind ("bytes", "pixels" or "near").
    cv : int, splitter or iterable of (train, test), default=5
        Folds for data without a split of their own, as in `evaluate`.
    random_state : int, default=None
        Seed of the folds and of the model.
    n_jobs : int, default=None
        Threads of reading and extraction.
    cache : str or path-like, default=None
        Folder in which pixels and features are kept; None means a temporary one.

    Returns
    -------
    frame : DataFrame
        A row for each setting, "as it is", "without exact copies" and "without all relatives", with the columns
        setting, n_train (mean over the folds), n_test (distinct images), roc_auc, low, high, difference (how far the
        first row lies above this one), difference_low, difference_high. Intervals of 95 % come from leaving out
        relatives together, as in `evaluate`. Values are missing where a training part is left without a class.

    Raises
    ------
    ValueError
        If `copies` lacks a column, names a row that is not in the data or has another kind, or `cv` is none of those.
    DatasetError
        If no file can be read (NoReadableImagesError), or the data cannot be divided so.

    See Also
    --------
    fracture_features.audit_dataset : Finds the copies.

    Examples
    --------
    >>> import shutil, tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.evaluation import leak_cost
    >>> folder = Path(make_radiographs(40, folder=tempfile.mkdtemp(), random_state=0))
    >>> for path in sorted(folder.glob("*/*.*")):
    ...     name = shutil.copy(path, path.with_name(f"copy_of_{path.name}"))
    >>> data = load_folder(folder)
    >>> rows = {path: row for row, path in enumerate(data.paths)}
    >>> pairs = [(rows[path], rows[path.replace("copy_of_", "")], "bytes") for path in rows if "copy_of_" in path]
    >>> cost = leak_cost(data, pd.DataFrame(pairs, columns=["first", "second", "kind"]), cv=2, random_state=0)
    >>> as_it_is, _, honest = cost["roc_auc"]
    >>> as_it_is > honest
    True
    """
    _check_copies(copies, len(data))
    folds = read_cv(data, cv, 1)
    with temporary_cache() if cache is None else nullcontext(os.fspath(cache)) as folder:
        model = make_pipeline(*MODEL, image_size=IMAGE_SIZE, cache=folder, random_state=random_state, n_jobs=n_jobs)
        kept, excluded = exclude_unreadable(read_files(data, [model]))
        readable = ~np.isin(data.paths, excluded["path"])
        splits = _splits(kept, folds, random_state, readable)
        kin = _kin(kept, _renumbered(copies, readable))
        found = _fold_results(model, kept, splits, kin)
    return _table(replace(kept, groups=kin[NO_RELATIVES]), found, splits)


def _check_copies(copies: pd.DataFrame, n: int) -> None:
    if missing := [name for name in ("first", "second", "kind") if name not in copies]:
        raise ValueError(f"copies must have the columns first, second and kind, got {list(copies)} without {missing}")
    rows = copies[["first", "second"]].to_numpy()
    if len(rows) and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n):
        raise ValueError(f"copies: first and second must be rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    if unknown := sorted(set(copies["kind"]) - set(KINDS)):
        raise ValueError(f"copies: kind must be one of {KINDS}, got {unknown}")


def _renumbered(copies: pd.DataFrame, readable: NDArray[np.bool_]) -> pd.DataFrame:
    """Pairs of readable images, by their rows among these."""
    new = np.cumsum(readable) - 1
    first, second = (copies[name].to_numpy(dtype=np.int64) for name in ("first", "second"))
    both = readable[first] & readable[second]
    return pd.DataFrame(
        {"first": new[first[both]], "second": new[second[both]], "kind": copies["kind"].to_numpy()[both]}
    )


def _splits(data: FractureDataset, folds: Any, random_state: int | None, readable: NDArray[np.bool_]) -> list[Split]:
    """The data's own split, if it has one with every class on both sides; folds otherwise."""
    try:
        split = published_split(data)
        for rows, name in zip(split, ("training", "test"), strict=True):
            check_classes(data, rows, f"the {name} part")
    except DatasetError:
        return make_splits(data, folds, 1, random_state, readable)
    return [split]


def _kin(data: FractureDataset, copies: pd.DataFrame) -> dict[str, Rows]:
    """For each setting, a number for each image that it shares with those it must not be parted from."""
    exact, pairs, n = copies[copies["kind"].isin(EXACT)], copies[["first", "second"]], len(data)
    if data.groups is not None:
        _, first, group = np.unique(data.groups, return_index=True, return_inverse=True)
        pairs = pd.concat([pairs, pd.DataFrame({"first": first[group], "second": np.arange(n)})])
    return {AS_IT_IS: np.arange(n), NO_COPIES: copy_groups(n, exact), NO_RELATIVES: copy_groups(n, pairs)}


def _fold_results(
    model: Any, data: FractureDataset, splits: list[Split], kin: dict[str, Rows]
) -> dict[str, list[FoldResult]]:
    """Return what the model gives on each fold of each setting; no folds where a training part lacks a class."""
    found: dict[str, list[FoldResult]] = {setting: [] for setting in kin}
    for k, (train, test) in enumerate(splits, start=1):
        known: dict[bytes, NDArray[np.float64]] = {}
        for setting, of_image in kin.items():
            rows = train[~np.isin(of_image[train], of_image[test])]
            if len(np.unique(data.y[rows])) < len(data.target_names):
                continue
            if rows.tobytes() not in known:
                fitted = clone(model).fit(data.paths[rows], data.y[rows])
                scores = checked(class_scores(fitted, data.paths[test]), len(data.target_names), setting)
                known[rows.tobytes()] = scores
            scores = known[rows.tobytes()]
            found[setting].append(FoldResult(setting, k, rows, test, scores.argmax(axis=1), scores))
    return {setting: folds if len(folds) == len(splits) else [] for setting, folds in found.items()}


def _table(data: FractureDataset, found: dict[str, list[FoldResult]], splits: list[Split]) -> pd.DataFrame:
    estimates = Estimates(data, [fold for folds in found.values() for fold in folds], seed=0)
    tested = np.concatenate([test for _, test in splits])
    # As in `evaluate`: of the method, trained anew, where folds share training data.
    fraction = len(tested) / len(splits) / len(data) if len(splits) > 1 else None
    rows = []
    for setting, folds in found.items():
        row: dict[str, Any] = {"setting": setting, "n_train": 0, "n_test": len(np.unique(tested))}
        if folds:
            row["n_train"] = round(np.mean([len(fold.train) for fold in folds]))
            row["roc_auc"] = estimates.value(setting, PRIMARY)
            row["low"], row["high"] = estimates.interval(setting, PRIMARY, LEVEL, fraction)
        if folds and setting != AS_IT_IS and found[AS_IT_IS]:
            against = estimates.compare(AS_IT_IS, setting, PRIMARY, LEVEL, fraction)
            row["difference"], row["difference_low"], row["difference_high"] = against[:3]
        rows.append(row)
    names = ("roc_auc", "low", "high", "difference", "difference_low", "difference_high")
    return pd.DataFrame(rows).reindex(columns=["setting", "n_train", "n_test", *names])
