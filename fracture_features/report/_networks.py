"""The section on networks: curves of training, and Grad-CAM on images of the test part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from ..plotting import plot_history
from ..results import EvaluationResult, some_predictions
from ._figures import Figure, draw
from ._pictures import Picture, picture_rows

MAX_NETWORKS = 3
N_PICTURES = 4


@dataclass(frozen=True)
class Network:
    """A network that was trained on the first fold."""

    name: str
    history: Figure
    pictures: list[Picture]


def make_networks(result: EvaluationResult, ranked: list[str], names: dict[str, str]) -> list[Network]:
    """The best networks whose model of the first fold was kept, with maps of images of its test part."""
    networks = []
    for name in ranked:
        fold = result.folds_of(name)[0]
        model = None if fold.kept is None else behind_calibration(fold.estimator)
        history = None if model is None else history_of(model)
        if history is None:
            continue
        alone = type(result)(result.data, [fold], result.excluded, result.random_state)
        shown = some_predictions(alone, name, N_PICTURES, result.random_state)
        caption = "On the first fold; the vertical line marks the epoch whose weights were kept."
        figure = draw(plot_history, 3.5, f"Training of {name}", history, caption=caption, width=7.6)
        networks.append(Network(name, figure, picture_rows(result, name, shown, names, model)))
        if len(networks) == MAX_NETWORKS:
            break
    return networks


def behind_calibration(model: Any) -> Any:
    """The one model behind a calibration, or the model itself."""
    return model.calibrated_classifiers_[0].estimator if isinstance(model, CalibratedClassifierCV) else model


def history_of(model: Any) -> Any:
    """What a pipeline's network recorded while it was trained; None where it ends with none."""
    return getattr(model[-1], "history_", None) if isinstance(model, Pipeline) else None
