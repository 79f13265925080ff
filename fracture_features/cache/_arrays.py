"""Arrays of half precision, one for each image, kept by the image's pixels."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ._keys import digest
from ._store import open_cache


def cached_arrays(
    folder: str | os.PathLike[str] | None,
    recipe: bytes,
    images: NDArray[np.uint8],
    compute: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    shape: tuple[int, ...],
) -> NDArray[np.float16]:
    """Return what `compute` gives of images (n, height, width), an array of `shape` for each.

    Parameters
    ----------
    folder : str, path-like or None
        That of the cache, which is not made here.
    recipe : bytes
        What the arrays depend on beside the pixels.
    """
    if folder is None:
        return compute(images).astype(np.float16)
    keys = [digest(recipe, np.ascontiguousarray(image)) for image in images]
    cache = open_cache(folder, make=False)
    found = {key: value for key, value in zip(keys, cache.get(keys), strict=True) if value is not None}
    missing = [i for i, key in enumerate(keys) if key not in found]
    if missing:
        new = compute(np.asarray(images)[missing]).astype(np.float16)
        computed = {keys[i]: array.tobytes() for i, array in zip(missing, new, strict=True)}
        cache.put(computed.items())
        found |= computed
    return np.stack([np.frombuffer(found[key], np.float16).reshape(shape) for key in keys])
