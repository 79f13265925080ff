"""Where a network of `build_network` looked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils import gen_batches

from ._classifier import CNNClassifier
from ._keras import float32_policy, load_keras

BLOCK = 4  # images: the maps of every layer are kept until the last


@float32_policy(needed_for="CNNClassifier")
def grad_cam(classifier: CNNClassifier, images: NDArray[np.uint8], column: int) -> NDArray[np.float64]:
    """Grad-CAM [1]_ of a class, signed.

    The last maps before pooling, summed with the mean over the map of the gradient of the class' log-odds as each
    one's weight; the rectifier that [1]_ ends with is left out, so that what speaks against the class is negative. Of
    two classes log-odds are the difference of their scores before the softmax.

    The head being a dense layer on each map's mean and maximum, that gradient has a closed form, on any backend of
    keras: a map's two weights, added and divided by its number of pixels.

    Parameters
    ----------
    classifier : CNNClassifier
        Fitted.
    images : ndarray of shape (n_samples, height, width), dtype uint8
        Of the shape that was fitted.
    column : int
        Number of the class among `classes_`.

    Returns
    -------
    levels : ndarray of shape (n_samples, rows, columns), dtype float64
        Of the shape of the network's last maps.

    References
    ----------
    .. [1] R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra, "Grad-CAM: visual explanations from
       deep networks via gradient-based localization", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.cnn import CNNClassifier
    >>> from fracture_features.cnn._gradcam import grad_cam
    >>> images = np.random.default_rng(0).integers(0, 100, (8, 64, 48), dtype=np.uint8)
    >>> cnn = CNNClassifier(epochs=1, validation_fraction=None, random_state=0).fit(images, [0, 1] * 4)
    >>> grad_cam(cnn, images[:3], 1).shape
    (3, 8, 6)
    """
    keras = load_keras(needed_for="CNNClassifier")
    network = classifier.model_
    # The last: EfficientNet and others pool within their blocks too.
    pooling = [layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)][-1]
    trunk = keras.Model(network.input, pooling.input)
    kernel, bias = (np.asarray(array, dtype=np.float64) for array in network.layers[-1].get_weights())
    blocks = [_levels(keras, trunk, images[rows], kernel, bias, column) for rows in gen_batches(len(images), BLOCK)]
    return np.concatenate(blocks)


def _levels(
    keras: Any,
    trunk: Any,
    images: NDArray[np.uint8],
    kernel: NDArray[np.float64],
    bias: NDArray[np.float64],
    column: int,
) -> NDArray[np.float64]:
    """Grad-CAM of a block of images, `kernel` and `bias` being the head's."""
    maps = keras.ops.convert_to_numpy(trunk(np.asarray(images), training=False)).astype(np.float64)
    pooled = np.hstack([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))])
    logits = pooled @ kernel + bias
    # Log-odds are a class' score less the logarithm of the others' summed exponentials.
    logits[:, column] = -np.inf
    others = softmax(logits, axis=1)
    gradient = kernel[:, column] - others @ kernel.T  # by the pooled means and maxima
    by_mean, by_maximum = np.hsplit(gradient, 2)
    n_pixels = maps.shape[1] * maps.shape[2]
    return np.einsum("nrck,nk->nrc", maps, (by_mean + by_maximum) / n_pixels)
