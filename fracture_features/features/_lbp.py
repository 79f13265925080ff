"""Local binary patterns."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache as memoise
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._kernels import kernel
from ._grid import GridExtractor, share_codes

METHODS = ("default", "ror", "uniform", "nri_uniform")
MAX_POINTS = 1000
# "default" and "ror" have a code for each of the 2**n_points patterns.
MAX_PATTERN_POINTS = 16


class Scale(NamedTuple):
    """A circle of points, and what the names of its features begin with."""

    n_points: int
    radius: float
    prefix: str


class LBPExtractor(GridExtractor):
    """Histograms of local binary patterns, with the codes of `skimage.feature.local_binary_pattern`.

    Points on a circle around each pixel are compared with it: 1 where the grey value is at least the
    pixel's, 0 elsewhere. A point between pixels is interpolated bilinearly; outside the image everything is
    0. The pattern of ones and zeros has a code, and the features are the share of each code among the
    pixels of each cell of a grid.

    Parameters
    ----------
    n_points : int or sequence of int, default=8
        Number of points on the circle; at most 16 for "default" and "ror".
    radius : float or sequence of float, default=1
        Radius of the circle in pixels. Several radii, and as many numbers of points, describe several scales, one
        after the other in each cell.
    method : {"default", "ror", "uniform", "nri_uniform"}, default="uniform"
        What becomes of a pattern of P = `n_points` points:

        - "default": each of the 2**P patterns is a code.
        - "ror": patterns that are rotations of each other share the smallest of their codes.
        - "uniform": the number of ones where the pattern changes at most twice between neighbouring points,
          P + 1 for all other patterns: P + 2 codes, the same however the image is rotated.
        - "nri_uniform": as "uniform", but the rotations of a pattern have codes of their own: P (P - 1) + 3
          codes.
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
    GaborExtractor : Energy by frequency and direction.
    fracture_features.make_pipeline : A pipeline from paths to labels.

    Notes
    -----
    `cell1x2_code5` is the share of code 5 in the cell in row 1, column 2; the shares of a cell sum to 1. Where
    `n_points` and `radius` are sequences it is `cell1x2_points8_radius1_code5`, and the shares of each scale sum to
    1. A code of a pixel close to a cell's border depends on pixels up to `radius` beyond it, the region of a feature
    is the cell.

    References
    ----------
    .. [1] T. Ojala, M. Pietikäinen, T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture
       classification with local binary patterns", IEEE PAMI 24(7), 2002.
    .. [2] T. Ahonen, A. Hadid, M. Pietikäinen, "Face description with local binary patterns", IEEE PAMI
       28(12), 2006 ("nri_uniform", and histograms over a grid).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.features import LBPExtractor
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 64, 48), dtype=np.uint8)
    >>> LBPExtractor(grid=(2, 3)).fit_transform(images).shape
    (5, 60)
    >>> LBPExtractor(n_points=(8, 16), radius=(1, 2), grid=(2, 3)).fit_transform(images).shape
    (5, 168)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GridExtractor._parameter_constraints,
        "n_points": [Interval(Integral, 1, MAX_POINTS, closed="both"), "array-like"],
        "radius": [Interval(Real, 0, np.inf, closed="neither"), "array-like"],
        "method": [StrOptions(set(METHODS))],
        "grid": ["array-like", Integral],
    }

    def __init__(
        self,
        *,
        n_points: int | Sequence[int] = 8,
        radius: float | Sequence[float] = 1,
        method: str = "uniform",
        grid: int | tuple[int, int] = 4,
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.n_points = n_points
        self.radius = radius
        self.method = method
        self.grid = grid
        self.cache = cache
        self.n_jobs = n_jobs

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        scales = self._scales()
        smallest = 2 * math.ceil(max(scale.radius for scale in scales)) + 1
        if min(self.image_shape_) < smallest:
            raise ValueError(
                f"LBPExtractor with radius={self.radius} needs images of at least {(smallest, smallest)} "
                f"pixels, got {self.image_shape_}."
            )
        return self._grid_layout(
            [f"{scale.prefix}code{code}" for scale in scales for code in _possible_codes(scale.n_points, self.method)]
        )

    def _scales(self) -> list[Scale]:
        """One scale of two numbers; one for each pair of two sequences."""
        n_points: Any = self.n_points
        radii: Any = self.radius
        if isinstance(n_points, Integral) and isinstance(radii, Real):
            return [Scale(n_points, radii, "")]  # type: ignore[arg-type]
        if np.ndim(n_points) != 1 or np.ndim(radii) != 1 or not 0 < len(n_points) == len(radii):
            raise ValueError(
                "n_points and radius must be two numbers, or two sequences of equal length, got "
                f"n_points={n_points!r} and radius={radii!r}."
            )
        for n, r in zip(n_points, radii, strict=True):
            if not (isinstance(n, int | np.integer) and 1 <= n <= MAX_POINTS):
                raise ValueError(f"n_points must be integers from 1 to {MAX_POINTS}, got {n!r} among them.")
            if not (isinstance(r, int | float | np.number) and 0 < r < np.inf):
                raise ValueError(f"radius must be finite numbers above 0, got {r!r} among them.")
        scales = [Scale(n, r, f"points{n}_radius{r:g}_") for n, r in zip(n_points, radii, strict=True)]
        if len({scale.prefix for scale in scales}) < len(scales):
            raise ValueError(
                f"n_points and radius must be scales that differ, got n_points={n_points!r} and radius={radii!r}."
            )
        return scales

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        bounds = self._cell_bounds()
        parts = [self._shares(images, scale, bounds) for scale in self._scales()]
        return np.concatenate(parts, axis=3).reshape(len(images), -1)

    def _shares(
        self, images: NDArray[np.uint8], scale: Scale, bounds: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        """Shares (n, cell rows, cell columns, n_codes) of the codes of one scale."""
        possible = _possible_codes(scale.n_points, self.method)
        sampling = _sampling(images.shape[1:], scale.n_points, scale.radius)
        shares = np.empty((len(images), len(bounds[0]) - 1, len(bounds[1]) - 1, len(possible)), dtype=np.float32)
        for image, out in zip(images, shares, strict=True):
            codes = _codes(image, sampling, scale.n_points, self.method)
            # "ror" leaves gaps between its codes.
            out[:] = share_codes(codes, *bounds, possible[-1] + 1)[:, :, possible]
        return shares


def local_binary_pattern(
    image: NDArray[np.uint8], *, n_points: int = 8, radius: float = 1, method: str = "uniform"
) -> NDArray[np.int32]:
    """Code of each pixel's local binary pattern, as `skimage.feature.local_binary_pattern` gives it.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
    n_points, radius, method
        As in `LBPExtractor`.

    Returns
    -------
    codes : ndarray of shape (height, width), dtype int32

    Raises
    ------
    ValueError
        If `n_points` is more than 16 and the method is "default" or "ror".
    """
    _possible_codes(n_points, method)
    return _codes(np.ascontiguousarray(image), _sampling(image.shape, n_points, radius), n_points, method)


@memoise
def _possible_codes(n_points: int, method: str) -> NDArray[np.int64]:
    """Codes that patterns of `n_points` can have, in rising order."""
    if method == "uniform":
        return np.arange(n_points + 2)
    if method == "nri_uniform":
        return np.arange(n_points * (n_points - 1) + 3)
    if n_points > MAX_PATTERN_POINTS:
        raise ValueError(
            f'n_points must be at most {MAX_PATTERN_POINTS} with method="{method}", which has a code for each'
            f" of 2**n_points patterns, got {n_points}; the uniform methods take more."
        )
    return np.arange(2**n_points) if method == "default" else np.unique(_smallest_rotations(n_points))


@memoise
def _smallest_rotations(n_points: int) -> NDArray[np.int32]:
    """Return the smallest of the rotations of each pattern of `n_points` bits."""
    rotated = np.arange(2**n_points, dtype=np.int32)
    smallest = rotated
    for _ in range(n_points - 1):
        rotated = (rotated >> 1) | ((rotated & 1) << (n_points - 1))
        smallest = np.minimum(smallest, rotated)
    return smallest


def _sampling(shape: tuple[int, ...], n_points: int, radius: float) -> tuple[NDArray[Any], ...]:
    """Return where the points lie: whole pixels to add (P,) and the way left to the next one, rows then columns.

    That way, (P, height) and (P, width), is scikit-image's to the last bit, which decides the comparison on
    flat areas: the offsets rounded, the sum taken at each absolute coordinate.
    """
    angles = 2 * np.pi * np.arange(n_points, dtype=np.float64) / n_points
    out = []
    for size, offset in zip(shape, (-radius * np.sin(angles), radius * np.cos(angles)), strict=True):
        position = np.arange(size) + np.round(offset, 5)[:, None]
        whole = np.floor(position)
        out += [whole[:, 0].astype(np.int64), position - whole]
    return tuple(out)


def _codes(
    image: NDArray[np.uint8], sampling: tuple[NDArray[Any], ...], n_points: int, method: str
) -> NDArray[np.int32]:
    codes: NDArray[np.int32] = _pattern_codes(image, METHODS.index(method), *sampling)
    return _smallest_rotations(n_points)[codes] if method == "ror" else codes


@kernel
def _pattern_codes(image, method, rows, row_weights, columns, column_weights):  # type: ignore[no-untyped-def]
    """Codes (height, width) by METHODS[method], those of "ror" not rotated yet."""
    height, width = image.shape
    margin = max(-rows.min(), rows.max() + 1, -columns.min(), columns.max() + 1)
    padded = np.zeros((height + 2 * margin, width + 2 * margin))
    padded[margin : margin + height, margin : margin + width] = image
    starts = (margin + rows) * padded.shape[1] + margin + columns
    signs = np.empty((len(rows), width), dtype=np.uint8)
    codes = np.empty((height, width), dtype=np.int32)
    for r in range(height):
        pixels = padded[r:].reshape(-1)
        centre = pixels[margin * padded.shape[1] + margin :]
        _compare(pixels, padded.shape[1], starts, row_weights[:, r], column_weights, centre, signs)
        if method < 2:
            _bits(signs, codes[r])
        else:
            _uniform(signs, method == 3, codes[r])
    return codes


@kernel
def _compare(pixels, stride, starts, row_weights, column_weights, centre, signs):  # type: ignore[no-untyped-def]
    """Return whether each point (P, width) is at least as bright as the centre, for the centres of a row."""
    n_points, width = signs.shape
    for p in range(n_points):
        top, bottom, row_weight = pixels[starts[p] :], pixels[starts[p] + stride :], row_weights[p]
        # Between pixels the operations and their order are scikit-image's, so that they round alike.
        if row_weight == 0 and column_weights[p, 0] == 0:
            for c in range(width):
                signs[p, c] = top[c] >= centre[c]
        else:
            for c in range(width):
                weight = column_weights[p, c]
                above = (1 - weight) * top[c] + weight * top[c + 1]
                below = (1 - weight) * bottom[c] + weight * bottom[c + 1]
                signs[p, c] = (1 - row_weight) * above + row_weight * below >= centre[c]


@kernel
def _bits(signs, codes):  # type: ignore[no-untyped-def]
    """Codes of a row: bit p is the sign of point p."""
    codes[:] = 0
    for p in range(len(signs)):
        for c in range(len(codes)):
            codes[c] |= np.int32(signs[p, c]) << np.int32(p)


@kernel
def _uniform(signs, with_rotation, codes):  # type: ignore[no-untyped-def]
    """Codes of a row by the number of ones, and by where they begin if `with_rotation`."""
    n_points, width = signs.shape
    ones, changes = signs[0].astype(np.int16), np.zeros(width, dtype=np.int16)
    begins = np.full(width, n_points, dtype=np.int16)  # where a 1 follows a 0
    for p in range(1, n_points):
        for c in range(width):
            sign, before = np.int16(signs[p, c]), np.int16(signs[p - 1, c])
            ones[c] += sign
            changes[c] += sign ^ before
            begins[c] = np.int16(p) if sign > before else begins[c]
    for c in range(width):
        if with_rotation:
            if changes[c] > 2:
                codes[c] = n_points * (n_points - 1) + 2
            elif ones[c] == 0:
                codes[c] = 0
            elif ones[c] == n_points:
                codes[c] = n_points * (n_points - 1) + 1
            else:
                codes[c] = 1 + (ones[c] - 1) * n_points + n_points - begins[c]
        else:
            codes[c] = ones[c] if changes[c] <= 2 else n_points + 1
