"""Measure what the search for copies finds, what it takes for copies and is none, and what it costs.

    python benchmarks/bench_duplicates.py [FOLDER] [--each 60]

- Recall: pictures changed in known ways, each at several strengths: how far their hashes lie from the picture's, the
  share within each distance, and the share found, by distance and by the agreement of details.
- False pairs: all pairs of different pictures by distance, before and after their details are compared. Drawn
  radiographs are all different, though a patient has several views; of FOLDER (default:
  ../shared/data/fracatlas/images) the pairs that are taken for copies are listed, to be looked at.
- Each on two halves, apart by patient or by blocks of 20 neighbouring files. Both were looked at when the distance and
  the similarity in `fracture_features.audit` were chosen.
- Time and memory of the search among random hashes and among variants of one picture, and of the look at a file
  against decoding it.

Writes benchmarks/results/duplicates.json. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from _about import write_results

from fracture_features import make_radiographs, read_image
from fracture_features.audit import near_pairs, perceptual_hash, similarity
from fracture_features.audit._alignment import SIDE, turn_image
from fracture_features.audit._copies import (
    MAX_CROP_DISTANCE,
    MAX_DISTANCE,
    MAX_MEAN_DISTANCE,
    MIN_SIMILARITY,
    _candidates,
)
from fracture_features.audit._hashes import TURNS, crop_hashes, look, parse_hashes, turned_hashes
from fracture_features.exceptions import ImageReadError
from fracture_features.images import ImageFile

DISTANCES = (7, 15, 23, 31, 39, 47)
Image = np.ndarray


def jpeg(image: Image, quality: int) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)


def scaled(image: Image, factor: float) -> Image:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def brighter(image: Image, factor: float) -> Image:
    return np.clip(image * factor, 0, 255).round().astype(np.uint8)


def gamma(image: Image, power: float) -> Image:
    return (255 * (image / 255) ** power).round().astype(np.uint8)


def cropped(image: Image, share: float, *, sides: bool = True) -> Image:
    """Without a share of height and width on each side, or at the top and left alone."""
    (top, left), end = (round(share * n) for n in image.shape), (1 - share if sides else 1)
    return np.ascontiguousarray(image[top : round(end * image.shape[0]), left : round(end * image.shape[1])])


def rotated(image: Image, degrees: float) -> Image:
    height, width = image.shape
    return cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), (width, height))


def several(image: Image, turn: int) -> Image:
    """Turned, brighter or darker, half as large, JPEG quality 50."""
    return jpeg(scaled(brighter(turn_image(image, turn), 1.2 if turn % 2 else 0.8), 0.5), 50)


CHANGES: dict[str, Callable[[Image], Image]] = {
    **{name: (lambda image, k=k: turn_image(image, k)) for k, name in enumerate(TURNS)},
    **{f"JPEG quality {q}": (lambda image, q=q: jpeg(image, q)) for q in (90, 70, 50, 30)},
    **{f"size x {f}": (lambda image, f=f: scaled(image, f)) for f in (0.75, 0.5, 0.33)},
    "stretched to 224 x 224": lambda image: cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA),
    **{f"brightness x {f}": (lambda image, f=f: brighter(image, f)) for f in (0.6, 0.8, 1.2, 1.4)},
    **{f"gamma {p}": (lambda image, p=p: gamma(image, p)) for p in (0.75, 1.3)},
    **{f"{TURNS[k]}, brightness, half size, JPEG 50": (lambda image, k=k: several(image, k)) for k in (0, 1, 5, 6)},
    **{f"{s:.1%} cropped on each side": (lambda image, s=s: cropped(image, s)) for s in (0.01, 0.025, 0.05)},
    **{f"{s:.1%} cropped at top and left": (lambda image, s=s: cropped(image, s, sides=False)) for s in (0.025, 0.05)},
    **{f"rotated by {d}°": (lambda image, d=d: rotated(image, d)) for d in (0.5, 1, 3)},
}


class Picture:
    """A file with its hash, and its image at the size at which details are compared."""

    def __init__(self, path: Path):
        self.path = path
        self.hash, self.crops = (parse_hashes([digits])[0] for digits in look(ImageFile(path)).values())
        self.small = read_image(path, max_side=2 * SIDE)


def load(paths: list[Path]) -> list[Picture]:
    pictures = []
    for path in paths:
        try:
            pictures.append(Picture(path))
        except ImageReadError:  # some of FracAtlas' files are cut short
            continue
    return pictures


def compare(picture: Picture, change: Callable[[Image], Image]) -> tuple[int, float, bool]:
    """Distance and similarity of a picture and its variant, and whether they are candidates."""
    changed = change(read_image(picture.path))
    hashes = np.stack([picture.hash, perceptual_hash(changed)])
    crops = np.stack([picture.crops, crop_hashes(changed).ravel()])
    distances = np.bitwise_count(turned_hashes(hashes[:1])[0] ^ hashes[1]).sum(axis=1)
    candidates = _candidates(hashes, crops)
    is_candidate = len(candidates.first) > 0
    turn = int(candidates.turn[0]) if is_candidate else int(distances.argmin())
    scale = min(1, 2 * SIDE / max(changed.shape))
    small = scaled(changed, scale) if scale < 1 else changed
    return int(distances.min()), similarity(picture.small, small, turn), is_candidate


def recall(pictures: list[Picture], each: int) -> dict[str, Any]:
    sample = pictures[:: max(1, len(pictures) // each)]
    rows = {}
    for name, change in CHANGES.items():
        distances, scores, candidates = np.array([compare(picture, change) for picture in sample]).T
        alike = scores >= MIN_SIMILARITY
        rows[name] = {
            "recall": round(float((alike & (candidates > 0)).mean()), 3),
            "candidates": round(float(candidates.mean()), 3),
            "within": {d: round(float((distances <= d).mean()), 3) for d in DISTANCES},
            "found within": {d: round(float((alike & (distances <= d)).mean()), 3) for d in DISTANCES},
            "98 % are within a distance of": int(np.quantile(distances, 0.98, method="higher")),
            "98 % have a similarity of": round(float(np.quantile(scores, 0.02)), 3),
        }
        print(f"  {name}: {rows[name]['recall']} {rows[name]['within']}", flush=True)
    return {"pictures": len(sample), "changes": rows}


def false_pairs(pictures: list[Picture], of: Callable[[Path], str]) -> dict[str, Any]:
    """Pairs of different pictures by distance and similarity; those of one patient apart."""
    near = near_pairs(np.array([picture.hash for picture in pictures]), max(DISTANCES))
    scores = np.array(
        [similarity(pictures[i].small, pictures[j].small, int(t)) for i, j, t, _ in zip(*near, strict=True)]
    )
    names = [[pictures[k].path.name for k in pair] for pair in zip(near.first, near.second, strict=True)]
    own = np.array([of(pictures[i].path) == of(pictures[j].path) for i, j, *_ in zip(*near, strict=True)], bool)
    crops = np.stack([picture.crops for picture in pictures])
    candidates = _candidates(np.stack([picture.hash for picture in pictures]), crops)
    wanted = set(zip(candidates.first.tolist(), candidates.second.tolist(), strict=True))
    taken = (scores >= MIN_SIMILARITY) & [pair in wanted for pair in zip(near.first, near.second, strict=True)]
    apart = ~taken & (near.distance > 0)
    return {
        "pictures": len(pictures),
        "within": {d: int((near.distance <= d).sum()) for d in DISTANCES},
        "within, of one patient": {d: int((own & (near.distance <= d)).sum()) for d in DISTANCES},
        "candidates": len(candidates.first),
        "taken for copies": [names[k] for k in np.flatnonzero(taken)],
        "highest similarities of others": np.sort(scores[apart & ~own])[::-1][:5].round(3).tolist(),
        "highest similarities of others, of one patient": np.sort(scores[apart & own])[::-1][:5].round(3).tolist(),
    }


def measure(paths: list[Path], of: Callable[[Path], str], half: Callable[[Path], int], each: int) -> dict[str, Any]:
    results = {}
    for k, name in enumerate(("one half", "the other half")):
        pictures = load([path for path in paths if half(path) == k])
        results[name] = {"recall": recall(pictures, each), "different pictures": false_pairs(pictures, of)}
        print(name, results[name]["different pictures"], flush=True)
    return results


def number(path: Path) -> int:
    return int("".join(c for c in path.stem.split("_")[0] if c.isdigit()))


def search(n: int, alike: bool) -> dict[str, Any]:
    """Seconds and MiB, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_search, (n, alike))


