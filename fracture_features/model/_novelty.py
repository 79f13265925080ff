"""Whether a file is like what a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from ..cache import cached_parts
from ..evaluation import describe_appearance, probe_reader
from ..images import ImageReader

N_COMPONENTS = 50
FALSE_ALARMS = 0.015  # share of images of the held-out folds that lie beyond the limit
Blocks = list[NDArray[np.float32]]


class Seen(NamedTuple):
    """What a model makes of files.

    Attributes
    ----------
    blocks : list of ndarray of shape (n, n_features), dtype float32
        Features by which files are compared: `texture` of the images as they are read, then brightness, border,
        histogram and a thumbnail, then what the classifier of a pipeline takes, where that is no image.
    taken : ndarray or None
        What the last step of a pipeline takes; None where the model is no pipeline that begins with an ImageReader.
    """

    blocks: Blocks
    taken: NDArray[Any] | None


def see(model: Any, paths: NDArray[np.str_]) -> Seen:
    """Read files as a model does; ImageReadError where one cannot be read."""
    if isinstance(model, Pipeline) and len(model.steps) > 1 and isinstance(model[0], ImageReader):
        images = model[0].transform(paths)
        taken = model[1:-1].transform(images) if len(model.steps) > 2 else images
        own = [np.asarray(taken, dtype=np.float32)] if taken.ndim == 2 else []
        return Seen([texture(images), describe_appearance(images), *own], taken)
    readers = [part for part in cached_parts(model) if isinstance(part, ImageReader)]
    images = (readers[0] if readers else probe_reader(None)).transform(paths)
    return Seen([texture(images), describe_appearance(images)], None)


def texture(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure what hardly varies between radiographs, (n, 8).

    Logarithms of the energy of the image, of its gradients along rows and columns and of its Laplacian; mean level of
    the middle, and of the border less that; share of the most frequent level; and of black.
    """
    rows = []
    for image in images:
        level = image.astype(np.float32)
        across, down = np.diff(level, axis=1), np.diff(level, axis=0)
        laplacian = cv2.Laplacian(level, cv2.CV_32F)
        h, w = (max(side // 8, 1) for side in image.shape)
        middle = level[h:-h, w:-w].mean() if min(image.shape) > 2 * max(h, w) else level.mean()
        border = (level.sum() - level[h:-h, w:-w].sum()) / max(level.size - level[h:-h, w:-w].size, 1)
        counts = np.bincount(image.ravel(), minlength=256) / image.size
        energies = [np.log1p(part.var()) for part in (level, across, down, laplacian)]
        rows.append([*energies, middle, border - middle, counts.max(), counts[0]])
    return np.array(rows, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Block:
    """Distance from the training images in one kind of features.

    Parameters
    ----------
    mean, deviation : ndarray of shape (n_features,), dtype float32
    components : ndarray of shape (n_components, n_features), dtype float32
        Principal components of the standardised features, of length 1.
    scales : ndarray of shape (n_components,), dtype float32
        Standard deviation along each.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    components: NDArray[np.float32]
    scales: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32], random_state: int | None) -> Self:
        """Fit to the training images' features (n, n_features)."""
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        deviation[deviation == 0] = 1
        n = max(1, min(N_COMPONENTS, len(features) // 4, features.shape[1] // 2))
        solver = "randomized" if min(features.shape) > 2 * n else "full"
        pca = PCA(n, svd_solver=solver, random_state=random_state).fit((features - mean) / deviation)
        scales = np.sqrt(np.maximum(pca.explained_variance_, np.finfo(np.float32).tiny))
        return cls(mean, deviation, pca.components_.astype(np.float32), scales.astype(np.float32))

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared distance within the components and beside them, (n, 2)."""
        centred = (features - self.mean) / self.deviation
        along = centred @ self.components.T
        within = ((along / self.scales) ** 2).sum(axis=1, dtype=np.float64)
        beside = (centred**2).sum(axis=1, dtype=np.float64) - (along**2).sum(axis=1, dtype=np.float64)
        return np.column_stack([within, np.maximum(beside, 0)])


@dataclass(frozen=True, eq=False)
class Novelty:
    """Distance from the training images, within principal components and beside them [1]_, in each kind of features.

    A pipeline's own features alone do not tell: gradients do not see that a film is inverted.

    Parameters
    ----------
    blocks : sequence of Block
        Mean, deviation and principal components of each kind of features.
    tails : ndarray of shape (2 * n_blocks,)
        Of each distance, the value that 98.5 % of held-out images stay below.
    limit : float
        Of the largest distance over its tail, the same; beyond it an image is unlike those the model was trained on.

    See Also
    --------
    FractureModel.predict_frame : Its column `unlike_training`.

    References
    ----------
    .. [1] J. E. Jackson and G. S. Mudholkar, "Control procedures for residuals associated with principal component
       analysis", Technometrics 21(3), 1979 (Hotelling's T² and the square of the residual).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.model import Novelty
    >>> Novelty([], np.empty(0), limit=1.0).limit
    1.0
    """

    blocks: Sequence[Block]
    tails: NDArray[np.float64]
    limit: float = 1.0

    @classmethod
    def fit(cls, blocks: Blocks, random_state: int | None) -> Self:
        """Fit to the features of the training images; `with_limit` sets the limit."""
        return cls([Block.fit(features, random_state) for features in blocks], np.ones(2 * len(blocks)))

    def distances(self, blocks: Blocks) -> NDArray[np.float64]:
        """Compute all distances, (n, 2 * n_blocks)."""
        return np.hstack([block.distances(features) for block, features in zip(self.blocks, blocks, strict=True)])

    def with_limit(self, held_out: NDArray[np.float64]) -> Self:
        """Return a copy with tails and limit from the distances of held-out images (n, 2 * n_blocks)."""
        tails = np.maximum(np.quantile(held_out, 1 - FALSE_ALARMS, axis=0), np.finfo(np.float32).tiny)
        limit = float(np.quantile((held_out / tails).max(axis=1), 1 - FALSE_ALARMS))
        return replace(self, tails=tails, limit=limit)

    def unlikeness(self, blocks: Blocks) -> NDArray[np.float64]:
        """Compute the largest distance in units of the limit, (n,): above 1 an image is unlike the others."""
        return (self.distances(blocks) / self.tails).max(axis=1) / self.limit

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all fitted arrays, by name."""
        found = {f"{k}_{name}": value for k, block in enumerate(self.blocks) for name, value in vars(block).items()}
        return {**found, "tails": self.tails, "limit": np.array(self.limit)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make one from the arrays that `arrays` returned."""
        names = ("mean", "deviation", "components", "scales")
        blocks = [Block(*(arrays[f"{k}_{name}"] for name in names)) for k in range(len(arrays["tails"]) // 2)]
        return cls(blocks, arrays["tails"], float(arrays["limit"]))
