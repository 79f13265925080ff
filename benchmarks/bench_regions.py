"""Measure how well models that learn from boxes find fractures, on FracAtlas.

    python benchmarks/bench_regions.py ../shared/data/fracatlas [--models regions best] [--weights FILE]

Models are fitted on four of five grouped folds, groups of `groups.csv`, and measured on the fifth; all test parts are
then measured together. "best" is fitted once: its parts, "accurate" and "mobilenetv2-regions", are measured as well.

Measures of places are those of `EvaluationResult.places`, which has the control that sees no pixel. Of images, ROC AUC
and average precision, with intervals by group; the gain of each over "accurate", and the same within strata (native
size, body part, no hardware) that have 30 images of each class; and of both halves of the groups, drawn by chance: what
was chosen was chosen on the first.

By native size (`native_sizes.csv`, published sizes): the mean score of non-fractured images above 800 pixels less that
of the others, in standard deviations. Seconds of a fit include the description of its images; milliseconds of a
prediction are those of 20 images, nothing cached.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _about import RESULTS, write_results
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features import EvaluationResult, FractureDataset, load_fracatlas, make_pipeline
from fracture_features.cache import bypassed_caches
from fracture_features.evaluation import exclude_unreadable
from fracture_features.evaluation._places import find_boxes
from fracture_features.metrics import metric_interval, paired_comparison
from fracture_features.results import FoldResult

MODELS = ("regions", "best")
REFERENCE = "accurate"
N_TIMED = 20
LARGE = 800  # pixels
FEWEST = 30  # images of each class in a stratum
METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def parts_of(name: str, model: Any) -> dict[str, Any]:
    """The fitted models that are measured, by name."""
    if name != "best":
        return {name: model}
    return {REFERENCE: model[-1].whole_, "mobilenetv2-regions": model[-1].places_, "best": model}


def run(name: str, data: FractureDataset, folds: list[Any], cache: str, weights: str | None) -> list[FoldResult]:
    """Fit a model on each fold, and what its parts give on the test images."""
    found = []
    for k, (train, test) in enumerate(folds, start=1):
        model = make_pipeline(name, cache=cache, random_state=0)
        if weights is not None:
            model.set_params(**{key: weights for key in model.get_params() if key.endswith("classifier__weights")})
        start = time.perf_counter()
        with config_context(enable_metadata_routing=True):
            model.fit(data.paths[train], data.y[train], groups=data.groups[train], boxes=data.boxes[train])  # type: ignore[index]
        seconds = time.perf_counter() - start
        for part, fitted in parts_of(name, model).items():
            decision = fitted.decision_function(data.paths[test])
            scores = np.column_stack([-decision, decision])
            with bypassed_caches():
                start = time.perf_counter()
                fitted.decision_function(data.paths[test[:N_TIMED]])
                ms = 1000 * (time.perf_counter() - start) / N_TIMED
            boxes = find_boxes(fitted, data, test)
            fold = FoldResult(part, k, train, test, (decision > 0).astype(np.int64), scores, found=boxes)
            found.append(
                FoldResult(**{**vars(fold), "fit_seconds": seconds if part == name else 0.0, "predict_ms": ms})
            )
        print(f"{name}: fold {k} fitted in {seconds:.0f} s", flush=True)
    return found


def pooled(result: EvaluationResult, name: str) -> NDArray[np.float64]:
    """Scores of all test parts together, in the order of the data."""
    scores = np.empty(len(result.data))
    for fold in result.folds_of(name):
        scores[fold.test] = fold.scores[:, 1]
    return scores


def image_measures(data: FractureDataset, scores: NDArray[np.float64], rows: NDArray[np.bool_]) -> dict[str, Any]:
    """ROC AUC and average precision of some images."""
    y, groups = data.y[rows], data.groups[rows]  # type: ignore[index]
    return {
        name: _rounded(of(y, scores[rows]), metric_interval(name, y, scores[rows], groups=groups))
        for name, of in METRICS.items()
    }


def gains(
    data: FractureDataset, scores: NDArray[np.float64], reference: NDArray[np.float64], rows: NDArray[np.bool_]
) -> dict[str, Any]:
    """Differences from the reference, on some images."""
    out = {}
    for name in METRICS:
        y, groups = data.y[rows], data.groups[rows]  # type: ignore[index]
        found = paired_comparison(name, y, scores[rows], reference[rows], groups=groups)
        out[f"{name}_gain"] = _rounded(found.difference, found[1:3])
    return out


def strata_of(data: FractureDataset, large: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Strata with enough images of each class."""
    parts = data.frame["body_part"].to_numpy()
    strata = {"published above 800 px": large, "published up to 800 px": ~large}
    strata |= {f"body part {part}": parts == part for part in np.unique(parts)}
    strata["no hardware"] = data.frame["hardware"].to_numpy() == 0
    return {name: rows for name, rows in strata.items() if np.bincount(data.y[rows], minlength=2).min() >= FEWEST}


