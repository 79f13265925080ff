"""Places of an image, what each looks like, and which of them are in a box."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..features._descriptors import LENGTH, dense_descriptors

STEP = 16  # pixels from one place to the next
CELLS = (8, 16, 32)  # pixels; a place is seen in patches of four times that
REACH = 2 * CELLS[-1]
PART = LENGTH + 2
N_FEATURES = len(CELLS) * PART
# Columns that change their sign when the image is mirrored.
ODD = np.concatenate([np.arange(LENGTH // 2, LENGTH) + k * PART for k in range(len(CELLS))])
SPREAD = 2 * PART - 1  # the column of the spread of grey levels in the patch of the middle size
MIN_GRADIENT = 0.25  # grey levels a pixel; descriptors of patches below are 0
MIN_SPREAD = 0.03  # of 64 grey levels: the film beside the limb has less
NEAR = 40  # pixels about a box whose places are neither in it nor beside it
OTHER, MARKED, UNSURE, EMPTY = range(4)  # states of a place


def grid_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of places in an image of `shape`."""
    return max(shape[0] // STEP, 1), max(shape[1] // STEP, 1)


def centres(n: int) -> NDArray[np.float64]:
    """Pixels of the centres of `n` places along an axis."""
    return np.asarray((np.arange(n) + 0.5) * STEP, dtype=np.float64)


def describe_places(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe each place by the patches around it, of every size.

    Of a patch there are a RootSIFT descriptor (`features._descriptors`), the mean of its grey levels and their
    standard deviation, which metal and film have others of than bone. The border is repeated outwards.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8

    Returns
    -------
    features : ndarray of shape (rows * columns, N_FEATURES), dtype float32
    """
    n_rows, n_columns = grid_shape(image.shape)
    # Patches lie symmetrically about the middle: so much more on one side brings them to the centres.
    after = [REACH + (STEP - side) % (2 * STEP) for side in image.shape]
    wide = cv2.copyMakeBorder(image, REACH, after[0], REACH, after[1], cv2.BORDER_REPLICATE)
    grey = wide.astype(np.float32)
    squares = grey * grey
    at = np.ix_(*(np.rint(centres(n)).astype(int) + REACH for n in (n_rows, n_columns)))
    out = np.zeros((n_rows, n_columns, N_FEATURES), dtype=np.float32)
    for k, cell in enumerate(CELLS):
        patches = dense_descriptors(wide, cell_sizes=[cell], step=STEP, min_contrast=MIN_GRADIENT)
        pixels = (patches.positions + 0.5) * wide.shape - REACH
        rows, columns = np.rint(pixels / STEP - 0.5).astype(np.int64).T
        there = (rows >= 0) & (rows < n_rows) & (columns >= 0) & (columns < n_columns)
        out[rows[there], columns[there], k * PART : k * PART + LENGTH] = patches.descriptors[there]
        mean, square = (cv2.blur(each, (4 * cell, 4 * cell)) for each in (grey, squares))
        out[..., k * PART + LENGTH] = mean[at] / 255
        out[..., k * PART + LENGTH + 1] = np.sqrt((square - mean * mean).clip(0)[at]) / 64
    return out.reshape(-1, N_FEATURES)


def mirrored(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of the same places in the mirrored image."""
    features = features.copy()
    features[:, ODD] *= -1
    return features


def is_empty(features: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Places that show nothing but film or padding."""
    return np.asarray(features[:, SPREAD] <= MIN_SPREAD)


class Targets(NamedTuple):
    """What is known of the places of one image.

    Parameters
    ----------
    states : ndarray of shape (n_places,), dtype uint8
        OTHER, MARKED, UNSURE (near a box, or in a fractured image without one) or EMPTY.
    weights : ndarray of shape (n_places,), dtype float32
        Of marked places: those of large boxes count less, each box as much as the root of their number.
    sides : ndarray of shape (n_places, 4), dtype float32
        Of marked places the distances to the top, left, bottom and right of their box.
    """

    states: NDArray[np.uint8]
    weights: NDArray[np.float32]
    sides: NDArray[np.float32]


def find_targets(
    boxes: NDArray[np.float64] | None,
    empty: NDArray[np.bool_],
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    *,
    fractured: bool,
) -> Targets:
    """Which places are marked.

    Parameters
    ----------
    boxes : ndarray of shape (n_boxes, 4) or None
        In pixels of the image.
    empty : ndarray of shape (n_places,), dtype bool
    y, x : ndarray of shape (n_rows,) and (n_columns,)
        Pixels of the places' centres.
    fractured : bool
        Where it is false, boxes are not asked.
    """
    grid = len(y), len(x)
    states = np.where(empty, EMPTY, OTHER).astype(np.uint8).reshape(grid)
    weights, sides = np.zeros(grid, np.float32), np.zeros((*grid, 4), np.float32)
    if fractured and (boxes is None or len(boxes) == 0):
        states[states == OTHER] = UNSURE
    elif fractured and boxes is not None:
        for box in boxes:
            near = _inside(y, x, np.add(box, (-NEAR, -NEAR, NEAR, NEAR)))
            states[near & (states == OTHER)] = UNSURE
        # Large boxes first: a place in two belongs to the smaller.
        for box in sorted(boxes, key=lambda box: -(box[2] - box[0]) * (box[3] - box[1])):
            top, left, bottom, right = box
            inside = _inside(y, x, box)
            if not inside.any():
                inside[np.abs(y - (top + bottom) / 2).argmin(), np.abs(x - (left + right) / 2).argmin()] = True
            states[inside] = MARKED
            weights[inside] = 1 / np.sqrt(inside.sum())
            rows, columns = np.nonzero(inside)
            distances = np.column_stack([y[rows] - top, x[columns] - left, bottom - y[rows], right - x[columns]])
            sides[inside] = distances.clip(STEP / 4)
    return Targets(states.ravel(), weights.ravel(), sides.reshape(-1, 4))


def _inside(y: NDArray[np.float64], x: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Places whose centre is in the box."""
    top, left, bottom, right = box
    return np.outer((y >= top) & (y < bottom), (x >= left) & (x < right))
