"""Folders of values by key."""

from __future__ import annotations

import os
import re
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import groupby
from pathlib import Path

from ..exceptions import CacheError, CacheWarning
from ._values import Damaged, Place, read_places, read_values, write_values

# The folder of the values, within that of the cache; another one where their form changes.
STORE = "fracture_features-2"
TICK = 20_000_000  # nanoseconds, at least one of the file system's clock
NAME = re.compile(r"[0-9a-f]{24}")  # the time, so that of two values of a key the later counts, and chance

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
    path = _locate(folder)
    if make and not os.path.isdir(path):
        with suppress(OSError):  # said where something is to be kept
            os.makedirs(path, 0o700)
            _caches.pop(path, None)
    if path not in _caches:
        for gone in [known for known in list(_caches) if not os.path.isdir(known)]:
            _caches.pop(gone, None)
    return _caches.setdefault(path, Cache(Path(path)))


def _locate(folder: str | os.PathLike[str]) -> str:
    path = os.path.expanduser(folder)
    if not path or path.startswith("~"):
        raise ValueError(f"cache={os.fspath(folder)!r} names no folder; without a cache it is None.")
    return os.path.realpath(path)


def close_cache(folder: str | os.PathLike[str]) -> None:
    """Forget the cache in `folder` in this process, and what has been said of it."""
    _caches.pop(_locate(folder), None)


def cache_size(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Count the values in a cache, and the bytes in its files.

    Parameters
    ----------
    folder : str or path-like
        The cache.

    Returns
    -------
    n_values, n_bytes : int

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's.

    See Also
    --------
    clear_cache : Remove it.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import ImageReader, load_folder, make_radiographs
    >>> from fracture_features.cache import cache_size
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(4, folder=folder + "/drawn", random_state=0))
    >>> _ = ImageReader(image_size=32, cache=folder + "/cache").fit_transform(data.paths)
    >>> n_values, n_bytes = cache_size(folder + "/cache")
    >>> n_values > 0, n_bytes > 0
    (True, True)
    """
    keys: set[bytes] = set()
    n_bytes = 0
    for path in _files(folder):
        with suppress(OSError, Damaged):
            n_bytes += os.lstat(path).st_size
            keys.update(read_places(path))
    return len(keys), n_bytes


def damaged_files(folder: str | os.PathLike[str]) -> list[str]:
    """List the files of a cache that cannot be read or do not fit their checksums.

    Parameters
    ----------
    folder : str or path-like
        The cache.

    Returns
    -------
    files : list of str
        Empty where the cache is sound.

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's.

    See Also
    --------
    clear_cache : Remove the cache.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import ImageReader, load_folder, make_radiographs
    >>> from fracture_features.cache import damaged_files
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(4, folder=folder + "/drawn", random_state=0))
    >>> _ = ImageReader(image_size=32, cache=folder + "/cache").fit_transform(data.paths)
    >>> damaged_files(folder + "/cache")
    []
    """
    damaged = []
    for path in _files(folder):
        try:
            read_values(path, list(read_places(path).items()))
        except FileNotFoundError:  # removed by another process
            continue
        except (OSError, Damaged):
            damaged.append(path)
    return damaged


def clear_cache(folder: str | os.PathLike[str]) -> None:
    """Remove the cache in `folder`, in any state, and nothing else; a process that uses it fills it again.

    Parameters
    ----------
    folder : str or path-like
        The cache.

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's, or it cannot be removed.

    See Also
    --------
    cache_size : How large it is.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import ImageReader, load_folder, make_radiographs
    >>> from fracture_features.cache import cache_size, clear_cache
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(4, folder=folder + "/drawn", random_state=0))
    >>> _ = ImageReader(image_size=32, cache=folder + "/cache").fit_transform(data.paths)
    >>> clear_cache(folder + "/cache")
    """
    store = _find_store(folder)
    try:
        if os.path.isdir(store) and not os.path.islink(store):
            shutil.rmtree(store)
        else:
            os.unlink(store)
    except OSError as error:
        raise CacheError(f"{os.fspath(folder)}: the cache cannot be removed: {error}") from error


def _find_store(folder: str | os.PathLike[str]) -> str:
    store = os.path.join(_locate(folder), STORE)
    if not os.path.lexists(store):
        raise CacheError(f"{os.fspath(folder)}: there is no cache in this folder")
    return store


def _files(folder: str | os.PathLike[str]) -> list[str]:
    store = _find_store(folder)
    try:
        return [os.path.join(store, name) for name in os.listdir(store) if NAME.fullmatch(name)]
    except OSError as error:
        raise CacheError(f"{os.fspath(folder)}: the cache in this folder cannot be read: {error}") from error


def pack_cache(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write all values of the cache in `folder` to one file, to be unpacked into others.

    Parameters
    ----------
    folder : str or path-like
        The cache.
    path : str or path-like
        The file to write.

    Raises
    ------
    CacheError
        If the folder holds no cache of this library's.

    See Also
    --------
    unpack_cache : The way back.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import ImageReader, load_folder, make_radiographs
    >>> from fracture_features.cache import cache_size, pack_cache, unpack_cache
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(4, folder=folder + "/drawn", random_state=0))
    >>> _ = ImageReader(image_size=32, cache=folder + "/cache").fit_transform(data.paths)
    >>> pack_cache(folder + "/cache", folder + "/packed")
    """
    values: dict[bytes, bytes] = {}
    for name in sorted(_files(folder)):
        places = read_places(name)
        values |= zip(places, read_values(name, list(places.items())), strict=True)
    write_values(os.fspath(path), values)


def unpack_cache(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Put the values that `pack_cache` has written into the cache in `folder`, which is created.

    Parameters
    ----------
    path : str or path-like
        A file that `pack_cache` has written.
    folder : str or path-like
        The cache that gets the values.

    Raises
    ------
    CacheError
        If the file is damaged.
    OSError
        If it cannot be read.

    See Also
    --------
    pack_cache : Writes the file.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import ImageReader, load_folder, make_radiographs
    >>> from fracture_features.cache import cache_size, pack_cache, unpack_cache
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(4, folder=folder + "/drawn", random_state=0))
    >>> _ = ImageReader(image_size=32, cache=folder + "/cache").fit_transform(data.paths)
    >>> pack_cache(folder + "/cache", folder + "/packed")
    >>> unpack_cache(folder + "/packed", folder + "/other")
    >>> cache_size(folder + "/other")[0] == cache_size(folder + "/cache")[0]
    True
    """
    try:
        places = read_places(os.fspath(path))
        values = read_values(os.fspath(path), list(places.items()))
    except Damaged as error:
        raise CacheError(f"{os.fspath(path)!r} is damaged: {error}") from error
    open_cache(folder).put(zip(places, values, strict=True))


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
        for name in sorted(filter(NAME.fullmatch, names)):
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
