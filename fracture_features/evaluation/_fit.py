"""One model, one training part: fit, calibrate, choose an operating point, predict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.utils.metadata_routing import get_routing_for_object

from ..cache import bypassed_caches
from ..datasets import FractureDataset
from ..metrics import sensitivity_threshold, youden_threshold
from ._fold import FoldResult
from ._splits import inner_splits, make_splitter

INNER_FOLDS = 5
N_TIMED = 50
SENSITIVITY = 0.95
OperatingPoint = str | tuple[str, float] | None
Rule = Callable[[NDArray[np.int64], NDArray[np.float64]], float]


def operating_rule(operating_point: OperatingPoint, n_classes: int) -> Rule | None:
    """How to choose the threshold from labels and scores; None leaves it to the classifier.

    Raises
    ------
    ValueError
        If it is none of those that `evaluate` lists, or there are more than two classes.
    """
    if operating_point is None:
        return None
    if n_classes != 2:
        raise ValueError(f"operating_point={operating_point!r} is for two classes, the data have {n_classes}")
    match operating_point:
        case "youden":
            return youden_threshold
        case "sensitivity":
            return partial(sensitivity_threshold, sensitivity=SENSITIVITY)
        case ("sensitivity", share) if isinstance(share, float | int) and 0 < share <= 1:
            return partial(sensitivity_threshold, sensitivity=share)
        case ("threshold", given) if isinstance(given, float | int):
            return lambda y, scores: float(given)
    raise ValueError(
        "operating_point must be None, 'sensitivity', 'youden', ('sensitivity', share above 0 and up to 1) or "
        f"('threshold', score), got {operating_point!r}"
    )


@dataclass(frozen=True)
class Runner:
    """Fits a model on one part of the data and predicts another.

    Parameters
    ----------
    data : FractureDataset
    rule : callable or None
        From `operating_rule`.
    calibrate : bool
    random_state : int or None
        Seed of the inner folds.
    """

    data: FractureDataset
    rule: Rule | None
    calibrate: bool
    random_state: int | None

    def prepare(self, model: Any, rows: NDArray[np.int64]) -> Any:
        """A clone whose inner folds keep groups together, calibrated if asked for."""
        model = clone(model)
        # A number of folds says nothing of groups.
        if isinstance(model, GridSearchCV | RandomizedSearchCV) and (model.cv is None or isinstance(model.cv, int)):
            model.set_params(cv=make_splitter(self.data, model.cv or INNER_FOLDS, self.random_state))
        if self.calibrate:
            # Not a splitter: without an ensemble, scikit-learn hands it no groups.
            splits = inner_splits(self.data.subset(rows), INNER_FOLDS, self.random_state)
            model = CalibratedClassifierCV(model, cv=splits, ensemble=False)
        return model

    def fit(self, model: Any, rows: NDArray[np.int64]) -> Any:
        """A fitted clone; `groups` go where they are asked for."""
        model = self.prepare(model, rows)
        groups = self.data.groups
        wants_groups = groups is not None and get_routing_for_object(model).consumes("fit", ["groups"])
        fit_params = {"groups": groups[rows]} if wants_groups and groups is not None else {}
        return model.fit(self.data.paths[rows], self.data.y[rows], **fit_params)

    def choose_threshold(self, model: Any, rows: NDArray[np.int64]) -> float:
        """Threshold by the rule, from scores of models that were fitted on other folds of `rows`."""
        if self.rule is None:
            return np.nan
        part = self.data.subset(rows)
        scores = np.empty(len(part))
        for train, test in inner_splits(part, INNER_FOLDS, self.random_state):
            fitted = self.fit(model, rows[train])
            scores[test] = class_scores(fitted, part.paths[test])[:, 1]
        return self.rule(part.y, scores)

    def run(
        self, name: str, model: Any, fold: int, train: NDArray[np.int64], test: NDArray[np.int64]
    ) -> tuple[FoldResult, Any]:
        """What the model gives on the test part, and the fitted model."""
        start = time.perf_counter()
        fitted = self.fit(model, train)
        threshold = self.choose_threshold(model, train)
        fit_seconds = time.perf_counter() - start
        timed = self.data.paths[test[:N_TIMED]]
        with bypassed_caches():
            start = time.perf_counter()
            fitted.predict(timed)
            predict_ms = 1000 * (time.perf_counter() - start) / len(timed)
        inner = getattr(fitted, "estimator", fitted) if self.calibrate else fitted
        result = FoldResult(
            name,
            fold,
            train,
            test,
            *predict_at(fitted, self.data.paths[test], threshold),
            threshold=threshold,
            params=dict(getattr(inner, "best_params_", {})),
            fit_seconds=fit_seconds,
            predict_ms=predict_ms,
        )
        return result, fitted


def predict_at(
    model: Any, paths: NDArray[np.str_], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Labels at the threshold, the classifier's own where that is NaN; scores; probabilities where there are any."""
    probabilities = np.asarray(model.predict_proba(paths), np.float64) if hasattr(model, "predict_proba") else None
    if probabilities is None or hasattr(model, "decision_function"):
        scores = class_scores(model, paths)
    else:
        scores = probabilities
    y_pred = model.predict(paths) if np.isnan(threshold) else (scores[:, 1] >= threshold).astype(np.int64)
    return y_pred, scores, probabilities


def class_scores(model: Any, paths: NDArray[np.str_]) -> NDArray[np.float64]:
    """Score of each class, (n_samples, n_classes)."""
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(paths), dtype=np.float64)
        return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return np.asarray(model.predict_proba(paths), dtype=np.float64)
