"""Places that are higher than those around them, and how probably each is in a box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from sklearn.linear_model import LogisticRegression

WITHIN = 3  # rows and columns among which a candidate is the highest
FALSE_RATE = 0.25  # false boxes an image at the threshold


class Candidates(NamedTuple):
    """Candidates of several images that had not been seen.

    Parameters
    ----------
    images : ndarray of shape (n_candidates,), dtype int64
    levels : ndarray of shape (n_candidates,), dtype float32
    inside : ndarray of shape (n_candidates,), dtype bool
        Whether the place is in a box.
    """

    images: NDArray[np.int64]
    levels: NDArray[np.float32]
    inside: NDArray[np.bool_]


def find_peaks(levels: NDArray[np.float32], empty: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Row and column (n, 2) of each candidate, among places (rows, columns) that are not empty."""
    return np.argwhere((levels == maximum_filter(levels, WITHIN)) & ~empty.reshape(levels.shape))


def fit_places(candidates: Candidates, scores: NDArray[np.float64]) -> tuple[LogisticRegression, float]:
    """Learn the log-odds of a candidate from its level and its image's score.

    Parameters
    ----------
    candidates : Candidates
        Of images whose boxes are known.
    scores : ndarray of shape (n_images,), dtype float64
        Of all images that candidates may name.

    Returns
    -------
    model : LogisticRegression
        Takes rows (level, score of the image).
    threshold : float
        Log-odds at which there is a false candidate in every fourth image.
    """
    rows = np.column_stack([candidates.levels, scores[candidates.images]])
    model = LogisticRegression(C=1e3).fit(rows, candidates.inside)
    false = np.sort(model.decision_function(rows)[~candidates.inside])[::-1]
    allowed = int(FALSE_RATE * len(np.unique(candidates.images)))
    return model, float(false[min(allowed, len(false) - 1)])
