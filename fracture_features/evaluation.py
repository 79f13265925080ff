"""Models × folds → predictions, and tables of measures with intervals."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.metadata_routing import get_routing_for_object

from . import metrics
from .cache import bypassed_caches, close_cache
from .datasets import FractureDataset
from .exceptions import DatasetError, NoReadableImagesError, UngroupedDataWarning
from .images import ImageReader

BASELINE = "majority class"
MEASURES = ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
N_RESAMPLES = 2000
N_TIMED = 50
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one model gave on the test part of one fold.

    Attributes
    ----------
    model : str
    fold : int
        From 1.
    test : ndarray of shape (n_test,), dtype int64
        Rows of the data set.
    y_pred : ndarray of shape (n_test,), dtype int64
    scores : ndarray of shape (n_test, n_classes), dtype float64
        Decision function or, where there is none, probability of each class; of two classes, the first is the
        second's negative or complement.
    fit_seconds : float
        Wall time, with files already decoded, and with features in the cache where an earlier model left them.
    predict_ms : float
        Wall time in milliseconds per image from the file to the label, nothing cached, on at most 50 images.
    """

    model: str
    fold: int
    test: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    scores: NDArray[np.float64]
    fit_seconds: float
    predict_ms: float


class EvaluationResult:
    """Predictions of each model on each fold, and the tables made from them.

    Parameters
    ----------
    data : FractureDataset
        The readable images.
    folds : iterable of FoldResult
    excluded : DataFrame
        Files left out, with the columns path, label and reason.
    random_state : int, default=None
        Seed of the bootstrap.

    Attributes
    ----------
    data, folds, excluded, random_state
        As given.
    """

    def __init__(
        self,
        data: FractureDataset,
        folds: Iterable[FoldResult],
        excluded: pd.DataFrame,
        random_state: int | None = None,
    ):
        self.data = data
        self.folds = list(folds)
        self.excluded = excluded
        self.random_state = random_state

    def __repr__(self) -> str:
        return f"<EvaluationResult: {len(self.models)} models on {self.data!r}>"

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order they were run."""
        return list(dict.fromkeys(fold.model for fold in self.folds))

    def frame(self, *, confidence_level: float = 0.95) -> pd.DataFrame:
        """Return one row for each model and measure.

        Each value is the mean over the folds' test parts. Its interval is a percentile bootstrap of 2000 resamples
        that draw whole groups within each fold, the fitted models held fixed: it tells how far the mean would move
        with other patients, not with other training data.

        Parameters
        ----------
        confidence_level : float, default=0.95

        Returns
        -------
        frame : DataFrame
            Columns model, measure, value, low, high. With more than two classes every measure but the accuracies
            is the mean over the classes, each against the rest. fit_minutes is the sum and predict_ms the mean over
            the folds of the times in FoldResult; they have no interval.
        """
        rows = []
        for model in self.models:
            folds = [fold for fold in self.folds if fold.model == model]
            point, draws = self._point_and_draws(folds)
            for k, measure in enumerate(MEASURES):
                interval = metrics.percentile_interval(draws[k], confidence_level)
                rows.append((model, measure, point[k], *interval))
            minutes = sum(fold.fit_seconds for fold in folds) / 60
            predict_ms = np.mean([fold.predict_ms for fold in folds])
            rows += [(model, "fit_minutes", minutes, np.nan, np.nan), (model, "predict_ms", predict_ms, np.nan, np.nan)]
        return pd.DataFrame(rows, columns=["model", "measure", "value", "low", "high"])

    def predictions(self) -> pd.DataFrame:
        """Return one row for each model and image of a test part.

        Returns
        -------
        frame : DataFrame
            Columns model, fold, path, group (where known), label, predicted, and `score`, which is higher the more
            speaks for the fracture; with more than two classes, `score_<class>` for each.
        """
        names = np.array(self.data.target_names)
        parts = []
        for fold in self.folds:
            columns: dict[str, Any] = {"model": fold.model, "fold": fold.fold, "path": self.data.paths[fold.test]}
            if self.data.groups is not None:
                columns["group"] = self.data.groups[fold.test]
            columns |= {"label": names[self.data.y[fold.test]], "predicted": names[fold.y_pred]}
            if len(names) == 2:
                columns["score"] = fold.scores[:, 1]
            else:
                columns |= {f"score_{name}": fold.scores[:, k] for k, name in enumerate(names)}
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def _point_and_draws(self, folds: list[FoldResult]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measures on the samples as they are (n_measures,) and resampled (n_measures, n_resamples)."""
        per_fold = []
        for fold in folds:
            as_is = np.ones((1, len(fold.test)))
            weights = np.vstack([as_is, self._weights[fold.fold]])
            per_fold.append(_measures(self.data.y[fold.test], fold, weights))
        mean = np.mean(per_fold, axis=0)
        return mean[:, 0], mean[:, 1:]

    @cached_property
    def _weights(self) -> dict[int, NDArray[np.float64]]:
        """Resamples of each fold's test part, the same for every model."""
        rng = np.random.default_rng(self.random_state)
        groups = np.arange(len(self.data)) if self.data.groups is None else self.data.groups
        tests = {fold.fold: fold.test for fold in self.folds}
        return {k: metrics.group_weights(groups[tests[k]], N_RESAMPLES, rng) for k in sorted(tests)}


