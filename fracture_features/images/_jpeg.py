"""Grey levels of a JPEG by libjpeg-turbo, at full resolution or as far reduced as is faithful."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ._errors import DecodeError, check_size
from ._levels import luminance
from ._tags import orientation

# A reduced image keeps at least this many times the wanted pixels along each side.
OVERSAMPLING = 2
FACTORS = 8, 4, 2  # by which the cosine transform reduces an image fast
PROGRESSIVE, LOSSLESS, SCAN, END = 0xC2, 0xC3, 0xDA, 0xD9
STANDALONE = {0x01, *range(0xD0, 0xD9)}
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
LEFT_OUT = {*range(0xE0, 0xF0), 0xFE}  # application segments and comments
# What ends a scan's data: a marker that is neither a stuffed zero nor a restart nor a fill byte.
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# The segments that say what three or four components are.
YCBCR = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
NO_TRANSFORM = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
# What libjpeg-turbo says of whole files: chroma subsampled in an unusual way, YCbCr without loss.
NOT_READ = ("tjDecompressHeader3(): Could not determine subsampling", "Unsupported color conversion")
# A progressive file has about ten; each costs as much as the whole image.
MAX_SCANS = 200


class JpegHeader(NamedTuple):
    """What stands before the first scan."""

    kind: int  # the marker that starts the frame
    bits: int
    height: int
    width: int
    components: int
    orientation: int


def decode_jpeg(data: bytes, wanted: int | None = None, *, rgb: bool = False) -> NDArray[np.uint8]:
    """Luminance of a JPEG; whatever libjpeg-turbo has to repair is an error.

    The inverse cosine transform gives the image at a lower resolution for less work, and one reduced to half or
    less hardly shows the last bits of its coefficients, which are most of a progressive file: they are passed over.

    libjpeg-turbo sees no application segment but those that say what the components are: a colour profile or a
    revision number that it would complain of tells nothing of the pixels.

    Parameters
    ----------
    data : bytes
    wanted : int, default=None
        Longer side, in pixels, to which the image will be reduced by averaging; None decodes every pixel.
    rgb : bool, default=False
        Whether three components are red, green and blue where no segment says what they are.

    Returns
    -------
    image : ndarray of shape (at most height, at most width), dtype uint8

    Raises
    ------
    DecodeError
        If the data are damaged or cut short at any byte.
    """
    segments = list(_segments(data))
    header = _header(iter(segments))
    floor = max(header.width, header.height) if wanted is None else OVERSAMPLING * wanted
    scale = min(1.0, floor / max(header.width, header.height))
    return _luminance(segments, header, scale, rgb=rgb, refined=scale > 0.5)


def decode_reduced(data: bytes, shorter: int) -> tuple[NDArray[np.uint8], int]:
    """Luminance of a JPEG at 1/2, 1/4 or 1/8 of its size, or at its size where the shorter side would be too short.

    Every scan is decoded, and each of its coefficients: the errors are those of `decode_jpeg` at full size.

    Parameters
    ----------
    data : bytes
    shorter : int
        Least pixels along the shorter side.

    Returns
    -------
    image : ndarray of shape (height / factor, width / factor), rounded up, dtype uint8
    factor : int
        1, 2, 4 or 8.

    Raises
    ------
    DecodeError
        If the data are damaged or cut short at any byte.
    """
    segments = list(_segments(data))
    header = _header(iter(segments))
    factor = next((f for f in FACTORS if min(header.height, header.width) >= f * shorter), 1)
    factor = 1 if header.kind == LOSSLESS else factor
    return _luminance(segments, header, 1 / factor, rgb=False, refined=True), factor


def _luminance(
    segments: list[tuple[int, bytes]], header: JpegHeader, scale: float, *, rgb: bool, refined: bool
) -> NDArray[np.uint8]:
    if header.kind == LOSSLESS:  # has no transform: asked for fewer pixels, the library writes behind its buffer
        scale = 1.0
    adobe = any(_is_adobe(marker, part) for marker, part in segments)
    stream = _only_pixels(segments, rgb and not adobe, refined=refined)
    if header.components == 4:
        inks = _decode(stream, "CMYK", header, scale)
        inks = inks if adobe else 255 - inks  # Adobe's are stored as what is left of the paper
        return luminance(((inks[:, :, :3].astype(np.uint16) * inks[:, :, 3:] + 127) // 255).astype(np.uint8))
    if header.components == 3 and header.kind == LOSSLESS:
        return luminance(_decode(stream, "RGB", header, scale))
    return _decode(stream, "GRAY", header, scale)[:, :, 0]


def _decode(stream: bytes, colours: str, header: JpegHeader, scale: float) -> NDArray[np.uint8]:
    height, width = (int(np.ceil(side * scale)) for side in (header.height, header.width))
    try:
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            stream, colours, min_height=height if scale < 1 else 0, min_width=width if scale < 1 else 0, strict=True
        )
    except ValueError as error:
        what = "of a kind that is not read" if str(error).startswith(NOT_READ) else "damaged or cut short"
        raise DecodeError(f"{what} ({error})") from error
    return image


def read_jpeg_header(file: BinaryIO) -> JpegHeader:
    """Read what stands before the first scan; raises DecodeError."""
    return _header(_header_segments(file))


def _header(segments: Iterator[tuple[int, bytes]]) -> JpegHeader:
    frame: tuple[int, int, int, int, int] | None = None
    exif, xmp = None, None
    for marker, part in segments:
        if marker in FRAMES and frame is None:
            if len(part) < 10:
                break
            bits, height, width, components = struct.unpack(">BHHB", part[4:10])
            frame = marker, bits, height, width, components
        elif marker == 0xE1 and part[4:10] == b"Exif\0\0":
            exif = exif or part[10:]
        elif marker == 0xE1 and part[4:].startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = xmp or part[4:]
        elif marker == SCAN:
            break
    if frame is None:
        raise DecodeError("its JPEG header is damaged or cut short (no frame before the first scan)")
    header = JpegHeader(*frame, orientation(exif, xmp))
    check_size(header.width, header.height)
    if header.kind == 0xF7:
        raise DecodeError("it is a JPEG-LS image, which is not read outside of DICOM")
    if header.bits != 8:
        raise DecodeError(f"it is a JPEG of {header.bits} bits; those of 8 bits are read")
    return header


def _header_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each marker before the first scan, with its segment."""
    file.seek(2)
    while len(start := file.read(4)) == 4 and start[0] == 0xFF:
        if start[1] == 0xFF:  # a fill byte
            file.seek(-3, 1)
            continue
        if start[1] in STANDALONE:
            file.seek(-2, 1)
            continue
        length = int.from_bytes(start[2:], "big") - 2
        part = file.read(length) if length > 0 else b""
        if len(part) < length or length < 0:
            break
        yield start[1], start + part
        if start[1] in (SCAN, END):
            return
    raise DecodeError("its JPEG header is damaged or cut short")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker and all bytes up to the next, a scan's data included."""
    position, scans = 2, 0
    while True:
        marker = data[position + 1 : position + 2]
        if len(marker) == 0 or data[position] != 0xFF:
            raise DecodeError("damaged or cut short (no marker where one is due, or the end of the image is missing)")
        if marker[0] == END:
            yield END, data[position : position + 2]
            return
        end = position + (1 if marker[0] == 0xFF else 2)
        if marker[0] not in STANDALONE and marker[0] != 0xFF:
            length = int.from_bytes(data[end : end + 2], "big")
            if length < 2 or end + length > len(data):
                raise DecodeError("damaged or cut short (a segment is longer than the file, or has no length)")
            end += length
        if marker[0] == SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise DecodeError(f"it has more than {MAX_SCANS} scans")
            found = AFTER_SCAN.search(data, end)
            end = len(data) if found is None else found.start()
        yield marker[0], data[position:end]
        position = end


