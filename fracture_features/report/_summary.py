"""The page's sentences: what was asked, and what came out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..audit import Finding
from ..datasets import FractureDataset
from ..evaluation import BASELINES, is_unused_split
from ..results import (
    EvaluationResult,
    count_copies,
    describe_dominance,
    describe_inference,
    interval,
    model_names,
    number,
    sorted_models,
)


def ranked_models(result: EvaluationResult) -> list[str]:
    """Models from the highest ROC AUC down; baselines only where there is no other."""
    shown = model_names(result)
    return [name for name in sorted_models(result) if name in shown]


def best_model(result: EvaluationResult) -> str:
    """Of the models that are no baseline, if there are any, the one with the highest ROC AUC."""
    return ranked_models(result)[0]


def has_intervals(result: EvaluationResult) -> bool:
    """Whether there are groups enough for the intervals of ROC AUC."""
    return bool(result.frame().query("measure == 'roc_auc'")["low"].notna().any())


def unit(result: EvaluationResult) -> str:
    """What is left out in turn for an interval."""
    return "images" if result.data.groups is None else "groups"


def has_comparison(result: EvaluationResult) -> bool:
    """Whether there is a baseline, and another model to hold against it."""
    return bool(result.baselines) and len(result.models) > 1


def p_value(value: float) -> str:
    """A p-value as journals print it."""
    if pd.isna(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(n: int, noun: str) -> str:
    """A number and its noun."""
    return f"{n} {noun if n == 1 else noun + 's'}"


def n_groups(data: FractureDataset) -> int | None:
    """How many groups there are, None where they are not known."""
    return None if data.groups is None else len(np.unique(data.groups))


def n_folds(result: EvaluationResult) -> int:
    """How many folds there are, repetitions included."""
    return len({fold.fold for fold in result.fold_results})


def n_tests(result: EvaluationResult, model: str) -> tuple[int, int]:
    """How often a tested image stands in a test part, at least and at most."""
    tests = np.concatenate([fold.test for fold in result.folds_of(model)])
    _, times = np.unique(tests, return_counts=True)
    return int(times.min()), int(times.max())


def make_facts(result: EvaluationResult) -> list[tuple[str, str]]:
    """Numbers about the data, each with what it is."""
    data = result.tested
    groups = n_groups(data)
    images = "images" if len(data) == len(result.data) else f"images tested, of {len(result.data)}"
    facts = [(str(len(data)), images), ("–" if groups is None else str(groups), "groups, such as patients")]
    facts += [(str(n), name) for name, n in list(data.class_counts().items())[:3]]
    return [*facts, (str(n_folds(result)), "folds")]


def _row(result: EvaluationResult, model: str) -> Any:
    return result.frame().query("measure == 'roc_auc' and model == @model").iloc[0]


def describe(result: EvaluationResult, best: str) -> str:
    """What came out, in two sentences."""
    text = _describe_value(result, best)
    if best in result.baselines or not has_comparison(result):
        return f"{text}."
    above = bool(_row(result, best)["above_baselines"])
    return f"{text}. {_describe_difference(result.comparison().set_index('model').loc[best], above)}"


def describe_rank(result: EvaluationResult, model: str) -> str:
    """Whether the first of the models has the highest ROC AUC of all; else a baseline has."""
    values = result.frame().query("measure == 'roc_auc'")["value"]
    highest = not (values > _row(result, model)["value"]).any()
    return "has the highest ROC AUC" if highest else "is the first by ROC AUC of the models that are no baseline"


def _describe_value(result: EvaluationResult, best: str) -> str:
    row = _row(result, best)
    limits = interval(row["low"], row["high"])
    limits = f"95 % interval {limits}" if limits else f"too few {unit(result)} for an interval"
    return f"{best} {describe_rank(result, best)}: {number(row['value'])} ({limits})"


def _describe_difference(against: Any, above: bool) -> str:
    """How the model stands to the best of the baselines; what is not shown is not said."""
    reference = f"{against['reference']}, the best of the models that cannot see a fracture"
    difference, low, high = against["difference"], against["low"], against["high"]
    limits, size = interval(low, high), number(abs(difference))
    if not limits:
        return f"Its difference from {reference}, is {number(difference)}: without an interval that shows nothing."
    if above:
        return f"It lies {size} ({limits}) above {reference}."
    if is_below(against):
        found = f"It is worse than {reference}: it lies {size} ({interval(-high, -low)}) below."
    elif difference < 0:
        found = f"It lies {size} below {reference}, and is not shown to be better or worse: the difference is "
        found += f"{number(difference)} ({limits})."
    else:
        found = f"It is not shown to be better than {reference}: the difference is {number(difference)} ({limits})"
        found += f", p {p_value(against['p_holm'])} for all models that were tried." if low > 0 else "."
    return f"{found} What it has learnt may be a shortcut."


def is_below(against: Any) -> bool:
    """Whether the whole interval of a row of `result.comparison()` lies below 0."""
    return bool(against.high < 0)


def make_question(result: EvaluationResult, about: Mapping[str, str], day: str) -> list[tuple[str, str]]:
    """What was asked and how, as terms and sentences; `about` adds to them."""
    *others, last = result.data.target_names
    unseen = "images" if result.data.groups is None else "images of patients"
    asked = f"How well do the models tell {', '.join(others)} and {last} apart on {unseen} they were not fitted on?"
    models = [name for name in result.models if name not in result.baselines]
    items = [
        ("Question", asked),
        ("Models", ", ".join(models) or "none besides the baselines"),
        *about.items(),
        ("Date", day),
        ("Folds", describe_folds(result)),
        ("Operating point", describe_threshold(result)),
        ("Probabilities", describe_probabilities(result)),
        ("Values", describe_values(result)),
        ("Baselines", describe_baselines(result)),
    ]
    if result.external is not None:
        text = f"{len(result.external.data)} images, scored by the model of every fold; none was fitted on them."
        if has_intervals(result.external):
            text += f" Intervals are {describe_inference(result.external)}."
        items.append(("Another source", text))
    return [(term, text) for term, text in items if text]


def describe_folds(result: EvaluationResult) -> str:
    """How the images were divided."""
    low, high = n_tests(result, result.models[0])
    times = "once" if high == 1 else f"{low} times" if low == high else f"{low} to {high} times"
    n, n_all = len(result.tested), len(result.data)
    who = "every image is" if n == n_all else f"a subset of {n} of the {n_all} images is looked at, each"
    folds = f"{count(n_folds(result), 'fold')}; {who} tested {times}.{_describe_own_split(result)}"
    if copies := count_copies(result):
        folds += f" Of {count(copies, 'tested image')} the training part held a byte-identical copy."
    if result.data.groups is None:
        return f"{folds} No groups are given: images of one patient may stand on both sides of a split and flatter it."
    shared = int(result.folds()["groups_shared"].sum())
    kept = f"{folds} Groups, such as patients, are kept together: {shared} stand on both sides of a split."
    return f"{kept} {describe_dominance(result)}".strip()


def _describe_own_split(result: EvaluationResult) -> str:
    """What became of the split that the data came with."""
    if not is_unused_split(result.data, ((fold.train, fold.test) for fold in result.fold_results)):
        return ""
    return " The data came with a split of their own, which was not used."


def describe_threshold(result: EvaluationResult) -> str:
    """From which score on an image is called fractured."""
    thresholds = np.array([fold.threshold for fold in result.fold_results])
    if np.isnan(thresholds).all():
        return "The classifier's own decision."
    return "A score chosen within each fold's training part and then held fixed; it is in the table of folds."


def describe_probabilities(result: EvaluationResult) -> str:
    """Which models give any, and whether they were calibrated or are of weighted classes."""
    folds = {fold.model: fold for fold in result.fold_results if fold.role == "model"}
    without = [name for name, fold in folds.items() if fold.probabilities is None]
    weighted = [name for name, fold in folds.items() if fold.probabilities is not None and fold.weighted]
    texts = []
    if without:
        texts.append(f"None are given by {', '.join(without)}: the scores are no probabilities.")
    if weighted:
        texts.append(f"Those of {', '.join(weighted)} are of balanced classes, not calibrated to this prevalence.")
    return " ".join(texts)


def describe_findings(findings: Iterable[Finding], names: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """What the page says of each finding, of a result or of the data, whose paths it names otherwise."""
    return [
        {
            "code": finding.code,
            "severity": finding.kind.severity,
            "title": sentence(finding.text).rstrip("."),
            "detail": finding.detail,
            "counts": finding.counted,
            "examples": [shorten_text(text, names or {}) for text in finding.examples],
            "effect": sentence(finding.kind.effect),
            "advice": sentence(finding.kind.advice),
        }
        for finding in findings
    ]


def sentence(text: str) -> str:
    """A text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def describe_values(result: EvaluationResult) -> str:
    """What a value and its interval are."""
    classes = len(result.data.target_names)
    macro = "" if classes == 2 else " Macro: the mean over the classes, each against the rest, every class alike."
    means = "Means over the folds' test parts (PPV, NPV, likelihood ratios, calibration: all test parts together)"
    if not has_intervals(result):
        return f"{means}; there are too few {unit(result)} for 95 % intervals.{macro}"
    return (
        f"{means}, with 95 % intervals {describe_inference(result)}, from leaving out one of the {unit(result)} after "
        f"the other.{macro}"
    )


