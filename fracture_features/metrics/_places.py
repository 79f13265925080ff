"""How well a model finds where: all measures of points and boxes, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._boxes import best_overlaps, match_boxes, points_in_boxes
from ._froc import box_average_precision, froc_sensitivity
from ._limits import percentile_interval
from ._resampling import group_weights
from ._types import Floats, Interval

FALSE_RATES = (0.25, 1.0)


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
