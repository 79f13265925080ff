"""From scores of places to boxes, and boxes of files in pixels of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..images import read_shape
from ..images._frame import image_box
from ..images._stack import ReadStack
from ..metrics import box_overlaps

OVERLAP = 0.2  # intersection over union from which the lower of two boxes goes
MOST = 20  # boxes of an image


class Detections(NamedTuple):
    """Boxes found in one image, highest score first.

    Parameters
    ----------
    boxes : ndarray of shape (n_boxes, 4), dtype float64
        Top, left, bottom and right in pixels.
    scores : ndarray of shape (n_boxes,), dtype float64
        Higher for a fracture.
    points : ndarray of shape (n_boxes, 2), dtype float64
        Row and column of the place that has the score: where a model points to. Boxes are not centred on it.

    See Also
    --------
    RegionClassifier.detect : Make them.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.regions import Detections
    >>> found = Detections(np.array([[0.0, 0, 8, 8]]), np.array([0.7]), np.array([[4.0, 4]]))
    >>> found.scores.tolist()
    [0.7]
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    points: NDArray[np.float64]


def suppress(boxes: NDArray[np.float64], scores: NDArray[np.float64], points: NDArray[np.float64]) -> Detections:
    """Leave the highest of boxes that overlap (non-maximum suppression)."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < MOST:
        first, order = int(order[0]), order[1:]
        kept.append(first)
        order = order[box_overlaps(boxes[first], boxes[order])[0] < OVERLAP]
    return Detections(boxes[kept], scores[kept], points[kept])


class Frames:
    """Where files' pixels are in the pixels of a stack; a stack of no files has its own.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width)
        From ImageReader, or of unknown origin.
    """

    def __init__(self, X: Any):
        self._origin = X.origin if isinstance(X, ReadStack) else None
        self._shape: tuple[int, int] = np.shape(X)[1:]

    def to_stack(self, row: int, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (n, 4) of image number `row`, from pixels of its file."""
        start, scale = self._frame(row) if len(boxes) else (np.zeros(2), np.ones(2))
        return np.asarray(boxes * np.tile(scale, 2) + np.tile(start, 2))

    def to_file(self, row: int, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (n, 4) of image number `row`, to pixels of its file; what lies in the padding is cut away."""
        start, scale = self._frame(row) if len(boxes) else (np.zeros(2), np.ones(2))
        shape = self._shape if self._origin is None else self._file_shape(row)
        return np.asarray(((boxes - np.tile(start, 2)) / np.tile(scale, 2)).clip(0, np.tile(shape, 2)))

    def _file_shape(self, row: int) -> tuple[int, int]:
        return read_shape(self._origin.paths[row])  # type: ignore[union-attr]

    def _frame(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First pixel of the file's image in the stack, and pixels of the stack to one of the file."""
        if self._origin is None:
            return np.zeros(2), np.ones(2)
        shape = self._file_shape(row)
        top, left, bottom, right = image_box(shape, self._origin.resize, self._shape)
        return np.array([top, left], float), np.array([(bottom - top) / shape[0], (right - left) / shape[1]])


def check_boxes(boxes: Any, n_samples: int, frames: Frames) -> list[NDArray[np.float64] | None]:
    """Boxes of each image, in pixels of the stack.

    Raises
    ------
    ValueError
        If there is not one array (n_boxes, 4), or None, for each image, or one has no area.
    """
    if boxes is None:
        raise ValueError(
            "RegionClassifier learns from boxes: give boxes=, an array (n_boxes, 4) or None for each image. A data set "
            "that has them keeps them as data.boxes; pipelines, searches and evaluate hand them on under "
            "sklearn.set_config(enable_metadata_routing=True)."
        )
    given: Sequence[Any] = boxes
    if len(given) != n_samples:
        raise ValueError(f"boxes must have one entry for each of {n_samples} images, got {len(given)}.")
    out: list[NDArray[np.float64] | None] = []
    for row, each in enumerate(given):
        if each is None:
            out.append(None)
            continue
        array = np.asarray(each, dtype=np.float64)
        array = array.reshape(0, 4) if array.size == 0 else array
        if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
            raise ValueError(f"boxes[{row}] must be finite and of shape (n_boxes, 4), got {each!r:.200}.")
        if (array[:, 2:] <= array[:, :2]).any():
            raise ValueError(f"boxes[{row}] must be top, left, bottom and right of an area, got {each!r:.200}.")
        out.append(frames.to_stack(row, array))
    return out
