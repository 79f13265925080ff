"""Why bytes are refused, whatever their format."""

from __future__ import annotations

MAX_PIXELS = 80_000_000


class DecodeError(Exception):
    """The reason why bytes are not one whole image."""


def check_size(width: int, height: int) -> None:
    """Raise DecodeError unless an image of this size, in pixels as its header says, is read."""
    if not 1 <= width * height <= MAX_PIXELS or width < 1:
        raise DecodeError(f"its header announces {width} x {height} pixels; 1 to {MAX_PIXELS:,} are read")
