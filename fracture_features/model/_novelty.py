"""Whether a file is like what a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from ..cache import cached_parts
from ..evaluation import probe_reader
from ..evaluation._baselines import describe_appearance
from ..images import ImageReader

N_COMPONENTS = 50
FALSE_ALARMS = 0.01  # share of images of the held-out folds that lie beyond the limit


def own_features(model: Any, paths: NDArray[np.str_]) -> tuple[NDArray[np.float32], NDArray[Any] | None]:
    """Features (n, n_features) by which files are compared, and what the model's last step takes, where it has one.

    Of a pipeline they are what its classifier takes; where that takes images, or the model is no pipeline, brightness,
    border, histogram and a thumbnail of the images as they are read.
    """
    if isinstance(model, Pipeline) and len(model.steps) > 1:
        taken = model[:-1].transform(paths)
        features = describe_appearance(taken) if taken.ndim == 3 else taken
        return np.asarray(features, dtype=np.float32), taken
    readers = [part for part in cached_parts(model) if isinstance(part, ImageReader)]
    reader = readers[0] if readers else probe_reader(None)
    return describe_appearance(reader.transform(paths)), None


@dataclass(frozen=True, eq=False)
class Novelty:
    """Distance from the training images, within their principal components and beside them [1]_.

    Parameters
    ----------
    mean : ndarray of shape (n_features,), dtype float32
    components : ndarray of shape (n_components, n_features), dtype float32
        Principal components, of length 1.
    scales : ndarray of shape (n_components,), dtype float32
        Standard deviation along each.
    medians : ndarray of shape (2,)
        Of the two distances, on held-out images.
    limit : float
        Beyond it an image is unlike those the model was trained on.

    References
    ----------
    .. [1] J. E. Jackson and G. S. Mudholkar, "Control procedures for residuals associated with principal component
       analysis", Technometrics 21(3), 1979 (Hotelling's T² and the residual's square).
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scales: NDArray[np.float32]
    medians: NDArray[np.float64]
    limit: float

    @classmethod
    def fit(cls, features: NDArray[np.float32], random_state: int | None) -> Self:
        """Fit to the training images' features (n, n_features); medians and limit are set by `with_limit`."""
        n = max(1, min(N_COMPONENTS, len(features) // 4, features.shape[1]))
        pca = PCA(n, svd_solver="randomized" if min(features.shape) > 2 * n else "full", random_state=random_state)
        pca.fit(features)
        scales = np.sqrt(np.maximum(pca.explained_variance_, np.finfo(np.float32).tiny))
        return cls(
            pca.mean_.astype(np.float32),
            pca.components_.astype(np.float32),
            scales.astype(np.float32),
            np.ones(2),
            np.inf,
        )

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance within the components and beside them, (n, 2), in units of the medians."""
        centred = features - self.mean
        along = centred @ self.components.T
        within = ((along / self.scales) ** 2).sum(axis=1, dtype=np.float64)
        beside = (centred.astype(np.float64) ** 2).sum(axis=1) - (along.astype(np.float64) ** 2).sum(axis=1)
        return np.column_stack([within, np.maximum(beside, 0)]) / self.medians

    def unlikeness(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The larger of the two distances in units of the limit, (n,): above 1 an image is unlike the others."""
        return self.distances(features).max(axis=1) / self.limit

    def with_limit(self, held_out: NDArray[np.float64]) -> Self:
        """With medians and limit from the distances (n, 2) of held-out images."""
        medians = np.maximum(np.median(held_out, axis=0), np.finfo(np.float32).tiny)
        limit = float(np.quantile((held_out / medians).max(axis=1), 1 - FALSE_ALARMS))
        return type(self)(self.mean, self.components, self.scales, medians, limit)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it knows, by name."""
        return {
            "mean": self.mean,
            "components": self.components,
            "scales": self.scales,
            "medians": self.medians,
            "limit": np.array(self.limit),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """What `arrays` gave."""
        return cls(*(arrays[name] for name in ("mean", "components", "scales", "medians")), float(arrays["limit"]))
