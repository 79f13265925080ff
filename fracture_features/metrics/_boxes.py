"""Boxes that a model finds against boxes marked: how far they overlap, and which meets which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._types import Floats

OVERLAP = 0.5
FALSE, FOUND, AGAIN = range(3)  # of a found box


class Matches(NamedTuple):
    """Found boxes of all images, highest score first, and what each is.

    Parameters
    ----------
    images : ndarray of shape (n_found,), dtype int64
        Number of the image.
    scores : ndarray of shape (n_found,), dtype float64
        Higher for a fracture.
    kinds : ndarray of shape (n_found,), dtype int64
        0 where no marked box is met, 1 where one is for the first time, 2 where it was met by a higher one.
    n_marked : ndarray of shape (n_images,), dtype int64
        Marked boxes of each image.

    See Also
    --------
    match_boxes : Make them.

    Examples
    --------
    >>> from fracture_features.metrics import match_boxes
    >>> match_boxes([[[0, 0, 4, 4]]], [[0.9]], [[[0, 0, 4, 4]]]).kinds.tolist()
    [1]
    """

    images: NDArray[np.int64]
    scores: Floats
    kinds: NDArray[np.int64]
    n_marked: NDArray[np.int64]


def box_overlaps(found: ArrayLike, marked: ArrayLike) -> Floats:
    """Compute the intersection over union of each found box with each marked one.

    Parameters
    ----------
    found, marked : array-like of shape (n_found, 4) and (n_marked, 4)
        Top, left, bottom and right.

    Returns
    -------
    overlaps : ndarray of shape (n_found, n_marked), dtype float64
        From 0 to 1.

    See Also
    --------
    best_overlaps : The overlap of the highest box of each image.
    match_boxes : Which box meets which.

    Examples
    --------
    >>> from fracture_features.metrics import box_overlaps
    >>> box_overlaps([[0, 0, 2, 2]], [[0, 1, 2, 3], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    a, b = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (found, marked))
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def points_in_boxes(points: ArrayLike, marked: ArrayLike) -> NDArray[np.bool_]:
    """Tell whether each point lies in each marked box, whose bottom and right edges are outside.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Row and column.
    marked : array-like of shape (n_marked, 4)
        Top, left, bottom and right.

    Returns
    -------
    inside : ndarray of shape (n_points, n_marked), dtype bool

    See Also
    --------
    pointing_hits : The highest point of each image against its boxes.

    Examples
    --------
    >>> from fracture_features.metrics import points_in_boxes
    >>> points_in_boxes([[0, 0], [4, 4]], [[0, 0, 4, 4]]).tolist()
    [[True], [False]]
    """
    p, b = (
        np.asarray(points, dtype=np.float64).reshape(-1, 1, 2),
        np.asarray(marked, dtype=np.float64).reshape(1, -1, 4),
    )
    return np.asarray(((p >= b[..., :2]) & (p < b[..., 2:])).all(axis=2))


def match_boxes(
    found: Sequence[ArrayLike], scores: Sequence[ArrayLike], marked: Sequence[ArrayLike], *, rule: str = "centre"
) -> Matches:
    """Match the boxes found in each image with those marked, highest score first.

    Parameters
    ----------
    found, scores : sequences of ndarray of shape (n_found, 4) and (n_found,)
        The boxes of each image, and their scores.
    marked : sequence of ndarray of shape (n_boxes, 4)
        The marked boxes of each image; empty where there are none.
    rule : {"centre", "overlap"}, default="centre"
        A marked box is met by a found one whose centre lies in it, as usual for FROC, or by one whose intersection
        over union with it is at least 0.5, as for AP50. Of several the one with the largest overlap is met.

    Returns
    -------
    matches : Matches
        What each found box is.

    Raises
    ------
    ValueError
        If `rule` is neither, or lengths differ.

    See Also
    --------
    froc_curve : Sensitivity against false boxes.
    box_average_precision : Area under precision and recall.

    Examples
    --------
    >>> from fracture_features.metrics import match_boxes
    >>> matches = match_boxes([[[0, 0, 4, 4], [5, 5, 9, 9]]], [[0.9, 0.8]], [[[0, 0, 4, 4]]])
    >>> matches.kinds.tolist(), matches.n_marked.tolist()
    ([1, 0], [1])
    """
    if rule not in ("centre", "overlap"):
        raise ValueError(f"rule must be 'centre' or 'overlap', got {rule!r}.")
    images, values, kinds = [], [], []
    for number, (own, own_scores, truth) in enumerate(zip(found, scores, marked, strict=True)):
        boxes, each = np.asarray(own, float).reshape(-1, 4), np.asarray(own_scores, float).reshape(-1)
        if len(boxes) != len(each):
            raise ValueError(f"image {number} has {len(boxes)} boxes found and {len(each)} scores.")
        order = np.argsort(-each, kind="stable")
        images += [number] * len(each)
        values += each[order].tolist()
        kinds += _kinds(boxes[order], np.asarray(truth, float).reshape(-1, 4), rule)
    highest = np.argsort(-np.array(values), kind="stable")
    n_marked = np.array([len(np.asarray(truth).reshape(-1, 4)) for truth in marked], dtype=np.int64)
    return Matches(
        np.array(images, dtype=np.int64)[highest],
        np.array(values, dtype=np.float64)[highest],
        np.array(kinds, dtype=np.int64)[highest],
        n_marked,
    )


def _kinds(found: Floats, marked: Floats, rule: str) -> list[int]:
    overlap = box_overlaps(found, marked)
    centres = (found[:, :2] + found[:, 2:]) / 2
    meets = overlap >= OVERLAP if rule == "overlap" else points_in_boxes(centres, marked)
    met = np.zeros(len(marked), dtype=bool)
    kinds = []
    for own, share in zip(meets, overlap, strict=True):
        fresh = np.flatnonzero(own & ~met)
        if len(fresh):
            met[fresh[share[fresh].argmax()]] = True
        kinds.append(FOUND if len(fresh) else AGAIN if own.any() else FALSE)
    return kinds


def best_overlaps(found: Sequence[ArrayLike], scores: Sequence[ArrayLike], marked: Sequence[ArrayLike]) -> Floats:
    """Return the largest overlap of the highest box of each image with a marked one.

    Parameters
    ----------
    found, scores : sequences of ndarray of shape (n_found, 4) and (n_found,)
        The boxes of each image, and their scores.
    marked : sequence of ndarray of shape (n_boxes, 4)
        The marked boxes of each image.

    Returns
    -------
    overlaps : ndarray of shape (n_images,), dtype float64
        0 where no box is found, NaN where none is marked.

    See Also
    --------
    box_overlaps : Of each box with each.

    Examples
    --------
    >>> from fracture_features.metrics import best_overlaps
    >>> best_overlaps([[[0, 0, 2, 4]], []], [[0.9], []], [[[0, 0, 4, 4]], [[1, 1, 3, 3]]]).tolist()
    [0.5, 0.0]
    """
    out = []
    for own, each, truth in zip(found, scores, marked, strict=True):
        boxes, values = np.asarray(own, float).reshape(-1, 4), np.asarray(each, float)
        if not len(np.asarray(truth).reshape(-1, 4)):
            out.append(np.nan)
        else:
            out.append(float(box_overlaps(boxes[values.argmax()], truth).max()) if len(boxes) else 0.0)
    return np.array(out)
