"""How well a model finds where: boxes found against boxes marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._limits import percentile_interval
from ._resampling import group_weights
from ._types import Floats, Interval

FALSE_RATES = (0.25, 1.0)
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


def pointing_hits(points: Sequence[ArrayLike | None], marked: Sequence[ArrayLike]) -> NDArray[np.bool_]:
    """Play the pointing game [1]_: tell whether the highest point of each image lies in one of its boxes.

    Parameters
    ----------
    points : sequence of (row, column) or None
        None where a model gives none, which is no hit.
    marked : sequence of ndarray of shape (n_boxes, 4)
        Top, left, bottom and right.

    Returns
    -------
    hits : ndarray of shape (n_images,), dtype bool

    See Also
    --------
    place_measures : All measures of places, with intervals.

    References
    ----------
    .. [1] J. Zhang et al., "Top-down neural attention by excitation backprop", IJCV 126, 2018.

    Examples
    --------
    >>> from fracture_features.metrics import pointing_hits
    >>> pointing_hits([(5, 5), (0, 9)], [[[0, 0, 9, 9]], [[1, 1, 3, 3]]]).tolist()
    [True, False]
    """
    pairs = zip(points, marked, strict=True)
    return np.array([point is not None and bool(points_in_boxes(point, boxes).any()) for point, boxes in pairs], bool)


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


def froc_curve(matches: Matches, counts: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return the free-response curve [1]_: the share of marked boxes found against false boxes an image.

    A box that meets what a higher one has met is neither found nor false.

    Parameters
    ----------
    matches : Matches
        From `match_boxes`.
    counts : array-like of shape (n_images,), default=None
        How often each image counts, as in a resample; None counts each once.

    Returns
    -------
    false : ndarray of shape (n_points,), dtype float64
        False boxes an image, from 0 on.
    found : ndarray of shape (n_points,), dtype float64
        Share of the marked boxes that are found.

    See Also
    --------
    froc_sensitivity : One point of it.

    References
    ----------
    .. [1] D. P. Chakraborty, "Maximum likelihood analysis of free-response receiver operating characteristic (FROC)
       data", Medical Physics 16(4), 1989.

    Examples
    --------
    >>> from fracture_features.metrics import froc_curve, match_boxes
    >>> found, marked = [[[0, 0, 4, 4], [5, 5, 9, 9]], [[1, 1, 3, 3]]], [[[0, 0, 4, 4]], [[1, 1, 3, 3]]]
    >>> matches = match_boxes(found, [[0.9, 0.8], [0.7]], marked)
    >>> false, found = froc_curve(matches)
    >>> false.tolist(), found.tolist()
    ([0.0, 0.0, 0.5, 0.5], [0.0, 0.5, 0.5, 1.0])
    """
    each = np.ones(len(matches.n_marked)) if counts is None else np.asarray(counts, dtype=np.float64)
    own = each[matches.images]
    false = np.cumsum(own * (matches.kinds == FALSE)) / each.sum()
    n_marked = (each * matches.n_marked).sum()
    found = np.cumsum(own * (matches.kinds == FOUND)) / (n_marked if n_marked else np.nan)
    last = np.append(np.diff(matches.scores) != 0, True)[: len(found)]  # boxes of one score come together
    return np.append(0.0, false[last]), np.append(0.0, found[last])


def froc_sensitivity(matches: Matches, false_rate: float, counts: ArrayLike | None = None) -> float:
    """Return the share of marked boxes that are found with at most so many false boxes an image.

    Parameters
    ----------
    matches : Matches
        From `match_boxes`.
    false_rate : float
        False boxes an image.
    counts : array-like of shape (n_images,), default=None
        How often each image counts, as in a resample; None counts each once.

    Returns
    -------
    sensitivity : float

    See Also
    --------
    froc_curve : The whole curve.

    Examples
    --------
    >>> from fracture_features.metrics import froc_sensitivity, match_boxes
    >>> found, marked = [[[0, 0, 4, 4], [5, 5, 9, 9]], [[1, 1, 3, 3]]], [[[0, 0, 4, 4]], [[1, 1, 3, 3]]]
    >>> matches = match_boxes(found, [[0.9, 0.8], [0.7]], marked)
    >>> froc_sensitivity(matches, 0.25), froc_sensitivity(matches, 0.5)
    (0.5, 1.0)
    """
    false, found = froc_curve(matches, counts)
    return float(found[np.searchsorted(false, false_rate * (1 + 1e-12), side="right") - 1])


