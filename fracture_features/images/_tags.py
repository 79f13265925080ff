"""Tags of a TIFF's directory, which an EXIF block is too, and the orientation that files of several formats keep so."""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._errors import DecodeError

ORIENTATION, XMP, SUBFILE = 274, 700, 254
TURNED = (5, 6, 7, 8)  # orientations whose width is displayed as height
# Bytes, text, 16 and 32 bit numbers, of either sign, and BigTIFF's 64 bits.
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
MAX_VALUES = 1 << 22  # of one tag
# Those of strips and tiles, palettes, JPEG tables and XMP; of all others a number a sample is needed.
LONG = {273, 279, 320, 324, 325, 347, XMP}
MAX_SAMPLES = 8
MAX_PAGES = 1000
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")


class Directory(NamedTuple):
    """The first page's tags, the byte order, and how many pages there are beside thumbnails and masks."""

    tags: dict[int, tuple[int, ...]]
    order: str
    pages: int


def read_directory(file: BinaryIO, wanted: frozenset[int]) -> Directory:
    """Numbers under the wanted tags of a TIFF or BigTIFF; raises DecodeError."""
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    big = order is not None and head[2:4] in (b"+\0", b"\0+")
    if order is None or len(head) < (16 if big else 8):
        raise DecodeError("its TIFF header is damaged or cut short")
    (offset,) = struct.unpack(f"{order}Q", head[8:16]) if big else struct.unpack(f"{order}I", head[4:8])
    tags, following = _read_page(file, offset, order, big, wanted)
    seen, pages = {0, offset}, 1
    while following not in seen and len(seen) <= MAX_PAGES:
        seen.add(following)
        try:
            others, following = _read_page(file, following, order, big, frozenset([SUBFILE]))
        except DecodeError:  # what lies there is no page
            break
        pages += not is_spare(others)
    return Directory(tags, order, pages)


def is_spare(tags: dict[int, tuple[int, ...]]) -> bool:
    """Whether a page is a thumbnail or a mask of another."""
    return bool((tags.get(SUBFILE) or (0,))[0] & 0b101)


def _read_page(
    file: BinaryIO, offset: int, order: str, big: bool, wanted: frozenset[int]
) -> tuple[dict[int, tuple[int, ...]], int]:
    entry, pointer = ("HHQ8s", "Q") if big else ("HHI4s", "I")
    size = struct.calcsize("<" + entry)
    (n,) = struct.unpack(order + ("Q" if big else "H"), _read(file, offset, 8 if big else 2))
    if not 1 <= n <= 4096:
        raise DecodeError(f"its TIFF directory announces {n} tags")
    body = _read(file, offset + (8 if big else 2), n * size)
    tags = {}
    for tag, kind, count, value in struct.iter_unpack(order + entry, body):
        if tag not in wanted or kind not in TYPES or not count:
            continue
        code = f"{order}{min(count, MAX_VALUES if tag in LONG else MAX_SAMPLES)}{TYPES[kind]}"
        if (length := struct.calcsize(code)) > len(value):
            value = _read(file, struct.unpack(order + pointer, value)[0], length)
        tags[tag] = struct.unpack(code, value[:length])
    file.seek(offset + (8 if big else 2) + n * size)
    after = file.read(struct.calcsize("<" + pointer))
    return tags, struct.unpack(order + pointer, after)[0] if len(after) == struct.calcsize("<" + pointer) else 0


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    if offset >= 1 << 62:
        raise DecodeError("its TIFF directory is damaged or cut short")
    file.seek(offset)
    data = file.read(length)
    if len(data) < length:
        raise DecodeError("its TIFF directory is damaged or cut short")
    return data


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """Orientation, 1 to 8, by EXIF or else by XMP; 1 where neither says one that can be read."""
    if exif:
        try:
            tags = read_directory(io.BytesIO(exif), frozenset([ORIENTATION])).tags
        except DecodeError:  # the block says nothing of the pixels
            tags = {}
        found = (tags.get(ORIENTATION) or (0,))[0]
        if 1 <= found <= 8:
            return found
    match = XMP_ORIENTATION.search(xmp or b"")
    return int(match[1]) if match else 1


def turn(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The image as its orientation says that it is displayed."""
    turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    image = np.rot90(image, turns)
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
