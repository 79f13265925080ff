"""Models × folds → predictions."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone, is_classifier

from .._validation import is_whole
from ..baselines import BASELINES, baseline_models
from ..cache import close_cache
from ..datasets import FractureDataset
from ..exceptions import DatasetError, NoReadableImagesError, UngroupedDataWarning
from ..images import ImageReader
from ._fit import OperatingPoint, Runner, operating_rule, predict_at
from ._fold import FoldResult
from ._result import EvaluationResult
from ._splits import check_classes, make_splits, read_cv


def evaluate(
    models: Mapping[str, Any],
    data: FractureDataset,
    *,
    cv: Any = 5,
    n_repeats: int = 1,
    operating_point: OperatingPoint = None,
    calibrate: bool = False,
    external: FractureDataset | None = None,
    random_state: int | None = None,
    on_fold: Callable[[FoldResult], None] | None = None,
) -> EvaluationResult:
    r"""Cross-validate models over the same folds, groups kept together.

    Every file is read once, before any split; those that cannot be read are left out and listed in the result. Three
    models that cannot see a fracture are evaluated beside them: the majority class, the metadata without a pixel, and
    a probe of brightness, border and thumbnail (`fracture_features.baselines`).

    Parameters
    ----------
    models : mapping of str to estimator
        Pipelines, searches or other classifiers that take paths. Those whose `cache` is None share a temporary one.
        Where a search or another part of a model has a number as `cv`, it gets inner folds that keep groups together.
    data : FractureDataset
    cv : int, "split", splitter or iterable of (train, test), default=5
        A number stands for StratifiedGroupKFold, or StratifiedKFold where there are no groups, shuffled; "split" for
        the column of that name in `data.frame`, whose "test" is tested and whose other images train.
    n_repeats : int, default=1
        How often to divide anew, where `cv` is a number.
    operating_point : None, "sensitivity", "youden", ("sensitivity", share) or ("threshold", score), default=None
        From which score of class 1 on an image is called fractured: the highest at which 95 % of the fractures, or
        that share, are found, that with the highest Youden index, or a given one. It is chosen on the scores that five
        models fitted within the training part give to the images they were not fitted on, at five more fits a fold,
        then applied to the test part and to `external`. None leaves the decision to the classifier.
    calibrate : bool, default=False
        Whether to calibrate each model's probabilities by Platt's method, on folds within the training part.
    external : FractureDataset, default=None
        Images of another source, which each fold's fitted model scores once; `result.external` holds what came out.
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
        If no file can be read (NoReadableImagesError), a file is named twice, a part on which a model would be fitted
        or tested lacks a class, an image or a group stands on both sides of a split, or `external` has other classes.
    ValueError
        If `models` is no mapping of names to classifiers, a name is a baseline's, a parameter is none of those above,
        groups cannot reach the inner folds of a model, or a model gives no finite score for each class.

    Warns
    -----
    UngroupedDataWarning
        If the data or `external` have no groups, or a splitter within a model ignores them.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> result = evaluate({"HOG + SVM": make_pipeline("hog", "svm")}, data, cv=3, random_state=0)
    >>> result.models
    ['majority class', 'metadata only', 'shortcut probe', 'HOG + SVM']
    """
    _check_data(data, "data")
    _check_models(models, len(data.target_names))
    if random_state is not None and not (is_whole(random_state) and 0 <= random_state < 2**32):
        raise ValueError(f"random_state must be None or an integer from 0 to 2**32 - 1, got {random_state!r}")
    random_state = None if random_state is None else int(random_state)
    rule = operating_rule(operating_point, len(data.target_names))
    if external is not None:
        _check_data(external, "external")
        if external.target_names != data.target_names:
            raise DatasetError(f"external has the classes {external.target_names}, the data have {data.target_names}")
    folds_or_number = read_cv(data, cv, n_repeats)
    _warn_without_groups(data, external)
    folds, outside = [], []
    with (
        tempfile.TemporaryDirectory(prefix="fracture_features_") as folder,
        config_context(enable_metadata_routing=True),
    ):
        try:
            cached = {name: _with_cache(model, folder) for name, model in models.items()}
            given = data
            data, excluded = exclude_unreadable(given, cached.values())
            readable = ~np.isin(given.paths, excluded["path"])
            splits = make_splits(data, folds_or_number, n_repeats, random_state, readable)
            runner = Runner(data, rule, calibrate, random_state)
            known = data
            if external is not None:
                external, excluded_outside = exclude_unreadable(external, cached.values())
                check_classes(external, np.arange(len(external)), "external", "expected every class")
                known = _both(data, external)
            readers = [reader for model in cached.values() for reader in _readers(model)]
            reader = readers[0] if readers else ImageReader(cache=folder)
            everyone = baseline_models(known, reader, random_state=random_state) | cached
            runner.check(everyone, splits)
            for name, model in everyone.items():
                for k, (train, test) in enumerate(splits, start=1):
                    fold, fitted = runner.run(name, model, k, train, test)
                    folds.append(fold)
                    if external is not None:
                        outside.append(_predict_external(fold, fitted, external))
                    if on_fold is not None:
                        on_fold(fold)
        finally:
            close_cache(folder)
    return EvaluationResult(
        data,
        folds,
        excluded,
        random_state,
        None if external is None else EvaluationResult(external, outside, excluded_outside, random_state),
    )


def _check_data(data: Any, parameter: str) -> None:
    if not isinstance(data, FractureDataset):
        raise ValueError(f"{parameter} must be a FractureDataset, got {type(data).__name__}")
    paths, counts = np.unique(data.paths, return_counts=True)
    if (counts > 1).any():
        raise DatasetError(
            f"{parameter} must name each file once, got {str(paths[counts.argmax()])!r} {counts.max()} times"
        )


def _warn_without_groups(data: FractureDataset, external: FractureDataset | None) -> None:
    if data.groups is None:
        warnings.warn(
            "No groups are given: images of one patient may stand on both sides of a split and flatter the result.",
            UngroupedDataWarning,
            stacklevel=3,
        )
    if external is not None and external.groups is None:
        warnings.warn(
            "No groups are given for external: its intervals take the images of one patient for independent.",
            UngroupedDataWarning,
            stacklevel=3,
        )


def _check_models(models: Any, n_classes: int) -> None:
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models must map names to classifiers, got {models!r}")
    for name, model in models.items():
        if name in BASELINES:
            raise ValueError(f"models: {name!r} is the name of a baseline; give the model another than {BASELINES}")
        if not hasattr(model, "fit") or isinstance(model, type) or not is_classifier(model):
            raise ValueError(f"models[{name!r}] must be a classifier, got {model!r}")
        if not hasattr(model, "predict_proba") and not hasattr(model, "decision_function"):
            raise ValueError(f"models[{name!r}] must have predict_proba or decision_function, got {model!r}")
        for parameter, value in model.get_params().items():
            if n_classes > 2 and parameter.endswith("decision_function_shape") and value == "ovo":
                raise ValueError(
                    f"models[{name!r}]: {parameter} must be 'ovr', a score for each of {n_classes} classes, got 'ovo'"
                )


def _both(data: FractureDataset, external: FractureDataset) -> FractureDataset:
    """All images with the metadata of `data`, as far as `external` has them."""
    if shared := len(np.intersect1d(data.paths, external.paths)):
        raise DatasetError(f"external shares {shared} files with the data; expected images of another source")
    columns = list(data.metadata_columns)
    return FractureDataset(
        paths=np.concatenate([data.paths, external.paths]),
        y=np.concatenate([data.y, external.y]),
        target_names=data.target_names,
        groups=None,
        frame=pd.concat([data.frame[columns], external.frame.reindex(columns=columns)], ignore_index=True),
        metadata_columns=data.metadata_columns,
    )


def _predict_external(fold: FoldResult, fitted: Any, external: FractureDataset) -> FoldResult:
    where = f"models[{fold.model!r}], fold {fold.fold}, on external"
    y_pred, scores, probabilities = predict_at(
        fitted, external.paths, fold.threshold, len(external.target_names), where
    )
    return replace(
        fold,
        train=np.empty(0, dtype=np.int64),
        test=np.arange(len(external)),
        y_pred=y_pred,
        scores=scores,
        probabilities=probabilities,
    )


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
    model.set_params(**{k: folder for k, v in params.items() if k.rpartition("__")[2] == "cache" and v is None})
    return model  # set_params of FrozenEstimator returns None
