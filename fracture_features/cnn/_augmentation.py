"""Variations of a radiograph that leave its label as it is."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._threads import map_threads
from .._validation import check_count, check_image_stack

ROTATION = 15.0  # degrees, either way
SHIFT = 0.08  # of the height and of the width, either way
ZOOM = 0.1  # larger or smaller by this part
GAMMA = 0.25  # exponent of the brightness between exp(-GAMMA) and exp(GAMMA)
NOISE = 5.0  # largest standard deviation, of 255
RAMP = np.linspace(0, 1, 256)
# Ones among the bits of each byte, less their mean, over their standard deviation: of random bytes nearly normal noise,
# in a tenth of the time that normal numbers take.
GRAINS = (np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1) - 4.0) / np.sqrt(2)


def augment_images(
    X: ArrayLike, n_variations: int = 1, *, random_state: int | np.random.RandomState | None = None
) -> NDArray[np.uint8]:
    """Augment images as `CNNClassifier(augment=True)` does during training.

    Parameters
    ----------
    X : ndarray of shape (n_samples, height, width), dtype uint8
        Images.
    n_variations : int, default=1
        Of each image.
    random_state : int, RandomState or None, default=None
        Seed of the variations.

    Returns
    -------
    images : ndarray of shape (n_samples, n_variations, height, width), dtype uint8

    Raises
    ------
    ValueError
        If `X` is no such stack, or `n_variations` no whole number of at least 1.

    See Also
    --------
    CNNClassifier : Trains on such images.
    fracture_features.plotting.plot_augmentation : Draw them.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.cnn import augment_images
    >>> augment_images(np.zeros((2, 40, 32), dtype=np.uint8), 5, random_state=0).shape
    (2, 5, 40, 32)
    """
    stack = check_image_stack(X, estimator=augment_images)
    check_count(n_variations, name="n_variations")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    return vary(np.repeat(stack, n_variations, axis=0), rng).reshape(len(stack), n_variations, *stack.shape[1:])


def vary(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image mirrored or not, rotated, shifted, zoomed, made darker or brighter, and noisy.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), dtype uint8
    rng : Generator

    Returns
    -------
    images : ndarray of shape (n, height, width), dtype uint8
        What comes in from outside an image is black.
    """
    size = np.array(images.shape[:0:-1])  # width, height
    rngs = rng.spawn(len(images))  # one an image: threads take them in any order

    def change(i: int) -> Any:
        matrix, exposure, noise = _placing(size, rngs[i]), _exposure(rngs[i]), _noise(size, rngs[i])
        image = cv2.warpAffine(images[i], matrix, size.tolist(), flags=cv2.INTER_LINEAR)
        return cv2.add(cv2.LUT(image, exposure), noise, dtype=cv2.CV_8U)  # cut to 0 and 255

    return np.stack(map_threads(change, range(len(images)), n_jobs=None))


def _placing(size: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
    """Affine map (2, 3) from an image to its variation."""
    angle, scale = rng.uniform(-ROTATION, ROTATION), rng.uniform(1 - ZOOM, 1 + ZOOM)
    matrix: NDArray[Any] = np.asarray(cv2.getRotationMatrix2D(((size - 1) / 2).tolist(), angle, scale))
    matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * size
    if rng.random() < 0.5:
        matrix[0] *= -1
        matrix[0, 2] += size[0] - 1
    return matrix


def _exposure(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Grey value (256,) of each grey value."""
    brightness = RAMP ** np.exp(rng.uniform(-GAMMA, GAMMA))
    return np.rint(255 * brightness).astype(np.uint8)


def _noise(size: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.int8]:
    """Grey value that is added to each pixel (height, width)."""
    grains = np.rint(rng.uniform(0, NOISE) * GRAINS).astype(np.int8)
    pixels = np.frombuffer(rng.bytes(int(size.prod())), dtype=np.uint8).reshape(size[::-1])
    noise: NDArray[Any] = cv2.LUT(pixels, grains)
    return noise
