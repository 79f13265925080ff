"""Which folders of a path are splits, and which are classes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from ..exceptions import DatasetError, DatasetWarning
from ._labels import is_fracture_name, is_healthy_name, plain_words, spelling_key

# In the languages in which folders are named.
WORDS = {
    "train": "train training trainings trn entrenamiento entrainement apprentissage treino treinamento addestramento",
    "val": "val valid validation dev validierung validierungs validacion validacao validazione",
    "test": "test testing tst holdout heldout prueba pruebas teste testes",
}
SPLITS = {word: split for split, words in WORDS.items() for word in words.split()}
# What else such a folder may be called before and after: images_train, val_data, TestImages, train_v2.
OTHER = "sets?|data|datasets?|images?|imgs?|splits?|folder|parts?|files?|xrays?|radiographs?|daten|datos|dados"
SPLIT = re.compile(rf"(?:{OTHER})*({'|'.join(sorted(SPLITS, key=len, reverse=True))})(?:{OTHER}|v)*")


class Layout(NamedTuple):
    """Which folder of each path, counted from the root, is the class and which, if any, the split."""

    class_level: int
    split_level: int | None


def split_of(folder: str) -> str | None:
    """Return which split a folder is by its name: "train", "val", "test" or None."""
    match = SPLIT.fullmatch("".join(plain_words(folder)))
    return SPLITS[match[1]] if match else None


def read_layout(parts: Sequence[Sequence[str]], positive: str | None, where: str) -> Layout:
    """Find the folders that are classes.

    They are the first of two names of which one is `positive`, or else the first whose names are all certainly of
    fractures or of what is none, both among them. Where there are no such folders, they are the first that are no
    split and have more than one name.

    Parameters
    ----------
    parts : sequence of sequence of str
        Folders and name of each image.
    positive : str or None
        The name of the fractures, where it is given.
    where : str
        For messages.

    Raises
    ------
    DatasetError
        If splits stand beside other folders, deeper folders look like classes of more than two kinds, or an image
        lies in no class folder.

    Warns
    -----
    DatasetWarning
        If the names do not tell, and each of these folders has the same folders in it, which may be the classes.
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
    named = None if positive is None else _level_named(levels, splits, positive)
    class_level = _class_level(levels, splits, where) if named is None else named
    if loose := ["/".join(p) for p in parts if len(p) < class_level + 2]:
        raise DatasetError(f"{where}: {len(loose)} images lie in no class folder, the first is {loose[0]!r}")
    if split_level is not None and any(len(p) < split_level + 2 for p in parts):
        split_level = None
    if named is None:
        _warn_of_classes_below(parts, class_level, splits, where)
    return Layout(class_level, split_level)


def _levels(parts: Sequence[Sequence[str]]) -> list[set[str]]:
    """Names of the folders at each depth, of those images that lie so deep."""
    depth = max(len(p) for p in parts) - 1
    return [{p[k] for p in parts if len(p) > k + 1} for k in range(depth)]


def _level_named(levels: Sequence[set[str]], splits: Sequence[int], positive: str) -> int | None:
    """The first level that divides images into this class and one other."""
    keys = [set(map(spelling_key, names)) for names in levels]
    found = (k for k in range(len(levels)) if k not in splits and len(keys[k]) == 2)
    return next((k for k in found if spelling_key(positive) in keys[k]), None)


def _warn_of_classes_below(parts: Sequence[Sequence[str]], level: int, splits: Sequence[int], where: str) -> None:
    names = {p[level] for p in parts}
    if len(names) == 1 or all(is_fracture_name(name) or is_healthy_name(name) for name in names):
        return
    depth = max(len(p) for p in parts) - 1
    below = next((k for k in range(level + 1, depth) if k not in splits), None)
    if below is None or any(len(p) < below + 2 for p in parts):
        return
    found = [{spelling_key(p[below]) for p in parts if p[level] == name} for name in names]
    if len(found[0]) > 1 and all(each == found[0] for each in found):
        warnings.warn(
            f"{where}: taken for the classes: {sorted(names)[:5]}; each has the folders "
            f"{sorted({p[below] for p in parts})[:5]}. If these are the classes, name the fracture's as positive=",
            DatasetWarning,
            stacklevel=5,
        )


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
