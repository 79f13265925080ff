"""Time the extractors against scikit-image and OpenCV, on one thread and in one process.

    python benchmarks/bench_features.py [--images FOLDER] [--size 224] [--count 512]

Ours transforms a stack, scikit-image a user's loop over it; the two take turns and the best turn of each counts. Fisher
vectors have no rival to wait for. `limit` is what the longest of three things would take that no program is spared, at
rates measured in the same process: reading each pixel and writing each feature once, at the speed of memory; the
arithmetic, at the speed of a matrix product; adding each pixel to its bin, one after the other. `share` is how much of
our time that is.

Prints a table and writes it, with the versions, the machine and the commit, to benchmarks/results/features.json, or
features_FOLDER.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from _about import write_results
from numba import njit
from skimage.feature import canny, hog, local_binary_pattern
from skimage.filters import gabor_kernel, gaussian, sobel_h, sobel_v
from threadpoolctl import threadpool_limits

from fracture_features import ImageReader
from fracture_features.datasets import take_inventory
from fracture_features.features import EdgeExtractor, FisherVectorExtractor, GaborExtractor, HOGExtractor, LBPExtractor
from fracture_features.features._descriptors import _axis

GRID = 4
TURNS = 11  # of which the best counts: the machine has better and worse moments


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


class Work(NamedTuple):
    """Of an image: arithmetic operations, counted in the kernels (one of float64 counts twice), and additions to bins.

    The operations of sums over windows are those of the fewest that give them from the windows' rows and columns.
    """

    operations: float
    additions: float = 0


def hog_work(extractor: HOGExtractor, image: np.ndarray) -> Work:
    """Two differences, the table's index, the magnitude; five for each number of a block."""
    return Work(10 * image.size + 5 * len(extractor.get_feature_names_out()), image.size)


def lbp_work(extractor: LBPExtractor, image: np.ndarray) -> Work:
    """Points on the axes are compared, the others interpolated first, in float64; then ones and changes are counted."""
    points = extractor.n_points
    return Work(image.size * (2 * 4 + 2 * 12 * (points - 4) + 3 * points), image.size)


def edges_work(extractor: EdgeExtractor, image: np.ndarray) -> Work:
    """Blur of 5 x 5, Sobel's two, magnitude, neighbours along the gradient, two thresholds."""
    return Work(image.size * (20 + 10 + 3 + 6 + 2))


def gabor_work(extractor: GaborExtractor, image: np.ndarray) -> Work:
    """An even and an odd factor by rows, then by columns, for each pair of orientations that mirror each other."""
    taps = sum(np.ceil(3 * 0.56 / frequency) + 1 for frequency in extractor.frequencies)
    return Work(image.size * (42 * taps + 8 * extractor.orientations * len(extractor.frequencies)))


def fisher_work(extractor: FisherVectorExtractor, image: np.ndarray) -> Work:
    """Sums of cells; 128 numbers of each patch; its components, and its part in two products with the mixture."""
    patches = len(extractor._describe(image).descriptors)
    lines = [(len(_axis(len(image), cell, extractor.step).cells), cell) for cell in extractor.cell_sizes]
    sums = sum(n * 8 * image.shape[1] * 3 * 2 * cell for n, cell in lines)
    n, d = extractor.n_gaussians, extractor.n_components
    return Work(15 * image.size + sums + patches * (8 * 128 + 128 * d + 2 * 2 * n * 2 * (d + 2) + 2 * 25 * n))


