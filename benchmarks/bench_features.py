"""Time the extractors against scikit-image and OpenCV, on one thread and in one process.

    python benchmarks/bench_features.py [--images FOLDER] [--size 224] [--count 32]

Ours transforms a stack, scikit-image a user's loop over it; the two take turns and the best turn of each counts.
Prints a table and writes it, with the versions, the machine and the commit, to benchmarks/results/features.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _about import write_results
from skimage.feature import canny, hog, local_binary_pattern
from skimage.filters import gabor_kernel, gaussian, sobel_h, sobel_v

from fracture_features.features import EdgeExtractor, FisherVectorExtractor, GaborExtractor, HOGExtractor, LBPExtractor

GRID = 4


def reference_hog(image: np.ndarray, cell: int, block: int) -> np.ndarray:
    return hog(image, orientations=9, pixels_per_cell=(cell, cell), cells_per_block=(block, block))


def reference_lbp(image: np.ndarray, n_points: int, radius: float) -> np.ndarray:
    codes = local_binary_pattern(image, n_points, radius, "uniform").astype(int)
    return np.concatenate([np.bincount(c.ravel(), minlength=n_points + 2) / c.size for c in cells(codes)])


def reference_edges(image: np.ndarray) -> np.ndarray:
    edges = canny(image, sigma=1, low_threshold=8 * 2, high_threshold=8 * 6)
    smooth = gaussian(image.astype(float), 1, preserve_range=True)
    angles = np.rad2deg(np.arctan2(sobel_h(smooth), sobel_v(smooth))) % 180
    bins = np.floor(angles / 22.5 + 0.5).astype(int) % 8
    out = []
    for edge, bin_ in zip(cells(edges), cells(bins), strict=True):
        out += [[edge.mean()], np.bincount(bin_[edge], minlength=8) / max(edge.sum(), 1)]
    return np.concatenate(out)


@cache
def gabor_bank(frequency: float, orientations: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Real and imaginary kernels: one octave, cut at three standard deviations, of sum 0."""
    sigma = 3 * np.sqrt(np.log(2) / 2) / np.pi / frequency
    radius, bank = int(np.ceil(3 * sigma)), []
    for k in range(orientations):
        kernel = gabor_kernel(frequency, np.pi * k / orientations, sigma_x=sigma, sigma_y=sigma, n_stds=6)
        row, column = (side // 2 for side in kernel.shape)
        kernel = kernel[row - radius : row + radius + 1, column - radius : column + radius + 1]
        kernel = kernel - abs(kernel) * kernel.sum() / abs(kernel).sum()
        bank.append((kernel.real.astype(np.float32), kernel.imag.astype(np.float32)))
    return bank


def reference_gabor(image: np.ndarray) -> np.ndarray:
    """A bank of cv2.filter2D, pooled."""
    pixels = image.astype(np.float32)
    out = []
    for frequency in GaborExtractor().frequencies:
        for bank in gabor_bank(frequency, GaborExtractor().orientations):
            energy = cv2.magnitude(*(cv2.filter2D(pixels, -1, part, borderType=cv2.BORDER_REFLECT) for part in bank))
            out.append([[cell.mean(), cell.max(), cell.std()] for cell in cells(energy)])
    return np.array(out).transpose(1, 0, 2).ravel()


def cells(array: np.ndarray) -> list[np.ndarray]:
    return [cell for row in np.array_split(array, GRID) for cell in np.array_split(row, GRID, axis=1)]


CASES: dict[str, tuple[Any, Callable[[np.ndarray], np.ndarray]]] = {
    "HOG, cells 8, blocks 2": (HOGExtractor(pixels_per_cell=8), lambda x: reference_hog(x, 8, 2)),
    "HOG, cells 8, blocks 3": (
        HOGExtractor(pixels_per_cell=8, cells_per_block=3),
        lambda x: reference_hog(x, 8, 3),
    ),
    "HOG, default": (HOGExtractor(), lambda x: reference_hog(x, 16, 2)),
    "LBP (8, 1)": (LBPExtractor(grid=GRID), lambda x: reference_lbp(x, 8, 1)),
    "LBP (24, 3)": (LBPExtractor(n_points=24, radius=3, grid=GRID), lambda x: reference_lbp(x, 24, 3)),
    "edges": (EdgeExtractor(grid=GRID), reference_edges),
    "Gabor (cv2.filter2D)": (GaborExtractor(grid=GRID), reference_gabor),
}


def synthetic_images(count: int, size: int) -> np.ndarray:
    """Smooth shapes like limbs and bones, with a little grain."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        image = np.full((size, size), 10, dtype=np.float32)
        for grey, width in ((60, 0.4), (70, 0.12), (70, 0.12), (60, 0.08)):
            ends = rng.uniform(0, size, (2, 2)).astype(int).tolist()
            layer = cv2.line(np.zeros_like(image), *ends, 1.0, thickness=max(1, int(width * size)))
            image += grey * cv2.GaussianBlur(layer, (0, 0), size / 150)
        grain = cv2.GaussianBlur(rng.normal(0, 4, image.shape).astype(np.float32), (0, 0), 0.8)
        images.append(np.clip(image + grain, 0, 255).astype(np.uint8))
    return np.stack(images)


def folder_images(folder: Path, count: int, size: int) -> np.ndarray:
    """`count` images evenly spread over a folder, stretched to squares."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"no .jpg or .png below {folder}")
    chosen = paths[:: max(1, len(paths) // count)][:count]
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in chosen]
    return np.stack([cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in read if x is not None])


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(extractor: Any, reference: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> dict[str, float]:
    """Milliseconds per image, best of turns taken in alternation, and how far the results lie apart."""
    extractor.fit(images)
    few = images[:4]
    first_call = seconds(lambda: extractor.transform(images[:1]))
    ours, theirs, threads = [], [], []
    for _ in range(7):
        ours.append(seconds(lambda: extractor.set_params(n_jobs=1).transform(images)) / len(images))
        threads.append(seconds(lambda: extractor.set_params(n_jobs=2).transform(images)) / len(images))
        theirs.append(seconds(lambda: [reference(image) for image in few]) / len(few))
    difference = np.abs(extractor.transform(few) - np.stack([reference(image) for image in few]))
    return {
        "ours_ms": 1e3 * min(ours),
        "reference_ms": 1e3 * min(theirs),
        "ratio": min(theirs) / min(ours),
        "two_threads_ratio": min(ours) / min(threads),
        "first_call_ms": 1e3 * first_call,
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder of .jpg and .png, instead of synthetic images")
    parser.add_argument("--size", type=int, default=224, help="height and width in pixels")
    parser.add_argument("--count", type=int, default=128, help="number of images")
    options = parser.parse_args(arguments)
    if options.images is None:
        images, source = synthetic_images(options.count, options.size), "synthetic"
    else:
        images, source = folder_images(options.images, options.count, options.size), options.images.name
    cv2.setNumThreads(1)
    described = f"{source}, {len(images)} of {options.size} x {options.size} px"
    headings = f"{'ours ms':>9}{'reference':>11}{'ratio':>7}{'2 threads':>11}{'first ms':>10}{'largest diff.':>15}"
    print(f"{described}\n{'':24}{headings}")
    rows = {}
    for name, (extractor, reference) in CASES.items():
        row = rows[name] = measure(extractor, reference, images)
        print(
            f"{name:24}{row['ours_ms']:9.3f}{row['reference_ms']:11.2f}{row['ratio']:7.1f}"
            f"{row['two_threads_ratio']:10.2f}x{row['first_call_ms']:10.1f}{row['largest_difference']:15.1e}"
        )
    fisher = FisherVectorExtractor(random_state=0, n_jobs=1).fit(images[:32])
    rows["Fisher vectors"] = {
        "ours_ms": 1e3 * min(seconds(lambda: fisher.transform(images)) for _ in range(3)) / len(images)
    }
    print(f"{'Fisher vectors':24}{rows['Fisher vectors']['ours_ms']:9.3f}")
    rounded = {name: {key: float(f"{x:.4g}") for key, x in row.items()} for name, row in rows.items()}
    write_results("features", rounded, images=described)


if __name__ == "__main__":
    main(sys.argv[1:])
