"""Which part of a fitted model finds boxes, whatever stands around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils import gen_batches

from ._boxes import Detections

BLOCK = 32  # images that are read at a time
Detect = Callable[[ArrayLike, float | None], list[Detections]]
# What a search, a calibrated, a frozen or a saved model calls the one that it holds.
WITHIN = ("best_estimator_", "estimator_", "pipeline", "estimator")


def find_detector(model: Any) -> Detect | None:
    """Find the part of a fitted model that finds boxes, within any pipeline or calibration.

    Parameters
    ----------
    model : fitted classifier of paths
        A pipeline whose last step has `detect`, a classifier of paths that has it, or a search, a calibration or a
        FrozenEstimator over one of these.

    Returns
    -------
    detect : callable or None
        `detect(paths, threshold)` gives the Detections of each image; None where the model finds no boxes.

    See Also
    --------
    RegionClassifier.detect : What is called.

    Examples
    --------
    >>> from fracture_features import make_pipeline
    >>> from fracture_features.regions import find_detector
    >>> find_detector(make_pipeline("hog", "svm")) is None
    True
    """
    if isinstance(model, Pipeline):
        if not hasattr(model[-1], "detect"):
            return None
        return lambda paths, threshold: _detect(model, np.asarray(paths), threshold)
    if hasattr(model, "detect"):
        return lambda paths, threshold: list(model.detect(paths, threshold))
    if calibrated := getattr(model, "calibrated_classifiers_", None):
        return find_detector(calibrated[0].estimator) if len(calibrated) == 1 else None
    held = next((part for name in WITHIN if (part := getattr(model, name, None)) is not None), None)
    return None if held is None else find_detector(held)


def _detect(pipeline: Pipeline, paths: Any, threshold: float | None) -> list[Detections]:
    found: list[Detections] = []
    for rows in gen_batches(len(paths), BLOCK):
        taken = paths[rows]
        for _, step in pipeline.steps[:-1]:
            taken = step.transform(taken)
        found += pipeline[-1].detect(taken, threshold)
    return found
