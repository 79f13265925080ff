"""Labels, groups and the data's own split: what contradicts what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from ..datasets import FractureDataset, is_fracture_name, is_healthy_name, spelling_key
from ._findings import N_EXAMPLES, Finding
from ._parts import Parts

# Columns that say themselves whether there is a fracture: not 0 is yes.
SAYS_FRACTURED = ("fractured", "fracture_count", "n_fractures")
BALANCE_DIFFERS = 0.1  # share of fractures, between the parts of a split
BALANCE_LEVEL = 0.01  # error rate of the test of the same


def label_findings(parts: Parts) -> list[Finding]:
    """Contradictions of labels, and what groups and split do.

    Parameters
    ----------
    parts : Parts
        Of the data set.
    """
    return [
        *_groups_of_several_classes(parts),
        *_contradicted_labels(parts),
        *_groups_across_split(parts),
        *_without_groups(parts),
        *_balance(parts),
    ]


def _groups_of_several_classes(parts: Parts) -> Iterator[Finding]:
    if parts.patients is None:
        return
    n_classes = pd.Series(parts.data.y).groupby(parts.patients).nunique()
    mixed = n_classes.index[n_classes > 1]
    if len(mixed):
        rows = np.flatnonzero(np.isin(parts.patients, mixed)).tolist()
        yield parts.finding("FF302", rows, _paths(parts.data, rows), count=len(mixed))


def _contradicted_labels(parts: Parts) -> Iterator[Finding]:
    told = {f"folder {name!r}": values for name, values in _folders(parts.data)}
    told |= dict(_columns(parts.data)) | dict(_boxes(parts.data))
    rows, examples = [], []
    for row in range(len(parts.data)):
        against = [name for name, values in told.items() if values[row] not in (-1, parts.data.y[row])]
        if against:
            rows.append(row)
            label = parts.data.target_names[parts.data.y[row]]
            examples.append(f"{parts.data.paths[row]}: labelled {label!r}, against {', '.join(against)}")
    if rows:
        yield parts.finding("FF303", rows, examples)


def _folders(data: FractureDataset) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Folders below the common one that are named like a class: what they say of the images in them, -1 of others."""
    folders = [os.path.dirname(path) for path in data.paths]
    common = len(PurePath(os.path.commonpath(set(folders))).parts)
    names = {folder: PurePath(folder).parts[common:] for folder in set(folders)}
    for name in sorted({part for parts in names.values() for part in parts}):
        said = _class_named(data, name)
        if said is not None:
            yield name, np.where([name in names[folder] for folder in folders], said, -1)


def _class_named(data: FractureDataset, name: str) -> int | None:
    """Return which class a folder is named like."""
    for number, target in enumerate(data.target_names):
        if spelling_key(target) == spelling_key(name):
            return number
    if len(data.target_names) == 2:
        return 1 if is_fracture_name(name) else 0 if is_healthy_name(name) else None
    return None


def _columns(data: FractureDataset) -> Iterator[tuple[str, NDArray[np.int64]]]:
    for name in SAYS_FRACTURED if len(data.target_names) == 2 else ():
        if name in data.frame and pd.api.types.is_numeric_dtype(data.frame[name]):
            values = data.frame[name]
            yield f"column {name!r}", np.where(values.isna(), -1, (values.fillna(0) > 0).astype(np.int64))


def _boxes(data: FractureDataset) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """What boxes say: a fracture where there is one, none where an image is known to have none."""
    if data.boxes is not None and len(data.target_names) == 2:
        yield "its boxes", np.array([-1 if boxes is None else int(len(boxes) > 0) for boxes in data.boxes])


def _groups_across_split(parts: Parts) -> Iterator[Finding]:
    if parts.patients is None or not parts.has_split:
        return
    shared = np.intersect1d(parts.patients[parts.is_test], parts.patients[~parts.is_test])
    if shared.size:
        rows = np.flatnonzero(np.isin(parts.patients, shared)).tolist()
        yield parts.finding("FF401", rows, _paths(parts.data, rows), count=shared.size)


def _without_groups(parts: Parts) -> Iterator[Finding]:
    if parts.patients is None:
        yield parts.finding("FF402", range(len(parts.data)), ())


def _balance(parts: Parts) -> Iterator[Finding]:
    if not parts.has_split:
        return
    y = parts.data.y
    counts = np.array(
        [np.bincount(y[part], minlength=len(parts.data.target_names)) for part in (parts.is_test, ~parts.is_test)]
    )
    counts = counts[:, counts.any(axis=0)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    largest = np.abs(shares[0] - shares[1]).max()
    if largest >= BALANCE_DIFFERS and chi2_contingency(counts).pvalue < BALANCE_LEVEL:
        name = parts.data.target_names[-1]
        test, train = (float((y[part] == y.max()).mean()) for part in (parts.is_test, ~parts.is_test))
        detail = f"{name}: {test:.0%} of the test part, {train:.0%} of the rest"
        yield parts.finding("FF403", range(len(y)), (), count=2, detail=detail)


def _paths(data: FractureDataset, rows: list[int]) -> list[str]:
    return [str(data.paths[row]) for row in rows[:N_EXAMPLES]]
