"""Tables of images and labels."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path

from ._dataset import FractureDataset, is_fracture_name, make_dataset
from ._files import below_root, existing_folder
from ._table import column_of, read_table


def load_csv(
    path: str | os.PathLike[str],
    *,
    image: str = "image",
    label: str = "label",
    root: str | os.PathLike[str] | None = None,
    groups: object = None,
    positive: Hashable | None = None,
    metadata_columns: Sequence[str] = (),
    salt: str = "",
) -> FractureDataset:
    """Load a csv with one row for each image.

    Parameters
    ----------
    path : str or path-like
        The csv.
    image, label : str, default="image" and "label"
        Columns with the image's path below `root` and its class.
    root : str or path-like, default=None
        Folder of the images; None means the csv's own.
    groups : str, path-like or array-like, default=None
        Which images belong together: a column of the csv, another csv of images and groups, a regular expression
        on the path, or an array.
    positive : str or int, default=None
        The fracture's label. Not needed where one of two classes is named like a fracture, or the classes are 0 and
        1 in a column named like one (`fractured`).
    metadata_columns : sequence of str, default=()
        Columns that are known before anyone has looked for a fracture, such as body part and view.
    salt : str, default=""
        Key of the hashes that stand for the ids in DICOM headers, as in `load_folder`.

    Returns
    -------
    data : FractureDataset
        In the csv's order, its other columns in `frame`.

    Raises
    ------
    DatasetError
        If the csv cannot be read, lacks a column or a value, names a file that is missing or outside `root`, or the
        fracture or a group cannot be told.
    """
    path = Path(path)
    table = read_table(path)
    names = column_of(table, image, path).astype(str)
    labels = column_of(table, label, path)
    folder = existing_folder(path.parent if root is None else root)
    if positive is None and is_fracture_name(label) and set(labels.unique()) == {0, 1}:
        positive = labels.max()
    return make_dataset(
        folder,
        [below_root(folder, name, path) for name in names],
        labels.tolist(),
        table.drop(columns=[image, label]),
        groups=table[groups].to_numpy() if isinstance(groups, str) and groups in (image, label) else groups,
        positive=positive,
        metadata_columns=metadata_columns,
        salt=salt,
    )
