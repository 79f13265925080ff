"""PNG: samples at the depth at which they are stored; zlib and the row filters are Python's and Pillow's."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._errors import DecodeError, check_size
from ._levels import inflate, to_grey
from ._tags import orientation

SIGNATURE = 8  # bytes
PIXELS, TURNS = (b"PLTE", b"tRNS", b"IDAT", b"acTL"), (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
MAX_CHUNK = 1 << 24  # bytes of what may turn the image
RAW_PROFILE, XMP = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


class PngHeader(NamedTuple):
    """The IHDR chunk."""

    width: int
    height: int
    bits: int
    colour: int
    interlaced: int


def decode_png(file: BinaryIO) -> tuple[NDArray[np.uint8], int]:
    """One grey image as it is stored, and its orientation; raises DecodeError."""
    header, chunks, turned = _read(file, PIXELS + TURNS)
    if frames := chunks.get(b"acTL"):
        n = int.from_bytes(frames[:4], "big")
        if n != 1:
            raise DecodeError(f"it holds {n} pages or frames; expected one image")
    samples = _samples(header, inflate(chunks.get(b"IDAT", b""), _filtered_size(header)))
    transparent = chunks.get(b"tRNS")
    if header.colour == PALETTE:
        return _palette(samples[:, :, 0], chunks.get(b"PLTE", b""), transparent), turned
    n = 3 if header.colour in (RGB, RGB_ALPHA) else 1
    levels = samples[:, :, :n]
    alpha = samples[:, :, n] if samples.shape[2] > n else None
    if transparent is not None and alpha is None:
        if len(transparent) < 2 * n:
            raise DecodeError("damaged: its transparent colour is cut short")
        level = np.array(struct.unpack(f">{n}H", transparent[: 2 * n])) & (1 << header.bits) - 1
        seen = ~(levels == level).all(axis=2)
        alpha = seen * levels.dtype.type((1 << header.bits) - 1)
    return to_grey(levels if n == 3 else levels[:, :, 0], header.bits, alpha=alpha), turned


def png_shape(file: BinaryIO) -> tuple[int, int, int]:
    """Height, width and orientation, without reading the pixels; raises DecodeError."""
    header, _, turned = _read(file, TURNS)
    return header.height, header.width, turned


def _read(file: BinaryIO, wanted: tuple[bytes, ...]) -> tuple[PngHeader, dict[bytes, bytes], int]:
    """The header, the wanted chunks, and the orientation."""
    parts: dict[bytes, list[bytes]] = {}
    header, exif, xmp = None, None, None
    for kind, data in _chunks(file, (b"IHDR", *wanted)):
        if header is None:
            header = _header(kind, data)
        elif kind == b"eXIf":
            exif = data.removeprefix(b"Exif\0\0")
        elif kind == b"iTXt" and data.startswith(XMP):
            xmp = data
        elif kind in (b"tEXt", b"zTXt") and data.startswith(RAW_PROFILE):
            exif = exif or _raw_profile(kind, data[len(RAW_PROFILE) :])
        elif kind in PIXELS:
            parts.setdefault(kind, []).append(data)
    if header is None:
        raise DecodeError("its PNG header is damaged or cut short")
    # Of all but the pixels the first counts.
    chunks = {kind: b"".join(pieces) if kind == b"IDAT" else pieces[0] for kind, pieces in parts.items()}
    return header, chunks, orientation(exif, xmp)


def _chunks(file: BinaryIO, wanted: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each wanted chunk, its checksum compared; what follows the last chunk is no part of it."""
    file.seek(SIGNATURE)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind == b"IEND":
            return
        if kind in wanted and (length < MAX_CHUNK or kind == b"IDAT"):
            data = file.read(length + 4)
            if len(data) < length + 4:
                break
            if zlib.crc32(kind + data[:-4]) == int.from_bytes(data[-4:], "big"):
                yield kind, data[:-4]
            elif kind not in TURNS:
                raise DecodeError(f"damaged: the checksum of its {kind.decode()} chunk differs")
        else:
            file.seek(length + 4, 1)
    raise DecodeError("the file is cut short (no end-of-image chunk)")


def _header(kind: bytes, data: bytes) -> PngHeader:
    if kind != b"IHDR" or len(data) != 13:
        raise DecodeError("its PNG header is damaged or cut short")
    width, height, bits, colour, _, _, interlaced = struct.unpack(">II5B", data)
    if colour not in SAMPLES or bits not in DEPTHS.get(colour, (8, 16)) or interlaced > 1:
        raise DecodeError(f"its PNG header is damaged: colour type {colour} of {bits} bits, interlacing {interlaced}")
    check_size(width, height)
    return PngHeader(width, height, bits, colour, interlaced)


def _raw_profile(kind: bytes, text: bytes) -> bytes | None:
    """An EXIF block that ImageMagick wrote as hexadecimal digits; None where it is none."""
    try:
        digits = zlib.decompressobj().decompress(text[1:], 1 << 20) if kind == b"zTXt" else text
        return bytes.fromhex("".join(digits.decode("latin-1").split("\n")[3:])).removeprefix(b"Exif\0\0")
    except (ValueError, zlib.error):
        return None


def _filtered_size(header: PngHeader) -> int:
    """Bytes of all rows, each with its filter's number before it."""
    pixel = SAMPLES[header.colour] * header.bits
    total = 0
    for top, left, down, across in ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(header.height - top) // down), -(-(header.width - left) // across)
        if rows > 0 and columns > 0:
            total += rows * (1 + (columns * pixel + 7) // 8)
    return total


def _samples(header: PngHeader, filtered: bytes) -> NDArray[Any]:
    """Samples of shape (height, width, samples), of less than 8 bits one a byte."""
    n, bits = SAMPLES[header.colour], header.bits
    stream = zlib.compress(filtered, 0)

    def unfilter(mode: str, rawmode: str) -> NDArray[Any]:
        # Rawmodes that Pillow unpacks without a loss; what they are called does not matter.
        try:
            image = Image.frombytes(mode, (header.width, header.height), stream, "zip", rawmode, header.interlaced)
        except ValueError as error:
            raise DecodeError(f"damaged: a row has no filter that there is ({error})") from error
        return np.asarray(image).reshape(header.height, header.width, -1)

    if bits < 8:
        return unfilter("P", f"P;{bits}")
    if bits == 8:
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[n]
        return unfilter(mode, mode)
    if n == 1:
        return unfilter("I;16", "I;16B")
    if n == 2:
        return unfilter("RGBA", "RGBA").view(">u2").astype(np.uint16)
    mode = "RGB" if n == 3 else "RGBA"
    return unfilter(mode, f"{mode};16B").astype(np.uint16) << 8 | unfilter(mode, f"{mode};16L")


def _palette(indices: NDArray[np.uint8], palette: bytes, transparent: bytes | None) -> NDArray[np.uint8]:
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    if int(indices.max()) >= len(colours):
        raise DecodeError(f"its pixels name colour {indices.max()} of a palette of {len(colours)}")
    opacity = np.full(len(colours), 255, dtype=np.uint8)
    known = np.frombuffer((transparent or b"")[: len(colours)], np.uint8)
    opacity[: len(known)] = known
    table = to_grey(colours[None], 8, alpha=opacity[None])[0]
    return table[indices]
