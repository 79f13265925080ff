"""Checks on what the measures, intervals and tests are given; every message names the parameter."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validation import check_groups
from ._types import Floats, Labels


def check_labels(labels: ArrayLike, *, name: str = "y_true", binary: bool = False) -> Labels:
    """`labels` as int64 of shape (n_samples,).

    Raises
    ------
    ValueError
        If they are not one row of whole numbers or booleans, or, with `binary`, hold anything but 0 and 1.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name} must hold one label per image, got an array of shape {array.shape}.")
    if array.dtype.kind not in "biuf" or not np.array_equal(array, np.round(array)):
        raise ValueError(f"{name} must hold whole numbers, got dtype {array.dtype} with {array[:3].tolist()}…")
    if binary and (unknown := sorted({*array.tolist()} - {0, 1})):
        raise ValueError(
            f"{name} must hold the labels 0 and 1, got {unknown} too; "
            "for more classes use metrics.macro or metrics.one_vs_rest."
        )
    return array.astype(np.int64)


def check_both_classes(y_true: Labels, *, where: str = "y_true") -> None:
    """Raise ValueError unless there are two labels at least."""
    if len(present := np.unique(y_true)) < 2:
        raise ValueError(f"{where} must hold at least two classes, got {present.tolist()} only.")


def check_scores(scores: ArrayLike, n_samples: int, *, name: str = "y_score", probabilities: bool = False) -> Floats:
    """`scores` as float64 of shape (n_samples,) or (n_samples, n_classes).

    Raises
    ------
    ValueError
        If the length is another, a value is not finite or, with `probabilities`, lies outside 0 to 1.
    """
    array = np.asarray(scores)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}.")
    if array.ndim not in (1, 2) or len(array) != n_samples:
        raise ValueError(f"{name} must have one row for each of {n_samples} labels, got shape {array.shape}.")
    if bad := int((~np.isfinite(array)).sum()):
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {array.size} values.")
    if probabilities and (array.min() < 0 or array.max() > 1):
        raise ValueError(f"{name} must hold probabilities from 0 to 1, got {array.min():.6g} to {array.max():.6g}.")
    return array.astype(np.float64)


def check_single_images(groups: ArrayLike | None, n_samples: int, *, method: str, instead: str) -> None:
    """Raise ValueError if a group holds several samples, which `method` would take for independent."""
    index, _ = check_groups(groups, n_samples)
    sizes = np.bincount(index)
    if (sizes > 1).any():
        raise ValueError(
            f"groups: {method} takes images for independent and needs one image per group, got {(sizes > 1).sum()} "
            f"groups with up to {sizes.max()} images; use {instead}."
        )


def check_share(value: float, *, name: str, or_1: bool = False) -> float:
    """`value` as a float between 0 and 1; 1 itself is allowed with `or_1`, ValueError otherwise."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not (0 < value < 1 or (or_1 and value == 1)):
        raise ValueError(f"{name} must lie in (0, 1{']' if or_1 else ')'}, got {value!r}.")
    return float(value)
