"""From images to scores of their places."""

from __future__ import annotations

import math
import tempfile
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._threads import map_threads
from .._write import reserve
from ..cache import code_version, digest
from ..cache._arrays import cached_arrays
from ..cnn._maps import FrozenMaps
from ..exceptions import FractureFeaturesError
from ..features import _descriptors
from . import _places
from ._learning import margins
from ._looks import RINGS, describe_look
from ._places import N_FEATURES, STEP, centres, describe_places, grid_shape, is_empty

BLOCK = 8
IN_MEMORY = 1 << 30  # bytes
BLUR = 0.7  # places: the highest of a blurred map lies better than the highest of a grainy one
POOLS = (1, 8, 32, 128)  # highest places whose mean the image's score knows


class Described(NamedTuple):
    """Features of the places of images, the maps of a network, and what the images look like.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_places, N_FEATURES), dtype float16
    maps : ndarray of shape (n_samples, rows, columns, channels), dtype float16, or None
    looks : ndarray of shape (n_samples, RINGS - 1), dtype float32
    """

    features: NDArray[np.float16]
    maps: NDArray[np.float16] | None
    looks: NDArray[np.float32]


class Scored(NamedTuple):
    """One image: scores (rows, columns) and features of its places, and its own score."""

    levels: NDArray[np.float32]
    features: NDArray[np.float16]
    image: float


class Describer:
    """Describes places, by patches and, if asked for, by a network.

    Parameters
    ----------
    shape : tuple of (int, int)
        Height and width of the images.
    maps : FrozenMaps or None
    """

    def __init__(self, shape: tuple[int, int], maps: FrozenMaps | None):
        self.shape, self.grid, self.maps = shape, grid_shape(shape), maps

    def describe(self, stack: NDArray[np.uint8], folder: Any, n_jobs: int | None) -> Described:
        """Describe every image, block by block; a temporary file takes what memory should not."""
        n_places = self.grid[0] * self.grid[1]
        features = _allocate((len(stack), n_places, N_FEATURES))
        maps = None if self.maps is None else _allocate((len(stack), *self.maps.shape))
        looks = np.empty((len(stack), RINGS - 1), dtype=np.float32)
        recipe = digest(code_version(Describer, _places, _descriptors))

        def read(rows: slice) -> None:
            images = np.ascontiguousarray(stack[rows])
            looks[rows] = [describe_look(image) for image in images]
            features[rows] = cached_arrays(folder, recipe, images, _describe_all, features.shape[1:])
            if maps is not None and self.maps is not None:
                maps[rows] = self.maps.read(images, folder)

        map_threads(read, gen_batches(len(stack), BLOCK), n_jobs)
        return Described(features, maps, looks)

    def axes(self, grid: tuple[int, int] | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels of the centres of places, or of the maps' cells."""
        if grid is None:
            return centres(self.grid[0]), centres(self.grid[1])
        y, x = ((np.arange(n) + 0.5) * side / n for n, side in zip(grid, self.shape, strict=True))
        return y, x

    def context(self, levels: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network's scores (rows, columns) say at and around each place, (n_places, 6)."""
        highest = np.sort(levels, axis=None)[-8:].mean()
        parts = [levels, cv2.dilate(levels, np.ones((3, 3))), cv2.blur(levels, (3, 3)), cv2.blur(levels, (5, 5))]
        here = [self._at_places(part) for part in parts]
        return np.column_stack([*here, np.full_like(here[0], highest), here[0] - levels.max()])

    def _at_places(self, levels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Levels of the maps' cells, interpolated linearly."""
        y, x = self.axes()
        rows, columns = (
            np.clip(at * n / side - 0.5, 0, n - 1).astype(np.float32)
            for at, n, side in zip((y, x), levels.shape, self.shape, strict=True)
        )
        grid = np.meshgrid(columns, rows)
        return np.asarray(cv2.remap(levels, grid[0], grid[1], cv2.INTER_LINEAR)).ravel()


def _describe_all(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([describe_places(image) for image in images])


def _allocate(shape: tuple[int, ...]) -> NDArray[np.float16]:
    size = 2 * math.prod(shape)
    if size <= IN_MEMORY:
        return np.empty(shape, dtype=np.float16)
    try:
        with tempfile.TemporaryFile(prefix="fracture_features_") as file:
            reserve(file.fileno(), size)
            return np.memmap(file, dtype=np.float16, mode="r+", shape=shape)
    except OSError as error:
        raise FractureFeaturesError(
            f"what places of {shape[0]} images look like needs {size / 2**30:.1f} GiB in the temporary folder "
            f"{tempfile.gettempdir()!r}: {error.strerror}. TMPDIR names another folder."
        ) from error


def line_levels(line: Any, maps: NDArray[np.float16]) -> NDArray[np.float32]:
    """Scores (rows, columns) of the cells of one image's maps."""
    return margins(line, maps.reshape(-1, maps.shape[-1]).astype(np.float32)).reshape(maps.shape[:2])


def score_places(
    trees: Any, features: NDArray[np.float16], context: NDArray[np.float32] | None, grid: tuple[int, int]
) -> NDArray[np.float32]:
    """Log-odds (rows, columns) of one image's places that they are in a box, smoothed; empty ones get the lowest."""
    rows = join(features, context)
    levels = margins(trees, rows)
    empty = is_empty(rows)
    levels[empty] = levels[~empty].min() if (~empty).any() else levels.min()
    return np.asarray(cv2.GaussianBlur(levels.reshape(grid), (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE))


def join(features: NDArray[np.float16], context: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Features of places, with their context where there is a network."""
    rows = features.astype(np.float32)
    return rows if context is None else np.hstack([rows, context])


def pool(levels: NDArray[np.float32]) -> list[float]:
    """Mean of the highest scores of an image, of one and of more."""
    ordered = np.sort(levels, axis=None)[::-1]
    return [float(ordered[:n].mean()) for n in POOLS]


def enlarge(levels: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Levels of places at every pixel."""
    covered = tuple(n * STEP for n in levels.shape)
    whole = cv2.resize(levels, covered[::-1], interpolation=cv2.INTER_LINEAR)
    missing = [(0, max(side - n, 0)) for side, n in zip(shape, covered, strict=True)]
    return np.pad(whole, missing, mode="edge")[: shape[0], : shape[1]]
