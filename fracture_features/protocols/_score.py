"""Measure predictions under a protocol, beside its reference models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import read_table
from ..exceptions import ProtocolError
from ..metrics import MEASURES, Jackknifed, compare, holm, jackknife, sensitivity_at
from ._protocol import Protocol, load_protocol, refuse

COLUMNS = ("image_id", "sha256", "fold", "score")
PREDICTIONS = "predictions"
BASELINE, METADATA = "accurate", "metadata only"
MEASURED = {
    "roc_auc": MEASURES["roc_auc"],
    "average_precision": MEASURES["average_precision"],
    "sensitivity_at_specificity_0.9": sensitivity_at(0.9),
}
SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class ProtocolScore:
    """Measures of predictions under a protocol, and how they compare with its reference models.

    Parameters
    ----------
    protocol : str
        Name of the protocol.
    measures : DataFrame
        Columns model, measure, value, low and high. The model is "predictions" or a reference model. A value is the
        mean over the folds' test parts, its 95 % interval is of the method, trained anew on other patients.
    comparison : DataFrame
        The ROC AUC of the predictions minus that of each reference model, in columns reference, difference, low, high,
        p_value and p_holm, the last corrected for the number of references.

    See Also
    --------
    score_predictions : Make one from a file of predictions.

    Examples
    --------
    >>> from fracture_features.protocols import load_protocol, score_predictions
    >>> protocol = load_protocol("fracatlas")
    >>> mine = protocol.images[["image_id", "sha256", "fold"]].assign(score=protocol.references["accurate"])
    >>> score = score_predictions(mine, protocol)
    >>> score.is_above("metadata only"), score.is_above("accurate")
    (True, False)
    """

    protocol: str
    measures: pd.DataFrame
    comparison: pd.DataFrame

    def is_above(self, reference: str) -> bool:
        """Return whether the ROC AUC is shown to be above that of a reference model, at p ≤ 0.05 after Holm.

        Parameters
        ----------
        reference : str
            A name in the column `reference` of `comparison`.
        """
        row = self.comparison.set_index("reference").loc[reference]
        return bool(row["difference"] > 0 and row["p_holm"] <= SIGNIFICANT)

    def badge(self) -> dict[str, Any]:
        """Return the content of an endpoint badge of shields.io, ready for json.

        The baseline of its message is `accurate`. Predictions that are not shown to be above it are held against the
        metadata without a pixel.
        """
        is_auc = (self.measures["model"] == PREDICTIONS) & (self.measures["measure"] == "roc_auc")
        ((value, low, high),) = self.measures.loc[is_auc, ["value", "low", "high"]].to_numpy()
        if self.is_above(BASELINE):
            verdict, color = "above the baseline", "brightgreen"
        elif self.is_above(METADATA):
            verdict, color = "not shown above the baseline", "blue"
        else:
            verdict, color = "not shown above the metadata", "lightgrey"
        message = f"ROC AUC {value:.2f} ({low:.2f}–{high:.2f}), {verdict}"
        return {"schemaVersion": 1, "label": f"{self.protocol} protocol", "message": message, "color": color}


def score_predictions(
    predictions: str | os.PathLike[str] | pd.DataFrame, protocol: str | Protocol = "fracatlas"
) -> ProtocolScore:
    """Measure predictions under a protocol, and test them against its reference models on the same images.

    Parameters
    ----------
    predictions : str, path-like or DataFrame
        A csv, or a table, with one row for each image of the protocol, in any order: image_id, the file's name; sha256
        of the file that was read; fold, whose test part the image was in; and score, higher for a fracture.
    protocol : str or Protocol, default="fracatlas"
        A name that `load_protocol` takes, or what it gave.

    Returns
    -------
    score : ProtocolScore

    Raises
    ------
    ProtocolError
        If a column is missing, or images, hashes, folds, scores or the number of rows are not the protocol's. The
        message counts what is missing and what differs.
    DatasetError
        If the file cannot be read as a csv.
    ValueError
        If there is no such protocol.

    See Also
    --------
    load_protocol : The images, their groups and folds.
    fracture_features.evaluate : Cross-validate models of this library.

    Notes
    -----
    A value is the mean over the folds, as `evaluate` gives it. Intervals and tests leave out one group after the other,
    and widen the variance for training parts that overlap (`metrics.metric_interval` with a test fraction of one fold).

    Examples
    --------
    >>> from fracture_features.protocols import load_protocol, score_predictions
    >>> protocol = load_protocol("fracatlas")
    >>> mine = protocol.images[["image_id", "sha256", "fold"]].assign(score=protocol.references["metadata only"])
    >>> score = score_predictions(mine, protocol)
    >>> score.badge()["message"]
    'ROC AUC 0.76 (0.71–0.81), not shown above the metadata'
    """
    known = load_protocol(protocol) if not isinstance(protocol, Protocol) else protocol
    what = "predictions" if isinstance(predictions, pd.DataFrame) else str(predictions)
    table = predictions if isinstance(predictions, pd.DataFrame) else read_table(Path(predictions))
    scores = _checked(table, known, what)
    references = {str(name): known.references[name].to_numpy() for name in known.references}
    return _score(known, {PREDICTIONS: scores, **references})


def _checked(table: pd.DataFrame, protocol: Protocol, what: str) -> NDArray[np.float64]:
    """Return the scores in the order of the protocol's images."""
    if missing := [name for name in COLUMNS if name not in table]:
        raise ProtocolError(f"{what}: no column {missing[0]!r}; expected {list(COLUMNS)}, got {list(table.columns)}")
    names = table["image_id"].astype("string").str.strip()
    once = table.assign(image_id=names).drop_duplicates("image_id").set_index("image_id")
    images = protocol.images.set_index("image_id")
    shared = images.index[images.index.isin(once.index)]
    given, expected = once.loc[shared], images.loc[shared]
    folds = pd.to_numeric(given["fold"], errors="coerce")
    scores = pd.to_numeric(given["score"], errors="coerce").astype(np.float64)
    hashes = given["sha256"].astype("string").str.strip().str.lower()
    problems = {
        "images are missing": images.index.difference(once.index),
        "images are unknown": once.index.difference(images.index),
        "images stand in several rows": pd.Index(names[names.duplicated()].unique()),
        "hashes differ": shared[hashes.fillna("").to_numpy(dtype=object) != expected["sha256"].to_numpy(dtype=object)],
        "folds differ": shared[folds.to_numpy(dtype=np.float64) != expected["fold"].to_numpy()],
        "scores are no finite numbers": shared[~np.isfinite(scores.to_numpy())],
    }
    refuse(what, protocol, {problem: [str(name) for name in found] for problem, found in problems.items()}, len(table))
    return np.asarray(scores, dtype=np.float64)


