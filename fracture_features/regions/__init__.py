"""Classifiers that score places, learned from boxes."""

from ._boxes import Detections
from ._classifier import RegionClassifier
from ._detectors import find_detector
from ._stack import RegionStack

__all__ = ["Detections", "RegionClassifier", "RegionStack", "find_detector"]
