"""Dense local descriptors: what each patch of an image looks like, at several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._kernels import ANY_ORDER, kernel

CELLS = 4  # rows and columns of cells in a patch
ORIENTATIONS = 8
LENGTH = CELLS * CELLS * ORIENTATIONS
CLIP = 0.2


class Patches(NamedTuple):
    """Descriptors of the patches of one image that have enough contrast.

    Parameters
    ----------
    descriptors : ndarray of shape (n_patches, 128), dtype float32
        RootSIFT descriptors, folded: their even half, then their odd half. See `dense_descriptors`.
    positions : ndarray of shape (n_patches, 2), dtype float32
        Row and column of the patch's centre from the image's, in heights and widths: -0.5 to 0.5.
    """

    descriptors: NDArray[np.float32]
    positions: NDArray[np.float32]


def dense_descriptors(
    image: NDArray[np.uint8], *, cell_sizes: Sequence[int], step: int, min_contrast: float
) -> Patches:
    """RootSIFT descriptors of square patches on a grid, patches of every size.

    A patch has 4 x 4 cells of 8 orientations. Each pixel's gradient (half the difference of its neighbours, the
    border repeated) adds its magnitude to the two nearest orientations and to the cells around it, in proportion
    to how near it is to their centres in each direction, as in SIFT but without SIFT's Gaussian window. The 128
    sums are scaled to Euclidean length 1, clipped at 0.2, scaled to sum 1, and their square roots taken.

    The mirrored image has the same descriptors with cells and orientations exchanged in pairs (a, b), so each pair
    is given as ((a + b), (a - b)) / √2: distances stay, and mirroring leaves the first 64 numbers, the even half,
    as they are and changes the sign of the other 64, the odd half, as it does of the column.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
    cell_sizes : sequence of int
        Height and width of a cell in pixels; a patch has four times that, and must fit into the image.
    step : int
        Pixels from one patch to the next. The grid is symmetric about the image's middle, for which, where
        the parity of the sides demands it, one step is longer or shorter.
    min_contrast : float
        Patches whose mean gradient magnitude is not above this, in grey levels per pixel, are left out.

    Returns
    -------
    patches : Patches
        Size after size, each row by row.

    References
    ----------
    .. [1] D. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.
    .. [2] R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR
       2012 (the square roots).
    """
    gradients = _oriented_gradients(image, _orientation_table(), max(cell_sizes) // 2)
    axes = [[_axis(length, cell, step) for length in image.shape] for cell in cell_sizes]
    # One array for all sizes: memory that is new to the process costs as much as filling it.
    descriptors = np.empty((sum(len(y.starts) * len(x.starts) for y, x in axes), LENGTH), dtype=np.float32)
    windows = np.empty(len(descriptors), dtype=np.int64)
    positions, n = [], 0
    for cell, (y, x) in zip(cell_sizes, axes, strict=True):
        sums = _cell_sums(gradients, max(cell_sizes) // 2 - cell // 2, y.cells, x.cells, _tent(cell))
        threshold = np.float32(min_contrast * (CELLS * cell) ** 2)
        n_new = _normalised_patches(sums, y.places, x.places, threshold, descriptors[n:], windows[n:])
        row, column = np.divmod(windows[n : n + n_new], len(x.starts))
        positions.append(np.column_stack([y.centres[row], x.centres[column]]))
        n += n_new
    return Patches(descriptors[:n], np.concatenate(positions))


class Axis(NamedTuple):
    """Where patches lie along one axis of the image: n starts; patches share cells, and each is summed once.

    Parameters
    ----------
    starts : ndarray of shape (n,), dtype int64
        First pixel of each patch.
    centres : ndarray of shape (n,), dtype float32
        Of the patches, from the image's, in lengths of the image.
    cells : ndarray of shape (n_cells,), dtype int64
        First pixel of each cell.
    places : ndarray of shape (n, 4), dtype int64
        Where among `cells` each patch's are.
    """

    starts: NDArray[np.int64]
    centres: NDArray[np.float32]
    cells: NDArray[np.int64]
    places: NDArray[np.int64]


@lru_cache
def _axis(length: int, cell: int, step: int) -> Axis:
    starts = patch_starts(length, cell, step)
    centres = (starts + CELLS * cell / 2) / length - 0.5
    cells, places = np.unique(starts[:, None] + cell * np.arange(CELLS), return_inverse=True)
    return Axis(starts, centres.astype(np.float32), cells, places.reshape(-1, CELLS))


def patch_starts(length: int, cell: int, step: int) -> NDArray[np.int64]:
    """First pixel of each patch along an axis of `length` pixels, symmetric about its middle."""
    space = length - CELLS * cell
    if space < 0:
        return np.empty(0, dtype=np.int64)
    # Between the two starts at the middle; an even space has one there.
    gap = min(step | 1, space) if space % 2 else 0
    left = np.arange((space - gap) // 2, -1, -step)
    return np.union1d(left, space - left)


@lru_cache
def _tent(cell: int) -> NDArray[np.float32]:
    """Weights of the pixels along an axis from `cell // 2` before a cell's start on; they sum to `cell`."""
    taps = 2 * cell - cell % 2
    return (1 - np.abs(np.arange(taps) - (taps - 1) / 2) / cell).astype(np.float32)


