"""Principal components, as many as the data have."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.decomposition import PCA
from sklearn.utils.validation import validate_data


class CappedPCA(PCA):
    """scikit-learn's PCA, with whole numbers of components capped at what the data have.

    PCA refuses to fit on fewer samples than components, as happens in the folds of a small data set. Here a whole
    `n_components` means at most that many, and no more than n_samples - 1 or n_features (of sparse rows, one fewer):
    `n_components_` says how many there are. All else, fractions, "mle" and None as `n_components` too, is as in PCA.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the components of `X` (n_samples, n_features); at least 2 samples."""
        rows: Any = validate_data(
            self, X, dtype=[np.float64, np.float32], accept_sparse=("csr", "csc"), ensure_min_samples=2
        )
        params = self.get_params()
        if isinstance(self.n_components, Integral):
            # ARPACK, to which PCA leaves sparse rows, never finds all.
            arpack = self.svd_solver == "arpack" or (self.svd_solver == "auto" and issparse(rows))
            params["n_components"] = min(self.n_components, rows.shape[0] - 1, rows.shape[1] - arpack)
        with np.errstate(divide="ignore", invalid="ignore"):
            pca = PCA(**params).fit(rows)
        # Of rows that are all alike the share of no variance is 0, not 0 / 0.
        pca.explained_variance_ratio_ = np.nan_to_num(pca.explained_variance_ratio_)
        self.__dict__.update(vars(pca) | {"n_components": self.n_components})
        return self

    def fit_transform(self, X: ArrayLike, y: Any = None) -> NDArray[np.floating]:
        """Find the components of `X` (n_samples, n_features) and project it to them (n_samples, n_components_)."""
        return self.fit(X).transform(X)
