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
    margin = max(cell_sizes) // 2
    gradients, magnitudes = _oriented_gradients(image, _orientation_table(), margin)
    sizes, positions = [], []
    for cell in cell_sizes:
        y, x = (_axis(length, cell, step) for length in image.shape)
        lattice = margin - cell // 2, y.cells, x.cells, _tent(cell)
        totals = _cell_totals(magnitudes, *lattice)
        rows, columns = _contrasting(totals, y.places, x.places, np.float32(min_contrast * (CELLS * cell) ** 2))
        sizes.append((lattice, y.places[rows], x.places[columns]))
        positions.append(np.column_stack([y.centres[rows], x.centres[columns]]))
    descriptors = np.empty((sum(map(len, positions)), LENGTH), dtype=np.float32)
    n = 0
    for lattice, row_places, column_places in sizes:
        sums = _cell_sums(gradients, *lattice, row_places, column_places)
        _normalised_patches(sums, row_places, column_places, descriptors[n : n + len(row_places)])
        n += len(row_places)
    return Patches(descriptors, np.concatenate(positions))


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
    """Magnitude of each pixel's gradient, shared between its two nearest orientations, and whole.

    Both have zeros in a margin all around.
    """
    height, width = image.shape
    shares = np.zeros((height + 2 * margin, width + 2 * margin, ORIENTATIONS), dtype=np.float32)
    magnitudes = np.zeros((height + 2 * margin, width + 2 * margin), dtype=np.float32)
    places, bordered = np.empty(width, dtype=np.uint32), np.empty(width + 2, dtype=np.uint8)
    for r in range(height):
        above, below = image[max(r - 1, 0)], image[min(r + 1, height - 1)]
        bordered[0], bordered[1:-1], bordered[-1] = image[r, 0], image[r], image[r, -1]
        left, right = bordered[:-2], bordered[2:]
        line = magnitudes[margin + r, margin:]
        for c in range(width):  # on vectors, which looking up the orientation is not
            g_row, g_column = np.int32(below[c]) - np.int32(above[c]), np.int32(right[c]) - np.int32(left[c])
            line[c] = np.float32(0.5) * np.sqrt(np.float32(g_row * g_row + g_column * g_column))
            places[c] = (g_row + np.int32(255)) * np.int32(511) + g_column + np.int32(255)
        for c in range(width):
            orientation = table[places[c]]
            first = np.uint32(orientation)
            second = line[c] * (orientation - np.float32(first))
            pixel = shares[margin + r, margin + c]
            pixel[first] = line[c] - second
            pixel[(first + np.uint32(1)) % np.uint32(ORIENTATIONS)] = second
    return shares, magnitudes


@kernel
def _cell_totals(magnitudes, before, row_starts, column_starts, tent):  # type: ignore[no-untyped-def]
    """Weighted sums (rows, columns) of the magnitudes in each cell, whose first weight is `before` + start."""
    width = magnitudes.shape[1]
    line, filtered = np.empty(width, dtype=np.float32), np.empty(width - len(tent) + 1, dtype=np.float32)
    totals = np.empty((len(row_starts), len(column_starts)), dtype=np.float32)
    for i in range(len(row_starts)):
        _filter(magnitudes[before + row_starts[i] :].reshape(-1), width, tent, line)
        _filter(line, 1, tent, filtered)
        for j in range(len(column_starts)):
            totals[i, j] = filtered[before + column_starts[j]]
    return totals


@kernel
def _contrasting(totals, row_places, column_places, threshold):  # type: ignore[no-untyped-def]
    """Row and column of the patches whose cells' totals add up to more than `threshold`."""
    rows = np.empty(len(row_places) * len(column_places), dtype=np.int64)
    columns, n = np.empty_like(rows), 0
    strip = np.empty(totals.shape[1], dtype=np.float32)
    for i in range(len(row_places)):
        strip[:] = 0
        for k in range(CELLS):
            strip += totals[row_places[i, k]]
        for j in range(len(column_places)):
            total = np.float32(0)
            for m in range(CELLS):
                total += strip[column_places[j, m]]
            # Written always, kept if it is above: a branch here would be mispredicted.
            rows[n], columns[n] = i, j
            n += np.int64(total > threshold)
    return rows[:n], columns[:n]


