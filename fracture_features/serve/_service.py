"""What a model says of uploaded bytes: answers, pictures and maps that JSON can hold."""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import FractureFeaturesError, ImageReadError
from ..explain import explain_images, found_boxes
from ..images import held_in_memory, read_image
from ..model import FractureModel
from ..plotting import overlay_boxes
from ..plotting._pictures import STRONGEST, _rgb
from ..plotting._style import AGAINST, FOR
from . import _limits
from ._limits import Busy
from ._uploads import Upload

NOTICE = "Not a medical device. Nothing here is fit to decide about a patient."
PICTURE_SIDE = 1024  # pixels
MAP_SIDE = 512


class Service:
    """A model that several threads may ask: one after the other, so that no answer depends on what else is asked.

    Parameters
    ----------
    model : FractureModel
    """

    def __init__(self, model: FractureModel):
        self.model = model
        self._lock = threading.Lock()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_limits.SECONDS):
            raise Busy
        try:
            # A path in memory is known in this process alone.
            with joblib.parallel_config(backend="threading"):
                yield
        finally:
            self._lock.release()

    def predict(self, upload: Upload) -> dict[str, Any]:
        """Row of `predict_frame` for one file, its path the name that its sender gave it."""
        with held_in_memory(upload.data) as path, self._turn():
            row: dict[Any, Any]
            try:
                row = self.model.predict_frame([path]).iloc[0].to_dict()
            except FractureFeaturesError as error:  # a decoder that is not installed
                row = dict.fromkeys(_columns(self.model)) | {"error": str(error).replace(repr(path), "the file")}
        return plain(row | {"path": upload.name})

    def picture(self, upload: Upload) -> dict[str, Any]:
        """The image as it is read, at most 1024 pixels high and wide, as a PNG in a data URI, or the error."""
        with held_in_memory(upload.data) as path:
            try:
                image = read_image(path, max_side=PICTURE_SIDE)
            except (ImageReadError, FractureFeaturesError) as error:
                return {"image": None, "error": reason_of(error)}
        return {"image": to_png(image), "height": image.shape[0], "width": image.shape[1], "error": None}

    def heat_map(self, upload: Upload) -> dict[str, Any]:
        """Return where the model looked, as a transparent PNG to lie over the picture, or why there is none.

        The boxes of a model that finds any are drawn in it.
        """
        with held_in_memory(upload.data) as path, self._turn():
            try:
                shape = read_image(path, max_side=MAP_SIDE).shape
                target = self._target(path)
                (values,) = explain_images(self.model.pipeline, [path], target=target, shapes=[shape])
                boxes = found_boxes(self.model.pipeline, path, shape)
            except FractureFeaturesError as error:
                return {"heat_map": None, "error": reason_of(error)}
            except ValueError:
                return {"heat_map": None, "error": "there are no maps of a model of this kind"}
        return {
            "heat_map": to_png(framed(paint(values), boxes)),
            "target": self.model.target_names[target],
            "error": None,
        }

    def _target(self, path: str) -> int:
        """The fracture or, of more than two classes, the one that is predicted."""
        return 1 if len(self.model.target_names) == 2 else int(self.model.predict([path])[0])

    def about(self) -> dict[str, Any]:
        """Return what the page tells of the model."""
        info = self.model.info
        facts = {
            "name": info["name"] or "Fracture model",
            "classes": list(self.model.target_names),
            "created": info["created"],
            "n_images": sum(info["data"]["classes"].values()),
            "scale": find_scale(self.model),
            "measures": info["measures"],
            "estimates": info["estimates"],
            "card": self.model.card(),
            "columns": _columns(self.model),
            "notice": NOTICE,
            "max_file": _limits.MAX_FILE,
        }
        return plain(facts)


def _columns(model: FractureModel) -> list[str]:
    return list(model.predict_frame([]).columns)


def reason_of(error: Exception) -> str:
    """Return what is wrong, without the path."""
    return error.reason if isinstance(error, ImageReadError) else str(error)


def find_scale(model: FractureModel) -> dict[str, Any] | None:
    """On what scale, "probability" or "score", an answer and its thresholds can be drawn, and where these lie.

    Thresholds belong to scores: they are on the scale of probabilities where these rise with the score. None with more
    than two classes; `low` and `high` are None where the classifier decides without a threshold.
    """
    if len(model.target_names) != 2:
        return None
    thresholds = (None, None) if model.decision is None else (model.decision.low, model.decision.high)
    calibration = model.calibration
    if calibration is not None and calibration.slopes[0] < 0:
        scores = np.array([math.nan if value is None else value for value in thresholds])
        places = calibration.probabilities(np.column_stack([-scores, scores]))[:, 1]
        return {"unit": "probability", "low": places[0], "high": places[1]}
    is_score = calibration is not None or hasattr(model.pipeline, "decision_function")
    return {"unit": "score" if is_score else "probability", "low": thresholds[0], "high": thresholds[1]}


def paint(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A signed map (height, width) as BGRA: orange for the class, blue against it, opaque where it is strong."""
    opacity = STRONGEST * np.abs(values) / (np.abs(values).max() or 1.0)
    colour = np.where(values[..., None] > 0, _rgb(FOR), _rgb(AGAINST))[..., ::-1]
    return np.rint(np.dstack([colour, 255 * opacity])).astype(np.uint8)


def framed(painted: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A BGRA image with boxes (n, 4) drawn as `overlay_boxes` does, opaque."""
    frames = overlay_boxes(np.zeros((*painted.shape[:2], 3), np.uint8), found=boxes)[..., ::-1]
    opaque = np.dstack([frames, np.full(painted.shape[:2], 255, np.uint8)])
    return np.where(frames.any(axis=2, keepdims=True), opaque, painted)


def to_png(image: NDArray[np.uint8]) -> str:
    """A data URI of a grey or BGRA image, without loss."""
    encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(encoded).decode()


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold: numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
