"""A page on a data set, before any model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._optional import require
from .._text import any_text
from ..cnn import augment_images
from ..datasets import FractureDataset, count_kinds
from ..exceptions import NoReadableImagesError
from ..images import read_image
from ..plotting import plot_class_balance, plot_image_sizes
from ._figures import draw
from ._pictures import SIZE, to_jpeg
from ._summary import shorten_paths
from ._tables import MAX_ROWS, Cell, Table
from ._write import write_page

N_SAMPLES = 8  # of each class
N_VARIATIONS = 7
MAX_CLASSES, MAX_VALUES = 6, 12


@dataclass(frozen=True)
class Sample:
    """A radiograph, and the file it is from."""

    name: str
    image: str


@any_text
def write_data(data: FractureDataset, path: str | os.PathLike[str], *, random_state: int | None = None) -> Path:
    r"""Write one HTML page on a data set: classes, sizes, formats, metadata, images, and variations of one.

    It needs nothing else: no network, no other file. Eight small radiographs of each class are in it: mind where it is
    sent.

    Parameters
    ----------
    data : FractureDataset
        From a loader.
    path : str or path-like
        Of the page; an existing file is overwritten.
    random_state : int, default=None
        Which images are shown.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    MissingDependencyError
        If matplotlib or jinja2 is not installed.
    NoReadableImagesError
        If no file can be read.
    OSError
        If the page cannot be written.

    See Also
    --------
    write_audit : What is wrong with a data set.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.report import write_data
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(10, folder=folder + "/x", random_state=0), groups=r"patient(\d+)")
    >>> write_data(data, folder + "/data.html", random_state=0).name
    'data.html'
    """
    require("matplotlib", extra="report", needed_for="write_data")
    readable = data.subset(data.files["reason"].isna())
    if not len(readable):
        raise NoReadableImagesError(f"none of {len(data)} files can be read; the first: {data.paths[0]}")
    names = shorten_paths(data.paths.tolist())
    rng = np.random.default_rng(random_state)
    shown = {name: _choose(readable, k, rng) for k, name in list(enumerate(data.target_names))[:MAX_CLASSES]}
    first = int(next(rows[0] for rows in shown.values() if len(rows)))
    content = {
        "data": data,
        "classes": data.class_counts(),
        "n_groups": None if data.groups is None else len(np.unique(data.groups)),
        "n_unreadable": len(data) - len(readable),
        "ignored": count_kinds(data.ignored),
        "tables": [table for table in _tables(data, names) if table is not None],
        "figures": [
            draw(plot_class_balance, 1.1 + 0.5 * len(data.target_names), "Images by class", data),
            draw(plot_image_sizes, 3.8, "Sizes of the images", readable),
        ],
        "samples": {name: [_sample(readable, row, names) for row in rows] for name, rows in shown.items()},
        "original": _sample(readable, first, names),
        "variations": _variations(readable.paths[first], random_state),
    }
    return write_page(path, "data.html", content, needed_for="write_data")


def _choose(data: FractureDataset, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Images of a class at random, those of other groups first."""
    order = rng.permutation(np.flatnonzero(data.y == k))
    groups = order if data.groups is None else data.groups[order]
    repeats = pd.Series(groups).groupby(groups).cumcount().to_numpy()
    return order[np.argsort(repeats, kind="stable")][:N_SAMPLES]


def _sample(data: FractureDataset, row: int, names: dict[str, str]) -> Sample:
    path = str(data.paths[row])
    return Sample(names[path], to_jpeg(read_image(path, max_side=SIZE)))


def _variations(path: str, random_state: int | None) -> list[str]:
    image = read_image(path, max_side=SIZE)
    return [to_jpeg(image) for image in augment_images(image[None], N_VARIATIONS, random_state=random_state)[0]]


def _tables(data: FractureDataset, names: dict[str, str]) -> list[Table | None]:
    files = data.files
    formats = files["format"].fillna("not known").value_counts()
    return [
        _counts("Images by class", "Class", data.class_counts(), len(data)),
        _sizes(files),
        _counts("Formats", "Format", formats.to_dict(), len(data)),
        *(_by_class(data, column) for column in data.metadata_columns),
        _unreadable(data, names),
    ]


def _counts(caption: str, heading: str, counts: dict[Any, int], n: int) -> Table:
    rows = [
        [Cell(str(name)), Cell(str(k), sort=float(k)), Cell(f"{k / n:.0%}", sort=k / n)] for name, k in counts.items()
    ]
    return Table(caption, [heading, "Images", "Share"], [rows])


def _sizes(files: pd.DataFrame) -> Table | None:
    """Quartiles of height and width."""
    known = files[files["height"].notna()]
    if known.empty:
        return None
    rows = []
    for name in ("height", "width"):
        values = np.quantile(known[name].to_numpy(dtype=np.float64), [0, 0.25, 0.5, 0.75, 1])
        rows.append([Cell(f"{name.capitalize()}, pixels"), *(Cell(f"{value:.0f}", sort=value) for value in values)])
    return Table(
        "Sizes of the images", ["Side", "Smallest", "Lower quartile", "Median", "Upper quartile", "Largest"], [rows]
    )


def _by_class(data: FractureDataset, column: str) -> Table | None:
    """Images of each class by the values of a column of few; a share far from the others' may be a shortcut."""
    values = data.frame[column]
    if not 2 <= values.nunique() <= MAX_VALUES:
        return None
    rows = []
    for value in sorted(values.dropna().unique(), key=str):
        counts = np.bincount(data.y[(values == value).to_numpy(dtype=bool)], minlength=len(data.target_names))
        rows.append([Cell(str(value)), *(Cell(str(k), sort=float(k)) for k in counts)])
    return Table(f"Classes by {column}", [column, *data.target_names], [rows])


def _unreadable(data: FractureDataset, names: dict[str, str]) -> Table | None:
    reasons: Sequence[Any] = data.files["reason"].tolist()
    rows = [
        [Cell(names[path]), Cell(data.target_names[y]), Cell(reason)]
        for path, y, reason in zip(data.paths.tolist(), data.y, reasons, strict=True)
        if isinstance(reason, str)
    ]
    notes = [f"{len(rows) - MAX_ROWS} more."] if len(rows) > MAX_ROWS else []
    return Table("Files that cannot be read", ["File", "Class", "Reason"], [rows[:MAX_ROWS]], notes) if rows else None
