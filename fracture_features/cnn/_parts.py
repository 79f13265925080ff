"""What a network is trained on, and what it is validated on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from .._validation import check_groups, check_image_shape, check_image_stack
from ._data import Batches
from ._split import validation_split
from ._targets import encode_as, encode_labels, loss_weights

VALIDATION_BLOCK = 16  # images


class Labelled(NamedTuple):
    """Images with their labels and weights, as `fit` gets them."""

    X: ArrayLike | None
    y: ArrayLike | None
    sample_weight: ArrayLike | None = None


class Parts(NamedTuple):
    """Labels in order, batches to train on, and those to validate on, if any."""

    classes: NDArray[Any]
    batches: Batches
    held_out: Batches | None


def make_parts(estimator: Any, given: Labelled, groups: ArrayLike | None, validation: Labelled, seed: int) -> Parts:
    """Check what `fit` was given, and divide it.

    Parameters
    ----------
    estimator : CNNClassifier
        Its batch size, augmentation, class weights and validation fraction.
    given : Labelled
    groups : array-like of shape (n_samples,) or None
    validation : Labelled
        To validate on; where it is of None, a part of `given` is.
    seed : int

    Raises
    ------
    ValueError
        As `CNNClassifier.fit` says.
    """
    stack = check_image_stack(given.X, estimator=estimator)
    classes, codes = encode_labels(given.y, len(stack))
    weights, weighted = _weighted(given.sample_weight, stack, "sample_weight")
    group_codes = None if groups is None else check_groups(groups, len(stack))[0][weighted]
    common: dict[str, Any] = {"class_weight": estimator.class_weight}
    batch_size, fraction = estimator.batch_size, estimator.validation_fraction

    def train_on(rows: NDArray[np.intp], of_loss: NDArray[np.float32]) -> Batches:
        return Batches(stack, codes, of_loss, rows, batch_size, seed=seed, augment=estimator.augment)

    if (validation.X is None) != (validation.y is None):
        raise ValueError("X_val and y_val go together: give both or neither.")
    if validation.X is not None:
        other = check_image_stack(validation.X, estimator=estimator)
        check_image_shape(other, stack.shape[1:], estimator=estimator)
        other_weights, other_rows = _weighted(validation.sample_weight, other, "sample_weight_val")
        other_codes = encode_as(validation.y, classes, len(other), other_rows)
        n = len(stack)
        of_loss = loss_weights(
            np.concatenate([codes, other_codes]),
            classes,
            sample_weight=np.concatenate([weights, other_weights]),
            parts=(weighted, n + other_rows),
            **common,
        )
        held_out = Batches(other, other_codes, of_loss[n:], other_rows, VALIDATION_BLOCK)
        return Parts(classes, train_on(weighted, of_loss[:n]), held_out)
    parts: tuple[NDArray[np.intp], ...] = (weighted,)
    if fraction is not None:
        split = validation_split(codes[weighted], group_codes, fraction, np.random.default_rng(seed))
        parts = tuple(weighted[rows] for rows in split)
    of_loss = loss_weights(codes, classes, sample_weight=weights, parts=parts, **common)
    held_out_part = Batches(stack, codes, of_loss, parts[1], VALIDATION_BLOCK) if len(parts) > 1 else None
    return Parts(classes, train_on(parts[0], of_loss), held_out_part)


def _weighted(
    sample_weight: ArrayLike | None, stack: NDArray[np.uint8], name: str
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Weights of the images, and the rows of those that have one: the others might as well not be there."""
    weights = _check_sample_weight(sample_weight, stack, dtype=np.float64, ensure_non_negative=True)
    rows = np.flatnonzero(weights)
    if not len(rows):
        raise ValueError(f"{name} leaves no image with a weight above 0 to train or validate on.")
    return weights, rows
