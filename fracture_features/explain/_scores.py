"""What a map explains: the score of the target class, and the line that leads to it where there is one."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC

CERTAIN = 1e-6  # no probability counts as less: log-odds stay finite
# A linear score's float32 rounding, in units of the score's own parts, stays far below this.
ROUNDING = 1e-4


class Line(NamedTuple):
    """A linear score: the sum of `weights * (features - reference)` is the score less the classifier's intercept.

    Parameters
    ----------
    weights, reference : ndarray of shape (n_features,), dtype float64
        Where features are scaled or reduced, the reference is the training images' mean, else 0.
    intercept : float
    """

    weights: NDArray[np.float64]
    reference: NDArray[np.float64]
    intercept: float


def find_class(classifier: Any, target: Any) -> int:
    """Place of `target` among the classes.

    Raises
    ------
    ValueError
        If it is none of them, or the classifier has no score for a class.
    """
    classes = classifier.classes_.tolist()
    if target not in classes:
        raise ValueError(f"target={target!r} is none of the classes {classes} that the model was fitted on.")
    if not hasattr(classifier, "decision_function") and not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"model cannot be explained: {type(classifier).__name__} has neither decision_function nor predict_proba."
        )
    if isinstance(classifier, SVC | NuSVC) and classifier.decision_function_shape == "ovo" and len(classes) > 2:
        raise ValueError(
            f"model cannot be explained: decision_function_shape='ovo' of {type(classifier).__name__} gives a score "
            "to pairs of classes; expected 'ovr'."
        )
    return classes.index(target)


def target_scores(steps: Pipeline, X: NDArray[Any], column: int) -> NDArray[np.float64]:
    """Scores (n,) of class number `column`.

    Its decision function, of two classes' first one the negative; where the classifier has none, the log-odds of its
    probability.
    """
    with warnings.catch_warnings():
        # Of a pipeline that was fitted with set_output(transform="pandas").
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        if hasattr(steps, "decision_function"):
            scores = np.asarray(steps.decision_function(X), dtype=np.float64)
            return scores[:, column] if scores.ndim == 2 else (scores if column == 1 else -scores)
        probabilities = np.asarray(steps.predict_proba(X), dtype=np.float64)
    # The others' sum: of a float32 probability close to 1 the complement has few digits.
    others = np.delete(probabilities, column, axis=1).sum(axis=1)
    odds: NDArray[np.float64] = probabilities[:, column].clip(CERTAIN) / others.clip(CERTAIN)
    return np.log(odds)


def find_line(steps: Pipeline, rows: NDArray[np.floating], column: int) -> Line | None:
    """The line from features to score, if the classifier is linear and all that `steps` has before it is too.

    Parameters
    ----------
    steps : Pipeline
        What follows the features.
    rows : ndarray of shape (n, n_features)
        Some features. One-versus-one machines have coefficients as well: only what gives the scores of these rows is
        a line to them.
    column : int
        Number of the target class.
    """
    classifier = steps[-1]
    if not hasattr(classifier, "decision_function") or not hasattr(classifier, "coef_"):
        return None
    coefficients = np.atleast_2d(classifier.coef_).astype(np.float64)
    sign = -1.0 if len(coefficients) == 1 and column == 0 else 1.0
    row = min(column, len(coefficients) - 1)
    weights = sign * coefficients[row]
    intercept = sign * float(np.broadcast_to(classifier.intercept_, len(coefficients))[row])
    reference = np.zeros_like(weights)
    for _, step in reversed(steps.steps[:-1]):
        if step is None or step == "passthrough":
            continue
        if not isinstance(step, StandardScaler | PCA):
            return None
        weights, reference = _before(step, weights, reference)
    parts = weights * (rows - reference)
    wrong = np.abs(parts.sum(axis=1) + intercept - target_scores(steps, rows, column))
    is_line = (wrong <= ROUNDING * (np.abs(parts).sum(axis=1) + abs(intercept) + 1)).all()
    return Line(weights, reference, intercept) if is_line else None


def _before(
    step: Any, weights: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and reference of the numbers that go into a step, from those of the numbers that come out."""
    if isinstance(step, StandardScaler):
        scale = 1.0 if step.scale_ is None else step.scale_
        mean = step.mean_ if step.with_mean else 0.0
        return weights / scale, reference * scale + mean
    # Axes of unit length, whitened if asked for.
    scale = np.sqrt(step.explained_variance_) if step.whiten else 1.0
    axes = step.components_.astype(np.float64)
    return (weights / scale) @ axes, (reference * scale) @ axes + step.mean_
