"""FracAtlas, as it is published."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from ..exceptions import DatasetError
from ._dataset import FractureDataset, make_dataset
from ._files import existing_folder
from ._table import column_of, read_table

BODY_PARTS = ["hand", "leg", "hip", "shoulder"]
VIEWS = ["frontal", "lateral", "oblique"]
FOLDERS = {0: "Non_fractured", 1: "Fractured"}
BLOCK = 20


def load_fracatlas(root: str | os.PathLike[str], *, groups: object = None) -> FractureDataset:
    """Load FracAtlas from its folder, the one with `dataset.csv` and `images/`.

    Parameters
    ----------
    root : str or path-like
    groups : "blocks", str, path-like or array-like, default=None
        FracAtlas has no patient ids. "blocks" keeps every 20 neighbouring image numbers together, since those often
        show the same patient; it does not find duplicates further apart. Or a csv of images and groups, or an array.

    Returns
    -------
    data : FractureDataset
        In the csv's order. `frame` has `body_part`, `view`, `hardware` and `multiscan`, the metadata columns, and
        `fracture_count`.

    Raises
    ------
    DatasetError
        If the csv or an image it names is missing.

    References
    ----------
    .. [1] I. Abedeen et al., "FracAtlas: a dataset for fracture classification, localization and segmentation of
       musculoskeletal radiographs", Scientific Data 10, 2023.
    """
    folder = existing_folder(root)
    path = folder / "dataset.csv"
    table = read_table(path)
    for column in [*BODY_PARTS, *VIEWS, "image_id", "fractured", "hardware", "multiscan", "fracture_count"]:
        column_of(table, column, path)
    labels = table["fractured"]
    if not labels.isin(FOLDERS).all():
        raise DatasetError(f"{path}: column 'fractured' holds {sorted(set(labels.tolist()))}; expected 0 and 1")
    labels = labels.map(FOLDERS)
    relative = [f"images/{label}/{name}" for label, name in zip(labels, table["image_id"], strict=True)]
    missing = [name for name in relative if not (folder / name).is_file()]
    if missing:
        found = f"{len(missing)} of {len(relative)} images are not there"
        raise DatasetError(f"{path}: {found}, the first is {missing[0]!r}")
    frame = pd.DataFrame(
        {
            "body_part": _joined(table[BODY_PARTS]),
            "view": _joined(table[VIEWS]),
            "hardware": table["hardware"],
            "multiscan": table["multiscan"],
            "fracture_count": table["fracture_count"],
        }
    )
    if isinstance(groups, str) and groups == "blocks":
        groups = table["image_id"].map(lambda name: int("".join(filter(str.isdigit, Path(name).stem))) // BLOCK)
    return make_dataset(
        folder,
        relative,
        labels.tolist(),
        frame,
        groups=groups,
        metadata_columns=("body_part", "view", "hardware", "multiscan"),
    )


def _joined(flags: pd.DataFrame) -> list[str]:
    """Names of the columns that are 1, joined by +."""
    columns = flags.columns.to_numpy()
    return ["+".join(columns[row == 1]) or "unknown" for row in flags.to_numpy()]
