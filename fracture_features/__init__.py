"""Honest baselines for bone fracture classification on radiographs, as scikit-learn pipelines.

Importing it imports neither keras, xgboost nor matplotlib.
"""

from ._versions import show_versions
from .cnn import CNNClassifier, PretrainedExtractor
from .datasets import (
    FractureDataset,
    MetadataLookup,
    load_coco,
    load_csv,
    load_folder,
    load_fracatlas,
    load_mura,
    load_yolo,
    make_radiographs,
)
from .evaluation import RecalibratedClassifier, evaluate
from .features import EdgeExtractor, FisherVectorExtractor, GaborExtractor, HOGExtractor, LBPExtractor
from .images import ImageReader, read_image
from .pipeline import make_pipeline
from .report import write_report
from .results import EvaluationResult

__all__ = [
    "CNNClassifier",
    "EdgeExtractor",
    "EvaluationResult",
    "FisherVectorExtractor",
    "FractureDataset",
    "GaborExtractor",
    "HOGExtractor",
    "ImageReader",
    "LBPExtractor",
    "MetadataLookup",
    "PretrainedExtractor",
    "RecalibratedClassifier",
    "evaluate",
    "load_coco",
    "load_csv",
    "load_folder",
    "load_fracatlas",
    "load_mura",
    "load_yolo",
    "make_pipeline",
    "make_radiographs",
    "read_image",
    "show_versions",
    "write_report",
]

__version__ = "0.1.0"
