"""One pass over the files of a data set, which everything that asks about files reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import gen_batches

from .._threads import has_processes, map_threads
from ..cache import Cache, digest, open_cache
from ..exceptions import ImageReadError
from ..images import ImageFile, ImageReader, describe_file

BLOCK = 16
COLUMNS = ("size", "mtime", "sha256", "format", "height", "width", "reason")


class Description(NamedTuple):
    """What is to be said of every file, from its content alone.

    Parameters
    ----------
    version : str
        Part of its key in the cache; another one where `describe` changes.
    describe : callable
        Takes an ImageFile and returns a dict of JSON's types; an ImageReadError is a reason against the file.
    """

    version: str
    describe: Callable[[ImageFile], dict[str, Any]]


HEADER = Description("inventory 2", describe_file)


def take_inventory(
    paths: Sequence[str],
    readers: Iterable[ImageReader] | None = None,
    *,
    descriptions: Sequence[Description] = (),
    cache: str | os.PathLike[str] | None = None,
    n_jobs: int | None = -1,
) -> pd.DataFrame:
    """Open each file once: describe it, and read it as each reader will, which fills their caches.

    Parameters
    ----------
    paths : sequence of str
    readers : iterable of ImageReader, default=()
        None stands for a reader with default parameters. With the cache of one of them, a file that has not changed
        since an earlier pass is not opened at all.
    n_jobs : int, default=-1
        Threads; under a `joblib.parallel_config` with processes, here or on other machines, these do the work.

    Returns
    -------
    files : DataFrame
        A row for each path: size (bytes), mtime (UTC), sha256, format ("JPEG", "PNG", "DICOM", ...), height and width
        as displayed, reason why it cannot be read as an image (missing where it can), and, where there is any DICOM,
        those of `images.read_header`'s elements that name nobody, then those of `descriptions`. What is not known of
        an unreadable file is missing.
    """
    unique = {repr(reader): reader for reader in ([ImageReader()] if readers is None else readers)}
    ordered = [unique[name] for name in sorted(unique)]
    folders = list(dict.fromkeys([cache, *(reader.cache for reader in ordered)]))
    describe = partial(_rows, readers=ordered, descriptions=[HEADER, *descriptions], folders=folders)
    if has_processes():
        blocks = [paths[rows] for rows in gen_batches(len(paths), BLOCK * 16)]
        found = list(chain.from_iterable(Parallel()(delayed(describe)(block) for block in blocks)))
    else:
        blocks = [paths[rows] for rows in gen_batches(len(paths), BLOCK)]
        found = list(chain.from_iterable(map_threads(describe, blocks, n_jobs)))
    frame = pd.DataFrame(found)
    frame = frame.reindex(columns=[*COLUMNS, *(name for name in frame if name not in COLUMNS)])
    numbers = dict.fromkeys(("size", "height", "width"), "Int64")
    return frame.astype(numbers).assign(mtime=pd.to_datetime(frame["mtime"], utc=True))


def _rows(
    paths: Sequence[str], readers: list[ImageReader], descriptions: list[Description], folders: list[Any]
) -> list[dict[str, Any]]:
    """A row for each path; what is to be kept goes into the caches together."""
    caches = {folder: open_cache(folder) for folder in folders if folder is not None}
    keep: dict[Any, list[tuple[bytes, bytes]]] = {folder: [] for folder in caches}
    found = [_row(ImageFile(path), readers, descriptions, caches, keep) for path in paths]
    for folder, cache in caches.items():
        cache.put(keep[folder])
    return found


def _row(
    file: ImageFile,
    readers: list[ImageReader],
    descriptions: list[Description],
    caches: dict[Any, Cache],
    keep: dict[Any, Any],
) -> dict[str, Any]:
    row: dict[str, Any] = {"reason": None}
    folder = next(iter(caches), None)  # any will do
    try:
        row |= {"size": file.status.st_size, "mtime": pd.Timestamp(file.status.st_mtime_ns, tz="UTC")}
        row["sha256"] = file.sha256(caches.get(folder), keep.get(folder)).hex()
        for reader in readers:
            reader.read(file, caches.get(reader.cache), keep.get(reader.cache, []))
    except ImageReadError as error:
        row["reason"] = error.reason
    for description in descriptions:
        try:
            row |= _described(file, description, caches.get(folder), keep.get(folder))
        except ImageReadError as error:
            row["reason"] = row["reason"] or error.reason
    return row


def _described(file: ImageFile, description: Description, cache: Cache | None, keep: Any) -> dict[str, Any]:
    """Describe a file; from the cache where it is there."""
    if cache is None:
        return description.describe(file)
    key = digest(description.version, file.sha256(cache, keep))
    (found,) = cache.get([key])
    if found is not None:
        return dict(json.loads(found))
    described = description.describe(file)
    keep.append((key, json.dumps(described).encode()))
    return described
