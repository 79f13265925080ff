"""One model, one training part: fit, calibrate, choose an operating point, predict."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from .._kernels import seconds_compiling
from .._validation import is_whole
from ..cache import bypassed_caches
from ..datasets import FractureDataset
from ..metrics import sensitivity_threshold, youden_threshold
from ..results import FoldResult
from ..results._fold import Role
from ._nested import check_routing, inner_cvs, is_fitted_on_all_rows, weights_classes
from ._places import find_boxes
from ._splits import Split, inner_splits, make_splitter

INNER_FOLDS = 5
N_TIMED = 50
SENSITIVITY = 0.95
OperatingPoint = str | tuple[str, float] | None
Rule = Callable[[NDArray[np.int64], NDArray[np.float64]], float]


def operating_rule(operating_point: OperatingPoint, n_classes: int) -> Rule | None:
    """Return how to choose the threshold from labels and scores; None leaves it to the classifier.

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
        case ("sensitivity", share) if _is_number(share) and 0 < share <= 1:
            return partial(sensitivity_threshold, sensitivity=share)
        case ("threshold", given) if _is_number(given):
            return partial(_as_given, threshold=float(given))
    raise ValueError(
        "operating_point must be None, 'sensitivity', 'youden', ('sensitivity', share above 0 and up to 1) or "
        f"('threshold', finite score), got {operating_point!r}"
    )


def _as_given(y: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> float:
    return threshold


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, eq=False)
class Job:
    """A model that is to be fitted on rows `train` and to predict rows `test`."""

    model: str
    role: Role
    estimator: Any
    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
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
    _inner: dict[tuple[int, bytes], list[Split]] = field(default_factory=dict, init=False)

    def check(self, job: Job) -> None:
        """Make the inner folds of a job, so that none of them stops a run midway.

        Raises
        ------
        DatasetError
            If the training part cannot be split, or a class is missing where a model would be fitted.
        ValueError
            If groups do not reach the model's inner folds.
        """
        where = describe_job(job.model, job.fold)
        self.prepare(job.estimator, job.train, where)
        if self.rule is not None:
            self.inner(job.train, INNER_FOLDS, where)

    def inner(self, rows: NDArray[np.int64], n_splits: int, where: str) -> list[Split]:
        """Folds within `rows`, the same whoever asks."""
        key = n_splits, rows.tobytes()
        if key not in self._inner:
            self._inner[key] = inner_splits(self.data.subset(rows), n_splits, self.random_state, where)
        return self._inner[key]

    def prepare(self, model: Any, rows: NDArray[np.int64], where: str) -> Any:
        """A clone whose inner folds keep groups together, calibrated if asked for."""
        model = clone(model)
        # A number of folds says nothing of groups.
        numbers = {name: cv for name, cv in inner_cvs(model).items() if cv is None or is_whole(cv)}
        for name, cv in numbers.items():
            n_splits = INNER_FOLDS if cv is None else int(cv)
            splits = self.inner(rows, n_splits, where)
            if self.calibrate or not is_fitted_on_all_rows(model, name):
                if self.data.groups is not None:
                    check_routing(model, name, where)
                model.set_params(**{name: make_splitter(self.data, n_splits, self.random_state)})
            else:
                model.set_params(**{name: splits})
        if self.calibrate:
            # Not a splitter: without an ensemble, scikit-learn hands it no groups.
            model = CalibratedClassifierCV(model, cv=self.inner(rows, INNER_FOLDS, where), ensemble=False)
        return model

    def fit(self, model: Any, rows: NDArray[np.int64], where: str) -> Any:
        """A fitted clone; `groups` and `boxes` go where they are asked for."""
        model = self.prepare(model, rows, where)
        known = {"groups": self.data.groups, "boxes": self.data.boxes}
        wanted = get_routing_for_object(model).consumes("fit", known)
        fit_params = {name: each[rows] for name, each in known.items() if each is not None and name in wanted}
        return model.fit(self.data.paths[rows], self.data.y[rows], **fit_params)

    def choose_threshold(self, model: Any, rows: NDArray[np.int64], where: str) -> float:
        """Threshold by the rule, from scores of models that were fitted on other folds of `rows`."""
        if self.rule is None:
            return np.nan
        part = self.data.subset(rows)
        scores = np.empty(len(part))
        for j, (train, test) in enumerate(self.inner(rows, INNER_FOLDS, where), start=1):
            inner = f"{where}, inner fold {j}"
            fitted = self.fit(model, rows[train], inner)
            scores[test] = checked(class_scores(fitted, part.paths[test]), len(part.target_names), inner)[:, 1]
        return self.rule(part.y, scores)

    def run(self, job: Job) -> tuple[FoldResult, Any]:
        """Return what a model gives on the test part, and the fitted model."""
        start, compiling = time.perf_counter(), seconds_compiling()
        where = describe_job(job.model, job.fold)
        fitted = self.fit(job.estimator, job.train, where)
        threshold = self.choose_threshold(job.estimator, job.train, where)
        fit_seconds = time.perf_counter() - start - (seconds_compiling() - compiling)
        paths, n_classes = self.data.paths, len(self.data.target_names)
        timed = paths[job.test[:N_TIMED]]
        with bypassed_caches():
            start = time.perf_counter()
            fitted.predict(timed)
            predict_ms = 1000 * (time.perf_counter() - start) / len(timed)
        inner = fitted.calibrated_classifiers_[0].estimator if self.calibrate else fitted
        result = FoldResult(
            job.model,
            job.fold,
            job.train,
            job.test,
            *predict_at(fitted, paths[job.test], threshold, n_classes, where),
            threshold=threshold,
            params={name: plain_value(value) for name, value in getattr(inner, "best_params_", {}).items()},
            fit_seconds=fit_seconds,
            predict_ms=predict_ms,
            role=job.role,
            grid=_grid(inner),
            train_scores=None if _learns_from_images(job.estimator) else class_scores(fitted, paths[job.train]),
            found=find_boxes(fitted, self.data, job.test),
            weighted=weights_classes(fitted),
        )
        return result, fitted


