"""Read a protocol, and hold a data set against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..exceptions import ProtocolError

PROTOCOLS = ("fracatlas",)
ADVICE = "expected the files as they were published, none left out or saved again"
Problems = dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class Protocol:
    """Images of a published set with their labels, groups and folds, and the scores of reference models.

    Parameters
    ----------
    name : str
        One of `PROTOCOLS`.
    images : DataFrame
        A row for each image: image_id (file name), sha256, fractured (0 or 1), group and fold (from 1). Images of one
        group stand in one fold.
    references : DataFrame
        A column for each reference model: its score of each image, in the order of `images`, when the image's fold was
        the test part.

    See Also
    --------
    load_protocol : Read a protocol of this library.
    score_predictions : Measure predictions under a protocol.

    Examples
    --------
    >>> from fracture_features.protocols import load_protocol
    >>> protocol = load_protocol("fracatlas")
    >>> len(protocol.images), protocol.references.columns.tolist()
    (4024, ['accurate', 'metadata only'])
    """

    name: str
    images: pd.DataFrame
    references: pd.DataFrame

    def splits(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return the rows that train and the rows that test in each fold, as `evaluate` takes them as `cv`."""
        folds = self.images["fold"].to_numpy()
        return [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in np.unique(folds)]

    def dataset(self, data: FractureDataset) -> FractureDataset:
        """Return the images of the protocol, in its order and with its groups.

        Parameters
        ----------
        data : FractureDataset
            The published set, as its loader gives it. Images that the protocol leaves out, such as those cut short, are
            left away.

        Returns
        -------
        data : FractureDataset
            For `evaluate(models, data, cv=protocol.splits(), audit=False)`.

        Raises
        ------
        ProtocolError
            If images are missing, or files or labels differ from the protocol's. The message counts them.
        """
        row_of = {Path(path).name: row for row, path in enumerate(data.paths.tolist())}
        names = self.images["image_id"].tolist()
        missing = [name for name in names if name not in row_of]
        if missing:
            refuse(repr(data), self, {"images are missing": missing})
        ordered = data.subset([row_of[name] for name in names])
        differ = {
            "files have another SHA-256": ordered.files["sha256"].to_numpy() != self.images["sha256"].to_numpy(),
            "labels differ": ordered.y != self.images["fractured"].to_numpy(),
        }
        refuse(repr(data), self, {what: [names[k] for k in np.flatnonzero(rows)] for what, rows in differ.items()})
        return replace(ordered, groups=self.images["group"].to_numpy()).with_files(ordered.files)


def load_protocol(name: str = "fracatlas") -> Protocol:
    """Read a protocol that comes with the library.

    Parameters
    ----------
    name : {"fracatlas"}, default="fracatlas"
        "fracatlas": the 4024 readable images of FracAtlas [1]_. Groups join byte-identical and near-identical images
        (256-bit perceptual hash within 16) with blocks of 20 neighbouring image numbers; they are no patient ids, the
        set has none. Folds are `StratifiedGroupKFold(5, shuffle=True, random_state=0)` on them.

    Returns
    -------
    protocol : Protocol

    Raises
    ------
    ValueError
        If there is no such protocol.

    See Also
    --------
    score_predictions : Measure predictions under a protocol.

    References
    ----------
    .. [1] I. Abedeen et al., "FracAtlas: a dataset for fracture classification, localization and segmentation of
       musculoskeletal radiographs", Scientific Data 10, 2023.

    Examples
    --------
    >>> from fracture_features.protocols import load_protocol
    >>> protocol = load_protocol("fracatlas")
    >>> [len(test) for train, test in protocol.splits()]
    [809, 798, 813, 815, 789]
    """
    if name not in PROTOCOLS:
        raise ValueError(f"name must be one of {list(PROTOCOLS)}, got {name!r}")
    tables = []
    for file in (f"{name}.csv", f"{name}_references.csv"):
        with (files(__package__) / file).open(encoding="utf-8") as text:
            tables.append(pd.read_csv(text, dtype={"image_id": object, "sha256": object}))
    images, references = tables
    return Protocol(name, images, references.drop(columns="image_id"))


def refuse(what: str, protocol: Protocol, problems: Problems, rows: int | None = None) -> None:
    """Raise ProtocolError where there is any problem; each is a list of the images that have it."""
    found = [f"{len(names)} {problem}, the first {names[0]}" for problem, names in problems.items() if names]
    if rows is not None and rows != len(protocol.images):
        found.insert(0, f"there are {rows} rows")
    if found:
        raise ProtocolError(
            f"{what} is not scored under protocol {protocol.name!r} of {len(protocol.images)} images: "
            f"{'; '.join(found)}; {ADVICE}"
        )
