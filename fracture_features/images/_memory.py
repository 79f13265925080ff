"""Files whose bytes are in memory alone, for readers that take paths."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

_HELD: dict[str, bytes] = {}


@contextmanager
def held_in_memory(data: bytes) -> Iterator[str]:
    """Give a path that `read_image`, `ImageReader` and whatever reads through them take for a file of these bytes.

    Nothing is written to disk. The path ends with the block, cannot be guessed, and is known in this process alone, in
    all of its threads. With a cache it cannot be read: what a cache keeps is on disk.

    Parameters
    ----------
    data : bytes

    Yields
    ------
    path : str

    Examples
    --------
    >>> import cv2, numpy as np
    >>> from fracture_features import read_image
    >>> from fracture_features.images import held_in_memory
    >>> png = cv2.imencode(".png", np.full((4, 6), 7, dtype=np.uint8))[1].tobytes()
    >>> with held_in_memory(png) as path:
    ...     read_image(path).shape
    (4, 6)
    """
    path = f"<memory>/{secrets.token_hex(16)}"
    _HELD[path] = data
    try:
        yield path
    finally:
        del _HELD[path]


def find_held(path: str | os.PathLike[str]) -> bytes | None:
    """The bytes behind a path of `held_in_memory`; None for all others."""
    return _HELD.get(os.fspath(path))