def _rounded(value: float, interval: Any) -> dict[str, float]:
    return {"value": round(float(value), 4), "low": round(float(interval[0]), 4), "high": round(float(interval[1]), 4)}


def is_large(data: FractureDataset, sizes: Path) -> NDArray[np.bool_]:
    """Which images were published larger than 800 pixels."""
    table = pd.read_csv(sizes, index_col="image_id")
    sides = table.loc[[Path(path).name for path in data.paths], ["width", "height"]]
    return np.asarray(sides.max(axis=1) > LARGE)


def describe(result: EvaluationResult, name: str, large: NDArray[np.bool_]) -> dict[str, Any]:
    """Everything that is written of a model."""
    data, scores = result.data, pooled(result, name)
    reference = pooled(result, REFERENCE) if REFERENCE in result.models and name != REFERENCE else None
    everything = np.ones(len(data), dtype=bool)
    rng = np.random.default_rng(0)
    first = np.isin(data.groups, rng.permutation(np.unique(data.groups))[: len(np.unique(data.groups)) // 2])  # type: ignore[arg-type]
    strata = {"first half of the groups": first, "second half of the groups": ~first} | strata_of(data, large)
    healthy = data.y == 0
    difference = scores[healthy & large].mean() - scores[healthy & ~large].mean()
    row: dict[str, Any] = image_measures(data, scores, everything)
    row |= {} if reference is None else gains(data, scores, reference, everything)
    row["score_by_native_size"] = round(float(difference / scores[healthy].std()), 3)
    row["strata"] = {
        stratum: image_measures(data, scores, rows)
        | ({} if reference is None else gains(data, scores, reference, rows))
        for stratum, rows in strata.items()
    }
    row["fit_seconds"] = round(float(np.mean([fold.fit_seconds for fold in result.folds_of(name)])), 1)
    row["predict_ms"] = round(float(np.mean([fold.predict_ms for fold in result.folds_of(name)])), 1)
    return row


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", default=MODELS, choices=MODELS)
    parser.add_argument("--weights", help="file of MobileNetV2's weights; default: those that keras fetches")
    parser.add_argument("--cache", default=".cache-regions", help="folder for what places look like, some 5 GB")
    options = parser.parse_args()
    data, excluded = exclude_unreadable(load_fracatlas(options.folder, groups=options.folder / "groups.csv"))
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.paths, data.y, data.groups))
    large = is_large(data, options.folder.parents[1] / "protocols" / "native_sizes.csv")
    path = RESULTS / "regions.json"
    results = json.loads(path.read_text())["results"] if path.exists() else {}
    for name in options.models:
        weights = options.weights if name == "best" else None
        result = EvaluationResult(data, run(name, data, folds, options.cache, weights), excluded, 0)
        for row in result.places().itertuples():
            of_model = results.setdefault(str(row.model), {})
            of_model[row.measure] = _rounded(row.value, (row.low, row.high))
        for part in result.models:
            results.setdefault(part, {}).update(describe(result, part, large))
            print(part, json.dumps(results[part], indent=1), flush=True)
        described = f"{options.folder.name}: {int(data.y.sum())} fractured of {len(data)}"
        write_results("regions", results, data=described, folds=5)


if __name__ == "__main__":
    main()
