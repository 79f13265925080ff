"""Grey levels of a JPEG by libjpeg-turbo, at full resolution or as far reduced as is faithful."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

# A reduced image keeps at least this many times the wanted pixels along each side.
OVERSAMPLING = 2
PROGRESSIVE, SCAN, END = 0xC2, 0xDA, 0xD9
STANDALONE = {0x01, *range(0xD0, 0xD9)}
# What ends a scan's data: a marker that is neither a stuffed zero nor a restart nor a fill byte.
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def decode_jpeg(data: bytes, width: int, height: int, wanted: int | None) -> NDArray[np.uint8]:
    """Luminance of a JPEG; whatever libjpeg-turbo has to repair is an error.

    The inverse cosine transform gives the image at a lower resolution for less work, and one reduced to half or
    less hardly shows the last bits of its coefficients, which are most of a progressive file: they are passed over.

    Parameters
    ----------
    data : bytes
    width, height : int
        As its header says, in pixels.
    wanted : int or None
        Longer side, in pixels, to which the image will be reduced by averaging; None decodes every pixel.

    Returns
    -------
    image : ndarray of shape (at most height, at most width), dtype uint8

    Raises
    ------
    ValueError
        If the data are damaged or cut short at any byte.
    """
    floor = max(width, height) if wanted is None else OVERSAMPLING * wanted
    scale = min(1.0, floor / max(width, height))
    if scale <= 0.5:
        data = _without_refinements(data)
    smallest = [int(np.ceil(side * scale)) for side in (height, width)]
    image: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, "GRAY", min_height=smallest[0], min_width=smallest[1], strict=True
    )
    return image[:, :, 0]


def _without_refinements(data: bytes) -> bytes:
    """The same file, a progressive one without the scans that only refine what is not the mean of a block."""
    segments = list(_segments(data))
    if not any(marker == PROGRESSIVE for marker, _ in segments):
        return data
    return data[:2] + b"".join(part for marker, part in segments if marker != SCAN or not _refines(part))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker and all bytes up to the next, a scan's data included."""
    position = 2
    while True:
        marker = data[position + 1 : position + 2]
        if len(marker) == 0 or data[position] != 0xFF:
            raise ValueError("no marker where one is due, or the end of the image is missing")
        if marker[0] == END:
            yield END, data[position:]
            return
        end = position + (1 if marker[0] == 0xFF else 2)
        if marker[0] not in STANDALONE and marker[0] != 0xFF:
            end += int.from_bytes(data[end : end + 2], "big")
        if marker[0] == SCAN:
            found = AFTER_SCAN.search(data, end)
            end = len(data) if found is None else found.start()
        yield marker[0], data[position:end]
        position = end


def _refines(scan: bytes) -> bool:
    """Whether a scan adds bits to coefficients other than the mean."""
    start, _, bits = scan[5 + 2 * scan[4] :][:3]
    return start > 0 and bits >> 4 > 0
