"""Folders of values by key."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import groupby
from pathlib import Path

from ..exceptions import CacheWarning
from ._values import Damaged, Place, read_places, read_values, write_values

# The folder of the values, within that of the cache; another one where their form changes.
STORE = "fracture_features-2"
TICK = 20_000_000  # nanoseconds, at least one of the file system's clock
FILE_NAME = re.compile(r"[0-9a-f]{24}")  # the time, so that of two values of a key the later counts, and chance

_bypassed: ContextVar[bool] = ContextVar("_bypassed", default=False)
_caches: dict[str, Cache] = {}


def open_cache(folder: str | os.PathLike[str], *, make: bool = True) -> Cache:
    """The cache in `folder`, one object in a process however the folder is spelt.

    Parameters
    ----------
    folder : str or path-like
        `~` stands for the user's own folder.
    make : bool, default=True
        Whether to make the folder where there is none. Fitting does; what is fitted already does not, for it may have
        come to another machine or another folder.

    Raises
    ------
    ValueError
        If it is an empty string, or the folder of a user whom there is not.
    """
    path = locate(folder)
    if make and not os.path.isdir(path):
        with suppress(OSError):  # said where something is to be kept
            os.makedirs(path, 0o700)
            _caches.pop(path, None)
    if path not in _caches:
        for gone in [known for known in list(_caches) if not os.path.isdir(known)]:
            _caches.pop(gone, None)
    return _caches.setdefault(path, Cache(Path(path)))


def locate(folder: str | os.PathLike[str]) -> str:
    """The real path of a cache's folder, which one process may spell in several ways."""
    path = os.path.expanduser(folder)
    if not path or path.startswith("~"):
        raise ValueError(f"cache={os.fspath(folder)!r} names no folder; without a cache it is None.")
    return os.path.realpath(path)


def close_cache(folder: str | os.PathLike[str]) -> None:
    """Forget the cache in `folder` in this process, and what has been said of it."""
    _caches.pop(locate(folder), None)


@contextmanager
def bypassed_caches() -> Iterator[None]:
    """Let caches find and keep nothing here and in threads started from here, as to time what computing costs."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


class Cache:
    """A folder of values by key. What is damaged or cannot be kept is said once, and computed.

    Parameters
    ----------
    folder : Path

    Warns
    -----
    CacheWarning
        If the folder is missing, cannot be read or written, or is full; if a file in it is damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._store = os.path.join(folder, STORE)
        self._places: dict[bytes, Place] = {}
        self._known: set[str] = set()  # names of files whose places are known
        self._listed: int | None = None  # when the store had last changed as it was listed
        self._is_refused = self._is_damaged = False

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none."""
        if _bypassed.get():
            return [None] * len(keys)
        if any(key not in self._places for key in keys):
            self._list()
        known = self._places  # other threads may put another one in its place
        places = [(key, known[key]) for key in dict.fromkeys(keys) if key in known]
        values: dict[bytes, bytes] = {}
        for path, group in groupby(sorted(places, key=lambda item: item[1].path), key=lambda item: item[1].path):
            items = list(group)
            try:
                values |= zip((key for key, _ in items), read_values(path, items), strict=True)
            except (OSError, Damaged) as error:
                self._lose(path, error)
        return [values.get(key) for key in keys]

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep each value under its key, all of them or, where the disk is full, none."""
        values = dict(items)
        if self._is_refused or not values or _bypassed.get():
            return
        name = f"{time.time_ns():016x}{os.urandom(4).hex()}"
        try:
            if not os.path.isdir(self._store):
                with suppress(FileExistsError):
                    os.mkdir(self._store, 0o700)
            self._places.update(write_values(os.path.join(self._store, name), values))
            self._known.add(name)
        except OSError as error:
            self._refuse(error)

    def _list(self) -> None:
        """Learn of files that have been written since, by other processes too."""
        try:
            changed = os.stat(self._store).st_mtime_ns
            if changed == self._listed:
                return
            names = set(os.listdir(self._store)) - self._known
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._refuse(error)
            return
        for name in sorted(filter(FILE_NAME.fullmatch, names)):
            self._known.add(name)
            path = os.path.join(self._store, name)
            try:
                self._places.update(read_places(path))
            except (OSError, Damaged) as error:
                self._lose(path, error)
        # Within a tick of the file system's clock another file leaves the time as it is.
        self._listed = changed if time.time_ns() - changed > TICK else None

    def _lose(self, path: str, error: Exception) -> None:
        """Forget what is in a file; say it, and remove the file, where it is damaged."""
        if isinstance(error, Damaged) or (os.path.lexists(path) and not os.path.isfile(path)):
            with suppress(OSError):
                os.unlink(path)
            if not self._is_damaged:
                self._is_damaged = True
                _warn(f"damaged in the cache: {path!r} ({error}), and maybe others. It is computed again.")
        elif isinstance(error, OSError) and not isinstance(error, FileNotFoundError):  # which is cleared
            self._refuse(error)
        self._places = {key: place for key, place in list(self._places.items()) if place.path != path}

    def _refuse(self, error: OSError) -> None:
        """Keep nothing from here on."""
        is_missing = isinstance(error, FileNotFoundError)
        if not self._is_refused and not (is_missing and self.folder.is_dir()):  # being cleared by another process
            self._is_refused = True
            reason = "there is no such folder, and only fitting makes one" if is_missing else error
            _warn(f"the cache in {str(self.folder)!r} is not used: {reason}. Results are computed instead.")


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=5)
