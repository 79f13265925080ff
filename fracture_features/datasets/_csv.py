"""Tables of images and labels."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence
from pathlib import Path

from ._box_tables import read_box_table
from ._dataset import FractureDataset, make_dataset
from ._files import NamedFiles, existing_folder
from ._labels import is_fracture_name
from ._table import as_values, check_unique, column_of, read_table

# Answers of a column called like a fracture, and which of them means one.
YES = {frozenset({no, yes}): yes for no, yes in (("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"))}


def load_csv(
    path: str | os.PathLike[str],
    *,
    image: str = "image",
    label: str = "label",
    root: str | os.PathLike[str] | None = None,
    groups: object = None,
    positive: Hashable | None = None,
    empty: str | None = None,
    metadata_columns: Sequence[str] = (),
    salt: str | None = None,
    boxes: str | os.PathLike[str] | None = None,
) -> FractureDataset:
    r"""Load a csv with one row for each image.

    Cells are read as text: `0005` stays what it is, `None` and `N/A` are words. Commas, semicolons and tabs separate;
    the encoding is UTF-8, UTF-16 with a byte order mark, or Windows-1252; an index column without a name is left away.
    Columns of nothing but numbers become numbers in `frame`.

    Parameters
    ----------
    path : str or path-like
        The csv.
    image, label : str, default="image" and "label"
        Columns with the image's file and its class. The file is named by its path below `root`, with slashes or
        backslashes, or by an absolute path into `root`; its ending and, where the name is that of one file only, its
        folder may be missing.
    root : str or path-like, default=None
        Folder of the images; None means the csv's own. Where it is given, absolute paths of another place, such as
        `C:\data\a\1.png`, stand for what their end is below it.
    groups : str, path-like or array-like, default=None
        Which images belong together: a column of the csv, another csv of images and groups, a regular expression
        on the path, or an array.
    positive : str or int, default=None
        The fracture's label. Not needed where one of two classes is named like a fracture, or the classes are 0 and
        1, False and True, or no and yes in a column named like one (`fractured`).
    empty : str, default=None
        The class of images whose label is empty; None makes an empty label an error.
    metadata_columns : sequence of str, default=()
        Columns that are known before anyone has looked for a fracture, such as body part and view.
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
        In the csv's order, its other columns in `frame`.

    Raises
    ------
    DatasetError
        If the csv cannot be read, lacks a column or a value, names a file twice or one that is missing or outside
        `root`, the fracture or a group cannot be told (GroupsError), or boxes cannot be read or lie outside their
        image.

    Warns
    -----
    DatasetWarning
        If several spellings are taken for one class; if boxes are empty, reach over the edge, are on images of the
        class without fractures, or of images that are not there.

    See Also
    --------
    load_folder : From a folder for each class.
    load_coco, load_yolo : With boxes.

    Notes
    -----
    GRAZPEDWRI-DX [1]_ as published, its images unpacked beside its csv, in whichever folders::

        load_csv("dataset.csv", image="filestem", label="fracture_visible", empty="0", groups="patient_id",
                 metadata_columns=["age", "gender", "laterality", "projection"])

    References
    ----------
    .. [1] E. Nagy et al., "A pediatric wrist trauma X-ray dataset (GRAZPEDWRI-DX) for machine learning", Scientific
       Data 9, 2022.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_csv, make_radiographs
    >>> folder = make_radiographs(12, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_csv(folder / "truth.csv", label="fractured", groups="patient")
    >>> len(data), data.target_names
    (12, ['0', '1'])
    """
    path = Path(path)
    table = read_table(path)
    names = column_of(table, image, path)
    labels = [_label(text) for text in column_of(table, label, path, empty=empty)]
    folder = existing_folder(path.parent if root is None else root)
    if positive is None and is_fracture_name(label):
        positive = YES.get(frozenset(text.casefold() for text in labels))
    files = NamedFiles(folder, path, salt, is_moved=root is not None)
    relative = [files.find(name) for name in names]
    check_unique(relative, table, path)
    values = as_values(table)
    return make_dataset(
        folder,
        relative,
        labels,
        values.drop(columns=[image, label]),
        groups=values[groups].to_numpy() if isinstance(groups, str) and groups in (image, label) else groups,
        positive=positive,
        metadata_columns=metadata_columns,
        salt=salt,
        contents=files.contents,
        where=str(path),
        boxes=None if boxes is None else read_box_table(boxes, relative),
    )


def _label(text: str) -> str:
    """A class's name; whole numbers written as decimals are whole numbers."""
    return re.sub(r"^(\d+)\.0+$", r"\1", text.strip())
