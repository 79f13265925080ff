"""What a file is, by its content: one opening that reads the first bytes and, of DICOM, the header."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from ._dicom import DicomHeader, parse_header
from ._dicom_elements import BARE_STARTS
from ._errors import DecodeError
from ._formats import STARTS, other_image

DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
SNIFFED = 132  # bytes
# Kinds of objects that hold no radiograph, by the beginning of their SOP class.
STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_IMAGE = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    f"{STORAGE}11.": "DICOM presentation state",
    f"{STORAGE}88.": "DICOM structured report",
    f"{STORAGE}104.": "DICOM encapsulated document",
    f"{STORAGE}9.": "DICOM waveform",
    f"{STORAGE}66.": "DICOM segmentation",
    **{f"{STORAGE}481.{k}": "DICOM radiotherapy object" for k in range(2, 10)},
}
# CR, CT, ultrasound, MR, secondary capture, X-ray, PET and so on.
IMAGES = tuple(f"{STORAGE}{k}." for k in (1, 2, 3, 4, 5, 6, 7, 12, 13, 20, 30, 77, 128, 130))


@dataclass(frozen=True)
class FileContent:
    """What is known of a file after a look at its beginning.

    Attributes
    ----------
    format : str or None
        "DICOM", "JPEG", ... or what `other_image` says; None where it is no known image.
    header : dict of str to (str or None)
        `read_header`'s elements; empty where it is no DICOM, or one whose header cannot be read.
    reason : str or None
        Why the header of a DICOM cannot be read.
    left_out : str or None
        Kind of a DICOM object that is no radiograph.
    """

    format: str | None = None
    header: dict[str, str | None] = field(default_factory=dict)
    reason: str | None = None
    left_out: str | None = None


def read_content(path: Path, salt: str | None = None) -> FileContent:
    """Open a file once and say what it is; nothing is known of one that cannot be opened or is no regular file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for whoever writes to it
            return FileContent()
        with path.open("rb") as file:
            start = file.read(SNIFFED)
            named = path.suffix.lower() in DICOM_SUFFIXES
            other = _other_format(start)
            if other is not None or not (named or _starts_as_dicom(start)):
                return FileContent(other)
            file.seek(0)
            header = parse_header(file, salt)
    except DecodeError as error:
        return FileContent("DICOM", reason=str(error))
    except OSError as error:
        return FileContent(reason=str(error))
    return FileContent("DICOM", header.elements, left_out=_kind_without_image(header))


def _other_format(start: bytes) -> str | None:
    if start[:2] == b"BM" and start[6:10] != bytes(4):  # any text may begin so
        return None
    return next((name for first, name in STARTS.items() if start.startswith(first)), other_image(start))


def _starts_as_dicom(start: bytes) -> bool:
    """By the "DICM" at byte 128, or by a data element of known representation or small length from the first byte."""
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    bare = start[:4] in BARE_STARTS and (explicit or int.from_bytes(start[4:8], "little") < 1024)
    return start[128:132] == b"DICM" or bare


def _kind_without_image(header: DicomHeader) -> str | None:
    for first, kind in NO_IMAGE.items():
        if header.sop_class.startswith(first):
            return kind
    is_image = header.has_rows or not header.sop_class or f"{header.sop_class}.".startswith(IMAGES)
    return None if is_image else "DICOM object without an image"
