"""Measure a trained model on labelled images."""

from __future__ import annotations

import numpy as np

from ..datasets import FractureDataset
from ..evaluation import exclude_unreadable, predict_at
from ..evaluation._checks import check_data, warn_without_groups
from ..evaluation._places import find_boxes
from ..exceptions import DatasetError
from ..results import EvaluationResult, FoldResult
from ._model import FractureModel


def evaluate_model(model: FractureModel, data: FractureDataset) -> EvaluationResult:
    """Measure a trained model on images of another source; nothing is fitted.

    Parameters
    ----------
    model : FractureModel
    data : FractureDataset
        Of the model's classes, in their order. Files that cannot be read are left out and listed.

    Returns
    -------
    result : EvaluationResult
        Of one model and one test part: its intervals are those of this fitted model on other patients like these.

    Raises
    ------
    ValueError
        If `data` is no FractureDataset.
    DatasetError
        If it has other classes than the model, lacks one, names a file twice, or no file can be read.

    Warns
    -----
    UngroupedDataWarning
        If the data have no groups.
    """
    check_data(data, None)
    if data.target_names != list(model.target_names):
        raise DatasetError(f"the data have the classes {data.target_names}, the model {list(model.target_names)}")
    warn_without_groups(None, data)
    data, excluded = exclude_unreadable(data)
    threshold = np.nan if model.decision is None else model.decision.low
    name = model.info["name"] or "model"
    given = predict_at(model, data.paths, threshold, len(data.target_names), name)
    nothing, everything = np.empty(0, dtype=np.int64), np.arange(len(data))
    found = find_boxes(model, data)
    fold = FoldResult(name, 1, nothing, everything, *given, threshold=threshold, found=found)
    return EvaluationResult(data, [fold], excluded)
