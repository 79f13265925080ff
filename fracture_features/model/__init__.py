"""Trained models: fitted on all of a data set, saved and loaded without running code from the file."""

from ._calibration import Calibration
from ._decision import Decision, check_operating_point
from ._file import read_manifest, read_model_file, write_model_file
from ._measure import evaluate_model
from ._model import FractureModel, load_model
from ._novelty import Novelty
from ._onnx import export_onnx
from ._train import train_model
from ._types import TRUSTED_TYPES

__all__ = [
    "TRUSTED_TYPES",
    "Calibration",
    "Decision",
    "FractureModel",
    "Novelty",
    "check_operating_point",
    "evaluate_model",
    "export_onnx",
    "load_model",
    "read_manifest",
    "read_model_file",
    "train_model",
    "write_model_file",
]
