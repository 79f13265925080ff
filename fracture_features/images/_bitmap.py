"""GIF and BMP: decoded by Pillow from what is found to be whole."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from ._errors import DecodeError, check_size
from ._levels import luminance, to_grey

EXTENSION, FRAME, GIF_END, TRANSPARENCY = 0x21, 0x2C, 0x3B, 0xF9


def gif_shape(file: BinaryIO) -> tuple[int, int]:
    """Height and width; raises DecodeError."""
    head = file.read(10)
    if len(head) < 10:
        raise DecodeError("its GIF header is damaged or cut short")
    width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    check_size(width, height)
    return height, width


def decode_gif(data: bytes) -> NDArray[np.uint8]:
    """One grey image; raises DecodeError."""
    file = io.BytesIO(data)
    screen = np.zeros(gif_shape(file), dtype=np.uint8)
    common = _colours(file, _read(file, 3)[0])
    frames = [*_frames(file)]
    if len(frames) != 1:
        raise DecodeError(f"it holds {len(frames)} pages or frames; expected one image")
    place, transparent = frames[0]
    file.seek(place)
    left, top, width, height = (int.from_bytes(_read(file, 2), "little") for _ in range(4))
    (flags,) = _read(file, 1)
    if not width or not height or top + height > screen.shape[0] or left + width > screen.shape[1]:
        raise DecodeError(f"damaged: a frame of {width} x {height} pixels at {left}, {top} lies outside the image")
    colours = _colours(file, flags)
    colours = common if colours is None else colours
    (bits,) = _read(file, 1)
    if colours is None or not 1 <= bits <= 11:
        raise DecodeError("damaged: it has no colours")
    try:
        frame = Image.frombytes("L", (width, height), data[file.tell() :], "gif", bits, flags >> 6 & 1)
    except (ValueError, OSError) as error:
        raise DecodeError(f"damaged or cut short ({error})") from error
    table = np.zeros(256, dtype=np.uint8)
    table[: len(colours)] = luminance(colours[None])[0]
    if transparent is not None:
        table[transparent] = 0
    screen[top : top + height, left : left + width] = table[np.asarray(frame)]
    return screen


def _frames(file: BinaryIO) -> Iterator[tuple[int, int | None]]:
    """Return where each frame is described, and its transparent index."""
    transparent = None
    while (kind := file.read(1)) and kind[0] != GIF_END:
        if kind[0] == EXTENSION:
            (label,) = _read(file, 1)
            block = _blocks(file)
            if label == TRANSPARENCY and len(block) >= 4:
                transparent = block[3] if block[0] & 1 else None
        elif kind[0] == FRAME:
            yield file.tell(), transparent
            _colours(file, _read(file, 9)[8])
            _read(file, 1)
            _blocks(file)
        else:
            raise DecodeError("damaged: no block of a GIF where one is due")


def _blocks(file: BinaryIO) -> bytes:
    """The first of the blocks up to an empty one, which are passed over."""
    first = b""
    while size := _read(file, 1)[0]:
        block = _read(file, size)
        first = first or block
    return first


def _colours(file: BinaryIO, flags: int) -> NDArray[np.uint8] | None:
    """A table of colours, of shape (n, 3), if the flags say that one follows."""
    if not flags & 128:
        return None
    return np.frombuffer(_read(file, 3 << (flags & 7) + 1), dtype=np.uint8).reshape(-1, 3)


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise DecodeError("the file is cut short (no end of its image)")
    return data


def bmp_header(file: BinaryIO) -> BmpImageFile:
    """A BMP whose pixels are not read yet; raises DecodeError."""
    try:
        image = BmpImageFile(file)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error) as error:
        raise DecodeError(f"its BMP header is damaged, or of a kind that is not read ({error})") from error
    check_size(image.width, image.height)
    return image


def decode_bmp(data: bytes) -> NDArray[np.uint8]:
    """One grey image; raises DecodeError."""
    image = bmp_header(io.BytesIO(data))
    codec, _, offset, arguments = image.tile[0]
    mode, args = image.mode, cast("tuple[Any, ...]", arguments)
    colours = None if image.palette is None else _palette(image.palette)
    try:
        if codec == "bmp_rle":
            image.load()
            pixels = np.asarray(image)
        else:  # `load` would take less than all where a switch of Pillow's says so
            if image.info["compression"] == 0 and mode == "RGBA":  # another switch: these four are no alpha
                mode, args = "RGB", ("BGRX", *args[1:])
            pixels = np.asarray(Image.frombytes(mode, image.size, data[offset:], codec, args))
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise DecodeError(f"damaged or cut short ({error})") from error
    if colours is not None:
        if int(pixels.max()) >= len(colours):
            raise DecodeError(f"its pixels name colour {pixels.max()} of a palette of {len(colours)}")
        return luminance(colours[None])[0][pixels]
    if mode == "1":
        return pixels * np.uint8(255)
    return to_grey(pixels[:, :, :3], 8, alpha=pixels[:, :, 3]) if mode == "RGBA" else luminance(pixels)


def _palette(palette: Any) -> NDArray[np.uint8]:
    """Its colours, of shape (n, 3), which a BMP has from blue to red."""
    size = len(palette.rawmode)
    raw = palette.palette[: len(palette.palette) // size * size]
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)[:, 2::-1]
