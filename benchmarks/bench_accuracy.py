"""Cross-validate a ladder of models, from those that see no pixel to the strongest, on a folder of radiographs.

    python benchmarks/bench_accuracy.py FOLDER [--groups G] [--models NAME ...] [--weights FILE] [--out NAME]
    python benchmarks/bench_accuracy.py FRACATLAS --protocol fracatlas [--models NAME ...] [--weights FILE]

FOLDER is laid out as FracAtlas, or holds a folder for each class; its groups.csv, where there is one, holds the groups.
With --protocol the images, groups and folds are the protocol's, FRACATLAS has to hold its files as published, and the
table is results/accuracy_fracatlas.json.
Everything is fitted inside the folds, StratifiedGroupKFold(5, shuffle=True, random_state=0); intervals are of the
method, trained anew on other groups. Defaults of the library were chosen on one half of FracAtlas' groups
(`bench_reader_defaults.choice_half`): the column `report half` has each model's mean ROC AUC on the test images of
the other half alone.

Replaces the models' rows of benchmarks/results/NAME.json and leaves the others. On FracAtlas' 2459 readable images and
two cores all takes ten minutes; networks that are trained are in bench_cnn.py. What one model has computed another
finds in the cache: times to fit are those of the first to ask.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from _about import RESULTS, circumstances, write_results
from bench_reader_defaults import choice_half
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import SVC

from fracture_features import FractureDataset, LBPExtractor, evaluate, load_folder, load_fracatlas, make_pipeline
from fracture_features.cnn import PretrainedExtractor
from fracture_features.evaluation import exclude_unreadable
from fracture_features.protocols import PROTOCOLS, load_protocol
from fracture_features.results import EvaluationResult, FoldResult

REFERENCES = ("metadata only", "HOG + SVM")
N_NETWORK = 2 * 960  # MobileNetV2's block_16_expand, average and maximum


def ladder(weights: Path | None, **common: Any) -> dict[str, Callable[[], Any]]:
    """How to make each model, the cheap before the dear; `common` goes to `make_pipeline`."""
    make = partial(make_pipeline, **common)
    radii = LBPExtractor(n_points=(8, 16, 24), radius=(1, 2, 3))
    models = {
        "HOG + SVM": lambda: make("hog", "svm"),
        "LBP + SVM": lambda: make("lbp", "svm"),
        "LBP at three radii + SVM": lambda: make(radii, "svm"),
        "edges + XGBoost": lambda: make("edges", "xgboost"),
        "Gabor + SVM": lambda: make("gabor", "svm"),
        "HOG + LBP + Gabor, XGBoost": lambda: make(["hog", "lbp", "gabor"], "xgboost"),
        'make_pipeline("fast")': lambda: make("fast"),
        'make_pipeline("accurate")': lambda: make("accurate"),
    }
    if weights is not None:
        network = PretrainedExtractor(weights=weights)
        models["MobileNetV2, frozen + SVM"] = lambda: make(network, "svm")
        models["Fisher vectors + MobileNetV2, SVM"] = lambda: averaged(make("accurate")[:-1], make(network, "svm")[:-1])
    return models


def averaged(fisher: Pipeline, network: Pipeline) -> Pipeline:
    """A support vector machine on the mean of the kernels that either would have alone."""
    both = FeatureUnion([("fisher", fisher), ("network", network)])
    return Pipeline([("both", both), ("classifier", SVC(C=2, kernel=mean_kernel, class_weight="balanced"))])


def mean_kernel(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Of rows whose last 2 * 960 columns are MobileNetV2's, standardised, the others a Fisher vector."""
    fisher, network = slice(None, -N_NETWORK), slice(-N_NETWORK, None)
    by_network: NDArray[Any] = rbf_kernel(a[:, network], b[:, network])  # gamma 1 / n_features: SVC's "scale" here
    return (rbf_kernel(a[:, fisher], b[:, fisher], gamma=1.0) + by_network) / 2


