"""Time CNNClassifier against bare Keras, and measure networks on FracAtlas.

    python benchmarks/bench_cnn.py speed [--models small,residual,...] [--images 512] [--image-size 256] [--repeats 5]
    python benchmarks/bench_cnn.py accuracy [FRACATLAS] [--models small,residual,...] [--seeds 0,1,2] [--image-size 256]

`speed` trains and predicts with the same network, batches and augmentation in turn: with CNNClassifier, and with
Keras' own `fit` and `predict`; and it extracts MobileNetV2's features at 448 pixels with PretrainedExtractor and with
Keras' `predict_on_batch`, both on all cores. `accuracy` cross-validates as `evaluate` does, over the folds of all
figures on FracAtlas, once for each seed of the networks; `--half choice` takes half of the groups, to try things out.
Each run replaces its own rows of benchmarks/results/cnn.json and leaves the others, so that the hours can be spread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _about import RESULTS, circumstances, write_results
from bench_reader_defaults import choice_half
from sklearn.pipeline import Pipeline
from sklearn.utils import gen_batches

from fracture_features import CNNClassifier, PretrainedExtractor, evaluate, load_fracatlas, make_pipeline
from fracture_features.cnn._applications import restore_weights
from fracture_features.cnn._architectures import build_network
from fracture_features.cnn._augmentation import vary
from fracture_features.cnn._keras import load_keras
from fracture_features.cnn._pretrained import _build
from fracture_features.cnn._training import Stage, _compile
from fracture_features.results import EvaluationResult

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
FEATURES_SIZE = 448  # pixels
KEY = ("model", "seed", "image_size", "epochs", "half", "device")
FEATURES = "mobilenetv2+svm"
TRAINED_IN_ONE_STAGE = ("small", "residual", "mobilenetv2-frozen")
PREDICTED = 512  # images


def networks(weights: Path, seed: int) -> dict[str, Any]:
    """Classifiers of `accuracy` by name; the last trains no network, and has no seed."""
    mobilenet = {"architecture": "MobileNetV2", "weights": weights, "random_state": seed}
    return {
        "small": CNNClassifier(random_state=seed),
        "residual": CNNClassifier(architecture="residual", random_state=seed),
        "mobilenetv2-frozen": CNNClassifier(epochs=8, **mobilenet),
        "mobilenetv2-tuned": CNNClassifier(epochs=12, trainable_layers=20, **mobilenet),
        FEATURES: None,
    }


def make_model(name: str, seed: int, options: argparse.Namespace) -> Pipeline:
    """The pipeline from paths to labels."""
    classifier = networks(options.weights, seed)[name]
    size = options.image_size or (FEATURES_SIZE if classifier is None else 256)
    common = {"image_size": size, "cache": options.cache, "random_state": 0, "n_jobs": -1}
    if classifier is None:
        return make_pipeline(PretrainedExtractor(weights=options.weights), "svm", **common)
    if options.epochs:
        classifier.set_params(epochs=options.epochs)
    return make_pipeline(classifier=classifier, **common)


def accuracy(options: argparse.Namespace) -> None:
    """Cross-validate the models that `options` name, `options.jobs` folds at a time."""
    data = load_fracatlas(options.folder, groups=options.groups or options.folder / "groups.csv")
    if options.half != "both":
        data = data.subset(choice_half(data) == (options.half == "choice"))
    runs = [(name, seed) for name in options.models for seed in ([0] if name == FEATURES else options.seeds)]
    models = {f"{name}, seed {seed}": make_model(name, seed, options) for name, seed in runs}
    result = evaluate(
        models,
        data,
        cv=options.folds,
        random_state=0,
        n_jobs=options.jobs,
        checkpoint=options.checkpoint,
        on_fold=lambda fold: print(f"{fold.model}, fold {fold.fold}: {fold.fit_seconds:.0f} s", flush=True),
    )
    save(runs=[row(name, seed, result, options) for name, seed in runs])
    print(pd.DataFrame(load()["summary"]).to_string(index=False))


def row(name: str, seed: int, result: EvaluationResult, options: argparse.Namespace) -> dict[str, Any]:
    """What is kept of one model with one seed."""
    model = make_model(name, seed, options)
    table = result.frame().set_index(["model", "measure"]).loc[f"{name}, seed {seed}"]
    run = {"model": name, "seed": seed, "image_size": model["images"].image_size, "half": options.half}
    run |= {"epochs": getattr(model[-1], "epochs", 0), "device": options.device, "jobs": options.jobs}
    run |= {measure: round(table["value"][measure], 4) for measure in ("roc_auc", "average_precision", "fit_minutes")}
    run |= {bound: round(table[bound]["roc_auc"], 4) for bound in ("low", "high")}
    return run | {"folds": options.folds, "images": len(result.data), "commit": circumstances()["commit"]}


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each model: means over its seeds, their spread, and the minutes of the seed least disturbed."""
    rows = []
    for key, group in pd.DataFrame(runs).groupby([each for each in KEY if each != "seed"], sort=False):
        means = group[["roc_auc", "low", "high", "average_precision"]].mean().round(4)
        spread = group["roc_auc"].std() if len(group) > 1 else None
        named = dict(zip((each for each in KEY if each != "seed"), key, strict=True))
        minutes = {"fit_minutes": group["fit_minutes"].min()}
        rows.append(named | means.to_dict() | minutes | {"seeds": len(group), "roc_auc_sd_over_seeds": spread})
    return rows


