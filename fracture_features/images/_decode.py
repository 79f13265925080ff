"""Bytes of a file → one grey image; what is not one whole image is an error that says why."""

from __future__ import annotations

import io
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import (
    _bitmap,
    _dicom,
    _dicom_display,
    _dicom_elements,
    _dicom_pixels,
    _errors,
    _formats,
    _jpeg,
    _levels,
    _lzw,
    _png,
    _tags,
    _tiff,
)
from ._dicom import decode_dicom, dicom_shape
from ._formats import file_format
from ._tags import TURNED, turn

# What pixels depend on.
DICOM = (_dicom, _dicom_display, _dicom_elements, _dicom_pixels)
MODULES = (*DICOM, _bitmap, _errors, _formats, _jpeg, _levels, _lzw, _png, _tags, _tiff)


def decode(data: bytes, wanted: int | None = None) -> NDArray[np.uint8]:
    """Decode one grey image.

    No switch that a program may have set in another library, such as Pillow's LOAD_TRUNCATED_IMAGES, changes what
    comes: their decoders are given pixels alone, of files whose structure is read here.

    Parameters
    ----------
    data : bytes
        The whole file; its content decides on the format.
    wanted : int, default=None
        Longer side in pixels to which the image will be reduced: a JPEG is then decoded at a lower resolution,
        never below twice that. None decodes every pixel.

    Returns
    -------
    image : ndarray of shape (height, width), dtype uint8

    Raises
    ------
    DecodeError
        If these are not the bytes of one whole image of a format that is read.
    """
    match file_format(data):
        case "DICOM":
            return decode_dicom(data)
        case "JPEG":
            turned = _jpeg.read_jpeg_header(io.BytesIO(data)).orientation
            image = _jpeg.decode_jpeg(data, wanted)
        case "PNG":
            image, turned = _png.decode_png(io.BytesIO(data))
        case "TIFF":
            image, turned = _tiff.decode_tiff(data)
        case "GIF":
            return _bitmap.decode_gif(data)
        case _:
            return _bitmap.decode_bmp(data)
    return turn(image, turned)


class Reduced(NamedTuple):
    """A picture in fewer pixels, and its height and width in these.

    The last row and column, or the first where the picture was turned, may be partly beyond it.
    """

    image: NDArray[np.uint8]
    height: float
    width: float


def decode_reduced(data: bytes, shorter: int) -> Reduced:
    """Decode a JPEG at 1/2, 1/4 or 1/8 of its size, as far as its shorter side keeps so many pixels.

    Errors are those of `decode`: nothing of the file is passed over.
    """
    header = _jpeg.read_jpeg_header(io.BytesIO(data))
    image, factor = _jpeg.decode_reduced(data, shorter)
    height, width = header.height / factor, header.width / factor
    image = turn(image, header.orientation)
    return Reduced(image, width, height) if header.orientation in TURNED else Reduced(image, height, width)


def decode_shape(file: BinaryIO) -> tuple[int, int]:
    """Height and width of what `decode` gives, from an open file's header alone; raises DecodeError."""
    name = file_format(file.read(512))
    file.seek(0)
    match name:
        case "DICOM":
            return dicom_shape(file)
        case "JPEG":
            header = _jpeg.read_jpeg_header(file)
            height, width, turned = header.height, header.width, header.orientation
        case "PNG":
            height, width, turned = _png.png_shape(file)
        case "TIFF":
            height, width, turned = _tiff.tiff_shape(file)
        case "GIF":
            return _bitmap.gif_shape(file)
        case _:
            image = _bitmap.bmp_header(file)
            return image.height, image.width
    return (width, height) if turned in TURNED else (height, width)
