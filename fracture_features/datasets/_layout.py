"""Which folders of a path are splits, and which are classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..exceptions import DatasetError
from ._labels import is_fracture_name, is_healthy_name, spelling_key

SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
# What else such a folder may be called after: train_set, val_data, TestImages.
AFTER = r"(?:sets?|data|datasets?|images?|imgs?|split|folder|part)*"


class Layout(NamedTuple):
    """Which folder of each path, counted from the root, is the class and which, if any, the split."""

    class_level: int
    split_level: int | None


def split_of(folder: str) -> str | None:
    """Return which split a folder is by its name: "train", "val", "test" or None."""
    squeezed = re.sub(r"[\W_\d]+", "", folder.casefold())
    match = re.fullmatch(rf"({'|'.join(sorted(SPLITS, key=len, reverse=True))}){AFTER}", squeezed)
    return SPLITS[match[1]] if match else None


def read_layout(parts: Sequence[Sequence[str]], where: str) -> Layout:
    """Find the folders that are classes.

    They are the first whose names are all certainly of fractures or of what is none, both among them. Where there are
    no such folders, they are the first that are no split and have more than one name.

    Parameters
    ----------
    parts : sequence of sequence of str
        Folders and name of each image.
    where : str
        For messages.

    Raises
    ------
    DatasetError
        If splits stand beside other folders, deeper folders look like classes of more than two kinds, or an image
        lies in no class folder.
    """
    tops = {p[0] for p in parts}
    with_splits = {top for top in tops if split_of(top)}
    if with_splits and with_splits != tops:
        raise DatasetError(
            f"{where}: splits {sorted(with_splits)} stand beside other folders or images {sorted(tops - with_splits)}"
        )
    levels = _levels(parts)
    splits = [k for k, names in enumerate(levels) if all(map(split_of, names))]
    split_level = splits[0] if splits else None
    class_level = _class_level(levels, splits, where)
    if loose := ["/".join(p) for p in parts if len(p) < class_level + 2]:
        raise DatasetError(f"{where}: {len(loose)} images lie in no class folder, the first is {loose[0]!r}")
    if split_level is not None and any(len(p) < split_level + 2 for p in parts):
        split_level = None
    return Layout(class_level, split_level)


def _levels(parts: Sequence[Sequence[str]]) -> list[set[str]]:
    """Names of the folders at each depth, of those images that lie so deep."""
    depth = max(len(p) for p in parts) - 1
    return [{p[k] for p in parts if len(p) > k + 1} for k in range(depth)]


def _class_level(levels: Sequence[set[str]], splits: Sequence[int], where: str) -> int:
    others = [k for k in range(len(levels)) if k not in splits]
    first = next((k for k in others if len(levels[k]) > 1), others[0] if others else len(levels))
    for k in others:
        fractures = {spelling_key(name) for name in levels[k] if is_fracture_name(name)}
        healthy = {spelling_key(name) for name in levels[k] if is_healthy_name(name)}
        if not fractures or not healthy:
            continue
        keys = {spelling_key(name) for name in levels[k]}
        if keys == fractures | healthy and (len(keys) == 2 or k == first):
            return k
        if k > first:
            raise DatasetError(
                f"{where}: {sorted(levels[first])[:3]} may be the classes, but folders below are called "
                f"{sorted(levels[k])[:5]}; expected classes in one place (load_mura loads MURA)"
            )
    return first
