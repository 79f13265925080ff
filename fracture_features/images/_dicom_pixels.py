"""The pixel data of a DICOM file → stored values, whole and of the announced shape, or an error that says why not."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._optional import require
from ._dicom_elements import Elements, number, text
from ._errors import DecodeError, check_size
from ._jpeg import decode_jpeg
from ._levels import unpack_runs

NATIVE = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
}
RLE = {"1.2.840.10008.1.2.5": "RLE Lossless"}
LOSSY_JPEG = {
    "1.2.840.10008.1.2.4.50": "JPEG Baseline (Process 1)",
    "1.2.840.10008.1.2.4.51": "JPEG Extended (Process 2 and 4)",
}
LOSSLESS_JPEG = {
    "1.2.840.10008.1.2.4.57": "JPEG Lossless, Non-Hierarchical (Process 14)",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14)",
}
JPEG_LS = {
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless Image Compression",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Lossy (Near-Lossless) Image Compression",
}
JPEG_2000 = {
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Image Compression (Lossless Only)",
    "1.2.840.10008.1.2.4.91": "JPEG 2000 Image Compression",
}
READ = NATIVE | RLE | LOSSY_JPEG | LOSSLESS_JPEG | JPEG_LS | JPEG_2000
# Those found in archives that are not read.
NOT_READ = {
    "1.2.840.10008.1.2.4.100": "MPEG2 Main Profile / Main Level",
    "1.2.840.10008.1.2.4.102": "MPEG-4 AVC/H.264",
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 (Lossless Only)",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
}
CODECS = {
    **dict.fromkeys((*LOSSY_JPEG, *LOSSLESS_JPEG), "jpeg8_decode"),
    **dict.fromkeys(JPEG_LS, "jpegls_decode"),
    **dict.fromkeys(JPEG_2000, "jpeg2k_decode"),
}
# Start of frame in JPEG (SOF0 to SOF3 of those that occur) and JPEG-LS.
FRAME_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
SAMPLES = {**dict.fromkeys((*GREY, "PALETTE COLOR"), 1), **dict.fromkeys(COLOUR, 3)}
NO_PIXELS = "it holds no pixel data, or is cut short before their end"
INTEGERS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")


class PixelHeader(NamedTuple):
    """What the header says of the pixels."""

    photometric: str
    syntax: str
    planar: int
    high: int
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    signed: int

    @property
    def name(self) -> str:
        """The transfer syntax."""
        return READ[self.syntax]


def read_pixel_header(elements: Elements) -> PixelHeader:
    """Refuse from the header whatever is no single image of a kind that is read."""
    syntax = text(elements, "TransferSyntaxUID")
    if syntax not in READ:
        raise DecodeError(f"its transfer syntax, {NOT_READ.get(syntax, syntax or None)}, is not read")
    frames = number(elements, "NumberOfFrames", 1)
    if frames != 1:
        raise DecodeError(f"it holds {frames:.0f} frames; expected one image")
    integers = [int(number(elements, name)) for name in INTEGERS]
    high = int(number(elements, "HighBit", integers[4] - 1))
    planar = int(number(elements, "PlanarConfiguration", 0))
    header = PixelHeader(text(elements, "PhotometricInterpretation"), syntax, planar, high, *integers)
    check_size(header.columns, header.rows)
    if SAMPLES.get(header.photometric) != header.samples or planar not in (0, 1):
        raise DecodeError(
            f"its {header.samples} samples a pixel mean {header.photometric or None}, which is not read"
            f" (PlanarConfiguration {planar})"
        )
    if header.allocated not in (8, 16) or not 1 <= header.stored <= header.allocated or header.signed not in (0, 1):
        raise DecodeError(f"its pixels take {header.stored} of {header.allocated} bits; expected 8 or 16 bit integers")
    if not header.stored <= high + 1 <= header.allocated:
        raise DecodeError(f"its HighBit is {high} of {header.stored} bits stored and {header.allocated} allocated")
    return header


class Cells(NamedTuple):
    """Samples as they come out of the file, unsigned, of shape (rows, columns) or (rows, columns, 3)."""

    values: NDArray[Any]
    photometric: str  # what they mean once decoded
    bits: int  # of a sample of the stream

    def stored(self, cells: NDArray[Any], header: PixelHeader) -> NDArray[Any]:
        """The stored values within some cells: what stands above HighBit or below the bits stored is none of theirs.

        Streams of fewer bits than are stored hold them all, with the sign in their own highest bit.
        """
        bits = min(self.bits, header.stored)
        shift = header.high + 1 - header.stored if header.high < self.bits else 0
        values = (cells.astype(np.int32) >> shift) & (1 << bits) - 1
        return values - ((values >> bits - 1) << bits) if header.signed else values


def read_cells(elements: Elements, header: PixelHeader) -> Cells:
    """Decode the pixel data."""
    pixels = elements["PixelData"].value if "PixelData" in elements else b""
    if not pixels:
        raise DecodeError(NO_PIXELS)
    fragments: list[bytes] = pixels if isinstance(pixels, list) else []
    if isinstance(pixels, list) != (header.syntax not in NATIVE):
        raise DecodeError(f"damaged: its pixels are stored otherwise than its transfer syntax, {header.name}, says")
    if header.syntax in NATIVE:
        cells = _native(pixels, elements["PixelData"], header)
    elif header.syntax in RLE:
        cells = Cells(_rle(b"".join(fragments), header), header.photometric, header.allocated)
    else:
        cells = _decompress(b"".join(fragments), header)
    expected = (header.rows, header.columns, 3)[: cells.values.ndim]
    if cells.values.shape != expected:
        raise DecodeError(f"its pixels have the shape {cells.values.shape}; its header announces {expected}")
    return cells


def _native(pixels: bytes, element: Any, header: PixelHeader) -> Cells:
    """Samples that are not compressed."""
    subsampled = header.photometric == "YBR_FULL_422"
    n = header.rows * header.columns * (2 if subsampled else header.samples)
    length = n * header.allocated // 8
    # Some writers pad to a block of their disk; what differs from byte to byte would be pixels.
    excess = pixels[length:]
    if len(pixels) < length or excess != excess[:1] * len(excess):
        raise DecodeError(f"it holds {len(pixels):,} bytes of pixels; its header announces {length:,}")
    if header.allocated == 8 and element.order == ">" and element.vr == "OW":  # in words, whose bytes are swapped
        even = pixels[: len(pixels) // 2 * 2]
        pixels = np.frombuffer(even, ">u2").astype("<u2").tobytes() + pixels[len(even) :]
    unit = f"{element.order}u{header.allocated // 8}"
    values = np.frombuffer(pixels, unit, count=n).astype(f"=u{header.allocated // 8}", copy=False)
    if subsampled:  # Y, Y, Cb, Cr of two pixels
        return Cells(
            values.reshape(header.rows, -1, 4)[:, :, :2].reshape(header.rows, -1), "YBR_FULL", header.allocated
        )
    return Cells(_arranged(values, header, header.planar), header.photometric, header.allocated)


def _arranged(values: NDArray[Any], header: PixelHeader, planar: int) -> NDArray[Any]:
    if header.samples == 1:
        return values.reshape(header.rows, header.columns)
    if planar:
        return values.reshape(header.samples, header.rows, header.columns).transpose(1, 2, 0)
    return values.reshape(header.rows, header.columns, header.samples)


def _rle(data: bytes, header: PixelHeader) -> NDArray[Any]:
    """A stream for each byte of each sample, the highest byte first."""
    depth, size = header.allocated // 8, header.rows * header.columns
    n, *starts = struct.unpack("<16I", data[:64]) if len(data) >= 64 else (0,)
    if n != depth * header.samples:
        raise DecodeError(f"damaged or cut short: {n} streams of RLE; expected {depth * header.samples}")
    parts = [data[start:end] for start, end in zip(starts[:n], [*starts[1:n], len(data)], strict=True)]
    planes = np.frombuffer(b"".join(unpack_runs(part, size) for part in parts), np.uint8)
    samples = planes.reshape(header.samples, depth, size).transpose(0, 2, 1).copy().view(f">u{depth}")
    return _arranged(samples.astype(f"=u{depth}").reshape(-1), header, 1)


def _decompress(stream: bytes, header: PixelHeader) -> Cells:
    """Samples of JPEG, JPEG-LS and JPEG 2000."""
    bits = _check_stream(stream, header)
    if bits == 8 and CODECS[header.syntax] == "jpeg8_decode":
        # Of three components the luminance.
        grey = decode_jpeg(stream, rgb=header.photometric == "RGB")
        return Cells(grey, header.photometric if header.samples == 1 else "YBR_FULL", bits)
    imagecodecs = require("imagecodecs", extra="dicom", needed_for=f"reading DICOM files in {header.name}")
    try:
        samples = getattr(imagecodecs, CODECS[header.syntax])(stream)
    except Exception as error:  # each codec has an error of its own
        raise DecodeError(f"damaged or cut short ({type(error).__name__}: {error})") from error
    if samples.ndim != (2 if header.samples == 1 else 3) or samples.dtype.kind not in "iu" or samples.itemsize > 2:
        raise DecodeError(f"its {header.name} stream holds {samples.dtype} of shape {samples.shape}")
    # JPEG 2000 decoders undo its own colour transforms.
    meaning = "RGB" if header.photometric in ("YBR_ICT", "YBR_RCT") else header.photometric
    return Cells(samples.view(f"u{samples.itemsize}"), meaning, bits)


def _check_stream(stream: bytes, header: PixelHeader) -> int:
    """Bits a sample of a whole JPEG, JPEG-LS or JPEG 2000 stream that holds what the header announces."""
    if not stream.rstrip(b"\0\xff").endswith(b"\xd9"):
        raise DecodeError(f"its {header.name} stream is cut short (no end-of-image marker)")
    start = stream.find(b"\xff\x4f\xff\x51")
    try:
        if header.syntax in JPEG_2000 and start >= 0:
            right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
            samples, depth = struct.unpack_from(">HB", stream, start + 40)
            bits, rows, columns = (depth & 0x7F) + 1, bottom - top, right - left
        else:
            position = 2
            while stream[position] == 0xFF and stream[position + 1] not in FRAME_MARKERS:
                position += 2 + struct.unpack_from(">H", stream, position + 2)[0]
            bits, rows, columns, samples = struct.unpack_from(">BHHB", stream, position + 4)
    except (struct.error, IndexError) as error:
        raise DecodeError(f"its {header.name} stream is damaged or cut short ({error})") from error
    found, announced = (rows, columns, samples), (header.rows, header.columns, header.samples)
    if found != announced or bits > header.allocated:
        raise DecodeError(f"its {header.name} stream holds {found} of {bits} bits; its header announces {announced}")
    if samples == 3 and CODECS[header.syntax] == "jpeg8_decode" and bits > 8:
        raise DecodeError(f"its transfer syntax, {header.name}, is not read in colour of {bits} bits")
    return bits