@lru_cache
def _orientation_table() -> NDArray[np.float32]:
    """Orientation, 0 to 8, of each gradient (row, column) of uint8 pixels, at (row + 255) * 511 + column + 255.

    Rounded to 2**-20, which makes the two shares of a magnitude and of its mirror image exactly the same.
    """
    difference = np.arange(-255.0, 256.0)
    orientation = np.arctan2(difference[:, None], difference) % (2 * np.pi) * ORIENTATIONS / (2 * np.pi)
    return (np.rint(orientation.ravel() * 2**20) / 2**20 % ORIENTATIONS).astype(np.float32)


@kernel
def _oriented_gradients(image, table, margin):  # type: ignore[no-untyped-def]
    """Magnitude of each pixel's gradient, shared between its two nearest orientations; zeros in a margin all around."""
    height, width = image.shape
    out = np.zeros((height + 2 * margin, width + 2 * margin, ORIENTATIONS), dtype=np.float32)
    magnitudes, places = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.uint32)
    bordered = np.empty(width + 2, dtype=np.uint8)
    for r in range(height):
        above, below = image[max(r - 1, 0)], image[min(r + 1, height - 1)]
        bordered[0], bordered[1:-1], bordered[-1] = image[r, 0], image[r], image[r, -1]
        left, right = bordered[:-2], bordered[2:]
        for c in range(width):  # on vectors, which looking up the orientation is not
            g_row, g_column = np.int32(below[c]) - np.int32(above[c]), np.int32(right[c]) - np.int32(left[c])
            magnitudes[c] = np.float32(0.5) * np.sqrt(np.float32(g_row * g_row + g_column * g_column))
            places[c] = (g_row + np.int32(255)) * np.int32(511) + g_column + np.int32(255)
        for c in range(width):
            orientation = table[places[c]]
            first = np.uint32(orientation)
            second = magnitudes[c] * (orientation - np.float32(first))
            pixel = out[margin + r, margin + c]
            pixel[first] = magnitudes[c] - second
            pixel[(first + np.uint32(1)) % np.uint32(ORIENTATIONS)] = second
    return out


@kernel
def _cell_sums(gradients, before, row_starts, column_starts, tent):  # type: ignore[no-untyped-def]
    """Weighted sums (rows, columns, 8) of the gradients in each cell, whose first weight is `before` + start."""
    flat = gradients.reshape(len(gradients), -1)
    line = np.empty(flat.shape[1], dtype=np.float32)
    filtered = np.empty(len(line) - (len(tent) - 1) * ORIENTATIONS, dtype=np.float32)
    sums = np.empty((len(row_starts), len(column_starts), ORIENTATIONS), dtype=np.float32)
    for i in range(len(row_starts)):
        _filter(flat[before + row_starts[i] :].reshape(-1), flat.shape[1], tent, line)
        # At every column, more than are asked for: long loops run on vectors.
        _filter(line, ORIENTATIONS, tent, filtered)
        for j in range(len(column_starts)):
            cell, place = filtered[(before + column_starts[j]) * ORIENTATIONS :], sums[i, j]
            for b in range(ORIENTATIONS):
                place[b] = cell[b]
    return sums


