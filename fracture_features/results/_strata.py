"""ROC AUC within strata: what is left of it where body part, hardware or size cannot help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import metrics
from .._text import any_text
from ..datasets import FractureDataset
from ..metrics import MEASURES, Measure
from ._estimates import PRIMARY, find_repetitions
from ._tables import SMALLEST_SUBGROUP

if TYPE_CHECKING:
    from ._result import EvaluationResult

N_CLASSES = 5  # of a number: Cochran's five subclasses
MANY = 10  # values from which on a number is cut into classes
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]
COLUMNS = ["model", "n_strata", "n_evaluated", PRIMARY, "within", "low", "high"]


@any_text
def strata_table(result: EvaluationResult, by: str | Sequence[str]) -> pd.DataFrame:
    """`EvaluationResult.strata`."""
    strata = stratify(result.data, by)
    return pd.DataFrame([_row(result, model, strata) for model in result.models], columns=COLUMNS)


def _row(result: EvaluationResult, model: str, strata: Labels) -> tuple[Any, ...]:
    y, n_classes, folds = result.data.y, len(result.data.target_names), result.folds_of(model)
    compared = [fold.subset(_comparable(y[fold.test], strata[fold.test])) for fold in folds]
    rows = np.concatenate([fold.test for fold in compared])
    tested, whole = np.unique(rows), result.estimates.value(model, PRIMARY)
    if np.bincount(y[tested], minlength=n_classes).min() < SMALLEST_SUBGROUP:
        return (model, 0, 0, whole, np.nan, np.nan, np.nan)
    # A stratum of a fold has few pairs: those of all folds of a repetition count together, as for pooled measures.
    sizes = [len(fold.test) for fold in compared]
    repetition = np.repeat(find_repetitions([fold.test for fold in folds]), sizes)
    apart = np.repeat(np.arange(len(folds)), sizes) * (strata.max() + 1) + strata[rows]
    scores = np.column_stack([np.concatenate([fold.of("scores") for fold in compared]), apart])
    measure = Measure(within_auc, "scores", 2 if n_classes == 2 else None, columns=2)
    groups = rows if result.data.groups is None else result.data.groups[rows]
    found = metrics.jackknife(y[rows], [(measure, scores)], groups=groups, folds=repetition, repetitions=repetition)
    interval = found.interval(0, test_fraction=result.estimates.test_fraction)
    return (model, len(np.unique(strata[tested])), len(tested), whole, float(found.values[0]), *interval)


def stratify(data: FractureDataset, by: str | Sequence[str]) -> Labels:
    """The stratum of each image, from 0; -1 where one of the columns is missing.

    Raises
    ------
    ValueError
        If a column is in neither `data.frame` nor `data.files`, or none is given.
    """
    names = [by] if isinstance(by, str) else list(by)
    frames = {name: data.frame if name in data.frame else data.files for name in names}
    if not names or any(name not in frame for name, frame in frames.items()):
        known = dict.fromkeys([*data.frame.columns, *data.files.columns])
        raise ValueError(f"by={by!r} must be one or more of the columns {list(known)}")
    table = pd.DataFrame({name: _classes(frame[name].reset_index(drop=True)) for name, frame in frames.items()})
    codes = table.groupby(names).ngroup().fillna(-1)
    return np.asarray(codes, dtype=np.int64)


def _classes(values: pd.Series) -> pd.Series:
    """Values as they are; numbers of many values as about equally large classes."""
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not is_number or values.nunique() <= MANY:
        return values
    return pd.qcut(values.astype("Float64").astype(float), N_CLASSES, labels=False, duplicates="drop")


def _comparable(y: Labels, strata: Labels) -> NDArray[np.bool_]:
    """Which images of a test part have one of another class in their stratum."""
    part = pd.DataFrame({"y": y, "stratum": strata})
    return ((part.groupby("stratum")["y"].transform("nunique") > 1) & (strata >= 0)).to_numpy(dtype=bool)


def within_auc(y_true: Labels, y_score: Floats, weights: Floats) -> Floats:
    """Share of the pairs within a stratum whose fractured image scores higher, ties half.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
    y_score : ndarray of shape (n_samples, n_columns)
        Scores of class 1 or, of many, of each; in the last column the stratum.
    weights : ndarray of shape (n_resamples, n_samples)

    Returns
    -------
    values : ndarray of shape (n_resamples,)
        Of many classes the mean over them, each against the rest. NaN where there is no pair.
    """
    *scores, strata = y_score.T
    of_class = range(len(scores)) if len(scores) > 1 else [1]
    return np.mean([_one_class(y_true == k, s, strata, weights) for k, s in zip(of_class, scores, strict=True)], axis=0)


def _one_class(is_positive: NDArray[np.bool_], scores: Floats, strata: Floats, weights: Floats) -> Floats:
    concordant, pairs = np.zeros((2, len(weights)))
    for stratum in np.unique(strata):
        inside = strata == stratum
        y, w = is_positive[inside].astype(np.int64), weights[:, inside]
        n = (w @ y) * (w @ (1 - y))
        concordant += np.where(n > 0, n * np.nan_to_num(MEASURES[PRIMARY](y, scores[inside], w)), 0)
        pairs += n
    return np.divide(concordant, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