CASES: dict[str, tuple[Any, Callable[[np.ndarray], np.ndarray] | None, Callable[[Any, np.ndarray], Work]]] = {
    "HOG, cells 8, blocks 2": (HOGExtractor(pixels_per_cell=8), lambda x: reference_hog(x, 8, 2), hog_work),
    "HOG, cells 8, blocks 3": (
        HOGExtractor(pixels_per_cell=8, cells_per_block=3),
        lambda x: reference_hog(x, 8, 3),
        hog_work,
    ),
    "HOG, default": (HOGExtractor(), lambda x: reference_hog(x, 16, 2), hog_work),
    "LBP (8, 1)": (LBPExtractor(grid=GRID), lambda x: reference_lbp(x, 8, 1), lbp_work),
    "LBP (24, 3)": (LBPExtractor(n_points=24, radius=3, grid=GRID), lambda x: reference_lbp(x, 24, 3), lbp_work),
    "edges": (EdgeExtractor(grid=GRID), reference_edges, edges_work),
    "Gabor (cv2.filter2D)": (GaborExtractor(grid=GRID), reference_gabor, gabor_work),
    "Fisher vectors": (FisherVectorExtractor(random_state=0), None, fisher_work),
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
    """`count` readable images evenly spread over a folder, padded to squares as in every pipeline."""
    paths = sorted(str(p) for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"no .jpg or .png below {folder}")
    chosen = paths[:: max(1, len(paths) // count)]
    readable = take_inventory(chosen)["reason"].isna()
    return ImageReader(image_size=size).fit_transform(np.array(chosen)[readable][:count])


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@njit
def add_to_bins(bins: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(bins)):
        out[bins[i]] += values[i]


def measure_rates() -> dict[str, float]:
    """Bytes, operations and additions to bins in a second, on one thread."""
    many, square = np.ones(2**25, dtype=np.float32), np.ones((768, 768), dtype=np.float32)
    bins, few = np.arange(2**16) % 144, np.ones(2**16, dtype=np.float32)
    done = {
        "bytes": (many.nbytes, many.max),
        "operations": (2 * 768**3, lambda: square @ square),
        "additions": (len(bins), lambda: add_to_bins(bins, few, np.zeros(144, dtype=np.float32))),
    }
    return {what: number / min(seconds(work) for _ in range(9)) for what, (number, work) in done.items()}


def limit(work: Work, n_bytes: float, rates: dict[str, float]) -> float:
    """Seconds that an image takes at least."""
    return max(n_bytes / rates["bytes"], work.operations / rates["operations"], work.additions / rates["additions"])


def measure(
    extractor: Any, reference: Callable[[np.ndarray], np.ndarray] | None, images: np.ndarray
) -> dict[str, float]:
    """Milliseconds per image, best of turns taken in alternation, and how far the results lie apart."""
    extractor.fit(images[:32])
    few = images[:4]
    first_call = seconds(lambda: extractor.transform(images[:1]))
    ours, theirs, threads = [], [], []
    for _ in range(TURNS):
        ours.append(seconds(lambda: extractor.set_params(n_jobs=1).transform(images)) / len(images))
        threads.append(seconds(lambda: extractor.set_params(n_jobs=2).transform(images)) / len(images))
        if reference is not None:
            theirs.append(seconds(lambda: [reference(image) for image in few]) / len(few))
    row = {
        "ours_ms": 1e3 * min(ours),
        "two_threads_ratio": min(ours) / min(threads),
        "first_call_ms": 1e3 * first_call,
    }
    if reference is None:
        return row
    difference = np.abs(extractor.transform(few) - np.stack([reference(image) for image in few]))
    return row | {
        "reference_ms": 1e3 * min(theirs),
        "ratio": min(theirs) / min(ours),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder of .jpg and .png, instead of synthetic images")
    parser.add_argument("--size", type=int, default=224, help="height and width in pixels")
    parser.add_argument("--count", type=int, default=512, help="number of images")
    options = parser.parse_args(arguments)
    if options.images is None:
        images, source, name = synthetic_images(options.count, options.size), "synthetic", "features"
    else:
        images, source = folder_images(options.images, options.count, options.size), options.images.name
        name = f"features_{source}"
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        rows = {case: measure_case(case, images) for case in CASES}
    described = f"{source}, {len(images)} of {options.size} x {options.size} px"
    print(f"{described}\n{pd.DataFrame(rows).T.to_string(float_format=lambda x: f'{x:.4g}', na_rep='')}")
    write_results(name, rows, images=described)


def measure_case(case: str, images: np.ndarray) -> dict[str, float]:
    extractor, reference, count = CASES[case]
    row = measure(extractor, reference, images)
    n_bytes = images[0].size + 4 * len(extractor.get_feature_names_out())
    rates = measure_rates()  # beside what they are compared with: the machine has better and worse minutes
    row["limit_ms"] = 1e3 * np.mean([limit(count(extractor, image), n_bytes, rates) for image in images[:16]])
    row["share"] = row["limit_ms"] / row["ours_ms"]
    return {key: float(f"{x:.4g}") for key, x in row.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
