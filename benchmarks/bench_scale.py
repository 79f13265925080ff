"""Measure how time and memory grow with the number of radiographs, and draw it.

    python benchmarks/bench_scale.py [--sizes 1000 2000 5000 10000] [--folder DIR]

Draws radiographs of 512 x 512 pixels as JPEG, each of its own: neither the cache nor the search for copies is helped.
Every step runs in a process of its own, whose largest memory counts, and its seconds: those of the clock and those of
the processor, all threads together. Exponents and picture are of the latter, which another load on the machine hardly
moves:

inventory   what the audit asks of every file, read once (HOG, LBP and edges want no more)
extract     HOG, LBP and edges into a store, with what the inventory asks
pairs       the search for copies
sgd         one pass of `SGDClassifier.partial_fit` over the store, standardised by the first batch
xgboost     `XGBClassifier.fit_batches` over the store, 10 trees, 64 bins
nystroem    on HOG's rows in memory
svm         on HOG's rows in memory, up to SVM_ROWS images
predict     of all rows by the model of `sgd`

Prints the table, with the exponent of each step (the slope of its time over the number of images, both logarithmic) and
writes benchmarks/results/scale.json and scale.png. DIR (a temporary folder) takes 130 KB for each image, and 60 more
for its file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import simplejpeg
from _about import RESULTS, write_results
from joblib import Parallel, delayed
from sklearn.linear_model import SGDClassifier

from fracture_features._svm import SVC, NystroemClassifier
from fracture_features._xgboost import XGBClassifier
from fracture_features.audit import DESCRIPTIONS, find_copies
from fracture_features.datasets import find_images, take_inventory
from fracture_features.store import FeatureStore, extract_features

SIDE = 512
FEATURES = ("hog", "lbp", "edges")
SVM_ROWS = 10_000
BATCH = 2048
FEW = 40


def draw(folder: Path, n: int) -> None:
    """Draw `n` radiographs, on all cores, or those that are missing."""
    for name in ("fractured", "non-fractured"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    blocks = np.array_split(np.arange(n), max(1, n // 250))
    Parallel(n_jobs=-1)(delayed(draw_block)(folder, block.tolist()) for block in blocks)


def draw_block(folder: Path, numbers: list[int]) -> None:
    cv2.setNumThreads(1)
    for number in numbers:
        path = folder / ("fractured" if number % 2 else "non-fractured") / f"patient{number // 4:06d}_{number % 4}.jpg"
        if not path.exists():
            path.write_bytes(simplejpeg.encode_jpeg(radiograph(number)[..., None], 90, colorspace="GRAY"))


def radiograph(number: int) -> np.ndarray:
    """A limb with two bones, at any place and of any brightness; of an odd number one of them is broken."""
    rng = np.random.default_rng(number)
    half = SIDE // 2
    image = np.zeros((half, half), dtype=np.float32)
    middle, angle = rng.uniform(0.35, 0.65, 2) * half, rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    width = rng.uniform(0.12, 0.25) * half
    line(image, middle - along * half, middle + along * half, rng.uniform(60, 100), 2 * width)
    for k, side in enumerate((-0.45, 0.45)):
        start, end = (middle + across * side * width + along * half * length for length in (-1, 1))
        bone = rng.uniform(60, 110)
        if number % 2 and k == 0:
            gap = middle + across * side * width + along * rng.uniform(-0.3, 0.3) * half
            shift = across * rng.uniform(0.1, 0.4) * width
            line(image, start, gap - along * 2, bone, 0.45 * width)
            line(image, gap + shift + along * 2, end + shift, bone, 0.45 * width)
        else:
            line(image, start, end, bone, 0.45 * width)
    image = cv2.resize(cv2.GaussianBlur(image, (0, 0), 1.2), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    # Without a shade of its own one picture of two bars is like another to a perceptual hash.
    image += cv2.resize(rng.normal(15, 20, (7, 7)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(-8, 9, (half, half), dtype=np.int8).astype(np.float32)
    return (image + cv2.resize(grain, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)


def line(image: np.ndarray, start: np.ndarray, end: np.ndarray, level: float, width: float) -> None:
    layer = cv2.line(
        np.zeros_like(image), start.astype(int).tolist(), end.astype(int).tolist(), 1.0, max(1, int(width))
    )
    image += np.float32(level) * layer


class Work:
    """The steps on one number of images; what one leaves the next finds in the folder."""

    def __init__(self, images: Path, folder: Path, n: int):
        self.images, self.folder, self.n = images, folder, n
        self.store_folder = folder / "store"

    def paths(self) -> list[str]:
        """All images."""
        return [str(self.images / name) for name in find_images(self.images).images]

    def store(self) -> tuple[FeatureStore, np.ndarray, np.ndarray]:
        """The store, its files in random order, and their classes."""
        store = FeatureStore(self.store_folder)
        paths = np.random.default_rng(0).permutation([str(store.root / path) for path in store.index["path"]])
        return store, paths, np.array(["non-fractured" not in path for path in paths]).astype(int)

    def inventory(self) -> None:
        """What the audit asks of every file."""
        files = take_inventory(self.paths(), [], descriptions=DESCRIPTIONS)
        files.to_pickle(self.folder / "files.pickle")

    def extract(self) -> None:
        """HOG, LBP and edges into a store."""
        extract_features(self.images, FEATURES, self.store_folder, n_jobs=-1)

    def pairs(self) -> None:
        """The search for copies."""
        pairs = find_copies(self.paths(), pd.read_pickle(self.folder / "files.pickle"))
        print(f"{len(pairs)} pairs among {self.n}")

    def sgd(self) -> None:
        """One pass of stochastic gradient descent over the store."""
        store, paths, y = self.store()
        model, scale = SGDClassifier(alpha=0.01, random_state=0), None
        for X, labels in store.batches(paths, y, size=BATCH):
            scale = scale or (X.mean(axis=0), X.std(axis=0) + 1e-6)
            model.partial_fit((X - scale[0]) / scale[1], labels, classes=[0, 1])
        pd.to_pickle((model, scale), self.folder / "model.pickle")

    def predict(self) -> None:
        """All rows by the model of `sgd`."""
        store, paths, y = self.store()
        model, scale = pd.read_pickle(self.folder / "model.pickle")
        found = [model.predict((X - scale[0]) / scale[1]) for X, _ in store.batches(paths, size=BATCH)]
        print(f"sgd is right on {np.mean(np.concatenate(found) == y):.3f} of {self.n} training images")

    def xgboost(self) -> None:
        """Trees of the store's rows."""
        store, paths, y = self.store()
        model = XGBClassifier(n_estimators=10, max_depth=4, max_bin=64, n_jobs=-1, random_state=0)
        model.fit_batches(lambda rows: store.rows(paths[rows]), y, batch_size=BATCH, folder=self.folder)

    def hog(self) -> tuple[np.ndarray, np.ndarray]:
        """HOG's rows, standardised, and classes."""
        store, paths, y = self.store()
        columns = slice(0, sum(name.startswith("hog__") for name in store.feature_names))
        X = np.concatenate([batch[:, columns] for batch, _ in store.batches(paths, size=BATCH)])
        X -= X.mean(axis=0)
        X /= X.std(axis=0) + 1e-6
        return X, y

    def nystroem(self) -> None:
        """The approximated RBF SVM on HOG's rows."""
        NystroemClassifier(class_weight="balanced", random_state=0).fit(*self.hog())

    def svm(self) -> None:
        """The RBF SVM on HOG's rows."""
        SVC(class_weight="balanced").fit(*self.hog())


