"""The pixel data of a DICOM file → stored values, whole and of the announced shape, or an error that says why not."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from .._optional import require
from ._errors import DecodeError, check_size

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
RLE = "1.2.840.10008.1.2.5"
# Its data set is one deflate stream, which pydicom inflates whatever its size.
DEFLATED = "1.2.840.10008.1.2.1.99"
LOSSY_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
# JPEG baseline and extended; lossless, twice; JPEG-LS, twice; JPEG 2000, twice.
CODECS = {
    **dict.fromkeys(LOSSY_JPEG, "jpeg8_decode"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"), "jpeg8_decode"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "jpegls_decode"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "jpeg2k_decode"),
}
# The marker segment that keeps libjpeg from taking three components for YCbCr.
NO_TRANSFORM = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
# Start of frame in JPEG (SOF0 to SOF3 of those that occur) and JPEG-LS.
FRAME_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
NO_PIXELS = "it holds no pixel data, or is cut short before their end"
INTEGERS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")


class PixelHeader(NamedTuple):
    """What the header says of the pixels."""

    photometric: str
    syntax: Any  # pydicom's UID: a str with a name
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    signed: int

    @property
    def little_endian(self) -> bool:
        return self.syntax != NATIVE[2]


def read_pixel_header(dataset: Any) -> PixelHeader:
    """Refuse from the header whatever is no single image of a kind that is read."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax not in (*NATIVE, RLE, *CODECS):
        raise DecodeError(f"its transfer syntax, {getattr(syntax, 'name', syntax)}, is not read")
    frames = number(dataset, "NumberOfFrames", 1)
    if frames != 1:
        raise DecodeError(f"it holds {frames:.0f} frames; expected one image")
    meaning = str(dataset.get("PhotometricInterpretation"))
    header = PixelHeader(meaning, syntax, *[int(number(dataset, name)) for name in INTEGERS])
    check_size(header.columns, header.rows)
    samples = {**dict.fromkeys((*GREY, "PALETTE COLOR"), 1), **dict.fromkeys(COLOUR, 3)}
    if samples.get(header.photometric) != header.samples:
        raise DecodeError(f"its {header.samples} samples a pixel mean {header.photometric}, which is not read")
    if header.allocated not in (8, 16) or not 1 <= header.stored <= header.allocated or header.signed not in (0, 1):
        raise DecodeError(f"its pixels take {header.stored} of {header.allocated} bits; expected 8 or 16 bit integers")
    return header


def number(source: Any, name: str, default: float | None = None) -> float:
    """The first value of an element as a finite number."""
    value: Any = source.get(name)
    if value is None or value == "":
        value = default
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0]
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"its {name} is {value!r}; expected a number") from error
    if not np.isfinite(result):
        raise DecodeError(f"its {name} is {result}; expected a finite number")
    return result


def read_samples(dataset: Any, header: PixelHeader) -> tuple[NDArray[Any], str]:
    """Stored values of shape (rows, columns) or (rows, columns, 3), and what they mean once decoded."""
    if not dataset.get("PixelData"):
        raise DecodeError(NO_PIXELS)
    if header.syntax not in CODECS:
        return _read_plain(dataset, header)
    encaps = require("pydicom.encaps", extra="dicom", needed_for="reading DICOM files")
    stream = encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    bits = _check_stream(stream, header)
    if header.syntax in LOSSY_JPEG and bits == 8:
        if header.photometric == "RGB" and not any(name in stream[:4096] for name in (b"JFIF", b"Adobe")):
            stream = stream[:2] + NO_TRANSFORM + stream[2:]
        grey = simplejpeg.decode_jpeg(stream, "GRAY", strict=True)[:, :, 0]
        return grey, header.photometric if header.samples == 1 else "YBR_FULL"
    imagecodecs = require("imagecodecs", extra="dicom", needed_for=f"reading DICOM files in {header.syntax.name}")
    samples = getattr(imagecodecs, CODECS[header.syntax])(stream)
    if samples.ndim != (2 if header.samples == 1 else 3) or samples.dtype.itemsize > 2:
        raise DecodeError(f"its {header.syntax.name} stream holds {samples.dtype} of shape {samples.shape}")
    # JPEG 2000 decoders undo its own colour transforms.
    meaning = "RGB" if header.photometric in ("YBR_ICT", "YBR_RCT") else header.photometric
    return _with_sign(samples, bits, header), meaning


def _read_plain(dataset: Any, header: PixelHeader) -> tuple[NDArray[Any], str]:
    """Samples that are not compressed, or by RLE."""
    samples_a_row = header.columns * (2 if header.photometric == "YBR_FULL_422" else header.samples)
    row = samples_a_row * header.allocated // 8
    length = len(dataset.PixelData)
    # Less than one row too much is padding; more means that the header and the pixels do not belong together.
    if header.syntax != RLE and not header.rows * row <= length < header.rows * row + max(row, 2):
        raise DecodeError(f"it holds {length:,} bytes of pixels; its header announces {header.rows * row:,}")
    pixels = require("pydicom.pixels", extra="dicom", needed_for="reading DICOM files")
    plugin = "pydicom" if header.syntax == RLE else ""
    samples, properties = pixels.get_decoder(header.syntax).as_array(dataset, index=0, raw=True, decoding_plugin=plugin)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False), properties["photometric_interpretation"]


def _check_stream(stream: bytes, header: PixelHeader) -> int:
    """Bits a sample of a whole JPEG, JPEG-LS or JPEG 2000 stream that holds what the header announces."""
    name = header.syntax.name
    if not stream.rstrip(b"\0\xff").endswith(b"\xd9"):
        raise DecodeError(f"its {name} stream is cut short (no end-of-image marker)")
    start = stream.find(b"\xff\x4f\xff\x51")
    if CODECS[header.syntax] == "jpeg2k_decode" and start >= 0:
        right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
        samples, depth = struct.unpack_from(">HB", stream, start + 40)
        bits, rows, columns = (depth & 0x7F) + 1, bottom - top, right - left
    else:
        position = 2
        while stream[position] == 0xFF and stream[position + 1] not in FRAME_MARKERS:
            position += 2 + struct.unpack_from(">H", stream, position + 2)[0]
        bits, rows, columns, samples = struct.unpack_from(">BHHB", stream, position + 4)
    found, announced = (rows, columns, samples), (header.rows, header.columns, header.samples)
    if found != announced or bits > header.allocated:
        raise DecodeError(f"its {name} stream holds {found} of {bits} bits; its header announces {announced}")
    if samples == 3 and CODECS[header.syntax] == "jpeg8_decode" and not (header.syntax in LOSSY_JPEG and bits == 8):
        raise DecodeError(f"its transfer syntax, {name}, is not read in colour of {bits} bits")
    return bits


def _with_sign(samples: NDArray[Any], bits: int, header: PixelHeader) -> NDArray[Any]:
    """Make the sign what the header says: JPEG and JPEG-LS know none, JPEG 2000 encoders may name the wrong one."""
    size = samples.dtype.itemsize
    unsigned = samples.view(f"u{size}")
    if header.signed and samples.dtype.kind == "u":
        shift = 8 * size - bits
        return np.right_shift(np.left_shift(unsigned, shift).view(f"i{size}"), shift)
    if not header.signed and samples.dtype.kind == "i":
        return unsigned & unsigned.dtype.type((1 << bits) - 1)
    return samples
