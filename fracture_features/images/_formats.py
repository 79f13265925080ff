"""What a file is, by its first bytes."""

from __future__ import annotations

import re

from ._dicom_elements import is_dicom
from ._errors import DecodeError

STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"BM": "BMP",
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
}
# Images that are not read.
OTHER_IMAGES = {
    rb"RIFF....WEBP": "a WebP image",
    rb"....ftypavi[fs]": "an AVIF image",
    rb"....ftyp(hei|hev|mif1|msf1)": "a HEIF image",
    rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51": "a JPEG 2000 image",
    rb"\x00\x00\x00\x0cJXL |\xff\x0a": "a JPEG XL image",
}
# What else stands among images.
OTHERS = {
    rb"....ftyp|RIFF....AVI |....(moov|mdat|wide)": "a video",
    rb"version https://git-lfs": "a git-LFS pointer, which stands for a file that was not downloaded",
    rb"(\.\./|/)*(\.git/)?annex/objects/": "a git-annex pointer, which stands for a file that was not downloaded",
    rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*(?i:<!doctype html|<html|<head|<body)": "an HTML page",
    rb"(\xef\xbb\xbf)?\s*(<\?xml.*?>\s*)?(<!--.*?-->\s*)*(?i:<!doctype svg|<svg)": "an SVG drawing",
    rb"(\xef\xbb\xbf)?\s*<\?xml": "an XML file",
    rb'(\xef\xbb\xbf)?\s*[\[{]\s*"': "a JSON file",
    rb"%PDF": "a PDF document",
    rb"%!PS": "a PostScript document",
    rb"8BPS": "a Photoshop document",
    rb"PK\x03\x04": "a ZIP archive, or an Office document",
    rb"\x1f\x8b": "a gzip archive",
    rb"7z\xbc\xaf|Rar!|BZh|\xfd7zXZ": "an archive",
    rb"\xd0\xcf\x11\xe0": "an Office document, or Thumbs.db",
    rb"\x89HDF": "an HDF5 file",
    rb"\x93NUMPY": "a NumPy array",
    rb"P[1-7]\s": "a PNM image",
    rb"\x00\x00\x01\x00": "a Windows icon",
    rb".{344}(ni1|n\+1)\x00": "a NIfTI image",
}
EXPECTED = "expected JPEG, PNG, TIFF, BMP, GIF or DICOM"


def file_format(data: bytes) -> str:
    """Name of the format that is read, such as "JPEG" or "DICOM"; DecodeError with what else the file is."""
    if not data:
        raise DecodeError("the file is empty (0 bytes)")
    if is_dicom(data):
        return "DICOM"
    for start, name in STARTS.items():
        if data.startswith(start):
            return name
    other = other_image(data) or _match(data, OTHERS)
    if other is not None:
        raise DecodeError(f"it is {other}, which is not read; {EXPECTED}")
    raise DecodeError(f"not an image of a known format, or its first bytes are damaged; {EXPECTED}")


def other_image(data: bytes) -> str | None:
    """Kind of an image whose format is not read, such as "a WebP image"; None for all others."""
    return _match(data, OTHER_IMAGES)


def _match(data: bytes, patterns: dict[bytes, str]) -> str | None:
    return next((name for pattern, name in patterns.items() if re.match(pattern, data[:512], re.DOTALL)), None)
