"""LZW as TIFF has it: the highest bit first, and codes a bit longer one entry early."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._kernels import kernel
from ._errors import DecodeError

CLEAR, END, FIRST, MAX_CODES = 256, 257, 258, 4096


def unpack_lzw(data: bytes, length: int) -> bytes:
    """The first `length` bytes; raises DecodeError where a code names no entry or the data end early."""
    out = np.empty(length, dtype=np.uint8)
    n = int(_unpack(np.frombuffer(data, np.uint8), out)) if data else 0
    if n < length:
        raise DecodeError(f"damaged or cut short: {n:,} bytes of pixels where its header announces {length:,}")
    return out.tobytes()


@kernel
def _unpack(data: Any, out: Any) -> int:
    """Fill `out`, and return how far: every entry is a piece of what is out already."""
    starts, lengths = np.zeros(MAX_CODES, np.int64), np.zeros(MAX_CODES, np.int64)
    n, size, width, position, entries, before = 0, len(out), 9, 0, FIRST, -1
    while n < size and position + width <= 8 * len(data):
        code = 0
        for bit in range(position, position + width):
            code = code << 1 | (data[bit >> 3] >> (7 - (bit & 7)) & 1)
        position += width
        if code == END:
            break
        if code == CLEAR:
            width, entries, before = 9, FIRST, -1
            continue
        start = n
        if before >= 0 and entries < MAX_CODES:  # the entry before, and the byte that follows it
            starts[entries], lengths[entries] = before, start - before + 1
            entries += 1
        if code < CLEAR:
            out[n] = code
            n += 1
        elif code < entries:
            for i in range(starts[code], starts[code] + lengths[code]):
                if n < size:
                    out[n] = out[i]
                    n += 1
        else:
            break
        before = start
        if entries >= 511:  # one early, as the entry of this code is still to come
            width = 10 if entries < 1023 else 11 if entries < 2047 else 12
    return n
