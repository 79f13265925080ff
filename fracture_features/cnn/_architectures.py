"""Networks by name: what an architecture takes and gives, and those there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ._keras import load_keras

SMALLEST = 32  # pixels, of a side
LARGEST = 256  # pixels, of the longer side: images of twice that or more are averaged down first


def build_network(
    architecture: str, image_shape: tuple[int, int], n_classes: int, *, dropout: float = 0.0, seed: int = 0
) -> Any:
    """Build a network with fresh weights.

    Parameters
    ----------
    architecture : str
        Key of `ARCHITECTURES`.
    image_shape : tuple of (int, int)
        Height and width of the images.
    n_classes : int
    dropout : float, default=0.0
        Part of the pooled features left out while training.
    seed : int, default=0
        Of the weights and of dropout: keras' own seed is neither used nor changed.

    Returns
    -------
    network : keras.Model
        From images (n, height, width), 0 to 255, to probabilities (n, n_classes).

    Raises
    ------
    ValueError
        If the images are too small.
    """
    if min(image_shape) < SMALLEST:
        raise ValueError(
            f"architecture={architecture!r} needs images of at least {SMALLEST} x {SMALLEST} pixels, "
            f"got {image_shape} (height, width)."
        )
    keras = load_keras(needed_for="CNNClassifier")
    seeds = np.random.default_rng(seed)

    def initializer() -> Any:
        return keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))

    pixels = keras.Input(image_shape)
    x = keras.layers.Reshape((*image_shape, 1))(pixels)
    x = ARCHITECTURES[architecture](keras, keras.layers.Rescaling(1 / 127.5, offset=-1)(x), initializer)
    x = keras.layers.Dropout(dropout, seed=int(seeds.integers(2**31)))(x)
    x = keras.layers.Dense(n_classes, activation="softmax", kernel_initializer=initializer())(x)
    return keras.Model(pixels, x)


def _small(keras: Any, x: Any, initializer: Callable[[], Any]) -> Any:
    """Five convolutions with 90,000 weights; the first takes 256 pixels to 64.

    The last maps are pooled by mean and by maximum, for a fracture is seen in few places.
    """
    layers = keras.layers

    def convolution(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer=initializer())(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    halve = partial(layers.MaxPooling2D, 2, padding="same")
    longer = max(x.shape[1:3])
    if longer >= 2 * LARGEST:
        x = layers.AveragePooling2D(longer // LARGEST)(x)
    strides = min(max(longer // 64, 1), 4)
    x = halve()(convolution(x, 24, size=max(2 * strides - 1, 3), strides=strides))
    x = halve()(convolution(convolution(x, 32), 48))
    x = convolution(halve()(convolution(x, 64)), 64)
    return layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])


ARCHITECTURES: dict[str, Callable[[Any, Any, Callable[[], Any]], Any]] = {"small": _small}
