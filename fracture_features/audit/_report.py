"""Audit a data set: every file is opened once."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._text import any_text
from ..datasets import FractureDataset, left_out_table, take_inventory
from ._content import CONTENT
from ._copies import copy_groups, find_copies
from ._copy_findings import copy_findings, describe_pairs
from ._files import file_findings
from ._findings import Finding, finding_frame, sort_findings
from ._hashes import LOOK
from ._label_findings import label_findings
from ._names import name_families
from ._parts import Parts
from ._rotations import find_rotated

DESCRIPTIONS = (LOOK, CONTENT)  # what the inventory has to say of each file
COLUMNS = ("hash", "crops", "blank", "constant", "constant_rows", "colour")


@dataclass(frozen=True, eq=False)
class AuditReport:
    r"""The findings of `audit_dataset`, with the copies and the groups that they form.

    Parameters
    ----------
    data : FractureDataset
        As given, with its inventory in `data.files`.
    findings : list of Finding
        Worst first.
    pairs : DataFrame
        Copies, with the columns first, second (rows of `data`), kind ("bytes", "pixels" or "near"), turn, distance,
        similarity, opposite_labels, across_split and across_groups. Of files that are all alike each is paired with
        the first.
    groups : ndarray of shape (n_samples,), dtype int64
        Images that hang together by copies, or by the patient where that is known, have the same number.

    See Also
    --------
    audit_dataset : Make one.
    fracture_features.report.write_audit : Write it as a page.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import audit_dataset, load_folder, make_radiographs
    >>> folder = make_radiographs(20, folder=tempfile.mkdtemp(), random_state=0)
    >>> report = audit_dataset(load_folder(folder, groups=r"patient(\d+)"))
    >>> len(report.pairs), len(report.clean())
    (0, 20)
    """

    data: FractureDataset
    findings: list[Finding]
    pairs: pd.DataFrame
    groups: NDArray[np.int64]

    @property
    def inflates(self) -> bool:
        """True where something was found that makes a result look better than it is."""
        return any(finding.kind.inflates for finding in self.findings)

    @property
    def has_copies(self) -> bool:
        """True where copies were found that neither groups nor patients keep together."""
        return bool(self.pairs["across_groups"].any())

    def frame(self) -> pd.DataFrame:
        """Return one row for each finding, worst first: code, severity, count, title, effect, advice and so on."""
        return finding_frame(self.findings)

    def clean(self) -> FractureDataset:
        """Return the data without repeated images, contradicted labels and unreadable files; files stay on disk.

        Of images with the same pixels in one part of the split the first stays; pairs of the same picture with
        different labels go, both of them; so do files that cannot be read. `left_out` lists them with the reason.
        """
        reasons = self.data.files["reason"].astype(object).where(self.data.files["reason"].notna(), None).tolist()
        conflicts = self.pairs[self.pairs["opposite_labels"]]
        for first, second in conflicts[["first", "second"]].itertuples(index=False):
            for row, other in ((first, second), (second, first)):
                reasons[row] = reasons[row] or f"the same picture as {self.data.paths[other]}, of another class"
        for row, first in self._repeated().items():
            reasons[row] = reasons[row] or f"the same pixels as {self.data.paths[first]}"
        gone = np.array([reason is not None for reason in reasons])
        left_out = left_out_table(self.data, np.flatnonzero(gone), [reason for reason in reasons if reason is not None])
        left_out = pd.concat([self.data.left_out, left_out], ignore_index=True)
        groups = self.groups if self.has_copies else self.data.groups
        return replace(self.data, left_out=left_out, groups=groups).with_files(self.data.files).subset(~gone)

    def _repeated(self) -> dict[int, int]:
        """Rows with the pixels of an earlier one of the same class and part of the split, and that one."""
        exact = self.pairs[self.pairs["kind"] != "near"]
        frame = pd.DataFrame(
            {
                "component": copy_groups(len(self.data), exact),
                "y": self.data.y,
                "is_test": Parts(self.data).is_test,
                "row": np.arange(len(self.data)),
            }
        )
        frame["first"] = frame.groupby(["component", "y", "is_test"])["row"].transform("min")
        repeated = frame[frame["first"] != frame["row"]]
        return dict(zip(repeated["row"].tolist(), repeated["first"].tolist(), strict=True))

    def __repr__(self) -> str:
        found = ", ".join(map(str, self.findings)) or "nothing found"
        return f"<AuditReport of {len(self.data)} images: {found}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{finding.code}</td><td>{finding.kind.severity}</td><td>{finding.count}</td>"
            f"<td>{html.escape(finding.kind.title)}<br><small>{html.escape(finding.detail)}</small></td>"
            f"<td>{html.escape(finding.kind.effect)}</td><td>{html.escape(finding.kind.advice)}</td></tr>"
            for finding in self.findings
        )
        head = "".join(f"<th>{name}</th>" for name in ("code", "severity", "count", "finding", "effect", "what to do"))
        return f"<p>{html.escape(repr(self.data))}</p><table><tr>{head}</tr>{rows}</table>"


@any_text
def audit_dataset(
    data: FractureDataset, *, cache: str | os.PathLike[str] | None = None, n_jobs: int | None = -1
) -> AuditReport:
    r"""Find what makes results on a data set look too good: copies, leaks between its parts, contradictions, bad files.

    Every file is opened and decoded once, or not at all where the cache has what is asked. Copies are files of the same
    bytes, images of the same pixels, and near copies: the same picture turned, mirrored, resized, recompressed,
    brightened or cut at the edges by some per cent (`find_copies`).

    Parameters
    ----------
    data : FractureDataset
        From a loader.
    cache : str or path-like, default=None
        Folder in which what was seen of a file is kept for the next time.
    n_jobs : int, default=-1
        Threads.

    Returns
    -------
    report : AuditReport

    Raises
    ------
    ValueError
        If `data` is no FractureDataset.

    See Also
    --------
    fracture_features.evaluation.shortcut_ledger : Where a ROC AUC can come from without a fracture.
    fracture_features.evaluation.leak_cost : What copies are worth.
    fracture_features.evaluate : Does it before anything is fitted.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import audit_dataset, load_folder, make_radiographs
    >>> folder = make_radiographs(20, folder=tempfile.mkdtemp(), random_state=0)
    >>> report = audit_dataset(load_folder(folder, groups=r"patient(\d+)"))
    >>> report.inflates
    False
    """
    if not isinstance(data, FractureDataset):
        raise ValueError(f"data must be a FractureDataset, got {type(data).__name__}")
    files = take_inventory(data.paths.tolist(), [], descriptions=DESCRIPTIONS, cache=cache, n_jobs=n_jobs)
    return audit_inventory(data.with_files(files))


def audit_inventory(data: FractureDataset) -> AuditReport:
    """Audit a data set whose `files` hold what DESCRIPTIONS say of each file that can be read."""
    files = data.files.reindex(columns=list(dict.fromkeys([*data.files, *COLUMNS])))  # none may be readable
    data = data.with_files(files)
    parts = Parts(data)
    paths, readable = data.paths.tolist(), data.files["reason"].isna().to_numpy()
    copies = find_copies(paths, data.files)
    families = name_families(paths, data.y)
    copies = pd.concat([copies, find_rotated(paths, np.where(readable, families, -1), copies)], ignore_index=True)
    pairs = describe_pairs(data, copies, parts)
    components = copy_groups(len(data), pairs)
    found = [
        *file_findings(data, data.files),
        *copy_findings(data, pairs, parts, components, families),
        *label_findings(parts),
    ]
    return AuditReport(data, sort_findings(found), pairs, _joined(components, parts.patients))


def _joined(components: NDArray[np.int64], patients: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Groups of what hangs together by either."""
    if patients is None:
        return components
    rows = pd.Series(np.arange(len(components)))
    links = [
        pd.DataFrame({"first": rows.groupby(ids).transform("min"), "second": rows}) for ids in (components, patients)
    ]
    return copy_groups(len(rows), pd.concat(links))
