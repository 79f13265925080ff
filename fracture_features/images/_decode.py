"""Bytes of a file → one grey image; what is not one whole image is an error that says why."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from ._dicom import decode_dicom, dicom_shape, is_dicom
from ._errors import DecodeError, check_size
from ._jpeg import decode_jpeg

FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG")
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
PNG_HEADER = (b"IHDR", b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # the size, and where an orientation may stand
MAX_CHUNK = 1 << 24  # bytes of any of these
TURNED = (5, 6, 7, 8)  # orientations of EXIF whose width is displayed as height
# Scanners store 10, 12 or 14 bits in 16.
BIT_DEPTHS = (8, 10, 12, 14, 16)
# What Pillow raises on damaged files, beside its own errors.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError)


def decode(data: bytes, wanted: int | None = None) -> NDArray[np.uint8]:
    """Decode one grey image.

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
    if not data:
        raise DecodeError("the file is empty (0 bytes)")
    if is_dicom(data):
        return decode_dicom(data)
    header = _open(io.BytesIO(data))
    check_size(header.width, header.height)
    try:
        if header.format == "JPEG" and header.mode != "CMYK":
            image = decode_jpeg(data, header.width, header.height, wanted)
            return _oriented(image, header.getexif().get(0x0112, 1))
        return _decode_pillow(data, header)
    except DAMAGE as error:
        raise DecodeError(f"damaged or cut short ({error})") from error


def decode_shape(file: BinaryIO) -> tuple[int, int]:
    """Height and width of what `decode` gives, from an open file's header alone; raises DecodeError."""
    start = file.read(132)
    file.seek(0)
    if is_dicom(start):
        return dicom_shape(file)
    header = _open(_without_pixels(file) if start.startswith(PNG_START) else file)
    width, height = header.size
    if isinstance(header, TiffImageFile):  # whose size some versions of Pillow have turned already
        width, height = header.tag_v2[256], header.tag_v2[257]
    try:
        # Not a PNG's own `getexif`, which decodes the pixels to look behind them.
        orientation = Image.Image.getexif(header).get(0x0112, 1)
    except DAMAGE as error:
        raise DecodeError(f"damaged or cut short ({error})") from error
    return (width, height) if orientation in TURNED else (height, width)


def _without_pixels(file: BinaryIO) -> BinaryIO:
    """A PNG's size and what may turn it, before its pixels or behind them, as a file of its own."""
    parts = [file.read(len(PNG_START))]
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind in PNG_HEADER and length < MAX_CHUNK:
            parts += [start, file.read(length + 4)]
        else:
            file.seek(length + 4, io.SEEK_CUR)
    return io.BytesIO(b"".join([*parts, bytes(4), PNG_END]))


def _open(file: BinaryIO) -> Image.Image:
    """Parse the header alone."""
    try:
        image = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(f"its header announces more pixels than are read ({error})") from error
    except DAMAGE as error:
        raise DecodeError(
            "not an image of a known format (JPEG, PNG, TIFF, BMP, GIF, DICOM), or its header is damaged"
        ) from error
    if image.format == "MPO":
        image.format = "JPEG"
    return image


def _decode_pillow(data: bytes, header: Image.Image) -> NDArray[np.uint8]:
    """Any other format."""
    frames = getattr(header, "n_frames", 1)
    if frames != 1:
        raise DecodeError(f"it holds {frames} pages or frames; expected one image")
    if data.startswith(PNG_START) and PNG_END not in data[-64:]:
        raise DecodeError("the file is cut short (no end-of-image chunk)")
    header.load()
    image = ImageOps.exif_transpose(header)
    if image.mode.startswith("I"):
        return _eight_bits(np.asarray(image))
    if image.mode == "F":
        raise DecodeError("its pixels are floating-point numbers; expected 8 or 16 bit grey levels or colours")
    if image.has_transparency_data:
        # Transparent pixels keep a hidden colour; on a radiograph, nothing is black.
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    elif image.mode == "P":
        image = image.convert("RGB")
    return np.array(image.convert("L"))


def _eight_bits(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels of more than 8 bits, scaled from the smallest usual bit depth that holds the largest of them."""
    if levels.min() < 0 or levels.max() > 0xFFFF:
        raise DecodeError(f"its grey levels run from {levels.min()} to {levels.max()}; expected 0 to 65535")
    depth = next(bits for bits in BIT_DEPTHS if levels.max() < 1 << bits)
    return cv2.convertScaleAbs(levels.astype(np.uint16), alpha=255 / ((1 << depth) - 1))


def _oriented(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn the image as its EXIF orientation (1 to 8) says."""
    turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    image = np.rot90(image, turns)
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
