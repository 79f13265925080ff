"""A page that tells of an audit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._text import any_text
from ..audit import AuditReport, Finding
from ..datasets import count_kinds
from ..exceptions import ImageReadError
from ..images import read_image
from ..results import interval, number
from ._pictures import SIZE, to_jpeg
from ._summary import describe_findings, shorten_paths
from ._tables import Cell, Table
from ._write import write_page

N_PAIRS = 24
KINDS = {"bytes": "the same file", "pixels": "the same pixels, saved anew", "near": "the same picture"}


@dataclass(frozen=True)
class Side:
    """One image of a pair."""

    name: str
    label: str
    part: str
    image: str


@dataclass(frozen=True)
class Pair:
    """Two images that show the same picture, and what is wrong with that."""

    how: str
    wrong: list[str]
    sides: list[Side]


@any_text
def write_audit(
    report: AuditReport,
    path: str | os.PathLike[str],
    *,
    findings: Sequence[Finding] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Write one HTML page with the findings of an audit and the pairs of copies side by side.

    It needs nothing else: no network, no other file. At most 24 pairs are pictured, those with opposite labels first:
    mind where it is sent.

    Parameters
    ----------
    report : AuditReport
        From `audit_dataset`.
    path : str or path-like
        Of the page; an existing file is overwritten.
    findings : sequence of Finding, default=None
        What is to be told, worst first; None takes those of the report.
    tables : mapping of str to DataFrame, default=None
        Further tables by their captions, such as `evaluation.shortcut_ledger`'s.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    MissingDependencyError
        If jinja2 is not installed.
    OSError
        If the page cannot be written.

    See Also
    --------
    fracture_features.audit_dataset : Make the report.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import audit_dataset, load_folder, make_radiographs
    >>> from fracture_features.report import write_audit
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(10, folder=folder + "/x", random_state=0))
    >>> write_audit(audit_dataset(data), folder + "/audit.html").name
    'audit.html'
    """
    findings = report.findings if findings is None else findings
    names = shorten_paths(report.data.paths.tolist())
    content = {
        "data": report.data,
        "classes": report.data.class_counts(),
        "ignored": count_kinds(report.data.ignored),
        "n_unreadable": int(report.data.files["reason"].notna().sum()),
        "findings": describe_findings(findings, names),
        "inflates": any(finding.kind.inflates for finding in findings),
        "pairs": _pairs(report, names),
        "n_pairs": len(report.pairs),
        "tables": [_table(frame, caption) for caption, frame in (tables or {}).items() if len(frame)],
    }
    return write_page(path, "audit.html", content, needed_for="write_audit")


def with_intervals(frame: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """The table as text: limits stand behind their value, "0.90 (0.87–0.92)", and columns of limits go.

    Limits are the columns low and high, those of `roc_auc` or `value`, or NAME_low and NAME_high, those of NAME.
    """
    shown = pd.DataFrame(index=frame.index)
    for name in frame:
        low, high = ("low", "high") if name in ("roc_auc", "value") else (f"{name}_low", f"{name}_high")
        if str(name).rpartition("_")[2] in ("low", "high"):
            continue
        values = [_text(value, digits) for value in frame[name]]
        if low in frame:
            limits = [interval(one, other) for one, other in zip(frame[low], frame[high], strict=True)]
            values = [f"{value} ({both})" if both else value for value, both in zip(values, limits, strict=True)]
        shown[str(name).replace("_", " ").replace("roc auc", "ROC AUC")] = values
    return shown


def _text(value: Any, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if pd.isna(value):
        return "–"
    return number(value, digits) if isinstance(value, float) else str(value)


def _pairs(report: AuditReport, names: Mapping[str, str]) -> list[Pair]:
    pairs: list[Pair] = []
    row: Any
    for row in report.pairs.itertuples():
        if len(pairs) == N_PAIRS:
            break
        try:
            sides = [_side(report, number, names) for number in (row.first, row.second)]
        except ImageReadError:  # two copies of a file that cannot be read
            continue
        wrong = ["opposite labels"] * row.opposite_labels + ["one trains, the other tests"] * row.across_split
        how = KINDS[row.kind] if row.kind == "bytes" else f"{KINDS[row.kind]}, {row.turn}"
        pairs.append(Pair(how, wrong, sides))
    return pairs


def _side(report: AuditReport, row: int, names: Mapping[str, str]) -> Side:
    data = report.data
    part = "" if "split" not in data.frame else str(data.frame["split"].iloc[row])
    path = str(data.paths[row])
    return Side(names[path], data.target_names[data.y[row]], part, to_jpeg(read_image(path, max_side=SIZE)))


def _table(frame: pd.DataFrame, caption: str) -> Table:
    shown = with_intervals(frame)
    return Table(
        caption, list(map(str, shown)), [[[Cell(value) for value in row] for row in shown.itertuples(index=False)]]
    )
