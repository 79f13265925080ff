"""Fisher vectors shared out among the patches that they were made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ..features import FisherVectorExtractor
from ..features._descriptors import CELLS, Patches, dense_descriptors
from ..features._mixture import Mixture, collect, gradients


def place_descriptors(
    extractor: FisherVectorExtractor,
    image: NDArray[np.uint8],
    vector: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Share `weights @ vector` out among the patches of the image.

    Before its square roots and its length are taken, a Fisher vector is a mean over patches. Of each number of the
    vector a patch has the share that it has of that mean, negative where it pulls the other way, as in the relevance
    propagation of [1]_ without its stabiliser. The shares of all patches sum to 1, exactly; none is what the vector
    would lose with the patch, for square roots and length depend on all of them.

    Parameters
    ----------
    extractor : FisherVectorExtractor
    image : ndarray of shape (height, width), dtype uint8
    vector : ndarray of shape (n_features,)
        The image's.
    weights : ndarray of shape (n_features,), dtype float64

    Returns
    -------
    boxes : ndarray of shape (n_patches, 4), dtype int64
        Pixels of each patch: top, left, bottom, right.
    values : ndarray of shape (n_patches,), dtype float64

    References
    ----------
    .. [1] S. Lapuschkin, A. Binder, G. Montavon, K.-R. Müller, W. Samek, "Analyzing classifiers: Fisher vectors and
       deep neural networks", CVPR 2016.
    """
    patches, boxes = _patches(extractor, image)
    if len(boxes) == 0:
        return boxes, np.empty(0)
    rows = extractor._project(patches)
    mixture, n_odd = extractor.mixture_, extractor._n_odd
    means = gradients(collect(rows, mixture, n_odd), mixture)
    factors = np.divide(weights * vector, means, out=np.zeros_like(means), where=means != 0)
    values = _gradients_along(rows, mixture, factors)
    if n_odd:  # the mirror image's descriptors count as much
        mirrored = rows.copy()
        mirrored[:, :n_odd] *= -1
        values = (values + _gradients_along(mirrored, mixture, factors)) / 2
    return boxes, values / len(rows)


def _patches(extractor: FisherVectorExtractor, image: NDArray[np.uint8]) -> tuple[Patches, NDArray[np.int64]]:
    """The image's patches, size after size, and the box of each."""
    parts, boxes = [], []
    for cell in extractor.cell_sizes:
        patches = dense_descriptors(
            np.ascontiguousarray(image),
            cell_sizes=[cell],
            step=extractor.step,
            min_contrast=extractor.min_contrast,
        )
        side = CELLS * cell
        starts = np.rint((patches.positions + 0.5) * image.shape - side / 2).astype(np.int64)
        parts.append(patches)
        boxes.append(np.hstack([starts, starts + side]))
    return Patches(*(np.concatenate(part) for part in zip(*parts, strict=True))), np.concatenate(boxes)


def _gradients_along(rows: NDArray[np.floating], mixture: Mixture, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of `factors` times the numbers that each descriptor adds to the gradients; formulas as there."""
    weights, means, variances = mixture
    x = rows.astype(np.float64)
    by_mean, by_variance = factors.reshape(2, *means.shape)
    by_mean = by_mean / np.sqrt(weights[:, None] * variances)
    by_variance = by_variance / (np.sqrt(2 * weights[:, None]) * variances)
    constants = (by_variance * (means**2 - variances) - by_mean * means).sum(axis=1)
    along = x @ (by_mean - 2 * by_variance * means).T + x**2 @ by_variance.T + constants
    logits = x @ (means / variances).T - 0.5 * x**2 @ (1 / variances).T
    logits += np.log(weights) - 0.5 * (means**2 / variances + np.log(variances)).sum(axis=1)
    values: NDArray[np.float64] = (softmax(logits, axis=1) * along).sum(axis=1)
    return values
