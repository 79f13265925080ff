"""Honest baselines for bone fracture classification on radiographs, as scikit-learn pipelines."""

from .features import HOGExtractor

__all__ = ["HOGExtractor"]
