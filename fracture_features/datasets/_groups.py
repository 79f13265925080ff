"""The ways to say which images belong together."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..exceptions import GroupsError
from ._table import SUFFIXES, column_of, read_table


def resolve_groups(
    groups: object,
    relative: Sequence[str],
    frame: pd.DataFrame,
    y: NDArray[np.int64] | None = None,
    class_level: int | None = None,
) -> NDArray[np.int64] | None:
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
    y : ndarray of shape (n_samples,), default=None
        The classes, which groups must not be.
    class_level : int, default=None
        Which folder of a path is the class.

    Returns
    -------
    groups : ndarray of shape (n_samples,), dtype int64, or None
        Numbered by first appearance.

    Raises
    ------
    GroupsError
        If an image has no group, `groups` is none of these, or is the class itself.
    """
    if groups is None:
        return None
    if isinstance(groups, os.PathLike) or (isinstance(groups, str) and groups.lower().endswith(SUFFIXES)):
        values = np.asarray(_from_csv(Path(groups), relative), dtype=object)
    elif isinstance(groups, str):
        known = frame[groups] if groups in frame else _from_pattern(groups, relative, frame, class_level)
        values = np.asarray(known, dtype=object)
    else:
        values = np.asarray(groups, dtype=object)
    if values.shape != (len(relative),):
        raise GroupsError(f"groups: expected one for each of {len(relative)} images, got shape {values.shape}")
    values = np.array([None if isinstance(v, str) and not v.strip() else v for v in values] or [None], dtype=object)
    codes, _ = pd.factorize(values[: len(relative)])
    if (codes < 0).any():
        row = int(np.argmin(codes))
        raise GroupsError(f"groups: {(codes < 0).sum()} images have none, the first is {relative[row]!r}")
    if y is not None and len(y) > (n := len(np.unique(y))) > 1:
        pairs = {(int(code), int(label)) for code, label in zip(codes, y, strict=True)}
        if len(pairs) == len(np.unique(codes)) == n:
            raise GroupsError(
                f"groups={groups!r:.80} gives each class one group of its own; expected several, of patients"
            )
    return codes.astype(np.int64)


def _from_pattern(pattern: str, relative: Sequence[str], frame: pd.DataFrame, class_level: int | None) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise GroupsError(
            f"groups={pattern!r} is neither a column ({list(frame.columns)}), nor the name of a csv file, "
            f"nor a regular expression ({error})"
        ) from error
    values = []
    for path in relative:
        match = compiled.search(path)
        if match is None:
            raise GroupsError(
                f"groups={pattern!r} is no column of the frame ({list(frame.columns)}), and as a regular expression "
                f"it finds nothing in {path!r}"
            )
        if class_level is not None and _lies_in_folder(match, path, class_level):
            folder = path.split("/")[class_level]
            raise GroupsError(
                f"groups={pattern!r} finds {match.group()!r} in the class folder {folder!r} of {path!r}, so that a "
                "group would be a class; expected a pattern of what follows it, such as r'patient(\\d+)'"
            )
        parts = match.groups(default="") or (match.group(),)
        values.append("|".join(parts) if any(parts) else "")
    return values


def _lies_in_folder(match: re.Match[str], path: str, level: int) -> bool:
    """Return whether all that was captured lies within this folder's name."""
    start = sum(len(part) + 1 for part in path.split("/")[:level])
    end = start + len(path.split("/")[level])
    spans = [match.span(k) for k in range(1, match.re.groups + 1) if match.span(k) != (-1, -1)] or [match.span()]
    return all(start <= low and high <= end for low, high in spans)


def _from_csv(path: Path, relative: Sequence[str]) -> list[str | None]:
    """The group of each image by its path, by the end of a longer path, or by its name where one image has it."""
    table = read_table(path)
    if len(table.columns) != 2 and "group" not in table:
        raise GroupsError(
            f"{path}: expected two columns, the image and its group, or one named 'group'; got {list(table.columns)}"
        )
    group = "group" if "group" in table else table.columns[1]
    image = next(column for column in ("image", *table.columns) if column in table and column != group)
    known: dict[str, str | None] = {}
    ends: dict[str, set[str | None]] = {}
    for given, cell in zip(column_of(table, image, path), table[group], strict=True):
        name, value = given.strip().replace("\\", "/").removeprefix("./"), cell and cell.strip()
        if known.setdefault(name, value) != value:
            raise GroupsError(f"{path}: {name!r} stands in two groups, {known[name]!r} and {value!r}")
        parts = name.split("/")
        for k in range(1, len(parts)):
            ends.setdefault("/".join(parts[k:]), set()).add(value)
    namesakes = _namesakes(relative)
    return [_look_up(image_path, known, ends, namesakes, path) for image_path in relative]


def _look_up(
    image: str, known: dict[str, str | None], ends: dict[str, set[str | None]], namesakes: Counter[str], path: Path
) -> str | None:
    pure = PurePosixPath(image)
    for key in (image, pure.with_suffix("").as_posix()):
        if key in known:
            return known[key]
    if len(found := ends.get(image, set())) == 1:
        return next(iter(found))
    for key in (pure.name, pure.stem):
        if key in known:
            if namesakes[key] > 1:
                raise GroupsError(f"{path}: {key!r} may be any of {namesakes[key]} images, {image!r} among them")
            return known[key]
    raise GroupsError(f"{path}: no group for {image!r}")


def _namesakes(relative: Sequence[str]) -> Counter[str]:
    """Return how many images have a name, with or without its ending."""
    return Counter(key for image in relative for key in {PurePosixPath(image).name, PurePosixPath(image).stem})