def _measures(y: NDArray[np.int64], fold: FoldResult, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """MEASURES of one fold, (n_measures, n_resamples)."""
    n_classes = fold.scores.shape[1]
    classes = [1] if n_classes == 2 else range(n_classes)
    by_class = np.mean(
        [
            (
                metrics.roc_auc(np.equal(y, k).astype(np.int64), fold.scores[:, k], weights),
                metrics.average_precision(np.equal(y, k).astype(np.int64), fold.scores[:, k], weights),
                metrics.recall(y, fold.y_pred, weights, k),
                metrics.recall(np.equal(y, k), np.equal(fold.y_pred, k), weights, False),
            )
            for k in classes
        ],
        axis=0,
    )
    recalls = np.mean([metrics.recall(y, fold.y_pred, weights, k) for k in range(n_classes)], axis=0)
    return np.stack([by_class[0], by_class[1], metrics.accuracy(y, fold.y_pred, weights), recalls, *by_class[2:]])


def evaluate(
    models: Mapping[str, Any],
    data: FractureDataset,
    *,
    cv: Any = 5,
    random_state: int | None = None,
    on_fold: Callable[[FoldResult], None] | None = None,
) -> EvaluationResult:
    r"""Cross-validate models over the same folds, groups kept together.

    Every file is read once, before any split; those that cannot be read are left out and listed in the result. The
    majority class is added as a model of its own.

    Parameters
    ----------
    models : mapping of str to estimator
        Pipelines, searches or other classifiers that take paths. Those whose `cache` is None share a temporary one.
    data : FractureDataset
    cv : int, splitter or iterable of (train, test), default=5
        A number stands for StratifiedGroupKFold, or StratifiedKFold where there are no groups, shuffled.
    random_state : int, default=None
        Seed of the folds and of the bootstrap; the models have their own.
    on_fold : callable, default=None
        Called with the FoldResult of each fold as soon as it is there.

    Returns
    -------
    result : EvaluationResult

    Raises
    ------
    DatasetError
        If no file can be read (NoReadableImagesError), or a fold's training or test part lacks a class.
    ValueError
        If `models` is no mapping of names to classifiers.

    Warns
    -----
    UngroupedDataWarning
        If the data have no groups.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> result = evaluate({"HOG + SVM": make_pipeline("hog", "svm")}, data, cv=3, random_state=0)
    >>> result.models
    ['majority class', 'HOG + SVM']
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models must map names to classifiers, got {models!r}")
    for name, model in models.items():
        if not hasattr(model, "fit") or isinstance(model, type):
            raise ValueError(f"models[{name!r}] must be a classifier, got {model!r}")
    models = {BASELINE: DummyClassifier(strategy="prior"), **models}
    if data.groups is None:
        warnings.warn(
            "No groups are given: images of one patient may stand on both sides of a split and flatter the result.",
            UngroupedDataWarning,
            stacklevel=2,
        )
    folds = []
    with (
        tempfile.TemporaryDirectory(prefix="fracture_features_") as folder,
        config_context(enable_metadata_routing=True),
    ):
        try:
            cached = {name: _with_cache(model, folder) for name, model in models.items()}
            data, excluded = exclude_unreadable(data, cached.values())
            splits = _splits(data, cv, random_state)
            for name, model in cached.items():
                for k, (train, test) in enumerate(splits, start=1):
                    folds.append(_run_fold(name, model, data, k, train, test))
                    if on_fold is not None:
                        on_fold(folds[-1])
        finally:
            close_cache(folder)
    return EvaluationResult(data, folds, excluded, random_state)


def exclude_unreadable(data: FractureDataset, models: Iterable[Any]) -> tuple[FractureDataset, pd.DataFrame]:
    """Read every file as the models will, filling their caches.

    Parameters
    ----------
    data : FractureDataset
    models : iterable of estimators
        Read with the ImageReaders found in them, or with a default one where there is none.

    Returns
    -------
    data : FractureDataset
        The readable images.
    excluded : DataFrame
        The others, with the columns path, label and reason.

    Raises
    ------
    NoReadableImagesError
        If no file can be read.
    """
    readers = {repr(reader): reader for model in models for reader in _readers(model)} or {"": ImageReader()}
    reasons = {error.path: error.reason for reader in readers.values() for error in reader.unreadable(data.paths)}
    bad = np.isin(data.paths, list(reasons))
    excluded = pd.DataFrame(
        {
            "path": data.paths[bad],
            "label": np.array(data.target_names)[data.y[bad]],
            "reason": [reasons[path] for path in data.paths[bad]],
        }
    )
    if bad.all():
        raise NoReadableImagesError(
            f"none of {len(data)} files can be read; the first: {excluded['path'][0]}: {excluded['reason'][0]}"
        )
    return data.subset(~bad), excluded


def _readers(model: Any) -> list[ImageReader]:
    return [value for value in model.get_params().values() if isinstance(value, ImageReader)]


def _with_cache(model: Any, folder: str) -> Any:
    """A clone whose `cache` parameters, where None, name `folder`."""
    model = clone(model)
    params = model.get_params()
    return model.set_params(**{k: folder for k, v in params.items() if k.rpartition("__")[2] == "cache" and v is None})


def _splits(data: FractureDataset, cv: Any, random_state: int | None) -> list[Split]:
    if isinstance(cv, int):
        kind = StratifiedKFold if data.groups is None else StratifiedGroupKFold
        cv = kind(cv, shuffle=True, random_state=random_state)
    if hasattr(cv, "split"):
        cv = cv.split(data.paths, data.y, **({} if data.groups is None else {"groups": data.groups}))
    try:
        splits = [(np.asarray(train), np.asarray(test)) for train, test in cv]
    except ValueError as error:
        raise DatasetError(f"cannot split {data!r} into folds: {error}") from error
    for k, parts in enumerate(splits, start=1):
        for part, rows in zip(("training", "test"), parts, strict=True):
            missing = set(range(len(data.target_names))) - set(data.y[rows].tolist())
            if missing:
                names = [data.target_names[c] for c in sorted(missing)]
                raise DatasetError(
                    f"the {part} part of fold {k} of {len(splits)} has no image of {names}: "
                    "use fewer folds or more groups"
                )
    return splits


def _run_fold(name: str, model: Any, data: FractureDataset, fold: int, train: Any, test: Any) -> FoldResult:
    model = clone(model)
    wants_groups = data.groups is not None and get_routing_for_object(model).consumes("fit", ["groups"])
    fit_params = {"groups": data.groups[train]} if wants_groups and data.groups is not None else {}
    start = time.perf_counter()
    model.fit(data.paths[train], data.y[train], **fit_params)
    fit_seconds = time.perf_counter() - start
    y_pred = model.predict(data.paths[test])
    scores = _scores(model, data.paths[test])
    timed = data.paths[test[:N_TIMED]]
    with bypassed_caches():
        start = time.perf_counter()
        model.predict(timed)
        predict_ms = 1000 * (time.perf_counter() - start) / len(timed)
    return FoldResult(name, fold, test, y_pred, scores, fit_seconds, predict_ms)


def _scores(model: Any, paths: NDArray[np.str_]) -> NDArray[np.float64]:
    """Score of each class, (n_samples, n_classes)."""
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(paths), dtype=np.float64)
        return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return np.asarray(model.predict_proba(paths), dtype=np.float64)
