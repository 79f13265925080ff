"""A folder with one folder for each class."""

from __future__ import annotations

import os

import pandas as pd

from ..exceptions import DatasetError, NoReadableImagesError
from ._dataset import FractureDataset, make_dataset
from ._files import existing_folder, images_below

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def load_folder(
    root: str | os.PathLike[str], *, groups: object = None, positive: str | None = None, salt: str = ""
) -> FractureDataset:
    r"""Load a folder that holds one folder for each class.

    The classes may stand below `train/`, `val/` (or `valid/`) and `test/`; the split is then kept in
    `frame["split"]`. DICOM files, with the ending `.dcm` or none, add `PatientID`, `StudyInstanceUID` and
    `SeriesInstanceUID` (hashed), `ViewPosition`, `BodyPartExamined` and `Laterality` to the frame. Files may lie at any
    depth below their class. Of two classes the one named like a fracture is 1: `fractured/` beside `non-fractured/`,
    `not fractured`, `Non_fractured`, `normal`, `healthy`, …

    Parameters
    ----------
    root : str or path-like
    groups : str, path-like or array-like, default=None
        Which images belong together: a regular expression on the path below `root` (r"patient(\d+)"), a csv of
        images and groups, a column of the frame ("PatientID"), or an array by the order of the paths.
    positive : str, default=None
        The folder of the fractures, where two classes do not tell by their names.
    salt : str, default=""
        Key of the hashes that stand for the ids in DICOM headers; keep one secret for each data set.

    Returns
    -------
    data : FractureDataset
        Sorted by path.

    Raises
    ------
    DatasetError
        If `root` is no folder, holds no images (NoReadableImagesError) or one class only, mixes both layouts, or the
        fracture or a group cannot be told.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> folder = make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0)
    >>> load_folder(folder, groups=r"patient(\d+)").target_names
    ['non-fractured', 'fractured']
    """
    path = existing_folder(root)
    relative, n_ignored = images_below(path)
    parts = [name.split("/") for name in relative]
    if not relative:
        raise NoReadableImagesError(f"{path}: no images in it or below ({n_ignored} other files)")
    tops = {p[0] for p in parts}
    with_splits = {top for top in tops if top.casefold() in SPLITS}
    if with_splits and with_splits != tops:
        raise DatasetError(
            f"{path}: splits {sorted(with_splits)} stand beside other folders or images {sorted(tops - with_splits)}"
        )
    depth = 1 if with_splits else 0
    loose = [name for name, p in zip(relative, parts, strict=True) if len(p) < depth + 2]
    if loose:
        raise DatasetError(f"{path}: {len(loose)} images lie in no class folder, the first is {loose[0]!r}")
    frame = pd.DataFrame(index=range(len(relative)))
    if with_splits:
        frame["split"] = [SPLITS[p[0].casefold()] for p in parts]
    return make_dataset(
        path,
        relative,
        [p[depth] for p in parts],
        frame,
        groups=groups,
        positive=positive,
        n_ignored=n_ignored,
        salt=salt,
    )
