"""What every loader returns."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..exceptions import DatasetError
from ._dicom import METADATA, dicom_frame
from ._groups import resolve_groups
from ._inventory import take_inventory


@dataclass(frozen=True, eq=False)
class FractureDataset:
    """Paths of radiographs with their labels, groups and whatever else is known of them.

    Attributes
    ----------
    paths : ndarray of shape (n_samples,), dtype str
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
    n_ignored : int
        Files found that are no images.
    salt : str
        Key of the hashes that stand for the ids in DICOM headers.
    """

    paths: NDArray[np.str_]
    y: NDArray[np.int64]
    target_names: list[str]
    groups: NDArray[np.int64] | None
    frame: pd.DataFrame
    metadata_columns: tuple[str, ...] = ()
    n_ignored: int = 0
    salt: str = field(default="", repr=False)

    @cached_property
    def files(self) -> pd.DataFrame:
        """What one pass over the files found, a row for each image; taken when first asked for.

        Columns size (bytes), mtime, sha256, format, height and width (pixels, as displayed), reason (why it cannot be
        read; missing where it can) and, where there is any DICOM, the elements of `images.read_header`.
        """
        return take_inventory(self.paths.tolist(), salt=self.salt)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.class_counts().items())
        groups = "no groups" if self.groups is None else f"{len(np.unique(self.groups))} groups"
        ignored = f", {self.n_ignored} other files ignored" if self.n_ignored else ""
        return f"<FractureDataset: {len(self)} images ({counts}), {groups}{ignored}>"

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
        )
        return part.with_files(self.files.iloc[positions]) if "files" in vars(self) else part

    def with_files(self, files: pd.DataFrame) -> FractureDataset:
        """Return the same data set, with an inventory that was taken before."""
        data = replace(self)
        vars(data)["files"] = files.reset_index(drop=True)
        return data


NOT_FRACTURED = re.compile(
    r"(?:\b|_)(?:non|not|no|un|without)[\W_]*(?:a[\W_]+)?(?:fractur|broken)|normal|healthy|negative|intact"
)
FRACTURED = re.compile(r"fractur|broken|positive")


def encode_labels(
    labels: Sequence[Hashable], positive: Hashable | None, where: str
) -> tuple[NDArray[np.int64], list[str]]:
    """Labels as integers with the name of each; of two classes the fracture is 1.

    More than two classes are numbered in the order of their names.

    Raises
    ------
    DatasetError
        If there is one class only, `positive` is none of the labels or of more than two, or neither of two
        classes is named like a fracture.
    """
    names = sorted({str(label) for label in labels})
    if len(names) < 2:
        raise DatasetError(f"{where}: expected at least two classes, found only {names}")
    if positive is not None and str(positive) not in names:
        raise DatasetError(f"{where}: positive={positive!r} is none of the classes {names}")
    if len(names) > 2:
        if positive is not None:
            raise DatasetError(f"{where}: positive= is for two classes, found {len(names)}: {names}")
    else:
        fracture = str(positive) if positive is not None else _fracture_of(names, where)
        names = [name for name in names if name != fracture] + [fracture]
    code = {name: i for i, name in enumerate(names)}
    return np.array([code[str(label)] for label in labels], dtype=np.int64), names


def _fracture_of(names: list[str], where: str) -> str:
    fractures = [name for name in names if is_fracture_name(name)]
    if len(fractures) == 1:
        return fractures[0]
    raise DatasetError(
        f"{where}: cannot tell which of the classes {names} is the fracture; name it with positive= "
        f"(for example positive={names[1]!r})"
    )


def is_fracture_name(name: str) -> bool:
    """Whether a class of this name holds fractures: "Fractured" does, "not fractured" and "normal" do not."""
    name = name.casefold()
    return FRACTURED.search(name) is not None and NOT_FRACTURED.search(name) is None


def make_dataset(
    root: Path,
    relative: Sequence[str],
    labels: Sequence[Hashable],
    frame: pd.DataFrame,
    *,
    groups: object = None,
    positive: Hashable | None = None,
    metadata_columns: Sequence[str] = (),
    n_ignored: int = 0,
    salt: str = "",
) -> FractureDataset:
    """Put together what a loader found; `relative` are posix paths below `root`, `salt` that of DICOM's ids."""
    header = dicom_frame(root, relative, salt)
    if header is not None:
        frame = pd.concat([frame.reset_index(drop=True), header.drop(columns=frame.columns, errors="ignore")], axis=1)
        metadata_columns = [*metadata_columns, *(name for name in METADATA if header[name].notna().any())]
    y, names = encode_labels(labels, positive, str(root))
    missing = [column for column in metadata_columns if column not in frame]
    if missing:
        raise DatasetError(f"metadata_columns: no column {missing}; there are {list(frame.columns)}")
    return FractureDataset(
        paths=np.array([str(root / path) for path in relative]),
        y=y,
        target_names=names,
        groups=resolve_groups(groups, relative, frame),
        frame=frame.reset_index(drop=True),
        metadata_columns=tuple(metadata_columns),
        n_ignored=n_ignored,
        salt=salt,
    )