def load(folder: Path, groups: str | None) -> FractureDataset:
    """The readable images."""
    if groups is None and (folder / "groups.csv").is_file():
        groups = str(folder / "groups.csv")
    is_fracatlas = (folder / "dataset.csv").is_file()
    data = load_fracatlas(folder, groups=groups) if is_fracatlas else load_folder(folder, groups=groups)
    return exclude_unreadable(data)[0]


class PeakMemory:
    """Largest memory of this process since it was last asked for, in MiB."""

    def __init__(self) -> None:
        self._process, self._peak = psutil.Process(), 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not threading.Event().wait(0.02):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def read(self) -> float:
        """Read it and start anew."""
        peak, self._peak = self._peak, 0
        return peak / 2**20


def table(result: EvaluationResult, memory: dict[str, float]) -> pd.DataFrame:
    """One row for each model."""
    frame = result.frame().set_index(["model", "measure"])
    values = frame["value"].unstack()
    low, high = (frame[side].unstack()["roc_auc"] for side in ("low", "high"))
    out = pd.DataFrame({"roc_auc": values["roc_auc"], "low": low, "high": high})
    if result.data.groups is not None:
        report = result.subset(~choice_half(result.data)).frame().set_index(["measure", "model"])
        out["report half"] = report.loc["roc_auc", "value"]
    out["average_precision"] = values["average_precision"]
    for reference in REFERENCES:
        if reference in result.models:
            difference = result.comparison(reference).set_index("model")
            for name in ("difference", "low", "high", "p_holm"):
                out[f"minus {reference}, {name}"] = difference[name]
    out["fit_minutes"], out["predict_ms"] = values["fit_minutes"], values["predict_ms"]
    out["peak_MiB"] = pd.Series(memory)
    return out.loc[result.models].round(4)


def main() -> None:
    """Print and write the table, model by model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", help="as load_folder's; default: FOLDER/groups.csv")
    parser.add_argument("--models", nargs="*", help="names of the ladder; default: all")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's, without its top: adds the pretrained models")
    parser.add_argument("--cache", type=Path, help="folder for pixels and features")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="take its groups and folds, and no other images")
    parser.add_argument("--out", help="name of the table (accuracy, or accuracy_PROTOCOL)")
    options = parser.parse_args()
    if options.protocol and options.groups:
        parser.error("--groups: a protocol has its own")
    out = options.out or "_".join(filter(None, ["accuracy", options.protocol]))
    makers = ladder(options.weights, cache=options.cache, random_state=0, n_jobs=-1)
    unknown = set(options.models or []) - set(makers)
    if unknown:
        parser.error(f"--models: unknown {sorted(unknown)}; there are {list(makers)}")
    folds: dict[str, Any] = {}
    if options.protocol:
        protocol = load_protocol(options.protocol)
        data = protocol.dataset(load_fracatlas(options.folder))
        folds = {"cv": protocol.splits(), "audit": False}
    else:
        data = load(options.folder, options.groups)
    models = {name: make() for name, make in makers.items() if not options.models or name in options.models}
    watch, memory = PeakMemory(), {}

    def on_fold(fold: FoldResult) -> None:
        memory[fold.model] = max(memory.get(fold.model, 0), watch.read())
        print(f"{fold.model}, fold {fold.fold}: fitted in {fold.fit_seconds:.1f} s", flush=True)

    result = evaluate(models, data, random_state=0, on_fold=on_fold, **folds)
    frame = table(result, memory)
    print(frame.T.to_string())
    new = frame.assign(commit=circumstances()["commit"])
    rows = known_rows(out) | new.astype(object).where(new.notna(), None).to_dict("index")
    write_results(out, rows, data=f"{options.folder.name}: {len(data)} readable images", folds=5)


def known_rows(name: str) -> dict[str, Any]:
    """Rows of earlier runs: the folds are the same, so that a row stands beside those of another day."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


if __name__ == "__main__":
    main()
