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
from ..results import EvaluationResult, confident_mistakes, some_predictions
from ._summary import number

N_SHOWN = 8
SIZE = 360  # pixels along the longer side
QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A radiograph with what it is and what it was called."""

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
    images = {path: read_image(path, max_side=SIZE) for path in pd.concat(tables.values())["path"].unique()}
    return {key: _pictures(result, table, images, names, model) for key, table in tables.items()}


def _pictures(
    result: EvaluationResult,
    table: pd.DataFrame,
    images: dict[str, NDArray[np.uint8]],
    names: dict[str, str],
    model: Any,
) -> list[Picture]:
    pictures = []
    row: Any
    for row in table.itertuples():
        image = images[row.path]
        heat_map = None
        if model is not None:
            target = _target(result, row.predicted)
            (values,) = explain_images(model, [row.path], target=target, shapes=[image.shape])
            heat_map = to_jpeg(overlay_heat_map(image, values)[..., ::-1])
        probability = not np.isnan(row.probability)
        sureness = (
            f"{'probability' if probability else 'score'} {number(row.probability if probability else row.score)}"
        )
        pictures.append(
            Picture(names[row.path], row.label, row.predicted, sureness, row.fold, to_jpeg(image), heat_map)
        )
    return pictures


def _target(result: EvaluationResult, predicted: str) -> int:
    """The fracture, or of more than two classes the one that was predicted."""
    targets = result.data.target_names
    return 1 if len(targets) == 2 else targets.index(predicted)


def to_jpeg(image: NDArray[np.uint8]) -> str:
    """A data URI of a grey or BGR image."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode()
