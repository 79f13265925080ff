"""Evaluations made of given scores, where fitting models would tell no more."""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features.evaluation import MAJORITY, PROBE
from fracture_features.results import EvaluationResult, FoldResult

STRENGTH = {MAJORITY: 0.0, PROBE: 0.3, "edges": 2.0, "hog": 0.5, "lbp": 0.0}


def with_three_classes(data, names=("fractured", "healed", "normal")):
    """Every third patient of another class."""
    return replace(data, y=data.groups % 3, target_names=list(names))


def with_few_groups(result):
    """The same predictions on one group of each class, too few for an interval."""
    few = replace(result.data, groups=result.data.y)
    return EvaluationResult(few, result.fold_results, result.excluded, 0)


def make_result(data, models=("edges", "hog"), *, n_splits=3, threshold=np.nan, external=None, excluded=None):
    """Two baselines and models; all but "edges" give probabilities."""
    n_classes = len(data.target_names)
    rng = np.random.default_rng(0)
    truth = np.eye(n_classes)[data.y]
    splits = list(StratifiedGroupKFold(n_splits, shuffle=True, random_state=0).split(data.paths, data.y, data.groups))
    folds = []
    for model in (MAJORITY, PROBE, *models):
        logits = STRENGTH.get(model, 1.0) * truth + (model != MAJORITY) * rng.normal(size=truth.shape)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        decision = logits[:, 1] - logits[:, 0]
        scores = np.column_stack([-decision, decision]) if n_classes == 2 and model == "edges" else probabilities
        y_pred = scores.argmax(axis=1) if np.isnan(threshold) else (scores[:, 1] >= threshold).astype(np.int64)
        for k, (train, test) in enumerate(splits, start=1):
            given = None if model == "edges" else probabilities[test]
            role = "baseline" if model in (MAJORITY, PROBE) else "model"
            folds.append(FoldResult(model, k, train, test, y_pred[test], scores[test], given, threshold, role=role))
    if excluded is None:
        excluded = pd.DataFrame({"path": [], "label": [], "reason": []}, dtype=object)
    return EvaluationResult(data, folds, excluded, 0, external)