def describe_power(result: EvaluationResult) -> list[str]:
    """How often a difference of 0.05 in ROC AUC would be found, of the model with the most power; empty if unknown."""
    power = result.power(0.05)["power"].dropna()
    if power.empty:
        return []
    return [
        f"With these {unit(result)} a true difference of 0.05 would be found in {100 * power.max():.0f} of 100 studies "
        "at the most: what is not shown may still be there."
    ]


def describe_baselines(result: EvaluationResult) -> str:
    """What the models are that see no fracture."""
    there = [f"{name} ({BASELINES[name]})" if name in BASELINES else name for name in result.baselines]
    if not there:
        return ""
    shortcut = "a model that is not shown to be better may have learnt a shortcut"
    return f"{', '.join(there)}. None can see a fracture: {shortcut}."


def shorten_paths(paths: Sequence[str]) -> dict[str, str]:
    """Each path without the folder that all share."""
    folders = {os.path.dirname(path) for path in paths}
    if len(folders) > 1 and len({os.path.isabs(folder) for folder in folders}) == 1:
        try:
            root = os.path.commonpath(folders)
        except ValueError:  # different drives
            return {path: path for path in paths}
        return {path: os.path.relpath(path, root) if root else path for path in paths}
    return {path: os.path.basename(path) for path in paths}


def shorten_text(text: str, names: Mapping[str, str]) -> str:
    """An example of a finding with its paths as the page names them."""
    for path in sorted((path for path in names if path in text), key=len, reverse=True):
        text = text.replace(path, names[path])
    return text
