"""Models × folds → predictions."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone, is_classifier

from .._validation import is_whole
from ..cache import cached_parts, close_cache
from ..datasets import FractureDataset, take_inventory
from ..exceptions import DatasetError, NoReadableImagesError, UngroupedDataWarning
from ..images import ImageReader
from ..results import FAILURE_COLUMNS, EvaluationResult, FoldResult
from ..results._fold import Role
from ._baselines import BASELINES, baseline_models, probe_reader
from ._checkpoint import Checkpoint
from ._fit import Job, OperatingPoint, Runner, operating_rule
from ._jobs import Worker, run_jobs
from ._nested import warn_of_ignored_groups
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
    n_jobs: int | None = None,
    keep_models: bool | str = False,
    on_error: str = "raise",
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_fold: Callable[[FoldResult], None] | None = None,
) -> EvaluationResult:
    r"""Cross-validate models over the same folds, groups kept together.

    Every file is read once, before any split; those that cannot be read are left out and listed in the result. Three
    models that cannot see a fracture are evaluated beside them: the majority class, the metadata without a pixel, and
    a probe of brightness, border and thumbnail (`evaluation.baseline_models`). Each model and fold is a job of its own;
    with a `random_state`, and models that have theirs, results are the same whatever runs them in whatever order.

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
    n_jobs : int, default=None
        Models and folds fitted at a time, by joblib: None means 1, or what `joblib.parallel_config` says, -1 all cores.
        Within several at a time each works on one thread.
    keep_models : bool or "first", default=False
        Whether to keep the fitted models, as `FoldResult.estimator`, without their caches; "first" keeps those of the
        first fold.
    on_error : {"raise", "record"}, default="raise"
        What happens when a model fails: "record" goes on with the others and lists model, fold and reason in
        `result.failures`; a model that failed on a fold is not in the tables.
    checkpoint : str, path-like or Checkpoint, default=None
        Folder in which finished jobs are kept. A later call finds those made of the same files, models, settings and
        versions there, and does the rest. With `keep_models` it holds pickles, which run code when they are read: use
        a folder of your own.
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
    CheckpointError
        If the folder `checkpoint` cannot be made.

    Warns
    -----
    UngroupedDataWarning
        If the data or `external` have no groups, or a splitter within a model ignores them.
    CheckpointWarning
        If a finished job is found damaged; it is run again.

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
    if on_error not in ("raise", "record"):
        raise ValueError(f"on_error must be 'raise' or 'record', got {on_error!r}")
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ValueError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}")
    folds_or_number = read_cv(data, cv, n_repeats)
    _warn_without_groups(data, external)
    if keep_models not in (True, False, "first"):
        raise ValueError(f"keep_models must be True, False or 'first', got {keep_models!r}")
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(Path(checkpoint))
    with tempfile.TemporaryDirectory(prefix="fracture_features_") as folder:
        try:
            models = {name: _with_cache(model, folder) for name, model in models.items()}
            shared = _shared_cache(models.values(), folder)
            readers = [probe_reader(shared), *models.values()]
            given, (data, excluded) = data, exclude_unreadable(data, readers)
            readable = ~np.isin(given.paths, excluded["path"])
            splits = make_splits(data, folds_or_number, n_repeats, random_state, readable)
            known, excluded_outside = data, excluded
            if external is not None:
                external, excluded_outside = exclude_unreadable(external, readers)
                check_classes(external, np.arange(len(external)), "external", "expected every class")
                known = _both(data, external)
            baselines = baseline_models(known, cache=shared, random_state=random_state)
            roles: dict[Role, dict[str, Any]] = {"baseline": baselines, "model": models}
            jobs = [
                Job(name, role, model, k, train, test)
                for role, part in roles.items()
                for name, model in part.items()
                for k, (train, test) in enumerate(splits, start=1)
            ]
            runner = Runner(data, rule, calibrate, random_state)
            with config_context(enable_metadata_routing=True):
                if data.groups is not None:
                    warn_of_ignored_groups(models)
                for job in jobs:
                    runner.check(job)
            worker = Worker(runner, external, keep_models, on_error == "record", checkpoint)
            outcomes = run_jobs(worker, jobs, n_jobs, on_fold)
        finally:
            close_cache(folder)
    failures = pd.DataFrame(
        [(o.job.model, o.job.fold, o.reason) for o in outcomes if o.error is not None], columns=list(FAILURE_COLUMNS)
    )
    whole = [o.folds for o in outcomes if o.job.model not in set(failures["model"])]
    outside = None
    if external is not None:
        outside = EvaluationResult(external, [folds[1] for folds in whole], excluded_outside, random_state)
    return EvaluationResult(data, [folds[0] for folds in whole], excluded, random_state, outside, failures)


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
            raise ValueError(f"models: {name!r} is the name of a baseline; give it another than {tuple(BASELINES)}")
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
    both = FractureDataset(
        paths=np.concatenate([data.paths, external.paths]),
        y=np.concatenate([data.y, external.y]),
        target_names=data.target_names,
        groups=None,
        frame=pd.concat([data.frame[columns], external.frame.reindex(columns=columns)], ignore_index=True),
        metadata_columns=data.metadata_columns,
    )
    return both.with_files(pd.concat([data.files, external.files]))


def exclude_unreadable(data: FractureDataset, models: Iterable[Any]) -> tuple[FractureDataset, pd.DataFrame]:
    """Take the inventory of a data set, reading every file as the models will, and filling their caches.

    Parameters
    ----------
    data : FractureDataset
    models : iterable of estimators
        Read with the ImageReaders found in them, or with a default one where there is none.

    Returns
    -------
    data : FractureDataset
        The readable images, with their `files`.
    excluded : DataFrame
        The others, with the columns path, label and reason.

    Raises
    ------
    NoReadableImagesError
        If no file can be read.
    """
    readers = [part for model in models for part in cached_parts(model) if isinstance(part, ImageReader)]
    files = take_inventory(data.paths.tolist(), readers, salt=data.salt)
    bad = files["reason"].notna().to_numpy()
    excluded = pd.DataFrame(
        {
            "path": data.paths[bad],
            "label": np.array(data.target_names)[data.y[bad]],
            "reason": files.loc[bad, "reason"].to_numpy(),
        }
    )
    if bad.all():
        raise NoReadableImagesError(
            f"none of {len(data)} files can be read; the first: {excluded['path'][0]}: {excluded['reason'][0]}"
        )
    return data.with_files(files).subset(~bad), excluded


def _shared_cache(models: Iterable[Any], folder: str) -> Any:
    """The one cache that all models share, or else `folder`: whatever order the models come in."""
    caches = {part.cache for model in models for part in cached_parts(model)}
    return caches.pop() if len(caches) == 1 else folder


def _with_cache(model: Any, folder: str) -> Any:
    """A clone in which what has no cache takes `folder`."""
    model = clone(model)
    for part in cached_parts(model):
        if part.cache is None:
            part.cache = folder
    return model