def _search(n: int, alike: bool) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    near_pairs(rng.integers(0, 2**64, (100, 4), dtype=np.uint64), MAX_DISTANCE)  # compiles
    hashes = rng.integers(0, 2**64, (n, 4), dtype=np.uint64)
    if alike:  # variants of one picture, 5 bits from it on average
        bits = np.packbits(rng.random((n, 256)) < 0.02, axis=1, bitorder="little")
        hashes = hashes[0] ^ bits.view(np.uint64)
    process = psutil.Process()
    start = time.perf_counter(), time.process_time()
    pairs = near_pairs(hashes, MAX_DISTANCE)
    taken = time.perf_counter() - start[0], time.process_time() - start[1]
    return {
        "hashes": n,
        "pairs": len(pairs.first),
        "seconds": round(taken[0], 2),
        "CPU seconds": round(taken[1], 2),
        "peak MiB of the process": round(_peak(process) / 2**20),
    }


def _peak(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:  # not Linux
        return process.memory_info().rss


def cost(paths: list[Path]) -> dict[str, float]:
    """Milliseconds to decode a file as far as a look needs, and to look at it once it is decoded; best of five."""
    files, times = [], []
    for path in paths:
        try:
            files.append(ImageFile(path))
            files[-1].reduced  # noqa: B018 (decodes)
        except ImageReadError:
            files.pop()
    for _ in range(5):
        start = time.process_time()
        for file in files:
            look(file)
        looked = time.process_time() - start
        start = time.process_time()
        for file in files:
            fresh = ImageFile(file.path)
            fresh.reduced  # noqa: B018
        times.append((looked, time.process_time() - start))
    looked, decoded = (1e3 * min(row) / len(files) for row in zip(*times, strict=True))
    return {"files": len(files), "decode ms": round(decoded, 3), "look ms": round(looked, 3)}


def main() -> None:
    """Print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/fracatlas/images"))
    parser.add_argument("--each", type=int, default=60, help="pictures of each half that are changed (%(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results: dict[str, Any] = {}
    results["search"] = {
        "random hashes": [search(n, False) for n in (10_000, 30_000, 100_000)],
        "variants of one picture": [search(n, True) for n in (1000, 2000, 4000)],
    }
    print(results["search"], flush=True)
    with tempfile.TemporaryDirectory() as parent:
        paths = sorted(make_radiographs(1000, folder=Path(parent) / "drawn", random_state=0).glob("*/*.jpg"))
        results["cost of looking, drawn radiographs"] = cost(paths[:200])
        patient = lambda path: path.stem.split("_")[0]  # noqa: E731
        results["drawn radiographs"] = measure(paths, patient, lambda path: number(path) % 2, options.each)
    if options.folder.is_dir():
        paths = sorted(options.folder.rglob("*.jpg"))
        results["cost of looking, FOLDER"] = cost(paths[:200])
        results["FOLDER"] = measure(paths, str, lambda path: number(path) // 20 % 2, options.each)
    else:
        print(f"no folder {options.folder}: only drawn radiographs are measured")
    write_results(
        "duplicates",
        results,
        max_distance=MAX_DISTANCE,
        max_mean_distance=MAX_MEAN_DISTANCE,
        max_crop_distance=MAX_CROP_DISTANCE,
        min_similarity=MIN_SIMILARITY,
        folder=options.folder.parent.name,
    )


if __name__ == "__main__":
    main()