def speed(options: argparse.Namespace) -> None:
    """Images per second of training and of prediction, each in turn with ours and with Keras'."""
    rng = np.random.default_rng(0)
    side = options.image_size or 256
    X = rng.integers(0, 256, (options.images, side, side), dtype=np.uint8)
    y = np.arange(len(X)) % 2
    rows = []
    for name in options.models:
        cnn = networks(options.weights, seed=0)[name]
        if cnn.weights and not cnn.weights.is_file():
            print(f"{name}: skipped, there are no weights at {cnn.weights}")
            continue
        cnn.set_params(epochs=options.epochs, validation_fraction=None)  # validation is ours alone: left out
        bare = bare_training(cnn, X, y)
        n_trained = len(X) * options.epochs
        rows.append(race(f"{name}: train", lambda: cnn.fit(X, y), bare, n_trained, options.repeats))  # noqa: B023
        block = X[:PREDICTED]
        network = cnn.model_
        ours, keras_own = lambda: cnn.predict_proba(block), lambda: network.predict(block, batch_size=64, verbose=0)  # noqa: B023
        np.testing.assert_allclose(ours(), keras_own(), atol=1e-5)
        rows.append(race(f"{name}: predict", ours, keras_own, len(block), options.repeats))
    for row in rows:
        row["image_size"] = side
    rows.append(pretrained_speed(options.repeats))
    print(pd.DataFrame(rows).to_string(index=False))
    save(speed=rows)


def pretrained_speed(repeats: int) -> dict[str, Any]:
    """Images per second of a frozen network, whose weights do not matter here."""
    X = np.random.default_rng(0).integers(0, 256, (64, FEATURES_SIZE, FEATURES_SIZE), dtype=np.uint8)
    extractor = PretrainedExtractor(weights=None, n_jobs=-1).fit(X)
    network, _ = _build(extractor._network.recipe, None)
    restore_weights(network, extractor._network.weights)

    def keras_own() -> Any:
        return np.concatenate([network.predict_on_batch(X[rows]) for rows in gen_batches(len(X), 32)])

    largest = float(np.abs(extractor.transform(X) - keras_own()).max())
    row = race("MobileNetV2: extract", lambda: extractor.transform(X), keras_own, len(X), repeats)
    return row | {"image_size": FEATURES_SIZE, "largest_difference": largest}


