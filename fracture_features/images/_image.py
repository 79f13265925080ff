"""One file → one grey image, or its shape."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .._validation import check_count
from . import _decode
from ._errors import check_file, named_errors
from ._file import ImageFile
from ._memory import find_held


def read_image(path: str | os.PathLike[str], *, max_side: int | None = None) -> NDArray[np.uint8]:
    """Read one file as one grey image.

    JPEG, PNG, TIFF, BMP, GIF and DICOM are told apart by their content, not their name. Colour becomes luminance
    (ITU-R 601), transparent pixels become black, an orientation by EXIF or XMP is applied. Levels of more than 8 bits,
    grey or of colours, are scaled so that full scale, the smallest of 8, 10, 12, 14 and 16 bits that holds the largest
    of them in the file, becomes 255; opacity has the same scale where none is larger. A TIFF whose 0 is white is
    inverted after that. Grey levels of DICOM go through its modality and VOI transformations instead, MONOCHROME1
    inverted last; its VOI LUT has the full scale that holds its largest entry, and a RescaleSlope of 0 is an error.

    What tells nothing of the pixels is passed over, damaged or not: colour profiles, comments, EXIF blocks that cannot
    be parsed, thumbnails, bytes behind the end of the image. Any damage to the pixels that their format can show is an
    error. TIFF in fax compression is not read. No setting that a program has made in Pillow, OpenCV, pydicom or NumPy
    changes a pixel or an error.

    Parameters
    ----------
    path : str or path-like
        The file.
    max_side : int, default=None
        Height and width in pixels to which a larger image is shrunk, its proportions kept. A JPEG is then decoded at a
        lower resolution. None means the size of the file.

    Returns
    -------
    image : ndarray of shape (height, width), dtype uint8

    Raises
    ------
    ValueError
        If `max_side` is no integer of at least 1.
    ImageReadError
        If the file is missing, damaged, cut short, holds several images or more than 80 million pixels, is larger
        than 1 GiB, a pipe or a device, or is no image; the message names it and says which.
    MissingDependencyError
        If it is DICOM in JPEG 2000, JPEG-LS or JPEG of more than 8 bits, and the `dicom` extra is not installed.

    See Also
    --------
    ImageReader : Files as a stack of one size.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features import read_image
    >>> path = tempfile.mktemp(suffix=".png")
    >>> _ = cv2.imwrite(path, np.full((4, 6), 7, dtype=np.uint8))
    >>> read_image(path).shape
    (4, 6)
    """
    if max_side is not None:
        max_side = check_count(max_side, name="max_side")
    image = decode_file(path, ImageFile(path).data, max_side)
    scale = 1.0 if max_side is None else max_side / max(image.shape)
    return image if scale >= 1 else resize(image, *(max(1, round(side * scale)) for side in image.shape))


def read_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Read the height and width that `read_image` would give, from the header alone.

    Raises
    ------
    ImageReadError
        If the file is missing or its header cannot be read; not if what follows is damaged or cut short.
    """
    held = find_held(path)
    if held is not None:
        with named_errors(path):
            return _decode.decode_shape(io.BytesIO(held))
    # A buffer would read on behind every part of the header.
    with named_errors(path):
        check_file(path)
    with named_errors(path), Path(path).open("rb", buffering=0) as file:
        return _decode.decode_shape(file)


def decode_file(path: str | os.PathLike[str], data: bytes, wanted: int | None) -> NDArray[np.uint8]:
    """The image of a file's bytes, as `decode` gives it; ImageReadError with the path where it cannot be read."""
    with named_errors(path):
        return _decode.decode(data, wanted)


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Shrink by averaging areas, or enlarge by interpolating linearly."""
    shrinks = height * width < image.size
    with exact():
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


@contextmanager
def exact() -> Iterator[None]:
    """Without Intel's faster versions that round otherwise: a switch of OpenCV's that each thread has for itself."""
    before = cv2.ipp.useIPP_NotExact()
    cv2.ipp.setUseIPP_NotExact(False)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP_NotExact(before)
