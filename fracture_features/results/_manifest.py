"""The manifest: what is needed to compute a result again."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._versions import find_versions
from ..audit import Finding
from ..datasets import FractureDataset
from ._fold import FoldResult


def make_manifest(
    data: FractureDataset,
    folds: Iterable[FoldResult],
    excluded: pd.DataFrame,
    random_state: int | None,
    findings: Iterable[Finding] = (),
    audit: Iterable[Finding] = (),
) -> dict[str, Any]:
    """Versions, seed, data and folds of a result, ready for json.

    Files are listed with their SHA-256; `digest` is the SHA-256 of those, in the order of the paths; `ignored` counts
    files that are no labelled images, by kind. Counts of a fold are by part: images, groups (where known) and images
    of each class. Findings are told by code, severity, count, title, detail and examples.
    """
    files = _files(data)
    parts = {fold.fold: {"train": fold.train, "test": fold.test} for fold in folds}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": find_versions(),
        "random_state": random_state,
        "data": {
            "images": len(data),
            "classes": data.class_counts(),
            "groups": None if data.groups is None else len(np.unique(data.groups)),
            "ignored": dict(data.ignored),
            "digest": digest_of(data),
            "files": files,
        },
        "excluded": excluded.to_dict("records"),
        "folds": {k: {part: _counts(data, rows) for part, rows in both.items()} for k, both in parts.items()},
        "findings": [_told(finding) for finding in findings],
        "audit": [_told(finding) for finding in audit],
    }


def _told(finding: Finding) -> dict[str, Any]:
    """A finding without the rows, which count images as they were on that day."""
    return {
        "code": finding.code,
        "severity": finding.kind.severity,
        "count": finding.count,
        "title": finding.kind.title,
        "detail": finding.detail,
        "examples": list(finding.examples),
    }


def digest_of(data: FractureDataset) -> str:
    """SHA-256 of the SHA-256 of every file, in the order of the paths."""
    return hashlib.sha256("".join(_files(data).values()).encode()).hexdigest()


def _files(data: FractureDataset) -> dict[str, str]:
    """SHA-256 of each file, in the order of the paths."""
    return dict(sorted(zip(data.paths.tolist(), data.files["sha256"], strict=True)))


def _counts(data: FractureDataset, rows: NDArray[np.int64]) -> dict[str, Any]:
    part = data.subset(rows)
    groups = None if part.groups is None else len(np.unique(part.groups))
    return {"images": len(part), "groups": groups, "classes": part.class_counts()}
