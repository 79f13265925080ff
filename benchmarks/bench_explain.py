"""Score the maps of `explain_images` on FracAtlas' boxes: whether models look where the fractures are.

    nice python benchmarks/bench_explain.py FOLDER [--models NAME ...] [--slow] [--overlays DIR]

FOLDER is FracAtlas with its `Annotations/PASCAL VOC`; its groups.csv holds the groups. Every model is fitted on the
training part of each fold of StratifiedGroupKFold(5, shuffle=True, random_state=0), and the maps are those of the
fractured images of the test part, at the size of the files. For each model, with the intervals of 2000 resamples of the
groups:

- pointing: in how many images the highest pixel of the map lies in a box (of several highest, the share that does);
- energy: the share of the boxes in what is positive of the map;

and what each would be by chance, in three ways, the later the stricter:

- area: the share of the boxes in the image: a map drawn at random;
- position: the boxes of 10 images of other groups laid over the map: a map that knows where fractures mostly are;
- against: the same map with its sign changed: a map that finds what is rare, fracture or not.

`found` is pointing in those images alone that the model calls fractured. With --slow also Fisher vectors, a CNN and the
models that learn from boxes; --weights is the file of their network.
Each model's row of benchmarks/results/explain.json is replaced when it is done, the others stay. The quick models take
about 4 minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from _about import RESULTS, write_results
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC
from sklearn.utils.metadata_routing import get_routing_for_object

from fracture_features import EdgeExtractor, FractureDataset, load_fracatlas, make_pipeline, read_image
from fracture_features.evaluation import exclude_unreadable
from fracture_features.explain import explain_images

BLOCK = 8  # images: maps have the size of the files
N_OTHERS = 10
N_RESAMPLES = 2000
MODELS: dict[str, Callable[[], Any]] = {
    "HOG + logistic": lambda: make_pipeline("hog", "logistic"),
    "HOG + SVM": lambda: make_pipeline("hog", "svm"),
    "edges + XGBoost": lambda: make_pipeline("edges", "xgboost"),
    "edges in 8 x 8 cells + XGBoost": lambda: make_pipeline(EdgeExtractor(grid=8), "xgboost"),
    'make_pipeline("fast")': lambda: make_pipeline("fast"),
}
SLOW: dict[str, Callable[[], Any]] = {
    "Fisher vectors + linear SVM": lambda: make_pipeline("fisher", SVC(kernel="linear", class_weight="balanced")),
    "small CNN": lambda: make_pipeline(classifier="cnn"),
    'make_pipeline("regions")': lambda: make_pipeline("regions"),
    'make_pipeline("mobilenetv2-regions")': lambda: make_pipeline("mobilenetv2-regions"),
}
Boxes = NDArray[np.float64]


def read_boxes(folder: Path, image: str) -> Boxes:
    """Top, left, bottom and right of each box (n, 4), in shares of the image as `read_image` gives it.

    The file's own scale has no part in it, and the one image with an EXIF rotation is annotated as it is turned.
    """
    root = ElementTree.parse(folder / "Annotations" / "PASCAL VOC" / f"{Path(image).stem}.xml").getroot()
    width, height = (float(root.findtext(f"size/{side}", "nan")) for side in ("width", "height"))
    corners = [
        [float(each.findtext(f"bndbox/{name}", "nan")) for name in ("ymin", "xmin", "ymax", "xmax")]
        for each in root.findall("object")
    ]
    return np.array(corners) / [height, width, height, width]


def inside(shape: tuple[int, int], boxes: Boxes) -> NDArray[np.bool_]:
    """Pixels in any of the boxes."""
    mask = np.zeros(shape, dtype=bool)
    for top, left, bottom, right in np.rint(boxes * [*shape, *shape]).astype(int).clip(0):
        mask[top:bottom, left:right] = True
    return mask


def pointing_and_energy(each: NDArray[np.float64], masks: list[NDArray[np.bool_]]) -> tuple[float, float]:
    """Mean over the masks."""
    highest = each >= each.max() - 1e-9 * np.abs(each).max()
    positive = each.clip(0)
    total = positive.sum() or 1.0
    return float(np.mean([mask[highest].mean() for mask in masks])), float(
        np.mean([positive[mask].sum() for mask in masks]) / total
    )


def score_map(each: NDArray[np.float64], own: Boxes, others: list[Boxes]) -> dict[str, float]:
    """Pointing and energy of a map, and what they would be by chance."""
    mask = inside(each.shape, own)  # type: ignore[arg-type]
    elsewhere = [inside(each.shape, boxes) for boxes in others]  # type: ignore[arg-type]
    parts = {
        "": pointing_and_energy(each, [mask]),
        ", position": pointing_and_energy(each, elsewhere),
        ", against": pointing_and_energy(-each, [mask]),
    }
    row = {f"pointing{name}": pointing for name, (pointing, _) in parts.items()}
    return row | {f"energy{name}": energy for name, (_, energy) in parts.items()} | {"area": float(mask.mean())}


def interval(values: NDArray[np.float64], groups: NDArray[Any]) -> dict[str, float]:
    """Mean, and its percentile interval over resampled groups."""
    codes = np.unique(groups, return_inverse=True)[1]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(0).integers(0, len(sums), (N_RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return {"value": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Every measure with its interval, and how far map and boxes are above each chance."""
    groups, out = table["group"].to_numpy(), {}
    for measure in ("pointing", "energy"):
        out[measure] = interval(table[measure].to_numpy(), groups)
        for name in ("area", f"{measure}, position", f"{measure}, against"):
            key = name if name != "area" else f"{measure}, area"
            out[key] = interval(table[name].to_numpy(), groups)
            out[f"{measure} minus {name.removeprefix(measure + ', ')}"] = interval(
                (table[measure] - table[name]).to_numpy(), groups
            )
    found = table[table["called_fractured"]]
    out["pointing, found"] = interval(found["pointing"].to_numpy(), found["group"].to_numpy())
    return out | {"images": len(table), "found": len(found)}


