"""The predictions that the page's sliders work on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results import EvaluationResult, FoldResult

MAX_BYTES = 250_000  # of JSON; the script beside it is small
DIGITS = 4


def make_live(result: EvaluationResult, ranked: list[str], names: dict[str, str]) -> dict[str, Any] | None:
    """Of two classes, the models' scores on the tested images, as many models as have room, the best first.

    Where folds are repeated an image has the score of its first test. Names of images are left out where they have no
    room; None where the best model alone has none, or there are more than two classes.
    """
    if len(result.data.target_names) != 2:
        return None
    rows, _, _ = _first_tests(result.folds_of(ranked[0]))
    y = result.data.y[rows]
    live: dict[str, Any] = {
        "classes": list(result.data.target_names),
        "truth": _bits(y),
        "prevalence": float(y.mean()),
        "images": [names[path] for path in result.data.paths[rows]],
        "models": [],
    }
    for name in ranked:
        if (model := _model(result, name, rows)) is None:
            continue
        live["models"].append(model)
        if _size(live) > MAX_BYTES:
            if len(live["models"]) > 1:
                live["models"].pop()
                break
            live["images"] = []
            if _size(live) > MAX_BYTES:
                return None
    return live


def _size(live: dict[str, Any]) -> int:
    return len(json.dumps(live, separators=(",", ":")))


def _bits(values: NDArray[np.int64]) -> str:
    return "".join(map(str, values.tolist()))


def _first_tests(folds: list[FoldResult]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Rows in ascending order, and the score of class 1 and the class called when each was first tested."""
    tested = np.concatenate([fold.test for fold in folds])
    rows, first = np.unique(tested, return_index=True)
    scores = np.concatenate([fold.scores[:, 1] for fold in folds])
    return rows, scores[first], np.concatenate([fold.y_pred for fold in folds])[first]


def _model(result: EvaluationResult, name: str, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """One model; None where it was not tested on the same images."""
    folds = result.folds_of(name)
    tested, scores, called = _first_tests(folds)
    if not np.array_equal(tested, rows):
        return None
    is_probability = gives_probabilities(folds)
    thresholds = np.array([fold.threshold for fold in folds])
    own = bool(np.isnan(thresholds).all())
    start = round(own_threshold(is_probability) if own else float(np.nanmean(thresholds)), DIGITS)
    rounded = scores.round(DIGITS)
    if own:  # rounding moves no image to the other side
        wrong = (rounded >= start) != (called == 1)
        rounded[wrong] = np.where(called[wrong] == 1, start, start - 10.0**-DIGITS)
    limits = (0.0, 1.0) if is_probability else (float(rounded.min()), float(rounded.max()))
    return {
        "name": name,
        "probability": is_probability,
        "own": own,
        "start": start,
        "low": limits[0],
        "high": limits[1],
        "called": _bits(called),
        "scores": rounded.round(DIGITS).tolist(),
    }


def gives_probabilities(folds: list[FoldResult]) -> bool:
    """Whether what the threshold is held against is a probability: the scores are, and not a decision function."""
    return all(fold.probabilities is not None and np.array_equal(fold.scores, fold.probabilities) for fold in folds)


def own_threshold(is_probability: bool) -> float:
    """From which score on a classifier of two classes decides for the second."""
    return 0.5 if is_probability else 0.0
