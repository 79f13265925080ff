"""A folder with one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from .._text import any_text
from ..exceptions import NoReadableImagesError
from ._box_tables import read_box_table
from ._dataset import FractureDataset, make_dataset
from ._files import existing_folder, find_images, no_images
from ._layout import read_layout, split_of


@any_text
def load_folder(
    root: str | os.PathLike[str],
    *,
    groups: object = None,
    positive: str | None = None,
    metadata_columns: Sequence[str] = (),
    salt: str | None = None,
    boxes: str | os.PathLike[str] | None = None,
) -> FractureDataset:
    r"""Load a folder that holds one folder for each class.

    The classes may stand below `train/`, `val/` (or `valid/`) and `test/`, or folders called like them (`train_set`,
    `Training`, `val_data`); the split is then kept in `frame["split"]`, which `evaluate(..., cv="split")` uses. Folders
    above the classes, such as body parts, are found by what the classes are called, and kept in `frame["folder"]`.
    Files may lie at any depth below their class, and folders may be links.

    A file's content decides what it is: DICOM files are found under any name, and add `PatientID`,
    `StudyInstanceUID` and `SeriesInstanceUID` (hashed), `ViewPosition`, `BodyPartExamined` and `Laterality` to the
    frame. Presentation states, reports and the like are no labelled images; they are counted in `ignored`, as are
    files of other formats. What is called `.jpg` and the like, and is nothing known, is an image that cannot be read.
    A DICOM whose header cannot be read has none of these columns; where groups are asked of it, it stands in
    `left_out`.

    Of two classes the one named like a fracture is 1: `fractured/` beside `non-fractured/`, `not fractured`, `normal`,
    `healthy`, `sin_fractura`, … Names that are not certain (`no acute fracture`) need `positive=`. Spellings that
    differ in case, separators or blanks at the ends are one class, which a warning says.

    Parameters
    ----------
    root : str or path-like
        The folder that holds the classes.
    groups : str, path-like or array-like, default=None
        Which images belong together: a regular expression on the path below `root` (r"patient(\d+)"), a csv of
        images and groups, a column of the frame ("PatientID"), or an array by the order of the paths.
    positive : str, default=None
        The folder of the fractures, where two classes do not tell by their names, or those of folders above them do
        not tell that they are none.
    metadata_columns : sequence of str, default=()
        Columns of the frame that are known before anyone has looked for a fracture, such as "folder".
    salt : str, default=None
        Key of the hashes that stand for the ids in DICOM headers. None means a random one, the same for all data sets
        of a process; with a secret one, ids of several processes can be compared. Groups do not depend on it.
    boxes : str or path-like, default=None
        A csv of where fractures are marked, a row for each box: `image`, named as in a csv of groups, `top, left,
        bottom, right` in pixels of the file as displayed (or `x_min, y_min, x_max, y_max`) and, if there is one,
        `label`. A row without sides says that nothing is marked in the image.

    Returns
    -------
    data : FractureDataset
        Sorted by path.

    Raises
    ------
    DatasetError
        If `root` is no folder, holds no images (NoReadableImagesError) or one class only, mixes both layouts, or the
        fracture or a group cannot be told (GroupsError), or boxes cannot be read or lie outside their image.

    Warns
    -----
    DatasetWarning
        If several spellings are taken for one class; if folders taken for classes have the same folders in each of
        them, which may be the classes; if boxes are empty, reach over the edge, are on images of the
        class without fractures, or of images that are not there.

    See Also
    --------
    load_csv : From a table of files and labels.
    fracture_features.audit_dataset : What is wrong in it.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> folder = make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0)
    >>> load_folder(folder, groups=r"patient(\d+)").target_names
    ['non-fractured', 'fractured']
    """
    path = existing_folder(root)
    found = find_images(path, salt)
    if not found.images:
        raise NoReadableImagesError(f"{path}: {no_images(found)}")
    parts = [name.split("/") for name in found.images]
    layout = read_layout(parts, positive, str(path))
    above = [k for k in range(layout.class_level) if k != layout.split_level]
    columns = {}
    if layout.split_level is not None:
        columns["split"] = [split_of(p[layout.split_level]) for p in parts]
    if len(folders := {tuple(p[k] for k in above) for p in parts}) > 1:
        shared = [len({folder[k] for folder in folders}) == 1 for k in range(len(above))]
        columns["folder"] = ["/".join(p[k] for k, same in zip(above, shared, strict=True) if not same) for p in parts]
    return make_dataset(
        path,
        found.images,
        [p[layout.class_level] for p in parts],
        pd.DataFrame(columns, index=range(len(parts))),
        groups=groups,
        positive=positive,
        metadata_columns=metadata_columns,
        ignored=found.ignored,
        salt=salt,
        contents=found.contents,
        class_level=layout.class_level,
        boxes=None if boxes is None else read_box_table(boxes, found.images),
    )
