"""Damage caches for a while, and let child processes use them: values must be right, or computed anew with a warning.

    python benchmarks/fuzz_cache.py [--minutes 10] [--seed 0]

Each round fills a cache, by a process that is sometimes killed, damages its files, some of them or all (bits flipped,
cut short, longer, zeros, exchanged, of another version, pipes, folders, links, missing), and reads it in a child whose
disk is full in some rounds. A child that gives a wrong value, raises, is ended by a signal or hangs stops the fuzzing;
the folder it had is named and left.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fracture_features.cache import cache_size, clear_cache, damaged_files
from fracture_features.exceptions import CacheError, CacheWarning
from fracture_features.features import FisherVectorExtractor, HOGExtractor
from fracture_features.images import ImageReader

SIZE = 48
FORK = multiprocessing.get_context("fork")
LIMIT = 300  # seconds of a child, which takes less than one where the machine is not busy


def compute(folder: Path, cache: Path | None) -> list[np.ndarray]:
    """Pixels, features and a codebook's."""
    paths = sorted(map(str, (folder / "images").iterdir()))
    stack = ImageReader(image_size=SIZE, cache=cache).fit_transform(paths)
    fisher = FisherVectorExtractor(
        n_components=4, n_gaussians=2, n_samples=500, cell_sizes=(4,), random_state=0, cache=cache
    )
    hog = HOGExtractor(pixels_per_cell=8, cache=cache)
    return [stack, hog.fit_transform(stack), fisher.fit_transform(stack)]


def fill(folder: Path, answer: Any) -> None:
    """Compute with the cache."""
    compute(folder, folder / "cache")


def expect(folder: Path, answer: Any) -> None:
    """Compute without it."""
    np.savez(folder / "expected.npz", *compute(folder, None))


def check(folder: Path, answer: Any, is_full: bool) -> None:
    """Compute with the cache, twice, and compare with what is right."""
    expected = np.load(folder / "expected.npz")
    if is_full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            for i, found in enumerate(compute(folder, folder / "cache")):
                np.testing.assert_array_equal(found, expected[f"arr_{i}"])
    assert len(caught) <= 2, [str(warning.message) for warning in caught]
    assert all(issubclass(warning.category, CacheWarning) for warning in caught)
    kinds = ("damaged" if "damaged" in str(warning.message) else "not used" for warning in caught)
    answer.send(" and ".join(sorted(kinds)) or "nothing")


def in_child(target: Any, folder: Path, *arguments: Any, kill_after: float | None = None) -> str:
    """Run a function in a forked child, and give its answer; whatever else ends it stops the fuzzing."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=target, args=(folder, sender, *arguments))
    process.start()
    sender.close()
    process.join(LIMIT if kill_after is None else kill_after)
    if process.exitcode is None:
        process.kill()
        process.join()
    if process.exitcode != 0 and kill_after is None:
        raise SystemExit(f"{folder}: a child ended with {process.exitcode} (below 0: a signal; -9: it hung)")
    try:
        return str(receiver.recv())
    except EOFError:  # it had nothing to say
        return ""


def damage(path: Path, others: list[Path], rng: np.random.Generator) -> str:
    """Do one thing to a file; says which."""
    data = bytearray(path.read_bytes()) or bytearray(b"\0")  # one that was killed may have begun it
    kind = rng.choice(
        ["bits", "header", "cut", "longer", "zeros", "swapped", "version", "pipe", "folder", "link", "none"]
    )
    match kind:
        case "bits" | "header":
            for _ in range(rng.integers(1, 4)):
                at = int(rng.integers(min(len(data), 200) if kind == "header" else len(data)))
                data[at] ^= 1 << int(rng.integers(8))
        case "cut":
            del data[int(rng.integers(len(data))) :]
        case "longer":
            data += rng.bytes(int(rng.integers(1, 5000)))
        case "zeros":
            start = int(rng.integers(len(data)))
            data[start : start + 4096] = bytes(len(data[start : start + 4096]))
        case "swapped":
            other = others[rng.integers(len(others))]
            if other.is_file() and not other.is_symlink():
                data = bytearray(other.read_bytes())
        case "version":
            data[:16] = b"fracture_cache_3"
        case _:
            path.unlink()
            make: dict[str, Any] = {
                "pipe": lambda: os.mkfifo(path),
                "folder": path.mkdir,
                "link": lambda: path.symlink_to(path),
            }
            make.get(kind, lambda: None)()
            return str(kind)
    path.write_bytes(data)
    return str(kind)


def one_round(folder: Path, rng: np.random.Generator) -> list[str]:
    """Fill, damage, read; what was done and seen."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    in_child(fill, folder, kill_after=rng.uniform(0, 0.2) if rng.random() < 0.25 else None)
    files = [path for path in cache.rglob("*") if path.is_file()]
    share = rng.choice([0.05, 0.3, 1.0])
    seen = [f"done: {damage(path, files, rng)}" for path in files if not path.is_symlink() and rng.random() < share]
    if rng.random() < 0.05 and files:
        store = files[0].parent
        shutil.rmtree(store)
        store.write_text("a file")
    for is_full in (rng.random() < 0.3, False):
        said = in_child(check, folder, is_full)
        seen.append(f"{'full disk' if is_full else 'read'}: {said} was said")
    try:
        cache_size(cache)
        damaged_files(cache)
        clear_cache(cache)
    except CacheError as error:
        seen.append(f"CacheError: {str(error).rpartition(': ')[2][:30]}")
    return seen


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts, folder = np.random.default_rng(options.seed), Counter(), Path(tempfile.mkdtemp())
    (folder / "images").mkdir()
    for i in range(40):
        cv2.imwrite(str(folder / "images" / f"{i:02}.png"), rng.integers(0, 256, (60, 50), dtype=np.uint8))
    HOGExtractor().fit_transform(np.zeros((2, SIZE, SIZE), dtype=np.uint8))  # compiled here, found by every child
    in_child(expect, folder)  # OpenMP, once it has run, hangs in forked children
    deadline, rounds = time.monotonic() + 60 * options.minutes, 0
    while time.monotonic() < deadline:
        counts.update(one_round(folder, rng))
        rounds += 1
    shutil.rmtree(folder)
    print(f"{rounds} damaged caches in {options.minutes} minutes, no wrong value, no error, no signal")
    print(*(f"{count:6} {what}" for what, count in sorted(counts.items())), sep="\n")


if __name__ == "__main__":
    main()
