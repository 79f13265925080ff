"""Predictions of one model on one fold."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["model", "baseline"]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """Predictions of one model on the test part of one fold.

    Parameters
    ----------
    model : str
        Its name.
    fold : int
        From 1.
    train : ndarray of shape (n_train,), dtype int64
        Rows of the data set the model was fitted on.
    test : ndarray of shape (n_test,), dtype int64
        Rows of the data set, or of the external one, that are predicted.
    y_pred : ndarray of shape (n_test,), dtype int64
        At the operating point, where one was chosen.
    scores : ndarray of shape (n_test, n_classes), dtype float64
        Decision function or, where there is none, probability of each class; of two classes, the first is the
        second's negative or complement.
    probabilities : ndarray of shape (n_test, n_classes), dtype float64, or None
        Where the model gives any.
    threshold : float
        Score of class 1 from which on an image is called fractured; NaN where the classifier decides by itself.
    params : dict
        `best_params_` of a search; values that are no number, text or None as their repr.
    fit_seconds : float
        Wall time, with files already decoded, with features in the cache where an earlier model left them, and without
        the compilation of kernels, which a first run waits for.
    predict_ms : float
        Wall time in milliseconds per image from the file to the label, nothing cached, on at most 50 images.
    role : {"model", "baseline"}
        Whether the model cannot see a fracture and is there to be compared with.
    grid : dict
        Of a search with one scorer: its settings, "params", and the "mean_test_score" of each on the inner folds.
    train_scores : ndarray of shape (n_train, n_classes), dtype float64, or None
        Scores of the images the model was fitted on, which tell how far it fits them better than others. None where
        they cost as much as the test part's: of networks that are trained on the images themselves.
    found : ndarray of shape (n_found, 8), dtype float64, or None
        Boxes found in the test images, where the data have boxes and the model finds any: place of the image in `test`;
        top, left, bottom and right in pixels of the file; score; row and column of the place that has the score.
        Highest first in each image. None where the model finds no boxes.
    weighted : bool
        Whether classes were weighted and no calibration followed: probabilities are then those of other shares of them.
    kept : classifier, Path or None
        What `estimator` gives, or the file it is read from.

    See Also
    --------
    EvaluationResult : Tables of many of them.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.results import FoldResult
    >>> rows, scores = np.array([2, 3]), np.array([[0.8, 0.2], [0.1, 0.9]])
    >>> fold = FoldResult("mine", 1, np.array([0, 1]), rows, scores.argmax(axis=1), scores, scores)
    >>> fold.of("scores").tolist()
    [0.2, 0.9]
    """

    model: str
    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None = None
    threshold: float = np.nan
    params: dict[str, Any] = field(default_factory=dict)
    fit_seconds: float = 0.0
    predict_ms: float = 0.0
    role: Role = "model"
    grid: dict[str, list[Any]] = field(default_factory=dict)
    train_scores: NDArray[np.float64] | None = None
    found: NDArray[np.float64] | None = None
    weighted: bool = False
    kept: Any = None

    @property
    def estimator(self) -> Any:
        """The fitted model, None where it was not kept; of a checkpoint it is read from its file each time."""
        return pickle.loads(self.kept.read_bytes()) if isinstance(self.kept, Path) else self.kept

    def subset(self, rows: NDArray[Any]) -> FoldResult:
        """Keep these predictions alone, by position or mask."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return replace(
            self,
            test=self.test[rows],
            y_pred=self.y_pred[rows],
            scores=self.scores[rows],
            probabilities=probabilities,
            found=None if self.found is None else _found_in(self.found, np.arange(len(self.test))[rows]),
        )

    def of(self, takes: str) -> NDArray[Any]:
        """Return values for a `metrics.Measure`: labels, or scores or probabilities of class 1 or, of many, of each."""
        if takes == "labels":
            return self.y_pred
        values = self.scores if takes == "scores" else self.probabilities
        assert values is not None
        return _second(values)

    def of_training(self) -> NDArray[np.float64]:
        """Return the scores of the training images, of class 1 or, of many, of each; there must be some."""
        assert self.train_scores is not None
        return _second(self.train_scores)


def _second(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:, 1] if values.shape[1] == 2 else values


def _found_in(found: NDArray[np.float64], kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """Boxes of the images that are kept, by their new places."""
    parts = [found[found[:, 0] == place] for place in kept.tolist()]
    counts = [len(part) for part in parts]
    chosen = np.concatenate([np.empty((0, found.shape[1])), *parts])
    chosen[:, 0] = np.repeat(np.arange(len(kept)), counts)
    return chosen
