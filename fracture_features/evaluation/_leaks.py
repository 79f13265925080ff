"""Copies of images, kept from standing on both sides of a split."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from ..audit import AuditReport, copy_groups
from ..datasets import FractureDataset, left_out_table
from ..exceptions import DatasetError, LeakWarning
from ._splits import Split


def warn_of_copies(report: AuditReport) -> None:
    """Say how many images are held together with their copies."""
    rows = np.unique(report.pairs.loc[report.pairs["across_groups"], ["first", "second"]])
    warnings.warn(
        f"{len(rows)} images have a copy that no group keeps together with them: copies are kept on one side of every "
        "split (audit_dataset lists them)",
        LeakWarning,
        stacklevel=4,
    )


def without_trained(data: FractureDataset, folds: list[Split], report: AuditReport) -> tuple[list[Split], pd.DataFrame]:
    """Given folds without the test images that have a copy in the training part.

    Parameters
    ----------
    data : FractureDataset
        All images that the folds count.
    folds : list of (train, test)
    report : AuditReport
        Of these images.

    Returns
    -------
    folds : list of (train, test)
    untested : DataFrame
        Images that no fold tests any more, with the columns path, label and reason.

    Raises
    ------
    DatasetError
        If a class is left without a test image.

    Warns
    -----
    LeakWarning
        If there are such images.
    """
    copies = copy_groups(len(data), report.pairs)
    kept = [(train, test[~np.isin(copies[test], copies[train])]) for train, test in folds]
    n = sum(len(before[1]) - len(after[1]) for before, after in zip(folds, kept, strict=True))
    if n == 0:
        return folds, left_out_table(data, [], [])
    for (_, before), (_, after) in zip(folds, kept, strict=True):
        if lost := set(data.y[before].tolist()) - set(data.y[after].tolist()):
            names = [data.target_names[number] for number in sorted(lost)]
            raise DatasetError(
                f"cv: {len(before) - len(after)} of {len(before)} test images have a copy in the training part, and "
                f"without them none of {names} is left to test: use a number of folds, which keeps copies together, "
                "or audit=False"
            )
    warnings.warn(
        f"{n} test images have a copy in the training part and are not tested (audit_dataset lists them)",
        LeakWarning,
        stacklevel=4,
    )
    gone = np.setdiff1d(np.concatenate([test for _, test in folds]), np.concatenate([test for _, test in kept]))
    reason = "not tested: a copy of it stands in the training part"
    return kept, left_out_table(data, gone, [reason] * len(gone))
