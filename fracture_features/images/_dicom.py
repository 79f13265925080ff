"""DICOM: bytes of a file → one grey image, and the few header elements that a data set may need."""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .._optional import require
from ..exceptions import MissingDependencyError
from ._dicom_pixels import DEFLATED, GREY, INTEGERS, NO_PIXELS, PixelHeader, number, read_pixel_header, read_samples
from ._errors import DecodeError, check_regular, named_errors

PALETTE = [f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue")]
TAGS = [
    *(*INTEGERS, "HighBit", "PlanarConfiguration", "NumberOfFrames", "PhotometricInterpretation", "PixelData"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth"),
    *("VOILUTFunction", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *(f"{table}{part}" for table in PALETTE for part in ("Descriptor", "Data")),
]
# First tags of files without the preamble: (0002,0000) to (0002,0002), (0008,0005), (0008,0008).
BARE_STARTS = (b"\2\0\0\0", b"\2\0\1\0", b"\2\0\2\0", b"\x08\0\5\0", b"\x08\0\x08\0")
PIXEL_DATA = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")  # the tag (7FE0,0010) in either byte order
IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
ATTRIBUTES = ("ViewPosition", "BodyPartExamined", "Laterality")


def is_dicom(data: bytes) -> bool:
    """Whether these bytes are to be read as DICOM: by the "DICM" at byte 128, or data elements from the first byte."""
    return data[128:132] == b"DICM" or data[:4] in BARE_STARTS


def decode_dicom(data: bytes) -> NDArray[np.uint8]:
    """Decode one grey image.

    Grey levels go through the modality LUT or rescale, then the VOI LUT or the first window, to 0 to 255; MONOCHROME1
    is inverted last. Without a VOI LUT, and without a window that has a width, black is the smallest and white the
    largest level of the image, and an image of one level is black. Padded pixels are always black. RGB, YBR and
    palette colour become luminance (ITU-R 601). Presentation LUTs, overlays, ICC profiles and PatientOrientation are
    left alone.

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
        If the `dicom` extra is not installed.

    References
    ----------
    DICOM PS3.3, C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT and windows).
    """
    with _refusals(), np.errstate(all="ignore"):
        dataset = _parse(io.BytesIO(data), TAGS)
        header = read_pixel_header(dataset)
        samples, photometric = read_samples(dataset, header)
        if samples.shape[:2] != (header.rows, header.columns):
            raise DecodeError(f"its pixels have the shape {samples.shape}; its header announces another")
        if photometric in GREY:
            return _grey(samples, dataset, header)
        if photometric == "PALETTE COLOR":
            return _luminance(_palette(samples, dataset, header), 8)
        if photometric == "RGB":
            return _luminance(samples, header.stored)
        # Y of YBR is the luminance.
        luminance = samples if samples.ndim == 2 else np.ascontiguousarray(samples[:, :, 0])
        return _scale(luminance, header.stored)


def dicom_shape(file: BinaryIO) -> tuple[int, int]:
    """Height and width in the header of an open file, its pixels not read; raises DecodeError."""
    with _refusals():
        dataset = _parse(file, [*INTEGERS, "NumberOfFrames", "PhotometricInterpretation"], stop_before_pixels=True)
        header = read_pixel_header(dataset)
        if file.read(4) not in PIXEL_DATA:
            raise DecodeError(NO_PIXELS)
    return header.rows, header.columns


def read_header(path: str | os.PathLike[str], *, salt: str = "") -> dict[str, str | None]:
    """Read what a data set may want to know of a DICOM file; no other element of its header is kept.

    Parameters
    ----------
    path : str or path-like
    salt : str, default=""
        Key of the hash. Without a secret one, hashes of short ids can be reversed by trying all ids.

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
    MissingDependencyError
        If the `dicom` extra is not installed.
    """
    with named_errors(path):
        check_regular(path)
    with named_errors(path), Path(path).open("rb") as file:
        return header_elements(file, salt)


def header_elements(file: BinaryIO, salt: str) -> dict[str, str | None]:
    """`read_header` of an open file, or of bytes; raises DecodeError."""
    return parse_header(file, salt).elements


class DicomHeader(NamedTuple):
    """`read_header`'s elements, and what tells whether the object is an image."""

    elements: dict[str, str | None]
    sop_class: str
    sop_class_name: str
    has_rows: bool


def parse_header(file: BinaryIO, salt: str) -> DicomHeader:
    """The header of an open file, or of bytes; raises DecodeError."""
    with _refusals():
        tags = [*IDENTIFIERS, *ATTRIBUTES, "ImageLaterality", "SOPClassUID", "Rows"]
        dataset = _parse(file, tags, stop_before_pixels=True)
        values = {name: str(dataset.get(name) or "").strip() for name in (*IDENTIFIERS, *ATTRIBUTES)}
        values["Laterality"] = values["Laterality"] or str(dataset.get("ImageLaterality") or "").strip()
        sop_class = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""
        name, has_rows = getattr(sop_class, "name", ""), dataset.get("Rows") is not None
    key = blake2b(salt.encode()).digest()
    for identifier in IDENTIFIERS:
        text = values[identifier]
        values[identifier] = text and blake2b(text.encode(), digest_size=8, key=key).hexdigest()
    return DicomHeader({name: value or None for name, value in values.items()}, str(sop_class), name, has_rows)


def _parse(file: BinaryIO, tags: list[str], *, stop_before_pixels: bool = False) -> Any:
    """The named elements of a file."""
    head = file.read(65536)
    file.seek(0)
    if head[128:132] != b"DICM":
        raise DecodeError("it has no 'DICM' at byte 128: no DICOM file, or one without its preamble, which is not read")
    if DEFLATED.encode() in head:
        raise DecodeError("its transfer syntax, Deflated Explicit VR Little Endian, is not read")
    pydicom = require("pydicom", extra="dicom", needed_for="reading DICOM files")
    return pydicom.dcmread(file, specific_tags=tags, stop_before_pixels=stop_before_pixels)


_quiet_lock = threading.Lock()
_quiet_threads = 0
_QUIET: Any = ("ignore", None, Warning, re.compile(r"pydicom\b"), 0)


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever is raised inside becomes a `DecodeError`; what pydicom warns of is checked here or harmless.

    `warnings.catch_warnings` puts back a list of filters that another thread may have replaced meanwhile; one filter,
    for pydicom alone, is there as long as any thread reads.
    """
    global _quiet_threads
    filters: Any = warnings.filters
    with _quiet_lock:
        _quiet_threads += 1
        if _QUIET not in filters:
            filters.insert(0, _QUIET)
    try:
        yield
    except (DecodeError, MissingDependencyError):
        raise
    except Exception as error:  # a parser of other people's files, with as many errors as ways to be damaged
        raise DecodeError(f"damaged or cut short ({type(error).__name__}: {error})") from error
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            filters = warnings.filters
            if not _quiet_threads and _QUIET in filters:
                filters.remove(_QUIET)


def _grey(stored: NDArray[Any], dataset: Any, header: PixelHeader) -> NDArray[np.uint8]:
    """What a display shows of grey levels: computed once for each stored value that occurs."""
    codes = stored.view(f"u{stored.dtype.itemsize}")
    occurs = np.zeros(1 << 8 * codes.dtype.itemsize, dtype=bool)
    occurs[codes] = True
    levels = np.flatnonzero(occurs).astype(codes.dtype).view(stored.dtype).astype(np.float64)
    padded = np.zeros(levels.shape, dtype=bool)
    if dataset.get("PixelPaddingValue") is not None:
        padding = number(dataset, "PixelPaddingValue")
        limits = sorted((padding, number(dataset, "PixelPaddingRangeLimit", padding)))
        padded = (levels >= limits[0]) & (levels <= limits[1])
    shown = np.zeros(levels.shape)
    if not padded.all():
        shown[~padded] = _display(levels[~padded], dataset, header)
    table = np.zeros(occurs.shape, dtype=np.uint8)
    # Without the inner rounding, what lies halfway between two levels would fall to either side by chance.
    table[occurs] = np.floor(np.round(255 * shown, 6) + 0.5)
    return table[codes]


def _display(levels: NDArray[np.float64], dataset: Any, header: PixelHeader) -> NDArray[np.float64]:
    """Stored levels → 0 (black) to 1 (white)."""
    if dataset.get("ModalityLUTSequence"):
        levels, _ = _look_up(levels, dataset.ModalityLUTSequence[0], "LUT", header)
    elif dataset.get("RescaleSlope") is not None and dataset.get("RescaleIntercept") is not None:
        levels = levels * number(dataset, "RescaleSlope", 1) + number(dataset, "RescaleIntercept", 0)
    if not np.isfinite(levels).all():
        raise DecodeError("its rescale slope and intercept give no finite levels")
    width, function = number(dataset, "WindowWidth", 0), str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if dataset.get("VOILUTSequence"):
        entries, full_scale = _look_up(levels, dataset.VOILUTSequence[0], "LUT", header)
        shown = np.minimum(entries / full_scale, 1)
    elif (width >= 1 or (width > 0 and function != "LINEAR")) and dataset.get("WindowCenter") not in (None, ""):
        shown = _window(levels, number(dataset, "WindowCenter"), width, function)
    elif levels.min() == levels.max():
        return np.zeros(levels.shape)
    else:
        shown = (levels - levels.min()) / (levels.max() - levels.min())
    return 1 - shown if header.photometric == "MONOCHROME1" else shown


def _window(levels: NDArray[np.float64], center: float, width: float, function: str) -> NDArray[np.float64]:
    """The VOI functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, with an output of 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (levels - center) / width))
    if function == "LINEAR_EXACT":
        return np.clip((levels - center) / width + 0.5, 0, 1)
    if function != "LINEAR":
        raise DecodeError(f"its VOILUTFunction is {function}; expected LINEAR, LINEAR_EXACT or SIGMOID")
    if width == 1:
        return (levels > center - 0.5).astype(np.float64)
    return np.clip((levels - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _look_up(levels: NDArray[Any], source: Any, name: str, header: PixelHeader) -> tuple[NDArray[np.float64], int]:
    """Entries of a table for these levels, and the largest number that its depth allows."""
    size, first, bits = (int(number) for number in source[f"{name}Descriptor"].value)
    size = (size & 0xFFFF) or 65536
    data = source[f"{name}Data"].value
    if isinstance(data, bytes):
        # 8 bit entries may be packed.
        depth = 2 if len(data) >= 2 * size else 1
        data = np.frombuffer(data, dtype=f"{'<' if header.little_endian else '>'}u{depth}")
    entries = np.atleast_1d(np.asarray(data, dtype=np.float64))
    if len(entries) < size or not 8 <= bits <= 16:
        raise DecodeError(f"its {name} has {len(entries)} entries of {bits} bits; expected {size} of 8 to 16 bits")
    positions = np.clip(np.floor(levels.astype(np.float64)) - first, 0, size - 1).astype(np.intp)
    return entries[positions], (1 << bits) - 1


def _palette(indices: NDArray[Any], dataset: Any, header: PixelHeader) -> NDArray[np.uint8]:
    """Colours of shape (rows, columns, 3) from the three tables."""
    colours = []
    for name in PALETTE:
        entries, full_scale = _look_up(indices, dataset, name, header)
        colours.append(np.rint(np.minimum(entries / full_scale, 1) * 255).astype(np.uint8))
    return np.stack(colours, axis=2)


def _luminance(rgb: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    return _scale(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), bits)


def _scale(levels: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """0 to full scale → 0 to 255."""
    whole = bits == 8 and levels.dtype == np.uint8
    return levels if whole else cv2.convertScaleAbs(levels, alpha=255 / ((1 << bits) - 1))
