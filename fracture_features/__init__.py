"""Honest baselines for bone fracture classification on radiographs, as scikit-learn pipelines.

Importing it imports nothing else: each name brings what it needs when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._versions import show_versions
    from .audit import AuditReport, audit_dataset
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
    from .model import FractureModel, load_model, train_model
    from .pipeline import make_pipeline
    from .report import write_report
    from .results import EvaluationResult

__version__ = "0.1.0"

_ROOMS = {
    "_versions": ("show_versions",),
    "audit": ("AuditReport", "audit_dataset"),
    "cnn": ("CNNClassifier", "PretrainedExtractor"),
    "datasets": (
        "FractureDataset",
        "MetadataLookup",
        "load_coco",
        "load_csv",
        "load_folder",
        "load_fracatlas",
        "load_mura",
        "load_yolo",
        "make_radiographs",
    ),
    "evaluation": ("RecalibratedClassifier", "evaluate"),
    "features": ("EdgeExtractor", "FisherVectorExtractor", "GaborExtractor", "HOGExtractor", "LBPExtractor"),
    "images": ("ImageReader", "read_image"),
    "model": ("FractureModel", "load_model", "train_model"),
    "pipeline": ("make_pipeline",),
    "report": ("write_report",),
    "results": ("EvaluationResult",),
}
_MODULES = {
    *_ROOMS,
    "cache",
    "exceptions",
    "explain",
    "metrics",
    "plotting",
    "protocols",
    "regions",
    "serve",
    "store",
} - {"_versions"}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AuditReport",
    "CNNClassifier",
    "EdgeExtractor",
    "EvaluationResult",
    "FisherVectorExtractor",
    "FractureDataset",
    "FractureModel",
    "GaborExtractor",
    "HOGExtractor",
    "ImageReader",
    "LBPExtractor",
    "MetadataLookup",
    "PretrainedExtractor",
    "RecalibratedClassifier",
    "audit_dataset",
    "evaluate",
    "load_coco",
    "load_csv",
    "load_folder",
    "load_fracatlas",
    "load_model",
    "load_mura",
    "load_yolo",
    "make_pipeline",
    "make_radiographs",
    "read_image",
    "show_versions",
    "train_model",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
