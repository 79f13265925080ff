"""Measure a trained model on labelled images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..datasets import FractureDataset
from ..evaluation import exclude_unreadable, predict_at
from ..evaluation._checks import check_data, warn_without_groups
from ..evaluation._places import find_boxes
from ..evaluation._recalibration import find_recalibration, recalibrate
from ..evaluation._splits import inner_splits
from ..exceptions import DatasetError
from ..results import EvaluationResult, FoldResult
from ._model import FractureModel

N_FOLDS = 5
METHODS = ("intercept", "logistic")


def evaluate_model(
    model: FractureModel, data: FractureDataset, *, recalibration: str | None = None, random_state: int | None = None
) -> EvaluationResult:
    r"""Measure a trained model on images of another source; nothing is fitted unless `recalibration` asks for it.

    Parameters
    ----------
    model : FractureModel
        From `train_model` or `load_model`.
    data : FractureDataset
        Of the model's classes, in their order. Files that cannot be read are left out and listed.
    recalibration : {"intercept", "logistic"}, default=None
        Measure the model a second time, its probabilities adapted to this source as `RecalibratedClassifier` does it:
        those of each image by what the others tell, on five folds that keep groups together. Scores and labels stay.
    random_state : int, default=None
        Seed of these folds.

    Returns
    -------
    result : EvaluationResult
        Of one model, or two, and one test part: its intervals are those of this fitted model on other patients like
        these. The second model's name ends with "recalibrated".

    Raises
    ------
    ValueError
        If `data` is no FractureDataset, `recalibration` is neither, or the model has no probabilities of two classes.
    DatasetError
        If it has other classes than the model, lacks one, names a file twice, or no file can be read.

    Warns
    -----
    UngroupedDataWarning
        If the data have no groups.

    See Also
    --------
    fracture_features.evaluate : Cross-validate pipelines.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> from fracture_features.model import evaluate_model
    >>> here, there = (
    ...     load_folder(make_radiographs(60, folder=tempfile.mkdtemp(), random_state=k), groups=r"patient(\d+)")
    ...     for k in (0, 1)
    ... )
    >>> model = train_model(make_pipeline("edges", "svm"), here, calibrate=True, name="edges", random_state=0)
    >>> evaluate_model(model, there, recalibration="intercept", random_state=0).models
    ['edges', 'edges, recalibrated']
    """
    check_data(data, None)
    if data.target_names != list(model.target_names):
        raise DatasetError(f"the data have the classes {data.target_names}, the model {list(model.target_names)}")
    if recalibration not in (None, *METHODS):
        raise ValueError(f"recalibration must be one of {METHODS} or None, got {recalibration!r}")
    if recalibration is not None and (len(data.target_names) != 2 or not hasattr(model, "predict_proba")):
        raise ValueError("recalibration is for models with probabilities of two classes; calibrate=True trains one")
    warn_without_groups(None, data)
    data, excluded = exclude_unreadable(data)
    threshold = np.nan if model.decision is None else model.decision.low
    name = model.info["name"] or "model"
    given = predict_at(model, data.paths, threshold, len(data.target_names), name)
    nothing, everything = np.empty(0, dtype=np.int64), np.arange(len(data))
    found = find_boxes(model, data)
    fold = FoldResult(name, 1, nothing, everything, *given, threshold=threshold, found=found)
    folds = [fold] if recalibration is None else [fold, _recalibrated(fold, data, recalibration, random_state)]
    return EvaluationResult(data, folds, excluded)


def _recalibrated(fold: FoldResult, data: FractureDataset, method: str, random_state: int | None) -> FoldResult:
    """The same answers with probabilities that were recalibrated on other groups."""
    assert fold.probabilities is not None
    given, probabilities = fold.probabilities[:, 1], np.empty_like(fold.probabilities)
    for train, test in inner_splits(data, N_FOLDS, random_state, "the data"):
        probabilities[test] = recalibrate(given[test], *find_recalibration(given[train], data.y[train] == 1, method))
    return replace(fold, model=f"{fold.model}, recalibrated", probabilities=probabilities)
