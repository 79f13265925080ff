"""Time reading against OpenCV and against decoding alone, and measure its memory.

    python benchmarks/bench_reading.py [FOLDER] [--count 1000] [--size 256]

- FOLDER's files above one megapixel (default: ../shared/data/fracatlas/images) against cv2.imread + cv2.resize: speed,
  and how far the pixels lie apart. Only FOLDER's part is left out where there is none.
- files → HOG + LBP + edges against files → pixels: for FOLDER's files below one megapixel, and for 5-megapixel JPEGs
  that are drawn here.
- one thread against two.
- peak memory of 5-megapixel files → features, beyond the imports, the stack and the features.

Writes benchmarks/results/reading.json. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from _about import write_results
from PIL import Image

from fracture_features import ImageReader, make_pipeline, make_radiographs
from fracture_features.datasets import take_inventory

MEGAPIXEL = 1_000_000
SIDE = (2500, 2000)


def opencv(path: str, size: int) -> np.ndarray:
    """What a user writes, keeping proportions."""
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    scale = size / max(image.shape)
    height, width = (max(1, round(side * scale)) for side in image.shape)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def best(*functions: Callable[[], Any], turns: int = 5) -> list[float]:
    """Seconds of each function's best turn; they take turns, so that a slow minute slows all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(turns):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def against_opencv(paths: list[str], size: int) -> dict[str, float]:
    """Speed and faithfulness on one thread, file by file."""
    reader = ImageReader(image_size=size)
    ours, theirs, differences = 0.0, 0.0, []
    for path in paths:
        seconds = best(lambda path=path: reader.transform([path]), lambda path=path: opencv(path, size))
        ours, theirs = ours + seconds[0], theirs + seconds[1]
        reference = opencv(path, size)
        top, left = ((size - side) // 2 for side in reference.shape)
        inner = reader.transform([path])[0, top : top + reference.shape[0], left : left + reference.shape[1]]
        differences.append(np.abs(inner.astype(float) - reference).mean())
    return {
        "files": len(paths),
        "ours_ms": 1e3 * ours / len(paths),
        "opencv_ms": 1e3 * theirs / len(paths),
        "times_faster": theirs / ours,
        "largest_mean_difference": float(max(differences)),
    }


def costs(paths: list[str], size: int) -> dict[str, float]:
    """Milliseconds per file to pixels and to features, and what a second thread brings."""
    model = make_pipeline(["hog", "lbp", "edges"], image_size=size)[:2]
    model.fit(paths[:2])
    pixels, features, two = best(
        lambda: model["images"].transform(paths),
        lambda: model.transform(paths),
        lambda: ImageReader(image_size=size, n_jobs=2).transform(paths),
    )
    return {
        "files": len(paths),
        "pixels_ms": 1e3 * pixels / len(paths),
        "features_ms": 1e3 * features / len(paths),
        "features_over_pixels": features / pixels,
        "two_threads_over_one": pixels / two,
    }


def draw_large(folder: Path, count: int) -> list[str]:
    """Grey 5-megapixel JPEGs of twelve synthetic radiographs, each under several names."""
    small = make_radiographs(12, folder=folder / "small", random_state=0)
    sources = []
    for k, path in enumerate(sorted(small.glob("*/*.jpg"))):
        image = cv2.resize(cv2.imread(str(path), 0), SIDE, interpolation=cv2.INTER_CUBIC)
        noisy = image + np.random.default_rng(k).normal(0, 3, image.shape)
        sources.append(folder / f"source{k}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(sources[-1], quality=90)
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        os.link(sources[i % len(sources)], path)
    return [str(path) for path in paths]


def peak_memory(paths: list[str], size: int) -> float:
    """MiB beyond the imports, the stack and the features, in a process of its own.

    The features count twice: scikit-learn's FeatureUnion holds its parts while it joins them.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure_memory, (paths, size))


def _measure_memory(paths: list[str], size: int) -> float:
    model = make_pipeline(["hog", "lbp", "edges"], image_size=size, n_jobs=2)[:2]
    model.fit_transform(paths[:2])
    process, peak, done = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    before = process.memory_info().rss
    watcher.start()
    features = model.transform(paths)
    done.set()
    watcher.join()
    return (peak[0] - before - len(paths) * size * size - 2 * features.nbytes) / 2**20


def main() -> None:
    """Print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/fracatlas/images"))
    parser.add_argument("--count", type=int, default=1000, help="5-megapixel files for the memory (%(default)s)")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results: dict[str, Any] = {}
    if options.folder.is_dir():
        paths = sorted(str(path) for path in options.folder.rglob("*.jpg"))
        readable = take_inventory(paths)["reason"].isna()
        pixels = {path: np.prod(Image.open(path).size) for path in np.array(paths)[readable].tolist()}
        large = [path for path, n in pixels.items() if n > MEGAPIXEL]
        small = [path for path, n in pixels.items() if n <= MEGAPIXEL][::5]
        if large:
            results["above one megapixel, against cv2.imread + cv2.resize"] = against_opencv(large, options.size)
        results["below one megapixel"] = costs(small, options.size)
    else:
        print(f"no folder {options.folder}: only files drawn here are measured")
    with tempfile.TemporaryDirectory() as folder:
        paths = draw_large(Path(folder), 2 * options.count)
        results["5 megapixels"] = costs(paths[:120], options.size)
        for count in (options.count, 2 * options.count):
            results[f"MiB beyond the results, {count} files of 5 megapixels"] = peak_memory(paths[:count], options.size)
    for name, row in results.items():
        print(
            name,
            row if not isinstance(row, dict) else {key: round(value, 3) for key, value in row.items()},
            sep="\n    ",
        )
    write_results("reading", results, image_size=options.size)


if __name__ == "__main__":
    main()
