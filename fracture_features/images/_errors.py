"""Why bytes are refused, whatever their format."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..exceptions import ImageReadError

MAX_PIXELS = 80_000_000


class DecodeError(Exception):
    """The reason why bytes are not one whole image."""


def check_size(width: int, height: int) -> None:
    """Raise DecodeError unless an image of this size, in pixels as its header says, is read."""
    if not 1 <= width * height <= MAX_PIXELS or width < 1:
        raise DecodeError(f"its header announces {width} x {height} pixels; 1 to {MAX_PIXELS:,} are read")


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise DecodeError for a FIFO, a device or a socket, which may never end; what is missing, opening will say."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DecodeError("it is a FIFO, a device or a socket; expected a regular file")


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
