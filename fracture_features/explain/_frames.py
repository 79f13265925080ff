"""Where a file's image lies among the pixels that the reader gives, and maps brought back to the file's own."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import ImageReader
from ..images._frame import image_box


class Frame(NamedTuple):
    """Where the image of a file lies in what ImageReader makes of it.

    Parameters
    ----------
    box : tuple of (int, int, int, int)
        Top, left, bottom and right of the image, bottom and right excluded; the rest is padding.
    shape : tuple of (int, int)
        Height and width of the file's image, or of what its map is shown on.
    """

    box: tuple[int, int, int, int]
    shape: tuple[int, int]

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        top, left, bottom, right = self.box
        return slice(top, bottom), slice(left, right)


def find_frame(shape: tuple[int, int], reader: ImageReader, stack_shape: tuple[int, int]) -> Frame:
    """Find where `reader`, whose images have `stack_shape` (height, width), puts an image of `shape`."""
    return Frame(image_box(shape, reader.resize, stack_shape), shape)


def spread(boxes: NDArray[np.int64], values: NDArray[np.float64], total: float, frame: Frame) -> NDArray[np.float64]:
    """Spread each value evenly over the pixels of its box, and bring the map to the file's shape.

    Of a box that reaches into the padding the part on the image takes all of the value. What has no place on the
    image, the difference of `total` and the values placed, is spread evenly over all of it.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4), dtype int64
        Top, left, bottom and right in pixels of the reader, bottom and right excluded.
    values : ndarray of shape (n,), dtype float64
    total : float
        What the map will sum to.
    frame : Frame

    Returns
    -------
    map : ndarray of shape `frame.shape`, dtype float64
    """
    low, high = np.array(frame.box[:2]), np.array(frame.box[2:])
    starts, ends = (corners.clip(low, high) - low for corners in (boxes[:, :2], boxes[:, 2:]))
    areas = (ends - starts).prod(axis=1)
    on_image = areas > 0
    densities = values[on_image] / areas[on_image]
    (tops, lefts), (bottoms, rights) = starts[on_image].T, ends[on_image].T
    # Differences of a summed-area table: +density at the top left and bottom right corners, -density at the others.
    steps = np.zeros(high - low + 1)
    for rows, columns, sign in ((tops, lefts, 1), (bottoms, lefts, -1), (tops, rights, -1), (bottoms, rights, 1)):
        np.add.at(steps, (rows, columns), sign * densities)
    mass = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    mass += (total - mass.sum()) / mass.size
    return _share(_share(mass, frame.shape[0]).T, frame.shape[1]).T


def _share(mass: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Share the rows of `mass` among `n` rows, by how far each reaches into each: sums stay."""
    ends = np.linspace(0, len(mass), n + 1)
    whole = np.minimum(ends.astype(np.int64), len(mass) - 1)
    before = np.vstack([np.zeros_like(mass[:1]), mass.cumsum(axis=0)])
    return np.diff(before[whole] + (ends - whole)[:, None] * mass[whole], axis=0)


def enlarge(levels: NDArray[np.float64], frame: Frame, stack_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Bring a map of levels, coarse or not, of the reader's whole image to the file's shape, interpolating linearly.

    Parameters
    ----------
    levels : ndarray of shape (rows, columns), dtype float64
    frame : Frame
    stack_shape : tuple of (int, int)
        Height and width of the reader's images.

    Returns
    -------
    map : ndarray of shape `frame.shape`, dtype float64
    """
    whole = cv2.resize(levels, stack_shape[::-1], interpolation=cv2.INTER_LINEAR)
    inner = np.ascontiguousarray(whole[frame.inner])
    return np.asarray(cv2.resize(inner, frame.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float64)
