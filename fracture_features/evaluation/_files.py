"""Which files are evaluated, and where what is read from them is kept meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from .._locks import temporary_folder
from .._text import any_text
from ..cache import cached_parts, close_cache
from ..datasets import Description, FractureDataset, left_out_table, take_inventory
from ..exceptions import NoReadableImagesError
from ..images import ImageReader


@any_text
def read_files(
    data: FractureDataset, models: Iterable[Any], descriptions: Sequence[Description] = ()
) -> FractureDataset:
    """Take the inventory of a data set, reading every file as the models will, and filling their caches.

    Parameters
    ----------
    data : FractureDataset
    models : iterable of estimators
        Read with the ImageReaders found in them, or with a default one where there is none.
    descriptions : sequence of Description, default=()
        What else to say of each file.

    Returns
    -------
    data : FractureDataset
        With its `files`.
    """
    readers = [part for model in models for part in cached_parts(model) if isinstance(part, ImageReader)]
    return data.with_files(take_inventory(data.paths.tolist(), readers or None, descriptions=descriptions))


@any_text
def exclude_unreadable(data: FractureDataset) -> tuple[FractureDataset, pd.DataFrame]:
    """Divide a data set into what can be read and what cannot.

    Returns
    -------
    data : FractureDataset
        The readable images, with their `files`.
    excluded : DataFrame
        The others, those that the loader left out before them, with the columns path, label and reason.

    Raises
    ------
    NoReadableImagesError
        If no file can be read.
    """
    files = data.files
    bad = files["reason"].notna().to_numpy()
    excluded = left_out_table(data, np.flatnonzero(bad), files.loc[bad, "reason"].tolist())
    if bad.all():
        raise NoReadableImagesError(
            f"none of {len(data)} files can be read; the first: {excluded['path'][0]}: {excluded['reason'][0]}"
        )
    kept = replace(data, left_out=data.left_out.iloc[:0]).with_files(files).subset(~bad)
    return kept, pd.concat([data.left_out, excluded], ignore_index=True)


@contextmanager
def temporary_cache() -> Iterator[str]:
    """A folder for a cache, removed at the end."""
    with temporary_folder() as folder:
        try:
            yield folder
        finally:
            close_cache(folder)


def shared_cache(models: Iterable[Any], folder: str) -> Any:
    """The cache of all models, if it is the same for all, or else `folder`; does not depend on their order."""
    caches = {part.cache for model in models for part in cached_parts(model)}
    return caches.pop() if len(caches) == 1 else folder


def with_cache(model: Any, folder: str) -> Any:
    """A clone in which what has no cache takes `folder`."""
    model = clone(model)
    for part in cached_parts(model):
        if part.cache is None:
            part.cache = folder
    return model


def join(data: FractureDataset, external: FractureDataset) -> FractureDataset:
    """All images with the metadata of `data`, as far as `external` has them."""
    columns = list(data.metadata_columns)
    both = FractureDataset(
        paths=np.concatenate([data.paths, external.paths]),
        y=np.concatenate([data.y, external.y]),
        target_names=data.target_names,
        groups=None,
        frame=pd.concat([data.frame[columns], external.frame.reindex(columns=columns)], ignore_index=True),
        metadata_columns=data.metadata_columns,
    )
    return both.with_files(pd.concat([data.files, external.files]))
