"""Subgroups and studies that a run is asked for: looked for before it, told after it."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from ..datasets import FractureDataset
from ..exceptions import DatasetError, FractureFeaturesError
from ..results import (
    EvaluationResult,
    check_studies,
    measure_label,
    model_names,
    sorted_models,
    with_interval,
)
from ._output import print_result, print_text


def check_asked(args: argparse.Namespace, data: FractureDataset) -> None:
    """Raise before anything is fitted where a column is not there, or names no studies."""
    for column in args.subgroups:
        if column not in data.frame:
            raise FractureFeaturesError(f"--subgroups: no column {column!r}; there are {list(data.frame.columns)}")
    if args.by_study is not None:
        try:
            check_studies(data, args.by_study, study_label(data))
        except (DatasetError, ValueError) as error:
            raise FractureFeaturesError(f"--by-study: {error}") from error


def study_label(data: FractureDataset) -> str:
    """Of two classes a study is fractured where any of its images is."""
    return "any" if len(data.target_names) == 2 else "same"


def by_study(result: EvaluationResult, column: str) -> EvaluationResult:
    """One prediction for each study, the mean of its images'."""
    return result.by_study(column, label=study_label(result.data))


def subgroup_text(result: EvaluationResult, column: str) -> tuple[pd.DataFrame, list[str]]:
    """A row for each subgroup and model that is no baseline, the best first, with the measures as text.

    And the subgroups with too few images to be measured, with their number.
    """
    table = result.subgroups(column)
    counts = table.drop_duplicates(column).set_index(column)["n"]
    measured = table.loc[table["value"].notna(), column].unique().tolist()
    few = [f"{value} {n}" for value, n in counts.items() if value not in measured]
    parts = dict(iter(table.groupby([column, "model"], sort=False)))
    shown, rows = model_names(result), []
    for value in measured:
        for model in [name for name in sorted_models(result) if name in shown]:
            part: Any = parts[value, model]
            labels = [measure_label(name, len(result.data.target_names)) for name in part["measure"]]
            limits = part[["value", "low", "high"]].itertuples(index=False)
            cells = dict(zip(labels, (with_interval(*each) for each in limits), strict=True))
            rows.append({column: str(value), "Model": model, "Images": str(part["n"].iloc[0]), **cells})
    return pd.DataFrame(rows), few


def print_asked(args: argparse.Namespace, result: EvaluationResult) -> None:
    """Print the measures of each subgroup, and those by study."""
    if not result.fold_results:
        return
    for column in args.subgroups:
        table, few = subgroup_text(result, column)
        left_out = f"; fewer than 10 images of a class: {', '.join(few)}" if few else ""
        print_text(table, f"By {column}, with 95 % intervals{left_out}", 2)
    if args.by_study is not None:
        studies = by_study(result, args.by_study)
        what = f"By {args.by_study}: each of the {len(studies.data)} has the mean score of its images. Means"
        print_result(studies, what)