def bare_training(cnn: CNNClassifier, X: Any, y: Any) -> Callable[[], Any]:
    """What a user would write with Keras alone for the same training."""
    keras = load_keras(needed_for="the benchmark")

    class Dataset(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(0)
            self.on_epoch_end()

        def on_epoch_end(self) -> None:
            self.order = self.rng.permutation(len(X))

        def __len__(self) -> int:
            return -(-len(X) // cnn.batch_size)

        def __getitem__(self, index: int) -> Any:
            rows = self.order[index * cnn.batch_size : (index + 1) * cnn.batch_size]
            return vary(X[rows], self.rng), y[rows]

    def train() -> None:
        network = build_network(cnn.architecture, X.shape[1:], 2, weights=cnn.weights, dropout=cnn.dropout)
        dataset = Dataset()
        _compile(network, Stage(cnn.epochs, cnn.learning_rate), len(dataset))
        network.fit(dataset, epochs=cnn.epochs, shuffle=False, verbose=0)

    return train


def race(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], n_images: int, repeats: int) -> dict[str, Any]:
    """Median images per second of both, run in turn; the ratio is the median over the turns."""
    seconds = np.array([(clock(ours), clock(theirs)) for _ in turns(repeats, ours, theirs)])
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    ours_rate, theirs_rate = n_images / np.median(seconds, axis=0)
    return {
        "what": name,
        "images_per_s": round(ours_rate, 1),
        "keras_images_per_s": round(theirs_rate, 1),
        "ratio": round(float(ratio), 3),
    }


def turns(repeats: int, *warm_up: Callable[[], Any]) -> Iterator[int]:
    """Each function once, then the turns that count."""
    for function in warm_up:
        function()
    yield from range(repeats)


def clock(function: Callable[[], Any]) -> float:
    """Seconds a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def load() -> dict[str, Any]:
    """Results so far."""
    path = RESULTS / "cnn.json"
    empty: dict[str, Any] = {"speed": [], "runs": [], "summary": []}
    return json.loads(path.read_text())["results"] if path.exists() else empty


def save(*, runs: list[dict[str, Any]] | None = None, speed: list[dict[str, Any]] | None = None) -> None:
    """Put new rows in the place of those they repeat."""
    results = load()
    merged = {tuple(run[k] for k in KEY): run for run in [*results["runs"], *(runs or [])]}
    timed = {(row["what"], row["image_size"]): row for row in [*results["speed"], *(speed or [])]}
    kept = list(merged.values())
    write_results("cnn", {"speed": list(timed.values()), "runs": kept, "summary": summary(kept) if kept else []})


def names(text: str) -> list[str]:
    """Read a list."""
    return text.split(",")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True, dest="part")
    part = parts.add_parser("speed")
    part.set_defaults(run=speed)
    part.add_argument("--models", type=names, default=list(TRAINED_IN_ONE_STAGE), help="of %(default)s")
    part.add_argument("--images", type=int, default=512)
    part.add_argument("--epochs", type=int, default=2)
    part.add_argument("--repeats", type=int, default=5)
    part.add_argument("--image-size", type=int)
    part = parts.add_parser("accuracy")
    part.set_defaults(run=accuracy)
    part.add_argument("folder", nargs="?", type=Path, default=SHARED / "data" / "fracatlas")
    part.add_argument("--groups", type=Path, help="csv of images and groups (default: FRACATLAS/groups.csv)")
    part.add_argument("--models", type=names, default=list(networks(WEIGHTS, 0)), help="of %(default)s")
    part.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    part.add_argument("--folds", type=int, default=5)
    part.add_argument("--half", choices=["choice", "report", "both"], default="both")
    part.add_argument("--image-size", type=int, help="default: 256, and 448 for features")
    part.add_argument("--epochs", type=int, help="default: the network's own")
    part.add_argument("--jobs", type=int, default=1, help="folds at a time (%(default)s)")
    part.add_argument("--device", default=circumstances()["cpu"], help="what the rows call it (%(default)s)")
    part.add_argument("--cache", help="folder of decoded images and features, kept between runs")
    part.add_argument("--checkpoint", help="folder of finished folds: a run that was stopped goes on from there")
    for part in parts.choices.values():
        part.add_argument("--weights", type=Path, default=WEIGHTS, help="of MobileNetV2, without its classifier")
    options = parser.parse_args()
    known = parts.choices[options.part].get_default("models")
    if unknown := sorted(set(options.models) - set(known)):
        parser.error(f"--models: {unknown} are unknown; expected some of {known}")
    options.run(options)


if __name__ == "__main__":
    main()
