"""Labels, predictions and probabilities of two classes, as metrics are given them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_non_negative

from ._checks import check_scores
from ._types import Floats, Labels

Label = int | float | bool | str


def check_predicted(
    y_true: ArrayLike, y_pred: ArrayLike, pos_label: Label, sample_weight: ArrayLike | None
) -> tuple[Labels, Labels, Floats]:
    """Labels and predictions as 1 for `pos_label` and 0 otherwise, (n_samples,), and weights (1, n_samples)."""
    check_consistent_length(y_true, y_pred, sample_weight)
    true, predicted = _are_positive(pos_label, y_true=y_true, y_pred=y_pred)
    return true, predicted, _weights(sample_weight, len(true))


def check_probable(
    y_true: ArrayLike, y_prob: ArrayLike, pos_label: Label, sample_weight: ArrayLike | None
) -> tuple[Labels, Floats, Floats]:
    """As `check_predicted`, with probabilities."""
    check_consistent_length(y_true, y_prob, sample_weight)
    (true,) = _are_positive(pos_label, y_true=y_true)
    probability = check_scores(column_or_1d(y_prob), len(true), name="y_prob", probabilities=True)
    return true, probability, _weights(sample_weight, len(true))


def _are_positive(pos_label: Label, **labels: ArrayLike) -> list[Labels]:
    """1 for `pos_label` and 0 for any other label, for each array; ValueError, as documented, if they are no labels."""
    columns = {
        name: column_or_1d(check_array(values, ensure_2d=False, dtype=None, input_name=name))
        for name, values in labels.items()
    }
    for name, column in columns.items():
        if (kind := type_of_target(column, input_name=name)) not in ("binary", "multiclass"):
            raise ValueError(f"{name} must hold the labels of two classes, got values of type {kind!r}.")
    present: list[Any] = unique_labels(*columns.values()).tolist()
    if not 1 <= len(present) <= 2:
        raise ValueError(f"{' and '.join(columns)} must hold the labels of two classes, got {len(present)}: {present}.")
    # of one class alone the other's name is unknown, but not whether it is a string
    if pos_label not in present and (len(present) == 2 or isinstance(pos_label, str) != isinstance(present[0], str)):
        raise ValueError(f"pos_label must be one of the labels {present}, got {pos_label!r}.")
    return [(column == pos_label).astype(np.int64) for column in columns.values()]


def _weights(sample_weight: ArrayLike | None, n_samples: int) -> Floats:
    if sample_weight is None:
        return np.ones((1, n_samples))
    weights = column_or_1d(check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"))
    check_non_negative(weights, "sample_weight")
    return np.asarray(weights)[None]
