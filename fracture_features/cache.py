"""Results per image on disk, found again by content, parameters and the code's version.

The store is LMDB: several processes read and write it at once, a process killed at any moment leaves it whole,
a read is a look into a memory map. Values are raw bytes, never pickles. The folder belongs on a local disk.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import lmdb
import numpy as np
import xxhash
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from .exceptions import CacheError, CacheWarning

__all__ = [
    "Cache",
    "bypassed_caches",
    "cache_size",
    "clear_cache",
    "close_cache",
    "code_version",
    "digest",
    "open_cache",
]

# Address space, not disk: the file grows as it is written. Windows takes it from the disk at once.
MAP_SIZE = (1 << 32) if os.name == "nt" else (1 << 40)
FILES = ("data.mdb", "lock.mdb")
FORMAT = b"fracture_features cache 1"

_bypassed: ContextVar[bool] = ContextVar("_bypassed", default=False)
_stores: dict[tuple[int, str], Cache] = {}
_lock = threading.Lock()


def digest(*parts: bytes | str | NDArray[np.uint8]) -> bytes:
    """16 bytes that stand for `parts` (arrays contiguous), each kept apart from the next.

    By XXH3, which digests an image in 2 microseconds; it guards against chance, not against forgers.
    """
    state = xxhash.xxh3_128()
    for part in parts:
        data = part.encode() if isinstance(part, str) else memoryview(part).cast("B")  # type: ignore[arg-type]
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.digest()


@functools.cache
def code_version(cls: Any, *modules: ModuleType) -> bytes:
    """Digest of the source of class `cls`, its bases and `modules`, and of OpenCV's version.

    Other code keeps other results.
    """
    package = __name__.partition(".")[0]
    names = {c.__module__ for c in cls.__mro__ if c.__module__.partition(".")[0] == package} | {cls.__module__}
    sources = [
        inspect.getsource(m) for m in [*(sys.modules[n] for n in sorted(names)), *modules] if hasattr(m, "__file__")
    ]
    return digest(cls.__qualname__, cv2.__version__, *sources)


def open_cache(folder: str | os.PathLike[str]) -> Cache:
    """The cache in `folder`, made where there is none, and opened once in a process."""
    key = os.getpid(), os.path.abspath(folder)
    with _lock:
        if key not in _stores:
            _stores[key] = Cache(Path(key[1]))
        return _stores[key]


def close_cache(folder: str | os.PathLike[str]) -> None:
    """Close the cache in `folder` in this process, so that the folder can be removed."""
    with _lock:
        store = _stores.pop((os.getpid(), os.path.abspath(folder)), None)
    if store is not None:
        store.close()


def close_caches() -> None:
    """Close every cache of this process."""
    with _lock:
        folders = [folder for process, folder in _stores if process == os.getpid()]
    for folder in folders:
        close_cache(folder)


class Cached:
    """An estimator of this library's with a parameter `cache`."""

    cache: str | os.PathLike[str] | None


def cached_parts(model: Any) -> Iterator[Cached]:
    """Every such estimator in a model, fitted or not, however deep; none within a FrozenEstimator."""
    waiting, seen = [model], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, FrozenEstimator):
            continue
        seen.add(id(part))
        if isinstance(part, Cached):
            yield part
        if isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, BaseEstimator) or type(part).__module__.startswith("sklearn."):
            waiting += getattr(part, "__dict__", {}).values()


def set_caches(model: Any, folder: str | os.PathLike[str] | None) -> Any:
    """The model, in place, with every `cache` in it set to `folder`."""
    for part in cached_parts(model):
        part.cache = folder
    return model


def cache_size(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Number of values in the cache, and bytes that it takes on disk.

    Parameters
    ----------
    folder : str or path-like

    Returns
    -------
    n_values, n_bytes : int

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's.
    """
    close_cache(folder)  # LMDB opens a store only once in a process
    path = Path(folder)
    if not (path / FILES[0]).is_file():
        raise CacheError(f"{path}: there is no cache in this folder")
    try:
        with lmdb.open(str(path), readonly=True) as store, store.begin() as transaction:
            found, n_values = transaction.get(b"format"), transaction.stat()["entries"] - 1
    except lmdb.Error as error:
        raise CacheError(f"{path}: what is in this folder is no cache ({error})") from error
    if found != FORMAT:
        raise CacheError(f"{path}: the store in this folder is no cache of this version (it says {found!r})")
    return n_values, sum((path / name).stat().st_size for name in FILES if (path / name).exists())


def clear_cache(folder: str | os.PathLike[str]) -> None:
    """Remove the cache in `folder`; a process that uses it goes on, with what it keeps from then on lost.

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's, or it cannot be removed.
    """
    cache_size(folder)
    try:
        for name in FILES:
            (Path(folder) / name).unlink(missing_ok=True)
    except OSError as error:
        raise CacheError(f"{os.fspath(folder)}: the cache cannot be removed: {error.strerror}") from error


@contextmanager
def bypassed_caches() -> Iterator[None]:
    """Let caches find and keep nothing, so that it can be timed what computing costs.

    Here and in threads of `map_threads` started from here; joblib's threads and processes do not hear of it.
    """
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


class Cache:
    """A folder of values by key; where it cannot be used it warns once and finds nothing.

    Parameters
    ----------
    folder : Path
        Made where it is missing.

    Warns
    -----
    CacheWarning
        If the folder cannot be written, is full, or holds something else.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._store: lmdb.Environment | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._store = lmdb.open(str(folder), map_size=MAP_SIZE, max_readers=1024)
            with self._store.begin(write=True) as transaction:
                if transaction.stat()["entries"] == 0:
                    transaction.put(b"format", FORMAT)
                found = transaction.get(b"format")
            if found != FORMAT:
                raise lmdb.Error(f"it holds {found!r}, not {FORMAT!r}")
        except (lmdb.Error, OSError) as error:
            self._give_up(error)

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none."""
        if self._store is None or _bypassed.get():
            return [None] * len(keys)
        with self._store.begin() as transaction:
            return [transaction.get(key) for key in keys]

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep each value under its key, all of them or, where the disk is full, none."""
        if self._store is None or _bypassed.get():
            return
        try:
            with self._store.begin(write=True) as transaction:
                for key, value in items:
                    transaction.put(key, value)
        except (lmdb.Error, OSError) as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the store; it finds nothing from here on."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _give_up(self, error: Exception) -> None:
        self.close()
        warnings.warn(
            f"the cache in {str(self.folder)!r} is not used: {error}. Results are computed instead.",
            CacheWarning,
            stacklevel=4,
        )
