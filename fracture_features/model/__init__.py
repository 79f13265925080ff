"""Trained models: fitted on all of a data set, saved and loaded without running code from the file."""

from ._calibration import Calibration
from ._decision import Decision
from ._model import FractureModel, load_model
from ._novelty import Novelty
from ._train import train_model

__all__ = ["Calibration", "Decision", "FractureModel", "Novelty", "load_model", "train_model"]
