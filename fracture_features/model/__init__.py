"""Trained models: fitted on all of a data set, saved and loaded without running code from the file."""

from ._calibration import Calibration
from ._decision import Decision, check_operating_point
from ._file import read_manifest
from ._measure import evaluate_model
from ._model import FractureModel, load_model
from ._novelty import Novelty
from ._train import train_model

__all__ = [
    "Calibration",
    "Decision",
    "FractureModel",
    "Novelty",
    "check_operating_point",
    "evaluate_model",
    "load_model",
    "read_manifest",
    "train_model",
]
