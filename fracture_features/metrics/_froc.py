"""Curves over the scores of found boxes, and areas below them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._boxes import FALSE, FOUND, Matches
from ._types import Floats


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
