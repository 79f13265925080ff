"""A file on disk, read at most once, and known again without being opened."""

from __future__ import annotations

import hashlib
import io
import os
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..cache import Cache, digest
from . import _decode
from ._dicom import attributes
from ._errors import check_file, named_errors
from ._memory import find_held

Value = TypeVar("Value")
SHORTER = 96  # pixels that a reduced image keeps along its shorter side


class once(cached_property[Value]):
    """As functools.cached_property, without its lock: before Python 3.12 one instance at a time computes."""

    def __get__(self, instance: object, owner: type | None = None) -> Value:  # type: ignore[override]
        value = instance.__dict__[self.func.__name__] = self.func(instance)
        return value


class ImageFile:
    """One file, however many ask for its bytes: they are read when first asked for, and kept as long as this object.

    Parameters
    ----------
    path : str or path-like
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path

    @once
    def data(self) -> bytes:
        """All of it; ImageReadError where it cannot be opened."""
        held = find_held(self.path)
        if held is not None:
            return held
        with named_errors(self.path):
            check_file(self.path)
            return Path(self.path).read_bytes()

    @once
    def image(self) -> NDArray[np.uint8]:
        """At the size of the file, as `read_image` gives it; ImageReadError where it cannot be decoded."""
        with named_errors(self.path):
            return _decode.decode(self.data, None)

    @once
    def reduced(self) -> _decode.Reduced:
        """As `image`, a JPEG at 1/2, 1/4 or 1/8 of its size, the shorter side not below 96 pixels; the same errors.

        All of the file is decoded but for the cosine transform, and damage is found as in `image`.
        """
        with named_errors(self.path):
            if _decode.file_format(self.data) != "JPEG":
                return _decode.Reduced(self.image, *self.image.shape)
            return _decode.decode_reduced(self.data, SHORTER)

    @once
    def status(self) -> os.stat_result:
        """Size, times and inode; ImageReadError where there is no such file."""
        with named_errors(self.path):
            return os.stat(self.path)

    @once
    def _sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    def sha256(self, cache: Cache | None = None, keep: list[tuple[bytes, bytes]] | None = None) -> bytes:
        """SHA-256 of the content, 32 bytes.

        With a cache it is found by path, size, times, inode and device, without opening the file; what is to be kept
        in the cache is added to `keep`. What changes a file and none of these is not seen: a second writing in place,
        of the same size, within a tick of the file system's clock (some milliseconds), or with that clock set back.
        """
        if cache is None or keep is None:
            return self._sha256
        (found,) = cache.get([self.key])
        if found is None:
            keep.append((self.key, self._sha256))
        return self._sha256 if found is None else found

    @cached_property
    def key(self) -> bytes:
        """What the SHA-256 of a file that has not changed is found by in a cache."""
        s = self.status
        known = s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev
        return digest("file", os.path.abspath(self.path), repr(known))


def describe_file(file: ImageFile) -> dict[str, Any]:
    """Describe what a file's header says: format, height and width as displayed and, of DICOM, what names nobody.

    Raises
    ------
    ImageReadError
        If it cannot be opened or has no readable header.
    """
    with named_errors(file.path):
        name = _decode.file_format(file.data)
        height, width = _decode.decode_shape(io.BytesIO(file.data))
        elements = attributes(io.BytesIO(file.data)) if name == "DICOM" else {}
    return {"format": name, "height": height, "width": width, **elements}
