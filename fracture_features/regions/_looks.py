"""How sharp an image is, and what score images as sharp have without a fracture."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from sklearn.linear_model import Ridge

RINGS = 24  # of spatial frequency, up to Nyquist's; those that an image is too small for have no power
ALPHA = 10.0  # of the ridge regression


def describe_look(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe how the power of an image falls off with spatial frequency, which tells its effective resolution.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8

    Returns
    -------
    look : ndarray of shape (RINGS - 1,), dtype float32
        Differences of the logarithms of the mean power in rings of frequency, of the image under a Hann window. What
        was enlarged, or compressed hard, has less in the outer ones; contrast has no part in them.
    """
    level = image.astype(np.float32)
    window = np.outer(*(np.hanning(side).astype(np.float32) for side in level.shape))
    power = np.square(np.abs(fft.rfft2((level - level.mean()) * window)))
    rings, counts = _rings(level.shape)
    sums = np.bincount(rings, power.ravel(), minlength=RINGS + 1)[:RINGS]
    return np.diff(np.log(sums / counts + 1)).astype(np.float32)


@lru_cache
def _rings(shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ring of each coefficient of `rfft2`, the last for all above Nyquist's frequency, and how many each has."""
    frequency = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None])
    rings = np.minimum((frequency * 2 * RINGS).astype(np.int64), RINGS).ravel()
    return rings, np.bincount(rings, minlength=RINGS + 1)[:RINGS].clip(1)


class UsualScore(NamedTuple):
    """The score that images without a fracture have, a parabola over the main axis of their looks.

    Parameters
    ----------
    mean, scale, axis : ndarray of shape (RINGS - 1,), dtype float64
        What a look is centred and divided by, and then multiplied with.
    limits : ndarray of shape (2,), dtype float64
        Between which looks were seen; others count as the nearest.
    coefficients : ndarray of shape (3,), dtype float64
        Of the axis, its square and 1.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    axis: NDArray[np.float64]
    limits: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def of(self, looks: NDArray[np.float32]) -> NDArray[np.float64]:
        """Usual scores (n,) of looks (n, RINGS - 1)."""
        place = (((looks - self.mean) / self.scale) @ self.axis).clip(*self.limits)
        return np.asarray(np.column_stack([place, place**2, np.ones_like(place)]) @ self.coefficients)


def fit_usual_score(looks: NDArray[np.float32], scores: NDArray[np.float64]) -> UsualScore:
    """Learn it from looks (n, RINGS - 1) and scores (n,) of images without a fracture, by ridge regression."""
    mean, scale = looks.mean(axis=0, dtype=np.float64), looks.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    standardised = (looks - mean) / scale
    axis = np.linalg.svd(standardised, full_matrices=False)[2][0]
    axis /= (standardised @ axis).std() or 1
    place = standardised @ axis
    line = Ridge(alpha=ALPHA).fit(np.column_stack([place, place**2]), scores)
    limits = np.array([place.min(), place.max()])
    return UsualScore(mean, scale, axis, limits, np.array([*line.coef_, line.intercept_]))
