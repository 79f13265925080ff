"""DICOM: bytes of a file → one grey image, and the few header elements that a data set may need."""

from __future__ import annotations

import io
import os
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ._dicom_display import luminance_of_palette, show_grey
from ._dicom_elements import read_elements, text
from ._dicom_pixels import GREY, NO_PIXELS, read_cells, read_pixel_header
from ._errors import DecodeError, check_file, named_errors
from ._levels import luminance, scale

IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
RUN_SALT = secrets.token_hex(16)
ATTRIBUTES = ("ViewPosition", "BodyPartExamined", "Laterality")


def decode_dicom(data: bytes) -> NDArray[np.uint8]:
    """Decode one grey image.

    Of each pixel the BitsStored bits up to HighBit count. Grey levels go through the modality LUT or rescale, then the
    VOI LUT or the first window, to 0 to 255; MONOCHROME1 is inverted last. All these may stand in the functional
    groups of an enhanced object of one frame. White of a VOI LUT is full scale of the smallest of 8, 10, 12, 14 and 16
    bits that holds its largest entry, whatever it declares. Without a VOI LUT, and without a window that has a width,
    black is the smallest and white the largest level of the image, and an image of one level is black. Padded pixels
    are always black. RGB, YBR and palette colour become luminance (ITU-R 601). Presentation LUTs, overlays, ICC
    profiles and PatientOrientation are left alone.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    image : ndarray of shape (height, width), dtype uint8

    Raises
    ------
    DecodeError
        If these are not the bytes of one whole image in a transfer syntax that is read.
    MissingDependencyError
        If the `dicom` extra is not installed, and these are JPEG 2000, JPEG-LS or JPEG of more than 8 bits.

    References
    ----------
    DICOM PS3.3, C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT and windows).
    """
    elements = read_elements(io.BytesIO(data))
    header = read_pixel_header(elements)
    cells = read_cells(elements, header)
    if cells.photometric in GREY:
        return show_grey(cells, elements, header)
    values = cells.stored(cells.values, header._replace(signed=0))
    if cells.photometric == "PALETTE COLOR":
        return luminance_of_palette(values, elements, header)
    full = (1 << min(cells.bits, header.stored)) - 1
    values = values.astype(np.uint8 if full <= 255 else np.uint16)
    # Y of YBR is the luminance.
    grey = luminance(values) if cells.photometric == "RGB" or values.ndim == 2 else values[:, :, 0]
    return scale(np.ascontiguousarray(grey), full)


def dicom_shape(file: BinaryIO) -> tuple[int, int]:
    """Height and width in the header of an open file, its pixels not read; raises DecodeError."""
    buffer: Any = io.BufferedReader(cast("io.RawIOBase", file), 4096)
    try:
        elements = read_elements(buffer, pixels=False)
    finally:
        buffer.detach()  # which would close the file
    header = read_pixel_header(elements)
    if "PixelData" not in elements:
        raise DecodeError(NO_PIXELS)
    return header.rows, header.columns


def read_header(path: str | os.PathLike[str], *, salt: str | None = None) -> dict[str, str | None]:
    """Read what a data set may want to know of a DICOM file; no other element of its header is kept.

    Parameters
    ----------
    path : str or path-like
    salt : str, default=None
        Key of the hash: who knows it can reverse hashes by trying all ids. None means a random one of this process.

    Returns
    -------
    header : dict of str to (str or None)
        `PatientID`, `StudyInstanceUID` and `SeriesInstanceUID` as keyed hashes of 16 hexadecimal digits, equal
        where the ids are equal; `ViewPosition`, `BodyPartExamined` and `Laterality` (or ImageLaterality) as they
        are. None where the element is absent or empty.

    Raises
    ------
    ImageReadError
        If the file is missing, or no DICOM file.
    """
    with named_errors(path):
        check_file(path)
        with Path(path).open("rb") as file:
            return parse_header(file, salt).elements


def attributes(file: BinaryIO) -> dict[str, str | None]:
    """Elements of `read_header` that name nobody, of an open file or of bytes; raises DecodeError."""
    elements = parse_header(file, None).elements
    return {name: elements[name] for name in ATTRIBUTES}


class DicomHeader(NamedTuple):
    """`read_header`'s elements, and what tells whether the object is an image."""

    elements: dict[str, str | None]
    sop_class: str
    has_rows: bool


def parse_header(file: BinaryIO, salt: str | None) -> DicomHeader:
    """The header of an open file, or of bytes; raises DecodeError."""
    elements = read_elements(file, pixels=False)
    values = {name: text(elements, name) for name in (*IDENTIFIERS, *ATTRIBUTES)}
    values["Laterality"] = values["Laterality"] or text(elements, "ImageLaterality")
    key = blake2b((RUN_SALT if salt is None else salt).encode("utf-8", "surrogateescape")).digest()
    for name in IDENTIFIERS:
        values[name] = values[name] and blake2b(values[name].encode(), digest_size=8, key=key).hexdigest()
    sop_class = text(elements, "SOPClassUID") or text(elements, "MediaStorageSOPClassUID")
    return DicomHeader({name: value or None for name, value in values.items()}, sop_class, "Rows" in elements)
