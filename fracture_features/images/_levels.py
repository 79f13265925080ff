"""Samples as they are stored → grey levels of 8 bits."""

from __future__ import annotations

import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._errors import DecodeError

# Scanners store 10, 12 or 14 bits in 16.
BIT_DEPTHS = (8, 10, 12, 14, 16)


def full_scale(levels: NDArray[Any]) -> int:
    """Largest number of the smallest usual bit depth that holds all these levels."""
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 0xFFFF:
        raise DecodeError(f"its grey levels run from {low} to {high}; expected 0 to 65535")
    return (1 << next(bits for bits in BIT_DEPTHS if high < 1 << bits)) - 1


def to_grey(
    samples: NDArray[Any],
    bits: int,
    *,
    inverted: bool = False,
    alpha: NDArray[Any] | None = None,
) -> NDArray[np.uint8]:
    """Grey levels of 8 bits.

    Parameters
    ----------
    samples : ndarray of shape (height, width) or (height, width, 3)
        Integers; three a pixel are red, green and blue.
    bits : int
        Of a sample. Up to 8 they are all in use; of more, as many as the largest sample needs.
    inverted : bool, default=False
        Whether 0 is white.
    alpha : ndarray of shape (height, width), default=None
        Opacity, in as many bits; what shows through is black.

    Returns
    -------
    image : ndarray of shape (height, width), dtype uint8
    """
    full, checked = (1 << bits) - 1, full_scale(samples)
    if bits > 8:
        full = checked
    image = scale(luminance(samples.astype(np.uint8 if full <= 255 else np.uint16, copy=False)), full)
    if inverted:
        image = 255 - image
    if alpha is not None:
        opaque = max(full, full_scale(alpha)) if bits > 8 else full
        if alpha.min() < opaque:
            image = np.rint(image * (alpha / np.float32(opaque))).astype(np.uint8)
    return image


def luminance(samples: NDArray[Any]) -> NDArray[Any]:
    """ITU-R 601, of unsigned samples of 8 or 16 bits."""
    if samples.ndim == 2:
        return samples
    samples = np.ascontiguousarray(samples)
    if samples.dtype == np.uint8:
        return np.array(Image.fromarray(samples).convert("L"))
    return np.asarray(cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY))


def scale(levels: NDArray[Any], full: int) -> NDArray[np.uint8]:
    """0 to full scale → 0 to 255."""
    if full == 255 and levels.dtype == np.uint8:
        return levels
    return np.asarray(cv2.convertScaleAbs(levels, alpha=255 / full), dtype=np.uint8)


def unpack_bits(rows: NDArray[np.uint8], bits: int, n: int) -> NDArray[Any]:
    """The first `n` numbers of 1, 2, 4 or 12 bits in each row of bytes, of shape (..., n)."""
    if bits == 12:
        rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, -rows.shape[-1] % 3)]).astype(np.uint16)
        first, middle, last = rows[..., ::3], rows[..., 1::3], rows[..., 2::3]
        numbers = np.stack([first << 4 | middle >> 4, (middle & 15) << 8 | last], axis=-1)
    else:
        numbers = rows[..., None] >> np.arange(8 - bits, -1, -bits, dtype=np.uint8) & np.uint8((1 << bits) - 1)
    return numbers.reshape(*rows.shape[:-1], -1)[..., :n]


def inflate(data: bytes, length: int) -> bytes:
    """The first `length` bytes of a zlib stream, whose checksum is compared where no more follow."""
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, length)
        if len(out) == length and not stream.eof:
            stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise DecodeError(f"its compressed pixels are damaged ({error})") from error
    if len(out) < length:
        raise DecodeError(f"cut short: {len(out):,} bytes of pixels where its header announces {length:,}")
    return out


def unpack_runs(data: bytes, length: int) -> bytes:
    """The first `length` bytes of PackBits, as DICOM's RLE has it too."""
    out, position = bytearray(), 0
    while len(out) < length and position < len(data):
        count = data[position]
        if count < 128:
            out += data[position + 1 : position + 2 + count]
            position += 2 + count
        else:
            if count > 128:
                out += data[position + 1 : position + 2] * (257 - count)
            position += 2 if count > 128 else 1
    if len(out) < length:
        raise DecodeError(f"cut short: {len(out):,} bytes of pixels where its header announces {length:,}")
    return bytes(out[:length])
