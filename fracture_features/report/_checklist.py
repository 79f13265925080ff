"""The items of CLAIM 2024 and TRIPOD+AI in words of our own: what the library knows, and blanks for the author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..datasets import FractureDataset
from ..results import EvaluationResult, subgroup_columns
from ._demographics import describe_demographics
from ._summary import (
    count,
    describe_folds,
    describe_rank,
    describe_threshold,
    describe_values,
    has_intervals,
    n_groups,
)

# Section; number in CLAIM 2024; in TRIPOD+AI; what is asked, in few words; whether the author has to add anything.
ITEMS = (
    ("Title and abstract", "1", "1", "Title or abstract names the AI methodology and its kind", True),
    ("", "2", "2", "Structured summary", True),
    ("Introduction", "3", "3a–c", "Background, intended use and role; known health inequalities", True),
    ("", "4", "4", "Aims, objectives, hypotheses", True),
    ("Study design", "5", "5a–b", "Prospective or retrospective; dates", True),
    ("", "6", "4", "Study goal", True),
    ("Data", "7", "5a, 6a", "Data sources and setting", True),
    ("", "8", "6b", "Inclusion and exclusion criteria", True),
    ("", "9", "7", "Preprocessing", True),
    ("", "10", "7", "Selection of data subsets", True),
    ("", "11", "", "De-identification", True),
    ("", "12", "11", "Missing data", True),
    ("", "13", "9b", "Image acquisition protocol", True),
    ("Reference standard", "14", "8a", "Definition of the reference standard", True),
    ("", "15", "8a", "Why this reference standard", True),
    ("", "16", "8b", "Source of the annotations, annotators' qualification", True),
    ("", "17", "8b–c", "Annotation of the test set, and what its annotators were blind to", True),
    ("", "18", "", "Inter- and intrarater variability", True),
    ("Partitions", "19", "12a", "How data were assigned to partitions", False),
    ("", "20", "12a", "Level at which partitions are disjoint", False),
    ("", "21", "10", "Intended sample size", True),
    ("Model", "22", "12c, 22", "Description of the models", True),
    ("", "23", "", "Software libraries and versions", False),
    ("", "24", "12c", "Initialisation of parameters", True),
    ("Training", "25", "12c", "Training approach", True),
    ("", "26", "12c", "How the final model is selected", True),
    ("", "27", "12c", "Ensembling", True),
    ("Evaluation", "28", "12e", "Measures of performance", False),
    ("", "29", "12e", "Measures of significance and uncertainty", False),
    ("", "30", "", "Robustness or sensitivity analysis", True),
    ("", "31", "", "Explainability", True),
    ("", "32", "12c", "Evaluation on internal data", False),
    ("", "33", "12g, 16, 20c", "Testing on external data", True),
    ("", "34", "18d", "Registration", True),
    ("Results", "35", "20a, 21", "Numbers included and excluded", False),
    ("", "36", "20b", "Demographic and clinical characteristics of the cases in each partition", True),
    ("", "37", "23a", "Performance and its uncertainty, of key subgroups too", False),
    ("", "38", "23a", "Diagnostic accuracy and its precision", False),
    ("", "39", "", "Failure analysis", True),
    ("Discussion", "40", "26", "Limitations", True),
    ("", "41", "25, 27c", "Implications for practice, next steps", True),
    ("Other", "42", "18c", "Protocol", True),
    ("", "43", "18e–f", "Availability of software, model and data", True),
    ("", "44", "18a", "Funding and the funders' role", True),
    ("Further items of TRIPOD+AI", "", "6c", "Treatments received, and how they were handled", True),
    ("", "", "9a", "Choice of predictors before the model is built", True),
    ("", "", "9c", "Who measured predictors that take judgement", True),
    ("", "", "12b", "Handling of predictors: scaling, transformation", True),
    ("", "", "12d", "Heterogeneity across clusters, such as hospitals: how it was examined", True),
    ("", "", "12f", "Updating of the model after its evaluation, such as recalibration", True),
    ("", "", "12g", "How the predictions that were evaluated were calculated", True),
    ("", "", "13", "Class imbalance, recalibration", True),
    ("", "", "14", "Fairness", True),
    ("", "", "15", "Output of the model, thresholds", False),
    ("", "", "16", "Differences between the data for development and for evaluation", True),
    ("", "", "17", "Ethical approval", True),
    ("", "", "18b", "Conflicts of interest", True),
    ("", "", "19", "Patient and public involvement", True),
    ("", "", "20c", "Predictors and outcome in the data for evaluation beside those for development", True),
    ("", "", "23b", "Heterogeneity across clusters: results", True),
    ("", "", "24", "Results of updating the model", True),
    ("", "", "27a", "Inputs of poor quality or missing, when the model is used", True),
    ("", "", "27b", "Users' part in handling inputs, and the expertise it takes", True),
)
# Of `pipeline.CLASSIFIERS` all but the majority class, which is one of the baselines.
WEIGHTED = (
    'All named classifiers of this library that learn from images, but "regions", weight the classes '
    '(class_weight="balanced"), and so do the forests of the baselines; of others the author has to tell. '
    "Unless calibrated (calibrate=True), their "
    "probabilities are those of balanced classes, which moves the calibration intercept, the Brier score and the "
    "decision curve. "
    "Sensitivity, specificity and balanced accuracy do not depend on the share of a class."
)
UPDATED = "None: models, thresholds and calibration come from training parts alone and are held fixed."


@dataclass(frozen=True)
class Item:
    """A line of the checklist; `known` is empty where the library knows nothing."""

    section: str
    claim: str
    tripod: str
    asked: str
    known: str
    for_author: bool


def make_checklist(result: EvaluationResult, best: str, manifest: dict[str, Any]) -> list[Item]:
    """The items of both statements, filled in where the result tells."""
    known = _about_data(result) | _about_models(result, best) | _about_results(result, best, manifest)
    return [
        Item(section, claim, tripod, asked, known.get(claim or f"T{tripod}", ""), for_author)
        for section, claim, tripod, asked, for_author in ITEMS
    ]


def _about_data(result: EvaluationResult) -> dict[str, str]:
    data, left_out, outside, outcomes = result.data, count(len(result.excluded), "file"), "", ""
    groups, n_tested = n_groups(data), len(result.tested)
    level = "Images: no groups are given, so that patients may stand on both sides."
    if groups is not None:
        level = f"Groups, such as patients: {count(groups, 'group')}, none on both sides of a split."
    if result.external is not None:
        left_out += f" and {len(result.external.excluded)} of another source"
        outside = f" Of another source {_included(result.external)}."
        outcomes = f"Outcome: {_classes(data)}; of the other source {_classes(result.external.data)}."
    some = f", {n_tested} of the included tested" if n_tested < len(data) else ""
    return {
        "8": f"{left_out} left out because unreadable, before any split.",
        "12": "An unreadable image is left out; gaps in the metadata are a category of their own to the baseline.",
        "19": describe_folds(result),
        "20": level,
        "35": f"{_included(result)}{some}; by fold and part under Data.{outside}",
        "36": _about_people(result),
        "T13": f"{_classes(data)}. {WEIGHTED}",
        "T20c": outcomes,
    }


def _about_people(result: EvaluationResult) -> str:
    classes = "Classes by fold and part are under Data"
    if people := describe_demographics(result):
        return f"{people} {classes}."
    return f"{classes}; sex and age are not known here."


def _classes(data: FractureDataset) -> str:
    return ", ".join(f"{n} {name}" for name, n in data.class_counts().items())


def _included(result: EvaluationResult) -> str:
    return f"{count(len(result.data), 'image')} included ({_classes(result.data)}), {len(result.excluded)} left out"


def _about_models(result: EvaluationResult, best: str) -> dict[str, str]:
    models = [name for name in result.models if name not in result.baselines]
    tuned = any(fold.params for fold in result.fold_results)
    selection = "Settings are chosen within each fold's training part (see Each fold). " if tuned else ""
    return {
        "6": f"Comparison of {count(len(models), 'model')} with each other and with models that see no fracture.",
        "22": f"By name: {', '.join(models)}." if models else "",
        "25": "Each fold's model sees its training part alone.",
        "26": f"{selection}None is selected here; pictures are of {best}, which {describe_rank(result, best)}.",
        "T12f": UPDATED,
        "T12g": "Each fold's fitted pipeline scores the files of its test part, and those of another source, if any.",
        "T15": describe_threshold(result),
        "T24": UPDATED,
        "T27a": "A file that cannot be read is an error that names it; it is given no score.",
    }


def _about_results(result: EvaluationResult, best: str, manifest: dict[str, Any]) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    external = "None."
    if result.external is not None:
        data = result.external.data
        groups = "no groups are given" if data.groups is None else count(n_groups(data) or 0, "group")
        external = f"Another source: {_included(result.external)}; {groups} (see Results)."
    subgroups = " By subgroup under Figures." if subgroup_columns(result) else ""
    return {
        "23": f"Python {manifest['python']}, {versions}.",
        "28": "ROC AUC, average precision, accuracy, balanced accuracy, sensitivity, specificity and others.",
        "29": f"{describe_values(result)} Differences are paired; p-values are corrected by Holm's procedure.",
        "32": describe_folds(result),
        "33": external,
        "37": f"See Results.{subgroups}",
        "38": f"Sensitivity and specificity{' with 95 % intervals' if has_intervals(result) else ''}, see Results.",
        "39": f"The most confident mistakes of {best} are under Mistakes.",
    }
