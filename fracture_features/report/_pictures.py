"""The page's radiographs, as JPEG in data URIs."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..explain import explain_images
from ..images import read_image
from ..plotting import overlay_heat_map
from ..results import EvaluationResult, confident_mistakes, number, some_predictions
from ._live import gives_probabilities, own_threshold

N_SHOWN = 8
SIZE = 360  # pixels along the longer side
QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A radiograph with what it is, what it was called, and how far from the threshold."""

    name: str
    label: str
    predicted: str
    sureness: str
    fold: int
    image: str
    heat_map: str | None


def make_pictures(result: EvaluationResult, best: str, names: dict[str, str], model: Any) -> dict[str, list[Picture]]:
    """Predictions at random and the most confident mistakes of `best`, with maps of `model` where it is given."""
    tables = {
        "examples": some_predictions(result, best, N_SHOWN, result.random_state),
        "mistakes": confident_mistakes(result, best, N_SHOWN),
    }
    return {key: picture_rows(result, best, table, names, model) for key, table in tables.items()}


def picture_rows(
    result: EvaluationResult, name: str, table: pd.DataFrame, names: dict[str, str], model: Any
) -> list[Picture]:
    """A picture for each row of `example_table`, of the model of that name."""
    pictures = []
    row: Any
    for row in table.itertuples():
        image = read_image(row.path, max_side=SIZE)
        heat_map = None
        if model is not None:
            target = _target(result, row.predicted)
            (values,) = explain_images(model, [row.path], target=target, shapes=[image.shape])
            heat_map = to_jpeg(overlay_heat_map(image, values)[..., ::-1])
        sureness = describe_sureness(result, name, row)
        pictures.append(
            Picture(names[row.path], row.label, row.predicted, sureness, row.fold, to_jpeg(image), heat_map)
        )
    return pictures


def describe_sureness(result: EvaluationResult, model: str, row: Any) -> str:
    """How sure a model was of an image, and from where on it would have called it fractured.

    A score has a sign and is called one: it must not be taken for a probability.
    """
    targets = result.data.target_names
    if len(targets) > 2:
        if np.isnan(row.probability):
            return f"score {signed(row.score)}, no probability"
        return f"probability of {row.predicted} {number(row.probability)}"
    folds = result.folds_of(model)
    fold = next(fold for fold in folds if fold.fold == row.fold)
    k = int(np.flatnonzero(result.data.paths[fold.test] == row.path)[0])
    is_probability = gives_probabilities(folds)
    threshold = own_threshold(is_probability) if np.isnan(fold.threshold) else fold.threshold
    if is_probability:
        return f"probability of {targets[1]} {number(fold.scores[k, 1])}, threshold {number(threshold)}"
    score = f"score {signed(fold.scores[k, 1])}, threshold {signed(threshold)}"
    if fold.probabilities is None:
        return f"{score}, no probability"
    return f"probability of {targets[1]} {number(fold.probabilities[k, 1])}; {score}"


def signed(value: float) -> str:
    """A score with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"


def _target(result: EvaluationResult, predicted: str) -> int:
    """The fracture, or of more than two classes the one that was predicted."""
    targets = result.data.target_names
    return 1 if len(targets) == 2 else targets.index(predicted)


def to_jpeg(image: NDArray[np.uint8]) -> str:
    """A data URI of a grey or BGR image."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode()