STEPS = ("inventory", "extract", "pairs", "sgd", "predict", "nystroem", "svm", "xgboost")
STREAMING = ("inventory", "extract", "pairs", "sgd", "predict", "xgboost")


def measured(work: Callable[[], None], pipe: Any) -> None:
    """Do the work and send its seconds and the process' largest memory."""
    start, begun = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - begun
    pipe.send((seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10))


def run(step: str, work: Work) -> dict[str, Any]:
    """Seconds and MiB of a step in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=measured, args=(getattr(work, step), theirs))
    process.start()
    theirs.close()
    try:
        seconds, cpu, memory = mine.recv()
    except EOFError:
        raise SystemExit(f"{step} of {work.n} images ended with {process.exitcode}") from None
    finally:
        process.join()
    print(f"{work.n:>7,} {step:<10} {seconds:8.1f} s {cpu:8.1f} CPU s {memory:7.0f} MiB", flush=True)
    row = {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "MiB": round(memory)}
    return {"images": work.n, "step": step} | row


def exponents(table: pd.DataFrame) -> dict[str, float]:
    """Slope of the logarithm of a step's processor seconds over that of the number of images."""
    found = {}
    for step, rows in table.groupby("step", sort=False):
        if len(rows) > 1:
            found[str(step)] = float(np.polyfit(np.log(rows["images"]), np.log(rows["cpu_seconds"]), 1)[0])
    return found


def plot(table: pd.DataFrame, slopes: dict[str, float], path: Path) -> None:
    """Time and memory over the number of images."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for step, rows in table.groupby("step", sort=False):
        slope = f"  (exponent {slopes[step]:.2f})" if step in slopes else ""
        axes[0].loglog(rows["images"], rows["cpu_seconds"], "o-", label=f"{step}{slope}")
        axes[1].semilogx(rows["images"], rows["MiB"] / 2**10, "o-" if step in STREAMING else "o--", label=step)
    for axis, what in zip(axes, ("processor seconds", "peak memory of the process, GiB"), strict=True):
        axis.set_xlabel("radiographs of 512 x 512 pixels")
        axis.set_ylabel(what)
        axis.grid(alpha=0.3)
        ticks = sorted(set(table["images"]))
        axis.set_xticks(ticks, [f"{n:,}" for n in ticks], minor=False)
        axis.minorticks_off()
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].set_ylim(bottom=0)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure every size, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 2000, 5000, 10_000])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows: list[dict[str, Any]] = []
        measure(Path(folder), FEW)  # compiles the kernels
        for n in sorted(options.sizes):
            rows += measure(Path(folder), n)
            table = pd.DataFrame(rows)
            slopes = exponents(table)
            rounded = {step: round(slope, 3) for step, slope in slopes.items()}
            write_results("scale", rows, exponents=rounded)
            plot(table, slopes, RESULTS / "scale.png")
    wide = table.pivot(index="step", columns="images", values=["seconds", "cpu_seconds", "MiB"])
    print(wide.loc[list(STEPS)].to_string())
    print(pd.Series(slopes).round(2).to_string())


def measure(folder: Path, n: int) -> list[dict[str, Any]]:
    """All steps on `n` images, which are drawn and removed again."""
    work = Work(folder / f"images{n}", folder, n)
    start = time.perf_counter()
    draw(work.images, n)
    print(f"{n:>7,} drawn in {time.perf_counter() - start:.0f} s", flush=True)
    rows = [run(step, work) for step in STEPS if step != "svm" or n <= SVM_ROWS]
    size = sum(path.stat().st_size for path in work.store_folder.iterdir())
    shutil.rmtree(work.store_folder)
    shutil.rmtree(work.images)
    return [row | {"store_MiB": round(size / 2**20)} for row in rows]


if __name__ == "__main__":
    main()
