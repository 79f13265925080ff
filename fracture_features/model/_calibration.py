"""From scores to probabilities, as a stage of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator


@dataclass(frozen=True)
class Calibration:
    r"""Platt's sigmoid of each class's score, :math:`1 / (1 + \exp(a s + b))`; of two classes that of the second.

    Parameters
    ----------
    slopes, intercepts : tuple of float
        a and b of each class, one of each where there are two classes.

    See Also
    --------
    fracture_features.train_model : Learns it with `calibrate=True`.
    fracture_features.RecalibratedClassifier : For another source of images.

    Examples
    --------
    >>> from fracture_features.model import Calibration
    >>> Calibration(slopes=(-1.0,), intercepts=(0.0,)).slopes
    (-1.0,)
    """

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]

    @classmethod
    def fit(cls, scores: NDArray[np.float64], y: NDArray[np.int64]) -> Self:
        """Fit by scikit-learn, as `CalibratedClassifierCV` of the whole model would.

        Parameters
        ----------
        scores : ndarray of shape (n, n_classes)
            Of images that the model which gave them was not fitted on.
        y : ndarray of shape (n,)
        """
        given = scores[:, 1] if scores.shape[1] == 2 else scores
        found = CalibratedClassifierCV(FrozenEstimator(_Scores(scores.shape[1]))).fit(given.reshape(len(y), -1), y)
        calibrators: Any = found.calibrated_classifiers_[0].calibrators
        return cls(tuple(float(one.a_) for one in calibrators), tuple(float(one.b_) for one in calibrators))

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the probability of each class, (n, n_classes), from the scores of each."""
        if scores.shape[1] == 2:
            positive = expit(-(self.slopes[0] * scores[:, 1] + self.intercepts[0]))
            return np.column_stack([1 - positive, positive])
        each = expit(-(np.array(self.slopes) * scores + np.array(self.intercepts)))
        total = each.sum(axis=1, keepdims=True)
        return np.divide(each, total, out=np.full_like(each, 1 / each.shape[1]), where=total > 0)


class _Scores(ClassifierMixin, BaseEstimator):
    """Takes the scores for its decision function."""

    def __init__(self, n_classes: int):
        self.n_classes = n_classes

    @property
    def classes_(self) -> NDArray[np.int64]:
        return np.arange(self.n_classes)

    def fit(self, X: Any, y: Any) -> Self:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        X = np.asarray(X, dtype=np.float64)
        return X[:, 0] if self.n_classes == 2 else X

    def predict(self, X: Any) -> NDArray[np.int64]:
        scores = self.decision_function(X)
        return (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
