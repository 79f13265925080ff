"""TIFF: samples as they are stored, at any depth and in either byte order."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ._errors import MAX_BYTES, DecodeError, check_size
from ._jpeg import decode_jpeg
from ._levels import full_scale, inflate, luminance, scale, to_grey, unpack_bits, unpack_runs
from ._lzw import unpack_lzw
from ._tags import MAX_SAMPLES, ORIENTATION, SUBFILE, XMP, is_spare, orientation, read_directory

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, OFFSETS = 256, 257, 258, 259, 262, 266, 273
SAMPLES, ROWS, COUNTS, PLANAR, PREDICTOR, COLOURS = 277, 278, 279, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, EXTRA, FORMAT, JPEG_TABLES = 322, 323, 324, 325, 338, 339, 347
SUBSAMPLING = 530
SHAPE = frozenset([WIDTH, HEIGHT, ORIENTATION, XMP])
WANTED = SHAPE | {BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, OFFSETS, SAMPLES, ROWS, COUNTS, PLANAR, PREDICTOR}
WANTED |= {
    SUBFILE,
    COLOURS,
    TILE_WIDTH,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_COUNTS,
    EXTRA,
    FORMAT,
    JPEG_TABLES,
    SUBSAMPLING,
}
NONE, LZW, JPEG, PACKBITS, DEFLATE = 1, 5, 7, 32773, (8, 32946)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOUR_SAMPLES = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
PREMULTIPLIED, ALPHA = 1, 2
INTEGERS = {1: "unsigned integers", 2: "signed integers", 4: "unsigned integers"}
KINDS = INTEGERS | {3: "floating-point numbers"}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page:
    """The tags of the one page, and what they mean together."""

    def __init__(self, file: BinaryIO, wanted: frozenset[int]):
        self.tags, self.order, self.pages = read_directory(file, wanted)
        self.width, self.height = self.tag(WIDTH, 0), self.tag(HEIGHT, 0)
        check_size(self.width, self.height)

    def tag(self, tag: int, default: int) -> int:
        """The first number under a tag."""
        return (self.tags.get(tag) or (default,))[0]

    def read_layout(self) -> None:
        """Refuse what is not read, and set how the samples lie."""
        self.compression, self.samples = self.tag(COMPRESSION, NONE), self.tag(SAMPLES, 1)
        depths, kinds = self.tags.get(BITS) or (1,), self.tags.get(FORMAT) or (1,)
        self.bits, kind = depths[0], kinds[0]
        what = f"its samples are {self.bits}-bit {KINDS.get(kind, f'numbers of kind {kind}')}"
        if len({*depths}) > 1 or len({*kinds}) > 1:
            raise DecodeError(f"its samples differ in their bits, {depths}, or kinds, {kinds}")
        if kind not in INTEGERS or self.bits not in ((8, 16, 32) if kind == 2 else (1, 2, 4, 8, 12, 16, 32)):
            raise DecodeError(f"{what}; read are unsigned integers of 1, 2, 4, 8, 12, 16 and 32 bits, signed from 8")
        self.kind = "i" if kind == 2 else "u"
        self.meaning = self.tag(PHOTOMETRIC, RGB if self.samples >= 3 else WHITE_IS_ZERO)
        colours = COLOUR_SAMPLES.get(self.meaning)
        if colours is None or not colours <= self.samples <= MAX_SAMPLES:
            raise DecodeError(f"its {self.samples} samples a pixel mean {self.meaning} (PhotometricInterpretation)")
        self.planes = self.samples if self.tag(PLANAR, 1) == 2 else 1
        self.tiled = TILE_WIDTH in self.tags
        self.columns = self.tag(TILE_WIDTH, 0) if self.tiled else self.width
        self.rows = self.tag(TILE_HEIGHT, 0) if self.tiled else min(self.tag(ROWS, self.height), self.height)
        check_size(self.columns, self.rows)
        self.down, self.across = -(-self.height // self.rows), -(-self.width // self.columns)
        self.row_samples = self.columns * (self.samples // self.planes)
        self.row_bytes = (self.row_samples * self.bits + 7) // 8
        total = self.planes * self.down * self.across * self.rows * self.row_bytes
        if total > MAX_BYTES:
            raise DecodeError(f"its strips or tiles hold {total:,} bytes of pixels; at most {MAX_BYTES:,} are read")

    def heights(self) -> list[int]:
        """Rows of each strip or tile of one plane."""
        last = self.rows if self.tiled else self.height - self.rows * (self.down - 1)
        return [self.rows] * (self.down * self.across - 1) + [last]

    def segments(self, data: bytes) -> list[bytes]:
        """The bytes of each strip or tile, as they are compressed, of all planes."""
        n = self.down * self.across * self.planes
        offsets = self.tags.get(TILE_OFFSETS if self.tiled else OFFSETS, ())
        counts = self.tags.get(TILE_COUNTS if self.tiled else COUNTS) or (len(data),) * n
        if len(offsets) < n or len(counts) < n:
            raise DecodeError(f"damaged: it has {min(len(offsets), len(counts))} strips or tiles of {n}")
        parts = [data[start : start + length] for start, length in zip(offsets[:n], counts[:n], strict=True)]
        return [part.translate(REVERSED) for part in parts] if self.tag(FILL_ORDER, 1) == 2 else parts


def tiff_shape(file: BinaryIO) -> tuple[int, int, int]:
    """Height, width and orientation, without reading the pixels; raises DecodeError."""
    page = Page(file, SHAPE)
    return page.height, page.width, _orientation(page)


def decode_tiff(data: bytes) -> tuple[NDArray[np.uint8], int]:
    """One grey image as it is stored, and its orientation; raises DecodeError."""
    page = Page(io.BytesIO(data), WANTED)
    if page.pages != 1:
        raise DecodeError(f"it holds {page.pages} pages or frames; expected one image")
    if is_spare(page.tags):
        raise DecodeError("its first page is a thumbnail or a mask; expected the image")
    page.read_layout()
    image = _jpegs(page, data) if page.compression == JPEG else _grey(page, _samples(page, data))
    return image, _orientation(page)


def _orientation(page: Page) -> int:
    found = page.tag(ORIENTATION, 0)
    return found if 1 <= found <= 8 else orientation(None, bytes(page.tags.get(XMP, ())))


def _grey(page: Page, samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Return what the samples (height, width, samples) show."""
    n = COLOUR_SAMPLES[page.meaning]
    colours = samples[:, :, :n] if n > 1 else samples[:, :, 0]
    extra = page.tags.get(EXTRA, (ALPHA,))[0] if page.samples > n else 0
    alpha = samples[:, :, n] if extra == ALPHA else None  # what is premultiplied lies on black already
    if page.meaning == PALETTE:
        palette = np.array(page.tags.get(COLOURS, ()), dtype=np.uint16)
        if page.bits > 16 or len(palette) != 3 << page.bits:
            raise DecodeError(f"damaged: its palette has {len(palette)} entries; expected {3 << page.bits}")
        full = 255 if palette.max() <= 255 else 65535  # some writers fill 8 bits of 16
        table = luminance(scale(palette.reshape(1, 3, -1).transpose(0, 2, 1), full))[0]
        return to_grey(table[colours], 8, alpha=None if alpha is None else scale(alpha, full_scale(alpha)))
    if page.meaning == CMYK:
        paper = 255 - scale(colours, 255 if page.bits == 8 else full_scale(colours)).astype(np.uint16)
        return luminance(((paper[:, :, :3] * paper[:, :, 3:] + 127) // 255).astype(np.uint8))
    if page.meaning == YCBCR:
        if page.tags.get(SUBSAMPLING) != (1, 1):
            raise DecodeError("its YCbCr samples are subsampled, which is read of JPEG alone")
        colours = colours[:, :, 0]
    return to_grey(colours, page.bits, inverted=page.meaning == WHITE_IS_ZERO, alpha=alpha)


def _samples(page: Page, data: bytes) -> NDArray[Any]:
    """Samples of shape (height, width, samples)."""
    segments, heights = page.segments(data), page.heights()
    n, planes = len(heights), []
    for plane in range(page.planes):
        raw = _decompress(page, segments[plane * n : (plane + 1) * n], heights)
        rows = np.frombuffer(raw, np.uint8).reshape(sum(heights), page.row_bytes)
        if page.bits in (8, 16, 32):
            numbers = rows.view(f"{page.order}{page.kind}{page.bits // 8}").astype(f"={page.kind}{page.bits // 8}")
        else:
            numbers = unpack_bits(rows, page.bits, page.row_samples)
        planes.append(_assemble(page, numbers.reshape(len(rows), page.columns, -1)))
    return planes[0] if page.planes == 1 else np.concatenate(planes, axis=2)


def _assemble(page: Page, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of strips or tiles, one below the other → the image, what a tile has beyond its edge left out."""
    predictor = page.tag(PREDICTOR, 1)
    if predictor == 2 and page.bits in (8, 16, 32):
        rows = np.cumsum(rows, axis=1, dtype=rows.dtype)
    elif predictor != 1:
        raise DecodeError(f"its predictor is {predictor} with {page.bits} bits, which is not read")
    if page.tiled:
        tiles = rows.reshape(page.down, page.across, page.rows, *rows.shape[1:])
        rows = tiles.swapaxes(1, 2).reshape(page.down * page.rows, page.across * page.columns, -1)
    return rows[: page.height, : page.width]


def _decompress(page: Page, segments: list[bytes], heights: list[int]) -> bytes:
    """All rows of strips or tiles, one below the other."""
    sizes = [rows * page.row_bytes for rows in heights]
    if page.compression == NONE:
        parts = [part[:size] for part, size in zip(segments, sizes, strict=True)]
        if sum(map(len, parts)) < sum(sizes):
            raise DecodeError(f"cut short: {sum(map(len, parts)):,} bytes of pixels of {sum(sizes):,}")
        return b"".join(parts)
    if page.compression in DEFLATE:
        return b"".join(map(inflate, segments, sizes))
    if page.compression == PACKBITS:
        return b"".join(map(unpack_runs, segments, sizes))
    if page.compression == LZW:
        return b"".join(map(unpack_lzw, segments, sizes))
    raise DecodeError(f"its compression is {page.compression}; read are none, LZW, deflate, PackBits and JPEG")


def _jpegs(page: Page, data: bytes) -> NDArray[np.uint8]:
    """The luminance of strips or tiles that are JPEGs, whose tables may stand apart."""
    if page.planes > 1 or page.meaning not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR):
        raise DecodeError(f"its JPEG strips mean {page.meaning} in {page.planes} planes, which is not read")
    tables = bytes(page.tags.get(JPEG_TABLES, ()))[:-2]
    parts = []
    for part, rows in zip(page.segments(data), page.heights(), strict=True):
        stream = tables + part[2:] if tables else part
        grey = decode_jpeg(stream, rgb=page.meaning == RGB)
        if grey.shape != (rows, page.columns):
            raise DecodeError(f"damaged: a strip of the shape {grey.shape}; expected {(rows, page.columns)}")
        parts.append(grey)
    image = _assemble(page, np.concatenate(parts)[:, :, None])
    return to_grey(image[:, :, 0], 8, inverted=page.meaning == WHITE_IS_ZERO)
