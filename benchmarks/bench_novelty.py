"""Measure which files a model says to be unlike its training images.

    python benchmarks/bench_novelty.py FRACATLAS [--models lbp+svm hog+svm]

Five folds of the groups of groups.csv: a model is trained on four (`train_model`), and asked of the fifth by
`predict_frame`. Told are the shares of its radiographs that are said to be unlike the training images, which are false
alarms, and of the same radiographs inverted, turned by 90 degrees and upside down, of noise, blank images, and the
photographs that scikit-image brings. The limit is that of the library: nothing is chosen here.

Prints the table and writes benchmarks/results/novelty.json. Takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import skimage.data
from _about import write_results
from bench_accuracy import load
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features import make_pipeline, read_image, train_model

N_CHANGED = 200  # radiographs of a fold that are changed
PHOTOGRAPHS = ("astronaut", "brick", "camera", "chelsea", "clock", "coffee", "coins", "grass", "gravel", "moon", "text")
CHANGES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "inverted": lambda image: 255 - image,
    "turned by 90 degrees": lambda image: np.rot90(image),
    "upside down": lambda image: image[::-1],
}


def write(folder: Path, images: list[NDArray[np.uint8]]) -> list[str]:
    """Write images as files of a new folder and name them."""
    folder.mkdir()
    paths = [str(folder / f"{k}.png") for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, np.ascontiguousarray(image))
    return paths


def strangers(folder: Path) -> dict[str, list[str]]:
    """Files that are no radiographs."""
    rng = np.random.default_rng(0)
    photographs = [np.asarray(getattr(skimage.data, name)()) for name in PHOTOGRAPHS]
    kinds = {
        "photographs": [image[..., ::-1] if image.ndim == 3 else image for image in photographs],
        "noise": [rng.integers(0, 256, (400, 300), dtype=np.uint8) for _ in range(10)],
        "blank": [np.full((400, 300), level, dtype=np.uint8) for level in (0, 60, 128, 200, 255)],
    }
    return {kind: write(folder / kind, images) for kind, images in kinds.items()}


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["lbp+svm", "hog+svm"])
    options = parser.parse_args()
    data = load(options.folder, None)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as parent:
        others = strangers(Path(parent))
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.paths, data.y, data.groups)
        for fold, (train, test) in enumerate(folds, start=1):
            some = [read_image(path) for path in data.paths[np.random.default_rng(fold).permutation(test)[:N_CHANGED]]]
            asked = {"radiographs of other groups": data.paths[test].tolist()} | others
            for kind, change in CHANGES.items():
                asked[kind] = write(Path(parent, f"{kind} {fold}"), [change(image) for image in some])
            for name in options.models:
                pipeline = make_pipeline(name, cache=Path(parent, "cache"), n_jobs=-1)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the copies in the data, which have one group
                    model = train_model(pipeline, data.subset(train), random_state=0)
                for kind, paths in asked.items():
                    unlike = model.predict_frame(paths)["unlike_training"]
                    rows += [{"model": name, "images": kind, "unlike": bool(each)} for each in unlike]
            print(f"fold {fold} done", flush=True)
    table = pd.DataFrame(rows).groupby(["images", "model"], sort=False)["unlike"].mean().unstack().round(4)
    print(table.to_string())
    write_results(
        "novelty", table.to_dict("index"), data=f"{options.folder.name}: {len(data)} readable images", folds=5
    )


if __name__ == "__main__":
    main()
