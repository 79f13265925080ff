"""Networks by name: what an architecture takes and gives, and those that are made here."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ._applications import SMALLEST, build_backbone, check_side
from ._keras import float32_policy, load_keras

SMALLEST_OWN = 32  # pixels, of a side
LARGEST = 256  # pixels, of the longer side: images of twice that or more are averaged down first


@float32_policy(needed_for="CNNClassifier")
def build_network(
    architecture: str,
    image_shape: tuple[int, int],
    n_classes: int,
    *,
    weights: str | os.PathLike[str] | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> Any:
    """Build a network: maps of the images, pooled by mean and by maximum, and one dense layer, its head.

    The maximum is there because a fracture is seen in few places.

    Parameters
    ----------
    architecture : str
        Key of `ARCHITECTURES`, or a network of keras.applications.
    image_shape : tuple of (int, int)
        Height and width of the images.
    n_classes : int
    weights : {"imagenet"}, str, path-like or None, default=None
        Of a network of keras.applications. With weights every layer but the head is frozen.
    dropout : float, default=0.0
        Part of the pooled features left out while training.
    seed : int, default=0
        Of the weights and of dropout: keras' own seed is neither used nor changed.

    Returns
    -------
    network : keras.Model
        From images (n, height, width), 0 to 255, to probabilities (n, n_classes); no layer of it is a model,
        but for some of ConvNeXt's own.

    Raises
    ------
    ValueError
        If the images are too small, `weights` are those of another network, or are given for a key of
        `ARCHITECTURES`.
    """
    keras = load_keras(needed_for="CNNClassifier")
    layers = keras.layers
    seeds = np.random.default_rng(seed)

    def initializer() -> Any:
        return keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))

    pixels = keras.Input(image_shape)
    if architecture in ARCHITECTURES:
        _check_own(architecture, image_shape, weights)
        x = layers.Rescaling(1 / 127.5, offset=-1)(layers.Reshape((*image_shape, 1))(pixels))
        x = ARCHITECTURES[architecture](keras, x, initializer)
    else:
        x = build_backbone(architecture, pixels, weights=weights, seed=int(seeds.integers(2**31)))
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    x = layers.Dropout(dropout, seed=int(seeds.integers(2**31)))(x)
    x = layers.Dense(n_classes, activation="softmax", kernel_initializer=initializer())(x)
    network = keras.Model(pixels, x)
    for layer in network.layers[:-1]:
        layer.trainable = weights is None
    return network


def thaw(network: Any, n_layers: int) -> None:
    """Let the last `n_layers` of the frozen layers train, of those that normalise none.

    Batch normalisation that stays frozen keeps the means and variances of its ImageNet days, better known than
    those of a few batches.
    """
    keras = load_keras(needed_for="CNNClassifier")
    normalising = keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.Normalization
    frozen = [layer for layer in network.layers[:-1] if layer.weights and not isinstance(layer, normalising)]
    for layer in frozen[len(frozen) - min(n_layers, len(frozen)) :]:
        layer.trainable = True


def _check_own(architecture: str, image_shape: tuple[int, int], weights: Any) -> None:
    if weights is not None:
        raise ValueError(
            f"weights={weights!r} are for a network of keras.applications; architecture={architecture!r} is trained "
            "from scratch, with weights=None."
        )
    check_side(architecture, SMALLEST_OWN, image_shape)


def smallest_side(architecture: str) -> int:
    """Smallest side of an image, in pixels, that a network takes whose name is known."""
    return SMALLEST_OWN if architecture in ARCHITECTURES else SMALLEST[architecture]


def _convolution(
    keras: Any, x: Any, initializer: Callable[[], Any], filters: int, size: int = 3, strides: int = 1, relu: bool = True
) -> Any:
    layers = keras.layers
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer=initializer())(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def _stem(keras: Any, x: Any, initializer: Callable[[], Any]) -> Any:
    """From pixels to maps of about 32 x 32: larger images are averaged down, the convolution takes longer strides."""
    longer = max(x.shape[1:3])
    if longer >= 2 * LARGEST:
        x = keras.layers.AveragePooling2D(longer // LARGEST)(x)
    strides = min(max(longer // 64, 1), 4)
    x = _convolution(keras, x, initializer, 24, size=max(2 * strides - 1, 3), strides=strides)
    return keras.layers.MaxPooling2D(2, padding="same")(x)


def _small(keras: Any, x: Any, initializer: Callable[[], Any]) -> Any:
    """Five convolutions with 90,000 weights."""
    convolution = partial(_convolution, keras, initializer=initializer)
    halve = partial(keras.layers.MaxPooling2D, 2, padding="same")
    x = _stem(keras, x, initializer)
    x = halve()(convolution(convolution(x, filters=32), filters=48))
    return convolution(convolution(halve()(x), filters=64), filters=64)


def _residual(keras: Any, x: Any, initializer: Callable[[], Any]) -> Any:
    """A stem and three residual blocks, 220,000 weights."""
    convolution = partial(_convolution, keras, initializer=initializer)
    x = _stem(keras, x, initializer)
    for filters, strides in ((32, 1), (64, 2), (96, 2)):
        shortcut = convolution(x, filters=filters, size=1, strides=strides, relu=False)
        x = convolution(convolution(x, filters=filters, strides=strides), filters=filters, relu=False)
        x = keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))
    return x


ARCHITECTURES: dict[str, Callable[[Any, Any, Callable[[], Any]], Any]] = {"small": _small, "residual": _residual}