@kernel
def _filter(source, stride, tent, out):  # type: ignore[no-untyped-def]
    """Weighted sums of numbers `stride` apart, beginning at each of the first."""
    last = len(tent) - 1
    out[:] = 0
    for t in range(len(tent) // 2):  # the two sides of the tent have the same weights
        one, other, weight = source[t * stride :], source[(last - t) * stride :], tent[t]
        for k in range(len(out)):
            out[k] += weight * (one[k] + other[k])
    if last % 2 == 0:
        one = source[last // 2 * stride :]
        for k in range(len(out)):
            out[k] += tent[last // 2] * one[k]


@kernel
def _normalised_patches(sums, row_places, column_places, threshold, descriptors, windows):  # type: ignore[no-untyped-def]
    """Fill in the folded descriptors of the patches whose sums add up to more than `threshold`, and which they are.

    Return how many there are.
    """
    patch = np.empty(LENGTH, dtype=np.float32)
    totals, n = _totals(sums), 0
    for i in range(len(row_places)):
        for j in range(len(column_places)):
            total = np.float32(0)
            for k in range(CELLS):
                for m in range(CELLS):
                    total += totals[row_places[i, k], column_places[j, m]]
            if total > threshold:
                for k in range(CELLS):
                    for m in range(CELLS):
                        cell = sums[row_places[i, k], column_places[j, m]]
                        for b in range(ORIENTATIONS):
                            patch[(k * CELLS + m) * ORIENTATIONS + b] = cell[b]
                _normalise(patch)
                _fold(patch, descriptors[n])
                windows[n] = i * len(column_places) + j
                n += 1
    return n


@kernel(fastmath=ANY_ORDER)
def _totals(sums):  # type: ignore[no-untyped-def]
    """Sums over the orientations: NumPy's in a third of the time."""
    out = np.empty(sums.shape[:2], dtype=np.float32)
    for i in range(len(sums)):
        for j in range(len(sums[i])):
            total = np.float32(0)
            for b in range(ORIENTATIONS):
                total += sums[i, j, b]
            out[i, j] = total
    return out


@kernel(fastmath=ANY_ORDER)
def _normalise(values):  # type: ignore[no-untyped-def]
    """Turn the sums `values` (128,), not all of them 0, into a RootSIFT descriptor over √2, in place."""
    squares = np.float32(0)
    for k in range(LENGTH):
        squares += values[k] * values[k]
    limit = np.float32(CLIP) * np.sqrt(squares)
    total = np.float32(0)
    for k in range(LENGTH):
        values[k] = min(values[k], limit)
        total += values[k]
    scale = np.float32(0.5) / total
    for k in range(LENGTH):
        values[k] = np.sqrt(values[k] * scale)


@kernel
def _fold(values, out):  # type: ignore[no-untyped-def]
    """Write sum and difference of each number and the one it changes places with in the mirror."""
    for k in range(CELLS):
        for m in range(CELLS // 2):
            one = values[(k * CELLS + m) * ORIENTATIONS :]
            other = values[(k * CELLS + CELLS - 1 - m) * ORIENTATIONS :]
            n = (k * CELLS // 2 + m) * ORIENTATIONS
            even, odd = out[n:], out[n + LENGTH // 2 :]
            for b in range(ORIENTATIONS):
                opposite = other[(ORIENTATIONS * 3 // 2 - b) & (ORIENTATIONS - 1)]
                even[b] = one[b] + opposite
                odd[b] = one[b] - opposite


def mirrored(patches: Patches) -> Patches:
    """Return what `dense_descriptors` gives for the mirrored image, in another order."""
    signs = np.ones(LENGTH, dtype=np.float32)
    signs[LENGTH // 2 :] = -1
    return Patches(patches.descriptors * signs, patches.positions * np.array([1, -1], dtype=np.float32))


def unfold(descriptors: NDArray[np.float32]) -> NDArray[Any]:
    """Descriptors (n, 4, 4, 8) by cell row, cell column and orientation, from folded ones (n, 128)."""
    even, odd = descriptors.reshape(-1, 2, CELLS, CELLS // 2, ORIENTATIONS).transpose(1, 0, 2, 3, 4)
    opposite = (ORIENTATIONS * 3 // 2 - np.arange(ORIENTATIONS)) % ORIENTATIONS
    right = (even - odd)[:, :, ::-1, opposite]
    return np.concatenate([even + odd, right], axis=2) * np.sqrt(0.5)
