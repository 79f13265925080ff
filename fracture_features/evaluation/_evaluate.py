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
from sklearn.base import clone

from ..baselines import baseline_models
from ..cache import close_cache
from ..datasets import FractureDataset
from ..exceptions import DatasetError, NoReadableImagesError, UngroupedDataWarning
from ..images import ImageReader
from ._fit import OperatingPoint, Runner, operating_rule, predict_at
from ._fold import FoldResult
from ._result import EvaluationResult
from ._splits import make_splits


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
        A search whose `cv` is a number gets inner folds that keep groups together.
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
        If no file can be read (NoReadableImagesError), a fold's training or test part lacks a class, a group stands on
        both sides of a split, or `external` has other classes.
    ValueError
        If `models` is no mapping of names to classifiers, or a parameter is none of those above.

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
    ['majority class', 'metadata only', 'shortcut probe', 'HOG + SVM']
    """
    _check_models(models)
    rule = operating_rule(operating_point, len(data.target_names))
    if external is not None and external.target_names != data.target_names:
        raise DatasetError(f"external has the classes {external.target_names}, the data have {data.target_names}")
    if data.groups is None:
        warnings.warn(
            "No groups are given: images of one patient may stand on both sides of a split and flatter the result.",
            UngroupedDataWarning,
            stacklevel=2,
        )
    folds, outside = [], []
    with (
        tempfile.TemporaryDirectory(prefix="fracture_features_") as folder,
        config_context(enable_metadata_routing=True),
    ):
        try:
            cached = {name: _with_cache(model, folder) for name, model in models.items()}
            data, excluded = exclude_unreadable(data, cached.values())
            known = data
            if external is not None:
                external, excluded_outside = exclude_unreadable(external, cached.values())
                known = _both(data, external)
            readers = [reader for model in cached.values() for reader in _readers(model)]
            reader = readers[0] if readers else ImageReader(cache=folder)
            runner = Runner(data, rule, calibrate, random_state)
            splits = make_splits(data, cv, n_repeats, random_state)
            for name, model in (baseline_models(known, reader, random_state=random_state) | cached).items():
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


def _check_models(models: Any) -> None:
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models must map names to classifiers, got {models!r}")
    for name, model in models.items():
        if not hasattr(model, "fit") or isinstance(model, type):
            raise ValueError(f"models[{name!r}] must be a classifier, got {model!r}")


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
    y_pred, scores, probabilities = predict_at(fitted, external.paths, fold.threshold)
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
    return model.set_params(**{k: folder for k, v in params.items() if k.rpartition("__")[2] == "cache" and v is None})