@kernel
def _cell_sums(  # type: ignore[no-untyped-def]
    gradients, before, row_starts, column_starts, tent, row_places, column_places
):
    """Weighted sums (rows, columns, 2, 8) of the gradients in the cells of the patches, and those of the mirror image.

    What no patch asks for is not computed.
    """
    is_asked = np.zeros((len(row_starts), len(column_starts)), dtype=np.bool_)
    for n in range(len(row_places)):
        for k in range(CELLS):
            for m in range(CELLS):
                is_asked[row_places[n, k], column_places[n, m]] = True
    sums = np.empty((len(row_starts), len(column_starts), 2, ORIENTATIONS), dtype=np.float32)
    stride = gradients.shape[1] * ORIENTATIONS
    line, filtered = np.empty(stride, dtype=np.float32), np.empty(stride, dtype=np.float32)
    for i in range(len(row_starts)):
        asked = np.flatnonzero(is_asked[i])
        if len(asked) == 0:
            continue
        # At every column from the first to the last, more than are asked for: long loops run on vectors.
        start, n = column_starts[asked[0]], (column_starts[asked[-1]] - column_starts[asked[0]] + 1) * ORIENTATIONS
        source = gradients[before + row_starts[i] :].reshape(-1)[(before + start) * ORIENTATIONS :]
        _filter(source, stride, tent, line[: n + (len(tent) - 1) * ORIENTATIONS])
        _filter(line, ORIENTATIONS, tent, filtered[:n])
        for j in asked:
            cell, place = filtered[(column_starts[j] - start) * ORIENTATIONS :], sums[i, j]
            for b in range(ORIENTATIONS):
                place[0, b] = cell[b]
                place[1, b] = cell[(ORIENTATIONS * 3 // 2 - b) & (ORIENTATIONS - 1)]
    return sums


@kernel(fastmath={"contract"})
def _filter(source, stride, tent, out):  # type: ignore[no-untyped-def]
    """Weighted sums of numbers `stride` apart, beginning at each of the first."""
    last = len(tent) - 1
    if len(tent) % 2:
        middle = source[last // 2 * stride :]
        for k in range(len(out)):
            out[k] = tent[last // 2] * middle[k]
    else:
        out[:] = 0
    # The two sides of the tent have the same weights. A side has an even number of them, and two at a time spare half
    # of what is read and written.
    for t in range(0, len(tent) // 2, 2):
        a, b, weight = source[t * stride :], source[(last - t) * stride :], tent[t]
        c, d, next_weight = source[(t + 1) * stride :], source[(last - t - 1) * stride :], tent[t + 1]
        for k in range(len(out)):
            out[k] += weight * (a[k] + b[k]) + next_weight * (c[k] + d[k])


@kernel(fastmath=ANY_ORDER)
def _normalised_patches(sums, row_places, column_places, descriptors):  # type: ignore[no-untyped-def]
    """Fill in the folded RootSIFT descriptors of the patches, whose sums are not all of them 0."""
    half = LENGTH // 2
    one, opposite = np.empty(half, dtype=np.float32), np.empty(half, dtype=np.float32)
    for n in range(len(descriptors)):
        for k in range(CELLS):
            row = sums[row_places[n, k]]
            for m in range(CELLS // 2):
                # Each number, and the one it changes places with in the mirror.
                left, right = row[column_places[n, m], 0], row[column_places[n, CELLS - 1 - m], 1]
                place = (k * CELLS // 2 + m) * ORIENTATIONS
                for b in range(ORIENTATIONS):
                    one[place + b], opposite[place + b] = left[b], right[b]
        squares = np.float32(0)
        for k in range(half):
            squares += one[k] * one[k] + opposite[k] * opposite[k]
        limit, total = np.float32(CLIP) * np.sqrt(squares), np.float32(0)
        for k in range(half):
            one[k], opposite[k] = min(one[k], limit), min(opposite[k], limit)
            total += one[k] + opposite[k]
        scale = np.float32(0.5) / total  # of length 1 over √2
        even, odd = descriptors[n, :half], descriptors[n, half:]
        for k in range(half):
            a, b = np.sqrt(one[k] * scale), np.sqrt(opposite[k] * scale)
            even[k], odd[k] = a + b, a - b


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
