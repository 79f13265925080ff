"""Who is tested, and whose images they are, as far as the data say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset, published_split
from ..exceptions import DatasetError
from ._files import count_by_class
from ._findings import N_EXAMPLES, Finding

PATIENT_COLUMNS = ("PatientID", "StudyInstanceUID")  # of DICOM headers, as hashes


class Parts:
    """The data's own split and patients.

    Parameters
    ----------
    data : FractureDataset

    Attributes
    ----------
    data : FractureDataset
    has_split : bool
    is_test : ndarray of shape (n,), dtype bool
        Whether an image is of the split's test part; none is where there is no split.
    patients : ndarray of shape (n,), dtype int64, or None
        `data.groups` or else the patients, or studies, of DICOM headers, where every image has one.
    """

    def __init__(self, data: FractureDataset):
        self.data = data
        tested = _tested(data)
        self.has_split = tested.size > 0
        self.is_test = np.isin(np.arange(len(data)), tested)
        self.patients = _patients(data) if data.groups is None else data.groups

    def finding(
        self, code: str, rows: Sequence[int], examples: Sequence[str], *, count: int | None = None, detail: str = ""
    ) -> Finding:
        """A finding about these rows, counted by class and, where there is a split, by part."""
        counts = count_by_class(self.data, np.asarray(rows, dtype=np.intp))
        n = len(rows) if count is None else count
        return Finding(code, n, counts, tuple(examples[:N_EXAMPLES]), tuple(rows), detail)


def _tested(data: FractureDataset) -> NDArray[np.int64]:
    try:
        return published_split(data)[1]
    except DatasetError:  # there is none, or a folder of training images alone
        return np.empty(0, dtype=np.int64)


def _patients(data: FractureDataset) -> NDArray[np.int64] | None:
    for column in PATIENT_COLUMNS:
        if column in data.frame and data.frame[column].notna().all():
            return pd.factorize(data.frame[column])[0].astype(np.int64)
    return None
