"""Time a grid search over paths against what a user would write with OpenCV, scikit-image and scikit-learn.

    python benchmarks/bench_grid.py [FOLDER] [--count 500]

The same files at 256 px, HOG with 16-pixel cells and 2x2 blocks, PCA to 100, six SVC settings, five folds. FOLDER holds
one folder for each class (default: ../shared/data/fracatlas/images); files that OpenCV would half-decode are left out
beforehand, since the user's way reads them without a word. One thread everywhere; takes about ten minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _about import write_results
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from fracture_features import FractureDataset, load_folder, make_pipeline
from fracture_features.cache import close_cache

GRID = {"classifier__C": [0.1, 1, 10], "classifier__gamma": ["scale", 1e-3]}


def read_and_describe(paths: np.ndarray) -> np.ndarray:
    """What a notebook does for each file."""
    rows = []
    for path in paths:
        image = cv2.resize(cv2.imread(path, cv2.IMREAD_GRAYSCALE), (256, 256), interpolation=cv2.INTER_AREA)
        rows.append(hog(image, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2)))
    return np.asarray(rows)


def users_pipeline(memory: str | None) -> Pipeline:
    steps = [
        ("features", FunctionTransformer(read_and_describe)),
        ("reducer", PCA(100, random_state=0)),
        ("classifier", SVC()),
    ]
    return Pipeline(steps, memory=memory)


def our_pipeline(cache: str) -> Pipeline:
    model = make_pipeline("hog", SVC(), resize="stretch", cache=cache, random_state=0)
    return model.set_params(scaler="passthrough")


def search(model: Any, data: FractureDataset) -> tuple[float, np.ndarray]:
    """Seconds and mean scores."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    start = time.perf_counter()
    found = GridSearchCV(model, GRID, cv=folds, scoring="roc_auc").fit(data.paths, data.y)
    return time.perf_counter() - start, found.cv_results_["mean_test_score"]


def sample(folder: Path, count: int) -> FractureDataset:
    """`count` readable files, evenly spread."""
    data = load_folder(folder)
    data = data.subset(data.files["reason"].isna())
    return data.subset(np.linspace(0, len(data) - 1, count).astype(int))


def main() -> None:
    """Print and write the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/fracatlas/images"))
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"no folder {options.folder}: give one that holds a folder for each class")
    data = sample(options.folder, options.count)
    cv2.setNumThreads(1)
    threadpool_limits(1)
    seconds, scores = {}, {}
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as memory:
        runs = {
            "ours, cold": lambda: our_pipeline(cache),
            "ours, warm": lambda: our_pipeline(cache),
            "user, Pipeline(memory=...), cold": lambda: users_pipeline(memory),
            "user, Pipeline(memory=...), warm": lambda: users_pipeline(memory),
            "user, Pipeline(memory=None)": lambda: users_pipeline(None),
        }
        make_pipeline("hog", SVC(), image_size=64).fit(data.paths[::10], data.y[::10])  # numba and imports
        for name, make in runs.items():
            seconds[name], scores[name] = search(make(), data)
            print(f"{name:36}{seconds[name]:8.1f} s  best ROC AUC {scores[name].max():.4f}", flush=True)
        close_cache(cache)
    results: dict[str, Any] = {f"seconds {name}": round(value, 2) for name, value in seconds.items()}
    for ours in ("cold", "warm"):
        for theirs in ("Pipeline(memory=None)", f"Pipeline(memory=...), {ours}"):
            ratio = seconds[f"user, {theirs}"] / seconds[f"ours, {ours}"]
            results[f"times faster than {theirs}, ours {ours}"] = round(ratio, 1)
    difference = np.abs(scores["ours, cold"] - scores["user, Pipeline(memory=None)"]).max()
    results["largest difference of a mean ROC AUC"] = round(float(difference), 5)
    print(*(f"{key}: {value}" for key, value in results.items()), sep="\n")
    write_results("grid", results, images=f"{len(data)} files of {options.folder.parent.name}")


if __name__ == "__main__":
    main()
