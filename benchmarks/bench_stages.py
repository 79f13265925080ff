"""CPU time of each stage from files to features, on one thread.

    python benchmarks/bench_stages.py [FOLDER] [--count 60] [--size 256]

For FOLDER's files below one megapixel (default: ../shared/data/fracatlas/images), evenly spread over it: reading, HOG,
LBP, edges, and the parts of Fisher vectors, in milliseconds per image. Of several turns the best counts, and the time
is the thread's own: what else the machine does costs little more than cold caches. Prints a table; takes half a minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from PIL import Image
from threadpoolctl import threadpool_limits

from fracture_features import ImageReader
from fracture_features.datasets import take_inventory
from fracture_features.features import EdgeExtractor, FisherVectorExtractor, HOGExtractor, LBPExtractor
from fracture_features.features._fisher import encode

MEGAPIXEL = 1_000_000
TURNS = 9


def cpu_ms(function: Callable[[Any], Any], items: list[Any]) -> float:
    """Milliseconds of this thread for each item, in the best turn."""
    turns = []
    for _ in range(TURNS):
        start = time.thread_time()
        for item in items:
            function(item)
        turns.append(time.thread_time() - start)
    return 1e3 * min(turns) / len(items)


def choose_files(folder: Path, count: int) -> list[str]:
    """Readable files below one megapixel."""
    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    if not paths:
        raise SystemExit(f"no .jpg below {folder}")
    chosen = paths[:: max(1, len(paths) // count)]
    readable = take_inventory(chosen)["reason"].isna()
    return [p for p, good in zip(chosen, readable, strict=True) if good and size_of(p) <= MEGAPIXEL]


def size_of(path: str) -> int:
    width, height = Image.open(path).size
    return width * height


def measure(paths: list[str], size: int) -> dict[str, float]:
    """CPU milliseconds per image of each stage."""
    reader = ImageReader(image_size=size)
    images = reader.transform(paths)
    rows = {"files to pixels": cpu_ms(lambda path: reader.transform([path]), paths)}
    for extractor in (HOGExtractor(), LBPExtractor(), EdgeExtractor()):
        extractor.fit(images)
        rows[type(extractor).__name__] = cpu_ms(
            lambda i, e=extractor: e._extract(images[i : i + 1]), range(len(images))
        )
    fisher = FisherVectorExtractor(random_state=0, n_samples=20_000).fit(images)
    patches = [fisher._describe(image) for image in images]
    projected = [fisher._project(part) for part in patches]
    rows["FisherVectorExtractor"] = cpu_ms(lambda i: fisher._extract(images[i : i + 1]), range(len(images)))
    rows["  its descriptors"] = cpu_ms(fisher._describe, images)
    rows["  its components"] = cpu_ms(fisher._project, patches)
    rows["  its encoding"] = cpu_ms(lambda row: encode(row, fisher.mixture_, fisher._n_odd), projected)
    return rows


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/fracatlas/images"))
    parser.add_argument("--count", type=int, default=60, help="number of files (%(default)s)")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    paths = choose_files(options.folder, options.count)
    with threadpool_limits(1):
        rows = measure(paths, options.size)
    print(f"{len(paths)} files, {options.size} x {options.size} px, CPU ms per image")
    print(pd.Series(rows).to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
