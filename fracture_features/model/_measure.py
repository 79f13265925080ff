"""Measure a trained model on labelled images."""

from __future__ import annotations

import numpy as np

from ..datasets import FractureDataset
from ..evaluation import exclude_unreadable, predict_at
from ..evaluation._checks import check_data, warn_without_groups
from ..exceptions import DatasetError
from ..results import EvaluationResult, FoldResult
from ._model import FractureModel


def evaluate_model(model: FractureModel, data: FractureDataset) -> EvaluationResult:
    r"""Measure a trained model on images of another source; nothing is fitted.

    Parameters
    ----------
    model : FractureModel
        From `train_model` or `load_model`.
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
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), here, random_state=0)
    >>> len(evaluate_model(model, there).predictions())
    60
    """
    check_data(data, None)
    if data.target_names != list(model.target_names):
        raise DatasetError(f"the data have the classes {data.target_names}, the model {list(model.target_names)}")
    warn_without_groups(None, data)
    data, excluded = exclude_unreadable(data)
    threshold = np.nan if model.decision is None else model.decision.low
    name = model.info["name"] or "model"
    found = predict_at(model, data.paths, threshold, len(data.target_names), name)
    fold = FoldResult(name, 1, np.empty(0, dtype=np.int64), np.arange(len(data)), *found, threshold=threshold)
    return EvaluationResult(data, [fold], excluded)