def _grid(search: Any) -> dict[str, list[Any]]:
    """Settings and scores of a search with one scorer."""
    found = getattr(search, "cv_results_", {})
    if "mean_test_score" not in found:
        return {}
    params = [{name: plain_value(value) for name, value in setting.items()} for setting in found["params"]]
    return {"params": params, "mean_test_score": np.asarray(found["mean_test_score"], dtype=float).tolist()}


def plain_value(value: Any) -> Any:
    """A number, text or None as Python's own, anything else as its repr without addresses in memory."""
    value = value.item() if isinstance(value, np.generic) else value
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _learns_from_images(model: Any) -> bool:
    """Return whether a classifier in it takes images: what it gives is not in the cache."""
    parts = [model, *model.get_params().values()]
    return any(is_classifier(part) and get_tags(part).input_tags.three_d_array for part in parts if _is_estimator(part))


def _is_estimator(value: Any) -> bool:
    return isinstance(value, BaseEstimator)


def predict_at(
    model: Any, paths: NDArray[np.str_], threshold: float, n_classes: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Labels at the threshold, the classifier's own where that is NaN; scores; probabilities where there are any.

    Raises
    ------
    ValueError
        If there is not one finite score for each image and class.
    """
    probabilities = None
    if hasattr(model, "predict_proba"):
        probabilities = checked(np.asarray(model.predict_proba(paths), np.float64), n_classes, where)
    if probabilities is None or hasattr(model, "decision_function"):
        scores = checked(class_scores(model, paths), n_classes, where)
    else:
        scores = probabilities
    y_pred = model.predict(paths) if np.isnan(threshold) else (scores[:, 1] >= threshold).astype(np.int64)
    return y_pred, scores, probabilities


def checked(scores: NDArray[np.float64], n_classes: int, where: str) -> NDArray[np.float64]:
    """The scores, if they are one finite number for each image and class."""
    if scores.ndim != 2 or scores.shape[1] != n_classes:
        raise ValueError(f"{where}: expected a score for each of {n_classes} classes, got shape {scores.shape}")
    if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
        raise ValueError(f"{where}: expected finite scores, got NaN or infinite ones for {bad} of {len(scores)} images")
    return scores


def class_scores(model: Any, paths: NDArray[np.str_]) -> NDArray[np.float64]:
    """Score of each class, (n_samples, n_classes)."""
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(paths), dtype=np.float64)
        return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return np.asarray(model.predict_proba(paths), dtype=np.float64)


def reseeded(model: Any, n_repeats: int) -> list[Any]:
    """The model for each repetition: in later ones every whole `random_state` is one higher than before."""
    seeds = {name: value for name, value in model.get_params().items() if name.rpartition("__")[2] == "random_state"}
    whole = {name: int(value) for name, value in seeds.items() if is_whole(value)}
    later = [{name: value + repetition for name, value in whole.items()} for repetition in range(1, n_repeats)]
    return [model, *(clone(model).set_params(**changed) for changed in later)]


def describe_job(name: str, fold: int) -> str:
    """Name a model and a fold, for errors."""
    return f"models[{name!r}], fold {fold}"
