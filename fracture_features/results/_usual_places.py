"""Where boxes usually lie in images of a body part: a control that sees no pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..regions import Detections

BODY_PARTS = ("body_part", "BodyPartExamined")  # columns that name it, the first that there is
GRID = 40  # rows and columns of the map
SPREAD = 1.5  # of its smoothing, in rows
SIDE = 0.06  # of the control's boxes, in sides of the image: about the median of those of FracAtlas
MOST = 20  # boxes of an image


def body_parts(data: FractureDataset) -> NDArray[np.object_]:
    """Body part of each image; the same for all where no column names it."""
    for name in BODY_PARTS:
        if name in data.frame:
            parts = data.frame[name].astype("string").fillna("unknown")
            return np.array(parts.tolist(), dtype=object)
    return np.full(len(data), "any", dtype=object)


def usual_places(data: FractureDataset, train: NDArray[np.int64], test: NDArray[np.int64]) -> list[Detections]:
    """Boxes in each test image where the training images of its body part have theirs.

    Parameters
    ----------
    data : FractureDataset
        With boxes.
    train, test : ndarray of int

    Returns
    -------
    found : list of Detections
        At the peaks of a smoothed map of how often a place is in a box; none where no training image has one.
    """
    parts = body_parts(data)
    shapes = data.files[["height", "width"]].to_numpy(dtype=np.float64)
    made = {part: _peaks(data, train[parts[train] == part], shapes) for part in set(parts[test])}
    found = []
    for i in test.tolist():
        shares, scores = made[parts[i]]
        points, half = shares * shapes[i], SIDE * shapes[i] / 2
        found.append(Detections(np.hstack([points - half, points + half]), scores, points))
    return found


def _peaks(
    data: FractureDataset, rows: NDArray[np.int64], shapes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (n, 2) as shares of the image's height and width, and their scores, highest first."""
    counts = np.zeros((GRID, GRID), dtype=np.float32)
    for i in rows.tolist():
        boxes = data.boxes[i] if data.boxes is not None else None
        for box in () if boxes is None else boxes:
            top, left, bottom, right = np.rint(box / np.tile(shapes[i], 2) * GRID).astype(int)
            counts[top : max(bottom, top + 1), left : max(right, left + 1)] += 1
    levels = cv2.GaussianBlur(counts, (0, 0), SPREAD) / max(len(rows), 1)
    peaks = np.argwhere((levels == cv2.dilate(levels, np.ones((5, 5)))) & (levels > 0))
    scores = levels[tuple(peaks.T)].astype(np.float64)
    order = np.argsort(-scores, kind="stable")[:MOST]
    return (peaks[order] + 0.5) / GRID, scores[order]
