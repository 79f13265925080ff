"""Train on all of a data set."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone, is_classifier

from .. import _versions
from ..audit import DESCRIPTIONS, Finding, audit_inventory
from ..cache import set_caches
from ..datasets import FractureDataset
from ..evaluation import class_scores, exclude_unreadable, read_files, temporary_cache
from ..evaluation._checks import check_data, warn_without_groups
from ..evaluation._files import with_cache
from ..evaluation._fit import Runner
from ..evaluation._leaks import warn_of_copies
from ..evaluation._splits import inner_splits
from ..exceptions import DatasetWarning
from ..results import EvaluationResult, digest_of, subgroup_columns
from ._calibration import Calibration
from ._decision import check_operating_point, choose_decision, estimate_decision
from ._model import FractureModel
from ._novelty import Novelty, see

N_FOLDS = 5


def train_model(
    pipeline: Any,
    data: FractureDataset,
    *,
    operating_point: Any = None,
    calibrate: bool = False,
    result: EvaluationResult | None = None,
    name: str | None = None,
    random_state: int | None = None,
) -> FractureModel:
    r"""Fit a pipeline on all images, with the threshold, calibration and limits that its use needs.

    The threshold, the calibration and the limit beyond which a file is unlike the training images are chosen on five
    folds that keep groups together: on scores of models that were fitted on the other four. Then the pipeline is fitted
    on all. Files that cannot be read are left out, which is warned of.

    Parameters
    ----------
    pipeline : classifier
        From paths to labels, such as `make_pipeline` makes; a clone is fitted.
    data : FractureDataset
        All images to train on.
    operating_point : None, str or tuple, default=None
        None, "sensitivity", "youden", ("sensitivity", share), ("threshold", score), ("rule-out", npv) or ("thresholds",
        low, high): from which score of class 1 on an image is called fractured, as in `evaluate`. Two thresholds give
        three answers, the third of which is "inconclusive": "rule-out" takes for the lower one the highest below which
        that share of the images is not fractured, for the upper one that with the highest Youden index; "thresholds"
        takes both as they are. None leaves it to the classifier, with two answers.
    calibrate : bool, default=False
        Whether to give probabilities by Platt's method, fitted to the scores of the folds.
    result : EvaluationResult, default=None
        Of the same data: what it measured of the model `name` is kept in `info`.
    name : str, default=None
        Name of the model, in `result` where that is given.
    random_state : int, default=None
        Seed of the folds; the pipeline has its own.

    Returns
    -------
    model : FractureModel
        Its `info` holds name, created (UTC), versions, parameters, data (counts of classes, groups and files left out,
        SHA-256 of all files), operating_point, estimates (of three answers: share set aside, fractures kept, ... with
        95 % intervals, each threshold measured on the folds that did not choose it), measures and subgroups (ROC AUC
        by each of the columns of metadata with 2 to 8 values; both from `result`) and findings (code, title and
        count of what the audit found). It holds no path and no patient id.

    Raises
    ------
    ValueError
        If `pipeline` is no classifier, `operating_point` is none of those or there are more than two classes for it, or
        `result` is of other data or has no model `name`.
    DatasetError
        If no file can be read, a file is named twice, or there are too few groups or images of a class.

    Warns
    -----
    UngroupedDataWarning
        If the data have no groups.
    DatasetWarning
        If files cannot be read.
    LeakWarning
        If copies of images would stand on both sides of an inner split.

    See Also
    --------
    fracture_features.evaluate : Compare pipelines first.
    load_model : Read a saved model.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm"), data, operating_point="sensitivity", random_state=0)
    >>> list(model.predict_frame(data.paths[:1]).columns)[:4]
    ['path', 'label', 'probability', 'score']
    """
    if not hasattr(pipeline, "fit") or isinstance(pipeline, type) or not is_classifier(pipeline):
        raise ValueError(f"pipeline must be a classifier, got {pipeline!r}")
    check_data(data, None)
    check_operating_point(operating_point, len(data.target_names))
    warn_without_groups(data, None)
    with temporary_cache() as folder, config_context(enable_metadata_routing=True):
        cached = with_cache(pipeline, folder)
        data, excluded, findings = _readable(data, cached)
        measures, subgroups = _measures(result, name, data)
        runner = Runner(data, None, False, random_state)
        folds = inner_splits(data, N_FOLDS, random_state, "the data")
        scores, distances = _held_out(runner, cached, folds, random_state)
        fitted = runner.fit(cached, np.arange(len(data)), "all images")
        novelty = Novelty.fit(see(fitted, data.paths).blocks, random_state).with_limit(distances)
    decision = estimates = None
    if operating_point is not None:
        decision = choose_decision(operating_point, data.y, scores[:, 1])
        estimates = estimate_decision(operating_point, data.y, scores[:, 1], data.groups, folds)
    calibration = Calibration.fit(scores, data.y) if calibrate else None
    info = {
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions.find_versions(),
        "parameters": _parameters(pipeline),
        "data": {
            "classes": data.class_counts(),
            "groups": None if data.groups is None else len(np.unique(data.groups)),
            "left_out": len(excluded),
            "digest": digest_of(data),
        },
        "operating_point": operating_point,
        "estimates": None if estimates is None else estimates.reset_index().to_dict("records"),
        "measures": measures,
        "subgroups": subgroups,
        "findings": [{"code": found.code, "title": found.kind.title, "count": found.count} for found in findings],
    }
    return FractureModel(set_caches(fitted, None), data.target_names, decision, calibration, novelty, info)


def _parameters(pipeline: Any) -> dict[str, str]:
    """Parameters as they may be told to others: without the folders of this machine."""
    told = set_caches(clone(pipeline), None)
    files = {key: value for key, value in told.get_params().items() if key.rpartition("__")[2] == "weights"}
    paths = {key: os.fspath(value) for key, value in files.items() if isinstance(value, str | os.PathLike)}
    told.set_params(**{key: os.path.basename(path) for key, path in paths.items()})
    return {key: repr(value) for key, value in sorted(told.get_params().items())}


def _readable(data: FractureDataset, model: Any) -> tuple[FractureDataset, pd.DataFrame, list[Finding]]:
    """The images that can be read, copies of one picture in one group; a table of the others; what the audit found."""
    data = read_files(data, [model], DESCRIPTIONS)
    report = audit_inventory(data)
    if report.has_copies:
        warn_of_copies(report)
        data = replace(data, groups=report.groups).with_files(data.files)
    data, excluded = exclude_unreadable(data)
    if len(excluded):
        warnings.warn(
            f"{len(excluded)} files are left out, the first {excluded['path'][0]!r}: {excluded['reason'][0]}",
            DatasetWarning,
            stacklevel=3,
        )
    return data, excluded, report.findings


def _held_out(
    runner: Runner, model: Any, folds: Any, random_state: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores (n, n_classes) of each image, and distances in any order, by the model of the folds that it is not in."""
    paths = runner.data.paths
    scores = np.empty((len(paths), len(runner.data.target_names)))
    distances = []
    for k, (train, test) in enumerate(folds, start=1):
        fitted = runner.fit(model, train, f"fold {k}")
        scores[test] = class_scores(fitted, paths[test])
        novelty = Novelty.fit(see(fitted, paths[train]).blocks, random_state)
        distances.append(novelty.distances(see(fitted, paths[test]).blocks))
    return scores, np.concatenate(distances)


def _measures(result: EvaluationResult | None, name: str | None, data: FractureDataset) -> tuple[Any, Any]:
    """Rows of what was measured, of all images and by subgroup; None where nothing was."""
    if result is None:
        return None, None
    if name not in result.models:
        raise ValueError(f"name must be one of the models of result, {result.models}, got {name!r}")
    if digest_of(result.data) != digest_of(data):
        raise ValueError("result must be of the same data: its files are others than those to train on")
    frame = result.frame().query("model == @name")
    parts = [
        result.subgroups(column, measures=["roc_auc"]).rename(columns={column: "subgroup"}).assign(column=column)
        for column in subgroup_columns(result)
    ]
    subgroups = pd.concat(parts).query("model == @name") if parts else pd.DataFrame()
    return (
        _records(frame[["measure", "value", "low", "high", "inference"]]),
        _records(subgroups.reindex(columns=["column", "subgroup", "n_evaluated", "value", "low", "high"])),
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in frame.to_dict("records")
    ]