def _is_adobe(marker: int, part: bytes) -> bool:
    """Tell whether the segment is one by which libjpeg knows the components: shorter ones it passes over."""
    return marker == 0xEE and len(part) >= 16 and part[4:9] == b"Adobe"


def _is_jfif(marker: int, part: bytes) -> bool:
    return marker == 0xE0 and len(part) >= 18 and part[4:9] == b"JFIF\0"


def _only_pixels(segments: list[tuple[int, bytes]], rgb: bool, *, refined: bool) -> bytes:
    """The file without what does not change its pixels, or hardly those of one reduced to half (`refined=False`)."""
    jfif = any(_is_jfif(marker, part) for marker, part in segments)
    parts = [b"\xff\xd8", YCBCR if jfif else NO_TRANSFORM if rgb else b""]
    progressive = any(marker == PROGRESSIVE for marker, _ in segments)
    for marker, part in segments:
        passed_over = progressive and not refined and marker == SCAN and _refines(part)
        if not passed_over and (marker not in LEFT_OUT or _is_adobe(marker, part)):
            parts.append(part)
    return b"".join(parts)


def _refines(scan: bytes) -> bool:
    """Return whether a scan adds bits to coefficients other than the mean."""
    parameters = scan[5 + 2 * scan[4] :][:3]
    return len(parameters) == 3 and parameters[0] > 0 and parameters[2] >> 4 > 0
