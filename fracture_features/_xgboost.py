"""XGBoost with scikit-learn's class weights, any labels and our thread policy."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight

from ._threads import count_threads


class XGBClassifier(xgboost.XGBClassifier):
    """`xgboost.XGBClassifier` that takes `class_weight` and labels of any kind.

    Parameters
    ----------
    class_weight : "balanced", dict or None, default="balanced"
        As in scikit-learn; multiplies `sample_weight`.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores, and 1 inside a worker of joblib.
    **kwargs
        Parameters of `xgboost.XGBClassifier`.
    """

    def __init__(
        self, *, class_weight: str | dict[Any, float] | None = "balanced", n_jobs: int | None = None, **kwargs: Any
    ):
        super().__init__(n_jobs=n_jobs, **kwargs)
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None, **kwargs: Any) -> Self:
        """Fit on `X` (n_samples, n_features) and labels `y` (n_samples,); the rest as in XGBoost."""
        weights = compute_sample_weight(self.class_weight, y)
        if sample_weight is not None:
            weights = weights * np.asarray(sample_weight)
        labels = LabelEncoder()
        codes = labels.fit_transform(y)
        self._labels = None  # XGBoost compares the codes to `classes_` while it fits.
        super().fit(X, codes, sample_weight=weights, **kwargs)
        self._labels = labels.classes_
        return self

    def predict(self, X: ArrayLike, **kwargs: Any) -> NDArray[Any]:
        """Predict the labels (n_samples,) of `X` (n_samples, n_features)."""
        codes = super().predict(X, **kwargs)
        return codes if self._labels is None else self._labels[codes]

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels seen in `fit`, sorted."""
        return super().classes_ if self._labels is None else self._labels

    def get_xgb_params(self) -> dict[str, Any]:
        """Parameters for XGBoost's core, which knows neither class weights nor joblib."""
        params = super().get_xgb_params()
        params.pop("class_weight", None)
        return {**params, "n_jobs": count_threads(self.n_jobs)}
