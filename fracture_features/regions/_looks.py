"""How sharp an image is, and what score images that look so have without a fracture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

OCTAVES = 6
FLOOR = 0.01  # grey levels squared: the energy of a flat image
N_LOOKS = OCTAVES + 1
ALPHA = 10.0


def describe_look(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe where in its spectrum an image (height, width) has its energy, and how bright it is.

    Returns
    -------
    look : ndarray of shape (N_LOOKS,), dtype float32
        Logarithms of the ratios of the energies of neighbouring octaves of the Laplacian pyramid [1]_, the finest
        first: they fall off where an image was enlarged, and do not depend on its contrast. Then mean and standard
        deviation of its grey levels.

    References
    ----------
    .. [1] P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
       Communications 31(4), 1983.
    """
    level, energies = image.astype(np.float32), []
    for _ in range(OCTAVES):
        smaller = cv2.pyrDown(level)
        detail = level - cv2.pyrUp(smaller, dstsize=level.shape[::-1])
        energies.append(np.log(float(np.square(detail).mean()) + FLOOR))
        level = smaller
    return np.array([*np.diff(energies), image.mean(), image.std()], dtype=np.float32)


def fit_usual_score(looks: NDArray[np.float32], scores: NDArray[np.float64]) -> Pipeline:
    """Learn the score of images without a fracture from their looks, by ridge regression."""
    return make_pipeline(StandardScaler(), Ridge(alpha=ALPHA)).fit(looks.astype(np.float64), scores)
