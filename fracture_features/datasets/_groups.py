"""The ways to say which images belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..exceptions import DatasetError
from ._table import read_table


def resolve_groups(groups: object, relative: Sequence[str], frame: pd.DataFrame) -> NDArray[np.int64] | None:
    """Number the groups of the images.

    Parameters
    ----------
    groups : None, str, path-like or array-like of shape (n_samples,)
        None; a csv file (an image column and a group column); a column of `frame`; a regular expression whose
        captured text, found in the image's path below the root, is the group; or the groups themselves.
    relative : sequence of str
        Posix path of each image below the root.
    frame : DataFrame
        What else is known of each image.

    Returns
    -------
    groups : ndarray of shape (n_samples,), dtype int64, or None
        Numbered by first appearance.

    Raises
    ------
    DatasetError
        If an image has no group, or `groups` is none of these.
    """
    if groups is None:
        return None
    if isinstance(groups, os.PathLike) or (isinstance(groups, str) and groups.lower().endswith(".csv")):
        values = np.asarray(_from_csv(Path(groups), relative), dtype=object)
    elif isinstance(groups, str):
        known = frame[groups] if groups in frame else _from_pattern(groups, relative, frame)
        values = np.asarray(known, dtype=object)
    else:
        values = np.asarray(groups, dtype=object)
    if values.shape != (len(relative),):
        raise DatasetError(f"groups: expected one for each of {len(relative)} images, got shape {values.shape}")
    codes, _ = pd.factorize(values)
    if (codes < 0).any():
        row = int(np.argmin(codes))
        raise DatasetError(f"groups: {(codes < 0).sum()} images have none, the first is {relative[row]!r}")
    return codes.astype(np.int64)


def _from_pattern(pattern: str, relative: Sequence[str], frame: pd.DataFrame) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DatasetError(
            f"groups={pattern!r} is neither a column ({list(frame.columns)}), nor the name of a csv file, "
            f"nor a regular expression ({error})"
        ) from error
    values = []
    for path in relative:
        match = compiled.search(path)
        if match is None:
            raise DatasetError(
                f"groups={pattern!r} is no column of the frame ({list(frame.columns)}), and as a regular expression "
                f"it finds nothing in {path!r}"
            )
        values.append("|".join(match.groups(default="")) if match.groups() else match.group())
    return values


def _from_csv(path: Path, relative: Sequence[str]) -> list[object]:
    table = read_table(path)
    if len(table.columns) != 2 and "group" not in table:
        raise DatasetError(
            f"{path}: expected two columns, the image and its group, or one named 'group'; got {list(table.columns)}"
        )
    group = "group" if "group" in table else table.columns[1]
    image = next(column for column in table.columns if column != group)
    known: dict[str, object] = {}
    for name, value in zip(table[image].astype(str), table[group], strict=True):
        if known.setdefault(name, value) != value:
            raise DatasetError(f"{path}: {name!r} stands in two groups, {known[name]!r} and {value!r}")
    values = []
    for image_path in relative:
        pure = PurePosixPath(image_path)
        found = [known[key] for key in (image_path, pure.name, pure.stem) if key in known]
        if not found:
            raise DatasetError(f"{path}: no group for {image_path!r} in column {image!r}")
        values.append(found[0])
    return values
