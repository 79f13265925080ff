"""Time what an evaluation adds to fitting and predicting: intervals of every measure, and paired tests.

    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_evaluation.py [--images 5000] [--models 6]

- each measure's interval on its own, groups of three images and no folds: the bar is 1 s;
- all tables of an EvaluationResult of all models over five folds: measures, PPV and NPV at two prevalences, paired
  comparisons, subgroups, folds, predictions, reliability; thresholds and decision curves: the bar is 10 s;
- one interval of the ROC AUC by a loop over scikit-learn's roc_auc_score, for comparison (a twentieth of it is timed).

Scores are drawn here. Writes benchmarks/results/evaluation.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from _about import write_results
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from fracture_features import EvaluationResult, FractureDataset, metrics
from fracture_features.results import FoldResult

N_RESAMPLES = 2000


def draw(n_images: int, n_models: int) -> tuple[np.ndarray, np.ndarray, list[dict[str, np.ndarray]]]:
    """Labels, patients of three images, and each model's scores, probabilities and labels."""
    rng = np.random.default_rng(0)
    patients = np.arange(n_images) // 3
    y = (rng.random(n_images) < 0.3).astype(np.int64)
    shared = rng.normal(0, 0.8, n_images)[patients]
    models = []
    for k in range(n_models):
        score = (1 + 0.1 * k) * y + shared + rng.normal(0, 1, n_images)
        probability = expit(1.2 * score - 1.4)
        both = np.column_stack([-score, score]), np.column_stack([1 - probability, probability])
        models.append({"scores": both[0], "probabilities": both[1], "labels": (probability > 0.5).astype(np.int64)})
    return y, patients, models


def seconds(function: Callable[[], Any], turns: int = 3) -> float:
    """Wall time of the best turn."""
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def everything(y: np.ndarray, patients: np.ndarray, models: list[dict[str, np.ndarray]]) -> int:
    """All tables of an evaluation; returns how many intervals they hold."""
    data = FractureDataset(
        paths=np.array([f"{i}.png" for i in range(len(y))]),
        y=y,
        target_names=["normal", "fractured"],
        groups=patients,
        frame=pd.DataFrame({"view": np.array(["frontal", "lateral"])[np.arange(len(y)) % 2]}),
    )
    folds = [
        FoldResult(
            f"model {m}",
            k + 1,
            np.flatnonzero(patients % 5 != k),
            np.flatnonzero(patients % 5 == k),
            *(model[takes][patients % 5 == k] for takes in ("labels", "scores", "probabilities")),
        )
        for m, model in enumerate(models)
        for k in range(5)
    ]
    result = EvaluationResult(data, folds, pd.DataFrame(), random_state=0)
    with_intervals = [result.frame(prevalences=(0.02, 0.1)), result.comparison("model 0"), result.subgroups("view")]
    for table in (result.folds, result.predictions, result.reliability):
        table()
    for model in models:
        metrics.sensitivity_threshold(y, model["scores"][:, 1])
        metrics.decision_curve(y, model["probabilities"][:, 1])
    return sum(int(frame["low"].notna().sum()) for frame in with_intervals)


def loop(y: np.ndarray, patients: np.ndarray, scores: np.ndarray) -> None:
    """What a user writes; a twentieth of the resamples."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    values = []
    for _ in range(N_RESAMPLES // 20):
        drawn = np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])
        values.append(roc_auc_score(y[drawn], scores[drawn]))
    np.quantile(values, [0.025, 0.975])


def main() -> None:
    """Print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--models", type=int, default=6)
    options = parser.parse_args()
    y, patients, models = draw(options.images, options.models)
    results: dict[str, Any] = {"seconds per interval": {}, "seconds per bootstrap interval": {}}
    for name, measure in metrics.MEASURES.items():
        values = models[0][measure.takes]
        values = values if values.ndim == 1 else values[:, 1]
        results["seconds per interval"][name] = seconds(
            lambda name=name, values=values: metrics.metric_interval(name, y, values, groups=patients)
        )
        results["seconds per bootstrap interval"][name] = seconds(
            lambda name=name, values=values: metrics.bootstrap_interval(
                name, y, values, groups=patients, n_resamples=N_RESAMPLES, random_state=0
            )
        )
    loop_seconds = 20 * seconds(lambda: loop(y, patients, models[0]["scores"][:, 1]), turns=1)
    results["seconds per interval"]["roc_auc, loop over scikit-learn"] = loop_seconds
    counted: list[int] = []
    results["seconds for everything"] = seconds(lambda: counted.append(everything(y, patients, models)), turns=2)
    results["intervals in everything"] = counted[-1]
    for name, taken in results["seconds per interval"].items():
        bootstrapped = results["seconds per bootstrap interval"].get(name, float("nan"))
        print(f"{name:35s} {taken:6.2f} s, bootstrap {bootstrapped:6.2f} s")
    print(f"{counted[-1]} intervals of {options.models} models: {results['seconds for everything']:.2f} s")
    write_results("evaluation", results, images=options.images, models=options.models, n_resamples=N_RESAMPLES)


if __name__ == "__main__":
    main()
