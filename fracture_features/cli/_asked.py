"""Subgroups and studies that a run is asked for: looked for before it, told after it."""

from __future__ import annotations

import argparse

from ..datasets import FractureDataset
from ..exceptions import DatasetError, FractureFeaturesError
from ..results import EvaluationResult, check_studies
from ._output import print_frame, print_result


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


def print_asked(args: argparse.Namespace, result: EvaluationResult) -> None:
    """Print the measures of each subgroup, and those by study."""
    if not result.fold_results:
        return
    for column in args.subgroups:
        print_frame(
            result.subgroups(column),
            f"By {column}, from the folds whose test part has the subgroup's images of every class",
        )
    if args.by_study is not None:
        studies = by_study(result, args.by_study)
        what = f"By {args.by_study}: each of the {len(studies.data)} has the mean score of its images. Means"
        print_result(studies, what)
