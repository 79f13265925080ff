"""Convolutional networks for scikit-learn; keras is imported when one is fitted, not before."""

from ._augmentation import augment_images
from ._classifier import CNNClassifier
from ._pretrained import PretrainedExtractor

__all__ = ["CNNClassifier", "PretrainedExtractor", "augment_images"]
