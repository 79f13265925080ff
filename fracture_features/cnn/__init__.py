"""Convolutional networks as scikit-learn classifiers; keras is imported when one is fitted, not before."""

from ._classifier import CNNClassifier

__all__ = ["CNNClassifier"]
