"""Why bytes are refused, whatever their format."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..exceptions import ImageReadError

MAX_PIXELS = 80_000_000
MAX_BYTES = 1 << 30  # 80 million pixels of four samples of 16 bits take less


class DecodeError(Exception):
    """The reason why bytes are not one whole image."""


def check_size(width: int, height: int) -> None:
    """Raise DecodeError unless an image of this size, in pixels as its header says, is read."""
    if not 1 <= width * height <= MAX_PIXELS or width < 1:
        raise DecodeError(f"its header announces {width} x {height} pixels; 1 to {MAX_PIXELS:,} are read")


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise DecodeError at what would hang or fill the memory when read: a pipe, a device, a file of many gigabytes."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return  # opening it says so
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError("it is a FIFO, a device or a socket; expected a regular file")
    if status.st_size > MAX_BYTES:
        raise DecodeError(f"it has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read")


@contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of a file become an `ImageReadError` that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageReadError(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise ImageReadError(path, "it is a folder; expected an image file") from error
    except (DecodeError, OSError, ValueError) as error:
        raise ImageReadError(path, str(error)) from error
