"""FracAtlas, as it is published."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from ..exceptions import DatasetError, DatasetWarning, GroupsError
from ._box_tables import read_voc
from ._boxes import Marks
from ._dataset import FractureDataset, make_dataset
from ._files import FoundFiles, existing_folder, find_images
from ._table import as_values, check_unique, column_of, read_table

BODY_PARTS = ["hand", "leg", "hip", "shoulder"]
VIEWS = ["frontal", "lateral", "oblique"]
FLAGS = [*BODY_PARTS, *VIEWS, "fractured", "hardware", "multiscan"]
FOLDERS = {0: "Non_fractured", 1: "Fractured"}
ANNOTATIONS = Path("Annotations", "PASCAL VOC")
BLOCK = 20


def load_fracatlas(root: str | os.PathLike[str], *, groups: object = None) -> FractureDataset:
    r"""Load FracAtlas from its folder, the one with `dataset.csv` and `images/`.

    Where the csv's `fractured` and the folder that an image lies in disagree, as they do on IMG0003298, the folder is
    right if the csv's `fracture_count` or a box in `Annotations/PASCAL VOC/` agrees with it, otherwise the csv. The
    loader warns of it; `frame["fractured"]` keeps what the csv says.

    Parameters
    ----------
    root : str or path-like
        The folder that holds `dataset.csv`.
    groups : "blocks", str, path-like or array-like, default=None
        FracAtlas has no patient ids. "blocks" keeps every 20 neighbouring image numbers together, since those often
        show the same patient; it does not find duplicates further apart. Or a csv of images and groups, or an array.

    Returns
    -------
    data : FractureDataset
        In the csv's order. `frame` has `body_part`, `view`, `hardware` and `multiscan`, the metadata columns, and
        `fractured` and `fracture_count` as the csv has them. `boxes` are those of `Annotations/PASCAL VOC/`, where it
        is, brought from the size that each file there states to that of the image.

    Raises
    ------
    DatasetError
        If the csv or an image it names is missing, a flag is neither 0 nor 1, a file of boxes cannot be read, or a box
        lies outside its image.

    Warns
    -----
    DatasetWarning
        If the csv and the folders disagree on an image, or boxes are empty, reach over the edge or are on images
        without a fracture.

    See Also
    --------
    fracture_features.protocols.load_protocol : Groups and folds that are fixed.
    load_csv : Any other table.

    References
    ----------
    .. [1] I. Abedeen et al., "FracAtlas: a dataset for fracture classification, localization and segmentation of
       musculoskeletal radiographs", Scientific Data 10, 2023.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from pathlib import Path
    >>> from fracture_features import load_fracatlas
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, number in (("Fractured", 0), ("Non_fractured", 20)):
    ...     (folder / "images" / name).mkdir(parents=True)
    ...     _ = cv2.imwrite(str(folder / "images" / name / f"IMG{number:07d}.jpg"), np.zeros((40, 30), dtype=np.uint8))
    >>> columns = "image_id,hand,leg,hip,shoulder,hardware,multiscan,fractured,fracture_count,frontal,lateral,oblique"
    >>> rows = ["IMG0000000.jpg,1,0,0,0,0,0,1,1,1,0,0", "IMG0000020.jpg,0,1,0,0,0,0,0,0,0,1,0"]
    >>> _ = (folder / "dataset.csv").write_text("\n".join([columns, *rows]))
    >>> load_fracatlas(folder, groups="blocks").frame[["body_part", "view"]].values.tolist()
    [['hand', 'frontal'], ['leg', 'lateral']]
    """
    folder = existing_folder(root)
    path = folder / "dataset.csv"
    text = read_table(path)
    numbers = {column: _numbers(text, column, path) for column in [*FLAGS, "fracture_count"]}
    table = pd.DataFrame({"image_id": column_of(text, "image_id", path).str.strip(), **numbers})
    check_unique(table["image_id"].tolist(), table, path)
    found = find_images(folder / "images") if (folder / "images").is_dir() else FoundFiles()
    labels = _labels_of(folder, table, set(found.images), path)
    relative = [f"images/{place}/{name}" for name, (_, place) in zip(table["image_id"], labels, strict=True)]
    frame = table[["hardware", "multiscan", "fractured", "fracture_count"]].copy()
    frame.insert(0, "body_part", _joined(table[BODY_PARTS]))
    frame.insert(1, "view", _joined(table[VIEWS]))
    if isinstance(groups, str) and groups == "blocks":
        groups = [_block(name, path) for name in table["image_id"]]
    unlisted = len(found.images) - len({name.removeprefix("images/") for name in relative} & set(found.images))
    return make_dataset(
        folder,
        relative,
        [label for label, _ in labels],
        frame,
        groups=groups,
        positive=FOLDERS[1],
        metadata_columns=("body_part", "view", "hardware", "multiscan"),
        ignored=found.ignored + Counter({"image that dataset.csv does not name": unlisted} if unlisted else {}),
        contents={f"images/{name}": content for name, content in found.contents.items()},
        class_level=1,
        boxes=_boxes_of(folder, table["image_id"].tolist()),
    )


def _boxes_of(folder: Path, names: list[str]) -> list[Marks | None] | None:
    """Return what is marked in each image, where anything is."""
    files = [folder / ANNOTATIONS / f"{Path(name).stem}.xml" for name in names]
    found = [read_voc(path) if path.is_file() else None for path in files]
    return found if any(found) else None


def _numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column of whole numbers; flags are 0 or 1."""
    numbers = as_values(column_of(table, column, path).to_frame())[column]
    whole = pd.api.types.is_integer_dtype(numbers)
    if not whole or (numbers < 0).any() or (column in FLAGS and (numbers > 1).any()):
        expected = "0 and 1" if column in FLAGS else "counts"
        found = sorted(set(numbers.tolist()), key=str)[:5]
        raise DatasetError(f"{path}: column {column!r} holds {found}; expected {expected}")
    return numbers


