"""Choose how ImageReader resizes and adjusts contrast by default: on one half of the groups, reported on the other.

    python benchmarks/bench_reader_defaults.py [FRACATLAS] [--groups CSV]

Every setting is cross-validated with three pipelines within each half; the choice is the setting with the highest mean
ROC AUC on the first half. Writes benchmarks/results/reader_defaults.csv. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from _about import RESULTS
from numpy.typing import NDArray

from fracture_features import FractureDataset, evaluate, load_fracatlas, make_pipeline
from fracture_features.evaluation import exclude_unreadable

MODELS = {"hog+svm": ("hog", "svm"), "lbp+svm": ("lbp", "svm"), "edges+xgboost": ("edges", "xgboost")}
SETTINGS = list(product(["pad", "stretch"], ["none", "percentile", "clahe"]))


def choice_half(data: FractureDataset) -> NDArray[np.bool_]:
    """Which images lie in the half of the groups on which defaults are chosen; it is drawn at random."""
    assert data.groups is not None
    groups = np.random.default_rng(0).permutation(np.unique(data.groups))
    return np.isin(data.groups, groups[: len(groups) // 2])


def roc_auc(data: FractureDataset, resize: str, contrast: str) -> pd.Series:
    """ROC AUC of each model."""
    models = {
        name: make_pipeline(*parts, resize=resize, random_state=0, n_jobs=-1).set_params(images__contrast=contrast)
        for name, parts in MODELS.items()
    }
    frame = evaluate(models, data, random_state=0).frame()
    return frame[frame["measure"] == "roc_auc"].set_index("model")["value"][list(MODELS)]


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/fracatlas"))
    parser.add_argument("--groups", type=Path, help="csv of images and groups (default: FRACATLAS/groups.csv)")
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"no folder {options.folder}: give that of FracAtlas")
    data, _ = exclude_unreadable(load_fracatlas(options.folder, groups=options.groups or options.folder / "groups.csv"))
    rows = []
    first = choice_half(data)
    for half, part in (("choice", data.subset(first)), ("report", data.subset(~first))):
        for resize, contrast in SETTINGS:
            values = roc_auc(part, resize, contrast)
            rows.append({"half": half, "resize": resize, "contrast": contrast, **values, "mean": values.mean()})
            print({key: round(x, 3) if isinstance(x, float) else x for key, x in rows[-1].items()}, flush=True)
    pd.DataFrame(rows).round(4).to_csv(RESULTS / "reader_defaults.csv", index=False)


if __name__ == "__main__":
    main()
