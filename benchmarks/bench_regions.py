"""Measure how well models that learn from boxes find fractures, on FracAtlas.

    python benchmarks/bench_regions.py ../shared/data/fracatlas [--models regions mobilenetv2-regions] [--weights FILE]

Models are fitted on four of five grouped folds, groups of `groups.csv`, and measured on the fifth; all test parts are
then measured together. Pointing is the share of fractured images whose highest place lies in a box; sensitivity is that
of boxes met by the centre of a found one, at so many false boxes an image over all images. Intervals are percentiles
over resampled groups.

The control sees no pixel: of the training images of the same body part it knows where in the image boxes lie, as shares
of its height and width, and how many are fractured. What a model finds it has to find beyond that.

By native size (`native_sizes.csv`, published sizes): the mean score of non-fractured images above 800 pixels less that
of the others, in standard deviations.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from _about import RESULTS, write_results
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features import FractureDataset, load_fracatlas, make_pipeline
from fracture_features.evaluation import exclude_unreadable
from fracture_features.metrics import metric_interval, place_measures
from fracture_features.regions import Detections

MODELS = ("control: body part", "regions", "mobilenetv2-regions")
GRID = 40  # rows and columns of the control's map
SPREAD = 1.5  # of its smoothing, in rows
SIDES = (0.06, 0.06)  # of its boxes: about the median of the marked ones
BLOCK = 32
LARGE = 800  # pixels


class BodyPartControl:
    """Where boxes usually lie in images of that body part, and how often there is one."""

    def __init__(self, data: FractureDataset):
        self.parts = data.frame["body_part"].to_numpy()
        self.shapes = data.files[["height", "width"]].to_numpy(dtype=np.float64)
        self.data = data

    def find(self, train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[list[Detections], NDArray[np.float64]]:
        """Detections and scores of the test images."""
        made = {part: self._learn(train[self.parts[train] == part]) for part in np.unique(self.parts[test])}
        found = []
        for i in test.tolist():
            shares, scores, _ = made[self.parts[i]]
            points = shares * self.shapes[i]
            half = np.multiply(SIDES, self.shapes[i]) / 2
            found.append(Detections(np.hstack([points - half, points + half]), scores, points))
        return found, np.array([made[self.parts[i]][2] for i in test.tolist()])

    def _learn(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Places as shares of the image with their scores, highest first, and the share of fractured images."""
        counts = np.zeros((GRID, GRID), dtype=np.float32)
        for i in rows.tolist():
            for box in np.asarray(self.data.boxes[i]).reshape(-1, 4):  # type: ignore[index]
                top, left, bottom, right = np.rint(box / np.tile(self.shapes[i], 2) * GRID).astype(int)
                counts[top : max(bottom, top + 1), left : max(right, left + 1)] += 1
        levels = cv2.GaussianBlur(counts, (0, 0), SPREAD) / max(len(rows), 1)
        peaks = np.argwhere((levels == cv2.dilate(levels, np.ones((5, 5)))) & (levels > 0))
        scores = levels[tuple(peaks.T)].astype(np.float64)
        order = np.argsort(-scores)[:20]
        share = float(self.data.y[rows].mean()) if len(rows) else 0.0
        return (peaks[order] + 0.5) / GRID, scores[order], share


def run_model(
    name: str, data: FractureDataset, folds: list[Any], cache: str, weights: str | None
) -> tuple[list[Detections], NDArray[np.float64], dict[str, float]]:
    """Detections and scores of every image when it was in the test part, and seconds."""
    found: list[Any] = [None] * len(data)
    scores, seconds = np.empty(len(data)), {"fit": 0.0, "predict": 0.0}
    for train, test in folds:
        start = time.perf_counter()
        if name not in MODELS[1:]:
            some, scores[test] = BodyPartControl(data).find(train, test)
        else:
            model = make_pipeline(classifier=name, cache=cache, random_state=0)
            if weights is not None:
                model.set_params(classifier__weights=weights)
            with config_context(enable_metadata_routing=True):
                model.fit(data.paths[train], data.y[train], groups=data.groups[train], boxes=data.boxes[train])  # type: ignore[index]
            seconds["fit"] += time.perf_counter() - start
            start = time.perf_counter()
            some = []
            for k in range(0, len(test), BLOCK):
                stack = model[0].transform(data.paths[test[k : k + BLOCK]])
                some += model[-1].detect(stack, -np.inf)
                scores[test[k : k + BLOCK]] = model[-1].decision_function(stack)
            seconds["predict"] += time.perf_counter() - start
        for i, each in zip(test.tolist(), some, strict=True):
            found[i] = each
        print(f"{name}: {len(test)} images, {seconds}", flush=True)
    return found, scores, seconds


def measure(data: FractureDataset, found: list[Detections], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Every measure of places and of images, with intervals."""
    marked = [np.empty((0, 4)) if boxes is None else boxes for boxes in data.boxes]  # type: ignore[union-attr]
    points = [each.points[0] if len(each.points) else None for each in found]
    measures = place_measures(
        points, [d.boxes for d in found], [d.scores for d in found], marked, groups=data.groups, random_state=0
    )
    out = {name: _rounded(each.value, each.interval) for name, each in measures.items()}
    for name, metric in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        out[name] = _rounded(metric(data.y, scores), metric_interval(name, data.y, scores, groups=data.groups))
    return out


def _rounded(value: float, interval: Any) -> dict[str, float]:
    return {"value": round(float(value), 4), "low": round(float(interval[0]), 4), "high": round(float(interval[1]), 4)}


def by_native_size(data: FractureDataset, scores: NDArray[np.float64], sizes: Path) -> float | None:
    """Mean score of large non-fractured images less that of small ones, in standard deviations."""
    if not sizes.is_file():
        return None
    table = pd.read_csv(sizes, index_col="image_id")
    large = table.loc[[Path(path).name for path in data.paths], ["width", "height"]].max(axis=1).to_numpy() > LARGE
    healthy = data.y == 0
    difference = scores[healthy & large].mean() - scores[healthy & ~large].mean()
    return round(float(difference / scores[healthy].std()), 3)


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", default=MODELS[:2], choices=MODELS)
    parser.add_argument("--weights", help="file of MobileNetV2's weights; default: those that keras fetches")
    parser.add_argument("--cache", default=".cache-regions", help="folder for what places look like, some 5 GB")
    options = parser.parse_args()
    data, _ = exclude_unreadable(load_fracatlas(options.folder, groups=options.folder / "groups.csv"), [])
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.paths, data.y, data.groups))
    for name in options.models:
        weights = options.weights if name.startswith("mobilenetv2") else None
        found, scores, seconds = run_model(name, data, folds, options.cache, weights)
        row = measure(data, found, scores)
        sizes = options.folder.parents[1] / "protocols" / "native_sizes.csv"
        row["score_by_native_size"] = by_native_size(data, scores, sizes)
        row |= {f"{what}_seconds": round(value, 1) for what, value in seconds.items()}
        print(name, json.dumps(row, indent=1), flush=True)
        path = RESULTS / "regions.json"
        results = json.loads(path.read_text())["results"] if path.exists() else {}
        described = f"{options.folder.name}: {int(data.y.sum())} fractured of {len(data)}"
        write_results("regions", results | {name: row}, data=described, folds=5)


if __name__ == "__main__":
    main()
