"""The data set that every loader returns."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..exceptions import DatasetError, DatasetWarning, NoReadableImagesError
from ..images import FileContent
from ._boxes import Marks, count_boxes, place_boxes
from ._dicom import ELEMENTS, METADATA, header_frame, read_headers
from ._files import count_kinds
from ._groups import resolve_groups
from ._inventory import take_inventory
from ._labels import encode_labels

LEFT_OUT = ("path", "label", "reason")


@dataclass(frozen=True, eq=False)
class FractureDataset:
    r"""Paths of radiographs with labels, groups and metadata.

    Parameters
    ----------
    paths : ndarray of shape (n_samples,), dtype str
        The files.
    y : ndarray of shape (n_samples,), dtype int64
        0 to n_classes - 1; of two classes 1 is fractured.
    target_names : list of str
        Name of each class.
    groups : ndarray of shape (n_samples,), dtype int64, or None
        Images with the same number, of one patient for example, stay on one side of every split.
    frame : DataFrame of n_samples rows
        The other columns a loader found.
    metadata_columns : tuple of str
        Columns of `frame` that are known before anyone has looked for a fracture.
    ignored : dict of str to int
        How many files were found that are no labelled images, by kind, such as "DICOM presentation state".
    left_out : DataFrame
        Labelled files that could not be taken, with the columns path, label and reason; `evaluate` lists them among
        those it excludes.
    boxes : ndarray of shape (n_samples,), dtype object, or None
        Where fractures are marked: for each image an array (n_boxes, 4) of float64, top, left, bottom and right in
        pixels of the image as displayed, bottom and right excluded; None for a fractured image of which no place is
        known. None altogether where the data set knows no boxes.
    box_labels : ndarray of shape (n_samples,), dtype object, or None
        For each image a tuple with the label of each of its boxes, None where `boxes` is None.

    See Also
    --------
    load_folder : From a folder for each class.
    load_csv : From a table.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> folder = make_radiographs(20, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> len(data), data.class_counts(), len(data.subset(data.y == 1))
    (20, {'non-fractured': 10, 'fractured': 10}, 10)
    """

    paths: NDArray[np.str_]
    y: NDArray[np.int64]
    target_names: list[str]
    groups: NDArray[np.int64] | None
    frame: pd.DataFrame
    metadata_columns: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LEFT_OUT), dtype=object))
    boxes: NDArray[np.object_] | None = None
    box_labels: NDArray[np.object_] | None = None

    @property
    def n_ignored(self) -> int:
        """Number of files that are no labelled images."""
        return sum(self.ignored.values())

    @cached_property
    def files(self) -> pd.DataFrame:
        """Table of the files, a row for each image, from one pass over them when first asked for.

        Columns size (bytes), mtime, sha256, format, height and width (pixels, as displayed), reason (why it cannot be
        read; missing where it can) and, where there is any DICOM, ViewPosition, BodyPartExamined and Laterality. Ids
        in DICOM headers, as hashes, are columns of `frame`.
        """
        return take_inventory(self.paths.tolist())

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.class_counts().items())
        groups = "no groups" if self.groups is None else f"{len(np.unique(self.groups))} groups"
        ignored = f", {count_kinds(self.ignored)}" if self.n_ignored else ""
        left_out = f", {len(self.left_out)} labelled files not taken" if len(self.left_out) else ""
        boxes = "" if self.boxes is None else f", {count_boxes(self.boxes)}"
        return f"<FractureDataset: {len(self)} images ({counts}), {groups}{boxes}{ignored}{left_out}>"

    def class_counts(self) -> dict[str, int]:
        """Number of images by class name."""
        counts = np.bincount(self.y, minlength=len(self.target_names))
        return dict(zip(self.target_names, counts.tolist(), strict=True))

    def metadata(self) -> pd.DataFrame:
        """Table of `metadata_columns`, indexed by path, as `MetadataLookup` takes it; gaps in text are "unknown"."""
        table = self.frame[list(self.metadata_columns)].set_axis(pd.Index(self.paths, name="path", dtype=object))
        # Booleans with gaps are objects, which no encoder can sort.
        other = table.select_dtypes(exclude="number").columns
        return table.assign(**{name: table[name].astype("string").fillna("unknown").astype(object) for name in other})

    def subset(self, rows: ArrayLike) -> FractureDataset:
        """Return the data set of these rows alone.

        Parameters
        ----------
        rows : array-like of int or bool
            Positions, or a mask.
        """
        rows = np.asarray(rows)
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        part = replace(
            self,
            paths=self.paths[positions],
            y=self.y[positions],
            groups=None if self.groups is None else self.groups[positions],
            frame=self.frame.iloc[positions].reset_index(drop=True),
            boxes=None if self.boxes is None else self.boxes[positions],
            box_labels=None if self.box_labels is None else self.box_labels[positions],
        )
        return part.with_files(self.files.iloc[positions]) if "files" in vars(self) else part

    def with_files(self, files: pd.DataFrame) -> FractureDataset:
        """Return the same data set, with an inventory that was taken before."""
        data = replace(self)
        vars(data)["files"] = files.reset_index(drop=True)
        return data


def make_dataset(
    root: Path,
    relative: Sequence[str],
    labels: Sequence[Hashable],
    frame: pd.DataFrame,
    *,
    groups: object = None,
    positive: Hashable | None = None,
    metadata_columns: Sequence[str] = (),
    ignored: Mapping[str, int] | None = None,
    salt: str | None = None,
    contents: Mapping[str, FileContent] | None = None,
    class_level: int | None = None,
    where: str | None = None,
    boxes: Sequence[Marks | None] | None = None,
) -> FractureDataset:
    """Put together what a loader found.

    Parameters
    ----------
    root, relative
        The images' folder, and posix paths below it.
    labels, frame
        A class and a row of other columns for each image.
    groups, positive, metadata_columns, ignored, salt
        As in FractureDataset and in the loaders.
    contents : mapping of str to FileContent, default=None
        What a loader saw of files.
    class_level : int, default=None
        Which folder of the path is the class.
    where : str, default=None
        What names the classes, for messages; None means `root`.
    boxes : sequence of Marks or None, default=None
        What is marked in each image, None where nothing is known of it.
    """
    asked = isinstance(groups, str) and groups in ELEMENTS and groups not in frame
    headers = read_headers(root, relative, salt, contents or {})
    elements = header_frame(headers)
    frame = frame.reset_index(drop=True)
    if elements is not None:
        frame = pd.concat([frame, elements.drop(columns=frame.columns, errors="ignore")], axis=1)
        metadata_columns = [*metadata_columns, *(name for name in METADATA if elements[name].notna().any())]
    if missing := [column for column in metadata_columns if column not in frame]:
        raise DatasetError(f"metadata_columns: no column {missing}; there are {list(frame.columns)}")
    where = where or str(root)
    y, names, merged = encode_labels(labels, positive, where)
    if merged:
        warnings.warn(f"{where}: taken for one class each: {'; '.join(map(str, merged))}", DatasetWarning, stacklevel=3)
    paths = np.array([str(root / path) for path in relative])
    # Without a header nobody can say whose image it is, and it cannot be read either.
    rows, left_out = _leave_out([header.reason if asked else None for header in headers], paths, np.array(names)[y])
    frame = frame.iloc[rows].reset_index(drop=True)
    placed = None if boxes is None else place_boxes([boxes[row] for row in rows], paths[rows], y[rows], names)
    return FractureDataset(
        paths=paths[rows],
        y=y[rows],
        target_names=names,
        groups=resolve_groups(groups, [relative[row] for row in rows], frame, y[rows], class_level),
        frame=frame,
        metadata_columns=tuple(dict.fromkeys(metadata_columns)),
        ignored=dict(ignored or {}),
        left_out=left_out,
        boxes=None if placed is None else placed.boxes,
        box_labels=None if placed is None else placed.labels,
    )


def left_out_table(data: FractureDataset, rows: ArrayLike, reasons: Sequence[str]) -> pd.DataFrame:
    """Path, label and reason of rows of a data set that are not taken."""
    rows = np.asarray(rows, dtype=np.int64)
    labels = np.array(data.target_names)[data.y[rows]]
    return pd.DataFrame({"path": data.paths[rows], "label": labels, "reason": list(reasons)}, dtype=object)


def _leave_out(
    reasons: Sequence[str | None], paths: NDArray[np.str_], labels: NDArray[np.str_]
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Rows without a reason against them, and a table of the others."""
    table = pd.DataFrame({"path": paths, "label": labels, "reason": list(reasons)}, dtype=object)
    kept = table["reason"].isna().to_numpy()
    if not kept.any():
        raise NoReadableImagesError(f"none of {len(table)} files can be taken; the first: {paths[0]}: {reasons[0]}")
    return np.flatnonzero(kept), table[~kept].reset_index(drop=True)
