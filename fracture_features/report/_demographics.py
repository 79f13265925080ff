"""Sex and age of the patients, where columns of the data name them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..results import EvaluationResult
from ._summary import count, n_folds

# Letters of the column's name alone, in lower case: PatientSex, patient_sex.
SEX = ("sex", "patientsex", "gender", "patientgender")
AGE = ("age", "patientage", "ageyears", "ageinyears")
PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
MOST_VALUES = 6  # of a column that tells of sex


def describe_demographics(result: EvaluationResult) -> str:
    """Sex and age by image, of the parts of a single fold apart, and of another source; empty where none is known."""
    first, parts = result.fold_results[0], [("", result.data, np.arange(len(result.data)))]
    if n_folds(result) == 1:
        parts = [("Training part", result.data, first.train), ("Test part", result.data, first.test)]
    if result.external is not None:
        outside = result.external.data
        parts.append(("Another source", outside, np.arange(len(outside))))
    told = []
    for name, data, rows in parts:
        if known := [text for text in (_sex(data, rows), _age(data, rows)) if text]:
            head = f"{name}, {count(len(rows), 'image')}" if name else count(len(rows), "image").capitalize()
            told.append(f"{head}: {'; '.join(known)}.")
    return " ".join(told)


def _column(data: FractureDataset, names: tuple[str, ...]) -> pd.Series | None:
    for k, column in enumerate(data.frame.columns):
        if re.sub("[^a-z]", "", str(column).lower()) in names:
            return data.frame.iloc[:, k]
    return None


def _sex(data: FractureDataset, rows: NDArray[np.int64]) -> str:
    """How often each value occurs, whatever it stands for."""
    column = _column(data, SEX)
    if column is None:
        return ""
    values = column.iloc[rows].dropna().astype(str).str.strip()
    counts = values[values != ""].value_counts().sort_index()
    if not 1 <= len(counts) <= MOST_VALUES:
        return ""
    return f"sex {', '.join([f'{value} ({n})' for value, n in counts.items()])}{_unknown(len(rows) - counts.sum())}"


def _age(data: FractureDataset, rows: NDArray[np.int64]) -> str:
    """Median and quartiles, in the units of the column; of ages as DICOM writes them (045Y) in years."""
    column = _column(data, AGE)
    if column is None:
        return ""
    text = column.iloc[rows].astype(str).str.strip()
    dicom = text.str.extract(r"^(\d{3})([DWMY])$")
    years = pd.to_numeric(dicom[0]) / dicom[1].map(PER_YEAR)
    ages = pd.to_numeric(text, errors="coerce").fillna(years).dropna()
    if ages.empty:
        return ""
    low, middle, high = ages.quantile([0.25, 0.5, 0.75])
    return f"age, median {middle:.3g} (quartiles {low:.3g} to {high:.3g}){_unknown(len(rows) - len(ages))}"


def _unknown(n: int) -> str:
    return f", not known ({n})" if n else ""
