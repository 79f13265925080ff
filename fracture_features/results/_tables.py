"""The tables of predictions, folds and subgroups: one function each, which `EvaluationResult` describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from .._text import any_text
from ._models import model_names

if TYPE_CHECKING:
    from ._fold import FoldResult
    from ._result import EvaluationResult

SMALLEST_SUBGROUP = 10  # images of each class
MAX_SUBGROUPS = 8  # values of a column


def fold_table(result: EvaluationResult) -> pd.DataFrame:
    """`EvaluationResult.folds`."""
    groups = result.data.groups
    rows = []
    for fold in result.fold_results:
        shared = pd.NA if groups is None else len(np.intersect1d(groups[fold.train], groups[fold.test]))
        row = {"model": fold.model, "fold": fold.fold, "n_train": len(fold.train), "n_test": len(fold.test)}
        row |= {
            "groups_shared": shared,
            "largest_group": largest_group(result, fold),
            "threshold": fold.threshold,
            "params": fold.params or None,
        }
        row |= {"fit_seconds": fold.fit_seconds, "predict_ms": fold.predict_ms}
        for name, measure in result.estimates.measures(fold.model).items():
            row[name] = result.estimates.of_fold(fold, measure)
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype({"groups_shared": "Int64"}) if rows else table


def largest_group(result: EvaluationResult, fold: FoldResult) -> float:
    """Share of the rarer class's images of a test part that its largest group holds."""
    y, groups = result.data.y[fold.test], result.data.groups
    rare = fold.test[y == np.bincount(y, minlength=len(result.data.target_names)).argmin()]
    return (
        np.nan
        if groups is None or not len(rare)
        else float(np.unique(groups[rare], return_counts=True)[1].max() / len(rare))
    )


def effective_groups(result: EvaluationResult) -> float:
    """How many groups of equal size would tell as much as those of the rarer class's tested images [1]_.

    (Σ n)² / Σ n² of the groups' numbers of images; NaN where groups are not known.

    References
    ----------
    .. [1] L. Kish, "Survey sampling", section 11.7, 1965.
    """
    data = result.tested
    if data.groups is None:
        return np.nan
    sizes = np.unique(data.groups[data.y == np.bincount(data.y).argmin()], return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def count_copies(result: EvaluationResult) -> int:
    """How many images were tested by a model that was fitted on a byte-identical file."""
    content = result.data.files["sha256"]
    copied: set[int] = set()
    for fold in {fold.fold: fold for fold in result.fold_results}.values():
        test, train = content.iloc[fold.test], content.iloc[fold.train].dropna()
        copied |= set(fold.test[test.isin(train).to_numpy()].tolist())
    return len(copied)


@any_text
def prediction_table(result: EvaluationResult) -> pd.DataFrame:
    """`EvaluationResult.predictions`."""
    data, names = result.data, np.array(result.data.target_names)
    parts = []
    for fold in result.fold_results:
        columns: dict[str, Any] = {"model": fold.model, "fold": fold.fold, "path": data.paths[fold.test]}
        if data.groups is not None:
            columns["group"] = data.groups[fold.test]
        columns |= {"label": names[data.y[fold.test]], "predicted": names[fold.y_pred]}
        columns |= _by_class("score", fold.scores, data.target_names)
        if fold.probabilities is not None:
            columns |= _by_class("probability", fold.probabilities, data.target_names)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _by_class(name: str, values: NDArray[np.float64], targets: list[str]) -> dict[str, NDArray[np.float64]]:
    if values.shape[1] == 2:
        return {name: values[:, 1]}
    return {f"{name}_{target}": values[:, k] for k, target in enumerate(targets)}


@any_text
def subgroup_columns(result: EvaluationResult) -> list[str]:
    """Columns of metadata whose values are few enough to be subgroups."""
    data = result.data
    return [column for column in data.metadata_columns if 2 <= data.frame[column].nunique() <= MAX_SUBGROUPS]


def subgroup_table(result: EvaluationResult, column: str, measures: Sequence[str]) -> pd.DataFrame:
    """`EvaluationResult.subgroups`."""
    if column not in result.data.frame:
        raise ValueError(f"column={column!r} is none of the columns {list(result.data.frame.columns)}")
    rows = []
    values = result.data.frame[column]
    for value in sorted(values.dropna().unique(), key=str):
        inside = (values == value).to_numpy(dtype=bool)
        part = result.subset(inside)
        for model in result.models:
            tested = _tested(result, model)
            counts = _class_counts(result, tested[inside[tested]])
            shown = (counts.sum(), *([counts[1]] if len(counts) == 2 else []))
            fraction = result.estimates.fraction_for(None, model)  # of all folds, also where a subgroup has one
            rows += [(model, value, *shown, *row) for row in _subgroup_rows(part, model, measures, fraction)]
    count_columns = ["n_fractured"] if len(result.data.target_names) == 2 else []
    columns = ["model", column, "n", *count_columns, "n_evaluated", "measure", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _subgroup_rows(
    part: EvaluationResult, model: str, names: Sequence[str], fraction: float | None
) -> list[tuple[Any, ...]]:
    """Of the folds whose test part has every class of the subgroup: how many images, and each measure on them."""
    counts = _class_counts(part, _tested(part, model))
    if counts.min() < SMALLEST_SUBGROUP:
        return [(0, name, np.nan, np.nan, np.nan) for name in names]
    known = part.estimates.measures(model)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"measures={unknown} are none of {list(known)}")
    part.estimates.estimate(model, {name: known[name] for name in names})
    return [
        (counts.sum(), name, part.estimates.value(model, name), *part.estimates.interval(model, name, 0.95, fraction))
        for name in names
    ]


def _tested(result: EvaluationResult, model: str) -> NDArray[np.int64]:
    """Rows of the data in the model's test parts, each once however often the folds are repeated."""
    tests = [fold.test for fold in result.folds_of(model)]
    return np.unique(np.concatenate(tests)) if tests else np.empty(0, dtype=np.int64)


def _class_counts(result: EvaluationResult, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(result.data.y[rows], minlength=len(result.data.target_names))


@any_text
def confusion_table(result: EvaluationResult, model: str) -> pd.DataFrame:
    """`EvaluationResult.confusion`."""
    (model,) = model_names(result, [model])
    folds, names = result.folds_of(model), result.data.target_names
    y_true = np.concatenate([result.data.y[fold.test] for fold in folds])
    y_pred = np.concatenate([fold.y_pred for fold in folds])
    counts = confusion_matrix(y_true, y_pred, labels=range(len(names)))
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))


def reliability_table(result: EvaluationResult, n_bins: int) -> pd.DataFrame:
    """`EvaluationResult.reliability`."""
    names = result.data.target_names
    parts = []
    for model in result.models:
        folds = [fold for fold in result.folds_of(model) if fold.probabilities is not None]
        for k, name in list(enumerate(names))[1 if len(names) == 2 else 0 :] if folds else []:
            probability = np.concatenate([fold.probabilities[:, k] for fold in folds])  # type: ignore[index]
            observed = np.concatenate([result.data.y[fold.test] == k for fold in folds])
            bins = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
            means = pd.DataFrame({"predicted": probability, "observed": observed}).groupby(bins)
            part = means.mean().assign(n=means.size())
            parts.append(part.assign(model=model)[["model", "predicted", "observed", "n"]])
            parts[-1].insert(1, "class", name)
    columns = ["model", "class", "predicted", "observed", "n"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
