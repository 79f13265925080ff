"""Time the RBF SVM against scikit-learn's, and measure what takes its place where there are too many images for it.

    python benchmarks/bench_svm.py [FRACATLAS] [--rows 4000] [--columns 8100]

First, rows of normal numbers: seconds of a fit, of the next C of a grid, and how far decision values lie apart. Then,
where a folder is given that is laid out as FracAtlas with its groups.csv, features of its readable images, five folds
of groups: mean ROC AUC and seconds to fit of each classifier of `make_pipeline` that is a support vector machine or in
place of one. Seconds are of the processor, of all threads together, so that another load on the machine counts for
little; scikit-learn's machine has one thread. Prints two tables and writes them to benchmarks/results/svm.json. At
4000 x 8100 scikit-learn takes minutes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _about import write_results
from bench_accuracy import load
from sklearn import svm
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from fracture_features import make_pipeline
from fracture_features._svm import SVC
from fracture_features.evaluation import temporary_cache

FEATURES = ("hog", "fisher")
CLASSIFIERS = ("svm", "nystroem", "linear_svm", "sgd")


def timed(work: Any) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def race(n: int, columns: int) -> dict[str, float]:
    """Seconds of both machines on the same rows; the first features tell a little of the class."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, columns)).astype(np.float32)
    X[:, :20] += 0.5 * y[:, None]
    SVC().fit(X[:50], y[:50])
    ours, machine = timed(lambda: SVC().fit(X, y))
    next_c, _ = timed(lambda: SVC(C=10).fit(X, y))
    theirs, reference = timed(lambda: svm.SVC().fit(X, y))
    new = rng.normal(size=(500, columns)).astype(np.float32)
    our_predict, scores = timed(lambda: machine.decision_function(new))
    their_predict, expected = timed(lambda: reference.decision_function(new))
    return {
        "rows": n,
        "columns": columns,
        "ours_s": ours,
        "next_C_s": next_c,
        "scikit_learn_s": theirs,
        "ratio": theirs / ours,
        "predict_500_s": our_predict,
        "scikit_learn_predict_500_s": their_predict,
        "largest_difference": float(np.abs(scores - expected).max()),
        "labels_that_differ": int(((scores > 0) != (expected > 0)).sum()),
    }


def place(folder: Path) -> dict[str, dict[str, float]]:
    """Mean ROC AUC over the folds, and seconds to fit what follows the features."""
    data = load(folder, None)
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.paths, data.y, data.groups))
    found: dict[str, dict[str, list[float]]] = {}
    with temporary_cache() as cache:
        for name in FEATURES:
            first = make_pipeline(name, cache=cache, random_state=0, n_jobs=-1)[:2]
            for train, test in folds:
                fitted = clone(first).fit(data.paths[train])
                rows, new = fitted.transform(data.paths[train]), fitted.transform(data.paths[test])
                for classifier in CLASSIFIERS:
                    model = Pipeline(make_pipeline(name, classifier, random_state=0).steps[2:])
                    seconds, model = timed(lambda: model.fit(rows, data.y[train]))  # noqa: B023 - called at once
                    area = roc_auc_score(data.y[test], model.decision_function(new))
                    row = found.setdefault(f"{name} + {classifier}", {"roc_auc": [], "fit_seconds": []})
                    row["roc_auc"].append(area)
                    row["fit_seconds"].append(seconds)
    return {name: {key: float(np.mean(values)) for key, values in row.items()} for name, row in found.items()}


def main() -> None:
    """Print and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--columns", type=int, default=8100)
    options = parser.parse_args()
    results: dict[str, Any] = {"race": race(options.rows, options.columns)}
    print(pd.Series(results["race"]).to_string(float_format=lambda x: f"{x:.4g}"), flush=True)
    write_results("svm", results)
    if options.folder is not None:
        results["fracatlas"] = place(options.folder)
        print(pd.DataFrame(results["fracatlas"]).T.to_string(float_format=lambda x: f"{x:.4g}"))
        write_results("svm", results)


if __name__ == "__main__":
    main()
