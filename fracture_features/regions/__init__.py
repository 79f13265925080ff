"""Classifiers that score places, learned from boxes."""

from ._boxes import Detections
from ._classifier import RegionClassifier

__all__ = ["Detections", "RegionClassifier"]
