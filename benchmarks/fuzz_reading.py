"""Feed mutated files to the decoder for a while: every one must give a grey uint8 image or a DecodeError.

    python benchmarks/fuzz_reading.py [--minutes 10] [--seed 0] [FILE_OR_FOLDER ...]

Starts from one file of each format, mode and depth drawn here, and from the files given. Decoding runs in a process of
its own: what ends it by a signal, hangs it, warns, or raises anything else is reported, its bytes are left in
fuzz_failure_<number>.bin, and the next process goes on. One file in ten is decoded with Pillow's
LOAD_TRUNCATED_IMAGES too, which must change nothing.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import multiprocessing
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from _fuzz import mutated, watch
from PIL import Image, ImageFile
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from fracture_features.images._decode import decode, decode_shape
from fracture_features.images._errors import DecodeError

LARGEST = 300_000  # bytes of a file to start from
PATIENCE = 60  # seconds without a file after which a process hangs
OUTCOMES = ("image", "DecodeError")

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
DEEP = (np.arange(40 * 56).reshape(40, 56) * 29).astype(np.uint16)


def by_pillow() -> Iterator[bytes]:
    """A small file of each format and mode that Pillow writes."""
    image = Image.fromarray(NOISE)
    for picture, kind, options in [
        (image, "JPEG", {}),
        (image, "JPEG", {"progressive": True}),
        (image.convert("RGB"), "JPEG", {"icc_profile": bytes(200), "exif": b"Exif\0\0II*\0\10\0\0\0\0\0"}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "PNG", {}),
        (image, "PNG", {"transparency": 7}),
        (image.convert("1"), "PNG", {}),
        (image.convert("P"), "PNG", {"transparency": bytes(9)}),
        (image.convert("RGBA"), "PNG", {}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image.convert("1"), "TIFF", {}),
        (image.convert("RGB"), "TIFF", {"compression": "jpeg"}),
        (image, "BMP", {}),
        (image.convert("P"), "BMP", {}),
        (image, "GIF", {"transparency": 3}),
    ]:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        yield buffer.getvalue()


def pngs() -> Iterator[bytes]:
    """Those of 16 and 4 bits, with a transparent level, and interlaced."""
    for colour, samples, bits in [(0, 1, 16), (2, 3, 16), (4, 2, 16), (6, 4, 16), (0, 1, 4), (3, 1, 4)]:
        pixels = np.repeat(DEEP.astype(">u2")[:, :, None], samples, axis=2)
        rows = pixels.reshape(40, -1).view(np.uint8) if bits == 16 else NOISE[:, :28]
        raw = np.pad(rows, ((0, 0), (1, 0))).tobytes()
        transparent = [(b"tRNS", struct.pack(f">{samples}H", *[5] * samples))] if samples in (1, 3) else []
        palette = [(b"PLTE", NOISE[:1, :48].tobytes())] if colour == 3 else []
        header = struct.pack(">II5B", 56, 40, bits, colour, 0, 0, 0)
        chunks = [(b"IHDR", header), *palette, *transparent, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
        yield b"\x89PNG\r\n\x1a\n" + b"".join(checked(kind, data) for kind, data in chunks)


def tiffs() -> Iterator[bytes]:
    """Of several depths, signs, byte orders and layouts."""
    rgb = np.dstack([DEEP] * 3)
    for pixels, options in [
        (DEEP, {"photometric": "miniswhite", "byteorder": ">"}),
        (DEEP, {"compression": "zlib", "predictor": True}),
        ((NOISE // 2).view(np.int8), {"photometric": "minisblack"}),
        (rgb, {"photometric": "rgb", "tile": (16, 16), "compression": "packbits"}),
        (np.moveaxis(rgb, 2, 0), {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 7}),
        (np.dstack([DEEP, DEEP]), {"photometric": "minisblack", "extrasamples": ["unassalpha"], "bigtiff": True}),
    ]:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, **options)
        yield buffer.getvalue()


def lossless_jpegs() -> Iterator[bytes]:
    """Those whose frame is SOF3."""
    yield imagecodecs.jpeg8_encode(NOISE, lossless=True)
    yield imagecodecs.jpeg8_encode(np.dstack([NOISE] * 3), lossless=True, colorspace="RGB", outcolorspace="RGB")
    yield imagecodecs.ljpeg_encode(NOISE)


def dicoms() -> Iterator[bytes]:
    """With tables, padding, enhanced groups, and each encoding."""
    table, twelve = Dataset(), (DEEP & 4095).astype("<u2")
    table.LUTDescriptor, table.LUTData = [256, 0, 16], np.arange(0, 4096, 16, dtype="<u2").tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    window, group = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = 2000, 3000
    group.FrameVOILUTSequence = [window]
    palette: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = np.arange(256, dtype="<u2").tobytes()
    for pixels, stream, syntax, elements in [
        (twelve, None, uid.ExplicitVRLittleEndian, {"VOILUTSequence": [table]}),
        (twelve, None, uid.ImplicitVRLittleEndian, {"ModalityLUTSequence": [table]}),
        (twelve, None, uid.ExplicitVRLittleEndian, {"SharedFunctionalGroupsSequence": [group]}),
        (twelve.view("<i2"), None, uid.ExplicitVRLittleEndian, {"PixelPaddingValue": -5, "HighBit": 13}),
        (NOISE, None, uid.ExplicitVRLittleEndian, palette),
        (twelve, imagecodecs.ljpeg_encode(twelve, bitspersample=12), uid.JPEGLosslessSV1, {}),
        (NOISE, imagecodecs.jpeg8_encode(NOISE, lossless=True), uid.JPEGLossless, {}),
        (twelve, imagecodecs.jpegls_encode(twelve), uid.JPEGLSLossless, {}),
        (twelve, imagecodecs.jpeg2k_encode(twelve, codecformat="j2k", reversible=True), uid.JPEG2000Lossless, {}),
        (NOISE, imagecodecs.jpeg8_encode(NOISE), uid.JPEGBaseline8Bit, {}),
    ]:
        yield dicom(pixels, stream, syntax, elements)


def dicom(pixels: np.ndarray, stream: bytes | None, syntax: str, elements: dict[str, Any]) -> bytes:
    """A file of these pixels."""
    image, buffer = Dataset(), io.BytesIO()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    image.Rows, image.Columns, image.SamplesPerPixel = *pixels.shape, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = 8 * pixels.itemsize
    image.BitsStored = 8 if pixels.itemsize == 1 else 12
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(image, name, value)
    image.PixelData = pixels.tobytes() if stream is None else encapsulate([stream])
    image["PixelData"].VR = "OW" if stream is None else "OB"
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def checked(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums, as far as they can be told apart."""
    parts, position = [data[:8]], 8
    while position + 12 <= len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        parts.append(checked(data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return b"".join(parts)


def mutated_image(data: bytes, rng: np.random.Generator) -> bytes:
    """A mutated file; of PNG mostly with checksums that fit, or decoding would end at the first."""
    out = mutated(data, rng)
    return with_checksums(out) if out[:4] == b"\x89PNG" and rng.random() < 0.8 else out


def outcome(data: bytes, wanted: int | None) -> tuple[str, bytes | str]:
    """What decoding gives: the kind, and the pixels or the reason."""
    try:
        image = decode(data, wanted)
    except DecodeError as error:
        return "DecodeError", str(error)
    assert image.ndim == 2
    assert image.dtype == np.uint8
    if wanted is None:
        assert image.shape == decode_shape(io.BytesIO(data))
    return "image", image.tobytes()


def work(seeds: list[bytes], seed: int, deadline: float, counts: Any, size: Any, case: Any) -> None:
    """Decode until the deadline; what is being decoded stands in `case`, which outlives this process."""
    faulthandler.enable()
    warnings.simplefilter("error")
    rng = np.random.default_rng(seed)
    while time.monotonic() < deadline:
        data = mutated_image(seeds[rng.integers(len(seeds))], rng)[: len(case)]
        wanted = None if rng.random() < 0.5 else 32
        size.value = len(data)
        case[: len(data)] = data
        result = outcome(data, wanted)
        if rng.random() < 0.1:
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            assert outcome(data, wanted) == result
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        counts[OUTCOMES.index(result[0])] += 1


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    given = [file for path in options.paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    seeds = [*by_pillow(), *pngs(), *tiffs(), *lossless_jpegs(), *dicoms()]
    for data in seeds:  # a seed that is not read would test little
        if outcome(data, None)[0] != "image":
            print(f"a seed is not read: {outcome(data, None)[1]}")
    seeds += [file.read_bytes() for file in given if file.is_file() and file.stat().st_size <= LARGEST]
    context = multiprocessing.get_context("spawn")
    counts, size = context.RawArray("Q", len(OUTCOMES)), context.RawValue("Q")
    case = context.RawArray("c", 2 * LARGEST)
    failures, seed, deadline = Counter[str](), options.seed, time.monotonic() + 60 * options.minutes
    while time.monotonic() < deadline:
        process = context.Process(target=work, args=(seeds, seed, deadline, counts, size, case))
        process.start()
        if reason := watch(process, counts, PATIENCE):
            name = f"fuzz_failure_{sum(failures.values())}.bin"
            Path(name).write_bytes(case[: size.value])
            print(f"{name}, of seed {seed}: {reason}")
            failures[reason] += 1
        seed += 1
    total = dict(zip(OUTCOMES, counts, strict=True))
    print(f"{sum(counts)} mutated files of {len(seeds)} in {options.minutes} minutes: {total}, {dict(failures)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