def _score(protocol: Protocol, scores: Mapping[str, NDArray[np.float64]]) -> ProtocolScore:
    images = protocol.images
    rows = [(model, measure) for model in scores for measure in MEASURED]
    jackknifed = jackknife(
        images["fractured"].to_numpy(),
        [(MEASURED[measure], scores[model]) for model, measure in rows],
        groups=images["group"].to_numpy(),
        folds=images["fold"].to_numpy(),
    )
    fraction = 1 / images["fold"].nunique()
    measures = [
        (*row, jackknifed.values[k], *jackknifed.interval(k, test_fraction=fraction)) for k, row in enumerate(rows)
    ]
    return ProtocolScore(
        protocol.name,
        pd.DataFrame(measures, columns=["model", "measure", "value", "low", "high"]),
        _compared(jackknifed, rows, [*protocol.references], fraction),
    )


def _compared(
    jackknifed: Jackknifed, rows: list[tuple[str, str]], references: list[str], fraction: float
) -> pd.DataFrame:
    first = rows.index((PREDICTIONS, "roc_auc"))
    found = [compare(jackknifed, first, rows.index((name, "roc_auc")), test_fraction=fraction) for name in references]
    table = pd.DataFrame(found, columns=["difference", "low", "high", "p_value"])
    table.insert(0, "reference", references)
    return table.assign(p_holm=holm(table["p_value"]))
