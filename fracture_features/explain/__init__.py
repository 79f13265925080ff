"""Signed maps that show where a model looked, for every kind of pipeline."""

from ._boxes import found_boxes
from ._explain import explain_images

__all__ = ["explain_images", "found_boxes"]
