"""Feed mutated files to the decoder for a while: every one must give a grey uint8 image or a DecodeError.

    python benchmarks/fuzz_reading.py [--minutes 10] [--seed 0] [FILE_OR_FOLDER ...]

Starts from one file of each format drawn here, and from the files given. Prints what came out, and the mutated bytes of
the first case that broke the promise, if one did, to fuzz_failure.bin.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from fracture_features.images._decode import decode
from fracture_features.images._errors import DecodeError

LARGEST = 300_000  # bytes of a file to start from


def drawn() -> list[bytes]:
    """A small file of each format and mode."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8))
    deep = Image.fromarray((np.arange(40 * 56).reshape(40, 56) * 29).astype(np.uint16))
    cases = [
        (image, "JPEG", {}),
        (image, "JPEG", {"progressive": True}),
        (image.convert("RGB"), "JPEG", {}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "PNG", {}),
        (image.convert("P"), "PNG", {}),
        (image.convert("RGBA"), "PNG", {}),
        (deep, "PNG", {}),
        (image, "TIFF", {}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (image, "BMP", {}),
        (image, "GIF", {}),
    ]
    files = []
    for picture, kind, options in cases:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, or a piece cut, doubled, zeroed or moved."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if not out:
            break
        # Headers are short and decide most.
        span = min(len(out), int(rng.choice([64, 1024, len(out)])))
        start = int(rng.integers(span))
        end = min(len(out), start + int(rng.integers(1, 64)))
        match rng.integers(6):
            case 0 | 1:
                out[start] = rng.integers(256)
            case 2:
                del out[start : None if rng.random() < 0.3 else end]
            case 3:
                out[start:start] = out[start:end]
            case 4:
                out[start:end] = bytes(end - start)
            case 5:
                out[start] = rng.choice([0, 1, 127, 128, 255])
    return bytes(out)


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    given = [file for path in options.paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    seeds = drawn() + [file.read_bytes() for file in given if file.is_file() and file.stat().st_size <= LARGEST]
    rng, counts, deadline = np.random.default_rng(options.seed), Counter(), time.monotonic() + 60 * options.minutes
    while time.monotonic() < deadline:
        data = mutated(seeds[rng.integers(len(seeds))], rng)
        wanted = None if rng.random() < 0.5 else 32
        Path("fuzz_failure.bin").write_bytes(data)  # left behind by whatever ends this process
        try:
            image = decode(data, wanted)
        except DecodeError:
            counts["DecodeError"] += 1
            continue
        assert image.ndim == 2
        assert image.dtype == np.uint8
        counts["image"] += 1
    Path("fuzz_failure.bin").unlink()
    print(f"{sum(counts.values())} mutated files of {len(seeds)} in {options.minutes} minutes: {dict(counts)}")


if __name__ == "__main__":
    main()
