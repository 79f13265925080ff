"""Files that no library writes: PNG of any colour type, depth, filter and interlacing, and pieces of JPEG."""

import struct
import zlib

import numpy as np

from fracture_features.images._errors import DecodeError

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
COLOURS = {"grey": 0, "rgb": 2, "palette": 3, "grey alpha": 4, "rgba": 6}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks_of(data):
    """Kind and bytes of each chunk of a PNG."""
    position = 8
    while position < len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position:end]
        position = end


def png(samples, bits, colour, *, extra=(), filters=(0,), interlaced=False):
    """A file of these samples (height, width, n), its rows filtered in turn by the numbers in `filters`."""
    height, width, n = samples.shape
    raw = b""
    for top, left, down, across in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[top::down, left::across]
        if part.size:
            raw += filtered(packed(part, bits), max(1, n * bits // 8), filters)
    header = struct.pack(">II5B", width, height, bits, COLOURS[colour], 0, 0, int(interlaced))
    pieces = [chunk(b"IHDR", header), *(chunk(*piece) for piece in extra), chunk(b"IDAT", zlib.compress(raw))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces) + chunk(b"IEND", b"")


def assert_no_part_gives_other_pixels(decode, data, start=0, step=1):
    """A file cut short is refused, or gives what the whole one gives."""
    whole = decode(data)
    for end in range(start, len(data), step):
        try:
            image = decode(data[:end])
        except DecodeError:
            continue
        np.testing.assert_array_equal(image, whole)


def packed(samples, bits):
    """Rows of bytes, of shape (height, bytes)."""
    rows = samples.reshape(len(samples), -1)
    if bits >= 8:
        return np.ascontiguousarray(rows.astype(f">u{bits // 8}")).view(np.uint8)
    digits = (rows[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(rows), -1).astype(np.uint8), axis=1)


def filtered(rows, pixel, filters):
    """The rows as the PNG specification filters them: none, sub, up, average, Paeth."""
    out, above = b"", np.zeros(rows.shape[1], dtype=int)
    for i, row in enumerate(rows.astype(int)):
        left, corner = (np.concatenate([np.zeros(pixel, int), line])[: len(row)] for line in (row, above))
        near = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], above, corner))
        kind = filters[i % len(filters)]
        guess = [0 * row, left, above, (left + above) // 2, paeth][kind]
        out += bytes([kind]) + ((row - guess) & 255).astype(np.uint8).tobytes()
        above = row
    return out


def segment(marker, data):
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def without_segments(data, *markers):
    """A JPEG without the segments of these markers before its first scan."""
    out, position = data[:2], 2
    while data[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        out += b"" if data[position + 1] in markers else data[position:end]
        position = end
    return out + data[position:]