def overlay(path: str, each: NDArray[np.float64], boxes: Boxes, to: Path) -> None:
    """Draw a map over its image: orange for, blue against, the boxes green."""
    image = np.dstack([read_image(path)] * 3).astype(np.float64)
    strength = 0.7 * np.abs(each) / (np.abs(each).max() or 1)
    colour = np.where(each[..., None] > 0, [0.0, 110.0, 230.0], [180.0, 110.0, 0.0])
    out = (image + strength[..., None] * (colour - image)).astype(np.uint8)
    for top, left, bottom, right in np.rint(boxes * [*each.shape, *each.shape]).astype(int).tolist():
        cv2.rectangle(out, (left, top), (right, bottom), (0, 255, 0), max(1, each.shape[1] // 200))
    to.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(to), out)


def _fit(model: Any, data: FractureDataset, train: NDArray[np.int64]) -> None:
    """Fit on the training part, with boxes and groups where the model asks for them."""
    known = {"boxes": data.boxes, "groups": data.groups}
    with config_context(enable_metadata_routing=True):
        asked = get_routing_for_object(model).consumes("fit", known)
        model.fit(data.paths[train], data.y[train], **{name: known[name][train] for name in asked})  # type: ignore[index]


def measure(
    model: Any, data: FractureDataset, boxes: dict[int, Boxes], overlays: Path | None
) -> tuple[pd.DataFrame, float]:
    """A row for each fractured image, and the seconds that a map takes."""
    assert data.groups is not None
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.paths, data.y, data.groups)
    rows, seconds = [], 0.0
    for train, test in folds:
        _fit(model, data, train)
        fractured = test[data.y[test] == 1]
        called = model.predict(data.paths[fractured]) == 1
        for start in range(0, len(fractured), BLOCK):
            indices = fractured[start : start + BLOCK]
            before = time.perf_counter()
            maps = explain_images(model, data.paths[indices])
            seconds += time.perf_counter() - before
            for i, each in zip(indices.tolist(), maps, strict=True):
                strangers = [k for k in boxes if data.groups[k] != data.groups[i]]
                others = np.random.default_rng(i).choice(strangers, N_OTHERS, replace=False)
                rows.append(score_map(each, boxes[i], [boxes[k] for k in others.tolist()]))
                rows[-1] |= {"group": data.groups[i]}
                if overlays is not None and len(rows) % 20 == 0:
                    overlay(data.paths[i], each, boxes[i], overlays / f"{Path(data.paths[i]).stem}.png")
        first = len(rows) - len(fractured)
        for row, flag in zip(rows[first:], called.tolist(), strict=True):
            row["called_fractured"] = flag
    return pd.DataFrame(rows), seconds / len(rows)


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", help="names of models; default: all quick ones")
    parser.add_argument("--slow", action="store_true", help="Fisher vectors and a CNN too")
    parser.add_argument("--overlays", type=Path, help="folder for every twentieth map, drawn over its image")
    parser.add_argument("--weights", help="file of MobileNetV2's weights; default: those that keras fetches")
    options = parser.parse_args()
    makers = MODELS | SLOW if options.slow or options.models else MODELS
    if unknown := set(options.models or []) - set(makers):
        parser.error(f"--models: unknown {sorted(unknown)}; there are {list(makers)}")
    data, _ = exclude_unreadable(load_fracatlas(options.folder, groups=options.folder / "groups.csv"))
    boxes = {i: read_boxes(options.folder, data.paths[i]) for i in np.flatnonzero(data.y == 1).tolist()}
    path = RESULTS / "explain.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    described = f"{options.folder.name}: {len(boxes)} fractured of {len(data)}"
    with tempfile.TemporaryDirectory() as cache:
        for name in options.models or makers:
            model = makers[name]()
            own = model.get_params()
            model.set_params(
                **{k: cache for k in own if k.rpartition("__")[2] == "cache"},
                **{k: 0 for k in own if k.rpartition("__")[2] == "random_state"},
            )
            if options.weights is not None and "mobilenetv2" in name:
                model.set_params(classifier__weights=options.weights)
            folder = None if options.overlays is None else options.overlays / "".join(filter(str.isalnum, name))
            table, seconds = measure(model, data, boxes, folder)
            results[name] = summarise(table) | {"ms_per_map": round(1000 * seconds, 1)}
            print(name, pd.Series({k: v["value"] if isinstance(v, dict) else v for k, v in results[name].items()}))
            write_results("explain", results, data=described, folds=5)


if __name__ == "__main__":
    main()
