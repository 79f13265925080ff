"""Labels, groups and weights as the training loop wants them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


def encode_labels(y: ArrayLike | None, n_images: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Classes in order, and the class of each image by its place among them.

    Raises
    ------
    ValueError
        If `y` has another length, is continuous, or names one class alone.
    """
    labels = _check_labels(y, n_images, "y")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"CNNClassifier needs two classes or more in y, got one class: {classes.tolist()}.")
    return classes, codes


def encode_as(
    y: ArrayLike | None, classes: NDArray[Any], n_images: int, weighted: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Place of each label among `classes`, which are sorted, of images to validate on.

    Raises
    ------
    ValueError
        If `y` has another length, another class, or lacks one among the rows that have a weight.
    """
    labels = _check_labels(y, n_images, "y_val")
    for found in (np.unique(labels).tolist(), np.unique(labels[weighted]).tolist()):
        if found != classes.tolist():
            raise ValueError(f"y_val must hold every class of y and no other, {classes.tolist()}, got {found}.")
    return np.searchsorted(classes, labels)


def _check_labels(y: ArrayLike | None, n_images: int, name: str) -> NDArray[Any]:
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    if len(labels) != n_images:
        raise ValueError(f"CNNClassifier got {len(labels)} labels in {name} for {n_images} images.")
    check_classification_targets(labels)
    return labels


def loss_weights(
    codes: NDArray[np.intp],
    classes: NDArray[Any],
    *,
    sample_weight: NDArray[np.float64],
    class_weight: str | dict[Any, float] | None,
    parts: tuple[NDArray[np.intp], ...],
) -> NDArray[np.float32]:
    """Weight of each image in the loss: its own times that of its class.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class of each image, 0 to n_classes - 1.
    classes : ndarray of shape (n_classes,)
        Labels.
    sample_weight : ndarray of shape (n_samples,)
    class_weight : "balanced", dict or None
        "balanced" gives every class of the first part the same sum of weights.
    parts : tuple of ndarrays of int
        Rows to train on and rows to validate on. The mean weight of each part is 1, so that the loss and its gradient
        keep their scale.

    Returns
    -------
    weights : ndarray of shape (n_samples,), dtype float32

    Raises
    ------
    ValueError
        If `class_weight` names an unknown class, or a part is left without weight.
    """
    train = parts[0]
    totals: NDArray[Any] = np.bincount(codes[train], weights=sample_weight[train], minlength=len(classes))
    weights: NDArray[Any] = sample_weight * _class_weights(classes, class_weight, totals)[codes]
    for rows in parts:
        mean = weights[rows].mean()
        if mean == 0:
            raise ValueError(
                "sample_weight and class_weight leave no image with a weight above 0 to train or validate on."
            )
        weights[rows] /= mean
    return weights.astype(np.float32)


def _class_weights(
    classes: NDArray[Any], class_weight: str | dict[Any, float] | None, totals: NDArray[Any]
) -> NDArray[Any]:
    if class_weight is None:
        return np.ones(len(classes))
    if class_weight == "balanced":
        balanced: NDArray[Any] = np.divide(1, totals, out=np.zeros(len(classes)), where=totals > 0)
        return balanced
    assert isinstance(class_weight, dict)
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    if unknown:
        raise ValueError(f"class_weight has the labels {unknown}, y has the classes {known}.")
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= weight < math.inf:
            raise ValueError(f"class_weight must hold finite numbers of at least 0, got {weight!r} for {label!r}.")
    return np.array([class_weight.get(label, 1.0) for label in known], dtype=np.float64)
