"""A cache as a whole: its size, what is damaged in it, removing it, and carrying it elsewhere in one file."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from ..exceptions import CacheError
from ._store import FILE_NAME, STORE, locate, open_cache
from ._values import Damaged, read_file, read_places, write_values


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
            read_file(path)
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
        values |= read_file(name)
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
        values = read_file(os.fspath(path))
    except Damaged as error:
        raise CacheError(f"{os.fspath(path)!r} is damaged: {error}") from error
    open_cache(folder).put(values.items())


def _find_store(folder: str | os.PathLike[str]) -> str:
    store = os.path.join(locate(folder), STORE)
    if not os.path.lexists(store):
        raise CacheError(f"{os.fspath(folder)}: there is no cache in this folder")
    return store


def _files(folder: str | os.PathLike[str]) -> list[str]:
    store = _find_store(folder)
    try:
        return [os.path.join(store, name) for name in os.listdir(store) if FILE_NAME.fullmatch(name)]
    except OSError as error:
        raise CacheError(f"{os.fspath(folder)}: the cache in this folder cannot be read: {error}") from error