def box_average_precision(matches: Matches, counts: ArrayLike | None = None) -> float:
    """Return the area under precision and recall of boxes.

    A box that meets what is met already is false. Of `match_boxes(..., rule="overlap")` it is AP50 [1]_:
    precision at a recall is the highest at that recall or more.

    Parameters
    ----------
    matches : Matches
        From `match_boxes`.
    counts : array-like of shape (n_images,), default=None
        How often each image counts, as in a resample; None counts each once.

    Returns
    -------
    precision : float
        0 where no box is found; NaN where none is marked.

    See Also
    --------
    froc_curve : Sensitivity against false boxes.
    place_measures : All measures of places, with intervals.

    References
    ----------
    .. [1] M. Everingham et al., "The Pascal visual object classes (VOC) challenge", IJCV 88, 2010.

    Examples
    --------
    >>> from fracture_features.metrics import box_average_precision, match_boxes
    >>> found, marked = [[[0, 0, 4, 4], [5, 5, 9, 9]], [[1, 1, 3, 3]]], [[[0, 0, 4, 4]], [[1, 1, 3, 3]]]
    >>> matches = match_boxes(found, [[0.9, 0.8], [0.7]], marked)
    >>> round(box_average_precision(matches), 3)
    0.833
    """
    each = np.ones(len(matches.n_marked)) if counts is None else np.asarray(counts, dtype=np.float64)
    own = each[matches.images]
    if not (n_marked := float((each * matches.n_marked).sum())):
        return float("nan")
    found, all_boxes = np.cumsum(own * (matches.kinds == FOUND)), np.cumsum(own)
    precision = np.divide(found, all_boxes, out=np.zeros_like(found), where=all_boxes > 0)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(found / n_marked, prepend=0.0) * highest).sum())


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


class PlaceMeasure(NamedTuple):
    """A measure and its interval.

    Parameters
    ----------
    value : float
        The measure on the images as they are.
    interval : Interval
        Its 95 % percentile interval over resampled groups.

    See Also
    --------
    place_measures : Make them.

    Examples
    --------
    >>> from fracture_features.metrics import Interval, PlaceMeasure
    >>> PlaceMeasure(0.4, Interval(0.3, 0.5)).interval.low
    0.3
    """

    value: float
    interval: Interval


def place_measures(
    points: Sequence[ArrayLike | None],
    found: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    marked: Sequence[ArrayLike],
    *,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    random_state: int | None = None,
) -> dict[str, PlaceMeasure]:
    """Compute all measures of places, each with its percentile interval over resampled groups.

    Parameters
    ----------
    points : sequence of (row, column) or None
        The highest point of each image, as in `pointing_hits`.
    found, scores, marked : sequences of ndarray
        Boxes of each image, as in `match_boxes`; images without a marked box have an empty one.
    groups : array-like of shape (n_images,), default=None
        Patients; None takes every image for a group of its own.
    n_resamples : int, default=1000
        Resamples of whole groups.
    random_state : int, default=None
        Seed of the resamples.

    Returns
    -------
    measures : dict of str to PlaceMeasure
        `pointing` and `best_box_iou` over marked images; `sensitivity_at_0.25` and `sensitivity_at_1`, of boxes, at
        that many false boxes an image over all images; `ap50`.

    See Also
    --------
    match_boxes : Which box meets which.
    fracture_features.regions.RegionClassifier : A model that finds places.

    Examples
    --------
    >>> from fracture_features.metrics import place_measures
    >>> found, marked = [[[0, 0, 4, 4]], [[6, 6, 8, 8]]] * 5, [[[0, 0, 4, 4]], [[1, 1, 3, 3]]] * 5
    >>> measures = place_measures([(1, 1), (7, 7)] * 5, found, [[0.9], [0.8]] * 5, marked, random_state=0)
    >>> measures["pointing"].value, measures["ap50"].value
    (0.5, 0.5)
    """
    n = len(marked)
    names = np.arange(n) if groups is None else np.asarray(groups)
    by_centre, by_overlap = (match_boxes(found, scores, marked, rule=rule) for rule in ("centre", "overlap"))
    is_marked = by_centre.n_marked > 0
    hits = pointing_hits(points, marked).astype(np.float64)
    best = np.nan_to_num(best_overlaps(found, scores, marked))

    def mean(values: Floats) -> Callable[[Floats], float]:
        return lambda w: float(np.average(values, weights=w * is_marked)) if (w * is_marked).any() else np.nan

    measures: dict[str, Callable[[Floats], float]] = {"pointing": mean(hits), "best_box_iou": mean(best)}
    for rate in FALSE_RATES:
        measures[f"sensitivity_at_{rate:g}"] = lambda w, rate=rate: froc_sensitivity(by_centre, rate, w)  # type: ignore[misc]
    measures["ap50"] = lambda w: box_average_precision(by_overlap, w)
    drawn = group_weights(names, n_resamples, np.random.default_rng(random_state))
    n_groups = len(np.unique(names[is_marked]))
    return {
        name: PlaceMeasure(of(np.ones(n)), percentile_interval(np.array([of(w) for w in drawn]), 0.95, n_groups))
        for name, of in measures.items()
    }
