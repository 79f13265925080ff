"""Gabor energy: how strongly stripes of each width and direction show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache as memoise
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from .._kernels import ANY_ORDER, kernel
from ._grid import POOLINGS, GridExtractor, check_pooling, pool_cells

# Standard deviation of the envelope, in wavelengths, for a bandwidth of one octave: Petkov and Kruizinga's formula.
SIGMA = 3 * np.sqrt(np.log(2) / 2) / np.pi
CUT = 3  # standard deviations to either side that a filter reaches


class GaborExtractor(GridExtractor):
    """Energy of Gabor filters, pooled over each cell of a grid.

    A Gabor filter is a wave under a Gaussian. Its energy at a pixel is the magnitude of its complex response: large
    where grey values rise and fall with the filter's frequency along its orientation, wherever the crests lie. An
    edge answers to many frequencies, a fine line or trabecular texture to those of its width.

    Parameters
    ----------
    frequencies : sequence of float, default=(0.125, 0.0625, 0.03125)
        Of the waves, in cycles per pixel, above 0 and up to 0.5. The Gaussian's standard deviation is 0.56
        wavelengths, a bandwidth of one octave, so that octaves leave no gap.
    orientations : int, default=4
        Number of directions along which the waves run: k * 180 / `orientations` degrees, from that along a row
        towards that down a column.
    pooling : {"mean", "max", "std"} or sequence of these, default=("mean", "max", "std")
        What is told of the energies in a cell: their mean, their maximum, their standard deviation.
    grid : int or (int, int), default=4
        Rows and columns of cells; together the cells cover every pixel, their sizes differ by one pixel at
        most.
    cache : str or path-like, default=None
        Folder in which the features of each image are kept and found again.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.

    See Also
    --------
    FisherVectorExtractor : The strongest that needs no network.
    fracture_features.make_pipeline : A pipeline from paths to labels.

    Notes
    -----
    The kernels are those of `skimage.filters.gabor_kernel` with equal sigmas, cut off at three of these in every
    direction, less as much of their Gaussian as leaves the sum 0: neither the brightness of the image nor any of its
    areas counts. A grating of amplitude A has an energy of A / 2. The image is mirrored at its border, the border
    pixel repeated. The Gaussian being round, a kernel is the product of two one-dimensional ones, and two
    orientations that mirror each other share them.

    `cell1x2_frequency0_orientation3_max` is the maximum for the first frequency and orientation 3 in the cell in row
    1, column 2. The region of a feature is its cell; pixels up to 1.7 wavelengths beyond it have a say.

    References
    ----------
    .. [1] S. Grigorescu, N. Petkov, P. Kruizinga, "Comparison of texture features based on Gabor filters", IEEE TIP
       11(10), 2002 (the energy; the bandwidth's formula).
    .. [2] T. S. Lee, "Image representation using 2D Gabor wavelets", IEEE PAMI 18(10), 1996 (kernels of sum 0).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.features import GaborExtractor
    >>> stripes = np.tile(np.array([0, 0, 200, 200], dtype=np.uint8), (1, 32, 8))
    >>> extractor = GaborExtractor(frequencies=[0.25], orientations=2, pooling="mean", grid=1).fit(stripes)
    >>> dict(zip(extractor.get_feature_names_out().tolist(), extractor.transform(stripes)[0].round().tolist()))
    {'cell0x0_frequency0_orientation0_mean': 63.0, 'cell0x0_frequency0_orientation1_mean': 0.0}
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GridExtractor._parameter_constraints,
        "frequencies": ["array-like"],
        "orientations": [Interval(Integral, 1, 180, closed="both")],
        "pooling": [str, "array-like"],
        "grid": ["array-like", Integral],
    }

    def __init__(
        self,
        *,
        frequencies: Sequence[float] = (0.125, 0.0625, 0.03125),
        orientations: int = 4,
        pooling: str | Sequence[str] = POOLINGS,
        grid: int | tuple[int, int] = 4,
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.frequencies = frequencies
        self.orientations = orientations
        self.pooling = pooling
        self.grid = grid
        self.cache = cache
        self.n_jobs = n_jobs

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        frequencies, pooling = self._checked_frequencies(), check_pooling(self.pooling)
        filters = [(i, k) for i in range(len(frequencies)) for k in range(self.orientations)]
        return self._grid_layout([f"frequency{i}_orientation{k}_{name}" for i, k in filters for name in pooling])

    def _checked_frequencies(self) -> list[float]:
        values = np.asarray(self.frequencies)
        if values.ndim != 1 or values.dtype.kind not in "fiu" or not len(values):
            raise ValueError(f"frequencies must be a sequence of at least one number, got {self.frequencies!r}.")
        if not ((values >= 0.001) & (values <= 0.5)).all():
            raise ValueError(
                "frequencies must lie between 0.001 and 0.5 cycles per pixel, a thousand to two pixels to a wave, "
                f"got {self.frequencies!r}."
            )
        return [float(value) for value in values]

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        bounds, frequencies = self._cell_bounds(), self._checked_frequencies()
        cells = len(bounds[0]) - 1, len(bounds[1]) - 1
        shape = len(images), len(frequencies), *cells, self.orientations, len(POOLINGS)
        pooled = np.empty(shape, dtype=np.float32)
        maps = np.empty((self.orientations, *images.shape[1:]), dtype=np.float32)
        for image, of_image in zip(images, pooled, strict=True):
            for frequency, out in zip(frequencies, of_image, strict=True):
                _fill_energy(image, _filters(frequency, self.orientations), maps)
                pool_cells(maps, *bounds, out)
        chosen = [POOLINGS.index(name) for name in check_pooling(self.pooling)]
        return np.moveaxis(pooled[..., chosen], 1, 3).reshape(len(images), -1)


def gabor_energy(image: NDArray[np.uint8], *, frequency: float, orientations: int) -> NDArray[np.float32]:
    """Energy of Gabor filters of one frequency at each pixel, as `GaborExtractor` defines it.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
    frequency : float
        In cycles per pixel.
    orientations : int

    Returns
    -------
    energy : ndarray of shape (orientations, height, width), dtype float32
    """
    energy = np.empty((orientations, *image.shape), dtype=np.float32)
    _fill_energy(image, _filters(frequency, orientations), energy)
    return energy


class Filters(NamedTuple):
    """The factors of the kernels of one frequency, for the orientations from 0 to 90 degrees.

    The others are mirror images. An even factor is the same to both sides, an odd one changes its sign: given are the
    taps from the middle on, that in the middle and a multiple of four. The kernel at (y, x) is
    (column_even[y] + i column_odd[y]) (row_even[x] + i row_odd[x]) - leak gaussian[y] gaussian[x].

    Parameters
    ----------
    row_even, row_odd, column_even, column_odd : ndarray of shape (orientations // 2 + 1, n_taps), dtype float32
    gaussian : ndarray of shape (n_taps,), dtype float32
    leak : ndarray of shape (orientations // 2 + 1,), dtype float32
        What share of the Gaussian leaves the kernel's sum 0.
    """

    row_even: NDArray[np.float32]
    row_odd: NDArray[np.float32]
    column_even: NDArray[np.float32]
    column_odd: NDArray[np.float32]
    gaussian: NDArray[np.float32]
    leak: NDArray[np.float32]


@memoise
def _filters(frequency: float, orientations: int) -> Filters:
    sigma = SIGMA / frequency
    radius = int(np.ceil(CUT * sigma))
    # Four taps are added at a time: the last may be empty ones.
    taps = np.arange(1 + -(-radius // 4) * 4)
    gaussian = np.where(taps <= radius, np.exp(-0.5 * (taps / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma), 0)
    angles = np.pi * np.arange(orientations // 2 + 1)[:, None] / orientations
    rows, columns = (2 * np.pi * frequency * turn(angles) * taps for turn in (np.cos, np.sin))
    waves = [gaussian * wave(phase) for phase in (rows, columns) for wave in (np.cos, np.sin)]
    row_sums, column_sums, gaussian_sum = (2 * x.sum(axis=-1) - x[..., 0] for x in (waves[0], waves[2], gaussian))
    leak = row_sums * column_sums / gaussian_sum**2
    return Filters(*(x.astype(np.float32) for x in (*waves, gaussian, leak)))


def _fill_energy(image: NDArray[np.uint8], filters: Filters, out: NDArray[np.float32]) -> None:
    n, radius = len(out), len(filters.gaussian) - 1
    # Whole numbers near 0 and, of a constant image, 0: no brightness comes in, of which rounding would leave a trace.
    mean = (2 * int(image.sum(dtype=np.int64)) + image.size) // (2 * image.size)
    padded = cv2.copyMakeBorder(image, 0, 0, radius, radius, cv2.BORDER_REFLECT).astype(np.float32)
    padded -= np.float32(mean)
    starts = image.shape[1] * np.pad(np.arange(image.shape[0]), radius, mode="symmetric")
    even, odd, blurred = np.empty((3, *image.shape), dtype=np.float32)
    _filter_rows(padded, filters.gaussian, even)
    _filter_columns(even, starts, filters.gaussian, blurred)
    if n % 2 == 0:
        down = filters.column_even[n // 2], filters.column_odd[n // 2]
        _down_energies(even, starts, *down, blurred, filters.leak[n // 2], out[n // 2])
    for k in range((n + 1) // 2):
        factors, leak = (filters.column_even[k], filters.column_odd[k]), filters.leak[k]
        _filter_rows_twice(padded, filters.row_even[k], filters.row_odd[k], even, odd)
        if k == 0:
            _across_energies(even, odd, starts, filters.gaussian, blurred, leak, out[0])
        else:
            _pair_energies(even, odd, starts, *factors, blurred, leak, out[k], out[n - k])


@kernel(fastmath=ANY_ORDER)
def _filter_rows(padded, even, out):  # type: ignore[no-untyped-def]
    """Filter padded rows by an even factor."""
    starts = np.arange(2 * len(even) - 1)
    for r in range(len(out)):
        _filter(padded[r], starts, even, out[r])


@kernel(fastmath=ANY_ORDER)
def _filter_rows_twice(padded, even, odd, out_even, out_odd):  # type: ignore[no-untyped-def]
    """Filter padded rows by an even and by an odd factor."""
    starts = np.arange(2 * len(even) - 1)
    for r in range(len(out_even)):
        _filter_twice(padded[r], starts, even, odd, out_even[r], out_odd[r])


@kernel(fastmath=ANY_ORDER)
def _filter_columns(plane, starts, even, out):  # type: ignore[no-untyped-def]
    """Filter columns by an even factor; `starts` has the place of the first pixel of each row, padding included."""
    for r in range(len(out)):
        _filter(plane.reshape(-1), starts[r:], even, out[r])


@kernel(fastmath=ANY_ORDER)
def _across_energies(even, odd, starts, gaussian, blurred, leak, out):  # type: ignore[no-untyped-def]
    """Energies for the wave along a row, whose column factor is the Gaussian."""
    real, imaginary = np.empty_like(out[0]), np.empty_like(out[0])
    for r in range(len(out)):
        _filter(even.reshape(-1), starts[r:], gaussian, real)
        _filter(odd.reshape(-1), starts[r:], gaussian, imaginary)
        for x in range(len(real)):
            balanced = real[x] - leak * blurred[r, x]
            out[r, x] = np.sqrt(balanced * balanced + imaginary[x] * imaginary[x])


@kernel(fastmath=ANY_ORDER)
def _down_energies(even, starts, column_even, column_odd, blurred, leak, out):  # type: ignore[no-untyped-def]
    """Energies for the wave down a column, whose row factor is the Gaussian."""
    real, imaginary = np.empty_like(out[0]), np.empty_like(out[0])
    for r in range(len(out)):
        _filter_twice(even.reshape(-1), starts[r:], column_even, column_odd, real, imaginary)
        for x in range(len(real)):
            balanced = real[x] - leak * blurred[r, x]
            out[r, x] = np.sqrt(balanced * balanced + imaginary[x] * imaginary[x])


@kernel(fastmath=ANY_ORDER)
def _pair_energies(even, odd, starts, column_even, column_odd, blurred, leak, out, mirrored):  # type: ignore[no-untyped-def]
    """Energies for an orientation and for its mirror image."""
    even_even, even_odd = np.empty_like(out[0]), np.empty_like(out[0])
    odd_even, odd_odd = np.empty_like(out[0]), np.empty_like(out[0])
    for r in range(len(out)):
        _filter_twice(even.reshape(-1), starts[r:], column_even, column_odd, even_even, even_odd)
        _filter_twice(odd.reshape(-1), starts[r:], column_even, column_odd, odd_even, odd_odd)
        for x in range(len(even_even)):
            real = even_even[x] - leak * blurred[r, x]
            one, other = even_odd[x] + odd_even[x], even_odd[x] - odd_even[x]
            out[r, x] = np.sqrt((real - odd_odd[x]) * (real - odd_odd[x]) + one * one)
            mirrored[r, x] = np.sqrt((real + odd_odd[x]) * (real + odd_odd[x]) + other * other)


@kernel(fastmath=ANY_ORDER)
def _filter(flat, starts, even, out):  # type: ignore[no-untyped-def]
    """Fill in `out` with sums of stretches of `flat`, which begin at `starts`, weighted with an even factor."""
    middle, width = len(even) - 1, np.uintp(len(out))
    # Unsigned: spares numba the test for a negative index, and lets the loops run on vectors.
    start = np.uintp(starts[middle])
    for x in range(width):
        out[x] = even[0] * flat[start + x]
    for j in range(1, middle, 4):
        a, b = np.uintp(starts[middle - j]), np.uintp(starts[middle + j])
        c, d = np.uintp(starts[middle - j - 1]), np.uintp(starts[middle + j + 1])
        e, f = np.uintp(starts[middle - j - 2]), np.uintp(starts[middle + j + 2])
        g, h = np.uintp(starts[middle - j - 3]), np.uintp(starts[middle + j + 3])
        even_0, even_1, even_2, even_3 = even[j], even[j + 1], even[j + 2], even[j + 3]
        for x in range(width):
            near = even_0 * (flat[b + x] + flat[a + x]) + even_1 * (flat[d + x] + flat[c + x])
            out[x] += near + even_2 * (flat[f + x] + flat[e + x]) + even_3 * (flat[h + x] + flat[g + x])


@kernel(fastmath=ANY_ORDER)
def _filter_twice(flat, starts, even, odd, out_even, out_odd):  # type: ignore[no-untyped-def]
    """As `_filter`, by an even and an odd factor at once."""
    middle, width = len(even) - 1, np.uintp(len(out_even))
    start = np.uintp(starts[middle])
    for x in range(width):
        out_even[x] = even[0] * flat[start + x]
        out_odd[x] = 0
    for j in range(1, middle, 2):
        a, b = np.uintp(starts[middle - j]), np.uintp(starts[middle + j])
        c, d = np.uintp(starts[middle - j - 1]), np.uintp(starts[middle + j + 1])
        even_0, even_1, odd_0, odd_1 = even[j], even[j + 1], odd[j], odd[j + 1]
        for x in range(width):
            out_even[x] += even_0 * (flat[b + x] + flat[a + x]) + even_1 * (flat[d + x] + flat[c + x])
            out_odd[x] += odd_0 * (flat[b + x] - flat[a + x]) + odd_1 * (flat[d + x] - flat[c + x])