def _labels_of(folder: Path, table: pd.DataFrame, there: set[str], path: Path) -> list[tuple[str, str]]:
    """The class of each image, and the folder it lies in."""
    labels, contradicted, missing = [], [], []
    columns = (table[name].tolist() for name in ("image_id", "fractured", "fracture_count"))
    for name, flag, count in zip(*columns, strict=True):
        label = told = FOLDERS[flag]
        place = next((each for each in (told, FOLDERS[1 - flag]) if f"{each}/{name}" in there), None)
        if place is None:
            missing.append(f"images/{told}/{name}")
        elif place != told:
            if (count > 0) == (place == FOLDERS[1]) or (count == 0 and _has_box(folder, name)):
                label = place
            contradicted.append(f"{name} is taken for {label}")
        labels.append((label, place or told))
    if missing:
        found = f"{len(missing)} of {len(table)} images are not there"
        raise DatasetError(f"{path}: {found}, the first is {missing[0]!r}")
    if contradicted:
        warnings.warn(
            f"{path}: of {len(contradicted)} images 'fractured' contradicts the folder; the fracture count or a box "
            f"decided: {', '.join(contradicted[:5])}",
            DatasetWarning,
            stacklevel=3,
        )
    return labels


def _has_box(folder: Path, name: str) -> bool:
    """Tell whether a fracture is marked in the image."""
    path = folder / ANNOTATIONS / f"{Path(name).stem}.xml"
    return path.is_file() and b"<object>" in path.read_bytes()


def _block(name: str, path: Path) -> int:
    digits = re.findall(r"\d+", Path(name).stem)
    if not digits:
        raise GroupsError(f"{path}: groups='blocks' needs a number in each image_id, got {name!r}")
    return int("".join(digits)) // BLOCK


def _joined(flags: pd.DataFrame) -> list[str]:
    """Names of the columns that are 1, joined by +."""
    columns = flags.columns.to_numpy()
    return ["+".join(columns[row == 1]) or "unknown" for row in flags.to_numpy()]
